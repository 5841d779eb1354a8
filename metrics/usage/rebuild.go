package usage

import (
	"cmp"
	"maps"
	"slices"

	"greencommunity/ingest"
)

// Span is what Rebuild books again: local days of a community, counted from 1970-01-01,
// First to End (exclusive). A span that ends after today takes over the registers too, so
// that reads to come go on from what was read again.
type Span struct {
	Community  ingest.CommunityID
	First, End int
}

// Rebuild books a span of a community again, from readings that are stored, in a book of
// its own. Swap then puts its days, hours and registers in place of what the live book
// has. The live book goes on meanwhile; what it reads is booked in both.
//
// Use it in this order: Open, Read for each stored reading, Swap on the goroutine that
// calls the live book, then Expected and Stale, and Close.
type Rebuild struct {
	Book *Book // for subscribers, before the first Read

	live      *Book
	span      Span
	from, end int64 // unix nanoseconds
	base      int32 // hour of cells[...][0]
	width     int   // hours
	cells     [][]hourUse
	numbers   map[source]uint32 // index in Book, plus 1
	devices   []*ingest.Device  // by index in Book
	indexes   map[source]uint32 // index in the live book, plus 1, as far as known
	quantity  map[Resource]*ingest.Quantity
	reading   ingest.Reading
	hold      int64 // stored readings from then on wait for Swap, unix nanoseconds
	held      []heldRead
	swapped   bool
	Registers int // reads that were booked

	// Guarded by live.mu.
	tail   []ingest.Reading
	beside map[besideKey]bool
}

// heldRead is a read that is booked at Swap.
type heldRead struct {
	index    uint32
	device   *ingest.Device
	channel  string
	resource Resource
	at       int64
	value    float64
	guessed  bool
}

// source names a device as InfluxDB does: ids of unlisted devices are of a kind of facility.
type source struct {
	Facility ingest.FacilityKind
	Device   ingest.DeviceID
}

type besideKey struct {
	entry uint32
	at    int64 // unix milliseconds
}

// hourUse holds what a meter used in an hour.
type hourUse struct {
	Used    Amount
	Covered int64 // milliseconds
}

// hold sets how old a stored reading has to be to be booked at once: later ones are put in
// the order of time with those that come meanwhile.
const hold = hour

// Open begins a rebuild at now, unix nanoseconds. There is one at a time; devices are those that are known, with
// their index, of the span's community at least.
func (b *Book) Open(span Span, now int64, devices func(yield func(index uint32, d *ingest.Device) bool)) *Rebuild {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &Rebuild{live: b, span: span, hold: now - hold, numbers: map[source]uint32{}, indexes: map[source]uint32{}, quantity: map[Resource]*ingest.Quantity{},
		beside: map[besideKey]bool{}}
	r.from, _ = b.bounds(int32(span.First))
	_, r.end = b.bounds(int32(span.End) - 1)
	r.base = int32(r.from / hour)
	r.width = int((r.end-1)/hour) - int(r.base) + 1
	o := b.o
	o.Unwritten, o.Entered, o.booked = true, nil, r.booked
	r.Book = New(o)
	r.Book.Bind(b.inv)
	// A meter in front that is silent all the time stands there still.
	maps.Copy(r.Book.fronts.heard, b.fronts.heard)
	r.know(devices)
	b.rebuild = r
	return r
}

// know takes the devices of the community.
func (r *Rebuild) know(devices func(yield func(index uint32, d *ingest.Device) bool)) {
	devices(func(index uint32, d *ingest.Device) bool {
		if d.Community == r.span.Community {
			r.indexes[source{d.Facility, d.ID}] = index + 1
			if n := r.numbers[source{d.Facility, d.ID}]; n == 0 {
				r.number(source{d.Facility, d.ID}, d)
			}
		}
		return true
	})
}

func (r *Rebuild) number(s source, d *ingest.Device) uint32 {
	r.devices = append(r.devices, d)
	r.numbers[s] = uint32(len(r.devices))
	return uint32(len(r.devices))
}

