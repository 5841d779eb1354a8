package decode

import (
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	lines "greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
)

// examples are one message a format or more, written for the project. They
// seed the fuzzer and run in the benchmarks.
var examples = map[string][]struct{ topic, payload string }{
	"native":         {{"t", `{"time":1795392000000,"active_power":43.2,"energy_total":1203.4,"light_level":0.6,"light_on":true}`}, {"t", `[{"time":"2026-11-23T08:00:00+08:00","fill_level":0.5,"channel":"a"},{"event":"tamper","active":false,"code":3}]`}},
	"json":           {{"t", `{"sn":"A1","data":[{"k":"T","v":"21.5"},{"k":"P","v":{"value":3,"time":1795392000}}]}`}},
	"raw":            {{"t", "AXVkAwABBAAB"}},
	"alink":          {{"/sys/pk/L1/thing/event/property/post", `{"id":"1","version":"1.0","params":{"LightSwitch":1,"P":{"value":41.5,"time":1795392000000}},"method":"thing.event.property.post"}`}, {"tylink/L1/thing/property/report", `{"msgId":"1","time":1795392000,"data":{"b":{"value":80,"time":1795392000}}}`}},
	"huawei-iotda":   {{"$oc/devices/W1/sys/properties/report", `{"services":[{"service_id":"meter","properties":{"flow":"1.5","state":"on"},"event_time":"20261123T080000Z"}]}`}},
	"ctwing":         {{"a/b/W1", `{"messageType":"dataReport","timestamp":1795392000000,"deviceId":"W1","productId":"7","payload":{"water":12.5,"cell":{"rsrp":-90}}}`}, {"a/b/W1", `{"messageType":"dataReport","deviceId":"W1","payload":{"APPdata":"aBAB"}}`}, {"a/b/W1", `{"messageType":"dataReport","deviceId":"W1","payload":{"serviceId":"n","serviceData":{"Battery_Level":80}}}`}},
	"cjt188":         {{"t", "681001020304050607811690 1F00 78 56 34 12 2C 78 56 34 12 2C 00 00 08 23 11 26 20 00 00 DC 16"}, {"t", "4354524C FEFE681001020304050607810D901F00785634122C010000002C3E16"}, {"t", "6810010203040506078109901F00785634120000E116"}},
	"dlt645":         {{"t", "FEFE68 21 43 65 87 09 00 68 91 08 33 33 34 33 45 67 33 33 A1 16"}},
	"hj212":          {{"t", "##0152QN=20261123080000000;ST=23;CN=2011;PW=123456;MN=88888880000001;Flag=5;CP=&&DataTime=20261123080000;LA-Rtd=52.1,LA-Flag=N;a01001-Rtd=23.4,a01001-Flag=N&&E041\r\n"}, {"t", "##0148ST=22;CN=2051;PW=123456;MN=S1;CP=&&DataTime=20261123080000;a01001-Avg=21.5,a01001-Max=22,a01001-Flag=N;LA-Rtd=99,LA-Flag=D;a34004-Rtd=35.2;note=ok&&F281\r\n##0152ST=22;CN=2011;PW=123456;MN=S1;CP=&&DataTime=20261123080000;w01010-SampleTime=20261123075000,w01010-Rtd=9.5;a01006-Rtd=101.3,a01006-Flag=3;a01007-Rtd=x&&9C01\r\n"}},
	"chirpstack":     {{"application/1/device/00aa/event/up", `{"time":"2026-11-23T08:00:00.123456789Z","deviceInfo":{"devEui":"00AA","deviceProfileName":"bin"},"fPort":2,"data":"AQID","object":{"distance":1200,"list":[1,{"x":true}]}}`}, {"application/1/device/00aa/event/status", `{"deviceInfo":{"devEui":"00aa"},"batteryLevel":88.5}`}},
	"tts":            {{"v3/a@t/devices/d/up", `{"end_device_ids":{"device_id":"d","dev_eui":"00AA"},"received_at":"2026-11-23T08:00:01Z","uplink_message":{"f_port":1,"frm_payload":"AQ==","decoded_payload":{"temperature":3.5}}}`}},
	"wmbusmeters":    {{"water", `{"_":"telegram","media":"cold water","id":"00012345","total_m3":6.388,"max_flow_m3h":0.1,"flow_temperature_c":127,"status":"LEAK BURST","timestamp":"2026-11-23T08:00:00Z"}`}},
	"sparkplug":      {{"spBv1.0/g/NBIRTH/n", "\x08\x80\xa0\xcf\xad\xa0\x34\x12\x1b\x0a\x0c\x61\x63\x74\x69\x76\x65\x5f\x70\x6f\x77\x65\x72\x10\x05\x20\x0a\x69\x00\x00\x00\x00\x00\x80\x35\x40\x18\x00"}, {"spBv1.0/g/NBIRTH/n", "\x08\x80\xa0\xcf\xad\xa0\x34\x12\x1b\x0a\x0c\x61\x63\x74\x69\x76\x65\x5f\x70\x6f\x77\x65\x72\x10\x05\x20\x0a\x69\x00\x00\x00\x00\x00\x80\x35\x40\x18\x00"}},
	"milesight":      {{"t", "017564 0367F600 046865"}, {"t", "017564 0367F600 04824004 050001"}, {"t", "20CE0082036B01070002001D000800"}, {"t", "017564 03822003 040001"}, {"t", "20CE0082036B10015D01 20CE3C82036B10015D00"}, {"t", "03D264000000 06D201000100 0FE302100709 08310005 9482E803C80002 B4820A0001 03CF00000000282307"}},
	"nas-luminaire":  {{"t", "00 0082036B 00 34 07 18 00 FE503204"}, {"t", "00 FF 33 10270000 2B00 5F E6"}, {"t", "83 20 04 02 06 00"}},
	"nas-watermeter": {{"t", "04 01 00 04 03 8F020500 00"}, {"t", "82 40 10 7F 12 00 24 5F 03 03 24 10270000 35 10000000"}},
	"axioma":         {{"t", "0082036B 00 10270000"}, {"t", "010082036B003217000000000000000000008003800054000E4005100048000240020000200000000000000000000000000000"}},
	"dragino":        {{"t", "0B88 01 001BB3 000005 00"}, {"t", "0B88 0640 00 00F6 01"}},
	"yobiiq":         {{"t", "01016B038200 020400002710 0314FFFFFFF6"}},
	"senml":          {{"t", `[{"bn":"urn:dev:mac:0024befffe804ff1:","bt":1795392000,"n":"temperature","u":"Cel","v":21.5},{"n":"open","vb":true},{"n":"s","vs":"x","t":-5}]`}, {"t", "\x81\xa3\x00at\x02\xf9@\x00\x01cCel"}, {"t", `[{"bn":"urn:dev:ow:10e2073a01080063","bt":1795392000,"bu":"%RH","v":20},{"u":"lon","v":1}]`}},
	"thingsboard":    {{"v1/gateway/telemetry", `{"B1":[{"ts":1795392000000,"values":{"fill_level":0.4}}],"B2":[{"fill_level":0.5}]}`}, {"v1/devices/me/telemetry", `[{"temperature":4},{"ts":1795392000000,"values":{"temperature":5}}]`}},
	"neuron":         {{"/neuron/a/d/g", `{"timestamp":1795392000000,"node":"d","group":"g","values":{"active_power":3},"errors":{"x":3001}}`}, {"/neuron/a/d/g", `{"timestamp":1795392000000,"tags":[{"name":"voltage","value":229.5},{"name":"y","error":3003}]}`}},
	"tasmota":        {{"tele/pow/SENSOR", `{"Time":"2026-11-23T08:00:00","ENERGY":{"Total":6.294,"Power":[26,27,28]},"DS18B20":{"Temperature":41},"TempUnit":"F"}`}, {"tele/pow/LWT", "Offline"}, {"stat/pow/POWER1", "ON"}, {"stat/pow/STATUS10", `{"StatusSNS":{"Time":"2026-11-23T08:00:00","ENERGY":{"Total":1}}}`}},
	"shelly":         {{"lamp/events/rpc", `{"src":"lamp","method":"NotifyStatus","params":{"ts":1795392000.25,"switch:1":{"id":1,"apower":11.5,"aenergy":{"total":123.4,"by_minute":[1,2]},"temperature":{"tC":33.1,"tF":91.6}}}}`}, {"lamp/status/switch:0", `{"id":0,"output":true,"voltage":229.1}`}, {"cab/status/em:0", `{"id":0,"a_voltage":230.1,"total_act_power":700.5}`}, {"lamp/online", "false"}},
	"zigbee2mqtt":    {{"zigbee2mqtt/lamp", `{"state":"ON","brightness":127,"last_seen":"2026-11-23T08:00:00+08:00","update":{"state":"idle"}}`}, {"zigbee2mqtt/lamp/state", "OFF"}, {"zigbee2mqtt/lamp/brightness", "254"}},
	"esphome":        {{"node/sensor/power/state", "12.5"}, {"node/binary_sensor/door/state", "ON"}},
	"homeassistant":  {{"homeassistant/sensor/x/config", `{"name":"x","stat_t":"~/s","~":"a"}`}},
	"fiware":         {{"/k/d/attrs", `{"t":"31.5","l":4}`}, {"t", `{"id":"urn:ngsi-ld:W:1","type":"WaterConsumptionObserved","waterConsumption":{"type":"Property","value":191051,"unitCode":"LTR","observedAt":"2026-11-23T08:00:00Z"},"@context":["x"]}`}, {"t", `{"id":"b:1","type":"WasteContainer","status":["lidOpen","burning"],"temperature":21}`}},
	"influx":         {{"t", "lighting,device=L1,community=c active_power=43.2,on=true,n=3i,s=\"x\" 1795392000000000000\nlighting,device=L2 active_power=1\n"}},
	"face-gate":      {{"mqtt/face/1/Rec", `{"operator":"RecPush","info":{"facesluiceId":"1","VerifyStatus":"1","time":"2026-11-23 08:00:00","personName":"A B","RecordID":"7"}}`}},
	"hikvision":      {{"hikvision/g/event", `{"macAddress":"aa:bb","dateTime":"2026-11-23T08:00:00+08:00","eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":5,"subEventType":27,"doorNo":2,"name":"A B"}}`}, {"hikvision/g/event", `<EventNotificationAlert><macAddress>aa</macAddress><dateTime>2026-11-23T08:00:00Z</dateTime><eventType>VMD</eventType></EventNotificationAlert>`}},
	"dahua":          {{"dahua/g/DoorStatus", `{"Code":"DoorStatus","Action":"Pulse","Data":{"Status":"Open","UTC":1795392000},"Index":1}`}, {"dahua/g/x", `{"Events":[{"Code":"AccessControl","Data":{"Status":1,"CreateTime":1795392000}},{"Code":"BreakIn"}]}`}},
}

