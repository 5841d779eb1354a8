package anomaly

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"greencommunity/ingest"
)

// Alarm is something wrong at a device or a group of devices, from when it was
// raised until it clears. There is one at a time of a kind at a device's channel.
type Alarm struct {
	Kind      string              `json:"kind"`
	Severity  string              `json:"severity"`
	Title     ingest.Text         `json:"title"`
	Community ingest.CommunityID  `json:"community"`
	Compound  ingest.CompoundID   `json:"compound,omitempty"`
	Facility  ingest.FacilityKind `json:"facility"`
	Vendor    ingest.VendorID     `json:"vendor,omitempty"`
	Device    ingest.DeviceID     `json:"device"`
	Name      string              `json:"name,omitempty"`
	Channel   string              `json:"channel,omitempty"`
	Since     time.Time           `json:"since"`
	Value     float64             `json:"value"`
	Expected  float64             `json:"expected"`
	// Unit is that of Value and, where ExpectedUnit is empty, of Expected.
	Unit         string      `json:"unit"`
	ExpectedUnit string      `json:"expected_unit,omitempty"`
	Why          ingest.Text `json:"why"`
	// Inhibited names the group whose alarm stands for this one, and Group is that alarm's id.
	Inhibited string `json:"inhibited,omitempty"`
	Group     string `json:"-"`
	// Scope says what the devices have in common that an alarm of many at once stands for:
	// feeder, gateway, compound, vendor_in_community, community, vendor or county.
	Scope string `json:"scope,omitempty"`
	// OverBudget is set where the community has worse alarms enough to list.
	OverBudget bool `json:"over_budget,omitempty"`

	// Began dates the beginning of what is wrong, by the clock that Since is of: a flow
	// that has not rested for a day began a day before it became an alarm.
	Began time.Time `json:"-"`
	Told  time.Time `json:"-"` // when it was there for all to see
	// Updated dates Value; Peak holds the worst value so far.
	Updated time.Time `json:"-"`
	Peak    float64   `json:"-"`

	key     alarmKey
	id      string
	expires int64        // unix nanoseconds; 0: a condition clears it
	held    int64        // until when it waits to be told, unix nanoseconds; 0: it is told
	ended   int64        // when it was over, of one that is told afterwards; else 0
	told    float64      // Value when it was told last
	refused *refusedFire // what it is of where no device is known, else nil
	by      alarmKey     // of the alarm that stands for it; no group: none does
	members int32        // alarms that it stands for
	within  int64        // for how long, or in which time, Value was seen, nanoseconds; 0: not kept
}

// Change is an alarm raised or cleared.
type Change struct {
	At     time.Time
	Raised bool
	// Removed is set where an alarm has ended because its device was let go, and
	// not because it is well.
	Removed bool
	Alarm   Alarm
}

// alarmKey identifies an alarm. Devices from groupBase on are groups.
type alarmKey struct {
	Device  uint32
	Channel uint16
	Kind    kind
}

const groupBase = 1 << 31

type totalKey struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Kind      kind
}

// book is the alarms: it raises, holds, tells, rolls up and clears them, keeps
// their counts, and writes down each raise and clear for InfluxDB. The rules only
// say what they have found.
type book struct {
	*fleet
	now    int64  // of the last Tick, unix nanoseconds
	timers timers // what is due: alarms that end or are told, doors, devices that are gone
	points []ingest.Point

	mu     sync.Mutex // guards what others look at: alarms, totals and the budget
	alarms map[alarmKey]*Alarm
	totals map[totalKey]uint64
	// version counts changes of what Alarms lists.
	version atomic.Uint64

	fires map[int32]*refusedFire // by group, see placeOfFire
	burnt map[alarmKey]burnt

	waves map[partKey]peers
	sizes sizes
}

func newBook(f *fleet) *book {
	return &book{fleet: f, alarms: map[alarmKey]*Alarm{}, totals: map[totalKey]uint64{}, waves: map[partKey]peers{}, fires: map[int32]*refusedFire{}, burnt: map[alarmKey]burnt{}}
}

