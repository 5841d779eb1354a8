package decode_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"

	"greencommunity/ingest/inventory/inventorytest"
)

// decodedAt says when the messages of these tests are received.
var decodedAt = time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)

const decodedInventory = `
communities: [{id: nancheng, name: N}]
vendors:
- id: v
  unknown_devices: accept
  sources:
  - {topic: "water/{device}/up", format: chirpstack, community: nancheng, facility: water}
  - {topic: "waste/{device}/up", format: chirpstack, community: nancheng, facility: waste}
  - {topic: "lighting/{device}/up", format: chirpstack, community: nancheng, facility: lighting}
  - {topic: "gate/{device}/up", format: chirpstack, community: nancheng, facility: gate}
  - {topic: "tts/{device}/up", format: tts, community: nancheng, facility: water}
`

func decodedWorker(t *testing.T, text string) *decode.Worker {
	t.Helper()
	inv, err := inventory.Parse([]byte(text), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return decode.NewWorker(inv, inventory.NewRegistry(inv))
}

// told is a line a reading, event, unmapped field or refusal, in their order.
func told(r *decode.Result) string {
	var lines []string
	at := func(t int64) string {
		if t == decodedAt.UnixNano() {
			return ""
		}
		return " at " + time.Unix(0, t).UTC().Format("15:04:05")
	}
	channel := func(c string) string {
		if c == "" {
			return ""
		}
		return "[" + c + "]"
	}
	for _, v := range r.Readings {
		lines = append(lines, fmt.Sprintf("%s%s %.10g%s", v.Quantity.Name, channel(v.Channel), v.Value, at(v.Time)))
	}
	for _, v := range r.Events {
		lines = append(lines, fmt.Sprintf("event %s%s %v%s", v.Type, channel(v.Channel), v.Active, at(v.Time)))
	}
	for _, v := range r.Unmapped {
		lines = append(lines, "unmapped "+v.Field)
	}
	for _, v := range r.Refused {
		lines = append(lines, "refused "+v.Field)
	}
	if len(lines) == 0 && r.Err != nil {
		lines = append(lines, string(r.Err.Reason))
	}
	return strings.Join(lines, "\n")
}

func compareTold(t *testing.T, have, want string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if line = strings.TrimSpace(line); !strings.Contains("\n"+have+"\n", "\n"+line+"\n") {
			t.Errorf("%q is missing; have\n%s", line, have)
		}
	}
}

