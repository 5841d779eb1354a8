// Package alarms makes work of alarms: what metrics/anomaly finds becomes an item that
// somebody confirms, is given, deals with and closes.
//
// A Desk holds an item for each open alarm, and what people have made of it. The
// alarm itself is the engine's, whose state follows from the journal; what people
// did is in a file of data_dir, and is on disk before they are answered. So after
// kill -9 each item is what it was: the engine comes to the same alarms with the
// same ids, and the file says the rest.
//
// An item goes from open to acknowledged, assigned and in_progress in any order. It is
// cleared when its device is well again, or when a person says so; false when a
// person says that there was nothing. What a person closed stays closed for as long
// as the engine keeps the alarm open, unless it gets worse than it was then. What
// clears and is back within half an hour is the same item.
//
// # Bounds
//
// A vendor whose devices flap or invent faults must not cost others anything. Of a
// vendor so many items are kept (mostOfVendor), the worst and the first of each kind
// and community before the hundredth of one; /metrics has so many series
// (seriesOfVendor, mostSeries); and so many closings an hour are written that nobody
// had a hand in (closingsHourly). What is left out is counted, and InfluxDB has it in
// any case: the engine writes each raise and clear there. The history file is
// segments with a limit of bytes together; the oldest goes first.
package alarms

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
)

// Limits, see the package comment.
const (
	mostOfVendor    = 2000
	mostItems       = 20000
	mostSeries      = 2000
	seriesOfVendor  = 400
	closingsHourly  = 500 // of one vendor
	mostHistory     = 200 // entries of an item
	mostText        = 2000
	mostName        = 64
	keptClosed      = 500 // closed items in memory, for the page
	returnsWithin   = 30 * time.Minute
	mostEndsWaiting = 20000
)

// Source has the open alarms: the engine of metrics/anomaly.
type Source interface {
	Alarms() []anomaly.Alarm
	// Version differs from what it was once Alarms lists something else.
	Version() uint64
}

// Options of a desk.
type Options struct {
	Dir    string // of the history, made if need be
	Config Config
	Source Source
	// Inventory names devices and communities; nil: they go by their ids.
	Inventory func() *inventory.Inventory
	Logger    *slog.Logger
}

// Desk is where alarms are dealt with. It is safe for concurrent use.
type Desk struct {
	o   Options
	key []byte // of signed links

	// fileMu is held over a change by a person: from looking at the item until its
	// line is on disk and it is changed in memory. It is taken before mu.
	fileMu sync.Mutex
	file   *file

	mu       sync.Mutex // guards what follows
	config   Config
	schedule *Schedule
	items    map[string]*item // by id
	current  map[string]*item // by the id of the engine's alarm they are of now
	left     map[place]*item  // those that cleared by themselves and may be back
	closed   []*State         // the latest last, at most keptClosed
	totals   totals
	points   []ingest.Point
	leftOut  map[ingest.VendorID]int // open alarms that have no item
	unkept   map[ingest.VendorID]*unkept
	buckets  map[ingest.VendorID]*bucket
	version  uint64 // of the source, when it was looked at last
	looked   bool
	running  bool // the journal has been read
	// unknown is how much the schedule named that the inventory does not have, when it was looked
	// at last, and unknownOf of which inventory and schedule that is.
	unknown   int
	unknownOf struct {
		inventory *inventory.Inventory
		schedule  *Schedule
	}
	// scheduleBroken says what is wrong with the file as it is now, scheduleAt which it is.
	scheduleBroken string
	scheduleAt     time.Time

	searches chan struct{} // bounds how many read the whole history at once

	endsMu sync.Mutex
	ends   map[string]ending // by the engine's id, since the look before
}

// item is an alarm as work: the state that goes to the file, and the alarm as the
// engine has it.
type item struct {
	State
	alarm anomaly.Alarm
}

