package decode

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// fieldCase is a payload seen in the field, or several one after the other, and
// what it must come to.
type fieldCase struct {
	format    string
	facility  ingest.FacilityKind
	inventory string // instead of format: a file in the case's folder, or text
	topics    []string
	files     []string // in the case's folder
	payloads  []string
	received  string
	// want must be there: the beginning of a line of told, up to a space. not
	// must not.
	want, not []string
}

// told is a result as lines: "active_power l1 317 of lamp-9 at 03:20:00.499Z 2026-11-28".
func told(r *Result) []string {
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
	}
	at := func(t int64) string { return time.Unix(0, t).UTC().Format("15:04:05.999Z 2006-01-02") }
	if r.Err != nil {
		add("rejected %s %s", r.Err.Reason, r.Err.Detail)
	}
	if r.Ignored != "" {
		add("ignored %s", r.Ignored)
	}
	for i := range r.Readings {
		v := &r.Readings[i]
		flag := ""
		if v.TimeReplaced {
			flag = "replaced"
		}
		add("%s %s %.9g of %s at %s %s", v.Quantity.Name, v.Channel, v.Value, v.Device.ID, at(v.Time), flag)
	}
	for _, e := range r.Events {
		state := "active"
		if !e.Active {
			state = "ended"
		}
		add("event %s %s %s of %s code %s at %s", e.Type, e.Channel, state, e.Device.ID, e.Code, at(e.Time))
	}
	for _, u := range r.Unmapped {
		value := numberText(u.Value)
		if u.IsText {
			value = u.Text
		}
		add("unmapped %s %s of %s", u.Field, value, u.Device)
	}
	for _, f := range r.Refused {
		add("refused %s %s %s", f.Field, f.Reason, f.Detail)
	}
	return lines
}

