package inventory

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// Registry is every device that has reported, each under a dense index given in
// the order of first appearance: the same journal gives the same indexes. It
// is safe for concurrent use.
type Registry struct {
	// mu guards all below: readings are resolved by the walker and by the
	// reader that catches up, and a reload changes everything at once.
	mu       sync.RWMutex
	inv      *Inventory
	devices  []*ingest.Device
	known    identities
	origins  ingest.Origins // of the unlisted
	unlisted map[ingest.VendorID]int

	removed map[uint32]bool // by index: let go, and not heard again since
	letGo   []uint32        // of these, who has not been told of by LetGo
	moved   map[uint32]bool // by index: its origin is not the one it was introduced with

	version atomic.Uint64 // counts changes to what is known already
}

type aliasKey struct {
	vendor ingest.VendorID
	alias  string
}

// NewRegistry returns a registry that knows no device yet.
func NewRegistry(inv *Inventory) *Registry {
	return &Registry{inv: inv, known: newIdentities(), origins: ingest.Origins{}, unlisted: map[ingest.VendorID]int{}, removed: map[uint32]bool{}, moved: map[uint32]bool{}}
}

// Unregistered is the index of a device that Resolve found nowhere. It gets one
// from Register, once a reading of it was accepted.
const Unregistered = math.MaxUint32

// Named says what a payload says of the device a sample is of, in the vendor's
// words; "" where it says nothing. Topic and inventory say the rest.
type Named struct {
	Device    string
	Community string
	Compound  string
	Facility  string
	Profile   string
}

// Version changes when what Resolve has answered may not be its answer any more. A
// device that is registered changes nothing about others.
func (r *Registry) Version() uint64 { return r.version.Load() }

// Resolve says which device a reading is of and what its index is. Named holds
// what the payload says; the source's captures and constants stand in for
// what it leaves out, and a listed device is where the inventory says it is.
// It registers none: the device returned with Unregistered shares the strings.
func (r *Registry) Resolve(src *Source, c *format.Captures, n Named) (*ingest.Device, uint32, *ingest.Refusal) {
	device := first(n.Device, c.Device, string(src.Device))
	// What the inventory lists by an alias may be called anything, a URL too.
	if !ingest.ValidID(device) && !r.aliased(src, device) {
		if strings.Contains(device, format.Withheld) {
			return nil, 0, ingest.Refuse(ingest.BadIdentifier, "the gate's name is withheld, since it may be of a person: list it in the inventory, or call it as devices are called, such as door-17")
		}
		if device == "" {
			return nil, 0, ingest.Refuse(ingest.BadIdentifier, "neither topic nor payload name the device")
		}
		return nil, 0, ingest.Refuse(ingest.BadIdentifier, "device %.60q: printable, at most 128 bytes, without .. / + # , = quotes or \\", device)
	}
	r.mu.RLock()
	inv := r.inv
	listed := inv.devices[ingest.DeviceID(device)]
	if alias := inv.aliases[aliasKey{src.Vendor.ID, device}]; alias != nil {
		listed = alias
	}
	if listed != nil {
		index, known := r.known.find(r.devices, identityOf(listed))
		known = known && !r.removed[index]
		r.mu.RUnlock()
		if listed.Vendor != src.Vendor.ID {
			return nil, 0, ingest.Refuse(ingest.NotOwner, "device %q belongs to another vendor", device)
		}
		if !known {
			index = Unregistered
		}
		return listed, index, nil
	}
	key := identity{first(n.Community, c.Community, string(src.Community)), first(n.Facility, c.Facility, string(src.Facility)), device}
	index, known := r.known.find(r.devices, key)
	if known && !r.removed[index] {
		dev := r.devices[index]
		r.mu.RUnlock()
		if dev.Vendor != src.Vendor.ID {
			return nil, 0, ingest.Refuse(ingest.NotOwner, "device %q belongs to another vendor", device)
		}
		return dev, index, nil
	}
	introduced := r.unlisted[src.Vendor.ID]
	r.mu.RUnlock()

	where, kind := inv.communities[ingest.CommunityID(key.community)], inv.Facilities.Kind(ingest.FacilityKind(key.facility))
	switch {
	case src.Vendor.UnknownDevices != "accept":
		return nil, 0, ingest.Refuse(ingest.UnknownDevice, "device %q is not in the inventory", device)
	case where == nil:
		return nil, 0, ingest.Refuse(ingest.UnknownCommunity, "community %.60q is not in the inventory", key.community)
	case kind == nil:
		return nil, 0, ingest.Refuse(ingest.UnknownFacility, "%.60q is no kind of facility", key.facility)
	case len(src.Vendor.Communities) > 0 && !slices.Contains(src.Vendor.Communities, where.ID):
		return nil, 0, ingest.Refuse(ingest.NotOwner, "vendor %s may not write to community %s", src.Vendor.ID, where.ID)
	case introduced >= src.Vendor.MaxDevices:
		return nil, 0, tooManyDevices(src.Vendor, introduced)
	}
	from := ingest.Origin{Vendor: src.Vendor.ID, Community: where.ID, Facility: kind.Kind, Profile: first(n.Profile, src.Profile)}
	compound := first(n.Compound, c.Compound, string(src.Compound))
	for _, k := range where.Compounds {
		if string(k.ID) == compound {
			from.Compound = k.ID
		}
	}
	return &ingest.Device{ID: ingest.DeviceID(device), Origin: &from, Listing: ingest.Unlisted}, Unregistered, nil
}

