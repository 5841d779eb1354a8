package sun

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var china = time.FixedZone("", 8*3600)

// Four years of an independent ephemeris: each event and each night within 60 s.
func TestNightsOfFourYears(t *testing.T) {
	path := filepath.Join(casesDir(t), "savings/09-astro-burn-hours-tianshui/burn_hours_34.75N_106.13E_2021_2024.csv")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		when, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	const lat, lon = 34.75, 106.13
	worst := time.Duration(0)
	near := func(date, what string, got, want time.Time) {
		t.Helper()
		off := got.Sub(want).Abs()
		worst = max(worst, off)
		if off > 60*time.Second {
			t.Errorf("%s: %s at %s, the ephemeris says %s", date, what, got, want)
		}
	}
	for _, r := range rows[1:] {
		date := at(r[1]).In(china)
		rise, _ := Rise(date, lat, lon, Horizon)
		near(r[0], "sunrise", rise, at(r[1]))
		set, next, ok := Night(date, lat, lon, Horizon)
		if !ok {
			t.Fatalf("%s: no night", r[0])
		}
		near(r[0], "sunset", set, at(r[2]))
		near(r[0], "next sunrise", next, at(r[3]))
		dusk, dawn, _ := Night(date, lat, lon, Civil)
		near(r[0], "civil dusk", dusk, at(r[5]))
		near(r[0], "next civil dawn", dawn, at(r[6]))
	}
	if len(rows) != 1462 {
		t.Errorf("%d rows", len(rows))
	}
	t.Logf("worst event: %s off", worst)
}

// The nights between two noons make up the dark hours of the days between.
func TestDarkOfDaysIsDarkOfNights(t *testing.T) {
	var nights, darks time.Duration
	for day := range 365 {
		date := time.Date(2022, 1, 1+day, 12, 0, 0, 0, china)
		begin, end, ok := Night(date, 34.75, 106.13, Civil)
		if !ok {
			t.Fatal(date)
		}
		nights += end.Sub(begin)
		darks += Dark(date, 34.75, 106.13, Civil)
	}
	if off := (nights - darks).Abs(); off > time.Minute {
		t.Errorf("nights %s, days %s", nights, darks)
	}
}

func TestWherePolarNightAndDayAre(t *testing.T) {
	for _, c := range []struct {
		name     string
		date     time.Time
		lat, lon float64
		want     time.Duration
	}{
		{"polar night", time.Date(2024, 12, 21, 0, 0, 0, 0, time.UTC), 78, 15, 24 * time.Hour},
		{"midnight sun", time.Date(2024, 6, 21, 0, 0, 0, 0, time.UTC), 78, 15, 0},
		{"equator at equinox", time.Date(2024, 3, 20, 0, 0, 0, 0, time.UTC), 0, 0, 11*time.Hour + 53*time.Minute + 24*time.Second},
	} {
		got := Dark(c.date, c.lat, c.lon, Horizon)
		if (got - c.want).Abs() > time.Minute {
			t.Errorf("%s: %s dark, want %s", c.name, got, c.want)
		}
	}
}

