package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/savings/report"
)

// report recomputes the days and writes them as a quarterly report.
func (c *savingsComputeCmd) report(ctx context.Context, conf *serve.Settings, inv *inventory.Inventory, db *history.Database, from, to savings.Date) error {
	extension := strings.ToLower(filepath.Ext(c.Report))
	if extension != ".html" && extension != ".csv" && extension != ".xlsx" {
		return fmt.Errorf("--report: %q is neither .html, .csv nor .xlsx", c.Report)
	}
	y, m, d := time.Now().In(inv.Zone).Date()
	today := savings.Date{Time: time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
	last := to.AddDate(0, 0, -1)
	if yesterday := today.AddDate(0, 0, -1); last.After(yesterday) {
		last = yesterday
	}
	if c.AsOf != "" {
		var asOf savings.Date
		if err := asOf.UnmarshalText([]byte(c.AsOf)); err != nil {
			return fmt.Errorf("--as-of: %w", err)
		}
		if asOf.After(last) {
			return fmt.Errorf("--as-of: %s is after %s, the last day there can be data of", c.AsOf, last.Format(time.DateOnly))
		}
		last = asOf.Time
	}
	if last.Before(from.Time) {
		return errors.New("no day of the period is over yet")
	}
	source := &report.Source{From: from, To: to, AsOf: savings.Date{Time: last}, Today: today, Unit: c.ReportingUnit, Inventory: inv, Factors: conf.Savings.Factors}
	if c.Filed != "" {
		f, err := os.Open(c.Filed)
		if err != nil {
			return err
		}
		defer f.Close()
		if source.Filed, err = report.ReadFiled(f); err != nil {
			return fmt.Errorf("%s: %w", c.Filed, err)
		}
		if source.Filed.From != from.Format(time.DateOnly) || source.Filed.To != to.AddDate(0, 0, -1).Format(time.DateOnly) {
			return fmt.Errorf("%s is of %s to %s, and not of this period", c.Filed, source.Filed.From, source.Filed.To)
		}
	}
	text, err := os.ReadFile(conf.Config.Inventory)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	source.Digest = hex.EncodeToString(sum[:])

	after := savings.Date{Time: last.AddDate(0, 0, 1)}
	if source.Statement, err = recomputed(ctx, db, inv, c.Community, from, after); err != nil {
		return err
	}
	yearBefore := func(d savings.Date) savings.Date { return savings.Date{Time: d.AddDate(-1, 0, 0)} }
	if source.Before, err = recomputed(ctx, db, inv, c.Community, yearBefore(from), yearBefore(after)); err != nil {
		return err
	}
	if err := count(ctx, db, inv, source, ingest.CommunityID(c.Community), after); err != nil {
		return err
	}
	write := report.New(source).WriteHTML
	switch extension {
	case ".csv":
		write = report.New(source).WriteCSV
	case ".xlsx":
		write = report.New(source).WriteXLSX
	}
	// What was filed before stays whole until there is another.
	f, err := os.Create(c.Report + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		os.Remove(f.Name())
		return err
	}
	return os.Rename(f.Name(), c.Report)
}

// count adds up what bins, gates and alarms did.
func count(ctx context.Context, db *history.Database, inv *inventory.Inventory, source *report.Source, only ingest.CommunityID, after savings.Date) error {
	local := func(d savings.Date) int64 {
		return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, inv.Zone).UnixNano()
	}
	where := fmt.Sprintf("time >= %d AND time < %d", local(source.From), local(after))
	listed := func(id string) bool {
		return inv.Community(ingest.CommunityID(id)) != nil && (only == "" || string(only) == id)
	}
	for _, of := range []struct{ what, measurement, selector, and, by string }{
		{"deposits", "waste", "sum(deposits)", "", "community, stream"},
		{"kilograms", "waste", "sum(waste_weight_net)", " AND waste_weight_net > 0", "community, stream"},
		{"inspections correct", "waste", "sum(inspections_correct)", "", "community"},
		{"inspections wrong", "waste", "sum(inspections_wrong)", "", "community"},
		{"collections", "events", "count(active)", " AND type = 'collected' AND active = 1", "community"},
		{"passes in", "gate", "sum(pass_in)", "", "community"},
		{"passes out", "gate", "sum(pass_out)", "", "community"},
	} {
		totals, err := db.Totals(ctx, fmt.Sprintf("SELECT %s AS n FROM %s WHERE %s%s GROUP BY %s", of.selector, of.measurement, where, of.and, of.by))
		if err != nil {
			return fmt.Errorf("%s: %w", of.what, err)
		}
		for _, t := range totals {
			if n, ok := t.Figures["n"]; ok && listed(t.Tags["community"]) {
				source.Counts = append(source.Counts, report.Count{Community: ingest.CommunityID(t.Tags["community"]), What: of.what, Stream: t.Tags["stream"], Value: n})
			}
		}
	}
	slices.SortStableFunc(source.Counts, func(a, b report.Count) int { return cmp.Compare(a.Community, b.Community) })
	// Alarms have their severity in the field code; what devices reported has not.
	alarms := map[[2]string]*report.Alarms{}
	for active := range 2 {
		totals, err := db.Totals(ctx, fmt.Sprintf("SELECT count(active) AS n FROM events WHERE %s AND active = %d AND (code = 'critical' OR code = 'warning' OR code = 'info') GROUP BY community, type", where, active))
		if err != nil {
			return fmt.Errorf("alarms: %w", err)
		}
		for _, t := range totals {
			if !listed(t.Tags["community"]) {
				continue
			}
			key := [2]string{t.Tags["community"], t.Tags["type"]}
			if alarms[key] == nil {
				alarms[key] = &report.Alarms{Community: ingest.CommunityID(key[0]), Kind: key[1]}
			}
			*[]*int{&alarms[key].Cleared, &alarms[key].Raised}[active] += int(t.Figures["n"])
		}
	}
	for _, a := range alarms {
		source.Alarms = append(source.Alarms, *a)
	}
	slices.SortFunc(source.Alarms, func(a, b report.Alarms) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Kind, b.Kind))
	})
	return nil
}
