package main

import (
	"cmp"
	"math"
	"slices"
)

// nabSeries is one file of the Numenta Anomaly Benchmark with a detector's scores.
type nabSeries struct {
	name    string
	scores  []float64
	labels  []bool   // inside a window
	windows [][2]int // first and last row
}

// windowsOf are the runs of labelled rows.
func windowsOf(labels []bool) [][2]int {
	var w [][2]int
	for i := 0; i < len(labels); i++ {
		if !labels[i] {
			continue
		}
		first := i
		for i+1 < len(labels) && labels[i+1] {
			i++
		}
		w = append(w, [2]int{first, i})
	}
	return w
}

// nabScore is the benchmark's standard profile (weights 1 for a window found
// or missed, 0.11 for a row in vain), normalised to 0 for a detector that says
// nothing and 100 for a perfect one, at the threshold that is best over all
// series together. A window is worth more the earlier in it a row fires; a row
// outside costs more the further behind the last window it is. The first 15 %
// of a series, at most 750 rows, are for learning and do not count.
// Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms", 2015.
func nabScore(series []nabSeries) (score, threshold float64, found, windows, inVain int) {
	return nabProfile(series, standardProfile)
}

// Weights of a row in vain in the benchmark's profiles; a window weighs 1.
const (
	standardProfile = 0.11
	lowFalse        = 0.22
)

// nabSplits divides the series five ways, always alike: by the order of their names.
const nabSplits = 5

// split returns the series of one split.
func split(series []nabSeries, n int) []nabSeries {
	sorted := slices.SortedFunc(slices.Values(series), func(a, b nabSeries) int { return cmp.Compare(a.name, b.name) })
	var out []nabSeries
	for i, s := range sorted {
		if i%nabSplits == n {
			out = append(out, s)
		}
	}
	return out
}

// nabProfile is nabScore with the weight of a row in vain.
func nabProfile(series []nabSeries, falsePositive float64) (score, threshold float64, found, windows, inVain int) {
	type row struct {
		score, weight float64
		window        int // over all series, -1 outside
	}
	var rows []row
	total := 0
	best := sigmoid(-1)
	for _, s := range series {
		n := len(s.scores)
		probation := min(int(0.15*float64(n)), 750)
		base := total
		total += len(s.windows)
		for i := probation; i < n; i++ {
			weight, window := -falsePositive, -1
			for k, w := range s.windows {
				if i < w[0] {
					break
				}
				width := float64(w[1] - w[0] + 1)
				if i <= w[1] {
					window = base + k
					weight = sigmoid(-float64(w[1]-i+1)/width) / best
					break
				}
				weight = sigmoid(float64(i-w[1])/max(width-1, 1)) * falsePositive
			}
			rows = append(rows, row{s.scores[i], weight, window})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.score, a.score) })
	null := -float64(total)
	perfect := float64(total)
	sum := null
	gain := make([]float64, total)
	hit := make([]bool, total)
	bestSum, threshold := null, 1.1
	hits, vain := 0, 0
	for i := 0; i < len(rows); {
		level := rows[i].score
		for ; i < len(rows) && rows[i].score == level; i++ {
			r := rows[i]
			switch {
			case r.window < 0:
				sum += r.weight
				vain++
			case !hit[r.window]:
				hit[r.window], gain[r.window] = true, r.weight
				sum += 1 + r.weight
				hits++
			case r.weight > gain[r.window]:
				sum += r.weight - gain[r.window]
				gain[r.window] = r.weight
			}
		}
		if sum > bestSum {
			bestSum, threshold, found, inVain = sum, level, hits, vain
		}
	}
	return 100 * (bestSum - null) / (perfect - null), threshold, found, total, inVain
}

// sigmoid weighs a row by its place relative to a window's end, in widths.
func sigmoid(x float64) float64 {
	if x > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*x)) - 1
}
