package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"greencommunity/cmd/internal/programtest"
	"greencommunity/deploy/embedded"
)

// long reports whether the tests that take minutes are wanted.
func long() bool { return os.Getenv("GREENCOMMUNITY_LONG") != "" }

// program is the path of a program the machine may lack; CI may not.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// built is greencommunity, as built here.
var built programtest.Program

func TestMain(m *testing.M) { os.Exit(built.Run(m, 6)) }

// freePort is a port nobody listens on now.
func freePort(t testing.TB) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(programtest.FreeAddr(t))
	return port
}

// process is a program that can be ended and started again.
type process struct {
	t    testing.TB
	name string
	args []string
	log  *logBuffer
	cmd  *exec.Cmd
	done chan error
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func startProcess(t testing.TB, name string, args ...string) *process {
	p := &process{t: t, name: name, args: args, log: &logBuffer{}}
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() {
			text := p.log.String()
			t.Logf("%s:\n%s", filepath.Base(name), text[max(0, len(text)-6000):])
		}
	})
	p.start()
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.name, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	p.done = done
	go func(cmd *exec.Cmd) { done <- cmd.Wait() }(p.cmd)
}

// ended reports whether it is gone by itself.
func (p *process) ended() bool {
	select {
	case err := <-p.done:
		p.done <- err // end waits for it
		return true
	default:
		return false
	}
}

// end sends a signal and waits for the process to be gone.
func (p *process) end(signal syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Errorf("%s did not end", p.name)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	p.cmd = nil
}

// startMosquitto starts Debian's Mosquitto with the configuration of
// deploy/mosquitto, but for one listener without TLS, names and passwords, and
// a log of errors only.
func startMosquitto(t testing.TB) (*process, string) {
	dir, port := t.TempDir(), freePort(t)
	shipped, err := os.ReadFile(filepath.Join("..", "..", "deploy", "mosquitto", "mosquitto.conf"))
	if err != nil {
		t.Fatal(err)
	}
	config := "log_type error\nallow_anonymous true\nlistener " + port + " 127.0.0.1\n"
	if os.Geteuid() == 0 {
		config += "user root\n"
	}
	without := regexp.MustCompile(`^(allow_anonymous|password_file|acl_file|listener|cafile|certfile|keyfile|tls_version|log_|connection_messages)`)
	for line := range strings.Lines(string(shipped)) {
		if !without.MatchString(line) {
			config += strings.Replace(line, "/var/lib/mosquitto/", dir+"/", 1)
		}
	}
	path := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, program(t, "mosquitto"), "-c", path)
	waitPort(t, "127.0.0.1:"+port)
	return p, "127.0.0.1:" + port
}

func waitPort(t testing.TB, address string) {
	t.Helper()
	eventually(t, 90*time.Second, "listening on "+address, func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
		}
		return err
	})
}

