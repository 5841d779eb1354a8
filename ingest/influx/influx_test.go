package influx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
)

// faulty passes requests on to a real InfluxDB, unless the next fault is due.
type faulty struct {
	*httptest.Server
	mu       sync.Mutex // guards what follows, between the server and the test
	faults   []func(w http.ResponseWriter, r *http.Request)
	requests int
	maxLines int // above so many lines, 413
}

func startFaulty(t *testing.T) (*faulty, *embedded.InfluxDB) {
	t.Helper()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(db.URL())
	if err != nil {
		t.Fatal(err)
	}
	real := httputil.NewSingleHostReverseProxy(target)
	f := &faulty{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests++
		var fault func(http.ResponseWriter, *http.Request)
		if len(f.faults) > 0 {
			fault, f.faults = f.faults[0], f.faults[1:]
		}
		limit := f.maxLines
		f.mu.Unlock()
		if fault != nil {
			fault(w, r)
			return
		}
		if limit > 0 {
			body, _ := io.ReadAll(r.Body)
			if strings.Count(string(body), "\n")+1 > limit {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { f.CloseClientConnections(); f.Close(); db.Close() })
	return f, db
}

func faultAnswer(status int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, `{"code":"internal","message":"a fault"}`)
	}
}

func lines(n int, bad ...int) []byte {
	var b strings.Builder
	isBad := map[int]bool{}
	for _, i := range bad {
		isBad[i] = true
	}
	for i := range n {
		if isBad[i] {
			fmt.Fprintf(&b, "lighting,device=d%d active_power=\"text\" 179500000%04d\n", i%10, i)
			continue
		}
		fmt.Fprintf(&b, "lighting,device=d%d active_power=%d 179500000%04d\n", i%10, i, i)
	}
	return []byte(b.String())
}

func count(t *testing.T, db *embedded.InfluxDB) string {
	t.Helper()
	rows, err := db.Query(context.Background(), "facilities", "SELECT count(active_power) FROM lighting")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return "0"
	}
	return fmt.Sprint(rows[0].Values[0][1])
}

func TestAnswers(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the client's going noticed
		<-r.Context().Done()
	}
	reset := func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
	}
	tests := []struct {
		name   string
		faults []func(http.ResponseWriter, *http.Request)
		held   bool
		more   int // requests, as what took too long is halved
	}{
		{"taken at once", nil, false, 0},
		{"too many requests, twice", []func(http.ResponseWriter, *http.Request){faultAnswer(429, "Retry-After", "1"), faultAnswer(429)}, false, 0},
		{"unavailable", []func(http.ResponseWriter, *http.Request){faultAnswer(503, "Retry-After", "0"), faultAnswer(500), faultAnswer(502)}, false, 0},
		{"unauthorized", []func(http.ResponseWriter, *http.Request){faultAnswer(401)}, true, 0},
		{"no such bucket", []func(http.ResponseWriter, *http.Request){faultAnswer(404)}, true, 0},
		{"hanging", []func(http.ResponseWriter, *http.Request){hang}, false, 1},
		{"connection reset", []func(http.ResponseWriter, *http.Request){reset, reset}, false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, db := startFaulty(t)
			f.faults = test.faults
			w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities", Timeout: 2 * time.Second})
			defer w.Close()
			if test.held {
				go func() {
					for w.Held() == nil {
						time.Sleep(time.Millisecond)
					}
				}()
			}
			start := time.Now()
			refused, err := w.Write(context.Background(), lines(100))
			if err != nil || len(refused) != 0 {
				t.Fatalf("refused %v, %v", refused, err)
			}
			if got := count(t, db); got != "100" {
				t.Errorf("%s points, want 100", got)
			}
			if f.requests != len(test.faults)+1+test.more {
				t.Errorf("%d requests, want %d", f.requests, len(test.faults)+1+test.more)
			}
			if test.name == "too many requests, twice" && time.Since(start) < time.Second {
				t.Error("Retry-After not honoured")
			}
			if w.Held() != nil {
				t.Error("still held")
			}
		})
	}
}

