package usage

import (
	"bytes"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// clockHistories say by how much the clock is wrong, an hour each; 0 before and after.
var clockHistories = map[string][]time.Duration{
	"an hour ahead":               {time.Hour, time.Hour},
	"a day ahead":                 {24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
	"over midnight by an hour":    {12 * time.Hour, 12 * time.Hour},
	"a month ahead":               {30 * 24 * time.Hour, 30 * 24 * time.Hour},
	"three years ahead":           {3 * 365 * 24 * time.Hour, 3 * 365 * 24 * time.Hour},
	"ahead twice":                 {48 * time.Hour, 0, 0, 48 * time.Hour, 48 * time.Hour},
	"back in two steps":           {72 * time.Hour, 72 * time.Hour, 24 * time.Hour, 24 * time.Hour},
	"behind a day":                {-24 * time.Hour, -24 * time.Hour},
	"behind, then ahead":          {-5 * time.Hour, 5 * time.Hour},
	"one reading, a year ahead":   {365 * 24 * time.Hour},
	"ahead from the first on":     nil, // see below
	"eight hours, a zone's worth": {8 * time.Hour, 8 * time.Hour, 8 * time.Hour},
}

// However the clock was wrong: all that a register added is booked, none of it on
// days that have not come, and the day after is measured as every other day, over a
// restart too.
func TestRewind(t *testing.T) {
	for name, offsets := range clockHistories {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			meter := r.device("em", "lighting", nil)
			true_, latest, value := begin.Add(10*time.Hour), time.Time{}, 100.0
			step := func(offset time.Duration) {
				now := true_.Add(offset)
				if now.Before(latest.Add(-10 * time.Minute)) { // as the pipeline finds it
					r.Rewind(now.UnixNano())
				}
				latest = now
				r.tick(now)
				r.read(meter, "", now, value)
				true_, value = true_.Add(time.Hour), value+1
			}
			for range 30 {
				if offsets == nil {
					step(100 * time.Hour)
				} else {
					step(0)
				}
			}
			for _, offset := range offsets {
				step(offset)
			}
			step(0)
			var state bytes.Buffer
			if err := r.Save(&state); err != nil {
				t.Fatal(err)
			}
			again := newRig(t)
			if err := again.Load(&state); err != nil {
				t.Fatal(err)
			}
			again.Bind(&inventory.Inventory{Zone: shanghai, Facilities: table})
			again.devices = r.devices
			again.Devices(func(i uint32) *ingest.Device { return r.devices[i] })
			again.stored = r.stored
			r = again
			for range 72 {
				step(0)
			}
			used := value - 1 - 100
			today := r.Today(true_.UnixNano())
			all := r.Sum(Filter{}, 0, today+5000)
			// Three years ahead, the days before are older than what is kept.
			if got := all.Used.Units(); got != used && name != "three years ahead" {
				t.Errorf("%v used, want %v", got, used)
			}
			if d := r.Sum(Filter{}, today+1, today+5000); d.Used != 0 || d.Meters != 0 {
				t.Errorf("on days that have not come: %+v", d)
			}
			for day := today - 2; day < today; day++ {
				if d := r.Day(Filter{}, day); d.Used.Units() != 24 || d.Covered != 24*3600*1000 || d.Meters != 1 {
					t.Errorf("day %d: %+v, want 24 over 24 h of 1 meter", day-today, d)
				}
			}
		})
	}
}
