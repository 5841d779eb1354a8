package facility

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"greencommunity/ingest/inventory"
)

// morning and afternoon are a day of lamps, meters, bins and gates, with what each
// kind counts in more than one way.
func morning(t *testing.T, o *Observer, start time.Time) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	feed(t, o, 0, "lighting", "light_on", at(0), 1)
	feed(t, o, 0, "lighting", "active_power", at(20), 60)
	feed(t, o, 1, "lighting", "active_power", at(10), 45)
	feed(t, o, 2, "water", "water_volume_total", at(0), 100)
	feed(t, o, 2, "water", "water_volume_total", at(30), 100.5)
	feed(t, o, 3, "waste", "fill_level", at(0), 0.97)
	feed(t, o, 3, "waste", "deposits_total", at(5), 100)
	feed(t, o, 3, "waste", "deposits_total", at(15), 104)
	feed(t, o, 4, "waste", "fill_level", at(0), 0.6)
	feed(t, o, 4, "waste", "fill_level", at(40), 0.1)
	happen(o, 4, "waste", "food", "deposit", at(41))
	feed(t, o, 5, "gate", "door_open", at(0), 1)
	happen(o, 5, "gate", "", "door_held_open", at(20))
	feed(t, o, 5, "gate", "pass_in_total", at(25), 10)
	feed(t, o, 5, "gate", "pass_out_total", at(25), 20)
	feed(t, o, 6, "gate", "pass_in", at(30), 3)
	happen(o, 6, "gate", "", "node_offline", at(35))
	feed(t, o, 7, "lighting", "active_power", at(30), 80)
	feed(t, o, 9, "parking", "spaces_occupied", at(30), 12)
}

func afternoon(t *testing.T, o *Observer, start time.Time) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	feed(t, o, 0, "lighting", "light_on", at(60), 0)
	feed(t, o, 1, "lighting", "active_power", at(60), 0.4)
	feed(t, o, 2, "water", "water_volume_total", at(60), 101)
	feed(t, o, 3, "waste", "deposits_total", at(60), 110)
	feed(t, o, 3, "waste", "fill_level", at(60), 0.02)
	happen(o, 4, "waste", "food", "collected", at(60)) // seen in the fill level already
	happen(o, 3, "waste", "food", "collected", at(200))
	feed(t, o, 5, "gate", "pass_in_total", at(61), 14)
	feed(t, o, 5, "gate", "pass_out_total", at(61), 21)
	feed(t, o, 5, "gate", "door_open", at(62), 0)
	feed(t, o, 6, "gate", "pass_in", at(65), 2) // its gateway called it offline
	feed(t, o, 6, "gate", "pass_in_total", at(65), 700)
	feed(t, o, 6, "gate", "pass_in_total", at(70), 705) // counted one by one
	feed(t, o, 1, "lighting", "active_power", at(130), 0.4)
	o.Forget([]uint32{6}, at(140).UnixNano())
	feed(t, o, 8, "lighting", "light_on", at(150), 1)
}

// figures prints all that is shown of an observer.
func figures(t *testing.T, o *Observer, at time.Time) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(o)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	from, trends := o.Trends(at.UnixNano())
	fmt.Fprintln(&text, from)
	for _, p := range slices.SortedFunc(maps.Keys(trends), func(a, b Place) int { return strings.Compare(string(a.Facility), string(b.Facility)) }) {
		if p.Facility != "parking" { // whose trend nobody shows
			fmt.Fprintln(&text, p.Facility, trends[p].Values[steps-30:])
		}
	}
	for _, s := range o.Sorting(at.UnixNano()) {
		fmt.Fprintln(&text, s.Community, s.Streams, s.Today, s.Before)
	}
	return text.String()
}

// State of version 3, in which one record held a device of any kind, goes on: after
// the same readings the figures are those of the program that wrote it. Both files
// were written by that program, at 752dc37.
func TestStateOfVersion3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		want, err := os.ReadFile("testdata/version3.txt")
		if err != nil {
			t.Fatal(err)
		}
		state, err := os.ReadFile("testdata/version3.state")
		if err != nil {
			t.Fatal(err)
		}
		inv := &inventory.Inventory{Zone: zone, Communities: []*inventory.Community{{ID: "nancheng", Lat: 34.75, Lon: 106.13}}}
		old, new := New(nil), New(nil)
		old.Bind(inv)
		new.Bind(inv)
		if err := old.Load(bytes.NewReader(state)); err != nil {
			t.Fatal(err)
		}
		morning(t, new, start)
		for name, o := range map[string]*Observer{"loaded": old, "of today": new} {
			if got := o.LastReading(5); got != start.Add(25*time.Minute).UnixNano() {
				t.Errorf("%s: the gate's latest reading is of %s", name, time.Unix(0, got))
			}
			afternoon(t, o, start)
			// Over a restart in today's version.
			var saved bytes.Buffer
			if err := o.Save(&saved); err != nil {
				t.Fatal(err)
			}
			again := New(nil)
			again.Bind(inv)
			if err := again.Load(&saved); err != nil {
				t.Fatal(err)
			}
			at := start.Add(3 * time.Hour)
			time.Sleep(time.Until(at))
			for _, o := range []*Observer{o, again} {
				if got := figures(t, o, at); got != string(want) {
					t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
				}
			}
		}
	})
}

// A device whose place or kind changes begins anew in the other: a lamp that became a
// gate does not show its power as passes, and what it had is used again.
func TestDeviceOfAnotherKind(t *testing.T) {
	o := observer()
	feed(t, o, 0, "lighting", "active_power", noon, 80)
	feed(t, o, 0, "gate", "pass_in", noon.Add(10*time.Minute), 3)
	feed(t, o, 1, "lighting", "active_power", noon.Add(10*time.Minute), 40)
	if o.lamps.Len() != 1 || o.gates.Len() != 1 || o.lamps.At(1).Power != 40 {
		t.Errorf("%d lamps, %d gates", o.lamps.Len(), o.gates.Len())
	}
	at := noon.Add(time.Hour).UnixNano()
	from, trends := o.Trends(at)
	if v := trends[Place{"nancheng", "gate"}].Values[(noon.Unix()+1200-from)/600]; v == v {
		t.Errorf("%v passes", v)
	}
	if n := o.Now(at); n[Place{"nancheng", "lighting"}].Devices != 1 || n[Place{"nancheng", "lighting"}].Power != 40 || n[Place{"nancheng", "gate"}].Passes != 3 {
		t.Errorf("%+v", n)
	}
	o.Forget([]uint32{0, 1}, at)
	var saved bytes.Buffer
	if err := o.Save(&saved); err != nil {
		t.Fatal(err)
	}
	again := observer()
	if err := again.Load(&saved); err != nil {
		t.Fatal(err)
	}
	feed(t, again, 2, "lighting", "active_power", noon, 80)
	feed(t, again, 3, "gate", "pass_in", noon, 1)
	if again.lamps.Len() != 1 || again.gates.Len() != 1 {
		t.Errorf("%d lamps, %d gates after a restart", again.lamps.Len(), again.gates.Len())
	}
}
