package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/metrics/savings/baseline"

	"greencommunity/ingest/inventory/inventorytest"
)

// Case 05 by the command: a leak inside the baseline is refused with its days, and
// accepted by name it keeps the reason.
func TestCase05BaselineWithALeakIsRefused(t *testing.T) {
	t.Parallel()
	root := inventorytest.Cases(t)
	file := filepath.Join(root, "field/savings/05-leak-inside-the-baseline/days.csv")
	if _, err := savingsRun(t, "", "per-capita", file); err == nil || !strings.Contains(err.Error(), "leak: use stands +") {
		t.Errorf("per-capita: %v", err)
	}
	if _, err := savingsRun(t, "", "baseline", file); err == nil || !strings.Contains(err.Error(), "leak: use stands +") {
		t.Errorf("baseline: %v", err)
	}
	got, err := savingsRun(t, "", "baseline", file, "--accept", "leak=维修单 2025-031", "--approved-by", "张工")
	if err != nil {
		t.Fatal(err)
	}
	b := got["baseline"].(map[string]any)
	if kept := b["accepted"].([]any)[0].(map[string]any); kept["kind"] != "leak" || kept["reason"] != "维修单 2025-031" || b["method"] != "per_capita_monthly" {
		t.Errorf("%v", b)
	}
	if _, err := savingsRun(t, "", "baseline", file, "--accept", "leak"); err == nil || !strings.Contains(err.Error(), "has no reason") {
		t.Errorf("%v", err)
	}
}

