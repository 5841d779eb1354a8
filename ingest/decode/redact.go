package decode

import (
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Redactor cuts payloads down to what may be kept, before they touch the disk.
// It is safe for concurrent use.
type Redactor struct {
	inv  *inventory.Inventory
	some bool // whether any source can carry personal data
}

// NewRedactor returns a redactor for an inventory's sources.
func NewRedactor(inv *inventory.Inventory) *Redactor {
	r := &Redactor{inv: inv}
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			r.some = r.some || format.Formats[s.Format].Redact != nil
		}
	}
	return r
}

// Redact returns what may be kept of a message that arrived on topic: the
// payload itself where its format carries no personal data.
func (r *Redactor) Redact(topic string, payload []byte) []byte {
	if !r.some {
		return payload
	}
	if len(topic) > format.MaxTopic {
		return nil // refused, whatever it says, and it may be a terminal's
	}
	var c format.Captures
	source := r.inv.Match(topic, &c)
	if source == nil {
		// Next to terminals that send pictures of people, what is not known
		// is not kept; the topic is.
		return nil
	}
	if redact := format.Formats[source.Format].Redact; redact != nil {
		return redact(payload)
	}
	return payload
}
