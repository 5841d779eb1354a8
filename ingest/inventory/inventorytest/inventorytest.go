// Package inventorytest makes inventories for tests, without files, and knows where the
// cases are that the project does not contain.
package inventorytest

import (
	"os"
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

// Cases returns the directory of the reference cases, which GREENCOMMUNITY_CASES names.
// Without it the test is skipped, as its kinds have tests of the project's own beside it;
// in CI it fails, as nothing may be left out there.
func Cases(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("GREENCOMMUNITY_CASES")
	switch {
	case dir != "":
	case os.Getenv("CI") != "":
		t.Fatal("GREENCOMMUNITY_CASES is not set: name the directory of the reference cases")
	default:
		t.Skip("GREENCOMMUNITY_CASES is not set")
	}
	return dir
}
