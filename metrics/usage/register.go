package usage

import (
	"math"
	"time"
)

// Amount is an amount of use in millionths of the unit of its register: mWh of
// kWh, mL of m3. Whole numbers, so that sums do not depend on their order and
// what is taken back leaves nothing behind.
type Amount int64

const unit = 1e6

// Units converts an amount to kWh or m3.
func (a Amount) Units() float64 { return float64(a) / unit }

// amount converts a register's value, to the nearest millionth. What is beyond
// counting is at the end of it.
func amount(v float64) Amount { return Amount(math.Round(max(-4e18, min(v*unit, 4e18)))) }

// Kind says how a register was read.
type Kind uint8

const (
	Actual    Kind = iota // the meter's own reading
	Estimated             // nobody read it: holds until the next actual read
	Closing               // last read before the meter is taken out
	Opening               // first read after another was put in
)

// Reason says why a booking is not the difference of two neighbouring reads.
type Reason uint8

const (
	Plain       Reason = iota
	First              // there is nothing to subtract from
	Rollover           // the register went past its last digit
	Backward           // smaller than the read before
	Swap               // another meter: no difference across
	Gap                // the amount is known, its days are not
	Provisional        // an estimate
	TrueUp             // too much was booked, by an estimate or a misread: taken back
	Duplicate          // the same read again
	Late               // older than what it could still change
	Reset              // the register goes on from another level; what lies between is unknown
	Implausible        // more than the meter passes: waits for later reads
	Scale              // the register goes on in another unit
	Split              // a late read divides what was spread
)

var reasonNames = [...]string{"", "first", "rollover", "backward", "swap", "gap", "estimated", "trueup",
	"duplicate", "late", "reset", "implausible", "scale", "split"}

// reasonCount is fixed: what is saved is by number.
const reasonCount = 16

func (r Reason) String() string { return reasonNames[r] }

// How says how the use of a stretch of time is known. Where it is unknown there
// is no booking at all.
type How uint8

const (
	Measured How = iota // between two reads at most MaxGap apart
	Spread              // over a longer time, in proportion
	Guessed             // by an estimate, or by a read that looks like one
)

// Booking adds an amount to a stretch of time, or takes one back. Covers says
// what becomes of the time: 1 it is known now, 0 nothing changes, -1 it is
// not known any more. From == To books nothing and tells only the reason.
type Booking struct {
	From, To int64 // unix nanoseconds
	Amount   Amount
	Covers   int8
	How      How
	Reason   Reason
}

// Limits hold what is known of a register, in its unit. Zero is not known.
type Limits struct {
	Modulus   float64       // value at which it begins again at 0
	Tolerance float64       // a step back up to this is jitter
	Most      float64       // most it can pass in an hour
	PerDay    float64       // most it passes in a day, in proportion from 6 hours on
	Ordinary  float64       // an hour's use that is never doubted, history or not
	MaxGap    time.Duration // more between two reads is a gap; 0: a day and a half
	Bits      uint8         // width of the counter behind it, of unknown resolution
	Repeats   bool          // equal steps in a row are estimates: nothing it measures is that even
}

const (
	hour = int64(time.Hour)

	// confirmations sets how many reads at another level must follow each other
	// before it is the register's new level, and wild how many if they grow
	// faster than the register ever has.
	confirmations = 3
	wild          = 4

	// shortest is the time over which rates are taken at least: within it a
	// single pulse would look like a flood.
	shortest = int64(5 * time.Minute)

	// sustained sets how many times faster than the reads after it a step may be
	// that counts as use: a burst pipe goes on for a while, a jump does not.
	sustained = 20

	// forget is over how long the highest rates fade.
	forget = 180 * 24 * time.Hour

	// doubt sets for how long a large step can be taken back as a misread.
	doubt = int64(4 * 24 * time.Hour)
)

// flags of a register.
const (
	started   = 1 << iota
	estimated // the last read that counts is an estimate
	closed    // a closing read was taken; only an opening one goes on
	moved     // has gone on from another level: nothing before begin can be told
	wildly    // the candidate level grew faster than the register ever has
	whole     // previous and last are neighbours of one booking, with covers 1
	unproven  // the first step, which nothing yet supports
)

