package anomaly

import (
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/metrics/usage"
)

// meter is the state of one register of water. Volumes are in L, flows in L/h.
// It has no pointers.
type meter struct {
	Next    uint32
	Channel uint16
	Flags   uint8
	Rests   uint8 // hours at rest in a row

	At    int64   // time of the register before
	Value float64 // the register before, L
	Flow  float64 // the flow before, where there is no register

	HourAt  int64   // begin of the hour being filled
	Volume  float64 // in it
	Covered int64   // of it, without long gaps

	FlowingFor  int64   // nanoseconds without a rest, gaps not counted
	Least       float64 // least hour of these
	BeforeFlow  float64 // the hour before
	Sustained   float64 // highest flow sustained for two hours, slowly forgotten
	Doubtful    float64 // sustained by hours that may begin a burst, not learned yet
	RestSince   int64   // 0 while flowing
	LongestRest float64 // s, slowly forgotten
	Backwards   float64 // L, since BackAt
	BackAt      int64
	BackFrom    float64 // register before it first ran backwards, L
	BackN       uint8
	Known       int64   // first reading
	Until       int64   // until when use is known, by the book of use
	HeldFrom    int64   // reads that the book of use does not believe yet: since when,
	HeldFlow    float32 // and the least flow of them, L/h

	LongestFlow float32 // longest flow that came to rest by itself, h, slowly forgotten

	JumpL  float32 // highest step of late, L
	JumpAt int64   // when it was read

	night night // its least flow against its own past
	even  even  // whether its reads are somebody's estimate
}

const (
	meterRegister = 1 << iota // has a register
	meterAnew                 // was reset, and nothing has been booked since
)

// waterRules look for leaks, bursts, backflow and meters that stand still.
type waterRules struct {
	*book
	meters arena.Arena[meter]
}

func (rules *waterRules) meter(d *device, channel uint16) *meter {
	for i := d.Meter; i != 0; {
		m := rules.meters.At(i)
		if m.Channel == channel {
			return m
		}
		i = m.Next
	}
	i := rules.meters.Add()
	m := rules.meters.At(i)
	m.Channel, m.Next = channel, d.Meter
	d.Meter = i
	return m
}

const day = 24 * float64(time.Hour)

// reading takes in a register or a flow, and what the book of use says that it
// came to.
func (rules *waterRules) reading(index uint32, d *device, channel uint16, r *ingest.Reading, at int64, used []usage.Booking) {
	switch r.Quantity.Name {
	case "water_volume_total":
		m := rules.meter(d, channel)
		m.Flags |= meterRegister
		before, since := m.Value, m.At
		rules.register(index, d, m, r.Value*1000, at)
		if used = inUnit(used, r.Value*1000-before, since, at); m.Flags&meterAnew == 0 {
			rules.booking(index, d, m, used, at-r.Time)
		} else if len(used) == 1 && used[0].Reason == usage.Plain && used[0].Amount > 0 {
			m.Flags &^= meterAnew // what the book took in while it was not sure is in any unit
		}
		rules.held(index, d, m, used, r.Value*1000-before, since, at)
	case "water_flow":
		m := rules.meter(d, channel)
		litres := r.Value * 3.6e6
		rules.qmax(index, d, m, litres, at)
		if m.Flags&meterRegister != 0 {
			return
		}
		// Without a register the flow holds until the next one.
		if m.At != 0 && at > m.At {
			dt := at - m.At
			if p := rules.parameters(d); dt <= int64(p.Water.Gap) {
				rules.used(index, d, m, max(m.Flow, 0)*float64(dt)/float64(time.Hour), m.At, at)
			}
		}
		m.Flow, m.At = litres, at
	}
}

// inUnit returns a booking in the unit the register is read in now: the book goes
// on in the unit it began with, which may be the one that was wrong.
func inUnit(list []usage.Booking, litres float64, since, at int64) []usage.Booking {
	if len(list) != 1 || since == 0 || litres <= 0 || list[0].Covers <= 0 || list[0].Amount <= 0 {
		return list
	}
	b := &list[0]
	factor := b.Amount.Units() * 1000 / litres
	for _, other := range []float64{1e3, 100, 10, 0.1, 0.01, 1e-3} {
		if math.Abs(factor/other-1) < 1e-6 && b.To-b.From == at-since {
			b.Amount = usage.Amount(math.Round(float64(b.Amount) / other))
		}
	}
	return list
}

