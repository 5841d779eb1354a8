package pipeline

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/mqtt"
)

const (
	maxGroup      = 512
	maxGroupBytes = 4 << 20
	fullRetry     = 500 * time.Millisecond
	walkerWait    = 200 * time.Millisecond
	storeWait     = 500 * time.Millisecond
)

// group is messages that became durable together.
type group struct {
	messages []*ingest.Message
	// spaces hold the bytes of these messages and of those before them. They are used
	// again once these are walked.
	spaces []*mqtt.Space
}

// appender takes deliveries, makes them durable in groups and acknowledges
// them. Nothing else stands before the acknowledgement.
type appender struct {
	p *Pipeline

	// inFlight has, for each packet identifier, the last message journaled under
	// it. A redelivery (DUP) has the identifier of the first delivery: so a DUP
	// that equals the entry is a message we have already, unless the broker is
	// known to have our acknowledgement of that. Then it is another one that
	// reads the same, since identifiers are used again, and a broker that kept a
	// message for us may call its first delivery a DUP.
	inFlight    [1 << 16]delivered
	mu          sync.Mutex // held while inFlight is written to, and by who else reads it
	spacing     spacing
	sessionLost uint32 // epoch in which the broker had no session for us; owned by run
	resent      resent

	identifiers identifiers
	renumbers   atomic.Bool // whether the broker gives identifiers anew: then contents tell
	contents    *contents   // nil: nothing was asked of late
	items       []item      // to be used again
}

// delivered is a message as inFlight knows it: its number, the lower half, which
// is enough to compare those of one window, and a hash of topic and payload.
type delivered struct{ seq, hash uint32 }

// InFlight is an entry of inFlight, as the account keeps it: what the journal has
// of the message may be damaged, and it would be taken for another one.
type InFlight struct {
	PacketID  uint16
	Seq, Hash uint32
}

// maxUnsettled bounds, in messages, how far back entries are kept beside the journal. A
// broker sends no more than its window of unacknowledged ones, so that what is
// further back has been settled, whether we know it or not.
const maxUnsettled = 4096

// unsettled are the entries of the last messages up to a number of which the
// broker is not known to have our acknowledgement.
func (a *appender) unsettled(last uint64) (list []InFlight) {
	settled := uint32(a.p.subscriber.Settled())
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, e := range &a.inFlight {
		if e.hash != 0 && int32(e.seq-settled) > 0 && uint32(last)-e.seq < maxUnsettled {
			list = append(list, InFlight{uint16(id), e.seq, e.hash})
		}
	}
	return list
}

func deliveredAs(m *ingest.Message) delivered { return delivered{uint32(m.Seq), hashOf(m)} }

func hashOf(m *ingest.Message) uint32 {
	return max(1, uint32(xxhash.Sum64String(m.Topic)*31+xxhash.Sum64(m.Payload)))
}

// remember fills inFlight and spacing from the account and the journal's end.
func (a *appender) remember(j *journal.Journal, now time.Time) error {
	a.spacing = newSpacing()
	// A burst may have run ahead of the clock by a millisecond a message.
	unsettled, from := a.p.subscriber.Settled()+1, uint64(1)
	if last := j.Last(); last > rememberedTimes {
		from = last - rememberedTimes
	}
	if last := j.Last(); last > 1<<16 {
		unsettled = max(unsettled, last-1<<16)
	}
	for _, e := range a.p.inFlight {
		if int32(e.Seq-uint32(unsettled)) >= 0 {
			a.inFlight[e.PacketID] = delivered{e.Seq, e.Hash}
		}
	}
	a.p.inFlight = nil
	r := j.Read(from)
	defer r.Close()
	for r.Next() {
		m := r.Message()
		a.spacing.journaled(m, now.UnixNano())
		if m.Seq >= unsettled {
			a.inFlight[m.PacketID] = deliveredAs(m)
		}
	}
	a.p.clock.last.Store(a.spacing.wall)
	return r.Err()
}

// rememberedTimes sets how many messages at the journal's end are looked at for
// times ahead of the clock. Reading them takes a tenth of a second.
const rememberedTimes = 1 << 20

