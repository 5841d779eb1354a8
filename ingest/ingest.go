// Package ingest holds the nouns of the service and the story they are part of:
// how a message of a facility vendor becomes points in InfluxDB, metrics and
// alerts, with nothing acknowledged ever lost.
//
//	broker ──▶ mqtt ──▶ journal ──▶ decode ──▶ check ──┬──▶ influx ──▶ InfluxDB
//	  ▲                 (as it came,  (vendor format   (inventory,  │
//	  │                  fsynced)      → samples →      range,      └──▶ account ──▶ /metrics
//	  └──── PUBACK ◀───────┘           readings)        clock)
//	                                      └── refused ──▶ rejects, feedback to the vendor
//
// A Message is journaled as it came and then acknowledged: nothing that can be
// slow, fail or be wrong stands before the acknowledgement. A decoder turns its
// payload into samples in the vendor's words; the inventory says what they
// mean, which makes them Readings and Events of a known Device, and those go to
// InfluxDB. Every message ends in exactly one Fate, so that
//
//	received = stored + duplicate + rejected + ignored + pending
//
// holds at every moment, and is exposed as a metric and asserted by tests.
//
// Imports point one way: the stages (mqtt, journal, decode, inventory, influx)
// know this package and not each other where it can be helped; pipeline knows
// them all; nothing below ingest knows metrics.
package ingest

import "time"

// CommunityID names a community (社区), the unit the programme counts.
type CommunityID string

// CompoundID names a compound (小区) within a community.
type CompoundID string

// VendorID names a facility vendor as the inventory lists it.
type VendorID string

// DeviceID names a device in the tags of InfluxDB: printable, at most 128
// bytes, and free of the characters that mean something in topics.
type DeviceID string

// FacilityKind is the kind of facility: lighting, water, waste, gate and what
// facilities.yaml or the inventory adds. It is the topic level, the
// measurement and the label.
type FacilityKind string

// The kinds that are built in; an inventory may add others.
const (
	Lighting FacilityKind = "lighting"
	Water    FacilityKind = "water"
	Waste    FacilityKind = "waste"
	Gate     FacilityKind = "gate"
)

// Message holds what the broker handed over, as the journal keeps it.
type Message struct {
	Seq      uint64 // position in the journal, from 1, without holes
	Received int64  // unix nanoseconds, when it was first received
	Topic    string
	Payload  []byte
	PacketID uint16 // the broker's identifier while it was in flight
	QoS      byte
	Retained bool // delivered because it was retained, not because it is new
	Erased   bool // topic and payload were erased from the journal
}

// Device is a thing that reports, as the inventory lists it or as its first
// message introduced it. Its fields end up as tags: they are checked values.
// What many devices have in common they share, so that one more is 32 bytes and
// its id; both parts are there always, and nobody writes to them.
type Device struct {
	ID DeviceID
	*Origin
	*Listing
}

// Origin says where a device is and whose it is.
type Origin struct {
	Vendor    VendorID
	Community CommunityID
	Compound  CompoundID // "" if unknown
	Facility  FacilityKind
	Profile   string // device profile: chooses codec and field mapping
}

// Listing holds what the inventory says of a device it lists by name.
type Listing struct {
	Name     string // for people
	Stream   string // waste stream of a bin, "" otherwise
	Gateway  string // what it reports through, for roll-up; "" if direct
	Boundary string // measurement boundary it belongs to, "" if none
	// Parent is the meter that measures what this one measures as well, "" if none: the
	// master meter of a flat's, the cabinet of a lamp's.
	Parent DeviceID
	// RegisterBits is the width of the device's counters (16, 24, 32), 0 when it
	// is not limited: see Counted.
	RegisterBits uint8
	Listed       bool // there is such an entry

	// Depth is the distance in m from a bin's sensor to its floor, and Offset
	// the distance at which it counts as full: fill_level is derived from
	// fill_distance where Depth > Offset.
	Depth, Offset float64
	// Attributes are further columns of the inventory, such as rated_power,
	// qmax or feeder, for observers.
	Attributes map[string]string
}

// Unlisted is the Listing of all devices the inventory does not list.
var Unlisted = &Listing{}

// Origins keeps each Origin once.
type Origins map[Origin]*Origin

// Of returns the kept one that equals o.
func (s Origins) Of(o Origin) *Origin {
	kept := s[o]
	if kept == nil {
		kept = new(Origin)
		*kept = o
		s[o] = kept
	}
	return kept
}

// Counted returns what a counter of things (passes, deposits) has counted that shows
// now after it showed before. One of limited width begins again at 0; what it
// has counted then is told from a reset by being at most a tenth of what it can
// hold. Less than 0 is a counter that went back.
func (d *Device) Counted(before, now float64) float64 {
	grown := now - before
	if grown >= 0 || d.RegisterBits == 0 {
		return grown
	}
	size := float64(uint64(1) << d.RegisterBits)
	if wrapped := grown + size; before < size && wrapped <= size/10 {
		return wrapped
	}
	return grown
}

// TimeSource says whose clock a reading's time comes from.
type TimeSource uint8

const (
	TimeDevice   TimeSource = iota // the device's own clock
	TimeGateway                    // the gateway's or network server's clock
	TimeReceived                   // no usable time in the payload: first receipt
)

func (s TimeSource) String() string {
	return [...]string{"device", "gateway", "received"}[s]
}

// Reading is one value of one quantity of one device at one time, in the
// quantity's canonical unit. Device, channel, quantity and time identify it.
type Reading struct {
	Device     *Device
	Channel    string // phase, tariff, DALI address, door; "" if there is one only
	Quantity   *Quantity
	Value      float64
	Time       int64 // unix nanoseconds
	TimeSource TimeSource
	// TimeReplaced is set where the device's time was outside
	// [received - 400 d, received + 10 min] and the time received stands in.
	TimeReplaced bool
	// Estimated is set where the vendor says that the value was not measured.
	Estimated bool
}

// Event is something that happened at a device. It never carries a person.
type Event struct {
	Device     *Device
	Channel    string
	Type       string // access_granted, door_forced, leak, ...
	Active     bool   // false where the event reports the end of a condition
	Code       string // the vendor's code, "" if none
	Time       int64  // unix nanoseconds
	TimeSource TimeSource
}

// Fate says what became of a message. Each message has one.
type Fate uint8

const (
	Pending   Fate = iota // not decided yet
	Stored                // at least one new point confirmed by InfluxDB
	Duplicate             // every reading repeats one already accepted
	Rejected              // refused by decoding, by the checks, or by InfluxDB
	Ignored               // understood, and carries no reading
)

func (f Fate) String() string {
	return [...]string{"pending", "stored", "duplicate", "rejected", "ignored"}[f]
}

// Clock bounds of a device's time around the time a message was received.
const (
	MaxAge   = 400 * 24 * time.Hour
	MaxAhead = 10 * time.Minute
)
