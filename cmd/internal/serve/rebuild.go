package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/hourly"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/usage"
)

// Rebuild asks for use to be booked again, from the readings that InfluxDB has. It waits in
// a file of the data directory until all of it is done, so that a service that is killed
// meanwhile does it again.
type Rebuild struct {
	ID        string             `json:"id"`
	Community ingest.CommunityID `json:"community,omitempty"` // "": all
	Since     time.Time          `json:"since"`
	Until     time.Time          `json:"until,omitzero"` // zero: now
}

// Rebuilt says what became of one.
type Rebuilt struct {
	Rebuild
	Error string `json:"error,omitempty"`
	RebuildSums
}

// RebuildSums counts what was done.
type RebuildSums struct {
	Reads int `json:"reads"` // of registers, those before and after the days included
	Days  int `json:"days"`  // of boundaries, that are others now
	Hours int `json:"hours"` // of meters and places, that were written anew
}

// RebuildState is what a running service says of its rebuilds.
type RebuildState struct {
	Waiting  []Rebuild `json:"waiting"` // the first is under way
	Finished []Rebuilt `json:"finished"`
}

func rebuildsPath(dir string) string { return filepath.Join(dir, "rebuilds.ndjson") }

// rebuilds does them, one at a time.
type rebuilds struct {
	settings  *Settings
	pipeline  *pipeline.Pipeline
	observers *observers
	log       *slog.Logger
	wake      chan struct{}

	mu       sync.Mutex // all that follows
	waiting  []Rebuild
	finished []Rebuilt // the latest
}

func newRebuilds(s *Service) *rebuilds {
	// Days may be corrected in part: no revision before the rest is.
	left, _ := readRebuilds(s.settings.DataDir) // run logs the error
	s.observers.savings.Hold(held(left), 0)
	return &rebuilds{settings: s.settings, pipeline: s.pipeline, observers: s.observers, log: s.log, wake: make(chan struct{}, 1)}
}

// held are the times that some concern.
func held(waiting []Rebuild) (list []savings.Held) {
	for _, r := range waiting {
		list = append(list, savings.Held{Community: r.Community, Since: r.Since, Until: r.Until})
	}
	return list
}

// check says what is wrong with a request.
func (r *Rebuild) check(inv *inventory.Inventory, now time.Time) error {
	switch {
	case r.Community != "" && inv.Community(r.Community) == nil:
		return fmt.Errorf("community %q is not in the inventory of this instance", r.Community)
	case r.Since.IsZero() || r.Since.After(now):
		return errors.New("since is not a time of the past")
	case !r.Until.IsZero() && !r.Since.Before(r.Until):
		return fmt.Errorf("since %s is not before until %s", r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339))
	}
	return nil
}

