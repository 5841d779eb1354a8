// Package decode says what messages mean. A decoder of package format reads the
// payload; the Worker then finds the device, the quantity, the unit and the time
// of each sample, by the inventory.
//
// Nothing here does I/O or looks at a clock: the same message decodes to the
// same readings whenever it is read from the journal.
package decode

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Resolver says which device a sample is of, and what its dense index is.
// *inventory.Registry is the one there is.
type Resolver interface {
	Resolve(src *inventory.Source, c *format.Captures, device, community, facility, compound, profile string) (*ingest.Device, uint32, *ingest.Refusal)
}

// Result is what a message comes to. It is valid until the Worker's next
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
	// Requests are to be published where the message is live; they go with a
	// refusal too, and so does Missing: messages before this one that have not
	// come, by the numbers of the format.
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

	builtin *profiles
	provers []prover

	innerFunc func(base format.Sample, port int, data []byte, out *format.Output) error // decodeInner, bound once

	in     format.Input
	source *inventory.Source // of the message at hand
	out    format.Output
	result Result
	key    []byte // scratch for lookups in Source.Fields

	meanings map[meaningsKey]*meanings

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

	// The device of the sample before, since most messages are of one device.
	last struct {
		device, community, facility, compound, profile string
		dev                                            *ingest.Device
		index                                          uint32
		refusal                                        *ingest.Refusal
		valid                                          bool
	}
}

type unitPair struct{ from, to string }

type conversion struct {
	ingest.Conversion
	err error
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
	}
	w.innerFunc = w.decodeInner
	return w
}