// Every format has an example, and every example decodes without a defect.
func TestExamples(t *testing.T) {
	for name, reads := range format.Formats {
		if len(examples[name]) == 0 {
			t.Errorf("%s has no example", name)
		}
		for _, e := range examples[name] {
			more := ""
			if name == "json" {
				more = `, json: {records: "data[*]", device: "$.sn", name: k, value: v}`
			}
			w := source(t, "lighting", name, inventory.TemplateFor(reads, e.topic), more)
			r := w.Decode(&ingest.Message{Seq: 1, Topic: e.topic, Payload: []byte(e.payload), Received: 1_795_392_060_000_000_000})
			checkResult(t, r)
			if r.Err != nil && r.Err.Reason != ingest.NoReading {
				t.Errorf("%s %q: %v", name, e.payload, r.Err)
			}
		}
	}
}

// checkResult holds for whatever comes in.
func checkResult(t *testing.T, r *Result) {
	t.Helper()
	if r.Err != nil {
		if r.Err.Reason == ingest.Internal {
			t.Errorf("a defect: %v", r.Err)
		}
		if !slices.Contains(ingest.Reasons, r.Err.Reason) {
			t.Errorf("reason %q is not of the closed set", r.Err.Reason)
		}
		return
	}
	if len(r.Readings)+len(r.Events) > 2*format.MaxReadings {
		t.Errorf("%d readings", len(r.Readings))
	}
	for i := range r.Readings {
		v := &r.Readings[i]
		if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || v.Quantity.Check(v.Value) != nil {
			t.Errorf("%s is %v", v.Quantity.Name, v.Value)
		}
		if v.Time%int64(time.Millisecond) != 0 {
			t.Errorf("time %d is not whole milliseconds", v.Time)
		}
	}
	var e lines.Encoder
	e.Reset()
	e.Readings(r.Readings)
	e.Events(r.Events)
	if e.Err() != nil {
		t.Errorf("line protocol: %v", e.Err())
	}
	if n := strings.Count(string(e.Bytes()), "\n"); n > len(r.Readings)+len(r.Events) {
		t.Errorf("%d lines of %d readings and events", n, len(r.Readings)+len(r.Events))
	}
}

