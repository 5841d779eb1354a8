package decode

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// accepted are the readings and events of a result, without what has no meaning.
func accepted(r *Result) (all []string) {
	if r.Err != nil {
		return nil
	}
	for _, v := range r.Readings {
		all = append(all, fmt.Sprintf("%s %s[%s]=%v@%d", v.Device.ID, v.Quantity.Name, v.Channel, v.Value, v.Time))
	}
	for _, e := range r.Events {
		all = append(all, fmt.Sprintf("%s !%s[%s]%v@%d", e.Device.ID, e.Type, e.Channel, e.Active, e.Time))
	}
	return all
}

// checkCut checks that a message decodes to the same once it is cut as a gate's
// is, whatever it is of: no reading is lost that has a meaning, and none added.
func checkCut(t *testing.T, w *Worker, topic string, payload []byte, received int64) (readings int) {
	t.Helper()
	var c format.Captures
	src := w.inv.Match(topic, &c)
	if src == nil || format.Formats[src.Format].Redact != nil {
		return 0
	}
	listed := map[string]bool{} // as gates that are not called as devices are have to be
	decode := func(payload []byte) ([]string, string) {
		w := NewWorker(w.inv, w.resolver)
		r := w.Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: payload, Received: received})
		for i := range r.Readings {
			listed[string(r.Readings[i].Device.ID)] = true
		}
		for i := range r.Events {
			listed[string(r.Events[i].Device.ID)] = true
		}
		return accepted(r), fmt.Sprint(line(r), r.Err)
	}
	want, whole := decode(payload)
	cutter := format.NewCutter(wordsOf(w.inv), func(id string) bool { return listed[id] || listed[strings.ReplaceAll(id, "/", ":")] })
	cut := cutter.Cut(&src.Reads, payload)
	have, kept := decode(cut)
	if !slices.Equal(have, want) {
		t.Errorf("%s: %.700s\ndecodes to %s\ncut to %.700s\n           %s", src.Format, payload, whole, cut, kept)
	}
	if again := cutter.Cut(&src.Reads, cut); string(again) != string(cut) {
		t.Errorf("%s: a second time %s keeps %s", src.Format, cut, again)
	}
	return len(want)
}

// Real messages of all formats, taken for gates', decode to what they did.
func TestCutLeavesReadings(t *testing.T) {
	dir := casesDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.expected.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	messages, readings := 0, 0
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		how := caseFormats[name]
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		topic := "any/topic"
		if m := regexp.MustCompile(`"topic":\s*"([^" ;:()]+)"`).FindSubmatch(data); m != nil {
			topic = strings.NewReplacer("${", "", "{", "", "}", "").Replace(string(m[1]))
		}
		best := 0
		for _, kind := range []ingest.FacilityKind{"lighting", "water", "waste", "gate"} {
			w := source(t, kind, how.format, inventory.TemplateFor(format.Formats[how.format], topic), how.more)
			best = max(best, checkCut(t, w, topic, casePayload(t, file), time.Now().UnixNano()))
		}
		messages, readings = messages+1, readings+best
	}
	t.Logf("%d messages with %d readings", messages, readings)
}

// planted hold what stands for a person in the messages below.
var planted = []string{"Zhuge", "zhuge", "诸葛小明", "13912345678", "139-1234-5678", "610102199003077777", "61010219900307777X", "610102-19900307-777X",
	"E61010219", "6222021234567890123", "陕A77777", "/9j/4AAQSkZJRgABAQEAYABgAAD", "88776655"}