func (c *fieldCase) worker(t *testing.T, dir string) *Worker {
	t.Helper()
	if c.inventory == "" {
		topic := ""
		if len(c.topics) == 1 {
			topic = inventory.TemplateFor(format.Formats[c.format], c.topics[0])
		}
		kind := c.facility
		if kind == "" {
			kind = format.Formats[c.format].Facility
		}
		if kind == "" {
			kind = "lighting"
		}
		return source(t, kind, c.format, topic, "")
	}
	text := []byte(c.inventory)
	if !strings.Contains(c.inventory, "\n") {
		var err error
		if text, err = os.ReadFile(filepath.Join(dir, c.inventory)); err != nil {
			t.Fatal(err)
		}
	}
	inv, err := inventory.Parse(text, time.FixedZone("Asia/Shanghai", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	return NewWorker(inv, anyDevice{inventory.NewRegistry(inv)})
}

func (c *fieldCase) run(t *testing.T, dir string) {
	payloads := c.payloads
	for _, name := range c.files {
		payload, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, string(payload))
	}
	received, err := time.Parse(time.RFC3339, "2026-11-28T03:31:00Z")
	if c.received != "" {
		received, err = time.Parse(time.RFC3339, c.received)
	}
	if err != nil {
		t.Fatal(err)
	}
	w := c.worker(t, dir)
	var lines []string
	for i, payload := range payloads {
		topic := c.topics[min(i, len(c.topics)-1)]
		kept := []byte(payload)
		if redact := format.Formats[w.inv.Match(topic, &format.Captures{}).Format].Redact; redact != nil {
			kept = redact(kept)
		}
		r := w.Decode(&ingest.Message{Seq: uint64(i + 1), Topic: topic, Payload: kept, Received: received.UnixNano() + int64(i)*1e6})
		checkResult(t, r)
		lines = append(lines, told(r)...)
	}
	has := func(want string) bool {
		return slices.ContainsFunc(lines, func(line string) bool { return line == want || strings.HasPrefix(line, want+" ") })
	}
	for _, want := range c.want {
		if !has(want) {
			t.Errorf("no %q in\n\t%s", want, strings.Join(lines, "\n\t"))
		}
	}
	for _, not := range c.not {
		if has(not) {
			t.Errorf("%q in\n\t%s", not, strings.Join(lines, "\n\t"))
		}
	}
}

// Each case is a finding of people who sent what is in the field, named after
// its directory; /-parts are of one directory.
var fieldCases = map[string]fieldCase{
	"01-senml-sum-as-power/a": {format: "senml", topics: []string{"senml/site"}, files: []string{"a.json"}, want: []string{"energy_total 1"}, not: []string{"active_power"}},
	"01-senml-sum-as-power/b": {format: "senml", topics: []string{"senml/site"}, files: []string{"b.json"}, want: []string{"active_power 43.2", "energy_total 36"}},
	"02-sparkplug-bad-quality": {format: "sparkplug", topics: []string{"spBv1.0/plant/NBIRTH/c1", "spBv1.0/plant/NDATA/c1"}, files: []string{"birth.bin", "stale.bin"},
		want: []string{"voltage 229", "refused voltage bad_value", "refused active_power bad_value"}, not: []string{"voltage 0", "active_power 0"}},
	"03-dlt645-combined-energy": {format: "dlt645", topics: []string{"dtu/1/645"}, files: []string{"frames.hex"},
		want: []string{"energy_total 2000", "energy_export_total 500", "energy_combined_total 1500"}, not: []string{"energy_total 1500"}},
	"04-json-date-and-time-apart": {inventory: "inventory.yaml", topics: []string{"acme/m1/data"}, files: []string{"a.json", "b.json"}, received: "2026-11-28T03:00:00Z",
		want: []string{"water_volume_total 108.5 of m1 at 00:00:00Z 2026-11-28", "water_volume_total 109.5 of m1 at 01:00:00Z 2026-11-28"}},
	"05-fiware-three-phase-units/m": {format: "fiware", topics: []string{"ngsi/site"}, files: []string{"m.json"},
		want: []string{"active_power 317", "reactive_power -78.3", "active_power l1 119.9", "active_power l3 102.4", "current l2 0.45", "current n 0", "voltage l1 234.9", "energy_total 150781.96", "energy_export_total 1059.8", "frequency 50.02"}},
	"05-fiware-three-phase-units/f": {format: "fiware", topics: []string{"ngsi/site"}, files: []string{"f.json"},
		want: []string{"current l1 25", "current l3 30", "voltage l1 240", "active_power l1 120", "active_power l3 150", "active_power 30", "light_on 1"}},
	"08-dahua-utc-is-local": {format: "dahua", topics: []string{"dahua/gate-2/AccessControl"}, files: []string{"event.json"}, received: "2026-11-28T03:46:40Z",
		want: []string{"event access_granted active of gate-2 code at 17:46:38Z 2026-11-27", "pass_in 1 of gate-2"}},
	"09-tasmota-export-active": {format: "tasmota", topics: []string{"tele/em3/SENSOR"}, files: []string{"sensor.json"},
		want: []string{"energy_export_total l1 8.196", "energy_export_total l2 0", "energy_export_total l3 0.012", "energy_total l1 9.588", "current n"}},
	"10-z2m-three-phase-abc/m": {format: "zigbee2mqtt", topics: []string{"zigbee2mqtt/m"}, files: []string{"m.json"},
		want: []string{"current l1 0.996", "current l2 6.668", "power_factor l1 0.09", "power_factor l2 1", "power_factor l3 0.94", "energy_total l3 223.713", "active_power l2 1825", "voltage l3 227.4"}, not: []string{"unmapped", "refused"}},
	"10-z2m-three-phase-abc/pf":            {format: "zigbee2mqtt", topics: []string{"zigbee2mqtt/m"}, files: []string{"pf.json"}, want: []string{"power_factor 0.98"}},
	"11-onenet-forwarded/property":         {format: "alink", topics: []string{"onenet/push"}, files: []string{"property.json"}, want: []string{"active_power 41.5 of lamp-9 at 03:20:00.499Z 2026-11-28", "light_on 1 of lamp-9 at 03:20:00.499Z 2026-11-28"}},
	"11-onenet-forwarded/event":            {format: "alink", topics: []string{"onenet/push"}, files: []string{"event.json"}, want: []string{"event lamp_fault active of lamp-9"}},
	"11-onenet-forwarded/life":             {format: "alink", topics: []string{"onenet/push"}, files: []string{"life.json"}, want: []string{"event node_offline active of lamp-9"}},
	"11-onenet-forwarded/pushed":           {format: "alink", topics: []string{"onenet/push"}, files: []string{"pushed.json"}, want: []string{"active_power 41.5 of lamp-9 at 03:20:00.123Z 2026-11-28"}},
	"13-huawei-device-data-changed/many":   {format: "huawei-iotda", facility: "water", topics: []string{"hw/push"}, files: []string{"many.json"}, want: []string{"water_volume_total 12.5 of f1a0 at 03:30:00Z 2026-11-28"}},
	"13-huawei-device-data-changed/one":    {format: "huawei-iotda", facility: "water", topics: []string{"hw/push"}, files: []string{"one.json"}, want: []string{"water_volume_total 12.5 of f1a0 at 03:30:00Z 2026-11-28"}},
	"14-units-as-people-write-them/light":  {inventory: "inventory.yaml", topics: []string{"lighting/d/p"}, files: []string{"light.json"}, want: []string{"energy_total 1", "active_power 100", "illuminance 10118", "temperature 23.4"}},
	"14-units-as-people-write-them/wh":     {inventory: "inventory.yaml", topics: []string{"lighting/d/p"}, files: []string{"wh.json"}, want: []string{"energy_total 1.5", "energy_total 691.9946"}},
	"14-units-as-people-write-them/water":  {inventory: "inventory.yaml", topics: []string{"water/d/p"}, files: []string{"water.json"}, want: []string{"water_volume_total 12", "water_pressure 300000"}},
	"15-one-byte-that-is-not-utf8/tasmota": {format: "tasmota", topics: []string{"tele/x/SENSOR"}, files: []string{"tasmota.json"}, want: []string{"energy_total 6.294", "active_power 26"}},
	"15-one-byte-that-is-not-utf8/ems":     {format: "json", topics: []string{"a/b"}, files: []string{"ems.json"}, want: []string{"active_power 41.5"}},
	"17-wmbus-leak-words/aptmbusna":        {format: "wmbusmeters", topics: []string{"wmbus/w"}, files: []string{"aptmbusna.json"}, want: []string{"event leak active of 12345678 code P_LEAK", "event backflow active of 12345678 code P_REVERSE_FLOW"}},
	"17-wmbus-leak-words/multical":         {format: "wmbusmeters", topics: []string{"wmbus/w"}, files: []string{"multical.json"}, want: []string{"event leak active of 12345678 code LEAK", "event backflow active of 12345678 code REVERSED"}},
	"17-wmbus-leak-words/picoflux":         {format: "wmbusmeters", topics: []string{"wmbus/w"}, files: []string{"picoflux.json"}, want: []string{"event leak active of 12345678 code LEAK_FLOW_HIGH"}},
	"17-wmbus-leak-words/ultrimis":         {format: "wmbusmeters", topics: []string{"wmbus/w"}, files: []string{"ultrimis.json"}, want: []string{"event backflow active of 12345678 code REVERSE_THIS_MONTH"}},
	"17-wmbus-leak-words/waterstarm":       {format: "wmbusmeters", topics: []string{"wmbus/w"}, files: []string{"waterstarm.json"}, want: []string{"event leak active of 12345678 code LEAKAGE_OR_NO_USAGE"}},
	"18-fiware-lid-latches": {format: "fiware", facility: "waste", topics: []string{"ngsi/s", "ngsi/s"}, files: []string{"open.json", "ok.json"},
		want: []string{"lid_open 1 of bin1", "lid_open 0 of bin1", "bin_tilted 0 of bin1", "fill_level 0.41"}},
	"20-frames-with-something-between/crlf":           {format: "dlt645", topics: []string{"dtu/1/645"}, files: []string{"crlf.bin"}, want: []string{"energy_total 2000", "voltage l1 230.5"}, not: []string{"refused"}},
	"20-frames-with-something-between/cut-then-whole": {format: "dlt645", topics: []string{"dtu/1/645"}, files: []string{"cut-then-whole.bin"}, want: []string{"voltage l1 230.5", "refused frame malformed"}},
	"20-frames-with-something-between/cj188-crlf": {format: "cjt188", topics: []string{"dtu/1/188"}, files: []string{"cj188-crlf.bin"}, received: "2026-11-28T03:00:00Z",
		want: []string{"water_volume_total 1234.56 of 11223344556677", "water_volume_total 0.99 of 11223344556678"}, not: []string{"refused"}},
	"24-fiware-other-facilities/noise": {format: "fiware", facility: "noise", topics: []string{"ngsi/s"}, files: []string{"noise.json"}, want: []string{"sound_level_equivalent 67.8 of n1 at 03:00:00Z", "sound_level_max 94.5"}},
	"24-fiware-other-facilities/spot":  {format: "fiware", facility: "parking", topics: []string{"ngsi/s"}, files: []string{"spot.json"}, want: []string{"space_occupied 0"}},
	"24-fiware-other-facilities/lot":   {format: "fiware", facility: "parking", topics: []string{"ngsi/s"}, files: []string{"lot.json"}, want: []string{"spaces_free 132", "spaces_occupied 282"}},
	"24-fiware-other-facilities/crowd": {format: "fiware", facility: "public_area", topics: []string{"ngsi/s"}, files: []string{"crowd.json"}, want: []string{"people_in 100"}},
	"25-json-text-keyed-by-meter/path": {topics: []string{"iotinfo/861551056415409"}, files: []string{"up.json"},
		inventory: jsonInventory("iotinfo/+", "lighting", `json: {records: "d.*", device: "@key"}, fields: {energy: {quantity: energy_total}}`),
		want:      []string{"energy_total 12.5 of 111111111112", "energy_total 7.25 of 111111111113"}},
	"25-json-text-keyed-by-meter/payload": {topics: []string{"iotinfo/861551056415409"}, files: []string{"up.json"},
		inventory: jsonInventory("iotinfo/+", "lighting", `json: {values: d, records: "*", device: "@key"}, payload: json, fields: {energy: {quantity: energy_total}}`),
		want:      []string{"energy_total 12.5 of 111111111112", "energy_total 7.25 of 111111111113"}},
	"26-json-quality-flag": {topics: []string{"kep/1"}, files: []string{"up.json"},
		inventory: jsonInventory("kep/+", "lighting", `json: {records: "values[*]", name: id, value: v, time: [{path: t}], device: "$.node", valid: {path: q, values: [true, 192, Good]}}, fields: {"Ch1.Dev1.P": {quantity: active_power}}`),
		want:      []string{"refused Ch1.Dev1.P bad_value"}, not: []string{"active_power"}},
	"27-clock-never-set-as-text/zero":     {inventory: "inventory.yaml", topics: []string{"acme/m/data"}, files: []string{"zero.json"}, received: "2026-11-28T16:05:00Z", want: []string{"water_volume_total 12.5 of m at 16:05:00Z 2026-11-28 replaced"}},
	"27-clock-never-set-as-text/empty":    {inventory: "inventory.yaml", topics: []string{"acme/m/data"}, files: []string{"empty.json"}, received: "2026-11-28T16:05:00Z", want: []string{"water_volume_total 12.5 of m at 16:05:00Z 2026-11-28 replaced"}},
	"27-clock-never-set-as-text/midnight": {inventory: "inventory.yaml", topics: []string{"acme/m/data"}, files: []string{"midnight.json"}, received: "2026-11-28T16:05:00Z", want: []string{"water_volume_total 12.5 of m at 16:00:00Z 2026-11-28"}},
	"27-clock-never-set-as-text/space":    {inventory: "inventory.yaml", topics: []string{"acme/m/data"}, files: []string{"space.json"}, received: "2026-11-28T16:05:00Z", want: []string{"water_volume_total 12.5 of m at 02:30:00Z 2026-11-28"}},
	"27-clock-never-set-as-text/tasmota":  {format: "tasmota", topics: []string{"tele/x/SENSOR"}, files: []string{"tasmota.json"}, want: []string{"energy_total 6.294"}},
	"29-which-way-people-went/face":       {format: "face-gate", topics: []string{"mqtt/face/1026700/Rec"}, files: []string{"face.json"}, received: "2026-11-28T03:01:00Z", want: []string{"pass_out 1 of 1026700", "event access_granted active of 1026700"}},
	"29-which-way-people-went/dahua":      {format: "dahua", topics: []string{"dahua/g/x"}, files: []string{"dahua.json"}, received: "2026-11-28T03:01:00Z", want: []string{"pass_out 1 of g", "event access_granted active of g"}},
	"30-face-terminal-heartbeats/hb":      {topics: []string{"mqtt/face/heartbeat"}, files: []string{"hb.json"}, inventory: formatInventory("face-gate", "mqtt/face/#", "gate", ""), want: []string{"ignored HeartBeat"}},
	"30-face-terminal-heartbeats/off":     {topics: []string{"mqtt/face/basic"}, files: []string{"off.json"}, inventory: formatInventory("face-gate", "mqtt/face/#", "gate", ""), want: []string{"event node_offline active of 1026700"}},
	"32-z2m-valve-and-water/valve":        {format: "zigbee2mqtt", facility: "water", topics: []string{"zigbee2mqtt/v"}, files: []string{"valve.json"}, want: []string{"valve_open 1", "battery_level 50"}},
	"32-z2m-valve-and-water/meter":        {format: "zigbee2mqtt", facility: "water", topics: []string{"zigbee2mqtt/v"}, files: []string{"meter.json"}, want: []string{"valve_open 0", "unmapped water_consumed 12.345"}},
	"32-z2m-valve-and-water/env":          {format: "zigbee2mqtt", facility: "environment", topics: []string{"zigbee2mqtt/e"}, files: []string{"env.json"}, want: []string{"pressure 101320"}},
	"36-dlt645-in-text-of-a-modem/up":     {format: "dlt645", topics: []string{"dtu/1/645"}, files: []string{"up.txt"}, want: []string{"energy_total 8443.75 of 000000052086"}},
	"36-dlt645-in-text-of-a-modem/header": {format: "dlt645", topics: []string{"dtu/1/645"}, files: []string{"header.txt"}, want: []string{"energy_total 34.12 of 000987654321"}},
}

// jsonInventory is an inventory of one source in format json.
func jsonInventory(topic string, kind ingest.FacilityKind, more string) string {
	return formatInventory("json", topic, kind, more)
}

func formatInventory(name, topic string, kind ingest.FacilityKind, more string) string {
	if more != "" {
		more = ", " + more
	}
	return fmt.Sprintf("communities: [{id: c, name: c}]\nvendors:\n- id: v\n  unknown_devices: accept\n  sources:\n  - {topic: %q, format: %s, community: c, facility: %s%s}\n", topic, name, kind, more)
}

// TestFieldPayloads runs every case of the field; a directory without one fails.
func TestFieldPayloads(t *testing.T) {
	root := filepath.Join(filepath.Dir(casesDir(t)), "field", "payloads")
	run := map[string]bool{}
	for name, c := range fieldCases {
		directory, _, _ := strings.Cut(name, "/")
		run[directory] = true
		t.Run(name, func(t *testing.T) { c.run(t, filepath.Join(root, directory)) })
	}
	run["07-hikvision-other-passes"] = true
	t.Run("07-hikvision-other-passes", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(root, "07-hikvision-other-passes", "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal(err, files)
		}
		for _, file := range files {
			word, code, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
			want := map[string]string{"pass": "event access_granted 1 active of g1 code 5/" + code, "fail": "event access_denied 1 active of g1 code 5/" + code, "tamper": "event tamper 1 active of g1 code 1/" + code}[word]
			c := fieldCase{format: "hikvision", topics: []string{"hikvision/g1/event"}, files: []string{filepath.Base(file)}, received: "2026-11-28T03:01:00Z", want: []string{want}}
			c.run(t, filepath.Dir(file))
		}
	})
	directories, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range directories {
		if !run[d.Name()] {
			t.Errorf("%s has no case here", d.Name())
		}
	}
}

