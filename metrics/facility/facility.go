// Package facility knows what the facilities of each community do now and did
// in the last 24 hours: lamps and their power, water drawn, how full the bins
// are, passes through the gates. It is what tiles and small trends show; what
// is saved, and what is wrong, are packages of their own.
//
// All of it is by the time of the readings, so that history which arrives at
// once is seen as the days it is of. State is kept for each device (24 bytes,
// and 40 more at most of a lamp, meter, bin or gate) and each community and kind of
// facility. A device that has been silent for 3
// hours does not count as being in a state any more, except where its reading
// is a register: silence is not an empty bin, nor a lamp that is off.
package facility

import (
	"maps"
	"math"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

const (
	stepWidth = 10 * time.Minute
	steps     = 144 // a day
	// stale sets after how long the last reading says nothing of now: three times
	// the hourly reading that bins and lamps of the slower kind send.
	stale = 3 * time.Hour
	// most is the deposits or passes one reading of a register may add: more is
	// a register that jumped.
	most = 10000
	// emptyBy is the fall of the fill level from which a bin was emptied, if it
	// is then less than half of what it was; what follows within sameCollection
	// is of the same collection.
	emptyBy        = 0.1
	sameCollection = 2 * time.Hour
	// burning is the power in W from which a lamp burns; below is standby.
	burning = 5.0
	// full sets from where on a bin counts as overfull.
	full = 0.95
)

// Place is a kind of facility of one community.
type Place struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
}

// Now holds what a place does now. What does not apply to its kind is 0.
type Now struct {
	Devices int     // that have reported within 3 hours
	Last    int64   // the latest reading, unix nanoseconds
	Power   float64 // W, of lamps that report power
	Powered int     // lamps that do
	Lit     int     // lamps that burn
	Water   float64 // m3 drawn since the local day began
	Metered int     // meters that report a register: without any, Water says nothing
	Fill    float64 // mean fill level of bins, ratio
	Filled  int     // bins that report a fill level
	Full    int     // bins at 95 % or more
	Passes  float64 // through gates since the local day began, in and out
	Counted bool    // whether any gate has counted passes yet
	Open    int     // gates that are open
	Joined  int     // households that have dropped something since the local day began; -1: stations name none
	Before  int     // and on the whole day before; -1: not known
	Doors   int     // gates that tell whether they are

	known     int   // devices that have reported, ever
	scheduled int64 // nanoseconds since each gate was first heard of
}

// device holds what is known of a device of any kind, and where to find what its
// kind adds. It has no pointers, as have the structs of the kinds.
type device struct {
	Last  int64  // latest reading, unix nanoseconds; 0: nothing is known
	Prev  int64  // the one before
	Slot  uint32 // among those of its kind; 0: its kind adds nothing
	Place uint16
	Kind  kind
}

// kind says which struct holds the rest of a device.
type kind uint8

const (
	other kind = iota // a kind that an inventory adds, or one without figures here
	lighting
	water
	waste
	gates
)

func kindOf(f ingest.FacilityKind) kind {
	switch f {
	case ingest.Lighting:
		return lighting
	case ingest.Water:
		return water
	case ingest.Waste:
		return waste
	case ingest.Gate:
		return gates
	}
	return other
}

// meter holds what is known of a water meter; its use is in the book.
type meter struct {
	HasRegister bool // it has reported one
}

// slots holds what a kind adds to its devices.
type slots[T any] struct {
	arena.Arena[T]
	free []uint32 // given back
}

