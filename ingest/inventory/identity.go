package inventory

import (
	"hash/maphash"

	"greencommunity/ingest"
)

// identity holds what makes a device one: its id, and where it is not listed its
// community and kind of facility as well.
type identity struct{ community, facility, device string }

func identityOf(d *ingest.Device) identity {
	if d.Listed {
		return identity{device: string(d.ID)}
	}
	return identity{string(d.Community), string(d.Facility), string(d.ID)}
}

// identities finds devices by identity: a hash table of their indexes, 5 to 11
// bytes a device where a map that has the ids as well takes 25 to 50.
type identities struct {
	seed  maphash.Seed
	slots []uint32 // index + 1, 0 free; their number is a power of 2
}

func newIdentities() identities { return identities{maphash.MakeSeed(), make([]uint32, 8)} }

// find returns the index of a device among devices.
func (t *identities) find(devices []*ingest.Device, id identity) (index uint32, ok bool) {
	for i := maphash.Comparable(t.seed, id); ; i++ {
		n := t.slots[i&uint64(len(t.slots)-1)]
		if n == 0 {
			return 0, false
		}
		if identityOf(devices[n-1]) == id {
			return n - 1, true
		}
	}
}

// add enters the last of devices, which all others are entered of.
func (t *identities) add(devices []*ingest.Device) {
	if len(devices)*4 > len(t.slots)*3 {
		t.slots = make([]uint32, 2*len(t.slots))
		for i := range devices[:len(devices)-1] {
			t.enter(devices, uint32(i))
		}
	}
	t.enter(devices, uint32(len(devices)-1))
}

func (t *identities) enter(devices []*ingest.Device, index uint32) {
	i := maphash.Comparable(t.seed, identityOf(devices[index]))
	for t.slots[i&uint64(len(t.slots)-1)] != 0 {
		i++
	}
	t.slots[i&uint64(len(t.slots)-1)] = index + 1
}
