package javascript

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"
)

// Limits of one call. Decoders take some 10 to 30 µs and a few KiB.
const (
	// MaxTime is processor time of the thread that runs the call. A machine that
	// is busy with other things, or a process that is stopped for a while, makes
	// a call long, but no more than that.
	MaxTime   = 250 * time.Millisecond
	MaxMemory = 64 << 20 // growth of the whole heap while the call runs
	maxCalls  = 512      // depth of recursion
	tick      = 5 * time.Millisecond
	// abandon sets how much processor time a call may spend in one built-in
	// function, which cannot be interrupted. Then the call is left behind.
	abandon = 8 * MaxTime
	// A program that was left behind rests, at first for minRest, and twice as
	// long each time up to maxRest. Then one call of it is tried.
	minRest, maxRest = time.Minute, time.Hour
	// maxBehind sets how many calls of a program that still run may be left behind.
	// Each keeps a processor busy.
	maxBehind = 2
	// A result that took longer than MaxTime by the clock on the wall is made
	// again, so often: an expression may have been given up meanwhile.
	attempts = 3
)

// Expressions with a look around or back are matched by trying out, which may
// take for ever and cannot be interrupted from outside. goja has no setting for
// it; what it compiles takes this one, which is by the clock on the wall. An
// expression that is given up matches nothing.
var _ = func() bool {
	regexp2.DefaultMatchTimeout = MaxTime
	return true
}()

var (
	errTime   = fmt.Errorf("ran longer than %v", MaxTime)
	errMemory = fmt.Errorf("took more than %d MiB", MaxMemory>>20)
	errStuck  = fmt.Errorf("did not end within %v of processor time and could not be stopped: the decoder rests for a while, and is then tried again", abandon)
	// errDoubtful is a result that may lack what an expression would have matched.
	errDoubtful = errors.New("an expression may have been given up")
)

// rest says whether a program may be run, after calls that never ended.
type rest struct {
	mu     sync.Mutex // between the goroutines that run the program
	until  time.Time  // zero: it does not rest
	length time.Duration
	behind int // calls left behind that have not ended
}

// Stuck reports whether calls are refused since one did not end.
func (p *Program) Stuck() bool {
	p.rest.mu.Lock()
	defer p.rest.mu.Unlock()
	return !p.rest.until.IsZero()
}

// State is usable, broken or stuck.
func (p *Program) State() string {
	switch {
	case p.broken != nil:
		return "broken"
	case p.Stuck():
		return "stuck"
	}
	return "usable"
}

// allowed reports whether a call may be made. At the end of a rest it lets one
// call through, and the next only after another rest, or once that one ended well.
func (s *rest) allowed(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until.IsZero() {
		return true
	}
	if now.Before(s.until) || s.behind >= maxBehind {
		return false
	}
	s.until = now.Add(s.length)
	return true
}

func (s *rest) begin(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.length = min(max(2*s.length, minRest), maxRest)
	s.until = now.Add(s.length)
	s.behind++
}

// ended says that a call which was left behind has ended after all.
func (s *rest) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind--
}

// over says that a call ended: the program is run as before.
func (s *rest) over() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until.IsZero() {
		return
	}
	s.until, s.length = time.Time{}, 0
}

// runner is a goroutine that runs the calls of one Runtime, one after the other. A
// new one for each call would grow its stack each time, which took a fifth of a call.
type runner struct {
	calls  chan call
	ended  chan error
	thread atomic.Int64 // of the call that runs, 0 before it has begun
}

type call struct {
	vm *goja.Runtime
	f  func(*goja.Runtime) error
}

// newRunner starts a runner, which ends when calls is closed. It holds nothing of the
// Runtime between calls.
func newRunner() *runner {
	n := &runner{calls: make(chan call), ended: make(chan error, 1)}
	go func() {
		for c := range n.calls {
			n.run(c)
			c = call{} // or the Runtime would never be let go
		}
	}()
	return n
}

func (n *runner) run(c call) {
	runtime.LockOSThread() // its processor time is counted
	defer runtime.UnlockOSThread()
	n.thread.Store(int64(threadID()))
	n.ended <- protected(c.vm, c.f)
}

// limited runs f on the virtual machine, on a thread of its own for as long, and
// interrupts it when it takes too long or too much. A call that does not end
// even so is left behind with the machine. What ends within a tick pays for a
// timer and two changes of goroutine.
func (r *Runtime) limited(f func(*goja.Runtime) error) error {
	vm := r.vm
	if r.runner == nil {
		r.runner = newRunner()
		r.cleanup = runtime.AddCleanup(r, func(calls chan call) { close(calls) }, r.runner.calls)
	}
	runner := r.runner
	thread, ended := &runner.thread, runner.ended
	thread.Store(0)
	started := time.Now()
	runner.calls <- call{vm, f}
	if r.timer == nil {
		r.timer = time.NewTimer(tick)
	} else {
		r.timer.Reset(tick)
	}
	defer r.timer.Stop()
	select {
	case err := <-ended:
		return r.settled(err)
	case <-r.timer.C:
	}
	for thread.Load() == 0 { // it has not begun: the machine is busy
		time.Sleep(tick)
	}
	used, interrupted := newStopwatch(int(thread.Load())), false
	heap := heapBytes()
	for {
		r.timer.Reset(tick)
		select {
		case err := <-ended:
			vm.ClearInterrupt()
			if err == nil && time.Since(started) >= MaxTime {
				if err = errDoubtful; used.time() >= MaxTime/2 {
					err = errTime
				}
			}
			return r.settled(err)
		case <-r.timer.C:
		}
		switch spent := used.time(); {
		case spent > abandon:
			select {
			case err := <-ended: // just now
				return r.settled(err)
			default:
			}
			r.cleanup.Stop()
			close(runner.calls) // it ends with this call
			r.vm, r.runner = nil, nil
			program := r.program
			program.rest.begin(time.Now())
			go func() { <-ended; program.rest.ended() }()
			return errStuck
		case interrupted:
		case heapBytes() > heap+MaxMemory:
			vm.Interrupt(errMemory)
			interrupted = true
		case spent > MaxTime:
			vm.Interrupt(errTime)
			interrupted = true
		}
	}
}

// settled drops the machine a call has broken.
func (r *Runtime) settled(err error) error {
	if err != nil && errors.As(err, new(*panicked)) {
		r.vm = nil
	}
	return err
}

// panicked holds what came out of a virtual machine that is not to be used again.
type panicked struct{ with any }

func (p *panicked) Error() string {
	if interrupted, ok := p.with.(*goja.InterruptedError); ok {
		return reason(interrupted).Error() // in code that Go called: a toString, a getter
	}
	return fmt.Sprintf("broke the runtime: %v", p.with)
}

func protected(vm *goja.Runtime, f func(*goja.Runtime) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p}
		}
	}()
	return told(vm, f(vm))
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// stopwatch measures the processor time of a thread, since it was made.
type stopwatch struct {
	thread int
	from   time.Duration
	exact  bool
	// Where the system does not tell: what passes between two looks counts as a
	// tick at most, so that a pause of the process counts as one.
	counted time.Duration
	last    time.Time
}

func newStopwatch(thread int) *stopwatch {
	s := &stopwatch{thread: thread, last: time.Now()}
	s.from, s.exact = threadTime(thread)
	return s
}

func (s *stopwatch) time() time.Duration {
	if s.exact {
		if now, ok := threadTime(s.thread); ok {
			return now - s.from
		}
	}
	now := time.Now()
	s.counted += min(now.Sub(s.last), tick)
	s.last = now
	return s.counted
}
