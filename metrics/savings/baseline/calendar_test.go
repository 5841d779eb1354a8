package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"greencommunity/metrics/holidays"
)

func utc(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

// Working days explain where use goes by them, weekends where it goes by these, and
// neither where it goes by neither: households by month, lamps by the night.
func TestCalendarExplains(t *testing.T) {
	for _, planted := range []string{"", "weekend", "rest_days"} {
		taken := map[string]int{}
		for seed := range uint64(10) {
			rng := rand.New(rand.NewPCG(seed, 8))
			var water []PersonDay
			var lamps []Day
			dark := nights(34.75, 106.13)
			for n := range 365 {
				d := utc("2025-01-01").AddDate(0, 0, n)
				up := 1 + 0.15*holidays.Standard().Of(d).Named(planted)
				water = append(water, PersonDay{Date: d, Persons: 1000, Use: 100 * up * (1 + 0.08*rng.NormFloat64())})
				lamps = append(lamps, Day{Date: d, Dark: dark(d), Use: 16.8 * dark(d) * up * (1 + 0.02*rng.NormFloat64())})
			}
			fit, err := FitPerCapita(water, holidays.Standard())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case fit.Inverse == nil:
				taken["water "]++
			case fit.RestDays:
				taken["water rest_days"]++
			default:
				taken["water weekend"]++
			}
			if planted != "" && (fit.Inverse == nil || math.Abs(fit.Weekend-0.15) > 0.04) {
				t.Errorf("%s, seed %d: %+v", planted, seed, fit)
			}
			by, err := FitDays(lamps, holidays.Standard())
			if err != nil || !by.Dark {
				t.Fatalf("%+v %v", by, err)
			}
			if len(by.Calendar) == 0 {
				taken["lamps "]++
			} else {
				taken["lamps "+by.Calendar[0]]++
			}
		}
		t.Logf("%q planted: %v", planted, taken)
		if taken["lamps "+planted] < 9 || taken["water "+planted] < 9 {
			t.Errorf("%q planted: %v", planted, taken)
		}
	}
	// Lights of the Spring Festival, which moves.
	dark := nights(34.75, 106.13)
	rng := rand.New(rand.NewPCG(1, 8))
	var lamps []Day
	for n := range 365 {
		d := utc("2025-01-01").AddDate(0, 0, n)
		lamps = append(lamps, Day{Date: d, Dark: dark(d), Use: 16.8 * dark(d) * (1 + 0.3*holidays.Standard().Of(d).Festival) * (1 + 0.02*rng.NormFloat64())})
	}
	by, err := FitDays(lamps, holidays.Standard())
	if err != nil || !slices.Contains(by.Calendar, "festival") || math.Abs(by.Coef[by.P-1]-0.3*16.8) > 0.5 {
		t.Errorf("%+v %v", by, err)
	}
}
