package baseline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Every figure that a case calls strict, to 1e-6, by name: whatever the case
// has must be in the analysis.
func TestStrictFiguresOfDailyCases(t *testing.T) {
	dirs, _ := filepath.Glob(casePath(t, "*/daily.csv"))
	if len(dirs) == 0 {
		t.Fatal("no daily cases")
	}
	for _, path := range dirs {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			a := analyseFile(t, path, TableOptions{})
			var want struct {
				Points map[string]*float64 `json:"balance_points_F"`
				Model  string              `json:"model_used_for_strict"`
				Strict map[string]any
			}
			readJSON(t, filepath.Join(filepath.Dir(path), "expected.json"), &want)
			if string(a.Model) != want.Model {
				t.Errorf("model %s, want %s", a.Model, want.Model)
			}
			got := generic(t, a)
			for name, point := range want.Points {
				v := got["balance_points_F"].(map[string]any)[name]
				if point == nil != (v == nil) || point != nil && v.(float64) != *point {
					t.Errorf("balance point %s: %v, want %v", name, v, point)
				}
			}
			if compared := compare(t, "", got, any(want.Strict)); compared < 100 {
				t.Errorf("only %d figures compared", compared)
			}
		})
	}
}

func generic(t testing.TB, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// compare holds everything in want against got, and counts.
func compare(t testing.TB, path string, got, want any) int {
	t.Helper()
	count := 0
	switch want := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s: missing", path)
			return 0
		}
		for k, v := range want {
			count += compare(t, path+"."+k, g[k], v)
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(want) {
			t.Errorf("%s: %v, want %v", path, got, want)
			return 0
		}
		for i := range want {
			count += compare(t, path, g[i], want[i])
		}
	case float64:
		g, ok := got.(float64)
		if !ok {
			t.Errorf("%s: %v, want %g", path, got, want)
			return 0
		}
		near(t, path, g, want, 1e-6)
		return 1
	default:
		if got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
		return 1
	}
	return count
}

func analyseFile(t testing.TB, path string, o TableOptions) *Analysis {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := ReadTable(f, o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Analyse(table, Fitting{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestBillingCase(t *testing.T) {
	a := analyseFile(t, casePath(t, "05-caltrack-billing-monthly/baseline_periods.csv"), TableOptions{})
	var want struct {
		WLS struct {
			Coef  map[string]float64
			BSE   []float64
			R2Adj float64 `json:"r2_adj"`
		}
		Program struct {
			Totals map[string]float64 `json:"totals_metrics"`
		} `json:"eemeter_2_9_2"`
	}
	readJSON(t, casePath(t, "05-caltrack-billing-monthly/expected.json"), &want)
	for i, name := range a.CoefNames {
		near(t, name, a.Coef[i], want.WLS.Coef[name], 1e-6)
		near(t, name+" standard error", a.StdErr[i], want.WLS.BSE[i], 1e-6)
	}
	near(t, "adjusted R2", float64(a.R2Adj), want.WLS.R2Adj, 1e-6)
	near(t, "lag-1 autocorrelation", float64(a.Rho), want.Program.Totals["autocorr_resid"], 1e-5)
	if a.RhoPlus != 0 || a.Effective != 11 {
		t.Errorf("a negative correlation makes %g observations of 11", a.Effective)
	}
}
