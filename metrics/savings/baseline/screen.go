package baseline

import (
	"fmt"
	"math"
	"slices"
	"time"

	"greencommunity/metrics/holidays"
)

// Day is a day of what may become a baseline.
type Day struct {
	Date    time.Time // its local date, as UTC midnight
	Use     float64   // NaN: missing
	Persons float64   // 0: use is not per head
	Dark    float64   // hours the sun is down; 0: use does not follow the night
	Night   float64   // mean flow from 02:00 to 04:00, m³/h; NaN or 0: not known
	Meters  int       // that reported; 0: not known
	Alarm   bool      // an alarm of a leak was open
}

// Screening says whether a baseline may be frozen, and what is wrong with it.
type Screening struct {
	Days     int       `json:"days"`    // from the first to the last
	Missing  int       `json:"missing"` // of these, without use
	Findings []Finding `json:"findings"`
	Accept   bool      `json:"accept"` // nothing found refuses it, or it was accepted by name
	// LeakLimit is the smallest leak, m³/h, of 60 days that the days' use would have shown
	// in 99.5 % of such years; 0: use is not per head, or the night flow tells.
	LeakLimit Figure `json:"leak_limit,omitempty"`

	moves float64 // what a leak of 1 m³/h for leakDays days moves a quarter by, 0-1
}

// Finding is one thing that is wrong with a baseline.
type Finding struct {
	// Kind is thin, season, leak, leak_alarm, leak_limit, night_flow, level_shift, low,
	// outlier, outliers or meters.
	Kind string `json:"kind"`
	From string `json:"from,omitempty"` // first day
	To   string `json:"to,omitempty"`   // last day
	// PerDay says how far use stands above what the rest of the year lets expect, in the
	// table's unit a day; Effect what it adds to the baseline of the quarter that has
	// most of it, 0-1.
	PerDay  Figure `json:"per_day"`
	Effect  Figure `json:"effect"`
	Refuses bool   `json:"refuses"`
	What    string `json:"what"`
	// Accepted is the reason for which it was accepted nevertheless.
	Accepted string `json:"accepted,omitempty"`

	first, after int // indices into the days
}

const (
	// stands sets by how many standard errors a stretch must stand out beyond what the
	// widest of so many stretches of its length does by chance, which chance tells
	// (Dümbgen and Spokoiny 2001).
	stands = 1.9
	// harmonics of the year that are the season: a second one would take a leak of two
	// months for a part of it.
	harmonics = 1
	// least effect, of the mean use, that a stretch must have to be told.
	leastPulse = 0.03
	// shortest stretch; what is shorter is an outlier or no matter.
	shortest = 3
	// outlying days are so many robust standard deviations off.
	outlying = 5.0
	// LeakMatters is the leak, m³/h, of leakDays days that a baseline must not have within
	// it unnoticed, where it moves a quarter by more than leakMoves.
	LeakMatters = 0.5
	leakDays    = 60
	leakMoves   = 0.01
	// blind is for how many days in a row the night flow may be unknown and still tell.
	blind = 7
	// surely is the quantile of 99.5 %.
	surely = 2.576
)

// Screen looks through the days of a baseline before it is frozen: whether they are
// enough; leaks within them, by open alarms, by the night flow and by use that stands
// above the rest of the year for a while; level shifts, outliers, meters that came or
// went. Each is a finding with what it does to the figure. Days are in order.
//
// A stretch stands out by least squares: use relative to its mean, on a year's first
// harmonic (or on the dark hours), weekends, public holidays, the Spring Festival and a
// pulse, over all pulses of at least three days. The pulse's t allows for autocorrelation.
func Screen(days []Day, c *holidays.Calendar) *Screening {
	s := &Screening{Findings: []Finding{}}
	if len(days) == 0 {
		s.Findings = append(s.Findings, Finding{Kind: "thin", Refuses: true, What: "there are no days"})
		return s
	}
	s.sufficiency(days)
	kept := slices.DeleteFunc(slices.Clone(days), func(d Day) bool { return math.IsNaN(d.Use) })
	if len(kept) >= 60 {
		s.stretches(kept, c)
	}
	s.alarms(days)
	s.nights(days)
	s.meters(days)
	s.Accept = !slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Refuses })
	return s
}

