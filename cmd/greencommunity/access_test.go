package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/cmd/internal/serve"
	"greencommunity/deploy/embedded"
)

const accessRules = `
communities: [{id: nancheng, name: 南城社区}, {id: xicheng, name: 西城社区}]
vendors:
- id: lamps
  communities: [nancheng]
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
- id: meters
  sources: [{topic: "$oc/devices/{device}/sys/#", format: huawei-iotda, community: nancheng}, {topic: "meters/{device}", format: native, community: nancheng}]
- id: nodes
  sources: [{topic: "spBv1.0/plant/#", format: sparkplug, community: nancheng}]
- id: wide
  sources: [{topic: "greencommunity/#", format: native, community: xicheng}]
`

// attempts says who publishes what, and whether it may.
var attempts = []struct {
	user, topic string
	allowed     bool
}{
	{"lamps", "greencommunity/v1/nancheng/lighting/L1", true},
	{"lamps", "greencommunity/v1/xicheng/lighting/L1", false}, // not its community
	{"lamps", "greencommunity/v1/nancheng/lighting", false},
	{"lamps", "greencommunity/v1/nancheng/lighting/L1/x", false},
	{"lamps", "meters/M1", false},
	{"lamps", "spBv1.0/plant/NBIRTH/n", false},
	{"lamps", "greencommunity/v1/feedback/meters", false},
	{"lamps", "$oc/devices/M1/sys/properties/report", false},
	{"meters", "meters/M1", true},
	{"meters", "$oc/devices/M1/sys/properties/report", true},
	{"meters", "greencommunity/v1/nancheng/lighting/L1", false},
	{"nodes", "spBv1.0/plant/NBIRTH/n", true},
	{"nodes", "spBv1.0/plant/DDATA/n/d", true},
	{"nodes", "spBv1.0/other/NBIRTH/n", false},
	{"nodes", "spBv1.0/plant/NCMD/n", false}, // commands are not theirs to give
	{"wide", "greencommunity/v1/xicheng/water/W1", true},
	{"wide", "greencommunity/v1/feedback/lamps", false}, // nor to speak for the ingester
	{"wide", "meters/M1", false},
}

// listening says who reads what, and whether a message to that topic reaches it.
var listening = []struct {
	user, filter, topic string
	allowed             bool
}{
	{"lamps", "greencommunity/v1/feedback/lamps", "greencommunity/v1/feedback/lamps", true},
	{"lamps", "greencommunity/v1/feedback/meters", "greencommunity/v1/feedback/meters", false},
	{"meters", "greencommunity/v1/feedback/+", "greencommunity/v1/feedback/wide", false},
	{"wide", "greencommunity/#", "greencommunity/v1/feedback/lamps", false},
	{"nodes", "spBv1.0/plant/NCMD/n", "spBv1.0/plant/NCMD/n", true},
	{"lamps", "spBv1.0/plant/NCMD/n", "spBv1.0/plant/NCMD/n", false},
}

// Vendors write only where they may and read only what is theirs, at Mosquitto
// with the files that ship and at the embedded broker.
func TestVendorsKeepToTheirTopics(t *testing.T) {
	t.Parallel()
	dir, _, path := writeConfig(t, "127.0.0.1:1", "http://127.0.0.1:1", "")
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(accessRules), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := serve.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	inv := conf.Inventory
	t.Run("mosquitto", func(t *testing.T) {
		var acl bytes.Buffer
		if err := run(context.Background(), []string{"acl", "--config", path}, streams{nil, &acl, os.Stderr}); err != nil {
			t.Fatal(err)
		}
		address, secure, ca := startShippedMosquitto(t, acl.String())
		tryAccess(t, "tcp://"+address, "ssl://"+secure, &tls.Config{RootCAs: ca})
	})
	t.Run("embedded", func(t *testing.T) {
		users := append(embedded.VendorUsers(inv), embedded.IngestUser("ingest", "secret"))
		for i := range users {
			users[i].Password = "secret"
		}
		broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", Users: users})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { broker.Close() })
		tryAccess(t, broker.URL(), broker.URL(), nil)
	})
}