func (b *book) active(k alarmKey) bool {
	if k.Device < groupBase && b.devices.At(k.Device+1).Open == 0 {
		return false
	}
	a := b.alarms[k]
	return a != nil && (a.held == 0 || a.ended == 0)
}

// finding holds what a rule has found: value against what it expected, in the units
// of the kind.
type finding struct {
	value, expected float64
	until           int64 // when the alarm clears by itself, unix nanoseconds; 0: a condition clears it
	within          int64 // for how long, or in which time, value was seen, nanoseconds; 0: the kind says it
}

// raise raises an alarm unless it is raised, as of at.
func (b *book) raise(k alarmKey, at int64, value, expected float64) {
	b.raiseFor(k, at, finding{value: value, expected: expected})
}

// raiseUntil raises an alarm that clears at a time, unless it is raised again
// before: then it clears later.
func (b *book) raiseUntil(k alarmKey, at int64, value, expected float64, until int64) {
	b.raiseFor(k, at, finding{value: value, expected: expected, until: until})
}

// raiseFor raises an alarm for a finding; of one that is raised already only the
// time it clears changes.
func (b *book) raiseFor(k alarmKey, at int64, f finding) {
	until := f.until
	if a := b.alarms[k]; a != nil {
		b.mu.Lock()
		b.version.Add(1)
		again := b.grown(k, a, f, at)
		switch {
		case a.ended != 0 && a.held == 0 && until == 0:
			a.expires = 0 // on again: now its condition clears it
		case a.expires != 0:
			a.expires = max(a.expires, until)
		}
		if a.ended != 0 && a.held != 0 {
			b.devices.At(k.Device+1).Open++
			a.expires = until
			if until != 0 {
				b.timers.push(timer{Due: until, What: timeExpire, K: k})
			}
		}
		a.ended = 0
		a.Why = b.why(k.Kind, a)
		told := a.held == 0
		b.mu.Unlock()
		if again && told {
			b.note(a, at, true)
		}
		return
	}
	var d *device
	if k.Device < groupBase {
		d = b.devices.At(k.Device + 1)
		if slices.Contains(b.parameters(d).All.Disabled, k.Kind.String()) {
			return
		}
		// A value has its own score, and silence says nothing of the next value.
		if k.Kind != unusualValue && k.Kind != offline {
			d.score(1.01)
		}
	}
	a := b.alarm(k, at)
	a.Value, a.Expected, a.within, a.expires = f.value, f.expected, f.within, until
	a.told, a.Peak, a.Updated, a.Began = f.value, f.value, a.Since, a.began()
	a.identify()
	a.asState()
	a.grade()
	a.Why = b.why(k.Kind, a)
	if until != 0 {
		b.timers.push(timer{Due: until, What: timeExpire, K: k})
	}
	asks := false
	if d != nil {
		d.Open++
		var p peerKey
		var wait bool
		p, asks, wait = b.peersOf(k)
		if f.value == 0 && slices.Contains(selfReported, k.Kind) {
			wait = false // the device says so itself
		}
		ask := asks && b.joins(k, p, a.came()) && wait
		if ask || at < d.Received-behind {
			a.held = d.Received + settled
			if ask {
				a.held = max(a.held, at+peersWait)
			}
			b.timers.push(timer{Due: a.held, What: timeHeld, K: k})
			b.mu.Lock()
			b.alarms[k] = a
			b.mu.Unlock()
			return
		}
	}
	b.tell(k, a, at)
	if asks {
		b.together(k, a, at)
	}
}

// grown brings an open alarm up to what is found now, and says whether it is to be
// told again: a flow that has doubled since it was told, or become what somebody
// is called for at night.
func (b *book) grown(k alarmKey, a *Alarm, f finding, at int64) bool {
	if !slices.Contains(growing, k.Kind) || math.IsNaN(f.value) || f.value == 0 {
		return false
	}
	if limitsState(k.Kind, f.expected) != limitsState(k.Kind, a.Expected) {
		return false // a depth is no newer value of "yes", nor the reverse
	}
	a.Value = f.value
	if t := time.Unix(0, at).UTC(); t.After(a.Updated) {
		a.Updated = t
	}
	if !(a.Peak >= f.value) { // or not known
		a.Peak = f.value
	}
	if !slices.Contains(flows, k.Kind) {
		return false
	}
	if a.within != f.within {
		return false
	}
	a.Expected = f.expected
	before := a.Severity
	a.grade()
	if f.value < 2*a.told && a.Severity == before || a.told == 0 {
		return false
	}
	a.told = f.value
	return true
}

