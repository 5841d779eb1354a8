package anomaly

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/document"
)

// Limit is a rule as data: a quantity of a kind of facility that must not go, or
// stay, beyond a value.
type Limit struct {
	Kind     string              `yaml:"kind"`     // of the alarm, one of LimitKinds
	Facility ingest.FacilityKind `yaml:"facility"` // whose devices it is for
	Quantity string              `yaml:"quantity"`
	// At is from which value on it is an alarm, in the quantity's unit. Attribute
	// names what the inventory says of the device instead, times Factor; a device
	// that says nothing has At, or no limit where that is 0.
	At        float64 `yaml:"at"`
	Attribute string  `yaml:"attribute"`
	Factor    float64 `yaml:"factor"` // 0: 1
	// Clear is below which share of the limit it is over; 0: below the limit.
	Clear float64 `yaml:"clear"`
	// Below turns it round: an alarm at the limit and less.
	Below bool `yaml:"below"`
	// For sets how long it must stay there. Mean judges the mean over For instead;
	// of decibels that of the energy.
	For  time.Duration `yaml:"for"`
	Mean bool          `yaml:"mean"`
	// From and To are local hours of the day between which it holds, over midnight
	// where From is later; equal: always.
	From int `yaml:"from"`
	To   int `yaml:"to"`
}

// limitKinds holds the kinds of alarm that limits raise, each with the quantity whose unit its alarms have.
var limitKinds = map[kind]string{
	waterlogging: "water_level", smoke: "smoke_detected", passageBlocked: "passage_blocked", chargerHot: "temperature",
	overCurrent: "current", noisy: "sound_level", parkingFull: "spaces_free", crowded: "people_count",
	hydrantLow: "hydrant_pressure", badAir: "pm2_5",
}

// DefaultLimits returns the limits there are without a configuration.
//
// Water that is reported to stand is told at once, and a level where the inventory
// says which is too high: 0 of a gauge is anywhere. Smoke is told at once.
// A passage may be blocked while somebody loads. A hydrant of a main has at least
// 0.14 MPa in normal running (GB 50974, 7.2.8). PM2.5 of more than 150 µg/m3 over a day
// is heavy pollution (HJ 633). Plugs and batteries that charge
// take 40 °C; insulation of PVC is made for 70 °C. A breaker carries 1.1 times its
// rated current for long. Noise: GB 3096 allows 60 dB by day and 50 dB from 22 to 6 in
// areas of class 2, where people live among shops; the hour's mean 5 dB above is
// told. What counts as a crowd depends on the place, so the inventory says it.
func DefaultLimits() []Limit {
	return []Limit{
		{Kind: "waterlogging", Facility: "drainage", Quantity: "flooded", At: 1},
		{Kind: "waterlogging", Facility: "drainage", Quantity: "water_level", Attribute: "flood_level", Clear: 0.9, For: 2 * time.Minute},
		{Kind: "smoke", Facility: "fire", Quantity: "smoke_detected", At: 1},
		{Kind: "passage_blocked", Facility: "fire", Quantity: "passage_blocked", At: 1, For: 10 * time.Minute},
		{Kind: "hydrant_low", Facility: "fire", Quantity: "hydrant_pressure", At: 140e3, Below: true, For: 10 * time.Minute},
		{Kind: "charger_hot", Facility: "charging", Quantity: "temperature", At: 70, Clear: 0.85},
		{Kind: "overcurrent", Facility: "charging", Quantity: "current", Attribute: "rated_current", Factor: 1.1, Clear: 0.95, For: 10 * time.Minute},
		{Kind: "noise", Facility: "noise", Quantity: "sound_level_equivalent", At: 65, For: time.Hour, Mean: true, Clear: 0.97, From: 6, To: 22},
		{Kind: "noise", Facility: "noise", Quantity: "sound_level_equivalent", At: 55, For: time.Hour, Mean: true, Clear: 0.97, From: 22, To: 6},
		{Kind: "noise", Facility: "noise", Quantity: "sound_level", At: 65, For: time.Hour, Mean: true, Clear: 0.97, From: 6, To: 22},
		{Kind: "noise", Facility: "noise", Quantity: "sound_level", At: 55, For: time.Hour, Mean: true, Clear: 0.97, From: 22, To: 6},
		{Kind: "parking_full", Facility: "parking", Quantity: "spaces_free", At: 0.5, Below: true, For: 30 * time.Minute},
		{Kind: "crowd", Facility: "public_area", Quantity: "people_count", Attribute: "capacity", Clear: 0.9, For: 5 * time.Minute},
		{Kind: "bad_air", Facility: "environment", Quantity: "pm2_5", At: 150, For: 24 * time.Hour, Mean: true, Clear: 0.9},
	}
}

// limited holds what is known of a device's quantity that has a limit. It has no pointers.
type limited struct {
	Next     uint32
	Channel  uint16
	Quantity uint16 // channels[Quantity] is its name
	At       int64
	From     int64   // since when it has been beyond the limit, 0: it is not
	First    int64   // first reading since the mean began
	Mean     float32 // over Limit.For; of decibels of the energy, relative to 1 pW/m2
}

// limitRules compare quantities with limits.
type limitRules struct {
	*book
	quantities arena.Arena[limited]
}

