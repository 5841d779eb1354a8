package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
)

// Erased counts what Erase did, or would do.
type Erased struct {
	Messages int // that were erased
	Segments int // that were written anew
	Aside    int // files of damaged data beside the journal that were deleted
}

// eraseSuffix is of a segment that is being written anew.
const eraseSuffix = ".erase"

// Erase takes topic and payload of the messages that match out of a journal that
// nobody has open; the numbers and times of receipt stay, so that none counts as
// lost. Each segment is written beside itself and takes its own name once it is
// durable: whenever the process ends, the journal can be opened, and a further
// Erase does the rest. What stands aside as damaged (torn-*) cannot be looked
// through and is deleted; segments aside as misplaced are looked through.
func Erase(dir string, match func(*ingest.Message) bool, dryRun bool, log *slog.Logger) (Erased, error) {
	var done Erased
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return done, nil
	}
	if err != nil {
		return done, err
	}
	if !dryRun { // recovers what a crash left, and so no segment has a torn tail
		j, err := Open(Options{Dir: dir, Logger: log})
		if err != nil {
			return done, err
		}
		if err := j.Close(); err != nil {
			return done, err
		}
		if entries, err = os.ReadDir(dir); err != nil {
			return done, err
		}
	}
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(dir, e.Name())
		switch {
		case !e.Type().IsRegular():
		case strings.HasSuffix(name, eraseSuffix):
			if !dryRun { // of an Erase that was killed; the one at hand may have used the name
				if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
			}
		case strings.HasPrefix(name, "torn-"):
			done.Aside++
			if !dryRun {
				err = os.Remove(path)
			}
		case len(name) == 8 && strings.Trim(name, "0123456789") == "", strings.HasPrefix(name, "misplaced-"):
			var n int
			if n, err = eraseSegment(path, match, dryRun); n > 0 {
				done.Messages, done.Segments = done.Messages+n, done.Segments+1
			}
		}
		if err != nil {
			return done, fmt.Errorf("%s: %w", name, err)
		}
	}
	if dryRun {
		return done, nil
	}
	return done, durable.Dir(dir)
}

// eraseSegment erases the messages of a segment that match, and returns how many
// they are.
func eraseSegment(path string, match func(*ingest.Message) bool, dryRun bool) (erased int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	matches := func(m *ingest.Message) bool { return !m.Erased && match(m) }
	var m ingest.Message
	for r := (records{pages: pageReader{r: f}}); ; {
		found, err := r.next(info.Size(), 0, &m)
		if err != nil {
			return 0, err
		}
		if !found {
			break
		}
		if matches(&m) {
			erased++
		}
	}
	if erased == 0 || dryRun {
		return erased, nil
	}
	out, err := os.OpenFile(path+eraseSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(out.Name())
		}
	}()
	w := segmentWriter{f: out}
	whole, end := int64(0), uint64(0)
	for r := (records{pages: pageReader{r: f}}); ; {
		record, err := r.pages.next(info.Size())
		if err != nil {
			return 0, err
		}
		if record == nil {
			break
		}
		first, last := numbers(record)
		if !r.follows(first, last) || r.block.set(record) != nil {
			continue
		}
		whole = r.pages.whole
		var messages []*ingest.Message
		changed := false
		for r.block.next(&m) {
			kept := m
			kept.Payload = append([]byte(nil), m.Payload...)
			if matches(&m) {
				kept, changed = ingest.Message{Seq: m.Seq, Received: m.Received, PacketID: m.PacketID, QoS: m.QoS, Erased: true}, true
			}
			messages = append(messages, &kept)
		}
		if changed {
			record = w.pack(record[0] == blockVersion, messages)
		}
		if err := w.record(first, last, record); err != nil {
			return 0, err
		}
		end = last
	}
	// Damaged messages at the end keep their numbers: the last of them is there.
	if tail := info.Size() - whole; tail > 0 && tail <= maxTail {
		data := make([]byte, tail)
		if _, err := f.ReadAt(data, whole); err == nil {
			if last := damagedTail(data, whole, end); last > end {
				lost := &ingest.Message{Seq: last, Received: m.Received, Erased: true}
				if err := w.record(last, last, w.pack(false, []*ingest.Message{lost})); err != nil {
					return 0, err
				}
			}
		}
	}
	if err := errors.Join(w.flush(), out.Sync()); err != nil {
		return 0, err
	}
	if err := out.Close(); err != nil {
		return 0, err
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return 0, err
	}
	return erased, durable.Dir(filepath.Dir(path))
}

// segmentWriter writes records to a segment.
type segmentWriter struct {
	f      *os.File
	at     int64
	buf    []byte
	plain  []byte
	packed []byte
	last   uint64
}

// pack makes a record of messages, of one alone where it was none of a block.
func (w *segmentWriter) pack(block bool, messages []*ingest.Message) []byte {
	if !block {
		w.packed = appendRecord(w.packed[:0], messages[0])
		return w.packed
	}
	w.plain = w.plain[:0]
	after := int64(0)
	for _, m := range messages {
		w.plain = appendPlain(w.plain, m, after)
		after = m.Received
	}
	w.packed = appendBlock(w.packed[:0], messages[0].Seq, len(messages), w.plain)
	return w.packed
}

// record appends a record. Where numbers are missing before it, because they are
// damaged, as many pages are left empty as a reader needs to believe that.
func (w *segmentWriter) record(first, last uint64, record []byte) error {
	if gap := int64(first - w.last - 1); w.last > 0 && gap > 0 {
		at := w.at + int64(len(w.buf))
		empty := (page-at%page)%page + (gap/mostPerByte/page+1)*page
		w.buf = append(w.buf, make([]byte, empty)...)
	}
	w.last = last
	w.buf = appendPieces(w.buf, w.at+int64(len(w.buf)), record)
	if len(w.buf) >= maxWrite {
		return w.flush()
	}
	return nil
}

func (w *segmentWriter) flush() error {
	n, err := w.f.Write(w.buf)
	w.at, w.buf = w.at+int64(n), w.buf[:0]
	return err
}
