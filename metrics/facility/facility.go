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
	"io"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/sun"
	"greencommunity/metrics/usage"
)

const (
	binWidth = 10 * time.Minute
	bins     = 144 // a day
	// stale is after how long the last reading says nothing of now: three times
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
	// full is from where on a bin counts as overfull.
	full = 0.95
)

// Place is a kind of facility of one community.
type Place struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
}

// Now is what a place does now. What does not apply to its kind is 0.
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
	Doors   int     // gates that tell whether they are

	scheduled int64 // nanoseconds since each gate was first heard of
}

// device is what is known of one device. It has no pointers.
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
	Last          int64 // latest reading, unix nanoseconds
	Newest        int64 // number of the latest bin of Trend
	Trend         [bins]bin

	lat, lon float64
	sited    bool     // lat and lon are known
	nights   [2]night // the last ones that were asked for, by the parity of their number
}

// night is when the sun is below civil twilight, unix nanoseconds, between two
// noons of the site's mean solar time.
type night struct{ number, begin, end int64 }

// Stream is what was dropped into the bins of a waste stream, ever.
type Stream struct{ Deposits, Kilograms float64 }

// bin is 10 minutes of a place. Lamps and bins hold a value from one reading
// to the next: Sum is value times hours, Weight the hours of all devices. Of
// water and gates Sum is the amount, and Weight only says that there is one.
type bin struct{ Sum, Weight float32 }

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
	o.zone = inv.Zone
	o.sites = map[ingest.CommunityID]*inventory.Community{}
	for _, c := range inv.Communities {
		o.sites[c.ID] = c
	}
	for i := range o.places {
		o.locate(&o.places[i])
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
	if u.Resource != usage.Water || !u.Counted {
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

// pass counts the passes a register has grown by; those of a gate that counts
// single passes as well are counted there.
func (d *device) pass(p *place, day int64, r *ingest.Reading, register *float64, has *bool, sum *float64) {
	p.Counted = true
	if add := r.Device.Counted(*register, r.Value); *has && !d.HasDelta && add > 0 && add <= most {
		*sum += add
		p.add(d.Prev, r.Time, day, add, &p.Passes)
	}
	*register, *has = r.Value, true
}

// told is for how long a state that was told at from held by to: at most until
// it is stale.
func told(from, to int64) int64 { return min(max(0, to-from), int64(stale)) }

// lit is whether a lamp burns: as it says, or else by its power.
func (d *device) lit() bool {
	return d.HasLit && d.Lit || !d.HasLit && d.HasPower && d.Power > burning
}

// burn enters for how long a lamp has burned when it tells its state again.
func (d *device) burn(p *place, at int64) {
	if d.lit() {
		p.Lit += told(d.Since, at)
	}
	if d.Since != 0 && p.sited {
		p.Due += p.dark(d.Since, d.Since+told(d.Since, at))
	}
	d.Since = max(d.Since, at)
}

// door enters for how long a gate was open when it tells its state again.
func (d *device) door(p *place, at int64, open bool) {
	if at < d.Since {
		return
	}
	if d.Open {
		p.Opened += told(d.Since, at)
		if d.HeldOpen {
			p.HeldOpen += told(d.Since, at)
		}
	}
	d.Open, d.Since = open, at
	d.HeldOpen = d.HeldOpen && open
}

// held takes that a gate is held open, until it says that it is no longer, or is
// closed.
func (d *device) held(p *place, at int64, active bool) {
	if at < d.Since {
		return
	}
	d.door(p, at, active)
	d.HeldOpen = active
}

// heard enters that a gate was up since it was last heard of. What lies within a
// longer silence, or one that its gateway calls offline, is not known, and is
// not up.
func (d *device) heard(p *place, at int64) {
	if silence := at - d.Last; silence <= int64(stale) && !d.Gone {
		p.Up += silence
	}
	d.Gone = false
	if d.Held == 0 {
		d.Held = at
	}
}

// dark is for how long the sun was below civil twilight between two times.
func (p *place) dark(from, to int64) int64 {
	const day = int64(24 * time.Hour)
	shift := int64(p.lon*240e9) - day/2 // of the site's mean noon
	sum := int64(0)
	for from < to {
		number := (from + shift) / day
		begin, end := number*day-shift, (number+1)*day-shift
		n := &p.nights[number&1]
		if n.number != number {
			*n = night{number, end, end} // the sun does not sink
			date := time.Unix(0, begin).In(time.FixedZone("", int(p.lon*240)))
			if dusk, dawn, ok := sun.Night(date, p.lat, p.lon, sun.Civil); ok {
				n.begin, n.end = dusk.UnixNano(), dawn.UnixNano()
			} else if sun.Elevation(date.Add(12*time.Hour), p.lat, p.lon) < sun.Civil {
				n.begin = begin // it does not rise
			}
		}
		until := min(to, end)
		sum += max(0, min(until, n.end)-max(from, n.begin))
		from = until
	}
	return sum
}

// emptied counts a collection, once: the event and the fall of the fill level
// may both tell of it.
func (d *device) emptied(p *place, at int64) {
	if d.Since == 0 || at-d.Since >= int64(sameCollection) {
		p.Collections++
		d.Since = at
	}
}

func (p *place) stream(name string) *Stream {
	if p.Streams == nil {
		p.Streams = map[string]*Stream{}
	}
	s := p.Streams[name]
	if s == nil {
		s = &Stream{}
		p.Streams[name] = s
	}
	return s
}

// add adds an amount to its day, and to the trend over the time since the
// device's reading before. The day that runs is the latest that was seen.
func (p *place) add(from, at, day int64, v float64, sum *float64) {
	if day > p.Day {
		p.Day, p.Passes = day, 0
	}
	if day == p.Day {
		*sum += v
	}
	if from > 0 && from < at && at-from <= int64(stale) {
		p.hold(from, at, v/time.Duration(at-from).Hours())
	} else if b := p.bin(at / int64(binWidth)); b != nil {
		b.Sum += float32(v)
		b.Weight++
	}
}

// hold enters a value held between two times, for as long as a reading says
// something.
func (p *place) hold(from, to int64, v float64) {
	to = min(to, from+int64(stale))
	for at := max(from, to-bins*int64(binWidth)); at < to; {
		n := at / int64(binWidth)
		end := min(to, (n+1)*int64(binWidth))
		if b := p.bin(n); b != nil {
			hours := time.Duration(end - at).Hours()
			b.Sum += float32(v * hours)
			b.Weight += float32(hours)
		}
		at = end
	}
}

// bin is the bin with a number; nil if it is a day or more before the latest.
func (p *place) bin(n int64) *bin {
	if n <= p.Newest-bins {
		return nil
	}
	for k := max(p.Newest+1, n-bins+1); k <= n; k++ {
		p.Trend[k%bins] = bin{}
	}
	p.Newest = max(p.Newest, n)
	return &p.Trend[n%bins]
}

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
		if p.Day == today {
			n.Passes = p.Passes
		}
		if p.Key.Facility == ingest.Water {
			n.Water = o.book.Day(usage.Filter{Community: p.Key.Community, Facility: ingest.Water, Resource: usage.Water}, int(today)).Used.Units()
		}
	}
	return now
}

