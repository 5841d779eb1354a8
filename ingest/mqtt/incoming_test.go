package mqtt

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func message(topic string, payload []byte, qos byte, id uint16) *packets.PublishPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID = topic, payload, qos, id
	return p
}

func encoded(t testing.TB, list ...packets.ControlPacket) []byte {
	var b bytes.Buffer
	for _, p := range list {
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// show returns what is compared of a message.
func show(topic string, payload []byte, qos byte, id uint16, dup, retained bool) string {
	return fmt.Sprintf("%q %x qos %d id %d dup %t retained %t", topic, payload, qos, id, dup, retained)
}

// taken runs a stream through incoming, and returns the messages and what is
// left of the stream for the library.
func taken(stream io.Reader, connected func(bool)) (messages []string, rest []byte, err error) {
	if connected == nil {
		connected = func(bool) {}
	}
	in := incoming{r: bufio.NewReaderSize(stream, 4<<10), connected: connected, pong: func() {}, deliver: func(batch []Delivery) {
		for _, d := range batch {
			messages = append(messages, show(d.Topic, d.Payload, d.QoS, d.PacketID, d.Dup, d.Retained))
		}
	}}
	rest, err = io.ReadAll(&in)
	return messages, rest, err
}

// However the stream is cut, messages come out in order, and the library reads
// every other packet as it came.
func TestMessagesPassTheLibraryBy(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		connack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
		connack.SessionPresent = round%2 == 0
		stream := encoded(t, connack)
		var want []string
		others := bytes.Clone(stream)
		for range random.IntN(60) {
			if random.IntN(6) == 0 {
				suback := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
				suback.MessageID, suback.ReturnCodes = uint16(random.IntN(1<<16)), make([]byte, random.IntN(300))
				other := encoded(t, suback, packets.NewControlPacket(packets.Pingresp))
				stream, others = append(stream, other...), append(others, other...)
				continue
			}
			sizes := []int{0, 1, 100, 127, 128, 4096, 20000}
			payload := bytes.Repeat([]byte{byte(random.IntN(256))}, sizes[random.IntN(len(sizes))])
			p := message(strings.Repeat("t/", random.IntN(200)), payload, byte(random.IntN(2)), uint16(random.IntN(1<<16)))
			p.Dup, p.Retain = random.IntN(4) == 0, random.IntN(4) == 0
			if p.Qos == 0 {
				p.MessageID = 0
			}
			stream = append(stream, encoded(t, p)...)
			want = append(want, show(p.TopicName, p.Payload, p.Qos, p.MessageID, p.Dup, p.Retain))
		}
		var reader io.Reader = bytes.NewReader(stream)
		switch round % 3 {
		case 1:
			reader = iotest.OneByteReader(reader)
		case 2:
			reader = iotest.HalfReader(reader)
		}
		sessions := []bool{}
		got, rest, err := taken(reader, func(present bool) { sessions = append(sessions, present) })
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("round %d: got\n%.2000s\nwant\n%.2000s", round, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if !bytes.Equal(rest, others) {
			t.Fatalf("round %d: the library reads %x, sent were %x", round, rest, others)
		}
		if len(sessions) != 1 || sessions[0] != connack.SessionPresent {
			t.Fatalf("round %d: session present: %v", round, sessions)
		}
	}
}

// A message is handed over before the next one is waited for, and not when its
// batch happens to be full.
func TestMessagesDoNotWait(t *testing.T) {
	r, w := io.Pipe()
	got := make(chan int, 10)
	in := incoming{r: bufio.NewReaderSize(r, 64<<10), connected: func(bool) {}, deliver: func(batch []Delivery) { got <- len(batch) }}
	ended := make(chan error)
	go func() {
		_, err := in.Read(make([]byte, 1))
		ended <- err
	}()
	both := encoded(t, message("a", []byte("1"), 1, 1), message("b", []byte("2"), 1, 2), message("c", []byte("3"), 1, 3))
	w.Write(both[:len(both)-1]) // the third has still a byte to come
	if n := <-got; n != 2 {
		t.Errorf("%d messages handed over, want 2", n)
	}
	w.Write(both[len(both)-1:])
	if n := <-got; n != 1 {
		t.Errorf("%d messages handed over, want 1", n)
	}
	w.CloseWithError(errors.New("reset"))
	if err := <-ended; err == nil || err.Error() != "reset" {
		t.Errorf("ended with %v", err)
	}
}

// What a broker may not send ends the connection, and takes nothing with it
// that came before.
func TestBadPackets(t *testing.T) {
	good := encoded(t, message("a", []byte("1"), 1, 1))
	for name, bad := range map[string]string{
		"QoS 3":                       "\x36\x05\x00\x01a\x00\x01",
		"no room for a topic":         "\x30\x01\x00",
		"no room for an identifier":   "\x32\x03\x00\x01a",
		"topic longer than all":       "\x30\x04\x00\x09ab",
		"length of five bytes":        "\x30\xff\xff\xff\xff\x01",
		"cut in the header":           "\x32",
		"cut in the topic":            "\x32\x10\x00\x05ab",
		"cut in the payload":          "\x32\x10\x00\x01a\x00\x01xyz",
		"other packet without length": "\x90\x80\x80\x80\x80\x80",
	} {
		got, _, err := taken(strings.NewReader(string(good)+bad), nil)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if len(got) != 1 {
			t.Errorf("%s: %d messages before it, want 1", name, len(got))
		}
	}
}

// Any stream yields the messages that the library's own reader finds in it.
func FuzzIncoming(f *testing.F) {
	f.Add(encoded(f, message("a/b", []byte(`{"x":1}`), 1, 7), packets.NewControlPacket(packets.Pingresp), message("", nil, 0, 0)))
	f.Add([]byte("\x20\x02\x01\x00\x32\x05\x00\x01a\x00\x01"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, _, _ := taken(bytes.NewReader(stream), nil)
		var want []string
		for r := bytes.NewReader(stream); ; {
			p, err := packets.ReadPacket(r)
			if err != nil {
				break
			}
			if m, ok := p.(*packets.PublishPacket); ok {
				if m.Qos > 2 {
					break
				}
				want = append(want, show(m.TopicName, m.Payload, m.Qos, m.MessageID, m.Dup, m.Retain))
			}
		}
		// The library looks into other packets too and may end there, so what it
		// finds is a beginning of what there is.
		if len(got) < len(want) {
			t.Fatalf("%d messages, the library finds %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("message %d is %s, the library reads %s", i, got[i], want[i])
			}
		}
	})
}

func BenchmarkIncoming(b *testing.B) {
	one := encoded(b, message("greencommunity/v1/nancheng/lighting/lamp-7", []byte(`{"time":1795392000000,"active_power":43.2,"energy_total":1203.4,"light_level":0.6,"light_on":true,"voltage":221.5}`), 1, 1))
	stream := bytes.Repeat(one, 1000)
	b.Run("batches", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for n < b.N {
			in := incoming{r: bufio.NewReaderSize(bytes.NewReader(stream), readBuffer), deliver: func(batch []Delivery) { n += len(batch) }}
			io.Copy(io.Discard, &in)
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		r := bufio.NewReaderSize(bytes.NewReader(nil), readBuffer)
		for range b.N {
			p, err := packets.ReadPacket(r)
			if err != nil {
				r.Reset(bytes.NewReader(stream))
				continue
			}
			_ = p
		}
	})
}

// An answer to a ping says that the broker has what was acknowledged before the
// ping, and nothing of what was acknowledged after.
func TestPongsSettleWhatWasAcknowledged(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	b := newBufferedConn(ours)
	defer b.Close()
	read := func(want int) {
		t.Helper()
		if _, err := io.ReadFull(theirs, make([]byte, want)); err != nil {
			t.Fatal(err)
		}
	}
	acknowledge := func(seq uint64) {
		d := Delivery{conn: b}
		d.QoS, d.Seq = 1, seq
		Acknowledge([]*Delivery{&d})
		read(4)
	}
	b.ping() // nothing to ask for
	acknowledge(5)
	b.ping()
	read(2)
	acknowledge(6)
	b.ping()
	b.ping() // asked already
	read(2)
	acknowledge(7)
	for i, want := range []uint64{5, 6, 6} {
		if got := b.pong(); got != want {
			t.Errorf("answer %d settles %d, want %d", i, got, want)
		}
	}
	b.Write([]byte{typePingreq << 4, 0}) // the library's own counts as well
	read(2)
	if got := b.pong(); got != 7 {
		t.Errorf("the answer to the library's ping settles %d, want 7", got)
	}
}
