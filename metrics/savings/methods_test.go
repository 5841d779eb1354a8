package savings

import (
	"errors"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFractionalUncertaintyGrid(t *testing.T) {
	header, rows := readCSV(t, casePath(t, "08-t-quantiles-fsu-grid/fsu_grid.csv"))
	for i, r := range rows {
		v := map[string]float64{}
		for k, name := range header {
			if name != "kind" {
				v[name] = number(t, r[k])
			}
		}
		billing := r[6] == "billing"
		row := "row " + strconv.Itoa(i+1)
		effective := EffectiveN(int(v["n"]), v["rho"])
		near(t, row+" n'", effective, v["n_eff"], 1e-12)
		q := TQuantile(0.9, int(v["n"]-v["p"]))
		near(t, row+" t", q, v["t90"], 1e-9)
		near(t, row+" factor", SunBaltazar(v["months"], billing), v["sun_baltazar"], 1e-12)
		near(t, row+" G14", FractionalUncertainty(q, GuidelineFactor, v["cv_rmse"], v["n"], effective, v["m"], v["F"]), v["fsu90_g14_1p26"], 1e-9)
		near(t, row+" CalTRACK", FractionalUncertainty(q, SunBaltazar(v["months"], billing), v["cv_rmse"], v["n"], effective, v["m"], v["F"]), v["fsu90_caltrack"], 1e-9)
	}
}

func TestPortfolioCases(t *testing.T) {
	paths, _ := filepath.Glob(casePath(t, "*portfolio*/expected.json"))
	if len(paths) == 0 {
		t.Fatal("no case")
	}
	for _, path := range paths {
		var want struct {
			Sites []struct {
				Name    string
				Savings float64
				DE90    float64 `json:"dE_90"`
			}
			Sum  float64 `json:"sum_savings"`
			Band float64 `json:"dE_90_quadrature"`
			FSU  float64 `json:"fsu_90"`
		}
		readJSON(t, path, &want)
		var sites []Site
		for _, s := range want.Sites {
			sites = append(sites, Site{Name: s.Name, Saving: s.Savings, Band: s.DE90})
		}
		got := Portfolio(sites)
		near(t, "sum", got.Saving, want.Sum, 1e-12)
		near(t, "band", got.Band, want.Band, 1e-12)
		near(t, "fsu", got.Fractional, want.FSU, 1e-12)
	}
}

func TestLightingByHand(t *testing.T) {
	var c struct {
		Given struct {
			Lamps     float64
			Watts     float64 `json:"baseline_W_per_point_incl_ballast"`
			Burning   float64 `json:"baseline_burning_fraction"`
			Rated     float64 `json:"reporting_rated_W"`
			Schedule  []struct{ Level, Hours_share float64 }
			Dim       []map[string]float64 `json:"dim_schedule"`
			Curve     map[string]float64   `json:"dim_power_curve_W"`
			Standby   float64              `json:"standby_W"`
			BurnHours float64              `json:"burn_hours_Q1"`
			Hours     float64              `json:"hours_total_Q1"`
		}
		Expected map[string]float64 `json:"expected_option_A_kWh"`
	}
	readJSON(t, casePath(t, "12-lighting-hand/expected.json"), &c)
	g := c.Given
	before := []Lamps{{Count: g.Lamps, Watts: g.Watts, Burning: g.Burning}}
	after := Lamps{Count: g.Lamps, Watts: g.Rated, StandbyWatts: g.Standby}
	for level, watts := range g.Curve {
		after.Curve = append(after.Curve, Level{number(t, level), watts})
	}
	for _, s := range g.Dim {
		after.Schedule = append(after.Schedule, Share{s["level"], s["hours_share"]})
	}
	baseline, err := LampEnergy(before, g.BurnHours, g.Hours)
	if err != nil {
		t.Fatal(err)
	}
	actual, err := LampEnergy([]Lamps{after}, g.BurnHours, g.Hours)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "baseline", baseline, c.Expected["baseline_adjusted"], 1e-12)
	near(t, "actual", actual, c.Expected["reporting"], 1e-12)
	near(t, "saving", baseline-actual, c.Expected["savings"], 1e-12)
	near(t, "fraction", (baseline-actual)/baseline, c.Expected["fraction"], 1e-12)
}

