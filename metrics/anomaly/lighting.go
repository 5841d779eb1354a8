package anomaly

import (
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/metrics/sun"
)

// lamp is the state of a lamp, or of one channel of a cabinet. It has no
// pointers.
type lamp struct {
	Next    uint32
	Device  uint32
	Channel uint16
	Flags   uint8
	Off     int8 // readings in a row off the learned power, the sign says where
	Fine    int8 // readings in a row close to it

	At    int64   // time of the readings being collected, 0 none
	Power float32 // W
	Level float32 // commanded, 0-1
	On    float32 // reported state
	Judge int64   // time of the last readings judged

	Rated   float32 // highest power two readings in a row have shown
	Before  float32 // power before
	Learned [11]float32
	N       [11]uint8
	Nights  [24]uint8 // share of dark readings of the hour it burnt, of 250

	DaySince  int64
	DarkSince int64
	LitSince  int64 // since when it burns again, with an outage open
	OffSince  int64
	Edges     [4]int64 // times of the last switchings, the latest first
	Known     int64
	Energy    float64 // register before, kWh

	Best    float32    // most it has been learned to take undimmed, W
	OnAt    int64      // since when it burns, 0: dark
	Seen    [12]uint16 // by hours since then: which of Learned have been seen
	FineAt  int64      // since when the power is close to a learned one, 0: it is not
	Self    uint8      // nights in which another power came and went by itself
	OffHour uint8      // slot in which the power began to be off
	OffMode uint8      // which of Learned it was then, plus 1; 0: none

	Flat flat
	Rest flat // of standby
}

const (
	lampLevel = 1 << iota // has reported a level
	lampState             // has reported on or off
	lampPower             // has reported power
	lampFresh             // has power in the readings being collected
	lampDirty             // is on the list of those to judge
	lampBurns             // burnt at the last judgement
)

// lampRules look for lamps that are dark, burn by day, flicker or take another power. All
// readings of a message are taken in before a lamp is judged, because its power means
// nothing without its dimming level.
type lampRules struct {
	*book
	lamps arena.Arena[lamp]
	dirty []uint32 // with readings that have not been judged
}

func (rules *lampRules) lamp(index uint32, d *device, channel uint16) (uint32, *lamp) {
	for i := d.Lamp; i != 0; {
		l := rules.lamps.At(i)
		if l.Channel == channel {
			return i, l
		}
		i = l.Next
	}
	i := rules.lamps.Add()
	l := rules.lamps.At(i)
	l.Channel, l.Next, l.Device, l.Level = channel, d.Lamp, index, 1
	d.Lamp = i
	return i, l
}

func (rules *lampRules) reading(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	name := r.Quantity.Name
	if name == "energy_total" {
		_, l := rules.lamp(index, d, channel)
		if l.Energy > 1 && r.Value < l.Energy/10 {
			rules.raiseUntil(alarmKey{index, channel, registerReset}, at, r.Value, l.Energy, at+int64(24*time.Hour))
		}
		l.Energy = r.Value
		return
	}
	if name != "active_power" && name != "light_level" && name != "light_on" {
		return
	}
	id, l := rules.lamp(index, d, channel)
	if l.At != 0 && at != l.At && l.Flags&lampDirty != 0 {
		rules.judgeLamp(id) // readings of several times in one message
	}
	l.At = at
	switch name {
	case "active_power":
		l.Power = float32(r.Value)
		l.Flags |= lampPower | lampFresh
	case "light_level":
		l.Level = float32(r.Value)
		l.Flags |= lampLevel
	case "light_on":
		l.On = float32(r.Value)
		l.Flags |= lampState
	}
	if l.Flags&lampDirty == 0 {
		l.Flags |= lampDirty
		rules.dirty = append(rules.dirty, id)
	}
}

// lampLook holds what a lamp's readings of one time come to, for the findings.
type lampLook struct {
	*lamp
	d           *device
	p           *LightingParameters
	at          int64
	nominal     float32 // power in W; 0: not known yet
	burns, dark bool    // neither: between the two, as a lamp that is warming up
	elevation   float64 // of the sun, degrees
	hour        int     // local
}

