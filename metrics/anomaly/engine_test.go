package anomaly

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

var _ interface {
	ingest.Readings
	ingest.Events
	ingest.Ticker
	ingest.Points
	ingest.Saver
	ingest.Devices
	inventory.Binder
} = (*Engine)(nil)

// bench drives an engine as the walker does.
type bench struct {
	*Engine
	facilities *ingest.Facilities
	devices    map[string]*ingest.Device
	index      map[string]uint32
	changes    []string
	told       []Change
	late       bool // readings come out of order
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{facilities: ingest.BuiltinFacilities(), devices: map[string]*ingest.Device{}, index: map[string]uint32{}}
	b.reset()
	return b
}

// reset puts a new engine in place of the one there is.
func (b *bench) reset() {
	b.Engine = NewEngine(Options{Config: DefaultConfig(), Changed: func(c Change) {
		what := "clear"
		if c.Raised {
			what = "raise"
		}
		b.told = append(b.told, c)
		b.changes = append(b.changes, fmt.Sprintf("%s %s %s %s", c.At.Format("01-02T15:04:05"), what, c.Alarm.Kind, c.Alarm.Device))
	}})
	b.Bind(&inventory.Inventory{Facilities: b.facilities, Zone: time.FixedZone("", 8*3600)})
}

func (b *bench) device(id string, facility ingest.FacilityKind) (uint32, *ingest.Device) {
	d := b.devices[id]
	if d == nil {
		d = &ingest.Device{ID: ingest.DeviceID(id), Origin: &ingest.Origin{Vendor: "v", Community: "c", Facility: facility}, Listing: &ingest.Listing{Listed: true}}
		b.devices[id] = d
		b.index[id] = uint32(len(b.index))
	}
	return b.index[id], d
}

// report delivers a message of one device at a time.
func (b *bench) report(at time.Time, id string, facility ingest.FacilityKind, values map[string]float64) {
	b.reportLate(at, at, id, facility, values)
}

func (b *bench) reportLate(received, at time.Time, id string, facility ingest.FacilityKind, values map[string]float64) {
	index, d := b.device(id, facility)
	b.Tick(received.UnixNano())
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		q := b.facilities.Quantity(facility, name)
		if q == nil {
			panic(name)
		}
		b.Reading(index, &ingest.Reading{Device: d, Quantity: q, Value: values[name], Time: at.UnixNano()}, b.late, received.UnixNano())
	}
}

func (b *bench) event(at time.Time, id, kind string) {
	index, d := b.device(id, "gate")
	b.Tick(at.UnixNano())
	b.Event(index, &ingest.Event{Device: d, Type: kind, Active: true, Time: at.UnixNano()}, at.UnixNano())
}

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.FixedZone("", 8*3600))

// mixed is a week and a half of a meter, a lamp, a bin and a gate, with faults,
// as steps that can be interrupted anywhere.
func mixed() []func(*bench) {
	r := rand.New(rand.NewPCG(1, 2))
	var steps []func(*bench)
	register := 100.0
	fill := 0.1
	for i := range 11 * 96 {
		at := start.Add(time.Duration(i) * 15 * time.Minute)
		day, hour := i/96, at.Hour()
		if i%4 == 0 && day != 9 {
			if hour > 6 && hour < 23 && r.Float64() < 0.6 {
				register += r.Float64() * 0.05
			}
			if day >= 6 {
				register += 0.006 // a leak
			}
			v := math.Floor(register*1000) / 1000
			steps = append(steps, func(b *bench) { b.report(at, "meter", "water", map[string]float64{"water_volume_total": v}) })
		}
		power := 0.5 + r.Float64()*0.1
		if hour >= 19 || hour < 6 || day == 8 {
			power = 60 + r.Float64()
		}
		steps = append(steps, func(b *bench) {
			b.report(at, "lamp", "lighting", map[string]float64{"active_power": power, "light_level": 1})
		})
		fill += 0.004 + r.Float64()*0.002
		if hour == 6 && at.Minute() == 0 && day != 5 {
			fill = 0.02
		}
		v, temp := min(fill, 1), 10+r.Float64()
		if day == 7 && hour == 12 {
			temp = 90
		}
		steps = append(steps, func(b *bench) {
			b.report(at, "bin", "waste", map[string]float64{"fill_level": v, "bin_temperature": temp})
		})
		if hour > 6 && hour < 22 {
			jitter := time.Duration(r.IntN(200)) * time.Second
			steps = append(steps, func(b *bench) {
				b.event(at.Add(jitter), "gate", "access_granted")
				b.event(at.Add(jitter+2*time.Second), "gate", "door_opened")
				if day != 10 || hour != 10 {
					b.event(at.Add(jitter+9*time.Second), "gate", "door_closed")
				}
			})
		}
	}
	return steps
}

