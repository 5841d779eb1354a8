package facility

import (
	"bufio"
	"encoding/gob"
	"io"

	"greencommunity/ingest"
	"greencommunity/metrics/usage"
)

// state comes before the devices, which in version 1 were in gob as well. Before
// version 3 the registers of water were read here.
type state struct {
	Version int
	Places  []place
}

// Save writes the state.
func (o *Observer) Save(w io.Writer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := gob.NewEncoder(w).Encode(state{Version: 3, Places: o.places}); err != nil {
		return err
	}
	if err := o.devices.Save(w); err != nil || !o.own {
		return err
	}
	return o.book.Save(w)
}

// Load reads a state.
func (o *Observer) Load(r io.Reader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := bufio.NewReaderSize(r, 64<<10)
	d := gob.NewDecoder(b) // reads no further than its own
	var s state
	if err := d.Decode(&s); err != nil {
		return err
	}
	o.places = s.Places
	for i := range o.places {
		o.locate(&o.places[i])
		o.index[o.places[i].Key] = uint16(i)
	}
	if s.Version >= 3 {
		if err := o.devices.Load(b); err != nil || !o.own {
			return err
		}
		return o.book.Load(b)
	}
	if err := o.loadDevices(s.Version, b, d); err != nil {
		return err
	}
	for i := range o.places {
		if p := &o.places[i]; p.Key.Facility == ingest.Water && p.Water > 0 {
			o.book.Carry(usage.Place{Community: p.Key.Community, Facility: ingest.Water, Resource: usage.Water}, int(p.Day), p.Water)
			p.Water = 0
		}
	}
	for i := range uint32(o.devices.Len()) {
		if d := o.devices.At(i + 1); d.HasRegister && d.Last != 0 && int(d.Place) < len(o.places) && o.places[d.Place].Key.Facility == ingest.Water {
			o.book.SeedWater(i, d.Last, d.Register)
		}
	}
	return nil
}
