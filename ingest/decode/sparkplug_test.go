package decode

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
)

// metric is a Sparkplug metric as the tests write it.
type metric struct {
	name     string
	alias    uint64
	datatype uint64
	value    any // float64, int64, bool, string; nil is null
	at       uint64
}

// sparkplugMessage encodes a payload; seq below 0 is left out.
func sparkplugMessage(at uint64, seq int, metrics ...metric) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), at)
	for _, m := range metrics {
		var one []byte
		if m.name != "" {
			one = protowire.AppendString(protowire.AppendTag(one, 1, protowire.BytesType), m.name)
		}
		if m.alias != 0 {
			one = protowire.AppendVarint(protowire.AppendTag(one, 2, protowire.VarintType), m.alias)
		}
		if m.at != 0 {
			one = protowire.AppendVarint(protowire.AppendTag(one, 3, protowire.VarintType), m.at)
		}
		if m.datatype != 0 {
			one = protowire.AppendVarint(protowire.AppendTag(one, 4, protowire.VarintType), m.datatype)
		}
		switch v := m.value.(type) {
		case nil:
			one = protowire.AppendVarint(protowire.AppendTag(one, 7, protowire.VarintType), 1)
		case float64:
			one = protowire.AppendFixed64(protowire.AppendTag(one, 13, protowire.Fixed64Type), math.Float64bits(v))
		case float32:
			one = protowire.AppendFixed32(protowire.AppendTag(one, 12, protowire.Fixed32Type), math.Float32bits(v))
		case int64:
			one = protowire.AppendVarint(protowire.AppendTag(one, 11, protowire.VarintType), uint64(v))
		case int32:
			one = protowire.AppendVarint(protowire.AppendTag(one, 10, protowire.VarintType), uint64(uint32(v)))
		case bool:
			n := uint64(0)
			if v {
				n = 1
			}
			one = protowire.AppendVarint(protowire.AppendTag(one, 14, protowire.VarintType), n)
		case string:
			one = protowire.AppendString(protowire.AppendTag(one, 15, protowire.BytesType), v)
		}
		b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), one)
	}
	if seq >= 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(seq))
	}
	return b
}

const nodeTime = 1_795_392_000_000 // 2026-11-23T00:00:00Z in ms

func sparkplugBirth(bdSeq int64) []byte {
	return sparkplugMessage(nodeTime, 0,
		metric{name: "bdSeq", datatype: 8, value: bdSeq},
		metric{name: "Node Control/Rebirth", datatype: 11, value: false},
		metric{name: "active_power", alias: 10, datatype: 10, value: 43.5},
		metric{name: "controller_temperature", alias: 11, datatype: 3, value: int32(-7)},
		metric{name: "light_on", alias: 12, datatype: 11, value: true})
}

type exchange struct{ topic, payload, want string }

func exchanges(t *testing.T, w *Worker, steps []exchange) {
	t.Helper()
	for i, s := range steps {
		r := w.Decode(&ingest.Message{Seq: uint64(i + 1), Topic: s.topic, Payload: []byte(s.payload), Received: received})
		checkResult(t, r)
		have := line(r)
		for _, q := range r.Requests {
			have += " >" + q.Topic
		}
		if have != s.want {
			t.Errorf("step %d %s\nhave %s\nwant %s %v", i, s.topic, have, s.want, r.Err)
		}
	}
}

