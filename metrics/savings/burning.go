package savings

import (
	"fmt"
	"math"
	"slices"
	"time"

	"greencommunity/ingest"

	"greencommunity/metrics/savings/books"
)

// BurningPoints is the measurement in which the service writes, each day, how long the
// lamps of a boundary burned by what they tell of themselves (light_on), beside what is
// stated for them.
const BurningPoints = "burning"

// Burning holds what lamps told of some days, to hold against what is stated of them.
type Burning struct {
	Lamps  float64 // lamp days that were told nearly whole
	On     float64 // hours these were on
	Stated float64 // hours they should have been by what is stated
	Lit    float64 // lamp days of these on which the lamp burned for half of the stated hours
}

func (b *Burning) add(o Burning) {
	b.Lamps, b.On, b.Stated, b.Lit = b.Lamps+o.Lamps, b.On+o.On, b.Stated+o.Stated, b.Lit+o.Lit
}

// HoursRatio is what lamps that burned were on over what is stated, NaN where none is known.
func (b *Burning) HoursRatio() float64 {
	if b.Lit == 0 || b.Stated == 0 {
		return math.NaN()
	}
	return b.On / b.Lit / (b.Stated / b.Lamps)
}

// Share of the lamps that burned, NaN where none is known.
func (b *Burning) Share() float64 {
	if b.Lamps == 0 {
		return math.NaN()
	}
	return b.Lit / b.Lamps
}

// lamp holds what is known of a lamp that tells whether it is on.
type lamp struct {
	account  *account // nil: of no boundary whose hours are stated
	Last     int64    // unix nanoseconds
	Lit      bool
	Day      int
	On, Told int64 // of Day, nanoseconds
}

const (
	// longestWord bounds how long a lamp is taken to be as it said, as in package facility.
	longestWord = 3 * time.Hour
	// toldShare of a day must be told for a lamp to count on it.
	toldShare = 0.9
	// burningDays at least must be known for a warning.
	burningDays = 7
)

// burns takes a lamp's word.
func (e *Engine) burns(index uint32, r *ingest.Reading, late bool) {
	if late || r.Channel != "" {
		return
	}
	if int(index) >= len(e.lamps) {
		e.lamps = append(e.lamps, make([]*lamp, max(64, int(index)+1-len(e.lamps)))...)
	}
	l := e.lamps[index]
	if l == nil {
		l = e.lampOf(r.Device)
		e.lamps[index] = l
	}
	if l.account == nil || r.Time <= l.Last {
		return
	}
	from := l.Last
	if l.Last == 0 || r.Time-l.Last > int64(longestWord) {
		from = r.Time // what it did meanwhile is not known
	}
	for {
		e.calendar.At(from)
		if e.calendar.Day != l.Day {
			if l.Day != 0 {
				e.lampDay(l)
				e.calendar.At(from)
			}
			l.Day, l.On, l.Told = e.calendar.Day, 0, 0
		}
		to := min(r.Time, e.calendar.End)
		l.Told += to - from
		if l.Lit {
			l.On += to - from
		}
		if from = to; from >= r.Time {
			break
		}
	}
	l.Last, l.Lit = r.Time, r.Value != 0
}

// lampOf is the lamp of a device, of the boundary it belongs to.
func (e *Engine) lampOf(d *ingest.Device) *lamp {
	for _, a := range e.accounts {
		of := a.boundary.community.ID == d.Community && (d.Boundary == a.id || slices.ContainsFunc(a.Meters, func(m MeterSpec) bool { return m.Device == d.ID }))
		if !of || !a.statesHours() {
			continue
		}
		if a.lamps == nil {
			a.lamps = map[ingest.DeviceID]*lamp{}
		}
		if a.lamps[d.ID] == nil {
			a.lamps[d.ID] = &lamp{}
		}
		a.lamps[d.ID].account = a
		return a.lamps[d.ID]
	}
	return &e.nobody
}

// statesHours reports whether lamps are stated to burn as long as the night.
func (b *boundary) statesHours() bool {
	return b.saves() && (!b.metered() || b.Baseline.Method == "lamp_inventory" && b.Baseline.Hours != "fixed")
}

// lampDay counts a lamp's day that is over.
func (e *Engine) lampDay(l *lamp) {
	start, end := e.calendar.Bounds(l.Day)
	if float64(l.Told) < toldShare*float64(end-start) {
		return
	}
	a := l.account
	stated := e.conditions(a, l.Day).DarkHours
	on := float64(l.On) / float64(time.Hour) * float64(end-start) / float64(l.Told)
	b := Burning{Lamps: 1, Stated: stated}
	if on >= stated/2 {
		b.On, b.Lit = on, 1
	}
	if a.burned == nil {
		a.burned = map[int]Burning{}
	}
	sum := a.burned[l.Day]
	sum.add(b)
	a.burned[l.Day] = sum
}

