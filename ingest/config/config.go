// Package config is config.yaml: the reference of what can be set is the
// comments of the structs here. Load reports every problem at once, each with
// its path and its remedy, and nothing starts with a configuration that has
// one.
package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones on machines that have none installed

	"greencommunity/ingest/document"
)

// Config is config.yaml. Paths are relative to the file.
type Config struct {
	DataDir   string  `yaml:"data_dir"`  // required; journal, checkpoint, rejects
	TimeZone  string  `yaml:"time_zone"` // of times without one, and of local days; default Asia/Shanghai
	Inventory string  `yaml:"inventory"` // required; inventory.yaml
	Shard     Shard   `yaml:"shard"`
	MQTT      MQTT    `yaml:"mqtt"`
	Journal   Journal `yaml:"journal"`
	// Acknowledge says when the broker may forget a message: journal (default), when it is on this
	// machine's disk; stored, when InfluxDB has confirmed it, so that a disk that dies loses nothing
	// which a (replicated) broker still has. With stored nothing is taken in while InfluxDB is away
	// and the broker's window is full, so that alarms wait too; it needs mqtt.client_id.
	Acknowledge string   `yaml:"acknowledge"`
	InfluxDB    InfluxDB `yaml:"influxdb"`
	// WatchTLS is further addresses, host:port, whose certificates' expiry is
	// watched, such as the broker's listener for vendors. Those of tls:// and
	// https:// addresses above are watched in any case.
	WatchTLS []string `yaml:"watch_tls"`
	HTTP     HTTP     `yaml:"http"`
	Push     Push     `yaml:"push"`
	Store    Store    `yaml:"store"`
	Rejects  Rejects  `yaml:"rejects"`
	Feedback Feedback `yaml:"feedback"`
	Ledger   Ledger   `yaml:"ledger"`
	// Anomaly is the levels of alarms, where they differ from the defaults: for
	// all, for communities and for devices. Package metrics/anomaly checks it.
	Anomaly document.Section `yaml:"anomaly"`
	// Savings sets how savings are converted to CO2 and coal, which is off by
	// default. Package metrics/savings checks it; docs/savings.md has an example.
	Savings document.Section `yaml:"savings"`
	// Alarms says what losses cost, where people reach the page, and which file silences
	// alarms. Package metrics/alarms checks it; docs/alerts.md has an example.
	Alarms document.Section `yaml:"alarms"`
	// Access says who may look at and change what. Package dashboards/access checks it;
	// docs/access.md has an example.
	Access document.Section `yaml:"access"`

	Zone *time.Location `yaml:"-"` // TimeZone resolved
}

// MQTT is the broker and our session with it.
type MQTT struct {
	Brokers []string `yaml:"brokers"` // required; tcp://, mqtt://, tls://, ssl://, mqtts://, tried in turn
	// ClientID names the session at the broker, where messages wait for us, so
	// it is to be kept, and to be kept from others: whoever names it takes the
	// session, unless the broker binds ids to users. Default: one made at random
	// at the first start and kept in data_dir.
	ClientID     string `yaml:"client_id"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"` // name of an environment variable
	TLS          TLS    `yaml:"tls"`
	// Silence sets after how long without a message the connection is made anew,
	// since a subscription may have been lost; 0 is never. Default 15m.
	Silence  *Duration `yaml:"silence"`
	Password Secret    `yaml:"-"`
}

// Shard divides the communities of one inventory between several instances,
// which have the same inventory and count, and each an index, a data_dir and an
// mqtt.client_id of its own. A topic that names no community goes whole to one
// instance: with its source's community, or with its vendor.
type Shard struct {
	Index int `yaml:"index"` // which instance this is, from 0
	Count int `yaml:"count"` // how many there are; default 1
	// Before is how many there were, and HandOver a directory that all of them reach, such as
	// a share: who had a community hands over through it what it knows of it, at the next
	// start of all. Both may stay where they are afterwards. An instance whose index is
	// count or more hands over all it has, and ends.
	Before   int    `yaml:"before"`
	HandOver string `yaml:"hand_over"` // none: what is known of communities that move is left behind
}

