package format

import (
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// fiware reads entities of NGSI as key-values, normalized and NGSI-LD, and
// measures of an IoT Agent ({"t": "31.5"} on /{key}/{device}/attrs). The unit
// code of an attribute goes before anything else known about its unit.
type fiware struct{ parser fastjson.Parser }

func newFIWARE(*Source) (Decoder, error) { return &fiware{}, nil }

// unCEFACT are the unit codes of UN/CEFACT recommendation 20 that occur.
var unCEFACT = map[string]string{
	"LTR": "L", "MTQ": "m3", "E32": "L/h", "MQH": "m3/h", "MQS": "m3/s", "L2": "L/min", "KWH": "kWh", "WHR": "Wh", "MWH": "MWh",
	"WTT": "W", "KWT": "kW", "VLT": "V", "AMP": "A", "4K": "mA", "CEL": "Cel", "FAH": "degF", "KEL": "K", "P1": "%", "C62": "1",
	"KGM": "kg", "GRM": "g", "MTR": "m", "CMT": "cm", "MMT": "mm", "HTZ": "Hz", "BAR": "bar", "KPA": "kPa", "LUX": "lx", "DBM": "dBm",
	"SEC": "s", "HUR": "h", "MIN": "min", "2N": "dB", "D46": "VA", "KVA": "kVA", "KVR": "kvar", "D44": "var",
}

// fiwareTimes are the members that say when an entity was observed.
var fiwareTimes = []string{"dateObserved", "dateObservedTo", "observationDateTime", "dateModified", "TimeInstant", "timestamp"}

// fiwareStatic are members that describe and are no measurements.
var fiwareStatic = map[string]bool{
	"id": true, "type": true, "@context": true, "location": true, "address": true, "source": true, "dataProvider": true, "owner": true,
	"name": true, "alternateName": true, "description": true, "areaServed": true, "seeAlso": true, "dateCreated": true, "deviceInfo": true,
	"municipalityInfo": true, "license_plate": true,
	// Of lamps, cabinets and containers: what they are, and not what they measure.
	"binCapacity": true, "binColor": true, "wardId": true, "RFID": true, "binFullnessThreshold": true, "binRecommendedLoad": true,
	"binId": true, "binMaxLoad": true, "storedWasteKind": true, "storedWasteOrigin": true, "storedWasteCode": true, "regulation": true, "category": true,
	"responsible": true, "serialNumber": true, "color": true, "image": true, "annotations": true, "features": true, "cargoVolume": true, "actuationHours": true,
	"circuit": true, "lanternHeight": true, "locationCategory": true, "controllingMethod": true, "powerRating": true, "feederPillarNum": true,
	"streetPoleNum": true, "feederID": true, "cupboardMadeOf": true, "brandName": true, "modelName": true, "manufacturerName": true, "meterReadingPeriod": true,
	"nextActuationDeadline": true, "nextCleaningDeadline": true, "compliantWith": true,
	"lampBrandName": true, "lampModelName": true, "lampManufacturerName": true, "laneId": true, "direction": true, "congested": true,
}

func (d *fiware) Decode(in *Input, out *Output) error {
	root, err := parseJSON(&d.parser, in.Payload)
	if name, ok := fiwareAttribute(in.Topic); ok && (err != nil || root.Type() != fastjson.TypeObject && root.Type() != fastjson.TypeArray) {
		// One attribute in a topic of its own: its value alone, 31.5 or "31.5" or on.
		switch {
		case err == nil:
			out.scalar(Sample{}, name, root)
		case len(in.Payload) > 0 && len(in.Payload) <= 256 && utf8.Valid(in.Payload):
			out.Samples = append(out.Samples, Sample{Field: name, Text: string(in.Payload), IsText: true})
		default:
			return err
		}
		return nil
	}
	if err != nil {
		return err
	}
	entities := []*fastjson.Value{root}
	switch {
	case root.Type() == fastjson.TypeArray:
		entities = root.GetArray()
	case root.Get("data") != nil && root.Get("data").Type() == fastjson.TypeArray && root.Exists("subscriptionId"):
		entities = root.GetArray("data") // a notification
	}
	for _, e := range entities {
		if e.Type() != fastjson.TypeObject {
			return ingest.Refuse(ingest.Malformed, "an entity is a %s; it must be an object", e.Type())
		}
		d.entity(in, e, out)
	}
	if len(out.Samples)+len(out.Events)+len(out.Refused) == 0 && root.Exists("id") {
		out.Ignored = "an entity without measurements"
	}
	return nil
}

// fiwareAttribute is the attribute an IoT Agent's topic names:
// /{key}/{device}/attrs/{attribute}.
func fiwareAttribute(topic string) (string, bool) {
	before, name, ok := strings.Cut(topic, "/attrs/")
	return name, ok && before != "" && name != "" && !strings.Contains(name, "/")
}

func (d *fiware) entity(in *Input, e *fastjson.Value, out *Output) {
	base := Sample{}
	if id := text(e, "id"); id != "" && e.Exists("type") {
		base.Device = id
	}
	for _, name := range fiwareTimes {
		v := e.Get(name)
		if v != nil && v.Type() == fastjson.TypeObject {
			v = v.Get("value")
			if v != nil && v.Type() == fastjson.TypeObject {
				v = v.Get("@value")
			}
		}
		if v != nil && base.Time == 0 {
			base.Time, _ = jsonTime(in, v)
		}
	}
	e.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		if name == "status" && e.Exists("type") && d.status(base, v, out) {
			return
		}
		if fiwareStatic[name] || strings.HasPrefix(name, "ref") || strings.HasPrefix(name, "date") || name == "observationDateTime" || name == "TimeInstant" || name == "timestamp" {
			return
		}
		if name == "peopleCount" { // which way people went
			if way := fiwareText(e, "direction"); way == "inbound" || way == "outbound" {
				name += "." + way
			}
		}
		of := base
		if name == "temperature" && text(e, "type") == "WasteContainer" {
			of.Quantity = "bin_temperature"
		}
		d.attribute(in, of, name, v, out)
	})
}