// More samples of each kind, written here.
var moreFieldCases = map[string]fieldCase{
	"Tasmota: an optical head whose section has no name": {format: "tasmota", facility: "lighting", topics: []string{"tele/m1/SENSOR"}, received: "2026-11-28T03:31:00Z",
		payloads: []string{`{"Time":"1970-06-11T05:35:26","":{"Total_in":2173.5,"Total_out":349.3,"Power_curr":-136.39}}`},
		want:     []string{"energy_total 2173.5 of m1", "energy_export_total 349.3 of m1", "active_power -136.39 of m1"}},
	"Tasmota: an optical head with a name of its owner's": {format: "tasmota", facility: "lighting", topics: []string{"tele/m1/SENSOR"},
		payloads: []string{`{"Time":"2026-11-28T11:30:00","Zaehler":{"total_in":10.5,"power_curr":42}}`},
		want:     []string{"energy_total 10.5 of m1", "active_power 42 of m1"}},
	"Tasmota: Teleinfo": {format: "tasmota", facility: "lighting", topics: []string{"tele/m1/SENSOR"},
		payloads: []string{`{"Time":"2026-11-28T11:18:14","METER":{"PH":1,"PMAX":9000,"U1":230,"P1":350,"W1":203,"I1":1.521,"C1":0.58,"P":350,"W":203,"I":1.521}}`},
		want:     []string{"voltage l1 230 of m1", "apparent_power l1 350 of m1", "active_power l1 203 of m1", "power_factor l1 0.58 of m1", "active_power 203 of m1", "apparent_power 350 of m1", "unmapped METER.PMAX"}},
	"wM-Bus: backwards with an s": {format: "wmbusmeters", facility: "water", topics: []string{"water"},
		payloads: []string{`{"media":"warm water","meter":"waterstarm","id":"20096221","total_m3":0.106,"total_backwards_m3":0.002,"current_status":"OK","timestamp":"2026-11-28T02:23:23Z"}`},
		want:     []string{"water_volume_total 0.106", "water_volume_backflow 0.002"}},
	"line protocol: a bad line costs itself": {format: "influx", topics: []string{"t"}, payloads: []string{"lighting,device=L1 active_power=1 1795836000000000000\nlighting,device=L2 active_power=\nlighting,device=L3 active_power=3,voltage=230.5 1795836000000000000\n"},
		want: []string{"active_power 1 of L1", "active_power 3 of L3", "voltage 230.5 of L3", "refused line malformed"}},
	"line protocol: only bad lines": {format: "influx", topics: []string{"t"}, payloads: []string{"lighting,device=L2 active_power=\n"}, want: []string{"rejected malformed"}},
	"TTS: simulated": {format: "tts", topics: []string{"v3/a@t/devices/d/up"}, payloads: []string{`{"simulated":true,"end_device_ids":{"device_id":"d"},"uplink_message":{"f_port":1,"decoded_payload":{"temperature":3.5}}}`},
		want: []string{"rejected bad_value"}},
	"OneNET: data points": {format: "alink", topics: []string{"$sys/p/lamp-9/dp/post/json"}, payloads: []string{`{"id":1,"dp":{"active_power":[{"v":41.5,"t":1795836000}],"voltage":[{"v":"229.5"},{"v":230,"t":1795836060}]}}`},
		want: []string{"active_power 41.5 of lamp-9 at 03:20:00Z", "voltage 229.5 of lamp-9", "voltage 230 of lamp-9 at 03:21:00Z"}},
	"OneNET: online":                  {format: "alink", topics: []string{"onenet/push"}, payloads: []string{`{"deviceName":"lamp-9","messageType":"lifeCycle","data":{"status":"online","time":1795836001234}}`}, want: []string{"event node_offline ended of lamp-9"}},
	"OneNET: a life cycle of neither": {format: "alink", topics: []string{"onenet/push"}, payloads: []string{`{"deviceName":"lamp-9","messageType":"lifeCycle","data":{"status":"x"}}`}, want: []string{"rejected bad_value"}},
	"Alink: an event and what it says": {format: "alink", facility: "water", topics: []string{"/sys/p/w1/thing/event/waterLeakAlarm/post"}, payloads: []string{`{"method":"thing.event.waterLeakAlarm.post","params":{"value":{"flow":12}}}`},
		want: []string{"event leak active of w1 code waterLeakAlarm", "unmapped waterLeakAlarm.flow 12"}},
	"Huawei: device offline": {format: "huawei-iotda", topics: []string{"hw/push"}, payloads: []string{`{"resource":"device.status","event_time":"20261128T033000Z","notify_data":{"header":{"device_id":"f1"},"body":{"status":"OFFLINE"}}}`},
		want: []string{"event node_offline active of f1"}},
	"Huawei: an event": {format: "huawei-iotda", facility: "water", topics: []string{"$oc/devices/w1/sys/events/up"}, payloads: []string{`{"services":[{"service_id":"Water","event_type":"LeakAlarm","event_time":"20261128T033000Z","paras":{"flow":3}}]}`},
		want: []string{"event leak active of w1 code LeakAlarm", "unmapped paras.flow 3"}},
	"IoT Agent: an attribute with its own time": {format: "fiware", topics: []string{"/k/d1/attrs/voltage"}, payloads: []string{`{"value":229.5,"TimeInstant":"2026-11-28T03:00:00Z"}`},
		want: []string{"voltage 229.5 of d1 at 03:00:00Z"}},
	"IoT Agent: an attribute with its own time, short": {format: "fiware", topics: []string{"/k/d1/attrs/voltage"}, payloads: []string{`{"v":229.5,"ts":1795834800}`},
		want: []string{"voltage 229.5 of d1 at 03:00:00Z"}},
	"IoT Agent: a structured attribute": {format: "fiware", topics: []string{"/k/d1/attrs/cell"}, payloads: []string{`{"rsrp":-90,"band":"B5"}`}, want: []string{"unmapped cell.rsrp -90", "unmapped cell.band B5"}},
	"Sparkplug: a template and a data set": {format: "sparkplug", topics: []string{"spBv1.0/g/NBIRTH/n"},
		payloads: []string{string(sparkplugPayload(sparkplugOf("Pump1", 18, append(sparkplugOf("voltage", 13, []byte{0, 0, 0, 0, 0, 0xa0, 0x6c, 0x40}), sparkplugOf("state", 15, []byte("idle"))...)),
			sparkplugOf("log", 17, protobuf(2, []byte("t"), 4, protobuf(1, []byte{0x08, 0x07})))))},
		want: []string{"unmapped Pump1/voltage 229 of n", "unmapped Pump1/state idle", "unmapped log[0].t 7"}},
	"a URL as an alias": {topics: []string{"ngsi/site"}, payloads: []string{`{"id":"https://city.example/device/l+1","type":"Streetlight","voltage":230}`}, want: []string{"voltage 230 of lamp-1"},
		inventory: strings.Replace(formatInventory("fiware", "ngsi/#", "lighting", ""), "  unknown_devices: accept\n", "  devices: [{id: lamp-1, community: c, facility: lighting, alias: \"https://city.example/device/l+1\"}]\n", 1)},
	"two fields of one name": {format: "json", topics: []string{"t"}, payloads: []string{`{"U1":230,"U2":231,"P":5}`}, want: []string{"voltage 230 of d", "refused U2 bad_value voltage: \"U1\" and \"U2\" are both it,"}, not: []string{"voltage 231"},
		inventory: jsonInventory("t", "lighting", `device: d, fields: {U1: {quantity: voltage}, U2: {quantity: voltage}}`)},
	"two fields of one name that say the same": {format: "json", topics: []string{"t"}, payloads: []string{`{"U1":230,"U2":230}`}, want: []string{"voltage 230 of d"}, not: []string{"refused"},
		inventory: jsonInventory("t", "lighting", `device: d, fields: {U1: {quantity: voltage}, U2: {quantity: voltage}}`)},
	"FIWARE: kW of a cabinet": {format: "fiware", topics: []string{"t"}, payloads: []string{`{"id":"cab1","type":"StreetlightControlCabinet","totalActivePower":3.2,"activePowerR":1.5,"intensityR":6}`},
		want: []string{"active_power 3200", "active_power l1 1500", "current l1 6"}},
	"FIWARE: unit codes":        {format: "fiware", facility: "water", topics: []string{"t"}, payloads: []string{`{"id":"m1","type":"WaterConsumptionObserved","waterConsumption":{"type":"Property","value":3.5,"unitCode":"HLT"}}`}, want: []string{"water_volume_total 0.35"}},
	"FIWARE: a wrong dimension": {format: "fiware", facility: "water", topics: []string{"t"}, payloads: []string{`{"id":"m1","type":"WaterConsumptionObserved","waterConsumption":{"type":"Property","value":3.5,"unitCode":"KGM"}}`}, want: []string{"refused waterConsumption bad_unit"}},
	"FIWARE: other structured values are told": {format: "fiware", topics: []string{"t"}, payloads: []string{`{"id":"m1","type":"Streetlight","voltage":230,"phaseToPhaseVoltage":{"L12":400,"L23":401},"notes":["a","b"]}`},
		want: []string{"voltage 230", "unmapped phaseToPhaseVoltage.L12 400", "unmapped notes[1] b"}},
	"FIWARE: a fault that ends": {format: "fiware", topics: []string{"t", "t", "t"}, payloads: []string{`{"id":"l1","type":"Streetlight","status":"defectiveLamp"}`, `{"id":"l1","type":"Streetlight","status":"ok"}`, `{"id":"l1","type":"Streetlight","status":"ok","voltage":1}`},
		want: []string{"event lamp_fault active of l1", "event lamp_fault ended of l1"}},
	"wmbusmeters: a leak that ends": {format: "wmbusmeters", topics: []string{"w", "w"}, payloads: []string{`{"id":"1","total_m3":1,"status":"LEAK_FLOW_HIGH","timestamp":"2026-11-28T03:30:00Z"}`, `{"id":"1","total_m3":2,"status":"OK","timestamp":"2026-11-28T03:30:10Z"}`},
		want: []string{"event leak active of 1 code LEAK_FLOW_HIGH", "event leak ended of 1 code OK"}},
	"wmbusmeters: alarms of now and of before": {format: "wmbusmeters", topics: []string{"w"}, payloads: []string{`{"id":"1","total_m3":1,"current_alarms":"meter_blocked,back_flow","previous_alarms":"leakage","status":"LEAK_PREV_MONTH POWER_LOW","timestamp":"2026-11-28T03:30:00Z"}`},
		want: []string{"event meter_blocked active", "event backflow active of 1 code back_flow", "event leak_prev_month active", "event low_battery active"}, not: []string{"event leak active"}},
	"SenML: base sums":                        {format: "senml", facility: "water", topics: []string{"t"}, payloads: []string{`[{"bn":"w1:","bu":"m3/s","bs":10,"n":"water_flow","v":0.002,"s":2.5}]`}, want: []string{"water_flow 0.002", "water_volume_total 12.5"}},
	"SenML: a sum of no use":                  {format: "senml", topics: []string{"t"}, payloads: []string{`[{"n":"a:current","u":"A","s":60,"v":2}]`}, want: []string{"current 2", "unmapped current.sum 60"}},
	"SenML: members beyond the specification": {format: "senml", topics: []string{"t"}, payloads: []string{`[{"n":"a:voltage","u":"V","v":230,"snr":7}]`}, want: []string{"voltage 230", "unmapped voltage.snr 7"}},
	"objects of value and unit": {format: "json", topics: []string{"t"}, payloads: []string{`{"active_power":{"value":1.5,"unit":"KW"},"voltage":{"data":"229,5","unit":"V"},"current":{"v":3200,"u":"mA","ts":1795836000},"energy_total":{"value":7,"unit":"kg"}}`},
		want: []string{"active_power 1500", "current 3.2 of device at 03:20:00Z", "voltage 229.5", "refused energy_total bad_unit"}},
	"objects with a mark of quality": {format: "json", topics: []string{"t"}, payloads: []string{`{"voltage":{"value":230,"quality":"Good"},"current":{"value":0,"quality":"Bad"},"frequency":{"v":50,"q":192},"active_power":{"v":0,"q":false}}`},
		want: []string{"voltage 230", "frequency 50", "refused current bad_value", "refused active_power bad_value"}},
	"numbers with their unit": {format: "json", topics: []string{"t"}, payloads: []string{`{"voltage":"229.5V","active_power":"1.2 kW","light_level":"47%","energy_total":"12.5度","current":"3 kg","frequency":"50 apples"}`},
		want: []string{"voltage 229.5", "active_power 1200", "light_level 0.47", "energy_total 12.5", "refused current bad_unit", "refused frequency bad_value"}},
	"Latin-1 degrees":                  {format: "json", topics: []string{"t"}, payloads: []string{"{\"temperature\":\"21.5\xb0C\"}"}, want: []string{"temperature 21.5"}},
	"GBK with a backslash in a letter": {format: "json", topics: []string{"t"}, payloads: []string{"{\"name\":\"\xb3\x5c\xb7\xb2\",\"voltage\":230}"}, want: []string{"voltage 230"}},
	"GBK as a unit":                    {format: "json", topics: []string{"t"}, payloads: []string{"{\"energy_total\":{\"value\":3,\"unit\":\"\xb6\xc8\"}}"}, want: []string{"energy_total 3"}},
	"Shelly: a meter that failed": {format: "shelly", topics: []string{"lamp/events/rpc"}, payloads: []string{`{"src":"lamp","method":"NotifyStatus","params":{"ts":1795836000,"em:0":{"id":0,"total_act_power":0,"a_voltage":0,"errors":["power_meter_failure"]},"switch:0":{"output":true,"apower":12,"errors":["overtemp"]}}}`},
		want: []string{"event power_meter_failure active", "refused em.total_act_power bad_value", "event overtemp active", "active_power 12", "light_on 1"}, not: []string{"active_power 0", "voltage"}},
	"Tasmota: back online": {format: "tasmota", topics: []string{"tele/pow/LWT"}, payloads: []string{"Online"}, want: []string{"event node_offline ended of pow"}},
	"Tasmota: sensors": {format: "tasmota", topics: []string{"tele/pow/SENSOR"}, payloads: []string{`{"Time":"2026-11-28T11:30:00","AM2301":{"Temperature":21.5,"Humidity":55},"DS18B20-2":{"Id":"01","Temperature":40},"COUNTER":{"C1":12}}`},
		want: []string{"temperature 21.5", "humidity 55", "temperature 2 40", "unmapped COUNTER.C1 12", "unmapped DS18B20-2.Id 01"}},
	"Zigbee2MQTT: raw illuminance beside lux": {format: "zigbee2mqtt", topics: []string{"zigbee2mqtt/s"}, payloads: []string{`{"illuminance":21584,"illuminance_lux":144}`}, want: []string{"illuminance 144", "unmapped illuminance_raw 21584"}},
	"Zigbee2MQTT: gone":                       {format: "zigbee2mqtt", topics: []string{"zigbee2mqtt/s/availability"}, payloads: []string{`{"state":"offline"}`}, want: []string{"event node_offline active of s"}},
	"DL/T 645-1997":                           {format: "dlt645", topics: []string{"t"}, payloads: []string{frame645(0x81, 0x43, 0xc3, 0x7b, 0x95, 0x43, 0x33)}, want: []string{"energy_total 1062.48 of 000000000001"}},
	"DL/T 645-1997: volts":                    {format: "dlt645", topics: []string{"t"}, payloads: []string{frame645(0x81, 0x44, 0xe9, 0x63, 0x35)}, want: []string{"voltage l1 230"}},
	"DL/T 645: combined energy of a meter of which nothing else is read": {format: "dlt645", topics: []string{"t"}, payloads: []string{frame645(0x91, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x48, 0x33)}, want: []string{"energy_total 1500"}},
	"DL/T 645: a combined register below zero":                           {format: "dlt645", topics: []string{"t"}, payloads: []string{frame645(0x91, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x48, 0xb3)}, want: []string{"energy_combined_total -1500"}},
	"DL/T 645 in Q/GDW 1376.2":                                           {format: "dlt645", topics: []string{"t"}, payloads: []string{frame13762(frame645(0x91, 0x33, 0x33, 0x34, 0x33, 0x33, 0x33, 0x53, 0x33))}, want: []string{"energy_total 2000"}, not: []string{"refused"}},
	"DL/T 645 in JSON":                                                   {format: "dlt645", topics: []string{"t"}, payloads: []string{`{"sn":"1","data":"68AA"}`}, want: []string{"rejected malformed"}},
	"DL/T 645: half a frame":                                             {format: "dlt645", topics: []string{"t"}, payloads: []string{frame645(0x91, 0x33, 0x33, 0x34, 0x33, 0x33, 0x33, 0x53, 0x33)[:26]}, want: []string{"rejected malformed frame says 8 bytes of data"}},
	"DL/T 645: a control code of no reply":                               {format: "dlt645", topics: []string{"t"}, payloads: []string{frame645(0x9f)}, want: []string{"rejected no_reading"}},
	"CJ/T 188: valve closed, weak battery":                               {format: "cjt188", topics: []string{"t"}, payloads: []string{frame188("0500")}, want: []string{"valve_open 0", "event low_battery active", "water_volume_total 12.34"}},
	"CJ/T 188: a maker's own status":                                     {format: "cjt188", topics: []string{"t"}, payloads: []string{frame188("0081")}, want: []string{"water_volume_total 12.34", "unmapped status 0081"}, not: []string{"event"}},
	"clock never set: words": {topics: []string{"acme/m/data"}, payloads: []string{`{"t":"--","total":1}`}, inventory: jsonInventory("acme/{device}/data", "water", `json: {time: [{path: t}]}, fields: {total: {quantity: water_volume_total}}`),
		want: []string{"water_volume_total 1 of m at 03:31:00Z 2026-11-28 replaced"}},
	"clock that is no clock": {topics: []string{"acme/m/data"}, payloads: []string{`{"t":"yesterday","total":1}`}, inventory: jsonInventory("acme/{device}/data", "water", `json: {time: [{path: t}]}, fields: {total: {quantity: water_volume_total}}`),
		want: []string{"rejected malformed"}},
	"date and time as a list": {topics: []string{"acme/m/data"}, payloads: []string{`{"d":20261128,"h":"80500","total":1}`}, inventory: jsonInventory("acme/{device}/data", "water", `json: {time: [{path: [d, h]}]}, fields: {total: {quantity: water_volume_total}}`),
		want: []string{"water_volume_total 1 of m at 00:05:00Z 2026-11-28"}},
	"year, month, day, hour, minute": {topics: []string{"acme/m/data"}, payloads: []string{`{"y":26,"mo":11,"d":28,"h":8,"mi":5,"total":1}`}, inventory: jsonInventory("acme/{device}/data", "water", `json: {time: [{path: [y, mo, d, h, mi]}]}, fields: {total: {quantity: water_volume_total}}`),
		want: []string{"water_volume_total 1 of m at 00:05:00Z 2026-11-28"}},
	"time before date": {topics: []string{"acme/m/data"}, payloads: []string{`{"d":"2026/11/28","h":"08:05","total":1}`}, inventory: jsonInventory("acme/{device}/data", "water", `json: {time: [{path: h}, {path: d}]}, fields: {total: {quantity: water_volume_total}}`),
		want: []string{"water_volume_total 1 of m at 00:05:00Z 2026-11-28"}},
	"a record that is bad costs itself": {topics: []string{"acme/m/data"}, payloads: []string{`{"r":[{"sn":"a","v":1},{"v":2},{"sn":"c","v":3}]}`}, inventory: jsonInventory("acme/+/data", "water", `json: {records: "r[*]", device: sn}, fields: {v: {quantity: water_volume_total}}`),
		want: []string{"water_volume_total 1 of a", "water_volume_total 3 of c", "refused r[*] 1 bad_identifier"}},
	"a values path that misses": {topics: []string{"acme/m/data"}, payloads: []string{`{"datas":{"v":1}}`}, inventory: jsonInventory("acme/{device}/data", "water", `json: {values: data}, fields: {v: {quantity: water_volume_total}}`),
		want: []string{`rejected no_reading nothing at values path "data"; there is datas`}},
	"heartbeats of a DTU": {topics: []string{"dtu/1", "dtu/1", "dtu/1", "dtu/1"}, payloads: []string{"heartbeat", "\x00", "REG 8613912345678,v2\r\n", frame645(0x91, 0x33, 0x33, 0x34, 0x33, 0x33, 0x33, 0x53, 0x33)},
		inventory: formatInventory("dlt645", "dtu/+", "lighting", `ignore: [heartbeat, "00", "REG *"]`), want: []string{"energy_total 2000", "ignored a payload the source ignores"}, not: []string{"rejected"}},
	"a device that is the source's": {topics: []string{"DahuaVTO/DoorStatus/Event"}, payloads: []string{`{"Code":"DoorStatus","Data":{"Status":"Open"}}`},
		inventory: formatInventory("dahua", "DahuaVTO/+/Event", "gate", "device: gate-9"), want: []string{"door_open 1 of gate-9"}},
	"Hikvision: ends, faults, what nobody knows": {format: "hikvision", topics: []string{"hikvision/g/event"}, payloads: []string{hikvisionJSON(1, 1029), hikvisionJSON(2, 1033), hikvisionJSON(5, 16), hikvisionJSON(5, 153), hikvisionJSON(5, 1999), hikvisionJSON(5, 136)},
		want: []string{"event tamper 1 ended", "event reader_fault 1 active", "event access_granted 1 active of g code 5/16", "event access_granted 1 active of g code 5/153", "rejected no_reading", "event climbed_over 1 active"}},
	"Hikvision: which way": {format: "hikvision", topics: []string{"hikvision/g/event"}, payloads: []string{strings.Replace(hikvisionJSON(5, 75), `"doorNo":1`, `"doorNo":1,"attendanceStatus":"checkOut"`, 1)}, want: []string{"pass_out 1 1 of g"}},
	"Dahua: real time first, unknown codes told": {format: "dahua", topics: []string{"dahua/g/x"}, payloads: []string{`{"Code":"BreakIn","Data":{"RealUTC":1795836000,"UTC":1795864800,"LocaleTime":"2026-11-28 11:20:00"}}`, `{"Code":"SomethingNew"}`},
		want: []string{"event door_forced active of g code at 03:20:00Z 2026-11-28", "rejected no_reading"}},
	"face terminal: online": {format: "face-gate", topics: []string{"mqtt/face/basic"}, payloads: []string{`{"operator":"Online","info":{"facesluiceId":"1026700"}}`}, want: []string{"event node_offline ended of 1026700"}},
}

