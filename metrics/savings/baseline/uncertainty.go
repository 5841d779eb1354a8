package baseline

import "math"

// Autocorrelation is the correlation of each value with the one before it:
// Pearson's coefficient of v[1:] and v[:n-1]. Values that are missing are to be
// left out beforehand: the pairs are those of successive observations.
// NaN where one side does not vary.
func Autocorrelation(v []float64) float64 {
	if len(v) < 3 {
		return math.NaN()
	}
	a, b := v[1:], v[:len(v)-1]
	meanA, meanB := mean(a), mean(b)
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab += (a[i] - meanA) * (b[i] - meanB)
		aa += (a[i] - meanA) * (a[i] - meanA)
		bb += (b[i] - meanB) * (b[i] - meanB)
	}
	if aa == 0 || bb == 0 {
		return math.NaN()
	}
	return ab / math.Sqrt(aa*bb)
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// EffectiveN is n' = n(1-ρ⁺)/(1+ρ⁺): how many independent observations n
// autocorrelated ones are worth. A negative ρ does not make them worth more.
func EffectiveN(n int, rho float64) float64 {
	rho = max(rho, 0)
	if math.IsNaN(rho) {
		rho = 0
	}
	return float64(n) * (1 - rho) / (1 + rho)
}

// GuidelineFactor is the 1.26 of ASHRAE Guideline 14.
const GuidelineFactor = 1.26

// SunBaltazar is the factor that CalTRACK 4.3.2.4 puts in the place of 1.26,
// for a reporting period of so many months.
func SunBaltazar(months float64, billing bool) float64 {
	if billing {
		return -0.00022*months*months + 0.03306*months + 0.94054
	}
	return -0.00024*months*months + 0.03535*months + 1.00286
}

// FractionalUncertainty is the half width of the band as a fraction of the
// saving (ASHRAE Guideline 14-2014, annex B):
//
//	U = t·k·CV·√[(n/n')(1+2/n')/m] / F
//
// with cv the CV(RMSE) of the baseline model, n and effective its observations
// and what they are worth, m those of the reporting window, F the saving as a
// fraction of the adjusted baseline of that same window. The sign is F's.
func FractionalUncertainty(t, k, cv, n, effective, m, F float64) float64 {
	return t * k * cv * math.Sqrt(n/effective*(1+2/effective)/m) / F
}

// Band is the standard error of a sum of predictions less a sum of
// observations, for m intervals whose regressors sum to a. Scaled has the
// correction for autocorrelation:
//
//	s·√[(n/n')(aᵀ(XᵀX)⁻¹a + noise)]
//
// exact for ordinary least squares apart from that correction. Noise is m for
// daily data, and Σ days for billing periods, whose variance per day falls with
// their length.
func (r *Regression) Band(a []float64, noise, effective float64) (se, scaled float64) {
	sum := noise
	for j := range a {
		for k := range a {
			sum += a[j] * r.Inverse[j][k] * a[k]
		}
	}
	se = r.S * math.Sqrt(sum)
	return se, se * math.Sqrt(float64(r.N)/effective)
}

// Site is one member of a portfolio: its saving, half band and adjusted baseline.
type Site struct {
	Name     string
	Saving   float64
	Band     float64
	Baseline float64 // 0 where unknown
}

// Total is a portfolio's saving. Sites may be added up only where they are
// independent: one weather station or one emission factor for all makes them
// dependent, and the band too narrow.
type Total struct {
	Saving      float64
	Band        float64 // √Σ band²
	Fractional  float64 // Band / |Saving|
	Fraction    float64 // ΣSaving / ΣBaseline, never a mean of percentages; NaN without baselines
	Significant bool
}

// Portfolio adds up independent sites, negative ones as well (CalTRACK 4.3.2.5).
func Portfolio(sites []Site) Total {
	var t Total
	squares, baseline := 0.0, 0.0
	for _, s := range sites {
		t.Saving += s.Saving
		squares += s.Band * s.Band
		baseline += s.Baseline
	}
	t.Band = math.Sqrt(squares)
	t.Fractional = t.Band / math.Abs(t.Saving)
	t.Fraction = math.NaN()
	if baseline != 0 {
		t.Fraction = t.Saving / baseline
	}
	t.Significant = math.Abs(t.Saving) > t.Band
	return t
}
