package decode

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"

	"greencommunity/ingest/format"
)

// state holds what a worker's decoders remember between messages so that the next
// ones decode, such as the births of Sparkplug nodes: what each saved of itself,
// by source topic, which is unique in an inventory and so outlives a reload.
// State of Version 0 was written before decoders saved their own.
type state struct {
	Version  int
	Decoders map[string][]byte
}

// SaveState writes what the worker's decoders remember. It belongs to the
// position in the journal the worker has read to; a worker that remembers
// nothing writes about a hundred bytes.
func (w *Worker) SaveState(to io.Writer) error {
	remembered := state{Version: 1, Decoders: map[string][]byte{}}
	for _, v := range w.inv.Vendors {
		for _, s := range v.Sources {
			d, ok := w.decoders[s.Index].(format.Stateful)
			if !ok {
				continue
			}
			saved, err := d.Save()
			if err != nil {
				return fmt.Errorf("state of source %s: %w", s.Topic, err)
			}
			if saved != nil {
				remembered.Decoders[s.Topic] = saved
			}
		}
	}
	if err := gob.NewEncoder(to).Encode(remembered); err != nil {
		return fmt.Errorf("decoders' state: %w", err)
	}
	return nil
}

// LoadState brings back what SaveState of this or an earlier version wrote, for
// the sources that are still in the inventory. An empty reader is no state.
func (w *Worker) LoadState(from io.Reader) error {
	all, err := io.ReadAll(from)
	if err != nil || len(all) == 0 {
		return err
	}
	var remembered state
	// Of an earlier version no field matches, which gob calls an error.
	known := gob.NewDecoder(bytes.NewReader(all)).Decode(&remembered)
	for _, v := range w.inv.Vendors {
		for _, s := range v.Sources {
			d, err := w.decoder(s)
			if err != nil {
				return fmt.Errorf("source %s: %w", s.Topic, err)
			}
			stateful, ok := d.(format.Stateful)
			if !ok {
				continue
			}
			switch saved := remembered.Decoders[s.Topic]; {
			case known != nil || remembered.Version == 0:
				err = stateful.LoadEarlier(all, s.Topic)
			case saved != nil:
				err = stateful.Load(saved)
			}
			if err != nil {
				return fmt.Errorf("decoders' state of source %s: %w", s.Topic, err)
			}
		}
	}
	return nil
}