// ask puts a request down, durably.
func (q *rebuilds) ask(r Rebuild) error {
	if err := r.check(q.pipeline.Inventory(), time.Now()); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := appendRebuild(q.settings.DataDir, r); err != nil {
		return err
	}
	q.waiting = append(q.waiting, r)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

func appendRebuild(dir string, r Rebuild) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// 0644: another user may ask while the service is stopped.
	f, err := os.OpenFile(rebuildsPath(dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func readRebuilds(dir string) (list []Rebuild, err error) {
	text, err := os.ReadFile(rebuildsPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var r Rebuild
		if err := json.Unmarshal(line, &r); err != nil {
			return list, fmt.Errorf("%s: %w; remove the file, and ask again", rebuildsPath(dir), err)
		}
		list = append(list, r)
	}
	return list, nil
}

// done takes the first request out of the file.
func (q *rebuilds) done(result Rebuilt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = q.waiting[1:]
	q.finished = append(q.finished, result)
	if len(q.finished) > 1000 {
		q.finished = q.finished[1:]
	}
	var text bytes.Buffer
	for _, r := range q.waiting {
		line, _ := json.Marshal(r) // it was read as such
		text.Write(append(line, '\n'))
	}
	path := rebuildsPath(q.settings.DataDir)
	if err := durable.Replace(path, text.Bytes(), 0o644); err != nil {
		q.log.Error("use will be booked again once more after a restart", "file", path, "error", err)
	}
}

func (q *rebuilds) state() RebuildState {
	q.mu.Lock()
	defer q.mu.Unlock()
	return RebuildState{slices.Clone(q.waiting), slices.Clone(q.finished)}
}

// rebuildAgain sets when one that failed is tried again: InfluxDB may be away.
const rebuildAgain = 10 * time.Second

// run does what is asked for until ctx ends.
func (q *rebuilds) run(ctx context.Context) {
	q.mu.Lock()
	left, err := readRebuilds(q.settings.DataDir) // what ask has put down by now, too
	q.waiting = left
	q.mu.Unlock()
	if err != nil {
		q.log.Error("use is not booked again as asked for", "error", err)
	}
	for ctx.Err() == nil {
		q.mu.Lock()
		var next *Rebuild
		if len(q.waiting) > 0 {
			next = &q.waiting[0]
		}
		holding := held(q.waiting)
		q.mu.Unlock()
		// Those that are done are let go, and a final quarter has its one revision.
		if q.pipeline.Between(ctx, false, func() { q.observers.savings.Hold(holding, time.Now().UnixNano()) }) != nil {
			return
		}
		if next == nil {
			select {
			case <-ctx.Done():
			case <-q.wake:
			}
			continue
		}
		sums, err := q.rebuild(ctx, *next)
		if ctx.Err() != nil {
			return
		}
		if temporary := new(retryable); errors.As(err, &temporary) {
			q.log.Warn("use cannot be booked again yet; tried again in 10 s", "community", next.Community, "since", next.Since, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(rebuildAgain):
			}
			continue
		}
		result := Rebuilt{Rebuild: *next, RebuildSums: sums}
		if err != nil {
			result.Error = err.Error()
			q.log.Error("use is not booked again as asked for", "community", next.Community, "since", next.Since, "error", err)
		} else {
			q.log.Info("use was booked again", "community", next.Community, "since", next.Since, "reads", sums.Reads, "days", sums.Days, "hours", sums.Hours)
		}
		q.done(result)
	}
}

// retryable is what may pass.
type retryable struct{ error }

func (r *retryable) Unwrap() error { return r.error }

// mostHours bounds how many hours of meters are held at a time, 16 bytes each.
const mostHours = 2 << 20

func (q *rebuilds) rebuild(ctx context.Context, r Rebuild) (sums RebuildSums, err error) {
	inv := q.pipeline.Inventory()
	if err := r.check(inv, time.Now()); err != nil {
		return sums, err
	}
	db, err := Database(q.settings.Config)
	if err != nil {
		return sums, &retryable{err}
	}
	o := InfluxOptions(q.settings.Config)
	o.Logger = q.log
	writer := influx.New(o)
	defer writer.Close()
	for _, c := range inv.Communities {
		if r.Community != "" && c.ID != r.Community {
			continue
		}
		w := &rebuilding{rebuilds: q, db: db, writer: writer, inv: inv, community: c.ID}
		if err := w.all(ctx, r); err != nil {
			return sums, err
		}
		sums.Reads += w.sums.Reads
		sums.Days += w.sums.Days
		sums.Hours += w.sums.Hours
	}
	return sums, nil
}

// rebuilding is of one community.
type rebuilding struct {
	*rebuilds
	db        *history.Database
	writer    *influx.Writer
	inv       *inventory.Inventory
	community ingest.CommunityID
	sums      RebuildSums
}

func (w *rebuilding) devices(yield func(index uint32, d *ingest.Device) bool) {
	w.pipeline.Devices(0, yield)
}

// registers are the kinds of facility that have registers of a resource.
func (w *rebuilding) registers(yield func(facility ingest.FacilityKind, resource usage.Resource) error) error {
	for _, kind := range w.inv.Facilities.Kinds() {
		for _, resource := range []usage.Resource{usage.Electricity, usage.Water} {
			if w.inv.Facilities.Quantity(kind, resource.Quantity()) == nil {
				continue
			}
			if err := yield(kind, resource); err != nil {
				return err
			}
		}
	}
	return nil
}

// all rebuilds the days asked for, some at a time, in their order.
func (w *rebuilding) all(ctx context.Context, r Rebuild) error {
	book := w.observers.book
	// An hour is of the day in which it begins, which may be the one before.
	first, end := book.Today(r.Since.Truncate(time.Hour).UnixNano()), book.Today(time.Now().UnixNano())+1
	if !r.Until.IsZero() {
		end = min(end, book.Today(r.Until.UnixNano()-1)+1)
	}
	oldest, stored, err := w.oldest(ctx)
	if err != nil {
		return &retryable{err}
	}
	if !stored {
		return nil
	}
	// Days of which InfluxDB keeps no readings any more stay as they are.
	day := book.Today(oldest - oldest%int64(time.Hour))
	if begins, ok := book.Begins(w.community); ok && begins < day {
		first = max(first, day+1)
	}
	first = max(first, day) // before that is nothing
	meters := 1
	w.devices(func(_ uint32, d *ingest.Device) bool {
		if d.Community == w.community {
			meters++
		}
		return true
	})
	step := min(max(mostHours/24/meters, 1), 31)
	for day := first; day < end; day += step {
		span := usage.Span{Community: w.community, First: day, End: min(day+step, end)}
		for {
			again, err := w.span(ctx, span)
			if err != nil {
				return err
			}
			if !again {
				break
			}
			w.inv = w.pipeline.Inventory()
		}
	}
	return nil
}

// oldest is when the first reading of a register was that InfluxDB keeps.
func (w *rebuilding) oldest(ctx context.Context) (at int64, stored bool, err error) {
	err = w.registers(func(facility ingest.FacilityKind, resource usage.Resource) error {
		series, err := w.db.Rows(ctx, fmt.Sprintf(`SELECT %q FROM %q WHERE community = %s ORDER BY time LIMIT 1`, resource.Quantity(), string(facility), literal(string(w.community))))
		if err != nil {
			return err
		}
		for _, s := range series {
			for _, row := range s.Values {
				if len(row) == 2 && row[0] != nil && row[1] != nil {
					if t := milliseconds(*row[0]) * 1e6; !stored || t < at {
						at, stored = t, true
					}
				}
			}
		}
		return nil
	})
	return at, stored, err
}

// literal is a text as InfluxQL has it.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// milliseconds of a time that was read as a float of nanoseconds.
func milliseconds(ns float64) int64 { return int64(math.Round(ns / 1e6)) }

// span rebuilds some days. Again says that the inventory changed meanwhile, and nothing was
// done.
func (w *rebuilding) span(ctx context.Context, span usage.Span) (again bool, err error) {
	var rebuild *usage.Rebuild
	var engine *savings.Engine
	var stations []ingest.DeviceID
	if err := w.pipeline.Between(ctx, false, func() {
		rebuild = w.observers.book.Open(span, time.Now().UnixNano(), w.devices)
		engine = w.observers.savings.Rebuilding(rebuild.Book, span.First, span.End)
		stations = w.observers.savings.Weathers(w.community)
	}); err != nil {
		return false, err
	}
	defer rebuild.Close()
	if err := w.pipeline.Written(ctx); err != nil {
		return false, err
	}
	from, end := rebuild.Bounds()
	if err := w.read(ctx, rebuild, engine, stations, from, end); err != nil {
		return false, &retryable{err}
	}
	if rebuild.Outdated() {
		return true, nil
	}
	var places map[usage.HourOfPlace]float64
	if err := w.pipeline.Between(ctx, true, func() {
		now := time.Now().UnixNano()
		places = rebuild.Swap(now, w.devices)
		w.sums.Days += w.observers.savings.Correct(engine, w.community, span.First, span.End, now)
		places = w.open(places, from, end, now)
	}); err != nil {
		return false, err
	}
	w.sums.Reads += rebuild.Registers
	if err := w.pipeline.Written(ctx); err != nil {
		return false, err
	}
	for at := from; at < end; at += int64(24 * time.Hour) {
		if err := w.hours(ctx, rebuild, at, min(at+int64(24*time.Hour), end)); err != nil {
			return false, &retryable{err}
		}
	}
	if err := w.places(ctx, places, from, end); err != nil {
		return false, &retryable{err}
	}
	return false, nil
}

// leadOf is how far before and after the days readings are taken, as a recomputation does.
const (
	rebuildLead  = 14 * 24 * time.Hour
	rebuildTrail = 5 * 24 * time.Hour
)

// read gives the rebuild what is stored.
func (w *rebuilding) read(ctx context.Context, rebuild *usage.Rebuild, engine *savings.Engine, stations []ingest.DeviceID, from, end int64) error {
	start, stop := time.Unix(0, from).Add(-rebuildLead), time.Unix(0, end).Add(rebuildTrail)
	err := w.registers(func(facility ingest.FacilityKind, resource usage.Resource) error {
		return w.db.Readings(ctx, savings.Query{Measurement: string(facility), Field: resource.Quantity(), Community: w.community, From: start, To: stop, Around: true},
			func(device, channel []byte, at int64, v float64) {
				rebuild.Read(facility, resource, device, channel, at, v)
			})
	})
	if err != nil {
		return err
	}
	for _, id := range stations {
		station := w.inv.Device(id)
		if station == nil {
			continue
		}
		index, device := rebuild.Device(station.Facility, id)
		for _, field := range []string{"temperature", "evapotranspiration", "rainfall"} {
			quantity := w.inv.Facilities.Quantity(station.Facility, field)
			if quantity == nil {
				continue
			}
			q := savings.Query{Measurement: string(station.Facility), Field: field, Community: station.Community, From: time.Unix(0, from), To: time.Unix(0, end)}
			if err := w.db.Readings(ctx, q, func(name, channel []byte, at int64, v float64) {
				if string(name) == string(id) {
					engine.Reading(index, &ingest.Reading{Device: device, Channel: string(channel), Quantity: quantity, Value: v, Time: at}, false, at)
				}
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// open puts hours of places that take something still in place, and returns those that are
// left for InfluxDB.
func (w *rebuilding) open(places map[usage.HourOfPlace]float64, from, end, now int64) map[usage.HourOfPlace]float64 {
	takes := w.observers.hourly.Open(w.community)
	all := map[usage.HourOfPlace]bool{}
	for h := range places {
		all[h] = true
	}
	for key := range takes {
		for _, resource := range []usage.Resource{usage.Electricity, usage.Water} {
			if at := int64(key.Hour) * int64(time.Hour); key.Quantity == hourly.Used(resource) && at >= from && at < end {
				all[usage.HourOfPlace{Facility: key.Facility, Resource: resource, Hour: key.Hour}] = true
			}
		}
	}
	left := map[usage.HourOfPlace]float64{}
	for h := range all {
		name := hourly.Used(h.Resource)
		_, taking := takes[hourly.Key{Facility: h.Facility, Quantity: name, Hour: h.Hour}]
		if int64(h.Hour) < now/int64(time.Hour)-1 && !taking || !w.observers.hourly.Rebuilt(w.community, h.Facility, name, h.Hour, hourly.Hour{Total: places[h]}) {
			left[h] = places[h]
		}
	}
	return left
}

// hours writes the hours of meters of some time that InfluxDB has not, or has otherwise;
// points that should not be there become 0. What the live book tells stays.
func (w *rebuilding) hours(ctx context.Context, rebuild *usage.Rebuild, from, to int64) error {
	series, err := w.db.Tables(ctx, fmt.Sprintf("SELECT used, covered FROM usage WHERE time >= %d AND time < %d AND community = %s GROUP BY *", from, to, literal(string(w.community))))
	if err != nil {
		return err
	}
	// After the answer: what the live book has told since is not among what is to be 0.
	hours, live := rebuild.Hours(from, to)
	type key struct {
		series string
		at     int64
	}
	want, skip := map[key]*usage.Hour{}, map[key]bool{}
	for i := range hours {
		want[key{hours[i].Series, hours[i].At}] = &hours[i]
	}
	for i := range live {
		skip[key{live[i].Series, live[i].At}] = true
	}
	var points []ingest.Point
	add := func(tags []ingest.Tag, at int64, used, covered float64) {
		points = append(points, ingest.Point{Measurement: "usage", Tags: tags, Fields: []ingest.Field{{Key: "used", Value: used}, {Key: "covered", Value: covered}}, Time: at * 1e6})
	}
	for _, s := range series {
		var tags []ingest.Tag
		for k, v := range s.Tags {
			if v != "" {
				tags = append(tags, ingest.Tag{Key: k, Value: v})
			}
		}
		slices.SortFunc(tags, func(a, b ingest.Tag) int { return cmp.Compare(a.Key, b.Key) })
		name := usage.SeriesOf(tags)
		for _, row := range s.Values {
			if len(row) != 3 {
				continue
			}
			at, used, covered := figure(row[0]), figure(row[1]), figure(row[2])
			k := key{name, milliseconds(at)}
			if skip[k] {
				continue
			}
			h := want[k]
			delete(want, k)
			switch {
			case h == nil && (used != 0 || covered != 0):
				add(tags, k.at, 0, 0)
			case h != nil && (h.Used != used || h.Covered != covered):
				add(tags, k.at, h.Used, h.Covered)
			}
		}
	}
	for k, h := range want {
		add(h.Tags, k.at, h.Used, h.Covered)
	}
	return w.write(ctx, points)
}

// figure is a number of an answer; 0 where there is none.
func figure(cell any) float64 {
	switch v := cell.(type) {
	case json.Number:
		f, _ := v.Float64() // InfluxDB writes numbers
		return f
	case float64:
		return v
	}
	return 0
}

func (w *rebuilding) write(ctx context.Context, points []ingest.Point) error {
	for chunk := range slices.Chunk(points, 5000) {
		lines, err := pipeline.Lines(chunk)
		if err != nil {
			return err
		}
		refused, err := w.writer.Write(ctx, lines)
		if err != nil {
			return err
		}
		if len(refused) > 0 {
			w.log.Error("InfluxDB refuses hours of use", "points", len(refused), "why", refused[0].Why)
		}
		w.sums.Hours += len(chunk) - len(refused)
	}
	return nil
}

// hourCell is an hour of a place.
type hourCell struct {
	facility, quantity string
	hour               int32
}

// places writes hours of places: of use as it was summed up, of other quantities as InfluxDB
// has their readings now.
func (w *rebuilding) places(ctx context.Context, used map[usage.HourOfPlace]float64, from, end int64) error {
	stored := map[hourCell]hourly.Hour{}
	where := fmt.Sprintf("time >= %d AND time < %d AND community = %s", from, end, literal(string(w.community)))
	series, err := w.db.Rows(ctx, fmt.Sprintf("SELECT total, readings, least, greatest FROM %s WHERE %s GROUP BY facility, quantity", hourly.Measurement, where))
	if err != nil {
		return err
	}
	for _, s := range series {
		for _, row := range s.Values {
			if len(row) == 5 && row[0] != nil {
				stored[hourCell{s.Tags["facility"], s.Tags["quantity"], hourOf(*row[0])}] = hourly.Hour{
					Total: value(row[1]), Readings: uint32(value(row[2])), Least: value(row[3]), Greatest: value(row[4])}
			}
		}
	}
	want := map[hourCell]hourly.Hour{}
	for h, total := range used {
		want[hourCell{string(h.Facility), hourly.Used(h.Resource), h.Hour}] = hourly.Hour{Total: total}
	}
	open := w.observers.hourly.Open(w.community)
	for cell := range stored { // use that is none any more
		if _, ok := want[cell]; ok || !strings.HasPrefix(cell.quantity, "usage.") {
			continue
		}
		if _, taking := open[hourly.Key{Facility: ingest.FacilityKind(cell.facility), Quantity: cell.quantity, Hour: cell.hour}]; !taking {
			want[cell] = hourly.Hour{}
		}
	}
	const whole = int64(time.Hour) // an hour is of the day in which it begins
	if err := w.summed(ctx, (from+whole-1)/whole*whole, (end+whole-1)/whole*whole, want); err != nil {
		return err
	}
	// Hours that take readings still are put in place where nothing came meanwhile; the one
	// that runs, and the one before, stay as they are.
	this := int32(time.Now().UnixNano() / int64(time.Hour))
	var points []ingest.Point
	put := func(cell hourCell, h hourly.Hour) {
		p := ingest.Point{Measurement: hourly.Measurement, Time: int64(cell.hour) * int64(time.Hour),
			Tags:   []ingest.Tag{{Key: "community", Value: string(w.community)}, {Key: "facility", Value: cell.facility}, {Key: "quantity", Value: cell.quantity}},
			Fields: []ingest.Field{{Key: "total", Value: h.Total}}}
		if !strings.HasPrefix(cell.quantity, "usage.") {
			p.Fields = []ingest.Field{{Key: "greatest", Value: h.Greatest}, {Key: "least", Value: h.Least}, {Key: "readings", Value: float64(h.Readings)}, {Key: "total", Value: h.Total}}
		}
		points = append(points, p)
	}
	err = w.pipeline.Between(ctx, false, func() {
		now := w.observers.hourly.Open(w.community)
		for cell, h := range want {
			key := hourly.Key{Facility: ingest.FacilityKind(cell.facility), Quantity: cell.quantity, Hour: cell.hour}
			before, taking := open[key]
			switch {
			case sameHour(stored[cell], h) && !taking:
			case !taking && now[key] == (hourly.Hour{}):
				put(cell, h)
			case taking && before == now[key] && cell.hour < this-1 && !sameHour(before, h):
				w.observers.hourly.Rebuilt(w.community, key.Facility, cell.quantity, cell.hour, h)
				w.sums.Hours++
			}
		}
	})
	if err != nil {
		return err
	}
	return w.write(ctx, points)
}

// sameHour allows for the order in which readings are added up.
func sameHour(a, b hourly.Hour) bool {
	return a.Readings == b.Readings && a.Least == b.Least && a.Greatest == b.Greatest && math.Abs(a.Total-b.Total) <= 1e-9*max(1, math.Abs(a.Total))
}

// summed adds what InfluxDB has of each hour of quantities that are no registers.
func (w *rebuilding) summed(ctx context.Context, from, end int64, want map[hourCell]hourly.Hour) error {
	where := fmt.Sprintf("time >= %d AND time < %d AND community = %s", from, end, literal(string(w.community)))
	for _, kind := range w.inv.Facilities.Kinds() {
		var names, selectors []string
		for _, q := range w.inv.Facilities.Kind(kind).Sorted() {
			if q.Kind == ingest.Register || q.Unit == "dB" { // the mean of decibels is of their energy
				continue
			}
			names = append(names, q.Name)
			selectors = append(selectors, fmt.Sprintf(`sum("%[1]s"), count("%[1]s"), min("%[1]s"), max("%[1]s")`, q.Name))
		}
		if len(names) == 0 {
			continue
		}
		series, err := w.db.Rows(ctx, fmt.Sprintf("SELECT %s FROM %q WHERE %s GROUP BY time(1h) fill(none)", strings.Join(selectors, ", "), string(kind), where))
		if err != nil {
			return err
		}
		for _, s := range series {
			for _, row := range s.Values {
				for i, name := range names {
					if at := 1 + 4*i; at+3 < len(row) && row[0] != nil && row[at] != nil && value(row[at+1]) > 0 {
						want[hourCell{string(kind), name, hourOf(*row[0])}] = hourly.Hour{Total: value(row[at]), Readings: uint32(value(row[at+1])), Least: value(row[at+2]), Greatest: value(row[at+3])}
					}
				}
			}
		}
	}
	return nil
}

func hourOf(ns float64) int32 { return int32(math.Round(ns / float64(time.Hour))) }

func value(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// AskRebuilds asks the service of a configuration for rebuilds: at once where it runs, else
// at its next start. What ask has left open (ID) is filled in.
func AskRebuilds(ctx context.Context, c *Settings, asks []Rebuild, log *slog.Logger) (running bool, err error) {
	s, err := OpenDevices(ctx, c, log)
	if err != nil {
		return false, err
	}
	defer s.Close()
	inv := c.Inventory.Shard(c.Shard.Index, c.Shard.Count)
	for i := range asks {
		asks[i].ID = fmt.Sprintf("%d-%d-%d", time.Now().UnixNano(), os.Getpid(), i)
		if s.Running() {
			body, err := json.Marshal(asks[i])
			if err == nil {
				_, err = s.do(ctx, http.MethodPost, "usage", body)
			}
			if err != nil {
				return true, err
			}
			continue
		}
		if err := asks[i].check(inv, time.Now()); err != nil {
			return false, err
		}
		if err := appendRebuild(c.DataDir, asks[i]); err != nil {
			return false, err
		}
	}
	return s.Running(), nil
}

// WaitRebuilds waits until a running service has done what was asked, and returns what
// became of it.
func WaitRebuilds(ctx context.Context, c *Settings, asks []Rebuild, log *slog.Logger) (done []Rebuilt, err error) {
	s, err := OpenDevices(ctx, c, log)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if !s.Running() {
		return nil, errors.New("the service has ended meanwhile: it does the rest at its next start")
	}
	for {
		answer, err := s.do(ctx, http.MethodGet, "usage", nil)
		if err != nil {
			return done, fmt.Errorf("the service does not answer any more; it goes on at its next start: %w", err)
		}
		var state RebuildState
		if err := json.Unmarshal(answer, &state); err != nil {
			return done, err
		}
		done = done[:0]
		waiting := false
		for _, ask := range asks {
			waiting = waiting || slices.ContainsFunc(state.Waiting, func(r Rebuild) bool { return r.ID == ask.ID })
			for _, r := range state.Finished {
				if r.ID == ask.ID {
					done = append(done, r)
				}
			}
		}
		if !waiting {
			return done, nil
		}
		select {
		case <-ctx.Done():
			return done, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// routes are those of the socket.
func (q *rebuilds) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /usage", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(q.state())
	})
	mux.HandleFunc("POST /usage", func(w http.ResponseWriter, r *http.Request) {
		var ask Rebuild
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := q.ask(ask); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
}