// booking takes in what the book of use says that a read came to, by a clock that
// is ahead of the meter's. Estimates neither raise nor clear.
func (rules *waterRules) booking(index uint32, d *device, m *meter, list []usage.Booking, ahead int64) {
	for _, b := range list {
		from, to, litres := b.From+ahead, b.To+ahead, b.Amount.Units()*1000
		switch {
		case from >= to || to <= m.Until && b.Covers >= 0 && b.Reason != usage.TrueUp:
		case b.Reason == usage.TrueUp:
			m.Volume = max(0, m.Volume+litres)
		case b.Covers <= 0:
		case b.How == usage.Guessed || b.Reason == usage.Backward: // a step back is no rest
			m.HourAt, m.Volume, m.Covered, m.Until = to, 0, 0, to
		default:
			if from > m.Until && m.Until != 0 { // what lies between is unknown
				m.HourAt, m.Volume, m.Covered = from, 0, 0
			}
			if hours := float64(to-from) / float64(time.Hour); hours <= 6 {
				rules.qmax(index, d, m, litres/hours, to)
			}
			m.Until = to
			rules.used(index, d, m, litres, from, to)
		}
	}
}

// held looks at reads that the book of use does not believe yet. A burst is many
// times what the meter has passed so far, and two of them in a row that no meter
// could pass faster are one: the book takes it in once it is sure.
func (rules *waterRules) held(index uint32, d *device, m *meter, used []usage.Booking, litres float64, since, at int64) {
	if len(used) == 0 || used[len(used)-1].Reason != usage.Implausible || since == 0 || at <= since {
		m.HeldFrom = 0
		return
	}
	p := rules.parameters(d)
	flow := litres / (float64(at-since) / float64(time.Hour))
	if flow < p.Water.BurstFlow || flow > burstMost || at-m.Known < int64(3*24*time.Hour) {
		m.HeldFrom = 0
		return
	}
	if m.HeldFrom == 0 {
		m.HeldFrom, m.HeldFlow = since, float32(flow)
		return
	}
	m.HeldFlow = min(m.HeldFlow, float32(flow))
	limit := max(p.Water.BurstFlow, p.Water.BurstFactor*m.Sustained)
	if at-m.HeldFrom >= int64(110*time.Minute) && float64(m.HeldFlow) > limit {
		d.score(float64(m.HeldFlow) / limit)
		rules.raise(alarmKey{index, m.Channel, burst}, at, float64(m.HeldFlow), m.Sustained)
	}
}

// A flow is longer than any that ended by itself by flowFactor; one longer than
// flowTaught hours teaches no more, so that a leak is told within 54.
const (
	flowFactor = 1.15
	flowTaught = 49
	// flowVain sets how soon after it was told a flow ends that was no leak: nobody
	// repairs one in half a day, and it teaches up to flowMost hours.
	flowVain = 12 * time.Hour
	flowMost = 100
)

// flowNeed returns for how long the flow must not have come to rest to be told.
func (m *meter) flowNeed(p *WaterParameters) time.Duration {
	need := p.SmallAfter
	switch rest := m.night.rest(); {
	case rest == restMiddle:
		need = max(need, middleAfter)
	case rest == restCoarse:
		need = max(need, coarseAfter)
	case m.Least >= p.SmallFlow:
		need = p.ContinuousAfter
	}
	return max(need, time.Duration(flowFactor*float64(m.LongestFlow)*float64(time.Hour)))
}

// burstMost is more than a home's service pipe passes, L/h: what looks like more is
// another unit.
const burstMost = 20000

