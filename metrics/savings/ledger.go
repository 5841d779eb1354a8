package savings

import (
	"math"
	"sort"
	"time"

	"greencommunity/metrics/holidays"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/usage"
)

// calendar turns instants into local days. It remembers the day it was last
// asked about, which is nearly always the day of the next reading.
type calendar struct {
	zone       *time.Location
	day        int   // number of the local day, counted from 1970-01-01
	start, end int64 // of that day, unix nanoseconds
}

// at makes t's day the one remembered.
func (c *calendar) at(t int64) {
	if t >= c.start && t < c.end {
		return
	}
	y, m, d := time.Unix(0, t).In(c.zone).Date()
	c.day = int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	c.start, c.end = c.bounds(c.day)
}

// bounds of a day, unix nanoseconds. Not every local day has 24 hours.
func (c *calendar) bounds(day int) (start, end int64) {
	return c.midnight(day).UnixNano(), c.midnight(day + 1).UnixNano()
}

// midnight returns when a local day begins.
func (c *calendar) midnight(day int) time.Time {
	y, m, d := time.Unix(int64(day)*86400, 0).UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, c.zone)
}

// quarter of a day, as year*4 + 0..3, and the first day of a quarter.
func quarter(day int) int {
	y, m, _ := time.Unix(int64(day)*86400, 0).UTC().Date()
	return y*4 + (int(m)-1)/3
}

