package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rules of this file are each a kind of fault that a real Grafana has shown
// (field/grafana of the cases, faults F1 to F22 of the audit).

// carries: what a link carries is something its target can hold (F4), and boards
// that open with a range of their own keep it (F22).
func carries(path string, from, to *Dashboard, l Link, add func(string, ...any)) {
	if l.IncludeVars {
		for _, v := range from.Templating.List {
			for _, w := range to.Templating.List {
				if v.Name == w.Name && v.Multi && !w.Multi {
					add("%s: link %s carries many of %s, and %s holds one", path, l.Title, v.Name, to.UID)
				}
			}
		}
	}
	// Boards that are read by the quarter have a range of their own.
	if l.KeepTime && (strings.Contains(to.UID, "savings") || strings.Contains(to.UID, "ingester") || strings.Contains(to.UID, "programme")) {
		add("%s: link %s takes the range of time from a board that has its own", path, l.Title)
	}
}

var (
	length      = regexp.MustCompile(`^[0-9]+[hd]$`)
	promised    = regexp.MustCompile(`最(多|少|满|低|高|大)的?|(?i)\b(most|fullest|least|lowest|highest|hottest)\b`)
	unfinished  = regexp.MustCompile(`未结束|not over yet`)
	rolling     = regexp.MustCompile(`24 小时|24 h`)
	summedSteps = regexp.MustCompile(`sum\([a-z_]+\)[^)]*GROUP BY time\(1[hd]\)`)
	labelIn     = regexp.MustCompile(`\{\{([a-z]+)\}\}|\$tag_([a-z]+)`)
	// closedLabels are labels whose values are known, and have a name in each
	// language; names of communities and vendors are names already.
	closedLabels = map[string][]string{
		"direction": {"in", "out"}, "severity": {"info", "warning", "critical"}, "resource": {"electricity", "water"},
		"stream": {"kitchen", "recyclable", "hazardous", "residual"}, "result": {"stored", "refused"}, "reader": {"store", "observe"},
		"status": {"open", "acknowledged", "assigned", "in_progress"}, "answer": {"429", "5xx", "network", "slow", "too_large", "held"}, "type": {"access_granted", "door_forced", "forced_open", "offline"},
	}
	namedLabels = []string{"name", "community", "channel", "peer", "version", "revision", "vendor"} // of people and things, not of the program
)

// boardRules are those of one board.
func boardRules(path string, d *Dashboard, add func(string, ...any)) {
	chinese := strings.HasPrefix(path, "zh/")
	if len(d.Requires) != 1 || d.Requires[0].ID != "grafana" || d.Requires[0].Version != minimumGrafana {
		add("%s: does not say which Grafana it needs", path) // F16
	}
	for _, v := range d.Templating.List { // F22
		if v.Type == "datasource" && v.Hide != 2 {
			add("%s: variable %s offers a choice of one", path, v.Name)
		}
	}
	if len(d.Links) > 7 { // F22: two rows of links at 1600 pixels
		add("%s: %d links", path, len(d.Links))
	}
	definitionRules(path, d, add)
	deviceRules(path, d, add)
	for i, p := range d.Panels {
		name := fmt.Sprintf("panel %d %q", i, p.Title)
		if p.TimeFrom != "" { // F2, F13
			if !length.MatchString(p.TimeFrom) {
				add("%s: %s: Grafana rounds %s in the zone of the browser", path, name, p.TimeFrom)
			}
			if !p.HideTimeOverride {
				add("%s: %s: its range is printed over its title", path, name)
			}
		}
		if p.FieldConfig == nil {
			continue
		}
		defaults := &p.FieldConfig.Defaults
		columnRules(path, name, p, add)
		mapRules(path, p, add)
		if p.Type == "stat" || p.Type == "table" && defaults.Min != nil { // F6
			data, _ := json.Marshal(defaults.Mappings)
			if !strings.Contains(string(data), `"null+nan"`) || !strings.Contains(string(data), grey) {
				add("%s: %s: what has no value is not grey", path, name)
			}
		}
		if p.Type == "timeseries" && defaults.Custom["drawStyle"] == "bars" && (defaults.Min == nil || *defaults.Min != 0) { // F14
			add("%s: %s: bars do not begin at 0", path, name)
		}
		for _, t := range p.Targets {
			if p.Type == "geomap" && !strings.Contains(t.Expr, `latitude!=""`) { // F3
				add("%s: %s: communities without coordinates are put at 0°, 0°", path, name)
			}
			if strings.Contains(t.Expr, "alarm_active{") && (defaults.NoValue == "无数据" || defaults.NoValue == "no data") { // F6
				add("%s: %s: no alarm and no data look the same", path, name)
			}
			if m := regexp.MustCompile(`histogram_quantile\(0\.([0-9]+)`).FindStringSubmatch(t.Expr); m != nil && t.LegendFormat != "p"+(m[1] + "0")[:2] { // F11
				add("%s: %s: the quantile 0.%s is called %s", path, name, m[1], t.LegendFormat)
			}
			if p.Type == "timeseries" && summedSteps.MatchString(t.Query) && !strings.Contains(t.Query, savingsMeasurement) { // F21
				if defaults.Custom["drawStyle"] != "bars" || !unfinished.MatchString(p.Description) {
					add("%s: %s: the step that is not over yet is drawn as if it were", path, name)
				}
			}
			if p.Type == "timeseries" && strings.Contains(t.Expr, "[1d]") && !rolling.MatchString(p.Description) { // F21
				add("%s: %s: is of 24 hours, rolling, and does not say so", path, name)
			}
			if p.Type == "timeseries" || p.Type == "stat" {
				legendRules(path, name, p, t, chinese, add)
			}
		}
	}
}

