package facility

import (
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/sun"
)

// lamp holds what is known of a lamp.
type lamp struct {
	Told     int64   // when it last told whether it burns, unix nanoseconds; 0: never
	Since    int64   // when Power was last told
	Power    float64 // W
	Lit      bool    // it says that it burns
	HasPower bool
	HasLit   bool
	Asked    uint8  // for which inventory Chain is; not that of before a restart
	Chain    uint32 // 1 + the index in Observer.chains of who stands in front of it; 0: nobody
}

// reading of a lamp. passed: its power is part of what one in front of it reports.
func (l *lamp) reading(p *place, r *ingest.Reading, passed bool) {
	switch r.Quantity.Name {
	case "active_power":
		if l.HasPower && !passed {
			p.hold(l.Since, r.Time, l.Power)
		}
		l.burn(p, r.Time)
		l.Power, l.HasPower, l.Since = r.Value, true, r.Time
	case "light_on":
		l.burn(p, r.Time)
		l.Lit, l.HasLit = r.Value != 0, true
	}
}

func (l *lamp) now(n *Now, passed bool) {
	if l.HasPower && !passed {
		n.Power += l.Power
		n.Powered++
	}
	if l.lit() {
		n.Lit++
	}
}

// passed reports whether a lamp's power is part of what a cabinet or meter in front of it
// has told within 3 hours. One that is silent leaves it to those behind it.
func (o *Observer) passed(l *lamp, at int64) bool {
	if l.Chain == 0 {
		return false
	}
	for _, id := range o.chains[l.Chain-1] {
		head := o.heads[id]
		if head == 0 {
			continue
		}
		if d := o.devices.At(head); d.Kind == lighting {
			if front := o.lamps.At(d.Slot); front.HasPower && at-front.Since <= int64(stale) {
				return true
			}
		}
	}
	return false
}

// stand finds who stands in front of a lamp, once for each inventory. The book is asked
// while nothing is locked: it tells this observer of use while it is.
func (o *Observer) stand(index uint32, dev *ingest.Device) {
	ids, leads := o.book.Ahead(dev)
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.devices.At(index + 1)
	if d.Kind != lighting {
		return
	}
	if leads {
		o.heads[dev.ID] = index + 1
	}
	l := o.lamps.At(d.Slot)
	l.Asked, l.Chain = o.asked, 0
	if len(ids) == 0 {
		return
	}
	var key strings.Builder
	for _, id := range ids {
		key.WriteString(string(id))
		key.WriteByte(0)
	}
	chain, ok := o.chained[key.String()]
	if !ok {
		o.chains = append(o.chains, ids)
		chain = uint32(len(o.chains))
		o.chained[key.String()] = chain
	}
	l.Chain = chain
}

// ask has every lamp find again who stands in front of it.
func (o *Observer) ask() {
	o.asked = max(1, o.asked+1)
	o.heads, o.chains, o.chained = map[ingest.DeviceID]uint32{}, nil, map[string]uint32{}
	for l := range o.lamps.All() {
		l.Asked, l.Chain = 0, 0
	}
}

// lit reports whether a lamp burns: as it says, or else by its power.
func (l *lamp) lit() bool {
	return l.HasLit && l.Lit || !l.HasLit && l.HasPower && l.Power > burning
}

// burn enters for how long a lamp has burned when it tells its state again.
func (l *lamp) burn(p *place, at int64) {
	if l.lit() {
		p.Lit += told(l.Told, at)
	}
	if l.Told != 0 && p.sited {
		p.Due += p.dark(l.Told, l.Told+told(l.Told, at))
	}
	l.Told = max(l.Told, at)
}

// night says when the sun is below civil twilight, unix nanoseconds, between two
// noons of the site's mean solar time.
type night struct{ number, begin, end int64 }

// dark returns for how long the sun was below civil twilight between two times.
func (p *place) dark(from, to int64) int64 {
	const day = int64(24 * time.Hour)
	shift := int64(p.lon*240e9) - day/2 // of the site's mean noon
	sum := int64(0)
	for from < to {
		number := (from + shift) / day
		begin, end := number*day-shift, (number+1)*day-shift
		n := &p.nights[number&1]
		if n.number != number {
			*n = night{number, end, end} // the sun does not sink
			date := time.Unix(0, begin).In(time.FixedZone("", int(p.lon*240)))
			if dusk, dawn, ok := sun.Night(date, p.lat, p.lon, sun.Civil); ok {
				n.begin, n.end = dusk.UnixNano(), dawn.UnixNano()
			} else if sun.Elevation(date.Add(12*time.Hour), p.lat, p.lon) < sun.Civil {
				n.begin = begin // it does not rise
			}
		}
		until := min(to, end)
		sum += max(0, min(until, n.end)-max(from, n.begin))
		from = until
	}
	return sum
}
