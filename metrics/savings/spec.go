package savings

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/holidays"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/sun"
	"greencommunity/metrics/usage"
)

// Date is a local calendar day.
type Date struct{ time.Time }

// UnmarshalText reads 2026-03-01.
func (d *Date) UnmarshalText(b []byte) error {
	t, err := time.Parse(time.DateOnly, string(b))
	if err != nil {
		return fmt.Errorf("%q is not a day; write 2026-03-01", b)
	}
	d.Time = t
	return nil
}

// MarshalText is the counterpart of UnmarshalText.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.Format(time.DateOnly)), nil }

// QuarterOf reads 2026Q1: its first day, and the first after.
func QuarterOf(text string) (from, to Date, err error) {
	var year, quarter int
	if _, err := fmt.Sscanf(text, "%dQ%d", &year, &quarter); err != nil || quarter < 1 || quarter > 4 || text != fmt.Sprintf("%dQ%d", year, quarter) {
		return from, to, fmt.Errorf("%q is no quarter; write 2026Q1", text)
	}
	from.Time = time.Date(year, time.Month(3*quarter-2), 1, 0, 0, 0, 0, time.UTC)
	to.Time = from.AddDate(0, 3, 0)
	return from, to, nil
}

// number of the day, counted from 1970-01-01.
func (d Date) number() int { return int(d.Unix() / 86400) }

// Spec is the reference of communities[].boundaries[].spec in inventory.yaml.
type Spec struct {
	Resource string              `yaml:"resource"` // electricity (kWh) or water (m³)
	Facility ingest.FacilityKind `yaml:"facility"` // label; default lighting or water
	// IPMVP option: A (stipulated, at least one key parameter measured),
	// B (metered), C (whole boundary, regression), none (use is shown, no saving).
	IPMVP string `yaml:"ipmvp"`
	// Meters whose registers add up to the boundary's use. Empty: the devices
	// whose boundary is this one; then MeterCount says how many there are, so
	// that one that never reported is missed.
	Meters     []MeterSpec   `yaml:"meters"`
	MeterCount int           `yaml:"meter_count"`
	Register   RegisterSpec  `yaml:"register"`
	Swaps      []SwapSpec    `yaml:"swaps"`
	NestedIn   string        `yaml:"nested_in"` // the boundary this is part of: counted there
	Population []PersonsSpec `yaml:"population"`
	Weather    string        `yaml:"weather"` // device whose temperature (and rainfall) drives the baseline
	Baseline   *BaselineSpec `yaml:"baseline"`
	// Reporting are the lamps after the measure: option A's actual use.
	Reporting    []DatedLamps    `yaml:"reporting"`
	Intervention []Date          `yaml:"intervention"` // [first day, first day after]: counted on neither side
	Uncertainty  UncertaintySpec `yaml:"uncertainty"`
	Adjustments  []Adjustment    `yaml:"nra"`
	// Quota in litres a person and day: a compliance figure, never a baseline.
	Quota float64 `yaml:"quota_liters_per_person_day"`
	// PowerDensity of the lamps that are there now: a compliance figure as well.
	PowerDensity *PowerDensitySpec `yaml:"power_density"`
}

// DatedLamps are lamps that are there on some days: from the first, to the day after
// the last. Without dates they always are.
type DatedLamps struct {
	baseline.Lamps `yaml:",inline"`
	From           Date `yaml:"from"`
	To             Date `yaml:"to"`
}

// inForce reports whether a day is in [from, to), where no date is no limit.
func inForce(from, to Date, day int) bool {
	return (from.IsZero() || from.number() <= day) && (to.IsZero() || day < to.number())
}

// lamps of option A on a day.
func (b *boundary) lamps(day int) []baseline.Lamps {
	var there []baseline.Lamps
	for _, l := range b.Reporting {
		if inForce(l.From, l.To, day) {
			there = append(there, l.Lamps)
		}
	}
	return there
}

// stated are the lamps of a list, whenever they are there.
func stated(dated []DatedLamps) []baseline.Lamps {
	var all []baseline.Lamps
	for _, l := range dated {
		all = append(all, l.Lamps)
	}
	return all
}

// PowerDensitySpec is an area that is lit, and the limit of CJJ 45 for it.
type PowerDensitySpec struct {
	Area   float64          `yaml:"area_m2"`
	Limit  float64          `yaml:"limit_watts_per_m2"` // none: nothing to comply with
	Groups []baseline.Lamps `yaml:"groups"`             // the lamps now; default those of reporting
}

