package influx

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"greencommunity/ingest/config"
)

// A token that is changed is used for the next write, and one that is refused
// is read again at each attempt: nobody restarts anything. Case 10.
func TestTokenIsReadWhenUsed(t *testing.T) {
	real, db := startFaulty(t)
	var valid atomic.Pointer[string]
	set := func(s string) { valid.Store(&s) }
	set("one")
	server, _, _ := stranger(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Token "+*valid.Load() {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"code":"unauthorized","message":"unauthorized access"}`)
			return
		}
		real.Config.Handler.ServeHTTP(w, r)
	})
	file := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	w := New(Options{URL: server.URL, Org: "bureau", Bucket: "facilities", Token: config.InfluxDB{TokenFile: file}.ReadToken})
	defer w.Close()
	if _, err := w.Write(context.Background(), lines(1)); err != nil {
		t.Fatal(err)
	}
	set("two")
	if _, err := w.Check(context.Background()); err == nil {
		t.Fatal("check is content with the old token")
	}
	done := make(chan error)
	go func() { _, err := w.Write(context.Background(), lines(50)); done <- err }()
	for w.Held() == nil {
		time.Sleep(time.Millisecond)
	}
	if w.Held().Why != Unauthorized {
		t.Errorf("held as %s", w.Held())
	}
	write("two")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// While the file is being replaced the last token goes on.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(context.Background(), lines(100)); err != nil {
		t.Fatal(err)
	}
	if got := count(t, db); got != "100" {
		t.Errorf("%s points", got)
	}
}

// issue makes an authority and a certificate of it for 127.0.0.1.
func issue(t *testing.T) (authority []byte, pair tls.Certificate) {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sign := func(c, parent *x509.Certificate, k, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &k.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caKey, serverKey := key(), key()
	der := sign(ca, ca, caKey, caKey)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "influx"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{sign(leaf, ca, serverKey, caKey)}, PrivateKey: serverKey}
}

// influxdb.ca_file is read at each connection: a new authority holds without a
// restart, and until its file is there writing is held, and said to be.
func TestAuthorityIsReadWhenUsed(t *testing.T) {
	real, db := startFaulty(t)
	first, pair := issue(t)
	var current atomic.Pointer[tls.Certificate]
	current.Store(&pair)
	server := httptest.NewUnstartedServer(real.Config.Handler)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*current.Load()}}, nil
	}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	w := New(Options{URL: server.URL, Org: "bureau", Bucket: "facilities", TLS: config.TLS{CAFile: file}.Config})
	defer w.Close()
	if _, err := w.Write(context.Background(), lines(10)); err != nil {
		t.Fatal(err)
	}
	second, pair2 := issue(t)
	current.Store(&pair2)
	server.CloseClientConnections()
	done := make(chan error)
	go func() { _, err := w.Write(context.Background(), lines(20)); done <- err }()
	for w.Held() == nil {
		time.Sleep(time.Millisecond)
	}
	if h := w.Held(); h.Why != TLS || !strings.Contains(h.Text, "influxdb.ca_file") {
		t.Errorf("held as %s", h)
	}
	write(second)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := count(t, db); got != "20" {
		t.Errorf("%s points", got)
	}
}

// The proxy of the environment is used, except for this machine.
func TestProxyOfTheEnvironment(t *testing.T) {
	real, db := startFaulty(t)
	var through atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		r.URL.Host, r.URL.Scheme = "", ""
		real.Config.Handler.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	w := New(Options{URL: "http://influx.county.invalid:8086", Org: "bureau", Bucket: "facilities", Gzip: "off"})
	defer w.Close()
	if _, err := w.Write(context.Background(), lines(10)); err != nil {
		t.Fatal(err)
	}
	if got := count(t, db); got != "10" || through.Load() != 1 {
		t.Errorf("%s points, %d requests through the proxy", got, through.Load())
	}
	w = New(Options{URL: real.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	if _, err := w.Write(context.Background(), lines(20)); err != nil || through.Load() != 1 {
		t.Errorf("%v, %d requests through the proxy", err, through.Load())
	}
}
