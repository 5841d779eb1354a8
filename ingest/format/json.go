package format

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"
	"golang.org/x/text/encoding/simplifiedchinese"

	"greencommunity/ingest"
)

const (
	// keptPayload is the largest payload that a decoder's own parser reads. A
	// parser keeps the space it took, some ten times the payload; for a larger
	// one a parser is made and forgotten.
	keptPayload = 64 << 10
	// maxValues bounds the values of a payload before they are made: each takes
	// some 150 bytes.
	maxValues = 4 * MaxReadings
)

// parseJSON parses a payload. The value is valid until the parser's next use. A member that
// an object has twice is refused to out, where that is not nil, and the last one counts.
func parseJSON(p *fastjson.Parser, payload []byte, out *Output) (*fastjson.Value, error) {
	written := payload
	payload = jsonText(payload)
	if !utf8.Valid(payload) {
		payload = repaired(payload)
	}
	if len(payload) > keptPayload {
		if n := bytes.Count(payload, []byte(",")) + bytes.Count(payload, []byte("{")) + bytes.Count(payload, []byte("[")); n > maxValues {
			return nil, ingest.Refuse(ingest.TooLarge, "more than %d values in one message", maxValues)
		}
		p = new(fastjson.Parser)
	}
	root, err := p.ParseBytes(payload)
	if err != nil {
		if plain := fromUTF16(written); plain != nil {
			payload = plain
		}
		if near := nearJSON(payload); near != nil {
			if root, err := p.ParseBytes(near); err == nil {
				once(root, out)
				return root, nil
			}
		}
		return nil, ingest.Refuse(ingest.Malformed, "not JSON: %.120s", err.Error())
	}
	once(root, out)
	return root, nil
}

// once leaves of each object's members of one name the last, as JavaScript does, and
// refuses the others. A bit of seen stands for the names that look alike, so that nearly
// always a look at each is all.
func once(v *fastjson.Value, out *Output) {
	if out == nil {
		return
	}
	switch v.Type() {
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			once(item, out)
		}
	case fastjson.TypeObject:
		var seen uint64
		alike := false
		object := v.GetObject()
		object.Visit(func(key []byte, member *fastjson.Value) {
			looks := uint64(len(key))
			if len(key) > 0 {
				looks += uint64(key[0])*7 + uint64(key[len(key)-1])*13 + uint64(key[len(key)/2])*29
			}
			bit := uint64(1) << (looks & 63)
			alike = alike || seen&bit != 0
			seen |= bit
			if t := member.Type(); t == fastjson.TypeObject || t == fastjson.TypeArray {
				once(member, out)
			}
		})
		if alike {
			leaveLast(object, out)
		}
	}
}

// leaveLast takes from an object all members but the last of their name.
func leaveLast(object *fastjson.Object, out *Output) {
	count, names := make(map[string]int, object.Len()), []string(nil)
	object.Visit(func(key []byte, _ *fastjson.Value) {
		name := string(key)
		if count[name]++; count[name] == 2 {
			names = append(names, name)
		}
	})
	for _, name := range names {
		for range count[name] - 1 {
			object.Del(name)
		}
		out.Refuse("", name, ingest.BadValue, "%.60q stands in one object more than once: the last counts", name)
	}
}

// repaired is a text that is not UTF-8 as if it were: of GBK, which Chinese
// firmware writes names in, where all of it is; else with ? for what is none. The
// structure of JSON is ASCII, so a bad byte stands inside a string, and what is
// measured is not in one.
func repaired(text []byte) []byte {
	degrees := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\xb0C"), []byte("°C")), []byte("\xb0F"), []byte("°F"))
	if utf8.Valid(degrees) { // of Latin-1
		return degrees
	}
	// Its second bytes may be \ or {: what is GBK must be read as GBK.
	if decoded, err := simplifiedchinese.GBK.NewDecoder().Bytes(text); err == nil && !bytes.Contains(decoded, []byte("\ufffd")) && json.Valid(decoded) {
		return decoded
	}
	return bytes.ToValidUTF8(text, []byte("?"))
}

// jsonText is a payload without what firmware puts around it: a byte order mark
// before, the zeroes of a buffer behind.
func jsonText(payload []byte) []byte {
	return bytes.TrimRight(bytes.TrimPrefix(payload, []byte("\ufeff")), "\x00")
}

// object parses a payload that must be a JSON object.
func parseObject(p *fastjson.Parser, payload []byte, out *Output) (*fastjson.Value, error) {
	root, err := parseJSON(p, payload, out)
	if err != nil {
		return nil, err
	}
	if root.Type() != fastjson.TypeObject {
		return nil, ingest.Refuse(ingest.Malformed, "payload is a %s; it must be an object", root.Type())
	}
	return root, nil
}