// growing are kinds whose newest value is shown, and flows those that are told
// again as they grow.
var (
	flows   = []kind{continuousFlow, nightFlow, burst, unaccountedWater}
	growing = append([]kind{binFire, fireReported, unaccountedEnergy, overfull, missedCollection, stuckRegister, stuckFill}, append(slices.Collect(maps.Keys(limitKinds)), flows...)...)
)

// limitsState reports whether a limit is of a state, which says no more than yes.
func limitsState(k kind, limit float64) bool {
	return limit == 1 && (k == waterlogging || k == smoke || k == passageBlocked)
}

// asState gives an alarm of a state its unit: standing water that a float switch reports
// is not one metre deep.
func (a *Alarm) asState() {
	if limitsState(a.key.Kind, a.Expected) {
		a.Unit = "0/1"
	}
}

// grade raises the severity of a leak that loses as much as a burst: 227 L/h is
// what utilities call somebody for.
func (a *Alarm) grade() {
	s := Kinds[a.key.Kind].Severity
	if a.key.Kind == atOnce {
		_, name, _ := strings.Cut(a.Channel, "/")
		name, _, _ = strings.Cut(name, "/")
		if of, ok := kindNamed(name); ok {
			s = noteSeverity(of)
		}
	}
	if lost := a.Value; s == Warning && slices.Contains(flows, a.key.Kind) {
		if a.key.Kind != continuousFlow || a.within != 0 {
			lost -= a.Expected
		}
		if lost >= pagedFlow {
			s = Critical
		}
	}
	a.Severity = s.String()
}

const pagedFlow = 227 // L/h: 60 gallons

// Readings that come much later than they were taken are history: what was
// wrong then may be over by the last of them. So an alarm of more than behind
// ago is held until nothing more of its device has come for settled, and told
// if it is still open then; at the latest after patience, for devices that are
// always late. To the rules it is open meanwhile.
//
// Some things are worth knowing when they are over as well: what is critical (a
// bin that burnt out before the upload of the day is burnt all the same), and
// what is over by nature, as a door that was forced. These are told for shown
// if they are no older than news.
const (
	behind   = int64(10 * time.Minute)
	settled  = int64(time.Minute)
	patience = int64(15 * time.Minute)
	shown    = int64(15 * time.Minute)
	news     = int64(26 * time.Hour)
)

// heldDue tells an alarm that was held and is still open.
func (b *book) heldDue(t timer) {
	a := b.alarms[t.K]
	if a == nil || a.held == 0 {
		return
	}
	d := b.devices.At(t.K.Device + 1)
	// The first due time stays in held, which bounds the wait.
	if due := min(d.Received+settled, a.held+patience); due > t.Due {
		t.Due = due
		b.timers.push(t)
		return
	}
	if a.ended != 0 {
		d.Open++
		a.expires = t.Due + shown
		a.Why = b.why(t.K.Kind, a)
		b.timers.push(timer{Due: a.expires, What: timeExpire, K: t.K})
	}
	b.together(t.K, a, t.Due)
	b.tell(t.K, a, t.Due)
}

// tell opens an alarm for all to see, at a time that is now.
func (b *book) tell(k alarmKey, a *Alarm, now int64) {
	var d *device
	if k.Device < groupBase {
		d = b.devices.At(k.Device + 1)
	}
	b.mu.Lock()
	b.version.Add(1)
	a.held, a.Told = 0, time.Unix(0, max(now, b.now)).UTC()
	b.alarms[k] = a
	if d != nil {
		b.stand(a, b.inhibitor(k, d))
	} else if k.Kind == atOnce {
		b.stand(a, b.wider(a))
	}
	if a.Inhibited == "" {
		b.totals[totalKey{a.Community, a.Facility, k.Kind}]++
	}
	b.mu.Unlock()
	b.note(a, a.Since.UnixNano(), true)
	if d != nil {
		if a.by.Kind != atOnce {
			b.rollUps(k, d, now, 1)
		}
	}
}