// Device is one of the span's community, or another the inventory has, and its index in Book.
func (r *Rebuild) Device(facility ingest.FacilityKind, id ingest.DeviceID) (uint32, *ingest.Device) {
	s := source{facility, id}
	n := r.numbers[s]
	if n == 0 {
		d := r.Book.inv.Device(id)
		if d == nil || d.Facility != facility {
			d = &ingest.Device{ID: id, Origin: &ingest.Origin{Community: r.span.Community, Facility: facility}, Listing: ingest.Unlisted}
		}
		n = r.number(s, d)
	}
	return n - 1, r.devices[n-1]
}

// Bounds are the first moment of the span and the one after its last, unix nanoseconds.
func (r *Rebuild) Bounds() (from, end int64) { return r.from, r.end }

// Begins returns the first day, counted from 1970-01-01, on which the live book has use of
// the community; false: it has none.
func (b *Book) Begins(community ingest.CommunityID) (first int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.places {
		p := &b.places[i]
		if p.Key.Community != community {
			continue
		}
		for d := range p.Days {
			if p.Days[d].Used != 0 || p.Days[d].Covered != 0 {
				if day := int(p.First) + d; !ok || day < first {
					first, ok = day, true
				}
				break
			}
		}
	}
	return first, ok
}

// Read takes a stored reading of a register, at unix nanoseconds; those of one series come
// in the order of time. It keeps neither device nor channel.
func (r *Rebuild) Read(facility ingest.FacilityKind, resource Resource, device, channel []byte, at int64, value float64) {
	n := r.numbers[source{facility, ingest.DeviceID(device)}] // without a copy of the name
	if n == 0 {
		n, _ = r.Device(facility, ingest.DeviceID(string(device)))
		n++
	}
	d := r.devices[n-1]
	if d.Community != r.span.Community {
		return // it has moved: what it used is told where it is
	}
	if at >= r.hold {
		r.held = append(r.held, heldRead{n - 1, d, string(channel), resource, at, value, false})
		return
	}
	r.read(n-1, d, string(channel), resource, at, value, false)
}

func (r *Rebuild) read(index uint32, d *ingest.Device, channel string, resource Resource, at int64, value float64, guessed bool) {
	q := r.quantity[resource]
	if q == nil {
		for _, kind := range r.Book.inv.Facilities.Kinds() {
			if q = r.Book.inv.Facilities.Quantity(kind, resource.Quantity()); q != nil {
				break
			}
		}
		if q == nil {
			return
		}
		r.quantity[resource] = q
	}
	r.Registers++
	r.reading = ingest.Reading{Device: d, Channel: channel, Quantity: q, Value: value, Time: at, Estimated: guessed}
	r.Book.Reading(index, &r.reading, false, at)
}

// booked takes what the rebuild's book has entered of an hour.
func (r *Rebuild) booked(number uint32, h int32, used Amount, covered int64) {
	i := int(h) - int(r.base)
	if i < 0 || i >= r.width {
		return
	}
	for int(number) > len(r.cells) {
		r.cells = append(r.cells, nil)
	}
	if r.cells[number-1] == nil {
		r.cells[number-1] = make([]hourUse, r.width)
	}
	c := &r.cells[number-1][i]
	c.Used += used
	c.Covered += covered
}

// noted keeps a live reading for the rebuild. The caller holds live.mu.
func (r *Rebuild) noted(reading *ingest.Reading) {
	if r.swapped || reading.Device.Community != r.span.Community {
		return
	}
	kept := *reading
	kept.Channel = string(append([]byte(nil), reading.Channel...)) // it may be part of a topic
	r.tail = append(r.tail, kept)
}

// HourOfPlace is what a kind of facility used in an hour, counted from 1970-01-01 UTC.
type HourOfPlace struct {
	Facility ingest.FacilityKind
	Resource Resource
	Hour     int32
}

