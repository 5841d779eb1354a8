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
		{"returns nothing", `function decodeUplink(i) {}`, "returns no object"},
		{"loops", `function decodeUplink(i) { for (;;) {} }`, "longer than"},
		{"recurses", `function decodeUplink(i) { return decodeUplink(i); }`, "deep"},
		{"fills memory", `function decodeUplink(i) { for (var s = "x"; ; ) s += s; }`, ""}, // by whichever limit is reached first,
		{"allocates at one stroke", `function decodeUplink(i) { return "x".repeat(1e9); }`, "too large"},
		{"allocates a buffer", `function decodeUplink(i) { return new Uint8Array(1e9).length; }`, "too large"},
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
