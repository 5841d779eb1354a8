package usage

import "greencommunity/ingest"

// Resource names what a register counts the use of.
type Resource uint8

const (
	Electricity Resource = iota + 1 // kWh, of energy_total
	Water                           // m3, of water_volume_total
)

// about says all there is to know of each resource. Metrics are in base units;
// metric is how many of them one unit is.
var about = [...]struct {
	name, unit, quantity string
	facility             ingest.FacilityKind
	metric               float64
}{
	Electricity: {"electricity", "kWh", "energy_total", ingest.Lighting, 3.6e6}, // J
	Water:       {"water", "m3", "water_volume_total", ingest.Water, 1},         // m3
}

// ResourceNamed is the resource of a name; 0 and false where there is none.
func ResourceNamed(name string) (Resource, bool) {
	for r := Electricity; int(r) < len(about); r++ {
		if about[r].name == name {
			return r, true
		}
	}
	return 0, false
}

// String is the name: the tag, the label and the word of the inventory.
func (r Resource) String() string { return about[r].name }

// Unit is kWh or m3, the unit of all figures but those of metrics.
func (r Resource) Unit() string { return about[r].unit }

// Quantity names the registers that count it.
func (r Resource) Quantity() string { return about[r].quantity }

// Facility is the kind that uses it where nobody says another.
func (r Resource) Facility() ingest.FacilityKind { return about[r].facility }

// Base returns how many base units of metrics one Unit is: J of a kWh.
func (r Resource) Base() float64 { return about[r].metric }
