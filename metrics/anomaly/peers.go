package anomaly

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
)

// Before a device is blamed its peers are asked: the devices of its kind of facility on its
// feeder, behind its gateway, in its compound and community, of its vendor, and in all of the
// county. A storm lights all lamps by day; a platform fills in the reads of its vendor's
// meters in every community; a gateway's new firmware sets back the registers behind it. That
// shows in many within the hour, and one note with its cause is worth more than hundreds of
// alarms. So what is told in working hours only waits a quarter of an hour; where a fifth of
// the peers have the same by then, one alarm stands for all. What cannot wait is told at once,
// and rolled up once half of the peers have it, five at least, or ten that are a fifth.

// shared are the kinds that one cause gives many devices, and that wait for their peers.
var shared = []kind{
	continuousFlow, reverseFlow, registerReset, stuckRegister, nightFlow, overQmax, unaccountedWater, unaccountedEnergy,
	dayBurner, outage, cycling, partialFailure, stuckDimmer, overPower,
	overfull, missedCollection, stuckFill, blocked, erraticFill, tipped,
	offHours, noisy, crowded, badAir, offline, clockOffset, flatLine, unusualValue,
}

// pressing are those that one cause gives many as well, and that do not wait: a gate that
// stands open is told within the minute. Of fire, smoke and water each place is told.
var pressing = []kind{burst, heldOpen, forcedOpen, stuckClosed, deniedBurst, hydrantLow, deviceReported}

const (
	peersWait = int64(15 * time.Minute)
	// wave sets how far apart the first and the last of one cause begin, by the devices'
	// clocks; of devices that report less often, an interval of theirs.
	wave = int64(time.Hour)
	part = wave / 3 // waves are counted in parts of an hour
	// fewest peers of one cause; two neighbours can fail by chance.
	fewest         = 3
	forget         = 3 * 24 * int64(time.Hour) // what came longer ago is not asked for any more
	longest        = 26 * int64(time.Hour)     // no wave is longer: meters report once a day
	pressed        = 0.5                       // of the peers: what makes one cause of what presses
	fewestPressing = 5                         // of what presses each of a few is told by itself
	crowdOf        = 10                        // peers that are one cause even where they are fewer
	spreadTo       = 0.5                       // a wider group has the cause where its rest has half of the share
)

// Ways in which devices belong together, the narrowest first.
const (
	byFeeder = iota
	byGateway
	byCompound
	byVendorIn // a vendor's in a community
	byCommunity
	byVendor
	byCounty

	ways
)

// Scopes of notes, by way; as they stand in an alarm.
var scopes = [ways]string{"feeder", "gateway", "compound", "vendor_in_community", "community", "vendor", "county"}

// wayOf is the way in which a group's devices belong together.
func wayOf(what uint8) int {
	switch what {
	case groupFeeder:
		return byFeeder
	case groupGateway:
		return byGateway
	case groupCompound:
		return byCompound
	case groupVendorIn:
		return byVendorIn
	case groupVendor:
		return byVendor
	case groupCounty:
		return byCounty
	}
	return byCommunity
}

// peerKey names devices that have a cause in common, and what they show.
type peerKey struct {
	Group    int32
	Facility ingest.FacilityKind
	Kind     kind
	What     string // of deviceReported: the event
}

// name is that of the note's channel.
func (p peerKey) name() string {
	s := string(p.Facility) + "/" + p.Kind.String()
	if p.What != "" {
		s += "/" + p.What
	}
	return s
}

// partKey is the alarms of peers that began in a part of an hour.
type partKey struct {
	peerKey
	Part int64 // since 1970
}

type peers struct {
	First int64 // when the first of them began
	N     int32 // of those that are not over
}

// sized is a group's devices of a facility.
type sized struct {
	groupKey
	Facility ingest.FacilityKind
}

// sizes counts devices by group, and communities by group.
type sizes struct {
	at      int // settles of the fleet when it was counted
	devices map[sized]int32
	towns   map[sized]int32
	vendors map[sized][]string
}

