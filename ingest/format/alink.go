package format

import (
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// alink reads the thing-model JSON of Aliyun IoT and its relatives, told apart
// by shape: Alink and OneNET have params, TuyaLink has data, what a platform
// forwards has items; a value is bare or {value, time}; a gateway packs
// sub-devices by identity, as a member (Alink) or as an array (OneNET); history
// has arrays of values for each property, or arrays of properties. What is no
// JSON is a pass-through product's frame, for the source's codec.
type alink struct{ parser, inner fastjson.Parser }

func newAlink(*Source) (Decoder, error) { return &alink{}, nil }

func (d *alink) Decode(in *Input, out *Output) error {
	if out.Ignored = alinkCommand(in.Topic, ""); out.Ignored != "" {
		return nil
	}
	if in.Inner != nil && d.raw(in) {
		return in.Inner(Sample{}, 0, frameBytes(in.Payload), out)
	}
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	for range 2 { // OneNET pushes its message as text under msg
		if pushed := root.Get("msg"); pushed != nil && pushed.Type() == fastjson.TypeString && len(pushed.GetStringBytes()) > 1 && !root.Exists("params") {
			if root, err = parseObject(&d.inner, pushed.GetStringBytes(), out); err != nil {
				return err
			}
		} else if pushed != nil && pushed.Type() == fastjson.TypeObject && !root.Exists("params") {
			root = pushed
		}
	}
	if out.Ignored = alinkCommand("", text(root, "method")); out.Ignored != "" {
		return nil
	}
	base := Sample{}
	if handled, err := d.oneNET(in, root, out); handled || err != nil {
		return err
	}
	for _, name := range []string{"time", "timestamp", "gmtCreate"} {
		if v := root.Get(name); v != nil && base.Time == 0 {
			if t, ok := jsonTime(in, v); ok {
				base.Time = t
			}
		}
	}
	var params *fastjson.Value
	for _, name := range []string{"params", "data", "items"} {
		if params == nil {
			params = root.Get(name)
		}
	}
	if root.Exists("items") || root.Exists("iotId") { // forwarded by a platform's rules
		base.Device = text(root, "deviceName")
	}
	switch {
	case params == nil && root.Exists("code"):
		out.Ignored = "reply"
		return nil
	case params == nil:
		return ingest.Refuse(ingest.Malformed, "none of params, data and items")
	case params.Type() == fastjson.TypeArray:
		// An item without an identity is of the gateway itself.
		for i, item := range params.GetArray() {
			if identityOf(item) == "" {
				d.content(in, base, item, out)
				continue
			}
			d.pack(in, base, item, i, out)
		}
		return nil
	case params.Type() != fastjson.TypeObject:
		return ingest.Refuse(ingest.Malformed, "params is a %s; it must be an object", params.Type())
	}
	if root.Exists("code") && !root.Exists("params") {
		out.Ignored = "reply"
		return nil
	}
	if event := alinkEvent(in.Topic, text(root, "method")); event != "" {
		d.event(in, base, event, params, out)
		return nil
	}
	if event := text(params, "eventCode"); event != "" { // TuyaLink's event/trigger
		d.event(in, base, event, params, out)
		return nil
	}
	if strings.HasSuffix(in.Topic, "/thing/event/post") { // OneNET: each member is an event
		d.events(in, base, params, out)
		return nil
	}
	if params.Exists("properties") || params.Exists("subDevices") || params.Exists("events") {
		d.content(in, base, params, out)
		subs := params.Get("subDevices")
		for i, sub := range subs.GetArray() {
			d.pack(in, base, sub, i, out)
		}
		subs.GetObject().Visit(func(name []byte, sub *fastjson.Value) { // TuyaLink: by name
			of := base
			of.Device = string(name)
			d.content(in, of, sub, out)
		})
		return nil
	}
	d.properties(in, base, params, out)
	return nil
}

// oneNET reads what OneNET's rules forward and its push sends, with the device at
// the top, and data points of its older devices ({"id":1,"dp":{"T":[{"v":1}]}}). It
// reports whether the message was one of these.
func (d *alink) oneNET(in *Input, root *fastjson.Value, out *Output) (bool, error) {
	base := Sample{Device: text(root, "deviceName")}
	kind := text(root, "messageType") + text(root, "notifyType")
	data := root.Get("data")
	switch {
	case root.Exists("dp"):
		if v := root.Get("t"); v != nil {
			base.Time, _ = jsonTime(in, v)
		}
		root.Get("dp").GetObject().Visit(func(name []byte, v *fastjson.Value) {
			items := []*fastjson.Value{v}
			if v.Type() == fastjson.TypeArray {
				items = v.GetArray()
			}
			for _, item := range items {
				out.flatten(in, base, string(name), item)
			}
		})
		return true, nil
	case kind == "lifeCycle", text(root, "type") == "2" && root.Exists("status") && root.Exists("dev_id"):
		of := data
		if kind != "lifeCycle" { // of the older platform: 1 is online, 0 offline
			of, base.Device = root, text(root, "dev_id")
		}
		e := Event{Device: base.Device, Type: "node_offline"}
		for _, name := range []string{"time", "at"} {
			if at := of.Get(name); at != nil {
				e.Time, _ = jsonTime(in, at)
				e.TimeSource = ingest.TimeGateway
			}
		}
		switch status := text(of, "status"); status {
		case "offline", "0":
			e.Active = true
		case "online", "1":
		default:
			return true, ingest.Refuse(ingest.BadValue, "status %.20q is neither online nor offline", status)
		}
		out.Events = append(out.Events, e)
		return true, nil
	case text(root, "type") == "1" && root.Exists("dev_id"): // a data point of the older platform
		base.Device = text(root, "dev_id")
		if at := root.Get("at"); at != nil {
			base.Time, _ = jsonTime(in, at)
		}
		name := text(root, "ds_id")
		if v := root.Get("value"); v != nil && name != "" {
			out.flatten(in, base, name, v)
			return true, nil
		}
		return true, ingest.Refuse(ingest.Malformed, "a data point without ds_id or value")
	case root.Exists("messageType") && data != nil && base.Device != "":
		params := data.Get("params")
		if params == nil {
			params = data
		}
		switch text(root, "notifyType") {
		case "event":
			d.events(in, base, params, out)
		case "property", "":
			if params.Exists("properties") || params.Exists("events") {
				d.content(in, base, params, out)
			} else {
				d.properties(in, base, params, out)
			}
			for i, sub := range data.GetArray("subDevices") {
				d.pack(in, base, sub, i, out)
			}
		default:
			out.Ignored = text(root, "notifyType")
		}
		return true, nil
	}
	return false, nil
}

// raw reports whether a message is a pass-through product's frame.
func (d *alink) raw(in *Input) bool {
	if strings.HasSuffix(in.Topic, "/up_raw") {
		return true
	}
	return in.Source != nil && (len(in.Source.Programs) > 0 || in.Source.Payload != "") && fastjson.ValidateBytes(in.Payload) != nil
}

// alinkCommand says what a message is that is one to a device, or an answer: what
// is to be set has not been measured. It is "" for what a device reports.
func alinkCommand(topic, method string) string {
	_, path, _ := strings.Cut(topic, "/thing/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case last == "reply" || strings.HasSuffix(last, "_reply") || strings.HasSuffix(last, "_response"):
		return "reply"
	case last == "set" || last == "get" || last == "invoke" || last == "execute" || last == "down_raw",
		strings.HasPrefix(path, "service/"), strings.HasPrefix(path, "action/"), strings.HasPrefix(path, "property/desired/"),
		strings.HasPrefix(method, "thing.service."):
		return "command to a device"
	}
	switch first, _, _ := strings.Cut(path, "/"); first {
	case "sub", "topo", "deviceinfo", "config", "dsltemplate", "list", "ota":
		return "management of devices"
	}
	return ""
}

// alinkEvent is the event's name where topic or method say that it is one:
// thing.event.{name}.post with a name other than property.
func alinkEvent(topic, method string) string {
	parts := strings.Split(method, ".")
	if method == "" {
		parts = strings.Split(topic, "/")
	}
	for i, p := range parts {
		if p == "event" && i+2 < len(parts) && parts[i+2] == "post" && parts[i+1] != "property" {
			return parts[i+1]
		}
	}
	return ""
}

// pack reads what a gateway says of one sub-device.
func (d *alink) pack(in *Input, base Sample, item *fastjson.Value, index int, out *Output) {
	if base.Device = identityOf(item); base.Device == "" {
		out.Refuse("", "identity", ingest.BadIdentifier, "sub-device %d has no name in its identity", index)
		return
	}
	d.content(in, base, item, out)
}

func identityOf(item *fastjson.Value) string {
	for _, of := range []*fastjson.Value{item.Get("identity"), item} {
		for _, name := range []string{"deviceName", "deviceKey", "device_name", "deviceId"} {
			if device := text(of, name); device != "" {
				return device
			}
		}
	}
	return ""
}

func (d *alink) content(in *Input, base Sample, item *fastjson.Value, out *Output) {
	each := func(v *fastjson.Value, f func(*Input, Sample, *fastjson.Value, *Output)) {
		if v == nil {
			return
		}
		if v.Type() != fastjson.TypeArray {
			f(in, base, v, out)
			return
		}
		for _, one := range v.GetArray() {
			f(in, base, one, out)
		}
	}
	each(item.Get("properties"), d.properties)
	each(item.Get("events"), d.events)
}

func (d *alink) properties(in *Input, base Sample, properties *fastjson.Value, out *Output) {
	properties.GetObject().Visit(func(name []byte, v *fastjson.Value) {
		if v.Type() != fastjson.TypeArray {
			out.flatten(in, base, string(name), v)
			return
		}
		items := v.GetArray()
		for _, item := range items { // history
			if item.Type() != fastjson.TypeObject || !item.Exists("value") && !item.Exists("v") {
				out.flatten(in, base, string(name), v)
				return
			}
		}
		for _, item := range items {
			out.flatten(in, base, string(name), item)
		}
	})
}

func (d *alink) events(in *Input, base Sample, events *fastjson.Value, out *Output) {
	events.GetObject().Visit(func(name []byte, v *fastjson.Value) {
		if v.Type() == fastjson.TypeArray {
			for _, one := range v.GetArray() {
				d.event(in, base, string(name), one, out)
			}
			return
		}
		d.event(in, base, string(name), v, out)
	})
}

func (d *alink) event(in *Input, base Sample, name string, v *fastjson.Value, out *Output) {
	e := Event{Device: base.Device, Type: canonicalEvent(snake(name)), Active: true, Code: name, Time: base.Time}
	for _, at := range []*fastjson.Value{v.Get("time"), v.Get("eventTime")} {
		if at == nil {
			continue
		}
		if t, ok := jsonTime(in, at); ok && t != 0 {
			e.Time = t
		}
	}
	out.Events = append(out.Events, e)
	// What it says beside its name and time: of an alarm, of what.
	base.Time = e.Time
	content := v
	if inner := v.Get("value"); inner != nil && inner.Type() == fastjson.TypeObject {
		content = inner
	} else if inner := v.Get("outputParams"); inner != nil && inner.Type() == fastjson.TypeObject {
		content = inner
	}
	content.GetObject().Visit(func(key []byte, member *fastjson.Value) {
		switch string(key) {
		case "time", "eventTime", "eventType", "eventCode":
			return
		}
		out.flatten(in, base, name+"."+string(key), member)
	})
}

// canonicalEvent is our name of an event that a vendor has named in its own words,
// leakAlarm or LampFault; the vendor's where we have none.
func canonicalEvent(event string) string {
	words := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(event, "_event"), "_alarm"), "_warning")
	switch words {
	case "leak", "leakage", "water_leak", "water_leakage", "leak_detected", "burst", "pipe_burst":
		return "leak"
	case "backflow", "back_flow", "reverse_flow", "reverse":
		return "backflow"
	case "tamper", "tampered", "disassembly", "dismantle", "anti_dismantle", "magnetic", "magnetic_attack":
		return "tamper"
	case "lamp_fault", "lamp_failure", "lamp_error", "light_fault", "light_failure":
		return "lamp_fault"
	case "overfull", "full", "bin_full", "overflow":
		return "overfull"
	case "low_battery", "battery_low", "low_voltage":
		return "low_battery"
	case "door_forced", "forced_open", "break_in":
		return "door_forced"
	case "door_held_open", "door_open_timeout", "door_not_closed":
		return "door_held_open"
	}
	return event
}

// snake turns a vendor's word into the form names have: alarmEvent1 and
// "Lamp Error" become alarm_event1 and lamp_error.
func snake(word string) string {
	var b strings.Builder
	lower := false // the letter before was a lower-case one or a digit
	for _, r := range word {
		switch {
		case r >= 'A' && r <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(r - 'A' + 'a')
			lower = false
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
			lower = true
		default:
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "_") {
				b.WriteByte('_')
			}
			lower = false
		}
	}
	return strings.TrimSuffix(b.String(), "_")
}
