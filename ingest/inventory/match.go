package inventory

import (
	"slices"
	"strings"

	"greencommunity/ingest/format"
)

// matcher finds the source of a topic: a trie of levels, in which a literal
// level goes before {name} and +, and those before #.
type matcher struct {
	literal map[string]*matcher
	any     []anyLevel // in order of declaration
	rest    *Source    // of a template that ends in #
	here    *Source    // of a template that ends here
}

type anyLevel struct {
	capture capture
	node    *matcher
}

type capture uint8

const (
	captureNothing capture = iota
	captureCommunity
	captureCompound
	captureFacility
	captureDevice
	captureChannel
)

// captureNames are the names a template may use.
var captureNames = map[string]capture{
	"{community}": captureCommunity, "{compound}": captureCompound, "{facility}": captureFacility,
	"{device}": captureDevice, "{channel}": captureChannel, "+": captureNothing,
}

func set(c *format.Captures, what capture, level string) {
	switch what {
	case captureCommunity:
		c.Community = level
	case captureCompound:
		c.Compound = level
	case captureFacility:
		c.Facility = level
	case captureDevice:
		c.Device = level
	case captureChannel:
		c.Channel = level
	}
}

// add puts a source's template into the trie. The first of equal ones stays.
func (m *matcher) add(s *Source) {
	node := m
	for level := range strings.SplitSeq(s.Topic, "/") {
		if level == "#" {
			if node.rest == nil {
				node.rest = s
			}
			return
		}
		if what, ok := captureNames[level]; ok {
			i := slices.IndexFunc(node.any, func(a anyLevel) bool { return a.capture == what })
			if i < 0 {
				node.any = append(node.any, anyLevel{what, &matcher{}})
				i = len(node.any) - 1
			}
			node = node.any[i].node
			continue
		}
		if node.literal == nil {
			node.literal = map[string]*matcher{}
		}
		next := node.literal[level]
		if next == nil {
			next = &matcher{}
			node.literal[level] = next
		}
		node = next
	}
	if node.here == nil {
		node.here = s
	}
}

// match walks the levels of what is left of a topic. top is true at its first
// level, where wildcards do not match $-topics.
func (m *matcher) match(topic string, top bool, c *format.Captures) *Source {
	level, rest, more := strings.Cut(topic, "/")
	system := top && strings.HasPrefix(level, "$")
	try := func(next *matcher) *Source {
		if more {
			return next.match(rest, false, c)
		}
		if next.here != nil {
			return next.here
		}
		return next.rest // "a/#" matches "a" too
	}
	if next := m.literal[level]; next != nil {
		if s := try(next); s != nil {
			return s
		}
	}
	if system {
		return nil
	}
	for _, a := range m.any {
		if s := try(a.node); s != nil {
			set(c, a.capture, level)
			return s
		}
	}
	return m.rest
}

// Match returns the source whose template matches a topic most specifically,
// and what the template captures; nil if none does.
func (inv *Inventory) Match(topic string, c *format.Captures) *Source {
	*c = format.Captures{}
	return inv.topics.match(topic, true, c)
}

// TemplateMatches reports whether a topic matches a template.
func TemplateMatches(template, topic string) bool {
	m, c := &matcher{}, format.Captures{}
	m.add(&Source{Topic: template})
	return m.match(topic, true, &c) != nil
}

// TemplateFor is the topic template of a format that matches a topic, or "#".
func TemplateFor(f format.Format, topic string) string {
	for _, template := range f.Topics {
		if topic != "" && TemplateMatches(template, topic) {
			return template
		}
	}
	return "#"
}

// filterOf is the MQTT filter a template stands for.
func filterOf(template string) string {
	levels := strings.Split(template, "/")
	for i, level := range levels {
		if _, ok := captureNames[level]; ok {
			levels[i] = "+"
		}
	}
	return strings.Join(levels, "/")
}

// Filters returns MQTT filters that cover all sources, or this instance's
// share of them, and of which no two match one topic: a broker sends a message
// once for each filter that matches.
func (inv *Inventory) Filters() []string {
	if s := inv.shard; s != nil {
		return inv.shardFilters(s.index, s.count)
	}
	var filters []string
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			filters = append(filters, filterOf(s.Topic))
		}
	}
	return disjoint(filters)
}

// FilterIndex returns what says under which of Filters a topic falls: its index, -1 where
// it falls under none. It is not safe for concurrent use.
func (inv *Inventory) FilterIndex() func(topic string) int {
	filters := inv.Filters()
	if len(filters) < 2 {
		return func(string) int { return 0 }
	}
	m, index, c := &matcher{}, make(map[*Source]int, len(filters)), format.Captures{}
	for i, f := range filters {
		s := &Source{Topic: f}
		index[s] = i
		m.add(s)
	}
	return func(topic string) int {
		if s := m.match(topic, true, &c); s != nil {
			return index[s]
		}
		return -1
	}
}

// disjoint replaces filters that overlap by one that covers both, until none do.
func disjoint(filters []string) []string {
	slices.Sort(filters)
	var kept []string
	for _, f := range slices.Compact(filters) {
		for i := 0; i < len(kept); i++ {
			if merged, ok := merge(f, kept[i]); ok {
				f, kept = merged, slices.Delete(kept, i, i+1)
				i = -1 // what it has grown to may overlap those before
			}
		}
		kept = append(kept, f)
	}
	slices.Sort(kept)
	return kept
}

// merge returns the narrowest filter that covers two, if some topic matches both.
func merge(a, b string) (string, bool) {
	if !overlap(a, b) {
		return "", false
	}
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	var levels []string
	for i := 0; i < len(x) || i < len(y); i++ {
		switch {
		case i >= len(x) || i >= len(y) || x[i] == "#" || y[i] == "#":
			return strings.Join(append(levels, "#"), "/"), true
		case x[i] == y[i]:
			levels = append(levels, x[i])
		default:
			levels = append(levels, "+")
		}
	}
	return strings.Join(levels, "/"), true
}

// overlap reports whether some topic matches both filters. Wildcards at the
// first level do not match what begins with $. It is asked of every two of
// thousands of filters, and allocates nothing.
func overlap(a, b string) bool {
	for first := true; ; first = false {
		x, aRest, aMore := strings.Cut(a, "/")
		y, bRest, bMore := strings.Cut(b, "/")
		wild := func(level string) bool { return level == "#" || level == "+" }
		if first && (wild(x) && strings.HasPrefix(y, "$") || wild(y) && strings.HasPrefix(x, "$")) {
			return false
		}
		switch {
		case x == "#" || y == "#":
			return true
		case x != y && x != "+" && y != "+":
			return false
		case !aMore && !bMore:
			return true
		case !aMore:
			return bRest == "#" // "a/#" matches "a" too
		case !bMore:
			return aRest == "#"
		}
		a, b = aRest, bRest
	}
}