// place is a fault at a place, whenever it is.
type place struct {
	community ingest.CommunityID
	device    ingest.DeviceID
	channel   string
	kind      string
}

func (s *State) place() place { return place{s.Community, s.Device, s.Channel, s.Kind} }

type ending struct {
	at      time.Time
	removed bool
}

// New returns a desk that has read nothing yet: Open does.
func New(o Options) *Desk {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Desk{
		o: o, config: o.Config, schedule: o.Config.schedule(), scheduleAt: changed(o.Config.Schedule), items: map[string]*item{}, current: map[string]*item{},
		left: map[place]*item{}, totals: newTotals(), leftOut: map[ingest.VendorID]int{}, unkept: map[ingest.VendorID]*unkept{},
		buckets: map[ingest.VendorID]*bucket{}, ends: map[string]ending{}, searches: make(chan struct{}, 1),
	}
}

// Open reads what the directory has of the history, and of the key of links. It is
// called once, and alone may use the directory. The alarms come with Look.
func (d *Desk) Open() error {
	d.fileMu.Lock()
	defer d.fileMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if d.key, err = linkKey(d.o.Dir); err != nil {
		return fmt.Errorf("key of links: %w", err)
	}
	if d.file, err = openFile(d.o.Dir, int64(d.config.MaxBytes), d.o.Logger, func(t totals) { d.totals = t }, d.recall); err != nil {
		return fmt.Errorf("history of alarms: %w", err)
	}
	now := time.Now()
	for _, i := range d.items {
		for _, e := range i.History {
			if now.Sub(e.At) < time.Hour { // it may not have reached a checkpoint
				d.point(&i.State, e)
			}
		}
	}
	return nil
}

// recall takes over a line of the history.
func (d *Desk) recall(s *State) {
	d.totals.add(s)
	if before := d.items[s.ID]; before != nil {
		delete(d.current, before.Current)
	}
	s.Adds = nil
	i := &item{State: *s}
	d.items[s.ID] = i
	delete(d.left, i.place())
	switch {
	case s.Live:
		d.current[s.Current] = i
	case s.Status == Cleared && s.Reason == "" && s.Before != "":
		d.left[i.place()] = i
	}
}

// Close closes the history.
func (d *Desk) Close() error {
	d.fileMu.Lock()
	defer d.fileMu.Unlock()
	if d.file == nil {
		return nil
	}
	return d.file.close()
}

// Configure takes over tariffs, addresses and the schedule.
func (d *Desk) Configure(c Config) {
	d.fileMu.Lock()
	if d.file != nil {
		d.file.max = int64(c.MaxBytes)
	}
	d.fileMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.config, d.schedule, d.scheduleBroken = c, c.schedule(), ""
	d.scheduleAt = changed(c.Schedule)
}

