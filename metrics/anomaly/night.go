package anomaly

import (
	"math"
	"time"
)

// night is the least flow of a meter against its own past: what is left when
// those who use water sleep. It holds where continuous flow does not: for a
// master meter, which never rests; for a register that shows 10 or 100 L at a
// time; and for one that is read a few times a day.
//
// The flow is averaged over spans of 3, 8 and 24 hours, each where the register
// is read at least as often; where it is read once a day, the reads are the spans,
// and the least of two counts. Of each span the least average within the last two
// days counts, so that one flow that goes on must have been there in all of them,
// and any one night without it is enough to see that there is none. It is
// compared with the highest such least that the meter has shown, because a home
// with guests has shown that too. Minimum night flow is what utilities look at
// (IWA, Water Loss Task Force); the least of several days is LeakDB's baseline.
//
// night has no pointers.
type night struct {
	Cells   [24]half          // L/h of the last hours, by number of the hour; below 0: unknown
	Hour    int32             // number of the latest, since 1970; 0: none
	Block   int32             // number of the half day that runs
	Epoch   int32             // number of the days that run, see learn
	Epochs  uint8             // learned from, saturating
	Daily   bool              // the latest read covers about a day
	Volume  float32           // of the read before, L
	Coarse  float32           // the smallest step of the register, L
	Mean    float32           // L/h, over about a week
	Blocks  [spans][5]half    // least average that ended in the half day, the latest first; below 0: none
	Most    [spans][2]float32 // highest least of these days, and of those before
	Ceiling [spans]float32    // highest least before these, slowly forgotten
	Usual   float32           // median least over 24 hours, L/h; 0: not known

	Pulse pulses
	Day   days
}

// pulses follows a register of several litres that goes on by one step at a time and
// always after as many hours: nobody lives so. It is the leak of a home whose people are
// away, or asleep, and less than what they use when they are there.
type pulses struct {
	Run         uint8 // steps alike in a row
	Least, Most uint8 // hours between them
}

// A constant flow passes a step after so many hours, give or take the hour at which it is
// read and what the pressure of night and day does to it. Nights and days of people
// differ by more, and eight steps alike in a day and a half they do not make.
const (
	pulseSteps = 8
	pulseLeast = 3 // hours; what is quicker is busy people
	pulseFor   = 36
)

// step takes in one step after so many hours, or more than one at a time.
func (p *pulses) step(hours uint8, one bool) {
	if !one {
		*p = pulses{}
		return
	}
	least, most := min(p.Least, hours), max(p.Most, hours)
	if p.Run == 0 || most-least > max(1, most/4) {
		*p = pulses{1, hours, hours}
		return
	}
	*p = pulses{min(p.Run+1, 250), least, most}
}

// tells returns for how many hours the flow has been constant and how much it is, L/h.
func (p *pulses) tells(step float32) (hours, flow float64, ok bool) {
	each := float64(p.Least+p.Most) / 2
	hours = each * float64(p.Run)
	return hours, float64(step) / each, p.Run >= pulseSteps && p.Least >= pulseLeast && hours >= pulseFor
}

// days follows reads of about a day that are alike.
type days struct {
	Flow  float32 // of the read before, L/h
	Run   uint8   // reads alike in a row
	Since uint8   // reads since one at which nothing was used
	Told  bool    // the alarm that is open is of this
}

// The use of two days differs by a tenth and more; a leak's by as much as the pressure of
// the main, whose root the flow follows. Two alike come about by chance once or twice a
// month, right after days on which nobody was at home once in years; four alike do not.
const (
	alike     = 0.01
	alikeDays = 4
	alikeAway = 2
	alikeFlow = 5 // L/h
)

func (p *days) read(flow float64) {
	if flow <= 0.2 { // nobody is there, and a tap drips
		*p = days{Flow: float32(flow), Since: 1, Told: p.Told}
		return
	}
	if p.Since > 0 {
		p.Since = min(p.Since+1, 250)
	}
	if p.Flow > 0 && math.Abs(flow/float64(p.Flow)-1) <= alike {
		p.Run = min(p.Run+1, 250)
	} else {
		p.Run = 1
	}
	p.Flow = float32(flow)
}

