package baseline

import "math"

const (
	// commonLevel is the share, at 90 %, by which the water of many homes differs from one
	// year to the next: the drier year, the older building (3 to 5 % in practice).
	commonLevel = 0.03
	// homeLevel is that of one home: people are born, move out, stay with others. Of 51
	// quarters of metered homes of two public data sets in which nothing was saved, against
	// the mean of half a year before, a band of the days' scatter alone has 34, with 0.20
	// it has 44, with 0.25 it has 47.
	homeLevel = 0.25
	// scatterLevel is the level's share over the CV(RMSE) of days, for who does not know the
	// homes: both fall with their number. With it 47 of the same 51 are inside.
	scatterLevel = 0.5
)

// YearLevel is what to state for how far a year's level of household water is from the
// next one's, as a share of the baseline at 90 %, for so many homes.
func YearLevel(homes float64) float64 {
	return math.Hypot(commonLevel, homeLevel/math.Sqrt(max(1, homes)))
}

// YearLevelOf is YearLevel where the homes are not known, from the CV(RMSE) of days.
func YearLevelOf(cv float64) float64 { return max(commonLevel, scatterLevel*cv) }

// StatedBand returns a window's band where a share of the year's level is stated.
type StatedBand struct {
	YearRel Figure `json:"year_rel"`
	Level   Figure `json:"dE_90"`   // the stated part alone
	Band    Figure `json:"band_90"` // with the fit's, by root of squares
}

// State adds a stated share of the year's level to the bands of all windows, and judges
// them by these.
func (a *Analysis) State(yearRel float64) {
	for _, windows := range []map[string]*Window{a.Windows, a.Calendar} {
		for _, w := range windows {
			if w.M == 0 {
				continue
			}
			level := Figure(yearRel * math.Abs(float64(w.Baseline)))
			w.Stated = &StatedBand{Figure(yearRel), level, Figure(math.Hypot(float64(level), float64(w.Exact.DE90AC)))}
			switch {
			case math.Abs(float64(w.Saving)) <= float64(w.Stated.Band):
				w.Verdict = Indistinct
			case w.Saving > 0:
				w.Verdict = Saved
			default:
				w.Verdict = Increased
			}
		}
	}
}
