package pipeline

import (
	"maps"
	"strings"
	"sync"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// names gives channels, quantities and types of events a number each, so that a
// series is known by eight bytes. Vendors choose channels and types, so each
// may bring in a bounded number of them, which is part of the state: what
// carries a name beyond that is refused, and nothing of another vendor changes.
//
// The walker alone writes, and reads without mu. The catch-up and /metrics read
// under mu.
type names struct {
	mu      sync.RWMutex
	list    []string // by number
	numbers map[string]uint32
	brought map[ingest.VendorID]broughtIn
}

// broughtIn says how many names a vendor was the first to use.
type broughtIn struct{ Channels, Types int }

func newNames() *names {
	n := &names{numbers: map[string]uint32{}, brought: map[ingest.VendorID]broughtIn{}}
	n.number("")
	return n
}

// number returns a name's number, giving it the next one if it has none.
func (n *names) number(name string) uint32 {
	if k, ok := n.numbers[name]; ok {
		return k
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k := uint32(len(n.list))
	name = strings.Clone(name) // it may be part of a topic, and that of a batch of them
	n.list = append(n.list, name)
	n.numbers[name] = k
	return k
}

// restore takes over the names of a checkpoint, before any is used.
func (n *names) restore(list []string, brought map[ingest.VendorID]broughtIn) {
	for _, name := range list {
		n.number(name) // the first is the empty one there as well
	}
	maps.Copy(n.brought, brought)
}

// typeName keeps types of events apart from quantities of the same name.
func typeName(t string) string { return "event " + t }

// admit takes out of a message what has a name beyond its vendor's quota. The
// walker brings names in; the catch-up finds those it has brought in.
func (n *names) admit(r *decode.Result, walker bool) {
	if !walker {
		n.mu.RLock()
		defer n.mu.RUnlock()
	}
	known := func(name string) bool {
		if name == "" {
			return true
		}
		_, ok := n.numbers[name]
		return ok
	}
	all := true
	for i := range r.Readings {
		all = all && known(r.Readings[i].Channel)
	}
	for i := range r.Events {
		all = all && known(r.Events[i].Channel) && known(typeName(r.Events[i].Type))
	}
	if all || r.Source == nil {
		return
	}
	v := r.Source.Vendor
	refused := func(device ingest.DeviceID, channel, eventType string) bool {
		refusal := n.bring(v, walker, channel, eventType)
		if refusal != nil {
			r.Refused = append(r.Refused, format.FieldRefusal{Device: string(device), Field: first(eventType, channel), Refusal: refusal})
		}
		return refusal != nil
	}
	kept := 0
	for i := range r.Readings {
		if e := &r.Readings[i]; !refused(e.Device.ID, e.Channel, "") {
			r.Readings[kept], r.Devices[kept] = *e, r.Devices[i]
			if r.Written != nil {
				r.Written[kept] = r.Written[i]
			}
			kept++
		} else {
			r.FireOfReading(e, r.Devices[i])
		}
	}
	r.Readings, r.Devices = r.Readings[:kept], r.Devices[:kept]
	if r.Written != nil {
		r.Written = r.Written[:kept]
	}
	kept = 0
	for i := range r.Events {
		if e := &r.Events[i]; !refused(e.Device.ID, e.Channel, e.Type) {
			r.Events[kept], r.EventDevices[kept] = *e, r.EventDevices[i]
			kept++
		} else {
			r.FireOfEvent(e, r.EventDevices[i])
		}
	}
	r.Events, r.EventDevices = r.Events[:kept], r.EventDevices[:kept]
	if len(r.Readings)+len(r.Events) == 0 {
		r.Err = r.Refused[len(r.Refused)-1].Refusal
	}
}

// bring brings in the names of a reading or an event, if they are new and its
// vendor may.
func (n *names) bring(v *inventory.Vendor, walker bool, channel, eventType string) *ingest.Refusal {
	had := n.brought[v.ID]
	have := had
	var fresh []string
	if _, ok := n.numbers[channel]; !ok && channel != "" {
		if have.Channels++; have.Channels > v.Limits.Channels || !walker {
			return ingest.Refuse(ingest.TooManyChannels, "channel %.60q: vendor %s has brought in %d names of channels, as many as it may (limits.channels)", channel, v.ID, had.Channels)
		}
		fresh = append(fresh, channel)
	}
	if eventType != "" {
		if _, ok := n.numbers[typeName(eventType)]; !ok {
			if have.Types++; have.Types > v.Limits.Types || !walker {
				return ingest.Refuse(ingest.TooManyTypes, "event %.60q: vendor %s has brought in %d types of events, as many as it may (limits.types)", eventType, v.ID, had.Types)
			}
			fresh = append(fresh, typeName(eventType))
		}
	}
	for _, name := range fresh {
		n.number(name)
	}
	if have != had {
		n.mu.Lock()
		n.brought[v.ID] = have
		n.mu.Unlock()
	}
	return nil
}

// state is the names for a checkpoint. The list is only ever added to.
func (n *names) state() ([]string, map[ingest.VendorID]broughtIn) {
	return n.list, maps.Clone(n.brought)
}

// used returns how many names a vendor has brought in.
func (n *names) used(v ingest.VendorID) broughtIn {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.brought[v]
}

func first(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}