// MeterSpec names a meter.
type MeterSpec struct {
	Device  ingest.DeviceID `yaml:"device"`
	Channel string          `yaml:"channel"`
}

// key names a meter within its boundary: FNV-1a of device and channel.
func (m MeterSpec) key() uint64 {
	h := uint64(14695981039346656037)
	for _, s := range [...]string{string(m.Device), m.Channel} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h *= 1099511628211 // an end that no name holds
	}
	return h
}

// RegisterSpec holds what is known of the registers, in the boundary's unit. All of it
// may be left out: the book of use knows plausible limits of its own.
type RegisterSpec struct {
	Modulus   float64 `yaml:"modulus"`
	Tolerance float64 `yaml:"tolerance"`
	MaxPerDay float64 `yaml:"max_per_day"`
}

// SwapSpec is a meter exchanged under the same device id.
type SwapSpec struct {
	Device  ingest.DeviceID `yaml:"device"`
	At      string          `yaml:"at"` // RFC 3339
	Closing float64         `yaml:"closing"`
	Opening float64         `yaml:"opening"`
}

// PersonsSpec says how many persons there are from a day on.
type PersonsSpec struct {
	From    Date    `yaml:"from"`
	Persons float64 `yaml:"persons"`
	Source  string  `yaml:"source"`
}

// BaselineSpec is a frozen baseline. What it says may change only under a new
// version, with who approved it and the evidence.
type BaselineSpec struct {
	Version    int    `yaml:"version"`
	Period     []Date `yaml:"period"` // [first day, first day after]
	Method     string `yaml:"method"` // lamp_inventory, regression, per_capita_monthly, irrigation, mean
	ApprovedBy string `yaml:"approved_by"`
	Evidence   string `yaml:"evidence"`
	// Accepted says what its screening found and somebody accepted, and why.
	Accepted []AcceptedSpec `yaml:"accepted"`

	Groups []baseline.Lamps `yaml:"groups"` // lamp_inventory
	// Hours the lamps burn: astro_civil, astro_horizon, or fixed. A lamp swap
	// burns as long as before, so that the reporting days' own nights count; a
	// measure that controls the hours is compared with the fixed hours it had.
	Hours      string    `yaml:"hours"`
	FixedHours []float64 `yaml:"fixed_hours"` // a day, by month

	// The fit of regression, per_capita_monthly (by month) and mean, as
	// `greencommunity savings` prints it. Balance points in °F.
	Coef      []float64   `yaml:"coef"`
	CDD       *float64    `yaml:"cdd_F"`
	HDD       *float64    `yaml:"hdd_F"`
	DarkHours bool        `yaml:"dark_hours"` // regression: the last coefficient is of dark hours, by Hours
	N         int         `yaml:"n"`
	Effective float64     `yaml:"n_eff"`
	RMSE      float64     `yaml:"rmse_n_minus_p"`
	Inverse   [][]float64 `yaml:"XtX_inv"`
	CV        float64     `yaml:"cv_rmse"`
	NMBE      float64     `yaml:"nmbe"`
	R2        float64     `yaml:"r2"`  // of a fit that has a driver
	Rho       float64     `yaml:"rho"` // lag-one autocorrelation of its residuals
	// Monthly use, m³ a person and day, January first, with how many days of
	// the baseline each month is the mean of.
	Monthly     []float64 `yaml:"monthly"`
	MonthlyDays []float64 `yaml:"monthly_days"`
	// Relative says that days scatter in proportion to their month's use, as
	// households' do: rmse_n_minus_p is then a share of it, 0-1. With dark_hours it is
	// a share of the day's expected use, and XtX_inv of days weighted by 1 over its square.
	Relative bool `yaml:"relative"`
	// Weekend and Festival are by how much use on Saturdays and Sundays, and about the
	// Spring Festival (four days before its first to eight after), is off the month's,
	// as a share of it; XtX_inv then has 14 rows. Festivals are its first days, where
	// they are others than the program knows.
	Weekend   float64 `yaml:"weekend"`
	Festival  float64 `yaml:"festival"`
	Festivals []Date  `yaml:"festivals"`
	// RestDays says that Weekend is of the days off by the calendar of public holidays
	// instead: weekends and holidays, but the weekends that are worked.
	RestDays bool `yaml:"rest_days"`
	// Calendar are drivers of regression and mean, whose coefficients are the last of
	// coef, in this order: weekend, rest_days, festival. With dark_hours each is of the
	// dark hours of such days, else of the day.
	Calendar   []string            `yaml:"calendar"`
	Irrigation baseline.Irrigation `yaml:"irrigation"`
}

