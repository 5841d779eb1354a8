// Package usage is the one book of use: the only place where a register becomes
// an amount used. Savings, rules for leaks, sums of a day, boards, page and
// report read it, so that their figures are one figure.
//
// A read is believed once it is plausible. A step beyond what the inventory, the
// meter's own history or its kind allows, a drop, a wrap, another unit and
// another meter wait until later reads confirm them. What later reads
// contradict is no use, and is taken back where it was booked. Time of which
// nothing is known is covered by nothing: it is neither use nor zero.
//
// Within a level the sum of all bookings is the last read less the first, in
// whatever order the reads come; late reads only say more exactly when it was
// used. Amounts are whole millionths of kWh or m3. Sums are exact, and so is
// what is taken back.
package usage
