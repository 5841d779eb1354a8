// Package certificate watches when the certificates expire that others show us
// and our devices: the broker's, InfluxDB's, and those of further addresses,
// such as the broker's listener for vendors where the ingester itself connects
// without TLS. A certificate that ends is seen weeks before by that, and not by
// the silence of every vendor at once.
//
// A look is a handshake: nothing is sent behind it, and what is wrong with a
// certificate does not keep it from being read.
package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	every   = 10 * time.Minute
	timeout = 10 * time.Second
)

// Watch is the certificates of some addresses. It is a prometheus.Collector.
type Watch struct {
	addresses []string
	log       *slog.Logger

	mu     sync.Mutex // between Run and Collect
	expiry map[string]time.Time
}

// New returns a watch of addresses, each host:port, which Run looks at.
func New(addresses []string, log *slog.Logger) *Watch {
	return &Watch{addresses: addresses, log: log, expiry: map[string]time.Time{}}
}

// Look returns when the first certificate of the chain expires that is shown at
// an address.
func Look(ctx context.Context, address string) (time.Time, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return time.Time{}, err
	}
	var expiry time.Time
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: timeout}, Config: &tls.Config{
		ServerName: host,
		// Only read, and nothing is sent: one that is not trusted expires too.
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS12,
		VerifyConnection: func(s tls.ConnectionState) error {
			for _, c := range s.PeerCertificates {
				if expiry.IsZero() || c.NotAfter.Before(expiry) {
					expiry = c.NotAfter
				}
			}
			return nil
		},
	}}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
	}
	if !expiry.IsZero() {
		return expiry, nil // a server that wants ours as well ends the handshake later
	}
	return expiry, errors.Join(errors.New("no certificate seen"), err)
}

// Run looks at the addresses, now and every ten minutes, until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := map[string]bool{}
	for {
		for _, address := range w.addresses {
			expiry, err := Look(ctx, address)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				if !failing[address] {
					w.log.Warn("certificate not seen; its expiry is not watched until it is", "peer", address, "error", err)
				}
				failing[address] = true
				continue // what was seen last goes on
			}
			failing[address] = false
			w.mu.Lock()
			w.expiry[address] = expiry
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

var expiryDesc = prometheus.NewDesc("greencommunity_tls_certificate_expiry_timestamp_seconds",
	"When the first certificate of the chain expires that an address shows, in unix seconds: of tls:// brokers, an https:// InfluxDB, and what watch_tls lists.", []string{"peer"}, nil)

// Describe is a prometheus.Collector's.
func (w *Watch) Describe(ch chan<- *prometheus.Desc) { ch <- expiryDesc }

// Collect is a prometheus.Collector's.
func (w *Watch) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	expiry := maps.Clone(w.expiry)
	w.mu.Unlock()
	for peer, at := range expiry {
		ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(at.Unix()), peer)
	}
}
