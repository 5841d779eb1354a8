package anomaly

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

// Options of an engine.
type Options struct {
	Config Config
	// Lat and Lon stand in for a community's where it has none, in degrees.
	// Default: 35° N and the meridian of the zone.
	Lat, Lon float64
	// Zone is that of local hours; default is the inventory's.
	Zone *time.Location
	// Changed, if set, is told of each alarm raised and cleared, in order.
	Changed func(Change)
	// Book says where registers become use. It is told of each reading before this
	// engine is. Default: one of the engine's own.
	Book *usage.Book
}

// Engine runs the detectors over everything that is reported. Its
// state depends on the calls of the pipeline alone (see ingest.Readings).
//
// One goroutine calls it. Alarms, Collect and Describe may be called by any.
type Engine struct {
	*book
	water  waterRules
	lamps  lampRules
	bins   binRules
	gates  gateRules
	series seriesRules
	limits limitRules

	balances balanceRules

	silences timers // of devices, in time heard
	lastAny  int64  // when the last message of any device was received
	lost     int64  // how long nothing at all was received, see heard

	next atomic.Pointer[Config] // levels from the next Bind on

	own *usage.Book // where Options has none
	use struct {    // of the reading that follows
		index    uint32
		at       int64
		bookings []usage.Booking
	}
}

// NewEngine returns an engine that knows no device yet. Bind comes next.
func NewEngine(o Options) *Engine {
	b := newBook(newFleet(o))
	e := &Engine{book: b, water: waterRules{book: b}, lamps: lampRules{book: b}, bins: binRules{book: b},
		gates: gateRules{book: b}, series: seriesRules{book: b}, limits: limitRules{book: b},
		balances: balanceRules{book: b, of: map[balanceKey]*balance{}}}
	if o.Book == nil {
		e.own = usage.New(usage.Options{Unwritten: true})
		e.o.Book = e.own
	}
	e.o.Book.Subscribe(e)
	return e
}

// Use keeps what a read of a register of water came to, until the reading itself
// follows: it says by which clock it is judged.
func (e *Engine) Use(index uint32, u *usage.Use) {
	if int(index) < len(e.info) && e.info[index] != nil {
		if d := e.devices.At(index + 1); d.Flags&(flagParent|flagChild) != 0 {
			ahead := int64(0)
			if d.Flags&flagClock != 0 {
				ahead = int64(float64(d.LastLag-d.Offset) * 1e9)
			}
			e.balances.use(index, d, u, ahead)
		}
	}
	e.use.bookings = e.use.bookings[:0]
	if u.Resource == usage.Water {
		e.use.index, e.use.at = index, u.At
		e.use.bookings = append(e.use.bookings, u.Bookings...)
	}
}

// booked returns what a reading was found to have used.
func (e *Engine) booked(index uint32, r *ingest.Reading) []usage.Booking {
	if e.use.index != index || e.use.at != r.Time {
		return nil
	}
	return e.use.bookings
}

// Name names the state in the checkpoint.
func (e *Engine) Name() string { return "anomaly" }

// Configure sets levels that hold from the next Bind on. It is safe for
// concurrent use.
func (e *Engine) Configure(c Config) { e.next.Store(&c) }

