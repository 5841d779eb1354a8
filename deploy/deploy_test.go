// Package deploy_test checks what is shipped for running the service, as far as
// that goes without containers: the schema of the compose file and that what it
// names is there, what its prepare script makes with Debian's Mosquitto, the
// configuration, units and manifests, and the hourly values with the embedded
// InfluxDB. The rules and the routes of alerts have tests beside them.
package deploy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"debug/elf"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"gopkg.in/yaml.v3"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/config"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
)

// compose is the part of the Compose specification that is used. Decoding is
// strict, so that a misspelt key is an error.
type compose struct {
	Name     string                       `yaml:"name"`
	XService service                      `yaml:"x-service"`
	Services map[string]service           `yaml:"services"`
	Secrets  map[string]map[string]string `yaml:"secrets"`
	Volumes  map[string]any               `yaml:"volumes"`
}

type service struct {
	Image       string            `yaml:"image"`
	Build       map[string]string `yaml:"build"`
	User        string            `yaml:"user"`
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	NetworkMode string            `yaml:"network_mode"`
	Restart     string            `yaml:"restart"`
	SecurityOpt []string          `yaml:"security_opt"`
	CapDrop     []string          `yaml:"cap_drop"`
	CapAdd      []string          `yaml:"cap_add"`
	ReadOnly    bool              `yaml:"read_only"`
	Logging     struct {
		Driver  string            `yaml:"driver"`
		Options map[string]string `yaml:"options"`
	} `yaml:"logging"`
	Ports     []string `yaml:"ports"`
	Volumes   []string `yaml:"volumes"`
	Secrets   []string `yaml:"secrets"`
	DependsOn []string `yaml:"depends_on"`
	Profiles  []string `yaml:"profiles"`
	Tmpfs     []string `yaml:"tmpfs"`
	Grace     string   `yaml:"stop_grace_period"`
	MemLimit  string   `yaml:"mem_limit"`
}

func strict(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// prepared is a copy of deploy in which compose/prepare has run.
func prepared(t *testing.T) string {
	t.Helper()
	need(t, "openssl")
	need(t, "mosquitto_passwd")
	dir := filepath.Join(t.TempDir(), "deploy")
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "compose", "prepare")
	if err := os.Chmod(script, 0o755); err != nil { // CopyFS keeps no modes of its own
		t.Fatal(err)
	}
	for range 2 { // a second run changes nothing
		if out, err := exec.Command(script, "localhost").CombinedOutput(); err != nil {
			t.Fatalf("prepare: %v: %s", err, out)
		}
	}
	return dir
}

// need skips the test where a program is missing, and fails it in CI.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if _, err := os.Stat("/usr/sbin/" + program); err == nil {
			return "/usr/sbin/" + program
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
	return path
}

