package format

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"

	"greencommunity/ingest"
)

// frameBytes are the bytes a payload stands for: hex text, with or without
// separators and 0x, base64 text, or itself.
func frameBytes(payload []byte) []byte {
	text := bytes.Trim(payload, " \t\r\n\"\x00")
	if out, ok := fromHex(text); ok {
		return out
	}
	if out, ok := fromBase64(text); ok {
		return out
	}
	return payload
}

// fromHex reads hex text: "68 10 01", "68-10-01", "0x68,0x10".
func fromHex(text []byte) ([]byte, bool) {
	if len(text) < 2 || hexDigit[text[0]] > 15 {
		return nil, false
	}
	out := make([]byte, 0, len(text)/2)
	var high byte
	half := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '0' && i+1 < len(text) && text[i+1]|0x20 == 'x' {
			i++
			continue
		}
		switch digit := hexDigit[c]; {
		case digit > 15:
			if c != ' ' && c != '-' && c != ':' && c != ',' && c != '\n' && c != '\r' && c != '\t' {
				return nil, false
			}
		case half:
			out, half = append(out, high<<4|digit), false
		default:
			high, half = digit, true
		}
	}
	return out, !half && len(out) > 0
}

func isHex(text []byte) bool {
	for _, c := range text {
		if hexDigit[c] > 15 {
			return false
		}
	}
	return true
}

// hexDigit is the value of a digit, 255 of what is none.
var hexDigit = func() (value [256]byte) {
	for i := range value {
		value[i] = 255
	}
	for i, c := range []byte("0123456789abcdef") {
		value[c], value[bytes.ToUpper([]byte{c})[0]] = byte(i), byte(i)
	}
	return value
}()

// fromBase64 reads base64 with or without padding, in either alphabet.
func fromBase64(text []byte) ([]byte, bool) {
	if len(text) == 0 {
		return nil, false
	}
	text = bytes.TrimRight(text, "=")
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		out := make([]byte, enc.DecodedLen(len(text)))
		if n, err := enc.Decode(out, text); err == nil {
			return out[:n], true
		}
	}
	return nil, false
}

// gunzip unpacks a body, up to the size a message may have.
func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, ingest.Refuse(ingest.Malformed, "gzip: %v", err)
	}
	return bounded(r)
}

// unpacked unpacks a body of gzip, or of zlib, which others call deflate.
func unpacked(data []byte) ([]byte, error) {
	if len(data) > 1 && data[0] == 0x1f && data[1] == 0x8b {
		return gunzip(data)
	}
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, ingest.Refuse(ingest.Malformed, "neither gzip nor deflate: %v", err)
	}
	return bounded(r)
}

func bounded(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, MaxPayload+1))
	if err != nil {
		return nil, ingest.Refuse(ingest.Malformed, "compressed: %v", err)
	}
	if len(out) > MaxPayload {
		return nil, ingest.Refuse(ingest.TooLarge, "unpacked payload is larger than %d bytes", MaxPayload)
	}
	return out, nil
}

// bcd reads binary-coded decimal digits, low byte first. Unset is true where
// every byte is FF, which meters send for "not supported".
func bcd(data []byte) (value uint64, unset bool, err error) {
	unset = true
	for i := len(data) - 1; i >= 0; i-- {
		b := data[i]
		unset = unset && b == 0xff
		value = value*100 + uint64(b>>4)*10 + uint64(b&15)
		if b>>4 > 9 || b&15 > 9 {
			err = ingest.Refuse(ingest.Checksum, "byte %02X is not two decimal digits", b)
		}
	}
	if unset {
		return 0, true, nil
	}
	return value, false, err
}

// address is a meter's address as people read it: the last byte first.
func address(data []byte) string {
	var b [16]byte
	for i, v := range data {
		b[len(data)-1-i] = v
	}
	return hex.EncodeToString(b[:len(data)])
}

// frameStart returns where in data a whole frame begins: transparent modems put
// their own number before it. It is -1 where there is none.
func frameStart(data []byte, whole func([]byte) int) int {
	for i := range min(len(data), 256) {
		if whole(data[i:]) > 0 {
			return i
		}
	}
	return -1
}

// sum is the checksum of meter frames: all bytes, modulo 256.
func sum(data []byte) byte {
	var s byte
	for _, b := range data {
		s += b
	}
	return s
}

// provesFrame says whether data is or holds a frame with a right checksum.
func provesFrame(data []byte, whole func([]byte) int) Proof {
	if whole(bytes.TrimLeft(data, "\xfe")) > 0 || frameStart(data, whole) > 0 {
		return ByChecksum
	}
	return NoProof
}
