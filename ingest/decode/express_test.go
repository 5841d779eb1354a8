package decode

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

const expressInventory = `
communities: [{id: c0, name: c0, compounds: [{id: k, name: k}]}, {id: c1, name: c1}]
vendors:
- id: v
  sources:
  - {topic: "v/{community}/{facility}/{device}", format: native}
  - {topic: "ch/{community}/{facility}/{device}/{channel}", format: native}
- id: fields
  sources: [{topic: "f/{community}/{facility}/{device}", format: native, profile: p, fields: {active_power: {quantity: active_power, unit: kW}, "p:voltage": {ignore: true}, at: {time: true}}}]
- id: ignoring
  sources: [{topic: "i/{community}/{facility}/{device}", format: native, ignore: ["*99*"]}]
- id: small
  limits: {payload_bytes: 1024}
  sources: [{topic: "s/{community}/{facility}/{device}", format: native}]
`

// both decode a message with and without the express way, which must come to the same.
type both struct {
	registry         *inventory.Registry
	express, general *Worker
	quick            int // messages that went the express way
}

func newBoth(t testing.TB) *both {
	inv := inventorytest.Parse(t, expressInventory, inventorytest.Zone)
	b := &both{registry: inventory.NewRegistry(inv)}
	b.express, b.general = NewWorker(inv, b.registry), NewWorker(inv, b.registry)
	b.general.express = express{}
	return b
}

func (b *both) decode(t testing.TB, topic, payload string, received int64, retained bool) {
	t.Helper()
	one := &ingest.Message{Seq: 1, Topic: topic, Payload: []byte(payload), Received: received, Retained: retained}
	two := *one
	two.Payload = []byte(payload)
	want := b.general.Decode(one)
	if b.express.quick(&two, &Result{}) {
		b.quick++
	}
	got := b.express.Decode(&two)
	if string(two.Payload) != payload {
		t.Fatalf("payload changed to %q", two.Payload)
	}
	same := got.Source == want.Source && got.Ignored == want.Ignored && fmt.Sprint(got.Err) == fmt.Sprint(want.Err) &&
		reflect.DeepEqual(flat(got), flat(want)) && len(got.Events) == len(want.Events) && len(got.Unmapped) == len(want.Unmapped) &&
		fmt.Sprint(got.Refused) == fmt.Sprint(want.Refused) && len(got.Fires) == len(want.Fires) && len(got.Requests) == len(want.Requests) && got.Missing == want.Missing
	if !same {
		t.Fatalf("%s %q:\nexpress %v %v %v\ngeneral %v %v %v", topic, payload, flat(got), got.Err, got.Refused, flat(want), want.Err, want.Refused)
	}
}

// flat is what a result's readings are, with the device and quantity themselves: they
// must be the very same ones.
func flat(r *Result) (list []any) {
	for i, v := range r.Readings {
		list = append(list, fmt.Sprintf("%p %d %p %q %x %d %v %v %v", v.Device, r.Devices[i], v.Quantity, v.Channel, math.Float64bits(v.Value), v.Time, v.TimeSource, v.TimeReplaced, v.Estimated))
	}
	for _, at := range r.Written {
		list = append(list, at)
	}
	return list
}

const expressReceived = int64(1_795_392_060_000_000_000)

var (
	expressNames  = []string{"active_power", "voltage", "light_on", "energy_total", "power_factor", "fill_distance", "fill_level", "water_flow", "lid_open", "battery_level", "time", "channel", "event", "active", "code", "household", "nothing", "Voltage", "act\\u0069ve_power", "电压"}
	expressValues = []string{"0", "-0", "1", "true", "false", "null", "43.2", "-1.5", "0.1", "1e3", "1E-2", "01", "-01", "1.", ".5", "-", "+1", "1.0", "99", "123456789012345", "1234567890123456", "12345678901234567890", "0.123456789012345", "0.1234567890123456", "1e400", "\"12\"", "\"on\"", "[]", "{}", "[1]", "9999999", "tru", "nan", "1795392000000", "1795392000", "1795392000000000000", "20261123080000", "261123080000", "2611230800", "[2026,11,23,8,0]", "-5", "99999999999999999999", "\"2026-11-23T08:00:00+08:00\"", "1.5e", "2.5 ", "0x1", "1_0"}
	expressOpen   = []string{"{", "{", "{ ", "\ufeff{", "[{", " {"}
	expressEnd    = []string{"}", "}", "} ", "}\x00\x00", "}]", "", "},{}]", "},", "}{\"voltage\":1}"}
	expressTopics = []string{"v/c0/lighting/d1", "v/c1/lighting/d1", "v/c0/waste/d2", "v/c0/gate/g1", "ch/c0/lighting/d1/l1", "ch/c0/lighting/d1/lighting", "ch/c1/waste/d3/a b", "ch/c0/lighting/d1/x=y", "f/c0/lighting/d9", "i/c0/lighting/d8", "s/c0/lighting/d7", "v/c9/lighting/d1", "v/c0/nothing/d1", "other/d1", "f/c0/lighting/d1"}
)