// register is the state of one register. Values are unwrapped and in the first
// unit it was read in: raw*10^-scale + offset.
type register struct {
	Begin, Previous, Last   mark // first of this level, the last read that counts, and the one before it
	CandidateFrom, CandidAt mark // first and last read of a level that is not believed yet; raw
	Offset                  Amount

	// Bold is the largest step of late, which a drop may show to have been a
	// misread: at BoldFrom, BoldTo.
	BoldFrom, BoldTo uint32 // unix seconds
	Bold             Amount

	High       [3]float32 // highest rates so far, units an hour, slowly forgotten
	Steps      uint16     // that grew
	Flags      uint8
	Candidates uint8
	Scale      int8
	Resets     uint8
	Equal      uint8 // steps in a row as large and as long as the one before
	Digits     uint8 // decimals it shows, of the six kept, plus 1; 0: nothing seen yet
	Finer      uint8 // reads in a row with more decimals, by steps unlike each other
}

type mark struct {
	At    int64 // unix nanoseconds
	Value Amount
}

// read takes a read and appends what it books. At least one booking is
// appended, and the last one's reason is that of the read.
func (r *register) read(g *Limits, at int64, raw float64, kind Kind, out []Booking) []Booking {
	nothing := func(reason Reason) []Booking { return append(out, Booking{From: at, To: at, Reason: reason}) }
	v := r.value(raw)
	switch {
	case r.Flags&started == 0:
		r.start(at, v)
		return nothing(First)
	case kind == Opening && (r.Flags&closed != 0 || at > r.Last.At):
		high, steps := r.High, r.Steps
		*r = register{High: high, Steps: steps}
		r.start(at, r.value(raw))
		r.Flags |= moved
		return nothing(Swap)
	case at == r.Last.At && v == r.Last.Value:
		return nothing(Duplicate)
	case at <= r.Last.At:
		return r.late(g, at, v, out)
	}
	step := v - r.Last.Value
	tolerance := r.tolerance(g)
	switch {
	case kind == Closing && step < 0: // somebody wrote it down wrong: the meter's own read stands
		r.Flags |= closed
		return nothing(Swap)
	case r.candidateGoesOn(g, at, raw):
		return r.hold(g, at, raw, step, out)
	case step < 0 && step >= -tolerance && (r.Flags&estimated == 0 || kind == Estimated):
		// Jitter: the highest value holds, and until here nothing was used.
		out = append(out, Booking{From: r.Last.At, To: at, Covers: 1, How: r.how(g, at, kind), Reason: Backward})
		r.Last.At = at
		r.Candidates = 0
		r.Flags &^= whole
		return out
	case step < 0:
		if back, ok := r.tookTooMuch(g, at, v, kind); ok {
			return append(out, r.takeBack(g, at, v, back, kind)...)
		}
		if w := r.wrap(g, raw, at); w > 0 && kind != Estimated {
			r.Offset += w
			return append(out, r.accept(g, at, v+w, kind, Rollover))
		}
		return r.hold(g, at, raw, step, out)
	case float64(step) > r.limit(g, at-r.Last.At):
		// Back from a wrap that was none?
		if m := amount(g.Modulus); m > 0 {
			if back, ok := r.tookTooMuch(g, at, v-m, kind); ok {
				r.Offset -= m
				return append(out, r.takeBack(g, at, v-m, back, kind)...)
			}
		}
		return r.hold(g, at, raw, step, out)
	}
	if r.Flags&unproven != 0 && step > 0 {
		out = r.prove(g, at, step, out)
	}
	return append(out, r.accept(g, at, v, kind, Plain))
}

func seconds(at int64) uint32 { return uint32(at / 1e9) }

func (r *register) start(at int64, v Amount) {
	r.Begin, r.Previous, r.Last = mark{at, v}, mark{at, v}, mark{at, v}
	r.Flags |= started
}

// value is a raw one in the unit and on the level of the register.
func (r *register) value(raw float64) Amount {
	if r.Scale != 0 {
		raw *= math.Pow10(-int(r.Scale))
	}
	return amount(raw) + r.Offset
}

