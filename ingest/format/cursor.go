package format

import "encoding/binary"

// cursor reads a frame from its start. Reading beyond its end yields zeroes
// and sets short, which is asked once at the end.
type cursor struct {
	b     []byte
	short bool
}

var noBytes [16]byte

// take is the next n bytes, at most 16.
func (c *cursor) take(n int) []byte {
	if len(c.b) < n {
		c.b, c.short = nil, true
		return noBytes[:n]
	}
	taken := c.b[:n]
	c.b = c.b[n:]
	return taken
}

func (c *cursor) u8() byte    { return c.take(1)[0] }
func (c *cursor) i8() int8    { return int8(c.u8()) }
func (c *cursor) u16() uint16 { return binary.LittleEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.LittleEndian.Uint32(c.take(4)) }

// applicationBytes is the application payload of a LoRaWAN device: as it is
// inside an envelope, or on its own as bytes, hex or base64.
func applicationBytes(in *Input) []byte {
	if in.Inner == nil {
		return in.Payload
	}
	return frameBytes(in.Payload)
}
