//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// cluster is three nats-server nodes as one broker: sessions and what waits in them
// are kept in JetStream, on all three. Each way between two nodes is a proxy.
type cluster struct {
	t     testing.TB
	nodes []*natsNode
	ways  map[[2]int]*proxy
}

type natsNode struct {
	*process
	mqtt, health, monitor string
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	program := os.Getenv("GREENCOMMUNITY_NATS")
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("GREENCOMMUNITY_NATS names no nats-server; .ci/nats builds one")
		}
		t.Skip("no nats-server here: GREENCOMMUNITY_NATS=$(.ci/nats) builds and names it")
	}
	shipped, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nats", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 3
	c := &cluster{t: t, ways: map[[2]int]*proxy{}}
	routes := make([]string, size)
	for i := range routes {
		routes[i] = "127.0.0.1:" + freePort(t)
	}
	for from := range size {
		for to := range size {
			if from != to {
				c.ways[[2]int{from, to}] = startProxy(t, routes[to])
			}
		}
	}
	for i := range size {
		dir := t.TempDir()
		var others []string
		for to := range size {
			if to != i {
				others = append(others, fmt.Sprintf("%q", "nats://"+c.ways[[2]int{i, to}].addr()))
			}
		}
		mqtt, client, health := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
		config := string(shipped)
		for from, to := range map[string]string{
			"127.0.0.1:4222": client, "127.0.0.1:8222": health, "0.0.0.0:8883": mqtt, "0.0.0.0:6222": routes[i], "/var/lib/nats": dir, "20GB": "1GB",
			"$NATS_NAME": fmt.Sprint("n", i), "$NATS_ROUTES": "[" + strings.Join(others, ", ") + "]",
			"  tls {cert_file: /etc/nats/server.crt, key_file: /etc/nats/server.key}\n": "", "include users.conf\n": "",
		} {
			if !strings.Contains(config, from) {
				t.Fatalf("nats.conf has no %s", from)
			}
			config = strings.Replace(config, from, to, 1)
		}
		path := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, &natsNode{process: startProcess(t, program, "-c", path), mqtt: mqtt, health: "http://" + health + "/healthz", monitor: "http://" + health})
	}
	c.waitHealthy()
	return c
}

func (c *cluster) brokers() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.mqtt)
	}
	return strings.Join(all, `", "tcp://`) // between the quotation marks of writeConfig
}

// waitHealthy waits until each node says that its streams are whole.
func (c *cluster) waitHealthy() {
	c.t.Helper()
	for i, n := range c.nodes {
		eventually(c.t, 2*time.Minute, fmt.Sprintf("node %d healthy", i), func() error {
			time.Sleep(300 * time.Millisecond) // each answer is a line of its log
			_, err := get(n.health)
			return err
		})
	}
}

// clusterPublisher publishes to whichever node takes it, again where none said so.
type clusterPublisher struct {
	c        *cluster
	stop     atomic.Bool
	mu       sync.Mutex
	attempts map[string]int // by code
	acked    map[string]bool
}

func (p *clusterPublisher) run(id int, every time.Duration, done *sync.WaitGroup) {
	defer done.Done()
	var client paho.Client
	node := id
	for n := 0; !p.stop.Load(); n++ {
		type sending struct {
			code  string
			token paho.Token
		}
		var window []sending
		send := func(code string) {
			p.mu.Lock()
			p.attempts[code]++
			p.mu.Unlock()
			payload := fmt.Sprintf(`{"pass_in":1,"event":"door_forced","code":"%s"}`, code)
			window = append(window, sending{code, client.Publish(fmt.Sprintf("greencommunity/v1/%s/gate/g%d", clusterCommunities[rand.IntN(2)], rand.IntN(20)), 1, false, payload)})
		}
		var again []string
		for i := range 25 {
			again = append(again, fmt.Sprintf("v%d", id*300_000+n*25+i))
		}
		for len(again) > 0 {
			if client == nil || !client.IsConnectionOpen() {
				if client != nil {
					client.Disconnect(0)
				}
				node++
				o := paho.NewClientOptions().AddBroker("tcp://" + p.c.nodes[node%len(p.c.nodes)].mqtt).SetClientID(fmt.Sprintf("vendor-%d-%d", id, node)).
					SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectTimeout(2 * time.Second).SetKeepAlive(2 * time.Second).SetPingTimeout(2 * time.Second)
				client = paho.NewClient(o)
				if token := client.Connect(); !token.WaitTimeout(4*time.Second) || token.Error() != nil {
					time.Sleep(50 * time.Millisecond)
					continue
				}
			}
			window = window[:0]
			for _, code := range again {
				send(code)
			}
			again = nil
			for _, s := range window {
				if s.token.WaitTimeout(4*time.Second) && s.token.Error() == nil {
					p.mu.Lock()
					p.acked[s.code] = true
					p.mu.Unlock()
				} else {
					again = append(again, s.code)
				}
			}
			if len(again) > 0 {
				client.Disconnect(0)
			}
		}
		time.Sleep(every)
	}
	if client != nil {
		client.Disconnect(100)
	}
}

