package hourly

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory/inventorytest"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// said is a reading of a device of a community.
func said(o *Observer, facilities *ingest.Facilities, community ingest.CommunityID, kind ingest.FacilityKind, quantity string, at time.Time, v float64) {
	d := &ingest.Device{ID: "d", Origin: &ingest.Origin{Vendor: "v", Community: community, Facility: kind}, Listing: ingest.Unlisted}
	o.Reading(0, &ingest.Reading{Device: d, Quantity: facilities.Quantity(kind, quantity), Value: v, Time: at.UnixNano()}, false, at.UnixNano())
}

// written are the points, as text, and by what they are of.
func written(o *Observer, now time.Time) string {
	o.Tick(now.UnixNano())
	var b strings.Builder
	for {
		points := o.Points()
		if len(points) == 0 {
			return b.String()
		}
		for _, p := range points {
			fmt.Fprintf(&b, "%s %s %s %s", p.Tags[0].Value, p.Tags[1].Value, p.Tags[2].Value, time.Unix(0, p.Time).UTC().Format("02T15"))
			for _, f := range p.Fields {
				fmt.Fprintf(&b, " %s=%v", f.Key, f.Value)
			}
			b.WriteByte('\n')
		}
	}
}

// Each kind of quantity, over places and hours, in any order, with late readings, and
// over a restart at every step.
func TestHours(t *testing.T) {
	inv := inventorytest.Parse(t, "communities: [{id: a, name: A}, {id: b, name: B}]\nvendors: [{id: v, sources: [{topic: \"x/{community}/{facility}/{device}\", format: native}]}]", inventorytest.Zone)
	for _, restarts := range []bool{false, true} {
		o := New()
		o.Bind(inv)
		step := func() {
			if !restarts {
				return
			}
			var state bytes.Buffer
			if err := o.Save(&state); err != nil {
				t.Fatal(err)
			}
			o = New()
			o.Bind(inv)
			if err := o.Load(&state); err != nil {
				t.Fatal(err)
			}
		}
		say := func(community ingest.CommunityID, kind ingest.FacilityKind, quantity string, at time.Time, v float64) {
			said(o, inv.Facilities, community, kind, quantity, at, v)
			step()
		}
		say("a", "lighting", "active_power", noon, 40)
		say("a", "lighting", "active_power", noon.Add(59*time.Minute), 20)
		say("a", "lighting", "active_power", noon.Add(time.Hour), 10)
		say("b", "lighting", "active_power", noon, 7)
		say("a", "lighting", "light_on", noon, 1)
		say("a", "lighting", "light_on", noon.Add(time.Minute), 0)
		say("a", "gate", "pass_in", noon, 3)
		say("a", "gate", "pass_in", noon.Add(time.Minute), 4)
		say("a", "noise", "sound_level", noon, 50) // 80 for half of the time is 77 for all of it, whatever the rest
		say("a", "noise", "sound_level", noon.Add(time.Minute), 80)
		say("a", "water", "water_volume_total", noon, 4711) // a register: the book of use has it
		want := `a lighting active_power 28T12 greatest=40 least=20 readings=2 total=60
a lighting active_power 28T13 greatest=10 least=10 readings=1 total=10
b lighting active_power 28T12 greatest=7 least=7 readings=1 total=7
a lighting light_on 28T12 greatest=1 least=0 readings=2 total=1
a gate pass_in 28T12 greatest=4 least=3 readings=2 total=7
a noise sound_level 28T12 energy=1.001e+08 greatest=80 least=50 readings=2 total=153.98808163630673
`
		if got := written(o, noon.Add(2*time.Hour)); sorted(got) != sorted(want) {
			t.Errorf("written:\n%swant:\n%s", got, want)
		}
		step()
		if got := written(o, noon.Add(3*time.Hour)); got != "" {
			t.Errorf("written again without a change: %s", got)
		}
		say("a", "gate", "pass_in", noon.Add(2*time.Minute), 1) // late: its hour is over
		if got := written(o, noon.Add(4*time.Hour)); got != "a gate pass_in 28T12 greatest=4 least=1 readings=3 total=8\n" {
			t.Errorf("after a late reading: %s", got)
		}
	}
}

func sorted(lines string) string {
	list := strings.Split(lines, "\n")
	for i := range list {
		for j := i + 1; j < len(list); j++ {
			if list[j] < list[i] {
				list[i], list[j] = list[j], list[i]
			}
		}
	}
	return strings.Join(list, "\n")
}

// What comes more than two days late is counted and changes nothing that is written;
// what comes before is taken; a clock that goes back closes nothing for good.
func TestLate(t *testing.T) {
	inv := inventorytest.Parse(t, "communities: [{id: a, name: A}]\nvendors: [{id: v, sources: [{topic: \"x/{community}/{facility}/{device}\", format: native}]}]", inventorytest.Zone)
	o := New()
	o.Bind(inv)
	say := func(at time.Time, v float64) { said(o, inv.Facilities, "a", "water", "water_flow", at, v) }
	for h := range 100 {
		say(noon.Add(time.Duration(h)*time.Hour), 1)
	}
	now := noon.Add(100 * time.Hour)
	if got := strings.Count(written(o, now), "\n"); got != 100 {
		t.Errorf("%d hours are written, want 100", got)
	}
	say(noon.Add(10*time.Hour), 5)
	say(noon.Add(60*time.Hour), 5)
	if got, want := written(o, now.Add(time.Minute)), "a water water_flow 01T00 greatest=5 least=1 readings=2 total=6\n"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
	const missed = "# HELP greencommunity_place_hours_missed_readings_total Readings that came two days after the newest of their place and quantity, which the hours of places are without.\n# TYPE greencommunity_place_hours_missed_readings_total counter\ngreencommunity_place_hours_missed_readings_total 1\n"
	if err := testutil.CollectAndCompare(o, strings.NewReader(missed)); err != nil {
		t.Error(err)
	}
	o.Rewind(noon.UnixNano())
	say(noon.Add(-time.Minute), 2) // its hour was over long before, and is
	say(noon.Add(time.Minute), 2)
	if got := written(o, noon.Add(time.Hour)); strings.Count(got, "\n") != 1 {
		t.Errorf("after the clock went back: %q", got)
	}
}

// A reading costs little beside the microseconds of its message.
func BenchmarkReading(b *testing.B) {
	facilities := ingest.BuiltinFacilities()
	o := New()
	var readings []ingest.Reading
	for c := range 100 {
		d := &ingest.Device{ID: "d", Origin: &ingest.Origin{Vendor: "v", Community: ingest.CommunityID(fmt.Sprint("c", c)), Facility: "lighting"}, Listing: ingest.Unlisted}
		for _, q := range []string{"active_power", "light_on", "light_level"} {
			readings = append(readings, ingest.Reading{Device: d, Quantity: facilities.Quantity("lighting", q), Value: 1, Time: noon.UnixNano()})
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		o.Reading(0, &readings[i%len(readings)], false, 0)
	}
}
