package pipeline_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/usage"
)

// BenchmarkWalk measures what a message of 10,000 devices costs from its bytes to its
// lines: decoded, checked, found new, observed by all who do, encoded, booked.
func BenchmarkWalk(b *testing.B) {
	const devices = 10_000
	for _, c := range []struct {
		name      string
		observers func() []any
	}{
		{"unobserved", func() []any { return nil }},
		{"observed", func() []any {
			book := usage.New(savings.BookOptions())
			return []any{book, anomaly.NewEngine(anomaly.Options{Config: anomaly.DefaultConfig(), Book: book}), savings.New(savings.Options{Book: book}), facility.New(book)}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			path := filepath.Join(dir, "inventory.yaml")
			if err := os.WriteFile(path, []byte(`
communities: [{id: c0, name: c0}, {id: c1, name: c1}, {id: c2, name: c2}]
vendors:
- {id: v, sources: [{topic: "v/{community}/{facility}/{device}", format: native}]}
`), 0o600); err != nil {
				b.Fatal(err)
			}
			inv, err := inventory.Load(path, time.UTC)
			if err != nil {
				b.Fatal(err)
			}
			p, err := pipeline.New(pipeline.Options{
				DataDir: dir, Inventory: inv, MQTT: mqtt.Options{Brokers: []string{"tcp://127.0.0.1:1"}, ClientID: "bench"},
				InfluxDB: influx.Options{URL: "http://127.0.0.1:1", Org: "o", Bucket: "b"}, Observers: c.observers(), Registerer: prometheus.NewRegistry(),
			})
			if err != nil {
				b.Fatal(err)
			}
			walk, end, err := p.Walker()
			if err != nil {
				b.Fatal(err)
			}
			defer end()
			start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
			payload := func(dst []byte, i int, at int64) (string, []byte) {
				n := i / devices
				switch i % 4 {
				case 0:
					return "lighting", fmt.Appendf(dst, `{"time":%d,"active_power":%.1f,"energy_total":%d,"light_level":0.8,"light_on":true}`, at, 60+float64(i%7)/10, 100+n)
				case 1:
					return "water", fmt.Appendf(dst, `{"time":%d,"water_volume_total":%.3f,"water_flow":0.0001}`, at, 100+float64(n)/1000)
				case 2:
					return "waste", fmt.Appendf(dst, `{"time":%d,"fill_level":%.2f,"bin_temperature":12.5}`, at, float64((i+n)%90)/100)
				}
				return "gate", fmt.Appendf(dst, `{"time":%d,"pass_in_total":%d,"pass_out_total":%d,"door_open":false}`, at, n, n)
			}
			group := make([]*ingest.Message, 200)
			for i := range group {
				group[i] = &ingest.Message{QoS: 1}
			}
			sent := 0
			b.ReportAllocs()
			for b.Loop() {
				m := group[sent%len(group)]
				at := start.Add(time.Duration(sent) * time.Minute / devices)
				kind, text := payload(m.Payload[:0], sent, at.UnixMilli())
				m.Seq, m.Received, m.Payload = uint64(sent)+1, at.UnixNano(), text
				m.Topic = fmt.Sprintf("v/c%d/%s/d%05d", sent%3, kind, sent%devices)
				if sent++; sent%len(group) == 0 {
					walk(group)
				}
			}
			if refused, _ := filepath.Glob(filepath.Join(dir, "rejects*")); len(refused) > 0 {
				text, _ := os.ReadFile(refused[0])
				if len(text) > 0 {
					b.Errorf("refused: %.300s", text)
				}
			}
		})
	}
}
