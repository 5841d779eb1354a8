package alarms

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/metrics/anomaly"
)

const inventoryText = `
communities:
- {id: nancheng, name: 南城社区, compounds: [{id: jinxiu, name: 锦绣家园}]}
- {id: xicheng, name: 西城社区}
vendors:
- id: acme
  name: 阿克米
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
  devices:
  - {id: bin-1, community: nancheng, compound: jinxiu, facility: waste, name: 一号桶, attributes: {address: 人民路12号}}
  - {id: door-1, community: nancheng, facility: gate, name: 东门}
  - {id: door-2, community: nancheng, facility: gate, name: 西门}
- id: rowdy
  sources: [{topic: "rowdy/{community}/{facility}/{device}", format: native}]
`

// bench is a desk over a real engine, whose devices report events.
type bench struct {
	*Desk
	t      *testing.T
	engine *anomaly.Engine
	inv    *inventory.Inventory
	now    time.Time
	index  map[ingest.DeviceID]uint32
	infos  map[ingest.DeviceID]*ingest.Device
	dir    string
}

var begin = time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)

func newBench(t *testing.T) *bench {
	t.Helper()
	inv, err := inventory.Parse([]byte(inventoryText), time.FixedZone("Asia/Shanghai", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, inv: inv, now: begin, index: map[ingest.DeviceID]uint32{}, infos: map[ingest.DeviceID]*ingest.Device{}, dir: t.TempDir()}
	b.engine = anomaly.NewEngine(anomaly.Options{Config: anomaly.DefaultConfig(), Changed: func(c anomaly.Change) { b.Changed(c) }})
	b.engine.Bind(inv)
	b.open()
	return b
}

// open opens the desk anew, as after kill -9: the engine is what the journal makes of it.
func (b *bench) open() {
	b.t.Helper()
	b.Desk = New(Options{Dir: b.dir, Config: DefaultConfig(), Source: b.engine, Inventory: func() *inventory.Inventory { return b.inv }})
	if err := b.Open(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.Close() })
	b.Look(b.now)
}

func (b *bench) device(id ingest.DeviceID, vendor ingest.VendorID) *ingest.Device {
	if d := b.infos[id]; d != nil {
		return d
	}
	d := b.inv.Device(id)
	if d == nil {
		facility := ingest.Gate
		origin := ingest.Origin{Vendor: vendor, Community: "xicheng", Facility: facility}
		d = &ingest.Device{ID: id, Origin: &origin, Listing: ingest.Unlisted}
	}
	b.index[id], b.infos[id] = uint32(len(b.index)), d
	return d
}

// says has a device report an event, and the desk look.
func (b *bench) says(id ingest.DeviceID, event string, active bool) {
	b.t.Helper()
	d := b.device(id, "rowdy")
	at := b.now.UnixNano()
	b.engine.Tick(at)
	b.engine.Event(b.index[id], &ingest.Event{Device: d, Type: event, Active: active, Time: at}, at)
	b.Look(b.now)
}

func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.engine.Tick(b.now.UnixNano())
	b.Look(b.now)
}

