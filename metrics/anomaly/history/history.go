// Package history runs the detectors of package anomaly over what a device has
// reported in the past, from a table with a row a time: the same engine, the
// same order of calls as in the live path, so that what is tuned on history
// holds for tomorrow.
//
// A table has a column of times and columns of quantities. What a column is,
// its name and unit say, or a mapping. Columns that hold the answers (label,
// anomaly, kind) are never read.
package history

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
)

// Generic is the kind of facility of a table nothing is known of: each of its
// numeric columns is a quantity the generic detector looks at.
const Generic ingest.FacilityKind = "series"

// Reader reads one table and runs the detectors over it.
type Reader struct {
	Facility ingest.FacilityKind // "" is Generic
	// Columns maps names of columns to QUANTITY[:UNIT], time, device, event,
	// collected or ignore; a + before the quantity makes it an increment.
	Columns map[string]string
	Device  string         // where no column says; default "device"
	Zone    *time.Location // of times without one; default Asia/Shanghai
	Options anomaly.Options
	// Attributes of the device: rated_power, qmax, feeder.
	Attributes map[string]string
	// Scores asks for Row.Score.
	Scores bool

	facilities *ingest.Facilities
}

// Row is one row of the table once it has been looked at.
type Row struct {
	Time   time.Time
	Device string
	Text   string // the time as the table writes it
	Value  float64
	Score  float64 // above 1 is anomalous
}

// Result holds what a table came to.
type Result struct {
	Rows     []Row
	Changes  []anomaly.Change
	Open     []anomaly.Alarm
	Devices  int
	From, To time.Time
	Skipped  int      // rows without any value
	Used     []string // columns and what they were taken for
}

// Months returns for how many device-months the table has rows.
func (r *Result) Months() float64 {
	return float64(max(r.Devices, 1)) * r.To.Sub(r.From).Hours() / (30 * 24)
}

// dot is a device of the table and the clock its rows were received by.
type dot struct {
	index    uint32
	info     *ingest.Device
	last     time.Time
	received time.Time
	offset   time.Duration   // received - its own time
	ahead    []time.Duration // the last jumps ahead: silence, or the clock
	interval time.Duration
	sums     map[int]float64
}

