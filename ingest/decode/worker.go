// Package decode says what messages mean. A decoder of package format reads the
// payload; the Worker then finds the device, the quantity, the unit and the time
// of each sample, by the inventory.
//
// Nothing here does I/O or looks at a clock: the same message decodes to the
// same readings whenever it is read from the journal.
package decode

import (
	"errors"
	"hash/maphash"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Resolver says which device a sample is of, and what its dense index is: one
// that is not known yet gets it once something of it was accepted, so that a
// message that is refused introduces none. *inventory.Registry is the one there is.
type Resolver interface {
	Resolve(src *inventory.Source, c *format.Captures, n inventory.Named) (*ingest.Device, uint32, *ingest.Refusal)
	Register(src *inventory.Source, d *ingest.Device) (*ingest.Device, uint32, *ingest.Refusal)
}

// Result holds what a message comes to. It is valid until the Worker's next
// Decode. Err, Ignored and readings exclude each other: a message is refused
// as a whole, ignored with a reason, or has readings or events.
type Result struct {
	Source   *inventory.Source
	Readings []ingest.Reading
	Events   []ingest.Event
	// Devices and EventDevices are the dense indexes of the devices of
	// Readings and Events.
	Devices, EventDevices []uint32
	// Written are the times of Readings as they were written, before those out
	// of bounds were replaced; 0 where the payload has none.
	Written []int64
	// Unmapped are there in a message refused as no_reading, too.
	Unmapped []Unmapped
	Refused  []format.FieldRefusal // single values refused in a message that is accepted
	Ignored  string
	Err      *ingest.Refusal
	// Fires says what the message tells of fire in what was refused of it.
	Fires []Fire
	// Requests are published where the message is live. Missing counts the
	// messages before this one that were lost, from the format's sequence
	// numbers. Both are set even if Err is.
	Requests []format.Request
	Missing  int
}

// Unmapped is a field whose meaning nobody has given yet, with what the message
// says of it.
type Unmapped struct {
	Device, Field, Channel string
	Value                  float64
	Text                   string // where IsText
	IsText                 bool
	Unit                   string // where the payload says it
	Time                   int64  // unix nanoseconds, as of a Reading
	TimeSource             ingest.TimeSource
	TimeReplaced           bool
	Written                int64 // the time as written
}

// Worker decodes messages by one inventory. It is used by one goroutine.
type Worker struct {
	// Explain, where set, is told which decisions were taken.
	Explain func(format string, args ...any)

	inv      *inventory.Inventory
	resolver Resolver
	decoders []format.Decoder // by Source.Index; nil until first used
	inner    map[innerKey]format.Decoder
	codecs   map[innerKey]*codec
	conv     map[unitPair]conversion

	builtin  *profiles
	provers  []prover
	profiles map[string]bool // whether a device profile is known, by its name

	innerFunc   func(base format.Sample, port int, data []byte, out *format.Output) error // decodeInner, bound once
	productFunc func(profile string, object *fastjson.Value) string                       // product, likewise

	in     format.Input
	source *inventory.Source // of the message at hand
	out    format.Output
	result Result
	key    []byte // scratch for lookups in Source.Fields

	meanings  map[meaningsKey]*meanings
	fireNames map[string]fireName

	// What the sample before meant, since most of a message are of one device.
	like struct {
		source   *inventory.Source
		origin   *ingest.Origin
		meanings *meanings
	}

	// Of the message at hand: whether any reading's time was replaced, and the
	// times of its readings as they were written.
	replaced bool
	written  []int64
	named    []named       // what its readings are of, while they are made
	points   map[point]int // of a large message, its readings; the first pointed of them
	pointed  int

	// How many readings and events the message had before its first spare sample; -1: it had none.
	firm, firmEvents int

	introduces  bool // the message at hand is of a device that is not registered
	interpreted bool // a decoder has taken the message at hand apart

	express express
	values  []float64 // of the message that is read along a layout

	// The device of the sample before, since most messages are of one device.
	last struct {
		named   inventory.Named
		dev     *ingest.Device
		index   uint32
		refusal *ingest.Refusal
		valid   bool
	}
}

type innerKey struct {
	source int
	name   string
}

// NewWorker returns a worker.
func NewWorker(inv *inventory.Inventory, resolver Resolver) *Worker {
	n := 0
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			n = max(n, s.Index+1)
		}
	}
	w := &Worker{
		inv: inv, resolver: resolver,
		decoders: make([]format.Decoder, n),
		inner:    map[innerKey]format.Decoder{},
		codecs:   map[innerKey]*codec{},
		conv:     map[unitPair]conversion{},
		builtin:  builtinProfiles,
		provers:  provers(),
		meanings: map[meaningsKey]*meanings{},
		profiles: map[string]bool{},
	}
	if versions, ok := resolver.(interface{ Version() uint64 }); ok {
		w.express = express{versions: versions, version: versions.Version(), seed: maphash.MakeSeed()}
	}
	w.innerFunc, w.productFunc = w.decodeInner, w.product
	return w
}

