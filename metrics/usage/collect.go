package usage

import "github.com/prometheus/client_golang/prometheus"

var (
	readsDesc = prometheus.NewDesc("greencommunity_usage_reads_total",
		"Reads of registers, by what became of them; subtracted is the difference of two neighbours.", []string{"resource", "reason"}, nil)
	lostDesc = prometheus.NewDesc("greencommunity_usage_points_lost_total",
		"Hours of meters that InfluxDB will not have: it was away for too long.", nil, nil)
)

var _ prometheus.Collector = (*Book)(nil)

// Describe sends the descriptions of the metrics.
func (b *Book) Describe(ch chan<- *prometheus.Desc) { ch <- readsDesc; ch <- lostDesc }

// Collect sends the metrics: every reason from the start, at 0.
func (b *Book) Collect(ch chan<- prometheus.Metric) {
	b.mu.Lock()
	reads, lost := b.reads, b.lost
	b.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(lost))
	for _, resource := range []Resource{Electricity, Water} {
		for reason, name := range reasonNames {
			if Reason(reason) == Split {
				continue // of no read by itself
			}
			if name == "" {
				name = "subtracted"
			}
			n := reads[(int(resource)-1)*reasonCount+reason]
			ch <- prometheus.MustNewConstMetric(readsDesc, prometheus.CounterValue, float64(n), resource.String(), name)
		}
	}
}
