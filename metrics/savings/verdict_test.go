package savings

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"greencommunity/metrics/savings/baseline"
)

func utc(day string) Date { return Date{midnight(day).Add(8 * time.Hour).UTC()} }

const hundredLamps = `
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [{device: em}]
    uncertainty: {meter_class: 1, watts_rel: 0.10}
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 100, watts: 100}]}
`

// Case 19, and more of its kind: whatever decides the verdict is frozen with the
// baseline's version. A change of it is told and saves nothing, also after a restart,
// until it is back or the version is raised.
func TestCase19WhatDecidesTheVerdictIsFrozen(t *testing.T) {
	for was, now := range map[string]string{
		"watts_rel: 0.10": "watts_rel: 0.01", "meter_class: 1": "meter_class: 0.2", "{meter_class": "{confidence: 0.6, meter_class",
		"meters: ": "register: {max_per_day: 10}\n    meters: ", "uncertainty:": "intervention: [2026-01-01, 2026-01-11]\n    uncertainty:",
		"ipmvp: B": "ipmvp: C",
	} {
		r := newRig(t, hundredLamps)
		var log bytes.Buffer
		r.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		register := 0.0
		for d := range 91 {
			day := midnight("2026-01-01").AddDate(0, 0, d)
			r.send(day, "em", "energy_total", register)
			register += 0.95 * 10 * baseline.BurnHours(day, 34.75, 106.13, -6)
		}
		r.tick(midnight("2026-04-02"))
		before := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
		changed := strings.Replace(hundredLamps, was, now, 1)
		r.Bind(load(t, changed))
		r.tick(midnight("2026-04-03"))
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got.Saving != 0 || got.Coverage > 0 || !strings.Contains(log.String(), "raise the baseline's version") {
			t.Errorf("%s: saving %g ± %g, log %q", now, got.Saving, got.Uncertainty, log.String())
		}
		var state bytes.Buffer
		if err := r.Save(&state); err != nil {
			t.Fatal(err)
		}
		r.Engine = New(Options{})
		r.Bind(load(t, changed))
		if err := r.Load(&state); err != nil {
			t.Fatal(err)
		}
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got.Saving != 0 {
			t.Errorf("%s: after a restart saving %g", now, got.Saving)
		}
		r.Bind(load(t, hundredLamps))
		r.tick(midnight("2026-04-04"))
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got != before {
			t.Errorf("%s and back: %+v, before %+v", now, got, before)
		}
		r.Bind(load(t, strings.Replace(changed, "version: 1,", "version: 2, approved_by: 张工, evidence: doc-2,", 1)))
		r.tick(midnight("2026-04-05"))
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); !(got.Coverage > 0.8) {
			t.Errorf("%s under version 2: %+v", now, got)
		}
	}
}

const thousandPersons = `
- id: hh
  spec:
    resource: water
    ipmvp: C
    meters: [{device: wm}]
    population: [{from: 2020-01-01, persons: %d}]
    uncertainty: {watts_rel: 0.02}
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: per_capita_monthly, monthly: [.1,.1,.1,.1,.1,.1,.1,.1,.1,.1,.1,.1]}
`

// Case 21: the number of persons is corrected for the past. Live and recomputed are
// one figure, and a new revision of the final one; also after a restart.
func TestCase21PopulationIsCorrectedBackwards(t *testing.T) {
	r := newRig(t, fmt.Sprintf(thousandPersons, 1000))
	for d := range 91 {
		r.send(midnight("2026-01-01").AddDate(0, 0, d), "wm", "water_volume_total", 100*float64(d))
	}
	r.tick(midnight("2026-05-02"))
	if got := r.Quarter("nancheng", "water", "water", 2026, 1); math.Abs(got.Saving) > 1e-9 || got.Revision != 1 {
		t.Fatalf("%+v", got)
	}
	r.Bind(load(t, fmt.Sprintf(thousandPersons, 1100)))
	r.tick(midnight("2026-05-04"))
	live := r.Quarter("nancheng", "water", "water", 2026, 1)
	rc, err := NewRecomputation(load(t, fmt.Sprintf(thousandPersons, 1100)), "", utc("2026-01-01"), utc("2026-04-01"))
	if err != nil {
		t.Fatal(err)
	}
	for d := range 91 {
		rc.Read("water_volume_total", []byte("wm"), nil, midnight("2026-01-01").AddDate(0, 0, d).UnixNano(), 100*float64(d))
	}
	if again := float64(rc.Statement().Items[0].Saving); math.Abs(live.Saving-900) > 1e-6 || math.Abs(again-live.Saving) > 1e-6 || live.Revision != 2 {
		t.Errorf("live %g revision %d, recomputed %g; want 900, 2, 900", live.Saving, live.Revision, again)
	}
	// Persons of a day to come change nothing that is over.
	r.Bind(load(t, strings.Replace(fmt.Sprintf(thousandPersons, 1100), "1100}]", "1100}, {from: 2026-06-01, persons: 1200}]", 1)))
	r.tick(midnight("2026-05-05"))
	if got := r.Quarter("nancheng", "water", "water", 2026, 1); got != live {
		t.Errorf("%+v, want %+v", got, live)
	}
}

