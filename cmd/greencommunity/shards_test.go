package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shardsInventory has a source of each kind: the topic names the community, the
// source does, and neither.
func shardsInventory() string {
	var b strings.Builder
	b.WriteString("communities:\n")
	for i := range 9 {
		fmt.Fprintf(&b, "- {id: c%d, name: 社区%d}\n", i, i)
	}
	b.WriteString(`vendors:
- id: brightlamp
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
- id: pumps
  sources:
  - {topic: "pumps/{device}", format: native, community: c3, facility: water}
- id: integrator
  sources:
  - {topic: "integrator/{device}/up", format: native}
  devices:
`)
	for i := range 6 {
		fmt.Fprintf(&b, "  - {id: listed-%d, community: c%d, facility: water}\n", i, i)
	}
	return b.String()
}

// startShards starts count instances of one inventory.
func startShards(t *testing.T, broker, influx string, count int) []*ingester {
	t.Helper()
	var shards []*ingester
	for i := range count {
		in := startShard(t, broker, influx, i, count)
		in.waitReady()
		shards = append(shards, in)
	}
	return shards
}

func startShard(t *testing.T, broker, influx string, index, count int) *ingester {
	t.Helper()
	return startIngesterOf(t, broker, influx, fmt.Sprintf("shard: {index: %d, count: %d}\n", index, count), shardsInventory())
}

// startIngesterOf is startIngester with an inventory of the test's own.
func startIngesterOf(t *testing.T, broker, influx, more, inventory string) *ingester {
	t.Helper()
	bin := built.Path(t)
	dir, httpAddr, path := writeConfig(t, broker, influx, more)
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(inventory), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	return in
}

// account returns what the instances count together, by metric and labels.
func account(t *testing.T, instances []*ingester) samples {
	t.Helper()
	sum := samples{}
	for _, in := range instances {
		s, err := in.metrics()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.settled(t); err != nil {
			return nil
		}
		for name, v := range s {
			for _, counted := range []string{"messages_", "readings_", "devices", "influxdb_points", "programme_", "community_", "lighting_", "water_"} {
				if strings.HasPrefix(name, "greencommunity_"+counted) && !strings.Contains(name, "foreign") {
					sum[name] += v
				}
			}
		}
	}
	return sum
}

func waitAccount(t *testing.T, instances []*ingester, received float64) samples {
	t.Helper()
	var s samples
	eventually(t, 60*time.Second, fmt.Sprintf("%.0f messages decided", received), func() error {
		s = account(t, instances)
		if n := s.sum("greencommunity_messages_received_total"); n < received {
			return fmt.Errorf("%.0f received of %.0f", n, received)
		}
		return nil
	})
	return s
}

// Three instances on one Mosquitto and one InfluxDB take every message once:
// their totals are those of one instance, and so is what the database holds.
func TestShardsAreOneInstance(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	one, three := startDatabase(t), startDatabase(t)
	instances := []*ingester{startIngesterOf(t, broker, "http://"+one.addr, "", shardsInventory())}
	instances[0].waitReady()
	shards := startShards(t, broker, "http://"+three.addr, 3)
	p := newPublisher(t, broker)
	now, sent := time.Now().Truncate(time.Second).UnixMilli(), 0
	send := func(topic, payload string) { sent++; p.publish(topic, []byte(payload)) }
	for round := range 8 {
		at := now + int64(round)*1000
		for c := range 9 {
			for d := range 4 {
				send(fmt.Sprintf("greencommunity/v1/c%d/lighting/lamp-%d-%d", c, c, d), fmt.Sprintf(`{"time":%d,"active_power":%d}`, at, 10+d))
			}
			send(fmt.Sprintf("greencommunity/v1/c%d/water/meter-%d", c, c), fmt.Sprintf(`{"time":%d,"water_volume_total":%d}`, at, 100+round))
		}
		for d := range 5 { // listed-5 stays unheard
			send(fmt.Sprintf("integrator/listed-%d/up", d), fmt.Sprintf(`{"time":%d,"water_volume_total":%d}`, at, 7+round))
		}
		send("pumps/pump-1", fmt.Sprintf(`{"time":%d,"water_volume_total":%d}`, at, round))
		send("pumps/pump-1", fmt.Sprintf(`{"time":%d,"water_volume_total":%d}`, at, round)) // a duplicate
		send("greencommunity/v1/c1/lighting/lamp-1-0", `{"active_power":"broken"}`)
		send("integrator/unlisted/up", `{"water_volume_total":1}`)
	}
	want := waitAccount(t, instances, float64(sent))
	got := waitAccount(t, shards, float64(sent))
	if n := got.sum("greencommunity_messages_received_total"); n != float64(sent) {
		t.Errorf("%d messages, %.0f taken", sent, n)
	}
	eventually(t, 60*time.Second, "the totals of one instance", func() error { // devices are counted every 15 s
		want, got = account(t, instances), account(t, shards)
		return differ(want, got)
	})
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("no %s", name)
		}
	}
	for i, in := range shards {
		s, err := in.metrics()
		if err != nil {
			t.Fatal(err)
		}
		n := s.sum("greencommunity_messages_received_total")
		t.Logf("instance %d: %.0f of %d messages, %.0f devices", i, n, sent, s.sum("greencommunity_devices"))
		if n == 0 || s.sum("greencommunity_messages_foreign_total") != 0 {
			t.Errorf("instance %d took %.0f messages, and was sent %.0f of others", i, n, s.sum("greencommunity_messages_foreign_total"))
		}
	}
	for _, query := range []string{
		`SELECT count(active_power), sum(active_power) FROM lighting GROUP BY community, device`,
		`SELECT count(water_volume_total), sum(water_volume_total) FROM water GROUP BY community, device`,
	} {
		a, b := sorted(one.rows(query)), sorted(three.rows(query))
		if len(a) == 0 || !slices.Equal(a, b) {
			t.Errorf("%s: one instance\n%v\nthree\n%v", query, a, b)
		}
	}
}

