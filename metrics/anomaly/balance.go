package anomaly

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/usage"
)

// A balance is what a meter passed in a day less what the meters behind it did: the
// inventory names the one in front of each as its `parent`. Both sides come from the
// book of use, whose bookings say for which time each amount is known, so that reads
// at different hours, lost ones and registers of different steps are compared over
// one and the same local day.
//
// Something is always lost: pipes seep, meters of homes begin to turn late, clocks
// differ, a stairwell has a tap of its own. So the loss of a day is compared with
// the median of the days before, by how much these scatter, and the excess is
// summed (Page's CUSUM, 1954): a large leak is told after two days, a small one
// after more. Where meters behind do not report, their ordinary use stands for them
// as long as that is little; else the day says nothing.

// balanceKey names a meter in front of others.
type balanceKey struct {
	Parent   ingest.DeviceID
	Resource usage.Resource
}

// sideKey is a register on either side.
type sideKey struct {
	Device  ingest.DeviceID
	Channel string
}

// side is a register of a balance. Amounts are in the unit of the resource.
type side struct {
	Days   [balanceDays]balanceDay // by number of the day
	Rate   float64                 // an hour, of the last fortnight
	Known  float64                 // hours that Rate is of, a fortnight at most
	Until  int64                   // end of the latest booking, unix nanoseconds
	Joined bool                    // it counts: a week of it is known
}

type balanceDay struct {
	Day     int32 // local, counted from 1970-01-01; 0: none
	Used    float64
	Covered float64 // hours
}

const (
	balanceDays  = 8 // that late reads can still change
	balanceStale = 7 // days for which the latest balance is shown
	// balanceSoon and balanceWait are for how long after a day its late reads are
	// waited for, where few are missing and where more are: a day's read and two.
	balanceSoon = int64(24*time.Hour + 30*time.Minute)
	balanceWait = int64(48 * time.Hour)
	balanceJoin = 7 * 24.0  // hours
	balanceRate = 14 * 24.0 // hours
	// A day is balanced if at least balanceWhole hours of it are known.
	balanceWhole = 23.3
	// balanceMissing is the most of a day's use that may be filled in for meters
	// that do not report, as a share; balanceFew is few.
	balanceMissing = 0.1
	balanceFew     = 0.03
	// The ordinary loss is the median of balancePast days, of balanceLeast at least.
	balancePast  = 28
	balanceLeast = 10
	// A day's excess counts above balanceSlack and up to balanceCap times the
	// scatter of the days; balanceLimit of it together is told. Two days at least.
	balanceSlack = 1.0
	balanceCap   = 5.0
	balanceLimit = 5.0
	// balanceError is by how much meters of class 2 may differ for no reason, as a
	// share of what the day passed.
	balanceError = 0.02
)

// balance is the state of one.
type balance struct {
	Device  *ingest.Device    // the parent; nil until it has reported
	Index   uint32            // of it
	Front   map[sideKey]*side // the parent's registers
	Behind  map[sideKey]*side
	Next    int32     // day that is judged next, 0: none yet
	Again   int64     // not looked at before, unix nanoseconds
	Past    []float64 // losses of ordinary days, the latest last
	Sum     float64   // CUSUM
	Since   int32     // first day that is in Sum
	Excess  float64   // a day, when it was told
	Low     int32     // days in a row without, since
	Latest  BalanceDay
	Monthly []BalanceMonth // the latest last
}

// BalanceDay holds a day's balance. Amounts are m3 or kWh.
type BalanceDay struct {
	Day             int32 // local, counted from 1970-01-01; 0: no day could be balanced
	Supplied        float64
	Lost            float64 // less than 0 where the meters behind passed more
	Normal          float64 // Lost of an ordinary day; NaN while that is not known
	Meters, Missing int32   // behind it, and those of them that did not report
}

// BalanceMonth holds the days of a month that could be balanced, together.
type BalanceMonth struct {
	Month          int32 // local: 12 * year + month, January 0
	Days           int32
	Supplied, Lost float64
}

