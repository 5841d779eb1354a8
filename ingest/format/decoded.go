package format

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// What a decoder made of a device's bytes is read by one set of rules, whoever
// ran it: a network server (ChirpStack's object, The Things Stack's
// decoded_payload and normalized_payload) or this program.
//
//   - An object of a value and a unit is one number in that unit, under the name
//     outside. One that also names what it measures, in a list of such, is that.
//   - A list of objects with a time each is history: each is read as the whole
//     object is, at its own time, whatever the list is called.
//   - A number is a time only if it may be one; else it is a field like others.
//
// The samples are marked Decoded: their names are those of decoders, which
// package decode knows the common ones of.

// Names of members, folded: see Fold.
var (
	clockNames   = []string{"timestamp", "time", "ts", "datetime", "timestamputc", "utctime", "date", "deviceunixepoch", "isotime", "unixtime", "frameunixtime", "frameisotime"}
	plainNames   = []string{"value", "v", "val", "data", "scaledvalue"}
	measureNames = []string{"unit", "units"}
	labelNames   = []string{"displayname", "label", "precision", "description"}
	namingNames  = []string{"variable", "name", "type", "desc", "quantity", "parameter", "viftype", "consumptiontype", "measurement", "label"}
)

// volumes are the units of water in frames of meters that do not name what they measure.
var volumes = []string{"l", "L", "m3"}

// Fold is a name without what decoders vary in it: capitals, _ and -, spaces.
func Fold(name string) string {
	plain := true
	for i := 0; i < len(name); i++ {
		c := name[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.')
	}
	if plain {
		return name
	}
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// decodedWalk reads one decoder's result.
type decodedWalk struct {
	in  *Input
	out *Output
}

// failed returns what a decoder's result says went wrong, where it says nothing else.
func failed(object *fastjson.Value) string {
	told, other := "", false
	object.GetObject().Visit(func(name []byte, v *fastjson.Value) {
		switch string(name) {
		case "errors":
			if list := v.GetArray(); len(list) > 0 {
				told = list[0].String()
			} else if v.Type() == fastjson.TypeString {
				told = v.String()
			}
		case "warnings":
		default:
			other = true
		}
	})
	if other {
		return ""
	}
	return told
}

// decodedObject reads what a network server's decoder made of the bytes. Some
// return their whole result: data beside warnings and errors.
func decodedObject(in *Input, base Sample, object *fastjson.Value, out *Output) error {
	if told := failed(object); told != "" {
		return ingest.Refuse(ingest.CodecFailed, "the network server's decoder says %.160s", told)
	}
	if inner := object.Get("data"); inner != nil && inner.Type() == fastjson.TypeObject {
		envelope := true
		object.GetObject().Visit(func(name []byte, v *fastjson.Value) {
			switch string(name) {
			case "data":
			case "warnings", "errors":
				out.Explainf("the network server's decoder says %s: %s", name, v)
			default:
				envelope = false
			}
		})
		if envelope {
			object = inner
		}
	}
	Decoded(in, base, object, out)
	return nil
}

// Decoded reads what a decoder made of the bytes: an object, or a list of
// records. It adds nothing to base but what the object itself says.
func Decoded(in *Input, base Sample, v *fastjson.Value, out *Output) {
	w := &decodedWalk{in, out}
	base.Decoded = true
	records := []*fastjson.Value{v}
	if v.Type() == fastjson.TypeArray {
		records = v.GetArray()
	}
	for _, record := range records {
		if record.Type() != fastjson.TypeObject {
			w.add(base, "", record, 0)
			continue
		}
		of := base
		if in.Product != nil {
			of.Product = in.Product(base.Profile, record)
		}
		rest := w.clock(&of, record, len(records) == 1)
		w.members(of, "", record, rest, 0)
	}
}

// normalized reads a list of measurements in the schema of The Things Network,
// and returns the time of the first that has one, as base.
func (w *decodedWalk) normalized(base Sample, v *fastjson.Value) Sample {
	base.Decoded, base.Normalized = true, true
	first := base
	list := []*fastjson.Value{v}
	if v.Type() == fastjson.TypeArray {
		list = v.GetArray()
	}
	for _, measurement := range list {
		if measurement.Type() != fastjson.TypeObject {
			continue
		}
		of := base
		rest := w.clock(&of, measurement, false)
		if first.TimeSource != ingest.TimeDevice && of.TimeSource == ingest.TimeDevice {
			first.Time, first.TimeSource = of.Time, of.TimeSource
		}
		w.members(of, "", measurement, rest, 0)
	}
	return first
}

// Normalized reads what a decoder's normalizeUplink made of its result.
func Normalized(in *Input, base Sample, v *fastjson.Value, out *Output) {
	(&decodedWalk{in, out}).normalized(base, v)
}

// clock takes the time of a record from it, and returns the name of the member
// that held it. That of the message as a whole must be near the time received:
// a clock that is far off is worse than the network's.
func (w *decodedWalk) clock(base *Sample, v *fastjson.Value, whole bool) (name string) {
	best := len(clockNames)
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		rank := slices.Index(clockNames, Fold(string(key)))
		if rank < 0 || rank >= best {
			return
		}
		t, ok := w.moment(member, whole)
		if ok {
			best, name = rank, string(key)
			base.Time, base.TimeSource = t, ingest.TimeDevice
		}
	})
	if name != "" {
		w.out.Explainf("time from %q of the decoder's result", name)
	}
	return name
}

