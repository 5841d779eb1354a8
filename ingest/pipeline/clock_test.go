package pipeline

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
)

// A history is by how much the clock is wrong, one message a minute of true time.
type history struct {
	name    string
	offsets []time.Duration
	restart bool // before the last message: what spacing remembers is read from the journal
}

// However the clock was wrong: once it is right, readings with and without a time
// of their own are new, none is late, and stamps are those of the clock.
func TestClockHistories(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, h := range []history{
		{name: "right", offsets: []time.Duration{0, 0, 0, 0}},
		{name: "06: a step back of 5 min", offsets: []time.Duration{300 * time.Second, 0, 0, 0}},
		{name: "a step back of 2 s", offsets: []time.Duration{2 * time.Second, 0, 0}},
		{name: "a step back of 9 min", offsets: []time.Duration{9 * time.Minute, 0, 0}},
		{name: "05: ahead by a day, corrected", offsets: []time.Duration{day, day, 0, 0}},
		{name: "ahead by a day, corrected, restarted", offsets: []time.Duration{day, day, 0}, restart: true},
		{name: "ahead by three years, corrected, restarted", offsets: []time.Duration{3 * 365 * day, 0}, restart: true},
		{name: "ahead by five minutes, restarted", offsets: []time.Duration{300 * time.Second, 0}, restart: true},
		{name: "ahead by an hour, twice", offsets: []time.Duration{time.Hour, 0, time.Hour, 0}},
		{name: "behind by a day, corrected", offsets: []time.Duration{-day, -day, 0, 0}},
		{name: "a zone's eight hours ahead", offsets: []time.Duration{0, 8 * time.Hour, 0}},
		{name: "a zone's eight hours behind, and right", offsets: []time.Duration{0, -8 * time.Hour, 0}},
		{name: "in steps back", offsets: []time.Duration{3 * day, 2 * day, day, 0}},
		{name: "drifts ahead, then is set", offsets: []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 0, 0}},
	} {
		t.Run(h.name, func(t *testing.T) {
			start := time.Date(2026, 11, 28, 4, 0, 0, 123_456_789, time.UTC)
			q := ingest.BuiltinFacilities().Quantity("waste", "bin_temperature")
			s, spacing := newSeen(), newSpacing()
			var journaled []*ingest.Message
			for i, offset := range h.offsets {
				now := start.Add(time.Duration(i) * time.Minute).Add(offset)
				last := i == len(h.offsets)-1
				if last && h.restart {
					spacing = newSpacing()
					for _, m := range journaled {
						spacing.journaled(m, now.UnixNano())
					}
				}
				received := spacing.stamp("t", []byte("{}"), now.UnixNano())
				journaled = append(journaled, &ingest.Message{Topic: "t", Payload: []byte("{}"), Received: received})
				s.until = (received + int64(ingest.MaxAhead)) / 1e6
				plain := ingest.Reading{Quantity: q, Channel: "plain", Time: received, TimeSource: ingest.TimeReceived}
				timed := ingest.Reading{Quantity: q, Channel: "timed", Time: start.Add(time.Duration(i) * time.Minute).UnixNano()}
				if ahead := timed.Time - received; ahead > int64(ingest.MaxAhead) || -ahead > int64(ingest.MaxAge) {
					timed.Time = received // as the decoder replaces it
				}
				a, b := s.reading(0, &plain), s.reading(0, &timed)
				if !last {
					continue
				}
				if a != fresh || b != fresh {
					t.Errorf("without a time: %d, with one: %d; want 0 (fresh)", a, b)
				}
				if off := time.Duration(plain.Time - now.UnixNano()).Abs(); off > time.Second {
					t.Errorf("stamped %s from the clock", off)
				}
			}
		})
	}
}

