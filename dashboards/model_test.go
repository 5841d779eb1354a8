package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/influxdata/influxql"
	"github.com/prometheus/prometheus/promql/parser"

	"greencommunity/ingest"
	"greencommunity/metrics/hourly"
	"greencommunity/metrics/usage"
)

// committed reads the dashboards as they are shipped, strictly.
func committed(t *testing.T) map[string]*Dashboard { t.Helper(); return committedIn(t, Languages...) }

func committedIn(t *testing.T, languages ...Language) map[string]*Dashboard {
	t.Helper()
	all := map[string]*Dashboard{}
	for _, l := range languages {
		paths, err := filepath.Glob(filepath.Join("grafana", string(l), "*.json"))
		if err != nil || len(paths) != len(newSite(l, Options{}).boards) {
			t.Fatalf("%d files of %s, want %d (%v)", len(paths), l, len(newSite(l, Options{}).boards), err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			d := &Dashboard{}
			decoder := json.NewDecoder(bytes.NewReader(data))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(d); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			all[filepath.ToSlash(strings.TrimPrefix(path, "grafana"+string(filepath.Separator)))] = d
		}
	}
	return all
}

func TestCommittedIsGenerated(t *testing.T) {
	files, err := Files(Options{Zone: Zone})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join("grafana", path))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("grafana/%s is not what the generator writes (%v); run go run ./dashboards/generate", path, err)
		}
	}
	if got, err := os.ReadFile("../docs/metrics.md"); err != nil || !bytes.Equal(got, Reference()) {
		t.Errorf("docs/metrics.md is not what the generator writes (%v); run go run ./dashboards/generate", err)
	}
}

func TestModel(t *testing.T) {
	for _, p := range problems(committed(t)) {
		t.Error(p)
	}
}

