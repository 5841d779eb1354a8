package pipeline_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/journal"
)

// Without checkpoint and account, what the journal has no more was not lost: it
// was deleted when its time had come. What it has is counted.
func TestNoCheckpointBesideAnOldJournal(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	inv := inventorytest.Parse(t, doors, time.UTC)
	dir := filepath.Join(t.TempDir(), "new", "data")
	for part := range 3 { // each opening begins a segment
		j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal")})
		if err != nil {
			t.Fatal(err)
		}
		var group []*ingest.Message
		for i := range 20 {
			now := time.Now()
			group = append(group, &ingest.Message{
				Topic: "greencommunity/v1/nancheng/gate/d1", Received: now.UnixNano(), QoS: 1,
				Payload: fmt.Appendf(nil, `{"time":%d,"pass_in":1}`, now.UnixMilli()-1000+int64(20*part+i)),
			})
		}
		if err := j.Append(group); err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
	if err := os.Remove(filepath.Join(dir, "journal", "00000000")); err != nil {
		t.Fatal(err)
	}
	s := run(t, dir, inv, broker.URL(), "http://127.0.0.1:1")
	var now map[string]float64
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if now = s.counters(); now["messages_received_total"] >= 40 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v", now)
		}
	}
	if now["messages_received_total"] != 40 || now["messages_lost_total"] != 0 || now["messages_pending"] != 40 {
		t.Errorf("%v", now)
	}
	s.stop()
	// What is kept names people's homes: it is for the service's user alone.
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil && e.Name() != "lock" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
