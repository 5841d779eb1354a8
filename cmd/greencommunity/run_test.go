package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

// A message of each fate goes in, and the account, InfluxDB and the rejects
// say what became of it.
func TestEveryFate(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	in := startIngester(t, broker.Addr(), "http://"+db.addr, "")
	in.waitReady()
	now := time.Now().UnixMilli()
	p := newPublisher(t, broker.Addr())
	feedback := make(chan string, 10)
	p.client.Subscribe("greencommunity/v1/feedback/#", 0, func(_ mqttClient, m mqttMessage) {
		feedback <- m.Topic() + " " + string(m.Payload())
	}).Wait()
	lamp := "greencommunity/v1/nancheng/lighting/L1"
	good := fmt.Appendf(nil, `{"time":%d,"active_power":43.2,"energy_total":1203.4,"light_level":0.6,"light_on":true}`, now)
	p.publish(lamp, good)
	p.publish(lamp, good) // a duplicate
	p.publish(lamp, []byte(`{"active_power":"off"}`))
	p.publish("greencommunity/v1/beicheng/lighting/L1", good)
	p.publish("greencommunity/v1/nancheng/gate/G1", fmt.Appendf(nil, `{"time":%d,"event":"door_forced","code":"7"}`, now))
	s := in.waitSettled(5, 20*time.Second)
	for name, want := range map[string]float64{
		"greencommunity_messages_received_total[vendor:brightlamp]":                          5,
		"greencommunity_messages_stored_total":                                               2,
		"greencommunity_messages_duplicate_total":                                            1,
		"greencommunity_messages_rejected_total[reason:bad_value vendor:brightlamp]":         1,
		"greencommunity_messages_rejected_total[reason:unknown_community vendor:brightlamp]": 1,
		"greencommunity_readings_total[community:nancheng facility:lighting]":                4,
		"greencommunity_readings_total[community:nancheng facility:gate]":                    1,
		"greencommunity_influxdb_points_total[result:stored]":                                2,
		"greencommunity_mqtt_connected":                                                      1,
	} {
		if got := s[name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	rows := db.rows(`SELECT * FROM lighting`)
	want := fmt.Sprintf("map[active_power:43.2 community:nancheng device:L1 energy_total:1203.4 light_level:0.6 light_on:1 time:%d vendor:brightlamp]", now*1e6)
	if len(rows) != 1 || fmt.Sprint(rows[0]) != want {
		t.Errorf("lighting holds\n%v, want\n%s", rows, want)
	}
	if rows := db.rows(`SELECT active, code, device, type FROM events WHERE type='door_forced'`); len(rows) != 1 || fmt.Sprint(rows[0]) != fmt.Sprintf("map[active:1 code:7 device:G1 time:%d type:door_forced]", now*1e6) {
		t.Errorf("events holds %v", rows)
	}
	rejects := readRejects(t, in.dir)
	if len(rejects) != 2 || rejects[0].Reason != "bad_value" || rejects[0].Payload != `{"active_power":"off"}` || rejects[1].Reason != "unknown_community" {
		t.Errorf("rejects: %+v", rejects)
	}
	for _, reason := range []string{"bad_value", "unknown_community"} {
		select {
		case text := <-feedback:
			if !strings.HasPrefix(text, "greencommunity/v1/feedback/brightlamp ") || !strings.Contains(text, reason) {
				t.Errorf("feedback %s, want reason %s", text, reason)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("no feedback about %s", reason)
		}
	}
	in.end(syscall.SIGTERM)
	in.start()
	in.waitReady()
	again := in.waitSettled(5, 20*time.Second)
	for name, v := range s {
		if strings.HasPrefix(name, "greencommunity_messages_") && again[name] != v {
			t.Errorf("after a restart %s is %v, was %v", name, again[name], v)
		}
	}
}

type rejectLine struct {
	Seq                            uint64
	Reason, Detail, Topic, Payload string
	PayloadBytes                   []byte `json:"payload_base64"`
}

func readRejects(t testing.TB, dir string) []rejectLine {
	t.Helper()
	var lines []rejectLine
	for _, name := range []string{"rejects.ndjson.1", "rejects.ndjson"} {
		f, err := os.Open(filepath.Join(dir, "data", name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			var line rejectLine
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				t.Fatalf("%s: %v: %s", name, err, scanner.Text())
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// Messages no decoder was made for become rejects or right readings; what
// comes after them is taken in as ever.
func TestHostilePayloads(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	in := startIngester(t, broker.Addr(), "http://"+db.addr, "")
	in.waitReady()
	p := newPublisher(t, broker.Addr())
	var many strings.Builder
	many.WriteByte('[')
	start := time.Now().Add(-3 * time.Hour).UnixMilli()
	for i := range 5_000 {
		if i > 0 {
			many.WriteByte(',')
		}
		fmt.Fprintf(&many, `{"time":%d,"active_power":%d}`, start+int64(i)*1000, i)
	}
	many.WriteByte(']')
	topic := func(device string) string { return "greencommunity/v1/nancheng/lighting/" + device }
	tests := []struct{ name, topic, payload, reason string }{
		{"5 MB", topic("big"), `{"active_power":1,"x":"` + strings.Repeat("a", 5<<20) + `"}`, "too_large"},
		{"9 MB", topic("bigger"), strings.Repeat("a", 9<<20), "too_large"},
		{"topic of 60 KB", topic(strings.Repeat("t", 60_000)), `{"active_power":1}`, "too_large"},
		{"no UTF-8", topic("u"), "{\"active_power\":1,\"x\":\"\xff\xfe\"}", ""}, // one bad member does not cost the others
		{"nested", topic("n"), strings.Repeat("[", 100_000), "malformed"},
		{"nested object", topic("n"), strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), "malformed"},
		{"5,000 readings", topic("many"), many.String() + "", ""},
		{"future", topic("future"), fmt.Sprintf(`{"time":%d,"active_power":1}`, time.Now().AddDate(1, 0, 0).UnixMilli()), ""},
		{"year 2000", topic("past"), `{"time":"2000-01-01T00:00:00Z","active_power":2}`, ""},
		{"NaN", topic("nan"), `{"active_power":NaN}`, "bad_value"},
		{"NaN as text", topic("nan"), `{"active_power":"NaN"}`, "bad_value"},
		{"infinity", topic("nan"), `{"active_power":1e999}`, "bad_value"},
		{"duplicate key", topic("dup"), `{"active_power":1,"active_power":2}`, "malformed"},
		{"empty", topic("e"), ``, "malformed"},
		{"null", topic("e"), `null`, "malformed"},
		{"out of range", topic("r"), `{"light_level":60}`, "out_of_range"},
		{"tag injection", topic("a,b=c"), `{"active_power":1}`, "bad_identifier"},
		{"unknown field", topic("f"), `{"colour":1}`, "no_reading"},
		{"bad time", topic("t"), `{"time":"yesterday","active_power":1}`, "malformed"},
		{"unknown facility", "greencommunity/v1/nancheng/fountain/f", `{"active_power":1}`, "unknown_facility"},
	}
	stored, rejected := 0, 0
	for _, test := range tests {
		p.publish(test.topic, []byte(test.payload))
		if test.reason == "" {
			stored++
		} else {
			rejected++
		}
	}
	before := time.Now()
	s := in.waitSettled(float64(len(tests)), 60*time.Second)
	if got := s.sum("greencommunity_messages_stored_total"); got != float64(stored) {
		t.Errorf("%v stored, want %d", got, stored)
	}
	rejects := readRejects(t, in.dir)
	for _, test := range tests {
		found := test.reason == ""
		for _, r := range rejects {
			same := len(test.topic) > 1024 && strings.HasPrefix(r.Topic, "#withheld-topic") || r.Topic == test.topic && (r.Payload+string(r.PayloadBytes) == test.payload || len(test.payload) > 60_000)
			if same && r.Reason == test.reason {
				found = true
			}
			if same && test.reason == "" {
				t.Errorf("%s: rejected: %s %s", test.name, r.Reason, r.Detail)
			}
		}
		if !found {
			t.Errorf("%s: not rejected as %s", test.name, test.reason)
		}
	}
	if len(rejects) != rejected {
		t.Errorf("%d rejects, want %d", len(rejects), rejected)
		for _, r := range rejects {
			t.Logf("%s %s %.80s", r.Reason, r.Detail, r.Topic)
		}
	}
	if rows := db.rows(`SELECT count(active_power), sum(active_power) FROM lighting WHERE device='many'`); len(rows) != 1 || fmt.Sprint(rows[0]["count"]) != "5000" || fmt.Sprint(rows[0]["sum"]) != "12497500" {
		t.Errorf("of 5,000 readings InfluxDB holds %v", rows)
	}
	for _, device := range []string{"future", "past"} {
		rows := db.rows(`SELECT active_power FROM lighting WHERE device='` + device + `'`)
		if len(rows) != 1 {
			t.Errorf("%s: %v", device, rows)
			continue
		}
		ns, _ := rows[0]["time"].(json.Number).Int64()
		if d := before.Sub(time.Unix(0, ns)); math.Abs(d.Seconds()) > 60 {
			t.Errorf("%s: stands at %s, want the time received", device, time.Unix(0, ns))
		}
	}
}
