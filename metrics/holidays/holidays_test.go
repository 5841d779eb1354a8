package holidays

import (
	"testing"
	"time"
)

func utc(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

// Days of the notices of the State Council, each with what it is: working Saturdays and
// Sundays, weekdays that are off, ordinary days, and years without a notice.
func TestPublishedHolidays(t *testing.T) {
	for day, rest := range map[string]float64{
		"2023-01-28": 0, "2023-01-27": 1, "2023-06-25": 0, "2023-10-06": 1, "2023-10-07": 0,
		"2024-02-04": 0, "2024-02-09": 0, "2024-02-12": 1, "2024-05-11": 0, "2024-06-10": 1, "2024-09-14": 0, "2024-10-12": 0,
		"2025-01-01": 1, "2025-01-26": 0, "2025-02-04": 1, "2025-02-05": 0, "2025-06-02": 1, "2025-10-08": 1, "2025-10-11": 0,
		"2026-01-02": 1, "2026-01-04": 0, "2026-02-14": 0, "2026-02-23": 1, "2026-02-24": 0, "2026-05-09": 0, "2026-09-20": 0, "2026-09-25": 1, "2026-10-07": 1, "2026-10-10": 0,
		"2026-03-07": 1, "2026-03-09": 0, "2030-10-01": 0, "2030-10-05": 1,
	} {
		if got := Standard().Of(utc(day)).Rest; got != rest {
			t.Errorf("%s: %g", day, got)
		}
	}
	for year := range published {
		// As many days off are made up for as the notice says: a year has 11 public
		// holidays (13 from 2025 on), the others are weekends that moved.
		moved := 0.0
		for d := utc("2000-01-01").AddDate(year-2000, 0, 0); d.Year() == year; d = d.AddDate(0, 0, 1) {
			f := Standard().Of(d)
			moved += f.Rest - f.Weekend
		}
		if moved < 7 || moved > 13 {
			t.Errorf("%d: %g days off beside the weekends", year, moved)
		}
		if !Standard().Knows(year) {
			t.Errorf("%d is not known", year)
		}
	}
}

// A year is added or replaced by the inventory; what is no day of it is refused.
func TestCalendarIsEditable(t *testing.T) {
	c, err := New(map[int]Year{2027: {Rest: []string{"2027-02-05/2027-02-12"}, Work: []string{"2027-02-13"}}, 2026: {}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for day, rest := range map[string]float64{"2027-02-08": 1, "2027-02-13": 0, "2027-02-14": 1, "2026-02-16": 0, "2025-10-01": 1} {
		if got := c.Of(utc(day)).Rest; got != rest {
			t.Errorf("%s: %g", day, got)
		}
	}
	for _, y := range []Year{{Rest: []string{"2026-01-01"}}, {Rest: []string{"2027-01-04/2027-01-02"}}, {Work: []string{"soon"}}, {Rest: []string{"2027-01-01"}, Work: []string{"2027-01-01"}}} {
		if _, err := New(map[int]Year{2027: y}, nil); err == nil {
			t.Errorf("%+v is taken", y)
		}
	}
}

// A weekend belongs to the holiday it touches, one that is worked does not; of a year without a
// notice the days that the law names by date are known.
func TestLong(t *testing.T) {
	for day, long := range map[string]bool{
		"2026-10-01": true, "2026-10-03": true, "2026-10-04": true, "2026-10-08": false, "2026-10-10": false, "2026-10-11": false, "2026-03-07": false,
		"2026-02-14": false, "2026-02-15": true, "2026-02-23": true, "2030-10-01": true, "2030-10-07": false, "2030-01-01": true,
	} {
		if got := Standard().Long(utc(day)); got != long {
			t.Errorf("%s: %v", day, got)
		}
	}
}
