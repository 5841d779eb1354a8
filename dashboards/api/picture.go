package api

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/canvas"
)

// The picture of an alarm is the series it is about, from two days before it began, as
// SVG: what is drawn stands in InfluxDB, and what nobody reported is a gap.

// drawn says what of a kind of facility is drawn where the kind of alarm does not say:
// what was used in each hour, or a quantity.
type drawn struct {
	measurement, field, function string
	step                         time.Duration
	by                           float64 // to the unit that is shown
	unit                         string
}

var (
	drawnUse   = drawn{"usage", "used", "sum", time.Hour, 1000, "L/h"}
	drawnKinds = map[string]drawn{
		"bin_fire":    {"waste", "bin_temperature", "max", 10 * time.Minute, 1, "℃"},
		"charger_hot": {"charging", "temperature", "max", 10 * time.Minute, 1, "℃"},
		"overcurrent": {"charging", "current", "max", 10 * time.Minute, 1, "A"},
		"noise":       {"noise", "sound_level", "mean", 10 * time.Minute, 1, "dB"},
		"off_hours":   {"gate", "pass_in", "sum", time.Hour, 1, ""},
	}
	drawnFacilities = map[ingest.FacilityKind]drawn{
		ingest.Water: drawnUse, ingest.Lighting: {"lighting", "active_power", "mean", 15 * time.Minute, 1, "W"},
		ingest.Waste: {"waste", "fill_level", "max", 30 * time.Minute, 100, "%"}, ingest.Gate: {"gate", "door_open", "max", 5 * time.Minute, 1, ""},
	}
)

// drawnOf says what is drawn of an alarm; ok is false where nothing is known to be.
func (a *API) drawnOf(i *alarms.Item) (drawn, bool) {
	if d, ok := drawnKinds[i.Kind]; ok {
		return d, true
	}
	// A limit, a flat line or an odd value is about the quantity its channel begins with.
	name, _, _ := strings.Cut(i.Channel, "/")
	if q := a.s.Inventory().Facilities.Quantity(i.Facility, name); name != "" && q != nil {
		return drawn{string(i.Facility), name, "mean", 15 * time.Minute, 1, q.Unit}, true
	}
	d, ok := drawnFacilities[i.Facility]
	return d, ok
}

// picture is one for who may see the alarm.
func (a *API) picture(w http.ResponseWriter, r *http.Request) error {
	item, err := a.s.Desk.Get(r.Context(), r.PathValue("id"), time.Now())
	if err == nil && !access.From(r.Context()).Sees(item.Community, item.Vendor) {
		err = alarms.ErrUnknown
	}
	return a.draw(w, r, &item, err)
}

// signedPicture is one for who has a signed link of the alarm.
func (a *API) signedPicture(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if _, err := a.s.Desk.Verify(r.PathValue("id"), url.Values{"who": q["who"], "until": q["until"], "sign": q["sign"]}, time.Now()); err != nil {
		return failure{http.StatusForbidden, err}
	}
	item, err := a.s.Desk.Get(r.Context(), r.PathValue("id"), time.Now())
	return a.draw(w, r, &item, err)
}

