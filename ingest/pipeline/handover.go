package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Division says which of how many instances has a share of the communities.
type Division struct{ Index, Count int }

func (d Division) String() string { return fmt.Sprintf("instance %d of %d", d.Index, d.Count) }

// ErrDivided is that a data directory is of another share of the communities than what
// runs on it.
var ErrDivided = errors.New("the data directory is of another division")

func (o *Options) divided(was Division) error {
	if was.Count == 0 || o.Division.Count == 0 || was == o.Division || o.Redivide {
		return nil
	}
	return fmt.Errorf("%w: %s holds what %s knows, and the configuration says %s", ErrDivided, o.DataDir, was, o.Division)
}

// Divided returns which share of the communities a data directory holds, and the ids of
// what was handed over to it; zero where it holds none, or where an earlier version wrote it.
func Divided(dir string, log *slog.Logger) (Division, []string, error) {
	h, _, err := readCheckpoint(dir, newSeen(), nil, log)
	if err != nil {
		return Division{}, nil, err
	}
	return h.Division, h.Taken, nil
}

// Unused returns an error where a process runs on a data directory.
func Unused(dir string) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := lockFile(lock); err != nil {
		return fmt.Errorf("data directory %s %w: %w", dir, ErrInUse, err)
	}
	return nil
}

// Part is what HandOver gives to one instance.
type Part struct {
	// Dir is made, with the state of the devices and communities that the instance takes, in
	// the format of a data directory. What is there is replaced.
	Dir   string
	Index int // of the instance in the division to come
	// Inventory is the instance's, and Observers are new.
	Inventory *inventory.Inventory
	Observers []any
	// Everything is set for the one that gets what is of no community too, as the giver leaves.
	Everything bool
}

// Leaving is a data directory that gives away what it knows of the communities that are
// other instances' in another division.
type Leaving struct {
	To        Division             // ours from now on; an Index of Count or more has nothing
	Inventory *inventory.Inventory // as it is then
	Observers []any                // new, for what stays
	Parts     []Part
	// Since is the number of a message: what came after it, whoever takes over may have too.
	Since uint64
	// Made is called once the parts are made and before anything is given away.
	Made func() error
}

// HandOver divides the state of a data directory on which nothing runs: it makes the
// parts, and then takes what is in them out of the directory, in one step, when the next
// checkpoint has its name. Until then nothing has changed and all may be done again; a
// directory whose Divided is l.To has been through it. The journal stays, with what waits
// for InfluxDB.
func HandOver(ctx context.Context, o Options, l Leaving) error {
	o.Registerer = prometheus.NewRegistry()
	p, err := New(o)
	if err != nil {
		return err
	}
	defer p.close()
	w, err := p.atEnd(ctx)
	if err != nil {
		return err
	}
	owner := make([]int, p.registry.Len()) // of each device; -1: it stays as it is
	stay := &ingest.Move{Index: map[uint32]uint32{}, Rest: true, Journal: true}
	for i := range owner {
		owner[i] = -1
		d := p.registry.At(uint32(i))
		if l.Inventory.OwnerOfDevice(d, o.Division.Count) == o.Division.Index && !p.registry.Gone(uint32(i)) {
			if to := l.Inventory.OwnerOfDevice(d, l.To.Count); to != l.To.Index {
				owner[i] = to
				continue
			}
		}
		stay.Index[uint32(i)] = uint32(i)
	}
	moves := func(c ingest.CommunityID) int { // to whom; -1: it stays
		if to := inventory.OwnerOf(c, l.To.Count); inventory.OwnerOf(c, o.Division.Count) == o.Division.Index && to != l.To.Index {
			return to
		}
		return -1
	}
	stay.Community = func(c ingest.CommunityID) bool { return moves(c) < 0 }
	already, err := p.since(l)
	if err != nil {
		return err
	}
	for i := range l.Parts {
		part := &l.Parts[i]
		if err := p.part(w, l, part, owner, moves); err != nil {
			return fmt.Errorf("for instance %d: %w", part.Index, err)
		}
		if err := writeAlready(part.Dir, already[part.Index]); err != nil {
			return err
		}
	}
	if l.Made != nil {
		if err := l.Made(); err != nil {
			return err
		}
	}
	staying, err := newObservers(l.Observers)
	if err != nil {
		return err
	}
	staying.bind(l.Inventory)
	if err := take(staying, w.observers, stay); err != nil {
		return err
	}
	for _, each := range staying.devices {
		each.Devices(p.registry.At)
	}
	staying.now = w.observers.now
	w.observers = staying
	p.inventory.Store(l.Inventory)
	for i, to := range owner {
		if to >= 0 {
			p.registry.Forget(uint32(i))
		}
	}
	for _, i := range p.registry.LetGo() { // the observers do not have them
		w.seen.forget(i)
	}
	p.mu.Lock()
	for key := range p.tally.Readings {
		if moves(key.Community) >= 0 {
			delete(p.tally.Readings, key)
		}
	}
	p.mu.Unlock()
	p.o.Division = l.To
	return w.saveTwice()
}

