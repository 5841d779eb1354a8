package anomaly

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/metrics/usage"
)

// Most of the state is written as it lies in memory: a million series are half
// a gigabyte, and anything that looks at each field would stall the path for
// longer than it takes to write. The byte order is that of the machine, and
// checked.

// Version 2 added when a held alarm is told, version 3 when it was over. Since
// version 4 registers are in the book of use; one of the engine's own follows.
// Version 5 added the time in which switchings were counted, version 6 what peers
// have at once, version 8 balances of meters, version 9 when an alarm began, was told and
// brought up to date, and its peak, version 10 fires in messages that were refused,
// version 11 what peers have at once by parts of an hour.
const stateVersion = 11

// byteOrder reads differently on a machine of the other order.
const byteOrder = 0x0102030405060708

// Save writes the whole state. Equal states write equal bytes.
func (e *Engine) Save(w io.Writer) error {
	e.flush()
	b := &saver{w: bufio.NewWriterSize(w, 1<<20)}
	b.int(stateVersion)
	b.raw(binary.NativeEndian.AppendUint64(nil, byteOrder))
	b.int(e.now)
	b.int(e.lastAny)
	b.int(e.lost)
	b.int(int64(len(e.channels)))
	for _, c := range e.channels {
		b.text(c)
	}
	b.int(int64(len(e.places)))
	for i, p := range e.places {
		b.text(string(p.Community))
		b.int(int64(math.Float32bits(e.ambient[i].Mean)))
		b.int(int64(e.ambient[i].N))
	}
	b.int(int64(len(e.groups)))
	for _, g := range e.groups {
		b.int(int64(g.Key.What))
		b.text(string(g.Key.Community))
		b.text(g.Key.Name)
		b.text(string(g.Facility))
		for _, n := range []int32{g.Members, g.Silent, g.Dark, g.Burning} {
			b.int(int64(n))
		}
	}
	b.fires(e.fires, e.burnt)
	b.int(int64(len(e.info)))
	for _, d := range e.info {
		b.device(d)
	}
	for _, a := range e.arenas() {
		b.arena(a)
	}
	for _, h := range []timers{e.silences, e.timers} {
		// In order, not as the heap happens to lie.
		h = slices.Clone(h)
		slices.SortFunc(h, func(a, b timer) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		b.int(int64(len(h)))
		for _, t := range h {
			b.int(t.Due)
			b.int(int64(t.What))
			b.int(int64(t.Of))
			b.key(t.K)
		}
	}
	keys := sortedKeys(e.alarms)
	b.int(int64(len(keys)))
	for _, k := range keys {
		a := e.alarms[k]
		b.key(k)
		b.int(a.Since.UnixNano())
		b.int(a.expires)
		b.int(a.held)
		b.int(a.ended)
		b.int(a.within)
		b.int(int64(math.Float64bits(a.Value)))
		b.int(int64(math.Float64bits(a.Expected)))
		b.text(a.Inhibited)
		for _, t := range []time.Time{a.Began, a.Told, a.Updated} {
			b.int(t.UnixNano())
		}
		b.int(int64(math.Float64bits(a.Peak)))
		b.int(int64(math.Float64bits(a.told)))
		b.text(a.id)
	}
	totals := slices.SortedFunc(maps.Keys(e.totals), func(a, b totalKey) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Kind, b.Kind))
	})
	b.int(int64(len(totals)))
	for _, k := range totals {
		b.text(string(k.Community))
		b.text(string(k.Facility))
		b.text(k.Kind.String())
		b.int(int64(e.totals[k]))
	}
	b.waves(e.waves)
	b.balances(e.balances.of)
	if b.err == nil && e.own != nil {
		b.err = e.own.Save(b.w)
	}
	if b.err != nil {
		return b.err
	}
	return b.w.Flush()
}

