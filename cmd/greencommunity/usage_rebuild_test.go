package main

import (
	"context"
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

	"greencommunity/dashboards"
	"greencommunity/deploy/embedded"
	"greencommunity/metrics/savings/report"
)

// used says what the meters of TestUseAfterReplay use an hour, m3; main passes them all.
var used = map[string]float64{"wm-0": 0.011, "wm-1": 0.023, "wm-2": 0.037, "main": 0.083}

// What is replayed reaches the book of use: messages a wrong mapping refused, a wrong unit,
// a parent named late. A day's figure is one on the page, in /metrics, on the board, in the
// hours, in the report and recomputed, each time, and a kill −9 in the middle changes
// nothing. A final quarter that changes has one more revision.
func TestUseAfterReplay(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	first := midnight.AddDate(0, 0, -5)
	quarterEnd := time.Date(now.Year(), now.Month()-(now.Month()-1)%3, 1, 0, 0, 0, 0, zone)
	quarterStart := quarterEnd.AddDate(0, -3, 0)
	days := int(quarterEnd.Sub(quarterStart).Hours()/24 + 0.5)

	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	db := startDatabase(t)
	dir, addr, path := writeConfig(t, broker.Addr(), "http://"+db.addr, "")
	// inventory has the name acme's meters give their volume, beta's units, and whether
	// somebody has said that the master meter stands before the others.
	inventory := func(volume, water, energy string, behind bool) {
		t.Helper()
		parent, meters := "", "[{device: wm-0}, {device: wm-1}, {device: wm-2}, {device: main}]"
		if behind {
			parent, meters = ", parent: main", "[{device: main}]"
		}
		write(t, filepath.Join(dir, "inventory.yaml"), fmt.Sprintf(`
communities:
- id: nancheng
  name: 南城社区
  boundaries:
  - id: households
    spec: {resource: water, ipmvp: none, meters: %s}
  - id: lamps
    spec: {resource: electricity, ipmvp: B, meters: [{device: em}, {device: em2}], uncertainty: {meter_class: 1}, baseline: {version: 1, period: [%s, %s], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}}
vendors:
- id: v
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
  devices:
  - {id: wm-0, community: nancheng, facility: water%[4]s}
  - {id: main, community: nancheng, facility: water}
- id: acme
  devices: [{id: wm-1, community: nancheng, facility: water%[4]s}]
  sources: [{topic: "acme/{device}", format: json, json: {records: "[*]", time: [{path: t, unit: ms}]}, fields: {%[5]s: {quantity: water_volume_total, unit: m3}}}]
- id: beta
  devices: [{id: wm-2, community: nancheng, facility: water%[4]s}, {id: em2, community: nancheng, facility: lighting}]
  sources: [{topic: "beta/{device}", format: json, json: {records: "[*]", time: [{path: t, unit: ms}]}, fields: {v: {quantity: water_volume_total, unit: %[6]s}, e: {quantity: energy_total, unit: %[7]s}}}]
`, meters, quarterStart.AddDate(-1, 0, 0).Format(time.DateOnly), quarterStart.Format(time.DateOnly), parent, volume, water, energy))
	}
	inventory("vol", "L", "Wh", false) // acme says v; beta means m3 and kWh
	in := &ingester{dir: dir, url: "http://" + addr}
	in.process = startProcess(t, built.Path(t), "run", "--config", path)
	in.waitReady()
	p := newPublisher(t, broker.Addr())

	sent := 0
	var last time.Time // of the reads
	read := func(times ...time.Time) {
		lists := map[string][]string{}
		for _, at := range times {
			for id, perHour := range used {
				form := `{"time":%d,"water_volume_total":%.6f}`
				if id == "wm-1" || id == "wm-2" {
					form = `{"t":%d,"v":%.6f}`
				}
				lists[id] = append(lists[id], fmt.Sprintf(form, at.UnixMilli(), 40+perHour*at.Sub(first).Hours()))
			}
			last = at
		}
		for id, list := range lists {
			topic := map[string]string{"wm-1": "acme/wm-1", "wm-2": "beta/wm-2"}[id]
			if topic == "" {
				topic = "greencommunity/v1/nancheng/water/" + id
			}
			p.publish(topic, []byte("["+strings.Join(list, ",")+"]"))
			sent++
		}
	}
	var hourly []time.Time
	for at := first; !at.After(now); at = at.Add(time.Hour) {
		hourly = append(hourly, at)
	}
	read(hourly...)
	for _, id := range []string{"em", "em2"} {
		var list []string
		for d := range days + 1 {
			form := `{"time":%d,"energy_total":%d}`
			if id == "em2" {
				form = `{"t":%d,"e":%d}`
			}
			list = append(list, fmt.Sprintf(form, quarterStart.AddDate(0, 0, d).UnixMilli(), 1000+d*map[string]int{"em": 4, "em2": 3}[id]))
		}
		p.publish(map[string]string{"em": "greencommunity/v1/nancheng/lighting/em", "em2": "beta/em2"}[id], []byte("["+strings.Join(list, ",")+"]"))
		sent++
	}
	in.waitSettled(float64(sent), time.Minute)

	board := ""
	for _, p := range dashboards.Build(dashboards.English)["water"].Panels {
		if p.Title == "Water a day" {
			board = p.Targets[0].Query
		}
	}
	ask := func(query string, day time.Time) float64 {
		filter := fmt.Sprintf("time >= %d AND time < %d", day.UnixNano(), day.AddDate(0, 0, 1).UnixNano())
		query = strings.NewReplacer("$timeFilter", filter, "${community:regex}", "nancheng").Replace(query)
		sum := 0.0
		for _, row := range db.rows(query) {
			if v, ok := row["sum"].(json.Number); ok {
				sum, _ = v.Float64()
			}
		}
		return sum
	}
	savings := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		if err := run(context.Background(), append([]string{"savings", "--config", path}, args...), streams{strings.NewReader(""), &out, io.Discard}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	computed := func(day time.Time) float64 {
		t.Helper()
		var statement struct {
			Items []struct {
				Facility   string
				Boundaries []struct{ Use float64 }
			}
		}
		if err := json.Unmarshal([]byte(savings("--from", day.Format(time.DateOnly), "--to", day.AddDate(0, 0, 1).Format(time.DateOnly))), &statement); err != nil {
			t.Fatal(err)
		}
		for _, i := range statement.Items {
			if i.Facility == "water" {
				return i.Boundaries[0].Use
			}
		}
		return math.NaN()
	}
	same := func(a, b float64) bool { return math.Abs(a-b) < 2e-6 }
	// agree compares all that says what was used with what the meters that count used.
	agree := func(when string, meters ...string) {
		t.Helper()
		perHour := 0.0
		for _, id := range meters {
			perHour += used[id]
		}
		hours := last.Sub(midnight).Hours()
		eventually(t, 60*time.Second, when, func() error {
			m, err := in.metrics()
			if err != nil {
				return err
			}
			text, err := get(in.url + "/api/v1/overview")
			if err != nil {
				return err
			}
			var page struct {
				Total struct {
					Water float64 `json:"water_today_m3"`
				}
			}
			if err := json.Unmarshal([]byte(text), &page); err != nil {
				return err
			}
			for day := first; !day.After(midnight); day = day.AddDate(0, 0, 1) {
				want := 24 * perHour
				if day.Equal(midnight) {
					want = perHour * hours
					if shown := m.sum("greencommunity_water_today_cubic_meters"); !same(shown, want) || !same(page.Total.Water, want) {
						return fmt.Errorf("today: metrics %v, page %v, want %v", shown, page.Total.Water, want)
					}
				}
				asked := ask(board, day)
				ofHours := ask("SELECT sum(used) FROM usage WHERE facility = 'water' AND behind = '' AND $timeFilter", day)
				ofPlaces := ask("SELECT sum(total) FROM place_hourly WHERE facility = 'water' AND quantity = 'usage.water' AND $timeFilter", day)
				if day.Equal(midnight) { // the hour that runs is told when it is over
					ofHours = want
				}
				if c := computed(day); !same(asked, want) || !same(ofHours, want) || !same(ofPlaces, want) || !same(c, want) {
					return fmt.Errorf("%s: board %v, hours %v, hours of places %v, recomputed %v, want %v", day.Format(time.DateOnly), asked, ofHours, ofPlaces, c, want)
				}
			}
			return nil
		})
		file := filepath.Join(t.TempDir(), "report.csv")
		savings("--from", midnight.AddDate(0, 0, -1).Format(time.DateOnly), "--to", midnight.Format(time.DateOnly), "--report", file, "--reporting-unit", "x")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := report.Rounded(24*perHour, 24*perHour/100); !strings.Contains(string(text), ",立方米,"+want+",") && !strings.Contains(string(text), ","+want+",未知") {
			t.Errorf("%s: the report does not say that %s m3 were used:\n%s", when, want, text)
		}
	}
	// saved waits for the saving of the last quarter, kWh, and returns its revision.
	saved := func(when string, want float64) (revision int) {
		t.Helper()
		eventually(t, 150*time.Second, when, func() error {
			m, err := in.metrics()
			if err != nil {
				return err
			}
			shown := math.NaN()
			for key, v := range m {
				switch {
				case !strings.Contains(key, "period:previous_quarter") || !strings.Contains(key, "facility:lighting"):
				case strings.HasPrefix(key, "greencommunity_energy_savings_joules["):
					shown = v / 3.6e6
				case strings.HasPrefix(key, "greencommunity_savings_revision["):
					revision = int(v)
				}
			}
			if !(math.Abs(shown-want) < 1e-6) {
				return fmt.Errorf("a saving of %v kWh, want %v", shown, want)
			}
			return nil
		})
		var statement struct {
			Items []struct {
				Facility string
				Saving   float64
			}
		}
		if err := json.Unmarshal([]byte(savings("--quarter", fmt.Sprintf("%dQ%d", quarterStart.Year(), (quarterStart.Month()-1)/3+1))), &statement); err != nil {
			t.Fatal(err)
		}
		for _, i := range statement.Items {
			if i.Facility == "lighting" && math.Abs(i.Saving-want) > 1e-6 {
				t.Errorf("%s: recomputed %v kWh, want %v", when, i.Saving, want)
			}
		}
		return revision
	}
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
	n := float64(days)
	inventory("v", "L", "Wh", false)
	reload()
	out, err := command(t, "replay", "--config", path, "--from", "1h", "--vendor", "acme")
	if err != nil {
		t.Fatal(err, out)
	}
	wantOutput(t, out, "use booked again: nancheng since "+first.Format("2006-01-02 15:04"))
	used["wm-2"] /= 1000
	agree("what was refused, replayed", "wm-0", "wm-1", "wm-2", "main")
	used["wm-2"] *= 1000
	before := saved("with a wrong unit", n*(10-4-0.003))

	// The unit is mended, and the process is killed while it books again, twice.
	inventory("v", "m3", "kWh", false)
	reload()
	if out, err = command(t, "replay", "--config", path, "--from", "1h", "--vendor", "beta", "--no-wait"); err != nil {
		t.Fatal(err, out)
	}
	for _, after := range []time.Duration{30 * time.Millisecond, 300 * time.Millisecond} {
		time.Sleep(after)
		in.end(syscall.SIGKILL)
		in.start()
		in.waitReady()
	}
	eventually(t, time.Minute, "booked again after the kills", func() error {
		if text, err := os.ReadFile(filepath.Join(dir, "data", "rebuilds.ndjson")); err != nil || len(text) > 0 {
			return fmt.Errorf("%s %v", text, err)
		}
		return nil
	})
	read(time.Now().In(zone))
	agree("the unit, mended", "wm-0", "wm-1", "wm-2", "main")
	if after := saved("with the right unit", n*(10-4-3)); before > 0 && after != before+1 || before == 0 && after != 0 {
		t.Errorf("the final quarter has revision %d, and had %d", after, before)
	}

	inventory("v", "m3", "kWh", true)
	reload()
	if out, err = command(t, "usage", "rebuild", "--config", path, "--since", "20d", "--community", "nancheng"); err != nil {
		t.Fatal(err, out)
	}
	read(time.Now().In(zone))
	agree("a parent, named late", "main")
	for _, row := range db.rows("SELECT sum(used) FROM usage WHERE facility = 'water' AND device =~ /^wm-/ GROUP BY behind") {
		if v, _ := row["sum"].(json.Number).Float64(); row["behind"] == "" && v != 0 {
			t.Errorf("%v m3 of flats without the meter in front", v)
		}
	}
	// Again: nothing doubles.
	if out, err = command(t, "usage", "rebuild", "--config", path, "--since", first.Format(time.DateOnly)); err != nil {
		t.Fatal(err, out)
	}
	wantOutput(t, out, "all communities since", "0 days of boundaries are others, 0 hours written anew")
	agree("booked once more", "main")

	if out, err = command(t, "usage", "rebuild", "--config", path, "--since", "1d", "--community", "nowhere"); err == nil || !strings.Contains(err.Error(), `community "nowhere" is not in the inventory`) {
		t.Error(out, err)
	}
	in.end(syscall.SIGTERM)
	if out, err = command(t, "usage", "rebuild", "--config", path, "--since", "1d"); err != nil || !strings.Contains(out, "use is booked again when it starts") {
		t.Error(out, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "data", "rebuilds.ndjson")); err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%s %v", text, err)
	}
}