// changed returns when a file was changed last; zero where there is none.
func changed(path string) time.Time {
	info, err := os.Stat(path)
	if path == "" || err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// reread reads the schedule again once its file has changed. A wrong one is told once,
// and the one before stays.
func (d *Desk) reread() {
	d.mu.Lock()
	path, zone, before := d.config.Schedule, d.config.zone, d.scheduleAt
	d.mu.Unlock()
	at := changed(path)
	if path == "" || at.Equal(before) {
		return
	}
	s, err := ReadSchedule(path, zone)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.config.Schedule != path {
		return
	}
	d.scheduleAt = at
	if err != nil {
		d.scheduleBroken = err.Error()
		d.o.Logger.Error("the schedule of alarms has changed and is wrong; the one before stays in force", "error", err)
		return
	}
	d.schedule, d.scheduleBroken = s, ""
	d.o.Logger.Info("the schedule of alarms is read again", "silences", len(s.Silences), "maintenance", len(s.Maintenance), "holidays", len(s.Holidays))
}

// unknownIDs holds what the schedule names against the inventory, once one of them has
// changed, and tells what is not there.
func (d *Desk) unknownIDs() {
	if d.o.Inventory == nil {
		return
	}
	inv := d.o.Inventory()
	d.mu.Lock()
	s := d.schedule
	if inv == d.unknownOf.inventory && s == d.unknownOf.schedule {
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	unknown, sure := s.Unknown(inv)
	d.mu.Lock()
	d.unknownOf.inventory, d.unknownOf.schedule, d.unknown = inv, s, sure
	d.mu.Unlock()
	for _, problem := range unknown[:min(len(unknown), 20)] {
		d.o.Logger.Warn("the schedule of alarms names what is not there", "at", problem)
	}
}

// Changed is told of alarms by the engine (anomaly.Options.Changed): it keeps when they
// ended, by the device's clock, until the next look.
func (d *Desk) Changed(c anomaly.Change) {
	if c.Raised {
		return
	}
	d.endsMu.Lock()
	if len(d.ends) < mostEndsWaiting {
		d.ends[c.Alarm.ID()] = ending{c.At, c.Removed}
	}
	d.endsMu.Unlock()
}

// Run looks at the alarms every second until ctx ends. It begins once the journal has
// been read: before, alarms that are open seem to be over.
func (d *Desk) Run(ctx context.Context) {
	d.mu.Lock()
	d.running = true
	d.mu.Unlock()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		began := time.Now()
		if n%10 == 0 {
			d.reread()
			d.unknownIDs()
		}
		d.Look(began)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Of a hundred thousand alarms a look takes a while: no more than a tenth of a core.
		if took := time.Since(began); took > 100*time.Millisecond {
			select {
			case <-ctx.Done():
				return
			case <-time.After(9 * took):
			}
		}
	}
}

// Look takes over the alarms as they are: new ones become items, those that are over
// are closed, and what that comes to is written down.
func (d *Desk) Look(now time.Time) {
	now = now.UTC()
	d.endsMu.Lock()
	ends := d.ends
	d.ends = map[string]ending{}
	d.endsMu.Unlock()
	version := d.o.Source.Version()
	d.fileMu.Lock()
	defer d.fileMu.Unlock()
	d.roll()
	d.mu.Lock()
	var written []*State
	if version != d.version || !d.looked {
		d.version, d.looked = version, true
		written = d.take(d.o.Source.Alarms(), ends, now)
	}
	written = append(written, d.worsen(now)...)
	written = append(written, d.caughtUp(now)...)
	d.forget(now)
	d.mu.Unlock()
	d.write(written)
}

// refresh looks at the alarms if they have changed, for who reads them between two looks.
func (d *Desk) refresh(now time.Time) {
	d.mu.Lock()
	stale := d.running && (!d.looked || d.version != d.o.Source.Version())
	d.mu.Unlock()
	if stale {
		d.Look(now)
	}
}

// write appends lines of what nobody waits for, and counts them. An error is told
// once: the file takes nothing more after one.
func (d *Desk) write(states []*State) {
	if len(states) == 0 || d.file.broken != nil {
		return
	}
	if err := d.file.append(states); err != nil {
		d.o.Logger.Error("the history of alarms cannot be written; changes by people are refused until a restart", "error", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range states {
		d.totals.add(s)
	}
}

// roll begins a new segment of the file once the newest is full: with what is counted
// so far, and each item that is not over.
func (d *Desk) roll() {
	if d.file.broken != nil || !d.file.full() {
		return
	}
	d.mu.Lock()
	var states []*State
	for _, id := range slices.Sorted(maps.Keys(d.items)) {
		if i := d.items[id]; i.Counted {
			states = append(states, i.written())
		}
	}
	totals := d.totals.clone()
	d.mu.Unlock()
	if err := d.file.roll(totals, states); err != nil {
		d.o.Logger.Error("the history of alarms cannot be written; changes by people are refused until a restart", "error", err)
	}
}

// take brings the items up to the open alarms and returns those to be written.
func (d *Desk) take(alarms []anomaly.Alarm, ends map[string]ending, now time.Time) (written []*State) {
	open := make(map[string]bool, len(alarms))
	var fresh []*anomaly.Alarm
	for n := range alarms {
		a := &alarms[n]
		id := a.ID()
		open[id] = true
		if i := d.current[id]; i != nil {
			i.alarm, i.Live = *a, true
			i.State.take(a)
			continue
		}
		if a.Inhibited == "" {
			fresh = append(fresh, a)
		}
	}
	for id, i := range d.current {
		if !open[id] {
			delete(d.current, id)
			if s := d.end(i, ends[id], now); s != nil {
				written = append(written, s)
			}
		}
	}
	for _, a := range d.admitted(fresh) {
		if s := d.open(a, now); s != nil {
			written = append(written, s)
		}
	}
	return written
}

// admitted are the new alarms there is room for, see the package comment, the worst
// first.
func (d *Desk) admitted(fresh []*anomaly.Alarm) []*anomaly.Alarm {
	clear(d.leftOut)
	of, all := map[ingest.VendorID]int{}, 0
	for _, i := range d.current {
		of[i.Vendor]++
		all++
	}
	rank(fresh)
	return slices.DeleteFunc(fresh, func(a *anomaly.Alarm) bool {
		if of[a.Vendor] >= mostOfVendor || all >= mostItems {
			// What is critical takes the place of what is not and nobody has touched.
			if a.Severity != "critical" || !d.giveUp(a.Vendor, of[a.Vendor] >= mostOfVendor) {
				d.leftOut[a.Vendor]++
				return true
			}
			all--
			of[a.Vendor]--
		}
		of[a.Vendor]++
		all++
		return false
	})
}

// giveUp drops an item that nobody has touched and that is not critical: of a vendor, or of any.
func (d *Desk) giveUp(vendor ingest.VendorID, ofVendor bool) bool {
	for id, i := range d.current {
		if i.Severity != "critical" && !i.Worked() && (!ofVendor || i.Vendor == vendor) {
			delete(d.current, id)
			delete(d.items, i.ID)
			d.leftOut[i.Vendor]++
			return true
		}
	}
	return false
}

var severities = map[string]int{"critical": 0, "warning": 1, "info": 2}

// rank sorts alarms: the worst first, of equal ones the first of each kind and community
// before the second of any, and then the oldest.
func rank(alarms []*anomaly.Alarm) {
	slices.SortFunc(alarms, func(a, b *anomaly.Alarm) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID(), b.ID())) })
	type group struct {
		community ingest.CommunityID
		kind      string
	}
	seen, place := map[group]int{}, map[*anomaly.Alarm]int{}
	for _, a := range alarms {
		g := group{a.Community, a.Kind}
		place[a] = seen[g]
		seen[g]++
	}
	slices.SortStableFunc(alarms, func(a, b *anomaly.Alarm) int {
		return cmp.Or(cmp.Compare(severities[a.Severity], severities[b.Severity]), cmp.Compare(place[a], place[b]))
	})
}

