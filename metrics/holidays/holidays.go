// Package holidays knows the days of China that are off or worked though the week says otherwise: the published
// notices of the State Council, the Spring Festival, and what the inventory adds.
package holidays

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// festivals are the first days of the lunar year, as published; New takes others.
var festivals = []string{"2015-02-19", "2016-02-08", "2017-01-28", "2018-02-16", "2019-02-05", "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22",
	"2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2032-02-11", "2033-01-31",
	"2034-02-19", "2035-02-08"}

// published are the days off and the working days of weekends that the General Office of
// the State Council gave notice of, by year. A later year is added here, or in the
// inventory's calendar until then.
var published = map[int]Year{
	2023: { // 国务院办公厅关于2023年部分节假日安排的通知, 8 December 2022
		Rest: []string{"2023-01-01/2023-01-02", "2023-01-21/2023-01-27", "2023-04-05", "2023-04-29/2023-05-03", "2023-06-22/2023-06-24", "2023-09-29/2023-10-06"},
		Work: []string{"2023-01-28/2023-01-29", "2023-04-23", "2023-05-06", "2023-06-25", "2023-10-07/2023-10-08"},
	},
	2024: { // 国办发明电〔2023〕7号
		Rest: []string{"2024-01-01", "2024-02-10/2024-02-17", "2024-04-04/2024-04-06", "2024-05-01/2024-05-05", "2024-06-10", "2024-09-15/2024-09-17", "2024-10-01/2024-10-07"},
		Work: []string{"2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11", "2024-09-14", "2024-09-29", "2024-10-12"},
	},
	2025: { // 国办发明电〔2024〕12号
		Rest: []string{"2025-01-01", "2025-01-28/2025-02-04", "2025-04-04/2025-04-06", "2025-05-01/2025-05-05", "2025-05-31/2025-06-02", "2025-10-01/2025-10-08"},
		Work: []string{"2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11"},
	},
	2026: { // 国务院办公厅关于2026年部分节假日安排的通知, 4 November 2025
		Rest: []string{"2026-01-01/2026-01-03", "2026-02-15/2026-02-23", "2026-04-04/2026-04-06", "2026-05-01/2026-05-05", "2026-06-19/2026-06-21", "2026-09-25/2026-09-27", "2026-10-01/2026-10-07"},
		Work: []string{"2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"},
	},
}

// Year holds the days of a year that are off though no weekend, and those that are worked
// though one: 2026-01-04, or 2026-02-15/2026-02-23 for all from the first to the last.
type Year struct{ Rest, Work []string }

// Calendar knows which local days are worked, and when the Spring Festival is.
type Calendar struct {
	rest     map[int64]bool // by unix day: off or worked, where it is not as the weekday says
	years    map[int]bool   // with a notice
	festival map[int64]bool // by unix day
}

// Flags are 1 where a day is of the kind, else 0.
type Flags struct {
	Weekend  float64 // Saturday, Sunday
	Rest     float64 // off: weekends and public holidays, but the weekends that are worked
	Festival float64 // about the Spring Festival, when many homes are empty: four days before its first to eight after
}

// Named is the flag of a driver: weekend, rest_days or festival; 0 for another.
func (f Flags) Named(driver string) float64 {
	switch driver {
	case "weekend":
		return f.Weekend
	case "rest_days":
		return f.Rest
	case "festival":
		return f.Festival
	}
	return 0
}

// New is the program's calendar, in which years replace the published ones and
// firsts (none: the program's, to 2035) are the first days of the lunar year. A year
// without a notice has the weekends only.
func New(years map[int]Year, firsts []time.Time) (*Calendar, error) {
	c := &Calendar{rest: map[int64]bool{}, years: map[int]bool{}, festival: map[int64]bool{}}
	for year := range published {
		if _, replaced := years[year]; !replaced {
			if err := c.add(year, published[year]); err != nil {
				return nil, err
			}
		}
	}
	for year, y := range years {
		if err := c.add(year, y); err != nil {
			return nil, err
		}
	}
	if len(firsts) == 0 {
		for _, text := range festivals {
			day, err := time.Parse(time.DateOnly, text)
			if err != nil {
				return nil, err
			}
			firsts = append(firsts, day)
		}
	}
	for _, day := range firsts {
		for n := int64(-4); n < 8; n++ {
			c.festival[day.Unix()/86400+n] = true
		}
	}
	return c, nil
}

func (c *Calendar) add(year int, y Year) error {
	c.years[year] = true
	for off, list := range map[bool][]string{true: y.Rest, false: y.Work} {
		for _, text := range list {
			first, last, ranged := strings.Cut(text, "/")
			from, err := time.Parse(time.DateOnly, first)
			to := from
			if err == nil && ranged {
				to, err = time.Parse(time.DateOnly, last)
			}
			if err != nil || to.Before(from) || from.Year() != year || to.Year() != year {
				return fmt.Errorf("%q is no day of %d; write 2026-01-04, or 2026-02-15/2026-02-23", text, year)
			}
			for ; !from.After(to); from = from.AddDate(0, 0, 1) {
				if was, twice := c.rest[from.Unix()/86400]; twice && was != off {
					return fmt.Errorf("%s is listed both as off and as worked", from.Format(time.DateOnly))
				}
				c.rest[from.Unix()/86400] = off
			}
		}
	}
	return nil
}

// Of a local date, as UTC midnight.
func (c *Calendar) Of(date time.Time) (f Flags) {
	if w := date.Weekday(); w == time.Saturday || w == time.Sunday {
		f.Weekend, f.Rest = 1, 1
	}
	if off, listed := c.rest[date.Unix()/86400]; listed {
		f.Rest = 0
		if off {
			f.Rest = 1
		}
	}
	if c.festival[date.Unix()/86400] {
		f.Festival = 1
	}
	return f
}

// Long says whether a local date, as UTC midnight, is one of a holiday: off by a notice, or
// a weekend that touches such a day.
func (c *Calendar) Long(date time.Time) bool {
	day := date.Unix() / 86400
	off := func(d int64) bool {
		if on := time.Unix(d*86400, 0).UTC(); !c.Knows(on.Year()) { // the days that the law names by date
			return slices.Contains([]string{"01-01", "05-01", "05-02", "10-01", "10-02", "10-03"}, on.Format("01-02"))
		}
		return c.rest[d]
	}
	if off(day) {
		return true
	}
	if w := date.Weekday(); w != time.Saturday && w != time.Sunday || c.listed(day) {
		return false
	}
	return off(day-1) || off(day+1) || off(day-2) && date.Weekday() == time.Sunday || off(day+2) && date.Weekday() == time.Saturday
}

func (c *Calendar) listed(day int64) bool { _, listed := c.rest[day]; return listed }

// Knows says whether there is a notice of a year.
func (c *Calendar) Knows(year int) bool { return c.years[year] }

// Until returns the last year there is a notice of.
func (c *Calendar) Until() int {
	last := 0
	for year := range c.years {
		last = max(last, year)
	}
	return last
}

// Standard is the program's calendar.
var Standard = sync.OnceValue(func() *Calendar {
	c, err := New(nil, nil)
	if err != nil {
		panic(err) // a mistake in the tables above, which a test finds
	}
	return c
})
