package pipeline_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
)

// The simulation runs the pipeline by a clock, a broker and a database of its
// own, minutes in some milliseconds, and ends it as a kill does: what is on disk
// at that instant is what the next start finds. The disk is a real one. A seed
// gives the messages, the faults and their times; which goroutine runs first is
// Go's choice, so that a seed that fails may have to be run some times again.

// wire is the network between the pipeline and the two others.
type wire struct {
	mu    sync.Mutex
	up    bool
	conns map[net.Conn]bool
	serve func(net.Conn)
}

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.up || ctx.Err() != nil {
		return nil, errors.New("simulated: nobody answers")
	}
	here, there := net.Pipe()
	w.conns[here], w.conns[there] = true, true
	go func() {
		w.serve(there)
		there.Close()
		w.mu.Lock()
		delete(w.conns, here)
		delete(w.conns, there)
		w.mu.Unlock()
	}()
	return here, nil
}

// set cuts all connections, or lets new ones be made.
func (w *wire) set(up bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = up
	if !up {
		for c := range w.conns {
			c.Close()
		}
	}
}

// simBroker is one persistent session at QoS 1.
type simBroker struct {
	wire    wire
	mu      sync.Mutex
	changed chan struct{} // closed and made anew when something is to be sent
	session bool
	queue   []simMessage // not acknowledged by the pipeline, in order
	sent    int          // of these, on the connection there is
	next    uint16
	alive   net.Conn
}

type simMessage struct {
	id      uint16
	topic   string
	payload []byte
	again   bool
}

const simInflight = 40

func (b *simBroker) publish(topic, payload string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = max(1, b.next+1)
	b.queue = append(b.queue, simMessage{b.next, topic, []byte(payload), false})
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *simBroker) serve(c net.Conn) {
	packet, err := packets.ReadPacket(c)
	if err != nil {
		return
	}
	if _, ok := packet.(*packets.ConnectPacket); !ok {
		return
	}
	answer := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	b.mu.Lock()
	answer.SessionPresent, b.session = b.session, true
	b.sent, b.alive = 0, c
	b.mu.Unlock()
	if answer.Write(c) != nil {
		return
	}
	out := make(chan packets.ControlPacket, 100)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		for {
			b.mu.Lock()
			var send *packets.PublishPacket
			if b.alive == c && b.sent < min(len(b.queue), simInflight) {
				m := &b.queue[b.sent]
				send = packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
				send.Qos, send.TopicName, send.Payload, send.MessageID, send.Dup = 1, m.topic, m.payload, m.id, m.again
				m.again = true
				b.sent++
			}
			changed := b.changed
			b.mu.Unlock()
			if send != nil {
				if send.Write(c) != nil {
					return
				}
				continue
			}
			select {
			case <-gone:
				return
			case <-changed:
			case p := <-out:
				if p.Write(c) != nil {
					return
				}
			}
		}
	}()
	for {
		packet, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		switch p := packet.(type) {
		case *packets.SubscribePacket:
			a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			a.MessageID, a.ReturnCodes = p.MessageID, bytes.Repeat([]byte{1}, len(p.Topics))
			out <- a
		case *packets.UnsubscribePacket:
			a := packets.NewControlPacket(packets.Unsuback).(*packets.UnsubackPacket)
			a.MessageID = p.MessageID
			out <- a
		case *packets.PingreqPacket:
			out <- packets.NewControlPacket(packets.Pingresp)
		case *packets.PubackPacket:
			b.mu.Lock()
			for i := range min(b.sent, len(b.queue)) {
				if b.queue[i].id == p.MessageID {
					b.queue = append(b.queue[:i], b.queue[i+1:]...)
					b.sent--
					break
				}
			}
			close(b.changed)
			b.changed = make(chan struct{})
			b.mu.Unlock()
		case *packets.DisconnectPacket:
			return
		}
	}
}

