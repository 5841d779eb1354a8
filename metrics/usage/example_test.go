package usage_test

import (
	"fmt"
	"time"

	"greencommunity/metrics/usage"
)

// A garbage read is not believed: what the next reads contradict is no use.
func ExampleMeter() {
	var m usage.Meter
	limits := &usage.Limits{}
	at := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	total := usage.Amount(0)
	for i, value := range []float64{100, 100.2, 100.4, 99999.9, 100.8, 101, 101.2} {
		read := usage.Read{Time: at.Add(time.Duration(i) * time.Hour).UnixNano(), Value: value}
		for _, b := range m.Read(limits, read, nil) {
			total += b.Amount
			fmt.Printf("%g: %.1f %q\n", value, b.Amount.Units(), b.Reason)
		}
	}
	fmt.Printf("%.1f used\n", total.Units())
	// Output:
	// 100: 0.0 "first"
	// 100.2: 0.2 ""
	// 100.4: 0.2 ""
	// 99999.9: 0.0 "implausible"
	// 100.8: 0.4 ""
	// 101: 0.2 ""
	// 101.2: 0.2 ""
	// 1.2 used
}
