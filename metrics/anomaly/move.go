package anomaly

import (
	"fmt"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
)

// Take takes over the detectors' knowledge of devices and their open alarms from another
// engine, which is bound to an inventory with the same devices.
func (e *Engine) Take(from any, m *ingest.Move) {
	o := from.(*Engine)
	o.flush()
	e.flush()
	if e.lastAny == 0 {
		e.lost = o.lost
	}
	t := &taking{e: e, from: o, m: m, groups: map[int32]int32{}, gates: map[uint32]uint32{}, shift: o.lost - e.lost}
	e.lastAny, e.now = max(e.lastAny, o.lastAny), max(e.now, o.now)
	for i, info := range o.info {
		if to, ok := m.Index[uint32(i)]; ok && info != nil {
			t.device(uint32(i), to, info)
		}
	}
	for at, p := range o.places {
		if own, ok := e.placeOf[p.Community]; ok && m.Community(p.Community) && o.ambient[at].N > e.ambient[own].N {
			e.ambient[own] = o.ambient[at]
		}
	}
	for id, f := range o.fires {
		if to, ok := t.group(id); ok {
			e.fires[to] = f
		}
	}
	for k, times := range o.burnt {
		if to, ok := t.key(k); ok {
			e.burnt[to] = times
		}
	}
	for _, h := range []struct {
		from, to *timers
		shift    int64
	}{{&o.silences, &e.silences, t.shift}, {&o.timers, &e.timers, 0}} {
		for _, one := range *h.from {
			if t.timer(&one) {
				one.Due += h.shift
				h.to.push(one)
			}
		}
	}
	for k, w := range o.waves {
		if to, ok := t.group(k.Group); ok {
			k.Group = to
			e.waves[k] = w
		}
	}
	t.alarms()
	t.balances()
	e.sizes = sizes{} // counted anew
	e.regroup()
}

// taking is one Take.
type taking struct {
	e, from *Engine
	m       *ingest.Move
	groups  map[int32]int32   // ours, by theirs
	gates   map[uint32]uint32 // likewise
	shift   int64             // of time heard
}

// device takes over a device with what lies in lists of its own.
func (t *taking) device(at, to uint32, info *ingest.Device) {
	e, o := t.e, t.from
	if int(to) < len(e.info) && e.info[to] != nil {
		e.Forget([]uint32{to}, e.now)
	}
	for uint32(len(e.info)) <= to {
		e.info = append(e.info, nil)
		e.devices.Add()
		d := e.devices.At(uint32(len(e.info)))
		d.Feeder, d.Gateway, d.Town, d.Index = -1, -1, -1, uint32(len(e.info)-1)
	}
	theirs, d := o.devices.At(at+1), e.devices.At(to+1)
	*d = *theirs
	d.Index, d.Feeder, d.Gateway, d.Town = to, -1, -1, -1
	if d.LastSeen != 0 {
		d.LastSeen = max(1, d.LastSeen+t.shift)
	}
	e.info[to] = info
	e.settle(to)
	channel := func(c *uint16) { *c = e.channel(o.channels[*c]) }
	d.Meter = taken(&o.water.meters, &e.water.meters, theirs.Meter, func(m *meter) *uint32 { channel(&m.Channel); return &m.Next }, nil)
	d.Lamp = taken(&o.lamps.lamps, &e.lamps.lamps, theirs.Lamp, func(l *lamp) *uint32 { channel(&l.Channel); l.Device = to; return &l.Next }, nil)
	d.Bin = taken(&o.bins.bins, &e.bins.bins, theirs.Bin, func(b *bin) *uint32 { channel(&b.Channel); b.Device = to; return &b.Next }, nil)
	d.Gate = taken(&o.gates.gates, &e.gates.gates, theirs.Gate, func(g *gate) *uint32 { channel(&g.Channel); g.Device = to; return &g.Next }, t.gates)
	d.Series = taken(&o.series.series, &e.series.series, theirs.Series, func(s *series) *uint32 { channel(&s.Channel); channel(&s.Quantity); return &s.Next }, nil)
	d.Limit = taken(&o.limits.quantities, &e.limits.quantities, theirs.Limit, func(q *limited) *uint32 { channel(&q.Channel); channel(&q.Quantity); return &q.Next }, nil)
}

