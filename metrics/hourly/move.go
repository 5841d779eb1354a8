package hourly

import "greencommunity/ingest"

// Take takes over the open hours of places from another observer. Where an hour of ours is
// open too, as devices of one community report to two instances, they are added up.
func (o *Observer) Take(from any, m *ingest.Move) {
	f := from.(*Observer)
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, theirs := range f.places {
		if !m.Community(key.Community) {
			continue
		}
		p := o.place(key)
		for name, s := range theirs.series {
			own := p.named(name)
			own.Closed = max(own.Closed, s.Closed)
			for _, cell := range s.Cells {
				c := own.at(cell.Hour)
				if c == nil {
					continue
				}
				if c.Readings == 0 {
					c.Least, c.Greatest = cell.Least, cell.Greatest
				}
				c.Readings, c.Total, c.Energy = c.Readings+cell.Readings, c.Total+cell.Total, c.Energy+cell.Energy
				c.Least, c.Greatest = min(c.Least, cell.Least), max(c.Greatest, cell.Greatest)
				if cell.Queued {
					o.changed(p, own, c)
				}
			}
		}
	}
	if m.Rest {
		o.missed += f.missed
	}
	o.last = nil
}

var _ ingest.Mover = (*Observer)(nil)
