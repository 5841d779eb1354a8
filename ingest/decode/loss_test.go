package decode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// lossless are payloads with @ where a member is put that the format does not know:
// at the top, beside values, in an element. What is put there must be told of, as
// unmapped or in a refusal, or refuse the message.
var lossless = map[string][]struct{ topic, payload string }{
	"native":       {{"t", `{"time":1795392000000,"active_power":43.2@}`}, {"t", `[{"active_power":1},{"voltage":229@}]`}},
	"json":         {{"t", `{"sn":"A1","voltage":230@}`}, {"t", `{"data":{"voltage":230@}}`}},
	"alink":        {{"/sys/pk/L1/thing/event/property/post", `{"params":{"LightSwitch":1@},"method":"thing.event.property.post"}`}, {"onenet/push", `{"deviceName":"L1","messageType":"notify","notifyType":"property","data":{"params":{"voltage":{"value":230,"time":1795392000000}@}}}`}, {"/sys/pk/L1/thing/event/e/post", `{"method":"thing.event.e.post","params":{"value":{"a":1@}}}`}},
	"huawei-iotda": {{"oc/devices/W1/sys/properties/report", `{"services":[{"service_id":"m","properties":{"flow":"1.5"@}}]}`}, {"hw", `{"notifyType":"deviceDataChanged","deviceId":"W1","service":{"data":{"x":1@}}}`}},
	"ctwing":       {{"a/b/W1", `{"messageType":"dataReport","deviceId":"W1","payload":{"water":12.5@}}`}, {"a/b/W1", `{"messageType":"eventReport","deviceId":"W1","eventContent":{"water":1@}}`}},
	"chirpstack":   {{"application/1/device/00aa/event/up", `{"deviceInfo":{"devEui":"00AA"},"fPort":2,"data":"AQID","object":{"distance":1200@}}`}},
	"tts":          {{"v3/a@t/devices/d/up", `{"end_device_ids":{"device_id":"d"},"uplink_message":{"f_port":1,"decoded_payload":{"temperature":3.5@}}}`}},
	"wmbusmeters":  {{"water", `{"id":"00012345","total_m3":6.388@,"timestamp":"2026-11-23T08:00:00Z"}`}},
	"senml":        {{"t", `[{"bn":"urn:dev:mac:0024befffe804ff1:","n":"temperature","u":"Cel","v":21.5@}]`}},
	"thingsboard":  {{"v1/gateway/telemetry", `{"B1":[{"ts":1795392000000,"values":{"fill_level":0.4@}}]}`}, {"v1/devices/me/telemetry", `{"temperature":4@}`}},
	"neuron":       {{"/neuron/a/d/g", `{"timestamp":1795392000000,"node":"d","values":{"active_power":3@}}`}, {"/neuron/a/d/g", `{"timestamp":1795392000000,"tags":[{"name":"voltage","value":229.5},{"name":"odd","value":{"x":1@}}]}`}},
	"tasmota":      {{"tele/pow/SENSOR", `{"ENERGY":{"Total":6.294@}}`}, {"tele/pow/SENSOR", `{"ENERGY":{"Total":6.294}@}`}},
	"shelly":       {{"lamp/events/rpc", `{"src":"lamp","method":"NotifyStatus","params":{"switch:1":{"id":1,"apower":11.5@}}}`}, {"lamp/status/switch:0", `{"id":0,"output":true@}`}},
	"zigbee2mqtt":  {{"zigbee2mqtt/lamp", `{"state":"ON"@}`}},
	"fiware":       {{"/k/d/attrs", `{"t":"31.5"@}`}, {"t", `{"id":"w:1","type":"Streetlight","voltage":1@}`}, {"t", `{"id":"w:1","type":"Streetlight","voltage":{"type":"Property","value":{"a":1@}}}`}},
}

// oddMembers hold what devices put beside the values they are known for.
var oddMembers = []string{
	`"odd":17.25`, `"odd":"some words"`, `"odd":true`, `"odd":{"inner":17.25}`, `"odd":[17.25,18.25]`, `"odd":[{"inner":17.25}]`,
	`"odd":{"L1":17.25,"L2":18}`, `"odd":{"value":17.25}`, `"odd":{"value":17.25,"unit":"furlong"}`, `"odd":{"value":17.25,"time":1795392000000}`,
	`"odd":{"value":17.25,"quality":"Bad"}`, `"odd":{"type":"Property","value":{"deep":{"er":17.25}}}`, `"odd":"\"17.25\""`,
}

