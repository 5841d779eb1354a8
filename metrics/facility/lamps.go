package facility

import (
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
}

func (l *lamp) reading(p *place, r *ingest.Reading) {
	switch r.Quantity.Name {
	case "active_power":
		if l.HasPower {
			p.hold(l.Since, r.Time, l.Power)
		}
		l.burn(p, r.Time)
		l.Power, l.HasPower, l.Since = r.Value, true, r.Time
	case "light_on":
		l.burn(p, r.Time)
		l.Lit, l.HasLit = r.Value != 0, true
	}
}

func (l *lamp) now(n *Now) {
	if l.HasPower {
		n.Power += l.Power
		n.Powered++
	}
	if l.lit() {
		n.Lit++
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