// Each rule finds what it is there for.
func TestModelRulesBite(t *testing.T) {
	for name, c := range map[string]struct {
		change func(map[string]*Dashboard)
		want   string
	}{
		"uid twice":              {func(d map[string]*Dashboard) { d["zh/water.json"].UID = "gc-gate" }, "uid gc-gate is taken"},
		"id twice":               {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[1].ID = 1 }, "id 1 is taken"},
		"overlap":                {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[1].GridPos.X = 0 }, "overlaps"},
		"too wide":               {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[5].GridPos.W = 5 }, "24 columns"},
		"hole":                   {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[5].GridPos.W = 3 }, "columns empty"},
		"uneven":                 {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[4].GridPos.H = 3 }, "not as high as"},
		"no title":               {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Title = "" }, "no title"},
		"description":            {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Description = "water" }, "not Chinese"},
		"no description":         {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Description = "" }, "no description"},
		"unit":                   {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].FieldConfig.Defaults.Unit = "m^3" }, "unit"},
		"plugin":                 {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Type = "grafana-clock-panel" }, "core panel"},
		"fixed source":           {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Targets[0].Datasource.UID = "abc" }, "data source"},
		"dead link":              {func(d map[string]*Dashboard) { d["zh/water.json"].Links[0].URL = "/d/gc-nowhere" }, "leads nowhere"},
		"link to a variable":     {func(d map[string]*Dashboard) { d["zh/water.json"].Links[0].URL += "?${__url_time_range}&var-area=x" }, "which its target does not have"},
		"link to other language": {func(d map[string]*Dashboard) { d["zh/water.json"].Links[0].URL = "/d/gc-overview-en" }, "leads nowhere"},
		"unused variable":        {func(d map[string]*Dashboard) { d["zh/programme.json"].Templating.List[0].Name = "other" }, "nothing uses it"},
		"undefined variable":     {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Targets[0].Query += " LIMIT $rows" }, "$rows is not defined"},
		"InfluxQL syntax":        {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Targets[0].Query += " GROUP" }, "InfluxQL"},
		"renamed field": {func(d map[string]*Dashboard) {
			q := &d["zh/water.json"].Panels[3].Targets[0].Query
			*q = strings.ReplaceAll(*q, "water_volume_total", "volume_total")
		}, "water has no field volume_total"},
		"renamed measurement": {func(d map[string]*Dashboard) {
			q := &d["zh/water.json"].Panels[3].Targets[0].Query
			*q = strings.ReplaceAll(*q, "FROM water", "FROM meters")
		}, "measurement meters"},
		"PromQL syntax": {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[2].Targets[0].Expr += ")" }, "PromQL"},
		"renamed metric": {func(d map[string]*Dashboard) {
			d["zh/programme.json"].Panels[0].Targets[0].Expr = "sum(greencommunity_communities)"
		}, "metric greencommunity_communities"},
		"renamed label": {func(d map[string]*Dashboard) {
			d["zh/programme.json"].Panels[0].Targets[0].Expr = `sum(greencommunity_devices{area="x"})`
		}, "label area"},
		// Faults of the audit in a real Grafana, by their numbers.
		"F2 rounded range": {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].TimeFrom = "now/d" }, "in the zone of the browser"},
		"F3 no coordinates": {func(d map[string]*Dashboard) {
			for _, p := range d["zh/overview.json"].Panels {
				if p.Type == "geomap" {
					p.Targets[0].Expr = strings.ReplaceAll(p.Targets[0].Expr, `{latitude!=""}`, "")
				}
			}
		}, "at 0°, 0°"},
		"F4 link carries all": {func(d map[string]*Dashboard) {
			for i := range d["zh/water.json"].Links {
				d["zh/water.json"].Links[i].IncludeVars = true
			}
		}, "and gc-community holds one"},
		"F6 nothing in colour": {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].FieldConfig.Defaults.Mappings = nil }, "is not grey"},
		"F6 no alarm, no data": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/water.json"], "未恢复的告警").FieldConfig.Defaults.NoValue = "无数据"
		}, "look the same"},
		"F7 id of a community": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/water.json"], "用水最多的表").Transformations = panelNamed(d["zh/water.json"], "用水最多的表").Transformations[1:]
		}, "shows the id of communities"},
		"F7 id of a vendor": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/vendors.json"], "厂商记分卡（24 小时）").Transformations[1].Options = map[string]any{"renameByName": map[string]any{"vendor": "厂商"}}
		}, "shows the id of vendors"},
		"F8 raw title": {func(d map[string]*Dashboard) { d["zh/device-water.json"].Panels[3].Title = "valve_open" }, "its title is a name of the program's"},
		"F8 raw name": {func(d map[string]*Dashboard) {
			d["zh/device-water.json"].Panels[0].Targets[0].Alias = "last_valve_open"
		}, "a name of the program's"},
		"F8 legend": {func(d map[string]*Dashboard) { d["zh/device-gate.json"].Panels[3].Targets[0].Alias = "" }, "a name of the program's"},
		"F8 no unit": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/device-water.json"], "水压").FieldConfig.Defaults.Unit = ""
		}, "has no unit"},
		"F8 no units of the latest": {func(d map[string]*Dashboard) { d["zh/device-water.json"].Panels[0].FieldConfig.Overrides = nil }, "has no unit"},
		"F8 choice of a kind": {func(d map[string]*Dashboard) {
			d["zh/device-water.json"].Templating.List[1].Name = "facility"
		}, "is a choice"},
		"F8 nothing wrong": {func(d map[string]*Dashboard) {
			d["zh/device-water.json"].Panels = slices.DeleteFunc(d["zh/device-water.json"].Panels, func(p *Panel) bool { return p.Type == "table" })
		}, "what is wrong with the device"},
		"F12 another definition": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/overview.json"], "满溢垃圾桶").Targets[0].Expr = `sum(greencommunity_anomaly_active{kind="overfull", community=~"$community"})`
		}, "and elsewhere waste_bins_full"},
		"F12 since the retrofit":    {func(d map[string]*Dashboard) { d["zh/savings.json"].Panels[0].Description += "自改造起。" }, "says 自改造起"},
		"F19 tiles of the internet": {onMap(func(p *Panel) { p.Options["basemap"] = map[string]any{"type": "osm-standard", "name": "x"} }), "of the internet"},
		"F19 no legend":             {onMap(func(p *Panel) { layer(p)["showLegend"] = false }), "has no legend"},
		"F19 names over markers": {onMap(func(p *Panel) {
			layer(p)["style"].(map[string]any)["textConfig"].(map[string]any)["offsetY"] = 0.0
		}), "over the markers"},
		"F19 coordinates shown":    {onMap(func(p *Panel) { p.FieldConfig.Overrides = p.FieldConfig.Overrides[1:] }), "shows latitude"},
		"F19 a link a column":      {onMap(func(p *Panel) { p.FieldConfig.Defaults.Links = []DataLink{{Title: "x", URL: "/d/gc-community"}} }), "times"},
		"F9 who is off the screen": {func(d map[string]*Dashboard) { panelNamed(d["zh/overview.json"], "未恢复的告警").GridPos.W = 8 }, "too narrow"},
		"F9a order":                {func(d map[string]*Dashboard) { panelNamed(d["zh/waste.json"], "最满的桶").Options["sortBy"] = nil }, "promises an order"},
		"F10 value": {func(d map[string]*Dashboard) {
			for _, t := range panelNamed(d["zh/water.json"], "人均用水与定额").Transformations {
				if o, ok := t.Options.(map[string]any); ok && t.ID == "organize" {
					delete(o["renameByName"].(map[string]any), "Value")
				}
			}
		}, "is called Value"},
		"F11 median": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/ingester.json"], "日志落盘").Targets[0].LegendFormat = "p5"
		}, "is called p5"},
		"F13 overprinted": {func(d map[string]*Dashboard) { panelNamed(d["zh/water.json"], "上报水表").HideTimeOverride = false }, "printed over its title"},
		"F14 cut axis": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/water.json"], "每日用水").FieldConfig.Defaults.Min = nil
		}, "begin at 0"},
		"F15 scaled unit": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/water.json"], "瞬时流量").FieldConfig.Defaults.Unit = "flowcms"
		}, "unit"},
		"F16 any Grafana": {func(d map[string]*Dashboard) { d["zh/water.json"].Requires = nil }, "which Grafana it needs"},
		"F17 English": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/gate.json"], "通行速率").FieldConfig.Overrides = nil
		}, "has no name of its own"},
		"F18 one bar": {func(d map[string]*Dashboard) { d["zh/water.json"].Panels[0].Type = "bargauge" }, "core panel"},
		"F20 empty channel": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/gate.json"], "未恢复的告警").FieldConfig.Overrides = nil
		}, "reads as a fault"},
		"F21 unfinished hour": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/water.json"], "每小时用水").FieldConfig.Defaults.Custom["drawStyle"] = "line"
		}, "not over yet"},
		"F21 rolling": {func(d map[string]*Dashboard) {
			panelNamed(d["zh/waste.json"], "近 24 小时清运次数").Description = "每日清运次数。"
		}, "rolling"},
		"F22 choice of one":    {func(d map[string]*Dashboard) { d["zh/water.json"].Templating.List[0].Hide = 0 }, "a choice of one"},
		"F22 range taken away": {func(d map[string]*Dashboard) { d["zh/water.json"].Links[1].KeepTime = true }, "has its own"},
		"raw counter": {func(d map[string]*Dashboard) {
			d["zh/programme.json"].Panels[0].Targets[0].Expr = `sum(greencommunity_readings_total)`
		}, "without rate"},
	} {
		t.Run(name, func(t *testing.T) {
			d := committedIn(t, "zh") // the rules are the same in both
			c.change(d)
			if found := strings.Join(problems(d), "\n"); !strings.Contains(found, c.want) {
				t.Errorf("not noticed: want %q in\n%s", c.want, found)
			}
		})
	}
}

