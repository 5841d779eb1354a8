package facility

import "greencommunity/ingest"

// pass counts the passes a register has grown by; those of a gate that counts
// single passes as well are counted there.
func (d *device) pass(p *place, day int64, r *ingest.Reading, register *float64, has *bool, sum *float64) {
	p.Counted = true
	if add := r.Device.Counted(*register, r.Value); *has && !d.HasDelta && add > 0 && add <= most {
		*sum += add
		p.add(d.Prev, r.Time, day, add, &p.Passes)
	}
	*register, *has = r.Value, true
}

// door enters for how long a gate was open when it tells its state again.
func (d *device) door(p *place, at int64, open bool) {
	if at < d.Since {
		return
	}
	if d.Open {
		p.Opened += told(d.Since, at)
		if d.HeldOpen {
			p.HeldOpen += told(d.Since, at)
		}
	}
	d.Open, d.Since = open, at
	d.HeldOpen = d.HeldOpen && open
}

// held takes that a gate is held open, until it says that it is no longer, or is
// closed.
func (d *device) held(p *place, at int64, active bool) {
	if at < d.Since {
		return
	}
	d.door(p, at, active)
	d.HeldOpen = active
}

// heard enters that a gate was up since it was last heard of. What lies within a
// longer silence, or one that its gateway calls offline, is not known, and is
// not up.
func (d *device) heard(p *place, at int64) {
	if silence := at - d.Last; silence <= int64(stale) && !d.Gone {
		p.Up += silence
	}
	d.Gone = false
	if d.Held == 0 {
		d.Held = at
	}
}