// taken copies a list to another arena, in its order, and returns its first. Change makes
// a copy ours and says where it has the next one; numbers, if not nil, are told which
// became which.
func taken[T any](from, to *arena.Arena[T], first uint32, change func(*T) *uint32, numbers map[uint32]uint32) uint32 {
	head, last := uint32(0), &first
	for at := first; at != 0; {
		i := to.Add()
		one := to.At(i)
		*one = *from.At(at)
		if numbers != nil {
			numbers[at] = i
		}
		next := change(one)
		at, *next = *next, 0
		if head == 0 {
			head = i
		} else {
			*last = i
		}
		last = next
	}
	return head
}

// group returns our number of one of their groups, and false where it is not taken.
func (t *taking) group(id int32) (int32, bool) {
	if id < 0 || int(id) >= len(t.from.groups) {
		return -1, false
	}
	if to, ok := t.groups[id]; ok {
		return to, true
	}
	g := t.from.groups[id]
	community := g.Key.Community
	if f := t.from.fires[id]; g.Key.What == groupRefused && f != nil {
		community = f.Community
	}
	if community != "" && !t.m.Community(community) || community == "" && !t.m.Rest {
		return -1, false
	}
	k := g.Key
	to, there := t.e.groupOf[k]
	if k.What == groupRefused { // numbers of a vendor's fires are each engine's own
		for n := 0; there && t.e.fires[to] != nil; n++ {
			k.Name = fmt.Sprintf("%s#%d", t.from.fires[id].Vendor, n)
			to, there = t.e.groupOf[k]
		}
	}
	if !there {
		to = int32(len(t.e.groups))
		t.e.groups = append(t.e.groups, group{Key: k, Facility: g.Facility})
		t.e.groupOf[k] = to
	}
	t.groups[id] = to
	return to, true
}

func (t *taking) key(k alarmKey) (alarmKey, bool) {
	if k.Device >= groupBase {
		to, ok := t.group(int32(k.Device - groupBase))
		k.Device, k.Channel = groupBase+uint32(to), t.e.channel(t.from.channels[k.Channel])
		return k, ok
	}
	to, ok := t.m.Index[k.Device]
	k.Device, k.Channel = to, t.e.channel(t.from.channels[k.Channel])
	return k, ok
}

// timer makes a timer ours; false where what it is of is not taken.
func (t *taking) timer(one *timer) (ok bool) {
	switch one.What {
	case timeOffline, timeGone:
		one.Of, ok = t.m.Index[one.Of]
	case timeHeldOpen:
		one.Of, ok = t.gates[one.Of]
	default:
		one.K, ok = t.key(one.K)
	}
	return ok
}

func (t *taking) alarms() {
	e, o := t.e, t.from
	keys := map[alarmKey]alarmKey{}
	for k := range o.alarms {
		if to, ok := t.key(k); ok {
			keys[k] = to
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version.Add(1)
	for k, to := range keys {
		a := *o.alarms[k]
		a.key = to
		e.alarms[to] = &a
	}
	for k, n := range o.totals {
		if k.Community != "" && t.m.Community(k.Community) || k.Community == "" && t.m.Rest {
			e.totals[k] += n
		}
	}
}

func (t *taking) balances() {
	e, o := t.e, t.from
	e.mu.Lock()
	for k, b := range o.balances.of {
		to, ok := t.m.Index[b.Index]
		if b.Device == nil {
			parent := e.inv.Device(k.Parent)
			to, ok = 0, parent != nil && t.m.Community(parent.Community)
		}
		if ok {
			b.Index = to
			e.balances.of[k] = b
		}
	}
	e.mu.Unlock()
	e.balances.bind()
}

var _ ingest.Mover = (*Engine)(nil)
