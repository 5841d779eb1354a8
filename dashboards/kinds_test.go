package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/influxdata/influxql"

	"greencommunity/ingest/inventory/inventorytest"
)

// addedKinds has what inventories add: a kind in both languages, one in Chinese only,
// one without a name, one named as a keyword of InfluxQL with quantities so named, one
// named as another board, one with a long name, and a quantity of a built-in kind.
const addedKinds = `
communities: [{id: nancheng, name: 南城社区}]
vendors: [{id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}]
facilities:
  lift:
    name: {zh: 电梯, en: Lifts}
    quantities:
      trips: {unit: "1", kind: delta, min: 0, name: {zh: 运行次数, en: Trips}}
      stuck: {unit: "0/1", kind: state, name: {zh: 困人, en: Stuck}}
      load: {unit: kg, kind: gauge, min: 0, name: {zh: 载重, en: Load}}
      travelled_total: {unit: km, kind: register, name: {zh: 累计行程, en: Travelled}}
  fountain:
    name: {zh: 喷泉}
    quantities: {jet_height: {unit: m, kind: gauge, name: {zh: 水柱高度}}, oil: {unit: bar, kind: gauge}}
  ev_swap: {quantities: {visits: {unit: 人次, kind: delta}}}
  group: {name: {zh: 组, en: Groups}, quantities: {limit: {unit: V, kind: gauge, name: {zh: 上限, en: Limit}}, end: {unit: "1", kind: delta, name: {zh: 末次, en: Ends}}}}
  savings: {name: {zh: 储蓄柜, en: Lockers}, quantities: {used_share: {unit: ratio, kind: gauge, name: {zh: 占用, en: Used}}}}
  rainwater_harvesting_and_reuse_station: {name: {zh: 雨水回用, en: Rainwater}, quantities: {level_of_tank: {unit: m, kind: gauge, name: {zh: 液位, en: Level}}}}
  water: {quantities: {chlorine: {unit: ratio, kind: gauge, name: {zh: 余氯, en: Chlorine}}}}
`

