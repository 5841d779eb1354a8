package format

import (
	"encoding/hex"
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// chirpstack reads uplinks of ChirpStack 4 and 3. Where the source names a
// payload format or a codec for the device's profile, it reads the bytes;
// otherwise what the network server decoded is taken.
type chirpstack struct {
	parser, object fastjson.Parser
	src            *Source
}

func newChirpstack(src *Source) (Decoder, error) { return &chirpstack{src: src}, nil }

func (d *chirpstack) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	event := in.Topic[strings.LastIndexByte(in.Topic, '/')+1:]
	if inner := root.Get("payload"); inner != nil && inner.Type() == fastjson.TypeObject && root.Exists("type") {
		event, root = text(root, "type"), inner // an integration's wrapper
	}
	base := Sample{TimeSource: ingest.TimeGateway}
	info := root.Get("deviceInfo")
	if info != nil {
		base.Device, base.Profile = strings.ToLower(text(info, "devEui")), text(info, "deviceProfileName")
	} else {
		base.Device, base.Profile = devEUI(text(root, "devEUI")), text(root, "deviceProfileName")
	}
	if base.Device == "" {
		return ingest.Refuse(ingest.BadIdentifier, "no devEui")
	}
	base.Time = d.time(in, root, out)
	switch event {
	case "status":
		return d.status(base, root, out)
	case "join", "ack", "txack", "log", "error", "location", "integration":
		out.Ignored = event
		return nil
	}
	if object := root.Get("object"); object != nil && object.Type() == fastjson.TypeObject && object.GetObject().Len() > 0 && !readsBytes(d.src, base.Profile) {
		return decodedObject(in, base, object, out)
	}
	if encoded := text(root, "objectJSON"); encoded != "" && !readsBytes(d.src, base.Profile) {
		object, err := parseObject(&d.object, []byte(encoded), out)
		if err != nil {
			return ingest.Refuse(ingest.Malformed, "objectJSON: %v", err)
		}
		return decodedObject(in, base, object, out)
	}
	encoded := text(root, "data")
	if encoded == "" {
		out.Ignored = "uplink without payload"
		return nil
	}
	data, ok := fromBase64([]byte(encoded))
	if !ok {
		return ingest.Refuse(ingest.Malformed, "data is not base64")
	}
	if in.Inner == nil {
		return ingest.Refuse(ingest.Malformed, "an envelope inside an envelope")
	}
	return in.Inner(base, root.GetInt("fPort"), data, out)
}

// readsBytes reports whether the source says how to read an envelope's bytes
// even where the network server has decoded them: by a payload format, or by a
// codec of that device profile.
func readsBytes(src *Source, profile string) bool {
	if src.Payload != "" || profile == "" || len(src.Programs) == 0 {
		return src.Payload != ""
	}
	_, program := src.Program(profile)
	return program != nil
}

// time returns when the network took the uplink in, by the best clock there is.
func (d *chirpstack) time(in *Input, root *fastjson.Value, out *Output) int64 {
	candidates := []*fastjson.Value{root.Get("time")}
	for _, rx := range root.GetArray("rxInfo") {
		candidates = append(candidates, rx.Get("nsTime"), rx.Get("time"))
	}
	for _, v := range append(candidates, root.Get("publishedAt")) {
		if v == nil {
			continue
		}
		if t, ok := jsonTime(in, v); ok && t != 0 {
			if out.Explain != nil {
				out.Explain("time %s of the network", v)
			}
			return t
		}
	}
	return 0
}

// status is the device's own report of its battery.
func (d *chirpstack) status(base Sample, root *fastjson.Value, out *Output) error {
	level := root.Get("batteryLevel")
	if level == nil || root.GetBool("externalPowerSource") || root.GetBool("batteryLevelUnavailable") {
		out.Ignored = "status"
		return nil
	}
	base.Quantity, base.Unit = "battery_level", "%"
	out.scalar(base, "batteryLevel", level)
	return nil
}

// devEUI is an EUI as ChirpStack 3 writes it: base64 of eight bytes, or hex.
func devEUI(s string) string {
	if len(s) == 12 && !isHex([]byte(s)) {
		if b, ok := fromBase64([]byte(s)); ok && len(b) == 8 {
			return hex.EncodeToString(b)
		}
	}
	return strings.ToLower(s)
}

// tts reads uplinks of The Things Stack 3.
type tts struct {
	parser fastjson.Parser
	src    *Source
}

func newTTS(src *Source) (Decoder, error) { return &tts{src: src}, nil }

func (d *tts) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	if root.GetBool("simulated") {
		return ingest.Refuse(ingest.BadValue, "simulated is true: the console sent it, and no device measured it")
	}
	ids := root.Get("end_device_ids")
	if ids == nil {
		return ingest.Refuse(ingest.Malformed, "no end_device_ids")
	}
	base := Sample{Device: strings.ToLower(text(ids, "dev_eui")), TimeSource: ingest.TimeGateway}
	if base.Device == "" {
		base.Device = text(ids, "device_id")
	}
	uplink := root.Get("uplink_message")
	if uplink == nil {
		out.Ignored = "no uplink"
		return nil
	}
	base.Profile = text(uplink, "version_ids", "model_id")
	for _, v := range []*fastjson.Value{uplink.Get("received_at"), root.Get("received_at")} {
		if v != nil && base.Time == 0 {
			base.Time, _ = jsonTime(in, v) // without one, the time received stands in
		}
	}
	if !readsBytes(d.src, base.Profile) {
		if done, err := d.decoded(in, base, uplink, out); done {
			return err
		}
	}
	encoded := text(uplink, "frm_payload")
	if encoded == "" {
		out.Ignored = "uplink without payload"
		return nil
	}
	data, ok := fromBase64([]byte(encoded))
	if !ok {
		return ingest.Refuse(ingest.Malformed, "frm_payload is not base64")
	}
	if in.Inner == nil {
		return ingest.Refuse(ingest.Malformed, "an envelope inside an envelope")
	}
	return in.Inner(base, uplink.GetInt("f_port"), data, out)
}

// decoded reads what the network server's decoder made of the bytes, normalized
// first; what that leaves out stands under the decoder's own names.
func (d *tts) decoded(in *Input, base Sample, uplink *fastjson.Value, out *Output) (done bool, err error) {
	normalized, decoded := uplink.Get("normalized_payload"), uplink.Get("decoded_payload")
	some := func(v *fastjson.Value) bool {
		return v != nil && (v.Type() == fastjson.TypeObject && v.GetObject().Len() > 0 || len(v.GetArray()) > 0)
	}
	if !some(normalized) && !some(decoded) {
		return false, nil
	}
	at := base
	if some(normalized) {
		at = (&decodedWalk{in, out}).normalized(base, normalized)
		base.Spare = true
	}
	if some(decoded) {
		err = decodedObject(in, base, decoded, out)
	}
	if level := uplink.Get("last_battery_percentage", "value"); level != nil { // by the device's last status
		last := base
		last.Time, last.TimeSource = at.Time, at.TimeSource
		last.Spare, last.Quantity, last.Unit = true, "battery_level", "%"
		out.scalar(last, "last_battery_percentage", level)
		err = nil
	}
	return true, err
}
