package usage

// Read is one read of a register, for those who have them all at hand.
type Read struct {
	Time   int64 // unix nanoseconds
	Serial string
	Value  float64 // in the register's unit
	Kind   Kind
}

// Meter turns the reads of one meter into use, outside a Book. The zero value
// has not been read.
type Meter struct {
	register
	serial string
}

// Read appends what a read books to out, which may be nil. The last booking's
// reason is that of the read. A difference is never taken across serials.
func (m *Meter) Read(g *Limits, r Read, out []Booking) []Booking {
	switch {
	case m.Flags&started == 0:
		m.serial = r.Serial
	case r.Serial != m.serial && (r.Kind == Closing || r.Time < m.Last.At):
		return append(out, Booking{From: r.Time, To: r.Time, Reason: Late}) // of a serial that is gone
	case r.Serial != m.serial:
		high, steps := m.High, m.Steps
		*m = Meter{serial: r.Serial, register: register{High: high, Steps: steps}}
		m.start(r.Time, m.value(r.Value))
		m.Flags |= moved
		return append(out, Booking{From: r.Time, To: r.Time, Reason: Swap})
	}
	return m.read(g, r.Time, r.Value, r.Kind, out)
}

// Settle appends what is to be booked where no more reads will come: a wrap of
// known width that nothing speaks against.
func (m *Meter) Settle(g *Limits, out []Booking) []Booking { return m.settle(g, out) }
