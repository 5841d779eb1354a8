// Package dashboards is the Grafana dashboards, as Go values: what is shown,
// in both languages, and where it comes from. `go run ./dashboards/generate`
// writes them as JSON to dashboards/grafana/{zh,en}.
//
// Measurements, fields, alarm kinds and quantities come from the packages that
// write them, and every metric from the table Metrics, which a test holds
// against what the service exposes: a name that changes there breaks the build
// here and not a screen at the bureau.
//
// Three rules hold for each panel. Queries of InfluxDB are InfluxQL, the one
// language of its versions 1, 2 and 3. What was not measured is grey "no data",
// never zero: a panel counts alarms only where there are devices that could
// raise one. Figures that compare communities are per lamp, per meter or per
// hundred devices, never totals.
package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Language is one of the two languages of the dashboards.
type Language string

const (
	Chinese Language = "zh"
	English Language = "en"
)

// Languages lists both, the first language first.
var Languages = []Language{Chinese, English}

// Zone is that of the boards' days and axes as they are committed: the default of
// time_zone in config.yaml. The generator takes another.
const Zone = "Asia/Shanghai"

// localTime ends a query whose steps are local days.
const localTime = "tz('" + Zone + "')"

// t is a text in the language.
func (l Language) t(zh, en string) string {
	if l == Chinese {
		return zh
	}
	return en
}

// uid is a dashboard's address. Both languages can be provisioned side by side.
func (l Language) uid(name string) string {
	if l == Chinese {
		return "gc-" + name
	}
	return "gc-" + name + "-en"
}

// board is a dashboard and what the menus must know of it.
type board struct {
	name     string
	build    func(Language) *Dashboard
	facility bool // of a kind of facility: in that menu
	single   bool // its variables hold one value: nothing is carried there
	ownTime  bool // has a range of its own
	hidden   bool // reached from a row, a point or a tile, not from a menu
}

// boards lists the dashboards, in the order of the menu.
var boards = allBoards()

func allBoards() []board {
	all := []board{
		{name: "overview", build: overview}, {name: "savings", build: savings, ownTime: true},
		{name: "lighting", build: lighting, facility: true}, {name: "water", build: water, facility: true},
		{name: "waste", build: waste, facility: true}, {name: "gate", build: gate, facility: true},
	}
	for _, kind := range builtin.Kinds() {
		if !slices.ContainsFunc(all, func(b board) bool { return b.name == string(kind) }) {
			all = append(all, board{name: string(kind), build: func(l Language) *Dashboard { return facilityBoard(l, kind) }, facility: true})
		}
	}
	for _, kind := range builtin.Kinds() {
		all = append(all, board{name: deviceBoard(kind), build: func(l Language) *Dashboard { return device(l, kind) }, single: true, hidden: true})
	}
	return append(all, board{name: deviceBoard("all"), build: group, single: true, hidden: true}, board{name: "alarms", build: work, hidden: true}, board{name: "community", build: community, single: true}, board{name: "programme", build: programme, single: true, ownTime: true},
		board{name: "vendors", build: vendors, single: true}, board{name: "ingester", build: ingester, single: true, ownTime: true})
}

// boardNamed returns a board by its name.
func boardNamed(name string) board {
	return boards[slices.IndexFunc(boards, func(b board) bool { return b.name == name })]
}

// Build returns every dashboard in a language, by name.
func Build(l Language) map[string]*Dashboard {
	all := map[string]*Dashboard{}
	for _, b := range boards {
		d := b.build(l)
		d.UID = l.uid(b.name)
		d.finish(l, b.name)
		all[b.name] = d
	}
	return all
}

// Files returns what the generator writes for a site in a time zone: path below
// dashboards/grafana, and JSON. InfluxDB knows communities by their ids alone, as
// a name in its tags would begin a series anew with each renaming: names gives
// the series of its answers the name of their community, by its id.
func Files(zone string, names map[string]string) (map[string][]byte, error) {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return nil, fmt.Errorf("%q is no time zone; use a name such as %s, as time_zone in config.yaml", zone, Zone)
	}
	files := map[string][]byte{}
	for _, l := range Languages {
		for name, d := range Build(l) {
			for _, p := range d.Panels {
				p.nameCommunities(names)
			}
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(d); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			files[fmt.Sprintf("%s/%s.json", l, name)] = bytes.ReplaceAll(b.Bytes(), []byte(Zone), []byte(zone))
		}
	}
	return files, nil
}
