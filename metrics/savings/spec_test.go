package savings

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"greencommunity/metrics/savings/baseline"
)

// What is wrong with a boundary is said with its path and what to do.
func TestCheckSaysWhereAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct{ boundaries, want string }{
		"no spec":          {"- {id: a}", `communities[0].boundaries[0].spec: missing; give at least resource and ipmvp`},
		"unknown key":      {"- {id: a, spec: {resource: water, ipmvp: none, meter_count: 1, qouta_liters_per_person_day: 3}}", `spec.qouta_liters_per_person_day: unknown key; did you mean "quota_liters_per_person_day"?`},
		"wrong type":       {"- {id: a, spec: {resource: water, ipmvp: none, meter_count: many}}", `communities[0].boundaries[0].spec.meter_count`},
		"resource":         {"- {id: a, spec: {resource: gas, ipmvp: none, meter_count: 1}}", `spec.resource: "gas" is neither electricity nor water`},
		"ipmvp":            {"- {id: a, spec: {resource: water, ipmvp: D, meter_count: 1}}", `spec.ipmvp: "D" is none of A, B, C, none`},
		"meters":           {"- {id: a, spec: {resource: water, ipmvp: none}}", `spec.meters: missing; list the meters, or give meter_count and set boundary: a at the devices`},
		"twice":            {"- {id: a, spec: {resource: water, ipmvp: none, meter_count: 1}}\n- {id: a, spec: {resource: water, ipmvp: none, meter_count: 1}}", `boundaries[1].id: "a" is there already`},
		"nested in nobody": {"- {id: a, spec: {resource: water, ipmvp: none, meter_count: 1, nested_in: b}}", `spec.nested_in: "b" is no boundary of community nancheng`},
		"nested in itself": {"- {id: a, spec: {resource: water, ipmvp: none, meter_count: 1, nested_in: a}}", `spec.nested_in: is nested in itself`},
		"period":           {strings.Replace(steady, "[2025-01-01, 2026-01-01]", "[2026-01-01, 2025-01-01]", 1), `spec.baseline.period: give the first day and the first day after`},
		"date":             {strings.Replace(steady, "[2025-01-01, 2026-01-01]", "[2025-01-01, soon]", 1), `"soon" is not a day; write 2026-03-01`},
		"baseline goes on": {strings.Replace(flat, "intervention: [2026-01-01, 2026-01-01]", "intervention: [2025-12-01, 2026-01-05]", 1), `spec.baseline.period: ends after the intervention began`},
		"coefficients":     {strings.Replace(steady, "coef: [10]", "coef: [10, 1]", 1), `spec.baseline.coef: 2 coefficients; give 1`},
		"dimming":          {strings.Replace(lampSpec, "watts: 168", "watts: 168, schedule: [{level: 0.5, hours: 1}]", 1), `spec.baseline.groups[0]: no power is known at level 0.5: give the dimming curve`},
		"lamps":            {strings.Replace(lampSpec, "watts: 168", "watts: 0", 1), `spec.baseline.groups[0]: needs count and watts, ballast or driver included`},
		"hours":            {strings.Replace(lampSpec, "astro_civil", "always", 1), `spec.baseline.hours: "always" is none of astro_civil, astro_horizon, fixed`},
		"swap":             {strings.Replace(steady, "register:", "swaps: [{device: em, at: yesterday}]\n    register:", 1), `spec.swaps[0].at: "yesterday" is not a time; write 2026-03-01T10:00:00+08:00`},
	} {
		err := Check(load(t, c.boundaries))
		if said := regexp.MustCompile(` \(line \d+\)`).ReplaceAllString(fmt.Sprint(err), ""); err == nil || !strings.Contains(said, c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
	for name, boundaries := range map[string]string{"mean": steady, "lamps": lampSpec, "per head": perHead, "no baseline": "- {id: a, spec: {resource: water, ipmvp: C, meter_count: 1}}"} {
		if err := Check(load(t, boundaries)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A day whose temperature is not known counts on neither side.
func TestRegressionOnTheStationsTemperature(t *testing.T) {
	r := newRig(t, `
- id: house
  spec:
    resource: electricity
    ipmvp: C
    meters: [{device: em}]
    weather: station
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: regression, hdd_F: 60, coef: [10, 2], n: 365, n_eff: 300, rmse_n_minus_p: 1, XtX_inv: [[0.01, -0.0005], [-0.0005, 0.00004]]}
`)
	start := midnight("2026-01-01")
	for h := range 24*10 + 1 {
		at := start.Add(time.Duration(h) * time.Hour)
		r.send(at, "em", "energy_total", float64(h)) // 24 a day
		if day := h / 24; day != 4 || h%24 < 6 {
			r.send(at, "station", "temperature", 10) // 50 °F: 10 degree days, 30 a day
		}
	}
	r.tick(start.AddDate(0, 0, 10).Add(3 * time.Hour))
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("actual", got.Actual, 24*9)
	r.close("baseline", got.Baseline, 30*9)
	r.close("coverage", got.Coverage, 0.9)
	// By hand: a = (9, 90), aᵀVa = 0.81 − 0.81 + 0.324.
	r.close("band", got.Uncertainty, baseline.TQuantile(0.9, 363)*math.Sqrt(365.0/300*(0.01*81-2*0.0005*810+0.00004*8100+9)))
}

// Option A: both sides from lamps, for the same nights.
func TestOptionAHasNoMeter(t *testing.T) {
	r := newRig(t, `
- id: lamps
  spec:
    resource: electricity
    ipmvp: A
    uncertainty: {watts_rel: 0.05}
    reporting: [{count: 100, watts: 60, standby_watts: 1.5, curve: [{level: 1, watts: 60}, {level: 0.5, watts: 33}], schedule: [{level: 1, hours: 0.5}, {level: 0.5, hours: 0.5}]}]
    baseline: {version: 1, period: [2020-01-01, 2021-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 100, watts: 168, burning: 0.95}]}
`)
	r.tick(midnight("2022-01-01"))
	r.tick(midnight("2022-04-02"))
	got := r.Quarter("nancheng", "lighting", "electricity", 2022, 1)
	hours := 0.0
	for n := range 90 {
		hours += baseline.BurnHours(midnight("2022-01-01").AddDate(0, 0, n), 34.75, 106.13, -6)
	}
	r.close("baseline", got.Baseline, 100*0.95*168*hours/1000)
	r.close("actual", got.Actual, 100*(46.5*hours+1.5*(2160-hours))/1000)
	// By nights the quarter has 1089.149 h. By days it has the small hours of
	// January 1 in the place of those of April 1, which are 1.2 h shorter.
	if math.Abs(hours-1089.149-1.24) > 0.05 || got.Coverage != 1 || !got.Significant {
		t.Errorf("%g hours, %+v", hours, got)
	}
}

// The nights of a control measure are compared with the hours there were.
func TestControlMeasureKeepsTheHoursOfBefore(t *testing.T) {
	fixed := strings.Replace(lampSpec, "hours: astro_civil", "hours: fixed, fixed_hours: [13, 12, 12, 11, 10, 9, 9, 10, 11, 12, 13, 13]", 1)
	r := newRig(t, fixed)
	feed(r, "em", "energy_total", "2026-01-01", 59, func(int, time.Time) float64 { return 168 })
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("baseline", got.Baseline, 100*168*(13*31+12*28)/1000.0)
}

// The blackout around the intervention counts on neither side.
func TestBlackoutCountsNowhere(t *testing.T) {
	spec := strings.Replace(flat, "intervention: [2026-01-01, 2026-01-01]", "intervention: [2026-01-01, 2026-01-20]", 1)
	r := newRig(t, spec)
	feed(r, "em", "energy_total", "2026-01-01", 90, func(n int, _ time.Time) float64 {
		if n < 19 {
			return 100 // works going on
		}
		return 8
	})
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("baseline", got.Baseline, 710)
	r.close("saving", got.Saving, 142)
	r.close("coverage", got.Coverage, 1)
}
