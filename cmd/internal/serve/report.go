package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"greencommunity/ingest/config"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/savings/report"
)

// Database returns what InfluxDB holds, as the configuration reaches it: its token and
// authorities are read now.
func Database(c *config.Config) (*history.Database, error) {
	token, err := c.InfluxDB.ReadToken()
	if err != nil {
		return nil, fmt.Errorf("influxdb: %w", err)
	}
	db := &history.Database{URL: c.InfluxDB.URL, Bucket: c.InfluxDB.Bucket, Token: token}
	if c.InfluxDB.CAFile != "" {
		authorities, err := config.TLS{CAFile: c.InfluxDB.CAFile}.Config()
		if err != nil {
			return nil, fmt.Errorf("influxdb: %w", err)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = authorities
		db.Client = &http.Client{Transport: transport}
	}
	return db, nil
}

// Report writes what InfluxDB holds of a period as a report. What comes next is read
// from the configuration's file, unless the order has it.
func Report(ctx context.Context, c *Settings, inv *inventory.Inventory, o report.Order) (*report.Report, error) {
	text, err := os.ReadFile(c.Config.Inventory)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	o.Digest = hex.EncodeToString(sum[:])
	if name := c.Savings.Report.NextSteps; name != "" && o.Next == "" {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(c.path), name)
		}
		next, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("savings.report.next_steps: %w", err)
		}
		o.Next = string(next)
	}
	db, err := Database(c.Config)
	if err != nil {
		return nil, err
	}
	source, err := report.Gather(ctx, db, inv, &c.Savings, o)
	if err != nil {
		return nil, err
	}
	return report.New(source), nil
}
