package savings

import (
	"fmt"
	"slices"

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
		if (l.RestDays || slices.Contains(l.Calendar, driverRest)) && !b.days.Knows(year) {
			advice = append(advice, fmt.Sprintf("%s: its baseline goes by days off, and the public holidays of %d are not known: add them to calendar", b, year))
		}
	}
	return advice
}
