// Package mosquitto is who may do what at the broker: the rules an inventory
// comes to, and how Mosquitto writes them. The embedded broker has the same.
//
// A vendor publishes only to the topics of its own sources, in its own
// communities, and reads only its own feedback and what is asked of its own
// Sparkplug nodes. What is not allowed is refused.
package mosquitto

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Rights hold what one user may do. A topic may be published that one of Publish
// matches and none of Deny; a subscription may be made, and a message be
// received, that one of Subscribe covers.
type Rights struct {
	User               string
	Publish, Subscribe []string
	Deny               []string
}

const feedback = "greencommunity/v1/feedback/"

// FeedbackTopic returns where a vendor reads what was refused of what it sent.
func FeedbackTopic(vendor ingest.VendorID) string { return feedback + string(vendor) }

// Ingest are the rights of the ingester's own user: it reads everything but the
// broker's $SYS, and writes feedback to vendors and commands to Sparkplug nodes.
// Wildcards do not reach topics that begin with $, so those are named.
func Ingest(user string, inv *inventory.Inventory) Rights {
	r := Rights{User: user, Subscribe: []string{"#"}, Publish: []string{feedback + "+", "spBv1.0/+/NCMD/+"}}
	for _, f := range inv.Filters() {
		if strings.HasPrefix(f, "$") {
			r.Subscribe = append(r.Subscribe, f)
		}
	}
	return r
}

// Vendors are the rights of each vendor of an inventory, under the vendor's id.
func Vendors(inv *inventory.Inventory) []Rights {
	var all []Rights
	for _, v := range inv.Vendors {
		r := Rights{User: string(v.ID), Subscribe: []string{FeedbackTopic(v.ID)}}
		for _, s := range v.Sources {
			filters := publishFilters(s.Topic, v.Communities)
			for _, f := range filters {
				if s.Format == "sparkplug" {
					publish, commands := sparkplugFilters(f)
					r.Publish, r.Subscribe = append(r.Publish, publish...), append(r.Subscribe, commands...)
					continue
				}
				r.Publish = append(r.Publish, f)
				if Covers(f, feedback+"x") { // so wide a source must not speak for the ingester
					for _, other := range inv.Vendors {
						if other.ID != v.ID {
							r.Deny = append(r.Deny, FeedbackTopic(other.ID))
						}
					}
				}
			}
		}
		for _, list := range []*[]string{&r.Publish, &r.Subscribe, &r.Deny} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
		all = append(all, r)
	}
	return all
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

// sparkplugFilters returns what a vendor's nodes publish, which is everything but
// commands, and the commands they must hear to be asked for a birth.
func sparkplugFilters(filter string) (publish, commands []string) {
	levels := strings.Split(filter, "/")
	group := "+"
	if len(levels) > 1 && levels[1] != "#" {
		group = levels[1]
	}
	if len(levels) > 2 && levels[2] != "#" && levels[2] != "+" {
		publish = append(publish, filter) // one type of message only
	} else {
		rest := "#"
		if len(levels) > 3 {
			rest = strings.Join(levels[3:], "/")
		}
		for _, kind := range []string{"NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"} {
			publish = append(publish, "spBv1.0/"+group+"/"+kind+"/"+rest)
		}
	}
	node := "+"
	if len(levels) > 3 && levels[3] != "#" {
		node = levels[3]
	}
	return publish, []string{"spBv1.0/" + group + "/NCMD/" + node}
}

// WriteACL writes the file acl_file of mosquitto.conf names: the ingester's
// rules under the name given, and each vendor's.
func WriteACL(w io.Writer, ingester string, inv *inventory.Inventory) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "# Written by `greencommunity acl`. What no line allows is refused.")
	for _, r := range append([]Rights{Ingest(ingester, inv)}, Vendors(inv)...) {
		fmt.Fprintf(b, "\nuser %s\n", r.User)
		for _, t := range r.Deny {
			fmt.Fprintf(b, "topic deny %s\n", t)
		}
		for _, t := range r.Subscribe {
			fmt.Fprintf(b, "topic read %s\n", t)
		}
		for _, t := range r.Publish {
			fmt.Fprintf(b, "topic write %s\n", t)
		}
	}
	return b.Flush()
}

// Covers reports whether every topic that matches the topic or filter t matches
// the filter allowed too.
func Covers(allowed, t string) bool {
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
