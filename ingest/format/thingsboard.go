package format

import (
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// thingsboard reads telemetry as ThingsBoard's devices and gateways publish
// it: {k: v}, {ts, values} or arrays of those; a gateway's is keyed by the
// device's name.
type thingsboard struct{ parser fastjson.Parser }

func newThingsBoard(*Source) (Decoder, error) { return &thingsboard{}, nil }

func (d *thingsboard) Decode(in *Input, out *Output) error {
	root, err := parseJSON(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	if in.Captures.Device == "me" {
		in.Captures.Device = "" // the login says who it is, and only the broker knows it
	}
	if root.Type() == fastjson.TypeObject && isGateway(root.GetObject()) {
		root.GetObject().Visit(func(name []byte, v *fastjson.Value) {
			if err == nil {
				err = d.telemetry(in, Sample{Device: string(name)}, v, out)
			}
		})
		return err
	}
	return d.telemetry(in, Sample{}, root, out)
}

// isGateway reports whether every member is an array of objects: telemetry of
// several devices.
func isGateway(o *fastjson.Object) bool {
	gateway := o.Len() > 0
	o.Visit(func(_ []byte, v *fastjson.Value) {
		items := v.GetArray()
		gateway = gateway && v.Type() == fastjson.TypeArray && (len(items) == 0 || items[0].Type() == fastjson.TypeObject)
	})
	return gateway
}

func (d *thingsboard) telemetry(in *Input, base Sample, v *fastjson.Value, out *Output) error {
	switch v.Type() {
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			if err := d.telemetry(in, base, item, out); err != nil {
				return err
			}
		}
		return nil
	case fastjson.TypeObject:
	default:
		return ingest.Refuse(ingest.Malformed, "telemetry is a %s; it must be an object", v.Type())
	}
	values := v.Get("values")
	if ts := v.Get("ts"); ts != nil && values != nil {
		t, ok := jsonTime(in, ts)
		if !ok {
			return ingest.Refuse(ingest.Malformed, "ts: %.60q is no time", ts.String())
		}
		base.Time, v = t, values
	}
	v.GetObject().Visit(func(name []byte, value *fastjson.Value) { out.flatten(in, base, string(name), value) })
	return nil
}

// neuron reads groups of tags of an EMQX Neuron gateway. A tag with an error
// has no value; its error is an event.
type neuron struct{ parser fastjson.Parser }

func newNeuron(*Source) (Decoder, error) { return &neuron{}, nil }

func (d *neuron) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	if strings.HasSuffix(in.Topic, "/req") || strings.HasSuffix(in.Topic, "/resp") {
		out.Ignored = "command to the gateway"
		return nil
	}
	base := Sample{TimeSource: ingest.TimeGateway}
	if in.Captures.Device == "" {
		base.Device = text(root, "node")
	}
	if at := root.Get("timestamp"); at != nil {
		t, ok := jsonTime(in, at)
		if !ok {
			return ingest.Refuse(ingest.Malformed, "timestamp: %.60q is no time", at.String())
		}
		base.Time = t
	}
	values, tags := root.Get("values"), root.Get("tags")
	if root.Exists("states") {
		out.Ignored = "states of nodes"
		return nil
	}
	if values == nil && tags == nil {
		return ingest.Refuse(ingest.Malformed, "neither values nor tags")
	}
	if values != nil {
		out.flatten(in, base, "", values)
	}
	for _, tag := range tags.GetArray() {
		name := text(tag, "name")
		if code := tag.Get("error"); code != nil && code.GetInt() != 0 {
			readError(base, name, code, out)
			continue
		}
		if v := tag.Get("value"); v != nil {
			out.flatten(in, base, name, v)
		}
	}
	root.GetObject("errors").Visit(func(name []byte, code *fastjson.Value) {
		readError(base, string(name), code, out)
	})
	return nil
}

func readError(base Sample, tag string, code *fastjson.Value, out *Output) {
	out.Events = append(out.Events, Event{
		Device: base.Device, Channel: tag, Type: "read_error", Active: true, Code: code.String(), Time: base.Time, TimeSource: base.TimeSource,
	})
}
