package format

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
)

// influx reads line protocol: a field is a sample, a tag device, community,
// facility, compound or channel says what it says, and so does a tag that tells phases or
// sockets apart. Any other tag is a field of text, told of once a message and device, since
// nobody else would know what was lost with it. Times are told apart by magnitude, as vendors
// differ in precision; an explicit 0 is 1970, which the bounds of times replace.
type influx struct {
	tags []Sample // others than known, of the message at hand
}

func newInflux(*Source) (Decoder, error) { return &influx{}, nil }

func (d *influx) Decode(in *Input, out *Output) error {
	d.tags = d.tags[:0]
	defer func() { d.tags = d.tags[:0] }()
	dec := lineprotocol.NewDecoderWithBytes(in.Payload)
	var refused error
	lines, bad := 0, 0
	for dec.Next() {
		first := len(out.Samples)
		lines++
		err := d.line(dec, in, out)
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

// channelTags are tags that tell what else is one series of a device apart.
var channelTags = []string{"phase", "line", "circuit", "socket", "outlet", "port", "ch", "tariff", "register"}

// phases are the names of phases and what their channels are called.
var phases = map[string]string{"a": "l1", "b": "l2", "c": "l3", "A": "l1", "B": "l2", "C": "l3", "L1": "l1", "L2": "l2", "L3": "l3", "1": "l1", "2": "l2", "3": "l3"}

// maxTags bounds the tags of a message that are reported as unmapped.
const maxTags = 64

// line reads one line.
func (d *influx) line(dec *lineprotocol.Decoder, in *Input, out *Output) error {
	measurement, err := dec.Measurement()
	if err != nil {
		return lineError(err)
	}
	base := Sample{}
	told := len(d.tags)
	apart := len(channelTags)
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
			d.instead(&base, apart)
			base.Channel, apart = string(value), -1
		default:
			rank := slices.Index(channelTags, string(key))
			if rank < 0 || rank >= apart {
				d.tag(string(key), string(value))
				continue
			}
			d.instead(&base, apart)
			if base.Channel, apart = string(value), rank; channelTags[rank] == "phase" && phases[base.Channel] != "" {
				base.Channel = phases[base.Channel]
			}
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
	d.tell(base, told, out)
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

// tag keeps a tag to be told of.
func (d *influx) tag(name, value string) {
	if len(d.tags) < maxTags {
		d.tags = append(d.tags, Sample{Field: name, Text: value, IsText: true})
	}
}

// instead keeps the tag that was the channel so far, the ranked of channelTags, as another is.
func (d *influx) instead(base *Sample, rank int) {
	if rank >= 0 && rank < len(channelTags) {
		d.tag(channelTags[rank], base.Channel)
	}
}

// tell adds the tags of a line from the one given on, as far as no line before said the same
// of its device.
func (d *influx) tell(base Sample, from int, out *Output) {
	kept := from
	for _, tag := range d.tags[from:] {
		tag.Device, tag.Community, tag.Compound, tag.Facility = base.Device, base.Community, base.Compound, base.Facility
		if !slices.Contains(d.tags[:kept], tag) {
			d.tags[kept] = tag
			kept++
			out.Samples = append(out.Samples, tag)
		}
	}
	d.tags = d.tags[:kept]
}

func lineError(err error) error {
	var syntax *lineprotocol.DecodeError
	if errors.As(err, &syntax) {
		return ingest.Refuse(ingest.Malformed, "line %d: %.120s", syntax.Line, syntax.Err.Error())
	}
	return ingest.Refuse(ingest.Malformed, "%.120s", err.Error())
}
