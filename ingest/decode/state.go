package decode

import (
	"encoding/gob"
	"fmt"
	"io"
)

// state is what a worker's decoders must remember between messages so that the
// next ones decode: the births of Sparkplug nodes. It is by source topic, which
// is unique in an inventory, so that it outlives a reload.
type state struct {
	Sparkplug map[string]map[string]*sparkplugNode
}

// stateful is a decoder that has state.
type stateful interface {
	save() map[string]*sparkplugNode
	load(map[string]*sparkplugNode)
}

// SaveState writes what the worker's decoders remember: the births of Sparkplug
// nodes. It belongs to the position in the journal the worker has read to; a
// worker that remembers nothing writes a few hundred bytes.
func (w *Worker) SaveState(to io.Writer) error {
	remembered := state{Sparkplug: map[string]map[string]*sparkplugNode{}}
	for _, v := range w.inv.Vendors {
		for _, s := range v.Sources {
			if d, ok := w.decoders[s.Index].(stateful); ok {
				if nodes := d.save(); len(nodes) > 0 {
					remembered.Sparkplug[s.Topic] = nodes
				}
			}
		}
	}
	if err := gob.NewEncoder(to).Encode(remembered); err != nil {
		return fmt.Errorf("decoders' state: %w", err)
	}
	return nil
}

// LoadState brings back what SaveState wrote, for the sources that are still in
// the inventory. An empty reader is no state.
func (w *Worker) LoadState(from io.Reader) error {
	var remembered state
	if err := gob.NewDecoder(from).Decode(&remembered); err != nil && err != io.EOF {
		return fmt.Errorf("decoders' state: %w", err)
	}
	for _, v := range w.inv.Vendors {
		for _, s := range v.Sources {
			nodes, ok := remembered.Sparkplug[s.Topic]
			if !ok || Formats[s.Format].New == nil {
				continue
			}
			d, err := w.decoder(s, Formats[s.Format])
			if err != nil {
				return fmt.Errorf("format %s: %w", s.Format, err)
			}
			if d, ok := d.(stateful); ok {
				d.load(nodes)
			}
		}
	}
	return nil
}
