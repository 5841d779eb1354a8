package alarms

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
)

// Copy writes the items of a history that are selected to a file, each as it is now, a line
// of JSON each, and returns how many there are. No desk may be at work on the directory.
func Copy(dir string, selected func(*State) bool, to string) (items int, err error) {
	h := &file{dir: dir, log: slog.New(slog.DiscardHandler)}
	numbers, err := h.numbers()
	if err != nil {
		return 0, err
	}
	last := map[string]*State{}
	var order []string
	for _, n := range numbers {
		states, err := readStates(h.path(n), func([]byte) bool { return true })
		if err != nil {
			return 0, err
		}
		for _, s := range states {
			if last[s.ID] == nil {
				order = append(order, s.ID)
			}
			last[s.ID] = s
		}
	}
	f, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(f)
	for _, id := range order {
		if s := last[id]; selected(s) {
			line, err := json.Marshal(s)
			if err != nil {
				return 0, errors.Join(err, f.Close())
			}
			_, _ = w.Write(append(line, '\n')) // Flush says what became of it
			items++
		}
	}
	return items, errors.Join(w.Flush(), f.Sync(), f.Close())
}

// Receive adds the items of a file that Copy has written to the history of a directory. It
// may be done again: an item is its latest line. What they add to the counts is counted
// where they come from. No desk may be at work on the directory.
func Receive(dir, from string) (err error) {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := openFile(dir, 1<<62, slog.New(slog.DiscardHandler), func(totals) {}, func(*State) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	var states []*State
	for lines := json.NewDecoder(f); ; {
		var s State
		err := lines.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		s.Counted, s.Timed = true, s.Timed || s.Closed != nil
		states = append(states, &s)
	}
	if len(states) == 0 {
		return nil
	}
	return h.append(states)
}
