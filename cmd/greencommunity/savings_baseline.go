package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/holidays"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/history"
)

// savingsBaselineCmd screens a year and prints the baseline to freeze.
type savingsBaselineCmd struct {
	File       string   `arg:"" optional:"" help:"CSV with a header: date, usage, and persons for water by head; night_flow (m³/h, 02:00 to 04:00) where known. - is standard input."`
	Resource   string   `help:"Of a table: water or electricity." enum:"water,electricity" default:"water"`
	Persons    float64  `help:"How many persons, where the table has no column persons." placeholder:"N"`
	Lat        float64  `help:"Degrees north of the lamps of a table." placeholder:"DEG"`
	Lon        float64  `help:"Degrees east." placeholder:"DEG"`
	Hours      string   `help:"What lamps are switched at." enum:"astro_civil,astro_horizon" default:"astro_civil"`
	Zone       string   `help:"Time zone of a table's days." default:"Asia/Shanghai"`
	Config     string   `help:"Path of config.yaml, for what is in InfluxDB." default:"config.yaml" placeholder:"FILE"`
	Community  string   `help:"The boundary's community, for what is in InfluxDB." placeholder:"ID"`
	Boundary   string   `help:"The boundary." placeholder:"ID"`
	From       string   `help:"First day of the baseline." placeholder:"DATE"`
	To         string   `help:"First day after." placeholder:"DATE"`
	Accept     []string `help:"Accept the findings of a kind: KIND=REASON. The reason is kept in the baseline. May be given several times." placeholder:"KIND=REASON" sep:"none"`
	Exclude    float64  `name:"exclude-leak" help:"Refuse a baseline of households within which a leak of so many m³/h for 60 days could be unnoticed, and would move a quarter by more than 1 %. 0: tell it only." default:"0.5" placeholder:"M3/H"`
	Homes      float64  `help:"How many homes use the water, for the year_rel to state. Default: by the scatter of days." placeholder:"N"`
	Version    int      `help:"Version of the baseline." default:"1"`
	ApprovedBy string   `help:"Who approves it." placeholder:"NAME"`
	Evidence   string   `help:"Where the evidence is." placeholder:"TEXT"`

	calendar *holidays.Calendar
}

// leakKinds are the alarms, the service's own and devices', that tell of a leak.
var leakKinds = []string{"continuous_flow", "night_flow", "burst", "leak"}

func (c *savingsBaselineCmd) Run(ctx context.Context, s streams) error {
	var days []baseline.Day
	var err error
	water := c.Resource == "water"
	c.calendar = holidays.Standard()
	switch {
	case c.File != "" && c.Boundary != "":
		return errors.New("give either a table or --boundary")
	case c.File != "":
		days, err = c.table(s)
	case c.Boundary != "":
		days, water, err = c.stored(ctx)
	default:
		return errors.New("give a table (CSV), or --community, --boundary, --from and --to for what is in InfluxDB")
	}
	if err != nil {
		return err
	}
	screening := baseline.Screen(days, c.calendar)
	if c.Exclude > 0 {
		screening.Exclude(days, c.Exclude)
	}
	accepted := []savings.AcceptedSpec{}
	for _, a := range c.Accept {
		kind, reason, ok := strings.Cut(a, "=")
		if !ok || strings.TrimSpace(reason) == "" {
			return fmt.Errorf("--accept: %q has no reason; write KIND=REASON", a)
		}
		if !screening.AcceptKind(kind, reason) {
			return fmt.Errorf("--accept: nothing of the kind %q was found", kind)
		}
		accepted = append(accepted, savings.AcceptedSpec{Kind: kind, Reason: reason})
	}
	answer := map[string]any{"verdict": "accepted", "screening": screening}
	if refused := screening.Refused(); len(refused) > 0 {
		answer["verdict"] = "refused"
		if err := printJSON(s.out, answer); err != nil {
			return err
		}
		return fmt.Errorf("the baseline is refused; mend it, or accept each by --accept KIND=REASON:\n  %s", strings.Join(refused, "\n  "))
	}
	spec, err := c.fit(screening.WithoutOutliers(days), water)
	if err != nil {
		return err
	}
	spec["version"], spec["approved_by"], spec["evidence"] = c.Version, c.ApprovedBy, c.Evidence
	spec["period"] = []string{days[0].Date.Format(time.DateOnly), days[len(days)-1].Date.AddDate(0, 0, 1).Format(time.DateOnly)}
	if len(accepted) > 0 {
		spec["accepted"] = accepted
	}
	answer["baseline"] = spec
	if water {
		// What no year can tell of itself, to be stated beside the baseline.
		answer["uncertainty"] = map[string]float64{"year_rel": yearLevel(c.Homes, spec)}
	}
	return printJSON(s.out, answer)
}

// yearLevel is what to state as year_rel: by the homes, or by the scatter of days.
func yearLevel(homes float64, spec map[string]any) float64 {
	level := 0.0
	if cv, ok := spec["cv_rmse"].(float64); homes == 0 && ok {
		level = baseline.YearLevelOf(cv)
	} else {
		level = baseline.YearLevel(homes)
	}
	return math.Round(1000*level) / 1000
}

