package history

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"time"
)

// colour of an alarm's band by severity.
var colour = map[string]string{"critical": "#d62728", "warning": "#ff9f1c", "info": "#4c9be8"}

// Picture draws the first device's series and scores with its alarms, as SVG.
func Picture(title string, r *Result) []byte {
	const width, height, left, top, scores = 1200.0, 420.0, 60.0, 40.0, 70.0
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="11">`, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%g" y="18" font-size="14">%s</text>`, left, html.EscapeString(title))
	span := r.To.Sub(r.From).Seconds()
	if span <= 0 || len(r.Rows) == 0 {
		b.WriteString(`</svg>`)
		return b.Bytes()
	}
	x := func(t time.Time) float64 {
		return left + (width-left-20)*min(max(t.Sub(r.From).Seconds()/span, 0), 1)
	}
	plot := height - top - scores - 40
	device := r.Rows[0].Device

	// A column of pixels shows the least and the most of what falls in it.
	columns := int(width - left - 20)
	low, high := make([]float64, columns+1), make([]float64, columns+1)
	score := make([]float64, columns+1)
	for i := range low {
		low[i], high[i] = math.Inf(1), math.Inf(-1)
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, row := range r.Rows {
		if row.Device != device {
			continue
		}
		i := int(x(row.Time) - left)
		score[i] = max(score[i], row.Score)
		if math.IsNaN(row.Value) {
			continue
		}
		low[i], high[i] = min(low[i], row.Value), max(high[i], row.Value)
		least, most = min(least, row.Value), max(most, row.Value)
	}
	if least > most {
		least, most = 0, 1
	}
	if least == most {
		most = least + 1
	}
	y := func(v float64) float64 { return top + plot*(1-(v-least)/(most-least)) }

	since := map[string]time.Time{}
	band := func(from, to time.Time, severity, kind string) {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%g" width="%.1f" height="%g" fill="%s" opacity="0.35"><title>%s %s – %s</title></rect>`,
			x(from), top, max(x(to)-x(from), 1.5), plot+scores+10, colour[severity], kind, from.Format(time.RFC3339), to.Format(time.RFC3339))
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" transform="rotate(-90 %.1f %g)" fill="#444">%s</text>`, x(from)-2, top+plot, x(from)-2, top+plot, kind)
	}
	for _, c := range r.Changes {
		if string(c.Alarm.Device) != device {
			continue
		}
		key := c.Alarm.Kind + "\x00" + c.Alarm.Channel
		if c.Raised {
			since[key] = c.At
		} else if from, ok := since[key]; ok {
			band(from, c.At, c.Alarm.Severity, c.Alarm.Kind)
			delete(since, key)
		}
	}
	for _, a := range r.Open {
		if string(a.Device) == device {
			band(a.Since, r.To, a.Severity, a.Kind)
		}
	}
	b.WriteString(`<path fill="none" stroke="#1f4e79" stroke-width="1" d="`)
	pen := "M"
	for i := range low {
		if low[i] > high[i] {
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, left+float64(i), y(low[i]))
		pen = "L"
		if high[i] > low[i] {
			fmt.Fprintf(&b, "L%.1f %.1f", left+float64(i), y(high[i]))
		}
	}
	b.WriteString(`"/>`)
	base := top + plot + 10 + scores
	for i, s := range score {
		if s > 0 {
			fmt.Fprintf(&b, `<path stroke="%s" d="M%.1f %.1fV%.1f"/>`, map[bool]string{true: "#d62728", false: "#999"}[s >= 1], left+float64(i), base, base-scores*min(s, 2)/2)
		}
	}
	fmt.Fprintf(&b, `<path stroke="#555" stroke-dasharray="4 3" d="M%g %.1fH%g"/><text x="%g" y="%.1f" text-anchor="end">score 1</text>`, left, base-scores/2, width-20, left-4, base-scores/2+4)
	for _, v := range []float64{least, (least + most) / 2, most} {
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" text-anchor="end">%.4g</text>`, left-4, y(v)+4, v)
	}
	for i := range 7 {
		t := r.From.Add(time.Duration(float64(r.To.Sub(r.From)) * float64(i) / 6))
		anchor := "middle"
		if i == 6 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="%s">%s</text>`, x(t), height-8, anchor, t.Format("2006-01-02 15:04"))
	}
	b.WriteString(`</svg>`)
	return b.Bytes()
}
