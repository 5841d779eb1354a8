// Package javascript runs vendors' own JavaScript decoders as they are: those
// written for ChirpStack, The Things Network, Milesight gateways and Alink's
// pass-through products.
//
// A Program is compiled once and may be shared; a Runtime belongs to one
// goroutine. What a decoder can do is bounded: it has no files, no network and
// no clock of its own (the time is the message's), and a call that loops, that
// recurses without end or that fills the memory ends as an error of that one
// message. The same bytes give the same result whenever they are decoded, as
// long as the decoder itself keeps nothing between calls.
package javascript

import (
	"errors"
	"fmt"
	"math/rand"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"
	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/buffer"
	"github.com/dop251/goja_nodejs/require"
)

// Limits of one call. Decoders take some 30 µs and a few KiB.
const (
	MaxTime   = 250 * time.Millisecond
	MaxMemory = 64 << 20 // growth of the whole heap while the call runs
	maxCalls  = 512      // depth of recursion
	tick      = 5 * time.Millisecond
	// abandon is how long a call may stay in one built-in function, which
	// cannot be interrupted. The program is not run again after that.
	abandon = 8 * MaxTime
)

// Expressions with a look around or back are matched by trying out, which may
// take for ever and cannot be interrupted from outside. goja has no setting for
// it; what it compiles takes this one.
var _ = func() bool {
	regexp2.DefaultMatchTimeout = MaxTime
	return true
}()

// entries are the functions a decoder may define, in the order they are looked
// for, and how each is called.
var entries = []struct{ name, call string }{
	{"decodeUplink", "f({bytes: bytes, fPort: port, variables: {}, recvTime: new Date()})"}, // ChirpStack 4, The Things Stack, Milesight
	{"Decode", "f(port, bytes, {})"},        // ChirpStack 3
	{"Decoder", "f(bytes, port)"},           // The Things Network 2
	{"milesightDeviceDecode", "f(bytes)"},   // Milesight's own part of all of these
	{"rawDataToProtocol", "f(bytes, \"\")"}, // Alink
}

// bounds keeps single built-in calls from allocating at one stroke what no
// decoder needs, and gives decoders the console they print to.
const bounds = `(function () {
  var limit = 1 << 20;
  function bounded(f) {
    return function (n, fill) {
      if (Number(n) * Math.max(this.length, 1) > limit) throw new RangeError("string too large");
      return f.call(this, n, fill);
    };
  }
  function define(on, name, f) { Object.defineProperty(on, name, {value: f, writable: true, configurable: true}); }
  function tooLarge(what) { throw new RangeError(what + " too large"); }
  function size(v) { return typeof v === "string" ? v.length : 24; }
  ["repeat", "padStart", "padEnd"].forEach(function (name) { define(String.prototype, name, bounded(String.prototype[name])); });
  ["replace", "replaceAll"].forEach(function (name) {
    var f = String.prototype[name];
    if (f) define(String.prototype, name, function (pattern, by) {
      if (typeof by === "string" && (this.length + 1) * by.length > limit) tooLarge("string");
      return f.call(this, pattern, by);
    });
  });
  var join = Array.prototype.join, concat = Array.prototype.concat, fill = Array.prototype.fill, from = Array.from;
  define(Array.prototype, "join", function (by) {
    var total = this.length * (by === undefined ? 1 : size(by));
    if (this.length > limit) tooLarge("array");
    for (var i = 0; i < this.length; i++) total += size(this[i]);
    if (total > 8 * limit) tooLarge("string");
    return join.apply(this, arguments);
  });
  define(Array.prototype, "concat", function () {
    var total = this.length;
    for (var i = 0; i < arguments.length; i++) total += arguments[i] && arguments[i].length || 1;
    if (total > limit) tooLarge("array");
    return concat.apply(this, arguments);
  });
  define(Array.prototype, "fill", function () {
    if (this.length > limit) tooLarge("array");
    return fill.apply(this, arguments);
  });
  define(Array, "from", function (items) {
    if (items && items.length > limit) tooLarge("array");
    return from.apply(this, arguments);
  });
  ["alloc", "allocUnsafe", "allocUnsafeSlow"].forEach(function (name) {
    var f = Buffer[name];
    if (f) define(Buffer, name, function (n) {
      if (Number(n) > limit) tooLarge("Buffer");
      return f.apply(Buffer, arguments);
    });
  });
  var buffers = Buffer.concat;
  if (buffers) define(Buffer, "concat", function (list, n) {
    var total = 0;
    for (var i = 0; list && i < list.length; i++) total += list[i] && list[i].length || 0;
    if (total > limit || Number(n) > limit) tooLarge("Buffer");
    return buffers.apply(Buffer, arguments);
  });
  ["ArrayBuffer", "Uint8Array", "Int8Array", "Uint8ClampedArray", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array", "Float32Array", "Float64Array", "Array"].forEach(function (name) {
    var target = this[name];
    var wrapped = function () {
      if (arguments.length === 1 && (typeof arguments[0] === "number" ? arguments[0] : arguments[0] && arguments[0].length) > limit) tooLarge(name);
      if (!new.target) return target.apply(this, arguments);
      return Reflect.construct(target, arguments, new.target === wrapped ? target : new.target);
    };
    Object.setPrototypeOf(wrapped, target); // its functions: from, of, isArray
    define(wrapped, "name", name);
    Object.defineProperty(wrapped, "prototype", {value: target.prototype});
    define(target.prototype, "constructor", wrapped);
    define(this, name, wrapped);
    if (this[name].from && name !== "Array") define(this[name], "from", function (items, f, self) { return new this(Array.from(items, f, self)); });
  }, this);
  var nothing = function () {};
  this.console = {log: nothing, info: nothing, warn: nothing, error: nothing, debug: nothing};
  this.exports = {};
  this.module = {exports: this.exports}; // for those written for Node
}).call(this)`

