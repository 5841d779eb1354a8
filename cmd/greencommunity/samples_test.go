package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"

	"greencommunity/ingest/inventory/inventorytest"
)

// sampleFormats says which format each directory of samples is of.
var sampleFormats = map[string]string{
	"alink": "alink", "alink_raw": "alink", "onenet": "alink", "tuya": "alink", "huawei_iotda": "huawei-iotda", "ctwing": "ctwing",
	"cjt188": "cjt188", "dlt645": "dlt645", "wmbusmeters": "wmbusmeters", "sparkplug_b": "sparkplug", "senml": "senml", "thingsboard": "thingsboard",
	"neuron": "neuron", "tasmota": "tasmota", "shelly_gen2": "shelly", "zigbee2mqtt": "zigbee2mqtt", "fiware": "fiware", "influx_lp": "influx",
	"face_gate": "face-gate", "hikvision_acs": "hikvision", "dahua": "dahua", "ha_discovery": "homeassistant", "tts_v3": "tts",
	"chirpstack_v4": "chirpstack", "chirpstack_v3": "chirpstack", "milesight": "milesight", "nas_luminaire": "nas-luminaire",
	"nas_watermeter": "nas-watermeter", "axioma": "axioma", "dragino": "dragino",
}

// sample is a payload of the cases with the topic it is published to here: one
// below a level of its own, so that each has a source.
type sample struct {
	id, path, format, topic, template, facility string
	valid                                       bool
	want                                        []wanted
}

type wanted struct {
	Name  string
	Value any
	Time  *string
}

// received is shortly after the latest time a sample has, so that none is out
// of bounds.
func (s *sample) received(now time.Time) time.Time {
	latest := time.Time{}
	for _, w := range s.want {
		if w.Time == nil {
			continue
		}
		text, _, _ := strings.Cut(*w.Time, " (")
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			at, err = time.ParseInLocation("2006-01-02T15:04:05", text, time.FixedZone("", 8*3600))
		}
		if err == nil && at.Add(time.Minute).After(latest) && at.Year() > 1970 {
			latest = at.Add(time.Minute)
		}
	}
	if latest.IsZero() {
		return now
	}
	return latest
}

