package savings

import (
	"math"
	"slices"

	"greencommunity/ingest"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/usage"
)

var _ ingest.Rewinder = (*Engine)(nil)

// Rewind opens the days again that were closed before they had come, and today:
// the clock was ahead, and has been set back to now, unix nanoseconds. What was used
// on such days is today's, as in the book of use. Quarters that have not come are
// dropped, and one that was final too early is provisional again. A clock that was
// ahead by more than half a year has had the days of before summed up and dropped:
// the quarter that runs counts from the days that are left.
func (e *Engine) Rewind(now int64) {
	if e.own != nil {
		e.own.Rewind(now)
	}
	if e.closed == 0 {
		return
	}
	e.calendar.At(now)
	today := e.calendar.Day
	for _, w := range e.stations {
		if n := max(0, today+1-w.First); n < len(w.Days) {
			w.Days = w.Days[:n]
		}
	}
	for _, a := range e.byKey {
		a.lastRead = min(a.lastRead, now)
		e.rewind(a, today)
	}
	e.closed = min(e.closed, today)
	e.counted = min(e.counted, now)
	e.due, e.review = e.nextClose(), nextReview(now)
	e.publish()
}

// rewind takes back what days from today on have added to an account.
func (e *Engine) rewind(a *account, today int) {
	l := &a.ledger
	first := books.QuarterStart(books.QuarterOf(today))
	l.Floor = min(l.Floor, first)
	ahead := usage.Amount(0)
	for d := max(today, l.First); d < l.First+len(l.Cells); d++ {
		c := l.Peek(d)
		a.takeBack(c)
		if d > today {
			ahead += usage.Amount(math.Round(c.Use * 1e6))
		}
	}
	if n := max(0, today+1-l.First); n < len(l.Cells) {
		l.Cells = l.Cells[:n]
		if c := l.Cell(today); c != nil {
			c.Use = books.Exactly(c.Use, ahead)
		}
	}
	a.quarters = slices.DeleteFunc(a.quarters, func(q books.Quarter) bool { return q.Number > books.QuarterOf(today) })
	for i := range a.quarters {
		q := &a.quarters[i]
		if e.calendar.Midnight(today).Before(e.calendar.Midnight(books.QuarterStart(q.Number + 1)).Add(e.o.FinalAfter)) {
			q.Finals, q.At = nil, nil
		}
	}
	if a.boundary != nil {
		e.sum(a, books.QuarterOf(today), today)
	}
}

// takeBack makes a day one that was not closed.
func (a *account) takeBack(c *books.Cell) {
	if a.boundary != nil && a.counts() {
		for side, amount := range [2]float64{c.Actual, c.Baseline + c.Adjusted} {
			if amount == 0 {
				continue
			}
			if a.down[side] == nil {
				a.down[side] = map[books.Reason]float64{}
			}
			a.down[side][books.TrueUp] += amount
		}
	}
	c.Actual, c.Baseline, c.Adjusted, c.Counted, c.Closed, c.Dirty = 0, 0, 0, false, false, ""
}
