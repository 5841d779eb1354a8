package format

import (
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// tasmota reads tele/…/SENSOR and STATE of Tasmota, and stat/…/POWER. Its time has no zone;
// three-phase meters have arrays, whose elements are phases.
type tasmota struct{ parser fastjson.Parser }

func newTasmota(*Source) (Decoder, error) { return &tasmota{}, nil }

func (d *tasmota) Decode(in *Input, out *Output) error {
	if word := string(in.Payload); strings.HasSuffix(in.Topic, "/LWT") && (word == "Online" || word == "Offline") {
		out.Events = append(out.Events, Event{Type: "node_offline", Active: word == "Offline"})
		return nil
	}
	if word := string(in.Payload); word == "ON" || word == "OFF" { // stat/…/POWER
		out.Samples = append(out.Samples, Sample{Field: in.Topic[strings.LastIndexByte(in.Topic, '/')+1:], Text: word, IsText: true})
		return nil
	}
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	if i := strings.LastIndex(in.Topic, "/INFO"); i >= 0 && len(in.Topic) == i+len("/INFO1") {
		out.Ignored = "device information"
		return nil
	}
	for _, name := range []string{"StatusSNS", "StatusSTS"} { // asked for: stat/…/STATUS10, STATUS11
		if status := root.Get(name); status != nil && status.Type() == fastjson.TypeObject {
			root = status
		}
	}
	base := Sample{}
	if at := root.Get("Time"); at != nil {
		t, ok := jsonTime(in, at)
		if !ok {
			return ingest.Refuse(ingest.Malformed, "Time: %.60q is no time", at.String())
		}
		base.Time = t
	}
	fahrenheit := text(root, "TempUnit") == "F"
	root.GetObject().Visit(func(section []byte, v *fastjson.Value) {
		switch string(section) {
		case "Time", "TempUnit", "SpeedUnit", "PressureUnit":
			return
		}
		if v.Type() != fastjson.TypeObject {
			out.flatten(in, base, string(section), v)
			return
		}
		// Of several sensors of a kind, DS18B20-1 and -2, the number is the channel.
		of := base
		if _, number, ok := strings.Cut(string(section), "-"); ok && number != "" && len(number) <= 2 && number[0] >= '0' && number[0] <= '9' {
			of.Channel = number
		}
		v.GetObject().Visit(func(name []byte, value *fastjson.Value) {
			s := of
			field := string(section) + "." + string(name)
			if fahrenheit && string(name) == "Temperature" {
				s.Unit = "degF"
			}
			if unit := tasmotaPressure[text(root, "PressureUnit")]; unit != "" && (string(name) == "Pressure" || string(name) == "SeaPressure") {
				s.Unit = unit
			}
			if value.Type() != fastjson.TypeArray {
				out.flatten(in, s, field, value)
				return
			}
			for i, phase := range value.GetArray() {
				s.Channel = "l" + strconv.Itoa(i+1)
				out.flatten(in, s, field, phase)
			}
		})
	})
	return nil
}

// tasmotaPressure are the units of pressure it names.
var tasmotaPressure = map[string]string{"hPa": "hPa", "mbar": "mbar", "kPa": "kPa", "inHg": "inHg", "mmHg": "mmHg"}

// shelly reads notifications (events/rpc) and component status of Shelly Gen2
// and later. A component is a channel; a notification has what has changed.
type shelly struct{ parser fastjson.Parser }

func newShelly(*Source) (Decoder, error) { return &shelly{}, nil }

func (d *shelly) Decode(in *Input, out *Output) error {
	if word := string(in.Payload); strings.HasSuffix(in.Topic, "/online") && (word == "true" || word == "false") {
		out.Events = append(out.Events, Event{Type: "node_offline", Active: word == "false"})
		return nil
	}
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	base := Sample{Device: text(root, "src")}
	if i := strings.Index(in.Topic, "/status/"); i >= 0 && !root.Exists("method") {
		name := in.Topic[i+len("/status/"):]
		if kind, _, _ := strings.Cut(name, ":"); shellySystem[kind] {
			out.Ignored = kind
			return nil
		}
		d.component(in, base, name, root, out)
		return nil
	}
	params := root.Get("params")
	switch method := text(root, "method"); {
	case params == nil:
		return ingest.Refuse(ingest.Malformed, "no params")
	case method == "NotifyEvent":
		d.happened(in, base, params, out)
		return nil
	case method != "NotifyStatus" && method != "NotifyFullStatus":
		out.Ignored = method
		return nil
	}
	if at := params.Get("ts"); at != nil {
		t, ok := jsonTime(in, at)
		if !ok {
			return ingest.Refuse(ingest.Malformed, "ts: %.60q is no time", at.String())
		}
		base.Time = t
	}
	params.GetObject().Visit(func(name []byte, v *fastjson.Value) {
		if v.Type() != fastjson.TypeObject {
			if string(name) != "ts" {
				out.flatten(in, base, string(name), v)
			}
			return
		}
		if kind, _, _ := strings.Cut(string(name), ":"); shellySystem[kind] {
			out.Ignored = kind // unless something that measures has changed too
			return
		}
		d.component(in, base, string(name), v, out)
	})
	return nil
}

// happened adds what a NotifyEvent tells: a button, an alarm, what a script sends. What is
// of the device's own software is ignored.
func (d *shelly) happened(in *Input, base Sample, params *fastjson.Value, out *Output) {
	out.Ignored = "NotifyEvent" // unless it tells of something
	for i, event := range params.GetArray("events") {
		word, of := text(event, "event"), base
		if at := event.Get("ts"); at != nil {
			of.Time, _ = jsonTime(in, at)
		}
		kind, number, _ := strings.Cut(text(event, "component"), ":")
		if number != "0" {
			of.Channel = number
		}
		event.GetObject().Visit(func(name []byte, v *fastjson.Value) {
			switch string(name) {
			case "component", "id", "event", "ts":
			default:
				out.flatten(in, of, kind+"."+string(name), v)
			}
		})
		switch {
		case word == "":
			out.Refuse(of.Device, "events["+strconv.Itoa(i)+"]", ingest.Malformed, "an event without its name")
		case shellySoftware[word] || strings.HasPrefix(word, "ota_"):
			out.Ignored = word
		default:
			out.Events = append(out.Events, Event{Device: of.Device, Channel: of.Channel, Type: snake(word), Active: true, Code: kind, Time: of.Time})
		}
	}
}

// shellySoftware are the events of a device's software, and those that announce a
// measurement which comes by itself.
var shellySoftware = map[string]bool{
	"config_changed": true, "sleep": true, "scheduled_restart": true, "component_added": true, "component_removed": true, "measurement": true, "device_discovered": true, "discovery_done": true,
	"associations_done": true, "sys_btn_down": true, "sys_btn_up": true, "sys_btn_push": true, "brownout": true, "btn_down": true, "btn_up": true,
}

// shellySystem are the components that measure nothing.
var shellySystem = map[string]bool{
	"sys": true, "cloud": true, "mqtt": true, "wifi": true, "eth": true, "ws": true, "ble": true, "script": true, "ui": true, "matter": true, "modbus": true, "knx": true, "plugs_ui": true,
}

// component adds the values of one component, "switch:0". The first of its kind
// has no channel.
func (d *shelly) component(in *Input, base Sample, name string, v *fastjson.Value, out *Output) {
	kind, number, _ := strings.Cut(name, ":")
	if number != "" && number != "0" {
		base.Channel = number
	}
	blind := "" // why what it measures is no measurement
	v.GetObject().Visit(func(field []byte, value *fastjson.Value) {
		if name := string(field); name != "errors" && !strings.HasSuffix(name, "_errors") {
			return
		}
		for _, item := range value.GetArray() {
			word := scalarText(item)
			e := Event{Device: base.Device, Channel: base.Channel, Type: snake(strings.ReplaceAll(word, ":", " ")), Active: true, Code: word, Time: base.Time}
			if phase, _, ok := strings.Cut(string(field), "_errors"); ok && phase != "" {
				e.Channel = shellyPhases[phase]
			}
			if e.Type != "" {
				out.Events = append(out.Events, e)
			}
			if strings.HasSuffix(word, "failure") || word == "read" {
				blind = word
			}
		}
	})
	v.GetObject().Visit(func(field []byte, value *fastjson.Value) {
		if blind != "" && value.Type() == fastjson.TypeNumber && shellyMeasured(string(field)) {
			out.Refuse(base.Device, kind+"."+string(field), ingest.BadValue, "%s.%.40s: the device says %.40s", kind, field, blind)
			return
		}
		switch string(field) {
		case "id", "source", "minute_ts", "errors", "a_errors", "b_errors", "c_errors", "n_errors":
			return
		case "aenergy", "ret_aenergy":
			if total := value.Get("total"); total != nil {
				out.scalar(base, kind+"."+string(field)+".total", total)
			}
			return
		case "temperature":
			if c := value.Get("tC"); c != nil {
				out.scalar(base, kind+".temperature.tC", c)
				return
			}
		}
		out.flatten(in, base, kind+"."+string(field), value)
	})
}

// shellyPhases are the channels of what has a phase in its name.
var shellyPhases = map[string]string{"a": "l1", "b": "l2", "c": "l3", "n": "n"}

// shellyMeasured reports whether a member is measured now, and not counted.
func shellyMeasured(name string) bool {
	for _, suffix := range []string{"power", "voltage", "current", "pf", "freq", "tC", "tF", "rh", "lux"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// zigbee2mqtt reads what Zigbee2MQTT publishes of a device: an object, or one
// attribute in a topic of its own.
type zigbee2mqtt struct{ parser fastjson.Parser }

func newZigbee2MQTT(*Source) (Decoder, error) { return &zigbee2mqtt{}, nil }

func (d *zigbee2mqtt) Decode(in *Input, out *Output) error {
	if strings.HasSuffix(in.Topic, "/set") || strings.HasSuffix(in.Topic, "/get") {
		out.Ignored = "command to a device"
		return nil
	}
	if strings.HasSuffix(in.Topic, "/availability") {
		return d.availability(in, out)
	}
	if strings.Contains(in.Topic, "/bridge/") {
		out.Ignored = "the bridge's own"
		return nil
	}
	root, err := parseJSON(&d.parser, in.Payload, out)
	if err != nil {
		// An attribute's topic has bare text: ON, OFF.
		if attribute := in.Captures.Channel; attribute != "" && len(in.Payload) < 64 {
			in.Captures.Channel = ""
			out.Samples = append(out.Samples, Sample{Field: attribute, Text: string(in.Payload), IsText: true})
			return nil
		}
		return err
	}
	base := Sample{}
	if root.Type() != fastjson.TypeObject {
		if in.Captures.Channel == "" {
			return ingest.Refuse(ingest.Malformed, "payload is a %s; it must be an object", root.Type())
		}
		field := in.Captures.Channel
		in.Captures.Channel = ""
		out.flatten(in, base, field, root)
		return nil
	}
	if at := root.Get("last_seen"); at != nil {
		base.Time, _ = jsonTime(in, at) // set to "disable" it is absent or text
	}
	root.GetObject().Visit(func(name []byte, v *fastjson.Value) {
		switch string(name) {
		case "last_seen", "update", "update_available", "device":
			return
		case "voltage":
			if root.Exists("battery") { // of a device that has one, it is the battery's
				s := base
				s.Quantity, s.Unit = "battery_voltage", "mV"
				out.scalar(s, "voltage", v)
				return
			}
		case "illuminance":
			if root.Exists("illuminance_lux") { // of version 1: this is the raw measure beside it
				out.flatten(in, base, "illuminance_raw", v)
				return
			}
		}
		out.flatten(in, base, string(name), v)
	})
	return nil
}

// availability reads whether a device is there: {"state":"offline"}, or the word.
func (d *zigbee2mqtt) availability(in *Input, out *Output) error {
	in.Captures.Channel = ""
	word := strings.Trim(string(in.Payload), "\" \r\n")
	if root, err := parseJSON(&d.parser, in.Payload, out); err == nil && root.Type() == fastjson.TypeObject {
		word = text(root, "state")
	}
	if word != "online" && word != "offline" {
		return ingest.Refuse(ingest.BadValue, "availability %.20q is neither online nor offline", word)
	}
	out.Events = append(out.Events, Event{Type: "node_offline", Active: word == "offline"})
	return nil
}

// esphome reads {prefix}/{type}/{name}/state: one bare value, without a unit
// or a time. The field is "type.name".
type esphome struct{}

func newESPHome(*Source) (Decoder, error) { return esphome{}, nil }

func (esphome) Decode(in *Input, out *Output) error {
	levels := strings.Split(in.Topic, "/")
	n := len(levels)
	if n < 4 || levels[n-1] != "state" {
		out.Ignored = "not a state"
		return nil
	}
	value := strings.TrimSpace(string(in.Payload))
	if len(value) > 256 {
		return ingest.Refuse(ingest.Malformed, "a state of %d bytes", len(value))
	}
	field := levels[n-3] + "." + levels[n-2]
	s := Sample{Field: field, Text: value, IsText: true}
	switch {
	case value == "" || strings.EqualFold(value, "nan") || value == "unknown" || value == "unavailable":
		return ingest.Refuse(ingest.BadValue, "%s has no value: %.60q", field, value)
	case value == "ON" || value == "OFF":
		s.IsText, s.IsBool = false, true
		if value == "ON" {
			s.Value = 1
		}
	}
	out.Samples = append(out.Samples, s)
	return nil
}

// homeassistant takes note of discovery messages: they describe a device, and
// carry no reading.
type homeassistant struct{ parser fastjson.Parser }

func newHomeAssistant(*Source) (Decoder, error) { return &homeassistant{}, nil }

func (d *homeassistant) Decode(in *Input, out *Output) error {
	if len(in.Payload) == 0 {
		out.Ignored = "device removed"
		return nil
	}
	if strings.HasSuffix(in.Topic, "/status") && in.Payload[0] != '{' {
		out.Ignored = "status of Home Assistant"
		return nil
	}
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	first := func(names ...string) string {
		for _, n := range names {
			if v := text(root, n); v != "" {
				return v
			}
		}
		return ""
	}
	topic := first("state_topic", "stat_t")
	if prefix := text(root, "~"); prefix != "" {
		topic = strings.ReplaceAll(topic, "~", prefix)
	}
	out.Explainf("discovery: %q publishes %s (%s) to %s as %s", first("name"), first("device_class", "dev_cla"),
		first("unit_of_measurement", "unit_of_meas"), topic, first("value_template", "val_tpl"))
	d.meaning(root, topic, first, out)
	out.Ignored = "discovery"
	return nil
}

// discovered are the quantities of Home Assistant's device classes.
var discovered = map[string]string{
	"door": "door_open", "opening": "door_open", "garage_door": "door_open", "battery": "battery_level", "power": "active_power",
	"energy": "energy_total", "voltage": "voltage", "current": "current", "power_factor": "power_factor", "frequency": "frequency",
	"temperature": "temperature", "humidity": "humidity", "illuminance": "illuminance", "water": "water_volume_total", "signal_strength": "rssi",
	"moisture": "event leak", "tamper": "event tamper", "smoke": "smoke_detected", "motion": "event motion", "occupancy": "occupied",
}

// meaning explains which source and field would read what is described. A
// binary sensor whose payload_on is false is on where its value is not.
func (d *homeassistant) meaning(root *fastjson.Value, topic string, first func(...string) string, out *Output) {
	quantity, ok := discovered[first("device_class", "dev_cla")]
	if !ok {
		return
	}
	path := strings.TrimSpace(strings.Trim(first("value_template", "val_tpl"), "{}"))
	path, simple := strings.CutPrefix(path, "value_json.")
	if !simple || strings.ContainsAny(path, " |(") {
		out.Explainf("its template is none we can read; %s would be the quantity", quantity)
		return
	}
	inverted := ""
	for _, name := range []string{"payload_on", "pl_on"} {
		if v := root.Get(name); v != nil && (v.Type() == fastjson.TypeFalse || scalarText(v) == "false" || scalarText(v) == "OFF") {
			inverted = ", inverted: {values: {\"true\": 0, \"false\": 1}}"
		}
	}
	out.Explainf("field %q of topic %q is %s%s", path, topic, quantity, inverted)
}
