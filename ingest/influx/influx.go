// Package influx writes lines of line protocol to InfluxDB, and says of each
// whether it was stored or refused.
//
// Write returns when every line's fate is known. What may pass (429, 5xx, no
// answer) is tried again, with jitter and by Retry-After; what an operator must
// mend (401, 403, 404) is held and reported; a batch that is refused (400, 422,
// 413) is halved until the bad lines are alone, so that one bad point costs one
// point. Points are identified by series and time, so trying again is harmless.
//
// Lines go through influxdb-client-go's blocking API: its own retry buffer
// forgets.
package influx

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"
	apihttp "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/prometheus/client_golang/prometheus"
)

// Options of a writer.
type Options struct {
	URL, Org, Bucket, Token string
	// Gzip is on, off or auto: not to this machine, where it costs more than it saves.
	Gzip       string
	Timeout    time.Duration // of one request; default 30 s
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
	client  influxdb2.Client
	api     api.WriteAPIBlocking
	seconds prometheus.Histogram
	retries *prometheus.CounterVec
	held    atomic.Bool
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
	options := influxdb2.DefaultOptions().SetUseGZip(gzip).SetLogLevel(0).SetApplicationName("greencommunity").
		SetHTTPClient(&http.Client{Timeout: o.Timeout, Transport: &http.Transport{
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, WriteBufferSize: 64 << 10,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		}})
	options.WriteOptions().SetPrecision(time.Millisecond)
	client := influxdb2.NewClientWithOptions(o.URL, o.Token, options)
	w := &Writer{
		o: o, client: client, api: client.WriteAPIBlocking(o.Org, o.Bucket),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "greencommunity_influxdb_write_seconds", Help: "Time of a request that writes to InfluxDB.", Buckets: prometheus.ExponentialBuckets(.001, 2.5, 12)}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "greencommunity_influxdb_retries_total", Help: "Requests to InfluxDB that have to be made again, by what it answered."}, []string{"answer"}),
	}
	for _, answer := range []string{"429", "5xx", "network", "held"} {
		w.retries.WithLabelValues(answer)
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(w.seconds, w.retries, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "greencommunity_influxdb_held", Help: "Whether writing waits for an operator: InfluxDB answers 401, 403 or 404.",
		}, func() float64 {
			if w.held.Load() {
				return 1
			}
			return 0
		}))
	}
	return w
}

func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Held reports whether writing waits for an operator.
func (w *Writer) Held() bool { return w.held.Load() }

// Close releases idle connections.
func (w *Writer) Close() { w.client.Close() }

// Check reports whether InfluxDB answers and would take points, by writing none.
func (w *Writer) Check(ctx context.Context) error {
	err := w.api.WriteRecord(ctx, "# nothing")
	var status *apihttp.Error
	if errors.As(err, &status) && status.StatusCode == http.StatusBadRequest {
		return nil // no points in it: the request got as far as that
	}
	return err
}

// Write writes lines, each ending in a newline. It returns the numbers of those
// that InfluxDB refused, in order, with its words about each, once all others
// are stored; or ctx's error, and then nothing is known.
func (w *Writer) Write(ctx context.Context, lines []byte) (refused []Refused, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	return w.part(ctx, lines, 0, nil)
}

// Refused is a line InfluxDB did not take.
type Refused struct {
	Line int
	Why  string
}

// part writes lines, of which the first has number n.
func (w *Writer) part(ctx context.Context, lines []byte, n int, refused []Refused) ([]Refused, error) {
	bad, err := w.attempt(ctx, lines)
	if err != nil || bad == nil {
		return refused, err
	}
	half := middle(lines)
	if half == 0 {
		return append(refused, Refused{n, bad.Error()}), nil
	}
	if refused, err = w.part(ctx, lines[:half], n, refused); err != nil {
		return refused, err
	}
	return w.part(ctx, lines[half:], n+bytes.Count(lines[:half], newline), refused)
}

var newline = []byte{'\n'}

// middle is the offset of the line at or behind the middle, 0 if there is one line only.
func middle(lines []byte) int {
	count := bytes.Count(lines, newline)
	if count < 2 {
		return 0
	}
	at := 0
	for range count / 2 {
		at += bytes.IndexByte(lines[at:], '\n') + 1
	}
	return at
}

// attempt writes lines until InfluxDB takes them (nil, nil), refuses them (its
// words) or ctx ends.
func (w *Writer) attempt(ctx context.Context, lines []byte) (refused, err error) {
	record := unsafe.String(unsafe.SliceData(lines), len(lines)) // nobody changes lines meanwhile
	backoff := minBackoff
	for {
		start := time.Now()
		err := w.api.WriteRecord(ctx, strings.TrimSuffix(record, "\n"))
		w.seconds.Observe(time.Since(start).Seconds())
		if err == nil {
			if w.held.Swap(false) {
				w.o.Logger.Info("InfluxDB takes points again")
			}
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		answer, wait := "network", backoff/2+rand.N(backoff)
		var status *apihttp.Error
		if errors.As(err, &status) && status.StatusCode > 0 {
			switch code := status.StatusCode; {
			case code == http.StatusBadRequest, code == http.StatusUnprocessableEntity, code == http.StatusRequestEntityTooLarge:
				return err, nil
			case code == http.StatusTooManyRequests:
				answer = "429"
			case code >= 500:
				answer = "5xx"
			default:
				answer = "held"
				if !w.held.Swap(true) {
					w.o.Logger.Error("InfluxDB refuses us; points wait in the journal until this is mended", "status", code, "error", err)
				}
			}
			if after, ok := retryAfter(status.Header, time.Now()); ok {
				wait = after + rand.N(backoff)
			}
		}
		w.retries.WithLabelValues(answer).Inc()
		if backoff == minBackoff && answer != "held" {
			w.o.Logger.Warn("InfluxDB write put off", "answer", answer, "retry_in", wait.Round(time.Millisecond), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// retryAfter reads the header in both its forms: seconds, and a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if v == "" {
		return 0, false
	}
	var d time.Duration
	if seconds, err := strconv.Atoi(v); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	} else {
		return 0, false
	}
	return min(max(d, 0), maxRetryAfter), true
}
