package savings

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"greencommunity/metrics/savings/baseline"
)

// cell is one kind of world.
type cell struct {
	name    string
	planted float64
	rho     float64
	weekend float64
	moved   bool    // the Spring Festival: 35 % down for 12 days, 29 January, then 17 February
	missing float64 // share of days without a read, after the first
	faults  string  // outliers, garbage, exchange, silent
}

var cells = []cell{
	{name: "nothing, ρ 0"},
	{name: "nothing, ρ 0.4", rho: 0.4},
	{name: "nothing, ρ 0.8", rho: 0.8},
	{name: "5 %, ρ 0.4", planted: 0.05, rho: 0.4},
	{name: "40 %, ρ 0.4", planted: 0.4, rho: 0.4},
	{name: "nothing, weekends +15 %", weekend: 0.15, rho: 0.4},
	{name: "5 %, moving festival", planted: 0.05, moved: true, rho: 0.4},
	{name: "nothing, both", weekend: 0.15, moved: true, rho: 0.4},
	{name: "10 %, a tenth of the days missing", planted: 0.1, missing: 0.1, rho: 0.4},
	{name: "nothing, outliers", faults: "outliers", rho: 0.4},
	{name: "nothing, garbage reads", faults: "garbage", rho: 0.4},
	{name: "10 %, meter exchanged", planted: 0.1, faults: "exchange", rho: 0.4},
	{name: "nothing, one of four meters silent", faults: "silent", rho: 0.4},
}

// The share of made quarters whose truth is inside the 90 % band, and how wide it is
// beside what would do: 1.645 standard deviations of what the saving was off.
// GREENCOMMUNITY_SEEDS is how many seeds a cell has; with 200 the audit's limits are
// asserted, with fewer only what chance allows.
func TestBandsOfMadeQuarters(t *testing.T) {
	seeds := 10
	if n, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_SEEDS")); err == nil {
		seeds = n
	}
	for _, c := range cells {
		inside, saved, increased, width := 0, 0, 0, 0.0
		var off []float64
		for seed := range seeds {
			got, truth := c.quarter(t, uint64(seed))
			if math.Abs(got.Saving-truth) <= got.Uncertainty {
				inside++
			}
			switch got.Verdict() {
			case baseline.Saved:
				saved++
			case baseline.Increased:
				increased++
			}
			width += got.Uncertainty / float64(seeds)
			off = append(off, got.Saving-truth)
		}
		mean, squares := 0.0, 0.0
		for _, v := range off {
			mean += v / float64(seeds)
		}
		for _, v := range off {
			squares += (v - mean) * (v - mean)
		}
		ideal := 1.6449 * math.Sqrt(squares/float64(seeds-1))
		share := float64(inside) / float64(seeds)
		t.Logf("%-36s inside %5.1f %%, width %.2f of the ideal, bias %+6.1f m³ of 9,000, saving %5.1f %%, increase %5.1f %%",
			c.name, 100*share, width/ideal, mean, 100*float64(saved)/float64(seeds), 100*float64(increased)/float64(seeds))
		slack := 4 * math.Sqrt(0.9*0.1/float64(seeds))
		if share < 0.88-slack || seeds >= 200 && (share < 0.86 || share > 0.97) {
			t.Errorf("%s: inside in %.1f %%", c.name, 100*share)
		}
		if wrong := float64(saved+increased) / float64(seeds); c.planted == 0 && wrong > 0.10+slack {
			t.Errorf("%s: a verdict where nothing was saved in %.1f %%", c.name, 100*wrong)
		}
	}
}

// quarter makes a year before and a quarter after; it returns what the engine says, and
// the truth in the time it counts.
func (c *cell) quarter(t *testing.T, seed uint64) (Result, float64) {
	rng := rand.New(rand.NewPCG(seed, 14))
	noise := rng.NormFloat64()
	use := func(date time.Time) float64 {
		noise = c.rho*noise + math.Sqrt(1-c.rho*c.rho)*rng.NormFloat64()
		v := 1000 * (0.110 + 0.02*math.Sin(2*math.Pi*float64(date.YearDay()-100)/365))
		if w := date.Weekday(); w == time.Saturday || w == time.Sunday {
			v *= 1 + c.weekend
		}
		first := map[int]time.Time{2025: midnight("2025-01-29"), 2026: midnight("2026-02-17")}[date.Year()]
		if c.moved && !date.Before(first.AddDate(0, 0, -4)) && date.Before(first.AddDate(0, 0, 8)) {
			v *= 0.65
		}
		v *= 1 + 0.08*noise
		if c.faults == "outliers" && rng.IntN(50) == 0 {
			v *= 1.5
		}
		return v
	}
	var before []baseline.PersonDay
	for n := range 365 {
		date := midnight("2025-01-01").AddDate(0, 0, n)
		if v := use(date); rng.Float64() >= c.missing {
			y, m, d := date.Date()
			before = append(before, baseline.PersonDay{Date: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), Use: v, Persons: 1000})
		}
	}
	fit, err := baseline.FitPerCapita(before)
	if err != nil {
		t.Fatal(err)
	}
	numbers := func(v any) string {
		b, err := yaml.MarshalWithOptions(v, yaml.Flow(true))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	calendar := ""
	if fit.Inverse != nil {
		calendar = fmt.Sprintf(", weekend: %v, festival: %v, XtX_inv: %s", fit.Weekend, fit.Festival, numbers(fit.Inverse))
	}
	meters, swaps := 1, ""
	if c.faults == "silent" {
		meters = 4
	}
	exchanged := midnight("2026-02-10").Add(12 * time.Hour)
	list := []string{"{device: m0}", "{device: m1}", "{device: m2}", "{device: m3}"}[:meters]
	r := newRig(t, fmt.Sprintf(`
- id: households
  spec:
    resource: water
    ipmvp: C
    meters: [%s]%s
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: per_capita_monthly, relative: true, monthly: %s, monthly_days: %s, n: %d, n_eff: %v, rmse_n_minus_p: %v%s}
`, strings.Join(list, ", "), swaps, numbers(fit.Monthly), numbers(fit.MonthlyDays), fit.N, fit.Effective, fit.RMSE, calendar))
	registers, truth, would := make([]float64, meters), 0.0, 0.0
	for i := range registers {
		registers[i] = 5000
	}
	for n := range 92 {
		day := midnight("2026-01-01").AddDate(0, 0, n)
		read := n == 0 || n >= 90 || rng.Float64() >= c.missing
		for i := range registers {
			if c.faults == "silent" && i == 3 && n > 20 && n < 50 || c.faults == "silent" && i == 3 && n >= 70 || !read {
				continue
			}
			v := registers[i]
			if c.faults == "garbage" && (n == 30 || n == 61) {
				v = 99999 * rng.Float64()
			}
			r.send(day, fmt.Sprintf("m%d", i), "water_volume_total", v)
		}
		would = use(day)
		if n >= 90 {
			would = 100
		} else {
			truth += would * c.planted
		}
		for i := range registers {
			registers[i] += would * (1 - c.planted) / float64(meters)
		}
		if c.faults == "exchange" && day.Add(12*time.Hour).Equal(exchanged) {
			for i := range registers {
				registers[i] = would / 2 // told by nobody: what the old one had is not known
			}
		}
	}
	r.tick(midnight("2026-04-08"))
	got := r.Quarter("nancheng", "water", "water", 2026, 1)
	if c.faults == "silent" || c.faults == "exchange" { // in the days that count, about
		truth = got.Baseline * c.planted
	}
	return got, truth
}