// Lamps of option A have dates: 20 more from day 46 on are there from then on, live and
// recomputed, whenever the inventory learns of them.
func TestLampsOfOptionAHaveDates(t *testing.T) {
	park := `
- id: park
  spec:
    resource: electricity
    ipmvp: A
    uncertainty: {watts_rel: 0.01}
    reporting: [{count: 100, watts: 50}%s]
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 100, watts: 100}]}
`
	more := fmt.Sprintf(park, ", {count: 20, watts: 50, from: 2026-02-15}, {count: 7, watts: 10, from: 2026-01-11, to: 2026-01-21}")
	want := 0.0
	for d := range 90 {
		day := midnight("2026-01-01").AddDate(0, 0, d)
		watts := 100 * 50.0
		if d >= 45 {
			watts += 20 * 50
		}
		if d >= 10 && d < 20 {
			watts += 70
		}
		want += watts * baseline.BurnHours(day, 34.75, 106.13, -6) / 1000
	}
	for _, told := range []int{30, 46, 80} {
		r := newRig(t, fmt.Sprintf(park, ""))
		for d := range 93 {
			if d == told {
				r.Bind(load(t, more))
			}
			r.tick(midnight("2026-01-01").AddDate(0, 0, d).Add(3 * time.Hour))
		}
		live := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
		rc, err := NewRecomputation(load(t, more), "", utc("2026-01-01"), utc("2026-04-01"))
		if err != nil {
			t.Fatal(err)
		}
		if again := float64(rc.Statement().Items[0].Actual); math.Abs(live.Actual-want) > 1e-6 || math.Abs(again-want) > 1e-6 {
			t.Errorf("told on day %d: live %g, recomputed %g, want %g", told, live.Actual, again, want)
		}
	}
}

// Lamps that were added to a metered boundary follow the night: nothing was saved in
// any quarter, which a constant a day cannot say.
func TestAddedLampsFollowTheNight(t *testing.T) {
	r := newRig(t, strings.Replace(hundredLamps, "    baseline:", "    nra: [{from: 2026-01-01, groups: [{count: 20, watts: 100}], why: 新增20盏, doc: doc-31}, {from: 2026-07-01, remove: true, groups: [{count: 5, watts: 100}], why: 拆除5盏, doc: doc-32}]\n    baseline:", 1))
	register := 0.0
	for d := range 366 {
		day := midnight("2026-01-01").AddDate(0, 0, d)
		r.send(day, "em", "energy_total", register)
		count := 120.0
		if !day.Before(midnight("2026-07-01")) {
			count = 115
		}
		register += count * 0.1 * baseline.BurnHours(day, 34.75, 106.13, -6)
	}
	r.tick(midnight("2027-01-02"))
	for q := range 4 {
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, q+1); math.Abs(got.Saving/got.Baseline) > 1e-6 || got.Coverage != 1 {
			t.Errorf("quarter %d: %+v", q+1, got)
		}
	}
}

// Of two boundaries one is restated after the quarter was final: that is a revision of
// their total, too; both in one review are one.
func TestTotalHasARevisionForEachChangeOfAPart(t *testing.T) {
	one := strings.TrimSpace(steady)
	two := strings.Replace(strings.Replace(one, "id: lamps", "id: lamps2", 1), "device: em}", "device: em2}", 1)
	r := newRig(t, one+"\n"+two)
	for d := range 80 {
		for _, em := range []string{"em", "em2"} {
			r.send(midnight("2026-01-01").AddDate(0, 0, d), em, "energy_total", 8*float64(d))
		}
	}
	r.tick(midnight("2026-05-02"))
	revision := func(want int) {
		t.Helper()
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got.Revision != want {
			t.Errorf("revision %d, want %d: %+v", got.Revision, want, got)
		}
	}
	revision(1)
	r.sendLate(midnight("2026-05-03"), midnight("2026-01-01").AddDate(0, 0, 84), "em2", "energy_total", 8*84)
	r.tick(midnight("2026-05-04"))
	revision(2)
	for _, em := range []string{"em", "em2"} {
		r.sendLate(midnight("2026-05-04").Add(time.Hour), midnight("2026-01-01").AddDate(0, 0, 90), em, "energy_total", 8*90)
	}
	r.tick(midnight("2026-05-05"))
	revision(3)
	r.tick(midnight("2026-05-06"))
	revision(3)
}
