package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/picture"
)

// savingsCmd computes savings. Without the name of a part it is table.
type savingsCmd struct {
	Table savingsTableCmd `cmd:"" default:"withargs" help:"Savings of a table of days or billing periods, as JSON."`
}

// savingsTableCmd computes what a table (CSV) saved, with the same arithmetic
// the service has.
type savingsTableCmd struct {
	File            string   `arg:"" help:"CSV with a header: date, period (baseline, reporting, blackout), usage and, optional, tmean_F or tmean_C. - is standard input."`
	Picture         string   `help:"Draw baseline, actual use and cumulative saving with its band into this .png or .svg." placeholder:"FILE"`
	Resource        string   `help:"electricity (a day of 0 is missing), gas (no cooling), water, heat." enum:"electricity,gas,water,heat,other" default:"other"`
	Unit            string   `help:"Unit of usage, for the picture." default:""`
	Model           []string `help:"Kinds of model to choose from: intercept_only, hdd_only, cdd_only, cdd_hdd. Default: all." enum:"intercept_only,hdd_only,cdd_only,cdd_hdd" placeholder:"KIND"`
	Billing         bool     `help:"Usage is of billing periods: from a row's date to the next's."`
	Temperature     string   `help:"CSV of daily temperatures (date, tmean_F or tmean_C) for billing periods." placeholder:"FILE"`
	TemperatureUnit string   `help:"F or C, where the column's name does not say it." placeholder:"F|C"`
	BaselineEnd     string   `help:"First day after the baseline, where the table has no column period." placeholder:"DATE"`
	ReportingStart  string   `help:"First day of reporting, where the table has no column period." placeholder:"DATE"`
}

func (c *savingsTableCmd) Run(s streams) error {
	o := savings.Reading{Billing: c.Billing, TemperatureUnit: c.TemperatureUnit, ZeroIsMissing: c.Resource == "electricity"}
	for _, day := range []struct {
		flag, text string
		into       *time.Time
	}{{"--baseline-end", c.BaselineEnd, &o.BaselineEnd}, {"--reporting-start", c.ReportingStart, &o.ReportingStart}} {
		if day.text == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, day.text)
		if err != nil {
			return fmt.Errorf("%s: %q is not a day; write 2026-03-01", day.flag, day.text)
		}
		*day.into = t
	}
	if unit := strings.ToUpper(c.TemperatureUnit); unit != "" && unit != "F" && unit != "C" {
		return fmt.Errorf("--temperature-unit: %q is neither F nor C", c.TemperatureUnit)
	}
	format := ""
	if c.Picture != "" {
		var err error
		if format, err = picture.Format(c.Picture); err != nil {
			return fmt.Errorf("--picture: %w", err)
		}
	}
	if c.Temperature != "" {
		f, err := os.Open(c.Temperature)
		if err != nil {
			return err
		}
		defer f.Close()
		o.Temperature, o.Billing = f, true
	}
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	table, err := savings.ReadTable(file, o)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	var kinds []savings.ModelKind
	for _, k := range c.Model {
		kinds = append(kinds, savings.ModelKind(k))
	}
	if len(kinds) == 0 && c.Resource == "gas" {
		kinds = []savings.ModelKind{savings.InterceptOnly, savings.HDDOnly}
	}
	analysis, err := savings.Analyse(table, kinds)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.Picture != "" {
		unit := c.Unit
		if unit == "" {
			unit = map[string]string{"electricity": "kWh", "water": "m³"}[c.Resource]
		}
		if unit == "" {
			unit = "use"
		}
		if err := writePicture(c.Picture, format, analysis, unit); err != nil {
			return err
		}
	}
	return printJSON(s.out, analysis)
}

func writePicture(name, format string, a *savings.Analysis, unit string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := picture.Write(f, format, a, unit); err != nil {
		f.Close()
		os.Remove(name)
		return err
	}
	return f.Close()
}

// open opens a file, or standard input for "-".
func open(name string, s streams) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(s.in), nil
	}
	return os.Open(name)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