// key is that of an alarm of the lamp.
func (k *lampLook) key(of kind) alarmKey { return alarmKey{k.Device, k.Channel, of} }

// seen says whether the lamp is known for two days.
func (k *lampLook) seen() bool { return k.at-k.Known >= int64(48*time.Hour) }

func (k *lampLook) night() bool { return k.elevation < k.p.NightSun }

// judgeLamp judges what a lamp has reported for one time: first what it does,
// then each finding for itself.
func (rules *lampRules) judgeLamp(id uint32) {
	l := rules.lamps.At(id)
	fresh := l.Flags&lampFresh != 0
	l.Flags &^= lampDirty | lampFresh
	if l.At == 0 || l.At <= l.Judge || !fresh && l.Flags&lampPower != 0 {
		return
	}
	l.Judge = l.At
	if l.Known == 0 {
		l.Known = l.At
	}
	d := rules.devices.At(l.Device + 1)
	k := lampLook{lamp: l, d: d, p: &rules.parameters(d).Lighting, at: l.At}
	if !rules.lampDoes(&k) {
		return
	}
	site := rules.places[d.Place]
	k.elevation = sun.Elevation(time.Unix(0, k.at), site.Lat, site.Lon)
	seconds, _ := rules.local(k.at)
	k.hour = seconds / 3600
	rules.burningByDay(&k)
	rules.darkAtNight(&k)
	rules.learnHours(&k)
	rules.switching(&k)
	switch {
	case k.dark:
		k.OnAt = 0
	case k.OnAt == 0 && k.burns:
		k.OnAt = k.at
	}
	on := k.burns || !k.dark && l.Flags&lampLevel != 0 && l.Level > 0.01
	if l.Flags&lampPower != 0 && on && !rules.active(k.key(cycling)) {
		rules.judgePower(l, d, k.p, k.at, k.key)
	}
}

// lampDoes finds out whether the lamp burns or is dark. False: nothing can be
// said, as its rated power is not known yet, or its readings stand still.
func (rules *lampRules) lampDoes(k *lampLook) bool {
	k.nominal = float32(k.p.RatedPower)
	if k.nominal == 0 {
		k.nominal = float32(attribute(rules.info[k.Device], "rated_power"))
	}
	// What was learned means something once a night has been seen, and more
	// than a controller's standby.
	if k.nominal == 0 && k.at-k.Known >= int64(24*time.Hour) && k.Rated >= 5 {
		k.nominal = k.Rated
	}
	k.burns, k.dark = k.On != 0, k.On == 0
	if k.Flags&lampPower == 0 {
		return true
	}
	// A line that repeats itself says nothing about the lamp. Standby repeats
	// itself more than light, and off is no value that has to move.
	stuck := false
	if k.Power != 0 {
		f := &k.Flat
		if k.Power <= float32(k.p.Off)*k.nominal {
			f = &k.Rest
		}
		stuck = rules.flat(k.key(flatLine), k.d, f, k.Power, k.at)
	}
	// A power meter knows better than a status.
	if !stuck {
		k.Rated = max(k.Rated*(1-1e-6), min(k.Power, k.Before))
	}
	k.Before = k.Power
	if k.nominal <= 0 {
		return false
	}
	if stuck {
		k.DaySince, k.DarkSince, k.Off = 0, 0, 0
		return false
	}
	// A lamp dimmed far down is not one that is off.
	told := k.nominal
	if k.Flags&lampLevel != 0 && k.Level > 0.01 {
		told *= max(k.Level, 0.5)
	}
	k.burns, k.dark = k.Power > float32(k.p.On)*told, k.Power < float32(k.p.Off)*told
	return true
}

// burningByDay finds a lamp that burns while the sun is up.
func (rules *lampRules) burningByDay(k *lampLook) {
	if !k.burns || k.elevation <= k.p.DaySun {
		k.DaySince = 0
		rules.clearAlarm(k.key(dayBurner), k.at)
		return
	}
	if k.DaySince == 0 {
		k.DaySince = k.at
	}
	held := k.at - k.DaySince
	k.d.score(min(float64(held)/float64(k.p.DayAfter), 5))
	if held >= int64(k.p.DayAfter) {
		rules.raise(k.key(dayBurner), k.at, float64(k.Power), k.elevation)
	}
}

