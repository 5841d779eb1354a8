package systems

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

const county = `
communities: [{id: nancheng, name: 南城社区}, {id: xicheng, name: 西城社区}]
facilities:
  lift:
    name: {zh: 电梯, en: Lifts}
    quantities:
      trips: {unit: "1", kind: delta, min: 0, name: {zh: 运行次数, en: Trips}}
      stuck: {unit: "0/1", kind: state, name: {zh: 困人, en: Stuck}}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`

// at is 20:00 at the site.
var at = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

type feed struct {
	o       *Observer
	inv     *inventory.Inventory
	devices map[string]uint32
}

func newFeed(t *testing.T) *feed {
	t.Helper()
	f := &feed{o: New(), inv: inventorytest.Parse(t, county, inventorytest.Zone), devices: map[string]uint32{}}
	f.o.Bind(f.inv)
	return f
}

func (f *feed) reading(community ingest.CommunityID, kind ingest.FacilityKind, device, quantity string, when time.Time, v float64) {
	index, ok := f.devices[device]
	if !ok {
		index = uint32(len(f.devices))
		f.devices[device] = index
	}
	d := &ingest.Device{ID: ingest.DeviceID(device), Origin: &ingest.Origin{Vendor: "v", Community: community, Facility: kind}, Listing: ingest.Unlisted}
	f.o.Reading(index, &ingest.Reading{Device: d, Quantity: f.inv.Facilities.Quantity(kind, quantity), Value: v, Time: when.UnixNano()}, false, when.UnixNano())
}

func (f *feed) figure(t *testing.T, community ingest.CommunityID, quantity string) Figure {
	t.Helper()
	for _, figure := range f.o.Now(at.UnixNano()) {
		if figure.Community == community && figure.Quantity == quantity {
			return figure
		}
	}
	t.Fatalf("no figure of %s of %s", quantity, community)
	return Figure{}
}

// What a quantity's kind says can be told of it, over devices, over midnight, and of a
// kind that only the inventory has.
func TestFigures(t *testing.T) {
	f := newFeed(t)
	ago := func(minutes int) time.Time { return at.Add(-time.Duration(minutes) * time.Minute) }
	f.reading("nancheng", "parking", "p1", "spaces_occupied", ago(10), 40)
	f.reading("nancheng", "parking", "p2", "spaces_occupied", ago(20), 30)
	f.reading("nancheng", "parking", "p3", "spaces_occupied", ago(200), 99) // silent for more than 3 hours
	f.reading("xicheng", "parking", "p4", "spaces_occupied", ago(20), 7)
	yesterday := at.Add(-21 * time.Hour)
	f.reading("nancheng", "parking", "p1", "vehicles_in_total", yesterday, 500)
	f.reading("nancheng", "parking", "p1", "vehicles_in_total", ago(60), 620)
	f.reading("nancheng", "parking", "p1", "vehicles_in_total", ago(10), 630)
	f.reading("nancheng", "parking", "p2", "vehicles_in_total", ago(60), 10)
	f.reading("nancheng", "parking", "p2", "vehicles_in_total", ago(10), 3) // reset
	f.reading("nancheng", "fire", "f1", "hydrant_pressure", ago(10), 200e3)
	f.reading("nancheng", "fire", "f2", "hydrant_pressure", ago(10), 100e3)
	f.reading("nancheng", "lift", "l1", "stuck", ago(10), 1)
	f.reading("nancheng", "lift", "l2", "stuck", ago(10), 0)
	f.reading("nancheng", "lift", "l1", "trips", yesterday, 50)
	f.reading("nancheng", "lift", "l1", "trips", ago(300), 8)
	f.reading("nancheng", "lift", "l2", "trips", ago(10), 4)
	for hour, dB := range []float64{50, 50, 50, 50, 50, 50, 60, 60, 60} { // from 20:00 the day before
		f.reading("nancheng", "noise", "n1", "sound_level_equivalent", at.Add(time.Duration(hour*3-24)*time.Hour), dB)
	}
	for _, c := range []struct {
		community ingest.CommunityID
		quantity  string
		statistic string
		want      float64
	}{
		{"nancheng", "spaces_occupied", "sum", 70}, {"nancheng", "spaces_occupied", "devices", 2}, {"xicheng", "spaces_occupied", "sum", 7},
		{"nancheng", "vehicles_in_total", "today", 130},
		{"nancheng", "hydrant_pressure", "mean", 150e3}, {"nancheng", "hydrant_pressure", "min", 100e3}, {"nancheng", "hydrant_pressure", "max", 200e3},
		{"nancheng", "stuck", "yes", 1}, {"nancheng", "stuck", "devices", 2}, {"nancheng", "trips", "today", 12},
		{"nancheng", "sound_level_equivalent", "night", 50},
		{"nancheng", "sound_level_equivalent", "day", 10 * math.Log10((2*1e5+3*1e6)/5)},
	} {
		figure := f.figure(t, c.community, c.quantity)
		if got, ok := figure.Statistics()[c.statistic]; !ok || math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%s of %s: %s is %v, want %v", c.quantity, c.community, c.statistic, got, c.want)
		}
	}
	pressure := f.figure(t, "nancheng", "hydrant_pressure")
	if _, ok := pressure.Statistics()["sum"]; ok {
		t.Error("pressures were added up")
	}
	var state bytes.Buffer
	if err := f.o.Save(&state); err != nil {
		t.Fatal(err)
	}
	again := New()
	again.Bind(f.inv)
	if err := again.Load(&state); err != nil {
		t.Fatal(err)
	}
	was, is := f.o.Now(at.UnixNano()), again.Now(at.UnixNano())
	for i := range was {
		for name, v := range was[i].Statistics() {
			if got := is[i].Statistics()[name]; math.Abs(got-v) > 1e-9*math.Abs(v) {
				t.Errorf("after a restart %s %s is %v, was %v", is[i].Quantity, name, got, v)
			}
		}
	}
	again.Forget([]uint32{f.devices["p1"]}, at.UnixNano())
	for _, figure := range again.Now(at.UnixNano()) {
		if figure.Community == "nancheng" && figure.Quantity == "spaces_occupied" && figure.Sum != 30 {
			t.Errorf("a device that was let go counts still: %+v", figure)
		}
	}
	if problems, err := testutil.CollectAndLint(f.o); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// What a clock that was ahead has left behind does not stay.
func TestRewind(t *testing.T) {
	f := newFeed(t)
	f.reading("nancheng", "lift", "l1", "trips", at.Add(48*time.Hour), 8)
	f.o.Rewind(at.UnixNano())
	f.reading("nancheng", "lift", "l1", "trips", at.Add(time.Minute), 5)
	if got := f.figure(t, "nancheng", "trips").Today; got != 5 {
		t.Errorf("%v today, want 5", got)
	}
	if err := testutil.CollectAndCompare(New(), strings.NewReader("")); err != nil {
		t.Error(err)
	}
}
