package mqtt

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// incoming reads what the broker sends. Messages (PUBLISH) it takes out of the
// stream and hands over itself, as many at a time as one read of the socket
// brought; every other packet the library reads as it came.
//
// Through the library a message is twelve allocations and four goroutines,
// which was more than a third of the CPU time and three quarters of the garbage
// of the whole path.
//
// It is for the library's one reader, whose order it keeps.
type incoming struct {
	r *bufio.Reader
	// deliver takes messages over, in order; it may hold up the connection.
	deliver func([]Delivery)
	// connected is told whether the broker had a session, before any message.
	connected func(sessionPresent bool)
	// pong is told of each answer to a ping.
	pong func()

	rest int // bytes of the packet at hand that are the library's to read
	err  error

	batch  []Delivery
	bytes  []byte // payloads of the batch, in one piece
	topics []byte // its topics, which become one string

	spaces spaces // what batches under load lie in
	space  *Space // what the batch at hand does; nil: memory of its own
}

// Space holds the bytes of a batch of messages, without their topics. It is used again:
// under load it would be two thirds of what a message leaves to the garbage collector.
type Space struct {
	batch []Delivery
	bytes []byte
	home  spaces
}

// spaces are those to be used again, some of them: what is more goes.
type spaces chan *Space

const (
	maxSpaces = 16
	// spaceBytes sets from how much waiting in the connection's buffer on a batch lies
	// in a Space. A single message takes less memory of its own.
	spaceBytes = readBuffer / 4
)

// TakeSpace returns what the messages of a batch lie in, of its first one, once; else
// nil. A copy of a delivery may be kept for long, and must not keep all of its batch.
func (d *Delivery) TakeSpace() *Space {
	space := d.space
	d.space = nil
	return space
}

// Free gives a space back. Nobody may have a message of its batch any more, nor its
// payload; topics may be kept.
func (s *Space) Free() {
	clear(s.batch[:cap(s.batch)])
	select {
	case s.home <- s:
	default:
	}
}

// Packet types and the fixed header of MQTT 3.1.1, 2.2.
const (
	typeConnack  = 2
	typePublish  = 3
	typePingreq  = 12
	typePingresp = 13

	maxBatch     = 256
	maxHeader    = 5
	maxRemaining = 1<<28 - 1
	// maxPayload sets what is kept of a payload: a byte more than the largest that
	// is read, so that it is refused as too large. The rest is passed over.
	maxPayload = 8<<20 + 1
)

// Read is the stream without its messages.
func (in *incoming) Read(p []byte) (int, error) {
	for in.rest == 0 {
		if in.err != nil {
			return 0, in.err
		}
		if in.err = in.packet(); in.err != nil {
			in.flush()
		}
	}
	n, err := in.r.Read(p[:min(len(p), in.rest)])
	in.rest -= n
	return n, err
}

// packet looks at the next packet: it takes a message, and leaves any other in
// the stream.
func (in *incoming) packet() error {
	first, header, remaining, err := in.header()
	if err != nil {
		return err
	}
	if first>>4 == typePublish {
		return in.publish(first, header, remaining)
	}
	in.flush()
	switch {
	case first>>4 == typePingresp:
		in.pong()
	case first>>4 == typeConnack && remaining == 2:
		b, err := in.r.Peek(header + 2)
		if err != nil {
			return err
		}
		in.connected(b[header]&1 == 1)
	}
	in.rest = header + remaining
	return nil
}

// header peeks at a fixed header, and returns its first byte, its own length
// and the length of what follows it.
func (in *incoming) header() (first byte, length, remaining int, err error) {
	for length = 2; length <= maxHeader; length++ {
		b, err := in.peek(length)
		if err != nil {
			return 0, 0, 0, err
		}
		last := b[length-1]
		remaining |= int(last&0x7f) << (7 * (length - 2))
		if last < 0x80 {
			return b[0], length, remaining, nil
		}
	}
	return 0, 0, 0, errors.New("mqtt: packet of no length")
}

