package anomaly

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
)

// An alarm says the window its rule used: a lamp that reports each half hour is
// looked at over eight reports, one that reports each minute over two hours. Case
// house/06.
func TestCyclingNamesItsWindow(t *testing.T) {
	for _, c := range []struct {
		every  time.Duration // learned to 5 %
		zh, en string
	}{
		{30 * time.Minute, "3.9小时内开关4次，正常不超过2次。", "Switched 4 times within 3.9 hours; 2 is"},
		{time.Minute, "2小时内开关4次", "Switched 4 times within 2 hours"},
		{45 * time.Minute, "6小时内开关4次", "Switched 4 times within 6 hours"},
	} {
		b := newBench(t)
		// A night by night lamp first, so that its rated power and rhythm are known.
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 8*3600))
		first := start.AddDate(0, 0, 3).Add(20 * time.Hour)
		for at := start; at.Before(first); at = at.Add(c.every) {
			power := 0.0
			if h := at.Hour(); h >= 18 || h < 7 {
				power = 60
			}
			b.report(at, "lamp", "lighting", map[string]float64{"active_power": power})
		}
		for n := range 4 {
			power := 0.0
			if n%2 == 1 {
				power = 60
			}
			b.report(first.Add(time.Duration(n)*c.every), "lamp", "lighting", map[string]float64{"active_power": power})
		}
		b.Tick(first.Add(5 * c.every).UnixNano())
		var found *Alarm
		for _, a := range b.Alarms() {
			if a.Kind == "cycling" {
				found = &a
			}
		}
		if found == nil {
			t.Errorf("every %v: no alarm: %v", c.every, b.Alarms())
			continue
		}
		if !strings.Contains(found.Why.ZH, c.zh) || !strings.Contains(found.Why.EN, c.en) || found.Unit != "1" {
			t.Errorf("every %v: %s %s [%s]", c.every, found.Why.ZH, found.Why.EN, found.Unit)
		}
		// A restart keeps the sentence.
		var state bytes.Buffer
		if err := b.Save(&state); err != nil {
			t.Fatal(err)
		}
		b.reset()
		if err := b.Load(&state); err != nil {
			t.Fatal(err)
		}
		for _, a := range b.Alarms() {
			if a.Kind == "cycling" && a.Why != found.Why {
				t.Errorf("after a restart: %s", a.Why.EN)
			}
		}
	}
}

// Windows that the configuration sets are named as it sets them.
func TestSentencesNameConfiguredWindows(t *testing.T) {
	b := newBench(t)
	b.o.Config.Parameters.Waste.FullAfter = 5 * time.Hour
	start := time.Date(2026, 1, 1, 8, 0, 0, 0, time.FixedZone("", 8*3600))
	for h := range 8 {
		b.report(start.Add(time.Duration(h)*time.Hour), "bin", "waste", map[string]float64{"fill_level": 0.97})
	}
	b.Tick(start.Add(8 * time.Hour).UnixNano())
	alarms := b.Alarms()
	if len(alarms) != 1 || !strings.Contains(alarms[0].Why.EN, "full for 5 hours") || !strings.Contains(alarms[0].Why.ZH, "持续5小时") || alarms[0].Unit != "ratio" {
		t.Errorf("%+v", alarms)
	}
}

// Each kind says what its figures are in; what is of a quantity has that one's
// unit. Case house, F8.
func TestUnits(t *testing.T) {
	for _, k := range Kinds {
		if k.Unit == "" {
			t.Errorf("%s has no unit", k.Name)
		}
	}
	for _, name := range []string{"../../docs/anomalies.md", "../../docs/anomalies.zh-CN.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range Kinds {
			listed := false
			for _, line := range strings.Split(string(text), "\n") {
				unit, kinds, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
				if listed = strings.Contains(kinds, "`"+k.Name+"`") &&
					(unit == k.Unit || k.Unit == ofQuantity && (unit == "that of the quantity" || unit == "该量的单位")); listed {
					break
				}
			}
			if !listed {
				t.Errorf("%s does not list %s under %s", name, k.Name, k.Unit)
			}
		}
	}
	b := newBench(t)
	for _, c := range []struct {
		kind     kind
		facility string
		channel  string
		want     string
	}{
		{registerReset, "water", "", "m3"},
		{registerReset, "lighting", "l1", "kWh"},
		{flatLine, "lighting", "", "W"},
		{flatLine, "lighting", "l1", "W"},
		{unusualValue, "water", "water_pressure", "Pa"},
		{unusualValue, "water", "water_pressure/low", "Pa"},
		{unusualValue, "waste", "bin_temperature", "Cel"},
	} {
		if got := b.unitOf(c.kind, ingest.FacilityKind(c.facility), c.channel); got != c.want {
			t.Errorf("%s of %s %q: %q, want %q", c.kind, c.facility, c.channel, got, c.want)
		}
	}
	// The point of an alarm in InfluxDB carries them.
	start := time.Date(2026, 1, 1, 8, 0, 0, 0, time.FixedZone("", 8*3600))
	for h := range 40 {
		b.report(start.Add(time.Duration(h)*time.Hour), "meter", "water", map[string]float64{"water_volume_total": 10 + float64(h)*0.02})
	}
	b.Tick(start.Add(41 * time.Hour).UnixNano())
	fields := map[string]any{}
	for _, p := range b.Points() {
		for _, f := range p.Fields {
			fields[f.Key] = f.Value
		}
	}
	if fields["unit"] != "L/h" || fields["expected_unit"] != "h" {
		t.Errorf("%v", fields)
	}
}