// fit makes of the days what the inventory takes as baseline.
func (c *savingsBaselineCmd) fit(days []baseline.Day, water bool) (map[string]any, error) {
	if water && !slices.ContainsFunc(days, func(d baseline.Day) bool { return !(d.Persons > 0) }) {
		fit, err := baseline.FitPerCapita(baseline.PersonDaysOf(days), c.calendar)
		if err != nil {
			return nil, err
		}
		spec := map[string]any{"method": "per_capita_monthly", "monthly": fit.Monthly, "monthly_days": fit.MonthlyDays, "relative": fit.Relative,
			"n": fit.N, "n_eff": fit.Effective, "rmse_n_minus_p": fit.RMSE, "cv_rmse": fit.CV}
		if fit.Inverse != nil {
			spec["weekend"], spec["festival"], spec["XtX_inv"] = fit.Weekend, fit.Festival, fit.Inverse
			spec["rest_days"] = fit.RestDays
		}
		return spec, nil
	}
	f, err := baseline.FitDays(days, c.calendar)
	if err != nil {
		return nil, err
	}
	spec := map[string]any{"method": "mean", "coef": f.Coef, "n": f.N, "n_eff": f.Effective, "rmse_n_minus_p": f.S, "XtX_inv": f.Inverse, "cv_rmse": f.CV}
	spec["rho"] = f.Rho
	if f.Dark || len(f.Calendar) > 0 {
		spec["r2"] = f.R2
	}
	if f.Dark {
		spec["method"], spec["dark_hours"], spec["hours"], spec["relative"] = "regression", true, c.Hours, f.Relative
	}
	if len(f.Calendar) > 0 {
		spec["calendar"] = f.Calendar
	}
	return spec, nil
}

func (c *savingsBaselineCmd) table(s streams) ([]baseline.Day, error) {
	file, err := open(c.File, s)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	persons := c.Persons
	if c.Resource == "electricity" && persons == 0 {
		persons = 1 // its use is not per head
	}
	read, err := baseline.ReadPersonDays(file, persons)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	days := baseline.DaysOf(read)
	if c.Resource == "electricity" {
		zone, err := time.LoadLocation(c.Zone)
		if err != nil {
			return nil, fmt.Errorf("--zone: %w", err)
		}
		for i := range days {
			d := &days[i]
			if d.Persons = 0; d.Use == 0 { // CalTRACK 2.2
				d.Use = math.NaN()
			}
			if c.Lat != 0 || c.Lon != 0 {
				y, m, day := d.Date.Date()
				d.Dark = baseline.BurnHours(time.Date(y, m, day, 0, 0, 0, 0, zone), c.Lat, c.Lon, savings.Elevation(c.Hours))
			}
		}
	}
	return days, nil
}

// stored are the days of a boundary in InfluxDB, with the leak alarms of its meters.
func (c *savingsBaselineCmd) stored(ctx context.Context) (days []baseline.Day, water bool, err error) {
	var from, to savings.Date
	for _, day := range []struct {
		flag, text string
		into       *savings.Date
	}{{"--from", c.From, &from}, {"--to", c.To, &to}} {
		if err := day.into.UnmarshalText([]byte(day.text)); err != nil {
			return nil, false, fmt.Errorf("%s: %w", day.flag, err)
		}
	}
	conf, err := serve.Load(c.Config)
	if err != nil {
		return nil, false, err
	}
	inv, community := conf.Inventory, ingest.CommunityID(c.Community)
	if c.calendar, err = savings.CalendarOf(inv); err != nil {
		return nil, false, err
	}
	db, err := serve.Database(conf.Config)
	if err != nil {
		return nil, false, err
	}
	r, err := savings.NewRecomputation(inv, community, from, to)
	if err != nil {
		return nil, false, err
	}
	if err := db.Run(ctx, r); err != nil {
		return nil, false, err
	}
	if days, err = r.Days(community, c.Boundary, c.Hours); err != nil {
		return nil, false, err
	}
	water = len(days) > 0 && days[0].Persons > 0
	return days, water, c.alarms(ctx, db, inv, days, from, to)
}

// alarms marks the days on which an alarm of a leak was open at one of the
// boundary's meters.
func (c *savingsBaselineCmd) alarms(ctx context.Context, db *history.Database, inv *inventory.Inventory, days []baseline.Day, from, to savings.Date) error {
	at := func(d savings.Date) time.Time {
		return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, inv.Zone)
	}
	meters, err := savings.MetersOf(inv, ingest.CommunityID(c.Community), c.Boundary)
	if err != nil {
		return err
	}
	var kinds []string
	for _, k := range leakKinds {
		kinds = append(kinds, "\"type\" = '"+k+"'")
	}
	series, err := db.Rows(ctx, fmt.Sprintf("SELECT active FROM events WHERE time >= %d AND time < %d AND community = '%s' AND (%s) GROUP BY device, \"type\"",
		at(from).Add(-62*24*time.Hour).UnixNano(), at(to).UnixNano(), strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.Community), strings.Join(kinds, " OR ")))
	if err != nil {
		return fmt.Errorf("alarms: %w", err)
	}
	for _, s := range series {
		if !meters(ingest.DeviceID(s.Tags["device"])) {
			continue
		}
		open := time.Time{}
		mark := func(until time.Time) {
			for i := range days {
				begins := at(savings.Date{Time: days[i].Date})
				if open.Before(begins.AddDate(0, 0, 1)) && until.After(begins) {
					days[i].Alarm = true
				}
			}
			open = time.Time{}
		}
		for _, row := range s.Values {
			if len(row) < 2 || row[0] == nil || row[1] == nil {
				continue
			}
			when := time.Unix(0, int64(*row[0]))
			switch {
			case *row[1] > 0 && open.IsZero():
				open = when
			case *row[1] == 0 && !open.IsZero():
				mark(when)
			}
		}
		if !open.IsZero() {
			mark(at(to))
		}
	}
	return nil
}
