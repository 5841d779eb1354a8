// Package ledger keeps the working ledger (工作台账) of the programme: for each
// community its town, whether it is a pilot, its stage and since when, a contact,
// the compounds that were renovated, and for each item of the standard whether it
// is met, by which evidence, who says so and of when.
//
// A clerk keeps it as a table in Excel; the page and the API change single cells.
// Both are edits of cells. Every edit is one line of a file that only grows
// (ledger.ndjson in the data directory), with who and when, on disk before it is
// answered. What the ledger holds is those lines one after the other, so each
// state it ever had can be had again: a table that was exported carries its
// revision, and coming back it changes only what its clerk has changed since, and
// says where somebody else has changed the same cell meanwhile.
//
// What a cell does not say, the inventory says. The service proposes what its
// devices give evidence of; a person takes it over or not.
package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
)

// Cell names one value of the ledger.
type Cell struct {
	Community ingest.CommunityID `json:"community"`
	Item      string             `json:"item,omitempty"`     // number of the item the value is of
	Compound  string             `json:"compound,omitempty"` // name of the compound it is of; neither: of the community
	Column    string             `json:"column"`
}

// Cells are values in canonical form: days as 2006-01-02, yes or no, and the words
// of the API. "" is a value that was cleared.
type Cells map[Cell]string

// Edit is a change of a cell.
type Edit struct {
	Cell
	From string `json:"from"`
	To   string `json:"to"`
}

// Batch is the edits that were made at once: one line of the file.
type Batch struct {
	Revision int       `json:"revision"` // counts from 1
	Time     time.Time `json:"time"`
	Who      string    `json:"who"`
	Via      string    `json:"via"` // page, api, file, command
	Edits    []Edit    `json:"edits"`
	Table    string    `json:"table,omitempty"` // digest of the configuration's table that was taken over
}

// Ledger is the ledger of a data directory. Several processes may have it open:
// each reads what others have added before it answers or adds something.
type Ledger struct {
	path string

	mu      sync.Mutex // all that follows
	cells   Cells
	batches []Batch
	size    int64 // of the file, as far as it is read
}

// FileName is the name of the file in the data directory.
const FileName = "ledger.ndjson"

// Open reads the ledger of a data directory. One that has none has an empty one.
func Open(dataDir string) (*Ledger, error) {
	l := &Ledger{path: filepath.Join(dataDir, FileName), cells: Cells{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l, l.refresh()
}

// Empty returns a ledger that holds nothing and has no file. It is for showing.
func Empty() *Ledger { return &Ledger{cells: Cells{}} }

// refresh reads what was added to the file.
func (l *Ledger) refresh() error {
	if l.path == "" {
		return nil
	}
	f, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer f.Close()
	_, err = l.read(f)
	return err
}

// read takes in whole lines from where reading ended, and returns what is behind
// the last of them: a line that is being written, or was when the power went.
func (l *Ledger) read(f *os.File) (torn int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	if info.Size() < l.size {
		return 0, fmt.Errorf("ledger: %s has become shorter; put it back from a backup", l.path)
	}
	if info.Size() == l.size {
		return 0, nil
	}
	r := bufio.NewReader(io.NewSectionReader(f, l.size, info.Size()-l.size))
	for {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			return int64(len(line)), nil
		}
		if err != nil {
			return 0, fmt.Errorf("ledger: %w", err)
		}
		var b Batch
		if err := json.Unmarshal(line, &b); err != nil || b.Revision != len(l.batches)+1 {
			return 0, fmt.Errorf("ledger: line %d of %s is damaged; put the file back from a backup, or cut it off before that line", len(l.batches)+1, l.path)
		}
		l.cells.apply(b)
		l.batches = append(l.batches, b)
		l.size += int64(len(line))
	}
}

func (c Cells) apply(b Batch) {
	for _, e := range b.Edits {
		c[e.Cell] = e.To
	}
}

// State returns the cells and how many batches made them. Both are the caller's.
func (l *Ledger) State() (Cells, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.refresh()
	return maps.Clone(l.cells), len(l.batches), err
}

// Revision returns the number of batches.
func (l *Ledger) Revision() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.refresh() // whoever reads the state is told
	return len(l.batches)
}

