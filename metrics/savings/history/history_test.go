package history

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
)

var local = time.FixedZone("CST", 8*3600)

func date(s string) savings.Date {
	var d savings.Date
	if err := d.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return d
}

func load(t testing.TB, boundaries, devices string) *inventory.Inventory {
	t.Helper()
	return loadCommunities(t, "- id: nancheng\n  name: 南城社区\n  boundaries:\n"+boundaries, devices)
}

func loadCommunities(t testing.TB, communities, devices string) *inventory.Inventory {
	t.Helper()
	dir := t.TempDir()
	text := "communities:\n" + communities + `
vendors:
- id: v
  devices_file: devices.csv
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`
	if err := os.WriteFile(filepath.Join(dir, "devices.csv"), []byte("id,community,facility,boundary\n"+devices), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "inventory.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, local)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func start(t testing.TB) (*embedded.InfluxDB, func(lines []byte)) {
	t.Helper()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	w := influx.New(influx.Options{URL: db.URL(), Bucket: "facilities", Org: "bureau"})
	t.Cleanup(func() { w.Close(); db.Close() })
	return db, func(lines []byte) {
		if refused, err := w.Write(context.Background(), lines); err != nil || len(refused) > 0 {
			t.Fatal(err, refused)
		}
	}
}

func recompute(t testing.TB, db *embedded.InfluxDB, inv *inventory.Inventory, from, to string) *savings.Statement {
	t.Helper()
	r, err := savings.NewRecomputation(inv, "", date(from), date(to))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Database{URL: db.URL(), Bucket: "facilities"}).Run(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return r.Statement()
}

const mean = `  - id: lamps
    spec:
      resource: electricity
      ipmvp: B
      meters: [{device: em}]
      baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}
`

// What is stored gives the figures by hand, in whatever order it was written,
// and twice.
func TestRecomputedFromInfluxDB(t *testing.T) {
	db, write := start(t)
	inv := load(t, mean, "em,nancheng,lighting,lamps\n")
	first := time.Date(2025, 12, 20, 0, 30, 0, 0, local) // reads do not fall on midnight
	var lines []string
	for h := range 24 * 110 {
		if h > 24*30 && h < 24*37 {
			continue // a week of silence
		}
		at := first.Add(time.Duration(h) * time.Hour)
		lines = append(lines, fmt.Sprintf("lighting,community=nancheng,device=em,vendor=v energy_total=%v,active_power=7 %d", 100+8*float64(h)/24, at.UnixMilli()))
	}
	write([]byte(strings.Join(lines[len(lines)/2:], "\n")))
	write([]byte(strings.Join(lines[:len(lines)*3/4], "\n")))
	s := recompute(t, db, inv, "2026-01-01", "2026-04-01")
	if len(s.Items) != 1 {
		t.Fatalf("%+v", s)
	}
	item := s.Items[0]
	for what, v := range map[string][2]float64{"actual": {float64(item.Actual), 720}, "baseline": {float64(item.Baseline), 900}, "saving": {float64(item.Saving), 180}, "coverage": {float64(item.Coverage), 1}} {
		if math.Abs(v[0]-v[1]) > 1e-8 {
			t.Errorf("%s: %.12g, by hand %g", what, v[0], v[1])
		}
	}
	if !item.Significant || item.Boundaries[0].Anomalies[books.Gap] != 1 {
		t.Errorf("%+v", item)
	}
	// Any other days, those of the silence included: 8 a day.
	if day := recompute(t, db, inv, "2026-01-21", "2026-01-22").Items[0]; math.Abs(float64(day.Actual)-8) > 1e-9 || day.Coverage != 1 {
		t.Errorf("%+v", day)
	}
	if none := recompute(t, db, inv, "2026-06-01", "2026-06-11").Items[0]; none.Verdict != baseline.NoCoveredTime || none.Coverage != 0 {
		t.Errorf("%+v", none)
	}
}

// A county's quarter: 100,000 meters that are read once a day (1,000 unless
// GREENCOMMUNITY_LONG is set). How long it takes is logged, for a machine that
// does nothing else.
func TestCountyRecomputedLong(t *testing.T) {
	const communities = 100
	each := 10
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		each = 1000
	}
	db, write := start(t)
	var devices, text strings.Builder
	for c := range communities {
		fmt.Fprintf(&text, "- id: c%d\n  name: c%d\n  boundaries:\n%s", c, c,
			strings.Replace(strings.Replace(mean, "meters: [{device: em}]", fmt.Sprintf("meter_count: %d", each), 1), "coef: [10]", fmt.Sprintf("coef: [%d]", 10*each), 1))
		for m := range each {
			fmt.Fprintf(&devices, "em-%d-%d,c%d,lighting,lamps\n", c, m, c)
		}
	}
	inv := loadCommunities(t, text.String(), devices.String())
	began := time.Now()
	var lines []byte
	for c := range communities {
		for m := range each {
			for day := range 93 {
				at := time.Date(2025, 12, 31, 12, 0, 0, 0, local).AddDate(0, 0, day).UnixMilli()
				lines = fmt.Appendf(lines, "lighting,community=c%d,device=em-%d-%d,vendor=v energy_total=%d %d\n", c, c, m, 8*day, at)
			}
			if len(lines) > 1<<19 {
				write(lines)
				lines = lines[:0]
			}
		}
	}
	write(lines)
	t.Logf("%d points written in %s", communities*each*93, time.Since(began).Round(time.Second))
	began = time.Now()
	s := recompute(t, db, inv, "2026-01-01", "2026-04-01")
	t.Logf("recomputed in %s; the budget is a minute", time.Since(began).Round(time.Millisecond))
	if len(s.Items) != communities {
		t.Fatalf("%d items", len(s.Items))
	}
	for _, item := range s.Items {
		if math.Abs(float64(item.Actual)-float64(8*90*each)) > 1e-3 || item.Coverage != 1 {
			t.Errorf("%+v", item)
		}
	}
}

