package format

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"greencommunity/ingest"
)

// dlt645 reads frames of DL/T 645 from electricity meters, as raw bytes, hex or
// base64:
//
//	FE*  68  A0..A5  68  C  L  (DI0..DI3 data)+33h each  CS  16
//
// with the sum of all from the first 68 to the data as CS. FF in a data
// identifier is a block of several registers. Frames of 1997 have two bytes of
// identifier, and other numbers in C.
//
// The combined register (00000000: forward plus or minus reverse, as the meter is
// set) is energy_total of a meter whose forward register has never been seen,
// and energy_combined_total of others: under one name they would be a saw.
type dlt645 struct {
	frames  frameKind
	forward map[string]bool // meters whose forward register has been seen
}

// maxMeters bounds what frames can make us remember.
const maxMeters = 100_000

func newDLT645(*Source) (Decoder, error) {
	d := &dlt645{forward: map[string]bool{}}
	d.frames = frameKind{name: "DL/T 645", whole: wholeDLT645, read: dlt645Frame, begins: func(data []byte) bool {
		return len(data) >= 8 && data[0] == 0x68 && data[7] == 0x68
	}}
	return d, nil
}

func (d *dlt645) Decode(in *Input, out *Output) error {
	first := len(out.Samples)
	if err := d.frames.decode(in, out); err != nil {
		return err
	}
	samples, combined := out.Samples[first:], false
	for i := range samples {
		s := &samples[i]
		combined = combined || s.Quantity == combinedEnergy
		if s.Quantity == "energy_total" && !d.forward[s.Device] && len(d.forward) < maxMeters {
			d.forward[s.Device] = true
		}
	}
	for i := range samples {
		if s := &samples[i]; combined && s.Quantity == combinedEnergy && s.Value >= 0 && !d.forward[s.Device] {
			s.Field, s.Quantity = "energy_total", "energy_total"
		}
	}
	return nil
}

const combinedEnergy = "energy_combined_total"

// Save writes the meters whose forward register has been seen.
func (d *dlt645) Save() ([]byte, error) {
	if len(d.forward) == 0 {
		return nil, nil
	}
	return []byte(strings.Join(slices.Sorted(maps.Keys(d.forward)), " ")), nil
}

// Load reads them.
func (d *dlt645) Load(state []byte) error {
	for meter := range strings.FieldsSeq(string(state)) {
		d.forward[meter] = true
	}
	return nil
}

// LoadEarlier has nothing to read: earlier versions remembered none.
func (d *dlt645) LoadEarlier([]byte, string) error { return nil }

// dlt645Registers are the families of registers by DI3 and DI2: how wide a value
// is, its scale, and what DI1 counts.
var dlt645Registers = map[[2]byte]struct {
	quantity string
	bytes    int
	scale    float64 // divisor
	unit     string
	signed   bool
	channels string // t: tariffs, l: phases from 1, p: total and then phases
}{
	{0x00, 0x00}: {combinedEnergy, 4, 100, "kWh", true, "t"},
	{0x00, 0x01}: {"energy_total", 4, 100, "kWh", false, "t"},
	{0x00, 0x02}: {"energy_export_total", 4, 100, "kWh", false, "t"},
	{0x02, 0x01}: {"voltage", 2, 10, "V", false, "l"},
	{0x02, 0x02}: {"current", 3, 1000, "A", true, "l"},
	{0x02, 0x03}: {"active_power", 3, 10, "W", true, "p"},
	{0x02, 0x04}: {"reactive_power", 3, 10, "var", true, "p"},
	{0x02, 0x05}: {"apparent_power", 3, 10, "VA", true, "p"},
	{0x02, 0x06}: {"power_factor", 2, 1000, "ratio", true, "p"},
}

// wholeDLT645 is the length of the frame data begins with, its checksum right; 0
// where there is none.
func wholeDLT645(data []byte) int {
	if len(data) < 12 || data[0] != 0x68 || data[7] != 0x68 {
		return 0
	}
	n := int(data[9])
	if len(data) < 12+n || data[11+n] != 0x16 || sum(data[:10+n]) != data[10+n] {
		return 0
	}
	return 12 + n
}