// size returns how many devices of a facility a group has, and in how many communities.
func (b *book) size(k groupKey, facility ingest.FacilityKind) (devices, towns int32) {
	// A fleet that grows is not counted anew with each device.
	if b.sizes.devices == nil || b.settles-b.sizes.at > len(b.info)/16 {
		b.sizes = sizes{b.settles, map[sized]int32{}, map[sized]int32{}, map[sized][]string{}}
		origins := map[*ingest.Origin]int32{}
		for i, info := range b.info {
			if info == nil {
				continue
			}
			origins[info.Origin]++
			d := b.devices.At(uint32(i) + 1)
			for _, id := range []int32{d.Gateway, d.Feeder} {
				if id >= 0 {
					b.sizes.devices[sized{b.groups[id].Key, info.Facility}]++
					b.sizes.add(b.groups[id].Key, info.Facility, string(info.Vendor), 1)
				}
			}
		}
		type in struct {
			sized
			town ingest.CommunityID
		}
		seen := map[in]bool{}
		for o, n := range origins {
			for _, k := range []groupKey{
				{groupCompound, o.Community, string(o.Compound)}, {groupVendorIn, o.Community, string(o.Vendor)},
				{groupCommunity, o.Community, string(o.Community)}, {groupVendor, "", string(o.Vendor)}, county,
			} {
				s := sized{k, o.Facility}
				b.sizes.devices[s] += n
				b.sizes.add(k, o.Facility, string(o.Vendor), n)
				if town := (in{s, o.Community}); !seen[town] {
					seen[town] = true
					b.sizes.towns[s]++
				}
			}
		}
	}
	s := sized{k, facility}
	return b.sizes.devices[s], b.sizes.towns[s]
}

// add counts a vendor's devices of a group.
func (z *sizes) add(k groupKey, facility ingest.FacilityKind, vendor string, n int32) {
	s := sized{k, facility}
	if !slices.Contains(z.vendors[s], vendor) {
		z.vendors[s] = append(z.vendors[s], vendor)
	}
	if of := partOf(k, vendor); of.What == groupPart {
		z.devices[sized{of, facility}] += n
	}
}

// partOf names a vendor's devices of a group.
func partOf(k groupKey, vendor string) groupKey {
	switch k.What {
	case groupFeeder, groupGateway, groupCompound:
		return groupKey{groupPart, k.Community, fmt.Sprintf("%d\x00%s\x00%s", k.What, vendor, k.Name)}
	case groupCommunity:
		return groupKey{groupVendorIn, k.Community, vendor}
	case groupCounty:
		return groupKey{groupVendor, "", vendor}
	}
	return k
}

// shown returns how many of a vendor's devices of a group have what p names, of how many, and
// whether these are one cause by themselves.
func (b *book) shown(k groupKey, vendor string, p peerKey, at, long int64) (n, of float64, ok bool) {
	k = partOf(k, vendor)
	id, known := b.groupOf[k]
	if !known {
		return 0, 0, false
	}
	p.Group = id
	have, _ := b.count(p, at, long)
	size, _ := b.size(k, p.Facility)
	n = float64(have)
	of = max(float64(size), n)
	return n, of, b.enough(p.Kind, n, of)
}

// agree says whether a group has one cause whoever made its devices: of the vendors with peers
// enough there, half at least show it, each by its own devices, and two at least where there
// are two. However many devices a vendor has, or makes up, it counts once.
func (b *book) agree(k groupKey, p peerKey, at, long int64) (ok bool, asked int) {
	showing := 0
	b.size(k, p.Facility) // counts anew where it must
	for _, vendor := range b.sizes.vendors[sized{k, p.Facility}] {
		if n, _ := b.size(partOf(k, vendor), p.Facility); n < fewest {
			continue
		}
		asked++
		if _, _, ok := b.shown(k, vendor, p, at, long); ok {
			showing++
		}
	}
	return showing >= min(2, asked) && 2*showing >= asked, asked
}

// own says whether a group's cause is that of an alarm's device too: all of the group is its
// vendor's, or its vendor's devices show it by themselves.
func (b *book) own(k alarmKey, id int32) bool {
	info, group := b.info[k.Device], b.groups[id].Key
	b.size(group, info.Facility)
	if len(b.sizes.vendors[sized{group, info.Facility}]) < 2 {
		return true
	}
	a := b.alarms[k]
	p, ok, _ := b.peersOf(k)
	if !ok || a == nil {
		return true
	}
	_, _, ok = b.shown(group, string(info.Vendor), p, a.came(), b.waveOf(k))
	return ok
}