// onMap changes the overview's map.
func onMap(change func(*Panel)) func(map[string]*Dashboard) {
	return func(d map[string]*Dashboard) {
		for _, p := range d["zh/overview.json"].Panels {
			if p.Type == "geomap" {
				change(p)
			}
		}
	}
}

// layer is the configuration of a map's markers.
func layer(p *Panel) map[string]any {
	return p.Options["layers"].([]any)[0].(map[string]any)["config"].(map[string]any)
}

// panelNamed is a board's panel by its title.
func panelNamed(d *Dashboard, title string) *Panel {
	return d.Panels[slices.IndexFunc(d.Panels, func(p *Panel) bool { return p.Title == title })]
}

// rows are the panels of a board that stand side by side.
func rows(d *Dashboard) map[int][]*Panel {
	all := map[int][]*Panel{}
	for _, p := range d.Panels {
		all[p.GridPos.Y] = append(all[p.GridPos.Y], p)
	}
	return all
}

// No metric that nothing shows, and no quantity of the first four facilities.
func TestEverythingIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, d := range committed(t) {
		for _, q := range queries(d) {
			if q.prom {
				e, err := promParser.ParseExpr(fillProm(q.text, fixed))
				if err != nil {
					t.Fatal(err)
				}
				parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
					if v, ok := n.(*parser.VectorSelector); ok {
						shown[baseName(v.Name)] = true
					}
					return nil
				})
			}
		}
	}
	for _, m := range Metrics {
		if !shown[m.Name] {
			t.Errorf("%s is shown nowhere", m.Name)
		}
	}
	names := map[string]bool{}
	for _, m := range Metrics {
		if names[m.Name] {
			t.Errorf("%s is in the table twice", m.Name)
		}
		names[m.Name] = true
		if (m.Type == "counter") != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s: counters, and they alone, end in _total", m.Name)
		}
	}
	for _, kind := range builtin.Kinds() {
		last := Build(Chinese)[deviceBoard(kind)].Panels[0]
		for name, q := range builtin.Kind(kind).Quantities {
			if !slices.ContainsFunc(last.Targets, func(t *Target) bool {
				return strings.Contains(t.Query, "last("+name+")") && t.Alias == q.Label.ZH
			}) {
				t.Errorf("the board of a device of %s does not show %s by its name", kind, name)
			}
		}
	}
}