// dlt645Frame reads the frame data begins with.
func dlt645Frame(_ *Input, data []byte, out *Output) error {
	if len(data) > 12 && data[0] == 0x68 && data[7] != 0x68 && data[len(data)-1] == 0x16 && int(data[1])|int(data[2]&0x3f)<<8 == len(data)-2 {
		return ingest.Refuse(ingest.NoReading, "a frame of DL/T 698.45, which is not read: set the meter or the concentrator to DL/T 645")
	}
	if len(data) < 12 || data[0] != 0x68 || data[7] != 0x68 {
		return ingest.Refuse(ingest.Malformed, "no frame of DL/T 645: 68, six bytes of address, 68, and at least 12 bytes")
	}
	control, length := data[8], int(data[9])
	if len(data) < 12+length {
		return ingest.Refuse(ingest.Malformed, "frame says %d bytes of data and has %d: it was cut, or sent in two messages", length, max(len(data)-12, 0))
	}
	if data[11+length] != 0x16 {
		return ingest.Refuse(ingest.Malformed, "frame does not end in 16 after %d bytes of data", length)
	}
	if want := sum(data[:10+length]); data[10+length] != want {
		return ingest.Refuse(ingest.Checksum, "checksum is %02X, the bytes make %02X", data[10+length], want)
	}
	device := address(data[1:7])
	var plain [256]byte
	body := plain[:length]
	for i := range body {
		body[i] = data[10+i] - 0x33
	}
	switch {
	case control&0x80 == 0:
		out.Ignored = "request to a meter"
		return nil
	case control&0x40 != 0:
		return ingest.Refuse(ingest.NoReading, "meter %s answers with an error", device)
	case control&0x1f == 0x01 || control&0x1f == 0x02:
		return dlt645Frame1997(device, body, out)
	case dlt645Answers[control&0x1f]:
		out.Ignored = "a meter's answer to a command"
		return nil
	case control&0x1f != 0x11 && control&0x1f != 0x12:
		return ingest.Refuse(ingest.NoReading, "control code %02X is none of a reply with data", control)
	case len(body) < 5:
		return ingest.Refuse(ingest.Malformed, "reply has %d bytes of data, less than 5", len(body))
	}
	if out.Explain != nil {
		out.Explain("DL/T 645 frame of meter %s, data identifier %02X%02X%02X%02X", device, body[3], body[2], body[1], body[0])
	}
	if body[3] == 0x02 && body[2] == 0x80 && body[1] == 0x00 && body[0] == 0x02 {
		if err := dlt645Value(Sample{Device: device, Quantity: "frequency", Unit: "Hz"}, body[4:], 2, 100, false, out); err != nil {
			return err
		}
		out.behind(device, "frequency", body[6:])
		return nil
	}
	register, ok := dlt645Registers[[2]byte{body[3], body[2]}]
	if !ok || body[0] != 0 {
		return ingest.Refuse(ingest.NoReading, "data identifier %02X%02X%02X%02X is not one we read", body[3], body[2], body[1], body[0])
	}
	index, values := int(body[1]), body[4:]
	count := 1
	if body[1] == 0xff {
		count = len(values) / register.bytes
		index = 0
		if register.channels == "l" {
			index = 1
		}
	}
	for i := range count {
		s := Sample{Device: device, Quantity: register.quantity, Unit: register.unit}
		if n := index + i; n > 0 {
			letter := "l"
			if register.channels == "t" {
				letter = "t"
			}
			s.Channel = letter + strconv.Itoa(n)
		}
		if err := dlt645Value(s, values, register.bytes, register.scale, register.signed, out); err != nil {
			return err
		}
		values = values[register.bytes:]
	}
	out.behind(device, register.quantity, values)
	return nil
}