// Balance is a meter with those behind it.
type Balance struct {
	Device    ingest.DeviceID
	Community ingest.CommunityID
	Compound  ingest.CompoundID
	Facility  ingest.FacilityKind
	Resource  usage.Resource
	Latest    BalanceDay
	Months    []BalanceMonth // up to 24, the latest last
}

// balanceRules look for what is lost between meters.
type balanceRules struct {
	*book
	of map[balanceKey]*balance // guarded by book.mu for those that list them
}

// bind takes over which meters are behind which, and lets go of those that are not
// any more: what they used is lost from now on, and nobody's leak.
func (rules *balanceRules) bind() {
	if len(rules.of) == 0 {
		return
	}
	var over []alarmKey
	defer func() {
		for _, k := range over {
			rules.clearAlarm(k, rules.book.now)
		}
	}()
	rules.mu.Lock()
	defer rules.mu.Unlock()
	for key, b := range rules.of {
		if !rules.inv.HasChildren(key.Parent) {
			if b.Device != nil {
				over = append(over, key.alarm(b))
			}
			delete(rules.of, key)
			continue
		}
		for _, k := range sorted(b.Behind) {
			if d := rules.inv.Device(k.Device); d == nil || d.Parent != key.Parent {
				if s := b.Behind[k]; s.Joined {
					b.shift(s.Rate * 24)
				}
				delete(b.Behind, k)
			}
		}
	}
}

// shift moves what is ordinarily lost in a day.
func (b *balance) shift(by float64) {
	for i := range b.Past {
		b.Past[i] += by
	}
	b.Sum = 0
}

// use takes in what a read came to, by a clock that is ahead of the meter's.
func (rules *balanceRules) use(index uint32, d *device, u *usage.Use, ahead int64) {
	if !u.Counted || len(u.Bookings) == 0 {
		return
	}
	if d.Flags&flagParent != 0 {
		k := balanceKey{u.Device.ID, u.Resource}
		b := rules.balance(k)
		if b.Device != u.Device {
			rules.mu.Lock()
			b.Device, b.Index = u.Device, index
			rules.mu.Unlock()
		}
		rules.enter(k, b, b.Front, u, ahead)
	}
	if u.Device.Parent != "" {
		k := balanceKey{u.Device.Parent, u.Resource}
		b := rules.balance(k)
		rules.enter(k, b, b.Behind, u, ahead)
	}
}

func (rules *balanceRules) balance(k balanceKey) *balance {
	b := rules.of[k]
	if b == nil {
		b = &balance{Front: map[sideKey]*side{}, Behind: map[sideKey]*side{}}
		rules.mu.Lock()
		rules.of[k] = b
		rules.mu.Unlock()
	}
	return b
}

// dayOf numbers the local day of a time, and says how far it is east, seconds.
func (f *fleet) dayOf(at int64) (day int32, east int64) {
	_, offset := time.Unix(0, at).In(f.zone).Zone()
	east = int64(offset) * int64(time.Second)
	day = int32((at + east) / int64(24*time.Hour))
	return day, east
}

func (rules *balanceRules) enter(of balanceKey, b *balance, sides map[sideKey]*side, u *usage.Use, ahead int64) {
	k := sideKey{u.Device.ID, u.Channel}
	s := sides[k]
	if s == nil {
		s = &side{}
		sides[k] = s
	}
	for i := range u.Bookings {
		s.book(rules.fleet, &u.Bookings[i], ahead)
	}
	if !s.Joined && s.Known >= balanceJoin {
		s.Joined = true
		if _, behind := b.Behind[k]; behind && b.Behind[k] == s {
			b.shift(-s.Rate * 24)
		}
	}
	rules.judge(of, b, min(s.Until, rules.now+int64(time.Hour)))
}

