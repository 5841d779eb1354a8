package influx

import (
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
)

// Encoder turns readings and events into lines. It is used by
// one goroutine; its zero value is ready.
type Encoder struct {
	enc   lineprotocol.Encoder
	ready bool
}

// Reset empties the encoder, keeping its space.
func (e *Encoder) Reset() {
	if !e.ready {
		e.enc.SetPrecision(lineprotocol.Millisecond)
		// Measurements, keys and their order are ours; values of tags are checked
		// by the inventory, so that checking each line again finds nothing.
		e.enc.SetLax(true)
		e.ready = true
	}
	e.enc.Reset()
	e.enc.ClearErr()
}

// Bytes are the lines since Reset, each ending in a newline.
func (e *Encoder) Bytes() []byte { return e.enc.Bytes() }

// Err is the first error since Reset: a name or value that line protocol cannot hold.
func (e *Encoder) Err() error { return e.enc.Err() }

// Readings appends one line for each run of readings of one device, channel
// and time, and returns how many lines that was.
func (e *Encoder) Readings(readings []ingest.Reading) int {
	lines := 0
	for i := 0; i < len(readings); {
		r := &readings[i]
		e.series(string(r.Device.Facility), r.Device, r.Channel, "", "")
		for ; i < len(readings); i++ {
			next := &readings[i]
			if next.Device != r.Device || next.Channel != r.Channel || next.Time != r.Time {
				break
			}
			if next.Quantity.Kind == ingest.State {
				e.enc.AddField(next.Quantity.Name, lineprotocol.IntValue(int64(next.Value)))
			} else if v, ok := lineprotocol.FloatValue(next.Value); ok {
				e.enc.AddField(next.Quantity.Name, v)
			}
		}
		e.end(r.Time)
		lines++
	}
	return lines
}

// Events appends a line for each event.
func (e *Encoder) Events(events []ingest.Event) int {
	for i := range events {
		v := &events[i]
		e.series("events", v.Device, v.Channel, string(v.Device.Facility), v.Type)
		active := int64(0)
		if v.Active {
			active = 1
		}
		e.enc.AddField("active", lineprotocol.IntValue(active))
		// A line ends at a line break, in strings too as far as we count them.
		if code, ok := lineprotocol.StringValue(lineBreaks.Replace(v.Code)); ok && v.Code != "" {
			e.enc.AddField("code", code)
		}
		e.end(v.Time)
	}
	return len(events)
}

var lineBreaks = strings.NewReplacer("\n", " ", "\r", " ")

// series begins a line: measurement and tags, which line protocol wants in
// alphabetical order.
func (e *Encoder) series(measurement string, d *ingest.Device, channel, facility, eventType string) {
	e.enc.StartLine(measurement)
	tag := func(key, value string) {
		if value != "" {
			e.enc.AddTag(key, value)
		}
	}
	tag("channel", channel)
	tag("community", string(d.Community))
	tag("compound", string(d.Compound))
	tag("device", string(d.ID))
	tag("facility", facility)
	tag("stream", d.Stream)
	tag("type", eventType)
	tag("vendor", string(d.Vendor))
}

func (e *Encoder) end(unixNano int64) { e.enc.EndLine(time.Unix(0, unixNano)) }
