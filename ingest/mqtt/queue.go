package mqtt

import (
	"context"
	"sync"
	"time"
)

// queueSize covers the largest window of messages in flight: packet
// identifiers have 16 bits.
const queueSize = 1 << 16

// queueBytes bounds what waits in memory: beyond it nothing more is read, and
// what the broker has sent waits in the connection's buffers. If nothing is taken
// meanwhile, the broker ends the connection, and sends again what was not
// acknowledged.
const queueBytes = 16 << 20

// A queue of more than crowded messages holds up the reader, and with it the
// broker, for up to patience: what takes them is slower, and memory need not
// grow for that. If nothing takes them, the reader goes on, since keep-alives
// come the same way.
const (
	crowded  = 1 << 10
	patience = time.Second
)

// queue holds what arrived and nobody has taken yet. Full, which only a broker
// without a window brings about, it holds up the reader.
type queue struct {
	// mu guards what follows, between the connection's reader and the taker.
	mu      sync.Mutex
	batches [][]Delivery
	count   int // messages in them
	bytes   int // of their topics and payloads

	stuck bool // nothing was taken for as long as patience; owned by the reader

	filled chan struct{} // has a token if there may be something to take
	taken  chan struct{} // has a token if something was taken
}

func newQueue() *queue {
	return &queue{filled: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
}

// put adds a batch. Where messages are not taken fast enough, it waits.
func (q *queue) put(ctx context.Context, batch []Delivery) {
	q.mu.Lock()
	q.batches = append(q.batches, batch)
	q.count += len(batch)
	q.bytes += sizeOf(batch)
	q.mu.Unlock()
	signal(q.filled)
	if !q.over(crowded) {
		q.stuck = false
		return
	}
	if q.stuck && !q.over(queueSize-1) {
		return
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for q.over(crowded) {
		select {
		case <-q.taken:
		case <-ctx.Done():
			return
		case <-late.C:
			if q.stuck = true; !q.over(queueSize - 1) {
				return
			}
			late.Reset(patience)
		}
	}
}

// offer adds a batch if there is room, and does not wait.
func (q *queue) offer(batch []Delivery) bool {
	q.mu.Lock()
	room := q.count < queueSize/2 && q.bytes < queueBytes/2
	if room {
		q.batches = append(q.batches, batch)
		q.count += len(batch)
		q.bytes += sizeOf(batch)
	}
	q.mu.Unlock()
	if room {
		signal(q.filled)
	}
	return room
}

// over reports whether more than n messages wait, or more bytes than may.
func (q *queue) over(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count > n || q.bytes > queueBytes
}

func sizeOf(batch []Delivery) (bytes int) {
	for i := range batch {
		bytes += len(batch[i].Topic) + len(batch[i].Payload)
	}
	return bytes
}

// take removes the first batch, once there is one; nil if ctx ends before.
func (q *queue) take(ctx context.Context) []Delivery {
	for {
		if batch := q.poll(); batch != nil {
			return batch
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.filled:
		}
	}
}

// poll removes the first batch; nil if there is none.
func (q *queue) poll() []Delivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.batches) == 0 {
		return nil
	}
	batch := q.batches[0]
	q.batches[0] = nil
	q.batches = q.batches[1:]
	q.count -= len(batch)
	q.bytes -= sizeOf(batch)
	signal(q.taken)
	return batch
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