func (a *API) draw(w http.ResponseWriter, r *http.Request, i *alarms.Item, err error) error {
	if errors.Is(err, alarms.ErrUnknown) {
		return missing("no alarm has the id %.40q", r.PathValue("id"))
	}
	if err != nil {
		return err
	}
	d, ok := a.drawnOf(i)
	if !ok || i.Device == "" {
		return missing("nothing is drawn of this kind of alarm")
	}
	now := time.Now()
	to := now
	if i.Closed != nil && i.Closed.Add(6*time.Hour).Before(now) {
		to = i.Closed.Add(6 * time.Hour)
	}
	from := i.Began.Add(-48 * time.Hour)
	if least := to.Add(-60 * 24 * time.Hour); from.Before(least) {
		from = least
	}
	step := d.step
	for to.Sub(from)/step > 1000 {
		step *= 2
	}
	from = from.Truncate(step)
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	statement := fmt.Sprintf(`SELECT %s("%s") FROM "%s" WHERE "device" = '%s' AND "community" = '%s' AND time >= %dms AND time < %dms GROUP BY time(%ds) fill(none)`,
		d.function, d.field, d.measurement, quote.Replace(string(i.Device)), quote.Replace(string(i.Community)), from.UnixMilli(), to.Truncate(step).Add(step).UnixMilli(), int(step.Seconds()))
	list, err := a.db.ask(r.Context(), statement, to)
	if err != nil {
		return err
	}
	var points []point
	for _, s := range list {
		for _, row := range s.Values {
			if v, ok := at(row, 1); ok {
				points = append(points, point{moment(row), v * d.by * hourly(d, step)})
			}
		}
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	_, err = w.Write(chart(points, from, to, step, i.Began, d.unit, a.s.Inventory().Zone))
	return err
}

// hourly brings a sum over a longer step back to an hour.
func hourly(d drawn, step time.Duration) float64 {
	if d.function != "sum" {
		return 1
	}
	return float64(d.step) / float64(step)
}

type point struct {
	at time.Time
	v  float64
}

const (
	chartW, chartH                 = 640, 240
	chartL, chartR, chartT, chartB = 52, 12, 16, 28
)

var (
	chartGrid  = color.NRGBA{0xdd, 0xdd, 0xdd, 0xff}
	chartCurve = color.NRGBA{0x0a, 0x6b, 0x3d, 0xff}
	chartBegan = color.NRGBA{0xb3, 0x26, 0x1e, 0xff}
	chartSince = color.NRGBA{0xb3, 0x26, 0x1e, 20}
)

// chart draws points, with gaps where none was for three steps, and a line where the
// alarm began.
func chart(points []point, from, to time.Time, step time.Duration, began time.Time, unit string, zone *time.Location) []byte {
	most, least := 0.0, 0.0
	for _, p := range points {
		most, least = max(most, p.v), min(least, p.v)
	}
	if most > 0 {
		step := canvas.Step(most / 4)
		most = math.Ceil(most/step) * step
	} else {
		most = least + 1
	}
	x := func(t time.Time) float64 {
		return chartL + (chartW-chartL-chartR)*float64(t.Sub(from))/float64(to.Sub(from))
	}
	y := func(v float64) float64 { return chartH - chartB - (chartH-chartT-chartB)*(v-least)/(most-least) }
	c := canvas.SVG(chartW, chartH, 12)
	c.Area(canvas.Box(0, 0, chartW, chartH), canvas.White)
	for n := range 5 {
		v := least + (most-least)*float64(n)/4
		c.Line([]canvas.Point{canvas.At(chartL, y(v)), canvas.At(chartW-chartR, y(v))}, 1, chartGrid)
		c.Text(chartL-5, y(v)+4, 1, short(v))
	}
	c.Text(chartL, 12, -1, unit)
	day := time.Date(from.In(zone).Year(), from.In(zone).Month(), from.In(zone).Day(), 0, 0, 0, 0, zone)
	every := max(1, int(to.Sub(from).Hours()/24/8+0.5))
	for n := 0; day.Before(to); n++ {
		day = day.AddDate(0, 0, 1)
		if n%every == 0 && day.Before(to) {
			c.Line([]canvas.Point{canvas.At(x(day), chartT), canvas.At(x(day), chartH-chartB)}, 1, chartGrid)
			c.Text(x(day), chartH-10, 0, day.Format("1-2"))
		}
	}
	if !began.Before(from) {
		c.Area(canvas.Box(x(began), chartT, max(0, chartW-chartR-x(began)), chartH-chartT-chartB), chartSince)
		c.Dashed([]canvas.Point{canvas.At(x(began), chartT), canvas.At(x(began), chartH-chartB)}, 1, chartBegan)
	}
	if len(points) == 0 {
		c.Text(chartW/2, chartH/2, 0, "无数据 · no data")
	}
	var line []canvas.Point
	for n, p := range points {
		if n > 0 && p.at.Sub(points[n-1].at) > 3*step {
			c.Line(line, 1.6, chartCurve)
			line = nil
		}
		line = append(line, canvas.At(x(p.at), y(p.v)))
	}
	if line != nil {
		c.Line(line, 1.6, chartCurve)
	}
	var b bytes.Buffer
	_ = c.Encode(&b) // to memory
	return b.Bytes()
}

func short(v float64) string {
	return cmp.Or(strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), "."), "0")
}