// A native message is decoded as it always was, whatever came before it: members in
// any order, values of any kind, text between them, and changes of the inventory.
func TestExpressEqualsGeneral(t *testing.T) {
	quick := 0
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 7))
		pick := func(list []string) string { return list[random.IntN(len(list))] }
		b := newBoth(t)
		type shape struct{ topic, open, colon, comma, end, names string }
		shapes := make([]shape, 12)
		for i := range shapes {
			shapes[i] = shape{pick(expressTopics), pick(expressOpen), pick([]string{":", ": ", " :"}), pick([]string{",", ", ", ",\n\t"}), pick(expressEnd), ""}
			for range random.IntN(5) + 1 {
				shapes[i].names += " " + expressNames[min(random.IntN(len(expressNames)), random.IntN(len(expressNames)), random.IntN(len(expressNames)))]
			}
			if random.IntN(2) == 0 { // as most are
				shapes[i] = shape{expressTopics[random.IntN(5)], "{", ":", ",", "}", " time active_power voltage light_on"}
			}
		}
		for range 300 {
			of := shapes[random.IntN(len(shapes))]
			text := of.open
			for i, name := range strings.Fields(of.names) {
				if i > 0 {
					text += of.comma
				}
				value := fmt.Sprintf("%.*f", random.IntN(4), random.Float64()*100)
				switch {
				case random.IntN(12) == 0:
					value = pick(expressValues)
				case name == "time":
					value = fmt.Sprint(expressReceived/1e6 - random.Int64N(1e9))
				case strings.HasSuffix(name, "_on"):
					value = pick([]string{"0", "1", "true", "false"})
				}
				text += fmt.Sprintf("%q%s%s", name, of.colon, value)
			}
			text += of.end
			if random.IntN(8) == 0 {
				changed := []byte(text)
				changed[random.IntN(len(text))] = "0123456789.-e,:\"}{ tf"[random.IntN(21)]
				text = string(changed)
			}
			b.decode(t, of.topic, text, expressReceived, random.IntN(40) == 0)
			if n := b.registry.Len(); n > 0 && random.IntN(30) == 0 {
				switch index := uint32(random.IntN(n)); random.IntN(3) {
				case 0:
					b.registry.Forget(index)
				case 1:
					to := *b.registry.At(index).Origin // another vendor's, where it was
					to.Vendor = ingest.VendorID(pick([]string{"v", "small"}))
					b.registry.Move(index, to)
				default:
					b.registry.Erase(index, ingest.DeviceID(fmt.Sprintf("erased-%d", index)))
				}
			}
		}
		quick += b.quick
	}
	if quick < 1000 {
		t.Errorf("only %d messages went the express way: what is compared is the general way with itself", quick)
	}
}

// What a vendor usually sends goes the express way from the third message on, the
// first of each topic and the first of each layout excepted.
func TestExpressIsTaken(t *testing.T) {
	b := newBoth(t)
	const devices = 5000
	for round := range 5 {
		for i := range devices {
			payload := fmt.Sprintf(`{"time": %d, "active_power": %.1f, "energy_total": %d, "light_on": true}`, expressReceived/1e6+int64(round), 60+float64(i%7)/10, 100+round)
			b.decode(t, fmt.Sprintf("v/c%d/lighting/d%d", i%2, i), payload, expressReceived, false)
		}
		if want := round * devices; b.quick < want*98/100 {
			t.Fatalf("after %d messages of %d devices %d went the express way", (round+1)*devices, devices, b.quick)
		}
	}
}

// FuzzExpress decodes a message after one that may have the same layout.
func FuzzExpress(f *testing.F) {
	f.Add(`{"time":1795392000000,"active_power":43.2,"light_on":true}`, `{"time":1795392000001,"active_power":0.5,"light_on":false}`)
	f.Add(`{ "active_power" : 1 }`, `{ "active_power" : 1e2 }`)
	f.Fuzz(func(t *testing.T, before, message string) {
		b := newBoth(t)
		for _, payload := range []string{before, before, message, message, before} {
			b.decode(t, "v/c0/lighting/d1", payload, expressReceived, false)
		}
	})
}
