package dashboards

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	saved "greencommunity/metrics/savings"
)

const boundaries = `
communities:
- id: nancheng
  name: 南城社区
  population: 30
  lat: 34.75
  lon: 106.13
  boundaries:
  - id: lamps
    spec:
      resource: electricity
      ipmvp: C
      meters: [{device: em}]
      power_density: {area_m2: 5000, limit_watts_per_m2: 0.7, groups: [{count: 40, watts: 60}]}
      nra: [{from: 2026-02-01, kwh_per_day: 1, why: two lamps more, doc: doc-1}]
      baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]], cv_rmse: 0.05, nmbe: 0.001}
  - id: households
    spec:
      resource: water
      ipmvp: C
      meters: [{device: wm}]
      population: [{from: 2025-01-01, persons: 30}]
      quota_liters_per_person_day: 120
      baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [4], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]], cv_rmse: 0.1}
vendors:
- id: v
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

// What the savings engine exposes and writes after two months, which the live
// test does not have, has the names and labels the dashboards ask for.
func TestSavingsNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(boundaries), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, beijing)
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.Check(inv); err != nil {
		t.Fatal(err)
	}
	engine := saved.New(saved.Options{Factors: saved.Factors{
		Area: "Gansu", BaseYear: 2022, Emission: []saved.Factor{{Year: 2022, Area: "Gansu", KgCO2: 0.4772, Source: "doc-1"}},
		Coal: []saved.Coal{saved.Calorific},
	}})
	engine.Bind(inv)
	meters := []struct {
		device   *ingest.Device
		quantity *ingest.Quantity
		day      float64 // use a day
	}{
		{&ingest.Device{ID: "em", Origin: &ingest.Origin{Community: "nancheng", Facility: "lighting"}, Listing: ingest.Unlisted}, inv.Facilities.Quantity("lighting", "energy_total"), 7},
		{&ingest.Device{ID: "wm", Origin: &ingest.Origin{Community: "nancheng", Facility: "water"}, Listing: ingest.Unlisted}, inv.Facilities.Quantity("water", "water_volume_total"), 3},
	}
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, beijing)
	points := 0
	for hour := range 60 * 24 {
		at := begin.Add(time.Duration(hour) * time.Hour).UnixNano()
		engine.Tick(at)
		for i, m := range meters {
			engine.Reading(uint32(i), &ingest.Reading{Device: m.device, Quantity: m.quantity, Value: 100 + m.day*float64(hour)/24, Time: at}, false, at)
		}
		for _, p := range engine.Points() {
			points++
			if p.Measurement == saved.Frozen {
				continue // what was frozen; no dashboard asks for it
			}
			if p.Measurement != savingsMeasurement {
				t.Fatalf("measurement %s", p.Measurement)
			}
			for _, tag := range p.Tags {
				if !slices.Contains(tags, tag.Key) {
					t.Fatalf("tag %s", tag.Key)
				}
				if tag.Key == "resource" && tag.Value != "electricity" && tag.Value != "water" {
					t.Fatalf("resource %s, which no dashboard asks for", tag.Value)
				}
			}
			var fields []string
			for _, f := range p.Fields {
				fields = append(fields, f.Key)
			}
			for _, want := range derivedFields[savingsMeasurement] {
				if !slices.Contains(fields, want) {
					t.Fatalf("a point has %q and no %s", fields, want)
				}
			}
		}
	}
	if points < 100 {
		t.Errorf("%d points of 118 days", points)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(engine); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, difference := range Compare(families) {
		// The rest of the service is not here.
		if !slices.ContainsFunc(Metrics, func(m Metric) bool { return m.When == always && difference == m.Name+" is not exposed" }) {
			t.Error(difference)
		}
	}
	for _, m := range Metrics {
		if (m.When == onBoundary || m.When == onFactor || m.When == onDensity) && !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == m.Name }) {
			t.Errorf("%s does not appear", m.Name)
		}
	}
}
