package pipeline

import (
	"greencommunity/ingest"
	"greencommunity/ingest/journal"
)

// resent follows what a broker sends again on a new connection, where more messages
// are without a sign that it has our acknowledgement than identifiers tell apart.
//
// Mosquitto up to 2.0.11, and perhaps later ones, has no window in truth: with each
// acknowledgement of its oldest message it sends twenty more, until a whole backlog is
// in flight, and gives identifiers of messages in flight to others. Our
// acknowledgements wait in its socket meanwhile. Stopped and started in order, it
// sent 145,826 of 200,000 messages again. The table of identifiers knows the last
// 65,535 of them, and of the rest each one without a device's time was stored twice.
//
// A broker sends again in the order in which it sent (MQTT 3.1.1, 4.6), and reads
// acknowledgements in order. So what it sends again is an end of what the journal has,
// as a whole and in the journal's order, and what follows is new. Where identifier and
// content fit in several places, the last place is taken: a message that is stored
// twice is less bad than one that is lost.
type resent struct {
	epoch uint32 // connection
	last  uint32 // number of the last message before it
	long  bool   // identifiers alone do not tell; the run decides
	over  bool   // the run has come to the journal's end

	// What the journal has and the broker may not know us to have, in order.
	ids    []uint16
	hashes []uint32
	places []int // which of these may come next, in order
}

const (
	// ambiguous says from how many messages on identifiers are not enough: half of
	// all there are.
	ambiguous = 1 << 15
	// maxResent bounds the messages looked at: 12 MB, and half a second, once a
	// connection.
	maxResent = 1 << 21
)

// begin looks at what a connection may bring again, given its first message that is
// marked as such.
func (r *resent) begin(j *journal.Journal, epoch uint32, settled uint64, id uint16, hash uint32) error {
	last := j.Last()
	*r = resent{epoch: epoch, last: uint32(last)}
	if last < settled || last-settled < ambiguous {
		return nil
	}
	reader := j.Read(max(settled+1, last-min(last, maxResent)+1))
	defer reader.Close()
	for reader.Next() {
		if m := reader.Message(); m.QoS > 0 {
			r.ids, r.hashes = append(r.ids, m.PacketID), append(r.hashes, hashOf(m))
		}
	}
	n := len(r.ids)
	if n < ambiguous {
		r.ids, r.hashes = nil, nil
		return reader.Err()
	}
	r.long = true
	for i := range r.ids {
		if r.ids[i] != id || r.hashes[i] != hash {
			continue
		}
		// The identifier after our last one most likely is a message that never
		// reached us, and not one of a whole round of identifiers ago.
		if n-i > ambiguous && id == following(r.ids[n-1]) {
			continue
		}
		r.places = append(r.places, i)
	}
	return reader.Err()
}

func following(id uint16) uint16 { return max(1, id+1) }

// next reports whether the next message marked as sent again is the one that the
// journal has next, and whether the run tells.
func (r *resent) next(id uint16, hash uint32) (again, sure bool) {
	if r.over {
		return false, true
	}
	n := len(r.places)
	if n > 0 && r.places[n-1] == len(r.ids) { // the last place has come to the end: this is new
		r.end()
		return false, true
	}
	kept := r.places[:0]
	for _, p := range r.places {
		if r.ids[p] == id && r.hashes[p] == hash {
			kept = append(kept, p+1)
		}
	}
	r.places = kept
	return len(kept) > 0, len(kept) > 0
}

// end forgets the run: on this connection everything further is new.
func (r *resent) end() {
	r.over, r.ids, r.hashes, r.places = true, nil, nil, nil
}

// redelivered reports whether a message that is marked as sent again, with its
// connection, is one that we have already by its identifier, and whether that is sure
// where it is not.
func (a *appender) redelivered(m *ingest.Message, epoch uint32) (again, sure bool) {
	if a.renumbers.Load() {
		return false, false
	}
	hash := hashOf(m)
	settled := a.p.subscriber.Settled()
	e := a.inFlight[m.PacketID]
	known := e.hash == hash && int32(e.seq-uint32(settled)) > 0
	r := &a.resent
	if r.epoch != epoch {
		if err := r.begin(a.p.journal, epoch, settled, m.PacketID, hash); err != nil {
			a.p.log.Warn("the journal's end was not read: messages without a device's time that the broker sends again may be stored twice", "error", err)
		}
	}
	if !r.long || int32(e.seq-r.last) > 0 {
		return known, false
	}
	if again, sure := r.next(m.PacketID, hash); sure {
		return again, true
	}
	return known, false
}