var county = groupKey{groupCounty, "", "county"}

// waysOf returns the groups of a device, -1 where it has none; asked, only those with peers
// enough by now.
func (b *book) waysOf(index uint32, asked bool) (of [ways]int32) {
	d, info := b.devices.At(index+1), b.info[index]
	for w, k := range [ways]groupKey{
		byFeeder: b.keyOf(d.Feeder), byGateway: b.keyOf(d.Gateway), byCommunity: b.keyOf(d.Town),
		byCompound: {groupCompound, info.Community, string(info.Compound)}, byVendorIn: {groupVendorIn, info.Community, string(info.Vendor)},
		byVendor: {groupVendor, "", string(info.Vendor)}, byCounty: county,
	} {
		of[w] = -1
		if k.Name == "" || (w == byCompound || w == byVendorIn) && k.Community == "" {
			continue
		}
		if asked {
			if n, towns := b.size(k, info.Facility); n < fewest || (w == byVendor || w == byCounty) && towns < 2 {
				continue
			}
		}
		of[w] = b.groupID(k)
	}
	return of
}

func (b *book) groupID(k groupKey) int32 {
	id, ok := b.groupOf[k]
	if !ok {
		id = int32(len(b.groups))
		b.groups = append(b.groups, group{Key: k})
		b.groupOf[k] = id
	}
	return id
}

// counted returns the groups in which an alarm of a device counts: its own, and its vendor's
// part of each.
func (b *book) counted(index uint32) (ids []int32) {
	for _, id := range b.waysOf(index, false) {
		if id < 0 {
			continue
		}
		ids = append(ids, id)
		if of := partOf(b.groups[id].Key, string(b.info[index].Vendor)); of.What == groupPart {
			ids = append(ids, b.groupID(of))
		}
	}
	return ids
}

func (b *book) keyOf(id int32) groupKey {
	if id < 0 {
		return groupKey{}
	}
	return b.groups[id].Key
}

// peersOf names what an alarm has in common with its peers, but for the group; ask says
// whether there are any, and wait whether it waits for them.
func (b *book) peersOf(k alarmKey) (p peerKey, ask, wait bool) {
	if k.Device >= groupBase || b.info[k.Device] == nil {
		return peerKey{}, false, false
	}
	wait = slices.Contains(shared, k.Kind)
	if !wait && !slices.Contains(pressing, k.Kind) || k.Kind == outage && b.devices.At(k.Device+1).Feeder >= 0 { // a feeder that is out cannot wait
		return peerKey{}, false, false
	}
	p = peerKey{Facility: b.info[k.Device].Facility, Kind: k.Kind}
	if k.Kind == deviceReported {
		_, p.What, _ = strings.Cut(b.channels[k.Channel], "/")
	}
	return p, true, wait && about(k.Kind) != Critical
}

// came is when what is wrong came to the device: of silence, when that began, because each
// device is waited for as long as it has ever been silent.
func (a *Alarm) came() int64 {
	if a.key.Kind == offline {
		return a.Began.UnixNano()
	}
	return a.Since.UnixNano()
}

// joins notes an alarm that begins, with its peers, and says whether it has any.
func (b *book) joins(k alarmKey, p peerKey, at int64) (any bool) {
	for _, id := range b.counted(k.Device) {
		p.Group = id
		key := partKey{p, at / part}
		w := b.waves[key]
		if w.N == 0 || at < w.First {
			w.First = at
		}
		w.N++
		b.waves[key] = w
	}
	return b.waysOf(k.Device, true) != [ways]int32{-1, -1, -1, -1, -1, -1, -1}
}

// leaves notes that an alarm is over; where all of a wave are, so is the note.
func (b *book) leaves(k alarmKey, a *Alarm, at int64) {
	if note := b.alarms[a.by]; a.by.Device >= groupBase && note != nil && a.by.Kind == atOnce {
		b.mu.Lock()
		note.members--
		a.by = alarmKey{}
		b.mu.Unlock()
		if note.members <= 0 {
			b.clearAlarm(note.key, at)
		}
	}
	p, ok, _ := b.peersOf(k)
	if !ok {
		return
	}
	for _, id := range b.counted(k.Device) {
		p.Group = id
		key := partKey{p, a.came() / part}
		if w := b.waves[key]; w.N > 1 {
			w.N--
			b.waves[key] = w
		} else {
			delete(b.waves, key)
		}
	}
}