// tryAccess publishes and subscribes as vendors, at their listener, and looks
// at what arrives for the ingester, at its own.
func tryAccess(t *testing.T, ours, theirs string, tlsConfig *tls.Config) {
	connect := func(url, user, password string) (paho.Client, error) {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(url).SetClientID(user + freePort(t)).SetUsername(user).SetPassword(password).
			SetTLSConfig(tlsConfig).SetProtocolVersion(4).SetConnectTimeout(5 * time.Second).SetAutoReconnect(true))
		token := c.Connect()
		token.WaitTimeout(10 * time.Second)
		t.Cleanup(func() { c.Disconnect(50) })
		return c, token.Error()
	}
	for _, bad := range [][2]string{{"lamps", "wrong"}, {"nobody", "secret"}, {"", ""}} {
		if _, err := connect(theirs, bad[0], bad[1]); err == nil {
			t.Errorf("%q logs in with %q", bad[0], bad[1])
		}
	}
	var mu sync.Mutex
	arrived := map[string]bool{}
	ingester, err := connect(ours, "ingest", "secret")
	if err != nil {
		t.Fatal(err)
	}
	note := func(who string) func(paho.Client, paho.Message) {
		return func(_ paho.Client, m paho.Message) {
			mu.Lock()
			arrived[who+" "+m.Topic()+" "+string(m.Payload())] = true
			mu.Unlock()
		}
	}
	if token := ingester.SubscribeMultiple(map[string]byte{"#": 1, "$oc/devices/+/sys/#": 1}, note("ingest")); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	seen := func(key string) bool {
		mu.Lock()
		defer mu.Unlock()
		return arrived[key]
	}
	for i, a := range attempts {
		c, err := connect(theirs, a.user, "secret") // one each: a broker may close the connection
		if err != nil {
			t.Fatal(err)
		}
		token := c.Publish(a.topic, 1, false, fmt.Sprint(i))
		token.WaitTimeout(time.Second)
	}
	for _, l := range listening {
		c, err := connect(theirs, l.user, "secret")
		if err != nil {
			t.Fatal(err)
		}
		c.Subscribe(l.filter, 1, note(l.user+" by "+l.filter)).WaitTimeout(2 * time.Second)
	}
	// Which refused attempts arrive nevertheless is known once what is sent
	// after them has.
	for _, l := range listening {
		ingester.Publish(l.topic, 1, false, "told").WaitTimeout(2 * time.Second)
	}
	eventually(t, 10*time.Second, "everything that is allowed", func() error {
		for i, a := range attempts {
			if key := fmt.Sprintf("ingest %s %d", a.topic, i); a.allowed && !seen(key) {
				return fmt.Errorf("%s may publish to %s, and it does not arrive", a.user, a.topic)
			}
		}
		for _, l := range listening {
			if key := l.user + " by " + l.filter + " " + l.topic + " told"; l.allowed && !seen(key) {
				return fmt.Errorf("%s does not hear %s", l.user, l.topic)
			}
		}
		return nil
	})
	time.Sleep(300 * time.Millisecond)
	for i, a := range attempts {
		if !a.allowed && seen(fmt.Sprintf("ingest %s %d", a.topic, i)) {
			t.Errorf("%s has published to %s", a.user, a.topic)
		}
	}
	for _, l := range listening {
		if !l.allowed && seen(l.user+" by "+l.filter+" "+l.topic+" told") {
			t.Errorf("%s hears %s", l.user, l.topic)
		}
	}
}

// startShippedMosquitto starts Mosquitto with deploy/mosquitto's configuration,
// with paths and ports of the test in it.
func startShippedMosquitto(t *testing.T, acl string) (plain, secure string, ca *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "mosquitto", "mosquitto.conf"))
	if err != nil {
		t.Fatal(err)
	}
	plainPort, securePort := freePort(t), freePort(t)
	conf := strings.NewReplacer("/etc/mosquitto/", dir+"/", "/var/lib/mosquitto/", dir+"/", "listener 8883", "listener "+securePort+" 127.0.0.1", "listener 1883 ", "listener "+plainPort+" ").Replace(string(text))
	if os.Geteuid() == 0 {
		conf += "user root\n"
	}
	certificate, key, pool := selfSigned(t)
	for name, data := range map[string]string{"mosquitto.conf": conf, "acl": acl, "server.crt": certificate, "ca.crt": certificate, "server.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, user := range []string{"ingest", "lamps", "meters", "nodes", "wide"} {
		args := []string{"-b"}
		if i == 0 {
			args = append(args, "-c")
		}
		if out, err := exec.Command(program(t, "mosquitto_passwd"), append(args, filepath.Join(dir, "passwords"), user, "secret")...).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd: %v %s", err, out)
		}
	}
	startProcess(t, program(t, "mosquitto"), "-c", filepath.Join(dir, "mosquitto.conf"))
	waitPort(t, "127.0.0.1:"+plainPort)
	waitPort(t, "127.0.0.1:"+securePort)
	return "127.0.0.1:" + plainPort, "127.0.0.1:" + securePort, pool
}

func selfSigned(t *testing.T) (certificate, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(cert)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})), pool
}
