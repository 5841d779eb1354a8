package facility

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/metrics/usage"
)

// state comes first: in gob, as the places have maps. After it come the devices
// and then each kind's own, as they lie in memory. Version 2 wrote devices so,
// version 1 in gob. Before version 3 registers of water were read here, and before
// version 4 one record held a device of any kind.
type state struct {
	Version int
	Places  []place
}

const stateVersion = 4

// Save writes the state.
func (o *Observer) Save(w io.Writer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := gob.NewEncoder(w).Encode(state{Version: stateVersion, Places: o.places}); err != nil {
		return err
	}
	for _, save := range []func(io.Writer) error{o.devices.Save, o.lamps.Save, o.meters.Save, o.bins.Save, o.gates.Save} {
		if err := save(w); err != nil {
			return err
		}
	}
	if !o.own {
		return nil
	}
	return o.book.Save(w)
}

// Load reads a state of any version.
func (o *Observer) Load(r io.Reader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := bufio.NewReaderSize(r, 64<<10)
	d := gob.NewDecoder(b) // reads no further than its own
	var s state
	if err := d.Decode(&s); err != nil {
		return err
	}
	if s.Version > stateVersion {
		return fmt.Errorf("state of version %d; this program reads up to %d", s.Version, stateVersion)
	}
	o.places = s.Places
	for i := range o.places {
		o.locate(&o.places[i])
		o.index[o.places[i].Key] = uint16(i)
	}
	if s.Version < 4 {
		if err := o.convert(s.Version, b, d); err != nil {
			return err
		}
	} else if err := o.load(b); err != nil {
		return err
	}
	if s.Version < 3 || !o.own {
		return nil
	}
	return o.book.Load(b)
}

// load reads devices as version 4 wrote them.
func (o *Observer) load(b *bufio.Reader) error {
	for _, load := range []func(arena.Reader) error{o.devices.Load, o.lamps.Load, o.meters.Load, o.bins.Load, o.gates.Load} {
		if err := load(b); err != nil {
			return err
		}
	}
	used := map[kind][]bool{lighting: make([]bool, o.lamps.Len()), water: make([]bool, o.meters.Len()), waste: make([]bool, o.bins.Len()), gates: make([]bool, o.gates.Len())}
	for d := range o.devices.All() {
		if d.Last == 0 && d.Kind == other {
			continue
		}
		if int(d.Place) >= len(o.places) {
			return fmt.Errorf("place %d of %d", d.Place, len(o.places))
		}
		if d.Kind == other {
			continue
		}
		slots := used[d.Kind]
		if d.Slot == 0 || int(d.Slot) > len(slots) || slots[d.Slot-1] {
			return fmt.Errorf("slot %d of kind %d is not one device's", d.Slot, d.Kind)
		}
		slots[d.Slot-1] = true
	}
	for k, free := range map[kind]*[]uint32{lighting: &o.lamps.free, water: &o.meters.free, waste: &o.bins.free, gates: &o.gates.free} {
		for i, taken := range used[k] {
			if !taken {
				*free = append(*free, uint32(i+1))
			}
		}
	}
	return nil
}

// before holds a device as versions 1 to 3 had it: what several fields say depends
// on the kind of the device.
type before struct {
	Last, Prev      int64
	Held            int64 // since when Power or Fill is what it is; of a gate, when it was first heard of
	Power, Fill     float64
	Register        float64 // last pass_in_total, deposits_total or water_volume_total
	Out             float64 // last pass_out_total
	Since           int64   // when a lamp or gate last told its state, or a bin was last emptied
	Place           uint16
	Lit, Open       bool
	HasPower        bool
	HasLit, HasFill bool
	HasRegister     bool
	HasOut          bool
	HasDelta        bool
	HeldOpen        bool
	Gone            bool
}

// convert reads devices of a version before 4.
func (o *Observer) convert(version int, b *bufio.Reader, d *gob.Decoder) error {
	var all arena.Arena[before]
	if version > 1 {
		if err := all.Load(b); err != nil {
			return err
		}
	} else {
		for {
			var some []before
			if err := d.Decode(&some); err != nil {
				return err
			}
			if len(some) == 0 {
				break
			}
			for _, known := range some {
				*all.At(all.Add()) = known
			}
		}
	}
	o.devices.Extend(all.Len())
	for i := range uint32(all.Len()) {
		was, d := all.At(i+1), o.devices.At(i+1)
		if was.Last == 0 {
			continue
		}
		if int(was.Place) >= len(o.places) {
			return fmt.Errorf("place %d of %d", was.Place, len(o.places))
		}
		d.Last, d.Prev, d.Place = was.Last, was.Prev, was.Place
		o.become(d, kindOf(o.places[d.Place].Key.Facility))
		switch d.Kind {
		case lighting:
			*o.lamps.At(d.Slot) = lamp{Told: was.Since, Since: was.Held, Power: was.Power, Lit: was.Lit, HasPower: was.HasPower, HasLit: was.HasLit}
		case water:
			o.meters.At(d.Slot).HasRegister = was.HasRegister
			if version < 3 && was.HasRegister {
				o.book.SeedWater(i, was.Last, was.Register)
			}
		case waste:
			*o.bins.At(d.Slot) = bin{Since: was.Held, Fill: was.Fill, Deposits: was.Register, Emptied: was.Since,
				HasFill: was.HasFill, HasDeposits: was.HasRegister, HasSingle: was.HasDelta}
		case gates:
			*o.gates.At(d.Slot) = gate{First: was.Held, Told: was.Since, In: was.Register, Out: was.Out, HasIn: was.HasRegister, HasOut: was.HasOut,
				HasSingle: was.HasDelta, Open: was.Open, HeldOpen: was.HeldOpen, Gone: was.Gone}
		}
	}
	if version >= 3 {
		return nil
	}
	for i := range o.places {
		if p := &o.places[i]; p.Key.Facility == ingest.Water && p.Water > 0 {
			o.book.Carry(usage.Place{Community: p.Key.Community, Facility: ingest.Water, Resource: usage.Water}, int(p.Day), p.Water)
			p.Water = 0
		}
	}
	return nil
}
