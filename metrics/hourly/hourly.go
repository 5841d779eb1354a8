// Package hourly adds up what the devices of a place report in each hour, so that a
// picture of a year asks InfluxDB for hours of places and not for every reading of
// every device:
//
//	measurement  place_hourly
//	tags         community, facility, quantity
//	fields       total, readings (total / readings is the mean; of deltas total is the sum), least, greatest;
//	             of decibels also energy, the sum of 10^(dB/10)
//	time         the hour's beginning, UTC
//
// The mean of decibels is that of their energy, 10 log10(energy / readings), and total so
// many times readings: not every engine has logarithms.
//
// Of states total counts the readings that say yes. Registers are left out, as a level
// that only grows is no picture; what was used of them comes from the book of use, as
// quantities usage.electricity (kWh) and usage.water (m3), which have a total alone.
//
// Points of the running hour are written again as it goes on, at most every ten
// seconds. An hour takes readings until it is two days behind the newest of its place
// and quantity, and use for eight days; its state is part of the checkpoint, so that a restart neither loses a
// reading nor counts one twice.
//
// BUG(hourly): a reading that a device repeats after four others of its series is
// taken for a new one, as by the pipeline, and is in an hour's total twice.
package hourly

import (
	"cmp"
	"encoding/gob"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

const (
	// Measurement names the hours in InfluxDB.
	Measurement = "place_hourly"

	hour   = int64(time.Hour)
	window = 48               // hours an hour stays open behind the newest
	ofUse  = 8 * 24           // and one of use, which meters read daily or weekly enter late
	pause  = 10 * time.Second // between two writings of one hour
	atOnce = 1000             // points returned in one go
)

// Fields are those of a point, in its order.
var Fields = []string{"energy", "greatest", "least", "readings", "total"}

// cell is an hour of a series.
type cell struct {
	Hour     int32 // since 1970
	Readings uint32
	Queued   bool // for writing
	Total    float64
	Energy   float64 // of decibels
	Least    float64
	Greatest float64
}

// series is a quantity of a place: its open hours, ascending.
type series struct {
	Quantity string
	Closed   int32 // this hour and those before take nothing any more
	Cells    []cell
}

type placeKey struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
}

type place struct {
	key     placeKey
	byIndex []*series // by ingest.Quantity.Index of the inventory in force
	series  map[string]*series
}

type queued struct {
	place  *place
	series *series
	hour   int32
}

// Observer adds up readings. It is safe for concurrent use.
type Observer struct {
	mu     sync.Mutex // all that follows
	places map[placeKey]*place
	last   *place // of the reading before: a message is of one
	queue  []queued
	due    bool  // what is queued may be written
	wrote  int64 // the observers' clock when it was last let go, unix nanoseconds
	missed uint64
}

// New returns an observer that has seen nothing.
func New() *Observer { return &Observer{places: map[placeKey]*place{}} }

// Name names the state in the checkpoint.
func (o *Observer) Name() string { return "hourly" }

// Bind forgets the numbers of quantities, which are of one inventory.
func (o *Observer) Bind(*inventory.Inventory) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.places {
		p.byIndex = nil
	}
	o.last = nil
}

// Reading adds a reading to its hour, late or not.
func (o *Observer) Reading(_ uint32, r *ingest.Reading, _ bool, _ int64) {
	if r.Quantity.Kind == ingest.Register || r.Device.Community == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.last
	if p == nil || p.key.Community != r.Device.Community || p.key.Facility != r.Device.Facility {
		p = o.place(placeKey{r.Device.Community, r.Device.Facility})
		o.last = p
	}
	s := p.of(r.Quantity)
	c := s.at(int32(r.Time / hour))
	if c == nil {
		o.missed++
		return
	}
	v := r.Value
	if r.Quantity.Kind == ingest.State && v != 0 {
		v = 1
	}
	if c.Readings == 0 {
		c.Least, c.Greatest = v, v
	}
	c.Readings++
	c.Total += v
	if r.Quantity.Unit == "dB" {
		c.Energy += math.Pow(10, v/10)
	}
	c.Least, c.Greatest = min(c.Least, v), max(c.Greatest, v)
	o.changed(p, s, c)
}

