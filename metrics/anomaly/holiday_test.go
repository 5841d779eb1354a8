package anomaly

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/holidays"
)

// TestHolidaysAtAGate: over Spring Festival and National Day, when three times as many come home in
// the small hours and weekends are worked, ten gates tell of less than without the calendar; a crowd
// in a holiday's night is told as before.
func TestHolidaysAtAGate(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	mean := func(at time.Time, c *holidays.Calendar) float64 {
		y, m, d := at.Date()
		date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		day, h := c.Of(date), at.Hour()
		v := 0.4 // by night
		switch {
		case h >= 7 && h < 9, h >= 17 && h < 20:
			v = 40
		case h >= 6 && h < 23:
			v = 12
		}
		if day.Rest == 1 && h >= 6 && h < 9 { // people sleep
			v = 1.5
		}
		if (day.Festival == 1 || c.Long(date)) && (h < 6 || h == 23) {
			v *= 3
		}
		return v
	}
	vain := map[bool]int{}
	crowds := []time.Time{time.Date(2026, 2, 18, 3, 0, 0, 0, zone), time.Date(2026, 10, 3, 3, 0, 0, 0, zone)}
	for _, with := range []bool{true, false} {
		found := 0
		for _, from := range []time.Time{time.Date(2026, 1, 12, 0, 0, 0, 0, zone), time.Date(2026, 9, 1, 0, 0, 0, 0, zone)} {
			b := newBench(t)
			if !with {
				b.Bind(&inventory.Inventory{Facilities: b.facilities, Zone: zone})
				none := map[int]holidays.Year{2026: {}}
				c, err := holidays.New(none, []time.Time{time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)})
				if err != nil {
					t.Fatal(err)
				}
				b.holidays = c
			}
			rng := rand.New(rand.NewPCG(7, 7))
			for at := from; at.Before(from.AddDate(0, 0, 56)); at = at.Add(time.Hour) {
				for gate := range 10 {
					id := string(rune('a' + gate))
					m := mean(at, holidays.Standard())
					if rng.IntN(4) == 0 { // they come in groups
						m *= 2
					}
					n := poisson(rng, m)
					if gate < 2 && (at.Equal(crowds[0]) || at.Equal(crowds[1])) {
						n = 40
					}
					b.report(at.Add(55*time.Minute+time.Duration(gate)*time.Second), id, ingest.Gate, map[string]float64{"pass_in": float64(n)})
				}
			}
			for _, c := range b.told {
				if !c.Raised || c.Alarm.Kind != "off_hours" {
					continue
				}
				at := c.Alarm.Since.In(zone)
				if hour := at.Truncate(time.Hour); strings.Contains("ab", string(c.Alarm.Device)) && (hour.Equal(crowds[0]) || hour.Equal(crowds[1])) {
					found++
				} else if at.Before(from.AddDate(0, 0, 56)) {
					vain[with]++
				}
			}
		}
		if found != 4 {
			t.Errorf("calendar %v: %d of 4 crowds are told", with, found)
		}
	}
	t.Logf("20 gates over eight weeks with a holiday: %d alarms in vain, %d without the calendar", vain[true], vain[false])
	if vain[true] > 2 || vain[false] <= vain[true] {
		t.Errorf("%d alarms in vain by the calendar, %d without", vain[true], vain[false])
	}
}

func poisson(rng *rand.Rand, mean float64) (n int) {
	for p := rng.Float64(); p > math.Exp(-mean); p *= rng.Float64() {
		n++
	}
	return n
}

// TestHomesAreEmptyOverTheFestival: a register that stands still for 16 days about Spring Festival is
// a family that is away; one that stays still is told, later by the days of the holiday.
func TestHomesAreEmptyOverTheFestival(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for _, c := range []struct {
		from  time.Time
		days  int
		alarm int // days after from, 0: none
	}{
		{time.Date(2026, 2, 12, 9, 0, 0, 0, zone), 16, 0},
		{time.Date(2026, 2, 12, 9, 0, 0, 0, zone), 40, 25},
		{time.Date(2026, 4, 10, 9, 0, 0, 0, zone), 16, 13},
	} {
		b := newBench(t)
		register := 10.0
		for at := c.from.AddDate(0, 0, -40); at.Before(c.from.AddDate(0, 0, 45)); at = at.Add(time.Hour) {
			if away := !at.Before(c.from) && at.Before(c.from.AddDate(0, 0, c.days)); !away && at.Hour() >= 7 && at.Hour() < 22 {
				register += 0.02
			}
			b.report(at, "meter", ingest.Water, map[string]float64{"water_volume_total": register})
		}
		raised := 0
		for _, change := range b.told {
			if change.Raised && change.Alarm.Kind == "stuck_register" {
				raised = int(change.Alarm.Since.Sub(c.from).Hours() / 24)
			}
		}
		if raised < c.alarm || raised > c.alarm+1 {
			t.Errorf("away from %s for %d days: told after %d days, want %d", c.from.Format(time.DateOnly), c.days, raised, c.alarm)
		}
	}
}
