package savings

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/metrics/savings/baseline"
)

// shown is what a scrape sees of one group: figures as of the last closing.
type shown struct {
	group            group
	actual, baseline float64 // accrued
	up, down         [2]map[Reason]float64
	anomalies        map[Reason]int64
	periods          []shownPeriod
	info             []shownBaseline
	densities        []shownDensity
	saves            bool    // some boundary has a baseline
	confidence       string  // of the bands
	lastRead         int64   // unix nanoseconds; 0: no register was read yet
	skew             int64   // nanoseconds, of the boundary where it is largest
	perCapita, quota float64 // of the current quarter; NaN: not known
	night, netNight  float64 // m³/h, last closed day; NaN: not known
}

type shownPeriod struct {
	name   string
	year   int // 0: of several years
	result Result
}

type shownBaseline struct {
	boundary, version, ipmvp, method, status string
	cv, nmbe                                 float64
}

// shownDensity is a lighting power density, W/m², and its share of the limit.
type shownDensity struct {
	boundary       string
	density, ratio float64
}

// publish makes the present figures what scrapes see.
func (e *Engine) publish() {
	groups := map[group]*shown{}
	var order []group
	for _, a := range e.accounts {
		g := a.group()
		s := groups[g]
		if s == nil {
			s = &shown{group: g, anomalies: map[Reason]int64{}, perCapita: math.NaN(), quota: math.NaN(), night: math.NaN(), netNight: math.NaN()}
			groups[g], order = s, append(order, g)
		}
		s.lastRead = max(s.lastRead, a.lastRead)
		if math.Abs(float64(a.skew)) > math.Abs(float64(s.skew)) {
			s.skew = a.skew
		}
		for i, n := range a.anomalies {
			if n > 0 {
				s.anomalies[reasons[i]] += n
			}
		}
		s.info = append(s.info, a.describe())
		if d := a.PowerDensity; d != nil {
			density, _ := baseline.PowerDensity(d.Groups, d.Area, d.Limit)
			shown := shownDensity{a.id, density, math.NaN()}
			if d.Limit > 0 {
				shown.ratio = density / d.Limit
			}
			s.densities = append(s.densities, shown)
		}
		if a.saves() && !s.saves {
			s.saves, s.confidence = true, fmt.Sprintf("%.2f", a.Uncertainty.Confidence)
		}
		e.gauges(a, s)
		if !a.counts() {
			continue
		}
		s.actual += a.actual
		s.baseline += a.baseline
		for side := range 2 {
			s.up[side] = merge(s.up[side], a.up[side])
			s.down[side] = merge(s.down[side], a.down[side])
		}
	}
	slices.SortFunc(order, func(a, b group) int {
		return cmp.Or(cmp.Compare(a.community, b.community), cmp.Compare(a.facility, b.facility), cmp.Compare(a.resource, b.resource))
	})
	list := make([]shown, 0, len(order))
	for _, g := range order {
		s := groups[g]
		if e.closed != 0 {
			q := quarter(e.closed)
			s.periods = []shownPeriod{{"quarter", q / 4, e.quarter(g, q)}, {"previous_quarter", (q - 1) / 4, e.quarter(g, q-1)}, {"since_start", 0, e.since(g)}}
		}
		list = append(list, *s)
	}
	e.mu.Lock()
	e.shown = list
	e.mu.Unlock()
}

func merge(into, from map[Reason]float64) map[Reason]float64 {
	for r, v := range from {
		if into == nil {
			into = map[Reason]float64{}
		}
		into[r] += v
	}
	return into
}

func (a *account) describe() shownBaseline {
	d := shownBaseline{boundary: a.id, version: "0", ipmvp: a.IPMVP, method: "none", status: "no_baseline", cv: math.NaN(), nmbe: math.NaN()}
	if a.Baseline == nil {
		return d
	}
	d.version, d.method, d.status = strconv.Itoa(a.Baseline.Version), a.Baseline.Method, "frozen"
	if a.conflict {
		d.status = "changed"
	}
	if !a.counts() {
		d.status = "nested"
	}
	if a.Baseline.CV > 0 {
		d.cv, d.nmbe = a.Baseline.CV, a.Baseline.NMBE
	}
	return d
}

