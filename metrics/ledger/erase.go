package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"greencommunity/ingest/durable"
)

// ErasePerson takes somebody out of the ledger of a data directory, in all that it ever held:
// as who changed something, and in the values of cells. taken returns what becomes of a
// text, which is a person (who changed something, a contact) or may name one. What
// was changed and when stays, so that every revision can still be had. It returns how many lines
// there were; with dryRun it counts only. The file is replaced as a whole: ErasePerson may be
// killed and called again. No service may run on the directory.
func ErasePerson(dataDir string, taken func(text string, who bool) string, dryRun bool) (lines int, err error) {
	l, err := Open(dataDir)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == 0 {
		return 0, nil
	}
	f, err := os.OpenFile(l.path, os.O_RDWR, 0o640)
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close() // gives the lock back
	if err := lockFile(f); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	if _, err := l.read(f); err != nil {
		return 0, err
	}
	var all bytes.Buffer
	to := json.NewEncoder(&all)
	to.SetEscapeHTML(false)
	for _, b := range l.batches {
		changed := false
		become := func(text string, who bool) string {
			now := taken(text, who)
			changed = changed || now != text
			return now
		}
		b.Who = become(b.Who, true)
		for i := range b.Edits {
			e := &b.Edits[i]
			who := e.Column == "contact"
			e.From, e.To = become(e.From, who), become(e.To, who)
		}
		if changed {
			lines++
		}
		if err := to.Encode(b); err != nil {
			return 0, fmt.Errorf("ledger: %w", err)
		}
	}
	if lines == 0 || dryRun {
		return lines, nil
	}
	out, err := os.CreateTemp(filepath.Dir(l.path), "new-ledger-*")
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = out.Chmod(info.Mode().Perm())
	}
	if err == nil {
		_, err = out.Write(all.Bytes())
	}
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return 0, fmt.Errorf("ledger: %w", errors.Join(err, os.Remove(out.Name())))
	}
	if err := os.Rename(out.Name(), l.path); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	return lines, durable.Dir(filepath.Dir(l.path))
}
