package javascript

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var received = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func TestDecode(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // result, or a part of the error
	}{
		{"ChirpStack 4 and The Things Stack", `function decodeUplink(input) { return {data: {t: input.bytes[0] / 10, port: input.fPort}}; }`, `{"data":{"port":7,"t":1.7}}`},
		{"ChirpStack 3", `function Decode(fPort, bytes) { return {n: bytes.length, p: fPort}; }`, `{"n":2,"p":7}`},
		{"The Things Network 2", `function Decoder(bytes, port) { return {n: bytes.slice(1)[0], p: port}; }`, `{"n":34,"p":7}`},
		{"Alink", `function rawDataToProtocol(bytes) { var b = new Uint8Array(2); b[0] = bytes[1]; return {params: {v: b[0]}}; }`, `{"params":{"v":34}}`},
		{"Buffer", `function decodeUplink(input) { return {data: {v: Buffer.from(input.bytes).readUInt16BE(0)}}; }`, `{"data":{"v":4386}}`},
		{"Buffer as module", `var B = require("buffer").Buffer; function decodeUplink(i) { return {data: {v: B.from(i.bytes).toString("hex")}}; }`, `{"data":{"v":"1122"}}`},
		{"clock is the message's", `function decodeUplink(i) { return {now: Date.now(), at: i.recvTime.getTime()}; }`, `{"at":1793520000000,"now":1793520000000}`},
		{"Node", `module.exports = {decodeUplink: function (i) { return {p: i.fPort}; }};`, `{"p":7}`},
		{"printing", `function decodeUplink(i) { console.log(i); return {}; }`, `{}`},
		{"throws", `function decodeUplink(i) { throw new Error("no such channel"); }`, "threw Error: no such channel"},
		{"returns nothing", `function decodeUplink(i) {}`, "null"},
		{"loops", `function decodeUplink(i) { for (;;) {} }`, "longer than"},
		{"recurses", `function decodeUplink(i) { return decodeUplink(i); }`, "deep"},
		{"fills memory", `function decodeUplink(i) { for (var s = "x"; ; ) s += s; }`, ""}, // by whichever limit is reached first,
		{"allocates at one stroke", `function decodeUplink(i) { return "x".repeat(1e9); }`, "too large"},
		{"allocates a buffer", `function decodeUplink(i) { return new Uint8Array(1e9).length; }`, "too large"},
		{"allocates a Buffer", `function decodeUplink(i) { return Buffer.alloc(3e9).length; }`, "too large"},
		{"allocates by what is like an array", `function decodeUplink(i) { return new Uint8Array({length: 3e9}).length; }`, "too large"},
		{"allocates by a constructor found", `function decodeUplink(i) { return new (new Uint8Array(1)).constructor(3e9).length; }`, "too large"},
		{"allocates from what is like an array", `function decodeUplink(i) { return Uint8Array.from({length: 3e9}).length; }`, "too large"},
		{"joins", `function decodeUplink(i) { return new Array(3000).fill("x".repeat(1e6)).join("").length; }`, "too large"},
		{"replaces", `function decodeUplink(i) { return "x".repeat(3000).replace(/x/g, "y".repeat(1e6)).length; }`, "too large"},
		{"concatenates", `function decodeUplink(i) { var b = Buffer.alloc(1e6), l = []; for (var n = 0; n < 3000; n++) l.push(b); return Buffer.concat(l).length; }`, "too large"},
		{"an expression that looks ahead", `function decodeUplink(i) { return {v: /^(?=a)(a+)+$/.test("a".repeat(40) + "b")}; }`, "longer than"},
		{"arrays as they are used", `function decodeUplink(i) { var h = Array.from(i.bytes).map(function (b) { return ("0" + b.toString(16)).slice(-2); }).join(""); return {h: h, n: [].concat(i.bytes, [1]).length, u: Array.from(Uint8Array.from(i.bytes)), s: "a-b-c".replace(/-/g, "+"), k: new Uint8Array(i.bytes) instanceof Uint8Array && i.bytes instanceof Array && Array.isArray(i.bytes) && Array(3).length === 3 && [].constructor === Array && Array.of(1, 2).length === 2 && new Uint8Array(new ArrayBuffer(4)).byteLength === 4 && Float32Array.BYTES_PER_ELEMENT === 4 && Object.prototype.toString.call([]) === "[object Array]", f: new Array(2).fill(0), b: Buffer.concat([Buffer.from([1]), Buffer.from(i.bytes)]).toString("hex")}; }`,
			`{"b":"011122","f":[0,0],"h":"1122","k":true,"n":3,"s":"a+b+c","u":[17,34]}`},
		{"reads files", `function decodeUplink(i) { return require("/etc/hostname"); }`, "threw"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Compile("test.js", test.text)
			if err != nil {
				t.Fatal(err)
			}
			r := New(p)
			for range 2 { // a failed call must not spoil the next
				result, err := r.Decode(7, []byte{17, 34}, received)
				have := ""
				if text, e := json.Marshal(result); e == nil {
					have = string(text)
				}
				if err != nil {
					have = err.Error()
				}
				if test.want == "" && err != nil && (strings.Contains(have, errTime.Error()) || strings.Contains(have, errMemory.Error())) {
					continue
				}
				if have != test.want && (err == nil || !strings.Contains(have, test.want)) {
					t.Fatalf("have %s, want %s", have, test.want)
				}
			}
		})
	}
}

// A call that stays in a built-in function cannot be interrupted. It is left
// behind, and the program is run no more.
func TestStuck(t *testing.T) {
	p, err := Compile("stuck.js", `function decodeUplink(i) { var a = []; a.length = 4e9; return {n: Array.prototype.indexOf.call({length: 4e12}, 1)}; }`)
	if err != nil {
		t.Fatal(err)
	}
	r, other := New(p), New(p)
	if _, err := r.Decode(1, []byte{1}, received); err != errStuck {
		t.Fatalf("first: %v", err)
	}
	started := time.Now()
	for _, r := range []*Runtime{r, other} {
		if _, err := r.Decode(1, []byte{1}, received); err != errStuck || time.Since(started) > time.Second {
			t.Errorf("afterwards: %v after %v", err, time.Since(started))
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`function decodeUplink(input) {`: "not JavaScript",
		`function other() {}`:            "defines none of",
		`for (;;) {}`:                    "longer than",
		`throw new Error("top"); function decodeUplink(input) {}`: "threw Error: top",
	} {
		if _, err := Compile("bad.js", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	p, err := Compile("bench.js", `function decodeUplink(input) {
  var out = {}, b = input.bytes;
  for (var i = 0; i + 3 < b.length; ) {
    var id = b[i++], type = b[i++];
    if (id === 1 && type === 0x75) out.battery = b[i++];
    else if (type === 0x67) { out.temperature = (b[i] | b[i + 1] << 8) / 10; i += 2; }
    else if (type === 0x82) { out.distance = b[i] | b[i + 1] << 8; i += 2; }
    else break;
  }
  return {data: out};
}`)
	if err != nil {
		b.Fatal(err)
	}
	r := New(p)
	data := []byte{1, 0x75, 92, 3, 0x67, 1, 1, 4, 0x82, 68, 8, 5, 0, 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Decode(85, data, received); err != nil {
			b.Fatal(err)
		}
	}
}
