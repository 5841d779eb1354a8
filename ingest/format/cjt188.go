package format

import (
	"time"

	"greencommunity/ingest"
)

// cjt188 reads frames of CJ/T 188 (2004, 2018) from water meters, as raw bytes,
// hex or base64:
//
//	FE*  68  T  A0..A6  C  L  DI0 DI1 SER data  CS  16
//
// with the sum of all from 68 to the data as CS. The reply to "read meter data"
// (901F) is total, settlement, clock and status; its order of the two bytes of
// DI is seen both ways.
type cjt188 struct{}

func newCJT188(*Source) (Decoder, error) { return cjt188{}, nil }

// Units of CJ/T 188, of volumes.
var cjt188Units = map[byte]string{0x29: "L", 0x2c: "m3"}

func (cjt188) Decode(in *Input, out *Output) error {
	data := frameBytes(in.Payload)
	for first := true; ; first = false {
		for len(data) > 0 && data[0] == 0xfe {
			data = data[1:]
		}
		if first && len(data) > 0 && data[0] != 0x68 {
			if from := frameStart(data, wholeCJT188); from > 0 {
				out.Explainf("%d bytes before the frame are the modem's", from)
				data = data[from:]
			}
		}
		if !first && (len(data) < 13 || data[0] != 0x68) {
			return nil // what follows the last frame is filling
		}
		n, err := cjt188Frame(in, data, out)
		if err != nil {
			if first {
				return err
			}
			r := ingest.AsRefusal(err) // the frames before it stand
			out.Refuse("", "frame", r.Reason, "%s", r.Detail)
			return nil
		}
		data = data[n:]
	}
}

// wholeCJT188 reports whether data begins with a whole frame, its checksum right.
func wholeCJT188(data []byte) bool {
	if len(data) < 13 || data[0] != 0x68 {
		return false
	}
	n := int(data[10])
	return len(data) >= 13+n && data[12+n] == 0x16 && sum(data[:11+n]) == data[11+n]
}

// cjt188Frame reads the frame data begins with; it returns its length.
func cjt188Frame(in *Input, data []byte, out *Output) (int, error) {
	if len(data) < 13 || data[0] != 0x68 {
		return 0, ingest.Refuse(ingest.Malformed, "no frame of CJ/T 188: it begins with 68 and has at least 13 bytes")
	}
	kind, control, length := data[1], data[9], int(data[10])
	if len(data) < 13+length {
		return 0, ingest.Refuse(ingest.Malformed, "frame says %d bytes of data and has %d", length, len(data)-13)
	}
	if data[12+length] != 0x16 {
		return 0, ingest.Refuse(ingest.Malformed, "frame does not end in 16 after %d bytes of data", length)
	}
	if want := sum(data[:11+length]); data[11+length] != want {
		return 0, ingest.Refuse(ingest.Checksum, "checksum is %02X, the bytes make %02X", data[11+length], want)
	}
	device, body := address(data[2:9]), data[11:11+length]
	if out.Explain != nil {
		out.Explain("CJ/T 188 frame of meter %s, type %02X, control %02X", device, kind, control)
	}
	switch {
	case control&0x80 == 0:
		out.Ignored = "request to a meter"
		return 13 + length, nil
	case control&0x40 == 0 && control&0x3f != 0x01: // addresses, keys, valves
		out.Ignored = "not a reply with meter data"
		return 13 + length, nil
	case control&0x40 != 0:
		return 0, ingest.Refuse(ingest.NoReading, "meter %s answers with an error", device)
	case kind < 0x10 || kind > 0x19:
		return 0, ingest.Refuse(ingest.NoReading, "meter type %02X is no water meter", kind)
	case len(body) < 2 || !(body[0] == 0x90 && body[1] == 0x1f || body[0] == 0x1f && body[1] == 0x90):
		return 0, ingest.Refuse(ingest.NoReading, "data identifier is not 901F, read meter data")
	}
	base := Sample{Device: device}
	if len(body) == 9 { // the short reply: total and status, of a register in m3
		value, unset, err := bcd(body[3:7])
		if err != nil {
			return 0, err
		}
		if !unset {
			base.Field, base.Quantity, base.Unit, base.Value = "water_volume_total", "water_volume_total", "m3", float64(value)/100
			out.Samples = append(out.Samples, base)
		}
		return 13 + length, nil
	}
	if len(body) < 13 {
		return 0, ingest.Refuse(ingest.Malformed, "reply to 901F has %d bytes of data; want 9, or 13 and more", len(body))
	}
	if len(body) >= 20 {
		base.Time = cjt188Clock(body[13:20], in.Zone())
	}
	for i, quantity := range []string{"water_volume_total", "water_volume_billing"} {
		field := body[3+5*i : 8+5*i]
		unit, known := cjt188Units[field[4]]
		value, unset, err := bcd(field[:4])
		switch {
		case err != nil && i == 0:
			return 0, err
		case err != nil: // the register stands without its settlement
			r := ingest.AsRefusal(err)
			out.Refuse(device, quantity, r.Reason, "%s", r.Detail)
			continue
		case unset:
			if out.Explain != nil {
				out.Explain("%s: FF, which the meter does not have", quantity)
			}
			continue
		case !known && i == 0:
			return 0, ingest.Refuse(ingest.BadUnit, "unit %02X of %s is no volume", field[4], quantity)
		case !known:
			out.Refuse(device, quantity, ingest.BadUnit, "unit %02X of %s is no volume", field[4], quantity)
			continue
		}
		s := base
		s.Field, s.Quantity, s.Unit, s.Value = quantity, quantity, unit, float64(value)/100
		out.Samples = append(out.Samples, s)
	}
	return 13 + length, nil
}

// cjt188Clock reads ss mm hh DD MM YY CC; 0 where the clock was never set.
func cjt188Clock(b []byte, zone *time.Location) int64 {
	var v [7]int
	for i := range v {
		n, unset, err := bcd(b[i : i+1])
		if unset || err != nil {
			return 0
		}
		v[i] = int(n)
	}
	year, month, day := v[6]*100+v[5], v[4], v[3]
	if year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 || v[2] > 23 || v[1] > 59 || v[0] > 59 {
		return 0
	}
	at := time.Date(year, time.Month(month), day, v[2], v[1], v[0], 0, zone)
	if at.Day() != day { // February 30
		return 0
	}
	return at.UnixNano()
}

// provesCJT188 finds a whole frame, after any wake-up bytes.
func provesCJT188(_ int, data []byte) Proof { return provesFrame(data, wholeCJT188) }
