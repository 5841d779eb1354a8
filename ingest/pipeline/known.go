package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
	"greencommunity/ingest/inventory"
)

// KnownDevice is a device that a list has, or that was heard.
type KnownDevice struct {
	Device    ingest.DeviceID     `json:"device"`
	Community ingest.CommunityID  `json:"community"`
	Facility  ingest.FacilityKind `json:"facility"`
	Vendor    ingest.VendorID     `json:"vendor"`
	Listed    bool                `json:"listed"`
	// First and Last are when its first and last message were received; nil where
	// there was none, First also where an earlier version did not note it. Messages
	// counts those with something accepted, since First.
	First    *time.Time `json:"first,omitempty"`
	Last     *time.Time `json:"last,omitempty"`
	Messages uint32     `json:"messages"`
}

// DeviceChange forgets a device, or gives it to another vendor. Only devices that
// no list has are changed: of a listed one, the list says what it is.
type DeviceChange struct {
	Device    ingest.DeviceID     `json:"device"`
	Community ingest.CommunityID  `json:"community"`
	Facility  ingest.FacilityKind `json:"facility"`
	Vendor    ingest.VendorID     `json:"vendor"` // whose it is now
	// To says whose it becomes: it has no alarms then and learns anew. "": nobody's,
	// until it is heard again.
	To ingest.VendorID `json:"to,omitempty"`
}

// Known returns what is known of every device, by community, kind and id.
func (p *Pipeline) Known(ctx context.Context) (devices []KnownDevice, err error) {
	err = p.ask(ctx, func(w *walker) { devices = known(p.registry, w.seen, p.inventory.Load()) })
	return devices, err
}

// ChangeDevices makes changes, all of them or, where one cannot be made, none. They
// are durable when it returns.
func (p *Pipeline) ChangeDevices(ctx context.Context, changes []DeviceChange) (err error) {
	asked := p.ask(ctx, func(w *walker) {
		if err = w.change(changes); err == nil {
			w.checkpoints.behind = true // no message has come, and there is something to write
			w.checkpoint(true)
		}
	})
	return errors.Join(asked, err)
}

// ask has the walker do something between two messages.
func (p *Pipeline) ask(ctx context.Context, do func(*walker)) error {
	done := make(chan struct{})
	select {
	case p.tasks <- func(w *walker) { do(w); close(done) }:
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done // the walker has begun
	return nil
}

// Between has the walker do something between two messages, and returns when it is done.
// With durable, the state is on disk then.
func (p *Pipeline) Between(ctx context.Context, durable bool, do func()) error {
	return p.ask(ctx, func(w *walker) {
		do()
		if durable {
			w.checkpoints.behind = true // no message may have come, and there is something to write
			w.checkpoint(true)
		}
	})
}

// Written waits until InfluxDB has all that was walked so far, of messages and of
// observers' points that were taken so far.
func (p *Pipeline) Written(ctx context.Context) error {
	var seq, batches uint64
	if err := p.ask(ctx, func(w *walker) { w.derive(); seq = w.seq; batches = p.derived.added() }); err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		first := p.pending.first()
		p.mu.Unlock()
		if (first == 0 || first > seq) && p.derived.written() >= batches {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func known(registry *inventory.Registry, s *seen, inv *inventory.Inventory) []KnownDevice {
	devices := make([]KnownDevice, 0, registry.Len())
	reported := map[ingest.DeviceID]bool{}
	for i := range uint32(registry.Len()) {
		d := registry.At(i)
		if registry.Gone(i) {
			continue
		}
		k := KnownDevice{Device: d.ID, Community: d.Community, Facility: d.Facility, Vendor: d.Vendor, Listed: d.Listed}
		if int(i) < s.devices.Len() {
			h := s.devices.At(i + 1)
			k.First, k.Last, k.Messages = seconds(h.Since), seconds(h.Last), h.Messages
		}
		if d.Listed {
			reported[d.ID] = true
		}
		devices = append(devices, k)
	}
	for d := range inv.AllDevices() {
		if !reported[d.ID] {
			devices = append(devices, KnownDevice{Device: d.ID, Community: d.Community, Facility: d.Facility, Vendor: d.Vendor, Listed: true})
		}
	}
	slices.SortFunc(devices, func(a, b KnownDevice) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Device, b.Device), cmp.Compare(a.Vendor, b.Vendor))
	})
	return devices
}

