package format

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// senml reads packs of RFC 8428, in JSON or CBOR. A record's name is base name
// and name; the part behind its last separator is the field, the part before it
// the device. A time below 2^28 is relative to now, and then the time received
// stands in for now.
type senml struct {
	parser fastjson.Parser
	pack   []senmlRecord
}

func newSenML(*Source) (Decoder, error) { return &senml{}, nil }

// senmlRecord is a record in both encodings; CBOR's labels are integers.
type senmlRecord struct {
	Version   int      `cbor:"-1,keyasint"`
	BaseName  string   `cbor:"-2,keyasint"`
	BaseTime  *float64 `cbor:"-3,keyasint"`
	BaseUnit  string   `cbor:"-4,keyasint"`
	BaseValue *float64 `cbor:"-5,keyasint"`
	BaseSum   *float64 `cbor:"-6,keyasint"`
	Name      string   `cbor:"0,keyasint"`
	Unit      string   `cbor:"1,keyasint"`
	Value     *float64 `cbor:"2,keyasint"`
	Text      *string  `cbor:"3,keyasint"`
	Bool      *bool    `cbor:"4,keyasint"`
	Sum       *float64 `cbor:"5,keyasint"`
	Time      float64  `cbor:"6,keyasint"`
	Data      *[]byte  `cbor:"8,keyasint"`

	data  string            // in JSON, as it stands there
	extra []*fastjson.Value // members beyond the specification's
	names []string          // of extra
}

var senmlCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: MaxReadings, MaxMapPairs: 64, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // a defect of the build
	}
	return mode
}()

func (d *senml) Decode(in *Input, out *Output) error {
	pack := d.pack[:0]
	if text := bytes.TrimLeft(jsonText(in.Payload), " \t\r\n"); len(text) > 0 && (text[0] == '[' || text[0] == '{') {
		var err error
		if pack, err = d.json(in.Payload, out); err != nil {
			return err
		}
	} else if err := senmlCBOR.Unmarshal(in.Payload, &pack); err != nil {
		return ingest.Refuse(ingest.Malformed, "no SenML pack in JSON or CBOR: %.120s", err.Error())
	}
	var base senmlRecord
	for i, r := range pack {
		if r.Version > 10 {
			return ingest.Refuse(ingest.Malformed, "record %d: version %d of SenML; at most 10", i, r.Version)
		}
		if r.BaseName != "" {
			base.BaseName = r.BaseName
		}
		if r.BaseTime != nil {
			base.BaseTime = r.BaseTime
		}
		if r.BaseUnit != "" {
			base.BaseUnit = r.BaseUnit
		}
		if r.BaseValue != nil {
			base.BaseValue = r.BaseValue
		}
		if r.BaseSum != nil {
			base.BaseSum = r.BaseSum
		}
		if r.Data != nil {
			r.data = hex.EncodeToString(*r.Data)
		}
		name := base.BaseName + r.Name
		if r.Value == nil && r.Text == nil && r.Bool == nil && r.Sum == nil && r.data == "" && len(r.extra) == 0 {
			continue // a record may set base values only
		}
		if name == "" {
			return ingest.Refuse(ingest.Malformed, "record %d has no name", i)
		}
		s := Sample{Unit: r.Unit}
		if s.Unit == "" {
			s.Unit = base.BaseUnit
		}
		device, field := senmlName(name, s.Unit)
		s.Device, s.Field = device, field
		at := r.Time
		if base.BaseTime != nil {
			at += *base.BaseTime
		}
		switch {
		case math.IsNaN(at) || math.Abs(at) > maxSeconds:
			return ingest.Refuse(ingest.Malformed, "record %d: time %g s is none", i, at)
		case at < 1<<28:
			s.Time, s.TimeSource = in.Received+int64(at*1e9), ingest.TimeReceived
			if at != 0 {
				s.TimeSource = ingest.TimeDevice
			}
		default:
			seconds, fraction := math.Modf(at)
			s.Time = int64(seconds)*1e9 + int64(math.Round(fraction*1e6))*1e3
		}
		for i, v := range r.extra {
			of := s
			of.Unit = ""
			out.flatten(in, of, field+"."+r.names[i], v)
		}
		if r.Sum != nil || base.BaseSum != nil && (r.Value != nil || r.Text != nil || r.Bool != nil) {
			out.sum(s, sumOf(r.Sum, base.BaseSum))
		}
		switch {
		case r.Value != nil:
			s.Value = sumOf(r.Value, base.BaseValue)
		case r.data != "":
			s.Text, s.IsText = r.data, true
		case r.Text != nil:
			s.Text, s.IsText = *r.Text, true
		case r.Bool != nil:
			s.IsBool = true
			if *r.Bool {
				s.Value = 1
			}
		default:
			continue // a sum alone, or what is beyond the specification
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			out.Refuse(device, field, ingest.BadValue, "%.60s: not a finite number", field)
			continue
		}
		out.Samples = append(out.Samples, s)
	}
	return nil
}

