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
	"math/rand/v2"
	"runtime"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/buffer"
	"github.com/dop251/goja_nodejs/require"
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
  var buffered = typeof Buffer !== "undefined";
  if (buffered) ["alloc", "allocUnsafe", "allocUnsafeSlow"].forEach(function (name) {
    var f = Buffer[name];
    if (f) define(Buffer, name, function (n) {
      if (Number(n) > limit) tooLarge("Buffer");
      return f.apply(Buffer, arguments);
    });
  });
  var buffers = buffered && Buffer.concat;
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
  // Code is the file's and nothing else: text is not compiled. goja's compiler
  // recurses as deep as the text is nested, which may end the process.
  function noCode() { throw new EvalError("code from text is not run"); }
  define(this, "eval", function (v) { return typeof v === "string" ? noCode() : v; });
  [function () {}, async function () {}, function* () {}].forEach(function (f) {
    var proto = Object.getPrototypeOf(f), stub = function () { noCode(); };
    Object.defineProperty(stub, "name", {value: proto.constructor.name});
    Object.defineProperty(stub, "prototype", {value: proto});
    Object.setPrototypeOf(stub, Function.prototype);
    Object.defineProperty(proto, "constructor", {value: stub, writable: true, configurable: true});
  });
  var F = Function.prototype.constructor;
  define(this, "Function", F);
  var depth = native.depth, gbk = native.gbk, parse = JSON.parse;
  delete this.native;
  define(JSON, "parse", function (text, reviver) {
    text = String(text);
    if (text.length > limit || depth(text) > 512) tooLarge("JSON");
    return reviver === undefined ? parse(text) : parse(text, reviver);
  });
  // Texts of times and numbers without options are as en-US has them, as in node.
  function two(n) { return (n < 10 ? "0" : "") + n; }
  function day(d) { return (d.getMonth() + 1) + "/" + d.getDate() + "/" + d.getFullYear(); }
  function hour(d) { return (d.getHours() % 12 || 12) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds()) + (d.getHours() < 12 ? " AM" : " PM"); }
  function english(on, name, f) {
    var own = on[name];
    define(on, name, function (locale, options) {
      return (locale === undefined || locale === "en-US") && options === undefined && !isNaN(this) ? f(this) : own.apply(this, arguments);
    });
  }
  english(Date.prototype, "toLocaleString", function (d) { return day(d) + ", " + hour(d); });
  english(Date.prototype, "toLocaleDateString", day);
  english(Date.prototype, "toLocaleTimeString", hour);
  english(Number.prototype, "toLocaleString", function (n) {
    if (!(Math.abs(n) < 1e15)) return String(n);
    var parts = String(Number(Math.abs(n).toFixed(3))).split(".");
    return (n < 0 ? "-" : "") + parts[0].replace(/\B(?=(\d{3})+$)/g, ",") + (parts[1] ? "." + parts[1] : "");
  });
  var nothing = function () {};
  this.console = {log: nothing, info: nothing, warn: nothing, error: nothing, debug: nothing};
  this.exports = {};
  this.module = {exports: this.exports}; // for those written for Node
  if (!buffered) return;
  // node's old constructor, and what browsers and node have for text.
  var B = Buffer, made = function (v, a, b) { return typeof v === "number" ? B.alloc(v) : B.from(v, a, b); };
  Object.setPrototypeOf(made, B);
  Object.defineProperty(made, "prototype", {value: B.prototype});
  define(made, "name", "Buffer");
  define(made, "isBuffer", function (v) { return v instanceof B; });
  define(B.prototype, "constructor", made);
  require("buffer").Buffer = made;
  define(this, "Buffer", made);
  define(this, "btoa", function (s) {
    s = String(s);
    if (s.length > limit) tooLarge("string");
    var b = [];
    for (var i = 0; i < s.length; i++) {
      if (s.charCodeAt(i) > 255) throw new RangeError("btoa: a character beyond Latin-1");
      b.push(s.charCodeAt(i));
    }
    return B.from(b).toString("base64");
  });
  function latin1(bytes) {
    var s = [];
    for (var i = 0; i < bytes.length; i++) s.push(String.fromCharCode(bytes[i]));
    return s.join("");
  }
  define(this, "atob", function (s) { return latin1(B.from(String(s), "base64")); });
  function Encoder() {}
  Encoder.prototype.encoding = "utf-8";
  Encoder.prototype.encode = function (s) { return Uint8Array.from(B.from(s === undefined ? "" : String(s), "utf8")); };
  define(this, "TextEncoder", Encoder);
  function Decoder(label) {
    var name = label === undefined ? "utf-8" : String(label).trim().toLowerCase();
    if (name === "utf8" || name === "unicode-1-1-utf-8") name = "utf-8";
    if (name === "gb2312" || name === "gb_2312-80" || name === "x-gbk" || name === "gb18030") name = "gbk";
    if (name === "ascii" || name === "us-ascii" || name === "latin1" || name === "iso-8859-1") name = "windows-1252";
    if (name !== "utf-8" && name !== "gbk" && name !== "windows-1252") throw new RangeError("TextDecoder: " + name + " is not there; utf-8, gbk and latin1 are");
    this.encoding = name;
  }
  Decoder.prototype.decode = function (bytes) {
    if (bytes === undefined) return "";
    if (bytes instanceof ArrayBuffer) bytes = new Uint8Array(bytes);
    else if (bytes.buffer) bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length > limit) tooLarge("text");
    if (this.encoding === "windows-1252") return latin1(bytes);
    if (this.encoding === "gbk") return gbk(latin1(bytes));
    return B.from(bytes).toString("utf8").replace(/^\ufeff/, "");
  };
  define(this, "TextDecoder", Decoder);
}).call(this)`

// Program is a decoder that has been compiled and has been seen to define one
// of the functions that are called. But for its rest, it is immutable.
type Program struct {
	Entry   string // the function that is called
	broken  error  // why it cannot be run
	rest    rest
	keeping *keeping
	buffers bool // Buffer and what is made of it is there: a third of what a machine costs
	code    *goja.Program
	call    *goja.Program // (function (f, n) { return function (bytes, port) { return f(...) } })
	// normalizes says that it defines normalizeUplink: call then returns both results.
	normalizes bool
}

// normalizing calls a decoder and then its normalizeUplink. What that throws is
// its own: the decoder's result stands.
var normalizing = goja.MustCompile("call", `(function (f, n) {
  return function (bytes, port) {
    var at = new Date(), result = f({bytes: bytes, fPort: port, variables: {}, recvTime: at}), normal = null;
    if (result && result.data && !(result.errors && result.errors.length)) {
      try { normal = n({data: result.data, fPort: port, recvTime: at}); } catch (e) {}
    }
    return [result, normal && normal.data];
  };
})`, false)

var boundsProgram = goja.MustCompile("bounds", bounds, false)

// Compile checks a decoder's text, which is UTF-8, or GBK as Chinese editors
// write it. The error says what is wrong with it.
func Compile(name, text string) (*Program, error) {
	text = unicodeText(text)
	if depth := nesting(text); depth > maxNesting {
		return nil, fmt.Errorf("brackets nested %d deep; at most %d", depth, maxNesting)
	}
	tree, err := goja.Parse(name, text)
	if err != nil {
		return nil, fmt.Errorf("not JavaScript that can be run: %w", err)
	}
	keeping := keptBy(tree)
	code, err := goja.CompileAST(tree, false)
	if err != nil {
		return nil, fmt.Errorf("not JavaScript that can be run: %w", err)
	}
	p := &Program{code: code, keeping: keeping, buffers: namesBuffers(text)}
	r := New(p)
	err = r.restart()
	for range attempts - 1 {
		if !errors.Is(err, errDoubtful) {
			break
		}
		err = r.restart()
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if r.function(e.name) != nil {
			p.Entry, p.normalizes = e.name, e.name == entries[0].name && r.function("normalizeUplink") != nil
			p.call = goja.MustCompile("call", "(function (f) { return function (bytes, port) { return "+e.call+"; }; })", false)
			if p.normalizes {
				p.call = normalizing
			}
			return p, nil
		}
	}
	return nil, errors.New("defines none of decodeUplink(input), Decode(fPort, bytes), Decoder(bytes, port), rawDataToProtocol(bytes)")
}

// namesBuffers reports whether a text may use Buffer or what is made of it: by name, or
// by one that it puts together.
func namesBuffers(text string) bool {
	for _, name := range []string{"Buffer", "require", "atob", "btoa", "TextDecoder", "TextEncoder", "globalThis", "this[", "global[", "window"} {
		if strings.Contains(text, name) {
			return true
		}
	}
	return false
}

// Runtime runs a Program for one goroutine.
type Runtime struct {
	program *Program
	vm      *goja.Runtime
	kept    *kept
	decode  goja.Callable
	normal  any
	now     time.Time
	random  *rand.PCG
	timer   *time.Timer
	runner  *runner // nil until the first call, and after one was left behind
	cleanup runtime.Cleanup
}

// Broken stands for a decoder that cannot be run: each message is refused with
// why, which names the file and the vendor.
func Broken(why error) *Program { return &Program{broken: why} }

// Err returns why the program cannot be run; nil if it can.
func (p *Program) Err() error { return p.broken }

// New returns a runtime. Nothing is run before the first Decode.
func New(p *Program) *Runtime { return &Runtime{program: p, random: rand.NewPCG(1, 1)} }

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
	r.random.Seed(1, 1)
	r.vm.SetRandSource(rand.New(r.random).Float64)
	// Modules that are files do not exist.
	registry := require.NewRegistry(require.WithLoader(func(string) ([]byte, error) { return nil, require.ModuleFileDoesNotExistError }))
	registry.Enable(r.vm)
	if r.program.buffers {
		buffer.Enable(r.vm)
	}
	if err := r.vm.Set("native", map[string]any{"depth": nesting, "gbk": fromGBK}); err != nil {
		return err
	}
	r.kept = nil
	err := r.vm.GlobalObject().DefineDataProperty(barrier, r.vm.ToValue(r.written), goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE)
	if err != nil {
		return err
	}
	err = r.limited(func(vm *goja.Runtime) error {
		if _, err := vm.RunProgram(boundsProgram); err != nil {
			return err
		}
		if _, err := vm.RunProgram(r.program.code); err != nil {
			return err
		}
		if r.program.call == nil {
			return nil // being compiled
		}
		wrap, err := vm.RunProgram(r.program.call)
		if err != nil {
			return err
		}
		f, _ := goja.AssertFunction(wrap)
		arguments := []goja.Value{r.function(r.program.Entry)}
		if r.program.normalizes {
			arguments = append(arguments, r.function("normalizeUplink"))
		}
		call, err := f(goja.Undefined(), arguments...)
		if err != nil {
			return err
		}
		r.decode, _ = goja.AssertFunction(call)
		if failed := vm.Try(func() { r.kept = r.program.keeping.remember(vm) }); failed != nil {
			return failed
		}
		return nil
	})
	if err != nil {
		r.vm = nil
		return reason(err)
	}
	return nil
}

// written is the barrier: a member of its argument is about to be changed.
func (r *Runtime) written(call goja.FunctionCall) goja.Value {
	v := call.Argument(0)
	if o, ok := v.(*goja.Object); ok && r.kept != nil && r.kept.behind[o] {
		r.kept.written = true
	}
	return v
}

// Decode calls the decoder and returns what it returns: nil for undefined and
// null, else bool, int64, float64, string, time.Time, []any or map[string]any.
// received stands in for the clock.
func (r *Runtime) Decode(port int, data []byte, received time.Time) (any, error) {
	if r.program.broken != nil {
		return nil, r.program.broken
	}
	if !r.program.rest.allowed(time.Now()) {
		return nil, errStuck
	}
	result, err := r.run(port, data, received)
	for range attempts - 1 {
		if !errors.Is(err, errDoubtful) {
			break
		}
		result, err = r.run(port, data, received)
	}
	if errors.Is(err, errDoubtful) {
		err = errTime
	}
	if !errors.Is(err, errStuck) {
		r.program.rest.over()
	}
	return result, err
}

// run makes one call.
func (r *Runtime) run(port int, data []byte, received time.Time) (any, error) {
	r.now, r.normal = received, nil
	if r.vm == nil {
		if err := r.restart(); err != nil {
			return nil, err
		}
	}
	r.random.Seed(1, 1)
	values := make([]any, len(data))
	for i, b := range data {
		values[i] = int64(b)
	}
	bytes, decode, again := r.vm.NewArray(values...), r.decode, false
	var result any
	err := r.limited(func(vm *goja.Runtime) error {
		v, err := decode(goja.Undefined(), bytes, vm.ToValue(port))
		if err == nil && v != nil {
			result, err = new(taking).value(v, 0)
		}
		switch err = told(vm, err); {
		case r.kept.plain():
			again = err == nil || errors.As(err, new(*thrown))
		case err == nil || errors.As(err, new(*thrown)):
			if failed := vm.Try(func() { again = r.kept.restore(vm) }); failed != nil {
				again = false
			}
		}
		return err
	})
	if !again || err != nil && !errors.As(err, new(*thrown)) {
		r.vm = nil // what the call left behind, or an interruption halfway
	}
	if err != nil {
		return nil, reason(err)
	}
	if both, ok := result.([]any); ok && r.program.normalizes {
		result, r.normal = both[0], both[1]
	}
	return result, nil
}

// Normalized returns what the program's normalizeUplink made of the last Decode's result,
// in the schema of The Things Network: an object, or a list of them. It
// is nil if the program has none, or it made nothing.
func (r *Runtime) Normalized() any { return r.normal }

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
