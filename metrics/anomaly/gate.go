package anomaly

import (
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
)

// gate is the state of a gate or door. It has no pointers.
type gate struct {
	Next    uint32
	Device  uint32
	Channel uint16
	Flags   uint8
	Open    uint8  // leaves open: openings less closings
	Cycles  uint16 // openings and closings since it is held open

	OpenAt   int64    // since when it has been open
	OpenBy   int64    // when that was known
	Grants   [4]int64 // not used by an opening yet, the latest first
	Granted  uint32   // grants ever, saturating
	Opened   uint32
	Unopened uint8 // grants in a row without an opening
	Waits    bool  // nothing has opened since GrantAt
	GrantAt  int64

	Denials  [16]int64 // the latest first
	Denied   uint32
	Forced   int64
	Since    int64
	Passes   uint32 // cycles with a count of persons
	Group    uint32 // of these, with more than one
	Many     uint32 // of these, with Tail or more
	Share    float32
	RecentN  float32
	RecentOf float32

	HourAt int64 // begin of the hour being counted
	Count  uint16
	Rate   [48]float32 // passes an hour, by hour of workdays and of weekends
	Hours  [48]uint8

	Spread  float32 // variance of quiet hours over their mean, less the 2 it begins with
	SpreadN uint16  // quiet hours it was learned from
	Peak    float32 // the least likely quiet hour so far, in nats, slowly forgotten
}

const (
	gateState  = 1 << iota // reports door_open
	gateTimer              // has a timer for being held open
	gateCounts             // reports how many passed
)

// festiveTimes sets how many times as many may pass in a quiet hour of a holiday.
const festiveTimes = 3

// festiveShare is how much of a year holidays are. At the same number of alarms in vain a
// year, a crowd in one of their hours may be told at odds that are better by as much.
const festiveShare = 1.0 / 12

// forcedFor sets how long a forced opening stays an alarm.
const forcedFor = int64(30 * time.Minute)

// gateRules look for gates held or forced open, for denials, and for traffic at odd hours.
type gateRules struct {
	*book
	gates arena.Arena[gate]
}

func (rules *gateRules) gate(index uint32, d *device, channel uint16) (uint32, *gate) {
	for i := d.Gate; i != 0; {
		g := rules.gates.At(i)
		if g.Channel == channel {
			return i, g
		}
		i = g.Next
	}
	i := rules.gates.Add()
	g := rules.gates.At(i)
	g.Channel, g.Next, g.Device = channel, d.Gate, index
	d.Gate = i
	return i, g
}

func (rules *gateRules) reading(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	switch r.Quantity.Name {
	case "door_open":
		id, g := rules.gate(index, d, channel)
		g.Flags |= gateState
		switch {
		case r.Value == 1 && g.Open == 0:
			rules.opens(id, g, d, at)
		case r.Value == 0 && g.Open != 0:
			rules.closes(g, d, at)
		}
	case "pass_in", "pass_out":
		_, g := rules.gate(index, d, channel)
		g.Flags |= gateCounts
		if g.Since == 0 {
			g.Since = at
		}
		rules.pass(g, d, at, r.Value)
		if g.Opened > 0 && g.Flags&gateState == 0 || g.Granted > 0 {
			rules.persons(g, d, at, r.Value)
		}
	}
}

func (rules *gateRules) event(index uint32, d *device, channel uint16, ev *ingest.Event, at int64) {
	if !ev.Active {
		return
	}
	switch ev.Type {
	case "access_granted", "access_denied", "door_opened", "door_closed", "door_unlocked":
	default:
		return
	}
	id, g := rules.gate(index, d, channel)
	if g.Since == 0 {
		g.Since = at
	}
	p := &rules.parameters(d).Gate
	switch ev.Type {
	case "access_granted":
		// Without openings to be seen nothing can be missed; and a grant may
		// still be followed by its opening: in a queue several are, by one.
		if g.Waits && g.Opened > 20 && g.Open == 0 && at-g.GrantAt > int64(p.GrantBefore) {
			g.Unopened = min(g.Unopened+1, 100)
			d.score(float64(g.Unopened) / float64(p.Unopened))
			if int(g.Unopened) >= p.Unopened {
				rules.raise(alarmKey{g.Device, g.Channel, stuckClosed}, at, float64(g.Unopened), 0)
			}
		}
		copy(g.Grants[1:], g.Grants[:])
		g.Grants[0] = at
		g.Granted++
		g.GrantAt, g.Waits = at, true
		if g.Opened == 0 && g.Flags&gateCounts == 0 {
			rules.pass(g, d, at, 1)
		}
	case "door_unlocked":
		copy(g.Grants[1:], g.Grants[:])
		g.Grants[0] = at
	case "access_denied":
		rules.denied(g, d, at)
	case "door_opened":
		if g.Flags&gateState == 0 {
			rules.opens(id, g, d, at)
		}
	case "door_closed":
		if g.Flags&gateState == 0 {
			rules.closes(g, d, at)
		}
	}
}

