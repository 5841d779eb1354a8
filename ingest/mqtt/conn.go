package mqtt

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	readBuffer   = 64 << 10
	maxUnwritten = 1 << 20
	maxPings     = 4
)

// bufferedConn reads through a buffer and gathers writes while the last one is
// in flight: paho reads and writes in pieces of a few bytes, each a system call
// otherwise. Nothing waits: a write starts as soon as the one before is done.
type bufferedConn struct {
	net.Conn
	in incoming

	// mu guards what is waiting to be written, between paho's writer and ours.
	mu       sync.Mutex
	changed  *sync.Cond
	waiting  []byte
	acked    uint64    // number of the last message whose acknowledgement was written
	pings    []uint64  // what acked was at each ping without an answer
	answered uint64    // what acked was at the last ping with an answer
	asked    time.Time // when the oldest ping without an answer was sent, or an answer came since
	heard    time.Time // when a message or an answer came last
	err      error     // of a write; ends the connection
	closed   bool
	done     chan struct{} // closed when the writer has ended
}

func newBufferedConn(c net.Conn) *bufferedConn {
	b := &bufferedConn{Conn: c, in: incoming{r: bufio.NewReaderSize(c, readBuffer)}, done: make(chan struct{})}
	b.changed = sync.NewCond(&b.mu)
	go b.writer() // ends with Close, or with the connection's first error
	return b
}

// Read returns what came, less the messages.
func (b *bufferedConn) Read(p []byte) (int, error) { return b.in.Read(p) }

// Write queues p; an error of an earlier write is returned by a later one. It
// blocks while more than maxUnwritten is queued.
func (b *bufferedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > maxUnwritten && b.err == nil && !b.closed {
		b.changed.Wait()
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.closed {
		return 0, net.ErrClosed
	}
	if len(p) == 2 && p[0]>>4 == typePingreq {
		if len(b.pings) == 0 {
			b.asked = time.Now()
		}
		b.pings = append(b.pings, b.acked)
	}
	b.waiting = append(b.waiting, p...)
	b.changed.Broadcast()
	return len(p), nil
}

// acknowledged notes that acknowledgements up to a message were written.
func (b *bufferedConn) acknowledged(seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = max(b.acked, seq)
}

// ping asks the broker for a sign that it has what was acknowledged, where it
// was not asked already. One that does not answer is not asked ever more.
func (b *bufferedConn) ping() {
	b.mu.Lock()
	asked, waiting := b.answered, len(b.pings)
	if waiting > 0 {
		asked = b.pings[waiting-1]
	}
	news := b.acked > asked
	b.mu.Unlock()
	if news && waiting < maxPings {
		_, _ = b.Write([]byte{typePingreq << 4, 0}) // an error ends the connection
	}
}

// pong takes the broker's answer to the oldest ping, and returns the message up
// to which it has the acknowledgements: it reads what we write in order.
func (b *bufferedConn) pong() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pings) > 0 {
		b.answered, b.pings = max(b.answered, b.pings[0]), b.pings[1:]
	}
	b.heard = time.Now()
	b.asked = b.heard
	return b.answered
}

// message notes that messages came.
func (b *bufferedConn) message() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = time.Now()
}

// dead reports whether the broker has sent nothing since a ping, for as long as
// pingTimeout. Messages count as a sign of life: a broker with a backlog may have
// sent millions of them before it sees the ping, and its answer stands behind them.
// Who then makes a new connection is sent them all again, and never comes to an end.
func (b *bufferedConn) dead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pings) > 0 && time.Since(b.asked) > pingTimeout && time.Since(b.heard) > pingTimeout
}

func (b *bufferedConn) writer() {
	defer close(b.done)
	var spare []byte
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.waiting) == 0 && !b.closed {
			b.changed.Wait()
		}
		if len(b.waiting) == 0 {
			return
		}
		out := b.waiting
		b.waiting = spare[:0]
		b.mu.Unlock()
		_, err := b.Conn.Write(out)
		b.mu.Lock()
		spare = out
		b.changed.Broadcast()
		if err != nil {
			b.err = err
			b.Conn.Close() // wakes the reader
			return
		}
	}
}

// Close ends the connection once what is queued is written or cannot be.
func (b *bufferedConn) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	idle := len(b.waiting) == 0
	b.changed.Broadcast()
	b.mu.Unlock()
	if !idle {
		// A peer that takes nothing must not hold up the reconnect.
		_ = b.Conn.SetWriteDeadline(deadline())
	}
	<-b.done
	if err := b.Conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
