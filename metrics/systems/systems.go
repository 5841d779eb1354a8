// Package systems knows what the facilities that are no more than data do now:
// parking, charging, noise, drainage and whatever else an inventory adds. Package
// facility knows lighting, water, waste and gates, which need code of their own;
// here the kind of a quantity says what can be told of it:
//
//	counts, such as people or spaces   the sum over devices
//	other gauges                       mean, least and greatest; of decibels the mean of the energy, by day and by night
//	states                             how many devices say yes
//	deltas and registers               the sum since the local day began
//
// All of it is by the time of the readings. A device that has been silent for three
// hours is in no state any more. State is kept for each device, channel and quantity
// (some 200 bytes), and is part of the checkpoint.
package systems

import (
	"cmp"
	"encoding/gob"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// stale sets after how long the last reading says nothing of now, as in package facility.
const stale = 3 * time.Hour

// jump is what a register may grow by in a day of its place: more is one that jumped.
const jump = 100_000

// Figure is what a quantity of a place is now. What its kind does not have is NaN.
type Figure struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Quantity  string
	Unit      string
	Kind      ingest.QuantityKind
	Label     ingest.Text
	Devices   int // that report it
	Sum       float64
	Mean      float64
	Min, Max  float64
	Yes       float64 // devices that say so
	Today     float64 // since the local day began
	Day       float64 // mean of the latest day, 6 to 22, dB
	Night     float64 // and night
}

type key struct {
	Index    uint32
	Channel  string
	Quantity string
}

// series is a quantity of a device.
type series struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Value     float64
	Time      int64 // unix nanoseconds, 0: none yet
	Day       int64 // number of the local day of Today
	Today     float64
}

type place struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Quantity  string
}

// period is the energy of sound over a day or a night.
type period struct {
	Number int64
	Energy float64
	N      float64
}

func (p *period) add(number int64, energy float64) {
	if number > p.Number {
		*p = period{Number: number}
	}
	if number == p.Number {
		p.Energy, p.N = p.Energy+energy, p.N+1
	}
}

func (p *period) level() float64 {
	if p == nil || p.N == 0 {
		return math.NaN()
	}
	return 10 * math.Log10(p.Energy/p.N)
}

// Observer takes readings. It is safe for concurrent use.
type Observer struct {
	mu     sync.Mutex // all that follows
	inv    *inventory.Inventory
	zone   *time.Location
	series map[key]*series
	sound  map[place]*[2]period // day, night
}

// New returns an observer that has seen nothing.
func New() *Observer {
	return &Observer{zone: time.UTC, series: map[key]*series{}, sound: map[place]*[2]period{}}
}

// Name names the state in the checkpoint.
func (o *Observer) Name() string { return "systems" }

// Bind takes the inventory's kinds of facility and the zone of local days.
func (o *Observer) Bind(inv *inventory.Inventory) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.inv, o.zone = inv, inv.Zone
}

// Own reports whether package facility knows a kind.
func own(kind ingest.FacilityKind) bool {
	switch kind {
	case ingest.Lighting, ingest.Water, ingest.Waste, ingest.Gate:
		return true
	}
	return false
}