// query is one query of a dashboard.
type query struct {
	where string
	panel *Panel // nil for variables
	prom  bool
	text  string
}

// queries lists those of panels and variables.
func queries(d *Dashboard) []query {
	var all []query
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			where := fmt.Sprintf("%s: %q %s", d.UID, p.Title, t.RefID)
			if t.Expr != "" {
				all = append(all, query{where, p, true, t.Expr})
			} else {
				all = append(all, query{where, p, false, t.Query})
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" && v.Datasource.Type == "influxdb" {
			all = append(all, query{d.UID + ": variable " + v.Name, nil, false, asked(v)})
		}
		if v.Type == "query" && v.Datasource.Type == "prometheus" {
			// query_result(expr), label_values(metric, label)
			expr := asked(v)
			expr = expr[strings.Index(expr, "(")+1 : len(expr)-1]
			expr, _, _ = strings.Cut(expr, ",")
			all = append(all, query{d.UID + ": variable " + v.Name, nil, true, expr})
		}
	}
	return all
}

// asked is the query of a variable.
func asked(v *Variable) string { return v.Query.(map[string]any)["query"].(string) }

// values stand in for Grafana's variables.
type values struct {
	community, device, vendor, period  string
	timeFilter, interval, rateInterval string
}

var fixed = values{"nancheng", "lamp-1", ".*", "quarter", "time > now() - 7d", "5m", "5m"}

