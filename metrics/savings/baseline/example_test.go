package baseline_test

import (
	"fmt"
	"strings"
	"time"

	"greencommunity/metrics/savings/baseline"
)

// Hundred lamps of 168 W, of which 95 burned, on a night of eleven hours.
func ExampleLampEnergy() {
	kWh, err := baseline.LampEnergy([]baseline.Lamps{{Count: 100, Watts: 168, Burning: 0.95}}, 11, 24)
	fmt.Printf("%.1f kWh %v\n", kWh, err)
	// Output: 175.6 kWh <nil>
}

// What was used before is fitted, and what was used after is compared with it.
func ExampleAnalyse() {
	var csv strings.Builder
	csv.WriteString("date,period,usage,tmean_C\n")
	for day := range 730 {
		date, period, usage := time.Date(2024, 1, 1+day, 0, 0, 0, 0, time.UTC), "baseline", 20.0
		temperature := float64(day%365)/18 - 2
		usage += 1.5 * max(0, 12-temperature)
		if day >= 365 {
			period, usage = "reporting", usage*0.9
		}
		fmt.Fprintf(&csv, "%s,%s,%.4f,%.2f\n", date.Format(time.DateOnly), period, usage, temperature)
	}
	table, err := baseline.ReadTable(strings.NewReader(csv.String()), baseline.TableOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := baseline.Analyse(table, baseline.Fitting{})
	if err != nil {
		fmt.Println(err)
		return
	}
	year := a.Windows["year"]
	fmt.Printf("%s: saved %.0f of %.0f, ±%.0f\n", a.Model, year.Saving, year.Baseline, year.Exact.DE90)
	// Output: cdd_hdd: saved 996 of 9957, ±3
}
