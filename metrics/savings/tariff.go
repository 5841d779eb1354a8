package savings

import (
	"fmt"
	"math"
	"slices"

	"greencommunity/ingest"
	"greencommunity/metrics/usage"
)

// Tariff prices a resource, so that a saving has an amount in yuan.
type Tariff struct {
	Resource string              `yaml:"resource"` // electricity or water
	Facility ingest.FacilityKind `yaml:"facility"` // only of this kind; none: of all others
	Name     string              `yaml:"name"`     // as bills call it
	Source   string              `yaml:"source"`   // the document that sets the prices
	Price    float64             `yaml:"price"`    // yuan a kWh or m3, outside the hours below
	// Hours of the local day with other prices (峰谷分时).
	Hours []TariffHours `yaml:"hours"`
	// Steps of a household's yearly use (阶梯); in place of price and hours.
	Steps []TariffStep `yaml:"steps"`
}

// TariffHours prices some hours of each day.
type TariffHours struct {
	Name  string  `yaml:"name"`
	From  int     `yaml:"from"` // hour, 0-23
	To    int     `yaml:"to"`   // first hour after, 1-24; before from: over midnight
	Price float64 `yaml:"price"`
}

// TariffStep prices use up to an amount a household and year.
type TariffStep struct {
	UpTo  float64 `yaml:"up_to"` // kWh or m3 a household and year; none: the last step
	Price float64 `yaml:"price"`
}

// ExampleTariffs show what a report can say in yuan. They are nobody's prices: a report
// marks every amount that is made of them as an example to be confirmed.
func ExampleTariffs() []Tariff {
	return []Tariff{
		{Resource: "electricity", Name: "示例：峰谷分时", Source: "示例价格，须按当地现行电价文件确认", Price: 0.51, Hours: []TariffHours{
			{Name: "峰", From: 17, To: 23, Price: 0.76}, {Name: "谷", From: 23, To: 7, Price: 0.31}}},
		// 1 : 1.5 : 3 is what 发改价格〔2013〕2676号 asks of the three steps at least.
		{Resource: "water", Name: "示例：居民阶梯水价", Source: "示例价格，级差按发改价格〔2013〕2676号 1∶1.5∶3，须按当地现行水价文件确认",
			Steps: []TariffStep{{UpTo: 180, Price: 2.5}, {UpTo: 260, Price: 3.75}, {Price: 7.5}}},
	}
}

// TariffOf returns the tariff of a facility's resource, nil if there is none.
func TariffOf(all []Tariff, facility ingest.FacilityKind, resource string) *Tariff {
	for _, f := range []ingest.FacilityKind{facility, ""} {
		if i := slices.IndexFunc(all, func(t Tariff) bool { return t.Resource == resource && t.Facility == f }); i >= 0 {
			return &all[i]
		}
	}
	return nil
}

// UnitPrice returns what a unit of a resource costs where nobody knows when it is used or
// by which household, yuan a kWh or m3: the mean over a day's hours, of steps the lowest,
// which overstates nothing. Of tariffs of single kinds of facility that of the resource's
// own counts. 0: there is none.
func UnitPrice(all []Tariff, resource usage.Resource) float64 {
	t := TariffOf(all, resource.Facility(), resource.String())
	switch {
	case t == nil:
		return 0
	case len(t.Steps) > 0:
		return t.Steps[0].Price
	}
	return t.Mean(&[24]float64{})
}

// At is the price of an hour of the day, yuan a unit.
func (t *Tariff) At(hour int) float64 {
	for _, h := range t.Hours {
		if h.From < h.To && h.From <= hour && hour < h.To || h.From > h.To && (hour >= h.From || hour < h.To) {
			return h.Price
		}
	}
	return t.Price
}

// Mean price of use that is divided over the hours of the day as profile has it, in any
// unit. Of nothing it is that of even use.
func (t *Tariff) Mean(profile *[24]float64) float64 {
	sum, weight, even := 0.0, 0.0, 0.0
	for hour, share := range profile {
		sum, weight, even = sum+share*t.At(hour), weight+share, even+t.At(hour)/24
	}
	if !(weight > 0) {
		return even
	}
	return sum / weight
}

// Cost of a household's yearly use by the steps, yuan.
func (t *Tariff) Cost(use float64) float64 {
	sum, from := 0.0, 0.0
	for _, s := range t.Steps {
		to := s.UpTo
		if to == 0 {
			to = math.Inf(1)
		}
		if use > from {
			sum += (min(use, to) - from) * s.Price
		}
		from = to
	}
	return sum
}

// Stepped returns what the steps make of a saving: the adjusted baseline and the actual
// use of some days, of so many households, each taken as the mean one. price is what a
// unit of the saving is worth on average.
func (t *Tariff) Stepped(adjusted, actual, households, days float64) (yuan, price float64) {
	year := func(use float64) float64 { return use / households * 365 / days }
	a, b := year(adjusted), year(actual)
	if a == b {
		return 0, t.marginal(a)
	}
	yuan = (t.Cost(a) - t.Cost(b)) * households * days / 365
	return yuan, (t.Cost(a) - t.Cost(b)) / (a - b)
}

func (t *Tariff) marginal(use float64) float64 {
	for _, s := range t.Steps {
		if s.UpTo == 0 || use <= s.UpTo {
			return s.Price
		}
	}
	return 0
}

// checkTariffs says what is wrong with them, each with its path and its remedy.
func checkTariffs(all []Tariff) (problems []error) {
	add := func(path, format string, args ...any) {
		problems = append(problems, fmt.Errorf(path+": "+format, args...))
	}
	for i, t := range all {
		path := fmt.Sprintf("tariffs[%d]", i)
		if _, known := usage.ResourceNamed(t.Resource); !known {
			add(path+".resource", "%q is neither electricity nor water", t.Resource)
		}
		if t.Name == "" || t.Source == "" {
			add(path, "needs name and source, the document that sets the prices")
		}
		if j := slices.IndexFunc(all[:i], func(o Tariff) bool { return o.Resource == t.Resource && o.Facility == t.Facility }); j >= 0 {
			add(path, "prices the same as tariffs[%d]; name a facility, or leave one out", j)
		}
		prices := []float64{t.Price}
		for j, h := range t.Hours {
			prices = append(prices, h.Price)
			if h.From < 0 || h.From > 23 || h.To < 1 || h.To > 24 || h.From == h.To {
				add(fmt.Sprintf("%s.hours[%d]", path, j), "from %d to %d; give the first hour, 0 to 23, and the first after, 1 to 24", h.From, h.To)
			}
		}
		for j, s := range t.Steps {
			prices = append(prices, s.Price)
			last := j == len(t.Steps)-1
			if last != (s.UpTo == 0) || !last && !(s.UpTo > 0) || j > 0 && !last && s.UpTo <= t.Steps[j-1].UpTo {
				add(fmt.Sprintf("%s.steps[%d].up_to", path, j), "steps rise, and only the last has none")
			}
		}
		if slices.ContainsFunc(prices, func(p float64) bool { return !(p >= 0 && p <= 100) }) {
			add(path, "a price is outside 0 to 100 yuan a unit")
		}
		if len(t.Steps) > 0 && (t.Price != 0 || len(t.Hours) > 0) {
			add(path+".steps", "stand in place of price and hours; leave these out")
		}
		if len(t.Steps) == 0 && t.Price == 0 {
			add(path+".price", "missing; give yuan a kWh or m3, or steps")
		}
	}
	return problems
}
