package facility

import (
	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// Stream holds what was dropped into the bins of a waste stream, ever.
type Stream struct{ Deposits, Kilograms float64 }

// bin holds what is known of a bin.
type bin struct {
	Since       int64   // when Fill was last told, unix nanoseconds
	Fill        float64 // ratio
	Deposits    float64 // last deposits_total
	Emptied     int64   // when it was last emptied, unix nanoseconds; 0: not known
	HasFill     bool
	HasDeposits bool
	HasSingle   bool // counts single deposits, so that its register and its events are not counted as well
}

func (b *bin) reading(p *place, r *ingest.Reading) {
	switch r.Quantity.Name {
	case "fill_level":
		if b.HasFill {
			p.hold(b.Since, r.Time, b.Fill)
			if b.Fill >= full {
				p.Overfull += told(b.Since, r.Time)
			}
			if b.Fill-r.Value >= emptyBy && r.Value < b.Fill/2 {
				b.emptied(p, r.Time)
			}
		}
		b.Fill, b.HasFill, b.Since = r.Value, true, r.Time
	case "deposits":
		if r.Value > 0 {
			p.stream(r.Device.Stream).Deposits += r.Value
		}
		b.HasSingle = true
	case "deposits_total":
		if add := r.Device.Counted(b.Deposits, r.Value); b.HasDeposits && !b.HasSingle && add > 0 && add <= most {
			p.stream(r.Device.Stream).Deposits += add
		}
		b.Deposits, b.HasDeposits = r.Value, true
	case "inspections_correct":
		p.Right += max(0, r.Value)
	case "inspections_wrong":
		p.Wrong += max(0, r.Value)
	case "waste_weight_net":
		if r.Value > 0 {
			p.stream(r.Device.Stream).Kilograms += r.Value
		}
	}
}

func (b *bin) event(p *place, e *ingest.Event, day int64) {
	switch e.Type {
	case "collected":
		b.emptied(p, e.Time)
	case "deposit":
		p.joined(day, e.Code)
		if !b.HasSingle && !b.HasDeposits {
			p.stream(e.Device.Stream).Deposits++
		}
	}
}

func (b *bin) now(n *Now) {
	if !b.HasFill {
		return
	}
	n.Fill += b.Fill
	n.Filled++
	if b.Fill >= full {
		n.Full++
	}
}

// emptied counts a collection, once: the event and the fall of the fill level
// may both tell of it.
func (b *bin) emptied(p *place, at int64) {
	if b.Emptied == 0 || at-b.Emptied >= int64(sameCollection) {
		p.Collections++
		b.Emptied = at
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

// Sorting counts what was registered of a community's waste, ever.
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
