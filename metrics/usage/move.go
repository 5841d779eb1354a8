package usage

import (
	"maps"
	"slices"

	"greencommunity/ingest"
)

// Take takes over registers, and the days of places, from another book. Devices comes
// next: it finds the place of each register again.
func (b *Book) Take(from any, m *ingest.Move) {
	o := from.(*Book)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day == 0 {
		b.hour, b.flush, b.day, b.due = o.hour, o.flush, o.day, o.due
		if b.day != 0 {
			_, b.next = b.bounds(b.day)
		}
	}
	b.due = b.due || o.due
	places := map[uint16]uint16{}
	for i := range o.places {
		p := &o.places[i]
		if m.Community(p.Key.Community) {
			to := b.placeFor(p.Key, p.Front)
			places[uint16(i)] = to
			b.takeDays(to, p)
		}
	}
	numbers := map[uint32]uint32{}
	for at := uint32(1); at <= uint32(o.entries.Len()); at++ {
		device, ok := m.Index[o.entries.At(at).Device]
		if !ok {
			continue
		}
		for int(device) >= len(b.heads) {
			b.heads, b.devices = append(b.heads, 0), append(b.devices, nil)
		}
		i := b.entries.Add()
		e := b.entries.At(i)
		*e = *o.entries.At(at)
		numbers[at] = i
		name := o.channels[e.Channel]
		id, known := b.channel[name]
		if !known {
			id = uint16(min(len(b.channels), 65535))
			if int(id) == len(b.channels) {
				b.channels = append(b.channels, name)
				b.channel[name] = id
			}
		}
		old := o.places[e.Place]
		to, ok := places[e.Place]
		if !ok {
			to = b.placeFor(old.Key, old.Front)
		}
		e.Device, e.Channel, e.Place, e.Limits = device, id, to, 0
		e.Next, b.heads[device] = b.heads[device], i
		b.devices[device] = nil // Devices says who it is
		switch {
		case !e.Running:
		case e.Hours[0].Hour < b.hour:
			b.behind = append(b.behind, i)
		default:
			b.running = append(b.running, i)
		}
	}
	for _, p := range o.points {
		if to, ok := numbers[p.Entry]; ok {
			p.Entry = to
			b.points = append(b.points, p)
		}
	}
	for index, at := range o.seeded {
		if to, ok := m.Index[index]; ok {
			b.seeded[to] = at
		}
	}
	maps.Copy(b.seeds, o.seeds) // of meters that have not reported since; whoever hears them has it
	if m.Rest {
		b.lost += o.lost
		for i, n := range o.reads {
			b.reads[i] += n
		}
	}
}

// takeDays takes over the days of a place. Where ours has some of its own, as meters of one
// community report to two instances, they are added up.
func (b *Book) takeDays(to uint16, p *place) {
	ours := &b.places[to]
	if len(ours.Days) == 0 {
		ours.First, ours.Days = p.First, slices.Clone(p.Days)
		for j := range ours.Days {
			if ours.Days[j].queued != 0 {
				b.days = append(b.days, dayOf{to, p.First + int32(j)})
			}
		}
	} else {
		for j := range p.Days {
			theirs := &p.Days[j]
			if *theirs == (Day{}) {
				continue
			}
			if d := b.dayOf(to, p.First+int32(j)); d != nil {
				d.Used, d.Covered, d.Meters = d.Used+theirs.Used, d.Covered+theirs.Covered, d.Meters+theirs.Meters
			}
		}
	}
	if ours := &b.places[to]; p.Cut != 0 && (ours.Cut == 0 || p.Cut < ours.Cut) {
		ours.Cut = p.Cut
	}
}

var _ ingest.Mover = (*Book)(nil)
