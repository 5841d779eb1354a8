package facility

import (
	"maps"

	"greencommunity/ingest"
)

// Take takes over what places and devices did from another observer. Where ours has a place
// too, as devices of one community report to two instances, what was counted is added up.
func (o *Observer) Take(from any, m *ingest.Move) {
	f := from.(*Observer)
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range f.places {
		if p := &f.places[i]; m.Community(p.Key.Community) {
			at := o.place(p.Key)
			ours := &o.places[at]
			if ours.Last == 0 {
				*ours = *p
				o.locate(ours)
			} else {
				ours.include(p)
			}
		}
	}
	for i := range f.devices.Len() {
		to, ok := m.Index[uint32(i)]
		if !ok {
			continue
		}
		theirs := f.devices.At(uint32(i + 1))
		o.devices.Extend(int(to) + 1)
		d := o.devices.At(to + 1)
		d.Last, d.Prev = theirs.Last, theirs.Prev
		if theirs.Last == 0 && theirs.Kind == other {
			continue
		}
		d.Place = o.place(f.places[theirs.Place].Key)
		o.become(d, theirs.Kind)
		switch d.Kind {
		case lighting:
			*o.lamps.At(d.Slot) = *f.lamps.At(theirs.Slot)
		case water:
			*o.meters.At(d.Slot) = *f.meters.At(theirs.Slot)
		case waste:
			*o.bins.At(d.Slot) = *f.bins.At(theirs.Slot)
		case gates:
			*o.gates.At(d.Slot) = *f.gates.At(theirs.Slot)
		}
	}
}

// include adds what another instance counted of the place.
func (p *place) include(q *place) {
	if q.Day > p.Day {
		p.Day, p.Passes = q.Day, 0
	}
	if q.Day == p.Day {
		p.Passes += q.Passes
	}
	p.Counted = p.Counted || q.Counted
	p.In, p.Out, p.Lit, p.Overfull, p.Due = p.In+q.In, p.Out+q.Out, p.Lit+q.Lit, p.Overfull+q.Overfull, p.Due+q.Due
	p.Opened, p.HeldOpen, p.Up, p.Scheduled = p.Opened+q.Opened, p.HeldOpen+q.HeldOpen, p.Up+q.Up, p.Scheduled+q.Scheduled
	p.Collections, p.Forced, p.Held, p.Right, p.Wrong = p.Collections+q.Collections, p.Forced+q.Forced, p.Held+q.Held, p.Right+q.Right, p.Wrong+q.Wrong
	if p.Streams == nil {
		p.Streams = map[string]*Stream{}
	}
	for name, s := range q.Streams {
		if p.Streams[name] == nil {
			p.Streams[name] = s
		}
	}
	if q.DepositDay > p.DepositDay {
		p.DepositDay, p.Households = q.DepositDay, q.Households
	} else if q.DepositDay == p.DepositDay && p.Households != nil {
		maps.Copy(p.Households, q.Households)
	}
	if q.JoinedDay > p.JoinedDay {
		p.Joined, p.JoinedDay = q.Joined, q.JoinedDay
	}
	p.Last = max(p.Last, q.Last)
}

var _ ingest.Mover = (*Observer)(nil)
