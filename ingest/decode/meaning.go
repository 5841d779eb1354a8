package decode

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

type unitPair struct{ from, to string }

type conversion struct {
	ingest.Conversion
	err error
}

// interpret turns samples into readings: device, quantity, unit, range, time.
func (w *Worker) interpret(in *format.Input, out *format.Output, r *Result) error {
	r.Refused = append(r.Refused, out.Refused...)
	if len(out.Samples)+len(out.Events) > format.MaxReadings {
		return ingest.Refuse(ingest.TooLarge, "%d readings in one message; at most %d", len(out.Samples)+len(out.Events), format.MaxReadings)
	}
	w.last.valid, w.introduces = false, false
	w.replaced, w.written, w.named = false, w.written[:0], w.named[:0]
	if w.pointed > 0 {
		w.pointed = 0
		clear(w.points)
	}
	if w.source.TimeFields {
		w.fieldTimes(in, out)
	}
	w.firm = -1
	for i := range out.Samples {
		s := &out.Samples[i]
		if s.Spare && w.firm < 0 {
			w.firm, w.firmEvents = len(r.Readings), len(r.Events)
		}
		dev, index, refusal := w.device(in, namedBy(s))
		if refusal == nil {
			refusal = w.reading(in, out, i, dev, index, r)
		}
		if refusal != nil {
			if out.Explain != nil {
				out.Explain("%.60q = %.60s is refused: %v", s.Field, sentText(s), refusal)
			}
			r.Refused = append(r.Refused, format.FieldRefusal{Device: s.Device, Field: s.Field, Refusal: refusal})
			w.fireOfSample(s, dev, index, r)
		}
	}
	for i := range out.Events {
		e := &out.Events[i]
		dev, index, refusal := w.device(in, inventory.Named{Device: e.Device, Community: e.Community, Compound: e.Compound, Facility: e.Facility, Profile: e.Profile})
		if refusal == nil && !ingest.ValidName(e.Type) {
			refusal = ingest.Refuse(ingest.BadIdentifier, "event %.60q: lower-case letters, digits and _ only", e.Type)
		}
		if refusal == nil {
			refusal = validChannel(e.Channel)
		}
		if refusal != nil {
			r.Refused = append(r.Refused, format.FieldRefusal{Device: e.Device, Field: e.Type, Refusal: refusal})
			w.fireOfEvent(e, dev, index, r)
			continue
		}
		t, source, replaced := eventTime(e.Time, e.TimeSource, in.Received)
		if out.Explain != nil {
			out.Explain("event %s, by the format itself; at %s", e.Type, whoseClock(e.Time, source, replaced))
		}
		r.Events = append(r.Events, ingest.Event{Device: dev, Channel: e.Channel, Type: e.Type, Active: e.Active, Code: eventCode(e.Code), Time: t, TimeSource: source})
		r.EventDevices = append(r.EventDevices, index)
	}
	if w.introduces {
		w.register(r)
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

// namedBy returns what a sample says of its device.
func namedBy(s *format.Sample) inventory.Named {
	return inventory.Named{Device: s.Device, Community: s.Community, Compound: s.Compound, Facility: s.Facility, Profile: s.Profile}
}

// device resolves whom a sample is of, remembering the one before.
func (w *Worker) device(in *format.Input, n inventory.Named) (*ingest.Device, uint32, *ingest.Refusal) {
	l := &w.last
	if l.valid && l.named == n {
		return l.dev, l.index, l.refusal
	}
	l.named, l.valid = n, true
	l.dev, l.index, l.refusal = w.resolver.Resolve(w.source, &in.Captures, n)
	w.introduces = w.introduces || l.refusal == nil && l.index == inventory.Unregistered
	return l.dev, l.index, l.refusal
}

// register registers the new devices of which something was accepted, and
// refuses what is of one more than the vendor may introduce.
func (w *Worker) register(r *Result) {
	refused := func(device **ingest.Device, index *uint32, field string) bool {
		if *index != inventory.Unregistered {
			return false
		}
		d, i, refusal := w.resolver.Register(w.source, *device)
		if refusal != nil {
			r.Refused = append(r.Refused, format.FieldRefusal{Device: string((*device).ID), Field: field, Refusal: refusal})
			return true
		}
		*device, *index = d, i
		return false
	}
	kept := 0
	for i := range r.Readings {
		v := r.Readings[i]
		if refused(&v.Device, &r.Devices[i], v.Quantity.Name) {
			r.FireOfReading(&v, inventory.Unregistered)
			continue
		}
		r.Readings[kept], r.Devices[kept], w.written[kept] = v, r.Devices[i], w.written[i]
		kept++
	}
	r.Readings, r.Devices, w.written = r.Readings[:kept], r.Devices[:kept], w.written[:kept]
	kept = 0
	for i := range r.Events {
		e := r.Events[i]
		if refused(&e.Device, &r.EventDevices[i], e.Type) {
			r.FireOfEvent(&e, inventory.Unregistered)
			continue
		}
		r.Events[kept], r.EventDevices[kept] = e, r.EventDevices[i]
		kept++
	}
	r.Events, r.EventDevices = r.Events[:kept], r.EventDevices[:kept]
}

// reading gives one sample its meaning and appends the reading, the event or
// the unmapped field it comes to. A rule that looks at a quantity's value belongs in
// byItself as well, or native messages pass it by.
func (w *Worker) reading(in *format.Input, out *format.Output, i int, dev *ingest.Device, index uint32, r *Result) *ingest.Refusal {
	s := &out.Samples[i]
	channel, unit := s.Channel, s.Unit
	field, quantity := w.meaning(w.source, s, i, dev)
	if field != nil && field.Quantity == "battery" {
		quantity, unit = w.battery(s, dev)
	}
	if field != nil {
		switch {
		case field.Ignore, field.Time:
			if out.Explain != nil {
				out.Explain("%.60q is not wanted, by %s", s.Field, whoseField(w.source, field))
			}
			return nil
		case field.Event != "":
			if w.fieldEvent(in, out, s, field, dev, index, r) {
				return nil
			}
		}
		if field.Unit != "" && (unit == "" || !field.Builtin) {
			unit = field.Unit
		}
		if field.Channel != "" {
			channel = field.Channel
		}
	}
	if quantity == nil {
		if w.unmappedFire(in, out, s, channel, dev, index, r) {
			return nil
		}
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
	if s.Spare && w.given(r, dev, channel, quantity) {
		if out.Explain != nil {
			out.Explain("%.60q is %s, which the normalized payload gives", s.Field, quantity.Name)
		}
		return nil
	}
	if refusal := validChannel(channel); refusal != nil {
		return refusal
	}
	if s.IsText {
		written, own, refusal := w.withUnit(s, field, quantity)
		if refusal != nil {
			return refusal
		}
		if own != "" {
			s, unit = &written, own
		}
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
	if quantity.Name == "power_factor" && unit == "" && math.Abs(value) > 1 && math.Abs(value) <= 100 {
		value /= 100 // nothing else is possible than a percentage
	}
	if quantity.Kind == ingest.State && value != 0 && value != 1 && s.IsBool {
		value = 1
	}
	if refusal := quantity.Check(value); refusal != nil {
		return refusal
	}
	t, source, replaced := eventTime(s.Time, s.TimeSource, in.Received)
	reading := ingest.Reading{
		Device: dev, Channel: channel, Quantity: quantity, Value: value,
		Time: t, TimeSource: source, TimeReplaced: replaced, Estimated: s.Estimated,
	}
	switch i := w.sharedName(r, &reading); {
	case i < 0:
	case w.named[i].field != s.Field:
		return ingest.Refuse(ingest.BadValue, "%s: %.60q and %.60q are both it, with other values: give one a channel under fields, or ignore it", quantity.Name, w.named[i].field, s.Field)
	case replaced || r.Readings[i].TimeReplaced: // settleReplaced keeps the latest as written
	case source == ingest.TimeReceived: // without a time of its own, each is given one later
	default:
		r.Refused = append(r.Refused, format.FieldRefusal{Device: string(dev.ID), Field: s.Field, Refusal: ingest.Refuse(ingest.BadValue,
			"%s: %.60q is given twice at one time, %g and then %g, which counts: give each a time or a channel", quantity.Name, s.Field, r.Readings[i].Value, value)})
		if w.named[i].unit != s.Unit { // two registers, which the store cannot tell apart
			break
		}
		if out.Explain != nil {
			explainReading(w.source, out, s, field, quantity, unit, value, source, replaced)
		}
		r.FireOfReading(&r.Readings[i], r.Devices[i])
		w.written[i], r.Readings[i] = s.Time, reading
		w.levelOf(r, i)
		return nil
	}
	w.replaced = w.replaced || replaced
	w.written = append(w.written, s.Time)
	if out.Explain != nil {
		explainReading(w.source, out, s, field, quantity, unit, value, source, replaced)
	}
	w.append(r, index, named{s.Field, s.Unit}, reading)
	if quantity.Name == "fill_distance" && dev.Depth > dev.Offset {
		w.fillLevel(r, index)
	}
	return nil
}

// withUnit takes a number and its unit apart that stand in one text: "47%", "2799
// mm". Unit is "" where the text is none of that. A unit of another dimension is
// refused by name.
func (w *Worker) withUnit(s *format.Sample, field *format.Field, quantity *ingest.Quantity) (written format.Sample, unit string, refusal *ingest.Refusal) {
	if field != nil && field.Values != nil || quantity.Kind == ingest.State {
		return *s, "", nil
	}
	value, unit, ok := format.NumberAndUnit(s.Text)
	if !ok || !ingest.KnownUnit(unit) {
		return *s, "", nil
	}
	if unit != quantity.Unit {
		if _, refusal := w.conversion(unit, quantity); refusal != nil {
			return *s, "", refusal
		}
	}
	written = *s
	written.Value, written.Text, written.IsText = value, "", false
	return written, unit, nil
}

// given reports whether the message has given a quantity of a device before its
// first spare sample.
func (w *Worker) given(r *Result, dev *ingest.Device, channel string, q *ingest.Quantity) bool {
	for i := range r.Readings[:max(w.firm, 0)] {
		if v := &r.Readings[i]; v.Device.ID == dev.ID && v.Channel == channel && v.Quantity == q {
			return true
		}
	}
	return false
}

// battery says what a number is that a decoder calls battery: a percentage, volts
// or millivolts. It is nil where it may be either.
func (w *Worker) battery(s *format.Sample, dev *ingest.Device) (*ingest.Quantity, string) {
	name, unit := "", s.Unit
	value := s.Value
	if s.IsText {
		var ok bool
		if value, ok = format.ParseNumber(s.Text); !ok {
			value = -1
		}
	}
	whole := value == math.Trunc(value)
	switch {
	case s.IsBool:
	case unit == "%":
		name = "battery_level"
	case unit != "":
		name = "battery_voltage"
	case value > 5 && value <= 100 && whole, value > 30 && value <= 100:
		name, unit = "battery_level", "%"
	case value > 1.5 && value < 5 && !whole:
		name, unit = "battery_voltage", "V"
	case value >= 1800 && value <= 4500:
		name, unit = "battery_voltage", "mV"
	}
	return w.inv.Facilities.Quantity(dev.Facility, name), unit
}

// named says of a reading, while its message is made, which field it is of and which unit
// the payload gave it.
type named struct{ field, unit string }

// sharedName finds another reading of the message that is the same quantity of the same
// channel at the same time, with another value: two registers must not share a name, or
// one would overwrite the other and their difference pass for use. It is -1 where there is
// none.
func (w *Worker) sharedName(r *Result, reading *ingest.Reading) int {
	shared := func(i int) bool {
		v := &r.Readings[i]
		return v.Quantity == reading.Quantity && v.Time == reading.Time && v.Value != reading.Value && v.Channel == reading.Channel &&
			(v.Device == reading.Device || v.Device.ID == reading.Device.ID)
	}
	n := len(r.Readings)
	if n < maxMeanings {
		for i := n - 1; i >= 0; i-- {
			if shared(i) {
				return i
			}
		}
		return -1
	}
	if w.points == nil {
		w.points = map[point]int{}
	}
	for ; w.pointed < n; w.pointed++ { // of a large message: by what is one point in the store
		w.points[pointOf(&r.Readings[w.pointed])] = w.pointed
	}
	if i, ok := w.points[pointOf(reading)]; ok && shared(i) {
		return i
	}
	return -1
}

// point identifies a point of InfluxDB: two readings with the same would overwrite one
// another there.
type point struct {
	device   ingest.DeviceID
	channel  string
	quantity *ingest.Quantity
	time     int64
}

func pointOf(v *ingest.Reading) point { return point{v.Device.ID, v.Channel, v.Quantity, v.Time} }

func (w *Worker) append(r *Result, index uint32, of named, reading ingest.Reading) {
	w.named = append(w.named, of)
	r.Readings = append(r.Readings, reading)
	r.Devices = append(r.Devices, index)
}

// fillLevel derives a bin's fill level from the distance just appended.
func (w *Worker) fillLevel(r *Result, index uint32) {
	level := r.Readings[len(r.Readings)-1]
	level.Quantity = w.inv.Facilities.Quantity(level.Device.Facility, "fill_level")
	if level.Quantity == nil {
		return
	}
	w.written = append(w.written, w.written[len(w.written)-1])
	w.append(r, index, named{field: derivedLevel}, level)
	w.levelOf(r, len(r.Readings)-2)
}

// derivedLevel names the level made of a distance, no field of a payload.
const derivedLevel = "fill_level of fill_distance"

// levelOf gives the level that was derived from the i-th reading, a distance, its value.
func (w *Worker) levelOf(r *Result, i int) {
	if i+1 >= len(r.Readings) || w.named[i+1].field != derivedLevel || r.Readings[i].Quantity.Name != "fill_distance" {
		return
	}
	distance, level := &r.Readings[i], &r.Readings[i+1]
	depth, offset := distance.Device.Depth, distance.Device.Offset
	level.Value = min(max((depth-distance.Value)/(depth-offset), 0), 1)
	level.Time, level.TimeSource, level.TimeReplaced, level.Estimated = distance.Time, distance.TimeSource, distance.TimeReplaced, distance.Estimated
	w.written[i+1] = w.written[i]
}

// sampleValue is the number a sample stands for, before its unit is converted.
func sampleValue(s *format.Sample, field *format.Field, quantity *ingest.Quantity) (float64, *ingest.Refusal) {
	value, number := s.Value, !s.IsText
	if s.IsText {
		if value, number = format.ParseNumber(s.Text); !number && quantity.Kind != ingest.State {
			value, number = format.LooseNumber(s.Text)
		}
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

// meanings holds what the first samples of messages of one source, kind of
// facility and device profile were found to mean, in the order they came: the
// next message most likely says the same in the same order.
type meanings struct {
	list []meaning
}

type meaning struct {
	name, quantityName string // of the sample
	measured           bool   // the payload gives its unit
	field              *format.Field
	quantity           *ingest.Quantity
}

type meaningsKey struct {
	source            int
	facility          ingest.FacilityKind
	profile, inSample string
	product           string
}

// meaning returns what the inventory says about the i-th sample of a message, and
// the quantity it is of: nil where it is of none.
func (w *Worker) meaning(src *inventory.Source, s *format.Sample, i int, dev *ingest.Device) (*format.Field, *ingest.Quantity) {
	known := w.like.meanings
	if known == nil || src != w.like.source || dev.Origin != w.like.origin || s.Profile != "" || s.Product != "" {
		key := meaningsKey{src.Index, dev.Facility, dev.Profile, s.Profile, s.Product}
		if known = w.meanings[key]; known == nil {
			if len(w.meanings) >= maxLists {
				clear(w.meanings)
			}
			known = &meanings{}
			key.inSample, key.product = strings.Clone(key.inSample), strings.Clone(key.product)
			w.meanings[key] = known
		}
		if s.Profile == "" && s.Product == "" {
			w.like.source, w.like.origin, w.like.meanings = src, dev.Origin, known
		}
	}
	measured := s.Unit != ""
	if i < len(known.list) && known.list[i].name == s.Field && known.list[i].quantityName == s.Quantity && known.list[i].measured == measured {
		return known.list[i].field, known.list[i].quantity
	}
	field, name := w.field(src, s, dev), s.Quantity
	switch {
	case field != nil:
		name = field.Quantity
	case name == "" && s.Decoded && (s.Field == "current" || s.Field == "frequency") && s.Unit == "":
		// A or mA, Hz or a radio's band: decoders write either.
	case name == "":
		name = s.Field
	}
	var quantity *ingest.Quantity
	for rest := name; quantity == nil && rest != ""; { // of a profile: the first the kind of facility has
		name, rest, _ = strings.Cut(rest, "|")
		quantity = w.inv.Facilities.Quantity(dev.Facility, name)
	}
	if i == len(known.list) && i < maxMeanings {
		known.list = append(known.list, meaning{strings.Clone(s.Field), strings.Clone(s.Quantity), measured, field, quantity})
	}
	return field, quantity
}

// field returns what the inventory says about a sample's field, for its device
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
		for _, of := range [...]string{".value", ".data", ".v"} { // as written before objects of value and unit were one value
			w.key = append(append(w.key[:0], s.Field...), of...)
			if f, ok := src.Fields[string(w.key)]; ok {
				return f
			}
		}
	}
	if s.Quantity != "" {
		return nil
	}
	return w.builtin.field(src.Format, profile, s)
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

// validChannel refuses a channel that cannot be a tag value.
func validChannel(channel string) *ingest.Refusal {
	if channel == format.Withheld {
		return ingest.Refuse(ingest.BadIdentifier, "channel of a gate is withheld, since it may name a person: call it as doors are called, such as door2 or in_1")
	}
	if channel != "" && !ingest.ValidID(channel) {
		return ingest.Refuse(ingest.BadIdentifier, "channel %.60q: printable characters without spaces at the ends, / + # , = quotes or \\, at most 128 bytes", channel)
	}
	return nil
}

// numberText is a number as the values and codes of the inventory write it.
func numberText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
