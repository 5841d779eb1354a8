package api

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
)

// steps of use, in what they are counted from.
var steps = []string{"hour", "day", "week", "month", "quarter", "year"}

// begin is the beginning of the step that a time is in. Weeks begin on Monday.
func begin(step string, t time.Time) time.Time {
	year, month, day := t.Date()
	switch step {
	case "hour":
		return t.Truncate(time.Hour) // zones of half hours have their hours by UTC, as usage has
	case "week":
		day -= (int(t.Weekday()) + 6) % 7
	case "month":
		day = 1
	case "quarter":
		month, day = month-(month-1)%3, 1
	case "year":
		month, day = 1, 1
	}
	return time.Date(year, month, day, 0, 0, 0, 0, t.Location())
}

// before is the time that a time is compared with: of the step before, or of the year before.
func before(compare, step string, t time.Time) time.Time {
	if compare == "year" {
		if step == "week" || step == "hour" {
			return t.AddDate(0, 0, -364) // the same weekday
		}
		return t.AddDate(-1, 0, 0)
	}
	switch step {
	case "hour":
		return t.AddDate(0, 0, -1)
	case "week":
		return t.AddDate(0, 0, -7)
	case "month":
		return t.AddDate(0, -1, 0)
	case "quarter":
		return t.AddDate(0, -3, 0)
	case "year":
		return t.AddDate(-1, 0, 0)
	}
	return t.AddDate(0, 0, -7) // a day: that of the week before
}

var units = map[string]string{"electricity": "kWh", "water": "m3"}

// used is a sum of hours or days.
type used struct{ used, covered, meters float64 }

func (a *API) use(r *http.Request, who access.Identity) (*table, error) {
	q := r.URL.Query()
	step := cmp.Or(q.Get("step"), "day")
	if !slices.Contains(steps, step) {
		return nil, bad("step %.20q is none of %s", step, strings.Join(steps, ", "))
	}
	compare := q.Get("compare")
	if compare != "" && compare != "year" && compare != "before" {
		return nil, bad("compare %.20q is none of before, year", compare)
	}
	by, err := groups(q.Get("by"))
	if err != nil {
		return nil, err
	}
	s, err := spanOf(r, a.zone(), 31*24*time.Hour)
	if err != nil {
		return nil, err
	}
	// Up to the end of an hour: nothing is later than now, and within it the question is the same.
	s = span{begin(step, s.from), s.to.Add(time.Hour - 1).Truncate(time.Hour)}
	if step == "hour" && s.to.Sub(s.from) > 100*24*time.Hour {
		return nil, bad("hours are of at most 100 days; ask for step=day")
	}
	condition, err := a.place(r, who)
	if err != nil {
		return nil, err
	}
	condition += seen(who)
	if resource := q.Get("resource"); resource != "" {
		if units[resource] == "" {
			return nil, bad("resource %.20q is none of electricity, water", resource)
		}
		condition += ` AND "resource" = ` + quoted(resource)
	}
	if device := q.Get("device"); device != "" {
		condition += ` AND "device" = ` + quoted(device)
	}
	n, err := limit(r, 1000, 10_000)
	if err != nil {
		return nil, err
	}
	// A day's sums do not say whose devices or which they were: hours do.
	hours := step == "hour" || who.Vendor != "" || strings.Contains(condition, `"vendor"`) || strings.Contains(condition, `"device"`) ||
		slices.Contains(by, "device") || slices.Contains(by, "vendor")
	sums := func(s span) (map[string]used, error) {
		if hours {
			return a.hours(r, s, step, by, condition)
		}
		return a.byDay(r, s, step, by, filter{who, q.Get("community"), q.Get("compound"), q.Get("facility"), q.Get("resource")})
	}
	now, err := sums(s)
	if err != nil {
		return nil, err
	}
	then := map[string]used{}
	if compare != "" {
		earlier := span{before(compare, step, s.from), before(compare, step, s.to)}
		if then, err = sums(earlier); err != nil {
			return nil, err
		}
	}
	return a.useTable(now, then, compare, step, by, n, q.Get("cursor"))
}

// groups reads the parameter by; the resource is always told apart.
func groups(text string) (by []string, err error) {
	if text == "" {
		text = "facility"
	}
	for g := range strings.SplitSeq(text, ",") {
		if !slices.Contains([]string{"community", "compound", "facility", "vendor", "device", "none"}, g) {
			return nil, bad("by %.40q: give community, compound, facility, vendor, device, several with commas, or none", g)
		}
		if g != "none" && !slices.Contains(by, g) {
			by = append(by, g)
		}
	}
	return by, nil
}

// byDay is what was used by places, by step and groups, from their days: the key is the
// step's beginning in unix seconds, the resource and the groups, between tabs.
func (a *API) byDay(r *http.Request, s span, step string, by []string, f filter) (map[string]used, error) {
	zone := a.zone()
	// Meters of a step are those of its day with the most: days of all places come first.
	perDay := map[string]map[uint32]*used{}
	var lists []map[uint32]*used // of perDay, by place; nil: not asked for
	err := a.days.each(r.Context(), s, func(places []dayPlace, row *dayRow) {
		for i := len(lists); i < len(places); i++ {
			p := &places[i]
			if !f.has(p) {
				lists = append(lists, nil)
				continue
			}
			rest := "\t" + p.resource
			for _, g := range by {
				rest += "\t" + p.group(g)
			}
			if perDay[rest] == nil {
				perDay[rest] = map[uint32]*used{}
			}
			lists = append(lists, perDay[rest])
		}
		list := lists[row.place]
		if list == nil {
			return
		}
		u := list[row.at]
		if u == nil {
			u = &used{}
			list[row.at] = u
		}
		u.used += row.used
		u.covered += float64(row.covered)
		u.meters += float64(row.meters)
	})
	sums := map[string]used{}
	for rest, list := range perDay {
		for at, u := range list {
			key := strconv.FormatInt(begin(step, time.Unix(int64(at), 0).In(zone)).Unix(), 10) + rest
			sum := sums[key]
			sum.used += u.used
			sum.covered += u.covered
			sum.meters = max(sum.meters, u.meters)
			sums[key] = sum
		}
	}
	return sums, err
}

