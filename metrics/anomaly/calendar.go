package anomaly

import (
	"time"

	"greencommunity/ingest/inventory"
	"greencommunity/metrics/holidays"
)

// calendarOf returns the days off by the program's calendar and the inventory's. Years
// that make no calendar are refused where savings are read; here the program's own serve.
func calendarOf(inv *inventory.Inventory) *holidays.Calendar {
	years := map[int]holidays.Year{}
	for _, y := range inv.Calendar {
		years[y.Year] = holidays.Year{Rest: y.Rest, Work: y.Work}
	}
	c, err := holidays.New(years, nil)
	if err != nil {
		return holidays.Standard()
	}
	return c
}

// date is the local date of an instant, as UTC midnight.
func (f *fleet) date(at int64) time.Time {
	y, m, d := time.Unix(0, at).In(f.zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// workday returns the local second of the day, whether the day is off by the calendar (a weekend
// that is worked is not), and whether it is one of a holiday, whose hours are like no others:
// from six on the evening before.
func (f *fleet) workday(at int64) (seconds int, off, festive bool) {
	seconds, _ = f.local(at)
	date := f.date(at)
	day := f.holidays.Of(date)
	festive = day.Festival == 1 || f.holidays.Long(date) || seconds >= 18*3600 && f.holidays.Long(date.AddDate(0, 0, 1)) && !f.holidays.Long(date.AddDate(0, 0, -1))
	return seconds, day.Rest == 1, festive
}

// holidaysIn returns how much of a time is holidays, in seconds: of its last 60 days.
func (f *fleet) holidaysIn(from, to int64) (seconds float64) {
	begin := max(from, to-60*24*int64(time.Hour))
	for at := begin; at < to; at += 24 * int64(time.Hour) {
		if date := f.date(at); f.holidays.Of(date).Festival == 1 || f.holidays.Long(date) {
			seconds += min(86400, float64(to-at)/1e9)
		}
	}
	return seconds
}
