package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
)

// readings are what a device reported: as it came, or by step, of gauges the mean, of
// registers and states the last, of amounts the sum.
func (a *API) readings(r *http.Request, who access.Identity) (*table, error) {
	q, inv := r.URL.Query(), a.s.Inventory()
	id := ingest.DeviceID(q.Get("device"))
	if id == "" {
		return nil, bad("device: missing; give its id, as /api/v1/devices lists them")
	}
	d, _, err := a.find(r, id, who)
	if err != nil {
		return nil, err
	}
	s, err := spanOf(r, a.zone(), 24*time.Hour)
	if err != nil {
		return nil, err
	}
	n, err := limit(r, 1000, 10_000)
	if err != nil {
		return nil, err
	}
	if text := q.Get("cursor"); text != "" {
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, bad("cursor %.20q is none of this list", text)
		}
		s.from = time.UnixMilli(at)
	}
	var quantities []*ingest.Quantity
	kind := inv.Facilities.Kind(d.Facility)
	if text := q.Get("quantity"); text != "" {
		for name := range strings.SplitSeq(text, ",") {
			quantity := inv.Facilities.Quantity(d.Facility, name)
			if quantity == nil {
				return nil, bad("quantity %.60q is none of %s", name, d.Facility)
			}
			quantities = append(quantities, quantity)
		}
	} else if kind != nil {
		quantities = kind.Sorted()
	}
	step := time.Duration(0)
	if text := q.Get("step"); text != "" {
		if step, err = time.ParseDuration(text); err != nil || step < time.Minute || step > 24*time.Hour || (24*time.Hour)%step != 0 {
			return nil, bad("step %.20q: write 1m to 24h, of which whole ones make a day", text)
		}
	}
	where := fmt.Sprintf(`"device" = %s AND "community" = %s`, quoted(string(d.ID)), quoted(string(d.Community)))
	statement := ""
	if step == 0 {
		// One more than asked for tells whether there are more.
		statement = fmt.Sprintf(`SELECT * FROM %s WHERE %s AND %s ORDER BY time LIMIT %d`, name(string(d.Facility)), s.where(), where, n+1)
	} else {
		var fields []string
		for _, quantity := range quantities {
			f := map[ingest.QuantityKind]string{ingest.Gauge: "mean", ingest.Delta: "sum"}[quantity.Kind]
			if f == "" {
				f = "last"
			}
			fields = append(fields, fmt.Sprintf(`%s(%s) AS %s`, f, name(quantity.Name), name(quantity.Name)))
		}
		// By channel, and each channel's are whole: no limit of rows, but one of steps.
		until := s.from.Add(time.Duration(n) * step)
		if until.Before(s.to) {
			s.to = begin("hour", until)
		}
		statement = fmt.Sprintf(`SELECT %s FROM %s WHERE %s AND %s GROUP BY time(%ds), "channel" fill(none) tz(%s)`, strings.Join(fields, ", "), name(string(d.Facility)), s.where(), where, int(step.Seconds()), quoted(a.zone().String()))
	}
	list, err := a.db.ask(r.Context(), statement, s.to)
	if err != nil {
		return nil, err
	}
	t := &table{name: ingest.Text{ZH: "读数", EN: "Readings"}, columns: []column{
		{"time", ingest.Text{ZH: "时间", EN: "Time"}}, {"device", ingest.Text{ZH: "设备", EN: "Device"}}, {"channel", ingest.Text{ZH: "通道", EN: "Channel"}},
		{"quantity", ingest.Text{ZH: "量", EN: "Quantity"}}, {"value", ingest.Text{ZH: "数值", EN: "Value"}}, {"unit", ingest.Text{ZH: "单位", EN: "Unit"}},
	}}
	for i := range list {
		x := &list[i]
		rows := x.Values
		if step == 0 && len(rows) > n {
			rows = t.cut(rows, n)
		}
		channels, columns := x.column("channel"), make([]int, len(quantities))
		for j, quantity := range quantities {
			columns[j] = x.column(quantity.Name)
		}
		for _, row := range rows {
			channel := x.Tags["channel"]
			if channels >= 0 {
				channel, _ = row[channels].(string)
			}
			for j, quantity := range quantities {
				if value, ok := at(row, columns[j]); ok {
					t.rows = append(t.rows, []any{moment(row), string(d.ID), channel, quantity.Name, value, quantity.Unit})
				}
			}
		}
	}
	slices.SortStableFunc(t.rows, func(x, y []any) int { return x[0].(time.Time).Compare(y[0].(time.Time)) })
	return t, nil
}

