package anomaly

import (
	"math"
	"slices"
	"strconv"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
)

// flat follows how often a value repeats. It has no pointers.
type flat struct {
	Last    float32
	Run     uint32 // equal values in a row
	Longest float32
	Since   int64
	Changes uint32
}

// flat takes in a value and reports whether it is not to be believed: repeated
// more often than this quantity ever does. It raises a flat line when that has
// lasted.
func (b *book) flat(k alarmKey, d *device, f *flat, v float32, at int64) bool {
	p := &b.parameters(d).All
	if v != f.Last || f.Since == 0 {
		if !b.active(k) && f.Since != 0 {
			f.Longest = max(f.Longest*0.9999, float32(f.Run))
		}
		f.Last, f.Run, f.Since = v, 1, at
		if f.Changes < math.MaxUint32 {
			f.Changes++
		}
		b.clearAlarm(k, at)
		return false
	}
	f.Run++
	limit := max(float64(p.FlatRun), p.FlatFactor*float64(f.Longest))
	if f.Changes < 100 {
		return false // has not shown yet that it moves
	}
	held := float64(at-f.Since) / float64(p.FlatAfter)
	d.score(0.99 * min(float64(f.Run)/limit, held, 1))
	if float64(f.Run) >= limit && held >= 1 {
		b.raise(k, at, float64(v), float64(f.Run))
	}
	return float64(f.Run) >= max(4, 2*float64(f.Longest)+2)
}

// series is a quantity the generic detector looks at. It has no pointers.
type series struct {
	Next     uint32
	Channel  uint16
	Quantity uint16 // channels[Quantity] is its name
	Calm     uint16 // readings in a row that were usual
	At       int64
	Flat     flat
	Generic  Generic
}

// seriesRules run the generic detector over quantities no rule knows.
type seriesRules struct {
	*book
	series arena.Arena[series]
}

// reading runs the generic detector over quantities no rule knows.
func (rules *seriesRules) reading(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	q := r.Quantity
	if q.Kind != ingest.Gauge {
		return
	}
	p := &rules.parameters(d).All
	known := slices.Contains(p.Quantities, q.Name)
	if !known {
		switch r.Device.Facility {
		case ingest.Water, ingest.Lighting, ingest.Waste, ingest.Gate:
			return
		}
		// Weather and radio have their own lives.
		switch q.Name {
		case "temperature", "humidity", "rssi", "battery_level", "battery_voltage":
			return
		}
	}
	s := rules.seriesOf(d, channel, rules.channel(q.Name))
	if at < s.At {
		return
	}
	s.At = at
	name := s.Quantity
	if channel != 0 {
		name = rules.channel(q.Name + "/" + r.Channel)
	}
	if known {
		// Of a quantity nobody has told us of, a count perhaps, standing still
		// may be all it does.
		rules.flat(alarmKey{index, name, flatLine}, d, &s.Flat, float32(r.Value), at)
	}
	seconds, _ := rules.local(at)
	score := s.Generic.Add(float32(r.Value), seconds, &p.Generic)
	d.score(float64(score))
	k := alarmKey{index, name, unusualValue}
	if score >= 1 {
		s.Calm = 0
		rules.raise(k, at, r.Value, float64(s.Generic.Expected(seconds)))
		return
	}
	if s.Calm++; s.Calm >= calm {
		s.Calm = 0
		rules.clearAlarm(k, at)
	}
}

// calm sets after how many usual readings a value is usual again.
const calm = 24

func (rules *seriesRules) seriesOf(d *device, channel, quantity uint16) *series {
	for i := d.Series; i != 0; {
		s := rules.series.At(i)
		if s.Channel == channel && s.Quantity == quantity {
			return s
		}
		i = s.Next
	}
	i := rules.series.Add()
	s := rules.series.At(i)
	s.Channel, s.Quantity, s.Next = channel, quantity, d.Series
	d.Series = i
	return s
}

// attribute is a number the inventory says of a device, 0 if it does not.
func attribute(d *ingest.Device, name string) float64 {
	text := d.Attributes[name]
	if text == "" { // as of most: an error of ParseFloat is an allocation
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return 0
	}
	return v
}
