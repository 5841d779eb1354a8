package pipeline

import (
	"bufio"
	"encoding/json"
	"errors"
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
	walked   uint64 // the last message the walker refused; those InfluxDB refuses come later and are before it
	recent   []Reject
	f        *os.File
	size     int64
	log      *slog.Logger
}

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

// maxRejectPayload is what of a payload a reject shows; the journal has it all.
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
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line reject
			if json.Unmarshal(lines.Bytes(), &line) == nil {
				if line.Reason != ingest.RefusedByInfluxDB {
					r.walked = max(r.walked, line.Seq)
				}
				r.remember(&line)
			}
		}
		f.Close()
	}
	return r, r.open()
}

func (r *rejects) open() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	r.f, r.size = f, info.Size()
	return nil
}

// add writes a line. An error is logged: the journal still has the message.
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
	if err == nil {
		text = append(text, '\n')
		if r.size+int64(len(text)) > r.maxBytes/2 {
			err = r.rotate()
		}
		if err == nil {
			_, err = r.f.Write(text)
			r.size += int64(len(text))
		}
	}
	if err != nil {
		r.log.Error("reject not written", "seq", m.Seq, "error", err)
	}
}

// Reject is a message that was refused, without its payload.
type Reject struct {
	Time   time.Time       `json:"time"` // received
	Vendor ingest.VendorID `json:"vendor"`
	Reason ingest.Reason   `json:"reason"`
	Detail string          `json:"detail"`
	Topic  string          `json:"topic"`
}

// maxRecent is how many rejects are kept at hand.
const maxRecent = 50

func (r *rejects) remember(line *reject) {
	if len(r.recent) >= 2*maxRecent {
		r.recent = append(r.recent[:0], r.recent[len(r.recent)-maxRecent:]...)
	}
	r.recent = append(r.recent, Reject{line.Time, line.Vendor, line.Reason, line.Detail, line.Topic})
}

func (r *rejects) rotate() error {
	if err := r.f.Close(); err != nil {
		return err
	}
	if err := os.Rename(r.path, r.path+".1"); err != nil {
		return err
	}
	return r.open()
}

func (r *rejects) close() error { return r.f.Close() }
