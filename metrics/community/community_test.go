package community

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest/inventory"
)

func TestCollector(t *testing.T) {
	inv := &inventory.Inventory{Communities: []*inventory.Community{
		{ID: "nancheng", Name: "南城社区", Town: "城关镇", Stage: "participating", Pilot: true, Households: 1240, Population: 3120, Lat: 34.75, Lon: 106.13},
		{ID: "beicheng", Name: "北城社区"},
		{ID: "dongcheng", Name: "东城社区", Stage: "met"},
		{ID: "xicheng", Name: "西城社区", Stage: "named"},
	}}
	want := `
# HELP greencommunity_community_households Households by the inventory.
# TYPE greencommunity_community_households gauge
greencommunity_community_households{community="nancheng"} 1240
# HELP greencommunity_community_info A community of the inventory, always 1; coordinates in degrees, WGS-84.
# TYPE greencommunity_community_info gauge
greencommunity_community_info{community="beicheng",latitude="",longitude="",name="北城社区",pilot="false",stage="",town=""} 1
greencommunity_community_info{community="dongcheng",latitude="",longitude="",name="东城社区",pilot="false",stage="met",town=""} 1
greencommunity_community_info{community="nancheng",latitude="34.75",longitude="106.13",name="南城社区",pilot="true",stage="participating",town="城关镇"} 1
greencommunity_community_info{community="xicheng",latitude="",longitude="",name="西城社区",pilot="false",stage="named",town=""} 1
# HELP greencommunity_community_population Persons by the inventory.
# TYPE greencommunity_community_population gauge
greencommunity_community_population{community="nancheng"} 3120
# HELP greencommunity_programme_communities Communities of the programme: all, participating, met, named; each stage includes those after it.
# TYPE greencommunity_programme_communities gauge
greencommunity_programme_communities{stage="all"} 4
greencommunity_programme_communities{stage="met"} 2
greencommunity_programme_communities{stage="named"} 1
greencommunity_programme_communities{stage="participating"} 3
`
	c := Collector{Inventory: func() *inventory.Inventory { return inv }}
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