// What the service has written of freezes and of lamps is read back: the last freeze of a
// boundary, the days of the period.
func TestFreezesAndLampsAreReadBack(t *testing.T) {
	db, write := start(t)
	inv := loadCommunities(t, `- id: nancheng
  name: 南城社区
  lat: 34.75
  lon: 106.13
  boundaries:
  - id: lamps
    spec: {resource: electricity, ipmvp: A, reporting: [{count: 20, watts: 60}], uncertainty: {watts_rel: 0.05}, baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 20, watts: 168}]}}
`, "")
	day := func(n int) int64 { return time.Date(2026, 1, 1+n, 0, 0, 0, 0, local).UnixMilli() }
	var lines strings.Builder
	for n := range 12 {
		fmt.Fprintf(&lines, "burning,boundary=lamps,community=nancheng lamps=20,on_hours=171,stated_hours=200,lit=18 %d\n", day(n))
	}
	write([]byte(lines.String()))
	b := recompute(t, db, inv, "2026-01-01", "2026-01-11").Items[0].Boundaries[0]
	if b.Changed != "" || b.Told == nil || b.Told.Days != 10 || b.Told.Hours != 9.5 || b.Told.StatedHours != 10 || b.Told.Share != 0.9 || len(b.Told.Warnings) != 2 {
		t.Errorf("%+v %+v", b, b.Told)
	}
	write([]byte(fmt.Sprintf("baselines,boundary=lamps,community=nancheng version=1i,hash=%q %d\nbaselines,boundary=lamps,community=nancheng version=1i,hash=\"older\" %d\n", b.Sheet.Hash, day(11), day(3))))
	if again := recompute(t, db, inv, "2026-01-01", "2026-01-11").Items[0].Boundaries[0]; again.Changed != "" || again.Status != "frozen" {
		t.Errorf("%+v", again)
	}
	write([]byte(fmt.Sprintf("baselines,boundary=lamps,community=nancheng version=1i,hash=\"another\" %d\n", day(12))))
	if again := recompute(t, db, inv, "2026-01-01", "2026-01-11").Items[0].Boundaries[0]; again.Changed == "" || again.Status != "changed" {
		t.Errorf("%+v", again)
	}
}
