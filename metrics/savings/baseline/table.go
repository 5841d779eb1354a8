package baseline

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Period holds what a row of a Table belongs to.
type Period string

const (
	BaselinePeriod  Period = "baseline"
	ReportingPeriod Period = "reporting"
	Blackout        Period = "blackout" // around the intervention: counts for neither
)

// Row is a day, or a billing period, of a Table. Usage and temperatures that
// are missing are NaN and nil.
type Row struct {
	Line   int       // in the file it came from
	Start  time.Time // local day, as UTC midnight
	Days   int
	Period Period
	Usage  float64   // total of all Days; NaN: missing
	Temps  []float64 // daily means, °F; nil: missing
	Dark   []float64 // dark hours of each day; nil: not known
	Degree []float64 // degree days per day, where the table has them instead of temperatures
	// Estimated marks a read that nobody took: of a billing period it is added to
	// the next, of a day it is missing.
	Estimated bool
}

// Table is the input of Analyse, in the order of time.
type Table struct {
	Rows    []Row
	Billing bool     // rows are billing periods
	Celsius bool     // temperatures came in degrees Celsius
	Degree  []string // names of the columns of degree days, if there are any
	Ignored []string // columns that mean nothing here
}

// TableOptions says how to read a table where its header leaves it open.
type TableOptions struct {
	// TemperatureUnit is F or C; empty: as the column's name ends (tmean_F).
	TemperatureUnit string
	// BaselineEnd and ReportingStart give each row its period where there is no
	// column period: before the first, from the second on, blackout between.
	BaselineEnd, ReportingStart time.Time
	// Billing reads usage as the total from this row's date to the next's.
	Billing bool
	// Temperature is a second table, date and temperature a day, for billing
	// periods. nil: none.
	Temperature io.Reader
	// ZeroIsMissing takes a usage of 0 for a day without readings, which it is
	// for electricity (CalTRACK 2.2).
	ZeroIsMissing bool
	// Dark gives the hours the sun is down on a local day (its date, as UTC
	// midnight), for lamps. nil: the table's own column dark_hours, or none.
	Dark func(day time.Time) float64
}

// Names by which a column is known, lower case; temperature ones may end in a unit.
var columnNames = map[string][]string{
	"date":        {"date", "day", "start", "period_start", "period_start_utc", "日期"},
	"end":         {"end", "period_end", "period_end_utc"},
	"period":      {"period", "phase", "时期"},
	"usage":       {"usage", "use", "consumption", "value", "kwh", "m3", "用量"},
	"usage/day":   {"usage_per_day", "upd"},
	"days":        {"days", "n_days", "n_days_kept"},
	"dropped":     {"n_days_dropped"},
	"estimated":   {"estimated", "估抄"},
	"dark":        {"dark_hours", "天黑时数"},
	"temperature": {"tmean", "temperature", "temp", "tavg", "t", "气温"},
}

