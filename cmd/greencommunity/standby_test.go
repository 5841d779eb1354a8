//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startStandby starts a second process on the data directory of the first.
func startStandby(t *testing.T, of *ingester) *ingester {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(of.dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + freePort(t)
	path := filepath.Join(of.dir, "standby.yaml")
	write(t, path, strings.Replace(string(text), strings.TrimPrefix(of.url, "http://"), address, 1))
	in := &ingester{dir: of.dir, url: "http://" + address}
	in.process = startProcess(t, built.Path(t), "run", "--standby", "--config", path)
	return in
}

// The process that works is killed while messages come: the standby goes on with what it
// had and with what the broker kept, each message is stored once, and it says that it did.
// Then the one before is back as the standby, and takes over in its turn.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	active := startIngester(t, broker, "http://"+db.addr, "")
	active.waitReady()
	standby := startStandby(t, active)
	standbySays := func(in *ingester, want float64) {
		t.Helper()
		eventually(t, 30*time.Second, fmt.Sprintf("greencommunity_standby %v", want), func() error {
			s, err := in.metrics()
			if err == nil && (s["greencommunity_standby"] != want || len(s) == 0) {
				err = fmt.Errorf("it is %v", s["greencommunity_standby"])
			}
			return err
		})
	}
	standbySays(standby, 1)
	if _, err := get(standby.url + "/-/ready"); err == nil {
		t.Error("a standby that waits says that it is ready")
	}
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	published := 0
	p := newPublisher(t, broker)
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
			}
			p.publish(fmt.Sprintf("greencommunity/v1/nancheng/gate/g%d", published%20), fmt.Appendf(nil, `{"pass_in":1,"event":"door_forced","code":"v%d"}`, published))
			published++
		}
	})
	first := active
	for range 2 {
		time.Sleep(time.Second)
		began := time.Now()
		active.end(syscall.SIGKILL)
		standby.waitReady()
		took := time.Since(began)
		t.Logf("taken over %s after SIGKILL", took.Round(time.Millisecond))
		standbySays(standby, 0)
		if active == first { // it is back, as the standby
			active.args = append(active.args, "--standby")
		}
		active.start()
		standbySays(active, 1)
		active, standby = standby, active
	}
	close(stop)
	publishing.Wait()
	stored := map[string]int{}
	eventually(t, time.Minute, "everything", func() error {
		clear(stored)
		for _, row := range db.rows(`SELECT code FROM events WHERE type = 'door_forced'`) {
			stored[fmt.Sprint(row["code"])]++
		}
		if len(stored) < published {
			return fmt.Errorf("%d of %d", len(stored), published)
		}
		return nil
	})
	s := active.waitSettled(float64(published), time.Minute)
	double := 0
	for _, n := range stored {
		double += n - 1
	}
	received := s.sum("greencommunity_messages_received_total")
	t.Logf("published %d, received %.0f, stored %d, doubled %d", published, received, len(stored), double)
	if double > 0 || received != float64(published) {
		t.Errorf("published %d, received %.0f, doubled %d", published, received, double)
	}
}

// Where a lock is lost and nobody says so, who was there before finds another's name in the
// data directory and ends.
func TestOwnerEndsWhereAnotherTookOver(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "")
	in.waitReady()
	owner := filepath.Join(in.dir, "data", "owner")
	eventually(t, 10*time.Second, "a name in the data directory", func() error { _, err := os.Stat(owner); return err })
	write(t, owner, "SOMEBODYELSE otherhost 1\n")
	eventually(t, 20*time.Second, "the end", func() error {
		if !in.ended() {
			return fmt.Errorf("it goes on")
		}
		return nil
	})
	if text := in.log.String(); !strings.Contains(text, "another process has taken over the data directory") || !strings.Contains(text, "otherhost") {
		t.Errorf("it says %s", text)
	}
}