// Used names what was used of a resource among the quantities.
func Used(r usage.Resource) string { return "usage." + r.String() }

// Use adds what a place has used to its hour: the book of use calls it.
func (o *Observer) Use(at usage.Place, h int32, used float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.place(placeKey{at.Community, at.Facility})
	s := p.named(Used(at.Resource))
	c := s.at(h)
	if c == nil {
		o.missed++
		return
	}
	c.Readings++
	c.Total += used
	o.changed(p, s, c)
}

// Hour is what an hour of a place comes to, as Rebuilt takes it. Of use it is Total alone.
type Hour struct {
	Readings               uint32
	Total, Least, Greatest float64
}

// Rebuilt puts an hour (counted from 1970-01-01 UTC), which was summed up again from what
// is stored, in place of what was added up. False: the hour takes nothing any more here,
// and InfluxDB is all that has to be told.
func (o *Observer) Rebuilt(community ingest.CommunityID, facility ingest.FacilityKind, quantity string, h int32, to Hour) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.place(placeKey{community, facility})
	s := p.named(quantity)
	c := s.at(h)
	if c == nil {
		return false
	}
	if c.Readings != to.Readings && !s.use() || c.Total != to.Total || c.Least != to.Least || c.Greatest != to.Greatest {
		c.Readings, c.Total, c.Least, c.Greatest = max(to.Readings, 1), to.Total, to.Least, to.Greatest
		if to == (Hour{}) {
			c.Readings = 0
		}
		o.changed(p, s, c)
	}
	return true
}

// Open returns the hours of a community that take readings still, with what they have, by
// kind of facility, quantity and hour.
func (o *Observer) Open(community ingest.CommunityID) map[Key]Hour {
	o.mu.Lock()
	defer o.mu.Unlock()
	open := map[Key]Hour{}
	for key, p := range o.places {
		if key.Community != community {
			continue
		}
		for _, s := range p.series {
			for _, c := range s.Cells {
				open[Key{key.Facility, s.Quantity, c.Hour}] = Hour{c.Readings, c.Total, c.Least, c.Greatest}
			}
		}
	}
	return open
}

// Key names an hour of a community.
type Key struct {
	Facility ingest.FacilityKind
	Quantity string
	Hour     int32
}

func (o *Observer) changed(p *place, s *series, c *cell) {
	if !c.Queued {
		c.Queued = true
		o.queue = append(o.queue, queued{p, s, c.Hour})
	}
}

func (o *Observer) place(key placeKey) *place {
	p := o.places[key]
	if p == nil {
		p = &place{key: key, series: map[string]*series{}}
		o.places[key] = p
	}
	return p
}

func (p *place) named(quantity string) *series {
	s := p.series[quantity]
	if s == nil {
		s = &series{Quantity: quantity}
		p.series[quantity] = s
	}
	return s
}

func (p *place) of(q *ingest.Quantity) *series {
	if i := int(q.Index); i < len(p.byIndex) && p.byIndex[i] != nil {
		return p.byIndex[i]
	}
	s := p.named(q.Name)
	for len(p.byIndex) <= int(q.Index) {
		p.byIndex = append(p.byIndex, nil)
	}
	p.byIndex[q.Index] = s
	return s
}

// at returns the cell of an hour, or nil where the hour is closed.
func (s *series) at(h int32) *cell {
	if n := len(s.Cells); n > 0 && s.Cells[n-1].Hour == h {
		return &s.Cells[n-1]
	}
	if h <= s.Closed {
		return nil
	}
	i, found := slices.BinarySearchFunc(s.Cells, h, func(c cell, h int32) int { return cmp.Compare(c.Hour, h) })
	if !found {
		s.Cells = slices.Insert(s.Cells, i, cell{Hour: h})
	}
	return &s.Cells[i]
}

func (s *series) use() bool { return strings.HasPrefix(s.Quantity, "usage.") }

