package metrics

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestGuard(t *testing.T) {
	reloads := 0
	s := &Server{o: Options{
		Hosts: []string{"gc.county.example"}, Gatherer: prometheus.NewRegistry(), Ready: func() error { return nil },
		Routes: map[string]http.Handler{"GET /{$}": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") })},
	}}
	h := s.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			reloads++
		}
		fmt.Fprint(w, "in")
	}))
	for _, c := range []struct {
		method, path, host, origin, site string
		want                             int
	}{
		{"GET", "/", "127.0.0.1:8080", "", "", 200},
		{"GET", "/", "[::1]:8080", "", "", 200},
		{"GET", "/", "192.168.1.7:9108", "", "", 200},
		{"GET", "/metrics", "ingester:9108", "", "", 200},
		{"GET", "/metrics", "greencommunity-0.greencommunity.svc.cluster.local:9108", "", "", 200},
		{"GET", "/", "GC.county.example", "", "", 200},
		{"GET", "/", "gc.county.example.:9108", "", "", 200},
		{"GET", "/", "evil.example:9108", "", "", 421},
		{"GET", "/metrics", "evil.example", "", "", 421},
		{"GET", "/", "127.0.0.1.evil.example", "", "", 421},
		{"GET", "/", "gc.county.example.evil.example", "", "", 421},
		{"GET", "/-/healthy", "probe.example", "", "", 200},
		{"POST", "/-/reload", "evil.example", "http://evil.example", "same-origin", 421},
		{"POST", "/-/reload", "127.0.0.1:9108", "", "", 200},
		{"POST", "/-/reload", "127.0.0.1:9108", "http://127.0.0.1:9108", "", 200},
		{"POST", "/-/reload", "127.0.0.1:9108", "http://127.0.0.1:9108", "same-origin", 200},
		{"POST", "/-/reload", "127.0.0.1:9108", "http://evil.example", "", 403},
		{"POST", "/-/reload", "127.0.0.1:9108", "http://127.0.0.1:8000", "", 403},
		{"POST", "/-/reload", "127.0.0.1:9108", "null", "", 403},
		{"POST", "/-/reload", "127.0.0.1:9108", "http://evil.example", "cross-site", 403},
		{"POST", "/-/reload", "127.0.0.1:9108", "", "same-site", 403},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Host = c.host
		for name, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w, before := httptest.NewRecorder(), reloads
		h.ServeHTTP(w, r)
		if w.Code != c.want || c.want != 200 && reloads != before {
			t.Errorf("%s %s of %s, origin %q, site %q: %d, want %d", c.method, c.path, c.host, c.origin, c.site, w.Code, c.want)
		}
	}
	s.o.WebConfigFile = "web.yaml" // TLS or passwords: no page of another site has them
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.Host = "gc.public.example"
	if h.ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("with a web config: %d", w.Code)
	}
}

// Connections beyond the limit are closed at once, and those within go on.
func TestConnectionsAreBounded(t *testing.T) {
	s, err := Listen(Options{Listen: "127.0.0.1:0", Gatherer: prometheus.NewRegistry(), Ready: func() error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	open := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ask := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	first := open()
	if err := ask(first); err != nil {
		t.Fatal(err)
	}
	for range maxConnections - 1 {
		open()
	}
	if err := ask(open()); err == nil {
		t.Error("a connection beyond the limit is served")
	}
	if err := ask(first); err != nil {
		t.Errorf("a connection within the limit: %v", err)
	}
}

func TestClientsAreBounded(t *testing.T) {
	l := limit(nil)
	for i := range maxPerClient + 10 {
		if ok := l.take(clientOf(fmt.Sprintf("192.0.2.1:%d", 1000+i))); ok != (i < maxPerClient) {
			t.Fatalf("connection %d of one client: %v", i, ok)
		}
	}
	if !l.take(clientOf("192.0.2.2:1")) || !l.take(clientOf("127.0.0.1:1")) {
		t.Error("one client keeps others out")
	}
	l.give(clientOf("192.0.2.1:1"))
	if !l.take(clientOf("192.0.2.1:1")) {
		t.Error("who has left cannot come back")
	}
	for remote, want := range map[string]string{"[2001:db8::1%eth0]:1": "2001:db8::", "[::ffff:192.0.2.9]:1": "192.0.2.9"} {
		if a := clientOf(remote); a != netip.MustParseAddr(want) {
			t.Errorf("%s is counted as %s", remote, a)
		}
	}
	if s := strings.TrimSpace(clientOf("127.0.0.1:5").String()); clientOf("127.0.0.1:5").IsValid() {
		t.Errorf("this machine is counted as %s", s)
	}
}