const gatesOfAllFormats = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: listed
  sources:
  - {topic: "json/{device}/up", format: json, json: {records: data, device: sn, facility: kind, community: place, channel: lane, time: [{path: at}]}, fields: {people: {quantity: pass_in}}}
  - {topic: "pairs/{device}", format: json, community: nancheng, json: {records: items, name: key, value: val}, fields: {people: {quantity: pass_in}}}
  - {topic: "many", format: thingsboard, community: nancheng}
  - {topic: "/sys/+/{device}/thing/#", format: alink, community: nancheng}
  - {topic: "$oc/devices/{device}/sys/#", format: huawei-iotda, community: nancheng}
  - {topic: "ct/+/{device}", format: ctwing, community: nancheng}
  - {topic: "application/+/device/{device}/event/up", format: chirpstack, community: nancheng}
  - {topic: "v3/+/devices/{device}/up", format: tts, community: nancheng}
  - {topic: "lines", format: influx}
  - {topic: "pack/{device}", format: senml, community: nancheng}
  - {topic: "spBv1.0/#", format: sparkplug, community: nancheng}
  - {topic: "zigbee2mqtt/{device}", format: zigbee2mqtt, community: nancheng}
  - {topic: "tele/{device}/SENSOR", format: tasmota, community: nancheng}
  - {topic: "{device}/events/rpc", format: shelly, community: nancheng}
  - {topic: "/ul/{device}/attrs", format: fiware, community: nancheng}
  - {topic: "/neuron/+/{device}/+", format: neuron, community: nancheng}
  - {topic: "raw/{device}", format: raw, payload: milesight, community: nancheng}
  - {topic: "esp/{device}/sensor/+/state", format: esphome, community: nancheng}
  - {topic: "wm/{device}", format: wmbusmeters, community: nancheng}
  devices:
  - {id: east-gate-of-the-park, alias: 24e124136b502217, community: nancheng, facility: gate}
  - {id: meter1, community: nancheng, facility: water}
- id: accepts
  unknown_devices: accept
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
  - {topic: "doors/{device}/#", format: json, community: nancheng, facility: gate, json: {channel: lane}}
- id: faces
  unknown_devices: accept
  sources: [{topic: "mqtt/face/{device}/+", format: face-gate, community: nancheng, facility: gate}]