func fillInflux(q string, v values) string {
	return strings.NewReplacer("$timeFilter", v.timeFilter, "$__interval", v.interval, "${community:regex}", v.community, "$community", v.community,
		"$device", v.device).Replace(q)
}

func fillProm(q string, v values) string {
	return strings.NewReplacer("$__rate_interval", v.rateInterval, "$community", v.community, "$vendor", v.vendor, "$period", v.period).Replace(q)
}

var (
	promParser = parser.NewParser(parser.Options{})
	corePanels = []string{"stat", "timeseries", "table", "geomap", "text"}
	// A bar gauge with one bar drops its name, and shows nothing in the colour of
	// its first threshold: it is none of these.
	// knownUnits are ids of Grafana's units.
	knownUnits = []string{"none", "short", "percent", "percentunit", "kwatth", "m3", "volt", "celsius", "masskg", "s", "bytes", "litre", "dateTimeFromNow"}
	// fixedUnit is a unit of the project's own, which Grafana does not scale.
	fixedUnit   = regexp.MustCompile(`^suffix:[^ ].*$`)
	variableUse = regexp.MustCompile(`\$\{?([a-zA-Z_]+)`)
	linkTo      = regexp.MustCompile(`^/d/([a-z_-]+)(\?|$)`)
	// particles are called the same everywhere.
	particles = regexp.MustCompile(`^(PM[0-9.]+、?)+$`)
	han       = regexp.MustCompile(`\p{Han}`)
)

func knownUnit(unit string) bool {
	return slices.Contains(knownUnits, unit) || fixedUnit.MatchString(unit)
}

// problems lists what is wrong with a set of dashboards, by file.
func problems(all map[string]*Dashboard) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	uids := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if other, ok := uids[all[path].UID]; ok {
			add("%s: uid %s is taken by %s", path, all[path].UID, other)
		}
		uids[all[path].UID] = path
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		d := all[path]
		language, _, _ := strings.Cut(path, "/")
		if d.Timezone != "Asia/Shanghai" || d.WeekStart != "monday" || d.Editable || d.SchemaVersion != schemaVersion {
			add("%s: time zone, week, editable or schema", path)
		}
		prose := func(what, s string) {
			switch {
			case s == "":
				add("%s: %s: no %s", path, what, what[strings.LastIndex(what, " ")+1:])
			case language == "zh" && !han.MatchString(s) && !particles.MatchString(s):
				add("%s: %s: %q is not Chinese", path, what, s)
			case language == "en" && han.MatchString(s):
				add("%s: %s: %q is not English", path, what, s)
			}
		}
		prose("board title", d.Title)
		prose("board description", d.Description)
		for y, row := range rows(d) {
			width := 0
			for _, p := range row {
				width += p.GridPos.W
				if p.GridPos.H != row[0].GridPos.H {
					add("%s: row %d: %q is not as high as %q", path, y, p.Title, row[0].Title)
				}
			}
			if width < 24 && row[len(row)-1].Repeat == "" {
				add("%s: row %d: %q leaves %d columns empty", path, y, row[len(row)-1].Title, 24-width)
			}
		}
		ids := map[int]bool{}
		for i, p := range d.Panels {
			name := fmt.Sprintf("panel %d %q", i, p.Title)
			if ids[p.ID] {
				add("%s: %s: id %d is taken", path, name, p.ID)
			}
			ids[p.ID] = true
			g := p.GridPos
			if g.X < 0 || g.X+g.W > 24 || g.W <= 0 || g.H <= 0 {
				add("%s: %s: does not fit into 24 columns", path, name)
			}
			for _, o := range d.Panels[:i] {
				h := o.GridPos
				if g.X < h.X+h.W && h.X < g.X+g.W && g.Y < h.Y+h.H && h.Y < g.Y+g.H {
					add("%s: %s overlaps %q", path, name, o.Title)
				}
			}
			if !slices.Contains(corePanels, p.Type) {
				add("%s: %s: %s is no core panel", path, name, p.Type)
			}
			prose(name+" title", p.Title)
			prose(name+" description", p.Description)
			if p.Type != "text" {
				unit := p.FieldConfig.Defaults.Unit
				if (unit != "" || p.Type != "table" && p.Type != "geomap") && !knownUnit(unit) {
					add("%s: %s: unit %q; one of %v, or one that %s matches", path, name, unit, knownUnits, fixedUnit)
				}
				for _, o := range p.FieldConfig.Overrides {
					for _, property := range o.Properties {
						if u, ok := property.Value.(string); ok && property.ID == "unit" && !knownUnit(u) {
							add("%s: %s: unit %q; one of %v, or one that %s matches", path, name, u, knownUnits, fixedUnit)
						}
					}
				}
				if p.FieldConfig.Defaults.NoValue == "" {
					add("%s: %s: says nothing where there is no data", path, name)
				}
				if len(p.Targets) == 0 {
					add("%s: %s: no query", path, name)
				}
			}
			for _, t := range p.Targets {
				if t.Datasource == nil || t.Datasource.UID != "${"+t.Datasource.Type+"}" {
					add("%s: %s: data source is not chosen by variable", path, name)
				}
			}
		}
		variables(path, d, add)
		boardRules(path, d, add)
		links(path, d, all, uids, add)
		for _, q := range queries(d) {
			if q.prom {
				checkProm(q, add)
			} else {
				checkInflux(q, add)
			}
		}
	}
	return found
}