// gauges that judge use and are no savings: per-head use and night flow.
func (e *Engine) gauges(a *account, s *shown) {
	if a.Resource != "water" || e.closed == 0 {
		return
	}
	use, days, personDays := 0.0, 0, 0.0
	for day := quarterStart(quarter(e.closed)); day < e.closed; day++ {
		c := a.ledger.peek(day)
		start, end := e.calendar.bounds(day)
		if c == nil || a.meters == 0 || c.Covered < covered*float64(a.meters)*float64(end-start) {
			continue
		}
		use, days, personDays = use+c.Use, days+1, personDays+a.persons(day)
	}
	if a.parent == nil && days > 0 && personDays > 0 {
		s.perCapita, s.quota = baseline.PerCapita(use, personDays/float64(days), float64(days), a.Quota)
	}
	last := a.ledger.peek(e.closed - 1)
	full := float64(a.meters) * float64(nightTo-nightFrom)
	if last == nil || a.parent != nil || full == 0 || last.NightCovered < covered*full {
		return
	}
	flow := last.Night / float64(nightTo-nightFrom) * float64(time.Hour)
	balance := baseline.NightFlow{}.Balance(flow, a.persons(e.closed-1))
	if math.IsNaN(s.night) {
		s.night, s.netNight = 0, 0
	}
	s.night += flow
	s.netNight += balance.Net
}

// Units of the two resources: the metric's name and its base unit.
var units = map[string]struct {
	name, unit string
	scale      float64
}{
	"electricity": {"energy", "joules", 3.6e6},
	"water":       {"water", "cubic_meters", 1},
}

var emissionFactor = prometheus.NewDesc("greencommunity_emission_factor_kilograms_per_kilowatt_hour", "Emission factor of electricity in use, by the year of its data, with its source.", []string{"area", "year", "source"}, nil)

var factorHelp = map[string]string{
	"co2":  "The energy saved as CO2: by the factor of the figure's own year, and by that of a fixed one.",
	"coal": "The energy saved as standard coal: the heat in it (calorific), or the coal burnt for it (equivalent).",
}

// Describe says nothing: what is exposed depends on the inventory.
func (e *Engine) Describe(chan<- *prometheus.Desc) {}

