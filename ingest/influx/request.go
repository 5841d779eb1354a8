package influx

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// client makes requests. Token and certificates are read when they are used, so
// that those renewed while the service runs hold from the next request on.
type client struct {
	address   string // of the write, with its query
	token     func() (string, error)
	tls       func() (*tls.Config, error)
	gzip      bool
	timeout   time.Duration
	proxy     func(*url.URL) (*url.URL, error)
	redirects func(from, to *url.URL)
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	lastToken atomic.Pointer[string]
	http      atomic.Pointer[http.Client]
	zip       sync.Pool // of *gzip.Writer
}

// maxAnswer bounds what is read of an answer: InfluxDB 3 names every bad line.
const maxAnswer = 8 << 20

func newClient(o Options, gzipped bool) *client {
	c := &client{
		token: o.Token, tls: o.TLS, gzip: gzipped, timeout: o.Timeout, dial: o.Dial,
		proxy: httpproxy.FromEnvironment().ProxyFunc(),
	}
	c.zip.New = func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level exists
		return z
	}
	if u, err := url.Parse(o.URL); err == nil {
		u = u.JoinPath("api", "v2", "write")
		u.RawQuery = url.Values{"org": {o.Org}, "bucket": {o.Bucket}, "precision": {"ms"}}.Encode()
		c.address = u.String()
	} else {
		c.address = o.URL // the request says what is wrong with it
	}
	c.renew()
	return c
}

// renew begins with new connections, by the certificates there are now.
func (c *client) renew() {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	dial := c.dial
	if dial == nil {
		dial = dialer.DialContext
	}
	t := &http.Transport{
		Proxy:       func(r *http.Request) (*url.URL, error) { return c.proxy(r.URL) },
		DialContext: dial,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			config, err := c.tlsConfig()
			if err != nil {
				return nil, &secretError{TLS, err}
			}
			d := tls.Dialer{NetDialer: dialer, Config: config}
			return d.DialContext(ctx, network, addr)
		},
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, WriteBufferSize: 64 << 10, TLSHandshakeTimeout: 10 * time.Second,
	}
	if config, err := c.tlsConfig(); err == nil {
		t.TLSClientConfig = config // behind a proxy the transport makes the connection itself
	}
	old := c.http.Swap(&http.Client{Timeout: c.timeout, Transport: t, CheckRedirect: c.checkRedirect})
	if old != nil {
		old.CloseIdleConnections()
	}
}

func (c *client) tlsConfig() (*tls.Config, error) {
	if c.tls == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	return c.tls()
}

// secretError is a token or certificate that cannot be read.
type secretError struct {
	why Why
	err error
}

func (e *secretError) Error() string { return e.err.Error() }

func (e *secretError) Unwrap() error { return e.err }

// redirectError is a redirect that must not be followed.
type redirectError struct{ why string }

func (e *redirectError) Error() string { return e.why }

// checkRedirect follows 307 and 308, which take method and body along. After
// the others a client asks with GET, and the points are gone.
func (c *client) checkRedirect(next *http.Request, via []*http.Request) error {
	if status := next.Response.StatusCode; status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		return http.ErrUseLastResponse
	}
	from := via[len(via)-1].URL
	switch {
	case len(via) > 3:
		return &redirectError{fmt.Sprintf("redirected more than three times, at last to %s", next.URL.Redacted())}
	case from.Scheme == "https" && next.URL.Scheme != "https":
		return &redirectError{fmt.Sprintf("redirected from TLS to %s without it; the token is not sent there", next.URL.Redacted())}
	}
	if c.redirects != nil {
		c.redirects(from, next.URL)
	}
	return nil
}

// post writes lines once. An error means that there was no answer.
func (c *client) post(ctx context.Context, lines []byte) (status int, header http.Header, body []byte, err error) {
	payload := lines
	if c.gzip {
		var b bytes.Buffer
		b.Grow(len(lines) / 4)
		z := c.zip.Get().(*gzip.Writer)
		z.Reset(&b)
		_, _ = z.Write(lines) // a buffer takes everything
		_ = z.Close()
		c.zip.Put(z)
		payload = b.Bytes()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address, bytes.NewReader(payload))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.Header.Set("User-Agent", "greencommunity")
	r.Header.Set("Accept", "application/json")
	if c.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	token, err := c.readToken()
	if err != nil {
		return 0, nil, nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Token "+token)
	}
	a, err := c.http.Load().Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer a.Body.Close()
	if a.StatusCode == http.StatusNoContent {
		return a.StatusCode, a.Header, nil, nil
	}
	body, err = io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	if err != nil && a.StatusCode < 300 {
		return 0, nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return a.StatusCode, a.Header, body, nil // of a refusal, a part says enough
}

// readToken reads the token as it is now. While its file is being replaced, the
// last one goes on.
func (c *client) readToken() (string, error) {
	if c.token == nil {
		return "", nil
	}
	token, err := c.token()
	if err != nil {
		if last := c.lastToken.Load(); last != nil {
			return *last, nil
		}
		return "", &secretError{Unauthorized, fmt.Errorf("token: %w", err)}
	}
	c.lastToken.Store(&token)
	return token, nil
}

func (c *client) close() { c.http.Load().CloseIdleConnections() }