func (r *register) tolerance(g *Limits) Amount {
	return amount(g.Tolerance) + 2 + Amount(math.Abs(float64(r.Last.Value))*1e-9)
}

// how says how use until a read is known.
func (r *register) how(g *Limits, at int64, kind Kind) How {
	switch {
	case kind == Estimated || g.Repeats && r.Equal >= 3 && decimals(r.Last.Value)+1 > r.Digits:
		return Guessed
	case at-r.Last.At > r.gap(g):
		return Spread
	}
	return Measured
}

func (r *register) gap(g *Limits) int64 {
	if g.MaxGap == 0 {
		return 36 * hour
	}
	return int64(g.MaxGap)
}

// rate of a step in units an hour.
func rate(step Amount, dt int64) float64 {
	return float64(step) / unit / (float64(max(dt, shortest)) / float64(hour))
}

// highest is the rate the register has shown to be ordinary, units an hour: the
// highest, then the second and the third highest once there are enough, so that
// no single read decides. 0: it has not moved yet.
func (r *register) highest() (high, factor float64) {
	switch {
	case r.Steps == 0:
		return 0, 0
	case r.Steps == 1:
		return float64(r.High[0]), 100
	case r.Steps < 8:
		return float64(r.High[0]), 50
	case r.Steps < 32:
		return float64(r.High[1]), 20
	}
	return float64(r.High[2]), 12
}

// limit is the largest plausible step over a time: what the meter can pass, and
// many times what it has passed so far, but never less than an ordinary use.
func (r *register) limit(g *Limits, dt int64) float64 {
	hours := float64(max(dt, shortest)) / float64(hour)
	limit := math.Inf(1)
	if g.Most > 0 {
		limit = g.Most * hours
	}
	if g.PerDay > 0 {
		limit = min(limit, g.PerDay*float64(max(dt, 6*hour))/float64(24*hour))
	}
	if high, factor := r.highest(); high > 0 {
		limit = min(limit, max(high*factor, g.Ordinary)*hours)
	} else if r.Last.Value == r.Offset && g.Ordinary > 0 {
		// 0 is what many devices say before they know better.
		limit = min(limit, g.Ordinary*hours)
	}
	return limit*unit + float64(r.tolerance(g))
}

// learn takes the rate of a step that counts.
func (r *register) learn(step Amount, dt int64) {
	keep := float32(math.Exp(-float64(dt) / float64(forget)))
	for i := range r.High {
		r.High[i] *= keep
	}
	if step <= 0 {
		return
	}
	if r.Steps < math.MaxUint16 {
		r.Steps++
	}
	now := float32(rate(step, dt))
	for i := range r.High {
		if now > r.High[i] {
			now, r.High[i] = r.High[i], now
		}
	}
}

// decimals returns how many of its six decimals a value needs.
func decimals(v Amount) uint8 {
	n := uint8(6)
	for ; n > 0 && v%10 == 0; n-- {
		v /= 10
	}
	return n
}

// watch notes with how many decimals a register is read: somebody who fills a gap
// in divides it evenly, and more finely than the meter shows.
func (r *register) watch(v Amount) {
	switch n := decimals(v) + 1; {
	case r.Digits == 0:
		r.Digits = n
	case r.Equal > 0 && r.Steps >= 8:
	case n <= r.Digits:
		if n == r.Digits {
			r.Finer = 0
		}
	default:
		if r.Finer++; r.Finer >= 3 || r.Steps < 8 {
			r.Digits, r.Finer = n, 0
		}
	}
}