// Decode says what a message comes to. It never panics: a defect in a decoder
// refuses the message as internal, and the journal keeps it for replay.
func (w *Worker) Decode(m *ingest.Message) (result *Result) {
	r := &w.result
	*r = Result{
		Readings: r.Readings[:0], Events: r.Events[:0], Devices: r.Devices[:0], EventDevices: r.EventDevices[:0],
		Unmapped: r.Unmapped[:0], Refused: r.Refused[:0],
	}
	defer func() {
		if p := recover(); p != nil {
			*r = Result{Source: r.Source, Err: ingest.Refuse(ingest.Internal, "%v at %s", p, caller())}
			result = r
		}
	}()
	if err := w.decode(m, r); err != nil {
		r.Err = ingest.AsRefusal(err)
		r.Readings, r.Events, r.Devices, r.EventDevices = r.Readings[:0], r.Events[:0], r.Devices[:0], r.EventDevices[:0]
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
	if len(m.Topic) > format.MaxTopic {
		return ingest.Refuse(ingest.TooLarge, "topic of %d bytes; at most %d", len(m.Topic), format.MaxTopic)
	}
	if !utf8.ValidString(m.Topic) {
		return ingest.Refuse(ingest.Malformed, "topic is not UTF-8")
	}
	in, out := &w.in, &w.out
	*in = format.Input{Message: m}
	source := w.inv.Match(m.Topic, &in.Captures)
	if source == nil {
		return ingest.Refuse(ingest.UnknownTopic, "no source of the inventory matches topic %.200q", m.Topic)
	}
	in.Source, w.source, r.Source = &source.Reads, source, source
	if len(m.Payload) > format.MaxPayload {
		return ingest.Refuse(ingest.TooLarge, "payload of %d bytes; at most %d", len(m.Payload), format.MaxPayload)
	}
	how := format.Formats[source.Format]
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
		if dev, _, refusal := w.device(in, "", "", "", "", ""); refusal == nil && dev.Profile != "" {
			in.Profile = dev.Profile
		}
	}
	if out.Explain != nil {
		out.Explain("topic matches %q of vendor %s; format %s", source.Topic, source.Vendor.ID, source.Format)
	}
	err = decoder.Decode(in, out)
	r.Requests, r.Missing = out.Requests, out.Missing
	if err != nil {
		return err
	}
	return w.interpret(in, out, r)
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

// interpret turns samples into readings: device, quantity, unit, range, time.
func (w *Worker) interpret(in *format.Input, out *format.Output, r *Result) error {
	r.Refused = append(r.Refused, out.Refused...)
	if len(out.Samples)+len(out.Events) > format.MaxReadings {
		return ingest.Refuse(ingest.TooLarge, "%d readings in one message; at most %d", len(out.Samples)+len(out.Events), format.MaxReadings)
	}
	w.last.valid = false
	w.replaced, w.written = false, w.written[:0]
	if w.source.TimeFields {
		w.fieldTimes(in, out)
	}
	for i := range out.Samples {
		s := &out.Samples[i]
		dev, index, refusal := w.device(in, s.Device, s.Community, s.Facility, s.Compound, s.Profile)
		if refusal == nil {
			refusal = w.reading(in, out, i, dev, index, r)
		}
		if refusal != nil {
			if out.Explain != nil {
				out.Explain("%.60q = %.60s is refused: %v", s.Field, sentText(s), refusal)
			}
			r.Refused = append(r.Refused, format.FieldRefusal{Device: s.Device, Field: s.Field, Refusal: refusal})
		}
	}
	for i := range out.Events {
		e := &out.Events[i]
		dev, index, refusal := w.device(in, e.Device, e.Community, e.Facility, e.Compound, e.Profile)
		if refusal == nil && !ingest.ValidName(e.Type) {
			refusal = ingest.Refuse(ingest.BadIdentifier, "event %.60q: lower-case letters, digits and _ only", e.Type)
		}
		if refusal == nil {
			refusal = validChannel(e.Channel)
		}
		if refusal != nil {
			r.Refused = append(r.Refused, format.FieldRefusal{Device: e.Device, Field: e.Type, Refusal: refusal})
			continue
		}
		t, source, replaced := eventTime(e.Time, e.TimeSource, in.Received)
		if out.Explain != nil {
			out.Explain("event %s, by the format itself; at %s", e.Type, whoseClock(e.Time, source, replaced))
		}
		r.Events = append(r.Events, ingest.Event{Device: dev, Channel: e.Channel, Type: e.Type, Active: e.Active, Code: eventCode(e.Code), Time: t, TimeSource: source})
		r.EventDevices = append(r.EventDevices, index)
	}
	if w.replaced {
		w.settleReplaced(r)
	}
	r.Written = w.written
	switch {
	case len(r.Readings)+len(r.Events) > 0:
		return nil
	case len(r.Refused) > 0:
		return r.Refused[0].Refusal
	case out.Ignored != "":
		r.Ignored = out.Ignored
		return nil
	case len(r.Unmapped) > 0:
		return ingest.Refuse(ingest.NoReading, "no field has a meaning yet: %s", fieldNames(r.Unmapped))
	}
	return ingest.Refuse(ingest.NoReading, "the payload has no field with a value")
}

func fieldNames(fields []Unmapped) string {
	var names []string
	for i, f := range fields {
		if i == 8 {
			names = append(names, fmt.Sprintf("and %d more", len(fields)-i))
			break
		}
		names = append(names, fmt.Sprintf("%.60q", f.Field))
	}
	return strings.Join(names, ", ")
}

// device resolves whom a sample is of, remembering the one before.
func (w *Worker) device(in *format.Input, device, community, facility, compound, profile string) (*ingest.Device, uint32, *ingest.Refusal) {
	l := &w.last
	if l.valid && l.device == device && l.community == community && l.facility == facility && l.compound == compound && l.profile == profile {
		return l.dev, l.index, l.refusal
	}
	l.device, l.community, l.facility, l.compound, l.profile, l.valid = device, community, facility, compound, profile, true
	l.dev, l.index, l.refusal = w.resolver.Resolve(w.source, &in.Captures, device, community, facility, compound, profile)
	return l.dev, l.index, l.refusal
}

// reading gives one sample its meaning and appends the reading, the event or
// the unmapped field it comes to.
func (w *Worker) reading(in *format.Input, out *format.Output, i int, dev *ingest.Device, index uint32, r *Result) *ingest.Refusal {
	s := &out.Samples[i]
	channel, unit := s.Channel, s.Unit
	field, quantity := w.meaning(w.source, s, i, dev)
	if field != nil {
		switch {
		case field.Ignore, field.Time:
			if out.Explain != nil {
				out.Explain("%.60q is not wanted, by %s", s.Field, whoseField(w.source, field))
			}
			return nil
		case field.Event != "":
			w.fieldEvent(in, out, s, field, dev, index, r)
			return nil
		}
		if field.Unit != "" {
			unit = field.Unit
		}
		if field.Channel != "" {
			channel = field.Channel
		}
	}
	if quantity == nil {
		if out.Explain != nil {
			out.Explain("%.60q has no meaning for %s: give it one under fields", s.Field, dev.Facility)
		}
		t, source, replaced := eventTime(s.Time, s.TimeSource, in.Received)
		r.Unmapped = append(r.Unmapped, Unmapped{
			Device: string(dev.ID), Field: s.Field, Channel: channel, Value: s.Value, Text: s.Text, IsText: s.IsText, Unit: unit,
			Time: t, TimeSource: source, TimeReplaced: replaced,
			Written: s.Time,
		})
		return nil
	}
	if channel == "" {
		channel = in.Captures.Channel
	}
	if refusal := validChannel(channel); refusal != nil {
		return refusal
	}
	value, refusal := sampleValue(s, field, quantity)
	if refusal != nil {
		return refusal
	}
	if unit != "" && unit != quantity.Unit {
		c, refusal := w.conversion(unit, quantity)
		if refusal != nil {
			return refusal
		}
		value = c.Apply(value)
	}
	if quantity.Kind == ingest.State && value != 0 && value != 1 && s.IsBool {
		value = 1
	}
	if refusal := quantity.Check(value); refusal != nil {
		return refusal
	}
	t, source, replaced := eventTime(s.Time, s.TimeSource, in.Received)
	w.replaced = w.replaced || replaced
	w.written = append(w.written, s.Time)
	if out.Explain != nil {
		explainReading(w.source, out, s, field, quantity, unit, value, source, replaced)
	}
	w.append(r, index, ingest.Reading{
		Device: dev, Channel: channel, Quantity: quantity, Value: value,
		Time: t, TimeSource: source, TimeReplaced: replaced, Estimated: s.Estimated,
	})
	if quantity.Name == "fill_distance" && dev.Depth > dev.Offset {
		w.fillLevel(r, index)
	}
	return nil
}

// fieldTimes takes out the samples that are times, and gives them to the other
// samples and events of their device.
func (w *Worker) fieldTimes(in *format.Input, out *format.Output) {
	kept := out.Samples[:0]
	times := map[string]int64{}
	for i := range out.Samples {
		s := out.Samples[i]
		profile := s.Profile
		if dev, _, refusal := w.device(in, s.Device, s.Community, s.Facility, s.Compound, s.Profile); refusal == nil {
			profile = dev.Profile
		}
		field := w.field(w.source, &s, &ingest.Device{Origin: &ingest.Origin{Profile: profile}, Listing: ingest.Unlisted})
		if field == nil || !field.Time {
			kept = append(kept, s)
			continue
		}
		t, ok := int64(0), false
		if s.IsText {
			t, ok = format.ParseTime(s.Text, in.Zone())
		} else {
			t, ok = format.TimeOfNumber(s.Value)
		}
		if !ok {
			out.Refuse(s.Device, s.Field, ingest.BadValue, "%.60s is no time", s.Field)
			continue
		}
		if out.Explain != nil {
			out.Explain("time from field %q", s.Field)
		}
		times[s.Device] = t
	}
	out.Samples = kept
	for i := range out.Samples {
		if t, ok := times[out.Samples[i].Device]; ok {
			out.Samples[i].Time, out.Samples[i].TimeSource = t, ingest.TimeDevice
		}
	}
	for i := range out.Events {
		if t, ok := times[out.Events[i].Device]; ok {
			out.Events[i].Time, out.Events[i].TimeSource = t, ingest.TimeDevice
		}
	}
}

func (w *Worker) append(r *Result, index uint32, reading ingest.Reading) {
	r.Readings = append(r.Readings, reading)
	r.Devices = append(r.Devices, index)
}

// explainReading says how a reading came to be: which field, by whose word,
// which unit, and whose clock.
func explainReading(src *inventory.Source, out *format.Output, s *format.Sample, field *format.Field, q *ingest.Quantity, unit string, value float64, source ingest.TimeSource, replaced bool) {
	by := "its canonical name"
	switch {
	case field != nil:
		by = whoseField(src, field)
	case s.Quantity != "":
		by = "the format itself"
	}
	sent := sentText(s)
	if unit != "" && unit != q.Unit {
		sent += " " + unit
	}
	out.Explain("%.60q = %.60s is %s = %.10g %s, by %s; at %s", s.Field, sent, q.Name, value, q.Unit, by, whoseClock(s.Time, source, replaced))
}

// whoseField says where a field's meaning is from.
func whoseField(src *inventory.Source, field *format.Field) string {
	for _, f := range src.Fields {
		if f == field {
			return "fields of the source"
		}
	}
	return "the profile built in for the format or product"
}

// sentText is a value as it was sent.
func sentText(s *format.Sample) string {
	switch {
	case s.IsText:
		return strconv.Quote(s.Text)
	case s.IsBool:
		return boolText(s.Value != 0)
	}
	return numberText(s.Value)
}

func whoseClock(written int64, source ingest.TimeSource, replaced bool) string {
	switch {
	case replaced:
		return "the time received, as " + time.Unix(0, written).UTC().Format(time.RFC3339) + " is out of bounds"
	case source == ingest.TimeDevice:
		return "the device's time"
	case source == ingest.TimeGateway:
		return "the gateway's or network's time"
	}
	return "the time received, as the payload has none"
}

// settleReplaced keeps one reading of those that the time received has made one
// point: the one with a time of its own within the bounds or without any, else
// the latest as written. History with a broken clock must not pass for now.
func (w *Worker) settleReplaced(r *Result) {
	type point struct {
		device  uint32
		channel string
		q       *ingest.Quantity
		time    int64
	}
	// rank orders the readings of one point: a replaced one by its time.
	rank := func(i int) int64 {
		if !r.Readings[i].TimeReplaced {
			return math.MaxInt64
		}
		return w.written[i]
	}
	best := map[point]int{}
	for i := range r.Readings {
		v := &r.Readings[i]
		key := point{r.Devices[i], v.Channel, v.Quantity, v.Time}
		if other, ok := best[key]; !ok || rank(i) >= rank(other) {
			best[key] = i
		}
	}
	kept := 0
	for i := range r.Readings {
		v := r.Readings[i]
		if v.TimeReplaced && best[point{r.Devices[i], v.Channel, v.Quantity, v.Time}] != i {
			r.Refused = append(r.Refused, format.FieldRefusal{Device: string(v.Device.ID), Field: v.Quantity.Name,
				Refusal: ingest.Refuse(ingest.OutOfRange, "%s: its time is out of bounds, and the message has a later one", v.Quantity.Name)})
			continue
		}
		r.Readings[kept], r.Devices[kept], w.written[kept] = v, r.Devices[i], w.written[i]
		kept++
	}
	r.Readings, r.Devices, w.written = r.Readings[:kept], r.Devices[:kept], w.written[:kept]
}

// fillLevel derives a bin's fill level from the distance just appended.
func (w *Worker) fillLevel(r *Result, index uint32) {
	level := r.Readings[len(r.Readings)-1]
	level.Quantity = w.inv.Facilities.Quantity(level.Device.Facility, "fill_level")
	if level.Quantity == nil {
		return
	}
	depth, offset := level.Device.Depth, level.Device.Offset
	level.Value = min(max((depth-level.Value)/(depth-offset), 0), 1)
	w.written = append(w.written, w.written[len(w.written)-1])
	w.append(r, index, level)
}

// sampleValue is the number a sample stands for, before its unit is converted.
func sampleValue(s *format.Sample, field *format.Field, quantity *ingest.Quantity) (float64, *ingest.Refusal) {
	value, number := s.Value, !s.IsText
	if s.IsText {
		value, number = format.ParseNumber(s.Text)
	}
	if field != nil {
		if field.Values != nil {
			text := s.Text
			switch {
			case s.IsBool:
				text = boolText(s.Value != 0)
			case !s.IsText:
				text = numberText(s.Value)
			}
			if v, ok := field.Values[text]; ok {
				return v, nil
			}
			if !number {
				return 0, ingest.Refuse(ingest.BadValue, "%.60s: %.60q is none of the values the inventory lists", s.Field, s.Text)
			}
		}
		for _, invalid := range field.Invalid {
			if number && value == invalid {
				return 0, ingest.Refuse(ingest.BadValue, "%.60s: %g means no value", s.Field, value)
			}
		}
		if number && field.Scale != 0 {
			value *= field.Scale
		}
		value += field.Add
	}
	if !number {
		if state, ok := stateOf(s.Text); ok && quantity.Kind == ingest.State {
			return state, nil
		}
		return 0, ingest.Refuse(ingest.BadValue, "%.60s: %.60q is not a number", s.Field, s.Text)
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, ingest.Refuse(ingest.BadValue, "%.60s: not a finite number", s.Field)
	}
	return value, nil
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// stateOf reads the words vendors use for states.
func stateOf(text string) (float64, bool) {
	switch strings.ToLower(text) {
	case "on", "true", "open", "opened", "yes", "开", "是":
		return 1, true
	case "off", "false", "closed", "close", "no", "关", "否":
		return 0, true
	}
	return 0, false
}

// alarming are the values at which a field that is an event is active.
var alarming = []string{"true", "1", "on", "yes", "alarm"}

// fieldEvent makes an event of a field, where the inventory says it is one.
func (w *Worker) fieldEvent(in *format.Input, out *format.Output, s *format.Sample, field *format.Field, dev *ingest.Device, index uint32, r *Result) {
	text := s.Text
	switch {
	case s.IsBool:
		text = boolText(s.Value != 0)
	case !s.IsText:
		text = numberText(s.Value)
	}
	when := field.When
	if len(when) == 0 {
		when = alarming
	}
	active := false
	for _, v := range when {
		active = active || strings.EqualFold(v, text)
	}
	if out.Explain != nil {
		verdict := "is event " + field.Event
		switch {
		case !active && field.Clears:
			verdict = "ends event " + field.Event
		case !active:
			verdict = "is no event " + field.Event
		}
		out.Explain("%.60q = %.60s %s, by %s", s.Field, sentText(s), verdict, whoseField(w.source, field))
	}
	if !active && !field.Clears {
		return
	}
	channel := s.Channel
	if field.Channel != "" {
		channel = field.Channel
	}
	t, source, _ := eventTime(s.Time, s.TimeSource, in.Received)
	r.Events = append(r.Events, ingest.Event{Device: dev, Channel: channel, Type: field.Event, Active: active, Code: eventCode(text), Time: t, TimeSource: source})
	r.EventDevices = append(r.EventDevices, index)
}

// maxCode is the length of an event's code, in bytes.
const maxCode = 64

// eventCode is what is kept of a code: it is for people, and comes from outside.
func eventCode(code string) string {
	plain := true
	for _, c := range []byte(code) {
		plain = plain && c >= ' ' && c <= '~'
	}
	if plain && len(code) <= maxCode {
		return code
	}
	var b strings.Builder
	for _, r := range code {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > maxCode {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// meanings is what the first samples of messages of one source, kind of
// facility and device profile were found to mean, in the order they came: the
// next message most likely says the same in the same order.
type meanings struct {
	list []meaning
}

type meaning struct {
	name, quantityName string // of the sample
	field              *format.Field
	quantity           *ingest.Quantity
}

type meaningsKey struct {
	source            int
	facility          ingest.FacilityKind
	profile, inSample string
}

const (
	maxMeanings = 32   // of a message
	maxLists    = 4096 // profiles come from payloads
)

// meaning is what the inventory says about the i-th sample of a message, and
// the quantity it is of: nil where it is of none.
func (w *Worker) meaning(src *inventory.Source, s *format.Sample, i int, dev *ingest.Device) (*format.Field, *ingest.Quantity) {
	known := w.like.meanings
	if known == nil || src != w.like.source || dev.Origin != w.like.origin || s.Profile != "" {
		key := meaningsKey{src.Index, dev.Facility, dev.Profile, s.Profile}
		if known = w.meanings[key]; known == nil {
			if len(w.meanings) >= maxLists {
				clear(w.meanings)
			}
			known = &meanings{}
			key.inSample = strings.Clone(key.inSample)
			w.meanings[key] = known
		}
		if s.Profile == "" {
			w.like.source, w.like.origin, w.like.meanings = src, dev.Origin, known
		}
	}
	if i < len(known.list) && known.list[i].name == s.Field && known.list[i].quantityName == s.Quantity {
		return known.list[i].field, known.list[i].quantity
	}
	field, name := w.field(src, s, dev), s.Quantity
	switch {
	case field != nil:
		name = field.Quantity
	case name == "":
		name = s.Field
	}
	quantity := w.inv.Facilities.Quantity(dev.Facility, name)
	if i == len(known.list) && i < maxMeanings {
		known.list = append(known.list, meaning{strings.Clone(s.Field), strings.Clone(s.Quantity), field, quantity})
	}
	return field, quantity
}

// field is what the inventory says about a sample's field, for its device
// profile or for any; nil where it says nothing.
func (w *Worker) field(src *inventory.Source, s *format.Sample, dev *ingest.Device) *format.Field {
	profile := dev.Profile
	if profile == "" {
		profile = s.Profile
	}
	if profile == "" {
		profile = src.Profile
	}
	if len(src.Fields) > 0 {
		if profile != "" {
			w.key = append(append(append(w.key[:0], profile...), ':'), s.Field...)
			if f, ok := src.Fields[string(w.key)]; ok {
				return f
			}
		}
		if f, ok := src.Fields[s.Field]; ok {
			return f
		}
	}
	if s.Quantity != "" {
		return nil
	}
	return w.builtin.field(src.Format, profile, s.Field)
}

func (w *Worker) conversion(unit string, q *ingest.Quantity) (ingest.Conversion, *ingest.Refusal) {
	pair := unitPair{unit, q.Unit}
	c, ok := w.conv[pair]
	if !ok {
		c.Conversion, c.err = ingest.NewConversion(unit, q.Unit)
		if len(w.conv) < 1024 { // units come from payloads too
			w.conv[unitPair{strings.Clone(unit), q.Unit}] = c
		}
	}
	if c.err != nil {
		return c.Conversion, ingest.Refuse(ingest.BadUnit, "%s: %v", q.Name, c.err)
	}
	return c.Conversion, nil
}

// eventTime applies the clock bounds, and truncates to the millisecond points
// are stored with.
func eventTime(t int64, source ingest.TimeSource, received int64) (int64, ingest.TimeSource, bool) {
	replaced := false
	if t == 0 || source == ingest.TimeReceived {
		t, source = received, ingest.TimeReceived
	} else if t < received-int64(ingest.MaxAge) || t > received+int64(ingest.MaxAhead) {
		t, source, replaced = received, ingest.TimeReceived, true
	}
	return t - t%int64(time.Millisecond), source, replaced
}

// validChannel refuses a channel that cannot be a tag value.
func validChannel(channel string) *ingest.Refusal {
	if channel != "" && !ingest.ValidID(channel) {
		return ingest.Refuse(ingest.BadIdentifier, "channel %.60q: printable characters without spaces at the ends, / + # , = quotes or \\, at most 128 bytes", channel)
	}
	return nil
}

// numberText is a number as the values and codes of the inventory write it.
func numberText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