// moment is the time a value is: text, or a number that may be of this century.
func (w *decodedWalk) moment(v *fastjson.Value, whole bool) (int64, bool) {
	var t int64
	var ok bool
	switch v.Type() {
	case fastjson.TypeNumber:
		n := v.GetFloat64()
		if n < 946684800 { // the year 2000: minutes, counts
			return 0, false
		}
		t, ok = TimeOfNumber(n)
	case fastjson.TypeString:
		text := string(v.GetStringBytes())
		if _, number := ParseNumber(text); number || whole && !hasZone(text) {
			return 0, false
		}
		t, ok = ParseTime(text, w.in.Zone())
	}
	if !ok || whole && w.in.Message != nil && (t < w.in.Received-int64(ingest.MaxAge) || t > w.in.Received+int64(ingest.MaxAhead)) {
		return 0, false
	}
	return t, true
}

// hasZone reports whether a text that is a time says of which zone.
func hasZone(text string) bool {
	if strings.HasSuffix(text, "Z") {
		return true
	}
	_, clock, ok := strings.Cut(text, ":")
	return ok && strings.ContainsAny(clock, "+-")
}

// members adds the members of an object, but for one.
func (w *decodedWalk) members(base Sample, path string, v *fastjson.Value, but string, depth int) {
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		if name := string(key); name != but || but == "" {
			w.add(base, inside(path, name), member, depth+1)
		}
	})
}

func inside(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (w *decodedWalk) add(base Sample, path string, v *fastjson.Value, depth int) {
	if len(w.out.Samples) > MaxReadings || depth > 32 {
		return
	}
	switch v.Type() {
	case fastjson.TypeObject:
		of := base
		if value, ok := w.measured(&of, v); ok {
			w.scalar(of, path, value)
			return
		}
		if name, value, ok := w.named(&of, v); ok && of.Unit != "" {
			clock := w.clock(&base, v, false)
			of.Time, of.TimeSource = base.Time, base.TimeSource
			w.scalar(of, inside(outside(path), name), value)
			w.others(base, path, v, value, clock, depth)
			return
		}
		if w.listed(base, path, v, depth) {
			return
		}
		w.members(base, path, v, "", depth)
	case fastjson.TypeArray:
		for i, item := range v.GetArray() {
			w.element(base, path, i, item, depth)
		}
	default:
		w.scalar(base, path, v)
	}
}

// listed adds the values of an object that has one unit for a list of them, as a meter's
// register with what it was before, and reports whether it is one. Their names end in the
// unit, values.Wh[0], as such a register may be of anything. Where the object says that
// its data are not valid, they are refused.
func (w *decodedWalk) listed(base Sample, path string, v *fastjson.Value, depth int) bool {
	values, unit := v.GetArray("values"), measure(string(v.GetStringBytes("unit")))
	if len(values) == 0 || unit == "" || slices.ContainsFunc(values, func(v *fastjson.Value) bool { return v.Type() != fastjson.TypeNumber }) {
		return false
	}
	if register := text(v, "filterId"); ingest.ValidID(register) {
		base.Channel = register
	}
	valid := true
	for _, name := range []string{"valid", "dataValid", "data_valid"} {
		if mark := v.Get(name); mark != nil && mark.Type() == fastjson.TypeFalse {
			valid = false
		}
	}
	name := inside(path, "values."+unit)
	if !valid {
		w.out.Refuse(base.Device, name, ingest.BadValue, "%.60s: the decoder says its data are not valid", name)
		return true
	}
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		switch string(key) {
		case "unit", "valid", "dataValid", "data_valid", "filterId":
		case "values":
			for i, value := range values {
				of := base
				if ingest.KnownUnit(unit) {
					of.Unit = unit
				}
				w.scalar(of, name+"["+strconv.Itoa(i)+"]", value)
			}
		default:
			w.add(base, inside(path, string(key)), member, depth+1)
		}
	})
	return true
}

