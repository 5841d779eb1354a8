package decode

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// A sampleDir is how the payloads of one directory of the samples are read:
// the source as an operator would write it, and where the samples were
// published to. Payloads of vendors that need earlier ones (births) name them.
type sampleDir struct {
	dir    string
	source string              // inventory YAML of the source, without topic
	filter string              // its topic template; "" is the topic itself
	topic  string              // where the samples arrive
	topics map[string]string   // the same for single samples
	after  map[string][]string // samples that must have been read before
	kind   string              // facility; default lighting
	kinds  map[string]string   // the same for single samples
	// device is the id expected where the samples' own words are not one.
	device map[string]string
	// skip says why what a sample expects is not a reading or an event of ours:
	// by sample, by the expected name.
	skip map[string]map[string]string
	// extra are readings and events beyond the expected ones, which list a part.
	extra []string
	// received is when a sample arrives; default is just after its last time.
	received map[string]string
}

// expectation is what a sample must yield, in the words it comes with.
type expectation struct {
	DeviceID string `json:"device_id"`
	Valid    *bool  `json:"valid"`
	Error    string `json:"error"`
	Readings []struct {
		Name   string  `json:"name"`
		Value  any     `json:"value"`
		Unit   string  `json:"unit"`
		Time   *string `json:"time"`
		Tag    string  `json:"tag"`
		Device string  `json:"device"`
	} `json:"readings"`
	Events []struct {
		Type   string  `json:"type"`
		Event  string  `json:"event"`
		Active *bool   `json:"active"`
		Time   *string `json:"time"`
		Tag    string  `json:"tag"`
	} `json:"events"`
}

// samplesRoot is the directory of the samples. They are other people's and not
// part of the project: without them there is nothing to compare with.
func samplesRoot(t *testing.T) string {
	root := os.Getenv("GREENCOMMUNITY_CASES")
	if root == "" {
		t.Skip("GREENCOMMUNITY_CASES does not name the samples")
	}
	root = filepath.Join(root, "vendors")
	if _, err := os.Stat(root); err != nil {
		t.Fatalf("GREENCOMMUNITY_CASES: %v", err)
	}
	return root
}

// runSamples reads every sample of the directories and compares.
func runSamples(t *testing.T, dirs []sampleDir) {
	root := samplesRoot(t)
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(root, dir.dir, "*.expected.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no samples: %v", dir.dir, err)
		}
		for _, file := range files {
			n := strings.TrimSuffix(filepath.Base(file), ".expected.json")
			t.Run(dir.dir+"/"+n, func(t *testing.T) { dir.run(t, root, n) })
		}
	}
}

func (d *sampleDir) payload(t *testing.T, root, n string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, d.dir, n+".*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".expected.json") || strings.HasSuffix(file, ".source.txt") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	t.Fatalf("sample %s/%s has no payload", d.dir, n)
	return nil
}

func (d *sampleDir) run(t *testing.T, root, n string) {
	data, err := os.ReadFile(filepath.Join(root, d.dir, n+".expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want expectation
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	topic := first(d.topics[n], d.topic, "t/"+d.dir)
	kind := first(d.kinds[n], d.kind, "lighting")
	received := d.receivedAt(t, n, &want)

	filter := first(d.filter, filterFor(d.source, topic))
	inv := sampleInventory(t, filter, kind, d.source)
	w := NewWorker(inv, inventory.NewRegistry(inv))
	for i, before := range d.after[n] {
		m := &ingest.Message{Seq: uint64(i) + 1, Received: received, Topic: first(d.topics[before], d.topic), Payload: d.payload(t, root, before)}
		if r := w.Decode(m); r.Err != nil {
			t.Fatalf("sample %s, which goes before: %v", before, r.Err)
		}
	}
	r := w.Decode(&ingest.Message{Seq: 9, Received: received, Topic: topic, Payload: d.payload(t, root, n)})
	d.compare(t, n, &want, r)
}

// filterFor is a format's own template for a topic.
func filterFor(source, topic string) string {
	for name, format := range Formats {
		if strings.Contains(source, "format: "+name+",") || strings.Contains(source, "format: "+name+"}") {
			return TemplateFor(format, topic)
		}
	}
	return "#"
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// sampleInventory lists one community and one vendor whose source is given.
func sampleInventory(t testing.TB, filter, kind, source string) *inventory.Inventory {
	t.Helper()
	text := fmt.Sprintf(`
communities:
- {id: nancheng, name: 南城社区}
vendors:
- id: vendor
  unknown_devices: accept
  sources:
  - {topic: %q, community: nancheng, facility: %s, %s}
`, filter, kind, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(source), "{"), "}"))
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, slices.Sorted(maps.Keys(Formats)), defaultZone)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return inv
}