// AcceptedSpec is a finding of a baseline's screening that was accepted by name.
type AcceptedSpec struct {
	Kind   string `yaml:"kind" json:"kind"`
	Reason string `yaml:"reason" json:"reason"`
}

// UncertaintySpec holds what is stated and not fitted, in relative terms at the
// confidence asked for.
type UncertaintySpec struct {
	Confidence float64 `yaml:"confidence"`  // default 0.90
	MeterClass float64 `yaml:"meter_class"` // percent
	Watts      float64 `yaml:"watts_rel"`   // of nameplate watts or stipulated use, 0-1
	// What the scatter of days does not hold, 0-1, each of the whole baseline: how far a
	// year's level is from the next one's (3 to 5 % of households' water), the share of
	// lamps that burned, and the hours they are switched for.
	Year    float64 `yaml:"year_rel"`
	Burning float64 `yaml:"burning_rel"`
	Hours   float64 `yaml:"hours_rel"`
}

// stated returns what of the baseline is stated and not fitted, together, 0-1.
func (u *UncertaintySpec) stated() float64 {
	return math.Hypot(math.Hypot(u.Watts, u.Year), math.Hypot(u.Burning, u.Hours))
}

// Adjustment is a non-routine adjustment: what static factors changed.
type Adjustment struct {
	From   Date    `yaml:"from" json:"from"`
	To     Date    `yaml:"to" json:"to,omitzero"` // first day after; none: for good
	PerDay float64 `yaml:"per_day" json:"per_day"`
	KWh    float64 `yaml:"kwh_per_day" json:"-"` // the same, for electricity
	// Groups are lamps that were added, or with remove taken away: they burn as long
	// as the night of each day, or as baseline.fixed_hours say.
	Groups []baseline.Lamps `yaml:"groups" json:"groups,omitempty"`
	Remove bool             `yaml:"remove" json:"remove,omitempty"`
	Why    string           `yaml:"why" json:"why"`
	Doc    string           `yaml:"doc" json:"doc"`
}

// boundary is a checked Spec.
type boundary struct {
	Spec
	key       string // community/id
	community *inventory.Community
	id        string
	hash      string // of the baseline
	resource  usage.Resource
	terms     string // hash of what decides the verdict beside the baseline
	dated     string // hash of population and reporting, which hold from a day on
	nraHash   string // of the adjustments
	nraBefore string // the same as programs before the form b1 wrote it
	parent    *boundary
	days      *holidays.Calendar
	fitted    []inventory.CalendarYear // of the inventory's calendar, those of the baseline
	fit       *baseline.Regression     // nil: stipulated
	t         float64                  // quantile of fit
	elevation float64                  // of the sun, for burn hours
	from      int                      // first day that is reported, by number
	swaps     map[ingest.DeviceID][]swap
}

type swap struct {
	at               int64
	closing, opening float64
}

// counts reports whether the boundary's saving is part of its community's: it
// is, unless a boundary that contains it has a saving itself.
func (b *boundary) counts() bool {
	for p := b.parent; p != nil; p = p.parent {
		if p.saves() {
			return false
		}
	}
	return true
}

// saves reports whether there is a baseline to save against.
func (b *boundary) saves() bool { return b.Baseline != nil && b.IPMVP != "none" }

// followsNight reports whether a day's dark hours decide a figure.
func (b *boundary) followsNight() bool {
	l := b.Baseline
	added := slices.ContainsFunc(b.Adjustments, func(a Adjustment) bool { return len(a.Groups) > 0 })
	return !b.metered() || l != nil && (added && l.Hours != "fixed" || l.DarkHours || l.Method == "lamp_inventory" && l.Hours != "fixed")
}

// metered reports whether actual use comes from registers.
func (b *boundary) metered() bool { return b.IPMVP != "A" }

// CalendarOf is the calendar of public holidays that an inventory's baselines go by.
func CalendarOf(inv *inventory.Inventory) (*holidays.Calendar, error) {
	return holidays.New(yearsOf(inv.Calendar), nil)
}

func yearsOf(calendar []inventory.CalendarYear) map[int]holidays.Year {
	years := map[int]holidays.Year{}
	for _, y := range calendar {
		years[y.Year] = holidays.Year{Rest: y.Rest, Work: y.Work}
	}
	return years
}

// Check says what is wrong with the boundaries of an inventory, each problem
// with its path and its remedy. nil: nothing.
func Check(inv *inventory.Inventory) error {
	_, err := compile(inv)
	return err
}

