package format

import (
	"math"
	"strconv"
	"strings"
)

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
