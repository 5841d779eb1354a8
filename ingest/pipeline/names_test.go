package pipeline_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/simulator"
)

// A vendor that fills every table of names it can costs another nothing: all
// its channels, quantities and events are stored, also those of one time, also
// after a restart (attack F5 and its kind).
func TestHostileNames(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	database, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	inv := inventorytest.Parse(t, `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- {id: honest, sources: [{topic: "honest/{community}/{facility}/{device}", format: native}]}
- {id: evil, sources: [{topic: "evil/{community}/{facility}/{device}", format: native}]}
`, time.UTC)
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	sent := 0
	send := func(topic, payload string) {
		t.Helper()
		sent++
		if err := publish.Publish(simulator.Message{Topic: topic, Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	s := run(t, dir, inv, broker.URL(), database.URL())
	settled := func() map[string]float64 {
		t.Helper()
		if err := publish.Flush(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			c := s.counters()
			if c["messages_received_total"] == float64(sent) && c["messages_pending"] == 0 {
				return c
			}
			if time.Now().After(deadline) {
				t.Fatalf("sent %d: %v", sent, c)
			}
		}
	}
	const at = 1_795_392_000_000
	names := 0
	fill := func(member string) {
		var list strings.Builder
		for range 4000 {
			names++
			fmt.Fprintf(&list, `,{"time":%d,%s}`, at, fmt.Sprintf(member, names))
		}
		send("evil/nancheng/water/e1", "["+list.String()[1:]+"]")
	}
	for range 18 { // more than 65,535 of them
		fill(`"channel":"c%d","water_flow":0.1`)
	}
	for range 3 {
		fill(`"event":"tamper%d"`)
	}
	// Native takes events of any name, so the last may have been one of those.
	honest := func(device string) {
		send("honest/nancheng/water/"+device, fmt.Sprintf(`[{"time":%d,"channel":"a","water_flow":1},{"time":%d,"channel":"b","water_flow":2},{"time":%d,"channel":"c","water_flow":3}]`, at, at, at))
		send("honest/nancheng/water/"+device, fmt.Sprintf(`{"time":%d,"water_pressure":200000}`, at))
		send("honest/nancheng/water/"+device, fmt.Sprintf(`{"time":%d,"battery_level":80}`, at))
		send("honest/nancheng/gate/g"+device, fmt.Sprintf(`{"time":%d,"event":"door_opened"}`, at))
		send("honest/nancheng/gate/g"+device, fmt.Sprintf(`{"time":%d,"event":"door_forced"}`, at))
	}
	honest("h1")
	c := settled()
	s.stop()
	s = s.again()
	defer func() { s.stop() }()
	fill(`"channel":"c%d","water_flow":0.1`)
	honest("h2")
	again := settled()
	if again["messages_duplicate_total"] != 0 || c["messages_duplicate_total"] != 0 {
		t.Errorf("%g messages are called duplicates", again["messages_duplicate_total"])
	}
	for _, c := range []struct {
		metric, vendor, reason string
		want                   bool
	}{
		{"messages_rejected_total", "evil", "too_many_channels", true},
		{"readings_refused_total", "evil", "too_many_channels", true},
		{"readings_refused_total", "honest", "too_many_channels", false},
		{"messages_rejected_total", "honest", "too_many_channels", false},
		{"messages_rejected_total", "honest", "too_many_types", false},
	} {
		there := false
		for name, v := range again {
			if strings.HasPrefix(name, c.metric) && strings.Contains(name, `"`+c.vendor+`"`) && strings.Contains(name, `"`+c.reason+`"`) {
				there = true
				if v > 0 != c.want {
					t.Errorf("%s is %g", name, v)
				}
			}
		}
		if !there {
			t.Errorf("%s of %s for %s is not there", c.metric, c.vendor, c.reason)
		}
	}
	for query, want := range map[string]string{
		"SELECT count(water_flow) FROM water WHERE vendor = 'honest'":     "6",
		"SELECT count(water_pressure) FROM water WHERE vendor = 'honest'": "2",
		"SELECT count(battery_level) FROM water WHERE vendor = 'honest'":  "2",
		"SELECT count(active) FROM events WHERE vendor = 'honest'":        "4",
		"SELECT count(water_flow) FROM water WHERE vendor = 'evil'":       "4096",
	} {
		rows, err := database.Query(context.Background(), "facilities", query)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 || fmt.Sprint(rows[0].Values[0][1]) != want {
			t.Errorf("%s: %v, want %s", query, rows, want)
		}
	}
}
