package anomaly

import (
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
)

// bin is the state of a waste bin. It has no pointers.
type bin struct {
	Next    uint32
	Device  uint32
	Channel uint16
	Flags   uint8
	Tilts   uint8 // readings in a row that said tilted
	Upright uint8 // and since then, that did not
	Jumped  bool  // it became full in one reading
	Rises   uint8 // steep rises of temperature in a row

	At    int64
	Judge int64
	Fill  float32
	Tilt  float32
	Temp  float32

	LastFill float32
	LastTemp float32
	Base     float32 // temperature before the rise
	TempAt   int64
	CoolFrom int64
	FullFrom int64
	JumpAt   int64   // 0 none
	JumpFrom float32 // fill level before the jump

	SameFrom int64
	SameFill float32
	Same     float32 // longest standstill, s, slowly forgotten

	Emptied   int64 // last time
	Intervals uint16
	Interval  float32 // longest between two, s, slowly forgotten
	FillAt    float32 // running mean of the fill level when it is emptied
	Swings    float32 // times the level went far up or down, halved each six hours
	SwingAt   int64
	Swing     int8 // the way it went last
}

const (
	binFill = 1 << iota // which readings are being collected
	binTilt
	binTemp
	binDirty
	binKnown // LastFill is one
)

// binRules look for fire, and for bins that are full, tipped, blocked or not emptied.
type binRules struct {
	*book
	bins  arena.Arena[bin]
	dirty []uint32 // with readings that have not been judged
}

func (rules *binRules) bin(index uint32, d *device, channel uint16) (uint32, *bin) {
	for i := d.Bin; i != 0; {
		b := rules.bins.At(i)
		if b.Channel == channel {
			return i, b
		}
		i = b.Next
	}
	i := rules.bins.Add()
	b := rules.bins.At(i)
	b.Channel, b.Next, b.Device = channel, d.Bin, index
	d.Bin = i
	return i, b
}

func (rules *binRules) reading(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	var flag uint8
	switch r.Quantity.Name {
	case "fill_level":
		flag = binFill
	case "bin_tilted":
		flag = binTilt
	case "bin_temperature", "temperature":
		// Whatever its name: a device in a bin has no other temperature than the bin's.
		flag = binTemp
	default:
		return
	}
	id, b := rules.bin(index, d, channel)
	if b.At != 0 && at != b.At && b.Flags&binDirty != 0 {
		rules.judgeBin(id)
	}
	b.At = at
	v := float32(r.Value)
	switch flag {
	case binFill:
		b.Fill = v
	case binTilt:
		b.Tilt = v
	case binTemp:
		if r.Value >= rules.parameters(d).Waste.Fire {
			rules.burns(alarmKey{index, channel, binFire}, r.Time, d.Received)
		}
		if b.Flags&binTemp != 0 { // it has two: the hotter
			v = max(v, b.Temp)
		}
		b.Temp = v
	}
	b.Flags |= flag
	if b.Flags&binDirty == 0 {
		b.Flags |= binDirty
		rules.dirty = append(rules.dirty, id)
	}
}

// judgeBin judges what a bin has reported for one time.
func (rules *binRules) judgeBin(id uint32) {
	b := rules.bins.At(id)
	got := b.Flags
	b.Flags &^= binDirty | binFill | binTilt | binTemp
	d := rules.devices.At(b.Device + 1)
	if b.At <= b.Judge {
		// Its clock was ahead. What only fire reaches is told by any clock.
		if got&binTemp != 0 && float64(b.Temp) >= rules.parameters(d).Waste.Fire {
			rules.raise(alarmKey{b.Device, b.Channel, binFire}, b.At, float64(b.Temp), float64(rules.ambient[d.Place].Mean))
		}
		if d.Flags&flagClock != 0 && b.At < b.Judge { // it is judged by the time received from now on
			b.Judge, b.TempAt = b.At, 0
		}
		return
	}
	unseen := float32(float64(b.At-b.Judge) / 1e9)
	b.Judge = b.At
	if got&binTemp != 0 {
		rules.judgeFire(b, d)
	}
	key := alarmKey{b.Device, b.Channel, tipped}
	if got&binTilt != 0 {
		if b.Tilt >= 0.5 {
			b.Tilts, b.Upright = min(b.Tilts+1, 100), 0
			d.score(float64(b.Tilts) / 2)
			if b.Tilts >= 2 {
				rules.raise(key, b.At, 1, 0)
			}
		} else {
			b.Tilts = 0
			if b.Upright = min(b.Upright+1, 100); b.Upright >= 2 {
				rules.clearAlarm(key, b.At)
			}
		}
	}
	// What a tipped bin's sensor looks at is no fill level.
	if got&binFill != 0 && b.Tilts == 0 {
		if unseen > b.Interval/2 {
			b.Emptied = b.At // it may have been emptied meanwhile
		}
		rules.judgeFill(b, d)
	}
}

