// Package facility knows what the facilities of each community do now and did
// in the last 24 hours: lamps and their power, water drawn, how full the bins
// are, passes through the gates. It is what tiles and small trends show; what
// is saved, and what is wrong, are packages of their own.
//
// All of it is by the time of the readings, so that history which arrives at
// once is seen as the days it is of. State is kept for each device (80 bytes)
// and each community and kind of facility. A device that has been silent for 3
// hours does not count as being in a state any more, except where its reading
// is a register: silence is not an empty bin, nor a lamp that is off.
package facility

import (
	"bufio"
	"encoding/gob"
	"math"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

const (
	binWidth = 10 * time.Minute
	bins     = 144 // a day
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

// device holds what is known of one device. It has no pointers.
type device struct {
	Last            int64 // latest reading, unix nanoseconds
	Prev            int64 // the one before
	Held            int64 // since when Power or Fill is what it is; of a gate, when it was first heard of
	Power, Fill     float64
	Register        float64 // last pass_in_total or deposits_total
	Out             float64 // last pass_out_total
	Since           int64   // when a lamp or gate last told its state, or a bin was last emptied
	Place           uint16
	Lit, Open       bool
	HasPower        bool
	HasLit, HasFill bool
	HasRegister     bool
	HasOut          bool
	HasDelta        bool // counts single passes or deposits, so that its register, or its events, are not counted as well
	HeldOpen        bool // a gate says that it is held open
	Gone            bool // its gateway says that it is offline
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
	Newest        int64 // number of the latest bin of Trend
	Trend         [bins]bin

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
	sites   map[ingest.CommunityID]*inventory.Community
	inv     *inventory.Inventory      // nil before Bind
	listed  map[Place]map[string]bool // where the inventory has devices, and the waste streams of its bins there
}

// New returns an observer that has seen nothing. Book is where registers become
// use, and is told of each reading before the observer is; nil: one of its own.
func New(book *usage.Book) *Observer {
	o := &Observer{book: book, zone: time.UTC, index: map[Place]uint16{}}
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
	o.devices.Int64s(func(at *int64) { *at = min(*at, now) })
	for i := range o.places {
		p := &o.places[i]
		p.Last, p.Newest = min(p.Last, now), min(p.Newest, now/int64(binWidth))
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
		if p := &o.places[d.Place]; p.Key.Facility == ingest.Gate && d.Held != 0 {
			p.Scheduled += max(0, at-d.Held)
		}
		*d = device{}
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
	case e.Type == "collected" || e.Type == "deposit":
	default:
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Type == "node_offline" {
		if int(index) < o.devices.Len() && e.Active {
			o.devices.At(index + 1).Gone = true
		}
		return
	}
	d, p := o.device(index, e.Device, e.Time)
	switch e.Type {
	case "door_opened", "door_closed":
		d.door(p, e.Time, e.Type == "door_opened")
		return
	case "door_held_open":
		d.held(p, e.Time, e.Active)
	}
	if !e.Active {
		return // the end of a condition
	}
	switch e.Type {
	case "door_forced":
		p.Forced++
	case "door_held_open":
		p.Held++
	case "collected":
		d.emptied(p, e.Time)
	case "deposit":
		p.joined(o.day(e.Time), e.Code)
		if !d.HasDelta && !d.HasRegister {
			p.stream(e.Device.Stream).Deposits++
		}
	}
}

// Reading takes a reading. A late one says nothing of now.
func (o *Observer) Reading(index uint32, r *ingest.Reading, late bool, received int64) {
	if o.own {
		o.book.Reading(index, r, late, received)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if late || r.Channel != "" {
		return
	}
	d, p := o.device(index, r.Device, r.Time)
	switch r.Quantity.Name {
	case "active_power":
		if d.HasPower {
			p.hold(d.Held, r.Time, d.Power)
		}
		d.burn(p, r.Time)
		d.Power, d.HasPower, d.Held = r.Value, true, r.Time
	case "light_on":
		d.burn(p, r.Time)
		d.Lit, d.HasLit = r.Value != 0, true
	case "fill_level":
		if d.HasFill {
			p.hold(d.Held, r.Time, d.Fill)
			if d.Fill >= full {
				p.Overfull += told(d.Held, r.Time)
			}
			if d.Fill-r.Value >= emptyBy && r.Value < d.Fill/2 {
				d.emptied(p, r.Time)
			}
		}
		d.Fill, d.HasFill, d.Held = r.Value, true, r.Time
	case "door_open":
		d.door(p, r.Time, r.Value != 0)
	case "water_volume_total":
		d.HasRegister = true
	case "pass_in":
		d.HasDelta, p.Counted = true, true
		p.In += r.Value
		p.add(d.Prev, r.Time, o.day(r.Time), r.Value, &p.Passes)
	case "pass_out":
		d.HasDelta, p.Counted = true, true
		p.Out += r.Value
		p.add(d.Prev, r.Time, o.day(r.Time), r.Value, &p.Passes)
	case "pass_in_total":
		d.pass(p, o.day(r.Time), r, &d.Register, &d.HasRegister, &p.In)
	case "pass_out_total":
		d.pass(p, o.day(r.Time), r, &d.Out, &d.HasOut, &p.Out)
	case "deposits":
		if r.Value > 0 {
			p.stream(r.Device.Stream).Deposits += r.Value
		}
		d.HasDelta = true
	case "deposits_total":
		if add := r.Device.Counted(d.Register, r.Value); d.HasRegister && !d.HasDelta && add > 0 && add <= most {
			p.stream(r.Device.Stream).Deposits += add
		}
		d.Register, d.HasRegister = r.Value, true
	case "inspections_correct":
		p.Right += max(0, r.Value)
	case "inspections_wrong":
		p.Wrong += max(0, r.Value)
	case "waste_weight_net":
		if r.Value > 0 {
			p.stream(r.Device.Stream).Kilograms += r.Value
		}
	}
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
			if n := p.bin(b.To / int64(binWidth)); n != nil {
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
		if was := d.Place; d.Last != 0 && d.Held != 0 && o.places[was].Key.Facility == ingest.Gate {
			o.places[was].Scheduled += max(0, at-d.Held) // another community's from now on
			d.Held = 0
		}
		d.Place = o.place(Place{dev.Community, dev.Facility})
	}
	p := &o.places[d.Place]
	if at > d.Last {
		if dev.Facility == ingest.Gate {
			d.heard(p, at)
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
	gates := make([]bool, len(o.places))
	for i := range o.places {
		gates[i], now[i].scheduled = o.places[i].Key.Facility == ingest.Gate, o.places[i].Scheduled
	}
	for d := range o.devices.All() {
		if d.Last != 0 && gates[d.Place] && d.Held != 0 {
			now[d.Place].scheduled += max(0, at-d.Held)
		}
		if d.Last != 0 {
			now[d.Place].known++
		}
		if d.Last == 0 || d.Last < at-int64(stale) {
			continue
		}
		n := &now[d.Place]
		n.Devices++
		if d.HasPower {
			n.Power += d.Power
			n.Powered++
		}
		if d.HasRegister {
			n.Metered++
		}
		if d.Since > 0 {
			n.Doors++
		}
		if d.lit() {
			n.Lit++
		}
		if d.HasFill {
			n.Fill += d.Fill
			n.Filled++
			if d.Fill >= full {
				n.Full++
			}
		}
		if d.Open {
			n.Open++
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

// loadDevices reads the devices of a version before 3.
func (o *Observer) loadDevices(version int, b *bufio.Reader, d *gob.Decoder) error {
	if version == 2 {
		return o.devices.Load(b)
	}
	for {
		var some []device
		if err := d.Decode(&some); err != nil {
			return err
		}
		if len(some) == 0 {
			return nil
		}
		for _, known := range some {
			*o.devices.At(o.devices.Add()) = known
		}
	}
}
