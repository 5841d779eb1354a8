package facility

import (
	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// Stream holds what was dropped into the bins of a waste stream, ever.
type Stream struct{ Deposits, Kilograms float64 }

// emptied counts a collection, once: the event and the fall of the fill level
// may both tell of it.
func (d *device) emptied(p *place, at int64) {
	if d.Since == 0 || at-d.Since >= int64(sameCollection) {
		p.Collections++
		d.Since = at
	}
}

func (p *place) stream(name string) *Stream {
	if p.Streams == nil {
		p.Streams = map[string]*Stream{}
	}
	s := p.Streams[name]
	if s == nil {
		s = &Stream{}
		p.Streams[name] = s
	}
	return s
}

// mostHouseholds bounds those of one community: more are numbers that somebody makes up.
const mostHouseholds = 50_000

// joined enters a household by its number of the day.
func (p *place) joined(day int64, number string) {
	if !format.Household(number) || day < p.DepositDay {
		return
	}
	if day > p.DepositDay {
		if len(p.Households) > 0 {
			p.Joined, p.JoinedDay = len(p.Households), p.DepositDay
		}
		p.DepositDay, p.Households = day, map[string]struct{}{}
	}
	if len(p.Households) < mostHouseholds {
		p.Households[number] = struct{}{}
	}
}

// households returns how many have dropped something on a day and on the one before;
// -1 where that is not known.
func (p *place) households(day int64) (today, before int) {
	before = -1
	switch {
	case p.DepositDay == 0:
		return -1, -1
	case p.DepositDay == day:
		if p.JoinedDay == day-1 {
			before = p.Joined
		}
		return len(p.Households), before
	case p.DepositDay == day-1:
		return 0, len(p.Households)
	}
	return 0, -1
}

// Sorting is what was registered of a community's waste, ever.
type Sorting struct {
	Community     ingest.CommunityID
	Streams       map[string]Stream
	Right, Wrong  float64 // deposits that were inspected
	Today, Before int     // households that have dropped something today, and on the day before; -1: not known
}

// Sorting returns what was registered of the waste of each community at a time (unix
// nanoseconds), of those where anything was.
func (o *Observer) Sorting(at int64) (list []Sorting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.places {
		p := &o.places[i]
		if p.Key.Facility != ingest.Waste || !o.here(p) || len(p.Streams) == 0 {
			continue
		}
		s := Sorting{Community: p.Key.Community, Streams: map[string]Stream{}, Right: p.Right, Wrong: p.Wrong}
		for name, stream := range p.Streams {
			s.Streams[name] = *stream
		}
		s.Today, s.Before = p.households(o.day(at))
		list = append(list, s)
	}
	return list
}