// legendRules: a series is called by a name, and by no word of the program's (F7,
// F17).
func legendRules(path, name string, p *Panel, t *Target, chinese bool, add func(string, ...any)) {
	legend := t.LegendFormat + t.Alias
	for _, m := range labelIn.FindAllStringSubmatch(legend, -1) {
		label := m[1] + m[2]
		switch values, closed := closedLabels[label]; {
		case m[1] == "community" || m[1] == "device":
			add("%s: %s: series are called by the id of the %s", path, name, label)
		case label == "state" || label == "facility" || closed:
			if label == "facility" {
				values = []string{"lighting", "water"}
			}
			if label == "direction" && strings.Contains(legend, "{{reason}}") {
				values = []string{"up", "down"}
			}
			if label == "state" {
				values = []string{"checkpoint", "account"}
			}
			for _, v := range values {
				called := strings.NewReplacer("{{"+label+"}}", v, "$tag_"+label, v).Replace(legend)
				for _, rest := range labelIn.FindAllStringSubmatch(called, -1) {
					all := closedLabels[rest[1]+rest[2]]
					if rest[1] == "reason" {
						all = []string{"late"}
					}
					if len(all) > 0 {
						called = strings.ReplaceAll(called, rest[0], all[0])
					}
				}
				if !slices.ContainsFunc(p.FieldConfig.Overrides, func(o Override) bool {
					return o.Matcher.Options == called && slices.ContainsFunc(o.Properties, func(q Property) bool { return q.ID == "displayName" })
				}) {
					add("%s: %s: series %q has no name of its own", path, name, called)
				}
			}
		case !slices.Contains(namedLabels, label) && label != "reason":
			add("%s: %s: series are called by %s, of which no names are known", path, name, label)
		}
	}
	plain := labelIn.ReplaceAllString(legend, "")
	if chinese && regexp.MustCompile(`[a-z]{3,}`).MatchString(plain) {
		add("%s: %s: series %q is not Chinese", path, name, legend)
	}
}