func (s *slots[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	return s.Add()
}

func (s *slots[T]) give(i uint32) {
	var zero T
	*s.At(i) = zero
	s.free = append(s.free, i)
}

type place struct {
	Key           Place
	Day           int64   // number of the local day of Passes
	Water, Passes float64 // Water is of states before version 3: it is in the book of use
	Counted       bool    // whether a gate has counted passes
	In, Out       float64 // passes ever
	Lit, Overfull int64   // nanoseconds ever, of all lamps and all bins
	Due           int64   // nanoseconds ever that lamps should have burned, of the time they told of
	Opened        int64   // nanoseconds ever, of all gates
	HeldOpen, Up  int64   // of these: open as they say too long; heard of
	Scheduled     int64   // of gates that are not here any more: since they were first heard of
	Collections   float64 // ever, as are the following
	Forced, Held  float64
	Right, Wrong  float64 // deposits that were inspected
	Streams       map[string]*Stream
	Households    map[string]struct{} // by their numbers, that have dropped something on DepositDay
	DepositDay    int64
	Joined        int   // households of the last day before it that there were any
	JoinedDay     int64 // which that is
	Last          int64 // latest reading, unix nanoseconds
	Newest        int64 // number of the latest step of Trend
	Trend         [steps]step

	lat, lon float64
	sited    bool     // lat and lon are known
	nights   [2]night // the last ones that were asked for, by the parity of their number
}

// Observer takes readings and events for the gauges of facilities. Its zero value is not ready.
type Observer struct {
	book    *usage.Book // of all water
	own     bool        // it is this observer's alone
	mu      sync.Mutex  // all that follows, between the walker and readers
	zone    *time.Location
	places  []place
	index   map[Place]uint16
	devices arena.Arena[device] // by index of the device + 1
	lamps   slots[lamp]
	meters  slots[meter]
	bins    slots[bin]
	gates   slots[gate]
	sites   map[ingest.CommunityID]*inventory.Community
	inv     *inventory.Inventory       // nil before Bind
	asked   uint8                      // counts inventories, 1 to 255
	heads   map[ingest.DeviceID]uint32 // lamps that others stand behind: 1 + their index
	chains  [][]ingest.DeviceID        // who stands in front of lamps, one row for all of the same
	chained map[string]uint32          // 1 + the index in chains
	listed  map[Place]map[string]bool  // where the inventory has devices, and the waste streams of its bins there
}

// New returns an observer that has seen nothing. Book is where registers become
// use, and is told of each reading before the observer is; nil: one of its own.
func New(book *usage.Book) *Observer {
	o := &Observer{book: book, zone: time.UTC, index: map[Place]uint16{}}
	o.ask()
	if book == nil {
		o.book, o.own = usage.New(usage.Options{Unwritten: true}), true
	}
	o.book.Subscribe(o)
	return o
}

// Name names the state in the checkpoint.
func (o *Observer) Name() string { return "facility" }

// Bind takes the zone of local days and the sites of communities.
func (o *Observer) Bind(inv *inventory.Inventory) {
	if o.own {
		o.book.Bind(inv)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.zone, o.inv = inv.Zone, inv
	o.ask()
	o.sites = map[ingest.CommunityID]*inventory.Community{}
	for _, c := range inv.Communities {
		o.sites[c.ID] = c
	}
	for i := range o.places {
		o.locate(&o.places[i])
	}
	o.listed = map[Place]map[string]bool{}
	for d := range inv.AllDevices() {
		if at := (Place{d.Community, d.Facility}); inv.Here(d) {
			if o.listed[at] == nil {
				o.listed[at] = map[string]bool{}
			}
			if d.Facility == ingest.Waste {
				o.listed[at][d.Stream] = true
			}
		}
	}
}

// inspected reports whether the inventory has quantities for inspections.
func (o *Observer) inspected() bool {
	return o.inv != nil && o.inv.Facilities != nil && o.inv.Facilities.Quantity(ingest.Waste, "inspections_correct") != nil
}

// here reports whether the inventory has a place's community. Where it says of
// none, all are.
func (o *Observer) here(p *place) bool {
	return len(o.sites) == 0 || o.sites[p.Key.Community] != nil || o.inv.Community(p.Key.Community) != nil // of a shard, another's
}

// Rewind makes what is remembered as later than it can be of now.
func (o *Observer) Rewind(now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	set := func(at *int64) { *at = min(*at, now) }
	o.devices.Int64s(set)
	o.lamps.Int64s(set)
	o.bins.Int64s(set)
	o.gates.Int64s(set)
	for i := range o.places {
		p := &o.places[i]
		p.Last, p.Newest = min(p.Last, now), min(p.Newest, now/int64(stepWidth))
		if today := o.day(now); p.Day > today {
			p.Day, p.Passes = today, 0
		}
	}
}

// Forget forgets devices that were let go.
func (o *Observer) Forget(indexes []uint32, at int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, i := range indexes {
		if int(i) >= o.devices.Len() {
			continue
		}
		d := o.devices.At(i + 1)
		if d.Last == 0 {
			continue
		}
		o.leave(d, at)
		o.drop(d)
		maps.DeleteFunc(o.heads, func(_ ingest.DeviceID, head uint32) bool { return head == i+1 })
		*d = device{}
	}
}

// leave ends what a place counts of a device that is not there from a time on.
func (o *Observer) leave(d *device, at int64) {
	if d.Kind != gates {
		return
	}
	if g := o.gates.At(d.Slot); g.First != 0 {
		o.places[d.Place].Scheduled += max(0, at-g.First)
		g.First = 0
	}
}

// drop gives back what a device has of its kind.
func (o *Observer) drop(d *device) {
	switch d.Kind {
	case lighting:
		o.lamps.give(d.Slot)
	case water:
		o.meters.give(d.Slot)
	case waste:
		o.bins.give(d.Slot)
	case gates:
		o.gates.give(d.Slot)
	}
	d.Kind, d.Slot = other, 0
}

// become gives a device what its kind adds.
func (o *Observer) become(d *device, k kind) {
	if d.Kind == k {
		return
	}
	o.drop(d)
	switch d.Kind = k; k {
	case lighting:
		d.Slot = o.lamps.take()
	case water:
		d.Slot = o.meters.take()
	case waste:
		d.Slot = o.bins.take()
	case gates:
		d.Slot = o.gates.take()
	}
}

// locate says where a place is, where the inventory does.
func (o *Observer) locate(p *place) {
	p.nights = [2]night{}
	p.lat, p.lon, p.sited = 0, 0, false
	if c := o.sites[p.Key.Community]; c != nil && (c.Lat != 0 || c.Lon != 0) {
		p.lat, p.lon, p.sited = c.Lat, c.Lon, true
	}
}

// Event takes the states of a gate, and what happens to gates and bins.
func (o *Observer) Event(index uint32, e *ingest.Event, _ int64) {
	switch {
	case e.Device.Facility == ingest.Gate: // any event says that it is up, but one
	case e.Device.Facility == ingest.Waste && (e.Type == "collected" || e.Type == "deposit"):
	default:
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Type == "node_offline" {
		if int(index) < o.devices.Len() && e.Active {
			if d := o.devices.At(index + 1); d.Kind == gates {
				o.gates.At(d.Slot).Gone = true
			}
		}
		return
	}
	d, p := o.device(index, e.Device, e.Time)
	if d.Kind == gates {
		o.gates.At(d.Slot).event(p, e)
	} else if e.Active {
		o.bins.At(d.Slot).event(p, e, o.day(e.Time))
	}
}

// Reading takes a reading. A late one says nothing of now.
func (o *Observer) Reading(index uint32, r *ingest.Reading, late bool, received int64) {
	if o.own {
		o.book.Reading(index, r, late, received)
	}
	if late || r.Channel != "" {
		return
	}
	if o.reading(index, r) {
		o.stand(index, r.Device)
	}
}

// reading takes a reading of now. It reports whether a lamp's front is not known yet.
func (o *Observer) reading(index uint32, r *ingest.Reading) (ask bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, p := o.device(index, r.Device, r.Time)
	switch d.Kind {
	case lighting:
		l := o.lamps.At(d.Slot)
		l.reading(p, r, o.passed(l, r.Time))
		return l.Asked != o.asked && l.HasPower
	case water:
		if r.Quantity.Name == "water_volume_total" {
			o.meters.At(d.Slot).HasRegister = true
		}
	case waste:
		o.bins.At(d.Slot).reading(p, r)
	case gates:
		o.gates.At(d.Slot).reading(p, r, d.Prev, o.day(r.Time))
	}
	return false
}

// Use enters water in the trend, as the book of use says.
func (o *Observer) Use(index uint32, u *usage.Use) {
	if u.Resource != usage.Water || !u.Counted || u.Behind {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p := &o.places[o.place(Place{u.Device.Community, u.Device.Facility})]
	for _, b := range u.Bookings {
		switch length := b.To - b.From; {
		case length <= 0 || b.Amount == 0:
		case length <= int64(stale):
			p.hold(b.From, b.To, b.Amount.Units()/time.Duration(length).Hours())
		default: // when it ran is not known
			if n := p.step(b.To / int64(stepWidth)); n != nil {
				n.Sum += float32(b.Amount.Units())
				n.Weight++
			}
		}
	}
}

// told returns for how long a state that was told at from held by to: at most until
// it is stale.
func told(from, to int64) int64 { return min(max(0, to-from), int64(stale)) }

func (o *Observer) day(ns int64) int64 {
	_, offset := time.Unix(0, ns).In(o.zone).Zone()
	return (ns/int64(time.Second) + int64(offset)) / 86400
}

func (o *Observer) device(index uint32, dev *ingest.Device, at int64) (*device, *place) {
	o.devices.Extend(int(index) + 1)
	d := o.devices.At(index + 1)
	if d.Last == 0 || o.places[d.Place].Key != (Place{dev.Community, dev.Facility}) {
		if d.Last != 0 {
			o.leave(d, at) // another place's from now on
		}
		d.Place = o.place(Place{dev.Community, dev.Facility})
		o.become(d, kindOf(dev.Facility))
	}
	p := &o.places[d.Place]
	if at > d.Last {
		if d.Kind == gates {
			o.gates.At(d.Slot).heard(p, d.Last, at)
		}
		d.Prev, d.Last = d.Last, at
	}
	p.Last = max(p.Last, at)
	return d, p
}

func (o *Observer) place(key Place) uint16 {
	if i, ok := o.index[key]; ok {
		return i
	}
	i := uint16(min(len(o.places), math.MaxUint16))
	if int(i) < len(o.places) {
		return i // 65,535 places are more than a county has; the rest is one
	}
	o.places, o.index[key] = append(o.places, place{Key: key}), i
	o.locate(&o.places[i])
	return i
}

// summarise counts what each place does at a time.
func (o *Observer) summarise(at int64) []Now {
	now := make([]Now, len(o.places))
	for i := range o.places {
		now[i].scheduled = o.places[i].Scheduled
	}
	for d := range o.devices.All() {
		if d.Last == 0 {
			continue
		}
		n := &now[d.Place]
		n.known++
		if d.Kind == gates {
			if first := o.gates.At(d.Slot).First; first != 0 {
				n.scheduled += max(0, at-first)
			}
		}
		if d.Last < at-int64(stale) {
			continue
		}
		n.Devices++
		switch d.Kind {
		case lighting:
			l := o.lamps.At(d.Slot)
			l.now(n, o.passed(l, at))
		case water:
			if o.meters.At(d.Slot).HasRegister {
				n.Metered++
			}
		case waste:
			o.bins.At(d.Slot).now(n)
		case gates:
			o.gates.At(d.Slot).now(n)
		}
	}
	today := o.day(at)
	for i := range now {
		n, p := &now[i], &o.places[i]
		if n.Filled > 0 {
			n.Fill /= float64(n.Filled)
		}
		n.Last, n.Counted = p.Last, p.Counted
		n.Joined, n.Before = p.households(today)
		if p.Day == today {
			n.Passes = p.Passes
		}
		if p.Key.Facility == ingest.Water {
			n.Water = o.book.Day(usage.Filter{Community: p.Key.Community, Facility: ingest.Water, Resource: usage.Water}, int(today)).Used.Units()
		}
	}
	return now
}

// Now returns what each place does at a time (unix nanoseconds).
func (o *Observer) Now(at int64) map[Place]Now {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := make(map[Place]Now, len(o.places))
	for i, n := range o.summarise(at) {
		if o.here(&o.places[i]) && n.known > 0 {
			m[o.places[i].Key] = n
		}
	}
	return m
}

// LastReading returns when a device's latest reading is of, unix nanoseconds; 0 if
// it has none.
func (o *Observer) LastReading(index uint32) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if int(index) >= o.devices.Len() {
		return 0
	}
	return o.devices.At(index + 1).Last
}