// Refused are the findings that stand in the way, each in a sentence.
func (s *Screening) Refused() []string {
	var all []string
	for _, f := range s.Findings {
		if f.Refuses && f.Accepted == "" {
			all = append(all, f.Kind+": "+f.What)
		}
	}
	return all
}

// AcceptKind accepts the findings of a kind for a reason that is kept. False: there are none.
// Who answers for a leak that was found answers for one that days' use does not show.
func (s *Screening) AcceptKind(kind, reason string) bool {
	found := false
	for i := range s.Findings {
		if f := &s.Findings[i]; f.Kind == kind || kind == "leak" && f.Kind == "leak_limit" {
			f.Accepted, found = reason, true
		}
	}
	s.Accept = len(s.Refused()) == 0
	return found
}

func (s *Screening) sufficiency(days []Day) {
	first, last := days[0].Date, days[len(days)-1].Date
	s.Days = int(last.Sub(first).Hours()/24+0.5) + 1
	known, months := 0, [12]int{}
	for _, d := range days {
		if !math.IsNaN(d.Use) {
			known++
			months[d.Date.Month()-1]++
		}
	}
	s.Missing = s.Days - known
	if s.Days < 365 || known < 365-37 {
		s.Findings = append(s.Findings, Finding{Kind: "thin", From: first.Format(time.DateOnly), To: last.Format(time.DateOnly), Refuses: true,
			What: fmt.Sprintf("%d days with use of %d; a baseline needs a year of 365 with at most 37 missing (CalTRACK 2.2)", known, s.Days)})
		return
	}
	for m, n := range months {
		if n < 15 {
			s.Findings = append(s.Findings, Finding{Kind: "season", Refuses: true, What: fmt.Sprintf("%s has %d days with use; 15 are needed", time.Month(m+1), n)})
		}
	}
}

// stretches finds what stands out.
func (s *Screening) stretches(days []Day, c *holidays.Calendar) {
	n := len(days)
	y, level := make([]float64, n), 0.0
	lit := !slices.ContainsFunc(days, func(d Day) bool { return !(d.Dark > 0) })
	for i, d := range days {
		y[i] = d.Use
		if d.Persons > 0 {
			y[i] /= d.Persons
		}
		level += y[i] / float64(n)
	}
	if !(level > 0) {
		return
	}
	columns, holidays := [][]float64{make([]float64, n), make([]float64, n), make([]float64, n)}, make([]float64, n)
	for i, d := range days {
		y[i] /= level
		columns[0][i] = 1
		f := c.Of(d.Date)
		columns[1][i], columns[2][i], holidays[i] = f.Weekend, f.Festival, (f.Rest-f.Weekend)*(1-f.Festival)
	}
	if lit {
		night := make([]float64, n)
		for i, d := range days {
			night[i] = d.Dark
		}
		columns = append(columns, night)
	} else if s.Days >= 300 { // less than a year has no season of its own
		for k := 1.0; k <= harmonics; k++ {
			a, b := make([]float64, n), make([]float64, n)
			for i, d := range days {
				b[i], a[i] = math.Sincos(2 * math.Pi * k * float64(d.Date.YearDay()) / 365.25)
			}
			columns = append(columns, a, b)
		}
	}
	pulses, sizes, left := prominent(y, columns, holidays, leastPulse)
	for i := range pulses {
		s.tell(days, pulses[i], sizes[i], level)
	}
	s.limit(days, columns, left, len(pulses))
	s.outliers(days, left, pulses, level)
}

// limit says which leak the days of households would not have shown: what must stand out
// of the widest of all stretches, and by what a stretch of leakDays is uncertain where the
// season and the calendar take most of it. left is what nothing explains, relative to the
// mean use.
func (s *Screening) limit(days []Day, columns [][]float64, left []float64, pulses int) {
	n, use, nights, unknown, longest := len(days), 0.0, 0, 0, 0
	for _, d := range days {
		if !(d.Persons > 0) {
			return
		}
		use += d.Use / float64(n)
		if unknown++; d.Night > 0 {
			nights, unknown = nights+1, 0
		}
		longest = max(longest, unknown)
	}
	if nights >= 60 && longest <= blind || n < 2*leakDays {
		return
	}
	basis := perpendicular(columns)
	least := math.Inf(1)
	for first := 0; first+leakDays <= n; first += 5 {
		norm := float64(leakDays)
		for _, q := range basis {
			along := 0.0
			for _, v := range q[first : first+leakDays] {
				along += v
			}
			norm -= along * along
		}
		least = min(least, norm)
	}
	if !(least > 1) {
		return
	}
	size := (stands + chance(leakDays, n) + surely) * scatterOf(left, len(basis)+pulses) / math.Sqrt(least)
	s.LeakLimit = Figure(size * use / 24)
	s.moves = leakDays / (91 * use / 24)
	if s.LeakLimit > LeakMatters && LeakMatters*s.moves > leakMoves {
		s.Findings = append(s.Findings, s.undecided(days[0], days[n-1], LeakMatters))
	}
}

