package savings

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/usage"
)

// Mistakes that an expert in measurement and verification would mock, each
// with a test that would catch it.

const lampSpec = `
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [{device: em}]
    uncertainty: {meter_class: 1, watts_rel: 0.05}
    baseline: {version: 1, period: [2020-01-01, 2021-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 100, watts: 168}]}
`

// feed sends a register at each midnight, which grows by use(n) on day n.
func feed(r *rig, device, quantity, first string, days int, use func(n int, date time.Time) float64) {
	r.t.Helper()
	register := 1000.0
	start := midnight(first)
	for n := range days + 1 {
		date := start.AddDate(0, 0, n)
		r.send(date, device, quantity, register)
		if n < days {
			register += use(n, date)
		}
	}
	r.tick(start.AddDate(0, 0, days).Add(3 * time.Hour))
}

// 1. Lamps that are the same all year save nothing when the nights get shorter.
func TestMistake01LongerDaysAreNoSaving(t *testing.T) {
	r := newRig(t, lampSpec)
	feed(r, "em", "energy_total", "2021-10-01", 92+90, func(_ int, date time.Time) float64 {
		return 100 * 168 * baseline.BurnHours(date, 34.75, 106.13, -6) / 1000
	})
	q4 := r.Quarter("nancheng", "lighting", "electricity", 2021, 4)
	q1 := r.Quarter("nancheng", "lighting", "electricity", 2022, 1)
	if q4.Actual-q1.Actual < 0.04*q4.Actual {
		t.Fatalf("the test needs a difference of the quarters: %g, %g", q4.Actual, q1.Actual)
	}
	if math.Abs(q1.Saving) > 1e-6 || q1.Significant || q1.Verdict() != baseline.Indistinct {
		t.Errorf("longer days are booked as a saving: %+v", q1)
	}
}

// 2. A meter that is offline masks the baseline of the same days.
func TestMistake02OfflineMeterIsNoSaving(t *testing.T) {
	r := newRig(t, steady)
	for n := range 46 {
		r.send(midnight("2026-01-01").AddDate(0, 0, n), "em", "energy_total", 10*float64(n))
	}
	r.tick(midnight("2026-04-02"))
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("baseline of 45 covered days", got.Baseline, 450)
	r.close("saving", got.Saving, 0)
	r.close("coverage", got.Coverage, 0.5)
}

// 2. Lamps that were dead before the measure are not in the baseline either.
func TestMistake02DeadLampIsNoSaving(t *testing.T) {
	dead := baseline.Lamps{Count: 100, Watts: 168, Burning: 0.95}
	all := baseline.Lamps{Count: 95, Watts: 168}
	a, _ := dead.Energy(1000, 2160)
	b, _ := all.Energy(1000, 2160)
	if math.Abs(a-b) > 1e-9 {
		t.Errorf("95 burning lamps of 100 take %g, 95 lamps %g", a, b)
	}
	// Lamps that die after the measure are lost light: entered with its evidence,
	// what they no longer use is taken out of the baseline as well.
	r := newRig(t, strings.TrimRight(steady, "\n")+"\n    nra: [{from: 2026-01-31, to: 2026-03-02, kwh_per_day: -4, why: 10盏不亮, doc: doc-50}]\n")
	feed(r, "em", "energy_total", "2026-01-01", 90, func(n int, _ time.Time) float64 {
		if n >= 30 && n < 60 {
			return 6
		}
		return 10
	})
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("saving of dead lamps", got.Saving, 0)
	r.close("shown apart", got.Adjustment, -120)
}

