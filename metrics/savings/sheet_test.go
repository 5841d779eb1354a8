package savings

import (
	"math"
	"testing"
	"time"

	"greencommunity/metrics/savings/baseline"
)

// A year of a master meter and of the meters behind it: what is lost between them, what
// the band is made of, what the baseline rests on, and the saving of a typical year.
func TestSheetOfABoundary(t *testing.T) {
	const boundaries = `- id: master
  name: 总表
  spec:
    resource: water
    ipmvp: C
    meters: [{device: m}]
    population: [{from: 2024-01-01, persons: 100}, {from: 2025-07-01, persons: 110}]
    uncertainty: {meter_class: 2, year_rel: 0.03}
    baseline: {version: 1, period: [2024-01-01, 2025-01-01], method: per_capita_monthly, approved_by: 张工, evidence: doc-1,
      monthly: [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2], monthly_days: [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
      relative: true, n: 366, n_eff: 183, rmse_n_minus_p: 0.05, cv_rmse: 0.05, nmbe: 0.001, r2: 0.4}
- id: homes
  spec: {resource: water, ipmvp: none, nested_in: master, meters: [{device: h1}, {device: h2}], uncertainty: {meter_class: 2}}`
	inv := load(t, boundaries)
	from, to := utc("2025-01-01"), utc("2026-01-01")
	r, err := NewRecomputation(inv, "", from, to)
	if err != nil {
		t.Fatal(err)
	}
	for device, perDay := range map[string]float64{"m": 18, "h1": 8, "h2": 9} {
		for d := -3; d < 370; d++ {
			r.Read("water_volume_total", []byte(device), nil, from.AddDate(0, 0, d).Add(-8*time.Hour).UnixNano(), 1000+perDay*float64(d))
		}
	}
	whole := r.Statement()
	quarter := r.Part(utc("2025-04-01"), utc("2025-07-01"))
	b, q := whole.Items[0].Boundaries[0], quarter.Items[0].Boundaries[0]
	near := func(what string, got baseline.Figure, want float64) {
		t.Helper()
		if !(math.Abs(float64(got)-want) <= 1e-6*max(1, math.Abs(want))) {
			t.Errorf("%s is %g, by hand %g", what, got, want)
		}
	}
	// 20 m³ a day to June, 22 from July; 18 are used.
	near("saving", whole.Items[0].Saving, 181*2+184*4)
	near("saving of the second quarter", quarter.Items[0].Saving, 91*2)
	near("entered", q.Leakage.Entered, 91*18)
	near("lost", q.Leakage.Lost, 91)
	near("share lost", q.Leakage.Share, 1.0/18)
	near("its band", q.Leakage.Band, math.Hypot(91*18*0.02, 91*17*0.02))
	near("a day", q.PerDay, 18)
	near("class", q.Parts.Class, 91*18*0.02)
	near("year", q.Parts.Year, 91*20*0.03)
	near("parts together", baseline.Figure(q.Parts.Total()), float64(q.Band))
	near("rho", b.Sheet.Rho, 1.0/3)
	near("R²", b.Sheet.R2, 0.4)
	if b.Sheet.N != 366 || b.Sheet.ApprovedBy != "张工" || b.Sheet.Hash == "" || b.Sheet.Persons != 100 || q.Normal != nil {
		t.Errorf("%+v", b.Sheet)
	}
	// With the 110 persons of now all year: 22 of baseline, less the share that was saved
	// of each month.
	near("typical baseline", b.Normal.Baseline, 365*22)
	near("typical saving", b.Normal.Saving, 181*22*0.1+184*4)
	near("typical band", b.Normal.Band, float64(b.Band)*365*22/(181*20+184*22))
}