// clusterCommunities are of two instances, one each.
var clusterCommunities = func() (ids [2]string) {
	for i := 0; ids[0] == "" || ids[1] == ""; i++ {
		id := fmt.Sprintf("c%d", i)
		ids[inventory.OwnerOf(ingest.CommunityID(id), 2)] = id
	}
	return ids
}()

// A node of the broker's cluster is killed, stopped in order, frozen, cut off from the
// others; one of two instances that divide the communities is killed, and its standby
// takes over. What the cluster has acknowledged is in InfluxDB, and
// as often as it was published, but for one or two a fault that were sent again alone.
func TestLongBrokerCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	db := startDatabase(t)
	devices := strings.NewReplacer("nancheng", clusterCommunities[0], "xicheng", clusterCommunities[1]).Replace(testInventory)
	var instances, standbys []*ingester
	for i := range 2 {
		in := startIngesterOf(t, c.brokers(), "http://"+db.addr, fmt.Sprintf("shard: {index: %d, count: 2}\n", i), devices)
		in.waitReady()
		instances, standbys = append(instances, in), append(standbys, startStandby(t, in))
	}
	metrics := func() (samples, error) {
		sum := samples{}
		for _, in := range instances {
			s, err := in.metrics()
			if err != nil {
				return nil, err
			}
			for name, v := range s {
				sum[name] += v
			}
		}
		return sum, nil
	}
	p := &clusterPublisher{c: c, attempts: map[string]int{}, acked: map[string]bool{}}
	var publishing sync.WaitGroup
	for id := range 3 {
		publishing.Add(1)
		go p.run(id, 200*time.Millisecond, &publishing)
	}
	faults := 2
	if long() {
		faults = 20
		if n, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_FAULTS")); err == nil {
			faults = n
		}
	}
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("GREENCOMMUNITY_SEED"), 10, 64); err == nil {
		seed = s
	}
	random := rand.New(rand.NewPCG(seed, 1))
	eventually(t, time.Minute, "the first messages", func() error {
		if s, err := metrics(); err != nil || s.sum("greencommunity_messages_received_total") < 2000 {
			return fmt.Errorf("none yet, %w", err)
		}
		return nil
	})
	kinds := []string{"kill", "stop", "freeze", "partition", "kill the session's node", "kill the service"}
	count := map[string]int{}
	var away, led []time.Duration // until another node had the session; led: the dead one led the sessions' stream
	var taken []time.Duration     // until the standby of an instance that was killed was ready
	for n := range faults {
		kind := kinds[n%len(kinds)]
		if n >= len(kinds) {
			kind = kinds[random.IntN(len(kinds))]
		}
		if !long() {
			kind = []string{"kill the session's node", "kill the service"}[n%2]
		}
		count[kind]++
		who, one := random.IntN(len(c.nodes)), random.IntN(2)
		in := instances[one]
		pause := time.Duration(500+random.IntN(2500)) * time.Millisecond
		if kind == "kill the session's node" {
			who = c.connectedTo(in)
			kind = "kill"
		}
		was, leads := who == c.connectedTo(in), c.leads(who)
		since := time.Now()
		switch kind {
		case "kill", "stop":
			c.nodes[who].end(map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGTERM}[kind])
			if was && kind == "kill" {
				if d := c.untilConnected(in, who, since); leads {
					led = append(led, d)
				} else {
					away = append(away, d)
				}
			}
			time.Sleep(pause)
			c.nodes[who].start()
		case "freeze":
			_ = c.nodes[who].cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(4 * pause)
			_ = c.nodes[who].cmd.Process.Signal(syscall.SIGCONT)
		case "partition":
			for way, proxy := range c.ways {
				if way[0] == who || way[1] == who {
					proxy.cut()
				}
			}
			time.Sleep(4 * pause)
			for way, proxy := range c.ways {
				if way[0] == who || way[1] == who {
					proxy.close()
				}
			}
		case "kill the service":
			in.end(syscall.SIGKILL)
			standbys[one].waitReady()
			taken = append(taken, time.Since(since).Round(time.Millisecond))
			if !slices.Contains(in.args, "--standby") {
				in.args = append(in.args, "--standby")
			}
			in.start()
			instances[one], standbys[one] = standbys[one], in
		}
		c.waitHealthy()
	}
	p.stop.Store(true)
	publishing.Wait()
	published, missing, double := 0, 0, 0
	for _, n := range p.attempts {
		published += n
	}
	stored := map[string]int{}
	eventually(t, 2*time.Minute, "all that was acknowledged", func() error {
		clear(stored)
		for _, row := range db.rows(`SELECT code FROM events WHERE type = 'door_forced'`) {
			stored[fmt.Sprint(row["code"])]++
		}
		missing, double = 0, 0
		for code := range p.acked {
			if stored[code] == 0 {
				missing++
			}
		}
		for code, n := range stored {
			double += max(0, n-p.attempts[code])
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d are missing", missing, len(p.acked))
		}
		return nil
	})
	eventually(t, time.Minute, "all of them decided", func() error {
		s, err := metrics()
		if err != nil {
			return err
		}
		if n := s.sum("greencommunity_messages_received_total"); n < float64(len(p.acked)) {
			return fmt.Errorf("%.0f of %d", n, len(p.acked))
		}
		return s.settled(t)
	})
	slices.Sort(away)
	slices.Sort(led)
	slices.Sort(taken)
	recognised := 0.0
	if m, err := metrics(); err == nil {
		recognised = m.sum("greencommunity_redeliveries_recognised_total")
	}
	t.Logf("seed %d: faults %v; published %d, %d of them again; acknowledged %d, stored %d, missing %d, doubled %d, recognised since the last start %.0f; until another node had the session %v, where the dead one led the sessions %v; until a standby had taken over %v",
		seed, count, published, published-len(p.attempts), len(p.acked), len(stored), missing, double, recognised, away, led, taken)
	if double > 2*faults { // one or two that are sent again alone are not told from new ones
		t.Errorf("%d messages stand twice", double)
	}
}

