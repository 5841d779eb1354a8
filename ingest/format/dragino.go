package format

import (
	"encoding/binary"

	"greencommunity/ingest"
)

// dragino reads door and leak sensors (LDS02, LWL02; port 10) and distance
// sensors (LDDS04 to LDDS75; port 2) of Dragino, most significant byte first.
type dragino struct{}

func newDragino(*Source) (Decoder, error) { return dragino{}, nil }

func (dragino) Decode(in *Input, out *Output) error {
	data := applicationBytes(in)
	if len(data) < 4 {
		return ingest.Refuse(ingest.Malformed, "%d bytes; at least 4", len(data))
	}
	head := binary.BigEndian.Uint16(data)
	out.Samples = append(out.Samples, Sample{Field: "BAT_V", Quantity: "battery_voltage", Unit: "V", Value: float64(head&0x3fff) / 1000})
	switch {
	case in.Port == 10 || in.Port == 0 && len(data) == 10:
		return draginoDoor(data, head, out)
	case in.Port == 2 || in.Port == 0 && len(data) == 8:
		return draginoDistance(data, out)
	}
	return ingest.Refuse(ingest.NoReading, "port %d with %d bytes is none we read: door and leak are 10, distance is 2", in.Port, len(data))
}

func draginoDoor(data []byte, head uint16, out *Output) error {
	mode := data[2]
	open := Sample{Field: "DOOR_OPEN_STATUS", Quantity: "door_open", Value: float64(head >> 15)}
	leak := Event{Type: "leak", Active: head&0x4000 != 0}
	if mode == 3 {
		out.Samples = append(out.Samples, open)
		if leak.Active {
			out.Events = append(out.Events, leak)
		}
		return nil
	}
	if len(data) < 9 {
		return ingest.Refuse(ingest.Malformed, "%d bytes; mode %d has at least 9", len(data), mode)
	}
	count := float64(uint32(data[3])<<16 | uint32(data[4])<<8 | uint32(data[5]))
	minutes := float64(uint32(data[6])<<16 | uint32(data[7])<<8 | uint32(data[8]))
	switch mode {
	case 1:
		out.Samples = append(out.Samples, open,
			Sample{Field: "DOOR_OPEN_TIMES", Quantity: "door_open_count_total", Unit: "1", Value: count},
			Sample{Field: "LAST_DOOR_OPEN_DURATION", Quantity: "door_open_duration_last", Unit: "min", Value: minutes})
		if len(data) > 9 && data[9]&1 != 0 {
			out.Events = append(out.Events, Event{Type: "door_held_open", Active: true})
		}
	case 2:
		out.Samples = append(out.Samples,
			Sample{Field: "WATER_LEAK_TIMES", Unit: "1", Value: count},
			Sample{Field: "LAST_WATER_LEAK_DURATION", Unit: "min", Value: minutes})
		out.Events = append(out.Events, leak)
	default:
		return ingest.Refuse(ingest.Malformed, "mode %d is none of 1 to 3", mode)
	}
	return nil
}

func draginoDistance(data []byte, out *Output) error {
	switch mm := binary.BigEndian.Uint16(data[2:]); mm {
	case 0:
		out.Refuse("", "Distance", ingest.BadValue, "distance 0: the sensor is not connected")
	case 20, 0xffff:
		out.Refuse("", "Distance", ingest.BadValue, "distance %d: nothing was measured", mm)
	default:
		out.Samples = append(out.Samples, Sample{Field: "Distance", Quantity: "fill_distance", Unit: "mm", Value: float64(mm)})
	}
	// A probe of temperature is an option; the last byte says which sensors are there.
	if len(data) >= 8 {
		if t := int16(binary.BigEndian.Uint16(data[5:])); t != 0 && t != 0x7fff {
			out.Samples = append(out.Samples, Sample{Field: "TempC_DS18B20", Quantity: "bin_temperature", Unit: "Cel", Value: float64(t) / 10})
		}
	}
	return nil
}
