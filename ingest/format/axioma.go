package format

import (
	"encoding/binary"
	"time"

	"greencommunity/ingest"
)

// axioma reads Qalcosonic W1 water meters. Their long frame packs 23 hourly
// increments of 14 bits behind the register at the start of the day, so that
// each hour's register is known and is given its own time:
//
//	01  clock(4)  status(1)  register at the first hour in L(4)  23 x 14 bits, 6 bits of multiplier
//
// The frames without the leading 01 hold the registers now, and at the time of
// the log: clock status register [time register ...].
type axioma struct{}

func newAxioma(*Source) (Decoder, error) { return axioma{}, nil }

// axiomaStatus are the conditions of the status byte's three upper bits, which the
// maker gives their meaning. The lower ones are those of M-Bus (EN 13757-3) and
// independent: 4 is a low battery, 8 a permanent and 16 a temporary error.
var axiomaStatus = map[byte]string{
	0x20: "leak", 0x60: "backflow", 0x80: "low_temperature", 0xa0: "burst", 0xc0: "tamper",
}

// axiomaEvents are the conditions a status byte tells; known is whether all of it is understood.
func axiomaEvents(status byte) (kinds []string, known bool) {
	upper := status & 0xe0
	kind := axiomaStatus[upper]
	switch {
	case kind != "":
		kinds = append(kinds, kind)
	case upper == 0 && status&0x10 != 0:
		kinds = append(kinds, "dry")
	}
	if status&0x04 != 0 {
		kinds = append(kinds, "low_battery")
	}
	if status&0x08 != 0 {
		kinds = append(kinds, "meter_fault")
	}
	return kinds, (kind != "" || upper == 0) && status&0x03 == 0
}

const (
	axiomaHours = 23
	axiomaLong  = 10 + (axiomaHours*14+6+7)/8
)

func (axioma) Decode(in *Input, out *Output) error {
	data := applicationBytes(in)
	long := len(data) == axiomaLong && data[0] == 1
	if !long && len(data) != 9 && len(data) < 17 {
		return ingest.Refuse(ingest.Malformed, "%d bytes; frames of Qalcosonic W1 have 9, 47, 48 or %d", len(data), axiomaLong)
	}
	if long {
		data = data[1:]
	}
	clock := int64(binary.LittleEndian.Uint32(data))
	register := float64(binary.LittleEndian.Uint32(data[5:]))
	add := func(litres float64, at int64) {
		out.Samples = append(out.Samples, Sample{Field: "volume", Quantity: "water_volume_total", Unit: "L", Value: litres, Time: at * int64(time.Second)})
	}
	kinds, known := axiomaEvents(data[4])
	for _, kind := range kinds {
		out.Events = append(out.Events, Event{Type: kind, Active: true, Time: clock * int64(time.Second)})
	}
	if !known {
		out.Samples = append(out.Samples, Sample{Field: "status", Value: float64(data[4]), Time: clock * int64(time.Second)})
	}
	if !long {
		add(register, clock)
		if len(data) >= 17 {
			add(float64(binary.LittleEndian.Uint32(data[13:])), int64(binary.LittleEndian.Uint32(data[9:])))
		}
		return nil
	}
	packed := data[9:]
	bits := func(first, n int) (v uint32) {
		for i := range n {
			at := first + i
			v |= uint32(packed[at/8]>>(at%8)&1) << i
		}
		return v
	}
	if m := bits(axiomaHours*14, 6); m > 1 {
		return ingest.Refuse(ingest.Malformed, "increments are multiplied by %d, which we do not know how to read", m)
	}
	at := clock - clock%3600 - axiomaHours*3600
	add(register, at)
	for i := range axiomaHours {
		register += float64(bits(i*14, 14))
		at += 3600
		add(register, at)
	}
	if at != clock {
		add(register, clock)
	}
	return nil
}