// maxKept sets how many elements the space of one list may have that is kept from
// message to message: what a large message took is given back.
const maxKept = 4096

// shrink gives up space that a large message took.
func (w *Worker) shrink() {
	r, out := &w.result, &w.out
	if max(cap(out.Samples), cap(out.Events), cap(out.Refused), cap(w.written)) > maxKept {
		out.Samples, out.Events, out.Refused, w.written, w.named, w.points, w.pointed = nil, nil, nil, nil, nil, nil, 0
	}
	if max(cap(r.Readings), cap(r.Events), cap(r.Unmapped), cap(r.Refused)) > maxKept {
		*r = Result{}
	}
}

// Decode says what a message comes to. It never panics: a defect in a decoder
// refuses the message as internal, and the journal keeps it for replay.
func (w *Worker) Decode(m *ingest.Message) (result *Result) {
	r := &w.result
	w.shrink()
	*r = Result{
		Readings: r.Readings[:0], Events: r.Events[:0], Devices: r.Devices[:0], EventDevices: r.EventDevices[:0],
		Unmapped: r.Unmapped[:0], Refused: r.Refused[:0], Fires: r.Fires[:0],
	}
	w.interpreted = false
	defer func() {
		if p := recover(); p != nil {
			*r = Result{Source: r.Source, Err: ingest.Refuse(ingest.Internal, "%v at %s", p, caller())}
			w.interpreted = false
			w.fires(m, r)
			result = r
		}
	}()
	if w.quick(m, r) {
		return r
	}
	if err := w.decode(m, r); err == nil {
		if r.Ignored == "" {
			w.learn(m, r)
		}
	} else {
		r.Err = ingest.AsRefusal(err)
		r.Readings, r.Events, r.Devices, r.EventDevices = r.Readings[:0], r.Events[:0], r.Devices[:0], r.EventDevices[:0]
		w.fires(m, r)
	}
	return r
}

// caller is the innermost frame of the panic that is outside the runtime.
func caller() string {
	for line := range strings.Lines(string(debug.Stack())) {
		if at, ok := strings.CutPrefix(line, "\t"); ok &&
			(strings.Contains(at, "/ingest/format/") || strings.Contains(at, "/ingest/decode/") && !strings.Contains(at, "worker.go")) {
			return strings.TrimSpace(at[strings.LastIndexByte(at, '/')+1:])
		}
	}
	return "an unknown place"
}

