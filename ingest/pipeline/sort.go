package pipeline

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/influx"
)

const (
	// maxApart bounds the lines that are set apart, and with them the memory.
	maxApart = 40_000
	// lateAge sets how long late lines wait for more of them.
	lateAge = time.Second
	// maxPause is the longest pause of the sorter after a request. It pauses as
	// long as the request took, so that it has at most half of InfluxDB's time.
	maxPause = 100 * time.Millisecond
)

// apart holds what is sorted out beside the live path.
type apart struct {
	mu    sync.Mutex // between the two writers, which add, and the sorter
	parts []sorting
	lines int    // in parts and in late
	late  *chunk // what is older than InfluxDB's retention, not tried yet; nil for nothing
	since time.Time

	logged atomic.Int64  // when refusals were last seen, unix s; they are logged once, and again after a minute without
	wake   chan struct{} // something was added
	room   chan struct{} // something was taken
}

// sorting is a part of a batch whose lines are to be sorted out.
type sorting struct {
	part  influx.Part
	batch *batch
}

// batch is the messages of refused lines. Once it is set apart, the sorter owns
// it.
type batch struct {
	messages []written
	ends     []int // number of the line behind each message's
	left     []int // lines, and parts of lines, of each that are not decided
	stored   []int // likewise, that InfluxDB has
	refused  []int // lines it has refused
	fields   []int // single fields it has refused
	why      []string
}

func newBatch(messages []written) *batch {
	n := len(messages)
	b := &batch{messages: messages, ends: make([]int, n), left: make([]int, n), stored: make([]int, n), refused: make([]int, n), fields: make([]int, n), why: make([]string, n)}
	end := 0
	for i, m := range messages {
		end += m.lines
		b.ends[i], b.left[i] = end, m.lines
	}
	return b
}

