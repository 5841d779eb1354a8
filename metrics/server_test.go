package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Whoever has the page open does not hold up the end: its stream ends with the
// service, and not after the grace for requests that are being answered.
func TestStreamsEndWithTheService(t *testing.T) {
	s, err := Listen(Options{Listen: "127.0.0.1:0", Gatherer: prometheus.NewRegistry(), Ready: func() error { return nil }, Routes: map[string]http.Handler{
		"GET /stream": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-r.Context().Done()
		}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r, err := http.Get("http://" + s.Addr() + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	begun := time.Now()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the end took %v", took)
	}
}

// failing is a collector that cannot tell its metric.
type failing struct{ *prometheus.Desc }

func (f failing) Describe(ch chan<- *prometheus.Desc) { ch <- f.Desc }

func (f failing) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(f.Desc, errors.New("too many open files"))
}

// One metric that cannot be told takes none of the others away.
func TestMetricsBesideOneThatFails(t *testing.T) {
	registry := prometheus.NewRegistry()
	good := prometheus.NewCounter(prometheus.CounterOpts{Name: "good_total", Help: "Good."})
	registry.MustRegister(good, failing{prometheus.NewDesc("bad", "Bad.", nil, nil)})
	s, err := Listen(Options{Listen: "127.0.0.1:0", Gatherer: registry, Ready: func() error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	s.Open()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r, err := http.Get("http://" + s.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(text), "good_total 0") {
		t.Errorf("%s %s %v", r.Status, text, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
