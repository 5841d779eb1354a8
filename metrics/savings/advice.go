package savings

import (
	"fmt"
	"slices"
	"time"

	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

// Advice says what of an inventory's boundaries holds, but makes their figures less
// certain than they look, a sentence each. year is the present one.
func Advice(inv *inventory.Inventory, year int) []string {
	all, err := compile(inv)
	if err != nil {
		return nil
	}
	var advice []string
	for _, b := range all {
		l := b.Baseline
		if l == nil || !b.saves() {
			continue
		}
		if b.resource == usage.Water && b.fit != nil && b.Uncertainty.Year == 0 {
			advice = append(advice, fmt.Sprintf("%s: uncertainty.year_rel is not stated: its band holds the scatter of days and not how far a year's level is from the next one's; "+
				"`greencommunity savings baseline` prints one, 3 to 5 %% for hundreds of homes", b))
		}
		if b.goesByDaysOff() && !b.days.Knows(year) {
			advice = append(advice, fmt.Sprintf("%s: its baseline goes by days off, and the public holidays of %d are not known: add them to calendar", b, year))
		}
	}
	return advice
}

// goesByDaysOff reports whether a baseline needs the year's notice of public holidays.
func (b *boundary) goesByDaysOff() bool {
	return b.saves() && (b.Baseline.RestDays || slices.Contains(b.Baseline.Calendar, driverRest))
}

// calendarAhead sets how many days before the calendar ends that is told: the notice of a
// year is published in the November before it.
const calendarAhead = 31

// tellCalendar warns, once a year and inventory, where a baseline goes by days off and
// those of the days to come are not known.
func (e *Engine) tellCalendar(day int) {
	year := time.Unix(int64(day+calendarAhead)*86400, 0).UTC().Year()
	for _, a := range e.accounts {
		if a.calendarTold >= year || !a.goesByDaysOff() || a.days.Knows(year) {
			continue
		}
		a.calendarTold = year
		e.o.Logger.Warn("a baseline goes by days off, and the public holidays of a year are not known: its weekends count alone; add the State Council's notice to calendar in inventory.yaml",
			"boundary", a.key, "year", year, "known to", a.days.Until())
	}
}
