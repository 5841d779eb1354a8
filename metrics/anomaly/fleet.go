package anomaly

import (
	"strings"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/holidays"
)

// fleet is the devices that have reported, and what the inventory and the
// configuration say of each. It belongs to the goroutine that calls the Engine.
type fleet struct {
	o    Options
	zone *time.Location
	inv  *inventory.Inventory

	devices  arena.Arena[device] // by index of the device + 1
	info     []*ingest.Device    // by index of the device
	params   []*Parameters       // shared by most devices
	places   []place             // by device.Place
	ambient  []ambient           // by device.Place
	channels []string
	groups   []group

	channelID   map[string]uint16
	paramsOf    map[*Parameters]uint16
	communityOf map[ingest.CommunityID]*Parameters
	deviceOf    map[ownKey]*Parameters // those made so far
	placeOf     map[ingest.CommunityID]uint16
	groupOf     map[groupKey]int32
	settles     int // devices settled, removed or counted anew so far
	holidays    *holidays.Calendar

	sitesMu sync.Mutex        // guards sites between the walker, which alone writes, and a scrape
	sites   map[site]struct{} // where devices are, as the inventory lists them or as they report
}

// site is the devices of a facility in a community: what can raise an alarm there.
type site struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
}

// noteSite remembers that there are devices of a facility in a community.
func (f *fleet) noteSite(info *ingest.Device) {
	at := site{info.Community, info.Facility}
	if _, there := f.sites[at]; there || len(f.inv.Communities) > 0 && f.inv.Community(at.Community) == nil {
		return
	}
	f.sitesMu.Lock()
	f.sites[at] = struct{}{}
	f.sitesMu.Unlock()
}

// listSites begins anew with the devices the inventory lists; those that report
// are noted as they are settled.
func (f *fleet) listSites() {
	f.sitesMu.Lock()
	clear(f.sites)
	f.sitesMu.Unlock()
	for info := range f.inv.AllDevices() {
		if f.inv.Here(info) {
			f.noteSite(info)
		}
	}
}

func newFleet(o Options) *fleet {
	return &fleet{
		o: o, channels: []string{""}, channelID: map[string]uint16{"": 0},
		holidays: holidays.Standard(), paramsOf: map[*Parameters]uint16{}, placeOf: map[ingest.CommunityID]uint16{}, groupOf: map[groupKey]int32{}, sites: map[site]struct{}{},
	}
}

// device holds what is known of any device. It has no pointers.
type device struct {
	LastSeen  int64 // time heard, nanoseconds; 0 never
	FirstSeen int64
	Received  int64 // of the message looked at
	Newest    int64 // newest time of a reading in it
	Interval  float32
	Longest   float32 // longest ordinary silence, slowly forgotten, s
	Uneven    float32 // running mean of how far a gap is from Interval, 0 to 1
	Messages  uint32

	Offset   float32 // ordinary time received - device time, s
	LastLag  float32
	GoneAt   int64 // when it was said to be gone, 0 if it has been heard since
	BadSince int64 // when the first of ClockBad was received
	ClockBad uint8 // messages in a row with a wrong clock
	ClockOK  uint8
	Flags    uint8
	Open     uint16 // alarms open, so that most readings need not look for one
	Place    uint16 // index into places
	Params   uint16
	Feeder   int32 // groups, -1 none
	Gateway  int32
	Town     int32

	Meter, Lamp, Bin, Gate, Series, Limit uint32 // first of each, 0 none

	Index uint32
	Score float32 // of the readings since the last TakeScore
}

const (
	flagTimer  = 1 << iota // has an offline timer
	flagClock              // its clock is known to be wrong
	flagOffset             // Offset has been learned
	flagDevice             // reports its own times
	flagParent             // a meter with others behind it
	flagChild              // a meter behind another
)

// place says where a community is.
type place struct {
	Community ingest.CommunityID
	Lat, Lon  float64
}

// ambient holds what the bins of a community have as temperature.
type ambient struct {
	Mean float32
	N    uint32
}

// ownKey is a device with levels of its own, and the community they differ from.
type ownKey struct {
	Device    ingest.DeviceID
	Community ingest.CommunityID
}

