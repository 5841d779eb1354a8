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
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
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

// uid is a dashboard's address, which Grafana bounds. Both languages can be provisioned
// side by side.
func (l Language) uid(name string) string {
	const most = 40 - len("gc-") - len("-en")
	if len(name) > most {
		sum := sha256.Sum256([]byte(name))
		name = fmt.Sprintf("%s-%x", name[:most-9], sum[:4])
	}
	if l == Chinese {
		return "gc-" + name
	}
	return "gc-" + name + "-en"
}

// word is a text of an inventory in the language: an inventory may give one language,
// or none.
func (l Language) word(t ingest.Text, id string) string {
	return cmp.Or(l.t(t.ZH, t.EN), t.ZH, t.EN, id)
}

// kindName returns the name of a kind of facility.
func (l site) kindName(kind ingest.FacilityKind) string {
	if k := l.kinds.Kind(kind); k != nil {
		return l.word(k.Label, string(kind))
	}
	return string(kind)
}

// board is a dashboard and what the menus must know of it.
type board struct {
	name     string
	build    func(site) *Dashboard
	facility bool // of a kind of facility: in that menu
	single   bool // its variables hold one value: nothing is carried there
	ownTime  bool // has a range of its own
	hidden   bool // reached from a row, a point or a tile, not from a menu
}

// site holds what boards are written for: a language, the kinds of facility there are, and
// where a browser reaches the page, "" where that is not known.
type site struct {
	Language
	kinds  *ingest.Facilities
	page   string
	boards []board // in the order of the menu
}

func newSite(l Language, o Options) site {
	s := site{Language: l, kinds: o.Kinds, page: strings.TrimSuffix(o.Page, "/")}
	if s.kinds == nil {
		s.kinds = builtin
	}
	s.boards = allBoards(s.kinds)
	return s
}

func allBoards(kinds *ingest.Facilities) []board {
	all := []board{
		{name: "overview", build: overview}, {name: "savings", build: savings, ownTime: true},
		{name: "lighting", build: lighting, facility: true}, {name: "water", build: water, facility: true},
		{name: "waste", build: waste, facility: true}, {name: "gate", build: gate, facility: true},
	}
	for _, kind := range kinds.Kinds() {
		if !slices.Contains([]ingest.FacilityKind{ingest.Lighting, ingest.Water, ingest.Waste, ingest.Gate}, kind) {
			all = append(all, board{name: kindBoard(kind), build: func(l site) *Dashboard { return facilityBoard(l, kind) }, facility: true})
		}
	}
	for _, kind := range kinds.Kinds() {
		all = append(all, board{name: deviceBoard(kind), build: func(l site) *Dashboard { return device(l, kind) }, single: true, hidden: true})
	}
	return append(all, board{name: deviceBoard("all"), build: group, single: true, hidden: true}, board{name: "alarms", build: work, hidden: true}, board{name: "community", build: community, single: true}, board{name: "programme", build: programme, single: true, ownTime: true},
		board{name: "vendors", build: vendors, single: true}, board{name: "ingester", build: ingester, single: true, ownTime: true})
}

// kindBoard names the board of a kind of facility. An inventory may call a kind as
// another board is called.
func kindBoard(kind ingest.FacilityKind) string {
	if _, taken := titles[string(kind)]; taken && builtin.Kind(kind) == nil {
		return "kind-" + string(kind)
	}
	return string(kind)
}

// boardNamed returns a board by its name.
func (l site) boardNamed(name string) board {
	return l.boards[slices.IndexFunc(l.boards, func(b board) bool { return b.name == name })]
}

// Build returns every dashboard of the built-in kinds in a language, by name.
func Build(l Language) map[string]*Dashboard { return newSite(l, Options{}).build() }

func (l site) build() map[string]*Dashboard {
	all := map[string]*Dashboard{}
	for _, b := range l.boards {
		d := b.build(l)
		d.UID = l.uid(b.name)
		d.finish(l, b.name)
		all[b.name] = d
	}
	return all
}

// Options hold what the boards of a site depend on.
type Options struct {
	Zone string // of days and axes, as time_zone in config.yaml
	// Names calls communities by their names, by id. InfluxDB knows their ids alone, as
	// a name in its tags would begin a series anew with each renaming.
	Names map[string]string
	Kinds *ingest.Facilities // of the inventory; nil: those that ship with the program
	// Page is where a browser reaches the page, such as https://green.county.example:
	// boards link to it. "" leaves the links out.
	Page string
}

// Files returns what the generator writes for a site: path below dashboards/grafana,
// and JSON.
func Files(o Options) (map[string][]byte, error) {
	zone := o.Zone
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return nil, fmt.Errorf("%q is no time zone; use a name such as %s, as time_zone in config.yaml", zone, Zone)
	}
	files := map[string][]byte{}
	for _, l := range Languages {
		for name, d := range newSite(l, o).build() {
			for _, p := range d.Panels {
				p.nameCommunities(o.Names)
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
