package baseline

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Expected figures of these tables were solved in fractions by another program.

// powers is a table y,x1,...,xk with the powers of x written out.
func powers(k int, x, y func(i int) float64, n int) string {
	var b strings.Builder
	b.WriteString("y")
	for j := range k {
		fmt.Fprintf(&b, ",x%d", j+1)
	}
	for i := range n {
		fmt.Fprintf(&b, "\n%.0f", y(i))
		power := 1.0
		for range k {
			power *= x(i)
			fmt.Fprintf(&b, ",%.0f", power)
		}
	}
	return b.String() + "\n"
}

func regress(t *testing.T, table string, o Regressing) *Regression {
	t.Helper()
	fit, names, err := RegressTable(strings.NewReader(table), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != fit.P {
		t.Errorf("%d names for %d coefficients", len(names), fit.P)
	}
	return fit
}

// A polynomial of degree 5 through its own values, as in NIST's Wampler sets:
// all coefficients are 1 to the last digit, and nothing is left over.
func TestRegressionOfAnExactPolynomial(t *testing.T) {
	x := func(i int) float64 { return float64(i) }
	value := func(i int) float64 {
		sum, power := 0.0, 1.0
		for range 6 {
			sum, power = sum+power, power*float64(i)
		}
		return sum
	}
	fit := regress(t, powers(5, x, value, 21), Regressing{})
	for j, c := range fit.Coef {
		if c != 1 || fit.StdErr[j] != 0 {
			t.Errorf("coefficient %d: %.17g ± %g", j, c, fit.StdErr[j])
		}
	}
	if fit.R2 != 1 || fit.SSE != 0 {
		t.Errorf("R² %g, SSE %g", fit.R2, fit.SSE)
	}
	noisy := regress(t, powers(5, x, func(i int) float64 {
		return value(i) + 100*float64(1-2*(i%2))*float64(i*i%7)
	}, 21), Regressing{})
	for j, want := range []struct{ coef, se float64 }{
		{-29.61112800243235, 256.96125773277362}, {155.62301802832157, 282.17898070625095}, {-64.868037938639635, 93.04402272544877},
		{10.208459743693288, 12.1149263910148}, {0.48474227347561578, 0.67402291477940475}, {1.0100118730822729, 0.013410204877724798},
	} {
		near(t, fmt.Sprint("coefficient ", j), noisy.Coef[j], want.coef, 1e-15)
		near(t, fmt.Sprint("standard error ", j), noisy.StdErr[j], want.se, 1e-15)
	}
	near(t, "s", noisy.S, 281.77226136248705, 1e-15)
	near(t, "R²", noisy.R2, 0.99999993669922287, 1e-15)
	near(t, "F", noisy.F, 47392780.089239151, 1e-15)
}

// A polynomial of degree 10, on which float64 keeps no more than seven digits.
func TestRegressionThatFloatsCannotSolve(t *testing.T) {
	var b strings.Builder
	b.WriteString("\ufeffx;y\r\n") // any column order and separator
	for i := range 64 {
		fmt.Fprintf(&b, "%.2f;%.3f\r\n", -8.8+0.09*float64(i), float64(i*i*7919%1009)/1000)
	}
	fit := regress(t, b.String(), Regressing{Degree: 10})
	coef := []float64{-39265.574387656248, -74772.484535021212, -63090.360510566448, -31062.638803925492, -9884.5351382497175, -2124.806821682582,
		-312.60366031121871, -31.094925730872425, -2.0024313127226934, -0.075426545948612419, -0.0012626727485604234}
	se := []float64{25557.974971322175, 48190.511333623266, 40314.10635255406, 19707.016701156982, 6235.3133592561118, 1334.6267464572818,
		195.77503985266507, 19.440649143683332, 1.251161599796509, 0.047144218270758663, 0.0007901221872671647}
	for j := range coef {
		near(t, fmt.Sprint("coefficient ", j), fit.Coef[j], coef[j], 1e-15)
		near(t, fmt.Sprint("standard error ", j), fit.StdErr[j], se[j], 1e-15)
	}
	near(t, "s", fit.S, 0.28623599895970212, 1e-15)
	near(t, "R²", fit.R2, 0.13454779949265434, 1e-15)
	near(t, "F", fit.F, 0.82396617270489614, 1e-15)
	near(t, "SSE", fit.SSE, 4.3423454963243055, 1e-15)
}

func TestRegressionThroughTheOrigin(t *testing.T) {
	fit := regress(t, "y,x\n7,3\n11,5\n15,8\n28,13\n41,21\n", Regressing{Origin: true})
	near(t, "slope", fit.Coef[0], 2.0070621468926554, 1e-15)
	near(t, "standard error", fit.StdErr[0], 0.053031974104108046, 1e-15)
	near(t, "s", fit.S, 1.4110890533145599, 1e-15)
	near(t, "R²", fit.R2, 0.9972151436134487, 1e-15)
	if fit.P != 1 || fit.N != 5 {
		t.Errorf("%d coefficients of %d rows", fit.P, fit.N)
	}
}

// Both ways to fit agree where float64 can.
func TestRegressionAgreesWithFit(t *testing.T) {
	var b strings.Builder
	b.WriteString("y,a,b\n")
	var X [][]float64
	var y []float64
	for i := range 40 {
		u, v := float64(i*37%101), float64(i*i%53)
		r := 3 + 0.5*u - 0.25*v + float64(i*17%11)/8
		fmt.Fprintf(&b, "%v,%v,%v\n", r, u, v)
		X, y = append(X, []float64{1, u, v}), append(y, r)
	}
	exact := regress(t, b.String(), Regressing{})
	fit, err := Fit(X, y, nil)
	if err != nil {
		t.Fatal(err)
	}
	for j := range fit.Coef {
		near(t, "coefficient", fit.Coef[j], exact.Coef[j], 1e-13)
		near(t, "standard error", fit.StdErr[j], exact.StdErr[j], 1e-13)
		for k := range fit.Coef {
			near(t, "inverse", fit.Inverse[j][k], exact.Inverse[j][k], 1e-12)
		}
	}
	near(t, "F", fit.F, exact.F, 1e-12)
	near(t, "adjusted R²", fit.R2Adj, exact.R2Adj, 1e-13)
	near(t, "mean", fit.Mean, exact.Mean, 1e-13)
}

func TestRegressionSaysWhatIsWrong(t *testing.T) {
	for table, want := range map[string]string{
		"":                                     "the table is empty",
		"y,x\n":                                "no rows",
		"y,x\n1,2\n2,3\n":                      "2 observations for 2 coefficients",
		"y,x\n1,2\n2,zwei\n3,4\n":              `line 3: x "zwei" is not a number`,
		"y,x\n1,2\n2,\n3,4\n":                  `line 3: x "" is not a number`,
		"y,x\n1,2\n2,1e999999999\n3,4\n":       "is not a number",
		"y,x\n1,2\n2,0x10\n3,4\n":              "is not a number",
		"y,x\n1,2\n2,NaN\n3,4\n":               "is not a number",
		"y,x\n1,2\n2,1/3\n3,4\n":               "is not a number",
		"y,a,b\n1,2,4\n2,3,6\n3,4,8\n4,5,10\n": "depends on those before it",
	} {
		_, _, err := RegressTable(strings.NewReader(table), Regressing{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", table, err, want)
		}
	}
	if _, _, err := RegressTable(strings.NewReader("y,x\n1,7\n2,7\n3,7\n"), Regressing{}); !errors.Is(err, ErrSingular) {
		t.Error(err)
	}
	if _, _, err := RegressTable(strings.NewReader("y,a,b\n1,7,1\n"), Regressing{Degree: 2}); err == nil {
		t.Error("a degree of two columns")
	}
	if fit := regress(t, "y,x\n+1.5e2,1E-3\n.5e1, 2e-3\n7,3e-3\n", Regressing{}); fit.N != 3 {
		t.Errorf("%+v", fit)
	}
}

// Quantiles to 17 digits by the incomplete beta function in 40.
func TestTQuantilesFarOut(t *testing.T) {
	for _, c := range []struct {
		confidence float64
		df         int
		want       float64
	}{
		{0.9, 1, 6.3137515146750445}, {0.68, 1, 1.8189932472810666}, {0.9, 2, 2.9199855803537261}, {0.5, 7, 0.71114177808178631},
		{0.99, 4, 4.604094871349992}, {0.999, 30, 3.6459586350420215}, {0.999999, 5, 28.478473462819561}, {0.1, 363, 0.12574928929614217},
		{0.95, 999, 1.9623414611334496}, {0.9, 1001, 1.6463772921994683}, {0.68, 5000, 0.99455678921137447}, {0.99, 100000, 2.575878469908375},
		{0.95, 1000000000, 1.9599639869123251},
	} {
		near(t, fmt.Sprintf("%g, df %d", c.confidence, c.df), TQuantile(c.confidence, c.df), c.want, 1e-11)
	}
	// No step where one method takes over from another.
	for _, confidence := range []float64{0.3, 0.68, 0.9, 0.95, 0.9999} {
		last := TQuantile(confidence, 1)
		for df := 2; df < 1200; df++ {
			q := TQuantile(confidence, df)
			if !(q < last) {
				t.Fatalf("%g: t does not fall at df %d: %.17g, %.17g", confidence, df, last, q)
			}
			last = q
		}
	}
}
