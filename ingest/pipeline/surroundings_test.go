package pipeline_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/simulator"
)

// surroundings are a broker, a real InfluxDB behind a proxy that can be made
// faulty, and an ingester between them.
type surroundings struct {
	*service
	publisher *simulator.Publisher
	database  *embedded.InfluxDB
	requests  atomic.Int64
	fault     atomic.Pointer[func(http.ResponseWriter, *http.Request, http.Handler)]
}

func startSurroundings(t *testing.T, retention, timeout time.Duration) *surroundings {
	t.Helper()
	s := &surroundings{}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	s.database, err = embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities", Retention: retention})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.database.Close() })
	target, err := url.Parse(s.database.URL())
	if err != nil {
		t.Fatal(err)
	}
	real := httputil.NewSingleHostReverseProxy(target)
	real.ErrorLog = log.New(io.Discard, "", 0) // that a client has gone is what some tests want
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if fault := s.fault.Load(); fault != nil {
			(*fault)(w, r, real)
			return
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	inv := inventorytest.Parse(t, simulator.Inventory(), time.UTC)
	s.service = runWith(t, filepath.Join(t.TempDir(), "data"), inv, broker.URL(), influx.Options{URL: proxy.URL, Org: "o", Bucket: "facilities", Timeout: timeout})
	t.Cleanup(func() { s.stop() })
	if s.publisher, err = simulator.Connect(broker.URL(), "feed", "", ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.publisher.Close() })
	return s
}

func (s *surroundings) publish(device, payload string) {
	s.t.Helper()
	if err := s.publisher.Publish(simulator.Message{Topic: "greencommunity/v1/nancheng/lighting/" + device, Payload: []byte(payload)}); err != nil {
		s.t.Fatal(err)
	}
}

// points returns how many points of lighting a field has, where.
func (s *surroundings) points(field, where string) string {
	s.t.Helper()
	rows, err := s.database.Query(context.Background(), "facilities", fmt.Sprintf("SELECT count(%s) FROM lighting WHERE %s", field, where))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(rows) == 0 {
		return "0"
	}
	return fmt.Sprint(rows[0].Values[0][1])
}

func (s *surroundings) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: not within two minutes; %v", what, s.counters())
		}
	}
}

// settled waits until so many messages are received and decided, and returns
// the counters.
func (s *surroundings) settled(n int) map[string]float64 {
	s.t.Helper()
	s.eventually("everything decided", func() bool {
		c := s.counters()
		return c["messages_received_total"] == float64(n) && c["messages_pending"] == 0
	})
	return s.counters()
}

// Case 04: 100,000 readings of 40 days ago into a database that keeps 30, and a
// live one behind them. The late ones cost a few hundred requests at most and
// are refused one and all; the live one is stored while they are sorted out.
func TestOperations04LateBeyondRetention(t *testing.T) {
	t.Parallel()
	s := startSurroundings(t, 30*24*time.Hour, 0)
	const late = 100_000
	start := time.Now().Add(-40 * 24 * time.Hour).UnixMilli()
	for i := range late {
		s.publish(fmt.Sprintf("lamp-%d", i%1000), fmt.Sprintf(`{"time":%d,"active_power":43.2}`, start+int64(i)*1000))
	}
	s.publish("lamp-new", fmt.Sprintf(`{"time":%d,"active_power":43.2}`, time.Now().UnixMilli()))
	if err := s.publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	published := time.Now()
	s.eventually("the live reading is stored", func() bool { return s.points("active_power", "device = 'lamp-new'") == "1" })
	t.Logf("live after %s, %d requests", time.Since(published).Round(time.Millisecond), s.requests.Load())
	if n := s.requests.Load(); n > 500 {
		t.Errorf("%d requests until the live reading was stored", n)
	}
	c := s.settled(late + 1)
	if c["messages_rejected_total"] != late || c["messages_stored_total"] != 1 {
		t.Errorf("%g rejected, %g stored", c["messages_rejected_total"], c["messages_stored_total"])
	}
	if n := s.requests.Load(); n > 500 {
		t.Errorf("%d requests for %d late readings", n, late)
	}
	t.Logf("settled after %s, %d requests", time.Since(published).Round(time.Millisecond), s.requests.Load())
}

// Late and live readings mixed: each live one is stored, each late one refused,
// and requests do not grow with their number.
func TestLateAmongLive(t *testing.T) {
	t.Parallel()
	s := startSurroundings(t, 30*24*time.Hour, 0)
	const n = 20_000
	now := time.Now().UnixMilli()
	for i := range n {
		at := now - n + int64(i)
		if i%2 == 0 {
			at -= 40 * 24 * 3600 * 1000
		}
		s.publish(fmt.Sprintf("lamp-%d", i%100), fmt.Sprintf(`{"time":%d,"active_power":43.2}`, at))
	}
	if err := s.publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	c := s.settled(n)
	if c["messages_rejected_total"] != n/2 || c["messages_stored_total"] != n/2 {
		t.Errorf("%g rejected, %g stored", c["messages_rejected_total"], c["messages_stored_total"])
	}
	if got := s.points("active_power", "time > 0"); got != fmt.Sprint(n/2) {
		t.Errorf("%s points", got)
	}
	if r := s.requests.Load(); r > 200 {
		t.Errorf("%d requests", r)
	}
	t.Logf("%d requests", s.requests.Load())
}