// MetersOf says which devices are meters of a boundary.
func MetersOf(inv *inventory.Inventory, community ingest.CommunityID, id string) (func(ingest.DeviceID) bool, error) {
	all, err := compile(inv)
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if b.community.ID != community || b.id != id {
			continue
		}
		return func(device ingest.DeviceID) bool {
			if len(b.Meters) > 0 {
				return slices.ContainsFunc(b.Meters, func(m MeterSpec) bool { return m.Device == device })
			}
			d := inv.Device(device)
			return d != nil && d.Community == community && d.Boundary == id
		}, nil
	}
	return nil, fmt.Errorf("community %s has no boundary %q", community, id)
}

// Problems are those of Check, each with its line in the inventory's file.
func Problems(inv *inventory.Inventory) *document.Problems {
	_, p := compileAll(inv)
	return p
}

// compile checks and resolves all boundaries, in the inventory's order.
func compile(inv *inventory.Inventory) ([]*boundary, error) {
	all, p := compileAll(inv)
	return all, p.Err()
}

func compileAll(inv *inventory.Inventory) ([]*boundary, *document.Problems) {
	problems := inv.Problems()
	var all []*boundary
	byKey := map[string]*boundary{}
	owner := map[MeterSpec]*boundary{}
	for ci, c := range inv.Communities {
		first := len(all)
		for bi, raw := range c.Boundaries {
			path := fmt.Sprintf("communities[%d].boundaries[%d]", ci, bi)
			if raw == nil || raw.ID == "" {
				problems.Add(path+".id", "missing; give the boundary a name")
				continue
			}
			b := &boundary{community: c, id: raw.ID, key: string(c.ID) + "/" + raw.ID, swaps: map[ingest.DeviceID][]swap{}}
			if byKey[b.key] != nil {
				problems.Add(path+".id", "%q is there already; a boundary's id is unique in its community", raw.ID)
				continue
			}
			before := problems.Len()
			if !b.decode(path, raw, inv.Calendar, problems) {
				continue
			}
			b.check(path, problems)
			if problems.Len() == before {
				b.resolve()
			}
			byKey[b.key] = b
			all = append(all, b)
			for mi, m := range b.Meters {
				d := inv.Device(m.Device)
				if d != nil && d.Community != c.ID {
					problems.Add(fmt.Sprintf("%s.spec.meters[%d].device", path, mi), "%q is in community %s; a boundary's meters are in its own", m.Device, d.Community)
				}
				for steps := 0; d != nil && d.Parent != "" && steps < 64; steps++ {
					d = inv.Device(d.Parent)
					if d != nil && slices.ContainsFunc(b.Meters, func(o MeterSpec) bool { return o.Device == d.ID }) {
						problems.Add(fmt.Sprintf("%s.spec.meters[%d].device", path, mi),
							"%q stands behind %q (parent), a meter of this boundary too: its use would count twice; leave one of them out", m.Device, d.ID)
						break
					}
				}
			}
		}
		for i, b := range all[first:] {
			path := fmt.Sprintf("communities[%d].boundaries[%d]", ci, i)
			if b.NestedIn == "" {
				continue
			}
			if b.parent = byKey[string(c.ID)+"/"+b.NestedIn]; b.parent == nil {
				problems.Add(path+".spec.nested_in", "%q is no boundary of community %s", b.NestedIn, c.ID)
			}
		}
		for i, b := range all[first:] {
			seen := map[*boundary]bool{}
			for p := b; p != nil; p = p.parent {
				if seen[p] {
					problems.Add(fmt.Sprintf("communities[%d].boundaries[%d].spec.nested_in", ci, i), "is nested in itself; name what contains it")
					b.parent = nil
					break
				}
				seen[p] = true
			}
			for mi, m := range b.Meters {
				other := owner[m]
				if other != nil {
					problems.Add(fmt.Sprintf("communities[%d].boundaries[%d].spec.meters[%d]", ci, i, mi), "%s is a meter of boundary %s already; its use would count twice", m.Device, other.id)
					continue
				}
				owner[m] = b
			}
		}
	}
	return all, problems
}