// clearAlarm clears an alarm if it is raised, as of at.
func (b *book) clearAlarm(k alarmKey, at int64) {
	if !b.active(k) {
		return
	}
	a := b.alarms[k]
	if k.Device < groupBase {
		b.devices.At(k.Device+1).Open--
	}
	b.mu.Lock()
	if a.held != 0 && (a.expires != 0 || Kinds[k.Kind].Severity == Critical) && at >= a.held-settled-news {
		a.ended = at
		b.mu.Unlock()
		return
	}
	delete(b.alarms, k)
	b.version.Add(1)
	b.mu.Unlock()
	defer b.leaves(k, a, at)
	if a.held != 0 {
		// It has come and gone: something to look up, and nobody to be woken.
		if since := a.Since.UnixNano(); at > since {
			b.point(a, since, true)
			b.point(a, at, false)
		}
		return
	}
	b.note(a, at, false)
	if k.Device < groupBase && a.by.Kind != atOnce {
		b.rollUps(k, b.devices.At(k.Device+1), at, -1)
	}
}

// endsAt has an open alarm end at a time, unless its rule raises it again.
func (b *book) endsAt(k alarmKey, at int64) {
	if !b.active(k) {
		return
	}
	b.mu.Lock()
	a := b.alarms[k]
	a.expires = max(a.expires, at)
	b.mu.Unlock()
	b.timers.push(timer{Due: a.expires, What: timeExpire, K: k})
}

func (b *book) expireDue(t timer) {
	a := b.alarms[t.K]
	if a == nil || a.expires == 0 {
		return
	}
	if a.expires > t.Due {
		t.Due = a.expires
		b.timers.push(t)
		return
	}
	if t.K.Kind == atOnce && b.noteDue(t) {
		return
	}
	b.clearAlarm(t.K, t.Due)
}

// endRemoved ends an alarm of a device that was let go. One that nobody was told
// of leaves nothing behind.
func (b *book) endRemoved(k alarmKey, at int64) {
	a := b.alarms[k]
	b.mu.Lock()
	delete(b.alarms, k)
	b.version.Add(1)
	b.mu.Unlock()
	b.leaves(k, a, at)
	if a.held != 0 {
		return
	}
	if b.o.Changed != nil {
		b.o.Changed(Change{At: time.Unix(0, at).UTC(), Removed: true, Alarm: *a})
	}
	b.point(a, at, false)
	last := &b.points[len(b.points)-1]
	last.Fields = append(last.Fields, ingest.Field{Key: "reason", Value: "removed"})
}

// sortedKeys are the keys of alarms, in an order that is always the same.
func sortedKeys[V any](of map[alarmKey]V) []alarmKey {
	return slices.SortedFunc(maps.Keys(of), func(a, b alarmKey) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Kind, b.Kind))
	})
}

// note keeps a raise or clear for InfluxDB.
func (b *book) note(a *Alarm, at int64, active bool) {
	if b.o.Changed != nil {
		b.o.Changed(Change{At: time.Unix(0, at).UTC(), Raised: active, Alarm: *a})
	}
	if !active && a.ended != 0 {
		at = a.ended
	}
	b.point(a, at, active)
}

