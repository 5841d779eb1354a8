package baseline

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"greencommunity/ingest/inventory/inventorytest"
)

// casePath returns where a reference case is, or the test is skipped.
func casePath(t testing.TB, parts ...string) string {
	t.Helper()
	dir := inventorytest.Cases(t)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{dir, "savings"}, parts...)...)
}

func readCSV(t testing.TB, path string) (header []string, rows [][]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

func number(t testing.TB, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(path, err)
	}
}

// near reports values that differ by more than a relative tolerance; what is
// zero but for rounding is compared absolutely.
func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance*math.Max(math.Abs(want), 1e-6) {
		t.Errorf("%s: got %.15g, want %.15g", what, got, want)
	}
}

// NIST's certified values carry 15 digits; two fewer are held to.
func TestLongley(t *testing.T) {
	_, rows := readCSV(t, casePath(t, "07-nist-longley/longley.csv"))
	var X [][]float64
	var y []float64
	for _, r := range rows {
		row := []float64{1}
		for _, v := range r[1:] {
			row = append(row, number(t, v))
		}
		X, y = append(X, row), append(y, number(t, r[0]))
	}
	var want struct {
		Coef, SE   []float64
		R2, F      float64
		ResidualSD float64 `json:"residual_sd"`
		SSE        float64 `json:"ss_residual"`
		DF         int     `json:"df_residual"`
	}
	readJSON(t, casePath(t, "07-nist-longley/expected.json"), &want)
	fit, err := Fit(X, y, nil)
	if err != nil {
		t.Fatal(err)
	}
	const digits = 1e-12
	for j := range want.Coef {
		near(t, "coefficient "+strconv.Itoa(j), fit.Coef[j], want.Coef[j], digits)
		near(t, "standard error "+strconv.Itoa(j), fit.StdErr[j], want.SE[j], digits)
	}
	near(t, "R2", fit.R2, want.R2, digits)
	near(t, "F", fit.F, want.F, digits)
	near(t, "residual sd", fit.S, want.ResidualSD, digits)
	near(t, "SSE", fit.SSE, want.SSE, digits)
	if fit.N-fit.P != want.DF {
		t.Errorf("df %d, want %d", fit.N-fit.P, want.DF)
	}
}

func TestTQuantiles(t *testing.T) {
	_, rows := readCSV(t, casePath(t, "08-t-quantiles-fsu-grid/t_two_sided.csv"))
	// The reference was computed in single steps that left four of its cells off
	// by up to 5e-9; 20 digits of the incomplete beta function say so.
	exact := map[string]float64{
		"0.8 3":   1.6377443536962101055,
		"0.68 30": 1.0112157453924327919,
		"0.8 30":  1.3104150253913956,
		"0.9 30":  1.6972608865939578486,
	}
	for _, r := range rows {
		df, _ := strconv.Atoi(r[1])
		got, want, tolerance := TQuantile(number(t, r[0]), df), number(t, r[2]), 1e-9
		if v, ok := exact[r[0]+" "+r[1]]; ok {
			near(t, r[0]+" df "+r[1]+", reference", got, want, 1e-8)
			want, tolerance = v, 1e-14
		}
		near(t, r[0]+" df "+r[1], got, want, tolerance)
	}
	if len(rows) < 60 {
		t.Errorf("%d rows", len(rows))
	}
	// Exact in closed form: df 1 is the Cauchy distribution.
	near(t, "df 1", TQuantile(0.9, 1), math.Tan(math.Pi*0.45), 1e-12)
}

func TestFitRefusesWhatHasNoUniqueSolution(t *testing.T) {
	for name, X := range map[string][][]float64{
		"a column twice":    {{1, 2, 2}, {1, 3, 3}, {1, 5, 5}, {1, 9, 9}},
		"too few rows":      {{1, 2, 7}, {1, 3, 1}},
		"an empty column":   {{1, 0}, {1, 0}, {1, 0}},
		"a multiple of one": {{1, 7}, {1, 7}, {1, 7}},
	} {
		if fit, err := Fit(X, make([]float64, len(X)), nil); err == nil {
			t.Errorf("%s: fitted %v", name, fit.Coef)
		}
	}
}
