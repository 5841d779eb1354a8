package dashboards

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// schemaVersion is that of Grafana 10; newer ones migrate it. Before 10.0 the
// colours of table cells (cellOptions) are not known, and 9.3.0 to 9.3.2 answer
// instant queries with a value of the past.
const (
	schemaVersion  = 38
	minimumGrafana = "10.0.0"
)

// Dashboard is Grafana's dashboard model, as far as it is used here.
type Dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	Timezone      string     `json:"timezone"`
	WeekStart     string     `json:"weekStart"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"` // 1: the cursor is shared between panels
	SchemaVersion int        `json:"schemaVersion"`
	Refresh       string     `json:"refresh"`
	Time          TimeRange  `json:"time"`
	Templating    Templating `json:"templating"`
	Links         []Link     `json:"links"`
	Panels        []*Panel   `json:"panels"`
	// Requires names the least Grafana, which its import checks.
	Requires []Requirement `json:"__requires"`
}

// Requirement is something that must be there, and its least version.
type Requirement struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// TimeRange is the range a dashboard opens with.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating is the variables of a dashboard.
type Templating struct {
	List []*Variable `json:"list"`
}

// Variable is a choice at the top of a dashboard.
type Variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"` // datasource, query or custom
	Query      any         `json:"query"`
	Datasource *Datasource `json:"datasource,omitempty"`
	Regex      string      `json:"regex,omitempty"`
	Refresh    int         `json:"refresh"` // 2: when the time range changes
	Sort       int         `json:"sort"`
	Multi      bool        `json:"multi"`
	IncludeAll bool        `json:"includeAll"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    any         `json:"current,omitempty"`
	Options    []Option    `json:"options,omitempty"`
	Hide       int         `json:"hide,omitempty"` // 2: there is nothing to choose
}

// Option is a value of a custom variable.
type Option struct {
	Text     string `json:"text"`
	Value    string `json:"value"`
	Selected bool   `json:"selected"`
}

// Link leads from the menu of a dashboard to another. The schema wants all of it.
type Link struct {
	Title string `json:"title"`
	Type  string `json:"type"` // link or dashboards
	URL   string `json:"url"`
	// Of a menu of boards: those with all these tags.
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	Icon        string   `json:"icon"`
	Tooltip     string   `json:"tooltip"`
	KeepTime    bool     `json:"keepTime"`
	IncludeVars bool     `json:"includeVars"`
	TargetBlank bool     `json:"targetBlank"`
}

// DataLink leads from a value, a row or a point to a dashboard.
type DataLink struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Datasource names a source of data; here always by variable.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

var (
	influxSource = &Datasource{"influxdb", "${influxdb}"}
	promSource   = &Datasource{"prometheus", "${prometheus}"}
	mixedSource  = &Datasource{"datasource", "-- Mixed --"} // each query has its own
)

// GridPos is a place on the grid of 24 columns.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Panel is a picture.
type Panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description,omitempty"`
	GridPos         GridPos          `json:"gridPos"`
	Datasource      *Datasource      `json:"datasource,omitempty"`
	Targets         []*Target        `json:"targets,omitempty"`
	FieldConfig     *FieldConfig     `json:"fieldConfig,omitempty"`
	Options         map[string]any   `json:"options,omitempty"`
	Transformations []Transformation `json:"transformations,omitempty"`
	// TimeFrom is a range of the panel's own, a length such as 24h. Rounded ones
	// ("now/d") are never used: Grafana rounds them in the zone of the browser.
	TimeFrom string `json:"timeFrom,omitempty"`
	// HideTimeOverride keeps that range from being printed over a tile's title.
	HideTimeOverride bool   `json:"hideTimeOverride,omitempty"`
	Interval         string `json:"interval,omitempty"` // least step: no finer than devices report
	Repeat           string `json:"repeat,omitempty"`
	Direction        string `json:"repeatDirection,omitempty"`
	MaxPerRow        int    `json:"maxPerRow,omitempty"`
}

