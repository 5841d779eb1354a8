package javascript

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// caseFile reads a file of a case of the audit.
func caseFile(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("GREENCOMMUNITY_CASES")
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("GREENCOMMUNITY_CASES is not set: name the directory of the reference cases")
		}
		t.Skip("GREENCOMMUNITY_CASES is not set; the tables beside this test the same kinds")
	}
	text, err := os.ReadFile(filepath.Join(dir, "field/codecs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func compiled(t *testing.T, text string) *Runtime {
	t.Helper()
	p, err := Compile("test.js", text)
	if err != nil {
		t.Fatal(err)
	}
	return New(p)
}

// decoded is the result as JSON, or the error.
func decoded(r *Runtime, data string) string {
	result, err := r.Decode(1, []byte(data), received)
	if err != nil {
		return err.Error()
	}
	text, err := json.Marshal(result)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestCase01SparseArray(t *testing.T) {
	r := compiled(t, caseFile(t, "01-sparse-array-kills-service/hist.js"))
	if have := decoded(r, caseFile(t, "01-sparse-array-kills-service/frame.bin")); !strings.Contains(have, "higher index") {
		t.Error(have)
	}
	if have := decoded(r, "\x00\x00\x00\x01\x50\x07"); have != `{"data":{"battery_level":80,"history":[null,7]}}` {
		t.Errorf("the next message: %s", have)
	}
}

func TestCase02ThrowToString(t *testing.T) {
	if have := decoded(compiled(t, caseFile(t, "02-throw-tostring-hangs-worker/decoder.js")), "d"); have != errTime.Error() {
		t.Error(have)
	}
}

func TestCase05StateBetweenMessages(t *testing.T) {
	const dir = "05-state-between-messages/"
	r := compiled(t, caseFile(t, dir+"decoder.js"))
	for _, c := range []struct{ file, want string }{
		{"config.bin", `{"data":{"interval":`},
		{"data.bin", `{"data":{"battery_level":80,"water_volume_total":1}}`},
		{"log-of-device-a.bin", `"log":"`},
		{"empty.bin", `{"data":{"battery_level":90,"log":""}}`},
		{"data.bin", `{"data":{"battery_level":80,"water_volume_total":1}}`},
	} {
		if have := decoded(r, caseFile(t, dir+c.file)); !strings.Contains(have, c.want) {
			t.Errorf("%s: %s, want %s", c.file, have, c.want)
		}
	}
}

func TestCase16BufferTextDecoder(t *testing.T) {
	if have := decoded(compiled(t, caseFile(t, "16-buffer-constructor-textdecoder/decoder.js")), "\x07"); have != `{"data":{"battery_level":7,"s":"A","t":"AB"}}` {
		t.Error(have)
	}
}

// Ways to leave something behind. Each decoder is called with 1 and then with 2;
// the second call must be as the first in a new machine. Kept says whether the
// machine outlives the calls, which is what makes them quick.
func TestNothingIsLeftBehind(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		kept       bool
	}{
		"a variable":                {`var n = 0; function Decoder(b) { n += b[0]; return {n: n}; }`, `{"n":2}`, true},
		"a let":                     {`let n = 0; function Decoder(b) { n += b[0]; return {n: n}; }`, `{"n":2}`, true},
		"one never declared":        {`function Decoder(b) { for (i = 0; i < 3; i++); var had = typeof seen; seen = b[0]; return {had: had}; }`, `{"had":"undefined"}`, true},
		"a table that is only read": {`const t = {1: "a", 2: "b"}; function Decoder(b) { var o = {}; o.v = t[b[0]]; return o; }`, `{"v":"b"}`, true},
		"a table of Chinese words":  {`var t = {1: "水", "表": {"量": "立方"}}; function put(o, k) { o[k] = t["表"]["量"]; } function Decoder(b) { var o = {}; put(o, "v"); return o; }`, `{"v":"立方"}`, true},
		"a table that is changed":   {`var t = {}; function Decoder(b) { t[b[0]] = b[0]; return t; }`, `{"2":2}`, false},
		"by another name":           {`var t = {a: {}}; function Decoder(b) { var x = t.a; x[b[0]] = 1; return t; }`, `{"a":{"2":1}}`, false},
		"by a parameter":            {`var t = {}; function put(o, k) { o[k] = 1; } function Decoder(b) { put(t, b[0]); return t; }`, `{"2":1}`, false},
		"an array that grows":       {`var log = []; function Decoder(b) { log.push(b[0]); return {log: log}; }`, `{"log":[2]}`, false},
		"an array, by another name": {`const log = []; function Decoder(b) { const l = log; l.push(b[0]); return {log: l}; }`, `{"log":[2]}`, false},
		"a counter in a closure":    {`var m = (function () { var n = 0; return {next: function () { return ++n; }}; })(); function Decoder(b) { return {n: m.next()}; }`, `{"n":1}`, false},
		"a closure made by a call":  {`function counter() { var n = 0; return function () { return ++n; }; } var next = counter(); function Decoder(b) { return {n: next()}; }`, `{"n":1}`, false},
		"a prototype":               {`function Decoder(b) { var had = [].extra; Array.prototype.extra = b[0]; return {had: had === undefined}; }`, `{"had":true}`, false},
		"Object's prototype":        {`function Decoder(b) { var had = ({}).x; ({}).__proto__.x = 1; return {had: had === undefined}; }`, `{"had":true}`, false},
		"a prototype by a variable": {`function Decoder(b) { var p = String.prototype, had = p.x; p.x = 1; return {had: had === undefined}; }`, `{"had":true}`, false},
		"a function's property":     {`function Decoder(b) { Decoder.n = (Decoder.n || 0) + 1; return {n: Decoder.n}; }`, `{"n":1}`, false},
		"an object of ours":         {`function Decoder(b) { var had = Math.x; Math.x = 1; return {had: had === undefined}; }`, `{"had":true}`, false},
		"where an expression stands": {`var e = /1/g; function Decoder(b) { return {found: e.test("1")}; }`,
			`{"found":true}`, false},
		"a Map":                            {`const m = new Map(); function Decoder(b) { m.set(b[0], 1); return {n: m.size}; }`, `{"n":1}`, false},
		"a class's instance":               {`class C { constructor() { this.n = 0; } next() { return ++this.n; } } const c = new C(); function Decoder(b) { return {n: c.next()}; }`, `{"n":1}`, false},
		"this of a plain call":             {`function Decoder(b) { var had = this.x; this.x = 1; return {had: had === undefined}; }`, `{"had":true}`, false},
		"the time at the start":            {`var at = Date.now(); function Decoder(b) { return {at: at}; }`, `{"at":1793520000000}`, false},
		"a class made each time":           {`class C { constructor(b) { this.n = b; } } function Decoder(b) { return {n: new C(b[0]).n}; }`, `{"n":2}`, true},
		"helpers that fill":                {`function put(o, k, v) { o[k] = v; } function Decoder(b) { var o = {}; put(o, "v", b[0]); return o; }`, `{"v":2}`, true},
		"slice and toString":               {`function Decoder(b) { return {a: Array.prototype.slice.call(b, 0), o: Object.prototype.hasOwnProperty.call({x: 1}, "x"), m: Math.max.apply(null, b)}; }`, `{"a":[2],"m":2,"o":true}`, true},
		"chance":                           {`function Decoder(b) { return {same: Math.random() === Math.random(), r: Math.floor(Math.random() * 0) }; }`, `{"r":0,"same":false}`, true},
		"by apply":                         {`var log = []; function Decoder(b) { Array.prototype.push.apply(log, [b[0]]); return {log: log}; }`, `{"log":[2]}`, false},
		"by a computed name":               {`var log = []; function Decoder(b) { log["push"](b[0]); return {log: log}; }`, `{"log":[2]}`, false},
		"by a name in a variable":          {`var log = [], how = "push"; function Decoder(b) { log[how](b[0]); return {log: log}; }`, `{"log":[2]}`, false},
		"by a method taken out":            {`var log = []; function Decoder(b) { var add = log.push; add.call(log, b[0]); return {log: log}; }`, `{"log":[2]}`, false},
		"by a name assigned in a callback": {`var t = {}; function Decoder(b) { var o = {}; [1].forEach(function () { o = t; }); o[b[0]] = 1; return t; }`, `{"2":1}`, false},
		"by a name assigned in a pattern":  {`var t = {}; function Decoder(b) { var o = {}; [o] = [t]; o[b[0]] = 1; return t; }`, `{"2":1}`, false},
		"by a pattern":                     {`var t = {}; function Decoder(b) { [t["k" + b[0]]] = [1]; return t; }`, `{"k2":1}`, false},
		"by a loop":                        {`var t = {n: 0}; function Decoder(b) { var had = t.n; for (t.n of [1, 2]); return {had: had}; }`, `{"had":0}`, false},
		"by Object.assign":                 {`var t = {}; function Decoder(b) { var o = t; Object.assign(o, {["k" + b[0]]: 1}); return t; }`, `{"k2":1}`, false},
		"by freezing":                      {`var t = {}; function Decoder(b) { var had = Object.isFrozen(t); Object.freeze(t); return {had: had}; }`, `{"had":false}`, false},
		"by an optional chain":             {`var t = {l: []}; function Decoder(b) { t?.l.push(b[0]); return t; }`, `{"l":[2]}`, false},
		"by an optional link":              {`var l = []; function Decoder(b) { l?.push(b[0]); return {l: l, n: null?.push(1) === undefined}; }`, `{"l":[2],"n":true}`, false},
		"by deleting":                      {`var t = {a: 1}; function Decoder(b) { var o = t, had = o.a; delete o.a; return {had: had}; }`, `{"had":1}`, false},
		"by deleting, optional":            {`var t = {a: 1}; function Decoder(b) { var had = t.a; delete t?.a; return {had: had}; }`, `{"had":1}`, false},
		"by counting":                      {`var t = {n: 0}; function Decoder(b) { t.n++; t.n += 2; return t; }`, `{"n":3}`, false},
		"a table never declared":           {`t = {}; function Decoder(b) { var o = t; o[b[0]] = 1; return o; }`, `{"2":1}`, false},
		"a prototype by text":              {`function Decoder(b) { var p = [].constructor["prototype"], had = p.x; p.x = 1; return {had: had === undefined}; }`, `{"had":true}`, false},
		"console":                          {`function Decoder(b) { var c = console, had = c.n; c.n = 1; return {had: had === undefined}; }`, `{"had":true}`, false},
		"nested members of its own":        {`var t = {a: {u: "V"}}; function Decoder(b) { var o = {a: {}}; for (var k in t) { o[k].u = t[k].u; o[k].v = b[0]; } return o; }`, `{"a":{"u":"V","v":2}}`, true},
		"a constructor's this":             {`function F(n) { this.n = n; } function Decoder(b) { return {n: new F(b[0]).n}; }`, `{"n":2}`, true},
		"exports":                          {`module.exports = {Decoder: function (b) { return {v: b[0]}; }};`, `{"v":2}`, true},
		"thrown halfway":                   {`var n = 0; function Decoder(b) { n++; if (b[0] === 1) throw new Error("no"); return {n: n}; }`, `{"n":1}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := compiled(t, c.text)
			decoded(r, "\x01")
			if kept := r.vm != nil; kept != c.kept {
				t.Errorf("the machine is kept: %v, want %v", kept, c.kept)
			}
			if have := decoded(r, "\x02"); have != c.want {
				t.Errorf("have %s, want %s", have, c.want)
			}
			if fresh := decoded(compiled(t, c.text), "\x02"); fresh != c.want {
				t.Errorf("in a new machine: %s, want %s", fresh, c.want)
			}
		})
	}
}

// What decoders expect of node and of browsers, and what is off.
func TestSurroundings(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"new Buffer(n)":          {`return {n: new Buffer(3).length, b: new Buffer([1, 2]).toString("hex"), s: new Buffer("ff", "hex")[0], i: new Buffer(1) instanceof Buffer, is: Buffer.isBuffer(new Buffer(1))}`, `{"b":"0102","i":true,"is":true,"n":3,"s":255}`},
		"Buffer of the module":   {`return {n: new (require("buffer").Buffer)(2).length}`, `{"n":2}`},
		"a Buffer too large":     {`return {n: new Buffer(3e9).length}`, "too large"},
		"TextDecoder":            {`return {a: new TextDecoder().decode(Uint8Array.from([0xef, 0xbb, 0xbf, 0xe6, 0xb0, 0xb4])), g: new TextDecoder("gbk").decode(new Uint8Array([0xcb, 0xae])), l: new TextDecoder("latin1").decode(Buffer.from([0xe9]))}`, `{"a":"水","g":"水","l":"é"}`},
		"TextDecoder of another": {`return new TextDecoder("ebcdic")`, "RangeError"},
		"TextEncoder":            {`return {b: Array.from(new TextEncoder().encode("水"))}`, `{"b":[230,176,180]}`},
		"atob and btoa":          {`return {a: atob("/w==").charCodeAt(0), b: btoa("\u00ff")}`, `{"a":255,"b":"/w=="}`},
		"BigInt":                 {`return {n: 123n, big: 2n ** 70n}`, `{"big":1.1805916207174113e+21,"n":123}`},
		"BigInt too large":       {`return {n: 1n << 5000n}`, "BigInt of more"},
		"a list of records":      {`return [{n: 1}, {n: 2}]`, `[{"n":1},{"n":2}]`},
		"undefined":              {`return`, `null`},
		"eval":                   {`return {v: eval("1 + 1")}`, "EvalError"},
		"eval deep":              {`return {v: (0, eval)("[".repeat(1e6))}`, "EvalError"},
		"Function":               {`return {v: new Function("return 1")()}`, "EvalError"},
		"a function's":           {`return {v: (function () {}).constructor("return 1")()}`, "EvalError"},
		"an arrow's":             {`return {v: (() => 1)["const" + "ructor"]("return 1")()}`, "EvalError"},
		"an async function's":    {`return {v: (async function () {})["const" + "ructor"]("return 1")()}`, "EvalError"},
		"a generator's":          {`return {v: (function* () {})["const" + "ructor"]("return 1")()}`, "EvalError"},
		"Function is still one":  {`return {v: (function () {}) instanceof Function, w: typeof Function.prototype.call}`, `{"v":true,"w":"function"}`},
		"JSON":                   {`return JSON.parse('{"a": [1, {"b": null}]}')`, `{"a":[1,{"b":null}]}`},
		"JSON too deep":          {`return JSON.parse("[".repeat(1e6))`, "too large"},
		"native is hidden":       {`return {v: typeof native}`, `{"v":"undefined"}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := compiled(t, "function Decoder(b, port) { "+c.body+"; }")
			for range 2 {
				if have := decoded(r, "\x01"); have != c.want && (strings.HasPrefix(c.want, "{") || !strings.Contains(have, c.want)) {
					t.Errorf("have %s, want %s", have, c.want)
				}
			}
		})
	}
	if _, err := Compile("deep.js", strings.Repeat("[", 1e6)); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("a text nested deep: %v", err)
	}
}

