package embedded

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"greencommunity/deploy/mosquitto"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// User is a client of the broker and what it may do. The rules of vendors and
// of the ingester are those package mosquitto makes of an inventory: what is
// not allowed is refused.
type User struct {
	Name, Password string
	// Publish and Subscribe are topic filters: a topic may be published that
	// one of Publish matches and none of Deny; a subscription may be made, and
	// a message be received, that one of Subscribe covers.
	Publish, Subscribe, Deny []string
}

// FeedbackTopic returns where a vendor reads what was refused of what it sent.
func FeedbackTopic(vendor ingest.VendorID) string { return mosquitto.FeedbackTopic(vendor) }

// VendorUsers returns a user for each vendor of an inventory, named like the
// vendor: it publishes only to the topics of its own sources, in its own
// communities, and reads only its own feedback. Passwords are for the caller
// to set; without one, nobody can log in.
func VendorUsers(inv *inventory.Inventory) []User {
	var users []User
	for _, r := range mosquitto.Vendors(inv) {
		users = append(users, User{Name: r.User, Publish: r.Publish, Subscribe: r.Subscribe, Deny: r.Deny})
	}
	return users
}

// IngestUser is the ingester's own user: it reads everything but the broker's
// $SYS, and writes feedback to vendors and commands to Sparkplug nodes.
func IngestUser(name, password string) User {
	r := mosquitto.Ingest(name, &inventory.Inventory{})
	return User{Name: name, Password: password, Subscribe: append(r.Subscribe, "$oc/#", "$sys/#"), Publish: r.Publish}
}

// access decides who may do what. It is immutable.
type access struct {
	users     map[string]User
	anonymous bool
	open      bool // to names that are not in users
}

func newAccess(users []User, anonymous, open bool) *access {
	a := &access{users: map[string]User{}, anonymous: anonymous || len(users) == 0, open: open}
	for _, u := range users {
		a.users[u.Name] = u
	}
	return a
}

// changed reports whether a user who logged in by a might not by now.
func (a *access) changed(now *access, name string) bool {
	if name == "" {
		return a.anonymous && !now.anonymous
	}
	u, was := a.users[name]
	v, is := now.users[name]
	if !is {
		return !now.open
	}
	return !was || u.Password != v.Password
}

// login reports whether a name and password are a user's.
func (a *access) login(name, password string) bool {
	if name == "" {
		return a.anonymous
	}
	u, ok := a.users[name]
	if !ok {
		return a.open
	}
	if u.Password == "" {
		return false
	}
	want, got := sha256.Sum256([]byte(u.Password)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// allows reports whether a user who has logged in may publish to a topic or
// subscribe to a filter.
func (a *access) allows(name, topic string, write bool) bool {
	if name == "" {
		return a.anonymous
	}
	u, ok := a.users[name]
	if !ok {
		return a.open
	}
	filters := u.Subscribe
	if write {
		filters = u.Publish
	}
	if shared, ok := strings.CutPrefix(topic, "$share/"); ok && !write {
		_, topic, _ = strings.Cut(shared, "/")
	}
	if write {
		for _, f := range u.Deny {
			if mosquitto.Covers(f, topic) {
				return false
			}
		}
	}
	for _, f := range filters {
		if mosquitto.Covers(f, topic) {
			return true
		}
	}
	return false
}
