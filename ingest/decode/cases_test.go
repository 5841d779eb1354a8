package decode

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"

	"greencommunity/ingest/inventory/inventorytest"
)

// casesDir returns where the sample payloads lie, which are not part of the project.
func casesDir(t *testing.T) string {
	t.Helper()
	dir := inventorytest.Cases(t)
	return filepath.Join(dir, "vendors")
}

// source is an inventory of one source, for a kind of facility.
func source(t testing.TB, kind ingest.FacilityKind, name, topic, more string) *Worker {
	t.Helper()
	if topic == "" {
		topic = "#"
	}
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	text := fmt.Sprintf("communities: [{id: c, name: c}]\nvendors:\n- id: v\n  unknown_devices: accept\n  sources:\n  - {topic: %q, format: %s, community: c, facility: %s%s}\n", topic, name, kind, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []string{"tlv.js", "tariffs.js", "raw.js", "bytes.js", "said.js", "plain.js"} {
		program, err := os.ReadFile(filepath.Join("testdata", "codecs", codec))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), codec), program, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inv, err := inventory.Load(path, time.FixedZone("Asia/Shanghai", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	return NewWorker(inv, anyDevice{inventory.NewRegistry(inv)})
}

// anyDevice gives a name to a device that has none.
type anyDevice struct{ *inventory.Registry }

func (r anyDevice) Resolve(src *inventory.Source, c *format.Captures, n inventory.Named) (*ingest.Device, uint32, *ingest.Refusal) {
	if n.Device == "" && c.Device == "" && src.Device == "" {
		n.Device = "device"
	}
	return r.Registry.Resolve(src, c, n)
}

// expectation is an expected.json.
type expectation struct {
	Topic    string
	Device   string `json:"device_id"`
	Valid    *bool
	Port     int    `json:"fPort"`
	Time     string // of the envelope, where only that is asserted
	RawHex   string `json:"raw_hex"` // the bytes inside the envelope
	Readings []struct {
		Name        string
		Value       any
		Unit        string
		Time        *string
		Device      string
		SourceField string `json:"source_field"`
	}
	Events []struct {
		Type   string
		Time   *string
		Device string
		Code   any
		Tag    string
	}
	Series struct {
		Hourly []float64 `json:"hourly_delta_m3"`
	}
}

// caseSource says how the messages of one directory of samples are read.
type caseSource struct{ format, more string }

// caseFormats says which format each directory is of. A directory that is not
// here fails the test.
var caseFormats = map[string]caseSource{
	"alink":         {"alink", ""},
	"alink_raw":     {"alink", `, codecs: {"": raw.js}`},
	"onenet":        {"alink", ""},
	"tuya":          {"alink", ""},
	"huawei_iotda":  {"huawei-iotda", ""},
	"ctwing":        {"ctwing", `, codecs: {"": bytes.js}, fields: {length: {quantity: pulse_count_total}}`},
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
	"tts_v3":        {"tts", ""},
	"chirpstack_v4": {"chirpstack", ""},
	"chirpstack_v3": {"chirpstack", ""},
	// Bytes of devices, as they are without an envelope.
	"milesight":      {"milesight", ""},
	"nas_luminaire":  {"nas-luminaire", ""},
	"nas_watermeter": {"nas-watermeter", ""},
	"axioma":         {"axioma", ""},
	"dragino":        {"dragino", ""},
}

// codecCases are directories that are read a second time, by decoders written
// in JavaScript.
var codecCases = map[string]caseSource{
	"tts_v3":        {"tts", lorawan},
	"chirpstack_v4": {"chirpstack", lorawan},
}

// lorawan sets how a source reads the devices of the cases: by codecs, and by
// what the fields they return mean.
const lorawan = `, codecs: {"": tlv.js, "Chirpstack default device profile": tlv.js, "EM400-TLD": tlv.js, EM2101: tariffs.js}, fields: {
    battery: {quantity: battery_level}, humidity: {quantity: humidity}, pulses: {quantity: pulse_count_total}, door: {quantity: door_open},
    distance: {quantity: fill_distance, unit: mm}, temperature: {quantity: temperature}, tamper: {event: tamper},
    temperature_alarm: {event: temperature_threshold_alarm}, distance_alarm: {event: distance_threshold_alarm},
    t1: {quantity: energy_total, unit: Wh, channel: t1}, t2: {quantity: energy_total, unit: Wh, channel: t2}}`

var channelSuffix = regexp.MustCompile(`^(.*)_([lt][1-4])$`)

// Every sample yields what its expected.json says, and no sample is left out.
func TestCases(t *testing.T) {
	dir := casesDir(t)
	payloads, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(payloads) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	compared := map[string]bool{}
	for _, file := range payloads {
		name := filepath.Base(filepath.Dir(file))
		number, expected := strings.CutSuffix(filepath.Base(file), ".expected.json")
		if !expected {
			continue
		}
		compared[filepath.Join(name, number)] = true
		how, ok := caseFormats[name]
		if !ok {
			t.Errorf("%s: no format is known for this directory", file)
			continue
		}
		t.Run(name+"/"+number, func(t *testing.T) { runCase(t, how, name, file) })
		if how, ok := codecCases[name]; ok {
			t.Run(name+"/"+number+"/codec", func(t *testing.T) { runCase(t, how, name, file) })
		}
	}
	for _, file := range payloads {
		base := filepath.Base(file)
		number, _, _ := strings.Cut(base, ".")
		if key := filepath.Join(filepath.Base(filepath.Dir(file)), number); !compared[key] {
			t.Errorf("%s: has no expected.json and was not compared", file)
		}
	}
	t.Logf("%d samples compared", len(compared))
}

func runCase(t *testing.T, how caseSource, name, file string) {
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
		if at, ok := wantTime(r.Time); ok && at.Add(time.Minute).After(received) && at.Year() > 1970 {
			received = at.Add(time.Minute)
		}
	}
	for _, e := range want.Events {
		if at, ok := wantTime(e.Time); ok && at.Add(time.Minute).After(received) {
			received = at.Add(time.Minute)
		}
	}
	if want.Time != "" {
		if received, err = time.Parse(time.RFC3339Nano, want.Time); err != nil {
			t.Fatal(err)
		}
		received = received.Add(time.Minute)
	}
	if received.IsZero() {
		received = time.Now()
	}
	received = received.Truncate(time.Millisecond)
	reads := format.Formats[how.format]
	best := 1 << 30
	var problems []string
	for _, kind := range []ingest.FacilityKind{"lighting", "water", "waste", "gate"} {
		more := how.more
		if kind == "waste" {
			more = strings.Replace(more, "{quantity: temperature}", "{quantity: bin_temperature}", 1)
		}
		w := source(t, kind, how.format, inventory.TemplateFor(reads, topic), more)
		if name == "sparkplug_b" && strings.Contains(topic, "DATA") {
			birth := casePayload(t, filepath.Join(filepath.Dir(file), "1.expected.json"))
			w.Decode(&ingest.Message{Topic: strings.Replace(topic, "NDATA", "NBIRTH", 1), Payload: birth, Received: received.UnixNano()})
		}
		r := w.Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: payload, Received: received.UnixNano()})
		p := differences(r, &want, name, received.UnixNano())
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

// caseDevice is the device a case names, where it names one that stands alone.
var caseDevice = regexp.MustCompile(`^[0-9A-Za-z:._-]+$`)

// want of one value, from either list of what was decoded.
type decoded struct {
	device, field, channel string
	value                  float64
	text                   string
	isText                 bool
	at                     int64
	replaced               bool
	used                   bool
}

// differences compares what was decoded with what should have been.
func differences(r *Result, want *expectation, directory string, received int64) []string {
	var problems []string
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if want.Valid != nil && !*want.Valid {
		if r.Err == nil {
			bad("accepted; it must be refused")
		}
		return problems
	}
	var readings, unmapped []decoded
	for i := range r.Readings {
		v := &r.Readings[i]
		readings = append(readings, decoded{
			device: string(v.Device.ID), field: v.Quantity.Name, channel: v.Channel, value: v.Value, at: v.Time, replaced: v.TimeReplaced,
		})
	}
	for _, u := range r.Unmapped {
		d := decoded{device: u.Device, field: u.Field, channel: u.Channel, value: u.Value, text: u.Text, isText: u.IsText, at: u.Time, replaced: u.TimeReplaced}
		if v, ok := format.ParseNumber(u.Text); ok && u.IsText {
			d.value = v
		}
		unmapped = append(unmapped, d)
	}
	for _, w := range want.Readings {
		if w.Value == nil || w.Name == "water_volume_log" { // the latter is the first of Series
			continue
		}
		quantity, channel := w.Name[strings.LastIndexAny(w.Name, ":/")+1:], ""
		if m := channelSuffix.FindStringSubmatch(quantity); m != nil {
			quantity, channel = m[1], m[2]
			if quantity == "energy" {
				quantity = "energy_total"
			}
		}
		at, timed := wantTime(w.Time)
		matches := func(d *decoded) bool {
			if d.used || channel != "" && d.channel != channel || caseDevice.MatchString(w.Device) && w.Device != "gateway" && d.device != w.Device {
				return false
			}
			if timed && d.at != at.Truncate(time.Millisecond).UnixNano() && !(d.replaced && at.Year() == 1970) {
				return false
			}
			v, isNumber := w.Value.(float64)
			if !isNumber {
				return d.text == fmt.Sprint(w.Value)
			}
			value := d.value
			if strings.HasPrefix(w.Unit, "%") && math.Abs(value*100-v) < 1e-9*math.Abs(v) && quantity != "humidity" && quantity != "battery_level" {
				value *= 100
			}
			return math.Abs(value-v) <= 1e-9*math.Abs(v)
		}
		found := false
		for i := range readings {
			if readings[i].field == quantity && matches(&readings[i]) {
				readings[i].used, found = true, true
				break
			}
		}
		for i := range unmapped {
			// What nobody has mapped keeps the vendor's word.
			u := &unmapped[i]
			if !found && (u.field == w.Name || u.field == quantity || strings.HasSuffix(w.SourceField, u.field)) && matches(u) {
				u.used, found = true, true
			}
		}
		if !found {
			at := ""
			if timed {
				at = " at " + wantText(w.Time)
			}
			bad("no %s of %v%s; %s", w.Name, w.Value, at, summary(r))
		}
	}
	problems = append(problems, seriesDifferences(readings, want)...)
	if want.RawHex != "" { // what the envelope carries, and when
		if len(readings) != 1 || int(readings[0].value) != len(want.RawHex)/2 || len(unmapped) != 1 || unmapped[0].text != want.RawHex {
			bad("bytes are not %s; %s", want.RawHex, summary(r))
		} else if at, _ := time.Parse(time.RFC3339Nano, want.Time); readings[0].at != at.UnixNano() || !strings.HasPrefix(want.Device, readings[0].device) {
			bad("device %s at %s, want %s at %s", readings[0].device, time.Unix(0, readings[0].at).UTC(), want.Device, want.Time)
		}
		readings = nil
	}
	for i := range readings {
		if d := &readings[i]; !d.used && (directory != "onenet" || d.device == "") { // onenet/3 lists its first element only
			bad("unexpected %s of %v %s", d.field, d.value, d.channel)
		}
		if d := &readings[i]; caseDevice.MatchString(want.Device) && !strings.Contains(want.Device, "/") && len(want.Readings) > 0 && want.Readings[0].Device == "" && d.device != want.Device {
			bad("%s is of device %q, want %q", d.field, d.device, want.Device)
		}
	}
	used := make([]bool, len(r.Events))
	for _, w := range want.Events {
		found := false
		at, timed := wantTime(w.Time)
		for i, e := range r.Events {
			if !used[i] && sameName(e.Type, w.Type) && (!timed || e.Time == at.Truncate(time.Millisecond).UnixNano()) && (w.Tag == "" || w.Tag == e.Channel) {
				used[i], found = true, true
				break
			}
		}
		// A sub-device without a name cannot have events of its own.
		if !found && strings.HasPrefix(w.Device, "subDevices") && len(r.Refused) > 0 {
			found = true
		}
		if !found {
			bad("no event %s; %s", w.Type, summary(r))
		}
	}
	for i, e := range r.Events {
		if !used[i] && directory != "onenet" {
			bad("unexpected event %s", e.Type)
		}
	}
	return problems
}

// seriesDifferences compares registers with the increments of a case that has
// them: one an hour, from the register at the start of the log.
func seriesDifferences(readings []decoded, want *expectation) []string {
	if len(want.Series.Hourly) == 0 {
		return nil
	}
	var start, now float64
	for _, w := range want.Readings {
		switch w.Name {
		case "water_volume_log":
			start, _ = w.Value.(float64)
		case "water_volume_total":
			now, _ = w.Value.(float64)
		}
	}
	if len(readings) != len(want.Series.Hourly)+2 {
		return []string{fmt.Sprintf("%d registers, want %d hours, the start and now", len(readings), len(want.Series.Hourly))}
	}
	var problems []string
	register := start
	for i := range readings {
		if i > 0 && i <= len(want.Series.Hourly) {
			register += want.Series.Hourly[i-1]
		}
		if math.Abs(readings[i].value-register) > 1e-9*register {
			problems = append(problems, fmt.Sprintf("register %d is %g, want %g", i, readings[i].value, register))
		}
		readings[i].used = true
	}
	if math.Abs(register-now) > 1e-9*now {
		problems = append(problems, fmt.Sprintf("increments sum to %g, want %g", register, now))
	}
	return problems
}

func wantText(s *string) string {
	if s == nil {
		return "any time"
	}
	return *s
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

// sameName compares an event's type with a vendor's word for it, whose capitals
// and separators do not count.
func sameName(name, word string) bool {
	plain := func(s string) string { return strings.NewReplacer("_", "", "-", "", " ", "").Replace(s) }
	return strings.EqualFold(plain(name), plain(word))
}

// sum is the checksum of meter frames: all bytes, modulo 256.
func sum(data []byte) (s byte) {
	for _, b := range data {
		s += b
	}
	return s
}
