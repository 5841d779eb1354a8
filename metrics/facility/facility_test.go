package facility

import (
	"bytes"
	"encoding/gob"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

var (
	table = ingest.BuiltinFacilities()
	zone  = time.FixedZone("Asia/Shanghai", 8*3600)
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, zone)
)

func observer() *Observer {
	o := New(nil)
	o.Bind(&inventory.Inventory{Zone: zone})
	return o
}

// feed gives an observer a reading of a device of nancheng.
func feed(t *testing.T, o *Observer, index uint32, facility ingest.FacilityKind, quantity string, at time.Time, v float64) {
	t.Helper()
	q := table.Quantity(facility, quantity)
	if q == nil {
		t.Fatalf("no quantity %s of %s", quantity, facility)
	}
	d := &ingest.Device{ID: ingest.DeviceID(quantity), Origin: &ingest.Origin{Community: "nancheng", Facility: facility}, Listing: ingest.Unlisted}
	o.Reading(index, &ingest.Reading{Device: d, Quantity: q, Value: v, Time: at.UnixNano()}, false, at.UnixNano())
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*max(1, math.Abs(want)) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// A cabinet's power is that of the lamps behind it: they are added once, on as many levels
// as there are, as long as the one in front reports; another kind in front changes nothing.
func TestPowerBehindACabinetIsAddedOnce(t *testing.T) {
	listing := func(parents string) *inventory.Inventory {
		inv, err := inventory.Parse([]byte("communities:\n- {id: nancheng, name: n}\nvendors:\n- id: v\n  devices:\n"+parents+
			"  sources: [{topic: \"x/{community}/{facility}/{device}\", format: native}]\n"), zone)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	device := func(id, facility, parent string) string {
		if parent != "" {
			parent = ", parent: " + parent
		}
		return "  - {id: " + id + ", community: nancheng, facility: " + facility + parent + "}\n"
	}
	nested := device("site", "lighting", "") + device("box", "lighting", "site") + device("l1", "lighting", "box") + device("l2", "lighting", "box") + device("l3", "lighting", "")
	for _, c := range []struct {
		name   string
		list   string
		power  map[string]float64
		silent string // reports once, four hours ago
		want   float64
	}{
		{"a box and its lamps", nested, map[string]float64{"box": 130, "l1": 60, "l2": 62, "l3": 50}, "", 180},
		{"lamps before their box", nested, map[string]float64{"l1": 60, "l2": 62, "box": 130}, "", 130},
		{"a meter of the site before all", nested, map[string]float64{"site": 140, "box": 130, "l1": 60, "l2": 62}, "", 140},
		{"the site's meter before lamps whose box has no power", nested, map[string]float64{"site": 140, "l1": 60, "l2": 62}, "", 140},
		{"a box that is silent", nested, map[string]float64{"box": 130, "l1": 60, "l2": 62}, "box", 122},
		{"nobody in front", nested, map[string]float64{"l1": 60, "l2": 62, "l3": 50}, "", 172},
		{"another kind in front", device("ev", "charging", "") + device("l1", "lighting", "ev"), map[string]float64{"ev": 7000, "l1": 60}, "", 60},
	} {
		inv := listing(c.list)
		o := New(nil)
		o.Bind(inv)
		say := func(at time.Time, only string) {
			for i, id := range []string{"l1", "site", "l2", "ev", "l3", "box"} {
				v, ok := c.power[id]
				if !ok || only != "" && id != only || only == "" && id == c.silent {
					continue
				}
				d := inv.Device(ingest.DeviceID(id))
				o.Reading(uint32(i), &ingest.Reading{Device: d, Quantity: inv.Facilities.Quantity(d.Facility, "active_power"), Value: v, Time: at.UnixNano()}, false, at.UnixNano())
			}
		}
		if c.silent != "" {
			say(noon.Add(-4*time.Hour), c.silent)
		}
		for _, at := range []time.Time{noon, noon.Add(5 * time.Minute), noon.Add(15 * time.Minute)} {
			say(at, "")
		}
		at := noon.Add(21 * time.Minute).UnixNano()
		near(t, c.name, o.Now(at)[Place{"nancheng", "lighting"}].Power, c.want)
		_, trends := o.Trends(at)
		values := trends[Place{"nancheng", "lighting"}].Values
		near(t, c.name+", trend", values[len(values)-1], c.want)

		// Another inventory, in which nobody stands behind another.
		inv = listing(strings.NewReplacer(", parent: site", "", ", parent: box", "").Replace(c.list))
		o.Bind(inv)
		say(noon.Add(22*time.Minute), "")
		sum := 0.0
		for id, v := range c.power {
			if id != c.silent && id != "ev" {
				sum += v
			}
		}
		near(t, c.name+", unlisted", o.Now(noon.Add(23 * time.Minute).UnixNano())[Place{"nancheng", "lighting"}].Power, sum)
	}
}

func TestNow(t *testing.T) {
	o := observer()
	feed(t, o, 0, "lighting", "active_power", noon, 60)
	feed(t, o, 0, "lighting", "light_on", noon, 1)
	feed(t, o, 1, "lighting", "active_power", noon, 0.6)
	feed(t, o, 2, "lighting", "active_power", noon.Add(-4*time.Hour), 60) // silent since
	feed(t, o, 3, "water", "water_volume_total", noon.Add(-13*time.Hour), 100)
	feed(t, o, 3, "water", "water_volume_total", noon.Add(-11*time.Hour), 101.5) // half of it today
	feed(t, o, 3, "water", "water_volume_total", noon, 102.25)
	feed(t, o, 3, "water", "water_volume_total", noon.Add(time.Minute), 9000) // a misread
	feed(t, o, 3, "water", "water_volume_total", noon.Add(2*time.Minute), 102.3)
	feed(t, o, 3, "water", "water_volume_total", noon.Add(3*time.Minute), 102.75)
	feed(t, o, 4, "waste", "fill_level", noon, 0.96)
	feed(t, o, 5, "waste", "fill_level", noon, 0.5)
	feed(t, o, 6, "gate", "pass_in", noon, 7)
	feed(t, o, 6, "gate", "pass_out", noon, 5)
	feed(t, o, 6, "gate", "door_open", noon, 1)
	now := o.Now(noon.Add(5 * time.Minute).UnixNano())
	light, water, waste, gate := now[Place{"nancheng", "lighting"}], now[Place{"nancheng", "water"}], now[Place{"nancheng", "waste"}], now[Place{"nancheng", "gate"}]
	near(t, "power", light.Power, 60.6)
	if light.Lit != 1 || light.Devices != 2 {
		t.Errorf("%d lit of %d", light.Lit, light.Devices)
	}
	near(t, "water today", water.Water, 0.75+0.75+0.5)
	near(t, "fill", waste.Fill, 0.73)
	if waste.Full != 1 {
		t.Errorf("%d full", waste.Full)
	}
	near(t, "passes", gate.Passes, 12)
	if gate.Open != 1 {
		t.Errorf("%d open", gate.Open)
	}
	tomorrow := o.Now(noon.Add(24 * time.Hour).UnixNano())
	if n := tomorrow[Place{"nancheng", "water"}]; n.Water != 0 || n.Devices != 0 {
		t.Errorf("a day later: %+v", n)
	}
}

// The trend is by the time of the readings, holds what is not reported between
// them for three hours, and shows silence as no data.
func TestTrends(t *testing.T) {
	o := observer()
	start := noon.Add(-10 * time.Hour)
	feed(t, o, 0, "lighting", "active_power", start, 60)
	feed(t, o, 0, "lighting", "active_power", start.Add(15*time.Minute), 30)
	feed(t, o, 1, "water", "water_volume_total", start, 10)
	feed(t, o, 1, "water", "water_volume_total", start.Add(25*time.Minute), 10.5)
	check := func(o *Observer) {
		t.Helper()
		from, trends := o.Trends(noon.UnixNano())
		at := func(facility ingest.FacilityKind, when time.Time) float64 {
			return trends[Place{"nancheng", facility}].Values[(when.Unix()-from)/600]
		}
		near(t, "first bin", at("lighting", start), 60)
		near(t, "half and half", at("lighting", start.Add(10*time.Minute)), 45)
		near(t, "held", at("lighting", start.Add(2*time.Hour)), 30)
		if v := at("lighting", start.Add(4*time.Hour)); !math.IsNaN(v) {
			t.Errorf("after three hours of silence: %v", v)
		}
		near(t, "m3/h", at("water", start), 1.2)
		near(t, "m3/h of half a bin", at("water", start.Add(20*time.Minute)), 0.6)
		if v := at("water", start.Add(-time.Hour)); !math.IsNaN(v) {
			t.Errorf("before any use is known: %v", v)
		}
	}
	check(o)
	var saved bytes.Buffer
	if err := o.Save(&saved); err != nil {
		t.Fatal(err)
	}
	again := observer()
	if err := again.Load(&saved); err != nil {
		t.Fatal(err)
	}
	check(again)

	// As version 1 wrote it: devices in gob, some at a time, until there are none.
	e := gob.NewEncoder(&saved)
	l, last := o.lamps.At(1), o.devices.At(2)
	light := before{Last: o.devices.At(1).Last, Prev: o.devices.At(1).Prev, Held: l.Since, Since: l.Told, Power: l.Power, HasPower: true}
	drawn := before{Last: last.Last, Prev: last.Prev, Place: last.Place, Register: 10.5, HasRegister: true}
	for _, part := range []any{state{Version: 1, Places: o.places}, []before{light}, []before{drawn}, []before{}} {
		if err := e.Encode(part); err != nil {
			t.Fatal(err)
		}
	}
	again = observer()
	if err := again.Load(&saved); err != nil {
		t.Fatal(err)
	}
	check(again)
}

func BenchmarkReading(b *testing.B) {
	o := New(nil)
	o.Bind(&inventory.Inventory{Zone: zone, Communities: []*inventory.Community{{ID: "nancheng", Lat: 34.75, Lon: 106.13}}})
	q := table.Quantity("lighting", "active_power")
	d := &ingest.Device{Origin: &ingest.Origin{Community: "nancheng", Facility: "lighting"}, Listing: ingest.Unlisted}
	r := &ingest.Reading{Device: d, Quantity: q, Value: 60}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r.Time = noon.UnixNano() + int64(i)*int64(time.Second)
		o.Reading(uint32(i%10000), r, false, r.Time)
	}
}

func happen(o *Observer, index uint32, facility ingest.FacilityKind, stream, event string, at time.Time) {
	d := &ingest.Device{Origin: &ingest.Origin{Community: "nancheng", Facility: facility}, Listing: &ingest.Listing{Stream: stream}}
	o.Event(index, &ingest.Event{Device: d, Type: event, Active: true, Time: at.UnixNano()}, at.UnixNano())
}

// What lamps, bins and gates did adds up by the time of their readings: silence
// counts for three hours, a collection told twice is one, and what a device
// counts in two ways is counted once. It survives a restart.
func TestCounters(t *testing.T) {
	o := observer()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	// By its state, whatever its power: 30 min, and 3 h of the silence after 90.
	feed(t, o, 0, "lighting", "light_on", at(0), 1)
	feed(t, o, 0, "lighting", "active_power", at(20), 60)
	feed(t, o, 0, "lighting", "light_on", at(30), 0)
	feed(t, o, 0, "lighting", "active_power", at(60), 60)
	feed(t, o, 0, "lighting", "light_on", at(90), 1)
	feed(t, o, 0, "lighting", "light_on", at(600), 0)
	// By its power: 15 min.
	feed(t, o, 1, "lighting", "active_power", at(0), 60)
	feed(t, o, 1, "lighting", "active_power", at(15), 0.6)
	feed(t, o, 1, "lighting", "active_power", at(60), 0.6)
	// Overfull for 40 min, then emptied, which the vendor tells as well; later
	// a little is taken out, and it is emptied again.
	feed(t, o, 2, "waste", "fill_level", at(0), 0.97)
	feed(t, o, 2, "waste", "fill_level", at(40), 0.05)
	happen(o, 2, "waste", "food", "collected", at(50))
	feed(t, o, 2, "waste", "fill_level", at(500), 0.6)
	feed(t, o, 2, "waste", "fill_level", at(520), 0.5)
	happen(o, 2, "waste", "food", "collected", at(530))
	// Three deposits told by events; 7 by a register; 4 by readings and, once
	// more, by events.
	for n := range 3 {
		happen(o, 2, "waste", "food", "deposit", at(n))
	}
	feed(t, o, 3, "waste", "deposits_total", at(0), 100)
	feed(t, o, 3, "waste", "deposits_total", at(10), 107)
	feed(t, o, 3, "waste", "deposits_total", at(20), 2)
	feed(t, o, 4, "waste", "deposits", at(0), 4)
	happen(o, 4, "waste", "", "deposit", at(0))
	feed(t, o, 4, "waste", "waste_weight_net", at(0), 2.5)
	feed(t, o, 4, "waste", "waste_weight_net", at(1), -30)
	// Open from 10 to 25; forced once.
	feed(t, o, 5, "gate", "door_open", at(0), 0)
	happen(o, 5, "gate", "", "door_opened", at(10))
	happen(o, 5, "gate", "", "door_forced", at(10))
	happen(o, 5, "gate", "", "door_held_open", at(20))
	happen(o, 5, "gate", "", "door_closed", at(25))
	happen(o, 5, "gate", "", "door_opened", at(5)) // late
	feed(t, o, 5, "gate", "pass_in_total", at(0), 40)
	feed(t, o, 5, "gate", "pass_out_total", at(0), 50)
	feed(t, o, 5, "gate", "pass_in_total", at(30), 46)
	feed(t, o, 5, "gate", "pass_out_total", at(30), 52)
	feed(t, o, 6, "gate", "pass_in_total", at(0), 9)
	feed(t, o, 6, "gate", "pass_in", at(5), 1)
	feed(t, o, 6, "gate", "pass_in_total", at(5), 10)

	var saved bytes.Buffer
	if err := o.Save(&saved); err != nil {
		t.Fatal(err)
	}
	again := observer()
	if err := again.Load(&saved); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP greencommunity_gate_forced_total Reports of a gate forced open.
# TYPE greencommunity_gate_forced_total counter
greencommunity_gate_forced_total{community="nancheng"} 1
# HELP greencommunity_gate_held_open_total Reports of a gate held open.
# TYPE greencommunity_gate_held_open_total counter
greencommunity_gate_held_open_total{community="nancheng"} 1
# HELP greencommunity_gate_open_seconds_total Time gates were open; silence counts for 3 h at most.
# TYPE greencommunity_gate_open_seconds_total counter
greencommunity_gate_open_seconds_total{community="nancheng"} 900
# HELP greencommunity_gate_passes_total Passes through the gates.
# TYPE greencommunity_gate_passes_total counter
greencommunity_gate_passes_total{community="nancheng",direction="in"} 7
greencommunity_gate_passes_total{community="nancheng",direction="out"} 2
# HELP greencommunity_lighting_burn_seconds_total Time lamps have burned, by what they report; silence counts for 3 h at most.
# TYPE greencommunity_lighting_burn_seconds_total counter
greencommunity_lighting_burn_seconds_total{community="nancheng"} 13500
# HELP greencommunity_waste_bin_overflow_seconds_total Time bins were at 95 % or more; silence counts for 3 h at most.
# TYPE greencommunity_waste_bin_overflow_seconds_total counter
greencommunity_waste_bin_overflow_seconds_total{community="nancheng"} 2400
# HELP greencommunity_waste_collections_total Bins emptied, as reported or seen in the fill level.
# TYPE greencommunity_waste_collections_total counter
greencommunity_waste_collections_total{community="nancheng"} 2
# HELP greencommunity_waste_deposits_total Deposits in the bins.
# TYPE greencommunity_waste_deposits_total counter
greencommunity_waste_deposits_total{community="nancheng",stream=""} 11
greencommunity_waste_deposits_total{community="nancheng",stream="food"} 3
# HELP greencommunity_waste_mass_grams_total Net weight of what was dropped, as bins or vehicles weigh it.
# TYPE greencommunity_waste_mass_grams_total counter
greencommunity_waste_mass_grams_total{community="nancheng",stream=""} 2500
`
	var names []string
	for line := range strings.Lines(want) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, strings.Fields(name)[0])
		}
	}
	for _, o := range []*Observer{o, again} {
		if err := testutil.CollectAndCompare(o, strings.NewReader(want), names...); err != nil {
			t.Error(err)
		}
	}
}

// Lamps are due by the sun, in the time they told of: all of the night between
// two noons; of a night with five hours of silence two hours less.
func TestScheduledBurn(t *testing.T) {
	const nanchengLat, nanchengLon = 34.75, 106.13
	// Civil dusk to dawn of 2026-11-23, reckoned apart: 18:13:48 to 07:10:22.
	const night = (12*60+56)*60 + 34
	for _, c := range []struct {
		name     string
		told     func(hour int) bool
		lat, lon float64
		want     float64
	}{
		{"all night", func(int) bool { return true }, nanchengLat, nanchengLon, night},
		{"silent from 20 to 01 o'clock", func(hour int) bool { return hour <= 8 || hour >= 13 }, nanchengLat, nanchengLon, night - 2*3600},
		{"by day", func(hour int) bool { return hour <= 6 }, nanchengLat, nanchengLon, 0},
		{"polar night", func(int) bool { return true }, 85, 106.13, 24 * 3600},
		{"midnight sun", func(int) bool { return true }, -85, 106.13, 0},
	} {
		o := New(nil)
		inv := &inventory.Inventory{Zone: zone, Communities: []*inventory.Community{{ID: "nancheng", Lat: c.lat, Lon: c.lon}}}
		o.Bind(inv)
		for hour := range 25 {
			if c.told(hour) {
				feed(t, o, 0, "lighting", "light_on", noon.Add(time.Duration(hour)*time.Hour), 0)
				feed(t, o, 0, "lighting", "active_power", noon.Add(time.Duration(hour)*time.Hour), 0.5)
			}
			if hour == 9 { // a restart and a reload change nothing
				var saved bytes.Buffer
				if err := o.Save(&saved); err != nil {
					t.Fatal(err)
				}
				o = New(nil)
				o.Bind(inv)
				if err := o.Load(&saved); err != nil {
					t.Fatal(err)
				}
			}
		}
		got := 0.0
		for _, f := range gather(t, o) {
			if f.GetName() == "greencommunity_lighting_scheduled_burn_seconds_total" {
				got = f.Metric[0].GetCounter().GetValue()
			}
		}
		if math.Abs(got-c.want) > 10 {
			t.Errorf("%s: %.0f s due, want %.0f", c.name, got, c.want)
		}
	}
	// Without a site nobody knows when it is dark.
	o := observer()
	feed(t, o, 0, "lighting", "light_on", noon, 1)
	feed(t, o, 0, "lighting", "light_on", noon.Add(12*time.Hour), 1)
	if n := testutil.CollectAndCount(o, "greencommunity_lighting_scheduled_burn_seconds_total"); n != 0 {
		t.Error("hours are made up for a site nobody knows")
	}
}

func gather(t *testing.T, o *Observer) []*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(o)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// A gate is up while it is heard of. A longer silence, and one that its gateway
// calls offline, is not known: it is scheduled, and not up.
func TestGateAvailability(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now() // of the bubble
		at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
		o := observer()
		gate := &ingest.Device{Origin: &ingest.Origin{Community: "nancheng", Facility: "gate"}, Listing: ingest.Unlisted}
		tell := func(minutes int, event string, active bool) {
			o.Event(0, &ingest.Event{Device: gate, Type: event, Active: active, Time: at(minutes).UnixNano()}, at(minutes).UnixNano())
		}
		feed(t, o, 0, "gate", "door_open", at(0), 0)
		tell(60, "access_granted", true)               // 60 min up
		tell(90, "node_offline", true)                 // no word of its own
		feed(t, o, 0, "gate", "door_open", at(120), 0) // 60 min not known
		tell(150, "door_opened", true)                 // 30 min up
		tell(160, "door_held_open", true)              // 10 min up
		tell(170, "door_held_open", false)             // 10 min up, held open all of them
		feed(t, o, 0, "gate", "door_open", at(470), 0) // 5 h not known
		tell(480, "door_opened", true)                 // 10 min up
		tell(485, "door_held_open", true)              // 5 min up
		tell(490, "door_closed", true)                 // 5 min up, held open
		feed(t, o, 1, "gate", "pass_in", at(480), 1)   // another, heard of once
		time.Sleep(600 * time.Minute)
		want := `
# HELP greencommunity_gate_held_open_seconds_total Time gates were open after they said that they are held open; silence counts for 3 h at most.
# TYPE greencommunity_gate_held_open_seconds_total counter
greencommunity_gate_held_open_seconds_total{community="nancheng"} 900
# HELP greencommunity_gate_open_seconds_total Time gates were open; silence counts for 3 h at most.
# TYPE greencommunity_gate_open_seconds_total counter
greencommunity_gate_open_seconds_total{community="nancheng"} 1800
# HELP greencommunity_gate_scheduled_seconds_total Time since each gate was first heard of: all of it is scheduled.
# TYPE greencommunity_gate_scheduled_seconds_total counter
greencommunity_gate_scheduled_seconds_total{community="nancheng"} 43200
# HELP greencommunity_gate_up_seconds_total Time gates were heard of; a silence of more than 3 h is not known, and not up.
# TYPE greencommunity_gate_up_seconds_total counter
greencommunity_gate_up_seconds_total{community="nancheng"} 7800
`
		var saved bytes.Buffer
		if err := o.Save(&saved); err != nil {
			t.Fatal(err)
		}
		again := observer()
		if err := again.Load(&saved); err != nil {
			t.Fatal(err)
		}
		for _, o := range []*Observer{o, again} {
			if err := testutil.CollectAndCompare(o, strings.NewReader(want), "greencommunity_gate_held_open_seconds_total", "greencommunity_gate_open_seconds_total",
				"greencommunity_gate_scheduled_seconds_total", "greencommunity_gate_up_seconds_total"); err != nil {
				t.Error(err)
			}
		}
	})
}

// What counts events is there before the first message, for the communities and
// waste streams of the listed devices (field/grafana case 01).
func TestCountersFromTheStart(t *testing.T) {
	const text = "communities:\n- {id: c, name: 社区, town: 镇}\nvendors:\n- id: v\n  sources: [{topic: \"v/{device}\", format: json}]\n" +
		"  devices: [{id: b1, community: c, facility: waste, stream: kitchen}, {id: b2, community: c, facility: waste, stream: residual}, {id: g1, community: c, facility: gate}]\n" +
		"facilities: {waste: {quantities: {inspections_correct: {unit: '1', kind: delta}, inspections_wrong: {unit: '1', kind: delta}}}}\n"
	inv := inventorytest.Parse(t, text, time.FixedZone("", 8*3600))
	o := New(nil)
	o.Bind(inv)
	for metric, want := range map[string]int{
		"greencommunity_waste_deposits_total": 2, "greencommunity_waste_inspections_total": 2, "greencommunity_waste_collections_total": 1,
		"greencommunity_gate_passes_total": 2, "greencommunity_gate_forced_total": 1, "greencommunity_gate_held_open_total": 1,
	} {
		if n := testutil.CollectAndCount(o, metric); n != want {
			t.Errorf("%d series of %s, want %d", n, metric, want)
		}
	}
}

// Inspections are counted where the inventory has quantities for them.
func TestInspections(t *testing.T) {
	o := observer()
	if n := testutil.CollectAndCount(o, "greencommunity_waste_inspections_total"); n != 0 {
		t.Errorf("%d before anybody looked", n)
	}
	bin := &ingest.Device{Origin: &ingest.Origin{Community: "nancheng", Facility: "waste"}, Listing: ingest.Unlisted}
	for name, v := range map[string]float64{"inspections_correct": 17, "inspections_wrong": 3} {
		o.Reading(0, &ingest.Reading{Device: bin, Quantity: &ingest.Quantity{Name: name}, Value: v, Time: noon.UnixNano()}, false, noon.UnixNano())
	}
	want := `
# HELP greencommunity_waste_inspections_total Deposits that were inspected, by what was found: correct, wrong.
# TYPE greencommunity_waste_inspections_total counter
greencommunity_waste_inspections_total{community="nancheng",result="correct"} 17
greencommunity_waste_inspections_total{community="nancheng",result="wrong"} 3
`
	if err := testutil.CollectAndCompare(o, strings.NewReader(want), "greencommunity_waste_inspections_total"); err != nil {
		t.Error(err)
	}
}

func TestBytesADevice(t *testing.T) {
	most := max(unsafe.Sizeof(lamp{}), unsafe.Sizeof(meter{}), unsafe.Sizeof(bin{}), unsafe.Sizeof(gate{}))
	if size := unsafe.Sizeof(device{}) + most; size > 64 {
		t.Errorf("a device's state is %d bytes", size)
	}
}

// Devices that report something else leave the figures out: a gate that only
// tells of being forced has not counted no passes.
func TestNoFigureIsNotZero(t *testing.T) {
	o, now := observer(), time.Now()
	feed(t, o, 0, "lighting", "voltage", now, 230)
	feed(t, o, 1, "water", "water_flow", now, 0.001)
	feed(t, o, 2, "waste", "bin_temperature", now, 12)
	gate := &ingest.Device{ID: "gate", Origin: &ingest.Origin{Community: "nancheng", Facility: "gate"}, Listing: ingest.Unlisted}
	o.Event(3, &ingest.Event{Device: gate, Type: "door_forced", Active: true, Time: now.UnixNano()}, now.UnixNano())
	for place, n := range o.Now(now.UnixNano()) {
		if n.Devices != 1 || n.Powered != 0 || n.Metered != 0 || n.Filled != 0 || n.Counted || n.Doors != 0 {
			t.Errorf("%v: %+v", place, n)
		}
	}
	gauges := []string{"greencommunity_lighting_power_watts", "greencommunity_water_today_cubic_meters", "greencommunity_waste_bin_fill_ratio", "greencommunity_waste_bins_full", "greencommunity_gates_open"}
	if err := testutil.CollectAndCompare(o, strings.NewReader(""), gauges...); err != nil {
		t.Error(err)
	}
	feed(t, o, 0, "lighting", "active_power", now, 0)
	feed(t, o, 1, "water", "water_volume_total", now, 5)
	feed(t, o, 2, "waste", "fill_level", now, 0)
	feed(t, o, 3, "gate", "pass_in", now, 0)
	feed(t, o, 3, "gate", "door_open", now, 0)
	if n := testutil.CollectAndCount(o, gauges...); n != len(gauges) {
		t.Errorf("%d figures of zero, want %d", n, len(gauges))
	}
	if !o.Now(now.UnixNano())[Place{"nancheng", "gate"}].Counted {
		t.Error("a gate that has counted none has counted")
	}
}

// A counter of a declared width goes on at 0; a reset is not taken for that.
func TestCountersWrap(t *testing.T) {
	for _, c := range []struct {
		bits   uint8
		totals []float64
		want   float64
	}{
		{16, []float64{65530, 65535, 4, 10}, 16},
		{16, []float64{65530, 0}, 6},
		{16, []float64{100, 0, 5}, 5}, // a reset
		{16, []float64{40000, 3}, 0},  // 25,539 at once are none either
		{0, []float64{65530, 4}, 0},
		{24, []float64{1<<24 - 1, 2}, 3},
		{32, []float64{1<<32 - 2, 1}, 3},
	} {
		o := observer()
		gate := &ingest.Device{Origin: &ingest.Origin{Community: "nancheng", Facility: "gate"}, Listing: &ingest.Listing{RegisterBits: c.bits}}
		for i, v := range c.totals {
			at := noon.Add(time.Duration(i) * time.Minute).UnixNano()
			o.Reading(0, &ingest.Reading{Device: gate, Quantity: &ingest.Quantity{Name: "pass_in_total"}, Value: v, Time: at}, false, at)
		}
		got := 0.0
		for _, f := range gather(t, o) {
			for _, m := range f.Metric {
				if f.GetName() == "greencommunity_gate_passes_total" && m.Label[1].GetValue() == "in" {
					got = m.GetCounter().GetValue()
				}
			}
		}
		if got != c.want {
			t.Errorf("%d bits, %v: %g passes, want %g", c.bits, c.totals, got, c.want)
		}
	}
}

// The trend of all communities is over bins, as the tile is: one bin at 0.9 here
// and nine at 0.1 there are 0.18, not 0.5. Case house/08.
func TestTrendOfBinsIsOverBins(t *testing.T) {
	o := observer()
	at := noon.Add(-time.Hour)
	for i := range 10 {
		community, fill := ingest.CommunityID("dongcheng"), 0.1
		if i == 0 {
			community, fill = "nancheng", 0.9
		}
		d := &ingest.Device{ID: ingest.DeviceID(rune('a' + i)), Origin: &ingest.Origin{Community: community, Facility: "waste"}, Listing: ingest.Unlisted}
		o.Reading(uint32(i), &ingest.Reading{Device: d, Quantity: &ingest.Quantity{Name: "fill_level"}, Value: fill, Time: at.UnixNano()}, false, 0)
	}
	from, trends := o.Trends(noon.UnixNano())
	if len(trends) != 2 {
		t.Fatalf("%d places", len(trends))
	}
	here, there := trends[Place{"nancheng", "waste"}], trends[Place{"dongcheng", "waste"}]
	for name, order := range map[string][]Trend{"one way": {here, there}, "the other": {there, here}} {
		var all Trend
		for _, each := range order {
			all.Add(each)
		}
		k := (at.Unix() - from) / 600
		near(t, name, all.Values[k], 0.18)
		near(t, name+", bins", all.Bins[k], 10)
		if !math.IsNaN(all.Values[0]) {
			t.Errorf("%s: before any reading: %v", name, all.Values[0])
		}
	}
	near(t, "a place's own trend is left as it was", here.Values[(at.Unix()-from)/600], 0.9)
}
