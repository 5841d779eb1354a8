package certificate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/deploy/embedded"
)

func selfSigned(t *testing.T, notAfter time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: notAfter.Add(-time.Hour), NotAfter: notAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The broker's certificate is seen though nobody trusts it, though it has
// expired, and though the broker wants one of ours, which the look has not.
func TestWatch(t *testing.T) {
	expired, good := time.Unix(1_700_000_000, 0), time.Now().Add(10*24*time.Hour).Truncate(time.Second)
	start := func(c *tls.Config) string {
		b, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", TLS: c})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		_, address, _ := strings.Cut(b.URL(), "://")
		return address
	}
	a := start(&tls.Config{Certificates: []tls.Certificate{selfSigned(t, expired)}})
	b := start(&tls.Config{Certificates: []tls.Certificate{selfSigned(t, good)}, ClientAuth: tls.RequireAnyClientCert})
	plain, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_, p, _ := strings.Cut(plain.URL(), "://")
	for address, want := range map[string]time.Time{a: expired, b: good} {
		if got, err := Look(context.Background(), address); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v; want %s", address, got, err, want)
		}
	}
	if _, err := Look(context.Background(), p); err == nil {
		t.Error("a broker without TLS shows a certificate")
	}
	var logged bytes.Buffer
	w := New([]string{a, b, p}, slog.New(slog.NewTextHandler(&logged, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	for deadline := time.Now().Add(30 * time.Second); testutil.CollectAndCount(w) < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("two certificates are not seen")
		}
	}
	cancel()
	<-done
	if testutil.CollectAndCount(w, "greencommunity_tls_certificate_expiry_timestamp_seconds") != 2 {
		t.Error("not two series")
	}
}