// scalar adds a value. Text of a number and a unit is that number in that unit.
func (w *decodedWalk) scalar(base Sample, path string, v *fastjson.Value) {
	if v.Type() == fastjson.TypeString && base.Unit == "" && len(w.out.Samples) <= MaxReadings {
		written := strings.TrimSpace(string(v.GetStringBytes()))
		end := strings.LastIndexAny(written, "0123456789") + 1
		if unit := measure(written[end:]); unit != "" && ingest.KnownUnit(unit) {
			if value, ok := ParseNumber(written[:end]); ok {
				base.Field, base.Value, base.Unit = path, value, unit
				w.out.Samples = append(w.out.Samples, base)
				return
			}
		}
	}
	w.out.scalar(base, path, v)
}

// element adds an element of a list.
func (w *decodedWalk) element(base Sample, path string, i int, v *fastjson.Value, depth int) {
	indexed := path + "[" + strconv.Itoa(i) + "]"
	if v.Type() != fastjson.TypeObject {
		w.add(base, indexed, v, depth+1)
		return
	}
	if address := text(v, "address"); ingest.ValidID(address) && base.Channel == "" {
		of, before := base, len(w.out.Samples)+len(w.out.Refused)
		of.Channel = address
		if w.members(of, indexed, v, "address", depth); len(w.out.Samples)+len(w.out.Refused) == before { // of nothing
			w.add(base, indexed, v, depth+1)
		}
		return
	}
	clock := w.clock(&base, v, false)
	of := base
	if name, value, ok := w.named(&of, v); ok {
		w.scalar(of, inside(outside(path), name), value)
		w.others(base, indexed, v, value, clock, depth)
		return
	}
	if clock == "" {
		w.add(base, indexed, v, depth+1)
		return
	}
	if members := v.GetObject(); members.Len() == 2 { // {time, value}
		for _, name := range plainNames {
			if value := members.Get(name); value != nil {
				w.add(base, path, value, depth+1)
				return
			}
		}
	}
	w.members(base, outside(path), v, clock, depth)
}

// others adds what a named element has beside name, value, unit and the member clock,
// its time.
func (w *decodedWalk) others(base Sample, path string, v, value *fastjson.Value, clock string, depth int) {
	named := false
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		folded := Fold(string(key))
		text := member.Type() == fastjson.TypeString
		switch {
		case member == value, string(key) == clock && clock != "":
		case worded(member) && (slices.Contains(measureNames, folded) || slices.Contains(labelNames, folded)):
		case text && !named && slices.Contains(namingNames, folded):
			named = true
		default:
			w.add(base, inside(path, string(key)), member, depth+1)
		}
	})
}

// outside is the path of what a list is a member of.
func outside(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}

// worded reports whether a member may describe a value: text, or nothing.
func worded(v *fastjson.Value) bool {
	return v.Type() == fastjson.TypeString || v.Type() == fastjson.TypeNull
}

// measured reports whether an object is one value, with its unit or a label or
// nothing beside it, and sets unit and time.
func (w *decodedWalk) measured(base *Sample, v *fastjson.Value) (*fastjson.Value, bool) {
	var value, unit, at *fastjson.Value
	others, list := false, false
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		switch name := Fold(string(key)); {
		case slices.Contains(plainNames, name) && value == nil && single(member) != nil:
			value, list = single(member), member.Type() == fastjson.TypeArray
		case slices.Contains(measureNames, name) && unit == nil && worded(member):
			unit = member
		case slices.Contains(clockNames, name) && at == nil:
			at = member
		case slices.Contains(labelNames, name) && worded(member):
		default:
			others = true
		}
	})
	if value == nil || others || list && unit == nil {
		return nil, false
	}
	if at != nil {
		t, ok := w.moment(at, false)
		if !ok {
			return nil, false
		}
		base.Time, base.TimeSource = t, ingest.TimeDevice
	}
	if unit != nil {
		base.Unit = measure(string(unit.GetStringBytes()))
	}
	return value, true
}

