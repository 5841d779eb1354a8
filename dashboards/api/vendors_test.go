package api

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/pipeline"
)

// A vendor's last days are the difference of its counters, over restarts and over a line that
// was cut off.
func TestVendorsInATime(t *testing.T) {
	dir := t.TempDir()
	inv := inventorytest.Parse(t, places, inventorytest.Zone)
	synctest.Test(t, func(t *testing.T) {
		var counted atomic.Uint64
		counted.Store(100) // before anything was noted
		a := New(Sources{Inventory: func() *inventory.Inventory { return inv }, InfluxDB: influx.Options{}, Status: func() pipeline.Status {
			count := counted.Load()
			return pipeline.Status{Vendors: []pipeline.VendorStatus{
				{Vendor: "brightlamp", Received: count, Rejected: map[ingest.Reason]uint64{ingest.BadValue: count / 10, ingest.Malformed: 3}},
				{Vendor: "meters", Received: 7},
			}}
		}})
		run := func(lasting time.Duration) {
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() { a.Run(ctx, dir); close(ended) }()
			for range int(lasting / time.Hour) {
				time.Sleep(30 * time.Minute) // not at the moment at which it is noted
				counted.Add(10)
				time.Sleep(30 * time.Minute)
			}
			cancel()
			<-ended
		}
		run(36 * time.Hour)
		f, err := os.OpenFile(filepath.Join(dir, notedFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(`{"time":"2000-01-03T`)
		f.Close()
		run(36 * time.Hour)
		p := &planted{t, a.table(a.vendors)}
		for query, want := range map[string]string{
			"vendors?x=":      "brightlamp 亮灯公司  820 85 0 0.8963414634146342 bad_value 82, malformed 3|meters   7 0 0 1 ",
			"vendors?days=1":  " 240 24 0 0.9 bad_value 24|meters ",
			"vendors?days=2":  " 480 48 0 0.9 bad_value 48|meters ",
			"vendors?days=30": " 720 72 0 0.9 bad_value 72|meters ", // the notes begin three days ago, and the answer says so
		} {
			rows, _ := p.cells(all, query)
			if got := strings.Join(rows, "|"); !strings.Contains(got, want) {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		if rows, _ := p.cells(access.Identity{Role: access.Vendor, Vendor: "meters"}, "vendors?days=1"); len(rows) != 1 || !strings.HasPrefix(rows[0], "meters") {
			t.Errorf("a vendor sees %q", rows)
		}
		run(110 * 24 * time.Hour)
		if n := len(a.noted); n < 100*24 || n > 102*24 {
			t.Errorf("%d hours are kept, want 100 days", n)
		}
		if list, whole := readNoted(filepath.Join(dir, notedFile)); !whole || len(list) != len(a.noted) {
			t.Errorf("the file has %d hours, in memory are %d", len(list), len(a.noted))
		}
	})
}
