package facility

// Stream holds what was dropped into the bins of a waste stream, ever.
type Stream struct{ Deposits, Kilograms float64 }

// emptied counts a collection, once: the event and the fall of the fill level
// may both tell of it.
func (d *device) emptied(p *place, at int64) {
	if d.Since == 0 || at-d.Since >= int64(sameCollection) {
		p.Collections++
		d.Since = at
	}
}

func (p *place) stream(name string) *Stream {
	if p.Streams == nil {
		p.Streams = map[string]*Stream{}
	}
	s := p.Streams[name]
	if s == nil {
		s = &Stream{}
		p.Streams[name] = s
	}
	return s
}
