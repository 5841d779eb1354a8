package usage

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/inventory"
)

// Use holds what a read of a register came to, as subscribers are told of it.
type Use struct {
	Device   *ingest.Device
	Channel  string
	Resource Resource
	Counted  bool      // it is part of the device's use; a phase beside a total is not
	Behind   bool      // it is part of what a meter in front of it measures as well
	At       int64     // time of the read, unix nanoseconds
	Value    float64   // of the read, as it was read
	Bookings []Booking // at least one; the last one's reason is that of the read
}

// Subscriber is told what each read of a register came to, in order, by the
// walker's goroutine. What it keeps of a Use it copies, the Device excepted.
type Subscriber interface {
	Use(index uint32, u *Use)
}

// MeterKey names a meter of an inventory's boundaries. Those of a boundary that
// names no meters have its community and id, "community/boundary", as Device.
type MeterKey struct {
	Device  ingest.DeviceID
	Channel string
}

// Options of a Book.
type Options struct {
	// Limits returns what the boundaries of an inventory say of their registers;
	// nil: nothing.
	Limits func(*inventory.Inventory) map[MeterKey]Limits
	// Swaps are meters that an inventory says were exchanged, in order of time.
	Swaps func(*inventory.Inventory) map[ingest.DeviceID][]Exchange
	// Nests are the boundaries of an inventory that are nested in others.
	Nests func(*inventory.Inventory) []Nest
	// Entered is called with what each place has used, by the hour, as it is entered;
	// what passed a meter in front of another is of that one alone, as in usage. It may be
	// negative, and must not call the book.
	Entered func(p Place, hour int32, used float64)
	// Unwritten is set where nobody asks for Points.
	Unwritten bool

	// booked is called with what each register has entered of an hour, as it is entered.
	booked func(number uint32, hour int32, used Amount, covered int64)
}

// Exchange is a meter exchanged under the same device id.
type Exchange struct {
	At               int64 // unix nanoseconds
	Closing, Opening float64
}

// Place holds what sums of days are kept for.
type Place struct {
	Community ingest.CommunityID
	Compound  ingest.CompoundID
	Facility  ingest.FacilityKind
	Resource  Resource
}

// Day holds what is known of one local day of a place.
type Day struct {
	Used    Amount
	Covered int64 // milliseconds, over all meters
	Meters  uint32
	queued  uint32 // 1: InfluxDB is to be told
}

// kept sets how many days of a place are kept: 24 months to compare with, and a
// month to correct them in.
const kept = 762

type place struct {
	Key   Place
	First int32 // number of the day of Days[0], counted from 1970-01-01
	Days  []Day
	// Of meters that stand behind others, whose days are kept until one of these is heard of:
	Front string // "": none
	Cut   int32  // the day from which on they are no part of the place; 0: not yet
	Main  uint16 // the place they are of
	// Of others: the places, by number, of those of its meters that do.
	Behind []uint16
}

// placeKey tells meters of a place that stand behind others apart.
type placeKey struct {
	Place
	Front string
}

// cell holds what a meter used in an hour, as far as it is known.
type cell struct {
	Hour    int32 // counted from 1970-01-01 UTC
	Covered int32 // milliseconds
	Used    Amount
}

// entry is a register in the book. It has no pointers: 184 bytes.
type entry struct {
	register
	Hours    [2]cell // the latest hours with use, the latest first
	Device   uint32  // index
	Next     uint32  // register of the same device, 0: none
	First    uint16  // number of the first and the last day on which it is a meter of its place
	Last     uint16
	Place    uint16
	Channel  uint16
	Limits   uint16
	Resource Resource
	Rank     uint8
	Running  bool // the latest hour is in Book.running
}

// point is an hour of a meter that InfluxDB has to be told.
type point struct {
	Entry   uint32
	Hour    int32
	Beside  uint32 // milliseconds into the hour: a correction beside it, 0: the hour itself
	Covered int32  // milliseconds
	Used    Amount
}

