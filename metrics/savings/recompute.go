package savings

import (
	"fmt"
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/usage"
)

// Recomputation computes a saving for any days from what is stored, by the
// same arithmetic as Engine, in the order of the readings' own times: late data
// are in their place. Ask for what Queries says, give each reading to Read,
// then take Statement.
type Recomputation struct {
	engine   *Engine
	inv      *inventory.Inventory
	from, to int // days
	over     int // the first day after those that are due
	devices  map[string]uint32
	list     []*ingest.Device

	fields    map[string]*ingest.Quantity
	reading   ingest.Reading
	evaluated bool // each day's both sides are compared
}

// Query holds what to read: a field of a measurement, for the devices of a
// community, in [From, To), and beyond it for each series the last before From
// and the first from To on. It is of one community: InfluxDB sorts the series
// of an answer, and many short answers cost less than one long one.
type Query struct {
	Measurement string
	Field       string
	Community   ingest.CommunityID
	From, To    time.Time
	Around      bool // whether the readings before and after are wanted
}

// lead is how far before the first day readings are taken, so that it is known
// where a register is and what it ordinarily counts; trail how far after the
// last one, so that reads which do not fit are confirmed or contradicted.
const (
	lead  = 14 * 24 * time.Hour
	trail = 5 * 24 * time.Hour
)