// receivedAt is a minute after the last time a sample speaks of.
func (d *sampleDir) receivedAt(t *testing.T, n string, want *expectation) int64 {
	if s, ok := d.received[n]; ok {
		at, ok := ParseTime(s, defaultZone)
		if !ok {
			t.Fatalf("received: %q", s)
		}
		return at
	}
	last := int64(0)
	for _, r := range want.Readings {
		if r.Time != nil {
			last = max(last, expectedTime(t, *r.Time))
		}
	}
	for _, e := range want.Events {
		if e.Time != nil {
			last = max(last, expectedTime(t, *e.Time))
		}
	}
	if last == 0 {
		return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	}
	return last + int64(time.Minute)
}

func expectedTime(t *testing.T, text string) int64 {
	t.Helper()
	text = strings.TrimSpace(strings.TrimSuffix(text, "(meter local)"))
	at, ok := ParseTime(text, defaultZone)
	if !ok {
		t.Fatalf("expected time %q", text)
	}
	return at - at%int64(time.Millisecond)
}

// found is one thing a message came to, in words that can be compared.
type found struct {
	name, channel, device string
	value                 any
	unit                  string
	time                  int64 // 0 where it was only received
	matched               bool
}

func (d *sampleDir) compare(t *testing.T, n string, want *expectation, r *Result) {
	if want.Valid != nil && !*want.Valid {
		if r.Err == nil {
			t.Fatalf("accepted; want it refused: %s", want.Error)
		}
		t.Logf("refused, as it must be: %v", r.Err)
		return
	}
	if len(want.Readings)+len(want.Events) == 0 {
		if len(r.Readings)+len(r.Events) > 0 {
			t.Errorf("yields %d readings and %d events; want none", len(r.Readings), len(r.Events))
		}
		if r.Err != nil && r.Err.Reason == ingest.Internal {
			t.Errorf("a defect of ours: %v", r.Err)
		}
		t.Logf("no reading: ignored %q, refused %v", r.Ignored, r.Err)
		return
	}
	var have []*found
	for _, v := range r.Readings {
		f := &found{name: v.Quantity.Name, channel: v.Channel, device: string(v.Device.ID), value: v.Value, unit: v.Quantity.Unit, time: v.Time}
		if v.TimeSource == ingest.TimeReceived {
			f.time = 0
		}
		have = append(have, f)
	}
	unmapped := len(have)
	for _, v := range r.Unmapped {
		f := &found{name: v.Field, device: v.Device, value: v.Value}
		if v.IsText {
			f.value = v.Text
		}
		have = append(have, f)
	}
	for _, e := range want.Readings {
		if _, ok := d.skip[n][e.Name]; ok {
			continue
		}
		if e.Value == nil { // a sentinel: there must be no such reading
			if i := slices.IndexFunc(have, func(f *found) bool { return f.is(e.Name) }); i >= 0 {
				t.Errorf("%s is a value: %v; want none", e.Name, have[i].value)
			}
			continue
		}
		i := slices.IndexFunc(have, func(f *found) bool {
			return !f.matched && f.is(e.Name) && sameValue(e.Value, e.Unit, f) && sameTime(t, e.Time, f, r) && (e.Tag == "" || f.channel == e.Tag)
		})
		if i < 0 {
			at := "any time"
			if e.Time != nil {
				at = *e.Time
			}
			t.Errorf("no reading %s = %v %s at %s", e.Name, e.Value, e.Unit, at)
			continue
		}
		have[i].matched = true
		if id := first(d.device[n], plainID(want.DeviceID)); id != "" && have[i].device != id {
			t.Errorf("%s is of device %q, want %q", e.Name, have[i].device, id)
		}
	}
	for i, f := range have {
		if i < unmapped && !f.matched && !slices.Contains(d.extra, f.name) {
			t.Errorf("one reading too many: %s %s = %v %s", f.name, f.channel, f.value, f.unit)
		}
	}
	matched := map[int]bool{}
	for _, e := range want.Events {
		kind := first(e.Type, e.Event)
		if _, ok := d.skip[n][kind]; ok {
			continue
		}
		i := slices.IndexFunc(r.Events, func(have ingest.Event) bool {
			return sameWord(have.Type, kind) && (e.Active == nil || have.Active == *e.Active) && (e.Tag == "" || have.Channel == e.Tag) &&
				(e.Time == nil || have.Time == expectedTime(t, *e.Time))
		})
		if i < 0 {
			t.Errorf("no event %s", kind)
			continue
		}
		matched[i] = true
	}
	for i, e := range r.Events {
		if !matched[i] && !slices.Contains(d.extra, e.Type) && !slices.ContainsFunc(want.Events, func(w struct {
			Type   string  `json:"type"`
			Event  string  `json:"event"`
			Active *bool   `json:"active"`
			Time   *string `json:"time"`
			Tag    string  `json:"tag"`
		}) bool {
			return sameWord(w.Type, e.Type)
		}) {
			t.Errorf("one event too many: %s %s %t", e.Type, e.Channel, e.Active)
		}
	}
	if t.Failed() {
		t.Logf("refused %v; values refused %v; ignored %q", r.Err, r.Refused, r.Ignored)
		for _, f := range have {
			t.Logf("have %s %s %s = %v %s at %s", f.device, f.name, f.channel, f.value, f.unit, time.Unix(0, f.time).UTC())
		}
		for _, e := range r.Events {
			t.Logf("have event %s %s %s %t", e.Device.ID, e.Type, e.Channel, e.Active)
		}
	}
}