// register looks for a register that runs backwards or was reset. What it adds
// to use is told by the book of use.
func (rules *waterRules) register(index uint32, d *device, m *meter, litres float64, at int64) {
	if m.At == 0 {
		m.At, m.Value, m.HourAt, m.Known = at, litres, at, at
		return
	}
	if at <= m.At {
		return
	}
	p := rules.parameters(d)
	used, before := litres-m.Value, m.Value
	m.At, m.Value = at, litres
	key := alarmKey{index, m.Channel, reverseFlow}
	if used > 0 && (used >= float64(m.JumpL) || at-m.JumpAt > misread) {
		m.JumpL, m.JumpAt = float32(used), at
	}
	if used < 0 && -used >= misreadLeast && at-m.JumpAt <= misread && -used <= 1.02*float64(m.JumpL) && -used >= 0.7*float64(m.JumpL) {
		return // it was read wrong, and is right again
	}
	if used < 0 {
		// To less than a tenth is another meter or a reset, not a flow.
		if litres < before/10 && -used > 1000 {
			// Another meter, or another unit: what was learned is of the one before.
			m.Sustained, m.Doubtful, m.BeforeFlow, m.LongestRest, m.Known = 0, 0, 0, 0, at
			m.night, m.even = night{}, even{}
			m.Flags |= meterAnew
			rules.raiseUntil(alarmKey{index, m.Channel, registerReset}, at, litres/1000, before/1000, at+int64(24*time.Hour))
			return
		}
		if at-m.BackAt > int64(24*time.Hour) {
			m.Backwards, m.BackN, m.BackFrom = 0, 0, before
		}
		m.BackAt = at
		m.Backwards -= used
		if m.BackN < 255 {
			m.BackN++
		}
		d.score(min(m.Backwards/p.Water.Reverse, 0.99))
		if m.BackN >= 2 && m.Backwards > p.Water.Reverse {
			d.score(m.Backwards / p.Water.Reverse)
			rules.raiseUntil(key, at, m.Backwards, 0, at+int64(24*time.Hour))
		}
		return
	}
	if m.BackN == 1 && at-m.BackAt <= int64(p.Water.Gap) && m.BackFrom-litres > p.Water.Reverse {
		// All in one reading, as after a gap, and it has not come back from there.
		m.BackN++
		rules.raiseUntil(key, at, m.Backwards, 0, at+int64(24*time.Hour))
	}
}

// A digit that was read wrong goes up by a digit's worth and comes down again by as
// much, two or three reads later.
const (
	misread      = int64(8 * time.Hour)
	misreadLeast = 90 // L
)

// qmax compares the flow with what the meter is built for.
func (rules *waterRules) qmax(index uint32, d *device, m *meter, litres float64, at int64) {
	limit := rules.parameters(d).Water.Qmax
	if limit == 0 {
		limit = attribute(rules.info[index], "qmax")
	}
	if limit == 0 {
		return
	}
	key := alarmKey{index, m.Channel, overQmax}
	switch flow := litres / 1000; {
	case flow > limit:
		d.score(flow / limit)
		rules.raise(key, at, flow, limit)
	case flow < 0.9*limit:
		rules.clearAlarm(key, at)
	}
}

// used takes in a volume used between two times, and judges whenever an hour
// has come together: readings each minute and each hour are judged alike.
func (rules *waterRules) used(index uint32, d *device, m *meter, litres float64, from, at int64) {
	p := rules.parameters(d)
	if m.HourAt == 0 {
		m.HourAt = from
	}
	m.Volume += litres
	if at-from <= int64(p.Water.Gap) {
		m.Covered += at - from
	}
	length := at - m.HourAt
	if length < int64(55*time.Minute) {
		return
	}
	flow := m.Volume / (float64(length) / float64(time.Hour))
	rules.hour(index, d, m, flow, m.Volume, length, m.Covered, at)
	step, rest := m.night.Coarse, m.night.rest()
	rules.nightFlow(index, d, m, flow, length, at)
	if m.night.Coarse < step && m.night.rest() < rest {
		// It shows finer steps than was known: rests of an hour count from here on, and
		// those before were taken for flow.
		m.FlowingFor, m.Least = 0, 0
	}
	m.HourAt, m.Volume, m.Covered = at, 0, 0
}

