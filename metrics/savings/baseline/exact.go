package baseline

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Regressing says what RegressTable fits to a table.
type Regressing struct {
	// Degree makes the powers up to it of the one column there is; 0: the
	// columns as they are.
	Degree int
	// Origin leaves the intercept out: the fit goes through the origin, and R²
	// and F are about 0 and not about the mean.
	Origin bool
}

// RegressTable fits the column y of a CSV table, or its first one where none
// has that name, by the others, and names the coefficients. It reckons with the
// decimals as they are written, in fractions, and rounds only what it returns:
// all digits hold however ill-conditioned the table is, where the best solution
// in float64 keeps half of them of a polynomial of degree 10.
func RegressTable(r io.Reader, o Regressing) (*Regression, []string, error) {
	header, records, lines, err := readRecords(r)
	if err != nil {
		return nil, nil, err
	}
	response := max(0, slices.IndexFunc(header, func(name string) bool { return strings.EqualFold(name, "y") }))
	if o.Degree < 0 || o.Degree > 0 && len(header) != 2 {
		return nil, nil, fmt.Errorf("a degree is of the powers of one column beside y; the table has %d", len(header)-1)
	}
	var names []string
	if !o.Origin {
		names = append(names, "intercept")
	}
	for k, name := range header {
		if k == response {
			continue
		}
		names = append(names, name)
		for power := 2; power <= o.Degree; power++ {
			names = append(names, fmt.Sprintf("%s^%d", name, power))
		}
	}
	var X [][]*big.Rat
	var y []*big.Rat
	for i, record := range records {
		var row []*big.Rat
		if !o.Origin {
			row = append(row, big.NewRat(1, 1))
		}
		for k, cell := range record {
			v, err := decimal(cell)
			if err != nil {
				return nil, nil, fmt.Errorf("line %d: %s %w", lines[i], header[k], err)
			}
			if k == response {
				y = append(y, v)
				continue
			}
			row = append(row, v)
			for power := 2; power <= o.Degree; power++ {
				row = append(row, new(big.Rat).Mul(row[len(row)-1], v))
			}
		}
		X = append(X, row)
	}
	fit, err := fitFractions(X, y, o.Origin)
	return fit, names, err
}

// decimal is a number as it is written. Its exponent is bounded, or a cell of a
// few bytes would be a number of gigabytes.
func decimal(s string) (*big.Rat, error) {
	s = strings.TrimSpace(s)
	if v, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && len(s) <= 400 {
		mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
		if e, err := strconv.Atoi(exponent); exponent == "" || err == nil && e >= -400 && e <= 400 {
			if v, ok := new(big.Rat).SetString(mantissa); ok && !strings.ContainsAny(mantissa, "/xpbo_") {
				if e == 0 {
					return v, nil
				}
				scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e, -e))), nil))
				if e < 0 {
					scale.Inv(scale)
				}
				return v.Mul(v, scale), nil
			}
		}
	}
	return nil, fmt.Errorf("%q is not a number", s)
}

// fitFractions solves the normal equations, which lose nothing here.
func fitFractions(X [][]*big.Rat, y []*big.Rat, origin bool) (*Regression, error) {
	n := len(X)
	if n == 0 {
		return nil, errors.New("the table has a header and no rows")
	}
	p := len(X[0])
	if p == 0 || n <= p {
		return nil, fmt.Errorf("%d observations for %d coefficients: %w", n, p, ErrSingular)
	}
	product := func(a, b []*big.Rat) *big.Rat {
		sum, term := new(big.Rat), new(big.Rat)
		for i := range a {
			sum.Add(sum, term.Mul(a[i], b[i]))
		}
		return sum
	}
	columns := make([][]*big.Rat, p, p+1)
	for j := range p {
		for i := range X {
			columns[j] = append(columns[j], X[i][j])
		}
	}
	columns = append(columns, y)
	// Each row is (XᵀX | Xᵀy | 1): elimination leaves (1 | coefficients | inverse).
	rows := make([][]*big.Rat, p)
	for j := range p {
		for k := range columns {
			rows[j] = append(rows[j], product(columns[j], columns[k]))
		}
		for k := range p {
			unit := new(big.Rat)
			if j == k {
				unit.SetInt64(1)
			}
			rows[j] = append(rows[j], unit)
		}
	}
	factor := new(big.Rat)
	for j := range p {
		// XᵀX is positive semidefinite: a pivot of 0 is a column that depends on
		// those before it.
		if rows[j][j].Sign() == 0 {
			return nil, fmt.Errorf("column %d depends on those before it: %w", j+1, ErrSingular)
		}
		pivot := new(big.Rat).Inv(rows[j][j])
		for k := range rows[j] {
			rows[j][k].Mul(rows[j][k], pivot)
		}
		for i := range rows {
			if i == j || rows[i][j].Sign() == 0 {
				continue
			}
			by := new(big.Rat).Set(rows[i][j])
			for k := range rows[i] {
				rows[i][k].Sub(rows[i][k], factor.Mul(by, rows[j][k]))
			}
		}
	}
	float := func(v *big.Rat) float64 { f, _ := v.Float64(); return f }
	// A root of a fraction, of more digits than a float64 has.
	root := func(v *big.Rat) float64 {
		f, _ := new(big.Float).Sqrt(new(big.Float).SetPrec(200).SetRat(v)).Float64()
		return f
	}
	coef := make([]*big.Rat, p)
	for j := range p {
		coef[j] = rows[j][p]
	}
	r := &Regression{N: n, P: p, Coef: make([]float64, p), StdErr: make([]float64, p), Residual: make([]float64, n), Inverse: make([][]float64, p)}
	sse := new(big.Rat)
	for i := range n {
		e := new(big.Rat).Sub(y[i], product(X[i], coef))
		r.Residual[i] = float(e)
		sse.Add(sse, e.Mul(e, e))
	}
	sum, squares := new(big.Rat), product(y, y)
	for _, v := range y {
		sum.Add(sum, v)
	}
	mean := new(big.Rat).Quo(sum, big.NewRat(int64(n), 1))
	total, explaining := squares, p
	if !origin {
		total, explaining = new(big.Rat).Sub(squares, sum.Mul(sum, mean)), p-1
	}
	variance := new(big.Rat).Quo(sse, big.NewRat(int64(n-p), 1))
	r.Mean, r.SSE, r.S = float(mean), float(sse), root(variance)
	r.F, r.R2 = math.NaN(), 0
	if total.Sign() > 0 && explaining > 0 {
		explained := new(big.Rat).Sub(total, sse)
		r.R2 = float(new(big.Rat).Quo(explained, total))
		if sse.Sign() > 0 {
			explained.Quo(explained, big.NewRat(int64(explaining), 1))
			r.F = float(explained.Quo(explained, variance))
		}
	}
	r.R2Adj = 1 - (1-r.R2)*float64(n-p+explaining)/float64(n-p)
	for j := range p {
		r.Coef[j] = float(coef[j])
		for k := range p {
			r.Inverse[j] = append(r.Inverse[j], float(rows[j][p+1+k]))
		}
		r.StdErr[j] = root(new(big.Rat).Mul(variance, rows[j][p+1+j]))
	}
	return r, nil
}
