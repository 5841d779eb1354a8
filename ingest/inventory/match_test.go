package inventory

import (
	"math/rand/v2"
	"strings"
	"testing"

	"greencommunity/ingest/format"
)

func TestMatch(t *testing.T) {
	inv := &Inventory{topics: &matcher{}}
	for _, topic := range []string{
		"greencommunity/v1/{community}/{facility}/{device}",
		"greencommunity/v1/nancheng/lighting/{device}/{channel}",
		"application/+/device/{device}/event/up",
		"application/+/device/{device}/event/#",
		"zigbee2mqtt/{device}",
		"{community}/x/#",
	} {
		inv.topics.add(&Source{Topic: topic})
	}
	tests := []struct {
		topic, template string
		captures        format.Captures
	}{
		{"greencommunity/v1/nancheng/lighting/L1", "greencommunity/v1/{community}/{facility}/{device}", format.Captures{Community: "nancheng", Facility: "lighting", Device: "L1"}},
		{"greencommunity/v1/nancheng/lighting/L1/l2", "greencommunity/v1/nancheng/lighting/{device}/{channel}", format.Captures{Device: "L1", Channel: "l2"}},
		{"greencommunity/v1/nancheng/water/L1/l2", "", format.Captures{}},
		{"application/7/device/ab/event/up", "application/+/device/{device}/event/up", format.Captures{Device: "ab"}},
		{"application/7/device/ab/event/join", "application/+/device/{device}/event/#", format.Captures{Device: "ab"}},
		{"application/7/device/ab/event", "application/+/device/{device}/event/#", format.Captures{Device: "ab"}},
		{"zigbee2mqtt/", "zigbee2mqtt/{device}", format.Captures{}},
		{"zigbee2mqtt", "", format.Captures{}},
		{"nan/x", "{community}/x/#", format.Captures{Community: "nan"}},
		{"$SYS/x", "", format.Captures{}},
		{"", "", format.Captures{}},
	}
	for _, test := range tests {
		var c format.Captures
		s := inv.Match(test.topic, &c)
		switch {
		case s == nil && test.template != "":
			t.Errorf("%q matches nothing, want %q", test.topic, test.template)
		case s != nil && s.Topic != test.template:
			t.Errorf("%q matches %q, want %q", test.topic, s.Topic, test.template)
		case s != nil && c != test.captures:
			t.Errorf("%q captures %+v, want %+v", test.topic, c, test.captures)
		}
	}
}

// matches is the rule of MQTT 3.1.1, section 4.7, said plainly.
func matches(filter, topic string) bool {
	f, l := strings.Split(filter, "/"), strings.Split(topic, "/")
	if strings.HasPrefix(topic, "$") && (f[0] == "+" || f[0] == "#") {
		return false
	}
	for i := range f {
		if f[i] == "#" {
			return true
		}
		if i >= len(l) || f[i] != "+" && f[i] != l[i] {
			return false
		}
	}
	return len(f) == len(l)
}

// Whatever the sources, each topic a source matches is covered by exactly one
// filter, and no topic by two.
func TestFiltersDoNotOverlap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	for range 3000 {
		inv := &Inventory{topics: &matcher{}, Vendors: []*Vendor{{}}}
		for range 1 + random.IntN(6) {
			var levels []string
			for range 1 + random.IntN(4) {
				levels = append(levels, pick("a", "b", "c", "$x", "+", "{device}", "{community}"))
			}
			if random.IntN(4) == 0 {
				levels = append(levels, "#")
			}
			s := &Source{Topic: strings.Join(levels, "/")}
			inv.Vendors[0].Sources = append(inv.Vendors[0].Sources, s)
			inv.topics.add(s)
		}
		filters := inv.Filters()
		for range 60 {
			var levels []string
			for range 1 + random.IntN(5) {
				levels = append(levels, pick("a", "b", "c", "d", "$x"))
			}
			topic := strings.Join(levels, "/")
			covering := 0
			for _, f := range filters {
				if matches(f, topic) {
					covering++
				}
			}
			wanted := false
			for _, s := range inv.Vendors[0].Sources {
				wanted = wanted || matches(filterOf(s.Topic), topic)
			}
			var c format.Captures
			if found := inv.Match(topic, &c) != nil; found != wanted {
				t.Fatalf("topic %q: matched %t, want %t, by %q", topic, found, wanted, filters)
			}
			if covering > 1 || wanted && covering == 0 {
				t.Fatalf("topic %q is covered by %d of %q", topic, covering, filters)
			}
		}
	}
}
