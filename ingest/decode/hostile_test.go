package decode

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	lines "greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
)

// Names that mean something in topics, paths or line protocol never get as far
// as InfluxDB; those that need escaping there are escaped.
func TestNamesDownToTheLine(t *testing.T) {
	refused := []string{"", "..", "a..b", "a/b", "a,b", "a=b", "a\nb", "a\x00b", "a\tb", `a"b`, "a'b", `a\b`, "a`b", " a", "a ", "a#", "a+b", "\u202e", strings.Repeat("x", 129), "a\r\nevents,x=1 y=2"}
	accepted := map[string]string{"lamp 1": `lamp\ 1`, "路灯一号": "路灯一号", "urn:ngsi-ld:lamp:1": "urn:ngsi-ld:lamp:1", "a.b-c_d@e": "a.b-c_d@e", strings.Repeat("x", 128): strings.Repeat("x", 128)}
	w := source(t, "lighting", "json", "t/+", `, json: {device: d, channel: c}`)
	w.resolver = w.resolver.(anyDevice).Registry
	decode := func(device, channel string) *Result {
		payload, err := json.Marshal(map[string]any{"d": device, "c": channel, "voltage": 229})
		if err != nil {
			t.Fatal(err)
		}
		return w.Decode(&ingest.Message{Topic: "t/1", Payload: payload, Received: received})
	}
	for _, name := range refused {
		if r := decode(name, ""); r.Err == nil || r.Err.Reason != ingest.BadIdentifier {
			t.Errorf("device %q: %s", name, line(r))
		}
		if name == "" {
			continue
		}
		if r := decode("lamp", name); r.Err == nil || r.Err.Reason != ingest.BadIdentifier {
			t.Errorf("channel %q: %s", name, line(r))
		}
	}
	for name, escaped := range accepted {
		r := decode(name, name)
		var e lines.Encoder
		e.Reset()
		e.Readings(r.Readings)
		want := fmt.Sprintf("lighting,channel=%s,community=c,device=%s,vendor=v voltage=229 %d\n", escaped, escaped, received/1_000_000)
		if have := string(e.Bytes()); r.Err != nil || have != want {
			t.Errorf("%q: %v\nhave %swant %s", name, r.Err, have, want)
		}
	}
	// What a template captures is held to the same.
	topics := source(t, "lighting", "native", "x/{community}/{facility}/{device}", "")
	for topic, want := range map[string]string{
		"x/c/lighting/..": "rejected bad_identifier", "x/c/lighting/a,b": "rejected bad_identifier", "x/c/lighting/a b": "voltage=229",
		"x/c,x=1/lighting/a": "rejected unknown_community", "x/../lighting/a": "rejected unknown_community", "x/c/lighting,y=1/a": "rejected unknown_facility",
		"x/c/lighting/a\n": "rejected bad_identifier", "x/c/lighting/a/b": "rejected unknown_topic",
	} {
		topics.resolver = topics.resolver.(interface{ unwrap() *inventory.Registry }).unwrap()
		if have := line(topics.Decode(&ingest.Message{Topic: topic, Payload: []byte(`{"voltage":229}`), Received: received})); have != want {
			t.Errorf("topic %q: have %s, want %s", topic, have, want)
		}
		topics.resolver = anyDevice{topics.resolver.(*inventory.Registry)}
	}
}

// An event's code is a short text for people, whatever is sent as one.
func TestEventCodesAreShort(t *testing.T) {
	w := source(t, "lighting", "json", "#", `, fields: {alarm: {event: lamp_fault, when: ["x"], clears: true}}`)
	n := source(t, "lighting", "neuron", "/neuron/+/{device}/+", "")
	for sent, want := range map[string]string{
		strings.Repeat("a", 1<<17): strings.Repeat("a", 64), strings.Repeat("灯", 1000): strings.Repeat("灯", 21), "a\nb\x1b[2J\u202e": "a?b?[2J?", "故障 3": "故障 3",
	} {
		payload, err := json.Marshal(map[string]any{"alarm": sent})
		if err != nil {
			t.Fatal(err)
		}
		r := w.Decode(&ingest.Message{Topic: "t", Payload: payload, Received: received})
		if len(r.Events) != 1 || r.Events[0].Code != want {
			t.Errorf("%.20q: %v", sent, r.Events)
		}
		payload = []byte(fmt.Sprintf(`{"timestamp":1795392000000,"values":{},"errors":{"x":{"a":%q}}}`, strings.Repeat("b", 1<<16)))
		if r := n.Decode(&ingest.Message{Topic: "/neuron/a/d/g", Payload: payload, Received: received}); len(r.Events) != 1 || len(r.Events[0].Code) > 64 {
			t.Errorf("neuron: %d events, %v", len(r.Events), r.Err)
		}
	}
}

