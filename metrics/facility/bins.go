package facility

import "greencommunity/ingest/format"

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