`

// plantedMessages are messages of gates in every format, with persons wherever
// one may be, and what has to be left of them.
func plantedMessages() (all []struct{ topic, payload, want string }) {
	add := func(topic, payload, want string) {
		all = append(all, struct{ topic, payload, want string }{topic, payload, want})
	}
	const g = "24e124136b502217"
	for _, p := range planted[:len(planted)-1] {
		q := `"` + p + `"`
		persons := `"name":` + q + `,"personName":` + q + `,"` + p + `":1,"cardNo":88776655,"user":{"name":` + q + `,"list":[` + q + `,{"id_no":` + q + `}]},"remark":"by ` + p + `","pic":` + q
		add("greencommunity/v1/nancheng/gate/g1", `{"pass_in":1,`+persons+`}`, "pass_in=1 ?withheld=6")
		add("greencommunity/v1/nancheng/gate/g1", `[{"pass_in":1,"code":`+q+`},{"event":`+q+`}]`, "pass_in=1 ?withheld=1 ?withheld=1")
		add("greencommunity/v1/nancheng/gate/g1", `{"event":"door_forced","code":"N01 `+p+`"}`, "?withheld=1 !door_forced")
		add("greencommunity/v1/nancheng/gate/g1", `{"pass_in":2,"channel":`+q+`}`, "rejected bad_identifier")
		add("greencommunity/v1/nancheng/gate/"+strings.ReplaceAll(p, "/", "-"), `{"pass_in":1}`, "rejected bad_identifier")
		add("greencommunity/v1/nancheng/gate/g1"+strings.Repeat("/"+strings.ReplaceAll(p, "/", ""), 300), `{"pass_in":1,`+persons+`}`, "rejected too_large")
		add("doors/d1/"+p, `{"pass_in":1,"lane":"in_1",`+persons+`}`, "pass_in[in_1]=1 ?withheld=6")
		add("doors/d1/x", `{"pass_in":1,"lane":`+q+`}`, "rejected bad_identifier")
		add("mqtt/face/7/"+strings.ReplaceAll(p, "/", ""), `{"operator":"RecPush","info":{"facesluiceId":"7","VerifyStatus":"1",`+persons+`}}`, "!access_granted")
		add("mqtt/face/7/Rec", `{"operator":`+q+`,"info":{"facesluiceId":`+q+`,"RecordID":`+q+`,"VerifyStatus":`+q+`}}`, "ignored an operator that is not known")
		add("mqtt/face/"+strings.ReplaceAll(p, "/", "")+"/Rec", `{"operator":"RecPush","info":{"VerifyStatus":"1"}}`, "rejected bad_identifier")
		add("json/box/up", `{`+persons+`,"data":[{"sn":"`+g+`","kind":"gate","place":"nancheng","people":3,"at":1795392000,`+persons+`},{"sn":`+q+`,"kind":"gate","people":1}]}`, "pass_in=3@2026-11-23T00:00:00 ?withheld=6 xpeople:bad_identifier")
		add("pairs/"+g, `{"items":[{"key":"people","val":3},{"key":"cardNo","val":88776655},{"key":`+q+`,"val":`+q+`}]}`, "pass_in=3 ?withheld=1 ?withheld=1")
		add("many", `{"`+g+`":[{"ts":1795392000000,"values":{"pass_in":4,`+persons+`}}],`+q+`:[{"pass_in":1}]}`, "pass_in=4@2026-11-23T00:00:00 ?withheld=6")
		add("/sys/pk/"+g+"/thing/event/property/post", `{"id":"1","params":{"pass_in":{"value":5,"time":1795392000000},`+persons+`},"method":"thing.event.property.post"}`, "pass_in=5@2026-11-23T00:00:00 ?withheld=6")
		huawei := `{"services":[{"service_id":"door","properties":{"pass_in":6,` + persons + `},"event_time":"20261123T000000Z"}]}`
		add("$oc/devices/"+g+"/sys/properties/report", huawei, "pass_in=6@2026-11-23T00:00:00 ?withheld=6")
		add("$oc/devices/"+g+"/sys/gateway/x", gzipped(huawei), "pass_in=6@2026-11-23T00:00:00 ?withheld=6")
		add("ct/1/"+g, `{"messageType":"dataReport","deviceId":"`+g+`","timestamp":1795392000000,"payload":{"serviceId":1,"serviceData":{"pass_in":7,`+persons+`}},`+persons+`}`, "")
		add("application/a/device/"+g+"/event/up", `{"deviceInfo":{"devEui":"`+g+`","deviceName":`+q+`,"tags":{"owner":`+q+`}},"time":"2026-11-23T00:00:00Z","fPort":85,"object":{"pass_in":8,`+persons+`},"data":"`+base64.StdEncoding.EncodeToString([]byte(p+" "+p+" "+p))+`"}`, "pass_in=8 ?withheld=6")
		add("v3/app/devices/"+g+"/up", `{"end_device_ids":{"device_id":`+q+`,"dev_eui":"`+g+`"},"uplink_message":{"f_port":1,"received_at":"2026-11-23T00:00:00Z","decoded_payload":{"pass_in":9,`+persons+`},"frm_payload":"`+base64.StdEncoding.EncodeToString([]byte(p+" "+p+" "+p))+`"}}`, "pass_in=9 ?withheld=6")
		add("lines", `gate,community=nancheng,device=`+g+`,person=`+p+` pass_in=1,name="`+p+`",cardNo=88776655i 1795392000000000000`, "pass_in=1@2026-11-23T00:00:00 ?withheld=2")
		add("lines", `gate,community=nancheng,device=`+p+` pass_in=1`, "rejected bad_identifier")
		add("pack/"+g, `[{"n":"pass_in","v":1},{"n":`+q+`,"v":88776655},{"n":"door_open","vs":`+q+`}]`, "")
		add("pack/"+g, cborPack(map[int]any{0: "pass_in", 2: 1}, map[int]any{0: p, 2: 88776655}, map[int]any{0: "door_open", 3: p}), "")
		add("spBv1.0/plant/DDATA/n1/"+g, metrics("pass_in", "", p, "", "door_open", p, "remark", p), "pass_in=1 ?withheld=1 ?withheld=1")
		add("zigbee2mqtt/"+g, `{"contact":true,`+persons+`,"battery":81}`, "")
		add("tele/"+g+"/SENSOR", `{"Time":"2026-11-23T08:00:00","Gate":{"pass_in":1,`+persons+`}}`, "")
		add(g+"/events/rpc", `{"src":"`+g+`","method":"NotifyStatus","params":{"ts":1795392000.5,"input:0":{"id":0,"state":true,`+persons+`}}}`, "")
		add("/ul/"+g+"/attrs", `{"pass_in":1,`+persons+`}`, "")
		add("/neuron/x/"+g+"/y", `{"node":"`+g+`","group":"g","timestamp":1795392000000,"values":{"pass_in":1,`+persons+`}}`, "pass_in=1 ?withheld=6")
		add("raw/"+g, p+" "+p, "")
		add("raw/"+g, base64.StdEncoding.EncodeToString([]byte(p+" "+p+" "+p)), "")
		add("esp/"+g+"/sensor/"+p+"/state", p, "")
		add("wm/"+g, `{"id":"`+g+`","timestamp":"2026-11-23T00:00:00Z","meter":"x",`+persons+`}`, "")
		add("unknown/"+p, `{"name":`+q+`}`, "rejected unknown_topic")
		for _, topic := range []string{"greencommunity/v1/nancheng/gate/g1", "json/" + g + "/up", "many", "pack/" + g, "doors/d1/x", "spBv1.0/plant/DDATA/n1/" + g} {
			for _, payload := range []string{q, `{"pass_in":1,"by":` + q, p, p + "," + p, `[` + q + `,1,null]`, `{"` + g + `":` + q} {
				add(topic, payload, "")
			}
		}
	}
	return all
}

func gzipped(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func cborPack(records ...map[int]any) string {
	data, err := cbor.Marshal(records)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// metrics is a Sparkplug payload of metrics, each of value 1, or of a text.
func metrics(namesAndTexts ...string) string {
	var b []byte
	for i := 0; i < len(namesAndTexts); i += 2 {
		m := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), namesAndTexts[i])
		if text := namesAndTexts[i+1]; text != "" {
			m = protowire.AppendString(protowire.AppendTag(m, 15, protowire.BytesType), text)
			properties := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
			m = protowire.AppendBytes(protowire.AppendTag(m, 9, protowire.BytesType), properties)
		} else {
			m = protowire.AppendVarint(protowire.AppendTag(m, 10, protowire.VarintType), 1)
		}
		b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), m)
	}
	return string(b)
}

// traces finds what is left of a person, in plain or within base64.
func traces(text string) (found []string) {
	texts := []string{text}
	for _, run := range regexp.MustCompile(`[A-Za-z0-9+/]{8,}={0,2}`).FindAllString(text, -1) {
		if inner, err := base64.StdEncoding.DecodeString(run); err == nil {
			texts = append(texts, string(inner))
		}
	}
	for _, text := range texts {
		for _, p := range planted {
			if strings.Contains(text, p) {
				found = append(found, p)
			}
		}
	}
	return found
}

// Attack F8, in every format: whatever a gate's message and its topic hold, no
// trace of a person is kept, and its readings are.
func TestNoGateKeepsAPerson(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(gatesOfAllFormats), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, time.FixedZone("", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	r, w := NewRedactor(inv), NewWorker(inv, inventory.NewRegistry(inv))
	n := 0
	for _, m := range plantedMessages() {
		topic, payload := r.Redact(m.topic, []byte(m.payload))
		result := w.Decode(&ingest.Message{Seq: 1, Topic: topic, Payload: payload, Received: received})
		told := line(result) + fmt.Sprint(" ", result.Err)
		if left := traces(topic + "\n" + string(payload) + "\n" + told); len(left) > 0 {
			t.Errorf("%.80s %.600q\nkeeps %q %.600q: %q (%s)", m.topic, m.payload, topic, payload, left, told)
		}
		if have := line(result); m.want != "" && have != m.want {
			t.Errorf("%.80s %.300q\nkeeps %q %.600q\nhave %s (%v)\nwant %s", m.topic, m.payload, topic, payload, have, result.Err, m.want)
		}
		if again, more := r.Redact(topic, payload); again != topic || string(more) != string(payload) {
			t.Errorf("%q %q is cut again to %q %q", topic, payload, again, more)
		}
		n++
	}
	t.Logf("%d messages", n)
	// Beside the gates of its vendor, a meter's message stays as it came.
	for _, m := range [][2]string{{"json/box/up", `{"data":[{"sn":"meter1","kind":"water","people":1,"remark":"as it came"}]}`}, {"zigbee2mqtt/meter1", `{"note":"as it came"}`}, {"greencommunity/v1/nancheng/water/anything", `{"note":"as it came"}`}} {
		if topic, cut := r.Redact(m[0], []byte(m[1])); topic != m[0] || string(cut) != m[1] {
			t.Errorf("%s, which is no gate's, keeps %s %s", m[0], topic, cut)
		}
	}
}
