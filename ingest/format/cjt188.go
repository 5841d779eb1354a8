package format

import (
	"encoding/hex"
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
type cjt188 struct{ frames frameKind }

func newCJT188(*Source) (Decoder, error) {
	return &cjt188{frameKind{name: "CJ/T 188", whole: wholeCJT188, read: cjt188Frame, begins: func(data []byte) bool {
		return len(data) >= 2 && data[0] == 0x68 && data[1] >= 0x10 && data[1] <= 0x49
	}}}, nil
}

func (d *cjt188) Decode(in *Input, out *Output) error { return d.frames.decode(in, out) }

// Units of CJ/T 188, of volumes.
var cjt188Units = map[byte]string{0x29: "L", 0x2c: "m3"}

// wholeCJT188 is the length of the frame data begins with, its checksum right; 0
// where there is none.
func wholeCJT188(data []byte) int {
	if len(data) < 13 || data[0] != 0x68 {
		return 0
	}
	n := int(data[10])
	if len(data) < 13+n || data[12+n] != 0x16 || sum(data[:11+n]) != data[11+n] {
		return 0
	}
	return 13 + n
}

// cjt188Frame reads the frame data begins with.
func cjt188Frame(in *Input, data []byte, out *Output) error {
	if len(data) < 13 || data[0] != 0x68 {
		return ingest.Refuse(ingest.Malformed, "no frame of CJ/T 188: it begins with 68 and has at least 13 bytes")
	}
	kind, control, length := data[1], data[9], int(data[10])
	if len(data) < 13+length {
		return ingest.Refuse(ingest.Malformed, "frame says %d bytes of data and has %d: it was cut, or sent in two messages", length, max(len(data)-13, 0))
	}
	if data[12+length] != 0x16 {
		return ingest.Refuse(ingest.Malformed, "frame does not end in 16 after %d bytes of data", length)
	}
	if want := sum(data[:11+length]); data[11+length] != want {
		return ingest.Refuse(ingest.Checksum, "checksum is %02X, the bytes make %02X", data[11+length], want)
	}
	device, body := address(data[2:9]), data[11:11+length]
	if out.Explain != nil {
		out.Explain("CJ/T 188 frame of meter %s, type %02X, control %02X", device, kind, control)
	}
	switch {
	case control&0x80 == 0:
		out.Ignored = "request to a meter"
		return nil
	case control&0x40 == 0 && control&0x3f != 0x01: // addresses, keys, valves
		out.Ignored = "not a reply with meter data"
		return nil
	case control&0x40 != 0:
		return ingest.Refuse(ingest.NoReading, "meter %s answers with an error", device)
	case kind < 0x10 || kind > 0x19:
		return ingest.Refuse(ingest.NoReading, "meter type %02X is no water meter", kind)
	case len(body) < 2 || !(body[0] == 0x90 && body[1] == 0x1f || body[0] == 0x1f && body[1] == 0x90):
		return ingest.Refuse(ingest.NoReading, "data identifier is not 901F, read meter data")
	}
	base := Sample{Device: device}
	if len(body) == 9 { // the short reply: total and status, of a register in m3
		value, unset, err := bcd(body[3:7])
		if err != nil {
			return err
		}
		if !unset {
			s := base
			s.Field, s.Quantity, s.Unit, s.Value = "water_volume_total", "water_volume_total", "m3", float64(value)/100
			out.Samples = append(out.Samples, s)
		}
		cjt188Status(base, body[7:9], out)
		return nil
	}
	if len(body) < 13 {
		return ingest.Refuse(ingest.Malformed, "reply to 901F has %d bytes of data; want 9, or 13 and more", len(body))
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
			return err
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
			return ingest.Refuse(ingest.BadUnit, "unit %02X of %s is no volume", field[4], quantity)
		case !known:
			out.Refuse(device, quantity, ingest.BadUnit, "unit %02X of %s is no volume", field[4], quantity)
			continue
		}
		s := base
		s.Field, s.Quantity, s.Unit, s.Value = quantity, quantity, unit, float64(value)/100
		out.Samples = append(out.Samples, s)
	}
	switch {
	case len(body) >= 22:
		cjt188Status(base, body[20:22], out)
		out.behind(device, "status", body[22:])
	case len(body) >= 20:
		out.behind(device, "clock", body[20:])
	default:
		out.behind(device, "water_volume_billing", body[13:])
	}
	return nil
}

// cjt188Status reads the two bytes of a meter's status. Of the first, bit 0 is the
// valve (1 closed), bit 1 its fault, bit 2 a weak battery, and the rest is 0; the
// second is the maker's. What is all in order, as of a meter without a valve, is 0
// and says nothing. What has other bits is the maker's, and unmapped.
func cjt188Status(base Sample, status []byte, out *Output) {
	word := hex.EncodeToString(status)
	if status[0]&^7 != 0 || status[1] != 0 {
		s := base
		s.Field, s.Text, s.IsText = "status", word, true
		out.Samples = append(out.Samples, s)
	}
	if status[0]&^7 != 0 {
		return
	}
	if status[0]&1 != 0 {
		s := base
		s.Field, s.Quantity, s.IsBool = "valve_open", "valve_open", true
		out.Samples = append(out.Samples, s)
	}
	for i, event := range []string{"valve_fault", "low_battery"} {
		if status[0]&(2<<i) != 0 {
			out.Events = append(out.Events, Event{Device: base.Device, Type: event, Active: true, Code: word, Time: base.Time, TimeSource: base.TimeSource})
		}
	}
}

// cjt188Clock reads ss mm hh DD MM YY CC, or the same in the other order; 0 where
// the clock was never set.
func cjt188Clock(b []byte, zone *time.Location) int64 {
	var v [7]int
	for i := range v {
		n, unset, err := bcd(b[i : i+1])
		if unset || err != nil {
			return 0
		}
		v[i] = int(n)
	}
	if v[0] == 20 && v[6] != 20 || v[0] == 20 && v[6] == 20 && v[5] < 20 { // a second or a century
		for i := range 3 {
			v[i], v[6-i] = v[6-i], v[i]
		}
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
