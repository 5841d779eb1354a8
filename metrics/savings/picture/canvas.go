package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// svg is a canvas that becomes text.
type svg struct{ b bytes.Buffer }

func newSVG() *svg {
	s := &svg{}
	fmt.Fprintf(&s.b, xml.Header+`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	return s
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

func (s *svg) path(points []point) {
	for i, p := range points {
		fmt.Fprintf(&s.b, "%c%.1f %.1f", "ML"[min(i, 1)], p.X, p.Y)
	}
}

func (s *svg) area(outline []point, fill color.RGBA) {
	fmt.Fprintf(&s.b, `<path fill="%s" d="`, hex(fill))
	s.path(outline)
	s.b.WriteString("Z\"/>\n")
}

func (s *svg) line(points []point, thickness float64, stroke color.RGBA) {
	fmt.Fprintf(&s.b, `<path fill="none" stroke="%s" stroke-width="%g" stroke-linecap="round" d="`, hex(stroke), thickness)
	if len(points) == 1 {
		points = append(points, points[0]) // a day alone is a dot
	}
	s.path(points)
	s.b.WriteString("\"/>\n")
}

func (s *svg) text(x, y float64, anchor int, text string) {
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" fill="%s" text-anchor="%s">`, x, y, hex(inkColour), [...]string{"start", "middle", "end"}[anchor+1])
	xml.EscapeText(&s.b, []byte(text))
	s.b.WriteString("</text>\n")
}

func (s *svg) writeTo(w io.Writer) error {
	s.b.WriteString("</svg>\n")
	_, err := w.Write(s.b.Bytes())
	return err
}

// raster is a canvas of pixels, two to the picture's one each way.
type raster struct {
	image *image.RGBA
	fill  vector.Rasterizer
}

const scale = 2

func newPNG() *raster {
	return &raster{image: image.NewRGBA(image.Rect(0, 0, scale*width, scale*height))}
}

func (r *raster) area(outline []point, fill color.RGBA) {
	box := image.Rectangle{}
	for _, p := range outline {
		x, y := int(math.Floor(scale*p.X)), int(math.Floor(scale*p.Y))
		box = box.Union(image.Rect(x, y, x+1, y+1))
	}
	box = box.Intersect(r.image.Bounds())
	r.fill.Reset(box.Dx(), box.Dy())
	for i, p := range outline {
		x, y := float32(scale*p.X)-float32(box.Min.X), float32(scale*p.Y)-float32(box.Min.Y)
		if i == 0 {
			r.fill.MoveTo(x, y)
		} else {
			r.fill.LineTo(x, y)
		}
	}
	r.fill.ClosePath()
	r.fill.Draw(r.image, box, image.NewUniform(fill), image.Point{})
}

// line fills a rectangle for each piece, and an octagon where two meet.
func (r *raster) line(points []point, thickness float64, stroke color.RGBA) {
	half := thickness / 2
	for i, b := range points {
		joint := make([]point, 8)
		for k := range joint {
			sin, cos := math.Sincos((float64(k) + 0.5) * math.Pi / 4)
			joint[k] = point{b.X + half*cos, b.Y + half*sin}
		}
		r.area(joint, stroke)
		if i > 0 {
			a := points[i-1]
			length := max(1e-9, math.Hypot(b.X-a.X, b.Y-a.Y))
			x, y := -(b.Y-a.Y)/length*half, (b.X-a.X)/length*half
			r.area([]point{{a.X + x, a.Y + y}, {a.X - x, a.Y - y}, {b.X - x, b.Y - y}, {b.X + x, b.Y + y}}, stroke)
		}
	}
}

func (r *raster) text(x, y float64, anchor int, text string) {
	text = strings.ReplaceAll(text, "³", "3") // the font is ASCII
	face := basicfont.Face7x13
	small := image.NewAlpha(image.Rect(0, 0, font.MeasureString(face, text).Ceil(), face.Height))
	d := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	d.DrawString(text)
	at := image.Pt(int(scale*x)-small.Rect.Dx()*scale*(anchor+1)/2, int(scale*y)-face.Ascent*scale)
	for py := range small.Rect.Dy() * scale {
		for px := range small.Rect.Dx() * scale {
			if small.AlphaAt(px/scale, py/scale).A > 0 {
				r.image.SetRGBA(at.X+px, at.Y+py, inkColour)
			}
		}
	}
}

func (r *raster) writeTo(w io.Writer) error { return png.Encode(w, r.image) }