// atEnd returns the walker at the end of the journal, with all that observers have for
// InfluxDB among what waits.
func (p *Pipeline) atEnd(ctx context.Context) (*walker, error) {
	w, err := p.restore()
	if err != nil {
		return nil, err
	}
	p.tryAlone(w.seq)
	if err := w.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("walking the journal: %w", err)
	}
	w.derive()
	return w, nil
}

// saveTwice makes the state durable twice, so that the one before the newest says the same.
func (w *walker) saveTwice() error {
	for range 2 {
		w.checkpoints.behind = true
		if err := w.begin(time.Now()); err != nil {
			return err
		}
		saved := <-w.checkpoints.finished
		w.checkpoints.finished = nil
		if saved.err != nil {
			return saved.err
		}
	}
	return nil
}

// take has observers take over from others of the same types, in the same order.
func take(to, from observers, m *ingest.Move) error {
	if len(to.savers) != len(from.savers) {
		return fmt.Errorf("%d observers, and %d that hand over to them", len(to.savers), len(from.savers))
	}
	for i, each := range to.savers {
		mover, ok := each.(ingest.Mover)
		if !ok {
			return fmt.Errorf("%T cannot take over what another has learned", each)
		}
		mover.Take(from.savers[i], m)
	}
	return nil
}

// part makes one part.
func (p *Pipeline) part(w *walker, l Leaving, part *Part, owner []int, moves func(ingest.CommunityID) int) error {
	registry, s := inventory.NewRegistry(part.Inventory), newSeen()
	ours := func(to int) bool { return to == part.Index || to < 0 && part.Everything }
	move := &ingest.Move{Index: map[uint32]uint32{}, Rest: part.Everything, Community: func(c ingest.CommunityID) bool { return ours(moves(c)) }}
	for i, to := range owner {
		if !ours(to) || p.registry.Gone(uint32(i)) {
			continue
		}
		index := registry.Restore(*p.registry.At(uint32(i)))
		move.Index[uint32(i)] = index
		s.take(w.seen, uint32(i), index)
	}
	taking, err := newObservers(part.Observers)
	if err != nil {
		return err
	}
	taking.bind(part.Inventory)
	if err := take(taking, w.observers, move); err != nil {
		return err
	}
	for _, each := range taking.devices {
		each.Devices(registry.At)
	}
	h := &checkpointHeader{Now: w.observers.now, Tally: newTally(), WideKeys: true, Told: true, Program: program(), Decoders: w.decoders(), Division: l.To}
	if part.Everything {
		h.Tally, h.Derived = p.tally.clone(), p.derived.waiting()
	}
	for key, n := range p.tally.Readings {
		if delete(h.Tally.Readings, key); ours(moves(key.Community)) {
			h.Tally.Readings[key] = n
		}
	}
	s.room(registry.Len())
	h.Names, h.Brought = s.names.state()
	if h.Devices = s.devices.Len(); h.Devices != registry.Len() {
		return fmt.Errorf("%d devices, and what is known of %d", registry.Len(), h.Devices)
	}
	if err := os.RemoveAll(part.Dir); err != nil {
		return err
	}
	if err := makeDir(part.Dir); err != nil {
		return err
	}
	devices, err := openDevices(part.Dir)
	if err != nil {
		return err
	}
	if err := errors.Join(devices.extend(h.Devices, registry.At), devices.close()); err != nil {
		return err
	}
	h.DeviceBytes, h.DeviceSum = devices.size, devices.sum
	f, err := createCheckpoint(checkpointPath(part.Dir))
	if err != nil {
		return err
	}
	if err := f.write(h, s, taking.savers); err != nil {
		f.abandon()
		return err
	}
	return f.finish()
}

// Arrival is a part that another instance has handed over.
type Arrival struct {
	Dir       string
	ID        string // which hand-over it is, so that it is taken once
	Observers []any  // new
}

// TakeOver adds what other instances hand over to a data directory on which nothing runs,
// in one step, when the next checkpoint has its name. What the directory has taken before,
// by its ID, is left out.
func TakeOver(ctx context.Context, o Options, arrivals []Arrival) error {
	o.Registerer, o.Redivide = prometheus.NewRegistry(), true
	p, err := New(o)
	if err != nil {
		return err
	}
	defer p.close()
	w, err := p.atEnd(ctx)
	if err != nil {
		return err
	}
	var came [][]already1
	for _, a := range arrivals {
		if slices.Contains(p.taken, a.ID) {
			continue
		}
		if err := w.takeOver(a); err != nil {
			return fmt.Errorf("%s: %w", a.Dir, err)
		}
		list, err := readAlready(a.Dir)
		if err != nil {
			return err
		}
		came = append(came, list)
		p.taken = append(p.taken, a.ID)
	}
	if over := len(p.taken) - mostTaken; over > 0 {
		p.taken = slices.Delete(p.taken, 0, over)
	}
	if err := writeAlready(o.DataDir, slices.Concat(came...)); err != nil {
		return err
	}
	for _, each := range w.observers.devices {
		each.Devices(p.registry.At)
	}
	return w.saveTwice()
}

