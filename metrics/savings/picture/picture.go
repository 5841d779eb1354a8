// Package picture draws what was used, what would have been, and the saving
// that adds up between them with its band. It is apart from the arithmetic.
package picture

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/metrics/canvas"
	"greencommunity/metrics/savings/baseline"
)

var (
	baselineColour = color.NRGBA{R: 0x7a, G: 0x7a, B: 0x7a, A: 0xff}
	actualColour   = color.NRGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}
	savingColour   = color.NRGBA{R: 0x2c, G: 0x7d, B: 0x32, A: 0xff}
	bandColour     = color.NRGBA{R: 0xc8, G: 0xe2, B: 0xc9, A: 0xff}
	gridColour     = color.NRGBA{R: 0xe4, G: 0xe4, B: 0xe4, A: 0xff}
)

// Formats are the ends of file names that can be written.
var Formats = []string{".png", ".svg"}

// Format is the format a file's name asks for, or an error that says which there are.
func Format(name string) (string, error) {
	ext := strings.ToLower(filepath.Ext(name))
	if slices.Contains(Formats, ext) {
		return ext, nil
	}
	return "", fmt.Errorf("%q is no picture; name it .png or .svg", name)
}

// Size of the picture in pixels, and of a panel's margins.
const (
	width, height            = 1000, 720
	left, right, top, bottom = 86, 24, 34, 34
)

// Write draws an analysis: adjusted baseline and actual use per day above, the
// cumulative saving with its 90 % band below. Intervals that are not covered
// are gaps above and add nothing below. The unit labels the axes.
func Write(w io.Writer, format string, a *baseline.Analysis, unit string) error {
	if len(a.Days) == 0 {
		return fmt.Errorf("nothing to draw: no interval of the reporting period is covered")
	}
	var c canvas.Canvas = canvas.SVG(width, height, 13)
	if format == ".png" {
		c = canvas.PNG(width, height)
	}
	c.Area(canvas.Box(0, 0, width, height), canvas.White)

	var baseline, actual [][]canvas.Point // a curve for each stretch without a gap
	var end time.Time
	for _, d := range a.Days {
		if baseline == nil || end.Before(d.Start) {
			baseline, actual = append(baseline, nil), append(actual, nil)
		}
		end = d.Start.AddDate(0, 0, d.Days)
		n, x, days := len(baseline)-1, float64(d.Start.Unix()), float64(d.Days)
		baseline[n] = append(baseline[n], canvas.At(x, d.Baseline/days))
		actual[n] = append(actual[n], canvas.At(x, d.Actual/days))
	}
	var middle, upper, lower []canvas.Point
	for _, p := range a.Cumulative() {
		x := float64(p.Date.Unix())
		middle = append(middle, canvas.At(x, p.Saving))
		upper, lower = append(upper, canvas.At(x, p.Saving+p.Band)), append(lower, canvas.At(x, p.Saving-p.Band))
	}
	slices.Reverse(lower)
	band := append(upper, lower...)
	from, to := a.Days[0].Start, end
	if last := time.Unix(int64(middle[len(middle)-1].X), 0); last.After(to) {
		to = last
	}

	use := newPanel(c, 0, from, to, append(slices.Concat(baseline...), slices.Concat(actual...)...))
	use.frame("Adjusted baseline and actual use", unit+" a day")
	use.curves(baseline, baselineColour)
	use.curves(actual, actualColour)
	use.legend([]string{"baseline", "actual"}, []color.NRGBA{baselineColour, actualColour})

	total := newPanel(c, height/2, from, to, band)
	c.Area(total.all(band), bandColour)
	total.frame("Cumulative saving, with its 90 % band", unit)
	c.Line(total.all([]canvas.Point{canvas.At(float64(from.Unix()), 0), canvas.At(float64(to.Unix()), 0)}), 1, canvas.Ink)
	total.curves([][]canvas.Point{middle}, savingColour)
	return c.Encode(w)
}

// panel is one of the two diagrams: a box of the canvas and what it spans.
type panel struct {
	c          canvas.Canvas
	y          float64 // of its upper edge, the title included
	from, to   time.Time
	least      float64
	most, step float64
}

// newPanel spans the points, and zero, in even steps.
func newPanel(c canvas.Canvas, y float64, from, to time.Time, points []canvas.Point) *panel {
	p := &panel{c: c, y: y, from: from, to: to}
	for _, at := range points {
		p.least, p.most = min(p.least, at.Y), max(p.most, at.Y)
	}
	if p.least == p.most {
		p.most = 1
	}
	p.step = canvas.Step((p.most - p.least) / 5)
	p.least, p.most = math.Floor(p.least/p.step)*p.step, math.Ceil(p.most/p.step)*p.step
	return p
}

func (p *panel) at(v canvas.Point) canvas.Point {
	span := max(1, p.to.Sub(p.from).Seconds())
	return canvas.At(left+(width-left-right)*(v.X-float64(p.from.Unix()))/span,
		p.y+top+(height/2-top-bottom)*(p.most-v.Y)/(p.most-p.least))
}

func (p *panel) all(points []canvas.Point) []canvas.Point {
	moved := make([]canvas.Point, len(points))
	for i, v := range points {
		moved[i] = p.at(v)
	}
	return moved
}

func (p *panel) curves(parts [][]canvas.Point, stroke color.NRGBA) {
	for _, points := range parts {
		p.c.Line(p.all(points), 1.6, stroke)
	}
}

// frame draws the title, the grid and what its lines mean: values, and first
// days of months or, where those are few, days.
func (p *panel) frame(title, unit string) {
	p.c.Text(left, p.y+20, -1, title)
	p.c.Text(left-8, p.y+20, 1, unit)
	for i := range int(math.Round((p.most-p.least)/p.step)) + 1 {
		v := p.least + float64(i)*p.step
		y := p.at(canvas.At(float64(p.from.Unix()), v)).Y
		p.c.Line([]canvas.Point{canvas.At(left, y), canvas.At(width-right, y)}, 1, gridColour)
		p.c.Text(left-8, y+4, 1, strconv.FormatFloat(v, 'g', 6, 64))
	}
	days := p.to.Sub(p.from).Hours() / 24
	months, each, format := 0, max(1, int(math.Ceil(days/8))), time.DateOnly
	if days > 70 {
		months, each, format = max(1, int(math.Ceil(days/30.4/12))), 0, "2006-01"
	}
	tick := p.from
	if months > 0 && tick.Day() > 1 {
		tick = time.Date(tick.Year(), tick.Month()+1, 1, 0, 0, 0, 0, tick.Location())
	}
	for ; !tick.After(p.to); tick = tick.AddDate(0, months, each) {
		x := p.at(canvas.At(float64(tick.Unix()), 0)).X
		p.c.Line([]canvas.Point{canvas.At(x, p.y+top), canvas.At(x, p.y+height/2-bottom)}, 1, gridColour)
		p.c.Text(x, p.y+height/2-bottom+18, 0, tick.Format(format))
	}
}

func (p *panel) legend(names []string, colours []color.NRGBA) {
	for i, name := range names {
		x := float64(width - right - 110*(len(names)-i))
		p.c.Line([]canvas.Point{canvas.At(x, p.y+16), canvas.At(x+24, p.y+16)}, 3, colours[i])
		p.c.Text(x+30, p.y+20, -1, name)
	}
}
