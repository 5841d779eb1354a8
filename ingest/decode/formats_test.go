package decode

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// received sets when the messages of these tests were: 2026-11-23T00:01:00Z.
const received = 1_795_392_060_000_000_000

// variant is a payload of a format, written for the project: another dialect,
// another firmware's names, history, several channels, codes that are no values.
type variant struct {
	name    string
	kind    ingest.FacilityKind
	more    string // of the source
	topic   string
	payload string
	want    string // as line writes it
}

func testVariants(t *testing.T, name string, variants []variant) {
	t.Helper()
	for _, v := range variants {
		topic := v.topic
		if topic == "" {
			topic = "a/b"
		}
		w := source(t, v.kind, name, inventory.TemplateFor(format.Formats[name], topic), v.more)
		r := w.Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: []byte(v.payload), Received: received})
		checkResult(t, r)
		if name != "hj212" { // a station's text: of a gate nothing of it is kept
			checkCut(t, w, topic, []byte(v.payload), received)
		}
		if have := line(r); have != v.want {
			t.Errorf("%s: %s\nhave %s\nwant %s\n%v", name, v.name, have, v.want, r.Err)
		}
	}
}

func TestAlinkVariants(t *testing.T) {
	const fields = `, fields: {Power: {quantity: active_power}, Level: {quantity: light_level, unit: "%", invalid: [255]}, Lamp: {quantity: light_on}}`
	const topic = "/sys/pk/L1/thing/event/property/post"
	testVariants(t, "alink", []variant{
		{"values with times", "lighting", fields, topic, `{"id":"7","params":{"Power":{"value":41.5,"time":1795392000000},"Lamp":{"value":1,"time":1795392001}},"method":"thing.event.property.post"}`,
			"active_power=41.5@2026-11-23T00:00:00 light_on=1@2026-11-23T00:00:01"},
		{"numbers as text, no id, a sentinel", "lighting", fields, topic, `{"params":{"Power":"41.5","Level":255}}`, "active_power=41.5 xLevel:bad_value"},
		{"a byte order mark, and the end of a buffer", "lighting", fields, topic, "\ufeff{\"params\":{\"Power\":41.5}}\x00\x00", "active_power=41.5"},
		{"NaN and infinity", "lighting", fields, topic, `{"params":{"Power":NaN,"Lamp":-Infinity,"Level":1e400}}`, "rejected bad_value"},
		{"a number too large", "lighting", fields, topic, `{"params":{"Power":1e400,"Lamp":1}}`, "light_on=1 xPower:bad_value"},
		{"a clock that was never set", "lighting", fields, topic, `{"params":{"Power":{"value":41.5,"time":0},"Lamp":{"value":1,"time":-1}}}`, "active_power=41.5 light_on=1"},
		{"digits of a date", "lighting", fields, topic, `{"params":{"Power":{"value":41.5,"time":20261123080000},"Lamp":{"value":1,"time":"20261123080001"}}}`, "active_power=41.5@2026-11-23T00:00:00 light_on=1@2026-11-23T00:00:01"},
		{"t is not always a time", "lighting", fields, topic, `{"params":{"Power":{"v":41.5,"t":1795392000},"Box":{"v":229,"t":25}}}`, "active_power=41.5@2026-11-23T00:00:00 ?Box.v=229 ?Box.t=25"},
		{"null is no value", "lighting", fields, topic, `{"params":{"Power":null,"Level":40}}`, "light_level=0.4"},
		{"struct of two members is no wrapper", "lighting", fields, topic, `{"params":{"Power":1,"Pos":{"value":3,"x":4}}}`, "active_power=1 ?Pos.value=3 ?Pos.x=4"},
		{"event by method", "lighting", fields, "/sys/pk/L1/thing/event/LampError/post", `{"params":{"value":{"code":"3"},"time":1795392000000},"method":"thing.event.LampError.post"}`, "?LampError.code=03 !lamp_fault"},
		{"event by topic", "lighting", fields, "/sys/pk/L1/thing/event/LampError/post", `{"params":{"code":"3"}}`, "?LampError.code=03 !lamp_fault"},
		{"history of a gateway: arrays of properties", "lighting", fields, "/sys/pk/G1/thing/event/property/history/post",
			`{"params":[{"identity":{"productKey":"p","deviceName":"L2"},"properties":[{"Power":{"value":1,"time":1795391000000}},{"Power":{"value":2,"time":1795391060000}}],"events":[{"Tamper":{"value":{},"time":1795391000000}}]}],"method":"thing.event.property.history.post"}`,
			"active_power=1@2026-11-22T23:43:20 active_power=2@2026-11-22T23:44:20 !tamper"},
		{"pack of a gateway", "lighting", fields, "/sys/pk/G1/thing/event/property/pack/post",
			`{"params":{"properties":{"Power":{"value":5,"time":1795392000000}},"subDevices":[{"identity":{"productKey":"p","deviceName":"L3"},"properties":{"Power":{"value":6,"time":1795392000000}}},{"identity":{},"properties":{"Power":{"value":7,"time":1795392000000}}}]}}`,
			"active_power=5@2026-11-23T00:00:00 active_power=6@2026-11-23T00:00:00 xidentity:bad_identifier"},
		{"forwarded by the platform's rules", "lighting", fields, "/pk/L1/data", `{"deviceType":"Lamp","iotId":"x","productKey":"pk","deviceName":"L1","gmtCreate":1795392000000,"items":{"Power":{"value":9,"time":1795392000500}}}`,
			"active_power=9@2026-11-23T00:00:00"},
		{"reply of the platform", "lighting", fields, "/sys/pk/L1/thing/event/property/post_reply", `{"code":200,"data":{},"id":"7","message":"success"}`, "ignored reply"},
		{"what is to be set is no reading", "lighting", fields, "/sys/pk/L1/thing/service/property/set", `{"id":"7","method":"thing.service.property.set","params":{"Power":41.5}}`, "ignored command to a device"},
		{"a setting on a topic of one's own", "lighting", fields, "/pk/L1/user/get", `{"id":"7","method":"thing.service.property.set","params":{"Power":41.5}}`, "ignored command to a device"},
		{"a gateway logs its sub-devices in", "lighting", fields, "$sys/pk/G1/thing/sub/login", `{"id":"7","params":{"productID":"p","deviceName":"L4"}}`, "ignored management of devices"},
		{"OneNET sets", "lighting", fields, "$sys/pk/L1/thing/property/set", `{"id":"7","params":{"Power":"30.5"}}`, "ignored command to a device"},
		{"OneNET asks", "lighting", fields, "$sys/pk/L1/thing/property/get", `{"id":"7","params":["Power"]}`, "ignored command to a device"},
		{"OneNET answers", "lighting", fields, "$sys/pk/L1/thing/property/post/reply", `{"id":"7","code":200,"msg":"success"}`, "ignored reply"},
		{"TuyaLink sets", "lighting", fields, "tylink/L1/thing/property/set", `{"msgId":"1","time":1795392000,"data":{"Power":1}}`, "ignored command to a device"},
		{"TuyaLink answers", "lighting", fields, "tylink/L1/thing/property/report_response", `{"msgId":"1","time":1795392000,"code":0,"data":{"Power":1}}`, "ignored reply"},
		{"a frame down to a pass-through product", "lighting", `, codecs: {"": raw.js}`, "/sys/pk/L1/thing/model/down_raw", "\x00\x00", "ignored command to a device"},
		{"OneNET property", "lighting", fields, "$sys/pk/L1/thing/property/post", `{"id":"1","version":"1.0","params":{"Power":{"value":"23.6","time":1795392000123}}}`, "active_power=23.6@2026-11-23T00:00:00"},
		{"OneNET events", "lighting", fields, "$sys/pk/L1/thing/event/post", `{"id":"1","version":"1.0","params":{"overLoad":{"value":{"P":4},"time":1795392000123},"lampFault":{"time":1795392000123}}}`, "?overLoad.P=4 !over_load !lamp_fault"},
		{"OneNET pack of two", "lighting", fields, "$sys/pk/G1/thing/pack/post",
			`{"id":"1","params":[{"identity":{"productID":"p","deviceName":"L4"},"properties":{"Power":{"value":1}}},{"identity":{"productID":"p","deviceName":"L5"},"properties":{"Power":{"value":2}}}]}`, "active_power=1 active_power=2"},
		{"OneNET history: arrays of values", "lighting", fields, "$sys/pk/G1/thing/history/post",
			`{"id":"1","params":[{"identity":{"productID":"p","deviceName":"L4"},"properties":{"Power":[{"value":"1","time":1795391000000},{"value":"2","time":1795391001000}]}}]}`,
			"active_power=1@2026-11-22T23:43:20 active_power=2@2026-11-22T23:43:21"},
		{"TuyaLink, seconds", "lighting", fields, "tylink/L1/thing/property/report", `{"msgId":"1","time":1795392000,"data":{"Power":{"value":41,"time":1795392000}}}`, "active_power=41@2026-11-23T00:00:00"},
		{"TuyaLink without times of its own", "lighting", fields, "tylink/L1/thing/property/report", `{"msgId":"1","time":1795392000000,"data":{"Power":{"value":41}}}`, "active_power=41@2026-11-23T00:00:00"},
		{"TuyaLink batch", "lighting", fields, "tylink/L1/thing/data/batch_report",
			`{"msgId":"1","time":1795392000,"data":{"properties":{"Power":{"value":4,"time":1795392000}},"events":{"lampError":{"outputParams":{"a":1},"eventTime":1795391999}},"subDevices":{"n1":{"properties":{"Power":{"value":5,"time":1795392000}}}}}}`,
			"active_power=4@2026-11-23T00:00:00 active_power=5@2026-11-23T00:00:00 ?lampError.a=1 !lamp_fault"},
		{"TuyaLink event", "lighting", fields, "tylink/L1/thing/event/trigger", `{"msgId":"1","time":1795392000,"data":{"eventCode":"lampError","eventTime":1795391999,"outputParams":{"a":1}}}`, "?lampError.a=1 !lamp_fault"},
		{"pass-through product", "lighting", `, codecs: {"": raw.js}, fields: {prop_float: {quantity: active_power}, prop_bool: {quantity: light_on}, prop_int16: {ignore: true}}`,
			"/sys/pk/L1/thing/model/up_raw", "\x00\x00\x00\x00\x01\x00\x02\x01\x41\x28\x00\x00", "light_on=1 active_power=10.5"},
		{"pass-through product without a decoder", "lighting", "", "/sys/pk/L1/thing/model/up_raw", "\x00\x01\x02", "rejected no_reading"},
		{"params is text", "lighting", fields, topic, `{"params":"x"}`, "rejected malformed"},
		{"no params", "lighting", fields, topic, `{"id":"7"}`, "rejected malformed"},
	})
}

