package facility

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
)

var (
	powerDesc  = desc("greencommunity_lighting_power_watts", "Power of the lamps that have reported within 3 hours; lamps behind a cabinet that has are part of its.", "community")
	litDesc    = desc("greencommunity_lighting_lamps_lit", "Lamps that burn.", "community")
	lampsDesc  = desc("greencommunity_lighting_lamps", "Lamps that have reported within 3 hours.", "community")
	waterDesc  = desc("greencommunity_water_today_cubic_meters", "Water drawn since the local day began.", "community")
	fillDesc   = desc("greencommunity_waste_bin_fill_ratio", "Mean fill level of the bins.", "community")
	fullDesc   = desc("greencommunity_waste_bins_full", "Bins at 95 % or more.", "community")
	passesDesc = desc("greencommunity_gate_passes_total", "Passes through the gates.", "community", "direction")
	openDesc   = desc("greencommunity_gates_open", "Gates that are open.", "community")
	burnDesc   = desc("greencommunity_lighting_burn_seconds_total", "Time lamps have burned, by what they report; silence counts for 3 h at most.", "community")
	dropDesc   = desc("greencommunity_waste_deposits_total", "Deposits in the bins.", "community", "stream")
	massDesc   = desc("greencommunity_waste_mass_grams_total", "Net weight of what was dropped, as bins or vehicles weigh it.", "community", "stream")
	pickDesc   = desc("greencommunity_waste_collections_total", "Bins emptied, as reported or seen in the fill level.", "community")
	overDesc   = desc("greencommunity_waste_bin_overflow_seconds_total", "Time bins were at 95 % or more; silence counts for 3 h at most.", "community")
	ajarDesc   = desc("greencommunity_gate_open_seconds_total", "Time gates were open; silence counts for 3 h at most.", "community")
	dueDesc    = desc("greencommunity_lighting_scheduled_burn_seconds_total", "Time lamps should have burned by the sun, from civil dusk to dawn, of the time they told of.", "community")
	homesDesc  = desc("greencommunity_waste_households", "Households that dropped something, counted by numbers that change daily: today so far, yesterday.", "community", "day")
	checkDesc  = desc("greencommunity_waste_inspections_total", "Deposits that were inspected, by what was found: correct, wrong.", "community", "result")
	upDesc     = desc("greencommunity_gate_up_seconds_total", "Time gates were heard of; a silence of more than 3 h is not known, and not up.", "community")
	dutyDesc   = desc("greencommunity_gate_scheduled_seconds_total", "Time since each gate was first heard of: all of it is scheduled.", "community")
	jamDesc    = desc("greencommunity_gate_held_open_seconds_total", "Time gates were open after they said that they are held open; silence counts for 3 h at most.", "community")
	forcedDesc = desc("greencommunity_gate_forced_total", "Reports of a gate forced open.", "community")
	heldDesc   = desc("greencommunity_gate_held_open_total", "Reports of a gate held open.", "community")
	lastDesc   = desc("greencommunity_facility_last_reading_timestamp_seconds", "When the latest reading is of.", "community", "facility")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe sends the descriptions of the metrics.
func (o *Observer) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{powerDesc, litDesc, lampsDesc, waterDesc, fillDesc, fullDesc, passesDesc, openDesc, burnDesc, dropDesc, massDesc, pickDesc, overDesc, ajarDesc, forcedDesc, heldDesc, lastDesc, dueDesc, checkDesc, homesDesc, upDesc, dutyDesc, jamDesc} {
		ch <- d
	}
}

// Collect sends the metrics.
func (o *Observer) Collect(ch chan<- prometheus.Metric) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	// What counts things that happen is there before the first of them, at 0: the
	// first would be the beginning of a series else, of which Prometheus knows no
	// increase.
	quiet := maps.Clone(o.listed)
	for i, n := range o.summarise(time.Now().UnixNano()) {
		p := &o.places[i]
		if !o.here(p) || n.known == 0 {
			continue // taken out of the inventory
		}
		delete(quiet, p.Key)
		community := string(p.Key.Community)
		gauge(lastDesc, float64(n.Last)/1e9, community, string(p.Key.Facility))
		switch p.Key.Facility {
		case ingest.Lighting:
			counter(burnDesc, float64(p.Lit)/1e9, community)
			if p.sited {
				counter(dueDesc, float64(p.Due)/1e9, community)
			}
		case ingest.Waste:
			counter(pickDesc, p.Collections, community)
			counter(overDesc, float64(p.Overfull)/1e9, community)
			if p.Right+p.Wrong > 0 || o.inspected() {
				counter(checkDesc, p.Right, community, "correct")
				counter(checkDesc, p.Wrong, community, "wrong")
			}
			if n.Joined >= 0 {
				gauge(homesDesc, float64(n.Joined), community, "today")
			}
			if n.Before >= 0 {
				gauge(homesDesc, float64(n.Before), community, "yesterday")
			}
			streams := o.listed[p.Key]
			for name := range streams {
				if p.Streams[name] == nil {
					counter(dropDesc, 0, community, name)
				}
			}
			for name, s := range p.Streams {
				if s.Deposits > 0 || streams[name] {
					counter(dropDesc, s.Deposits, community, name)
				}
				if s.Kilograms > 0 { // 0 is nobody who weighs, not no waste
					counter(massDesc, s.Kilograms*1000, community, name)
				}
			}
		case ingest.Gate:
			counter(passesDesc, p.In, community, "in")
			counter(passesDesc, p.Out, community, "out")
			counter(ajarDesc, float64(p.Opened)/1e9, community)
			counter(forcedDesc, p.Forced, community)
			counter(heldDesc, p.Held, community)
			counter(jamDesc, float64(p.HeldOpen)/1e9, community)
			counter(upDesc, float64(p.Up)/1e9, community)
			counter(dutyDesc, float64(n.scheduled)/1e9, community)
		}
		if n.Devices == 0 {
			continue // nobody reports: no figure, not 0
		}
		switch p.Key.Facility {
		case ingest.Lighting:
			if n.Powered > 0 {
				gauge(powerDesc, n.Power, community)
			}
			gauge(litDesc, float64(n.Lit), community)
			gauge(lampsDesc, float64(n.Devices), community)
		case ingest.Water:
			if n.Metered > 0 {
				gauge(waterDesc, n.Water, community)
			}
		case ingest.Waste:
			if n.Filled > 0 {
				gauge(fullDesc, float64(n.Full), community)
				gauge(fillDesc, n.Fill, community)
			}
		case ingest.Gate:
			if n.Doors > 0 {
				gauge(openDesc, float64(n.Open), community)
			}
		}
	}
	for at, streams := range quiet {
		community := string(at.Community)
		switch at.Facility {
		case ingest.Waste:
			counter(pickDesc, 0, community)
			for name := range streams {
				counter(dropDesc, 0, community, name)
			}
			if o.inspected() {
				counter(checkDesc, 0, community, "correct")
				counter(checkDesc, 0, community, "wrong")
			}
		case ingest.Gate:
			counter(passesDesc, 0, community, "in")
			counter(passesDesc, 0, community, "out")
			counter(forcedDesc, 0, community)
			counter(heldDesc, 0, community)
		}
	}
}
