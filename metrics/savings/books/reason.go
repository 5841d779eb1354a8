package books

import "greencommunity/metrics/usage"

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
	Implausible Reason = "implausible" // more than the meter can pass: waits for later reads
	Scale       Reason = "scale"       // went on in another unit
)

// Reasons in the order of their numbers in saved state and counters.
var Reasons = [...]Reason{Plain, First, Rollover, Backward, Swap, Gap, Provisional, TrueUp, Duplicate, Late, Reset, Implausible, Scale}

// ReasonOf returns the reason of a read, of its last booking.
func ReasonOf(u *usage.Use) Reason {
	if r := u.Bookings[len(u.Bookings)-1].Reason; r != usage.Split {
		return Reason(r.String())
	}
	return Late
}
