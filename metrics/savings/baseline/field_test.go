package baseline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/metrics/sun"

	"greencommunity/ingest/inventory/inventorytest"
)

// fieldCase is a file of a case of savings that was found in the field.
func fieldCase(t *testing.T, name string) string {
	t.Helper()
	root := inventorytest.Cases(t)
	return filepath.Join(root, "field/savings", name)
}

// nights are the dark hours of a site in China.
func nights(lat, lon float64) func(time.Time) float64 {
	zone := time.FixedZone("CST", 8*3600)
	return func(day time.Time) float64 {
		y, m, d := day.Date()
		return BurnHours(time.Date(y, m, d, 0, 0, 0, 0, zone), lat, lon, sun.Civil)
	}
}

// Case 04: a metered year of lighting follows the nights; nothing was saved.
func TestCase04MeteredLightingFollowsTheNight(t *testing.T) {
	a := analyseFile(t, fieldCase(t, "04-metered-lighting-baseline-and-longer-nights/light.csv"), TableOptions{ZeroIsMissing: true, Dark: nights(34.75, 106.13)})
	want := map[string]float64{"2026Q1": -0.11, "2026Q2": 0.30, "2026Q3": -0.09, "2026Q4": 0.04} // percent, by the audit's own least squares
	withinHalfPercent(t, a)
	for q, percent := range want {
		w := a.Calendar[q]
		if w == nil {
			t.Fatalf("no quarter %s in %v", q, a.Calendar)
		}
		if got := 100 * float64(w.Saving) / float64(w.Baseline); math.Abs(got-percent) > 0.1 { // another model of the sun moves it by 0.08
			t.Errorf("%s: saving %.3f %% of nothing, want %.2f", q, got, percent)
		}
	}
}

func withinHalfPercent(t *testing.T, a *Analysis) {
	t.Helper()
	if a.Model != DarkHours {
		t.Errorf("model %s, want dark_hours (explained %v)", a.Model, a.Explained)
	}
	for q, w := range a.Calendar {
		share, band := 100*float64(w.Saving)/float64(w.Baseline), 100*float64(w.Exact.DE90AC)/float64(w.Baseline)
		if math.Abs(share) > 0.5 || band > 0.5 {
			t.Errorf("%s: saving %.2f ± %.2f %% of nothing", q, share, band)
		}
	}
}

// More samples of case 04's kind: other places, lamps switched after dusk, with
// and without a temperature beside, and with lamps that go off at midnight.
func TestMeteredLightingOfOtherPlaces(t *testing.T) {
	for i, site := range []struct {
		lat, lon, delay float64
		temperature     bool
	}{{39.8, 98.3, 0, true}, {23.1, 113.3, 0.25, true}, {47.4, 126.9, 0, false}, {34.75, 106.13, 4, true}} {
		rng := rand.New(rand.NewPCG(uint64(i), 4))
		dark := nights(site.lat, site.lon)
		var text strings.Builder
		text.WriteString("date,period,usage")
		if site.temperature {
			text.WriteString(",tmean_C")
		}
		text.WriteByte('\n')
		for n := range 730 {
			day := time.Date(2025, 1, 1+n, 0, 0, 0, 0, time.UTC)
			period := "baseline"
			if day.Year() == 2026 {
				period = "reporting"
			}
			fmt.Fprintf(&text, "%s,%s,%.3f", day.Format(time.DateOnly), period, 16.8*(dark(day)-site.delay)*(1+0.01*rng.NormFloat64()))
			if site.temperature {
				fmt.Fprintf(&text, ",%.1f", 11-13*math.Cos(2*math.Pi*float64(day.YearDay()-20)/365)+3*rng.NormFloat64())
			}
			text.WriteByte('\n')
		}
		table, err := ReadTable(strings.NewReader(text.String()), TableOptions{ZeroIsMissing: true, Dark: dark})
		if err != nil {
			t.Fatal(err)
		}
		a, err := Analyse(table, Fitting{})
		if err != nil {
			t.Fatal(err)
		}
		withinHalfPercent(t, a)
	}
}

// Case 22: a load that has nothing to do with the weather keeps the mean.
func TestCase22FlatLoadHasTheMean(t *testing.T) {
	path := fieldCase(t, "22-flat-load-gets-a-weather-model/flat.csv")
	a := analyseFile(t, path, TableOptions{})
	if a.Model != InterceptOnly || a.BestInSample != CDDHDD {
		t.Errorf("model %s, in sample %s; want intercept_only, cdd_hdd", a.Model, a.BestInSample)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := ReadTable(f, TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Analyse(table, Fitting{InSample: true}); err != nil || a.Model != CDDHDD {
		t.Errorf("by CalTRACK's rule %v, %v; want cdd_hdd", a.Model, err)
	}
}

// More samples of case 22's kind: of 20 flat years none has a weather model; of
// 10 in which the weather explains a sixth of the variance all have.
func TestWeatherMustExplain(t *testing.T) {
	for _, slope := range []float64{0, 0.45} {
		for seed := range 20 - int(slope*20) {
			rng := rand.New(rand.NewPCG(uint64(seed), 22))
			var days []Observation
			for n := range 365 {
				temp := 52 - 23*math.Cos(2*math.Pi*float64(n-20)/365) + 5*rng.NormFloat64()
				days = append(days, Observation{Days: 1, Usage: 100 + slope*max(0, 60-temp)/2 + 8*rng.NormFloat64(), Temps: []float64{temp}})
			}
			m, err := FitModel(days, Fitting{})
			if err != nil {
				t.Fatal(err)
			}
			if (m.Kind == InterceptOnly) != (slope == 0) {
				t.Errorf("slope %g, seed %d: %s, explained %.3f", slope, seed, m.Kind, m.Explained)
			}
		}
	}
}