// TLS sets the trusted authorities and our client certificate. Without ca_file the system's
// authorities are trusted; cert_file and key_file go together.
type TLS struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Journal bounds what is kept on disk.
type Journal struct {
	MaxBytes  Bytes    `yaml:"max_bytes"` // default 10GiB; when it is full, nothing is acknowledged any more
	Retention Duration `yaml:"retention"` // default 168h; how long what is stored can be replayed
}

// InfluxDB says where points go: InfluxDB 2, 3, or 1.8 with its 2.x interface
// (bucket is database or database/policy there).
type InfluxDB struct {
	URL       string   `yaml:"url"`    // required
	Org       string   `yaml:"org"`    // required by InfluxDB 2
	Bucket    string   `yaml:"bucket"` // required
	TokenFile string   `yaml:"token_file"`
	TokenEnv  string   `yaml:"token_env"` // name of an environment variable
	CAFile    string   `yaml:"ca_file"`   // authority of an https address; default: the system's
	Gzip      string   `yaml:"gzip"`      // on, off, or auto (default): on unless InfluxDB is on this machine
	Timeout   Duration `yaml:"timeout"`   // of a request; default 30s
	Token     Secret   `yaml:"-"`
}

// HTTP says where /metrics, the page and the rest are served.
type HTTP struct {
	Listen        string `yaml:"listen"`          // default 127.0.0.1:9108
	WebConfigFile string `yaml:"web_config_file"` // TLS and passwords, as Prometheus' exporters take them
	// Hosts are the names under which it is reached, beside addresses, names of
	// one word, and those in .local and .internal. Others are refused, so that no
	// page of another site can pose as this one; with web_config_file, none are.
	Hosts []string `yaml:"hosts"`
	// Grafana is where a browser reaches Grafana, such as https://grafana.county.example: pages of
	// communities and devices link to its boards. Default: no links.
	Grafana string `yaml:"grafana"`
}

// Push says where devices that speak HTTP and no MQTT post their messages: the path is
// the topic. It is off unless listen is given.
type Push struct {
	Listen string `yaml:"listen"` // host:port, such as 0.0.0.0:9109; default: off
	// PasswordFile has the broker's users, as mosquitto_passwd writes them: a user is a
	// vendor's id, and reaches the topics of its sources. Without it listen must be on
	// this machine.
	PasswordFile string `yaml:"password_file"`
	CertFile     string `yaml:"cert_file"` // with key_file: HTTPS
	KeyFile      string `yaml:"key_file"`
	MaxBytes     Bytes  `yaml:"max_bytes"` // of a message, pictures included; default 4MiB
}

// Store bounds a write to InfluxDB.
type Store struct {
	BatchLines int      `yaml:"batch_lines"` // default 5000
	BatchAge   Duration `yaml:"batch_age"`   // default 200ms
}

// Rejects bounds the files of refused messages.
type Rejects struct {
	MaxBytes Bytes `yaml:"max_bytes"` // default 256MiB
}

// Feedback bounds what vendors are told of refused messages.
type Feedback struct {
	PerMinute *int `yaml:"per_minute"` // to each vendor; 0 switches it off; default 60
}

// Ledger is the working ledger of the programme (工作台账), which is kept in data_dir.
type Ledger struct {
	// File is a table that a clerk keeps, .xlsx or .csv, as `greencommunity ledger export`
	// writes it. What it has changed is taken over at the start and on reload.
	File string `yaml:"file"`
	// Items is the items of the standard in its own wording, .csv, as `greencommunity ledger
	// items` writes it. Default: sixteen items in five areas, in words of ours.
	Items string `yaml:"items"`
}

// Secret is a password or token. It prints as [redacted].
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString keeps %#v from showing it.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText keeps encoders from showing it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Duration is a time.Duration as Go writes it, or in days: 90s, 168h, 7d.
type Duration time.Duration

// UnmarshalText reads a duration that is not negative.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	v, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok && err != nil {
		var n float64
		if n, err = strconv.ParseFloat(days, 64); err == nil && n < 36500 {
			v = time.Duration(n * 24 * float64(time.Hour))
		}
	}
	if err != nil || v < 0 || s != "0" && v == 0 && !strings.HasPrefix(s, "0") {
		return fmt.Errorf("%q is no duration; write 90s, 168h or 7d", s)
	}
	*d = Duration(v)
	return nil
}