// 3. A negative saving stays negative, and stays in the sum.
func TestMistake03NegativeSavingIsKept(t *testing.T) {
	r := newRig(t, steady)
	feed(r, "em", "energy_total", "2026-01-01", 90, func(int, time.Time) float64 { return 12 })
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("saving", got.Saving, -180)
	if got.Verdict() != baseline.Increased {
		t.Error(got.Verdict())
	}
	if total := baseline.Portfolio([]baseline.Site{{Saving: 100, Band: 3}, {Saving: -180, Band: 4}}); total.Saving != -80 || total.Band != 5 {
		t.Errorf("%+v", total)
	}
	// Two boundaries of a community, one of which uses more: both are in its sum.
	two := newRig(t, steady+strings.ReplaceAll(strings.ReplaceAll(steady, "id: lamps", "id: more"), "device: em", "device: em2"))
	for n := range 91 {
		day := midnight("2026-01-01").AddDate(0, 0, n)
		two.send(day, "em", "energy_total", 8*float64(n))
		two.send(day, "em2", "energy_total", 14*float64(n))
	}
	two.tick(midnight("2026-04-02"))
	sum := two.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	two.close("180 less 360", sum.Saving, -180)
	two.close("bands by root of squares", sum.Uncertainty, got.Uncertainty*math.Sqrt2)
	table := "date,period,usage\n"
	for n := range 60 {
		period, use := "baseline", 10+float64(n%3)
		if n >= 30 {
			period, use = "reporting", 15
		}
		table += fmt.Sprintf("%s,%s,%g\n", midnight("2026-01-01").AddDate(0, 0, n).Format(time.DateOnly), period, use)
	}
	w := analyseText(t, table).Windows["year"]
	if w.Saving >= 0 || w.Verdict != baseline.Increased || w.SavingGB != -w.Saving {
		t.Errorf("%+v", w)
	}
}

// 4. A quota or a lighting power density is refused as a baseline.
func TestMistake04QuotaIsNoBaseline(t *testing.T) {
	for _, method := range []string{"quota", "lpd"} {
		err := Check(load(t, strings.Replace(steady, "method: mean", "method: "+method, 1)))
		if err == nil || !strings.Contains(err.Error(), "a quota or a power density is no baseline") {
			t.Errorf("%s: %v", method, err)
		}
	}
	// Below the quota and no baseline: a ratio, and no saving.
	r := newRig(t, "- {id: water, spec: {resource: water, ipmvp: none, meters: [{device: wm}], quota_liters_per_person_day: 140}}")
	feed(r, "wm", "water_volume_total", "2026-01-01", 30, func(int, time.Time) float64 { return 100 })
	if got := r.Quarter("nancheng", "water", "water", 2026, 1); got.Saving != 0 || got.Verdict() != baseline.NoCoveredTime {
		t.Errorf("%+v", got)
	}
	want := "# HELP greencommunity_water_quota_ratio Per-head use over the quota: compliance, not a saving.\n# TYPE greencommunity_water_quota_ratio gauge\ngreencommunity_water_quota_ratio{community=\"nancheng\",facility=\"water\"} 0.7142857142857143\n"
	if err := testutil.CollectAndCompare(r.Engine, strings.NewReader(want), "greencommunity_water_quota_ratio", "greencommunity_water_savings_cubic_meters", "greencommunity_water_baseline_cubic_meters_total"); err != nil {
		t.Error(err)
	}
}

// 5. Wherever a saving is exposed, its band and its coverage are beside it.
func TestMistake05SavingHasBandAndCoverage(t *testing.T) {
	r := newRig(t, steady)
	feed(r, "em", "energy_total", "2026-01-01", 30, func(int, time.Time) float64 { return 9 })
	for _, name := range []string{"energy_savings_joules", "energy_savings_uncertainty_joules", "savings_coverage_ratio", "savings_significant"} {
		if n := testutil.CollectAndCount(r.Engine, "greencommunity_"+name); n != 2 { // quarter and since_start
			t.Errorf("%s: %d", name, n)
		}
	}
	for _, p := range r.points {
		fields := map[string]any{}
		for _, f := range p.Fields {
			fields[f.Key] = f.Value
		}
		if fields["uncertainty"].(float64) <= 0 || fields["coverage"].(float64) != 1 {
			t.Fatalf("%+v", p)
		}
	}
}

