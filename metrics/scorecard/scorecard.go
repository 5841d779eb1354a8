// Package scorecard says how well each vendor delivers: what of it is refused,
// has no meaning, comes late, out of order or twice, how far the clocks of its
// devices are off, which devices fall silent against their own rhythm, and when
// it was last heard of.
//
// A Scorecard is told of each message once, in the order of the journal, by
// whoever walks it, and has no clock of its own: what it says is a function of
// those calls, and Save and Load carry it over a restart. It costs 16
// bytes a device.
package scorecard

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
)

const (
	// LateAfter sets how old a reading with a time of its own is late.
	LateAfter = 5 * time.Minute
	// gapFactor sets how many of its own intervals a device may be silent, and
	// minIntervals how many it must have had for a rhythm.
	gapFactor    = 3
	minIntervals = 5
	// minGap keeps devices that report by the second from counting hiccups.
	minGap = 30 * time.Second
	// minInterval sets how far apart, in s, messages are of two contacts: a rhythm
	// that is quicker allows for minGap all the same.
	minInterval = 10
	// maxMissed sets how many gaps in a row end a rhythm.
	maxMissed = 5
	// maxFields bounds how many unmapped fields are told apart, a vendor.
	maxFields = 1000
	// offsets sets how many of the last messages the clock offset is the median of.
	offsets = 101
)

// vendor holds what is counted of one vendor. Its fields are exported for Save.
type vendor struct {
	Readings, Late, OutOfOrder, Duplicates, Unmapped, Replaced, Gaps, Missing uint64

	Refused     map[ingest.Reason]uint64 // single values, and whole messages
	Rejected    map[ingest.Reason]uint64
	Fields      map[string]uint64 // unmapped, by the vendor's word
	Offsets     []int64           // received - device time, ns; a ring
	Next        int
	LastMessage int64 // received, unix ns
}

// device holds what is remembered of one device.
type device struct {
	Vendor    uint16 // index+1 of vendors; 0: not heard of
	Intervals uint8
	Missed    uint8   // gaps in a row
	Rhythm    float32 // s, a running mean of the intervals
	Last      int64   // received, unix ns
}

// Scorecard is the scorecard of all vendors.
type Scorecard struct {
	// mu guards all below: the walker writes, a scrape reads.
	mu      sync.Mutex
	names   []ingest.VendorID
	vendors map[ingest.VendorID]*vendor
	devices arena.Arena[device] // by dense index + 1
	now     int64
	listed  []ingest.VendorID // by the inventory; nil: nobody has said
}

// New returns an empty scorecard.
func New() *Scorecard { return &Scorecard{vendors: map[ingest.VendorID]*vendor{}} }

// state holds what Save writes before the devices.
type state struct {
	Version int
	Names   []ingest.VendorID
	Vendors map[ingest.VendorID]*vendor
	Devices []device // where Version is 0; nothing follows then
	Now     int64
}

// Name names the state in the checkpoint.
func (s *Scorecard) Name() string { return "vendors" }

// Save writes the whole state.
func (s *Scorecard) Save(w io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := gob.NewEncoder(w).Encode(state{Version: 1, Names: s.names, Vendors: s.vendors, Now: s.now}); err != nil {
		return fmt.Errorf("scorecard: %w", err)
	}
	return s.devices.Save(w)
}

