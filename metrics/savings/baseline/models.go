package baseline

import (
	"fmt"
	"math"
	"slices"
)

// DegreeDays of one day: by how much its mean temperature is below the heating
// balance point, or above the cooling balance point.
func DegreeDays(mean, heating, cooling float64) (hdd, cdd float64) {
	return max(0, heating-mean), max(0, mean-cooling)
}

// ModelKind says which terms a usage-per-day model has.
type ModelKind string

const (
	InterceptOnly ModelKind = "intercept_only"
	HDDOnly       ModelKind = "hdd_only"
	CDDOnly       ModelKind = "cdd_only"
	CDDHDD        ModelKind = "cdd_hdd"
	// DarkHours is for lamps: use grows with the hours the sun is down.
	DarkHours ModelKind = "dark_hours"
)

// Grid of balance points, in degrees Fahrenheit, as CalTRACK has it. It is the
// same for temperatures in Celsius: a building's balance point does not depend
// on the thermometer.
const (
	gridFrom = 30
	gridTo   = 90
	gridSize = gridTo - gridFrom + 1
)

// Observation is one interval of a baseline: a day, or a billing period with
// its days.
type Observation struct {
	Days  float64   // length; 1 for a day
	Usage float64   // per day
	Temps []float64 // daily mean temperatures, °F; nil where unknown
	Dark  []float64 // dark hours of each day; nil where unknown
}

// Fitting restricts how a model is chosen.
type Fitting struct {
	// Billing weights each observation by its days, and does not ask for a
	// number of observations with degree days (CalTRACK 3.2.2.2, 3.4.2).
	Billing bool
	// Kinds are the kinds of model to try; empty: all. Gas has no cooling.
	Kinds []ModelKind
	// InSample takes the model with the highest adjusted R² whatever it explains,
	// as CalTRACK does. Otherwise the mean stands in for a model that does not
	// foretell days it was not fitted to.
	InSample bool
}

// Model is a fitted usage-per-day model: usage = intercept + βc·CDD(cooling) +
// βh·HDD(heating), degree days in °F, or usage = intercept + β·dark hours.
type Model struct {
	*Regression
	Kind             ModelKind
	Heating, Cooling float64 // balance points, °F; NaN where the term is missing
	Candidates       int     // how many were looked at
	Qualified        int     // how many of them could be used
	X                [][]float64
	Weights          []float64
	// Best is the kind with the highest adjusted R². Kind is intercept_only
	// instead where that one explains nothing out of sample.
	Best ModelKind
	// Explained is the share of the mean's squared error that Best saves on days
	// it was not fitted to, below 0 where it adds to it. NaN: not tried.
	Explained float64
}

// FitModel chooses the model with the highest adjusted R² among all kinds and
// all balance points of the grid (CalTRACK 3.3, 3.4). To qualify, a term needs
// 20 degree days in total, and for daily data 10 days that have some; no
// coefficient may be negative; the cooling balance point is not below the
// heating one. With dark hours the intercept may be negative: lamps that are
// switched on after dusk burn for less than the night. Unless f.InSample, the
// mean takes the place of a model that does not explain what it was not fitted
// to: of thousands of candidates one always fits a load that has nothing to do
// with the weather.
func FitModel(observations []Observation, f Fitting) (*Model, error) {
	m, choice, err := fitBest(observations, f)
	if err != nil {
		return nil, err
	}
	m.Best, m.Explained = m.Kind, math.NaN()
	if f.InSample || m.Kind == InterceptOnly || !choice.withMean {
		return m, nil
	}
	if m.Explained = explained(observations, f); m.Explained > least {
		return m, nil
	}
	f.Kinds = []ModelKind{InterceptOnly}
	mean, _, err := fitBest(observations, f)
	if err != nil {
		return nil, err
	}
	mean.Best, mean.Explained, mean.Candidates, mean.Qualified = m.Best, m.Explained, m.Candidates, m.Qualified
	return mean, nil
}

// fitBest fits the model with the highest adjusted R².
func fitBest(observations []Observation, f Fitting) (*Model, *search, error) {
	choice, err := searchBest(observations, f)
	if err != nil {
		return nil, nil, err
	}
	m := &Model{Kind: choice.kind, Heating: math.NaN(), Cooling: math.NaN(), Candidates: choice.candidates, Qualified: choice.qualified, Weights: choice.weights}
	if choice.cdd != nil {
		m.Cooling = choice.cdd.point
	}
	if choice.hdd != nil {
		m.Heating = choice.hdd.point
	}
	for _, o := range observations {
		m.X = append(m.X, m.Row(o))
	}
	m.Regression, err = Fit(m.X, choice.y, choice.weights)
	return m, choice, err
}

