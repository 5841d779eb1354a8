package baseline

import (
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest/inventory/inventorytest"
)

// homeDays are the litres a day of a meter that is read about hourly: its register at
// each midnight, between the reads around it. Days with a label or a silence are missing.
func homeDays(t *testing.T, path string) map[time.Time]float64 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	type read struct {
		at    time.Time
		total float64
	}
	var reads []read
	label := slices.Index(rows[0], "kind") - 1
	touched := map[time.Time]bool{}
	for _, row := range rows[1:] {
		at, err := time.Parse(time.DateTime, row[0])
		total, err2 := strconv.ParseFloat(row[1], 64)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if label >= 0 && row[label] == "1" {
			touched[at.Truncate(24*time.Hour)] = true
		}
		reads = append(reads, read{at, total})
	}
	slices.SortStableFunc(reads, func(a, b read) int { return a.at.Compare(b.at) })
	days, i := map[time.Time]float64{}, 0
	at := func(midnight time.Time) float64 {
		for i+1 < len(reads) && !reads[i+1].at.After(midnight) {
			i++
		}
		a, b := reads[i], reads[min(i+1, len(reads)-1)]
		if length := b.at.Sub(a.at); length > 0 && length <= 24*time.Hour {
			return a.total + (b.total-a.total)*float64(midnight.Sub(a.at))/float64(length)
		}
		return math.NaN()
	}
	first := reads[0].at.Truncate(24*time.Hour).AddDate(0, 0, 1)
	before := at(first)
	for d := first; d.Before(reads[len(reads)-1].at.Truncate(24 * time.Hour)); d = d.AddDate(0, 0, 1) {
		next := at(d.AddDate(0, 0, 1))
		if used := next - before; used >= 0 && used < 5000 && !touched[d] {
			days[d] = used
		}
		before = next
	}
	return days
}

// Homes in which nothing was saved: the mean of March to August, then the two quarters
// after. With the level stated for one home at least 90 % are inside their band, with
// the scatter of days alone 75 % at most. The homes are of a public data set.
func TestRealHomesAreInsideTheirBands(t *testing.T) {
	root := inventorytest.Cases(t)
	for _, c := range []struct {
		files string
		least float64
	}{
		{"anomaly/water_daiad_raw/*.csv", 0.90},      // whose quarters the audit counted
		{"anomaly/water_daiad_injected/*.csv", 0.88}, // without the days that were touched, and half of them without winter
		{"anomaly/water_labelled_hg/*.csv", 0.80},    // five homes, labels ignored
	} {
		files, err := filepath.Glob(filepath.Join(root, c.files))
		if err != nil || len(files) == 0 {
			t.Fatal(c.files, err)
		}
		windows, alone, stated := 0, 0, 0
		for _, file := range files {
			days := homeDays(t, file)
			year := 0
			for d := range days {
				if year == 0 || d.Year() < year {
					year = d.Year()
				}
			}
			autumn := time.Date(year, 9, 1, 0, 0, 0, 0, time.UTC)
			var table strings.Builder
			table.WriteString("date,period,usage\n")
			before := 0
			for d := time.Date(year, 3, 1, 0, 0, 0, 0, time.UTC); d.Before(autumn.AddDate(0, 6, 0)); d = d.AddDate(0, 0, 1) {
				use, ok := days[d]
				if !ok {
					continue
				}
				period := "reporting"
				if d.Before(autumn) {
					period, before = "baseline", before+1
				}
				fmt.Fprintf(&table, "%s,%s,%g\n", d.Format(time.DateOnly), period, use)
			}
			if before < 120 {
				continue
			}
			read, err := ReadTable(strings.NewReader(table.String()), TableOptions{})
			if err != nil {
				t.Fatal(file, err)
			}
			a, err := Analyse(read, Fitting{Kinds: []ModelKind{InterceptOnly}})
			if err != nil {
				t.Fatal(file, err)
			}
			a.State(YearLevel(1))
			for n := range 2 {
				w := a.Window(autumn.AddDate(0, 3*n, 0), autumn.AddDate(0, 3*n+3, 0))
				if w.M < 50 {
					continue
				}
				windows++
				saving, band := math.Abs(float64(w.Saving)), float64(w.Exact.DE90AC)
				if saving <= band {
					alone++
				}
				if saving <= math.Hypot(band, YearLevel(1)*float64(w.Baseline)) {
					stated++
				}
			}
		}
		t.Logf("%s: of %d quarters %d inside by the scatter of days, %d with the stated level", c.files, windows, alone, stated)
		if float64(stated) < c.least*float64(windows) {
			t.Errorf("%s: %d of %d inside", c.files, stated, windows)
		}
	}
}

// A made county of homes that each drift by 12 % a quarter and share 1 %: the level for
// so many homes holds, and so does the one of the scatter of days, for 1 home to 1,000.
func TestYearLevelHolds(t *testing.T) {
	for _, homes := range []int{1, 10, 100, 1000} {
		inside, bySpread := 0, 0
		const runs = 100
		for seed := range uint64(runs) {
			rng := rand.New(rand.NewPCG(seed, uint64(homes)))
			level, shared := 0.0, 0.01*rng.NormFloat64()
			for range homes {
				level += (1 + 0.12*rng.NormFloat64()) * (1 + shared) / float64(homes)
			}
			day := func(level float64) float64 { return level * (1 + 0.45/math.Sqrt(float64(homes))*rng.NormFloat64()) }
			var table strings.Builder
			table.WriteString("date,period,usage\n")
			for n := range 274 {
				use, period := day(1), "baseline"
				if n >= 184 {
					use, period = day(level), "reporting"
				}
				fmt.Fprintf(&table, "%s,%s,%g\n", utc("2025-03-01").AddDate(0, 0, n).Format(time.DateOnly), period, 100*use)
			}
			read, err := ReadTable(strings.NewReader(table.String()), TableOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a, err := Analyse(read, Fitting{Kinds: []ModelKind{InterceptOnly}})
			if err != nil {
				t.Fatal(err)
			}
			a.State(YearLevel(float64(homes)))
			if w := a.Windows["year"]; math.Abs(float64(w.Saving)) <= float64(w.Stated.Band) {
				inside++
			}
			a.State(YearLevelOf(float64(a.CV)))
			if w := a.Windows["year"]; math.Abs(float64(w.Saving)) <= float64(w.Stated.Band) {
				bySpread++
			}
		}
		t.Logf("%d homes: inside %d of %d by their number, %d by the scatter of days", homes, inside, runs, bySpread)
		if inside < 88 || bySpread < 88 {
			t.Errorf("%d homes: inside %d and %d of %d", homes, inside, bySpread, runs)
		}
	}
}
