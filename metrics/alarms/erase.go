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
		gone, err := eraseLines(h.path(n), selected, dryRun)
		if err != nil {
			return lines, fmt.Errorf("history of alarms: %w", err)
		}
		lines += gone
	}
	return lines, nil
}

func eraseLines(path string, selected func(*State) bool, dryRun bool) (gone int, err error) {
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
			return gone, err
		}
		if errors.Is(err, io.EOF) { // and a line that was not written whole
			break
		}
		var s State
		if json.Unmarshal(line, &s) == nil && s.ID != "" && !selected(&s) {
			kept.Write(line)
			continue
		}
		t.add(&s)
		gone++
	}
	if gone == 0 || dryRun {
		return gone, nil
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
	return gone, syncDir(filepath.Dir(path))
}
