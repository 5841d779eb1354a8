package usage

import (
	"bufio"
	"cmp"
	"encoding/gob"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"greencommunity/ingest"
)

// state comes before the registers, which lie as they are in memory; so do days
// and points, of which there may be half a million.
type state struct {
	Version  int
	Channels []string
	Places   []savedPlace
	Points   []byte
	Seeds    []savedSeed
	Lost     uint64
	Reads    [2 * reasonCount]uint64
	Hour     int32
	Flush    int64
	Day      int32
	Due      bool
}

type savedPlace struct {
	Key   Place
	First int32
	Days  []byte
	Front string
	Cut   int32
	Main  uint16
}

type savedSeed struct {
	Key   MeterKey
	Index uint32 // where Key is empty
	Mark  mark
}

const version = 1

// raw is a slice of values without pointers as it lies in memory.
func raw[T any](list []T) []byte {
	if len(list) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), len(list)*int(unsafe.Sizeof(list[0])))
}

// cooked is the counterpart of raw. It copies: bytes may lie anywhere.
func cooked[T any](b []byte) []T {
	var one T
	list := make([]T, len(b)/int(unsafe.Sizeof(one)))
	copy(raw(list), b)
	return list
}

// Save writes the state.
func (b *Book) Save(w io.Writer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := state{Version: version, Channels: b.channels, Points: raw(b.points), Lost: b.lost, Reads: b.reads, Hour: b.hour, Flush: b.flush, Day: b.day, Due: b.due}
	for i := range b.places {
		p := &b.places[i]
		s.Places = append(s.Places, savedPlace{p.Key, p.First, raw(p.Days), p.Front, p.Cut, p.Main})
	}
	for k, m := range b.seeds {
		s.Seeds = append(s.Seeds, savedSeed{Key: k, Mark: m})
	}
	for i, m := range b.seeded {
		s.Seeds = append(s.Seeds, savedSeed{Index: i, Mark: m})
	}
	slices.SortFunc(s.Seeds, func(a, b savedSeed) int { // the same bytes for the same state
		return cmp.Or(cmp.Compare(a.Key.Device, b.Key.Device), cmp.Compare(a.Key.Channel, b.Key.Channel), cmp.Compare(a.Index, b.Index))
	})
	if err := gob.NewEncoder(w).Encode(s); err != nil {
		return err
	}
	return b.entries.Save(w)
}

// Load reads what Save wrote, after Bind.
func (b *Book) Load(r io.Reader) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	buffered := bufio.NewReaderSize(r, 64<<10)
	var s state
	if err := gob.NewDecoder(buffered).Decode(&s); err != nil { // reads no further than its own
		return fmt.Errorf("book of use: %w", err)
	}
	if s.Version != version {
		return fmt.Errorf("book of use has version %d; this program reads %d", s.Version, version)
	}
	if err := b.entries.Load(buffered); err != nil {
		return fmt.Errorf("book of use: %w", err)
	}
	b.channels, b.channel = s.Channels, map[string]uint16{}
	for i, c := range b.channels {
		b.channel[c] = uint16(i)
	}
	b.points, b.lost, b.hour, b.flush, b.day, b.due = cooked[point](s.Points), s.Lost, s.Hour, s.Flush, s.Day, s.Due
	if b.day != 0 {
		_, b.next = b.bounds(b.day)
	}
	b.reads = s.Reads
	b.places, b.place, b.days = nil, map[placeKey]uint16{}, nil
	for i, p := range s.Places {
		days := cooked[Day](p.Days)
		b.places = append(b.places, place{Key: p.Key, First: p.First, Days: days, Front: p.Front, Cut: p.Cut, Main: p.Main})
		b.place[placeKey{p.Key, p.Front}] = uint16(i)
		if p.Front != "" {
			b.places[p.Main].Behind = append(b.places[p.Main].Behind, uint16(i)) // Main has the lower number
		}
		for j := range days {
			if days[j].queued != 0 {
				b.days = append(b.days, dayOf{uint16(i), p.First + int32(j)})
			}
		}
	}
	b.seeds, b.seeded = map[MeterKey]mark{}, map[uint32]mark{}
	for _, k := range s.Seeds {
		if k.Key.Device == "" {
			b.seeded[k.Index] = k.Mark
		} else {
			b.seeds[k.Key] = k.Mark
		}
	}
	b.heads, b.devices, b.running, b.behind = nil, nil, nil, nil
	for i := range uint32(b.entries.Len()) {
		e := b.entries.At(i + 1)
		if int(e.Device) >= len(b.heads) {
			b.heads = append(b.heads, make([]uint32, int(e.Device)+1-len(b.heads))...)
		}
		b.heads[e.Device] = i + 1 // the latest is the first of its device
		switch {
		case !e.Running:
		case e.Hours[0].Hour < b.hour:
			b.behind = append(b.behind, i+1)
		default:
			b.running = append(b.running, i+1)
		}
	}
	b.devices = make([]*ingest.Device, len(b.heads))
	return nil
}

// Devices takes over the devices that everybody has.
func (b *Book) Devices(at func(index uint32) *ingest.Device) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range uint32(b.entries.Len()) {
		e := b.entries.At(i + 1)
		if b.devices[e.Device] == nil {
			b.devices[e.Device] = at(e.Device)
		}
		if d := b.devices[e.Device]; d != nil {
			e.Place = b.placeOf(d, e.Resource) // the inventory may be another since
			b.bound(e, d)
		}
	}
	b.reorder()
}
