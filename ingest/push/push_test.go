package push_test

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/push"
)

const gates = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: gatemaker
  unknown_devices: accept
  sources:
  - {topic: "hikvision/{device}/event", format: hikvision, community: nancheng, facility: gate}
  - {topic: "mqtt/face/#", format: face-gate, community: nancheng, facility: gate}
- id: lampmaker
  unknown_devices: accept
  sources:
  - {topic: "lamps/{device}", format: json, community: nancheng, facility: lighting}
`

// passwords is a file as mosquitto_passwd writes it, with the user's id as password.
func passwords(t *testing.T, users ...string) string {
	t.Helper()
	var b strings.Builder
	for i, user := range users {
		salt := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, byte(i)}
		key, err := pbkdf2.Key(sha512.New, user, salt, 101, 64)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s:$7$101$%s$%s\n", user, base64.StdEncoding.EncodeToString(salt), base64.StdEncoding.EncodeToString(key))
	}
	path := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A terminal posts what it would otherwise need a bridge for: its event is in InfluxDB,
// what a pass says of a person is nowhere, and nobody posts in another's name.
func TestTerminalsPost(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	database, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	dir := filepath.Join(t.TempDir(), "data")
	p, err := pipeline.New(pipeline.Options{
		DataDir: dir, Inventory: inventorytest.Parse(t, gates, time.FixedZone("", 8*3600)), MQTT: mqtt.Options{Brokers: []string{broker.URL()}, ClientID: "push"},
		InfluxDB: influx.Options{URL: database.URL(), Org: "o", Bucket: "facilities"}, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := push.Listen(push.Options{Listen: "127.0.0.1:0", PasswordFile: passwords(t, "gatemaker", "lampmaker"), MaxBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)}, p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	opened, ended := make(chan struct{}), make(chan error, 2)
	go func() { ended <- p.Run(ctx, func() { close(opened) }) }()
	go func() { ended <- l.Run(ctx) }()
	defer func() { cancel(); <-ended; <-ended }()
	<-opened

	post := func(method, path, user, contentType, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+l.Addr()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		if user != "" {
			r.SetBasicAuth(user, user)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	at := time.Now().Add(-time.Minute).Format("2006-01-02T15:04:05-07:00")
	event := fmt.Sprintf(`{"dateTime":%q,"eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"doorNo":1,"name":"Zhang San","attendanceStatus":"checkIn"}}`, at)
	multipart := "--MIME\r\nContent-Type: application/json\r\n\r\n" + event + "\r\n--MIME\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8 picture of Zhang San\r\n--MIME--\r\n"
	for _, c := range []struct {
		name, method, path, user, body string
		want                           int
	}{
		{"an event with a picture behind it", "POST", "/hikvision/gate-1/event", "gatemaker", multipart, 200},
		{"a terminal that sends no password", "POST", "/as/gatemaker/gatemaker/mqtt/face/1026700/Rec", "", fmt.Sprintf(`{"operator":"RecPush","info":{"facesluiceId":"1026700","VerifyStatus":"1","direction":"exit","personName":"Zhang San","time":%q}}`, at[:19]), 200},
		{"a terminal that tries whether we are there", "POST", "/hikvision/gate-1/event", "gatemaker", "", 200},
		{"a wrong user", "POST", "/hikvision/gate-1/event", "nobody", event, 401},
		{"no user", "POST", "/hikvision/gate-1/event", "", event, 401},
		{"another vendor's topic", "POST", "/hikvision/gate-1/event", "lampmaker", event, 403},
		{"a topic of nobody", "POST", "/elsewhere", "gatemaker", event, 403},
		{"reading", "GET", "/hikvision/gate-1/event", "gatemaker", "", 405},
		{"too much", "POST", "/lamps/l1", "lampmaker", strings.Repeat("x", 1<<20+1), 413},
	} {
		if status, answer := post(c.method, c.path, c.user, "application/json", c.body); status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, status, answer, c.want)
		}
	}
	count := func(query string) string {
		rows, err := database.Query(context.Background(), "facilities", query)
		if err != nil || len(rows) == 0 {
			return "0"
		}
		return fmt.Sprint(rows[0].Values[0][1])
	}
	for deadline := time.Now().Add(time.Minute); count(`SELECT count(active) FROM events WHERE "type" = 'access_granted'`) != "2" || count(`SELECT count(pass_out) FROM gate`) != "1"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("events %s, passes out %s", count(`SELECT count(active) FROM events WHERE "type" = 'access_granted'`), count(`SELECT count(pass_out) FROM gate`))
		}
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if data, _ := os.ReadFile(path); bytes.Contains(data, []byte("Zhang")) {
			t.Errorf("%s holds a person's name", path)
		}
		return nil
	})
}
