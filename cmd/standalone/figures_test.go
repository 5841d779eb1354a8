package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"greencommunity/dashboards/page"
	"greencommunity/deploy/embedded"
)

func newTextParser() *expfmt.TextParser {
	p := expfmt.NewTextParser(model.LegacyValidation)
	return &p
}

// scrape returns how to add up the values of /metrics by name and labels.
func scrape(t *testing.T, url string) func(name string, labels ...string) (float64, bool) {
	t.Helper()
	families, err := newTextParser().TextToMetricFamilies(strings.NewReader(fetch(t, url)))
	if err != nil {
		t.Fatal(err)
	}
	return func(name string, labels ...string) (sum float64, found bool) {
		for _, m := range families["greencommunity_"+name].GetMetric() {
			have := map[string]string{}
			for _, l := range m.Label {
				have[l.GetName()] = l.GetValue()
			}
			fits := true
			for i := 0; i+1 < len(labels); i += 2 {
				fits = fits && have[labels[i]] == labels[i+1]
			}
			if fits {
				sum, found = sum+m.GetGauge().GetValue()+m.GetCounter().GetValue(), true
			}
		}
		return sum, found
	}
}

// quiet returns an overview and the metrics of a moment in which nothing came
// between the two.
func (s *started) quiet() (*page.Overview, func(string, ...string) (float64, bool)) {
	s.t.Helper()
	overview := func() *page.Overview {
		var o page.Overview
		if err := json.Unmarshal([]byte(fetch(s.t, strings.TrimSuffix(s.http, "/metrics")+"/api/v1/overview")), &o); err != nil {
			s.t.Fatal(err)
		}
		return &o
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		time.Sleep(1100 * time.Millisecond) // an overview may be a second old
		before := overview()
		metric := scrape(s.t, s.http)
		time.Sleep(1100 * time.Millisecond)
		after := overview()
		before.AsOf = after.AsOf
		if reflect.DeepEqual(before, after) && before.System.Pending == 0 {
			return before, metric
		}
	}
	s.t.Fatal("it is never quiet")
	return nil, nil
}