// connectedTo says which node the service's last connection is to.
func (c *cluster) connectedTo(in *ingester) int {
	text := in.log.String()
	at := strings.LastIndex(text, `msg="broker connected" broker=tcp://`)
	if at < 0 {
		return -1
	}
	address, _, _ := strings.Cut(text[at+len(`msg="broker connected" broker=tcp://`):], " ")
	return slices.IndexFunc(c.nodes, func(n *natsNode) bool { return n.mqtt == address })
}

// leads reports whether a node leads what the broker keeps its sessions in.
func (c *cluster) leads(who int) bool {
	text, err := get(c.nodes[who].monitor + "/jsz?streams=1")
	if err != nil {
		return false
	}
	_, text, found := strings.Cut(text, `"name": "$MQTT_sess"`)
	_, text, ok := strings.Cut(text, `"leader": "`)
	return found && ok && strings.HasPrefix(text, fmt.Sprintf("n%d\"", who))
}

func (c *cluster) untilConnected(in *ingester, gone int, since time.Time) time.Duration {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if node := c.connectedTo(in); node >= 0 && node != gone {
			if s, err := in.metrics(); err == nil && s.sum("greencommunity_mqtt_connected") == 1 {
				return time.Since(since).Round(10 * time.Millisecond)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Errorf("no other node within a minute of %d's end", gone)
	return time.Minute
}
