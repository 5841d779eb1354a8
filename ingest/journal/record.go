package journal

import (
	"encoding/binary"
	"errors"

	"greencommunity/ingest"
)

// A record is
//
//	version 1 | flags 1 | packet id 2 | seq 8 | received 8 | topic length uvarint | topic | payload
//
// in big endian. wlog adds length and CRC.
const (
	recordVersion = 1
	headerBytes   = 20

	flagRetained = 1 << 0
	qosShift     = 2 // two bits
)

// appendRecord appends m's record to dst.
func appendRecord(dst []byte, m *ingest.Message) []byte {
	flags := m.QoS & 3 << qosShift
	if m.Retained {
		flags |= flagRetained
	}
	dst = append(dst, recordVersion, flags)
	dst = binary.BigEndian.AppendUint16(dst, m.PacketID)
	dst = binary.BigEndian.AppendUint64(dst, m.Seq)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Received))
	dst = binary.AppendUvarint(dst, uint64(len(m.Topic)))
	dst = append(dst, m.Topic...)
	return append(dst, m.Payload...)
}

var errRecord = errors.New("not a record of this journal")

// parseRecord reads a record into m. Payload aliases rec.
func parseRecord(rec []byte, m *ingest.Message) error {
	if len(rec) <= headerBytes || rec[0] != recordVersion {
		return errRecord
	}
	n, size := binary.Uvarint(rec[headerBytes:])
	if size <= 0 || n > uint64(len(rec)-headerBytes-size) {
		return errRecord
	}
	topic := headerBytes + size
	flags := rec[1]
	*m = ingest.Message{
		Seq:      binary.BigEndian.Uint64(rec[4:]),
		Received: int64(binary.BigEndian.Uint64(rec[12:])),
		PacketID: binary.BigEndian.Uint16(rec[2:]),
		QoS:      flags >> qosShift & 3,
		Retained: flags&flagRetained != 0,
		Topic:    string(rec[topic : topic+int(n)]),
		Payload:  rec[topic+int(n):],
	}
	return nil
}
