package decode

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// milesight reads the application payload of Milesight's LoRaWAN sensors: a
// channel, a type and a value of that type's length, little-endian, until the
// end. What a channel is depends a little on the product, which the device
// profile names; without one, what else is in the frame tells, or the frame is
// refused.
type milesight struct{}

func newMilesight(*inventory.Source) (Decoder, error) { return milesight{}, nil }

// milesightItem is how one channel and type are read.
type milesightItem struct {
	size     int
	field    string // the vendor's word
	quantity string
	unit     string
	divisor  float64
	signed   bool
	alarm    string // the last byte is an alarm of this type
}

// milesightItems are the values with one number, by channel and type.
var milesightItems = map[uint16]milesightItem{
	0x0175: {size: 1, field: "battery", quantity: "battery_level", unit: "%"},
	0x0367: {size: 2, field: "temperature", quantity: "temperature", unit: "Cel", divisor: 10, signed: true},
	0x8367: {size: 3, field: "temperature", quantity: "temperature", unit: "Cel", divisor: 10, signed: true, alarm: "temperature_threshold_alarm"},
	0x0468: {size: 1, field: "humidity", quantity: "humidity", unit: "%RH", divisor: 2},
	0x0382: {size: 2, field: "distance", quantity: "fill_distance", unit: "mm"},
	0x0482: {size: 2, field: "distance", quantity: "fill_distance", unit: "mm"},
	0x8382: {size: 3, field: "distance", quantity: "fill_distance", unit: "mm", alarm: "distance_threshold_alarm"},
	0x8482: {size: 3, field: "distance", quantity: "fill_distance", unit: "mm", alarm: "distance_threshold_alarm"},
	0x0377: {size: 2, field: "depth", quantity: "water_level", unit: "cm"},
	0x037b: {size: 2, field: "pressure", quantity: "water_pressure", unit: "kPa"},
	0x0394: {size: 4, field: "illuminance", quantity: "illuminance", unit: "lx"},
	0x05c8: {size: 4, field: "pulse", quantity: "pulse_count_total", unit: "1"},
	0x0374: {size: 2, field: "voltage", quantity: "voltage", unit: "V", divisor: 10},
	0x0480: {size: 4, field: "active_power", quantity: "active_power", unit: "W"},
	0x0581: {size: 1, field: "power_factor", quantity: "power_factor", unit: "%"},
	0x0683: {size: 4, field: "power_consumption", quantity: "energy_total", unit: "Wh"},
	0x07c9: {size: 2, field: "current", quantity: "current", unit: "mA"},
	0x057d: {size: 2, field: "co2", quantity: "co2", unit: "ppm"},
	0x077d: {size: 2, field: "co2", quantity: "co2", unit: "ppm"},
	0x0673: {size: 2, field: "pressure", quantity: "pressure", unit: "hPa", divisor: 10},
	0x0973: {size: 2, field: "pressure", quantity: "pressure", unit: "hPa", divisor: 10},
}

// milesightSizes are the lengths of what describes the device or answers a
// command and carries no reading.
var milesightSizes = map[uint16]int{
	0xff01: 1, 0xff09: 2, 0xff0a: 2, 0xffff: 2, 0xff16: 8, 0xff0f: 1, 0xfffe: 1, 0xff0b: 1, 0xff0d: 1, 0xff18: 1, 0xff2b: 1, 0x81ee: 1,
}

// milesightFrame is the state of reading one frame.
type milesightFrame struct {
	cursor
	profile string
	out     *Output
	bin     bool // a sensor in a bin
	people  bool // a people counter
	climate bool // measures temperature and humidity
	time    int64
}