// judgeFire looks for fire: a temperature nothing else reaches, or a steep rise
// the neighbours do not share.
func (rules *binRules) judgeFire(b *bin, d *device) {
	p := &rules.parameters(d).Waste
	temp, at := float64(b.Temp), b.At
	around := &rules.ambient[d.Place]
	base := float64(b.Base)
	if around.N >= 100 {
		base = float64(around.Mean)
	}
	if b.TempAt != 0 && at-b.TempAt <= int64(2*time.Hour) && temp-float64(b.LastTemp) >= p.FireRise {
		if b.Rises == 0 {
			b.Base = b.LastTemp
		}
		b.Rises = min(b.Rises+1, 100)
	} else if temp < float64(b.LastTemp) || b.TempAt == 0 {
		b.Rises, b.Base = 0, b.Temp
	} else if b.Rises == 0 {
		b.Base = b.Temp
	}
	b.LastTemp, b.TempAt = b.Temp, at
	if temp < p.Fire {
		// A running mean of the bins around, in which no bin weighs much.
		around.N = min(around.N+1, 1e6)
		step := float32(temp) - around.Mean
		if around.N > 10 {
			step = min(max(step, -5), 5)
		}
		around.Mean += step * max(0.02, 1/float32(around.N))
	}
	key := alarmKey{b.Device, b.Channel, binFire}
	rising := b.Rises >= 2 && temp-base >= p.FireAbove
	d.score(temp / p.Fire)
	switch {
	case temp >= p.Fire || rising:
		b.CoolFrom = 0
		rules.raise(key, at, temp, base)
	case temp < p.FireClear && rules.active(key):
		if b.CoolFrom == 0 {
			b.CoolFrom = at
		}
		if at-b.CoolFrom >= int64(p.FireQuiet) {
			b.CoolFrom = 0
			rules.clearAlarm(key, at)
		}
	}
}

// cool says whether a bin has said of late that it is no warmer than the sun makes it: an
// alarm of its own limit is a fault to look at then, and no fire.
func (rules *binRules) cool(d *device, channel uint16, at int64) bool {
	for i := d.Bin; i != 0; {
		b := rules.bins.At(i)
		if b.Channel == channel {
			temp := b.LastTemp
			if b.Flags&binTemp != 0 { // of this message
				temp = b.Temp
			}
			return b.TempAt != 0 && at-b.TempAt <= int64(2*time.Hour) && float64(temp) < rules.parameters(d).Waste.FireClear
		}
		i = b.Next
	}
	return false
}

// lateFire looks at a temperature that came out of order. What only fire reaches is
// told however late it comes.
func (rules *binRules) lateFire(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	if n := r.Quantity.Name; n != "bin_temperature" && n != "temperature" {
		return
	}
	key := alarmKey{index, channel, binFire}
	if p := &rules.parameters(d).Waste; r.Value >= p.Fire && !rules.active(key) {
		rules.burns(key, r.Time, d.Received)
		rules.raiseUntil(key, at, r.Value, float64(rules.ambient[d.Place].Mean), at+int64(p.FireQuiet))
	}
}

