package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"greencommunity/metrics/savings/baseline"
)

const unknown = "未知"

func day(t time.Time) string { return t.Format(time.DateOnly) }

func known(n int) string {
	if n == 0 {
		return unknown
	}
	return strconv.Itoa(n)
}

func named[K comparable](m map[K]string, k K) string {
	if v, ok := m[k]; ok {
		return v
	}
	return fmt.Sprint(k)
}

func percent(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + "%" }

// percentTo is a share with as many decimals as its band deserves.
func percentTo(v, band float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknown
	}
	return Rounded(100*v, 100*band) + "%"
}

// Rounded writes a figure to the place where its band has its second digit: the
// digits behind say nothing.
func Rounded(v, band float64) string {
	band = math.Abs(band)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknown
	}
	if band == 0 || math.IsNaN(band) || math.IsInf(band, 0) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	place := int(math.Floor(math.Log10(band))) - 1
	unit := math.Pow(10, float64(place))
	rounded := math.Round(v/unit) * unit
	if rounded == 0 {
		rounded = 0 // never -0
	}
	return strconv.FormatFloat(rounded, 'f', max(0, -place), 64)
}

// rough is a figure without a band, to a hundredth of itself.
func rough(v float64) string { return Rounded(v, v/100) }

// within writes figure ± band.
func within(v, band float64) string { return Rounded(v, band) + " ± " + Rounded(band, band) }

func coverage(v baseline.Figure) string {
	if math.IsNaN(float64(v)) {
		return "—"
	}
	return percent(float64(v))
}

func ratio(v baseline.Figure) string {
	if math.IsNaN(float64(v)) {
		return unknown
	}
	return percent(float64(v))
}

func figure(v baseline.Figure, decimals int) string {
	if math.IsNaN(float64(v)) {
		return unknown
	}
	return decimal(float64(v), decimals)
}

// decimal never writes -0.
func decimal(v float64, decimals int) string {
	scale := math.Pow(10, float64(decimals))
	if v = math.Round(v*scale) / scale; v == 0 {
		v = 0
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// change is by which share a figure differs from another.
func change(now, then float64) string {
	if !(then > 0) || math.IsNaN(now) {
		return unknown
	}
	text := decimal(100*(now/then-1), 1) + "%"
	if !strings.HasPrefix(text, "-") && text != "0.0%" {
		text = "+" + text
	}
	return text
}

// lasted writes a time to clear.
func lasted(d time.Duration) string {
	switch {
	case d < 0:
		return unknown
	case d < time.Hour:
		return decimal(d.Minutes(), 0) + " 分钟"
	case d < 48*time.Hour:
		return decimal(d.Hours(), 1) + " 小时"
	}
	return decimal(d.Hours()/24, 1) + " 天"
}