// The cases of the audit, by their files.
func TestCasesOfDecodedObjects(t *testing.T) {
	dir := inventorytest.Cases(t)
	for _, c := range []struct{ dir, topic, want, not string }{
		{"06-history-decoded-by-network-server", "water/m1/up", `
			pulse_count_total 256 at 02:00:00
			pulse_count_total 270 at 03:00:00
			pulse_count_total 300 at 03:59:00`, "unmapped"},
		{"08-dragino-distance-with-unit", "waste/m1/up", "fill_distance 2.799 at 03:59:00", "refused"},
		{"09-yobiiq-value-and-unit", "lighting/m1/up", `
			energy_total[t1] 12345.678 at 03:59:00
			voltage[l1] 230 at 03:59:00
			current[l1] 5 at 03:59:00
			active_power[l1] 1150 at 03:59:00
			frequency 50 at 03:59:00`, "refused"},
		{"11-tts-normalized-payload", "tts/m1/up", `
			water_volume_total 12.345 at 03:00:00
			event leak true at 03:00:00
			water_temperature 12.5 at 03:00:00
			battery_voltage 3.4 at 03:00:00
			battery_level 96.2 at 03:00:00`, "refused"},
	} {
		t.Run("codecs "+c.dir, func(t *testing.T) {
			payload, err := os.ReadFile(filepath.Join(dir, "field/codecs", c.dir, "up.json"))
			if err != nil {
				t.Fatal(err)
			}
			w := decodedWorker(t, decodedInventory)
			have := told(w.Decode(&ingest.Message{Seq: 1, Received: decodedAt.UnixNano(), Topic: c.topic, Payload: payload}))
			compareTold(t, have, c.want)
			if strings.Contains(have, c.not) {
				t.Errorf("%s: %s", c.not, have)
			}
		})
	}
	t.Run("codecs 18-axioma-status-with-low-battery", func(t *testing.T) {
		payload, err := os.ReadFile(filepath.Join(dir, "field/codecs/18-axioma-status-with-low-battery/frame.bin"))
		if err != nil {
			t.Fatal(err)
		}
		w := decodedWorker(t, axiomaInventory)
		compareTold(t, told(w.Decode(&ingest.Message{Seq: 1, Received: time.Date(2026, 9, 2, 23, 9, 45, 0, time.UTC).UnixNano(), Topic: "a/d", Payload: payload})),
			"water_volume_total 5.938 at 23:09:34\nevent leak true at 23:09:34\nevent low_battery true at 23:09:34")
	})
	t.Run("codecs 13-normalize-uplink-in-codec", func(t *testing.T) {
		at := filepath.Join(dir, "field/codecs/13-normalize-uplink-in-codec")
		payload, err := os.ReadFile(filepath.Join(at, "frame.bin"))
		if err != nil {
			t.Fatal(err)
		}
		w := decodedWorker(t, fmt.Sprintf(`
communities: [{id: nancheng, name: N}]
vendors:
- {id: v, unknown_devices: accept, sources: [{topic: "a/{device}", format: raw, community: nancheng, facility: gate, codecs: {"": %q}}]}
`, filepath.Join(at, "decoder.js")))
		compareTold(t, told(w.Decode(&ingest.Message{Seq: 1, Received: decodedAt.UnixNano(), Topic: "a/b", Payload: payload})), "door_open 1\nbattery_voltage 3.1")
	})
}

const axiomaInventory = `
communities: [{id: nancheng, name: N}]
vendors:
- {id: v, unknown_devices: accept, sources: [{topic: "a/{device}", format: axioma, community: nancheng, facility: water}]}
`

// Each condition of a Qalcosonic W1 with each of the independent ones.
func TestAxiomaStatus(t *testing.T) {
	w := decodedWorker(t, axiomaInventory)
	for status, want := range map[byte]string{
		0x00: "", 0x04: "low_battery", 0x08: "meter_fault", 0x0c: "low_battery meter_fault", 0x10: "dry", 0x14: "dry low_battery",
		0x20: "leak", 0x30: "leak", 0x34: "leak low_battery", 0x38: "leak meter_fault", 0x70: "backflow", 0x74: "backflow low_battery",
		0x90: "low_temperature", 0xb0: "burst", 0xb4: "burst low_battery", 0xd4: "tamper low_battery",
	} {
		frame := []byte{0xae, 0x70, 0xef, 0x69, status, 0x10, 0x27, 0, 0}
		r := w.Decode(&ingest.Message{Seq: 1, Received: decodedAt.UnixNano(), Topic: "a/d", Payload: frame})
		var have []string
		for _, e := range r.Events {
			have = append(have, e.Type)
		}
		if r.Err != nil || strings.Join(have, " ") != want || len(r.Unmapped) > 0 {
			t.Errorf("status %#x: %v, want %s (%v)", status, have, want, r.Err)
		}
	}
	if r := w.Decode(&ingest.Message{Seq: 1, Received: decodedAt.UnixNano(), Topic: "a/d", Payload: []byte{0xae, 0x70, 0xef, 0x69, 0x44, 0x10, 0x27, 0, 0}}); len(r.Unmapped) != 1 || len(r.Events) != 1 {
		t.Errorf("a status nobody knows: %v, %v", r.Unmapped, r.Events)
	}
}