// variables: those that are defined are used, and the reverse.
func variables(path string, d *Dashboard, add func(string, ...any)) {
	text := func(v any) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			add("%s: %v", path, err)
		}
		return b.String()
	}
	own := []string{"__url_time_range", "__data", "__field", "__value", "__interval", "__rate_interval", "timeFilter", "tag_community", "tag_channel", "tag_type", "tag_resource"}
	used := map[string]bool{}
	body := *d
	body.Templating = Templating{}
	for _, m := range variableUse.FindAllStringSubmatch(text(body), -1) {
		if !slices.Contains(own, m[1]) {
			used[m[1]] = true
		}
	}
	defined := map[string]bool{}
	for _, v := range d.Templating.List {
		defined[v.Name] = true
		for _, m := range variableUse.FindAllStringSubmatch(text([]any{v.Query, v.Datasource}), -1) {
			used[m[1]] = true
		}
		if v.Label == "" {
			add("%s: variable %s has no label", path, v.Name)
		}
		if v.Type == "query" && v.Refresh != 2 {
			add("%s: variable %s does not follow the time range", path, v.Name)
		}
	}
	for name := range used {
		if !defined[name] {
			add("%s: $%s is not defined", path, name)
		}
	}
	for name := range defined {
		if !used[name] {
			add("%s: variable %s: nothing uses it", path, name)
		}
	}
}

