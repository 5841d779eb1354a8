package savings

import (
	"math"
	"strings"
	"testing"

	"greencommunity/ingest"
)

// Prices by the hours of use and by steps, as a bill reckons them.
func TestTariffs(t *testing.T) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %g, by hand %g", what, got, want)
		}
	}
	hours := Tariff{Price: 0.5, Hours: []TariffHours{{From: 17, To: 23, Price: 0.8}, {From: 23, To: 7, Price: 0.3}}}
	for hour, want := range map[int]float64{0: 0.3, 6: 0.3, 7: 0.5, 16: 0.5, 17: 0.8, 22: 0.8, 23: 0.3} {
		near("the price of an hour", hours.At(hour), want)
	}
	var night [24]float64
	night[20], night[2] = 1, 3
	near("the mean price of lamps", hours.Mean(&night), (0.8+3*0.3)/4)
	near("the mean price of nothing", hours.Mean(&[24]float64{}), (6*0.8+8*0.3+10*0.5)/24)

	// 180 m³ at 2.5, 80 at 3.75, the rest at 7.5.
	steps := ExampleTariffs()[1]
	for use, want := range map[float64]float64{0: 0, 100: 250, 180: 450, 200: 525, 260: 750, 300: 1050} {
		near("the cost of a year", steps.Cost(use), want)
	}
	// 10 homes, 73 days (a fifth of a year): 200 m³ a year each before, 160 now.
	yuan, price := steps.Stepped(10*200/5, 10*160/5, 10, 73)
	near("saved", yuan, 10*(525-400)/5.0)
	near("a unit", price, 125.0/40)
	yuan, price = steps.Stepped(400, 400, 10, 73)
	near("nothing saved", yuan, 0)
	near("its price", price, 3.75)

	all := []Tariff{{Resource: "electricity", Name: "a"}, {Resource: "electricity", Facility: ingest.Lighting, Name: "b"}}
	if got := TariffOf(all, ingest.Lighting, "electricity"); got.Name != "b" {
		t.Errorf("lamps by %q", got.Name)
	}
	if got := TariffOf(all, "charging", "electricity"); got.Name != "a" {
		t.Errorf("charging by %q", got.Name)
	}
	if TariffOf(all, ingest.Water, "water") != nil {
		t.Error("water has a price")
	}
	if problems := checkTariffs(ExampleTariffs()); len(problems) > 0 {
		t.Error(problems)
	}
	for want, of := range map[string]Tariff{
		"tariffs[0].resource: \"gas\" is":    {Resource: "gas", Name: "n", Source: "s", Price: 1},
		"tariffs[0]: needs name and source":  {Resource: "water", Price: 1},
		"tariffs[0].price: missing":          {Resource: "water", Name: "n", Source: "s"},
		"tariffs[0].hours[0]: from 5 to 5":   {Resource: "water", Name: "n", Source: "s", Price: 1, Hours: []TariffHours{{From: 5, To: 5, Price: 1}}},
		"tariffs[0].steps[0].up_to: steps":   {Resource: "water", Name: "n", Source: "s", Steps: []TariffStep{{Price: 1}, {UpTo: 3, Price: 1}}},
		"tariffs[0].steps: stand in place":   {Resource: "water", Name: "n", Source: "s", Price: 1, Steps: []TariffStep{{Price: 1}}},
		"tariffs[0]: a price is outside 0 t": {Resource: "water", Name: "n", Source: "s", Price: math.NaN()},
	} {
		found := false
		for _, err := range checkTariffs([]Tariff{of}) {
			found = found || strings.HasPrefix(err.Error(), want)
		}
		if !found {
			t.Errorf("%+v is not refused as %q", of, want)
		}
	}
	if got := checkTariffs([]Tariff{all[1], all[1]}); len(got) == 0 || !strings.Contains(got[len(got)-2].Error()+got[len(got)-1].Error(), "prices the same as tariffs[0]") {
		t.Errorf("%v", got)
	}
}