func readSamples(t *testing.T) []*sample {
	t.Helper()
	dir := inventorytest.Cases(t)
	files, err := filepath.Glob(filepath.Join(dir, "vendors", "*", "*.expected.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	var samples []*sample
	for _, file := range files {
		directory, number := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".expected.json")
		s := &sample{id: directory + "-" + number, format: sampleFormats[directory], valid: true}
		if s.format == "" {
			t.Errorf("%s: no format is known for it", file)
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var expected struct {
			Topic    string
			Valid    *bool
			Readings []wanted
		}
		if err := json.Unmarshal(data, &expected); err != nil {
			t.Fatal(err)
		}
		s.want = expected.Readings
		s.valid = expected.Valid == nil || *expected.Valid
		topic := strings.NewReplacer("${", "", "{", "", "}", "").Replace(expected.Topic)
		if strings.ContainsAny(topic, " ;:()") || topic == "" {
			topic = "device"
		}
		s.topic, s.template = "cases/"+s.id+"/"+topic, "cases/"+s.id+"/"+inventory.TemplateFor(format.Formats[s.format], topic)
		switch {
		case topic == "device":
			s.template = "cases/" + s.id + "/{device}"
		case strings.HasPrefix(topic, "spBv1.0/"): // its topics begin with that
			s.topic, s.template = strings.Replace(topic, "/group/", "/"+s.id+"/", 1), "spBv1.0/"+s.id+"/#"
		case strings.HasPrefix(topic, "zigbee2mqtt/"), strings.HasPrefix(topic, "/"):
			s.topic, s.template = strings.Replace(s.topic, "//", "/", 1), strings.Replace(s.template, "//", "/", 1)
		}
		payloads, _ := filepath.Glob(strings.TrimSuffix(file, "expected.json") + "*")
		for _, p := range payloads {
			if !strings.HasSuffix(p, ".expected.json") && !strings.HasSuffix(p, ".source.txt") {
				s.path = p
			}
		}
		samples = append(samples, s)
	}
	return samples
}

func sampleInventory(samples []*sample, kind func(*sample) string) string {
	var b strings.Builder
	b.WriteString("communities:\n")
	for _, s := range samples {
		fmt.Fprintf(&b, "- {id: %s, name: x}\n", s.id)
	}
	b.WriteString("vendors:\n- id: samples\n  unknown_devices: accept\n  sources:\n")
	for _, s := range samples {
		fmt.Fprintf(&b, "  - {topic: %q, format: %s, community: %s, facility: %s}\n", s.template, s.format, s.id, kind(s))
	}
	return b.String()
}

// decodeSample runs the command on a sample and returns its lines.
func decodeSample(t *testing.T, inventory string, s *sample, received time.Time) (lines []map[string]any) {
	t.Helper()
	var out, explained bytes.Buffer
	err := run(context.Background(), []string{"decode", "--inventory", inventory, "--topic", s.topic, "--received", received.Format(time.RFC3339Nano), "--explain", s.path}, streams{nil, &out, &explained})
	var code exitCode
	if err != nil && !errors.As(err, &code) {
		t.Fatalf("%s: %v", s.id, err)
	}
	if !strings.Contains(explained.String(), "format "+s.format) {
		t.Errorf("%s: explained as %q", s.id, explained.String())
	}
	for text := range strings.Lines(out.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v: %s", s.id, err, text)
		}
		lines = append(lines, line)
	}
	return lines
}

// Every sample, published to the broker, is in InfluxDB exactly as decode says,
// which says what was expected of it; what must be refused is refused.
func TestSamplesThroughTheBroker(t *testing.T) {
	t.Parallel()
	samples := readSamples(t)
	received := time.Now()
	for _, s := range samples {
		best := -1
		for _, kind := range []string{"lighting", "water", "waste", "gate"} {
			path := filepath.Join(t.TempDir(), "inventory.yaml")
			if err := os.WriteFile(path, []byte(sampleInventory([]*sample{s}, func(*sample) string { return kind })), 0o600); err != nil {
				t.Fatal(err)
			}
			inv, err := inventory.Load(path, time.FixedZone("", 8*3600))
			if err != nil {
				t.Fatal(err)
			}
			payload, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			r := decode.NewWorker(inv, inventory.NewRegistry(inv)).Decode(&ingest.Message{Topic: s.topic, Payload: payload, Received: received.UnixNano()})
			if n := len(r.Readings) + len(r.Events); n > best {
				best, s.facility = n, kind
			}
		}
	}
	in, db, broker := startWith(t, sampleInventory(samples, func(s *sample) string { return s.facility }))
	path := filepath.Join(in.dir, "inventory.yaml")
	p := newPublisher(t, broker.Addr())
	for _, s := range samples {
		payload, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		p.publish(s.topic, payload)
	}
	in.waitSettled(float64(len(samples)), 60*time.Second)
	refused := map[string]string{}
	for _, r := range readRejects(t, in.dir) {
		refused[r.Topic] = r.Reason
	}
	stored := 0
	for _, s := range samples {
		lines := decodeSample(t, path, s, received)
		var rejected string
		fields := 0
		rows := db.rows(fmt.Sprintf(`SELECT * FROM %s WHERE community='%s'`, s.facility, s.id))
		for _, line := range lines {
			if reason, ok := line["rejected"].(string); ok {
				rejected = reason
			}
			quantity, ok := line["quantity"].(string)
			if !ok {
				continue
			}
			fields++
			if !hasRow(rows, line, quantity) {
				t.Errorf("%s: InfluxDB does not hold %s = %v of %v", s.id, quantity, line["value"], line["device"])
			}
		}
		stored += fields
		inDatabase := 0
		for _, row := range rows {
			for name, v := range row {
				if _, number := v.(json.Number); number && name != "time" && v != nil {
					inDatabase++
				}
			}
		}
		if inDatabase > fields {
			t.Errorf("%s: InfluxDB holds %d values, decode yields %d", s.id, inDatabase, fields)
		}
		if refused[s.topic] != rejected {
			t.Errorf("%s: refused as %q, decode says %q", s.id, refused[s.topic], rejected)
		}
		if !s.valid && rejected == "" {
			t.Errorf("%s: accepted; it must be refused", s.id)
		}
		if s.id == "alink_raw-1" || s.id == "sparkplug_b-3" || s.id == "thingsboard-1" || !s.valid {
			continue // need a decoder, a birth, and a login that only the broker knows
		}
		lines = decodeSample(t, path, s, s.received(received))
		for _, w := range s.want {
			v, ok := w.Value.(float64)
			if !ok || w.Name == "water_volume_log" {
				continue
			}
			found := false
			for _, line := range lines {
				have, ok := line["value"].(float64)
				if text, isText := line["value"].(string); isText {
					have, ok = format.ParseNumber(text)
				}
				found = found || ok && (math.Abs(have-v) <= 1e-9*math.Abs(v) || math.Abs(100*have-v) <= 1e-9*math.Abs(v))
			}
			if !found {
				t.Errorf("%s: decode does not say %s = %v", s.id, w.Name, v)
			}
		}
	}
	t.Logf("%d samples, %d readings stored as decode says", len(samples), stored)
}

// hasRow reports whether a row holds what a line of decode says.
func hasRow(rows []map[string]any, line map[string]any, quantity string) bool {
	value, _ := line["value"].(float64)
	for _, row := range rows {
		n, ok := row[quantity].(json.Number)
		if !ok || row["device"] != line["device"] {
			continue
		}
		v, err := n.Float64()
		if err != nil || math.Abs(v-value) > 1e-9*math.Abs(value) {
			continue
		}
		if channel, _ := row["channel"].(string); channel != line["channel"] {
			continue
		}
		if line["time_source"] != "received" {
			at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(line["time"]))
			if ns, _ := row["time"].(json.Number).Int64(); err != nil || ns != at.UnixNano() {
				continue
			}
		}
		return true
	}
	return false
}
