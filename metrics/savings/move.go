package savings

import (
	"strings"

	"greencommunity/ingest"
)

// Take takes over the books of boundaries, and what weather stations said, from another
// engine: the quarter that runs goes on with the same sums.
func (e *Engine) Take(from any, m *ingest.Move) {
	o := from.(*Engine)
	if o.closed != 0 && (e.closed == 0 || o.closed < e.closed) {
		e.closed = o.closed // a day that is closed already stays as it is
	}
	if e.review == 0 || o.review != 0 && o.review < e.review {
		e.review = o.review
	}
	e.changed = true // which a review finds out
	if e.closed != 0 {
		e.due = e.nextClose()
	}
	for key, theirs := range o.byKey {
		community, _, _ := strings.Cut(key, "/")
		if !m.Community(ingest.CommunityID(community)) {
			continue
		}
		a := e.byKey[key]
		if a != nil && theirs.lastRead == 0 && len(theirs.ledger.Cells) == 0 && len(theirs.lamps) == 0 {
			continue // they know it from their inventory alone
		}
		if a == nil {
			a = &account{}
			e.byKey[key] = a
		}
		a.ledger, a.quarters, a.actual, a.baseline = theirs.ledger, theirs.quarters, theirs.actual, theirs.baseline
		a.up, a.down, a.anomalies = theirs.up, theirs.down, theirs.anomalies
		a.lastRead, a.skew = theirs.lastRead, theirs.skew
		a.savedHash, a.savedVersion, a.savedNRA, a.savedTerms, a.savedDated = theirs.savedHash, theirs.savedVersion, theirs.savedNRA, theirs.savedTerms, theirs.savedDated
		a.lamps, a.burned, a.burnedQuarter = theirs.lamps, theirs.burned, theirs.burnedQuarter
		if a.boundary != nil {
			e.adopt(a)
		}
	}
	for id, theirs := range o.stations {
		w := e.stations[id]
		switch {
		case w != nil && len(theirs.Days) > len(w.Days):
			*w = *theirs
		case w != nil:
		case m.Rest:
			e.stations[id] = theirs
		}
	}
	clear(e.slots)
	clear(e.lamps)
	e.seen = e.seen[:0]
	e.publish()
}

var _ ingest.Mover = (*Engine)(nil)
