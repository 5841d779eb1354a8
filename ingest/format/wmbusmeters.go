package format

import (
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// wmbusmeters reads the JSON of wmbusmeters. A field's unit is the suffix of
// its name; the meter's own clock goes before the receiver's, and 1111-11-11
// is no time.
type wmbusmeters struct {
	parser fastjson.Parser
	opened
}

func newWMBusMeters(*Source) (Decoder, error) { return &wmbusmeters{opened: opened{}}, nil }

// wmbusUnits are the suffixes of fields.
var wmbusUnits = []struct{ suffix, unit string }{
	{"_m3h", "m3/h"}, {"_m3", "m3"}, {"_lh", "L/h"}, {"_l", "L"}, {"_kwh", "kWh"}, {"_kvarh", "kvarh"}, {"_kw", "kW"}, {"_w", "W"},
	{"_v", "V"}, {"_a", "A"}, {"_hz", "Hz"}, {"_c", "Cel"}, {"_f", "degF"}, {"_dbm", "dBm"}, {"_pct", "%"}, {"_bar", "bar"}, {"_rh", "%RH"},
}

// wmbusText are members that describe the meter or the receiver.
var wmbusText = map[string]bool{
	"_": true, "media": true, "meter": true, "name": true, "id": true, "device": true, "timestamp": true, "meter_datetime": true, "device_date_time": true,
	"device_datetime": true, "message_datetime": true, "set_datetime": true, "set_date": true, "target_datetime": true, "target_date": true, "at_date": true,
}

func (d *wmbusmeters) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	base := Sample{Device: text(root, "id")}
	if base.Device == "" {
		return ingest.Refuse(ingest.BadIdentifier, "no id")
	}
	for _, name := range []string{"meter_datetime", "device_date_time", "device_datetime", "message_datetime"} {
		if t, ok := ParseTime(text(root, name), in.Zone()); ok && base.Time == 0 {
			base.Time = t
		}
	}
	if base.Time != 0 {
		out.Explainf("time of the meter's clock")
	} else if t, ok := ParseTime(text(root, "timestamp"), in.Zone()); ok {
		base.Time, base.TimeSource = t, ingest.TimeGateway
	}
	var set int64 // when the settlement is of
	for _, name := range []string{"set_datetime", "set_date", "target_datetime", "target_date", "at_date"} {
		if t, ok := ParseTime(text(root, name), in.Zone()); ok && set == 0 {
			set = t
		}
	}
	said, statuses := false, map[string]bool{}
	root.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		switch {
		case wmbusText[name]:
			return
		case (name == "status" || name == "current_status" || name == "current_alarms" || name == "alarms") && v.Type() == fastjson.TypeString:
			words := string(v.GetStringBytes())
			for word := range strings.FieldsFuncSeq(words, func(r rune) bool { return r == ' ' || r == ',' }) {
				said = true
				event := meterEvent(word)
				if event == "" || event == "ok" || event == "no_alarm" || event == "null" || statuses[event] {
					continue
				}
				statuses[event] = true
				out.Events = append(out.Events, Event{Device: base.Device, Type: event, Active: true, Code: word, Time: base.Time, TimeSource: base.TimeSource})
			}
			return
		}
		if strings.HasPrefix(name, "time_") && len(v.GetStringBytes()) == 0 && v.Type() == fastjson.TypeString {
			return // how long it was dry, leaked: never
		}
		s := base
		for _, u := range wmbusUnits {
			if strings.HasSuffix(name, u.suffix) {
				s.Unit = u.unit
				break
			}
		}
		if set != 0 && (strings.Contains(name, "at_set_date") || strings.Contains(name, "at_date") || strings.HasPrefix(name, "target_")) {
			s.Time, s.TimeSource = set, ingest.TimeDevice
		}
		out.scalar(s, name, v)
	})
	if said { // a status is the state now: what it does not name has ended
		of := Event{Device: base.Device, Code: "OK", Time: base.Time, TimeSource: base.TimeSource}
		d.settle(of, meterConditions, func(event string) bool { return statuses[event] }, out)
	}
	return nil
}

// meterConditions are the conditions that a status without them ends.
var meterConditions = []string{"leak", "backflow", "tamper", "low_battery"}

// meterEvent is the event that a meter's word for its condition stands for: leak,
// backflow, tamper and low_battery where it is one of now, else the word itself. What
// was in an earlier month or day is no condition of now.
func meterEvent(word string) string {
	event := snake(strings.ToLower(word))
	if strings.Contains(event, "prev") || strings.Contains(event, "last_") || strings.Contains(event, "history") {
		return event
	}
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(event, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("leak", "burst", "broken_pipe", "pipe_break"):
		return "leak"
	case has("reverse", "backflow", "back_flow", "backward"):
		return "backflow"
	case has("tamper", "magnet", "fraud", "manipulation", "sabotage", "case_open", "removal", "removed"):
		return "tamper"
	case has("low_battery", "battery_low", "power_low", "batt_low", "low_power"):
		return "low_battery"
	}
	return event
}
