package anomaly

import (
	"maps"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
)

var (
	activeDesc = prometheus.NewDesc("greencommunity_anomaly_active",
		"Open alarms, without those that the alarm of a feeder, gateway or community stands for.", []string{"community", "facility", "kind", "severity"}, nil)
	totalDesc = prometheus.NewDesc("greencommunity_anomalies_total",
		"Alarms raised, without those that the alarm of a feeder, gateway or community stood for.", []string{"community", "facility", "kind", "severity"}, nil)
	inhibitedDesc = prometheus.NewDesc("greencommunity_anomalies_inhibited",
		"Open alarms that the alarm of a feeder, gateway or community stands for.", []string{"community"}, nil)
	unaccountedDesc = prometheus.NewDesc("greencommunity_unaccounted_ratio",
		"Share of what meters with others behind them passed in the latest balanced day that those behind did not, 0-1.", []string{"community", "facility", "resource"}, nil)
	failedDesc = prometheus.NewDesc("greencommunity_lighting_lamps_failed",
		"Lamps that are dark when they should burn or report a fault, without those whose feeder, gateway or community is at fault.", []string{"community"}, nil)
)

// Describe and Collect make an Engine a prometheus.Collector. Every kind that the
// devices of a community can raise is there from the start at 0: the first alarm
// is an increase then, and a series does not vanish, which would end an alert and
// begin it again with every scrape that missed it.
func (e *Engine) Describe(ch chan<- *prometheus.Desc) {
	ch <- activeDesc
	ch <- totalDesc
	ch <- inhibitedDesc
	ch <- failedDesc
	ch <- unaccountedDesc
}

func (e *Engine) Collect(ch chan<- prometheus.Metric) {
	e.mu.Lock()
	type activeKey struct {
		totalKey
		severity string
	}
	active := map[activeKey]int{}
	inhibited := map[string]int{}
	totals := maps.Clone(e.totals)
	failed := map[ingest.CommunityID]map[uint32]bool{} // devices: a lamp may be dark and say so as well
	e.sitesMu.Lock()
	for at := range e.sites {
		inhibited[string(at.Community)] = 0
		for i, k := range Kinds {
			switch {
			case k.Rollup && k.Facility == anyFacility && kind(i) != atOnce: // that is of a kind of facility
				totals[totalKey{at.Community, anyFacility, kind(i)}] += 0
			case k.Facility == at.Facility || k.Facility == anyFacility:
				totals[totalKey{at.Community, at.Facility, kind(i)}] += 0
			}
		}
	}
	e.sitesMu.Unlock()
	for k := range totals {
		active[activeKey{k, Kinds[k.Kind].Severity.String()}] = 0
		if k.Facility == ingest.Lighting {
			failed[k.Community] = map[uint32]bool{}
		}
	}
	for k, a := range e.alarms {
		if a.held != 0 {
			continue
		}
		if a.Inhibited != "" {
			inhibited[string(a.Community)]++
			continue
		}
		active[activeKey{totalKey{a.Community, a.Facility, k.Kind}, a.Severity}]++ // a leak that has grown is worse than its kind
		if k.Kind == outage || k.Kind == deviceReported && a.Facility == ingest.Lighting && strings.HasSuffix(a.Channel, "/lamp_fault") {
			if failed[a.Community] == nil {
				failed[a.Community] = map[uint32]bool{}
			}
			failed[a.Community][k.Device] = true
		}
	}
	e.mu.Unlock()
	for k, n := range active {
		ch <- prometheus.MustNewConstMetric(activeDesc, prometheus.GaugeValue, float64(n),
			string(k.Community), string(k.Facility), k.Kind.String(), k.severity)
	}
	for k, n := range totals {
		ch <- prometheus.MustNewConstMetric(totalDesc, prometheus.CounterValue, float64(n),
			string(k.Community), string(k.Facility), k.Kind.String(), Kinds[k.Kind].Severity.String())
	}
	for community, lamps := range failed {
		ch <- prometheus.MustNewConstMetric(failedDesc, prometheus.GaugeValue, float64(len(lamps)), string(community))
	}
	for community, n := range inhibited {
		ch <- prometheus.MustNewConstMetric(inhibitedDesc, prometheus.GaugeValue, float64(n), community)
	}
	type balanceOf struct {
		community, facility, resource string
	}
	sums := map[balanceOf][2]float64{}
	for _, b := range e.Balances() {
		k := balanceOf{string(b.Community), string(b.Facility), b.Resource.String()}
		sum := sums[k]
		sums[k] = [2]float64{sum[0] + b.Latest.Lost, sum[1] + b.Latest.Supplied}
	}
	for k, sum := range sums {
		if sum[1] > 0 {
			ch <- prometheus.MustNewConstMetric(unaccountedDesc, prometheus.GaugeValue, sum[0]/sum[1], k.community, k.facility, k.resource)
		}
	}
}