// Collect exposes the figures as of the last closing. Counters are accrual:
// they never fall, and what was taken back is in a counter of its own, so that
// accrued − down is what holds. Gauges are by event time and may fall.
func (e *Engine) Collect(out chan<- prometheus.Metric) {
	e.mu.Lock()
	list := e.shown
	e.mu.Unlock()
	for _, f := range e.o.Factors.Emission {
		if f.Area == e.o.Factors.Area {
			out <- prometheus.MustNewConstMetric(emissionFactor, prometheus.GaugeValue, f.KgCO2, f.Area, strconv.Itoa(f.Year), f.Source)
		}
	}
	labels := []string{"community", "facility"}
	send := func(kind prometheus.ValueType, name, help string, v float64, names []string, values ...string) {
		if math.IsNaN(v) {
			return
		}
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc("greencommunity_"+name, help, append(slices.Clone(labels), names...), nil), kind, v, values...)
	}
	for i := range list {
		s := &list[i]
		u := units[s.group.resource]
		base := []string{string(s.group.community), string(s.group.facility)}
		with := func(more ...string) []string { return append(slices.Clone(base), more...) }
		counter := func(name, help string, v float64, names []string, values ...string) {
			send(prometheus.CounterValue, name, help, v, names, with(values...)...)
		}
		gauge := func(name, help string, v float64, names []string, values ...string) {
			send(prometheus.GaugeValue, name, help, v, names, with(values...)...)
		}
		if s.saves {
			counter(u.name+"_actual_"+u.unit+"_total", "Use in covered time, as accrued.", s.actual*u.scale, nil)
			counter(u.name+"_baseline_"+u.unit+"_total", "Adjusted baseline of the same time, as accrued.", s.baseline*u.scale, nil)
			for side, of := range []string{"actual", "baseline"} {
				for direction, amounts := range map[string]map[Reason]float64{"up": s.up[side], "down": s.down[side]} {
					for _, reason := range []Reason{Late, "nra", TrueUp} {
						counter("accrual_corrections_"+u.unit+"_total", "Corrections of days already accrued; what is up is in the accrual as well.", amounts[reason]*u.scale, []string{"direction", "reason", "of"}, direction, string(reason), of)
					}
				}
			}
			for _, p := range s.periods {
				r, status := p.result, "provisional"
				if r.Revision > 0 {
					status = "final"
				}
				if !math.IsNaN(r.Coverage) {
					gauge(u.name+"_savings_"+u.unit, "Adjusted baseline less actual use over the covered time; negative where more was used.", r.Saving*u.scale, []string{"period", "status"}, p.name, status)
					gauge(u.name+"_savings_uncertainty_"+u.unit, "Half width of the saving's band.", r.Uncertainty*u.scale, []string{"period", "confidence"}, p.name, s.confidence)
					gauge("savings_significant", "1 where the saving is larger than its band, 0 where it is not distinguishable from zero.", indicator(r.Significant), []string{"resource", "period"}, s.group.resource, p.name)
					gauge("savings_coverage_ratio", "Days that count on both sides, of the days due.", r.Coverage, []string{"resource", "period"}, s.group.resource, p.name)
					gauge("savings_revision", "Revision of a final figure, 0 while it is provisional.", float64(r.Revision), []string{"resource", "period"}, s.group.resource, p.name)
					if u.unit == "joules" {
						gauge("nonroutine_adjustment_joules", "Non-routine adjustments in the adjusted baseline.", r.Adjustment*u.scale, []string{"period"}, p.name)
						for _, c := range e.o.Factors.conversions(p.year) {
							name := map[string]string{"co2": "energy_savings_co2_kilograms", "coal": "energy_savings_coal_kilograms"}[c.name]
							gauge(name, factorHelp[c.name], r.Saving*c.amount, []string{"period", "status", "basis"}, p.name, status, c.basis)
							name = strings.Replace(name, "_kilograms", "_uncertainty_kilograms", 1)
							gauge(name, "Half width of the band of the use; that of the factor is not in it.", r.Uncertainty*c.amount, []string{"period", "confidence", "basis"}, p.name, s.confidence, c.basis)
						}
					} else {
						gauge("nonroutine_adjustment_cubic_meters", "Non-routine adjustments in the adjusted baseline.", r.Adjustment*u.scale, []string{"period"}, p.name)
					}
				}
			}
		}
		for _, b := range s.info {
			gauge("baseline_info", "Baselines and whether they hold: frozen, changed, nested, no_baseline.", 1, []string{"boundary", "version", "ipmvp", "method", "status"}, b.boundary, b.version, b.ipmvp, b.method, b.status)
			gauge("baseline_cv_rmse_ratio", "CV(RMSE) of the baseline's fit.", b.cv, []string{"boundary"}, b.boundary)
			gauge("baseline_nmbe_ratio", "Net mean bias error of the baseline's fit.", b.nmbe, []string{"boundary"}, b.boundary)
		}
		for _, d := range s.densities {
			gauge("lighting_power_density_watts_per_square_meter", "Power of the lamps there are now over the lit area, ballast included.", d.density, []string{"boundary"}, d.boundary)
			gauge("lighting_power_density_limit_ratio", "Lighting power density over its limit: compliance, not a saving.", d.ratio, []string{"boundary"}, d.boundary)
		}
		for _, reason := range []Reason{Backward, Rollover, Swap, Gap, Provisional, Duplicate, Late, TrueUp, Reset, Implausible, Scale} {
			counter("meter_anomalies_total", "Reads of registers that were not simply subtracted.", float64(s.anomalies[reason]), []string{"resource", "reason"}, s.group.resource, string(reason))
		}
		if s.lastRead > 0 {
			gauge("last_reading_timestamp_seconds", "Time of the newest register read.", float64(s.lastRead)/1e9, []string{"resource"}, s.group.resource)
			gauge("clock_skew_seconds", "Time received less the meters' own time, of the boundary where it is largest.", float64(s.skew)/1e9, []string{"resource"}, s.group.resource)
		}
		gauge("water_per_capita_liters_per_day", "Use a person and day in the quarter so far.", s.perCapita, nil)
		gauge("water_quota_ratio", "Per-head use over the quota: compliance, not a saving.", s.quota, nil)
		gauge("water_night_flow_cubic_meters_per_hour", "Mean flow from 02:00 to 04:00 of the last closed day.", s.night, nil)
		gauge("water_net_night_flow_cubic_meters_per_hour", "Night flow less legitimate night use.", s.netNight, nil)
	}
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
