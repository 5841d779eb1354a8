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

	"greencommunity/ingest/durable"
)

// Erase takes the lines of what is selected out of a history of alarms, and returns how
// many there were; with dryRun it counts only. What the lines added to the counts stays
// counted. Each file is replaced as a whole, so that Erase may be killed and called
// again. No desk may be at work on the directory. Damaged lines go too: nobody can tell
// whose they are.
func Erase(dir string, selected func(*State) bool, dryRun bool) (lines int, err error) {
	h := &file{dir: dir, log: slog.New(slog.DiscardHandler)}
	numbers, err := h.numbers()
	if err != nil {
		return 0, err
	}
	if !dryRun { // what a kill left of a file that was being made
		left, err := filepath.Glob(filepath.Join(dir, "new-*"))
		if err != nil {
			return 0, err
		}
		for _, name := range left {
			if err := os.Remove(name); err != nil {
				return 0, err
			}
		}
	}
	for _, n := range numbers {
		gone, err := rewriteLines(h.path(n), func(s *State, line []byte) []byte {
			if selected(s) {
				return nil
			}
			return line
		}, dryRun)
		if err != nil {
			return lines, fmt.Errorf("history of alarms: %w", err)
		}
		lines += gone
	}
	return lines, nil
}

// ErasePerson takes somebody out of a history of alarms: as who it was given to, who did
// something, and in comments and reasons. What they did stays, by nobody known. It returns how
// many lines there were. Otherwise it is as Erase.
func ErasePerson(dir string, taken func(text string, who bool) string, dryRun bool) (lines int, err error) {
	h := &file{dir: dir, log: slog.New(slog.DiscardHandler)}
	numbers, err := h.numbers()
	if err != nil {
		return 0, err
	}
	for _, n := range numbers {
		changed, err := rewriteLines(h.path(n), func(s *State, line []byte) []byte {
			before := *s
			before.History = slices.Clone(s.History)
			s.Assignee, s.Reason = taken(s.Assignee, true), taken(s.Reason, false)
			for k := range s.History {
				e := &s.History[k]
				e.By, e.Assignee, e.Comment, e.Reason = taken(e.By, true), taken(e.Assignee, true), taken(e.Comment, false), taken(e.Reason, false)
			}
			if s.Assignee == before.Assignee && s.Reason == before.Reason && slices.Equal(s.History, before.History) {
				return line
			}
			written, err := json.Marshal(s)
			if err != nil {
				return nil // a state that was read can be written
			}
			return append(written, '\n')
		}, dryRun)
		if err != nil {
			return lines, fmt.Errorf("history of alarms: %w", err)
		}
		lines += changed
	}
	return lines, nil
}

// rewriteLines replaces a file by what becomes of its lines, none where that is nil, and
// returns how many became something else.
func rewriteLines(path string, become func(s *State, line []byte) []byte, dryRun bool) (changed int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	first, err := r.ReadBytes('\n')
	var top header
	if err != nil || json.Unmarshal(first, &top) != nil || top.Version == 0 || top.Version > fileVersion {
		return 0, fmt.Errorf("%s is no history that this program reads; move it away", path)
	}
	t := top.Totals.complete()
	var kept bytes.Buffer
	for {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return changed, err
		}
		if errors.Is(err, io.EOF) { // and a line that was not written whole
			break
		}
		var s State
		if json.Unmarshal(line, &s) == nil && s.ID != "" {
			if now := become(&s, line); now != nil {
				kept.Write(now)
				if !bytes.Equal(now, line) {
					changed++
				}
				continue
			}
		}
		t.add(&s)
		changed++
	}
	if changed == 0 || dryRun {
		return changed, nil
	}
	out, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	if err := json.NewEncoder(out).Encode(header{fileVersion, t}); err != nil {
		return 0, errors.Join(err, out.Close())
	}
	_, err = out.Write(kept.Bytes())
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return 0, err
	}
	return changed, durable.Dir(filepath.Dir(path))
}
