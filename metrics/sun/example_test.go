package sun_test

import (
	"fmt"
	"time"

	"greencommunity/metrics/sun"
)

// When lamps burn at 34.75° N, 106.13° E: from civil dusk to civil dawn.
func ExampleNight() {
	zone := time.FixedZone("", 8*3600)
	begin, end, ok := sun.Night(time.Date(2026, 12, 21, 0, 0, 0, 0, zone), 34.75, 106.13, -6)
	fmt.Println(begin.In(zone).Format("15:04"), end.In(zone).Format("15:04"), ok)
	// Output: 18:16 07:31 true
}
