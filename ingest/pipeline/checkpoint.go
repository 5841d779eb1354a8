package pipeline

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"greencommunity/ingest"
)

// checkpoint is all that is not in the journal, as of one message of it. It is
// written to a new file that takes the old one's name once it is durable, so
// that there is always one whole checkpoint.
type checkpoint struct {
	Version int
	Seq     uint64 // the last message walked
	Tally   tally
	Pending pendingSet
	Names   []string
	Series  [][]series
	Devices []ingest.Device // by index
}

const checkpointVersion = 1

func checkpointPath(dir string) string { return filepath.Join(dir, "checkpoint") }

func (c *checkpoint) write(dir string) error {
	path := checkpointPath(dir)
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := gob.NewEncoder(w).Encode(c); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readCheckpoint returns an empty checkpoint where there is none yet.
func readCheckpoint(dir string) (*checkpoint, error) {
	c := &checkpoint{Version: checkpointVersion, Tally: newTally()}
	f, err := os.Open(checkpointPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c = &checkpoint{Tally: newTally()}
	if err := gob.NewDecoder(bufio.NewReaderSize(f, 1<<20)).Decode(c); err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w; move it away to rebuild from the journal", f.Name(), err)
	}
	if c.Version != checkpointVersion {
		return nil, fmt.Errorf("checkpoint %s has version %d, this program reads %d", f.Name(), c.Version, checkpointVersion)
	}
	return c, nil
}
