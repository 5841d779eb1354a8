package serve

import (
	"bufio"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/simulator"
)

// A whole data directory of the first program (f05c4a8: six days of a lamp with a
// meter, one that burns by day, a water meter that never stands still, bins and a gate,
// refused messages; two frozen baselines) starts today: every counter and accrual and
// both baselines are as that program exposed them before it ended. A message after that
// is counted on top. What depends on the date of the start (open alarms that expire,
// gauges of now) is compared for the same states in metrics/usage and metrics/facility.
func TestWholeDirectoryOfTheFirstProgram(t *testing.T) {
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
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", "testdata/f05c4a8/data.tar.gz", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inventory, err := os.ReadFile("testdata/f05c4a8/inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"inventory.yaml": string(inventory),
		"config.yaml": fmt.Sprintf("data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [%q], client_id: upgrade}\ninfluxdb: {url: %q, org: bureau, bucket: facilities}\nhttp: {listen: \"127.0.0.1:0\"}\n",
			broker.URL(), database.URL()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.Open("testdata/f05c4a8/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	want := exposed(t, bufio.NewScanner(old))
	if len(want) < 50 {
		t.Fatalf("only %d series of the first program", len(want))
	}

	run := func(meanwhile func(scrape func() map[string]float64)) {
		s, end := startService(t, dir)
		defer end()
		scrape := func() map[string]float64 {
			r, err := http.Get("http://" + s.Addr() + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			return exposed(t, bufio.NewScanner(r.Body))
		}
		waitFor(t, "readiness", func() bool { return s.Ready() == nil })
		meanwhile(scrape)
	}
	compare := func(when string, got map[string]float64) {
		for series, v := range want {
			if now, ok := got[series]; !ok || math.Abs(now-v) > 1e-9*max(1, math.Abs(v)) {
				t.Errorf("%s: %s is %v, was %v", when, series, now, v)
			}
		}
	}
	const stored, received = "greencommunity_messages_stored_total", `greencommunity_messages_received_total{vendor="native"}`
	run(func(scrape func() map[string]float64) { compare("at the first start", scrape()) })
	run(func(scrape func() map[string]float64) { // from what today's program saved
		compare("at the second start", scrape())
		publisher, err := simulator.Connect(broker.URL(), "upgrade-feed", "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer publisher.Close()
		if err := publisher.Publish(simulator.Message{Topic: "greencommunity/v1/nancheng/parking/p-1", Payload: []byte(`{"spaces_occupied":7}`)}); err != nil {
			t.Fatal(err)
		}
		if err := publisher.Flush(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the message to be stored", func() bool { return scrape()[stored] == want[stored]+1 })
		got := scrape()
		if got[received] != want[received]+1 {
			t.Errorf("%v received, want one more than %v", got[received], want[received])
		}
	})
}

// waitFor waits until something is done, half a minute at most.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// exposed reads the series of a text of /metrics.
func exposed(t *testing.T, lines *bufio.Scanner) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for lines.Scan() {
		i := strings.LastIndexByte(lines.Text(), ' ')
		if i < 0 || lines.Text()[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(lines.Text()[i+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		values[lines.Text()[:i]] = v
	}
	return values
}
