package notify

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones on machines that have none installed

	"greencommunity/ingest/config"
	"greencommunity/ingest/document"
)

// Config is notify.yaml. Paths are relative to the file.
//
//	listen: 127.0.0.1:9109
//	inventory: inventory.yaml
//	alarms: http://127.0.0.1:9108/api/v1/alarms
//	page: http://10.1.2.3:9108/
//	roster: roster.yaml
//	state: /var/lib/greencommunity-notify/told.json
//	robots:
//	- {name: duty, kind: wecom, url_file: /run/secrets/wecom-duty}
//	- {name: office, kind: dingtalk, url_file: /run/secrets/dingtalk, secret_file: /run/secrets/dingtalk-secret}
type Config struct {
	Listen        string `yaml:"listen"`          // default 127.0.0.1:9109
	WebConfigFile string `yaml:"web_config_file"` // TLS and passwords, as Prometheus' exporters take them
	TimeZone      string `yaml:"time_zone"`       // of the times in messages; default Asia/Shanghai
	Inventory     string `yaml:"inventory"`       // inventory.yaml, for the names of communities; without it their ids are shown
	Alarms        string `yaml:"alarms"`          // address of the ingester's list of alarms; without it messages name no devices
	// AlarmsKeyFile holds a key of the ingester's section access, where that has users.
	AlarmsKeyFile string `yaml:"alarms_key_file"`
	Page          string `yaml:"page"`     // address people open to see what is wrong; linked in every message
	Runbooks      string `yaml:"runbooks"` // address before docs/runbooks/; without it runbooks are not linked
	// Roster is roster.yaml: who is told what and when, and who is on duty. It is read again
	// when it changes. Without it Alertmanager alone says which robot is told.
	Roster string `yaml:"roster"`
	// State is the file of what has been told and what waits; required with a roster.
	State  string  `yaml:"state"`
	Robots []Robot `yaml:"robots"` // required

	Zone      *time.Location `yaml:"-"` // TimeZone resolved
	AlarmsKey config.Secret  `yaml:"-"`
	Duty      *Roster        `yaml:"-"` // Roster read; nil where there is none

	told *telling
}

// Defaults of a configuration.
const (
	DefaultListen = "127.0.0.1:9109"
	DefaultZone   = "Asia/Shanghai"
)

// Robot is a robot of a chat group.
type Robot struct {
	Name string `yaml:"name"` // required; lower-case letters, digits, - and _
	Kind string `yaml:"kind"` // required; wecom, dingtalk, feishu, or webhook for a program
	// URL is the robot's address. It contains the robot's key, so it comes from
	// a file or the environment.
	URLFile string `yaml:"url_file"`
	URLEnv  string `yaml:"url_env"`
	// Secret signs messages: of DingTalk and Feishu where the robot was made with
	// signatures, of a webhook always, with 16 characters at least.
	SecretFile string `yaml:"secret_file"`
	SecretEnv  string `yaml:"secret_env"`
	// PerMinute sets how many messages a minute are sent at most; default 20,
	// beyond which WeCom and DingTalk stop a robot for minutes; of a webhook 600.
	PerMinute int `yaml:"per_minute"`

	URL    config.Secret `yaml:"-"`
	Secret config.Secret `yaml:"-"`
}

