package format

import (
	"math"
	"strconv"
	"strings"
)

// NumberAndUnit takes a text apart that is a number with a unit behind it: "47%",
// "229.5V", "2799 mm".
func NumberAndUnit(text string) (value float64, unit string, ok bool) {
	text = strings.TrimSpace(text)
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == '.' || text[end] == ',' || end == 0 && (text[end] == '-' || text[end] == '+')) {
		end++
	}
	unit = strings.TrimSpace(text[end:])
	if end == 0 || unit == "" || len(unit) > 24 {
		return 0, "", false
	}
	if value, ok = ParseNumber(text[:end]); !ok {
		value, ok = localNumber(text[:end])
	}
	return value, unit, ok
}

// LooseNumber reads what ParseNumber does not: a number with a decimal comma or with
// groups of digits, where it can be only one.
func LooseNumber(text string) (float64, bool) { return localNumber(text) }

// ParseNumber reads a decimal number from text, as vendors quote them: "23.6",
// "003283.35", " 7 ". NaN, infinities, hexadecimal and digits with underscores
// are not numbers.
func ParseNumber(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 64 {
		return 0, false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsInf(v, 0) && !math.IsNaN(v)
}