// Run reads the table.
func (r *Reader) Run(in io.Reader) (*Result, error) {
	if r.Facility == "" {
		r.Facility = Generic
	}
	if r.Zone == nil {
		r.Zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	if r.Device == "" {
		r.Device = "device"
	}
	rows, header, err := read(in)
	if err != nil {
		return nil, err
	}
	if err := r.table(header, rows); err != nil {
		return nil, err
	}
	timeAt, roles, used, err := r.roles(header, rows)
	if err != nil {
		return nil, err
	}
	out := &Result{Used: used}
	options := r.Options
	options.Changed = func(c anomaly.Change) { out.Changes = append(out.Changes, c) }
	engine := anomaly.NewEngine(options)
	engine.Bind(&inventory.Inventory{Facilities: r.facilities, Zone: r.Zone})
	devices := map[string]*dot{}
	layout := ""
	first := 2
	for n, row := range rows {
		text := strings.TrimSpace(row[timeAt])
		at, used, err := parseTime(text, layout, r.Zone)
		if err != nil {
			return nil, fmt.Errorf("line %d: %q is no time: %w", n+first, text, err)
		}
		layout = used
		name, channel := r.Device, ""
		for i, c := range roles {
			switch field := strings.TrimSpace(row[i]); {
			case c.is == "device" && field != "":
				name = field
			case c.is == "channel":
				channel = field
			}
		}
		d := devices[name]
		if d == nil {
			d = &dot{index: uint32(len(devices)), sums: map[int]float64{}, info: &ingest.Device{
				ID:      ingest.DeviceID(name),
				Origin:  &ingest.Origin{Vendor: "history", Community: "history", Facility: r.Facility},
				Listing: &ingest.Listing{Attributes: r.Attributes},
			}}
			devices[name] = d
			out.Devices++
		}
		late, back := d.arrive(at)
		received := d.received.UnixNano()
		engine.Tick(received)
		if out.From.IsZero() || d.received.Before(out.From) {
			out.From = d.received
		}
		if d.received.After(out.To) {
			out.To = d.received
		}
		shown, any := math.NaN(), false
		for i, c := range roles {
			field := strings.TrimSpace(row[i])
			if c.is == "" || c.is == "device" || c.is == "channel" || field == "" {
				continue
			}
			if c.is == "event" {
				kind, ok := eventType(field)
				if !ok {
					return nil, fmt.Errorf("line %d: column %q: event %q is unknown; known are grant, deny, open, close, exit_request, forced and DESIGN's names", n+first, header[i], field)
				}
				any = true
				if kind != "" {
					engine.Event(d.index, &ingest.Event{Device: d.info, Channel: channel, Type: kind, Active: true, Time: at.UnixNano()}, received)
				}
				continue
			}
			v, missing, err := number(field)
			if err != nil {
				return nil, fmt.Errorf("line %d: column %q: %w", n+first, header[i], err)
			}
			if missing {
				continue
			}
			any = true
			if c.is == "collected" {
				if v != 0 {
					engine.Event(d.index, &ingest.Event{Device: d.info, Channel: channel, Type: "collected", Active: true, Time: at.UnixNano()}, received)
				}
				continue
			}
			v, ok := c.value(v)
			if !ok {
				continue
			}
			if c.is == "increment" {
				if _, ok := d.sums[i]; !ok {
					d.sums[i] = 1e6 // any register that may also run backwards
				}
				d.sums[i] += v
				v = d.sums[i]
			}
			if math.IsNaN(shown) {
				shown = v
			}
			reading := ingest.Reading{Device: d.info, Channel: cmp.Or(c.channel, channel), Quantity: c.q, Value: v, Time: at.UnixNano()}
			engine.Reading(d.index, &reading, late, received)
		}
		if back > 0 && any {
			engine.SteppedBack(d.index, back.Seconds(), received)
		}
		if !any {
			out.Skipped++
		}
		score := 0.0
		if any {
			score = engine.TakeScore(d.index)
		}
		if r.Scores {
			out.Rows = append(out.Rows, Row{Time: at, Device: name, Text: text, Value: shown, Score: score})
		}
	}
	engine.Tick(out.To.UnixNano())
	out.Open = engine.Alarms()
	return out, nil
}

// arrive works out when a row was received, whether it is out of order, and by
// how much its clock has been set back, 0 if it has not.
//
// A table of rows in the order they came shows a clock that is set back: the
// times go back by more than an interval, while the rows go on. Either it had
// jumped ahead before: then it is right again, and until it has caught up there
// is nothing new. Or it is wrong from then on, and the rows are taken to have
// been received an interval after each other until it is set right.
func (d *dot) arrive(at time.Time) (late bool, back time.Duration) {
	if d.last.IsZero() {
		d.last, d.received = at, at
		return false, 0
	}
	step := at.Sub(d.last)
	switch {
	case step < 0 && -step > max(2*d.interval, 2*time.Minute):
		back = -step
		for i, ahead := range d.ahead {
			if d.offset == 0 && (ahead-back).Abs() < max(ahead/4, d.interval) {
				d.ahead = slices.Delete(d.ahead, i, i+1)
				d.last = at
				return true, back
			}
		}
		d.offset += d.interval - step
	case step < 0:
		return true, 0
	case d.received.After(at) && d.offset == 0:
		d.last = at
		return true, 0
	case d.offset > 0 && (step-d.interval-d.offset).Abs() < max(d.offset/4, d.interval):
		d.offset = 0
	}
	d.last = at
	received := at.Add(d.offset)
	if received.After(d.received) {
		gap := received.Sub(d.received)
		if d.interval == 0 {
			d.interval = gap
		}
		if gap > 2*d.interval {
			if d.ahead = append(d.ahead, gap-d.interval); len(d.ahead) > 16 {
				d.ahead = d.ahead[1:]
			}
		}
		// A running median.
		if gap > d.interval {
			d.interval += d.interval / 20
		} else {
			d.interval -= d.interval / 20
		}
		d.received = received
	}
	return false, back
}

// read reads a delimited table with a header; without one the columns are time,
// value, value2 and so on.
func read(in io.Reader) (rows [][]string, header []string, err error) {
	b := bufio.NewReader(in)
	if bom, _ := b.Peek(3); string(bom) == "\xef\xbb\xbf" {
		b.Discard(3)
	}
	peek, _ := b.Peek(4096)
	line, _, _ := strings.Cut(string(peek), "\n")
	if first := strings.TrimSpace(line); strings.HasPrefix(first, "[") || strings.HasPrefix(first, "{") {
		return nil, nil, errors.New("this looks like JSON; expected a table (CSV) with a row a time")
	}
	c := csv.NewReader(b)
	c.TrimLeadingSpace = true
	c.FieldsPerRecord = -1
	c.ReuseRecord = false
	most := 0
	for _, sep := range ",;\t" {
		if n := strings.Count(line, string(sep)); n > most {
			most, c.Comma = n, sep
		}
	}
	if most == 0 && strings.Count(strings.TrimSpace(line), " ") >= 1 {
		c.Comma = ' '
	}
	all, err := c.ReadAll()
	if err != nil {
		return nil, nil, err
	}
	if len(all) == 0 {
		return nil, nil, errors.New("the table is empty")
	}
	if c.Comma != ',' {
		for _, row := range all {
			for i, field := range row {
				if decimal.MatchString(field) {
					row[i] = strings.Replace(field, ",", ".", 1)
				}
			}
		}
	}
	header = all[0]
	if _, missing, err := number(strings.TrimSpace(header[len(header)-1])); err == nil && !missing {
		header = make([]string, len(all[0]))
		for i := range header {
			header[i] = "value" + strconv.Itoa(i)
		}
		header[0] = "time"
		if len(header) > 1 {
			header[1] = "value"
		}
	} else {
		all = all[1:]
	}
	if len(header) < 2 {
		return nil, nil, fmt.Errorf("only one column (%q); expected a time and at least one value, separated by comma, semicolon or tab", header[0])
	}
	if len(all) == 0 {
		return nil, nil, errors.New("the table has a header and no rows")
	}
	for n, row := range all {
		if len(row) == 1 && strings.TrimSpace(row[0]) == "" {
			all[n] = nil
			continue
		}
		if len(row) != len(header) {
			return nil, nil, fmt.Errorf("line %d: %d fields where the header has %d", n+2, len(row), len(header))
		}
	}
	return slices.DeleteFunc(all, func(row []string) bool { return row == nil }), header, nil
}

// decimal is a number with a decimal comma, as tables with semicolons have.
var decimal = regexp.MustCompile(`^\s*[-+]?\d+,\d+\s*$`)

// table makes the table of facilities, with the columns of a generic one.
func (r *Reader) table(header []string, rows [][]string) error {
	if r.Facility != Generic {
		r.facilities = ingest.BuiltinFacilities()
		if r.facilities.Kind(r.Facility) == nil {
			return fmt.Errorf("facility %q is unknown; known are %v", r.Facility, r.facilities.Kinds())
		}
		return nil
	}
	f := &ingest.Facility{Quantities: map[string]*ingest.Quantity{}}
	for _, h := range header {
		f.Quantities[fieldName(h)] = &ingest.Quantity{Unit: "1", Kind: ingest.Gauge}
	}
	// Names of the native format and of every kind's quantities are taken.
	for _, name := range []string{"time", "channel", "event", "device", "active", "code", "temperature", "humidity", "rssi", "battery_level", "battery_voltage", ""} {
		delete(f.Quantities, name)
	}
	if len(f.Quantities) == 0 {
		f.Quantities["value"] = &ingest.Quantity{Unit: "1", Kind: ingest.Gauge}
	}
	var err error
	r.facilities, err = ingest.NewFacilities(map[ingest.FacilityKind]*ingest.Facility{Generic: f})
	return err
}

// fieldName makes a column's name one of a quantity.
func fieldName(column string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '_'
	}, strings.TrimSpace(column))
	name = strings.Trim(name, "_")
	if name == "" {
		return ""
	}
	if name[0] < 'a' || name[0] > 'z' {
		name = "x" + name
	}
	switch name {
	case "time", "channel", "event", "device", "active", "code", "temperature", "humidity", "rssi", "battery_level", "battery_voltage":
		name += "_value"
	}
	return name[:min(len(name), 64)]
}