// Bytes is a number of bytes: 1048576, 512MiB, 10GiB, 10GB.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor float64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

// UnmarshalText reads a number of bytes above 0.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v*u.factor >= 1) || v*u.factor > 1<<60 {
			break
		}
		*b = Bytes(v * u.factor)
		return nil
	}
	return fmt.Errorf("%q is no size; write 512MiB or 10GiB", s)
}

// Load reads and checks a configuration.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c, p := parse(data, filepath.Dir(path))
	if err := p.Of(path); err != nil {
		return nil, err
	}
	return c, nil
}

// Read reads a configuration as Load does, for who reads its sections too: it
// returns the problems found so far, and what could be read in spite of them,
// which is for nothing but checking; nil if that is nothing.
func Read(path string) (*Config, *document.Problems, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	c, p := parse(data, filepath.Dir(path))
	return c, p, nil
}

func parse(data []byte, dir string) (*Config, *document.Problems) {
	c, p := &Config{}, &document.Problems{}
	if !document.Decode(data, c, p) {
		return nil, p
	}
	c.complete(dir, p)
	return c, p
}

// Defaults is a configuration that says nothing: every default, and nothing of
// what is required. It is for showing, not for running.
func Defaults() *Config {
	c := &Config{}
	c.complete(".", &document.Problems{})
	return c
}

// complete fills in defaults and checks what is there.
func (c *Config) complete(dir string, p *document.Problems) {
	resolve := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	if c.Shard.HandOver != "none" {
		resolve(&c.Shard.HandOver)
	}
	for _, path := range []*string{
		&c.DataDir, &c.Inventory, &c.MQTT.PasswordFile, &c.MQTT.TLS.CAFile, &c.MQTT.TLS.CertFile, &c.MQTT.TLS.KeyFile,
		&c.InfluxDB.TokenFile, &c.InfluxDB.CAFile, &c.HTTP.WebConfigFile, &c.Push.PasswordFile, &c.Push.CertFile, &c.Push.KeyFile,
		&c.Ledger.File, &c.Ledger.Items,
	} {
		resolve(path)
	}
	if c.DataDir == "" {
		p.Add("data_dir", "missing; give a directory such as /var/lib/greencommunity")
	}
	if c.Inventory == "" {
		p.Add("inventory", "missing; give the path of inventory.yaml")
	}
	if c.TimeZone == "" {
		c.TimeZone = "Asia/Shanghai"
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		p.Add("time_zone", "%q is no time zone; use a name such as Asia/Shanghai", c.TimeZone)
	}
	c.Zone = zone
	if c.Shard.Count == 0 {
		c.Shard.Count = 1
	}
	switch {
	case c.Shard.Count < 1 || c.Shard.Count > 1000:
		p.Add("shard.count", "%d is not between 1 and 1000", c.Shard.Count)
	case c.Shard.Before < 0 || c.Shard.Before > 1000:
		p.Add("shard.before", "%d is not between 1 and 1000", c.Shard.Before)
	case c.Shard.Before != 0 && c.Shard.HandOver == "":
		p.Add("shard.hand_over", "missing; with before give a directory that all instances reach, such as a share, or none to leave behind what is known")
	case c.Shard.Index < 0 || c.Shard.Index >= max(c.Shard.Count, c.Shard.Before):
		p.Add("shard.index", "%d is not between 0 and %d; instances count from 0", c.Shard.Index, max(c.Shard.Count, c.Shard.Before)-1)
	}
	c.completeMQTT(p)
	switch c.Acknowledge {
	case "":
		c.Acknowledge = "journal"
	case "journal":
	case "stored":
		if c.MQTT.ClientID == "" {
			p.Add("mqtt.client_id", "missing; with acknowledge: stored give one that nobody can guess: one that is kept in data_dir is lost with it, and so is the session")
		}
	default:
		p.Add("acknowledge", "%q is neither journal nor stored", c.Acknowledge)
	}
	if c.Journal.MaxBytes == 0 {
		c.Journal.MaxBytes = 10 << 30
	}
	if c.Journal.MaxBytes < 16<<20 {
		p.Add("journal.max_bytes", "%d bytes is too little; give at least 16MiB", c.Journal.MaxBytes)
	}
	if c.Journal.Retention == 0 {
		c.Journal.Retention = Duration(7 * 24 * time.Hour)
	}
	c.completeInfluxDB(p)
	for i, address := range c.WatchTLS {
		if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
			p.Add(fmt.Sprintf("watch_tls[%d]", i), "%q is no address; give host:port, such as mqtt.county.example:8883", address)
		}
	}
	c.completeHTTP(p)
	c.checkGrafana(p)
	c.completePush(p)
	c.completeStore(p)
}

