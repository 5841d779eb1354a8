package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/durable"
	"greencommunity/ingest/format"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/journal"
)

// Selection selects what to erase: what meets every member that is set. A message
// is within a span of time if it was received in it, or has a reading of it.
type Selection struct {
	Device    ingest.DeviceID
	Community ingest.CommunityID
	From, To  time.Time // zero: without a bound; To is not within
}

// Erasure counts what Erase did, or would do.
type Erasure struct {
	Journal journal.Erased
	Rejects int // lines of the files of rejects
	Devices int // in the list of devices, and with them their state and alarms
	Points  int // of observers, which waited for InfluxDB
	States  int // files of state of before that were written anew or deleted
	Stored  bool
}

// Erase erases from the journal, the rejects, the state and InfluxDB what is
// selected. Nothing may run on the data directory. Each step leaves what can be
// started from, and may be done again: where the process ends in between, or
// InfluxDB does not answer, another Erase does the rest. What was summed up over
// devices, such as savings and a day's use of a community, stays in the state.
func Erase(ctx context.Context, o Options, what Selection, dryRun bool) (e Erasure, err error) {
	if what.Device == "" && what.Community == "" && what.From.IsZero() && what.To.IsZero() {
		return e, errors.New("nothing is selected: give a device, a community or a time")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	lock, err := Lock(o.DataDir)
	if err != nil {
		return e, err
	}
	erase := newEraser(o.Inventory, what)
	if e.Journal, err = journal.Erase(filepath.Join(o.DataDir, "journal"), erase.message, dryRun, o.Logger); err == nil {
		e.Rejects, err = erase.rejects(o.DataDir, dryRun)
	}
	lock.Close() // the pipeline takes it
	if err != nil {
		return e, err
	}
	if dryRun {
		e.Devices, err = erase.listed(o.DataDir)
		return e, err
	}
	if err := erase.state(ctx, o, &e); err != nil {
		return e, err
	}
	o.InfluxDB.Logger, o.InfluxDB.Registerer = o.Logger, nil
	w := influx.New(o.InfluxDB)
	defer w.Close()
	tags := map[string]string{}
	if what.Device != "" {
		tags["device"] = string(what.Device)
	}
	if what.Community != "" {
		tags["community"] = string(what.Community)
	}
	if err := w.Delete(ctx, tags, what.From, what.To); err != nil {
		return e, fmt.Errorf("the data directory is done, and InfluxDB is not; erase again when it answers: %w", err)
	}
	e.Stored = true
	return e, nil
}

// Lock keeps services off a data directory until the file is closed, and fails where one runs.
func Lock(dataDir string) (*os.File, error) {
	if _, err := os.Stat(dataDir); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	if err := lockFile(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("data directory %s is used by another process: end the service first, erase, and start it again: %w", dataDir, err)
	}
	return lock, nil
}

// eraser finds what is selected.
type eraser struct {
	what   Selection
	worker *decode.Worker
	names  map[string]bool // device and community as topics and payloads call them
}

func newEraser(inv *inventory.Inventory, what Selection) *eraser {
	e := &eraser{what: what, worker: decode.NewWorker(inv, inventory.NewRegistry(inv)), names: map[string]bool{}}
	if what.Device != "" {
		e.names[string(what.Device)] = true
		for _, alias := range inv.Aliases(what.Device) {
			e.names[alias] = true
		}
	} else if what.Community != "" {
		e.names[string(what.Community)] = true
	}
	return e
}

func (e *eraser) within(ns int64) bool {
	return (e.what.From.IsZero() || ns >= e.what.From.UnixNano()) && (e.what.To.IsZero() || ns < e.what.To.UnixNano())
}

// message reports whether a message is selected: by what it comes to, or because
// a level of its topic, or a text in its payload, is the name.
func (e *eraser) message(m *ingest.Message) bool {
	r := e.worker.Decode(m)
	at := e.within(m.Received)
	of := e.what.Device == "" && e.what.Community == ""
	look := func(d *ingest.Device, ns int64) {
		at = at || e.within(ns)
		of = of || (e.what.Device == "" || d.ID == e.what.Device) && (e.what.Community == "" || d.Community == e.what.Community)
	}
	for i := range r.Readings {
		look(r.Readings[i].Device, r.Readings[i].Time)
	}
	for i := range r.Events {
		look(r.Events[i].Device, r.Events[i].Time)
	}
	for _, u := range r.Unmapped {
		of = of || e.names[u.Device]
	}
	return at && (of || e.named(m.Topic, m.Payload))
}

func (e *eraser) named(topic string, payload []byte) (found bool) {
	for level := range strings.SplitSeq(topic, "/") {
		found = found || e.names[level]
	}
	if !found {
		format.EachWord(payload, func(word string) { found = found || e.names[word] || e.names[strings.ToLower(word)] })
	}
	return found
}

// rejects erases lines of the files of rejects.
func (e *eraser) rejects(dir string, dryRun bool) (erased int, err error) {
	for _, name := range []string{"rejects.ndjson", "rejects.ndjson.1"} {
		path := filepath.Join(dir, name)
		n, err := eraseLines(path, dryRun, func(text []byte) bool {
			var line reject
			if json.Unmarshal(text, &line) != nil {
				return true // torn: what it holds cannot be told
			}
			payload := line.PayloadBytes
			if line.Payload != "" {
				payload = []byte(line.Payload)
			}
			m := ingest.Message{Seq: line.Seq, Received: line.Time.UnixNano(), Topic: line.Topic, Payload: payload}
			if e.message(&m) {
				return true
			}
			for name := range e.names { // a payload that is cut short is no JSON
				if line.Truncated > 0 && e.within(m.Received) && bytes.Contains(payload, []byte(name)) {
					return true
				}
			}
			return false
		})
		if err != nil {
			return erased, err
		}
		erased += n
	}
	return erased, nil
}

// eraseLines writes a file anew without the lines that match.
func eraseLines(path string, dryRun bool, match func(line []byte) bool) (erased int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var kept bytes.Buffer // half of the rejects' cap at most
	for lines := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			if match(line) {
				erased++
			} else {
				kept.Write(line)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	if erased == 0 || dryRun {
		return erased, nil
	}
	return erased, durable.Replace(path, kept.Bytes(), 0o600)
}

// device reports whether a device with all its time is selected.
func (e *eraser) device(d *ingest.Device) bool {
	return e.what.From.IsZero() && e.what.To.IsZero() &&
		(e.what.Device == "" || d.ID == e.what.Device) && (e.what.Community == "" || d.Community == e.what.Community)
}

// listed counts the selected devices in the list of devices.
func (e *eraser) listed(dir string) (n int, err error) {
	parser := deviceParser{names: map[string]string{}, origins: ingest.Origins{}}
	_, err = eraseLines(filepath.Join(dir, "devices.ndjson"), true, func(line []byte) bool {
		var d ingest.Device
		if parser.parse(bytes.TrimSpace(line), &d) == nil && e.device(&d) {
			n++
		}
		return false
	})
	return n, err
}

// state takes the selected devices out of the list of devices and the
// checkpoints. It walks the journal to its end first, as a start does. The
// newest checkpoint and one of the two lists of devices always agree.
func (e *eraser) state(ctx context.Context, o Options, done *Erasure) (err error) {
	o.Registerer = prometheus.NewRegistry()
	p, err := New(o)
	if err != nil {
		return err
	}
	defer p.close()
	w, err := p.restore()
	if err != nil {
		return err
	}
	p.tryAlone(w.seq)
	if err := w.catchUp(ctx); err != nil {
		return fmt.Errorf("walking the journal: %w", err)
	}
	w.derive()
	w.seen.room(p.registry.Len())
	if err := p.devices.extend(w.seen.devices.Len(), p.registry.At); err != nil {
		return err
	}
	for index := range uint32(p.registry.Len()) {
		if d := p.registry.At(index); e.device(d) && !(p.registry.Gone(index) && strings.HasPrefix(string(d.ID), "erased-")) {
			p.registry.Erase(index, ingest.DeviceID("erased-"+strconv.Itoa(int(index))))
			done.Devices++
		}
	}
	w.letGo(time.Now())
	w.derive()
	done.Points = p.derived.erase(e)
	if done.Devices > 0 {
		if err := p.devices.rewrite(0, p.registry.At); err != nil {
			return err
		}
	}
	for range 2 { // the newest, and then the one before it
		w.checkpoints.behind = true
		if err := w.begin(time.Now()); err != nil {
			return err
		}
		saved := <-w.checkpoints.finished
		w.checkpoints.finished = nil
		if saved.err != nil {
			return saved.err
		}
		done.States++
	}
	if done.Devices > 0 {
		if err := p.devices.rewrite(1, p.registry.At); err != nil {
			return err
		}
	}
	for _, name := range []string{"checkpoint.damaged", "account.damaged"} {
		if err := os.Remove(filepath.Join(o.DataDir, name)); err == nil {
			done.States++
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// rewrite writes one of the two lists of devices anew. The other stays as the
// last checkpoint says until there is another.
func (d *deviceFile) rewrite(which int, at func(uint32) *ingest.Device) error {
	var text bytes.Buffer
	for i := range d.count {
		line, err := json.Marshal(at(uint32(i)))
		if err != nil {
			return err
		}
		text.Write(line)
		text.WriteByte('\n')
	}
	path := d.files[which].Name()
	if err := d.files[which].Close(); err != nil {
		return err
	}
	if err := durable.Replace(path, text.Bytes(), 0o600); err != nil {
		return err
	}
	var err error
	if d.files[which], err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return err
	}
	sum := checksum(0)
	_, _ = sum.Write(text.Bytes())
	d.size, d.sum = int64(text.Len()), uint32(sum)
	return nil
}

// erase takes out the selected points that wait for InfluxDB.
func (d *derived) erase(e *eraser) (erased int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	escape := strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)
	for i, batch := range d.batches {
		var kept []byte
		for line := range bytes.Lines(batch) {
			text := string(line)
			match := true
			for tag, value := range map[string]string{"device": string(e.what.Device), "community": string(e.what.Community)} {
				if value != "" {
					pair := "," + tag + "=" + escape.Replace(value)
					match = match && (strings.Contains(text, pair+",") || strings.Contains(text, pair+" "))
				}
			}
			if at := strings.LastIndexByte(strings.TrimSpace(text), ' '); match && at > 0 {
				ms, err := strconv.ParseInt(strings.TrimSpace(text[at:]), 10, 64)
				match = err != nil || e.within(ms*1e6)
			}
			if match {
				erased++
			} else {
				kept = append(kept, line...)
			}
		}
		d.batches[i] = kept
	}
	return erased
}