func TestSparkplugVariants(t *testing.T) {
	const nbirth, ndata, ndeath = "spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDATA/n", "spBv1.0/g/NDEATH/n"
	data := func(seq int, m ...metric) string { return string(sparkplugMessage(nodeTime, seq, m...)) }
	exchanges(t, source(t, "lighting", "sparkplug", "spBv1.0/#", ""), []exchange{
		{nbirth, string(sparkplugBirth(88)), "active_power=43.5@2026-11-23T00:00:00 controller_temperature=-7@2026-11-23T00:00:00 light_on=1@2026-11-23T00:00:00"},
		{ndata, data(1, metric{alias: 10, value: 44.5}), "active_power=44.5@2026-11-23T00:00:00"},
		// The type is in the birth alone; the metric has a time of its own.
		{ndata, data(2, metric{alias: 11, value: int32(-3), at: nodeTime + 1000}), "controller_temperature=-3@2026-11-23T00:00:01"},
		{ndata, data(255, metric{alias: 12, value: false}, metric{alias: 10, value: nil}), "light_on=0@2026-11-23T00:00:00"},
		{ndata, data(0, metric{name: "voltage", datatype: 9, value: float32(229.1)}), "voltage=229.1@2026-11-23T00:00:00"},
		{ndata, data(1, metric{name: "voltage", datatype: 12, value: "229.5"}, metric{name: "current", datatype: 10, value: math.NaN()}), "voltage=229.5@2026-11-23T00:00:00 xcurrent:bad_value"},
		{ndata, data(2, metric{alias: 99, value: 1.0}), "rejected missing_state >spBv1.0/g/NCMD/n"},
		{ndata, data(3, metric{alias: 99, value: 1.0}), "rejected missing_state"}, // asked for already
		// A device below the node, and its death.
		{"spBv1.0/g/DBIRTH/n/d", data(4, metric{name: "active_power", alias: 1, datatype: 10, value: 1.0}), "active_power=1@2026-11-23T00:00:00"},
		{"spBv1.0/g/DDATA/n/d", data(5, metric{alias: 1, value: 2.0}), "active_power=2@2026-11-23T00:00:00"},
		{"spBv1.0/g/DDEATH/n/d", data(6), "!node_offline"},
		{"spBv1.0/g/DDATA/n/d", data(7, metric{alias: 1, value: 2.0}), "rejected missing_state"},
		// The death of a session before has no say; the right one ends all.
		{ndeath, data(-1, metric{name: "bdSeq", datatype: 8, value: int64(87)}), "ignored death of another session"},
		{ndata, data(8, metric{alias: 10, value: 45.5}), "active_power=45.5@2026-11-23T00:00:00"},
		{ndeath, data(-1, metric{name: "bdSeq", datatype: 8, value: int64(88)}), "!node_offline"},
		{ndata, data(9, metric{alias: 10, value: 45.5}), "rejected missing_state >spBv1.0/g/NCMD/n"},
		{"spBv1.0/g/NCMD/n", data(-1), "ignored NCMD"},
		{"spBv1.0/STATE/host", `{"online":true}`, "ignored STATE"},
		{"spBv1.0/g/NDATA/n/d", data(0), "rejected malformed"},
		{"spBv1.0/g/XDATA/n", data(0), "rejected malformed"},
		{ndata, "\xff\xff\xff", "rejected malformed"},
	})
}

// Numbers that are left out are counted, and the node is asked for its birth;
// one that comes twice or late is no gap.
func TestSparkplugMissing(t *testing.T) {
	w := source(t, "lighting", "sparkplug", "spBv1.0/#", "")
	w.Decode(&ingest.Message{Topic: "spBv1.0/g/NBIRTH/n", Payload: sparkplugBirth(1), Received: received})
	for i, step := range []struct{ seq, missing, requests int }{{1, 0, 0}, {5, 3, 1}, {5, 0, 0}, {4, 0, 0}, {6, 0, 0}, {8, 1, 0}, {100, 91, 0}, {200, 99, 0}, {255, 54, 0}, {0, 0, 0}, {2, 1, 0}} {
		r := w.Decode(&ingest.Message{Topic: "spBv1.0/g/NDATA/n", Payload: sparkplugMessage(nodeTime, step.seq, metric{alias: 10, value: 44.5}), Received: received})
		if r.Err != nil || r.Missing != step.missing || len(r.Requests) != step.requests {
			t.Errorf("step %d, number %d: %d missing, %d requests, %v", i, step.seq, r.Missing, len(r.Requests), r.Err)
		}
	}
}

