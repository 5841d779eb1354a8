// Package canvas paints the program's pictures: areas, lines and texts, as SVG or PNG.
// What is drawn, and on which scale, is its callers'. gonum/plot would add a sixth to the
// binary, and the ingester would carry it too.
package canvas

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"math"
)

// Ink is the colour of texts.
var Ink = color.NRGBA{R: 0x22, G: 0x22, B: 0x22, A: 0xff}

// White is the colour of grounds.
var White = color.NRGBA{R: 0xff, G: 0xff, B: 0xff, A: 0xff}

// Point is a place on a canvas, in pixels from above left.
type Point struct{ X, Y float64 }

// At returns a place.
func At(x, y float64) Point { return Point{x, y} }

// Canvas takes what a picture is made of, the lowest first.
type Canvas interface {
	Area(outline []Point, fill color.NRGBA)
	// Line joins points; a point alone is a dot. Thickness is in pixels.
	Line(points []Point, thickness float64, stroke color.NRGBA)
	// Text writes beside a point: anchor says which part of the text is at x, -1 its
	// beginning, 0 its middle, 1 its end; y is where its letters stand.
	Text(x, y float64, anchor int, s string)
	Encode(w io.Writer) error
}

// Box returns the outline of a rectangle.
func Box(x, y, width, height float64) []Point {
	return []Point{{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}}
}

// Step returns a round distance of lines, 1, 2 or 5 times a power of ten and not below
// least, which is above 0.
func Step(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, by := range []float64{1, 2, 5} {
		if by*power >= least {
			return by * power
		}
	}
	return 10 * power
}

// Vector is a canvas that becomes SVG. Beside what each canvas does it has what a
// browser can show: notes, dashes and texts that stand upright.
type Vector struct{ b bytes.Buffer }

// SVG returns an empty picture of width by height.
func SVG(width, height, fontSize int) *Vector {
	v := &Vector{}
	fmt.Fprintf(&v.b, xml.Header+`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="%d">`+"\n", width, height, fontSize)
	return v
}

// paint is an attribute of a colour, and of how much of what lies below is seen through it.
func paint(attribute string, c color.NRGBA) string {
	s := fmt.Sprintf(` %s="#%02x%02x%02x"`, attribute, c.R, c.G, c.B)
	if c.A < 0xff {
		s += fmt.Sprintf(` %s-opacity="%.2f"`, attribute, float64(c.A)/0xff)
	}
	return s
}

func (v *Vector) path(points []Point) {
	for i, p := range points {
		fmt.Fprintf(&v.b, "%c%.1f %.1f", "ML"[min(i, 1)], p.X, p.Y)
	}
}

func (v *Vector) Area(outline []Point, fill color.NRGBA) { v.Note(outline, fill, "") }

// Note paints an area that tells a text where the pointer rests on it.
func (v *Vector) Note(outline []Point, fill color.NRGBA, text string) {
	fmt.Fprintf(&v.b, `<path%s d="`, paint("fill", fill))
	v.path(outline)
	v.b.WriteString("Z\">")
	if text != "" {
		v.b.WriteString("<title>")
		v.escape(text)
		v.b.WriteString("</title>")
	}
	v.b.WriteString("</path>\n")
}

func (v *Vector) Line(points []Point, thickness float64, stroke color.NRGBA) {
	v.line(points, thickness, stroke, "")
}

// Dashed is a Line of dashes.
func (v *Vector) Dashed(points []Point, thickness float64, stroke color.NRGBA) {
	v.line(points, thickness, stroke, ` stroke-dasharray="4 3"`)
}

func (v *Vector) line(points []Point, thickness float64, stroke color.NRGBA, dashes string) {
	fmt.Fprintf(&v.b, `<path fill="none"%s stroke-width="%g"%s stroke-linecap="round" d="`, paint("stroke", stroke), thickness, dashes)
	if len(points) == 1 {
		points = append(points, points[0])
	}
	v.path(points)
	v.b.WriteString("\"/>\n")
}

func (v *Vector) Text(x, y float64, anchor int, s string) { v.text(x, y, anchor, s, "") }

// Upright is a Text that begins at a point and is read from below.
func (v *Vector) Upright(x, y float64, s string) {
	v.text(x, y, -1, s, fmt.Sprintf(` transform="rotate(-90 %.1f %.1f)"`, x, y))
}

func (v *Vector) text(x, y float64, anchor int, s, turned string) {
	fmt.Fprintf(&v.b, `<text x="%.1f" y="%.1f"%s%s text-anchor="%s">`, x, y, turned, paint("fill", Ink), [...]string{"start", "middle", "end"}[anchor+1])
	v.escape(s)
	v.b.WriteString("</text>\n")
}

func (v *Vector) escape(s string) { _ = xml.EscapeText(&v.b, []byte(s)) } // to memory

// Encode writes the picture, once.
func (v *Vector) Encode(w io.Writer) error {
	v.b.WriteString("</svg>")
	_, err := w.Write(v.b.Bytes())
	return err
}