// aliased reports whether a name is the alias of a listed device of the source's vendor.
func (r *Registry) aliased(src *Source, device string) bool {
	if device == "" {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.inv.aliases[aliasKey{src.Vendor.ID, device}] != nil
}

func tooManyDevices(v *Vendor, introduced int) *ingest.Refusal {
	return ingest.Refuse(ingest.TooManyDevices, "vendor %s has introduced %d devices, as many as it may", v.ID, introduced)
}

// Register gives a device that Resolve returned as Unregistered the next index,
// unless it has one by now, and returns the one that is kept. A message may have
// more new devices than its vendor may introduce.
func (r *Registry) Register(src *Source, d *ingest.Device) (*ingest.Device, uint32, *ingest.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if index, ok := r.known.find(r.devices, identityOf(d)); ok && !r.removed[index] {
		return r.devices[index], index, nil
	}
	if !d.Listed {
		if n := r.unlisted[src.Vendor.ID]; n >= src.Vendor.MaxDevices {
			return nil, 0, tooManyDevices(src.Vendor, n)
		}
		from := *d.Origin
		from.Profile = strings.Clone(from.Profile)
		d = &ingest.Device{ID: ingest.DeviceID(strings.Clone(string(d.ID))), Origin: r.origins.Of(from), Listing: ingest.Unlisted}
	}
	index := r.put(d)
	return r.devices[index], index, nil
}

// add gives a device the next index, unless it has one.
func (r *Registry) add(dev *ingest.Device) uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.put(dev)
}

func (r *Registry) put(dev *ingest.Device) uint32 {
	if index, ok := r.known.find(r.devices, identityOf(dev)); ok {
		if r.removed[index] { // heard again, perhaps as another vendor's
			r.version.Add(1)
			delete(r.removed, index)
			if *r.devices[index].Origin != *dev.Origin {
				r.moved[index] = true
			}
			r.devices[index] = dev
			if !dev.Listed {
				r.unlisted[dev.Vendor]++
			}
		}
		return index
	}
	index := uint32(len(r.devices))
	r.devices = append(r.devices, dev)
	r.known.add(r.devices)
	if !dev.Listed {
		r.unlisted[dev.Vendor]++
	}
	return index
}

func first(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// Unlisted returns how many devices a vendor has introduced that no list has.
func (r *Registry) Unlisted(v ingest.VendorID) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.unlisted[v]
}

// Len returns how many devices have reported.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.devices)
}

// At returns the device with an index.
func (r *Registry) At(index uint32) *ingest.Device {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.devices[index]
}

// Restore brings a device back under the next index, as a checkpoint has it. A
// device that has been listed since is what the inventory says now.
func (r *Registry) Restore(d ingest.Device) uint32 {
	if listed := r.inv.devices[d.ID]; listed != nil && d.Listed {
		return r.add(listed)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Origin = r.origins.Of(*d.Origin)
	index := r.put(&d)
	if !r.inv.Knows(&d) {
		r.remove(index)
	}
	return index
}

// Reload swaps the inventory. Devices keep their indexes; the listed ones take
// on what the new inventory says of them.
func (r *Registry) Reload(inv *Inventory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inv = inv
	r.version.Add(1)
	for i, d := range r.devices {
		if listed := inv.devices[d.ID]; d.Listed && listed != nil {
			r.devices[i] = listed
		}
		if !inv.Knows(d) {
			r.remove(uint32(i))
		}
	}
}

// Forget lets a device go, as if it had never reported, until it is heard again:
// then whoever may introduce it owns it. Its index stays its own.
func (r *Registry) Forget(index uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(index)
}

// Erase lets a device go as Forget does, and its id with it: its index has a name
// that tells nothing.
func (r *Registry) Erase(index uint32, name ingest.DeviceID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(index)
	r.version.Add(1)
	r.devices[index] = &ingest.Device{ID: name, Origin: r.devices[index].Origin, Listing: ingest.Unlisted}
	delete(r.moved, index)
}

func (r *Registry) remove(index uint32) {
	if r.removed[index] {
		return
	}
	r.removed[index] = true
	r.version.Add(1)
	r.letGo = append(r.letGo, index)
	if d := r.devices[index]; !d.Listed {
		r.unlisted[d.Vendor]--
	}
}

// LetGo returns the devices that were let go since the call before, and have not
// been heard again meanwhile.
func (r *Registry) LetGo() []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := slices.DeleteFunc(r.letGo, func(i uint32) bool { return !r.removed[i] })
	r.letGo = nil
	return gone
}

// Gone reports whether a device was let go.
func (r *Registry) Gone(index uint32) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.removed[index]
}

// Changes returns what Restore needs beside the devices as they were introduced:
// those let go, ascending, and where those that have moved are now.
func (r *Registry) Changes() (removed []uint32, moved map[uint32]ingest.Origin) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := range r.moved {
		if moved == nil {
			moved = map[uint32]ingest.Origin{}
		}
		moved[i] = *r.devices[i].Origin
	}
	return slices.Sorted(maps.Keys(r.removed)), moved
}

// Move gives a device that Restore has brought back the origin it had last.
func (r *Registry) Move(index uint32, to ingest.Origin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version.Add(1)
	d := *r.devices[index]
	if d.Listed {
		return // the inventory says where it is
	}
	if !r.removed[index] {
		r.unlisted[d.Vendor]--
		r.unlisted[to.Vendor]++
	}
	d.Origin = r.origins.Of(to)
	r.devices[index], r.moved[index] = &d, true
	if r.removed[index] && r.inv.Knows(&d) {
		delete(r.removed, index)
		r.unlisted[to.Vendor]++
	}
}