// scalar adds a value under a field's name. What is no scalar is refused; null
// is something the device has and could not measure: no value, no fault.
func (o *Output) scalar(base Sample, field string, v *fastjson.Value) {
	if len(o.Samples) > MaxReadings {
		return // refused as a whole, later
	}
	base.Field = field
	switch v.Type() {
	case fastjson.TypeTrue:
		base.Value, base.IsBool = 1, true
	case fastjson.TypeFalse:
		base.IsBool = true
	case fastjson.TypeNumber:
		f, err := v.Float64()
		if err != nil { // its text is made anew each time it is asked for
			if plus, ok := strings.CutPrefix(v.String(), "+"); ok {
				f, err = strconv.ParseFloat(plus, 64)
			}
		}
		if err != nil {
			o.Refuse(base.Device, field, ingest.BadValue, "%.60s: %.60q is not a number", field, v.String())
			return
		}
		base.Value = f
	case fastjson.TypeString:
		base.Text, base.IsText = string(v.GetStringBytes()), true
	case fastjson.TypeNull:
		return
	default:
		o.Refuse(base.Device, field, ingest.BadValue, "%.60s is a %s; a quantity is one number", field, v.Type())
		return
	}
	o.Samples = append(o.Samples, base)
}

func (o *Output) Refuse(device, field string, reason ingest.Reason, format string, args ...any) {
	if len(o.Refused) >= MaxReadings {
		return // of more values than that, none is told apart
	}
	o.Refused = append(o.Refused, FieldRefusal{Device: device, Field: field, Refusal: ingest.Refuse(reason, format, args...)})
}

// flatten adds every scalar below v under its dotted path: a.b[2].c. An object
// of a value and a time, and nothing else, is that value at that time.
func (o *Output) flatten(in *Input, base Sample, path string, v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeObject:
		of := base
		if value, ok := o.timed(in, &of, path, v); ok {
			if value != nil {
				o.flatten(in, of, path, value)
			}
			return
		}
		v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
			name := string(key)
			if path != "" {
				name = path + "." + name
			}
			o.flatten(in, base, name, member)
		})
	case fastjson.TypeArray:
		for i, item := range v.GetArray() {
			o.flatten(in, base, path+"["+strconv.Itoa(i)+"]", item)
		}
	default:
		if len(o.Samples) <= MaxReadings {
			o.scalar(base, path, v)
		}
	}
}

// What the members of an object are called that is one value with what belongs to it.
var (
	valueNames   = []string{"value", "v", "val", "data"}
	timeNames    = []string{"time", "ts", "timestamp", "t"}
	unitNames    = []string{"unit", "units", "u", "uom", "unitCode"}
	qualityNames = []string{"quality", "q"}
)

// timed reports whether v is an object of a value and what belongs to it: a time, a
// unit, a mark of quality. It sets time and unit. Where the mark is bad it
// refuses the value, and returns none.
func (o *Output) timed(in *Input, base *Sample, path string, v *fastjson.Value) (*fastjson.Value, bool) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return nil, false
	}
	object := v.GetObject()
	if object.Len() > 4 {
		return nil, false
	}
	known := 0
	member := func(names []string) *fastjson.Value {
		for _, name := range names {
			if found := object.Get(name); found != nil {
				known++
				return found
			}
		}
		return nil
	}
	value, at := member(valueNames), member(timeNames)
	if value == nil || object.Len() == 1 && object.Get("value") == nil && object.Get("v") == nil {
		return nil, false // data alone is a wrapper
	}
	if object.Len() > known {
		unit := member(unitNames)
		quality := member(qualityNames)
		if object.Len() > known || unit != nil && unit.Type() != fastjson.TypeString {
			return nil, false
		}
		if n := quality; n != nil && n.Type() == fastjson.TypeNumber && n == object.Get("q") && n.GetFloat64() != 0 && n.GetFloat64() < 24 {
			return nil, false // a reactive power, say, beside a voltage
		}
		if unit != nil {
			if name := string(unit.GetStringBytes()); ingest.KnownUnit(name) {
				base.Unit = name
			} else if code := fiwareUnit(name); ingest.KnownUnit(code) {
				base.Unit = code
			} else if name != "" {
				base.Unit = name // refused later, by its name
			}
		}
		if quality != nil {
			mark := scalarText(quality)
			if t := quality.Type(); t == fastjson.TypeTrue || t == fastjson.TypeFalse {
				mark = t.String()
			}
			if !goodQuality(mark) {
				o.Refuse(base.Device, path, ingest.BadValue, "%.60s: quality %.20s", path, mark)
				return nil, true
			}
		}
	}
	if at != nil {
		if at.Type() == fastjson.TypeNumber && at == object.Get("t") && math.Abs(at.GetFloat64()) < 1e8 {
			return nil, false // a temperature, say, beside a voltage
		}
		t, ok := jsonTime(in, at)
		if !ok {
			return nil, false
		}
		if t != 0 {
			base.Time = t
		}
	}
	return value, true
}

// text is a string member, or a number as it is written; "" if there is none.
func text(v *fastjson.Value, keys ...string) string {
	member := v.Get(keys...)
	if member == nil {
		return ""
	}
	switch member.Type() {
	case fastjson.TypeString:
		return string(member.GetStringBytes())
	case fastjson.TypeNumber:
		return member.String()
	}
	return ""
}
