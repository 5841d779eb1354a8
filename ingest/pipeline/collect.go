package pipeline

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
)

// collector exposes the account as of the last durable checkpoint, and what is
// pending now.
type collector struct{ p *Pipeline }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	receivedDesc  = desc("greencommunity_messages_received_total", "Messages in the journal, by the vendor whose source matched.", "vendor")
	storedDesc    = desc("greencommunity_messages_stored_total", "Messages of which InfluxDB has confirmed at least one point.")
	duplicateDesc = desc("greencommunity_messages_duplicate_total", "Messages in which every reading repeats one accepted before.")
	rejectedDesc  = desc("greencommunity_messages_rejected_total", "Messages refused.", "vendor", "reason")
	lostDesc      = desc("greencommunity_messages_lost_total", "Messages that were acknowledged and are damaged or gone in the journal; they are rejected as lost as well.")
	quotaDesc     = desc("greencommunity_vendor_quota_used_ratio", "Share of a vendor's quota that it has brought in: unlisted devices, names of channels, types of events.", "vendor", "quota")
	ignoredDesc   = desc("greencommunity_messages_ignored_total", "Messages understood that carry no reading.")
	pendingDesc   = desc("greencommunity_messages_pending", "Messages whose fate is not decided yet: received less stored, duplicate, rejected and ignored.")
	readingsDesc  = desc("greencommunity_readings_total", "Readings and events accepted.", "community", "facility")
	refusedDesc   = desc("greencommunity_readings_refused_total", "Single readings refused in messages that were accepted.", "vendor", "reason")
	lateDesc      = desc("greencommunity_readings_late_total", "Readings accepted that are older than one before them of the same series.")
	pointsDesc    = desc("greencommunity_influxdb_points_total", "Points InfluxDB took or refused.", "result")
	devicesDesc   = desc("greencommunity_devices", "Devices: online, offline (nothing for 25 h), or never heard of, though listed or tried.", "community", "facility", "state")
	poisonDesc    = desc("greencommunity_poison_messages", "Messages in the journal that ended the process twice while it dealt with them: rejected as internal, never decoded again.")
	poisonedDesc  = desc("greencommunity_poison_found_timestamp_seconds", "When such a message was last found, at a start, in unix seconds; 0: never.")
	stateAgeDesc  = desc("greencommunity_checkpoint_age_seconds", "Since when the state (checkpoint, account) on disk is not as it should be, at most; some seconds in normal running.", "state")
	stateDesc     = desc("greencommunity_state_damaged", "1 where the last start found checkpoint, account or devices damaged or gone, and took the one before, or the copy.", "state")
	codecsDesc    = desc("greencommunity_codecs", "JavaScript decoders of the inventory, by vendor and state: usable, broken (cannot be read or compiled) or stuck (a call did not end; tried again after a rest).", "vendor", "state")
	oldestDesc    = desc("greencommunity_journal_oldest_pending_seconds", "Age of the oldest message a reader has still to deal with.", "reader")
)

func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		receivedDesc, storedDesc, duplicateDesc, rejectedDesc, lostDesc, ignoredDesc, pendingDesc, readingsDesc, refusedDesc,
		lateDesc, pointsDesc, devicesDesc, oldestDesc, quotaDesc, codecsDesc, poisonDesc, poisonedDesc, stateAgeDesc, stateDesc,
	} {
		ch <- d
	}
}

func (c collector) Collect(ch chan<- prometheus.Metric) {
	p := c.p
	p.mu.Lock()
	t := p.shown.tally.clone()
	first, walked, devices := p.pending.first(), p.walked, p.deviceCounts
	p.mu.Unlock()

	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	// What is known exists from the start at 0, or the first refusal would be an
	// increase from nothing, which no rate or alert sees.
	known := []ingest.VendorID{""} // what no source matches is of no vendor
	for _, v := range p.inventory.Load().Vendors {
		known = append(known, v.ID)
	}
	for _, vendor := range known {
		t.Received[vendor] += 0
		for _, reason := range ingest.Reasons {
			t.Rejected[rejectKey{vendor, reason}] += 0
			t.Refused[rejectKey{vendor, reason}] += 0
		}
	}
	received, lost := uint64(0), uint64(0)
	for vendor, n := range t.Received {
		counter(receivedDesc, n, string(vendor))
		received += n
	}
	counter(storedDesc, t.Stored)
	counter(duplicateDesc, t.Duplicate)
	counter(ignoredDesc, t.Ignored)
	for k, n := range t.Rejected {
		counter(rejectedDesc, n, string(k.Vendor), string(k.Reason))
		if k.Reason == ingest.Lost {
			lost += n
		}
	}
	counter(lostDesc, lost)
	gauge(pendingDesc, float64(received-t.decided()))
	inv := p.inventory.Load()
	for k, n := range t.Readings {
		if inv.Community(k.Community) == nil {
			continue // taken out of the inventory
		}
		counter(readingsDesc, n, string(k.Community), string(k.Facility))
	}
	for k, n := range t.Refused {
		if k.Vendor != "" && inv.Vendor(k.Vendor) == nil {
			continue
		}
		counter(refusedDesc, n, string(k.Vendor), string(k.Reason))
	}
	counter(lateDesc, t.Late)
	counter(pointsDesc, t.Points, "stored")
	counter(pointsDesc, t.BadPoints, "refused")
	for k, n := range devices {
		gauge(devicesDesc, float64(n), string(k.place.Community), string(k.place.Facility), k.state)
	}
	for _, v := range p.inventory.Load().Vendors {
		states := map[string]int{"usable": 0, "broken": 0, "stuck": 0}
		for _, s := range v.Sources {
			for _, program := range s.Reads.Programs {
				states[program.State()]++
			}
		}
		for state, n := range states { // at 0 as well, or the first would be no increase
			gauge(codecsDesc, float64(n), string(v.ID), state)
		}
	}
	gauge(poisonDesc, float64(p.poison.count))
	gauge(poisonedDesc, float64(p.poison.found))
	for _, v := range p.inventory.Load().Vendors {
		used := p.names.used(v.ID)
		gauge(quotaDesc, float64(p.registry.Unlisted(v.ID))/float64(v.MaxDevices), string(v.ID), "devices")
		gauge(quotaDesc, float64(used.Channels)/float64(v.Limits.Channels), string(v.ID), "channels")
		gauge(quotaDesc, float64(used.Types)/float64(v.Limits.Types), string(v.ID), "types")
	}
	now := time.Now()
	for s := range states {
		if s != stateDevices { // written with the checkpoint
			gauge(stateAgeDesc, p.state.age(s, now), s.String())
		}
		damaged := 0.0
		if p.state.damaged(s) {
			damaged = 1
		}
		gauge(stateDesc, damaged, s.String())
	}
	gauge(oldestDesc, p.age(first), "store")
	if walked < p.journal.Last() {
		gauge(oldestDesc, p.age(walked+1), "observe")
	} else {
		gauge(oldestDesc, 0, "observe")
	}
}

// age returns how long ago a message was received, in seconds; 0 for message 0.
func (p *Pipeline) age(seq uint64) float64 {
	if seq == 0 {
		return 0
	}
	at, ok := p.journal.ReceivedAt(seq)
	if !ok {
		return 0
	}
	return max(0, time.Since(at).Seconds())
}
