package pipeline

import (
	"context"
	"math"
	"sync"
	"time"

	"greencommunity/ingest/mqtt"
)

// acknowledgeEvery sets how often it is looked at what has been stored, while something
// waits for that.
const acknowledgeEvery = 5 * time.Millisecond

// unacknowledged are deliveries that the broker keeps until InfluxDB has confirmed what
// is in them, in the order they came: acknowledgements go out in order (MQTT 3.1.1,
// 4.6), so one that InfluxDB holds up holds up those behind it, and once a broker's
// window is full it sends nothing more. It is for machines whose disk is not trusted:
// what is lost with a data directory, the broker still has.
type unacknowledged struct {
	mu    sync.Mutex // between the appender and the acknowledger
	list  []mqtt.Delivery
	ids   map[uint16]keptFor
	added chan struct{}
}

// keptFor says of which message an identifier is, on which connection.
type keptFor struct {
	epoch uint32
	hash  uint32
	seq   uint64
}

// sameGroup is the number of a message that is sent again before the first of it has one.
const sameGroup = math.MaxUint64

// add takes deliveries over once the journal has them, up to the message last.
func (u *unacknowledged) add(deliveries []*mqtt.Delivery, last uint64) {
	u.mu.Lock()
	for _, d := range deliveries {
		if d.Seq == sameGroup {
			d.Seq = last
		}
		kept := *d
		kept.Topic, kept.Payload = "", nil
		u.list = append(u.list, kept)
		if d.QoS > 0 {
			u.ids[d.PacketID] = keptFor{d.Epoch, hashOf(&d.Message), d.Seq}
		}
	}
	u.mu.Unlock()
	select {
	case u.added <- struct{}{}:
	default:
	}
}

// again returns the number of a message that the broker sends again on the connection on
// which it waits for our acknowledgement, 0 if it does not.
func (u *unacknowledged) again(d *mqtt.Delivery) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if k, ok := u.ids[d.PacketID]; ok && k.epoch == d.Epoch && k.hash == hashOf(&d.Message) {
		return k.seq
	}
	return 0
}

// take removes and returns what came first and is of messages up to a number.
func (u *unacknowledged) take(upTo uint64) (decided []*mqtt.Delivery, left int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for n < len(u.list) && u.list[n].Seq <= upTo {
		d := &u.list[n]
		if k := u.ids[d.PacketID]; d.QoS > 0 && k.epoch == d.Epoch && k.seq == d.Seq {
			delete(u.ids, d.PacketID)
		}
		decided = append(decided, d)
		n++
	}
	u.list = u.list[n:]
	return decided, len(u.list)
}

// decided is the message up to which each has its fate: stored, refused, or nothing to
// store.
func (p *Pipeline) decided() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.pending.first(); first > 0 {
		return min(p.walked, first-1)
	}
	return p.walked
}

// acknowledger acknowledges what is decided.
func (p *Pipeline) acknowledger(ctx context.Context) {
	tick := time.NewTicker(acknowledgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.unacknowledged.added:
		}
		for left := 1; left > 0; {
			var decided []*mqtt.Delivery
			if decided, left = p.unacknowledged.take(p.decided()); len(decided) > 0 {
				mqtt.Acknowledge(decided)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// knownAs gives a message that the broker sends again the number under which the journal
// has it, so that it is acknowledged when that is stored.
func (a *appender) knownAs(d *mqtt.Delivery) {
	last := a.p.journal.Last()
	d.Seq = last // of those told by content: at the latest
	if e := a.inFlight[d.PacketID]; e.hash == hashOf(&d.Message) {
		if seq := last - uint64(uint32(last)-e.seq); seq <= last && seq > 0 {
			d.Seq = seq
		}
	}
}