// roles says what each column is.
func (r *Reader) roles(header []string, rows [][]string) (timeAt int, roles []role, used []string, err error) {
	timeAt = -1
	roles = make([]role, len(header))
	for name := range r.Columns {
		if !slices.ContainsFunc(header, func(h string) bool { return strings.TrimSpace(h) == name }) {
			return 0, nil, nil, fmt.Errorf("there is no column %q; the table has %s", name, strings.Join(header, ", "))
		}
	}
	for i, h := range header {
		h = strings.TrimSpace(h)
		if to, ok := r.Columns[h]; ok {
			largest, _ := largest(rows, i)
			if roles[i], err = r.mapped(h, to, largest); err != nil {
				return 0, nil, nil, err
			}
			if roles[i].is == "time" {
				timeAt = i
			}
		}
	}
	if timeAt < 0 {
		names := []string{"timestamp", "time", "datetime", "date_time", "ts", "date", "received", "时间", "日期"}
		for _, name := range names {
			for i, h := range header {
				if _, taken := r.Columns[strings.TrimSpace(h)]; !taken && timeAt < 0 && strings.EqualFold(strings.TrimSpace(h), name) {
					timeAt = i
				}
			}
		}
	}
	if timeAt < 0 {
		for i := range header {
			if _, _, err := parseTime(strings.TrimSpace(rows[0][i]), "", r.Zone); err == nil && !isNumber(rows[0][i]) {
				timeAt = i
				break
			}
		}
	}
	if timeAt < 0 {
		return 0, nil, nil, fmt.Errorf("no column is a time; name it with --column NAME=time (the table has %s)", strings.Join(header, ", "))
	}
	roles[timeAt] = role{is: ""}
	mappedAny := len(r.Columns) > 0
	for i, h := range header {
		h = strings.TrimSpace(h)
		if _, ok := r.Columns[h]; ok || i == timeAt {
			continue
		}
		largest, numeric := largest(rows, i)
		if r.Facility == Generic {
			if numeric && !slices.Contains(answers, strings.ToLower(h)) {
				if q := r.facilities.Quantity(Generic, fieldName(h)); q != nil {
					roles[i] = role{is: "quantity", name: q.Name, conv: ingest.Identity, q: q}
				}
			}
			continue
		}
		guessed := r.guess(h, largest, numeric)
		if mappedAny && guessed.is == "quantity" && slices.ContainsFunc(roles, func(c role) bool { return c.q == guessed.q }) {
			continue // said otherwise
		}
		roles[i] = guessed
	}
	// An increment is only of use where there is no register.
	register := slices.ContainsFunc(roles, func(c role) bool { return c.is == "quantity" && c.name == "water_volume_total" })
	seen, twice := map[string]bool{}, map[string]bool{}
	any := false
	for i := range roles {
		c := &roles[i]
		_, asked := r.Columns[strings.TrimSpace(header[i])]
		if c.is == "increment" && register && !asked || c.q != nil && seen[c.name] && !asked {
			*c = role{}
		}
		if c.q != nil {
			twice[c.name] = twice[c.name] || seen[c.name]
			seen[c.name] = true
		}
		switch c.is {
		case "quantity", "increment":
			unit := c.unit
			if unit == "" {
				unit = c.q.Unit
			}
			if c.tilt {
				unit = "deg"
			}
			used = append(used, fmt.Sprintf("%s is %s in %s", strings.TrimSpace(header[i]), c.name, unit))
			any = true
		case "event", "collected":
			used = append(used, fmt.Sprintf("%s is %s", strings.TrimSpace(header[i]), c.is))
			any = true
		}
	}
	for i := range roles {
		if twice[roles[i].name] {
			roles[i].channel = strings.TrimSpace(header[i])
		}
	}
	if !any {
		return 0, nil, nil, fmt.Errorf("no column of %s says what it is for %s; map one with --column NAME=QUANTITY[:UNIT]", strings.Join(header, ", "), r.Facility)
	}
	return timeAt, roles, used, nil
}

