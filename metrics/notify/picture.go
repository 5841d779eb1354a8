package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// shown is what an alarm of a kind shows in: the first of the quantities that has readings. Of a
// register (register is set) what went through it an hour is drawn.
type shown struct {
	quantity string
	register bool
	by       float64 // a reading in the unit that is drawn
	unit     string  // ASCII: so is the font; "" of what has none
	state    bool    // it is as it was until the next reading
}

var shownOf = map[string][]shown{
	"water":    {{"water_volume_total", true, 1000, "L/h", false}, {"water_flow", false, 3.6e6, "L/h", false}},
	"lighting": {{"active_power", false, 1, "W", true}, {"light_level", false, 100, "%", true}},
	"waste":    {{"fill_level", false, 100, "%", false}},
	"gate":     {{"door_open", false, 1, "", true}, {"pass_in", false, 1, "", false}},
}

var shownFire = []shown{{"bin_temperature", false, 1, "C", false}, {"temperature", false, 1, "C", false}}

// sample is a reading to be drawn.
type sample struct {
	at    time.Time
	value float64
}

// picture is the series of an alarm as PNG: three days, and when it began; nil where there are no
// readings, or the ingester does not give them. It is no reason to keep a message waiting.
func (n *Notifier) picture(ctx context.Context, s *setup, i *item, now time.Time) []byte {
	base, ok := strings.CutSuffix(strings.TrimSuffix(s.alarms, "/"), "/alarms")
	if i == nil || i.unknown || i.Device == "" || !ok {
		return nil
	}
	wanted := shownOf[i.Facility]
	if i.Kind == "bin_fire" {
		wanted = shownFire
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	from := now.Add(-72 * time.Hour)
	if b := i.began().Add(-12 * time.Hour); b.Before(from) && now.Sub(b) < 14*24*time.Hour {
		from = b
	}
	for _, w := range wanted {
		q := url.Values{"device": {i.Device}, "quantity": {w.quantity}, "from": {from.UTC().Format(time.RFC3339)}, "limit": {"10000"}}
		data, err := n.get(ctx, s, base+"/readings", q)
		if err != nil {
			return nil
		}
		var rows []struct {
			Time  time.Time
			Value *float64
		}
		if json.Unmarshal(data, &rows) != nil {
			return nil
		}
		var series []sample
		for _, r := range rows {
			if r.Value != nil {
				series = append(series, sample{r.Time, *r.Value * w.by})
			}
		}
		slices.SortStableFunc(series, func(a, b sample) int { return a.at.Compare(b.at) })
		if w.register {
			series = hourly(series)
		}
		if len(series) >= 2 {
			return drawn(series, i.began(), w, s.renderer.zone)
		}
	}
	return nil
}

// hourly is what went through a register an hour, between readings.
func hourly(register []sample) (flow []sample) {
	for k := 1; k < len(register); k++ {
		hours := register[k].at.Sub(register[k-1].at).Hours()
		if step := register[k].value - register[k-1].value; hours > 0 && step >= 0 {
			flow = append(flow, sample{register[k].at, step / hours})
		}
	}
	return flow
}

const (
	pictureWidth, pictureHeight = 720, 300
	pictureScale                = 2 // so that it is sharp on a phone
)

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	grid  = color.RGBA{0xe0, 0xe0, 0xe0, 0xff}
	curve = color.RGBA{0x1f, 0x77, 0xb4, 0xff}
	mark  = color.RGBA{0xd6, 0x27, 0x28, 0xff}
)

