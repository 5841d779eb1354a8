package baseline

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// ErrSingular is returned where the columns of a regression depend on each
// other, or there are no more rows than columns.
var ErrSingular = errors.New("the regression has no unique solution")

// Regression is a linear least-squares fit y = X·Coef + residual, weighted
// where weights were given. p counts all columns, the intercept among them.
type Regression struct {
	N, P     int
	Coef     []float64   // p
	StdErr   []float64   // p
	Inverse  [][]float64 // p×p: (XᵀWX)⁻¹
	Residual []float64   // n: y - X·Coef, unweighted
	SSE      float64     // weighted sum of squared residuals
	S        float64     // residual standard deviation √(SSE/(n-p))
	R2       float64     // about the weighted mean: meaningful with an intercept
	R2Adj    float64
	F        float64 // of all coefficients but the intercept; NaN for p = 1
	Mean     float64 // weighted mean of y
}

// Fit solves by Householder QR and refines the solution with residuals taken
// in twice the precision (Björck 1967, on the augmented system), which brings
// an ill-conditioned problem such as NIST's Longley to the last digits. The
// normal equations would lose half of them. weights nil is all ones; X has a
// row an observation and contains the column of ones where there is to be an
// intercept.
func Fit(X [][]float64, y, weights []float64) (*Regression, error) {
	n := len(X)
	if n == 0 || len(y) != n || (weights != nil && len(weights) != n) {
		return nil, fmt.Errorf("regression of %d rows, %d values and %d weights: %w", n, len(y), len(weights), ErrSingular)
	}
	p := len(X[0])
	if n <= p {
		return nil, fmt.Errorf("%d observations for %d coefficients: %w", n, p, ErrSingular)
	}
	// Columns are scaled by powers of two, exactly, so that their sizes do not
	// decide what counts as singular.
	scale := make([]float64, p)
	for j := range p {
		largest := 0.0
		for i := range n {
			largest = max(largest, math.Abs(X[i][j]))
		}
		if largest == 0 || math.IsInf(largest, 0) || math.IsNaN(largest) {
			return nil, fmt.Errorf("column %d is empty or not finite: %w", j+1, ErrSingular)
		}
		_, exponent := math.Frexp(largest)
		scale[j] = math.Ldexp(1, -exponent)
	}
	root := make([]float64, n)
	for i := range root {
		root[i] = 1
		if weights != nil {
			if !(weights[i] > 0) {
				return nil, fmt.Errorf("weight %d is %g: %w", i+1, weights[i], ErrSingular)
			}
			root[i] = math.Sqrt(weights[i])
		}
	}
	a := mat.NewDense(n, p, nil)
	b := make([]float64, n)
	for i := range n {
		for j := range p {
			a.Set(i, j, X[i][j]*scale[j]*root[i])
		}
		b[i] = y[i] * root[i]
	}
	beta, inverse, err := solve(a, b)
	if err != nil {
		return nil, err
	}
	r := &Regression{N: n, P: p, Coef: make([]float64, p), StdErr: make([]float64, p), Residual: make([]float64, n), Inverse: make([][]float64, p)}
	for j := range p {
		r.Coef[j] = beta[j] * scale[j]
	}
	sumW, sumWY := 0.0, 0.0
	for i := range n {
		w := root[i] * root[i]
		sumW += w
		sumWY += w * y[i]
		r.Residual[i] = residual(y[i], X[i], r.Coef)
		r.SSE += w * r.Residual[i] * r.Residual[i]
	}
	r.Mean = sumWY / sumW
	total := 0.0
	for i := range n {
		total += root[i] * root[i] * (y[i] - r.Mean) * (y[i] - r.Mean)
	}
	r.S = math.Sqrt(r.SSE / float64(n-p))
	r.R2 = 1 - r.SSE/total
	if p == 1 || total == 0 { // nothing explained: flat, or the mean only
		r.R2 = 0
	}
	r.R2Adj = 1 - (1-r.R2)*float64(n-1)/float64(n-p)
	r.F = math.NaN()
	if p > 1 {
		r.F = ((total - r.SSE) / float64(p-1)) / (r.SSE / float64(n-p))
	}
	for j := range p {
		r.Inverse[j] = make([]float64, p)
		for k := range p {
			r.Inverse[j][k] = inverse.At(j, k) * scale[j] * scale[k]
		}
		r.StdErr[j] = r.S * math.Sqrt(r.Inverse[j][j])
	}
	return r, nil
}

