package savings

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/usage"
)

// shown holds what a scrape sees of one group: figures as of the last closing.
type shown struct {
	group            group
	actual, baseline float64 // accrued
	up, down         [2]map[books.Reason]float64
	anomalies        map[books.Reason]int64
	periods          []shownPeriod
	info             []shownBaseline
	densities        []shownDensity
	offs             []off
	calendars        []shownCalendar
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

// shownCalendar is when the public holidays end that a baseline goes by, unix seconds.
type shownCalendar struct {
	boundary string
	end      int64
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
			s = &shown{group: g, anomalies: map[books.Reason]int64{}, perCapita: math.NaN(), quota: math.NaN(), night: math.NaN(), netNight: math.NaN()}
			groups[g], order = s, append(order, g)
		}
		s.lastRead = max(s.lastRead, a.lastRead)
		if math.Abs(float64(a.skew)) > math.Abs(float64(s.skew)) {
			s.skew = a.skew
		}
		for i, n := range a.anomalies {
			if n > 0 {
				s.anomalies[books.Reasons[i]] += n
			}
		}
		s.info = append(s.info, a.describe())
		s.offs = append(s.offs, a.offs()...)
		if a.goesByDaysOff() {
			s.calendars = append(s.calendars, shownCalendar{a.id, time.Date(a.days.Until()+1, 1, 1, 0, 0, 0, 0, e.calendar.Zone).Unix()})
		}
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
			q := books.QuarterOf(e.closed)
			s.periods = []shownPeriod{{"quarter", q / 4, e.quarter(g, q)}, {"previous_quarter", (q - 1) / 4, e.quarter(g, q-1)}, {"since_start", 0, e.since(g)}}
		}
		list = append(list, *s)
	}
	e.mu.Lock()
	e.shown = list
	e.mu.Unlock()
}