func differ(want, got samples) error {
	if len(want) == 0 || len(got) == 0 {
		return errors.New("messages are pending")
	}
	for name, v := range want {
		if got[name] != v {
			return fmt.Errorf("%s is %v of one instance, %v of three", name, v, got[name])
		}
	}
	return nil
}

func sorted(rows []map[string]any) []string {
	var lines []string
	for _, r := range rows {
		text, _ := json.Marshal(r)
		lines = append(lines, string(text))
	}
	slices.Sort(lines)
	return lines
}

// A fourth instance joins three: it is started first, then the others are
// told. Nothing is lost, not even what the broker had queued for one that was
// away, and afterwards each message is taken once again.
func TestShardsDividedAnew(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	shards := startShards(t, broker, "http://"+db.addr, 3)
	p := newPublisher(t, broker)
	now, round := time.Now().Truncate(time.Second).UnixMilli(), 0
	publish := func() {
		for c := range 9 {
			p.publish(fmt.Sprintf("greencommunity/v1/c%d/lighting/lamp-%d", c, c), fmt.Appendf(nil, `{"time":%d,"active_power":%d}`, now+int64(round)*1000, 10+round))
		}
		round++
	}
	total := func() float64 {
		n := 0.0
		for _, in := range shards {
			s, err := in.metrics()
			if err != nil {
				t.Fatal(err)
			}
			n += s.sum("greencommunity_messages_received_total")
		}
		return n
	}
	publish()
	waitAccount(t, shards, 9)
	for _, in := range shards {
		in.end(syscall.SIGTERM)
	}
	publish() // queued for the three, by the old division
	shards = append(shards, startShard(t, broker, "http://"+db.addr, 3, 4))
	shards[3].waitReady()
	publish() // by both
	for _, in := range shards[:3] {
		path := filepath.Join(in.dir, "config.yaml")
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), "count: 3", "count: 4, hand_over: none", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		in.start()
		in.waitReady()
	}
	waitAccount(t, shards, 27)
	eventually(t, 20*time.Second, "three rounds in InfluxDB", func() error {
		rows := db.rows(`SELECT count(active_power) FROM lighting GROUP BY device`)
		if len(rows) != 9 {
			return fmt.Errorf("%d devices", len(rows))
		}
		for _, r := range rows {
			if fmt.Sprint(r["count"]) != "3" {
				return fmt.Errorf("%v", r)
			}
		}
		return nil
	})
	// What is shown lags by a checkpoint, of one a second.
	taken, since := total(), time.Now()
	eventually(t, 30*time.Second, "totals at rest", func() error {
		if n := total(); n != taken {
			taken, since = n, time.Now()
		}
		if rest := time.Since(since); rest < 3*time.Second {
			return fmt.Errorf("for %s", rest)
		}
		return nil
	})
	moved := taken - 27 // of the round both were subscribed to
	if moved < 1 || moved > 8 {
		t.Errorf("%.0f messages were taken twice while the division changed; one for each community that moves", moved)
	}
	publish()
	waitAccount(t, shards, taken+9)
	time.Sleep(1500 * time.Millisecond)
	if n := total() - taken; n != 9 {
		t.Errorf("of 9 messages after the change %.0f were taken", n)
	}
}
