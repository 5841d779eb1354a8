package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const gatesInventory = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: native
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
- id: others
  sources:
  - {topic: "json/{device}/up", format: json, json: {records: data, device: sn, facility: kind, community: place, channel: lane}, fields: {people: {quantity: pass_in}}}
  - {topic: "many", format: thingsboard, community: nancheng}
  - {topic: "/sys/+/{device}/thing/#", format: alink, community: nancheng}
  - {topic: "$oc/devices/{device}/sys/#", format: huawei-iotda, community: nancheng}
  - {topic: "ct/+/{device}", format: ctwing, community: nancheng}
  - {topic: "application/+/device/{device}/event/up", format: chirpstack, community: nancheng}
  - {topic: "v3/+/devices/{device}/up", format: tts, community: nancheng}
  - {topic: "lines", format: influx}
  - {topic: "pack/{device}", format: senml, community: nancheng}
  - {topic: "zigbee2mqtt/{device}", format: zigbee2mqtt, community: nancheng}
  - {topic: "tele/{device}/SENSOR", format: tasmota, community: nancheng}
  - {topic: "shelly/{device}/events/rpc", format: shelly, community: nancheng}
  - {topic: "ul/{device}/attrs", format: fiware, community: nancheng}
  - {topic: "neuron/+/{device}/+", format: neuron, community: nancheng}
  - {topic: "spBv1.0/#", format: sparkplug, community: nancheng}
  - {topic: "esp/{device}/sensor/+/state", format: esphome, community: nancheng}
  - {topic: "raw/{device}", format: raw, payload: milesight, community: nancheng}
  devices: [{id: east-gate-of-the-park, alias: 24e124136b502217, community: nancheng, facility: gate}]
- id: faces
  unknown_devices: accept
  sources: [{topic: "mqtt/face/{device}/+", format: face-gate, community: nancheng, facility: gate}]
