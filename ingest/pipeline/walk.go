package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/journal"
)

// chunk is encoded lines and the messages they came from, in order.
type chunk struct {
	lines    []byte
	count    int
	messages []written
	oldest   int64 // earliest device time, unix nanoseconds
}

// written is a message's share of a chunk.
type written struct {
	seq    uint64
	lines  int
	vendor ingest.VendorID
	oldest int64 // earliest device time, unix nanoseconds
}

// walker goes through the journal in order, once: it decides every message's
// fate as far as it does not depend on InfluxDB, and hands on what is to be
// stored. In normal running it is given the messages; where it has fallen
// behind, or starts, it reads them from the journal.
type walker struct {
	p         *Pipeline
	worker    *decode.Worker
	seen      *seen
	seq       uint64          // the last message walked
	live      bool            // false while starting: no feedback on what is old
	reader    *journal.Reader // while behind
	encoder   influx.Encoder
	chunk     *chunk
	storeAway bool     // the store has not taken a chunk for as long as storeWait
	batch     tally    // of the messages since the last settle
	pending   []uint64 // likewise

	observers   observers
	checkpoints checkpoints
}

// read walks on through the journal, some thousand messages at most, and
// reports whether it has come to its end.
func (w *walker) read() (end bool, err error) {
	if w.reader == nil {
		w.reader = w.p.journal.Read(w.seq + 1)
	}
	last := w.p.journal.Last()
	for range maxGroup {
		if !w.reader.Next() {
			err := w.reader.Err()
			w.reader.Close()
			w.reader = nil
			if err == nil {
				w.lost(last)
			}
			w.settle()
			return true, err
		}
		m := w.reader.Message()
		w.lost(m.Seq - 1)
		if w.seq <= w.p.accounted && m.Seq > w.p.accounted {
			w.settle() // what follows is counted, and what came before is not
		}
		w.message(m)
	}
	w.settle()
	return false, nil
}

// lost walks on to a message and finds none there: all up to it were
// acknowledged, and are damaged or gone in the journal. They have that fate, so
// that the account closes and nothing waits for them.
func (w *walker) lost(to uint64) {
	if to <= w.seq {
		return
	}
	from := max(w.seq, w.p.accounted) + 1
	w.settle() // as of the message before: what the account has is not counted again
	w.seq = to
	if from > to {
		return // the account has them already
	}
	n := to - from + 1
	w.batch.Received[""] += n
	w.batch.Rejected[rejectKey{"", ingest.Lost}] += n
	w.p.log.Error("acknowledged messages are damaged or gone in the journal; they count as lost", "from", from, "to", to)
}

// catchUp walks to the journal's end.
func (w *walker) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		if end, err := w.read(); end {
			return err
		}
	}
	return ctx.Err()
}

func (w *walker) run(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	behind := false // what is next has to be read from the journal
	idle := w.seq   // where the walker stood at the tick before
	for {
		w.p.beat.count.Add(1)
		if behind {
			end, err := w.read()
			if err != nil {
				return fmt.Errorf("walking the journal: %w", err)
			}
			behind = !end && !w.caughtUp()
			select {
			case <-ctx.Done():
				w.checkpoint(true)
				return nil
			case next := <-w.p.reloads:
				w.reload(next)
			case task := <-w.p.tasks:
				task(w)
			default:
			}
		} else {
			select {
			case <-ctx.Done():
				w.checkpoint(true)
				return nil
			case next := <-w.p.reloads:
				w.reload(next)
			case task := <-w.p.tasks:
				task(w)
			case g := <-w.p.live:
				behind = w.group(g)
			case <-tick.C:
				// The appender may have dropped the last group; what it has only
				// just written, it is about to hand over.
				behind = len(w.p.live) == 0 && w.seq < w.p.journal.Last() && w.seq == idle
				idle = w.seq
				if w.seq == w.p.journal.Last() {
					w.idle()
					w.derive()
				}
			}
		}
		w.checkpoint(false)
	}
}

// idle tells the observers what time it is, where no message does. By a wrong
// clock it does not: what they remember would go.
func (w *walker) idle() {
	if now := time.Now(); w.p.clock.wrong(now) == nil {
		w.observers.tick(now.Add(-tickLag).UnixNano())
	}
}