// solve returns the least-squares solution of a·x = b and (aᵀa)⁻¹.
func solve(a *mat.Dense, b []float64) ([]float64, *mat.Dense, error) {
	n, p := a.Dims()
	var qr mat.QR
	qr.Factorize(a)
	if c := qr.Cond(); !(c < 1e15) {
		return nil, nil, fmt.Errorf("condition number %.1g: %w", c, ErrSingular)
	}
	var q, r mat.Dense
	qr.RTo(&r)
	qr.QTo(&q)
	R := blas64.Triangular{Uplo: blas.Upper, Diag: blas.NonUnit, N: p, Data: make([]float64, p*p), Stride: p}
	for i := range p {
		for j := i; j < p; j++ {
			R.Data[i*p+j] = r.At(i, j)
		}
	}
	x, rest := make([]float64, p), append([]float64(nil), b...)
	f, g := make([]float64, n), make([]float64, p)
	for i := range rest {
		rest[i] = 0
	}
	for round := range 6 {
		// f = b - rest - a·x and g = -aᵀ·rest: what is still wrong.
		for i := range n {
			s := twofold{b[i], 0}
			s.sub(rest[i])
			for j := range p {
				s.subProduct(a.At(i, j), x[j])
			}
			f[i] = s.hi + s.lo
		}
		for j := range p {
			var s twofold
			for i := range n {
				s.subProduct(a.At(i, j), rest[i])
			}
			g[j] = s.hi + s.lo
		}
		z := blas64.Vector{N: p, Data: append([]float64(nil), g...), Inc: 1}
		blas64.Trsv(blas.Trans, R, z)
		d := make([]float64, p)
		for j := range p {
			for i := range n {
				d[j] += q.At(i, j) * f[i]
			}
		}
		dx := blas64.Vector{N: p, Data: make([]float64, p), Inc: 1}
		for j := range p {
			dx.Data[j] = d[j] - z.Data[j]
		}
		blas64.Trsv(blas.NoTrans, R, dx)
		change := 0.0
		for i := range n {
			s := f[i]
			for j := range p {
				s += q.At(i, j) * (z.Data[j] - d[j])
			}
			rest[i] += s
		}
		for j := range p {
			x[j] += dx.Data[j]
			if x[j] != 0 {
				change = max(change, math.Abs(dx.Data[j]/x[j]))
			}
		}
		if round > 0 && change < 1e-16 {
			break
		}
	}
	inverse := mat.NewDense(p, p, nil)
	for k := range p {
		e := blas64.Vector{N: p, Data: make([]float64, p), Inc: 1}
		e.Data[k] = 1
		blas64.Trsv(blas.Trans, R, e)
		blas64.Trsv(blas.NoTrans, R, e)
		for j := range p {
			inverse.Set(j, k, e.Data[j])
		}
	}
	return x, inverse, nil
}

func residual(y float64, x, coef []float64) float64 {
	s := twofold{y, 0}
	for j := range x {
		s.subProduct(x[j], coef[j])
	}
	return s.hi + s.lo
}

// twofold is an unevaluated sum hi+lo with twice the digits of a float64.
type twofold struct{ hi, lo float64 }

func (s *twofold) sub(v float64) {
	hi := s.hi - v
	t := hi - s.hi
	s.lo += (s.hi - (hi - t)) - (v + t)
	s.hi = hi
}

func (s *twofold) subProduct(a, b float64) {
	product := a * b
	s.sub(product)
	s.lo -= math.FMA(a, b, -product)
}

// TQuantile is the t with P(|T| <= t) = confidence for Student's distribution
// with df degrees of freedom: df = n - p, at least 1. It is good to 1e-11.
func TQuantile(confidence float64, df int) float64 {
	nu := float64(df)
	if df > 1000 {
		// The expansion about the normal quantile (Abramowitz and Stegun 26.7.5),
		// whose next term is below 1e-11 from here on.
		z := math.Sqrt2 * math.Erfinv(confidence)
		if confidence > 0.5 {
			z = math.Sqrt2 * math.Erfcinv(1-confidence)
		}
		s := z * z
		return z * (1 + ((s+1)/4+(((5*s+16)*s+3)/96+((((3*s+19)*s+17)*s-15)/384+
			((((79*s+776)*s+1482)*s-1920)*s-945)/(92160*nu))/nu)/nu)/nu)
	}
	// The library's quantile and distribution are good to about 1e-9; Newton on
	// more exact ones brings the rest.
	t := distuv.StudentsT{Sigma: 1, Nu: nu}
	q := t.Quantile(0.5 + confidence/2)
	if confidence > 0.9 {
		// What is left outside, not within: 1 has no digits to spare.
		for range 50 {
			outside := beyond(q, nu)
			step := outside / (2 * q * t.Prob(q)) * math.Log(outside/(1-confidence))
			q *= math.Exp(step)
			if math.Abs(step) < 1e-15 {
				break
			}
		}
		return q
	}
	for range 8 {
		step := (within(q, df) - confidence) / (2 * t.Prob(q))
		q -= step
		if math.Abs(step) < 1e-15*q {
			break
		}
	}
	return q
}

// beyond is P(|T| > t) for t of at least 1: the incomplete beta function
// I(x; df/2, 1/2) at x = df/(df+t²), as a continued fraction (Abramowitz and
// Stegun 26.5.8) by Lentz's method.
func beyond(t, nu float64) float64 {
	a, b, x := nu/2, 0.5, nu/(nu+t*t)
	whole, _ := math.Lgamma(a + b)
	part, _ := math.Lgamma(a)
	front := math.Exp(whole-part-0.5*math.Log(math.Pi)+a*math.Log(x)+b*math.Log(t*t/(nu+t*t))) / a
	c, d := 1.0, 1/(1-(a+b)/(a+1)*x)
	fraction := d
	for m := 1.0; m < 1000; m++ {
		for _, term := range [2]float64{m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)), -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))} {
			d = 1 / (1 + term*d)
			c = 1 + term/c
			fraction *= c * d
		}
		if math.Abs(c*d-1) < 1e-16 {
			break
		}
	}
	return front * fraction
}

// within is P(|T| <= t) for Student's distribution: the finite series for whole
// df (Abramowitz and Stegun 26.7.3, 26.7.4), which have positive terms only.
func within(t float64, df int) float64 {
	angle := math.Atan(t / math.Sqrt(float64(df)))
	cos2 := float64(df) / (float64(df) + t*t)
	term, sum, first := 1.0, 0.0, 1
	if df%2 == 1 {
		term, first = math.Sqrt(cos2), 2
	}
	for k := first; k <= df-1; k += 2 {
		sum += term
		term *= cos2 * float64(k) / float64(k+1)
		if term < 1e-18*sum {
			break
		}
	}
	if df%2 == 1 {
		return 2 / math.Pi * (angle + math.Sin(angle)*sum)
	}
	return math.Sin(angle) * sum
}
