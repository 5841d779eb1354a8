package pipeline

import (
	"bytes"
	"context"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/influx"
)

// storer writes chunks as they come, in batches by size and age.
func (p *Pipeline) storer(ctx context.Context) {
	batch := p.newChunk()
	var started time.Time
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if batch.count > 0 {
			timer.Reset(max(0, p.o.BatchAge-time.Since(started)))
			due = timer.C
		}
		full := false
		select {
		case <-ctx.Done():
			return
		case c := <-p.toStore:
			if batch.count == 0 {
				started = time.Now()
			}
			batch.merge(c)
			p.recycle(c)
			full = batch.count >= p.influx.BatchLines(p.o.BatchSize)
		case <-due:
			full = true
		}
		if full {
			if !p.store(ctx, batch, true) {
				return
			}
			batch.reset()
		}
	}
}

// newChunk returns an empty chunk, one that was used before where there is one.
func (p *Pipeline) newChunk() *chunk {
	select {
	case c := <-p.spare:
		return c
	default:
		return &chunk{}
	}
}

// recycle takes a chunk back that nobody holds any more.
func (p *Pipeline) recycle(c *chunk) {
	c.reset()
	if cap(c.lines) > maxSpare {
		return
	}
	select {
	case p.spare <- c:
	default:
	}
}

// maxSpare is the largest space kept of a chunk.
const maxSpare = 2 << 20

func (c *chunk) reset() {
	c.lines, c.messages, c.count, c.oldest = c.lines[:0], c.messages[:0], 0, 0
}

func (c *chunk) merge(more *chunk) {
	if c.count == 0 {
		c.oldest = more.oldest
	}
	c.lines = append(c.lines, more.lines...)
	c.count += more.count
	c.messages = append(c.messages, more.messages...)
	c.oldest = min(c.oldest, more.oldest)
}

// store writes a chunk and settles the fates of its messages; false if ctx
// ended before. What InfluxDB refuses is sorted out beside this, and what is
// older than its retention is written apart, so that neither delays what is
// live. Where too much waits for that, a live chunk goes back to the backlog,
// and the catch-up, which is not live, waits for room.
func (p *Pipeline) store(ctx context.Context, c *chunk, live bool) bool {
	if limit := p.influx.TooOld(time.Now()); c.oldest < limit && c.oldest > 0 {
		if late := c.cutLate(limit); late.count > 0 && !p.setApart(ctx, late, nil, live) {
			return false
		}
		if c.count == 0 {
			return true
		}
	}
	refused, err := p.influx.Put(ctx, c.lines)
	if err != nil {
		return false // they stay pending
	}
	if len(refused) == 0 {
		p.confirm(c)
	} else if !p.setApart(ctx, c, refused, live) {
		return false
	}
	if c.oldest > 0 {
		p.metrics.delay.Observe(max(0, time.Since(time.Unix(0, c.oldest)).Seconds()))
	}
	return true
}

// cutLate takes the messages out of a chunk that have a reading older than limit.
func (c *chunk) cutLate(limit int64) *chunk {
	late := &chunk{}
	rest, lines := chunk{}, c.lines
	for _, m := range c.messages {
		end := 0
		for range m.lines {
			end += bytes.IndexByte(lines[end:], '\n') + 1
		}
		to := &rest
		if m.oldest < limit {
			to = late
		}
		to.lines = append(to.lines, lines[:end]...)
		to.messages = append(to.messages, m)
		to.count += m.lines
		if to.oldest == 0 || m.oldest < to.oldest {
			to.oldest = m.oldest
		}
		lines = lines[end:]
	}
	*c = rest
	return late
}

// confirm books that InfluxDB has stored a chunk.
func (p *Pipeline) confirm(c *chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range c.messages {
		if p.pending.remove(m.seq) {
			p.tally.Points += uint64(m.lines)
			p.tally.Stored++
		}
	}
}

// backlog is the ranges of messages the store has still to read from the
// journal: what came while InfluxDB was away, or before a restart.
type backlog struct {
	mu     sync.Mutex // between the walker, which adds, and the reader of them
	ranges [][2]uint64
	wake   chan struct{}
}

func (b *backlog) add(from, to uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.ranges); n > 0 && from <= b.ranges[n-1][1]+maxGroup {
		b.ranges[n-1][1] = to // what lies between is not pending, or written twice
	} else {
		b.ranges = append(b.ranges, [2]uint64{from, to})
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take removes and returns the first range.
func (b *backlog) take() (from, to uint64, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ranges) == 0 {
		return 0, 0, false
	}
	r := b.ranges[0]
	b.ranges = b.ranges[1:]
	return r[0], r[1], true
}

// catchUpStore writes what is pending and no longer in memory, beside the live
// batches, so that neither waits for the other.
func (p *Pipeline) catchUpStore(ctx context.Context) {
	for {
		from, to, ok := p.backlog.take()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-p.backlog.wake:
			}
			continue
		}
		if !p.storeRange(ctx, from, to) {
			return
		}
	}
}