// reload goes on with another inventory.
func (w *walker) reload(inv *inventory.Inventory) {
	state := w.decoders()
	w.worker = decode.NewWorker(inv, w.p.registry)
	if err := w.worker.LoadState(bytes.NewReader(state)); err != nil {
		w.p.log.Error("decoders begin anew", "error", err)
	}
	w.letGo(time.Now()) // first: what binds anew finds nothing of them
	w.observers.bind(inv)
	w.checkpoints.counted = time.Time{}
}

// letGo makes the observers forget the devices that were let go.
func (w *walker) letGo(now time.Time) {
	gone := w.p.registry.LetGo()
	if len(gone) == 0 {
		return
	}
	for _, o := range w.observers.forget {
		o.Forget(gone, now.UnixNano())
	}
	for _, index := range gone {
		w.seen.forget(index)
	}
	w.p.log.Info("devices let go: their alarms have ended and their series are gone", "devices", len(gone))
}

// decoders returns what the decoders remember, such as the births of Sparkplug nodes.
func (w *walker) decoders() []byte {
	var state bytes.Buffer
	if err := w.worker.SaveState(&state); err != nil {
		w.p.log.Error("decoders' state not kept", "error", err)
		return nil
	}
	return state.Bytes()
}

// caughtUp takes what the appender has handed over meanwhile, so that it does
// not wait, and reports whether that begins where the journal was read to.
func (w *walker) caughtUp() bool {
	for {
		select {
		case g := <-w.p.live:
			if n := len(g.messages); n == 0 || g.messages[n-1].Seq <= w.seq || g.messages[0].Seq > w.seq+1 {
				continue // walked already, or still to be read
			}
			w.reader.Close()
			w.reader = nil
			return !w.group(g)
		default:
			return false
		}
	}
}

// group walks what the appender handed over. It reports whether some was
// dropped in between, which is to be read from the journal.
func (w *walker) group(g group) (gap bool) {
	for _, m := range g.messages {
		if m.Seq > w.seq+1 {
			gap = true
			break
		}
		if m.Seq == w.seq+1 {
			w.message(m)
		}
	}
	w.settle()
	for _, space := range g.spaces {
		space.Free()
	}
	return gap
}

// message deals with one message, and notes which one meanwhile.
func (w *walker) message(m *ingest.Message) {
	w.p.beat.count.Add(1)
	w.p.poison.walker.Store(m.Seq)
	w.decide(m)
	w.p.poison.walker.Store(0) // not deferred: a panic leaves the note
}

// decide decides a message's fate, or leaves it pending.
func (w *walker) decide(m *ingest.Message) {
	w.seq = m.Seq
	w.observers.tick(m.Received)
	r := w.p.decode(w.worker, m)
	var vendor ingest.VendorID
	if r.Source != nil {
		vendor = r.Source.Vendor.ID
	}
	w.batch.Received[vendor]++
	if w.live {
		for _, request := range r.Requests {
			w.p.subscriber.Publish(request.Topic, request.Payload)
		}
	}
	switch {
	case r.Err != nil:
		w.observers.message(m, r, 0, 0)
		w.reject(m, r, vendor)
		return
	case r.Ignored != "":
		w.observers.message(m, r, 0, 0)
		w.batch.Ignored++
		return
	}
	if w.p.names.admit(r, true); r.Err != nil {
		w.observers.message(m, r, 0, 0)
		w.reject(m, r, vendor)
		return
	}
	for i := range r.Refused {
		w.batch.Refused[rejectKey{vendor, r.Refused[i].Reason}]++
	}
	spread(r)
	duplicates, late := w.enter(m, r)
	w.observers.message(m, r, duplicates, late)
	if duplicates == len(r.Readings)+len(r.Events) {
		w.batch.Duplicate++
		return
	}
	if m.Seq <= w.p.accounted {
		return // the account says whether it is pending, and the backlog has it then
	}
	lines, oldest := w.encode(r)
	if lines == 0 {
		r.Err = ingest.Refuse(ingest.Internal, "line protocol: %v", w.encoder.Err())
		w.reject(m, r, vendor)
		return
	}
	w.pending = append(w.pending, m.Seq)
	w.chunk.messages = append(w.chunk.messages, written{m.Seq, lines, vendor, oldest})
}

func (w *walker) reject(m *ingest.Message, r *decode.Result, vendor ingest.VendorID) {
	w.batch.Rejected[rejectKey{vendor, r.Err.Reason}]++
	w.p.rejected(m, vendor, r.Err, true)
	if w.live && r.Source != nil {
		w.p.feedback.tell(r.Source.Vendor, m, r.Err)
	}
}

