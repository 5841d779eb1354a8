package savings

import (
	"math"
	"time"

	"greencommunity/metrics/holidays"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
)

// expected is the baseline's use on a day, and the regressors of a fitted one.
// False: the drivers are not known.
func (b *boundary) expected(day int, w books.Conditions) (use float64, row []float64, weight float64, ok bool) {
	l := b.Baseline
	month := int(time.Unix(int64(day)*86400, 0).UTC().Month()) - 1
	switch l.Method {
	case "lamp_inventory":
		hours := w.DarkHours
		if l.Hours == "fixed" {
			hours = l.FixedHours[month]
		}
		use, err := baseline.LampEnergy(l.Groups, hours, w.HoursOfDay)
		return use, nil, 0, err == nil
	case "irrigation":
		if math.IsNaN(w.ET0) || math.IsNaN(w.Rain) {
			return 0, nil, 0, false
		}
		return l.Irrigation.Use(w.ET0, w.Rain), nil, 0, true
	case "per_capita_monthly":
		persons := b.persons(day)
		use = l.Monthly[month] * persons
		weight = persons
		if l.Relative { // the fit's errors are shares of the month's use
			weight = use
		}
		weekend, festival := b.weekly(day), b.flags(day).Festival
		use *= 1 + l.Weekend*weekend + l.Festival*festival
		if b.fit != nil {
			row = make([]float64, b.fit.P)
			row[month] = weight
			if b.fit.P == 14 {
				row[12], row[13] = weight*weekend, weight*festival
			}
		}
		return use, row, weight, persons > 0
	}
	row = []float64{1}
	if l.CDD != nil || l.HDD != nil {
		if math.IsNaN(w.TempF) {
			return 0, nil, 0, false
		}
		if l.CDD != nil {
			row = append(row, max(0, w.TempF-*l.CDD))
		}
		if l.HDD != nil {
			row = append(row, max(0, *l.HDD-w.TempF))
		}
	}
	scale := 1.0
	if l.DarkHours {
		row = append(row, w.DarkHours)
		scale = w.DarkHours
	}
	for _, name := range l.Calendar {
		row = append(row, scale*b.flags(day).Named(name))
	}
	for j := range row {
		use += row[j] * l.Coef[j]
	}
	if l.Relative {
		return use, row, use, true
	}
	return use, row, 1, true
}

// flags of a day by the boundary's calendar.
func (b *boundary) flags(day int) holidays.Flags {
	return b.days.Of(time.Unix(int64(day)*86400, 0).UTC())
}

// weekly is 1 on a weekend or, where the baseline goes by the calendar, a day off.
func (b *boundary) weekly(day int) float64 {
	f := b.flags(day)
	if b.Baseline.RestDays {
		return f.Rest
	}
	return f.Weekend
}

// Drivers of the calendar, in Calendar of a baseline.
const (
	driverWeekend  = "weekend"
	driverRest     = "rest_days"
	driverFestival = "festival"
)

// reported says whether a day is of the reporting period.
func (b *boundary) reported(day int) bool {
	return b.saves() && day >= b.from
}

// evaluate compares both sides of a day. Either both count or neither does.
func (b *boundary) evaluate(c *books.Cell, day, meters int, length int64, w books.Conditions) {
	c.Closed, c.Dirty, c.Counted = true, "", false
	c.Actual, c.Baseline, c.Adjusted, c.Share, c.Spread = 0, 0, 0, 0, 0
	if !b.reported(day) {
		return
	}
	actual, share, spread := 0.0, 1.0, 0.0
	if b.metered() {
		if actual, share, spread = c.Mask(meters, length); share == 0 {
			return
		}
	} else {
		var err error
		if actual, err = baseline.LampEnergy(b.lamps(day), w.DarkHours, w.HoursOfDay); err != nil {
			return
		}
	}
	use, _, _, ok := b.expected(day, w)
	if !ok {
		return
	}
	c.Counted = true
	c.Share, c.Spread = share, use*spread
	c.Actual, c.Baseline, c.Adjusted = actual, use*share, b.adjustment(day, w)*share
}