func TestBadLinesAreFoundOut(t *testing.T) {
	f, db := startFaulty(t)
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	// The field's type is fixed by what is there first.
	if _, err := w.Write(context.Background(), lines(1)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		n   int
		bad []int
	}{{5000, []int{1234}}, {5000, []int{0, 2500, 4999}}, {1, []int{0}}, {2, []int{0, 1}}, {3, []int{1}}}
	for _, test := range tests {
		refused, err := w.Write(context.Background(), lines(test.n, test.bad...))
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, r := range refused {
			got = append(got, r.Line)
			if !strings.Contains(r.Why, "field type conflict") {
				t.Errorf("line %d: %s", r.Line, r.Why)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(test.bad) {
			t.Errorf("of %d lines %v are refused, want %v", test.n, got, test.bad)
		}
	}
	if got := count(t, db); got != "5000" {
		t.Errorf("%s points, want 5000: each bad one was good in another batch", got)
	}
}

func TestTooLarge(t *testing.T) {
	f, db := startFaulty(t)
	f.maxLines = 1000
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	if refused, err := w.Write(context.Background(), lines(5000)); err != nil || len(refused) != 0 {
		t.Fatalf("refused %v, %v", refused, err)
	}
	if got := count(t, db); got != "5000" {
		t.Errorf("%s points, want 5000", got)
	}
}

func TestEndsWithContext(t *testing.T) {
	f, _ := startFaulty(t)
	f.faults = []func(http.ResponseWriter, *http.Request){faultAnswer(503, "Retry-After", "3600")}
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.Write(ctx, lines(1)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's end", err)
	}
}

func TestEncode(t *testing.T) {
	power := &ingest.Quantity{Name: "active_power", Kind: ingest.Gauge}
	on := &ingest.Quantity{Name: "light_on", Kind: ingest.State}
	d := &ingest.Device{ID: "路灯 1", Origin: &ingest.Origin{Vendor: "brightlamp", Community: "nancheng", Compound: "jinxiu", Facility: "lighting"}, Listing: &ingest.Listing{Stream: "s"}}
	e := &Encoder{}
	e.Reset()
	at := int64(1_795_000_000_123_456_789)
	n := e.Readings([]ingest.Reading{
		{Device: d, Quantity: power, Value: 43.2, Time: at}, {Device: d, Quantity: on, Value: 1, Time: at},
		{Device: d, Channel: "l1", Quantity: power, Value: 1e-9, Time: at}, {Device: d, Channel: "l1", Quantity: power, Value: 5, Time: at + 1e6},
	})
	n += e.Events([]ingest.Event{{Device: d, Type: "door_forced", Active: true, Code: `a "b"`, Time: at}})
	want := `lighting,community=nancheng,compound=jinxiu,device=路灯\ 1,stream=s,vendor=brightlamp active_power=43.2,light_on=1i 1795000000123
lighting,channel=l1,community=nancheng,compound=jinxiu,device=路灯\ 1,stream=s,vendor=brightlamp active_power=1e-09 1795000000123
lighting,channel=l1,community=nancheng,compound=jinxiu,device=路灯\ 1,stream=s,vendor=brightlamp active_power=5 1795000000124
events,community=nancheng,compound=jinxiu,device=路灯\ 1,facility=lighting,stream=s,type=door_forced,vendor=brightlamp active=1i,code="a \"b\"" 1795000000123
`
	if string(e.Bytes()) != want || n != 4 || e.Err() != nil {
		t.Errorf("%d lines, %v:\n%s\nwant\n%s", n, e.Err(), e.Bytes(), want)
	}
}

func BenchmarkEncode(b *testing.B) {
	power := &ingest.Quantity{Name: "active_power", Kind: ingest.Gauge}
	d := &ingest.Device{ID: "L1", Origin: &ingest.Origin{Vendor: "brightlamp", Community: "nancheng", Facility: "lighting"}, Listing: ingest.Unlisted}
	e := &Encoder{}
	readings := []ingest.Reading{{Device: d, Quantity: power, Value: 43.2, Time: 1_795_000_000_123_456_789}}
	for _, way := range []struct {
		name  string
		write func()
	}{{"ours", func() { e.Readings(readings) }}, {"library", func() { e.escaped(readings) }}} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.Reset()
				way.write()
			}
		})
	}
}