// Files as Chinese editors write them, and one with a damaged character.
func TestTextOfFiles(t *testing.T) {
	text := "// 水表解码\nfunction Decoder(b) { return {水量: b[0], note: '正常'}; }"
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"UTF-8": text, "with a mark": "\ufeff" + text, "GBK": gbk,
		"damaged": strings.Replace(text, "水表", "\xe6\xb0表", 1),
	} {
		if have := decoded(compiled(t, file), "\x07"); have != `{"note":"正常","水量":7}` {
			t.Errorf("%s: %s", name, have)
		}
	}
}

// Cases 04 and 17: the process is stopped in the middle of calls, by the signal
// a freezer or a starved machine comes down to. No message is refused for it.
func TestCase04And17Pauses(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r := compiled(t, `function Decoder(b) { for (var i = 0, n = 0; i < 300; i++) n += i; return {n: n}; }`)
	pauses := exec.Command("sh", "-c", fmt.Sprintf("for s in 0.3 0.3 0.3 2.4; do sleep 0.05; kill -STOP %d; sleep $s; kill -CONT %[1]d; done", os.Getpid()))
	if err := pauses.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- pauses.Wait() }()
	for n := 0; ; n++ {
		if have := decoded(r, "\x01"); have != `{"n":44850}` {
			t.Fatalf("message %d: %s", n, have)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

// A decoder that rests is tried again, and runs as before once a call ends.
func TestRest(t *testing.T) {
	var s rest
	now := time.Now()
	s.begin(now)
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {minRest - 1, false}, {minRest, true}, {minRest + 1, false}, {2 * minRest, true}} {
		if have := s.allowed(now.Add(step.after)); have != step.want {
			t.Errorf("after %v: %v", step.after, have)
		}
	}
	s.begin(now) // the second is left behind
	if s.allowed(now.Add(maxRest)) {
		t.Error("a third is let through while two run")
	}
	s.ended()
	if s.length != 2*minRest || !s.allowed(now.Add(maxRest)) {
		t.Errorf("rests %v", s.length)
	}
	s.over()
	if !s.allowed(now) {
		t.Error("it still rests after a call that ended")
	}
}

func TestBroken(t *testing.T) {
	why := errors.New("codecs/a.js: line 1")
	if _, err := New(Broken(why)).Decode(1, nil, received); !errors.Is(err, why) {
		t.Error(err)
	}
}