// figures holds every figure of the overview against /metrics, and what is in
// InfluxDB as well against that.
func (s *started) figures() {
	s.t.Helper()
	o, metric := s.quiet()
	checked := 0
	equal := func(what string, got, want float64) {
		s.t.Helper()
		checked++
		if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			s.t.Errorf("%s: the page has %v, want %v", what, got, want)
		}
	}
	some := func(what string, got *float64, want float64, found bool) {
		s.t.Helper()
		if got == nil || !found {
			if got != nil || found {
				s.t.Errorf("%s: only one of page and metrics has a figure", what)
			}
			return
		}
		equal(what, *got, want)
	}
	of := func(name string, labels ...string) float64 { v, _ := metric(name, labels...); return v }

	equal("received", float64(o.System.Received), of("messages_received_total"))
	equal("stored", float64(o.System.Stored), of("messages_stored_total"))
	equal("duplicate", float64(o.System.Duplicate), of("messages_duplicate_total"))
	equal("rejected", float64(o.System.Rejected), of("messages_rejected_total"))
	equal("ignored", float64(o.System.Ignored), of("messages_ignored_total"))
	for _, v := range o.Vendors {
		equal(string(v.ID)+" received", float64(v.Received), of("messages_received_total", "vendor", string(v.ID)))
		equal(string(v.ID)+" rejected", float64(v.Rejected), of("messages_rejected_total", "vendor", string(v.ID)))
	}
	figures := func(where string, f page.Figures, labels ...string) {
		s.t.Helper()
		by := func(more ...string) []string { return append(append([]string{}, labels...), more...) }
		equal(where+" online", float64(f.Online), of("devices", by("state", "online")...))
		equal(where+" offline", float64(f.Offline), of("devices", by("state", "offline")...))
		equal(where+" never", float64(f.Never), of("devices", by("state", "never")...))
		equal(where+" critical", float64(f.Critical), of("anomaly_active", by("severity", "critical")...))
		equal(where+" warning", float64(f.Warning), of("anomaly_active", by("severity", "warning")...))
		equal(where+" lamps", float64(f.Lamps), of("lighting_lamps", labels...))
		equal(where+" lit", float64(f.Lit), of("lighting_lamps_lit", labels...))
		equal(where+" full", float64(f.Full), of("waste_bins_full", labels...))
		equal(where+" open", float64(f.Open), of("gates_open", labels...))
		power, found := metric("lighting_power_watts", labels...)
		some(where+" power", f.Power, power, found)
		water, found := metric("water_today_cubic_meters", labels...)
		some(where+" water", f.Water, water, found)
		if len(labels) > 0 { // a mean does not add up over communities
			fill, found := metric("waste_bin_fill_ratio", labels...)
			some(where+" fill", f.Fill, fill, found)
		}
	}
	figures("total", o.Total)
	for _, c := range o.Communities {
		figures(string(c.ID), c.Figures, "community", string(c.ID))
		if c.Power == nil || c.Water == nil || c.Fill == nil || c.Lamps == 0 {
			s.t.Errorf("%s: without figures nothing is compared: %+v", c.ID, c.Figures)
		}
	}
	equal("communities", float64(o.Programme.All), of("community_info"))
	equal("participating", float64(o.Programme.Participating), of("community_info", "stage", "participating")+of("community_info", "stage", "met"))
	equal("met", float64(o.Programme.Met), of("community_info", "stage", "met"))

	saved := 0
	for _, v := range o.Savings {
		if v.Saving == nil {
			continue
		}
		saved++
		labels := []string{"community", string(v.Community), "facility", string(v.Facility), "period", v.Period}
		name, scale := "energy_savings_joules", 3.6e6
		if v.Resource == "water" {
			name, scale = "water_savings_cubic_meters", 1
		}
		where := fmt.Sprint(labels)
		equal(where+" saving", *v.Saving, of(name, labels...)/scale)
		equal(where+" uncertainty", *v.Uncertainty, of(strings.Replace(name, "savings_", "savings_uncertainty_", 1), labels...)/scale)
		equal(where+" coverage", *v.Coverage, of("savings_coverage_ratio", append(labels, "resource", v.Resource)...))
		significant := 0.0
		if *v.Significant {
			significant = 1
		}
		equal(where+" significant", significant, of("savings_significant", append(labels, "resource", v.Resource)...))
		if v.Period != "since_start" {
			continue
		}
		row := s.row(fmt.Sprintf("SELECT sum(baseline), sum(actual), sum(saving) FROM savings WHERE community = '%s' AND facility = '%s' AND resource = '%s'", v.Community, v.Facility, v.Resource))
		equal(where+" baseline in InfluxDB", *v.Baseline, row[0])
		equal(where+" actual in InfluxDB", *v.Actual, row[1])
		equal(where+" saving in InfluxDB", *v.Saving, row[2])
	}
	if saved == 0 {
		s.t.Error("no saving was compared")
	}
	for _, c := range o.Communities {
		where := string(c.ID) + " in InfluxDB"
		recent := fmt.Sprintf("community = '%s' AND time > now() - 3h", c.ID)
		equal(where+" power", *c.Power, s.row("SELECT sum(v) FROM (SELECT last(active_power) AS v FROM lighting WHERE " + recent + " GROUP BY device)")[0])
		lit := s.row("SELECT sum(v) FROM (SELECT last(light_on) AS v FROM lighting WHERE " + recent + " GROUP BY device)")[0]
		equal(where+" lit", float64(c.Lit), lit)
		equal(where+" fill", *c.Fill, s.row("SELECT mean(v) FROM (SELECT last(fill_level) AS v FROM waste WHERE " + recent + " GROUP BY device)")[0])
	}
	if checked < 70 {
		s.t.Errorf("only %d figures were compared", checked)
	}
}

// row is the values of the one row a query of InfluxDB answers.
func (s *started) row(query string) []float64 {
	s.t.Helper()
	rows, err := embedded.Query(context.Background(), s.influx, "facilities", query)
	if err != nil || len(rows) != 1 || len(rows[0].Values) != 1 {
		s.t.Fatalf("%s: %v %v", query, rows, err)
	}
	var values []float64
	for _, v := range rows[0].Values[0][1:] {
		n, ok := v.(json.Number)
		if !ok {
			s.t.Fatalf("%s: %v", query, rows[0].Values)
		}
		f, err := n.Float64()
		if err != nil {
			s.t.Fatal(err)
		}
		values = append(values, f)
	}
	return values
}

// saved waits for a saving with its band on the page.
func (s *started) saved() {
	s.t.Helper()
	for deadline := time.Now().Add(150 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		var list []page.Saving
		var alarms []json.RawMessage
		for path, into := range map[string]any{"/api/v1/savings": &list, "/api/v1/alarms": &alarms} {
			if err := json.Unmarshal([]byte(fetch(s.t, strings.TrimSuffix(s.http, "/metrics")+path)), into); err != nil {
				s.t.Fatal(err)
			}
		}
		right := 0
		for _, v := range list {
			if v.Significant != nil && *v.Significant == (v.Community == "nancheng") {
				right++
			}
		}
		behind, _ := scrape(s.t, s.http)("journal_oldest_pending_seconds", "reader", "observe") // of history that is still being walked
		if right == 8 && len(alarms) > 0 && behind < 5 {                                        // two periods of two resources of two communities
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("two minutes after the start the page knows %d alarms, and %d verdicts of 8 are those that were planted: %+v", len(alarms), right, list)
		}
	}
}
