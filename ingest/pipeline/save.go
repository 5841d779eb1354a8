package pipeline

import (
	"time"

	"greencommunity/ingest"
)

// checkpoints schedules the walker's checkpoints. The walker writes the file
// itself, so the file describes the state after exactly one message; another
// goroutine waits for the fsync. Writing takes at most a twentieth of the walker's time. Where that
// makes checkpoints rare, the account alone is written every second.
type checkpoints struct {
	last     time.Time     // when the last was begun
	took     time.Duration // how long the walker was held up by it
	finished chan saved    // not nil while one becomes durable
	account  chan saved    // likewise, of an account
	written  time.Time     // when there was something to write
	snapshot time.Time     // when the account was last taken, for either
	number   uint64        // of the last snapshot
	counted  time.Time     // when devices were counted
	devices  int           // how many they were
	kept     positions     // of the newest durable checkpoint
	behind   bool          // what the journal keeps is for the one before
}

// positions holds what a checkpoint needs of the journal: what is after walked,
// and what is from first on, the first pending message; 0: nothing is pending.
type positions struct{ walked, first uint64 }

// saved holds what a file that is durable says.
type saved struct {
	shown shown
	first uint64 // the first pending message, 0 if none
	err   error
}

// checkpoint makes the account and the walker's state durable, and shows it,
// when it is time, or at once: then it is durable when checkpoint returns.
func (w *walker) checkpoint(atOnce bool) {
	c := &w.checkpoints
	w.collect(&c.account, atOnce, w.show)
	w.collect(&c.finished, atOnce, w.finished)
	now := time.Now()
	if !atOnce && (c.finished != nil || now.Sub(c.last) < max(checkpointEvery, 20*c.took)) {
		if c.account == nil && now.Sub(c.snapshot) >= checkpointEvery {
			w.account(now)
		}
		return
	}
	c.last = now
	if err := w.begin(now); err != nil {
		w.p.state.failed(stateCheckpoint, err, now, w.p.log)
	}
	c.took = time.Since(now)
	w.collect(&c.finished, atOnce, w.finished)
}

// collect calls then with what a file says that has become durable; wait waits
// for it.
func (w *walker) collect(from *chan saved, wait bool, then func(saved)) {
	if *from == nil {
		return
	}
	if wait {
		then(<-*from)
		*from = nil
		return
	}
	select {
	case s := <-*from:
		then(s)
		*from = nil
	default:
	}
}

// snapshot is the account as of now, and the first pending message.
func (w *walker) snapshot(now time.Time) (t tally, pending pendingSet, changed bool, s saved) {
	p := w.p
	w.count(now)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.first = p.pending.first()
	t, pending = p.tally.clone(), p.pending
	pending.Words = append([]uint64(nil), p.pending.Words...)
	changed = p.shown.walked != w.seq || p.shown.tally.decided() != t.decided() || p.shown.tally.Points != t.Points
	w.checkpoints.snapshot = now
	w.checkpoints.number++
	s.shown = shown{tally: t, walked: w.seq, number: w.checkpoints.number}
	return t, pending, changed, s
}

// account makes the account durable, unless nothing has changed.
func (w *walker) account(now time.Time) {
	t, pending, changed, s := w.snapshot(now)
	if !changed {
		w.p.state.current(stateAccount, now, w.p.log)
		return
	}
	done := make(chan saved, 1)
	h := &accountHeader{Seq: w.seq, Tally: t, Pending: pending, Settled: w.p.subscriber.Settled(), InFlight: w.p.appender.unsettled(w.seq), Renumbers: w.p.appender.renumbers.Load()}
	go func() { // ends with the files' fsync
		if s.err = w.p.syncRejects(); s.err == nil {
			s.err = writeAccount(w.p.o.DataDir, h)
		}
		done <- s
	}()
	w.checkpoints.account = done
}

