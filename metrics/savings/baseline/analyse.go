package baseline

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Figure is a float64 that is null in JSON where it has no value.
type Figure float64

func (f Figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// Points are balance points; null where the model has none.
type Points struct {
	CDD Figure `json:"cdd"`
	HDD Figure `json:"hdd"`
}

// Analysis is a fitted baseline and what was saved against it, per window.
// Usage is in the table's unit, coefficients per day and per degree day in °F.
type Analysis struct {
	Interval   string    `json:"interval"` // daily or billing
	Model      ModelKind `json:"model"`
	PointsF    Points    `json:"balance_points_F"`
	PointsC    Points    `json:"balance_points_C"`
	Candidates int       `json:"candidates"`
	Qualified  int       `json:"candidates_qualified"`
	// BestInSample is the model with the highest adjusted R², which CalTRACK takes.
	// Explained is the share of the mean's squared error that it saves on months it
	// was not fitted to; where that is next to nothing, Model is the mean.
	BestInSample ModelKind `json:"model_best_in_sample,omitempty"`
	Explained    Figure    `json:"explained_out_of_sample"`

	N         int        `json:"n"`
	P         int        `json:"p_including_intercept"`
	Coef      []float64  `json:"coef"`
	CoefNames []string   `json:"coef_names"`
	CoefC     []float64  `json:"coef_per_degree_C"` // the same per degree day in °C
	StdErr    []float64  `json:"std_err"`
	R2        Figure     `json:"r2"`
	R2Adj     Figure     `json:"r2_adj"`
	SSE       Figure     `json:"sse"`
	RMSE      Figure     `json:"rmse_n_minus_p"`
	CV        Figure     `json:"cv_rmse"`
	CVBiased  Figure     `json:"cv_rmse_biased_n"`
	NMBE      Figure     `json:"nmbe"`
	Mean      Figure     `json:"ybar"`
	Rho       Figure     `json:"rho_lag1"`
	RhoPlus   Figure     `json:"rho_clamped"`
	Effective Figure     `json:"n_eff"`
	T90       Figure     `json:"t_two_sided_90"`
	T68       Figure     `json:"t_two_sided_68"`
	Inverse   [][]Figure `json:"XtX_inv"`

	Sufficiency Sufficiency `json:"sufficiency"`
	// Windows are year (the first 365 days of the reporting period, or all of
	// it), q1 to q4 (90 days each from its first), and reporting where it is
	// longer than a year.
	Windows map[string]*Window `json:"windows,omitempty"`
	// Calendar are the same figures by calendar quarter, such as 2017Q1.
	Calendar map[string]*Window `json:"calendar_quarters,omitempty"`
	// Warnings say what the bands do not hold.
	Warnings []string `json:"warnings,omitempty"`
	// Ignored are columns of the table that mean nothing here.
	Ignored []string `json:"ignored_columns,omitempty"`

	// Days hold what the windows sum, for a picture.
	Days []Compared `json:"-"`

	fit *Regression
}

// Sufficiency says whether a baseline period can carry a claim (CalTRACK 2.2).
type Sufficiency struct {
	Sufficient bool     `json:"sufficient"`
	Days       int      `json:"days"`    // from the first to the last day of the baseline period
	Missing    int      `json:"missing"` // of these, days without use or drivers
	Outliers   int      `json:"outliers"`
	Reasons    []string `json:"reasons,omitempty"`
}

// Compared is one interval of the reporting period with both sides.
type Compared struct {
	Start    time.Time
	Days     int
	Actual   float64
	Baseline float64
	row      []float64 // regressors, total of the interval
}

// Window is a saving with its uncertainty.
type Window struct {
	First    string `json:"first"`
	Last     string `json:"last"`
	M        int    `json:"m"` // intervals counted
	Days     int    `json:"days"`
	Covered  int    `json:"days_covered"`
	Coverage Figure `json:"coverage"`
	Months   Figure `json:"months_M"` // covered days / 365 · 12

	Actual   Figure `json:"actual"`
	Baseline Figure `json:"adjusted_baseline"`
	Saving   Figure `json:"savings"`
	Fraction Figure `json:"savings_fraction_F"`
	// SavingGB is the same with the sign of GB/T 13234 and GB/T 28750, in which
	// less than nothing is saved use.
	SavingGB Figure `json:"savings_gb_sign"`

	Guideline struct {
		DE90  Figure `json:"dE_90"`
		DE68  Figure `json:"dE_68"`
		FSU90 Figure `json:"fsu_90"`
		FSU68 Figure `json:"fsu_68"`
	} `json:"g14_1p26"`
	CalTRACK struct {
		Factor Figure `json:"factor"`
		DE90   Figure `json:"dE_90"`
		DE68   Figure `json:"dE_68"`
		FSU90  Figure `json:"fsu_90"`
		FSU68  Figure `json:"fsu_68"`
	} `json:"caltrack_poly"`
	Exact struct {
		SE       Figure `json:"se"`
		DE90     Figure `json:"dE_90"`
		DE68     Figure `json:"dE_68"`
		SEScaled Figure `json:"se_autocorr_scaled"`
		DE90AC   Figure `json:"dE_90_autocorr_scaled"`
		DE68AC   Figure `json:"dE_68_autocorr_scaled"`
	} `json:"exact_ols"`
	// Stated is the band with what was stated beside the scatter of days; nil: nothing was.
	Stated *StatedBand `json:"stated,omitempty"`
	// Significant: the saving is larger than its exact 90 % band, scaled for
	// autocorrelation. Verdict says it in words, by Stated where there is one.
	Significant   bool   `json:"significant_at_90_exact"`
	Significant68 bool   `json:"significant_at_68_exact"`
	Acceptable    bool   `json:"fsu_68_at_most_half"` // Guideline 14: U ≤ 50 % at 68 %
	Verdict       string `json:"verdict"`
}

// The words of a verdict.
const (
	Saved           = "saving"
	Increased       = "increase"
	Indistinct      = "not distinguishable from zero"
	NoCoveredTime   = "no covered time"
	daysPerQuarter  = 90
	daysPerYear     = 365
	allowedMissing  = 37
	monthsPerYear   = 12
	halfUncertainty = 0.5
)

// Analyse fits the baseline rows of a table and compares its reporting rows
// with it. A row without usage, temperature or dark hours counts on neither side
// where the table has these. How the model is chosen f says; whether the table is
// of billing periods the table does.
func Analyse(t *Table, f Fitting) (*Analysis, error) {
	var baseline, reporting []Row
	temperatures, nights := false, false
	for _, r := range t.Rows {
		temperatures, nights = temperatures || len(r.Temps) > 0, nights || len(r.Dark) > 0
		switch r.Period {
		case BaselinePeriod:
			baseline = append(baseline, r)
		case ReportingPeriod:
			reporting = append(reporting, r)
		}
	}
	if len(baseline) == 0 {
		return nil, errors.New("no row belongs to the baseline: without one there is no saving")
	}
	a := &Analysis{Interval: "daily", Ignored: t.Ignored, Explained: Figure(math.NaN())}
	if t.Billing {
		a.Interval = "billing"
	}
	valid := func(r Row) bool {
		return !math.IsNaN(r.Usage) && (!temperatures || len(r.Temps) > 0) && (!nights || len(r.Dark) > 0)
	}
	used := slices.DeleteFunc(slices.Clone(baseline), func(r Row) bool { return !valid(r) })
	a.sufficiency(baseline, used, t.Billing)
	var rowOf func(Row) []float64
	if len(t.Degree) > 0 {
		if err := a.design(used, t.Degree); err != nil {
			return nil, err
		}
		rowOf = func(r Row) []float64 { return append([]float64{1}, r.Degree...) }
	} else {
		observations := make([]Observation, len(used))
		for i, r := range used {
			observations[i] = Observation{Days: float64(r.Days), Usage: r.Usage / float64(r.Days), Temps: r.Temps, Dark: r.Dark}
		}
		f.Billing = t.Billing
		m, err := FitModel(observations, f)
		if err != nil {
			return nil, fmt.Errorf("baseline: %w", err)
		}
		a.fit, a.Model, a.CoefNames = m.Regression, m.Kind, m.Names()
		a.Candidates, a.Qualified = m.Candidates, m.Qualified
		a.BestInSample, a.Explained = m.Best, Figure(m.Explained)
		a.PointsF = Points{CDD: Figure(m.Cooling), HDD: Figure(m.Heating)}
		rowOf = func(r Row) []float64 { return m.Row(Observation{Temps: r.Temps, Dark: r.Dark}) }
	}
	a.PointsC = Points{CDD: (a.PointsF.CDD - 32) * 5 / 9, HDD: (a.PointsF.HDD - 32) * 5 / 9}
	a.statistics(used)
	for _, r := range reporting {
		if !valid(r) {
			continue
		}
		row := rowOf(r)
		c := Compared{Start: r.Start, Days: r.Days, Actual: r.Usage, row: make([]float64, len(row))}
		for j := range row {
			c.row[j] = row[j] * float64(r.Days)
			c.Baseline += c.row[j] * a.fit.Coef[j]
		}
		a.Days = append(a.Days, c)
	}
	if len(reporting) > 0 {
		a.windows(reporting)
	}
	return a, nil
}

// design fits a table that has its degree days already.
func (a *Analysis) design(used []Row, names []string) error {
	X, y, weights := make([][]float64, len(used)), make([]float64, len(used)), make([]float64, len(used))
	for i, r := range used {
		X[i] = append([]float64{1}, r.Degree...)
		y[i], weights[i] = r.Usage/float64(r.Days), float64(r.Days)
	}
	var err error
	if a.fit, err = Fit(X, y, weights); err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	nan := Figure(math.NaN())
	a.PointsF = Points{CDD: nan, HDD: nan}
	a.CoefNames = append([]string{"intercept"}, names...)
	cdd, hdd := slices.Contains(names, "cdd"), slices.Contains(names, "hdd")
	switch {
	case cdd && hdd:
		a.Model = CDDHDD
	case cdd:
		a.Model = CDDOnly
	default:
		a.Model = HDDOnly
	}
	return nil
}

func (a *Analysis) sufficiency(baseline, used []Row, billing bool) {
	s := &a.Sufficiency
	first, last := baseline[0], baseline[len(baseline)-1]
	s.Days = int(last.Start.AddDate(0, 0, last.Days).Sub(first.Start).Hours() / 24)
	covered := 0
	var usage []float64
	for _, r := range used {
		covered += r.Days
		usage = append(usage, r.Usage/float64(r.Days))
	}
	s.Missing = s.Days - covered
	slices.Sort(usage)
	if n := len(usage); n >= 4 {
		limit := usage[n/2] + 3*(usage[3*n/4]-usage[n/4])
		for _, u := range usage {
			if u > limit {
				s.Outliers++
			}
		}
	}
	if billing {
		if covered < daysPerYear-allowedMissing-28 || len(used) < 9 {
			s.Reasons = append(s.Reasons, fmt.Sprintf("%d billing periods with %d days; a year is wanted", len(used), covered))
		}
	} else {
		if s.Days < daysPerYear {
			s.Reasons = append(s.Reasons, fmt.Sprintf("%d days; %d are wanted", s.Days, daysPerYear))
		}
		// The last 365 days are what counts of a longer period.
		if s.Missing > allowedMissing*max(1, s.Days/daysPerYear) {
			s.Reasons = append(s.Reasons, fmt.Sprintf("%d days missing; at most %d may be", s.Missing, allowedMissing))
		}
	}
	s.Sufficient = len(s.Reasons) == 0
}

// statistics of the fit, from totals per interval, as CalTRACK has them; for
// days these are the same as averages.
func (a *Analysis) statistics(used []Row) {
	f := a.fit
	a.N, a.P, a.Coef, a.StdErr = f.N, f.P, f.Coef, f.StdErr
	a.CoefC = slices.Clone(f.Coef)
	for j := 1; j < len(a.CoefC); j++ {
		if a.CoefNames[j] != string(DarkHours) { // an hour is one in any unit of temperature
			a.CoefC[j] *= 9.0 / 5
		}
	}
	a.R2, a.R2Adj, a.SSE, a.RMSE = Figure(f.R2), Figure(f.R2Adj), Figure(f.SSE), Figure(f.S)
	residuals := make([]float64, f.N)
	sse, sum, total := 0.0, 0.0, 0.0
	for i, r := range used {
		residuals[i] = f.Residual[i] * float64(r.Days)
		sse += residuals[i] * residuals[i]
		sum += residuals[i]
		total += r.Usage
	}
	average := total / float64(f.N)
	df := float64(f.N - f.P)
	a.Mean = Figure(average)
	a.CV = Figure(math.Sqrt(sse/df) / average)
	a.CVBiased = Figure(math.Sqrt(sse/float64(f.N)) / average)
	a.NMBE = Figure(sum / (df * average))
	rho := Autocorrelation(residuals)
	a.Rho, a.RhoPlus = Figure(rho), Figure(max(rho, 0))
	if math.IsNaN(rho) {
		a.RhoPlus = 0
	}
	a.Effective = Figure(EffectiveN(f.N, rho))
	a.T90, a.T68 = Figure(TQuantile(0.90, f.N-f.P)), Figure(TQuantile(0.68, f.N-f.P))
	for _, row := range f.Inverse {
		figures := make([]Figure, len(row))
		for j, v := range row {
			figures[j] = Figure(v)
		}
		a.Inverse = append(a.Inverse, figures)
	}
}

func (a *Analysis) windows(reporting []Row) {
	start := reporting[0].Start
	last := reporting[len(reporting)-1]
	end := last.Start.AddDate(0, 0, last.Days)
	a.Windows, a.Calendar = map[string]*Window{}, map[string]*Window{}
	year := start.AddDate(0, 0, daysPerYear)
	if end.After(year) {
		a.Windows["reporting"] = a.Window(start, end)
	} else {
		year = end
	}
	a.Windows["year"] = a.Window(start, year)
	for q := range 4 {
		from := start.AddDate(0, 0, q*daysPerQuarter)
		if to := from.AddDate(0, 0, daysPerQuarter); from.Before(end) {
			if to.After(end) {
				to = end
			}
			a.Windows[fmt.Sprintf("q%d", q+1)] = a.Window(from, to)
		}
	}
	for y, q := start.Year(), (int(start.Month())-1)/3; ; q++ {
		from := time.Date(y, time.Month(1+3*q), 1, 0, 0, 0, 0, time.UTC)
		to := from.AddDate(0, 3, 0)
		if !from.Before(end) {
			break
		}
		name := fmt.Sprintf("%dQ%d", from.Year(), (int(from.Month())-1)/3+1)
		if from.Before(start) {
			from = start
		}
		if to.After(end) {
			to = end
		}
		a.Calendar[name] = a.Window(from, to)
	}
}

// Window sums what is covered in [from, to), by local days. An interval
// belongs to the window it begins in.
func (a *Analysis) Window(from, to time.Time) *Window {
	w := &Window{
		First: from.Format(time.DateOnly), Last: to.AddDate(0, 0, -1).Format(time.DateOnly),
		Days: int(to.Sub(from).Hours() / 24),
	}
	sums := make([]float64, a.fit.P)
	actual, baseline := 0.0, 0.0
	for _, c := range a.Days {
		if c.Start.Before(from) || !c.Start.Before(to) {
			continue
		}
		w.M++
		w.Covered += c.Days
		actual += c.Actual
		baseline += c.Baseline
		for j := range sums {
			sums[j] += c.row[j]
		}
	}
	w.Coverage = Figure(min(1, float64(w.Covered)/float64(w.Days)))
	months := float64(w.Covered) / daysPerYear * monthsPerYear
	saving := baseline - actual
	F := saving / baseline
	w.Months, w.Actual, w.Baseline = Figure(months), Figure(actual), Figure(baseline)
	w.Saving, w.Fraction, w.SavingGB = Figure(saving), Figure(F), Figure(-saving)
	if w.M == 0 {
		w.Verdict = NoCoveredTime
		return w
	}
	effective, n, m := float64(a.Effective), float64(a.N), float64(w.M)
	fsu := func(t Figure, k float64) (fractional, band Figure) {
		u := FractionalUncertainty(float64(t), k, float64(a.CV), n, effective, m, F)
		if F == 0 { // the band has a limit where the fraction has none
			return Figure(u), Figure(FractionalUncertainty(float64(t), k, float64(a.CV), n, effective, m, 1) * baseline)
		}
		return Figure(u), Figure(u * saving)
	}
	g := &w.Guideline
	g.FSU90, g.DE90 = fsu(a.T90, GuidelineFactor)
	g.FSU68, g.DE68 = fsu(a.T68, GuidelineFactor)
	factor := SunBaltazar(months, a.Interval == "billing")
	c := &w.CalTRACK
	c.Factor = Figure(factor)
	c.FSU90, c.DE90 = fsu(a.T90, factor)
	c.FSU68, c.DE68 = fsu(a.T68, factor)
	se, scaled := a.fit.Band(sums, float64(w.Covered), effective)
	e := &w.Exact
	e.SE, e.SEScaled = Figure(se), Figure(scaled)
	e.DE90, e.DE68 = a.T90*e.SE, a.T68*e.SE
	e.DE90AC, e.DE68AC = a.T90*e.SEScaled, a.T68*e.SEScaled
	w.Significant = math.Abs(saving) > float64(e.DE90AC)
	w.Significant68 = math.Abs(saving) > float64(e.DE68AC)
	w.Acceptable = math.Abs(float64(e.DE68AC)) <= halfUncertainty*math.Abs(saving)
	switch {
	case !w.Significant:
		w.Verdict = Indistinct
	case saving > 0:
		w.Verdict = Saved
	default:
		w.Verdict = Increased
	}
	return w
}

// Cumulated is the saving up to the end of an interval and its 90 % band.
type Cumulated struct {
	Date         time.Time
	Saving, Band float64
}

// Cumulative adds up the covered intervals of the reporting period.
func (a *Analysis) Cumulative() []Cumulated {
	sums := make([]float64, a.fit.P)
	saving, days := 0.0, 0
	curve := make([]Cumulated, 0, len(a.Days))
	for _, c := range a.Days {
		saving += c.Baseline - c.Actual
		days += c.Days
		for j := range sums {
			sums[j] += c.row[j]
		}
		_, se := a.fit.Band(sums, float64(days), float64(a.Effective))
		curve = append(curve, Cumulated{Date: c.Start.AddDate(0, 0, c.Days-1), Saving: saving, Band: float64(a.T90) * se})
	}
	return curve
}
