package journal

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greencommunity/ingest"
)

// all reads a journal whole: what of each number is there.
func all(t *testing.T, dir string) map[uint64]string {
	t.Helper()
	j, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	have := map[uint64]string{}
	r := j.Read(1)
	defer r.Close()
	for r.Next() {
		m := r.Message()
		have[m.Seq] = fmt.Sprintf("%v|%d|%s|%s", m.Erased, m.Received, m.Topic, m.Payload)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return have
}

// An erased message keeps its number and time, and nothing else; all others stay
// as they were, damaged ones lost, in blocks and alone, over many segments.
func TestErase(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "journal")
		j, err := Open(Options{Dir: dir, SegmentBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(1, 2))
		n := 0
		for n < 4000 {
			var group []*ingest.Message
			for range 1 + random.IntN(60)*random.IntN(2) {
				m := mixed([]string{"native", "chirpstack", "dlt645"}[random.IntN(3)], n, random)
				if random.IntN(7) == 0 {
					m.Topic, m.Payload = fmt.Sprintf("gate/Zhuge-%d", n), []byte(strings.Repeat("Zhuge ", random.IntN(50)))
				}
				group, n = append(group, m), n+1
			}
			if err := j.Append(group); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if damaged { // a page of each second segment
			for i := 0; i < 40; i += 2 {
				path := segmentName(dir, i)
				data, err := os.ReadFile(path)
				if err != nil {
					break
				}
				for k := len(data) / 3; k < len(data)/3+4000 && k < len(data); k++ {
					data[k] ^= 0x5a
				}
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "torn-00000000-7"), []byte("Zhuge"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(segmentName(dir, 1)+eraseSuffix, []byte("Zhuge"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := all(t, dir)
		opened, err := Open(Options{Dir: dir, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		last := opened.Last()
		match := func(m *ingest.Message) bool { return strings.Contains(m.Topic, "Zhuge") }
		want := map[uint64]string{}
		selected := 0
		for seq, text := range before {
			if want[seq] = text; strings.HasPrefix(text, "false|") && strings.Contains(text, "gate/Zhuge") {
				want[seq] = "true|" + strings.Split(text, "|")[1] + "||"
				selected++
			}
		}
		if dry, err := Erase(dir, match, true, slog.New(slog.DiscardHandler)); err != nil || dry.Messages != selected {
			t.Errorf("a dry run counts %d messages of %d: %v", dry.Messages, selected, err)
		}
		if now := all(t, dir); !maps.Equal(now, before) {
			t.Error("a dry run changes something")
		}
		done, err := Erase(dir, match, false, slog.New(slog.DiscardHandler))
		if err != nil || done.Messages != selected || done.Segments == 0 {
			t.Errorf("erased %+v of %d: %v", done, selected, err)
		}
		have := all(t, dir)
		for seq, text := range want {
			if have[seq] != text {
				t.Fatalf("damaged %v: message %d is %.80q, want %.80q", damaged, seq, have[seq], text)
			}
		}
		if len(have) < len(before) {
			t.Errorf("%d messages are there, %d were", len(have), len(before))
		}
		if again, err := Erase(dir, match, false, slog.New(slog.DiscardHandler)); err != nil || again.Messages != 0 {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(data), "Zhuge") || strings.Contains(f, "torn") || strings.Contains(f, eraseSuffix) {
				t.Errorf("%s has a trace", f)
			}
		}
		// It goes on where it was.
		j, err = Open(Options{Dir: dir, SegmentBytes: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		m := mixed("native", n, random)
		if err := j.Append([]*ingest.Message{m}); err != nil || m.Seq != last+1 {
			t.Errorf("the next number is %d, want %d: %v", m.Seq, last+1, err)
		}
		j.Close()
		t.Logf("damaged %v: %d of %d erased, %+v", damaged, selected, len(before), done)
	}
}
