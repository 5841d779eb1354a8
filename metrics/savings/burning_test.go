package savings

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/metrics/holidays"
	"greencommunity/metrics/sun"
)

// What lamps tell of themselves is held against what is stated: hours that are 8 % fewer
// than the night, and 18 of 20 that burn where all are stated. Both are warned of live,
// once; written each day; and in a recomputation that reads it back. Lamps as stated are
// not warned of, nor are those whose hours are stated to be off by more.
func TestStatedHoursAgainstLightOn(t *testing.T) {
	for _, c := range []struct {
		name, uncertainty string
		shorter           float64 // share of the night
		dead              int
		warnings          []string
	}{
		{"as stated", "watts_rel: 0.05", 0, 0, nil},
		{"shorter and dead", "watts_rel: 0.05", 0.08, 2, []string{"hours a day", "90.0 % of the lamps burned"}},
		{"shorter, and stated to be", "watts_rel: 0.05, hours_rel: 0.1", 0.08, 0, nil},
		{"dead", "watts_rel: 0.05, burning_rel: 0.05", 0, 2, []string{"90.0 % of the lamps burned"}},
	} {
		boundaries := fmt.Sprintf(`
- id: lamps
  spec:
    resource: electricity
    ipmvp: A
    reporting: [{count: 20, watts: 60}]
    uncertainty: {%s}
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 20, watts: 168}]}
`, c.uncertainty)
		var log bytes.Buffer
		r := newRig(t, boundaries)
		r.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		devices := make([]*ingest.Device, 20)
		for i := range devices {
			devices[i] = &ingest.Device{ID: ingest.DeviceID(fmt.Sprintf("l%d", i)), Origin: &ingest.Origin{Community: "nancheng", Facility: "lighting"}, Listing: &ingest.Listing{Boundary: "lamps", Listed: true}}
		}
		q := r.inv.Facilities.Quantity("lighting", "light_on")
		var told []ingest.Point
		start := midnight("2026-01-01")
		for at := start; at.Before(start.AddDate(0, 0, 12)); at = at.Add(10 * time.Minute) {
			lit := 0.0
			for _, date := range []time.Time{at.AddDate(0, 0, -1), at} {
				y, m, d := date.Date()
				begin, end, _ := sun.Night(time.Date(y, m, d, 0, 0, 0, 0, local), 34.75, 106.13, sun.Civil)
				begin = begin.Add(time.Duration(c.shorter * float64(end.Sub(begin))))
				if !at.Before(begin) && at.Before(end) {
					lit = 1
				}
			}
			r.Tick(at.UnixNano())
			for i, d := range devices {
				v := lit
				if i < c.dead {
					v = 0
				}
				r.Reading(uint32(i), &ingest.Reading{Device: d, Quantity: q, Value: v, Time: at.UnixNano()}, false, at.UnixNano())
			}
			for _, p := range r.Points() {
				if p.Measurement == BurningPoints {
					told = append(told, p)
				}
			}
			if at.Equal(start.Add(100 * time.Hour)) { // a restart changes nothing
				var state bytes.Buffer
				if err := r.Save(&state); err != nil {
					t.Fatal(err)
				}
				again := New(Options{Logger: r.o.Logger})
				again.Bind(r.inv)
				if err := again.Load(&state); err != nil {
					t.Fatal(err)
				}
				r.Engine = again
			}
		}
		if len(told) != 11 {
			t.Fatalf("%s: %d days are told", c.name, len(told))
		}
		for _, want := range c.warnings {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%s: %q is warned of %d times:\n%s", c.name, want, n, log.String())
			}
		}
		if n := strings.Count(log.String(), "what is stated of lamps"); n != len(c.warnings) {
			t.Errorf("%s: %d warnings:\n%s", c.name, n, log.String())
		}
		r.publish()
		beyond := 0
		for name, v := range gather(t, r.Engine) {
			if at, ok := strings.CutPrefix(name, "greencommunity_lighting_stated_error_ratio"); ok && math.Abs(v) > gather(t, r.Engine)["greencommunity_lighting_stated_allowed_ratio"+at] {
				beyond++
			}
		}
		if beyond != len(c.warnings) {
			t.Errorf("%s: %d metrics are beyond what is allowed", c.name, beyond)
		}
		recomputed, err := NewRecomputation(load(t, boundaries), "", dayOf("2026-01-01"), dayOf("2026-01-11"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range told {
			f := func(i int) float64 { return p.Fields[i].Value.(float64) }
			recomputed.Burned("nancheng", "lamps", p.Time, Burning{Lamps: f(0), On: f(1), Stated: f(2), Lit: f(3)})
		}
		b := recomputed.Statement().Items[0].Boundaries[0].Told
		if b == nil || b.Days != 10 || b.Lamps != 20 || math.Abs(b.Hours/b.StatedHours-(1-c.shorter)) > 0.01 || math.Abs(b.Share-(1-float64(c.dead)/20)) > 1e-9 || len(b.Warnings) != len(c.warnings) {
			t.Errorf("%s: %+v", c.name, b)
		}
	}
}

// gather returns what an engine exposes, by name and labels.
func gather(t *testing.T, e *Engine) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(e)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			values[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

// A baseline by days off is warned of in the December before a year without a notice, once,
// and says until when its calendar goes; entering the year ends both.
func TestCalendarThatEndsIsTold(t *testing.T) {
	last := holidays.Standard().Until()
	spec := func(calendar string) string {
		return fmt.Sprintf(`
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [{device: m0}]
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: regression, calendar: [%s], coef: [16, 1], n: 365, n_eff: 200, rmse_n_minus_p: 0.5, XtX_inv: [[0.004, 0], [0, 0.01]]}
`, calendar)
	}
	for driver, want := range map[string]int{"rest_days": 1, "weekend": 0} {
		var log bytes.Buffer
		r := newRig(t, spec(driver))
		r.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		for d := range 60 {
			day := time.Date(last, 11, 1+d, 12, 0, 0, 0, local)
			r.tick(day)
			if n := strings.Count(log.String(), "public holidays"); d < 28 && n > 0 || d > 35 && n != want {
				t.Fatalf("%s: %s: warned %d times\n%s", driver, day.Format(time.DateOnly), n, log.String())
			}
		}
		end := gather(t, r.Engine)["greencommunity_baseline_calendar_end_timestamp_seconds{boundary=lamps,community=nancheng,facility=lighting}"]
		if begins := float64(time.Date(last+1, 1, 1, 0, 0, 0, 0, local).Unix()); want == 1 && end != begins || want == 0 && end != 0 {
			t.Errorf("%s: the calendar ends at %v, want %v", driver, end, begins)
		}
	}
}
