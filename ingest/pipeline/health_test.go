package pipeline

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
)

// A state that is not written is told hourly, and makes the service not ready
// after a minute, until it is written.
func TestUnwrittenStateIsToldSeldom(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	var h stateHealth
	start := time.Now()
	h.current(stateCheckpoint, start, logger)
	for s := range 3*3600 + 1 {
		now := start.Add(time.Duration(s) * time.Second)
		h.failed(stateCheckpoint, errors.New("no space left on device"), now, logger)
		if err := h.failing(now); (err != nil) != (s >= 60) {
			t.Fatalf("after %d s: %v", s, err)
		} else if err != nil && !strings.Contains(err.Error(), "checkpoint") {
			t.Fatal(err)
		}
	}
	now := start.Add(3 * time.Hour)
	if n := strings.Count(log.String(), "\n"); n != 4 {
		t.Errorf("told %d times in three hours", n)
	}
	if age := h.age(stateCheckpoint, now); age != 3*3600 {
		t.Errorf("the age is %g s", age)
	}
	h.current(stateCheckpoint, now, logger)
	if err := h.failing(now); err != nil || h.age(stateCheckpoint, now) != 0 {
		t.Errorf("written, and %v", err)
	}
}

// A reject is in the file, on a line of its own, whatever the file's end is
// like; one that is there is not written again, and one that has its number but
// is another message is (attack F12).
func TestRejectsAfterAnotherLife(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	refusal := ingest.Refuse(ingest.BadValue, "no")
	old := &ingest.Message{Seq: 7, Received: 1_700_000_000_123_456_789, Topic: "a", Payload: []byte("{")}
	for name, c := range map[string]struct {
		end  string // what stands at the file's end
		m    *ingest.Message
		want int // whole lines of messages afterwards
	}{
		"walked again":                     {"", old, 1},
		"another journal's number":         {"", &ingest.Message{Seq: 7, Received: old.Received + 1, Topic: "b"}, 2},
		"another journal's lower number":   {"", &ingest.Message{Seq: 2, Received: old.Received + 1e9, Topic: "b"}, 2},
		"a torn line":                      {`{"time":"2026-11-28T`, &ingest.Message{Seq: 8, Received: old.Received + 1, Topic: "b"}, 2},
		"a torn line, and the same again":  {`{"time":"2026-11-28T`, old, 1},
		"zeros, as after a power cut":      {"\x00\x00\x00\x00", &ingest.Message{Seq: 8, Received: 1, Topic: "b"}, 2},
		"a line longer than any, no end":   {strings.Repeat("x", 3<<20), &ingest.Message{Seq: 8, Received: 1, Topic: "b"}, 2},
		"a line that is no JSON":           {"junk\n", &ingest.Message{Seq: 8, Received: 1, Topic: "b"}, 2},
		"a whole line without its newline": {`{"time":"2026-11-28T00:00:00Z","seq":9,"reason":"bad_value","detail":"","topic":"t"}`, &ingest.Message{Seq: 10, Received: 1, Topic: "b"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first, err := openRejects(dir, 1<<20, logger)
			if err != nil {
				t.Fatal(err)
			}
			first.add(old, "v", refusal)
			if err := first.close(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(dir, "rejects.ndjson"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(c.end); err != nil {
				t.Fatal(err)
			}
			f.Close()
			r, err := openRejects(dir, 16<<20, logger)
			if err != nil {
				t.Fatal(err)
			}
			r.resume(0)
			again := r.has(c.m)
			if !again {
				r.add(c.m, "v", refusal)
			}
			if err := r.close(); err != nil {
				t.Fatal(err)
			}
			after, err := openRejects(dir, 16<<20, logger)
			if err != nil {
				t.Fatal(err)
			}
			defer after.close()
			if got := len(after.recent); got != c.want {
				t.Errorf("%d messages are in the file, want %d", got, c.want)
			}
			if !again && after.torn {
				t.Error("the file ends torn")
			}
		})
	}
}
