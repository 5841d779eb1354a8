package usage

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"greencommunity/ingest/inventory/inventorytest"
)

// Real households' meters, at defaults: nothing that was used is lost to doubt.
// Their registers were read for a year or so, each hour or in steps of 15 minutes.
func TestRealHouseholds(t *testing.T) {
	root := inventorytest.Cases(t)
	var files []string
	for _, dir := range []string{"water_daiad_raw", "water_labelled_hg"} {
		some, _ := filepath.Glob(filepath.Join(root, "anomaly", dir, "*.csv"))
		files = append(files, some...)
	}
	if len(files) == 0 {
		t.Fatal("no files of meters")
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		at, total := slices.Index(rows[0], "timestamp"), slices.Index(rows[0], "total_l")
		if at < 0 || total < 0 {
			t.Fatalf("%s: columns %v", file, rows[0])
		}
		g := &Limits{Ordinary: waterOrdinary, Most: waterMost, Repeats: true}
		var m Meter
		var sum Amount
		var first, last, before float64
		rising, held, guessed, n := true, 0, 0, 0
		for _, row := range rows[1:] {
			when, err := time.Parse(time.DateTime, row[at])
			if err != nil {
				t.Fatal(err)
			}
			litres, err := strconv.ParseFloat(row[total], 64)
			if err != nil {
				continue
			}
			if n == 0 {
				first = litres
			}
			rising = rising && litres >= before
			before, last, n = litres, litres, n+1
			list := m.Read(g, Read{Time: when.UnixNano(), Value: litres / 1000}, nil)
			for _, b := range list {
				sum += b.Amount
				if b.How == Guessed {
					guessed++
				}
			}
			if r := list[len(list)-1].Reason; r == Implausible {
				held++
			}
		}
		name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
		t.Logf("%s: %d reads, %d held, %d called estimates, %.3f of %.3f m3, rising %v", name, n, held, guessed, sum.Units(), (last-first)/1000, rising)
		if rising && (held > 0 || sum != amount((last-first)/1000)) {
			t.Errorf("%s: %d reads held, %v m3 booked, the register has grown by %v", name, held, sum.Units(), (last-first)/1000)
		}
		if guessed*1000 > n {
			t.Errorf("%s: %d of %d steps are called estimates", name, guessed, n)
		}
	}
}