// wanted says whether the lamp should burn at this hour of a night: it was not
// told to be off, and it burns at this hour on most nights.
func (k *lampLook) wanted() bool {
	told := k.Flags&lampLevel != 0 && k.Level <= 0.01 || k.Flags&lampState != 0 && k.On == 0
	share := float64(k.Nights[k.hour]) / 250
	if told {
		// It says itself that it is off, but not whether it was told to be; at
		// this hour it has burnt on practically every night.
		return k.seen() && share >= 0.9
	}
	never := k.Rated < float32(k.p.On)*k.nominal // has it burnt since it was put up
	return share >= 0.5 || never && k.seen()
}

// darkAtNight finds a lamp that is dark where it should burn.
func (rules *lampRules) darkAtNight(k *lampLook) {
	key := k.key(outage)
	if k.night() && k.dark && k.wanted() {
		k.LitSince = 0
		if k.DarkSince == 0 {
			k.DarkSince = k.at
		}
		held := k.at - k.DarkSince
		k.d.score(min(float64(held)/float64(k.p.OutageAfter), 5))
		if held >= int64(k.p.OutageAfter) && !rules.active(k.key(cycling)) {
			rules.raise(key, k.at, float64(k.Power), float64(k.nominal))
		}
		return
	}
	k.DarkSince = 0
	if !k.burns || !rules.active(key) {
		k.LitSince = 0
		return
	}
	// It may flicker on its way out: as long as it had to be dark.
	if k.LitSince == 0 {
		k.LitSince = k.at
	}
	if k.at-k.LitSince >= int64(k.p.OutageAfter) {
		rules.clearAlarm(key, k.at)
	}
}

// learnHours keeps, for each hour, a running share of the nights in which the
// lamp burnt. What may be an outage does not teach. Once it is told it does,
// slowly: it may be the hours that have changed, and a week later these are
// usual, while the alarm of a lamp that is out stays all the same.
func (rules *lampRules) learnHours(k *lampLook) {
	rate := float32(0.1)
	switch {
	case rules.shares(k.key(outage)):
		rate = 0.6 // all of them: it is the schedule
	case rules.active(k.key(outage)):
		rate = 0.05
	case k.DarkSince != 0:
		rate = 0
	}
	if !k.night() || rate == 0 {
		return
	}
	have := float32(k.Nights[k.hour])
	target := float32(0)
	if k.burns {
		target = 250
	}
	if !k.seen() {
		have = target
	}
	step := (target - have) * rate
	k.Nights[k.hour] = uint8(min(max(have+step+0.5*sign(step), 0), 250))
}

// switching finds a lamp that goes on and off again.
func (rules *lampRules) switching(k *lampLook) {
	if k.burns != (k.Flags&lampBurns != 0) && (k.burns || k.dark) {
		k.Flags ^= lampBurns
		copy(k.Edges[1:], k.Edges[:])
		k.Edges[0] = k.at
	}
	// One that reports each half hour cannot show four within two hours.
	span := max(k.p.CycleSpan, time.Duration(8e9*k.d.Interval))
	recent := 0
	for _, t := range k.Edges {
		if t != 0 && k.at-t <= int64(span) {
			recent++
		}
	}
	k.d.score(float64(recent) / float64(k.p.Cycles) * 0.99)
	if recent >= min(k.p.Cycles, len(k.Edges)) {
		rules.raiseFor(k.key(cycling), k.at, finding{value: float64(recent), expected: 2, within: int64(span)})
	} else if recent == 0 && k.night() {
		rules.clearAlarm(k.key(cycling), k.at)
	}
}

func sign(x float32) float32 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// relearn sets after how long another power is taken for the new one: lamps are
// exchanged for better ones, and that is no fault.
const relearn = int64(30 * 24 * time.Hour)

// established sets how many readings make a power learned.
const established = 20

// apart sets by how much powers differ that are two: the mains move one by 5 %.
const apart = 0.06