// No member of a payload goes without a word: it is a reading, an event, unmapped, or
// named in a refusal. Formats that are cut down to what may be kept (gates) are not among
// these, nor bytes.
func TestNothingIsLostSilently(t *testing.T) {
	for _, name := range format.Names() {
		reads := format.Formats[name]
		if len(lossless[name]) == 0 {
			if how := "raw esphome homeassistant influx sparkplug cjt188 dlt645 hj212"; reads.Redact == nil && !reads.Application && !slices.Contains(strings.Fields(how), name) {
				t.Errorf("%s has no payload here", name)
			}
			continue
		}
		for _, e := range lossless[name] {
			w := source(t, "lighting", name, "#", "")
			for _, odd := range oddMembers {
				payload := strings.Replace(e.payload, "@", ","+odd, 1)
				if !json.Valid([]byte(payload)) {
					t.Fatalf("%s is no JSON", payload)
				}
				r := w.Decode(&ingest.Message{Seq: 1, Topic: e.topic, Payload: []byte(payload), Received: 1_795_392_060_000_000_000})
				checkResult(t, r)
				if r.Err == nil && !toldOf(r, "odd") || r.Ignored != "" || r.Err != nil && r.Err.Reason == ingest.UnknownTopic {
					t.Errorf("%s: of %s nothing is said: %v", name, payload, told(r))
				}
			}
		}
	}
}

// Of members of one name in one object the last counts, and of the others it is told;
// Get and Visit of a parsed object would each take another. native refuses such an object.
func TestMembersOfOneNameAreTold(t *testing.T) {
	for name, payloads := range lossless {
		w := source(t, "lighting", name, "#", "")
		for _, e := range payloads {
			for _, payload := range []string{
				strings.Replace(e.payload, "@", `,"odd":17.25,"odd":18.25`, 1),
				strings.Replace(e.payload, "@", `,"odd":{"x":1},"odd":[2]`, 1),
			} {
				r := w.Decode(&ingest.Message{Seq: 1, Topic: e.topic, Payload: []byte(payload), Received: 1_795_392_060_000_000_000})
				checkResult(t, r)
				said := r.Err != nil && strings.Contains(r.Err.Detail, "odd")
				for _, f := range r.Refused {
					said = said || f.Field == "odd" && strings.Contains(f.Detail, "more than once")
				}
				if !said {
					t.Errorf("%s: of %s only %v is said", name, payload, told(r))
				}
			}
		}
	}
}