// open makes an item of an alarm, or goes on with the one it was a while ago. It returns
// what is to be written.
func (d *Desk) open(a *anomaly.Alarm, now time.Time) *State {
	if i := d.items[a.ID()]; i != nil && !i.Live { // it had gone from sight, and has not ended
		i.alarm, i.Live, i.Current = *a, true, a.ID()
		d.current[a.ID()] = i
		i.State.take(a)
		if i.Status != Cleared || i.Before == "" {
			return nil
		}
		// It had ended by itself, and the engine was set back to before: a state that was
		// restored from a copy, say.
		i.Status, i.Before, i.Closed = i.Before, "", nil
		delete(d.left, i.place())
		i.note(Entry{At: now, What: Returned})
		if !i.Counted {
			return nil
		}
		return i.line(&i.State)
	}
	if i := d.left[place{a.Community, a.Device, a.Channel, a.Kind}]; i != nil && a.Since.Sub(*i.Closed) <= returnsWithin {
		i.alarm, i.Live, i.Current, i.Closed = *a, true, a.ID(), nil
		i.Status, i.Before = cmp.Or(i.Before, Unhandled), ""
		i.Returns++
		d.current[a.ID()] = i
		delete(d.left, i.place())
		i.State.take(a)
		i.note(Entry{At: now, What: Returned})
		if !i.Counted {
			return nil
		}
		return i.line(&i.State)
	}
	i := &item{alarm: *a, State: State{ID: a.ID(), Current: a.ID(), Live: true, Status: Unhandled}}
	i.State.take(a)
	if i.Told.After(now) { // times received run ahead of the clock in a burst
		i.Told = now
	}
	i.note(Entry{At: i.Told, What: Told})
	d.items[i.ID], d.current[i.ID] = i, i
	return nil
}

