package ingest

import "io"

// An observer computes on accepted readings: savings, anomalies. It implements
// any of the parts below, and inventory.Binder and pipeline.Messages where it
// needs them. The pipeline's walker calls it, and nobody else, in the order of
// the journal. A reading or event that repeats an earlier one is not handed on.
// What an observer computes must depend on these calls alone: a restart loads
// the last saved state and repeats the calls since, and must end in the same
// state. What it shows to others (metrics, JSON) it guards itself.
//
// Index counts devices from 0 in the order of first appearance. Received is the
// time of receipt of the message, in unix nanoseconds.

// Readings takes readings. Late is set if a newer reading of the same series
// came before.
type Readings interface {
	Reading(index uint32, r *Reading, late bool, received int64)
}

// Events takes events.
type Events interface {
	Event(index uint32, e *Event, received int64)
}

// Ticker takes the time, in unix nanoseconds. Tick does what was due by then as
// of when it was due, so that the number of calls does not matter. It is called
// with the time of receipt before each message and about every second when idle,
// never with an earlier time than before, unless Rewinder was told.
type Ticker interface {
	Tick(now int64)
}

// Points gives points to write to InfluxDB: those since the call before. The
// pipeline writes them at least once, so equal ones must be one point.
type Points interface {
	Points() []Point
}

// Saver keeps its state over restarts. Name names it in the checkpoint. Save writes all
// of it; Load is given what Save wrote, of any earlier version that had Name's
// state.
type Saver interface {
	Name() string
	Save(w io.Writer) error
	Load(r io.Reader) error
}

// Mover takes over from an observer of its own type, of another instance or of this one
// before, what that knows of devices and communities. The giver is read, and not used
// again: what it points to may be taken as it is. All that Save writes is of some device or
// some community, or else of the rest.
type Mover interface {
	Take(from any, m *Move)
}

// Move says what is taken.
type Move struct {
	// Index has the number of each device that is taken, by its number with the giver.
	Index map[uint32]uint32
	// Community reports whether what is summed up of a community is taken.
	Community func(CommunityID) bool
	// Rest is set where what is of no community, such as counts of a vendor, is taken.
	Rest bool
	// Journal is set where the journal is the giver's: numbers of messages go on.
	Journal bool
}

// Rewinder is told that the clock was ahead and has been set back by more than
// MaxAhead: now is the time in unix nanoseconds. It forgets times more than
// MaxAhead ahead of that, or nothing would be new to it until they are past.
type Rewinder interface {
	Rewind(now int64)
}

// Forgetter forgets devices that were let go: the inventory does not have them
// any more, or somebody said so. A device that is heard again begins anew, at the
// same index. At is the time in unix nanoseconds.
type Forgetter interface {
	Forget(indexes []uint32, at int64)
}

// Devices keeps devices. It is called once, after Load, with the way to those
// that the pipeline keeps, so that a million are not in memory twice.
type Devices interface {
	Devices(at func(index uint32) *Device)
}
