package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const valid = `
data_dir: data
inventory: inventory.yaml
mqtt: {brokers: ["tcp://localhost:1883"], client_id: greencommunity-1}
influxdb: {url: "http://127.0.0.1:8086", org: bureau, bucket: facilities}
`

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestDefaults(t *testing.T) {
	c, err := load(t, valid)
	if err != nil {
		t.Fatal(err)
	}
	if c.TimeZone != "Asia/Shanghai" || c.HTTP.Listen != "127.0.0.1:9108" || c.Journal.MaxBytes != 10<<30 || time.Duration(c.Journal.Retention) != 168*time.Hour {
		t.Errorf("defaults are %+v", c)
	}
	if !filepath.IsAbs(c.DataDir) || filepath.Base(c.DataDir) != "data" {
		t.Errorf("data_dir is %s; want it beside the file", c.DataDir)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Setenv("GC_TEST_PASSWORD", "hunter2")
	c, err := load(t, strings.Replace(valid, "client_id:", "username: ingest, password_env: GC_TEST_PASSWORD, client_id:", 1))
	if err != nil {
		t.Fatal(err)
	}
	if c.MQTT.Password.Reveal() != "hunter2" {
		t.Errorf("password is %q", c.MQTT.Password.Reveal())
	}
	for _, text := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprint(c.MQTT.Password)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("printed: %s", text)
		}
	}
}

