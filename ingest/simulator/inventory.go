package simulator

import (
	"fmt"
	"strings"

	"greencommunity/ingest"
)

// Vendor is the id of the simulated vendor of native devices.
const Vendor = "simulator"

// boundaries holds what savings are computed of: the lamps, of which is known
// what burned there before, and the meters of households, of which a year is. The first
// community's lamps replaced sodium ones; those of the second are dimmed at
// night for the first time, and what the old ones drew is known only roughly:
// in no season does that save more than the band is wide. The first community's
// households had saving taps built in: they used half as much again, with the demo's seed;
// those of the second use what they used before.
const boundaries = `    {id: lamps, spec: {resource: electricity, ipmvp: B, meters: [%s],
      intervention: [2026-03-01, 2026-04-01], uncertainty: {confidence: 0.90, meter_class: 1, watts_rel: %g},
      baseline: {version: 1, period: [2025-03-01, 2026-03-01], method: lamp_inventory, hours: astro_civil,
        groups: [{count: 24, watts: %d, burning: 0.95}]}}},
    {id: households, spec: {resource: water, ipmvp: C, meters: [%s],
      intervention: [2026-03-01, 2026-04-01], uncertainty: {confidence: 0.90, meter_class: 2, year_rel: 0.04}, quota_liters_per_person_day: 120,
      baseline: {version: 1, period: [2025-03-01, 2026-03-01], method: per_capita_monthly, relative: true, rmse_n_minus_p: 0.11, n: 365, n_eff: 240,
        monthly: [%[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g, %[5]g],
        monthly_days: [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]}}}]}
`

func meters(community ingest.CommunityID, prefix string, count int) string {
	var list []string
	for i := range count {
		list = append(list, fmt.Sprintf("{device: %s-%s-%03d}", community, prefix, i+1))
	}
	return strings.Join(list, ", ")
}

// Inventory is the inventory.yaml of the simulated communities.
func Inventory() string { return inventoryOf(false) }

// SystemsInventory is that of a world with the plan's other systems.
func SystemsInventory() string { return inventoryOf(true) }

func inventoryOf(systems bool) string {
	var b strings.Builder
	b.WriteString("# The two simulated pilot communities.\ncommunities:\n")
	for _, c := range Communities {
		fmt.Fprintf(&b, "- {id: %s, name: %s, town: 城关镇, pilot: true, stage: participating, households: %d, population: %d, lat: %g, lon: %g,\n   compounds: [", c.ID, c.Name, c.Households, c.Population, c.Lat, c.Lon)
		for k := 0; k+1 < len(c.Compounds); k += 2 {
			if k > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "{id: %s, name: %s}", c.Compounds[k], c.Compounds[k+1])
		}
		b.WriteString("],\n   boundaries: [\n")
		fmt.Fprintf(&b, boundaries, meters(c.ID, "lamp", 24), c.wattsRel, c.watts, meters(c.ID, "meter", 30), c.water)
	}
	fmt.Fprintf(&b, "vendors:\n- id: %s\n  name: 模拟设备\n  sources:\n  - {topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}\n", Vendor)
	if systems {
		b.WriteString(listed())
	}
	for _, c := range Communities[1:] {
		fmt.Fprintf(&b, vendorSources, c.ID)
	}
	if systems {
		b.WriteString(inspections)
	}
	return b.String()
}
