package canvas

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"strings"
	"testing"
)

// The same drawing is well-formed SVG, whatever its texts hold, and a PNG in which
// what was painted has its colour.
func TestBothPaintTheSame(t *testing.T) {
	red := color.NRGBA{0xd6, 0x27, 0x28, 0xff}
	draw := func(c Canvas) []byte {
		c.Area(Box(0, 0, 200, 100), White)
		c.Area(Box(20, 20, 40, 40), red)
		c.Line([]Point{{100, 50}, {180, 50}}, 4, red)
		c.Line([]Point{{150, 80}}, 6, red) // a dot
		c.Text(100, 15, 0, `<"m³" & more>`)
		var b bytes.Buffer
		if err := c.Encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	v := SVG(200, 100, 12)
	v.Note(Box(1, 1, 2, 2), color.NRGBA{0, 0, 0, 51}, "since <10:00>")
	v.Upright(5, 50, "a&b")
	v.Dashed([]Point{{0, 90}, {200, 90}}, 1, red)
	text := draw(v)
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	for _, want := range []string{`fill-opacity="0.20"`, `stroke="#d62728"`, "rotate(-90 5.0 50.0)", "since &lt;10:00&gt;", `stroke-dasharray`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	img, err := png.Decode(bytes.NewReader(draw(PNG(200, 100))))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		x, y int
		red  bool
	}{{40, 40, true}, {140, 50, true}, {150, 80, true}, {80, 80, false}, {190, 90, false}} {
		r, g, _, _ := img.At(scale*at.x, scale*at.y).RGBA()
		if got := r > 0xc000 && g < 0x4000; got != at.red {
			t.Errorf("(%d, %d) is %v, want red: %v", at.x, at.y, img.At(scale*at.x, scale*at.y), at.red)
		}
	}
}

func TestStep(t *testing.T) {
	for least, want := range map[float64]float64{0.3: 0.5, 1: 1, 1.1: 2, 2.1: 5, 5.1: 10, 480: 500, 0.007: 0.01} {
		if got := Step(least); got < want*(1-1e-12) || got > want*(1+1e-12) {
			t.Errorf("%v: %v, want %v", least, got, want)
		}
	}
}