// Load takes over what Save wrote.
func (s *Scorecard) Load(r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	var saved state
	if err := gob.NewDecoder(b).Decode(&saved); err != nil {
		return fmt.Errorf("scorecard: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.now = saved.Names, saved.Now
	for _, known := range saved.Devices {
		*s.devices.At(s.devices.Add()) = known
	}
	if saved.Version >= 1 {
		if err := s.devices.Load(b); err != nil {
			return fmt.Errorf("scorecard: %w", err)
		}
	}
	if s.vendors = saved.Vendors; s.vendors == nil {
		s.vendors = map[ingest.VendorID]*vendor{}
	}
	for _, v := range s.vendors {
		v.init()
	}
	return nil
}

// vendor returns what is counted of a vendor, new where nothing is yet.
func (s *Scorecard) vendor(name ingest.VendorID) *vendor {
	v := s.vendors[name]
	if v == nil {
		v = &vendor{}
		v.init()
		s.vendors[name] = v
		s.names = append(s.names, name)
	}
	return v
}

func (v *vendor) init() {
	if v.Refused == nil {
		v.Refused = map[ingest.Reason]uint64{}
	}
	if v.Rejected == nil {
		v.Rejected = map[ingest.Reason]uint64{}
	}
	if v.Fields == nil {
		v.Fields = map[string]uint64{}
	}
}

// Message counts one message and what it came to. Of its readings, so many
// repeat one accepted before, and so many are older than one accepted before of
// the same series. Messages whose topic no source matches belong to nobody and
// are not counted.
func (s *Scorecard) Message(m *ingest.Message, r *decode.Result, duplicates, outOfOrder int) {
	if r.Source == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = max(s.now, m.Received)
	name := r.Source.Vendor.ID
	v := s.vendor(name)
	v.LastMessage = max(v.LastMessage, m.Received)
	if r.Err != nil {
		v.Rejected[r.Err.Reason]++
	} else {
		for i := range r.Refused {
			v.Refused[r.Refused[i].Reason]++
		}
	}
	for i := range r.Unmapped {
		v.Unmapped++
		field := r.Unmapped[i].Field
		if _, known := v.Fields[field]; known || len(v.Fields) < maxFields && len(field) <= 128 {
			v.Fields[field]++
		}
	}
	v.Missing += uint64(r.Missing)
	v.Duplicates += uint64(duplicates)
	v.OutOfOrder += uint64(outOfOrder)
	v.Readings += uint64(len(r.Readings) + len(r.Events) - duplicates)
	var newest int64
	// A message of old readings only is a backlog that is caught up with: it says
	// that the device is there and nothing of how often it reports.
	backlog := len(r.Readings) > 0
	for i := range r.Readings {
		reading := &r.Readings[i]
		timed := !reading.TimeReplaced && (reading.TimeSource == ingest.TimeDevice || reading.TimeSource == ingest.TimeGateway)
		backlog = backlog && timed && m.Received-reading.Time > int64(LateAfter)
	}
	backlog = backlog || outOfOrder > 0 || duplicates > 0
	for i := range r.Readings {
		reading := &r.Readings[i]
		switch {
		case reading.TimeReplaced:
			v.Replaced++
		case reading.TimeSource == ingest.TimeDevice:
			newest = max(newest, reading.Time)
			fallthrough
		case reading.TimeSource == ingest.TimeGateway:
			if m.Received-reading.Time > int64(LateAfter) {
				v.Late++
			}
		}
		if i == 0 || r.Devices[i] != r.Devices[i-1] {
			s.heard(name, v, r.Devices[i], m.Received, backlog)
		}
	}
	for i := range r.Events {
		if len(r.Readings) == 0 && (i == 0 || r.EventDevices[i] != r.EventDevices[i-1]) {
			s.heard(name, v, r.EventDevices[i], m.Received, false)
		}
	}
	// What is history says nothing of the clock.
	if newest != 0 && duplicates == 0 && outOfOrder == 0 {
		if offset := m.Received - newest; len(v.Offsets) < offsets {
			v.Offsets = append(v.Offsets, offset)
		} else {
			v.Offsets[v.Next] = offset
			v.Next = (v.Next + 1) % offsets
		}
	}
}

// Bind takes the vendors there are: of others nothing is shown, and of each of
// these all counters are, from the start at 0.
func (s *Scorecard) Bind(inv *inventory.Inventory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = []ingest.VendorID{}
	for _, v := range inv.Vendors {
		s.listed = append(s.listed, v.ID)
	}
}

// Rewind makes what is remembered as later than it can be of now.
func (s *Scorecard) Rewind(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = min(s.now, now)
	for _, v := range s.vendors {
		v.LastMessage = min(v.LastMessage, now)
	}
	s.devices.Int64s(func(at *int64) { *at = min(*at, now) })
}

// Forget forgets devices that were let go.
func (s *Scorecard) Forget(indexes []uint32, _ int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range indexes {
		if int(i) < s.devices.Len() {
			*s.devices.At(i + 1) = device{}
		}
	}
}

// heard notes that a device has reported, out of a backlog or not.
//
// A rhythm is learned from the time between contacts; messages that come in one
// go are one contact. A gap is no part of it, but several in a row are a device
// that reports less often from now on, or one whose rhythm was learned wrong: it
// is learned anew. What a backlog is sent with may be slower than the rhythm it
// was measured with, and never says that a device reports more often.
func (s *Scorecard) heard(name ingest.VendorID, v *vendor, index uint32, at int64, backlog bool) {
	s.devices.Extend(int(index) + 1)
	d := s.devices.At(index + 1)
	if d.Vendor == 0 {
		d.Vendor, d.Last = uint16(slices.Index(s.names, name)+1), at
		return
	}
	interval := float32(float64(at-d.Last) / 1e9)
	if interval < minInterval {
		return // several messages at once
	}
	overdue := d.overdue(at)
	d.Last = at
	if overdue {
		v.Gaps++
		if d.Missed++; d.Missed >= maxMissed {
			d.Missed, d.Intervals, d.Rhythm = 0, 0, 0
		}
		return
	}
	d.Missed = 0
	if backlog && d.Intervals > 0 && interval <= d.Rhythm {
		return
	}
	weight := float32(0.1)
	if d.Intervals < 10 {
		weight = 1 / float32(d.Intervals+1)
	}
	d.Rhythm += weight * (interval - d.Rhythm)
	if d.Intervals < 255 {
		d.Intervals++
	}
}

// overdue reports whether a device is silent for longer than its rhythm allows.
func (d *device) overdue(now int64) bool {
	allowed := max(float64(d.Rhythm)*gapFactor, minGap.Seconds())
	return d.Intervals >= minIntervals && float64(now-d.Last)/1e9 > allowed
}

// Tick says that it is now (unix nanoseconds), for the devices that are silent.
func (s *Scorecard) Tick(now int64) {
	s.mu.Lock()
	s.now = max(s.now, now)
	s.mu.Unlock()
}

// Field is a field nobody has given a meaning.
type Field struct {
	Name  string
	Count uint64
}

// Unmapped lists a vendor's unmapped fields, the most frequent first.
func (s *Scorecard) Unmapped(id ingest.VendorID) []Field {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fields []Field
	if v := s.vendors[id]; v != nil {
		for _, name := range slices.Sorted(maps.Keys(v.Fields)) {
			fields = append(fields, Field{name, v.Fields[name]})
		}
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return int(b.Count) - int(a.Count) })
	return fields
}

func desc(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"vendor"}, more...), nil)
}

