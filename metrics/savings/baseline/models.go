package baseline

import (
	"fmt"
	"math"
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
}

// Fitting restricts how a model is chosen.
type Fitting struct {
	// Billing weights each observation by its days, and does not ask for a
	// number of observations with degree days (CalTRACK 3.2.2.2, 3.4.2).
	Billing bool
	// Kinds are the kinds of model to try; empty: all. Gas has no cooling.
	Kinds []ModelKind
}

// Model is a fitted usage-per-day model,
// usage = intercept + βc·CDD(cooling) + βh·HDD(heating), degree days in °F.
type Model struct {
	*Regression
	Kind             ModelKind
	Heating, Cooling float64 // balance points, °F; NaN where the term is missing
	Candidates       int     // how many were looked at
	Qualified        int     // how many of them could be used
	X                [][]float64
	Weights          []float64
}

// FitModel chooses the model with the highest adjusted R² among all kinds and
// all balance points of the grid (CalTRACK 3.3, 3.4). To qualify, a term needs
// 20 degree days in total, and for daily data 10 days that have some; no
// coefficient may be negative; the cooling balance point is not below the
// heating one.
func FitModel(observations []Observation, f Fitting) (*Model, error) {
	n := len(observations)
	y, weights := make([]float64, n), []float64(nil)
	if f.Billing {
		weights = make([]float64, n)
	}
	temperatures := n > 0
	for i, o := range observations {
		y[i] = o.Usage
		if f.Billing {
			weights[i] = o.Days
		}
		temperatures = temperatures && len(o.Temps) > 0
	}
	tries := func(k ModelKind) bool {
		if len(f.Kinds) == 0 {
			return k == InterceptOnly || temperatures
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
	choice := search{y: y, weights: weights, best: math.Inf(-1)}
	if tries(InterceptOnly) {
		choice.intercept()
	}
	if temperatures {
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
	m := &Model{Kind: choice.kind, Heating: math.NaN(), Cooling: math.NaN(), Candidates: choice.candidates, Qualified: choice.qualified, Weights: weights}
	if choice.cdd != nil {
		m.Cooling = choice.cdd.point
	}
	if choice.hdd != nil {
		m.Heating = choice.hdd.point
	}
	for _, o := range observations {
		m.X = append(m.X, m.Row(o.Temps))
	}
	var err error
	m.Regression, err = Fit(m.X, y, weights)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Row is the row of the design matrix, per day, for an interval with these
// daily mean temperatures (°F).
func (m *Model) Row(temps []float64) []float64 {
	row := []float64{1}
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
		s.qualified++
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