// ReadTable reads CSV with a header: date, period (baseline, reporting or
// blackout), usage, and a temperature whose name ends in _F or _C. Columns may
// come in any order; comma, semicolon or tab separate them. A column dark_hours
// has the hours the sun is down, of a table of days. An empty usage or
// temperature is missing. A table of usage_per_day with cdd and hdd columns and
// n_days_kept is a design matrix of billing periods. All problems are reported
// together, each with its line.
func ReadTable(r io.Reader, o TableOptions) (*Table, error) {
	header, records, lines, err := readRecords(r)
	if err != nil {
		return nil, err
	}
	t := &Table{Billing: o.Billing}
	at := map[string]int{}
	var problems []error
	var degree []int
	unit := strings.ToUpper(o.TemperatureUnit)
	for i, name := range header {
		key := columnOf(name)
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(lower, "cdd") || strings.HasPrefix(lower, "hdd"):
			degree = append(degree, i)
			t.Degree = append(t.Degree, lower[:3])
			continue
		case key == "":
			t.Ignored = append(t.Ignored, name)
			continue
		case key == "temperature" && unit == "":
			switch {
			case strings.HasSuffix(lower, "f"):
				unit = "F"
			case strings.HasSuffix(lower, "c"):
				unit = "C"
			}
		}
		if _, ok := at[key]; ok {
			problems = append(problems, fmt.Errorf("header: %q and %q are both the %s; leave one out", header[at[key]], name, key))
		}
		at[key] = i
	}
	if _, ok := at["date"]; !ok {
		problems = append(problems, errors.New("header: no column date; name the column of days date"))
	}
	_, total := at["usage"]
	_, perDay := at["usage/day"]
	if !total && !perDay {
		problems = append(problems, errors.New("header: no column usage; name the column of consumption usage"))
	}
	_, hasPeriod := at["period"]
	if !hasPeriod && (!o.BaselineEnd.IsZero() || !o.ReportingStart.IsZero()) {
		if o.BaselineEnd.IsZero() {
			o.BaselineEnd = o.ReportingStart
		}
		if o.ReportingStart.IsZero() {
			o.ReportingStart = o.BaselineEnd
		}
		if o.ReportingStart.Before(o.BaselineEnd) {
			problems = append(problems, errors.New("the reporting period starts before the baseline's end"))
		}
	} else if !hasPeriod && len(degree) == 0 {
		problems = append(problems, errors.New("header: no column period; add one with baseline or reporting in each row, or give the end of the baseline and the start of reporting"))
	}
	_, hasTemperature := at["temperature"]
	if hasTemperature && unit != "F" && unit != "C" {
		problems = append(problems, fmt.Errorf("header: %q does not say its unit; name it %s_F or %s_C, or give the unit", header[at["temperature"]], header[at["temperature"]], header[at["temperature"]]))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	_, hasDays := at["days"]
	_, hasEnd := at["end"]
	t.Billing = t.Billing || hasDays || hasEnd || len(degree) > 0
	t.Celsius = unit == "C"
	if _, ok := at["dark"]; ok && t.Billing && o.Dark == nil {
		return nil, errors.New("header: dark_hours are of days; for billing periods give the site, so that they are computed")
	}

	bad := func(line int, format string, args ...any) {
		if len(problems) == 20 {
			problems = append(problems, errors.New("and more"))
		}
		if len(problems) < 20 {
			problems = append(problems, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
		}
	}
	for i, record := range records {
		line := lines[i]
		cell := func(key string) string {
			if k, ok := at[key]; ok && k < len(record) {
				return strings.TrimSpace(record[k])
			}
			return ""
		}
		row := Row{Line: line, Days: 1, Usage: math.NaN()}
		if row.Start, err = parseDay(cell("date")); err != nil {
			bad(line, "%v", err)
			continue
		}
		switch p := strings.ToLower(cell("period")); {
		case p == "baseline" || p == "reporting" || p == "blackout":
			row.Period = Period(p)
		case p == "基期" || p == "基准期":
			row.Period = BaselinePeriod
		case p == "报告期" || p == "统计报告期":
			row.Period = ReportingPeriod
		case p == "" || p == "excluded" || p == "none":
			row.Period = Blackout
			if !hasPeriod {
				row.Period = BaselinePeriod
				if !o.ReportingStart.IsZero() && !row.Start.Before(o.ReportingStart) {
					row.Period = ReportingPeriod
				} else if !o.BaselineEnd.IsZero() && !row.Start.Before(o.BaselineEnd) {
					row.Period = Blackout
				}
			}
		default:
			bad(line, "period %q is none of baseline, reporting, blackout", cell("period"))
		}
		if hasDays && cell("days") != "" {
			days, err := strconv.ParseFloat(cell("days"), 64)
			if err != nil || days < 1 || days != math.Trunc(days) {
				bad(line, "days %q is not a whole number of days", cell("days"))
				continue
			}
			row.Days = int(days)
		}
		if hasEnd && cell("end") != "" {
			end, err := parseDay(cell("end"))
			if err != nil || !end.After(row.Start) {
				bad(line, "end %q is not a day after the start", cell("end"))
				continue
			}
			row.Days = int(end.Sub(row.Start).Hours() / 24)
		}
		key := "usage"
		if !total {
			key = "usage/day"
		}
		if row.Usage, err = parseFigure(cell(key)); err != nil {
			bad(line, "usage %v", err)
		}
		if !total {
			row.Usage *= float64(row.Days)
		}
		if o.ZeroIsMissing && row.Usage == 0 {
			row.Usage = math.NaN()
		}
		if hasTemperature {
			v, err := parseFigure(cell("temperature"))
			if err == nil && !math.IsNaN(v) {
				if v, err = fahrenheit(v, t.Celsius); err == nil {
					row.Temps = []float64{v}
				}
			}
			if err != nil {
				bad(line, "temperature %v", err)
			}
		}
		if _, ok := at["dark"]; ok && o.Dark == nil {
			v, err := parseFigure(cell("dark"))
			if err != nil || v < 0 || v > 25 {
				bad(line, "dark_hours %q is not a number of hours of a day", cell("dark"))
			} else if !math.IsNaN(v) {
				row.Dark = []float64{v}
			}
		}
		for _, k := range degree {
			v, err := parseFigure(strings.TrimSpace(record[k]))
			if err != nil || v < 0 || math.IsNaN(v) {
				bad(line, "%s %q is not a number of degree days", header[k], record[k])
			}
			row.Degree = append(row.Degree, v)
		}
		switch e := strings.ToLower(cell("estimated")); e {
		case "1", "true", "yes", "y":
			row.Estimated = true
		case "", "0", "false", "no", "n":
		default:
			bad(line, "estimated %q is neither yes nor no", e)
		}
		t.Rows = append(t.Rows, row)
	}
	slices.SortStableFunc(t.Rows, func(a, b Row) int { return a.Start.Compare(b.Start) })
	for i := 1; i < len(t.Rows); i++ {
		if a, b := t.Rows[i-1], t.Rows[i]; a.Start.Equal(b.Start) {
			bad(b.Line, "%s is there already, in line %d; keep one", b.Start.Format(time.DateOnly), a.Line)
		}
	}
	if hasTemperature && len(problems) == 0 && len(t.Rows) > 0 && !slices.ContainsFunc(t.Rows, func(r Row) bool { return r.Temps != nil }) {
		problems = append(problems, fmt.Errorf("the column %s has no value; leave it out to do without temperatures", header[at["temperature"]]))
	}
	if len(t.Rows) == 0 && len(problems) == 0 {
		problems = append(problems, errors.New("the table has a header and no rows"))
	}
	problems = append(problems, t.checkPeriods()...)
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	for i := range t.Rows {
		// A day nobody measured is missing; a bill that was estimated is settled
		// by the next.
		if r := &t.Rows[i]; r.Estimated && !t.Billing {
			r.Usage = math.NaN()
		}
	}
	if t.Billing && len(degree) == 0 {
		if err := t.bill(o, hasDays || hasEnd, hasTemperature); err != nil {
			return nil, err
		}
	}
	if o.Dark != nil && len(degree) == 0 {
		for i := range t.Rows {
			r := &t.Rows[i]
			r.Dark = make([]float64, r.Days)
			for d := range r.Dark {
				r.Dark[d] = o.Dark(r.Start.AddDate(0, 0, d))
			}
		}
	}
	return t, nil
}

// checkPeriods refuses a baseline that goes on into the reporting period.
func (t *Table) checkPeriods() []error {
	var problems []error
	var first *Row
	for i := range t.Rows {
		r := &t.Rows[i]
		switch {
		case r.Period == ReportingPeriod && first == nil:
			first = r
		case r.Period == BaselinePeriod && first != nil:
			return append(problems, fmt.Errorf("line %d: baseline on %s, after reporting began on %s (line %d); a baseline ends before",
				r.Line, r.Start.Format(time.DateOnly), first.Start.Format(time.DateOnly), first.Line))
		}
	}
	return problems
}

// bill turns rows into billing periods: their length from the next row where
// nothing says it, their temperatures from the other table or from daily rows;
// estimated reads merged into the next, off-cycle reads dropped (CalTRACK 2.2).
func (t *Table) bill(o TableOptions, lengths, temperatures bool) error {
	daily := map[time.Time]float64{}
	if o.Temperature != nil {
		other, celsius, err := readTemperatures(o.Temperature, o.TemperatureUnit)
		if err != nil {
			return fmt.Errorf("temperatures: %w", err)
		}
		daily, t.Celsius = other, celsius
	} else if temperatures {
		if lengths {
			return errors.New("one temperature a billing period does not give its degree days; give daily temperatures in a table of their own")
		}
		for _, r := range t.Rows {
			if r.Temps != nil {
				daily[r.Start] = r.Temps[0]
			}
		}
	}
	var rows []Row
	if lengths {
		rows = t.Rows
	} else {
		// A row with usage begins a period that ends where the next one begins;
		// rows without are days that carry a temperature.
		for _, r := range t.Rows {
			if !math.IsNaN(r.Usage) {
				rows = append(rows, r)
			}
		}
		last := t.Rows[len(t.Rows)-1].Start
		for i := range rows {
			end := last.AddDate(0, 0, 1)
			if i+1 < len(rows) {
				end = rows[i+1].Start
			}
			rows[i].Days = int(end.Sub(rows[i].Start).Hours() / 24)
		}
		if len(rows) > 0 && rows[len(rows)-1].Days == 1 {
			rows = rows[:len(rows)-1] // the last read only ends the period before it
		}
	}
	var merged []Row
	for i := 0; i < len(rows); i++ {
		r := rows[i]
		for r.Estimated && i+1 < len(rows) && rows[i+1].Period == r.Period && !math.IsNaN(rows[i+1].Usage) {
			i++
			r.Usage += rows[i].Usage
			r.Days += rows[i].Days
			r.Estimated = rows[i].Estimated
		}
		if r.Estimated || r.Days < 25 || r.Days > 70 {
			r.Usage = math.NaN()
		}
		if len(daily) > 0 {
			r.Temps = nil
			for d := range r.Days {
				v, ok := daily[r.Start.AddDate(0, 0, d)]
				if !ok {
					r.Temps = nil
					break
				}
				r.Temps = append(r.Temps, v)
			}
		}
		merged = append(merged, r)
	}
	t.Rows = merged
	return nil
}

func readTemperatures(r io.Reader, unit string) (map[time.Time]float64, bool, error) {
	header, records, lines, err := readRecords(r)
	if err != nil {
		return nil, false, err
	}
	date, temperature := -1, -1
	for i, name := range header {
		switch columnOf(name) {
		case "date":
			date = i
		case "temperature":
			temperature = i
			lower := strings.ToLower(name)
			if unit == "" && strings.HasSuffix(lower, "f") {
				unit = "F"
			} else if unit == "" && strings.HasSuffix(lower, "c") {
				unit = "C"
			}
		}
	}
	unit = strings.ToUpper(unit)
	if date < 0 || temperature < 0 || (unit != "F" && unit != "C") {
		return nil, false, errors.New("header: needs the columns date and tmean_F or tmean_C")
	}
	days := map[time.Time]float64{}
	for i, record := range records {
		day, err := parseDay(strings.TrimSpace(record[date]))
		if err != nil {
			return nil, false, fmt.Errorf("line %d: %w", lines[i], err)
		}
		v, err := parseFigure(strings.TrimSpace(record[temperature]))
		if err == nil && !math.IsNaN(v) {
			v, err = fahrenheit(v, unit == "C")
		}
		if err != nil {
			return nil, false, fmt.Errorf("line %d: %w", lines[i], err)
		}
		if !math.IsNaN(v) {
			days[day] = v
		}
	}
	return days, unit == "C", nil
}

// ReadPersonDays reads CSV with a header: date, usage, and persons; without that
// column there are as many as given. A day without use is left out, and one of 0
// is a day on which the meter stood.
func ReadPersonDays(r io.Reader, persons float64) ([]PersonDay, error) {
	header, records, lines, err := readRecords(r)
	if err != nil {
		return nil, err
	}
	date, usage, heads, night := -1, -1, -1, -1
	for i, name := range header {
		switch columnOf(name) {
		case "date":
			date = i
		case "usage":
			usage = i
		}
		if lower := strings.ToLower(name); lower == "persons" || lower == "population" || lower == "人口" {
			heads = i
		} else if lower == "night_flow" || lower == "夜间流量" {
			night = i
		}
	}
	if date < 0 || usage < 0 || heads < 0 && !(persons > 0) {
		return nil, errors.New("header: needs the columns date, usage and persons; or give how many persons there are")
	}
	var days []PersonDay
	for i, record := range records {
		d := PersonDay{Persons: persons}
		if d.Date, err = parseDay(strings.TrimSpace(record[date])); err != nil {
			return nil, fmt.Errorf("line %d: %w", lines[i], err)
		}
		if d.Use, err = parseFigure(strings.TrimSpace(record[usage])); err != nil {
			return nil, fmt.Errorf("line %d: usage %w", lines[i], err)
		}
		if heads >= 0 {
			if d.Persons, err = parseFigure(strings.TrimSpace(record[heads])); err != nil || !(d.Persons > 0) {
				return nil, fmt.Errorf("line %d: persons %q is not a number above 0", lines[i], record[heads])
			}
		}
		if night >= 0 {
			if d.Night, err = parseFigure(strings.TrimSpace(record[night])); err != nil {
				return nil, fmt.Errorf("line %d: night_flow %w", lines[i], err)
			}
		}
		if !math.IsNaN(d.Use) {
			days = append(days, d)
		}
	}
	slices.SortStableFunc(days, func(a, b PersonDay) int { return a.Date.Compare(b.Date) })
	return days, nil
}

func columnOf(name string) string {
	lower := strings.ToLower(name)
	for key, names := range columnNames {
		if slices.Contains(names, lower) {
			return key
		}
	}
	for _, unit := range []string{"_f", "_c", "_degf", "_degc"} {
		if base, ok := strings.CutSuffix(lower, unit); ok && slices.Contains(columnNames["temperature"], base) {
			return "temperature"
		}
	}
	for _, unit := range []string{"_kwh", "_m3", "_therm"} {
		if base, ok := strings.CutSuffix(lower, unit); ok && slices.Contains(columnNames["usage"], base) {
			return "usage"
		}
	}
	return ""
}

func readRecords(r io.Reader) (header []string, records [][]string, lines []int, err error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, nil, err
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, nil, nil, errors.New("the table is UTF-16; save it as CSV UTF-8")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if !utf8.Valid(first) {
		return nil, nil, nil, errors.New("the header is not UTF-8; save the table as CSV UTF-8")
	}
	c := csv.NewReader(bytes.NewReader(data))
	for _, separator := range ";\t" {
		if bytes.ContainsRune(first, separator) && !bytes.ContainsRune(first, ',') {
			c.Comma = separator
		}
	}
	c.Comment = '#'
	c.TrimLeadingSpace = c.Comma != '\t'
	for {
		record, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, nil, err
		}
		if header == nil {
			header = record
			for i := range header {
				header[i] = strings.TrimSpace(header[i])
			}
			continue
		}
		line, _ := c.FieldPos(0)
		records, lines = append(records, record), append(lines, line)
	}
	if header == nil {
		return nil, nil, nil, errors.New("the table is empty; its first line names the columns")
	}
	return header, records, lines, nil
}

// parseDay takes the local day as it is written, whatever its clock and zone.
func parseDay(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006/1/2", "2006-1-2", "20060102", "2006年1月2日"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if len(s) > 10 && (s[10] == 'T' || s[10] == ' ') {
		for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
			if _, err := time.Parse(layout, s); err == nil {
				return time.Parse(time.DateOnly, s[:10])
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a day; write 2026-03-01", s)
}

// parseFigure is NaN where the cell says that there is no value.
func parseFigure(s string) (float64, error) {
	switch strings.ToLower(s) {
	case "", "na", "n/a", "nan", "null", "none", "-":
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return math.NaN(), fmt.Errorf("%q is not a number; leave it empty where it is missing", s)
	}
	return v, nil
}

// fahrenheit refuses what no daily mean on earth has been, which is how a
// wrong unit or a sentinel shows.
func fahrenheit(v float64, celsius bool) (float64, error) {
	f, unit := v, "°F"
	if celsius {
		f, unit = v*9/5+32, "°C"
	}
	if f < -120 || f > 130 {
		return math.NaN(), fmt.Errorf("%g %s is no daily mean; check the unit", v, unit)
	}
	return f, nil
}
