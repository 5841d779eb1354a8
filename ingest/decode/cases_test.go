package decode

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// casesDir is where the sample payloads lie, which are not part of the project.
func casesDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("GREENCOMMUNITY_CASES")
	if dir == "" {
		t.Skip("GREENCOMMUNITY_CASES is not set")
	}
	return filepath.Join(dir, "vendors")
}

// source is an inventory of one source, for a kind of facility.
func source(t testing.TB, kind ingest.FacilityKind, format, topic, more string) *Worker {
	t.Helper()
	if topic == "" {
		topic = "#"
	}
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	text := fmt.Sprintf("communities: [{id: c, name: c}]\nvendors:\n- id: v\n  unknown_devices: accept\n  sources:\n  - {topic: %q, format: %s, community: c, facility: %s%s}\n", topic, format, kind, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []string{"tlv.js", "tariffs.js"} {
		program, err := os.ReadFile(filepath.Join("testdata", "codecs", codec))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), codec), program, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for name := range Formats {
		names = append(names, name)
	}
	inv, err := inventory.Load(path, names, time.FixedZone("Asia/Shanghai", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	return NewWorker(inv, anyDevice{inventory.NewRegistry(inv)})
}

// anyDevice gives a name to a device that has none.
type anyDevice struct{ *inventory.Registry }

func (r anyDevice) Resolve(src *inventory.Source, c *inventory.Captures, device, community, facility, compound, profile string) (*ingest.Device, uint32, *ingest.Refusal) {
	if device == "" && c.Device == "" {
		device = "device"
	}
	return r.Registry.Resolve(src, c, device, community, facility, compound, profile)
}

// expectation is an expected.json.
type expectation struct {
	Topic    string
	Device   string `json:"device_id"`
	Valid    *bool
	Readings []struct {
		Name   string
		Value  any
		Unit   string
		Time   *string
		Device string
	}
	Events []struct{ Type string }
}

// caseFormats says which format each directory is of; what the messages of a
// sequence need is in before.
var caseFormats = map[string]struct{ format, source string }{
	"alink":         {"alink", ""},
	"onenet":        {"alink", ""},
	"tuya":          {"alink", ""},
	"huawei_iotda":  {"huawei-iotda", ""},
	"cjt188":        {"cjt188", ""},
	"dlt645":        {"dlt645", ""},
	"wmbusmeters":   {"wmbusmeters", ""},
	"sparkplug_b":   {"sparkplug", ""},
	"senml":         {"senml", ""},
	"thingsboard":   {"thingsboard", ""},
	"neuron":        {"neuron", ""},
	"tasmota":       {"tasmota", ""},
	"shelly_gen2":   {"shelly", ""},
	"zigbee2mqtt":   {"zigbee2mqtt", ""},
	"fiware":        {"fiware", ""},
	"influx_lp":     {"influx", ""},
	"face_gate":     {"face-gate", ""},
	"hikvision_acs": {"hikvision", ""},
	"dahua":         {"dahua", ""},
	"ha_discovery":  {"homeassistant", ""},
	"tts_v3":        {"tts", lorawan},
	"chirpstack_v4": {"chirpstack", lorawan},
	"chirpstack_v3": {"chirpstack", `, fields: {
    "data.dimming_source[0].dimming_level__percent": {quantity: light_level, unit: "%"}, "data.mcu_temperature__C": {quantity: controller_temperature},
    "data.dimming_source[0].status.lamp_on": {quantity: light_on}, "data.status.metering_com_error": {event: metering_com_error}, data.device_unix_epoch: {time: true}}`},
}

// lorawan is how a source reads the devices of the cases: by codecs, and by
// what the fields they return mean.
const lorawan = `, codecs: {"": tlv.js, "Chirpstack default device profile": tlv.js, "EM400-TLD": tlv.js, EM2101: tariffs.js}, fields: {
    battery: {quantity: battery_level}, humidity: {quantity: humidity}, pulses: {quantity: pulse_count_total}, door: {quantity: door_open},
    distance: {quantity: fill_distance, unit: mm}, temperature: {quantity: temperature}, tamper: {event: tamper},
    temperature_alarm: {event: temperature_threshold_alarm}, distance_alarm: {event: distance_threshold_alarm},
    t1: {quantity: energy_total, unit: Wh, channel: t1}, t2: {quantity: energy_total, unit: Wh, channel: t2}}`

var channelSuffix = regexp.MustCompile(`^(.*)_([lt][1-4])$`)

func TestCases(t *testing.T) {
	dir := casesDir(t)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range caseFormats {
			if !yield(k) {
				return
			}
		}
	}) {
		files, err := filepath.Glob(filepath.Join(dir, name, "*.expected.json"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no cases: %v", name, err)
		}
		for _, file := range files {
			t.Run(name+"/"+strings.TrimSuffix(filepath.Base(file), ".expected.json"), func(t *testing.T) { runCase(t, name, file) })
		}
	}
}

func runCase(t *testing.T, name, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want expectation
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	payload := casePayload(t, file)
	topic := strings.NewReplacer("${", "", "{", "", "}", "").Replace(want.Topic)
	if strings.ContainsAny(topic, " ;:()") || topic == "" {
		topic = "any/topic"
	}
	received := time.Time{}
	for _, r := range want.Readings {
		if at, ok := wantTime(r.Time); ok && at.After(received) {
			received = at.Add(time.Minute)
		}
	}
	if received.IsZero() {
		received = time.Now()
	}
	format := Formats[caseFormats[name].format]
	best := 1 << 30
	var problems []string
	for _, kind := range []ingest.FacilityKind{"lighting", "water", "waste", "gate"} {
		more := caseFormats[name].source
		if kind == "waste" {
			more = strings.Replace(more, "{quantity: temperature}", "{quantity: bin_temperature}", 1)
		}
		w := source(t, kind, caseFormats[name].format, TemplateFor(format, topic), more)
		if name == "sparkplug_b" && strings.Contains(topic, "DATA") {
			birth := casePayload(t, filepath.Join(filepath.Dir(file), "1.expected.json"))
			w.Decode(&ingest.Message{Topic: strings.Replace(topic, "NDATA", "NBIRTH", 1), Payload: birth, Received: received.UnixNano()})
		}
		r := w.Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: payload, Received: received.UnixNano()})
		p := differences(r, &want)
		if len(p) < best {
			best, problems = len(p), p
		}
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func casePayload(t *testing.T, expected string) []byte {
	t.Helper()
	files, _ := filepath.Glob(strings.TrimSuffix(expected, "expected.json") + "*")
	for _, f := range files {
		if strings.HasSuffix(f, ".expected.json") || strings.HasSuffix(f, ".source.txt") {
			continue
		}
		payload, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		return payload
	}
	t.Fatal("no payload")
	return nil
}

// wantTime reads a time, of the meter's zone where the case says that it is
// local.
func wantTime(s *string) (time.Time, bool) {
	if s == nil {
		return time.Time{}, false
	}
	text, _, _ := strings.Cut(*s, " (")
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, true
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", text, time.FixedZone("", 8*3600))
	return at, err == nil
}

// differences compares what was decoded with what should have been.
func differences(r *Result, want *expectation) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if want.Valid != nil && !*want.Valid {
		if r.Err == nil {
			bad("accepted; it must be refused")
		}
		return problems
	}
	used := make([]bool, len(r.Readings))
	for _, w := range want.Readings {
		if w.Value == nil {
			continue
		}
		quantity, channel := w.Name[strings.LastIndexAny(w.Name, ":/")+1:], ""
		if m := channelSuffix.FindStringSubmatch(quantity); m != nil {
			quantity, channel = m[1], m[2]
			if quantity == "energy" {
				quantity = "energy_total"
			}
		}
		found := false
		for i := range r.Readings {
			got := &r.Readings[i]
			if used[i] || got.Quantity.Name != quantity || channel != "" && got.Channel != channel {
				continue
			}
			v, ok := w.Value.(float64)
			value := got.Value
			if strings.HasPrefix(w.Unit, "%") && got.Quantity.Unit == "ratio" {
				value *= 100
			}
			if !ok || math.Abs(value-v) > 1e-9*math.Max(1, math.Abs(v)) {
				continue
			}
			if at, ok := wantTime(w.Time); ok && at.Truncate(time.Millisecond).UnixNano() != got.Time {
				bad("%s: time %s, want %s", w.Name, time.Unix(0, got.Time).UTC().Format(time.RFC3339Nano), at.UTC().Format(time.RFC3339Nano))
			}
			used[i], found = true, true
			break
		}
		for _, u := range r.Unmapped {
			// What nobody has mapped keeps the vendor's word.
			same := u.Field == w.Name || strings.HasSuffix(w.Name, ":"+u.Field) || strings.HasSuffix(w.Name, "/"+u.Field)
			number, isNumber := w.Value.(float64)
			parsed, numeric := u.Value, !u.IsText
			if u.IsText {
				parsed, numeric = ParseNumber(u.Text)
			}
			if same && (isNumber && numeric && parsed == number || !isNumber && u.Text == fmt.Sprint(w.Value)) {
				found = true
			}
		}
		if !found {
			bad("no %s of %v; %s", w.Name, w.Value, summary(r))
		}
	}
	for i := range r.Readings {
		if !used[i] {
			bad("unexpected %s of %v %s", r.Readings[i].Quantity.Name, r.Readings[i].Value, r.Readings[i].Channel)
		}
	}
	for _, w := range want.Events {
		found := false
		for i := range r.Events {
			found = found || r.Events[i].Type == snake(w.Type)
		}
		if !found {
			bad("no event %s; %s", w.Type, summary(r))
		}
	}
	return problems
}

func summary(r *Result) string {
	var b strings.Builder
	if r.Err != nil {
		fmt.Fprintf(&b, "%v ", r.Err)
	}
	if r.Ignored != "" {
		fmt.Fprintf(&b, "ignored %s ", r.Ignored)
	}
	for i := range r.Readings {
		fmt.Fprintf(&b, "%s=%v ", r.Readings[i].Quantity.Name, r.Readings[i].Value)
	}
	for _, u := range r.Unmapped {
		fmt.Fprintf(&b, "?%s=%v%s ", u.Field, u.Value, u.Text)
	}
	for i := range r.Events {
		fmt.Fprintf(&b, "!%s ", r.Events[i].Type)
	}
	for _, f := range r.Refused {
		fmt.Fprintf(&b, "x%s:%s ", f.Field, f.Reason)
	}
	return b.String()
}

// hexBytes is for frames in tables.
func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