func seconds(unix uint32) *time.Time {
	if unix == 0 {
		return nil
	}
	t := time.Unix(int64(unix), 0).UTC()
	return &t
}

// change makes changes, all or none.
func (w *walker) change(changes []DeviceChange) error {
	indexes, err := find(w.p.registry, w.p.inventory.Load(), changes)
	if err != nil {
		return err
	}
	makeChanges(w.p.registry, changes, indexes, func() { w.letGo(time.Now()) })
	for _, c := range changes {
		w.p.log.Info("a device was changed by hand", "device", c.Device, "community", c.Community, "facility", c.Facility, "vendor", c.Vendor, "to", c.To)
	}
	w.checkpoints.counted = time.Time{}
	return nil
}

// makeChanges calls letGo between what is forgotten and whose it becomes.
func makeChanges(registry *inventory.Registry, changes []DeviceChange, indexes []uint32, letGo func()) {
	for _, index := range indexes {
		registry.Forget(index)
	}
	letGo()
	for i, c := range changes {
		if c.To != "" {
			origin := *registry.At(indexes[i]).Origin
			origin.Vendor = c.To
			registry.Move(indexes[i], origin)
		}
	}
}

// find returns the indexes of the devices to change, or all that stands against it.
func find(registry *inventory.Registry, inv *inventory.Inventory, changes []DeviceChange) ([]uint32, error) {
	wanted := map[DeviceChange]int{}
	for i, c := range changes {
		c.To = ""
		wanted[c] = i
	}
	indexes, found := make([]uint32, len(changes)), make([]bool, len(changes))
	for i := range uint32(registry.Len()) {
		d := registry.At(i)
		if at, ok := wanted[DeviceChange{Device: d.ID, Community: d.Community, Facility: d.Facility, Vendor: d.Vendor}]; ok && !registry.Gone(i) && !d.Listed {
			indexes[at], found[at] = i, true
		}
	}
	var problems []error
	takes := map[ingest.VendorID]int{}
	for i, c := range changes {
		switch to := inv.Vendor(c.To); {
		case !found[i]:
			problems = append(problems, fmt.Errorf("no device %q of vendor %s is known in %s, %s, that no list has", c.Device, c.Vendor, c.Community, c.Facility))
		case c.To == "":
		case c.To == c.Vendor:
			problems = append(problems, fmt.Errorf("device %q is %s's already", c.Device, c.To))
		case to == nil:
			problems = append(problems, fmt.Errorf("vendor %q is not in the inventory", c.To))
		case to.UnknownDevices != "accept":
			problems = append(problems, fmt.Errorf("vendor %s may have listed devices only (unknown_devices: %s): list %q for it", c.To, to.UnknownDevices, c.Device))
		case len(to.Communities) > 0 && !slices.Contains(to.Communities, c.Community):
			problems = append(problems, fmt.Errorf("vendor %s may not write to community %s: add it to the vendor's communities", c.To, c.Community))
		default:
			takes[c.To]++
			if has := registry.Unlisted(c.To); has+takes[c.To] > to.MaxDevices {
				problems = append(problems, fmt.Errorf("vendor %s would have %d devices that no list has, and may have %d: raise its max_devices", c.To, has+takes[c.To], to.MaxDevices))
			}
		}
	}
	return indexes, errors.Join(problems...)
}

// What is to be changed while the service is stopped waits in a file, a change a
// line: the next start makes it, with what it loads anyway, and no other program
// writes the service's state.
func changesPath(dir string) string { return filepath.Join(dir, "devices.changes") }

