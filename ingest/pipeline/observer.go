package pipeline

import (
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Observer computes on readings in the order of the journal: savings,
// anomalies. Its state is a function of the journal: given the same calls it
// comes out the same, because it has no clock, no randomness and does no I/O.
//
// All methods are called by one goroutine, the walker, and must return within
// microseconds. What /metrics and the page read of an observer is guarded by
// the observer itself.
//
// State is kept a device, under the dense index the pipeline gave it, so that
// a checkpoint of a million devices can be written while readings go on: the
// pipeline saves a device's state as it stood at the checkpoint before the
// first change after it. Changes within Observe and Event to the device
// concerned are covered; before any other change to a device's state, as in
// Tick, the observer calls Host.Touch. Everything that is not one device's is
// shared state, must stay small (a few MB), and is saved at once.
type Observer interface {
	// Name names the observer's section in the checkpoint.
	Name() string
	// Bind is called once, before anything else.
	Bind(Host)
	// Reload gives the inventory, at the start and after each change of it.
	Reload(*inventory.Inventory)
	// Observe takes an accepted reading. It must not keep o or o.Reading;
	// o.Reading.Device may be kept.
	Observe(o *Observation)
	// Event takes an accepted event.
	Event(e *EventObservation)
	// Tick is called for every whole 10 s of time, in order with the readings
	// (by the time they were received); now is in unix nanoseconds. After a
	// gap in which nothing was received, ticks are coalesced to one a minute.
	Tick(now int64)
	// AppendDevice appends the state of one device to dst; it appends nothing
	// where there is none. RestoreDevice is its inverse.
	AppendDevice(dst []byte, device uint32) []byte
	RestoreDevice(device uint32, d *ingest.Device, state []byte) error
	// AppendShared appends what is not one device's. RestoreShared is its
	// inverse and comes after all RestoreDevice.
	AppendShared(dst []byte) []byte
	RestoreShared(state []byte) error
}

// Host is what the pipeline offers an observer.
type Host interface {
	// Touch announces a change to a device's state outside Observe and Event.
	Touch(device uint32)
	// Emit hands over a derived point (an alarm raised, a day's saving). It is
	// journaled and stored like a reading; the same point emitted again, as
	// after a restart, is stored once.
	Emit(ingest.Point)
}

// Observation is a reading as observers see it.
type Observation struct {
	Device   uint32 // dense index of Reading.Device
	Reading  *ingest.Reading
	Received int64 // unix nanoseconds
	// Late is set where a reading of the same device, channel and quantity
	// with a later time has been seen before.
	Late bool
}

// EventObservation is an event as observers see it.
type EventObservation struct {
	Device   uint32
	Event    *ingest.Event
	Received int64
}