// storeRange writes the pending messages of a range; false if ctx ended before.
func (p *Pipeline) storeRange(ctx context.Context, from, to uint64) bool {
	worker := decode.NewWorker(p.inventory.Load(), p.registry)
	if err := worker.LoadState(bytes.NewReader(*p.decoders.Load())); err != nil {
		p.log.Error("decoders begin anew", "error", err)
	}
	var encoder influx.Encoder
	r := p.journal.Read(from)
	defer r.Close()
	c := &chunk{}
	for n := 0; r.Next(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return false // a range can be millions that are decided already
		}
		m := r.Message()
		p.lost(from, min(m.Seq-1, to))
		if m.Seq > to {
			from = to + 1
			break
		}
		from = m.Seq + 1
		if !p.isPending(m.Seq) {
			continue
		}
		p.poison.catchUp.Store(m.Seq)
		result := p.decode(worker, m)
		p.poison.catchUp.Store(0)
		var vendor ingest.VendorID
		if result.Source != nil {
			vendor = result.Source.Vendor.ID
		}
		lines, oldest := 0, int64(0)
		if result.Err == nil {
			p.names.admit(result, false)
		}
		if result.Err == nil {
			p.timed(m.Seq, result)
			lines, oldest = c.encode(&encoder, result)
		}
		if lines == 0 {
			// The inventory has changed since it was accepted.
			p.refuse(m, vendor, result.Err)
			continue
		}
		c.messages = append(c.messages, written{m.Seq, lines, vendor, oldest})
		if c.count >= p.influx.BatchLines(p.o.BatchSize) {
			if !p.store(ctx, c, false) {
				return false
			}
			c = &chunk{}
		}
	}
	if r.Err() == nil {
		p.lost(from, to)
	} else {
		p.log.Error("journal not readable; its messages stay pending until the next start", "from", from, "to", to, "error", r.Err())
	}
	return c.count == 0 || p.store(ctx, c, false)
}

// decode is the worker's, but for poison.
func (p *Pipeline) decode(w *decode.Worker, m *ingest.Message) *decode.Result {
	if !p.poison.poisonous(m.Seq) {
		return w.Decode(m)
	}
	return &decode.Result{
		Source: p.inventory.Load().Match(m.Topic, &format.Captures{}),
		Err:    ingest.Refuse(ingest.Internal, "the process died twice while it dealt with this message; replay it with a version that can decode it"),
	}
}

// tryAlone decodes the messages that the process may have died over, before
// anything else runs. Those after walked are left to the walker, which comes to
// them before anything else runs, too.
func (p *Pipeline) tryAlone(walked uint64) {
	for _, seq := range p.poison.suspects {
		if seq > walked || p.poison.poisonous(seq) || !p.isPending(seq) {
			continue
		}
		worker := decode.NewWorker(p.inventory.Load(), p.registry)
		if err := worker.LoadState(bytes.NewReader(*p.decoders.Load())); err != nil {
			p.log.Error("decoders begin anew", "error", err)
		}
		r := p.journal.Read(seq)
		if r.Next() && r.Message().Seq == seq {
			p.poison.catchUp.Store(seq)
			worker.Decode(r.Message())
			p.poison.catchUp.Store(0)
		}
		r.Close()
	}
}

// lost rejects those of the messages from one to another that wait for InfluxDB
// and are no longer in the journal.
func (p *Pipeline) lost(from, to uint64) {
	n := uint64(0)
	p.mu.Lock()
	for seq := max(from, p.pending.Base); seq <= to && seq < p.pending.end(); seq++ {
		if p.pending.remove(seq) {
			n++
		}
	}
	if n > 0 {
		p.tally.Rejected[rejectKey{"", ingest.Lost}] += n
	}
	p.mu.Unlock()
	if n > 0 {
		p.log.Error("acknowledged messages that waited for InfluxDB are damaged or gone in the journal; they count as lost", "messages", n, "from", from, "to", to)
	}
}

// timed gives the readings and events of a message the times that the walker
// gave them.
func (p *Pipeline) timed(seq uint64, r *decode.Result) {
	spread(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stamps.apply(seq, r)
}

// retime keeps the times that the walker gave to what carries none.
func (p *Pipeline) retime(seq uint64, moved []retimed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stamps[seq] = moved
}

func (p *Pipeline) isPending(seq uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending.has(seq)
}

// refuse rejects a message that was accepted once.
func (p *Pipeline) refuse(m *ingest.Message, vendor ingest.VendorID, refusal *ingest.Refusal) {
	if refusal == nil {
		refusal = ingest.Refuse(ingest.NoReading, "the inventory has changed: nothing of it has a meaning any more")
	}
	p.rejected(m, vendor, refusal, false) // before it is counted, and an account may say so
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending.remove(m.Seq) {
		p.tally.Rejected[rejectKey{vendor, refusal.Reason}]++
	}
}
