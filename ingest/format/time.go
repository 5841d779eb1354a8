package format

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// layouts say how devices write times; those without a zone are the site's.
var layouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006/01/02 15:04:05.999999999",
	"2006/1/2 15:04:05",
	"2006-1-2 15:04:05",
	"2006年01月02日 15:04:05",
	"20060102T150405Z0700",
	"20060102T150405",
	"20060102150405",
	"20060102 150405",
	"20060102 15:04:05",
	"20060102 15:04",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	"2006-01-02",
}

// ParseTime reads a time from text: RFC 3339 and the forms vendors use, in the
// given zone where it names none, or digits as TimeOfInteger reads them.
func ParseTime(text string, zone *time.Location) (unixNano int64, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) < 8 || len(text) > 40 {
		return 0, false
	}
	if i := strings.Index(text, "24:00"); i >= 9 && strings.Trim(text[i+len("24:00"):], ":0.") == "" { // the end of a day
		t, ok := ParseTime(text[:i]+"00:00"+text[i+len("24:00"):], zone)
		if ok {
			t = time.Unix(0, t).In(zone).AddDate(0, 0, 1).UnixNano()
		}
		return t, ok
	}
	for _, layout := range layouts {
		if !fits(layout, text) {
			continue // a failed attempt costs more than all else here
		}
		if t, err := time.ParseInLocation(layout, text, zone); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
			return t.UnixNano(), true
		}
	}
	if v, ok := ParseNumber(text); ok {
		if len(text) == 12 && onlyDigits(text) { // 261128170005; as ms it would be before 2001
			if t, err := time.ParseInLocation("060102150405", text, zone); err == nil {
				return t.UnixNano(), true
			}
		}
		if whole, fraction, found := strings.Cut(text, "."); found && onlyDigits(whole) && onlyDigits(fraction) {
			return timeOfDigits(whole, fraction)
		}
		return TimeOfNumber(v)
	}
	return 0, false
}

// clockText reads a time from text as ParseTime does. Text that has no digit but 0
// is that of a clock never set: "", "0000-00-00 00:00:00", "--", "null".
func clockText(text string, zone *time.Location) (unixNano int64, ok bool) {
	if t, ok := ParseTime(text, zone); ok {
		return t, true
	}
	if t, ok := emptyClock(text); ok {
		return t, true
	}
	return looseTime(strings.TrimSpace(text), zone)
}

// Clock reads a time from text in any form that is known, a clock never set included.
func Clock(text string, zone *time.Location) (unixNano int64, ok bool) { return clockText(text, zone) }

// emptyClock is the time of a clock never set, where a text is what such a one writes.
func emptyClock(text string) (unixNano int64, ok bool) {
	if strings.ContainsAny(text, "123456789") || len(text) > 40 {
		return 0, false
	}
	switch strings.Trim(strings.ToLower(text), " \t\r\n0-/:.tz+") {
	case "", "null", "none", "nil", "nan", "n/a", "na", "n", "invalid", "unknown", "undefined":
		return neverSet, true
	}
	return 0, false
}

// fits reports whether a layout may be the one of a text: whether what parts
// year and month, and date and time, is the same.
func fits(layout, text string) bool {
	same := func(i int) bool {
		a, b := layout[i], text[i]
		return a == b || a >= '0' && a <= '9' && b >= '0' && b <= '9'
	}
	if !same(4) {
		return false
	}
	fixed := layout[4] != '-' && layout[4] != '/' || layout[5] == '0' // months of two digits
	if !fixed || layout[4] > '~' {
		return true
	}
	if len(layout) > 10 && len(text) > 10 && layout[4] != '0' {
		return same(10)
	}
	return true
}

// Bounds of an epoch in seconds; what is larger is ms, µs or ns.
const (
	maxSeconds = 1e11 // the year 5138
	maxMillis  = 1e14
	maxMicros  = 1e17
)

// neverSet is the time of a clock that was never set: 0, or less. It is beyond
// the bounds of times, which replace and flag it; 0 would be no time at all.
const neverSet = 1

// TimeOfInteger reads an epoch whose unit its magnitude tells: s, ms, µs, ns.
func TimeOfInteger(n int64) (unixNano int64, ok bool) {
	switch {
	case n <= 0:
		return neverSet, true
	case n < maxSeconds:
		if n > math.MaxInt64/int64(time.Second) {
			return 0, false
		}
		return n * int64(time.Second), true
	case n < maxMillis:
		if n > math.MaxInt64/int64(time.Millisecond) {
			return 0, false
		}
		return n * int64(time.Millisecond), true
	case n < maxMicros:
		if n > math.MaxInt64/int64(time.Microsecond) {
			return 0, false
		}
		return n * int64(time.Microsecond), true
	}
	return n, true
}

// TimeOfNumber is TimeOfInteger for numbers with a fraction, such as 1.7e9 s.
func TimeOfNumber(v float64) (unixNano int64, ok bool) {
	if v != v || v >= math.MaxInt64 {
		return 0, false
	}
	if v <= 0 {
		return neverSet, true
	}
	whole, fraction := math.Modf(v)
	t, ok := TimeOfInteger(int64(whole))
	if !ok || fraction == 0 || whole == 0 {
		return t, ok
	}
	scale := float64(t) / whole
	// A float64 has 0.2 µs of an epoch in seconds: what it cannot tell is not 12.299999.
	t += int64(math.Round(fraction * scale))
	return (t + 500) / 1000 * 1000, true
}

// timeOfDigits is TimeOfNumber for digits, of which it loses none.
func timeOfDigits(whole, fraction string) (unixNano int64, ok bool) {
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, false
	}
	t, ok := TimeOfInteger(n)
	if !ok || n == 0 || t == neverSet {
		return t, ok
	}
	part, err := strconv.ParseFloat("0."+fraction, 64)
	if err != nil {
		return t, true
	}
	return t + int64(math.Round(part*float64(t/n))), true
}