func (rules *gateRules) opens(id uint32, g *gate, d *device, at int64) {
	p := &rules.parameters(d).Gate
	g.Opened++
	g.Unopened, g.Waits = 0, false
	rules.clearAlarm(alarmKey{g.Device, g.Channel, stuckClosed}, at)

	// An opening uses up the oldest grant that is still good.
	used := -1
	for i, t := range g.Grants {
		if t != 0 && at-t <= int64(p.GrantBefore) {
			used = i
		}
	}
	if used >= 0 {
		copy(g.Grants[used:], g.Grants[used+1:])
		g.Grants[len(g.Grants)-1] = 0
	} else if g.Granted >= 20 && g.Opened > 20 && float64(g.Opened) < 1.2*float64(g.Granted) {
		// Only where openings do follow grants: elsewhere there are buttons
		// inside that nobody reports.
		d.score(1.5)
		rules.raiseUntil(alarmKey{g.Device, g.Channel, forcedOpen}, at, 1, p.GrantBefore.Seconds(), at+forcedFor)
	}
	if g.Open == 0 {
		g.OpenAt = at
		// Its closing may be on its way where the opening was: only from when we
		// have heard of it do we wait.
		g.OpenBy = max(at, d.Received)
		if g.Flags&gateTimer == 0 {
			g.Flags |= gateTimer
			rules.timers.push(timer{Due: g.OpenBy + int64(p.HeldOpen), What: timeHeldOpen, Of: id})
		}
	}
	g.Open = min(g.Open+1, 200)
	if g.Flags&gateCounts == 0 {
		rules.pass(g, d, at, 1)
	}
}

func (rules *gateRules) closes(g *gate, d *device, at int64) {
	if g.Open > 0 {
		g.Open--
	}
	key := alarmKey{g.Device, g.Channel, heldOpen}
	if rules.active(key) {
		// A closing that was lost would keep it open for ever: a door that
		// opens and closes all day is not held open.
		g.Cycles++
		if g.Cycles > 20 && at-g.OpenAt > int64(2*time.Hour) {
			g.Open = 0
		}
	}
	if g.Open == 0 {
		g.Cycles = 0
		rules.clearAlarm(key, at)
	}
}

func (rules *gateRules) heldOpenDue(t timer) {
	g := rules.gates.At(t.Of)
	d := rules.devices.At(g.Device + 1)
	held := int64(rules.parameters(d).Gate.HeldOpen)
	if g.Open == 0 {
		g.Flags &^= gateTimer
		return
	}
	if due := g.OpenBy + held; due > t.Due {
		t.Due = due
		rules.timers.push(t)
		return
	}
	g.Flags &^= gateTimer
	g.Cycles = 0
	rules.raise(alarmKey{g.Device, g.Channel, heldOpen}, g.OpenAt+held, float64(held)/1e9, 0)
}

// denied looks for more denials than the gate's own rate explains.
func (rules *gateRules) denied(g *gate, d *device, at int64) {
	p := &rules.parameters(d).Gate
	copy(g.Denials[1:], g.Denials[:])
	g.Denials[0] = at
	g.Denied++
	n := 0
	for _, t := range g.Denials {
		if t != 0 && at-t <= int64(p.DeniedSpan) {
			n++
		}
	}
	lived := max(float64(at-g.Since), day)
	// The burst itself is no part of the rate.
	rate := (float64(g.Denied) - float64(n) + 1) / lived * float64(p.DeniedSpan)
	key := alarmKey{g.Device, g.Channel, deniedBurst}
	d.score(float64(n) / float64(p.Denied) * 0.99)
	if n >= p.Denied && poissonTail(n, rate) < p.Odds {
		rules.raiseFor(key, at, finding{value: float64(n), expected: rate, until: at + int64(30*time.Minute), within: int64(p.DeniedSpan)})
	}
}

