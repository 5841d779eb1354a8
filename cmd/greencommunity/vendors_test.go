package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

// startWith starts a broker, a database and the program with an inventory.
func startWith(t *testing.T, inventory string) (*ingester, *database, *embedded.Broker) {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	bin := built.Path(t)
	dir, httpAddr, path := writeConfig(t, broker.Addr(), "http://"+db.addr, "")
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(inventory), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	in.waitReady()
	return in, db, broker
}

const accessInventory = `
communities:
- {id: nancheng, name: 南城社区}
vendors:
- id: gates
  unknown_devices: accept
  sources:
  - {topic: "mqtt/face/{device}/+", format: face-gate, community: nancheng, facility: gate}
  - {topic: "hikvision/{device}/event", format: hikvision, community: nancheng, facility: gate}
  - {topic: "dahua/{device}/+", format: dahua, community: nancheng, facility: gate}
`

// person holds what must not be found anywhere. All of it is invented.
var person = []string{
	"诸葛小明", "Wang Xiaoming", "WangXiaoming99", "610102199003077777", "13800138077", "8877665544332211", "EMP-77777", "陕A77777",
	"/9j/4AAQSkZJRgABAQEAYABgAADpersonalpicture7777777777777777777777",
}

// Nothing of a person who passes a gate is written anywhere: not to the disk,
// InfluxDB, the log, the rejects or the vendor's feedback.
func TestNoPersonIsKept(t *testing.T) {
	t.Parallel()
	in, db, broker := startWith(t, accessInventory)
	p := newPublisher(t, broker.Addr())
	var mu sync.Mutex
	var told bytes.Buffer
	p.client.Subscribe("greencommunity/v1/feedback/#", 0, func(_ mqttClient, m mqttMessage) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&told, "%s %s\n", m.Topic(), m.Payload())
	}).Wait()

	now := time.Now()
	local := now.In(time.FixedZone("", 8*3600)).Format("2006-01-02 15:04:05")
	pic := "data:image/jpeg;base64," + person[8]
	face := func(status, more string) string {
		return fmt.Sprintf(`{"operator":"RecPush","info":{"customId":"%s","personId":"%s","RecordID":"2","VerifyStatus":"%s","PersonType":"0","similarity1":"83.0","Sendintime":1,"personName":"%s","persionName":"%s","facesluiceId":"77","idCard":"%s","telnum":"%s","carPlate":"%s","time":"%s","PushType":0,"pic":"%s","scene":"%s"%s}}`,
			person[6], person[5], status, person[0], person[1], person[3], person[4], person[7], local, pic, pic, more)
	}
	hik := func(sub int) string {
		return fmt.Sprintf(`{"ipAddress":"10.0.0.1","macAddress":"aa:bb:cc:dd:ee:ff","channelID":1,"dateTime":"%s","eventType":"AccessControllerEvent","eventState":"active","eventDescription":"%s","AccessControllerEvent":{"deviceName":"%s","majorEventType":5,"subEventType":%d,"cardNo":"%s","employeeNoString":"%s","name":"%s","doorNo":1,"serialNo":%d,"currentVerifyMode":"cardOrFace","pictureURL":"%s"}}`,
			now.Format(time.RFC3339), person[1], person[0], sub, person[5], person[6], person[0], sub, pic)
	}
	xml := fmt.Sprintf(`<?xml version="1.0"?><EventNotificationAlert><macAddress>aa</macAddress><dateTime>%s</dateTime><eventType>AccessControllerEvent</eventType><eventState>active</eventState><channelName>%s</channelName><AccessControllerEvent><majorEventType>5</majorEventType><subEventType>75</subEventType><doorNo>1</doorNo><name>%s</name><cardNo>%s</cardNo></AccessControllerEvent></EventNotificationAlert>`,
		now.Format(time.RFC3339), person[0], person[0], person[5])
	multipart := "--b\r\nContent-Type: application/json\r\n\r\n" + hik(75) + "\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n" + person[8] + "\r\n--b--\r\n"
	dahua := fmt.Sprintf(`{"Code":"AccessControl","Action":"Pulse","Index":0,"Data":{"CardName":"%s","CardNo":"%s","UserID":"%s","Status":1,"Type":"Entry","UTC":%d,"ImageInfo":[{"Data":"%s"}]}}`,
		person[0], person[5], person[3], now.Unix(), person[8])
	messages := []struct{ topic, payload string }{
		{"mqtt/face/77/Rec", face("1", "")},
		{"mqtt/face/77/Rec", face("2", `,"direction":"`+person[0]+`","Direction":"`+person[3]+`"`)},
		{"mqtt/face/77/Rec", face(person[1], "")}, // a name where a status belongs
		{"mqtt/face/77/Rec", face("1", "")[:300]}, // cut off: no JSON any more
		{"mqtt/face/77/Rec", "[" + face("1", "")}, // no JSON
		{"mqtt/face/77/Snap", face("9", "")},      // refused
		{"mqtt/other/77/Rec", face("1", "")},      // no source of the inventory
		{"mqtt/face/77/Rec", strings.Join(person, "\n")},
		{"hikvision/h1/event", hik(75)}, {"hikvision/h1/event", hik(21)}, {"hikvision/h1/event", hik(999)},
		{"hikvision/h1/event", xml}, {"hikvision/h1/event", multipart}, {"hikvision/h1/event", xml[:len(xml)-30]},
		{"hikvision/h1/event", `{"eventType":"` + person[2] + ` ` + person[1] + `","dateTime":"` + person[0] + `"}`},
		{"dahua/d1/AccessControl", dahua}, {"dahua/d1/AccessControl", strings.Replace(dahua, "AccessControl", "DoorStatus", 1)},
		{"dahua/d1/AccessControl", strings.Replace(dahua, `"Status":1`, `"Status":"`+person[1]+`"`, 1)},
	}
	// Several events at once, and with a picture behind them; numbers as numbers.
	batch := `{"Events":[` + dahua + `,` + strings.Replace(dahua, "AccessControl", "DoorStatus", 1) + `],"User":"` + person[0] + `"}`
	for _, payload := range []string{batch, batch[:len(batch)-40], "--b\r\nContent-Type: text/plain\r\n\r\n" + dahua + "\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n" + person[8] + "\r\n--b--\r\n"} {
		messages = append(messages, struct{ topic, payload string }{"dahua/d2/AccessControl", payload})
	}
	messages = append(messages,
		struct{ topic, payload string }{"mqtt/face/77/Rec", strings.Replace(face("1", ""), `"RecordID":"2"`, `"RecordID":`+person[3]+`,"direction":"WangXiaoming99"`, 1)},
		struct{ topic, payload string }{"mqtt/face/77/Rec", strings.Replace(face("1", ""), `"VerifyStatus":"1"`, `"VerifyStatus":"WangXiaoming99"`, 1)},
		struct{ topic, payload string }{"mqtt/face/77/Rec", face("1", "")}) // delivered once more
	secrets := append([]string{}, person...)
	if dir := os.Getenv("GREENCOMMUNITY_CASES"); dir != "" {
		for _, c := range []struct{ name, topic string }{{"face_gate/1.json", "mqtt/face/1026700/Rec"}, {"face_gate/3.json", "mqtt/face/005a213b000b93cc/Rec"}} {
			payload, err := os.ReadFile(filepath.Join(dir, "vendors", c.name))
			if err != nil {
				t.Fatal(err)
			}
			var sample struct{ Info map[string]any }
			if err := json.Unmarshal(payload, &sample); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"personName", "customId", "pic"} {
				if s, _ := sample.Info[name].(string); len(s) > 5 {
					secrets = append(secrets, s)
				}
			}
			messages = append(messages, struct{ topic, payload string }{c.topic, string(payload)})
		}
	}
	// A picture as large as terminals send.
	messages = append(messages, struct{ topic, payload string }{"mqtt/face/77/Rec", strings.Replace(face("1", ""), person[8], strings.Repeat(person[8], 40_000), 1)})
	for _, m := range messages {
		p.publish(m.topic, []byte(m.payload))
	}
	received := 0
	for _, m := range messages {
		if !strings.HasPrefix(m.topic, "mqtt/other") { // not subscribed
			received++
		}
	}
	s := in.waitSettled(float64(received), 30*time.Second)
	if stored := s.sum("greencommunity_messages_stored_total"); stored < 4 {
		t.Errorf("%v messages stored: the passes themselves are wanted", stored)
	}
	if rows := db.rows(`SELECT active, type FROM events`); len(rows) < 4 {
		t.Errorf("InfluxDB holds %d events", len(rows))
	}
	if text, err := get(in.url + "/metrics"); err != nil {
		t.Error(err)
	} else {
		search(t, "/metrics", []byte(text), secrets)
	}
	in.end(syscall.SIGTERM) // writes the checkpoint
	for _, kind := range []string{"SELECT * FROM /.*/", "SHOW SERIES", "SHOW TAG VALUES WITH KEY =~ /.*/"} {
		text, err := json.Marshal(db.rows(kind))
		if err != nil {
			t.Fatal(err)
		}
		search(t, kind, text, secrets)
	}
	db.stop()
	files := 0
	for _, dir := range []string{in.dir, db.dir} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files++
			search(t, path, data, secrets)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 5 {
		t.Errorf("%d files were searched", files)
	}
	search(t, "the log", []byte(in.log.String()), secrets)
	mu.Lock()
	defer mu.Unlock()
	if told.Len() == 0 {
		t.Error("no feedback was published")
	}
	search(t, "the feedback", told.Bytes(), secrets)
}