// What a message gives twice at one time is one point in the store: the last counts, and it is told.
func TestGivenTwice(t *testing.T) {
	for _, c := range []struct {
		name, format, facility, more, topic, payload string
		want                                         string
	}{
		{"records without times", "native", "lighting", "", "t", `[{"active_power":1},{"active_power":2},{"active_power":3}]`,
			"active_power=1 active_power=2 active_power=3"}, // the pipeline gives each a time
		{"twice the same", "native", "lighting", "", "t", `[{"active_power":1},{"active_power":1}]`, "active_power=1 active_power=1"},
		{"records with one time", "json", "lighting", `, json: {records: "[*]", time: [{path: t}]}`, "t", `[{"voltage":229,"t":1795392000},{"voltage":230,"t":1795392000},{"voltage":231,"t":1795392001}]`,
			"voltage=230@2026-11-23T00:00:00 voltage=231@2026-11-23T00:00:01 xvoltage:bad_value"},
		{"two registers of two units", "json", "lighting", `, json: {records: "r[*]", name: n, value: v, unit: u, time: [{path: $.t}]}`, "t", `{"t":1795392000,"r":[{"n":"energy_total","v":1500,"u":"Wh"},{"n":"energy_total","v":0.7,"u":"MWh"}]}`,
			"energy_total=1.5@2026-11-23T00:00:00 energy_total=700@2026-11-23T00:00:00 xenergy_total:bad_value"},
		{"a key twice", "thingsboard", "lighting", "", "v1/devices/L1/telemetry", `{"voltage":229,"voltage":230}`, "voltage=230 xvoltage:bad_value"},
		{"an envelope's key twice", "alink", "lighting", "", "/sys/pk/L1/thing/event/property/post", `{"params":{"voltage":229},"params":{"voltage":230},"method":"thing.event.property.post"}`,
			"voltage=230 xparams:bad_value"},
		{"lines that a tag tells apart", "influx", "lighting", "", "t", "m,device=a,phase=A voltage=229\nm,device=a,phase=b voltage=230\nm,device=a,phase=3 voltage=231", "voltage[l1]=229 voltage[l2]=230 voltage[l3]=231"},
		{"lines that no tag we know does", "influx", "lighting", "", "t", "m,device=a,host=x voltage=229 1795392000\nm,device=a,host=y voltage=230 1795392000", "voltage=230@2026-11-23T00:00:00 ?host=0x ?host=0y xvoltage:bad_value"},
		{"a tag on each line", "influx", "lighting", "", "t", "m,device=a,host=x voltage=229\nm,device=a,host=x active_power=1\nm,device=b,host=x active_power=2", "voltage=229 active_power=1 active_power=2 ?host=0x ?host=0x"},
		{"two tags that could be the channel", "influx", "lighting", "", "t", "m,device=a,ch=2,phase=a voltage=229", "voltage[l1]=229 ?ch=02"},
		{"a channel and a phase", "influx", "lighting", "", "t", "m,device=a,channel=x,phase=a voltage=229", "voltage[x]=229 ?phase=0a"},
	} {
		w := source(t, ingest.FacilityKind(c.facility), c.format, inventory.TemplateFor(format.Formats[c.format], c.topic), c.more)
		r := w.Decode(&ingest.Message{Seq: 1, Topic: c.topic, Payload: []byte(c.payload), Received: received})
		checkResult(t, r)
		if have := line(r); have != c.want {
			t.Errorf("%s\nhave %s\nwant %s\n%v", c.name, have, c.want, r.Refused)
		}
	}
	// A large message is looked at as a whole.
	w := source(t, "lighting", "native", "t", "")
	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, `,{"time":1795392000,"channel":"c%d","voltage":%d}`, i, 200+i)
	}
	r := w.Decode(&ingest.Message{Seq: 1, Topic: "t", Payload: []byte("[" + many.String()[1:] + many.String() + `,{"time":1795392000,"channel":"c0","voltage":100}]`), Received: received})
	if len(r.Refused) != 1 || r.Readings[50].Value != 100 {
		t.Errorf("%v of %d readings: %v", r.Refused, len(r.Readings), r.Err)
	}
}

func toldOf(r *Result, name string) bool {
	return slices.ContainsFunc(told(r), func(line string) bool { return strings.Contains(line, name) })
}

// FuzzNothingIsLost puts members with any name and value where a format has its values.
func FuzzNothingIsLost(f *testing.F) {
	names := slices.DeleteFunc(format.Names(), func(name string) bool { return len(lossless[name]) == 0 })
	f.Add(uint8(0), uint8(0), "odd", `17.25`)
	for i := range names {
		for j, odd := range oddMembers {
			_, value, _ := strings.Cut(odd, ":")
			f.Add(uint8(i), uint8(j), "odd", value)
		}
	}
	workers := map[string]*Worker{}
	for _, name := range names {
		workers[name] = source(f, "lighting", name, "#", "")
	}
	f.Fuzz(func(t *testing.T, i, j uint8, key, value string) {
		name := names[int(i)%len(names)]
		e := lossless[name][int(j)%len(lossless[name])]
		key = "odd" + strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
				return r
			}
			return -1
		}, key)
		var v any
		if json.Unmarshal([]byte(value), &v) != nil || !carries(v) || len(value) > 4096 {
			return
		}
		payload := strings.Replace(e.payload, "@", fmt.Sprintf(",%q:%s", key, value), 1)
		r := workers[name].Decode(&ingest.Message{Seq: 1, Topic: e.topic, Payload: []byte(payload), Received: 1_795_392_060_000_000_000})
		checkResult(t, r)
		if r.Err == nil && !toldOf(r, key) {
			t.Errorf("%s: of %s nothing is said: %v", name, payload, told(r))
		}
	})
}

// carries reports whether a value has anything in it but null and empty lists.
func carries(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case map[string]any:
		for _, inner := range v {
			if carries(inner) {
				return true
			}
		}
		return false
	case []any:
		return slices.ContainsFunc(v, carries)
	}
	return true
}