var (
	readingsDesc   = desc("greencommunity_vendor_readings_total", "Readings and events accepted, without duplicates.")
	rejectedDesc   = desc("greencommunity_vendor_messages_rejected_total", "Messages refused.", "reason")
	refusedDesc    = desc("greencommunity_vendor_values_refused_total", "Single values refused in accepted messages.", "reason")
	unmappedDesc   = desc("greencommunity_vendor_unmapped_values_total", "Values of fields that have no meaning yet.")
	fieldsDesc     = desc("greencommunity_vendor_unmapped_fields", "Fields that have no meaning yet; at most 1000 are told apart.")
	lateDesc       = desc("greencommunity_vendor_late_readings_total", "Readings more than 5 minutes old when received.")
	orderDesc      = desc("greencommunity_vendor_out_of_order_readings_total", "Readings older than one accepted before.")
	duplicatesDesc = desc("greencommunity_vendor_duplicate_readings_total", "Readings that repeat one accepted before.")
	replacedDesc   = desc("greencommunity_vendor_times_replaced_total", "Readings whose time was out of bounds.")
	offsetDesc     = desc("greencommunity_vendor_clock_offset_seconds", "Median of received minus device time of the last 101 messages; negative is a clock that is ahead.")
	gapsDesc       = desc("greencommunity_vendor_gaps_total", "Silences of a device of more than three of its own intervals, when it is heard again.")
	missingDesc    = desc("greencommunity_vendor_messages_missing_total", "Messages that have not come, by the numbers their format gives them (Sparkplug).")
	silentDesc     = desc("greencommunity_vendor_silent_devices", "Devices silent now for more than three of their own intervals.")
	lastDesc       = desc("greencommunity_vendor_last_message_timestamp_seconds", "When the last message was received.")
)

// Describe implements prometheus.Collector.
func (s *Scorecard) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readingsDesc, rejectedDesc, refusedDesc, unmappedDesc, fieldsDesc, lateDesc, orderDesc, duplicatesDesc, replacedDesc, offsetDesc, gapsDesc, missingDesc, silentDesc, lastDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Its time is linear in the devices,
// some milliseconds a million.
func (s *Scorecard) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := make([]int, len(s.names)+1)
	for d := range s.devices.All() {
		if d.overdue(s.now) {
			silent[d.Vendor]++
		}
	}
	shown := s.listed
	if shown == nil {
		shown = s.names
	}
	for _, name := range shown {
		v, label := s.vendors[name], string(name)
		if v == nil {
			v = &vendor{} // not heard of yet
		}
		send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
			ch <- prometheus.MustNewConstMetric(d, kind, value, append([]string{label}, more...)...)
		}
		for d, n := range map[*prometheus.Desc]uint64{
			readingsDesc: v.Readings, unmappedDesc: v.Unmapped, lateDesc: v.Late, orderDesc: v.OutOfOrder, duplicatesDesc: v.Duplicates,
			replacedDesc: v.Replaced, gapsDesc: v.Gaps, missingDesc: v.Missing,
		} {
			send(d, prometheus.CounterValue, float64(n))
		}
		// Every reason is there at 0: the first refusals are an increase then, and
		// not the beginning of a series, of which Prometheus knows no increase.
		for _, reason := range ingest.Reasons {
			send(rejectedDesc, prometheus.CounterValue, float64(v.Rejected[reason]), string(reason))
			send(refusedDesc, prometheus.CounterValue, float64(v.Refused[reason]), string(reason))
		}
		send(fieldsDesc, prometheus.GaugeValue, float64(len(v.Fields)))
		send(silentDesc, prometheus.GaugeValue, float64(silent[slices.Index(s.names, name)+1]))
		if v.LastMessage > 0 {
			send(lastDesc, prometheus.GaugeValue, float64(v.LastMessage)/1e9)
		}
		if len(v.Offsets) > 0 {
			sorted := slices.Sorted(slices.Values(v.Offsets))
			send(offsetDesc, prometheus.GaugeValue, float64(sorted[len(sorted)/2])/1e9)
		}
	}
}
