package savings

import (
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
)

// Sheet says what a frozen baseline rests on: what an auditor asks for before he
// believes a figure (IPMVP, ISO 50015, GB/T 28750).
type Sheet struct {
	Period     []Date         `json:"period"` // first day, first day after
	Hash       string         `json:"hash"`   // of the baseline and of what else decides the verdict
	ApprovedBy string         `json:"approved_by"`
	Evidence   string         `json:"evidence"`
	Accepted   []AcceptedSpec `json:"accepted,omitempty"`
	// Drivers: dark_hours, fixed_hours, cdd, hdd, persons, month, weekend, rest_days,
	// festival, weather (ET0 and rain), lamps.
	Drivers []string `json:"drivers"`
	// Static factors, which are taken to stay: lamps of the baseline, persons on the
	// first day after its period. 0: none.
	Lamps   float64 `json:"lamps,omitempty"`
	Persons float64 `json:"persons,omitempty"`
	// Meters that are listed by name; none where they are counted only.
	Meters       []ingest.DeviceID `json:"meters,omitempty"`
	Class        float64           `json:"meter_class"` // percent
	Intervention []Date            `json:"intervention,omitempty"`
	Swaps        []SwapSpec        `json:"swaps,omitempty"`
	// Of the fit: days, what they are worth, the lag-one autocorrelation of its residuals
	// or, where it was not given, the one that makes them worth so much (N·(1−ρ)/(1+ρ)),
	// CV(RMSE), NMBE, R². N is 0 where the baseline is stated and not fitted; what was
	// not given with a fit, R² of a mean among it, is null.
	N         int             `json:"n"`
	Effective baseline.Figure `json:"n_eff"`
	Rho       baseline.Figure `json:"rho"`
	CV        baseline.Figure `json:"cv_rmse"`
	NMBE      baseline.Figure `json:"nmbe"`
	R2        baseline.Figure `json:"r2"`
}

func (a *account) sheet() *Sheet {
	if !a.saves() {
		return nil
	}
	l, nan := a.Baseline, baseline.Figure(math.NaN())
	s := &Sheet{
		Period: l.Period, Hash: frozenHash(a.hash, a.terms), ApprovedBy: l.ApprovedBy, Evidence: l.Evidence, Accepted: l.Accepted,
		Class: a.Uncertainty.MeterClass, Intervention: a.Intervention, Swaps: a.Swaps,
		Effective: nan, Rho: nan, CV: nan, NMBE: nan, R2: nan,
	}
	for _, m := range a.Meters {
		s.Meters = append(s.Meters, m.Device)
	}
	for _, g := range l.Groups {
		s.Lamps += g.Count
	}
	switch l.Method {
	case "lamp_inventory":
		s.Drivers = []string{"lamps", "dark_hours"}
		if l.Hours == "fixed" {
			s.Drivers[1] = "fixed_hours"
		}
	case "regression":
		for driver, there := range map[string]bool{"cdd": l.CDD != nil, "hdd": l.HDD != nil, "dark_hours": l.DarkHours} {
			if there {
				s.Drivers = append(s.Drivers, driver)
			}
		}
		slices.Sort(s.Drivers)
		s.Drivers = append(s.Drivers, l.Calendar...)
	case "per_capita_monthly":
		s.Drivers = []string{"month", "persons"}
		if l.RestDays {
			s.Drivers = append(s.Drivers, driverRest)
		} else if l.Weekend != 0 {
			s.Drivers = append(s.Drivers, driverWeekend)
		}
		if l.Festival != 0 {
			s.Drivers = append(s.Drivers, "festival")
		}
		s.Persons = a.persons(a.Baseline.Period[1].number())
	case "mean":
		s.Drivers = append(s.Drivers, l.Calendar...)
	case "irrigation":
		s.Drivers = []string{"weather"}
	}
	if a.fit == nil {
		return s
	}
	s.N, s.Effective = l.N, baseline.Figure(l.Effective)
	s.Rho = baseline.Figure((float64(l.N) - l.Effective) / (float64(l.N) + l.Effective))
	if l.Rho != 0 {
		s.Rho = baseline.Figure(l.Rho)
	}
	if l.CV > 0 {
		s.CV, s.NMBE = baseline.Figure(l.CV), baseline.Figure(l.NMBE)
	}
	if l.R2 > 0 {
		s.R2 = baseline.Figure(l.R2)
	}
	return s
}

// Parts are what a band is made of, each a half width in kWh or m³: the root of the sum
// of their squares is the band.
type Parts struct {
	Fit     baseline.Figure `json:"fit"`         // scatter of days about the model, and its coefficients
	Watts   baseline.Figure `json:"watts"`       // stated watts or stipulated use
	Year    baseline.Figure `json:"year"`        // one year's level from the next one's
	Burning baseline.Figure `json:"burning"`     // share of lamps that burned
	Hours   baseline.Figure `json:"hours"`       // switching hours
	Class   baseline.Figure `json:"meter_class"` // of the meters
	Silent  baseline.Figure `json:"silent"`      // meters that were silent
}

// Total is the band.
func (p *Parts) Total() float64 {
	sum := 0.0
	for _, v := range p.all() {
		sum += float64(*v * *v)
	}
	return math.Sqrt(sum)
}

func (p *Parts) all() []*baseline.Figure {
	return []*baseline.Figure{&p.Fit, &p.Watts, &p.Year, &p.Burning, &p.Hours, &p.Class, &p.Silent}
}

// Add adds the parts of an independent boundary, by root of squares.
func (p *Parts) Add(o Parts) {
	theirs := o.all()
	for i, v := range p.all() {
		*v = baseline.Figure(math.Hypot(float64(*v), float64(*theirs[i])))
	}
}