// pass counts passes by the hour and looks for too many in quiet hours.
func (rules *gateRules) pass(g *gate, d *device, at int64, n float64) {
	seconds, weekend, festive := rules.workday(at)
	hour := at - int64(seconds%3600)*1e9
	hour -= hour % 1e9
	if g.HourAt == 0 {
		g.HourAt = hour
	}
	// An hour without a message is an hour without passes at a gate that only
	// tells what happens, and no hour at all at one that reports its counts.
	quiet := int64(16 * time.Hour)
	if g.Flags&gateCounts != 0 && g.Granted == 0 {
		quiet = int64(2 * time.Hour)
	}
	if hour-g.HourAt > quiet {
		rules.learnHour(g, d)
		g.HourAt, g.Count = hour, 0
	}
	for g.HourAt < hour {
		rules.learnHour(g, d)
		g.HourAt += int64(time.Hour)
		g.Count = 0
	}
	if n == 0 {
		return
	}
	g.Count = uint16(min(float64(g.Count)+n, 60000))
	p := &rules.parameters(d).Gate
	slot := seconds / 3600
	if weekend {
		slot += 24
	}
	rate, hours, odds := float64(g.Rate[slot]), float64(g.Hours[slot]), p.Odds
	if other := (slot + 24) % 48; festive && g.Hours[other] >= 2 {
		// On a holiday people come home late, and guests do: as on the busier of both kinds of days,
		// and more.
		if g.Rate[other] > g.Rate[slot] {
			slot = other
		}
		rate, hours, odds = festiveTimes*float64(g.Rate[slot]), hours+float64(g.Hours[other]), p.Odds/festiveShare
	}
	if at-g.Since < int64(7*24*time.Hour) || g.Hours[slot] < 2 {
		return
	}
	// As if half a pass more had been seen: an hour without any so far is not
	// one without any for ever.
	expected := (float64(g.Rate[slot])*float64(g.Hours[slot]) + 0.5) / float64(g.Hours[slot])
	if !g.quiet(slot, p.Quiet) {
		return
	}
	nats := -math.Log(g.odds(int(g.Count), rate, hours))
	need := max(-math.Log(odds), 1.3*float64(g.Peak))
	d.score(nats / need)
	if nats > need {
		rules.raiseUntil(alarmKey{g.Device, g.Channel, offHours}, at, float64(g.Count), expected, at+int64(time.Hour))
	}
}

// odds is the probability of n or more passes in an hour, by the gate's own past.
// People come in groups and by the day, so that counts vary more than a Poisson
// process would: at a door of a university by 2 to 10 times, at a station by 60.
// The past is a rate an hour, and of how many hours it is known.
func (g *gate) odds(n int, rate, hours float64) float64 {
	mean := (rate*hours + 0.5) / hours
	v := max(2+float64(g.Spread), 1.05) * (1 + 1/hours)
	return predictiveTail(n, mean/(v-1), 1/(v-1))
}

// quiet says whether an hour of the week is a quiet one.
func (g *gate) quiet(slot int, share float64) bool {
	mean := 0.0
	for i, r := range g.Rate {
		if i < 24 {
			mean += 5 * float64(r) / (7 * 24)
		} else {
			mean += 2 * float64(r) / (7 * 24)
		}
	}
	return (float64(g.Rate[slot])*float64(g.Hours[slot])+0.5)/float64(g.Hours[slot]) <= share*mean
}

// learnHour takes the hour that has ended into the gate's past, at most as
// three times what was expected.
func (rules *gateRules) learnHour(g *gate, d *device) {
	seconds, weekend, festive := rules.workday(g.HourAt)
	if festive {
		return // it is like no other day
	}
	slot := seconds / 3600
	if weekend {
		slot += 24
	}
	count := float32(g.Count)
	if g.Hours[slot] >= 4 && g.quiet(slot, rules.parameters(d).Gate.Quiet) {
		g.learnSpread(count, slot)
	}
	if g.Hours[slot] >= 2 {
		count = min(count, 3*g.Rate[slot]+3)
	}
	if g.Hours[slot] < 40 {
		g.Hours[slot]++
	}
	g.Rate[slot] += (count - g.Rate[slot]) / float32(g.Hours[slot])
}