// undecided is the finding that a leak of a rate, m³/h, could be within.
func (s *Screening) undecided(first, last Day, rate float64) Finding {
	return Finding{Kind: "leak_limit", From: first.Date.Format(time.DateOnly), To: last.Date.Format(time.DateOnly), PerDay: Figure(24 * rate), Effect: Figure(rate * s.moves),
		What: fmt.Sprintf("a leak of %.2g m³/h for %d days could be within, which moves a quarter by %.1f %%: by days' use alone only %.2f m³/h stands out in 99.5 %% of such years, and one of the whole year never; "+
			"give the flow from 02:00 to 04:00 (column night_flow, or --boundary with meters that are read hourly), which shows both, "+
			"or name what else shows that nothing leaked: --accept \"leak_limit=night survey of 3 March, order 17\"", rate, leakDays, 100*rate*s.moves, float64(s.LeakLimit))}
}

// Exclude refuses a baseline of days within which a leak of a rate, m³/h, for leakDays
// days could be unnoticed, and move a quarter by more than leakMoves.
func (s *Screening) Exclude(days []Day, rate float64) {
	if s.LeakLimit <= Figure(rate) || rate*s.moves <= leakMoves {
		return
	}
	s.Findings = slices.DeleteFunc(s.Findings, func(f Finding) bool { return f.Kind == "leak_limit" })
	f := s.undecided(days[0], days[len(days)-1], rate)
	f.Refuses = true
	s.Findings, s.Accept = append(s.Findings, f), false
}

// perpendicular makes an orthonormal basis of columns (Gram and Schmidt, twice for the
// digits), without those that others make up.
func perpendicular(columns [][]float64) (basis [][]float64) {
	for _, c := range columns {
		c = slices.Clone(c)
		for range 2 {
			for _, q := range basis {
				axpy(c, q, -dot(c, q))
			}
		}
		if norm := math.Sqrt(dot(c, c)); norm > 1e-9*math.Sqrt(float64(len(c))) {
			for i := range c {
				c[i] /= norm
			}
			basis = append(basis, c)
		}
	}
	return basis
}

// scatterOf returns by how much days scatter that p terms were fitted to, autocorrelation
// and its bias (Marriott and Pope 1954) allowed for.
func scatterOf(r []float64, p int) float64 {
	n := float64(len(r))
	rho := Autocorrelation(r)
	if math.IsNaN(rho) {
		rho = 0
	}
	rho += (1 + 3*rho) / n * float64(p) / 2
	rho = min(0.95, max(0, rho))
	return math.Sqrt(dot(r, r) / (n - float64(p)) * (1 + rho) / (1 - rho))
}