// faded is the share of the power it once had below which a lamp is worn out.
const faded = 0.7

// lampFine sets for how long one that dims itself must take a learned power to be
// well: at some hours half of a lamp takes what the whole one takes at others.
const lampFine = int64(2 * time.Hour)

// offFor sets for how long one that dims itself must be off its powers: it may be
// dimmed some minutes earlier than the night before.
const offFor = int64(10 * time.Minute)

// warmUp sets how long a discharge lamp takes to its full power.
const warmUp = int64(12 * time.Minute)

// ownSchedule sets after how many nights, in which another power came and went by
// itself, it is a schedule.
const ownSchedule = 3

// modesFor sets how long a lamp that does not say how far it is dimmed is watched
// for the powers it has: a week has workdays and a weekend.
const modesFor = int64(8 * 24 * time.Hour)

// like returns the number of the learned power that the present one equals, from 1; 0 where
// it equals none.
func (l *lamp) like() uint8 {
	for i, n := range l.N {
		if n >= established && max(l.Power/l.Learned[i], l.Learned[i]/l.Power)-1 <= apart {
			return uint8(i) + 1
		}
	}
	return 0
}

// top is the highest power it has shown often.
func (l *lamp) top() int {
	top := -1
	for i, n := range l.N {
		if n >= established && (top < 0 || l.Learned[i] > l.Learned[top]) {
			top = i
		}
	}
	return top
}

// slot is the hour since the lamp was switched on.
func (l *lamp) slot(at int64) int {
	if l.OnAt == 0 {
		return 0
	}
	return int(min(max(at-l.OnAt, 0)/int64(time.Hour), int64(len(l.Seen)-1)))
}

// mode returns, for a lamp that does not say how far it is dimmed, which of the
// powers it has shown this one is. Later it is one that it has shown about so long
// after it was switched on: a lamp that dims itself in steps and has lost a fifth
// takes, early in the evening, what the whole one takes later. Where none is near,
// it has fallen from the next above, or else from the highest.
func (l *lamp) mode(at int64, deviation float32) int {
	near, above, top, any := -1, -1, -1, -1
	distance := func(i int) float32 { return max(l.Power/l.Learned[i], l.Learned[i]/l.Power) - 1 }
	first := at-l.Known < modesFor
	seen := l.Seen[l.slot(at)]
	for i, n := range l.N {
		if n == 0 || !first && n < established {
			continue
		}
		if any < 0 || distance(i) < distance(any) {
			any = i
		}
		if !first && seen != 0 && seen&(1<<i) == 0 {
			continue
		}
		if near < 0 || distance(i) < distance(near) {
			near = i
		}
		if l.Learned[i] > l.Power && (above < 0 || l.Learned[i] < l.Learned[above]) {
			above = i
		}
		if top < 0 || l.Learned[i] > l.Learned[top] {
			top = i
		}
	}
	switch {
	case first && any >= 0 && distance(any) <= apart:
		return any
	case !first && near >= 0 && distance(near) <= deviation:
		return near
	case first || any < 0:
		return l.room()
	case above >= 0:
		return above
	case top >= 0:
		return top
	}
	return any
}

// room makes room for one more power.
func (l *lamp) room() int {
	b := 0
	for i, n := range l.N {
		if n < l.N[b] {
			b = i
		}
	}
	l.N[b], l.Learned[b] = 0, 0
	for i := range l.Seen {
		l.Seen[i] &^= 1 << b
	}
	return b
}

// takes has the lamp take its power from now on, at any hour.
func (l *lamp) takes() {
	b := int(l.like()) - 1
	if b < 0 {
		b = l.room()
		l.N[b], l.Learned[b] = established, l.Power
	}
	for i := range l.Seen {
		l.Seen[i] |= 1 << b
	}
	l.Off, l.OffSince, l.Self = 0, 0, 0
}

