package inventory_test

import (
	"fmt"
	"time"

	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// An inventory finds the source of a topic and what the topic captures.
func ExampleParse() {
	inv, err := inventory.Parse([]byte(`
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: bins-ltd
  sources:
  - {topic: "bins/{community}/{device}", format: native, facility: waste}
`), time.UTC)
	if err != nil {
		fmt.Println(err)
		return
	}
	var captures format.Captures
	source := inv.Match("bins/nancheng/bin-17", &captures)
	fmt.Println(source.Vendor.ID, source.Format, source.Facility)
	fmt.Println(inv.Match("lamps/nancheng/lamp-1", &captures))
	// Output:
	// bins-ltd native waste
	// <nil>
}

// All problems are told at once, each with its line and its cure.
func ExampleParse_problems() {
	_, err := inventory.Parse([]byte(`
communities: [{id: nancheng}]
vendors:
- id: bins-ltd
  sources:
  - {topic: "bins/{community}/{device}", format: native, facilty: water}
`), time.UTC)
	fmt.Println(err)
	// Output:
	// inventory:
	// vendors[0].sources[0].facilty (line 6): unknown key; did you mean "facility"?
	// communities[0].name (line 2): missing; give the name people use
}