// search looks for secrets as text, as JSON escapes it, in base64 at each of
// its three alignments, and in hex.
func search(t *testing.T, where string, data []byte, secrets []string) {
	t.Helper()
	lower := bytes.ToLower(data)
	for _, s := range secrets {
		forms := []string{s, strings.Trim(fmt.Sprintf("%+q", s), `"`), hex.EncodeToString([]byte(s))}
		for shift := range 3 {
			b := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
			if inner := b[4 : len(b)-4]; len(inner) >= 12 {
				forms = append(forms, inner)
			}
		}
		for _, f := range forms {
			if bytes.Contains(data, []byte(f)) || bytes.Contains(lower, bytes.ToLower([]byte(f))) {
				t.Errorf("%s holds %.30q, as %.40q", where, s, f)
			}
		}
	}
}

// tenWays are the mistakes vendors make, each with the reason it is told.
var tenWays = []struct{ name, topic, payload, reason string }{
	{"no JSON", "lamps/nancheng/lighting/L1", `{"active_power":`, "malformed"},
	{"a community nobody knows", "lamps/beicheng/lighting/L1", `{"active_power":1}`, "unknown_community"},
	{"a kind of facility nobody declared", "lamps/nancheng/fountain/L1", `{"active_power":1}`, "unknown_facility"},
	{"a value that is none", "lamps/nancheng/lighting/L1", `{"active_power":"n/a"}`, "bad_value"},
	{"percent where a ratio belongs", "lamps/nancheng/lighting/L1", `{"light_level":60}`, "out_of_range"},
	{"words of its own", "lamps/nancheng/lighting/L1", `{"dianya":229}`, "no_reading"},
	{"a device that is not listed", "meters/W9", `{"total":1}`, "unknown_device"},
	{"another vendor's device", "meters/P1", `{"total":1}`, "not_owner"},
	{"a comma in the device's name", "lamps/nancheng/lighting/L1,x=1", `{"active_power":1}`, "bad_identifier"},
	{"a frame with a wrong checksum", "frames/F1", "681001020304050607810D901F00785634122C010000002C0016", "checksum"},
	{"a unit that does not convert", "senml/S1", `[{"n":"S1/active_power","u":"V","v":1}]`, "bad_unit"},
	{"a decoder that throws", "codec/C1", "6666", "codec_failed"},
	{"data before its birth", "spBv1.0/g/NDATA/n", "\x12\x0b\x10\x63\x69\x00\x00\x00\x00\x00\x00\xf0\x3f", "missing_state"},
	{"a device too many", "few/nancheng/gate/G2", `{"door_open":1}`, "too_many_devices"},
	{"a topic of half a megabyte's payload", "lamps/nancheng/lighting/L1", "", "too_large"},
}

