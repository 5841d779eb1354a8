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
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/ingest"
	"greencommunity/ingest/journal"
)

// command runs a command line and returns what it printed.
func command(t testing.TB, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := run(ctx, args, streams{strings.NewReader(""), &out, &out})
	return out.String(), err
}

func wantOutput(t testing.TB, out string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in:\n%s", part, out)
		}
	}
}

// check --connect says what bounds throughput, and warns of a broker that
// forgets messages.
func TestCheckConnect(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	path := filepath.Join(dir, "mosquitto.conf")
	// Mosquitto's defaults: 20 messages in flight, 1,000 queued.
	write(t, path, fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nlog_type error\n", port))
	startProcess(t, program(t, "mosquitto"), "-c", path)
	waitPort(t, "127.0.0.1:"+port)
	db := startDatabase(t)
	_, _, config := writeConfig(t, "127.0.0.1:"+port, "http://"+db.addr, "")
	out, err := command(t, "check", "--config", config, "--connect")
	if err != nil {
		t.Fatal(err, out)
	}
	wantOutput(t, out, "2 communities, 1 vendors, 1 sources", "an fsync (median of 25)", "broker: 20 messages unacknowledged at a time",
		"warning: the broker kept 1000 of 2000 messages", "takes points for bureau/facilities")

	_, _, config = writeConfig(t, "127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t), "")
	out, err = command(t, "check", "--config", config, "--connect")
	if err == nil {
		t.Fatal("no error without broker and InfluxDB:", out)
	}
	wantOutput(t, err.Error(), "broker: ", "influxdb: ", "connection refused")
}

// What a wrong mapping refused is written by a replay once it is right.
func TestReplay(t *testing.T) {
	t.Parallel()
	db := startDatabase(t)
	dir, _, config := writeConfig(t, "127.0.0.1:1", "http://"+db.addr, "")
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "data", "journal")})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Hour)
	var messages []*ingest.Message
	for i := range 12000 {
		topic := "greencommunity/v1/nancheng/lighting/a"
		if i%2 == 1 {
			topic = "acme/b/state"
		}
		messages = append(messages, &ingest.Message{Received: start.Add(time.Duration(i) * time.Millisecond).UnixNano(), Topic: topic, Payload: fmt.Appendf(nil, `{"active_power":%d}`, i%1000)})
	}
	if err := j.Append(messages); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "replay", "--config", config, "--from", "2h", "--dry-run")
	if err != nil {
		t.Fatal(err, out)
	}
	wantOutput(t, out, "12000 messages read, 6000 of them with readings; 0 points written", "rejected as unknown_topic: 6000")

	write(t, filepath.Join(dir, "inventory.yaml"), testInventory+`
- id: acme
  devices: [{id: b, community: xicheng, facility: lighting}]
  sources: [{topic: "acme/{device}/state", format: json, fields: {active_power: {quantity: active_power, unit: kW}}}]
`)
	out, err = command(t, "replay", "--config", config, "--from", "2h", "--vendor", "acme")
	if err != nil {
		t.Fatal(err, out)
	}
	wantOutput(t, out, "6000 messages read, 6000 of them with readings; 6000 points written")
	rows := db.rows(`SELECT count(active_power), max(active_power) FROM lighting GROUP BY vendor`)
	if len(rows) != 1 || rows[0]["vendor"] != "acme" || fmt.Sprintf("%v %v", rows[0]["count"], rows[0]["max"]) != "6000 999000" {
		t.Error(rows)
	}
	if out, err = command(t, "replay", "--config", config, "--from", "yesterday"); err == nil || !strings.Contains(err.Error(), `--from: "yesterday" is neither a time nor a duration`) {
		t.Error(out, err)
	}
}

// A million messages nobody has looked at are walked before the service is
// ready. How long that takes is logged.
func TestLongRestart(t *testing.T) {
	t.Parallel()
	count := 20_000
	if long() {
		count = 1_000_000
	}
	_, broker := startMosquitto(t)
	dir, httpAddr, config := writeConfig(t, broker, "http://127.0.0.1:"+freePort(t), "")
	j, err := journal.Open(journal.Options{Dir: filepath.Join(dir, "data", "journal")})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-time.Hour)
	for i := 0; i < count; {
		var group []*ingest.Message
		for range 1000 {
			group = append(group, &ingest.Message{
				Received: start.Add(time.Duration(i) * time.Millisecond).UnixNano(), QoS: 1, PacketID: uint16(i),
				Topic:   fmt.Sprintf("greencommunity/v1/nancheng/lighting/d%d", i%10000),
				Payload: fmt.Appendf(nil, `{"active_power":%d,"energy_total":%d,"light_level":0.5,"light_on":true}`, i%100, i),
			})
			i++
		}
		if err := j.Append(group); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	bin := built.Path(t)
	begin := time.Now()
	in := &ingester{dir: dir, url: "http://" + httpAddr, process: startProcess(t, bin, "run", "--config", config)}
	in.waitReady()
	t.Logf("ready after %s with %d messages in the journal", time.Since(begin).Round(time.Millisecond), count)
	s, err := in.metrics()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.sum("greencommunity_messages_received_total"); got != float64(count) {
		t.Errorf("%.0f received of %d", got, count)
	}
	if got := s["greencommunity_devices[community:nancheng facility:lighting state:online]"]; got != float64(min(count, 10000)) {
		t.Errorf("%.0f devices online", got)
	}
	if err := s.settled(t); err == nil {
		t.Error("nothing is pending, with no InfluxDB")
	}
}