// Other sites, reckoned apart from this code with the leading terms of VSOP87 and
// by bisection of the elevation. A night follows its day, also where the sun
// sets after midnight and where a date is that of Greenwich.
func TestNightsOfOtherSites(t *testing.T) {
	for _, c := range []struct {
		name       string
		lat, lon   float64
		zone, date string
		elevation  float64
		begin, end string
	}{
		{"Sydney, midwinter", -33.87, 151.21, "Australia/Sydney", "2023-06-21", Civil, "2023-06-21T17:21:31+10:00", "2023-06-22T06:32:24+10:00"},
		{"Ushuaia, midsummer", -54.8, -68.3, "America/Argentina/Ushuaia", "2023-12-21", Horizon, "2023-12-21T22:11:12-03:00", "2023-12-22T04:51:46-03:00"},
		{"Mohe, midsummer", 53.48, 122.37, "Asia/Shanghai", "2023-06-21", Civil, "2023-06-21T21:16:13+08:00", "2023-06-22T02:28:27+08:00"},
		{"Kashgar, two hours west of its clock", 39.47, 75.99, "Asia/Shanghai", "2023-06-21", Civil, "2023-06-21T22:59:03+08:00", "2023-06-22T06:56:42+08:00"},
		{"Reykjavik, sunset after midnight", 64.15, -21.94, "Atlantic/Reykjavik", "2023-06-20", Horizon, "2023-06-21T00:03:52+00:00", "2023-06-21T02:55:00+00:00"},
		{"days of Greenwich in China", 34.75, 106.13, "UTC", "2023-03-01", Civil, "2023-03-01T11:16:04+00:00", "2023-03-01T22:59:00+00:00"},
		{"New York, the clock goes forward", 40.7, -74, "America/New_York", "2023-03-11", Civil, "2023-03-11T18:25:28-05:00", "2023-03-12T06:45:36-04:00"},
		{"New York, the clock goes back", 40.7, -74, "America/New_York", "2023-11-04", Horizon, "2023-11-04T17:49:02-04:00", "2023-11-05T06:30:44-05:00"},
		{"Quito", -0.2, -78.5, "America/Guayaquil", "2023-09-01", Civil, "2023-09-01T18:38:04-05:00", "2023-09-02T05:49:40-05:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		date, err := time.ParseInLocation(time.DateOnly, c.date, zone)
		if err != nil {
			t.Fatal(err)
		}
		begin, end, ok := Night(date, c.lat, c.lon, c.elevation)
		for got, want := range map[time.Time]string{begin: c.begin, end: c.end} {
			when, err := time.Parse(time.RFC3339, want)
			if err != nil {
				t.Fatal(err)
			}
			if !ok || got.Sub(when).Abs() > 5*time.Second {
				t.Errorf("%s: %s %v, want %s", c.name, got, ok, want)
			}
		}
	}
}

// Burn hours of a year where days have no event, one, or two of a kind.
func TestDarkHoursOfAYearFarNorthAndSouth(t *testing.T) {
	for _, c := range []struct {
		lat, lon       float64
		zone           string
		civil, horizon float64
	}{
		{69.65, 18.96, "Europe/Oslo", 3248.2053, 4166.2948},
		{64.15, -21.94, "Atlantic/Reykjavik", 3330.8333, 4193.1598},
		{-33.87, 151.21, "Australia/Sydney", 4018.1210, 4341.4854},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		civil, horizon := 0.0, 0.0
		for day := range 365 {
			date := time.Date(2023, 1, 1+day, 0, 0, 0, 0, zone)
			civil += Dark(date, c.lat, c.lon, Civil).Hours()
			horizon += Dark(date, c.lat, c.lon, Horizon).Hours()
		}
		// Where the sun grazes an elevation, 0.01 degree is a quarter of an hour.
		if math.Abs(civil-c.civil) > 0.5 || math.Abs(horizon-c.horizon) > 0.5 {
			t.Errorf("%s: %.4f and %.4f h, want %g and %g", c.zone, civil, horizon, c.civil, c.horizon)
		}
	}
}

// A zone that is not the site's: events still belong to the zone's calendar day.
func TestDayIsOfTheZone(t *testing.T) {
	for day := range 366 {
		date := time.Date(2024, 1, 1+day, 0, 0, 0, 0, time.UTC)
		set, ok := Set(date, 34.75, 106.13, Horizon)
		if !ok || set.YearDay() != date.YearDay() {
			t.Fatalf("%s: set %s %v", date, set, ok)
		}
		if e := Elevation(set, 34.75, 106.13); math.Abs(e-Horizon) > 1e-4 {
			t.Fatalf("%s: elevation %g at sunset", date, e)
		}
		if a := Apparent(set, 34.75, 106.13); a < -0.6 || a > 0 {
			t.Fatalf("%s: apparent elevation %g at sunset", date, a)
		}
	}
}

func casesDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("GREENCOMMUNITY_CASES")
	if dir == "" {
		dir = "../../../shared/cases"
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("GREENCOMMUNITY_CASES")+os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no cases here; set GREENCOMMUNITY_CASES")
	}
	return dir
}

func BenchmarkElevation(b *testing.B) {
	at := time.Date(2024, 3, 1, 20, 0, 0, 0, china)
	for b.Loop() {
		Elevation(at, 34.75, 106.13)
	}
}

func BenchmarkDark(b *testing.B) {
	at := time.Date(2024, 3, 1, 20, 0, 0, 0, china)
	for b.Loop() {
		Dark(at, 34.75, 106.13, Civil)
	}
}