// prominent finds the pulses that stand out of y beside the columns: their sizes, and what
// all leave of y. Public holidays (nil: none) are a column where they explain something.
// A pulse is at least so large.
func prominent(y []float64, columns [][]float64, holidays []float64, least float64) (pulses []Finding, sizes, left []float64) {
	n := len(y)
	basis := perpendicular(columns)
	add := func(c []float64) bool {
		before := len(basis)
		basis = perpendicular(append(slices.Clone(basis), c))
		return len(basis) > before
	}
	residual := func() []float64 {
		r := slices.Clone(y)
		for _, q := range basis {
			axpy(r, q, -dot(r, q))
		}
		return r
	}
	// Public holidays are a column of their own where they stand out by three standard
	// errors; else they would only take a part of what is looked for.
	if holidays != nil && add(holidays) {
		last := basis[len(basis)-1]
		along, left := dot(y, last), residual()
		if k := len(basis); math.Abs(along) < 3*math.Sqrt(dot(left, left)/float64(n-k)) {
			basis = basis[:k-1]
		} else {
			columns = append(columns, holidays)
		}
	}
	columns = slices.DeleteFunc(columns, func(c []float64) bool { return dot(c, c) == 0 })
	var marks [][]float64
	for range 6 {
		// Single days that are far off are told apart, so that none makes a stretch.
		r := residual()
		scale := 1.4826 * median(absolute(r))
		for i := range r {
			if scale > 0 && math.Abs(r[i]) > outlying*scale {
				r[i] = math.Copysign(outlying*scale, r[i])
			}
		}
		scatter := func(p int) float64 { return scatterOf(r, p) }
		var mark []float64
		var norm, size float64
		from, to := 0, 0
		off := func(sd float64) { // takes the widest stretch off r
			from, to = widest(r, basis, sd)
			mark = make([]float64, n)
			for i := from; i < to; i++ {
				mark[i] = 1
			}
			perpendicular := slices.Clone(mark)
			for _, q := range basis {
				axpy(perpendicular, q, -dot(perpendicular, q))
			}
			norm = dot(perpendicular, perpendicular)
			size = dot(r, perpendicular) / norm
			axpy(r, perpendicular, -size)
		}
		// How days scatter is known once what stands out is off.
		whole := slices.Clone(r)
		off(scatter(len(basis)) / 1e3)
		sd := scatter(len(basis) + 1)
		if !(sd > 0) {
			break
		}
		copy(r, whole)
		off(sd)
		if sd = scatter(len(basis) + 1); sd == 0 || math.Abs(size)*math.Sqrt(norm)/sd < stands+chance(to-from, n) || math.Abs(size) < least {
			break
		}
		add(mark)
		marks = append(marks, mark)
		pulses = append(pulses, Finding{first: from, after: to})
	}
	return pulses, jointly(y, columns, marks), residual()
}

// tell adds a stretch of use that stands out by size, of the mean.
func (s *Screening) tell(days []Day, f Finding, size, level float64) {
	length := f.after - f.first
	persons, quarters := 0.0, map[int][2]float64{} // year*4+q: added, use
	for i, d := range days {
		heads := max(d.Persons, 0)
		if heads == 0 {
			heads = 1
		}
		q := quarters[d.Date.Year()*4+(int(d.Date.Month())-1)/3]
		q[1] += d.Use
		if i >= f.first && i < f.after {
			q[0] += size * level * heads
			persons += heads / float64(length)
		}
		quarters[d.Date.Year()*4+(int(d.Date.Month())-1)/3] = q
	}
	worst := 0.0
	for _, q := range quarters {
		if clean := q[1] - q[0]; clean > 0 && math.Abs(q[0]/clean) > math.Abs(worst) {
			worst = q[0] / clean
		}
	}
	from, to := days[f.first].Date, days[f.after-1].Date
	f.From, f.To = from.Format(time.DateOnly), to.Format(time.DateOnly)
	f.PerDay, f.Effect = Figure(size*level*persons), Figure(worst)
	f.Refuses = true
	change := fmt.Sprintf("use stands %+.1f %% of its mean (%+.4g a day) off the rest of the year for %d days from %s to %s; it moves the baseline of a quarter by %+.1f %%",
		100*size, float64(f.PerDay), length, f.From, f.To, 100*worst)
	edge := f.first < shortest || f.after > len(days)-shortest
	switch {
	case edge:
		f.Kind, f.What = "level_shift", change+": something changed for good; find out what, begin the baseline after it, or adjust it"
	case size > 0:
		f.Kind, f.What = "leak", change+": a leak or an event that ended; its repair is a saving of its own kind"
	default:
		f.Kind, f.What = "low", change+": meters without reads, empty homes, or a supply that was cut"
	}
	s.Findings = append(s.Findings, f)
}

// outliers are single days.
func (s *Screening) outliers(days []Day, r []float64, pulses []Finding, level float64) {
	scale := 1.4826 * median(absolute(r))
	count, sum, total := 0, 0.0, 0.0
	for i, d := range days {
		total += d.Use
		if scale > 0 && math.Abs(r[i]) > outlying*scale {
			heads := max(1, d.Persons)
			count, sum = count+1, sum+r[i]*level*heads
			if count <= len(days)/20 {
				s.Findings = append(s.Findings, Finding{Kind: "outlier", From: d.Date.Format(time.DateOnly), To: d.Date.Format(time.DateOnly), PerDay: Figure(r[i] * level * heads),
					Effect: Figure(r[i] * level * heads / total), What: fmt.Sprintf("%.4g on %s is %.1f robust standard deviations off; it is left out", d.Use, d.Date.Format(time.DateOnly), r[i]/scale), first: i, after: i + 1})
			}
		}
	}
	if count > len(days)/20 {
		s.Findings = append(s.Findings, Finding{Kind: "outliers", Refuses: true, Effect: Figure(sum / total), What: fmt.Sprintf("%d of %d days are outliers: the model does not fit them", count, len(days))})
	}
}