// NewRecomputation is for the local days from (inclusive) to to (exclusive), of
// one community or, "", of all. It fails where the inventory's boundaries have
// problems.
func NewRecomputation(inv *inventory.Inventory, community ingest.CommunityID, from, to Date) (*Recomputation, error) {
	if !from.Before(to.Time) {
		return nil, fmt.Errorf("from %s is not before to %s", from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	if days := to.number() - from.number(); days > books.KeptDays-200 {
		return nil, fmt.Errorf("%d days; at most %d are recomputed at once", days, books.KeptDays-200)
	}
	if community != "" && inv.Community(community) == nil {
		return nil, fmt.Errorf("community %q is not in the inventory", community)
	}
	if community != "" { // the others' boundaries need not be read
		one := *inv
		one.Communities = []*inventory.Community{inv.Community(community)}
		if Check(&one) == nil {
			inv = &one
		}
	}
	if err := Check(inv); err != nil {
		return nil, err
	}
	r := &Recomputation{engine: New(Options{}), inv: inv, from: from.number(), to: to.number(), over: to.number(), devices: map[string]uint32{}, fields: map[string]*ingest.Quantity{}}
	r.engine.Bind(inv)
	if community != "" {
		r.engine.accounts = slices.DeleteFunc(r.engine.accounts, func(a *account) bool { return a.boundary.community.ID != community })
	}
	r.engine.past = true
	r.engine.counted = r.engine.calendar.Midnight(r.from).Add(-48 * time.Hour).UnixNano()
	r.engine.regroup()
	for _, a := range r.engine.accounts {
		a.ledger.Floor, a.ledger.First = r.from-2, r.from-2
		a.ledger.Cells = make([]books.Cell, 1, r.to-r.from+8)
	}
	return r, nil
}

// Due leaves the days from today on out of what is due: a day that is not over has
// no saving yet, and is not missed either. Their use is still told.
func (r *Recomputation) Due(today Date) { r.over = max(r.from, min(r.to, today.number())) }

// First is when the first day begins.
func (r *Recomputation) First() time.Time { return r.engine.calendar.Midnight(r.from) }

// End is when the last day ends.
func (r *Recomputation) End() time.Time { return r.engine.calendar.Midnight(r.to) }

// Queries returns what to read, in a fixed order.
func (r *Recomputation) Queries() []Query {
	start, end := r.engine.calendar.Midnight(r.from).Add(-lead), r.engine.calendar.Midnight(r.to).Add(trail)
	var queries []Query
	asked := map[Query]bool{}
	want := func(measurement, field string, community ingest.CommunityID, around bool) {
		q := Query{measurement, field, community, start, end, around}
		if !asked[q] {
			asked[q] = true
			queries = append(queries, q)
		}
	}
	for _, a := range r.engine.accounts {
		c := a.boundary.community.ID
		if a.metered() {
			field := a.resource.Quantity()
			want(string(a.Facility), field, c, true)
			for _, m := range a.Meters {
				if d := r.inv.Device(m.Device); d != nil {
					want(string(d.Facility), field, c, true)
				}
			}
		}
		if a.Weather == "" {
			continue
		}
		if d := r.inv.Device(ingest.DeviceID(a.Weather)); d != nil {
			for _, field := range []string{"temperature", "evapotranspiration", "rainfall"} {
				if r.inv.Facilities.Quantity(d.Facility, field) != nil {
					want(string(d.Facility), field, d.Community, false)
				}
			}
		}
	}
	return queries
}

// Read takes a reading, in unix nanoseconds; those of one series come in the
// order of time, of the queries in theirs. It keeps neither device nor channel.
func (r *Recomputation) Read(field string, device, channel []byte, t int64, v float64) {
	q := r.fields[field]
	if q == nil {
		for _, kind := range r.inv.Facilities.Kinds() {
			if q = r.inv.Facilities.Quantity(kind, field); q != nil {
				break
			}
		}
		if q == nil {
			return
		}
		r.fields[field] = q
	}
	i, ok := r.devices[string(device)]
	if !ok {
		i = uint32(len(r.list))
		id := string(device)
		r.devices[id] = i
		d := r.inv.Device(ingest.DeviceID(id))
		if d == nil {
			d = &ingest.Device{ID: ingest.DeviceID(id), Origin: &ingest.Origin{}, Listing: ingest.Unlisted}
		}
		r.list = append(r.list, d)
	}
	r.reading = ingest.Reading{Device: r.list[i], Channel: string(channel), Quantity: q, Value: v, Time: t}
	r.engine.Reading(i, &r.reading, false, t)
}

// Statement holds what was saved in some days, by community, facility and resource.
type Statement struct {
	From  Date            `json:"from"`
	To    Date            `json:"to"` // the first day after
	Items []StatementItem `json:"items"`
}

// StatementItem is one line of a statement, in kWh or m³.
type StatementItem struct {
	Community   ingest.CommunityID  `json:"community"`
	Name        string              `json:"name"`
	Facility    ingest.FacilityKind `json:"facility"`
	Resource    string              `json:"resource"`
	Unit        string              `json:"unit"`
	Actual      baseline.Figure     `json:"actual"`
	Baseline    baseline.Figure     `json:"adjusted_baseline"`
	Adjustment  baseline.Figure     `json:"nonroutine_adjustment"`
	Saving      baseline.Figure     `json:"saving"`
	SavingGB    baseline.Figure     `json:"saving_gb_sign"`
	Fraction    baseline.Figure     `json:"saving_fraction"`
	Uncertainty baseline.Figure     `json:"uncertainty"`
	Confidence  float64             `json:"confidence"`
	Coverage    baseline.Figure     `json:"coverage"`
	Significant bool                `json:"significant"`
	Verdict     string              `json:"verdict"`
	Boundaries  []StatementBoundary `json:"boundaries"`
}

// BaselineChanged is the verdict where all boundaries that have a baseline changed it
// under its version.
const BaselineChanged = "baseline_changed"

// StatementBoundary holds what a line is made of.
type StatementBoundary struct {
	ID     string `json:"id"`
	Status string `json:"status"` // frozen, changed, nested, no_baseline
	// Changed says what of a frozen baseline is another now under the same version, so
	// that there is no saving until it is back or the version is raised; "": nothing.
	Changed string `json:"changed,omitempty"`
	Version int    `json:"baseline_version"`
	IPMVP   string `json:"ipmvp"`
	Method  string `json:"method"`
	Meters  int    `json:"meters"`
	// Nested says that another boundary has its use as well; Devices are its meters as
	// far as they are listed by name.
	Nested  bool              `json:"nested,omitempty"`
	Devices []ingest.DeviceID `json:"-"`
	Use     baseline.Figure   `json:"use"` // of all days, covered or not
	// PerDay is what all meters use a day, the mean of the days covered; null without one.
	PerDay    baseline.Figure        `json:"use_per_day"`
	Days      int                    `json:"days"`
	Covered   int                    `json:"days_covered"` // on which enough meters were
	Coverage  baseline.Figure        `json:"coverage"`     // share of the meters' time
	Saving    baseline.Figure        `json:"saving"`       // null without a baseline
	Band      baseline.Figure        `json:"uncertainty"`
	Anomalies map[books.Reason]int64 `json:"meter_anomalies,omitempty"`
	// Non-routine adjustments in force on some of the days.
	Adjustments []Adjustment `json:"nra,omitempty"`
	// Of water in the days covered, where it is not nested: compliance and state,
	// not savings.
	PerCapita    baseline.Figure `json:"liters_per_person_day"`
	QuotaRatio   baseline.Figure `json:"quota_ratio"`
	NightFlow    baseline.Figure `json:"night_flow_m3_per_h"` // mean of the nights that are known
	NetNightFlow baseline.Figure `json:"net_night_flow_m3_per_h"`
	Nights       int             `json:"nights"`
	// Sheet is what the baseline rests on; nil without one.
	Sheet *Sheet `json:"baseline_sheet,omitempty"`
	// Told is what the boundary's lamps told of themselves; nil: nothing.
	Told *Told `json:"lamps_told,omitempty"`
	// Parts are what the band is made of.
	Parts Parts `json:"uncertainty_parts"`
	// Leakage of a boundary with others nested in it; nil without.
	Leakage *Leakage `json:"leakage,omitempty"`
	// Normal is the saving of a typical year; nil where Why says what is missing.
	Normal *Normal `json:"normalised,omitempty"`
}

// Days of a boundary as a baseline is made of them, after the last Read: use of the
// meters that cover a day, scaled up to all where some were silent; with the dark hours of
// the night as hours says (astro_civil, astro_horizon).
func (r *Recomputation) Days(community ingest.CommunityID, boundary, hours string) ([]baseline.Day, error) {
	e := r.engine
	i := slices.IndexFunc(e.accounts, func(a *account) bool { return a.boundary.community.ID == community && a.id == boundary })
	if i < 0 {
		return nil, fmt.Errorf("community %s has no boundary %q", community, boundary)
	}
	a := e.accounts[i]
	if !a.metered() {
		return nil, fmt.Errorf("%s: option A has no meter; its baseline is the inventory of its lamps", a)
	}
	var days []baseline.Day
	for d := r.from; d < r.over; d++ {
		start, end := e.calendar.Bounds(d)
		day := baseline.Day{Date: time.Unix(int64(d)*86400, 0).UTC(), Use: math.NaN(), Night: math.NaN()}
		if a.resource == usage.Water {
			day.Persons = a.persons(d)
		} else if a.boundary.community.Lat != 0 || a.boundary.community.Lon != 0 {
			day.Dark = baseline.BurnHours(e.calendar.Midnight(d), a.boundary.community.Lat, a.boundary.community.Lon, Elevation(hours))
		}
		if c := a.ledger.Peek(d); c != nil {
			if use, share, _ := c.Mask(a.meters, end-start); share > 0 {
				day.Use, day.Meters = use/share, int(math.Round(share*float64(a.meters)))
			}
			if full := float64(a.meters) * float64(books.Night); c.NightCovered >= books.Covered*full {
				day.Night = c.Night / float64(books.Night) * float64(time.Hour)
			}
		}
		days = append(days, day)
	}
	return days, nil
}

// waterState fills in per-head use and night flow.
func (e *Engine) waterState(a *account, b *StatementBoundary, from, to int) {
	nan := baseline.Figure(math.NaN())
	b.PerCapita, b.QuotaRatio, b.NightFlow, b.NetNightFlow = nan, nan, nan, nan
	if a.resource != usage.Water || a.parent != nil || a.meters == 0 {
		return
	}
	use, days, personDays, night, net := 0.0, 0.0, 0.0, 0.0, 0.0
	full := float64(a.meters) * float64(books.Night)
	for d := from; d < to; d++ {
		c := a.ledger.Peek(d)
		start, end := e.calendar.Bounds(d)
		if c == nil {
			continue
		}
		metered, share, _ := c.Mask(a.meters, end-start)
		if share == 0 {
			continue
		}
		use, days, personDays = use+metered/share, days+1, personDays+a.persons(d)
		if c.NightCovered >= books.Covered*full {
			flow := c.Night / float64(books.Night) * float64(time.Hour)
			night, net, b.Nights = night+flow, net+baseline.NightFlow{}.Balance(flow, a.persons(d)).Net, b.Nights+1
		}
	}
	if days > 0 && personDays > 0 {
		litres, ratio := baseline.PerCapita(use, personDays/days, days, a.Quota)
		b.PerCapita, b.QuotaRatio = baseline.Figure(litres), baseline.Figure(ratio)
	}
	if b.Nights > 0 {
		b.NightFlow, b.NetNightFlow = baseline.Figure(night/float64(b.Nights)), baseline.Figure(net/float64(b.Nights))
	}
}

// Frozen says under which version and hash the service, or a report that was filed, has a
// boundary. Where the inventory says another thing under that version, or has an older
// one, the boundary saves nothing, as in the service. It is called before Statement, for
// each that is known.
func (r *Recomputation) Frozen(community ingest.CommunityID, boundary string, version int, hash string) {
	for _, a := range r.engine.accounts {
		if a.boundary.community.ID != community || a.id != boundary || a.Baseline == nil {
			continue
		}
		switch {
		case a.Baseline.Version < version:
			a.conflict, a.changed = true, changedVersion
		case a.Baseline.Version == version && hash != frozenHash(a.hash, a.terms):
			a.conflict, a.changed = true, changedBaseline+", "+changedTerms
		}
	}
}

// Statement evaluates the days, after the last Read.
func (r *Recomputation) Statement() *Statement { return r.of(r.from, r.to) }

// Part is Statement of some of the days, from (inclusive) to to (exclusive).
func (r *Recomputation) Part(from, to Date) *Statement {
	return r.of(min(max(from.number(), r.from), r.to), max(min(to.number(), r.to), r.from))
}

func (r *Recomputation) of(first, end int) *Statement {
	e := r.engine
	over := max(first, min(r.over, end))
	day := func(n int) Date { return Date{time.Unix(int64(n)*86400, 0).UTC()} }
	s := &Statement{From: day(first), To: day(end), Items: []StatementItem{}}
	sums := map[*account]books.Sums{}
	var order []group
	listed := map[group]bool{}
	for _, a := range e.accounts {
		for d := r.from; d < r.over && !r.evaluated; d++ {
			if c := a.ledger.Cell(d); c != nil {
				e.evaluate(a, c, d)
			}
		}
		sums[a] = a.sum(&a.ledger, first, over, func(d int) books.Conditions { return e.conditions(a, d) })
		if !listed[a.group()] {
			listed[a.group()] = true
			order = append(order, a.group())
		}
	}
	r.evaluated = true
	for _, g := range order {
		total := e.combine(g, func(a *account) (books.Sums, []int64) { return sums[a], nil })
		c := r.inv.Community(g.community)
		item := StatementItem{
			Community: g.community, Name: c.Name, Facility: g.facility, Resource: g.resource.String(),
			Unit:   g.resource.Unit(),
			Actual: baseline.Figure(total.Actual), Baseline: baseline.Figure(total.Baseline), Adjustment: baseline.Figure(total.Adjustment),
			Saving: baseline.Figure(total.Saving), SavingGB: baseline.Figure(total.GB()), Fraction: baseline.Figure(total.Saving / total.Baseline),
			Uncertainty: baseline.Figure(total.Uncertainty), Confidence: 0.90, Coverage: baseline.Figure(total.Coverage),
			Significant: total.Significant, Verdict: total.Verdict(),
		}
		saves, holds := false, false
		for _, a := range e.groups[g] {
			info := a.describe()
			b := StatementBoundary{ID: a.id, Status: info.status, Changed: a.changed, IPMVP: a.IPMVP, Method: info.method, Meters: a.meters, Days: over - first, Saving: baseline.Figure(math.NaN()), Band: baseline.Figure(math.NaN())}
			e.waterState(a, &b, first, end)
			b.Nested = a.parent != nil
			for _, m := range a.Meters {
				b.Devices = append(b.Devices, m.Device)
			}
			b.Sheet, b.Parts, b.Leakage = a.sheet(), a.parts(sums[a]), e.leakage(a, first, over)
			b.Normal, b.Told = e.normal(a, first, over), a.told(first, over)
			for _, n := range a.Adjustments {
				if n.From.number() < end && (n.To.IsZero() || n.To.number() > first) {
					b.Adjustments = append(b.Adjustments, n)
				}
			}
			total, days := 0.0, 0
			for d := first; d < end; d++ {
				begins, ends := e.calendar.Bounds(d)
				if c := a.ledger.Peek(d); c != nil {
					b.Use += baseline.Figure(c.Use)
					if d >= over {
						continue
					}
					use, share := c.Use, 1.0
					if a.metered() {
						use, share, _ = c.Mask(a.meters, ends-begins)
					}
					if share > 0 {
						b.Covered++
						b.Coverage += baseline.Figure(share / float64(over-first))
						total, days = total+use/share, days+1
					}
				}
			}
			if b.PerDay = baseline.Figure(math.NaN()); days > 0 && a.metered() {
				b.PerDay = baseline.Figure(total / float64(days))
			}
			if a.saves() {
				saves = true
				item.Confidence = a.Uncertainty.Confidence
				b.Version = a.Baseline.Version
				if !a.conflict {
					result := a.result(sums[a])
					b.Saving, b.Band, holds = baseline.Figure(result.Saving), baseline.Figure(result.Uncertainty), true
				} else {
					b.Parts, b.Normal = Parts{}, nil
				}
			}
			for i, n := range a.anomalies {
				if n > 0 && books.Reasons[i] != books.First {
					if b.Anomalies == nil {
						b.Anomalies = map[books.Reason]int64{}
					}
					b.Anomalies[books.Reasons[i]] = n
				}
			}
			item.Boundaries = append(item.Boundaries, b)
		}
		if !holds { // use is shown, and no saving printed
			nan := baseline.Figure(math.NaN())
			item.Actual, item.Baseline, item.Adjustment, item.Saving, item.SavingGB, item.Uncertainty = nan, nan, nan, nan, nan, nan
			item.Verdict = "no_baseline"
			if saves {
				item.Verdict = BaselineChanged
			}
		}
		s.Items = append(s.Items, item)
	}
	return s
}
