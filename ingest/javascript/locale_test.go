package javascript

import (
	"testing"
	"time"
)

// Texts of times and numbers are as node has them without options; the right values are
// node 20's.
func TestTextsOfTimesAndNumbers(t *testing.T) {
	t.Parallel()
	program, err := Compile("locale.js", `function decodeUplink() {
	  var d = new Date(2001, 7, 2, 0, 8, 5), e = new Date(2001, 10, 12, 13, 0, 0);
	  return {data: {
	    a: d.toLocaleString(), b: e.toLocaleString("en-US"), c: d.toLocaleDateString(), d: e.toLocaleTimeString(),
	    e: (1234567.5).toLocaleString(), f: (-0.12345).toLocaleString(), g: (-1234).toLocaleString(), h: (999).toLocaleString(), i: new Date(NaN).toLocaleString()
	  }};
	}`)
	if err != nil {
		t.Fatal(err)
	}
	result, err := New(program).Decode(1, nil, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	have := result.(map[string]any)["data"].(map[string]any)
	for name, want := range map[string]string{
		"a": "8/2/2001, 12:08:05 AM", "b": "11/12/2001, 1:00:00 PM", "c": "8/2/2001", "d": "1:00:00 PM",
		"e": "1,234,567.5", "f": "-0.123", "g": "-1,234", "h": "999", "i": "Invalid Date",
	} {
		if have[name] != want {
			t.Errorf("%s is %q, want %q", name, have[name], want)
		}
	}
}