// tells says whether the reads are those of a leak and nothing else. After a day without
// any use the first read is of part of a day.
func (p *days) tells() bool {
	return p.Flow >= alikeFlow && (p.Run >= alikeDays || p.Run >= alikeAway && p.Since > 0 && p.Since <= 4)
}

// half is the upper half of a float32: two and a half digits in two bytes.
type half uint16

const unknown = half(0xbf80) // -1

func halved(f float32) half { return half((math.Float32bits(f) + 0x7fff) >> 16) }

func (h half) float() float32 { return math.Float32frombits(uint32(h) << 16) }

const (
	hours3 = iota
	hours8
	hours24
	spans
)

var spanHours = [spans]int{3, 8, 24}

// spanBlocks counts the half days before the present one that a span looks at. After 72
// hours nothing is left in them of the time before.
var spanBlocks = [spans]int{4, 4, 2}

// spanReads bounds the time a read may cover, in nanoseconds: of three a day one is of the
// night.
var spanReads = [spans]int64{int64(70 * time.Minute), int64(8*time.Hour + 30*time.Minute), int64(30 * time.Hour)}

// A read of about a day stands for itself. Spans of 24 hours across two of them
// would mix a leak's first whole day with the day on which it began. Where a read
// came late it covers more, which only evens out what a home uses.
const (
	dayRead  = 20 * time.Hour
	daysRead = 50 * time.Hour
)

const (
	// masterFlow is from which mean in L/h a meter is not one of a home: 10 m3 a
	// day.
	masterFlow = 417
	// homeFlow is from which mean in L/h a meter is one of many: 1.4 m3 a day.
	homeFlow = 60
	// restLength is for how long a meter must be read at least for rests to show.
	restLength = 100 * time.Minute
	epoch      = 4 * 24 // hours
)

// enough epochs make a past. A day's use differs by season and holiday more than
// a night's.
var enough = [spans]uint8{3, 4, 6}

func (n *night) learned(span int) bool { return n.Epochs >= enough[span] }

// least is the least average over a span within the last two days, -1 if not known.
func (n *night) least(span int) float64 {
	if span == hours24 && n.Daily {
		b := n.Blocks[hours24]
		return float64(min(b[0].float(), b[1].float()))
	}
	have, least := 0, float32(math.MaxFloat32)
	for i := range spanBlocks[span] + 1 {
		if v := n.Blocks[span][i].float(); v >= 0 {
			least = min(least, v)
			have++
		}
	}
	if have < 2 || have < spanBlocks[span]-1 {
		return -1
	}
	return float64(least)
}

// limit returns the flow, L/h, above which a least flow is told, beside the highest so far.
// The step of the register is what two leasts may differ by for no reason.
func (n *night) limit(span int, ceiling float32) float64 {
	hours := float64(spanHours[span])
	share := [spans]float64{0.25, 0.1, 0.05}[span]
	if span == hours3 && ceiling > 100 {
		share = 0.1 // many homes together differ less from night to night
	}
	// Two guests use 10 L/h.
	least := [spans]float64{1.5, 6, 8}[span]
	if n.Coarse >= coarse && span == hours24 {
		least = 17 // what is less shows in its rests
	}
	return float64(ceiling)*(1+share) + max(least, 0.5*float64(n.Coarse)/hours)
}

// add takes in the flow of a stretch of time that ends at.
func (n *night) add(flow float64, length, at, known int64) (judged bool) {
	last := int32(at / int64(time.Hour))
	first := int32((at - length + int64(30*time.Minute)) / int64(time.Hour))
	if at%int64(time.Hour) < int64(30*time.Minute) {
		last-- // less than half of it has passed
	}
	if n.Hour == 0 {
		n.clear(first - 1)
	}
	if first > n.Hour+1 {
		for h := max(n.Hour+1, first-24); h < first; h++ {
			n.Cells[mod(h, 24)] = unknown
		}
		n.Hour = first - 1
	}
	seconds := float32(length / int64(time.Second))
	a := max(seconds/(7*86400), seconds/max(float32(known/int64(time.Second)), seconds))
	n.Mean += min(a, 1) * (float32(flow) - n.Mean)
	if n.Daily = length >= int64(dayRead); n.Daily {
		b := &n.Blocks[hours24]
		copy(b[1:], b[:])
		b[0] = unknown
		if length <= int64(daysRead) {
			b[0] = halved(float32(flow))
		}
	}
	for h := max(n.Hour+1, last-23); h <= last; h++ {
		n.Cells[mod(h, 24)] = halved(float32(flow))
		n.Hour = h
		n.cell(length)
		judged = true
	}
	return judged
}

