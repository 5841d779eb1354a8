// Package baseline is the arithmetic of savings: what would have been used
// without a measure, and how far that may be off.
//
// Fit solves a regression, FitModel chooses a model of degree days, Band and
// FractionalUncertainty give the uncertainty of a sum; Lamps, Irrigation and
// FitPerCapita are the baselines that are stated or fitted by month. Analyse does
// all of it for a table of days that ReadTable has read. Nothing here knows an
// inventory, a clock or a database: equal input gives equal figures, to the last
// digit.
package baseline
