// Package influx writes lines of line protocol to InfluxDB, and says of each
// whether it was stored or refused.
//
// A line is stored after 204 and after nothing else; it is refused where
// InfluxDB says so in its own words. Every other answer is about the request or
// the way to InfluxDB, and no line is judged by it: what may pass (429, 5xx, no
// answer) is tried again, with jitter and by Retry-After; what an operator must
// mend (a token, an address, a certificate, a page in InfluxDB's place) is held
// and reported. What was too large or too slow is halved, and the size that
// passed is remembered.
//
// InfluxDB refuses a request for single lines of it. Put hands back the parts
// refused, so that what is live goes on; Step finds out their bad lines by
// what InfluxDB says of them (how many were dropped, which field has another
// type, which are older than the retention), and halves where it does not say.
// A line loses the field that has another type, not its other fields. Points
// are identified by series and time, so writing a line twice is harmless, and a
// line counts as stored only when a request that had it was answered with 204.
//
// The requests are made here and not by influxdb-client-go: that counts every
// 2xx as written, follows a redirect with a GET, and shows of an answer neither
// type nor body.
package influx

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of a writer.
type Options struct {
	URL, Org, Bucket string
	// Token is called for each request. nil: none is sent.
	Token func() (string, error)
	// TLS is called for each connection. nil: the system's authorities.
	TLS func() (*tls.Config, error)
	// Gzip is on, off or auto: not to this machine, where it costs more than it saves.
	Gzip    string
	Timeout time.Duration // of one request; default 30 s
	// Dial makes the connections that have no TLS. nil: TCP.
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	minBackoff    = 250 * time.Millisecond
	maxBackoff    = 3 * time.Second
	maxRetryAfter = 5 * time.Minute
)

// Writer writes batches of lines. It may be used from several goroutines.
type Writer struct {
	o       Options
	client  *client
	size    size
	seconds prometheus.Histogram
	retries *prometheus.CounterVec
	held    atomic.Pointer[Hold]
	// retention is the least age at which InfluxDB has refused a line as too
	// old, in ns; 0 is unknown.
	retention atomic.Int64
	target    atomic.Pointer[string] // of the last redirect followed
	// slowLogged says when it was last said that InfluxDB is slow, unix s.
	slowLogged atomic.Int64
}

// Hold says why nothing is written until somebody has mended it.
type Hold struct {
	Why  Why
	Text string // what the server said, and what to do
}

// New returns a writer; it does not connect.
func New(o Options) *Writer {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	gzip := o.Gzip == "on"
	if o.Gzip == "" || o.Gzip == "auto" {
		gzip = !isLoopback(o.URL)
	}
	w := &Writer{
		o: o, client: newClient(o, gzip),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "greencommunity_influxdb_write_seconds", Help: "Time of a request that writes to InfluxDB.", Buckets: prometheus.ExponentialBuckets(.001, 2.5, 12)}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "greencommunity_influxdb_retries_total", Help: "Requests to InfluxDB that have to be made again, by what it answered."}, []string{"answer"}),
	}
	w.client.redirects = w.redirected
	for _, answer := range []string{"429", "5xx", "network", "slow", "too_large", "held"} {
		w.retries.WithLabelValues(answer)
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(w.seconds, w.retries, heldCollector{w})
	}
	return w
}

// heldCollector exposes why writing is held.
type heldCollector struct{ w *Writer }

var heldDesc = prometheus.NewDesc("greencommunity_influxdb_held", "Whether writing waits for an operator, by what is to be mended: unauthorized, not_found (bucket), redirected, not_influxdb (something else answers), tls, request_refused (anything else).", []string{"why"}, nil)

func (c heldCollector) Describe(ch chan<- *prometheus.Desc) { ch <- heldDesc }