// sumOf adds what of two is there.
func sumOf(a, b *float64) float64 {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return *b
	case b == nil:
		return *a
	}
	return *a + *b
}

// sums are the quantities that sums over time are of, by the unit of what is
// summed: a sum is in that unit times a second (RFC 8428, 4.5.4).
var sums = map[string]struct {
	quantity, unit string
	factor         float64
}{
	"W": {"energy_total", "J", 1}, "kW": {"energy_total", "kJ", 1}, "MW": {"energy_total", "MJ", 1}, "mW": {"energy_total", "J", 1e-3},
	"m3/s": {"water_volume_total", "m3", 1}, "m3/h": {"water_volume_total", "m3", 1.0 / 3600}, "l/s": {"water_volume_total", "L", 1},
	"L/s": {"water_volume_total", "L", 1}, "l/min": {"water_volume_total", "L", 1.0 / 60}, "l/h": {"water_volume_total", "L", 1.0 / 3600},
}

// sum adds the sum of a record. Its field is that of the record with .sum
// behind it; what is no energy and no volume nobody here has a quantity for.
func (o *Output) sum(s Sample, value float64) {
	s.Field += ".sum"
	if math.IsNaN(value) || math.IsInf(value, 0) {
		o.Refuse(s.Device, s.Field, ingest.BadValue, "%.60s: not a finite number", s.Field)
		return
	}
	s.Value = value
	if of, ok := sums[s.Unit]; ok {
		s.Quantity, s.Unit, s.Value = of.quantity, of.unit, value*of.factor
	} else if s.Unit != "" {
		s.Unit += ".s"
	}
	o.Samples = append(o.Samples, s)
}

// json reads a pack in JSON. A member whose name ends in _ must be understood,
// and is not: the pack is refused (RFC 8428, 4.4).
func (d *senml) json(payload []byte, out *Output) ([]senmlRecord, error) {
	root, err := parseJSON(&d.parser, payload, out)
	if err != nil {
		return nil, err
	}
	if root.Type() != fastjson.TypeArray {
		return nil, ingest.Refuse(ingest.Malformed, "payload is a %s; a SenML pack is an array", root.Type())
	}
	d.pack = d.pack[:0]
	for i, item := range root.GetArray() {
		if item.Type() != fastjson.TypeObject {
			return nil, ingest.Refuse(ingest.Malformed, "record %d is a %s; it must be an object", i, item.Type())
		}
		if i >= MaxReadings {
			return nil, ingest.Refuse(ingest.TooLarge, "more than %d records", MaxReadings)
		}
		var r senmlRecord
		var bad string
		item.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			number := func() *float64 {
				f, err := v.Float64()
				if err != nil {
					bad = string(key)
				}
				return &f
			}
			words := func() string {
				if v.Type() != fastjson.TypeString {
					bad = string(key)
				}
				return string(v.GetStringBytes())
			}
			switch string(key) {
			case "bn":
				r.BaseName = words()
			case "bt":
				r.BaseTime = number()
			case "bu":
				r.BaseUnit = words()
			case "bv":
				r.BaseValue = number()
			case "bver":
				r.Version = int(*number())
			case "n":
				r.Name = words()
			case "u":
				r.Unit = words()
			case "v":
				r.Value = number()
			case "vs":
				text := words()
				r.Text = &text
			case "vb":
				b, err := v.Bool()
				if err != nil {
					bad = string(key)
				}
				r.Bool = &b
			case "s":
				r.Sum = number()
			case "bs":
				r.BaseSum = number()
			case "vd":
				r.data = words()
			case "ut": // how often it will be sent
			case "t":
				r.Time = *number()
			default:
				if len(key) > 0 && key[len(key)-1] == '_' {
					bad = string(key)
				}
				r.extra, r.names = append(r.extra, v), append(r.names, string(key))
			}
		})
		if bad != "" {
			return nil, ingest.Refuse(ingest.Malformed, "record %d: member %.60q is not what SenML says, or must be understood and is not", i, bad)
		}
		d.pack = append(d.pack, r)
	}
	return d.pack, nil
}

// devURN are the kinds of device identifiers.
var devURN = map[string]bool{"mac": true, "ow": true, "org": true, "os": true, "ops": true}

// senmlName parts a name into device and field. Slashes cannot be in a
// device's name; the rest of the name can. A name that is nothing but a device
// (urn:dev:ow:10e2073a01080063, RFC 9039) has its unit for a field.
func senmlName(name, unit string) (device, field string) {
	if rest, ok := strings.CutPrefix(name, "urn:dev:"); ok && unit != "" {
		kind, id, _ := strings.Cut(strings.TrimSuffix(rest, ":"), ":")
		if devURN[kind] && id != "" && !strings.ContainsAny(id, ":/") {
			return strings.TrimSuffix(name, ":"), unit
		}
	}
	i := strings.LastIndexAny(name, ":/")
	if i < 0 {
		return "", name
	}
	return strings.ReplaceAll(name[:i], "/", ":"), name[i+1:]
}