// A burst of timeless messages on one topic runs minutes ahead of the clock, which
// is no step of it: read back from the journal, the clock's last reading is that of
// the burst, no message gets a stamp of before, and the clock is not called wrong.
func TestBurstIsNoStep(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 28, 4, 0, 0, 123_456_789, time.UTC)
	live := newSpacing()
	var journaled []*ingest.Message
	for i := range 150_000 { // in 1.5 s
		now := start.Add(time.Duration(i) * 10 * time.Microsecond).UnixNano()
		journaled = append(journaled, &ingest.Message{Topic: "t", Payload: []byte("{}"), Received: live.stamp("t", []byte("{}"), now)})
	}
	last := journaled[len(journaled)-1].Received
	now := start.Add(2 * time.Second)
	if ahead := time.Duration(last - now.UnixNano()); ahead < 2*time.Minute {
		t.Fatalf("the burst is only %s ahead: it proves nothing", ahead)
	}
	again := newSpacing()
	for _, m := range journaled {
		again.journaled(m, now.UnixNano())
	}
	for name, s := range map[string]*spacing{"running": &live, "started again": &again} {
		clock := clock{}
		clock.last.Store(s.wall)
		if err := clock.wrong(now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if off := now.UnixNano() - s.wall; off < 0 || off > int64(2*time.Second) {
			t.Errorf("%s: the clock's last reading is %s before now", name, time.Duration(off))
		}
		if got := s.stamp("t", []byte("{}"), now.UnixNano()); got <= last {
			t.Errorf("%s: the next message is stamped %s before the last one", name, time.Duration(last-got))
		}
	}
	back := clock{}
	back.last.Store(again.wall)
	if err := back.wrong(now.Add(-2 * time.Minute)); err == nil {
		t.Error("two minutes back after the burst: not seen")
	}
}

// Case 07, and what else a start may find: whether messages are taken, and what
// readiness says.
func TestClockAtStart(t *testing.T) {
	t.Parallel()
	built := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name            string
		now             time.Time
		taken, rightNow bool
	}{
		{"07: in 1970", time.Unix(480, 0), false, false},
		{"a day before the build", built.Add(-24 * time.Hour), false, false},
		{"two minutes before the last receipt", last.Add(-2 * time.Minute), true, false},
		{"half a minute before the last receipt", last.Add(-30 * time.Second), true, true},
		{"a day after", last.Add(24 * time.Hour), true, true},
	} {
		clock := clock{built: built}
		clock.last.Store(last.UnixNano())
		if taken := clock.impossible(c.now) == nil; taken != c.taken {
			t.Errorf("%s: messages are taken: %v", c.name, taken)
		}
		if right := clock.wrong(c.now) == nil; right != c.rightNow {
			t.Errorf("%s: ready: %v", c.name, right)
		}
	}
}

// A start before the last receipt waits for a minute at most; one before the build
// connects at once, and what comes is held. Both are counted.
func TestStartWaitsForTheClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		built, last, waits time.Duration // from the start
	}{
		"right":                   {-time.Hour, -time.Second, 0},
		"built in an hour":        {time.Hour, -time.Second, 0},
		"last receipt in 30 min":  {-time.Hour, 30 * time.Minute, clockWait},
		"last receipt in 80 s":    {-time.Hour, 80 * time.Second, 20 * time.Second},
		"built and last in hours": {time.Hour, 2 * time.Hour, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &Pipeline{log: slog.New(slog.DiscardHandler)}
			p.clock.steps = prometheus.NewCounter(prometheus.CounterOpts{Name: "steps"})
			start := time.Now()
			p.clock.built = start.Add(c.built)
			p.clock.last.Store(start.Add(c.last).UnixNano())
			p.waitForClock(context.Background())
			if waited := time.Since(start); waited < c.waits || waited > c.waits+2*time.Second {
				t.Errorf("%s: waited %s, want %s", name, waited, c.waits)
			}
			if n := testutil.ToFloat64(p.clock.steps); n != map[bool]float64{true: 1}[c.waits > 0 || c.built > 0] {
				t.Errorf("%s: %g steps", name, n)
			}
		})
	}
}
