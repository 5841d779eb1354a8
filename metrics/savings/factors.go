package savings

import "fmt"

// Factor is an emission factor of electricity for one year's data.
type Factor struct {
	Year   int     `yaml:"year"` // of the data, not of publication
	Area   string  `yaml:"area"`
	KgCO2  float64 `yaml:"kg_co2_per_kwh"`
	Source string  `yaml:"source"`
}

// Coal says how electricity is counted in coal.
type Coal string

const (
	// Calorific (当量值): 0.1229 kgce/kWh, the heat in it (GB/T 2589).
	Calorific Coal = "calorific"
	// Equivalent (等价值): the coal burnt for it, by a factor of the year.
	Equivalent Coal = "equivalent"
)

// CalorificFactor is 当量值, kgce/kWh.
const CalorificFactor = 0.1229

// Factors convert energy, as the configuration says, each with its source.
// There are none by default: a figure nobody has checked is not printed. Water
// has no factor at all here; public ones differ twentyfold, and the energy that
// pumps it is metered as electricity already.
type Factors struct {
	Emission []Factor `yaml:"emission"`
	Area     string   `yaml:"area"`
	// BaseYear is the year whose factor also values the saving, so that a
	// changing grid does not look like a changing saving.
	BaseYear int `yaml:"base_year"`
	// EquivalentFactor is 等价值, kgce/kWh, with its source.
	EquivalentFactor float64 `yaml:"coal_equivalent_kgce_per_kwh"`
	EquivalentSource string  `yaml:"coal_equivalent_source"`
}

// CO2 of energy in kg, by the factor of the year's data for the area. There is
// no falling back to another year or area.
func (f *Factors) CO2(kwh float64, year int) (kg float64, used Factor, err error) {
	for _, e := range f.Emission {
		if e.Year == year && e.Area == f.Area {
			return kwh * e.KgCO2, e, nil
		}
	}
	return 0, Factor{}, fmt.Errorf("factors.emission: none for %s in %d; add it with its source", f.Area, year)
}

// TonnesCoal of energy, with the label it must be printed with.
func (f *Factors) TonnesCoal(kwh float64, by Coal) (tce float64, label string, err error) {
	switch by {
	case Calorific:
		return kwh * CalorificFactor / 1000, "tce (当量值)", nil
	case Equivalent:
		if f.EquivalentFactor <= 0 || f.EquivalentSource == "" {
			return 0, "", fmt.Errorf("factors.coal_equivalent_kgce_per_kwh: not given; add the year's factor with its source")
		}
		return kwh * f.EquivalentFactor / 1000, "tce (等价值)", nil
	}
	return 0, "", fmt.Errorf("coal %q is neither calorific nor equivalent", by)
}

// Check refuses factors without a year, an area or a source, and doubles.
func (f *Factors) Check() []error {
	var problems []error
	seen := map[string]bool{}
	for i, e := range f.Emission {
		path := fmt.Sprintf("factors.emission[%d]", i)
		if e.Source == "" {
			problems = append(problems, fmt.Errorf("%s.source: missing; say where the factor was published", path))
		}
		if e.Year < 2000 || e.Area == "" {
			problems = append(problems, fmt.Errorf("%s: needs the year of its data and its area", path))
		}
		if e.KgCO2 <= 0 || e.KgCO2 > 1.2 {
			problems = append(problems, fmt.Errorf("%s.kg_co2_per_kwh: %g is outside 0 to 1.2", path, e.KgCO2))
		}
		key := fmt.Sprint(e.Year, e.Area)
		if seen[key] {
			problems = append(problems, fmt.Errorf("%s: %s in %d is there already", path, e.Area, e.Year))
		}
		seen[key] = true
	}
	return problems
}
