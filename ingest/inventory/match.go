package inventory

import (
	"slices"
	"strings"
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

func (c *Captures) set(what capture, level string) {
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
func (m *matcher) match(topic string, top bool, c *Captures) *Source {
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
			c.set(a.capture, level)
			return s
		}
	}
	return m.rest
}

// Match returns the source whose template matches a topic most specifically,
// and what the template captures; nil if none does.
func (inv *Inventory) Match(topic string, c *Captures) *Source {
	*c = Captures{}
	return inv.topics.match(topic, true, c)
}

// TemplateMatches reports whether a topic matches a template.
func TemplateMatches(template, topic string) bool {
	m, c := &matcher{}, Captures{}
	m.add(&Source{Topic: template})
	return m.match(topic, true, &c) != nil
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

// Filters returns MQTT filters that cover all sources and of which no two
// match one topic: a broker sends a message once for each filter that matches.
func (inv *Inventory) Filters() []string {
	var filters []string
	for _, v := range inv.Vendors {
		for _, s := range v.Sources {
			filters = append(filters, filterOf(s.Topic))
		}
	}
	// Replace any two that overlap by one that covers both, until none do.
	for i := 0; i < len(filters); i++ {
		for j := i + 1; j < len(filters); j++ {
			if merged, ok := merge(filters[i], filters[j]); ok {
				filters[i] = merged
				filters = slices.Delete(filters, j, j+1)
				i, j = -1, 0
				break
			}
		}
	}
	slices.Sort(filters)
	return filters
}

// merge returns the narrowest filter that covers two, if some topic matches both.
func merge(a, b string) (string, bool) {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	var levels []string
	for i := 0; ; i++ {
		switch {
		case i == len(x) && i == len(y):
			return strings.Join(levels, "/"), true
		case i < len(x) && x[i] == "#", i < len(y) && y[i] == "#":
			// One side takes whatever follows. At the first level that is not
			// what begins with $.
			other := y
			if i < len(y) && y[i] == "#" {
				other = x
			}
			if i == 0 && i < len(other) && strings.HasPrefix(other[i], "$") {
				return "", false
			}
			return strings.Join(append(levels, "#"), "/"), true
		case i == len(x) || i == len(y):
			return "", false
		case x[i] == y[i]:
			levels = append(levels, x[i])
		case x[i] == "+" || y[i] == "+":
			if i == 0 && (strings.HasPrefix(x[i], "$") || strings.HasPrefix(y[i], "$")) {
				return "", false
			}
			levels = append(levels, "+")
		default:
			return "", false
		}
	}
}
