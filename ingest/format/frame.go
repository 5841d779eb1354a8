package format

import (
	"bytes"
	"math/bits"
	"slices"
	"unicode/utf8"

	"greencommunity/ingest"
)

// frameKind is a kind of meter frame that begins with 68 and ends in a sum and 16.
type frameKind struct {
	name string
	// whole is the length of the frame that data begins with, its checksum
	// right; 0 where there is none.
	whole func(data []byte) int
	// begins reports whether data may be a frame that was cut or damaged.
	begins func(data []byte) bool
	// read reads a frame. It refuses one that is not whole with what is wrong.
	read func(in *Input, data []byte, out *Output) error
}

// decode reads all frames of a payload: bytes, hex or base64, or hex within the
// text of a modem. What stands between them and is no frame is filling (FE, line
// ends), a modem's number, or a concentrator's header; where it begins as a frame
// does, it was cut or damaged, and is refused by itself.
func (k *frameKind) decode(in *Input, out *Output) error {
	if word := frameWrapper(in.Payload); word != "" && utf8.Valid(in.Payload) {
		return ingest.Refuse(ingest.Malformed, "no frame of %s: %s", k.name, word)
	}
	data := k.bytes(in.Payload)
	inside := data
	if from, to := concentrator(data); to > 0 && !slices.ContainsFunc(starts[:from], func(i int) bool { return k.whole(data[i:]) > 0 }) {
		out.Explainf("the frames are in one of a concentrator")
		if inside = data[from:to]; to < len(data) { // more may stand behind it
			inside = append(append(make([]byte, 0, len(data)), inside...), data[to:]...)
		}
	}
	var refused error
	read := 0
	between := func(gap []byte) {
		for len(gap) > 0 && filling[gap[0]] {
			gap = gap[1:]
		}
		for len(gap) > 0 && filling[gap[len(gap)-1]] {
			gap = gap[:len(gap)-1]
		}
		if len(gap) == 0 {
			return
		}
		for i := range gap {
			if !k.begins(gap[i:]) && !(i == 0 && gap[0] == 0x68) {
				continue
			}
			err := k.read(in, gap[i:], out)
			if err == nil {
				return
			}
			if refused == nil {
				refused = err
			}
			r := ingest.AsRefusal(err)
			out.Refuse("", "frame", r.Reason, "%s", r.Detail)
			return
		}
		if out.Explain != nil {
			out.Explain("%d bytes beside the frames are the modem's", len(gap))
		}
	}
	from := 0
	for i := 0; i < len(inside); {
		n := 0
		if inside[i] == 0x68 {
			n = k.whole(inside[i:])
		}
		if n == 0 {
			i++
			continue
		}
		between(inside[from:i])
		if err := k.read(in, inside[i:i+n], out); err != nil {
			if refused == nil {
				refused = err
			}
			r := ingest.AsRefusal(err)
			out.Refuse("", "frame", r.Reason, "%s", r.Detail)
		}
		read++
		i += n
		from = i
	}
	if read > 0 {
		between(inside[from:])
	}
	if read == 1 && len(out.Refused) == 1 && refused != nil && len(out.Samples)+len(out.Events) == 0 {
		out.Refused = out.Refused[:0]
		return refused
	}
	if read > 0 {
		return nil
	}
	if word := frameWrapper(in.Payload); word != "" {
		return ingest.Refuse(ingest.Malformed, "no frame of %s: %s", k.name, word)
	}
	if evenParity(data) {
		return ingest.Refuse(ingest.Malformed, "no frame of %s: every byte has even parity, as 7E1 read as 8N1 has; set the serial port to 8E1", k.name)
	}
	begin := bytes.TrimLeft(data, "\xfe \r\n\t")
	for i := range begin {
		if k.begins(begin[i:]) {
			begin = begin[i:]
			break
		}
	}
	return k.read(in, begin, out)
}

// bytes returns what a payload stands for: hex text, or the whole frames in hex that
// are within other text, or base64, or itself.
func (k *frameKind) bytes(payload []byte) []byte {
	text := bytes.Trim(payload, " \t\r\n\"\x00")
	if out, ok := fromHex(text); ok {
		return out
	}
	if found := k.within(text); found != nil {
		return found
	}
	if out, ok := fromBase64(text); ok {
		return out
	}
	return payload
}

// within are the whole frames that stand in hex in a text, one after the other.
func (k *frameKind) within(text []byte) []byte {
	if len(text) < 24 || len(text) > 64<<10 {
		return nil
	}
	for _, c := range text {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c > '~' {
			return nil
		}
	}
	var found []byte
	for i := 0; i+24 <= len(text); {
		if text[i] != '6' || text[i+1] != '8' {
			i++
			continue
		}
		frame := make([]byte, 0, 270)
		j := i
		for ; j+1 < len(text) && len(frame) < cap(frame) && hexDigit[text[j]] <= 15 && hexDigit[text[j+1]] <= 15; j += 2 {
			frame = append(frame, hexDigit[text[j]]<<4|hexDigit[text[j+1]])
		}
		if n := k.whole(frame); n > 0 {
			found = append(found, frame[:n]...)
			i += 2 * n
			continue
		}
		i++
	}
	return found
}

// frameWrapper says what is around a frame that must be described to be read.
func frameWrapper(payload []byte) string {
	text := bytes.TrimLeft(payload, "\ufeff \t\r\n")
	if len(text) > 1 && (text[0] == '{' || text[0] == '[') && text[1] >= ' ' && text[1] <= '~' {
		return "it begins with " + string(text[:1]) + ", as JSON does; a frame inside JSON is read by format: json, json: {values: its member}, payload: this format"
	}
	return ""
}

// filling marks the bytes that may stand between frames: preambles, line ends, and what
// converters fill up with.
var filling = [256]bool{0xfe: true, 0: true, 0xff: true, ' ': true, '\t': true, '\r': true, '\n': true}

// starts lists the offsets at which a frame may begin; they are tried before a
// concentrator's frame is looked for.
var starts = []int{0, 1, 2, 3, 4, 5}

// concentrator returns what a concentrator's frame holds: of Q/GDW 1376.1 (68 length
// length 68 … sum 16) or 1376.2 (68 length … sum 16). To is 0 where data is none.
func concentrator(data []byte) (from, to int) {
	if len(data) < 20 || data[0] != 0x68 {
		return 0, 0
	}
	if data[5] == 0x68 && data[1] == data[3] && data[2] == data[4] && data[7] != 0x68 {
		n := (int(data[1]) | int(data[2])<<8) >> 2
		if end := 6 + n; end+2 <= len(data) && data[end+1] == 0x16 {
			return 6, end
		}
		return 6, len(data)
	}
	n := int(data[1]) | int(data[2])<<8
	if n >= 20 && n <= len(data) && data[n-1] == 0x16 && sum(data[3:n-2]) == data[n-2] {
		return 3, n - 2
	}
	return 0, 0
}

// evenParity reports whether bytes are characters of 7 bits and even parity.
func evenParity(data []byte) bool {
	high := false
	for _, b := range data {
		if bits.OnesCount8(b)%2 != 0 {
			return false
		}
		high = high || b >= 0x80
	}
	return len(data) >= 12 && high
}
