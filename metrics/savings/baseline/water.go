package baseline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"greencommunity/metrics/holidays"
)

// Irrigation holds what an irrigated area would have used, m³:
// max(0, a + b·A·(ET₀ − P_eff)), with the area in m² and reference
// evapotranspiration and effective rain in mm. An area that was not watered in
// the rain saved nothing by it.
type Irrigation struct {
	A    float64 `yaml:"a"`    // m³ a day
	B    float64 `yaml:"b"`    // m³ per m²·mm
	Area float64 `yaml:"area"` // m²
}

// Use of one day, m³.
func (i Irrigation) Use(et0, effectiveRain float64) float64 {
	return max(0, i.A+i.B*i.Area*(et0-effectiveRain))
}

// NightFlow says how legitimate night use is estimated.
type NightFlow struct {
	ActiveShare    float64 // of the population, active in the night hour; 0: 0.06
	LitresPerUse   float64 // 0: 10, one cistern (SANFLOW)
	Exceptional    float64 // m³/h of known users, such as a tank that fills at night
	HourDayFactor  float64 // hours a day the loss runs at night pressure; 0: 24, constant pressure
	MinConnections int     // below so many the ILI means nothing; 0: 3000
}

// Night is a night's balance.
type Night struct {
	Legitimate float64 // m³/h
	Net        float64 // m³/h: minimum night flow less legitimate use
	Losses     float64 // m³ a day
}

// Balance splits the mean flow from 02:00 to 04:00 (m³/h) into legitimate use
// and net night flow (IWA). Only what legitimate use does not explain is leakage.
func (n NightFlow) Balance(minimum float64, population float64) Night {
	share, litres, factor := n.ActiveShare, n.LitresPerUse, n.HourDayFactor
	if share == 0 {
		share = 0.06
	}
	if litres == 0 {
		litres = 10
	}
	if factor == 0 {
		factor = 24
	}
	legitimate := share*population*litres/1000 + n.Exceptional
	net := minimum - legitimate
	return Night{Legitimate: legitimate, Net: net, Losses: max(0, net) * factor}
}

// UARL is the unavoidable annual real loss in L/day for mains (km),
// connections, private pipe (km) and pressure (m): (18·Lm + 0.8·Nc + 25·Lp)·P
// (Lambert 1999).
func UARL(mains float64, connections int, private, pressure float64) float64 {
	return (18*mains + 0.8*float64(connections) + 25*private) * pressure
}

// ErrTooSmall is returned where an index is not defined for so small a network.
var ErrTooSmall = errors.New("too small a network for an infrastructure leakage index")

// ILI is current annual real loss over UARL, both in L/day. It is refused below
// about 3000 connections: for a compound it is a number without a meaning.
func ILI(carl, uarl float64, connections int) (float64, error) {
	const smallest = 3000
	if connections < smallest {
		return 0, fmt.Errorf("%d connections, %d are needed: %w", connections, smallest, ErrTooSmall)
	}
	return carl / uarl, nil
}

// Leakage is CJJ 92's rate R_BL = (supplied − authorised)/supplied − correction.
func Leakage(supplied, authorised, correction float64) float64 {
	return (supplied-authorised)/supplied - correction
}

// PerCapita is use in litres a person and day, and its ratio to a quota
// (GB/T 50331). Compliance is not a saving: a community may be below its quota
// and use more than before.
func PerCapita(cubicMetres, persons, days, quota float64) (litres, ratio float64) {
	if persons <= 0 || days <= 0 {
		return math.NaN(), math.NaN()
	}
	litres = cubicMetres * 1000 / persons / days
	if quota <= 0 {
		return litres, math.NaN()
	}
	return litres, litres / quota
}

// PersonDay is a day of a household baseline.
type PersonDay struct {
	Date    time.Time
	Use     float64 // m³
	Persons float64
	Night   float64 // mean flow from 02:00 to 04:00, m³/h; NaN or 0: not known
	Alarm   bool    // an alarm of a leak was open
}