// decode reads the spec as strictly as the rest of the inventory.
func (b *boundary) decode(path string, raw *inventory.Boundary, calendar []inventory.CalendarYear, problems *document.Problems) bool {
	if !raw.Spec.Given() {
		problems.Add(path+".spec", "missing; give at least resource and ipmvp")
		return false
	}
	ok := raw.Spec.Decode(&b.Spec, problems)
	if b.Baseline != nil {
		b.hash = hash(b.Baseline)
	}
	b.nraHash, b.nraBefore = hash(b.Adjustments), digest(unversionedAdjustments(b.Adjustments))
	d := dated{Population: b.Population, Persons: b.community.Population, Reporting: b.Reporting}
	b.days = holidays.Standard()
	if l := b.Baseline; l != nil && (len(calendar) > 0 || len(l.Festivals) > 0) {
		var firsts []time.Time
		for _, f := range l.Festivals {
			firsts = append(firsts, f.Time)
		}
		days, err := holidays.New(yearsOf(calendar), firsts)
		if err != nil {
			problems.Add("calendar", "%v", err)
			return false
		}
		b.days = days
		if l.RestDays || slices.Contains(l.Calendar, driverRest) {
			// The years of the baseline are a part of its fit; later ones become known.
			for _, y := range calendar {
				if len(l.Period) == 2 && y.Year < l.Period[1].Year() {
					b.fitted = append(b.fitted, y)
				} else {
					d.Calendar = append(d.Calendar, y)
				}
			}
		}
	}
	b.dated = hash(&d)
	return ok
}

// terms hold what decides a verdict beside the baseline. They are frozen with it, under
// its version. A member that is added here must be left out where it is zero, as the
// form of hash does, so that what is frozen stays.
type terms struct {
	Resource     string          `yaml:"resource"`
	IPMVP        string          `yaml:"ipmvp"`
	Register     RegisterSpec    `yaml:"register"`
	Weather      string          `yaml:"weather"`
	Intervention []Date          `yaml:"intervention"`
	Uncertainty  UncertaintySpec `yaml:"uncertainty"`
	Quota        float64         `yaml:"quota"`
	Lat          float64         `yaml:"lat"`
	Lon          float64         `yaml:"lon"`

	Calendar []inventory.CalendarYear `yaml:"calendar"` // years of the baseline, where its days off decide
}

// dated holds what holds from a day on. It is corrected as people learn of it, and what is
// final has a new revision then.
type dated struct {
	Population []PersonsSpec `yaml:"population"`
	Persons    int           `yaml:"persons"`
	Reporting  []DatedLamps  `yaml:"reporting"`

	Calendar []inventory.CalendarYear `yaml:"calendar"` // years after the baseline, where their days off decide
}

