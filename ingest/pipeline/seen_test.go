package pipeline

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// The last four times of a series are known for duplicates, in whatever order
// they came, and over a checkpoint.
func TestSeriesRemembersFourTimes(t *testing.T) {
	t.Parallel()
	const day = int64(24 * 3600 * 1000)
	random := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		s := newSeen()
		s.enter(0, seriesKey{0, 6}, 1)
		var known []int64 // descending
		for range 12 {
			ms := 1_795_392_000_000 + random.Int64N(9)
			want := fresh
			switch at, found := slices.BinarySearchFunc(known, ms, func(a, b int64) int { return int(b - a) }); {
			case found:
				want = duplicate
			default:
				if at > 0 {
					want = late
				}
				known = slices.Insert(known, at, ms)
				known = known[:min(len(known), 4)]
			}
			if got := s.enter(0, seriesKey{0, 7}, ms); got != want {
				t.Fatalf("%d among %d: verdict %d, want %d", ms, known, got, want)
			}
			s.heard(0, 5e9)
			again := newSeen()
			if err := again.read(bufio.NewReader(bytes.NewReader(s.append(nil, s.devices.At(1)))), true, true); err != nil {
				t.Fatal(err)
			}
			if again.devices.At(1).Last != 5 || again.series.Len() != 2 {
				t.Fatalf("a checkpoint makes %v of %v", *again.devices.At(1), *s.devices.At(1))
			}
			at := uint32(0)
			for e := range again.of(again.devices.At(1)) {
				if at++; *e != *s.series.At(at) {
					t.Fatalf("a checkpoint makes %v of %v", *e, *s.series.At(at))
				}
			}
			if at != 2 {
				t.Fatalf("%d series of 2 come back", at)
			}
		}
	}
	// What is too long ago is late each time, and displaces nothing.
	s := newSeen()
	now := 1_795_392_000_000 + day
	for _, c := range []struct {
		ms   int64
		want verdict
	}{
		{now, fresh}, {now - 40*day, late}, {now - 40*day, duplicate}, {now - 60*day, late}, {now - 60*day, late},
		{now, duplicate}, {now + 30*day, fresh}, {now, duplicate}, {now - 40*day, late},
	} {
		if got := s.enter(0, seriesKey{0, 1}, c.ms); got != c.want {
			t.Errorf("%d days from the first: verdict %d, want %d", (c.ms-now)/day, got, c.want)
		}
	}
}
