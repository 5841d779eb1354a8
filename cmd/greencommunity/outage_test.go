package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// publishAt publishes so many messages a second until stop is closed; each is
// a point of its own. It returns how many the broker has acknowledged.
func publishAt(t testing.TB, broker string, perSecond int, stop <-chan struct{}) (acked func() int) {
	var n atomic.Int64
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		p := newPublisher(t, broker)
		window := make(chan struct{}, 500)
		for i := 0; ; i++ {
			due := start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
			select {
			case <-stop:
				for range cap(window) {
					window <- struct{}{}
				}
				return
			case <-time.After(time.Until(due)):
			}
			window <- struct{}{}
			token := p.client.Publish(fmt.Sprintf("greencommunity/v1/nancheng/lighting/d%d", i%500), 1, false, fmt.Appendf(nil, `{"time":%d,"active_power":%d}`, time.Now().UnixMilli(), i))
			go func() {
				if token.WaitTimeout(30*time.Second) && token.Error() == nil {
					n.Add(1)
				} else {
					t.Errorf("message %d not acknowledged: %v", i, token.Error())
				}
				<-window
			}()
		}
	}()
	return func() int {
		<-done
		return int(n.Load())
	}
}

func (in *ingester) rss() int64 {
	in.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", in.cmd.Process.Pid))
	if err != nil {
		in.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		in.t.Fatal(err)
	}
	return kib << 10
}

// While InfluxDB is away, messages are acknowledged, /metrics answers and
// memory stays; when it is back everything is there.
func TestLongOutage(t *testing.T) {
	t.Parallel()
	away := 4 * time.Second
	if long() {
		away = 60 * time.Second
	}
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "")
	in.waitReady()
	stop := make(chan struct{})
	acked := publishAt(t, broker, 1000, stop)
	time.Sleep(2 * time.Second)
	db.stop()
	down := time.Now()
	var early, late int64
	for time.Since(down) < away {
		time.Sleep(500 * time.Millisecond)
		if _, err := in.metrics(); err != nil {
			t.Fatalf("/metrics while InfluxDB is away: %v", err)
		}
		if time.Since(down) < away/3 {
			early = in.rss()
		}
		late = in.rss()
	}
	db.start()
	back := time.Now()
	// Live readings are not behind those of the outage.
	var liveAfter time.Duration
	eventually(t, 30*time.Second, "live readings", func() error {
		rows := db.rows(`SELECT last(active_power) FROM lighting`)
		if len(rows) == 0 {
			return fmt.Errorf("none")
		}
		ns, _ := rows[0]["time"].(json.Number).Int64()
		if behind := time.Since(time.Unix(0, ns)); behind > 5*time.Second {
			return fmt.Errorf("the last is %s old", behind)
		}
		liveAfter = time.Since(back)
		return nil
	})
	caughtUp := time.Duration(0)
	eventually(t, 2*away+30*time.Second, "caught up", func() error {
		s, err := in.metrics()
		if err != nil {
			return err
		}
		if n := s.sum("greencommunity_messages_pending"); n > 3000 {
			return fmt.Errorf("%.0f pending", n)
		}
		caughtUp = time.Since(back)
		return nil
	})
	close(stop)
	n := acked()
	s := in.waitSettled(float64(n), 30*time.Second)
	if stored := s.sum("greencommunity_messages_stored_total"); stored != float64(n) {
		t.Errorf("%.0f stored of %d", stored, n)
	}
	rows := db.rows(`SELECT count(active_power) FROM lighting`)
	if len(rows) != 1 || fmt.Sprint(rows[0]["count"]) != strconv.Itoa(n) {
		t.Errorf("%v points of %d messages", rows, n)
	}
	t.Logf("away %s at 1,000/s: memory %d MiB early, %d MiB late; live again after %s, caught up after %s", away, early>>20, late>>20, liveAfter.Round(time.Millisecond), caughtUp.Round(time.Millisecond))
	if late > early+32<<20 {
		t.Errorf("memory grew from %d to %d MiB", early>>20, late>>20)
	}
}

// On a full disk nothing is acknowledged that is not on it; /metrics answers;
// with room again it goes on without a restart, and nothing is lost.
func TestLongFullDisk(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	bin := built.Path(t)
	dir, httpAddr, path := writeConfig(t, broker, "http://"+db.addr, "")
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", data).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v %s", err, out)
		}
		t.Skipf("no disk of its own: mount: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", data).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	ballast := filepath.Join(data, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 14<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	in.waitReady()
	stop := make(chan struct{})
	acked := publishAt(t, broker, 4000, stop)
	eventually(t, 60*time.Second, "not ready on a full disk", func() error {
		text, err := get(in.url + "/-/ready")
		if err == nil || !strings.Contains(text, "the journal takes no messages") {
			return fmt.Errorf("%v %s", err, text)
		}
		return nil
	})
	s, err := in.metrics()
	if err != nil {
		t.Fatalf("/metrics on a full disk: %v", err)
	}
	full := s.sum("greencommunity_messages_received_total")
	time.Sleep(2 * time.Second)
	close(stop)
	n := acked()
	if full >= float64(n) {
		t.Fatalf("%.0f of %d messages received: the disk was not full", full, n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s = in.waitSettled(float64(n), 60*time.Second)
	if got := s.sum("greencommunity_messages_received_total"); got != float64(n) {
		t.Errorf("%.0f received, %d published", got, n)
	}
	rows := db.rows(`SELECT count(active_power) FROM lighting`)
	if len(rows) != 1 || fmt.Sprint(rows[0]["count"]) != strconv.Itoa(n) {
		t.Errorf("%v points of %d messages", rows, n)
	}
	t.Logf("%.0f of %d when the disk was full", full, n)
}
