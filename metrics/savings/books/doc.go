// Package books keeps what a boundary used, day by day: the ledger of its local days,
// the weather on them, and the sums of its quarters.
//
// What the book of use (package usage) says of a meter is entered on the days it is of,
// exactly: sums are whole millionths of a kWh or m3, so that they do not depend on the
// order of entries. A day says which meters cover how much of it; one in which a
// boundary's meters were silent counts with the share that was not. Nothing here knows
// what a baseline is: package savings evaluates the days and writes the figures into
// them.
package books