// accept books a step up to v and makes it the last read.
func (r *register) accept(g *Limits, at int64, v Amount, kind Kind, reason Reason) Booking {
	from, step := r.Last, v-r.Last.Value
	dt := at - from.At
	if step > 0 && step == from.Value-r.Previous.Value && dt == from.At-r.Previous.At {
		r.Equal += min(1, math.MaxUint8-r.Equal)
	} else {
		r.Equal = 0
	}
	r.watch(v)
	b := Booking{From: from.At, To: at, Amount: step, Covers: 1, How: r.how(g, at, kind), Reason: reason}
	switch {
	case reason != Plain:
	case kind == Estimated:
		b.Reason = Provisional
	case kind == Closing:
		b.Reason = Swap
	case dt > r.gap(g):
		b.Reason = Gap
	}
	if step > 0 && r.Steps == 0 {
		r.Flags |= unproven
	}
	switch {
	case kind == Estimated && r.Flags&estimated != 0:
		r.BoldTo, r.Bold = seconds(at), r.Bold+step // all estimates since the last actual read
	case kind == Estimated || step >= r.Bold || at-int64(r.BoldTo)*1e9 > doubt/2 || r.Flags&estimated != 0:
		r.BoldFrom, r.BoldTo, r.Bold = seconds(from.At), seconds(at), step
	}
	if kind == Estimated {
		r.Flags |= estimated
	} else {
		r.Flags &^= estimated
		r.learn(step, dt)
	}
	if kind == Closing {
		r.Flags |= closed
	}
	r.Flags |= whole
	r.Previous, r.Last = from, mark{at, v}
	r.Candidates = 0
	return b
}

// prove looks at the very first step once there is another: one that was much
// faster than what follows was a jump, and is unknown.
func (r *register) prove(g *Limits, at int64, step Amount, out []Booking) []Booking {
	r.Flags &^= unproven
	first := r.Last.Value - r.Previous.Value
	was := rate(first, r.Last.At-r.Previous.At)
	if r.Flags&whole == 0 || r.Steps != 1 || first <= 0 || was <= 100*rate(step, at-r.Last.At) || was <= g.Ordinary {
		return out
	}
	out = append(out, Booking{From: r.Previous.At, To: r.Last.At, Amount: -first, Covers: -1, Reason: Reset})
	r.Begin, r.Previous = r.Last, r.Last
	r.Flags = r.Flags&^whole | moved
	r.High, r.Steps, r.Bold = [3]float32{}, 0, 0
	return out
}

// tookTooMuch says whether a drop to v shows that the largest step of late, or
// the estimates since the last actual read, were too high: the register is
// where it would be without them.
func (r *register) tookTooMuch(g *Limits, at int64, v Amount, kind Kind) (back Amount, ok bool) {
	back = r.Last.Value - v
	if last := r.Last.Value - r.Previous.Value; r.Flags&(whole|estimated) == whole && back <= last && last < r.Bold {
		// The last step is enough, and more likely than a larger one before.
		r.BoldFrom, r.BoldTo, r.Bold = seconds(r.Previous.At), seconds(r.Last.At), last
	}
	switch {
	case back <= 0 || back > r.Bold+r.tolerance(g) || kind == Estimated || r.Bold == 0:
		return 0, false
	case r.Flags&estimated != 0:
		return back, true
	case v == r.Offset: // 0 is no place to return to
		return 0, false
	}
	return back, at-int64(r.BoldTo)*1e9 <= doubt
}

// takeBack takes from the bold step what was too much. Until at nothing more
// was used, as far as anyone knows.
func (r *register) takeBack(g *Limits, at int64, v, back Amount, kind Kind) []Booking {
	list := []Booking{
		{From: r.Last.At, To: at, Covers: 1, How: r.how(g, at, kind), Reason: Backward},
		{From: int64(r.BoldFrom) * 1e9, To: max(int64(r.BoldTo), int64(r.BoldFrom)+1) * 1e9, Amount: -back, Reason: TrueUp},
	}
	if r.Flags&estimated == 0 { // it has taught a rate that never was
		wrong := float32(rate(r.Bold, int64(r.BoldTo-r.BoldFrom)*1e9))
		for i, h := range r.High {
			if h >= 0.9*wrong && h <= 1.1*wrong {
				copy(r.High[i:], r.High[i+1:])
				r.High[len(r.High)-1] = 0
				r.Steps -= min(r.Steps, 1)
				break
			}
		}
	}
	r.Bold = max(0, r.Bold-back)
	r.Previous, r.Last = r.Last, mark{at, v}
	r.Flags &^= estimated | whole
	r.Candidates = 0
	return list
}