// Target is a query.
type Target struct {
	RefID      string      `json:"refId"`
	Datasource *Datasource `json:"datasource"`
	// Prometheus
	Expr         string `json:"expr,omitempty"`
	LegendFormat string `json:"legendFormat,omitempty"`
	Instant      bool   `json:"instant,omitempty"`
	Range        bool   `json:"range,omitempty"`
	Format       string `json:"format,omitempty"`
	// InfluxDB
	Query        string `json:"query,omitempty"`
	RawQuery     bool   `json:"rawQuery,omitempty"`
	ResultFormat string `json:"resultFormat,omitempty"`
	Alias        string `json:"alias,omitempty"`
}

// FieldConfig says how values look.
type FieldConfig struct {
	Defaults  FieldDefaults `json:"defaults"`
	Overrides []Override    `json:"overrides"`
}

// FieldDefaults hold for every field of a panel.
type FieldDefaults struct {
	Unit       string         `json:"unit,omitempty"`
	Decimals   *int           `json:"decimals,omitempty"`
	Min        *float64       `json:"min,omitempty"`
	Max        *float64       `json:"max,omitempty"`
	NoValue    string         `json:"noValue,omitempty"`
	Color      map[string]any `json:"color,omitempty"`
	Thresholds *Thresholds    `json:"thresholds,omitempty"`
	Mappings   []any          `json:"mappings,omitempty"`
	Custom     map[string]any `json:"custom,omitempty"`
	Links      []DataLink     `json:"links,omitempty"`
}

// Thresholds colour a value.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []Step `json:"steps"`
}

// Step is the colour from a value on; the first has none.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Override changes how one field looks.
type Override struct {
	Matcher    Matcher    `json:"matcher"`
	Properties []Property `json:"properties"`
}

// Matcher chooses fields.
type Matcher struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

// Property is one property of a field.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}

// Transformation changes an answer before it is shown.
type Transformation struct {
	ID      string `json:"id"`
	Options any    `json:"options"`
}

const (
	grey   = "#8e8e8e" // no data, unknown
	green  = "green"
	yellow = "yellow"
	orange = "orange"
	red    = "red"
	blue   = "blue"
)

// newPanel starts a panel of a size in columns and rows of the grid.
func newPanel(l site, kind, title, description string, w, h int) *Panel {
	return &Panel{
		Type: kind, Title: title, Description: description, GridPos: GridPos{W: w, H: h},
		FieldConfig: &FieldConfig{Overrides: []Override{}, Defaults: FieldDefaults{
			NoValue: l.t("无数据", "no data"), Color: map[string]any{"mode": "thresholds"},
			Thresholds: &Thresholds{Mode: "absolute", Steps: []Step{{Color: blue}}},
		}},
	}
}

// stat is a tile: one figure.
func stat(l site, title, description, unit string, w int) *Panel {
	p := newPanel(l, "stat", title, description, w, 4)
	p.FieldConfig.Defaults.Unit = unit
	p.Options = map[string]any{
		"colorMode": "background", "graphMode": "none", "justifyMode": "auto", "textMode": "auto", "orientation": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	p.FieldConfig.Defaults.Mappings = []any{unknown(l)}
	return p
}

// unknown shows what has no value in grey: it is neither good nor bad.
func unknown(l site) map[string]any {
	return map[string]any{
		"type": "special", "options": map[string]any{"match": "null+nan", "result": map[string]any{"text": l.t("无数据", "no data"), "color": grey}},
	}
}

// series is a picture over time.
func series(l site, title, description, unit string, w, h int) *Panel {
	p := newPanel(l, "timeseries", title, description, w, h)
	d := &p.FieldConfig.Defaults
	d.Unit, d.Color = unit, map[string]any{"mode": "palette-classic"}
	d.Custom = map[string]any{
		"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 8, "showPoints": "auto",
		// A gap longer than three minutes is a gap in the line; step widens it where devices report less often.
		"spanNulls":     3 * time.Minute.Milliseconds(),
		"axisPlacement": "auto", "axisLabel": "",
		"stacking": map[string]any{"group": "A", "mode": "none"},
	}
	p.Options = map[string]any{
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
	return p
}

// fromZero begins the axis at 0: lengths and areas compare only so.
func (p *Panel) fromZero() *Panel { p.FieldConfig.Defaults.Min = ptr(0.0); return p }

// bars draws the series as bars from 0, one a step.
func (p *Panel) bars(stacked bool) *Panel {
	c := p.fromZero().FieldConfig.Defaults.Custom
	c["drawStyle"], c["fillOpacity"], c["spanNulls"] = "bars", 70, false
	if stacked {
		c["stacking"] = map[string]any{"group": "A", "mode": "normal"}
	}
	return p
}

// band fills between two series, those whose names are given, lower first.
func (p *Panel) band(lower, upper string) *Panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides,
		override(lower, Property{"custom.lineWidth", 0}, Property{"custom.fillOpacity", 0}, Property{"color", map[string]any{"mode": "fixed", "fixedColor": "semi-dark-blue"}}),
		override(upper, Property{"custom.lineWidth", 0}, Property{"custom.fillBelowTo", lower}, Property{"custom.fillOpacity", 20}, Property{"color", map[string]any{"mode": "fixed", "fixedColor": "semi-dark-blue"}}))
	return p
}

