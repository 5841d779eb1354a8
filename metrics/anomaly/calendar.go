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
