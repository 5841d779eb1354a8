package javascript

import (
	"runtime"
	"testing"
	"time"
)

// What runs a Runtime's calls ends with it: an inventory is loaded again and again.
func TestRunnersEndWithTheirRuntimes(t *testing.T) {
	p, err := Compile("d.js", "function Decoder(bytes, port) { return {n: bytes.length}; }")
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	func() {
		var kept []*Runtime
		for range 50 {
			r := New(p)
			if _, err := r.Decode(1, []byte{1, 2}, time.Unix(1795392060, 0)); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, r)
		}
		if n := runtime.NumGoroutine(); n < before+40 {
			t.Errorf("%d goroutines, %d before: nothing is tested", n, before)
		}
		runtime.KeepAlive(kept)
	}()
	for range 500 {
		runtime.GC()
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
