package canvas

import (
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

// raster is a canvas of pixels, two to the picture's one each way.
type raster struct {
	image *image.RGBA
	fill  vector.Rasterizer
}

const scale = 2

// PNG returns an empty picture of width by height, which is written with twice as many
// pixels each way.
func PNG(width, height int) Canvas {
	return &raster{image: image.NewRGBA(image.Rect(0, 0, scale*width, scale*height))}
}

func (r *raster) Area(outline []Point, fill color.NRGBA) {
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
func (r *raster) Line(points []Point, thickness float64, stroke color.NRGBA) {
	half := thickness / 2
	for i, b := range points {
		joint := make([]Point, 8)
		for k := range joint {
			sin, cos := math.Sincos((float64(k) + 0.5) * math.Pi / 4)
			joint[k] = Point{b.X + half*cos, b.Y + half*sin}
		}
		r.Area(joint, stroke)
		if i > 0 {
			a := points[i-1]
			length := max(1e-9, math.Hypot(b.X-a.X, b.Y-a.Y))
			x, y := -(b.Y-a.Y)/length*half, (b.X-a.X)/length*half
			r.Area([]Point{{a.X + x, a.Y + y}, {a.X - x, a.Y - y}, {b.X - x, b.Y - y}, {b.X + x, b.Y + y}}, stroke)
		}
	}
}

func (r *raster) Text(x, y float64, anchor int, text string) {
	text = strings.ReplaceAll(text, "³", "3") // the font is ASCII
	face := basicfont.Face7x13
	small := image.NewAlpha(image.Rect(0, 0, font.MeasureString(face, text).Ceil(), face.Height))
	d := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	d.DrawString(text)
	at := image.Pt(int(scale*x)-small.Rect.Dx()*scale*(anchor+1)/2, int(scale*y)-face.Ascent*scale)
	for py := range small.Rect.Dy() * scale {
		for px := range small.Rect.Dx() * scale {
			if small.AlphaAt(px/scale, py/scale).A > 0 {
				r.image.SetRGBA(at.X+px, at.Y+py, color.RGBA(Ink))
			}
		}
	}
}

func (r *raster) Encode(w io.Writer) error { return png.Encode(w, r.image) }
