package systems

import "greencommunity/ingest"

// Take takes over what devices said last, and the sound of places, from another observer.
func (o *Observer) Take(from any, m *ingest.Move) {
	f := from.(*Observer)
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, s := range f.series {
		if to, ok := m.Index[k.Index]; ok {
			k.Index = to
			o.series[k] = s
		}
	}
	for p, sound := range f.sound {
		if m.Community(p.Community) {
			o.sound[p] = sound
		}
	}
}

var _ ingest.Mover = (*Observer)(nil)