// Load reads what Save wrote. The engine is bound and has seen nothing yet.
func (e *Engine) Load(r io.Reader) error {
	b := &loader{r: bufio.NewReaderSize(r, 1<<20), origins: ingest.Origins{}}
	version := b.int()
	if b.err == nil && (version < 1 || version > stateVersion) {
		return fmt.Errorf("state has version %d, this program reads up to %d", version, stateVersion)
	}
	if order := b.raw(8); b.err == nil && binary.NativeEndian.Uint64(order) != byteOrder {
		return errors.New("state was written by a machine of another byte order")
	}
	e.now, e.lastAny, e.lost = b.int(), b.int(), b.int()
	e.channels, e.channelID = nil, map[string]uint16{}
	for i := range b.each() {
		c := b.text()
		e.channels = append(e.channels, c)
		e.channelID[c] = uint16(i)
	}
	e.places, e.ambient = nil, nil
	for i := range b.each() {
		p := place{Community: ingest.CommunityID(b.text())}
		e.locate(&p)
		e.places = append(e.places, p)
		e.placeOf[p.Community] = uint16(i)
		e.ambient = append(e.ambient, ambient{Mean: math.Float32frombits(uint32(b.int())), N: uint32(b.int())})
	}
	e.groups = nil
	for i := range b.each() {
		g := group{Key: groupKey{What: uint8(b.int()), Community: ingest.CommunityID(b.text()), Name: b.text()}, Facility: ingest.FacilityKind(b.text())}
		for _, n := range []*int32{&g.Members, &g.Silent, &g.Dark, &g.Burning} {
			*n = int32(b.int())
		}
		e.groups = append(e.groups, g)
		e.groupOf[g.Key] = int32(i)
	}
	if version >= 10 {
		e.fires, e.burnt = b.fires()
	}
	e.info = nil
	for range b.each() {
		d := b.device()
		if d != nil {
			if listed := e.inv.Device(d.ID); listed != nil && d.Listed {
				d = listed
			}
		}
		e.info = append(e.info, d)
	}
	arenas := e.arenas()
	if version < 6 {
		arenas = e.rules()
	}
	for _, a := range arenas {
		b.arena(a)
	}
	for _, h := range []*timers{&e.silences, &e.timers} {
		*h = nil
		for range b.each() {
			h.push(timer{Due: b.int(), What: timerKind(b.int()), Of: uint32(b.int()), K: b.key()})
		}
	}
	if b.err != nil {
		return fmt.Errorf("state of anomalies: %w", b.err)
	}
	moved := false
	for i, d := range e.info {
		if d != nil {
			moved = e.settle(uint32(i)) || moved
		}
	}
	if err := e.loadAlarms(b, version); err != nil {
		return err
	}
	if version >= 6 {
		e.waves = b.waves(version)
		if b.err != nil {
			return fmt.Errorf("state of anomalies: %w", b.err)
		}
	}
	e.standAnew(func(_ alarmKey, a *Alarm) bool { return a.Inhibited != "" })
	for k, a := range e.alarms {
		if k.Kind == atOnce {
			a.Why = e.why(k.Kind, a) // by the waves, which come after the alarms
		}
	}
	if version >= 8 {
		all := b.balances(e.info)
		if b.err != nil {
			return fmt.Errorf("state of anomalies: %w", b.err)
		}
		e.mu.Lock()
		e.balances.of = all
		e.mu.Unlock()
		e.balances.bind()
	}
	e.dropTotals()
	if version < 4 {
		e.seed()
	} else if e.own != nil {
		if err := e.own.Load(b.r); err != nil {
			return err
		}
	}
	if moved {
		e.regroup() // by an inventory that has changed while we were away
	}
	return nil
}

// seed gives the book of use the registers of water that were kept here.
func (e *Engine) seed() {
	for i, info := range e.info {
		if info == nil {
			continue
		}
		for at := e.devices.At(uint32(i + 1)).Meter; at != 0; {
			m := e.water.meters.At(at)
			if m.Flags&meterRegister != 0 && m.At != 0 {
				e.o.Book.Seed(usage.MeterKey{Device: info.ID, Channel: e.channels[m.Channel]}, m.At, m.Value/1000)
			}
			at = m.Next
		}
	}
}

// records are an arena, of whatever type.
type records interface {
	Save(w io.Writer) error
	Load(r arena.Reader) error
	Bytes() int
	Int64s(f func(*int64))
}

func (e *Engine) arenas() []records { return append(e.rules(), &e.limits.quantities) }

// rules are the arenas that states of all versions have.
func (e *Engine) rules() []records {
	return []records{&e.devices, &e.water.meters, &e.lamps.lamps, &e.bins.bins, &e.gates.gates, &e.series.series}
}

func (e *Engine) loadAlarms(b *loader, version int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.version.Add(1)
	e.alarms, e.totals = map[alarmKey]*Alarm{}, map[totalKey]uint64{}
	for range b.each() {
		k := b.key()
		a := e.alarm(k, b.int())
		a.expires = b.int()
		if version >= 2 {
			a.held = b.int()
		}
		if version >= 3 {
			a.ended = b.int()
		}
		if version >= 5 {
			a.within = b.int()
		}
		a.Value, a.Expected = math.Float64frombits(uint64(b.int())), math.Float64frombits(uint64(b.int()))
		a.Inhibited = b.text()
		a.told, a.Peak, a.Told, a.Updated, a.Began = a.Value, a.Value, a.Since, a.Since, a.began()
		if version >= 9 {
			for _, t := range []*time.Time{&a.Began, &a.Told, &a.Updated} {
				*t = time.Unix(0, b.int()).UTC()
			}
			a.Peak, a.told = math.Float64frombits(uint64(b.int())), math.Float64frombits(uint64(b.int()))
			a.id = b.text()
		} else {
			a.identify()
		}
		a.asState()
		a.grade()
		a.Why = e.why(k.Kind, a)
		e.alarms[k] = a
	}
	for range b.each() {
		k := totalKey{Community: ingest.CommunityID(b.text()), Facility: ingest.FacilityKind(b.text())}
		name := b.text()
		n := uint64(b.int())
		if id, ok := kindNamed(name); ok {
			k.Kind = id
			e.totals[k] = n
		}
	}
	if b.err != nil {
		return fmt.Errorf("state of anomalies: %w", b.err)
	}
	return nil
}