// sweepWaves forgets what came long ago; once a day.
func (b *book) sweepWaves(now int64) {
	maps.DeleteFunc(b.waves, func(k partKey, _ peers) bool { return k.Part*part < now-forget })
}

// count returns how many of the peers came within one wave of a time, and when the first did.
func (b *book) count(p peerKey, at, long int64) (n, first int64) {
	parts := (long + part - 1) / part
	var all []peers // from a wave before to a wave after
	for i := at/part - parts + 1; i < at/part+parts; i++ {
		all = append(all, b.waves[partKey{p, i}])
	}
	for i := range int(parts) {
		sum, from := int64(0), int64(0)
		for _, w := range all[i : i+int(parts)] {
			if w.N > 0 && from == 0 {
				from = w.First
			}
			sum += int64(w.N)
		}
		if sum > n {
			n, first = sum, from
		}
	}
	return n, first
}

// waveOf is how far apart a device's peers may come: as it reports.
func (b *book) waveOf(k alarmKey) int64 {
	return min(max(wave, int64(1.1e9*float64(b.devices.At(k.Device+1).Interval))), longest)
}

// enough says whether n of so many peers that show a kind make one cause.
func (b *book) enough(k kind, n, of float64) bool {
	share, least := b.params[0].All.Peers, float64(fewest)
	if slices.Contains(pressing, k) {
		least = fewestPressing
		if n < crowdOf {
			share = max(pressed, share)
		}
	}
	return n >= max(least, share*of)
}

// cause returns the group that explains an alarm: the widest whose devices have it about as
// often as those of the narrowest do. A cut of one feeder shows in a third of its community,
// and in none of the rest; a storm shows in all.
func (b *book) cause(k alarmKey, a *Alarm) (p peerKey, n, of, first int64, ok bool) {
	p, ok, _ = b.peersOf(k)
	if !ok {
		return p, 0, 0, 0, false
	}
	ids := b.waysOf(k.Device, true)
	var have, all, share [ways]float64 // the share is that of the device's vendor
	var agreed, mixed [ways]bool
	var began [ways]int64
	at, long, vendor := a.came(), b.waveOf(k), string(b.info[k.Device].Vendor)
	for w, id := range ids {
		if id < 0 {
			continue
		}
		p.Group = id
		n, begin := b.count(p, at, long)
		size, _ := b.size(b.groups[id].Key, p.Facility)
		have[w], all[w], began[w] = float64(n), max(float64(size), float64(n)), begin
		ours, of, ok := b.shown(b.groups[id].Key, vendor, p, at, long)
		both, asked := b.agree(b.groups[id].Key, p, at, long)
		share[w], agreed[w], mixed[w] = ours/max(of, 1), ok && both, asked > 1
	}
	enough := func(w int) bool { return ids[w] >= 0 && agreed[w] }
	now := -1
	for _, w := range []int{byFeeder, byGateway, byCompound, byVendorIn} {
		if enough(w) && (now < 0 || share[w] > share[now] || share[w] == share[now] && all[w] > all[now]) {
			now = w
		}
	}
	for _, w := range []int{byCommunity, byVendor, byCounty} {
		if now < 0 && enough(w) {
			now = w
		}
	}
	if now < 0 {
		return p, 0, 0, 0, false
	}
	// rest says whether what a wider group has beside a narrower has it too.
	rest := func(w, narrower int, same bool) bool {
		if ids[w] < 0 || narrower >= 0 && ids[narrower] < 0 {
			return false
		}
		n, m := have[w]-have[narrower], all[w]-all[narrower]
		switch {
		case m <= 0:
			return same
		case w != byVendorIn && w != byVendor && !agreed[w]:
			return false
		case mixed[w] && (w == byCommunity && narrower == byVendorIn || w == byCounty && narrower == byVendor):
			return true // of vendors each counts once, however many devices it has
		}
		return n >= min(fewest, m) && n >= max(b.params[0].All.Peers, spreadTo*share[now])*m
	}
	if (now == byFeeder || now == byGateway) && rest(byVendorIn, now, true) {
		now = byVendorIn
	}
	switch {
	case now < byCommunity:
		in, of := rest(byCommunity, now, true), now != byCompound && rest(byVendor, now, false)
		switch {
		case in && of && rest(byCounty, byVendor, false) && rest(byCounty, byCommunity, false):
			now = byCounty
		case in && of && have[byVendor] > have[byCommunity], of && !in:
			now = byVendor
		case in && rest(byCounty, byCommunity, false):
			now = byCounty
		case in:
			now = byCommunity
		}
	case now < byCounty && rest(byCounty, now, false):
		now = byCounty
	}
	if k.Kind == offline && (now == byGateway || now == byCommunity) || k.Kind == dayBurner && now == byFeeder {
		return p, 0, 0, 0, false // these have alarms of their own
	}
	p.Group = ids[now]
	return p, int64(have[now]), int64(all[now]), began[now], true
}