func (b *boundary) check(path string, p *document.Problems) {
	path += ".spec"
	var known bool
	if b.resource, known = usage.ResourceNamed(b.Resource); !known {
		p.Add(path+".resource", "%q is neither electricity nor water", b.Resource)
	}
	if !slices.Contains([]string{"A", "B", "C", "none"}, b.IPMVP) {
		p.Add(path+".ipmvp", "%q is none of A, B, C, none", b.IPMVP)
	}
	if b.IPMVP == "A" {
		if len(b.Reporting) == 0 {
			p.Add(path+".reporting", "missing; option A needs the lamps as they are now")
		}
		if len(b.Meters) > 0 {
			p.Add(path+".meters", "option A has no meter; choose B, or leave them out")
		}
	} else if len(b.Meters) == 0 && b.MeterCount <= 0 {
		p.Add(path+".meters", "missing; list the meters, or give meter_count and set boundary: %s at the devices", b.id)
	}
	for i, m := range b.Meters {
		if m.Device == "" {
			p.Add(fmt.Sprintf("%s.meters[%d].device", path, i), "missing; name the device")
		}
	}
	if r := b.Register; r.Modulus < 0 || r.Tolerance < 0 || r.MaxPerDay < 0 {
		p.Add(path+".register", "modulus, tolerance and max_per_day are 0 or more")
	}
	for i, s := range b.Swaps {
		t, err := time.Parse(time.RFC3339, s.At)
		if err != nil {
			p.Add(fmt.Sprintf("%s.swaps[%d].at", path, i), "%q is not a time; write 2026-03-01T10:00:00+08:00", s.At)
			continue
		}
		b.swaps[s.Device] = append(b.swaps[s.Device], swap{t.UnixNano(), s.Closing, s.Opening})
	}
	for _, list := range b.swaps {
		slices.SortFunc(list, func(a, c swap) int { return int(min(1, max(-1, a.at-c.at))) })
	}
	checkLamps(path+".reporting", stated(b.Reporting), p)
	if n := len(b.Intervention); n != 0 && (n != 2 || !b.Intervention[0].Before(b.Intervention[1].Time)) {
		p.Add(path+".intervention", "give the first day and the first day after, such as [2021-03-01, 2021-03-20]")
	}
	u := &b.Uncertainty
	if u.Confidence == 0 {
		u.Confidence = 0.90
	}
	if u.Confidence <= 0 || u.Confidence >= 1 {
		p.Add(path+".uncertainty.confidence", "%g is not between 0 and 1", u.Confidence)
	}
	if u.MeterClass < 0 || slices.ContainsFunc([]float64{u.Watts, u.Year, u.Burning, u.Hours}, func(v float64) bool { return !(v >= 0 && v <= 1) }) {
		p.Add(path+".uncertainty", "meter_class is in percent; watts_rel, year_rel, burning_rel and hours_rel are ratios from 0 to 1")
	}
	if b.Baseline != nil {
		b.terms = hash(&terms{b.Resource, b.IPMVP, b.Register, b.Weather, b.Intervention, b.Uncertainty, b.Quota, b.community.Lat, b.community.Lon, b.fitted})
	}
	for i, a := range b.Adjustments {
		checkLamps(fmt.Sprintf("%s.nra[%d].groups", path, i), a.Groups, p)
		if len(a.Groups) > 0 && (b.resource != usage.Electricity || a.PerDay != 0 || a.KWh != 0) {
			p.Add(fmt.Sprintf("%s.nra[%d].groups", path, i), "lamps are of a boundary of electricity, and stand in place of per_day")
		}
		if l := b.Baseline; len(a.Groups) > 0 && (l == nil || l.Hours != "fixed") && b.community.Lat == 0 && b.community.Lon == 0 {
			p.Add(fmt.Sprintf("%s.nra[%d].groups", path, i), "lamps follow the night: needs lat and lon of community %s", b.community.ID)
		}
		if a.Why == "" || a.Doc == "" {
			p.Add(fmt.Sprintf("%s.nra[%d]", path, i), "an adjustment needs why and doc, its evidence")
		}
		if a.From.IsZero() {
			p.Add(fmt.Sprintf("%s.nra[%d].from", path, i), "missing; give its first day")
		}
	}
	for i := 1; i < len(b.Population); i++ {
		if !b.Population[i-1].From.Before(b.Population[i].From.Time) {
			p.Add(fmt.Sprintf("%s.population[%d].from", path, i), "is not after the entry before")
		}
	}
	if d := b.PowerDensity; d != nil {
		if len(d.Groups) == 0 {
			d.Groups = stated(b.Reporting)
		}
		if len(d.Groups) == 0 {
			p.Add(path+".power_density.groups", "missing; list the lamps there are now: count, watts with ballast")
		}
		checkLamps(path+".power_density.groups", d.Groups, p)
		if b.resource != usage.Electricity || !(d.Area > 0) || !(d.Limit >= 0) {
			p.Add(path+".power_density", "needs the lit area_m2 of a boundary of electricity, and a limit above 0 or none")
		}
	}
	if b.IPMVP == "none" {
		if b.Baseline != nil {
			p.Add(path+".baseline", "ipmvp is none: leave the baseline out, or choose A, B or C")
		}
		return
	}
	if b.Baseline == nil {
		return // no_baseline: use is shown, no saving
	}
	b.checkBaseline(path+".baseline", p)
}