// eventually waits until f has no error.
func eventually(t testing.TB, limit time.Duration, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// database is an InfluxDB that can be ended and started again.
type database struct {
	t    testing.TB
	addr string
	dir  string
	db   *embedded.InfluxDB
}

func startDatabase(t testing.TB) *database {
	d := &database{t: t, dir: t.TempDir(), addr: "127.0.0.1:" + freePort(t)}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *database) start() {
	d.t.Helper()
	var err error
	eventually(d.t, 20*time.Second, "InfluxDB", func() error {
		d.db, err = embedded.StartInfluxDB(embedded.InfluxConfig{Addr: d.addr, Dir: d.dir, Database: "facilities"})
		return err
	})
}

func (d *database) stop() {
	if d.db != nil {
		if err := d.db.Close(); err != nil {
			d.t.Error(err)
		}
	}
	d.db = nil
}

// rows runs a query and returns the rows of all series, with the tags of
// each as further cells under their names.
func (d *database) rows(influxql string) []map[string]any {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	series, err := d.db.Query(ctx, "facilities", influxql)
	if err != nil {
		d.t.Fatal(err)
	}
	var rows []map[string]any
	for _, s := range series {
		for _, values := range s.Values {
			row := map[string]any{}
			for k, v := range s.Tags {
				row[k] = v
			}
			for i, column := range s.Columns {
				row[column] = values[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// ingester is the built program with a configuration of its own.
type ingester struct {
	*process
	dir, url string
	// gone is how many readings the journal's end had that was damaged while the process
	// was dead, since the last scrape: nothing but the scrape before knows of them.
	gone atomic.Int64
}

const testInventory = `
communities:
- {id: nancheng, name: 南城社区}
- {id: xicheng, name: 西城社区}
vendors:
- id: brightlamp
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

// writeConfig writes config.yaml and inventory.yaml and returns the former's path.
func writeConfig(t testing.TB, broker, influxURL, more string) (dir, httpAddr, path string) {
	t.Helper()
	dir = t.TempDir()
	httpAddr = "127.0.0.1:" + freePort(t)
	config := fmt.Sprintf("data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://%s\"], client_id: test-%s}\ninfluxdb: {url: %q, org: bureau, bucket: facilities}\nhttp: {listen: %q}\n%s", broker, filepath.Base(dir), influxURL, httpAddr, more)
	path = filepath.Join(dir, "config.yaml")
	for name, text := range map[string]string{path: config, filepath.Join(dir, "inventory.yaml"): testInventory} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, httpAddr, path
}

func startIngester(t testing.TB, broker, influxURL, more string) *ingester {
	t.Helper()
	bin := built.Path(t)
	dir, httpAddr, path := writeConfig(t, broker, influxURL, more)
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, bin, "run", "--config", path)
	return in
}

func (in *ingester) waitReady() {
	in.t.Helper()
	eventually(in.t, 150*time.Second, "ready", func() error {
		text, err := get(in.url + "/-/ready")
		if err != nil {
			return fmt.Errorf("%w %s", err, text)
		}
		return nil
	})
}

func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = errors.New(r.Status)
	}
	return string(body), err
}

// samples are the values of /metrics by name and labels.
type samples map[string]float64

func (in *ingester) metrics() (samples, error) {
	text, err := get(in.url + "/metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	s := samples{}
	for name, f := range families {
		for _, m := range f.Metric {
			s[name+labels(m.Label)] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return s, nil
}

func labels(pairs []*dto.LabelPair) string {
	l := prometheus.Labels{}
	for _, p := range pairs {
		l[p.GetName()] = p.GetValue()
	}
	if len(l) == 0 {
		return ""
	}
	return fmt.Sprint(l)[len("map"):]
}

// sum adds the values of a metric over all its labels.
func (s samples) sum(name string) float64 {
	total := 0.0
	for k, v := range s {
		if k == name || strings.HasPrefix(k, name+"[") {
			total += v
		}
	}
	return total
}

// settled is nil once nothing is pending, and checks that the account balances.
func (s samples) settled(t testing.TB) error {
	received := s.sum("greencommunity_messages_received_total")
	pending := s.sum("greencommunity_messages_pending")
	fates := 0.0
	for _, name := range []string{"stored", "duplicate", "rejected", "ignored"} {
		fates += s.sum("greencommunity_messages_" + name + "_total")
	}
	if received != fates+pending {
		t.Errorf("received %.0f, but fates %.0f and pending %.0f", received, fates, pending)
	}
	if pending != 0 {
		return fmt.Errorf("%.0f pending of %.0f", pending, received)
	}
	return nil
}

// waitSettled waits until so many messages are received and all decided.
func (in *ingester) waitSettled(received float64, limit time.Duration) samples {
	in.t.Helper()
	var s samples
	eventually(in.t, limit, fmt.Sprintf("%.0f messages decided", received), func() (err error) {
		if s, err = in.metrics(); err != nil {
			return err
		}
		if n := s.sum("greencommunity_messages_received_total"); n < received {
			return fmt.Errorf("%.0f received of %.0f", n, received)
		}
		return s.settled(in.t)
	})
	return s
}

// publisher publishes at QoS 1 until the broker has acknowledged.
type publisher struct {
	t      testing.TB
	client paho.Client
	lost   atomic.Int64 // connections: what waited for its acknowledgement then is published again by the client
}

func newPublisher(t testing.TB, broker string) *publisher {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("publisher-" + freePort(t)).
		SetCleanSession(true).SetAutoReconnect(true).SetMaxReconnectInterval(200 * time.Millisecond).
		SetConnectRetry(true).SetConnectRetryInterval(100 * time.Millisecond)
	p := &publisher{t: t}
	o.SetConnectionLostHandler(func(paho.Client, error) { p.lost.Add(1) })
	p.client = paho.NewClient(o)
	if token := p.client.Connect(); !token.WaitTimeout(20 * time.Second) {
		t.Fatal("publisher not connected")
	}
	t.Cleanup(func() { p.client.Disconnect(100) })
	return p
}

// publish publishes and waits for the acknowledgement; after a lost
// connection it publishes again.
func (p *publisher) publish(topic string, payload []byte) {
	for {
		token := p.client.Publish(topic, 1, false, payload)
		if token.WaitTimeout(3*time.Second) && token.Error() == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type (
	mqttClient  = paho.Client
	mqttMessage = paho.Message
)
