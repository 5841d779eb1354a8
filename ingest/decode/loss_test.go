package decode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// lossless are payloads with @ where a member is put that the format does not know:
// at the top, beside values, in an element. What is put there must be told of, as
// unmapped or in a refusal, or refuse the message.
var lossless = map[string][]struct{ topic, payload string }{
	"native":       {{"t", `{"time":1795392000000,"active_power":43.2@}`}, {"t", `[{"active_power":1},{"voltage":229@}]`}},
	"json":         {{"t", `{"sn":"A1","voltage":230@}`}, {"t", `{"data":{"voltage":230@}}`}},
	"alink":        {{"/sys/pk/L1/thing/event/property/post", `{"params":{"LightSwitch":1@},"method":"thing.event.property.post"}`}, {"onenet/push", `{"deviceName":"L1","messageType":"notify","notifyType":"property","data":{"params":{"voltage":{"value":230,"time":1795392000000}@}}}`}, {"/sys/pk/L1/thing/event/e/post", `{"method":"thing.event.e.post","params":{"value":{"a":1@}}}`}},
	"huawei-iotda": {{"$oc/devices/W1/sys/properties/report", `{"services":[{"service_id":"m","properties":{"flow":"1.5"@}}]}`}, {"hw", `{"notifyType":"deviceDataChanged","deviceId":"W1","service":{"data":{"x":1@}}}`}},
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
			if how := "raw esphome homeassistant influx sparkplug cjt188 dlt645"; reads.Redact == nil && !reads.Application && !slices.Contains(strings.Fields(how), name) {
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
				if r.Err == nil && !toldOf(r, "odd") || r.Ignored != "" {
					t.Errorf("%s: of %s nothing is said: %v", name, payload, told(r))
				}
			}
		}
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