// learnSpread takes in by how much a quiet hour differed from its mean: as if 50
// hours of twice a Poisson process's variance had been seen before.
func (g *gate) learnSpread(count float32, slot int) {
	r := g.Rate[slot]
	have := 2 + g.Spread
	e := min((count-r)*(count-r)/(r+0.25), 20*have)
	g.SpreadN = min(g.SpreadN+1, 1000)
	g.Spread += (e - have) / float32(50+g.SpreadN)
	g.Peak *= 0.9998
	if count > r {
		// What was told counts for less: the like of it is told again.
		g.Peak = max(g.Peak, min(float32(-math.Log(g.odds(int(count), float64(g.Rate[slot]), float64(g.Hours[slot])))), 1.2*max(g.Peak, 10)))
	}
}

// persons takes in how many went through on one opening.
//
// Two signs of tailgating: a number this gate all but never sees, and a share
// of passes by more than one that its own share cannot explain.
func (rules *gateRules) persons(g *gate, d *device, at int64, n float64) {
	if n < 1 || n > 20 {
		return // a gate that counts by the hour
	}
	p := &rules.parameters(d).Gate
	key := alarmKey{g.Device, g.Channel, tailgating}
	until := at + int64(2*time.Hour)
	mean := 1 + float64(g.Share)
	if g.Passes >= 200 && n >= float64(p.Tail) {
		// Where a family has come through, more will.
		rare, limit := float64(g.Many+1)/float64(g.Passes), 0.005
		if g.Many > 0 {
			limit = 0.0003
		}
		d.score(min(limit/rare, 3))
		if rare < limit {
			rules.raiseUntil(key, at, n, mean, until)
		}
	}
	g.Passes++
	if n >= float64(p.Tail) {
		g.Many++
	}
	more := float32(0)
	if n > 1 {
		more = 1
		g.Group++
	}
	// The last 40 passes or so against all before.
	g.RecentN = g.RecentN*0.975 + 1
	g.RecentOf = g.RecentOf*0.975 + more
	if g.Passes >= 200 && g.RecentN > 20 {
		share := (float64(g.Group) + 1) / (float64(g.Passes) + 2)
		odds := poissonTail(int(g.RecentOf+0.5), share*float64(g.RecentN))
		d.score(math.Log(odds) / math.Log(1e-6))
		if odds < 1e-6 {
			rules.raiseUntil(key, at, 1+float64(g.RecentOf/g.RecentN), 1+share, until)
		}
	}
	g.Share = float32(g.Group) / float32(g.Passes)
}

// poissonTail is the probability of n or more where mean is expected.
func poissonTail(n int, mean float64) float64 {
	if n <= 0 {
		return 1
	}
	if mean <= 0 {
		mean = 1e-9
	}
	lg, _ := math.Lgamma(float64(n) + 1)
	term := math.Exp(float64(n)*math.Log(mean) - mean - lg)
	sum := 0.0
	for k := float64(n + 1); ; k++ {
		sum += term
		term *= mean / k
		if term < sum*1e-9 || k > float64(n)+1000 {
			return min(sum, 1)
		}
	}
}

// predictiveTail is the probability of n or more passes in an hour where such
// hours have had sum passes in as many hours: the rate is known no better than
// that, so the count is negative binomial and not Poisson.
func predictiveTail(n int, sum, hours float64) float64 {
	if n <= 0 {
		return 1
	}
	q := 1 / (hours + 1)
	a, _ := math.Lgamma(sum + float64(n))
	b, _ := math.Lgamma(sum)
	c, _ := math.Lgamma(float64(n) + 1)
	term := math.Exp(a - b - c + sum*math.Log1p(-q) + float64(n)*math.Log(q))
	tail := 0.0
	for k := float64(n); ; k++ {
		tail += term
		term *= (sum + k) / (k + 1) * q
		if term < tail*1e-9 || k > float64(n)+1000 {
			return min(tail, 1)
		}
	}
}