// mostTaken sets how many hand-overs are remembered.
const mostTaken = 1000

func (w *walker) takeOver(a Arrival) error {
	p, inv := w.p, w.p.inventory.Load()
	theirs, err := newObservers(a.Observers)
	if err != nil {
		return err
	}
	theirs.bind(inv)
	s, registry := newSeen(), inventory.NewRegistry(inv)
	h, _, err := readCheckpoint(a.Dir, s, theirs.savers, p.log)
	if err != nil {
		return err
	}
	if h.Program == "" {
		return errors.New("it has no checkpoint: it was not copied whole; copy it again")
	}
	devices, err := openDevices(a.Dir)
	if err != nil {
		return err
	}
	defer devices.close()
	if _, err := devices.restore(h, func(d ingest.Device) { registry.Restore(d) }, p.log); err != nil {
		return err
	}
	for _, each := range theirs.devices {
		each.Devices(registry.At)
	}
	move := &ingest.Move{Index: map[uint32]uint32{}, Rest: true, Community: func(ingest.CommunityID) bool { return true }}
	for i := range uint32(registry.Len()) {
		if registry.Gone(i) {
			continue // the inventory has it no more
		}
		index := p.registry.Restore(*registry.At(i))
		move.Index[i] = index
		w.seen.take(s, i, index)
	}
	if err := take(w.observers, theirs, move); err != nil {
		return err
	}
	w.observers.now = max(w.observers.now, h.Now)
	if err := w.worker.LoadState(bytes.NewReader(h.Decoders)); err != nil {
		return err
	}
	p.mu.Lock()
	p.tally.include(&h.Tally)
	p.mu.Unlock()
	for _, lines := range h.Derived {
		p.derived.add(lines)
	}
	return nil
}

// include adds another account.
func (t *tally) include(o *tally) {
	for k, v := range o.Received {
		t.Received[k] += v
	}
	for k, v := range o.Rejected {
		t.Rejected[k] += v
	}
	for k, v := range o.Readings {
		t.Readings[k] += v
	}
	for k, v := range o.Refused {
		t.Refused[k] += v
	}
	t.Stored, t.Duplicate, t.Ignored, t.Late = t.Stored+o.Stored, t.Duplicate+o.Duplicate, t.Ignored+o.Ignored, t.Late+o.Late
	t.Points, t.BadPoints = t.Points+o.Points, t.BadPoints+o.BadPoints
}

// take takes over what another remembers of a device.
func (s *seen) take(o *seen, from, to uint32) {
	s.room(int(to) + 1)
	if int(from) >= o.devices.Len() {
		return
	}
	theirs, d := o.devices.At(from+1), s.devices.At(to+1)
	d.Last = max(d.Last, theirs.Last)
	if d.Since == 0 || theirs.Since != 0 && theirs.Since < d.Since {
		d.Since = theirs.Since
	}
	d.Messages += theirs.Messages
	next := &d.First
	for *next != 0 {
		next = &s.series.At(*next).Next
	}
	s.last.next = 0
	for e := range o.of(theirs) {
		key := seriesKey{s.names.number(o.names.list[e.Key.Channel]), s.names.number(o.names.list[e.Key.Name])}
		if own := s.find(to, key); own != nil {
			times := e.times()
			for _, ms := range slices.Backward(times[:]) {
				if ms != 0 {
					own.enter(ms)
				}
			}
			continue
		}
		*next = s.add(series{Key: key, Before: e.Before, Latest: e.Latest})
		next = &s.series.At(*next).Next
	}
}

// Tail reports whether a message after a number is one that match says, and returns the
// number of the last there is.
func (p *Pipeline) Tail(after uint64, match func(topic string) bool) (last uint64, found bool, err error) {
	r := p.journal.Read(after + 1)
	defer r.Close()
	for last = after; r.Next(); {
		m := r.Message()
		last = m.Seq
		found = found || match(m.Topic)
	}
	return last, found, r.Err()
}

// Last returns the number of the journal's last message.
func (p *Pipeline) Last() uint64 { return p.journal.Last() }

// Waiting returns how many messages wait for InfluxDB.
func (p *Pipeline) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pending.Count
}

// Subscribe changes what is subscribed, and returns once the broker has said so.
func (p *Pipeline) Subscribe(filters []string) error { return p.subscriber.SetFilters(filters) }