// begin writes a checkpoint, unless nothing has changed.
func (w *walker) begin(now time.Time) error {
	p := w.p
	w.seen.room(p.registry.Len())
	t, pending, changed, s := w.snapshot(now)
	p.mu.Lock()
	waiting := p.stamps.waiting(&pending)
	p.mu.Unlock()
	list, brought := w.seen.names.state()
	h := &checkpointHeader{Seq: w.seq, Stamps: waiting, Now: w.observers.now, Tally: t, Pending: pending, Names: list, Brought: brought, WideKeys: true, Told: true, Program: program(), Devices: w.seen.devices.Len(), Derived: p.derived.waiting(), Decoders: w.decoders(), Settled: p.subscriber.Settled(), InFlight: p.appender.unsettled(w.seq), Renumbers: p.appender.renumbers.Load(), Division: p.o.Division, Taken: p.taken}
	h.Removed, h.Moved = p.registry.Changes()
	p.decoders.Store(&h.Decoders)
	if !changed && !w.checkpoints.behind && (len(w.observers.savers) == 0 || now.Sub(w.checkpoints.written) < countEvery) {
		p.state.current(stateCheckpoint, now, p.log)
		return nil // observers may have changed by the clock alone
	}
	w.checkpoints.written = now
	if err := p.devices.extend(h.Devices, p.registry.At); err != nil {
		return err
	}
	h.DeviceBytes, h.DeviceSum = p.devices.size, p.devices.sum
	f, err := createCheckpoint(checkpointPath(p.o.DataDir))
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := f.write(h, w.seen, w.observers.savers); err != nil {
		f.abandon()
		return err
	}
	p.log.Debug("checkpoint taken", "devices", h.Devices, "seconds", time.Since(begun).Seconds())
	finished := make(chan saved, 1)
	go func() { // ends with the files' fsync
		if s.err = p.syncRejects(); s.err == nil {
			s.err = f.finish()
		} else {
			f.abandon()
		}
		finished <- s
	}()
	w.checkpoints.finished = finished
	return nil
}

// show shows what an account says, unless a later one was shown before.
func (w *walker) show(s saved) {
	if s.err != nil {
		w.p.state.failed(stateAccount, s.err, time.Now(), w.p.log)
		return
	}
	w.p.state.current(stateAccount, time.Now(), w.p.log)
	w.showAccount(s)
}

func (w *walker) showAccount(s saved) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if s.shown.number > w.p.shown.number {
		w.p.shown = s.shown
	}
}

// finished shows what a checkpoint says, and lets the journal go of what is
// before the one before it: a start may have to go on from that one. Where
// nothing comes any more, one more checkpoint is written, so that a journal
// that is full is let go as well.
func (w *walker) finished(s saved) {
	if s.err != nil {
		w.p.state.failed(stateCheckpoint, s.err, time.Now(), w.p.log)
		return
	}
	w.p.state.current(stateCheckpoint, time.Now(), w.p.log)
	w.showAccount(s)
	c, now := &w.checkpoints, positions{s.shown.walked, s.first}
	w.p.journal.Commit("observe", c.kept.walked)
	if c.kept.first > 0 {
		w.p.journal.Commit("store", c.kept.first-1)
	} else {
		w.p.journal.Commit("store", c.kept.walked)
	}
	c.behind, c.kept = c.kept != now, now
}

// deviceState holds what greencommunity_devices counts by.
type deviceState struct {
	place placeKey
	state string
}

const (
	countEvery = 15 * time.Second
	// offlineAfter sets when a device counts as offline: meters report once a
	// day, and may be an hour late. Alarms know each device's own rhythm.
	offlineAfter = 25 * time.Hour
	// forgetAfter sets when a device that is in no list is let go, in seconds of
	// silence. One that was heard once is let go as soon as it is offline, which
	// is before it would have an alarm: nearly all of these are mistyped names.
	forgetAfter = 90 * 86400
)

// count counts the devices by place and state, every countEvery and where there
// are more of them.
func (w *walker) count(now time.Time) {
	if have := w.p.registry.Len(); now.Sub(w.checkpoints.counted) > countEvery || have != w.checkpoints.devices {
		w.checkpoints.counted, w.checkpoints.devices = now, have
	} else {
		return
	}
	n := map[deviceState]int{}
	steady := w.p.clock.steady(now)
	since := uint32(now.Add(-offlineAfter).Unix())
	reported := map[ingest.DeviceID]bool{}
	inv := w.p.inventory.Load()
	index := uint32(0)
	for heard := range w.seen.devices.All() {
		d, gone := w.p.registry.At(index), w.p.registry.Gone(index)
		index++
		if gone {
			continue
		}
		state := "online"
		switch {
		case heard.Last == 0: // nothing of it was accepted
			state = "never"
		case heard.Last < since:
			state = "offline"
		}
		if state != "online" && !inv.Here(d) {
			continue // it reports to another instance, which counts it
		}
		if silent := now.Unix() - int64(heard.Last); state == "offline" && !d.Listed && steady && (w.seen.once(heard) || silent > forgetAfter) {
			w.p.registry.Forget(index - 1)
			continue
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
	w.p.mu.Lock()
	w.p.deviceCounts = n
	w.p.mu.Unlock()
	w.letGo(now)
}
