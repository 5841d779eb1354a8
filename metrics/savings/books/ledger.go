package books

import (
	"math"
	"time"

	"greencommunity/metrics/usage"
)

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
	Meter   uint64 // the number of a meter, as the caller counts them
	Covered float64
	Use     float64
}

// part returns the part of a meter. hint is where it was when it was last asked for.
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

// Fold sums up the meters that cover all of the day.
func (c *Cell) Fold(length int64) {
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

// Cell returns the cell of a day, a new one if there is none; nil if it is not kept any more.
func (l *Ledger) Cell(day int) *Cell {
	if len(l.Cells) == 0 {
		l.First = day
	}
	i := day - l.First
	if i > KeptDays || i < 0 && (day < l.Floor || len(l.Cells)-i > KeptDays) {
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

// Peek returns the cell of a day, nil if there is none.
func (l *Ledger) Peek(day int) *Cell {
	if i := day - l.First; i >= 0 && i < len(l.Cells) {
		return &l.Cells[i]
	}
	return nil
}

// Drop forgets the days before day.
func (l *Ledger) Drop(day int) {
	l.Floor = max(l.Floor, day)
	if i := min(day-l.First, len(l.Cells)); i > 0 {
		l.Cells = append([]Cell(nil), l.Cells[i:]...)
		l.First += i
	}
}

// KeptDays bounds a ledger: the recomputation of two years and a half.
const KeptDays = 920

// Book enters a booking of a register on its days, as the book of use divides it:
// an hour is of the day in which it begins. It reports whether all of it was kept.
func (l *Ledger) Book(c *Calendar, b *usage.Booking, meter uint64, hint *int32) bool {
	if b.From >= b.To {
		return true
	}
	const hour = int64(time.Hour)
	kept := true
	for from := b.From; from < b.To; {
		c.At(from / hour * hour)
		to := min(b.To, (c.End+hour-1)/hour*hour)
		kept = l.add(c, b, b.Until(to)-b.Until(from), from, to, meter, hint) && kept
		from = to
	}
	return kept
}

// The night of a Cell, from 02:00 to 04:00, in nanoseconds since midnight, and how long
// it is.
const (
	nightFrom = int64(2 * time.Hour)
	nightTo   = int64(4 * time.Hour)
	Night     = nightTo - nightFrom
)

// add enters what a booking has of one day. Sums stay the nearest numbers to
// whole millionths, as those of the book of use are, so that figures agree.
func (l *Ledger) add(c *Calendar, b *usage.Booking, amount usage.Amount, from, to int64, meter uint64, hint *int32) bool {
	cell := l.Cell(c.Day)
	if cell == nil {
		return false
	}
	cell.Use = Exactly(cell.Use, amount)
	covers := float64(b.Covers)
	cell.Covered += covers * float64(to-from)
	if !cell.Old {
		part := cell.part(meter, hint)
		part.Use = Exactly(part.Use, amount)
		part.Covered += covers * float64(to-from)
	}
	if night := min(to, c.Start+nightTo) - max(from, c.Start+nightFrom); night > 0 && b.To-b.From <= int64(time.Hour) {
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

// Exactly adds to a sum of whole millionths.
func Exactly(sum float64, a usage.Amount) float64 {
	return usage.Amount(math.Round(sum*1e6) + float64(a)).Units()
}

// Covered is the share of a day that must be booked for a meter, and enough the
// share of a boundary's meters that must be, for a day to count (CalTRACK 2.2 asks
// for half of a day's values).
const (
	Covered = 0.98
	enough  = 0.5
)

// Mask returns what the meters used that cover a day, which share of all they are, and
// by how much, in relative terms, such a share of the whole's use may be off: the
// meters that are silent are in neither side, and nobody knows what they used.
// With k of n meters whose use scatters by s it is s·√((n−k)/(k·n)) of the whole,
// so that equal lamps cost no certainty and a silent master meter all of it.
// 0: too few do.
func (c *Cell) Mask(meters int, length int64) (use, share, spread float64) {
	if meters == 0 {
		return 0, 0, 0
	}
	if c.Old {
		if c.Covered < Covered*float64(meters)*float64(length) {
			return 0, 0, 0
		}
		return c.Use, 1, 0
	}
	k, squares := c.Full, c.Squares
	use = c.FullUse
	for _, p := range c.Parts {
		switch {
		case p.Covered >= Covered*float64(length):
			k, use, squares = k+1, use+p.Use, squares+p.Use*p.Use
		case p.Covered == 0: // of a meter that was folded: its time is known, its use was corrected
			use += p.Use
		case p.Covered < -(1-Covered)*float64(length): // what was folded is not known any more
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
