package pipeline

import (
	"math"

	"greencommunity/ingest"
)

// seen remembers, for every device, channel and quantity, the times of the
// last accepted readings: what makes a reading a duplicate or late. It is a
// function of the journal, and owned by the walker. Names are interned, so that
// a series costs 40 bytes.
type seen struct {
	Names   []string   // by number
	Series  [][]series // by device
	Last    []uint32   // when each device's last message was received, unix seconds
	numbers map[string]uint16

	quantities map[*ingest.Quantity]uint32 // numbers of their names
	none       uint32                      // number of the empty channel
}

type series struct {
	Key   uint32   // channel<<16 | quantity or event
	Times [4]int64 // unix ms, the latest first; 0 is none
}

func newSeen() *seen {
	s := &seen{numbers: map[string]uint16{}, quantities: map[*ingest.Quantity]uint32{}}
	s.none = uint32(s.number(""))
	return s
}

// restore takes over the names of a checkpoint, before anything is seen.
func (s *seen) restore(names []string) {
	for _, name := range names {
		s.number(name) // the first is the empty one there as well
	}
}

// room makes room for n devices.
func (s *seen) room(n int) {
	for len(s.Series) < n {
		s.Series, s.Last = append(s.Series, nil), append(s.Last, 0)
	}
}

// number interns a name. Beyond 65,535 names all further ones share a number:
// duplicates of theirs are then taken for readings, which InfluxDB makes one.
func (s *seen) number(name string) uint16 {
	if n, ok := s.numbers[name]; ok {
		return n
	}
	if len(s.Names) == math.MaxUint16 {
		return math.MaxUint16
	}
	n := uint16(len(s.Names))
	s.Names = append(s.Names, name)
	s.numbers[name] = n
	return n
}

// verdict is how a reading stands to what came before.
type verdict uint8

const (
	fresh verdict = iota
	late
	duplicate
)

// reading enters a reading and says how it stands.
func (s *seen) reading(device uint32, r *ingest.Reading) verdict {
	quantity, ok := s.quantities[r.Quantity]
	if !ok {
		if len(s.quantities) > 1<<12 { // those of inventories before
			clear(s.quantities)
		}
		quantity = uint32(s.number(r.Quantity.Name))
		s.quantities[r.Quantity] = quantity
	}
	channel := s.none
	if r.Channel != "" {
		channel = uint32(s.number(r.Channel))
	}
	return s.enter(device, channel<<16|quantity, r.Time/1e6)
}

// event enters an event.
func (s *seen) event(device uint32, e *ingest.Event) verdict {
	return s.enter(device, uint32(s.number(e.Channel))<<16|uint32(s.number("event "+e.Type)), e.Time/1e6)
}

func (s *seen) enter(device uint32, key uint32, ms int64) verdict {
	s.room(int(device) + 1)
	list := s.Series[device]
	for i := range list {
		if list[i].Key != key {
			continue
		}
		times := &list[i].Times
		at := 0
		for at < len(times) && times[at] > ms {
			at++
		}
		if at < len(times) && times[at] == ms {
			return duplicate
		}
		if at < len(times) {
			copy(times[at+1:], times[at:len(times)-1])
			times[at] = ms
		}
		if at == 0 {
			return fresh
		}
		return late
	}
	s.Series[device] = append(list, series{Key: key, Times: [4]int64{ms}})
	return fresh
}