// hours is the same from hours of meters, which say which they are and whose.
func (a *API) hours(r *http.Request, s span, step string, by []string, condition string) (map[string]used, error) {
	every := "1d"
	if step == "hour" {
		every = "1h"
	}
	grouped := ""
	for _, g := range by {
		grouped += ", " + name(g)
	}
	if !slices.Contains(by, "device") && !strings.Contains(condition, `"device"`) && !strings.Contains(condition, `"vendor"`) && !slices.Contains(by, "vendor") {
		condition += ` AND "behind" = ''` // what passed a meter in front of it is counted there
	}
	zone := a.zone()
	statement := fmt.Sprintf(`SELECT sum("used") AS "used", sum("covered") AS "covered" FROM "usage" WHERE %s%s GROUP BY time(%s), "resource"%s fill(none) tz(%s)`, s.where(), condition, every, grouped, quoted(zone.String()))
	list, err := a.db.ask(r.Context(), statement, s.to)
	if err != nil {
		return nil, err
	}
	sums := map[string]used{}
	for i := range list {
		x := &list[i]
		rest := "\t" + x.Tags["resource"]
		for _, g := range by {
			rest += "\t" + x.Tags[g]
		}
		u, c := x.column("used"), x.column("covered")
		for _, row := range x.Values {
			value, ok := at(row, u)
			if !ok {
				continue
			}
			key := strconv.FormatInt(begin(step, moment(row).In(zone)).Unix(), 10) + rest
			sum := sums[key]
			sum.used += value
			covered, _ := at(row, c)
			sum.covered += covered
			sums[key] = sum
		}
	}
	return sums, nil
}

func (a *API) useTable(now, then map[string]used, compare, step string, by []string, limit int, cursor string) (*table, error) {
	t := &table{name: ingest.Text{ZH: "用量", EN: "Use"}, columns: []column{
		{"time", ingest.Text{ZH: "时段开始", EN: "Begins"}}, {"resource", ingest.Text{ZH: "能源资源", EN: "Resource"}},
	}}
	titles := map[string]ingest.Text{
		"community": {ZH: "社区", EN: "Community"}, "compound": {ZH: "小区", EN: "Compound"}, "facility": {ZH: "设施", EN: "Facility"},
		"vendor": {ZH: "厂商", EN: "Vendor"}, "device": {ZH: "设备", EN: "Device"},
	}
	for _, g := range by {
		t.columns = append(t.columns, column{g, titles[g]})
		if g == "community" {
			t.columns = append(t.columns, column{"community_name", ingest.Text{ZH: "社区名称", EN: "Name of the community"}})
		}
	}
	t.columns = append(t.columns, column{"used", ingest.Text{ZH: "用量", EN: "Used"}}, column{"unit", ingest.Text{ZH: "单位", EN: "Unit"}},
		column{"covered", ingest.Text{ZH: "有数据的表时 (h)", EN: "Meter hours with data"}}, column{"meters", ingest.Text{ZH: "表数", EN: "Meters"}})
	if compare != "" {
		title := ingest.Text{ZH: "上一时段", EN: "The step before"}
		if compare == "year" {
			title = ingest.Text{ZH: "上年同期", EN: "A year before"}
		}
		t.columns = append(t.columns, column{"used_before", title}, column{"covered_before", ingest.Text{ZH: title.ZH + "有数据的表时 (h)", EN: title.EN + ", meter hours with data"}})
	}
	type line struct {
		key, rest string // rest: the key without its time
		at        int64
		parts     []string
	}
	lines := make([]line, 0, len(now))
	for key := range now {
		seconds, rest, _ := strings.Cut(key, "\t")
		at, _ := strconv.ParseInt(seconds, 10, 64)
		lines = append(lines, line{key, "\t" + rest, at, strings.Split(rest, "\t")})
	}
	slices.SortFunc(lines, func(x, y line) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.rest, y.rest)) })
	skip := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			return nil, bad("cursor %.20q is none of this list", cursor)
		}
		skip = n
	}
	inv, zone := a.s.Inventory(), a.zone()
	for i, l := range lines[min(skip, len(lines)):] {
		if i == limit {
			t.next = strconv.Itoa(skip + limit)
			break
		}
		begins := time.Unix(l.at, 0).In(zone)
		row := []any{begins, l.parts[0]}
		for j, g := range by {
			row = append(row, l.parts[j+1])
			if g == "community" {
				name := ""
				if c := inv.Community(ingest.CommunityID(l.parts[j+1])); c != nil {
					name = c.Name
				}
				row = append(row, name)
			}
		}
		u := now[l.key]
		row = append(row, rounded(u.used), units[l.parts[0]], rounded(u.covered/3600), some(u.meters))
		if compare != "" {
			was, ok := then[strconv.FormatInt(begin(step, before(compare, step, begins)).Unix(), 10)+l.rest]
			if ok {
				row = append(row, rounded(was.used), rounded(was.covered/3600))
			} else {
				row = append(row, nil, nil)
			}
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// rounded leaves out what binary fractions add up to: a litre has three places.
func rounded(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// some is a number of meters, nil where hours do not say.
func some(v float64) any {
	if v == 0 {
		return nil
	}
	return v
}