// Book turns the readings of registers into use, and keeps it. It is an observer
// of package pipeline; those that read it come after it in the list.
type Book struct {
	o           Options
	subscribers []Subscriber

	mu        sync.Mutex // everything below, between the walker and readers
	zone      *time.Location
	inv       *inventory.Inventory
	known     map[MeterKey]Limits
	exchanges map[ingest.DeviceID][]Exchange
	energy    int // index of energy_total
	water     int

	heads    []uint32         // by device index: its first register, 0: none
	devices  []*ingest.Device // by device index, of those with registers
	entries  arena.Arena[entry]
	channels []string
	channel  map[string]uint16
	limits   []Limits
	limit    map[Limits]uint16
	places   []place
	place    map[placeKey]uint16
	fronts   fronts
	seeds    map[MeterKey]mark
	seeded   map[uint32]mark // by device index: of its water, where no channel is named

	running []uint32 // entries whose latest hour InfluxDB does not have and is not over
	behind  []uint32 // entries whose latest hour it does not have and was over when it was read
	points  []point  // oldest first
	lost    uint64   // points that were too many to keep
	reads   [2 * reasonCount]uint64
	days    []dayOf // that changed and are not told
	hour    int32   // up to which the latest hours are told
	flush   int64   // when changed days are told next, unix nanoseconds
	due     bool    // they are
	day     int32   // that runs; 0: nothing seen yet
	next    int64   // when it ends
	out     []Booking
	told    Use
	beside  []point // corrections of the read that is booked
	today   dates
	rebuild *Rebuild // that is under way; nil: none
}

type dayOf struct {
	Place uint16
	Day   int32
}

// dates remembers the local day it was last asked about.
type dates struct {
	day        int32
	start, end int64 // unix nanoseconds
}

// New returns a book in which nothing is written.
func New(o Options) *Book {
	b := &Book{o: o, zone: time.UTC, channel: map[string]uint16{"": 0}, channels: []string{""},
		limit: map[Limits]uint16{}, place: map[placeKey]uint16{}, seeds: map[MeterKey]mark{}, seeded: map[uint32]mark{}, energy: -1, water: -1,
		fronts: fronts{heard: map[heardKey]int32{}, behind: map[ingest.DeviceID][]uint16{}}}
	return b
}

var (
	_ ingest.Readings  = (*Book)(nil)
	_ ingest.Ticker    = (*Book)(nil)
	_ ingest.Points    = (*Book)(nil)
	_ ingest.Saver     = (*Book)(nil)
	_ ingest.Devices   = (*Book)(nil)
	_ inventory.Binder = (*Book)(nil)
)

// Subscribe has s told of each booking from now on.
func (b *Book) Subscribe(s Subscriber) { b.subscribers = append(b.subscribers, s) }

// Name names the state in the checkpoint.
func (b *Book) Name() string { return "usage" }

// Bind takes what an inventory knows of meters.
func (b *Book) Bind(inv *inventory.Inventory) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inv, b.zone = inv, inv.Zone
	if b.zone == nil {
		b.zone = time.FixedZone("CST", 8*3600)
	}
	b.today = dates{}
	if b.day != 0 {
		_, b.next = b.bounds(b.day)
	}
	b.known, b.exchanges = nil, nil
	if b.o.Limits != nil {
		b.known = b.o.Limits(inv)
	}
	if b.o.Swaps != nil {
		b.exchanges = b.o.Swaps(inv)
	}
	b.energy, b.water = -1, -1
	facilities := inv.Facilities
	if facilities == nil {
		facilities = ingest.BuiltinFacilities()
	}
	for _, kind := range facilities.Kinds() {
		if q := facilities.Quantity(kind, "energy_total"); q != nil {
			b.energy = int(q.Index)
		}
		if q := facilities.Quantity(kind, "water_volume_total"); q != nil {
			b.water = int(q.Index)
		}
	}
	b.bindFronts(inv)
	b.limits, b.limit = b.limits[:0], map[Limits]uint16{}
	for i := range b.entries.Len() {
		if e := b.entries.At(uint32(i + 1)); int(e.Device) < len(b.devices) && b.devices[e.Device] != nil {
			b.bound(e, b.devices[e.Device])
		}
	}
}

