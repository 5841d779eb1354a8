package decode

import (
	"bytes"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// huawei reads property reports of Huawei IoTDA: services of the device the
// topic names, or of sub-devices of a gateway. A topic that ends in
// ?encoding=gzip has a gzip body; so has whatever begins like one.
type huawei struct{ parser fastjson.Parser }

func newHuawei(*inventory.Source) (Decoder, error) { return &huawei{}, nil }

func (d *huawei) Decode(in *Input, out *Output) error {
	payload := in.Payload
	if bytes.HasPrefix(payload, []byte{0x1f, 0x8b}) {
		var err error
		if payload, err = gunzip(payload); err != nil {
			return err
		}
	}
	root, err := parseObject(&d.parser, payload)
	if err != nil {
		return err
	}
	devices := root.GetArray("devices")
	if devices == nil {
		if !root.Exists("services") {
			return ingest.Refuse(ingest.Malformed, "neither services nor devices")
		}
		d.services(in, Sample{}, root, out)
		return nil
	}
	for i, device := range devices {
		id := text(device, "device_id")
		if id == "" {
			id = text(device, "deviceId")
		}
		if id == "" {
			out.refuse("", "devices", ingest.BadIdentifier, "devices[%d] has no device_id", i)
			continue
		}
		d.services(in, Sample{Device: id}, device, out)
	}
	return nil
}

func (d *huawei) services(in *Input, base Sample, v *fastjson.Value, out *Output) {
	for _, service := range v.GetArray("services") {
		s := base
		for _, name := range []string{"event_time", "eventTime"} {
			if at := service.Get(name); at != nil && s.Time == 0 {
				t, ok := jsonTime(in, at)
				if !ok {
					out.refuse(base.Device, name, ingest.BadValue, "%s: %.60q is no time", name, at.String())
				}
				s.Time = t
			}
		}
		if properties := service.Get("properties"); properties != nil {
			out.flatten(in, s, "", properties)
		}
	}
}
