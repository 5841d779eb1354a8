package format

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// fiware reads entities of NGSI as key-values, normalized and NGSI-LD, and
// measures of an IoT Agent ({"t": "31.5"} on /{key}/{device}/attrs). The unit
// code of an attribute goes before anything else known about its unit.
type fiware struct {
	parser fastjson.Parser
	opened
}

func newFIWARE(*Source) (Decoder, error) { return &fiware{opened: opened{}}, nil }

// unCEFACT are the unit codes of UN/CEFACT recommendation 20 that occur.
var unCEFACT = map[string]string{
	"LTR": "L", "MTQ": "m3", "E32": "L/h", "MQH": "m3/h", "MQS": "m3/s", "L2": "L/min", "KWH": "kWh", "WHR": "Wh", "MWH": "MWh",
	"WTT": "W", "KWT": "kW", "VLT": "V", "AMP": "A", "4K": "mA", "CEL": "Cel", "FAH": "degF", "KEL": "K", "P1": "%", "C62": "1",
	"KGM": "kg", "GRM": "g", "MTR": "m", "CMT": "cm", "MMT": "mm", "HTZ": "Hz", "BAR": "bar", "KPA": "kPa", "LUX": "lx", "DBM": "dBm",
	"HLT": "hL", "2Z": "mV", "JOU": "J", "KJO": "kJ", "3B": "MJ", "MBR": "mbar", "A97": "hPa", "PAL": "Pa", "MPA": "MPa", "GV": "GJ", "KVT": "kV", "B22": "kA",
	"DMT": "dm", "KMT": "km", "TNE": "t", "MGM": "mg", "MLT": "mL", "DMQ": "dm3", "C26": "ms", "DAY": "d", "59": "ppm", "61": "ppb", "GQ": "ug/m3", "GP": "mg/m3", "DD": "deg", "C81": "rad",
	"KMH": "km/h", "K3": "kvarh", "MAR": "Mvar", "G51": "L/s", "2J": "mL/s",
	"SEC": "s", "HUR": "h", "MIN": "min", "2N": "dB", "D46": "VA", "KVA": "kVA", "KVR": "kvar", "D44": "var",
}