// columnRules: what a table's columns are called, how they are sorted, and that
// none is an id where there is a name.
func columnRules(path, name string, p *Panel, add func(string, ...any)) {
	if p.Type != "table" {
		return
	}
	var organize struct {
		ExcludeByName map[string]bool   `json:"excludeByName"`
		IndexByName   map[string]int    `json:"indexByName"`
		RenameByName  map[string]string `json:"renameByName"`
	}
	sorted, mapped, organized := false, false, false
	for _, t := range p.Transformations {
		data, _ := json.Marshal(t.Options)
		switch t.ID {
		case "organize":
			organized = true
			if err := json.Unmarshal(data, &organize); err != nil {
				add("%s: %s: %v", path, name, err)
			}
		case "sortBy":
			sorted = p.Options["sortBy"] != nil
		case "configFromData":
			mapped = true
		}
	}
	if !organized {
		add("%s: %s: its columns have the names of fields", path, name)
	}
	if promised.MatchString(p.Title) && !sorted { // F9a
		add("%s: %s: promises an order and has none", path, name)
	}
	for _, m := range []map[string]bool{organize.ExcludeByName, mapKeys(organize.RenameByName)} { // F10
		if m["Value #A"] != m["Value"] && m["Value #A"] {
			add("%s: %s: the column is called Value where one query answers", path, name)
		}
	}
	hidden := func(field string) bool {
		if organize.ExcludeByName[field] {
			return true
		}
		return slices.ContainsFunc(p.FieldConfig.Overrides, func(o Override) bool {
			return o.Matcher.Options == field && slices.ContainsFunc(o.Properties, func(q Property) bool { return q.ID == "custom.hidden" && q.Value == true }) &&
				slices.ContainsFunc(o.Properties, func(q Property) bool { return q.ID == "custom.hideFrom" })
		})
	}
	for _, t := range p.Targets {
		prom := t.Expr != ""
		if prom && regexp.MustCompile(`by \([^)]*community`).MatchString(t.Expr) && !hidden("community") && t.RefID != "names" { // F7
			add("%s: %s: shows the id of communities", path, name)
		}
		if prom && regexp.MustCompile(`by \(vendor\)`).MatchString(t.Expr) && !hidden("vendor") { // F7
			add("%s: %s: shows the id of vendors", path, name)
		}
		if !prom && organize.RenameByName["community"] != "" && !mapped { // F7
			add("%s: %s: shows the id of communities", path, name)
		}
		if p.Title == "未恢复的告警" || p.Title == "Open alarms" { // F9
			for i, field := range []string{"severity", "kind", "name", "device"} {
				if at, there := organize.IndexByName[field]; !there || at != i {
					add("%s: %s: column %d is not %s: who and where must be on the screen", path, name, i+1, field)
				}
			}
			if p.GridPos.W < 12 {
				add("%s: %s: too narrow for what, who and where", path, name)
			}
		}
	}
	for _, column := range []string{"channel", "compound", "town", "unit"} { // F20
		if heading := organize.RenameByName[column]; heading != "" && !slices.ContainsFunc(p.FieldConfig.Overrides, func(o Override) bool {
			return o.Matcher.Options == heading && slices.ContainsFunc(o.Properties, func(q Property) bool { return q.ID == "noValue" && q.Value == "" })
		}) {
			add("%s: %s: an empty %s reads as a fault", path, name, heading)
		}
	}
}

func mapKeys(m map[string]string) map[string]bool {
	keys := map[string]bool{}
	for k := range m {
		keys[k] = true
	}
	return keys
}

// definitions are what the query of a tile of this title holds, on whichever board.
var definitions = map[string]string{
	"满溢垃圾桶": "waste_bins_full", "Bins overfull": "waste_bins_full",
	"满溢告警": `kind="overfull"`, "无法与零区分的项": "1 - avg(greencommunity_savings_significant", "Not distinguishable from zero": "1 - avg(greencommunity_savings_significant",
	"在线率": `state="online"`, "最低覆盖率": "min(greencommunity_savings_coverage_ratio",
}

// definitionRules: one word has one definition, and words that meant two things are gone
// (F12, case 07).
func definitionRules(path string, d *Dashboard, add func(string, ...any)) {
	for _, p := range d.Panels {
		if want, ok := definitions[p.Title]; ok && p.Type == "stat" && !strings.Contains(p.Targets[0].Expr, want) {
			add("%s: %s asks %s, and elsewhere %s", path, p.Title, p.Targets[0].Expr, want)
		}
	}
	data, _ := json.Marshal(d)
	for _, word := range []string{"自改造起", "启动以来", "可与零区分的项"} {
		if strings.Contains(strings.ReplaceAll(string(data), "无法与零区分的项", ""), word) {
			add("%s: says %s", path, word)
		}
	}
}

// rawName is a name of the program's, as no clerk reads.
var rawName = regexp.MustCompile(`[a-z0-9]+_[a-z0-9_]+|^(Value|Field|Last) ?$`)

