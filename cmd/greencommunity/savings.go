package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/savings/picture"
	"greencommunity/metrics/sun"
	"greencommunity/metrics/usage"
)

// savingsCmd computes savings: without a further word it is compute. The other
// parts show single steps of the arithmetic.
type savingsCmd struct {
	Compute    savingsComputeCmd    `cmd:"" default:"withargs" help:"Savings of a table of days or billing periods; or, with --from and --to or --quarter, recomputed from InfluxDB, and with --report as a quarterly report."`
	Baseline   savingsBaselineCmd   `cmd:"" help:"Screen a year of days, from a table or from InfluxDB, and print the baseline to freeze, or why it is refused."`
	Regress    savingsRegressCmd    `cmd:"" help:"Least squares of a table y,x1,... or of a polynomial, in exact arithmetic: coefficients, standard errors, R², F."`
	Quantile   savingsQuantileCmd   `cmd:"" help:"Two-sided quantile of Student's t."`
	BurnHours  savingsBurnHoursCmd  `cmd:"" help:"Nights of a site as CSV: sunset, sunrise, dusk and dawn, and the burn hours of the nights and of the calendar days."`
	Registers  savingsRegistersCmd  `cmd:"" help:"Use from a meter's reads, with the reason of each booking."`
	Portfolio  savingsPortfolioCmd  `cmd:"" help:"Total of independent sites with its band."`
	Fractional savingsFractionalCmd `cmd:"" help:"Fractional uncertainty of a saving by ASHRAE Guideline 14, with 1.26 and with CalTRACK's polynomial."`
	Lamps      savingsLampsCmd      `cmd:"" help:"Saving of lamps by their inventory (IPMVP option A)."`
	PerCapita  savingsPerCapitaCmd  `cmd:"" help:"Baseline of household water by month, from days and persons, as the inventory takes it."`
	NightFlow  savingsNightFlowCmd  `cmd:"" help:"Net night flow, losses and what is unavoidable of them."`
}

// savingsComputeCmd chooses between a table and what is stored.
type savingsComputeCmd struct {
	savingsTableCmd
	From      string `help:"First day to recompute from InfluxDB." placeholder:"DATE"`
	To        string `help:"First day after." placeholder:"DATE"`
	Community string `help:"Only this community." placeholder:"ID"`
	Config    string `help:"Path of config.yaml, for what is in InfluxDB." default:"config.yaml" placeholder:"FILE"`
	Quarter   string `help:"The days of a quarter, in place of --from and --to, such as 2026Q1." placeholder:"QUARTER"`

	Report        string `help:"Write what is recomputed as a quarterly report into this .html (to be printed and signed), .docx, .xlsx or .csv." placeholder:"FILE"`
	ReportingUnit string `help:"Who files the report." placeholder:"NAME"`
	NextSteps     string `help:"Text file with what comes next, a paragraph a line. Default: savings.report.next_steps of the configuration." placeholder:"FILE"`
	AsOf          string `help:"Last day whose data the report is of. Default: yesterday, where the quarter is not over." placeholder:"DATE"`
	Filed         string `help:"The .csv of this period that was filed before: what has changed since is listed, and is a new revision once final." placeholder:"FILE"`
}

func (c *savingsComputeCmd) Run(ctx context.Context, s streams) error {
	stored := c.From != "" || c.To != "" || c.Community != "" || c.Quarter != "" || c.Report != ""
	switch {
	case stored && c.File != "":
		return errors.New("give either a table or --from and --to; a report is of what is in InfluxDB")
	case stored:
		return c.recompute(ctx, s)
	case c.File == "":
		return errors.New("give a table (CSV), or --from and --to to recompute from InfluxDB")
	}
	return c.table(s)
}

func (c *savingsComputeCmd) recompute(ctx context.Context, s streams) error {
	from, to, err := c.days()
	if err != nil {
		return err
	}
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	if c.Report != "" {
		return c.report(ctx, conf, from, to)
	}
	inv := conf.Inventory
	db, err := serve.Database(conf.Config)
	if err != nil {
		return err
	}
	statement, err := recomputed(ctx, db, inv, c.Community, from, to)
	if err != nil {
		return err
	}
	tellChanged(s.err, statement)
	return printJSON(s.out, statement)
}

