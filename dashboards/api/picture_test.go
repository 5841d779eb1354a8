package api

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// A series with a gap is two curves, in well-formed SVG that says its unit; without
// points the picture says so.
func TestChart(t *testing.T) {
	from := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var points []point
	for i := range 72 {
		if i < 30 || i >= 40 {
			points = append(points, point{from.Add(time.Duration(i) * time.Hour), 20 + 18*math.Sin(float64(i)/6)})
		}
	}
	for name, c := range map[string]struct {
		points []point
		curves int
		says   string
	}{"a gap": {points, 2, "L/h"}, "nothing": {nil, 0, "no data"}} {
		svg := chart(c.points, from, from.Add(72*time.Hour), time.Hour, from.Add(50*time.Hour), "L/h", time.FixedZone("", 8*3600))
		for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if n := strings.Count(string(svg), `stroke="#0a6b3d"`); n != c.curves || !strings.Contains(string(svg), c.says) {
			t.Errorf("%s: %d curves, want %d, and %q, in\n%s", name, n, c.curves, c.says, svg)
		}
	}
}