func (a *appender) run(ctx context.Context) {
	var deliveries []*mqtt.Delivery
	var spaces []*mqtt.Space // that deliveries lie in
	held := 0                // of deliveries
	for {
		bytes := 0
		next := a.p.subscriber.Next
		if held > 0 {
			next = a.next
		} else {
			a.forget()
		}
		for batch := next(ctx); len(batch) > 0; batch = a.p.subscriber.Poll() {
			if space := batch[0].TakeSpace(); space != nil {
				spaces = append(spaces, space)
			}
			for i := range batch {
				deliveries, bytes = append(deliveries, &batch[i]), bytes+len(batch[i].Payload)
			}
			if len(deliveries) >= maxGroup || bytes >= maxGroupBytes {
				break
			}
		}
		if len(deliveries) == 0 || ctx.Err() != nil {
			return
		}
		before := held
		if held = 0; len(deliveries) > before { // something came behind what was held back
			held = a.hold(deliveries)
		}
		behind := deliveries[len(deliveries)-held:]
		for rest := deliveries[:len(deliveries)-held]; len(rest) > 0; {
			n := a.fitting(rest)
			var free []*mqtt.Space
			if n == len(rest) && held == 0 {
				free, spaces = spaces, nil
			}
			if !a.append(ctx, free, rest[:n], rest[n:], behind) {
				return
			}
			rest = rest[n:]
		}
		clear(deliveries[copy(deliveries, behind):])
		deliveries = deliveries[:held]
	}
}

// next waits for what follows messages that are held back, and not for long.
func (a *appender) next(ctx context.Context) []mqtt.Delivery {
	ctx, cancel := context.WithTimeout(ctx, holdFor)
	defer cancel()
	return a.p.subscriber.Next(ctx)
}

// fitting returns how many of the deliveries are journaled together: as many as take
// an eighth of the journal at most, or large ones together would never fit.
func (a *appender) fitting(deliveries []*mqtt.Delivery) int {
	limit := min(maxGroupBytes, int(a.p.journal.MaxBytes()/8))
	bytes := 0
	for n, d := range deliveries {
		if bytes += len(d.Topic) + len(d.Payload); n > 0 && bytes > limit {
			return n
		}
	}
	return len(deliveries)
}

// append journals and acknowledges a group; false if ctx ended before. What came behind
// the group may tell what is sent again. Spaces are free once it is walked.
func (a *appender) append(ctx context.Context, spaces []*mqtt.Space, deliveries []*mqtt.Delivery, behind ...[]*mqtt.Delivery) bool {
	a.p.possible(ctx)
	for _, d := range deliveries {
		if d.Received < a.p.clock.built.UnixNano() && !a.p.clock.built.IsZero() { // by a clock that has been mended since
			d.Received = time.Now().UnixNano()
		}
	}
	if ctx.Err() != nil {
		return false
	}
	g := a.group(deliveries, behind...)
	g.spaces = spaces
	for logged := false; ; {
		err := a.p.journal.Append(g.messages)
		if err == nil {
			break
		}
		if !logged {
			a.p.log.Error("messages are not acknowledged until the journal takes them", "messages", len(g.messages), "full", errors.Is(err, journal.ErrFull), "error", err)
			logged = true
		}
		a.p.journalDown.Store(true)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(fullRetry):
		}
	}
	if a.p.journalDown.Swap(false) {
		a.p.log.Info("the journal takes messages again")
	}
	a.mu.Lock()
	for _, m := range g.messages {
		if m.QoS > 0 {
			a.inFlight[m.PacketID] = deliveredAs(m)
		}
	}
	a.mu.Unlock()
	if n := len(g.messages); n > 0 {
		a.p.clock.last.Store(a.spacing.wall)
	}
	if a.p.o.AcknowledgeStored {
		a.p.unacknowledged.add(deliveries, a.p.journal.Last())
	} else {
		mqtt.Acknowledge(deliveries)
	}
	// A walker that is a little behind is waited for, since reading the journal
	// again costs more than that; what waits for nothing else is never long.
	select {
	case a.p.live <- g:
		return true
	default:
	}
	patience := time.NewTimer(walkerWait)
	defer patience.Stop()
	select {
	case a.p.live <- g:
	case <-patience.C:
	case <-ctx.Done():
	}
	return true
}