// The broker is reached by TLS with a certificate of ours and a password from
// a file; each of them missing or wrong is an error that says so.
func TestBrokerTLS(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	ca, caKey := authority(t)
	issueCertificate(t, dir, "server", ca, caKey)
	issueCertificate(t, dir, "client", ca, caKey)
	stranger, strangerKey := authority(t)
	issueCertificate(t, dir, "stranger", stranger, strangerKey)
	write(t, filepath.Join(dir, "ca.pem"), pemOf("CERTIFICATE", ca.Raw))
	write(t, filepath.Join(dir, "password"), "secret\n")
	passwords := filepath.Join(dir, "passwords")
	if out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", "-c", passwords, "ingest", "secret").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\ncafile %s/ca.pem\ncertfile %s/server.pem\nkeyfile %s/server.key\nrequire_certificate true\npassword_file %s\nlog_type error\n", port, dir, dir, dir, passwords)
	if os.Geteuid() == 0 {
		text += "user root\n"
	}
	write(t, conf, text)
	startProcess(t, program(t, "mosquitto"), "-c", conf)
	waitPort(t, "127.0.0.1:"+port)
	db := startDatabase(t)

	configure := func(client, ca string) (*ingester, string) {
		home, httpAddr, path := writeConfig(t, "x", "http://"+db.addr, "")
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mqtt := fmt.Sprintf("mqtt: {brokers: [\"tls://localhost:%s\"], client_id: tls, username: ingest, password_file: %s/password, tls: {ca_file: %s, cert_file: %s/%s.pem, key_file: %s/%s.key}}", port, dir, ca, dir, client, dir, client)
		lines := strings.Split(string(old), "\n")
		for i, l := range lines {
			if strings.HasPrefix(l, "mqtt:") {
				lines[i] = mqtt
			}
		}
		write(t, path, strings.Join(lines, "\n"))
		return &ingester{dir: home, url: "http://" + httpAddr}, path
	}
	for name, c := range map[string][3]string{
		"no authority of ours": {"client", filepath.Join(dir, "stranger.pem"), "certificate signed by unknown authority"},
		"certificate unknown":  {"stranger", filepath.Join(dir, "ca.pem"), "broker: "},
	} {
		_, path := configure(c[0], c[1])
		if out, err := command(t, "check", "--config", path, "--connect"); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	in, path := configure("client", filepath.Join(dir, "ca.pem"))
	if out, err := command(t, "check", "--config", path, "--connect"); err != nil {
		t.Errorf("%v %s", err, out)
	} else {
		wantOutput(t, out, "certificate of localhost:"+port+" expires in ") // those of tests last an hour
	}
	bin := built.Path(t)
	in.process = startProcess(t, bin, "run", "--config", path)
	in.waitReady()

	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	client := paho.NewClient(paho.NewClientOptions().AddBroker("ssl://localhost:" + port).SetUsername("ingest").SetPassword("secret").
		SetTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}))
	if token := client.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer client.Disconnect(100)
	if token := client.Publish("greencommunity/v1/nancheng/lighting/a", 1, false, `{"active_power":5}`); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	in.waitSettled(1, 10*time.Second)

	write(t, filepath.Join(dir, "password"), "wrong\n")
	if out, err := command(t, "check", "--config", path, "--connect"); err == nil || !strings.Contains(strings.ToLower(err.Error()), "not authori") {
		t.Errorf("wrong password: %v %s", err, out)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// authority is a certificate authority of this test alone.
func authority(t testing.TB) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// issueCertificate writes name.pem and name.key, signed by an authority.
func issueCertificate(t testing.TB, dir, name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".pem"), pemOf("CERTIFICATE", der))
	write(t, filepath.Join(dir, name+".key"), pemOf("EC PRIVATE KEY", keyDER))
}

// A site's boards have its zone and its communities' names.
func TestDashboards(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inventory := "communities:\n- {id: east, name: 东街社区, town: 城关镇}\nfacilities:\n  lift: {name: {zh: 电梯, en: Lifts}, quantities: {trips: {unit: \"1\", kind: delta, name: {zh: 运行次数, en: Trips}}}}\nvendors:\n- {id: v, name: 厂商, sources: [{topic: 'v/{community}/{device}', format: json}]}\n"
	config := "data_dir: data\ntime_zone: Asia/Urumqi\nalarms: {public_url: \"https://green.example\"}\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1883\"]}\ninfluxdb: {url: \"http://127.0.0.1:8086\", org: o, bucket: b}\n"
	for name, text := range map[string]string{"inventory.yaml": inventory, "config.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := command(t, "dashboards", "--config", filepath.Join(dir, "config.yaml"), filepath.Join(dir, "boards"))
	if err != nil {
		t.Fatal(out, err)
	}
	for board, want := range map[string]string{"zh/water.json": "东街社区", "en/water.json": "tz('Asia/Urumqi')", "zh/device-lighting.json": "有功功率", "zh/lift.json": "运行次数", "en/device-lift.json": "https://green.example/?lang=en#device/"} {
		data, err := os.ReadFile(filepath.Join(dir, "boards", filepath.FromSlash(board)))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s does not say %s (%v)", board, want, err)
		}
	}
}
