// Package picture draws what was used, what would have been, and the saving
// that adds up between them with its band. It is apart from the arithmetic, so
// that who computes does not carry a plotting library.
package picture

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"greencommunity/metrics/savings"
)

var (
	baselineColour = color.RGBA{R: 0x7a, G: 0x7a, B: 0x7a, A: 0xff}
	actualColour   = color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}
	savingColour   = color.RGBA{R: 0x2c, G: 0x7d, B: 0x32, A: 0xff}
	bandColour     = color.RGBA{R: 0xc8, G: 0xe2, B: 0xc9, A: 0xff}
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

// Write draws an analysis: adjusted baseline and actual use per day above, the
// cumulative saving with its 90 % band below. Intervals that are not covered
// are gaps above and add nothing below. The unit labels the axes.
func Write(w io.Writer, format string, a *savings.Analysis, unit string) error {
	if len(a.Days) == 0 {
		return fmt.Errorf("nothing to draw: no interval of the reporting period is covered")
	}
	use, total := plot.New(), plot.New()
	use.Title.Text = "Adjusted baseline and actual use"
	use.Y.Label.Text = unit + " a day"
	total.Title.Text = "Cumulative saving, with its 90 % band"
	total.Y.Label.Text = unit
	for _, p := range []*plot.Plot{use, total} {
		p.X.Tick.Marker = plot.TimeTicks{Format: "2006-01"}
		p.Add(plotter.NewGrid())
	}

	var baseline, actual plotter.XYs
	for i, d := range a.Days {
		if i > 0 {
			before := a.Days[i-1]
			if end := before.Start.AddDate(0, 0, before.Days); end.Before(d.Start) {
				if err := lines(use, baseline, actual); err != nil {
					return err
				}
				baseline, actual = nil, nil
			}
		}
		x, days := float64(d.Start.Unix()), float64(d.Days)
		baseline = append(baseline, plotter.XY{X: x, Y: d.Baseline / days})
		actual = append(actual, plotter.XY{X: x, Y: d.Actual / days})
	}
	if err := lines(use, baseline, actual); err != nil {
		return err
	}
	for _, entry := range []struct {
		name   string
		colour color.Color
	}{{"baseline", baselineColour}, {"actual", actualColour}} {
		l := &plotter.Line{LineStyle: draw.LineStyle{Color: entry.colour, Width: vg.Points(1.5)}}
		use.Legend.Add(entry.name, l)
	}
	use.Legend.Top = true
	use.Y.Min = math.Min(0, use.Y.Min)

	curve := a.Cumulative()
	var middle, upper, lower plotter.XYs
	for _, c := range curve {
		x := float64(c.Date.Unix())
		middle = append(middle, plotter.XY{X: x, Y: c.Saving})
		upper = append(upper, plotter.XY{X: x, Y: c.Saving + c.Band})
		lower = append(lower, plotter.XY{X: x, Y: c.Saving - c.Band})
	}
	slices.Reverse(lower)
	band, err := plotter.NewPolygon(append(upper, lower...))
	if err != nil {
		return err
	}
	band.Color, band.LineStyle.Width = bandColour, 0
	line, err := plotter.NewLine(middle)
	if err != nil {
		return err
	}
	line.Color, line.Width = savingColour, vg.Points(1.5)
	zero := plotter.NewFunction(func(float64) float64 { return 0 })
	zero.Color = color.Black
	total.Add(band, zero, line)
	total.X.Min, total.X.Max = use.X.Min, use.X.Max

	const width, height = 20 * vg.Centimeter, 15 * vg.Centimeter
	var canvas interface {
		vg.CanvasSizer
		io.WriterTo
	}
	if format == ".svg" {
		canvas = vgsvg.New(width, height)
	} else {
		canvas = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(120))}
	}
	plots := [][]*plot.Plot{{use}, {total}}
	tiles := draw.Tiles{Rows: 2, Cols: 1, PadY: vg.Millimeter * 4, PadTop: vg.Millimeter * 2, PadBottom: vg.Millimeter * 2, PadLeft: vg.Millimeter * 2, PadRight: vg.Millimeter * 6}
	for i, row := range plot.Align(plots, tiles, draw.New(canvas)) {
		plots[i][0].Draw(row[0])
	}
	_, err = canvas.WriteTo(w)
	return err
}

func lines(p *plot.Plot, baseline, actual plotter.XYs) error {
	for _, l := range []struct {
		points plotter.XYs
		colour color.Color
	}{{baseline, baselineColour}, {actual, actualColour}} {
		if len(l.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(l.points)
		if err != nil {
			return err
		}
		line.Color, line.Width = l.colour, vg.Points(1)
		p.Add(line)
	}
	return nil
}