var schemes = []string{"tcp", "mqtt", "tls", "ssl", "mqtts"}

func (c *Config) completeMQTT(p *document.Problems) {
	m := &c.MQTT
	if len(m.Brokers) == 0 {
		p.Add("mqtt.brokers", "missing; give at least one, such as tcp://localhost:1883")
	}
	for i, b := range m.Brokers {
		path := fmt.Sprintf("mqtt.brokers[%d]", i)
		u, err := url.Parse(b)
		switch {
		case !strings.Contains(b, "://"):
			host, _, _ := strings.Cut(b, ":")
			p.Add(path, "%q has no scheme; try tcp://%s:1883", b, host)
		case err != nil || u.Hostname() == "":
			p.Add(path, "%q has no host; try tcp://localhost:1883", b)
		case !slices.Contains(schemes, u.Scheme):
			p.Add(path, "%q: scheme is none of %s", b, strings.Join(schemes, ", "))
		case u.User != nil:
			p.Add(path, "holds a password; use mqtt.username and mqtt.password_file")
		}
	}
	if len(m.ClientID) > 128 {
		p.Add("mqtt.client_id", "has %d bytes; at most 128", len(m.ClientID))
	}
	m.Password = secret(p, "mqtt.password", m.PasswordFile, m.PasswordEnv)
	if m.Password != "" && m.Username == "" {
		p.Add("mqtt.username", "missing; a password needs one")
	}
	if (m.TLS.CertFile == "") != (m.TLS.KeyFile == "") {
		p.Add("mqtt.tls", "cert_file and key_file go together")
	} else if _, err := m.TLS.Config(); err != nil {
		p.Add("mqtt.tls", "%v", err)
	}
	if m.Silence == nil {
		d := Duration(15 * time.Minute)
		m.Silence = &d
	}
}

// Config is the client side of the connection.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file, key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (c *Config) completeInfluxDB(p *document.Problems) {
	i := &c.InfluxDB
	u, err := url.Parse(i.URL)
	switch {
	case i.URL == "":
		p.Add("influxdb.url", "missing; give it as http://127.0.0.1:8086")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		p.Add("influxdb.url", "%q is no address; give it as http://127.0.0.1:8086", i.URL)
	case u.User != nil:
		p.Add("influxdb.url", "holds a password; use influxdb.token_file")
	}
	if i.Bucket == "" {
		p.Add("influxdb.bucket", "missing; give the bucket points go to")
	}
	if i.Org == "" {
		p.Add("influxdb.org", "missing; give the organisation the bucket belongs to")
	}
	if !slices.Contains([]string{"", "on", "off", "auto"}, i.Gzip) {
		p.Add("influxdb.gzip", "%q is none of on, off, auto", i.Gzip)
	}
	if i.Timeout == 0 {
		i.Timeout = Duration(30 * time.Second)
	}
	i.Token = secret(p, "influxdb.token", i.TokenFile, i.TokenEnv)
	if _, err := (TLS{CAFile: i.CAFile}).Config(); err != nil {
		p.Add("influxdb.ca_file", "%s", strings.TrimPrefix(err.Error(), "ca_file: "))
	}
}

// ReadToken is the token as it is now, "" where none is set.
func (i InfluxDB) ReadToken() (string, error) { return readSecret(i.TokenFile, i.TokenEnv) }

