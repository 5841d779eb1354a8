package pipeline

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// state is one of the states beside the journal.
type state int

const (
	stateCheckpoint state = iota
	stateAccount
	stateDevices
	states
)

func (s state) String() string { return [...]string{"checkpoint", "account", "devices"}[s] }

const (
	// unwrittenFor sets how long writing a state may fail before the service is
	// not ready: the journal has what came since, but what is shown stands still.
	unwrittenFor = time.Minute
	// unwrittenAgain sets how often a failure that goes on is logged again.
	unwrittenAgain = time.Hour
)

// stateHealth says how the states were found at the start, and whether they
// can be written since.
type stateHealth struct {
	mu    sync.Mutex // between the walker, Ready and /metrics
	files [states]stateFile
}

type stateFile struct {
	damaged bool      // the start took the one before, or the copy
	good    time.Time // when the file last was as it should be
	failing time.Time // since when it cannot be written; zero: it can
	said    time.Time // when that was last logged
	err     error
}

// restored notes whether the newest one was damaged or gone.
func (h *stateHealth) restored(s state, damaged bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.files[s].damaged, h.files[s].good = damaged, time.Now()
}

// current notes that a state was written, or had not changed.
func (h *stateHealth) current(s state, now time.Time, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &h.files[s]
	if !f.failing.IsZero() {
		log.Info("a state can be written again", "state", s.String(), "after", now.Sub(f.failing).Round(time.Second))
	}
	f.good, f.failing, f.said, f.err = now, time.Time{}, time.Time{}, nil
}

// failed notes that a state was not written, and logs it once in a while: it is
// tried again every second.
func (h *stateHealth) failed(s state, err error, now time.Time, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &h.files[s]
	if f.failing.IsZero() {
		f.failing = now
	}
	f.err = err
	if f.said.IsZero() || now.Sub(f.said) >= unwrittenAgain {
		f.said = now
		log.Error("a state is not written; it is tried again every second", "state", s.String(), "since", f.failing, "error", err)
	}
}

// failing says which state has not been writable for long, nil if none.
func (h *stateHealth) failing(now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s, f := range h.files {
		if !f.failing.IsZero() && now.Sub(f.failing) >= unwrittenFor {
			return fmt.Errorf("the %s has not been written for %v: %w", state(s), now.Sub(f.failing).Round(time.Second), f.err)
		}
	}
	return nil
}

// age returns how old a state is, in seconds: 0 before the start has read it.
func (h *stateHealth) age(s state, now time.Time) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files[s].good.IsZero() {
		return 0
	}
	return max(0, now.Sub(h.files[s].good).Seconds())
}

// damaged reports whether the start found a state damaged or gone.
func (h *stateHealth) damaged(s state) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.files[s].damaged
}

// beat counts what the walker does: it goes on several times a second, also where
// nothing comes.
type beat struct {
	count atomic.Uint64

	mu   sync.Mutex // between callers of hangs
	seen uint64
	at   time.Time // when seen was first seen
}

// hangsAfter is long after the longest thing the walker does between two beats:
// writing the state of a million devices takes seconds.
const hangsAfter = time.Minute

func (b *beat) hangs(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := b.count.Load(); n != b.seen || b.at.IsZero() {
		b.seen, b.at = n, now
	}
	if silent := now.Sub(b.at); silent > hangsAfter {
		return fmt.Errorf("the walk through the journal has stood still for %s", silent.Round(time.Second))
	}
	return nil
}

// Alive says whether the pipeline hangs, nil if it does not, and hangs itself where
// the account's lock is never given back. It is to be asked every few seconds.
func (p *Pipeline) Alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.beat.hangs(time.Now())
}