// Now is what each place does at a time (unix nanoseconds).
func (o *Observer) Now(at int64) map[Place]Now {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := make(map[Place]Now, len(o.places))
	for i, n := range o.summarise(at) {
		m[o.places[i].Key] = n
	}
	return m
}

// Trend is the last 24 hours of a place. Values of lamps, meters and gates add
// up over places. Those of bins are means: Bins says of how many each is, and the
// mean over places is weighted with it.
type Trend struct {
	Values []float64 // NaN: no data
	Bins   []float64 // nil where Values add up
}

// Add adds the trend of another place of the same kind of facility.
func (t *Trend) Add(o Trend) {
	if t.Values == nil {
		*t = Trend{slices.Clone(o.Values), slices.Clone(o.Bins)}
		return
	}
	for i, v := range o.Values {
		switch {
		case math.IsNaN(v):
		case math.IsNaN(t.Values[i]):
			t.Values[i] = v
			if t.Bins != nil {
				t.Bins[i] = o.Bins[i]
			}
		case t.Bins == nil:
			t.Values[i] += v
		default:
			n := t.Bins[i] + o.Bins[i]
			t.Values[i], t.Bins[i] = (t.Values[i]*t.Bins[i]+v*o.Bins[i])/n, n
		}
	}
}

// Trends are the last 24 hours of every place before at (unix nanoseconds), in
// bins of 10 minutes, the oldest first, and when the first begins (unix
// seconds): W of lamps, m3/h of water, mean fill level of bins, passes in 10
// minutes of gates. NaN is no data.
func (o *Observer) Trends(at int64) (from int64, trends map[Place]Trend) {
	o.mu.Lock()
	defer o.mu.Unlock()
	// What a device has last reported holds until now, which is not entered yet.
	places := slices.Clone(o.places)
	for d := range o.devices.All() {
		switch {
		case d.HasPower && d.Held < at:
			places[d.Place].hold(d.Held, at, d.Power)
		case d.HasFill && d.Held < at:
			places[d.Place].hold(d.Held, at, d.Fill)
		}
	}
	last := at / int64(binWidth) // which runs, and is left out
	trends = make(map[Place]Trend, len(places))
	for i := range places {
		p := &places[i]
		values := make([]float64, bins-1)
		var weights []float64
		if p.Key.Facility == ingest.Waste {
			weights = make([]float64, len(values))
		}
		for k := range values {
			n := last - int64(len(values)) + int64(k)
			values[k] = math.NaN()
			if n > p.Newest || n <= p.Newest-bins || p.Trend[n%bins].Weight == 0 {
				continue
			}
			b := p.Trend[n%bins]
			switch p.Key.Facility {
			case ingest.Lighting, ingest.Water:
				values[k] = float64(b.Sum) / binWidth.Hours()
			case ingest.Waste:
				values[k], weights[k] = float64(b.Sum/b.Weight), float64(b.Weight)/binWidth.Hours()
			default:
				values[k] = float64(b.Sum)
			}
		}
		trends[p.Key] = Trend{values, weights}
	}
	return (last - bins + 1) * int64(binWidth/time.Second), trends
}