func (n *night) clear(hour int32) {
	n.Hour, n.Block, n.Epoch = hour, hour/12, hour/epoch
	for i := range n.Cells {
		n.Cells[i] = unknown
	}
	for s := range n.Blocks {
		for i := range n.Blocks[s] {
			n.Blocks[s][i] = unknown
		}
		n.Most[s], n.Ceiling[s] = [2]float32{-1, -1}, 0
	}
	n.Epochs = 0
}

// cell takes in the latest hour.
func (n *night) cell(length int64) {
	for block := n.Hour / 12; n.Block < block; n.Block++ {
		if block-n.Block > 5 {
			n.Block = block - 5
		}
		for s := range n.Blocks {
			if s == hours24 && n.Daily {
				continue
			}
			copy(n.Blocks[s][1:], n.Blocks[s][:])
			n.Blocks[s][0] = unknown
		}
	}
	sum, at := float32(0), n.Hour
	for s, hours := range spanHours {
		known := true
		for ; at > n.Hour-int32(hours); at-- {
			v := n.Cells[mod(at, 24)].float()
			if v < 0 {
				known = false
				break
			}
			sum += v
		}
		if !known {
			break
		}
		if length > spanReads[s] || s == hours24 && n.Daily {
			continue
		}
		v := sum / float32(hours)
		if b := &n.Blocks[s][0]; b.float() < 0 || v < b.float() {
			*b = halved(v)
		}
	}
}

// mod is h mod 24, also before 1970.
func mod(h, by int32) int32 { return ((h % by) + by) % by }

// learn takes what the meter has shown into its past, once some days have gone
// by: what begins now must not be its own measure.
func (n *night) learn(length int64) {
	if v := float32(n.least(hours24)); v >= 0 {
		// A running median: up and down by the same step, 4 % a day.
		step := 0.04 * float32(length) / float32(24*time.Hour)
		if n.Epochs < enough[hours24] {
			step *= 3
		}
		switch {
		case n.Usual == 0:
			n.Usual = max(v, 1)
		case v > n.Usual:
			n.Usual = min(n.Usual*(1+step), v)
		default:
			n.Usual = max(n.Usual/(1+step), v, 1)
		}
	}
	for s := range n.Most {
		if v := n.least(s); v >= 0 {
			n.Most[s][0] = max(n.Most[s][0], float32(v))
		}
	}
	for now := n.Hour / epoch; n.Epoch < now; n.Epoch++ {
		if now-n.Epoch > 3 {
			n.Epoch = now - 3
		}
		for s := range n.Most {
			n.Ceiling[s] = max(n.Ceiling[s]*0.98, n.Most[s][1])
			n.Most[s] = [2]float32{-1, n.Most[s][0]}
		}
		n.Epochs = min(n.Epochs+1, 250)
	}
}

// resolve notes the smallest step of the register, by what reads differ in.
func (n *night) resolve(volume float32) {
	if n.Coarse == 0 {
		n.Coarse = float32(math.Inf(1))
	}
	if volume > 0.01 {
		n.Coarse = min(n.Coarse, volume)
	}
	if d := max(volume-n.Volume, n.Volume-volume); d > 0.01 {
		n.Coarse = min(n.Coarse, d)
	}
	n.Volume = volume
}

