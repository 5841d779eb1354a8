package pipeline

import (
	"context"
	"time"

	"greencommunity/ingest"
)

// checkpoints is when the walker writes one. The file is written by the
// walker, so that it is of one message; that it becomes durable is waited for
// beside it. Writing takes at most a twentieth of the walker's time.
type checkpoints struct {
	last     time.Time     // when the last was begun
	took     time.Duration // how long the walker was held up by it
	finished chan saved    // not nil while one becomes durable
	written  time.Time     // when there was something to write
	counted  time.Time     // when devices were counted
	devices  int           // how many they were
}

// saved is what a checkpoint that is durable says.
type saved struct {
	shown shown
	first uint64 // the first pending message, 0 if none
	err   error
}

// checkpoint makes the account and the walker's state durable, and shows it,
// when it is time, or at once: then it is durable when checkpoint returns.
func (w *walker) checkpoint(ctx context.Context, atOnce bool) {
	c := &w.checkpoints
	if c.finished != nil {
		if atOnce {
			w.finished(<-c.finished)
		} else {
			select {
			case s := <-c.finished:
				w.finished(s)
			default:
				return
			}
		}
	}
	now := time.Now()
	if !atOnce && now.Sub(c.last) < max(checkpointEvery, 20*c.took) {
		return
	}
	c.last = now
	if err := w.begin(now); err != nil {
		w.p.log.Error("checkpoint not written; it is tried again", "error", err)
	}
	c.took = time.Since(now)
	if atOnce && c.finished != nil {
		w.finished(<-c.finished)
	}
}

// begin writes a checkpoint, unless nothing has changed.
func (w *walker) begin(now time.Time) error {
	p := w.p
	w.seen.room(p.registry.Len())
	h := &checkpointHeader{Seq: w.seq, Now: w.observers.now, Names: w.seen.Names, Devices: len(w.seen.Series), Derived: p.derived.waiting(), Decoders: w.decoders()}
	p.decoders.Store(&h.Decoders)
	p.mu.Lock()
	first := p.pending.first()
	h.Tally, h.Pending = p.tally.clone(), p.pending
	h.Pending.Words = append([]uint64(nil), p.pending.Words...)
	unchanged := p.shown.walked == w.seq && p.shown.tally.decided() == h.Tally.decided() && p.shown.tally.Points == h.Tally.Points
	devices := p.shown.devices
	p.mu.Unlock()
	if now.Sub(w.checkpoints.counted) > countEvery || devices == nil || h.Devices != w.checkpoints.devices {
		devices, w.checkpoints.counted, w.checkpoints.devices = w.count(now), now, h.Devices
		p.mu.Lock()
		p.shown.devices = devices
		p.mu.Unlock()
	}
	if unchanged && (len(w.observers.list) == 0 || now.Sub(w.checkpoints.written) < countEvery) {
		return nil // observers may have changed by the clock alone
	}
	w.checkpoints.written = now
	if err := p.devices.extend(h.Devices, p.registry.At); err != nil {
		return err
	}
	h.DeviceBytes = p.devices.size
	f, err := createCheckpoint(p.o.DataDir)
	if err != nil {
		return err
	}
	if err := f.write(h, w.seen, w.observers.list); err != nil {
		f.file.Close()
		return err
	}
	finished := make(chan saved, 1)
	go func() { // ends with the file's fsync
		finished <- saved{shown{h.Tally, h.Seq, devices}, first, f.finish(p.o.DataDir)}
	}()
	w.checkpoints.finished = finished
	return nil
}

// finished shows what a checkpoint says, and lets the journal go of what is
// before it.
func (w *walker) finished(s saved) {
	w.checkpoints.finished = nil
	if s.err != nil {
		w.p.log.Error("checkpoint not written; it is tried again", "error", s.err)
		return
	}
	w.p.mu.Lock()
	w.p.shown = s.shown
	w.p.mu.Unlock()
	w.p.journal.Commit("observe", s.shown.walked)
	if s.first > 0 {
		w.p.journal.Commit("store", s.first-1)
	} else {
		w.p.journal.Commit("store", s.shown.walked)
	}
}

// deviceState is what greencommunity_devices counts by.
type deviceState struct {
	place placeKey
	state string
}

const (
	countEvery = 15 * time.Second
	// offlineAfter is when a device counts as offline: meters report once a
	// day, and may be an hour late. Alarms know each device's own rhythm.
	offlineAfter = 25 * time.Hour
)

// count counts the devices by place and state.
func (w *walker) count(now time.Time) map[deviceState]int {
	n := map[deviceState]int{}
	since := uint32(now.Add(-offlineAfter).Unix())
	reported := map[ingest.DeviceID]bool{}
	inv := w.p.inventory.Load()
	for i, last := range w.seen.Last {
		d := w.p.registry.At(uint32(i))
		state := "online"
		switch {
		case last == 0: // nothing of it was accepted
			state = "never"
		case last < since:
			state = "offline"
		}
		if state != "online" && !inv.Here(d) {
			continue // it reports to another instance, which counts it
		}
		n[deviceState{placeKey{d.Community, d.Facility}, state}]++
		if d.Listed {
			reported[d.ID] = true
		}
	}
	for d := range inv.AllDevices() {
		if !reported[d.ID] {
			n[deviceState{placeKey{d.Community, d.Facility}, "never"}]++
		}
	}
	return n
}