func (c heldCollector) Collect(ch chan<- prometheus.Metric) {
	h := c.w.held.Load()
	for _, why := range allWhys {
		v := 0.0
		if h != nil && h.Why == why {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(heldDesc, prometheus.GaugeValue, v, string(why))
	}
}

func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Held returns why writing waits for an operator, nil if it does not.
func (w *Writer) Held() *Hold { return w.held.Load() }

// BatchLines is the most lines a request should have, at most n.
func (w *Writer) BatchLines(n int) int {
	if limit := w.size.limit(); limit > 0 {
		return min(n, limit)
	}
	return n
}

// TooOld is the time before which InfluxDB refuses lines as older than its
// retention, in unix ns, as far as it has said so; 0 is unknown.
func (w *Writer) TooOld(now time.Time) int64 {
	age := w.retention.Load()
	if age == 0 {
		return 0
	}
	return now.UnixNano() - age
}

// tooOld remembers that a line of this time was refused as too old.
func (w *Writer) tooOld(unixNano int64) {
	age := time.Now().UnixNano() - unixNano
	for {
		known := w.retention.Load()
		if age <= 0 || known != 0 && known <= age {
			return
		}
		if w.retention.CompareAndSwap(known, age) {
			if known == 0 {
				w.o.Logger.Warn("InfluxDB refuses what is older than its retention; late readings are written apart from now on", "older_than", time.Duration(age).Round(time.Second))
			}
			return
		}
	}
}

// notTooOld forgets the retention where a line of this time was stored: somebody
// has made it longer.
func (w *Writer) notTooOld(unixNano int64) {
	if limit := w.TooOld(time.Now()); limit != 0 && unixNano < limit {
		w.retention.Store(0)
	}
}

// Close releases idle connections.
func (w *Writer) Close() { w.client.close() }

// nothing is a write without a point: a comment.
var nothing = []byte("# nothing\n")

// Check reports whether InfluxDB would take points, by writing none, and by the
// verdict that writes get. Unnamed is set where what takes them does not say
// that it is InfluxDB.
func (w *Writer) Check(ctx context.Context) (unnamed bool, err error) {
	a, header := w.once(ctx, nothing)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case a.outcome == taken, a.noPoints():
		return header.Get("X-Influxdb-Version") == "" && header.Get("X-Influxdb-Build") == "", nil
	}
	return false, errors.New(a.text)
}

// noPoints recognises InfluxDB's complaint that a request holds no point, which
// comes after organisation, bucket and token are found right.
func (a answer) noPoints() bool {
	return (a.outcome == refused || a.outcome == doubtful) && a.refusal.empty()
}

// once makes one request.
func (w *Writer) once(ctx context.Context, lines []byte) (answer, http.Header) {
	status, header, body, err := w.client.post(ctx, lines)
	if err != nil {
		return judgeError(err), nil
	}
	return judge(status, header, body), header
}

func (w *Writer) redirected(from, to *url.URL) {
	target := to.Scheme + "://" + to.Host + to.Path
	if old := w.target.Swap(&target); old == nil || *old != target {
		w.o.Logger.Warn("InfluxDB's address redirects; write the target in influxdb.url", "from", from.Host, "to", target)
	}
}

// Write writes lines, each ending in a newline. It returns the numbers of those
// that InfluxDB refused, in order, with its words about each, once all others
// are stored; or ctx's error, and then nothing is known.
func (w *Writer) Write(ctx context.Context, lines []byte) (refused []Refused, err error) {
	parts, err := w.Put(ctx, lines)
	for len(parts) > 0 && err == nil {
		var more []Part
		var decided []Decision
		decided, more, err = w.Step(ctx, parts[len(parts)-1])
		parts = append(parts[:len(parts)-1], more...)
		for _, d := range decided {
			if d.Fate == LineRefused {
				refused = append(refused, Refused{d.Line, d.Why, d.Field})
			}
		}
	}
	sortRefused(refused)
	return refused, err
}

// Refused is a line InfluxDB did not take, or one field of it.
type Refused struct {
	Line  int
	Why   string
	Field string // "": the whole line
}