// tellBurning writes what is known of the days up to one, and warns once a quarter of what
// is stated otherwise.
func (e *Engine) tellBurning(day int) {
	for _, a := range e.accounts {
		var days []int
		for d := range a.burned {
			if d <= day {
				days = append(days, d)
			}
		}
		slices.Sort(days)
		for _, d := range days {
			b := a.burned[d]
			delete(a.burned, d)
			if q := books.QuarterOf(d); q != a.burnedQuarter.Quarter {
				a.burnedQuarter = burnedQuarter{Quarter: q}
			}
			a.burnedQuarter.Days++
			a.burnedQuarter.Sum.add(b)
			e.points = append(e.points, ingest.Point{
				Measurement: BurningPoints,
				Tags:        []ingest.Tag{{Key: "boundary", Value: a.id}, {Key: "community", Value: string(a.boundary.community.ID)}},
				Fields:      []ingest.Field{{Key: "lamps", Value: b.Lamps}, {Key: "on_hours", Value: b.On}, {Key: "stated_hours", Value: b.Stated}, {Key: "lit", Value: b.Lit}},
				Time:        e.calendar.Midnight(d).UnixNano(),
			})
		}
		q := &a.burnedQuarter
		if len(days) == 0 || q.Warned || q.Days < burningDays {
			continue
		}
		for _, warning := range a.otherwise(q.Sum) {
			q.Warned = true
			e.o.Logger.Warn("what is stated of lamps is not what they tell", "boundary", a.key, "stated", warning)
		}
	}
}

// burnedQuarter sums up what lamps told in a quarter.
type burnedQuarter struct {
	Quarter, Days int
	Sum           Burning
	Warned        bool
}

// leastAllowed is how far what lamps tell may be off what is stated, whatever uncertainty
// states: clocks and the last word of a lamp do that.
const leastAllowed = 0.02

// off is how far what lamps told of hours or burning is from what is stated, relative to
// it, and how far it may be.
type off struct {
	boundary, what string
	error, allowed float64
}

// offs of what lamps told of the quarter that runs, none before burningDays days.
func (a *account) offs() (list []off) {
	q := &a.burnedQuarter
	if q.Days < burningDays || !a.statesHours() {
		return nil
	}
	if ratio := q.Sum.HoursRatio(); !math.IsNaN(ratio) {
		list = append(list, off{a.id, "hours", ratio - 1, max(leastAllowed, a.Uncertainty.Hours)})
	}
	if stated, share := a.burningShare(), q.Sum.Share(); stated > 0 && !math.IsNaN(share) {
		list = append(list, off{a.id, "burning", share/stated - 1, max(leastAllowed, a.Uncertainty.Burning)})
	}
	return list
}

// otherwise says what lamps tell otherwise than it is stated, beyond what uncertainty
// states (at least 2 %).
func (b *boundary) otherwise(told Burning) []string {
	var warnings []string
	if ratio := told.HoursRatio(); math.Abs(ratio-1) > max(leastAllowed, b.Uncertainty.Hours) {
		warnings = append(warnings, fmt.Sprintf("lamps were on for %.2f hours a day and %.2f are stated (%+.1f %%, hours_rel states %.1f %%)", told.On/told.Lit, told.Stated/told.Lamps, 100*(ratio-1), 100*b.Uncertainty.Hours))
	}
	if stated := b.burningShare(); stated > 0 {
		if share := told.Share(); math.Abs(share/stated-1) > max(leastAllowed, b.Uncertainty.Burning) {
			warnings = append(warnings, fmt.Sprintf("%.1f %% of the lamps burned and %.1f %% are stated (burning_rel states %.1f %%)", 100*share, 100*stated, 100*b.Uncertainty.Burning))
		}
	}
	return warnings
}

// burningShare is what is stated of the lamps there are now; 0: nothing is, as where a
// meter says what they use.
func (b *boundary) burningShare() float64 {
	if b.metered() {
		return 0
	}
	lamps, lit := 0.0, 0.0
	for _, l := range stated(b.Reporting) {
		share := l.Burning
		if share == 0 {
			share = 1
		}
		lamps, lit = lamps+l.Count, lit+l.Count*share
	}
	if lamps == 0 {
		return 0
	}
	return lit / lamps
}

// Told is what lamps told in the days of a statement, beside what is stated.
type Told struct {
	Days        int      `json:"days"`
	Lamps       float64  `json:"lamps"` // a day, in the mean
	Hours       float64  `json:"hours"` // a lamp and day, of those that burned
	StatedHours float64  `json:"stated_hours"`
	Share       float64  `json:"burning"`
	StatedShare float64  `json:"stated_burning,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
}

// Burned tells a recomputation what lamps of a boundary told on a day, as the service
// wrote it. It is called before Statement.
func (r *Recomputation) Burned(community ingest.CommunityID, boundary string, at int64, b Burning) {
	for _, a := range r.engine.accounts {
		if a.boundary.community.ID == community && a.id == boundary {
			if a.burned == nil {
				a.burned = map[int]Burning{}
			}
			r.engine.calendar.At(at)
			a.burned[r.engine.calendar.Day] = b
		}
	}
}

// told of the days first..over (exclusive); nil: nothing was.
func (a *account) told(first, over int) *Told {
	var sum Burning
	days := 0
	for d, b := range a.burned {
		if d >= first && d < over && b.Lamps > 0 {
			sum.add(b)
			days++
		}
	}
	if days == 0 {
		return nil
	}
	t := &Told{Days: days, Lamps: sum.Lamps / float64(days), StatedHours: sum.Stated / sum.Lamps, Share: sum.Share(), StatedShare: a.burningShare()}
	if sum.Lit > 0 {
		t.Hours = sum.On / sum.Lit
	}
	if days >= burningDays {
		t.Warnings = a.otherwise(sum)
	}
	return t
}