// Where days' use cannot tell whether 0.5 m³/h leaked, by default no baseline has such a
// leak: with it and without it the year is refused until the night flow, or a reason, says
// that there was none. Days that scatter less tell by themselves.
func TestBaselineOfDaysAloneHasNoLeak(t *testing.T) {
	t.Parallel()
	table := func(seed uint64, scatter, leak float64, first, length int, nights bool) string {
		rng := rand.New(rand.NewPCG(seed, 9))
		var b strings.Builder
		b.WriteString("date,usage,persons,night_flow\n")
		noise := rng.NormFloat64()
		for n := range 365 {
			noise = 0.4*noise + math.Sqrt(1-0.16)*rng.NormFloat64()
			use, night := 100*(1+0.15*math.Sin(float64(n-100)/58))*(1+scatter*noise), 0.6*(1+0.2*rng.NormFloat64())
			if n >= first && n < first+length {
				use, night = use+24*leak, night+leak
			}
			fmt.Fprintf(&b, "%s,%.3f,1000,", time.Date(2025, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), use)
			if nights {
				fmt.Fprintf(&b, "%.3f", night)
			}
			b.WriteString("\n")
		}
		return b.String()
	}
	for seed := range uint64(4) {
		if _, err := savingsRun(t, table(seed, 0.08, 0.5, 10+60*int(seed), 60, false), "baseline", "-"); err == nil {
			t.Errorf("seed %d: takes a leak", seed)
		}
		if _, err := savingsRun(t, table(seed, 0.08, 0.5, 10+60*int(seed), 60, true), "baseline", "-"); err == nil || !strings.Contains(err.Error(), "02:00") {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	clean := table(1, 0.08, 0, 0, 0, false)
	if _, err := savingsRun(t, clean, "baseline", "-"); err == nil || !strings.Contains(err.Error(), "leak_limit: a leak of 0.5 m³/h for 60 days could be within") || !strings.Contains(err.Error(), "night_flow") {
		t.Errorf("%v", err)
	}
	got, err := savingsRun(t, clean, "baseline", "-", "--accept", "leak_limit=夜间巡查单 2025-17")
	if err != nil || got["baseline"].(map[string]any)["accepted"].([]any)[0].(map[string]any)["reason"] != "夜间巡查单 2025-17" {
		t.Errorf("%v %v", got, err)
	}
	for name, args := range map[string][]string{
		table(1, 0.08, 0, 0, 0, true):  {"baseline", "-"},
		table(1, 0.04, 0, 0, 0, false): {"baseline", "-"},
		clean:                          {"baseline", "-", "--exclude-leak", "0"},
	} {
		if _, err := savingsRun(t, name, args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// A baseline from InfluxDB: a clean year is accepted, and its alarms, its thin data and
// its night flow are found.
func TestBaselineOfStoredReadings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "influx"), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := influx.New(influx.Options{URL: db.URL(), Org: "o", Bucket: "facilities"})
	defer w.Close()
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.FixedZone("", 8*3600))
	rng := rand.New(rand.NewPCG(2, 2))
	var lines strings.Builder
	clean, leaky, lamps := 1000.0, 1000.0, 50.0
	for n := range 366 {
		day := start.AddDate(0, 0, n)
		at := day.UnixMilli()
		fmt.Fprintf(&lines, "water,community=nancheng,device=wm,vendor=v water_volume_total=%.3f %d\n", clean, at)
		// The other master meter is read every hour, and a pipe leaks 0.8 m³/h all year.
		for h := range 24 {
			fmt.Fprintf(&lines, "water,community=nancheng,device=wl,vendor=v water_volume_total=%.3f %d\n", leaky, day.Add(time.Duration(h)*time.Hour).UnixMilli())
			leaky += 0.8 + map[bool]float64{true: 0.3, false: 4}[h >= 1 && h < 5]
		}
		fmt.Fprintf(&lines, "lighting,community=nancheng,device=em,vendor=v energy_total=%.3f %d\n", lamps, at)
		clean += 100 * (1 + 0.05*rng.NormFloat64())
		lamps += 16.8 * baseline.BurnHours(day, 34.75, 106.13, -6) * (1 + 0.01*rng.NormFloat64())
	}
	for active, day := range map[int]int{1: 100, 0: 104} {
		fmt.Fprintf(&lines, "events,community=nancheng,device=wa,facility=water,type=continuous_flow,vendor=v active=%di,code=\"warning\" %d\n", active, start.AddDate(0, 0, day).Add(5*time.Hour).UnixMilli())
		fmt.Fprintf(&lines, "events,community=nancheng,device=other,facility=water,type=continuous_flow,vendor=v active=%di,code=\"warning\" %d\n", active, start.AddDate(0, 0, day+50).UnixMilli())
	}
	register := 0.0
	for n := range 366 {
		fmt.Fprintf(&lines, "water,community=nancheng,device=wa,vendor=v water_volume_total=%.3f %d\n", register, start.AddDate(0, 0, n).UnixMilli())
		register += 100 * (1 + 0.05*rng.NormFloat64())
	}
	if refused, err := w.Write(context.Background(), []byte(lines.String())); err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	for name, text := range map[string]string{
		"token": "t",
		"config.yaml": "data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1\"], client_id: x}\n" +
			"influxdb: {url: \"" + db.URL() + "\", org: o, bucket: facilities, token_file: token}\n",
		"inventory.yaml": `communities:
- id: nancheng
  name: 南城社区
  population: 1000
  lat: 34.75
  lon: 106.13
  boundaries:
  - {id: clean, spec: {resource: water, ipmvp: C, meters: [{device: wm}]}}
  - {id: leaky, spec: {resource: water, ipmvp: C, meters: [{device: wl}]}}
  - {id: alarmed, spec: {resource: water, ipmvp: C, meters: [{device: wa}]}}
  - {id: lamps, spec: {resource: electricity, ipmvp: B, meters: [{device: em}]}}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	of := func(boundary, to string) (map[string]any, error) {
		return savingsRun(t, "", "baseline", "--config", filepath.Join(dir, "config.yaml"), "--community", "nancheng", "--boundary", boundary, "--from", "2025-01-01", "--to", to)
	}
	got, err := of("clean", "2026-01-01")
	if err != nil {
		t.Fatal(err)
	}
	if b := got["baseline"].(map[string]any); b["n"] != 365.0 || math.Abs(b["monthly"].([]any)[6].(float64)-0.1) > 0.003 || got["verdict"] != "accepted" {
		t.Errorf("%v", got)
	}
	if got, err = of("lamps", "2026-01-01"); err != nil {
		t.Fatal(err)
	}
	if b := got["baseline"].(map[string]any); b["dark_hours"] != true || math.Abs(b["coef"].([]any)[1].(float64)-16.8) > 0.2 || math.Abs(b["coef"].([]any)[0].(float64)) > 3 {
		t.Errorf("%v", b)
	}
	for boundary, want := range map[string]string{"leaky": "night_flow: the median night", "alarmed": "leak_alarm: an alarm of a leak was open on 5 days from 2025-04-11 to 2025-04-15"} {
		if _, err := of(boundary, "2026-01-01"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", boundary, err)
		}
	}
	if _, err := of("clean", "2025-02-01"); err == nil || !strings.Contains(err.Error(), "thin: 31 days") {
		t.Errorf("a month: %v", err)
	}
	if _, err := of("none", "2026-01-01"); err == nil || !strings.Contains(err.Error(), "no boundary") {
		t.Errorf("%v", err)
	}
}