func merge(into, from map[books.Reason]float64) map[books.Reason]float64 {
	for r, v := range from {
		if into == nil {
			into = map[books.Reason]float64{}
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
	if a.resource != usage.Water || e.closed == 0 {
		return
	}
	use, days, personDays := 0.0, 0, 0.0
	for day := books.QuarterStart(books.QuarterOf(e.closed)); day < e.closed; day++ {
		c := a.ledger.Peek(day)
		start, end := e.calendar.Bounds(day)
		if c == nil {
			continue
		}
		metered, share, _ := c.Mask(a.meters, end-start)
		if share == 0 {
			continue
		}
		use, days, personDays = use+metered/share, days+1, personDays+a.persons(day)
	}
	if a.parent == nil && days > 0 && personDays > 0 {
		s.perCapita, s.quota = baseline.PerCapita(use, personDays/float64(days), float64(days), a.Quota)
	}
	last := a.ledger.Peek(e.closed - 1)
	full := float64(a.meters) * float64(books.Night)
	if last == nil || a.parent != nil || full == 0 || last.NightCovered < books.Covered*full {
		return
	}
	flow := last.Night / float64(books.Night) * float64(time.Hour)
	balance := baseline.NightFlow{}.Balance(flow, a.persons(e.closed-1))
	if math.IsNaN(s.night) {
		s.night, s.netNight = 0, 0
	}
	s.night += flow
	s.netNight += balance.Net
}

// desc describes a metric of a community's facility; its name is whole, so that a
// search for what an alert names ends here.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"community", "facility"}, labels...), nil)
}

// resourceMetrics are the metrics that each resource has under names of its own.
type resourceMetrics struct {
	actual, baseline, corrections    *prometheus.Desc
	saving, uncertainty, adjustments *prometheus.Desc
}

const (
	actualHelp      = "Use in covered time, as accrued."
	baselineHelp    = "Adjusted baseline of the same time, as accrued."
	correctionsHelp = "Corrections of days already accrued; what is up is in the accrual as well."
	savingHelp      = "Adjusted baseline less actual use over the covered time; negative where more was used."
	bandHelp        = "Half width of the saving's band."
	adjustmentsHelp = "Non-routine adjustments in the adjusted baseline."
	factorBandHelp  = "Half width of the band of the use; that of the factor is not in it."
	co2Help         = "The energy saved as CO2: by the factor of the figure's own year, and by that of a fixed one."
	coalHelp        = "The energy saved as standard coal: the heat in it (calorific), or the coal burnt for it (equivalent)."
)

var byResource = map[usage.Resource]resourceMetrics{
	usage.Electricity: {
		actual:      desc("greencommunity_energy_actual_joules_total", actualHelp),
		baseline:    desc("greencommunity_energy_baseline_joules_total", baselineHelp),
		corrections: desc("greencommunity_accrual_corrections_joules_total", correctionsHelp, "direction", "reason", "of"),
		saving:      desc("greencommunity_energy_savings_joules", savingHelp, "period", "status"),
		uncertainty: desc("greencommunity_energy_savings_uncertainty_joules", bandHelp, "period", "confidence"),
		adjustments: desc("greencommunity_nonroutine_adjustment_joules", adjustmentsHelp, "period"),
	},
	usage.Water: {
		actual:      desc("greencommunity_water_actual_cubic_meters_total", actualHelp),
		baseline:    desc("greencommunity_water_baseline_cubic_meters_total", baselineHelp),
		corrections: desc("greencommunity_accrual_corrections_cubic_meters_total", correctionsHelp, "direction", "reason", "of"),
		saving:      desc("greencommunity_water_savings_cubic_meters", savingHelp, "period", "status"),
		uncertainty: desc("greencommunity_water_savings_uncertainty_cubic_meters", bandHelp, "period", "confidence"),
		adjustments: desc("greencommunity_nonroutine_adjustment_cubic_meters", adjustmentsHelp, "period"),
	},
}

// converted are the metrics of a saving in another unit, by conversion.
var converted = map[string]struct{ saving, uncertainty *prometheus.Desc }{
	"co2": {
		desc("greencommunity_energy_savings_co2_kilograms", co2Help, "period", "status", "basis"),
		desc("greencommunity_energy_savings_co2_uncertainty_kilograms", factorBandHelp, "period", "confidence", "basis"),
	},
	"coal": {
		desc("greencommunity_energy_savings_coal_kilograms", coalHelp, "period", "status", "basis"),
		desc("greencommunity_energy_savings_coal_uncertainty_kilograms", factorBandHelp, "period", "confidence", "basis"),
	},
}

var (
	emissionFactorDesc = prometheus.NewDesc("greencommunity_emission_factor_kilograms_per_kilowatt_hour", "Emission factor of electricity in use, by the year of its data, with its source.", []string{"area", "year", "source"}, nil)
	significantDesc    = desc("greencommunity_savings_significant", "1 where the saving is larger than its band, 0 where it is not distinguishable from zero.", "resource", "period")
	coverageDesc       = desc("greencommunity_savings_coverage_ratio", "Days that count on both sides, of the days due.", "resource", "period")
	revisionDesc       = desc("greencommunity_savings_revision", "Revision of a final figure, 0 while it is provisional.", "resource", "period")
	baselineInfoDesc   = desc("greencommunity_baseline_info", "Baselines and whether they hold: frozen, changed, nested, no_baseline.", "boundary", "version", "ipmvp", "method", "status")
	baselineCVDesc     = desc("greencommunity_baseline_cv_rmse_ratio", "CV(RMSE) of the baseline's fit.", "boundary")
	statedErrorDesc    = desc("greencommunity_lighting_stated_error_ratio", "What lamps told of themselves this quarter over what is stated of them, less 1: hours a day, share that burns.", "boundary", "what")
	statedAllowedDesc  = desc("greencommunity_lighting_stated_allowed_ratio", "How far that may be off either way by what uncertainty states.", "boundary", "what")
	calendarEndDesc    = desc("greencommunity_baseline_calendar_end_timestamp_seconds", "When the public holidays end that a baseline by days off goes by.", "boundary")
	baselineNMBEDesc   = desc("greencommunity_baseline_nmbe_ratio", "Net mean bias error of the baseline's fit.", "boundary")
	densityDesc        = desc("greencommunity_lighting_power_density_watts_per_square_meter", "Power of the lamps there are now over the lit area, ballast included.", "boundary")
	densityLimitDesc   = desc("greencommunity_lighting_power_density_limit_ratio", "Lighting power density over its limit: compliance, not a saving.", "boundary")
	meterAnomaliesDesc = desc("greencommunity_meter_anomalies_total", "Reads of registers that were not simply subtracted.", "resource", "reason")
	lastReadDesc       = desc("greencommunity_last_reading_timestamp_seconds", "Time of the newest register read.", "resource")
	skewDesc           = desc("greencommunity_clock_skew_seconds", "Time received less the meters' own time, of the boundary where it is largest.", "resource")
	perCapitaDesc      = desc("greencommunity_water_per_capita_liters_per_day", "Use a person and day in the quarter so far.")
	quotaDesc          = desc("greencommunity_water_quota_ratio", "Per-head use over the quota: compliance, not a saving.")
	nightDesc          = desc("greencommunity_water_night_flow_cubic_meters_per_hour", "Mean flow from 02:00 to 04:00 of the last closed day.")
	netNightDesc       = desc("greencommunity_water_net_night_flow_cubic_meters_per_hour", "Night flow less legitimate night use.")
)

// Describe says nothing: what is exposed depends on the inventory.
func (e *Engine) Describe(chan<- *prometheus.Desc) {}

// Collect exposes the figures as of the last closing. Counters are accrual:
// they never fall, and what was taken back is in a counter of its own, so that
// accrued − down is what holds. Gauges are by event time and may fall.
func (e *Engine) Collect(out chan<- prometheus.Metric) {
	e.mu.Lock()
	list, factors := e.shown, e.factors
	e.mu.Unlock()
	for _, f := range factors.Emission {
		if f.Area == factors.Area {
			out <- prometheus.MustNewConstMetric(emissionFactorDesc, prometheus.GaugeValue, f.KgCO2, f.Area, strconv.Itoa(f.Year), f.Source)
		}
	}
	for i := range list {
		s := &list[i]
		x := exposition{out, []string{string(s.group.community), string(s.group.facility)}}
		if s.saves {
			x.accrual(s)
			for _, p := range s.periods {
				x.period(s, p, &factors)
			}
		}
		x.state(s)
	}
}

// exposition sends the metrics of one community's facility. A value that is not
// known is not sent.
type exposition struct {
	out    chan<- prometheus.Metric
	labels []string // community and facility
}

func (x *exposition) send(kind prometheus.ValueType, d *prometheus.Desc, v float64, labels []string) {
	if !math.IsNaN(v) {
		x.out <- prometheus.MustNewConstMetric(d, kind, v, append(slices.Clone(x.labels), labels...)...)
	}
}

func (x *exposition) counter(d *prometheus.Desc, v float64, labels ...string) {
	x.send(prometheus.CounterValue, d, v, labels)
}

func (x *exposition) gauge(d *prometheus.Desc, v float64, labels ...string) {
	x.send(prometheus.GaugeValue, d, v, labels)
}

func (x *exposition) accrual(s *shown) {
	m, base := byResource[s.group.resource], s.group.resource.Base()
	x.counter(m.actual, s.actual*base)
	x.counter(m.baseline, s.baseline*base)
	for side, of := range []string{"actual", "baseline"} {
		for _, reason := range []books.Reason{books.Late, "nra", "population", books.TrueUp} {
			x.counter(m.corrections, s.up[side][reason]*base, "up", string(reason), of)
			x.counter(m.corrections, s.down[side][reason]*base, "down", string(reason), of)
		}
	}
}

func (x *exposition) period(s *shown, p shownPeriod, factors *Factors) {
	r, m, base := p.result, byResource[s.group.resource], s.group.resource.Base()
	if math.IsNaN(r.Coverage) {
		return
	}
	resource, status := s.group.resource.String(), r.Status()
	x.gauge(m.saving, r.Saving*base, p.name, status)
	x.gauge(m.uncertainty, r.Uncertainty*base, p.name, s.confidence)
	x.gauge(significantDesc, indicator(r.Significant), resource, p.name)
	x.gauge(coverageDesc, r.Coverage, resource, p.name)
	x.gauge(revisionDesc, float64(r.Revision), resource, p.name)
	x.gauge(m.adjustments, r.Adjustment*base, p.name)
	if s.group.resource != usage.Electricity {
		return
	}
	for _, c := range factors.conversions(p.year) {
		x.gauge(converted[c.name].saving, r.Saving*c.amount, p.name, status, c.basis)
		x.gauge(converted[c.name].uncertainty, r.Uncertainty*c.amount, p.name, s.confidence, c.basis)
	}
}

// state sends what is shown of boundaries with a baseline and without.
func (x *exposition) state(s *shown) {
	resource := s.group.resource.String()
	for _, b := range s.info {
		x.gauge(baselineInfoDesc, 1, b.boundary, b.version, b.ipmvp, b.method, b.status)
		x.gauge(baselineCVDesc, b.cv, b.boundary)
		x.gauge(baselineNMBEDesc, b.nmbe, b.boundary)
	}
	for _, o := range s.offs {
		x.gauge(statedErrorDesc, o.error, o.boundary, o.what)
		x.gauge(statedAllowedDesc, o.allowed, o.boundary, o.what)
	}
	for _, c := range s.calendars {
		x.gauge(calendarEndDesc, float64(c.end), c.boundary)
	}
	for _, d := range s.densities {
		x.gauge(densityDesc, d.density, d.boundary)
		x.gauge(densityLimitDesc, d.ratio, d.boundary)
	}
	for _, reason := range []books.Reason{books.Backward, books.Rollover, books.Swap, books.Gap, books.Provisional, books.Duplicate, books.Late, books.TrueUp, books.Reset, books.Implausible, books.Scale} {
		x.counter(meterAnomaliesDesc, float64(s.anomalies[reason]), resource, string(reason))
	}
	if s.lastRead > 0 {
		x.gauge(lastReadDesc, float64(s.lastRead)/1e9, resource)
		x.gauge(skewDesc, float64(s.skew)/1e9, resource)
	}
	x.gauge(perCapitaDesc, s.perCapita)
	x.gauge(quotaDesc, s.quota)
	x.gauge(nightDesc, s.night)
	x.gauge(netNightDesc, s.netNight)
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