// peek returns the next n bytes. What was taken is handed over before the
// broker is waited for.
func (in *incoming) peek(n int) ([]byte, error) {
	if in.r.Buffered() < n {
		in.flush()
	}
	b, err := in.r.Peek(n)
	if errors.Is(err, io.EOF) && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// publish takes a message.
func (in *incoming) publish(first byte, header, remaining int) error {
	d := Delivery{Dup: first&8 != 0}
	d.QoS, d.Retained = first>>1&3, first&1 != 0
	if d.QoS > 2 {
		return errors.New("mqtt: message of QoS 3")
	}
	identifier := 0
	if d.QoS > 0 {
		identifier = 2
	}
	if remaining < 2+identifier {
		return fmt.Errorf("mqtt: message of %d bytes", remaining)
	}
	b, err := in.peek(header + 2)
	if err != nil {
		return err
	}
	topic := int(binary.BigEndian.Uint16(b[header:]))
	payload := remaining - 2 - topic - identifier
	if payload < 0 {
		return fmt.Errorf("mqtt: message of %d bytes with a topic of %d", remaining, topic)
	}
	if in.r.Buffered() < header+remaining {
		in.flush()
	}
	rest := max(0, payload-maxPayload)
	payload -= rest
	in.room(header+remaining-rest, payload)
	if _, err := in.r.Discard(header + 2); err != nil {
		return err
	}
	in.topics, err = readOnto(in.r, in.topics, topic)
	if err != nil {
		return err
	}
	if d.QoS > 0 {
		b, err := in.r.Peek(2)
		if err != nil {
			return err
		}
		d.PacketID = binary.BigEndian.Uint16(b)
		if _, err := in.r.Discard(2); err != nil {
			return err
		}
	}
	from := len(in.bytes)
	if in.bytes, err = readOnto(in.r, in.bytes, payload); err != nil {
		return err
	}
	if _, err := in.r.Discard(rest); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	d.Payload = in.bytes[from:len(in.bytes):len(in.bytes)]
	d.topic = topic
	in.batch = append(in.batch, d)
	if len(in.batch) == maxBatch {
		in.flush()
	}
	return nil
}

// room makes sure that the payload fits behind those of the batch, which must
// not move: a batch is what the buffer held when it was begun, or less.
func (in *incoming) room(packet, payload int) {
	if len(in.batch) > 0 && cap(in.bytes)-len(in.bytes) >= payload {
		return
	}
	in.flush()
	buffered := in.r.Buffered()
	if buffered >= spaceBytes && payload <= readBuffer {
		select {
		case in.space = <-in.spaces:
		default:
			in.space = &Space{make([]Delivery, 0, maxBatch), make([]byte, 0, readBuffer), in.spaces}
		}
		in.batch, in.bytes = in.space.batch, in.space.bytes
		return
	}
	in.batch = make([]Delivery, 0, min(maxBatch, buffered/max(packet, 1)+1))
	in.bytes = make([]byte, 0, max(payload, min(buffered, maxBatch*packet)))
}

// flush hands the batch over.
func (in *incoming) flush() {
	if len(in.batch) == 0 {
		return
	}
	topics, now := string(in.topics), time.Now().UnixNano()
	for i := range in.batch {
		d := &in.batch[i]
		d.Topic, topics = topics[:d.topic], topics[d.topic:]
		d.Received = now
	}
	batch := in.batch
	batch[0].space = in.space
	in.batch, in.bytes, in.topics, in.space = nil, nil, in.topics[:0], nil
	in.deliver(batch)
}

// readOnto appends the next n bytes of r to b.
func readOnto(r *bufio.Reader, b []byte, n int) ([]byte, error) {
	from := len(b)
	b = slices.Grow(b, n)[:from+n]
	_, err := io.ReadFull(r, b[from:])
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}
