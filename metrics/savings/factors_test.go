package savings

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"greencommunity/ingest/inventory/inventorytest"
)

func TestFactorsByYearAndArea(t *testing.T) {
	cases := inventorytest.Cases(t)
	file, err := os.Open(filepath.Join(cases, "savings", "14-grid-factors/grid_factors.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	f := Factors{Area: "Gansu"}
	for _, r := range rows[1:] {
		year, err := strconv.Atoi(r[0])
		if err != nil {
			continue // a factor for reporting by enterprises is not a year's statistic
		}
		kg, err := strconv.ParseFloat(r[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		f.Emission = append(f.Emission, Factor{Year: year, Area: r[1], KgCO2: kg, Source: r[3]})
	}
	if problems := f.Check(); problems != nil {
		t.Error(problems)
	}
	for year, want := range map[int]float64{2021: 495.5, 2022: 477.2, 2023: 447.1} {
		kg, used, err := f.CO2(1000, year)
		if err != nil || math.Abs(kg-want) > 1e-9 || used.Year != year {
			t.Errorf("%d: %g kg by %+v, %v", year, kg, used, err)
		}
	}
	if _, _, err := f.CO2(1000, 2030); err == nil {
		t.Error("2030 has no factor, and got one")
	}
}