// searchBest looks at all candidates.
func searchBest(observations []Observation, f Fitting) (*search, error) {
	n := len(observations)
	y, weights := make([]float64, n), []float64(nil)
	if f.Billing {
		weights = make([]float64, n)
	}
	temperatures, nights := n > 0, n > 0
	for i, o := range observations {
		y[i] = o.Usage
		nights = nights && len(o.Dark) > 0
		if f.Billing {
			weights[i] = o.Days
		}
		temperatures = temperatures && len(o.Temps) > 0
	}
	tries := func(k ModelKind) bool {
		if len(f.Kinds) == 0 {
			return k == InterceptOnly || k == DarkHours && nights || k != DarkHours && temperatures
		}
		for _, kind := range f.Kinds {
			if kind == k {
				return true
			}
		}
		return false
	}
	if !temperatures && (tries(HDDOnly) || tries(CDDOnly) || tries(CDDHDD)) {
		return nil, fmt.Errorf("a model with degree days needs a temperature for each of its %d observations", n)
	}
	if !nights && tries(DarkHours) {
		return nil, fmt.Errorf("a model of dark hours needs them for each of its %d observations", n)
	}
	choice := &search{y: y, weights: weights, best: math.Inf(-1)}
	if tries(InterceptOnly) {
		choice.intercept()
	}
	if tries(DarkHours) {
		choice.nights(observations)
	}
	if temperatures && (tries(HDDOnly) || tries(CDDOnly) || tries(CDDHDD)) {
		hdd, cdd := choice.columns(observations, f.Billing, true), choice.columns(observations, f.Billing, false)
		if tries(HDDOnly) {
			for h := range hdd {
				choice.one(HDDOnly, &hdd[h])
			}
		}
		if tries(CDDOnly) {
			for c := range cdd {
				choice.one(CDDOnly, &cdd[c])
			}
		}
		if tries(CDDHDD) {
			for c := range cdd {
				for h := range hdd {
					if hdd[h].point <= cdd[c].point {
						choice.two(&cdd[c], &hdd[h])
					}
				}
			}
		}
	}
	if choice.qualified == 0 {
		return nil, fmt.Errorf("none of %d candidate models qualifies", choice.candidates)
	}
	return choice, nil
}

const (
	// blocks sets how many stretches of successive observations are left out in turn:
	// twelve of a year are its months. Successive days resemble each other, so that
	// single days would be foretold by their neighbours.
	blocks = 12

	// least is the share of the mean's squared error that a model must save on
	// stretches it was not fitted to. Of 120 years of a flat load with 8 % scatter
	// (autocorrelation 0 and 0.4) none keeps a weather model at 0.02, and of 120 in
	// which the weather explains 16 % of the variance all do. At 0.8 it is 8 of 60
	// and 49 of 60.
	least = 0.02
)

// explained is the share of the mean's squared error that the choice of a model
// saves on stretches it was not fitted to, choosing anew for each.
func explained(observations []Observation, f Fitting) float64 {
	f.InSample = true
	n := len(observations)
	k := min(blocks, n)
	plain, left, tried := 0.0, 0.0, 0
	for b := range k {
		from, to := b*n/k, (b+1)*n/k
		m, choice, err := fitBest(slices.Concat(observations[:from], observations[to:]), f)
		if err != nil {
			continue // too little is left to fit
		}
		tried++
		for _, o := range observations[from:to] {
			weight, foretold := 1.0, 0.0
			if f.Billing {
				weight = o.Days
			}
			for j, x := range m.Row(o) {
				foretold += x * m.Coef[j]
			}
			plain += weight * (o.Usage - choice.mean) * (o.Usage - choice.mean)
			left += weight * (o.Usage - foretold) * (o.Usage - foretold)
		}
	}
	if tried < 3 || plain == 0 {
		return math.NaN()
	}
	return 1 - left/plain
}

// Row is the row of the design matrix, per day, for an interval with an
// observation's temperatures and dark hours; its usage does not matter.
func (m *Model) Row(o Observation) []float64 {
	row := []float64{1}
	if m.Kind == DarkHours {
		return append(row, mean(o.Dark))
	}
	temps := o.Temps
	cdd, hdd := 0.0, 0.0
	for _, t := range temps {
		h, c := DegreeDays(t, m.Heating, m.Cooling)
		hdd, cdd = hdd+h, cdd+c
	}
	days := float64(len(temps))
	if !math.IsNaN(m.Cooling) {
		row = append(row, cdd/days)
	}
	if !math.IsNaN(m.Heating) {
		row = append(row, hdd/days)
	}
	return row
}

// Names are the coefficients' names in the order of Coef.
func (m *Model) Names() []string {
	names := []string{"intercept"}
	if m.Kind == DarkHours {
		names = append(names, "dark_hours")
	}
	if !math.IsNaN(m.Cooling) {
		names = append(names, "cdd")
	}
	if !math.IsNaN(m.Heating) {
		names = append(names, "hdd")
	}
	return names
}

// search finds the best of thousands of candidates by their centred sums of
// products; the best one alone is then fitted with care.
type search struct {
	y, weights            []float64
	mean, total           float64
	candidates, qualified int
	withMean              bool // the mean is one of the candidates
	best                  float64
	kind                  ModelKind
	cdd, hdd              *column
}