// saver writes; after an error it writes nothing.
type saver struct {
	w   *bufio.Writer
	buf []byte
	err error
}

func (s *saver) raw(p []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
}

func (s *saver) int(v int64) {
	s.buf = binary.AppendVarint(s.buf[:0], v)
	s.raw(s.buf)
}

func (s *saver) text(v string) {
	s.int(int64(len(v)))
	s.raw([]byte(v))
}

// key writes a kind by its name, because its number may change.
func (s *saver) key(k alarmKey) {
	s.int(int64(k.Device))
	s.int(int64(k.Channel))
	s.text(k.Kind.String())
}

func (s *saver) device(d *ingest.Device) {
	if d == nil {
		s.int(0)
		return
	}
	listed := int64(1)
	if d.Listed {
		listed = 2
	}
	s.int(listed)
	for _, v := range []string{string(d.ID), string(d.Vendor), string(d.Community), string(d.Compound), string(d.Facility), d.Name, d.Gateway} {
		s.text(v)
	}
	s.int(int64(len(d.Attributes)))
	for _, k := range slices.Sorted(maps.Keys(d.Attributes)) {
		s.text(k)
		s.text(d.Attributes[k])
	}
}

func (s *saver) arena(a records) {
	if s.err == nil {
		s.err = a.Save(s.w)
	}
}

// loader reads; after an error it reads zeros.
type loader struct {
	r       *bufio.Reader
	err     error
	origins ingest.Origins
}

func (l *loader) raw(n int) []byte {
	p := make([]byte, n)
	if l.err == nil {
		_, l.err = io.ReadFull(l.r, p)
	}
	return p
}

func (l *loader) int() int64 {
	if l.err != nil {
		return 0
	}
	v, err := binary.ReadVarint(l.r)
	l.err = err
	return v
}

// count reads a length that what follows must have.
func (l *loader) count() int {
	n := l.int()
	if l.err == nil && (n < 0 || n > 1<<31) {
		l.err = fmt.Errorf("%d is no length", n)
	}
	if l.err != nil {
		return 0
	}
	return int(n)
}

// each counts to a length read, and ends early after an error.
func (l *loader) each() iter.Seq[int] {
	n := l.count()
	return func(yield func(int) bool) {
		for i := 0; i < n && l.err == nil && yield(i); i++ {
		}
	}
}

func (l *loader) text() string {
	n := l.count()
	if l.err == nil && n > 1<<20 {
		l.err = fmt.Errorf("a text of %d bytes", n)
	}
	if l.err != nil {
		return ""
	}
	return string(l.raw(n))
}

func (l *loader) key() alarmKey {
	k := alarmKey{Device: uint32(l.int()), Channel: uint16(l.int())}
	name := l.text()
	if id, ok := kindNamed(name); ok {
		k.Kind = id
	} else if l.err == nil {
		l.err = fmt.Errorf("kind %q is unknown", name)
	}
	return k
}

func (l *loader) arena(a records) {
	if l.err == nil {
		l.err = a.Load(l.r)
	}
}

func (l *loader) device() *ingest.Device {
	listed := l.int()
	if listed == 0 || l.err != nil {
		return nil
	}
	id := ingest.DeviceID(l.text())
	from := ingest.Origin{
		Vendor: ingest.VendorID(l.text()), Community: ingest.CommunityID(l.text()),
		Compound: ingest.CompoundID(l.text()), Facility: ingest.FacilityKind(l.text()),
	}
	as := ingest.Listing{Listed: listed == 2, Name: l.text(), Gateway: l.text()}
	for range l.each() {
		if as.Attributes == nil {
			as.Attributes = map[string]string{}
		}
		k := l.text()
		as.Attributes[k] = l.text()
	}
	d := &ingest.Device{ID: id, Origin: l.origins.Of(from), Listing: ingest.Unlisted}
	if as.Listed {
		d.Listing = &as
	}
	return d
}
