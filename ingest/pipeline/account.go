package pipeline

import (
	"maps"
	"math/bits"

	"greencommunity/ingest"
)

// tally counts messages by what became of them, and what was in them. Its
// fields are exported for the checkpoint.
type tally struct {
	Received  map[ingest.VendorID]uint64 // "" where no source matched
	Stored    uint64
	Duplicate uint64
	Ignored   uint64
	Rejected  map[rejectKey]uint64
	Readings  map[placeKey]uint64  // accepted readings and events
	Refused   map[rejectKey]uint64 // single readings refused in accepted messages
	Late      uint64               // accepted readings older than one before them
	Points    uint64               // confirmed by InfluxDB
	BadPoints uint64               // refused by InfluxDB
}

type rejectKey struct {
	Vendor ingest.VendorID
	Reason ingest.Reason
}

type placeKey struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
}

func newTally() tally {
	return tally{
		Received: map[ingest.VendorID]uint64{}, Rejected: map[rejectKey]uint64{},
		Readings: map[placeKey]uint64{}, Refused: map[rejectKey]uint64{},
	}
}

func (t tally) clone() tally {
	t.Received, t.Rejected = maps.Clone(t.Received), maps.Clone(t.Rejected)
	t.Readings, t.Refused = maps.Clone(t.Readings), maps.Clone(t.Refused)
	return t
}

// decided returns how many messages have a fate.
func (t *tally) decided() uint64 {
	n := t.Stored + t.Duplicate + t.Ignored
	for _, v := range t.Rejected {
		n += v
	}
	return n
}

// pendingSet is the set of messages that wait for InfluxDB's word: one bit a
// message of the journal, from the first that waits to the last walked.
type pendingSet struct {
	Base  uint64 // number of the message of the first bit; a multiple of 64
	Words []uint64
	Count int
}

func (p *pendingSet) add(seq uint64) {
	if len(p.Words) == 0 {
		p.Base = seq &^ 63
	}
	for i := (seq - p.Base) / 64; uint64(len(p.Words)) <= i; {
		p.Words = append(p.Words, 0)
	}
	p.Words[(seq-p.Base)/64] |= 1 << (seq & 63)
	p.Count++
}

func (p *pendingSet) has(seq uint64) bool {
	if seq < p.Base || (seq-p.Base)/64 >= uint64(len(p.Words)) {
		return false
	}
	return p.Words[(seq-p.Base)/64]&(1<<(seq&63)) != 0
}

// remove takes a message out, and reports whether it was in.
func (p *pendingSet) remove(seq uint64) bool {
	if !p.has(seq) {
		return false
	}
	p.Words[(seq-p.Base)/64] &^= 1 << (seq & 63)
	p.Count--
	return true
}

// end is behind the last message that may wait.
func (p *pendingSet) end() uint64 { return p.Base + 64*uint64(len(p.Words)) }

// first is the first message that waits, 0 if none does. It lets go of the
// space before it.
func (p *pendingSet) first() uint64 {
	empty := 0
	for empty < len(p.Words) && p.Words[empty] == 0 {
		empty++
	}
	p.Words = p.Words[empty:]
	p.Base += uint64(empty) * 64
	if len(p.Words) == 0 {
		return 0
	}
	return p.Base + uint64(bits.TrailingZeros64(p.Words[0]))
}
