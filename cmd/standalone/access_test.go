package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/simulator"
)

// A page of another origin, open in a browser on this machine, neither reads nor
// writes. Case attack/09.
func TestAnotherOriginGetsNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, built.Path(t), "--no-demo", "--data-dir", dir, "--http", freeAddr(t), "--mqtt", freeAddr(t), "--influxdb", freeAddr(t))
	page := strings.TrimSuffix(s.http, "/metrics")
	influx := regexp.MustCompile(`//.*@`).ReplaceAllString(s.influx, "//")
	for _, c := range []struct {
		name, method, url string
		header            http.Header
		want              int
	}{
		{"drop, of another origin", "POST", influx + "/query?q=DROP+DATABASE+facilities", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"drop, without a token", "POST", influx + "/query?q=DROP+DATABASE+facilities", nil, 401},
		{"read, by an image", "GET", influx + "/query?q=SHOW+DATABASES", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"read, without a token", "GET", influx + "/query?q=SHOW+DATABASES", nil, 401},
		{"write", "POST", influx + "/write?db=facilities", http.Header{"Origin": {"null"}}, 403},
		{"write, 2.x", "POST", influx + "/api/v2/write?bucket=facilities", nil, 401},
		{"flux", "POST", influx + "/api/v2/query", nil, 401},
		{"preflight", "OPTIONS", influx + "/query", http.Header{"Origin": {"http://evil.example"}, "Access-Control-Request-Method": {"POST"}}, 403},
		{"insides", "GET", influx + "/debug/vars", nil, 404},
		{"reload, of another origin", "POST", page + "/-/reload", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"reload, of another site", "POST", page + "/-/reload", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"the page, under another name", "GET", page + "/api/v1/overview", http.Header{"Host": {"evil.example"}}, 421},
	} {
		r, err := http.NewRequest(c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = c.header.Clone()
		r.Host = r.Header.Get("Host")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if allowed := answer.Header.Get("Access-Control-Allow-Origin"); answer.StatusCode != c.want || allowed != "" {
			t.Errorf("%s: %s, Access-Control-Allow-Origin %q; want %d", c.name, answer.Status, allowed, c.want)
		}
	}
	rows, err := embedded.Query(context.Background(), s.influx, "facilities", "SHOW DATABASES")
	if err != nil || len(rows) != 1 || len(rows[0].Values) == 0 {
		t.Errorf("with the token: %v %v", rows, err)
	}
	s.interrupt()
}

// Where others than this machine reach a port, somebody asks who they are.
func TestOpenListenersNeedUsers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, address, want string }{
		{"--mqtt", "0.0.0.0:1883", "give --users FILE"},
		{"--mqtt", ":1883", "--mqtt 127.0.0.1:1883"},
		{"--mqtt", "[::]:1883", "give --users FILE"},
		{"--mqtt", "192.0.2.1:1883", "give --users FILE"},
		{"--http", "0.0.0.0:8080", "give --web-config FILE"},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		err := run(context.Background(), []string{"--data-dir", dir, c.flag, c.address}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.flag, c.address, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s %s: something was written", c.flag, c.address)
		}
	}
	for address, want := range map[string]bool{"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true, "127.0.0.2:1": true, "example.com:1": false} {
		if loopback(address) != want {
			t.Errorf("loopback(%q) = %v", address, !want)
		}
	}
}

const twoVendors = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: acme
  communities: [nancheng]
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
- id: other
  unknown_devices: accept
  sources: [{topic: "other/{device}/up", format: native, community: nancheng, facility: water}]
