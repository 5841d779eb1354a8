package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/report"
)

// report recomputes the days and writes them as a report.
func (c *savingsComputeCmd) report(ctx context.Context, conf *serve.Settings, from, to savings.Date) error {
	format := strings.ToLower(strings.TrimPrefix(filepath.Ext(c.Report), "."))
	if _, err := report.ContentType(format); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	o := report.Order{From: from, To: to, Community: ingest.CommunityID(c.Community), Now: time.Now(), Unit: c.ReportingUnit}
	if c.AsOf != "" {
		if err := o.AsOf.UnmarshalText([]byte(c.AsOf)); err != nil {
			return fmt.Errorf("--as-of: %w", err)
		}
	}
	if c.Filed != "" {
		f, err := os.Open(c.Filed)
		if err != nil {
			return err
		}
		defer f.Close()
		if o.Filed, err = report.ReadFiled(f); err != nil {
			return fmt.Errorf("%s: %w", c.Filed, err)
		}
		if o.Filed.From != from.Format(time.DateOnly) || o.Filed.To != to.AddDate(0, 0, -1).Format(time.DateOnly) {
			return fmt.Errorf("%s is of %s to %s, and not of this period", c.Filed, o.Filed.From, o.Filed.To)
		}
	}
	if c.NextSteps != "" {
		text, err := os.ReadFile(c.NextSteps)
		if err != nil {
			return fmt.Errorf("--next-steps: %w", err)
		}
		o.Next = string(text)
	}
	written, err := serve.Report(ctx, conf, conf.Inventory, o)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := written.Write(&b, format); err != nil {
		return err
	}
	// What was filed before stays whole until there is another.
	if err := os.WriteFile(c.Report+".new", b.Bytes(), 0o666); err != nil {
		return err
	}
	return os.Rename(c.Report+".new", c.Report)
}