// PerHead is a fitted household baseline: what a boundary's spec says of the
// method per_capita_monthly.
type PerHead struct {
	Monthly     []float64 // m³ a person and day, January first
	MonthlyDays []float64 // of the days fitted, those of each month
	Relative    bool      // days scatter in proportion to their month's use
	N           int       // days fitted
	Effective   float64   // what they are worth, autocorrelation allowed for
	RMSE        float64   // a share of the month's use where Relative, 0-1
	CV          float64   // CV(RMSE) of all days about their month's mean
	// Weekend and Festival are by how much such days are off their month's use, as a
	// share of it, and Inverse that of all 14 terms; 0 and nil where they explain nothing.
	Weekend, Festival float64
	Inverse           [][]float64
	RestDays          bool // Weekend is of the days off by the calendar
}

// FitPerCapita fits use a person and day by calendar month. All twelve months
// must have days. Days scatter in proportion to their month's use: one figure
// for all would make the band of a summer too narrow and that of a winter too
// wide. Autocorrelation is that of successive days, less its bias. Days off are those of
// the calendar.
func FitPerCapita(days []PersonDay, c *holidays.Calendar) (*PerHead, error) {
	X, y := make([][]float64, len(days)), make([]float64, len(days))
	counts := make([]float64, 12)
	for i, d := range days {
		if !(d.Persons > 0) {
			return nil, fmt.Errorf("%s: no persons", d.Date.Format(time.DateOnly))
		}
		month := int(d.Date.Month()) - 1
		X[i] = make([]float64, 12)
		X[i][month] = 1
		y[i] = d.Use / d.Persons
		counts[month]++
	}
	fit, err := Fit(X, y, nil)
	if err != nil {
		return nil, fmt.Errorf("per-head use by month: %w", err)
	}
	squares, relative := 0.0, make([]float64, len(days))
	for i, d := range days {
		mean := fit.Coef[int(d.Date.Month())-1]
		if !(mean > 0) {
			return nil, fmt.Errorf("%s: no use in the whole month", d.Date.Format("January"))
		}
		relative[i] = fit.Residual[i] / mean
		squares += relative[i] * relative[i]
	}
	days12 := &PerHead{Monthly: fit.Coef, MonthlyDays: counts, N: fit.N, Relative: true, RMSE: math.Sqrt(squares / float64(fit.N-fit.P)), CV: fit.S / fit.Mean}
	if with := days12.calendar(days, c); with != nil {
		return with, nil
	}
	days12.Effective = worth(days, relative, 12, nil)
	return days12, nil
}

// unbiased is the autocorrelation of residuals about the means of twelve months: each
// mean takes a part of it, of k days about (1+3ρ)/k (Marriott and Pope 1954).
func unbiased(relative []float64) float64 {
	rho := Autocorrelation(relative)
	if k := float64(len(relative)) / 12; k > 6 {
		rho = min(0.99, (rho+1/k)/(1-3/k))
	}
	return rho
}