// close drops the hours that are long over and written.
func (s *series) close() {
	oldest := s.Cells[len(s.Cells)-1].Hour - window
	if s.use() {
		oldest -= ofUse - window
	}
	n := 0
	for n < len(s.Cells) && s.Cells[n].Hour <= oldest && !s.Cells[n].Queued {
		n++
	}
	if n > 0 {
		s.Closed = max(s.Closed, s.Cells[n-1].Hour)
		s.Cells = slices.Delete(s.Cells, 0, n)
	}
}

// Tick lets what has changed be written, now and then.
func (o *Observer) Tick(now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now-o.wrote >= int64(pause) {
		o.due, o.wrote = true, now
	}
}

// Points are the hours that have changed.
func (o *Observer) Points() []ingest.Point {
	o.mu.Lock()
	defer o.mu.Unlock()
	// A history that is walked has many hours that are over before the clock moves.
	if !o.due && len(o.queue) < 2*atOnce {
		return nil
	}
	n := min(len(o.queue), atOnce)
	list := make([]ingest.Point, 0, n)
	for _, q := range o.queue[:n] {
		i, found := slices.BinarySearchFunc(q.series.Cells, q.hour, func(c cell, h int32) int { return cmp.Compare(c.Hour, h) })
		if !found {
			continue
		}
		c := &q.series.Cells[i]
		c.Queued = false
		list = append(list, ingest.Point{
			Measurement: Measurement,
			Tags:        []ingest.Tag{{Key: "community", Value: string(q.place.key.Community)}, {Key: "facility", Value: string(q.place.key.Facility)}, {Key: "quantity", Value: q.series.Quantity}},
			Fields:      []ingest.Field{{Key: "total", Value: c.Total}},
			Time:        int64(c.Hour) * hour,
		})
		if p := &list[len(list)-1]; !q.series.use() {
			p.Fields = []ingest.Field{{Key: "greatest", Value: c.Greatest}, {Key: "least", Value: c.Least}, {Key: "readings", Value: float64(c.Readings)}, {Key: "total", Value: c.Total}}
			if c.Energy > 0 {
				p.Fields[3].Value = 10 * math.Log10(c.Energy/float64(c.Readings)) * float64(c.Readings)
				p.Fields = append([]ingest.Field{{Key: "energy", Value: c.Energy}}, p.Fields...)
			}
		}
		q.series.close()
	}
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue, o.due = nil, false
	}
	return list
}

// Rewind forgets the hours that have not come after all.
func (o *Observer) Rewind(now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	last := int32((now + int64(ingest.MaxAhead)) / hour)
	for _, p := range o.places {
		for _, s := range p.series {
			s.Cells = slices.DeleteFunc(s.Cells, func(c cell) bool { return c.Hour > last })
			s.Closed = min(s.Closed, last-1)
		}
	}
	o.wrote = min(o.wrote, now)
}

type saved struct {
	Version int
	Places  []savedPlace
	Missed  uint64
}

type savedPlace struct {
	Key    placeKey
	Series []series
}

// Save writes the state.
func (o *Observer) Save(w io.Writer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := saved{Version: 1, Missed: o.missed}
	for key, p := range o.places {
		at := savedPlace{Key: key}
		for _, each := range p.series {
			at.Series = append(at.Series, *each)
		}
		s.Places = append(s.Places, at)
	}
	return gob.NewEncoder(w).Encode(s)
}

// Load reads a state. What was queued is again.
func (o *Observer) Load(r io.Reader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var s saved
	if err := gob.NewDecoder(r).Decode(&s); err != nil {
		return err
	}
	if s.Version != 1 {
		return fmt.Errorf("hours of places: state of version %d, this program reads 1", s.Version)
	}
	o.missed = s.Missed
	for _, at := range s.Places {
		p := &place{key: at.Key, series: map[string]*series{}}
		for i := range at.Series {
			each := &at.Series[i]
			p.series[each.Quantity] = each
			for j := range each.Cells {
				if each.Cells[j].Queued {
					o.queue = append(o.queue, queued{p, each, each.Cells[j].Hour})
				}
			}
		}
		o.places[at.Key] = p
	}
	o.last = nil
	return nil
}
