package format

import (
	"errors"
	"math"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
)

// influx reads line protocol: a field is a sample, a tag device, community,
// facility, compound or channel says what it says. Times are told apart by
// magnitude, as vendors differ in precision; an explicit 0 is 1970, which the
// bounds of times replace.
type influx struct{}

func newInflux(*Source) (Decoder, error) { return influx{}, nil }

func (influx) Decode(in *Input, out *Output) error {
	dec := lineprotocol.NewDecoderWithBytes(in.Payload)
	var refused error
	lines, bad := 0, 0
	for dec.Next() {
		first := len(out.Samples)
		lines++
		err := influxLine(dec, in, out)
		if err == nil {
			continue
		}
		r := ingest.AsRefusal(err)
		if r.Reason == ingest.TooLarge {
			return err
		}
		if bad++; refused == nil {
			refused = err
		}
		out.Samples = out.Samples[:first] // of a bad line nothing counts, and the others stand
		out.Refuse("", "line", r.Reason, "%s", r.Detail)
	}
	if bad == lines && refused != nil {
		out.Refused = out.Refused[:0]
		return refused
	}
	return nil
}

// influxLine reads one line.
func influxLine(dec *lineprotocol.Decoder, in *Input, out *Output) error {
	measurement, err := dec.Measurement()
	if err != nil {
		return lineError(err)
	}
	base := Sample{}
	for {
		key, value, err := dec.NextTag()
		if err != nil {
			return lineError(err)
		}
		if key == nil {
			break
		}
		switch string(key) {
		case "device", "device_id", "deviceId":
			base.Device = string(value)
		case "community":
			base.Community = string(value)
		case "facility":
			base.Facility = string(value)
		case "compound":
			base.Compound = string(value)
		case "channel":
			base.Channel = string(value)
		}
	}
	if in.Captures.Facility == "" && base.Facility == "" && in.Source.Facility == "" {
		base.Facility = string(measurement)
	}
	first := len(out.Samples)
	for {
		key, value, err := dec.NextField()
		if err != nil {
			return lineError(err)
		}
		if key == nil {
			break
		}
		s := base
		s.Field = string(key)
		switch value.Kind() {
		case lineprotocol.Bool:
			s.IsBool = true
			if value.BoolV() {
				s.Value = 1
			}
		case lineprotocol.String:
			s.IsText, s.Text = true, value.StringV()
		case lineprotocol.Int:
			s.Value = float64(value.IntV())
		case lineprotocol.Uint:
			s.Value = float64(value.UintV())
		default:
			s.Value = value.FloatV()
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			out.Refuse(s.Device, s.Field, ingest.BadValue, "%.60s: not a finite number", s.Field)
			continue
		}
		out.Samples = append(out.Samples, s)
		if len(out.Samples) > MaxReadings {
			return ingest.Refuse(ingest.TooLarge, "more than %d readings", MaxReadings)
		}
	}
	at, err := dec.Time(lineprotocol.Nanosecond, time.Time{})
	if err != nil {
		return lineError(err)
	}
	if !at.IsZero() {
		ns, ok := TimeOfInteger(at.UnixNano())
		if at.UnixNano() <= 0 {
			ns, ok = 1, true
		}
		if ok {
			for i := first; i < len(out.Samples); i++ {
				out.Samples[i].Time = ns
			}
		}
	}
	return nil
}

func lineError(err error) error {
	var syntax *lineprotocol.DecodeError
	if errors.As(err, &syntax) {
		return ingest.Refuse(ingest.Malformed, "line %d: %.120s", syntax.Line, syntax.Err.Error())
	}
	return ingest.Refuse(ingest.Malformed, "%.120s", err.Error())
}
