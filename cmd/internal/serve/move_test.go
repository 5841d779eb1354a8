package serve

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/pipeline"
)

// What observers know is divided between two, whose devices have other numbers, and put
// together again in one: it shows the same figures, and goes on with them in the same way.
func TestTakenFiguresAreTheSame(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.yaml": "data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1\"]}\ninfluxdb: {url: \"http://127.0.0.1:1\", org: o, bucket: b}\n",
		"inventory.yaml": `communities:
- {id: a, name: 甲, boundaries: [{id: lamps, spec: {resource: electricity, ipmvp: B, meters: [{device: em-a}], uncertainty: {meter_class: 1}, baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}}}]}
- {id: b, name: 乙}
- {id: c, name: 丙}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	inv := c.Inventory
	type set struct {
		*observers
		worker   *decode.Worker
		registry *inventory.Registry
	}
	begin := func(registry *inventory.Registry) *set {
		s := &set{observers: newObservers(c, nil, slog.New(slog.DiscardHandler)), registry: registry, worker: decode.NewWorker(inv, registry)}
		for _, o := range s.list() {
			if b, ok := o.(inventory.Binder); ok {
				b.Bind(inv)
			}
		}
		return s
	}
	feed := func(s *set, at time.Time, topic, payload string) {
		t.Helper()
		m := &ingest.Message{Topic: "greencommunity/v1/" + topic, Payload: []byte(payload), Received: at.UnixNano()}
		r := s.worker.Decode(m)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		for _, o := range s.list() {
			if of, ok := o.(ingest.Ticker); ok {
				of.Tick(m.Received)
			}
		}
		for i := range r.Readings {
			for _, o := range s.list() {
				if of, ok := o.(ingest.Readings); ok {
					of.Reading(r.Devices[i], &r.Readings[i], false, m.Received)
				}
			}
		}
		for i := range r.Events {
			for _, o := range s.list() {
				if of, ok := o.(ingest.Events); ok {
					of.Event(r.EventDevices[i], &r.Events[i], m.Received)
				}
			}
		}
		for _, o := range s.list() {
			if of, ok := o.(pipeline.Messages); ok {
				of.Message(m, r, 0, 0)
			}
		}
	}
	begun := time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC)
	days := func(s *set, from, to int) {
		for h := from * 24; h < to*24; h++ {
			at := begun.Add(time.Duration(h) * time.Hour)
			for n, community := range []string{"a", "b", "c"} {
				ms := at.Add(time.Duration(n) * time.Second).UnixMilli()
				send := func(what, payload string) { feed(s, time.UnixMilli(ms), community+"/"+what+"-"+community, payload) }
				send("lighting/em", fmt.Sprintf(`{"time":%d,"energy_total":%g}`, ms, 100+float64(h)*0.4))
				send("lighting/lamp", fmt.Sprintf(`{"time":%d,"active_power":%d,"light_on":%d}`, ms, h%24/12*80, h%24/12))
				send("water/wm", fmt.Sprintf(`{"time":%d,"water_volume_total":%g,"flow_rate":%g}`, ms, 10+float64(h)*0.05, 0.05+float64(n)/10))
				send("waste/bin", fmt.Sprintf(`{"time":%d,"fill_level":%g,"deposits_total":%d,"temperature":%d}`, ms, float64(h%20)/20, h, 15+h%7))
				send("gate/door", fmt.Sprintf(`{"time":%d,"pass_in_total":%d,"door_open":%d}`, ms, h*2, h%2))
				send("noise/n", fmt.Sprintf(`{"time":%d,"sound_level":%d}`, ms, 50+h%9))
				if h%31 == n {
					send("gate/door", fmt.Sprintf(`{"time":%d,"event":"door_forced"}`, ms+1))
				}
			}
		}
	}
	figures := func(s *set) string {
		t.Helper()
		registry := prometheus.NewRegistry()
		registry.MustRegister(s.book, s.facility, s.systems, s.hourly, s.savings, s.anomaly, s.vendors)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range families {
			// These go by the time of asking, or are shown anew later.
			if name := f.GetName(); name == "greencommunity_gate_scheduled_seconds_total" || name == "greencommunity_last_reading_timestamp_seconds" {
				continue
			}
			if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for _, a := range s.anomaly.Alarms() {
			ids = append(ids, fmt.Sprintf("%s %s %s %v %v %v\n", a.ID(), a.Kind, a.Device, a.Since, a.Value, a.Told))
		}
		slices.Sort(ids)
		return b.String() + strings.Join(ids, "")
	}
	points := func(s *set) string { // of hours that are open
		t.Helper()
		var all []string
		for list := s.hourly.Points(); len(list) > 0; list = s.hourly.Points() {
			lines, err := pipeline.Lines(list)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.Split(string(lines), "\n")...)
		}
		slices.Sort(all)
		return strings.Join(slices.Compact(all), "\n")
	}
	move := func(to, from *set, backwards, rest bool, communities ...ingest.CommunityID) {
		t.Helper()
		m := &ingest.Move{Index: map[uint32]uint32{}, Rest: rest, Community: func(c ingest.CommunityID) bool { return slices.Contains(communities, c) }}
		for n := range uint32(from.registry.Len()) {
			i := n
			if backwards {
				i = uint32(from.registry.Len()) - 1 - n
			}
			if d := from.registry.At(i); m.Community(d.Community) {
				m.Index[i] = to.registry.Restore(*d)
			}
		}
		for i, o := range to.list() {
			if mover, ok := o.(ingest.Mover); ok {
				mover.Take(from.list()[i], m)
			} else if _, saves := o.(ingest.Saver); saves {
				t.Errorf("%T cannot hand over what it saves", o)
			}
		}
		for _, o := range to.list() {
			if of, ok := o.(ingest.Devices); ok {
				of.Devices(to.registry.At)
			}
		}
	}
	one, whole := begin(inventory.NewRegistry(inv)), begin(inventory.NewRegistry(inv))
	days(one, 0, 30)
	days(whole, 0, 30)
	want := figures(whole)
	if n := len(whole.anomaly.Alarms()); n == 0 || !strings.Contains(want, "greencommunity_energy_actual_joules_total") {
		t.Fatalf("%d alarms: nothing to compare\n%s", n, want)
	}
	left, right, together := begin(inventory.NewRegistry(inv)), begin(inventory.NewRegistry(inv)), begin(inventory.NewRegistry(inv))
	move(left, one, false, true, "a", "c")
	move(right, one, true, false, "b")
	move(together, right, false, true, "a", "b", "c")
	move(together, left, true, true, "a", "b", "c")
	same := func(got string, what string) {
		t.Helper()
		if got == want {
			return
		}
		a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
		for _, line := range a {
			if !slices.Contains(b, line) {
				t.Errorf("%s: gone: %s", what, line)
			}
		}
		for _, line := range b {
			if !slices.Contains(a, line) {
				t.Errorf("%s: new: %s", what, line)
			}
		}
	}
	same(figures(together), "taken together")
	days(whole, 30, 34)
	days(together, 30, 34)
	want = figures(whole)
	same(figures(together), "four days later")
	want = points(whole)
	if !strings.Contains(want, " energy=") {
		t.Fatalf("no hour of decibels to compare\n%s", want)
	}
	same(points(together), "hours of places")
}
