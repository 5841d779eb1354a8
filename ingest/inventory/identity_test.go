package inventory

import (
	"fmt"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// Each of many devices, with the same ids in several places and one of them
// listed, has the index of its first appearance, however often it is asked for.
func TestManyDevicesKeepTheirIndexes(t *testing.T) {
	inv := divided(t, 3, "topic: 'a/{community}/{facility}/{device}'")
	src := inv.Vendors[0].Sources[0]
	r := NewRegistry(inv)
	const each = 3000
	for round := range 3 {
		index := uint32(0)
		for i := range each {
			for _, where := range []format.Captures{{Community: "c0", Facility: "water"}, {Community: "c0", Facility: "waste"}, {Community: "c1", Facility: "water"}} {
				where.Device = fmt.Sprintf("d%d", i)
				dev, got, refusal := accept(r, src, &where, "", "", "", "", "")
				if refusal != nil {
					t.Fatal(refusal)
				}
				if i == 0 { // d0 is listed, as one device in c0
					if got != 0 || !dev.Listed || dev.Community != "c0" || dev.Facility != "water" {
						t.Fatalf("round %d: the listed device has index %d, %+v", round, got, dev.Origin)
					}
					index = 1
					continue
				}
				if got != index || r.At(got) != dev || string(dev.ID) != where.Device || string(dev.Community) != where.Community || string(dev.Facility) != where.Facility {
					t.Fatalf("round %d: %s of %s/%s has index %d, want %d: %s %+v", round, where.Device, where.Community, where.Facility, got, index, dev.ID, dev.Origin)
				}
				index++
			}
		}
		if want := 3*(each-1) + 1; r.Len() != want {
			t.Fatalf("%d devices, want %d", r.Len(), want)
		}
		// A restart gives the same indexes.
		again := NewRegistry(inv)
		for i := range r.Len() {
			if got := again.Restore(*r.At(uint32(i))); got != uint32(i) {
				t.Fatalf("device %d comes back as %d", i, got)
			}
		}
		r = again
	}
}

func BenchmarkRegistryMillion(b *testing.B) {
	t := newIdentities()
	devices := []*ingest.Device{}
	from := ingest.Origins{}
	for i := range 1_000_000 {
		devices = append(devices, &ingest.Device{
			ID:      ingest.DeviceID(fmt.Sprintf("d%06d", i)),
			Origin:  from.Of(ingest.Origin{Community: ingest.CommunityID(fmt.Sprintf("c%03d", i%50)), Facility: "water"}),
			Listing: ingest.Unlisted,
		})
		t.add(devices)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := uint32(i * 7919 % len(devices))
		if index, ok := t.find(devices, identityOf(devices[n])); !ok || index != n {
			b.Fatal(index, ok)
		}
	}
	b.ReportMetric(float64(4*len(t.slots))/float64(len(devices)), "B/device")
}