// is compares names. The samples write channels as suffixes: voltage_l3,
// energy_total_t1; and vendors' words bare where ours are paths.
func (f *found) is(name string) bool {
	if sameWord(f.name, name) || f.channel != "" && (f.name+"_"+f.channel == name || strings.TrimSuffix(f.name, "_total")+"_"+f.channel == name) {
		return true
	}
	last := f.name[strings.LastIndexAny(f.name, ".:/")+1:]
	return last == name || f.device+":"+f.name == name || f.device+"/"+f.name == name ||
		last == name[strings.LastIndexAny(name, ":/")+1:] && strings.ContainsAny(name, ":/")
}

func sameWord(a, b string) bool {
	fold := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	return fold(a) == fold(b)
}

// units of the samples that are no units of ours.
var sampleUnits = map[string]string{"count": "1", "%EL": "%", "%RH": "%"}

func sameValue(want any, unit string, f *found) bool {
	if b, ok := want.(bool); ok {
		want = float64(0)
		if b {
			want = float64(1)
		}
	}
	number, isNumber := want.(float64)
	have, haveNumber := f.value.(float64)
	if text, ok := f.value.(string); ok && isNumber {
		have, haveNumber = ParseNumber(text)
	}
	if !isNumber || !haveNumber {
		if text, ok := want.(string); ok {
			if state, isState := stateOf(text); isState && haveNumber {
				return have == state
			}
		}
		return fmt.Sprint(want) == fmt.Sprint(f.value)
	}
	if u, ok := sampleUnits[unit]; ok {
		unit = u
	}
	if unit != "" && f.unit != "" && ingest.KnownUnit(unit) {
		c, err := ingest.NewConversion(unit, f.unit)
		if err != nil {
			return false
		}
		number = c.Apply(number)
	}
	return math.Abs(have-number) <= 1e-9*max(math.Abs(have), math.Abs(number))
}

// sameTime compares times; a sample that gives none says nothing of it.
func sameTime(t *testing.T, want *string, f *found, r *Result) bool {
	if want == nil || f.unit == "" && f.time == 0 {
		return true
	}
	return f.time == expectedTime(t, *want)
}

// plainID is a device id that is one, and not a sentence about one.
func plainID(s string) string {
	if strings.ContainsAny(s, " /;") {
		return ""
	}
	return s
}

func TestSamples(t *testing.T) { runSamples(t, sampleDirs) }

var sampleDirs = []sampleDir{}