// drawn is a series, with a red line where it began to be wrong, by days of a zone.
func drawn(series []sample, began time.Time, w shown, zone *time.Location) []byte {
	const left, right, top, bottom = 64, 16, 26, 30
	img := image.NewRGBA(image.Rect(0, 0, pictureScale*pictureWidth, pictureScale*pictureHeight))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	from, to := series[0].at, series[len(series)-1].at
	low, high := 0.0, 0.0
	for _, s := range series {
		low, high = min(low, s.value), max(high, s.value)
	}
	if high == low {
		high = low + 1
	}
	span := max(1, to.Sub(from).Seconds())
	x := func(t time.Time) float64 {
		return left + (pictureWidth-left-right)*t.Sub(from).Seconds()/span
	}
	y := func(v float64) float64 {
		return pictureHeight - bottom - (pictureHeight-top-bottom)*(v-low)/(high-low)
	}
	step := roundStep((high - low) / 4)
	for v := math.Ceil(low/step) * step; v <= high+1e-9; v += step {
		stroke(img, left, y(v), pictureWidth-right, y(v), 1, grid)
		label(img, left-6, y(v), 1, strings.ReplaceAll(grouped(v), ",", ""))
	}
	label(img, left, 12, -1, w.unit)
	every := 24 * time.Hour
	for _, e := range []time.Duration{6 * time.Hour, 2 * time.Hour, 30 * time.Minute, 10 * time.Minute, time.Minute} {
		if to.Sub(from) < 5*e {
			every = e
		}
	}
	first := from.In(zone)
	for t := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, zone); !t.After(to); t = t.Add(every) {
		if t.Before(from) {
			continue
		}
		stroke(img, x(t), top, x(t), pictureHeight-bottom, 1, grid)
		label(img, min(x(t), pictureWidth-40), pictureHeight-14, 0, t.In(zone).Format("01-02 15:04"))
	}
	for k := 1; k < len(series); k++ {
		a, b := series[k-1], series[k]
		if w.state {
			stroke(img, x(a.at), y(a.value), x(b.at), y(a.value), 2, curve)
			stroke(img, x(b.at), y(a.value), x(b.at), y(b.value), 2, curve)
			continue
		}
		stroke(img, x(a.at), y(a.value), x(b.at), y(b.value), 2, curve)
	}
	if !began.Before(from) && !began.After(to) {
		stroke(img, x(began), top, x(began), pictureHeight-bottom, 2, mark)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil // a picture of this size can be encoded
	}
	return out.Bytes()
}

// roundStep is 1, 2 or 5 times a power of ten, not below v.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, by := range []float64{1, 2, 5} {
		if by*power >= v {
			return by * power
		}
	}
	return 10 * power
}

func stroke(img *image.RGBA, x1, y1, x2, y2, thickness float64, c color.Color) {
	const s = pictureScale
	x1, y1, x2, y2 = s*x1, s*y1, s*x2, s*y2
	half := s * thickness / 2
	length := math.Hypot(x2-x1, y2-y1)
	dx, dy := half, 0.0
	if length > 1e-6 {
		dx, dy = -(y2-y1)/length*half, (x2-x1)/length*half
	} else {
		y2 += half
	}
	box := image.Rect(int(math.Floor(min(x1, x2)-half)), int(math.Floor(min(y1, y2)-half)), int(math.Ceil(max(x1, x2)+half))+1, int(math.Ceil(max(y1, y2)+half))+1).Intersect(img.Bounds())
	if box.Empty() {
		return
	}
	var r vector.Rasterizer
	r.Reset(box.Dx(), box.Dy())
	at := func(x, y float64) (float32, float32) {
		return float32(x - float64(box.Min.X)), float32(y - float64(box.Min.Y))
	}
	r.MoveTo(at(x1+dx, y1+dy))
	r.LineTo(at(x1-dx, y1-dy))
	r.LineTo(at(x2-dx, y2-dy))
	r.LineTo(at(x2+dx, y2+dy))
	r.ClosePath()
	r.Draw(img, box, image.NewUniform(c), image.Point{})
}

// label is a text beside a point: anchor says whether it begins (-1), has its middle (0) or ends (1) there.
func label(img *image.RGBA, x, y float64, anchor int, text string) {
	face := basicfont.Face7x13
	w := font.MeasureString(face, text).Ceil()
	small := image.NewAlpha(image.Rect(0, 0, w, face.Height))
	d := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	d.DrawString(text)
	const s = pictureScale
	at := image.Pt(int(s*(x-float64(w)*float64(anchor+1)/2)), int(s*(y-float64(face.Height)/2)))
	big := image.NewAlpha(image.Rect(0, 0, s*w, s*face.Height))
	draw.BiLinear.Scale(big, big.Bounds(), small, small.Bounds(), draw.Src, nil)
	draw.DrawMask(img, big.Bounds().Add(at), image.NewUniform(ink), image.Point{}, big, image.Point{}, draw.Over)
}
