package decode_test

import (
	"fmt"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
)

// A vendor's private JSON is described in the inventory; a Worker then turns its
// messages into readings, in the units the service keeps.
func ExampleWorker() {
	inv, err := inventory.Parse([]byte(`
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: bins-ltd
  unknown_devices: accept
  sources:
  - topic: "bins/{community}/up"
    format: json
    facility: waste
    json: {records: "data[*]", device: sn, time: [{path: ts, unit: ms}]}
    fields:
      h:    {quantity: fill_distance, unit: mm}
      temp: {quantity: bin_temperature, unit: degF}
`), time.UTC)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := decode.NewWorker(inv, inventory.NewRegistry(inv))
	at := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	for _, payload := range []string{
		`{"data":[{"sn":"bin-17","ts":1795852800000,"h":310,"temp":68}]}`,
		`{"data":[{"sn":"bin-17","ts":1795852800000,"h":"broken"}]}`,
	} {
		r := w.Decode(&ingest.Message{Topic: "bins/nancheng/up", Payload: []byte(payload), Received: at.UnixNano()})
		for _, reading := range r.Readings {
			fmt.Printf("%s %s = %g %s\n", reading.Device.ID, reading.Quantity.Name, reading.Value, reading.Quantity.Unit)
		}
		if r.Err != nil {
			fmt.Println("refused:", r.Err.Reason)
		}
	}
	// Output:
	// bin-17 fill_distance = 0.31 m
	// bin-17 bin_temperature = 20 Cel
	// refused: bad_value
}
