package inventory

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

const valid = `
communities:
- {id: nancheng, name: 南城社区, compounds: [{id: jinxiu, name: 锦绣家园}]}
vendors:
- id: brightlamp
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

func load(t *testing.T, text, csv string) (*Inventory, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "inventory.yaml")
	for name, content := range map[string]string{path: text, filepath.Join(dir, "devices.csv"): csv} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(path, time.UTC)
}

func TestDevicesFromCSV(t *testing.T) {
	inv, err := load(t, valid+"  devices_file: devices.csv\n", "\ufeffid,community,compound,facility,name,depth,offset,qmax\nB1,nancheng,jinxiu,waste,厨余 1 号,1.2,0.2,\nW1,nancheng,,water,,,,4\n")
	if err != nil {
		t.Fatal(err)
	}
	d := inv.Device("B1")
	if inv.Devices() != 2 || d == nil || d.Compound != "jinxiu" || d.Depth != 1.2 || d.Offset != 0.2 || d.Name != "厨余 1 号" || !d.Listed || d.Vendor != "brightlamp" {
		t.Errorf("B1 is %+v", d)
	}
	if w := inv.Device("W1"); w.Attributes["qmax"] != "4" {
		t.Errorf("W1 is %+v", w)
	}
}

// One more kind of facility is a few lines of data.
func TestFacilityFromYAML(t *testing.T) {
	inv, err := load(t, valid+`
facilities:
  fountain:
    name: {zh: 喷泉, en: fountain}
    quantities:
      jet_height: {unit: m, kind: gauge, min: 0, max: 200, name: {zh: 水柱高度, en: jet height}}