// setApart hands a chunk's refused parts to the sorter, or, with none, the whole
// chunk as too old. The chunk loses its lines and messages. False if ctx ended
// before there was room.
func (p *Pipeline) setApart(ctx context.Context, c *chunk, refused []influx.Part, live bool) bool {
	a := &p.apart
	for {
		a.mu.Lock()
		if a.lines == 0 || a.lines+c.count <= maxApart {
			break
		}
		a.mu.Unlock()
		if live {
			p.backlog.add(c.messages[0].seq, c.messages[len(c.messages)-1].seq)
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-a.room:
		case <-time.After(lateAge): // the live path may have had the signal
		}
	}
	if refused == nil {
		if a.late == nil {
			a.late, a.since = &chunk{}, time.Now()
		}
		a.late.merge(c)
		a.lines += c.count
		a.mu.Unlock()
		notify(a.wake)
		return true
	}
	b := newBatch(c.messages)
	c.lines, c.messages = nil, nil // the parts have them
	line := 0
	var taken []influx.Decision
	through := func(end int) {
		for ; line < end; line++ {
			taken = append(taken, influx.Decision{Line: line})
		}
	}
	for _, part := range refused {
		through(part.First())
		line = part.First() + part.Len()
		a.parts = append(a.parts, sorting{part, b})
		a.lines += part.Len()
	}
	through(c.count)
	done := b.decide(taken)
	a.mu.Unlock()
	p.settleBatch(b, done)
	notify(a.wake)
	return true
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take removes the part with the most lines, so that the good lines of a batch
// that has just come do not wait for the last bad line of one before it.
func (a *apart) take(now time.Time, full int) (s sorting, wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.late != nil {
		if wait = a.since.Add(lateAge).Sub(now); wait <= 0 || a.late.count >= full {
			a.parts = append(a.parts, sorting{influx.Apart(a.late.lines), newBatch(a.late.messages)})
			a.late = nil
		}
	}
	if len(a.parts) == 0 {
		return s, wait, false
	}
	largest := 0
	for i := range a.parts {
		if a.parts[i].part.Len() > a.parts[largest].part.Len() {
			largest = i
		}
	}
	s = a.parts[largest]
	a.parts = slices.Delete(a.parts, largest, largest+1)
	a.lines -= s.part.Len()
	return s, 0, true
}

func (a *apart) put(parts []influx.Part, b *batch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, part := range parts {
		a.parts = append(a.parts, sorting{part, b})
		a.lines += part.Len()
	}
}

// sorter finds out the bad lines of what was set apart, one request at a time.
func (p *Pipeline) sorter(ctx context.Context) {
	a := &p.apart
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		s, wait, ok := a.take(time.Now(), p.o.BatchSize)
		if !ok {
			if wait <= 0 {
				wait = time.Hour
			}
			pause.Reset(wait)
			select {
			case <-ctx.Done():
				return
			case <-a.wake:
			case <-pause.C:
			}
			continue
		}
		notify(a.room)
		start := time.Now()
		decided, rest, err := p.influx.Step(ctx, s.part)
		if err != nil {
			return // they stay pending
		}
		a.put(rest, s.batch)
		p.settleBatch(s.batch, s.batch.decide(decided))
		pause.Reset(min(time.Since(start), maxPause))
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

// decide enters what is known of lines and returns the messages, by their place
// in the batch, of which all is known now.
func (b *batch) decide(decided []influx.Decision) (done []int) {
	for _, d := range decided {
		i, found := slices.BinarySearch(b.ends, d.Line)
		if found {
			i++ // the line behind a message's is the next one's first
		}
		switch {
		case d.Fate == influx.LineSplit:
			b.left[i]++
			continue
		case d.Fate == influx.LineStored:
			b.stored[i]++
		case d.Field != "":
			b.fields[i]++
			b.why[i] = d.Why
		default:
			b.refused[i]++
			b.why[i] = d.Why
		}
		if b.left[i]--; b.left[i] == 0 {
			done = append(done, i)
		}
	}
	return done
}

// settleBatch books the fates of messages of which all is known.
func (p *Pipeline) settleBatch(b *batch, done []int) {
	if len(done) == 0 {
		return
	}
	slices.Sort(done)
	p.keepRefused(b, done) // before they are counted, and an account may say so
	points, why := 0, ""
	p.mu.Lock()
	for _, i := range done {
		m := b.messages[i]
		if !p.pending.remove(m.seq) {
			continue
		}
		if n := b.fields[i] + b.refused[i]; n > 0 {
			points, why = points+n, b.why[i]
		}
		key := rejectKey{m.vendor, ingest.RefusedByInfluxDB}
		p.tally.BadPoints += uint64(b.refused[i])
		p.tally.Points += uint64(m.lines - b.refused[i])
		if b.stored[i] == 0 {
			p.tally.Rejected[key]++
			continue
		}
		p.tally.Stored++
		if n := b.fields[i] + b.refused[i]; n > 0 {
			p.tally.Refused[key] += uint64(n)
		}
	}
	p.mu.Unlock()
	if now := time.Now().Unix(); points > 0 && now-p.apart.logged.Swap(now) > 60 {
		p.log.Warn("InfluxDB refuses points; all others are written, and rejects.ndjson and the metrics go on telling", "points", points, "why", why)
	}
}

// keepRefused writes the messages of which InfluxDB has taken nothing to the
// rejects.
func (p *Pipeline) keepRefused(b *batch, done []int) {
	var bad []int
	p.mu.Lock()
	for _, i := range done {
		if b.stored[i] == 0 && p.pending.has(b.messages[i].seq) {
			bad = append(bad, i)
		}
	}
	p.mu.Unlock()
	if len(bad) == 0 {
		return
	}
	// Messages of a batch are in the journal's order: one reader finds them all.
	r := p.journal.Read(b.messages[bad[0]].seq)
	defer r.Close()
	for r.Next() && len(bad) > 0 {
		m := b.messages[bad[0]]
		if seq := r.Message().Seq; seq < m.seq {
			continue
		} else if seq == m.seq {
			p.rejected(r.Message(), m.vendor, ingest.Refuse(ingest.RefusedByInfluxDB, "%s", b.why[bad[0]]), false)
		}
		bad = bad[1:]
	}
	if err := r.Err(); err != nil {
		p.log.Error("refused messages are counted, and cannot be read from the journal for the rejects", "error", err)
	}
}