func quarterStart(q int) int {
	return int(time.Date(q/4, time.Month(1+3*(q%4)), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Cell holds what is known of one local day of a boundary.
type Cell struct {
	Use     float64 // booked, in the boundary's unit
	Covered float64 // nanoseconds booked, over all meters
	// Night holds what was used from 02:00 to 04:00, as far as reads at most an
	// hour apart tell, and over how many nanoseconds.
	Night, NightCovered float64

	// As of the day's last evaluation; Actual and Baseline are 0 where it does
	// not count.
	Actual, Baseline, Adjusted float64 // Baseline without Adjusted
	Counted, Closed            bool
	Dirty                      Reason // why it must be evaluated again, "" if not
	// Share of the meters that both sides are of, 0-1, and how far, in relative
	// terms, the baseline of these may be from that share of the whole.
	Share, Spread float64

	// Parts are the meters' own shares of the day. Those that cover all of it are
	// folded once late reads are not expected any more: Full meters, which used
	// FullUse, and Squares is the sum of the squares of what each used.
	Parts            []Part
	Full             int
	FullUse, Squares float64
	Old              bool // of a program that did not keep parts: all meters or none
}

// Part holds what one meter has of a day.
type Part struct {
	Meter   uint64 // MeterSpec.key
	Covered float64
	Use     float64
}

// part of a meter. hint is where it was when it was last asked for.
func (c *Cell) part(meter uint64, hint *int32) *Part {
	if i := int(*hint); i < len(c.Parts) && c.Parts[i].Meter == meter {
		return &c.Parts[i]
	}
	for i := range c.Parts {
		if c.Parts[i].Meter == meter {
			*hint = int32(i)
			return &c.Parts[i]
		}
	}
	*hint = int32(len(c.Parts))
	c.Parts = append(c.Parts, Part{Meter: meter})
	return &c.Parts[*hint]
}

// fold sums up the meters that cover all of the day.
func (c *Cell) fold(length int64) {
	var left []Part
	for _, p := range c.Parts {
		if p.Covered < float64(length) {
			left = append(left, p)
			continue
		}
		c.Full, c.FullUse, c.Squares = c.Full+1, c.FullUse+p.Use, c.Squares+p.Use*p.Use
	}
	c.Parts = left
}

// Ledger is the days of one boundary, in order of time and without holes.
type Ledger struct {
	First int // number of the day of Cells[0]
	Floor int // days before it are summed up and dropped
	Cells []Cell
}

// cell of a day, nil if it is not kept any more.
func (l *Ledger) cell(day int) *Cell {
	if len(l.Cells) == 0 {
		l.First = day
	}
	i := day - l.First
	if i > keptDays || i < 0 && (day < l.Floor || len(l.Cells)-i > keptDays) {
		return nil
	}
	if i < 0 { // another meter's earlier day
		l.Cells = append(make([]Cell, -i), l.Cells...)
		l.First, i = day, 0
	}
	for len(l.Cells) <= i {
		l.Cells = append(l.Cells, Cell{})
	}
	return &l.Cells[i]
}

// peek is cell without making one.
func (l *Ledger) peek(day int) *Cell {
	if i := day - l.First; i >= 0 && i < len(l.Cells) {
		return &l.Cells[i]
	}
	return nil
}

// drop forgets the days before day.
func (l *Ledger) drop(day int) {
	l.Floor = max(l.Floor, day)
	if i := min(day-l.First, len(l.Cells)); i > 0 {
		l.Cells = append([]Cell(nil), l.Cells[i:]...)
		l.First += i
	}
}

// keptDays bounds a ledger: the recomputation of two years and a half.
const keptDays = 920

// book enters a booking of a register on its days, as the book of use divides it:
// an hour is of the day in which it begins. It reports whether all of it was kept.
func (l *Ledger) book(c *calendar, b *usage.Booking, meter uint64, hint *int32) bool {
	if b.From >= b.To {
		return true
	}
	const hour = int64(time.Hour)
	kept := true
	for from := b.From; from < b.To; {
		c.at(from / hour * hour)
		to := min(b.To, (c.end+hour-1)/hour*hour)
		kept = l.add(c, b, b.Until(to)-b.Until(from), from, to, meter, hint) && kept
		from = to
	}
	return kept
}

const (
	nightFrom = int64(2 * time.Hour)
	nightTo   = int64(4 * time.Hour)
)

// add enters what a booking has of one day. Sums stay the nearest numbers to
// whole millionths, as those of the book of use are, so that figures agree.
func (l *Ledger) add(c *calendar, b *usage.Booking, amount usage.Amount, from, to int64, meter uint64, hint *int32) bool {
	cell := l.cell(c.day)
	if cell == nil {
		return false
	}
	cell.Use = exactly(cell.Use, amount)
	covers := float64(b.Covers)
	cell.Covered += covers * float64(to-from)
	if !cell.Old {
		part := cell.part(meter, hint)
		part.Use = exactly(part.Use, amount)
		part.Covered += covers * float64(to-from)
	}
	if night := min(to, c.start+nightTo) - max(from, c.start+nightFrom); night > 0 && b.To-b.From <= int64(time.Hour) {
		cell.Night += amount.Units() * float64(night) / float64(to-from)
		cell.NightCovered += covers * float64(night)
	}
	if cell.Closed && cell.Dirty == "" {
		cell.Dirty = Late
		if b.Reason == usage.TrueUp {
			cell.Dirty = TrueUp
		}
	}
	return true
}

// exactly adds to a sum of whole millionths.
func exactly(sum float64, a usage.Amount) float64 {
	return usage.Amount(math.Round(sum*1e6) + float64(a)).Units()
}

// Conditions hold what drove use on a day.
type Conditions struct {
	TempF      float64 // daily mean, °F; NaN: not known
	ET0, Rain  float64 // mm; NaN: not known
	DarkHours  float64
	HoursOfDay float64
}

// expected is the baseline's use on a day, and the regressors of a fitted one.
// False: the drivers are not known.
func (b *boundary) expected(day int, w Conditions) (use float64, row []float64, weight float64, ok bool) {
	l := b.Baseline
	month := int(time.Unix(int64(day)*86400, 0).UTC().Month()) - 1
	switch l.Method {
	case "lamp_inventory":
		hours := w.DarkHours
		if l.Hours == "fixed" {
			hours = l.FixedHours[month]
		}
		use, err := baseline.LampEnergy(l.Groups, hours, w.HoursOfDay)
		return use, nil, 0, err == nil
	case "irrigation":
		if math.IsNaN(w.ET0) || math.IsNaN(w.Rain) {
			return 0, nil, 0, false
		}
		return l.Irrigation.Use(w.ET0, w.Rain), nil, 0, true
	case "per_capita_monthly":
		persons := b.persons(day)
		use = l.Monthly[month] * persons
		weight = persons
		if l.Relative { // the fit's errors are shares of the month's use
			weight = use
		}
		weekend, festival := b.weekly(day), b.flags(day).Festival
		use *= 1 + l.Weekend*weekend + l.Festival*festival
		if b.fit != nil {
			row = make([]float64, b.fit.P)
			row[month] = weight
			if b.fit.P == 14 {
				row[12], row[13] = weight*weekend, weight*festival
			}
		}
		return use, row, weight, persons > 0
	}
	row = []float64{1}
	if l.CDD != nil || l.HDD != nil {
		if math.IsNaN(w.TempF) {
			return 0, nil, 0, false
		}
		if l.CDD != nil {
			row = append(row, max(0, w.TempF-*l.CDD))
		}
		if l.HDD != nil {
			row = append(row, max(0, *l.HDD-w.TempF))
		}
	}
	scale := 1.0
	if l.DarkHours {
		row = append(row, w.DarkHours)
		scale = w.DarkHours
	}
	for _, name := range l.Calendar {
		row = append(row, scale*b.flags(day).Named(name))
	}
	for j := range row {
		use += row[j] * l.Coef[j]
	}
	if l.Relative {
		return use, row, use, true
	}
	return use, row, 1, true
}

// flags of a day by the boundary's calendar.
func (b *boundary) flags(day int) holidays.Flags {
	return b.days.Of(time.Unix(int64(day)*86400, 0).UTC())
}

// weekly is 1 on a weekend or, where the baseline goes by the calendar, a day off.
func (b *boundary) weekly(day int) float64 {
	f := b.flags(day)
	if b.Baseline.RestDays {
		return f.Rest
	}
	return f.Weekend
}

// Drivers of the calendar, in Calendar of a baseline.
const (
	driverWeekend  = "weekend"
	driverRest     = "rest_days"
	driverFestival = "festival"
)

// reported says whether a day is of the reporting period.
func (b *boundary) reported(day int) bool {
	return b.saves() && day >= b.from
}

// covered is the share of a day that must be booked for a meter, and enough the
// share of a boundary's meters that must be, for a day to count (CalTRACK 2.2 asks
// for half of a day's values).
const (
	covered = 0.98
	enough  = 0.5
)

// mask returns what the meters used that cover a day, which share of all they are, and
// by how much, in relative terms, such a share of the whole's use may be off: the
// meters that are silent are in neither side, and nobody knows what they used.
// With k of n meters whose use scatters by s it is s·√((n−k)/(k·n)) of the whole,
// so that equal lamps cost no certainty and a silent master meter all of it.
// 0: too few do.
func (c *Cell) mask(meters int, length int64) (use, share, spread float64) {
	if meters == 0 {
		return 0, 0, 0
	}
	if c.Old {
		if c.Covered < covered*float64(meters)*float64(length) {
			return 0, 0, 0
		}
		return c.Use, 1, 0
	}
	k, squares := c.Full, c.Squares
	use = c.FullUse
	for _, p := range c.Parts {
		switch {
		case p.Covered >= covered*float64(length):
			k, use, squares = k+1, use+p.Use, squares+p.Use*p.Use
		case p.Covered == 0: // of a meter that was folded: its time is known, its use was corrected
			use += p.Use
		case p.Covered < -(1-covered)*float64(length): // what was folded is not known any more
			k--
		}
	}
	n := float64(meters)
	if k >= meters {
		return c.Use, 1, 0
	}
	if float64(k) < enough*n || k <= 0 {
		return 0, 0, 0
	}
	scatter := 1.0
	if mean := use / float64(k); k > 1 && mean > 0 {
		scatter = math.Sqrt(max(0, squares/float64(k)-mean*mean)*float64(k)/float64(k-1)) / mean
	}
	return use, float64(k) / n, scatter * math.Sqrt((n-float64(k))/(float64(k)*n))
}

// evaluate compares both sides of a day. Either both count or neither does.
func (b *boundary) evaluate(c *Cell, day, meters int, length int64, w Conditions) {
	c.Closed, c.Dirty, c.Counted = true, "", false
	c.Actual, c.Baseline, c.Adjusted, c.Share, c.Spread = 0, 0, 0, 0, 0
	if !b.reported(day) {
		return
	}
	actual, share, spread := 0.0, 1.0, 0.0
	if b.metered() {
		if actual, share, spread = c.mask(meters, length); share == 0 {
			return
		}
	} else {
		var err error
		if actual, err = baseline.LampEnergy(b.lamps(day), w.DarkHours, w.HoursOfDay); err != nil {
			return
		}
	}
	use, _, _, ok := b.expected(day, w)
	if !ok {
		return
	}
	c.Counted = true
	c.Share, c.Spread = share, use*spread
	c.Actual, c.Baseline, c.Adjusted = actual, use*share, b.adjustment(day, w)*share
}

// Sums hold what a saving over some days is computed from. They add up.
type Sums struct {
	Due, Days                  int     // days of the reporting period, and those that count
	Share                      float64 // of the meters' time: Days where no meter was silent
	Spread                     float64 // standard error for the meters that were
	Actual, Baseline, Adjusted float64
	Noise                      float64   // of a fitted baseline: Σ weight²
	Row                        []float64 // of a fitted baseline: Σ regressors
}

func (s *Sums) add(o Sums) {
	s.Due += o.Due
	s.Days += o.Days
	s.Share += o.Share
	s.Spread += o.Spread
	s.Actual += o.Actual
	s.Baseline += o.Baseline
	s.Adjusted += o.Adjusted
	s.Noise += o.Noise
	if s.Row == nil && o.Row != nil {
		s.Row = make([]float64, len(o.Row))
	}
	for j := range o.Row {
		s.Row[j] += o.Row[j]
	}
}

// sum of the days from..to (exclusive) that are closed. Conditions are asked
// for only where a fitted baseline needs its regressors.
func (b *boundary) sum(l *Ledger, from, to int, conditions func(day int) Conditions) Sums {
	var s Sums
	from = max(from, b.from)
	if !b.saves() || from >= to {
		return s
	}
	for day := from; day < to; day++ {
		s.Due++
		c := l.peek(day)
		if c == nil || !c.Counted {
			continue
		}
		s.Days++
		s.Share += c.Share
		s.Spread += c.Spread
		s.Actual += c.Actual
		s.Baseline += c.Baseline
		s.Adjusted += c.Adjusted
		if b.fit == nil {
			continue
		}
		_, row, weight, ok := b.expected(day, conditions(day))
		if !ok {
			continue
		}
		scatter := weight * c.Share
		if b.Baseline.Relative && c.Adjusted > 0 && c.Baseline > 0 { // in proportion to all that is there
			scatter *= (c.Baseline + c.Adjusted) / c.Baseline
		}
		s.Noise += scatter * scatter
		if s.Row == nil {
			s.Row = make([]float64, len(row))
		}
		for j := range row {
			s.Row[j] += row[j] * c.Share
		}
	}
	return s
}

// band is the half width at the boundary's confidence: that of the fit, or of
// what is stated, of the meter, and of the meters that were silent.
func (b *boundary) band(s Sums) float64 {
	if b.Baseline == nil || s.Days == 0 {
		return 0
	}
	return math.Hypot(b.known(s), s.Spread*math.Sqrt2*math.Erfinv(b.Uncertainty.Confidence))
}

// known is the band but for silent meters.
func (b *boundary) known(s Sums) float64 {
	class := 0.0
	if b.metered() {
		class = b.Uncertainty.MeterClass / 100
	}
	whole := s.Baseline + s.Adjusted // lamps that were added are known no better
	if b.fit == nil {
		if !b.metered() { // both sides are stated, and by the same nameplates
			u := &b.Uncertainty
			return math.Hypot(math.Hypot(whole*u.Watts, s.Actual*u.Watts), whole*math.Hypot(u.Year, math.Hypot(u.Burning, u.Hours)))
		}
		return baseline.Stipulated(whole, b.Uncertainty.stated(), s.Actual, class)
	}
	_, se := b.fit.Band(s.Row, s.Noise, b.Baseline.Effective)
	return math.Hypot(b.t*se, baseline.Stipulated(whole, b.Uncertainty.stated(), s.Actual, class))
}

// Result is a saving over a stretch of time with its uncertainty.
type Result struct {
	Actual, Baseline float64 // Baseline with non-routine adjustments
	Adjustment       float64 // the non-routine part of Baseline
	Saving           float64 // Baseline − Actual; GB() has the other sign
	Uncertainty      float64 // half width of the band
	Coverage         float64 // meter time that counts over that of the days due; NaN: none due
	Significant      bool    // |Saving| > Uncertainty
	Revision         int     // of a final figure; 0: provisional
}

// GB is the saving with the sign of GB/T 13234 and GB/T 28750: negative is saved.
func (r Result) GB() float64 { return -r.Saving }

// Status is final once a quarter is, and provisional until then.
func (r Result) Status() string {
	if r.Revision > 0 {
		return "final"
	}
	return "provisional"
}

// Verdict says it in words.
func (r Result) Verdict() string {
	switch {
	case !(r.Coverage > 0):
		return baseline.NoCoveredTime
	case !r.Significant:
		return baseline.Indistinct
	case r.Saving > 0:
		return baseline.Saved
	}
	return baseline.Increased
}

func (b *boundary) result(s Sums) Result {
	r := Result{Actual: s.Actual, Baseline: s.Baseline + s.Adjusted, Adjustment: s.Adjusted, Uncertainty: b.band(s), Coverage: math.NaN()}
	r.Saving = r.Baseline - r.Actual
	if s.Due > 0 {
		r.Coverage = s.Share / float64(s.Due)
	}
	r.Significant = s.Days > 0 && math.Abs(r.Saving) > r.Uncertainty
	return r
}

// Weather is what a weather device reported, by day.
type weather struct {
	First int
	Days  []weatherDay
}

type weatherDay struct {
	Sum, Count float64 // of temperatures, °C
	Hours      uint32  // which hours of the day have one
	ET0, Rain  float64
	Driven     bool // ET0 is known
}

func (w *weather) day(day int) *weatherDay {
	if len(w.Days) == 0 {
		w.First = day
	}
	i := day - w.First
	if i < 0 || i > keptDays {
		return nil
	}
	for len(w.Days) <= i {
		w.Days = append(w.Days, weatherDay{})
	}
	return &w.Days[i]
}

// enoughHours of a day must have a temperature for its mean to count.
const enoughHours = 12

func (w *weather) conditions(day int, c *Conditions) {
	c.TempF, c.ET0, c.Rain = math.NaN(), math.NaN(), math.NaN()
	if w == nil || day < w.First || day >= w.First+len(w.Days) {
		return
	}
	d := &w.Days[day-w.First]
	hours := 0
	for h := d.Hours; h != 0; h &= h - 1 {
		hours++
	}
	if hours >= enoughHours {
		c.TempF = d.Sum/d.Count*9/5 + 32
	}
	if d.Driven {
		c.ET0, c.Rain = d.ET0, d.Rain
	}
}

// Quarter is a calendar quarter of a boundary: its sums as they are, and what
// was final, by revision.
type Quarter struct {
	Number int // year*4 + 0..3
	Sums   Sums
	Finals []Sums  // revision 1 first
	At     []int64 // when each was found, unix nanoseconds
}

// quarters in order of time.
type quarters []Quarter

func (q *quarters) at(number int) *Quarter {
	i := sort.Search(len(*q), func(i int) bool { return (*q)[i].Number >= number })
	if i < len(*q) && (*q)[i].Number == number {
		return &(*q)[i]
	}
	*q = append(*q, Quarter{})
	copy((*q)[i+1:], (*q)[i:])
	(*q)[i] = Quarter{Number: number}
	return &(*q)[i]
}
