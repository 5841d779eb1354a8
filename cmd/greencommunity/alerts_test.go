package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/alerting"
)

// #5: a leak published over MQTT becomes a message in a WeCom group that names
// the meter, with Debian's Mosquitto, Prometheus and Alertmanager between, and
// the end of the leak becomes another. The meter uploads its log, two days in one
// message: the rules go by the time of the readings, and as it comes late, the
// alarm waits a minute for what may end it.
func TestLeakBecomesAMessage(t *testing.T) {
	t.Parallel()
	messages := make(chan string, 100)
	robot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Markdown struct{ Content string } }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		if m.Markdown.Content != "" { // a picture goes behind it
			messages <- m.Markdown.Content
		}
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	defer robot.Close()

	_, broker := startMosquitto(t)
	secure := httptest.NewUnstartedServer(nil) // a certificate to watch, as the broker's
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	in := startIngester(t, broker, "http://"+startDatabase(t).addr, fmt.Sprintf("watch_tls: [%q]\n", secure.Listener.Addr().String()))
	in.waitReady()

	bin := built.Path(t)
	listen := "127.0.0.1:" + freePort(t)
	text := fmt.Sprintf("listen: %s\ninventory: inventory.yaml\nalarms: %s/api/v1/alarms\nroster: roster.yaml\nstate: told.json\nrobots:\n", listen, in.url)
	write(t, filepath.Join(in.dir, "roster.yaml"), "otherwise: {robots: [office]}\n")
	for _, name := range []string{"duty", "office", "operator"} {
		text += fmt.Sprintf("- {name: %s, kind: wecom, url_file: robot}\n", name)
	}
	write(t, filepath.Join(in.dir, "notify.yaml"), text)
	write(t, filepath.Join(in.dir, "robot"), robot.URL+"/cgi-bin/webhook/send?key=k")
	startProcess(t, bin, "notify", "--config", filepath.Join(in.dir, "notify.yaml"))
	waitPort(t, listen)

	startAlerting(t, in, listen)
	next := func(words ...string) {
		t.Helper()
		select {
		case m := <-messages:
			wantOutput(t, m, words...)
		case <-time.After(2 * time.Minute): // an alarm of the past is held for one, see metrics/anomaly
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
	next("【一般】持续流量（疑似漏水） · 南城社区", "**地点**：南城社区 供水设备meter-12", "流量", "每天约", "（设备时间）起")
	t.Logf("message %s after publishing", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	upload(now.Add(-10*time.Hour), now, 0)
	next("【已恢复】持续流量（疑似漏水） · 南城社区", "meter-12", "历时", "自动解除")
	t.Logf("its end %s after publishing", time.Since(began).Round(time.Millisecond))
	p.publish("greencommunity/v1/nancheng/water/meter-12", []byte("{")) // so that rejects have a series
	select {
	case m := <-messages:
		t.Errorf("another message:\n%s", m)
	case <-time.After(3 * time.Second):
	}
	eventually(t, 10*time.Second, "every metric of the rules", func() error { return rulesKnow(in.url) })
}

// rulesKnow returns an error where a rule reads a metric that the ingester does
// not show. Those on savings appear with the first closed day of a boundary.
func rulesKnow(url string) error {
	exposition, err := get(url + "/metrics")
	if err != nil {
		return err
	}
	paths, err := filepath.Glob("../../deploy/prometheus/rules/*.yaml")
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("rules: %d files, %w", len(paths), err)
	}
	var missing []string
	seen := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(data), "\n") {
			if strings.Contains(line, "description") || strings.Contains(line, "record:") || strings.HasPrefix(line, "#") {
				continue
			}
			for _, name := range metricName.FindAllString(line, -1) {
				if strings.HasPrefix(name, ":") || strings.Contains(name, "savings") || // of boundaries, which this inventory has none of:
					strings.Contains(name, "_lighting_stated_") || strings.Contains(name, "_baseline_") ||
					strings.HasPrefix(name, "greencommunity_notify_") || name == "greencommunity_alarm_active" || // of notify; of open alarms
					name == "greencommunity_standby" { // of one that was started as a standby
					continue
				}
				seen++
				if !strings.Contains(exposition, "\n"+name+"{") && !strings.Contains(exposition, "\n"+name+" ") {
					missing = append(missing, name)
				}
			}
		}
	}
	if seen < 15 {
		return fmt.Errorf("only %d metrics in the rules", seen)
	}
	if len(missing) > 0 {
		return fmt.Errorf("not exposed: %s", strings.Join(missing, ", "))
	}
	return nil
}

// metricName matches our metrics, and the names of recorded series with their colon.
var metricName = regexp.MustCompile(`:?\bgreencommunity_[a-z_]+\b`)

// startAlerting starts Prometheus and Alertmanager as deploy has them, on the service and
// on the notifier.
func startAlerting(t *testing.T, in *ingester, notify string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	stack, err := alerting.Start(ctx, alerting.Options{Deploy: "../../deploy", Dir: t.TempDir(), Target: strings.TrimPrefix(in.url, "http://"), Notify: notify})
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
}
