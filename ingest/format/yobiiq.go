package format

import (
	"greencommunity/ingest"
)

// yobiiq reads the energy meters of Yobiiq: a number in the frame, a type and
// the value, most significant byte first. The time of the meter's log goes
// before the time of sending, since it is what the values are of.
type yobiiq struct{}

func newYobiiq(*Source) (Decoder, error) { return yobiiq{}, nil }

type yobiiqItem struct {
	size     int
	field    string
	quantity string
	channel  string
	unit     string
	divisor  float64
	signed   bool
}

var yobiiqItems = map[byte]yobiiqItem{
	0x00: {size: 4}, 0x01: {size: 4, field: "Timestamp"}, 0x03: {size: 4, field: "DataloggerTimestamp"},
	0x04: {size: 4, field: "ActiveEnergyImportL1T1", quantity: "energy_total", channel: "t1", unit: "Wh"},
	0x05: {size: 4, field: "ActiveEnergyImportL1T2", quantity: "energy_total", channel: "t2", unit: "Wh"},
	0x06: {size: 4, field: "ActiveEnergyExportL1T1", quantity: "energy_export_total", channel: "t1", unit: "Wh"},
	0x07: {size: 4, field: "ActiveEnergyExportL1T2", quantity: "energy_export_total", channel: "t2", unit: "Wh"},
	0x08: {size: 4, field: "ReactiveEnergyImportL1T1"}, 0x09: {size: 4, field: "ReactiveEnergyImportL1T2"},
	0x0a: {size: 4, field: "ReactiveEnergyExportL1T1"}, 0x0b: {size: 4, field: "ReactiveEnergyExportL1T2"},
	0x0c: {size: 4, field: "VoltageL1N", quantity: "voltage", unit: "V", divisor: 10, signed: true},
	0x10: {size: 4, field: "CurrentL1", quantity: "current", unit: "mA", signed: true},
	0x14: {size: 4, field: "ActivePowerL1", quantity: "active_power", unit: "W", signed: true},
	0x17: {size: 4, field: "ReactivePowerL1", quantity: "reactive_power", unit: "var", signed: true},
	0x1a: {size: 4, field: "ApparentPowerL1", quantity: "apparent_power", unit: "VA", signed: true},
	0x1d: {size: 1, field: "PowerFactorL1", quantity: "power_factor", divisor: 100, signed: true},
	0x20: {size: 2, field: "PhaseAngleL1"},
	0x23: {size: 2, field: "Frequency", quantity: "frequency", unit: "Hz", divisor: 100, signed: true},
	0x24: {size: 4, field: "TotalSystemActivePower"}, 0x25: {size: 4, field: "TotalSystemReactivePower"}, 0x26: {size: 4, field: "TotalSystemApparentPower"},
	0x27: {size: 4, field: "MaximumL1CurrentDemand"}, 0x2a: {size: 4, field: "AveragePower"}, 0x2b: {size: 4},
	0xf0: {size: 2}, 0xf1: {size: 2}, 0xf2: {size: 2},
}

func (yobiiq) Decode(in *Input, out *Output) error {
	data := applicationBytes(in)
	if in.Port > 10 {
		out.Ignored = "device information"
		return nil
	}
	first := len(out.Samples)
	var sent, logged int64
	for len(data) > 0 {
		var item yobiiqItem
		if len(data) >= 2 {
			item = yobiiqItems[data[1]]
		}
		if item.size == 0 || len(data) < 2+item.size {
			if len(out.Samples) == first {
				return ingest.Refuse(ingest.Malformed, "% X is no value of a Yobiiq meter", data[:min(len(data), 6)])
			}
			out.Refuse("", "end", ingest.Malformed, "% X at the end is no whole value", data[:min(len(data), 6)])
			break
		}
		var raw uint32
		for _, b := range data[2 : 2+item.size] {
			raw = raw<<8 | uint32(b)
		}
		kind := data[1]
		data = data[2+item.size:]
		switch {
		case kind == 0x01:
			sent = int64(raw) * 1e9
			continue
		case kind == 0x03:
			logged = int64(raw) * 1e9
			continue
		case item.field == "":
			continue
		}
		s := Sample{Field: item.field, Quantity: item.quantity, Channel: item.channel, Unit: item.unit, Value: float64(raw)}
		if item.signed {
			shift := 32 - 8*item.size
			s.Value = float64(int32(raw<<shift) >> shift)
		}
		if item.divisor != 0 {
			s.Value /= item.divisor
		}
		out.Samples = append(out.Samples, s)
	}
	if logged == 0 {
		logged = sent
	}
	for i := first; i < len(out.Samples); i++ {
		out.Samples[i].Time = logged
	}
	return nil
}
