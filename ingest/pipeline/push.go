package pipeline

import (
	"context"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/push"
)

// Push takes a message that came some other way than from the broker, and returns once
// it is journaled: it goes the way of every other. push.ErrBusy says that too many wait.
func (p *Pipeline) Push(ctx context.Context, topic string, payload []byte) error {
	d := mqtt.Delivery{Message: ingest.Message{Topic: topic, Payload: payload, Received: time.Now().UnixNano()}, Epoch: p.subscriber.Epoch(), Taken: make(chan struct{})}
	taken := d.Taken
	if !p.subscriber.Offer(d) {
		return push.ErrBusy
	}
	select {
	case <-taken:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Vendor returns the vendor whose source reads a topic, "" if no source does.
func (p *Pipeline) Vendor(topic string) string {
	source := p.inventory.Load().Match(topic, &format.Captures{})
	if source == nil {
		return ""
	}
	return string(source.Vendor.ID)
}
