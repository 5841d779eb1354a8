package anomaly

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
)

// Before a device is blamed its peers are asked: those of its kind of facility in
// its community. A storm lights all lamps by day, an eclipse, a new schedule, reads
// that a platform filled in, a holiday, a power cut and a clock that was shifted
// show in many within the hour, and one note with that cause is worth more than
// hundreds of alarms. So what is told in working hours only waits a quarter of an
// hour; where a fifth of the peers have the same by then, one alarm stands for all.

// shared are the kinds that one cause gives many devices.
var shared = []kind{
	continuousFlow, reverseFlow, registerReset, stuckRegister, dayBurner, outage, cycling, partialFailure, stuckDimmer, overPower,
	overfull, missedCollection, stuckFill, blocked, erraticFill, offHours, flatLine, unusualValue,
}

const (
	peersWait = int64(15 * time.Minute)
	// wave sets how far apart the first and the last of one cause begin, by the
	// devices' clocks.
	wave = int64(time.Hour)
	// fewest peers of one cause; two neighbours can fail by chance.
	fewest = 3
)

// peerKey names devices that have a cause in common.
type peerKey struct {
	Town     int32
	Facility ingest.FacilityKind
	Kind     kind
}

// peers is the latest wave of one kind of alarm among such devices.
type peers struct {
	From int64 // when its first alarm began
	N    int32 // open of it
}

// members returns how many devices of a facility a community has.
func (b *book) members(town int32, facility ingest.FacilityKind) int32 {
	if b.counted != len(b.info) {
		b.counted = len(b.info)
		b.ofTown = map[peerKey]int32{}
		for i, info := range b.info {
			if info != nil {
				b.ofTown[peerKey{Town: b.devices.At(uint32(i) + 1).Town, Facility: info.Facility}]++
			}
		}
	}
	return b.ofTown[peerKey{Town: town, Facility: facility}]
}

// peersOf names the peers of an alarm, and says whether there are enough to ask.
func (b *book) peersOf(k alarmKey) (peerKey, bool) {
	if k.Device >= groupBase || !slices.Contains(shared, k.Kind) {
		return peerKey{}, false
	}
	d, info := b.devices.At(k.Device+1), b.info[k.Device]
	if d.Town < 0 || info == nil || k.Kind == outage && d.Feeder >= 0 { // a feeder that is out cannot wait
		return peerKey{}, false
	}
	return peerKey{d.Town, info.Facility, k.Kind}, b.members(d.Town, info.Facility) >= fewest
}

// joins notes an alarm that begins, in the wave of its peers.
func (b *book) joins(p peerKey, at int64) {
	w := b.waves[p]
	if w.N == 0 || at > w.From+wave {
		w = peers{From: at}
	}
	w.N++
	b.waves[p] = w
}

// leaves notes that an alarm is over; where most of a wave are, so is the note.
func (b *book) leaves(k alarmKey, a *Alarm, at int64) {
	p, ok := b.peersOf(k)
	w := b.waves[p]
	if since := a.Since.UnixNano(); !ok || w.N == 0 || since < w.From-wave || since > w.From+wave {
		return
	}
	w.N--
	b.waves[p] = w
	note := b.noteOf(p)
	if b.active(note) && w.N <= 0 {
		b.clearAlarm(note, at)
	}
}

// noteDue ends a note that has stood for as long as one cause does, unless most
// of its devices have it still. Those that are left stand for themselves.
func (b *book) noteDue(t timer) (goesOn bool) {
	facility, name, _ := strings.Cut(b.channels[t.K.Channel], "/")
	id, ok := kindNamed(name)
	p := peerKey{int32(t.K.Device - groupBase), ingest.FacilityKind(facility), id}
	if ok && float64(b.waves[p].N) >= b.enoughPeers(p) {
		a := b.alarms[t.K]
		b.mu.Lock()
		a.expires = t.Due + noteFor
		b.mu.Unlock()
		t.Due = a.expires
		b.timers.push(t)
		return true
	}
	b.clearAlarm(t.K, t.Due)
	b.reveal(p)
	return true
}

const noteFor = int64(36 * time.Hour)

// enoughPeers returns how many make one cause.
func (b *book) enoughPeers(p peerKey) float64 {
	return max(fewest, b.params[0].All.Peers*float64(b.members(p.Town, p.Facility)))
}

// noteOf is the key of the alarm that stands for a wave.
func (b *book) noteOf(p peerKey) alarmKey {
	return alarmKey{groupBase + uint32(p.Town), b.channel(string(p.Facility) + "/" + p.Kind.String()), atOnce}
}

// together raises the note for an alarm that has waited, where its peers have the
// same.
func (b *book) together(k alarmKey, a *Alarm, now int64) {
	p, ok := b.peersOf(k)
	w := b.waves[p]
	if since := a.Since.UnixNano(); !ok || since < w.From-wave || since > w.From+wave || float64(w.N) < b.enoughPeers(p) {
		return
	}
	if b.inhibitor(k, b.devices.At(k.Device+1)) != nil {
		return // its feeder stands for it
	}
	b.raiseUntil(b.noteOf(p), w.From, float64(w.N), float64(b.members(p.Town, p.Facility)), now+noteFor)
}

// stormed says whether a note stands for the lamps of a community that burn by day.
func (b *book) stormed(community ingest.CommunityID) bool {
	town, ok := b.groupOf[groupKey{groupCommunity, community, string(community)}]
	return ok && b.active(b.noteOf(peerKey{town, ingest.Lighting, dayBurner}))
}

// noted says whether a note stands for an alarm.
func (b *book) noted(k alarmKey, a *Alarm) *group {
	p, ok := b.peersOf(k)
	if !ok {
		return nil
	}
	note := b.alarms[b.noteOf(p)]
	if note == nil {
		return nil
	}
	if apart := a.Since.Sub(note.Since); apart > time.Duration(wave) || apart < -time.Duration(wave) {
		return nil
	}
	return &b.groups[p.Town]
}

// reveal lets the alarms that are left of a wave stand for themselves.
func (b *book) reveal(p peerKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version.Add(1)
	for k, a := range b.alarms {
		if k.Kind != p.Kind || k.Device >= groupBase || a.held != 0 || b.devices.At(k.Device+1).Town != p.Town {
			continue
		}
		a.Inhibited = ""
		if g := b.inhibitor(k, b.devices.At(k.Device+1)); g != nil {
			a.Inhibited = g.Key.Name
		}
	}
}

// shares says whether an alarm is one of a wave that a note stands for, or will.
func (b *book) shares(k alarmKey) bool {
	if !b.active(k) {
		return false
	}
	a := b.alarms[k]
	return a.held == 0 && b.noted(k, a) != nil
}

func (s *saver) waves(all map[peerKey]peers) {
	s.int(int64(len(all)))
	keys := make([]peerKey, 0, len(all))
	for k := range all {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b peerKey) int {
		return cmp.Or(cmp.Compare(a.Town, b.Town), cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Kind, b.Kind))
	})
	for _, k := range keys {
		s.int(int64(k.Town))
		s.text(string(k.Facility))
		s.text(k.Kind.String())
		s.int(all[k].From)
		s.int(int64(all[k].N))
	}
}

func (l *loader) waves() map[peerKey]peers {
	all := map[peerKey]peers{}
	for range l.each() {
		k := peerKey{Town: int32(l.int()), Facility: ingest.FacilityKind(l.text())}
		name := l.text()
		w := peers{From: l.int(), N: int32(l.int())}
		if id, ok := kindNamed(name); ok {
			k.Kind = id
			all[k] = w
		}
	}
	return all
}
