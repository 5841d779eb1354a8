package facility

import (
	"time"

	"greencommunity/metrics/sun"
)

// night says when the sun is below civil twilight, unix nanoseconds, between two
// noons of the site's mean solar time.
type night struct{ number, begin, end int64 }

// lit reports whether a lamp burns: as it says, or else by its power.
func (d *device) lit() bool {
	return d.HasLit && d.Lit || !d.HasLit && d.HasPower && d.Power > burning
}

// burn enters for how long a lamp has burned when it tells its state again.
func (d *device) burn(p *place, at int64) {
	if d.lit() {
		p.Lit += told(d.Since, at)
	}
	if d.Since != 0 && p.sited {
		p.Due += p.dark(d.Since, d.Since+told(d.Since, at))
	}
	d.Since = max(d.Since, at)
}

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