func (milesight) Decode(in *Input, out *Output) error {
	data := applicationBytes(in)
	if len(data) < 3 {
		return ingest.Refuse(ingest.Malformed, "%d bytes; a channel, a type and a value are at least 3", len(data))
	}
	f := &milesightFrame{cursor: cursor{b: data}, profile: strings.ToLower(in.Profile), out: out}
	f.bin = strings.Contains(f.profile, "em400") || strings.Contains(f.profile, "em410")
	f.people = strings.Contains(f.profile, "vs3") || strings.Contains(f.profile, "vs1")
	f.climate = strings.Contains(f.profile, "em3")
	first, firstEvent := len(out.Samples), len(out.Events)
	described := false
	for len(f.b) > 0 {
		if len(f.b) < 3 {
			return ingest.Refuse(ingest.Malformed, "%d bytes at the end are no channel, type and value", len(f.b))
		}
		key := binary.BigEndian.Uint16(f.take(2))
		if size, ok := milesightSizes[key]; ok {
			f.take(size)
			described = true
			continue
		}
		if key>>8 >= 0xf8 { // an answer to a command goes to the end
			described = true
			break
		}
		known, err := f.item(key)
		if err != nil {
			return err
		}
		if f.short {
			return ingest.Refuse(ingest.Malformed, "channel %02X type %02X is cut off", key>>8, key&0xff)
		}
		if !known {
			if len(out.Samples) == first && len(out.Events) == firstEvent {
				return ingest.Refuse(ingest.Malformed, "channel %02X type %02X is not one we read", key>>8, key&0xff)
			}
			out.refuse("", "channel", ingest.Malformed, "channel %02X type %02X is not one we read, nor what follows it", key>>8, key&0xff)
			break
		}
	}
	for i := first; i < len(out.Samples); i++ {
		s := &out.Samples[i]
		if f.bin && s.Quantity == "temperature" {
			s.Quantity = "bin_temperature"
		}
		if s.Time == 0 && f.time != 0 {
			s.Time = f.time
		}
	}
	if described && len(out.Samples) == first && len(out.Events) == firstEvent {
		out.Ignored = "device information"
	}
	return nil
}

func (f *milesightFrame) add(s Sample) { f.out.Samples = append(f.out.Samples, s) }

func (f *milesightFrame) event(kind string, active bool) {
	f.out.Events = append(f.out.Events, Event{Type: kind, Active: active})
}

// count adds the two numbers of a people counter.
func (f *milesightFrame) count(at int64, in, out string) {
	f.people = true
	for _, name := range []string{in, out} {
		f.add(Sample{Field: name, Quantity: name, Unit: "1", Value: float64(f.u16()), Time: at})
	}
}

// item reads one value; it reports whether it knows what it is.
func (f *milesightFrame) item(key uint16) (bool, error) {
	if item, ok := milesightItems[key]; ok {
		f.number(item)
		return true, nil
	}
	switch key {
	case 0x0300: // contact of a door sensor
		f.add(Sample{Field: "magnet_status", Quantity: "door_open", Value: float64(f.u8() & 1)})
	case 0x0400:
		if f.u8() != 0 {
			f.event("tamper", true)
		}
	case 0x0600: // contact of EM300-MCS
		f.add(Sample{Field: "magnet_status", Quantity: "door_open", Value: float64(f.u8() & 1)})
	case 0x0500:
		v := f.u8()
		switch {
		case f.bin:
			f.add(Sample{Field: "position", Quantity: "bin_tilted", Value: float64(v & 1)})
		case strings.Contains(f.profile, "sld") || strings.Contains(f.profile, "zld"):
			f.event("leak", v != 0)
		default:
			f.add(Sample{Field: "gpio", Value: float64(v & 1)})
		}
	case 0x8500:
		f.add(Sample{Field: "gpio", Value: float64(f.u8() & 1)})
		f.event("gpio_alarm", f.u8() == 1)
	case 0x8800:
		f.event("tamper", f.u8() != 0)
	case 0x0870:
		f.add(Sample{Field: "socket_status", Quantity: "light_on", Value: float64(f.u8() & 1)})
	case 0x05e1, 0x85e1: // volume in the unit its owner set
		f.take(4)
		f.add(Sample{Field: "water", Value: float32Value(f.u32())})
		if key == 0x85e1 {
			f.waterAlarm(f.u8())
		}
	case 0x04cc, 0x84cc:
		f.count(0, "pass_in_total", "pass_out_total")
		if key == 0x84cc {
			f.event("total_count_alarm", f.u8() == 1)
		}
	case 0x05cc, 0x85cc:
		f.count(0, "pass_in", "pass_out")
		if key == 0x85cc {
			f.event("period_count_alarm", f.u8() == 1)
		}
	case 0x0aef:
		f.time = int64(f.u32()) * 1e9
	case 0x20ce:
		return true, f.history()
	case 0x21ce:
		f.climateHistory(true)
	default:
		return false, nil
	}
	return true, nil
}