// runs are stretches of days of which something holds; a gap of up to two days does
// not end one.
func runs(days []Day, holds func(Day) bool) [][2]int {
	var list [][2]int
	for i, d := range days {
		if !holds(d) {
			continue
		}
		if n := len(list); n > 0 && i-list[n-1][1] <= 2 {
			list[n-1][1] = i + 1
			continue
		}
		list = append(list, [2]int{i, i + 1})
	}
	return list
}

func (s *Screening) alarms(days []Day) {
	for _, r := range runs(days, func(d Day) bool { return d.Alarm }) {
		from, to := days[r[0]].Date.Format(time.DateOnly), days[r[1]-1].Date.Format(time.DateOnly)
		s.Findings = append(s.Findings, Finding{Kind: "leak_alarm", From: from, To: to, Refuses: true,
			What: fmt.Sprintf("an alarm of a leak was open on %d days from %s to %s", r[1]-r[0], from, to)})
	}
}

// nights compares the night flow with legitimate night use. Its median shows a leak of
// the whole year, which no day stands out of.
func (s *Screening) nights(days []Day) {
	var net, uses []float64
	for _, d := range days {
		if d.Night > 0 && d.Persons > 0 && d.Use > 0 {
			net, uses = append(net, NightFlow{}.Balance(d.Night, d.Persons).Net), append(uses, d.Use)
		}
	}
	if len(net) < 30 {
		return
	}
	s.nightLeaks(days)
	flow, use := median(net), median(uses)
	if share := flow * 24 / use; share > 0.05 {
		s.Findings = append(s.Findings, Finding{Kind: "night_flow", From: days[0].Date.Format(time.DateOnly), To: days[len(days)-1].Date.Format(time.DateOnly),
			PerDay: Figure(24 * flow), Effect: Figure(24 * flow / (use - 24*flow)), Refuses: true,
			What: fmt.Sprintf("the median night has %.2f m³/h more than legitimate use (6 %% of the persons, 10 L each, an hour): %.1f %% of all use would be leakage, all the time", flow, 100*share)})
	}
}

// nightLeaks are stretches of nights whose flow stands above the other nights'. A leak of
// 0.5 m³/h is hard to see in a day's use of 100 m³, and as much again at night.
func (s *Screening) nightLeaks(days []Day) {
	known := slices.DeleteFunc(slices.Clone(days), func(d Day) bool { return !(d.Night > 0 && d.Use > 0) })
	n := len(known)
	if n < 60 {
		return
	}
	y, columns := make([]float64, n), [][]float64{make([]float64, n)}
	level, use := 0.0, 0.0
	for i, d := range known {
		y[i], columns[0][i] = d.Night, 1
		level, use = level+d.Night/float64(n), use+d.Use/float64(n)
	}
	if s.Days >= 300 {
		cos, sin := make([]float64, n), make([]float64, n)
		for i, d := range known {
			sin[i], cos[i] = math.Sincos(2 * math.Pi * float64(d.Date.YearDay()) / 365.25)
		}
		columns = append(columns, cos, sin)
	}
	// 1 % of a day's use, at night.
	pulses, sizes, _ := prominent(y, columns, nil, 0.01*use/24)
	for i, f := range pulses {
		if sizes[i] <= 0 {
			continue
		}
		from, to := known[f.first].Date.Format(time.DateOnly), known[f.after-1].Date.Format(time.DateOnly)
		s.Findings = append(s.Findings, Finding{Kind: "leak", From: from, To: to, PerDay: Figure(24 * sizes[i]), Effect: Figure(24 * sizes[i] / use), Refuses: true,
			What: fmt.Sprintf("from %s to %s the flow from 02:00 to 04:00 stands %.2f m³/h above that of the other nights, of %.2f in the mean: a leak or a tap left open, %.1f %% of a day's use", from, to, sizes[i], level, 100*24*sizes[i]/use)})
	}
}