func (f *fleet) locate(p *place) {
	_, offset := time.Unix(0, 0).In(f.zone).Zone()
	p.Lat, p.Lon = 35, float64(offset)/240
	if f.o.Lat != 0 || f.o.Lon != 0 {
		p.Lat, p.Lon = f.o.Lat, f.o.Lon
	}
	if c := f.inv.Community(p.Community); c != nil && (c.Lat != 0 || c.Lon != 0) {
		p.Lat, p.Lon = c.Lat, c.Lon
	}
}

// settle works out what the inventory says of a device with a state, and
// reports whether it has changed its groups.
func (f *fleet) settle(index uint32) (moved bool) {
	d, info := f.devices.At(index+1), f.info[index]
	f.settles++
	f.noteSite(info)
	before := [3]int32{d.Town, d.Gateway, d.Feeder}
	p := f.params[0]
	if own := f.communityOf[info.Community]; own != nil {
		p = own
	}
	if _, ok := f.o.Config.Devices[info.ID]; ok {
		k := ownKey{info.ID, info.Community}
		if f.deviceOf[k] == nil {
			own := f.o.Config.device(info.ID, info.Community)
			f.deviceOf[k] = &own
		}
		p = f.deviceOf[k]
	}
	id, ok := f.paramsOf[p]
	if !ok && p != f.params[0] {
		id = uint16(len(f.params))
		f.params = append(f.params, p)
		f.paramsOf[p] = id
	}
	d.Params = id
	d.Flags &^= flagParent | flagChild
	if f.inv.HasChildren(info.ID) {
		d.Flags |= flagParent
	}
	if info.Parent != "" {
		d.Flags |= flagChild
	}
	at, ok := f.placeOf[info.Community]
	if !ok {
		at = uint16(len(f.places))
		f.placeOf[info.Community] = at
		f.places = append(f.places, place{Community: info.Community})
		f.ambient = append(f.ambient, ambient{})
		f.locate(&f.places[at])
	}
	d.Place = at
	f.join(&d.Town, groupKey{groupCommunity, info.Community, string(info.Community)}, "")
	f.join(&d.Gateway, groupKey{groupGateway, info.Community, info.Gateway}, "")
	feeder := ""
	if info.Facility == ingest.Lighting {
		feeder = info.Attributes["feeder"]
	}
	f.join(&d.Feeder, groupKey{groupFeeder, info.Community, feeder}, ingest.Lighting)
	return before != [3]int32{d.Town, d.Gateway, d.Feeder}
}

func (f *fleet) channel(name string) uint16 {
	if name == "" {
		return 0
	}
	id, ok := f.channelID[name]
	if !ok {
		id = uint16(len(f.channels))
		name = strings.Clone(name) // it may be part of a topic
		f.channels = append(f.channels, name)
		f.channelID[name] = id
	}
	return id
}

// local returns the local hour of the day and whether it is a weekend.
func (f *fleet) local(at int64) (seconds int, weekend bool) {
	t := time.Unix(0, at).In(f.zone)
	h, m, s := t.Clock()
	w := t.Weekday()
	return h*3600 + m*60 + s, w == time.Saturday || w == time.Sunday
}

func (f *fleet) parameters(d *device) *Parameters { return f.params[d.Params] }

// join makes a device a member of a group, which it was perhaps not before.
func (f *fleet) join(of *int32, k groupKey, facility ingest.FacilityKind) {
	id := int32(-1)
	if k.Name != "" {
		var ok bool
		if id, ok = f.groupOf[k]; !ok {
			id = int32(len(f.groups))
			f.groups = append(f.groups, group{Key: k, Facility: facility})
			f.groupOf[k] = id
		}
	}
	if *of == id {
		return
	}
	if *of >= 0 {
		f.groups[*of].Members--
	}
	if id >= 0 {
		f.groups[id].Members++
	}
	*of = id
}

// unitOf is the unit of an alarm about one quantity of a device: a register, a
// lamp's power, or the quantity that the channel begins with.
func (f *fleet) unitOf(k kind, facility ingest.FacilityKind, channel string) string {
	name, _, _ := strings.Cut(channel, "/")
	switch {
	case k == registerReset && facility == ingest.Water:
		name = "water_volume_total"
	case k == registerReset:
		name = "energy_total"
	case k == flatLine && facility == ingest.Lighting && f.inv.Facilities.Quantity(facility, name) == nil:
		name = "active_power"
	}
	if of, ok := limitKinds[k]; ok {
		name = of
	}
	if q := f.inv.Facilities.Quantity(facility, name); q != nil {
		return q.Unit
	}
	return ""
}
