package pipeline

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"greencommunity/ingest"
)

// Lines that cannot be written wait, in order; until they are written, no state
// may say that their messages are refused.
func TestRejectsWaitForTheDisk(t *testing.T) {
	dir := t.TempDir()
	r, err := openRejects(dir, 4000, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.resume(0)
	// A folder that is not empty stands where the full file goes.
	blocked := filepath.Join(dir, "rejects.ndjson.1", "x")
	if err := os.MkdirAll(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	add := func(from, to int) {
		for i := from; i < to; i++ {
			r.add(&ingest.Message{Seq: uint64(i), Topic: "t", Payload: fmt.Appendf(nil, "number %04d.", i)}, "v", ingest.Refuse(ingest.Malformed, "not JSON"))
		}
	}
	add(0, 20)
	if err := r.sync(); err == nil || len(r.waiting) == 0 || r.waitingBytes == 0 {
		t.Fatalf("%v: %d lines wait", err, len(r.waiting))
	}
	if err := os.RemoveAll(filepath.Dir(blocked)); err != nil {
		t.Fatal(err)
	}
	if err := r.sync(); err != nil || len(r.waiting) != 0 || r.waitingBytes != 0 {
		t.Fatalf("%v: %d lines, %d bytes wait", err, len(r.waiting), r.waitingBytes)
	}
	if err := r.close(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, name := range []string{"rejects.ndjson.1", "rejects.ndjson"} {
		part, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	// Two files of half the cap each have the newest ones.
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	for i, line := range lines {
		if want := fmt.Sprintf("number %04d.", 20-len(lines)+i); !bytes.Contains(line, []byte(want)) {
			t.Errorf("line %d is %s, not %s", i, line, want)
		}
	}
	if len(lines) < 10 {
		t.Errorf("%d lines", len(lines))
	}
}