// worth returns how many independent days a fit by month is worth in the band of a
// quarter. relative are its residuals, as shares of the month's use, p its terms, factors
// what the calendar makes of each day (nil: nothing).
//
// Twelve means take much of the autocorrelation ρ with them, and what makes up for that
// scatters widely where ρ is large. Two harmonics of the year take less, but see a ρ too
// large where the season is none of theirs: the smaller of the two estimates counts. A
// standard error √((1−ρ²)/n) is added: a ρ that happens to be estimated too small costs
// more truth than one too large gains. The sum of squares of autocorrelated days about
// their month's mean is too small as well, by the part that the mean takes. Of 1,000 years
// each, with ρ from 0 to 0.8, 88 to 91 % had the truth inside the 90 % band of a quarter
// without all this, and have 92 to 94 % with it, at 1.07 to 1.18 of the ideal width.
func worth(days []PersonDay, relative []float64, p int, factors []float64) float64 {
	n := len(days)
	rho := unbiased(relative)
	X, y := make([][]float64, n), make([]float64, n)
	for i, d := range days {
		y[i] = d.Use / d.Persons
		if factors != nil {
			y[i] /= factors[i]
		}
		X[i] = []float64{1}
		for k := 1.0; k <= 2; k++ {
			sin, cos := math.Sincos(2 * math.Pi * k * float64(d.Date.YearDay()) / 365.25)
			X[i] = append(X[i], cos, sin)
		}
	}
	if fit, err := Fit(X, y, nil); err == nil {
		about := slices.Clone(fit.Residual)
		for i := range about {
			about[i] /= y[i] - fit.Residual[i] // a share of what the season foretells
		}
		terms := float64(fit.P)
		rho = min(rho, (Autocorrelation(about)+terms/float64(n))/(1-1.5*terms/float64(n)))
	}
	if math.IsNaN(rho) {
		rho = 0
	}
	rho = max(rho, 0)
	rho = min(0.99, rho+math.Sqrt((1-rho*rho)/float64(n)))
	inflated := func(k float64) float64 { // the variance of a mean of k days, over that of independent ones
		return (1+rho)/(1-rho) - 2*rho*(1-math.Pow(rho, k))/(k*(1-rho)*(1-rho))
	}
	left := float64(n-p) - 12*(inflated(float64(n)/12)-1)
	return float64(n) / inflated(90) * max(left, float64(n)/4) / float64(n-p)
}

// calendar fits weekends, or the days off by the calendar where these fit better, and the
// Spring Festival beside the months. nil: neither explains anything, which takes three
// standard errors, autocorrelation allowed for.
func (p *PerHead) calendar(days []PersonDay, c *holidays.Calendar) *PerHead {
	n := len(days)
	weekly, off, festival := make([]float64, n), make([]float64, n), make([]float64, n)
	sums := [2]float64{}
	for i, d := range days {
		f := c.Of(d.Date)
		weekly[i], off[i], festival[i] = f.Weekend, f.Rest, f.Festival
		sums[0], sums[1] = sums[0]+f.Weekend, sums[1]+f.Festival
	}
	if sums[0] < 20 || sums[1] < 6 {
		return nil
	}
	fit, monthly := p.rounds(days, weekly, festival)
	rest, months := (*Regression)(nil), []float64(nil)
	if !slices.Equal(weekly, off) {
		rest, months = p.rounds(days, off, festival)
	}
	with := *p
	if rest != nil && (fit == nil || rest.SSE < fit.SSE) {
		fit, monthly, weekly, with.RestDays = rest, months, off, true
	}
	if fit == nil {
		return nil
	}
	factors := make([]float64, n)
	for i := range factors {
		factors[i] = 1 + fit.Coef[12]*weekly[i] + fit.Coef[13]*festival[i]
	}
	with.Monthly, with.Weekend, with.Festival, with.Inverse, with.RMSE = monthly, fit.Coef[12], fit.Coef[13], fit.Inverse, fit.S
	with.Effective = worth(days, fit.Residual, 14, factors)
	return &with
}

// rounds fits shares of the month's use on an ordinary day, and these days' use.
func (p *PerHead) rounds(days []PersonDay, weekly, festival []float64) (fit *Regression, monthly []float64) {
	n := len(days)
	X, y := make([][]float64, n), make([]float64, n)
	monthly = slices.Clone(p.Monthly)
	for round := range 3 {
		for i, d := range days {
			month := int(d.Date.Month()) - 1
			X[i] = make([]float64, 14)
			X[i][month], X[i][12], X[i][13] = 1, weekly[i], festival[i]
			y[i] = d.Use / d.Persons / monthly[month]
		}
		var err error
		if fit, err = Fit(X, y, nil); err != nil {
			return nil, nil
		}
		if scale := math.Sqrt(float64(n) / EffectiveN(n, unbiased(fit.Residual))); round == 0 &&
			math.Abs(fit.Coef[12]) < 3*fit.StdErr[12] && math.Abs(fit.Coef[13]) < 3*fit.StdErr[13]*scale {
			return nil, nil
		}
		for m := range monthly {
			if monthly[m] *= fit.Coef[m]; !(monthly[m] > 0) {
				return nil, nil
			}
		}
	}
	return fit, monthly
}
