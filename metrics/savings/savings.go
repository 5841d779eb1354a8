// Package savings computes what a measure saved, as an engineer can defend it:
//
//	saving = adjusted baseline − actual use, over the same covered time
//
// The baseline is what would have been used without the measure, adjusted to
// the conditions of the reporting period (weather, hours of darkness, persons);
// covered is the time in which both the meter and those conditions are valid,
// and only it counts, on both sides. A saving is never clipped: it may be
// negative, and where its uncertainty is larger than itself it is called not
// distinguishable from zero. Where there is no baseline there is no saving.
//
// Package usage turns registers into use, package books keeps it by day and quarter,
// and package baseline has the arithmetic: regressions, bands, lamps, tables. Engine
// puts them together for what devices report, as an observer of the pipeline;
// Recomputation does it for what is stored. Nothing here has a clock or does I/O
// of its own: equal input gives equal figures, to the last digit.
//
// Terms and formulas are those of IPMVP (options A, B and C), ASHRAE Guideline
// 14, CalTRACK 2 and GB/T 28750. The Chinese standard counts a saving negative;
// Result counts it positive, and GB() turns the sign.
package savings
