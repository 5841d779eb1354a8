package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

// What the service shows, what is recomputed from InfluxDB and what the report says of a
// quarter is one figure, through all that happens to it: kill −9 while readings come, the
// same messages again, reads that come late, persons corrected for the past, settings
// changed under the same version and brought back. Figures of a quarter that is final
// change as a new revision only. The plain run has the kill, the replay and the changed
// settings; all of it with GREENCOMMUNITY_LONG.
func TestSavingsAgreeThroughFaultsLong(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	db := startDatabase(t)
	dir, addr, path := writeConfig(t, broker.Addr(), "http://"+db.addr, "")
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(zone)
	to := time.Date(now.Year(), now.Month()-(now.Month()-1)%3, 1, 0, 0, 0, 0, zone)
	first := to.AddDate(0, -3, 0)
	days := int(to.Sub(first).Hours()/24 + 0.5)
	period := fmt.Sprintf("[%s, %s]", first.AddDate(-1, 0, 0).Format(time.DateOnly), first.Format(time.DateOnly))
	inventory := func(uncertainty string, persons int) {
		t.Helper()
		write(t, filepath.Join(dir, "inventory.yaml"), fmt.Sprintf(`
communities:
- id: nancheng
  name: 南城社区
  boundaries:
  - id: lamps
    spec: {resource: electricity, ipmvp: B, meters: [{device: em}, {device: em2}], uncertainty: {%s}, baseline: {version: 1, period: %[3]s, method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}}
  - id: households
    spec: {resource: water, ipmvp: C, meters: [{device: wm}], population: [{from: 2020-01-01, persons: %[2]d, source: register}], uncertainty: {watts_rel: 0.02}, baseline: {version: 1, period: %[3]s, method: per_capita_monthly, monthly: [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]}}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`, uncertainty, persons, period))
	}
	inventory("meter_class: 1", 1000)
	in := &ingester{dir: dir, url: "http://" + addr}
	in.process = startProcess(t, built.Path(t), "run", "--config", path)
	in.waitReady()
	p := newPublisher(t, broker.Addr())

	// Each meter's registers of some days, in messages of ten days. em2 is silent in the
	// last ten days.
	send := func(device, facility, quantity string, perDay float64, from, to int) (messages int) {
		for n := from; n <= to; n += 10 {
			var list []string
			for d := n; d < n+10 && d <= to; d++ {
				list = append(list, fmt.Sprintf(`{"time":%d,%q:%g}`, first.AddDate(0, 0, d).UnixMilli(), quantity, 5000+perDay*float64(d)))
			}
			p.publish("greencommunity/v1/nancheng/"+facility+"/"+device, []byte("["+strings.Join(list, ",")+"]"))
			messages++
		}
		return messages
	}
	all := func(from, to int) {
		send("em", "lighting", "energy_total", 5, from, to)
		send("em2", "lighting", "energy_total", 3, from, min(to, days-10))
		send("wm", "water", "water_volume_total", 95, from, to)
	}
	all(0, 39)
	in.end(syscall.SIGKILL)
	in.start()
	in.waitReady()
	all(30, days)
	all(0, days) // all of it again

	// one is what a source says of a quarter's saving, kWh or m³.
	type one struct {
		saving, band, coverage float64
		revision               int
	}
	live := func(resource string) (one, error) {
		m, err := in.metrics()
		if err != nil {
			return one{}, err
		}
		name, unit := "water_savings", "cubic_meters"
		scale, facility := 1.0, "water"
		if resource == "electricity" {
			name, unit, scale, facility = "energy_savings", "joules", 3.6e6, "lighting"
		}
		f := one{saving: math.NaN(), band: math.NaN(), coverage: math.NaN()}
		for key, v := range m {
			if !strings.Contains(key, "period:previous_quarter") || !strings.Contains(key, "facility:"+facility) {
				continue
			}
			switch {
			case strings.HasPrefix(key, "greencommunity_"+name+"_"+unit+"["):
				f.saving = v / scale
			case strings.HasPrefix(key, "greencommunity_"+name+"_uncertainty_"+unit+"["):
				f.band = v / scale
			case strings.HasPrefix(key, "greencommunity_savings_coverage_ratio["):
				f.coverage = v
			case strings.HasPrefix(key, "greencommunity_savings_revision["):
				f.revision = int(v)
			}
		}
		return f, nil
	}
	quarter := fmt.Sprintf("%dQ%d", first.Year(), (first.Month()-1)/3+1)
	command := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		if err := run(context.Background(), append([]string{"savings", "--config", path, "--quarter", quarter}, args...), streams{strings.NewReader(""), &out, io.Discard}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	type item struct {
		Resource    string   `json:"resource"`
		Saving      *float64 `json:"saving"`
		Uncertainty *float64 `json:"uncertainty"`
		Coverage    *float64 `json:"coverage"`
		Verdict     string   `json:"verdict"`
		Boundaries  []struct{ Status, Changed string }
	}
	recomputed := func() map[string]item {
		t.Helper()
		var statement struct{ Items []item }
		if err := json.Unmarshal([]byte(command()), &statement); err != nil {
			t.Fatal(err)
		}
		items := map[string]item{}
		for _, i := range statement.Items {
			items[i.Resource] = i
		}
		return items
	}
	// reported are the rows of the community in section four, by resource and column.
	reported := func() map[string]map[string]string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "q.csv")
		command("--report", file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
		c.FieldsPerRecord = -1
		rows, err := c.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		of, head := map[string]map[string]string{}, []string(nil)
		for _, row := range rows {
			if row[0] != "四" {
				continue
			}
			if strings.Contains(strings.Join(row, ","), "社区编号") {
				head = row
			} else if head != nil && len(row) == len(head) {
				cells := map[string]string{}
				for i, column := range head {
					cells[column] = row[i]
				}
				if cells["社区编号"] == "nancheng" {
					of[map[string]string{"电": "electricity", "水": "water"}[cells["资源"]]] = cells
				}
			}
		}
		return of
	}
	// agree waits until the service shows a saving, and compares the three.
	agree := func(when, resource string, saving float64) one {
		t.Helper()
		var shown one
		eventually(t, 150*time.Second, when+": "+resource, func() (err error) {
			if shown, err = live(resource); err == nil && !(math.Abs(shown.saving-saving) < 1e-6) {
				err = fmt.Errorf("%+v, want a saving of %g", shown, saving)
			}
			return err
		})
		i := recomputed()[resource]
		if i.Saving == nil || math.Abs(*i.Saving-shown.saving) > 1e-6 || math.Abs(*i.Uncertainty-shown.band) > 1e-6 || math.Abs(*i.Coverage-shown.coverage) > 1e-9 {
			t.Errorf("%s: live %+v, recomputed %+v", when, shown, i)
		}
		cells := reported()[resource]
		var written float64
		if _, err := fmt.Sscan(cells["节约量"], &written); err != nil || math.Abs(written-shown.saving) > shown.band/10 {
			t.Errorf("%s: live %+v, reported %q", when, shown, cells)
		}
		return shown
	}
	n := float64(days)
	light := agree("after kill and replay", "electricity", 2*(n-10)+10*(10*0.5-5)) // em2 is in neither side of ten days
	water := agree("after kill and replay", "water", 5*n)

	// Settings that decide the verdict, under the same version: told, and nothing saved.
	reload := func() {
		t.Helper()
		answer, err := http.Post(in.url+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		if answer.Body.Close(); answer.StatusCode != http.StatusOK {
			t.Fatalf("reload: %s", text)
		}
	}
	inventory("meter_class: 0.1", 1000)
	for _, when := range []string{"before the service knows", "after a reload"} {
		if i := recomputed()["electricity"]; i.Saving != nil || i.Verdict != "baseline_changed" || i.Boundaries[0].Status != "changed" || i.Boundaries[0].Changed == "" {
			t.Errorf("%s: %+v", when, i)
		}
		if cells := reported()["electricity"]; cells["节约量"] != "" || cells["结论"] != "基准被改动，不计" {
			t.Errorf("%s: %q", when, cells)
		}
		reload()
	}
	if text, err := get(in.url + "/metrics"); err != nil || !strings.Contains(text, `status="changed"`) {
		t.Errorf("the service does not tell: %v", err)
	}
	if shown, err := live("electricity"); err != nil || shown.saving == shown.saving && shown.saving != 0 {
		t.Errorf("the service saves by changed settings: %+v %v", shown, err)
	}
	inventory("meter_class: 1", 1000)
	reload()
	if again := agree("with the settings back", "electricity", light.saving); again.revision != light.revision {
		t.Errorf("bringing settings back is a revision: %+v, was %+v", again, light)
	}
	if !long() {
		return
	}

	// revised says how many revisions a figure has after one change.
	revised := func(before int) int {
		if before > 0 {
			return before + 1
		}
		return 0
	}
	send("em2", "lighting", "energy_total", 3, days-9, days)
	if late := agree("late data", "electricity", 2*n); late.revision != revised(light.revision) || late.coverage != 1 {
		t.Errorf("late data: %+v, was %+v", late, light)
	}
	inventory("meter_class: 1", 1100)
	reload()
	corrected := agree("persons corrected", "water", 15*n)
	if corrected.revision != revised(water.revision) {
		t.Errorf("persons corrected: %+v, was %+v", corrected, water)
	}
	in.end(syscall.SIGKILL)
	in.start()
	in.waitReady()
	if again := agree("after another kill", "water", 15*n); again.revision != corrected.revision {
		t.Errorf("after another kill: %+v, was %+v", again, corrected)
	}
}