// end closes an item whose alarm is over. It returns what is to be written.
func (d *Desk) end(i *item, e ending, now time.Time) *State {
	before := i.State
	i.Live, i.Inhibited = false, ""
	at := e.at
	if at.IsZero() || at.After(now) {
		at = now
	}
	if at.Before(i.Told) {
		at = i.Told // by the device's clock it may be over before anybody knew of it
	}
	if i.Closed == nil { // by nobody
		i.Before, i.Status, i.Closed = i.Status, Cleared, &at
		if e.removed {
			i.Reason = Removed
		} else {
			d.left[i.place()] = i
		}
		i.note(Entry{At: at, What: Cleared, Reason: i.Reason})
	}
	if i.Verdict == "" && i.Acked != nil {
		i.Verdict = Right
	}
	d.keepClosed(&i.State)
	line := i.line(&before)
	if i.Worked() || d.bucket(i.Vendor, now) {
		return line
	}
	u := d.unkept[i.Vendor]
	if u == nil {
		u = &unkept{}
		d.unkept[i.Vendor] = u
	} else {
		u.more++
	}
	u.last = line
	return nil
}

// unkept is the closings of a vendor that have no line: the last, which gets one once
// there is room for it, and how many before it have none for good. They are counted with
// that line, so that the count survives a restart.
type unkept struct {
	last *State
	more uint64
}

// caughtUp returns the lines of vendors whose closings there was no room for, and is now.
func (d *Desk) caughtUp(now time.Time) (written []*State) {
	for _, v := range slices.Sorted(maps.Keys(d.unkept)) {
		if !d.bucket(v, now) {
			continue
		}
		u := d.unkept[v]
		delete(d.unkept, v)
		if u.last.Adds == nil {
			u.last.Adds = &adds{}
		}
		u.last.Adds.Unkept = u.more
		written = append(written, u.last)
	}
	return written
}

// keepClosed lists an item among the closed ones.
func (d *Desk) keepClosed(s *State) {
	d.closed = slices.DeleteFunc(d.closed, func(c *State) bool { return c.ID == s.ID })
	c := *s
	d.closed = append(d.closed, &c)
	if over := len(d.closed) - keptClosed; over > 0 {
		d.closed = slices.Delete(d.closed, 0, over)
	}
}

// forget drops items that are over and do not come back.
func (d *Desk) forget(now time.Time) {
	for id, i := range d.items {
		if !i.Live && i.Closed != nil && now.Sub(*i.Closed) > returnsWithin {
			d.keepClosed(&i.State)
			delete(d.items, id)
			if d.left[i.place()] == i {
				delete(d.left, i.place())
			}
		}
	}
}

// bucket is what a vendor may still have written of closings nobody had a hand in.
type bucket struct {
	left float64
	at   time.Time
}