// simDatabase stores points, or answers as one in trouble does.
type simDatabase struct {
	wire    wire
	mu      sync.Mutex
	points  map[string]map[string]string // fields by series and time
	percent int                          // of writes that go wrong
	random  *rand.Rand
	answers map[string]int
}

func (d *simDatabase) serve(c net.Conn) {
	l := &oneConn{conn: c, closed: make(chan struct{})}
	s := &http.Server{Handler: d, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			l.Close()
		}
	}}
	_ = s.Serve(l)
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   net.Conn
	once   sync.Once
	given  bool
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.given {
		l.given = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *oneConn) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

func (d *simDatabase) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return // cut: nothing of it is applied
	}
	d.mu.Lock()
	what := 0
	if d.random.IntN(100) < d.percent {
		what = 1 + d.random.IntN(9)
	}
	d.answers[strconv.Itoa(what)]++
	d.mu.Unlock()
	apply := func() {
		d.wire.mu.Lock()
		up := d.wire.up
		d.wire.mu.Unlock()
		if !up { // the kill came first
			panic(http.ErrAbortHandler)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		decoder := lineprotocol.NewDecoderWithBytes(text)
		for decoder.Next() {
			key, fields, err := point(decoder)
			if err != nil {
				panic(err)
			}
			if d.points[key] == nil {
				d.points[key] = map[string]string{}
			}
			for k, v := range fields {
				d.points[key][k] = v
			}
		}
	}
	html := func(status int) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, "<html><title>Sign in</title></html>")
	}
	switch what {
	case 0:
		apply()
		w.WriteHeader(http.StatusNoContent)
	case 1:
		apply()
		w.WriteHeader(http.StatusInternalServerError)
	case 2:
		apply()
		panic(http.ErrAbortHandler)
	case 3:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 4:
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(http.StatusTooManyRequests)
	case 5:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case 6:
		html(http.StatusOK)
	case 7:
		html(http.StatusBadRequest)
	case 8:
		time.Sleep(45 * time.Second) // longer than a request may take
		apply()
		w.WriteHeader(http.StatusNoContent)
	default:
		panic(http.ErrAbortHandler)
	}
}

func point(d *lineprotocol.Decoder) (key string, fields map[string]string, err error) {
	measurement, err := d.Measurement()
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	b.Write(measurement)
	for {
		k, v, err := d.NextTag()
		if err != nil {
			return "", nil, err
		}
		if k == nil {
			break
		}
		fmt.Fprintf(&b, ",%s=%s", k, v)
	}
	fields = map[string]string{}
	for {
		k, v, err := d.NextField()
		if err != nil {
			return "", nil, err
		}
		if k == nil {
			break
		}
		fields[string(k)] = v.String()
	}
	at, err := d.Time(lineprotocol.Millisecond, time.Time{})
	if err != nil {
		return "", nil, err
	}
	fmt.Fprintf(&b, " %d", at.UnixMilli())
	return b.String(), fields, nil
}

