package pipeline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"greencommunity/ingest"
)

// rejects keeps refused messages as NDJSON, one a line, in two files of half
// the cap each: what is refused can be read, mended in the inventory, and
// replayed. It is owned by the walker, but for what InfluxDB refuses.
type rejects struct {
	path     string
	maxBytes int64
	recent   []Reject
	// lines are the last ones in the files at the start, had of them those of
	// messages that are walked again. A number alone does not tell a message: a
	// journal that began anew gives the same ones again.
	lines []rejectID
	had   map[rejectID]bool
	f     *os.File
	size  int64
	torn  bool // the last line has no end, and the next begins after a newline
	// waiting are lines that could not be written, as where the disk is full.
	// They are tried again; until then no state is made durable, so that a start
	// refuses their messages again.
	waiting      [][]byte
	waitingBytes int
	dirty        bool // written to since the last fsync
	log          *slog.Logger
}

// maxWaiting sets how many bytes of lines wait; then the walker waits as well.
const maxWaiting = 4 << 20

// reject is a line of the file. Payload is text; PayloadBytes is base64, where
// it is not.
type reject struct {
	Time         time.Time       `json:"time"` // received
	Seq          uint64          `json:"seq"`
	Vendor       ingest.VendorID `json:"vendor,omitempty"`
	Reason       ingest.Reason   `json:"reason"`
	Detail       string          `json:"detail"`
	Topic        string          `json:"topic"`
	Payload      string          `json:"payload,omitempty"`
	PayloadBytes []byte          `json:"payload_base64,omitempty"`
	Truncated    int             `json:"payload_bytes,omitempty"` // its length, where only a part is kept here
}

// rejectID is a message, by its number and the time it was received.
type rejectID struct {
	seq      uint64
	received int64 // unix nanoseconds
}

// maxRejectLines sets how many lines at the files' end are looked at. A message
// that was refused before them and is walked again is written again.
const maxRejectLines = 1 << 17

// maxRejectPayload sets what of a payload a reject shows; the journal has it all.
const maxRejectPayload = 16 << 10

func openRejects(dir string, maxBytes int64, log *slog.Logger) (*rejects, error) {
	r := &rejects{path: filepath.Join(dir, "rejects.ndjson"), maxBytes: maxBytes, log: log}
	for _, path := range []string{r.path + ".1", r.path} {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewReaderSize(f, 1<<20)
		for err == nil {
			var text []byte
			if text, err = lines.ReadSlice('\n'); errors.Is(err, bufio.ErrBufferFull) {
				err = nil // longer than any line: damaged, and no JSON
			}
			var line reject
			if json.Unmarshal(text, &line) != nil {
				continue
			}
			if line.Reason != ingest.RefusedByInfluxDB { // these come later, and are not walked
				if len(r.lines) == maxRejectLines {
					r.lines = append(r.lines[:0], r.lines[maxRejectLines/2:]...)
				}
				r.lines = append(r.lines, rejectID{line.Seq, line.Time.UnixNano()})
			}
			r.remember(&line)
		}
		f.Close()
		if !errors.Is(err, io.EOF) {
			log.Error("rejects are not read to their end", "file", path, "error", err)
		}
	}
	return r, r.open()
}

// resume keeps in mind the lines of messages that are walked again: those after
// the checkpoint's.
func (r *rejects) resume(walked uint64) {
	r.had = map[rejectID]bool{}
	for _, id := range r.lines {
		if id.seq > walked {
			r.had[id] = true
		}
	}
	r.lines = nil
}

// has reports whether the files have a message the walker refuses again.
func (r *rejects) has(m *ingest.Message) bool {
	id := rejectID{m.Seq, m.Received}
	if !r.had[id] {
		return false
	}
	delete(r.had, id)
	return true
}

func (r *rejects) open() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	r.f, r.size = f, info.Size()
	r.torn = false
	if r.size > 0 {
		var last [1]byte
		if _, err := f.ReadAt(last[:], r.size-1); err != nil {
			f.Close()
			return err
		}
		r.torn = last[0] != '\n'
	}
	return nil
}

// add writes a line, or keeps it for later.
func (r *rejects) add(m *ingest.Message, vendor ingest.VendorID, refusal *ingest.Refusal) {
	line := reject{Time: time.Unix(0, m.Received).UTC(), Seq: m.Seq, Vendor: vendor, Reason: refusal.Reason, Detail: refusal.Detail, Topic: m.Topic}
	payload := m.Payload
	if len(payload) > maxRejectPayload {
		payload, line.Truncated = payload[:maxRejectPayload], len(payload)
	}
	if utf8.Valid(payload) {
		line.Payload = string(payload)
	} else {
		line.PayloadBytes = payload
	}
	if len(line.Topic) > 1024 {
		line.Topic = line.Topic[:1024]
	}
	r.remember(&line)
	text, err := json.Marshal(line)
	if err != nil {
		r.log.Error("reject not written", "seq", m.Seq, "error", err)
		return
	}
	r.waiting = append(r.waiting, append(text, '\n'))
	r.waitingBytes += len(text) + 1
	_ = r.flush() // the checkpoint tells
}

// flush writes what waits. On an error the rest goes on waiting.
func (r *rejects) flush() error {
	for i, text := range r.waiting {
		if err := r.write(text); err != nil {
			r.waiting = append(r.waiting[:0], r.waiting[i:]...)
			return err
		}
		r.waitingBytes -= len(text)
	}
	clear(r.waiting)
	r.waiting = r.waiting[:0]
	return nil
}

func (r *rejects) write(text []byte) error {
	if r.size+int64(len(text)) > r.maxBytes/2 {
		if err := r.rotate(); err != nil {
			return err
		}
	}
	if r.torn {
		text = append([]byte("\n"), text...)
	}
	n, err := r.f.Write(text)
	r.size += int64(n)
	if n > 0 {
		r.torn, r.dirty = n < len(text), true
	}
	return err
}

// sync writes what waits and makes all lines durable.
func (r *rejects) sync() error {
	err := r.flush()
	if err == nil && r.dirty {
		err = r.f.Sync()
		r.dirty = err != nil
	}
	if err != nil {
		return fmt.Errorf("rejects.ndjson cannot be written to, and %d lines wait: %w", len(r.waiting), err)
	}
	return nil
}

// Reject is a message that was refused, without its payload.
type Reject struct {
	Time   time.Time       `json:"time"` // received
	Vendor ingest.VendorID `json:"vendor"`
	Reason ingest.Reason   `json:"reason"`
	Detail string          `json:"detail"`
	Topic  string          `json:"topic"`
}

// maxRecent sets how many rejects are kept at hand.
const maxRecent = 50

func (r *rejects) remember(line *reject) {
	if len(r.recent) >= 2*maxRecent {
		r.recent = append(r.recent[:0], r.recent[len(r.recent)-maxRecent:]...)
	}
	r.recent = append(r.recent, Reject{line.Time, line.Vendor, line.Reason, line.Detail, line.Topic})
}

// rotate begins a new file. Where a step fails, the next call goes on with it.
func (r *rejects) rotate() error {
	if err := r.f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(r.path, r.path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before := r.f
	if err := r.open(); err != nil {
		return err
	}
	return before.Close()
}

func (r *rejects) close() error { return errors.Join(r.sync(), r.f.Close()) }