// book enters a booking by days.
func (s *side) book(f *fleet, k *usage.Booking, ahead int64) {
	if k.From >= k.To {
		return
	}
	hours := float64(k.To-k.From) / float64(time.Hour)
	if k.Covers > 0 && k.How != usage.Guessed {
		a := hours / (s.Known + hours)
		s.Rate += a * (k.Amount.Units()/hours - s.Rate)
		s.Known = min(s.Known+hours, balanceRate)
	}
	s.Until = max(s.Until, k.To+ahead)
	from := max(k.From, k.To-int64((balanceDays+1)*24*time.Hour))
	entered := k.Until(from)
	for from < k.To {
		day, east := f.dayOf(from + ahead)
		to := min((int64(day)+1)*int64(24*time.Hour)-east-ahead, k.To)
		until := k.Amount
		if to < k.To {
			until = k.Until(to)
		}
		d := &s.Days[int(day)%balanceDays]
		if d.Day < day {
			*d = balanceDay{Day: day}
		}
		if d.Day == day {
			d.Used += (until - entered).Units()
			d.Covered += float64(k.Covers) * float64(to-from) / float64(time.Hour)
		}
		entered, from = until, to
	}
}

// on returns what is known of a day.
func (s *side) on(day int32) (used, covered float64) {
	if d := &s.Days[int(day)%balanceDays]; d.Day == day {
		return d.Used, max(0, min(d.Covered, 24))
	}
	return 0, 0
}

// judge looks at the days that are complete by now, or have been waited for.
func (rules *balanceRules) judge(of balanceKey, b *balance, now int64) {
	if len(b.Front) == 0 || len(b.Behind) == 0 || b.Device == nil || now < b.Again && now > b.Again-int64(time.Hour) {
		return
	}
	b.Again = now + int64(time.Hour)
	today, east := rules.dayOf(now)
	if b.Next == 0 || b.Next < today-balanceDays+1 {
		b.Next = max(today-balanceDays+1, b.Next)
	}
	for ; b.Next < today; b.Next++ {
		end := (int64(b.Next)+1)*int64(24*time.Hour) - east
		day, missing := b.day(b.Next)
		if day.Missing > 0 && now < end+balanceSoon || missing > balanceFew && now < end+balanceWait {
			return
		}
		if missing <= balanceMissing {
			rules.found(of, b, day, now)
		} else if b.Next-b.Latest.Day > balanceStale {
			rules.mu.Lock()
			b.Latest = BalanceDay{}
			rules.mu.Unlock()
		}
	}
}

// day balances a day, and says which share of it is not known.
func (b *balance) day(day int32) (BalanceDay, float64) {
	r := BalanceDay{Day: day}
	for _, k := range sorted(b.Front) {
		s := b.Front[k]
		used, covered := s.on(day)
		if !s.Joined || covered < balanceWhole {
			r.Missing++
			return r, 1
		}
		r.Supplied += used
	}
	behind, ordinary, missing := 0.0, 0.0, 0.0
	for _, k := range sorted(b.Behind) {
		s := b.Behind[k]
		if !s.Joined {
			continue
		}
		r.Meters++
		used, covered := s.on(day)
		if covered < balanceWhole {
			missing += s.Rate * (24 - covered)
			r.Missing++
		}
		behind += used
		ordinary += s.Rate * 24
	}
	r.Lost = r.Supplied - behind - missing
	if base := min(r.Supplied, ordinary); r.Meters > 0 && base > 0 {
		return r, missing / base
	}
	return r, 1
}

// sorted are the keys of sides in an order that is always the same, as sums of
// fractions depend on it.
func sorted(sides map[sideKey]*side) []sideKey {
	return slices.SortedFunc(maps.Keys(sides), func(a, b sideKey) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Channel, b.Channel))
	})
}