// judgePower compares the power with what was learned at the same level.
func (rules *lampRules) judgePower(l *lamp, d *device, p *LightingParameters, at int64, key func(kind) alarmKey) {
	deviation := float32(p.Deviation)
	says := l.Flags&lampLevel != 0
	var b int
	if says {
		b = min(max(int(l.Level*10+0.5), 0), 10)
	} else {
		b = l.mode(at, deviation)
	}
	learned := l.Learned[b]
	slot := l.slot(at)
	if !says && l.OnAt != 0 && at-l.OnAt < warmUp && rules.info[l.Device] != nil {
		return // it is warming up
	}
	if l.N[b] < established {
		l.Seen[slot] |= 1 << b
		l.N[b]++
		l.Learned[b] += (l.Power - learned) / float32(l.N[b])
		return
	}
	ratio := l.Power / learned
	off := max(ratio-1, 1-ratio)
	d.score(float64(off/deviation) * 0.99 * min(float64(abs8(l.Off)+1)/float64(p.Readings), 1))
	switch {
	case off <= deviation:
		if l.OffSince != 0 && !says && l.OffMode == uint8(b)+1 && off <= apart && at-l.OffSince <= int64(time.Hour) && !rules.active(key(partialFailure)) {
			l.Seen[l.OffHour] |= 1 << b // it is dimmed a little earlier than it was
		}
		l.Off, l.OffSince, l.OffMode = 0, 0, 0
		if says || off <= apart {
			l.Seen[slot] |= 1 << b
			l.Learned[b] += 0.02 * (l.Power - learned)
		}
		if l.FineAt == 0 {
			l.FineAt = at
		}
		if full := says && b == 10 || !says && b == l.top(); full && at-l.Known >= modesFor {
			l.Best = max(l.Best, l.Learned[b])
			if l.Learned[b] < faded*l.Best {
				rules.raise(key(partialFailure), at, float64(l.Power), float64(l.Best))
				return
			}
		}
		if off > 0.5*deviation {
			l.Fine = 0
		} else if l.Fine = min(l.Fine+1, 100); int(l.Fine) >= p.Readings && (says || at-l.FineAt >= lampFine) {
			if rules.active(key(partialFailure)) && !says {
				l.Self = min(l.Self+1, 100)
			}
			// A stuck dimmer looks right at the level it is stuck at.
			rules.clearAlarm(key(partialFailure), at)
			rules.clearAlarm(key(overPower), at)
			if a := rules.alarms[key(stuckDimmer)]; a != nil && math.Abs(a.Expected-float64(learned)) < 0.1*a.Expected {
				rules.clearAlarm(key(stuckDimmer), at)
			}
		}
		return
	case ratio > 1:
		l.Fine = 0
		l.Off = min(max(l.Off, 0)+1, 100)
	default:
		l.Fine = 0
		l.Off = max(min(l.Off, 0)-1, -100)
	}
	l.FineAt = 0
	if l.OffSince == 0 {
		l.OffSince, l.OffHour, l.OffMode = at, uint8(slot), l.like()
	}
	all := !says && (rules.shares(key(partialFailure)) || rules.shares(key(overPower))) // it is the schedule
	if all || at-l.OffSince > relearn || !says && l.Self >= ownSchedule && int(abs8(l.Off)) >= p.Readings {
		if says {
			l.N[b], l.Learned[b], l.Off, l.OffSince = 1, l.Power, 0, 0
			l.Best = 0
			return
		}
		l.takes()
		rules.clearAlarm(key(partialFailure), at)
		rules.clearAlarm(key(overPower), at)
		return
	}
	if int(abs8(l.Off)) < p.Readings || !says && at-l.OffSince < offFor {
		return
	}
	// The power of another level is the dimmer's fault, not the lamp's.
	k := partialFailure
	if ratio > 1 {
		k = overPower
	}
	for other := range l.Learned {
		if says && other != b && l.N[other] >= established && math.Abs(float64(l.Power/l.Learned[other])-1) < 0.07 {
			k = stuckDimmer
		}
	}
	if rules.active(key(partialFailure)) || rules.active(key(overPower)) || rules.active(key(stuckDimmer)) {
		return // one finding about the power at a time
	}
	rules.raise(key(k), at, float64(l.Power), float64(learned))
}

func abs8(x int8) int8 { return max(x, -x) }