// table is rows and columns.
func table(l site, title, description string, w, h int) *Panel {
	p := newPanel(l, "table", title, description, w, h)
	p.FieldConfig.Defaults.Custom = map[string]any{"align": "auto", "filterable": true, "inspect": false, "cellOptions": map[string]any{"type": "auto"}}
	p.Options = map[string]any{"showHeader": true, "cellHeight": "sm", "frameIndex": 0}
	return p
}

// ranking is a table of names and a figure drawn as a bar: unlike a bar gauge it
// keeps the name where there is one row only, is sorted by what it shows, and has
// no colour where there is nothing. What is ranked are series of Prometheus, each
// with the label named.
func ranking(l site, title, description, unit string, w, h int) *Panel {
	p := table(l, title, description, w, h)
	d := &p.FieldConfig.Defaults
	d.Unit, d.Min = unit, ptr(0.0)
	d.Mappings = []any{unknown(l)}
	return p
}

// rows makes a table of rows from an answer with a label and a value: what the
// label is of, and whether the largest is first. hidden are labels that links use.
func (p *Panel) rows(l site, label, heading string, largestFirst bool, hidden ...string) *Panel {
	value := l.t("数值", "Value")
	p.columns(label, heading, "Value", value, "v", value, "Time", "")
	for _, name := range hidden {
		p.override(outOfSight(name))
	}
	return p.override(textColumn(heading),
		override(value, Property{"custom.cellOptions", map[string]any{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}}, Property{"custom.width", 190})).
		sorted(value, largestFirst)
}

// outOfSight hides a column that links use: Grafana before 12.2 knows hidden, later
// ones hideFrom.
func outOfSight(field string) Override {
	return override(field, Property{"custom.hidden", true}, Property{"custom.hideFrom", map[string]any{"viz": true, "legend": false, "tooltip": false}})
}

// textColumn is one whose empty cells are empty: "no data" there reads as a fault.
func textColumn(heading string, more ...Property) Override {
	return override(heading, append([]Property{{"noValue", ""}}, more...)...)
}

// sorted orders a table by a column, before it is cut off and as it is shown.
func (p *Panel) sorted(column string, descending bool) *Panel {
	p.Options["sortBy"] = []any{map[string]any{"displayName": column, "desc": descending}}
	return p.transform("sortBy", map[string]any{"fields": map[string]any{}, "sort": []any{map[string]any{"field": column, "desc": descending}}})
}

// nothing is what the panel says where an empty answer means that there is none.
func (p *Panel) nothing(words string) *Panel { p.FieldConfig.Defaults.NoValue = words; return p }

// calls shows series by what people call them: the series' name and the words by
// turns.
func (p *Panel) calls(names ...string) *Panel {
	for i := 0; i+1 < len(names); i += 2 {
		p.override(override(names[i], Property{"displayName", names[i+1]}))
	}
	return p
}

func (p *Panel) target(t *Target) *Panel {
	t.RefID = string(rune('A' + len(p.Targets)))
	p.Targets = append(p.Targets, t)
	p.Datasource = t.Datasource
	return p
}

