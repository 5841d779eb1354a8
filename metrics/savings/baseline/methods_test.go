package baseline

import (
	"errors"
	"path/filepath"
	"strconv"
	"testing"
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