// LastReading is when a device's latest reading is of, unix nanoseconds; 0 if
// it has none.
func (o *Observer) LastReading(index uint32) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if int(index) >= o.devices.Len() {
		return 0
	}
	return o.devices.At(index + 1).Last
}

// state comes before the devices, which in version 1 were in gob as well. Before
// version 3 the registers of water were read here.
type state struct {
	Version int
	Places  []place
}

// Save writes the state.
func (o *Observer) Save(w io.Writer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := gob.NewEncoder(w).Encode(state{Version: 3, Places: o.places}); err != nil {
		return err
	}
	if err := o.devices.Save(w); err != nil || !o.own {
		return err
	}
	return o.book.Save(w)
}

// Load reads a state.
func (o *Observer) Load(r io.Reader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := bufio.NewReaderSize(r, 64<<10)
	d := gob.NewDecoder(b) // reads no further than its own
	var s state
	if err := d.Decode(&s); err != nil {
		return err
	}
	o.places = s.Places
	for i := range o.places {
		o.locate(&o.places[i])
		o.index[o.places[i].Key] = uint16(i)
	}
	if s.Version >= 3 {
		if err := o.devices.Load(b); err != nil || !o.own {
			return err
		}
		return o.book.Load(b)
	}
	if err := o.loadDevices(s.Version, b, d); err != nil {
		return err
	}
	for i := range o.places {
		if p := &o.places[i]; p.Key.Facility == ingest.Water && p.Water > 0 {
			o.book.Carry(usage.Place{Community: p.Key.Community, Facility: ingest.Water, Resource: usage.Water}, int(p.Day), p.Water)
			p.Water = 0
		}
	}
	for i := range uint32(o.devices.Len()) {
		if d := o.devices.At(i + 1); d.HasRegister && d.Last != 0 && int(d.Place) < len(o.places) && o.places[d.Place].Key.Facility == ingest.Water {
			o.book.SeedWater(i, d.Last, d.Register)
		}
	}
	return nil
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

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	powerDesc  = desc("greencommunity_lighting_power_watts", "Power of the lamps that have reported within 3 hours.", "community")
	litDesc    = desc("greencommunity_lighting_lamps_lit", "Lamps that burn.", "community")
	lampsDesc  = desc("greencommunity_lighting_lamps", "Lamps that have reported within 3 hours.", "community")
	waterDesc  = desc("greencommunity_water_today_cubic_meters", "Water drawn since the local day began.", "community")
	fillDesc   = desc("greencommunity_waste_bin_fill_ratio", "Mean fill level of the bins.", "community")
	fullDesc   = desc("greencommunity_waste_bins_full", "Bins at 95 % or more.", "community")
	passesDesc = desc("greencommunity_gate_passes_total", "Passes through the gates.", "community", "direction")
	openDesc   = desc("greencommunity_gates_open", "Gates that are open.", "community")
	burnDesc   = desc("greencommunity_lighting_burn_seconds_total", "Time lamps have burned, by what they report; silence counts for 3 h at most.", "community")
	dropDesc   = desc("greencommunity_waste_deposits_total", "Deposits in the bins.", "community", "stream")
	massDesc   = desc("greencommunity_waste_mass_grams_total", "Net weight of what was dropped, as bins or vehicles weigh it.", "community", "stream")
	pickDesc   = desc("greencommunity_waste_collections_total", "Bins emptied, as reported or seen in the fill level.", "community")
	overDesc   = desc("greencommunity_waste_bin_overflow_seconds_total", "Time bins were at 95 % or more; silence counts for 3 h at most.", "community")
	ajarDesc   = desc("greencommunity_gate_open_seconds_total", "Time gates were open; silence counts for 3 h at most.", "community")
	dueDesc    = desc("greencommunity_lighting_scheduled_burn_seconds_total", "Time lamps should have burned by the sun, from civil dusk to dawn, of the time they told of.", "community")
	checkDesc  = desc("greencommunity_waste_inspections_total", "Deposits that were inspected, by what was found: correct, wrong.", "community", "result")
	upDesc     = desc("greencommunity_gate_up_seconds_total", "Time gates were heard of; a silence of more than 3 h is not known, and not up.", "community")
	dutyDesc   = desc("greencommunity_gate_scheduled_seconds_total", "Time since each gate was first heard of: all of it is scheduled.", "community")
	jamDesc    = desc("greencommunity_gate_held_open_seconds_total", "Time gates were open after they said that they are held open; silence counts for 3 h at most.", "community")
	forcedDesc = desc("greencommunity_gate_forced_total", "Reports of a gate forced open.", "community")
	heldDesc   = desc("greencommunity_gate_held_open_total", "Reports of a gate held open.", "community")
	lastDesc   = desc("greencommunity_facility_last_reading_timestamp_seconds", "When the latest reading is of.", "community", "facility")
)

