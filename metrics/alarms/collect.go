package alarms

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
)

var (
	activeDesc = prometheus.NewDesc("greencommunity_alarm_active",
		"1 for each alarm that somebody should know of: not closed by a person, not silenced, and no other stands for it. No series where there is none.",
		[]string{"alarm", "device", "community", "compound", "facility", "kind", "severity", "vendor"}, nil)
	sinceDesc = prometheus.NewDesc("greencommunity_alarm_since_timestamp_seconds",
		"When each of those alarms began, by the clock of the device, unix seconds.", []string{"alarm"}, nil)
	valueDesc = prometheus.NewDesc("greencommunity_alarm_value",
		"What each of them is about, as it is now, where it is a figure, in its unit.", []string{"alarm", "unit"}, nil)
	openDesc = prometheus.NewDesc("greencommunity_alarms_open",
		"Alarms that are not done, by how far they have been dealt with; without those another stands for.", []string{"community", "status"}, nil)
	overdueDesc = prometheus.NewDesc("greencommunity_alarms_overdue",
		"Alarms that are not done and should have been by now.", []string{"community"}, nil)
	silencedDesc = prometheus.NewDesc("greencommunity_alarms_silenced",
		"Alarms that are open and of which nobody is told, by the schedule of silences, maintenance and holidays.", nil, nil)
	judgedDesc = prometheus.NewDesc("greencommunity_alarms_judged_total",
		"Alarms that people found right or false.", []string{"kind", "verdict"}, nil)
	precisionDesc = prometheus.NewDesc("greencommunity_alarm_precision_ratio",
		"Of the alarms of a kind that people judged, those that were right. No series where none was judged.", []string{"kind"}, nil)
	acknowledgedDesc = prometheus.NewDesc("greencommunity_alarm_time_to_acknowledge_seconds",
		"From when an alarm was told until a person dealt with it.", []string{"severity"}, nil)
	clearedDesc = prometheus.NewDesc("greencommunity_alarm_time_to_clear_seconds",
		"From when an alarm was told until it was over, or closed by a person.", []string{"severity"}, nil)
	untoldDesc = prometheus.NewDesc("greencommunity_alarms_untold",
		"Open alarms left out of greencommunity_alarm_active because their vendor, or all together, have too many.", []string{"vendor"}, nil)
	unkeptDesc = prometheus.NewDesc("greencommunity_alarms_unkept_total",
		"Alarms that cleared by themselves and are not in the history file, because their vendor had too many in an hour. InfluxDB has them.", []string{"vendor"}, nil)
	historyDesc = prometheus.NewDesc("greencommunity_alarm_history_bytes",
		"Size of the history of alarms in data_dir.", nil, nil)
	brokenDesc = prometheus.NewDesc("greencommunity_alarm_history_broken",
		"1 where the history of alarms cannot be written, so that nothing can be acknowledged until a restart.", nil, nil)
	unknownDesc = prometheus.NewDesc("greencommunity_alarm_schedule_unknown",
		"Devices, communities, compounds, facilities and vendors that the schedule of alarms names and the inventory does not have. The log says which.", nil, nil)
	scheduleDesc = prometheus.NewDesc("greencommunity_alarm_schedule_valid",
		"0 where the file of silences, maintenance and holidays has changed and is wrong, so that the one before is in force.", nil, nil)
)

var descs = []*prometheus.Desc{
	activeDesc, sinceDesc, valueDesc, openDesc, overdueDesc, silencedDesc, judgedDesc, precisionDesc, acknowledgedDesc, clearedDesc, untoldDesc, unkeptDesc,
	historyDesc, brokenDesc, scheduleDesc, unknownDesc,
}

// Describe and Collect make a Desk a prometheus.Collector.
func (d *Desk) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range descs {
		ch <- desc
	}
}

func (d *Desk) Collect(ch chan<- prometheus.Metric) { d.collect(ch, time.Now()) }

