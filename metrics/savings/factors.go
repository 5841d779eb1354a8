package savings

import (
	"fmt"
	"slices"

	"greencommunity/ingest/document"
)

// Config is the section savings of config.yaml.
type Config struct {
	Factors Factors `yaml:"factors"`
	// Tariffs price what is saved. None: reports price it by examples, marked as such.
	Tariffs []Tariff     `yaml:"tariffs"`
	Report  ReportConfig `yaml:"report"`
}

// ReportConfig is what reports are written with.
type ReportConfig struct {
	Unit string `yaml:"unit"` // who files them
	// NextSteps is a text file, relative to config.yaml: a paragraph a line, for the
	// section of what comes next.
	NextSteps string `yaml:"next_steps"`
	// Floor is the coverage, 0-1, below which no verdict is given; default 0.8.
	Floor float64 `yaml:"floor"`
	// OnlyConfirmed leaves out what the program's own factors and example prices make:
	// nothing that this file does not state is printed.
	OnlyConfirmed bool `yaml:"only_confirmed"`
}

// ReadConfig reads the section and adds what is wrong with it to the problems.
func ReadConfig(section document.Section, p *document.Problems) Config {
	var c Config
	if section.Decode(&c, p) {
		for _, err := range append(c.Factors.Check(), checkTariffs(c.Tariffs)...) {
			p.AddError(fmt.Errorf("savings.%w", err))
		}
		if f := c.Report.Floor; !(f >= 0 && f <= 1) {
			p.AddError(fmt.Errorf("savings.report.floor: %g is not between 0 and 1", f))
		}
	}
	if c.Report.Floor == 0 {
		c.Report.Floor = Floor
	}
	return c
}

// Floor is the coverage of the days due below which reports give no verdict, unless the
// configuration says another.
const Floor = 0.80

// DefaultFactors are the national ones that reports use where the configuration has
// none. A report marks what is made of them as to be confirmed; metrics do not use them.
//
// Emission: mean of the grid, of the year's data, as 生态环境部 and 国家统计局 announced
// it on 2024-04-12, 2024-12-20 and 2025-12-31. Coal: GB/T 2589-2020, 当量值.
func DefaultFactors() Factors {
	announced := func(year int) string {
		return fmt.Sprintf("生态环境部、国家统计局《关于发布%d年电力二氧化碳排放因子的公告》", year)
	}
	const area = "全国"
	return Factors{Area: area, Coal: []Coal{Calorific}, Emission: []Factor{
		{Year: 2021, Area: area, KgCO2: 0.5568, Source: announced(2021)},
		{Year: 2022, Area: area, KgCO2: 0.5366, Source: announced(2022)},
		{Year: 2023, Area: area, KgCO2: 0.5306, Source: announced(2023)},
	}}
}

// Given reports whether there are any.
func (f *Factors) Given() bool { return len(f.Emission) > 0 || len(f.Coal) > 0 }

// Newest is the factor of the newest data for the area up to a year.
func (f *Factors) Newest(year int) (newest Factor, ok bool) {
	for _, e := range f.Emission {
		if e.Area == f.Area && e.Year <= year && (!ok || e.Year > newest.Year) {
			newest, ok = e, true
		}
	}
	return newest, ok
}

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
// Metrics have none by default: a figure nobody has checked is not one. Water
// has no factor at all here; public ones differ twentyfold, and the energy that
// pumps it is metered as electricity already.
type Factors struct {
	Emission []Factor `yaml:"emission"`
	Area     string   `yaml:"area"` // whose factors are used: a province, or national
	// BaseYear is the year whose factor also values the saving, so that a
	// changing grid does not look like a changing saving.
	BaseYear int `yaml:"base_year"`
	// Coal sets how a saving is counted in coal; none by default.
	Coal []Coal `yaml:"coal"`
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

// Check refuses factors without a year, an area or a source, doubles, and a use
// of a factor that is not given.
func (f *Factors) Check() []error {
	var problems []error
	add := func(path, format string, args ...any) {
		problems = append(problems, fmt.Errorf("factors."+path+": "+format, args...))
	}
	seen := map[string]bool{}
	for i, e := range f.Emission {
		path := fmt.Sprintf("emission[%d]", i)
		if e.Source == "" {
			add(path+".source", "missing; say where the factor was published")
		}
		if e.Year < 2000 || e.Area == "" {
			add(path, "needs the year of its data and its area")
		}
		if !(e.KgCO2 > 0 && e.KgCO2 <= 1.2) {
			add(path+".kg_co2_per_kwh", "%g is outside 0 to 1.2", e.KgCO2)
		}
		key := fmt.Sprint(e.Year, e.Area)
		if seen[key] {
			add(path, "%s in %d is there already", e.Area, e.Year)
		}
		seen[key] = true
	}
	if len(f.Emission) > 0 && f.Area == "" {
		add("area", "missing; name the area whose factors are used")
	}
	if f.BaseYear != 0 {
		if _, _, err := f.CO2(0, f.BaseYear); err != nil {
			add("base_year", "there is no factor of %s for %d; add it to emission", f.Area, f.BaseYear)
		}
	}
	for i, by := range f.Coal {
		_, _, err := f.TonnesCoal(0, by)
		switch path := fmt.Sprintf("coal[%d]", i); {
		case by != Calorific && by != Equivalent:
			add(path, "%q is neither calorific nor equivalent", by)
		case slices.Contains(f.Coal[:i], by):
			add(path, "%s is there already", by)
		case err != nil:
			add(path, "needs coal_equivalent_kgce_per_kwh and coal_equivalent_source")
		}
	}
	return problems
}

// conversion is a saving in another unit.
type conversion struct {
	name   string  // of the metric, behind energy_savings_
	basis  string  // own_year, base_year; calorific, equivalent
	amount float64 // kg a kWh
}

// conversions are those of a figure of a year; 0 is one of several years, for
// which a factor of its own year says nothing.
func (f *Factors) conversions(year int) []conversion {
	var list []conversion
	for _, of := range []struct {
		basis string
		year  int
	}{{"own_year", year}, {"base_year", f.BaseYear}} {
		if kg, _, err := f.CO2(1, of.year); err == nil && of.year != 0 {
			list = append(list, conversion{"co2", of.basis, kg})
		}
	}
	for _, by := range f.Coal {
		if t, _, err := f.TonnesCoal(1, by); err == nil {
			list = append(list, conversion{"coal", string(by), t * 1000})
		}
	}
	return list
}
