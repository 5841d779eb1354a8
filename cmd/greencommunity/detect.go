package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/anomaly/history"
)

// detectCmd runs the detectors over the past, to tune their levels before they
// wake anybody.
type detectCmd struct {
	Table      []string          `arg:"" optional:"" help:"Tables (CSV) with a row a time; - or none is standard input." placeholder:"FILE"`
	Facility   string            `help:"Kind of facility: lighting, water, waste, gate, ... Without one every numeric column goes to the generic detector." placeholder:"KIND"`
	Column     map[string]string `help:"What a column is: NAME=QUANTITY[:UNIT], NAME=time, device, event, collected or ignore; +QUANTITY is an increment of a register. Others are guessed by name." placeholder:"NAME=QUANTITY[:UNIT]" mapsep:"none"`
	Device     string            `help:"Name of the device, where no column says." default:"device"`
	Zone       string            `help:"Time zone of times without one, and of local hours." default:"Asia/Shanghai"`
	Lat        float64           `help:"Degrees north, for the sun; default 35."`
	Lon        float64           `help:"Degrees east; default is the meridian of the zone."`
	Attribute  map[string]string `help:"What the inventory would say of the device: rated_power (W), qmax (m3/h)." placeholder:"NAME=VALUE"`
	Parameters string            `help:"Parameters that differ from the defaults (YAML, as the section anomaly)." type:"existingfile" placeholder:"FILE"`
	Levels     string            `help:"Levels of the generic detector: standard shows what a person would look at, fleet what is worth an alarm. Default: standard without --facility, else fleet." enum:",standard,fleet" default:""`
	Scores     bool              `help:"Print a score a row instead; above 1 is anomalous."`
	Summary    bool              `help:"Print alarms per device-month by kind on standard error." default:"true" negatable:""`
	Picture    string            `help:"Write a picture (SVG) of the series with its alarms." placeholder:"FILE"`
	Influxdb   string            `name:"influxdb" help:"Instead of tables: history of one device from this InfluxDB." placeholder:"URL"`
	Bucket     string            `help:"Bucket, with --influxdb." default:"facilities"`
	TokenFile  string            `help:"File with the token, with --influxdb." placeholder:"FILE"`
	From       string            `help:"Begin, with --influxdb: RFC 3339 or a duration back from now." default:"720h" placeholder:"TIME"`
	To         string            `help:"End, with --influxdb; default now." placeholder:"TIME"`
}

func (c *detectCmd) Run(ctx context.Context, s streams) error {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return fmt.Errorf("--zone: %w", err)
	}
	conf := anomaly.DefaultConfig()
	if c.Parameters != "" {
		f, err := os.Open(c.Parameters)
		if err != nil {
			return err
		}
		defer f.Close()
		if conf, err = anomaly.ReadConfig(f); err != nil {
			return fmt.Errorf("%s: %w", c.Parameters, err)
		}
	}
	if c.Levels == "standard" || c.Levels == "" && c.Facility == "" && c.Parameters == "" {
		conf.Parameters.All.Generic = anomaly.StandardLevels
	}
	columns := map[string]string{}
	for name, to := range c.Column {
		columns[strings.TrimSpace(name)] = strings.TrimSpace(to)
	}
	run := func(name string, in io.Reader) error {
		r := &history.Reader{
			Facility: ingest.FacilityKind(c.Facility), Columns: columns, Device: c.Device, Zone: zone, Attributes: c.Attribute,
			Scores: c.Scores || c.Picture != "", Options: anomaly.Options{Config: conf, Lat: c.Lat, Lon: c.Lon, Zone: zone},
		}
		result, err := r.Run(in)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return c.print(s, name, result, zone)
	}
	if c.Influxdb != "" {
		if len(c.Table) > 0 {
			return fmt.Errorf("give tables or --influxdb, not both")
		}
		table, err := c.history(ctx)
		if err != nil {
			return err
		}
		return run(c.Device, table)
	}
	tables := c.Table
	if len(tables) == 0 {
		tables = []string{"-"}
	}
	for _, name := range tables {
		if name == "-" {
			if err := run("standard input", s.in); err != nil {
				return err
			}
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = run(name, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// change is a line of output: an alarm raised or cleared.
type change struct {
	Time     string              `json:"time"`
	Alarm    string              `json:"alarm"` // raised or cleared
	Kind     string              `json:"kind"`
	Severity string              `json:"severity"`
	Facility ingest.FacilityKind `json:"facility"`
	Device   ingest.DeviceID     `json:"device"`
	Channel  string              `json:"channel,omitempty"`
	Since    string              `json:"since"`
	Value    *float64            `json:"value,omitempty"`
	Expected *float64            `json:"expected,omitempty"`
	Title    ingest.Text         `json:"title"`
	Why      ingest.Text         `json:"why"`
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func (c *detectCmd) print(s streams, name string, r *history.Result, zone *time.Location) error {
	if c.Scores {
		// The time is written as the table has it, so that rows can be joined.
		fmt.Fprintln(s.out, "time,device,score")
		for _, row := range r.Rows {
			device := row.Device
			if strings.ContainsAny(device, ",\"\n") {
				device = fmt.Sprintf("%q", device)
			}
			text := row.Text
			if strings.ContainsAny(text, ",\"\n") {
				text = fmt.Sprintf("%q", text)
			}
			fmt.Fprintf(s.out, "%s,%s,%.4f\n", text, device, row.Score)
		}
	} else {
		enc := json.NewEncoder(s.out)
		enc.SetEscapeHTML(false)
		for _, ch := range r.Changes {
			a := ch.Alarm
			l := change{
				Time: ch.At.In(zone).Format(time.RFC3339), Alarm: "cleared", Kind: a.Kind, Severity: a.Severity, Facility: a.Facility, Device: a.Device,
				Channel: a.Channel, Since: a.Since.In(zone).Format(time.RFC3339), Value: finite(a.Value), Expected: finite(a.Expected), Title: a.Title, Why: a.Why,
			}
			if ch.Raised {
				l.Alarm = "raised"
			}
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
	}
	if c.Picture != "" {
		if err := os.WriteFile(c.Picture, history.Picture(name, r), 0o644); err != nil {
			return err
		}
	}
	if c.Summary {
		summary(s.err, name, r)
	}
	return nil
}

// summary says how often each kind would have alarmed.
func summary(out io.Writer, name string, r *history.Result) {
	fmt.Fprintf(out, "%s: %d devices, %s to %s, %.1f device-months\n", name, r.Devices, r.From.Format(time.RFC3339), r.To.Format(time.RFC3339), r.Months())
	for _, u := range r.Used {
		fmt.Fprintf(out, "  column %s\n", u)
	}
	if r.Skipped > 0 {
		fmt.Fprintf(out, "  %d rows without a value\n", r.Skipped)
	}
	count := map[string]int{}
	for _, c := range r.Changes {
		if c.Raised {
			count[c.Alarm.Kind]++
		}
	}
	if len(count) == 0 {
		fmt.Fprintln(out, "  no alarms")
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  KIND\tALARMS\tPER DEVICE-MONTH")
	for _, k := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(w, "  %s\t%d\t%.3f\n", k, count[k], float64(count[k])/max(r.Months(), 1e-9))
	}
	w.Flush()
}
