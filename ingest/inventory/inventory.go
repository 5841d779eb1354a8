// Package inventory says what exists and what vendors' words mean: communities
// and their compounds, vendors and the sources they publish to, devices, kinds
// of facility. It is the only place tag values come from.
//
// An Inventory is immutable. Load reads and checks everything before anything
// uses it and reports every problem at once, each with its path and its remedy;
// a reload swaps one Inventory for another or changes nothing.
package inventory

import (
	"iter"
	"maps"
	"slices"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
	"greencommunity/ingest/format"
)

// Inventory is a checked inventory.yaml with its devices files.
// It is immutable and safe for concurrent use.
type Inventory struct {
	Facilities  *ingest.Facilities
	Communities []*Community
	Vendors     []*Vendor
	Zone        *time.Location // of times without a zone, and of local days
	Calendar    []CalendarYear // public holidays beside those the program knows

	communities map[ingest.CommunityID]*Community
	devices     map[ingest.DeviceID]*ingest.Device
	aliases     map[aliasKey]*ingest.Device
	origins     ingest.Origins
	children    []child // until their parents are checked
	parents     map[ingest.DeviceID]bool
	topics      *matcher
	shard       *shard             // nil: all of it
	problems    *document.Problems // none; it knows the lines of the file
}

// Community returns a listed community, or nil.
func (inv *Inventory) Community(id ingest.CommunityID) *Community { return inv.communities[id] }

