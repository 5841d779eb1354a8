package inventory

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// shard is the share of one of several instances that divide an inventory
// between them. Every instance has the same inventory and works out the same
// division, so that they need not speak to each other.
//
// Who takes a message follows from its topic alone: the community the topic
// names, else the one its source names, else the vendor, whose other sources
// all go to one instance, since a device may report through several of them.
type shard struct {
	index, count int
	filters      []*matcher // what each instance subscribes to
}

// Shard is the inventory as one of count instances sees it, index counting from
// 0. Its Communities are its own, and AllDevices are those that report to it;
// whatever is looked up by id is found as before, as a vendor's source without
// a community brings devices of any. A count of 1 or less changes nothing.
func (inv *Inventory) Shard(index, count int) *Inventory {
	if count <= 1 {
		return inv
	}
	own := *inv
	own.shard = &shard{index: index, count: count}
	own.Communities = slices.DeleteFunc(slices.Clone(inv.Communities), func(c *Community) bool {
		return ownerOf(string(c.ID), count) != index
	})
	for i := range max(count, index+1) {
		m := &matcher{}
		for _, f := range inv.shardFilters(i, count) {
			m.add(&Source{Topic: f})
		}
		own.shard.filters = append(own.shard.filters, m)
	}
	return &own
}

// ownerOf is the instance a key belongs to, by rendezvous hashing (Thaler and
// Ravishankar, 1998): the one whose hash together with the key is greatest. A
// further instance takes keys from every other, and nothing else moves.
func ownerOf(key string, count int) int {
	owner, best := 0, uint64(0)
	for i := range count {
		if h := xxhash.Sum64String(strconv.Itoa(i) + "/" + key); h > best {
			owner, best = i, h
		}
	}
	return owner
}

// owner is the instance that takes what matches a source with the community
// its topic names; false where that community is not listed.
func (inv *Inventory) owner(s *Source, community string, count int) (int, bool) {
	if community == "" {
		community = string(s.Community)
	}
	if community == "" {
		return ownerOf("vendor/"+string(s.Vendor.ID), count), true // "/" is in no community's id
	}
	return ownerOf(community, count), inv.communities[ingest.CommunityID(community)] != nil
}

// shardFilters returns what an instance subscribes to: a filter for each of its
// communities where a source's topic names the community.
func (inv *Inventory) shardFilters(index, count int) []string {
	var filters []string
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			if !namesCommunity(s) {
				if i, _ := inv.owner(s, "", count); i == index {
					filters = append(filters, filterOf(s.Topic))
				}
				continue
			}
			for id := range inv.communities {
				if ownerOf(string(id), count) == index {
					filters = append(filters, filterOf(strings.Replace(s.Topic, "{community}", string(id), 1)))
				}
			}
		}
	}
	return disjoint(filters)
}

func namesCommunity(s *Source) bool {
	return slices.Contains(strings.Split(s.Topic, "/"), "{community}")
}

// Foreign reports whether a message that was delivered here is another
// instance's: that it has it from the broker as well, because here it only
// came along with a filter that covers more than our own.
//
// A message that none of our filters covers is not foreign, whoever's the
// community is: the broker had queued it for our session before the division
// changed, and nobody else has it. What belongs to no instance, as its
// community is not listed or no source matches, is of the first whose filters
// cover it.
func (inv *Inventory) Foreign(topic string) bool {
	s := inv.shard
	if s == nil {
		return false
	}
	var c format.Captures
	if source := inv.Match(topic, &c); source != nil {
		if owner, ok := inv.owner(source, c.Community, s.count); ok {
			return owner != s.index && s.covers(s.index, topic)
		}
	}
	for i := range s.index {
		if s.covers(i, topic) {
			return s.covers(s.index, topic)
		}
	}
	return false
}

func (s *shard) covers(index int, topic string) bool {
	var c format.Captures
	return s.filters[index].match(topic, true, &c) != nil
}

// Here reports whether a device reports to this instance: through the first of
// its vendor's sources that can bring it.
//
// BUG(inventory): a device of a vendor with several sources may report through
// another of them, to another instance. It is counted as never heard of here,
// and its silence raises no alarm there.
func (inv *Inventory) Here(d *ingest.Device) bool {
	if inv.shard == nil {
		return true
	}
	return inv.OwnerOfDevice(d, inv.shard.count) == inv.shard.index
}

// OwnerOf returns which of count instances has a community.
func OwnerOf(c ingest.CommunityID, count int) int { return ownerOf(string(c), count) }

// OwnerOfDevice returns to which of count instances a device reports: through the first of
// its vendor's sources that can bring it, as Here says.
func (inv *Inventory) OwnerOfDevice(d *ingest.Device, count int) int {
	for _, v := range inv.Vendors {
		if v.ID != d.Vendor {
			continue
		}
		for _, s := range v.Sources {
			community := ""
			if namesCommunity(s) {
				community = string(d.Community)
			} else if s.Community != "" && s.Community != d.Community {
				continue
			}
			owner, _ := inv.owner(s, community, count)
			return owner
		}
	}
	return ownerOf(string(d.Community), count)
}

// OwnerOfTopic returns which of count instances takes a message, and false where it is of
// none of them more than of the others.
func (inv *Inventory) OwnerOfTopic(topic string, count int) (int, bool) {
	var c format.Captures
	source := inv.Match(topic, &c)
	if source == nil {
		return 0, false
	}
	return inv.owner(source, c.Community, count)
}

// Undivided returns the sources that name no community, neither in the topic
// nor as a constant: one instance has all that comes there, of whatever
// community. What is worked out over all devices of a community, such as a
// measurement boundary, is wrong where they report to two instances.
func (inv *Inventory) Undivided() []*Source {
	var sources []*Source
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			if s.Community == "" && !namesCommunity(s) {
				sources = append(sources, s)
			}
		}
	}
	return sources
}
