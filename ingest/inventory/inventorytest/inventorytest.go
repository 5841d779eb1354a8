// Package inventorytest makes inventories for tests, without files.
package inventorytest

import (
	"testing"
	"time"

	"greencommunity/ingest/inventory"
)

// Zone is that of the sites in tests, UTC+8, without a database of zones.
var Zone = time.FixedZone("Asia/Shanghai", 8*3600)

// Native has the community nancheng, and the vendor brightlamp that publishes
// what it likes of it in the native format.
const Native = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: brightlamp
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

// Parse returns the inventory that the text, as of inventory.yaml, says. It ends
// the test where that has problems.
func Parse(t testing.TB, text string, zone *time.Location) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Parse([]byte(text), zone)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}