const tenWaysInventory = `
communities:
- {id: nancheng, name: 南城社区}
vendors:
- id: lamps
  sources:
  - {topic: "lamps/{community}/{facility}/{device}", format: native}
- id: meters
  sources:
  - {topic: "meters/{device}", format: json, fields: {total: {quantity: water_volume_total}}}
  devices: [{id: W1, community: nancheng, facility: water}]
- id: pumps
  sources: [{topic: "pumps/{device}", format: native}]
  devices: [{id: P1, community: nancheng, facility: water}]
- id: others
  unknown_devices: accept
  sources:
  - {topic: "frames/{device}", format: cjt188, community: nancheng, facility: water}
  - {topic: "senml/+", format: senml, community: nancheng, facility: lighting}
  - {topic: "codec/{device}", format: raw, community: nancheng, facility: waste, codecs: {"": throws.js}}
  - {topic: "spBv1.0/#", format: sparkplug, community: nancheng, facility: lighting}
- id: few
  max_devices: 1
  sources: [{topic: "few/{community}/{facility}/{device}", format: native}]
`

// Each way a vendor gets it wrong has its own reason: at decode, in the
// rejects, in the metric and on the feedback topic.
func TestTenWaysToGetItWrong(t *testing.T) {
	t.Parallel()
	tenWays[len(tenWays)-1].payload = strings.Repeat("a", 9<<20)
	bin := built.Path(t)
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	dir, httpAddr, path := writeConfig(t, broker.Addr(), "http://"+db.addr, "")
	for name, text := range map[string]string{"inventory.yaml": tenWaysInventory, "throws.js": `function decodeUplink(input) { throw new Error("frame of an unknown kind"); }`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	in.waitReady()
	p := newPublisher(t, broker.Addr())
	feedback := make(chan string, 100)
	p.client.Subscribe("greencommunity/v1/feedback/#", 1, func(_ mqttClient, m mqttMessage) { feedback <- string(m.Payload()) }).Wait()
	p.publish("few/nancheng/gate/G1", []byte(`{"door_open":1}`)) // the one that is allowed
	for _, way := range tenWays {
		p.publish(way.topic, []byte(way.payload))
	}
	in.waitSettled(float64(len(tenWays)+1), 30*time.Second)
	told := map[string]string{}
	timeout := time.After(10 * time.Second)
	for len(told) < len(tenWays) {
		select {
		case text := <-feedback:
			var f struct{ Topic, Reason, Detail string }
			if err := json.Unmarshal([]byte(text), &f); err != nil {
				t.Fatal(err)
			}
			if f.Detail == "" {
				t.Errorf("%s: no detail", text)
			}
			told[f.Topic+" "+f.Reason] = f.Detail
		case <-timeout:
			t.Fatalf("feedback on %d of %d", len(told), len(tenWays))
		}
	}
	// On a busy machine one is published twice, and the account above is one short.
	s := in.waitSettled(float64(len(tenWays)+1), 30*time.Second)
	rejects := readRejects(t, in.dir)
	reasons := map[string]bool{}
	for _, way := range tenWays {
		reasons[way.reason] = true
		if told[way.topic+" "+way.reason] == "" {
			t.Errorf("%s: not told %s", way.name, way.reason)
		}
		found := false
		for _, r := range rejects {
			found = found || r.Topic == way.topic && r.Reason == way.reason
		}
		if !found {
			t.Errorf("%s: not among the rejects as %s", way.name, way.reason)
		}
		eventually(t, 30*time.Second, way.name, func() (err error) {
			for name, v := range s {
				if strings.HasPrefix(name, "greencommunity_messages_rejected_total") && strings.Contains(name, "reason:"+way.reason+" ") && v > 0 {
					return nil
				}
			}
			if s, err = in.metrics(); err == nil {
				err = fmt.Errorf("not counted as %s", way.reason)
			}
			return err
		})
		if way.reason == "too_many_devices" { // it takes the device before it
			continue
		}
		file := filepath.Join(t.TempDir(), "payload")
		if err := os.WriteFile(file, []byte(way.payload), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, explained bytes.Buffer
		err := run(context.Background(), []string{"decode", "--inventory", filepath.Join(dir, "inventory.yaml"), "--topic", way.topic, "--explain", file}, streams{nil, &out, &explained})
		var code exitCode
		if !errors.As(err, &code) || code != 1 || !strings.Contains(out.String(), `"rejected":"`+way.reason+`"`) {
			t.Errorf("%s: decode says %v %s", way.name, err, out.String())
		}
		if explained.Len() == 0 && way.reason != "too_large" {
			t.Errorf("%s: nothing is explained", way.name)
		}
	}
	if len(reasons) != len(tenWays) {
		t.Errorf("%d reasons for %d mistakes", len(reasons), len(tenWays))
	}
}

const fountainInventory = `
communities:
- {id: nancheng, name: 南城社区}
facilities:
  fountain:
    name: {zh: 喷泉, en: Fountain}
    quantities:
      jet_height: {unit: m, kind: gauge, min: 0, max: 30, name: {zh: 水柱高度, en: Jet height}}
      pump_starts_total: {unit: count, kind: register, min: 0, name: {zh: 水泵启动次数, en: Pump starts}}
  gate:
    quantities:
      turnstile_torque: {unit: "1", kind: gauge, name: {zh: 扭矩, en: Torque}}
vendors:
- id: jets
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
  - {topic: "private/{device}", format: json, community: nancheng, facility: fountain, fields: {h: {quantity: jet_height, unit: cm}}}
  unknown_devices: accept
`

// A kind of facility the program has never heard of is a few lines of YAML, and
// the kinds that ship beside the first four take readings as they are.
func TestFacilitiesAreData(t *testing.T) {
	t.Parallel()
	in, db, broker := startWith(t, fountainInventory)
	p := newPublisher(t, broker.Addr())
	now := time.Now().UnixMilli()
	messages := []struct{ topic, payload, query, want string }{
		{"greencommunity/v1/nancheng/fountain/F1", `{"time":%d,"jet_height":12.5,"pump_starts_total":7,"battery_level":80}`, `SELECT jet_height, pump_starts_total, battery_level FROM fountain WHERE device='F1'`, "12.5 7 80"},
		{"private/F2", `{"h":250}`, `SELECT jet_height FROM fountain WHERE device='F2'`, "2.5"},
		{"greencommunity/v1/nancheng/gate/G1", `{"time":%d,"turnstile_torque":3}`, `SELECT turnstile_torque FROM gate`, "3"},
		{"greencommunity/v1/nancheng/parking/P1", `{"time":%d,"spaces_occupied":41,"spaces_free":9}`, `SELECT spaces_occupied, spaces_free FROM parking`, "41 9"},
		{"greencommunity/v1/nancheng/charging/C1", `{"time":%d,"charging":true,"energy_total":102.5}`, `SELECT charging, energy_total FROM charging`, "1 102.5"},
		{"greencommunity/v1/nancheng/noise/N1", `{"time":%d,"sound_level":54.2}`, `SELECT sound_level FROM noise`, "54.2"},
		{"greencommunity/v1/nancheng/drainage/D1", `{"time":%d,"water_level":0.35,"flooded":0}`, `SELECT water_level, flooded FROM drainage`, "0.35 0"},
		{"greencommunity/v1/nancheng/public_area/A1", `{"time":%d,"people_count":23}`, `SELECT people_count FROM public_area`, "23"},
		{"greencommunity/v1/nancheng/fire/X1", `{"time":%d,"smoke_detected":0,"hydrant_pressure":350000}`, `SELECT smoke_detected, hydrant_pressure FROM fire`, "0 350000"},
		{"greencommunity/v1/nancheng/environment/E1", `{"time":%d,"pm2_5":35,"temperature":-3.5}`, `SELECT pm2_5, temperature FROM environment`, "35 -3.5"},
	}
	for _, m := range messages {
		payload := m.payload
		if strings.Contains(payload, "%d") {
			payload = fmt.Sprintf(payload, now)
		}
		p.publish(m.topic, []byte(payload))
	}
	p.publish("greencommunity/v1/nancheng/fountain/F1", []byte(`{"jet_height":99}`)) // beyond what it can be
	s := in.waitSettled(float64(len(messages)+1), 20*time.Second)
	if n := s["greencommunity_messages_rejected_total[reason:out_of_range vendor:jets]"]; n != 1 {
		t.Errorf("%v refused as out_of_range, want 1", n)
	}
	for _, m := range messages {
		rows := db.rows(m.query)
		if len(rows) != 1 {
			t.Errorf("%s: %d rows", m.topic, len(rows))
			continue
		}
		fields, _, _ := strings.Cut(strings.TrimPrefix(m.query, "SELECT "), " FROM")
		var have []string
		for f := range strings.SplitSeq(fields, ", ") {
			have = append(have, fmt.Sprint(rows[0][f]))
		}
		if strings.Join(have, " ") != m.want {
			t.Errorf("%s: InfluxDB holds %v, want %s", m.topic, have, m.want)
		}
	}
}