func TestFaultsAreToldOnceAndClear(t *testing.T) {
	b := newBench(t)
	for _, s := range mixed() {
		s(b)
	}
	b.Tick(start.Add(12 * 24 * time.Hour).UnixNano())
	count := map[string]int{}
	for _, c := range b.changes {
		f := strings.Fields(c)
		count[f[1]+" "+f[2]]++
	}
	for _, kind := range []string{"continuous_flow", "day_burner", "bin_fire", "held_open"} {
		if count["raise "+kind] != 1 {
			t.Errorf("%s was raised %d times, want once\n%s", kind, count["raise "+kind], strings.Join(b.changes, "\n"))
		}
	}
	for _, kind := range []string{"day_burner", "bin_fire"} {
		if count["clear "+kind] != 1 {
			t.Errorf("%s was cleared %d times, want once", kind, count["clear "+kind])
		}
	}
	if n := count["raise outage"] + count["raise forced_open"] + count["raise burst"]; n != 0 {
		t.Errorf("%d alarms without a fault\n%s", n, strings.Join(b.changes, "\n"))
	}
}

// A restart at any point comes to the same alarms, at the same times, and to
// the same bytes as no restart.
func TestRestartIsAsIfThereWasNone(t *testing.T) {
	steps := mixed()
	whole := newBench(t)
	for _, s := range steps {
		s(whole)
	}
	var want bytes.Buffer
	if err := whole.Save(&want); err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	r := rand.New(rand.NewPCG(3, 4))
	restarts := 0
	for _, s := range steps {
		if r.IntN(150) == 0 {
			restarts++
			var state bytes.Buffer
			if err := b.Save(&state); err != nil {
				t.Fatal(err)
			}
			b.reset()
			if err := b.Load(&state); err != nil {
				t.Fatal(err)
			}
		}
		s(b)
	}
	if restarts < 10 {
		t.Fatalf("only %d restarts", restarts)
	}
	if !slices.Equal(b.changes, whole.changes) {
		t.Errorf("with %d restarts:\n%s\nwithout:\n%s", restarts, strings.Join(b.changes, "\n"), strings.Join(whole.changes, "\n"))
	}
	var got bytes.Buffer
	if err := b.Save(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("the states differ")
	}
}

// It does not matter how often Tick is called.
func TestTicksBetweenDoNotMatter(t *testing.T) {
	few, many := newBench(t), newBench(t)
	last := start
	for i, s := range mixed() {
		s(few)
		if at := time.Unix(0, few.now64()); at.After(last) {
			for range i % 5 {
				last = last.Add(at.Sub(last) / 2)
				many.Tick(max(last.UnixNano(), many.now64()))
			}
			last = at
		}
		s(many)
	}
	end := start.Add(13 * 24 * time.Hour).UnixNano()
	few.Tick(end)
	for at := many.now64(); at < end; at += int64(time.Minute) {
		many.Tick(at)
	}
	many.Tick(end)
	if !slices.Equal(few.changes, many.changes) {
		t.Errorf("few:\n%s\nmany:\n%s", strings.Join(few.changes, "\n"), strings.Join(many.changes, "\n"))
	}
}

