package pipeline

import (
	"io"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Observer computes on readings: savings, anomalies. The walker calls it, and
// nobody else, in the order of the journal, and every reading and event exactly
// once that repeats none already seen. What it comes to must be a function of
// these calls alone, so that a restart, which loads the last state saved and
// repeats the calls since, comes to the same.
//
// What it shows to others (metrics, JSON) it guards itself.
type Observer interface {
	// Bind says which inventory holds from now on: at start, before Load, and
	// after each reload.
	Bind(inv *inventory.Inventory)
	// Reading and Event say what is new of the device with this index; indexes
	// are dense, in the order of first appearance, and stay. A reading is late
	// where a newer one of the same series has been seen. Received is when the
	// message was, unix nanoseconds.
	Reading(index uint32, r *ingest.Reading, late bool, received int64)
	Event(index uint32, e *ingest.Event, received int64)
	// Tick says that it is now (unix nanoseconds): what was due by then is done
	// as of when it was due, so that it does not matter how often Tick is
	// called. It is called with the time received before each message, about
	// every second when idle, and never with an earlier time than before.
	Tick(now int64)
	// Points are to be written to InfluxDB: those since the call before. They
	// are written at least once, so equal ones must be one point.
	Points() []Point
	// Save and Load write and read the whole state. Load is given what Save
	// wrote, of any earlier version that had Name's state.
	Save(w io.Writer) error
	Load(r io.Reader) error
	// Name names the state in the checkpoint.
	Name() string
}

// Point is a derived point for InfluxDB.
type Point struct {
	Measurement string
	Tags        []Tag // sorted by key, no empty values
	Fields      []Field
	Time        int64 // unix nanoseconds
}

// Tag is one tag of a point.
type Tag struct{ Key, Value string }

// Field is one field of a point; Value is a float64, an int64, a bool or a string.
type Field struct {
	Key   string
	Value any
}