func (r anyDevice) unwrap() *inventory.Registry { return r.Registry }

// hostileMessages returns how many messages of each format the memory must stand:
// fewer unless GREENCOMMUNITY_LONG is set.
func hostileMessages() int {
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		return 1_000_000
	}
	return 20_000
}

// Messages that are each a little different, in topic, names, aliases and
// bytes, leave the memory where it was: nothing a vendor sends is kept without
// a bound. Devices are: the inventory's registry has a quota of its own, which
// is set low here.
func TestMemoryStaysFlatLong(t *testing.T) {
	n := hostileMessages()
	for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
		more := ""
		switch name {
		case "json":
			more = `, json: {records: "data[*]", device: "$.sn", name: k, value: v}`
		case "chirpstack", "raw":
			more = `, codecs: {"": tlv.js}`
		}
		count := n
		if more != "" && name != "json" {
			count = n / 20 // JavaScript
		}
		w := source(t, "lighting", name, "#", more)
		w.inv.Vendors[0].MaxDevices = 100
		random := rand.New(rand.NewPCG(1, 2))
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		send := func(from, to int) {
			for i := from; i < to; i++ {
				e := examples[name][i%len(examples[name])]
				payload := []byte(e.payload)
				for range 1 + i%4 { // bytes changed at random
					if len(payload) > 0 {
						payload[random.IntN(len(payload))] = byte(random.Uint32())
					}
				}
				if i%3 == 0 { // and names that never come again
					payload = []byte(strings.ReplaceAll(e.payload, "active_power", fmt.Sprintf("field%d", i)))
				}
				topic := e.topic
				if i%2 == 0 {
					topic = fmt.Sprintf("%s%d", e.topic, i)
				}
				w.Decode(&ingest.Message{Seq: uint64(i), Topic: topic, Payload: payload, Received: received})
			}
		}
		send(0, count/2)
		before := heap()
		send(count/2, count)
		after := heap()
		// Half as many again may still fill what is bounded, such as 100,000
		// Sparkplug nodes.
		if limit := before + 48<<20; after > limit {
			t.Errorf("%s: %d KiB after %d messages, %d KiB after %d", name, before>>10, count/2, after>>10, count)
		}
	}
}

// A device belongs to whom the inventory gives it, or else to who was first; a
// vendor held to some communities writes to no other.
func TestVendorsDoNotTakeEachOthersDevices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(`
communities: [{id: c, name: c}, {id: d, name: d}]
vendors:
- id: a
  sources: [{topic: "a/{community}/{facility}/{device}", format: native}]
  devices: [{id: listed, community: c, facility: lighting}]
- id: b
  communities: [c]
  sources: [{topic: "b/{community}/{facility}/{device}", format: native}]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWorker(inv, inventory.NewRegistry(inv))
	for _, step := range []struct{ topic, want string }{
		{"a/c/lighting/listed", "voltage=229"}, {"b/c/lighting/listed", "rejected not_owner"}, {"b/c/water/listed", "rejected not_owner"},
		{"b/c/lighting/first", "voltage=229"}, {"a/c/lighting/first", "rejected not_owner"}, {"b/c/lighting/first", "voltage=229"},
		{"b/d/lighting/x", "rejected not_owner"}, {"a/d/lighting/x", "voltage=229"},
	} {
		if have := line(w.Decode(&ingest.Message{Topic: step.topic, Payload: []byte(`{"voltage":229}`), Received: received})); have != step.want {
			t.Errorf("%s: have %s, want %s", step.topic, have, step.want)
		}
	}
}