// copyState copies what is on disk.
func copyState(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rest), 0o700)
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // renamed meanwhile
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rest), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// simDir is a folder in memory, where there is one: no fsync is waited for.
func simDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "greencommunity-simulation-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// simulate runs one seed: some minutes of messages, kills and faults.
func simulate(t *testing.T, seed uint64, inv *inventory.Inventory, now time.Time) {
	dir := simDir(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // files have the times of the machine's clock
		random := rand.New(rand.NewPCG(seed, 1))
		broker := &simBroker{changed: make(chan struct{}), session: false}
		broker.wire = wire{up: true, conns: map[net.Conn]bool{}, serve: broker.serve}
		db := &simDatabase{points: map[string]map[string]string{}, random: rand.New(rand.NewPCG(seed, 2)), answers: map[string]int{}}
		db.wire = wire{up: true, conns: map[net.Conn]bool{}, serve: db.serve}

		var registry *prometheus.Registry
		generation := 0
		var stop func()
		start := func() {
			registry = prometheus.NewRegistry()
			p, err := pipeline.New(pipeline.Options{
				DataDir: filepath.Join(dir, strconv.Itoa(generation)), Inventory: inv, Registerer: registry, Logger: slog.New(slog.DiscardHandler),
				MQTT:     mqtt.Options{Brokers: []string{"tcp://127.0.0.1:9"}, ClientID: "simulated", Dial: broker.wire.dial},
				InfluxDB: influx.Options{URL: "http://127.0.0.1:9", Org: "o", Bucket: "b", Gzip: "off", Dial: db.wire.dial},

				AcknowledgeStored: seed%4 == 3,
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx, func() {}) }()
			stop = func() {
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("the pipeline ended: %v", err)
				}
			}
		}
		start()
		kill := func() {
			broker.wire.set(false)
			db.wire.set(false)
			synctest.Wait() // all stand still: this instant is what the kill leaves
			from, to := filepath.Join(dir, strconv.Itoa(generation)), filepath.Join(dir, strconv.Itoa(generation+1))
			copyState(t, from, to)
			stop() // what it still writes, nobody reads
			os.RemoveAll(from)
			generation++
			broker.wire.set(true)
			db.wire.set(true)
			start()
		}

		begin := time.Now().Add(-time.Hour).UnixMilli()
		want := map[string]int{} // values that stand once, by measurement, device and value
		broken, sent := map[string]bool{}, 0
		send := func() {
			i := sent
			sent++
			device := fmt.Sprintf("d%d", random.IntN(12))
			switch random.IntN(6) {
			case 0:
				broker.publish("v/c/lighting/t"+device, fmt.Sprintf(`{"time":%d,"active_power":%d}`, begin+int64(i)*7, i))
				want[fmt.Sprintf("lighting t%s active_power %d", device, i)]++
			case 1:
				broker.publish("v/c/lighting/n"+device, fmt.Sprintf(`{"active_power":%d}`, i))
				want[fmt.Sprintf("lighting n%s active_power %d", device, i)]++
			case 2:
				broker.publish("v/c/water/a"+device, fmt.Sprintf(`[{"time":%d,"water_volume_total":%d},{"water_volume_total":%d},{"water_volume_total":%d}]`, begin+int64(i)*7, 3*i, 3*i+1, 3*i+2))
				for k := range 3 {
					want[fmt.Sprintf("water a%s water_volume_total %d", device, 3*i+k)]++
				}
			case 3:
				broker.publish("v/c/gate/e"+device, fmt.Sprintf(`{"event":"door_forced","code":"v%d"}`, i))
				want[fmt.Sprintf("events e%s code v%d", device, i)]++
			case 4:
				text := fmt.Sprintf("broken %d", i)
				broker.publish("v/c/lighting/b"+device, text) // of a gate nothing of it would be kept
				broken[text] = true
			default: // a burst by doors
				for k := range random.IntN(30) {
					broker.publish("v/c/gate/g"+device, fmt.Sprintf(`{"pass_in":1,"event":"door_forced","code":"p%d-%d"}`, i, k))
					want[fmt.Sprintf("events g%s code p%d-%d", device, i, k)]++
				}
			}
		}
		for end := time.Now().Add(time.Duration(60+random.IntN(180)) * time.Second); time.Now().Before(end); {
			for range random.IntN(20) {
				send()
			}
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
			switch random.IntN(12) {
			case 0, 1:
				kill()
			case 2:
				stop()
				start()
			case 3:
				broker.wire.set(false)
				time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
				broker.wire.set(true)
			case 4:
				db.wire.set(false)
				time.Sleep(time.Duration(random.IntN(20_000)) * time.Millisecond)
				db.wire.set(true)
			case 5:
				db.mu.Lock()
				db.percent = random.IntN(3) * 30
				db.mu.Unlock()
			}
		}
		db.mu.Lock()
		db.percent = 0
		db.mu.Unlock()
		for waited := 0; ; waited++ {
			time.Sleep(5 * time.Second)
			broker.mu.Lock()
			queued := len(broker.queue)
			broker.mu.Unlock()
			c := gathered(t, registry)
			if queued == 0 && c["messages_pending"] == 0 && c["messages_received_total"] > 0 {
				break
			}
			if waited > 200 {
				t.Fatalf("after %d s %d wait with the broker, and the account is %v", 5*waited, queued, c)
			}
		}
		time.Sleep(10 * time.Second)
		c := gathered(t, registry)
		if fates := c["messages_stored_total"] + c["messages_duplicate_total"] + c["messages_rejected_total"] + c["messages_ignored_total"]; fates != c["messages_received_total"] {
			t.Errorf("received %g, fates %g: %v", c["messages_received_total"], fates, c)
		}
		if c["messages_lost_total"] != 0 || c["messages_rejected_total"] != float64(len(broken)) {
			t.Errorf("%g lost, %g rejected of %d", c["messages_lost_total"], c["messages_rejected_total"], len(broken))
		}
		stop()
		time.Sleep(time.Minute) // answers that took their time
		broker.wire.set(false)
		db.wire.set(false)
		synctest.Wait()
		for _, name := range []string{"rejects.ndjson.1", "rejects.ndjson"} {
			text, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(generation), name))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			for line := range strings.SplitSeq(string(text), "\n") {
				if _, rest, ok := strings.Cut(line, `"payload":"`); ok {
					delete(broken, strings.TrimSuffix(rest, `"}`))
				}
			}
		}
		if len(broken) > 0 {
			t.Errorf("%d are not among the rejects: %v", len(broken), broken)
		}
		have := map[string]int{}
		for key, fields := range db.points {
			measurement, tags, _ := strings.Cut(key, ",")
			_, device, _ := strings.Cut(tags, "device=")
			device, _, _ = strings.Cut(device, ",")
			device, _, _ = strings.Cut(device, " ")
			for _, name := range []string{"active_power", "water_volume_total", "code"} {
				if v, ok := fields[name]; ok {
					have[fmt.Sprintf("%s %s %s %s", measurement, device, name, strings.Trim(v, `"i`))]++
				}
			}
		}
		missing, doubled := 0, 0
		for k, n := range want {
			if have[k] < n {
				missing++
				t.Logf("missing: %s", k)
			}
			if have[k] > n {
				doubled++
				t.Logf("stands %d times: %s", have[k], k)
			}
			delete(have, k)
		}
		if missing+doubled+len(have) > 0 {
			t.Errorf("seed %d, %d messages, %d starts: %d missing, %d doubled, %d that nobody sent", seed, sent, generation+1, missing, doubled, len(have))
		}
	})
}

func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	c := map[string]float64{}
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "greencommunity_")
		for _, m := range f.Metric {
			c[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return c
}

// Every message the broker was given is a point, once, or a reject, whatever
// happens when. GREENCOMMUNITY_SEEDS is how many histories are tried, and
// GREENCOMMUNITY_SEED the one to try again.
func TestSimulation(t *testing.T) {
	inv := inventorytest.Parse(t, `
communities: [{id: c, name: C}]
vendors: [{id: v, sources: [{topic: "v/{community}/{facility}/{device}", format: native}]}]
`, time.UTC)
	now := time.Now().Round(0).Add(time.Minute)
	if one, err := strconv.ParseUint(os.Getenv("GREENCOMMUNITY_SEED"), 10, 64); err == nil {
		simulate(t, one, inv, now)
		return
	}
	seeds, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_SEEDS"))
	if err != nil {
		seeds = 20
	}
	base := uint64(time.Now().UnixNano())
	for i := range seeds {
		seed := base + uint64(i)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { // the name is what GREENCOMMUNITY_SEED takes
			t.Parallel()
			simulate(t, seed, inv, now)
		})
	}
}
