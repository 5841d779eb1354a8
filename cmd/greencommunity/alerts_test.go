package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/alerting"
)

// #5: a leak published over MQTT becomes a message in a WeCom group that names
// the meter, with Debian's Mosquitto, Prometheus and Alertmanager between, and
// the end of the leak becomes another. The meter uploads its log, two days in one
// message: the rules go by the time of the readings.
func TestLeakBecomesAMessage(t *testing.T) {
	messages := make(chan string, 100)
	robot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Markdown struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		messages <- m.Markdown.Content
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	defer robot.Close()

	_, broker := startMosquitto(t)
	in := startIngester(t, broker, "http://"+startDatabase(t).addr, "")
	in.waitReady()

	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	listen := "127.0.0.1:" + freePort(t)
	text := fmt.Sprintf("listen: %s\ninventory: inventory.yaml\nalarms: %s/api/v1/alarms\nrobots:\n", listen, in.url)
	for _, name := range []string{"duty", "office", "operator"} {
		text += fmt.Sprintf("- {name: %s, kind: wecom, url_file: robot}\n", name)
	}
	write(t, filepath.Join(in.dir, "notify.yaml"), text)
	write(t, filepath.Join(in.dir, "robot"), robot.URL+"/cgi-bin/webhook/send?key=k")
	startProcess(t, bin, "notify", "--config", filepath.Join(in.dir, "notify.yaml"))
	waitPort(t, listen)

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stack, err := alerting.Start(ctx, alerting.Options{Deploy: "../../deploy", Dir: t.TempDir(), Target: strings.TrimPrefix(in.url, "http://"), Notify: listen})
	if errors.Is(err, alerting.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(stack.Log())
		}
	})
	next := func(words ...string) {
		t.Helper()
		select {
		case m := <-messages:
			wantOutput(t, m, words...)
		case <-time.After(30 * time.Second):
			alarms, err := get(in.url + "/api/v1/alarms")
			t.Fatalf("no message with %q; alarms: %s, %v", words, alarms, err)
		}
	}

	p := newPublisher(t, broker)
	volume := 100.0
	upload := func(from, to time.Time, litresPerHour float64) {
		var readings []string
		for at := from; at.Before(to); at = at.Add(15 * time.Minute) {
			volume += litresPerHour / 4 / 1000
			readings = append(readings, fmt.Sprintf(`{"time":%d,"water_volume_total":%.6f}`, at.UnixMilli(), volume))
		}
		p.publish("greencommunity/v1/nancheng/water/meter-12", []byte("["+strings.Join(readings, ",")+"]"))
	}
	now := time.Now().Truncate(time.Hour)
	began := time.Now()
	upload(now.Add(-60*time.Hour), now.Add(-10*time.Hour), 30)
	next("【一般】持续流量（疑似漏水） · 南城社区", "南城社区（供水）有1处未恢复", "\n- meter-12：流量")
	t.Logf("message %s after publishing", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	upload(now.Add(-10*time.Hour), now, 0)
	next("【已恢复】持续流量（疑似漏水） · 南城社区")
	t.Logf("its end %s after publishing", time.Since(began).Round(time.Millisecond))
	select {
	case m := <-messages:
		t.Errorf("another message:\n%s", m)
	case <-time.After(3 * time.Second):
	}
}
