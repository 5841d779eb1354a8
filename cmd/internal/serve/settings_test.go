package serve

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"greencommunity/ingest/inventory/inventorytest"
)

// TestCase05ConfigProblemsOneAtATime: what is wrong in three sections and in the
// inventory is told at once, each with file, path, line and remedy.
func TestCase05ConfigProblemsOneAtATime(t *testing.T) {
	cases := inventorytest.Cases(t)
	_, err := Load(filepath.Join(cases, "field/house/05-config-problems-one-at-a-time/config.yaml"))
	for _, want := range []string{
		`stores (line 10): unknown key; did you mean "store"?`,
		`anomaly.household (line 8): unknown key; one of all, budget,`,
		`savings.faktors (line 9): unknown key; did you mean "factors"?`,
	} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("says\n%v\nwithout\n%s", err, want)
		}
	}
}

const (
	goodConfig    = "data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1\"]}\ninfluxdb: {url: \"http://127.0.0.1:1\", org: o, bucket: b}\n"
	goodInventory = `communities:
- id: nancheng
  name: 南城社区
  boundaries:
  - id: lamps
    spec:
      resource: electricity
      ipmvp: B
      meters: [{device: em-1}]
vendors:
- id: native
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`
)

func settings(t *testing.T, config, inventory string) (*Settings, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"config.yaml": config, "inventory.yaml": inventory} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "config.yaml"))
}

// Each row is what is wrong, and all that is said, without the folder.
func TestProblems(t *testing.T) {
	with := func(text, old, new string) string { return strings.Replace(text, old, new, 1) }
	for name, c := range map[string]struct{ config, inventory, want string }{
		"a level misspelt": {goodConfig + "anomaly:\n  water: {burst_flw: 3}\n", goodInventory, `config.yaml:
anomaly.water.burst_flw (line 6): unknown key; did you mean "burst_flow"?`},
		"a level of a community": {goodConfig + "anomaly:\n  communities:\n    nancheng:\n      gate: {held_open: soon}\n", goodInventory, `config.yaml:
anomaly.communities.nancheng.gate.held_open (line 8): "soon" is no duration; write 90s or 36h`},
		"a kind of alarm": {goodConfig + "anomaly:\n  devices:\n    d: {all: {disabled: [burst, brst]}}\n", goodInventory, `config.yaml:
anomaly.devices.d.all.disabled[1] (line 7): "brst" is no kind of alarm; one of`},
		"a factor": {goodConfig + "savings:\n  factors:\n    area: Gansu\n    emission:\n    - {year: 2023, area: Gansu, kg_co2_per_kwh: 5, source: x}\n", goodInventory, `config.yaml:
savings.factors.emission[0].kg_co2_per_kwh (line 9): 5 is outside 0 to 1.2`},
		"a boundary's spec": {goodConfig, with(goodInventory, "ipmvp: B", "ipmpv: B"), `inventory.yaml:
communities[0].boundaries[0].spec.ipmpv (line 8): unknown key; did you mean "ipmvp"?
communities[0].boundaries[0].spec.ipmvp (line 6): "" is none of A, B, C, none`},
		"all files and sections": {goodConfig + "htp: {}\nanomaly: {budgt: 1}\nsavings: {fctors: {}}\ntime_zone: Asia/Shanghai\njournal: {max_bytes: 1MiB}\n",
			with(with(goodInventory, "resource: electricity", "resource: gas"), "format: native", "format: nativ"), `config.yaml:
htp (line 5): unknown key; did you mean "http"?
journal.max_bytes (line 9): 1048576 bytes is too little; give at least 16MiB
anomaly.budgt (line 6): unknown key; did you mean "budget"?
savings.fctors (line 7): unknown key; did you mean "factors"?
inventory.yaml:
vendors[0].sources[0].format (line 13): "nativ" is unknown; one of`},
	} {
		_, err := settings(t, c.config, c.inventory)
		have := regexp.MustCompile(`(?m)^/.*/(\w+\.yaml:)$`).ReplaceAllString(fmt.Sprint(err), "$1")
		if !strings.HasPrefix(have, c.want) {
			t.Errorf("%s: says\n%s\nwant\n%s", name, have, c.want)
		}
	}
	s, err := settings(t, goodConfig+"anomaly: {water: {burst_flow: 99}, budget: 3}\n", goodInventory)
	if err != nil || s.Anomaly.Parameters.Water.BurstFlow != 99 || s.Anomaly.Budget != 3 || s.Anomaly.Parameters.Water.Gap == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Alarms cost what savings are worth, unless the file says otherwise.
func TestOnePrice(t *testing.T) {
	for _, c := range []struct {
		text               string
		water, electricity float64
	}{
		{"", 0, 0},
		{"alarms: {tariffs: {water: 4, electricity: 0.6}}", 4, 0.6},
		{"savings: {tariffs: [{resource: water, name: a, source: b, steps: [{up_to: 180, price: 2.5}, {price: 7.5}]}, " +
			"{resource: electricity, name: a, source: b, price: 0.5, hours: [{name: 峰, from: 17, to: 23, price: 0.9}]}]}", 2.5, 0.6},
		{"savings: {tariffs: [{resource: water, name: a, source: b, price: 3}]}\nalarms: {tariffs: {electricity: 0.7}}", 3, 0.7},
		{"savings: {tariffs: [{resource: water, name: a, source: b, price: 3}]}\nalarms: {tariffs: {water: 5}}", 5, 0},
		{"savings: {tariffs: [{resource: electricity, facility: lighting, name: a, source: b, price: 0.8}, {resource: electricity, name: a, source: b, price: 0.5}]}", 0, 0.8},
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "inventory.yaml"), []byte("communities: [{id: a, name: a}]\nvendors: [{id: v, sources: [{topic: \"x/{community}/{facility}/{device}\", format: native}]}]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		text := "data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1883\"], client_id: a}\ninfluxdb: {url: \"http://127.0.0.1:8086\", org: o, bucket: b}\n" + c.text + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Alarms.Tariffs; math.Abs(got.Water-c.water) > 1e-9 || math.Abs(got.Electricity-c.electricity) > 1e-9 {
			t.Errorf("%s: %+v", c.text, got)
		}
	}
}
