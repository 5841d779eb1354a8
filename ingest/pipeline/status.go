package pipeline

import (
	"cmp"
	"slices"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Status is the account and the devices as /metrics shows them.
type Status struct {
	Received, Stored, Duplicate, Rejected, Ignored, Pending uint64

	Connected bool // to the broker
	Journal   bool // takes messages
	Vendors   []VendorStatus
	Devices   []DeviceCount
	Rejects   []Reject // the latest first
}

// VendorStatus is a vendor's part of the account. Vendor "" stands for
// messages no source matched.
type VendorStatus struct {
	Vendor   ingest.VendorID
	Received uint64
	Rejected map[ingest.Reason]uint64 // messages
	Refused  map[ingest.Reason]uint64 // single readings of accepted messages
}

// DeviceCount says how many devices of a kind a community has in a state:
// online, offline, or never heard of.
type DeviceCount struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	State     string
	Count     int
}

// Status is the account as of the last durable checkpoint.
func (p *Pipeline) Status() Status {
	p.mu.Lock()
	t, devices := p.shown.tally.clone(), p.deviceCounts
	p.mu.Unlock()
	s := Status{Stored: t.Stored, Duplicate: t.Duplicate, Ignored: t.Ignored, Connected: p.subscriber.Connected(), Journal: !p.journalDown.Load()}
	vendors := map[ingest.VendorID]*VendorStatus{}
	vendor := func(id ingest.VendorID) *VendorStatus {
		if vendors[id] == nil {
			vendors[id] = &VendorStatus{Vendor: id, Rejected: map[ingest.Reason]uint64{}, Refused: map[ingest.Reason]uint64{}}
		}
		return vendors[id]
	}
	for _, v := range p.inventory.Load().Vendors {
		vendor(v.ID)
	}
	for id, n := range t.Received {
		vendor(id).Received = n
		s.Received += n
	}
	for k, n := range t.Rejected {
		vendor(k.Vendor).Rejected[k.Reason] = n
		s.Rejected += n
	}
	for k, n := range t.Refused {
		vendor(k.Vendor).Refused[k.Reason] = n
	}
	s.Pending = s.Received - t.decided()
	for _, v := range vendors {
		s.Vendors = append(s.Vendors, *v)
	}
	slices.SortFunc(s.Vendors, func(a, b VendorStatus) int { return cmp.Compare(a.Vendor, b.Vendor) })
	for k, n := range devices {
		s.Devices = append(s.Devices, DeviceCount{k.place.Community, k.place.Facility, k.state, n})
	}
	p.rejectsMu.Lock()
	s.Rejects = slices.Clone(p.rejects.recent)
	p.rejectsMu.Unlock()
	slices.Reverse(s.Rejects)
	s.Rejects = s.Rejects[:min(len(s.Rejects), maxRecent)]
	return s
}

// Inventory is the inventory that holds now.
func (p *Pipeline) Inventory() *inventory.Inventory { return p.inventory.Load() }

// Devices calls yield with each device that is known, from an index on, until it
// returns false.
func (p *Pipeline) Devices(from uint32, yield func(index uint32, d *ingest.Device) bool) {
	for i := int(from); i < p.registry.Len(); i++ {
		if !p.registry.Gone(uint32(i)) && !yield(uint32(i), p.registry.At(uint32(i))) {
			return
		}
	}
}
