package pipeline

import (
	"bytes"
	"strings"

	"greencommunity/ingest"
)

// Journaled returns a message of the journal by its number, and false where it is there no
// more: the journal keeps what is stored for its retention alone. What formats carry of
// persons was cut out of it before it was written.
func (p *Pipeline) Journaled(seq uint64) (ingest.Message, bool, error) {
	r := p.journal.Read(seq)
	defer r.Close()
	if !r.Next() {
		return ingest.Message{}, false, r.Err()
	}
	m := *r.Message()
	if m.Seq != seq {
		return ingest.Message{}, false, nil
	}
	m.Topic, m.Payload = strings.Clone(m.Topic), bytes.Clone(m.Payload)
	return m, true, nil
}
