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
	const day = int64(24 * 3600 * 1000)
	random := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		s := newSeen()
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
			if got := s.enter(0, 7, ms); got != want {
				t.Fatalf("%d among %d: verdict %d, want %d", ms, known, got, want)
			}
			list, last, err := readSeries(bufio.NewReader(bytes.NewReader(appendSeries(nil, s.Series[0], 5))))
			if err != nil || last != 5 || !slices.Equal(list, s.Series[0]) {
				t.Fatalf("a checkpoint makes %v of %v: %v", list, s.Series[0], err)
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
		if got := s.enter(0, 1, c.ms); got != c.want {
			t.Errorf("%d days from the first: verdict %d, want %d", (c.ms-now)/day, got, c.want)
		}
	}
}
