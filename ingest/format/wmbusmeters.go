package format

import (
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// wmbusmeters reads the JSON of wmbusmeters. A field's unit is the suffix of
// its name; the meter's own clock goes before the receiver's, and 1111-11-11
// is no time.
type wmbusmeters struct{ parser fastjson.Parser }

func newWMBusMeters(*Source) (Decoder, error) { return &wmbusmeters{}, nil }

// wmbusUnits are the suffixes of fields.
var wmbusUnits = []struct{ suffix, unit string }{
	{"_m3h", "m3/h"}, {"_m3", "m3"}, {"_lh", "L/h"}, {"_l", "L"}, {"_kwh", "kWh"}, {"_kvarh", "kvarh"}, {"_kw", "kW"}, {"_w", "W"},
	{"_v", "V"}, {"_a", "A"}, {"_hz", "Hz"}, {"_c", "Cel"}, {"_f", "degF"}, {"_dbm", "dBm"}, {"_pct", "%"}, {"_bar", "bar"}, {"_rh", "%RH"},
}

// wmbusText are members that describe the meter or the receiver.
var wmbusText = map[string]bool{
	"_": true, "media": true, "meter": true, "name": true, "id": true, "device": true, "timestamp": true, "meter_datetime": true, "device_date_time": true,
	"device_datetime": true, "message_datetime": true, "set_datetime": true, "set_date": true, "target_datetime": true, "target_date": true, "at_date": true, "time_dry": true, "time_reversed": true, "time_leaking": true, "time_bursting": true,
}

func (d *wmbusmeters) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload)
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
	statuses := map[string]bool{}
	root.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		switch {
		case wmbusText[name]:
			return
		case name == "status" || name == "current_status":
			for word := range strings.FieldsSeq(string(v.GetStringBytes())) {
				if event := snake(strings.ToLower(word)); event != "" && event != "ok" && !statuses[event] {
					statuses[event] = true
					out.Events = append(out.Events, Event{Device: base.Device, Type: event, Active: true, Time: base.Time, TimeSource: base.TimeSource})
				}
			}
			return
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
	return nil
}