// enter enters the readings and events as seen, tells the observers of those
// that are new, and counts those that are not, or come late. What carries no
// time is new always, at a time of its own.
func (w *walker) enter(m *ingest.Message, r *decode.Result) (duplicates, lates int) {
	received := m.Received
	w.seen.until = (received + int64(ingest.MaxAhead)) / 1e6
	var moved []retimed
	var counted *ingest.Origin // whose accepted readings are in n, and not in the batch yet
	n := uint64(0)
	count := func(of *ingest.Origin) {
		if of != counted && n > 0 {
			w.batch.Readings[placeKey{counted.Community, counted.Facility}] += n
			n = 0
		}
		counted = of
	}
	for i := range r.Readings {
		reading, device := &r.Readings[i], r.Devices[i]
		at := reading.Time
		v := w.seen.reading(device, reading)
		if reading.Time != at {
			moved = append(moved, retimed{i, reading.Time})
		}
		if i == 0 || r.Devices[i-1] != device { // else it was, with the reading before
			w.seen.heard(device, received, r.Devices[:i])
		}
		if v == duplicate {
			duplicates++
			continue
		}
		if v == late {
			lates++
		}
		count(reading.Device.Origin)
		n++
		for _, o := range w.observers.readings {
			o.Reading(device, reading, v == late, received)
		}
	}
	count(nil)
	w.batch.Late += uint64(lates)
	for i := range r.Events {
		e, device := &r.Events[i], r.EventDevices[i]
		at := e.Time
		v := w.seen.event(device, e)
		if e.Time != at {
			moved = append(moved, retimed{len(r.Readings) + i, e.Time})
		}
		w.seen.heard(device, received, r.EventDevices[:i], r.Devices)
		if v == duplicate {
			duplicates++
			continue
		}
		w.batch.Readings[placeKey{e.Device.Community, e.Device.Facility}]++
		for _, o := range w.observers.events {
			o.Event(device, e, received)
		}
	}
	if moved != nil {
		w.p.retime(m.Seq, moved)
	}
	return duplicates, lates
}

// encode appends a message's lines to the chunk and returns their number and
// earliest time; 0 if they cannot be written.
func (w *walker) encode(r *decode.Result) (lines int, oldest int64) {
	if w.chunk == nil {
		w.chunk = w.p.newChunk()
	}
	return w.chunk.encode(&w.encoder, r)
}

func (c *chunk) encode(e *influx.Encoder, r *decode.Result) (lines int, oldest int64) {
	e.Reset()
	lines = e.Readings(r.Readings) + e.Events(r.Events)
	if e.Err() != nil {
		return 0, 0
	}
	c.lines = append(c.lines, e.Bytes()...)
	c.count += lines
	for i := range r.Readings {
		if t := r.Readings[i].Time; oldest == 0 || t < oldest {
			oldest = t
		}
	}
	for i := range r.Events {
		if t := r.Events[i].Time; oldest == 0 || t < oldest {
			oldest = t
		}
	}
	if c.oldest == 0 || oldest < c.oldest {
		c.oldest = oldest
	}
	return lines, oldest
}

// settle books what was walked, and hands the chunk on. Where the store is
// behind, the chunk is dropped and read from the journal again later.
func (w *walker) settle() {
	w.derive()
	w.p.book(&w.batch, w.pending, w.seq)
	w.batch, w.pending = emptied(w.batch), w.pending[:0]
	if w.chunk == nil || len(w.chunk.messages) == 0 {
		return
	}
	c := w.chunk
	w.chunk = nil
	if !w.handOver(c) {
		w.p.backlog.add(c.messages[0].seq, c.messages[len(c.messages)-1].seq)
		w.p.recycle(c)
	}
}

// handOver gives a chunk to the store. A store that is a little behind is
// waited for, since reading the journal again costs more than that; one that
// was not ready for that long is not waited for until it takes chunks again.
func (w *walker) handOver(c *chunk) bool {
	select {
	case w.p.toStore <- c:
		w.storeAway = false
		return true
	default:
	}
	if w.storeAway || !w.live {
		return false
	}
	patience := time.NewTimer(storeWait)
	defer patience.Stop()
	select {
	case w.p.toStore <- c:
		return true
	case <-patience.C:
		w.storeAway = true
		return false
	}
}

func emptied(t tally) tally {
	clear(t.Received)
	clear(t.Rejected)
	clear(t.Readings)
	clear(t.Refused)
	return tally{Received: t.Received, Rejected: t.Rejected, Readings: t.Readings, Refused: t.Refused}
}