// What decoders return, by kinds, and what arrives.
func TestDecodedObjects(t *testing.T) {
	for name, c := range map[string]struct{ profile, kind, object, want string }{
		"history under any name, by numbers": {"x", "water", `{"records":[{"ts":1795831200,"metering":{"water":{"total":1000}}},{"ts":1795834800000,"metering":{"water":{"total":2000}}}]}`,
			"water_volume_total 1 at 02:00:00\nwater_volume_total 2 at 03:00:00"},
		"history by text":            {"x", "water", `{"log":[{"time":"2026-11-28T02:00:00Z","water":{"leak":true}},{"time":"2026-11-28T03:00:00Z","water":{"leak":false}}]}`, "event leak true at 02:00:00\nevent leak false at 03:00:00"},
		"history of one quantity":    {"x", "gate", `{"temperature":[{"time":"2026-11-28T02:00:00Z","value":21},{"time":"2026-11-28T03:00:00Z","value":22}]}`, "temperature 21 at 02:00:00\ntemperature 22 at 03:00:00"},
		"history inside":             {"x", "water", `{"metering":{"history":[{"time":"2026-11-28T02:00:00Z","water":{"total":5}}]}}`, "water_volume_total 0.005 at 02:00:00"},
		"its own clock":              {"x", "gate", `{"timestamp":1795834800,"door":"open"}`, "door_open 1 at 03:00:00"},
		"minutes called time":        {"tbdw100", "gate", `{"time":17,"status":1,"count":4,"battery":3.6}`, "door_open 1\ndoor_open_count_total 4\nbattery_voltage 3.6\nunmapped time"},
		"a counter called timestamp": {"x", "gate", `{"timestamp":1000,"door":"closed"}`, "door_open 0\nunmapped timestamp"},
		"a clock never set":          {"x", "gate", `{"timestamp":0,"door":"closed"}`, "door_open 0\nunmapped timestamp"},
		"a clock long ago":           {"x", "gate", `{"timestamp":1009843200,"door":"closed"}`, "door_open 0\nunmapped timestamp"},
		"value and unit":             {"x", "gate", `{"battery_voltage":{"value":3100,"unit":"mV","displayName":"Battery"}}`, "battery_voltage 3.1"},
		"data and unit":              {"em2101", "lighting", `{"activeEnergyImportL1T1":{"data":1500,"unit":"Wh"}}`, "energy_total[t1] 1.5"},
		"value and nothing":          {"strips", "water", `{"flood":{"value":1},"temperature":{"value":23.4}}`, "event leak true\ntemperature 23.4"},
		"text for a unit":            {"lw-wsci", "gate", `{"hall_sensor_state":{"value":"HIGH","unit":"string"}}`, "door_open 1"},
		"named records":              {"flowiq", "water", `{"values":[{"Type":"Volume","Value":7.5,"Unit":"m3","Timestamp":"2026-11-28T03:00:00Z"}]}`, "water_volume_total 7.5 at 03:00:00"},
		"what stands beside a name":  {"acr-cv", "water", `{"cStored":"Actual","accessN":1,"data":[{"func":"Instantaneous","storage":0,"unit":"l","value":1500},{"func":"Instantaneous","storage":1,"unit":"l","value":1400}]}`, "water_volume_total 1.5\nwater_volume_total[s1] 1.4\nunmapped data[0].func\nunmapped data[1].storage"},
		"the schema":                 {"x", "lighting", `{"power":{"active":12,"voltage":230,"current":0.1,"factor":0.9,"frequency":50},"metering":{"energy":{"total":1500}},"air":{"lightIntensity":40}}`, "active_power 12\nvoltage 230\ncurrent 0.1\npower_factor 0.9\nfrequency 50\nenergy_total 1.5\nilluminance 40"},
		"the schema, a bin":          {"x", "waste", `{"tank":{"distance":1.2,"level":45},"air":{"temperature":7}}`, "fill_distance 1.2\nfill_level 0.45\ntemperature 7"},
		"the schema, a door":         {"x", "gate", `{"action":{"contactState":"open"},"air":{"relativeHumidity":40}}`, "door_open 1\nhumidity 40"},
		"names in other cases":       {"x", "water", `{"waterTemp":12,"WaterLeak":"NoLeak","Battery_Level":80}`, "water_temperature 12\nevent leak false\nbattery_level 80"},
		"battery in percent":         {"x", "gate", `{"battery":92}`, "battery_level 92"},
		"battery in volts":           {"x", "gate", `{"battery":3.6}`, "battery_voltage 3.6"},
		"battery in millivolts":      {"x", "gate", `{"battery":3608}`, "battery_voltage 3.608"},
		"battery of either":          {"x", "gate", `{"battery":3,"door":"open"}`, "door_open 1\nunmapped battery"},
		"a current of no unit":       {"x", "lighting", `{"current":168,"active_power":35}`, "active_power 35\nunmapped current"},
		"a leak by a word":           {"x", "water", `{"leakage_status":"leak"}`, "event leak true"},
		"Dragino's inner sensor":     {"LHT65", "gate", `{"BatV":3.05,"Hum_SHT":50.3,"TempC_SHT":21.7,"TempC_DS":4.1}`, "battery_voltage 3.05\nhumidity 50.3\ntemperature 21.7\nunmapped TempC_DS"},
		"water or none":              {"x", "water", `{"Water":true,"waterTemp":9}`, "event leak true\nwater_temperature 9"},
		"no water":                   {"x", "water", `{"Water":false}`, "event leak false"},
		"a register with what it was": {"klax", "lighting", `{"header":{"batteryPerc":90,"version":1},"msgInfo":{"msgIdx":3},"payloads":[{"type":"serverID"},{"type":"historic","registers":[{"filterId":0,"dataValid":true,"unit":"Wh","values":[12442500,12442000]},{"filterId":1,"dataValid":true,"unit":"W","values":[230]},{"filterId":2,"dataValid":false,"unit":"NDEF","values":[0]}]}]}`,
			"battery_level 90\nunmapped header.version\nunmapped msgInfo.msgIdx\nunmapped payloads[0].type\nunmapped payloads[1].type\nenergy_total[0] 12442.5\nunmapped payloads[1].registers[0].values.Wh[1]\nactive_power[1] 230\nrefused payloads[1].registers[2].values.NDEF"},
		"a power with its unit":             {"x", "lighting", `{"data":[{"type":"power","hardwareData":{"socket":0},"value":1500,"unit":"W"},{"type":"consumedActiveEnergyIndex","value":1000000,"unit":"Wh"}]}`, "active_power 1500\nenergy_total 1000"},
		"a power without":                   {"x", "lighting", `{"power":1,"active_power":5}`, "active_power 5\nunmapped power"},
		"a list of one with its unit":       {"x", "lighting", `{"courant":{"value":[12.34],"unit":"A"},"entree":{"value":[1]}}`, "current 12.34\nunmapped entree.value[0]"},
		"a list of many with their unit":    {"x", "lighting", `{"courant":{"value":[1,2],"unit":"A"},"active_power":5}`, "active_power 5\nunmapped courant.value[1]"},
		"labels that name":                  {"x", "lighting", `{"data":[{"label":"ActivePowerW","value":47},{"label":"NumberOfSample","value":9}]}`, "active_power 47\nunmapped NumberOfSample"},
		"a plug of four frames":             {"LW005-MP", "lighting", `{"port":7,"power":3096.9,"factor":98}`, "active_power 3096.9\npower_factor 0.98"},
		"a volume in litres":                {"x", "water", `{"volume":{"value":12500,"unit":"L"}}`, "water_volume_total 12.5"},
		"a meter's volume":                  {"x", "water", `{"meter":{"volume":{"value":1234.5,"unit":"m3"}},"battery":{"value":3.6,"unit":"V"}}`, "water_volume_total 1234.5\nbattery_voltage 3.6"},
		"a volume of no unit":               {"x", "water", `{"volume":12500,"waterTemp":9}`, "water_temperature 9\nunmapped volume"},
		"litres called water":               {"x", "water", `{"water":1,"waterTemp":9}`, "water_temperature 9\nunmapped water"},
		"a name that only contains another": {"acme-systems", "gate", `{"Device":"R311A","OnOff":0}`, "door_open 0"},
		"no leak by a word":                 {"x", "water", `{"water":"normal"}`, "event leak false"},
		"a word nobody knows":               {"x", "water", `{"leakStatus":"calibrating","waterTemp":9}`, "water_temperature 9\nunmapped leakStatus"},
		"a level":                           {"ems", "water", `{"waterleak":17}`, "event leak true"},
		"a bit":                             {"tbwl100", "water", `{"status":3}`, "event leak true"},
		"a bit that is not set":             {"tbwl100", "water", `{"status":2}`, "event leak false"},
		"an object that names itself":       {"x", "gate", `{"Device":"R311A","Volt":3,"OnOff":1}`, "door_open 1\nbattery_voltage 3"},
		"an object known by members":        {"x", "gate", `{"battery":3.6,"count":9,"status":0,"temperatureBoard":21,"time":0}`, "door_open 0"},
		"a number with its unit":            {"LDDS75", "waste", `{"Distance":"2799 mm","Bat":"3.4V"}`, "fill_distance 2.799\nbattery_voltage 3.4"},
		"percent in text":                   {"x", "gate", `{"battery":"42%","airTemperature":"25 ℃"}`, "battery_level 42\ntemperature 25"},
		"errors and nothing else":           {"x", "gate", `{"errors":["unknown frame"]}`, "codec_failed"},
		"addresses are channels":            {"x", "lighting", `{"consumption":[{"address":"d1","active_power":5},{"address":"d2","active_power":6}]}`, "unmapped consumption[0].active_power"},
	} {
		t.Run(name, func(t *testing.T) {
			w := decodedWorker(t, decodedInventory)
			up := fmt.Sprintf(`{"deviceInfo":{"devEui":"24e124136b000001","deviceProfileName":%q},"fPort":1,"data":"AQ==","object":%s}`, c.profile, c.object)
			compareTold(t, told(w.Decode(&ingest.Message{Seq: 1, Received: decodedAt.UnixNano(), Topic: c.kind + "/m1/up", Payload: []byte(up)})), c.want)
			if strings.Contains(c.want, "codec_failed") {
				return
			}
			// Decoded here, the same object means the same.
			file := filepath.Join(t.TempDir(), "codec.js")
			if err := os.WriteFile(file, []byte("function decodeUplink(input) { return {data: "+c.object+"}; }"), 0o644); err != nil {
				t.Fatal(err)
			}
			here := decodedWorker(t, strings.ReplaceAll(decodedInventory, "format: chirpstack,", fmt.Sprintf(`format: chirpstack, codecs: {"": %q},`, file)))
			compareTold(t, told(here.Decode(&ingest.Message{Seq: 1, Received: decodedAt.UnixNano(), Topic: c.kind + "/m1/up", Payload: []byte(up)})), c.want)
			// And so it does of The Things Stack.
			if c.kind == "water" {
				up := fmt.Sprintf(`{"end_device_ids":{"device_id":"m1","dev_eui":"24E124136B000001"},"uplink_message":{"f_port":1,"frm_payload":%q,"version_ids":{"model_id":%q},"decoded_payload":%s}}`,
					base64.StdEncoding.EncodeToString([]byte{1}), c.profile, c.object)
				compareTold(t, told(w.Decode(&ingest.Message{Seq: 2, Received: decodedAt.UnixNano(), Topic: "tts/m1/up", Payload: []byte(up)})), c.want)
			}
		})
	}
}
