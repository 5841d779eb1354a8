package books

import (
	"slices"
	"sort"
)

// Sums hold what a saving over some days is computed from. They add up.
type Sums struct {
	Due, Days                  int     // days of the reporting period, and those that count
	Share                      float64 // of the meters' time: Days where no meter was silent
	Spread                     float64 // standard error for the meters that were
	Actual, Baseline, Adjusted float64
	Noise                      float64   // of a fitted baseline: Σ weight²
	Row                        []float64 // of a fitted baseline: Σ regressors
}

// Add adds the sums of other days or boundaries.
func (s *Sums) Add(o Sums) {
	s.Due += o.Due
	s.Days += o.Days
	s.Share += o.Share
	s.Spread += o.Spread
	s.Actual += o.Actual
	s.Baseline += o.Baseline
	s.Adjusted += o.Adjusted
	s.Noise += o.Noise
	if s.Row == nil && o.Row != nil {
		s.Row = make([]float64, len(o.Row))
	}
	for j := range o.Row {
		s.Row[j] += o.Row[j]
	}
}

// Same reports whether two sums show the same figures.
func (a Sums) Same(b Sums) bool {
	return a.Days == b.Days && a.Due == b.Due && a.Share == b.Share && a.Spread == b.Spread && a.Actual == b.Actual && a.Baseline == b.Baseline && a.Adjusted == b.Adjusted && slices.Equal(a.Row, b.Row)
}

// Quarter is a calendar quarter of a boundary: its sums as they are, and what
// was final, by revision.
type Quarter struct {
	Number int // year*4 + 0..3
	Sums   Sums
	Finals []Sums  // revision 1 first
	At     []int64 // when each was found, unix nanoseconds
}

// Quarters are those of a boundary, in order of time.
type Quarters []Quarter

// At returns a quarter by its number, a new one if there is none.
func (q *Quarters) At(number int) *Quarter {
	i := sort.Search(len(*q), func(i int) bool { return (*q)[i].Number >= number })
	if i < len(*q) && (*q)[i].Number == number {
		return &(*q)[i]
	}
	*q = append(*q, Quarter{})
	copy((*q)[i+1:], (*q)[i:])
	(*q)[i] = Quarter{Number: number}
	return &(*q)[i]
}
