package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
)

const (
	ingestUser   = "greencommunity-ingest"
	demoUser     = "greencommunity-demo"
	databaseUser = "greencommunity"
)

// usersFile is the file of --users.
type usersFile struct {
	Users []userEntry `yaml:"users"`
}

// userEntry says who may log in to the broker. Several may be of one vendor, such
// as its gateways.
type userEntry struct {
	Name     string `yaml:"name"`
	Password string `yaml:"password"`
	// Vendor, an id of the inventory, gives the topics of that vendor; default:
	// Name, where neither publish nor subscribe is given.
	Vendor    string   `yaml:"vendor"`
	Publish   []string `yaml:"publish"`   // topic filters, beside the vendor's
	Subscribe []string `yaml:"subscribe"` // topic filters, beside the vendor's
}

const usersExample = "users:\n- {name: acme, password: a-long-one}   # the topics of vendor acme in inventory.yaml\n"

// readUsers reads the file of --users. Topics are those of the inventory as it
// is now.
func readUsers(path, inventoryPath string) ([]embedded.User, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--users: %w", err)
	}
	var f usersFile
	var p document.Problems
	if document.Decode(data, &f, &p) && len(f.Users) == 0 {
		p.Add("users", "none; write\n%s", usersExample)
	}
	if p.Len() > 0 {
		return nil, fmt.Errorf("%s:\n%w", path, p.Err())
	}
	inv, err := inventory.Load(inventoryPath, time.Local)
	if err != nil {
		return nil, err
	}
	vendors := map[string]embedded.User{}
	for _, u := range embedded.VendorUsers(inv) {
		vendors[u.Name] = u
	}
	seen := map[string]bool{ingestUser: true, demoUser: true}
	var users []embedded.User
	for i, e := range f.Users {
		at := fmt.Sprintf("users[%d]", i)
		switch {
		case e.Name == "":
			p.Add(at+".name", "missing; give the name the vendor logs in with")
		case seen[e.Name]:
			p.Add(at+".name", "%q is taken; each name stands once", e.Name)
		}
		seen[e.Name] = true
		if len(e.Password) < 8 {
			p.Add(at+".password", "has %d characters; give at least 8", len(e.Password))
		}
		u := embedded.User{Name: e.Name, Password: e.Password}
		vendor := e.Vendor
		if vendor == "" && len(e.Publish)+len(e.Subscribe) == 0 {
			vendor = e.Name
		}
		if vendor != "" {
			v, ok := vendors[vendor]
			if !ok {
				p.Add(at+".vendor", "%q is no vendor of %s; it has %s; or give publish and subscribe", vendor, inventoryPath, strings.Join(slices.Sorted(maps.Keys(vendors)), ", "))
			}
			u.Publish, u.Subscribe, u.Deny = slices.Clone(v.Publish), slices.Clone(v.Subscribe), v.Deny
		}
		u.Publish, u.Subscribe = append(u.Publish, e.Publish...), append(u.Subscribe, e.Subscribe...)
		users = append(users, u)
	}
	if p.Len() > 0 {
		return nil, fmt.Errorf("%s:\n%w", path, p.Err())
	}
	return users, nil
}

// checkListeners refuses addresses that others than this machine reach, where
// nothing would ask them who they are.
func (c *cli) checkListeners() error {
	var problems []error
	if !loopback(c.MQTT) && c.Users == "" {
		problems = append(problems, fmt.Errorf("--mqtt %s is open to others than this machine, and anybody could publish and read: give --users FILE with names and passwords, such as\n%sor stay on loopback with --mqtt 127.0.0.1:%s", c.MQTT, usersExample, port(c.MQTT)))
	}
	if !loopback(c.HTTP) && c.WebConfig == "" && c.Access == "" {
		problems = append(problems, fmt.Errorf("--http %s is open to others than this machine: give --web-config FILE with basic_auth_users (and TLS), as Prometheus' exporters take it, or --access FILE with users, or stay on loopback with --http 127.0.0.1:%s", c.HTTP, port(c.HTTP)))
	}
	return errors.Join(problems...)
}

// loopback reports whether only this machine reaches an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // listening will say what is wrong with it
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost"
	}
	return ip.Unmap().IsLoopback()
}

// secret is a password kept in the data directory, made at the first call.
func (c *cli) secret(name string) (string, error) {
	path := filepath.Join(c.DataDir, name)
	data, err := os.ReadFile(path)
	if s := strings.TrimSpace(string(data)); err == nil && s != "" {
		return s, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	s := rand.Text()
	return s, os.WriteFile(path, []byte(s+"\n"), 0o600)
}

// access holds the secrets of this process's own parts.
type access struct {
	ingestPassword, demoPassword string
	databasePassword, tokenPath  string
}

func (c *cli) access() (*access, error) {
	a := &access{tokenPath: filepath.Join(c.DataDir, "influxdb_token")}
	for name, to := range map[string]*string{"mqtt_password": &a.ingestPassword, "influxdb_password": &a.databasePassword} {
		var err error
		if *to, err = c.secret(name); err != nil {
			return nil, err
		}
	}
	a.demoPassword = rand.Text()
	if err := os.WriteFile(a.tokenPath, []byte(databaseUser+":"+a.databasePassword+"\n"), 0o600); err != nil {
		return nil, err
	}
	return a, nil
}

// brokerUsers returns who may use the broker: this process's own parts and those
// of --users, by the file and the inventory as they are now.
func (c *cli) brokerUsers(a *access) ([]embedded.User, error) {
	users := []embedded.User{embedded.IngestUser(ingestUser, a.ingestPassword)}
	if !c.NoDemo {
		users = append(users, embedded.User{Name: demoUser, Password: a.demoPassword, Publish: []string{"#"}})
	}
	if c.Users == "" {
		return users, nil
	}
	theirs, err := readUsers(c.Users, filepath.Join(c.DataDir, "inventory.yaml"))
	return append(users, theirs...), err
}