// single is a value, or the one value of a list; nil where v is none.
func single(v *fastjson.Value) *fastjson.Value {
	if list := v.GetArray(); len(list) == 1 {
		v = list[0]
	}
	if v.Type() == fastjson.TypeObject || v.Type() == fastjson.TypeArray {
		return nil
	}
	return v
}

// named reports whether an element says by a member what it measures: Type:
// Volume, Value: 0.003, Unit: m3.
func (w *decodedWalk) named(base *Sample, v *fastjson.Value) (name string, value *fastjson.Value, ok bool) {
	best, valued, unit, which := len(namingNames), len(plainNames), "", ""
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		folded := Fold(string(key))
		if rank := slices.Index(namingNames, folded); rank >= 0 && rank < best && member.Type() == fastjson.TypeString {
			best, name = rank, string(member.GetStringBytes())
		}
		if rank := slices.Index(plainNames, folded); rank >= 0 && member.Type() != fastjson.TypeObject && member.Type() != fastjson.TypeArray &&
			(value == nil || folded == "scaledvalue" || valued != slices.Index(plainNames, "scaledvalue") && rank < valued) {
			valued, value = rank, member
		}
		if slices.Contains(measureNames, folded) {
			unit = string(member.GetStringBytes())
		}
		// Of a meter: the register now is storage 0, the total is tariff 0.
		if (folded == "storage" || folded == "tariff") && member.Type() == fastjson.TypeNumber && member.GetFloat64() != 0 {
			which += folded[:1] + member.String()
		}
	})
	if which != "" && ingest.ValidID(which) {
		base.Channel = which
	}
	if name == "" && unit != "" && slices.Contains(volumes, measure(unit)) {
		name = "volume"
	}
	if name == "" || value == nil || value.Type() == fastjson.TypeNull {
		return "", nil, false
	}
	if valued != slices.Index(plainNames, "scaledvalue") { // that is in the unit the name implies
		base.Unit = measure(unit)
	}
	return name, value, true
}

// measure is a unit as ingest knows it, as far as decoders write it otherwise.
func measure(unit string) string {
	unit = strings.TrimSpace(unit)
	switch unit {
	case "m^3", "M3", "m3", "㎥":
		return "m3"
	case "°C", "C":
		return "Cel"
	case "m^3/h":
		return "m3/h"
	case "percent":
		return "%"
	case "string", "NA", "None", "none", "-":
		return "" // no number
	case "seconds", "sec":
		return "s"
	case "minutes":
		return "min"
	}
	return unit
}

// FromDecoder returns what a decoder that was run here returned, as JSON: the rules
// are the same for it. The value is valid until the arena is reset.
func FromDecoder(arena *fastjson.Arena, v any) *fastjson.Value {
	switch v := v.(type) {
	case nil:
		return arena.NewNull()
	case bool:
		if v {
			return arena.NewTrue()
		}
		return arena.NewFalse()
	case int64:
		if v > -1<<53 && v < 1<<53 {
			return arena.NewNumberString(strconv.FormatInt(v, 10))
		}
		return arena.NewNumberFloat64(float64(v))
	case float64:
		if math.IsNaN(v) {
			return arena.NewNumberString("nan")
		}
		if math.IsInf(v, 0) {
			return arena.NewNumberString("inf")
		}
		return arena.NewNumberFloat64(v)
	case string:
		return arena.NewString(v)
	case time.Time:
		return arena.NewString(v.UTC().Format(time.RFC3339Nano))
	case []any:
		list := arena.NewArray()
		for i, item := range v {
			list.SetArrayItem(i, FromDecoder(arena, item))
		}
		return list
	case map[string]any:
		object := arena.NewObject()
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			object.Set(name, FromDecoder(arena, v[name]))
		}
		return object
	}
	return arena.NewNull() // a buffer: bytes, no reading
}
