package format

import (
	"bytes"
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// huawei reads property reports of Huawei IoTDA: services of the device the
// topic names, of sub-devices of a gateway, or of the device a rule of the
// platform forwards them for; and deviceReq of the platform before it. A topic
// that ends in ?encoding=gzip has a gzip body; so has whatever begins like one.
type huawei struct{ parser fastjson.Parser }

func newHuawei(*Source) (Decoder, error) { return &huawei{}, nil }

func (d *huawei) Decode(in *Input, out *Output) error {
	if _, path, ok := strings.Cut(in.Topic, "/sys/"); ok && huaweiCommand(path) {
		out.Ignored = "command to a device"
		return nil
	}
	payload := in.Payload
	if bytes.HasPrefix(payload, []byte{0x1f, 0x8b}) {
		var err error
		if payload, err = gunzip(payload); err != nil {
			return err
		}
	}
	root, err := parseObject(&d.parser, payload, out)
	if err != nil {
		return err
	}
	base := Sample{}
	if text(root, "notifyType") != "" { // of the platform before IoTDA, pushed
		base.Device = text(root, "deviceId")
	}
	if forwarded := root.Get("notify_data"); forwarded != nil {
		base.Device = text(forwarded, "header", "device_id")
		if at := root.Get("event_time"); at != nil {
			base.Time, _ = jsonTime(in, at)
			base.TimeSource = ingest.TimeGateway
		}
		root = forwarded.Get("body")
	}
	if devices := root.Get("devices"); devices != nil {
		for i, device := range devices.GetArray() {
			of := base
			for _, name := range []string{"device_id", "deviceId", "node_id"} {
				if id := text(device, name); id != "" {
					of.Device = id
					break
				}
			}
			if of.Device == "" {
				out.Refuse("", "devices", ingest.BadIdentifier, "devices[%d] has no device_id", i)
				continue
			}
			d.services(in, of, device, out)
		}
		return nil
	}
	switch {
	case root.Exists("services"):
		d.services(in, base, root, out)
	case root.Exists("service"):
		d.service(in, base, root.Get("service"), out)
	case huaweiStates[text(root, "status")] != 0 && base.Device != "":
		out.Events = append(out.Events, Event{Device: base.Device, Type: "node_offline", Active: huaweiStates[text(root, "status")] > 1, Time: base.Time, TimeSource: base.TimeSource})
	case text(root, "notifyType") != "" && text(root, "notifyType") != "deviceEvent":
		out.Ignored = text(root, "notifyType")
	case text(root, "msgType") == "deviceReq":
		for _, item := range root.GetArray("data") {
			d.service(in, base, item, out)
		}
	case root.Exists("result_code") || root.Exists("errcode"):
		out.Ignored = "reply"
	default:
		return ingest.Refuse(ingest.Malformed, "neither services nor devices")
	}
	return nil
}

// huaweiStates are the states of devices a rule forwards: 1 is there, 2 is gone.
var huaweiStates = map[string]int{"ONLINE": 1, "OFFLINE": 2, "ABNORMAL": 2}

// huaweiCommand reports whether a topic, from sys/ on, is one of the platform's:
// what is to be set has not been measured.
func huaweiCommand(path string) bool {
	for _, prefix := range []string{"properties/set", "properties/get", "commands/", "shadow/", "messages/down", "events/down"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func (d *huawei) services(in *Input, base Sample, v *fastjson.Value, out *Output) {
	for _, service := range v.GetArray("services") {
		d.service(in, base, service, out)
	}
	if len(out.Samples)+len(out.Events)+len(out.Refused) == 0 {
		out.Ignored = "no properties"
	}
}

// service reads the properties, or the event, of one service.
func (d *huawei) service(in *Input, base Sample, service *fastjson.Value, out *Output) {
	for _, name := range []string{"event_time", "eventTime"} {
		at := service.Get(name)
		if at == nil {
			continue
		}
		t, ok := jsonTime(in, at)
		switch {
		case !ok && (at.Type() != fastjson.TypeString || len(at.GetStringBytes()) > 0):
			out.Refuse(base.Device, name, ingest.BadValue, "%s: %.60q is no time", name, at.String())
		case t != 0:
			base.Time, base.TimeSource = t, ingest.TimeDevice
		}
	}
	for _, name := range []string{"properties", "serviceData", "data"} {
		if properties := service.Get(name); properties != nil {
			out.flatten(in, base, "", properties)
			return
		}
	}
	id := text(service, "service_id")
	if event := snake(text(service, "event_type")); event != "" && len(id) > 0 && id[0] != '$' {
		out.Events = append(out.Events, Event{Device: base.Device, Type: canonicalEvent(event), Active: true, Code: text(service, "event_type"), Time: base.Time, TimeSource: base.TimeSource})
		if paras := service.Get("paras"); paras != nil {
			out.flatten(in, base, "paras", paras)
		}
	}
}