// judgeFill looks at the fill level of an upright bin.
func (rules *binRules) judgeFill(b *bin, d *device) {
	p := &rules.parameters(d).Waste
	fill, at := float64(b.Fill), b.At
	key := func(k kind) alarmKey { return alarmKey{b.Device, b.Channel, k} }
	last := float64(b.LastFill)
	known := b.Flags&binKnown != 0
	b.Flags |= binKnown
	b.LastFill = b.Fill
	if known && rules.erratic(b, d, fill-last) {
		return // it says nothing of the bin
	}

	// Emptied: falls by a tenth of the bin, to less than half of what it was. One
	// that was full from one reading to the next was not, and nobody emptied it.
	if known && last-fill >= 0.1 && fill < 0.5*last && b.JumpAt == 0 && !b.Jumped {
		rules.emptied(b, at, last)
	}

	// A blocked sensor: up in one reading by more than people throw in, and
	// there to stay. Until that is clear the bin is not overfull either.
	switch {
	case known && b.JumpAt == 0 && fill-last >= p.Jump:
		b.JumpAt, b.JumpFrom = at, float32(last)
	case b.JumpAt != 0 && fill < float64(b.JumpFrom)+p.Jump/2:
		b.JumpAt = 0
		rules.clearAlarm(key(blocked), at)
	case b.JumpAt != 0:
		d.score(min(float64(at-b.JumpAt)/float64(p.JumpAfter), 5))
		if at-b.JumpAt >= int64(p.JumpAfter) {
			rules.raise(key(blocked), at, fill, float64(b.JumpFrom))
		}
	}

	// Overfull.
	switch {
	case fill >= p.Full && b.JumpAt == 0:
		if b.FullFrom == 0 {
			b.FullFrom = at
			b.Jumped = known && fill-last >= fullJump
		}
		after := p.FullAfter
		if b.Jumped {
			after *= 4 // dew on the sensor is gone before noon
		}
		d.score(min(float64(at-b.FullFrom)/float64(after), 5))
		if at-b.FullFrom >= int64(after) {
			rules.raiseFor(key(overfull), at, finding{value: fill, expected: p.FullClear, within: int64(after)})
		}
	case fill < p.FullClear:
		b.FullFrom, b.Jumped = 0, false
		rules.clearAlarm(key(overfull), at)
	case !rules.active(key(overfull)):
		b.FullFrom, b.Jumped = 0, false
	}

	// Standing still. Empty and full bins have a right to.
	if b.SameFrom == 0 || math.Abs(fill-float64(b.SameFill)) > 0.005 {
		if b.SameFrom != 0 && !rules.active(key(stuckFill)) {
			stood := float32(float64(at-b.SameFrom) / 1e9)
			b.Same = max(stood, b.Same*0.9995)
		}
		b.SameFrom, b.SameFill = at, b.Fill
		rules.clearAlarm(key(stuckFill), at)
	} else if fill > 0.02 && fill < p.Full {
		stood := float64(at-b.SameFrom) / 1e9
		limit := max(p.StuckAfter.Seconds(), p.StuckFactor*float64(b.Same))
		d.score(min(stood/limit, 5))
		if stood >= limit {
			rules.raise(key(stuckFill), at, stood, float64(b.Same))
		}
	}

	// Not collected for longer than this bin knows, and fuller than it is when
	// it is collected: nobody need come for an empty bin.
	if b.Intervals >= 4 && fill >= max(p.OverdueFill, 1.2*float64(b.FillAt)) {
		waited := float64(at-b.Emptied) / 1e9
		limit := p.OverdueFactor * float64(b.Interval)
		d.score(min(waited/limit, 5))
		if waited > limit {
			rules.raise(key(missedCollection), at, waited, float64(b.Interval))
		}
	}
}

// fullJump sets by how much people do not fill a bin from one reading to the next.
const fullJump = 0.3

// A level that goes half the bin up or down again swings; people and lorries do so
// a few times a day at most.
const (
	swing  = 0.4
	swings = 5
)

// erratic finds a level that jumps about, as of a lid that swings, and says whether
// it does.
func (rules *binRules) erratic(b *bin, d *device, by float64) bool {
	if b.SwingAt != 0 {
		b.Swings *= float32(math.Exp2(-float64(b.At-b.SwingAt) / float64(6*time.Hour)))
	}
	b.SwingAt = b.At
	way := int8(sign(float32(by)))
	if math.Abs(by) >= swing && way != b.Swing {
		b.Swing = way
		b.Swings++
	}
	d.score(min(float64(b.Swings)/swings, 5))
	if b.Swings >= swings {
		key := alarmKey{b.Device, b.Channel, erraticFill}
		rules.raiseUntil(key, b.At, float64(b.Swings), 2, b.At+int64(24*time.Hour))
	}
	if b.Swings < swings/2 {
		return false
	}
	b.JumpAt, b.FullFrom, b.SameFrom, b.Jumped = 0, 0, 0, false
	return true
}

// collected takes in a collection somebody reported.
func (rules *binRules) collected(index uint32, d *device, channel uint16, at int64) {
	_, b := rules.bin(index, d, channel)
	fill := float64(b.LastFill)
	if b.Emptied != 0 && fill < 0.1 { // it has been seen already
		return
	}
	rules.emptied(b, at, fill)
}

func (rules *binRules) emptied(b *bin, at int64, fill float64) {
	key := alarmKey{b.Device, b.Channel, missedCollection}
	// The same collection seen by the level and told by the lorry.
	if b.Emptied != 0 && at-b.Emptied < int64(2*time.Hour) {
		return
	}
	if b.Emptied != 0 && !rules.active(key) {
		b.learnInterval(float32(float64(at-b.Emptied) / 1e9))
		b.FillAt += (float32(fill) - b.FillAt) * max(0.1, 1/float32(b.Intervals))
	}
	b.Emptied = at
	rules.clearAlarm(key, at)
}

// learnInterval keeps about the ninth decile of the times between collections: a
// weekend is in it, a collection that was not noticed and doubles one is not.
func (b *bin) learnInterval(s float32) {
	switch {
	case b.Intervals < 4:
		b.Interval = max(b.Interval, s)
	case s > b.Interval:
		b.Interval = min(s, 1.25*b.Interval)
	default:
		b.Interval = max(s, 0.975*b.Interval)
	}
	b.Intervals = min(b.Intervals+1, 1000)
}