`

// Attack F8 on the built program: whatever a gate's message and its topic hold,
// in whatever format, and however long, no byte of a person is on the disk, in
// InfluxDB, in the vendor's feedback, on the page, in /metrics or in the log.
func TestNoGateKeepsAPersonAnywhere(t *testing.T) {
	t.Parallel()
	in, db, broker := startWith(t, gatesInventory)
	p := newPublisher(t, broker.Addr())
	var mu sync.Mutex
	var told bytes.Buffer
	p.client.Subscribe("greencommunity/v1/feedback/#", 0, func(_ mqttClient, m mqttMessage) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&told, "%s %s\n", m.Topic(), m.Payload())
	}).Wait()
	secrets := []string{"诸葛小明", "Zhuge Liang", "zhugeliang", "13912345678", "139-1234-5678", "610102199003077777", "610102-19900307-777X", "E61010219", "陕A77777", "8877665544"}
	const g = "24e124136b502217"
	sent := 0
	now := time.Now().UnixMilli()
	for _, s := range secrets[:len(secrets)-1] {
		q := `"` + s + `"`
		persons := `"name":` + q + `,"personName":` + q + `,"` + s + `":1,"cardNo":8877665544,"user":{"name":` + q + `,"list":[` + q + `]},"remark":"by ` + s + `"`
		level := strings.ReplaceAll(s, " ", "")
		if level == "ZhugeLiang" {
			level = "zhugeliang"
		}
		for _, m := range [][2]string{
			{"greencommunity/v1/nancheng/gate/g1", fmt.Sprintf(`{"time":%d,"pass_in":1,%s}`, now+int64(sent), persons)},
			{"greencommunity/v1/nancheng/gate/g1", `{"event":"access_granted","code":"N01 ` + s + `","channel":"in_1"}`},
			{"greencommunity/v1/nancheng/gate/g1", `{"event":` + q + `}`},
			{"greencommunity/v1/nancheng/gate/g1", `{"pass_in":1,"channel":"by ` + s + `"}`},
			{"greencommunity/v1/nancheng/gate/" + level, `{"pass_in":1}`},
			{"mqtt/face/" + level + "/Rec", `{"operator":"RecPush","info":{"VerifyStatus":"1",` + persons + `}}`},
			{"mqtt/face/" + strings.Repeat(level+"-", 1100/len(level)) + "/Rec", `{"operator":"RecPush","info":{"VerifyStatus":"1",` + persons + `}}`},
			{"mqtt/face/7/Rec", `{"operator":"by ` + s + `","info":{"facesluiceId":"x ` + s + `","VerifyStatus":` + q + `}}`},
			{"mqtt/face/7/Rec", `{"operator":"RecPush","info":{"VerifyStatus":8877665544}}`},
			{"greencommunity/v1/nancheng/gate/g1", `{"event":"8877665544","code":8877665544}`},
			{"json/box/up", `{` + persons + `,"data":[{"sn":"` + g + `","kind":"gate","place":"nancheng","people":3,` + persons + `}]}`},
			{"many", `{"` + g + `":[{"pass_in":4,` + persons + `}]}`},
			{"/sys/pk/" + g + "/thing/event/property/post", `{"id":"1","params":{"pass_in":5,` + persons + `},"method":"thing.event.property.post"}`},
			{"$oc/devices/" + g + "/sys/properties/report", `{"services":[{"service_id":"door","properties":{"pass_in":6,` + persons + `}}]}`},
			{"ct/1/" + g, `{"messageType":"dataReport","deviceId":"` + g + `","payload":{"pass_in":7,` + persons + `}}`},
			{"application/a/device/" + g + "/event/up", `{"deviceInfo":{"devEui":"` + g + `","deviceName":` + q + `},"object":{"pass_in":8,` + persons + `}}`},
			{"v3/app/devices/" + g + "/up", `{"end_device_ids":{"device_id":` + q + `,"dev_eui":"` + g + `"},"uplink_message":{"decoded_payload":{"pass_in":9,` + persons + `}}}`},
			{"lines", `gate,community=nancheng,device=` + g + ` pass_in=1,name="` + s + `"`},
			{"pack/" + g, `[{"n":"pass_in","v":1},{"n":` + q + `,"v":8877665544}]`},
			{"zigbee2mqtt/" + g, `{"battery":81,` + persons + `}`},
			{"tele/" + g + "/SENSOR", `{"Gate":{"pass_in":1,` + persons + `}}`},
			{"shelly/" + g + "/events/rpc", `{"src":"` + g + `","method":"NotifyStatus","params":{"input:0":{"id":0,"state":true,` + persons + `}}}`},
			{"ul/" + g + "/attrs", `{"pass_in":1,` + persons + `}`},
			{"neuron/x/" + g + "/y", `{"node":"` + g + `","values":{"pass_in":1,` + persons + `}}`},
			{"spBv1.0/" + level + "/DDATA/n1/" + g, "\x12\x0b\n\apass_in\x50\x01"},
			{"esp/" + g + "/sensor/name/state", "by " + s},
			{"raw/" + g, "by " + s + " " + s},
			{"greencommunity/v1/nancheng/gate/g1", `{"pass_in":1,"by":` + q},
		} {
			p.publish(m[0], []byte(m[1]))
			sent++
		}
	}
	s := in.waitSettled(float64(sent), 60*time.Second)
	if stored := s.sum("greencommunity_messages_stored_total"); stored < float64(sent)/3 {
		t.Errorf("%v of %d messages stored: the passes themselves are wanted", stored, sent)
	}
	for _, path := range []string{"/", "/metrics", "/api/v1/overview", "/api/v1/devices", "/api/v1/devices?q=g", "/api/v1/alarms", "/api/v1/savings"} {
		if text, err := get(in.url + path); err == nil {
			search(t, path, []byte(text), secrets)
		}
	}
	in.end(syscall.SIGTERM)
	rows, err := json.Marshal([]any{db.rows("SELECT * FROM /.*/"), db.rows("SHOW SERIES"), db.rows("SHOW TAG VALUES WITH KEY =~ /.*/")})
	if err != nil {
		t.Fatal(err)
	}
	search(t, "InfluxDB", rows, secrets)
	for _, secret := range secrets {
		if found := traceOf(t, filepath.Join(in.dir, "data"), secret); len(found) > 0 {
			t.Errorf("%s is left in %q", secret, found)
		}
	}
	db.stop()
	for _, dir := range []string{in.dir, db.dir} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			search(t, path, data, secrets)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	search(t, "the log", []byte(in.log.String()), secrets)
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(told.String(), "withheld") {
		t.Errorf("the feedback does not say why: %.500s", told.String())
	}
	search(t, "the feedback", told.Bytes(), secrets)
}