// parts of the band of what the sums hold.
func (b *boundary) parts(s books.Sums) Parts {
	var p Parts
	if b.Baseline == nil || s.Days == 0 {
		return p
	}
	u := &b.Uncertainty
	share := func(relative float64) baseline.Figure {
		return baseline.Figure(math.Abs((s.Baseline + s.Adjusted) * relative))
	}
	p.Watts, p.Year, p.Burning, p.Hours = share(u.Watts), share(u.Year), share(u.Burning), share(u.Hours)
	switch {
	case !b.metered(): // both sides are by the same nameplates
		p.Watts = baseline.Figure(math.Hypot((s.Baseline+s.Adjusted)*u.Watts, s.Actual*u.Watts))
	default:
		p.Class = baseline.Figure(math.Abs(s.Actual * u.MeterClass / 100))
	}
	if b.fit != nil {
		_, se := b.fit.Band(s.Row, s.Noise, b.Baseline.Effective)
		p.Fit = baseline.Figure(b.t * se)
	}
	p.Silent = baseline.Figure(s.Spread * math.Sqrt2 * math.Erfinv(u.Confidence))
	return p
}

// Leakage is what goes into a boundary and does not come out of those nested in it, on
// the days on which all of them are metered: leaks, and use that nobody meters.
type Leakage struct {
	Days    int             `json:"days"`
	Entered baseline.Figure `json:"entered"`     // by the master meter, m³ or kWh
	Metered baseline.Figure `json:"metered"`     // by the meters behind it
	Lost    baseline.Figure `json:"lost"`        // Entered − Metered; negative where the meters disagree
	Band    baseline.Figure `json:"uncertainty"` // by the classes of the meters; 0: none is stated
	Share   baseline.Figure `json:"share"`       // Lost / Entered
}

// leakage of a boundary on the days first..over (exclusive). nil: nothing is nested in
// it directly, or no day has all of it.
func (e *Engine) leakage(a *account, first, over int) *Leakage {
	var behind []*account
	for _, b := range e.accounts {
		if b.parent == a.boundary && b.resource == a.resource && b.metered() {
			behind = append(behind, b)
		}
	}
	if len(behind) == 0 || !a.metered() {
		return nil
	}
	var l Leakage
	class := 0.0
	for d := first; d < over; d++ {
		begins, ends := e.calendar.Bounds(d)
		use := func(a *account) (float64, bool) {
			c := a.ledger.Peek(d)
			if c == nil {
				return 0, false
			}
			used, share, _ := c.Mask(a.meters, ends-begins)
			return used, share == 1
		}
		entered, ok := use(a)
		metered, stated := 0.0, 0.0
		for _, b := range behind {
			used, all := use(b)
			metered, ok = metered+used, ok && all
			stated += used * b.Uncertainty.MeterClass / 100
		}
		if ok {
			l.Days, l.Entered, l.Metered = l.Days+1, l.Entered+baseline.Figure(entered), l.Metered+baseline.Figure(metered)
			class += stated
		}
	}
	if l.Days == 0 || l.Entered <= 0 {
		return nil
	}
	l.Lost = l.Entered - l.Metered
	l.Share = l.Lost / l.Entered
	l.Band = baseline.Figure(math.Hypot(float64(l.Entered)*a.Uncertainty.MeterClass/100, class))
	return &l
}

// Normal is the saving of a typical year: the persons of now, each night of a year, no
// day missing. It rests on a year of the reporting period, as a quarter is not to be
// multiplied by four (CalTRACK 4.1.2).
type Normal struct {
	Baseline baseline.Figure `json:"adjusted_baseline"` // of the typical year
	Saving   baseline.Figure `json:"saving"`
	Band     baseline.Figure `json:"uncertainty"`
	Days     int             `json:"days"` // of the year that count
}

// monthDays of each calendar month must count for a typical year, as for a baseline.
const monthDays = 15

// normal is of the 365 days before over, where they are within first..over and of the
// reporting period. The share that was saved in each month is that of the typical one.
// nil: less than that, or a baseline that follows the weather, of which no typical year
// is known.
func (e *Engine) normal(a *account, first, over int) *Normal {
	const year = 365
	start := over - year
	if !a.saves() || start < max(first, a.from) || a.Baseline.CDD != nil || a.Baseline.HDD != nil || a.Baseline.Method == "irrigation" {
		return nil
	}
	var actual, adjusted, typical [12]float64
	var days [12]int
	persons := a.persons(over - 1)
	for d := start; d < over; d++ {
		month := int(time.Unix(int64(d)*86400, 0).UTC().Month()) - 1
		w := e.conditions(a, d)
		use, _, _, ok := a.expected(d, w)
		if !ok {
			return nil
		}
		if then := a.persons(d); a.Baseline.Method == "per_capita_monthly" && then > 0 {
			use *= persons / then
		}
		typical[month] += use + a.adjustmentOf(over-1, d, w) // the adjustments of now
		if c := a.ledger.Peek(d); c != nil && c.Counted {
			days[month]++
			actual[month] += c.Actual
			adjusted[month] += c.Baseline + c.Adjusted
		}
	}
	n := &Normal{}
	for m := range 12 {
		if days[m] < monthDays || adjusted[m] <= 0 {
			return nil
		}
		n.Days += days[m]
		n.Baseline += baseline.Figure(typical[m])
		n.Saving += baseline.Figure(typical[m] * (1 - actual[m]/adjusted[m]))
	}
	r := a.result(a.sum(&a.ledger, start, over, func(d int) books.Conditions { return e.conditions(a, d) }))
	n.Band = baseline.Figure(r.Uncertainty/math.Abs(r.Baseline)) * n.Baseline
	return n
}