func TestHuaweiVariants(t *testing.T) {
	const fields = `, fields: {flow: {quantity: water_flow, unit: m3/h}, total: {quantity: water_volume_total, unit: L}}`
	const topic = "$oc/devices/W1/sys/properties/report"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(`{"services":[{"service_id":"meter","properties":{"total":12345}}]}`))
	z.Close()
	testVariants(t, "huawei-iotda", []variant{
		{"the cloud's form of times", "water", fields, topic, `{"services":[{"service_id":"meter","properties":{"flow":"3.6"},"event_time":"2026-11-23T00:00:00.250Z"}]}`, "water_flow=0.001@2026-11-23T00:00:00"},
		{"the SDKs' form", "water", fields, topic, `{"services":[{"service_id":"meter","properties":{"total":1000},"event_time":"20261123T000000Z"},{"service_id":"x","properties":{"total":1001},"event_time":null}]}`,
			"water_volume_total=1@2026-11-23T00:00:00 water_volume_total=1.001"},
		{"a gateway's sub-devices", "water", fields, "$oc/devices/G1/sys/gateway/sub_devices/properties/report",
			`{"devices":[{"device_id":"W2","services":[{"service_id":"m","properties":{"total":2000},"event_time":""}]},{"services":[{"properties":{"total":1}}]}]}`, "water_volume_total=2 xdevices:bad_identifier"},
		{"gzip", "water", fields, topic + "?encoding=gzip", packed.String(), "water_volume_total=12.345"},
		{"gzip cut off", "water", fields, topic + "?encoding=gzip", packed.String()[:20], "rejected malformed"},
		{"forwarded by a rule", "water", fields, topic,
			`{"resource":"device.property","event":"report","event_time":"20261123T000000Z","notify_data":{"header":{"device_id":"W3","product_id":"p"},"body":{"services":[{"service_id":"m","properties":{"total":3000},"event_time":"20261122T235959Z"}]}}}`,
			"water_volume_total=3@2026-11-22T23:59:59"},
		{"the platform before", "water", fields, topic, `{"msgType":"deviceReq","hasMore":0,"data":[{"serviceId":"m","serviceData":{"total":4000},"eventTime":"20261123T000000Z"}]}`, "water_volume_total=4@2026-11-23T00:00:00"},
		{"event", "water", fields, "$oc/devices/W1/sys/events/up", `{"services":[{"service_id":"meter","event_type":"pipeBurst","event_time":"20261123T000000Z","paras":{}}]}`, "!leak"},
		{"the platform's own event", "water", fields, "$oc/devices/G1/sys/events/up", `{"services":[{"service_id":"$sub_device_manager","event_type":"sub_device_status","paras":{}}]}`, "ignored no properties"},
		{"bad time keeps the value", "water", fields, topic, `{"services":[{"properties":{"total":1},"event_time":"noon"}]}`, "water_volume_total=0.001 xevent_time:bad_value"},
		{"neither", "water", fields, topic, `{"a":1}`, "rejected malformed"},
		{"what is to be set is no reading", "water", fields, "$oc/devices/W1/sys/properties/set/request_id=7", `{"object_device_id":"W1","services":[{"service_id":"m","properties":{"total":1}}]}`, "ignored command to a device"},
		{"a command", "water", fields, "$oc/devices/W1/sys/commands/request_id=7", `{"service_id":"m","command_name":"on","paras":{"value":"1"}}`, "ignored command to a device"},
	})
}

func TestCTWingVariants(t *testing.T) {
	const fields = `, fields: {water: {quantity: water_volume_total}, signal.rsrp: {quantity: rssi, scale: -1}}`
	frame := meterFrame("6810010203040506078116901F0078563412" + "2C" + "00000000" + "2C" + "00000823112620" + "0000")
	testVariants(t, "ctwing", []variant{
		{"thing model, signal as a magnitude", "water", fields, "t/p/d", `{"messageType":"dataReport","timestamp":1795392000000,"deviceId":"W1","upPacketSN":-1,"payload":{"water":12.5,"signal":{"rsrp":95}}}`, "water_volume_total=12.5 rssi=-95"},
		{"numbers as text", "water", fields, "t/p/d", `{"messageType":"dataReport","timestamp":"1795392000000","deviceId":"W1","upPacketSN":"","IMSI":"undefined","payload":{"water":"0012.50"}}`, "water_volume_total=12.5"},
		{"a device of several services", "water", fields, "t/p/d", `{"messageType":"dataReport","timestamp":1795392000000,"deviceId":"W1","payload":{"serviceId":"notification","serviceData":{"water":12.5,"Battery_Level":80}}}`, "water_volume_total=12.5 battery_level=80"},
		{"JSON in base64", "water", fields, "t/p/d", `{"messageType":"dataReport","timestamp":1795392000000,"deviceId":"W1","payload":{"APPdata":"` + base64Text([]byte(`{"water":12.5}`)) + `"}}`, "water_volume_total=12.5"},
		{"only the IMEI", "water", fields, "t/p/d", `{"messageType":"dataReport","IMEI":"860000000000001","payload":{"water":1}}`, "water_volume_total=1"},
		{"a meter's frame", "water", "", "t/p/d", `{"messageType":"dataReport","timestamp":1795392000000,"deviceId":"W1","payload":{"APPdata":"` + base64Text(frame) + `"}}`,
			"water_volume_total=123456.78@2026-11-23T00:00:00 water_volume_billing=0@2026-11-23T00:00:00"},
		{"a frame nobody reads", "water", "", "t/p/d", `{"messageType":"dataReport","deviceId":"W1","productId":"9","payload":{"APPdata":"AQID"}}`, "rejected no_reading"},
		{"not base64", "water", "", "t/p/d", `{"messageType":"dataReport","deviceId":"W1","payload":{"APPdata":"?!"}}`, "rejected malformed"},
		{"offline", "water", "", "t/p/d", `{"messageType":"deviceOnlineOfflineReport","timestamp":1795392000000,"deviceId":"W1","eventType":0}`, "!node_offline"},
		{"online again", "water", "", "t/p/d", `{"messageType":"deviceOnlineOfflineReport","timestamp":1795392000000,"deviceId":"W1","eventType":1}`, "!node_offline-"},
		{"answer to a command", "water", "", "t/p/d", `{"messageType":"commandResponse","deviceId":"W1"}`, "ignored commandResponse"},
		{"no type", "water", "", "t/p/d", `{"deviceId":"W1"}`, "rejected malformed"},
	})
}

// meterFrame is a frame in hex with its checksum and end; the digits are of
// all from 68 to the last data byte.
func meterFrame(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return append(b, sum(b), 0x16)
}

