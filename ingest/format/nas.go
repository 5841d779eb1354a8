package format

import (
	"fmt"
	"math"

	"greencommunity/ingest"
)

// nasLuminaire reads the luminaire controllers of NAS, firmware 1.1: status on
// port 23, usage on port 26, alerts on port 61. A controller drives several
// addresses (DALI, 0-10 V), which are channels. FF is "not available", and a
// clock before 2015 was never set.
type nasLuminaire struct{}

func newNASLuminaire(*Source) (Decoder, error) { return nasLuminaire{}, nil }

func (nasLuminaire) Decode(in *Input, out *Output) error {
	data := applicationBytes(in)
	if len(data) == 0 {
		return ingest.Refuse(ingest.Malformed, "payload is empty")
	}
	switch in.Port {
	case 23:
		return nasStatus(data, out)
	case 26:
		return nasUsage(data, out)
	case 61:
		return nasAlert(data, out)
	case 0: // not known: an alert says so, and else what reads as one of the two to its last byte
		if data[0]&0xf0 == 0x80 {
			return nasAlert(data, out)
		}
		samples, events := len(out.Samples), len(out.Events)
		if err := nasStatus(data, out); err == nil {
			return nil
		}
		out.Samples, out.Events = out.Samples[:samples], out.Events[:events]
		return nasUsage(data, out)
	case 49, 50, 51, 60, 99:
		out.Ignored = "configuration or boot"
		return nil
	}
	return ingest.Refuse(ingest.NoReading, "port %d is none of 23, 26 and 61, which firmware 1.1 reports on", in.Port)
}

// nasAddress names what a controller drives; "" is its own measurement.
func nasAddress(a byte) (string, error) {
	switch {
	case a == 0x01:
		return "analog_0_10v", nil
	case a == 0xfe:
		return "dali_broadcast", nil
	case a == 0xff:
		return "", nil
	case a&1 != 0:
		return "", ingest.Refuse(ingest.Malformed, "%02X is no address of a luminaire", a)
	case a&0x80 != 0:
		return fmt.Sprintf("dali_group_%d", a>>1&0xf), nil
	}
	return fmt.Sprintf("dali_single_%d", a>>1&0x3f), nil
}

const nasEpoch = 1420070400 // 2015-01-01, before which a clock was never set

func nasStatus(data []byte, out *Output) error {
	c := &cursor{b: data}
	header := c.u8()
	if header > 1 {
		return ingest.Refuse(ingest.Malformed, "status begins with %02X; want 00 or 01", header)
	}
	var at int64
	if epoch := c.u32(); epoch >= nasEpoch {
		at = int64(epoch) * 1e9
	}
	event := func(kind, channel string, set bool) {
		if set {
			out.Events = append(out.Events, Event{Type: kind, Channel: channel, Active: true, Time: at})
		}
	}
	bits := c.u8()
	if header == 1 {
		c.u8() // outputs
	}
	c.take(2) // downlink's strength
	out.Samples = append(out.Samples, Sample{Field: "mcu_temperature", Quantity: "controller_temperature", Unit: "Cel", Value: float64(c.i8()), Time: at})
	alerts := header == 1
	if header == 0 {
		more := c.u8()
		if more&2 != 0 {
			out.Samples = append(out.Samples, Sample{Field: "ldr_input", Value: float64(c.u8()), Time: at})
		}
		alerts = more&0x10 != 0
	}
	event("dali_connection_error", "", bits&0x02 != 0)
	event("metering_com_error", "", bits&0x20 != 0)
	event("ext_rtc_warning", "", bits&0x40 != 0)
	if alerts {
		a := c.u8()
		event("voltage_alert_in_24h", "", a&0x10 != 0)
		event("lamp_error_alert_in_24h", "", a&0x20 != 0)
		event("power_alert_in_24h", "", a&0x40 != 0)
		event("power_factor_alert_in_24h", "", a&0x80 != 0)
	}
	if header == 1 {
		if err := nasSensors(c, at, out); err != nil {
			return err
		}
	}
	for len(c.b) > 0 {
		address, reason, level, status := c.u8(), c.u8(), c.u8(), c.u8()
		channel, err := nasAddress(address)
		if err != nil {
			return err
		}
		if level > 100 && level != 0xff {
			return ingest.Refuse(ingest.Malformed, "%s is dimmed to %d %%", channel, level)
		}
		event("relay_off", channel, reason == 245)
		event("driver_not_found", channel, reason == 246)
		if status != 0xff {
			event("control_gear_failure", channel, status&1 != 0)
			event("lamp_fault", channel, status&2 != 0)
		}
		if level == 0xff {
			continue
		}
		out.Samples = append(out.Samples, Sample{Field: "dimming_level", Quantity: "light_level", Unit: "%", Value: float64(level), Channel: channel, Time: at})
		// A lamp that is dimmed up and not said to be lit has not been asked.
		if lit := status != 0xff && status&4 != 0; lit || level == 0 {
			s := Sample{Field: "lamp_on", Quantity: "light_on", IsBool: true, Channel: channel, Time: at}
			if lit {
				s.Value = 1
			}
			out.Samples = append(out.Samples, s)
		}
	}
	if c.short {
		return ingest.Refuse(ingest.Malformed, "status is cut off")
	}
	return nil
}