// late takes a read older than the last one: before the first it lengthens what
// is known, between the last two it says more exactly when their difference was
// used. Elsewhere the sum is right as it is.
func (r *register) late(g *Limits, at int64, v Amount, out []Booking) []Booking {
	switch {
	case at < r.Begin.At && r.Flags&moved == 0 && v <= r.Begin.Value && float64(r.Begin.Value-v) <= r.limit(g, r.Begin.At-at):
		how := Measured
		if r.Begin.At-at > r.gap(g) {
			how = Spread
		}
		b := Booking{From: at, To: r.Begin.At, Amount: r.Begin.Value - v, Covers: 1, How: how, Reason: Late}
		if r.Previous == r.Begin && r.Last == r.Begin {
			r.Previous = mark{at, v}
			r.Flags |= whole
		}
		r.Begin = mark{at, v}
		r.learn(b.Amount, b.To-b.From)
		return append(out, b)
	case r.Flags&(whole|estimated) == whole && at > r.Previous.At && at < r.Last.At && v >= r.Previous.Value && v <= r.Last.Value:
		how := func(from, to int64) How {
			if to-from > r.gap(g) {
				return Spread
			}
			return Measured
		}
		out = append(out,
			Booking{From: r.Previous.At, To: r.Last.At, Amount: r.Previous.Value - r.Last.Value, Covers: -1, Reason: Split},
			Booking{From: r.Previous.At, To: at, Amount: v - r.Previous.Value, Covers: 1, How: how(r.Previous.At, at), Reason: Split},
			Booking{From: at, To: r.Last.At, Amount: r.Last.Value - v, Covers: 1, How: how(at, r.Last.At), Reason: Late})
		if r.BoldFrom == seconds(r.Previous.At) && r.BoldTo == seconds(r.Last.At) {
			r.BoldFrom, r.Bold = seconds(at), r.Last.Value-v
		}
		r.Previous = mark{at, v}
		return out
	}
	return append(out, Booking{From: at, To: at, Reason: Late})
}

// wrap returns what to add to a value that dropped where the register's width is
// known, it was about to wrap, and no more was used than usual. 0: it waits.
func (r *register) wrap(g *Limits, raw float64, at int64) Amount {
	m := amount(g.Modulus)
	step := r.value(raw) + m - r.Last.Value
	high, _ := r.highest()
	if m == 0 || raw == 0 || step < 0 || step > m/10 || at-r.Last.At > r.gap(g) || r.Candidates > 0 {
		return 0
	}
	if hours := float64(max(at-r.Last.At, shortest)) / float64(hour); step.Units() > 8*high*hours || float64(step) > r.limit(g, at-r.Last.At) {
		return 0
	}
	return m
}

// candidateGoesOn says whether a read continues a level that is held, at a rate
// like those before: then the register is there, even if by now the read would
// fit where it was before as well, or would take back a step.
func (r *register) candidateGoesOn(g *Limits, at int64, raw float64) bool {
	v := r.value(raw) - r.Offset
	high, _ := r.highest()
	grown := v - r.CandidAt.Value
	return r.Candidates > 0 && grown > 0 && at > r.CandidAt.At && rate(grown, at-r.CandidAt.At) <= 3*high
}

// hold keeps a read that does not fit out of the books, until others have shown
// whether the register is there.
func (r *register) hold(g *Limits, at int64, raw float64, step Amount, out []Booking) []Booking {
	reason := Implausible
	if step < 0 {
		reason = Backward
	}
	v := r.value(raw) - r.Offset
	if r.Candidates == 0 || v < r.CandidAt.Value || at <= r.CandidAt.At {
		r.Candidates, r.CandidateFrom = 0, mark{at, v}
		r.Flags &^= wildly
	} else if grown := float64(v - r.CandidAt.Value); grown > r.limit(g, at-r.CandidAt.At) {
		if k := r.scaled(g); k == 0 || grown*math.Pow10(-k) > r.limit(g, at-r.CandidAt.At) {
			r.Flags |= wildly
			if g.Most > 0 && grown > g.Most*unit*float64(max(at-r.CandidAt.At, shortest))/float64(hour)+float64(r.tolerance(g)) {
				r.Candidates, r.CandidateFrom = 0, mark{at, v} // no meter does that
				r.Flags &^= wildly
			}
		}
	}
	r.Candidates = min(r.Candidates+1, math.MaxUint8)
	r.CandidAt = mark{at, v}
	need := uint8(confirmations)
	if r.Flags&wildly != 0 {
		need = wild
	}
	if r.Candidates < need || v == r.CandidateFrom.Value && !r.rests(at) {
		return append(out, Booking{From: at, To: at, Reason: reason})
	}
	return r.move(g, out)
}