func (d *Desk) collect(ch chan<- prometheus.Metric, now time.Time) {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	d.refresh(now)
	d.fileMu.Lock()
	if d.file == nil {
		d.fileMu.Unlock()
		return
	}
	size, broken := d.file.bytes(), d.file.broken != nil
	d.fileMu.Unlock()
	gauge(historyDesc, float64(size))
	gauge(brokenDesc, flag(broken))

	d.mu.Lock()
	type openKey struct {
		community ingest.CommunityID
		status    Status
	}
	open, overdue, untold, silenced := map[openKey]int{}, map[ingest.CommunityID]int{}, map[ingest.VendorID]int{}, 0
	known := func(community ingest.CommunityID) {
		for _, s := range statuses {
			if s != Cleared && s != False {
				open[openKey{community, s}] += 0
			}
		}
		overdue[community] += 0
	}
	if d.o.Inventory != nil {
		if inv := d.o.Inventory(); inv != nil {
			for _, c := range inv.Communities {
				known(c.ID)
			}
			for _, v := range inv.Vendors {
				untold[v.ID] = 0
			}
		}
	}
	groups := d.groups()
	var active []*anomaly.Alarm
	of := map[*anomaly.Alarm]*item{}
	for _, i := range d.current {
		if i.Done() || i.Inhibited != "" || groups[i.ID] != nil {
			continue
		}
		known(i.Community)
		open[openKey{i.Community, i.Status}]++
		if i.Due != nil && now.After(*i.Due) {
			overdue[i.Community]++
		}
		if d.schedule.silenced(&i.State, now) != "" {
			silenced++
			continue
		}
		a := &i.alarm
		a.Severity = i.Severity
		of[a] = i
		active = append(active, a)
	}
	for vendor, n := range d.leftOut {
		untold[vendor] += n
	}
	rank(active)
	shown := map[ingest.VendorID]int{}
	n := 0
	var told []*State
	for _, a := range active {
		i := of[a]
		if n >= mostSeries || shown[i.Vendor] >= seriesOfVendor {
			untold[i.Vendor]++
			continue
		}
		n++
		shown[i.Vendor]++
		s := i.State
		told = append(told, &s)
	}
	totals := d.totals.clone()
	unkept := map[ingest.VendorID]uint64{}
	for vendor := range untold {
		unkept[vendor] = 0
	}
	maps.Copy(unkept, totals.Unkept)
	valid, unknown := d.scheduleBroken == "", d.unknown
	d.mu.Unlock()

	for _, s := range told {
		gauge(activeDesc, 1, s.ID, string(s.Device), string(s.Community), string(s.Compound), string(s.Facility), s.Kind, s.Severity, string(s.Vendor))
		gauge(sinceDesc, float64(s.Since.UnixMilli())/1000, s.ID)
		if s.Value != nil {
			gauge(valueDesc, *s.Value, s.ID, s.Unit)
		}
	}
	for k, n := range open {
		gauge(openDesc, float64(n), string(k.community), string(k.status))
	}
	for community, n := range overdue {
		gauge(overdueDesc, float64(n), string(community))
	}
	gauge(silencedDesc, float64(silenced))
	for vendor, n := range untold {
		gauge(untoldDesc, float64(n), string(vendor))
	}
	for vendor, n := range unkept {
		ch <- prometheus.MustNewConstMetric(unkeptDesc, prometheus.CounterValue, float64(n), string(vendor))
	}
	gauge(scheduleDesc, flag(valid))
	gauge(unknownDesc, float64(unknown))
	for kind, k := range totals.Kinds {
		ch <- prometheus.MustNewConstMetric(judgedDesc, prometheus.CounterValue, float64(k.Right), kind, Right)
		ch <- prometheus.MustNewConstMetric(judgedDesc, prometheus.CounterValue, float64(k.Wrong), kind, Wrong)
		if n := k.Right + k.Wrong; n > 0 {
			gauge(precisionDesc, float64(k.Right)/float64(n), kind)
		}
	}
	for _, h := range []struct {
		desc *prometheus.Desc
		of   map[string]lasted
	}{{acknowledgedDesc, totals.Acknowledged}, {clearedDesc, totals.Cleared}} {
		for severity, l := range h.of {
			buckets := map[float64]uint64{}
			for i, bound := range bounds {
				buckets[bound] = l.Buckets[i]
			}
			ch <- prometheus.MustNewConstHistogram(h.desc, l.Count, l.Sum, buckets, severity)
		}
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Precision says what people found of each kind that any was told of, the most told
// first.
func (d *Desk) Precision() []KindJudged {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := []KindJudged{}
	for kind, k := range d.totals.Kinds {
		if k.Told > 0 {
			j := KindJudged{Kind: kind, Judged: Judged(k)}
			if about, ok := anomaly.KindNamed(kind); ok {
				j.Title = about.Title
			}
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(a, b KindJudged) int {
		return cmp.Or(cmp.Compare(b.Told, a.Told), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// KindJudged counts what people found of a kind.
type KindJudged struct {
	Kind  string      `json:"kind"`
	Title ingest.Text `json:"title"`
	Judged
}