// nasSensors reads the sensors of a status, which are as long as their first
// byte says. One of a kind that is not known ends them.
func nasSensors(c *cursor, at int64, out *Output) error {
	n := int(c.u8())
	if n > len(c.b) {
		return ingest.Refuse(ingest.Malformed, "sensors of %d bytes; %d are left", n, len(c.b))
	}
	s := &cursor{b: c.b[:n]}
	c.b = c.b[n:]
	for len(s.b) > 0 {
		switch kind := s.u8(); kind {
		case 1:
			out.Samples = append(out.Samples, Sample{Field: "ldr_input", Value: float64(s.u8()), Time: at})
		case 2, 3:
			channel := ""
			if kind == 3 {
				channel = "d4i"
			}
			if raw := s.u16(); raw != 0xffff {
				out.Samples = append(out.Samples, Sample{Field: "light_sensor", Quantity: "illuminance", Unit: "lx", Value: nasLux(raw), Channel: channel, Time: at})
			}
		case 4:
			out.Samples = append(out.Samples, Sample{Field: "dig_input_1_on", IsBool: true, Value: float64(s.u8() & 1), Time: at})
		case 8:
			if tilt := s.u8(); tilt != 0xff {
				out.Samples = append(out.Samples, Sample{Field: "tilt_sensor", Unit: "deg", Value: float64(tilt), Time: at})
			}
		default:
			return nil
		}
	}
	if s.short {
		return ingest.Refuse(ingest.Malformed, "sensors are cut off")
	}
	return nil
}

// nasLux is a logarithm, 4000 a decade from 1 mlx, given with four digits.
func nasLux(raw uint16) float64 {
	lx := math.Pow(10, float64(raw&0x7fff)/4000) / 1000
	digits := math.Pow(10, 3-math.Trunc(min(max(math.Log10(lx), 0), 3)))
	return math.Round(lx*digits) / digits
}