// What births said outlives a restart and a reload of the inventory.
func TestSparkplugStateOutlivesARestart(t *testing.T) {
	w := source(t, "lighting", "sparkplug", "spBv1.0/#", "")
	exchanges(t, w, []exchange{{"spBv1.0/g/NBIRTH/n", string(sparkplugBirth(3)), "active_power=43.5@2026-11-23T00:00:00 controller_temperature=-7@2026-11-23T00:00:00 light_on=1@2026-11-23T00:00:00"}})
	var saved bytes.Buffer
	if err := w.SaveState(&saved); err != nil {
		t.Fatal(err)
	}
	again := source(t, "lighting", "sparkplug", "spBv1.0/#", "")
	if err := again.LoadState(bytes.NewReader(saved.Bytes())); err != nil {
		t.Fatal(err)
	}
	exchanges(t, again, []exchange{
		{"spBv1.0/g/NDATA/n", string(sparkplugMessage(nodeTime, 1, metric{alias: 11, value: int32(-3)})), "controller_temperature=-3@2026-11-23T00:00:00"},
		{"spBv1.0/g/NDEATH/n", string(sparkplugMessage(nodeTime, -1, metric{name: "bdSeq", datatype: 8, value: int64(2)})), "ignored death of another session"},
	})
	// Nothing saved is nothing known, and is no error; another source is not touched.
	fresh := source(t, "lighting", "sparkplug", "spBv1.0/g/#", "")
	for _, state := range [][]byte{nil, saved.Bytes()} {
		if err := fresh.LoadState(bytes.NewReader(state)); err != nil {
			t.Fatal(err)
		}
	}
	exchanges(t, fresh, []exchange{{"spBv1.0/g/NDATA/n", string(sparkplugMessage(nodeTime, 1, metric{alias: 11, value: int32(-3)})), "rejected missing_state >spBv1.0/g/NCMD/n"}})
	if err := fresh.LoadState(strings.NewReader("not a state")); err == nil {
		t.Error("a broken state is taken")
	}
	// State of the program before decoders saved their own.
	earlier, err := os.ReadFile("testdata/state/sparkplug-before.gob")
	if err != nil {
		t.Fatal(err)
	}
	old := source(t, "lighting", "sparkplug", "spBv1.0/#", "")
	if err := old.LoadState(bytes.NewReader(earlier)); err != nil {
		t.Fatal(err)
	}
	exchanges(t, old, []exchange{{"spBv1.0/g/NDATA/n", string(sparkplugMessage(nodeTime, 1, metric{alias: 11, value: int32(-3)})), "controller_temperature=-3@2026-11-23T00:00:00"}})
	var none bytes.Buffer
	if err := source(t, "lighting", "native", "", "").SaveState(&none); err != nil || none.Len() > 1000 {
		t.Errorf("a worker that knows nothing saves %d bytes, %v", none.Len(), err)
	}
}

// What is not understood without a birth asks for one, at most once a minute.
func TestSparkplugRebirthRequest(t *testing.T) {
	w := source(t, "lighting", "sparkplug", "spBv1.0/#", "")
	r := w.Decode(&ingest.Message{Topic: "spBv1.0/g/DDATA/n/d", Payload: sparkplugMessage(nodeTime, 1, metric{alias: 5, value: 1.0}), Received: received})
	if r.Err == nil || r.Err.Reason != ingest.MissingState || len(r.Requests) != 1 || r.Requests[0].Topic != "spBv1.0/g/NCMD/n" {
		t.Fatalf("%v, requests %v", r.Err, r.Requests)
	}
	// After a minute it may be asked again.
	r = w.Decode(&ingest.Message{Topic: "spBv1.0/g/DDATA/n/d", Payload: sparkplugMessage(nodeTime, 1, metric{alias: 5, value: 1.0}), Received: received + int64(time.Minute)})
	if len(r.Requests) != 1 {
		t.Errorf("%d requests a minute later", len(r.Requests))
	}
}
