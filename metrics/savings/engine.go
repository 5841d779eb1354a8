package savings

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/usage"
)

// FinalAfter sets how long after a quarter's end its figures are final.
const FinalAfter = 30 * 24 * time.Hour

// Options of an Engine.
type Options struct {
	// Grace after local midnight before a day is closed. Default 2 hours: the
	// first reads after midnight decide how much belongs to the day.
	Grace time.Duration
	// FinalAfter a quarter's end its figures are final. Default: the constant.
	FinalAfter time.Duration
	Factors    Factors // with no problems; default none
	// Book says where registers become use. It is told of each reading before this
	// engine is. Default: one of the engine's own.
	Book   *usage.Book
	Logger *slog.Logger
}

// Engine computes savings from readings as they come. It is an observer of
// package pipeline, and its collector for Prometheus.
//
// A day is closed once, some time after local midnight; what changes it later
// (a meter that was silent, a true-up, an adjustment) makes it dirty, and the
// next closing or review evaluates it again. Only these change figures, and when
// they are due follows from the calendar, so that figures do not depend on how often
// Tick is called, nor on where the service was restarted.
type Engine struct {
	o        Options
	own      *usage.Book // where Options has none
	inv      *inventory.Inventory
	calendar books.Calendar

	// Owned by the walker's goroutine.
	accounts []*account // in the order of the inventory
	groups   map[group][]*account
	byKey    map[string]*account
	owners   map[ingest.DeviceID][]owner
	meters   []meter
	slots    []int32 // by device index: first meter, or one of the values below
	stations map[ingest.DeviceID]*books.Weather
	seen     []*books.Weather // by -2-slot
	quantity struct{ energy, water, temperature, evapotranspiration, rainfall, lit int }
	closed   int   // days before it are closed; 0: nothing seen yet
	review   int64 // when closed days that changed are looked at next, unix nanoseconds
	at       int64 // when days are evaluated that now are, unix nanoseconds
	due      int64 // when the first open day is closed, unix nanoseconds
	bound    bool
	counted  int64 // from when on odd reads are counted, unix nanoseconds
	past     bool  // days before the first that is kept are not wanted, and not late
	changed  bool  // a day before closed may have changed since it was evaluated
	held     []Held
	open     int64 // when day closed begins, unix nanoseconds
	// When scrapes are next shown the counts of reads, which grow at any time.
	republish int64
	points    []ingest.Point
	nights    map[place]float64
	lamps     []*lamp // by device index; nil: has not told whether it is on since the inventory was bound
	nobody    lamp    // of devices that are of no boundary
	told      bool    // what is frozen was written since the inventory was bound

	// mu guards shown, which the walker replaces and any goroutine reads. What it
	// points to is never written again: publish copies, and nothing that the
	// walker goes on with leaves the engine.
	mu      sync.Mutex
	shown   []shown
	factors Factors // guarded by mu too
}

// Convert sets the factors from now on. It is safe for concurrent use.
func (e *Engine) Convert(f Factors) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.factors = f
}

// Values of slots that name no meter.
const (
	unknown  int32 = 0 // the device has not reported since the inventory was bound
	nothing  int32 = -1
	stations int32 = -2 // and below: weather stations
)

// owner says that a channel of a device is a meter of an account.
type owner struct {
	channel string
	account *account
}

// meter is the state of one meter. Its size is what a meter costs, beside 4
// bytes in slots.
type meter struct {
	spec    MeterSpec
	account *account
	next    int32 // the next meter of the same device, 0: none
	part    int32 // where it is among a day's parts, as a rule
	key     uint64
}