// links lead to a dashboard of the same language that has the variables given.
func links(path string, d *Dashboard, all map[string]*Dashboard, uids map[string]string, add func(string, ...any)) {
	data, _ := json.Marshal(d)
	var urls []string
	for _, l := range d.Links {
		urls = append(urls, l.URL)
		if l.Type == "dashboards" {
			urls = urls[:len(urls)-1]
			found := false
			for _, target := range all {
				if slices.Contains(target.Tags, l.Tags[0]) {
					found = true
					carries(path, d, target, l, add)
				}
			}
			if !found || !l.AsDropdown {
				add("%s: menu %s leads nowhere", path, l.Title)
			}
			continue
		}
		if m := linkTo.FindStringSubmatch(l.URL); m != nil && all[uids[m[1]]] != nil {
			carries(path, d, all[uids[m[1]]], l, add)
		}
	}
	for _, m := range regexp.MustCompile(`"url":"([^"]*(?:\\"[^"]*)*)"`).FindAllStringSubmatch(string(data), -1) {
		var u string
		if json.Unmarshal([]byte(`"`+m[1]+`"`), &u) == nil && u != "" {
			urls = append(urls, u)
		}
	}
	language, _, _ := strings.Cut(path, "/")
	for _, u := range slices.Clone(urls) {
		// The kind of facility of a row: each has a board.
		if before, after, ok := strings.Cut(u, "${__data.fields.facility}"); ok {
			urls = slices.DeleteFunc(urls, func(o string) bool { return o == u })
			for _, kind := range append(builtin.Kinds(), "all") {
				urls = append(urls, before+string(kind)+after)
			}
		}
	}
	for _, u := range urls {
		m := linkTo.FindStringSubmatch(u)
		if m == nil || !strings.HasPrefix(uids[m[1]], language+"/") {
			add("%s: link %s leads nowhere", path, u)
			continue
		}
		for _, v := range regexp.MustCompile(`[?&]var-([a-z]+)=`).FindAllStringSubmatch(u, -1) {
			if target := all[uids[m[1]]]; !slices.ContainsFunc(target.Templating.List, func(have *Variable) bool { return have.Name == v[1] }) {
				add("%s: link %s sets %s, which its target does not have", path, u, v[1])
			}
		}
		if strings.Contains(u, "?") && !strings.Contains(u, "${__url_time_range}") {
			add("%s: link %s loses the time range", path, u)
		}
	}
}

func baseName(metric string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(metric, suffix); ok {
			return base
		}
	}
	return metric
}

// rawCounters are shown as they are on purpose: the account, and a figure that
// only changes when the process starts.
var rawCounters = []string{"greencommunity_messages_received_total", "greencommunity_messages_stored_total", "greencommunity_messages_duplicate_total", "greencommunity_messages_rejected_total", "greencommunity_messages_ignored_total", "greencommunity_journal_torn_bytes_total"}

func checkProm(q query, add func(string, ...any)) {
	e, err := promParser.ParseExpr(fillProm(q.text, fixed))
	if err != nil {
		add("%s: PromQL: %v", q.where, err)
		return
	}
	everyLabel := []string{"le", "job", "instance"}
	for _, m := range Metrics {
		everyLabel = append(everyLabel, m.Labels...)
	}
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			name := baseName(n.Name)
			i := slices.IndexFunc(Metrics, func(m Metric) bool { return m.Name == name })
			if i < 0 {
				if !slices.Contains(foreign, n.Name) {
					add("%s: metric %s is none of the service", q.where, n.Name)
				}
				return nil
			}
			for _, m := range n.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(Metrics[i].Labels, m.Name) {
					add("%s: %s has no label %s", q.where, n.Name, m.Name)
				}
			}
			ranged := len(path) > 0
			if ranged {
				_, ranged = path[len(path)-1].(*parser.MatrixSelector)
			}
			if Metrics[i].Type == "counter" && !ranged && q.panel != nil && !slices.Contains(rawCounters, name) {
				add("%s: counter %s without rate or increase", q.where, n.Name)
			}
			if Metrics[i].Type != "counter" && Metrics[i].Type != "histogram" && ranged {
				add("%s: rate of %s, which is no counter", q.where, n.Name)
			}
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if !slices.Contains(everyLabel, label) {
					add("%s: by label %s, which nothing has", q.where, label)
				}
			}
		}
		return nil
	})
}

func checkInflux(q query, add func(string, ...any)) {
	parsed, err := influxql.ParseQuery(fillInflux(q.text, fixed))
	if err != nil {
		add("%s: InfluxQL: %v in %s", q.where, err, q.text)
		return
	}
	for _, s := range parsed.Statements {
		if s, ok := s.(*influxql.SelectStatement); ok {
			checkSelect(q, s, add)
		}
	}
}

var ofQuantity = regexp.MustCompile(`facility = '([a-z_]+)' AND quantity = '([a-z0-9_.]+)'`)

