package alarms

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"greencommunity/ingest/config"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
)

// Config is the section alarms of config.yaml.
type Config struct {
	// PublicURL is the address under which people reach the page, for links in messages,
	// such as https://green.example.gov.cn. Its name belongs into http.hosts as well. The
	// boards that greencommunity dashboards writes link to it too.
	PublicURL string `yaml:"public_url"`
	// Schedule is a file of silences, maintenance windows and holidays. It is read
	// again when it changes, and with the rest on SIGHUP and POST /-/reload.
	Schedule string  `yaml:"schedule"`
	Tariffs  Tariffs `yaml:"tariffs"`
	// LinkValid sets for how long a signed link in a message is good; default 72h.
	LinkValid config.Duration `yaml:"link_valid"`
	// MaxBytes bounds the history of alarms in data_dir; default 256MiB. The oldest goes
	// first; InfluxDB has the raises and clears of all.
	MaxBytes config.Bytes `yaml:"max_bytes"`

	zone *time.Location
	read *Schedule
}

// Tariffs say what is lost costs, for the yuan of an alarm. What is not given here is what
// savings.tariffs says: the mean price of a day's hours, or the first step's. Without either
// no yuan are told.
type Tariffs struct {
	Water       float64 `yaml:"water"`       // yuan/m3
	Electricity float64 `yaml:"electricity"` // yuan/kWh
}

// DefaultConfig is a section that says nothing.
func DefaultConfig() Config {
	return Config{LinkValid: config.Duration(72 * time.Hour), MaxBytes: 256 << 20}
}

// ReadSection reads the section alarms of a config.yaml that is in a directory, and the
// schedule it names. The schedule's problems are its own file's, so they come apart.
func ReadSection(section document.Section, dir string, zone *time.Location, p *document.Problems) (Config, error) {
	c := DefaultConfig()
	c.zone = zone
	if !section.Decode(&c, p) {
		return c, nil
	}
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
			p.Add("alarms.public_url", "%.100q is no address of a page; write https://green.example.gov.cn", c.PublicURL)
		}
		c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	}
	for name, v := range map[string]float64{"water": c.Tariffs.Water, "electricity": c.Tariffs.Electricity} {
		if !(v >= 0 && v <= 1000) {
			p.Add("alarms.tariffs."+name, "%g is no price in yuan; water is a few yuan a m3, electricity less than one a kWh", v)
		}
	}
	if v := time.Duration(c.LinkValid); v < 10*time.Minute || v > 31*24*time.Hour {
		p.Add("alarms.link_valid", "%s is not between 10m and 31d", v)
	}
	if c.MaxBytes < 32<<20 {
		p.Add("alarms.max_bytes", "%d bytes is too little; give at least 32MiB", c.MaxBytes)
	}
	if c.Schedule == "" {
		return c, nil
	}
	if !filepath.IsAbs(c.Schedule) {
		c.Schedule = filepath.Join(dir, c.Schedule)
	}
	var err error
	c.read, err = ReadSchedule(c.Schedule, zone)
	return c, err
}

// Unknown says what the schedule names that an inventory does not have.
func (c *Config) Unknown(inv *inventory.Inventory) []string {
	problems, _ := c.schedule().Unknown(inv)
	return problems
}

// schedule is what the file said; never nil.
func (c *Config) schedule() *Schedule {
	if c.read == nil {
		return &Schedule{}
	}
	return c.read
}