func (b *book) point(a *Alarm, at int64, active bool) {
	tags := []ingest.Tag{{Key: "community", Value: string(a.Community)}}
	for _, t := range []ingest.Tag{
		{Key: "channel", Value: a.Channel}, {Key: "compound", Value: string(a.Compound)}, {Key: "device", Value: string(a.Device)},
		{Key: "facility", Value: string(a.Facility)}, {Key: "type", Value: a.Kind}, {Key: "vendor", Value: string(a.Vendor)},
	} {
		if t.Value != "" {
			tags = append(tags, t)
		}
	}
	slices.SortFunc(tags, func(x, y ingest.Tag) int { return cmp.Compare(x.Key, y.Key) })
	fields := []ingest.Field{{Key: "active", Value: int64(0)}, {Key: "code", Value: a.Severity}}
	if active {
		fields[0].Value = int64(1)
	}
	if !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
		fields = append(fields, ingest.Field{Key: "value", Value: a.Value})
	}
	if !math.IsNaN(a.Expected) && !math.IsInf(a.Expected, 0) {
		fields = append(fields, ingest.Field{Key: "expected", Value: a.Expected})
	}
	fields = append(fields, ingest.Field{Key: "unit", Value: a.Unit})
	if a.ExpectedUnit != "" {
		fields = append(fields, ingest.Field{Key: "expected_unit", Value: a.ExpectedUnit})
	}
	b.points = append(b.points, ingest.Point{Measurement: "events", Tags: tags, Fields: fields, Time: at})
}

// Points returns the raises and clears since the call before.
func (b *book) Points() []ingest.Point {
	p := b.points
	b.points = nil
	return p
}

// Version differs from what it was once Alarms lists something else.
func (b *book) Version() uint64 { return b.version.Load() }

// Alarms lists the open alarms: by community, the worst first, and of equal
// ones the oldest. Those that another stands for come last.
func (b *book) Alarms() []Alarm {
	b.mu.Lock()
	all := make([]Alarm, 0, len(b.alarms))
	for _, a := range b.alarms {
		if a.held == 0 {
			all = append(all, *a)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(all, func(a, b Alarm) int {
		inhibited := func(a Alarm) int {
			if a.Inhibited != "" {
				return 1
			}
			return 0
		}
		return cmp.Or(
			cmp.Compare(a.Community, b.Community), cmp.Compare(inhibited(a), inhibited(b)),
			-cmp.Compare(Kinds[a.key.Kind].Severity, Kinds[b.key.Kind].Severity), a.Since.Compare(b.Since),
			cmp.Compare(a.Device, b.Device), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Kind, b.Kind))
	})
	listed := 0
	for i := range all {
		if i == 0 || all[i].Community != all[i-1].Community {
			listed = 0
		}
		listed++
		all[i].OverBudget = all[i].Inhibited != "" || b.o.Config.Budget > 0 && listed > b.o.Config.Budget
	}
	return all
}

func about(k kind) Severity { return Kinds[k].Severity }

// alarm makes an alarm from its key.
func (b *book) alarm(k alarmKey, at int64) *Alarm {
	about := Kinds[k.Kind]
	a := &Alarm{Kind: about.Name, Severity: about.Severity.String(), Title: about.Title, Since: time.Unix(0, at).UTC(), key: k,
		Unit: about.Unit, ExpectedUnit: about.ExpectedUnit}
	if k.Device >= groupBase {
		g := &b.groups[k.Device-groupBase]
		a.Community, a.Facility, a.Device = g.Key.Community, g.Facility, ingest.DeviceID(g.Key.Name)
		if a.Facility == "" {
			a.Facility = anyFacility
		}
		if f := b.fires[int32(k.Device-groupBase)]; g.Key.What == groupRefused && f != nil {
			a.Community, a.Vendor, a.Device, a.refused = f.Community, f.Vendor, ingest.DeviceID(f.Device), f
			if f.Facility != "" {
				a.Facility = f.Facility
			}
		}
		if k.Kind == atOnce {
			a.Channel = b.channels[k.Channel]
			facility, _, _ := strings.Cut(a.Channel, "/")
			a.Facility = ingest.FacilityKind(facility)
			w := wayOf(g.Key.What)
			a.Scope = scopes[w]
			switch w {
			case byVendor, byVendorIn:
				a.Vendor = ingest.VendorID(g.Key.Name)
			case byCompound:
				a.Compound = ingest.CompoundID(g.Key.Name)
			}
		}
		return a
	}
	info := b.info[k.Device]
	a.Community, a.Compound, a.Facility, a.Vendor, a.Device, a.Name = info.Community, info.Compound, info.Facility, info.Vendor, info.ID, info.Name
	a.Channel = b.channels[k.Channel]
	if a.Unit == ofQuantity {
		a.Unit = b.unitOf(k.Kind, info.Facility, a.Channel)
	}
	return a
}
