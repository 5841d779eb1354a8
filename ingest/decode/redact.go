package decode

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Redactor cuts messages down to what may be kept, before they touch the disk:
// those of formats that send persons, and those of gates in every other format.
// It is safe for concurrent use.
type Redactor struct {
	inv  *inventory.Inventory
	some bool // whether any source has terminals that send personal data
	// gates says whether any message may be a gate's.
	gates bool
	// plain is that only the topic says what is a gate's, in a level of its own.
	plain  bool
	cutter *format.Cutter
	// Households, where set, gives households of deposits a number of the day. Without
	// it they are left out.
	Households *Households
	vendors    map[ingest.VendorID]*carriesGates
}

// carriesGates says which of a vendor's messages may be of gates, where neither topic nor
// source tell. Those are cut before they are written: gates name people.
type carriesGates struct {
	listed bool // it has gates that are listed, or a source of gates
	named  bool // its payloads may name the kind of facility
	any    bool // or one of its topics
}

// NewRedactor returns a redactor for an inventory's sources.
func NewRedactor(inv *inventory.Inventory) *Redactor {
	r := &Redactor{inv: inv, plain: true, vendors: map[ingest.VendorID]*carriesGates{}}
	for _, v := range inv.Vendors {
		of := &carriesGates{}
		for _, s := range v.Sources {
			kind := format.Formats[s.Format]
			r.some = r.some || kind.Redact != nil
			r.plain = r.plain && s.Format == "native" && s.Facility != ingest.Gate
			of.listed = of.listed || s.Facility == ingest.Gate
			of.named = of.named || s.JSON != nil && s.JSON.Facility != "" || kind.Community
			of.any = of.any || strings.Contains(s.Topic, "{facility}") && v.UnknownDevices == "accept"
		}
		r.vendors[v.ID] = of
	}
	for d := range inv.AllDevices() {
		if of := r.vendors[d.Vendor]; of != nil && d.Facility == ingest.Gate {
			of.listed = true
		}
	}
	for _, of := range r.vendors {
		r.gates = r.gates || of.listed || of.named || of.any
		r.plain = r.plain && !of.listed
	}
	if r.gates || r.some {
		r.cutter = format.NewCutter(wordsOf(inv), inv.Lists)
	}
	return r
}

// wordsOf are the words that the inventory has for fields, values and places.
func wordsOf(inv *inventory.Inventory) (words []string) {
	path := func(text string) {
		words = append(words, text)
		for part := range strings.SplitSeq(text, ".") {
			name, _, _ := strings.Cut(part, "[")
			words = append(words, name)
		}
	}
	field := func(name string, f *format.Field) {
		path(name)
		if _, plain, ok := strings.Cut(name, ":"); ok {
			path(plain)
		}
		words = append(words, f.When...)
		words = append(words, f.Channel, f.Event)
		for value := range f.Values {
			words = append(words, value)
		}
	}
	for _, fields := range builtinProfiles.fields {
		for name, f := range fields {
			field(name, f)
		}
	}
	for _, d := range builtinProfiles.devices {
		words = append(words, d.Names...)
		for name, f := range d.Fields {
			field(name, f)
		}
	}
	for _, c := range inv.Communities {
		words = append(words, string(c.ID))
		for _, k := range c.Compounds {
			words = append(words, string(k.ID))
		}
	}
	for _, kind := range inv.Facilities.Kinds() {
		words = append(words, string(kind))
		for _, q := range inv.Facilities.Kind(kind).Sorted() {
			words = append(words, q.Name)
		}
	}
	for d := range inv.AllDevices() {
		words = append(words, d.Gateway)
	}
	for _, v := range inv.Vendors {
		words = append(words, string(v.ID))
		for _, s := range v.Sources {
			for level := range strings.SplitSeq(s.Topic, "/") {
				words = append(words, level)
			}
			for profile := range s.Codecs {
				words = append(words, profile)
			}
			words = append(words, s.Profile)
			for name, f := range s.Fields {
				field(name, f)
			}
			if m := s.JSON; m != nil {
				for _, p := range []string{m.Records, m.Values, m.Device, m.Community, m.Compound, m.Facility, m.Channel, m.Name, m.Value, m.Unit} {
					path(strings.TrimPrefix(p, "$."))
				}
				for _, rule := range m.Time {
					for _, p := range rule.Path {
						path(strings.TrimPrefix(p, "$."))
					}
				}
				if m.Valid != nil {
					path(strings.TrimPrefix(m.Valid.Path, "$."))
					for _, good := range m.Valid.Values {
						words = append(words, fmt.Sprint(good))
					}
				}
			}
		}
	}
	return words
}

