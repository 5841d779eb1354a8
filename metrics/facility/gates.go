package facility

import "greencommunity/ingest"

// gate holds what is known of a gate.
type gate struct {
	First     int64   // when it was first heard of, unix nanoseconds
	Told      int64   // when it last told whether it is open; 0: never
	In, Out   float64 // last pass_in_total and pass_out_total
	HasIn     bool
	HasOut    bool
	HasSingle bool // counts single passes, so that its registers are not counted as well
	Open      bool
	HeldOpen  bool // it says that it is held open
	Gone      bool // its gateway says that it is offline
}

// reading takes a reading; prev is the time of the gate's reading before, unix
// nanoseconds, and day the local day.
func (g *gate) reading(p *place, r *ingest.Reading, prev, day int64) {
	switch r.Quantity.Name {
	case "door_open":
		g.door(p, r.Time, r.Value != 0)
	case "pass_in":
		g.HasSingle, p.Counted = true, true
		p.In += r.Value
		p.add(prev, r.Time, day, r.Value, &p.Passes)
	case "pass_out":
		g.HasSingle, p.Counted = true, true
		p.Out += r.Value
		p.add(prev, r.Time, day, r.Value, &p.Passes)
	case "pass_in_total":
		g.pass(p, prev, day, r, &g.In, &g.HasIn, &p.In)
	case "pass_out_total":
		g.pass(p, prev, day, r, &g.Out, &g.HasOut, &p.Out)
	}
}

func (g *gate) event(p *place, e *ingest.Event) {
	switch e.Type {
	case "door_opened", "door_closed":
		g.door(p, e.Time, e.Type == "door_opened")
	case "door_held_open":
		g.held(p, e.Time, e.Active)
		if e.Active {
			p.Held++
		}
	case "door_forced":
		if e.Active {
			p.Forced++
		}
	}
}

func (g *gate) now(n *Now) {
	if g.Told > 0 {
		n.Doors++
	}
	if g.Open {
		n.Open++
	}
}

// pass counts the passes a register has grown by; those of a gate that counts
// single passes as well are counted there.
func (g *gate) pass(p *place, prev, day int64, r *ingest.Reading, register *float64, has *bool, sum *float64) {
	p.Counted = true
	if add := r.Device.Counted(*register, r.Value); *has && !g.HasSingle && add > 0 && add <= most {
		*sum += add
		p.add(prev, r.Time, day, add, &p.Passes)
	}
	*register, *has = r.Value, true
}

// door enters for how long a gate was open when it tells its state again.
func (g *gate) door(p *place, at int64, open bool) {
	if at < g.Told {
		return
	}
	if g.Open {
		p.Opened += told(g.Told, at)
		if g.HeldOpen {
			p.HeldOpen += told(g.Told, at)
		}
	}
	g.Open, g.Told = open, at
	g.HeldOpen = g.HeldOpen && open
}

// held takes that a gate is held open, until it says that it is no longer, or is
// closed.
func (g *gate) held(p *place, at int64, active bool) {
	if at < g.Told {
		return
	}
	g.door(p, at, active)
	g.HeldOpen = active
}

// heard enters that a gate was up from last until at. What lies within a longer
// silence, or one that its gateway calls offline, is not known, and is not up.
func (g *gate) heard(p *place, last, at int64) {
	if silence := at - last; silence <= int64(stale) && !g.Gone {
		p.Up += silence
	}
	g.Gone = false
	if g.First == 0 {
		g.First = at
	}
}
