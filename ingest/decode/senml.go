package decode

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// senml reads packs of RFC 8428, in JSON or CBOR. A record's name is base name
// and name; the part behind its last separator is the field, the part before it
// the device. A time below 2^28 is relative to now, and then the time received
// stands in for now.
type senml struct{}

func newSenML(*inventory.Source) (Decoder, error) { return senml{}, nil }

// senmlRecord is a record in both encodings; CBOR's labels are integers.
type senmlRecord struct {
	Version   int      `json:"bver" cbor:"-1,keyasint"`
	BaseName  string   `json:"bn" cbor:"-2,keyasint"`
	BaseTime  *float64 `json:"bt" cbor:"-3,keyasint"`
	BaseUnit  string   `json:"bu" cbor:"-4,keyasint"`
	BaseValue *float64 `json:"bv" cbor:"-5,keyasint"`
	Name      string   `json:"n" cbor:"0,keyasint"`
	Unit      string   `json:"u" cbor:"1,keyasint"`
	Value     *float64 `json:"v" cbor:"2,keyasint"`
	Text      *string  `json:"vs" cbor:"3,keyasint"`
	Bool      *bool    `json:"vb" cbor:"4,keyasint"`
	Sum       *float64 `json:"s" cbor:"5,keyasint"`
	Time      float64  `json:"t" cbor:"6,keyasint"`
}

var senmlCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: MaxReadings, MaxMapPairs: 64, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // a defect of the build
	}
	return mode
}()

func (senml) Decode(in *Input, out *Output) error {
	var pack []senmlRecord
	if len(in.Payload) > 0 && (in.Payload[0] == '[' || in.Payload[0] == ' ' || in.Payload[0] == '\n') {
		if err := json.Unmarshal(in.Payload, &pack); err != nil {
			return ingest.Refuse(ingest.Malformed, "no SenML pack in JSON: %.120s", err.Error())
		}
		if name := mandatory(in.Payload); name != "" {
			return ingest.Refuse(ingest.Malformed, "member %.60q must be understood, and is not", name)
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
		name := base.BaseName + r.Name
		if r.Value == nil && r.Text == nil && r.Bool == nil && r.Sum == nil {
			continue // a record may set base values only
		}
		if name == "" {
			return ingest.Refuse(ingest.Malformed, "record %d has no name", i)
		}
		device, field := senmlName(name)
		s := Sample{Device: device, Field: field, Unit: r.Unit}
		if s.Unit == "" {
			s.Unit = base.BaseUnit
		}
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
		switch {
		case r.Value != nil:
			s.Value = *r.Value
			if base.BaseValue != nil {
				s.Value += *base.BaseValue
			}
		case r.Text != nil:
			s.Text, s.IsText = *r.Text, true
		case r.Bool != nil:
			s.IsBool = true
			if *r.Bool {
				s.Value = 1
			}
		default:
			s.Value = *r.Sum
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			out.refuse(device, field, ingest.BadValue, "%.60s: not a finite number", field)
			continue
		}
		out.Samples = append(out.Samples, s)
	}
	return nil
}

// mandatory is a member of a record whose name ends in _, which says that who
// does not know it must refuse the pack (RFC 8428, 4.4); "" if there is none.
func mandatory(payload []byte) string {
	if !bytes.Contains(payload, []byte(`_"`)) {
		return ""
	}
	var records []map[string]json.RawMessage
	if json.Unmarshal(payload, &records) != nil {
		return ""
	}
	for _, r := range records {
		for name := range r {
			if strings.HasSuffix(name, "_") {
				return name
			}
		}
	}
	return ""
}

// senmlName parts a name into device and field. Slashes cannot be in a
// device's name; the rest of the name can.
func senmlName(name string) (device, field string) {
	i := strings.LastIndexAny(name, ":/")
	if i < 0 {
		return "", name
	}
	return strings.ReplaceAll(name[:i], "/", ":"), name[i+1:]
}
