package decode

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"greencommunity/ingest"
)

// received is when the messages of these tests were: 2026-11-23T00:01:00Z.
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

func testVariants(t *testing.T, format string, variants []variant) {
	t.Helper()
	for _, v := range variants {
		topic := v.topic
		if topic == "" {
			topic = "a/b"
		}
		w := source(t, v.kind, format, TemplateFor(Formats[format], topic), v.more)
		r := w.Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: []byte(v.payload), Received: received})
		checkResult(t, r)
		if have := line(r); have != v.want {
			t.Errorf("%s: %s\nhave %s\nwant %s\n%v", format, v.name, have, v.want, r.Err)
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
		{"null is no value", "lighting", fields, topic, `{"params":{"Power":null,"Level":40}}`, "light_level=0.4"},
		{"struct of two members is no wrapper", "lighting", fields, topic, `{"params":{"Power":1,"Pos":{"value":3,"x":4}}}`, "active_power=1 ?Pos.value=3 ?Pos.x=4"},
		{"event by method", "lighting", fields, "/sys/pk/L1/thing/event/LampError/post", `{"params":{"value":{"code":"3"},"time":1795392000000},"method":"thing.event.LampError.post"}`, "!lamp_error"},
		{"event by topic", "lighting", fields, "/sys/pk/L1/thing/event/LampError/post", `{"params":{"code":"3"}}`, "!lamp_error"},
		{"history of a gateway: arrays of properties", "lighting", fields, "/sys/pk/G1/thing/event/property/history/post",
			`{"params":[{"identity":{"productKey":"p","deviceName":"L2"},"properties":[{"Power":{"value":1,"time":1795391000000}},{"Power":{"value":2,"time":1795391060000}}],"events":[{"Tamper":{"value":{},"time":1795391000000}}]}],"method":"thing.event.property.history.post"}`,
			"active_power=1@2026-11-22T23:43:20 active_power=2@2026-11-22T23:44:20 !tamper"},
		{"pack of a gateway", "lighting", fields, "/sys/pk/G1/thing/event/property/pack/post",
			`{"params":{"properties":{"Power":{"value":5,"time":1795392000000}},"subDevices":[{"identity":{"productKey":"p","deviceName":"L3"},"properties":{"Power":{"value":6,"time":1795392000000}}},{"identity":{},"properties":{"Power":{"value":7,"time":1795392000000}}}]}}`,
			"active_power=5@2026-11-23T00:00:00 active_power=6@2026-11-23T00:00:00 xidentity:bad_identifier"},
		{"forwarded by the platform's rules", "lighting", fields, "/pk/L1/data", `{"deviceType":"Lamp","iotId":"x","productKey":"pk","deviceName":"L1","gmtCreate":1795392000000,"items":{"Power":{"value":9,"time":1795392000500}}}`,
			"active_power=9@2026-11-23T00:00:00"},
		{"reply of the platform", "lighting", fields, "/sys/pk/L1/thing/event/property/post_reply", `{"code":200,"data":{},"id":"7","message":"success"}`, "ignored reply"},
		{"OneNET property", "lighting", fields, "$sys/pk/L1/thing/property/post", `{"id":"1","version":"1.0","params":{"Power":{"value":"23.6","time":1795392000123}}}`, "active_power=23.6@2026-11-23T00:00:00"},
		{"OneNET events", "lighting", fields, "$sys/pk/L1/thing/event/post", `{"id":"1","version":"1.0","params":{"overLoad":{"value":{"P":4},"time":1795392000123},"lampFault":{"time":1795392000123}}}`, "!over_load !lamp_fault"},
		{"OneNET pack of two", "lighting", fields, "$sys/pk/G1/thing/pack/post",
			`{"id":"1","params":[{"identity":{"productID":"p","deviceName":"L4"},"properties":{"Power":{"value":1}}},{"identity":{"productID":"p","deviceName":"L5"},"properties":{"Power":{"value":2}}}]}`, "active_power=1 active_power=2"},
		{"OneNET history: arrays of values", "lighting", fields, "$sys/pk/G1/thing/history/post",
			`{"id":"1","params":[{"identity":{"productID":"p","deviceName":"L4"},"properties":{"Power":[{"value":"1","time":1795391000000},{"value":"2","time":1795391001000}]}}]}`,
			"active_power=1@2026-11-22T23:43:20 active_power=2@2026-11-22T23:43:21"},
		{"TuyaLink, seconds", "lighting", fields, "tylink/L1/thing/property/report", `{"msgId":"1","time":1795392000,"data":{"Power":{"value":41,"time":1795392000}}}`, "active_power=41@2026-11-23T00:00:00"},
		{"TuyaLink without times of its own", "lighting", fields, "tylink/L1/thing/property/report", `{"msgId":"1","time":1795392000000,"data":{"Power":{"value":41}}}`, "active_power=41@2026-11-23T00:00:00"},
		{"TuyaLink batch", "lighting", fields, "tylink/L1/thing/data/batch_report",
			`{"msgId":"1","time":1795392000,"data":{"properties":{"Power":{"value":4,"time":1795392000}},"events":{"lampError":{"outputParams":{"a":1},"eventTime":1795391999}},"subDevices":{"n1":{"properties":{"Power":{"value":5,"time":1795392000}}}}}}`,
			"active_power=4@2026-11-23T00:00:00 active_power=5@2026-11-23T00:00:00 !lamp_error"},
		{"TuyaLink event", "lighting", fields, "tylink/L1/thing/event/trigger", `{"msgId":"1","time":1795392000,"data":{"eventCode":"lampError","eventTime":1795391999,"outputParams":{"a":1}}}`, "!lamp_error"},
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
		{"event", "water", fields, "$oc/devices/W1/sys/events/up", `{"services":[{"service_id":"meter","event_type":"pipeBurst","event_time":"20261123T000000Z","paras":{}}]}`, "!pipe_burst"},
		{"the platform's own event", "water", fields, "$oc/devices/G1/sys/events/up", `{"services":[{"service_id":"$sub_device_manager","event_type":"sub_device_status","paras":{}}]}`, "ignored no properties"},
		{"bad time keeps the value", "water", fields, topic, `{"services":[{"properties":{"total":1},"event_time":"noon"}]}`, "water_volume_total=0.001 xevent_time:bad_value"},
		{"neither", "water", fields, topic, `{"a":1}`, "rejected malformed"},
	})
}

func TestCTWingVariants(t *testing.T) {
	const fields = `, fields: {water: {quantity: water_volume_total}, signal.rsrp: {quantity: rssi, scale: -1}}`
	frame := meterFrame("6810010203040506078116901F0078563412" + "2C" + "00000000" + "2C" + "00000823112620" + "0000")
	testVariants(t, "ctwing", []variant{
		{"thing model, signal as a magnitude", "water", fields, "t/p/d", `{"messageType":"dataReport","timestamp":1795392000000,"deviceId":"W1","upPacketSN":-1,"payload":{"water":12.5,"signal":{"rsrp":95}}}`, "water_volume_total=12.5 rssi=-95"},
		{"numbers as text", "water", fields, "t/p/d", `{"messageType":"dataReport","timestamp":"1795392000000","deviceId":"W1","upPacketSN":"","IMSI":"undefined","payload":{"water":"0012.50"}}`, "water_volume_total=12.5"},
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
