package format

import (
	"strconv"

	"greencommunity/ingest"
)

// dlt645 reads frames of DL/T 645-2007 from electricity meters, as raw bytes,
// hex or base64:
//
//	FE*  68  A0..A5  68  C  L  (DI0..DI3 data)+33h each  CS  16
//
// with the sum of all from the first 68 to the data as CS. FF in a data
// identifier is a block of several registers.
type dlt645 struct{}

func newDLT645(*Source) (Decoder, error) { return dlt645{}, nil }

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
	{0x00, 0x00}: {"energy_total", 4, 100, "kWh", true, "t"},
	{0x00, 0x01}: {"energy_total", 4, 100, "kWh", false, "t"},
	{0x00, 0x02}: {"energy_export_total", 4, 100, "kWh", false, "t"},
	{0x02, 0x01}: {"voltage", 2, 10, "V", false, "l"},
	{0x02, 0x02}: {"current", 3, 1000, "A", true, "l"},
	{0x02, 0x03}: {"active_power", 3, 10, "W", true, "p"},
	{0x02, 0x04}: {"reactive_power", 3, 10, "var", true, "p"},
	{0x02, 0x05}: {"apparent_power", 3, 10, "VA", true, "p"},
	{0x02, 0x06}: {"power_factor", 2, 1000, "ratio", true, "p"},
}

func (dlt645) Decode(in *Input, out *Output) error {
	data := unwrap645(frameBytes(in.Payload))
	for first := true; ; first = false {
		for len(data) > 0 && data[0] == 0xfe {
			data = data[1:]
		}
		if first && len(data) > 0 && data[0] != 0x68 {
			if from := frameStart(data, wholeDLT645); from > 0 {
				out.Explainf("%d bytes before the frame are the modem's", from)
				data = data[from:]
			}
		}
		if !first && (len(data) < 12 || data[0] != 0x68) {
			return nil // what follows the last frame is filling
		}
		err := dlt645Frame(data, out)
		if err != nil {
			if first {
				return err
			}
			r := ingest.AsRefusal(err) // the frames before it stand
			out.Refuse("", "frame", r.Reason, "%s", r.Detail)
			return nil
		}
		data = data[12+int(data[9]):]
	}
}

// unwrap645 takes the meter's frame out of the one a concentrator wraps it in
// (Q/GDW 376.1: 68 length length 68 ... 16), where there is one whose checksum
// is right.
func unwrap645(data []byte) []byte {
	if len(data) < 20 || data[0] != 0x68 || data[5] != 0x68 || data[1] != data[3] || data[2] != data[4] {
		return data
	}
	for i := 6; i+12 <= len(data); i++ {
		if frame := data[i:]; wholeDLT645(frame) {
			return frame[:12+int(frame[9])]
		}
	}
	return data
}

// wholeDLT645 reports whether data begins with a whole frame, its checksum right.
func wholeDLT645(data []byte) bool {
	if len(data) < 12 || data[0] != 0x68 || data[7] != 0x68 {
		return false
	}
	n := int(data[9])
	return len(data) >= 12+n && data[11+n] == 0x16 && sum(data[:10+n]) == data[10+n]
}

// dlt645Frame reads the frame data begins with.
func dlt645Frame(data []byte, out *Output) error {
	if len(data) < 12 || data[0] != 0x68 || data[7] != 0x68 {
		return ingest.Refuse(ingest.Malformed, "no frame of DL/T 645: 68, six bytes of address, 68, and at least 12 bytes")
	}
	control, length := data[8], int(data[9])
	if len(data) < 12+length {
		return ingest.Refuse(ingest.Malformed, "frame says %d bytes of data and has %d", length, len(data)-12)
	}
	if data[11+length] != 0x16 {
		return ingest.Refuse(ingest.Malformed, "frame does not end in 16 after %d bytes of data", length)
	}
	if want := sum(data[:10+length]); data[10+length] != want {
		return ingest.Refuse(ingest.Checksum, "checksum is %02X, the bytes make %02X", data[10+length], want)
	}
	device := address(data[1:7])
	body := make([]byte, length)
	for i := range body {
		body[i] = data[10+i] - 0x33
	}
	switch {
	case control&0x80 == 0:
		out.Ignored = "request to a meter"
		return nil
	case control&0x40 != 0:
		return ingest.Refuse(ingest.NoReading, "meter %s answers with an error", device)
	case control&0x1f != 0x11 && control&0x1f != 0x12:
		out.Ignored = "not a reply with data"
		return nil
	case len(body) < 5:
		return ingest.Refuse(ingest.Malformed, "reply has %d bytes of data, less than 5", len(body))
	}
	if out.Explain != nil {
		out.Explain("DL/T 645 frame of meter %s, data identifier %02X%02X%02X%02X", device, body[3], body[2], body[1], body[0])
	}
	if body[3] == 0x02 && body[2] == 0x80 && body[1] == 0x00 && body[0] == 0x02 {
		return dlt645Value(Sample{Device: device, Quantity: "frequency", Unit: "Hz"}, body[4:], 2, 100, false, out)
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
	return nil
}

func dlt645Value(s Sample, data []byte, bytes int, scale float64, signed bool, out *Output) error {
	if len(data) < bytes {
		return ingest.Refuse(ingest.Malformed, "%s has %d bytes, want %d", s.Quantity, len(data), bytes)
	}
	var digits [4]byte
	copy(digits[:], data[:bytes])
	negative := signed && digits[bytes-1]&0x80 != 0 && data[bytes-1] != 0xff
	if negative {
		digits[bytes-1] &= 0x7f
	}
	value, unset, err := bcd(digits[:bytes])
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

// provesDLT645 finds a whole frame, after any wake-up bytes.
func provesDLT645(_ int, data []byte) Proof { return provesFrame(data, wholeDLT645) }