// Swap puts what was booked in place of what the live book has, as of now, unix
// nanoseconds. It returns what each hour of the span used by kind of facility. Call it on
// the goroutine that calls the live book.
func (r *Rebuild) Swap(now int64, devices func(yield func(index uint32, d *ingest.Device) bool)) map[HourOfPlace]float64 {
	b, s := r.live, r.Book
	b.mu.Lock()
	tail := r.tail
	r.swapped = true
	b.mu.Unlock()
	r.know(devices)
	for i := range tail {
		t := &tail[i]
		resource := Electricity
		if int(t.Quantity.Index) == b.water {
			resource = Water
		}
		src := source{t.Device.Facility, t.Device.ID}
		n := r.numbers[src]
		if n == 0 {
			n = r.number(src, t.Device)
		}
		r.held = append(r.held, heldRead{n - 1, t.Device, t.Channel, resource, t.Time, t.Value, t.Estimated})
	}
	// What came meanwhile may be stored as well: the second of a series and time is the same.
	slices.SortStableFunc(r.held, func(x, y heldRead) int {
		return cmp.Or(cmp.Compare(x.index, y.index), cmp.Compare(x.resource, y.resource), cmp.Compare(x.channel, y.channel), cmp.Compare(x.at, y.at))
	})
	for i := range r.held {
		h := &r.held[i]
		if i > 0 {
			if p := &r.held[i-1]; p.index == h.index && p.resource == h.resource && p.channel == h.channel && p.at == h.at {
				continue
			}
		}
		r.read(h.index, h.device, h.channel, h.resource, h.at, h.value, h.guessed)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	b.at(now)
	today := b.today.day
	last := int32(r.span.End) > today
	// Devices are where they are now, and so are the meters in front of others.
	devices(func(index uint32, d *ingest.Device) bool {
		if d.Community == r.span.Community && int(index) < len(b.heads) && b.heads[index] != 0 {
			b.moved(index, d)
		}
		return true
	})
	shadows := r.match()
	for number, e := range shadows {
		x := s.entries.At(number)
		if e == nil {
			continue
		}
		if x.First != 0 && (e.First == 0 || x.First < e.First) {
			e.First = x.First
		}
		e.Last = max(e.Last, x.Last)
	}
	for key, first := range s.fronts.heard {
		if have, ok := b.fronts.heard[key]; !ok || first < have {
			b.fronts.heard[key] = first
		}
	}
	for i := range b.places {
		if b.places[i].Front != "" {
			b.cut(uint16(i))
		}
	}
	r.silent(shadows, today)
	r.swapDays(today)
	r.swapRegisters(shadows, last)
	return r.hoursOfPlaces()
}

// match finds the live entry of each of the rebuild's; nil: the live book has none.
func (r *Rebuild) match() map[uint32]*entry {
	b, s := r.live, r.Book
	all := make(map[uint32]*entry, s.entries.Len())
	for n := range uint32(s.entries.Len()) {
		x := s.entries.At(n + 1)
		all[n+1] = nil
		d := r.devices[x.Device]
		index := r.indexes[source{d.Facility, d.ID}]
		if index == 0 || int(index-1) >= len(b.heads) {
			continue
		}
		for i := b.heads[index-1]; i != 0; {
			e := b.entries.At(i)
			if e.Resource == x.Resource && b.channels[e.Channel] == s.channels[x.Channel] {
				all[n+1] = e
			}
			i = e.Next
		}
	}
	return all
}

// silent counts meters on days on which they were not read, as Tick does.
func (r *Rebuild) silent(shadows map[uint32]*entry, today int32) {
	b, s := r.live, r.Book
	until := min(int32(r.span.End), today) // today's are those that were read
	read := map[*entry]bool{}
	for number, e := range shadows {
		x := s.entries.At(number)
		if x.First == 0 || !s.counts(x) {
			continue
		}
		first := int32(x.First)
		if e != nil {
			read[e] = true
			first = min(first, int32(e.First))
		}
		for d := max(first, int32(r.span.First)); d < min(int32(x.First), until); d++ {
			s.meet(x.Place, uint16(d))
		}
		for d := max(int32(x.Last)+1, int32(r.span.First)); d < until; d++ {
			s.meet(x.Place, uint16(d))
		}
	}
	for e := range b.entries.All() {
		if e.First == 0 || read[e] || int(e.Device) >= len(b.devices) || b.devices[e.Device] == nil || b.places[e.Place].Key.Community != r.span.Community || !b.counts(e) {
			continue
		}
		place := s.placeFor(b.places[e.Place].Key, b.places[e.Place].Front)
		for d := max(int32(e.First), int32(r.span.First)); d <= min(int32(e.Last), until-1); d++ {
			s.meet(place, uint16(d))
		}
	}
}

// swapDays replaces the days of the community's places.
func (r *Rebuild) swapDays(today int32) {
	b, s := r.live, r.Book
	first, end := int32(r.span.First), min(int32(r.span.End), today+1)
	for i := range b.places {
		p := &b.places[i]
		if p.Key.Community != r.span.Community {
			continue
		}
		for d := max(first, p.First); d < min(end, p.First+int32(len(p.Days))); d++ {
			day := &p.Days[d-p.First]
			*day = Day{queued: day.queued}
			b.dayOf(uint16(i), d) // InfluxDB is to be told
			if p.Front != "" {
				b.dayOf(p.Main, d)
			}
		}
	}
	for i := range s.places {
		q := &s.places[i]
		if q.Key.Community != r.span.Community {
			continue
		}
		number := b.placeFor(q.Key, q.Front)
		for d := max(first, q.First); d < min(end, q.First+int32(len(q.Days))); d++ {
			from := q.Days[d-q.First]
			if from == (Day{queued: from.queued}) {
				continue
			}
			if day := b.dayOf(number, d); day != nil {
				day.add(&from)
			}
		}
	}
}

// swapRegisters lets live registers go on from what was read again, where the span is the
// last, and drops hours that wait for InfluxDB and are told by Hours.
func (r *Rebuild) swapRegisters(shadows map[uint32]*entry, last bool) {
	b, s := r.live, r.Book
	numbers := map[*entry]uint32{}
	for i := range uint32(b.entries.Len()) {
		numbers[b.entries.At(i+1)] = i + 1
	}
	read := map[uint32]bool{}
	for number, e := range shadows {
		x := s.entries.At(number)
		switch {
		case e == nil && last:
			key := MeterKey{r.devices[x.Device].ID, s.channels[x.Channel]}
			if at := x.register.Last.At; at > b.seeds[key].At {
				b.seeds[key] = mark{at, x.register.raw()}
			}
		case e != nil:
			read[numbers[e]] = true
			if last {
				e.register, e.Hours = x.register, x.Hours
			}
		}
	}
	b.points = slices.DeleteFunc(b.points, func(p point) bool {
		return read[p.Entry] && p.Hour >= r.base && int(p.Hour-r.base) < r.width && (last || p.Hour < b.entries.At(p.Entry).Hours[1].Hour)
	})
	if !last {
		return
	}
	for _, number := range slices.Sorted(maps.Keys(read)) {
		e := b.entries.At(number)
		if e.Hours[1].Hour != 0 {
			b.tell(number, &e.Hours[1])
		}
		if e.Hours[0].Hour != 0 {
			b.run(number, e)
		}
	}
}

// raw is the last value as the meter shows it.
func (r *register) raw() Amount {
	v := r.Last.Value - r.Offset
	for range r.Scale {
		v *= 10
	}
	for range -r.Scale {
		v /= 10
	}
	return v
}

// hoursOfPlaces sums up the hours by kind of facility, without what stands behind others.
func (r *Rebuild) hoursOfPlaces() map[HourOfPlace]float64 {
	sums := map[HourOfPlace]Amount{}
	for n, cells := range r.cells {
		x := r.Book.entries.At(uint32(n + 1))
		for i, c := range cells {
			h := r.base + int32(i)
			if at := int64(h) * hour; c.Used == 0 || at < r.from || at >= r.end || r.Book.places[x.Place].Key.Community != r.span.Community || r.behind(x, h) != "" {
				continue
			}
			sums[HourOfPlace{r.Book.places[x.Place].Key.Facility, x.Resource, h}] += c.Used
		}
	}
	hours := make(map[HourOfPlace]float64, len(sums))
	for h, used := range sums {
		hours[h] = used.Units()
	}
	return hours
}

// behind names what a meter stands behind in an hour; "": nothing.
func (r *Rebuild) behind(x *entry, h int32) string {
	r.live.at(int64(h) * hour)
	if !r.Book.passed(x, r.live.today.day) {
		return ""
	}
	return frontName(r.Book.places[x.Place].Front)
}

// Hour is a point of the measurement usage: its tags in order, and its time in unix
// milliseconds.
type Hour struct {
	Series  string // tags as "key=value,", sorted by key
	Tags    []ingest.Tag
	At      int64
	Used    float64 // kWh or m3
	Covered float64 // s
}

// Hours returns the hours that begin in [from, to), unix nanoseconds, as InfluxDB should
// have them, and those of them that the live book tells itself, for which Used and Covered
// do not count. Call it after Swap.
func (r *Rebuild) Hours(from, to int64) (hours, live []Hour) {
	b := r.live
	b.mu.Lock()
	defer b.mu.Unlock()
	shadows := r.match()
	numbers := map[*entry]uint32{}
	for i := range uint32(b.entries.Len()) {
		numbers[b.entries.At(i+1)] = i + 1
	}
	corrected := map[uint32][]int64{}
	for key := range r.beside {
		if at := key.at * 1e6; at >= from && at < to {
			corrected[key.entry] = append(corrected[key.entry], key.at)
		}
	}
	for n, cells := range r.cells {
		x := r.Book.entries.At(uint32(n + 1))
		if cells == nil || r.Book.places[x.Place].Key.Community != r.span.Community {
			continue
		}
		e := shadows[uint32(n+1)]
		for h := max(int32((from+hour-1)/hour), r.base); int64(h)*hour < to && int(h-r.base) < len(cells); h++ {
			c := cells[h-r.base]
			own := e != nil && e.Hours[1].Hour != 0 && h >= e.Hours[1].Hour
			if !own && c == (hourUse{}) {
				continue
			}
			p := r.hour(x, h)
			p.At, p.Used, p.Covered = int64(h)*hour/1e6, c.Used.Units(), float64(c.Covered)/1000
			if own {
				live = append(live, p)
			} else {
				hours = append(hours, p)
			}
		}
		for _, at := range corrected[numbers[e]] {
			if e != nil {
				p := r.hour(x, int32(at*1e6/hour))
				p.At = at
				live = append(live, p)
			}
		}
	}
	return hours, live
}

// hour is a point of an entry without its figures.
func (r *Rebuild) hour(x *entry, h int32) Hour {
	d := r.devices[x.Device]
	tags := make([]ingest.Tag, 0, 8)
	tags = append(tags, ingest.Tag{Key: "behind", Value: r.behind(x, h)}, ingest.Tag{Key: "channel", Value: r.Book.channels[x.Channel]},
		ingest.Tag{Key: "community", Value: string(d.Community)}, ingest.Tag{Key: "compound", Value: string(d.Compound)},
		ingest.Tag{Key: "device", Value: string(d.ID)}, ingest.Tag{Key: "facility", Value: string(d.Facility)},
		ingest.Tag{Key: "resource", Value: x.Resource.String()}, ingest.Tag{Key: "vendor", Value: string(d.Vendor)})
	tags = present(tags)
	return Hour{Series: SeriesOf(tags), Tags: tags}
}

// SeriesOf names a series by its tags, which need not be in order.
func SeriesOf(tags []ingest.Tag) string {
	sorted := slices.Clone(tags)
	slices.SortFunc(sorted, func(a, b ingest.Tag) int { return cmp.Compare(a.Key, b.Key) })
	var name []byte
	for _, t := range sorted {
		name = append(append(append(append(name, t.Key...), '='), t.Value...), ',')
	}
	return string(name)
}

// Close ends the rebuild. What was not swapped changes nothing.
func (r *Rebuild) Close() {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	if r.live.rebuild == r {
		r.live.rebuild = nil
	}
}

// Outdated reports whether the inventory has changed since Open, so that places and limits
// may be others: begin again.
func (r *Rebuild) Outdated() bool {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	return r.Book.inv != r.live.inv
}
