package format

import (
	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// ctwing reads what China Telecom's CTWing pushes for NB-IoT devices, bridged
// to MQTT. The payload is a thing model in JSON, or base64 of the device's own
// frame in APPdata, which the payload format of the source reads.
type ctwing struct{ parser fastjson.Parser }

func newCTWing(*Source) (Decoder, error) { return &ctwing{}, nil }

func (d *ctwing) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	base := Sample{Device: text(root, "deviceId"), Profile: text(root, "productId"), TimeSource: ingest.TimeGateway}
	if base.Device == "" {
		base.Device = text(root, "IMEI")
	}
	if at := root.Get("timestamp"); at != nil {
		t, ok := jsonTime(in, at)
		if !ok {
			return ingest.Refuse(ingest.Malformed, "timestamp: %.60q is no time", at.String())
		}
		base.Time = t
	}
	switch kind := text(root, "messageType"); kind {
	case "dataReport", "dataReportTupUnion":
	case "eventReport":
		content := root.Get("eventContent")
		if content == nil {
			return ingest.Refuse(ingest.Malformed, "eventReport without eventContent")
		}
		out.flatten(in, base, "", content)
		return nil
	case "deviceOnlineOfflineReport":
		e := Event{Device: base.Device, Profile: base.Profile, Type: "node_offline", Time: base.Time, TimeSource: base.TimeSource}
		switch text(root, "eventType") {
		case "0":
			e.Active = true
		case "1":
		default:
			return ingest.Refuse(ingest.BadValue, "eventType %.20q is neither 0 (offline) nor 1 (online)", text(root, "eventType"))
		}
		out.Events = append(out.Events, e)
		return nil
	case "":
		return ingest.Refuse(ingest.Malformed, "no messageType")
	default:
		out.Ignored = kind
		return nil
	}
	payload := root.Get("payload")
	if payload == nil {
		return ingest.Refuse(ingest.Malformed, "dataReport without payload")
	}
	encoded := text(payload, "APPdata")
	if payload.Type() == fastjson.TypeString {
		encoded = string(payload.GetStringBytes())
	}
	if encoded != "" {
		data, ok := fromBase64([]byte(encoded))
		if !ok {
			return ingest.Refuse(ingest.Malformed, "payload.APPdata is not base64")
		}
		if in.Inner == nil {
			return ingest.Refuse(ingest.Malformed, "an envelope inside an envelope")
		}
		return in.Inner(base, 0, data, out)
	}
	if data := payload.Get("serviceData"); data != nil && data.Type() == fastjson.TypeObject { // of a device with several services
		payload = data
	}
	out.flatten(in, base, "", payload)
	return nil
}