// Load reads and checks a configuration. All problems are reported together.
func Load(path string) (*Config, error) {
	c, p, err := Read(path)
	if err == nil {
		err = p.Of(path)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Read reads a configuration as Load does, for who has more to check: it returns
// the problems found so far, and what could be read in spite of them; nil if
// that is nothing.
func Read(path string) (*Config, *document.Problems, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	c, p := &Config{}, &document.Problems{}
	if !document.Decode(data, c, p) {
		return nil, p, nil
	}
	c.complete(filepath.Dir(path), p)
	if c.Roster != "" && p.Len() == 0 {
		if c.Duty, err = ReadRoster(c.Roster, c.robotNames(), c.Zone); err != nil {
			return c, p, err
		}
	}
	return c, p, nil
}

func (c *Config) robotNames() (names []string) {
	for _, r := range c.Robots {
		names = append(names, r.Name)
	}
	return names
}

var robotName = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// complete fills in defaults and checks what is there.
func (c *Config) complete(dir string, p *document.Problems) {
	resolve := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	resolve(&c.Inventory)
	resolve(&c.WebConfigFile)
	resolve(&c.Roster)
	resolve(&c.State)
	resolve(&c.AlarmsKeyFile)
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		p.Add("listen", "%q is no address; give host:port, such as 127.0.0.1:9109", c.Listen)
	}
	if c.TimeZone == "" {
		c.TimeZone = DefaultZone
	}
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		p.Add("time_zone", "%q is no time zone; use a name such as Asia/Shanghai", c.TimeZone)
	}
	c.Zone = zone
	for path, address := range map[string]string{"alarms": c.Alarms, "page": c.Page, "runbooks": c.Runbooks} {
		if address != "" && !isAddress(address) {
			p.Add(path, "%q is no address; give it as http://10.1.2.3:9108/", address)
		}
	}
	if c.AlarmsKeyFile != "" {
		c.AlarmsKey = secret(p, "alarms_key", c.AlarmsKeyFile, "")
	}
	switch {
	case c.Roster != "" && c.State == "":
		p.Add("state", "missing; with a roster give a file for what waits to be told, such as /var/lib/greencommunity-notify/told.json")
	case c.Roster == "" && c.State != "":
		p.Add("state", "is of no use without a roster; name one, or remove it")
	}
	if len(c.Robots) == 0 {
		p.Add("robots", "missing; give at least one")
	}
	names := map[string]bool{}
	for i := range c.Robots {
		r, path := &c.Robots[i], fmt.Sprintf("robots[%d]", i)
		resolve(&r.URLFile)
		resolve(&r.SecretFile)
		switch {
		case !robotName.MatchString(r.Name):
			p.Add(path+".name", "%q is no name; use lower-case letters, digits, - and _", r.Name)
		case names[r.Name]:
			p.Add(path+".name", "%q is another robot's already", r.Name)
		}
		names[r.Name] = true
		if !slices.Contains([]string{wecom, dingtalk, feishu, hook}, r.Kind) {
			p.Add(path+".kind", "%q is none of wecom, dingtalk, feishu, webhook", r.Kind)
		}
		r.URL = secret(p, path+".url", r.URLFile, r.URLEnv)
		switch {
		case r.URLFile == "" && r.URLEnv == "":
			p.Add(path+".url_file", "missing; write the robot's address into a file that others cannot read, and name it here")
		case r.URL != "" && !isAddress(r.URL.Reveal()):
			p.Add(path+".url_file", "holds no address; copy the robot's webhook address, beginning with https://")
		}
		r.Secret = secret(p, path+".secret", r.SecretFile, r.SecretEnv)
		if r.Secret != "" && r.Kind == wecom {
			p.Add(path+".secret_file", "WeCom robots have no signature; remove it")
		}
		if r.Kind == hook {
			switch {
			case r.SecretFile == "" && r.SecretEnv == "":
				p.Add(path+".secret_file", "missing; give a file with a secret of 16 characters or more (openssl rand -hex 32), and the same to the receiver")
			case r.Secret != "" && len(r.Secret.Reveal()) < 16:
				p.Add(path+".secret_file", "the secret has %d characters, too few; give 16 or more (openssl rand -hex 32)", len(r.Secret.Reveal()))
			}
			if c.Alarms == "" {
				p.Add("alarms", "missing; a webhook is told what the ingester lists: give its address, http://127.0.0.1:9108/api/v1/alarms")
			}
			if c.Roster == "" {
				p.Add("roster", "missing; a webhook is told by the lines of a roster: name one")
			}
			if r.PerMinute == 0 {
				r.PerMinute = 600
			}
		}
		if r.PerMinute == 0 {
			r.PerMinute = 20
		}
		if r.PerMinute < 2 || r.PerMinute > 600 {
			p.Add(path+".per_minute", "%d is not between 2 and 600", r.PerMinute)
		}
	}
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// secret reads a secret from the file or the environment variable given. What
// is wrong with it is said without the secret.
func secret(p *document.Problems, path, file, env string) config.Secret {
	var s string
	switch {
	case file != "" && env != "":
		p.Add(path+"_file", "give the file or the environment variable, not both")
		return ""
	case file != "":
		data, err := os.ReadFile(file)
		if err != nil {
			p.Add(path+"_file", "%v", err)
			return ""
		}
		if s = strings.TrimSpace(string(data)); s == "" {
			p.Add(path+"_file", "%s is empty", file)
		}
	case env != "":
		if s = os.Getenv(env); s == "" {
			p.Add(path+"_env", "environment variable %s is not set", env)
		}
	}
	return config.Secret(s)
}