// days are those asked for: the first, and the first after.
func (c *savingsComputeCmd) days() (from, to savings.Date, err error) {
	if c.Quarter != "" {
		if c.From != "" || c.To != "" {
			return from, to, errors.New("give either --quarter or --from and --to")
		}
		if from, to, err = savings.QuarterOf(c.Quarter); err != nil {
			return from, to, fmt.Errorf("--quarter: %w", err)
		}
		return from, to, nil
	}
	for _, day := range []struct {
		flag, text string
		into       *savings.Date
	}{{"--from", c.From, &from}, {"--to", c.To, &to}} {
		if err := day.into.UnmarshalText([]byte(day.text)); err != nil {
			return from, to, fmt.Errorf("%s: %w", day.flag, err)
		}
	}
	return from, to, nil
}

// tellChanged says which boundaries save nothing because what was frozen changed.
func tellChanged(w io.Writer, statement *savings.Statement) {
	for _, item := range statement.Items {
		for _, b := range item.Boundaries {
			if b.Changed != "" {
				fmt.Fprintf(w, "%s/%s saves nothing: what was frozen under version %d is another now (%s); bring it back, or raise the version, with who approved it\n",
					item.Community, b.ID, b.Version, b.Changed)
			}
		}
	}
}

func recomputed(ctx context.Context, db *history.Database, inv *inventory.Inventory, community string, from, to savings.Date) (*savings.Statement, error) {
	r, err := savings.NewRecomputation(inv, ingest.CommunityID(community), from, to)
	if err != nil {
		return nil, err
	}
	y, m, d := time.Now().In(inv.Zone).Date()
	r.Due(savings.Date{Time: time.Date(y, m, d, 0, 0, 0, 0, time.UTC)})
	if err := db.Run(ctx, r); err != nil {
		return nil, err
	}
	return r.Statement(), nil
}

// savingsTableCmd computes what a table (CSV) saved, with the same arithmetic
// the service has.
type savingsTableCmd struct {
	File            string   `arg:"" optional:"" help:"CSV with a header: date, period (baseline, reporting, blackout), usage and, optional, tmean_F or tmean_C. - is standard input."`
	Picture         string   `help:"Draw baseline, actual use and cumulative saving with its band into this .png or .svg." placeholder:"FILE"`
	Resource        string   `help:"electricity (a day of 0 is missing), gas (no cooling), water, heat." enum:"electricity,gas,water,heat,other" default:"other"`
	Unit            string   `help:"Unit of usage, for the picture." default:""`
	Model           []string `help:"Kinds of model to choose from: intercept_only, hdd_only, cdd_only, cdd_hdd, dark_hours. Default: all that the table has drivers for." enum:"intercept_only,hdd_only,cdd_only,cdd_hdd,dark_hours" placeholder:"KIND"`
	Caltrack        bool     `name:"caltrack" help:"Take the model with the highest adjusted R² whatever it explains, as CalTRACK does. Default: the mean, unless a model foretells months it was not fitted to."`
	Lat             *float64 `help:"Degrees north of the lamps: with --lon, the hours the sun is down are a driver." placeholder:"DEG"`
	Lon             *float64 `help:"Degrees east of the lamps." placeholder:"DEG"`
	Hours           string   `help:"What the lamps are switched at, with --lat and --lon: astro_civil (the sun at -6 degrees) or astro_horizon." enum:"astro_civil,astro_horizon" default:"astro_civil"`
	Zone            string   `help:"Time zone of the table's days, with --lat and --lon." default:"Asia/Shanghai"`
	Billing         bool     `help:"Usage is of billing periods: from a row's date to the next's."`
	Temperature     string   `help:"CSV of daily temperatures (date, tmean_F or tmean_C) for billing periods." placeholder:"FILE"`
	TemperatureUnit string   `help:"F or C, where the column's name does not say it." placeholder:"F|C"`
	BaselineEnd     string   `help:"First day after the baseline, where the table has no column period." placeholder:"DATE"`
	Homes           float64  `help:"How many homes use the water: their year-to-year level is added to the band." placeholder:"N"`
	YearRel         float64  `help:"Share of the baseline by which a year's level may be off the next one's, 0-1, at 90 %; added to the band. Default: nothing, or of --homes." placeholder:"SHARE"`
	ReportingStart  string   `help:"First day of reporting, where the table has no column period." placeholder:"DATE"`
}

