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
)

// Language is one of the two languages of the dashboards.
type Language string

const (
	Chinese Language = "zh"
	English Language = "en"
)

// Languages lists both, the first language first.
var Languages = []Language{Chinese, English}

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

// boards lists the dashboards by name, in the order of the menu.
var boards = []struct {
	name  string
	build func(Language) *Dashboard
}{
	{"overview", overview}, {"savings", savings},
	{"lighting", lighting}, {"water", water}, {"waste", waste}, {"gate", gate},
	{"community", community}, {"device", device},
	{"programme", programme}, {"vendors", vendors}, {"ingester", ingester},
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

// Files returns what the generator writes: path below dashboards/grafana, and JSON.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, l := range Languages {
		for name, d := range Build(l) {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(d); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			files[fmt.Sprintf("%s/%s.json", l, name)] = b.Bytes()
		}
	}
	return files, nil
}
