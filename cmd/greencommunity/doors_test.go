//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Doors open in any order, and none tells the time. Half of the messages wait
// with the broker while the service is away, half come while it runs; it is
// killed in between. Each opening is a point of its own: nothing is missing,
// nothing stands twice, and nothing is taken for a redelivery.
func testDoors(t *testing.T, doors, backlog int) {
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "")
	in.waitReady()
	in.end(syscall.SIGTERM) // the session stays, and its queue
	p := newPublisher(t, broker)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	sent := map[string]int{}
	openings := func(from, n int) {
		window := make([]paho.Token, 0, 400)
		wait := func() {
			for _, token := range window {
				if !token.WaitTimeout(30*time.Second) || token.Error() != nil {
					t.Fatalf("not acknowledged: %v", token.Error())
				}
			}
			window = window[:0]
		}
		for i := from; i < from+n; i++ {
			door := fmt.Sprintf("g%d", random.IntN(doors))
			sent[door]++
			payload := `{"pass_in":1}`
			if i%2 == 0 {
				payload = fmt.Sprintf(`{"pass_in":1,"event":"door_forced","code":"v%d"}`, i)
			}
			window = append(window, p.client.Publish("greencommunity/v1/nancheng/gate/"+door, 1, false, payload))
			if len(window) == cap(window) {
				wait()
			}
		}
		wait()
	}
	openings(0, backlog)
	in.start()
	for n := range 4 {
		openings(backlog+n*backlog/4, backlog/4)
		if n%2 == 0 {
			in.end(syscall.SIGKILL)
			in.start()
		}
	}
	all := backlog + backlog/4*4
	s := in.waitSettled(float64(all), 3*time.Minute)
	events := 0
	for _, row := range db.rows(`SELECT code FROM events WHERE type = 'door_forced'`) {
		if row["code"] != nil {
			events++
		}
	}
	missing, more := 0, 0
	got := map[string]int{}
	for _, row := range db.rows(`SELECT sum(pass_in) FROM gate GROUP BY device`) {
		n := 0
		if _, err := fmt.Sscan(fmt.Sprint(row["sum"]), &n); err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprint(row["device"])] = n
	}
	for door, n := range sent {
		missing += max(0, n-got[door])
		more += max(0, got[door]-n)
	}
	t.Logf("seed %d: %d doors, %d openings, %d of them in the backlog: missing %d, double %d, events %d; duplicates %.0f, received %.0f",
		seed, doors, all, backlog, missing, more, events, s.sum("greencommunity_messages_duplicate_total"), s.sum("greencommunity_messages_received_total"))
	if missing != 0 || more != 0 || events != (all+1)/2 {
		t.Errorf("%d openings are missing, %d are double, %d events of %d", missing, more, events, (all+1)/2)
	}
	// What the broker sends again after a kill comes on top of what was sent.
	if again := s.sum("greencommunity_messages_received_total") - float64(all); s.sum("greencommunity_messages_duplicate_total") != again {
		t.Errorf("%.0f messages were taken for others", s.sum("greencommunity_messages_duplicate_total")-again)
	}
	if info, err := os.Stat(filepath.Join(in.dir, "data", "rejects.ndjson")); err == nil && info.Size() > 0 {
		t.Errorf("%d bytes of rejects", info.Size())
	}
}

func TestLongDoors(t *testing.T) {
	t.Parallel()
	sizes := [][2]int{{200, 4000}}
	if long() {
		sizes = [][2]int{{200, 30_000}, {2000, 60_000}, {10_000, 100_000}}
	}
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%d doors", size[0]), func(t *testing.T) { testDoors(t, size[0], size[1]) })
	}
}

// Mosquitto is stopped in order while it hands over a backlog, and started again.
// It sends a great part of what it had our acknowledgement of once more (see
// pipeline.resent), of messages without a time. Each stands once.
func TestLongBrokerStopsWhileItDrains(t *testing.T) {
	t.Parallel()
	backlog := 4_000
	if long() {
		backlog = 200_000
	}
	mosquitto, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "")
	in.waitReady()
	in.end(syscall.SIGTERM)
	p := newPublisher(t, broker)
	var window []paho.Token
	for i := range backlog {
		window = append(window, p.client.Publish(fmt.Sprintf("greencommunity/v1/nancheng/gate/g%d", i*i%8191%200), 1, false, `{"pass_in":1}`))
		if len(window) == 400 || i == backlog-1 {
			for _, token := range window {
				if !token.WaitTimeout(30*time.Second) || token.Error() != nil {
					t.Fatalf("not acknowledged: %v", token.Error())
				}
			}
			window = window[:0]
		}
	}
	p.client.Disconnect(100)
	in.start()
	eventually(t, time.Minute, "half of the backlog", func() error {
		s, err := in.metrics()
		if err != nil {
			return err
		}
		if got := s.sum("greencommunity_messages_received_total"); got < float64(backlog/2) {
			return fmt.Errorf("%.0f received", got)
		}
		return nil
	})
	mosquitto.end(syscall.SIGTERM)
	mosquitto.start()
	waitPort(t, broker)
	s := in.waitSettled(float64(backlog), 3*time.Minute)
	stored := 0
	eventually(t, 30*time.Second, "all points", func() error {
		rows := db.rows(`SELECT sum(pass_in) FROM gate`)
		if len(rows) != 1 {
			return fmt.Errorf("%d rows", len(rows))
		}
		if _, err := fmt.Sscan(fmt.Sprint(rows[0]["sum"]), &stored); err != nil || stored < backlog {
			return fmt.Errorf("%d passes, %w", stored, err)
		}
		return nil
	})
	t.Logf("%d messages, sent again %.0f, passes in InfluxDB %d", backlog, s.sum("greencommunity_redeliveries_recognised_total"), stored)
	if stored != backlog || s.sum("greencommunity_messages_received_total") != float64(backlog) {
		t.Errorf("%d passes of %d, of %.0f messages", stored, backlog, s.sum("greencommunity_messages_received_total"))
	}
}