// median returns the middle of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// found compares a day with those before.
func (rules *balanceRules) found(of balanceKey, b *balance, r BalanceDay, now int64) {
	r.Normal = math.NaN()
	keep := true
	if len(b.Past) >= balanceLeast {
		r.Normal = median(slices.Clone(b.Past))
		off := make([]float64, len(b.Past))
		for i, v := range b.Past {
			off[i] = math.Abs(v - r.Normal)
		}
		// Few days scatter less than many will.
		scatter := 1.4826 * median(off) * (1 + 4/float64(len(off)))
		scatter = max(scatter, balanceError*r.Supplied/2, 1e-6)
		keep = rules.compare(of, b, &r, scatter, now)
	}
	if keep {
		b.Past = append(b.Past, r.Lost)
		b.Past = slices.Delete(b.Past, 0, max(0, len(b.Past)-balancePast))
	}
	date := time.Unix(int64(r.Day)*86400, 0).UTC()
	month := int32(date.Year()*12 + int(date.Month()) - 1)
	rules.mu.Lock()
	defer rules.mu.Unlock()
	b.Latest = r
	if n := len(b.Monthly); n == 0 || b.Monthly[n-1].Month < month {
		b.Monthly = append(b.Monthly, BalanceMonth{Month: month})
		b.Monthly = slices.Delete(b.Monthly, 0, max(0, len(b.Monthly)-24))
	}
	m := &b.Monthly[len(b.Monthly)-1]
	m.Days++
	m.Supplied += r.Supplied
	m.Lost += r.Lost
}

func (of balanceKey) alarm(b *balance) alarmKey {
	if of.Resource == usage.Electricity {
		return alarmKey{b.Index, 0, unaccountedEnergy}
	}
	return alarmKey{b.Index, 0, unaccountedWater}
}

// compare raises and clears, and says whether the day is an ordinary one.
func (rules *balanceRules) compare(of balanceKey, b *balance, r *BalanceDay, scatter float64, now int64) bool {
	if int(b.Index) >= len(rules.info) || rules.info[b.Index] == nil {
		return true
	}
	key := of.alarm(b)
	const perHour = 1000.0 / 24 // L/h of m3 a day, W of kWh a day
	excess := r.Lost - r.Normal
	f := finding{value: r.Lost * perHour, expected: r.Normal * perHour, within: int64(24 * time.Hour)}
	if rules.active(key) {
		if excess >= 0.4*b.Excess {
			b.Low = 0
			rules.raiseFor(key, now, f)
		} else if b.Low++; b.Low >= 2 {
			rules.clearAlarm(key, now)
			b.Sum, b.Low = 0, 0
		}
		return false
	}
	z := min(excess/scatter, balanceCap)
	if b.Sum == 0 {
		b.Since = r.Day
	}
	b.Sum = max(0, b.Sum+z-balanceSlack)
	if b.Sum >= balanceLimit {
		b.Excess, b.Low = excess, 0
		_, east := rules.dayOf(now)
		rules.raiseFor(key, int64(b.Since)*int64(24*time.Hour)-east, f)
		return false
	}
	return z < 3
}

// Balances lists what is supplied and lost between meters, by device.
func (e *Engine) Balances() []Balance {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []Balance
	for k, b := range e.balances.of {
		if b.Latest.Day == 0 || b.Device == nil {
			continue
		}
		d := b.Device
		all = append(all, Balance{Device: k.Parent, Community: d.Community, Compound: d.Compound, Facility: d.Facility, Resource: k.Resource,
			Latest: b.Latest, Months: slices.Clone(b.Monthly)})
	}
	slices.SortFunc(all, func(a, b Balance) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Resource, b.Resource))
	})
	return all
}

// times are those of a balance that a clock set back moves.
func (rules *balanceRules) times() iter.Seq[*int64] {
	return func(yield func(*int64) bool) {
		for _, b := range rules.of {
			for _, sides := range []map[sideKey]*side{b.Front, b.Behind} {
				for _, s := range sides {
					if !yield(&s.Until) {
						return
					}
				}
			}
		}
	}
}

// forget lets go of meters that were let go themselves.
func (rules *balanceRules) forget(gone map[uint32]bool) {
	rules.mu.Lock()
	defer rules.mu.Unlock()
	maps.DeleteFunc(rules.of, func(_ balanceKey, b *balance) bool { return b.Device != nil && gone[b.Index] })
}

