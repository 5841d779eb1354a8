package mqtt

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/deploy/embedded"
)

// runs runs a subscriber until the function it returns is called.
func runs(t *testing.T, o Options) (s *Subscriber, logged *syncBuffer, stop func()) {
	t.Helper()
	logged = &syncBuffer{}
	o.Filters, o.Logger = []string{"a/#"}, slog.New(slog.NewTextHandler(logged, nil))
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	return s, logged, func() { cancel(); <-done }
}

func eventually(t *testing.T, what string, ok func() bool, logged *syncBuffer) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute:\n%s", what, logged.String())
		}
	}
}

// A broker that has forgotten the session says so by session_present=false
// alone; what waited there is gone. Case operations/16.
func TestOperations16SessionLostUnseen(t *testing.T) {
	start := func(address string) *embedded.Broker {
		b, err := embedded.StartBroker(embedded.BrokerConfig{Addr: address}) // sessions in memory only
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	broker := start("127.0.0.1:0")
	o := Options{Brokers: []string{broker.URL()}, ClientID: "c", SessionFile: filepath.Join(t.TempDir(), "subscriptions")}
	s, logged, stop := runs(t, o)
	eventually(t, "connects", s.Connected, logged)
	stop()
	if n := testutil.ToFloat64(s.metrics.lost); n != 0 {
		t.Errorf("first connection: %v sessions lost", n)
	}
	s, logged, stop = runs(t, o)
	eventually(t, "connects again", s.Connected, logged)
	stop()
	if n := testutil.ToFloat64(s.metrics.lost); n != 0 || strings.Contains(logged.String(), "no session of ours") {
		t.Errorf("session kept: %v sessions lost:\n%s", n, logged.String())
	}
	address := broker.Addr()
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	broker = start(address)
	defer func() { _ = broker.Close() }()
	s, logged, stop = runs(t, o)
	eventually(t, "connects to the forgetful broker", s.Connected, logged)
	stop()
	if n := testutil.ToFloat64(s.metrics.lost); n != 1 || !strings.Contains(logged.String(), "level=WARN msg=\"the broker has no session of ours any more") ||
		!strings.Contains(logged.String(), "since="+time.Now().Format("2006-")) {
		t.Errorf("session lost: counted %v:\n%s", n, logged.String())
	}
	// Another client id has another session, which never was.
	o.ClientID = "other"
	s, logged, stop = runs(t, o)
	eventually(t, "connects as another", s.Connected, logged)
	stop()
	if n := testutil.ToFloat64(s.metrics.lost); n != 0 {
		t.Errorf("another id: %v sessions lost:\n%s", n, logged.String())
	}
}

// Two programs with one id throw each other out; each is told why. Case
// operations/11.
func TestOperations11SameClientID(t *testing.T) {
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	o := Options{Brokers: []string{broker.URL()}, ClientID: "same"}
	_, one, stopOne := runs(t, o)
	defer stopOne()
	_, two, stopTwo := runs(t, o)
	defer stopTwo()
	eventually(t, "one of them is told", func() bool {
		return strings.Contains(one.String()+two.String(), `does another program use client_id \"same\"?`)
	}, one)
}

func TestClientIDIsKept(t *testing.T) {
	dir := t.TempDir()
	one, err := ClientID(dir)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := ClientID(dir); err != nil || one != two || Guessable(one) {
		t.Errorf("%q, then %q: %v", one, two, err)
	}
	if other, _ := ClientID(t.TempDir()); other == one {
		t.Error("two directories have one id")
	}
	for _, id := range []string{"greencommunity-1", "greencommunity-standalone-pilot-2026-county", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ingest"} {
		if !Guessable(id) {
			t.Errorf("%q is taken for one that cannot be guessed", id)
		}
	}
}

// A port of the wrong kind is named as what it is.
func TestWrongPort(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	brokers := map[string]*tls.Config{"plain": nil, "tls": certificate}
	address := map[string]string{}
	for name, config := range brokers {
		b, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		address[name] = b.Addr()
	}
	web := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	plain, secure := httptest.NewServer(web), httptest.NewUnstartedServer(web)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	address["http"], address["https"] = plain.Listener.Addr().String(), secure.Listener.Addr().String()
	for _, c := range []struct{ scheme, port, want string }{
		{"tcp", "tls", " speaks TLS: write tls://" + address["tls"]},
		{"tls", "plain", " speaks MQTT without TLS: write tcp://" + address["plain"]},
		{"tcp", "http", " speaks HTTP, not MQTT"},
		{"tls", "http", " speaks HTTP, not MQTT"},
		{"tcp", "https", " speaks HTTP, not MQTT"},
		{"tls", "https", " speaks HTTP, not MQTT"},
		{"tls", "tls", "certificate"}, // not trusted, and said by itself
	} {
		s, logged, stop := runs(t, Options{Brokers: []string{c.scheme + "://" + address[c.port]}, ClientID: "c"})
		eventually(t, c.scheme+":// to "+c.port, func() bool { return strings.Contains(logged.String(), c.want) }, logged)
		stop()
		if s.Connected() || c.port == "tls" && c.scheme == "tls" && strings.Contains(logged.String(), " speaks ") {
			t.Errorf("%s:// to %s:\n%s", c.scheme, c.port, logged.String())
		}
	}
}

// Whoever sends once a day is silent in between: no warnings, and fewer and
// fewer connections.
func TestSilenceIsNoWarning(t *testing.T) {
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	s, logged, stop := runs(t, Options{Brokers: []string{broker.URL()}, ClientID: "c", Silence: 50 * time.Millisecond})
	eventually(t, "made anew", func() bool { return testutil.ToFloat64(s.metrics.silent) >= 2 }, logged)
	stop()
	if text := logged.String(); strings.Contains(text, "WARN") || !strings.Contains(text, "made anew") {
		t.Errorf("logged:\n%s", text)
	}
	if s.silence < 200*time.Millisecond {
		t.Errorf("after two vain attempts the next comes after %s", s.silence)
	}
}

// A broker that binds sessions to users hands ours to nobody else; one without
// users hands it to anybody, and that is found. Case attack/05.
func TestTakesOver(t *testing.T) {
	users := []embedded.User{
		{Name: "ingest", Password: "i", Publish: []string{"#"}, Subscribe: []string{"#"}},
		{Name: "evil", Password: "e", Publish: []string{"evil/#"}},
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", Users: users, Anonymous: true, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	password := func() (string, error) { return "i", nil }
	o := Options{Brokers: []string{broker.URL()}, ClientID: "greencommunity-1", Username: "ingest", Password: password}
	for _, name := range []string{"evil", ""} {
		if taken, err := TakesOver(context.Background(), o, name, map[string]string{"evil": "e"}[name]); err != nil || taken {
			t.Errorf("%q takes the session: %v, %v", name, taken, err)
		}
	}
	// With the session away, evil names its id; nothing of what waits is lost.
	s, logged, stop := runs(t, o)
	eventually(t, "connects", s.Connected, logged)
	stop()
	client := func(id, user, password string) paho.Client {
		return paho.NewClient(paho.NewClientOptions().AddBroker(broker.URL()).SetClientID(id).SetUsername(user).SetPassword(password).SetAutoReconnect(false))
	}
	honest := client("honest", "ingest", "i")
	if token := honest.Connect(); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	for range 100 {
		if token := honest.Publish("a/b", 1, false, "x"); token.Wait() && token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	honest.Disconnect(100)
	evil := client("greencommunity-1", "evil", "e")
	if token := evil.Connect(); token.Wait() && token.Error() == nil {
		t.Error("evil is let in with the ingester's id")
	}
	s, logged, stop = runs(t, o)
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for n := 0; n < 100; {
		batch := s.Next(ctx)
		if len(batch) == 0 {
			t.Fatalf("%d of 100 arrived:\n%s", n, logged.String())
		}
		n += len(batch)
	}
}