// tells reports whether a span is the shortest that shows a leak: a longer one only
// adds the days on which there are guests.
func (n *night) tells(span int, length int64) bool {
	switch span {
	case hours3:
		// Of a fine register that rests its rests say more.
		return n.Coarse < coarse && (n.Coarse >= 4 && n.Mean >= homeFlow || n.Mean >= masterFlow || n.Ceiling[hours3] >= 10)
	case hours8:
		return n.Coarse < coarse && length > spanReads[hours3]
	}
	return n.Coarse >= coarse || length > spanReads[hours8]
}

// coarse is from which step in L a register rests for hours while a leak runs.
const coarse = 50

// A register that shows several litres at a time stands still between two steps of a
// leak: it rests where it has stood still for so many hours in a row. With 10 L that
// is less than 5 L/h, with 100 L less than 16 L/h. A home that is busy shows no such
// rest on two nights by chance; so three must have been without, or two on which
// more was used than usual.
const (
	restMiddle  = 3
	restCoarse  = 7
	middleAfter = 60 * time.Hour
	coarseAfter = 48 * time.Hour
	coarseMore  = 12 // L/h
)

// rest returns for how many hours in a row the register must stand still.
func (n *night) rest() uint8 {
	switch {
	case n.Mean >= homeFlow || n.Epochs < 2: // many never rest together; or it has not shown its step
		return 1
	case n.Coarse >= coarse:
		return restCoarse
	case n.Coarse >= 4:
		return restMiddle
	}
	return 1
}

// passing sets how soon it is over where many homes together used more at night: half
// of it is learned. A leak that was repaired as soon leaves half of itself to be told
// again. Guests of one home teach nothing: they use as much as a leak.
const passing = int64(72 * time.Hour)

// nightFlow compares the least flow with that of the past.
func (rules *waterRules) nightFlow(index uint32, d *device, m *meter, flow float64, length, at int64) {
	n := &m.night
	if m.even.Odd == 0 && m.even.Run >= evenSteps && time.Duration(m.even.For) >= evenFor && time.Duration(m.even.For) < evenMost {
		n.Hour = max(n.Hour, int32(at/int64(time.Hour)))
		for i := range n.Cells {
			n.Cells[i] = unknown
		}
		for s := range n.Blocks { // what came of it before that was clear
			n.Blocks[s][0], n.Blocks[s][1] = unknown, unknown
		}
		return
	}
	n.resolve(float32(flow * float64(length) / float64(time.Hour)))
	if !n.add(flow, length, at, at-m.Known) {
		return
	}
	if length > spanReads[hours8] && length <= int64(daysRead) && n.Mean < homeFlow {
		rules.daysAlike(index, d, m, flow, length, at)
	}
	leak, over := alarmKey{index, m.Channel, continuousFlow}, alarmKey{index, m.Channel, nightFlow}
	key := over
	if !rules.active(over) {
		key = leak
	}
	if rules.active(key) {
		span := rules.span(key)
		if span < 0 {
			return // told by its rests
		}
		b := n.Blocks[span][0].float()
		if b >= 0 && float64(b) < float64(n.Ceiling[span])+0.4*(n.limit(span, n.Ceiling[span])-float64(n.Ceiling[span])) {
			if a := rules.alarms[key]; n.Mean >= homeFlow && at-a.Since.UnixNano() < passing {
				n.Ceiling[span] += (float32(a.told) - n.Ceiling[span]) / 2
			}
			rules.clearAlarm(key, at)
			n.Most = [spans][2]float32{{-1, -1}, {-1, -1}, {-1, -1}}
			return
		}
		if v := n.least(span); v > 0 {
			rules.raiseFor(key, at, finding{value: v, expected: float64(n.Ceiling[span]), within: int64(spanHours[span]) * int64(time.Hour)})
		}
		return
	}
	if rules.parameters(d).Water.AlwaysFlowing || rules.active(alarmKey{index, m.Channel, burst}) {
		n.learn(length)
		return
	}
	for s, hours := range spanHours {
		v := n.least(s)
		if v < 0 || !n.learned(s) || !n.tells(s, length) {
			continue
		}
		limit := n.limit(s, n.Ceiling[s])
		if s == hours3 && n.Mean >= homeFlow && n.Mean < masterFlow && n.learned(hours8) && n.least(hours8) <= 1.1*float64(n.Ceiling[hours8])+1 {
			continue // it rests less than it did, and no more flows
		}
		d.score(min(v/limit, 5))
		if v > limit {
			if n.Mean >= masterFlow || n.Ceiling[hours3] >= 40 {
				key = over
			}
			rules.raiseFor(key, at, finding{value: v, expected: float64(n.Ceiling[s]), within: int64(hours) * int64(time.Hour)})
			return
		}
	}
	n.learn(length)
}

