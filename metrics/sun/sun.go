// Package sun says where the sun stands, and so when lamps that are switched
// by it must burn: an event of it is within a few seconds of an astronomical
// almanac below 65 degrees of latitude, from 1950 to 2050.
//
// Position: Meeus, Astronomical Algorithms (2nd ed.), chapters 12, 22 and 25
// (low accuracy, 0.01 degree). Elevations are geometric: of the sun's centre,
// without refraction. Those of an event are by convention: at Horizon the upper
// limb is seen on a level horizon through a standard atmosphere.
package sun

import (
	"math"
	"slices"
	"time"
)

// Elevations of the sun's centre, in degrees, at which a night begins and ends.
const (
	Horizon = -50.0 / 60 // sunset and sunrise
	Civil   = -6.0       // civil dusk and dawn
)

const radian = math.Pi / 180

// Elevation is the geometric elevation of the sun's centre above the horizon,
// in degrees, at latitude lat (north positive) and longitude lon (east
// positive), both in degrees.
func Elevation(t time.Time, lat, lon float64) float64 {
	declination, hourAngle := position(days(t), lon)
	return elevation(lat, declination, hourAngle)
}

// Apparent is Elevation raised by the refraction of a standard atmosphere
// (1010 hPa, 10 Celsius; Saemundsson in Meeus, chapter 16), as an observer sees
// it. Below -1 degree, where the formula ends, refraction is what it is there.
func Apparent(t time.Time, lat, lon float64) float64 {
	e := Elevation(t, lat, lon)
	from := max(e, -1)
	return e + 1.02/math.Tan((from+10.3/(from+5.11))*radian)/60
}

// Rise returns when the sun's centre rises through elevation (degrees) on the
// calendar day of date in date's zone; Set when it sinks through it. False: it
// does not on that day, or only by grazing it. Where it does twice, the first.
func Rise(date time.Time, lat, lon, elevation float64) (time.Time, bool) {
	return event(date, lat, lon, elevation, -1)
}

// Set is the counterpart of Rise.
func Set(date time.Time, lat, lon, elevation float64) (time.Time, bool) {
	return event(date, lat, lon, elevation, +1)
}

// Night follows the day of date: from when the sun's centre sinks through
// elevation after the transit of that day, which in summer at high latitudes is
// after midnight, to when it rises again. False where it does not do both.
func Night(date time.Time, lat, lon, elevation float64) (begin, end time.Time, ok bool) {
	noon := transit(date, lon)
	set, sets := crossing(noon, lat, lon, elevation, +1)
	rise, rises := crossing(noon+1, lat, lon, elevation, -1)
	if !sets || !rises {
		return begin, end, false
	}
	return instant(set).In(date.Location()), instant(rise).In(date.Location()), true
}

// Dark returns for how long the sun's centre is below elevation during the calendar
// day of date in date's zone: how long lamps burn on that day. Above the polar
// circles that may be all of it or nothing.
func Dark(date time.Time, lat, lon, elevation float64) time.Duration {
	from, to := bounds(date)
	// Away from its events the sun is on one side: cut the day at them and ask
	// in the middle of each piece.
	cuts := append(events(date, lat, lon, elevation, -1), events(date, lat, lon, elevation, +1)...)
	cuts = append(cuts, from, to)
	slices.SortFunc(cuts, time.Time.Compare)
	var dark time.Duration
	for i := 1; i < len(cuts); i++ {
		piece := cuts[i].Sub(cuts[i-1])
		if Elevation(cuts[i-1].Add(piece/2), lat, lon) < elevation {
			dark += piece
		}
	}
	return dark
}

// bounds of the calendar day of date in date's zone.
func bounds(date time.Time) (from, to time.Time) {
	y, m, d := date.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, date.Location()), time.Date(y, m, d+1, 0, 0, 0, 0, date.Location())
}

func event(date time.Time, lat, lon, elevation float64, side float64) (time.Time, bool) {
	list := events(date, lat, lon, elevation, side)
	if len(list) == 0 {
		return time.Time{}, false
	}
	return list[0], true
}

