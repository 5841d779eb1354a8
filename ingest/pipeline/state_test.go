package pipeline_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/simulator"
)

// flip flips a bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x10
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewrite gives a state file another version, with the checksum that goes with it.
func rewrite(t *testing.T, path, old, with string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(data[:len(data)-4], []byte(old), []byte(with), 1)
	if bytes.Equal(changed, data[:len(data)-4]) {
		t.Fatalf("%s does not say %q", path, old)
	}
	changed = binary.BigEndian.AppendUint32(changed, crc32.Checksum(changed, crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(path, changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Whatever single state file is damaged, cut to nothing or gone, the service
// starts by itself, counts nothing twice or back, loses and doubles no point,
// and says what it did (attack F12). Two at once are damaged as well, where
// their damage is independent.
func TestDamagedState(t *testing.T) {
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
	file := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(file, []byte(doors+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(file, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	cut := func(t *testing.T, path string) {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}
	gone := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	made, sent, good := filepath.Join(t.TempDir(), "data"), 0, 0
	send := func(s *service, device string, n int) {
		t.Helper()
		for range n {
			payload := fmt.Sprintf(`{"pass_in":%d}`, sent)
			if sent%7 == 3 {
				payload = "{"
			} else {
				good++
			}
			if err := publish.Publish(simulator.Message{Topic: fmt.Sprintf("greencommunity/v1/nancheng/gate/%s-%d", device, sent%20), Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if err := publish.Flush(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if now := s.counters(); now["messages_received_total"] >= float64(sent) && now["messages_pending"] == 0 {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("sent %d: %v", sent, now)
			}
		}
	}
	// A directory with two of everything: the last messages are in the newest only.
	s := run(t, made, inv, broker.URL(), database.URL())
	for _, path := range []string{"account.1", "checkpoint.1", ""} {
		for deadline := time.Now().Add(30 * time.Second); ; {
			send(s, "made", 5)
			if _, err := os.Stat(filepath.Join(made, path)); err == nil {
				break
			} else if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	s.stop()
	shown, sentMade, goodMade := s.counters(), sent, good
	for i, c := range []struct {
		name string
		by   func(t *testing.T, path string)
		of   []string
		tell string // the state that is told of; "": nothing needs telling
	}{
		{"checkpoint, a bit", flip, []string{"checkpoint"}, "checkpoint"},
		{"checkpoint, empty", cut, []string{"checkpoint"}, "checkpoint"},
		{"checkpoint, gone", gone, []string{"checkpoint"}, "checkpoint"},
		{"checkpoint before, a bit", flip, []string{"checkpoint.1"}, ""},
		{"account, a bit", flip, []string{"account"}, "account"},
		{"account, gone", gone, []string{"account"}, "account"},
		{"accounts, empty", cut, []string{"account", "account.1"}, "account"},
		{"devices, a bit", flip, []string{"devices.ndjson"}, "devices"},
		{"devices, gone", gone, []string{"devices.ndjson"}, "devices"},
		{"copy of devices, empty", cut, []string{"devices.ndjson.1"}, ""},
		{"checkpoint and devices", flip, []string{"checkpoint", "devices.ndjson"}, "devices"},
		{"checkpoint and account", flip, []string{"checkpoint", "account"}, "account"},
		{"new ones half written", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("greencomm"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"checkpoint.new", "account.new"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			for _, name := range c.of {
				c.by(t, filepath.Join(dir, name))
			}
			sent, good = sentMade, goodMade
			s := run(t, dir, inv, broker.URL(), database.URL())
			defer func() { s.stop() }()
			for name, v := range s.counters() {
				// Where the newest checkpoint and account are both damaged, what was
				// stored since is stored, and counted, again.
				if v < shown[name] && len(c.of) == 1 {
					t.Errorf("%s was %g, and is %g", name, shown[name], v)
				}
			}
			told := map[string]bool{}
			families, err := s.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				for _, m := range f.Metric {
					if f.GetName() == "greencommunity_state_damaged" && m.GetGauge().GetValue() == 1 {
						told[m.Label[0].GetValue()] = true
					}
				}
			}
			if told[c.tell] != (c.tell != "") || c.tell == "" && len(told) > 0 {
				t.Errorf("told of %v, want %q", told, c.tell)
			}
			device := fmt.Sprintf("s%d", i)
			send(s, device, 40)
			now := s.counters()
			if got := now["messages_received_total"]; got != float64(sent) || now["messages_stored_total"] != float64(good) || now["messages_rejected_total"] != float64(sent-good) || now["messages_duplicate_total"] != 0 {
				t.Errorf("sent %d, %d of them good: %v", sent, good, now)
			}
			if got := float64(s.heavy.readings); got != float64(good) {
				t.Errorf("the observer was told of %g readings of %d", got, good)
			}
			for device, want := range map[string]int{device: good - goodMade, "made": goodMade} {
				rows, err := database.Query(context.Background(), "facilities", "SELECT count(pass_in) FROM gate WHERE device =~ /^"+device+"-/")
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(rows[0].Values[0][1]); got != fmt.Sprint(want) {
					t.Errorf("of %s InfluxDB has %s points of %d", device, got, want)
				}
			}
			text, err := os.ReadFile(filepath.Join(dir, "rejects.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), "\n"); n != sent-good {
				t.Errorf("%d rejects are written of %d", n, sent-good)
			}
			if _, err := os.Stat(filepath.Join(dir, c.of[0]+".damaged")); (err == nil) != (c.of[0] == "checkpoint" && !strings.HasSuffix(c.name, "gone") || c.name == "account, a bit") {
				t.Errorf("the damaged one is kept: %v", err)
			}
		})
	}
}

// What cannot be read is refused in words that name both versions, what is
// damaged twice in words that name the cure, and what the program before wrote
// is read.
func TestStateOfOtherVersions(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	file := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(file, []byte(doors), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(file, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(t.TempDir(), "data")
	s := run(t, made, inv, broker.URL(), "http://127.0.0.1:1")
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	for i := range 2 {
		if err := publish.Publish(simulator.Message{Topic: "greencommunity/v1/nancheng/gate/g1", Payload: []byte(`{"pass_in":1}`)}); err != nil {
			t.Fatal(err)
		}
		if err := publish.Flush(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); s.counters()["messages_received_total"] < float64(i+1); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(s.counters())
			}
		}
		// A checkpoint is written each second: two generations, the newer of both messages.
		saved := fmt.Sprintf("\x02%d\n\x00", i+1)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if data, _ := os.ReadFile(filepath.Join(made, "checkpoint")); strings.Contains(string(data), saved) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the checkpoint does not say %q", saved)
			}
		}
	}
	s.stop()
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   []string // in the error; none: it starts, with the two messages
	}{
		{"checkpoint of a later version", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "checkpoint"), "checkpoint 4\n", "checkpoint 17\n")
		}, []string{"version 17", "reads versions 2 to 4"}},
		{"account of a later version", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "account"), "account 1\n", "account 2\n")
		}, []string{"version 2", "reads versions 1 to 1"}},
		{"an observer's state that cannot be read", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "checkpoint"), "\x022\n\x00", "\x02x\n\x00")
		}, []string{"state of heavy", "written by greencommunity", "read by greencommunity"}},
		{"both checkpoints damaged", func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, "checkpoint"))
			flip(t, filepath.Join(dir, "checkpoint.1"))
		}, []string{"checksum is wrong", "move checkpoint and checkpoint.1 away"}},
		{"both lists of devices damaged", func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, "devices.ndjson"))
			flip(t, filepath.Join(dir, "devices.ndjson.1"))
		}, []string{"devices.ndjson is damaged, and so is its copy", "move both and the checkpoints away"}},
		{"both accounts damaged", func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, "account"))
			os.Remove(filepath.Join(dir, "account.1"))
		}, nil},
		{"of the version before, without second generations", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, "checkpoint"), "checkpoint 4\n", "checkpoint 2\n")
			for _, name := range []string{"checkpoint.1", "account.1", "devices.ndjson.1"} {
				os.Remove(filepath.Join(dir, name))
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			c.change(t, dir)
			if c.want == nil {
				again := run(t, dir, inv, broker.URL(), "http://127.0.0.1:1")
				defer again.stop()
				if now := again.counters(); now["messages_received_total"] != 2 || again.heavy.readings != 2 {
					t.Errorf("%v, the observer was told of %d", now, again.heavy.readings)
				}
				return
			}
			p, err := pipeline.New(pipeline.Options{
				DataDir: dir, Inventory: inv, MQTT: mqtt.Options{Brokers: []string{broker.URL()}, ClientID: "heavy"},
				InfluxDB: influx.Options{URL: "http://127.0.0.1:1", Org: "o", Bucket: "facilities"}, Observers: []any{&heavy{}},
			})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Run(t.Context(), func() { t.Error("it starts") })
			for _, words := range c.want {
				if err == nil || !strings.Contains(err.Error(), words) {
					t.Errorf("%v\nwant %q", err, words)
				}
			}
		})
	}
}