func TestCompose(t *testing.T) {
	var c compose
	strict(t, "compose/compose.yaml", &c)
	dir := prepared(t)
	usedSecrets, usedVolumes := map[string]bool{}, map[string]bool{}
	for name, s := range c.Services {
		if !regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?$`).MatchString(s.Image) && s.Image != "greencommunity" {
			t.Errorf("%s: image %q is not pinned to a version", name, s.Image)
		}
		if !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Restart == "" {
			t.Errorf("%s: capabilities, privileges or restart", name)
		}
		if !s.ReadOnly && name != "influxdb" {
			t.Errorf("%s: its file system can be written", name)
		}
		if name != "net" && (s.NetworkMode != "service:net" || len(s.Ports) > 0) {
			t.Errorf("%s: ports belong to net", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") && p != "8883:8883" {
				t.Errorf("%s: port %s is open to others", name, p)
			}
		}
		for key, value := range s.Environment {
			if regexp.MustCompile(`PASSWORD|TOKEN`).MatchString(key) && !strings.HasPrefix(value, "/run/secrets/") {
				t.Errorf("%s: %s holds a secret", name, key)
			}
			if file, ok := strings.CutPrefix(value, "/run/secrets/"); ok && !slices.Contains(s.Secrets, file) {
				t.Errorf("%s: %s is not among its secrets", name, file)
			}
		}
		for _, secret := range s.Secrets {
			usedSecrets[secret] = true
			if c.Secrets[secret] == nil {
				t.Errorf("%s: secret %s is not defined", name, secret)
			}
		}
		for _, d := range s.DependsOn {
			if _, ok := c.Services[d]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, d)
			}
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(from, ".") {
				usedVolumes[from] = true
				if _, ok := c.Volumes[from]; !ok {
					t.Errorf("%s: volume %s is not defined", name, from)
				}
				continue
			}
			if !strings.HasSuffix(to, ":ro") && from != "./secrets/tokens" && from != "./data/mosquitto" {
				t.Errorf("%s: %s can be written", name, v)
			}
			at := filepath.Join(dir, "compose", from)
			if strings.HasPrefix(from, "../../") {
				at = filepath.Join("..", strings.TrimPrefix(from, "../../"))
			}
			if _, err := os.Stat(at); err != nil && s.Profiles == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, s := range c.Secrets {
		data, err := os.ReadFile(filepath.Join(dir, "compose", s["file"]))
		if err != nil || len(data) < 32 || !usedSecrets[name] {
			t.Errorf("secret %s: %d bytes, %v, used %v", name, len(data), err, usedSecrets[name])
		}
	}
	for name := range c.Volumes {
		if !usedVolumes[name] {
			t.Errorf("volume %s: nothing uses it", name)
		}
	}
	// What waits for the ingester is kept where Mosquitto's user may write.
	text, err := os.ReadFile("mosquitto/mosquitto.conf")
	if err != nil {
		t.Fatal(err)
	}
	kept := regexp.MustCompile(`(?m)^persistence_location (\S+)/$`).FindSubmatch(text)
	if kept == nil || !slices.Contains(c.Services["mosquitto"].Volumes, "./data/mosquitto:"+string(kept[1])) {
		t.Errorf("mosquitto keeps its sessions in %q, and mounts %q", kept, c.Services["mosquitto"].Volumes)
	}
	info, err := os.Stat(filepath.Join(dir, "compose", "data", "mosquitto"))
	if err != nil {
		t.Fatal(err)
	}
	if owner := ownerOf(info); os.Getuid() == 0 && (fmt.Sprint(owner)+":1883" != c.Services["mosquitto"].User || info.Mode().Perm() != 0o700) {
		t.Errorf("mosquitto runs as %s, its sessions belong to %d, %v", c.Services["mosquitto"].User, owner, info.Mode())
	}
	if info, err := os.Stat(filepath.Join(dir, "compose", "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("secrets: %v %v", info.Mode(), err)
	}
}

// Grafana and Prometheus beside the standalone: one command, on loopback, with
// the dashboards in place.
func TestStandaloneCompose(t *testing.T) {
	var c compose
	strict(t, "grafana/standalone/compose.yaml", &c)
	places := map[string]bool{}
	for name, s := range c.Services {
		if !regexp.MustCompile(`^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?$`).MatchString(s.Image) || !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || s.NetworkMode != "host" {
			t.Errorf("%s: %+v", name, s)
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(v, ":")
			if _, err := os.Stat(filepath.Join("grafana/standalone", from)); err != nil || !strings.HasSuffix(to, ":ro") {
				t.Errorf("%s: %s: %v", name, v, err)
			}
			places[to] = true
		}
	}
	if c.Services["grafana"].Environment["GF_SERVER_HTTP_ADDR"] != "127.0.0.1" || !slices.Contains(c.Services["prometheus"].Command, "--web.listen-address=127.0.0.1:9090") {
		t.Error("open to others")
	}
	for _, place := range []string{"/etc/grafana/provisioning/datasources:ro", "/etc/grafana/provisioning/dashboards:ro", "/etc/grafana/dashboards:ro", "/etc/prometheus/prometheus.yml:ro"} {
		if !places[place] {
			t.Errorf("nothing is mounted at %s", place)
		}
	}
}

// The ingester's configuration loads, with what prepare made.
func TestComposeConfiguration(t *testing.T) {
	dir := filepath.Join(prepared(t), "compose")
	path := filepath.Join(dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// What InfluxDB's first start writes.
	if err := os.WriteFile(filepath.Join(dir, "secrets", "tokens", "ingester"), []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("/run/secrets/"), []byte(dir+"/secrets/"))
	text = bytes.ReplaceAll(text, []byte("/tokens/"), []byte(dir+"/secrets/tokens/"))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inventory.Load(c.Inventory, c.Zone); err != nil {
		t.Fatal(err)
	}
	if c.MQTT.Password.Reveal() == "" || c.InfluxDB.Token.Reveal() != "token" {
		t.Error("the secrets are not read")
	}
}

// Mosquitto with the shipped file and what prepare made: TLS by the authority's
// certificate, the ingester's password, and no other.
func TestComposeBroker(t *testing.T) {
	program := need(t, "mosquitto")
	dir := prepared(t)
	port := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, p, _ := net.SplitHostPort(l.Addr().String())
		return p
	}
	secure, plain := port(), port()
	text, err := os.ReadFile(filepath.Join(dir, "mosquitto", "mosquitto.conf"))
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	conf := strings.NewReplacer("/etc/mosquitto/", dir+"/compose/mosquitto/", "/var/lib/mosquitto/", store+"/", "listener 8883", "listener "+secure+" 127.0.0.1", "listener 1883 127.0.0.1", "listener "+plain+" 127.0.0.1").Replace(string(text))
	if os.Getuid() == 0 {
		conf += "\nuser root\n"
	}
	path := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, "-c", path)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+secure)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("mosquitto does not listen: %s", log.String())
		}
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "compose", "mosquitto", "ca.crt"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate of the authority", err)
	}
	password, err := os.ReadFile(filepath.Join(dir, "compose", "secrets", "mqtt_ingest_password"))
	if err != nil {
		t.Fatal(err)
	}
	connect := func(broker, user, password string, roots *x509.CertPool) error {
		c := paho.NewClient(paho.NewClientOptions().AddBroker(broker).SetClientID("deploy").SetUsername(user).SetPassword(password).
			SetConnectTimeout(5 * time.Second).SetTLSConfig(&tls.Config{RootCAs: roots, ServerName: "localhost"}))
		token := c.Connect()
		if !token.WaitTimeout(10 * time.Second) {
			return fmt.Errorf("no answer")
		}
		c.Disconnect(0)
		return token.Error()
	}
	tlsURL := "tls://localhost:" + secure
	if err := connect(tlsURL, "ingest", string(password), pool); err != nil {
		t.Errorf("the ingester by TLS: %v", err)
	}
	if err := connect("tcp://127.0.0.1:"+plain, "ingest", string(password), nil); err != nil {
		t.Errorf("the ingester on loopback: %v", err)
	}
	for what, err := range map[string]error{
		"a wrong password":           connect(tlsURL, "ingest", "wrong", pool),
		"nobody":                     connect(tlsURL, "", "", pool),
		"nobody, on loopback":        connect("tcp://127.0.0.1:"+plain, "", "", nil),
		"another authority":          connect(tlsURL, "ingest", string(password), x509.NewCertPool()),
		"plain text on the TLS port": connect("tcp://127.0.0.1:"+secure, "ingest", string(password), nil),
	} {
		if err == nil {
			t.Errorf("%s is let in", what)
		}
	}
}

func TestGrafanaProvisioning(t *testing.T) {
	type sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL, User, Database string
			IsDefault                                    bool              `yaml:"isDefault"`
			JSONData                                     map[string]string `yaml:"jsonData"`
			SecureJSONData                               map[string]string `yaml:"secureJsonData"`
		} `yaml:"datasources"`
	}
	for _, path := range []string{"grafana/provisioning/datasources/greencommunity.yaml", "grafana/standalone/datasources/greencommunity.yaml"} {
		var s sources
		strict(t, path, &s)
		types := []string{}
		for _, d := range s.Datasources {
			types = append(types, d.Type)
			if d.Type == "influxdb" && (d.Database == "" || d.JSONData["dbName"] != d.Database || d.JSONData["version"] != "InfluxQL") {
				t.Errorf("%s: InfluxDB is not asked by InfluxQL", path)
			}
			for key, v := range d.SecureJSONData {
				if !strings.HasPrefix(v, "$__file{/run/secrets/") && v != "$INFLUXDB_PASSWORD" {
					t.Errorf("%s: %s is neither a file nor from the environment", path, key)
				}
			}
		}
		slices.Sort(types)
		if !slices.Equal(types, []string{"influxdb", "prometheus"}) {
			t.Errorf("%s: %q", path, types)
		}
	}
	var p struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Folder, Type string
			Options            map[string]string
		}
	}
	strict(t, "grafana/provisioning/dashboards/greencommunity.yaml", &p)
	for _, provider := range p.Providers {
		at := strings.Replace(provider.Options["path"], "/etc/grafana/dashboards", "../dashboards/grafana", 1)
		if files, err := filepath.Glob(at + "/*.json"); err != nil || len(files) == 0 {
			t.Errorf("%s: no dashboards in %s", provider.Name, at)
		}
	}
}

// The image's program is static, and runs as nobody.
func TestImage(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	build := regexp.MustCompile(`RUN CGO_ENABLED=0 (go build .*) -o \S+ (\S+)`).FindStringSubmatch(string(text))
	if build == nil || !strings.Contains(string(text), "FROM scratch") || !regexp.MustCompile(`(?m)^USER 65532:65532$`).Match(text) {
		t.Fatal("the image is not built static, empty and for nobody")
	}
	binary := filepath.Join(t.TempDir(), "greencommunity")
	cmd := exec.Command("sh", "-c", "CGO_ENABLED=0 "+build[1]+" -o "+binary+" "+build[2])
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it wants a loader")
		}
	}
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("it wants %q", libraries)
	}
}

func TestSystemdUnits(t *testing.T) {
	analyze := need(t, "systemd-analyze")
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 2 {
		t.Fatal(units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// The program need not be installed here.
		path := filepath.Join(t.TempDir(), filepath.Base(unit))
		if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("/usr/local/bin/greencommunity"), []byte("/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || bytes.Contains(out, []byte(filepath.Base(unit))) {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
		out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", path).CombinedOutput()
		m := regexp.MustCompile(`exposure level for \S+: ([\d.]+)`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("%s: %v: %.300s", unit, err, out)
		}
		if level, _ := strconv.ParseFloat(string(m[1]), 64); level > 1.5 {
			t.Errorf("%s: exposure %v", unit, level)
		}
	}
}

// The hourly values are what the task's comment says, on data of two hours; the
// embedded InfluxDB runs the same Flux, but for writing to a second bucket.
func TestHourlyValues(t *testing.T) {
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := influx.New(influx.Options{URL: db.URL(), Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	hour := time.Now().Truncate(time.Hour).Add(-3 * time.Hour)
	line := func(minute int, fields string) string {
		return fmt.Sprintf("lighting,device=l %s %d\n", fields, hour.Add(time.Duration(minute)*time.Minute).UnixMilli())
	}
	lines := line(10, "energy_total=5,active_power=40,light_on=1i") + line(40, "energy_total=7,active_power=60,light_on=0i") + line(70, "energy_total=8,active_power=30,light_on=1i") +
		line(180, "energy_total=9,active_power=99") + // the hour that is not over
		fmt.Sprintf("events,device=l,type=leak active=1i %d\n", hour.UnixMilli())
	if refused, err := w.Write(context.Background(), []byte(lines)); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	text, err := os.ReadFile("influxdb/hourly.flux")
	if err != nil {
		t.Fatal(err)
	}
	script := regexp.MustCompile(`(?m)^option task.*$`).ReplaceAllString(string(text), "")
	n := 0
	script = regexp.MustCompile(`\|> to\([^)]*\)`).ReplaceAllStringFunc(script, func(string) string { n++; return fmt.Sprintf(`|> yield(name: "part %d")`, n) })
	script = strings.ReplaceAll(script, `bucket: "facilities"`, `bucket: "facilities/autogen"`)
	if n != 2 {
		t.Fatalf("%d values are written, want 2", n)
	}
	r, err := http.Post(db.URL()+"/api/v2/query", "application/vnd.flux", strings.NewReader(script))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s", r.Status, err, body)
	}
	// CSV: annotations, a header and rows for each part.
	got := map[string]float64{}
	var header []string
	for row := range strings.Lines(string(body)) {
		cells := strings.Split(strings.TrimSpace(row), ",")
		switch {
		case len(cells) < 3:
			header = nil
		case strings.HasPrefix(row, "#"):
		case header == nil:
			header = cells
		default:
			at := func(name string) string { return cells[slices.Index(header, name)] }
			v, err := strconv.ParseFloat(at("_value"), 64)
			if err != nil {
				t.Fatalf("%s: %v", row, err)
			}
			end, err := time.Parse(time.RFC3339Nano, at("_time"))
			if err != nil {
				t.Fatal(err)
			}
			got[fmt.Sprintf("%s %s %d", at("_measurement"), at("_field"), int(math.Round(end.Sub(hour).Hours())))] = v
		}
	}
	want := map[string]float64{"lighting energy_total 1": 7, "lighting energy_total 2": 8, "lighting active_power 1": 50, "lighting active_power 2": 30, "lighting light_on 1": 0.5, "lighting light_on 2": 1}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %v, want %v", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	if out, err := exec.Command("bash", "-n", "influxdb/10-greencommunity.sh").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
