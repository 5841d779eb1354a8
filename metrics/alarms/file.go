package alarms

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"greencommunity/ingest/durable"
)

// The history is files of lines of JSON: history-000001.jsonl and so on. The first line
// of each is a header with the format's version and what was counted before; then come
// the states of the items that were not over, and of each item its new state as often
// as it changes. So the newest file alone says how things are, and those before are for
// looking up. A file is made whole under another name and then renamed.

const (
	fileVersion  = 1
	segmentBytes = 8 << 20
	mostLine     = 4 << 20
)

// header is the first line of a file.
type header struct {
	Version int    `json:"greencommunity_alarms"`
	Totals  totals `json:"totals"`
}

// file is the history. Its user sees to it that one goroutine at a time calls it.
type file struct {
	dir    string
	max    int64 // bytes of all files together
	log    *slog.Logger
	f      *os.File // the newest
	number int
	size   int64
	old    int64 // bytes of those before
	broken error // of the disk: the file takes nothing more until a restart
	limit  int64 // of a file
}

func openFile(dir string, most int64, log *slog.Logger, begin func(totals), recall func(*State)) (*file, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	h := &file{dir: dir, max: most, log: log, limit: segmentBytes}
	numbers, err := h.numbers()
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return h, h.roll(newTotals(), nil)
	}
	for _, n := range numbers[:len(numbers)-1] {
		if info, err := os.Stat(h.path(n)); err == nil {
			h.old += info.Size()
		}
	}
	h.number = numbers[len(numbers)-1]
	if h.f, err = os.OpenFile(h.path(h.number), os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err := h.read(begin, recall); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", h.path(h.number), err), h.f.Close())
	}
	return h, nil
}

// read reads the newest file. What a power cut left of a last line is cut off.
func (h *file) read(begin func(totals), recall func(*State)) error {
	r := bufio.NewReaderSize(h.f, 1<<20)
	damaged := 0
	for n := 0; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				h.log.Warn("the last line of the history of alarms was not written whole; it is cut off", "file", h.path(h.number), "bytes", len(line))
				if err := h.f.Truncate(h.size); err != nil {
					return err
				}
			}
			break
		}
		if err != nil {
			return err
		}
		h.size += int64(len(line))
		if n == 0 {
			var top header
			if err := json.Unmarshal(line, &top); err != nil || top.Version == 0 {
				return errors.New("it is no history of alarms; move it away, and the service begins a new one")
			}
			if top.Version > fileVersion {
				return fmt.Errorf("it is of version %d of the format, and this program reads up to %d; run the newer program", top.Version, fileVersion)
			}
			begin(top.Totals.complete())
			continue
		}
		var s State
		if err := json.Unmarshal(line, &s); err != nil || s.ID == "" {
			damaged++
			continue
		}
		recall(&s)
	}
	if damaged > 0 {
		h.log.Error("lines of the history of alarms are damaged and left out", "file", h.path(h.number), "lines", damaged)
	}
	_, err := h.f.Seek(h.size, io.SeekStart)
	return err
}

func (h *file) path(number int) string {
	return filepath.Join(h.dir, fmt.Sprintf("history-%06d.jsonl", number))
}

// numbers are those of the files there are, in order.
func (h *file) numbers() ([]int, error) {
	names, err := filepath.Glob(filepath.Join(h.dir, "history-*.jsonl"))
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(strings.TrimPrefix(filepath.Base(name), "history-"), "%06d.jsonl", &n); err == nil && h.path(n) == name {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// full says whether a new file should begin.
func (h *file) full() bool { return h.size >= h.limit }

// append writes lines; when it returns nil they would survive a power cut.
func (h *file) append(states []*State) error {
	if h.broken != nil {
		return h.broken
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, s := range states {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	if _, err := h.f.Write(b.Bytes()); err != nil {
		// What of it is in the file would be a line with the next one behind it.
		if cut := h.f.Truncate(h.size); cut != nil {
			h.broken = errors.Join(err, cut)
		} else if _, seek := h.f.Seek(h.size, io.SeekStart); seek != nil {
			h.broken = errors.Join(err, seek)
		}
		return err
	}
	if err := h.f.Sync(); err != nil {
		h.broken = err // what is on disk now, nobody knows
		return err
	}
	h.size += int64(b.Len())
	return nil
}

// roll begins a new file, and removes the oldest while all together have more than max bytes.
func (h *file) roll(t totals, states []*State) (err error) {
	number := h.number + 1
	f, err := os.CreateTemp(h.dir, "new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	e := json.NewEncoder(w)
	if err := e.Encode(header{fileVersion, t}); err != nil {
		return err
	}
	for _, s := range states {
		if err := e.Encode(s); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Flush(), f.Sync(), os.Rename(f.Name(), h.path(number)), durable.Dir(h.dir)); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if h.f != nil {
		_ = h.f.Close() // all of it is on disk
	}
	h.old += h.size
	h.f, h.number, h.size = f, number, size
	// So many items that they alone fill a file make the next one later.
	h.limit = max(segmentBytes, 2*size)
	return h.shrink()
}

func (h *file) shrink() error {
	numbers, err := h.numbers()
	for _, n := range numbers {
		if err != nil || n >= h.number || h.old+h.size <= h.max {
			break
		}
		var info os.FileInfo
		if info, err = os.Stat(h.path(n)); err == nil {
			h.old -= info.Size()
			h.log.Info("the oldest history of alarms is removed: it has reached its limit", "file", h.path(n), "limit_bytes", h.max)
			err = os.Remove(h.path(n))
		}
	}
	return err
}

// bytes is how much there is.
func (h *file) bytes() int64 { return h.old + h.size }

func (h *file) close() error {
	if h.f == nil {
		return nil
	}
	return h.f.Close()
}

// find returns an item of the past, or nil.
func (h *file) find(id string) (*State, error) {
	var found *State
	err := h.search(func(line []byte) bool { return bytes.Contains(line, []byte(id)) }, func(states []*State) bool {
		for _, s := range states {
			if s.ID == id {
				found = s
				return false
			}
		}
		return true
	})
	return found, err
}

// search yields the items of each file, the newest file first, each in its last state
// there, until use says that it has enough. Only lines that may be of them are looked at.
func (h *file) search(may func(line []byte) bool, use func([]*State) bool) error {
	numbers, err := h.numbers()
	if err != nil {
		return err
	}
	for _, n := range slices.Backward(numbers) {
		states, err := readStates(h.path(n), may)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		if !use(states) {
			return nil
		}
	}
	return nil
}

func readStates(path string, may func([]byte) bool) ([]*State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 1<<16), mostLine)
	last := map[string]*State{}
	var order []string
	for lines.Scan() {
		if !may(lines.Bytes()) {
			continue
		}
		var s State
		if json.Unmarshal(lines.Bytes(), &s) != nil || s.ID == "" {
			continue // the header, a damaged line, one that is being written
		}
		if last[s.ID] == nil {
			order = append(order, s.ID)
		}
		s.Adds = nil
		last[s.ID] = &s
	}
	states := make([]*State, 0, len(order))
	for _, id := range order {
		states = append(states, last[id])
	}
	return states, lines.Err()
}