// rests says whether a register that stands still at another level is there: a
// day of reads says so, but never 0.
func (r *register) rests(at int64) bool {
	return r.CandidateFrom.Value != 0 && r.Candidates >= 24 && at-r.CandidateFrom.At >= 24*hour
}

// at returns how much more than the last read the candidate level begins with, in the
// unit that is 10^k of it.
func (r *register) at(k int) float64 {
	return (Amount(float64(r.CandidateFrom.Value)*math.Pow10(-k)) + r.Offset - r.Last.Value).Units()
}

// scaled is the power of ten by which the candidate level is the register in
// another unit: its first value is then where the register would be. 0: none.
func (r *register) scaled(g *Limits) int {
	most := r.limit(g, r.CandidateFrom.At-r.Last.At)
	for _, k := range [...]int{3, -3, 1, -1, 2, -2, 6} {
		step := float64(r.CandidateFrom.Value)*math.Pow10(-k) + float64(r.Offset) - float64(r.Last.Value)
		slack := float64(r.tolerance(g))
		if k < 0 && k+int(r.Scale) != 0 { // what has thousandths at most has fewer digits now
			if r.CandidateFrom.Value < unit/5 {
				continue // too few to tell anything
			}
			slack += unit / 1000 * math.Pow10(-k)
		}
		if step >= -slack && step <= most && r.Last.Value > r.Offset {
			return k
		}
	}
	return 0
}

