package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/deploy/enginetest"
	"greencommunity/ingest"
	"greencommunity/ingest/journal"
)

const eraseInventory = `
communities: [{id: nancheng, name: 南城社区}, {id: xicheng, name: 西城社区}]
vendors:
- id: native
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
- id: relays
  unknown_devices: accept
  sources: [{topic: "relay/+/up", format: json, facility: water, json: {records: list, device: sn, community: place}, fields: {total: {quantity: water_volume_total}}}]
  devices: [{id: flat-3-2-501, alias: "8600123", community: nancheng, facility: water}]
`

// traceOf lists the files below a directory in which a word stands, the
// journal's messages as they are read.
func traceOf(t *testing.T, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, form := range []string{word, base64.StdEncoding.EncodeToString([]byte(word))} {
			if bytes.Contains(data, []byte(form)) {
				found = append(found, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	r := j.Read(1)
	defer r.Close()
	for r.Next() {
		if m := r.Message(); strings.Contains(m.Topic+string(m.Payload), word) {
			found = append(found, fmt.Sprintf("message %d of the journal: %s %s", m.Seq, m.Topic, m.Payload))
		}
	}
	return found
}

// What is erased of a device, a community or a span of time is nowhere any more,
// all else is where it was, and the account closes; killed at any moment, the
// service starts, and another erase does the rest.
func TestErase(t *testing.T) {
	t.Parallel()
	in, db, broker := startWith(t, eraseInventory)
	config := filepath.Join(in.dir, "config.yaml")
	data := filepath.Join(in.dir, "data")
	p := newPublisher(t, broker.Addr())
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	sent := 0
	send := func(topic, format string, args ...any) {
		p.publish(topic, fmt.Appendf(nil, format, args...))
		sent++
	}
	for i := range 60 {
		at := start.Add(time.Duration(i) * time.Minute).UnixMilli()
		send("greencommunity/v1/nancheng/gate/door-1", `{"time":%d,"pass_in":1}`, at)
		send("greencommunity/v1/nancheng/water/tobegone", `{"time":%d,"water_volume_total":%d}`, at, i)
		send("greencommunity/v1/xicheng/water/elsewhere", `{"time":%d,"water_volume_total":%d}`, at, i)
		send("relay/r1/up", `{"list":[{"sn":"8600123","total":%d}]}`, i)
	}
	send("greencommunity/v1/nancheng/water/tobegone", `{"time":"no time","water_volume_total":1}`) // a reject
	send("relay/r1/up", `{"list":[{"sn":"8600123","total":"nothing"}]}`)
	in.waitSettled(float64(sent), 60*time.Second)
	erase := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(context.Background(), append([]string{"erase", "--config", config}, args...), streams{nil, &out, &out})
		return out.String(), err
	}
	points := func(where string) int {
		n := 0
		for _, m := range []string{"gate", "water", "usage", "events"} {
			n += len(db.rows("SELECT * FROM " + m + " WHERE " + where))
		}
		return n
	}
	if out, err := erase("--device", "tobegone"); err == nil || !strings.Contains(err.Error(), "end the service first") {
		t.Fatalf("beside the service: %v\n%s", err, out)
	}
	if _, err := erase(); err == nil || !strings.Contains(err.Error(), "--device") {
		t.Fatalf("nothing selected: %v", err)
	}
	if out, err := erase("--person", "王建国"); err == nil || !strings.Contains(err.Error(), "end the service first") {
		t.Fatalf("a person beside the service: %v\n%s", err, out)
	}
	in.end(syscall.SIGTERM)
	if out, err := erase("--person", "王建国"); err != nil || !strings.Contains(out, "lines without the name") {
		t.Fatalf("a person: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"--person", "王"}, {"--person", "王建国", "--device", "tobegone"}} {
		if _, err := erase(args...); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	if points("device='tobegone'") < 60 || points("device='flat-3-2-501'") < 60 {
		t.Fatal("InfluxDB has not what is to be erased")
	}
	others := points("device='elsewhere'")

	out, err := erase("--device", "tobegone", "--dry-run")
	if err != nil || !strings.Contains(out, "61 messages") || !strings.Contains(out, "would be erased") {
		t.Fatalf("dry run: %v\n%s", err, out)
	}
	if len(traceOf(t, data, "tobegone")) == 0 || points("device='tobegone'") < 60 {
		t.Fatal("a dry run erases")
	}

	// Killed while it works, however far it has come, what is left can be opened.
	bin := built.Path(t)
	for i := range 12 {
		c := exec.Command(bin, "erase", "--config", config, "--device", "tobegone")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i*i) * 3 * time.Millisecond)
		_ = c.Process.Kill()
		_ = c.Wait()
		if i%4 == 3 {
			in.start()
			in.waitReady()
			s := in.waitSettled(float64(sent), 60*time.Second)
			if lost := s.sum("greencommunity_messages_lost_total"); lost != 0 {
				t.Fatalf("killed after %d ms: %v messages lost", i*i*3, lost)
			}
			in.end(syscall.SIGTERM)
		}
	}
	if out, err = erase("--device", "tobegone"); err != nil || !strings.Contains(out, "confirmed") {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := traceOf(t, data, "tobegone"); len(left) > 0 {
		t.Errorf("left of the device: %q\n%s", left, out)
	}
	if n := points("device='tobegone'"); n != 0 {
		t.Errorf("InfluxDB has %d points of the device", n)
	}
	if n := points("device='elsewhere'"); n != others || others < 60 {
		t.Errorf("InfluxDB has %d points of another device, %d before", n, others)
	}
	// By its alias, which is all that its messages have of it.
	if out, err = erase("--device", "flat-3-2-501"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := append(traceOf(t, data, "8600123"), traceOf(t, data, "flat-3-2-501")...); len(left) > 0 || points("device='flat-3-2-501'") != 0 {
		t.Errorf("left of the device with an alias: %q\n%s", left, out)
	}
	// A span of time, in the journal by when a message came too.
	from, to := start.Add(10*time.Minute), start.Add(20*time.Minute)
	span := []string{"--device", "elsewhere", "--from", from.Format(time.RFC3339), "--to", to.Format(time.RFC3339)}
	if out, err = erase(span...); err != nil || !strings.Contains(out, "10 messages") {
		t.Errorf("%v\n%s", err, out)
	}
	if n := points("device='elsewhere'"); n >= others || n < others-30 {
		t.Errorf("InfluxDB has %d points of a device, 10 minutes of which were erased, %d before", n, others)
	}
	// A whole community.
	if out, err = erase("--community", "xicheng"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := traceOf(t, filepath.Join(data, "journal"), "xicheng"); len(left) > 0 || points("community='xicheng'") != 0 {
		t.Errorf("left of the community: %q\n%s", left, out)
	}
	// The service goes on: nothing counts as lost or again, the numbers go on, and
	// an erased device may report anew.
	in.start()
	in.waitReady()
	send("greencommunity/v1/nancheng/water/tobegone", `{"time":%d,"water_volume_total":7}`, time.Now().UnixMilli())
	s := in.waitSettled(float64(sent), 60*time.Second)
	if err := s.settled(t); err != nil || s.sum("greencommunity_messages_lost_total") != 0 {
		t.Errorf("%v lost: %v", s.sum("greencommunity_messages_lost_total"), err)
	}
	if n := points("device='tobegone'"); n < 1 {
		t.Error("the device's new reading is not stored")
	}
}

// What is erased while it waits for InfluxDB is rejected as that.
func TestEraseWhatWaits(t *testing.T) {
	t.Parallel()
	in, db, broker := startWith(t, eraseInventory)
	db.stop()
	p := newPublisher(t, broker.Addr())
	for i := range 20 {
		p.publish("greencommunity/v1/nancheng/water/tobegone", fmt.Appendf(nil, `{"water_volume_total":%d}`, i))
		p.publish("greencommunity/v1/nancheng/water/kept", fmt.Appendf(nil, `{"water_volume_total":%d}`, i))
	}
	eventually(t, 30*time.Second, "40 messages", func() error {
		s, err := in.metrics()
		if err == nil && s.sum("greencommunity_messages_received_total") < 40 {
			err = fmt.Errorf("%v", s.sum("greencommunity_messages_received_total"))
		}
		return err
	})
	in.end(syscall.SIGTERM)
	var out bytes.Buffer
	args := []string{"erase", "--config", filepath.Join(in.dir, "config.yaml"), "--device", "tobegone"}
	if err := run(context.Background(), args, streams{nil, &out, &out}); err == nil || !strings.Contains(err.Error(), "erase again") || !strings.Contains(out.String(), "20 messages") {
		t.Fatalf("InfluxDB away: %v\n%s", err, out.String())
	}
	db.start()
	if err := run(context.Background(), args, streams{nil, &out, &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	in.start()
	in.waitReady()
	s := in.waitSettled(40, 60*time.Second)
	if n := s["greencommunity_messages_rejected_total[reason:"+string(ingest.Erased)+" vendor:]"]; n != 20 {
		t.Errorf("%v messages are rejected as erased, want 20", n)
	}
	if n, left := len(db.rows("SELECT * FROM water WHERE device='kept'")), db.rows("SELECT * FROM water WHERE device='tobegone'"); n != 20 || len(left) > 0 {
		t.Errorf("InfluxDB has %d points of the other device, and %v", n, left)
	}
	if left := traceOf(t, filepath.Join(in.dir, "data"), "tobegone"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// InfluxDB 2.7 deletes by its own interface: what is erased is gone there too, and the
// rest of the community stays.
func TestEraseOnInfluxDB2(t *testing.T) {
	t.Parallel()
	db := enginetest.StartInfluxDB(t, 0)
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	bin := built.Path(t)
	dir, httpAddr, path := writeConfig(t, broker.Addr(), db.URL(), "")
	config, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.Replace(config, []byte("org: bureau"), []byte("token_file: token, org: bureau"), 1)
	for name, text := range map[string][]byte{path: config, filepath.Join(dir, "inventory.yaml"): []byte(eraseInventory), filepath.Join(dir, "token"): []byte(db.Token)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	in.waitReady()
	p := newPublisher(t, broker.Addr())
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 30 {
		at := start.Add(time.Duration(i) * time.Minute).UnixMilli()
		p.publish("greencommunity/v1/nancheng/water/tobegone", fmt.Appendf(nil, `{"time":%d,"water_volume_total":%d}`, at, i))
		p.publish("greencommunity/v1/nancheng/water/kept", fmt.Appendf(nil, `{"time":%d,"water_volume_total":%d}`, at, i))
	}
	in.waitSettled(60, time.Minute)
	in.end(syscall.SIGTERM)
	points := func(device string) (n int) {
		for _, m := range []string{"water", "usage"} {
			rows, err := db.Query(context.Background(), enginetest.Bucket, "SELECT * FROM "+m+" WHERE device='"+device+"'")
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				n += len(row.Values)
			}
		}
		return n
	}
	kept := points("kept")
	if n := points("tobegone"); n < 30 || kept < 30 {
		t.Fatalf("InfluxDB has %d and %d points", n, kept)
	}
	var out bytes.Buffer
	if err := run(context.Background(), []string{"erase", "--config", path, "--device", "tobegone"}, streams{nil, &out, &out}); err != nil || !strings.Contains(out.String(), "confirmed") {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if gone, left := points("tobegone"), points("kept"); gone != 0 || left != kept {
		t.Errorf("InfluxDB has %d points of what was erased, and %d of %d of another device\n%s", gone, left, kept, out.String())
	}
}
