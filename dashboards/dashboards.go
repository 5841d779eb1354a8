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

// Files returns what the generator writes for a site in a time zone: path below
// dashboards/grafana, and JSON.
func Files(zone string) (map[string][]byte, error) {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return nil, fmt.Errorf("%q is no time zone; use a name such as %s, as time_zone in config.yaml", zone, Zone)
	}
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
			files[fmt.Sprintf("%s/%s.json", l, name)] = bytes.ReplaceAll(b.Bytes(), []byte(Zone), []byte(zone))
		}
	}
	return files, nil
}