// move goes on from the candidate level. What it used there is known; what lies
// between is known only where it can be told how the register came there.
func (r *register) move(g *Limits, out []Booking) []Booking {
	from, to := r.CandidateFrom, r.CandidAt
	dt, length := from.At-r.Last.At, to.At-from.At
	high, _ := r.highest()
	grown := to.Value - from.Value
	flags := r.Flags &^ (wildly | whole | estimated | unproven)
	end := Booking{From: to.At, To: to.At, Reason: Reset}

	jump := func(first Amount, reason Reason) { // a step that is known after all
		out = append(out, Booking{From: r.Last.At, To: from.At, Amount: first - r.Last.Value, Covers: 1, How: r.how(g, from.At, Actual), Reason: reason})
		r.learn(first-r.Last.Value, dt)
		end.Reason = reason
	}
	k := 0
	if grown > 0 {
		k = r.scaled(g)
	}
	switch usual := 3 * high * float64(max(dt, shortest)) / float64(hour); {
	case k == 0 || high == 0:
		k = 0
	case k+int(r.Scale) == 0 && r.Scale != 0:
		// Back in its first unit, where it would be.
	case usual*200 <= (r.Last.Value-r.Offset).Units() && r.at(k) <= usual:
		// That it is where it would be, to a part in 200, is no coincidence.
	default:
		// As it is, it would count faster than it ever has, and in the other unit
		// it does not: slower proves nothing.
		raw := rate(grown, length)
		if raw <= 3*high || raw*math.Pow10(-k) > 3*high {
			k = 0
		}
	}
	width := r.width(g, from, dt)
	unscaled := r.Scale
	value := func(v Amount) Amount {
		if r.Scale != unscaled {
			v = Amount(math.Round(float64(v) * math.Pow10(int(unscaled)-int(r.Scale))))
		}
		return v + r.Offset
	}
	switch {
	case k != 0:
		r.Scale += int8(k)
		if first := value(from.Value); first >= r.Last.Value {
			jump(first, Scale)
		} else { // digits were lost
			r.Offset += r.Last.Value - first
			jump(r.Last.Value, Scale)
		}
	case width != 0 && value(from.Value) < r.Last.Value:
		r.Offset += width
		jump(value(from.Value), Rollover)
	case r.Last.Value <= value(from.Value) && grown > 0 && rate(value(from.Value)-r.Last.Value, dt) <= sustained*rate(value(to.Value)-value(from.Value), length) &&
		(g.Most == 0 || float64(value(from.Value)-r.Last.Value) <= g.Most*unit*float64(max(dt, shortest))/float64(hour)):
		jump(value(from.Value), Gap)
	default:
		flags |= moved
		if r.Resets < math.MaxUint8 {
			r.Resets++
		}
		r.Offset = 0
		if first := value(from.Value); r.Resets > 1 && first < r.Last.Value && first > 0 && float64(first) <= r.limit(g, dt) {
			// It begins at 0 again and again, as counters of a day do, or those that
			// forget at each power cut: so much has been used since it did.
			out = append(out, Booking{From: from.At - min(dt, shortest), To: from.At, Amount: first, Reason: Reset})
		}
		r.Begin = mark{from.At, value(from.Value)}
		if r.Flags&wildly != 0 {
			r.High, r.Steps = [3]float32{}, 0
		}
	}
	r.Flags = flags
	first, last := mark{from.At, value(from.Value)}, mark{to.At, value(to.Value)}
	if length > 0 {
		how := Measured
		if length > r.gap(g) && r.Candidates <= 2 {
			how = Spread
		}
		out = append(out, Booking{From: first.At, To: last.At, Amount: last.Value - first.Value, Covers: 1, How: how, Reason: end.Reason})
		r.learn(last.Value-first.Value, length)
	}
	r.Previous, r.Last = first, last
	r.BoldFrom, r.BoldTo, r.Bold = 0, 0, 0
	r.Candidates, r.Equal = 0, 0
	return append(out, end)
}

// width returns what a register that begins anew at a value went past, 0 if it did
// not: its known width, or one that is very near and would explain a use like
// that before.
func (r *register) width(g *Limits, from mark, dt int64) Amount {
	high, _ := r.highest()
	at, last := from.Value, r.Last.Value-r.Offset
	hours := float64(max(dt, shortest)) / float64(hour)
	if m := amount(g.Modulus); m > 0 {
		step := at + m - last
		// After a silence in which it may have gone round more than once nobody knows.
		if step >= 0 && float64(step) <= r.limit(g, dt) && (step <= m/10 || high > 0 && step.Units() <= 2*high*hours) && high*hours < m.Units() {
			return m
		}
		return 0
	}
	if high == 0 || from.Value == 0 || dt > 30*24*hour {
		return 0
	}
	near := func(m float64) Amount {
		w := amount(m)
		if step := at + w - last; last < w && last >= w-w/50 && step <= w/50 && step.Units() <= 4*high*hours {
			return w
		}
		return 0
	}
	for resolution := 1.0; resolution > 1e-4; resolution /= 10 {
		for _, bits := range [...]uint8{16, 24, 32} {
			if g.Bits != 0 && bits != g.Bits {
				continue
			}
			if w := near(math.Ldexp(resolution, int(bits))); w != 0 {
				return w
			}
		}
	}
	for digits := 3; digits <= 8 && g.Bits == 0; digits++ {
		if w := near(math.Pow10(digits)); w != 0 {
			return w
		}
	}
	return 0
}

// settle books what is held when no more reads will come, where it is a wrap of
// known width that nothing speaks against.
func (r *register) settle(g *Limits, out []Booking) []Booking {
	if r.Candidates == 0 {
		return out
	}
	from := r.CandidateFrom
	step := from.Value + r.Offset - r.Last.Value
	if m := amount(g.Modulus); step < 0 && m > 0 && from.Value != 0 {
		if step+m <= m/10 && float64(step+m) <= r.limit(g, from.At-r.Last.At) {
			return r.move(g, out)
		}
	}
	return out
}
