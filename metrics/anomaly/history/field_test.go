package history_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/anomaly/history"

	"greencommunity/ingest/inventory/inventorytest"
)

// field returns the file of a complaint, or skips where there are none.
func field(t *testing.T, name string) []byte {
	t.Helper()
	dir := inventorytest.Cases(t)
	data, err := os.ReadFile(filepath.Join(dir, "field", "anomaly", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// past runs the rules over a table.
func past(t *testing.T, facility ingest.FacilityKind, table []byte, zone string, lat, lon float64) *history.Result {
	t.Helper()
	place := time.FixedZone("Asia/Shanghai", 8*3600)
	if zone != "" {
		var err error
		if place, err = time.LoadLocation(zone); err != nil {
			t.Fatal(err)
		}
	}
	r := &history.Reader{Facility: facility, Zone: place, Options: anomaly.Options{Config: anomaly.DefaultConfig(), Lat: lat, Lon: lon}}
	result, err := r.Run(bytes.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// raised lists the alarms of the kinds, or of all, as "device kind time".
func raised(r *history.Result, kinds ...string) []string {
	var out []string
	for _, c := range r.Changes {
		if c.Raised && c.Alarm.Inhibited == "" && (len(kinds) == 0 || slices.Contains(kinds, c.Alarm.Kind)) {
			out = append(out, fmt.Sprintf("%s %s %s", c.Alarm.Device, c.Alarm.Kind, c.At.Format("2006-01-02 15:04")))
		}
	}
	return out
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", text, time.FixedZone("", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// found fails unless a kind is raised from a time on, within so long, and none before.
func found(t *testing.T, r *history.Result, from time.Time, within time.Duration, kinds ...string) {
	t.Helper()
	ok := false
	for _, c := range r.Changes {
		if !c.Raised || !slices.Contains(kinds, c.Alarm.Kind) {
			continue
		}
		if c.At.Before(from) {
			t.Errorf("%s raised %s, before anything was wrong", c.Alarm.Kind, c.At)
		} else if c.At.Sub(from) <= within {
			ok = true
		}
	}
	if !ok {
		t.Errorf("none of %v within %s of %s; raised: %v", kinds, within, from, raised(r))
	}
}

func TestField01DailyReads(t *testing.T) {
	for _, name := range []string{"daily_100Lh.csv", "8h_30Lh.csv"} {
		r := past(t, ingest.Water, field(t, "01-daily-reads-no-leak/"+name), "", 0, 0)
		found(t, r, at(t, "2026-04-01 00:00"), 4*24*time.Hour, "continuous_flow")
		if more := raised(r); len(more) != 1 {
			t.Errorf("%s: %v", name, more)
		}
	}
}

func TestField03LeakGrows(t *testing.T) {
	r := past(t, ingest.Water, field(t, "03-leak-grows-silently/leak_grows.csv"), "", 0, 0)
	times, last, severity := 0, 0.0, ""
	for _, c := range r.Changes {
		if c.Alarm.Kind != "continuous_flow" || !c.Raised {
			continue
		}
		if times > 0 && c.Alarm.Value < 2*last && c.Alarm.Severity == severity {
			t.Errorf("told again at %s with %g after %g", c.At, c.Alarm.Value, last)
		}
		times, last, severity = times+1, c.Alarm.Value, c.Alarm.Severity
	}
	if times < 4 {
		t.Errorf("told %d times, the leak grows 45-fold: %v", times, raised(r))
	}
	for _, a := range r.Open {
		if a.Kind == "continuous_flow" && (a.Value < 300 || a.Severity != "critical") {
			t.Errorf("open with %g, %s", a.Value, a.Severity)
		}
	}
	if len(r.Open) == 0 {
		t.Error("nothing is open")
	}
}

func TestField04UnitError(t *testing.T) {
	for _, name := range []string{"no_unit_error.csv", "unit_error_then_burst.csv"} {
		r := past(t, ingest.Water, field(t, "04-unit-error-blinds-burst/"+name), "", 0, 0)
		found(t, r, at(t, "2026-05-01 02:00"), 2*time.Hour, "burst")
	}
}

func TestField05EstimatedReads(t *testing.T) {
	r := past(t, ingest.Water, field(t, "05-estimated-reads/five_buildings.csv"), "Europe/London", 0, 0)
	for _, c := range r.Changes {
		day := c.At.In(time.UTC).Format("2006-01-02")
		if c.Raised && c.Alarm.Kind == "continuous_flow" &&
			slices.Contains([]string{"2023-04-18", "2023-04-19", "2023-04-25", "2023-04-26", "2023-05-16", "2023-05-17"}, day) {
			t.Errorf("%s: %s at %s", c.Alarm.Device, c.Alarm.Kind, c.At)
		}
	}
	if rate := float64(len(raised(r))) / r.Months(); rate > 0.2 {
		t.Errorf("%.2f alarms a meter-month: %v", rate, raised(r))
	}
}

func TestField07MasterMeter(t *testing.T) {
	r := past(t, ingest.Water, field(t, "07-master-meter/building_200_flats.csv"), "", 0, 0)
	if all := raised(r); len(all) > 0 {
		t.Errorf("no leak, and %v", all)
	}
	r = past(t, ingest.Water, field(t, "07-master-meter/master_leak300.csv"), "", 0, 0)
	found(t, r, at(t, "2026-04-01 00:00"), 72*time.Hour, "night_flow")
	for _, c := range r.Changes {
		if rise := c.Alarm.Value - c.Alarm.Expected; c.Raised && c.Alarm.Kind == "night_flow" && (rise < 200 || rise > 400) {
			t.Errorf("night flow %g, expected %g, where 300 L/h more are lost", c.Alarm.Value, c.Alarm.Expected)
		}
	}
}

func TestField08HalfNight(t *testing.T) {
	for _, name := range []string{"half_night_dim.csv", "midnight_off.csv"} {
		r := past(t, ingest.Lighting, field(t, "08-half-night-dimming/"+name), "", 34.75, 106.13)
		nights := map[string]bool{}
		for _, c := range r.Changes {
			if !c.Raised {
				continue
			}
			nights[c.At.Add(-4*time.Hour).Format("2006-01-02")] = true
			if c.Alarm.Inhibited == "" && c.Alarm.Kind != "at_once" {
				t.Errorf("%s: %s %s at %s", name, c.Alarm.Device, c.Alarm.Kind, c.At)
			}
		}
		if notes := raised(r, "at_once"); len(notes) > 1 {
			t.Errorf("%s: %v", name, notes)
		}
		if len(nights) > 3 {
			t.Errorf("%s: alarms in %d nights", name, len(nights))
		}
	}
}

func TestField09Cabinet(t *testing.T) {
	r := past(t, ingest.Lighting, field(t, "09-cabinet-steps/cabinet.csv"), "Etc/GMT-1", 46.07, 11.12)
	if all := raised(r); len(all) > 0 {
		t.Errorf("nothing is wrong, and %v", all)
	}
	for _, name := range []string{"cabinet_minus20.csv", "minus20_1min.csv"} {
		r := past(t, ingest.Lighting, field(t, "09-cabinet-steps/"+name), "Etc/GMT-1", 46.07, 11.12)
		if all := raised(r); len(all) != 1 || !strings.Contains(all[0], "partial_failure 2016-03-01") {
			t.Errorf("%s: %v", name, all)
		}
		if len(r.Open) != 1 {
			t.Errorf("%s: %d open at the end", name, len(r.Open))
		}
	}
}

func TestField12Counts(t *testing.T) {
	r := past(t, ingest.Gate, field(t, "12-counts-are-not-poisson/calit2.csv"), "America/Los_Angeles", 0, 0)
	all := raised(r)
	for _, day := range []string{"2005-10-25", "2005-11-02"} { // evenings there are the next day in UTC
		if !slices.ContainsFunc(all, func(a string) bool { return strings.Contains(a, day) }) {
			t.Errorf("nothing on %s: %v", day, all)
		}
	}
	// Three evenings are right.
	if rate := float64(len(all)-3) / r.Months(); rate > 0.3 {
		t.Errorf("door: %.2f a month in vain: %v", rate, all)
	}
	r = past(t, ingest.Gate, field(t, "12-counts-are-not-poisson/southern_cross.csv"), "Australia/Melbourne", 0, 0)
	if rate := float64(len(raised(r))) / r.Months(); rate > 1.8 {
		t.Errorf("station: %.2f a month: %v", rate, raised(r))
	}
}

func TestField13LidAndCondensation(t *testing.T) {
	r := past(t, ingest.Waste, field(t, "13-lid-and-condensation/bin_lid.csv"), "", 0, 0)
	found(t, r, at(t, "2026-03-27 00:00"), 24*time.Hour, "erratic_fill")
	if all := raised(r); len(all) != 1 {
		t.Errorf("lid: %v", all)
	}
	r = past(t, ingest.Waste, field(t, "13-lid-and-condensation/bin_condensation.csv"), "", 0, 0)
	if all := raised(r, "overfull"); len(all) > 0 {
		t.Errorf("condensation: %v", all)
	}
}

func TestField19ReadInterval(t *testing.T) {
	for _, name := range []string{"household_4h.csv", "household_6h.csv"} {
		r := past(t, ingest.Water, field(t, "19-read-interval/"+name), "", 0, 0)
		found(t, r, at(t, "2026-04-01 00:00"), 72*time.Hour, "continuous_flow")
	}
}

// A bin that burns takes its sensor with it: the fire is told once, and ends a day
// after the bin was told silent.
func TestField20BurntSensor(t *testing.T) {
	r := past(t, ingest.Waste, field(t, "20-burnt-sensor/burnt.csv"), "", 0, 0)
	var told, ended, silent []time.Time
	for _, c := range r.Changes {
		switch {
		case c.Alarm.Device != "bin-a":
			t.Errorf("%s of %s", c.Alarm.Kind, c.Alarm.Device)
		case c.Alarm.Kind == "bin_fire" && c.Raised:
			told = append(told, c.At)
		case c.Alarm.Kind == "bin_fire":
			ended = append(ended, c.At)
		case c.Alarm.Kind == "offline" && c.Raised:
			silent = append(silent, c.At)
		}
	}
	if len(told) != 1 || len(ended) != 1 || len(silent) != 1 {
		t.Fatalf("told %v, ended %v, silent %v", told, ended, silent)
	}
	if d := told[0].Sub(at(t, "2026-03-10 23:00")); d < 0 || d > time.Hour {
		t.Errorf("told at %s", told[0])
	}
	if d := ended[0].Sub(silent[0]); d < 23*time.Hour || d > 25*time.Hour || silent[0].Sub(told[0]) > 24*time.Hour {
		t.Errorf("silent at %s, ended at %s", silent[0], ended[0])
	}
}

// Reads of about a day that come hours late, of homes that use 5 to 15 L/h: a leak of
// 30 L/h is told with its second whole read, and nothing before.
func TestDailyReadsThatComeLate(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 19))
		begin := at(t, "2026-01-05 02:00").Add(time.Duration(r.IntN(24)) * time.Hour)
		leak := begin.AddDate(0, 0, 60).Add(time.Duration(r.IntN(1440)) * time.Minute)
		home, volume := 5+10*r.Float64(), 100_000.0
		var table bytes.Buffer
		table.WriteString("timestamp,total_l\n")
		whole, before := time.Time{}, begin
		for now, n := begin, 0; n < 2; {
			leaking := max(0, now.Sub(leak).Hours()) - max(0, before.Sub(leak).Hours())
			volume += now.Sub(before).Hours()*home*(0.4+1.2*r.Float64()) + 30*leaking
			fmt.Fprintf(&table, "%s,%.0f\n", now.Format("2006-01-02 15:04:05"), volume)
			if before.After(leak) {
				whole, n = now, n+1
			}
			before = now
			now = now.Add(24*time.Hour + time.Duration(r.IntN(4)*r.IntN(4))*time.Hour)
		}
		found(t, past(t, ingest.Water, table.Bytes(), "", 0, 0), leak, whole.Sub(leak), "continuous_flow", "night_flow")
	}
}

// The real meters of households, read as seldom as vendors do: alarms a
// meter-month, and leaks of 30 L/h found within 72 hours.
func TestField19RealMetersThinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(inventorytest.Cases(t), "anomaly", "water_daiad_raw", "*.csv"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files of real meters, %v", len(files), err)
	}
	for _, hours := range []int{1, 2, 3, 4, 6, 8, 12, 24} {
		alarms, months, found, trials := 0, 0.0, 0, 0
		for _, f := range files {
			times, values := thinned(t, f, hours)
			r := past(t, ingest.Water, register(times, values, time.Time{}, 0), "", 0, 0)
			alarms += len(raised(r))
			months += r.Months()
			if testing.Verbose() {
				for _, a := range raised(r) {
					t.Log(hours, filepath.Base(f), a)
				}
			}
			places := []time.Duration{60, 70, 80} // percent of the time there is
			if hours == 24 {
				places = []time.Duration{42, 47, 53, 57, 60, 63, 67, 70, 73, 77, 80, 83, 87, 93}
			}
			for _, place := range places {
				begin := times[0].Add(times[len(times)-1].Sub(times[0]) * place / 100)
				r = past(t, ingest.Water, register(times, values, begin, 30), "", 0, 0)
				open, hit := false, false
				for _, c := range r.Changes {
					if k := c.Alarm.Kind; k == "continuous_flow" || k == "burst" || k == "night_flow" {
						if c.At.Before(begin) {
							open = c.Raised
						} else if c.Raised && c.At.Sub(begin) <= 72*time.Hour {
							hit = true
						}
					}
				}
				if !open {
					trials++
					if hit {
						found++
					} else if testing.Verbose() {
						t.Log(hours, filepath.Base(f), int(place), "missed")
					}
				}
			}
		}
		t.Logf("every %2d h: %d alarms, %.3f a meter-month; %d of %d leaks", hours, alarms, float64(alarms)/months, found, trials)
		if rate := float64(alarms) / months; rate > 0.1 {
			t.Errorf("every %d h: %.3f alarms a meter-month", hours, rate)
		}
		if float64(found) < 0.95*float64(trials) {
			t.Errorf("every %d h: %d of %d leaks found", hours, found, trials)
		}
	}
}

// thinned reads every so many hours of an hourly register in litres.
func thinned(t *testing.T, file string, hours int) (times []time.Time, values []float64) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	table, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(table[0], "total_l")
	for _, row := range table[1:] {
		var v float64
		if _, err := fmt.Sscan(row[column], &v); err != nil {
			t.Fatal(err)
		}
		when, err := time.ParseInLocation("2006-01-02 15:04:05", row[0], time.FixedZone("", 8*3600))
		if err != nil {
			t.Fatal(err)
		}
		if len(times) == 0 || when.Sub(times[len(times)-1]) >= time.Duration(hours)*time.Hour-20*time.Minute {
			times, values = append(times, when), append(values, v)
		}
	}
	return times, values
}

// register writes a table, with a leak of 14 days of so many L/h from a time on.
func register(times []time.Time, values []float64, from time.Time, leak float64) []byte {
	var b bytes.Buffer
	b.WriteString("timestamp,total_l\n")
	for i, v := range values {
		if leak > 0 {
			v += float64(int(min(max(times[i].Sub(from).Hours(), 0), 14*24) * leak))
		}
		fmt.Fprintf(&b, "%s,%.0f\n", times[i].Format("2006-01-02 15:04:05"), v)
	}
	return b.Bytes()
}
