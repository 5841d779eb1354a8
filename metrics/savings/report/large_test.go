//go:build unix

package report

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/history"
)

// A county's report of many household meters that are read once a day, and as many meter
// days as all of its comparisons read: a quarter, the quarter a year before, and 365 days.
// GREENCOMMUNITY_METERS is how many meters there are, in 40 communities; 40 unless it is
// set. A process of its own makes the report: what it takes is logged and is not InfluxDB's.
func TestReportOfManyMetersLong(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	from, to := date("2026-07-01"), date("2026-10-01")
	if of := os.Getenv("GREENCOMMUNITY_REPORT_OF"); of != "" {
		url, path, _ := strings.Cut(of, " ")
		reportOfMany(t, url, path, zone, Order{From: from, To: to, Now: time.Date(2026, 11, 5, 10, 0, 0, 0, zone), Unit: "县住建局", Digest: "0123abcd"})
		return
	}
	meters, communities := 40, 40
	if n, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_METERS")); err == nil {
		meters = n
	}
	each := meters / communities
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	w := influx.New(influx.Options{URL: db.URL(), Bucket: "facilities", Org: "bureau"})
	t.Cleanup(func() { w.Close(); db.Close() })
	p := &planted{t: t, url: db.URL(), zone: zone}
	var lines []byte
	var text, devices strings.Builder
	months := strings.TrimSuffix(strings.Repeat("0.125, ", 12), ", ")
	days := strings.TrimSuffix(strings.Repeat("30, ", 12), ", ")
	began, points := time.Now(), 0
	for c := range communities {
		fmt.Fprintf(&text, `- id: c%02d
  name: 社区%d
  households: %d
  population: %d
  boundaries:
  - id: homes
    spec: {resource: water, ipmvp: C, meter_count: %d, uncertainty: {year_rel: 0.03}, baseline: {version: 1, period: [2024-01-01, 2025-01-01], method: per_capita_monthly, relative: true, monthly: [%s], monthly_days: [%s], n: 360, n_eff: 150, rmse_n_minus_p: 0.05}}
`, c, c, each, 2*each, each, months, days)
		for m := range each {
			fmt.Fprintf(&devices, "m%d-%d,c%02d,water,homes\n", c, m, c)
			for d := dayNumber(2025, 6, 30); d < dayNumber(2026, 10, 3); d++ {
				lines = fmt.Appendf(lines, "water,community=c%02d,device=m%d-%d,vendor=v water_volume_total=%.1f %d\n", c, c, m, 0.2*float64(d-20000), (int64(d)*86400-8*3600)*1000)
				points++
			}
			if len(lines) > 1<<19 {
				p.flush(w, &lines)
			}
		}
	}
	p.flush(w, &lines)
	t.Logf("%d points of %d meters written in %s", points, each*communities, time.Since(began).Round(time.Second))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "devices.csv"), []byte("id,community,facility,boundary\n"+devices.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "inventory.yaml")
	if err := os.WriteFile(path, []byte("communities:\n"+text.String()+"vendors:\n- {id: v, devices_file: devices.csv, sources: [{topic: \"x/{community}/{facility}/{device}\", format: native}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestReportOfManyMetersLong$", "-test.v")
	child.Env = append(os.Environ(), "GREENCOMMUNITY_REPORT_OF="+db.URL()+" "+path)
	before := cpu(t)
	out, err := child.CombinedOutput()
	t.Logf("CPU of the report %s, of InfluxDB %s", (child.ProcessState.UserTime() + child.ProcessState.SystemTime()).Round(time.Millisecond), (cpu(t) - before).Round(time.Millisecond))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, told, ok := strings.Cut(line, "told: "); ok {
			t.Log(strings.TrimSpace(told))
		}
	}
}

// reportOfMany makes the report in this process, and says what it took.
func reportOfMany(t *testing.T, url, path string, zone *time.Location, order Order) {
	inv, err := inventory.Load(path, zone)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	source, err := Gather(context.Background(), &history.Database{URL: url, Bucket: "facilities"}, inv, &savings.Config{Report: savings.ReportConfig{Floor: 0.8}}, order)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if err := New(source).Write(io.Discard, "html"); err != nil {
		t.Fatal(err)
	}
	for _, item := range source.Statement.Items { // 0.2 m3 a meter and day for 92 days, of 0.25
		n := float64(item.Boundaries[0].Meters)
		if math.Abs(float64(item.Actual)-0.2*92*n) > 1e-3*n || math.Abs(float64(item.Fraction)-0.2) > 1e-6 || item.Coverage != 1 {
			t.Errorf("%+v", item)
		}
	}
	if len(source.Statement.Items) != 40 {
		t.Errorf("%d communities", len(source.Statement.Items))
	}
	peak := "unknown"
	if status, err := os.ReadFile("/proc/self/status"); err == nil && runtime.GOOS == "linux" {
		for line := range strings.Lines(string(status)) {
			if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				peak = strings.TrimSpace(v)
			}
		}
	}
	t.Logf("told: gathered in %s, written after %s; at most %s resident", took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), peak)
}

// cpu is what this process has taken of processors.
func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
