//go:build unix

package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/simulator"
)

// deadly ends the process, as the kernel does when memory is short, or as a
// defect does, when it is told of a certain device.
type deadly struct {
	heavy
	how   string
	depth int
}

func (d *deadly) Reading(index uint32, r *ingest.Reading, late bool, received int64) {
	if r.Device.ID == "lamp-poison" {
		switch d.how {
		case "kill":
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case "overflow":
			debug.SetMaxStack(1 << 20)
			d.depth = overflow(1)
		case "panic":
			panic("a defect")
		}
	}
	d.heavy.Reading(index, r, late, received)
}

// overflow ends the process: no stack is that large.
func overflow(n int) int {
	if n == math.MaxInt {
		return n
	}
	return overflow(n+1) + 1
}

func poisonInventory(t *testing.T) *inventory.Inventory {
	t.Helper()
	inv := inventorytest.Parse(t, simulator.Inventory(), time.UTC)
	return inv
}

const poisonDir, poisonHow = "TEST_POISON_DIR", "TEST_POISON_HOW"

// poisonProcess is the process that dies, which TestPoison starts. It walks the
// journal of a directory, without broker and database, and ends.
func poisonProcess(t *testing.T, dir string) {
	registry := prometheus.NewRegistry()
	observer := &deadly{how: os.Getenv(poisonHow)}
	p, err := pipeline.New(pipeline.Options{
		DataDir: dir, Inventory: poisonInventory(t), MQTT: mqtt.Options{Brokers: []string{"tcp://127.0.0.1:1"}},
		InfluxDB:  influx.Options{URL: "http://127.0.0.1:1", Org: "o", Bucket: "facilities"},
		Observers: []any{observer}, Registerer: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = p.Run(ctx, func() {
		s := service{t: t, registry: registry}
		fmt.Printf("walked: %d readings, %g rejected, %g received\n", observer.readings, s.counters()["messages_rejected_total"], s.counters()["messages_received_total"])
		cancel()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Issue 11: a message that ends the process is tried once more, and
// rejected as internal at the third start; every other message keeps its fate,
// and the starts after are as if it had never been.
func TestPoison(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(poisonDir); dir != "" {
		poisonProcess(t, dir)
		return
	}
	for _, how := range []string{"kill", "overflow", "panic"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal")})
			if err != nil {
				t.Fatal(err)
			}
			var messages []*ingest.Message
			for i := range 40 {
				device := fmt.Sprintf("lamp-%d", i)
				if i == 20 {
					device = "lamp-poison"
				}
				messages = append(messages, &ingest.Message{Topic: "greencommunity/v1/nancheng/lighting/" + device, Payload: []byte(`{"active_power":40}`), Received: time.Now().UnixNano()})
			}
			if err := j.Append(messages); err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			for start, dies := range []bool{true, true, false, false} {
				process := exec.Command(os.Args[0], "-test.run=^TestPoison$", "-test.count=1")
				process.Env = append(os.Environ(), poisonDir+"="+dir, poisonHow+"="+how)
				out, err := process.CombinedOutput()
				if dies != (err != nil) {
					t.Fatalf("start %d: %v\n%.2000s", start+1, err, out)
				}
				if !dies && !bytes.Contains(out, []byte("39 readings, 1 rejected, 40 received")) {
					t.Errorf("start %d: %s", start+1, out)
				}
			}
			rejects, err := os.ReadFile(filepath.Join(dir, "rejects.ndjson"))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(rejects), "\n"); n != 1 || !bytes.Contains(rejects, []byte(`"reason":"internal"`)) || !bytes.Contains(rejects, []byte("lamp-poison")) {
				t.Errorf("rejects: %s", rejects)
			}
			r, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			kept := r.Read(21)
			defer kept.Close()
			if !kept.Next() || !strings.HasSuffix(kept.Message().Topic, "lamp-poison") {
				t.Errorf("the journal does not keep it for replay: %v", kept.Err())
			}
		})
	}
}