// daysAlike looks for a leak in the reads of days on which nothing else was used, and
// ends its alarm once less flows than that.
func (rules *waterRules) daysAlike(index uint32, d *device, m *meter, flow float64, length, at int64) {
	n, key := &m.night, alarmKey{index, m.Channel, continuousFlow}
	n.Day.read(flow)
	if rules.active(key) {
		if a := rules.alarms[key]; n.Day.Told && a.within == 0 && flow < 0.8*a.told {
			rules.clearAlarm(key, at)
			n.Day.Told = false
		}
		return
	}
	n.Day.Told = false
	if !n.Day.tells() || n.Epochs < 2 || rules.parameters(d).Water.AlwaysFlowing || rules.active(alarmKey{index, m.Channel, burst}) {
		return
	}
	n.Day.Told = true
	rules.raise(key, at, flow, float64(n.Day.Run)*float64(length)/float64(time.Hour))
}

// within is the span an alarm was raised for, nanoseconds; 0: none, or not raised.
func (rules *waterRules) within(k alarmKey) int64 {
	if !rules.active(k) {
		return 0
	}
	return rules.alarms[k].within
}

// span is that of an open alarm, -1 if it has none.
func (rules *waterRules) span(k alarmKey) int {
	for s, hours := range spanHours {
		if rules.within(k) == int64(hours)*int64(time.Hour) {
			return s
		}
	}
	return -1
}

// even follows steps of a register that are all alike. Where reads are missing,
// platforms divide what was used evenly over the time, in all meters of a site.
// Badger's AquaCUE lets estimated reads neither raise nor clear; nor do these.
// It has no pointers.
type even struct {
	Step float32 // L an hour
	Run  uint16  // steps alike in a row
	For  int64   // how long they took, ns
	Took bool    // and were taken out of the flow
	Odd  uint8   // steps since that are not alike
}

const (
	// evenSteps and evenFor are from when on equal steps are an estimate. Where a
	// leak is all that flows, a night and a working day can be even; a day and a
	// half is nobody's estimate any more: then it is a leak and nobody at home.
	evenSteps = 6
	evenFor   = 16 * time.Hour
	evenMost  = 36 * time.Hour
)

// step takes in a step and says whether it is one of an estimate.
func (e *even) step(volume float64, length int64, resolution float64) bool {
	flow := float32(volume / (float64(length) / float64(time.Hour)))
	// By the step of the register, where that is little of it.
	off := 1e-3
	if volume >= 5*resolution && resolution > 0 {
		off = 1.1 * resolution / volume
	}
	if volume <= 0 || e.Step == 0 || math.Abs(float64(flow/e.Step-1)) > off {
		if e.Took && e.Odd < 3 { // one day's remainder, and the next day's estimate
			e.Odd++
			return false
		}
		*e = even{Step: max(flow, 0), Run: 1, For: length}
		return false
	}
	e.Odd = 0
	e.Run, e.For = min(e.Run+1, math.MaxUint16-1), e.For+length
	return e.Run >= evenSteps && time.Duration(e.For) >= evenFor && time.Duration(e.For) < evenMost
}

// take returns how much of the flow so far was an estimate, the first time it is asked.
func (e *even) take() int64 {
	if e.Took {
		return 0
	}
	e.Took = true
	return e.For
}

// give returns what take took for an estimate and is none, as it goes on for too long.
func (e *even) give() int64 {
	if !e.Took || time.Duration(e.For) < evenMost {
		return 0
	}
	e.Took = false
	return e.For
}