// ReadPassword is the password as it is now, "" where none is set.
func (m MQTT) ReadPassword() (string, error) { return readSecret(m.PasswordFile, m.PasswordEnv) }

func (c *Config) completeHTTP(p *document.Problems) {
	if c.HTTP.Listen == "" {
		c.HTTP.Listen = "127.0.0.1:9108"
	}
	_, port, err := net.SplitHostPort(c.HTTP.Listen)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		p.Add("http.listen", "%q is no address; give host:port, such as 127.0.0.1:9108", c.HTTP.Listen)
	}
	if c.HTTP.WebConfigFile != "" {
		if _, err := os.Stat(c.HTTP.WebConfigFile); err != nil {
			p.Add("http.web_config_file", "%v", err)
		}
	}
}

// checkGrafana checks the address of Grafana.
func (c *Config) checkGrafana(p *document.Problems) {
	if u, err := url.Parse(c.HTTP.Grafana); c.HTTP.Grafana != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		p.Add("http.grafana", "%q is no address; give it as https://grafana.county.example", c.HTTP.Grafana)
	}
}

func (c *Config) completePush(p *document.Problems) {
	if c.Push.MaxBytes == 0 {
		c.Push.MaxBytes = 4 << 20
	}
	if c.Push.MaxBytes < 1<<10 || c.Push.MaxBytes > 8<<20 {
		p.Add("push.max_bytes", "%d bytes is not between 1KiB and 8MiB", c.Push.MaxBytes)
	}
	if c.Push.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(c.Push.Listen)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		p.Add("push.listen", "%q is no address; give host:port, such as 0.0.0.0:9109", c.Push.Listen)
		return
	}
	if ip := net.ParseIP(host); c.Push.PasswordFile == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		p.Add("push.password_file", "missing: anybody who reaches %s could send; give the broker's password file", c.Push.Listen)
	}
	if c.Push.PasswordFile != "" {
		if _, err := os.Stat(c.Push.PasswordFile); err != nil {
			p.Add("push.password_file", "%v", err)
		}
	}
	if (c.Push.CertFile == "") != (c.Push.KeyFile == "") {
		p.Add("push", "cert_file and key_file go together")
	}
}

func (c *Config) completeStore(p *document.Problems) {
	if c.Store.BatchLines == 0 {
		c.Store.BatchLines = 5000
	}
	if c.Store.BatchLines < 0 || c.Store.BatchLines > 100_000 {
		p.Add("store.batch_lines", "%d is not between 1 and 100000", c.Store.BatchLines)
	}
	if c.Store.BatchAge == 0 {
		c.Store.BatchAge = Duration(200 * time.Millisecond)
	}
	if c.Rejects.MaxBytes == 0 {
		c.Rejects.MaxBytes = 256 << 20
	}
	if c.Feedback.PerMinute == nil {
		n := 60
		c.Feedback.PerMinute = &n
	}
	if *c.Feedback.PerMinute < 0 {
		p.Add("feedback.per_minute", "%d is negative; 0 switches it off", *c.Feedback.PerMinute)
	}
}

// secret reads a secret from the file or the environment variable given, and
// adds what is wrong with it to the problems.
func secret(p *document.Problems, path, file, env string) Secret {
	name := lastName(path)
	if file != "" && env != "" {
		p.Add(path, "%s_file and %s_env exclude each other", name, name)
		return ""
	}
	s, err := readSecret(file, env)
	switch {
	case err != nil && file != "":
		p.Add(path+"_file", "%v", err)
	case err != nil:
		p.Add(path+"_env", "%v", err)
	}
	return Secret(s)
}

// readSecret reads a secret that must be there, where a file or a variable is given.
func readSecret(file, env string) (string, error) {
	switch {
	case file != "":
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		s := strings.TrimRight(string(data), "\r\n")
		if s == "" {
			return "", fmt.Errorf("%s is empty", file)
		}
		return s, nil
	case env != "":
		s := os.Getenv(env)
		if s == "" {
			return "", fmt.Errorf("environment variable %s is not set", env)
		}
		return s, nil
	}
	return "", nil
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
