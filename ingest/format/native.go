package format

import (
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// native reads our own format: an object, or an array of objects, whose
// members are quantities by their canonical names in canonical units, beside
// "time", "channel", and "event" with "active" and "code".
//
// A deposit's "household" is replaced by a number of the day before anything is kept
// (decode.Households), which becomes the event's code.
type native struct {
	parser fastjson.Parser
	names  map[string]string // every quantity's name, so that none is allocated a message
	seen   []string          // members of the object at hand
}

func newNative(*Source) (Decoder, error) {
	return &native{names: map[string]string{}}, nil
}

func (d *native) Decode(in *Input, out *Output) error {
	root, err := parseJSON(&d.parser, in.Payload, nil) // a member twice is refused below
	if err != nil {
		return err
	}
	switch root.Type() {
	case fastjson.TypeObject:
		return d.object(in, root.GetObject(), out)
	case fastjson.TypeArray:
		items := root.GetArray()
		if len(items) > MaxReadings {
			return ingest.Refuse(ingest.TooLarge, "array of %d objects; at most %d", len(items), MaxReadings)
		}
		for i, item := range items {
			object, err := item.Object()
			if err != nil {
				return ingest.Refuse(ingest.Malformed, "element %d of the array is not an object", i)
			}
			if err := d.object(in, object, out); err != nil {
				return err
			}
		}
		if len(items) == 0 {
			return ingest.Refuse(ingest.NoReading, "the array is empty")
		}
		return nil
	}
	return ingest.Refuse(ingest.Malformed, "payload is a %s; it must be an object or an array of objects", root.Type())
}

func (d *native) object(in *Input, object *fastjson.Object, out *Output) (err error) {
	first, firstEvent := len(out.Samples), len(out.Events)
	var at int64
	var channel string
	event := Event{Active: true}
	d.seen = d.seen[:0]
	object.Visit(func(key []byte, v *fastjson.Value) {
		if err != nil {
			return
		}
		name := d.name(key)
		for _, s := range d.seen {
			if s == name {
				err = ingest.Refuse(ingest.Malformed, "member %.60q appears twice", name)
				return
			}
		}
		if len(d.seen) < 256 { // an object with more members has no readings of ours to confuse
			d.seen = append(d.seen, name)
		}
		switch name {
		case "time":
			var ok bool
			if at, ok = jsonTime(in, v); !ok {
				err = ingest.Refuse(ingest.Malformed, "time: %.60q is no time; use RFC 3339, or epoch in s, ms, µs or ns", v.String())
			}
		case "channel":
			switch v.Type() {
			case fastjson.TypeString:
				channel = string(v.GetStringBytes())
			case fastjson.TypeNumber:
				channel = v.String()
			default:
				err = ingest.Refuse(ingest.Malformed, "channel is a %s; use a string", v.Type())
			}
		case "event":
			if v.Type() != fastjson.TypeString {
				err = ingest.Refuse(ingest.Malformed, "event is a %s; use a string such as \"door_forced\"", v.Type())
				return
			}
			event.Type = string(v.GetStringBytes())
		case "active":
			switch v.Type() {
			case fastjson.TypeTrue, fastjson.TypeFalse:
				event.Active = v.GetBool()
			case fastjson.TypeNumber:
				event.Active = v.GetFloat64() != 0
			default:
				err = ingest.Refuse(ingest.Malformed, "active is a %s; use true or false", v.Type())
			}
		case "code":
			if v.Type() == fastjson.TypeString {
				event.Code = string(v.GetStringBytes())
			} else {
				event.Code = v.String()
			}
		case HouseholdMember:
			if text := string(v.GetStringBytes()); Household(text) {
				event.Code = text
			} // else it is left out: whose deposit it is is nobody's business
		default:
			out.scalar(Sample{}, name, v)
		}
	})
	if err != nil {
		return err
	}
	if event.Type != "" {
		out.Events = append(out.Events, event)
	}
	for i := first; i < len(out.Samples); i++ {
		out.Samples[i].Time, out.Samples[i].Channel = at, channel
	}
	for i := firstEvent; i < len(out.Events); i++ {
		out.Events[i].Time, out.Events[i].Channel = at, channel
	}
	return nil
}

// name returns a member's name without allocating for those seen before.
func (d *native) name(key []byte) string {
	if name, ok := d.names[string(key)]; ok {
		return name
	}
	name := string(key)
	if len(d.names) < 1024 && len(name) <= 64 { // names come from outside
		d.names[name] = name
	}
	return name
}

// jsonTime reads a time that is a number (by magnitude) or text.
func jsonTime(in *Input, v *fastjson.Value) (int64, bool) {
	switch v.Type() {
	case fastjson.TypeNumber:
		if n, err := v.Int64(); err == nil {
			if n >= 19700101000000 && n < 22000101000000 { // 20261123080000; as ms it would be in the 26th century
				return ParseTime(v.String(), in.Zone())
			}
			if n >= 200101000000 && n < 1e12 { // 261128170005; as ms it would be before 2001
				if t, err := time.ParseInLocation("060102150405", v.String(), in.Zone()); err == nil {
					return t.UnixNano(), true
				}
			}
			return TimeOfInteger(n)
		}
		f, err := v.Float64()
		if err != nil {
			return 0, false
		}
		return TimeOfNumber(f)
	case fastjson.TypeString:
		return clockText(string(v.GetStringBytes()), in.Zone())
	case fastjson.TypeNull:
		return 0, true
	case fastjson.TypeArray:
		return timeOfParts(v.GetArray(), in.Zone())
	}
	return 0, false
}

// timeOfParts is a time in parts, as Java writes it: year, month, day, hour, minute and,
// where they are not 0, second and ns.
func timeOfParts(parts []*fastjson.Value, zone *time.Location) (int64, bool) {
	var n [7]int
	if len(parts) < 5 || len(parts) > 7 {
		return 0, false
	}
	for i, part := range parts {
		v, err := part.Int()
		if err != nil {
			return 0, false
		}
		n[i] = v
	}
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], zone)
	if t.Year() != n[0] || int(t.Month()) != n[1] || t.Day() != n[2] || t.Hour() != n[3] || n[0] < 1970 || n[0] > 2200 {
		return 0, false
	}
	return t.UnixNano(), true
}

// HouseholdMember is the member of a native deposit that says whose it is, and
// HouseholdPrefix begins the number that stands for it.
const (
	HouseholdMember = "household"
	HouseholdPrefix = "hh-"
)

// Household reports whether a text is such a number.
func Household(text string) bool {
	hex, ok := strings.CutPrefix(text, HouseholdPrefix)
	return ok && len(hex) == 16 && strings.Trim(hex, "0123456789abcdef") == ""
}
