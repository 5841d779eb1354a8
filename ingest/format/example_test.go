package format_test

import (
	"fmt"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// A format turns a payload into samples in the vendor's words. It knows no
// inventory: what the words mean is for package decode.
func ExampleDecoder() {
	source := &format.Source{Format: "zigbee2mqtt"}
	decoder, err := format.Formats["zigbee2mqtt"].New(source)
	if err != nil {
		fmt.Println(err)
		return
	}
	in := &format.Input{Source: source, Message: &ingest.Message{Topic: "zigbee2mqtt/lamp-7", Payload: []byte(`{"state":"ON","power":41.5}`)}}
	var out format.Output
	if err := decoder.Decode(in, &out); err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range out.Samples {
		if s.IsText {
			fmt.Println(s.Field, s.Text)
		} else {
			fmt.Println(s.Field, s.Value)
		}
	}
	// Output:
	// state ON
	// power 41.5
}