func (b *boundary) checkBaseline(path string, p *document.Problems) {
	l := b.Baseline
	if l.Version < 1 {
		p.Add(path+".version", "%d; versions count from 1", l.Version)
	}
	if l.Version > 1 && (l.ApprovedBy == "" || l.Evidence == "") {
		p.Add(path+".version", "version %d replaces a frozen baseline; give approved_by and evidence", l.Version)
	}
	if len(l.Period) != 2 || !l.Period[0].Before(l.Period[1].Time) {
		p.Add(path+".period", "give the first day and the first day after, such as [2020-01-01, 2021-01-01]")
	} else if len(b.Intervention) == 2 && b.Intervention[0].Before(l.Period[1].Time) {
		p.Add(path+".period", "ends after the intervention began; a baseline ends before it")
	}
	fitted := func(coefficients int) {
		coefficients += len(l.Calendar)
		if len(l.Coef) != coefficients {
			p.Add(path+".coef", "%d coefficients; give %d: intercept, then cdd and hdd as far as there are balance points, then dark hours if these drive it, then those of calendar", len(l.Coef), coefficients)
		}
		if l.N <= coefficients || l.RMSE <= 0 || l.Effective <= 0 {
			p.Add(path, "needs n, n_eff and rmse_n_minus_p of the fit; `greencommunity savings` prints them")
		}
		if len(l.Inverse) != coefficients || slices.ContainsFunc(l.Inverse, func(r []float64) bool { return len(r) != coefficients }) {
			p.Add(path+".XtX_inv", "give %d rows of %d; `greencommunity savings` prints them", coefficients, coefficients)
		}
	}
	for i, name := range l.Calendar {
		if !slices.Contains([]string{driverWeekend, driverRest, driverFestival}, name) || slices.Index(l.Calendar, name) != i {
			p.Add(path+".calendar", "%q is none of weekend, rest_days, festival, each once", name)
		}
	}
	if len(l.Calendar) > 0 && l.Method != "regression" && l.Method != "mean" || l.RestDays && l.Method != "per_capita_monthly" {
		p.Add(path+".calendar", "calendar is of regression and mean, rest_days of per_capita_monthly")
	}
	switch l.Method {
	case "lamp_inventory":
		if len(l.Groups) == 0 {
			p.Add(path+".groups", "missing; list the lamps as they were: count, watts with ballast, burning")
		}
		checkLamps(path+".groups", l.Groups, p)
		switch l.Hours {
		case "astro_civil", "astro_horizon":
			if b.community.Lat == 0 && b.community.Lon == 0 {
				p.Add(path+".hours", "%s needs lat and lon of community %s", l.Hours, b.community.ID)
			}
		case "fixed":
			if len(l.FixedHours) != 12 {
				p.Add(path+".fixed_hours", "give 12, the burn hours a day by month")
			}
		default:
			p.Add(path+".hours", "%q is none of astro_civil, astro_horizon, fixed", l.Hours)
		}
		if b.Uncertainty.Watts == 0 {
			p.Add(strings.TrimSuffix(path, ".baseline")+".uncertainty.watts_rel", "missing; how far may the stated watts be off, such as 0.05")
		}
	case "regression":
		n := 1
		for _, point := range []*float64{l.CDD, l.HDD} {
			if point != nil {
				n++
			}
		}
		if n > 1 && b.Weather == "" {
			p.Add(strings.TrimSuffix(path, ".baseline")+".weather", "missing; name the device whose temperature the model needs")
		}
		if l.DarkHours {
			n++
			if !slices.Contains([]string{"", "astro_civil", "astro_horizon"}, l.Hours) {
				p.Add(path+".hours", "%q is neither astro_civil nor astro_horizon, which is where the night begins", l.Hours)
			}
			if b.community.Lat == 0 && b.community.Lon == 0 {
				p.Add(path+".dark_hours", "needs lat and lon of community %s", b.community.ID)
			}
		}
		if l.Relative && !l.DarkHours {
			p.Add(path+".relative", "days scatter in proportion to their use where dark_hours drive a regression; leave it out")
		}
		fitted(n)
	case "mean":
		fitted(1)
	case "per_capita_monthly":
		if b.resource != usage.Water {
			p.Add(path+".method", "per_capita_monthly is for water")
		}
		if len(l.Monthly) != 12 {
			p.Add(path+".monthly", "give 12, the m³ a person and day by month")
		}
		if l.Relative && (l.RMSE <= 0 || l.RMSE >= 1 || slices.ContainsFunc(l.Monthly, func(v float64) bool { return v <= 0 })) {
			p.Add(path+".relative", "needs rmse_n_minus_p as a share of the month's use, below 1, and use in every month")
		}
		if (l.Weekend != 0 || l.Festival != 0) && !(l.Relative && l.Weekend > -1 && l.Festival > -1 && len(l.Inverse) == 14) {
			p.Add(path+".weekend", "weekend and festival are shares above -1 of a relative baseline, with 14 rows of XtX_inv")
		}
		if len(l.Inverse) != 0 && (len(l.Inverse) != 14 || slices.ContainsFunc(l.Inverse, func(r []float64) bool { return len(r) != 14 })) {
			p.Add(path+".XtX_inv", "give 14 rows of 14, months, weekend, festival; or leave it out")
		}
		if len(l.MonthlyDays) != 0 && len(l.MonthlyDays) != 12 {
			p.Add(path+".monthly_days", "give 12, the days each month is the mean of")
		}
		if l.RMSE > 0 && (len(l.MonthlyDays) != 12 || slices.Min(l.MonthlyDays) < 1 || l.N <= 12 || l.Effective <= 0) {
			p.Add(path, "with rmse_n_minus_p, n, n_eff and 12 monthly_days are needed as well")
		}
		if l.RMSE <= 0 && b.Uncertainty.Watts == 0 {
			p.Add(path+".rmse_n_minus_p", "missing; give it with n, n_eff and monthly_days, or uncertainty.watts_rel")
		}
		if len(b.Population) == 0 && b.community.Population == 0 {
			p.Add(strings.TrimSuffix(path, ".baseline")+".population", "missing; per-head use needs how many persons there are, and since when")
		}
	case "irrigation":
		if b.Weather == "" {
			p.Add(strings.TrimSuffix(path, ".baseline")+".weather", "missing; name the device that reports evapotranspiration and rainfall, in mm")
		}
		if l.Irrigation.Area <= 0 || l.Irrigation.B <= 0 {
			p.Add(path+".irrigation", "needs area in m² and b in m³ per m²·mm")
		}
		if b.Uncertainty.Watts == 0 {
			p.Add(strings.TrimSuffix(path, ".baseline")+".uncertainty.watts_rel", "missing; how far may the stated use be off, such as 0.1")
		}
	default:
		p.Add(path+".method", "%q is none of lamp_inventory, regression, per_capita_monthly, irrigation, mean; a quota or a power density is no baseline", l.Method)
	}
	for _, v := range append(slices.Clone(l.Coef), l.Monthly...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			p.Add(path, "has a coefficient that is no number")
		}
	}
}

