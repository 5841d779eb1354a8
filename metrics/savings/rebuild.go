package savings

import (
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/usage"
)

// Rebuilding returns an engine that takes what a book that is rebuilt tells of some local
// days (counted from 1970-01-01) of a community, for Correct.
func (e *Engine) Rebuilding(book *usage.Book, first, end int) *Engine {
	again := New(Options{Book: book, Grace: e.o.Grace, FinalAfter: e.o.FinalAfter})
	again.Bind(e.inv)
	again.past = true
	again.counted = math.MaxInt64
	for _, a := range again.accounts {
		a.ledger.Floor, a.ledger.First = first, first
		a.ledger.Cells = make([]books.Cell, end-first)
	}
	return again
}

// Held is a time of a community ("": all) whose days are being corrected, some at a time.
// Zero until: with no end.
type Held struct {
	Community    ingest.CommunityID
	Since, Until time.Time
}

// Hold replaces what is held. Final quarters that it touches keep their figures and
// revisions until it is held no more: days that were corrected meanwhile, also before a
// restart, are then evaluated at once, as one revision. It is called by the walker's
// goroutine, or before that runs.
func (e *Engine) Hold(held []Held, now int64) {
	e.held = held
	if e.changed && e.closed != 0 {
		e.review = min(e.review, now)
	}
}

// holds reports whether a quarter of an account is held.
func (e *Engine) holds(a *account, quarter int) bool {
	for _, h := range e.held {
		if (h.Community == "" || h.Community == a.boundary.community.ID) &&
			h.Since.Truncate(time.Hour).Before(e.calendar.Midnight(books.QuarterStart(quarter+1))) &&
			(h.Until.IsZero() || e.calendar.Midnight(books.QuarterStart(quarter)).Before(h.Until)) {
			return true
		}
	}
	return false
}

// final reports whether a quarter has a final figure.
func (a *account) final(quarter int) bool {
	for i := range a.quarters {
		if a.quarters[i].Number == quarter {
			return a.quarters[i].Finals != nil
		}
	}
	return false
}

// Weathers are the stations of a community's boundaries.
func (e *Engine) Weathers(community ingest.CommunityID) (ids []ingest.DeviceID) {
	for _, a := range e.accounts {
		if a.boundary.community.ID == community && a.Weather != "" {
			ids = append(ids, ingest.DeviceID(a.Weather))
		}
	}
	return ids
}

// Correct puts days of a community's boundaries in place of its own, as an engine has them
// that was told of stored readings. Days that are closed and differ are evaluated again at
// now, unix nanoseconds; a final quarter has a new revision then. Days that were summed up and
// dropped stay. It returns how many differ, and is called by the walker's goroutine.
func (e *Engine) Correct(again *Engine, community ingest.CommunityID, first, end int, now int64) (changed int) {
	for _, a := range e.accounts {
		if a.boundary.community.ID != community || !a.metered() || e.abroad(a) {
			continue
		}
		other := again.byKey[a.key]
		if other == nil || other.boundary == nil {
			continue
		}
		for d := max(first, a.ledger.Floor); d < end; d++ {
			from := other.ledger.Peek(d)
			if from == nil || from.Use == 0 && from.Covered == 0 && a.ledger.Peek(d) == nil {
				continue
			}
			c := a.ledger.Cell(d)
			if c == nil || e.sameDay(a, c, from, d) {
				continue
			}
			changed++
			c.Use, c.Covered, c.Night, c.NightCovered = from.Use, from.Covered, from.Night, from.NightCovered
			c.Parts, c.Full, c.FullUse, c.Squares, c.Old = append([]books.Part(nil), from.Parts...), 0, 0, 0, false
			if c.Closed {
				c.Dirty, e.changed = books.Late, true
			}
		}
	}
	changed += e.takeWeather(again, community, first, end)
	if changed > 0 {
		e.review = min(e.review, now)
	}
	return changed
}

// abroad reports whether a boundary has a meter of another community, which is not read
// again with this one's.
func (e *Engine) abroad(a *account) bool {
	for _, m := range a.Meters {
		if d := e.inv.Device(m.Device); d != nil && d.Community != a.boundary.community.ID {
			return true
		}
	}
	return false
}

// sameDay reports whether two cells of a day come to the same.
func (e *Engine) sameDay(a *account, x, y *books.Cell, day int) bool {
	if x.Use != y.Use || x.Covered != y.Covered || x.NightCovered != y.NightCovered || math.Abs(x.Night-y.Night) > 1e-9 {
		return false
	}
	start, end := e.calendar.Bounds(day)
	use, share, spread := x.Mask(a.meters, end-start)
	otherUse, otherShare, otherSpread := y.Mask(a.meters, end-start)
	return math.Abs(use-otherUse) < 1e-9 && share == otherShare && math.Abs(spread-otherSpread) < 1e-12
}

// takeWeather takes the days of stations of a community's boundaries.
func (e *Engine) takeWeather(again *Engine, community ingest.CommunityID, first, end int) (changed int) {
	end = min(end, e.closed) // of today more comes
	for _, id := range e.Weathers(community) {
		w, other := e.stations[id], again.stations[id]
		if w == nil || other == nil {
			continue
		}
		days := map[int]bool{}
		for d := max(first, other.First); d < min(end, other.First+len(other.Days)); d++ {
			from := other.Days[d-other.First]
			if from == (books.WeatherDay{}) || d < w.First {
				continue
			}
			if to := w.Day(d); to != nil && *to != from {
				*to, days[d] = from, true
			}
		}
		changed += len(days)
		for _, a := range e.accounts {
			if a.weather != w {
				continue
			}
			for d := range days {
				if c := a.ledger.Peek(d); c != nil && c.Closed {
					c.Dirty, e.changed = books.Late, true
				}
			}
		}
	}
	return changed
}
