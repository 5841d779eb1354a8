package pipeline

import (
	"iter"
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
)

// seen remembers, for every device, channel and quantity, the times of the
// last accepted readings: what makes a reading a duplicate or late. It is a
// function of the journal, and owned by the walker. Names are interned, so that
// a series costs 32 bytes.
type seen struct {
	names   *names
	devices arena.Arena[heard]  // by device + 1
	series  arena.Arena[series] // of all devices

	quantities map[*ingest.Quantity]uint32   // numbers of their names
	last       struct{ device, next uint32 } // whose series was found last, and the one behind it
	// until is the latest time a reading may have, unix milliseconds; 0: not known.
	// A series that is later has times of a clock of ours that was ahead: they are
	// dropped, or nothing would be new until they are past.
	until int64
}

type heard struct {
	Last  uint32 // when the last message was received, unix seconds
	First uint32 // of its series, 0 none
	Since uint32 // when its first message was received, unix seconds; 0: not known
	// Messages says how many had something of it that was accepted, up to 2^32-1.
	Messages uint32
}

// seriesKey names one of a device's series, by the numbers of its channel and quantity:
// a million devices do not each keep the texts.
type seriesKey struct{ Channel, Name uint32 }

type series struct {
	Next   uint32 // of the same device, 0 none
	Key    seriesKey
	Before [3]uint32 // how many ms before Latest those before were, ascending; 0 is none
	Latest stamp
}

// stamp is a time in unix milliseconds, without the gap before an int64.
type stamp [2]uint32

func stampOf(ms int64) stamp { return stamp{uint32(ms >> 32), uint32(ms)} }

func (s stamp) ms() int64 { return int64(s[0])<<32 | int64(s[1]) }

// enter enters a time, and says how it stands. What is more than 49 days before
// the latest is not remembered.
func (s *series) enter(ms int64) verdict {
	latest := s.Latest.ms()
	switch ahead := ms - latest; {
	case ahead == 0:
		return duplicate
	case ahead > 0:
		before := s.Before
		s.Before, s.Latest = [3]uint32{}, stampOf(ms)
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
	back := uint32(latest - ms)
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
	t[0] = s.Latest.ms()
	for i, back := range s.Before {
		if back != 0 {
			t[i+1] = t[0] - int64(back)
		}
	}
	return t
}

func newSeen() *seen {
	return &seen{names: newNames(), quantities: map[*ingest.Quantity]uint32{}}
}

// room makes room for n devices.
func (s *seen) room(n int) { s.devices.Extend(n) }

// heard notes when a device's last message was received, and counts it, once a
// message: before are those of the message's readings and events so far.
func (s *seen) heard(device uint32, received int64, before ...[]uint32) {
	d := s.devices.At(device + 1)
	d.Last = uint32(received / int64(time.Second))
	for _, list := range before {
		// Those of one device stand together, or nearly: a bound, as there may be thousands.
		for i := len(list) - 1; i >= max(0, len(list)-64); i-- {
			if list[i] == device {
				return
			}
		}
	}
	if d.Messages < math.MaxUint32 {
		d.Messages++
	}
	if d.Since == 0 {
		d.Since = d.Last
	}
}

// forget makes a device one that was never heard. Its series stay, so that what
// is sent again is known as such.
func (s *seen) forget(device uint32) {
	if int(device) < s.devices.Len() {
		d := s.devices.At(device + 1)
		d.Last, d.Since, d.Messages = 0, 0, 0
	}
}

// verdict says how a reading stands to what came before.
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
		quantity = s.names.number(r.Quantity.Name)
		s.quantities[r.Quantity] = quantity
	}
	key := seriesKey{0, quantity}
	if r.Channel != "" {
		key.Channel = s.names.number(r.Channel)
	}
	if r.TimeSource == ingest.TimeReceived {
		return s.timeless(device, key, &r.Time)
	}
	return s.enter(device, key, r.Time/1e6)
}

// event enters an event.
func (s *seen) event(device uint32, e *ingest.Event) verdict {
	key := seriesKey{s.names.number(e.Channel), s.names.number(typeName(e.Type))}
	if e.TimeSource == ingest.TimeReceived {
		return s.timeless(device, key, &e.Time)
	}
	return s.enter(device, key, e.Time/1e6)
}

// timeless enters what has the time it was received. Such a reading repeats
// none: where its time may be taken, it gets the next one of its series.
//
// BUG(pipeline): where several topics feed one series without a time, and a
// burst of them runs more than crowded ahead of the clock, one may overwrite
// another. A longer bound would stamp readings wrongly after the clock is set
// back.
func (s *seen) timeless(device uint32, key seriesKey, at *int64) verdict {
	if e := s.find(device, key); e != nil {
		switch ahead := e.Latest.ms() - *at/1e6; {
		case ahead > crowded: // the clock was ahead: what it gave then makes nothing late
			e.Before, e.Latest = [3]uint32{}, stampOf(*at/1e6)
			return fresh
		case ahead >= 0:
			*at += (ahead + 1) * 1e6
		}
	}
	for {
		if v := s.enter(device, key, *at/1e6); v != duplicate {
			return v
		}
		*at += 1e6
	}
}

const crowded = 5000 // ms

// find returns a series, nil if there is none.
func (s *seen) find(device uint32, key seriesKey) *series {
	if int(device) >= s.devices.Len() {
		return nil
	}
	for i := s.devices.At(device + 1).First; i != 0; {
		e := s.series.At(i)
		if e.Key == key {
			return e
		}
		i = e.Next
	}
	return nil
}

// maxSeries sets how many series of a device are remembered. Beyond them nothing
// is called a duplicate: it is written again, which makes it the same point.
const maxSeries = 1024

func (s *seen) enter(device uint32, key seriesKey, ms int64) verdict {
	s.room(int(device) + 1)
	last := &s.devices.At(device + 1).First
	// Messages of a device say the same in the same order: what comes now most likely
	// stands behind what came before.
	if next := s.last.next; next != 0 && s.last.device == device && s.series.At(next).Key == key {
		last = &next
	}
	n := 0
	for ; *last != 0; n++ {
		e := s.series.At(*last)
		if e.Key == key {
			s.last.device, s.last.next = device, e.Next
			if s.until != 0 && e.Latest.ms() > s.until {
				e.Before, e.Latest = [3]uint32{}, stampOf(ms)
				return fresh
			}
			return e.enter(ms)
		}
		last = &e.Next
	}
	if n < maxSeries {
		*last = s.add(series{Key: key, Latest: stampOf(ms)})
	}
	return fresh
}

func (s *seen) add(e series) uint32 {
	i := s.series.Add()
	*s.series.At(i) = e
	return i
}

// once reports whether nothing of a device was heard a second time.
func (s *seen) once(d *heard) bool {
	for e := range s.of(d) {
		if e.Before[0] != 0 {
			return false
		}
	}
	return true
}

// of yields the series of a device.
func (s *seen) of(d *heard) iter.Seq[*series] {
	return func(yield func(*series) bool) {
		for i := d.First; i != 0; {
			e := s.series.At(i)
			if !yield(e) {
				return
			}
			i = e.Next
		}
	}
}
