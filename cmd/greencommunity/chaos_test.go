package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// proxy passes TCP on, and can cut connections half-open: what is sent goes
// nowhere, and nobody is told.
type proxy struct {
	listener net.Listener
	to       string
	mu       sync.Mutex // guards conns, between the acceptor and the test
	conns    map[net.Conn]*atomic.Bool
}

func startProxy(t testing.TB, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, conns: map[net.Conn]*atomic.Bool{}}
	t.Cleanup(func() { l.Close(); p.close() })
	go p.accept() // ends with the listener
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", p.to)
		if err != nil {
			c.Close()
			continue
		}
		hole := &atomic.Bool{}
		p.mu.Lock()
		p.conns[c], p.conns[up] = hole, hole
		p.mu.Unlock()
		pass := func(from, to net.Conn) {
			buf := make([]byte, 32<<10)
			for {
				n, err := from.Read(buf)
				if n > 0 && !hole.Load() {
					if _, err := to.Write(buf[:n]); err != nil {
						break
					}
				}
				if err != nil {
					break
				}
			}
			if !hole.Load() {
				from.Close()
				to.Close()
			}
		}
		go pass(c, up)
		go pass(up, c)
	}
}

// cut makes the connections there are into black holes.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, hole := range p.conns {
		hole.Store(true)
	}
}