func (e *Engine) now64() int64 { return e.now }

func TestGatewayOfflineStandsForItsDevices(t *testing.T) {
	b := newBench(t)
	for d := range 40 {
		id := fmt.Sprintf("lamp%02d", d)
		_, info := b.device(id, "lighting")
		if d < 10 {
			info.Gateway = "gw"
		}
	}
	at := start
	send := func(until time.Time, from, to int) {
		for ; at.Before(until); at = at.Add(5 * time.Minute) {
			for d := from; d < to; d++ {
				b.report(at.Add(time.Duration(d)*time.Second), fmt.Sprintf("lamp%02d", d), "lighting", map[string]float64{"active_power": 0.5})
			}
		}
	}
	send(start.Add(8*24*time.Hour), 0, 40)
	send(start.Add(8*24*time.Hour+3*time.Hour), 10, 40)
	alarms := b.Alarms()
	open, inhibited := 0, 0
	for _, a := range alarms {
		switch {
		case a.Inhibited == "gw":
			inhibited++
		case a.Kind == "gateway_offline" && a.Device == "gw":
			open++
		default:
			t.Errorf("unexpected %s of %s", a.Kind, a.Device)
		}
	}
	if open != 1 || inhibited != 10 {
		t.Errorf("%d alarms of the gateway, %d inhibited; want 1 and 10", open, inhibited)
	}
	text := `
# HELP greencommunity_anomaly_active Open alarms, without those that the alarm of a feeder, gateway or community stands for.
# TYPE greencommunity_anomaly_active gauge
greencommunity_anomaly_active{community="c",facility="all",kind="gateway_offline",severity="critical"} 1
`
	for _, k := range Kinds { // all others that lamps can raise are there, at 0
		switch {
		case k.Name == "community_offline":
			text += `greencommunity_anomaly_active{community="c",facility="all",kind="community_offline",severity="critical"} 0` + "\n"
		case k.Name == "gateway_offline":
		case k.Facility == ingest.Lighting || k.Facility == anyFacility:
			text += fmt.Sprintf("greencommunity_anomaly_active{community=\"c\",facility=\"lighting\",kind=%q,severity=%q} 0\n", k.Name, k.Severity)
		}
	}
	if err := testutil.CollectAndCompare(b.Engine, strings.NewReader(text), "greencommunity_anomaly_active"); err != nil {
		t.Error(err)
	}
	send(at.Add(30*time.Minute), 0, 40)
	if alarms := b.Alarms(); len(alarms) != 0 {
		t.Errorf("%d still open after all report again", len(alarms))
	}
}

// Nothing received at all is our outage, or the broker's, and nobody else's.
func TestSilenceOfAllIsNobodysInParticular(t *testing.T) {
	b := newBench(t)
	at := start
	send := func(until time.Time) {
		for ; at.Before(until); at = at.Add(5 * time.Minute) {
			for d := range 30 {
				b.report(at, fmt.Sprintf("lamp%02d", d), "lighting", map[string]float64{"active_power": 0.5})
			}
		}
	}
	send(start.Add(9 * 24 * time.Hour))
	at = at.Add(20 * time.Hour)
	b.Tick(at.Add(-time.Minute).UnixNano())
	send(at.Add(3 * time.Hour))
	if len(b.changes) != 0 {
		t.Errorf("after 20 hours without anything: %d changes, %s", len(b.changes), b.changes[0])
	}
}

func TestWrongClockIsToldAndDoesNotTeach(t *testing.T) {
	b := newBench(t)
	for i := range 96 * 9 {
		at := start.Add(time.Duration(i) * 15 * time.Minute)
		own := at
		if i >= 96*8 && i < 96*8+40 {
			own = at.Add(-3 * time.Hour)
		}
		b.reportLate(at, own, "meter", "water", map[string]float64{"water_volume_total": float64(i / 10)})
	}
	want := []string{"raise clock_offset meter", "clear clock_offset meter"}
	var got []string
	for _, c := range b.changes {
		got = append(got, c[15:])
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", b.changes, want)
	}
}

