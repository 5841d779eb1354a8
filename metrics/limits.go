package metrics

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// Limits of the server. A connection costs some 20 KB and a descriptor; without
// a bound, whoever reaches the port takes all of both, and /metrics with them.
const (
	maxConnections = 512
	// maxPerClient is of one address. This machine's own are not counted: a
	// proxy there speaks for everybody.
	maxPerClient = 128
	// writeTimeout sets how long a client may take in one write. It is of each
	// write, and not of an answer: a stream of events has no end.
	writeTimeout = 30 * time.Second
	maxBody      = 64 << 10
)

// limitedListener closes what comes beyond the limits at once. Waiting, as a
// queue would, is what somebody wants who holds all connections open.
type limitedListener struct {
	net.Listener
	mu     sync.Mutex
	all    int
	client map[netip.Addr]int
}

func limit(l net.Listener) *limitedListener {
	return &limitedListener{Listener: l, client: map[netip.Addr]int{}}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := clientOf(c.RemoteAddr().String())
		if l.take(address) {
			return &limitedConn{Conn: c, free: sync.OnceFunc(func() { l.give(address) })}, nil
		}
		_ = c.Close() // nothing was said
	}
}

func (l *limitedListener) take(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConnections || l.client[address] >= maxPerClient {
		return false
	}
	l.all++
	if address.IsValid() {
		l.client[address]++
	}
	return true
}

func (l *limitedListener) give(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.client[address]--; l.client[address] <= 0 {
		delete(l.client, address)
	}
}

type limitedConn struct {
	net.Conn
	free func()
}

func (c *limitedConn) Close() error {
	c.free()
	return c.Conn.Close()
}

// clientOf returns who is counted as one client; invalid for this machine, which is
// counted as none. Of IPv6, a network of 64 bits is one client's.
func clientOf(remote string) netip.Addr {
	a, err := netip.ParseAddrPort(remote)
	if err != nil || a.Addr().Unmap().IsLoopback() {
		return netip.Addr{}
	}
	ip := a.Addr().Unmap()
	if ip.Is6() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// guard lets a request through that is not of another site's page, and bounds
// how long its answer may take to be read.
func (s *Server) guard(h http.Handler) http.Handler {
	own, _ := os.Hostname() // without it, one name less
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.names(r, own) {
			http.Error(w, fmt.Sprintf("%q is none of this service's names: use its address, or add the name to http.hosts in config.yaml", r.Host), http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && foreign(r) {
			http.Error(w, "not from another site", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, max(maxBody, s.o.Bodies[r.URL.Path]))
		c := http.NewResponseController(w)
		timed := &timedWriter{w, c}
		timed.extend()
		h.ServeHTTP(timed, r)
		timed.extend() // what is still in buffers is written after this
	})
}

// names reports whether a request is for a name of ours. A name that its owner
// points at our address (DNS rebinding) makes his page one of the same origin
// to a browser. He cannot do that with an address, with a name of one word, nor
// with one of a domain that is nobody's; and where TLS or a password is asked
// for, his page has neither.
func (s *Server) names(r *http.Request, own string) bool {
	if s.o.WebConfigFile != "" || r.URL.Path == "/-/healthy" || r.URL.Path == "/-/ready" {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") || host == strings.ToLower(own) {
		return true
	}
	for _, domain := range []string{".localhost", ".local", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	for _, name := range s.o.Hosts {
		if strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// foreign reports whether a browser sent a request for a page of another site.
// Browsers of before 2023 say so by Origin alone.
func foreign(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin" && site != "none"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false // no browser
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

// timedWriter gives each write its time.
type timedWriter struct {
	http.ResponseWriter
	c *http.ResponseController
}

// extend has no effect where the connection knows no deadlines, as in tests.
func (w *timedWriter) extend() { _ = w.c.SetWriteDeadline(time.Now().Add(writeTimeout)) }

func (w *timedWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// FlushError is found by http.ResponseController.
func (w *timedWriter) FlushError() error {
	w.extend()
	return w.c.Flush()
}

// Unwrap is for http.ResponseController.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