// behind names the bytes of a meter's frame that stand behind a register, as its
// neighbour may that was asked for with it: nobody knows which it is. Where they are
// all FF, the meter has none.
func (o *Output) behind(device, quantity string, rest []byte) {
	if slices.ContainsFunc(rest, func(b byte) bool { return b != 0xff }) {
		o.Refuse(device, quantity+".behind", ingest.NoReading, "%d bytes behind %s are not read: %.40s", len(rest), quantity, hex.EncodeToString(rest))
	}
}

func dlt645Value(s Sample, data []byte, width int, scale float64, signed bool, out *Output) error {
	if len(data) < width {
		return ingest.Refuse(ingest.Malformed, "%s has %d bytes, want %d", s.Quantity, len(data), width)
	}
	var digits [4]byte
	copy(digits[:], data[:width])
	negative := signed && digits[width-1]&0x80 != 0 && data[width-1] != 0xff
	if negative {
		digits[width-1] &= 0x7f
	}
	value, unset, err := bcd(digits[:width])
	if unset || err != nil {
		return err
	}
	s.Field, s.Value = s.Quantity, float64(value)/scale
	if negative {
		s.Value = -s.Value
	}
	out.Samples = append(out.Samples, s)
	return nil
}

// dlt645Answers are the control codes of answers that carry no register: of time
// and address, freezing, speed, passwords, clearing, relays.
var dlt645Answers = [32]bool{
	0x03: true, 0x04: true, 0x08: true, 0x0a: true, 0x0c: true, 0x0f: true, 0x10: true, // of 1997
	0x13: true, 0x14: true, 0x15: true, 0x16: true, 0x17: true, 0x18: true, 0x19: true, 0x1a: true, 0x1b: true, 0x1c: true, 0x1d: true,
}

// dlt645Registers1997 are the registers of 1997 by the identifier's high byte and
// the upper half of its low one; the lower half counts tariffs or phases.
var dlt645Registers1997 = map[byte]map[byte]struct {
	quantity string
	bytes    int
	scale    float64
	unit     string
	channels string
}{
	0x90: {0x1: {"energy_total", 4, 100, "kWh", "t"}, 0x2: {"energy_export_total", 4, 100, "kWh", "t"}},
	0xb6: {
		0x1: {"voltage", 2, 1, "V", "l"}, 0x2: {"current", 2, 100, "A", "l"}, 0x3: {"active_power", 3, 10, "W", "l"},
		0x4: {"reactive_power", 2, 0.1, "var", "l"}, 0x5: {"power_factor", 2, 1000, "ratio", "l"},
	},
}

// dlt645Frame1997 reads the body of a reply of DL/T 645-1997: two bytes of
// identifier, then values.
func dlt645Frame1997(device string, body []byte, out *Output) error {
	if len(body) < 3 {
		return ingest.Refuse(ingest.Malformed, "reply of 1997 has %d bytes of data, less than 3", len(body))
	}
	high, low := body[1], body[0]
	if out.Explain != nil {
		out.Explain("DL/T 645-1997 frame of meter %s, data identifier %02X%02X", device, high, low)
	}
	register, ok := dlt645Registers1997[high][low>>4]
	index, values := int(low&15), body[2:]
	if !ok {
		return ingest.Refuse(ingest.NoReading, "data identifier %02X%02X of 1997 is not one we read", high, low)
	}
	count := 1
	if index == 15 {
		count, index = len(values)/register.bytes, 0
		if register.unit == "V" || register.unit == "A" {
			index = 1
		}
	}
	for i := range count {
		s := Sample{Device: device, Quantity: register.quantity, Unit: register.unit}
		if n := index + i; n > 0 {
			s.Channel = register.channels + strconv.Itoa(n)
		}
		if err := dlt645Value(s, values, register.bytes, register.scale, false, out); err != nil {
			return err
		}
		values = values[register.bytes:]
	}
	out.behind(device, register.quantity, values)
	return nil
}

// provesDLT645 finds a whole frame, after any wake-up bytes.
func provesDLT645(_ int, data []byte) Proof { return provesFrame(data, wholeDLT645) }
