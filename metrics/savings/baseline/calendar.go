package baseline

import "time"

// festivals are the first days of the lunar year, as published; a baseline may name others.
var festivals = []string{"2015-02-19", "2016-02-08", "2017-01-28", "2018-02-16", "2019-02-05", "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22",
	"2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2032-02-11", "2033-01-31",
	"2034-02-19", "2035-02-08"}

// Calendar of a local date (as UTC midnight): 1 on a Saturday or Sunday, and 1 from four
// days before the first of a lunar year to eight after, when many homes are empty; else
// 0. firsts are these first days; none: those the program knows, to 2035.
func Calendar(date time.Time, firsts []time.Time) (weekend, festival float64) {
	if w := date.Weekday(); w == time.Saturday || w == time.Sunday {
		weekend = 1
	}
	if len(firsts) == 0 {
		for _, text := range festivals {
			day, _ := time.Parse(time.DateOnly, text)
			firsts = append(firsts, day)
		}
	}
	for _, day := range firsts {
		if !date.Before(day.AddDate(0, 0, -4)) && date.Before(day.AddDate(0, 0, 8)) {
			festival = 1
		}
	}
	return weekend, festival
}