// hour judges the flow over about an hour, or over a gap.
func (rules *waterRules) hour(index uint32, d *device, m *meter, flow, volume float64, length, covered int64, at int64) {
	p := &rules.parameters(d).Water

	// Continuous flow: rests end it, hours with flow make it longer, and a long
	// gap does neither. Nor do equal steps, which are somebody's estimate.
	key := alarmKey{index, m.Channel, continuousFlow}
	estimated := m.even.step(volume, length, float64(m.night.Coarse))
	switch {
	case volume <= 0:
		if m.Rests < 255 {
			m.Rests++
		}
		if m.RestSince == 0 {
			m.RestSince = at - length
		}
		if m.Rests < m.night.rest() {
			m.FlowingFor += covered
			break
		}
		m.FlowingFor -= int64(m.Rests-1) * int64(time.Hour)
		// Some homes hardly rest: what has ended by itself so often is use.
		longest := float32(flowTaught)
		if ran := time.Duration(m.FlowingFor) - m.flowNeed(p); rules.active(key) && rules.within(key) == 0 && ran < flowVain {
			longest = flowMost
		}
		m.LongestFlow = max(m.LongestFlow, min(float32(float64(m.FlowingFor)/float64(time.Hour)), longest))
		m.FlowingFor, m.Least = 0, 0
		if m.Rests >= max(m.night.rest(), uint8(min(p.ClearRests, 255))) {
			if rules.active(key) && rules.within(key) == 0 {
				rules.clearAlarm(key, at)
			}
		}
	case estimated:
		m.FlowingFor = max(0, m.FlowingFor-m.even.take())
	default:
		if n := &m.night; length <= int64(restLength) && n.Coarse >= 4 {
			n.Pulse.step(min(m.Rests, 250)+1, volume <= 1.1*float64(n.Coarse))
			hours, leak, ok := n.Pulse.tells(n.Coarse)
			if ok && n.Mean < homeFlow && n.Epochs >= 2 && !p.AlwaysFlowing && !rules.active(key) && !rules.active(alarmKey{index, m.Channel, burst}) {
				rules.raise(key, at, leak, hours)
			}
		}
		m.Rests = 0
		m.FlowingFor += covered + m.even.give()
		if m.Least == 0 || flow < m.Least {
			m.Least = flow
		}
		m.LongestFlow *= 1 - float32(float64(length)/(120*day))
		need := m.flowNeed(p)
		if p.AlwaysFlowing || length > int64(restLength) {
			break // a family uses water in any two hours of a day
		}
		n := &m.night
		if n.Mean >= masterFlow || n.Mean == 0 || n.learned(hours3) && n.Ceiling[hours3] >= 10 && m.Least <= 1.25*float64(n.Ceiling[hours3]) {
			break // many homes never rest all together; nor does this one, by its own past
		}
		if v := n.least(hours24); n.rest() == restCoarse && n.Usual > 0 && v >= 0 && v < float64(n.Usual)+coarseMore {
			break // 100 L between two steps can be anything
		}
		d.score(min(float64(m.FlowingFor)/float64(need), 5))
		// A burst that goes on is one thing wrong.
		if m.FlowingFor >= int64(need) && !rules.active(alarmKey{index, m.Channel, burst}) && rules.within(key) == 0 {
			rules.raise(key, at, max(m.Least, n.least(hours3), n.least(hours8)), float64(m.FlowingFor)/float64(time.Hour))
		}
	}

	// Standing still.
	key.Kind = stuckRegister
	if m.RestSince != 0 {
		if volume > 0 {
			rest := float64(at-length-m.RestSince) / 1e9
			if !rules.active(key) {
				m.LongestRest = max(m.LongestRest, rest)
			}
			m.RestSince = 0
			rules.clearAlarm(key, at)
		} else if rest := float64(at-m.RestSince) / 1e9; true {
			limit := max(p.StuckAfter.Seconds(), p.StuckFactor*m.LongestRest)
			d.score(rest / limit)
			if rest > limit && rest > limit+rules.holidaysIn(m.RestSince, at) { // homes are empty then
				rules.raise(key, at, rest, m.LongestRest)
			}
		}
	}
	m.LongestRest *= 1 - float64(length)/(180*day)

	// Burst: two reads in a row, of which the lesser counts, far above anything
	// sustained so far: one may be a digit read wrong. Over six hours that is no burst.
	sustained := min(flow, m.BeforeFlow)
	if length >= int64(5*time.Hour) {
		sustained = flow
	}
	m.BeforeFlow = flow
	key.Kind = burst
	limit := max(p.BurstFlow, p.BurstFactor*m.Sustained)
	if at-m.Known < int64(7*24*time.Hour) {
		limit *= 2 // it has not shown a whole week
	}
	young := at-m.Known < int64(3*24*time.Hour)
	switch {
	case sustained > limit && !young:
		m.Doubtful = 0
		d.score(sustained / limit)
		rules.raise(key, at, sustained, m.Sustained)
		return // and teaches nothing while it lasts
	case flow < limit:
		d.score(min(sustained/limit, 0.99))
		if rules.active(key) {
			m.Sustained = limit // once it is over, it was this much at least
			rules.clearAlarm(key, at)
		}
	case !young:
		// A burst begins within an hour, and what it adds to that hour must not
		// raise the limit for the next.
		m.Doubtful = max(m.Doubtful, sustained)
		return
	}
	m.Sustained = max(m.Sustained*(1-float64(length)/(180*day)), sustained, m.Doubtful)
	m.Doubtful = 0
}