// account is a boundary's books.
type account struct {
	*boundary
	ledger   books.Ledger
	quarters books.Quarters
	weather  *books.Weather
	meters   int // that there are

	// Accrual, never lowered: what days added when they were closed or evaluated
	// again; and what was taken back, by reason.
	actual, baseline float64
	up, down         [2]map[books.Reason]float64 // of actual, of baseline
	anomalies        [len(books.Reasons)]int64
	lastRead         int64  // unix nanoseconds
	skew             int64  // of the last read's clock, nanoseconds
	savedHash        string // baseline as frozen under savedVersion
	savedVersion     int
	savedNRA         string
	savedTerms       string // "": of a program that did not freeze them
	savedDated       string
	conflict         bool // the baseline changed and its version did not
	lamps            map[ingest.DeviceID]*lamp
	burned           map[int]Burning // by day, not written yet
	burnedQuarter    burnedQuarter
	calendarTold     int    // the year of whose public holidays it was said that they are not known
	changed          string // what of it did, for people; "" without a conflict
}

// New returns an engine without boundaries; Bind gives it some.
func New(o Options) *Engine {
	if o.Grace == 0 {
		o.Grace = 2 * time.Hour
	}
	if o.FinalAfter == 0 {
		o.FinalAfter = FinalAfter
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{o: o, byKey: map[string]*account{}, nights: map[place]float64{}, stations: map[ingest.DeviceID]*books.Weather{}}
	if o.Book == nil {
		own := BookOptions()
		own.Unwritten = true
		e.own = usage.New(own)
		e.o.Book = e.own
	}
	e.factors = o.Factors
	e.o.Book.Subscribe(e)
	return e
}

var (
	_ ingest.Readings  = (*Engine)(nil)
	_ ingest.Ticker    = (*Engine)(nil)
	_ ingest.Points    = (*Engine)(nil)
	_ ingest.Saver     = (*Engine)(nil)
	_ inventory.Binder = (*Engine)(nil)
	_ usage.Subscriber = (*Engine)(nil)
)

// Name names the state in the checkpoint.
func (e *Engine) Name() string { return "savings" }

// Bind takes the boundaries of an inventory that Check has found nothing wrong
// with; one with problems is logged and leaves things as they were. A baseline
// that changed under the same version is refused: its boundary shows no saving
// until the old one is back or the version is raised.
func (e *Engine) Bind(inv *inventory.Inventory) {
	boundaries, err := compile(inv)
	if err != nil {
		e.o.Logger.Error("boundaries of savings", "error", err)
		if e.bound {
			return
		}
		boundaries = nil
	}
	e.inv, e.bound = inv, true
	if e.own != nil {
		e.own.Bind(inv)
	}
	zone := inv.Zone
	if zone == nil {
		zone = time.FixedZone("CST", 8*3600)
	}
	e.calendar = books.Calendar{Zone: zone}
	index := func(name string) int {
		for _, kind := range inv.Facilities.Kinds() {
			if q := inv.Facilities.Quantity(kind, name); q != nil {
				return int(q.Index)
			}
		}
		return -1
	}
	e.quantity.energy, e.quantity.water = index(usage.Electricity.Quantity()), index(usage.Water.Quantity())
	e.quantity.temperature, e.quantity.evapotranspiration, e.quantity.rainfall = index("temperature"), index("evapotranspiration"), index("rainfall")
	e.quantity.lit = index("light_on")

	e.accounts = e.accounts[:0]
	e.owners = map[ingest.DeviceID][]owner{}
	for _, b := range boundaries {
		a := e.byKey[b.key]
		if a == nil {
			a = &account{}
			e.byKey[b.key] = a
		}
		a.boundary = b
		e.adopt(a)
		a.meters = max(len(b.Meters), b.MeterCount)
		for _, m := range b.Meters {
			e.owners[m.Device] = append(e.owners[m.Device], owner{m.Channel, a})
		}
		a.weather = nil
		if b.Weather != "" {
			id := ingest.DeviceID(b.Weather)
			if e.stations[id] == nil {
				e.stations[id] = &books.Weather{}
			}
			a.weather = e.stations[id]
		}
		e.accounts = append(e.accounts, a)
	}
	if e.closed != 0 {
		e.due = e.nextClose()
	}
	e.regroup()
	// Who a device's readings are for is found again when it next reports.
	clear(e.slots)
	e.seen = e.seen[:0]
	e.meters = e.meters[:0]
	e.told = false
	clear(e.nights)
	clear(e.lamps)
	e.publish()
}

// regroup sorts the accounts by what they are shown for.
func (e *Engine) regroup() {
	e.groups = map[group][]*account{}
	for _, a := range e.accounts {
		e.groups[a.group()] = append(e.groups[a.group()], a)
	}
}

// adopt compares a boundary with what was frozen for it.
func (e *Engine) adopt(a *account) {
	a.conflict, a.changed = false, ""
	if a.Baseline != nil {
		switch {
		case a.savedVersion == 0 || a.Baseline.Version > a.savedVersion:
			if a.savedVersion != 0 {
				e.stain(a, "nra")
			}
			a.savedHash, a.savedTerms, a.savedVersion = a.hash, a.terms, a.Baseline.Version
		case a.Baseline.Version == a.savedVersion && a.Baseline.frozenAs(a.savedHash) && (a.savedTerms == "" || a.savedTerms == a.terms):
			a.savedHash, a.savedTerms = a.hash, a.terms
		case a.Baseline.Version == a.savedVersion && a.Baseline.frozenAs(a.savedHash):
			a.conflict, a.changed = true, changedTerms
			e.o.Logger.Error("what decides a frozen verdict changed; raise the baseline's version, with who approved it", "boundary", a.key,
				"version", a.Baseline.Version, "one of", "uncertainty, register, quota, weather, intervention, ipmvp, the community's lat and lon")
		default:
			a.conflict, a.changed = true, changedBaseline
			e.o.Logger.Error("a frozen baseline changed; raise its version, with who approved it", "boundary", a.key, "version", a.Baseline.Version, "frozen", a.savedVersion)
		}
	}
	if a.savedNRA != a.nraHash {
		if a.savedNRA != "" && a.savedNRA != a.nraBefore {
			e.stain(a, "nra")
		}
		a.savedNRA = a.nraHash
	}
	if a.savedDated != a.dated {
		if a.savedDated != "" {
			e.stain(a, "population")
			e.o.Logger.Warn("persons, lamps or the calendar changed: the days concerned are evaluated again, and a final quarter has a new revision", "boundary", a.key)
		}
		a.savedDated = a.dated
	}
}

// stain has all closed days that are kept evaluated again.
func (e *Engine) stain(a *account, reason books.Reason) {
	for i := range a.ledger.Cells {
		if c := &a.ledger.Cells[i]; c.Closed {
			c.Dirty = reason
			e.changed = true
		}
	}
}

// Reading takes a weather station's values, and when a register was read: what it
// adds is told by the book of use.
func (e *Engine) Reading(index uint32, r *ingest.Reading, late bool, received int64) {
	if e.own != nil {
		e.own.Reading(index, r, late, received)
	}
	q := int(r.Quantity.Index)
	if q == e.quantity.lit {
		e.burns(index, r, late)
		return
	}
	slot := e.slot(index, r.Device)
	if slot <= nothing {
		if slot <= stations {
			e.observe(e.seen[stations-slot], r, q)
		}
		return
	}
	var resource usage.Resource
	switch q {
	case e.quantity.energy:
		resource = usage.Electricity
	case e.quantity.water:
		resource = usage.Water
	default:
		return
	}
	if m := e.meter(slot, r.Channel, resource); m != nil {
		a := m.account
		a.lastRead = max(a.lastRead, r.Time)
		if r.TimeSource == ingest.TimeDevice {
			a.skew = received - r.Time
		}
	}
}

// Use enters what a read of a register came to.
func (e *Engine) Use(index uint32, u *usage.Use) {
	slot := e.slot(index, u.Device)
	if slot <= nothing {
		return
	}
	m := e.meter(slot, u.Channel, u.Resource)
	if m == nil {
		return
	}
	a := m.account
	if reason := books.ReasonOf(u); reason != books.Plain && u.At >= e.counted {
		a.anomalies[slices.Index(books.Reasons[:], reason)]++
	}
	for i := range u.Bookings {
		b := &u.Bookings[i]
		e.changed = e.changed || b.From < e.open
		if !a.ledger.Book(&e.calendar, b, m.key, &m.part) && u.At >= e.counted && !e.past {
			a.anomalies[slices.Index(books.Reasons[:], books.Late)]++
		}
	}
}

// slot of a device, found out when it first reports.
func (e *Engine) slot(index uint32, d *ingest.Device) int32 {
	if int(index) >= len(e.slots) {
		e.slots = append(e.slots, make([]int32, max(64, int(index)+1+len(e.slots)/4-len(e.slots)))...)
	}
	if e.slots[index] == unknown {
		e.slots[index] = e.resolve(d)
	}
	return e.slots[index]
}

// meter that a channel is, nil: none.
func (e *Engine) meter(slot int32, channel string, resource usage.Resource) *meter {
	for i := slot; i != 0; i = e.meters[i-1].next {
		if m := &e.meters[i-1]; m.spec.Channel == channel && m.account.resource == resource {
			return m
		}
	}
	return nil
}

// resolve finds whose meter a device is; once for each device.
func (e *Engine) resolve(d *ingest.Device) int32 {
	if w := e.stations[d.ID]; w != nil {
		e.seen = append(e.seen, w)
		return stations - int32(len(e.seen)-1)
	}
	owners := e.owners[d.ID]
	if owners == nil && d.Boundary != "" {
		if a := e.byKey[string(d.Community)+"/"+d.Boundary]; a != nil && a.boundary != nil && len(a.Meters) == 0 && a.MeterCount > 0 && !behindSame(e.inv, d) {
			owners = []owner{{"", a}}
		}
	}
	head := nothing
	for _, o := range owners {
		spec := MeterSpec{d.ID, o.channel}
		e.meters = append(e.meters, meter{spec: spec, account: o.account, next: max(head, 0), key: spec.key()})
		head = int32(len(e.meters))
	}
	return head
}

// behindSame reports whether a meter in front of a device is of the same boundary, which
// has its use by that one.
func behindSame(inv *inventory.Inventory, d *ingest.Device) bool {
	for up, steps := inv.Device(d.Parent), 0; up != nil && steps < 64; up, steps = inv.Device(up.Parent), steps+1 {
		if up.Boundary == d.Boundary && up.Community == d.Community && up.Facility == d.Facility {
			return true
		}
	}
	return false
}

// observe takes a weather station's value.
func (e *Engine) observe(w *books.Weather, r *ingest.Reading, q int) {
	if q != e.quantity.temperature && q != e.quantity.evapotranspiration && q != e.quantity.rainfall {
		return
	}
	e.calendar.At(r.Time)
	d := w.Day(e.calendar.Day)
	if d == nil {
		return
	}
	switch q {
	case e.quantity.temperature:
		d.Sum, d.Count = d.Sum+r.Value, d.Count+1
		d.Hours |= 1 << min(24, (r.Time-e.calendar.Start)/int64(time.Hour))
	case e.quantity.evapotranspiration:
		d.ET0, d.Driven = d.ET0+r.Value, true
	case e.quantity.rainfall:
		d.Rain += r.Value
	}
}

// Tick closes the days that are due.
func (e *Engine) Tick(now int64) {
	if e.closed == 0 {
		e.calendar.At(now)
		e.closed = e.calendar.Day
		e.due = e.nextClose()
	}
	if e.review == 0 {
		e.review = nextReview(now)
	} else if behind := now - int64(24*time.Hour); e.review < behind {
		e.review = nextReview(behind) // once for all the time nothing came
	}
	if now < e.due && now < e.republish && now < e.review {
		return
	}
	for now >= min(e.due, e.review) {
		e.at = min(e.due, e.review)
		if e.review < e.due {
			if e.changed {
				e.settle(e.closed - 1)
			}
			e.review = nextReview(e.review)
			continue
		}
		e.close(e.closed)
		e.closed++
		e.due = e.nextClose()
	}
	if !e.told {
		e.tellFrozen(e.closed)
		e.tellCalendar(e.closed)
	}
	e.republish = now + int64(time.Minute)
	e.publish()
}

// tellFrozen writes what is frozen, as of a day: a recomputation of the same inventory's
// file, elsewhere or later, knows by it what the service has promised to keep.
func (e *Engine) tellFrozen(day int) {
	e.told = true
	for _, a := range e.accounts {
		if a.Baseline == nil || a.savedVersion == 0 {
			continue
		}
		e.points = append(e.points, ingest.Point{
			Measurement: Frozen,
			Tags:        []ingest.Tag{{Key: "boundary", Value: a.id}, {Key: "community", Value: string(a.boundary.community.ID)}},
			Fields:      []ingest.Field{{Key: "version", Value: int64(a.savedVersion)}, {Key: "hash", Value: frozenHash(a.savedHash, a.savedTerms)}},
			Time:        e.calendar.Midnight(day).UnixNano(),
		})
	}
}

// reviewEvery sets how often closed days that have changed are evaluated again:
// history that is sent at once is seen soon, and not after the next midnight.
const reviewEvery = time.Minute

// nextReview is the first full minute after a time (unix nanoseconds).
func nextReview(at int64) int64 { return at - at%int64(reviewEvery) + int64(reviewEvery) }

// nextClose returns when the first open day is due.
func (e *Engine) nextClose() int64 {
	e.open = e.calendar.Midnight(e.closed).UnixNano()
	return e.calendar.Midnight(e.closed + 1).Add(e.o.Grace).UnixNano()
}

// place names a site and a day whose dark hours are remembered, for lamps switched at an elevation of the sun.
type place struct {
	lat, lon, elevation float64
	day                 int
}

// darkHours are remembered: a quarter is summed up anew each day, and the boundaries of a
// community have the same nights.
func (e *Engine) darkHours(p place) float64 {
	hours, known := e.nights[p]
	if !known {
		if len(e.nights) > 1<<16 {
			clear(e.nights)
		}
		hours = baseline.BurnHours(e.calendar.Midnight(p.day), p.lat, p.lon, p.elevation)
		e.nights[p] = hours
	}
	return hours
}

func (e *Engine) conditions(a *account, day int) books.Conditions {
	start, end := e.calendar.Bounds(day)
	c := books.Conditions{HoursOfDay: float64(end-start) / float64(time.Hour)}
	a.weather.Conditions(day, &c)
	if a.followsNight() {
		c.DarkHours = e.darkHours(place{a.community.Lat, a.community.Lon, a.elevation, day})
	}
	return c
}

// group holds what figures are shown for.
type group struct {
	community ingest.CommunityID
	facility  ingest.FacilityKind
	resource  usage.Resource
}

func (a *account) group() group { return group{a.boundary.community.ID, a.Facility, a.resource} }

// close evaluates a day, and again those that are dirty.
func (e *Engine) close(day int) {
	for _, a := range e.accounts {
		if !a.conflict && (a.metered() || a.reported(day)) {
			a.ledger.Cell(day)
		}
	}
	e.settle(day)
	e.tellFrozen(day)
	e.tellBurning(day)
	e.tellCalendar(day)
}

// settle evaluates the days up to one that have not been or are dirty; then
// sums up the quarters concerned and writes the days' points.
func (e *Engine) settle(day int) {
	e.changed = false
	type dayOf struct {
		group group
		day   int
	}
	touched := map[dayOf]bool{}
	for _, a := range e.accounts {
		if a.conflict {
			continue
		}
		changed := map[int]bool{books.QuarterOf(day): true}
		for i := range a.ledger.Cells {
			c := &a.ledger.Cells[i]
			d := a.ledger.First + i
			if c.Dirty == "" && (c.Closed || d > day) {
				continue
			}
			if e.holds(a, books.QuarterOf(d)) && a.final(books.QuarterOf(d)) {
				e.changed = true // it is looked at again, and stays dirty until then
				continue
			}
			e.evaluate(a, c, d)
			if d <= day-foldAfter {
				start, end := e.calendar.Bounds(d)
				c.Fold(end - start)
			}
			changed[books.QuarterOf(d)] = true
			touched[dayOf{a.group(), d}] = true
		}
		if c := a.ledger.Peek(day - foldAfter); c != nil && c.Dirty == "" {
			start, end := e.calendar.Bounds(day - foldAfter)
			c.Fold(end - start)
		}
		for q := range changed {
			e.sum(a, q, day+1)
		}
		// A quarter that is over is final after a while; the days are kept until
		// the one after it is final as well.
		for i := range a.quarters {
			q := &a.quarters[i]
			end := e.calendar.Midnight(books.QuarterStart(q.Number + 1)).Add(e.o.FinalAfter)
			if q.Finals == nil && !e.calendar.Midnight(day+1).Before(end) {
				q.Finals, q.At = []books.Sums{q.Sums}, []int64{e.at}
			}
		}
		a.ledger.Drop(books.QuarterStart(books.QuarterOf(day) - 2))
	}
	for _, w := range e.stations {
		if drop := books.QuarterStart(books.QuarterOf(day)-2) - w.First; drop > 0 {
			w.Days = slices.Clone(w.Days[min(drop, len(w.Days)):])
			w.First += drop
		}
	}
	days := make([]dayOf, 0, len(touched))
	for d := range touched {
		days = append(days, d)
	}
	slices.SortFunc(days, func(a, b dayOf) int {
		return cmp.Or(cmp.Compare(a.group.community, b.group.community), cmp.Compare(a.group.facility, b.group.facility),
			cmp.Compare(a.group.resource, b.group.resource), cmp.Compare(a.day, b.day))
	})
	for _, d := range days {
		r := e.combine(d.group, func(a *account) (books.Sums, []int64) {
			return a.sum(&a.ledger, d.day, d.day+1, func(day int) books.Conditions { return e.conditions(a, day) }), nil
		})
		if math.IsNaN(r.Coverage) {
			continue
		}
		e.points = append(e.points, ingest.Point{
			Measurement: "savings",
			Tags:        []ingest.Tag{{Key: "community", Value: string(d.group.community)}, {Key: "facility", Value: string(d.group.facility)}, {Key: "resource", Value: d.group.resource.String()}},
			Fields: []ingest.Field{{Key: "baseline", Value: r.Baseline}, {Key: "actual", Value: r.Actual}, {Key: "saving", Value: r.Saving},
				{Key: "uncertainty", Value: r.Uncertainty}, {Key: "coverage", Value: r.Coverage}},
			Time: e.calendar.Midnight(d.day).UnixNano(),
		})
	}
}

// foldAfter sets for how many days what each meter used is kept apart: within them the
// book of use confirms or contradicts a doubtful read.
const foldAfter = 6

// evaluate a day and accrue the difference.
func (e *Engine) evaluate(a *account, c *books.Cell, day int) {
	before, reason, again := *c, c.Dirty, c.Closed
	start, end := e.calendar.Bounds(day)
	var w books.Conditions
	if a.reported(day) {
		w = e.conditions(a, day)
	}
	a.boundary.evaluate(c, day, a.meters, end-start, w)
	if !a.counts() {
		return
	}
	accrue := func(side int, total *float64, difference float64) {
		if difference > 0 {
			*total += difference
		}
		if !again || difference == 0 {
			return
		}
		into, amount := &a.up[side], difference
		if difference < 0 {
			into, amount = &a.down[side], -difference
		}
		if *into == nil {
			*into = map[books.Reason]float64{}
		}
		(*into)[reason] += amount
	}
	accrue(0, &a.actual, c.Actual-before.Actual)
	accrue(1, &a.baseline, c.Baseline+c.Adjusted-before.Baseline-before.Adjusted)
}

// sum brings a quarter up to date; one that is final gets a new revision where
// its figures changed.
func (e *Engine) sum(a *account, number, to int) {
	from := books.QuarterStart(number)
	if from < a.ledger.Floor {
		return
	}
	s := a.sum(&a.ledger, from, min(to, books.QuarterStart(number+1)), func(day int) books.Conditions { return e.conditions(a, day) })
	if s.Due == 0 {
		return
	}
	q := a.quarters.At(number)
	q.Sums = s
	if n := len(q.Finals); n > 0 && !q.Finals[n-1].Same(s) {
		for len(q.At) < n { // of a program that did not keep them
			q.At = append(q.At, int64(len(q.At)))
		}
		q.Finals, q.At = append(q.Finals, s), append(q.At, e.at)
	}
}

// combine adds up the independent boundaries of a group that count. Their figures were
// final from some time on, and changed at others; each of these is a revision of the
// total, which is final where all are.
func (e *Engine) combine(g group, sums func(*account) (s books.Sums, finals []int64)) Result {
	var total Result
	total.Coverage = math.NaN()
	squares, due, days, share := 0.0, 0, 0, 0.0
	final, revised := true, map[int64]bool{}
	for _, a := range e.groups[g] {
		if a.conflict || !a.saves() || !a.counts() {
			continue
		}
		s, finals := sums(a)
		r := a.result(s)
		total.Actual += r.Actual
		total.Baseline += r.Baseline
		total.Adjustment += r.Adjustment
		total.Saving += r.Saving
		squares += r.Uncertainty * r.Uncertainty
		due += s.Due
		days += s.Days
		share += s.Share
		if s.Due > 0 {
			final = final && len(finals) > 0
			for _, at := range finals[min(1, len(finals)):] {
				revised[at] = true
			}
		}
	}
	if final && due > 0 {
		total.Revision = 1 + len(revised)
	}
	total.Uncertainty = math.Sqrt(squares)
	if due > 0 {
		total.Coverage = share / float64(due)
	}
	total.Significant = days > 0 && math.Abs(total.Saving) > total.Uncertainty
	return total
}

// Points are the days' results since the call before.
func (e *Engine) Points() []ingest.Point {
	p := e.points
	e.points = nil
	return p
}

// Quarter is the result of a calendar quarter (1 to 4) for a community's
// facility and resource, as of the last closing.
func (e *Engine) Quarter(community ingest.CommunityID, facility ingest.FacilityKind, resource string, year, q int) Result {
	of, _ := usage.ResourceNamed(resource)
	return e.quarter(group{community, facility, of}, year*4+q-1)
}

func (e *Engine) quarter(g group, number int) Result {
	return e.combine(g, func(a *account) (books.Sums, []int64) {
		for _, q := range a.quarters {
			if q.Number == number {
				return q.Sums, q.At
			}
		}
		return books.Sums{}, nil
	})
}

// since is the result over all quarters.
func (e *Engine) since(g group) Result {
	return e.combine(g, func(a *account) (books.Sums, []int64) {
		var s books.Sums
		for _, q := range a.quarters {
			s.Add(q.Sums)
		}
		return s, nil
	})
}

// Describe of a boundary, for logs.
func (b *boundary) String() string { return fmt.Sprintf("boundary %s", b.key) }