// cut leaves the first n rows, and says where the others begin: with all of a moment,
// whose rows belong together.
func (t *table) cut(rows [][]any, n int) [][]any {
	last := moment(rows[n])
	for n > 0 && moment(rows[n-1]).Equal(last) {
		n--
	}
	if n == 0 { // one moment has more rows than were asked for
		return rows
	}
	t.next = strconv.FormatInt(last.UnixMilli(), 10)
	return rows[:n]
}

// exported are measurements that can be exported, beside those of kinds of facility.
var exported = []string{"usage", "usage_daily", "savings", "events"}

// export writes all of a measurement, of a day or a quarter, as CSV, in the order InfluxDB
// has it. It reads an hour of readings at a time, and a day of the rest.
func (a *API) export(w http.ResponseWriter, r *http.Request) error {
	who := access.From(r.Context())
	what, inv := r.PathValue("what"), a.s.Inventory()
	readings := inv.Facilities.Kind(ingest.FacilityKind(what)) != nil
	if !readings && !slices.Contains(exported, what) {
		return missing("%.40q is neither a kind of facility nor one of %s", what, strings.Join(exported, ", "))
	}
	if who.Vendor != "" && (what == "usage_daily" || what == "savings") {
		return failure{http.StatusForbidden, fmt.Errorf("%s is of communities, not of a vendor's devices; usage has those", what)}
	}
	q := r.URL.Query()
	if f := q.Get("format"); f != "" && f != "csv" {
		return bad("format %.20q: exports are CSV; docs/api.md says how to make Parquet of it", f)
	}
	s, err := spanOf(r, a.zone(), 24*time.Hour)
	if err != nil {
		return err
	}
	if s.to.Sub(s.from) > 93*24*time.Hour {
		return bad("an export is of at most a quarter; ask for several")
	}
	condition, err := a.place(r, who)
	if err != nil {
		return err
	}
	condition += seen(who)
	select {
	case a.exports <- struct{}{}:
		defer func() { <-a.exports }()
	default:
		return failure{http.StatusTooManyRequests, fmt.Errorf("%d exports are running; try again", exportsAtOnce)}
	}
	columns := a.exportColumns(what, readings)
	attach(w, "text/csv; charset=utf-8", fmt.Sprintf("%s-%s.csv", what, s.from.In(a.zone()).Format(time.DateOnly)))
	out := csv.NewWriter(w)
	_ = out.Write(columns)
	// An answer that is cut short must not look whole: the connection ends in a way that a
	// client notices.
	if err := a.exportRows(r, out, what, columns, condition, s, readings); err != nil {
		if r.Context().Err() == nil {
			a.s.Logger.Warn("an export ends early", "what", what, "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (a *API) exportColumns(what string, readings bool) []string {
	switch what {
	case "usage":
		return []string{"time", "community", "compound", "facility", "resource", "vendor", "device", "channel", "used", "covered", "behind"}
	case "usage_daily":
		return []string{"time", "community", "compound", "facility", "resource", "used", "covered", "meters"}
	case "savings":
		return []string{"time", "community", "facility", "resource", "baseline", "actual", "saving", "uncertainty", "coverage"}
	case "events":
		return []string{"time", "community", "compound", "facility", "vendor", "device", "channel", "type", "active", "code", "unit", "status", "by", "assignee"}
	}
	columns := []string{"time", "community", "compound", "vendor", "device", "channel", "stream"}
	for _, quantity := range a.s.Inventory().Facilities.Kind(ingest.FacilityKind(what)).Sorted() {
		columns = append(columns, quantity.Name)
	}
	return columns
}

func (a *API) exportRows(r *http.Request, out *csv.Writer, what string, columns []string, condition string, s span, readings bool) error {
	step := 24 * time.Hour
	if readings {
		step = time.Hour
	}
	var selected []string
	for _, c := range columns[1:] {
		selected = append(selected, name(c))
	}
	zone := a.zone()
	line := make([]string, len(columns))
	for from := s.from; from.Before(s.to); from = from.Add(step) {
		part := span{from, from.Add(step)}
		if part.to.After(s.to) {
			part.to = s.to
		}
		err := a.db.stream(r.Context(), fmt.Sprintf(`SELECT %s FROM %s WHERE %s%s`, strings.Join(selected, ", "), name(what), part.where(), condition), func(x *series) error {
			for _, row := range x.Values {
				line[0] = moment(row).In(zone).Format("2006-01-02T15:04:05.000Z07:00")
				for i := 1; i < len(line) && i < len(row); i++ {
					switch v := row[i].(type) {
					case nil:
						line[i] = ""
					case json.Number:
						line[i] = v.String()
					default:
						line[i] = plain(v, zone)
					}
				}
				if err := out.Write(line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		out.Flush()
		if err := out.Error(); err != nil {
			return err
		}
	}
	return nil
}
