// Package access says who asks and what they may: people who log in, and the
// programs of other departments, which have keys.
//
// The promise: once anybody is configured, nothing of the page and its JSON
// answers a request that does not say who it is from, a vendor gets what its own
// devices sent, and a change is never made because a browser was on another
// site's page. Without anybody configured, reading is open to whoever reaches
// the port, as ever, and only this machine may change something, as "local".
//
// Passwords are kept as bcrypt hashes, in the section access of config.yaml or
// among the basic_auth_users of the web config file; keys as SHA-256 hashes,
// which is enough for 256 random bits. Sessions live in memory: a restart ends
// them, and so does a reload that takes the user or the password away.
package access

import (
	"context"
	"slices"

	"greencommunity/ingest"
)

// Role says what somebody is in the programme.
type Role string

// The roles. A leader looks and assigns; a clerk keeps the ledger and deals with
// alarms; an operator runs the service; a vendor sees and answers for its own devices.
const (
	Leader   Role = "leader"
	Clerk    Role = "clerk"
	Operator Role = "operator"
	Vendor   Role = "vendor"
	// Department is the role of a key: its scopes say what it may.
	Department Role = "department"
)

// Action is something one may or may not do.
type Action string

// The actions. All but Operate are the scopes that a key can have.
const (
	Read    Action = "read"    // figures, devices, readings, alarms, the ledger
	Alarms  Action = "alarms"  // confirm, assign, comment on and close alarms
	Ledger  Action = "ledger"  // change the ledger
	Export  Action = "export"  // all of a day or a quarter at once
	Metrics Action = "metrics" // /metrics
	Operate Action = "operate" // reload
)

var rights = map[Role][]Action{
	Leader:   {Read, Alarms, Export, Metrics},
	Clerk:    {Read, Alarms, Ledger, Export, Metrics},
	Operator: {Read, Alarms, Ledger, Export, Metrics, Operate},
	Vendor:   {Read, Alarms, Export}, // of its own devices
}

// Identity names who a request is from. The zero Identity is nobody.
type Identity struct {
	Name string // the login name, "key " and the key's name, or "local"
	// Title is how people call them, such as 王主任; the name where none is given.
	Title string
	Role  Role
	// Vendor is the only one whose devices they see; "" is all.
	Vendor ingest.VendorID
	// Communities are the only ones they see; none given is all.
	Communities []ingest.CommunityID
	// Scopes are those of a key.
	Scopes []Action
}

// Local is who asks where nobody is configured, from this machine.
var local = Identity{Name: "local", Title: "local", Role: Operator}

// anonymous is who asks from elsewhere where nobody is configured: it reads.
var anonymous = Identity{Title: "anonymous", Role: Department, Scopes: []Action{Read, Export, Metrics}}

// May reports whether somebody may do something, to whatever they see.
func (i Identity) May(a Action) bool {
	if i.Role == Department {
		return slices.Contains(i.Scopes, a)
	}
	if a == Metrics && !i.SeesAll() {
		return false // they are of all communities
	}
	return slices.Contains(rights[i.Role], a)
}

// Sees reports whether somebody sees what a vendor's devices do in a community.
// The vendor is "" for what is of all vendors: a vendor does not see that.
func (i Identity) Sees(community ingest.CommunityID, vendor ingest.VendorID) bool {
	return i.SeesCommunity(community) && (i.Vendor == "" || i.Vendor == vendor)
}

// SeesCommunity reports whether a community is among theirs.
func (i Identity) SeesCommunity(id ingest.CommunityID) bool {
	return len(i.Communities) == 0 || slices.Contains(i.Communities, id)
}

// SeesAll reports whether nothing is kept from them.
func (i Identity) SeesAll() bool { return len(i.Communities) == 0 && i.Vendor == "" }

type contextKey struct{}

// From returns who a request is from, nobody where it did not pass the middleware.
func From(ctx context.Context) Identity {
	i, _ := ctx.Value(contextKey{}).(Identity)
	return i
}

// With returns a context of a request that is from somebody.
func With(ctx context.Context, i Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, i)
}