// meters that came or went.
func (s *Screening) meters(days []Day) {
	most := 0
	for _, d := range days {
		most = max(most, d.Meters)
	}
	if most == 0 {
		return
	}
	for _, r := range runs(days, func(d Day) bool { return d.Meters > 0 && float64(d.Meters) < 0.98*float64(most) }) {
		fewest := most
		for _, d := range days[r[0]:r[1]] {
			if d.Meters > 0 {
				fewest = min(fewest, d.Meters)
			}
		}
		if r[1]-r[0] < shortest {
			continue
		}
		from, to := days[r[0]].Date.Format(time.DateOnly), days[r[1]-1].Date.Format(time.DateOnly)
		s.Findings = append(s.Findings, Finding{Kind: "meters", From: from, To: to, Refuses: true, Effect: Figure(float64(fewest)/float64(most) - 1),
			What: fmt.Sprintf("%d of %d meters have reads from %s to %s: what the others used is not in the baseline", fewest, most, from, to)})
	}
}

// WithoutOutliers are the days with use, but those that are outliers.
func (s *Screening) WithoutOutliers(days []Day) []Day {
	kept := slices.DeleteFunc(slices.Clone(days), func(d Day) bool { return math.IsNaN(d.Use) })
	for _, f := range s.Findings {
		if f.Kind == "outlier" {
			kept[f.first].Use = math.NaN()
		}
	}
	return slices.DeleteFunc(kept, func(d Day) bool { return math.IsNaN(d.Use) })
}

// chance returns how many standard errors the widest of the stretches of a length stands
// out where nothing happened, about.
func chance(length, n int) float64 { return math.Sqrt(2 * (1 + math.Log(float64(n)/float64(length)))) }

// widest is the pulse [from, to) that stands out most of r, which is perpendicular to
// the basis and scatters by sd, autocorrelation allowed for.
func widest(r []float64, basis [][]float64, sd float64) (from, to int) {
	n := len(r)
	sums := make([][]float64, len(basis)+1)
	for k := range sums {
		sums[k] = make([]float64, n+1)
		v := r
		if k > 0 {
			v = basis[k-1]
		}
		for i := range n {
			sums[k][i+1] = sums[k][i] + v[i]
		}
	}
	best := math.Inf(-1)
	for i := range n {
		for j := i + shortest; j <= n; j++ {
			norm := float64(j - i)
			if norm > float64(n)/2 {
				break // its complement is the pulse
			}
			for _, s := range sums[1:] {
				norm -= (s[j] - s[i]) * (s[j] - s[i])
			}
			if norm < 1 {
				continue
			}
			if t := math.Abs(sums[0][j]-sums[0][i])/math.Sqrt(norm)/sd - chance(j-i, n); t > best {
				best, from, to = t, i, j
			}
		}
	}
	return from, to
}

// jointly fits all columns and marks; it returns the marks' coefficients.
func jointly(y []float64, columns, marks [][]float64) []float64 {
	if len(marks) == 0 {
		return nil
	}
	all := append(slices.Clone(columns), marks...)
	X := make([][]float64, len(y))
	for i := range X {
		X[i] = make([]float64, len(all))
		for j := range all {
			X[i][j] = all[j][i]
		}
	}
	fit, err := Fit(X, y, nil)
	if err != nil { // a mark that another one makes up
		return make([]float64, len(marks))
	}
	return fit.Coef[len(columns):]
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func axpy(into, v []float64, by float64) {
	for i := range into {
		into[i] += by * v[i]
	}
}

func absolute(v []float64) []float64 {
	a := make([]float64, len(v))
	for i := range v {
		a[i] = math.Abs(v[i])
	}
	return a
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return math.NaN()
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// DaysOf are person days as Screen takes them.
func DaysOf(days []PersonDay) []Day {
	list := make([]Day, len(days))
	for i, d := range days {
		list[i] = Day{Date: d.Date, Use: d.Use, Persons: d.Persons, Night: d.Night, Alarm: d.Alarm}
	}
	return list
}

// PersonDaysOf is the counterpart, without what is missing.
func PersonDaysOf(days []Day) []PersonDay {
	var list []PersonDay
	for _, d := range days {
		if !math.IsNaN(d.Use) {
			list = append(list, PersonDay{Date: d.Date, Use: d.Use, Persons: d.Persons, Night: d.Night, Alarm: d.Alarm})
		}
	}
	return list
}
