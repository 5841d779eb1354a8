package trial

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
)

// What decode prints of a payload that nobody has mapped is an inventory that reads it.
func TestSuggestedInventoryReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, format, topic, payload string
		kind                         ingest.FacilityKind
		want                         []string
	}{
		{"a meter's private JSON", "json", "acme/m1/data", `{"ts":1795836000,"Temp":21.5,"totalFlow":12.345,"BatVoltage":"3.6V","csq":-80,"state":"idle: \"x\" # y","用水":null}`, "water",
			[]string{"water_temperature", "water_volume_total", "battery_voltage", "rssi"}},
		{"a lamp of a platform", "alink", "/sys/p/l1/thing/event/property/post", `{"params":{"LampVoltage":229.5,"Bright":0.5,"DevicePower":41,"weird[name]":1}}`, "lighting", []string{"voltage", "light_level", "active_power"}},
	} {
		try := Trial{Format: c.format, Device: "device", Community: "nancheng", Facility: string(c.kind)}
		received := time.Date(2026, 11, 28, 3, 31, 0, 0, time.UTC).UnixNano()
		message := &ingest.Message{Seq: 1, Topic: c.topic, Payload: []byte(c.payload), Received: received}
		worker, _, err := try.Best([]*ingest.Message{message})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		Suggest(&text, c.format, c.topic, "nancheng", c.kind, "", worker.Decode(message).Unmapped)
		inv, err := inventory.Parse([]byte("communities: [{id: nancheng, name: 南城}]\nvendors:\n"+text.String()), time.UTC)
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, text.String())
		}
		r := decode.NewWorker(inv, inventory.NewRegistry(inv)).Decode(message)
		var have []string
		for i := range r.Readings {
			have = append(have, r.Readings[i].Quantity.Name)
		}
		if r.Err != nil || len(r.Unmapped) > 0 || strings.Join(have, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %v, unmapped %v, readings %v, want %v\n%s", c.name, r.Err, r.Unmapped, have, c.want, text.String())
		}
	}
}