// now asks Prometheus for the present value.
func (p *Panel) now(expr, legend string) *Panel {
	t := &Target{Datasource: promSource, Expr: squeeze(expr), LegendFormat: legend, Instant: true}
	if p.Type == "table" || p.Type == "geomap" {
		t.Format = "table"
	}
	return p.target(t)
}

// over asks Prometheus for values over the range.
func (p *Panel) over(expr, legend string) *Panel {
	return p.target(&Target{Datasource: promSource, Expr: squeeze(expr), LegendFormat: legend, Range: true})
}

// influx asks InfluxDB; alias names the series.
func (p *Panel) influx(query, alias string) *Panel {
	format := "time_series"
	if p.Type == "table" {
		format = "table"
	}
	return p.target(&Target{Datasource: influxSource, Query: squeeze(query), RawQuery: true, ResultFormat: format, Alias: alias})
}

// last makes the panel look back as far as given, whatever the picker says. The
// description says so.
func (p *Panel) last(duration string) *Panel {
	p.TimeFrom, p.HideTimeOverride = duration, true
	return p
}

// step returns how far apart devices report at most: no finer steps are asked for,
// and a line bridges two that are missed and no longer gap.
func (p *Panel) step(interval string) *Panel {
	p.Interval = interval
	length, days := strings.CutSuffix(interval, "d")
	if days {
		length += "h"
	}
	each, err := time.ParseDuration(length)
	if err != nil {
		panic(err) // a defect of the build
	}
	if days {
		each *= 24
	}
	if c := p.FieldConfig.Defaults.Custom; c != nil && c["drawStyle"] == "line" {
		c["spanNulls"] = 3 * each.Milliseconds()
	}
	return p
}

func (p *Panel) decimals(n int) *Panel { p.FieldConfig.Defaults.Decimals = &n; return p }

func (p *Panel) limits(min, max float64) *Panel {
	p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = &min, &max
	return p
}

// levels colours by value: a colour, then values and colours by turns.
func (p *Panel) levels(first string, more ...any) *Panel {
	steps := []Step{{Color: first}}
	for i := 0; i+1 < len(more); i += 2 {
		steps = append(steps, Step{Color: more[i+1].(string), Value: ptr(more[i].(float64))})
	}
	p.FieldConfig.Defaults.Thresholds.Steps = steps
	return p
}

// says maps values to words and colours: value, text, colour by turns.
func (p *Panel) says(words ...string) *Panel {
	options := map[string]any{}
	for i := 0; i+2 < len(words); i += 3 {
		options[words[i]] = map[string]any{"index": i / 3, "text": words[i+1], "color": words[i+2]}
	}
	p.FieldConfig.Defaults.Mappings = append(p.FieldConfig.Defaults.Mappings, map[string]any{"type": "value", "options": options})
	return p
}

func (p *Panel) override(o ...Override) *Panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, o...)
	return p
}

func (p *Panel) transform(id string, options any) *Panel {
	p.Transformations = append(p.Transformations, Transformation{id, options})
	return p
}

// columns names and orders a table's columns: field and heading by turns; an
// empty heading hides the field.
func (p *Panel) columns(names ...string) *Panel {
	order, rename, hide := map[string]any{}, map[string]any{}, map[string]any{}
	for i := 0; i+1 < len(names); i += 2 {
		if names[i+1] == "" {
			hide[names[i]] = true
			continue
		}
		order[names[i]], rename[names[i]] = i/2, names[i+1]
	}
	// Grafana calls the field Value, not Value #A, where only one of the queries
	// answers: the first, of which the others are details.
	if first, there := rename["Value #A"]; there {
		rename["Value"], order["Value"] = first, order["Value #A"]
	} else if hide["Value #A"] == true {
		hide["Value"] = true
	}
	return p.transform("organize", map[string]any{"excludeByName": hide, "indexByName": order, "renameByName": rename})
}

// leads makes the panel's values a link to a board.
func (p *Panel) leads(l site, title, board, query string) *Panel {
	p.FieldConfig.Defaults.Links = append(p.FieldConfig.Defaults.Links, DataLink{Title: title, URL: l.link(board, query)})
	return p
}