func TestNightFlowByHand(t *testing.T) {
	var c struct {
		Given struct {
			Population float64
			Minimum    float64 `json:"mnf_m3_per_h_window_02_04_mean"`
			Share      float64 `json:"active_share"`
			Litres     float64 `json:"litres_per_flush"`
			Factor     float64 `json:"hour_day_factor_if_constant_pressure"`
		}
		Expected map[string]any
	}
	readJSON(t, casePath(t, "13-mnf-hand/expected.json"), &c)
	g := c.Given
	n := NightFlow{ActiveShare: g.Share, LitresPerUse: g.Litres, HourDayFactor: g.Factor}.Balance(g.Minimum, g.Population)
	near(t, "legitimate", n.Legitimate, c.Expected["legitimate_night_use_m3_per_h"].(float64), 1e-12)
	near(t, "net", n.Net, c.Expected["net_night_flow_m3_per_h"].(float64), 1e-12)
	near(t, "losses", n.Losses, c.Expected["real_losses_m3_per_day"].(float64), 1e-12)
	if same := (NightFlow{}).Balance(g.Minimum, g.Population); same != n {
		t.Errorf("the defaults give %+v", same)
	}
	near(t, "UARL", UARL(2, 24, 0, 40), (36+19.2)*40, 1e-12)
}

func TestFactorsByYearAndArea(t *testing.T) {
	_, rows := readCSV(t, casePath(t, "14-grid-factors/grid_factors.csv"))
	f := Factors{Area: "Gansu"}
	for _, r := range rows {
		year, err := strconv.Atoi(r[0])
		if err != nil {
			continue // a factor for reporting by enterprises is not a year's statistic
		}
		f.Emission = append(f.Emission, Factor{Year: year, Area: r[1], KgCO2: number(t, r[2]), Source: r[3]})
	}
	if problems := f.Check(); problems != nil {
		t.Error(problems)
	}
	for year, want := range map[int]float64{2021: 495.5, 2022: 477.2, 2023: 447.1} {
		kg, used, err := f.CO2(1000, year)
		if err != nil || math.Abs(kg-want) > 1e-9 || used.Year != year {
			t.Errorf("%d: %g kg by %+v, %v", year, kg, used, err)
		}
	}
	if _, _, err := f.CO2(1000, 2030); err == nil {
		t.Error("2030 has no factor, and got one")
	}
}

func TestIndexOfSmallNetworkIsRefused(t *testing.T) {
	if _, err := ILI(40320, UARL(2, 24, 0, 40), 24); !errors.Is(err, ErrTooSmall) {
		t.Error(err)
	}
	if v, err := ILI(2e6, 1e6, 5000); err != nil || v != 2 {
		t.Error(v, err)
	}
}

func TestIrrigation(t *testing.T) {
	i := Irrigation{A: 1, B: 0.0008, Area: 5000}
	near(t, "dry day", i.Use(5, 0), 21, 1e-12)
	if wet := i.Use(2, 30); wet != 0 {
		t.Errorf("a wet day would have used %g", wet)
	}
}

// The band of per-head use by hand: 31 days of January and 28 of February of
// 1000 persons, each month's days scattering in proportion to its use.
func TestPerCapitaBandByHand(t *testing.T) {
	monthly := "monthly: [0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], monthly_days: [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], n: 365, n_eff: 146"
	for name, c := range map[string]struct {
		fit      string
		variance float64
	}{
		"in proportion": {"relative: true, rmse_n_minus_p: 0.08", 0.08 * 0.08 * (31*100*100 + 28*200*200 + 3100*3100/31.0 + 5600*5600/28.0)},
		"the same":      {"rmse_n_minus_p: 0.01", 0.01 * 0.01 * 1e6 * (31 + 28 + 31 + 28)},
	} {
		r := newRig(t, "- {id: h, spec: {resource: water, ipmvp: C, meters: [{device: wm}], baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: per_capita_monthly, "+monthly+", "+c.fit+"}}}")
		feed(r, "wm", "water_volume_total", "2026-01-01", 59, func(int, time.Time) float64 { return 120 })
		got := r.Quarter("nancheng", "water", "water", 2026, 1)
		r.close(name+": baseline", got.Baseline, 31*100+28*200)
		r.close(name+": band", got.Uncertainty, TQuantile(0.9, 353)*math.Sqrt(c.variance*365/146))
	}
	err := Check(load(t, "- {id: h, spec: {resource: water, ipmvp: C, meters: [{device: wm}], baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: per_capita_monthly, "+monthly+", relative: true, rmse_n_minus_p: 8}}}"))
	if err == nil || !strings.Contains(err.Error(), "as a share of the month's use, below 1") {
		t.Error(err)
	}
}
