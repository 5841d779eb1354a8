package savings

import (
	"math"
	"time"
)

// ReadKind says how a register was read.
type ReadKind uint8

const (
	Actual    ReadKind = iota // the meter's own reading
	Estimated                 // nobody read it: provisional until the next actual read
	Closing                   // last read of a serial that is taken out
	Opening                   // first read of a serial that is put in
)

// Reason says why a booking is not simply the difference of two reads. The
// values are those of the label reason of meter_anomalies_total, and more.
type Reason string

const (
	Plain       Reason = ""
	First       Reason = "first"       // nothing to subtract from
	Rollover    Reason = "rollover"    // the register went past its last digit
	Backward    Reason = "backward"    // smaller than before: held or quarantined
	Swap        Reason = "swap"        // another serial: no difference across
	Gap         Reason = "gap"         // the amount is known, its days are not
	Provisional Reason = "estimated"   // an estimate
	TrueUp      Reason = "trueup"      // an estimate was too high: taken back
	Duplicate   Reason = "duplicate"   // the same read again
	Late        Reason = "late"        // older than the last read
	Reset       Reason = "reset"       // went on from another level; what lies between is unknown
	Implausible Reason = "implausible" // more than the meter can pass
)

// reasons in the order of their numbers in saved state and counters.
var reasons = [...]Reason{Plain, First, Rollover, Backward, Swap, Gap, Provisional, TrueUp, Duplicate, Late, Reset, Implausible}

// Register describes a meter's register. It is the same for all meters of a
// boundary, so meters share it.
type Register struct {
	Modulus   float64       // value at which it starts again from 0; 0: never
	Tolerance float64       // a step back up to this is jitter
	MaxPerDay float64       // what the meter can pass in a day; 0: anything
	MaxGap    time.Duration // more between two reads is a gap; 0: a day and a half
}

// Read is one reading of a register.
type Read struct {
	Time   int64 // unix nanoseconds
	Serial string
	Value  float64
	Kind   ReadKind
}

// Booking is what a read adds to use: an amount over a stretch of time, and
// why. An audit is the sequence of bookings. From == To: nothing is covered.
type Booking struct {
	From, To int64 // unix nanoseconds
	Amount   float64
	Reason   Reason
	// Until is set for a true-up: from To until then nothing more was used, and
	// that is known. An estimate had it already.
	Until int64
}

// confirmations is how many reads at another level must follow each other
// before it is taken as the register's new level.
const confirmations = 3

// Meter turns the reads of one meter into use. The zero value has not been
// read. It is 96 bytes, and its state is all of it.
type Meter struct {
	serial string
	// The last read that counted, and the highest since the serial began.
	time int64
	high float64
	// While estimated: the actual read before the estimates.
	actualTime int64
	actual     float64
	// Reads that do not fit are held back until the register returns, or goes
	// on from where they are.
	heldTime  int64
	heldValue float64
	held      uint8
	started   bool
	estimated bool
	closed    bool // a closing read was taken; only another serial goes on
}

// Read books a read. It returns one booking, whose reason is that of the audit.
//
// Unlike a Prometheus counter, a register that steps back was not reset: within
// tolerance the highest value holds, a wrap is one only where the modulus says
// so, and anything else is held back. A difference is never taken across
// serials.
func (m *Meter) Read(g *Register, r Read) Booking {
	none := Booking{From: r.Time, To: r.Time}
	with := func(reason Reason) Booking { none.Reason = reason; return none }
	switch {
	case !m.started || (r.Serial != m.serial && r.Kind != Closing):
		reason := First
		if m.started {
			reason = Swap
		}
		if m.started && r.Time < m.time {
			return with(Late)
		}
		*m = Meter{serial: r.Serial, time: r.Time, high: r.Value, started: true}
		return with(reason)
	case r.Serial != m.serial:
		return with(Late) // the closing read of a serial that is gone
	case r.Kind == Opening && (m.closed || r.Time > m.time):
		// The same serial, or none is known: taken out and put in again.
		*m = Meter{serial: r.Serial, time: r.Time, high: r.Value, started: true}
		return with(Swap)
	case r.Time == m.time && r.Value == m.high:
		return with(Duplicate)
	case r.Time <= m.time:
		return with(Late)
	}
	from, amount, reason := m.time, r.Value-m.high, Plain
	maximum := math.Inf(1)
	if g.MaxPerDay > 0 {
		maximum = g.MaxPerDay*float64(r.Time-m.time)/float64(24*time.Hour) + g.Tolerance
	}
	switch {
	case m.estimated && amount < 0 && r.Value >= m.actual-g.Tolerance && r.Kind != Estimated:
		// The estimate was too high. What it had too much belongs to its days.
		b := Booking{From: m.actualTime, To: m.time, Amount: amount, Reason: TrueUp, Until: r.Time}
		m.take(r)
		m.held = 0
		return b
	case amount < 0 && amount >= -g.Tolerance-1e-9*math.Abs(m.high):
		m.time, m.held = r.Time, 0
		return Booking{From: from, To: r.Time, Reason: Backward}
	case amount < 0 && g.Modulus > 0 && amount+g.Modulus <= min(maximum, g.Modulus/10):
		amount, reason = amount+g.Modulus, Rollover
	case amount < 0:
		return m.hold(r, none, Backward)
	case amount > maximum:
		return m.hold(r, none, Implausible)
	}
	gap := g.MaxGap
	if gap == 0 {
		gap = 36 * time.Hour
	}
	switch {
	case reason != Plain:
	case r.Kind == Estimated:
		reason = Provisional
	case r.Kind == Closing:
		reason = Swap
	case r.Time-from > int64(gap):
		reason = Gap
	}
	m.take(r)
	m.held = 0
	return Booking{From: from, To: r.Time, Amount: amount, Reason: reason}
}

// take makes r the last read.
func (m *Meter) take(r Read) {
	if r.Kind == Estimated && !m.estimated {
		m.actualTime, m.actual = m.time, m.high
	}
	m.estimated, m.closed = r.Kind == Estimated, r.Kind == Closing
	m.time, m.high = r.Time, r.Value
}

// hold keeps a read out. Where the register then stays at the other level and
// grows from there, it goes on from it, and what was used in between stays
// unknown: no time is covered by it.
func (m *Meter) hold(r Read, none Booking, reason Reason) Booking {
	if m.held == 0 || r.Value < m.heldValue || r.Time <= m.heldTime {
		m.held = 0
	}
	m.held++
	m.heldTime, m.heldValue = r.Time, r.Value
	none.Reason = reason
	if m.held >= confirmations {
		*m = Meter{serial: m.serial, time: r.Time, high: r.Value, started: true}
		none.Reason = Reset
	}
	return none
}

// Last is when the last read that counted was taken, unix nanoseconds.
func (m *Meter) Last() int64 { return m.time }
