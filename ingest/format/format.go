// Package format reads vendors' formats. A Decoder knows one format and nothing
// else, the inventory included: it turns a payload into Samples and Events in
// the vendor's words. Package decode then says what those mean. So a new vendor
// of a known format is configuration, and a new format is one file here and one
// line in Formats: what others must know of it stands in that line.
//
// Envelopes compose: a Decoder that finds bytes inside its payload (LoRaWAN
// uplinks, base64 and hex wrappers) hands them on through Input.Inner to the
// decoder the source names for them, without knowing it.
//
// A Decoder does no I/O and looks at no clock: the same message decodes to the
// same samples whenever it is read from the journal.
package format

import (
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// Sample is one value as a vendor's format expresses it.
type Sample struct {
	Device    string // as the payload names it; "" is the one captured from the topic
	Community string // where the payload names it
	Compound  string
	Facility  string
	Profile   string // device profile, where the envelope names it
	Channel   string
	// Field is the vendor's own word or path for it.
	Field string
	// Quantity is the canonical name where the format itself defines the
	// meaning (meter frames, native); "" leaves it to fields and profiles.
	Quantity string
	// Unit is the unit of Value where format or payload say it; "" is the
	// unit of the inventory's field, else the quantity's own.
	Unit  string
	Value float64
	// Text is the value where it is not a number; a numeric string is a number.
	Text      string
	IsText    bool
	IsBool    bool
	Estimated bool
	// Decoded says that a decoder named the field, Normalized that it did so by
	// the schema of The Things Network. Product is what the decoder's object
	// shows the device to be, "" if nothing. A Spare sample counts only where
	// nothing else in the message is of its quantity.
	Decoded, Normalized, Spare bool
	Product                    string
	// Time in unix nanoseconds, 0 where the payload has none; as written, the
	// bounds are checked later.
	Time       int64
	TimeSource ingest.TimeSource
}

// Event is something that happened, as the format expresses it. Type is
// canonical where the format defines it, else the vendor's word.
type Event struct {
	Device, Community, Compound, Facility, Profile, Channel string

	Type       string
	Active     bool
	Code       string
	Time       int64
	TimeSource ingest.TimeSource
}

// Output collects what a Decoder finds. A Worker reuses it.
type Output struct {
	Samples []Sample
	Events  []Event
	// Refused are single values the decoder itself refused (error codes, NaN).
	Refused []FieldRefusal
	// Ignored says why the message carries no reading, where that is in order:
	// "join", "birth certificate", "discovery".
	Ignored string
	// Requests are messages to be published back.
	Requests []Request
	// Missing are the messages before this one that have not come, by the
	// numbers a format gives them.
	Missing int
	// Explain, where set, is told what was done: for `decode --explain`.
	Explain func(format string, args ...any)
}

// Request is a message to be published to a device: a Sparkplug node is asked
// for its birth. Publishing it is for whoever has the message live; it means
// nothing on a replay.
type Request struct {
	Topic   string
	Payload []byte
}

// FieldRefusal is one value that was refused inside a message.
type FieldRefusal struct {
	Device string
	Field  string
	*ingest.Refusal
}

// Explainf notes a step for --explain. Otherwise it costs no more than its
// arguments, which on the way of every message is too much: ask for Explain there.
func (o *Output) Explainf(format string, args ...any) {
	if o.Explain != nil {
		o.Explain(format, args...)
	}
}

// Input is one message at its decoder.
type Input struct {
	*ingest.Message
	Source   *Source
	Captures Captures
	// Port is the LoRaWAN port of an inner payload, 0 elsewhere, and Profile
	// the device profile that is known for it, or for an application payload.
	Port    int
	Profile string
	// Inner decodes bytes found inside the payload by what the source
	// names as Payload.
	// The samples it adds get device, profile and time from base where they
	// have none. It is nil inside an inner decoder.
	Inner func(base Sample, port int, data []byte, out *Output) error
	// Product, where set, names the known product whose decoder made an object,
	// "" if it shows none.
	Product func(profile string, object *fastjson.Value) string
}

// Zone of times without one.
func (in *Input) Zone() *time.Location {
	if in.Source != nil && in.Source.Zone != nil {
		return in.Source.Zone
	}
	return defaultZone
}

var defaultZone = func() *time.Location {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	return zone
}()

// Decoder reads one format. It is used by one goroutine at a time and may keep
// scratch space between calls. It must not keep in.Payload or parts of it.
//
// An error of type *ingest.Refusal refuses the whole message; any other error
// is a Malformed refusal with its text.
type Decoder interface {
	Decode(in *Input, out *Output) error
}

// Format is an entry of the table of formats.
type Format struct {
	// New returns a decoder for a source. It is called once a source and worker.
	New func(*Source) (Decoder, error)
	// Redact, where set, cuts a payload down to the fields that may be kept,
	// before it is journaled: personal data never touches the disk. It returns
	// nil where it cannot tell, and then nothing of the payload is kept.
	Redact func(payload []byte) []byte
	// Retained says that retained messages mean something too (discovery);
	// elsewhere they are old telemetry, and ignored.
	Retained bool
	// Application says that it reads the application payloads of devices, which
	// depend on the device profile.
	Application bool
	// Facility is the kind its devices are of by far most often, "" for any.
	Facility ingest.FacilityKind
	// Topics are the templates its devices publish to by default.
	Topics []string
	// Introduces says that a vendor whose sources all have this format may
	// introduce devices the inventory does not list, unless it says otherwise.
	Introduces bool
	// Mapped says that it reads by Source.JSON.
	Mapped bool
	// Community says that payloads may name the community.
	Community bool
	// Silent says that no message of it has a reading.
	Silent bool
	// Products says that its fields may be those of any known product, even
	// where no device profile is known: see profiles.yaml of package decode.
	Products bool
	// Proves, where set, says how surely bytes inside an envelope that says
	// nothing of them are of this format.
	Proves func(port int, data []byte) Proof
	// About says in one line what it is for.
	About string
}

// Proof says how surely bytes are of a format, the surest last.
type Proof uint8

const (
	NoProof    Proof = iota
	ByPort           // they came on the port its products use
	ByGrammar        // they parse
	ByChecksum       // a checksum in them is right
)

// Stateful is a Decoder that must remember something between messages so that
// the next ones decode. Save returns nil where there is nothing; Load is given
// what Save returned, of this or an earlier version. LoadEarlier is given the
// whole state as the program wrote it before formats saved their own, and the
// topic of the source.
type Stateful interface {
	Save() ([]byte, error)
	Load(state []byte) error
	LoadEarlier(all []byte, topic string) error
}