// events of one side (-1 rise, +1 set) in the calendar day of date, in order of
// time: mostly one; where they move past midnight a day has none, or two.
func events(date time.Time, lat, lon, elevation float64, side float64) []time.Time {
	from, to := bounds(date)
	noon := transit(date, lon)
	var list []time.Time
	for shift := -1.0; shift <= 1; shift++ {
		t, ok := crossing(noon+shift, lat, lon, elevation, side)
		if at := instant(t).In(date.Location()); ok && !at.Before(from) && at.Before(to) {
			list = append(list, at)
		}
	}
	return list
}

// transit returns when the sun is highest, of the times within half a day of the
// calendar day's middle.
func transit(date time.Time, lon float64) float64 {
	from, to := bounds(date)
	t := days(from.Add(to.Sub(from) / 2))
	for range 2 {
		_, hourAngle := position(t, lon)
		t -= hourAngle / turn
	}
	return t
}

// turn sets by how many degrees the hour angle grows in a day, to a part in 300.
const turn = 360.98564736629

// crossing returns when the sun's centre crosses elevation before (side -1) or after
// (+1) the transit at noon. It corrects the hour angle with the position at the
// time found, which converges in three rounds where the sun does not graze the
// elevation. False: it stays on one side.
func crossing(noon, lat, lon, elevation, side float64) (float64, bool) {
	t := noon
	for range 30 {
		declination, hourAngle := position(t, lon)
		cos := (math.Sin(elevation*radian) - math.Sin(lat*radian)*math.Sin(declination*radian)) /
			(math.Cos(lat*radian) * math.Cos(declination*radian))
		// Whether it gets there is decided by where the sun is then, not at noon.
		want := side * math.Acos(max(-1, min(1, cos))) / radian
		step := math.Mod(want-hourAngle+540+360, 360) - 180
		t += step / turn
		if math.Abs(step) < 1e-7 {
			return t, math.Abs(cos) <= 1
		}
	}
	return t, false
}

// days since J2000.0, 2000-01-01T12:00 UTC.
func days(t time.Time) float64 {
	return float64(t.Unix()-946728000)/86400 + float64(t.Nanosecond())/86400e9
}

func instant(days float64) time.Time {
	return time.Unix(946728000, 0).Add(time.Duration(days * 86400e9)).Round(time.Millisecond)
}

// position is the sun's declination and its local hour angle, in degrees, the
// latter from -180 to 180 and 0 at transit. The difference of dynamical to
// universal time (70 s) moves an event by less than 0.1 s and is left out.
func position(days, lon float64) (declination, hourAngle float64) {
	T := days / 36525
	L := 280.46646 + T*(36000.76983+T*0.0003032)
	M := (357.52911 + T*(35999.05029-T*0.0001537)) * radian
	centre := (1.914602-T*(0.004817+T*0.000014))*math.Sin(M) +
		(0.019993-T*0.000101)*math.Sin(2*M) + 0.000289*math.Sin(3*M)
	node := (125.04 - 1934.136*T) * radian
	longitude := (L + centre - 0.00569 - 0.00478*math.Sin(node)) * radian
	obliquity := (23.4392911 - T*(0.0130042+T*(1.64e-7-T*5.04e-7)) + 0.00256*math.Cos(node)) * radian

	rightAscension := math.Atan2(math.Cos(obliquity)*math.Sin(longitude), math.Cos(longitude)) / radian
	declination = math.Asin(math.Sin(obliquity)*math.Sin(longitude)) / radian
	nutation := -0.00478 * math.Sin(node) * math.Cos(obliquity)
	sidereal := 280.46061837 + 360.98564736629*days + T*T*(0.000387933-T/38710000) + nutation
	hourAngle = math.Mod(sidereal+lon-rightAscension, 360)
	switch {
	case hourAngle > 180:
		hourAngle -= 360
	case hourAngle < -180:
		hourAngle += 360
	}
	return declination, hourAngle
}

func elevation(lat, declination, hourAngle float64) float64 {
	return math.Asin(math.Sin(lat*radian)*math.Sin(declination*radian)+
		math.Cos(lat*radian)*math.Cos(declination*radian)*math.Cos(hourAngle*radian)) / radian
}