// close closes them.
func (p *proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// watch scrapes /metrics until told to end, and checks that no counter of the
// account goes back, whatever is done to the process.
func watch(in *ingester, stop <-chan struct{}) (ended chan int) {
	ended = make(chan int, 1)
	go func() {
		last, scrapes := samples{}, 0
		for {
			select {
			case <-stop:
				ended <- scrapes
				return
			case <-time.After(20 * time.Millisecond):
			}
			now, err := in.metrics()
			if err != nil {
				continue // it is being killed
			}
			scrapes++
			gone := 0.0
			if started := "process_start_time_seconds"; now[started] != last[started] {
				gone = float64(in.gone.Swap(0))
			}
			for name, v := range now {
				account := strings.HasPrefix(name, "greencommunity_messages_") || strings.HasPrefix(name, "greencommunity_readings_") || strings.HasPrefix(name, "greencommunity_influxdb_points_total")
				if account && strings.Contains(name, "_total") && v < last[name]-gone {
					in.t.Errorf("%s went back from %v to %v", name, last[name], v)
				}
			}
			for name := range last {
				if _, ok := now[name]; !ok && strings.Contains(name, "messages_received_total") {
					in.t.Errorf("%s is gone", name)
				}
			}
			last = now
			_ = now.settled(in.t) // the balance
		}
	}()
	return ended
}

// The ingester is killed, the broker and the database are restarted, and
// connections are cut half-open, all under load. Every message the broker has
// acknowledged is a point or a reject at the end, and every point stands once.
func TestLongChaos(t *testing.T) {
	t.Parallel()
	mosquitto, broker := startMosquitto(t)
	db := startDatabase(t)
	cable := startProxy(t, broker)
	in := startIngester(t, cable.addr(), "http://"+db.addr, "")
	in.waitReady()

	kills := 4
	if long() {
		kills = 20
	}
	if n, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d, %d kills", seed, kills)

	stop := make(chan struct{})
	watched := watch(in, stop)
	const publishers, devicesEach = 4, 25
	start := time.Now().Add(-24 * time.Hour).UnixMilli()
	counts := make([]int, publishers)
	var wg sync.WaitGroup
	for k := range publishers {
		wg.Go(func() {
			p := newPublisher(t, broker)
			for i := 0; ; i++ {
				select {
				case <-stop:
					counts[k] = i
					return
				default:
				}
				p.publish(chaosMessage(k, i, start, devicesEach))
				if i%50 == 0 {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for kill := 0; kill < kills; {
		time.Sleep(time.Duration(50+random.IntN(700)) * time.Millisecond)
		switch n := random.IntN(10); {
		case n < 7:
			in.end(syscall.SIGKILL)
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			in.start()
			kill++
		case n < 8:
			mosquitto.end(syscall.SIGTERM)
			mosquitto.start()
			waitPort(t, broker)
		case n < 9:
			db.stop()
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			db.start()
		default:
			cable.cut()
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
			cable.close()
		}
	}
	close(stop)
	wg.Wait()
	scrapes := <-watched
	published := 0
	for _, n := range counts {
		published += n
	}
	in.waitReady()
	s := in.waitSettled(float64(published), 120*time.Second)
	t.Logf("%d published; received %.0f, stored %.0f, duplicate %.0f, rejected %.0f; %d scrapes", published,
		s.sum("greencommunity_messages_received_total"), s.sum("greencommunity_messages_stored_total"),
		s.sum("greencommunity_messages_duplicate_total"), s.sum("greencommunity_messages_rejected_total"), scrapes)
	if scrapes == 0 {
		t.Error("nothing was scraped")
	}

	want := map[string]bool{}
	refused := map[string]bool{}
	for k, n := range counts {
		for i := range n {
			topic, payload := chaosMessage(k, i, start, devicesEach)
			if strings.Contains(string(payload), "broken") {
				refused[string(payload)] = true
				continue
			}
			want[fmt.Sprintf("%s %d %d", topic[strings.LastIndexByte(topic, '/')+1:], start+int64(i), i)] = true
		}
	}
	got := 0
	for _, row := range db.rows(`SELECT active_power FROM lighting GROUP BY device`) {
		ns, _ := row["time"].(json.Number).Int64()
		key := fmt.Sprintf("%s %d %s", row["device"], ns/1e6, row["active_power"])
		if !want[key] {
			t.Errorf("a point nobody sent, or twice: %s", key)
		}
		delete(want, key)
		got++
	}
	for key := range want {
		t.Errorf("lost: %s", key)
	}
	for _, r := range readRejects(t, in.dir) {
		delete(refused, r.Payload)
	}
	for payload := range refused {
		t.Errorf("neither stored nor among the rejects: %s", payload)
	}
	if got == 0 {
		t.Error("nothing stored at all")
	}
}

// chaosMessage is the i-th message of publisher k: every hundredth is broken.
func chaosMessage(k, i int, start int64, devices int) (topic string, payload []byte) {
	topic = fmt.Sprintf("greencommunity/v1/nancheng/lighting/p%dd%d", k, i%devices)
	if i%100 == 99 {
		return topic, fmt.Appendf(nil, "broken %d %d", k, i)
	}
	return topic, fmt.Appendf(nil, `{"time":%d,"active_power":%d}`, start+int64(i), i)
}

// 300,000 messages of 10,000 devices, as fast as Mosquitto takes them, are
// exactly the points they should be.
func TestLongEveryPoint(t *testing.T) {
	t.Parallel()
	messages, devices := 20_000, 1000
	if long() {
		messages, devices = 300_000, 10_000
	}
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "")
	in.waitReady()
	p := newPublisher(t, broker)
	start := time.Now().Add(-24*time.Hour).UnixMilli() / 1000 * 1000
	window := make(chan struct{}, 2000)
	var wg sync.WaitGroup
	for i := range messages {
		window <- struct{}{}
		token := p.client.Publish(pointTopic(i%devices), 1, false, pointPayload(i, devices, start))
		wg.Go(func() {
			if !token.WaitTimeout(time.Minute) || token.Error() != nil {
				t.Errorf("message %d not acknowledged: %v", i, token.Error())
			}
			<-window
		})
	}
	wg.Wait()
	s := in.waitSettled(float64(messages), 120*time.Second)
	if n := s.sum("greencommunity_messages_stored_total"); n != float64(messages) {
		t.Errorf("%.0f stored of %d", n, messages)
	}
	got := 0
	for _, facility := range []string{"lighting", "water"} {
		for _, row := range db.rows(`SELECT * FROM ` + facility) {
			ns, _ := row["time"].(json.Number).Int64()
			device, _ := strconv.Atoi(strings.TrimPrefix(row["device"].(string), "d"))
			i := int(ns/1e6-start)/1000*devices + device
			want := map[string]any{"time": row["time"], "device": row["device"], "vendor": "brightlamp", "community": "nancheng"}
			if device%2 == 0 {
				want["active_power"], want["light_on"] = json.Number(fmt.Sprint(float64(i)/8)), json.Number(fmt.Sprint(i%2))
			} else {
				want["water_volume_total"], want["community"] = json.Number(strconv.FormatFloat(float64(i)/1000, 'f', -1, 64)), "xicheng"
			}
			if fmt.Sprint(row) != fmt.Sprint(want) {
				t.Fatalf("message %d stands as %v, want %v", i, row, want)
			}
			got++
		}
	}
	if got != messages {
		t.Errorf("%d points of %d messages", got, messages)
	}
}

func pointTopic(device int) string {
	if device%2 == 0 {
		return fmt.Sprintf("greencommunity/v1/nancheng/lighting/d%d", device)
	}
	return fmt.Sprintf("greencommunity/v1/xicheng/water/d%d", device)
}

func pointPayload(i, devices int, start int64) []byte {
	at := start + int64(i/devices)*1000
	if i%devices%2 == 0 {
		return fmt.Appendf(nil, `{"time":%d,"active_power":%v,"light_on":%t}`, at, float64(i)/8, i%2 == 1)
	}
	return fmt.Appendf(nil, `{"time":%d,"water_volume_total":%v}`, at, float64(i)/1000)
}