// bound takes what is known of an entry's register.
func (b *Book) bound(e *entry, d *ingest.Device) {
	key := MeterKey{d.ID, b.channels[e.Channel]}
	known, listed := b.known[key]
	if !listed && key.Channel == "" && d.Boundary != "" {
		known = b.known[MeterKey{ingest.DeviceID(string(d.Community) + "/" + d.Boundary), ""}]
	}
	l := limitsOf(d, e.Resource, known)
	i, ok := b.limit[l]
	if !ok {
		i = uint16(min(len(b.limits), 65535))
		if int(i) == len(b.limits) {
			b.limits = append(b.limits, l)
			b.limit[l] = i
		}
	}
	e.Limits = i
}

// Seed gives the last read of a register that another book was kept of before,
// so that this one goes on from there.
func (b *Book) Seed(m MeterKey, at int64, value float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at > b.seeds[m].At { // several kept one: the latest knows best
		b.seeds[m] = mark{at, amount(value)}
	}
}

// SeedWater is Seed for the register of water of a device, by its index.
func (b *Book) SeedWater(index uint32, at int64, value float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seeded[index] = mark{at, amount(value)}
}

// Carry adds what another book says was used on a local day (counted from
// 1970-01-01) before this one began.
func (b *Book) Carry(p Place, day int, used float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.placeFor(p, "")
	if d := b.dayOf(i, int32(day)); d != nil {
		d.Used += amount(used)
	}
}

// Reading books what a register adds. Late ones are welcome.
func (b *Book) Reading(index uint32, r *ingest.Reading, _ bool, _ int64) {
	var resource Resource
	switch int(r.Quantity.Index) {
	case b.energy:
		resource = Electricity
	case b.water:
		resource = Water
	default:
		return
	}
	b.mu.Lock()
	if b.rebuild != nil {
		b.rebuild.noted(r)
	}
	number, e := b.entry(index, r, resource)
	b.out = b.out[:0]
	limits := &b.limits[e.Limits]
	for _, x := range b.exchanges[r.Device.ID] {
		if x.At > e.register.Last.At && x.At <= r.Time && e.Flags&started != 0 {
			b.out = e.read(limits, x.At, x.Closing, Closing, b.out)
			b.out = e.read(limits, x.At, x.Opening, Opening, b.out)
		}
	}
	kind := Actual
	if r.Estimated {
		kind = Estimated
	}
	b.out = e.read(limits, r.Time, r.Value, kind, b.out)
	b.reads[(int(resource)-1)*reasonCount+int(b.out[len(b.out)-1].Reason)]++
	counted := b.counts(e)
	if counted {
		for i := range b.out {
			b.enter(number, e, &b.out[i])
		}
		b.correct(r.Time)
		b.attend(e, r.Time)
	}
	b.at(r.Time)
	behind := b.passed(e, b.today.day)
	b.mu.Unlock()
	b.told = Use{Device: r.Device, Channel: r.Channel, Resource: resource, Counted: counted, Behind: behind, At: r.Time, Value: r.Value, Bookings: b.out}
	for _, s := range b.subscribers {
		s.Use(index, &b.told)
	}
}