func (c *savingsTableCmd) table(s streams) error {
	o := baseline.TableOptions{Billing: c.Billing, TemperatureUnit: c.TemperatureUnit, ZeroIsMissing: c.Resource == "electricity"}
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
	if c.Lat != nil || c.Lon != nil {
		if c.Lat == nil || c.Lon == nil || !(math.Abs(*c.Lat) <= 90 && math.Abs(*c.Lon) <= 180) {
			return errors.New("give both --lat, from -90 to 90, and --lon, from -180 to 180")
		}
		zone, err := time.LoadLocation(c.Zone)
		if err != nil {
			return fmt.Errorf("--zone: %w", err)
		}
		elevation := savings.Elevation(c.Hours)
		o.Dark = func(day time.Time) float64 {
			y, m, d := day.Date()
			return baseline.BurnHours(time.Date(y, m, d, 0, 0, 0, 0, zone), *c.Lat, *c.Lon, elevation)
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
	table, err := baseline.ReadTable(file, o)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	fitting := baseline.Fitting{InSample: c.Caltrack}
	for _, k := range c.Model {
		fitting.Kinds = append(fitting.Kinds, baseline.ModelKind(k))
	}
	if len(fitting.Kinds) == 0 && c.Resource == "gas" {
		fitting.Kinds = []baseline.ModelKind{baseline.InterceptOnly, baseline.HDDOnly}
	}
	analysis, err := baseline.Analyse(table, fitting)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if !(c.Homes >= 0 && c.YearRel >= 0 && c.YearRel < 1) || c.Homes > 0 && c.YearRel > 0 {
		return errors.New("give either --homes, above 0, or --year-rel, from 0 to 1")
	}
	switch {
	case c.YearRel > 0:
		analysis.State(c.YearRel)
	case c.Homes > 0:
		analysis.State(baseline.YearLevel(c.Homes))
	case c.Resource == "water":
		analysis.Warnings = append(analysis.Warnings, fmt.Sprintf("the bands hold the scatter of days, and not how far a year's level is from the next one's: give --homes or --year-rel, which %.2f would be by the scatter of these days",
			baseline.YearLevelOf(float64(analysis.CV))))
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

func writePicture(name, format string, a *baseline.Analysis, unit string) error {
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

// savingsRegressCmd fits a table.
type savingsRegressCmd struct {
	File   string `arg:"" help:"CSV with a header: y (or else the first column), and the regressors. - is standard input."`
	Degree int    `help:"Fit a polynomial: the powers of the one regressor, up to this." placeholder:"N"`
	Origin bool   `name:"no-intercept" help:"Through the origin; R² and F are then about 0."`
}

func (c *savingsRegressCmd) Run(s streams) error {
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	fit, names, err := baseline.RegressTable(file, baseline.Regressing{Degree: c.Degree, Origin: c.Origin})
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return printJSON(s.out, map[string]any{
		"n": fit.N, "p_including_intercept": fit.P, "coef": fit.Coef, "coef_names": names, "se": fit.StdErr,
		"r2": baseline.Figure(fit.R2), "r2_adj": baseline.Figure(fit.R2Adj), "F": baseline.Figure(fit.F),
		"residual_sd": fit.S, "ss_residual": fit.SSE, "df_residual": fit.N - fit.P,
	})
}

// savingsQuantileCmd prints t.
type savingsQuantileCmd struct {
	Confidence float64 `required:"" help:"Between 0 and 1."`
	DF         int     `name:"df" required:"" help:"Degrees of freedom, n - p."`
}

func (c *savingsQuantileCmd) Run(s streams) error {
	if c.Confidence <= 0 || c.Confidence >= 1 || c.DF < 1 {
		return errors.New("--confidence is between 0 and 1, --df at least 1")
	}
	_, err := fmt.Fprintln(s.out, strconv.FormatFloat(baseline.TQuantile(c.Confidence, c.DF), 'g', -1, 64))
	return err
}

// savingsBurnHoursCmd prints a row a night.
type savingsBurnHoursCmd struct {
	Lat  float64 `required:"" help:"Degrees north."`
	Lon  float64 `required:"" help:"Degrees east."`
	From string  `required:"" help:"First day." placeholder:"DATE"`
	To   string  `required:"" help:"First day after." placeholder:"DATE"`
	Zone string  `help:"Time zone." default:"Asia/Shanghai"`
}

func (c *savingsBurnHoursCmd) Run(s streams) error {
	if !(math.Abs(c.Lat) <= 90 && math.Abs(c.Lon) <= 180) {
		return errors.New("--lat is from -90 to 90, --lon from -180 to 180")
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return fmt.Errorf("--zone: %w", err)
	}
	var days [2]time.Time
	for i, text := range []string{c.From, c.To} {
		if days[i], err = time.ParseInLocation(time.DateOnly, text, zone); err != nil {
			return fmt.Errorf("%q is not a day; write 2026-03-01", text)
		}
	}
	w := csv.NewWriter(s.out)
	_ = w.Write([]string{"date", "sunrise", "sunset", "next_sunrise", "night_seconds_sunset_to_sunrise", "civil_dusk", "next_civil_dawn", "night_seconds_civil", "dark_seconds_horizon_of_day", "dark_seconds_civil_of_day"})
	when := func(t time.Time, ok bool) string {
		if !ok {
			return ""
		}
		return t.In(zone).Format(time.RFC3339)
	}
	for date := days[0]; date.Before(days[1]); date = date.AddDate(0, 0, 1) {
		rise, rises := sun.Rise(date, c.Lat, c.Lon, sun.Horizon)
		row := []string{date.Format(time.DateOnly), when(rise, rises)}
		for _, elevation := range []float64{sun.Horizon, sun.Civil} {
			begin, end, ok := sun.Night(date, c.Lat, c.Lon, elevation)
			seconds := ""
			if ok {
				seconds = strconv.FormatFloat(end.Sub(begin).Round(time.Second).Seconds(), 'f', 0, 64)
			}
			row = append(row, when(begin, ok), when(end, ok), seconds)
		}
		for _, elevation := range []float64{sun.Horizon, sun.Civil} {
			row = append(row, strconv.FormatFloat(sun.Dark(date, c.Lat, c.Lon, elevation).Round(time.Second).Seconds(), 'f', 0, 64))
		}
		_ = w.Write(row)
	}
	w.Flush()
	return w.Error()
}

// savingsRegistersCmd books a meter's reads.
type savingsRegistersCmd struct {
	File      string        `arg:"" help:"JSON with rows of {t, serial, reg, kind}; kind is read, estimated, final or initial. Beside rows it may have modulus, tolerance and max_per_day. - is standard input."`
	Modulus   *float64      `help:"Value at which the register starts again from 0; 0: never. Default: the file's, or 10000."`
	Tolerance *float64      `help:"A step back up to this is jitter. Default: the file's, or 0.1."`
	MaxPerDay *float64      `help:"What the meter passes in a day at most; 0: as its own history says. Default: the file's, or 0."`
	MaxGap    time.Duration `help:"More between two reads is a gap." default:"36h"`
}

func (c *savingsRegistersCmd) Run(s streams) error {
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	input := struct {
		Modulus   float64 `json:"modulus"`
		Tolerance float64 `json:"tolerance"`
		MaxPerDay float64 `json:"max_per_day"`
		Rows      []struct {
			T      string   `json:"t"`
			Serial string   `json:"serial"`
			Reg    *float64 `json:"reg"`
			Kind   string   `json:"kind"`
		} `json:"rows"`
	}{Modulus: 10000, Tolerance: 0.1}
	if err := json.NewDecoder(file).Decode(&input); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	register := usage.Limits{Modulus: input.Modulus, Tolerance: input.Tolerance, PerDay: input.MaxPerDay, MaxGap: c.MaxGap}
	for flag, of := range map[*float64]*float64{c.Modulus: &register.Modulus, c.Tolerance: &register.Tolerance, c.MaxPerDay: &register.PerDay} {
		if flag != nil {
			*of = *flag
		}
	}
	if register.Modulus < 0 || register.Tolerance < 0 || register.PerDay < 0 {
		return errors.New("modulus, tolerance and max_per_day are 0 or more")
	}
	if len(input.Rows) == 0 {
		return fmt.Errorf("%s: has no rows", c.File)
	}
	type booked struct {
		T      string          `json:"t"`
		Serial string          `json:"serial"`
		Reg    float64         `json:"reg"`
		Delta  baseline.Figure `json:"delta"`
		Reason string          `json:"reason"`
		From   string          `json:"from"`
		To     string          `json:"to"`
	}
	kinds := map[string]usage.Kind{"": usage.Actual, "read": usage.Actual, "estimated": usage.Estimated, "final": usage.Closing, "initial": usage.Opening}
	var meter usage.Meter
	var total usage.Amount
	rows := []booked{}
	stamp := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339) }
	for i, row := range input.Rows {
		kind, ok := kinds[row.Kind]
		if !ok {
			return fmt.Errorf("%s: rows[%d].kind: %q is none of read, estimated, final, initial", c.File, i, row.Kind)
		}
		if row.Reg == nil {
			return fmt.Errorf("%s: rows[%d].reg: missing", c.File, i)
		}
		var at time.Time
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
			if at, err = time.Parse(layout, row.T); err == nil {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("%s: rows[%d].t: %q is not a time", c.File, i, row.T)
		}
		bookings := meter.Read(&register, usage.Read{Time: at.UnixNano(), Serial: row.Serial, Value: *row.Reg, Kind: kind}, nil)
		if i == len(input.Rows)-1 {
			bookings = meter.Settle(&register, bookings)
		}
		last := bookings[len(bookings)-1]
		sum, from, to := usage.Amount(0), last.From, last.To
		for _, b := range bookings {
			sum += b.Amount
			if b.Covers > 0 && b.From < from {
				from = b.From
			}
		}
		total += sum
		delta := baseline.Figure(sum.Units())
		if last.Reason == usage.First { // nothing to subtract from is not 0
			delta = baseline.Figure(math.NaN())
		}
		rows = append(rows, booked{row.T, row.Serial, *row.Reg, delta, last.Reason.String(), stamp(from), stamp(to)})
	}
	return printJSON(s.out, map[string]any{"rows": rows, "total": total.Units()})
}

// savingsPortfolioCmd adds up sites.
type savingsPortfolioCmd struct {
	File string `arg:"" help:"JSON with sites of {name, savings, dE_90, adjusted_baseline}. - is standard input."`
}

func (c *savingsPortfolioCmd) Run(s streams) error {
	file, err := open(c.File, s)
	if err != nil {
		return err
	}
	defer file.Close()
	var input struct {
		Sites []struct {
			Name     string  `json:"name"`
			Saving   float64 `json:"savings"`
			Band     float64 `json:"dE_90"`
			Baseline float64 `json:"adjusted_baseline"`
		} `json:"sites"`
	}
	if err := json.NewDecoder(file).Decode(&input); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if len(input.Sites) == 0 {
		return fmt.Errorf("%s: has no sites", c.File)
	}
	var sites []baseline.Site
	for _, site := range input.Sites {
		sites = append(sites, baseline.Site{Name: site.Name, Saving: site.Saving, Band: site.Band, Baseline: site.Baseline})
	}
	total := baseline.Portfolio(sites)
	return printJSON(s.out, map[string]any{
		"sum_savings": total.Saving, "dE_90_quadrature": total.Band, "fsu_90": baseline.Figure(total.Fractional),
		"savings_fraction": baseline.Figure(total.Fraction), "significant": total.Significant,
	})
}
