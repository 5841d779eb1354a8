//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The disk dies while InfluxDB is away and the process with it: with acknowledge: stored
// the broker still has all that InfluxDB had not confirmed, and another data directory
// begins with it.
func TestAcknowledgeStored(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "acknowledge: stored\n")
	in.waitReady()
	const n = 3000
	began := time.Now()
	publish := func(from, to int) {
		var all sync.WaitGroup
		for v := range 4 {
			p := newPublisher(t, broker)
			all.Go(func() {
				var tokens []interface{ WaitTimeout(time.Duration) bool }
				for i := from + v; i < to; i += 4 {
					payload := fmt.Sprintf(`{"pass_in":1,"event":"door_forced","code":"v%d"}`, i)
					tokens = append(tokens, p.client.Publish(fmt.Sprintf("greencommunity/v1/nancheng/gate/g%d", i%20), 1, false, payload))
				}
				for _, token := range tokens {
					if !token.WaitTimeout(30 * time.Second) {
						t.Error("the broker does not take a message")
					}
				}
			})
		}
		all.Wait()
	}
	publish(0, n)
	in.waitSettled(n, time.Minute)
	took := time.Since(began)
	db.stop()
	publish(n, 2*n)
	eventually(t, 30*time.Second, "some of them in the journal", func() error {
		s, err := in.metrics()
		if err == nil && s.sum("greencommunity_messages_pending") < 100 {
			err = fmt.Errorf("%.0f wait", s.sum("greencommunity_messages_pending"))
		}
		return err
	})
	in.end(syscall.SIGKILL)
	if err := os.RemoveAll(filepath.Join(in.dir, "data")); err != nil {
		t.Fatal(err)
	}
	db.start()
	in.start()
	in.waitReady()
	stored := map[string]int{}
	eventually(t, time.Minute, "everything", func() error {
		clear(stored)
		for _, row := range db.rows(`SELECT code FROM events WHERE type = 'door_forced'`) {
			stored[fmt.Sprint(row["code"])]++
		}
		if len(stored) < 2*n {
			return fmt.Errorf("%d of %d", len(stored), 2*n)
		}
		return nil
	})
	double := 0
	for _, n := range stored {
		double += n - 1
	}
	t.Logf("%d messages published, %d stored, %d of them twice; the first %d in %s", 2*n, len(stored), double, n, took.Round(time.Millisecond))
	if double > 500 { // the broker's window
		t.Errorf("%d are stored twice", double)
	}
}
