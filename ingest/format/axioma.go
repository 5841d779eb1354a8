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

// axiomaStatus are the conditions a meter reports, by its status byte.
var axiomaStatus = map[byte]string{
	0x04: "low_battery", 0x08: "meter_fault", 0x10: "dry", 0x30: "leak", 0x70: "backflow", 0x90: "low_temperature", 0xb0: "burst", 0xd0: "tamper",
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
	if kind := axiomaStatus[data[4]]; kind != "" {
		out.Events = append(out.Events, Event{Type: kind, Active: true, Time: clock * int64(time.Second)})
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