// checkSelect checks the names of a statement and returns what it yields.
func checkSelect(q query, s *influxql.SelectStatement, add func(string, ...any)) []string {
	known := append([]string{"time"}, tags...)
	measurement := ""
	for _, source := range s.Sources {
		switch source := source.(type) {
		case *influxql.SubQuery:
			measurement = "subquery"
			known = append(known, checkSelect(q, source.Statement, add)...)
		case *influxql.Measurement:
			measurement = source.Name
			if measurement == hourly.Measurement {
				m := ofQuantity.FindStringSubmatch(q.text)
				used := m != nil && (m[2] == hourly.Used(usage.Electricity) || m[2] == hourly.Used(usage.Water))
				if m == nil || !used && (builtin.Quantity(ingest.FacilityKind(m[1]), m[2]) == nil || builtin.Quantity(ingest.FacilityKind(m[1]), m[2]).Kind == ingest.Register) {
					add("%s: hours of no quantity: %s", q.where, q.text)
				}
			}
			fields, ok := derivedFields[measurement]
			if !ok {
				f := builtin.Kind(ingest.FacilityKind(measurement))
				if f == nil {
					add("%s: measurement %s is none", q.where, measurement)
					return nil
				}
				fields = slices.Collect(maps.Keys(f.Quantities))
			}
			known = append(known, fields...)
		}
	}
	influxql.WalkFunc(s.Fields, func(n influxql.Node) {
		if ref, ok := n.(*influxql.VarRef); ok && !slices.Contains(known, ref.Val) {
			add("%s: %s has no field %s", q.where, measurement, ref.Val)
		}
	})
	for _, n := range []influxql.Node{s.Condition, s.Dimensions} {
		if n == nil || n == influxql.Node(nil) {
			continue
		}
		influxql.WalkFunc(n, func(n influxql.Node) {
			if ref, ok := n.(*influxql.VarRef); ok && !slices.Contains(known, ref.Val) {
				add("%s: %s has neither field nor tag %s", q.where, measurement, ref.Val)
			}
		})
	}
	var yields []string
	for _, f := range s.Fields {
		yields = append(yields, f.Name())
	}
	return yields
}

// No option of a panel hides in a comment: every time series says where its axis
// is and whether it is stacked.
func TestSeriesHaveTheirOptions(t *testing.T) {
	for name, d := range committed(t) {
		for _, p := range d.Panels {
			if p.Type != "timeseries" {
				continue
			}
			for _, option := range []string{"axisPlacement", "axisLabel", "stacking", "spanNulls"} {
				if _, ok := p.FieldConfig.Defaults.Custom[option]; !ok {
					t.Errorf("%s: panel %q has no %s", name, p.Title, option)
				}
			}
		}
	}
}

// A site in another zone has its own days on all boards.
func TestBoardsOfAnotherZone(t *testing.T) {
	files, err := Files(Options{Zone: "Asia/Urumqi", Names: map[string]string{"nancheng": "南城社区"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range files {
		if bytes.Contains(data, []byte(Zone)) || !bytes.Contains(data, []byte(`"timezone": "Asia/Urumqi"`)) {
			t.Errorf("%s is not of the site's zone", path)
		}
	}
	if !bytes.Contains(files["zh/savings.json"], []byte("tz('Asia/Urumqi')")) {
		t.Error("days of savings are not the site's")
	}
	// Its communities have their names in the legends of InfluxDB's answers (F7).
	for _, path := range []string{"zh/water.json", "en/lighting.json", "zh/charging.json"} {
		if !regexp.MustCompile(`"options": "[^"]*nancheng"\s*},\s*"properties": \[\s*{\s*"id": "displayName",\s*"value": "[^"]*南城社区"`).Match(files[path]) {
			t.Errorf("%s calls communities by their ids", path)
		}
	}
	for _, zone := range []string{"", "Local", "Peking"} {
		if _, err := Files(Options{Zone: zone}); err == nil {
			t.Errorf("%q is taken for a zone", zone)
		}
	}
}
