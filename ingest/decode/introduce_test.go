package decode

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

// A message that is refused introduces no device (case house
// 01-refused-introduces-device).
func TestHouse01RefusedIntroducesDevice(t *testing.T) {
	cases := inventorytest.Cases(t)
	dir := filepath.Join(cases, "field/house/01-refused-introduces-device")
	inv, err := inventory.Load(filepath.Join(dir, "inventory.yaml"), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "messages.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	registry := inventory.NewRegistry(inv)
	w := NewWorker(inv, registry)
	var last *Result
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		topic, payload, ok := strings.Cut(lines.Text(), " ")
		if !ok || !strings.Contains(topic, "/") {
			continue
		}
		n++
		last = w.Decode(&ingest.Message{Seq: uint64(n), Received: time.Now().UnixNano(), Topic: topic, Payload: []byte(strings.TrimSpace(payload))})
	}
	if n != 4 || last.Err != nil || len(last.Readings) == 0 || registry.Len() != 1 || last.Devices[0] != 0 {
		t.Errorf("of %d messages the last comes to %v, %d readings; %d devices are registered", n, last.Err, len(last.Readings), registry.Len())
	}
}

// Devices of which nothing was accepted are not registered and take no place of
// the quota, whatever refuses the message; in one message with more new devices
// than the vendor may introduce, the first ones are taken and the others told.
func TestWhatIntroducesDevices(t *testing.T) {
	inv := inventorytest.Parse(t, `
communities: [{id: c, name: c}]
vendors:
- id: v
  unknown_devices: accept
  max_devices: 2
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
  - {topic: "batch/{facility}", format: json, community: c, json: {device: id, records: "[*]"}, fields: {p: {quantity: active_power, unit: W}, door: {event: door_opened}}}
  - {topic: "lora/up", format: chirpstack, community: c, facility: water}
`, time.UTC)
	for _, c := range []struct {
		name, topic, payload string
		devices, readings    int // registered, accepted
		reason               ingest.Reason
	}{
		{"a good one", "greencommunity/v1/c/lighting/l1", `{"active_power":1}`, 1, 1, ""},
		{"out of range", "greencommunity/v1/c/lighting/l1", `{"active_power":1e99}`, 0, 0, ingest.OutOfRange},
		{"not a number", "greencommunity/v1/c/lighting/l1", `{"active_power":"on"}`, 0, 0, ingest.BadValue},
		{"no JSON", "greencommunity/v1/c/lighting/l1", `{`, 0, 0, ingest.Malformed},
		{"nothing in it", "greencommunity/v1/c/lighting/l1", `{}`, 0, 0, ingest.NoReading},
		{"a field nobody knows", "greencommunity/v1/c/lighting/l1", `{"blink":1}`, 0, 0, ingest.NoReading},
		{"a bad channel", "greencommunity/v1/c/lighting/l1", `{"channel":"a,b","active_power":1}`, 0, 0, ingest.BadIdentifier},
		{"an unknown community", "greencommunity/v1/x/lighting/l1", `{"active_power":1}`, 0, 0, ingest.UnknownCommunity},
		{"part good", "greencommunity/v1/c/lighting/l1", `{"active_power":1,"voltage":1e99}`, 1, 1, ""},
		{"one of three good", "batch/lighting", `[{"id":"a","p":"x"},{"id":"b","p":1},{"id":"c","p":1e99}]`, 1, 1, ""},
		{"none of three good", "batch/lighting", `[{"id":"a","p":"x"},{"id":"b","p":"y"},{"id":"c","p":"z"}]`, 0, 0, ingest.BadValue},
		{"more new ones than it may", "batch/lighting", `[{"id":"a","p":1},{"id":"b","p":2},{"id":"c","p":3},{"id":"a","p":1},{"id":"d","p":5}]`, 2, 3, ""},
		{"a LoRaWAN frame nobody reads", "lora/up", `{"deviceInfo":{"devEui":"0102030405060708"},"fPort":1,"data":"AAAA"}`, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry := inventory.NewRegistry(inv)
			w := NewWorker(inv, registry)
			r := w.Decode(&ingest.Message{Seq: 1, Received: time.Now().UnixNano(), Topic: c.topic, Payload: []byte(c.payload)})
			if registry.Len() != c.devices || registry.Unlisted("v") != c.devices || len(r.Readings) != c.readings {
				t.Errorf("%d devices, %d count for the quota, %d readings: %v %v", registry.Len(), registry.Unlisted("v"), len(r.Readings), r.Err, r.Refused)
			}
			if (r.Err != nil) != (c.readings == 0) || r.Err != nil && c.reason != "" && r.Err.Reason != c.reason {
				t.Errorf("refused as %v, want %q", r.Err, c.reason)
			}
			for i := range r.Readings {
				if int(r.Devices[i]) >= registry.Len() || registry.At(r.Devices[i]) != r.Readings[i].Device {
					t.Errorf("reading %d is of device %d, %v", i, r.Devices[i], r.Readings[i].Device)
				}
			}
			if c.name == "more new ones than it may" {
				if len(r.Refused) != 2 || r.Refused[0].Refusal.Reason != ingest.TooManyDevices || r.Readings[2].Device.ID != "a" || r.Devices[2] != 0 {
					t.Errorf("%v %v", r.Refused, r.Devices)
				}
			}
		})
	}
}
