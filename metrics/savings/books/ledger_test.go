package books

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"greencommunity/metrics/usage"
)

// A day's sums do not depend on the order in which bookings come, over midnight, a
// night and two meters; nor on zones whose days are not of 24 hours.
func TestOrderOfBookings(t *testing.T) {
	for _, name := range []string{"Asia/Shanghai", "Europe/Berlin"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(2026, 3, 28, 0, 0, 0, 0, zone) // in Berlin the day after has 23 hours
		type entry struct {
			booking usage.Booking
			meter   uint64
		}
		var entries []entry
		for hour := range 24 * 4 {
			for meter := range uint64(2) {
				from := start.Add(time.Duration(hour) * time.Hour).UnixNano()
				b := usage.Booking{From: from, To: from + int64(time.Hour), Amount: usage.Amount(100_000 + hour), Covers: 1}
				entries = append(entries, entry{b, meter})
			}
		}
		var want []Cell
		for round := range 4 {
			var l Ledger
			c := Calendar{Zone: zone}
			for _, e := range entries {
				var hint int32
				if !l.Book(&c, &e.booking, e.meter, &hint) {
					t.Fatal("not kept")
				}
			}
			for i := range l.Cells {
				begins, ends := c.Bounds(l.First + i)
				if use, share, _ := l.Cells[i].Mask(2, ends-begins); i < 3 && (share != 1 || use != l.Cells[i].Use) {
					t.Errorf("%s, day %d: %v of %v, share %v", name, i, use, l.Cells[i].Use, share)
				}
				l.Cells[i].Fold(ends - begins)
				slices.SortFunc(l.Cells[i].Parts, func(a, b Part) int { return cmp.Compare(a.Meter, b.Meter) })
				l.Cells[i].Night = 0 // a sum of parts of hours: not whole millionths
			}
			if round == 0 {
				want = l.Cells
			} else if !reflect.DeepEqual(l.Cells, want) {
				t.Fatalf("%s: %+v, want %+v", name, l.Cells, want)
			}
			rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		}
		sum := 0.0
		for _, c := range want {
			sum += c.Use
		}
		if exact := 2 * (96*0.1 + 96*95/2*1e-6); sum < exact-1e-9 || sum > exact+1e-9 {
			t.Errorf("%s: %v, want %v", name, sum, exact)
		}
	}
}
