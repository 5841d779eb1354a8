package decode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

func gates(t *testing.T) *inventory.Inventory {
	t.Helper()
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(`
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: native
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
  - {topic: "doors/{device}", format: native, community: nancheng, facility: gate}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// Attack F8: of a gate's native message nothing stays that may be of a person.
func TestNativeGateKeepsNoPerson(t *testing.T) {
	r := NewRedactor(gates(t))
	for _, payload := range []string{
		`{"event":"access_granted","code":"N01 Zhuge 13912345678"}`,
		`{"event":"access_granted","code":"Zhuge"}`,
		`{"event":"access_granted","code":13912345678}`,
		`{"event":"access_granted","code":"v13912345678"}`,
		`{"event":"access_granted","code":"E61010219"}`, // as a passport's number
		`{"event":"access_granted","code":{"name":"Zhuge"}}`,
		`{"event":"access_granted","code":["Zhuge"]}`,
		`{"event":"Zhuge"}`,
		`{"event":{"Zhuge":1}}`,
		`{"event":"access_granted","channel":"Zhuge"}`,
		`{"event":"access_granted","channel":13912345678}`,
		`{"event":"access_granted","channel":"door13912345678"}`,
		`{"event":"access_granted","active":"Zhuge"}`,
		`{"event":"access_granted","time":"Zhuge"}`,
		`{"event":"access_granted","time":"13912345678901234567"}`,
		`{"event":"access_granted","personName":"Zhuge"}`,
		`{"event":"access_granted","name":{"Zhuge":1}}`,
		`{"event":"access_granted","Zhuge":1}`,
		`{"event":"access_granted","Zhuge":null}`,
		`{"event":"access_granted","idCard":"61010219900307777X"}`,
		`{"pass_in":"Zhuge"}`,
		`{"pass_in":13912345678}`,
		`{"pass_in":"139 1234 5678"}`,
		`{"pass_in":{"value":1,"by":"Zhuge"}}`,
		`[{"pass_in":1},{"pass_in":1,"by":"Zhuge"}]`,
		`[{"pass_in":1},"Zhuge"]`,
		`"Zhuge"`, `{"pass_in":1,"by":"Zhuge"`, `Zhuge`, `Zhuge,13912345678`,
	} {
		for _, topic := range []string{"greencommunity/v1/nancheng/gate/g1", "doors/g1", "doors/" + strings.Repeat("x", 2000)} {
			kept, body := r.Redact(topic, []byte(payload))
			cut := kept + " " + string(body)
			for _, planted := range []string{"Zhuge", "1391234", "139 1234", "610102"} {
				if strings.Contains(cut, planted) {
					t.Errorf("%.40s %s keeps %s", topic, payload, cut)
				}
			}
		}
	}
}

// What a gate says of its doors comes through, and decodes to the same.
func TestNativeGateKeepsItsReadings(t *testing.T) {
	inv := gates(t)
	r, w := NewRedactor(inv), NewWorker(inv, anyDevice{inventory.NewRegistry(inv)})
	const topic = "greencommunity/v1/nancheng/gate/g1"
	decoded := func(topic string, payload []byte) string {
		return line(w.Decode(&ingest.Message{Topic: topic, Payload: payload, Received: received}))
	}
	for _, payload := range []string{
		`{"pass_in":1}`,
		`{"time":"2026-11-23T08:00:00+08:00","channel":"in_1","pass_in":3,"pass_out":"2","door_open":true,"battery_level":81.5}`,
		`{"time":1795392000123,"pass_in_total":1234567890,"door_open_duration_last":12.25}`,
		`{"event":"door_forced"}`,
		`{"event":"access_denied","active":false,"code":"7","channel":"door2"}`,
		`{"event":"door_opened","code":12,"channel":3}`,
		`{"event":"door_forced","code":"v123456"}`,
		`{"event":"tamper","code":"N01"}`,
		`[{"pass_in":1,"time":1795392000},{"pass_in":2,"time":1795392060}]`,
		`{"pass_in":null,"pass_out":1}`,
	} {
		_, cut := r.Redact(topic, []byte(payload))
		whole := decoded(topic, []byte(payload))
		if have := decoded(topic, cut); have != whole {
			t.Errorf("%s\ndecodes to %s\ncut to     %s", payload, whole, have)
		}
		if _, again := r.Redact(topic, cut); string(again) != string(cut) {
			t.Errorf("a second time %s keeps %s", cut, again)
		}
	}
	for _, other := range []string{"greencommunity/v1/nancheng/water/m1", "elsewhere"} {
		const payload = `{"total_volume":1,"note":"as it came"}`
		if _, cut := r.Redact(other, []byte(payload)); string(cut) != payload {
			t.Errorf("%s, which is no gate's, keeps %s", other, cut)
		}
	}
}

// What cutting costs on the way of a message.
func BenchmarkRedact(b *testing.B) {
	path := filepath.Join(b.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(gatesOfAllFormats), 0o600); err != nil {
		b.Fatal(err)
	}
	inv, err := inventory.Load(path, time.UTC)
	if err != nil {
		b.Fatal(err)
	}
	r := NewRedactor(inv)
	w := NewWorker(inv, inventory.NewRegistry(inv))
	for _, m := range []struct{ name, topic, payload string }{
		{"water, native", "greencommunity/v1/nancheng/water/d000123", `{"time":1795392000000,"water_volume_total":123.456,"water_flow":0.000123,"battery_voltage":3.58,"valve_open":true}`},
		{"gate, native, clean", "greencommunity/v1/nancheng/gate/d000123", `{"time":1795392000000,"pass_in_total":12345,"pass_out_total":2345,"door_open":false,"battery_level":81}`},
		{"gate, native, cut", "greencommunity/v1/nancheng/gate/d000123", `{"time":1795392000000,"pass_in_total":12345,"name":"Zhuge","door_open":false,"battery_level":81}`},
	} {
		b.Run(m.name+"/redact", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Redact(m.topic, []byte(m.payload))
			}
		})
		b.Run(m.name+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.Decode(&ingest.Message{Topic: m.topic, Payload: []byte(m.payload), Received: received})
			}
		})
	}
}
