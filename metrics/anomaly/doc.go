// Package anomaly tells what is going wrong at a facility from what it reports:
// an alarm is raised once, soon, and clears by itself.
//
// Rules that know the facility come first, because they say what to do about
// what they find and see what no statistic does: a leak of 1 L/h is far inside
// of what a household uses, and still the one flow that never rests. The
// Generic detector comes second, for quantities no rule knows.
//
// A reading goes one way: Engine.Reading finds the device in the fleet (what the
// inventory says of it) and hands the reading to the rules of its facility
// (waterRules, lampRules, binRules, gateRules) and to seriesRules. Rules keep a
// state a device and tell the book of alarms what they have found; the book
// raises, holds, rolls up and clears.
//
// An Engine holds the state of all devices and is an observer of the pipeline
// (ingest.Readings and the other parts). It has no clock and does no I/O: what it comes to is a function of the readings, events
// and ticks it is given, so that a restart from a checkpoint, or a replay, comes
// to the same alarms at the same times. Timers fire as of when they were due,
// however late Tick is called. State a device is held in chunks without
// pointers, which is what makes a million of them bearable.
//
// # What the rules have in common
//
// Readings are judged by the device's time, or by the time received where its
// clock is known to be wrong. All readings of a message are taken in before any
// is judged: a lamp's power means nothing without its dimming level.
//
// What counts as unusual is learned from the device itself wherever devices
// differ: its reporting rhythm, its power at each dimming level, its highest
// sustained flow, its hours of traffic, the longest it has ever stood still.
// While an alarm is open, or may be about to be, the rule that raised it does not
// learn or learns slowly, and what an anomaly teaches before and after is
// bounded, so that it can neither make itself normal soon nor spoil what was
// learned. Lengths are remembered as slowly
// decaying maxima times a factor, not as means: a device that is silent each
// weekend has shown that, however seldom.
//
// Every alarm has a clear condition apart from its raise condition, so that a
// value at the edge does not raise it twice.
//
// Devices may report late, once a day even. What is wrong is told when all they
// had to say has come in; what was wrong and is over, only where it is critical
// or over by nature.
//
// # The defaults, and why
//
// The comments of Parameters give the reason of each. Those that decide how
// often somebody is called were looked at on real and labelled series; command
// cmd/evaluate repeats that. On meters of real households (290 meter-months):
//
//   - Continuous flow after 24 h at 7 L/h and more, after 36 h below, and after any
//     that ended by itself: some homes hardly rest. Waiting
//     longer where less is lost finds the same leaks, as 48 h are allowed, and
//     leaves fewer evenings that merely ran into each other.
//   - Gaps up to 6 h count as flow where the register moved over them, because
//     lost uplinks are ordinary; resting three hours in a row ends an alarm, as
//     a register of whole litres may show a small leak as nothing for an hour.
//   - A burst is 227 L/h and 1.5 times the most ever sustained for two hours.
//     The peak of one hour says little: gardens, baths and washing are peaks.
//   - A register at rest is reported after 13 days and three times the longest
//     rest so far. Sooner it would be holidays that are found.
//
// Feeders, gateways and communities: where so many members have the same alarm
// that it is one fault, one alarm stands for them, and theirs are inhibited.
// Where nothing at all is received, no device is silent: then it is the broker
// or this service, which has alerts of its own.
package anomaly
