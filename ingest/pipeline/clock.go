package pipeline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clock watches the clock of this machine. What it says becomes the time of each
// message, for good, and devices are judged by it: so nothing is taken while it
// shows a time before this program was built, which a machine without a battery
// does until its time service answers. The broker keeps the messages meanwhile.
//
// A time before that of the last message in the journal is wrong now, or was wrong
// then: which of them, nobody here can know. Judged is what the clock said then, not
// the message's stamp, which in a burst runs ahead of the clock (see spacing). At a start the time service gets a moment
// to mend it; then messages are taken, since fires do not wait.
type clock struct {
	built time.Time // zero: not known
	steps prometheus.Counter
	set   atomic.Pointer[time.Time] // when the last step was seen, nil: none
	last  atomic.Int64              // what it said at the last message, unix nanoseconds; 0: none
}

const (
	// backLimit sets how far the time may be before the last receipt.
	backLimit = time.Minute
	// clockWait sets how long a start waits for the time service where it is.
	clockWait = time.Minute
	// stepLimit sets from where on the wall clock going its own way is a step.
	stepLimit = time.Second
)

// impossible says why the time cannot be right, nil if it can.
func (c *clock) impossible(now time.Time) error {
	if now.Before(c.built) {
		return fmt.Errorf("this machine's clock says %s, before this program was built (%s): no message is taken until it is set; start its time service (chrony, systemd-timesyncd)",
			now.UTC().Format(time.RFC3339), c.built.UTC().Format(time.RFC3339))
	}
	return nil
}

// wrong says why the time is wrong, or was, nil if nothing is known against it.
func (c *clock) wrong(now time.Time) error {
	if err := c.impossible(now); err != nil {
		return err
	}
	if last := time.Unix(0, c.last.Load()); now.Before(last.Add(-backLimit)) {
		return fmt.Errorf("this machine's clock says %s, and the last message was received at %s: it is wrong now, or was then; see that its time service runs",
			now.UTC().Format(time.RFC3339), last.UTC().Format(time.RFC3339))
	}
	return nil
}

// steady reports whether silences can be told by the clock: it is not wrong, and
// was not set within a day, in which each device is heard.
func (c *clock) steady(now time.Time) bool {
	set := c.set.Load()
	return c.wrong(now) == nil && (set == nil || now.Sub(*set) > offlineAfter)
}

// waitForClock returns when the clock is right, or, where only the last receipt is
// against it, after clockWait. Where the time is impossible it returns at once: the
// broker is connected to, so that it keeps messages for us, and possible holds up what
// it sends.
func (p *Pipeline) waitForClock(ctx context.Context) {
	err := p.clock.wrong(time.Now())
	if err == nil {
		return
	}
	p.clock.steps.Inc()
	p.log.Error("the clock is wrong", "error", err)
	if p.clock.impossible(time.Now()) != nil {
		return
	}
	for start := time.Now(); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		now := time.Now()
		if p.clock.wrong(now) == nil {
			p.log.Info("the clock is right again", "now", now.UTC())
			return
		}
		if now.Sub(start) >= clockWait {
			p.log.Error("the clock is still before the last receipt; messages are taken by what it says now")
			return
		}
	}
}

// possible waits while the clock shows an impossible time.
func (p *Pipeline) possible(ctx context.Context) {
	for waited := false; ctx.Err() == nil; {
		err := p.clock.impossible(time.Now())
		if err == nil {
			if waited {
				p.log.Info("the clock is right again; messages are taken", "now", time.Now().UTC())
			}
			return
		}
		if !waited {
			p.log.Error("the clock is wrong", "error", err)
		}
		waited = true
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// stepped returns by how much the wall clock has gone its own way between two times,
// which have the monotonic clock's reading as well.
func stepped(before, now time.Time) time.Duration {
	by := now.Round(0).Sub(before.Round(0)) - now.Sub(before)
	if by > -stepLimit && by < stepLimit {
		return 0
	}
	return by
}

// watchClock counts and logs each step of the clock.
func (p *Pipeline) watchClock(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if by := stepped(before, now); by != 0 {
			p.clock.steps.Inc()
			p.clock.set.Store(&now)
			p.log.Error("this machine's clock was set", "seconds", by.Seconds(), "now", now.UTC())
		}
		before = now
	}
}