// sum of the days from..to (exclusive) that are closed. Conditions are asked
// for only where a fitted baseline needs its regressors.
func (b *boundary) sum(l *books.Ledger, from, to int, conditions func(day int) books.Conditions) books.Sums {
	var s books.Sums
	from = max(from, b.from)
	if !b.saves() || from >= to {
		return s
	}
	for day := from; day < to; day++ {
		s.Due++
		c := l.Peek(day)
		if c == nil || !c.Counted {
			continue
		}
		s.Days++
		s.Share += c.Share
		s.Spread += c.Spread
		s.Actual += c.Actual
		s.Baseline += c.Baseline
		s.Adjusted += c.Adjusted
		if b.fit == nil {
			continue
		}
		_, row, weight, ok := b.expected(day, conditions(day))
		if !ok {
			continue
		}
		scatter := weight * c.Share
		if b.Baseline.Relative && c.Adjusted > 0 && c.Baseline > 0 { // in proportion to all that is there
			scatter *= (c.Baseline + c.Adjusted) / c.Baseline
		}
		s.Noise += scatter * scatter
		if s.Row == nil {
			s.Row = make([]float64, len(row))
		}
		for j := range row {
			s.Row[j] += row[j] * c.Share
		}
	}
	return s
}

// band is the half width at the boundary's confidence: that of the fit, or of
// what is stated, of the meter, and of the meters that were silent.
func (b *boundary) band(s books.Sums) float64 {
	if b.Baseline == nil || s.Days == 0 {
		return 0
	}
	return math.Hypot(b.known(s), s.Spread*math.Sqrt2*math.Erfinv(b.Uncertainty.Confidence))
}

// known is the band but for silent meters.
func (b *boundary) known(s books.Sums) float64 {
	class := 0.0
	if b.metered() {
		class = b.Uncertainty.MeterClass / 100
	}
	whole := s.Baseline + s.Adjusted // lamps that were added are known no better
	if b.fit == nil {
		if !b.metered() { // both sides are stated, and by the same nameplates
			u := &b.Uncertainty
			return math.Hypot(math.Hypot(whole*u.Watts, s.Actual*u.Watts), whole*math.Hypot(u.Year, math.Hypot(u.Burning, u.Hours)))
		}
		return baseline.Stipulated(whole, b.Uncertainty.stated(), s.Actual, class)
	}
	_, se := b.fit.Band(s.Row, s.Noise, b.Baseline.Effective)
	return math.Hypot(b.t*se, baseline.Stipulated(whole, b.Uncertainty.stated(), s.Actual, class))
}

// Result is a saving over a stretch of time with its uncertainty.
type Result struct {
	Actual, Baseline float64 // Baseline with non-routine adjustments
	Adjustment       float64 // the non-routine part of Baseline
	Saving           float64 // Baseline − Actual; GB() has the other sign
	Uncertainty      float64 // half width of the band
	Coverage         float64 // meter time that counts over that of the days due; NaN: none due
	Significant      bool    // |Saving| > Uncertainty
	Revision         int     // of a final figure; 0: provisional
}

// GB is the saving with the sign of GB/T 13234 and GB/T 28750: negative is saved.
func (r Result) GB() float64 { return -r.Saving }

// Status is final once a quarter is, and provisional until then.
func (r Result) Status() string {
	if r.Revision > 0 {
		return "final"
	}
	return "provisional"
}

// Verdict says it in words.
func (r Result) Verdict() string {
	switch {
	case !(r.Coverage > 0):
		return baseline.NoCoveredTime
	case !r.Significant:
		return baseline.Indistinct
	case r.Saving > 0:
		return baseline.Saved
	}
	return baseline.Increased
}

func (b *boundary) result(s books.Sums) Result {
	r := Result{Actual: s.Actual, Baseline: s.Baseline + s.Adjusted, Adjustment: s.Adjusted, Uncertainty: b.band(s), Coverage: math.NaN()}
	r.Saving = r.Baseline - r.Actual
	if s.Due > 0 {
		r.Coverage = s.Share / float64(s.Due)
	}
	r.Significant = s.Days > 0 && math.Abs(r.Saving) > r.Uncertainty
	return r
}
