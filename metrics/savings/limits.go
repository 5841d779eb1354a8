package savings

import (
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

// Limits returns what the boundaries of an inventory say of their registers, for the
// book of use. One of a boundary that counts the devices that name it stands
// under the boundary's key.
func Limits(inv *inventory.Inventory) map[usage.MeterKey]usage.Limits {
	boundaries, err := compile(inv)
	if err != nil {
		return nil // Bind says so
	}
	known := map[usage.MeterKey]usage.Limits{}
	for _, b := range boundaries {
		l := usage.Limits{Modulus: b.Register.Modulus, Tolerance: b.Register.Tolerance, PerDay: b.Register.MaxPerDay}
		if len(b.Meters) == 0 {
			known[usage.MeterKey{Device: ingest.DeviceID(b.key)}] = l
		}
		for _, m := range b.Meters {
			known[usage.MeterKey{Device: m.Device, Channel: m.Channel}] = l
		}
	}
	return known
}

// Exchanges are the meters that the boundaries of an inventory say were
// exchanged, for the book of use.
func Exchanges(inv *inventory.Inventory) map[ingest.DeviceID][]usage.Exchange {
	boundaries, err := compile(inv)
	if err != nil {
		return nil
	}
	list := map[ingest.DeviceID][]usage.Exchange{}
	for _, b := range boundaries {
		for id, swaps := range b.swaps {
			for _, s := range swaps {
				list[id] = append(list[id], usage.Exchange{At: s.at, Closing: s.closing, Opening: s.opening})
			}
		}
	}
	return list
}

// Nests are the boundaries of an inventory that are nested in others which are metered,
// for the book of use.
func Nests(inv *inventory.Inventory) []usage.Nest {
	boundaries, err := compile(inv)
	if err != nil {
		return nil
	}
	meters := func(b *boundary) (list []ingest.DeviceID) {
		for _, m := range b.Meters {
			list = append(list, m.Device)
		}
		if len(b.Meters) == 0 {
			for d := range inv.AllDevices() {
				if d.Community == b.community.ID && d.Boundary == b.id {
					list = append(list, d.ID)
				}
			}
		}
		return list
	}
	var nests []usage.Nest
	for _, b := range boundaries {
		if b.parent != nil && b.metered() && b.parent.metered() && b.resource == b.parent.resource {
			nests = append(nests, usage.Nest{Front: b.parent.key, Meters: meters(b.parent), Behind: meters(b)})
		}
	}
	return nests
}

// BookOptions are those of a book of use for an inventory's boundaries.
func BookOptions() usage.Options {
	return usage.Options{Limits: Limits, Swaps: Exchanges, Nests: Nests}
}