func (s *saver) float(v float64) { s.int(int64(math.Float64bits(v))) }

func (l *loader) float() float64 { return math.Float64frombits(uint64(l.int())) }

func (s *saver) sides(all map[sideKey]*side) {
	s.int(int64(len(all)))
	for _, k := range sorted(all) {
		one := all[k]
		s.text(string(k.Device))
		s.text(k.Channel)
		for _, d := range one.Days {
			s.int(int64(d.Day))
			s.float(d.Used)
			s.float(d.Covered)
		}
		s.float(one.Rate)
		s.float(one.Known)
		s.int(one.Until)
		joined := int64(0)
		if one.Joined {
			joined = 1
		}
		s.int(joined)
	}
}

func (l *loader) sides() map[sideKey]*side {
	all := map[sideKey]*side{}
	for range l.each() {
		k := sideKey{Device: ingest.DeviceID(l.text()), Channel: l.text()}
		one := &side{}
		for i := range one.Days {
			one.Days[i] = balanceDay{Day: int32(l.int()), Used: l.float(), Covered: l.float()}
		}
		one.Rate, one.Known, one.Until, one.Joined = l.float(), l.float(), l.int(), l.int() == 1
		all[k] = one
	}
	return all
}

func (s *saver) balances(all map[balanceKey]*balance) {
	s.int(int64(len(all)))
	for _, k := range slices.SortedFunc(maps.Keys(all), func(a, b balanceKey) int {
		return cmp.Or(cmp.Compare(a.Parent, b.Parent), cmp.Compare(a.Resource, b.Resource))
	}) {
		b := all[k]
		s.text(string(k.Parent))
		s.text(k.Resource.String())
		index := int64(-1)
		if b.Device != nil {
			index = int64(b.Index)
		}
		s.int(index)
		s.sides(b.Front)
		s.sides(b.Behind)
		s.int(int64(b.Next))
		s.int(b.Again)
		s.int(int64(len(b.Past)))
		for _, v := range b.Past {
			s.float(v)
		}
		s.float(b.Sum)
		s.int(int64(b.Since))
		s.float(b.Excess)
		s.int(int64(b.Low))
		for _, v := range []int32{b.Latest.Day, b.Latest.Meters, b.Latest.Missing} {
			s.int(int64(v))
		}
		for _, v := range []float64{b.Latest.Supplied, b.Latest.Lost, b.Latest.Normal} {
			s.float(v)
		}
		s.int(int64(len(b.Monthly)))
		for _, m := range b.Monthly {
			s.int(int64(m.Month))
			s.int(int64(m.Days))
			s.float(m.Supplied)
			s.float(m.Lost)
		}
	}
}

func (l *loader) balances(info []*ingest.Device) map[balanceKey]*balance {
	all := map[balanceKey]*balance{}
	for range l.each() {
		parent := ingest.DeviceID(l.text())
		resource, known := usage.ResourceNamed(l.text())
		b := &balance{}
		if i := l.int(); i >= 0 && i < int64(len(info)) {
			b.Device, b.Index = info[i], uint32(i)
		}
		b.Front, b.Behind = l.sides(), l.sides()
		b.Next, b.Again = int32(l.int()), l.int()
		for range l.each() {
			b.Past = append(b.Past, l.float())
		}
		b.Sum, b.Since, b.Excess, b.Low = l.float(), int32(l.int()), l.float(), int32(l.int())
		b.Latest.Day, b.Latest.Meters, b.Latest.Missing = int32(l.int()), int32(l.int()), int32(l.int())
		b.Latest.Supplied, b.Latest.Lost, b.Latest.Normal = l.float(), l.float(), l.float()
		for range l.each() {
			b.Monthly = append(b.Monthly, BalanceMonth{Month: int32(l.int()), Days: int32(l.int()), Supplied: l.float(), Lost: l.float()})
		}
		if known {
			all[balanceKey{parent, resource}] = b
		}
	}
	return all
}