// At returns the cells as they were after a number of batches; false if there
// never were so many.
func (l *Ledger) At(revision int) (Cells, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at(revision)
}

func (l *Ledger) at(revision int) (Cells, bool) {
	if revision < 0 || revision > len(l.batches) {
		return nil, false
	}
	cells := Cells{}
	for _, b := range l.batches[:revision] {
		cells.apply(b)
	}
	return cells, true
}

// History returns the latest batches, the newest first, at most limit of them, 0: all;
// of one community where it is given.
func (l *Ledger) History(community ingest.CommunityID, limit int) []Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []Batch{}
	for _, b := range slices.Backward(l.batches) {
		if community != "" {
			b.Edits = slices.DeleteFunc(slices.Clone(b.Edits), func(e Edit) bool { return e.Community != community })
		}
		if len(b.Edits) == 0 {
			continue
		}
		if list = append(list, b); len(list) == limit {
			break
		}
	}
	return list
}

// Author says who changes something and by which way.
type Author struct {
	Who, Via string
	Table    string // see Batch
	// May reports whether a community is among those they may change; nil: all are.
	May func(ingest.CommunityID) bool
}

// Change makes edits. What is wanted is asked for the cells as they are, while
// nobody else can change them; edits that change nothing are left out. It returns
// once they would survive a power cut.
func (l *Ledger) Change(by Author, wanted func(Cells, func(revision int) (Cells, bool)) (Cells, error)) (Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return Batch{}, fmt.Errorf("ledger: %w", err)
	}
	defer f.Close() // gives the lock back
	if err := lockFile(f); err != nil {
		return Batch{}, fmt.Errorf("ledger: %w", err)
	}
	torn, err := l.read(f)
	if err != nil {
		return Batch{}, err
	}
	if torn > 0 { // nobody writes: we have the lock
		if err := f.Truncate(l.size); err != nil {
			return Batch{}, fmt.Errorf("ledger: %w", err)
		}
	}
	values, err := wanted(maps.Clone(l.cells), l.at)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Revision: len(l.batches) + 1, Time: time.Now().UTC().Truncate(time.Millisecond), Who: by.Who, Via: by.Via, Table: by.Table}
	if b.Edits, err = l.edits(by, values); err != nil {
		return Batch{}, err
	}
	if len(b.Edits) == 0 && b.Table == "" {
		return Batch{Revision: len(l.batches)}, nil
	}
	if err := l.append(f, b); err != nil {
		return Batch{}, err
	}
	l.cells.apply(b)
	l.batches = append(l.batches, b)
	return b, nil
}

// edits are what makes cells hold values, in order. None may be of a community that is
// not its author's.
func (l *Ledger) edits(by Author, values Cells) ([]Edit, error) {
	edits := []Edit{}
	var not []ingest.CommunityID
	for cell, to := range values {
		if from := l.cells[cell]; from != to {
			edits = append(edits, Edit{Cell: cell, From: from, To: to})
		}
		if by.May != nil && !by.May(cell.Community) && !slices.Contains(not, cell.Community) {
			not = append(not, cell.Community)
		}
	}
	if not != nil {
		slices.Sort(not)
		return nil, Problems{{Text: text(fmt.Sprintf("您无权更改社区 %v", not), fmt.Sprintf("you may not change %v", not))}}
	}
	slices.SortFunc(edits, func(a, b Edit) int { return a.compare(b.Cell) })
	return edits, nil
}

// append writes a line and makes it durable. What cannot be written whole is taken
// back, so that the next line does not follow half a one.
func (l *Ledger) append(f *os.File, b Batch) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(b); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err := f.Write(line.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if err == nil && l.size == 0 { // the name of a new file
		err = durable.Dir(filepath.Dir(l.path))
	}
	if err != nil {
		return fmt.Errorf("ledger: nothing was changed: %w", errors.Join(err, f.Truncate(l.size)))
	}
	l.size += int64(line.Len())
	return nil
}
