package javascript

import (
	"strings"
	"testing"
	"time"
)

// Issue 11: each of these ended or hung the process, or took memory without bound.
func TestResultsAreBounded(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"history indexed by time": {`var a = []; a[1795000000] = 1; return {data: {history: a}}`, "higher index"},
		"length set":              {`var a = []; a.length = 4e8; return {data: {history: a}}`, "higher index"},
		"last index":              {`var a = []; a[4294967294] = 1; return {data: a}`, "higher index"},
		"shared arrays multiply":  {`var a = [1,1,1,1,1,1,1,1,1,1]; for (var i = 0; i < 12; i++) a = [a,a,a,a]; return {a: a}`, "values"},
		"shared text multiplies":  {`var s = "水".repeat(1e6), a = []; for (var i = 0; i < 1000; i++) a.push(s); return {a: a}`, "characters"},
		"a cycle":                 {`var o = {}; o.o = o; return o`, "deeper"},
		"toString does not end":   {`throw {toString: function () { while (true) {} }}`, "ran longer"},
		"toString throws":         {`throw {toString: function () { throw 1 }}`, "cannot be told"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Compile("d.js", "function Decoder(bytes, port) { if (port == 2) return {ok: [1, [2]]}; "+c.body+" }")
			if err != nil {
				t.Fatal(err)
			}
			r := New(p)
			if _, err := r.Decode(1, []byte{1}, time.Unix(0, 0)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if got, err := r.Decode(2, []byte{1}, time.Unix(0, 0)); err != nil || len(got.(map[string]any)["ok"].([]any)) != 2 {
				t.Errorf("next message: %v, %v", got, err)
			}
		})
	}
}