func nasUsage(data []byte, out *Output) error {
	c := &cursor{b: data}
	if header := c.u8(); header != 0 {
		return ingest.Refuse(ingest.Malformed, "usage begins with %02X; want 00", header)
	}
	for len(c.b) > 0 {
		channel, err := nasAddress(c.u8())
		if err != nil {
			return err
		}
		add := func(field, quantity, unit string, value float64) {
			out.Samples = append(out.Samples, Sample{Field: field, Quantity: quantity, Unit: unit, Value: value, Channel: channel})
		}
		bits := c.u8()
		if bits&0x01 != 0 {
			add("active_energy", "energy_total", "Wh", float64(c.u32()))
		}
		if bits&0x02 != 0 {
			add("active_power", "active_power", "W", float64(c.u16()))
		}
		// The load's side is behind the driver: no second meter of the mains.
		if bits&0x04 != 0 {
			add("load_side_energy", "", "Wh", float64(c.u32()))
		}
		if bits&0x08 != 0 {
			add("load_side_power", "", "W", float64(c.u16()))
		}
		if bits&0x10 != 0 {
			if pf := c.u8(); pf != 0xff {
				add("power_factor", "power_factor", "ratio", float64(pf)/100)
			}
		}
		if bits&0x20 != 0 {
			add("mains_voltage", "voltage", "V", float64(c.u8()))
		}
		if bits&0x40 != 0 {
			add("driver_operating_time", "", "s", float64(c.u32()))
		}
		if bits&0x80 != 0 {
			add("lamp_on_time", "lamp_on_time_total", "s", float64(c.u32()))
		}
	}
	if c.short {
		return ingest.Refuse(ingest.Malformed, "usage is cut off")
	}
	return nil
}

// nasAlert reads what a controller reports at once.
func nasAlert(data []byte, out *Output) error {
	c := &cursor{b: data}
	kind, bits := c.u8(), c.u8()
	switch kind {
	case 0x84:
	case 0x83: // drivers, an address and its status each
		for len(c.b) > 0 && !c.short {
			address, status := c.u8(), c.u8()
			channel, err := nasAddress(address)
			if err != nil {
				return err
			}
			for i, name := range []string{"control_gear_failure", "lamp_fault"} {
				if status>>i&1 != 0 && status != 0xff {
					out.Events = append(out.Events, Event{Type: name, Channel: channel, Active: true})
				}
			}
		}
		if c.short {
			return ingest.Refuse(ingest.Malformed, "alert is cut off")
		}
		out.Ignored = "notification" // unless one of them is out of order
		return nil
	default:
		out.Ignored = "notification"
		return nil
	}
	power, voltage, pf := c.u16(), c.u16(), c.u8()
	if c.short {
		return ingest.Refuse(ingest.Malformed, "alert is cut off")
	}
	for i, name := range []string{"lamp_fault", "over_current", "under_voltage", "over_voltage", "low_power_factor"} {
		if bits>>i&1 != 0 {
			out.Events = append(out.Events, Event{Type: name, Active: true})
		}
	}
	out.Samples = append(out.Samples,
		Sample{Field: "power", Quantity: "active_power", Unit: "W", Value: float64(power)},
		Sample{Field: "voltage", Quantity: "voltage", Unit: "V", Value: float64(voltage)})
	if pf != 0xff {
		out.Samples = append(out.Samples, Sample{Field: "power_factor", Quantity: "power_factor", Unit: "ratio", Value: float64(pf) / 100})
	}
	return nil
}

// nasWaterMeter reads the water and gas meter modules of NAS: CM30xx (usage
// begins with 04) and the pulse inputs of UM30xx (02, or 82 with its status).
type nasWaterMeter struct{}

func newNASWaterMeter(*Source) (Decoder, error) { return nasWaterMeter{}, nil }

func (nasWaterMeter) Decode(in *Input, out *Output) error {
	data := applicationBytes(in)
	if len(data) == 0 {
		return ingest.Refuse(ingest.Malformed, "payload is empty")
	}
	switch in.Port {
	case 0, 24, 25:
	default:
		out.Ignored = "configuration or boot"
		return nil
	}
	first := len(out.Samples)
	c := &cursor{b: data}
	var serial uint32
	var err error
	switch header := c.u8(); header {
	case 0x04:
		serial, err = nasModule(c, out)
	case 0x02, 0x82:
		err = nasPulses(c, header == 0x82, out)
	default:
		err = ingest.Refuse(ingest.Malformed, "begins with %02X; usage is 04, 02 or 82", header)
	}
	switch {
	case err != nil:
		return err
	case c.short:
		return ingest.Refuse(ingest.Malformed, "usage is cut off")
	}
	if serial != 0 && serial != 0xffffffff && in.Inner != nil { // on its own, the meter is the device
		name := fmt.Sprintf("%08X", serial)
		for i := first; i < len(out.Samples); i++ {
			out.Samples[i].Device = name
		}
		for i := range out.Events {
			out.Events[i].Device = name
		}
	}
	return nil
}