func readChanges(dir string) ([]DeviceChange, error) {
	text, err := os.ReadFile(changesPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var changes []DeviceChange
	for line := range bytes.Lines(text) {
		var c DeviceChange
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("%s: %w; remove the file, and say again what is to be changed", changesPath(dir), err)
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// applyChanges makes what was asked for while the service was stopped. What cannot
// be made, as the inventory has changed since, is told and dropped.
func (w *walker) applyChanges() error {
	changes, err := readChanges(w.p.o.DataDir)
	if err != nil || len(changes) == 0 {
		return err
	}
	for _, c := range changes {
		if err := w.change([]DeviceChange{c}); err != nil {
			w.p.log.Error("a device is not changed as asked for", "device", c.Device, "error", err)
		}
	}
	w.checkpoints.behind = true
	w.checkpoint(true)
	return os.Remove(changesPath(w.p.o.DataDir))
}

// Stopped is the devices of a data directory whose service is stopped. Nothing
// starts on the directory until it is closed.
type Stopped struct {
	dir      string
	lock     *os.File
	registry *inventory.Registry
	seen     *seen
	inv      *inventory.Inventory
}

// ErrRunning is that a service uses the directory.
var ErrRunning = errors.New("the service is running on it")

// OpenStopped reads what the last checkpoint knows, without what came after it,
// and with the changes that wait for the next start. It changes nothing.
func OpenStopped(dir string, inv *inventory.Inventory, log *slog.Logger) (s *Stopped, err error) {
	s = &Stopped{dir: dir, registry: inventory.NewRegistry(inv), seen: newSeen(), inv: inv}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	// Not made here: the service would not be able to open another user's.
	s.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil // no service ever ran on it
	}
	if err != nil {
		return s, err
	}
	if err := lockFile(s.lock); err != nil {
		return s, fmt.Errorf("%s: %w", dir, ErrRunning)
	}
	h, _, err := readCheckpoint(dir, s.seen, nil, log)
	if err != nil {
		return s, err
	}
	if err := s.devices(h); err != nil {
		return s, err
	}
	for index, origin := range h.Moved {
		s.registry.Move(index, origin)
	}
	for _, index := range h.Removed {
		s.registry.Forget(index)
	}
	changes, err := readChanges(dir)
	for _, c := range changes {
		if indexes, err := find(s.registry, inv, []DeviceChange{c}); err == nil {
			makeChanges(s.registry, []DeviceChange{c}, indexes, func() { s.seen.forget(indexes[0]) })
		}
	}
	return s, err
}

// devices reads the devices of a checkpoint, from the file or its copy.
func (s *Stopped) devices(h *checkpointHeader) error {
	var problems []error
	for _, name := range []string{"devices.ndjson", "devices.ndjson.1"} {
		f, err := os.Open(filepath.Join(s.dir, name))
		if err != nil {
			if h.Devices == 0 && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			problems = append(problems, err)
			continue
		}
		defer f.Close()
		sum := crc32.New(castagnoli)
		if n, err := io.Copy(sum, io.NewSectionReader(f, 0, h.DeviceBytes)); err != nil || n != h.DeviceBytes || h.DeviceSum != 0 && sum.Sum32() != h.DeviceSum {
			problems = append(problems, fmt.Errorf("%s is damaged", f.Name()))
			continue
		}
		return parseDevices(f, h, func(d ingest.Device) { s.registry.Restore(d) })
	}
	return errors.Join(problems...)
}

// Known is as Pipeline.Known, as of the last checkpoint.
func (s *Stopped) Known() []KnownDevice { return known(s.registry, s.seen, s.inv) }

// Change checks changes and puts them down for the next start, all or none.
func (s *Stopped) Change(changes []DeviceChange) error {
	if _, err := find(s.registry, s.inv, changes); err != nil {
		return err
	}
	var lines strings.Builder
	for _, c := range changes {
		line, err := json.Marshal(c)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	// 0644: the service reads it as another user, and the directory is the service's.
	f, err := os.OpenFile(changesPath(s.dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(lines.String())
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return durable.Dir(s.dir)
}

// Close lets a service start.
func (s *Stopped) Close() {
	if s.lock != nil {
		s.lock.Close()
	}
}
