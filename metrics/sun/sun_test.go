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