// Describe sends the descriptions of the metrics.
func (o *Observer) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{powerDesc, litDesc, lampsDesc, waterDesc, fillDesc, fullDesc, passesDesc, openDesc, burnDesc, dropDesc, massDesc, pickDesc, overDesc, ajarDesc, forcedDesc, heldDesc, lastDesc, dueDesc, checkDesc, upDesc, dutyDesc, jamDesc} {
		ch <- d
	}
}

// Collect sends the metrics.
func (o *Observer) Collect(ch chan<- prometheus.Metric) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for i, n := range o.summarise(time.Now().UnixNano()) {
		p := &o.places[i]
		community := string(p.Key.Community)
		gauge(lastDesc, float64(n.Last)/1e9, community, string(p.Key.Facility))
		switch p.Key.Facility {
		case ingest.Lighting:
			counter(burnDesc, float64(p.Lit)/1e9, community)
			if p.sited {
				counter(dueDesc, float64(p.Due)/1e9, community)
			}
		case ingest.Waste:
			counter(pickDesc, p.Collections, community)
			counter(overDesc, float64(p.Overfull)/1e9, community)
			if p.Right+p.Wrong > 0 { // 0 is nobody who looks, not nothing wrong
				counter(checkDesc, p.Right, community, "correct")
				counter(checkDesc, p.Wrong, community, "wrong")
			}
			for name, s := range p.Streams {
				if s.Deposits > 0 {
					counter(dropDesc, s.Deposits, community, name)
				}
				if s.Kilograms > 0 { // 0 is nobody who weighs, not no waste
					counter(massDesc, s.Kilograms*1000, community, name)
				}
			}
		case ingest.Gate:
			counter(passesDesc, p.In, community, "in")
			counter(passesDesc, p.Out, community, "out")
			counter(ajarDesc, float64(p.Opened)/1e9, community)
			counter(forcedDesc, p.Forced, community)
			counter(heldDesc, p.Held, community)
			counter(jamDesc, float64(p.HeldOpen)/1e9, community)
			counter(upDesc, float64(p.Up)/1e9, community)
			counter(dutyDesc, float64(n.scheduled)/1e9, community)
		}
		if n.Devices == 0 {
			continue // nobody reports: no figure, not 0
		}
		switch p.Key.Facility {
		case ingest.Lighting:
			if n.Powered > 0 {
				gauge(powerDesc, n.Power, community)
			}
			gauge(litDesc, float64(n.Lit), community)
			gauge(lampsDesc, float64(n.Devices), community)
		case ingest.Water:
			if n.Metered > 0 {
				gauge(waterDesc, n.Water, community)
			}
		case ingest.Waste:
			if n.Filled > 0 {
				gauge(fullDesc, float64(n.Full), community)
				gauge(fillDesc, n.Fill, community)
			}
		case ingest.Gate:
			if n.Doors > 0 {
				gauge(openDesc, float64(n.Open), community)
			}
		}
	}
}
