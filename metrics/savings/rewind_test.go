package savings

import (
	"testing"
	"time"
)

// However long the clock was ahead: the days after count as every other day, none
// that has not come is closed, no quarter is final before its time, and what was
// accrued less what was taken back is what the quarters say.
func TestRewind(t *testing.T) {
	for name, ahead := range map[string]time.Duration{
		"an hour": time.Hour, "a day": 24 * time.Hour, "a week": 7 * 24 * time.Hour, "to the next quarter": 60 * 24 * time.Hour,
		"a year": 365 * 24 * time.Hour, "three years": 3 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, steady)
			begin := midnight("2026-05-01")
			value := 100.0
			send := func(hour int, offset time.Duration) {
				r.send(begin.Add(time.Duration(hour)*time.Hour+offset), "em", "energy_total", value)
				value += 8.0 / 24
			}
			hour := 0
			for ; hour < 10*24+15; hour++ {
				send(hour, 0)
			}
			for range 3 {
				send(hour, ahead)
				hour++
			}
			r.Rewind(begin.Add(time.Duration(hour) * time.Hour).UnixNano())
			from := (hour/24 + 1) * 24 // the next midnight
			for ; hour < from+5*24+12; hour++ {
				send(hour, 0)
			}
			got := r.Quarter("nancheng", "lighting", "electricity", 2026, 2)
			full := 5 // the days since the step; those before too, where they are kept
			if ahead < 180*24*time.Hour {
				full += 10
			}
			if got.Status() != "provisional" {
				t.Errorf("the quarter that runs is %s", got.Status())
			}
			if days := got.Baseline / 10; days < float64(full)-1e-9 || days > float64(full)+1+1e-9 {
				t.Errorf("%v days count, want %d, or one more: that of the step", days, full)
			}
			if days := got.Baseline / 10; name != "an hour" && days == float64(full) {
				r.close("actual", got.Actual, 8*days)
			}
			if next := r.Quarter("nancheng", "lighting", "electricity", 2026, 3); next.Baseline != 0 || next.Status() != "provisional" {
				t.Errorf("a quarter that has not come: %+v", next)
			}
			a := r.accounts[0]
			down := 0.0
			for _, n := range a.down[0] {
				down += n
			}
			if ahead < 180*24*time.Hour {
				r.close("accrued less taken back", a.actual-down, r.since(a.group()).Actual)
			}
			if a.ledger.First+len(a.ledger.Cells)-1 > r.calendar.Day {
				t.Error("a day that has not come is kept")
			}
		})
	}
}
