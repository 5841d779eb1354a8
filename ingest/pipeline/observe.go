package pipeline

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
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

// MessageObserver is an Observer that is told of each message as well, after
// what is in it: what it came to, how many of its readings and events repeat
// one accepted before, and how many are older than one of the same series.
type MessageObserver interface {
	Message(m *ingest.Message, r *decode.Result, duplicates, late int)
}

// DeviceObserver is an Observer that keeps devices. After Load it is given those
// that everybody has, by index, so that a million are not there twice.
type DeviceObserver interface {
	Devices(at func(index uint32) *ingest.Device)
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

// tickLag is how far the clock of the observers is behind ours when nothing
// arrives: a message that is on its way has an earlier time than now.
const tickLag = 5 * time.Second

// observers calls each observer, with a clock that does not go back.
type observers struct {
	list     []Observer
	messages []MessageObserver // of list
	now      int64
}

func newObservers(list []Observer, now int64) observers {
	o := observers{list: list, now: now}
	for _, each := range list {
		if m, ok := each.(MessageObserver); ok {
			o.messages = append(o.messages, m)
		}
	}
	return o
}

func (o *observers) message(m *ingest.Message, r *decode.Result, duplicates, late int) {
	for _, each := range o.messages {
		each.Message(m, r, duplicates, late)
	}
}

func (o *observers) tick(now int64) {
	if now <= o.now {
		return
	}
	o.now = now
	for _, each := range o.list {
		each.Tick(now)
	}
}

// derived is the points of observers that InfluxDB has still to confirm.
type derived struct {
	mu      sync.Mutex // between the walker, which adds, and the writer
	batches [][]byte   // lines
	wake    chan struct{}
}

func (d *derived) add(lines []byte) {
	d.mu.Lock()
	d.batches = append(d.batches, lines)
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// waiting is what is not confirmed yet.
func (d *derived) waiting() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.batches...)
}

// mostDerived is how many batches of observers' points wait for InfluxDB as text;
// what is more stays with the observers, who keep it in less room.
const mostDerived = 64

// full says whether InfluxDB is that far behind.
func (d *derived) full() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.batches) >= mostDerived
}

// derive takes the observers' points.
func (w *walker) derive() {
	if w.p.derived.full() {
		return
	}
	for _, o := range w.observers.list {
		if points := o.Points(); len(points) > 0 {
			lines, err := encodePoints(points)
			if err != nil {
				w.p.log.Error("points of an observer are no line protocol", "observer", o.Name(), "error", err)
			}
			w.p.derived.add(lines)
		}
	}
}

// encodePoints writes each point as a line; one that is none is left out.
func encodePoints(points []Point) (lines []byte, err error) {
	var e lineprotocol.Encoder
	e.SetPrecision(lineprotocol.Millisecond)
	for _, p := range points {
		e.Reset()
		e.ClearErr()
		e.StartLine(p.Measurement)
		for _, t := range p.Tags {
			if t.Value != "" {
				e.AddTag(t.Key, t.Value)
			}
		}
		fields := 0
		for _, f := range p.Fields {
			if v, ok := lineprotocol.NewValue(f.Value); ok {
				e.AddField(f.Key, v)
				fields++
			}
		}
		e.EndLine(time.Unix(0, p.Time))
		if e.Err() != nil || fields == 0 {
			err = e.Err()
			continue
		}
		lines = append(lines, e.Bytes()...)
	}
	return lines, err
}

// storeDerived writes the observers' points, again if the process ends before
// a checkpoint says that they are written.
func (p *Pipeline) storeDerived(ctx context.Context) {
	for {
		waiting := p.derived.waiting()
		if len(waiting) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-p.derived.wake:
			}
			continue
		}
		n, lines := 0, []byte(nil)
		for n < len(waiting) && (n == 0 || len(lines)+len(waiting[n]) < derivedBytes) {
			lines = append(lines, waiting[n]...)
			n++
		}
		if len(lines) > 0 {
			refused, err := p.influx.Write(ctx, lines)
			if err != nil {
				return // they stay in the checkpoint
			}
			if len(refused) > 0 {
				p.log.Error("InfluxDB refuses points of observers", "points", len(refused), "why", refused[0].Why)
			}
		}
		p.derived.mu.Lock()
		p.derived.batches = p.derived.batches[n:]
		p.derived.mu.Unlock()
	}
}

// derivedBytes bounds a write of derived points.
const derivedBytes = 1 << 20