// A field of another type costs its neighbours nothing; the message counts as
// stored, and the field as a reading refused.
func TestConflictKeepsNeighbours(t *testing.T) {
	t.Parallel()
	s := startSurroundings(t, 0, 0)
	now := time.Now().UnixMilli()
	line := fmt.Sprintf("lighting,device=other active_power=\"text\" %d000000", now)
	answer, err := http.Post(s.database.URL()+"/write?db=facilities", "text/plain", strings.NewReader(line))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	const n = 500
	for i := range n {
		s.publish(fmt.Sprintf("lamp-%d", i), fmt.Sprintf(`{"time":%d,"active_power":43.2,"light_level":0.5}`, now-int64(i)))
	}
	s.publish("lamp-alone", fmt.Sprintf(`{"time":%d,"active_power":43.2}`, now))
	if err := s.publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	c := s.settled(n + 1)
	if c["messages_stored_total"] != n || c["messages_rejected_total"] != 1 || c["readings_refused_total"] != n {
		t.Errorf("%g stored, %g rejected, %g readings refused", c["messages_stored_total"], c["messages_rejected_total"], c["readings_refused_total"])
	}
	if got := s.points("light_level", "time > 0"); got != fmt.Sprint(n) {
		t.Errorf("%s points of light_level", got)
	}
	t.Logf("%d requests", s.requests.Load())
}

// Case 15: InfluxDB needs a quarter of a millisecond a line and has half a
// second for a request, so that a whole batch never passes. Everything gets there, and the same lines are not sent over and over.
func TestOperations15SlowInfluxDBLivelock(t *testing.T) {
	t.Parallel()
	s := startSurroundings(t, 0, 500*time.Millisecond)
	var lines atomic.Int64
	slow := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		body, _ := io.ReadAll(r.Body)
		n := strings.Count(string(body), "\n")
		lines.Add(int64(n))
		select {
		case <-time.After(time.Duration(n) * time.Millisecond / 4):
		case <-r.Context().Done():
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		real.ServeHTTP(w, r)
	}
	s.fault.Store(&slow)
	const n = 12_000
	now := time.Now().UnixMilli()
	for i := range n {
		s.publish(fmt.Sprintf("lamp-%d", i%100), fmt.Sprintf(`{"time":%d,"active_power":43.2}`, now-n+int64(i)))
	}
	if err := s.publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	c := s.settled(n)
	if c["messages_stored_total"] != n {
		t.Errorf("%g stored", c["messages_stored_total"])
	}
	if got := s.points("active_power", "time > 0"); got != fmt.Sprint(n) {
		t.Errorf("%s points", got)
	}
	if sent := lines.Load(); sent > 5*n {
		t.Errorf("%d lines sent for %d", sent, n)
	}
	t.Logf("%d lines sent for %d", lines.Load(), n)
}

// Cases 02 and 03: a login page, and a TLS port that is spoken to without TLS.
// Nothing is judged: the messages wait, readiness says why, and once it is
// mended all are stored.
func TestOperations03InfluxHTTPToTLSPort(t *testing.T) {
	t.Parallel()
	s := startSurroundings(t, 0, 0)
	for i, fault := range []func(http.ResponseWriter, *http.Request, http.Handler){
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
		},
		func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html><title>Login</title></html>")
		},
	} {
		s.fault.Store(&fault)
		now := time.Now().UnixMilli()
		for k := range 50 {
			s.publish("lamp-1", fmt.Sprintf(`{"time":%d,"active_power":%d}`, now-100+int64(k), k))
		}
		if err := s.publisher.Flush(); err != nil {
			t.Fatal(err)
		}
		s.eventually("not ready", func() bool {
			err := s.pipeline.Ready()
			return err != nil && strings.Contains(err.Error(), "InfluxDB cannot be written to")
		})
		s.eventually("all received", func() bool { return s.counters()["messages_received_total"] == float64(50*(i+1)) })
		if c := s.counters(); c["messages_rejected_total"] != 0 || c["messages_pending"] != 50 {
			t.Errorf("held: %v", c)
		}
		s.fault.Store(nil)
		if c := s.settled(50 * (i + 1)); c["messages_stored_total"] != float64(50*(i+1)) {
			t.Errorf("mended: %v", c)
		}
		s.eventually("ready", func() bool { return s.pipeline.Ready() == nil })
	}
}

// The service ends at once while InfluxDB hangs, while refusals are sorted out
// and while it is held, and stores everything when it is started again.
func TestEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	s := startSurroundings(t, 30*24*time.Hour, 0)
	hang := func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	s.fault.Store(&hang)
	now := time.Now().UnixMilli()
	for i := range 1000 {
		s.publish("lamp-1", fmt.Sprintf(`{"time":%d,"active_power":1}`, now-int64(i)))
		s.publish("lamp-2", fmt.Sprintf(`{"time":%d,"active_power":1}`, now-40*24*3600*1000-int64(i)))
	}
	if err := s.publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	s.eventually("all received", func() bool { return s.counters()["messages_received_total"] == 2000 })
	s.stop()
	s.fault.Store(nil)
	s.service = s.service.again()
	if c := s.settled(2000); c["messages_stored_total"] != 1000 || c["messages_rejected_total"] != 1000 {
		t.Errorf("%v", c)
	}
}