// column is one regressor of the grid.
type column struct {
	point    float64
	centred  []float64 // degree days per day less their mean
	mean     float64
	xx, xy   float64
	enough   bool // degree days to qualify
	weighted []float64
}

func (s *search) weight(i int) float64 {
	if s.weights == nil {
		return 1
	}
	return s.weights[i]
}

func (s *search) intercept() {
	s.prepare()
	s.candidates++
	if s.mean >= 0 {
		s.qualified, s.withMean = s.qualified+1, true
		s.take(0, InterceptOnly, nil, nil)
	}
}

func (s *search) prepare() {
	if s.total != 0 || len(s.y) == 0 {
		return
	}
	sum, sumW := 0.0, 0.0
	for i, y := range s.y {
		sum, sumW = sum+s.weight(i)*y, sumW+s.weight(i)
	}
	s.mean = sum / sumW
	for i, y := range s.y {
		s.total += s.weight(i) * (y - s.mean) * (y - s.mean)
	}
}

func (s *search) columns(observations []Observation, billing, heating bool) []column {
	s.prepare()
	columns := make([]column, gridSize)
	for k := range columns {
		c := &columns[k]
		c.point = float64(gridFrom + k)
		c.centred, c.weighted = make([]float64, len(observations)), make([]float64, len(observations))
		total, nonzero, sumW := 0.0, 0, 0.0
		for i, o := range observations {
			sum := 0.0
			for _, t := range o.Temps {
				hdd, cdd := DegreeDays(t, c.point, c.point)
				if heating {
					sum += hdd
				} else {
					sum += cdd
				}
			}
			if sum > 0 {
				nonzero++
			}
			x := sum / float64(len(o.Temps))
			total += x * o.Days
			c.centred[i] = x
			c.mean += s.weight(i) * x
			sumW += s.weight(i)
		}
		c.mean /= sumW
		c.enough = total >= 20 && (billing || nonzero >= 10)
		for i := range c.centred {
			c.centred[i] -= c.mean
			c.weighted[i] = s.weight(i) * c.centred[i]
			c.xx += c.weighted[i] * c.centred[i]
			c.xy += c.weighted[i] * (s.y[i] - s.mean)
		}
	}
	return columns
}

// nights tries the dark hours.
func (s *search) nights(observations []Observation) {
	s.prepare()
	s.candidates++
	n, average, sumW := float64(len(s.y)), 0.0, 0.0
	for i, o := range observations {
		average, sumW = average+s.weight(i)*mean(o.Dark), sumW+s.weight(i)
	}
	average /= sumW
	xx, xy := 0.0, 0.0
	for i, o := range observations {
		x := mean(o.Dark) - average
		xx, xy = xx+s.weight(i)*x*x, xy+s.weight(i)*x*(s.y[i]-s.mean)
	}
	if n <= 2 || s.total == 0 || !(xx > 0 && xy > 0) {
		return
	}
	s.qualified++
	s.take(1-(1-xy*xy/xx/s.total)*(n-1)/(n-2), DarkHours, nil, nil)
}

func (s *search) one(kind ModelKind, c *column) {
	s.candidates++
	n := float64(len(s.y))
	if !c.enough || c.xx <= 0 || n <= 2 {
		return
	}
	beta := c.xy / c.xx
	if beta < 0 || s.mean-beta*c.mean < 0 {
		return
	}
	s.qualified++
	r2 := beta * c.xy / s.total
	if s.total == 0 {
		r2 = 0
	}
	adjusted := 1 - (1-r2)*(n-1)/(n-2)
	if kind == HDDOnly {
		s.take(adjusted, kind, nil, c)
	} else {
		s.take(adjusted, kind, c, nil)
	}
}

func (s *search) two(c, h *column) {
	s.candidates++
	n := float64(len(s.y))
	if !c.enough || !h.enough || n <= 3 {
		return
	}
	xy := 0.0
	for i := range c.weighted {
		xy += c.weighted[i] * h.centred[i]
	}
	determinant := c.xx*h.xx - xy*xy
	if determinant <= 1e-10*c.xx*h.xx {
		return
	}
	betaC, betaH := (c.xy*h.xx-h.xy*xy)/determinant, (h.xy*c.xx-c.xy*xy)/determinant
	if betaC < 0 || betaH < 0 || s.mean-betaC*c.mean-betaH*h.mean < 0 {
		return
	}
	s.qualified++
	r2 := (betaC*c.xy + betaH*h.xy) / s.total
	if s.total == 0 {
		r2 = 0
	}
	s.take(1-(1-r2)*(n-1)/(n-3), CDDHDD, c, h)
}

func (s *search) take(adjusted float64, kind ModelKind, cdd, hdd *column) {
	if adjusted > s.best {
		s.best, s.kind, s.cdd, s.hdd = adjusted, kind, cdd, hdd
	}
}