// fiwareEvents are the words of a lamp's or container's status that are events.
var fiwareEvents = map[string]string{
	"defectiveLamp": "lamp_fault", "brokenLantern": "lamp_fault", "columnIssue": "column_issue",
	"vandalized": "tamper", "burning": "burning", "moved": "moved",
}

// status reads a status of the data models, which is one word or several;
// lidOpen and dropped are states of a container. It reports whether it knows
// the words.
func (d *fiware) status(base Sample, v *fastjson.Value, out *Output) bool {
	if v.Type() == fastjson.TypeObject {
		v = v.Get("value")
	}
	words := []*fastjson.Value{v}
	if v != nil && v.Type() == fastjson.TypeArray {
		words = v.GetArray()
	}
	known := true
	for _, word := range words {
		switch status := scalarText(word); status {
		case "ok", "unknown":
		case "lidOpen", "dropped":
			s := base
			s.Field, s.IsBool, s.Value = "status."+status, true, 1
			out.Samples = append(out.Samples, s)
		default:
			event := fiwareEvents[status]
			if known = known && event != ""; event != "" {
				out.Events = append(out.Events, Event{Device: base.Device, Type: event, Active: true, Code: status, Time: base.Time})
			}
		}
	}
	return known
}

// fiwareText is a text attribute, in any of the forms.
func fiwareText(e *fastjson.Value, name string) string {
	if v := text(e, name); v != "" {
		return v
	}
	return text(e, name, "value")
}

// attribute adds the value of an attribute; of one that has several, each.
func (d *fiware) attribute(in *Input, base Sample, name string, v *fastjson.Value, out *Output) {
	if v.Type() == fastjson.TypeArray {
		for _, instance := range v.GetArray() {
			if instance.Type() == fastjson.TypeObject && instance.Exists("value") {
				d.attribute(in, base, name, instance, out)
			}
		}
		return
	}
	s := base
	if v.Type() == fastjson.TypeObject {
		switch text(v, "type") {
		case "GeoProperty", "Relationship", "geo:json", "DateTime":
			return
		}
		value := v.Get("value")
		if value == nil {
			return // an address, a location
		}
		if code := text(v, "unitCode"); code != "" {
			s.Unit = fiwareUnit(code)
		} else if code := text(v, "metadata", "unitCode", "value"); code != "" {
			s.Unit = fiwareUnit(code)
		}
		for _, at := range []*fastjson.Value{v.Get("observedAt"), v.Get("metadata", "TimeInstant", "value"), v.Get("metadata", "timestamp", "value")} {
			if at != nil {
				if t, ok := jsonTime(in, at); ok && t != 0 {
					s.Time = t
				}
			}
		}
		v = value
	}
	if v.Type() == fastjson.TypeObject || v.Type() == fastjson.TypeArray {
		return
	}
	out.scalar(s, name, v)
}

func fiwareUnit(code string) string {
	if unit, ok := unCEFACT[code]; ok {
		return unit
	}
	return code // refused later, by its name
}
