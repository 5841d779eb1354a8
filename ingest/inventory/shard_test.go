package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// divided is an inventory of many communities and sources of every kind.
func divided(t *testing.T, communities int, sources ...string) *Inventory {
	t.Helper()
	var text strings.Builder
	text.WriteString("communities:\n")
	for i := range communities {
		fmt.Fprintf(&text, "- {id: c%d, name: 社区%d}\n", i, i)
	}
	text.WriteString("vendors:\n")
	for i, s := range sources {
		fmt.Fprintf(&text, "- {id: v%d, sources: [{format: native, %s}], devices: [{id: d%d, community: c%d, facility: water}]}\n", i, s, i, i)
	}
	inv, err := load(t, text.String(), "")
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// One more instance takes its share from all others, and nothing moves
// between those; the shares are even.
func TestShardsMoveOnlyTheirShare(t *testing.T) {
	const keys = 10_000
	for count := 1; count <= 12; count++ {
		shares, moved := make([]int, count+1), 0
		for i := range keys {
			key := fmt.Sprintf("community-%d", i)
			before, after := ownerOf(key, count), ownerOf(key, count+1)
			shares[after]++
			if before != after {
				moved++
				if after != count {
					t.Fatalf("%s moves from %d to %d when %d is added", key, before, after, count)
				}
			}
		}
		even := keys / (count + 1)
		for i, n := range shares {
			if n < even*85/100 || n > even*115/100 {
				t.Errorf("instance %d of %d has %d of %d", i, count+1, n, keys)
			}
		}
		if moved != shares[count] {
			t.Errorf("%d moved, of which the new one has %d", moved, shares[count])
		}
	}
}

// Whatever the sources, what the whole inventory would be sent and can place is
// taken by one instance: delivered there, not foreign there, and foreign
// wherever else it is delivered.
func TestShardsTakeEveryMessageOnce(t *testing.T) {
	sets := [][]string{
		{`topic: "g/v1/{community}/{facility}/{device}"`},
		{`topic: "g/v1/{community}/{facility}/{device}"`, `topic: "app/+/device/{device}/up"`, `topic: "gw/{device}", community: c3`},
		{`topic: "g/v1/{community}/{facility}/{device}"`, `topic: "g/v1/+/water/d9/#"`},                      // some filters grow together
		{`topic: "g/v1/{community}/{facility}/{device}"`, `topic: "g/v1/c4/water/d1"`, `topic: "g/v1/c5/#"`}, // more specific, and wider
		{`topic: "g/#"`, `topic: "g/v1/{community}/{facility}/{device}"`},                                    // all of them grow together
	}
	var topics []string
	for i := range 12 { // c10 and c11 are not listed
		topics = append(topics, fmt.Sprintf("g/v1/c%d/water/d1", i), fmt.Sprintf("g/v1/c%d/water/d9", i), fmt.Sprintf("g/v1/c%d/water/d9/x", i), fmt.Sprintf("g/v1/c%d/water/d9/x/y", i))
	}
	topics = append(topics, "app/1/device/d1/up", "app/2/device/d2/up", "gw/d1", "gw/d1/x", "g", "g/v2")
	for _, sources := range sets {
		whole := divided(t, 10, sources...)
		for _, count := range []int{2, 3, 7} {
			var shards []*Inventory
			for i := range count {
				shards = append(shards, whole.Shard(i, count))
			}
			for _, topic := range topics {
				delivered, taken := 0, 0
				for _, s := range shards {
					covering := 0
					for _, f := range s.Filters() {
						if matches(f, topic) {
							covering++
						}
					}
					if covering > 1 {
						t.Errorf("%q is covered by %d of %q", topic, covering, s.Filters())
					}
					delivered += covering
					if covering > 0 && !s.Foreign(topic) {
						taken++
					}
				}
				var c format.Captures
				source := whole.Match(topic, &c)
				owned := source != nil && (c.Community == "" || whole.Community(ingest.CommunityID(c.Community)) != nil)
				if taken > 1 || taken == 0 && (owned || delivered > 0) {
					t.Errorf("%q: of %d instances %d have %q delivered and %d take it", sources, count, delivered, topic, taken)
				}
			}
		}
	}
}

// What the broker had queued before the division changed is nobody else's.
func TestQueuedForAnEarlierDivisionIsTaken(t *testing.T) {
	whole := divided(t, 40, `topic: "g/v1/{community}/{facility}/{device}"`)
	moved := 0
	for i := range 40 {
		id := fmt.Sprintf("c%d", i)
		if before, after := ownerOf(id, 3), ownerOf(id, 4); before != after {
			moved++
			if whole.Shard(before, 4).Foreign("g/v1/" + id + "/water/d") {
				t.Errorf("%s was queued for %d, which leaves it to %d", id, before, after)
			}
		}
	}
	if moved == 0 {
		t.Fatal("nothing moved")
	}
}

// Communities and listed devices are each of one instance; what is looked up
// by id is found by all.
func TestShardsDivideCommunitiesAndDevices(t *testing.T) {
	whole := divided(t, 30, `topic: "g/v1/{community}/{facility}/{device}"`, `topic: "app/+/{device}"`, `topic: "gw/{device}", community: c2`)
	communities, devices := map[ingest.CommunityID]int{}, map[ingest.DeviceID]int{}
	for i := range 3 {
		s := whole.Shard(i, 3)
		for _, c := range s.Communities {
			communities[c.ID]++
		}
		for d := range s.AllDevices() {
			devices[d.ID]++
		}
		if s.Community("c7") == nil || s.Device("d1") == nil {
			t.Error("not found by id")
		}
	}
	once := func(n int) bool { return n == 1 }
	if len(communities) != 30 || slices.ContainsFunc(slices.Collect(maps.Values(communities)), func(n int) bool { return !once(n) }) {
		t.Errorf("communities: %v", communities)
	}
	if len(devices) != 3 || slices.ContainsFunc(slices.Collect(maps.Values(devices)), func(n int) bool { return !once(n) }) {
		t.Errorf("devices: %v", devices)
	}
	if u := whole.Undivided(); len(u) != 1 || u[0].Topic != "app/+/{device}" {
		t.Errorf("undivided: %v", u)
	}
	if whole.Shard(0, 1) != whole {
		t.Error("one instance is not the whole")
	}
}

// A reload of many communities is a matter of a moment.
func TestShardFiltersAreQuick(t *testing.T) {
	whole := divided(t, 3000, `topic: "g/v1/{community}/{facility}/{device}"`, `topic: "h/{community}/{device}"`)
	start := time.Now()
	n := len(whole.Shard(0, 10).Filters())
	t.Logf("%d filters of the first of 10 instances, 3,000 communities, in %s", n, time.Since(start))
	if n < 400 || n > 800 {
		t.Errorf("%d filters", n)
	}
}
