package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"greencommunity/ingest/document"
	"greencommunity/metrics/holidays"
	"greencommunity/metrics/savings/baseline"
)

// savingsFractionalCmd prints the band by ASHRAE Guideline 14 for figures that
// come from elsewhere.
type savingsFractionalCmd struct {
	File string `arg:"" help:"CSV with a header: n, m, months, rho, cv_rmse, F, kind (daily or billing), p (with the intercept). - is standard input."`
}

func (c *savingsFractionalCmd) Run(s streams) error {
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if len(rows) < 2 {
		return fmt.Errorf("%s: needs a header and rows", c.File)
	}
	rows[0][0] = strings.TrimPrefix(rows[0][0], "\ufeff")
	given := []string{"n", "m", "months", "rho", "cv_rmse", "F", "kind", "p"}
	at := map[string]int{}
	for _, name := range given {
		at[name] = slices.IndexFunc(rows[0], func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), name) })
		if at[name] < 0 {
			return fmt.Errorf("%s: no column %s; it has %s", c.File, name, strings.Join(rows[0], ", "))
		}
	}
	w := csv.NewWriter(s.out)
	_ = w.Write(append(slices.Clone(given), "n_eff", "t90", "t68", "sun_baltazar", "fsu90_g14_1p26", "fsu68_g14_1p26", "fsu90_caltrack", "fsu68_caltrack"))
	for i, row := range rows[1:] {
		var cells []string
		v := map[string]float64{}
		for _, name := range given {
			cell := strings.TrimSpace(row[at[name]])
			cells = append(cells, cell)
			if name == "kind" {
				if cell != "daily" && cell != "billing" {
					return fmt.Errorf("%s: line %d: kind %q is neither daily nor billing", c.File, i+2, cell)
				}
				continue
			}
			if v[name], err = strconv.ParseFloat(cell, 64); err != nil {
				return fmt.Errorf("%s: line %d: %s %q is not a number", c.File, i+2, name, cell)
			}
		}
		n, df := v["n"], v["n"]-v["p"]
		if df < 1 || df != math.Trunc(df) || v["m"] <= 0 || v["rho"] >= 1 || v["F"] == 0 {
			return fmt.Errorf("%s: line %d: needs n above p, m above 0, rho below 1 and F other than 0", c.File, i+2)
		}
		effective := baseline.EffectiveN(int(n), v["rho"])
		t90, t68 := baseline.TQuantile(0.90, int(df)), baseline.TQuantile(0.68, int(df))
		factor := baseline.SunBaltazar(v["months"], cells[slices.Index(given, "kind")] == "billing")
		figures := []float64{effective, t90, t68, factor}
		for _, k := range []float64{baseline.GuidelineFactor, factor} {
			for _, t := range []float64{t90, t68} {
				figures = append(figures, baseline.FractionalUncertainty(t, k, v["cv_rmse"], n, effective, v["m"], v["F"]))
			}
		}
		for _, f := range figures {
			cells = append(cells, strconv.FormatFloat(f, 'g', -1, 64))
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return w.Error()
}

// savingsLampsCmd compares two lamp inventories over the same hours.
type savingsLampsCmd struct {
	File string `arg:"" help:"YAML or JSON with baseline and reporting (lists of lamps as in the inventory: count, watts with ballast, burning, standby_watts, curve, schedule), burn_hours and hours of the period. - is standard input."`
}

func (c *savingsLampsCmd) Run(s streams) error {
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	var input struct {
		Baseline  []baseline.Lamps `yaml:"baseline"`
		Reporting []baseline.Lamps `yaml:"reporting"`
		BurnHours float64          `yaml:"burn_hours"`
		Hours     float64          `yaml:"hours"`
	}
	var problems document.Problems
	if document.Decode(text, &input, &problems); problems.Err() != nil {
		return fmt.Errorf("%s: %w", c.File, problems.Err())
	}
	if len(input.Baseline) == 0 || len(input.Reporting) == 0 || !(input.BurnHours >= 0) || !(input.Hours >= input.BurnHours) || input.Hours == 0 {
		return fmt.Errorf("%s: needs baseline and reporting lamps, burn_hours, and hours of at least as many", c.File)
	}
	before, err := baseline.LampEnergy(input.Baseline, input.BurnHours, input.Hours)
	if err != nil {
		return fmt.Errorf("%s: baseline: %w", c.File, err)
	}
	after, err := baseline.LampEnergy(input.Reporting, input.BurnHours, input.Hours)
	if err != nil {
		return fmt.Errorf("%s: reporting: %w", c.File, err)
	}
	return printJSON(s.out, map[string]any{
		"baseline_adjusted": before, "reporting": after, "savings": before - after,
		"fraction": baseline.Figure((before - after) / before), "unit": "kWh",
	})
}

// savingsPerCapitaCmd fits per-head use by month.
type savingsPerCapitaCmd struct {
	File    string  `arg:"" help:"CSV with a header: date, usage (m³ a day), persons; of a year at least. - is standard input."`
	Persons float64 `help:"How many persons, where the table has no column persons." placeholder:"N"`
}

func (c *savingsPerCapitaCmd) Run(s streams) error {
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	days, err := baseline.ReadPersonDays(file, c.Persons)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	screening := baseline.Screen(baseline.DaysOf(days), holidays.Standard())
	if refused := screening.Refused(); len(refused) > 0 {
		return fmt.Errorf("%s: refused as a baseline:\n  %s\n`greencommunity savings baseline` says more, and takes --accept KIND=REASON", c.File, strings.Join(refused, "\n  "))
	}
	fit, err := baseline.FitPerCapita(baseline.PersonDaysOf(screening.WithoutOutliers(baseline.DaysOf(days))), holidays.Standard())
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return printJSON(s.out, map[string]any{
		"weekend": fit.Weekend, "rest_days": fit.RestDays, "festival": fit.Festival, "XtX_inv": fit.Inverse,
		"method": "per_capita_monthly", "monthly": fit.Monthly, "monthly_days": fit.MonthlyDays, "relative": fit.Relative,
		"n": fit.N, "n_eff": fit.Effective, "rmse_n_minus_p": fit.RMSE, "cv_rmse": fit.CV, "screening": screening,
		"uncertainty": map[string]float64{"year_rel": math.Round(1000*baseline.YearLevelOf(fit.CV)) / 1000},
	})
}

// savingsNightFlowCmd splits a night flow.
type savingsNightFlowCmd struct {
	Flow        float64 `required:"" help:"Mean flow from 02:00 to 04:00, m³/h." placeholder:"M3/H"`
	Population  float64 `required:"" help:"Persons supplied." placeholder:"N"`
	ActiveShare float64 `help:"Share of them who use water in that hour." default:"0.06"`
	Litres      float64 `name:"litres-per-use" help:"Of one use, L." default:"10"`
	Exceptional float64 `help:"Known other night use, such as a tank that fills, m³/h." default:"0"`
	Factor      float64 `name:"hour-day-factor" help:"Hours a day the loss runs at night pressure; 24 at constant pressure only." default:"24"`
	Mains       float64 `help:"Length of mains, km, for UARL." default:"0"`
	Connections int     `help:"Service connections, for UARL; below 3000 there is no leakage index." default:"0"`
	Private     float64 `help:"Length of private pipe, km, for UARL." default:"0"`
	Pressure    float64 `help:"Mean pressure, m, for UARL." default:"0"`
}

func (c *savingsNightFlowCmd) Run(s streams) error {
	if !(c.Flow >= 0 && c.Population >= 0 && c.ActiveShare >= 0 && c.ActiveShare <= 1 && c.Litres >= 0 && c.Exceptional >= 0 && c.Factor > 0 && c.Factor <= 24*1.5) {
		return errors.New("flow, population, share (to 1), litres and exceptional use are 0 or more, the hour-day factor above 0 and to 36")
	}
	night := baseline.NightFlow{ActiveShare: c.ActiveShare, LitresPerUse: c.Litres, Exceptional: c.Exceptional, HourDayFactor: c.Factor}.Balance(c.Flow, c.Population)
	result := map[string]any{
		"legitimate_night_use_m3_per_h": night.Legitimate, "net_night_flow_m3_per_h": night.Net, "real_losses_m3_per_day": night.Losses,
	}
	if c.Pressure > 0 {
		uarl := baseline.UARL(c.Mains, c.Connections, c.Private, c.Pressure)
		result["uarl_litres_per_day"] = uarl
		ili, err := baseline.ILI(night.Losses*1000, uarl, c.Connections)
		if err != nil {
			result["ili"], result["ili_note"] = nil, err.Error()
		} else {
			result["ili"] = ili
		}
	}
	return printJSON(s.out, result)
}