// Put writes lines in parts as large as InfluxDB takes, and returns the parts it
// refused, which Step sorts out. All others are stored.
func (w *Writer) Put(ctx context.Context, lines []byte) (parts []Part, err error) {
	count := bytes.Count(lines, newline)
	for first := 0; len(lines) > 0; {
		part, n := w.size.cut(lines, count)
		a, err := w.attempt(ctx, part, n)
		if err != nil {
			return parts, err
		}
		switch a.outcome {
		case tooLarge, slow:
			if n > 1 {
				continue // cut smaller
			}
			parts = append(parts, newPart(part, first, a.refusal)) // one line, too large
		case refused:
			parts = append(parts, newPart(part, first, a.refusal))
		}
		first, count, lines = first+n, count-n, lines[len(part):]
	}
	return parts, nil
}

var newline = []byte{'\n'}

// aLine is a size every line must pass by itself, in bytes.
const aLine = 64 << 10

// attempt writes lines until InfluxDB takes them, refuses them, or says that
// they are too many. It tries again what may pass, and what is held.
func (w *Writer) attempt(ctx context.Context, lines []byte, count int) (answer, error) {
	backoff := minBackoff
	for {
		start := time.Now()
		a, _ := w.once(ctx, lines)
		took := time.Since(start)
		w.seconds.Observe(took.Seconds())
		if ctx.Err() != nil {
			return a, ctx.Err()
		}
		if a.outcome == doubtful {
			a = w.doubt(ctx, a)
		}
		switch a.outcome {
		case taken, refused:
			w.size.passed(count, len(lines), took, w.o.Timeout)
			w.release()
			return a, nil
		case tooLarge:
			w.retries.WithLabelValues("too_large").Inc()
			if count == 1 && len(lines) < aLine {
				w.hold(a.hold(RequestRefused, "not even one point passes; raise the limit of what stands before InfluxDB"))
				break
			}
			w.size.tooLarge(len(lines))
			w.release()
			a.refusal = refusal{text: a.text, dropped: 1}
			return a, nil
		case slow:
			w.size.tooSlow(count)
			w.retries.WithLabelValues("slow").Inc()
			// Said once, and again after a minute without.
			if now := time.Now().Unix(); now-w.slowLogged.Swap(now) > 60 {
				w.o.Logger.Warn("InfluxDB is too slow for so many points at a time; writing half as many", "points", count, "error", a.text)
			}
			if count > 1 {
				return a, nil
			}
		case held:
			w.retries.WithLabelValues("held").Inc()
			w.hold(a)
		default:
			w.retries.WithLabelValues(a.kind).Inc()
			if backoff == minBackoff {
				w.o.Logger.Warn("InfluxDB write put off", "answer", a.kind, "error", a.text)
			}
		}
		wait := backoff/2 + rand.N(backoff)
		if a.after > 0 {
			wait = a.after + rand.N(backoff)
		}
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(wait):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// doubt decides whether a refusal is about the lines: not if a write without
// any is refused in the same words.
func (w *Writer) doubt(ctx context.Context, a answer) answer {
	if a.refusal.empty() {
		return a.hold(NotInfluxDB, "the points do not arrive; something before InfluxDB takes them out of the request")
	}
	control, _ := w.once(ctx, nothing)
	switch {
	case control.outcome == taken, control.noPoints():
		a.outcome = refused
		return a
	case control.outcome == refused, control.outcome == doubtful && control.refusal.text != a.refusal.text:
		a.outcome = refused
		return a
	case control.outcome == doubtful:
		return a.hold(RequestRefused, "a write without points is refused in the same words")
	}
	return control
}

// hold says once what is to be mended, and begins with new connections where
// certificates may have been renewed.
func (w *Writer) hold(a answer) {
	h := &Hold{Why: a.why, Text: a.text}
	if old := w.held.Swap(h); old == nil || old.Why != h.Why {
		w.o.Logger.Error("InfluxDB cannot be written to; points wait in the journal until this is mended", "why", h.Why, "error", h.Text)
	}
	if a.why == TLS {
		w.client.renew()
	}
}

func (w *Writer) release() {
	if w.held.Load() != nil && w.held.Swap(nil) != nil {
		w.o.Logger.Info("InfluxDB takes points again")
	}
}

// String says what is held, in one line.
func (h *Hold) String() string { return fmt.Sprintf("%s: %s", h.Why, h.Text) }