// noteFor sets how long one cause is taken to last.
const noteFor = int64(36 * time.Hour)

// noteDue ends a note that has stood for as long as one cause does, unless most
// of its devices have it still. Those that are left stand for themselves.
func (b *book) noteDue(t timer) (goesOn bool) {
	a := b.alarms[t.K]
	p, ok := b.peersOfNote(a)
	if n, _ := b.size(b.groups[p.Group].Key, p.Facility); ok && b.enough(p.Kind, float64(a.members), float64(n)) {
		b.mu.Lock()
		a.expires = t.Due + noteFor
		b.mu.Unlock()
		t.Due = a.expires
		b.timers.push(t)
		return true
	}
	b.mu.Lock()
	a.members = 0
	b.mu.Unlock()
	b.clearAlarm(t.K, t.Due)
	b.regroup() // those that are left
	return true
}

// peersOfNote names whom a note stands for.
func (b *book) peersOfNote(a *Alarm) (peerKey, bool) {
	facility, name, _ := strings.Cut(a.Channel, "/")
	name, what, _ := strings.Cut(name, "/")
	id, ok := kindNamed(name)
	return peerKey{int32(a.key.Device - groupBase), ingest.FacilityKind(facility), id, what}, ok
}

// noteOf is the key of the alarm that stands for peers.
func (b *book) noteOf(p peerKey) alarmKey {
	return alarmKey{groupBase + uint32(p.Group), b.channel(p.name()), atOnce}
}

// together raises the note for an alarm where its peers have the same, or brings the note that
// is there up to date.
func (b *book) together(k alarmKey, a *Alarm, now int64) {
	d := b.devices.At(k.Device + 1)
	by := b.inhibitor(k, d)
	if by != nil && by.key.Kind != atOnce {
		return // its feeder or gateway stands for it
	}
	p, n, of, first, ok := b.cause(k, a)
	if !ok {
		return
	}
	note := b.noteOf(p)
	if by != nil && by.key != note && by.Value >= float64(n) {
		return // a wider one has it
	}
	if there := b.alarms[note]; there != nil {
		b.mu.Lock()
		if float64(n) > there.Value && there.Since.UnixNano()-first < int64(time.Hour) {
			there.Value, there.Peak = float64(n), max(there.Peak, float64(n))
			there.Expected = max(there.Expected, float64(of))
			there.Updated = time.Unix(0, max(b.now, there.Updated.UnixNano())).UTC()
			there.Why = b.whyAtOnce(there)
			b.version.Add(1)
		}
		b.mu.Unlock()
		return
	}
	b.raiseUntil(note, first, float64(n), float64(of), now+noteFor)
	b.standAnew(func(m alarmKey, of *Alarm) bool { // narrower notes of the same
		return m.Kind == atOnce && m != note && of.Channel == b.alarms[note].Channel
	})
	b.regroup()
}

// standAnew looks again which alarm stands for some.
func (b *book) standAnew(which func(alarmKey, *Alarm) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version.Add(1)
	for k, a := range b.alarms {
		switch {
		case a.held != 0 || !which(k, a):
		case k.Kind == atOnce:
			b.stand(a, b.wider(a))
		case k.Device < groupBase:
			b.stand(a, b.inhibitor(k, b.devices.At(k.Device+1)))
		}
	}
}