// Reading takes a reading. A late one says nothing of now.
func (o *Observer) Reading(index uint32, r *ingest.Reading, late bool, _ int64) {
	if own(r.Device.Facility) || late {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	k := key{index, r.Channel, r.Quantity.Name}
	s := o.series[k]
	if s == nil || s.Community != r.Device.Community || s.Facility != r.Device.Facility {
		s = &series{Community: r.Device.Community, Facility: r.Device.Facility}
		o.series[k] = s
	}
	day, hour := o.local(r.Time)
	if day > s.Day {
		s.Day, s.Today = day, 0
	}
	switch {
	case day < s.Day:
	case r.Quantity.Kind == ingest.Delta:
		s.Today += max(0, r.Value)
	case r.Quantity.Kind == ingest.Register && s.Time != 0:
		if grown := r.Device.Counted(s.Value, r.Value); grown > 0 && grown <= jump {
			s.Today += grown
		}
	}
	s.Value, s.Time = r.Value, r.Time
	if r.Quantity.Unit == "dB" && r.Quantity.Kind == ingest.Gauge {
		at := place{s.Community, s.Facility, r.Quantity.Name}
		if o.sound[at] == nil {
			o.sound[at] = &[2]period{}
		}
		energy := math.Pow(10, r.Value/10)
		switch {
		case hour >= 6 && hour < 22:
			o.sound[at][0].add(day, energy)
		case hour >= 22:
			o.sound[at][1].add(day+1, energy) // the night that ends the next day
		default:
			o.sound[at][1].add(day, energy)
		}
	}
}

// local returns the number of the local day and the hour of it.
func (o *Observer) local(ns int64) (day int64, hour int) {
	_, offset := time.Unix(0, ns).In(o.zone).Zone()
	seconds := ns/int64(time.Second) + int64(offset)
	return seconds / 86400, int(seconds % 86400 / 3600)
}

// Rewind makes what is remembered as later than it can be of now.
func (o *Observer) Rewind(now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	today, _ := o.local(now)
	for _, s := range o.series {
		s.Time = min(s.Time, now)
		if s.Day > today {
			s.Day, s.Today = today, 0
		}
	}
	for _, p := range o.sound {
		for i := range p {
			p[i].Number = min(p[i].Number, today+1)
		}
	}
}

// Forget forgets devices that were let go.
func (o *Observer) Forget(indexes []uint32, _ int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gone := map[uint32]bool{}
	for _, i := range indexes {
		gone[i] = true
	}
	maps.DeleteFunc(o.series, func(k key, _ *series) bool { return gone[k.Index] })
}

type saved struct {
	Version int
	Keys    []key
	Series  []series
	Places  []place
	Sound   [][2]period
}

// Save writes the state.
func (o *Observer) Save(w io.Writer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := saved{Version: 1}
	for k, v := range o.series {
		s.Keys, s.Series = append(s.Keys, k), append(s.Series, *v)
	}
	for p, v := range o.sound {
		s.Places, s.Sound = append(s.Places, p), append(s.Sound, *v)
	}
	return gob.NewEncoder(w).Encode(s)
}

// Load reads a state.
func (o *Observer) Load(r io.Reader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var s saved
	if err := gob.NewDecoder(r).Decode(&s); err != nil {
		return err
	}
	for i, k := range s.Keys {
		o.series[k] = &s.Series[i]
	}
	for i, p := range s.Places {
		o.sound[p] = &s.Sound[i]
	}
	return nil
}

// Now returns what the quantities of each place are at a time (unix nanoseconds), in the
// order of community, facility and the facility's quantities.
func (o *Observer) Now(at int64) []Figure {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inv == nil {
		return nil
	}
	today, _ := o.local(at)
	figures := map[place]*Figure{}
	energy := map[place]float64{}
	for k, s := range o.series {
		q := o.inv.Facilities.Quantity(s.Facility, k.Quantity)
		if q == nil || o.inv.Community(s.Community) == nil {
			continue
		}
		p := place{s.Community, s.Facility, k.Quantity}
		f := figures[p]
		if f == nil {
			none := math.NaN()
			f = &Figure{Community: p.Community, Facility: p.Facility, Quantity: p.Quantity, Unit: q.Unit, Kind: q.Kind, Label: ingest.Text(q.Label), Sum: none, Mean: none, Min: none, Max: none, Yes: none, Today: none, Day: none, Night: none}
			figures[p] = f
		}
		if q.Kind == ingest.Delta || q.Kind == ingest.Register {
			if s.Day == today {
				f.Today = plus(f.Today, s.Today)
			} else {
				f.Today = plus(f.Today, 0)
			}
		}
		if s.Time < at-int64(stale) {
			continue
		}
		f.Devices++
		switch q.Kind {
		case ingest.State:
			yes := 0.0
			if s.Value != 0 {
				yes = 1
			}
			f.Yes = plus(f.Yes, yes)
		case ingest.Gauge:
			f.Sum = plus(f.Sum, s.Value)
			energy[p] += math.Pow(10, s.Value/10)
			f.Min, f.Max = lesser(f.Min, s.Value), greater(f.Max, s.Value)
		}
	}
	list := make([]Figure, 0, len(figures))
	for p, f := range figures {
		if f.Kind == ingest.Gauge && f.Devices > 0 {
			f.Mean = f.Sum / float64(f.Devices)
			switch {
			case f.Unit == "dB":
				f.Mean = 10 * math.Log10(energy[p]/float64(f.Devices))
				f.Sum = math.NaN()
			case !Counts(f.Unit):
				f.Sum = math.NaN()
			}
		}
		if sound := o.sound[p]; sound != nil {
			f.Day, f.Night = sound[0].level(), sound[1].level()
		}
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Figure) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Quantity, b.Quantity))
	})
	return list
}

// Counts reports whether a gauge of a unit counts things, so that devices add up.
func Counts(unit string) bool {
	return unit == "1" || unit == "count" || unit == "次" || unit == "人次"
}

func plus(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return a + b
}

func lesser(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return min(a, b)
}

func greater(a, b float64) float64 {
	if math.IsNaN(a) {
		return b
	}
	return max(a, b)
}

// Statistics are what there is of a figure, by name.
func (f *Figure) Statistics() map[string]float64 {
	all := map[string]float64{"sum": f.Sum, "mean": f.Mean, "min": f.Min, "max": f.Max, "yes": f.Yes, "today": f.Today, "day": f.Day, "night": f.Night, "devices": float64(f.Devices)}
	maps.DeleteFunc(all, func(_ string, v float64) bool { return math.IsNaN(v) })
	return all
}

var quantityDesc = prometheus.NewDesc("greencommunity_system_quantity", "What a quantity of a facility other than lighting, water, waste and gates is now, in its unit: sum, mean, min, max, yes (devices that say so), today, day and night (of sound), devices (that report it).", []string{"community", "facility", "quantity", "unit", "statistic"}, nil)

// Describe is part of prometheus.Collector.
func (o *Observer) Describe(ch chan<- *prometheus.Desc) { ch <- quantityDesc }

// Collect is part of prometheus.Collector.
func (o *Observer) Collect(ch chan<- prometheus.Metric) {
	for _, f := range o.Now(time.Now().UnixNano()) {
		for statistic, v := range f.Statistics() {
			ch <- prometheus.MustNewConstMetric(quantityDesc, prometheus.GaugeValue, v, string(f.Community), string(f.Facility), f.Quantity, f.Unit, statistic)
		}
	}
}