// 6. A quarter is not a quarter of a year: the window of a year with one
// quarter of data is that quarter, with its coverage.
func TestMistake06QuarterIsNotScaledToAYear(t *testing.T) {
	r := newRig(t, steady)
	feed(r, "em", "energy_total", "2026-01-01", 90, func(int, time.Time) float64 { return 8 })
	r.tick(midnight("2027-01-02"))
	got := r.since(group{"nancheng", "lighting", usage.Electricity})
	r.close("saving", got.Saving, 180)
	r.close("coverage", got.Coverage, 90.0/365)
	table := "date,period,usage\n"
	for n := range 365 + 90 {
		period, use := "baseline", 10+float64(n%3)
		if n >= 365 {
			period, use = "reporting", 8+float64(n%3)
		}
		table += fmt.Sprintf("%s,%s,%g\n", midnight("2025-01-01").AddDate(0, 0, n).Format(time.DateOnly), period, use)
	}
	w := analyseText(t, table).Windows
	r.close("a year of one quarter", float64(w["year"].Saving), float64(w["q1"].Saving))
	if w["q2"] != nil || w["year"].M != 90 {
		t.Errorf("%d days in the year, second quarter %v", w["year"].M, w["q2"])
	}
}

// 7. A fraction of several sites is ΣS/ΣÊ, not the mean of their fractions.
func TestMistake07FractionsAreNotAveraged(t *testing.T) {
	total := baseline.Portfolio([]baseline.Site{{Saving: 50, Baseline: 100}, {Saving: 0, Baseline: 900}})
	if total.Fraction != 0.05 {
		t.Errorf("50 of 1000 is %g", total.Fraction)
	}
	// Half of 10 a day and nothing of 90: 5 of 100.
	large := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(steady, "id: lamps", "id: large"), "device: em", "device: em2"), "coef: [10]", "coef: [90]")
	r, err := NewRecomputation(load(t, steady+large), "", Date{midnight("2026-01-01").Add(8 * time.Hour)}, Date{midnight("2026-04-01").Add(8 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for device, perDay := range map[string]float64{"em": 5, "em2": 90} {
		for n := range 91 {
			r.Read("energy_total", []byte(device), nil, midnight("2026-01-01").AddDate(0, 0, n).UnixNano(), perDay*float64(n))
		}
	}
	if item := r.Statement().Items[0]; math.Abs(float64(item.Fraction)-0.05) > 1e-9 || item.Coverage != 1 {
		t.Errorf("%+v", item)
	}
}

// 8. A meter within another is not counted again, nor two measures in full.
func TestMistake08NothingIsCountedTwice(t *testing.T) {
	nested := steady + strings.ReplaceAll(strings.ReplaceAll(strings.Replace(steady, "resource:", "nested_in: lamps\n    resource:", 1), "id: lamps", "id: part"), "device: em", "device: sub")
	r := newRig(t, nested)
	start := midnight("2026-01-01")
	for n := range 91 {
		r.send(start.AddDate(0, 0, n), "em", "energy_total", 8*float64(n))
		r.send(start.AddDate(0, 0, n), "sub", "energy_total", 6*float64(n))
	}
	r.tick(midnight("2026-04-02"))
	r.close("saving of the whole only", r.Quarter("nancheng", "lighting", "electricity", 2026, 1).Saving, 180)
	err := Check(load(t, steady+strings.ReplaceAll(steady, "id: lamps", "id: again")))
	if err == nil || !strings.Contains(err.Error(), "its use would count twice") {
		t.Errorf("one meter in two boundaries: %v", err)
	}
	if both := baseline.CombineMeasures(1000, 0.5, 0.4); both != 700 {
		t.Errorf("half and two fifths of 1000 save %g together", both)
	}
}

// 9. The ballast counts, half the light is not half the power, and a lamp that
// is off takes its standby.
func TestMistake09PowerIsNotNameplateTimesLevel(t *testing.T) {
	l := baseline.Lamps{Count: 1, Watts: 60, StandbyWatts: 1.5, Curve: []baseline.Level{{Level: 1, Watts: 60}, {Level: 0.5, Watts: 33}}, Schedule: []baseline.Share{{Level: 0.5, Hours: 1}}}
	got, err := l.Energy(10, 24)
	if want := (33*10 + 1.5*14) / 1000; err != nil || math.Abs(got-want) > 1e-12 {
		t.Errorf("%g, want %g; %v", got, want, err)
	}
	l.Curve = nil
	if _, err := l.Energy(10, 24); err == nil {
		t.Error("dimming without a curve was taken")
	}
	if p, err := (&baseline.Lamps{Curve: []baseline.Level{{Level: 1, Watts: 60}, {Level: 0.5, Watts: 33}}}).PowerAt(0.75); err != nil || p != 46.5 {
		t.Error(p, err)
	}
}

const perHead = `
- id: households
  spec:
    resource: water
    ipmvp: C
    meters: [{device: wm}]
    uncertainty: {watts_rel: 0.02}
    population: [{from: 2021-01-01, persons: 1000}, {from: 2026-02-01, persons: 800}]
    baseline: {version: 1, period: [2024-01-01, 2025-01-01], method: per_capita_monthly, monthly: [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]}
`

// 10. Fewer persons use less water without saving any.
func TestMistake10VacancyIsNoSaving(t *testing.T) {
	r := newRig(t, perHead)
	feed(r, "wm", "water_volume_total", "2026-01-01", 90, func(_ int, date time.Time) float64 {
		if date.Before(midnight("2026-02-01")) {
			return 100
		}
		return 80
	})
	got := r.Quarter("nancheng", "water", "water", 2026, 1)
	r.close("baseline", got.Baseline, 100*31+80*59)
	if math.Abs(got.Saving) > 1e-6 || got.Significant {
		t.Errorf("%+v", got)
	}
}

// 11. Night flow is leakage only beyond legitimate use, a filling tank included.
func TestMistake11NightFlowIsNotLeakage(t *testing.T) {
	if b := (baseline.NightFlow{}).Balance(0.6, 1000); b.Net > 1e-12 || b.Losses > 1e-12 {
		t.Errorf("what 1000 persons use at night leaks: %+v", b)
	}
	if b := (baseline.NightFlow{Exceptional: 5}).Balance(5.6, 1000); b.Losses > 1e-9 {
		t.Errorf("the tank leaks: %+v", b)
	}
	r := newRig(t, "- {id: water, spec: {resource: water, ipmvp: none, meters: [{device: wm}]}}")
	start := midnight("2026-01-01")
	for q := range 4*24 + 1 { // 2 m³/h from 02:00 to 04:00, 5 otherwise
		h := float64(q) / 4
		r.send(start.Add(time.Duration(q)*15*time.Minute), "wm", "water_volume_total", 5*h-3*max(0, min(h-2, 2)))
	}
	r.tick(start.Add(27 * time.Hour))
	want := "# HELP greencommunity_water_net_night_flow_cubic_meters_per_hour Night flow less legitimate night use.\n# TYPE greencommunity_water_net_night_flow_cubic_meters_per_hour gauge\ngreencommunity_water_net_night_flow_cubic_meters_per_hour{community=\"nancheng\",facility=\"water\"} 1.4\n"
	if err := testutil.CollectAndCompare(r.Engine, strings.NewReader(want), "greencommunity_water_net_night_flow_cubic_meters_per_hour"); err != nil {
		t.Error(err)
	}
}

// 12. No leakage index for a compound.
func TestMistake12NoIndexForAFewConnections(t *testing.T) {
	if _, err := baseline.ILI(40320, baseline.UARL(1, 24, 0, 40), 24); !errors.Is(err, baseline.ErrTooSmall) {
		t.Error(err)
	}
}

// 13. A new meter is no use of −9000, and a true-up may be negative.
func TestMistake13SwapAndTrueUp(t *testing.T) {
	var m usage.Meter
	var booked []usage.Booking
	for _, r := range []usage.Read{
		{Time: at(1), Serial: "A", Value: 9000}, {Time: at(2), Serial: "A", Value: 9001, Kind: usage.Closing},
		{Time: at(2), Serial: "B", Kind: usage.Opening}, {Time: at(3), Serial: "B", Value: 2, Kind: usage.Estimated}, {Time: at(4), Serial: "B", Value: 1.5},
	} {
		booked = m.Read(&usage.Limits{}, r, booked)
	}
	sum := 0.0
	for _, b := range booked {
		sum += b.Amount.Units()
	}
	if sum != 2.5 {
		t.Errorf("1 of the old, 2 estimated of the new and 0.5 back are %g", sum)
	}
}

// 14. A message delivered again adds nothing.
func TestMistake14DuplicatesAreNotSummed(t *testing.T) {
	once, twice := newRig(t, steady), newRig(t, steady)
	start := midnight("2026-01-01")
	for n := range 91 {
		date := start.AddDate(0, 0, n)
		once.send(date, "em", "energy_total", 8*float64(n))
		for range 3 {
			twice.send(date, "em", "energy_total", 8*float64(n))
		}
	}
	once.tick(midnight("2026-04-02"))
	twice.tick(midnight("2026-04-02"))
	a, b := once.Quarter("nancheng", "lighting", "electricity", 2026, 1), twice.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	if a != b || a.Actual == 0 {
		t.Errorf("%+v, delivered three times %+v", a, b)
	}
}

// 15. A day ends at local midnight, not at that of Greenwich.
func TestMistake15DaysAreLocal(t *testing.T) {
	r := newRig(t, steady)
	start := midnight("2026-01-01")
	for h := range 73 { // 6 kWh between 00:00 and 06:00 local, which is the day before in UTC
		v := 6 * math.Floor(float64(h)/24)
		v += min(6, float64(h%24))
		r.send(start.Add(time.Duration(h)*time.Hour), "em", "energy_total", v)
	}
	r.tick(start.Add(75 * time.Hour))
	l := &r.byKey["nancheng/lamps"].ledger
	if len(l.Cells) < 3 || l.First != (Date{start.Add(8 * time.Hour)}).number() {
		t.Fatalf("days from %d: %+v", l.First, l.Cells)
	}
	for n := range 3 {
		r.close("each local day", l.Cells[n].Use, 6)
	}
	for _, p := range r.points {
		if p.Time%int64(24*time.Hour) != int64(16*time.Hour) {
			t.Errorf("a day begins at %s", time.Unix(0, p.Time).UTC())
		}
	}
}

// 16. n' and not n; a negative ρ does not make it larger; a flat load is not
// judged by its R².
func TestMistake16AutocorrelationWidensAndNeverNarrows(t *testing.T) {
	if baseline.EffectiveN(365, -0.3) != 365 || math.Abs(baseline.EffectiveN(365, 0.5)-365.0/3) > 1e-9 {
		t.Error(baseline.EffectiveN(365, -0.3), baseline.EffectiveN(365, 0.5))
	}
	rng, noise := rand.New(rand.NewPCG(3, 4)), 0.0
	table := "date,period,usage\n"
	for n := range 730 {
		noise = 0.6*noise + rng.NormFloat64()
		period := "baseline"
		if n >= 365 {
			period = "reporting"
		}
		table += fmt.Sprintf("%s,%s,%g\n", midnight("2024-01-01").AddDate(0, 0, n).Format(time.DateOnly), period, 100+noise)
	}
	a := analyseText(t, table)
	w := a.Windows["year"]
	if ratio := float64(w.Exact.DE90AC / w.Exact.DE90); math.Abs(ratio-math.Sqrt(365/float64(a.Effective))) > 1e-9 || ratio < 1.5 {
		t.Errorf("ρ %g widens the band %g-fold", a.Rho, ratio)
	}
	if a.R2 != 0 || a.CV > 0.02 || !a.Sufficiency.Sufficient {
		t.Errorf("a flat load with CV %g is refused: R² %g, %+v", a.CV, a.R2, a.Sufficiency)
	}
}

// 17. A baseline that changes under the same version saves nothing until it is
// what it was, or the next version is approved.
func TestMistake17BaselineIsFrozen(t *testing.T) {
	r := newRig(t, steady)
	feed(r, "em", "energy_total", "2026-01-01", 30, func(int, time.Time) float64 { return 10 })
	better := strings.Replace(steady, "coef: [10]", "coef: [12]", 1)
	r.Bind(load(t, better))
	feed(r, "em", "energy_total", "2026-01-31", 30, func(int, time.Time) float64 { return 10 })
	if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got.Saving != 0 {
		t.Errorf("a refitted baseline saved %+v", got)
	}
	if err := Check(load(t, strings.Replace(better, "version: 1", "version: 2", 1))); err == nil || !strings.Contains(err.Error(), "approved_by") {
		t.Errorf("version 2 without approval: %v", err)
	}
	approved := strings.Replace(better, "version: 1", "version: 2, approved_by: 张工, evidence: doc-40", 1)
	r.Bind(load(t, approved))
	r.tick(midnight("2026-03-10"))
	if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got.Saving <= 0 {
		t.Errorf("an approved baseline is not used: %+v", got)
	}
}

// 18. Factors are by the data's year and area, labelled, and none is made up.
func TestMistake18Factors(t *testing.T) {
	f := Factors{Area: "Gansu", Emission: []Factor{{2022, "Gansu", 0.4772, "doc"}, {2023, "national", 0.5306, "doc"}}}
	if kg, used, err := f.CO2(1000, 2022); err != nil || math.Abs(kg-477.2) > 1e-9 || used.Year != 2022 {
		t.Error(kg, used, err)
	}
	if _, _, err := f.CO2(1000, 2023); err == nil {
		t.Error("the national factor stood in for the province's")
	}
	if _, _, err := (&Factors{}).TonnesCoal(1, Equivalent); err == nil {
		t.Error("等价值 without a factor")
	}
	if tce, label, err := (&Factors{}).TonnesCoal(1e4, Calorific); err != nil || math.Abs(tce-1.229) > 1e-9 || !strings.Contains(label, "当量值") {
		t.Error(tce, label, err)
	}
	if problems := (&Factors{Area: "Gansu", Emission: []Factor{{2022, "Gansu", 0.997 * 2, ""}}}).Check(); len(problems) != 2 {
		t.Error(problems)
	}
	// Of energy alone: the pump's is metered, and water has none of its own. A
	// figure of several years has no factor of its own year.
	inv := load(t, steady+perHead)
	r := &rig{Engine: New(Options{Factors: Factors{Area: "Gansu", Emission: []Factor{{2026, "Gansu", 0.44, "doc"}, {2025, "Gansu", 0.45, "doc"}}, BaseYear: 2025, Coal: []Coal{Calorific}}}),
		t: t, inv: inv, devices: map[string]uint32{}, points: map[string]ingest.Point{}}
	r.Bind(inv)
	for n := range 31 {
		day := midnight("2026-01-01").AddDate(0, 0, n)
		r.send(day, "em", "energy_total", 8*float64(n))
		r.send(day, "wm", "water_volume_total", 80*float64(n))
	}
	r.tick(midnight("2026-01-31").Add(3 * time.Hour))
	want := `
# HELP greencommunity_energy_savings_coal_kilograms The energy saved as standard coal: the heat in it (calorific), or the coal burnt for it (equivalent).
# TYPE greencommunity_energy_savings_coal_kilograms gauge
greencommunity_energy_savings_coal_kilograms{basis="calorific",community="nancheng",facility="lighting",period="quarter",status="provisional"} 7.3740000000000006
greencommunity_energy_savings_coal_kilograms{basis="calorific",community="nancheng",facility="lighting",period="since_start",status="provisional"} 7.3740000000000006
# HELP greencommunity_energy_savings_co2_kilograms The energy saved as CO2: by the factor of the figure's own year, and by that of a fixed one.
# TYPE greencommunity_energy_savings_co2_kilograms gauge
greencommunity_energy_savings_co2_kilograms{basis="base_year",community="nancheng",facility="lighting",period="quarter",status="provisional"} 27
greencommunity_energy_savings_co2_kilograms{basis="base_year",community="nancheng",facility="lighting",period="since_start",status="provisional"} 27
greencommunity_energy_savings_co2_kilograms{basis="own_year",community="nancheng",facility="lighting",period="quarter",status="provisional"} 26.4
`
	if err := testutil.CollectAndCompare(r.Engine, strings.NewReader(want), "greencommunity_energy_savings_coal_kilograms", "greencommunity_energy_savings_co2_kilograms"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(r.Engine, "greencommunity_water_savings_cubic_meters"); n != 2 {
		t.Errorf("the test needs a saving of water: %d", n)
	}
}

// 19. The national standards count what is saved negative; here it is positive.
func TestMistake19SignOfTheStandard(t *testing.T) {
	r := newRig(t, steady)
	feed(r, "em", "energy_total", "2026-01-01", 90, func(int, time.Time) float64 { return 8 })
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	if got.Saving <= 0 || got.GB() != got.Actual-got.Baseline || got.GB() >= 0 {
		t.Errorf("%+v, GB %g", got, got.GB())
	}
}

// 20. What is counted is communities, of all of them: see Programme.
func TestMistake20ShareIsOfAllCommunities(t *testing.T) {
	inv := load(t, steady)
	c := *inv.Communities[0]
	// Three compounds (小区) of a community do not make it three.
	c.Compounds = []*inventory.Compound{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	named, met, joined, idle := c, c, c, c
	named.Stage, met.Stage, joined.Stage, idle.Stage = "named", "met", "participating", ""
	inv.Communities = append(inv.Communities[:0], &named, &met, &joined, &idle, &idle)
	p := inv.Programme()
	if p != (inventory.Programme{All: 5, Participating: 3, Met: 2, Named: 1}) || p.MetRatio() != 0.4 {
		t.Errorf("%+v, ratio %g", p, p.MetRatio())
	}
}

// 21. No word claims a cause: a figure is avoided use.
func TestMistake21NothingIsAttributed(t *testing.T) {
	for _, verdict := range []string{baseline.Saved, baseline.Increased, baseline.Indistinct, baseline.NoCoveredTime} {
		for _, word := range []string{"cause", "due to", "because", "thanks"} {
			if strings.Contains(verdict, word) {
				t.Errorf("%q claims a cause", verdict)
			}
		}
	}
	// A rise of use of another kind is not explained away either: without an
	// adjustment with evidence it counts, with one it does not.
	bare := newRig(t, steady)
	feed(bare, "em", "energy_total", "2026-01-01", 90, func(int, time.Time) float64 { return 14 })
	adjusted := newRig(t, strings.TrimRight(steady, "\n")+"\n    nra: [{from: 2026-01-01, kwh_per_day: 4, why: 新增20盏, doc: doc-31}]\n")
	feed(adjusted, "em", "energy_total", "2026-01-01", 90, func(int, time.Time) float64 { return 14 })
	a, b := bare.Quarter("nancheng", "lighting", "electricity", 2026, 1), adjusted.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	bare.close("without", a.Saving, -360)
	bare.close("with", b.Saving, 0)
	bare.close("shown apart", b.Adjustment, 360)
	for _, less := range []string{"", ", why: 新增20盏", ", doc: doc-31"} {
		if err := Check(load(t, strings.TrimRight(steady, "\n")+"\n    nra: [{from: 2026-01-01, kwh_per_day: 4"+less+"}]\n")); err == nil || !strings.Contains(err.Error(), "evidence") {
			t.Errorf("an adjustment with no more evidence than %q: %v", less, err)
		}
	}
}

func analyseText(t testing.TB, table string) *baseline.Analysis {
	t.Helper()
	read, err := baseline.ReadTable(strings.NewReader(table), baseline.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := baseline.Analyse(read, baseline.Fitting{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The band of per-head use by hand: 31 days of January and 28 of February of
// 1000 persons, each month's days scattering in proportion to its use.
func TestPerCapitaBandByHand(t *testing.T) {
	monthly := "monthly: [0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], monthly_days: [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], n: 365, n_eff: 146"
	for name, c := range map[string]struct {
		fit      string
		variance float64
	}{
		"in proportion": {"relative: true, rmse_n_minus_p: 0.08", 0.08 * 0.08 * (31*100*100 + 28*200*200 + 3100*3100/31.0 + 5600*5600/28.0)},
		"the same":      {"rmse_n_minus_p: 0.01", 0.01 * 0.01 * 1e6 * (31 + 28 + 31 + 28)},
	} {
		r := newRig(t, "- {id: h, spec: {resource: water, ipmvp: C, meters: [{device: wm}], baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: per_capita_monthly, "+monthly+", "+c.fit+"}}}")
		feed(r, "wm", "water_volume_total", "2026-01-01", 59, func(int, time.Time) float64 { return 120 })
		got := r.Quarter("nancheng", "water", "water", 2026, 1)
		r.close(name+": baseline", got.Baseline, 31*100+28*200)
		r.close(name+": band", got.Uncertainty, baseline.TQuantile(0.9, 353)*math.Sqrt(c.variance*365/146))
	}
	err := Check(load(t, "- {id: h, spec: {resource: water, ipmvp: C, meters: [{device: wm}], baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: per_capita_monthly, "+monthly+", relative: true, rmse_n_minus_p: 8}}}"))
	if err == nil || !strings.Contains(err.Error(), "as a share of the month's use, below 1") {
		t.Error(err)
	}
}
