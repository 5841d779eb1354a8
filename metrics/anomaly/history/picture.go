package history

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"time"

	"greencommunity/metrics/canvas"
)

// colour of an alarm's band by severity.
var colour = map[string]color.NRGBA{"critical": {0xd6, 0x27, 0x28, 90}, "warning": {0xff, 0x9f, 0x1c, 90}, "info": {0x4c, 0x9b, 0xe8, 90}}

var (
	curve = color.NRGBA{0x1f, 0x4e, 0x79, 0xff}
	quiet = color.NRGBA{0x99, 0x99, 0x99, 0xff}
	loud  = color.NRGBA{0xd6, 0x27, 0x28, 0xff}
)

// Picture draws the first device's series and scores with its alarms, as SVG.
func Picture(title string, r *Result) []byte {
	const width, height, left, top, scores = 1200.0, 420.0, 60.0, 40.0, 70.0
	c := canvas.SVG(width, height, 11)
	c.Area(canvas.Box(0, 0, width, height), canvas.White)
	c.Text(left, 18, -1, title)
	var b bytes.Buffer
	span := r.To.Sub(r.From).Seconds()
	if span <= 0 || len(r.Rows) == 0 {
		_ = c.Encode(&b) // to memory
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
		c.Note(canvas.Box(x(from), top, max(x(to)-x(from), 1.5), plot+scores+10), colour[severity],
			fmt.Sprintf("%s %s – %s", kind, from.Format(time.RFC3339), to.Format(time.RFC3339)))
		c.Upright(x(from)-2, top+plot, kind)
	}
	for _, change := range r.Changes {
		if string(change.Alarm.Device) != device {
			continue
		}
		key := change.Alarm.Kind + "\x00" + change.Alarm.Channel
		if change.Raised {
			since[key] = change.At
		} else if from, ok := since[key]; ok {
			band(from, change.At, change.Alarm.Severity, change.Alarm.Kind)
			delete(since, key)
		}
	}
	for _, a := range r.Open {
		if string(a.Device) == device {
			band(a.Since, r.To, a.Severity, a.Kind)
		}
	}
	var line []canvas.Point
	for i := range low {
		if low[i] > high[i] {
			continue
		}
		line = append(line, canvas.At(left+float64(i), y(low[i])))
		if high[i] > low[i] {
			line = append(line, canvas.At(left+float64(i), y(high[i])))
		}
	}
	c.Line(line, 1, curve)
	base := top + plot + 10 + scores
	for i, s := range score {
		if s > 0 {
			at := left + float64(i)
			c.Line([]canvas.Point{canvas.At(at, base), canvas.At(at, base-scores*min(s, 2)/2)}, 1, map[bool]color.NRGBA{true: loud, false: quiet}[s >= 1])
		}
	}
	c.Dashed([]canvas.Point{canvas.At(left, base-scores/2), canvas.At(width-20, base-scores/2)}, 1, canvas.Ink)
	c.Text(left-4, base-scores/2+4, 1, "score 1")
	for _, v := range []float64{least, (least + most) / 2, most} {
		c.Text(left-4, y(v)+4, 1, fmt.Sprintf("%.4g", v))
	}
	for i := range 7 {
		t := r.From.Add(time.Duration(float64(r.To.Sub(r.From)) * float64(i) / 6))
		c.Text(x(t), height-8, i/6, t.Format("2006-01-02 15:04"))
	}
	_ = c.Encode(&b) // to memory
	return b.Bytes()
}
