package anomaly

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math"
	"strings"
	"time"
)

// ID names an alarm for as long as it is open, and for no other: it follows from
// what, where and since when, so that a restart comes to the same.
func (a *Alarm) ID() string { return a.id }

func (a *Alarm) identify() {
	where := string(a.Device)
	if Kinds[a.key.Kind].Rollup {
		where = string(a.Community) + "/" + where // groups of two communities may go by one name
		if a.Scope != "" && a.Scope != scopes[byCommunity] {
			where += "/" + a.Scope
		}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", a.Kind, where, a.Channel, a.Since.UnixNano()))
	a.id = strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// began returns when what is wrong began, where the finding says for how long it had
// lasted when the alarm was raised; else Since.
func (a *Alarm) began() time.Time {
	var lasted float64 // s
	switch a.key.Kind {
	case continuousFlow:
		if a.within == 0 {
			lasted = 3600 * a.Expected
		}
	case stuckRegister, stuckFill, missedCollection, offline:
		lasted = a.Value
	}
	if !(lasted > 0) || lasted > 400*86400 {
		return a.Since
	}
	return a.Since.Add(-time.Duration(lasted * 1e9))
}

// nightHours are the hours of light a year has in a day on average, and those of
// darkness: what a lamp that is wrong wastes in.
const nightHours = 12

// Lost returns what an alarm costs in a day for as long as it goes on, and its unit:
// L of water, or kWh; ok is false where nothing is lost or it is not known. Of
// lamps it is an estimate: they are taken to be wrong for half of the day.
func (a *Alarm) Lost() (perDay float64, unit string, ok bool) {
	v, x := a.Value, a.Expected
	switch a.key.Kind {
	case continuousFlow, nightFlow, burst, unaccountedWater:
		if a.key.Kind != continuousFlow || a.within != 0 {
			v -= x
		}
		perDay, unit = v*24, "L"
	case unaccountedEnergy:
		perDay, unit = (v-x)*24/1000, "kWh"
	case dayBurner:
		perDay, unit = v*nightHours/1000, "kWh"
	case overPower, stuckDimmer:
		perDay, unit = (v-x)*nightHours/1000, "kWh"
	}
	if !(perDay > 0) || math.IsInf(perDay, 0) {
		return 0, "", false
	}
	return perDay, unit, true
}