func TestMoreFieldPayloads(t *testing.T) {
	for name, c := range moreFieldCases {
		t.Run(name, func(t *testing.T) { c.run(t, "") })
	}
}

func hikvisionJSON(major, minor int) string {
	return fmt.Sprintf(`{"dateTime":"2026-11-28T11:00:00+08:00","eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":%d,"subEventType":%d,"doorNo":1}}`, major, minor)
}

// protobuf is a message of fields of bytes: number, value, number, value.
func protobuf(fields ...any) (b []byte) {
	for i := 0; i+1 < len(fields); i += 2 {
		b = protowire.AppendTag(b, protowire.Number(fields[i].(int)), protowire.BytesType)
		b = protowire.AppendBytes(b, fields[i+1].([]byte))
	}
	return b
}

// sparkplugOf is a metric, as a field 2, with a value in field 13 (a double), 15, 17 or 18.
func sparkplugOf(name string, field int, value []byte) []byte {
	metric := protobuf(1, []byte(name))
	if field == 13 {
		metric = append(protowire.AppendTag(metric, 13, protowire.Fixed64Type), value...)
	} else {
		metric = append(metric, protobuf(field, value)...)
	}
	return protobuf(2, metric)
}

func sparkplugPayload(metrics ...[]byte) []byte {
	payload := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1795836000000)
	return append(payload, slices.Concat(metrics...)...)
}

// frame645 is a frame of meter 1 in hex, with these bytes of data as on the wire.
func frame645(control byte, data ...byte) string {
	frame := append([]byte{0x68, 1, 0, 0, 0, 0, 0, 0x68, control, byte(len(data))}, data...)
	return fmt.Sprintf("%x", append(frame, sum(frame), 0x16))
}

// frame13762 wraps a frame in hex as a concentrator's module does.
func frame13762(inner string) string {
	body := append([]byte{0x43, 0, 0, 0x5f, 0, 0, 0, 0x13, 1, 0, 2, 0, 0, 20}, mustHex(inner)...)
	frame := append([]byte{0x68, byte(len(body) + 5), 0}, body...)
	return fmt.Sprintf("%x", append(frame, sum(body), 0x16))
}

// frame188 is the reply of a water meter in hex, with this status.
func frame188(status string) string {
	frame := append([]byte{0x68, 0x10, 1, 0, 0, 0, 0, 0, 0, 0x81, 0x16}, mustHex("901f00341200002c000000002c00301028112620"+status)...)
	return fmt.Sprintf("%x", append(frame, sum(frame), 0x16))
}

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