// entry returns the register of a reading, new where it has none.
func (b *Book) entry(index uint32, r *ingest.Reading, resource Resource) (uint32, *entry) {
	if int(index) >= len(b.heads) {
		n := max(64, int(index)+1+len(b.heads)/4)
		b.heads = append(b.heads, make([]uint32, n-len(b.heads))...)
		b.devices = append(b.devices, make([]*ingest.Device, n-len(b.devices))...)
	}
	for i := b.heads[index]; i != 0; {
		e := b.entries.At(i)
		if e.Resource == resource && b.channels[e.Channel] == r.Channel {
			if b.devices[index] != r.Device {
				b.moved(index, r.Device)
			}
			return i, e
		}
		i = e.Next
	}
	b.devices[index] = r.Device
	i := b.entries.Add()
	e := b.entries.At(i)
	id, ok := b.channel[r.Channel]
	if !ok {
		name := strings.Clone(r.Channel) // it may be part of a topic
		id = uint16(min(len(b.channels), 65535))
		if int(id) == len(b.channels) {
			b.channels = append(b.channels, name)
			b.channel[name] = id
		}
	}
	e.Device, e.Resource, e.Channel, e.Rank = index, resource, id, rank(r.Channel)
	e.Next, b.heads[index] = b.heads[index], i
	e.Place = b.placeOf(r.Device, resource)
	b.bound(e, r.Device)
	key := MeterKey{r.Device.ID, r.Channel}
	s, ok := b.seeds[key]
	if !ok && resource == Water && r.Channel == "" {
		s, ok = b.seeded[index]
	}
	if ok && s.At < r.Time {
		e.start(s.At, s.Value)
		e.Flags |= moved
	}
	delete(b.seeds, key)
	delete(b.seeded, index)
	return i, e
}

// moved takes over what is new of a device: another place, other limits.
func (b *Book) moved(index uint32, d *ingest.Device) {
	b.devices[index] = d
	for i := b.heads[index]; i != 0; {
		e := b.entries.At(i)
		e.Place = b.placeOf(d, e.Resource)
		b.bound(e, d)
		i = e.Next
	}
}

// rank orders what a device's channels are: where there is a total, its parts
// are not counted beside it, and where there are phases, tariffs are not.
func rank(channel string) uint8 {
	switch {
	case channel == "" || channel == "total":
		return 4
	case len(channel) == 2 && channel[0] == 'l' && channel[1] >= '1' && channel[1] <= '3',
		channel == "a" || channel == "b" || channel == "c":
		return 2
	case len(channel) >= 2 && channel[0] == 't' && strings.Trim(channel[1:], "0123456789") == "":
		return 1
	}
	return 3 // sockets, circuits: each a load of its own
}

// counts says whether a register is part of its device's use.
func (b *Book) counts(e *entry) bool {
	for i := b.heads[e.Device]; i != 0; {
		other := b.entries.At(i)
		if other.Resource == e.Resource && other.Rank > e.Rank {
			return false
		}
		i = other.Next
	}
	return true
}

func (b *Book) placeOf(d *ingest.Device, r Resource) uint16 {
	return b.placeFor(Place{d.Community, d.Compound, d.Facility, r}, b.fronts.front(d))
}

func (b *Book) placeFor(key Place, front string) uint16 {
	k := placeKey{key, front}
	i, ok := b.place[k]
	if !ok {
		main := uint16(0)
		if front != "" {
			main = b.placeFor(key, "")
		}
		i = uint16(min(len(b.places), 65535))
		if int(i) == len(b.places) { // more than a county has; the rest is one
			b.places = append(b.places, place{Key: key, Front: front, Main: main})
			b.place[k] = i
			if front != "" {
				b.stand(i)
			}
		}
	}
	return i
}

// long sets from when on a stretch of time is entered by days and not by hours.
const long = 35 * 24 * hour

// enter adds a booking to the hours of its meter and to the days of its place.
// An hour is of the local day in which it begins.
func (b *Book) enter(number uint32, e *entry, k *Booking) {
	if k.From >= k.To {
		return
	}
	ms := func(at int64) int64 { return at / 1e6 }
	var entered Amount
	for from := k.From; from < k.To; {
		h := from / hour
		to := (h + 1) * hour
		if k.To-k.From > long {
			b.at(from)
			to = max(to, (b.today.end+hour-1)/hour*hour)
		}
		to = min(to, k.To)
		until := k.Amount
		if to < k.To {
			until = k.Until(to)
		}
		used, covered := until-entered, int64(k.Covers)*(ms(to)-ms(from))
		entered = until
		if used != 0 || covered != 0 {
			b.at(h * hour)
			if d := b.dayOf(e.Place, b.today.day); d != nil {
				d.Used += used
				d.Covered += covered
			}
			b.hours(number, e, int32(h), used, covered)
			if b.o.booked != nil {
				b.o.booked(number, int32(h), used, covered)
			}
			if b.o.Entered != nil && used != 0 && !b.passed(e, b.today.day) {
				b.o.Entered(b.places[e.Place].Key, int32(h), used.Units())
			}
		}
		from = to
	}
}