// largest is the largest magnitude in a column, and whether all of it is numbers.
func largest(rows [][]string, column int) (largest float64, numeric bool) {
	for _, row := range rows {
		v, missing, err := number(strings.TrimSpace(row[column]))
		if err != nil {
			return largest, false
		}
		if !missing {
			largest = max(largest, math.Abs(v))
		}
	}
	return largest, true
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return err == nil
}

// number reads a value; what people write for none is missing.
func number(s string) (v float64, missing bool, err error) {
	switch strings.ToLower(s) {
	case "", "-", "na", "n/a", "nan", "null", "none", "nil", `\n`, "--":
		return 0, true, nil
	case "true", "on", "yes", "open":
		return 1, false, nil
	case "false", "off", "no", "closed":
		return 0, false, nil
	}
	v, err = strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, false, fmt.Errorf("%q is no number", s)
	}
	return v, false, nil
}

var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999", "2006-01-02 15:04", "2006-01-02T15:04", "2006/01/02 15:04:05.999999999", "2006/01/02 15:04",
	"2006/1/2 15:04:05", "2006/1/2 15:04", "02/01/2006 15:04:05", "02/01/2006 15:04", "02.01.2006 15:04:05", "20060102150405", "2006-01-02", "2006/01/02",
}

// parseTime reads a time, with the layout that fitted before first. Numbers are
// seconds, milliseconds, microseconds or nanoseconds since 1970, by magnitude.
func parseTime(s, layout string, zone *time.Location) (time.Time, string, error) {
	if layout != "" && layout != "number" {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, layout, nil
		}
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil && !(len(s) == 14 && s[0] == '2' && !strings.Contains(s, ".")) {
		abs := math.Abs(v)
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0) || abs > 9e18:
		case abs < 1e11:
			return time.Unix(0, int64(math.Round(v*1e3))*1e6).In(zone), "number", nil
		case abs < 1e14:
			return time.Unix(0, int64(v*1e6)).In(zone), "number", nil
		case abs < 1e17:
			return time.Unix(0, int64(v*1e3)).In(zone), "number", nil
		default:
			return time.Unix(0, int64(v)).In(zone), "number", nil
		}
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, zone); err == nil {
			return t, l, nil
		}
	}
	return time.Time{}, "", errors.New("expected RFC 3339, YYYY-MM-DD hh:mm:ss or a number since 1970")
}
