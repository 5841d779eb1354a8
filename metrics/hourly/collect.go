package hourly

import "github.com/prometheus/client_golang/prometheus"

var missedDesc = prometheus.NewDesc("greencommunity_place_hours_missed_readings_total",
	"Readings that came two days after the newest of their place and quantity, which the hours of places are without.", nil, nil)

// Describe says which metrics there are.
func (o *Observer) Describe(ch chan<- *prometheus.Desc) { ch <- missedDesc }

// Collect gives their values.
func (o *Observer) Collect(ch chan<- prometheus.Metric) {
	o.mu.Lock()
	missed := o.missed
	o.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(missedDesc, prometheus.CounterValue, float64(missed))
}