// override changes properties of the field of a name.
func override(name string, properties ...Property) Override {
	return Override{Matcher{"byName", name}, properties}
}

// link is the address of a board with the time range kept, and what query adds.
func (l site) link(board, query string) string {
	url := fmt.Sprintf("/d/%s?${__url_time_range}", l.uid(board))
	if query != "" {
		url += "&" + query
	}
	return url
}

// finish gives ids and places to the panels, left to right and top to bottom,
// and what all boards have in common.
func (d *Dashboard) finish(l site, name string) {
	d.Tags = []string{"greencommunity", string(l.Language)}
	if d.Requires == nil {
		d.Requires = []Requirement{{"grafana", "grafana", "Grafana", minimumGrafana}}
	}
	d.Timezone, d.WeekStart, d.Editable, d.GraphTooltip, d.SchemaVersion = Zone, "monday", false, 1, schemaVersion
	if d.Time.From == "" {
		d.Time = TimeRange{"now-7d", "now"}
	}
	if d.Refresh == "" {
		d.Refresh = "1m"
	}
	var row []*Panel
	x, y := 0, 0
	// A row is as high as its highest panel, and its last one takes what is left
	// of the width.
	end := func() {
		high := 0
		for _, p := range row {
			high = max(high, p.GridPos.H)
		}
		for i, p := range row {
			p.GridPos.H = high
			if i == len(row)-1 && p.Repeat == "" {
				p.GridPos.W = 24 - p.GridPos.X
			}
		}
		row, x, y = nil, 0, y+high
	}
	for i, p := range d.Panels {
		p.ID = i + 1
		if x+p.GridPos.W > 24 {
			end()
		}
		p.GridPos.X, p.GridPos.Y = x, y
		x, row = x+p.GridPos.W, append(row, p)
	}
	end()
	d.Links = l.menu(name)
	if l.page != "" {
		// Eight links are two rows. The service's own health is the least of a device's.
		d.Links = slices.DeleteFunc(d.Links, func(k Link) bool { return len(d.Links) > 6 && k.URL == "/d/"+l.uid("ingester") })
		d.Links = append(d.Links, Link{Title: l.t("平台页面", "Page"), Type: "link", URL: l.onPage(d), Tags: []string{}, Icon: "external link", TargetBlank: true})
	}
	if b := l.boardNamed(name); b.facility {
		d.Tags = append(d.Tags, l.facilityTag())
	}
}

// onPage is the address of what a board shows on the page: its device, its community, or
// all of it.
func (l site) onPage(d *Dashboard) string {
	at := ""
	for _, v := range d.Templating.List {
		switch {
		case v.Name == "device":
			at = "#device/${device:percentencode}"
		case v.Name == "community" && !v.Multi:
			at = "#community/${community:percentencode}"
		}
	}
	return fmt.Sprintf("%s/?lang=%s%s", l.page, l.Language, at)
}

// facilityTag marks the boards of kinds of facility, which share a menu.
func (l site) facilityTag() string { return "greencommunity-facility-" + string(l.Language) }

// menu leads to the other boards. Variables are carried to boards that hold what
// the variable can be, and the range of time to those that have none of their own.
func (l site) menu(from string) []Link {
	var links []Link
	facilities := false
	for _, b := range l.boards {
		switch {
		case b.name == from || b.hidden:
		case b.facility:
			if !facilities {
				facilities = true
				links = append(links, Link{Title: l.t("设施", "Facilities"), Type: "dashboards", Tags: []string{l.facilityTag()}, AsDropdown: true, Icon: "external link", KeepTime: true, IncludeVars: true})
			}
		default:
			links = append(links, Link{Title: titles[b.name].in(l), Type: "link", URL: "/d/" + l.uid(b.name), Tags: []string{}, Icon: "dashboard", KeepTime: !b.ownTime, IncludeVars: !b.single})
		}
	}
	return links
}

// squeeze writes a query on one line.
func squeeze(query string) string { return strings.Join(strings.Fields(query), " ") }

func ptr[T any](v T) *T { return &v }
