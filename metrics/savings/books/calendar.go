package books

import "time"

// Calendar turns instants into local days. It remembers the day it was last
// asked about, which is nearly always the day of the next reading.
type Calendar struct {
	Zone       *time.Location
	Day        int   // number of the local day, counted from 1970-01-01
	Start, End int64 // of that day, unix nanoseconds
}

// At makes t (unix nanoseconds) the instant whose day is remembered.
func (c *Calendar) At(t int64) {
	if t >= c.Start && t < c.End {
		return
	}
	y, m, d := time.Unix(0, t).In(c.Zone).Date()
	c.Day = int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	c.Start, c.End = c.Bounds(c.Day)
}

// Bounds returns when a local day begins and ends, unix nanoseconds. Not every local day has 24 hours.
func (c *Calendar) Bounds(day int) (start, end int64) {
	return c.Midnight(day).UnixNano(), c.Midnight(day + 1).UnixNano()
}

// Midnight returns when a local day begins.
func (c *Calendar) Midnight(day int) time.Time {
	y, m, d := time.Unix(int64(day)*86400, 0).UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, c.Zone)
}

// QuarterOf returns the quarter of a day, as year*4 + 0..3.
func QuarterOf(day int) int {
	y, m, _ := time.Unix(int64(day)*86400, 0).UTC().Date()
	return y*4 + (int(m)-1)/3
}

// QuarterStart returns the number of the first day of a quarter.
func QuarterStart(q int) int {
	return int(time.Date(q/4, time.Month(1+3*(q%4)), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