// Until returns how much of a booking's amount is entered up to a time within it, in
// proportion. Who divides it at the same times gets the same parts.
func (k *Booking) Until(at int64) Amount {
	switch {
	case at <= k.From:
		return 0
	case at >= k.To:
		return k.Amount
	}
	return Amount(math.Round(float64(k.Amount) * (float64(at-k.From) / float64(k.To-k.From))))
}

// hours adds to an hour of a meter. The latest hour is told once it is over, or
// has been for a while; one before at once; of an older one only what is added,
// beside it.
func (b *Book) hours(number uint32, e *entry, h int32, used Amount, covered int64) {
	add := func(c *cell) {
		c.Used += used
		c.Covered += int32(covered)
	}
	switch {
	case h == e.Hours[0].Hour:
		add(&e.Hours[0])
		b.run(number, e)
	case h > e.Hours[0].Hour:
		if e.Running {
			b.tell(number, &e.Hours[0])
		}
		e.Hours[1], e.Hours[0] = e.Hours[0], cell{Hour: h}
		add(&e.Hours[0])
		b.run(number, e)
	case h == e.Hours[1].Hour:
		add(&e.Hours[1])
		b.tell(number, &e.Hours[1])
	default:
		for i := range b.beside {
			if b.beside[i].Hour == h {
				b.beside[i].Used += used
				b.beside[i].Covered += int32(covered)
				return
			}
		}
		b.beside = append(b.beside, point{Entry: number, Hour: h, Used: used, Covered: int32(covered)})
	}
}

// run notes that InfluxDB does not have an entry's latest hour.
func (b *Book) run(number uint32, e *entry) {
	switch {
	case e.Running:
	case e.Hours[0].Hour < b.hour:
		e.Running = true
		b.behind = append(b.behind, number)
	default:
		e.Running = true
		b.running = append(b.running, number)
	}
}

func (b *Book) tell(number uint32, c *cell) {
	b.push(point{Entry: number, Hour: c.Hour, Used: c.Used, Covered: c.Covered})
}

// mostPoints sets how many hours wait for InfluxDB at most, 24 MB: three weeks of
// 2,000 meters, or a day of 40,000. The oldest go.
const mostPoints = 1 << 20

func (b *Book) push(p point) {
	if b.o.Unwritten {
		return
	}
	if len(b.points) >= mostPoints {
		drop := mostPoints / 8
		b.lost += uint64(drop)
		b.points = slices.Delete(b.points, 0, drop)
	}
	b.points = append(b.points, p)
}

// correct tells what a read at a time has changed in older hours, by points
// beside theirs that no other read's share the time of.
func (b *Book) correct(at int64) {
	for _, p := range b.beside {
		if p.Used == 0 && p.Covered == 0 {
			continue
		}
		p.Beside = uint32(at/1e6%3599999) + 1 // neighbours in time, or hours apart, differ
		if b.rebuild != nil && b.rebuild.swapped {
			b.rebuild.beside[besideKey{p.Entry, int64(p.Hour)*hour/1e6 + int64(p.Beside)}] = true
		}
		b.push(p)
	}
	b.beside = b.beside[:0]
}

// attend counts a meter on the days up to a read's.
func (b *Book) attend(e *entry, at int64) {
	b.at(at)
	day := uint16(b.today.day)
	switch {
	case e.First == 0:
		e.First, e.Last = day, day
		b.hear(e)
		b.meet(e.Place, day)
	case day > e.Last:
		for d := max(e.Last+1, day-min(day, kept)); d <= day; d++ {
			b.meet(e.Place, d)
		}
		e.Last = day
	case day < e.First && e.Flags&moved == 0 && e.Begin.At <= at:
		for d := day; d < e.First; d++ {
			b.meet(e.Place, d)
		}
		e.First = day
		b.hear(e)
	}
}