// Readings kept back during an outage come with changing delays: no wrong clock.
func TestReadingsKeptBackAreNoWrongClock(t *testing.T) {
	b := newBench(t)
	at := start
	for ; at.Before(start.Add(8 * 24 * time.Hour)); at = at.Add(15 * time.Minute) {
		b.report(at, "meter", "water", map[string]float64{"water_volume_total": at.Sub(start).Hours()})
	}
	back := at.Add(10 * time.Hour)
	for ; at.Before(back); at = at.Add(15 * time.Minute) {
		b.reportLate(back.Add(at.Sub(start)/1000), at, "meter", "water", map[string]float64{"water_volume_total": at.Sub(start).Hours()})
	}
	for _, c := range b.changes {
		if strings.Contains(c, "clock") {
			t.Error(c)
		}
	}
}

func TestConfig(t *testing.T) {
	c, err := ReadConfig(strings.NewReader(`
water: {continuous_after: 12h}
all: {offline: {gate: 1h}}
communities:
  nancheng: {waste: {full: 0.9}}
devices:
  fountain: {water: {always_flowing: true}}
budget: 5
`))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Communities["nancheng"]
	if c.Parameters.Water.ContinuousAfter != 12*time.Hour || p.Water.ContinuousAfter != 12*time.Hour || p.Waste.Full != 0.9 || c.Parameters.Waste.Full != 0.95 {
		t.Errorf("got %+v", c)
	}
	if c.Parameters.All.Offline["gate"] != time.Hour || c.Parameters.All.Offline["waste"] != 4*time.Hour || c.Budget != 5 || !c.Devices["fountain"].Water.AlwaysFlowing {
		t.Errorf("got %+v", c)
	}
	for _, bad := range []string{"watr: {}", "water: {foo: 1}", "devices: {d: {gate: {held_opn: 1s}}}", "all: {disabled: [nonsense]}"} {
		if _, err := ReadConfig(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestKindsAreWhole(t *testing.T) {
	names := map[string]bool{}
	for k, about := range Kinds {
		if !ingest.ValidName(about.Name) || names[about.Name] || about.Severity == 0 || about.Title.ZH == "" || about.Title.EN == "" || about.Means.ZH == "" || about.Clears.EN == "" {
			t.Errorf("kind %d: %+v", k, about)
		}
		names[about.Name] = true
	}
}

// What is not a Save is refused, and never panics.
func FuzzLoad(f *testing.F) {
	b := newBench(f)
	for _, s := range mixed()[:400] {
		s(b)
	}
	var state bytes.Buffer
	if err := b.Save(&state); err != nil {
		f.Fatal(err)
	}
	f.Add(state.Bytes()[:200])
	f.Add([]byte{2, 1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBench(t)
		if b.Load(bytes.NewReader(data)) == nil {
			if err := b.Save(io.Discard); err != nil {
				t.Error(err)
			}
		}
	})
}

// Levels that are set while the engine runs hold for every device from the next
// Bind on, and those of before no more.
func TestConfigure(t *testing.T) {
	b := newBench(t)
	b.Bind(&inventory.Inventory{Facilities: b.facilities, Zone: time.UTC})
	b.report(start, "bin", "waste", map[string]float64{"fill_level": 0.1})
	full := func() float64 { return b.parameters(b.Engine.devices.At(b.index["bin"] + 1)).Waste.Full }
	if full() != DefaultParameters().Waste.Full {
		t.Fatalf("full at %g", full())
	}
	for _, want := range []float64{0.5, 0.7} {
		c := DefaultConfig()
		c.Parameters.Waste.Full = want
		b.Configure(c)
		b.Bind(&inventory.Inventory{Facilities: b.facilities, Zone: time.UTC})
		if full() != want {
			t.Errorf("full at %g, want %g", full(), want)
		}
	}
}