`

// --users gives vendors names, passwords and topics; a reload takes changes over.
func TestUsers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users.yaml")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "inventory.yaml"), twoVendors)
	write(users, "users:\n- {name: acme, password: acme-secret}\n- {name: gateway-2, vendor: acme, password: gateway-secret}\n- {name: other, password: other-secret}\n")
	broker := freeAddr(t)
	s := start(t, built.Path(t), "--no-demo", "--users", users, "--data-dir", dir, "--http", freeAddr(t), "--mqtt", broker, "--influxdb", freeAddr(t))
	connect := func(name, password string) (paho.Client, error) {
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker).SetUsername(name).SetPassword(password).SetAutoReconnect(false))
		token := c.Connect()
		token.WaitTimeout(10 * time.Second)
		return c, token.Error()
	}
	for _, bad := range [][2]string{{"", ""}, {"acme", "wrong"}, {"nobody", "x"}, {"acme", ""}, {ingestUser, ""}} {
		if _, err := connect(bad[0], bad[1]); err == nil {
			t.Errorf("%v is let in", bad)
		}
	}
	for name, topic := range map[string]string{"acme": "greencommunity/v1/nancheng/water/m1", "gateway-2": "greencommunity/v1/nancheng/water/m2", "other": "other/m3/up"} {
		c, err := connect(name, map[string]string{"acme": "acme-secret", "gateway-2": "gateway-secret", "other": "other-secret"}[name])
		if err != nil {
			t.Fatal(name, err)
		}
		if token := c.Publish(topic, 1, false, `{"water_volume_total":1}`); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
			t.Fatal(name, token.Error())
		}
		c.Disconnect(100)
	}
	if n := s.account(); n != 3 {
		t.Errorf("%v messages received, want 3", n)
	}
	gone, err := connect("other", "other-secret")
	if err != nil {
		t.Fatal(err)
	}
	stays, err := connect("acme", "acme-secret")
	if err != nil {
		t.Fatal(err)
	}
	reload := func() int {
		t.Helper()
		answer, err := http.Post(strings.TrimSuffix(s.http, "/metrics")+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	write(users, "users:\n- {name: acme, password: short}\n")
	if code := reload(); code == http.StatusOK {
		t.Error("a file with a mistake is taken over")
	}
	if !gone.IsConnected() || !stays.IsConnected() {
		t.Error("a file with a mistake costs clients their connection")
	}
	write(users, "users:\n- {name: acme, password: acme-secret}\n- {name: gateway-2, vendor: acme, password: another-secret}\n- {name: gateway-3, vendor: acme, password: third-secret}\n")
	if code := reload(); code != http.StatusOK {
		t.Errorf("reload answers %d", code)
	}
	for _, c := range []struct {
		name, password string
		in             bool
	}{{"acme", "acme-secret", true}, {"gateway-2", "gateway-secret", false}, {"gateway-2", "another-secret", true}, {"gateway-3", "third-secret", true}, {"other", "other-secret", false}} {
		client, err := connect(c.name, c.password)
		if c.in != (err == nil) {
			t.Errorf("after the reload %s: let in %t, want %t", c.name, err == nil, c.in)
		}
		if err == nil && client.IsConnected() {
			client.Disconnect(0)
		}
	}
	for range 100 {
		if !gone.IsConnected() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if gone.IsConnected() {
		t.Error("a user who is gone stays connected")
	}
	if !stays.IsConnected() {
		t.Error("a user who stays is disconnected")
	}
	s.interrupt()
	for _, c := range []struct{ text, want string }{
		{"users: []", "none; write"},
		{"users: [{name: nobody, password: long-enough}]", `"nobody" is no vendor of`},
		{"users: [{name: acme, password: short}]", "give at least 8"},
		{"users: [{name: acme, password: acme-secret}, {name: acme, password: acme-secret}]", "stands once"},
		{"user: [{name: acme}]", "user"},
	} {
		write(users, c.text)
		if _, err := readUsers(users, filepath.Join(dir, "inventory.yaml")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// The vendor guide's commands, with its name and password, work on a standalone
// as it starts.
func TestGuideOnStandalone(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"mosquitto_pub", "sh"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	guide, err := os.ReadFile("../../docs/vendors/README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(blocks) < 2 || !strings.HasPrefix(blocks[0][1], "export BROKER=broker.example VENDOR=acme PASSWORD=secret") {
		t.Fatal("the guide does not begin with its variables")
	}
	dir, broker := filepath.Join(t.TempDir(), "data"), freeAddr(t)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	// The communities of the demonstration, without its history.
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(simulator.Inventory()), 0o640); err != nil {
		t.Fatal(err)
	}
	s := start(t, built.Path(t), "--no-demo", "--data-dir", dir, "--http", freeAddr(t), "--mqtt", broker, "--influxdb", freeAddr(t))
	// The address and its port are the bureau's to give.
	script := strings.Replace(blocks[0][1], "broker.example", host(broker), 1)
	n := 0
	for _, b := range blocks[1:] {
		if strings.Contains(b[1], "mosquitto_pub") && n < 5 {
			n++
			script += b[1]
		}
	}
	script = "set -e\nmosquitto_pub() { command mosquitto_pub -p " + port(broker) + " \"$@\"; }\n" + script
	command := exec.Command("sh", "-c", script)
	command.Dir = "../../docs/vendors"
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script)
	}
	// The first is of the native format, which the demonstration has; the topics
	// of the others are nobody's until they are in the inventory.
	received := s.account()
	rows, err := embedded.Query(context.Background(), s.influx, "facilities", `SELECT last(active_power) FROM lighting WHERE community='nancheng' AND device='lamp-1'`)
	if err != nil || len(rows) != 1 || n != 5 || received < 1 {
		t.Errorf("%d commands, %v messages received, stored %v %v", n, received, rows, err)
	}
	s.interrupt()
}
