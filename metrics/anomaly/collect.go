package anomaly

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	activeDesc = prometheus.NewDesc("greencommunity_anomaly_active",
		"Open alarms, without those that the alarm of a feeder, gateway or community stands for.", []string{"community", "facility", "kind", "severity"}, nil)
	totalDesc = prometheus.NewDesc("greencommunity_anomalies_total",
		"Alarms raised, without those that the alarm of a feeder, gateway or community stood for.", []string{"community", "facility", "kind", "severity"}, nil)
	inhibitedDesc = prometheus.NewDesc("greencommunity_anomalies_inhibited",
		"Open alarms that the alarm of a feeder, gateway or community stands for.", []string{"community"}, nil)
)

// Describe and Collect make an Engine a prometheus.Collector. What was raised
// before stays in the gauge at 0, so that a series does not vanish: an alert on
// it would end and begin again with every scrape that missed it.
func (e *Engine) Describe(ch chan<- *prometheus.Desc) {
	ch <- activeDesc
	ch <- totalDesc
	ch <- inhibitedDesc
}

func (e *Engine) Collect(ch chan<- prometheus.Metric) {
	e.mu.Lock()
	active := map[totalKey]int{}
	inhibited := map[string]int{}
	totals := maps.Clone(e.totals)
	for k := range totals {
		active[k] = 0
	}
	for k, a := range e.alarms {
		if a.held != 0 {
			continue
		}
		if a.Inhibited != "" {
			inhibited[string(a.Community)]++
			continue
		}
		active[totalKey{a.Community, a.Facility, k.Kind}]++
	}
	e.mu.Unlock()
	for k, n := range active {
		ch <- prometheus.MustNewConstMetric(activeDesc, prometheus.GaugeValue, float64(n),
			string(k.Community), string(k.Facility), k.Kind.String(), Kinds[k.Kind].Severity.String())
	}
	for k, n := range totals {
		ch <- prometheus.MustNewConstMetric(totalDesc, prometheus.CounterValue, float64(n),
			string(k.Community), string(k.Facility), k.Kind.String(), Kinds[k.Kind].Severity.String())
	}
	for community, n := range inhibited {
		ch <- prometheus.MustNewConstMetric(inhibitedDesc, prometheus.GaugeValue, float64(n), community)
	}
}
