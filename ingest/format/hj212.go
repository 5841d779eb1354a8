package format

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
)

// hj212 reads packets of HJ 212 (2017; HJ/T 212-2005 is alike), which stations of the
// environment send: noise, dust, weather, water.
//
//	## 0139 ST=22;CN=2011;PW=…;MN=station;Flag=5;CP=&&DataTime=20261128110000;LA-Rtd=52.1,LA-Flag=N&& 4980 CR LF
//
// with the length of the data in four digits before it, and a checksum in four hexadecimal
// ones behind. MN is the device. Each member of CP is a field: the code of a factor and what
// of it was sent, as LA-Rtd. A factor's Flag marks all its values; its SampleTime is theirs.
// Packets that stand in one payload are read each by itself. Codes and marks are those of
// the standard; the checksum was tried on packets that others have published.
type hj212 struct{}

func newHJ212(*Source) (Decoder, error) { return hj212{}, nil }

func (hj212) Decode(in *Input, out *Output) error {
	found, good := 0, 0
	var first error
	for rest := in.Payload; ; {
		start := bytes.Index(rest, []byte("##"))
		if start < 0 {
			break
		}
		data, end, err := hj212Packet(rest[start:])
		rest = rest[start+end:]
		if found++; err == nil {
			err = hj212Data(in, data, out)
		}
		if err == nil {
			good++
			continue
		}
		r := ingest.AsRefusal(err)
		if r.Reason == ingest.TooLarge {
			return err
		}
		if first == nil {
			first = err
		}
		out.Refuse("", "packet", r.Reason, "packet %d: %s", found, r.Detail)
	}
	switch {
	case found == 0:
		return ingest.Refuse(ingest.Malformed, "no packet of HJ 212: it begins with ## and four digits of length")
	case good == 0:
		out.Refused = out.Refused[:0]
		return first
	}
	return nil
}

// hj212Packet returns the data of the packet that b begins with, and where it ends.
func hj212Packet(b []byte) (data []byte, end int, err error) {
	next := len(b)
	if n := bytes.Index(b[2:], []byte("##")); n >= 0 {
		next = 2 + n
	}
	if len(b) < 6 || !onlyDigits(string(b[2:6])) {
		return nil, next, ingest.Refuse(ingest.Malformed, "no four digits of length behind ##")
	}
	length, _ := strconv.Atoi(string(b[2:6]))
	if end = 6 + length + 4; end <= len(b) && hj212Sum(b[6:6+length], b[6+length:end]) {
		return b[6 : 6+length], end, nil
	}
	// A length that is wrong, as some count characters: the checksum tells.
	text := bytes.TrimRight(b[:next], "\r\n \x00")
	if n := len(text) - 4; n >= 6 && hj212Sum(text[6:n], text[n:]) {
		return text[6:n], next, nil
	}
	if end > next {
		return nil, next, ingest.Refuse(ingest.Malformed, "packet says %d bytes of data and has %d: it was cut, or sent in two messages", length, max(len(text)-10, 0))
	}
	return nil, next, ingest.Refuse(ingest.Checksum, "checksum is %.4q, the bytes make %04X", b[6+length:end], hj212CRC(b[6:6+length]))
}

// hj212Sum reports whether four hexadecimal digits are the checksum of data.
func hj212Sum(data, digits []byte) bool {
	sum, err := strconv.ParseUint(string(digits), 16, 16)
	return err == nil && uint16(sum) == hj212CRC(data)
}

// hj212CRC is the standard's own (appendix A): the byte goes into the register after it was
// moved by eight, which no CRC of another name does.
func hj212CRC(data []byte) uint16 {
	crc := uint16(0xffff)
	for _, c := range data {
		crc = crc>>8 ^ uint16(c)
		for range 8 {
			low := crc & 1
			if crc >>= 1; low != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}

// hj212Marks are the marks of values that were not measured as they should; N, or 3 of
// stations of 2005, is a good value, and 1 one of the weather.
var hj212Marks = map[string]string{
	"F": "stopped", "M": "under maintenance", "S": "set by hand", "D": "broken", "C": "calibrating", "T": "beyond its range",
	"B": "not connected", "P": "without power", "0": "calibrating", "2": "abnormal",
}

// hj212Data reads the data of one packet.
func hj212Data(in *Input, data []byte, out *Output) error {
	text := strings.ToValidUTF8(string(data), "?")
	head, content, ok := strings.Cut(text, "CP=&&")
	if !ok {
		return ingest.Refuse(ingest.Malformed, "no CP=&& in the packet")
	}
	content, behind, ok := strings.Cut(content, "&&")
	if !ok || strings.Trim(behind, ";") != "" {
		return ingest.Refuse(ingest.Malformed, "CP does not end in &&")
	}
	var base Sample
	command := ""
	for member := range strings.SplitSeq(head, ";") {
		name, value, _ := strings.Cut(member, "=")
		switch name {
		case "MN":
			base.Device = value
		case "CN":
			command = value
		}
	}
	if base.Device == "" {
		return ingest.Refuse(ingest.BadIdentifier, "no MN in the packet")
	}
	type factor struct {
		name string
		at   int64
		mark string
	}
	var factors []factor
	of := func(field string) *factor {
		name, _, _ := strings.Cut(field, "-")
		for i := range factors {
			if factors[i].name == name {
				return &factors[i]
			}
		}
		factors = append(factors, factor{name: name})
		return &factors[len(factors)-1]
	}
	members := strings.FieldsFunc(content, func(c rune) bool { return c == ';' || c == ',' })
	if len(members) > MaxReadings {
		return ingest.Refuse(ingest.TooLarge, "more than %d values in one packet", MaxReadings)
	}
	fields := 0
	for _, member := range members { // what belongs to others, wherever it stands
		name, value, _ := strings.Cut(member, "=")
		switch {
		case name == "DataTime":
			if t, ok := hj212Time(value, in.Zone()); ok {
				base.Time = t
			} else if strings.Trim(value, "0") != "" {
				return ingest.Refuse(ingest.Malformed, "DataTime: %.30q is no time", value)
			}
		case strings.HasSuffix(name, "-SampleTime"):
			if t, ok := hj212Time(value, in.Zone()); ok {
				of(name).at = t
			}
		case strings.HasSuffix(name, "-Flag"):
			of(name).mark = value
		default:
			fields++
		}
	}
	if fields == 0 {
		if out.Ignored == "" {
			out.Ignored = "command " + command + " without values"
		}
		return nil
	}
	for _, member := range members {
		name, value, ok := strings.Cut(member, "=")
		switch {
		case name == "DataTime", strings.HasSuffix(name, "-SampleTime"), strings.HasSuffix(name, "-Flag"):
			continue
		case !ok:
			out.Refuse(base.Device, name, ingest.Malformed, "%.60q has no value", name)
			continue
		}
		f := of(name)
		if told := hj212Marks[f.mark]; told != "" {
			out.Refuse(base.Device, name, ingest.BadValue, "%.60s: its mark is %s, %s", name, f.mark, told)
			continue
		}
		s := base
		if s.Field = name; f.at != 0 {
			s.Time = f.at
		}
		if v, number := ParseNumber(value); number {
			s.Value = v
		} else {
			s.IsText, s.Text = true, value
		}
		out.Samples = append(out.Samples, s)
	}
	return nil
}

// hj212Time reads 20261128110000, and what some send with thousandths behind.
func hj212Time(text string, zone *time.Location) (int64, bool) {
	if len(text) == 17 && onlyDigits(text) {
		text = text[:14]
	}
	if len(text) != 14 {
		return 0, false
	}
	return ParseTime(text, zone)
}
