package embedded

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// User is a client of the broker and what it may do. The rules are those of
// deploy/mosquitto/acl: what is not allowed is refused.
type User struct {
	Name, Password string
	// Publish and Subscribe are topic filters: a topic may be published that
	// one of Publish matches; a subscription may be made, and a message be
	// received, that one of Subscribe covers.
	Publish, Subscribe []string
}

// FeedbackTopic is where a vendor reads what was refused of what it sent.
func FeedbackTopic(vendor ingest.VendorID) string {
	return "greencommunity/v1/feedback/" + string(vendor)
}

// VendorUsers returns a user for each vendor of an inventory, named like the
// vendor: it publishes only to the topics of its own sources, in its own
// communities, and reads only its own feedback. Passwords are for the caller
// to set; without one, nobody can log in.
func VendorUsers(inv *inventory.Inventory) []User {
	var users []User
	for _, v := range inv.Vendors {
		u := User{Name: string(v.ID), Subscribe: []string{FeedbackTopic(v.ID)}}
		for _, s := range v.Sources {
			u.Publish = append(u.Publish, publishFilters(s.Topic, v.Communities)...)
		}
		users = append(users, u)
	}
	return users
}

// publishFilters are the filters a template stands for: one a community where
// the vendor is held to some and the template names the community.
func publishFilters(template string, communities []ingest.CommunityID) []string {
	templates := []string{template}
	if len(communities) > 0 && strings.Contains(template, "{community}") {
		templates = nil
		for _, c := range communities {
			templates = append(templates, strings.ReplaceAll(template, "{community}", string(c)))
		}
	}
	for i, t := range templates {
		levels := strings.Split(t, "/")
		for k, level := range levels {
			if strings.HasPrefix(level, "{") {
				levels[k] = "+"
			}
		}
		templates[i] = strings.Join(levels, "/")
	}
	return templates
}

// IngestUser is the ingester's own user: it reads everything but the broker's
// $SYS, and writes feedback to vendors and commands to Sparkplug nodes.
func IngestUser(name, password string) User {
	return User{
		Name: name, Password: password, Subscribe: []string{"#"},
		Publish: []string{"greencommunity/v1/feedback/+", "spBv1.0/+/NCMD/+"},
	}
}

// access decides who may do what. It is immutable.
type access struct {
	users     map[string]User
	anonymous bool
}

// login reports whether a name and password are a user's.
func (a *access) login(name, password string) bool {
	if name == "" {
		return a.anonymous
	}
	u, ok := a.users[name]
	if !ok || u.Password == "" {
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
	u := a.users[name]
	filters := u.Subscribe
	if write {
		filters = u.Publish
	}
	if shared, ok := strings.CutPrefix(topic, "$share/"); ok && !write {
		_, topic, _ = strings.Cut(shared, "/")
	}
	for _, f := range filters {
		if covers(f, topic) {
			return true
		}
	}
	return false
}

// covers reports whether every topic that matches the topic or filter t matches
// the filter allowed too.
func covers(allowed, t string) bool {
	if strings.HasPrefix(t, "$") && !strings.HasPrefix(allowed, "$") {
		return false // wildcards do not reach $SYS
	}
	for {
		a, allowedRest, allowedMore := strings.Cut(allowed, "/")
		l, rest, more := strings.Cut(t, "/")
		switch {
		case a == "#":
			return true
		case l == "#" || (a != "+" && a != l):
			return false
		case !allowedMore || !more:
			// "a/#" covers "a" too.
			return allowedMore == more || !more && allowedRest == "#"
		}
		allowed, t = allowedRest, rest
	}
}
