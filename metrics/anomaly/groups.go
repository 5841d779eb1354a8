package anomaly

import "greencommunity/ingest"

// group is devices that fail together: the lamps of a feeder, what a gateway
// carries, a community.
type group struct {
	Key      groupKey
	Facility ingest.FacilityKind
	Members  int32
	Silent   int32 // with an alarm offline
	Dark     int32 // outage
	Burning  int32 // day burner
}

type groupKey struct {
	What      uint8
	Community ingest.CommunityID
	Name      string
}

const (
	groupFeeder = iota
	groupGateway
	groupCommunity
	groupRefused  // a vendor's refused messages of fire, see fire.go
	groupVendor   // these and what follows are made for notes, see peers.go
	groupVendorIn // a vendor's in a community
	groupCompound
	groupCounty
	groupPart // a vendor's of a feeder, a gateway or a compound
)

// regroup counts anew who has an alarm in which group, after members have
// changed theirs, and raises, clears and inhibits by that.
func (b *book) regroup() {
	for i := range b.groups {
		g := &b.groups[i]
		g.Silent, g.Dark, g.Burning = 0, 0, 0
	}
	b.mu.Lock()
	b.version.Add(1)
	for k, a := range b.alarms {
		if k.Device >= groupBase {
			continue
		}
		if info := b.info[k.Device]; a.Community != info.Community || a.Compound != info.Compound {
			a.Community, a.Compound = info.Community, info.Compound
		}
		if a.held != 0 {
			continue
		}
		if note := b.noted(k, a); note != nil { // one cause of many is not that of a group as well
			b.stand(a, note)
			continue
		}
		if a.by.Kind == atOnce {
			b.stand(a, nil)
		}
		for _, c := range b.groupsOf(k.Kind, b.devices.At(k.Device+1)) {
			if c.id >= 0 {
				*b.groups[c.id].counter(k.Kind)++
			}
		}
	}
	b.mu.Unlock()
	for i, g := range b.groups {
		switch g.Key.What {
		case groupFeeder:
			b.rollUp(int32(i), feederOutage, outage, b.now, 0)
			b.rollUp(int32(i), feederDayBurner, dayBurner, b.now, 0)
		case groupGateway:
			b.rollUp(int32(i), gatewayOffline, offline, b.now, 0)
		case groupCommunity:
			b.rollUp(int32(i), communityOffline, offline, b.now, 0)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version.Add(1)
	for k, a := range b.alarms {
		if k.Device < groupBase && a.held == 0 && a.by.Kind != atOnce {
			b.stand(a, b.inhibitor(k, b.devices.At(k.Device+1)))
		}
	}
}

// groupAlarm is a group of a device and the alarm it has when many of its
// members have one.
type groupAlarm struct {
	id int32
	as kind
}

// groupsOf returns the groups in which an alarm of a device counts.
func (b *book) groupsOf(k kind, d *device) []groupAlarm {
	switch k {
	case offline:
		return []groupAlarm{{d.Gateway, gatewayOffline}, {d.Town, communityOffline}}
	case outage:
		return []groupAlarm{{d.Feeder, feederOutage}}
	case dayBurner:
		return []groupAlarm{{d.Feeder, feederDayBurner}}
	}
	return nil
}

// rollUps keeps the number of members with an alarm, and raises and clears the
// group's own.
func (b *book) rollUps(k alarmKey, d *device, at int64, by int32) {
	for _, c := range b.groupsOf(k.Kind, d) {
		b.rollUp(c.id, c.as, k.Kind, at, by)
	}
}

func (g *group) counter(member kind) *int32 {
	switch member {
	case offline:
		return &g.Silent
	case outage:
		return &g.Dark
	}
	return &g.Burning
}

func (b *book) rollUp(id int32, as, member kind, at int64, by int32) {
	if id < 0 {
		return
	}
	g := &b.groups[id]
	n := g.counter(member)
	*n += by
	p := b.params[0]
	share, least := p.All.Share, int32(3)
	switch as {
	case feederOutage, feederDayBurner:
		share = p.Lighting.Feeder
	case communityOffline:
		least = 10
	}
	k := alarmKey{groupBase + uint32(id), 0, as}
	have := float64(*n)
	switch {
	case !b.active(k) && *n >= least && have >= share*float64(g.Members):
		b.raise(k, at, have, float64(g.Members))
		b.inhibit(id, member)
	case b.active(k) && by > 0:
		a := b.alarms[k]
		b.mu.Lock()
		a.Value, a.Peak, a.Expected = have, max(a.Peak, have), float64(g.Members)
		a.Why = b.why(as, a)
		b.mu.Unlock()
	case b.active(k) && (have < share/2*float64(g.Members) || *n == 0):
		b.clearAlarm(k, at)
		b.inhibit(id, member)
	}
}

// inhibit looks again which alarm stands for those of the members.
func (b *book) inhibit(id int32, member kind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version.Add(1)
	for k, a := range b.alarms {
		if k.Kind != member || k.Device >= groupBase || a.held != 0 {
			continue
		}
		d := b.devices.At(k.Device + 1)
		if d.Feeder != id && d.Gateway != id && d.Town != id {
			continue
		}
		b.stand(a, b.inhibitor(k, d))
	}
}

// inhibitor returns the alarm of a group that stands for a device's, or nil.
func (b *book) inhibitor(k alarmKey, d *device) *Alarm {
	is := func(id int32, as kind) *Alarm {
		if id < 0 {
			return nil
		}
		return b.alarms[alarmKey{groupBase + uint32(id), 0, as}]
	}
	if a := b.alarms[k]; a != nil {
		if note := b.noted(k, a); note != nil {
			return note
		}
	}
	var by *Alarm
	switch k.Kind {
	case offline:
		if by = is(d.Town, communityOffline); by == nil || !b.own(k, d.Town) {
			if by = is(d.Gateway, gatewayOffline); by != nil && !b.own(k, d.Gateway) {
				by = nil
			}
		}
	case outage:
		by = is(d.Feeder, feederOutage)
	case dayBurner:
		by = is(d.Feeder, feederDayBurner)
	}
	return by
}