`, "")
	if err != nil {
		t.Fatal(err)
	}
	if q := inv.Facilities.Quantity("fountain", "jet_height"); q == nil || q.Unit != "m" || inv.Facilities.Quantity("fountain", "battery_level") == nil {
		t.Errorf("jet_height is %+v", q)
	}
}

// Each row is an inventory and exactly what is said about it.
func TestInvalid(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(valid, old, new, 1) }
	source := `{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}`
	tests := []struct{ name, inventory, csv, want string }{
		{"nothing", "", "", "communities: none listed; add at least one with id and name\nvendors: none listed; add at least one with id and sources"},
		{"unknown key", with("name: 南城社区", "name: 南城社区, housholds: 3"), "", `communities[0].housholds (line 3): unknown key; did you mean "households"?`},
		{"wrong type", with("name: 南城社区", "name: 南城社区, households: many"), "", `communities[0].households (line 3): "many" is not what belongs here; give a whole number`},
		{"community twice", with("- {id: nancheng", "- {id: nancheng, name: x}\n- {id: nancheng"), "", `communities[1].id: "nancheng" is listed twice; ids are unique`},
		{"community without id", with("id: nancheng, ", ""), "", `communities[0].id: missing`},
		{"community without name", with("name: 南城社区, ", ""), "", `communities[0].name: missing; give the name people use`},
		{"id that cannot be a tag", with("id: nancheng", `id: "nan,cheng"`), "", `communities[0].id: "nan,cheng" cannot be a tag; printable, at most 128 bytes, without .. / + # , = quotes or \`},
		{"not on Earth", with("name: 南城社区", "name: 南城社区, lat: 134.7, lon: 106"), "", `communities[0]: lat 134.7, lon 106 is not on Earth; degrees north and east`},
		{"stage", with("name: 南城社区", "name: 南城社区, stage: done"), "", `communities[0].stage: "done" is none of participating, met, named; leave it out for none of them`},
		{"compound twice", with("{id: jinxiu", "{id: jinxiu}, {id: jinxiu"), "", `communities[0].compounds[1].id: "jinxiu" is listed twice in the community; ids are unique`},
		{"vendor twice", valid + "- id: brightlamp\n  sources: [{topic: a, format: native, community: nancheng}]\n", "", `vendors[1].id: "brightlamp" is listed twice; ids are unique`},
		{"vendor without sources", valid + "- id: other\n", "", `vendors[1].sources: none; say where the vendor publishes: {topic: ..., format: ...}`},
		{"unknown format", with("format: native", "format: modbus"), "", `vendors[0].sources[0].format: "modbus" is unknown; one of ` + strings.Join(format.Names(), ", ")},
		{"no topic", with(source, "{format: native}"), "", `vendors[0].sources[0].topic: missing; give a topic template such as "greencommunity/v1/{community}/{facility}/{device}"`},
		{"unknown capture", with("{device}", "{lamp}"), "", `vendors[0].sources[0].topic: "greencommunity/v1/{community}/{facility}/{lamp}" captures unknown name "lamp"; use community, compound, facility, device or channel`},
		{"# inside", with("{facility}", "#"), "", `vendors[0].sources[0].topic: "greencommunity/v1/{community}/#/{device}": # stands only at the end`},
		{"wildcard in a level", with("{device}", "lamp-{device}"), "", `vendors[0].sources[0].topic: "greencommunity/v1/{community}/{facility}/lamp-{device}": "lamp-{device}" mixes a wildcard with text; a wildcard is a whole level`},
		{"captured twice", with("{facility}", "{device}"), "", `vendors[0].sources[0].topic: "greencommunity/v1/{community}/{device}/{device}" captures {device} twice`},
		{"same topics", with(source, source+"\n  - "+source), "", `vendors[0].sources[1].topic: vendor brightlamp has the same topics already; each topic belongs to one source`},
		{"unknown_devices", valid + "  unknown_devices: maybe\n", "", `vendors[0].unknown_devices: "maybe" is neither accept nor reject`},
		{"foreign community", valid + "  communities: [beicheng]\n", "", `vendors[0].communities[0]: "beicheng" is not listed under communities`},
		{"field of unknown quantity", with("format: native", "format: json, fields: {T: {quantity: temprature}}"), "", "vendors[0].sources[0].fields.T.quantity: \"temprature\" is unknown; `greencommunity quantities` lists them, or declare it under facilities"},
		{"field of unknown unit", with("format: native", "format: json, fields: {T: {quantity: temperature, unit: degrees}}"), "", "vendors[0].sources[0].fields.T.unit: \"degrees\" is unknown; `greencommunity quantities --units` lists them"},
		{"unit of another dimension", with("format: native", "format: json, fields: {T: {quantity: temperature, unit: kWh}}"), "", `vendors[0].sources[0].fields.T.unit: "kWh" does not convert to the unit of temperature`},
		{"field of two meanings", with("format: native", "format: json, fields: {T: {quantity: temperature, ignore: true}}"), "", `vendors[0].sources[0].fields.T: give one of quantity, event, time and ignore`},
		{"time rule", with("format: native", "format: json, json: {time: [{path: t, unit: minutes}, {unit: s}]}"), "", "vendors[0].sources[0].json.time[0].unit: \"minutes\" is none of auto, s, ms, us, ns\nvendors[0].sources[0].json.time[1]: has no path"},
		{"zone", with("format: native", "format: native, time_zone: Tianshui"), "", `vendors[0].sources[0].time_zone: "Tianshui" is no time zone; use a name such as Asia/Shanghai`},
		{"no devices file", valid + "  devices_file: /nonexistent/devices.csv\n", "", `vendors[0].devices_file: open /nonexistent/devices.csv: no such file or directory`},
		{"column missing", valid + "  devices_file: devices.csv\n", "id,community\n", `vendors[0].devices_file: devices.csv: no column "facility" in the header`},
		{"rows", valid + "  devices_file: devices.csv\n", "id,community,facility,depth\nA,beicheng,waste,\nB,nancheng,wast,\nC,nancheng,waste,deep\nC,nancheng,waste,\n", `vendors[0].devices_file: devices.csv line 2: device "A": community "beicheng" is not listed under communities
vendors[0].devices_file: devices.csv line 3: device "B": "wast" is no kind of facility; one of charging, drainage, environment, fire, gate, lighting, noise, parking, public_area, waste, water
vendors[0].devices_file: devices.csv line 4: depth "deep" is not a number
vendors[0].devices_file: devices.csv line 5: device "C" is listed already, for vendor brightlamp; ids are unique over all vendors`},
		{"bin upside down", valid + "  devices: [{id: B, community: nancheng, facility: waste, depth: 0.1, offset: 0.2}]\n", "", `vendors[0].devices[0]: device "B": depth 0.1 m must be above offset 0.2 m, neither negative`},
		{"parents", valid + "  devices_file: devices.csv\n", "id,community,facility,parent\nA,nancheng,water,B\nB,nancheng,water,C\nC,nancheng,water,B\nD,nancheng,water,X\nE,nancheng,water,E\n", `vendors[0].devices_file: devices.csv line 3: device "B": is in front of itself by its parents; name the meter that the water or the power passes first
vendors[0].devices_file: devices.csv line 4: device "C": is in front of itself by its parents; name the meter that the water or the power passes first
vendors[0].devices_file: devices.csv line 5: device "D": parent "X" is no listed device; list the meter in front of it, or leave parent out
vendors[0].devices_file: devices.csv line 6: device "E": is in front of itself by its parents; name the meter that the water or the power passes first`},
		{"register width", valid + "  devices: [{id: B, community: nancheng, facility: water, register_bits: 12}]\n", "", `vendors[0].devices[0]: device "B": register_bits 12 is none of 16, 24, 32`},
		{"redefined quantity", valid + "facilities: {water: {quantities: {water_flow: {unit: m3/s, kind: gauge}}}}\n", "", `facilities.water.quantities.water_flow: exists already and cannot be redefined; use another name`},
		{"quantity kind", valid + "facilities: {pool: {quantities: {level: {unit: m, kind: counter}}}}\n", "", `facilities.pool.quantities.level.kind: "counter" is none of state, gauge, register, delta`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.inventory, test.csv)
			if err == nil {
				t.Fatal("accepted")
			}
			_, got, _ := strings.Cut(err.Error(), "inventory.yaml:\n")
			if got = said(got, test.want); got != test.want {
				t.Errorf("says\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestResolve(t *testing.T) {
	inv, err := load(t, valid+`  communities: [nancheng]
  max_devices: 2
  devices: [{id: L1, community: nancheng, compound: jinxiu, facility: lighting, alias: "00:11"}]
- id: other
  sources: [{topic: "other/{device}", format: json, community: nancheng, facility: water}]
  devices: [{id: W1, community: nancheng, facility: water}]
`, "")
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry(inv)
	native, other := inv.Vendors[0].Sources[0], inv.Vendors[1].Sources[0]
	tests := []struct {
		name                        string
		source                      *Source
		device, community, facility string
		reason                      ingest.Reason
		id                          ingest.DeviceID
		index                       uint32
	}{
		{"unlisted", native, "L9", "nancheng", "lighting", "", "L9", 0},
		{"listed, wherever the topic says it is", native, "L1", "beicheng", "water", "", "L1", 1},
		{"by alias", native, "00:11", "nancheng", "lighting", "", "L1", 1},
		{"again", native, "L9", "nancheng", "lighting", "", "L9", 0},
		{"another's", native, "W1", "nancheng", "water", ingest.NotOwner, "", 0},
		{"unknown community", native, "L8", "beicheng", "lighting", ingest.UnknownCommunity, "", 0},
		{"unknown facility", native, "L8", "nancheng", "fountain", ingest.UnknownFacility, "", 0},
		{"no name", native, "", "nancheng", "lighting", ingest.BadIdentifier, "", 0},
		{"second", native, "L8", "nancheng", "lighting", "", "L8", 2},
		{"over the quota", native, "L7", "nancheng", "lighting", ingest.TooManyDevices, "", 0},
		{"not listed, of a vendor that must list", other, "W9", "", "", ingest.UnknownDevice, "", 0},
	}
	for _, test := range tests {
		d, index, refusal := accept(r, test.source, &format.Captures{}, test.device, test.community, test.facility, "", "")
		if test.reason != "" {
			if refusal == nil || refusal.Reason != test.reason {
				t.Errorf("%s: %v, want %s", test.name, refusal, test.reason)
			}
			continue
		}
		if refusal != nil || d.ID != test.id || index != test.index {
			t.Errorf("%s: %v %d %v", test.name, d, index, refusal)
		}
	}
}

// said is a message without lines, except where want names them.
func said(got, want string) string {
	lines, wanted := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range lines {
		if i >= len(wanted) || !strings.Contains(wanted[i], " (line ") {
			lines[i] = lineNumber.ReplaceAllString(lines[i], "")
		}
	}
	return strings.Join(lines, "\n")
}

var lineNumber = regexp.MustCompile(` \(line \d+\)`)

// accept resolves a device and registers it, as when a reading of it is accepted.
func accept(r *Registry, src *Source, c *format.Captures, device, community, facility, compound, profile string) (*ingest.Device, uint32, *ingest.Refusal) {
	d, index, refusal := r.Resolve(src, c, Named{Device: device, Community: community, Compound: compound, Facility: facility, Profile: profile})
	if refusal == nil && index == Unregistered {
		return r.Register(src, d)
	}
	return d, index, refusal
}
