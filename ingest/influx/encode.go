package influx

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
)

// Encoder turns readings and events into lines. It is used by
// one goroutine; its zero value is ready.
//
// Readings are written here, byte by byte: that takes a third of the time that the
// library takes (BenchmarkEncode), which looks at each name and value several times
// for what line protocol escapes. A line with something to escape, and every event,
// is the library's.
type Encoder struct {
	enc   lineprotocol.Encoder
	ready bool
	buf   []byte
	err   error // the library's first since Reset
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
	e.buf, e.err = e.buf[:0], nil
}

// Bytes are the lines since Reset, each ending in a newline.
func (e *Encoder) Bytes() []byte { return e.buf }

// Err is the first error since Reset: a name or value that line protocol cannot hold.
func (e *Encoder) Err() error { return e.err }

// Readings appends one line for each run of readings of one device, channel
// and time, and returns how many lines that was.
func (e *Encoder) Readings(readings []ingest.Reading) int {
	lines := 0
	for i := 0; i < len(readings); lines++ {
		r := &readings[i]
		n := i + 1
		for n < len(readings) {
			next := &readings[n]
			if next.Device != r.Device || next.Channel != r.Channel || next.Time != r.Time {
				break
			}
			n++
		}
		if from := len(e.buf); !e.plain(readings[i:n]) {
			e.buf = e.buf[:from]
			e.escaped(readings[i:n])
		}
		i = n
	}
	return lines
}

// plain appends the line of readings of one device, channel and time; false where
// something of it is to be escaped, or there is nothing to write.
func (e *Encoder) plain(readings []ingest.Reading) bool {
	r := &readings[0]
	d := r.Device
	b, ok := appendPlain(e.buf, string(d.Facility))
	tag := func(key, value string) {
		if value != "" && ok {
			b = append(b, key...)
			b, ok = appendPlain(b, value)
		}
	}
	tag(",channel=", r.Channel)
	tag(",community=", string(d.Community))
	tag(",compound=", string(d.Compound))
	tag(",device=", string(d.ID))
	tag(",stream=", d.Stream)
	tag(",vendor=", string(d.Vendor))
	if !ok {
		return false
	}
	separator, fields := byte(' '), 0
	for i := range readings {
		next := &readings[i]
		v := next.Value
		state := next.Quantity.Kind == ingest.State
		if !state && (math.IsNaN(v) || math.IsInf(v, 0)) {
			continue
		}
		b = append(b, separator)
		if b, ok = appendPlain(b, next.Quantity.Name); !ok {
			return false
		}
		b = append(b, '=')
		if state {
			b = append(strconv.AppendInt(b, int64(v), 10), 'i')
		} else {
			b = appendFloat(b, v)
		}
		separator = ','
		fields++
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, r.Time/int64(time.Millisecond), 10)
	e.buf = append(b, '\n')
	return fields > 0
}

// special has the bytes that line protocol escapes or cannot hold in a name or the
// value of a tag.
var special = func() (table [256]bool) {
	for c := range 0x21 {
		table[c] = true
	}
	for _, c := range []byte(",=\\\"\x7f") {
		table[c] = true
	}
	return table
}()

// appendPlain appends a name or value in which nothing is special; else ok is false.
func appendPlain(b []byte, text string) (_ []byte, ok bool) {
	for i := range len(text) {
		if special[text[i]] {
			return b, false
		}
	}
	return append(b, text...), len(text) > 0
}

// appendFloat appends the shortest decimal that reads as v. What devices send are
// decimals of few places: where v is a whole number of 1, 1/10, 1/100 or 1/1000 with
// at most 15 digits, no shorter decimal and no other of that length reads as v.
func appendFloat(b []byte, v float64) []byte {
	if a := math.Abs(v); a >= 1e-3 && a < 1e6 || v == 0 && !math.Signbit(v) {
		for places, scale := range [...]float64{1, 10, 100, 1000} {
			whole := math.RoundToEven(v * scale)
			if whole/scale != v {
				continue
			}
			n := int64(whole)
			if n < 0 {
				b, n = append(b, '-'), -n
			}
			if places == 0 {
				return strconv.AppendInt(b, n, 10)
			}
			unit := int64(scale)
			b = append(strconv.AppendInt(b, n/unit, 10), '.')
			for rest := n % unit; unit > 1; rest %= unit {
				unit /= 10
				b = append(b, byte('0'+rest/unit))
			}
			return b
		}
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

// escaped appends such a line by the library.
func (e *Encoder) escaped(readings []ingest.Reading) {
	r := &readings[0]
	e.series(string(r.Device.Facility), r.Device, r.Channel, "", "")
	for i := range readings {
		next := &readings[i]
		if next.Quantity.Kind == ingest.State {
			e.enc.AddField(next.Quantity.Name, lineprotocol.IntValue(int64(next.Value)))
		} else if v, ok := lineprotocol.FloatValue(next.Value); ok {
			e.enc.AddField(next.Quantity.Name, v)
		}
	}
	e.end(r.Time)
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
	e.enc.SetBuffer(e.buf)
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

func (e *Encoder) end(unixNano int64) {
	e.enc.EndLine(time.Unix(0, unixNano))
	e.buf = e.enc.Bytes()
	if err := e.enc.Err(); err != nil && e.err == nil {
		e.err = err
	}
}
