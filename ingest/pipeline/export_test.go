package pipeline

import "greencommunity/ingest"

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