func checkLamps(path string, groups []baseline.Lamps, p *document.Problems) {
	for i := range groups {
		g, path := &groups[i], fmt.Sprintf("%s[%d]", path, i)
		if g.Count <= 0 || g.Watts <= 0 {
			p.Add(path, "needs count and watts, ballast or driver included")
		}
		if g.Burning < 0 || g.Burning > 1 {
			p.Add(path+".burning", "%g is not a share from 0 to 1", g.Burning)
		}
		if _, err := g.Energy(1, 24); err != nil {
			p.Add(path, "%v", err)
		}
		sum := 0.0
		for _, s := range g.Schedule {
			sum += s.Hours
		}
		if sum > 1+1e-9 {
			p.Add(path+".schedule", "shares of the burn hours add up to %g, more than 1", sum)
		}
	}
}

// resolve prepares what the arithmetic needs.
func (b *boundary) resolve() {
	if b.Facility == "" {
		b.Facility = b.resource.Facility()
	}
	for i := range b.Adjustments {
		if a := &b.Adjustments[i]; a.PerDay == 0 {
			a.PerDay = a.KWh
		}
	}
	b.from = math.MinInt32
	if b.Baseline == nil {
		return
	}
	l := b.Baseline
	b.from = l.Period[1].number()
	if len(b.Intervention) == 2 {
		b.from = b.Intervention[1].number()
	}
	b.elevation = Elevation(l.Hours)
	if l.RMSE > 0 {
		b.fit = &baseline.Regression{N: l.N, P: len(l.Coef), Coef: l.Coef, Inverse: l.Inverse, S: l.RMSE}
		if l.Method == "per_capita_monthly" {
			b.fit.P, b.fit.Coef = 12, l.Monthly
			if len(l.Inverse) == 14 {
				b.fit.P = 14
			} else {
				b.fit.Inverse = make([][]float64, 12)
				for i := range b.fit.Inverse {
					b.fit.Inverse[i] = make([]float64, 12)
					b.fit.Inverse[i][i] = 1 / l.MonthlyDays[i]
				}
			}
		}
		b.t = baseline.TQuantile(b.Uncertainty.Confidence, b.fit.N-b.fit.P)
	}
}

// Elevation of the sun, degrees, at which lamps with these hours are switched.
func Elevation(hours string) float64 {
	if hours == "astro_horizon" {
		return sun.Horizon
	}
	return sun.Civil
}

// persons on a day.
func (b *boundary) persons(day int) float64 {
	persons := float64(b.community.Population)
	for _, p := range b.Population {
		if p.From.number() <= day {
			persons = p.Persons
		}
	}
	return persons
}

// adjustment of a day: the sum of the non-routine ones in force.
func (b *boundary) adjustment(day int, w books.Conditions) float64 {
	return b.adjustmentOf(day, day, w)
}

// adjustmentOf is what those in force on one day come to on another, in its conditions.
func (b *boundary) adjustmentOf(force, day int, w books.Conditions) float64 {
	sum := 0.0
	for _, a := range b.Adjustments {
		if !inForce(a.From, a.To, force) {
			continue
		}
		sum += a.PerDay
		hours := w.DarkHours
		if b.Baseline.Hours == "fixed" {
			hours = b.Baseline.FixedHours[time.Unix(int64(day)*86400, 0).UTC().Month()-1]
		}
		use, err := baseline.LampEnergy(a.Groups, hours, w.HoursOfDay)
		switch {
		case err != nil: // check has refused it
		case a.Remove:
			sum -= use
		default:
			sum += use
		}
	}
	return sum
}
