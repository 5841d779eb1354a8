package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/simulator"
)

const doors = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: v
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
- id: relayed
  unknown_devices: accept
  sources:
  - {topic: "relay/+/up", format: json, community: nancheng, facility: gate,
     json: {device: id, records: "[*]"}, fields: {passes: {quantity: pass_in, unit: "1"}}}
`

// What carries no time is never a duplicate and never overwritten: as many
// points as readings, however many come in a millisecond, by however many
// topics or in one array, and whether InfluxDB takes them at once or after an
// outage and a restart (cases attack 01 and its kind).
func TestTimelessReadingsAreAllStored(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	influxDir := t.TempDir()
	database, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: influxDir, Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	address := database.Addr()
	defer func() { database.Close() }()
	inv := inventorytest.Parse(t, doors, time.UTC)
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	sent := 0
	want := map[string]float64{} // passes by device
	send := func(topic, payload string, devices ...string) {
		sent++
		for _, d := range devices {
			want[d]++
		}
		if err := publish.Publish(simulator.Message{Topic: topic, Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	var given []string
	if cases := os.Getenv("GREENCOMMUNITY_CASES"); cases != "" {
		text, err := os.ReadFile(filepath.Join(cases, "field/attack/01-timeless-interleaved/messages.txt"))
		if err != nil {
			t.Fatal(err)
		}
		given = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	random := rand.New(rand.NewPCG(7, 7))
	burst := func() {
		for range 100 {
			for _, line := range given {
				topic, payload, _ := strings.Cut(line, "\t")
				if _, device, lamp := strings.Cut(topic, "/lighting/"); lamp {
					send(topic, payload, "lamp "+device)
				} else {
					send(topic, payload, topic[strings.LastIndexByte(topic, '/')+1:])
				}
			}
		}
		for range 300 { // two topics that once shared a slot, and a third
			send("greencommunity/v1/nancheng/gate/g2d3", `{"pass_in":1}`, "g2d3")
			send("greencommunity/v1/nancheng/gate/t1d12", `{"pass_in":1}`, "t1d12")
			send("greencommunity/v1/nancheng/gate/g9d9", `{"pass_in":1}`, "g9d9")
		}
		for range 3000 {
			d := fmt.Sprintf("door-%05d", random.IntN(200))
			send("greencommunity/v1/nancheng/gate/"+d, `{"pass_in":1}`, d)
		}
		for i := range 600 { // one door by five relays
			send(fmt.Sprintf("relay/r%d/up", i%5), `[{"id":"far","passes":1}]`, "far")
		}
		for range 50 { // one door often in one message
			send("greencommunity/v1/nancheng/gate/list", `[`+strings.TrimSuffix(strings.Repeat(`{"pass_in":1},`, 7), ",")+`]`,
				"list", "list", "list", "list", "list", "list", "list")
		}
		if err := publish.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "data")
	s := run(t, dir, inv, broker.URL(), database.URL())
	settled := func(decided bool) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			c := s.counters()
			if c["messages_received_total"] >= float64(sent) && (!decided || c["messages_pending"] == 0) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("sent %d: %v", sent, c)
			}
		}
	}
	burst() // live
	settled(true)
	if err := database.Close(); err != nil {
		t.Fatal(err)
	}
	burst() // into the journal alone
	settled(false)
	s.stop()
	database, err = embedded.StartInfluxDB(embedded.InfluxConfig{Addr: address, Dir: influxDir, Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	s = s.again() // what waits is read from the journal
	defer func() { s.stop() }()
	burst() // at once after the start, while times of before are ahead of the clock
	settled(true)

	if n := s.counters()["messages_duplicate_total"]; n != 0 {
		t.Errorf("%g messages without a device time count as duplicates", n)
	}
	rows, err := database.Query(context.Background(), "facilities", "SELECT sum(pass_in) FROM gate GROUP BY device")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range rows {
		var v float64
		if _, err := fmt.Sscan(fmt.Sprint(r.Values[0][1]), &v); err != nil {
			t.Fatal(err)
		}
		got[r.Tags["device"]] = v
	}
	rows, err = database.Query(context.Background(), "facilities", "SELECT count(active_power) FROM lighting GROUP BY device")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		var v float64
		if _, err := fmt.Sscan(fmt.Sprint(r.Values[0][1]), &v); err != nil {
			t.Fatal(err)
		}
		got["lamp "+r.Tags["device"]] = v
	}
	for d, n := range want {
		if got[d] != n {
			t.Errorf("%s: %g passes of %g are in InfluxDB", d, got[d], n)
		}
	}
}