func (b *bench) list(f Filter) []Item {
	b.t.Helper()
	items, err := b.List(b.t.Context(), f, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	return items
}

// one is the only item that is not done.
func (b *bench) one() Item {
	b.t.Helper()
	items := b.list(Filter{})
	if len(items) != 1 {
		b.t.Fatalf("%d alarms, want 1: %+v", len(items), items)
	}
	return items[0]
}

func (b *bench) does(id string, c Change) Item {
	b.t.Helper()
	if c.By == "" {
		c.By = "王主任"
	}
	item, err := b.Apply(id, c, b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	return item
}

// series are those of greencommunity_alarm_active, as device kind severity.
func (b *bench) series() string {
	b.t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(b.Desk)
	families, err := r.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	var list []string
	for _, f := range families {
		if f.GetName() != "greencommunity_alarm_active" {
			continue
		}
		for _, m := range f.Metric {
			label := map[string]string{}
			for _, l := range m.Label {
				label[l.GetName()] = l.GetValue()
			}
			list = append(list, label["device"]+" "+label["kind"]+" "+label["severity"])
		}
	}
	return strings.Join(list, ", ")
}

func TestAnItemGoesItsWay(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	i := b.one()
	if i.Status != Unhandled || i.CommunityName != "南城社区" || i.Name != "东门" || i.VendorName != "阿克米" || i.Title.ZH == "" || i.Advice.ZH == "" || !i.Told.Equal(begin) {
		t.Errorf("%+v", i)
	}
	if got := b.series(); got != "door-1 device_reported warning" {
		t.Errorf("series: %s", got)
	}
	b.now = b.now.Add(10 * time.Minute)
	b.does(i.ID, Change{Status: Acknowledged, Via: "link"})
	due := b.now.Add(time.Hour)
	b.does(i.ID, Change{Status: Assigned, Assignee: "李工", Due: &due, Comment: "带上钥匙"})
	b.open() // kill -9
	i = b.one()
	if i.Status != Assigned || i.Assignee != "李工" || !i.Due.Equal(due) || len(i.Comments) != 1 || i.Comments[0].By != "王主任" || len(i.History) != 3 {
		t.Errorf("after a restart: %+v", i)
	}
	b.now = b.now.Add(2 * time.Hour)
	if !b.one().Overdue {
		t.Error("not overdue after its time")
	}
	b.Points()
	b.does(i.ID, Change{Status: InProgress})
	points := b.Points()
	if len(points) != 1 || points[0].Measurement != "events" || points[0].Time != b.now.UnixNano() ||
		fmt.Sprint(points[0].Tags) != "[{channel /tamper} {community nancheng} {device door-1} {facility gate} {type device_reported} {vendor acme}]" ||
		fmt.Sprint(points[0].Fields) != fmt.Sprintf("[{status in_progress} {by 王主任} {alarm %s} {unit 1}]", i.ID) {
		t.Errorf("%+v", points)
	}
	b.pass(time.Minute)
	b.says("door-1", "tamper", false)
	if items := b.list(Filter{}); len(items) != 0 {
		t.Errorf("still open: %+v", items)
	}
	if got := b.series(); got != "" {
		t.Errorf("series after the end: %s", got)
	}
	for range 2 { // from memory, and from the file
		items := b.list(Filter{Statuses: []Status{Cleared, False}})
		if len(items) != 1 || items[0].Status != Cleared || items[0].Verdict != Right || items[0].Judged != (Judged{1, 1, 0}) || !items[0].Closed.Equal(b.now) {
			t.Fatalf("history: %+v", items)
		}
		b.now = b.now.Add(time.Second)
		b.open()
		b.pass(24 * time.Hour)
		b.now = b.now.Add(-24*time.Hour - time.Second)
	}
}

// Issue 15: a burnt sensor's alarm is closed by a person, stays closed while the
// engine has it, and is raised again by a new cause.
func TestField20APersonClosesABurntSensor(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	if _, err := b.Apply(id, Change{Status: False, By: "李工"}, b.now); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "reason") {
		t.Errorf("false without a reason: %v", err)
	}
	b.does(id, Change{Status: False, Reason: "传感器烧毁"})
	for range 3 {
		b.pass(time.Hour)
		b.says("door-1", "tamper", true) // it goes on
		b.open()
		if items := b.list(Filter{}); len(items) != 0 || b.series() != "" {
			t.Fatalf("it is back: %+v, %s", items, b.series())
		}
	}
	b.says("door-1", "tamper", false)
	b.pass(time.Minute)
	b.says("door-1", "tamper", true)
	if again := b.one(); again.ID == id || again.Status != Unhandled {
		t.Errorf("a new cause is the old alarm: %+v", again)
	}
	if k := b.Precision(); len(k) != 1 || k[0].Wrong != 1 || k[0].Right != 0 {
		t.Errorf("%+v", k)
	}
}

// What a person closed is open again once it is worse than it was.
func TestWhatGetsWorseIsOpenAgain(t *testing.T) {
	b := newBench(t)
	b.says("bin-1", "overfull", true)
	i := b.one()
	if i.Address != "人民路12号" || i.CompoundName != "锦绣家园" || i.Severity != "warning" {
		t.Errorf("%+v", i)
	}
	b.does(i.ID, Change{Status: False, Reason: "袋子顶住"})
	for range 74 {
		b.pass(time.Hour)
		b.says("bin-1", "overfull", true)
	}
	again := b.one()
	if again.ID != i.ID || again.Severity != "critical" || again.Status != Unhandled || again.Verdict != "" || b.series() != "bin-1 overfull critical" {
		t.Errorf("after three days: %+v, %s", again, b.series())
	}
	if last := again.History[len(again.History)-1]; last.What != Worse {
		t.Errorf("history: %+v", again.History)
	}
	b.open()
	if b.one().Severity != "critical" {
		t.Error("after a restart it is less")
	}
}

func TestComesAndGoes(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	b.does(id, Change{Status: Acknowledged})
	b.pass(time.Minute)
	b.says("door-1", "tamper", false)
	b.pass(10 * time.Minute)
	b.open()
	b.says("door-1", "tamper", true)
	if i := b.one(); i.ID != id || i.Status != Acknowledged || i.Returns != 1 {
		t.Errorf("back within half an hour: %+v", i)
	}
	b.open()
	if i := b.one(); i.ID != id || i.Status != Acknowledged {
		t.Errorf("after a restart: %+v", i)
	}
	b.pass(time.Minute)
	b.says("door-1", "tamper", false)
	b.pass(time.Hour)
	b.says("door-1", "tamper", true)
	if i := b.one(); i.ID == id || i.Status != Unhandled {
		t.Errorf("back after an hour: %+v", i)
	}
}

// An engine that was set back to before an alarm ended has it open, and so has the desk.
func TestEngineSetBack(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	b.does(id, Change{Status: Acknowledged})
	b.pass(time.Minute)
	b.says("door-1", "tamper", false)
	b.Close()
	b.engine = anomaly.NewEngine(anomaly.Options{Config: anomaly.DefaultConfig()})
	b.engine.Bind(b.inv)
	b.engine.Event(b.index["door-1"], &ingest.Event{Device: b.infos["door-1"], Type: "tamper", Active: true, Time: begin.UnixNano()}, begin.UnixNano())
	b.open()
	if i := b.one(); i.ID != id || i.Status != Acknowledged || i.Closed != nil {
		t.Errorf("%+v", i)
	}
}

// Removed devices have no alarms.
func TestRemovedDevice(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	b.does(id, Change{Comment: "?"})
	b.engine.Forget([]uint32{b.index["door-1"]}, b.now.UnixNano())
	b.Look(b.now)
	if items := b.list(Filter{}); len(items) != 0 {
		t.Errorf("%+v", items)
	}
	if i, err := b.Get(t.Context(), id, b.now); err != nil || i.Reason != Removed || i.Verdict != "" {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	long := strings.Repeat("长", mostText+1)
	for name, c := range map[string]struct {
		Change
		says string
	}{
		"nobody":      {Change{Status: Acknowledged}, "who"},
		"nothing":     {Change{By: "a"}, "nothing to change"},
		"no status":   {Change{By: "a", Status: "done"}, "use open"},
		"nobody to":   {Change{By: "a", Status: Assigned}, "assignee"},
		"too long":    {Change{By: "a", Comment: long}, "at most 2000"},
		"no text":     {Change{By: "a", Comment: "\xff"}, "UTF-8"},
		"long name":   {Change{By: strings.Repeat("a", 65), Comment: "a"}, "at most 64"},
		"distant day": {Change{By: "a", Due: &time.Time{}}, "due"},
	} {
		if _, err := b.Apply(id, c.Change, b.now); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Apply("nosuch", Change{By: "a", Comment: "a"}, b.now); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	for range mostHistory {
		_, _ = b.Apply(id, Change{By: "a", Comment: "a"}, b.now)
	}
	if _, err := b.Apply(id, Change{By: "a", Comment: "a"}, b.now); !errors.Is(err, ErrRefused) {
		t.Errorf("%d entries and one more: %v", mostHistory, err)
	}
	b.does(id, Change{Status: Cleared}) // closing is always possible
	if n := len(b.list(Filter{Statuses: Statuses()})[0].History); n != mostHistory+1 {
		t.Errorf("%d entries", n)
	}
}

// A torn last line costs nothing that was answered; a damaged one in the middle costs
// itself; a file of a newer program is not touched.
func TestHistoryFile(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	b.does(id, Change{Status: Acknowledged})
	b.does(id, Change{Status: Assigned, Assignee: "李工"})
	path := filepath.Join(b.dir, "history-000001.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	last := lines[len(lines)-2]
	for cut := 1; cut < len(last); cut += 97 {
		if err := os.WriteFile(path, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		b.open()
		if i := b.one(); i.Status != Acknowledged {
			t.Fatalf("cut by %d: %+v", cut, i)
		}
		b.does(id, Change{Comment: "weiter"})
		b.open()
		if i := b.one(); len(i.Comments) != 1 || i.Status != Acknowledged {
			t.Fatalf("written after a cut by %d: %+v", cut, i)
		}
	}
	damaged := bytes.Replace(whole, []byte(`"status":"acknowledged"`), []byte(`"status":"ack`+"\x00"), 1)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	b.open()
	if i := b.one(); i.Status != Assigned {
		t.Errorf("%+v", i)
	}
	if err := os.WriteFile(path, bytes.Replace(whole, []byte(`"greencommunity_alarms":1`), []byte(`"greencommunity_alarms":2`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := New(Options{Dir: b.dir, Config: DefaultConfig(), Source: b.engine})
	if err := newer.Open(); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("a file of the future: %v", err)
	}
}

// What is erased of a device is in no file of the history any more, and stays counted.
func TestErase(t *testing.T) {
	b := newBench(t)
	b.file.limit = 2000 // several files
	b.says("door-1", "tamper", true)
	gone := b.one().ID
	for n := range 6 {
		b.does(gone, Change{Comment: fmt.Sprint("王五来电", n)})
	}
	b.does(gone, Change{Status: Wrong, Reason: "误触"})
	b.says("door-2", "tamper", true)
	b.does(b.one().ID, Change{Comment: "bleibt"})
	told, wrong := b.totals.Kinds["device_reported"].Told, b.totals.Kinds["device_reported"].Wrong
	_ = b.file.close()
	selected := func(s *State) bool { return s.Device == "door-1" }
	found, err := Erase(b.dir, selected, true)
	if err != nil || found < 7 {
		t.Fatalf("%d lines, %v", found, err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "new-123"), []byte("door-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := Erase(b.dir, selected, false); err != nil || n != found {
		t.Fatalf("%d lines, %v; %d before", n, err, found)
	}
	files, _ := filepath.Glob(filepath.Join(b.dir, "*"))
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("door-1")) || bytes.Contains(data, []byte("王五")) {
			t.Errorf("%s has what was erased", name)
		}
	}
	if n, err := Erase(b.dir, selected, false); err != nil || n != 0 {
		t.Errorf("again: %d lines, %v", n, err)
	}
	again := New(Options{Dir: b.dir, Config: DefaultConfig(), Source: b.engine})
	if err := again.Open(); err != nil {
		t.Fatal(err)
	}
	if k := again.totals.Kinds["device_reported"]; k.Told != told || k.Wrong != wrong || wrong == 0 {
		t.Errorf("%d told and %d false, want %d and %d", k.Told, k.Wrong, told, wrong)
	}
	if found, err := again.file.find(gone); err != nil || found != nil {
		t.Errorf("it is found: %+v, %v", found, err)
	}
}

// Counters and what is open outlive the files that said so.
func TestHistoryRolls(t *testing.T) {
	b := newBench(t)
	b.file.limit = 4000
	b.says("door-1", "tamper", true)
	kept := b.one().ID
	b.does(kept, Change{Comment: "bleibt"})
	var first string
	for n := range 12 {
		b.says("door-2", "tamper", true)
		for _, i := range b.list(Filter{Device: "door-2"}) {
			if first == "" {
				first = i.ID
			}
			b.does(i.ID, Change{Status: Acknowledged})
		}
		b.pass(time.Minute)
		b.says("door-2", "tamper", false)
		b.pass(time.Hour)
		b.says("door-1", "tamper", true)
		b.file.limit = 4000
		if n == 8 {
			b.open()
			b.file.limit = 4000
		}
	}
	if numbers, err := b.file.numbers(); err != nil || len(numbers) < 3 {
		t.Fatalf("%v, %v", numbers, err)
	}
	if b.one().ID != kept || len(b.one().Comments) != 1 {
		t.Errorf("%+v", b.one())
	}
	b.closed = nil // not from memory
	if all := b.list(Filter{Device: "door-2", Statuses: []Status{Cleared}}); len(all) != 12 {
		t.Errorf("%d of the past, want 12", len(all))
	}
	if k := b.Precision(); k[0].Right != 12 || k[0].Told != 13 {
		t.Errorf("%+v", k)
	}
	before, err := b.Get(t.Context(), first, b.now)
	if err != nil || before.Status != Cleared {
		t.Fatalf("%+v, %v", before, err)
	}
	b.does(first, Change{Status: False, Reason: "nachträglich"}) // a late judgement
	b.open()
	if k := b.Precision(); k[0].Right != 11 || k[0].Wrong != 1 || k[0].Told != 13 {
		t.Errorf("after a late judgement: %+v", k)
	}
	b.file.max = 1
	b.file.limit = 1
	b.pass(time.Second)
	if numbers, _ := b.file.numbers(); len(numbers) != 1 {
		t.Errorf("files after the limit: %v", numbers)
	}
	b.open()
	if k := b.Precision(); k[0].Right != 11 || k[0].Told != 13 || b.one().ID != kept {
		t.Errorf("after the oldest went: %+v", k)
	}
}

// Of a vendor with thousands of faults there are so many items and series, and what is
// critical, or another's, has room.
func TestAHostileVendor(t *testing.T) {
	b := newBench(t)
	c := anomaly.DefaultConfig()
	c.Parameters.All.Peers = 2 // its faults are not told as one
	b.engine.Configure(c)
	b.engine.Bind(b.inv)
	for n := range mostOfVendor + 500 {
		id := ingest.DeviceID(fmt.Sprintf("rowdy-%05d", n))
		d := b.device(id, "rowdy")
		b.engine.Event(b.index[id], &ingest.Event{Device: d, Type: "tamper", Active: true, Time: b.now.UnixNano()}, b.now.UnixNano())
	}
	b.says("door-1", "tamper", true)
	b.says("rowdy-00000", "door_forced", true)
	if n := len(b.list(Filter{Vendor: "rowdy", Limit: 10000, Grouped: true})); n != mostOfVendor {
		t.Errorf("%d items of the vendor, want %d", n, mostOfVendor)
	}
	series := b.series()
	if n := strings.Count(series, "rowdy-"); n != seriesOfVendor || !strings.Contains(series, "door-1 ") || !strings.Contains(series, "rowdy-00000 forced_open critical") {
		t.Errorf("%d series of the vendor, want %d; %.200s", n, seriesOfVendor, series)
	}
	b.pass(time.Minute)
	for n := range mostOfVendor + 500 {
		id := ingest.DeviceID(fmt.Sprintf("rowdy-%05d", n))
		b.engine.Event(b.index[id], &ingest.Event{Device: b.infos[id], Type: "tamper", Time: b.now.UnixNano()}, b.now.UnixNano())
	}
	b.Look(b.now)
	all, err := os.ReadFile(filepath.Join(b.dir, "history-000001.jsonl"))
	if n := bytes.Count(all, []byte("\n")); err != nil || n > closingsHourly+10 {
		t.Errorf("%d lines of closings, want at most %d; %v", n, closingsHourly, err)
	}
	b.pass(time.Minute) // then there is room for a line, which says how many have none
	unkept := testutil.ToFloat64(only{b.Desk, "greencommunity_alarms_unkept_total"})
	if unkept < mostOfVendor-closingsHourly-10 {
		t.Errorf("unkept: %g", unkept)
	}
	again := New(Options{Dir: b.dir, Config: DefaultConfig(), Source: b.engine})
	if err := again.Open(); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(only{again, ""}); got != unkept {
		t.Errorf("unkept after a restart: %g, want %g", got, unkept)
	}
}

// Faults of thousands of devices at once are one item and one series; what is critical, or
// another vendor's, is told beside it.
func TestManyAtOnceAreOneItem(t *testing.T) {
	b := newBench(t)
	for n := range 2500 {
		id := ingest.DeviceID(fmt.Sprintf("rowdy-%05d", n))
		d := b.device(id, "rowdy")
		b.engine.Event(b.index[id], &ingest.Event{Device: d, Type: "tamper", Active: true, Time: b.now.UnixNano()}, b.now.UnixNano())
	}
	b.says("rowdy-00000", "door_forced", true)
	b.says("door-1", "tamper", true)
	var seen []string
	for _, i := range b.list(Filter{}) {
		seen = append(seen, i.Kind+" "+string(i.Device)+" "+i.Scope)
		if i.Kind == "at_once" && (*i.Value < 2500 || !strings.Contains(i.Title.ZH, "设备自报故障") || !strings.Contains(i.Advice.ZH, "固件升级") || i.Name != "门禁设备") {
			t.Errorf("%g %+v %+v %s", *i.Value, i.Title, i.Advice, i.Name)
		}
	}
	slices.Sort(seen)
	if want := []string{"at_once xicheng community", "device_reported door-1 ", "forced_open rowdy-00000 "}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
	if n := strings.Count(b.series(), "device_reported"); n != 1 {
		t.Errorf("%d series of what devices report, want that of door-1; %.300s", n, b.series())
	}
	// Who may not see the note of several communities sees the items themselves.
	for _, i := range b.list(Filter{Sees: func(c ingest.CommunityID, v ingest.VendorID) bool { return v != "rowdy" }}) {
		if i.Vendor == "rowdy" {
			t.Errorf("%+v is seen", i.State)
		}
	}
}

// A person is taken out of whom an alarm was given to, who did something, and comments; what was
// done stays.
func TestErasePerson(t *testing.T) {
	b := newBench(t)
	b.says("door-1", "tamper", true)
	id := b.one().ID
	b.does(id, Change{Status: Assigned, Assignee: "李秀英 13900000001", Comment: "李秀英去看"})
	b.does(id, Change{Status: Cleared, Reason: "李秀英修好了"})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	taken := func(text string, who bool) string {
		switch {
		case !strings.Contains(text, "李秀英"):
			return text
		case who:
			return "x"
		}
		return strings.ReplaceAll(text, "李秀英", "x")
	}
	for n, dry := range []bool{true, false, false} {
		lines, err := ErasePerson(b.dir, taken, dry)
		if err != nil || (lines > 0) != (n < 2) {
			t.Fatalf("%d lines, %v", lines, err)
		}
		data, err := os.ReadFile(filepath.Join(b.dir, "history-000001.jsonl"))
		if has := bytes.Contains(data, []byte("李秀英")) || bytes.Contains(data, []byte("13900000001")); err != nil || has != dry {
			t.Fatalf("dry run %v: %s, %v", dry, data, err)
		}
	}
	b.open()
	i, err := b.Get(t.Context(), id, b.now)
	if err != nil || i.Assignee != "x" || len(i.Comments) != 1 || i.Comments[0].Text != "x去看" || i.Reason != "x修好了" || i.Status != Cleared {
		t.Errorf("%+v, %v", i.State, err)
	}
	if k := b.Precision(); k[0].Told != 1 {
		t.Errorf("%+v", k)
	}
}

// Nobody deals with what was not told: where times received run ahead of the clock in a burst, and
// where the clock is set back afterwards, an alarm was told no later than the first who dealt with it.
func TestToldBeforeWhoDealtWithIt(t *testing.T) {
	b := newBench(t)
	d, ahead := b.device("door-1", "rowdy"), b.now.Add(30*time.Minute).UnixNano()
	b.engine.Tick(ahead)
	b.engine.Event(b.index["door-1"], &ingest.Event{Device: d, Type: "tamper", Active: true, Time: ahead}, ahead)
	b.Look(b.now)
	id := b.one().ID
	if told := b.one().Told; told.After(b.now) {
		t.Errorf("told at %s, and it is %s", told, b.now)
	}
	b.does(id, Change{Status: Acknowledged})
	b.now = b.now.Add(-10 * time.Minute)
	b.does(id, Change{Status: InProgress, Comment: "去看"})
	b.open()
	i := b.one()
	for _, e := range i.History {
		if e.By != "" && e.At.Before(i.Told) {
			t.Errorf("%s at %s by %s, and told at %s", e.What, e.At, e.By, i.Told)
		}
	}
	if i.Acked == nil || i.Acked.Before(i.Told) || i.Status != InProgress {
		t.Errorf("%+v", i.State)
	}
}

// only collects one metric of the vendor rowdy.
type only struct {
	d    *Desk
	name string
}

func (o only) Describe(ch chan<- *prometheus.Desc) { ch <- unkeptDesc }

func (o only) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(unkeptDesc, prometheus.CounterValue, float64(o.d.totals.Unkept["rowdy"]), "rowdy")
}

func TestLinks(t *testing.T) {
	b := newBench(t)
	link := b.Link("abc", "王 主任&x=1", b.now)
	u, err := url.Parse(link)
	if err != nil || u.Path != "/alarm/abc" {
		t.Fatalf("%s: %v", link, err)
	}
	who, err := b.Verify("abc", u.Query(), b.now.Add(71*time.Hour))
	if err != nil || who != "王 主任&x=1" {
		t.Errorf("%q %v", who, err)
	}
	b.open() // with the key of the directory
	if _, err := b.Verify("abc", u.Query(), b.now); err != nil {
		t.Error(err)
	}
	if _, err := b.Verify("abd", u.Query(), b.now); !errors.Is(err, ErrForged) {
		t.Errorf("of another alarm: %v", err)
	}
	if _, err := b.Verify("abc", u.Query(), b.now.Add(74*time.Hour)); !errors.Is(err, ErrExpired) {
		t.Errorf("later: %v", err)
	}
	for _, key := range []string{"who", "until", "sign"} {
		q := u.Query()
		q.Set(key, q.Get(key)+"0")
		if _, err := b.Verify("abc", q, b.now); !errors.Is(err, ErrForged) {
			t.Errorf("another %s: %v", key, err)
		}
		q.Del(key)
		if _, err := b.Verify("abc", q, b.now); !errors.Is(err, ErrForged) {
			t.Errorf("no %s: %v", key, err)
		}
	}
	if info, err := os.Stat(filepath.Join(b.dir, "links.key")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the key's file: %v %v", info.Mode(), err)
	}
}

func TestSchedule(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(t.TempDir(), "schedule.yaml")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	write("silences:\n- {devices: [door-1], to: 2026-12-10, reason: 换门}\n", begin)
	zone := time.FixedZone("Asia/Shanghai", 8*3600)
	schedule, err := ReadSchedule(path, zone)
	if err != nil {
		t.Fatal(err)
	}
	b.says("door-1", "tamper", true)
	b.says("door-2", "tamper", true)
	c := DefaultConfig()
	c.Schedule, c.read, c.zone = path, schedule, zone
	b.Configure(c)
	if got := b.series(); got != "door-2 device_reported warning" {
		t.Errorf("series: %s", got)
	}
	if i := b.list(Filter{Device: "door-1"})[0]; i.Silenced != "换门" {
		t.Errorf("%+v", i)
	}
	write("silences:\n- {devices: [door-2], too: 2026-12-10, reason: 换门}\n", begin.Add(time.Minute))
	b.reread()
	if got := b.series(); got != "door-2 device_reported warning" || b.scheduleBroken == "" {
		t.Errorf("with a wrong file: %s, %q", got, b.scheduleBroken)
	}
	write("maintenance:\n- {community: nancheng, between: 08:00-12:00, reason: 检修}\n", begin.Add(2*time.Minute))
	b.reread()
	if b.scheduleBroken != "" {
		t.Error(b.scheduleBroken)
	}
	held := func(local string, kind string) bool {
		at, err := time.ParseInLocation("2006-01-02 15:04", local, zone)
		if err != nil {
			t.Fatal(err)
		}
		return b.schedule.silenced(&State{Community: "nancheng", Device: "x", Kind: kind}, at) != ""
	}
	if !held("2026-11-28 09:00", "tipped") || held("2026-11-28 12:00", "tipped") || held("2026-11-28 09:00", "bin_fire") {
		t.Error("window of maintenance")
	}
	write("maintenance:\n- {community: nancheng, weekdays: [sat], between: 22:00-05:00, kinds: [bin_fire], reason: 检修}\nholidays:\n- {name: 元旦, from: 2027-01-01}\n", begin.Add(3*time.Minute))
	b.reread()
	if !held("2026-11-28 23:00", "bin_fire") || !held("2026-11-29 04:59", "bin_fire") || held("2026-11-29 23:00", "bin_fire") || held("2026-11-28 04:00", "bin_fire") {
		t.Error("night from Saturday to Sunday")
	}
	if !held("2027-01-01 00:00", "off_hours") || held("2027-01-02 00:00", "off_hours") || held("2027-01-01 00:00", "burst") {
		t.Error("holiday")
	}
}

func TestScheduleProblems(t *testing.T) {
	path := filepath.Join(t.TempDir(), "schedule.yaml")
	for text, want := range map[string]string{
		"silences:\n- {devices: [a], reason: x}\n":                                      "silences[0].to (line 2): missing",
		"silences:\n- {devices: [a], from: 2026-01-01, to: 2028-01-01, reason: x}\n":    "more than a year",
		"silences:\n- {to: 2026-12-01, from: 2026-01-01, reason: x}\n":                  "silences[0].devices",
		"maintenance:\n- {to: 2026-12-01, reason: x}\n":                                 "whole county",
		"maintenance:\n- {community: a, to: 1.12.2026, reason: x}\n":                    "2026-12-01 08:00",
		"maintenance:\n- {community: a, to: 2026-12-01}\n":                              "reason",
		"maintenance:\n- {community: a, kinds: [leak], to: 2026-12-01, reason: x}\n":    "continuous_flow",
		"maintenance:\n- {community: a, weekdays: [周六], to: 2026-12-01, reason: x}\n":   "write mon",
		"maintenance:\n- {community: a, between: all day, to: 2026-12-01, reason: x}\n": "22:00-05:00",
		"maintenance:\n- {community: a, from: 2026-12-02, to: 2026-12-01, reason: x}\n": "not after from",
		"holidays:\n- {from: 2027-02-05}\n":                                             "holidays[0].name",
		"vacations: []\n":                                                               "vacations",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSchedule(path, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What the schedule names is held against the inventory: each name that is not there is
// said with its remedy.
func TestScheduleOfUnknownIDs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "schedule.yaml")
	text := `silences:
- {devices: [gate-1, gate-l], to: 2026-12-10, from: 2026-12-01, reason: 换门}
maintenance:
- {community: nancheng, compound: jinxiu, facility: gate, vendor: acme, between: "02:00-04:00", reason: 检修}
- {community: nanchen, compound: jinxu, facility: gates, vendor: amce, between: "02:00-04:00", reason: 检修}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSchedule(path, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for unknown, sure := range map[string]int{"reject": 5, "accept": 4} {
		inv := inventorytest.Parse(t, `
communities: [{id: nancheng, name: 南城社区, compounds: [{id: jinxiu, name: 锦绣}]}]
vendors:
- {id: acme, unknown_devices: `+unknown+`, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}], devices: [{id: gate-1, community: nancheng, facility: gate}]}
`, nil)
		problems, n := s.Unknown(inv)
		all := strings.Join(problems, "\n")
		if n != sure || len(problems) != 5 {
			t.Errorf("%s: %d of %d are sure, want %d of 5:\n%s", unknown, n, len(problems), sure, all)
		}
		for _, want := range []string{`silences[0].devices[1]: "gate-l"`, `maintenance[1].community: "nanchen"`, `compound: "jinxu"`, `facility: "gates"`, `vendor: "amce"`} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: %s is not said:\n%s", unknown, want, all)
			}
		}
	}
}

func TestSection(t *testing.T) {
	for text, want := range map[string]string{
		"alarms: {public_url: green.example}\n":     "alarms.public_url (line 1)",
		"alarms: {tariffs: {water: 4500}}\n":        "alarms.tariffs.water",
		"alarms: {link_valid: 1m}\n":                "alarms.link_valid",
		"alarms: {max_bytes: 1MiB}\n":               "alarms.max_bytes",
		"alarms: {schedule: nowhere.yaml}\n":        "nowhere.yaml",
		"alarms: {tariff: 3}\n":                     "tariff",
		"alarms: {public_url: 'https://g.cn/a/'}\n": "",
	} {
		var whole struct {
			Alarms document.Section `yaml:"alarms"`
		}
		p := &document.Problems{}
		if !document.Decode([]byte(text), &whole, p) {
			t.Fatal(p.Err())
		}
		c, err := ReadSection(whole.Alarms, t.TempDir(), time.UTC, p)
		if err := errors.Join(p.Err(), err); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if want == "" && c.PublicURL != "https://g.cn/a" {
			t.Errorf("%+v", c)
		}
	}
}

// Time and loss make an alarm worse; nobody is woken for a lamp.
func TestSeverityRises(t *testing.T) {
	size := func(perDay float64) *float64 { return &perDay }
	for _, c := range []struct {
		kind, is string
		size     *float64
		after    time.Duration
		want     string
	}{
		{"continuous_flow", "warning", size(240), 7 * 24 * time.Hour, "warning"},
		{"continuous_flow", "warning", size(240), 209 * 24 * time.Hour, "critical"},
		{"night_flow", "warning", size(5000), 11 * 24 * time.Hour, "critical"},
		{"continuous_flow", "warning", nil, 400 * 24 * time.Hour, "warning"},
		{"overfull", "warning", nil, 73 * time.Hour, "critical"},
		{"stuck_closed", "warning", nil, 25 * time.Hour, "critical"},
		{"outage", "warning", nil, 100 * 24 * time.Hour, "warning"},
		{"clock_offset", "info", nil, 6 * 24 * time.Hour, "info"},
		{"clock_offset", "info", nil, 8 * 24 * time.Hour, "warning"},
		{"at_once", "info", nil, 8 * 24 * time.Hour, "info"},
		{"burst", "critical", size(9000), time.Hour, "critical"},
	} {
		s := &State{Kind: c.kind, Told: begin, Began: begin, Size: c.size}
		if got := severityOf(s, &anomaly.Alarm{Severity: c.is}, begin.Add(c.after)); got != c.want {
			t.Errorf("%s after %s: %s, want %s", c.kind, c.after, got, c.want)
		}
	}
}

// The example of the guide is one.
func TestGuide(t *testing.T) {
	for _, guide := range []string{"alerts.md", "alerts.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		_, block, ok := strings.Cut(string(text), "```yaml\nsilences:")
		block, _, end := strings.Cut(block, "```")
		if !ok || !end {
			t.Fatalf("%s: no schedule", guide)
		}
		path := filepath.Join(t.TempDir(), "schedule.yaml")
		if err := os.WriteFile(path, []byte("silences:"+block), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := ReadSchedule(path, time.UTC)
		if err != nil || len(s.Silences) != 1 || len(s.Maintenance) != 2 || len(s.Holidays) != 1 {
			t.Errorf("%s: %+v, %v", guide, s, err)
		}
	}
}