// deviceRules: the board every link leads to says quantities by name and unit, and what is
// wrong with the device (F8).
func deviceRules(path string, d *Dashboard, add func(string, ...any)) {
	if !strings.HasPrefix(d.UID, "gc-device") || strings.HasPrefix(d.UID, "gc-device-all") {
		return
	}
	events := false
	for _, v := range d.Templating.List {
		if v.Name == "facility" {
			add("%s: the kind of facility is a choice: each has a board of its own", path)
		}
	}
	for i, p := range d.Panels {
		name := fmt.Sprintf("panel %d %q", i, p.Title)
		if rawName.MatchString(p.Title) {
			add("%s: %s: its title is a name of the program's", path, name)
		}
		events = events || p.Type == "table"
		for _, t := range p.Targets {
			if called := labelIn.ReplaceAllString(t.Alias+t.LegendFormat, ""); rawName.MatchString(called) || called == "" && p.Type != "table" {
				add("%s: %s: a quantity is called %q, a name of the program's", path, name, called)
			}
			if p.Type == "table" || p.FieldConfig == nil {
				continue
			}
			unit := p.FieldConfig.Defaults.Unit
			for _, o := range p.FieldConfig.Overrides {
				for _, q := range o.Properties {
					if o.Matcher.Options == t.Alias && q.ID == "unit" {
						unit, _ = q.Value.(string)
					}
				}
			}
			if unit == "" || p.Type == "stat" && unit == p.FieldConfig.Defaults.Unit && len(p.FieldConfig.Overrides) == 0 {
				add("%s: %s: %s has no unit", path, name, t.Alias)
			}
		}
	}
	if !events {
		add("%s: does not say what is wrong with the device", path)
	}
}

// mapRules: a map asks no service of the internet, says its colours, keeps names beside
// the markers, and shows where to go once, without figures nobody reads (F19).
func mapRules(path string, p *Panel, add func(string, ...any)) {
	if p.Type != "geomap" {
		return
	}
	data, _ := json.Marshal(p.Options)
	var o struct {
		Basemap struct {
			Name, Type string
			Config     struct{ Src string }
		}
		Layers []struct {
			Config struct {
				ShowLegend bool
				Style      struct {
					Size       struct{ Max float64 }
					TextConfig struct{ OffsetY float64 }
				}
			}
			Name string
		}
	}
	if err := json.Unmarshal(data, &o); err != nil {
		add("%s: map: %v", path, err)
		return
	}
	if o.Basemap.Type != "geojson" || strings.Contains(o.Basemap.Config.Src, "//") || o.Basemap.Name == "" {
		add("%s: map: its background %q of %q is of the internet, or has no name", path, o.Basemap.Type, o.Basemap.Config.Src)
	}
	for _, l := range o.Layers {
		if !l.Config.ShowLegend {
			add("%s: map: has no legend", path)
		}
		if l.Config.Style.TextConfig.OffsetY < l.Config.Style.Size.Max {
			add("%s: map: names are printed over the markers", path)
		}
	}
	links := 0
	hidden := map[string]bool{}
	for _, of := range p.FieldConfig.Overrides {
		for _, q := range of.Properties {
			switch v := q.Value.(type) {
			case map[string]any:
				if q.ID == "custom.hideFrom" && v["tooltip"] == true {
					hidden[fmt.Sprint(of.Matcher.Options)] = true
				}
			}
			if q.ID == "links" {
				links++
			}
		}
	}
	if links != 1 || len(p.FieldConfig.Defaults.Links) > 0 {
		add("%s: map: a community's link stands %d times", path, links+6*len(p.FieldConfig.Defaults.Links))
	}
	for _, field := range []string{"latitude", "longitude", "community"} {
		if !hidden[field] {
			add("%s: map: shows %s of a community", path, field)
		}
	}
}

// Each word with a definition stands somewhere, and the page says the same.
func TestOneWordOneDefinition(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range committed(t) {
		for _, p := range d.Panels {
			seen[p.Title] = seen[p.Title] || p.Type == "stat"
		}
	}
	for title := range definitions {
		if !seen[title] {
			t.Errorf("no tile %s", title)
		}
	}
	page, err := os.ReadFile(filepath.Join("page", "static", "page.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"full: '满溢垃圾桶'", "full: 'Bins overfull'", "period_since_start: '有记录以来'", "period_since_start: 'since records began'"} {
		if !strings.Contains(string(page), text) {
			t.Errorf("the page does not say %s", text)
		}
	}
}
