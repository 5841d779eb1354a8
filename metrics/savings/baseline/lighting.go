package baseline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"greencommunity/metrics/sun"
)

// Lamps is a group of equal lamps of an inventory.
type Lamps struct {
	Count float64 `yaml:"count"`
	// Watts at the point, ballast or driver included: a 150 W high-pressure
	// sodium lamp takes 168 W.
	Watts float64 `yaml:"watts"`
	// Burning is the share of lamps that actually burned, 0-1. A lamp that was
	// dead before is no saving; 0 stands for 1.
	Burning float64 `yaml:"burning"`
	// StandbyWatts of driver and controller while the lamp is off.
	StandbyWatts float64 `yaml:"standby_watts"`
	// Curve is the power at dimming levels, W: half the light is not half the
	// power. Empty: never dimmed.
	Curve []Level `yaml:"curve"`
	// Schedule says for which share of the burn hours which level holds. Empty:
	// full power.
	Schedule []Share `yaml:"schedule"`
}

// Level is one point of a dimming curve.
type Level struct {
	Level float64 `yaml:"level"` // 0-1
	Watts float64 `yaml:"watts"`
}

// Share says how long a level holds.
type Share struct {
	Level float64 `yaml:"level"`
	Hours float64 `yaml:"hours"` // share of the burn hours, 0-1
}

// PowerAt is a lamp's power at a dimming level, W, straight between the points
// of its curve. A level outside it is refused: half the level is not half the power.
func (l *Lamps) PowerAt(level float64) (float64, error) {
	if len(l.Curve) == 0 {
		if level == 1 {
			return l.Watts, nil
		}
		return 0, fmt.Errorf("no power is known at level %g: give the dimming curve", level)
	}
	curve := slices.SortedFunc(slices.Values(l.Curve), func(a, b Level) int {
		if a.Level < b.Level {
			return -1
		}
		return 1
	})
	for i, p := range curve {
		if p.Level == level {
			return p.Watts, nil
		}
		if i > 0 && p.Level > level && curve[i-1].Level < level {
			before := curve[i-1]
			return before.Watts + (p.Watts-before.Watts)*(level-before.Level)/(p.Level-before.Level), nil
		}
	}
	return 0, fmt.Errorf("level %g is outside the dimming curve", level)
}

// Energy the group takes, kWh, in a stretch of hours of which the lamps burn
// burnHours (IPMVP option A, GB/T 31348):
//
//	N·b·(Σ_l P(l)·h(l) + P_standby·(T − Σh)) / 1000
func (l *Lamps) Energy(burnHours, hours float64) (float64, error) {
	burning := l.Burning
	if burning == 0 {
		burning = 1
	}
	schedule := l.Schedule
	if len(schedule) == 0 {
		schedule = []Share{{Level: 1, Hours: 1}}
	}
	watthours, shares := 0.0, 0.0
	for _, s := range schedule {
		watts := l.Watts
		if s.Level != 1 || len(l.Curve) > 0 {
			var err error
			if watts, err = l.PowerAt(s.Level); err != nil {
				return 0, err
			}
		}
		watthours += watts * burnHours * s.Hours
		shares += s.Hours
	}
	watthours += l.StandbyWatts * max(0, hours-burnHours*shares)
	return l.Count * burning * watthours / 1000, nil
}

// LampEnergy is the energy of all groups, kWh.
func LampEnergy(groups []Lamps, burnHours, hours float64) (float64, error) {
	sum := 0.0
	for i := range groups {
		e, err := groups[i].Energy(burnHours, hours)
		if err != nil {
			return 0, fmt.Errorf("groups[%d]: %w", i, err)
		}
		sum += e
	}
	return sum, nil
}

// BurnHours returns for how long lamps that are switched at an elevation of the sun
// (sun.Horizon, sun.Civil) burn on a local day.
func BurnHours(date time.Time, lat, lon, elevation float64) float64 {
	return sun.Dark(date, lat, lon, elevation).Hours()
}

// PowerDensity is the lighting power density of an area, W/m², ballast
// included, and whether it keeps to a limit of CJJ 45. It judges a design: it
// is no baseline, and what a design stays below it is no saving.
func PowerDensity(groups []Lamps, area, limit float64) (density float64, complies bool) {
	watts := 0.0
	for _, g := range groups {
		watts += g.Count * g.Watts
	}
	density = watts / area
	return density, density <= limit
}

// CombineMeasures splits the saving of two measures on one boundary, each
// valued against the same baseline alone: together they save
// 1-(1-a)(1-b) of it, never a+b. It returns what may be claimed for both.
func CombineMeasures(baseline float64, fractions ...float64) float64 {
	left := 1.0
	for _, f := range fractions {
		left *= 1 - f
	}
	return baseline * (1 - left)
}

// stipulated is the half band of a saving whose parts are stated and not
// fitted: the baseline's relative uncertainty and the meter's class, both at
// the band's confidence and independent of each other.
func Stipulated(baseline, baselineRelative, actual, meterRelative float64) float64 {
	return math.Hypot(baseline*baselineRelative, actual*meterRelative)
}
