package anomaly

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"

	"greencommunity/ingest/inventory/inventorytest"
)

// Case 01: two bins burn and a meter reports. The reload takes the bins and the
// meter out of the list, and the community of one. The alarms end as removed, no
// detector runs on the devices any more, and a restart 34 days later finds none.
func TestOperations01RemovedDeviceAlarm(t *testing.T) {
	cases := inventorytest.Cases(t)
	from := filepath.Join(cases, "field", "operations", "01-removed-device-alarm")
	load := func(devices string, change func(string) string) *inventory.Inventory {
		dir := t.TempDir()
		text, err := os.ReadFile(filepath.Join(from, "inv-d.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := os.ReadFile(filepath.Join(from, devices))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "inv-d.yaml")
		for path, content := range map[string]string{file: change(string(text)), filepath.Join(dir, "devices.csv"): string(list)} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		inv, err := inventory.Load(file, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	before := load("devices.full.csv", strings.Clone)
	after := load("devices.csv", func(s string) string {
		lines := strings.SplitAfter(s, "\n")
		for i, l := range lines {
			if strings.Contains(l, "id: xicheng") {
				lines[i] = ""
			}
		}
		return strings.Join(lines, "")
	})
	var changes []Change
	engine := func() *Engine {
		return NewEngine(Options{Config: DefaultConfig(), Changed: func(c Change) { changes = append(changes, c) }})
	}
	e := engine()
	e.Bind(before)
	at := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	report := func(index uint32, id, quantity string, value float64) {
		d := before.Device(ingest.DeviceID(id))
		e.Tick(at.UnixNano())
		e.Reading(index, &ingest.Reading{Device: d, Quantity: before.Facilities.Quantity(d.Facility, quantity), Value: value, Time: at.UnixNano()}, false, at.UnixNano())
	}
	for range 3 {
		at = at.Add(time.Minute)
		report(0, "bin-1", "bin_temperature", 95)
		report(1, "bin-2", "bin_temperature", 95)
		report(2, "meter-1", "water_volume_total", 12)
		report(3, "lamp-9", "active_power", 40)
	}
	e.Tick(at.UnixNano())
	if n := len(e.Alarms()); n != 2 {
		t.Fatalf("%d alarms, want two fires", n)
	}
	e.Points()
	changes = nil
	at = at.Add(time.Minute)
	e.Forget([]uint32{0, 1, 2}, at.UnixNano())
	e.Bind(after)
	if len(changes) != 2 || !changes[0].Removed || changes[0].Raised || changes[0].Alarm.Kind != "bin_fire" {
		t.Errorf("the reload changes %+v", changes)
	}
	for _, p := range e.Points() {
		if last := p.Fields[len(p.Fields)-1]; last.Key != "reason" || last.Value != "removed" {
			t.Errorf("a point ends with %+v", last)
		}
	}
	changes = nil
	for _, days := range []int{2, 34} {
		e.Tick(at.Add(time.Duration(days) * 24 * time.Hour).UnixNano())
		for _, a := range e.Alarms() {
			if a.Device != "lamp-9" {
				t.Errorf("after %d days: %s of %s", days, a.Kind, a.Device)
			}
		}
	}
	var state bytes.Buffer
	if err := e.Save(&state); err != nil {
		t.Fatal(err)
	}
	e = engine()
	e.Bind(after)
	if err := e.Load(&state); err != nil {
		t.Fatal(err)
	}
	at = at.Add(35 * 24 * time.Hour)
	e.Tick(at.UnixNano())
	for _, a := range e.Alarms() {
		if a.Device != "lamp-9" {
			t.Errorf("after a restart: %s of %s", a.Kind, a.Device)
		}
	}
	reg := testutil.CollectAndCount(e)
	problems, err := testutil.CollectAndFormat(e, expfmt.TypeTextPlain, "greencommunity_anomaly_active")
	if err != nil || reg == 0 || strings.Contains(string(problems), "xicheng") {
		t.Errorf("%v %d series:\n%s", err, reg, problems)
	}
	// bin-1 comes back and burns: it begins anew, and alarms.
	e.Bind(before)
	for range 3 {
		at = at.Add(time.Minute)
		report(0, "bin-1", "bin_temperature", 95)
	}
	e.Tick(at.UnixNano())
	fire := false
	for _, a := range e.Alarms() {
		fire = fire || a.Kind == "bin_fire"
	}
	if !fire {
		t.Error("listed again, the bin burns and nothing says so")
	}
}

// Forgetting any device at any moment leaves an engine that goes on, and none of
// that device's alarms.
func TestForgetAnywhere(t *testing.T) {
	steps := mixed()
	for _, at := range []int{1, 40, len(steps) / 3, len(steps) / 2, len(steps) - 20} {
		b := newBench(t)
		for _, step := range steps[:at] {
			step(b)
		}
		for id, index := range b.index {
			b.Forget([]uint32{index, index, 9999}, b.now)
			for _, a := range b.Alarms() {
				if string(a.Device) == id {
					t.Errorf("%s of %s is open after step %d", a.Kind, id, at)
				}
			}
		}
		if n := len(b.alarms); n != 0 {
			t.Errorf("%d alarms are left of nobody", n)
		}
		for _, step := range steps[at:] {
			step(b)
		}
		b.Tick(b.now + int64(40*24*time.Hour))
	}
}

// Case 05: the clock was ahead by a day or by three years, and is corrected. A
// fire is an alarm at once, alarms end, and silence is told when it is due.
func TestClockSetBack(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, 24 * time.Hour, 3 * 365 * 24 * time.Hour} {
		b := newBench(t)
		at := start.Add(ahead)
		for range 30 {
			at = at.Add(10 * time.Minute)
			b.report(at, "bin", "waste", map[string]float64{"bin_temperature": 20, "fill_level": 0.3})
			b.report(at, "other", "waste", map[string]float64{"fill_level": 0.3})
		}
		at = at.Add(-ahead)
		b.Rewind(at.UnixNano())
		for range 3 {
			at = at.Add(time.Minute)
			b.report(at, "bin", "waste", map[string]float64{"bin_temperature": 95})
		}
		b.Tick(at.UnixNano())
		open := map[string]bool{}
		for _, a := range b.Alarms() {
			open[a.Kind+" "+string(a.Device)] = true
			if a.Since.After(at) {
				t.Errorf("ahead by %s: %s since %s, and it is %s", ahead, a.Kind, a.Since, at)
			}
		}
		if !open["bin_fire bin"] || open["offline other"] {
			t.Errorf("ahead by %s: %v", ahead, open)
		}
		b.Tick(at.Add(4 * 24 * time.Hour).UnixNano())
		silent := 0
		for _, a := range b.Alarms() {
			if a.Kind == "offline" {
				silent++
			}
		}
		if silent != 2 {
			t.Errorf("ahead by %s: %d devices are offline after four days of silence", ahead, silent)
		}
	}
}