// Redact returns what may be kept of a message that arrived on topic: both as
// they came, unless it is a gate's, or may be a terminal's. What it has cut, it
// leaves as it is a second time.
func (r *Redactor) Redact(topic string, payload []byte) (string, []byte) {
	topic, payload = r.redact(topic, payload)
	if bytes.Contains(payload, []byte(format.HouseholdMember)) || bytes.Contains(payload, []byte(`\u`)) {
		var c format.Captures
		if source := r.inv.Match(topic, &c); source != nil && source.Format == "native" {
			payload = r.Households.cut(payload)
		}
	}
	return topic, payload
}

func (r *Redactor) redact(topic string, payload []byte) (string, []byte) {
	if !r.some && !r.gates || r.plain && len(topic) <= format.MaxTopic && !strings.Contains(topic, "/gate/") {
		return topic, payload
	}
	if strings.HasPrefix(topic, longTopicPrefix) {
		return topic, nil
	}
	if len(topic) > format.MaxTopic {
		return r.longTopic(topic), nil // refused, whatever it says, and it may be a terminal's
	}
	var c format.Captures
	source := r.inv.Match(topic, &c)
	if source == nil {
		// Next to terminals that send pictures of people, what is not known
		// is not kept.
		if !r.some {
			return topic, payload
		}
		return r.topic(topic), nil
	}
	if redact := format.Formats[source.Format].Redact; redact != nil {
		return r.topic(topic), redact(payload)
	}
	if !r.gate(source, &c, topic, payload) {
		return topic, payload
	}
	if len(payload) > source.Vendor.Limits.PayloadBytes {
		return r.topic(topic), format.TooLarge()
	}
	return r.topic(topic), r.cutter.Cut(&source.Reads, payload)
}

// topic returns a topic with those levels that the inventory knows, or that are
// called as devices are.
func (r *Redactor) topic(topic string) string {
	clean := true
	for level := range strings.SplitSeq(topic, "/") {
		clean = clean && (level == "" || r.cutter.Name(level))
	}
	if clean {
		return topic
	}
	levels := strings.Split(topic, "/")
	for i, level := range levels {
		if level != "" && !r.cutter.Name(level) {
			levels[i] = format.Withheld
		}
	}
	return strings.Join(levels, "/")
}

// longTopic returns what is kept of a topic that is refused for its length.
func (r *Redactor) longTopic(topic string) string {
	kept := r.topic(topic)
	for len(kept) > maxKeptTopic {
		kept = kept[:strings.LastIndexByte(kept[:maxKeptTopic], '/')+1]
		if kept == "" {
			break
		}
	}
	return fmt.Sprintf("%s%d/%s", longTopicPrefix, len(topic), kept)
}

// A topic that was too long begins so; nobody can publish to one like it.
const longTopicPrefix = format.Withheld + "-topic-of-bytes-"

// maxKeptTopic sets how much of a topic that is too long is kept, in bytes.
const maxKeptTopic = 256

// gate reports whether a message is a gate's: its topic or source says so, or
// its device is listed as one, or its payload names one. Where nothing says what
// it is of, and its vendor has gates, it is taken for one's.
func (r *Redactor) gate(source *inventory.Source, c *format.Captures, topic string, payload []byte) bool {
	facility := c.Facility
	if facility == "" {
		facility = string(source.Facility)
	}
	if facility == "" {
		facility = string(format.Formats[source.Format].Facility)
	}
	if facility == string(ingest.Gate) {
		return true
	}
	var device *ingest.Device
	if name := cmp.Or(c.Device, string(source.Device)); name != "" {
		if device = r.inv.Find(source.Vendor.ID, name); device != nil && device.Facility == ingest.Gate {
			return true
		}
	}
	of := r.vendors[source.Vendor.ID]
	if source.Format == "native" || of == nil || !of.listed && !of.named {
		return false
	}
	gate, other := r.mentions(source.Vendor.ID, topic, payload)
	return gate || !other && of.listed && device == nil && facility == ""
}

// mentions reports whether a message names a gate, or a device that is none.
func (r *Redactor) mentions(v ingest.VendorID, topic string, payload []byte) (gate, other bool) {
	look := func(word string) {
		if word == string(ingest.Gate) {
			gate = true
		} else if d := r.inv.Find(v, word); d != nil {
			gate, other = gate || d.Facility == ingest.Gate, other || d.Facility != ingest.Gate
		}
	}
	for level := range strings.SplitSeq(topic, "/") {
		look(level)
	}
	format.EachWord(payload, look)
	return gate, other
}