// State that cannot be written is seen in the log once, in the metric, and not
// at all in what is stored; it recovers by itself (case operations
// 14-checkpoint-unwritable: there inodes have run out).
func TestOperations14CheckpointUnwritable(t *testing.T) {
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
	file := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(file, []byte(doors), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(file, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	var log lockedBuffer
	s := runLogged(t, dir, inv, broker.URL(), influx.Options{URL: database.URL(), Org: "o", Bucket: "facilities"}, slog.New(slog.NewTextHandler(&log, nil)))
	defer func() { s.stop() }()
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	blocked := []string{filepath.Join(dir, "checkpoint.new"), filepath.Join(dir, "account.new")}
	for _, path := range blocked { // no file of that name can be created
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(path, "full"), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		if err := publish.Publish(simulator.Message{Topic: "greencommunity/v1/nancheng/gate/g1", Payload: []byte(`{"pass_in":1}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := publish.Flush(); err != nil {
		t.Fatal(err)
	}
	age := func() (age float64) {
		families, err := s.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "greencommunity_checkpoint_age_seconds" {
				for _, m := range f.Metric {
					age = max(age, m.GetGauge().GetValue())
				}
			}
		}
		return age
	}
	for deadline := time.Now().Add(30 * time.Second); age() < 4; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the state's age is %g s", age())
		}
	}
	if n := strings.Count(log.String(), "a state is not written"); n < 1 || n > 2 { // checkpoint, account
		t.Errorf("it is logged %d times:\n%s", n, log.String())
	}
	for _, path := range blocked {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); s.counters()["messages_stored_total"] < 5 || age() > 3; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v, age %g s", s.counters(), age())
		}
	}
	if !strings.Contains(log.String(), "a state can be written again") {
		t.Errorf("that it can be written again is not logged:\n%s", log.String())
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
