package journal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/bits"
)

// A segment is pages of 32 KiB, as Prometheus' wlog writes them, so that its
// tools read them and journals written through it before are read here. A
// record is cut where a page ends, and each piece is
//
//	type 1 (full, first, middle, last) | length 2 | CRC-32C of the data 4 | data
//
// A page's rest that is too small for a piece is zeros. wlog itself ends at the
// first damage, and refuses a folder in which a segment is missing; so reading
// and writing are this package's own. The type and the length are outside the
// CRC. One damaged bit is put right, wherever it is; more of them cost the record
// they are in. Where a length is damaged more, the reader looks for the next piece
// that fits, byte by byte.
const (
	page        = 32 << 10
	pieceHeader = 7

	pieceFull   = 1
	pieceFirst  = 2
	pieceMiddle = 3
	pieceLast   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendPieces appends a record to b, which holds what is written from offset
// at of the segment on.
func appendPieces(b []byte, at int64, record []byte) []byte {
	start := len(b)
	for first := true; first || len(record) > 0; first = false {
		left := page - int(at+int64(len(b)-start))%page
		if left < pieceHeader {
			b = append(b, make([]byte, left)...)
			left = page
		}
		n := min(left-pieceHeader, len(record))
		kind := byte(pieceMiddle)
		switch last := n == len(record); {
		case first && last:
			kind = pieceFull
		case first:
			kind = pieceFirst
		case last:
			kind = pieceLast
		}
		b = append(b, kind)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(record[:n], castagnoli))
		b = append(b, record[:n]...)
		record = record[n:]
	}
	return b
}

// pageReader reads the records of a segment, whatever is damaged in it.
type pageReader struct {
	r    io.ReaderAt
	off  int64 // of the next piece
	from int64 // offset of data
	data []byte

	partial []byte // pieces of a record whose end has not come, empty if there are none
	open    bool   // a first piece has come
	whole   int64  // offset behind the last record that was returned
	damaged bool   // something was passed over since damage was asked for
}

// readAhead sets how much is read at once, whole pages.
const readAhead = 4 * page

// next returns the next record that is whole, of what lies before limit; nil at
// the end. It is valid until the call after. An error is one of the file.
func (p *pageReader) next(limit int64) ([]byte, error) {
	for {
		start := p.off / page * page
		in := int(p.off - start)
		if page-in < pieceHeader {
			p.off = start + page
			continue
		}
		if p.off >= limit {
			return nil, nil
		}
		rest, err := p.page(start, limit)
		if err != nil {
			return nil, err
		}
		end := len(rest)
		rest = rest[min(in, end):]
		kind, data, size := piece(rest)
		if size == 0 {
			if zeros(rest) {
				if end < page {
					return nil, nil // the file may grow here
				}
				p.off = start + page
				continue
			}
			p.damaged = true
			if kind, data, size = mended(rest); size == 0 {
				p.open = false
				if behind := behindDamaged(rest); behind > 0 {
					p.off += int64(behind)
					continue
				}
				// Look for what fits, a byte further on each time.
				if p.seek(rest, start, in) {
					continue
				}
			}
		}
		if size == 0 {
			if end < page && limit < start+page {
				return nil, nil
			}
			p.off = start + page
			continue
		}
		p.off += int64(size)
		atPageEnd := p.off == start+page
		if record := p.piece(kind, data, atPageEnd); record != nil {
			p.whole = p.off
			return record, nil
		}
	}
}

// piece adds a piece and returns the record that it completes, if any.
func (p *pageReader) piece(kind byte, data []byte, atPageEnd bool) []byte {
	switch {
	case kind == pieceFull:
	case kind == pieceFirst && atPageEnd:
		if p.open {
			p.damaged = true
		}
		p.partial, p.open = append(p.partial[:0], data...), true
		return nil
	case kind == pieceMiddle && p.open && atPageEnd:
		p.partial = append(p.partial, data...)
		return nil
	case kind == pieceLast && p.open:
		p.partial, p.open = append(p.partial, data...), false
		return p.partial
	case atPageEnd:
		// Its type is damaged, or what belongs before it; it may be a part.
		p.damaged, p.open = true, false
		return nil
	default:
		p.damaged = true // whole, if it reads as a record
	}
	if p.open {
		p.damaged, p.open = true, false
	}
	return data
}

