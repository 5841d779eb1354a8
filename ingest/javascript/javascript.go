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
	"time"

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
)

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
  ["repeat", "padStart", "padEnd"].forEach(function (name) {
    Object.defineProperty(String.prototype, name, {value: bounded(String.prototype[name]), writable: true, configurable: true});
  });
  ["ArrayBuffer", "Uint8Array", "Int8Array", "Uint8ClampedArray", "Uint16Array", "Int16Array", "Uint32Array", "Int32Array", "Float32Array", "Float64Array", "Array"].forEach(function (name) {
    this[name] = new Proxy(this[name], {
      construct: function (target, args, self) {
        if (args.length === 1 && typeof args[0] === "number" && args[0] > limit) throw new RangeError(name + " too large");
        return Reflect.construct(target, args, self);
      }
    });
  }, this);
  var nothing = function () {};
  this.console = {log: nothing, info: nothing, warn: nothing, error: nothing, debug: nothing};
  this.exports = {};
  this.module = {exports: this.exports}; // for those written for Node
}).call(this)`

// Program is a decoder that has been compiled and has been seen to define one
// of the functions that are called. It is immutable.
type Program struct {
	Entry string // the function that is called
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
	err := r.limited(func() error {
		if _, err := r.vm.RunProgram(boundsProgram); err != nil {
			return err
		}
		_, err := r.vm.RunProgram(r.program.code)
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
	bytes := r.vm.NewArray(values...)
	var result any
	err := r.limited(func() error {
		v, err := r.decode(goja.Undefined(), bytes, r.vm.ToValue(port))
		if err == nil && v != nil {
			result = v.Export()
		}
		return err
	})
	if err != nil {
		var thrown *goja.Exception
		if !errors.As(err, &thrown) {
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
)

// limited runs f, and interrupts the virtual machine when it takes too long or
// too much. What ends in time pays for one timer and nothing else.
func (r *Runtime) limited(f func() error) (err error) {
	vm := r.vm
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
			r.vm = nil
			err = fmt.Errorf("broke the runtime: %v", p)
		}
		close(done)
		if !timer.Stop() {
			<-watched
			vm.ClearInterrupt()
		}
	}()
	return f()
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
