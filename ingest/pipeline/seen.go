package pipeline

import (
	"math"

	"greencommunity/ingest"
)

// seen remembers, for every device, channel and quantity, the times of the
// last accepted readings: what makes a reading a duplicate or late. It is a
// function of the journal, and owned by the walker. Names are interned, so that
// a series costs 24 bytes.
type seen struct {
	Names   []string   // by number
	Series  [][]series // by device
	Last    []uint32   // when each device's last message was received, unix seconds
	numbers map[string]uint16

	quantities map[*ingest.Quantity]uint32 // numbers of their names
	none       uint32                      // number of the empty channel
}

type series struct {
	Key    uint32    // channel<<16 | quantity or event
	Before [3]uint32 // how many ms before Latest those before were, ascending; 0 is none
	Latest int64     // unix ms
}

// enter enters a time, and says how it stands. What is more than 49 days before
// the latest is not remembered.
func (s *series) enter(ms int64) verdict {
	switch ahead := ms - s.Latest; {
	case ahead == 0:
		return duplicate
	case ahead > 0:
		before := s.Before
		s.Before, s.Latest = [3]uint32{}, ms
		for i, back := 0, ahead; back <= math.MaxUint32; i++ {
			s.Before[i] = uint32(back)
			if i == len(before)-1 || before[i] == 0 {
				break
			}
			back = ahead + int64(before[i])
		}
		return fresh
	case ahead < -math.MaxUint32:
		return late
	}
	back := uint32(s.Latest - ms)
	for i, b := range s.Before {
		if b == back {
			return duplicate
		}
		if b == 0 || b > back {
			copy(s.Before[i+1:], s.Before[i:])
			s.Before[i] = back
			break
		}
	}
	return late
}

// times are those remembered, the latest first, 0 for none.
func (s *series) times() (t [4]int64) {
	t[0] = s.Latest
	for i, back := range s.Before {
		if back != 0 {
			t[i+1] = s.Latest - int64(back)
		}
	}
	return t
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
		if list[i].Key == key {
			return list[i].enter(ms)
		}
	}
	if len(list) == cap(list) { // append would double it: a device has few, and keeps to them
		list = append(make([]series, 0, len(list)+2), list...)
	}
	s.Series[device] = append(list, series{Key: key, Latest: ms})
	return fresh
}