// within reports whether a delivery is one of the messages of its own group, which are
// not in flight's list yet: while the journal takes nothing, or the clock is wrong, the
// broker may deliver again what waits here. Brokers that give identifiers anew keep them
// on one connection until we acknowledge.
func (a *appender) within(messages []*ingest.Message, before []*mqtt.Delivery, d *mqtt.Delivery) bool {
	if a.renumbers.Load() {
		for _, b := range before {
			if b.QoS > 0 && b.Epoch == d.Epoch && b.PacketID == d.PacketID && b.Topic == d.Topic && bytes.Equal(b.Payload, d.Payload) {
				return true
			}
		}
		return false
	}
	for _, m := range messages {
		if m.QoS > 0 && m.PacketID == d.PacketID && m.Topic == d.Topic && bytes.Equal(m.Payload, d.Payload) {
			return true
		}
	}
	return false
}

// again reports whether a delivery that is marked as sent again is of a message that is
// in the journal, or among the messages that are about to be. Where messages are
// acknowledged when they are stored, it gets that one's number.
func (a *appender) again(d *mqtt.Delivery, messages []*ingest.Message, before, following []*mqtt.Delivery, further [][]*mqtt.Delivery) bool {
	stored := a.p.o.AcknowledgeStored
	if stored {
		if seq := a.p.unacknowledged.again(d); seq > 0 {
			d.Seq = seq
			return true
		}
	}
	again, sure := a.redelivered(&d.Message, d.Epoch)
	switch {
	case again || !sure && a.byContent(d) && a.stands(d, following, further):
		if stored {
			a.knownAs(d)
		}
		return true
	case !sure && a.within(messages, before, d):
		if stored {
			d.Seq = sameGroup
		}
		return true
	}
	return false
}

// group makes messages of deliveries, leaving out what is journaled already.
func (a *appender) group(deliveries []*mqtt.Delivery, behind ...[]*mqtt.Delivery) group {
	messages := make([]*ingest.Message, 0, len(deliveries))
	for i, d := range deliveries {
		if lost := a.p.sessionLost.Load(); d.Epoch >= lost && a.sessionLost < lost {
			a.mu.Lock()
			a.inFlight, a.sessionLost = [1 << 16]delivered{}, lost
			a.resent = resent{epoch: d.Epoch} // of what it knew nothing comes again
			a.identifiers = identifiers{}
			a.mu.Unlock()
		}
		foreign := a.p.inventory.Load().Foreign(d.Topic) // by the topic as it came
		d.Topic, d.Payload = a.p.redactor.Load().Redact(d.Topic, d.Payload)
		// What would not fit beside others below a small cap would hold up all.
		// It is refused as far as it goes; decoders take 8 MiB at most anyway.
		if most := a.p.journal.MaxBytes() / 4; int64(len(d.Payload)) > most {
			d.Payload = d.Payload[:most]
		}
		if foreign || a.p.already.has(&d.Message) {
			a.p.metrics.foreign.Inc()
			continue
		}
		switch {
		case d.QoS > 0 && d.Dup:
			if a.again(d, messages, deliveries[:i], deliveries[i+1:], behind) {
				a.p.metrics.redelivered.Inc()
				a.identifiers.last = d.PacketID
				continue
			}
		case d.QoS > 0 && d.Epoch == a.resent.epoch:
			a.resent.end() // what is sent again comes first
		}
		if d.QoS > 0 && a.identifiers.given(d) && !a.renumbers.Swap(true) {
			a.p.log.Info("the broker gives identifiers anew while messages wait: what it sends again is told by its content and order")
		}
		d.Received = a.spacing.stamp(d.Topic, d.Payload, d.Received)
		messages = append(messages, &d.Message)
	}
	return group{messages: messages}
}