// stand has another alarm stand for one, or none; mu is held.
func (b *book) stand(a, by *Alarm) {
	if before := b.alarms[a.by]; a.by.Device >= groupBase && before != nil {
		before.members--
		if before.key.Kind == atOnce && before.members <= 0 && (by == nil || by != before) { // another stands for all it stood for
			before.expires = b.now
			b.timers.push(timer{Due: b.now, What: timeExpire, K: before.key})
		}
	}
	a.by, a.Inhibited, a.Group = alarmKey{}, "", ""
	if by != nil {
		a.by, a.Inhibited, a.Group = by.key, b.groups[by.key.Device-groupBase].Key.Name, by.id
		by.members++
	}
}

// wider returns the note that stands for a narrower one, or nil.
func (b *book) wider(a *Alarm) *Alarm {
	p, ok := b.peersOfNote(a)
	if !ok {
		return nil
	}
	of := b.groups[p.Group].Key
	over := []groupKey{county}
	if w := wayOf(of.What); w < byCommunity {
		over = append(over, groupKey{groupCommunity, of.Community, string(of.Community)})
		if w == byVendorIn {
			over = append(over, groupKey{groupVendor, "", of.Name})
		}
	}
	for _, k := range over {
		id, ok := b.groupOf[k]
		p.Group = id
		if note := b.alarms[b.noteOf(p)]; ok && k != of && note != nil && near(note, a.Since.UnixNano(), wave) && (a.by == note.key || b.covers(k, of, p, a)) {
			return note
		}
	}
	return nil
}

// covers says whether the vendors that show something in a group show it in a wider one too.
func (b *book) covers(k, of groupKey, p peerKey, a *Alarm) bool {
	at := a.Since.UnixNano()
	for _, vendor := range b.sizes.vendors[sized{of, p.Facility}] {
		if _, _, here := b.shown(of, vendor, p, at, wave); here {
			if _, _, there := b.shown(k, vendor, p, at, wave); !there {
				return false
			}
		}
	}
	return true
}

// near says whether something came with what a note stands for.
func near(note *Alarm, at, long int64) bool {
	apart := at - note.Since.UnixNano()
	return apart <= long && -apart <= long
}

// noted returns the note that stands for an alarm, that of the most, or nil.
func (b *book) noted(k alarmKey, a *Alarm) *Alarm {
	p, ok, _ := b.peersOf(k)
	if !ok {
		return nil
	}
	channel, ok := b.channelID[p.name()]
	if !ok {
		return nil // there has never been one
	}
	var by *Alarm
	for _, id := range b.waysOf(k.Device, true) {
		if id < 0 {
			continue
		}
		if note := b.alarms[alarmKey{groupBase + uint32(id), channel, atOnce}]; note != nil && near(note, a.came(), b.waveOf(k)) && (by == nil || note.Value >= by.Value) &&
			(a.by == note.key || b.own(k, id)) { // it stands for the last of a vendor's as well
			by = note
		}
	}
	return by
}

// shares says whether an alarm is one of a wave that a note stands for, or will.
func (b *book) shares(k alarmKey) bool {
	if !b.active(k) {
		return false
	}
	a := b.alarms[k]
	return a.held == 0 && b.noted(k, a) != nil
}

func (s *saver) waves(all map[partKey]peers) {
	s.int(int64(len(all)))
	for _, k := range slices.SortedFunc(maps.Keys(all), func(a, b partKey) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What), cmp.Compare(a.Part, b.Part))
	}) {
		s.int(int64(k.Group))
		s.text(string(k.Facility))
		s.text(k.Kind.String())
		s.text(k.What)
		s.int(k.Part)
		s.int(all[k].First)
		s.int(int64(all[k].N))
	}
}

// waves reads what was saved; before version 11 one wave of a community each.
func (l *loader) waves(version int64) map[partKey]peers {
	all := map[partKey]peers{}
	for range l.each() {
		k := partKey{peerKey: peerKey{Group: int32(l.int()), Facility: ingest.FacilityKind(l.text())}}
		name := l.text()
		if version >= 11 {
			k.What, k.Part = l.text(), l.int()
		}
		w := peers{First: l.int(), N: int32(l.int())}
		if version < 11 {
			k.Part = w.First / part
		}
		if id, ok := kindNamed(name); ok && w.N > 0 {
			k.Kind = id
			all[k] = w
		}
	}
	return all
}