// Bind takes over what the inventory says of communities and devices.
func (e *Engine) Bind(inv *inventory.Inventory) {
	if e.own != nil {
		e.own.Bind(inv)
	}
	if c := e.next.Swap(nil); c != nil {
		e.mu.Lock() // of the budget
		e.o.Config = *c
		e.mu.Unlock()
		e.communityOf, e.paramsOf = nil, map[*Parameters]uint16{}
	}
	e.inv = inv
	e.zone = e.o.Zone
	if e.zone == nil {
		e.zone = inv.Zone
	}
	if e.zone == nil {
		e.zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	if e.communityOf == nil {
		e.communityOf, e.deviceOf = map[ingest.CommunityID]*Parameters{}, map[ownKey]*Parameters{}
		e.params = []*Parameters{&e.o.Config.Parameters}
		for id, p := range e.o.Config.Communities {
			e.communityOf[id] = &p
		}
	}
	e.holidays = calendarOf(inv)
	for i := range e.places {
		e.locate(&e.places[i])
	}
	e.dropTotals()
	e.listSites()
	e.balances.bind()
	moved := false
	for i, d := range e.info {
		if d == nil {
			continue
		}
		if listed := inv.Device(d.ID); listed != nil && d.Listed {
			e.info[i] = listed
		}
		moved = e.settle(uint32(i)) || moved
	}
	if moved {
		e.regroup()
	}
}

// device returns the state of a device, made at its first reading.
func (e *Engine) device(index uint32, info *ingest.Device) *device {
	for uint32(len(e.info)) <= index {
		e.info = append(e.info, nil)
		e.devices.Add()
		d := e.devices.At(uint32(len(e.info)))
		d.Feeder, d.Gateway, d.Town = -1, -1, -1
		d.Index = uint32(len(e.info) - 1)
	}
	if e.info[index] == nil {
		e.info[index] = info
		e.settle(index)
	} else if e.info[index] != info && (info.Listed || *e.info[index].Origin != *info.Origin) {
		e.info[index] = info
		if e.settle(index) && e.devices.At(index+1).Open > 0 {
			e.regroup()
		}
	}
	return e.devices.At(index + 1)
}

// dropTotals drops what is counted of communities that the inventory has no more.
func (e *Engine) dropTotals() {
	if len(e.inv.Communities) == 0 {
		return // none is said
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.totals, func(k totalKey, _ uint64) bool { return k.Community != "" && e.inv.Community(k.Community) == nil })
}

// Rewind moves what is to come by as much as the clock was set back, and what is
// remembered as later than it can be to now.
func (e *Engine) Rewind(now int64) {
	e.flush()
	by := e.now - now
	if by <= 0 {
		return
	}
	for _, h := range []*timers{&e.silences, &e.timers} {
		for i := range *h {
			(*h)[i].Due -= by // all by the same: the heap is in order still
		}
	}
	e.mu.Lock()
	e.version.Add(1)
	for _, a := range e.alarms {
		for _, at := range []*int64{&a.expires, &a.held} {
			if *at != 0 {
				*at -= by
			}
		}
		a.ended = min(a.ended, now)
		for _, t := range []*time.Time{&a.Since, &a.Began, &a.Told, &a.Updated} {
			if t.UnixNano() > now {
				*t = time.Unix(0, now).UTC()
			}
		}
	}
	e.mu.Unlock()
	for d := range e.devices.All() {
		if d.GoneAt != 0 {
			d.GoneAt -= by // its timer is due at a time that follows from this
		}
	}
	clamp := func(at *int64) {
		if *at > now {
			*at = now
		}
	}
	for _, a := range e.arenas() {
		a.Int64s(clamp)
	}
	for at := range e.balances.times() {
		clamp(at)
	}
	e.now, e.lastAny = now, min(e.lastAny, now)
}

// Forget ends the alarms of devices that were let go, and what was learned of
// them. A device that is heard again begins anew.
func (e *Engine) Forget(indexes []uint32, at int64) {
	e.flush()
	gone := map[uint32]bool{}
	for _, i := range indexes {
		if int(i) < len(e.info) && e.info[i] != nil {
			gone[i] = true
		}
	}
	if len(gone) == 0 {
		return
	}
	of := func(t timer) bool {
		switch t.What {
		case timeOffline, timeGone:
			return gone[t.Of]
		case timeHeldOpen:
			return gone[e.gates.gates.At(t.Of).Device]
		}
		return t.K.Device < groupBase && gone[t.K.Device]
	}
	for _, h := range []*timers{&e.silences, &e.timers} {
		left := timers{}
		for _, t := range *h {
			if !of(t) {
				left.push(t)
			}
		}
		*h = left
	}
	for _, k := range sortedKeys(e.alarms) {
		if k.Device < groupBase && gone[k.Device] {
			e.endRemoved(k, at)
		}
	}
	e.balances.forget(gone)
	for i := range gone {
		d := e.devices.At(i + 1)
		e.join(&d.Town, groupKey{}, "")
		e.join(&d.Gateway, groupKey{}, "")
		e.join(&d.Feeder, groupKey{}, "")
		*d = device{Index: i, Town: -1, Gateway: -1, Feeder: -1}
		e.info[i] = nil
		e.settles++
	}
	e.regroup()
}

// Devices takes over the devices that everybody has, in place of those loaded.
func (e *Engine) Devices(at func(index uint32) *ingest.Device) {
	for i, info := range e.info {
		if info != nil {
			e.info[i] = at(uint32(i))
		}
	}
}

// quietFor sets how long nothing at all may be received before that counts as our
// own absence, or the broker's, and not as the devices' silence.
const quietFor = int64(15 * time.Minute)

// crowd: of so many devices or more, silence of all means that the broker or this
// service is down.
const crowd = 20

// heard is the time by which silences are measured: it stands still while
// nothing at all is received, so that an outage of the broker or of this
// service makes no device offline. With few devices it is the time itself.
func (e *Engine) heard(now int64) int64 {
	if len(e.info) >= crowd && e.lastAny != 0 && now > e.lastAny+quietFor {
		now = e.lastAny + quietFor
	}
	return now - e.lost
}

// Tick does what was due by now, in order and as of when it was due.
func (e *Engine) Tick(now int64) {
	e.flush()
	for {
		heard := e.heard(now)
		ordinary := len(e.timers) > 0 && e.timers[0].Due <= now
		silence := len(e.silences) > 0 && e.silences[0].Due <= heard
		switch {
		case ordinary && (!silence || e.timers[0].Due <= e.silences[0].Due+e.lost):
			switch t := e.timers.pop(); t.What {
			case timeHeldOpen:
				e.gates.heldOpenDue(t)
			case timeGone:
				e.goneDue(t)
			case timeHeld:
				e.heldDue(t)
			default:
				e.expireDue(t)
			}
		case silence:
			e.offlineDue(e.silences.pop())
		default:
			if day := int64(24 * time.Hour); now/day != e.now/day {
				e.sweepWaves(now)
			}
			e.now = now
			return
		}
	}
}

// Reading looks at one reading.
func (e *Engine) Reading(index uint32, r *ingest.Reading, late bool, received int64) {
	if e.own != nil {
		e.own.Reading(index, r, late, received)
	}
	d := e.device(index, r.Device)
	if received != d.Received {
		e.message(index, d, received)
	}
	at := r.Time
	switch {
	case r.TimeReplaced:
		d.Newest = -1
		at = received
	case r.TimeSource == ingest.TimeDevice:
		d.Flags |= flagDevice
		d.Newest = max(d.Newest, r.Time)
		if d.Flags&flagClock != 0 {
			at, late = received, false
		}
	}
	if late && !r.Estimated {
		if r.Device.Facility == ingest.Waste {
			e.bins.lateFire(index, d, e.channel(r.Channel), r, at)
		} else {
			e.limits.late(index, d, e.channel(r.Channel), r, at)
		}
	}
	if late || r.Estimated {
		return
	}
	channel := e.channel(r.Channel)
	switch r.Device.Facility {
	case ingest.Water:
		e.water.reading(index, d, channel, r, at, e.booked(index, r))
	case ingest.Lighting:
		e.lamps.reading(index, d, channel, r, at)
	case ingest.Waste:
		e.bins.reading(index, d, channel, r, at)
	case ingest.Gate:
		e.gates.reading(index, d, channel, r, at)
	}
	e.limits.reading(index, d, channel, r, at)
	e.series.reading(index, d, channel, r, at)
}

// Event looks at one event.
func (e *Engine) Event(index uint32, ev *ingest.Event, received int64) {
	d := e.device(index, ev.Device)
	if ev.Type == "node_offline" && ev.Active {
		e.gone(index, d, received)
		return
	}
	if received != d.Received {
		e.message(index, d, received)
	}
	if ev.TimeSource == ingest.TimeDevice {
		d.Newest = max(d.Newest, ev.Time)
	}
	at := ev.Time
	if d.Flags&flagClock != 0 {
		at = received
	}
	channel := e.channel(ev.Channel)
	switch ev.Device.Facility {
	case ingest.Gate:
		e.gates.event(index, d, channel, ev, at)
	case ingest.Waste:
		if ev.Type == "collected" && ev.Active {
			e.bins.collected(index, d, channel, at)
		}
	}
	e.reported(index, d, channel, ev, at)
}

// flush judges what came with the last message.
func (e *Engine) flush() {
	for _, id := range e.lamps.dirty {
		e.lamps.judgeLamp(id)
	}
	for _, id := range e.bins.dirty {
		e.bins.judgeBin(id)
	}
	e.lamps.dirty, e.bins.dirty = e.lamps.dirty[:0], e.bins.dirty[:0]
}

// message notes that a device was heard.
func (e *Engine) message(index uint32, d *device, received int64) {
	if d.Received != 0 {
		e.clock(index, d)
	}
	if len(e.info) >= crowd && e.lastAny != 0 && received > e.lastAny+quietFor {
		e.lost += received - e.lastAny - quietFor
	}
	e.lastAny = max(e.lastAny, received)
	heard := received - e.lost
	p := e.parameters(d)
	if d.LastSeen != 0 {
		if gap := float32(float64(heard-d.LastSeen) / 1e9); gap > 1 {
			taught := gap
			if gap > d.Longest {
				// Silence beyond the limit teaches no more than a little growth.
				taught = min(gap, 0.8*float32(e.silence(d, p)/1e9))
			}
			d.Longest = max(taught, d.Longest*(1-min(gap, 86400)/(45*86400)))
			if d.Interval == 0 {
				d.Interval = taught
			}
			off := max(gap/d.Interval, d.Interval/gap) - 1
			d.Uneven += 0.02 * (min(off, 1) - d.Uneven)
			// A running median: up and down by the same step.
			step := d.Interval * 0.05
			if gap > d.Interval {
				d.Interval += step
			} else {
				d.Interval -= step
			}
		}
	} else {
		d.FirstSeen = received
	}
	d.LastSeen, d.Received, d.Newest, d.GoneAt = max(heard, 1), received, 0, 0
	if d.Messages < math.MaxUint32 {
		d.Messages++
	}
	e.clearAlarm(alarmKey{index, 0, offline}, received)
	if d.Flags&flagTimer == 0 {
		d.Flags |= flagTimer
		e.silences.push(timer{Due: d.LastSeen + e.silence(d, p), What: timeOffline, Of: index})
	}
}

// uneven sets from when on a device has no rhythm: it says what happens, and in
// a quiet night nothing does. One of five messages lost is a rhythm still.
const uneven = 0.4

// silence returns for how long a device may be silent, in nanoseconds: longer than
// it has ordinarily been, and than four of its intervals; without a rhythm at
// least half a day, as nights differ by more than those seen so far; and in its
// first week, before it has shown its nights and weekends, at least 26 hours.
func (e *Engine) silence(d *device, p *Parameters) int64 {
	info := e.info[d.Index]
	least, ok := p.All.Offline[info.Facility]
	if !ok {
		least = p.All.Offline[anyFacility]
	}
	if d.Uneven > uneven {
		least = max(least, 12*time.Hour)
	}
	if d.LastSeen+e.lost-d.FirstSeen < int64(7*24*time.Hour) {
		least = max(least, 26*time.Hour)
	}
	s := max(float64(least), 4e9*float64(d.Interval), p.All.OfflineFactor*1e9*float64(d.Longest))
	return int64(s)
}

func (e *Engine) offlineDue(t timer) {
	d := e.devices.At(t.Of + 1)
	p := e.parameters(d)
	if due := d.LastSeen + e.silence(d, p); due > t.Due {
		t.Due = due
		e.silences.push(t)
		return
	}
	d.Flags &^= flagTimer
	if info := e.info[t.Of]; info != nil && !e.inv.Here(info) {
		return // it reports to another instance since the communities were divided anew
	}
	silent := float64(t.Due-d.LastSeen) / 1e9
	e.raise(alarmKey{t.Of, 0, offline}, t.Due+e.lost, silent, float64(d.Longest))
	// A fire takes its sensor with it: what says so from now on is that it is silent.
	for i := d.Bin; i != 0; i = e.bins.bins.At(i).Next {
		e.endsAt(alarmKey{t.Of, e.bins.bins.At(i).Channel, binFire}, t.Due+e.lost+burntOut)
	}
}

// burntOut sets how long a fire stays told of a bin that has been silent since.
const burntOut = int64(24 * time.Hour)

// clockFor sets how long a clock must have been wrong, by ours.
const clockFor = 10 * time.Minute

// clock looks at the device's clock once all of a message has been read.
//
// A wrong clock is off by a constant: the lag differs from the ordinary one and
// hardly from that of the message before, for some time. Messages kept back
// during an outage and sent afterwards differ by changing lags, or come all at
// once; and a smaller lag than the ordinary one is a better guess of that.
func (e *Engine) clock(index uint32, d *device) {
	if d.Newest == 0 {
		return // no time of its own
	}
	p := e.parameters(d)
	limit := float32(p.All.Clock.Seconds())
	bad := d.Newest < 0
	lag := float32(math.MaxFloat32)
	if !bad {
		lag = float32(float64(d.Received-d.Newest) / 1e9)
		if d.Flags&flagOffset == 0 {
			if lag > -300 && lag < 26*3600 {
				d.Flags |= flagOffset
				d.Offset = lag
			} else {
				bad = true
			}
		}
		if d.Flags&flagOffset != 0 {
			if lag >= -limit && lag < d.Offset {
				d.Offset = lag
			}
			off := lag - d.Offset
			off = max(off, -off)
			move := max(lag-d.LastLag, d.LastLag-lag)
			bad = off > limit && (move < limit/2 || d.ClockBad == 0 || lag < -limit)
			if off <= limit {
				d.Offset += 0.05 * (lag - d.Offset)
			} else if !bad {
				d.ClockBad = 0
			}
		}
	}
	d.LastLag = lag
	key := alarmKey{index, 0, clockOffset}
	if bad {
		d.ClockOK = 0
		if d.ClockBad == 0 {
			d.BadSince = d.Received
		}
		if d.ClockBad < 255 {
			d.ClockBad++
		}
		if d.ClockBad >= 3 && d.Received-d.BadSince >= int64(clockFor) && d.Flags&flagClock == 0 {
			d.Flags |= flagClock
			value := -float64(lag - d.Offset)
			if d.Newest < 0 {
				value = math.NaN()
			}
			e.raise(key, d.Received, value, 0)
		}
		return
	}
	d.ClockBad = 0
	if d.Flags&flagClock != 0 {
		if d.ClockOK++; d.ClockOK >= 3 {
			d.Flags &^= flagClock
			d.ClockOK = 0
			e.clearAlarm(key, d.Received)
		}
	}
}

// SteppedBack says that a device's time has gone back, by seconds, from one
// message to the next. Only who has all messages in the order they came can
// tell that from one kept back.
func (e *Engine) SteppedBack(index uint32, seconds float64, received int64) {
	e.raiseUntil(alarmKey{index, 0, clockOffset}, received, -seconds, 0, received+int64(24*time.Hour))
}

// reported raises what a device says of itself: as the alarm of the rule that
// looks for the same, so that there is one, with that rule's severity, and the
// rule clears it as well; else, or where its own readings say otherwise (a flag
// of a leak that the meter keeps for weeks, a bin whose level at which it calls
// itself full is lower than ours), as device_reported.
func (e *Engine) reported(index uint32, d *device, channel uint16, ev *ingest.Event, at int64) {
	if fire := ingest.FireIn(ev.Type); fire != ingest.NoFire {
		if k, ok := e.fireKind(ev.Device.Facility, fire); ok && !(fire == ingest.Heat && k == binFire && e.bins.cool(d, channel, at)) {
			e.firesOf(alarmKey{index, channel, k}, d, ev, at)
			return
		}
	}
	if fire := ingest.FireIn(ev.Type); fire == ingest.NoFire && !slices.Contains(reportedEvents, ev.Type) {
		return
	}
	// One alarm a type of event: the type takes the place of the channel.
	own := alarmKey{index, e.channel(ev.Channel + "/" + ev.Type), deviceReported}
	key, until := own, at+int64(e.parameters(d).All.Reported)
	value, expected := 1.0, 0.0
	switch facility := ev.Device.Facility; {
	case facility == ingest.Gate && ev.Type == "door_forced":
		key.Kind, until = forcedOpen, at+forcedFor
		value = 0 // see why
	case facility == ingest.Gate && ev.Type == "door_held_open":
		key.Kind, value = heldOpen, 0
	case facility == ingest.Waste && ev.Type == "overfull":
		_, b := e.bins.bin(index, d, channel)
		if b.Flags&binKnown == 0 {
			key.Kind, value = overfull, 0
		} else if p := &e.parameters(d).Waste; float64(b.LastFill) >= p.FullClear {
			key.Kind, value, expected = overfull, float64(b.LastFill), p.FullClear
		}
	case facility == ingest.Water && ev.Type == "leak":
		if m := e.water.meter(d, channel); m.RestSince == 0 {
			key.Kind, value = continuousFlow, 0
		}
	case facility == ingest.Water && ev.Type == "backflow":
		key.Kind, value, until = reverseFlow, 0, at+int64(24*time.Hour)
	}
	if key != own {
		key.Channel = channel
	}
	if !ev.Active {
		e.clearAlarm(own, at)
		e.clearAlarm(key, at)
		return
	}
	e.raiseUntil(key, at, value, expected, until)
}

// firesOf raises and ends what a device says of a fire.
func (e *Engine) firesOf(key alarmKey, d *device, ev *ingest.Event, at int64) {
	if !ev.Active || ingest.Calm(ev.Type) {
		e.clearAlarm(key, at)
		return
	}
	e.burns(key, ev.Time, d.Received)
	e.raiseUntil(key, at, 0, 0, at+int64(e.parameters(d).All.Reported))
}

// reportedEvents are those that tell of a fault.
var reportedEvents = []string{"leak", "backflow", "lamp_fault", "tamper", "overfull", "door_forced", "door_held_open"}

// goneFor sets how long a device may be away after its gateway, or the broker,
// said that it is gone: mobile networks drop connections many times a day.
const goneFor = int64(15 * time.Minute)

// gone notes that a device was said to be gone. That is not heard from it.
func (e *Engine) gone(index uint32, d *device, received int64) {
	if d.GoneAt == 0 {
		d.GoneAt = received
		e.timers.push(timer{Due: received + goneFor, What: timeGone, Of: index})
	}
}

// goneDue raises offline where nothing has come since.
func (e *Engine) goneDue(t timer) {
	if d := e.devices.At(t.Of + 1); d.GoneAt != 0 && d.GoneAt+goneFor == t.Due {
		e.raise(alarmKey{t.Of, 0, offline}, t.Due, float64(goneFor)/1e9, float64(d.Longest))
	}
}

// score notes how near a rule is to an alarm: above 1 is one.
func (d *device) score(s float64) {
	if f := float32(s); f > d.Score {
		d.Score = f
	}
}

// TakeScore returns the highest score of the device's readings since the last
// call: above 1 is anomalous. It judges what has come in.
func (e *Engine) TakeScore(index uint32) float64 {
	e.flush()
	d := e.devices.At(index + 1)
	s := d.Score
	d.Score = 0
	return float64(s)
}
