package access

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/bcrypt"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
)

// Config says who may look at and change what. Without users and keys reading is open, and only
// this machine changes something.
type Config struct {
	// Users are people. `greencommunity access password` makes the hash of a password.
	Users []User `yaml:"users"`
	// Keys are programs of other departments. `greencommunity access key` makes one.
	Keys []Key `yaml:"keys"`
	// Session is how long a login lasts; default 12h.
	Session time.Duration `yaml:"session"`
}

// User is a person who logs in.
type User struct {
	Name  string `yaml:"name"`  // what is typed at the login
	Title string `yaml:"title"` // how people call them, such as 王主任; default: Name
	Role  Role   `yaml:"role"`  // leader, clerk, operator or vendor
	// Password is a bcrypt hash. Without it the user is one of basic_auth_users of
	// http.web_config_file, and has the password that stands there.
	Password string `yaml:"password"`
	// Vendor is the vendor of the inventory whose devices a user of role vendor sees.
	Vendor ingest.VendorID `yaml:"vendor"`
	// Communities are the only ones the user sees; default: all.
	Communities []ingest.CommunityID `yaml:"communities"`
}

// Key is a department's program.
type Key struct {
	Name string `yaml:"name"` // of the department, such as 城管局; it stands in histories
	Hash string `yaml:"hash"` // SHA-256 of the key, in hex
	// Scopes are what it may: read, alarms, ledger, export, metrics.
	Scopes []Action `yaml:"scopes"`
	// Communities are the only ones it sees; default: all.
	Communities []ingest.CommunityID `yaml:"communities"`
	PerMinute   int                  `yaml:"per_minute"` // requests; default 120
	Expires     string               `yaml:"expires"`    // last day, as 2027-06-30; default: never
}

// DefaultSession is how long a login lasts: a working day, and not the night after.
const DefaultSession = 12 * time.Hour

const (
	defaultPerMinute = 120
	// minCost is the least cost of bcrypt: below it a stolen file is guessed through in hours.
	minCost = 10
	// hashCost takes a quarter of a second of the machines of 2026.
	hashCost = 12
)

var scopes = []Action{Read, Alarms, Ledger, Export, Metrics}

// isLoginName reports whether a name is 1 to 64 letters, digits and . _ @ -. An
// expression of that many classes of letters keeps 1.3 MB.
func isLoginName(name string) bool {
	n := 0
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("._@-", r) {
			return false
		}
		n++
	}
	return n >= 1 && n <= 64
}

// ReadSection reads the section access of config.yaml and notes what is wrong with it.
func ReadSection(section document.Section, zone *time.Location, p *document.Problems) Config {
	var c Config
	if !section.Decode(&c, p) {
		return Config{Session: DefaultSession}
	}
	if c.Session == 0 {
		c.Session = DefaultSession
	}
	if c.Session < time.Minute || c.Session > 31*24*time.Hour {
		p.Add("access.session", "%s is not between 1m and 744h", c.Session)
	}
	names := map[string]bool{}
	for i := range c.Users {
		u, at := &c.Users[i], fmt.Sprintf("access.users[%d]", i)
		switch {
		case !isLoginName(u.Name):
			p.Add(at+".name", "%q is no login name; give up to 64 letters, digits and . _ @ -", u.Name)
		case u.Name == local.Name:
			p.Add(at+".name", "%q is this machine without a login; give another", u.Name)
		case names[u.Name]:
			p.Add(at+".name", "%q is taken; each name stands once", u.Name)
		}
		names[u.Name] = true
		if rights[u.Role] == nil {
			p.Add(at+".role", "%q is none of leader, clerk, operator, vendor", string(u.Role))
		}
		if (u.Role == Vendor) != (u.Vendor != "") {
			p.Add(at+".vendor", "goes with role: vendor, and names a vendor of the inventory")
		}
		if u.Password != "" {
			if cost, err := bcrypt.Cost([]byte(u.Password)); err != nil || cost < minCost {
				p.Add(at+".password", "is no bcrypt hash of cost %d or more; make it with `greencommunity access password`", minCost)
			}
		}
		if u.Title == "" {
			u.Title = u.Name
		}
	}
	if len(c.Keys) > 0 && len(c.Users) == 0 {
		p.Add("access.users", "missing; without any, all can be read without a key: add the people who use the page")
	}
	for i := range c.Keys {
		c.Keys[i].check(fmt.Sprintf("access.keys[%d]", i), zone, names, p)
	}
	return c
}

func (k *Key) check(at string, zone *time.Location, names map[string]bool, p *document.Problems) {
	switch name := "key " + k.Name; {
	case strings.TrimSpace(k.Name) == "":
		p.Add(at+".name", "missing; give the department's, such as 城管局")
	case names[name]:
		p.Add(at+".name", "%q is taken; each name stands once", k.Name)
	default:
		names[name] = true
	}
	if b, err := hex.DecodeString(k.Hash); err != nil || len(b) != 32 {
		p.Add(at+".hash", "is no SHA-256 in hex; make key and hash with `greencommunity access key`")
	}
	if len(k.Scopes) == 0 {
		p.Add(at+".scopes", "missing; give some of read, alarms, ledger, export, metrics")
	}
	for j, s := range k.Scopes {
		if !slices.Contains(scopes, s) {
			p.Add(fmt.Sprintf("%s.scopes[%d]", at, j), "%q is none of read, alarms, ledger, export, metrics", string(s))
		}
	}
	if k.PerMinute == 0 {
		k.PerMinute = defaultPerMinute
	}
	if k.PerMinute < 1 || k.PerMinute > 100_000 {
		p.Add(at+".per_minute", "%d is not between 1 and 100000", k.PerMinute)
	}
	if k.Expires != "" && zone != nil {
		if _, err := time.ParseInLocation(time.DateOnly, k.Expires, zone); err != nil {
			p.Add(at+".expires", "%q is no day; write 2027-06-30", k.Expires)
		}
	}
}

// Check notes what the section names and the inventory does not have.
func (c Config) Check(community func(ingest.CommunityID) bool, vendor func(ingest.VendorID) bool, p *document.Problems) {
	places := func(at string, list []ingest.CommunityID) {
		for j, id := range list {
			if !community(id) {
				p.Add(fmt.Sprintf("%s.communities[%d]", at, j), "%q is no community of the inventory", id)
			}
		}
	}
	for i, u := range c.Users {
		at := fmt.Sprintf("access.users[%d]", i)
		if u.Vendor != "" && !vendor(u.Vendor) {
			p.Add(at+".vendor", "%q is no vendor of the inventory", u.Vendor)
		}
		places(at, u.Communities)
	}
	for i, k := range c.Keys {
		places(fmt.Sprintf("access.keys[%d]", i), k.Communities)
	}
}

func (k *Key) sum() (sum [32]byte) {
	b, _ := hex.DecodeString(k.Hash) // checked with the section
	copy(sum[:], b)
	return sum
}