// Vendor returns a listed vendor, or nil.
func (inv *Inventory) Vendor(id ingest.VendorID) *Vendor {
	for _, v := range inv.Vendors {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// Device returns a listed device, or nil.
func (inv *Inventory) Device(id ingest.DeviceID) *ingest.Device { return inv.devices[id] }

// Find returns a vendor's listed device by the name that its payloads and topics
// use, id or alias, or a listed device of another vendor by its id; or nil.
func (inv *Inventory) Find(v ingest.VendorID, name string) *ingest.Device {
	if d := inv.aliases[aliasKey{v, name}]; d != nil {
		return d
	}
	return inv.devices[ingest.DeviceID(name)]
}

// Aliases are the names that payloads use for a listed device.
func (inv *Inventory) Aliases(id ingest.DeviceID) (all []string) {
	for key, d := range inv.aliases {
		if d.ID == id {
			all = append(all, key.alias)
		}
	}
	return all
}

// Lists reports whether a name is the id or an alias of a listed device.
func (inv *Inventory) Lists(name string) bool {
	if inv.devices[ingest.DeviceID(name)] != nil {
		return true
	}
	return slices.ContainsFunc(inv.Vendors, func(v *Vendor) bool { return inv.aliases[aliasKey{v.ID, name}] != nil })
}

// Knows reports whether a device that has reported can report still. It cannot
// if it was listed and is not; or if it was not listed and has no community, kind
// of facility or vendor any more, or if its id is now that of a listed device.
func (inv *Inventory) Knows(d *ingest.Device) bool {
	if d.Listed {
		return inv.devices[d.ID] != nil
	}
	return inv.devices[d.ID] == nil && inv.aliases[aliasKey{d.Vendor, string(d.ID)}] == nil &&
		inv.communities[d.Community] != nil && inv.Facilities.Kind(d.Facility) != nil && inv.Vendor(d.Vendor) != nil
}

// AllDevices yields every listed device, of a shard those that report to it, in
// no order.
func (inv *Inventory) AllDevices() iter.Seq[*ingest.Device] {
	return func(yield func(*ingest.Device) bool) {
		for _, d := range inv.devices {
			if inv.Here(d) && !yield(d) {
				return
			}
		}
	}
}

// HasChildren says whether a device is the parent of any.
func (inv *Inventory) HasChildren(id ingest.DeviceID) bool { return inv.parents[id] }

// Devices returns how many devices are listed.
func (inv *Inventory) Devices() int { return len(inv.devices) }

// Community is one residents' committee's area (社区) and what it consists of.
// The struct is the reference of `communities[]` in inventory.yaml.
type Community struct {
	ID         ingest.CommunityID `yaml:"id"`         // required; unique
	Name       string             `yaml:"name"`       // required; for people
	Town       string             `yaml:"town"`       // for people
	Pilot      bool               `yaml:"pilot"`      // 试点社区
	Stage      string             `yaml:"stage"`      // "", participating, met (达标) or named (命名), each of which is the one before as well
	Households int                `yaml:"households"` // number of households
	Population int                `yaml:"population"` // persons
	Lat        float64            `yaml:"lat"`        // degrees north, WGS-84
	Lon        float64            `yaml:"lon"`        // degrees east, WGS-84
	Compounds  []*Compound        `yaml:"compounds"`
	Boundaries []*Boundary        `yaml:"boundaries"` // measurement boundaries of savings
}

// Compound is a residential compound (小区) within a community.
type Compound struct {
	ID         ingest.CompoundID `yaml:"id"`
	Name       string            `yaml:"name"`
	Households int               `yaml:"households"`
	Renovated  int               `yaml:"renovated"` // year of renovation, 0 if none
	Lamps      int               `yaml:"lamps"`     // number of public lamps, 0 if unknown
}

// Vendor is a facility vendor and where it publishes.
// The struct is the reference of `vendors[]` in inventory.yaml.
type Vendor struct {
	ID          ingest.VendorID      `yaml:"id"`           // required; unique
	Name        string               `yaml:"name"`         // for people
	Sources     []*Source            `yaml:"sources"`      // required; where and how it publishes
	DevicesFile string               `yaml:"devices_file"` // CSV with a header: id,community,compound,facility,name,stream,...
	Devices     []*DeviceEntry       `yaml:"devices"`      // the same, inline
	Communities []ingest.CommunityID `yaml:"communities"`  // the only ones it may write to; empty: all
	// UnknownDevices is accept or reject: what to do with a device the
	// inventory does not list, when topic or payload name its community and
	// facility. Default: accept where all sources are native, else reject.
	UnknownDevices string `yaml:"unknown_devices"`
	// MaxDevices bounds how many unlisted devices the vendor may introduce.
	// Default 1,000,000.
	MaxDevices int    `yaml:"max_devices"`
	Limits     Limits `yaml:"limits"`
	// Feedback switches the reject notices on greencommunity/v1/feedback/{vendor}. Default true.
	Feedback *bool `yaml:"feedback"`
}

// Limits bound what a vendor may bring in, so that its mistakes cost nobody
// else anything. An alert tells of four fifths of one.
type Limits struct {
	Channels int `yaml:"channels"` // names of channels that no vendor used before; default 4,096
	Types    int `yaml:"types"`    // types of events that no vendor used before; default 256
	// PayloadBytes is the largest payload read; a larger one is refused as
	// too_large. Default 262,144; at most 8,388,608.
	PayloadBytes int `yaml:"payload_bytes"`
}

// DeviceEntry is a device as the inventory lists it.
type DeviceEntry struct {
	ID           ingest.DeviceID     `yaml:"id"`        // required; unique over all vendors
	Community    ingest.CommunityID  `yaml:"community"` // required
	Compound     ingest.CompoundID   `yaml:"compound"`
	Facility     ingest.FacilityKind `yaml:"facility"` // required
	Name         string              `yaml:"name"`
	Stream       string              `yaml:"stream"`        // waste stream: recyclable, kitchen, hazardous, residual
	Gateway      string              `yaml:"gateway"`       // device or gateway it reports through
	Boundary     string              `yaml:"boundary"`      // measurement boundary
	Parent       ingest.DeviceID     `yaml:"parent"`        // meter in front of this one: its master meter, its cabinet
	Profile      string              `yaml:"profile"`       // device profile, chooses fields
	Alias        string              `yaml:"alias"`         // the name the payload uses, where it differs from id
	Depth        float64             `yaml:"depth"`         // m, sensor to the bin's floor
	Offset       float64             `yaml:"offset"`        // m, distance at which the bin is full
	RegisterBits int                 `yaml:"register_bits"` // 16, 24 or 32; 0: not limited
	Attributes   map[string]string   `yaml:"attributes"`    // further columns of the CSV: rated_power, qmax, feeder, ...
}

// Source is one topic template of a vendor and how to read what arrives there.
// The struct is the reference of `vendors[].sources[]` in inventory.yaml.
type Source struct {
	// Topic is a template: {name} takes one level, + and # as in MQTT. What it
	// captures (community, compound, facility, device, channel) describes the
	// reading unless the inventory says otherwise.
	Topic string `yaml:"topic"`
	// Format names the decoder: native, json, chirpstack, ... (`greencommunity decode --formats`).
	Format string `yaml:"format"`
	// Payload names the decoder of what an envelope carries.
	Payload string `yaml:"payload"`
	// Fields says what the vendor's fields mean. A key is the field's path in
	// the vendor's words, or "profile:path" for one device profile.
	Fields map[string]*format.Field `yaml:"fields"`
	// JSON is the mapping of format json, and of payload json.
	JSON *format.Mapping `yaml:"json"`
	// Community, Compound, Facility and Profile are constants for everything
	// that arrives here, where neither topic nor payload nor inventory say.
	Community ingest.CommunityID  `yaml:"community"`
	Compound  ingest.CompoundID   `yaml:"compound"`
	Facility  ingest.FacilityKind `yaml:"facility"`
	Profile   string              `yaml:"profile"`
	// Device is the device everything that arrives here is of, where neither topic nor
	// payload name one.
	Device ingest.DeviceID `yaml:"device"`
	// Ignore lists payloads that are no readings and no mistakes, such as heartbeats and
	// registration texts of DTUs: whole texts, with * for any part of one, or bytes
	// in hex.
	Ignore []string `yaml:"ignore"`
	// Codecs are vendors' own JavaScript decoders of what an envelope carries,
	// by device profile; "" is for every profile. Paths are relative to the
	// inventory.
	Codecs map[string]string `yaml:"codecs"`
	// TimeZone is the zone of times without one. Default: the site's zone.
	TimeZone string `yaml:"time_zone"`

	Vendor     *Vendor `yaml:"-"` // the vendor it belongs to
	Index      int     `yaml:"-"` // counts the sources of the inventory from 0
	TimeFields bool    `yaml:"-"` // whether any of Fields is a time
	// Reads is the part of it that its decoder knows.
	Reads format.Source `yaml:"-"`
}

// Boundary is a measurement boundary a baseline is fixed for: the lamps behind
// one cabinet, the households behind one master meter. Its contents are
// arithmetic, checked by who computes with them (package metrics/savings).
type Boundary struct {
	ID   string           `yaml:"id"`
	Name string           `yaml:"name"` // for people, in reports
	Kind string           `yaml:"kind"`
	Spec document.Section `yaml:"spec"`
}

// Binder is the part of an observer (see ingest.Readings) that needs the
// inventory. Bind is called at start, before Load, and after each reload.
type Binder interface {
	Bind(inv *Inventory)
}

// BrokenCodecs says why decoders cannot be run, each with its vendor and file.
func (inv *Inventory) BrokenCodecs() (all []error) {
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			for _, profile := range slices.Sorted(maps.Keys(s.Reads.Programs)) {
				if err := s.Reads.Programs[profile].Err(); err != nil {
					all = append(all, err)
				}
			}
		}
	}
	return all
}

// Revised returns the inventory with each community as f gives it. What f is given
// stays as it is.
func (inv *Inventory) Revised(f func(*Community) *Community) *Inventory {
	revised := *inv
	revised.Communities = make([]*Community, len(inv.Communities))
	revised.communities = maps.Clone(inv.communities)
	for i, c := range inv.Communities {
		revised.Communities[i] = f(c)
		revised.communities[c.ID] = revised.Communities[i]
	}
	return &revised
}