func (w *Worker) decode(m *ingest.Message, r *Result) error {
	if m.Erased {
		return ingest.Refuse(ingest.Erased, "erased from the journal on request")
	}
	if length, ok := strings.CutPrefix(m.Topic, longTopicPrefix); ok {
		length, _, _ = strings.Cut(length, "/")
		return ingest.Refuse(ingest.TooLarge, "topic of %.10s bytes; at most %d", length, format.MaxTopic)
	}
	if len(m.Topic) > format.MaxTopic {
		return ingest.Refuse(ingest.TooLarge, "topic of %d bytes; at most %d", len(m.Topic), format.MaxTopic)
	}
	if !utf8.ValidString(m.Topic) {
		return ingest.Refuse(ingest.Malformed, "topic is not UTF-8")
	}
	in, out := &w.in, &w.out
	*in = format.Input{Message: m, Product: w.productFunc}
	source := w.inv.Match(m.Topic, &in.Captures)
	if source == nil {
		return ingest.Refuse(ingest.UnknownTopic, "no source of the inventory matches topic %.200q", m.Topic)
	}
	in.Source, w.source, r.Source = &source.Reads, source, source
	if limit := source.Vendor.Limits.PayloadBytes; len(m.Payload) > limit {
		return ingest.Refuse(ingest.TooLarge, "payload of %d bytes; at most %d, by limits.payload_bytes of vendor %s", len(m.Payload), limit, source.Vendor.ID)
	}
	if refusal := format.WithheldNote(m.Payload); refusal != nil {
		return refusal
	}
	how := format.Formats[source.Format]
	if len(source.Ignore) > 0 && source.Ignores(m.Payload) {
		r.Ignored = "a payload the source ignores"
		return nil
	}
	if m.Retained && !how.Retained {
		r.Ignored = "retained"
		return nil
	}
	decoder, err := w.decoder(source)
	if err != nil {
		return ingest.Refuse(ingest.Internal, "format %s: %v", in.Source.Format, err)
	}
	*out = format.Output{Samples: out.Samples[:0], Events: out.Events[:0], Refused: out.Refused[:0], Explain: w.Explain}
	in.Inner = w.innerFunc
	w.last.valid = false
	if how.Application {
		in.Profile = in.Source.Profile
		if dev, _, refusal := w.device(in, inventory.Named{}); refusal == nil && dev.Profile != "" {
			in.Profile = dev.Profile
		}
	}
	if out.Explain != nil {
		out.Explain("topic matches %q of vendor %s; format %s", source.Topic, source.Vendor.ID, source.Format)
	}
	err = decoder.Decode(in, out)
	if err != nil && len(m.Payload) > 0 && ingest.AsRefusal(err).Reason == ingest.Malformed {
		if documents := format.Documents(m.Payload); documents != nil {
			err = w.each(decoder, documents)
		}
	}
	r.Requests, r.Missing = out.Requests, out.Missing
	if err != nil {
		return err
	}
	w.interpreted = true
	return w.interpret(in, out, r)
}

// each decodes a payload of several documents, as those are that a gateway has kept
// and sends at once. What of them is none is refused by itself.
func (w *Worker) each(decoder format.Decoder, documents [][]byte) error {
	if len(documents) > format.MaxReadings {
		return ingest.Refuse(ingest.TooLarge, "more than %d documents in one message", format.MaxReadings)
	}
	in, out := &w.in, &w.out
	whole := in.Message
	defer func() { in.Message = whole }()
	out.Samples, out.Events, out.Refused, out.Ignored = out.Samples[:0], out.Events[:0], out.Refused[:0], ""
	var first error
	good := 0
	for i, document := range documents {
		one := *whole
		one.Payload, in.Message = document, &one
		samples, events := len(out.Samples), len(out.Events)
		err := decoder.Decode(in, out)
		if err == nil {
			good++
			continue
		}
		r := ingest.AsRefusal(err)
		if r.Reason == ingest.TooLarge {
			return err
		}
		if first == nil {
			first = err
		}
		out.Samples, out.Events = out.Samples[:samples], out.Events[:events]
		out.Refuse("", "document "+strconv.Itoa(i+1), r.Reason, "document %d: %s", i+1, r.Detail)
	}
	if good == 0 {
		out.Refused = out.Refused[:0]
		return first
	}
	if out.Explain != nil {
		out.Explain("%d documents in one payload", len(documents))
	}
	return nil
}

// decoder is that of a source, made when first asked for.
func (w *Worker) decoder(src *inventory.Source) (format.Decoder, error) {
	if d := w.decoders[src.Index]; d != nil {
		return d, nil
	}
	how, ok := format.Formats[src.Format]
	if !ok {
		return nil, errors.New("not built in")
	}
	d, err := how.New(&src.Reads)
	if err != nil {
		return nil, err
	}
	w.decoders[src.Index] = d
	return d, nil
}

const (
	maxMeanings = 32   // of a message
	maxLists    = 4096 // profiles come from payloads
)
