package pipeline

import (
	"context"
	"time"

	"greencommunity/ingest"
)

// Walker returns what decides the fates of a group of messages, without the
// broker and the journal before it, and with an InfluxDB after it that takes
// everything at once.
func (p *Pipeline) Walker() (walk func(group []*ingest.Message), end func(), err error) {
	w, err := p.restore()
	if err != nil {
		return nil, nil, err
	}
	return func(group []*ingest.Message) {
		for _, m := range group {
			w.message(m)
		}
		w.settle()
		select {
		case c := <-p.toStore:
			p.confirm(c)
			p.recycle(c)
		default:
		}
	}, p.close, nil
}

// AliveAt is Alive at another time.
func AliveAt(p *Pipeline, now time.Time) error { return p.beat.hangs(now) }

// HoldWalker holds the walker up from when it closes held until release is closed.
func HoldWalker(ctx context.Context, p *Pipeline, held, release chan struct{}) error {
	return p.ask(ctx, func(*walker) { close(held); <-release })
}
