package usage

import (
	"math"
	"strconv"

	"greencommunity/ingest"
)

// Most a register of each kind can pass in an hour where nothing else is known,
// and what is never doubted. A cabinet of lamps hangs on at most 3 x 250 A. A
// household's meter (Q3 2.5 m3/h) stands for ordinary use of water, a main of
// DN 300 for the most.
const (
	lightingMost, lightingOrdinary = 200.0, 3.0 // kWh
	powerMost, powerOrdinary       = 2000.0, 15.0
	waterMost, waterOrdinary       = 1500.0, 2.5 // m3
)

// How far above what is written on a device it can be. Ballasts take power of
// their own. A meter that is too small passes more than it should, and a rule
// tells of that.
const (
	powerMargin = 1.5
	waterMargin = 4
)

// limitsOf returns what is known of a register: what its boundary says, then the
// inventory's columns, then its kind.
func limitsOf(d *ingest.Device, r Resource, known Limits) Limits {
	l := known
	column := func(name string) float64 {
		text := d.Attributes[name]
		if text == "" {
			return 0
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return 0
		}
		return v
	}
	if l.Modulus == 0 {
		l.Modulus = column("register_modulus")
	}
	if l.PerDay == 0 {
		l.PerDay = column("max_per_day")
	}
	l.Bits = d.RegisterBits
	switch r {
	case Water:
		l.Most, l.Ordinary, l.Repeats = waterMost, waterOrdinary, true
		if q := column("qmax"); q > 0 {
			l.Most, l.Ordinary = q*waterMargin, min(q*waterMargin, waterOrdinary)
		}
	case Electricity:
		l.Most, l.Ordinary = powerMost, powerOrdinary
		if d.Facility == ingest.Lighting {
			l.Most, l.Ordinary = lightingMost, lightingOrdinary
		}
		if w := column("rated_power"); w > 0 {
			l.Most, l.Ordinary = w*powerMargin/1000, w*powerMargin/1000
		}
	}
	return l
}