// piece reads the piece that b begins with; size 0 if none does.
func piece(b []byte) (kind byte, data []byte, size int) {
	if len(b) < pieceHeader {
		return 0, nil, 0
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if n > len(b)-pieceHeader {
		return 0, nil, 0
	}
	// Where a page has room for a header alone, the first piece of a record is empty.
	if n == 0 && (b[0] != pieceFirst || len(b) != pieceHeader) {
		return 0, nil, 0
	}
	data = b[pieceHeader : pieceHeader+n]
	if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(b[3:]) {
		return 0, nil, 0
	}
	return b[0], data, pieceHeader + n
}

// mended reads the piece that b begins with if one bit of it is wrong.
func mended(b []byte) (kind byte, data []byte, size int) {
	if len(b) < pieceHeader {
		return 0, nil, 0
	}
	header := [pieceHeader]byte(b)
	n, sum := binary.BigEndian.Uint16(header[1:]), binary.BigEndian.Uint32(header[3:])
	for bit := range 16 {
		n := int(n ^ 1<<bit)
		if n == 0 || n > len(b)-pieceHeader {
			continue
		}
		if data := b[pieceHeader : pieceHeader+n]; crc32.Checksum(data, castagnoli) == sum {
			return header[0], data, pieceHeader + n
		}
	}
	if n == 0 || int(n) > len(b)-pieceHeader {
		return 0, nil, 0
	}
	if data := b[pieceHeader : pieceHeader+int(n)]; mendBit(data, sum) {
		return header[0], data, pieceHeader + int(n)
	}
	return 0, nil, 0
}

// mendBit puts right the one bit of data or of its CRC that is wrong; false if
// more are. A flipped bit changes a CRC by what depends on how far from the end
// it is and on nothing else, and no two bits of a page by the same.
func mendBit(data []byte, sum uint32) bool {
	wrong := crc32.Checksum(data, castagnoli) ^ sum
	if bits.OnesCount32(wrong) == 1 {
		return true
	}
	var change [8]uint32
	for bit := range change {
		change[bit] = castagnoli[1<<bit]
	}
	for i := len(data) - 1; i >= 0; i-- {
		for bit, c := range change {
			if c == wrong {
				data[i] ^= 1 << bit
				return true
			}
			change[bit] = castagnoli[byte(c)] ^ c>>8
		}
	}
	return false
}

// behindDamaged returns where the piece that b begins with ends, if its length is
// right and only its data or CRC is not: another piece that is whole is there, or
// the end of what is written. 0 if not. What a payload holds is never looked at
// then, or who sends one could plant records in it.
func behindDamaged(b []byte) int {
	if len(b) < pieceHeader {
		return 0
	}
	behind := pieceHeader + int(binary.BigEndian.Uint16(b[1:]))
	if behind == pieceHeader || behind > len(b) {
		return 0
	}
	if _, _, size := piece(b[behind:]); size > 0 || zeros(b[behind:]) {
		return behind
	}
	return 0
}

// seek moves to the next piece of a page that is whole, beyond rest's first byte.
func (p *pageReader) seek(rest []byte, start int64, in int) bool {
	for i := 1; i+pieceHeader < len(rest); i++ {
		if rest[i] < pieceFull || rest[i] > pieceLast {
			continue
		}
		if _, data, size := piece(rest[i:]); size > 0 && (rest[i] != pieceFull || recordLike(data)) {
			p.off = start + int64(in+i)
			return true
		}
	}
	return false
}

// page returns what the page at start has before limit.
func (p *pageReader) page(start, limit int64) ([]byte, error) {
	want := min(start+page, limit)
	if start < p.from || want > p.from+int64(len(p.data)) {
		if cap(p.data) < readAhead {
			p.data = make([]byte, 0, readAhead)
		}
		n := int(min(readAhead, limit-start))
		read, err := p.r.ReadAt(p.data[:n], start)
		if err != nil && err != io.EOF {
			return nil, err
		}
		p.from, p.data = start, p.data[:read]
	}
	return p.data[start-p.from : min(start+page, limit, p.from+int64(len(p.data)))-p.from], nil
}

var nothing [page]byte

func zeros(b []byte) bool { return bytes.Equal(b, nothing[:len(b)]) }