// GREENCOMMUNITY_FUZZ_FORMAT holds the fuzzer to one format, or to some: axioma,dragino.
func FuzzDecode(f *testing.F) {
	names := slices.Sorted(maps.Keys(format.Formats))
	if only := os.Getenv("GREENCOMMUNITY_FUZZ_FORMAT"); only != "" {
		names = strings.Split(only, ",")
	}
	for i, name := range names {
		for _, e := range examples[name] {
			f.Add(uint8(i), e.topic, []byte(e.payload))
		}
	}
	workers := map[string]*Worker{}
	for _, name := range names {
		more := ""
		switch name {
		case "json":
			more = `, json: {records: "data[*]", device: "$.sn", name: k, value: v, time: [{path: t}]}`
		case "raw", "ctwing":
			more = ", payload: cjt188"
		case "alink":
			more = `, codecs: {"": raw.js}`
		case "chirpstack":
			more = `, codecs: {bin: tlv.js}`
		}
		workers[name] = source(f, "lighting", name, "#", more)
	}
	f.Fuzz(func(t *testing.T, i uint8, topic string, payload []byte) {
		name := names[int(i)%len(names)]
		if redact := format.Formats[name].Redact; redact != nil {
			payload = redact(payload)
		}
		r := workers[name].Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: payload, Received: 1_795_392_060_000_000_000})
		checkResult(t, r)
	})
}