// Program is a decoder that has been compiled and has been seen to define one
// of the functions that are called. But for a call that never ended, which ends
// its use, it is immutable.
type Program struct {
	Entry string      // the function that is called
	stuck atomic.Bool // a call of it never ended: see abandon
	code  *goja.Program
	call  *goja.Program // (function (f) { return function (bytes, port) { return f(...) } })
}

var boundsProgram = goja.MustCompile("bounds", bounds, false)

// Compile checks a decoder's text. The error says what is wrong with it.
func Compile(name, text string) (*Program, error) {
	code, err := goja.Compile(name, text, false)
	if err != nil {
		return nil, fmt.Errorf("not JavaScript that can be run: %w", err)
	}
	p := &Program{code: code}
	r := New(p)
	if err := r.restart(); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if r.function(e.name) != nil {
			p.Entry, p.call = e.name, goja.MustCompile("call", "(function (f) { return function (bytes, port) { return "+e.call+"; }; })", false)
			return p, nil
		}
	}
	return nil, errors.New("defines none of decodeUplink(input), Decode(fPort, bytes), Decoder(bytes, port), rawDataToProtocol(bytes)")
}

// Runtime runs a Program for one goroutine.
type Runtime struct {
	program *Program
	vm      *goja.Runtime
	decode  goja.Callable
	now     time.Time
}

// New returns a runtime. Nothing is run before the first Decode.
func New(p *Program) *Runtime { return &Runtime{program: p} }

// function returns a function the decoder defines or exports, or nil.
func (r *Runtime) function(name string) goja.Value {
	v := r.vm.Get(name)
	if module, ok := r.vm.Get("module").(*goja.Object); ok && v == nil {
		if exports, ok := module.Get("exports").(*goja.Object); ok {
			v = exports.Get(name)
		}
	}
	if _, ok := goja.AssertFunction(v); !ok {
		return nil
	}
	return v
}

// restart runs the program's top level in a new virtual machine.
func (r *Runtime) restart() error {
	r.vm = goja.New()
	r.vm.SetMaxCallStackSize(maxCalls)
	r.vm.SetTimeSource(func() time.Time { return r.now })
	random := rand.New(rand.NewSource(1))
	r.vm.SetRandSource(random.Float64)
	// Modules that are files do not exist.
	registry := require.NewRegistry(require.WithLoader(func(string) ([]byte, error) { return nil, require.ModuleFileDoesNotExistError }))
	registry.Enable(r.vm)
	buffer.Enable(r.vm)
	err := r.limited(func(vm *goja.Runtime) error {
		if _, err := vm.RunProgram(boundsProgram); err != nil {
			return err
		}
		_, err := vm.RunProgram(r.program.code)
		return err
	})
	if err != nil {
		return reason(err)
	}
	if r.program.call == nil {
		return nil // being compiled
	}
	wrap, err := r.vm.RunProgram(r.program.call)
	if err != nil {
		return reason(err)
	}
	f, _ := goja.AssertFunction(wrap)
	call, err := f(goja.Undefined(), r.function(r.program.Entry))
	if err != nil {
		return reason(err)
	}
	r.decode, _ = goja.AssertFunction(call)
	return nil
}