// nasModule reads the usage of a CM30xx; it returns the meter's serial number.
func nasModule(c *cursor, out *Output) (uint32, error) {
	alerts := c.u8()
	for i, name := range []string{"backflow", "broken_pipe", "leak", "tamper", "temperature", "low_battery", "no_usage"} {
		if alerts>>i&1 != 0 {
			out.Events = append(out.Events, Event{Type: name, Active: true})
		}
	}
	status, form := c.u8(), c.u8()
	exponent, medium, unit := int(form&7), form>>3&3, form>>5&3
	if exponent < 3 || unit == 3 || medium == 3 {
		return 0, ingest.Refuse(ingest.Malformed, "%02X is no multiplier, medium and unit", form)
	}
	c.u8() // how old the reading is
	volume := float64(c.u32())
	if exponent >= 6 {
		volume *= math.Pow10(exponent - 6)
	} else {
		volume /= math.Pow10(6 - exponent)
	}
	s := Sample{Field: "meter_accumulated_volume", Quantity: "water_volume_total", Unit: []string{"m3", "gal", "ft3"}[unit], Value: volume}
	if medium == 2 {
		s.Field, s.Quantity = "gas_volume", ""
	}
	if status == 0 {
		out.Samples = append(out.Samples, s)
	} else {
		out.Events = append(out.Events, Event{Type: "meter_fault", Active: true, Code: fmt.Sprint(status)})
		out.Refuse("", s.Field, ingest.BadValue, "the module does not reach its meter (status %d)", status)
	}
	if form&0x80 != 0 {
		c.take(2) // day of the reading
	}
	if c.u8()&2 == 0 {
		return 0, nil
	}
	nasBattery(c, out)
	return c.u32(), nil
}

// nasBattery reads the status of the module itself.
func nasBattery(c *cursor, out *Output) {
	c.u8() // years left
	out.Samples = append(out.Samples, Sample{Field: "battery_voltage", Quantity: "battery_voltage", Unit: "V", Value: float64(int(c.u8())+150) / 100})
	out.Samples = append(out.Samples, Sample{Field: "internal_temperature", Quantity: "temperature", Unit: "Cel", Value: float64(c.i8())})
	c.take(3) // extremes, the downlink's strength
}

// nasPulses reads the counters of a UM30xx.
func nasPulses(c *cursor, status bool, out *Output) error {
	alerts := c.u8()
	for bit, name := range map[byte]string{0x01: "pulse_1_trigger", 0x02: "pulse_2_trigger", 0x40: "low_battery"} {
		if alerts&bit != 0 {
			out.Events = append(out.Events, Event{Type: name, Active: true})
		}
	}
	if status {
		nasBattery(c, out)
	}
	c.u8() // how old the reading is
	sent := c.u8()
	for i := range 2 {
		if sent>>i&1 == 0 {
			continue
		}
		form := c.u8()
		s := Sample{Field: fmt.Sprintf("pulse_%d", i+1), Channel: fmt.Sprintf("pulse_%d", i+1), Value: float64(c.u32()) * math.Pow10(int(form>>2&3))}
		switch form >> 4 {
		case 0, 1:
			s.Quantity, s.Unit = "pulse_count_total", "1"
		case 2:
			s.Quantity, s.Unit = "water_volume_total", "L"
		case 3:
			s.Quantity, s.Unit = "energy_total", "Wh"
		case 4:
			s.Field, s.Unit = "gas_volume", "L"
		default:
			return ingest.Refuse(ingest.Malformed, "input %d counts %d, which is none of 0 to 4", i+1, form>>4)
		}
		if form&2 != 0 {
			c.u32() // the meter's serial number
		}
		out.Samples = append(out.Samples, s)
	}
	return nil
}
