package simulator

import (
	"fmt"
	"strings"
)

// Vendor is the id of the simulated vendor of native devices.
const Vendor = "simulator"

// Inventory is the inventory.yaml of the simulated communities.
func Inventory() string {
	var b strings.Builder
	b.WriteString("# The two simulated pilot communities.\ncommunities:\n")
	for _, c := range Communities {
		fmt.Fprintf(&b, "- {id: %s, name: %s, town: 城关镇, pilot: true, stage: participating, households: %d, population: %d, lat: %g, lon: %g,\n   compounds: [", c.ID, c.Name, c.Households, c.Population, c.Lat, c.Lon)
		for i := 0; i+1 < len(c.Compounds); i += 2 {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "{id: %s, name: %s}", c.Compounds[i], c.Compounds[i+1])
		}
		b.WriteString("]}\n")
	}
	fmt.Fprintf(&b, "vendors:\n- id: %s\n  name: 模拟设备\n  sources:\n  - {topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}\n", Vendor)
	for _, c := range Communities[1:] {
		fmt.Fprintf(&b, vendorSources, c.ID)
	}
	return b.String()
}