// Each kind an inventory adds has a board and one of its devices, in both languages: its
// quantities with names and units, devices, alarms; it is in the menus and among the
// names of kinds, and every query parses.
func TestKindsOfAnInventory(t *testing.T) {
	inv := inventorytest.Parse(t, addedKinds, inventorytest.Zone)
	const page = "https://green.county.example/"
	files, err := Files(Options{Zone: Zone, Kinds: inv.Facilities, Page: page})
	if err != nil {
		t.Fatal(err)
	}
	uids := map[string]string{}
	for _, l := range Languages {
		for name, d := range newSite(l, Options{Kinds: inv.Facilities, Page: page}).build() {
			if other := uids[d.UID]; other != "" || len(d.UID) > 40 || !regexp.MustCompile(`^[a-z0-9_-]+$`).MatchString(d.UID) {
				t.Errorf("%s has the uid %s (taken by %q)", name, d.UID, other)
			}
			uids[d.UID] = name
			for _, q := range queries(d) {
				if q.prom {
					if _, err := promParser.ParseExpr(fillProm(q.text, fixed)); err != nil {
						t.Errorf("%s: %v in %s", q.where, err, q.text)
					}
				} else if _, err := influxql.ParseStatement(fillInflux(q.text, fixed)); err != nil {
					t.Errorf("%s: %v in %s", q.where, err, q.text)
				}
			}
			var rules []string
			add := func(format string, args ...any) { rules = append(rules, fmt.Sprintf(format, args...)) }
			if boardRules(string(l)+"/"+name+".json", d, add); len(rules) > 0 && !strings.HasSuffix(name, "fountain") && !strings.HasSuffix(name, "ev_swap") { // which have names in one language, or none
				t.Error(rules)
			}
			if !slices.ContainsFunc(d.Links, func(l Link) bool {
				return strings.HasPrefix(l.URL, "https://green.county.example/?lang=") && l.TargetBlank
			}) {
				t.Errorf("%s does not lead to the page", d.UID)
			}
		}
	}
	read := func(path string) *Dashboard {
		t.Helper()
		d, decoder := &Dashboard{}, json.NewDecoder(bytes.NewReader(files[path]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return d
	}
	titled := func(d *Dashboard, title string) *Panel {
		t.Helper()
		i := slices.IndexFunc(d.Panels, func(p *Panel) bool { return p.Title == title || strings.HasSuffix(p.Title, "、"+title) })
		if i < 0 {
			t.Fatalf("%s has no panel %q", d.UID, title)
		}
		return d.Panels[i]
	}
	for _, c := range []struct{ path, title, panel, unit, query string }{
		{"zh/lift.json", "电梯", "运行次数（今日）", "none", `quantity="trips"`}, {"en/lift.json", "Lifts", "Trips, today", "none", `quantity="trips"`},
		{"zh/lift.json", "电梯", "运行次数", "none", "facility = 'lift' AND quantity = 'trips'"}, {"zh/lift.json", "电梯", "困人（现有）", "none", `statistic="yes"`},
		{"en/lift.json", "Lifts", "Load", "suffix:kg", "quantity = 'load'"}, {"zh/lift.json", "电梯", "未恢复的告警", "", `facility="lift"`},
		{"en/fountain.json", "喷泉", "水柱高度", "suffix:m", "jet_height"}, {"zh/fountain.json", "喷泉", "oil", "suffix:bar", "oil"},
		{"zh/ev_swap.json", "ev_swap", "visits（今日）", "none", "visits"}, {"en/group.json", "Groups", "Limit", "suffix:V", "quantity = 'limit'"},
		{"zh/kind-savings.json", "储蓄柜", "占用（平均）", "percentunit", "used_share"}, {"zh/savings.json", "节能节水", "节电", "kwatth", "energy_savings"},
		{"zh/device-group.json", "单台设备：组", "上限", "suffix:V", `mean("limit")`}, {"zh/device-lift.json", "单台设备：电梯", "最新读数", "none", `last("travelled_total")`},
		{"zh/device-water.json", "单台设备：供水", "最新读数", "none", `last("chlorine")`},
		{"zh/rainwater_harvesting_and_reuse_station.json", "雨水回用", "液位（平均）", "suffix:m", "level_of_tank"},
	} {
		d := read(c.path)
		p := titled(d, c.panel)
		if d.Title != c.title || p.FieldConfig.Defaults.Unit != c.unit || !slices.ContainsFunc(p.Targets, func(t *Target) bool { return strings.Contains(t.Expr+t.Query, c.query) }) {
			t.Errorf("%s is %q, panel %q is in %q and asks %+v", c.path, d.Title, c.panel, p.FieldConfig.Defaults.Unit, p.Targets[0])
		}
	}
	// In the menu of facilities, and called by their names where kinds are.
	if d := read("zh/lift.json"); !slices.Contains(d.Tags, "greencommunity-facility-zh") {
		t.Errorf("the board is not in the menu: %v", d.Tags)
	}
	if !bytes.Contains(files["zh/community.json"], []byte(`"电梯"`)) {
		t.Error("the community's board does not know what the kind is called")
	}
	// Boards and page lead to each other.
	for path, want := range map[string]string{
		"zh/community.json": "https://green.county.example/?lang=zh#community/${community:percentencode}", "en/device-lift.json": "https://green.county.example/?lang=en#device/${device:percentencode}",
		"zh/alarms.json": "https://green.county.example/?lang=zh#alarm=${__data.fields.alarm}", "zh/overview.json": `"https://green.county.example/?lang=zh"`,
	} {
		if !bytes.Contains(files[path], []byte(want)) {
			t.Errorf("%s does not lead to %s", path, want)
		}
	}
}