func TestCJT188Variants(t *testing.T) {
	reply := func(total, billing, clock string) string {
		return strings.ToUpper(hex.EncodeToString(meterFrame("68100102030405060781" + "16" + "901F00" + total + billing + clock + "0000")))
	}
	const unset = "00000000000000"
	plain := reply("785634122C", "010000002C", unset)
	raw, _ := hex.DecodeString(plain)
	testVariants(t, "cjt188", []variant{
		{"hex", "water", "", "", plain, "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"raw bytes", "water", "", "", string(raw), "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"base64", "water", "", "", base64Text(raw), "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"hex of a buffer", "water", "", "", plain + "\r\n\x00", "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"hex with spaces and lines", "water", "", "", "FE FE FE\r\n" + strings.ToLower(plain[:20]) + " \t" + plain[20:] + "\n", "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"hex with 0x and commas", "water", "", "", "0x" + strings.Join(pairs(plain), ",0x"), "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"litres", "water", "", "", reply("7856341229", "0100000029", unset), "water_volume_total=123.45678 water_volume_billing=1e-05"},
		{"no settlement", "water", "", "", reply("785634122C", "FFFFFFFF2C", unset), "water_volume_total=123456.78"},
		{"settlement of no unit", "water", "", "", reply("785634122C", "0000000000", unset), "water_volume_total=123456.78 xwater_volume_billing:bad_unit"},
		{"settlement of no digits", "water", "", "", reply("785634122C", "0A0000002C", unset), "water_volume_total=123456.78 xwater_volume_billing:checksum"},
		{"total of no digits", "water", "", "", reply("785A34122C", "010000002C", unset), "rejected checksum"},
		{"heat in kWh is no volume", "water", "", "", reply("7856341205", "010000002C", unset), "rejected bad_unit"},
		{"clock", "water", "", "", reply("785634122C", "FFFFFFFF2C", "00000823112620"), "water_volume_total=123456.78@2026-11-23T00:00:00"},
		{"clock with second 60", "water", "", "", reply("785634122C", "FFFFFFFF2C", "60000823112620"), "water_volume_total=123456.78"},
		{"clock filled with FF", "water", "", "", reply("785634122C", "FFFFFFFF2C", "FFFFFFFFFFFFFF"), "water_volume_total=123456.78"},
		{"clock on February 30", "water", "", "", reply("785634122C", "FFFFFFFF2C", "00000830022620"), "water_volume_total=123456.78"},
		{"no clock, no status", "water", "", "", hex.EncodeToString(meterFrame("681001020304050607810D901F00785634122C010000002C")), "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"identifier the other way round", "water", "", "", hex.EncodeToString(meterFrame("681001020304050607810D1F9000785634122C010000002C")), "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"two frames", "water", "", "", plain + "FEFE" + strings.Replace(reply("010000002C", "FFFFFFFF2C", unset), "", "", 1), "water_volume_total=123456.78 water_volume_billing=0.01 water_volume_total=0.01"},
		{"filling behind the frame", "water", "", "", plain + "524F", "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"the modem's number before the frame", "water", "", "", hex.EncodeToString([]byte("CTRL:&20260001")) + "FEFE" + plain, "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"the modem's number and no frame", "water", "", "", hex.EncodeToString([]byte("CTRL:&20260001")), "rejected malformed"},
		{"short reply: total and status", "water", "", "", hex.EncodeToString(meterFrame("6810010203040506078109901F00785634120000")), "water_volume_total=123456.78"},
		{"short reply of no digits", "water", "", "", hex.EncodeToString(meterFrame("6810010203040506078109901F007A5634120000")), "rejected checksum"},
		{"reply of no known length", "water", "", "", hex.EncodeToString(meterFrame("681001020304050607810A901F0078563412000000")), "rejected malformed"},
		{"answer to another command", "water", "", "", hex.EncodeToString(meterFrame("6810010203040506078303810A00")), "ignored not a reply with meter data"},
		{"a valve's answer", "water", "", "", hex.EncodeToString(meterFrame("681001020304050607AA05A017000100")), "ignored not a reply with meter data"},
		{"clock the other way round", "water", "", "", reply("785634122C", "FFFFFFFF2C", "20261123000000"), "water_volume_total=123456.78@2026-11-22T16:00:00"},
		{"clock in the year 5926", "water", "", "", reply("785634122C", "FFFFFFFF2C", "20160715095959"), "water_volume_total=123456.78"},
		{"hot water", "water", "", "", hex.EncodeToString(meterFrame("681101020304050607810D901F00785634122C010000002C")), "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"heat meter", "water", "", "", hex.EncodeToString(meterFrame("682001020304050607810D901F00785634122C010000002C")), "rejected no_reading"},
		{"a request", "water", "", "", hex.EncodeToString(meterFrame("68100102030405060701" + "03" + "901F00")), "ignored request to a meter"},
		{"an error", "water", "", "", hex.EncodeToString(meterFrame("681001020304050607C1" + "03" + "901F00")), "rejected no_reading"},
		{"wrong checksum", "water", "", "", plain[:len(plain)-4] + "0016", "rejected checksum"},
		{"cut off", "water", "", "", plain[:40], "rejected malformed"},
		{"text", "water", "", "", "hello", "rejected malformed"},
		{"nothing", "water", "", "", "", "rejected malformed"},
	})
}

// pairs are the bytes of hex text.
func pairs(s string) (p []string) {
	for i := 0; i+2 <= len(s); i += 2 {
		p = append(p, s[i:i+2])
	}
	return p
}

func TestDLT645Variants(t *testing.T) {
	// reply adds 33h to the data, given low byte first as on the wire.
	reply := func(control, data string) []byte {
		b, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] += 0x33
		}
		return meterFrame("6821436587090068" + control + hex.EncodeToString([]byte{byte(len(b))}) + hex.EncodeToString(b))
	}
	text := func(control, data string) string { return hex.EncodeToString(reply(control, data)) }
	energy := reply("91", "00000100"+"12340000")
	wrapped := append([]byte{0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0x88, 0x01, 0x44, 0x01, 0x00, 0x02, 0x10, 0x60}, energy...)
	wrapped = append(wrapped, 0x00, 0x16)
	testVariants(t, "dlt645", []variant{
		{"energy", "lighting", "", "", "FEFEFEFE" + hex.EncodeToString(energy), "energy_total=34.12"},
		{"energy of tariff 2", "lighting", "", "", text("91", "00020100"+"12340000"), "energy_total[t2]=34.12"},
		{"energy, total and tariffs", "lighting", "", "", text("91", "00FF0100"+"12340000"+"02000000"+"10340000"), "energy_total=34.12 energy_total[t1]=0.02 energy_total[t2]=34.1"},
		{"exported", "lighting", "", "", text("91", "00000200"+"01000000"), "energy_export_total=0.01"},
		{"voltages", "lighting", "", "", text("91", "00FF0102"+"2823"+"2923"+"FFFF"), "voltage[l1]=232.8 voltage[l2]=232.9"},
		{"current, drawn and fed back", "lighting", "", "", text("91", "00010202"+"345680"), "current[l1]=-5.634"},
		{"power, total and phases", "lighting", "", "", text("91", "00FF0302"+"003000"+"001000"+"001000"+"001000"), "active_power=300 active_power[l1]=100 active_power[l2]=100 active_power[l3]=100"},
		{"power fed back", "lighting", "", "", text("91", "00000302"+"003080"), "active_power=-300"},
		{"power factor", "lighting", "", "", text("91", "00000602"+"8009"), "power_factor=0.98"},
		{"frequency", "lighting", "", "", text("91", "02008002"+"0050"), "frequency=50"},
		{"two frames", "lighting", "", "", hex.EncodeToString(energy) + text("91", "00010102"+"2823"), "energy_total=34.12 voltage[l1]=232.8"},
		{"with more to come", "lighting", "", "", text("B1", "00000100"+"12340000"), "energy_total=34.12"},
		{"in a concentrator's frame", "lighting", "", "", hex.EncodeToString(wrapped), "energy_total=34.12"},
		{"the modem's number before the frame", "lighting", "", "", hex.EncodeToString([]byte("REG 0001")) + hex.EncodeToString(energy), "energy_total=34.12"},
		{"last month's", "lighting", "", "", text("91", "01000100"+"12340000"), "rejected no_reading"},
		{"a clock", "lighting", "", "", text("91", "01010004"+"00231126"), "rejected no_reading"},
		{"an error", "lighting", "", "", text("D1", "02"), "rejected no_reading"},
		{"a request", "lighting", "", "", text("11", "00000100"), "ignored request to a meter"},
		{"no digits", "lighting", "", "", text("91", "00000100"+"120E0000"), "rejected checksum"},
		{"too short", "lighting", "", "", text("91", "00000100"+"1234"), "rejected malformed"},
		{"wrong checksum", "lighting", "", "", strings.TrimSuffix(hex.EncodeToString(energy), "16")[:len(energy)*2-4] + "0016", "rejected checksum"},
	})
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestChirpstackVariants(t *testing.T) {
	const up = "application/1/device/00aa/event/up"
	const fields = `, fields: {distance: {quantity: fill_distance, unit: mm}, "state.open": {quantity: lid_open}}`
	testVariants(t, "chirpstack", []variant{
		{"version 4, decoded there", "waste", fields, up, `{"deduplicationId":"x","time":"2026-11-23T00:00:00.123456789+00:00","deviceInfo":{"devEui":"00AA","deviceProfileName":"any"},"fPort":2,"data":"AQ==","object":{"distance":1200,"state":{"open":true}}}`,
			"fill_distance=1.2 lid_open=1"},
		{"an empty object is none", "waste", "", up, `{"deviceInfo":{"devEui":"00AA","deviceProfileName":"EM400"},"fPort":85,"data":"AXVk","object":{}}`, "battery_level=100"},
		{"decoder's whole result", "waste", fields, up, `{"deviceInfo":{"devEui":"00aa"},"object":{"data":{"distance":1200},"warnings":["w"],"errors":[]}}`, "fill_distance=1.2"},
		{"version 3, plain identifiers and no time", "waste", fields, up, `{"applicationID":"1","devEUI":"00000000000000aa","fPort":2,"data":"AQ==","object":{"distance":"900"}}`, "fill_distance=0.9"},
		{"version 3, base64 identifiers and text", "waste", fields, up, `{"devEUI":"AAAAAAAAAKo=","rxInfo":[{"time":null},{"time":"2026-11-23T00:00:00Z"}],"objectJSON":"{\"distance\":900}","publishedAt":"2026-11-23T00:00:05Z"}`, "fill_distance=0.9"},
		{"wrapped by an integration", "waste", fields, "application/1/device/00aa/event/up", `{"type":"up","payload":{"deviceInfo":{"devEui":"00aa"},"object":{"distance":900}}}`, "fill_distance=0.9"},
		{"controller of several lamps", "lighting", "", up,
			`{"deviceInfo":{"devEui":"00aa"},"object":{"device_unix_epoch":"2026-11-22T23:59:00.000Z","dimming_source":[{"address":"dali_single_1","dimming_level__percent":50,"status":{"lamp_on":true,"lamp_failure":false}},{"address":"dali_single_2","dimming_level__percent":"n/a","status":{"lamp_on":false,"lamp_failure":true}}],"mcu_temperature__C":21}}`,
			"light_level[dali_single_1]=0.5@2026-11-22T23:59:00 light_on[dali_single_1]=1@2026-11-22T23:59:00 light_on[dali_single_2]=0@2026-11-22T23:59:00 controller_temperature=21@2026-11-22T23:59:00 !lamp_fault[dali_single_2] xdimming_source[1].dimming_level__percent:bad_value"},
		{"meter frame inside", "lighting", "", up, `{"deviceInfo":{"devEui":"00aa"},"fPort":2,"data":"` + base64Text(meterFrame("682143658709006891083333343345673333")) + `"}`, "energy_total=34.12"},
		{"status", "waste", "", "application/1/device/00aa/event/status", `{"deviceInfo":{"devEui":"00aa"},"margin":10,"externalPowerSource":false,"batteryLevelUnavailable":false,"batteryLevel":75.5}`, "battery_level=75.5"},
		{"status of a device on mains", "waste", "", "application/1/device/00aa/event/status", `{"deviceInfo":{"devEui":"00aa"},"externalPowerSource":true,"batteryLevel":0}`, "ignored status"},
		{"join", "waste", "", "application/1/device/00aa/event/join", `{"deviceInfo":{"devEui":"00aa"},"devAddr":"01"}`, "ignored join"},
		{"no payload", "waste", "", up, `{"deviceInfo":{"devEui":"00aa"},"fPort":0}`, "ignored uplink without payload"},
		{"not base64", "waste", "", up, `{"deviceInfo":{"devEui":"00aa"},"fPort":2,"data":"?"}`, "rejected malformed"},
		{"no device", "waste", "", up, `{"data":"AQ=="}`, "rejected bad_identifier"},
		{"decoder that throws", "waste", `, codecs: {"": tlv.js}`, up, `{"deviceInfo":{"devEui":"00aa"},"fPort":2,"data":"ZmZm"}`, "rejected codec_failed"},
	})
}

func TestTTSVariants(t *testing.T) {
	const up = "v3/a@t/devices/d/up"
	const fields = `, fields: {temperature: {quantity: water_temperature}, total: {quantity: water_volume_total, unit: L}}`
	testVariants(t, "tts", []variant{
		{"decoded there; 64 bits as text", "water", fields, up, `{"end_device_ids":{"device_id":"d","dev_eui":"00AA"},"received_at":"2026-11-23T00:00:09Z","uplink_message":{"f_port":1,"frm_payload":"AQ==","decoded_payload":{"temperature":3.5,"total":"123456789"},"rx_metadata":[{"rssi":-100,"timestamp":"671"}],"received_at":"2026-11-23T00:00:00.906399073Z"}}`,
			"water_temperature=3.5 water_volume_total=123456.789"},
		{"neither EUI nor times", "water", fields, up, `{"end_device_ids":{"device_id":"d"},"uplink_message":{"decoded_payload":{"temperature":3}}}`, "water_temperature=3"},
		{"bytes by the product", "waste", "", up, `{"end_device_ids":{"device_id":"d"},"uplink_message":{"f_port":85,"frm_payload":"AXVkBIIBAg==","version_ids":{"brand_id":"milesight-iot","model_id":"em400-mud"}}}`, "battery_level=100 fill_distance=0.513"},
		{"join", "water", fields, "v3/a@t/devices/d/up", `{"end_device_ids":{"device_id":"d"},"join_accept":{"session_key_id":"x"}}`, "ignored no uplink"},
		{"nothing in it", "water", fields, up, `{"end_device_ids":{"device_id":"d"},"uplink_message":{"f_port":0}}`, "ignored uplink without payload"},
		{"not base64", "water", fields, up, `{"end_device_ids":{"device_id":"d"},"uplink_message":{"f_port":1,"frm_payload":"?"}}`, "rejected malformed"},
		{"no identifiers", "water", fields, up, `{"uplink_message":{}}`, "rejected malformed"},
	})
}

func TestWMBusMetersVariants(t *testing.T) {
	testVariants(t, "wmbusmeters", []variant{
		{"Hydrodigit", "water", "", "wmbus/w", `{"media":"cold water","meter":"hydrodigit","name":"w","id":"86868686","voltage_at_time_v":3.7,"total_m3":3.866,"backflow_m3":0.002,"timestamp":"2026-11-23T00:00:00Z","rssi_dbm":-71}`,
			"battery_voltage=3.7 water_volume_total=3.866 water_volume_backflow=0.002 ?rssi_dbm=-71"},
		{"the meter's clock", "water", "", "", `{"media":"cold water","meter":"m","name":"n","id":"00012345","total_m3":6.388,"meter_datetime":"2026-11-23 08:00","timestamp":"2026-11-23T00:00:30Z","status":"OK"}`, "water_volume_total=6.388@2026-11-23T00:00:00"},
		{"placeholder date, statuses, no temperature", "water", "", "", `{"id":"00012345","total_m3":"6.388","max_flow_m3h":3.6,"flow_temperature_c":127,"meter_datetime":"1111-11-11 00:00","timestamp":"2026-11-23T00:00:30Z","current_status":"LEAK BURST","time_leaking":"22-31 days"}`,
			"water_volume_total=6.388 water_flow_max=0.001 ?time_leaking=022-31 days !leak xflow_temperature_c:bad_value"},
		{"settlement has its date", "water", "", "", `{"id":"1","total_m3":2,"consumption_at_set_date_m3":1,"set_date":"2026-11-01","meter_datetime":"2026-11-23 08:00:00"}`, "water_volume_total=2@2026-11-23T00:00:00 water_volume_billing=1@2026-10-31T16:00:00"},
		{"electricity in kW", "lighting", "", "", `{"id":"1","total_energy_consumption_kwh":7.94,"current_power_consumption_kw":0.003,"voltage_at_phase_1_v":231.5,"timestamp":"2026-11-23T00:00:30Z"}`, "energy_total=7.94 active_power=3 voltage[l1]=231.5"},
		{"settlement by other names", "water", "", "", `{"id":"1","total_m3":2,"target_m3":1,"target_date":"2026-11-01","timestamp":"2026-11-23T00:00:30Z"}`, "water_volume_total=2 water_volume_billing=1@2026-10-31T16:00:00"},
		{"settlement and the meter's clock by other names", "water", "", "", `{"id":"1","total_m3":2,"total_at_date_m3":1,"at_date":"2026-10-31","device_datetime":"2026-11-23 08:00"}`, "water_volume_total=2@2026-11-23T00:00:00 water_volume_billing=1@2026-10-30T16:00:00"},
		{"null and text", "water", "", "", `{"id":"1","total_m3":null,"flow_m3h":"x","timestamp":"2026-11-23T00:00:30Z","total_backward_m3":0.5}`, "water_volume_backflow=0.5 xflow_m3h:bad_value"},
		{"no id", "water", "", "", `{"total_m3":1}`, "rejected bad_identifier"},
	})
}

func TestSenMLVariants(t *testing.T) {
	testVariants(t, "senml", []variant{
		{"base unit, base value, base time", "lighting", "", "", `[{"bn":"urn:dev:L1:","bt":1795392000,"bu":"W","bv":100,"n":"active_power","v":1.5},{"n":"active_power","v":2,"t":30}]`, "active_power=101.5@2026-11-23T00:00:00 active_power=102@2026-11-23T00:00:30"},
		{"white space before it", "lighting", "", "", "\r\n\t" + `[{"n":"L1/voltage","u":"V","v":229}]`, "voltage=229"},
		{"relative times", "lighting", "", "", `[{"bn":"L1/","n":"voltage","u":"V","v":229,"t":-60},{"n":"voltage","u":"V","v":230}]`, "voltage=229@2026-11-23T00:00:00 voltage=230"},
		{"device changes", "lighting", "", "", `[{"bn":"a/","n":"voltage","v":1},{"bn":"b/","n":"voltage","v":2}]`, "voltage=1 voltage=2"},
		{"boolean, text, sum", "lighting", "", "", `[{"bn":"a:","n":"light_on","vb":true},{"n":"note","vs":"x"},{"n":"active_power","u":"W","s":45000000},{"n":"energy_total","u":"kWh","s":3}]`, "light_on=1 energy_total=12.5 ?note=0x ?energy_total.sum=3"},
		{"milliwatts to watts, percent to ratio", "lighting", "", "", `[{"bn":"a:","n":"active_power","u":"mW","v":1500},{"n":"light_level","u":"%","v":40}]`, "active_power=1.5 light_level=0.4"},
		{"unit of something else", "lighting", "", "", `[{"bn":"a:","n":"active_power","u":"V","v":1}]`, "rejected bad_unit"},
		{"a member that must be understood", "lighting", "", "", `[{"bn":"a:","n":"voltage","v":1,"weird_":2}]`, "rejected malformed"},
		{"a version to come", "lighting", "", "", `[{"bver":11,"bn":"a:","n":"voltage","v":1}]`, "rejected malformed"},
		{"base values only", "lighting", "", "", `[{"bn":"a:"}]`, "rejected no_reading"},
		{"CBOR, half floats", "lighting", "", "", "\x82\xa4\x21\x62a:\x00\x67voltage\x01\x61V\x02\xf9\x5b\x28\xa3\x00\x67voltage\x02\xfb\x40\x6c\xa0\x00\x00\x00\x00\x00\x06\x22", "voltage=229 voltage=229@2026-11-23T00:00:57"},
		{"no pack", "lighting", "", "", `{"bn":"a"}`, "rejected malformed"},
		{"a name that is only a device", "water", "", "", `[{"bn":"urn:dev:ow:10e2073a01080063","bt":1795392000,"bu":"%RH","v":20},{"u":"lon","v":106.1},{"u":"%EL","v":98,"t":30}]`, "humidity=20@2026-11-23T00:00:00 battery_level=98@2026-11-23T00:00:30 ?lon=106.1"},
		{"a name with a slash in the device", "lighting", "", "", `[{"n":"2001:db8::2/voltage","v":3}]`, "voltage=3"},
	})
}

func TestThingsBoardVariants(t *testing.T) {
	const gateway = "v1/gateway/telemetry"
	testVariants(t, "thingsboard", []variant{
		{"gateway, with and without times", "waste", "", gateway, `{"Bin 1":[{"ts":1795392000000,"values":{"fill_level":0.4}},{"fill_level":"0.5"}],"Bin 2":[{"ts":1795392001,"values":{"fill_level":0.6}}]}`, "fill_level=0.4@2026-11-23T00:00:00 fill_level=0.5 fill_level=0.6@2026-11-23T00:00:01"},
		{"an empty device", "waste", "", gateway, `{"Bin 1":[]}`, "rejected no_reading"},
		{"array of records", "waste", "", "v1/devices/B1/telemetry", `[{"fill_level":0.4},{"ts":1795392000000,"values":{"fill_level":0.5}}]`, "fill_level=0.4 fill_level=0.5@2026-11-23T00:00:00"},
		{"bad time", "waste", "", gateway, `{"B":[{"ts":"soon","values":{"fill_level":0.4}}]}`, "rejected malformed"},
		{"a number", "waste", "", gateway, `5`, "rejected malformed"},
	})
	// On /me/ nobody but the broker knows which device it is.
	w := source(t, "waste", "thingsboard", "v1/devices/{device}/telemetry", "")
	w.resolver = w.resolver.(anyDevice).Registry
	if have := line(w.Decode(&ingest.Message{Topic: "v1/devices/me/telemetry", Payload: []byte(`{"fill_level":0.4}`), Received: received})); have != "rejected bad_identifier" {
		t.Errorf("telemetry of nobody: %s", have)
	}
}

func TestNeuronVariants(t *testing.T) {
	testVariants(t, "neuron", []variant{
		{"values and errors", "lighting", "", "/neuron/a/d/g", `{"timestamp":1795392000000,"node":"d","group":"g","values":{"active_power":3,"voltage":"229.5"},"errors":{"current":3001},"metas":{}}`, "active_power=3 voltage=229.5 !read_error[current]"},
		{"tags", "lighting", "", "/neuron/a/d/g", `{"timestamp":1795392000000,"node":"d","group":"g","tags":[{"name":"active_power","value":3},{"name":"voltage","error":3003},{"name":"current","value":1,"error":0}]}`, "active_power=3 current=1 !read_error[voltage]"},
		{"a comma too many, as in its manual", "lighting", "", "/neuron/a/d/g", `{"timestamp":1795392000000,"tags":[{"name":"active_power","value":3,},]}`, "active_power=3"},
		{"errors only", "lighting", "", "/neuron/a/d/g", `{"timestamp":1795392000000,"values":{},"errors":{"x":2014}}`, "!read_error[x]"},
		{"states of nodes", "lighting", "", "/neuron/a/state/update", `{"timestamp":1795392000000,"states":[{"node":"d","link":2,"running":3}]}`, "ignored states of nodes"},
		{"a command to write", "lighting", "", "/neuron/a/write/req", `{"uuid":"u","node":"d","group":"g","tag":"active_power","value":3}`, "ignored command to the gateway"},
		{"neither", "lighting", "", "/neuron/a/d/g", `{"timestamp":1795392000000}`, "rejected malformed"},
	})
}

func TestTasmotaVariants(t *testing.T) {
	testVariants(t, "tasmota", []variant{
		{"three phases", "lighting", "", "tele/pow/SENSOR", `{"Time":"2026-11-23T08:00:00","ENERGY":{"TotalStartTime":"2026-01-01T00:00:00","Total":6.294,"Power":[26,27,28],"Voltage":229,"Current":[0.1,0.2,0.3]}}`,
			"energy_total=6.294@2026-11-23T00:00:00 active_power[l1]=26@2026-11-23T00:00:00 active_power[l2]=27@2026-11-23T00:00:00 active_power[l3]=28@2026-11-23T00:00:00 voltage=229@2026-11-23T00:00:00 current[l1]=0.1@2026-11-23T00:00:00 current[l2]=0.2@2026-11-23T00:00:00 current[l3]=0.3@2026-11-23T00:00:00 ?ENERGY.TotalStartTime=02026-01-01T00:00:00"},
		{"state of two relays", "lighting", "", "tele/pow/STATE", `{"Time":"2026-11-23T08:00:00","POWER1":"ON","POWER2":"OFF","Dimmer":40}`, "light_on[1]=1@2026-11-23T00:00:00 light_on[2]=0@2026-11-23T00:00:00 light_level=0.4@2026-11-23T00:00:00"},
		{"Fahrenheit", "environment", `, fields: {DS18B20.Temperature: {quantity: temperature}}`, "tele/t/SENSOR", `{"Time":"2026-11-23T08:00:00","DS18B20":{"Id":"x","Temperature":50},"TempUnit":"F"}`, "temperature=10@2026-11-23T00:00:00 ?DS18B20.Id=0x"},
		{"its full topic the other way round", "lighting", "", "site/pow/tele/SENSOR", `{"Time":"2026-11-23T08:00:00","ENERGY":{"Total":1}}`, "energy_total=1@2026-11-23T00:00:00"},
		{"switched", "lighting", "", "stat/pow/POWER2", "ON", "light_on[2]=1"},
		{"answer to a question", "lighting", "", "stat/pow/STATUS10", `{"StatusSNS":{"Time":"2026-11-23T08:00:00","ENERGY":{"Total":41.5,"Power":2}}}`, "energy_total=41.5@2026-11-23T00:00:00 active_power=2@2026-11-23T00:00:00"},
		{"at its start", "lighting", "", "tele/pow/INFO1", `{"Info1":{"Module":"x","Version":"12.0"}}`, "ignored device information"},
		{"result of switching", "lighting", "", "stat/pow/RESULT", `{"POWER":"OFF"}`, "light_on=0"},
		{"gone", "lighting", "", "tele/pow/LWT", "Offline", "!node_offline"},
		{"back", "lighting", "", "tele/pow/LWT", "Online", "!node_offline-"},
		{"bad time", "lighting", "", "tele/pow/SENSOR", `{"Time":"now","ENERGY":{"Total":1}}`, "rejected malformed"},
	})
}

func TestShellyVariants(t *testing.T) {
	testVariants(t, "shelly", []variant{
		{"two channels, watt-hours", "lighting", "", "lamp/events/rpc", `{"src":"s-1","dst":"lamp/events","method":"NotifyStatus","params":{"ts":1795392000.25,"switch:0":{"id":0,"output":true,"aenergy":{"total":1500.5,"by_minute":[1,2,3],"minute_ts":1795391940}},"switch:1":{"id":1,"apower":11.5,"temperature":{"tC":33.1,"tF":91.6}}}}`,
			"light_on=1@2026-11-23T00:00:00 energy_total=1.5005@2026-11-23T00:00:00 active_power[1]=11.5@2026-11-23T00:00:00 controller_temperature[1]=33.1@2026-11-23T00:00:00"},
		{"status in a topic of its own", "lighting", "", "lamp/status/switch:0", `{"id":0,"source":"init","output":false,"apower":0.0,"voltage":229.1,"pf":null,"errors":[]}`, "light_on=0 active_power=0 voltage=229.1"},
		{"three-phase meter", "lighting", `, fields: {em.a_act_power: {quantity: active_power, channel: l1}, em.b_act_power: {quantity: active_power, channel: l2}}`, "em/events/rpc", `{"src":"em","method":"NotifyStatus","params":{"ts":1795392000,"em:0":{"id":0,"a_act_power":100.5,"b_act_power":-3}}}`,
			"active_power[l1]=100.5@2026-11-23T00:00:00 active_power[l2]=-3@2026-11-23T00:00:00"},
		{"phases of a cabinet", "lighting", "", "cab/status/em:0", `{"id":0,"a_voltage":230.1,"a_act_power":250.5,"c_current":1.5,"n_current":null,"total_act_power":700.5}`, "voltage[l1]=230.1 active_power[l1]=250.5 current[l3]=1.5 active_power=700.5"},
		{"registers of a cabinet", "lighting", "", "cab/status/emdata:0", `{"id":0,"a_total_act_energy":1000.5,"total_act":3000.5,"total_act_ret":0.0}`, "energy_total[l1]=1.0005 energy_total=3.0005 energy_export_total=0"},
		{"gone", "lighting", "", "lamp/online", "false", "!node_offline"},
		{"its own affairs", "lighting", "", "lamp/events/rpc", `{"src":"s-1","method":"NotifyStatus","params":{"ts":1795392000.5,"script:2":{"errors":[],"running":true}}}`, "ignored script"},
		{"its own affairs and a lamp", "lighting", "", "lamp/events/rpc", `{"src":"s-1","method":"NotifyStatus","params":{"ts":1795392000,"sys":{"cfg_rev":35},"switch:0":{"output":false}}}`, "light_on=0@2026-11-23T00:00:00"},
		{"its own affairs in a topic", "lighting", "", "lamp/status/mqtt", `{"connected":true}`, "ignored mqtt"},
		{"back", "lighting", "", "lamp/online", "true", "!node_offline-"},
		{"an event", "lighting", "", "lamp/events/rpc", `{"src":"s-1","method":"NotifyEvent","params":{"ts":1,"events":[]}}`, "ignored NotifyEvent"},
		{"no params", "lighting", "", "lamp/events/rpc", `{"src":"s-1","method":"NotifyStatus"}`, "rejected malformed"},
	})
}

func TestZigbee2MQTTVariants(t *testing.T) {
	testVariants(t, "zigbee2mqtt", []variant{
		{"a weak battery", "water", "", "zigbee2mqtt/leak", `{"battery":7,"battery_low":true,"water_leak":true}`, "battery_level=7 !low_battery !leak"},
		{"lamp", "lighting", "", "zigbee2mqtt/lamp", `{"state":"ON","brightness":127,"linkquality":5,"last_seen":1795392000000,"update":{"state":"idle"}}`, "light_on=1@2026-11-23T00:00:00 light_level=0.5@2026-11-23T00:00:00 ?linkquality=5"},
		{"attribute, text", "lighting", "", "zigbee2mqtt/lamp/state", "OFF", "light_on=0"},
		{"attribute, number", "lighting", "", "zigbee2mqtt/plug/energy", "12.05", "energy_total=12.05"},
		{"contact is closed when true", "gate", "", "zigbee2mqtt/door", `{"contact":true,"tamper":false,"battery":100}`, "door_open=0 battery_level=100 !tamper-"},
		{"availability", "lighting", "", "zigbee2mqtt/lamp/availability", `{"state":"online"}`, "!node_offline-"},
		{"bridge", "lighting", "", "zigbee2mqtt/bridge/state", `{"state":"online"}`, "ignored the bridge's own"},
		{"what is to be set is no reading", "lighting", "", "zigbee2mqtt/lamp/set", `{"state":"ON","brightness":254}`, "ignored command to a device"},
		{"a battery's voltage", "gate", "", "zigbee2mqtt/door", `{"contact":false,"battery":97,"voltage":3025}`, "door_open=1 battery_level=97 battery_voltage=3.025"},
		{"two gangs by number", "lighting", "", "zigbee2mqtt/wall", `{"state_l1":"ON","brightness_l2":127,"ac_frequency":50}`, "light_on[1]=1 light_level[2]=0.5 frequency=50"},
		{"two gangs", "lighting", "", "zigbee2mqtt/wall", `{"state_left":"ON","state_right":"OFF"}`, "light_on[left]=1 light_on[right]=0"},
	})
}

func TestESPHomeVariants(t *testing.T) {
	const fields = `, fields: {sensor.power: {quantity: active_power}, binary_sensor.door: {quantity: light_on}}`
	testVariants(t, "esphome", []variant{
		{"number", "lighting", fields, "node/sensor/power/state", " 12.5\n", "active_power=12.5"},
		{"state", "lighting", fields, "node/binary_sensor/door/state", "OFF", "light_on=0"},
		{"nan", "lighting", fields, "node/sensor/power/state", "nan", "rejected bad_value"},
		{"unavailable", "lighting", fields, "node/sensor/power/state", "unavailable", "rejected bad_value"},
		{"text", "lighting", fields, "node/sensor/power/state", "hot", "rejected bad_value"},
	})
}

func TestHomeAssistantVariants(t *testing.T) {
	testVariants(t, "homeassistant", []variant{
		{"its own status", "lighting", "", "homeassistant/status", "online", "ignored status of Home Assistant"},
		{"discovery", "lighting", "", "homeassistant/sensor/n/power/config", `{"name":"Power","~":"node","stat_t":"~/state","dev_cla":"power","unit_of_meas":"W","val_tpl":"{{ value_json.p }}"}`, "ignored discovery"},
		{"removed", "lighting", "", "homeassistant/sensor/n/power/config", ``, "ignored device removed"},
		{"no JSON", "lighting", "", "homeassistant/sensor/n/power/config", `x`, "rejected malformed"},
	})
}

func TestFIWAREVariants(t *testing.T) {
	testVariants(t, "fiware", []variant{
		{"normalized", "lighting", "", "", `{"id":"lamp:1","type":"Streetlight","powerState":{"type":"Text","value":"on"},"illuminanceLevel":{"type":"Number","value":0.7,"metadata":{"TimeInstant":{"type":"DateTime","value":"2026-11-23T00:00:00Z"}}},"status":{"type":"Text","value":"defectiveLamp"}}`,
			"light_on=1 light_level=0.7@2026-11-23T00:00:00 !lamp_fault"},
		{"notification of two", "lighting", "", "", `{"subscriptionId":"s","data":[{"id":"lamp:1","type":"Streetlight","powerState":"low","dateObserved":"2026-11-23T00:00:00Z"},{"id":"lamp:2","type":"Streetlight","powerState":"bootingUp"}]}`, "light_on=1@2026-11-23T00:00:00 light_on=0"},
		{"cabinet, kilowatts by phase", "lighting", "", "", `{"id":"cab:1","type":"StreetlightControlCabinet","energyConsumed":162456,"intensityR":20.1,"activePowerR":1.5,"totalActivePower":4.5,"voltageR":220,"reactivePowerR":0.1,"workingMode":"automatic"}`,
			"energy_total=162456 current[l1]=20.1 active_power[l1]=1500 active_power=4500 voltage[l1]=220 reactive_power[l1]=100 ?workingMode=0automatic"},
		{"unit code goes first", "water", "", "", `{"id":"urn:w:1","type":"WaterConsumptionObserved","waterConsumption":{"type":"Property","value":1500,"unitCode":"LTR","observedAt":"2026-11-23T00:00:00Z"},"minFlow":{"type":"Property","value":3.6},"alarmTamper":{"type":"Property","value":1}}`,
			"water_volume_total=1.5@2026-11-23T00:00:00 water_flow_min=1e-06 !tamper"},
		{"unit code of another thing", "water", "", "", `{"id":"urn:w:1","type":"W","waterConsumption":{"type":"Property","value":1500,"unitCode":"KWH"}}`, "rejected bad_unit"},
		{"several instances of an attribute", "water", "", "", `{"id":"urn:w:1","type":"W","waterConsumption":[{"type":"Property","value":1,"observedAt":"2026-11-23T00:00:00Z"},{"type":"Property","value":2,"observedAt":"2026-11-23T00:00:30Z"}]}`,
			"water_volume_total=1@2026-11-23T00:00:00 water_volume_total=2@2026-11-23T00:00:30"},
		{"container", "waste", "", "", `{"id":"bin:1","type":"WasteContainer","fillingLevel":0.4,"cargoWeight":163,"temperature":21,"binFullnessThreshold":80,"storedWasteKind":["organic"]}`, "fill_level=0.4 waste_weight=163 bin_temperature=21"},
		{"collection", "waste", "", "", `{"id":"w:1","type":"WasteObserved","weight":{"type":"Property","value":12.5,"unitCode":"KGM"}}`, "waste_weight_net=12.5"},
		{"people by direction", "gate", "", "", `{"id":"g:1","type":"CrowdFlowObserved","peopleCount":7,"direction":"inbound","dateObserved":"2026-11-23T00:00:00Z"}`, "pass_in=7@2026-11-23T00:00:00"},
		{"agent's measures as text", "water", `, fields: {t: {quantity: water_temperature}, v: {quantity: valve_open}}`, "/key/dev/attrs", `{"t":"31.5","v":"open"}`, "water_temperature=31.5 valve_open=1"},
		{"agent's groups of measures", "water", `, fields: {t: {quantity: water_temperature}}`, "/json/key/dev/attrs", `[{"t":1},{"t":2,"TimeInstant":"2026-11-23T00:00:00Z"}]`, "water_temperature=1 water_temperature=2@2026-11-23T00:00:00"},
		{"attribute in the topic", "water", `, fields: {t: {quantity: water_temperature}}`, "/key/dev/attrs/t", `31.5`, "water_temperature=31.5"},
		{"attribute in the topic, as text", "water", `, fields: {v: {quantity: valve_open}}`, "/json/key/dev/attrs/v", `closed`, "valve_open=0"},
		{"a container's conditions", "waste", "", "", `{"id":"bin:1","type":"WasteContainer","status":{"type":"Property","value":["lidOpen","vandalized"]},"fillingLevel":0.4}`, "lid_open=1 bin_tilted=0 fill_level=0.4 !tamper"},
		{"a container's condition only", "waste", "", "", `{"id":"bin:1","type":"WasteContainer","status":"burning"}`, "lid_open=0 bin_tilted=0 !burning"},
		{"a lamp's condition", "lighting", "", "", `{"id":"l:1","type":"Streetlight","powerState":"off","status":"brokenLantern"}`, "light_on=0 !lamp_fault"},
		{"in order", "lighting", "", "", `{"id":"l:1","type":"Streetlight","powerState":"off","status":"ok"}`, "light_on=0"},
		{"a status of the vendor's own", "lighting", `, fields: {status: {quantity: light_on}}`, "/key/dev/attrs", `{"status":"on"}`, "light_on=1"},
		{"observed over a while", "gate", "", "", `{"id":"g:1","type":"CrowdFlowObserved","peopleCount":7,"direction":"outbound","dateObserved":"2026-11-22T23:55:00Z/2026-11-23T00:00:00Z","dateObservedTo":"2026-11-23T00:00:00Z"}`, "pass_out=7@2026-11-23T00:00:00"},
		{"nothing measured", "waste", "", "", `{"id":"bin:1","type":"WasteContainer","binMaxLoad":75,"location":{"type":"Point","coordinates":[1,2]}}`, "ignored an entity without measurements"},
		{"no entity", "waste", "", "", `[1]`, "rejected malformed"},
	})
}

func TestInfluxVariants(t *testing.T) {
	testVariants(t, "influx", []variant{
		{"seconds, milliseconds, nanoseconds", "lighting", "", "", "m,device=a active_power=1 1795392000\nm,device=a active_power=2 1795392001000\nm,device=a active_power=3i 1795392002000000000", "active_power=1@2026-11-23T00:00:00 active_power=2@2026-11-23T00:00:01 active_power=3@2026-11-23T00:00:02"},
		{"boolean, unsigned, text", "lighting", "", "", `m,device=a light_on=T,energy_total=12u,voltage="229",note="x y"`, "light_on=1 energy_total=12 voltage=229 ?note=0x y"},
		{"escapes", "lighting", "", "", `my\ lamp,device=a\ b,site=x\,y active_power=1`, "active_power=1 ?site=0x,y"},
		{"channel", "lighting", "", "", "m,device=a,channel=l1 voltage=229", "voltage[l1]=229"},
		{"zero is 1970", "lighting", "", "", "m,device=a voltage=229 0", "voltage=229"},
		{"comments and empty lines", "lighting", "", "", "# c\n\nm,device=a voltage=229\n", "voltage=229"},
		{"half of it", "lighting", "", "", "m,device=a voltage=", "rejected malformed"},
		{"infinite", "lighting", "", "", "m,device=a voltage=+Inf", "rejected malformed"},
	})
}

// The first two packets are of others: an issue of a parser (xiaoyao9184/hj-t212-parser 5)
// and a test of a gateway (fox-tech).
func TestHJ212Variants(t *testing.T) {
	const (
		noise  = "##0152QN=20261123080000000;ST=23;CN=2011;PW=123456;MN=88888880000001;Flag=5;CP=&&DataTime=20261123080000;LA-Rtd=52.1,LA-Flag=N;a01001-Rtd=23.4,a01001-Flag=N&&E041"
		minute = "##0148ST=22;CN=2051;PW=123456;MN=S1;CP=&&DataTime=20261123080000;a01001-Avg=21.5,a01001-Max=22,a01001-Flag=N;LA-Rtd=99,LA-Flag=D;a34004-Rtd=35.2;note=ok&&F281"
		water  = "##0152ST=22;CN=2011;PW=123456;MN=S1;CP=&&DataTime=20261123080000;w01010-SampleTime=20261123075000,w01010-Rtd=9.5;a01006-Rtd=101.3,a01006-Flag=3;a01007-Rtd=x&&9C01"
	)
	cut := noise[:len(noise)-30]
	testVariants(t, "hj212", []variant{
		{"thousandths in its time, marks of some", "water", ", fields: {B01-Rtd: {quantity: water_flow, unit: L/s}}", "", "##0139ST=32;CN=2011;PW=123456;MN=LD130133000015;CP=&&DataTime=20160824003817000;B01-Rtd=36.91;011-Rtd=231.0,011-Flag=N;060-Rtd=1.803,060-Flag=N&&4980\r\n",
			"water_flow=0.03691 ?011-Rtd=231 ?060-Rtd=1.803"},
		{"a time for each factor", "water", ", fields: {w01018-Rtd: {ignore: true}, w21011-Rtd: {ignore: true}, w21003-Rtd: {ignore: true}}", "", "##0457QN=20210320163101890;ST=32;CN=2011;PW=123456;MN=81733553213013;Flag=4;CP=&&DataTime=20210320013400;w00000-Rtd=181.682,w00000-Flag=N;w21001-SampleTime=20210320005400,w21001-Rtd=45.160,w21001-Flag=N;w21011-SampleTime=20210320013400,w21011-Rtd=1.970,w21011-Flag=N;w21003-SampleTime=20210320013400,w21003-Rtd=53.131,w21003-Flag=N;w01018-SampleTime=20210320013400,w01018-Rtd=194.200,w01018-Flag=N;w01001-SampleTime=20210320013406,w01001-Rtd=7.496,w01001-Flag=N&&6E80\r\n",
			"rejected no_reading"},
		{"noise", "noise", "", "", noise + "\r\n", "sound_level=52.1@2026-11-23T00:00:00 temperature=23.4@2026-11-23T00:00:00"},
		{"no line end, a wrong length", "noise", "", "", "##0999" + noise[6:], "sound_level=52.1@2026-11-23T00:00:00 temperature=23.4@2026-11-23T00:00:00"},
		{"means, a broken sensor, a factor nobody knows", "noise", "", "", minute, "temperature[avg]=21.5@2026-11-23T00:00:00 ?a01001-Max=22 ?a34004-Rtd=35.2 ?note=0ok xLA-Rtd:bad_value"},
		{"two packets, one cut", "noise", "", "", cut + "\r\n" + noise, "sound_level=52.1@2026-11-23T00:00:00 temperature=23.4@2026-11-23T00:00:00 xpacket:malformed"},
		{"two packets in one", "environment", "", "", water + "\r\n" + minute + "\r\n", "temperature=9.5@2026-11-22T23:50:00 pressure=101300@2026-11-23T00:00:00 temperature[avg]=21.5@2026-11-23T00:00:00 ?a01001-Max=22 ?a34004-Rtd=35.2 ?note=0ok xLA-Rtd:bad_value xa01007-Rtd:bad_value"},
		{"a byte changed", "noise", "", "", strings.Replace(noise, "52.1", "52.2", 1), "rejected checksum"},
		{"an answer", "noise", "", "", "##0044ST=91;CN=9014;PW=123456;MN=S1;Flag=4;CP=&&&&E7C1\r\n", "ignored command 9014 without values"},
		{"no station", "noise", "", "", "##0040ST=22;CN=2011;PW=123456;CP=&&LA-Rtd=40&&71C0", "rejected bad_identifier"},
		{"no time", "noise", "", "", "##0060ST=22;CN=2011;PW=123456;MN=S1;CP=&&DataTime=noon;LA-Rtd=40&&F001", "rejected malformed"},
		{"nothing of it", "noise", "", "", "{}", "rejected malformed"},
		{"cut", "noise", "", "", cut, "rejected malformed"},
	})
}

func TestFaceGateVariants(t *testing.T) {
	const topic = "mqtt/face/77/Rec"
	testVariants(t, "face-gate", []variant{
		{"allowed", "gate", "", topic, `{"operator":"RecPush","info":{"facesluiceId":"77","VerifyStatus":"1","time":"2026-11-23 08:00:00","RecordID":"9"}}`, "!access_granted"},
		{"numbers, older name of the person", "gate", "", topic, `{"operator":"RecPush","info":{"facesluiceId":77,"VerifyStatus":2,"time":"2026-11-23 08:00:00","persionName":"x"}}`, "!access_denied"},
		{"stranger", "gate", "", topic, `{"operator":"RecPush","info":{"VerifyStatus":"3","time":"2026-11-23 08:00:00"}}`, "!access_denied"},
		{"not verified", "gate", "", topic, `{"operator":"RecPush","info":{"VerifyStatus":"0"}}`, "ignored not verified"},
		{"sign of life", "gate", "", "mqtt/face/heartbeat", `{"operator":"HeartBeat","info":{"facesluiceId":"77"}}`, "ignored HeartBeat"},
		{"unknown status", "gate", "", topic, `{"operator":"RecPush","info":{"VerifyStatus":"9"}}`, "rejected bad_value"},
		{"bad time", "gate", "", topic, `{"operator":"RecPush","info":{"VerifyStatus":"1","time":"noon o'clock"}}`, "rejected malformed"},
		{"no info", "gate", "", topic, `{"operator":"RecPush"}`, "rejected malformed"},
		{"no operator", "gate", "", topic, `{"info":{}}`, "rejected malformed"},
	})
}

func TestHikvisionVariants(t *testing.T) {
	const topic = "hikvision/g/event"
	event := func(major, sub int) string {
		return fmt.Sprintf(`{"macAddress":"aa:bb","channelID":1,"dateTime":"2026-11-23T08:00:00+08:00","eventType":"AccessControllerEvent","eventState":"active","AccessControllerEvent":{"majorEventType":%d,"subEventType":%d,"doorNo":2,"serialNo":9,"name":"x"}}`, major, sub)
	}
	const alert = `<?xml version="1.0"?><EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema"><macAddress>aa:bb</macAddress><channelID>2</channelID><dateTime>2026-11-23T08:00:00+08:00</dateTime><eventType>VMD</eventType><eventState>active</eventState><channelName>A name</channelName></EventNotificationAlert>`
	testVariants(t, "hikvision", []variant{
		{"card", "gate", "", topic, event(5, 1), "!access_granted[2]"},
		{"face", "gate", "", topic, event(5, 75), "!access_granted[2]"},
		{"face refused", "gate", "", topic, event(5, 76), "!access_denied[2]"},
		{"unlocked", "gate", "", topic, event(5, 21), "!door_unlocked[2]"},
		{"opened", "gate", "", topic, event(5, 25), "!door_opened[2]"},
		{"forced", "gate", "", topic, event(5, 27), "!door_forced[2]"},
		{"held open", "gate", "", topic, event(5, 28), "!door_held_open[2]"},
		{"another major event", "gate", "", topic, event(3, 1024), "!door_unlocked[2]"},
		{"heartbeat", "gate", "", topic, `{"macAddress":"aa","dateTime":"2026-11-23T08:00:00+08:00","eventType":"heartBeat","eventState":"active"}`, "ignored heartbeat"},
		{"wrapped by a bridge", "gate", "", topic, `{"EventNotificationAlert":` + event(5, 26) + `}`, "!door_closed[2]"},
		{"XML", "gate", "", topic, alert, "!motion[2]"},
		{"XML in GB2312", "gate", "", topic, strings.NewReplacer(`version="1.0"?`, `version="1.0" encoding="GB2312"?`, "A name", "\xb4\xf3\xc3\xc5").Replace(alert), "!motion[2]"},
		{"XML in a multipart body", "gate", "", topic, "--b0\r\nContent-Type: application/xml\r\nContent-Length: 1\r\n\r\n" + alert + "\r\n--b0\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\r\n--b0--\r\n", "!motion[2]"},
		{"JSON in a multipart body", "gate", "", topic, "--b0\r\nContent-Disposition: form-data; name=\"event_log\"\r\n\r\n" + event(5, 22) + "\r\n--b0--\r\n", "!door_locked[2]"},
		{"access event in XML", "gate", "", topic, strings.NewReplacer("VMD", "AccessControllerEvent", "<channelName>A name</channelName>", "<AccessControllerEvent><majorEventType>5</majorEventType><subEventType>27</subEventType><doorNo>1</doorNo><name>A name</name></AccessControllerEvent>").Replace(alert), "!door_forced[1]"},
		{"no event", "gate", "", topic, `{"macAddress":"aa"}`, "rejected malformed"},
		{"bad time", "gate", "", topic, `{"dateTime":"x","eventType":"VMD"}`, "rejected malformed"},
		{"no JSON", "gate", "", topic, `hello`, "rejected malformed"},
	})
}

func TestDahuaVariants(t *testing.T) {
	const topic = "dahua/g/DoorStatus"
	testVariants(t, "dahua", []variant{
		{"both clocks: UTC is taken", "gate", "", topic, `{"Code":"DoorStatus","Action":"Pulse","Data":{"LocaleTime":"2026-11-23 08:00:00","Status":"Open","UTC":1795392000.0},"Index":1}`, "door_open[1]=1@2026-11-23T00:00:00 !door_opened[1]"},
		{"local time only", "gate", "", topic, `{"Code":"DoorStatus","Action":"Pulse","Data":{"LocaleTime":"2026-11-23 08:00:00","Status":"Close"},"Index":0}`, "door_open=0@2026-11-23T00:00:00 !door_closed"},
		{"as a bridge writes it", "gate", "", topic, `{"code":"DoorStatus","action":"Pulse","data":{"Status":"Open","UTC":1795392000},"index":"0"}`, "door_open=1@2026-11-23T00:00:00 !door_opened"},
		{"pass", "gate", "", topic, `{"Code":"AccessControl","Action":"Pulse","Data":{"CardName":"x","CardNo":"12345678","Method":1,"Status":1,"Type":"Entry","UTC":1795392000},"Index":0}`, "pass_in=1@2026-11-23T00:00:00 !access_granted"},
		{"refused", "gate", "", topic, `{"Code":"AccessControl","Action":"Pulse","Data":{"ErrorCode":16,"Status":0,"UTC":1795392000},"Index":0}`, "!access_denied"},
		{"forced, and over", "gate", "", topic, `{"Code":"BreakIn","Action":"Stop","Data":{},"Index":0}`, "!door_forced-"},
		{"held open", "gate", "", topic, `{"Code":"DoorNotClosed","Action":"Start","Data":{"UTC":1795392000},"Index":0}`, "!door_held_open"},
		{"a batch", "gate", "", topic, `{"Events":[{"Code":"AccessControl","Data":{"CardName":"x","CreateTime":1795391900,"Status":1,"ImageInfo":[{"Length":9}]},"Index":0},{"Code":"DoorStatus","Action":"Pulse","Data":{"Status":"Open","RealUTC":1795392000,"UTC":1795420800},"Index":0},{"Code":"DoorStatus","Data":{"Status":"Ajar"}}]}`,
			"door_open=1@2026-11-23T00:00:00 !access_granted !door_opened xEvents[2]:bad_value"},
		{"in a multipart body", "gate", "", topic, "--b0\r\nContent-Type: text/plain\r\n\r\n" + `{"Code":"BreakIn","Action":"Start","Data":{"UTC":1795392000},"Index":0}` + "\r\n--b0\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\r\n--b0--\r\n", "!door_forced"},
		{"no JSON", "gate", "", topic, "Code=DoorStatus;action=Pulse", "rejected bad_value"},
		{"the text of a device's stream", "gate", "", topic, "--b\r\nContent-Type: text/plain\r\n\r\nCode=AccessControl;action=Pulse;index=1;data={\n\"Status\" : 1, \"CardNo\":\"123\"\n}\r\n--b", "!access_granted[1]"},
		{"of no door", "gate", "", topic, `{"Code":"BackKeyLight","Action":"Pulse","Data":{"State":8},"Index":-1}`, "ignored event BackKeyLight: no pass and no state of a door"},
		{"unknown status", "gate", "", topic, `{"Code":"DoorStatus","Action":"Pulse","Data":{"Status":"Ajar"}}`, "rejected bad_value"},
		{"no code", "gate", "", topic, `{"Action":"Pulse"}`, "rejected malformed"},
	})
}

func TestNativeVariants(t *testing.T) {
	const topic = "greencommunity/v1/c/lighting/L1"
	testVariants(t, "native", []variant{
		{"every kind of time", "lighting", "", topic, `[{"time":1795392000,"voltage":1},{"time":1795392000.5,"voltage":2},{"time":1795392001000000,"voltage":3},{"time":"2026-11-23 08:00:02","voltage":4},{"time":"2026-11-23T00:00:03Z","voltage":5},{"time":null,"voltage":6}]`,
			"voltage=1@2026-11-23T00:00:00 voltage=2@2026-11-23T00:00:00 voltage=3@2026-11-23T00:00:01 voltage=4@2026-11-23T00:00:02 voltage=5@2026-11-23T00:00:03 voltage=6"},
		{"channel, text, boolean", "lighting", "", topic, `{"channel":2,"voltage":"229.5","light_on":false}`, "voltage[2]=229.5 light_on[2]=0"},
		{"event", "lighting", "", topic, `{"time":1795392000,"event":"lamp_fault","active":0,"code":7}`, "!lamp_fault-"},
		{"one bad value", "lighting", "", topic, `{"voltage":"high","current":1}`, "current=1 xvoltage:bad_value"},
		{"a quantity of another kind", "lighting", "", topic, `{"fill_level":0.4}`, "rejected no_reading"},
		{"history of a clock never set", "lighting", "", topic, `[{"time":946684900,"voltage":2},{"time":946684800,"voltage":1}]`, "voltage=2 xvoltage:out_of_range"},
		{"the same beside now", "lighting", "", topic, `[{"time":946684800,"voltage":1},{"voltage":3},{"time":946684900,"voltage":2},{"channel":"l1","time":946684900,"voltage":4}]`, "voltage=3 voltage[l1]=4 xvoltage:out_of_range xvoltage:out_of_range"},
		{"a year ahead", "lighting", "", topic, `{"time":1827000000,"voltage":1}`, "voltage=1"},
	})
}

func TestMappingVariants(t *testing.T) {
	testVariants(t, "json", []variant{
		{"records, names and values", "lighting", `, json: {records: "data[*]", device: "$.sn", name: k, value: v, time: [{path: t}]}, fields: {T: {quantity: voltage}, P: {quantity: active_power, unit: kW}}`, "",
			`{"sn":"A1","data":[{"k":"T","v":"21.5","t":1795392000},{"k":"P","v":0.3}]}`, "voltage=21.5@2026-11-23T00:00:00 active_power=300"},
		{"keyed by device", "waste", `, json: {records: "*", device: "@key", values: state, time: [{path: at, unit: ms}]}, fields: {full: {quantity: fill_level, unit: "%"}}`, "",
			`{"B1":{"at":1795392000000,"state":{"full":40}},"B2":{"at":1795392000000,"state":{"full":41}}}`, "fill_level=0.4@2026-11-23T00:00:00 fill_level=0.41@2026-11-23T00:00:00"},
		{"words for values, a local time, an alarm", "gate", `, json: {device: id, time: [{path: when, layout: "02/01/2006 15:04"}]}, fields: {door: {quantity: door_open, values: {OPENED: 1, SHUT: 0}}, alarm: {event: door_forced, when: ["2"]}}`, "",
			`{"id":"G1","when":"23/11/2026 08:00","door":"OPENED","alarm":2}`, "door_open=1@2026-11-23T00:00:00 !door_forced"},
		{"a meter's frame in a gateway's JSON", "water", `, payload: cjt188, json: {device: imei, values: data}`, "", `{"imei":"8600","data":"` + hex.EncodeToString(meterFrame("681001020304050607810D901F00785634122C010000002C")) + `"}`, "water_volume_total=123456.78 water_volume_billing=0.01"},
		{"bytes for a codec", "waste", `, codecs: {"": tlv.js}, json: {device: eui, values: raw}, fields: {battery: {quantity: battery_level}}`, "", `{"eui":"00aa","raw":"AXVk"}`, "battery_level=100"},
		{"sentinels", "lighting", `, json: {device: id}, fields: {U: {quantity: voltage, scale: 0.1, invalid: [65535, -1]}}`, "", `[{"id":"a","U":65535},{"id":"a","U":"-1"},{"id":"a","U":2295}]`, "voltage=229.5 xU:bad_value xU:bad_value"},
		{"no device", "lighting", `, json: {device: id}`, "", `{"U":1}`, "rejected bad_identifier"},
		{"no records", "lighting", `, json: {records: "x[*]"}`, "", `{"U":1}`, "rejected no_reading"},
	})
}

func TestRawVariants(t *testing.T) {
	testVariants(t, "raw", []variant{
		{"hex by a codec", "waste", `, codecs: {"": tlv.js}, fields: {battery: {quantity: battery_level}}`, "", "01 75 64", "battery_level=100"},
		{"base64 by a payload format", "waste", ", payload: milesight", "", "AXVk", "battery_level=100"},
		{"nobody reads it", "waste", "", "", "AXVk", "rejected no_reading"},
		{"a meter's frame proves itself", "water", "", "", hex.EncodeToString(meterFrame("681001020304050607810D901F00785634122C010000002C")), "water_volume_total=123456.78 water_volume_billing=0.01"},
	})
}

// Discovery says what a field means; a contact that is on when false is inverted.
func TestHomeAssistantMeaning(t *testing.T) {
	w := source(t, "gate", "homeassistant", "homeassistant/#", "")
	var said strings.Builder
	w.Explain = func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	for payload, want := range map[string]string{
		`{"name":"Gate","device_class":"door","payload_on":false,"payload_off":true,"state_topic":"zigbee2mqtt/gate","value_template":"{{ value_json.contact }}"}`: `field "contact" of topic "zigbee2mqtt/gate" is door_open, inverted: {values: {"true": 0, "false": 1}}`,
		`{"~":"pow","dev_cla":"energy","stat_t":"~/SENSOR","val_tpl":"{{value_json.ENERGY.Total}}"}`:                                                               `field "ENERGY.Total" of topic "pow/SENSOR" is energy_total`,
		`{"dev_cla":"power","stat_t":"a","val_tpl":"{{ value_json.p | float / 10 }}"}`:                                                                             `its template is none we can read; active_power would be the quantity`,
	} {
		said.Reset()
		w.Decode(&ingest.Message{Topic: "homeassistant/x/y/config", Payload: []byte(payload), Received: received})
		if !strings.Contains(said.String(), want+"\n") {
			t.Errorf("%s\nexplained as %swant %s", payload, said.String(), want)
		}
	}
}

// Explain says which field became what, by whose word, and whose clock it has.
func TestExplain(t *testing.T) {
	w := source(t, "lighting", "alink", "/sys/+/{device}/thing/#", `, fields: {P: {quantity: active_power, unit: kW}, L: {event: lamp_fault}, U: {ignore: true}}`)
	var said strings.Builder
	w.Explain = func(format string, args ...any) { fmt.Fprintf(&said, format+"\n", args...) }
	w.Decode(&ingest.Message{Topic: "/sys/p/L1/thing/event/property/post", Received: received,
		Payload: []byte(`{"params":{"P":{"value":"1.5","time":1795392000000},"voltage":229,"current":{"value":1,"time":946684800},"X":1,"L":1,"U":2,"LightSwitch":1,"frequency":"n/a"}}`)})
	const want = `topic matches "/sys/+/{device}/thing/#" of vendor v; format alink
"P" = "1.5" kW is active_power = 1500 W, by fields of the source; at the device's time
"voltage" = 229 is voltage = 229 V, by its canonical name; at the time received, as the payload has none
"current" = 1 is current = 1 A, by its canonical name; at the time received, as 2000-01-01T00:00:00Z is out of bounds
"X" has no meaning for lighting: give it one under fields
"L" = 1 is event lamp_fault, by fields of the source
"U" is not wanted, by fields of the source
"LightSwitch" = 1 is light_on = 1 0/1, by the profile built in for the format or product; at the time received, as the payload has none
"frequency" = "n/a" is refused: bad_value: frequency: "n/a" is not a number
`
	if said.String() != want {
		t.Errorf("explained as\n%swant\n%s", said.String(), want)
	}
}