func BenchmarkFormats(b *testing.B) {
	for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
		e := examples[name][0]
		more := ""
		if name == "json" {
			more = `, json: {records: "data[*]", device: "$.sn", name: k, value: v}`
		}
		m := &ingest.Message{Seq: 1, Topic: e.topic, Payload: []byte(e.payload), Received: 1_795_392_060_000_000_000}
		// Of the kind of facility that takes most of the example, as what is refused
		// goes another way.
		var w *Worker
		most := 0
		for _, kind := range []ingest.FacilityKind{format.Formats[name].Facility, "lighting", "water", "waste", "gate", "environment"} {
			if kind == "" {
				continue
			}
			other := source(b, kind, name, inventory.TemplateFor(format.Formats[name], e.topic), more)
			if r := other.Decode(m); r.Err == nil && len(r.Readings)+len(r.Events) > most {
				w, most = other, len(r.Readings)+len(r.Events)
			}
		}
		if w == nil {
			b.Logf("%s: the example alone is taken of no kind of facility", name)
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Decode(m)
			}
		})
	}
	w := source(b, "waste", "chirpstack", "#", lorawan)
	m := &ingest.Message{Seq: 1, Topic: "application/1/device/00aa/event/up", Payload: []byte(`{"time":"2026-11-23T08:00:00Z","deviceInfo":{"devEui":"00AA","deviceProfileName":"EM400-TLD"},"fPort":85,"data":"AXVcA2cBAQSCRAgFAAE="}`), Received: 1_795_392_060_000_000_000}
	b.Run("javascript", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Decode(m)
		}
	})
}