func (b *Book) meet(place, day uint16) {
	if d := b.dayOf(place, int32(day)); d != nil {
		d.Meters++
	}
}

// dayOf is a day of a place that is about to change, nil if it is not kept.
func (b *Book) dayOf(number uint16, day int32) *Day {
	p := &b.places[number]
	if p.Cut != 0 && day >= p.Cut {
		return nil
	}
	if len(p.Days) == 0 {
		p.First, p.Days = day, make([]Day, 0, 32)
	}
	last := p.First + int32(len(p.Days)) - 1
	switch {
	case day > last+kept || day < last-kept+1:
		if day < last {
			return nil
		}
		p.First, p.Days = day, p.Days[:0]
	case day < p.First:
		p.Days = slices.Insert(p.Days, 0, make([]Day, p.First-day)...)
		p.First = day
	}
	for p.First+int32(len(p.Days)) <= day {
		p.Days = append(p.Days, Day{})
	}
	if over := len(p.Days) - kept; over > 0 {
		p.Days = slices.Delete(p.Days, 0, over)
		p.First += int32(over)
	}
	d := &p.Days[day-p.First]
	if p.Front != "" {
		b.dayOf(p.Main, day)
		return d
	}
	if d.queued == 0 {
		d.queued = 1
		b.days = append(b.days, dayOf{number, day})
	}
	return d
}

// at makes the local day of a time the one remembered.
func (b *Book) at(at int64) {
	if at >= b.today.start && at < b.today.end {
		return
	}
	y, m, d := time.Unix(0, at).In(b.zone).Date()
	b.today.day = int32(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	b.today.start, b.today.end = b.bounds(b.today.day)
}

// bounds of a local day, unix nanoseconds.
func (b *Book) bounds(day int32) (start, end int64) {
	y, m, d := time.Unix(int64(day)*86400, 0).UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, b.zone).UnixNano(), time.Date(y, m, d+1, 0, 0, 0, 0, b.zone).UnixNano()
}

const (
	flushEvery = int64(5 * time.Second)
	// settled sets how long after its end an hour is told of meters that have not
	// been heard since.
	settled = int64(10 * time.Minute)
	// missed sets how long a silent meter is one of its place still.
	missed = 30
)

// Tick tells what has changed, and counts silent meters on a day that ends.
func (b *Book) Tick(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.day == 0 {
		b.at(now)
		b.day, b.next, b.flush = b.today.day, b.today.end, now-now%flushEvery+flushEvery
	}
	if now >= b.next {
		b.at(now)
		for e := range b.entries.All() {
			if e.First != 0 && int32(e.Last) < b.today.day-1 && int32(e.Last) >= b.today.day-missed && b.counts(e) {
				for d := e.Last + 1; int32(d) < b.today.day; d++ {
					b.meet(e.Place, d)
				}
				e.Last = uint16(b.today.day - 1)
			}
		}
		b.day, b.next = b.today.day, b.today.end
	}
	if h := int32((now - settled) / hour); h > b.hour {
		b.hour = h
		left := b.running[:0]
		for _, i := range b.running {
			if e := b.entries.At(i); e.Hours[0].Hour < h {
				b.tell(i, &e.Hours[0])
				e.Running = false
			} else {
				left = append(left, i)
			}
		}
		b.running = left
	}
	if now >= b.flush {
		for _, i := range b.behind {
			if e := b.entries.At(i); e.Hours[0].Hour < b.hour {
				b.tell(i, &e.Hours[0])
				e.Running = false
			} else {
				b.running = append(b.running, i)
			}
		}
		b.behind = b.behind[:0]
		b.flush, b.due = now-now%flushEvery+flushEvery, true
	}
}
