package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/metrics/alarms"
)

// fireInventory has a vendor that may introduce one device, one that may use two names of
// channels and types, one whose devices are listed, and one whose decoder fails.
const fireInventory = `
communities:
- {id: nancheng, name: 南城社区, lat: 34.75, lon: 106.13}
vendors:
- id: few
  max_devices: 1
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
- id: names
  limits: {channels: 1, types: 1, payload_bytes: 400}
  sources: [{topic: "names/{community}/{facility}/{device}", format: native}]
- id: listed
  unknown_devices: reject
  sources:
  - {topic: "listed/{device}", format: json, json: {time: [{path: "$.t"}]}}
  devices:
  - {id: bin-1, community: nancheng, facility: waste, name: 一号桶}
  - {id: bin-2, community: nancheng, facility: waste}
  - {id: bin-3, community: nancheng, facility: waste}
  - {id: hall-1, community: nancheng, facility: fire}
  - {id: shed-1, community: nancheng, facility: charging}
  - {id: lamp-1, community: nancheng, facility: lighting}
- id: elsewhere
  sources: [{topic: "elsewhere/#", format: json}]
  unknown_devices: reject
  devices: [{id: other, community: nancheng, facility: waste}]
`

// Issue 15: fire is never missed for a name, a quota, a clock or a duplicate, on
// the built program. Each sample is told in an alarm, the account stays balanced, and what
// is no fire is not told.
func TestFireIsNeverMissed(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "")
	inventory := filepath.Join(in.dir, "inventory.yaml")
	if err := os.WriteFile(inventory, []byte(fireInventory), 0o600); err != nil {
		t.Fatal(err)
	}
	in.end(syscall.SIGTERM)
	in.start()
	in.waitReady()
	p := newPublisher(t, broker)
	still := time.Now().Add(-time.Hour).Unix() // a clock that does not go on
	for _, m := range [][2]string{
		// What is no fire, and what makes the others refused.
		{"greencommunity/v1/nancheng/waste/first", `{"bin_temperature":20}`},
		{"names/nancheng/waste/n-1", `{"event":"opened","channel":"c1"}`},
		{"listed/bin-1", fmt.Sprintf(`{"t":%d,"temperature":21}`, still)},
		{"listed/bin-2", `{"smokeTest":true,"fire_battery_low":1,"smoke":false,"temperature":22}`},
		{"listed/lamp-1", `{"active_power":40,"temperature_limit":90,"heating":1}`},
		{"greencommunity/v1/nancheng/waste/quiet", `{"bin_temperature":30,"smoke":false}`},
		{"elsewhere/quiet", `{"type":"smoke_sensor","status":"normal","firmware":"fire-2.1"}`},
		{"elsewhere/over", `{"alarmType":"fire","alarmStatus":0,"deviceId":"over-1"}`},
		// A quota of devices, of channels, of types, of bytes.
		{"greencommunity/v1/nancheng/waste/second", `{"bin_temperature":91}`},
		{"greencommunity/v1/nancheng/waste/fahrenheit", `{"temperature_f":"201 F"}`},
		{"names/nancheng/waste/channel", `{"channel":"c2","bin_temperature":88}`},
		{"names/nancheng/waste/type", `{"event":"fire_alarm"}`},
		{"names/nancheng/waste/large", `{"smoke_alarm":true,"pad":"` + strings.Repeat("x", 500) + `"}`},
		// A device no list has, a topic no vendor has, a text that is cut off.
		{"listed/unlisted-1", `{"alarm":"火警","battery":80}`},
		{"elsewhere/hall/det-7", `{"deviceId":"det-7","event":{"alarmType":"smokeDetection","state":"active"}}`},
		{"listed/hall-1", `{"smoke_sensor_status":"alarm","battery_percentage":9`},
		// A clock: the reading has the time of the one before.
		{"listed/bin-1", fmt.Sprintf(`{"t":%d,"temperature":95}`, still)},
		// A name, a unit, a value out of range.
		{"listed/bin-3", `{"temperature":{"value":900,"unit":"Cel"}}`},
		{"listed/shed-1", `{"fireAlarm":1}`},
	} {
		p.publish(m[0], []byte(m[1]))
	}
	want := map[string]string{
		"second": "fire_reported", "fahrenheit": "fire_reported", "channel": "bin_fire", "type": "bin_fire", "large": "fire_reported",
		"unlisted-1": "fire_reported", "det-7": "fire_reported", "hall-1": "smoke", "bin-1": "bin_fire", "bin-3": "bin_fire", "shed-1": "fire_reported",
	}
	told := func() map[string]string {
		t.Helper()
		text, err := get(in.url + "/api/v1/alarms")
		var items []alarms.Item
		if err == nil {
			err = json.Unmarshal([]byte(text), &items)
		}
		if err != nil {
			t.Fatal(err)
		}
		of := map[string]string{}
		for _, i := range items {
			of[string(i.Device)] = i.Kind
			if i.Severity != "critical" {
				t.Errorf("%s of %s is %s", i.Kind, i.Device, i.Severity)
			}
			if i.Device == "second" && (i.Vendor != "few" || i.Community != "nancheng" || !strings.Contains(i.Why.ZH, "bin_temperature = 91")) {
				t.Errorf("the alarm of a device over the quota does not say what is known: %+v %s", i.State, i.Why.ZH)
			}
		}
		return of
	}
	check := func() {
		t.Helper()
		eventually(t, 30*time.Second, "fires told", func() error {
			got := told()
			var wrong []string
			for device, kind := range want {
				if got[device] != kind {
					wrong = append(wrong, fmt.Sprintf("%s is told as %q, want %s", device, got[device], kind))
				}
			}
			if wrong != nil {
				return fmt.Errorf("%s; all: %v", strings.Join(wrong, "; "), got)
			}
			if len(got) > len(want) {
				t.Fatalf("what is no fire is told: %v", got)
			}
			return nil
		})
	}
	check()
	in.end(syscall.SIGKILL) // the alarms follow from the journal
	in.start()
	in.waitReady()
	check()
	// Nonsense cannot flood: of a vendor so many are open, and one for all others.
	for i := range 60 {
		p.publish(fmt.Sprintf("elsewhere/flood/f-%d", i), []byte(`{"fire":true}`))
	}
	p.publish("greencommunity/v1/nancheng/waste/last", []byte(`{"bin_temperature":93}`))
	want["last"] = "fire_reported"
	eventually(t, 30*time.Second, "a fire after a flood", func() error {
		got := told()
		flood := 0
		for device := range got {
			if strings.HasPrefix(device, "f-") {
				flood++
			}
		}
		if got["last"] == "" || len(got) > len(want)+17 || flood < 10 {
			return fmt.Errorf("%d alarms, %d of the flood, of the other vendor %q", len(got), flood, got["last"])
		}
		return nil
	})
	eventually(t, 10*time.Second, "all of it in the account", func() error {
		s, err := in.metrics()
		if err != nil {
			return err
		}
		count := func(name string) (sum float64) {
			for key, v := range s {
				if strings.HasPrefix(key, name) {
					sum += v
				}
			}
			return sum
		}
		received, rejected := count("greencommunity_messages_received_total"), count("greencommunity_messages_rejected_total")
		rest := count("greencommunity_messages_stored_total") + count("greencommunity_messages_duplicate_total") +
			count("greencommunity_messages_ignored_total") + count("greencommunity_messages_pending")
		if received != 80 || rejected < 60 || received != rejected+rest {
			return fmt.Errorf("%v received, %v rejected, %v else", received, rejected, rest)
		}
		return nil
	})
}
