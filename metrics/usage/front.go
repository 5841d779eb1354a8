package usage

import (
	"slices"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// What a community used is counted once. A meter stands behind another where the
// inventory names that one as its parent, or where its boundary is nested in that one's.
// From the local day of the first read of a meter in front of it, of the same kind of
// facility and resource, it is no part of what its place used: what it measures is part of
// what passed the one in front. Until then it counts, so that a master meter which is
// listed and not connected costs nothing.
//
// A meter in front that falls silent leaves its time unknown: once it is read again its
// difference is spread over that time. Sums of those behind it would be another figure,
// less by leaks, and would be counted again by that difference.

// Nest says that meters stand behind all of others: boundaries, one nested in another.
type Nest struct {
	Front  string // "community/boundary" of those in front
	Meters []ingest.DeviceID
	Behind []ingest.DeviceID
}

// heardKey names what a meter counts of a kind of facility.
type heardKey struct {
	Device   ingest.DeviceID
	Facility ingest.FacilityKind
	Resource Resource
}

// fronts knows who stands behind whom.
type fronts struct {
	nested  map[ingest.DeviceID]string   // front of a device that names no parent
	groups  map[string][]ingest.DeviceID // meters of a front that is a boundary
	grouped map[ingest.DeviceID]bool     // they, all
	heard   map[heardKey]int32           // the first day of each meter in front of others
	behind  map[ingest.DeviceID][]uint16 // places whose meters stand behind a device
}

// nests takes who stands behind whom of an inventory's boundaries.
func (f *fronts) nests(list []Nest) {
	f.nested, f.groups, f.grouped = map[ingest.DeviceID]string{}, map[string][]ingest.DeviceID{}, map[ingest.DeviceID]bool{}
	for _, n := range list {
		f.groups[n.Front] = n.Meters
		for _, m := range n.Meters {
			f.grouped[m] = true
		}
		for _, m := range n.Behind {
			if !slices.Contains(n.Meters, m) {
				f.nested[m] = n.Front
			}
		}
	}
}

// front is what stands in front of a device: another's id, or "community/boundary". "":
// nothing.
func (f *fronts) front(d *ingest.Device) string {
	if d.Listing == nil {
		return ""
	}
	if d.Parent != "" {
		return string(d.Parent)
	}
	return f.nested[d.ID]
}

// leads reports whether others may stand behind a device.
func (b *Book) leads(id ingest.DeviceID) bool {
	return b.fronts.grouped[id] || b.inv != nil && b.inv.HasChildren(id)
}

// deepest sets how many fronts are followed: the inventory refuses rings, and has no
// more than a handful in a row.
const deepest = 64

// ahead lists the devices in front, and in front of these.
func (b *Book) ahead(front string) []ingest.DeviceID {
	var list []ingest.DeviceID
	for next := []string{front}; len(next) > 0 && len(list) < deepest; next = next[1:] {
		members, ok := b.fronts.groups[next[0]]
		if !ok {
			members = []ingest.DeviceID{ingest.DeviceID(next[0])}
		}
		for _, id := range members {
			if slices.Contains(list, id) {
				continue
			}
			list = append(list, id)
			if b.inv == nil {
				continue
			}
			if d := b.inv.Device(id); d != nil {
				if f := b.fronts.front(d); f != "" {
					next = append(next, f)
				}
			}
		}
	}
	return list
}

// Ahead lists the devices of a device's own kind of facility that stand in front of it,
// whatever they count, and in front of these. leads reports whether others may stand
// behind it.
func (b *Book) Ahead(d *ingest.Device) (list []ingest.DeviceID, leads bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.fronts.front(d); f != "" && b.inv != nil {
		list = slices.DeleteFunc(b.ahead(f), func(id ingest.DeviceID) bool {
			front := b.inv.Device(id)
			return id == d.ID || front == nil || front.Facility != d.Facility
		})
	}
	return list, b.leads(d.ID)
}

// stand enters a place of meters that stand behind others.
func (b *Book) stand(number uint16) {
	p := &b.places[number]
	main := &b.places[p.Main]
	if !slices.Contains(main.Behind, number) {
		main.Behind = append(main.Behind, number)
	}
	for _, id := range b.ahead(p.Front) {
		if !slices.Contains(b.fronts.behind[id], number) {
			b.fronts.behind[id] = append(b.fronts.behind[id], number)
		}
	}
	b.cut(number)
}

// cut finds from which day on the meters of a place count with those in front of them,
// and forgets what was entered for them from then on.
func (b *Book) cut(number uint16) {
	p := &b.places[number]
	p.Cut = 0
	for _, id := range b.ahead(p.Front) {
		if first, ok := b.fronts.heard[heardKey{id, p.Key.Facility, p.Key.Resource}]; ok && (p.Cut == 0 || first < p.Cut) {
			p.Cut = first
		}
	}
	if p.Cut == 0 {
		return
	}
	keep := min(max(0, int(p.Cut-p.First)), len(p.Days))
	for day := p.First + int32(keep); day < p.First+int32(len(p.Days)); day++ {
		b.dayOf(p.Main, day) // InfluxDB is to be told
	}
	p.Days = p.Days[:keep]
}

// hear notes the first day of a meter that others may stand behind.
func (b *Book) hear(e *entry) {
	d := b.devices[e.Device]
	if d == nil || e.First == 0 || !b.leads(d.ID) || !b.counts(e) {
		return
	}
	key := heardKey{d.ID, d.Facility, e.Resource}
	if first, ok := b.fronts.heard[key]; ok && first <= int32(e.First) {
		return
	}
	b.fronts.heard[key] = int32(e.First)
	for _, number := range b.fronts.behind[d.ID] {
		b.cut(number)
	}
}

// reorder finds who stands behind whom again: of another inventory, or after a restart.
func (b *Book) reorder() {
	b.fronts.heard, b.fronts.behind = map[heardKey]int32{}, map[ingest.DeviceID][]uint16{}
	for e := range b.entries.All() {
		if int(e.Device) < len(b.devices) {
			b.hear(e)
		}
	}
	for i := range b.places {
		if b.places[i].Front != "" {
			b.stand(uint16(i))
		}
	}
}

// passed reports whether what an entry measures on a local day is part of what a meter in
// front of it measured.
func (b *Book) passed(e *entry, day int32) bool {
	p := &b.places[e.Place]
	return p.Cut != 0 && day >= p.Cut
}

// frontName is what the tag behind says: a device or a boundary.
func frontName(front string) string {
	_, name, ok := strings.Cut(front, "/")
	if !ok {
		return front
	}
	return name
}

// bindFronts takes who stands behind whom of an inventory.
func (b *Book) bindFronts(inv *inventory.Inventory) {
	var list []Nest
	if b.o.Nests != nil {
		list = b.o.Nests(inv)
	}
	b.fronts.nests(list)
	b.reorder()
}