func (f *milesightFrame) number(item milesightItem) {
	b := f.take(item.size)
	size := item.size
	if item.alarm != "" {
		size--
	}
	var raw uint32
	for i := size - 1; i >= 0; i-- {
		raw = raw<<8 | uint32(b[i])
	}
	s := Sample{Field: item.field, Quantity: item.quantity, Unit: item.unit, Value: float64(raw)}
	if item.signed {
		s.Value = float64(int16(raw))
	}
	if item.divisor != 0 {
		s.Value /= item.divisor
	}
	f.bin = f.bin || item.field == "distance"
	f.climate = f.climate || item.field == "humidity"
	f.add(s)
	if item.alarm != "" && !f.short {
		f.event(item.alarm, b[size] == 1)
	}
}

// history reads a record of EM300-DI or of VS350, which share a channel. A
// people counter's begins with 0 or 1 and would be an absurd temperature.
func (f *milesightFrame) history() error {
	if len(f.b) < 9 {
		f.short = true
		return nil
	}
	kind := f.b[4]
	counter := kind == 0 || kind == 1
	climate := len(f.b) >= 13 && f.b[6] <= 200 && (f.b[7] == 1 || f.b[7] == 2) && f.b[8] <= 1
	if climate {
		t := int16(binary.LittleEndian.Uint16(f.b[4:]))
		climate = t >= -400 && t <= 850
	}
	switch {
	case counter && (f.people || !f.climate && !climate):
		at := int64(f.u32()) * 1e9
		f.u8()
		f.count(at, "pass_in", "pass_out")
		if kind == 1 {
			f.count(at, "pass_in_total", "pass_out_total")
		}
	case climate && (f.climate || !counter):
		f.climateHistory(false)
	default:
		return ingest.Refuse(ingest.Malformed, "history record of an unknown product: name the device profile, such as em300-di or vs350")
	}
	return nil
}

// climateHistory reads a record of EM300-DI, in its first or second form.
func (f *milesightFrame) climateHistory(second bool) {
	f.climate = true
	at := int64(f.u32()) * 1e9
	f.add(Sample{Field: "temperature", Quantity: "temperature", Unit: "Cel", Value: float64(int16(f.u16())) / 10, Time: at})
	f.add(Sample{Field: "humidity", Quantity: "humidity", Unit: "%RH", Value: float64(f.u8()) / 2, Time: at})
	if second {
		f.u8() // alarm at that time
	}
	mode, gpio := f.u8(), f.u8()
	if second {
		f.take(4) // conversion
	}
	value := f.u32()
	switch {
	case mode == 1:
		f.add(Sample{Field: "gpio", Value: float64(gpio), Time: at})
	case mode == 2 && second:
		f.add(Sample{Field: "water", Value: float32Value(value), Time: at})
	case mode == 2:
		f.add(Sample{Field: "pulse", Quantity: "pulse_count_total", Unit: "1", Value: float64(value), Time: at})
	}
}

func (f *milesightFrame) waterAlarm(code byte) {
	switch code {
	case 1, 2:
		f.event("water_outage", code == 1)
	case 3, 4:
		f.event("leak", code == 3)
	}
}

// float32Value is the float's shortest decimal form, not its binary one.
func float32Value(bits uint32) float64 {
	v := math.Float32frombits(bits)
	if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
		return math.NaN()
	}
	f, _ := ParseNumber(strconv.FormatFloat(float64(v), 'g', -1, 32))
	return f
}