func (rules *limitRules) quantity(d *device, channel, quantity uint16) *limited {
	for i := d.Limit; i != 0; {
		q := rules.quantities.At(i)
		if q.Channel == channel && q.Quantity == quantity {
			return q
		}
		i = q.Next
	}
	i := rules.quantities.Add()
	q := rules.quantities.At(i)
	q.Channel, q.Quantity, q.Next = channel, quantity, d.Limit
	d.Limit = i
	return q
}

// reading compares a reading with the limits of its quantity.
func (rules *limitRules) reading(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	list := rules.parameters(d).Limits
	var q *limited
	for i := range list {
		l := &list[i]
		if l.Quantity != r.Quantity.Name || l.Facility != r.Device.Facility {
			continue
		}
		if q == nil {
			q = rules.quantity(d, channel, rules.channel(r.Quantity.Name))
			if at <= q.At && q.At != 0 {
				return
			}
			if l.Mean {
				q.mean(r.Value, at, l.For, r.Quantity.Unit)
			}
		}
		rules.judge(index, d, q, l, r, at)
	}
	if q != nil {
		q.At = at
	}
}

// mean takes a value into the mean; what comes after a gap begins anew.
func (q *limited) mean(v float64, at int64, over time.Duration, unit string) {
	if unit == "dB" {
		v = math.Pow(10, v/10)
	}
	gap := at - q.At
	if q.At == 0 || gap > int64(over) {
		q.First, q.Mean = at, float32(v)
		return
	}
	share := float64(gap) / float64(min(int64(over), max(at-q.First, gap)))
	q.Mean += float32(min(share, 1)) * (float32(v) - q.Mean)
}

// late looks at a reading that came out of order: smoke is told however late it comes.
func (rules *limitRules) late(index uint32, d *device, channel uint16, r *ingest.Reading, at int64) {
	list := rules.parameters(d).Limits
	for i := range list {
		l := &list[i]
		id, ok := kindNamed(l.Kind)
		if !ok || !slices.Contains(burning, id) || l.Quantity != r.Quantity.Name || l.Facility != r.Device.Facility || l.At == 0 || l.Below || r.Value < l.At {
			continue
		}
		if key := (alarmKey{index, channel, id}); !rules.active(key) {
			rules.burns(key, r.Time, d.Received)
			rules.raiseUntil(key, at, r.Value, l.At, at+again)
		}
	}
}

// judge compares a reading with one limit.
func (rules *limitRules) judge(index uint32, d *device, q *limited, l *Limit, r *ingest.Reading, at int64) {
	id, ok := kindNamed(l.Kind)
	if !ok {
		return
	}
	seconds, _ := rules.local(at)
	if hour := seconds / 3600; l.From < l.To && (hour < l.From || hour >= l.To) || l.From > l.To && hour < l.From && hour >= l.To {
		return
	}
	limit := l.At
	if said := attribute(rules.info[index], l.Attribute); l.Attribute != "" && said > 0 {
		limit = said
		if l.Factor > 0 {
			limit *= l.Factor
		}
	}
	if limit == 0 {
		return
	}
	v := r.Value
	if l.Mean {
		v = float64(q.Mean)
		if r.Quantity.Unit == "dB" {
			v = 10 * math.Log10(v)
		}
	}
	key := alarmKey{index, q.Channel, id}
	beyond, back := v >= limit, v < limit
	if l.Clear > 0 {
		back = v < limit*l.Clear
	}
	if l.Below {
		beyond, back = v <= limit, v > limit
	} else {
		d.score(min(v/limit, 5) * 0.99)
	}
	switch {
	case beyond:
		if q.From == 0 {
			q.From = at
		}
		since := q.From
		if l.Mean {
			since = q.First
		}
		if slices.Contains(burning, id) {
			rules.burns(key, r.Time, d.Received)
		}
		if at-since >= int64(l.For) {
			rules.raiseFor(key, at, finding{value: v, expected: limit, within: int64(l.For)})
		}
	case back:
		q.From = 0
		rules.clearAlarm(key, at)
	case !rules.active(key):
		q.From = 0
	}
}

// checkLimits refuses limits that say nothing.
func checkLimits(list []Limit, path string, problems *document.Problems) {
	for i, l := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		id, ok := kindNamed(l.Kind)
		if ok {
			_, ok = limitKinds[id]
		}
		switch {
		case !ok:
			var names []string
			for _, k := range slices.Sorted(maps.Keys(limitKinds)) {
				names = append(names, k.String())
			}
			problems.Add(at, "kind %q is none that limits raise; one of %v", l.Kind, names)
		case l.Facility == "" || l.Quantity == "":
			problems.Add(at, "facility and quantity are missing; `greencommunity quantities` lists them")
		case l.At == 0 && l.Attribute == "":
			problems.Add(at, "no limit: give at (a value) or attribute (of the device in the inventory)")
		case l.From < 0 || l.From > 24 || l.To < 0 || l.To > 24:
			problems.Add(at, "from %d to %d are no hours of a day, 0 to 24", l.From, l.To)
		case l.For < 0 || l.Clear < 0 || l.Clear > 1 || l.Factor < 0 || l.Mean && l.For == 0:
			problems.Add(at, "for, clear (0 to 1) and factor cannot be negative, and a mean needs for")
		}
	}
}
