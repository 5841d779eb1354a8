package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/simulator"
)

// heavy is an observer whose state takes long to write, as that of a million
// devices does. It counts what it is told.
type heavy struct{ readings uint64 }

func (h *heavy) Reading(uint32, *ingest.Reading, bool, int64) { h.readings++ }
func (h *heavy) Name() string                                 { return "heavy" }
func (h *heavy) Save(w io.Writer) error {
	time.Sleep(300 * time.Millisecond)
	_, err := fmt.Fprintln(w, h.readings)
	return err
}

func (h *heavy) Load(r io.Reader) error {
	_, err := fmt.Fscan(r, &h.readings)
	return err
}

type service struct {
	t        *testing.T
	heavy    *heavy
	registry *prometheus.Registry
	pipeline *pipeline.Pipeline
	stop     func()
	again    func() *service // a start on the same directory, after stop
}

func run(t *testing.T, dir string, inv *inventory.Inventory, broker, database string) *service {
	t.Helper()
	return runWith(t, dir, inv, broker, influx.Options{URL: database, Org: "o", Bucket: "facilities"})
}

func runWith(t *testing.T, dir string, inv *inventory.Inventory, broker string, database influx.Options) *service {
	t.Helper()
	return runLogged(t, dir, inv, broker, database, nil)
}

func runLogged(t *testing.T, dir string, inv *inventory.Inventory, broker string, database influx.Options, log *slog.Logger) *service {
	t.Helper()
	s := &service{t: t, heavy: &heavy{}, registry: prometheus.NewRegistry()}
	s.again = func() *service { return runLogged(t, dir, inv, broker, database, log) }
	p, err := pipeline.New(pipeline.Options{
		DataDir: dir, Inventory: inv, MQTT: mqtt.Options{Brokers: []string{broker}, ClientID: "heavy"},
		InfluxDB: database, Observers: []any{s.heavy}, Registerer: s.registry, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.pipeline = p
	ctx, cancel := context.WithCancel(context.Background())
	opened, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- p.Run(ctx, func() { close(opened) }) }()
	s.stop = func() {
		if ctx.Err() != nil {
			return
		}
		cancel()
		<-ended
	}
	select {
	case <-opened:
	case err := <-ended:
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); p.Ready() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(p.Ready())
		}
	}
	return s
}

// counters are the account's, by name and labels.
func (s *service) counters() map[string]float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "greencommunity_")
		if !strings.HasPrefix(name, "messages_") && !strings.HasPrefix(name, "readings_") && name != "influxdb_points_total" {
			continue
		}
		for _, m := range f.Metric {
			all[name+fmt.Sprint(m.Label)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			all[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// Where checkpoints are rare, what /metrics shows is of the last seconds all
// the same; and killed between two of them, the service goes on from what it
// has shown: no counter goes back, nothing is lost or counted twice, and its
// observers have been told of everything once.
func TestAccountBetweenCheckpoints(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	database, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	inv := inventorytest.Parse(t, simulator.Inventory(), time.UTC)
	dir, sent := filepath.Join(t.TempDir(), "data"), 0
	s := run(t, dir, inv, broker.URL(), database.URL())
	publish, err := simulator.Connect(broker.URL(), "feed", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publish.Close()
	start := time.Now().Add(-time.Hour).UnixMilli()
	send := func(n int) {
		for range n {
			payload := fmt.Sprintf(`{"time":%d,"active_power":1}`, start+int64(sent)*10)
			if sent%10 == 0 {
				payload = "{"
			}
			sent++
			if err := publish.Publish(simulator.Message{Topic: fmt.Sprintf("greencommunity/v1/nancheng/lighting/lamp-%d", sent%50), Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	shown := map[string]float64{}
	for round := range 4 {
		for begin := time.Now(); time.Since(begin) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
			before := sent
			send(100)
			for deadline := time.Now().Add(5 * time.Second); s.counters()["messages_received_total"] < float64(before-300); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("round %d: of %d messages /metrics shows %g", round, before, s.counters()["messages_received_total"])
				}
			}
			now := s.counters()
			for name, v := range shown {
				if now[name] < v && !strings.HasPrefix(name, "messages_pending") {
					t.Fatalf("round %d: %s went from %g to %g", round, name, v, now[name])
				}
			}
			shown = now
		}
		// All is in the journal, and much of it in no account yet. What a kill
		// leaves then: the files as they are, those written last copied last.
		if err := publish.Flush(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "journal"), ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			if j.Last() == uint64(sent) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: sent %d, %d are in the journal", round, sent, j.Last())
			}
		}
		copied := filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(copied, 0o750); err != nil {
			t.Fatal(err)
		}
		shown = s.counters()
		for _, name := range []string{"checkpoint", "account", "devices.ndjson", "subscriptions", "rejects.ndjson", "journal"} {
			if out, err := exec.Command("cp", "-r", filepath.Join(dir, name), copied).CombinedOutput(); err != nil && name != "account" {
				t.Fatalf("%s: %v", out, err)
			}
		}
		s.stop()
		dir = copied
		s = run(t, dir, inv, broker.URL(), database.URL())
	}
	defer func() { s.stop() }()
	if err := publish.Flush(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		c := s.counters()
		if c["messages_received_total"] >= float64(sent) && c["messages_pending"] == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sent %d: %v", sent, c)
		}
	}
	c := s.counters()
	if got := c["messages_received_total"]; got != float64(sent) || got != c["messages_stored_total"]+c["messages_rejected_total"]+c["messages_duplicate_total"] {
		t.Errorf("sent %d, received %g, decided %v", sent, got, c)
	}
	rows, err := database.Query(context.Background(), "facilities", "SELECT count(active_power) FROM lighting")
	if err != nil {
		t.Fatal(err)
	}
	stored := fmt.Sprint(rows[0].Values[0][1])
	if want := fmt.Sprint(c["messages_stored_total"]); stored != want {
		t.Errorf("InfluxDB has %s points, stored are %s", stored, want)
	}
	if want := c["messages_stored_total"]; float64(s.heavy.readings) != want {
		t.Errorf("the observer was told of %d readings, stored are %g", s.heavy.readings, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, "rejects.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); float64(n) != c["messages_rejected_total"] {
		t.Errorf("%d rejects are written, %g counted", n, c["messages_rejected_total"])
	}
}