func (d *Desk) bucket(v ingest.VendorID, now time.Time) bool {
	b := d.buckets[v]
	if b == nil {
		b = &bucket{left: closingsHourly, at: now}
		d.buckets[v] = b
	}
	b.left = min(closingsHourly, b.left+max(0, now.Sub(b.at).Hours())*closingsHourly)
	b.at = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// Errors of a change, for who answers it. Their text says the cure.
var (
	ErrUnknown = errors.New("no alarm has this id")
	ErrRefused = errors.New("refused")
)

type refusal string

func (r refusal) Error() string { return string(r) }

func (refusal) Is(target error) bool { return target == ErrRefused }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// Change is what a person does with an alarm. What is empty stays as it is.
type Change struct {
	Status   Status     `json:"status"`
	Assignee string     `json:"assignee"`
	Due      *time.Time `json:"due"`
	Comment  string     `json:"comment"`
	Reason   string     `json:"reason"` // required where Status is false

	By  string `json:"-"` // who
	Via string `json:"-"` // page, api or link
}

// Apply makes a change and returns the item as it is then. When it returns without an
// error, the change would survive a power cut.
func (d *Desk) Apply(id string, c Change, now time.Time) (Item, error) {
	now = now.UTC()
	if err := c.check(); err != nil {
		return Item{}, err
	}
	d.fileMu.Lock()
	defer d.fileMu.Unlock()
	if d.file.broken != nil {
		return Item{}, fmt.Errorf("nothing can be kept until the service is restarted: %w", d.file.broken)
	}
	d.mu.Lock()
	i := d.items[id]
	d.mu.Unlock()
	d.roll()
	if i == nil {
		past, err := d.file.find(id)
		if err != nil {
			return Item{}, err
		}
		if past == nil {
			return Item{}, ErrUnknown
		}
		i = &item{State: *past}
	}
	d.mu.Lock()
	before, after := i.State, i.State
	after.History = slices.Clone(after.History)
	if after.Told.After(now) { // nobody deals with what was not told
		after.Told = now
	}
	d.mu.Unlock()
	e, err := after.apply(c, now)
	if err != nil {
		return Item{}, err
	}
	line := after.line(&before)
	if err := d.file.append([]*State{line}); err != nil {
		return Item{}, fmt.Errorf("it was not kept: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.totals.add(line)
	i.State = after // fileMu is held: Look has not come in between
	d.point(&after, e)
	if after.Closed != nil {
		d.keepClosed(&after)
	}
	return d.view(&after, now), nil
}

// Points returns what people did since the call before, for InfluxDB (ingest.Points).
func (d *Desk) Points() []ingest.Point {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.points
	d.points = nil
	return p
}

// point keeps what somebody did for InfluxDB: measurement events, as the alarm's own
// raise and clear are, with who, the status and whom it was given to.
func (d *Desk) point(s *State, e Entry) {
	if e.By == "" || len(d.points) >= mostItems {
		return
	}
	var tags []ingest.Tag
	for _, t := range []ingest.Tag{ // sorted by key
		{Key: "channel", Value: s.Channel}, {Key: "community", Value: string(s.Community)}, {Key: "compound", Value: string(s.Compound)},
		{Key: "device", Value: string(s.Device)}, {Key: "facility", Value: string(s.Facility)}, {Key: "type", Value: s.Kind}, {Key: "vendor", Value: string(s.Vendor)},
	} {
		if t.Value != "" {
			tags = append(tags, t)
		}
	}
	fields := []ingest.Field{{Key: "status", Value: string(e.What)}, {Key: "by", Value: e.By}, {Key: "alarm", Value: s.ID}}
	for _, f := range []ingest.Field{{Key: "assignee", Value: e.Assignee}, {Key: "reason", Value: e.Reason}, {Key: "unit", Value: s.Unit}} {
		if f.Value != "" {
			fields = append(fields, f)
		}
	}
	d.points = append(d.points, ingest.Point{Measurement: "events", Tags: tags, Fields: fields, Time: e.At.UnixNano()})
}
