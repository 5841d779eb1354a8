package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/simulator"
)

// Whatever happens to the journal's files while messages wait in them, the
// service starts, the account closes with what is gone counted as lost, nothing
// waits for ever, and what comes next is stored (cases attack 02 and 03,
// operations 19, and their kind).
func TestDamagedJournal(t *testing.T) {
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
	inv := inventorytest.Parse(t, doors, time.UTC)
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	const before, after = 60, 15
	newest := func(t *testing.T, dir string) string {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(dir, "journal", "0*"))
		if err != nil || len(all) == 0 {
			t.Fatalf("%v %v", all, err)
		}
		return all[len(all)-1]
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		least  float64 // lost
		most   float64
	}{
		{"bytes change in the middle", func(t *testing.T, dir string) {
			path := newest(t, dir)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 9 { // more than the one bit that is put right
				data[len(data)/2+i] ^= 0x55
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 1, before},
		{"a bit flips", func(t *testing.T, dir string) {
			path := newest(t, dir)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2+40] ^= 4
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0, 0},
		{"all of the journal is deleted", func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
				t.Fatal(err)
			}
		}, before, before},
		{"an empty segment, and one far ahead", func(t *testing.T, dir string) {
			for _, name := range []string{"00000009", "00000700"} {
				if err := os.WriteFile(filepath.Join(dir, "journal", name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, 0, 0},
		{"checkpoint and account are deleted", func(t *testing.T, dir string) {
			for _, name := range []string{"checkpoint", "account"} {
				os.Remove(filepath.Join(dir, name))
			}
		}, 0, 0},
		{"the journal's end is cut off", func(t *testing.T, dir string) {
			path := newest(t, dir)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()-10); err != nil {
				t.Fatal(err)
			}
		}, 1, before},
	} {
		t.Run(c.name, func(t *testing.T) {
			device := "d" + fmt.Sprint(len(c.name))
			dir, sent := filepath.Join(t.TempDir(), "data"), 0
			send := func(n int) {
				for range n {
					sent++
					m := simulator.Message{Topic: "greencommunity/v1/nancheng/gate/" + device, Payload: fmt.Appendf(nil, `{"time":%d,"pass_in":1}`, time.Now().UnixMilli()-1000+int64(sent))}
					if err := publish.Publish(m); err != nil {
						t.Fatal(err)
					}
				}
				if err := publish.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			away := run(t, dir, inv, broker.URL(), "http://127.0.0.1:1")
			send(before)
			for deadline := time.Now().Add(30 * time.Second); away.counters()["messages_received_total"] < before; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%v", away.counters())
				}
			}
			away.stop()
			c.damage(t, dir)
			s := run(t, dir, inv, broker.URL(), database.URL())
			defer func() { s.stop() }()
			send(after)
			var now map[string]float64
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				now = s.counters()
				if now["messages_received_total"] == before+after && now["messages_pending"] == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("sent %d: %v", sent, now)
				}
			}
			lost := now["messages_lost_total"]
			if lost < c.least || lost > c.most {
				t.Errorf("%g messages count as lost, want %g to %g", lost, c.least, c.most)
			}
			if now["messages_stored_total"]+lost != before+after || now["messages_rejected_total"] != lost {
				t.Errorf("stored %g, rejected %g, lost %g, sent %d", now["messages_stored_total"], now["messages_rejected_total"], lost, sent)
			}
			rows, err := database.Query(context.Background(), "facilities", "SELECT count(pass_in) FROM gate WHERE device = '"+device+"'")
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(rows[0].Values[0][1]); got != fmt.Sprint(before+after-lost) {
				t.Errorf("InfluxDB has %s points", got)
			}
		})
	}
}
