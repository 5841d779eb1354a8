package decode

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

// Attack case 07, and more of its kind: large messages are refused as too large,
// take little beside themselves, and what they took is given back.
func TestCase07MemoryByBytes(t *testing.T) {
	members := func(n int) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return strings.TrimSuffix(b.String(), ",") + "}"
	}
	payloads := map[string]string{
		"empty objects":  "[" + strings.TrimSuffix(strings.Repeat("{},", 2_700_000), ",") + "]",
		"members":        members(600_000),
		"nothing at all": strings.Repeat("x", 8<<20),
		"numbers":        `{"a":[` + strings.TrimSuffix(strings.Repeat("1,", 3_000_000), ",") + `]}`,
		"readings":       "[" + strings.TrimSuffix(strings.Repeat(`{"active_power":1},`, 60_000), ",") + "]",
		"arrays deep":    strings.Repeat("[", 1_000_000),
	}
	for _, limit := range []int{0, 8 << 20} { // the default, and the most a vendor may have
		inv := inventorytest.Parse(t, fmt.Sprintf(`
communities: [{id: c, name: C}]
vendors:
- id: v
  unknown_devices: accept
  limits: {payload_bytes: %d}
  sources:
  - {topic: "n/{community}/{facility}/{device}", format: native}
  - {topic: "j/{community}/{facility}/{device}", format: json}
`, limit), time.UTC)
		w := NewWorker(inv, inventory.NewRegistry(inv))
		for name, payload := range payloads {
			for _, topic := range []string{"n/c/lighting/d", "j/c/lighting/d"} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				r := w.Decode(&ingest.Message{Topic: topic, Payload: []byte(payload), Received: time.Now().UnixNano()})
				runtime.ReadMemStats(&after)
				if r.Err == nil || r.Err.Reason != ingest.TooLarge && (limit == 0 || r.Err.Reason != ingest.Malformed) {
					t.Errorf("limit %d, %s to %s: %v", limit, name, topic, r.Err)
				}
				if took := after.TotalAlloc - before.TotalAlloc; took > 128<<20 {
					t.Errorf("limit %d, %s to %s: took %d MiB", limit, name, topic, took>>20)
				}
			}
		}
		for range 2 { // small messages after them, as ever
			if r := w.Decode(&ingest.Message{Topic: "n/c/lighting/d", Payload: []byte(`{"active_power":1}`), Received: time.Now().UnixNano()}); r.Err != nil {
				t.Error(r.Err)
			}
		}
		if n := cap(w.out.Samples) + cap(w.result.Readings); n > 2*maxKept {
			t.Errorf("space for %d samples and readings is kept", n)
		}
	}
}