// Decode calls the decoder and returns the object it returns. received stands
// in for the clock.
func (r *Runtime) Decode(port int, data []byte, received time.Time) (map[string]any, error) {
	if r.program.stuck.Load() {
		return nil, errStuck // and the clock is still being read
	}
	r.now = received
	if r.vm == nil {
		if err := r.restart(); err != nil {
			r.vm = nil
			return nil, err
		}
	}
	values := make([]any, len(data))
	for i, b := range data {
		values[i] = int64(b)
	}
	bytes, decode := r.vm.NewArray(values...), r.decode
	var result any
	err := r.limited(func(vm *goja.Runtime) error {
		v, err := decode(goja.Undefined(), bytes, vm.ToValue(port))
		if err == nil && v != nil {
			result, err = new(taking).value(v, 0)
		}
		return err
	})
	if err != nil {
		if !errors.As(err, new(*thrown)) {
			r.vm = nil // interrupted halfway: its state is not to be trusted
		}
		return nil, reason(err)
	}
	object, ok := result.(map[string]any)
	if !ok {
		return nil, errors.New("returns no object")
	}
	return object, nil
}

var (
	errTime   = fmt.Errorf("ran longer than %v", MaxTime)
	errMemory = fmt.Errorf("took more than %d MiB", MaxMemory>>20)
	errStuck  = fmt.Errorf("did not end within %v and could not be stopped: it is not run again until the inventory is reloaded", abandon)
)

// limited runs f on the virtual machine. A call that does not end even when it
// is interrupted is left behind with the machine, and the program is run no more.
func (r *Runtime) limited(f func(*goja.Runtime) error) error {
	vm, ended := r.vm, make(chan error, 1)
	go func() { ended <- interruptible(vm, f) }()
	patience := time.NewTimer(abandon)
	defer patience.Stop()
	select {
	case err := <-ended:
		if errors.As(err, new(*panicked)) {
			r.vm = nil
		}
		return err
	case <-patience.C:
		r.program.stuck.Store(true)
		r.vm = nil
		return errStuck
	}
}

// panicked is what came out of a virtual machine that is not to be used again.
type panicked struct{ with any }

func (p *panicked) Error() string {
	if interrupted, ok := p.with.(*goja.InterruptedError); ok {
		return reason(interrupted).Error() // in code that Go called: a toString, a getter
	}
	return fmt.Sprintf("broke the runtime: %v", p.with)
}

// interruptible runs f, and interrupts the virtual machine when it takes too
// long or too much. What ends in time pays for one timer and nothing else.
func interruptible(vm *goja.Runtime, f func(*goja.Runtime) error) (err error) {
	done, watched := make(chan struct{}), make(chan struct{})
	started := time.Now()
	timer := time.AfterFunc(tick, func() {
		defer close(watched)
		heap := heapBytes()
		for {
			select {
			case <-done:
				return
			case <-time.After(tick):
			}
			switch {
			case heapBytes() > heap+MaxMemory:
				vm.Interrupt(errMemory)
				return
			case time.Since(started) > MaxTime:
				vm.Interrupt(errTime)
				return
			}
		}
	})
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p}
		}
		close(done)
		if !timer.Stop() {
			<-watched
			vm.ClearInterrupt()
		}
		if err == nil && time.Since(started) > MaxTime {
			err = errTime // an expression that was given up matches nothing
		}
	}()
	return told(vm, f(vm))
}

func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// reason says in one line why a call failed.
func reason(err error) error {
	var interrupted *goja.InterruptedError
	if errors.As(err, &interrupted) {
		if cause, ok := interrupted.Value().(error); ok {
			return cause
		}
		return err
	}
	var overflow *goja.StackOverflowError
	if errors.As(err, &overflow) {
		return errors.New("recursed too deeply")
	}
	var thrown *goja.Exception
	if errors.As(err, &thrown) {
		return fmt.Errorf("threw %.200s", thrown.Value().String())
	}
	return err
}