// fiwareTimes are the members that say when an entity was observed.
var fiwareTimes = []string{"dateObserved", "dateObservedTo", "dateEnergyMetered", "observationDateTime", "dateModified", "TimeInstant", "timestamp"}

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
	root, err := parseJSON(&d.parser, in.Payload, out)
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
	if name, ok := fiwareAttribute(in.Topic); ok && root.Type() == fastjson.TypeObject { // an object of a value and its time
		if root.Exists("value") {
			d.attribute(in, Sample{Time: fiwareTime(in, root)}, name, root, out)
		} else {
			out.flatten(in, Sample{Time: fiwareTime(in, root)}, name, root)
		}
		return nil
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

// fiwareTime returns when an entity was observed, 0 where it does not say.
func fiwareTime(in *Input, e *fastjson.Value) (at int64) {
	for _, name := range fiwareTimes {
		v := e.Get(name)
		if v != nil && v.Type() == fastjson.TypeObject {
			v = v.Get("value")
			if v != nil && v.Type() == fastjson.TypeObject {
				v = v.Get("@value")
			}
		}
		if v != nil && at == 0 {
			at, _ = jsonTime(in, v)
		}
	}
	return at
}

func (d *fiware) entity(in *Input, e *fastjson.Value, out *Output) {
	base := Sample{}
	if id := text(e, "id"); id != "" && e.Exists("type") {
		base.Device = id
	}
	base.Time = fiwareTime(in, e)
	kind := text(e, "type")
	e.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		if name == "status" && e.Exists("type") && d.status(base, kind, v, out) {
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
		switch {
		case name == "temperature" && kind == "WasteContainer":
			of.Quantity = "bin_temperature"
		case kind == "StreetlightControlCabinet":
			of.Unit = fiwareCabinetUnit(name)
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
//
// A status is the state now: what it does not name has ended.
func (d *fiware) status(base Sample, kind string, v *fastjson.Value, out *Output) bool {
	if v.Type() == fastjson.TypeObject {
		v = v.Get("value")
	}
	words := []*fastjson.Value{v}
	if v != nil && v.Type() == fastjson.TypeArray {
		words = v.GetArray()
	}
	if kind == "ParkingSpot" && len(words) == 1 {
		occupied, ok := map[string]float64{"free": 0, "occupied": 1}[scalarText(v)]
		if ok {
			base.Field, base.IsBool, base.Value = "status.occupied", true, occupied
			out.Samples = append(out.Samples, base)
		}
		return ok
	}
	known, said, is := true, false, map[string]bool{}
	for _, word := range words {
		switch status := scalarText(word); status {
		case "ok":
			said = true
		case "unknown":
			out.Explainf("status unknown")
		case "lidOpen", "dropped":
			said, is[status] = true, true
		default:
			event := fiwareEvents[status]
			if known = known && event != ""; event != "" {
				said, is[event] = true, true
				out.Events = append(out.Events, Event{Device: base.Device, Type: event, Active: true, Code: status, Time: base.Time})
			}
		}
	}
	if kind == "WasteContainer" && said {
		for _, state := range []string{"lidOpen", "dropped"} {
			s := base
			s.Field, s.IsBool = "status."+state, true
			if is[state] {
				s.Value = 1
			}
			out.Samples = append(out.Samples, s)
		}
	}
	if said {
		d.settle(Event{Device: base.Device, Code: "ok", Time: base.Time}, fiwareConditions, func(event string) bool { return is[event] }, out)
	}
	return known
}

// fiwareConditions are the events that end where a status does not name them.
var fiwareConditions = []string{"lamp_fault", "column_issue", "tamper", "burning", "moved"}

// fiwareCabinetUnit is the unit of an attribute of a StreetlightControlCabinet, which
// is in kW and kvar where other types are in W and var.
func fiwareCabinetUnit(name string) string {
	switch {
	case strings.HasPrefix(name, "totalActivePower"), strings.HasPrefix(name, "activePower"):
		return "kW"
	case strings.HasPrefix(name, "totalReactivePower"), strings.HasPrefix(name, "reactivePower"):
		return "kvar"
	}
	return ""
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
		items := v.GetArray()
		instances := len(items) > 0
		for _, instance := range items {
			instances = instances && instance.Type() == fastjson.TypeObject && instance.Exists("value")
		}
		if !instances {
			d.parts(in, base, name, v, out)
			return
		}
		for _, instance := range items {
			d.attribute(in, base, name, instance, out)
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
			d.parts(in, base, name, v, out)
			return
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
		d.parts(in, s, name, v, out)
		return
	}
	out.scalar(s, name, v)
}

// fiwarePhases are the channels of the members of a structured value, and of the
// elements of an ordered triple of phases (R Y B).
var fiwarePhases = map[string]string{
	"L1": "l1", "L2": "l2", "L3": "l3", "N": "n", "R": "l1", "Y": "l2", "S": "l2", "B": "l3", "T": "l3",
	"[0]": "l1", "[1]": "l2", "[2]": "l3",
}

// parts adds the parts of a structured value: of phases each as a channel of the
// attribute, of anything else under its path.
func (d *fiware) parts(in *Input, base Sample, name string, v *fastjson.Value, out *Output) {
	phases := v.Type() == fastjson.TypeArray && len(v.GetArray()) == 3
	for _, item := range v.GetArray() {
		phases = phases && item.Type() == fastjson.TypeNumber
	}
	if v.Type() == fastjson.TypeObject {
		phases = v.GetObject().Len() > 0
		v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
			phases = phases && fiwarePhases[string(key)] != "" && (member.Type() == fastjson.TypeNumber || member.Type() == fastjson.TypeNull)
		})
	}
	if !phases {
		out.flatten(in, base, name, v)
		return
	}
	part := func(key string, member *fastjson.Value) {
		s := base
		s.Channel = fiwarePhases[key]
		out.scalar(s, name, member)
	}
	if v.Type() == fastjson.TypeArray {
		for i, item := range v.GetArray() {
			part("["+strconv.Itoa(i)+"]", item)
		}
		return
	}
	v.GetObject().Visit(func(key []byte, member *fastjson.Value) { part(string(key), member) })
}

func fiwareUnit(code string) string {
	if unit, ok := unCEFACT[code]; ok {
		return unit
	}
	return code // refused later, by its name
}