// Each row is a configuration and exactly what is said about it; several
// problems are said at once.
func TestInvalid(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(valid, old, new, 1) }
	tests := []struct{ name, config, want string }{
		{"nothing", "", `data_dir: missing; give a directory such as /var/lib/greencommunity
inventory: missing; give the path of inventory.yaml
mqtt.brokers: missing; give at least one, such as tcp://localhost:1883
influxdb.url: missing; give it as http://127.0.0.1:8086
influxdb.bucket: missing; give the bucket points go to
influxdb.org: missing; give the organisation the bucket belongs to`},
		{"several at once", with("data_dir: data", "data_dri: data\njournal: {max_bytes: 10GX}\nhttp: {listen: 9108}"), `data_dri (line 2): unknown key; did you mean "data_dir"?
journal.max_bytes (line 3): "10GX" is no size; write 512MiB or 10GiB`},
		{"unknown and meaning", with("data_dir: data", "data_dri: data"), `data_dri (line 2): unknown key; did you mean "data_dir"?
data_dir: missing; give a directory such as /var/lib/greencommunity`},
		{"unknown key far off", valid + "colour: blue\n", `colour (line 6): unknown key; one of access, acknowledge, alarms, anomaly, data_dir, feedback, http, influxdb, inventory, journal, ledger, mqtt, push, rejects, savings, shard, store, time_zone, watch_tls`},
		{"unknown nested", with("org: bureau", "org: bureau, tokenfile: x"), `influxdb.tokenfile (line 5): unknown key; did you mean "token_file"?`},
		{"key twice", valid + "data_dir: other\n", `data_dir (line 6): given twice; keep one`},
		{"list for text", with("data_dir: data", "data_dir: [a, b]"), `data_dir (line 2): is a list; give text, in quotes`},
		{"text for list", with(`["tcp://localhost:1883"]`, "localhost"), `mqtt.brokers (line 4): "localhost" is not what belongs here; give a list`},
		{"mapping for text", with("bucket: facilities", "bucket: {name: facilities}"), `influxdb.bucket (line 5): is a mapping; give text, in quotes`},
		{"number for mapping", valid + "http: 9108\n", `http (line 6): "9108" is not what belongs here; give a mapping of keys to values`},
		{"two documents", valid + "---\na: 1\n", `file: has 2 documents; give one`},
		{"broker without scheme", with("tcp://localhost:1883", "localhost"), `mqtt.brokers[0]: "localhost" has no scheme; try tcp://localhost:1883`},
		{"broker of another scheme", with("tcp://localhost:1883", "ws://localhost:1883"), `mqtt.brokers[0]: "ws://localhost:1883": scheme is none of tcp, mqtt, tls, ssl, mqtts`},
		{"broker without host", with("tcp://localhost:1883", "tcp://:1883"), `mqtt.brokers[0]: "tcp://:1883" has no host; try tcp://localhost:1883`},
		{"password in the address", with("tcp://localhost", "tcp://me:secret@localhost"), `mqtt.brokers[0]: holds a password; use mqtt.username and mqtt.password_file`},
		{"password without name", with("client_id:", "password_env: HOME, client_id:"), `mqtt.username: missing; a password needs one`},
		{"password twice", with("client_id:", "username: u, password_env: HOME, password_file: x, client_id:"), `mqtt.password: password_file and password_env exclude each other`},
		{"variable not set", with("client_id:", "username: u, password_env: GC_NOT_SET, client_id:"), `mqtt.password_env: environment variable GC_NOT_SET is not set`},
		{"file not there", with("org: bureau", "org: bureau, token_file: /nonexistent/token"), `influxdb.token_file: open /nonexistent/token: no such file or directory`},
		{"half a key pair", with("client_id:", "tls: {cert_file: a.pem}, client_id:"), `mqtt.tls: cert_file and key_file go together`},
		{"no such authority", with("client_id:", "tls: {ca_file: /nonexistent/ca.pem}, client_id:"), `mqtt.tls: ca_file: open /nonexistent/ca.pem: no such file or directory`},
		{"zone", valid + "time_zone: Tianshui\n", `time_zone: "Tianshui" is no time zone; use a name such as Asia/Shanghai`},
		{"journal too small", valid + "journal: {max_bytes: 1MiB}\n", `journal.max_bytes: 1048576 bytes is too little; give at least 16MiB`},
		{"negative size", valid + "journal: {max_bytes: -5}\n", `journal.max_bytes (line 6): "-5" is no size; write 512MiB or 10GiB`},
		{"duration without unit", valid + "journal: {retention: 168}\n", `journal.retention (line 6): "168" is no duration; write 90s, 168h or 7d`},
		{"negative duration", valid + "journal: {retention: -1h}\n", `journal.retention (line 6): "-1h" is no duration; write 90s, 168h or 7d`},
		{"InfluxDB without scheme", with("http://127.0.0.1:8086", "127.0.0.1:8086"), `influxdb.url: "127.0.0.1:8086" is no address; give it as http://127.0.0.1:8086`},
		{"gzip", with("org: bureau", "org: bureau, gzip: yes please"), `influxdb.gzip: "yes please" is none of on, off, auto`},
		{"listen", valid + "http: {listen: \"9108\"}\n", `http.listen: "9108" is no address; give host:port, such as 127.0.0.1:9108`},
		{"grafana", valid + "http: {grafana: \"javascript:alert(1)\"}\n", `http.grafana: "javascript:alert(1)" is no address; give it as https://grafana.county.example`},
		{"port", valid + "http: {listen: \":70000\"}\n", `http.listen: ":70000" is no address; give host:port, such as 127.0.0.1:9108`},
		{"batch", valid + "store: {batch_lines: 1000000}\n", `store.batch_lines: 1000000 is not between 1 and 100000`},
		{"fraction", valid + "store: {batch_lines: 1.5}\n", `store.batch_lines (line 6): "1.5" is not what belongs here; give a whole number`},
		{"shard beyond count", valid + "shard: {index: 3, count: 3}\n", `shard.index: 3 is not between 0 and 2; instances count from 0`},
		{"negative shard", valid + "shard: {index: -1, count: 3}\n", `shard.index: -1 is not between 0 and 2; instances count from 0`},
		{"shard without count", valid + "shard: {index: 1}\n", `shard.index: 1 is not between 0 and 0; instances count from 0`},
		{"shard beyond both", valid + "shard: {index: 4, count: 3, before: 4, hand_over: /srv}\n", `shard.index: 4 is not between 0 and 3; instances count from 0`},
		{"nowhere to hand over", valid + "shard: {index: 1, count: 3, before: 4}\n", `shard.hand_over: missing; with before give a directory that all instances reach, such as a share, or none to leave behind what is known`},
		{"negative count", valid + "shard: {index: 0, count: -3}\n", `shard.count: -3 is not between 1 and 1000`},
		{"shard for a number", valid + "shard: 1\n", `shard (line 6): "1" is not what belongs here; give a mapping of keys to values`},
		{"feedback", valid + "feedback: {per_minute: -1}\n", `feedback.per_minute: -1 is negative; 0 switches it off`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.config)
			if err == nil {
				t.Fatal("accepted")
			}
			_, got, _ := strings.Cut(err.Error(), "config.yaml:\n")
			if got = said(got, test.want); got != test.want {
				t.Errorf("says\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// said is a message without lines, except where want names them.
func said(got, want string) string {
	lines, wanted := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range lines {
		if i >= len(wanted) || !strings.Contains(wanted[i], " (line ") {
			lines[i] = lineNumber.ReplaceAllString(lines[i], "")
		}
	}
	return strings.Join(lines, "\n")
}

var lineNumber = regexp.MustCompile(` \(line \d+\)`)
