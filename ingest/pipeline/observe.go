package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
)

// Messages is the part of an observer that takes each message, after what is in
// it: what it came to, how many of its readings and events repeat one accepted
// before, and how many are older than one of the same series.
type Messages interface {
	Message(m *ingest.Message, r *decode.Result, duplicates, late int)
}

// tickLag sets how far the clock of the observers is behind ours when nothing
// arrives: a message that is on its way has an earlier time than now.
const tickLag = 5 * time.Second

// observers calls the parts of each observer, with a clock that does not go back.
type observers struct {
	binders  []inventory.Binder
	readings []ingest.Readings
	events   []ingest.Events
	messages []Messages
	tickers  []ingest.Ticker
	points   []ingest.Points
	savers   []ingest.Saver
	devices  []ingest.Devices
	forget   []ingest.Forgetter
	rewind   []ingest.Rewinder
	now      int64
}

// newObservers sorts the parts of the observers. One that has none is a mistake
// of the caller.
func newObservers(list []any) (observers, error) {
	var o observers
	for _, each := range list {
		parts := o.parts()
		keep(&o.binders, each)
		keep(&o.readings, each)
		keep(&o.events, each)
		keep(&o.messages, each)
		keep(&o.tickers, each)
		keep(&o.points, each)
		keep(&o.savers, each)
		keep(&o.devices, each)
		keep(&o.forget, each)
		keep(&o.rewind, each)
		if o.parts() == parts {
			return o, fmt.Errorf("%T is no observer: it has no part of one, such as ingest.Readings", each)
		}
	}
	return o, nil
}

func (o *observers) parts() int {
	return len(o.binders) + len(o.readings) + len(o.events) + len(o.messages) + len(o.tickers) + len(o.points) + len(o.savers) + len(o.devices) + len(o.forget) + len(o.rewind)
}

// keep appends an observer to the list if it implements that part.
func keep[Part any](list *[]Part, observer any) {
	if part, ok := observer.(Part); ok {
		*list = append(*list, part)
	}
}

func (o *observers) bind(inv *inventory.Inventory) {
	for _, each := range o.binders {
		each.Bind(inv)
	}
}

func (o *observers) message(m *ingest.Message, r *decode.Result, duplicates, late int) {
	for _, each := range o.messages {
		each.Message(m, r, duplicates, late)
	}
}

func (o *observers) tick(now int64) {
	if now < o.now-int64(ingest.MaxAhead) { // our clock was ahead
		for _, each := range o.rewind {
			each.Rewind(now)
		}
		o.now = 0
	}
	if now <= o.now {
		return
	}
	o.now = now
	for _, each := range o.tickers {
		each.Tick(now)
	}
}

// derived is the points of observers that InfluxDB has still to confirm.
type derived struct {
	mu      sync.Mutex // between the walker, which adds, and the writer
	batches [][]byte   // lines
	sum     uint64     // of batches that were added since the start, or waited then
	wake    chan struct{}
}

// added counts the batches that were added.
func (d *derived) added() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sum
}

// written counts those of them that InfluxDB has.
func (d *derived) written() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sum - uint64(len(d.batches))
}

func (d *derived) add(lines []byte) {
	d.mu.Lock()
	d.batches = append(d.batches, lines)
	d.sum++
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// waiting returns what is not confirmed yet.
func (d *derived) waiting() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([][]byte(nil), d.batches...)
}

// mostDerived sets how many batches of observers' points wait for InfluxDB as text;
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
	for _, o := range w.observers.points {
		if points := o.Points(); len(points) > 0 {
			lines, err := encodePoints(points)
			if err != nil {
				w.p.log.Error("points of an observer are no line protocol", "observer", fmt.Sprintf("%T", o), "error", err)
			}
			w.p.derived.add(lines)
		}
	}
}

// Lines returns points as lines, as those of observers are written.
func Lines(points []ingest.Point) ([]byte, error) { return encodePoints(points) }

// encodePoints writes each point as a line; one that is none is left out.
func encodePoints(points []ingest.Point) (lines []byte, err error) {
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
