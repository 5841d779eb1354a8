package trial

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// guesses propose a quantity for a field by a part of its name: the first that the kind of
// facility has. A person decides; nothing is stored by a guess.
var guesses = []struct {
	parts      []string
	quantities []string
}{
	{[]string{"rssi", "signal", "csq", "信号"}, []string{"rssi"}},
	{[]string{"batvolt", "bat_volt", "batteryvolt", "battery_volt", "bat_v", "电池电压"}, []string{"battery_voltage"}},
	{[]string{"totalflow", "flowtotal", "total_flow", "flow_total", "累计流量"}, []string{"water_volume_total"}},
	{[]string{"battery", "batt", "电量", "电池"}, []string{"battery_level"}},
	{[]string{"humi", "湿度"}, []string{"humidity"}},
	{[]string{"temp", "温度"}, []string{"water_temperature", "bin_temperature", "temperature"}},
	{[]string{"volt", "电压"}, []string{"voltage", "battery_voltage"}},
	{[]string{"current", "ampere", "电流"}, []string{"current"}},
	{[]string{"powerfactor", "power_factor", "cosphi", "功率因数"}, []string{"power_factor"}},
	{[]string{"power", "watt", "功率"}, []string{"active_power"}},
	{[]string{"energy", "kwh", "electric", "电能", "电度", "用电"}, []string{"energy_total"}},
	{[]string{"freq", "频率"}, []string{"frequency"}},
	{[]string{"lux", "illumin", "照度"}, []string{"illuminance"}},
	{[]string{"bright", "dim", "亮度"}, []string{"light_level"}},
	{[]string{"switch", "onoff", "lamp", "开关"}, []string{"light_on"}},
	{[]string{"valve", "阀"}, []string{"valve_open"}},
	{[]string{"press", "压力", "水压"}, []string{"water_pressure", "hydrant_pressure", "pressure"}},
	{[]string{"flow", "流量"}, []string{"water_flow"}},
	{[]string{"weight", "重量"}, []string{"waste_weight"}},
	{[]string{"distance", "dist", "距离"}, []string{"fill_distance", "water_level"}},
	{[]string{"fill", "full", "满溢"}, []string{"fill_level"}},
	{[]string{"door", "gate", "门"}, []string{"door_open"}},
	{[]string{"total", "volume", "reading", "累计", "用水", "表读数"}, []string{"water_volume_total", "energy_total"}},
	{[]string{"level", "水位", "液位"}, []string{"fill_level", "water_level", "tank_level"}},
}

// Suggest prints the part of inventory.yaml that would read what a payload has and nobody
// has mapped, to be pasted under vendors and looked through: what a name may mean is
// guessed, and what nobody can guess is ignored until somebody says what it is.
func Suggest(out io.Writer, formatName, topic, community string, kind ingest.FacilityKind, inner string, unmapped []decode.Unmapped) {
	fmt.Fprintf(out, "\n# To paste under vendors in inventory.yaml. Look at each line: what a field means, and its unit, is guessed by its name.\n")
	fmt.Fprintf(out, "- id: acme\n  unknown_devices: accept\n  sources:\n  - topic: %s\n    format: %s\n", strconv.Quote(templateOf(formatName, topic)), formatName)
	if inner != "" {
		fmt.Fprintf(out, "    payload: %s\n", inner)
	}
	fmt.Fprintf(out, "    community: %s\n    facility: %s\n    fields:\n", strconv.Quote(community), kind)
	suggestFields(out, ingest.BuiltinFacilities(), kind, "      ", unmapped)
}

// SuggestFields prints the lines that the fields of a source lack to read what it has left
// unmapped.
func SuggestFields(out io.Writer, source *inventory.Source, facilities *ingest.Facilities, kind ingest.FacilityKind, unmapped []decode.Unmapped) {
	fmt.Fprintf(out, "\n# To paste under fields of vendor %s, source %q. Look at each line: what a field means, and its unit, is guessed by its name.\n", source.Vendor.ID, Printable(source.Topic))
	fmt.Fprintf(out, "    fields:\n")
	suggestFields(out, facilities, kind, "      ", unmapped)
}

func suggestFields(out io.Writer, facilities *ingest.Facilities, kind ingest.FacilityKind, indent string, unmapped []decode.Unmapped) {
	seen := map[string]bool{}
	for _, u := range unmapped {
		if seen[u.Field] || u.Field == "" {
			continue
		}
		seen[u.Field] = true
		value := strconv.FormatFloat(u.Value, 'f', -1, 64)
		if u.IsText {
			value = strconv.Quote(u.Text[:min(len(u.Text), 40)])
		}
		meaning, why := "{ignore: true}", "not wanted, until somebody says what it is"
		if quantity := guess(facilities, kind, &u); quantity != nil {
			meaning, why = "{quantity: "+quantity.Name+"}", "in "+quantity.Unit+"; else add unit: …"
			if quantity.Kind == ingest.State {
				why = "1 or 0; else add values: {…: 1, …: 0}"
			}
		} else if looksLikeTime(&u) {
			meaning, why = "{time: true}", "the time of all the others"
		}
		fmt.Fprintf(out, "%s%s: %s # %s: %s\n", indent, strconv.Quote(u.Field), meaning, Printable(value), why)
	}
}

// templateOf is the template for topics like one: the format's own where one fits, else
// with {device} as its last level but one, or its last.
func templateOf(formatName, topic string) string {
	if topic == "" {
		return "acme/{device}/data"
	}
	if own := inventory.TemplateFor(format.Formats[formatName], topic); strings.Contains(own, "{device}") {
		return own
	}
	levels := strings.Split(topic, "/")
	if len(levels) > 1 {
		i := len(levels) - 1
		if len(levels) > 2 {
			i--
		}
		levels[i] = "{device}"
	}
	return strings.Join(levels, "/")
}

func guess(facilities *ingest.Facilities, kind ingest.FacilityKind, u *decode.Unmapped) *ingest.Quantity {
	if u.IsText {
		if _, ok := format.ParseNumber(u.Text); !ok {
			if _, _, ok := format.NumberAndUnit(u.Text); !ok {
				return nil
			}
		}
	}
	name := strings.ToLower(u.Field)
	for _, g := range guesses {
		if !slices.ContainsFunc(g.parts, func(part string) bool { return strings.Contains(name, part) }) {
			continue
		}
		for _, quantity := range g.quantities {
			if q := facilities.Quantity(kind, quantity); q != nil && (u.IsText || q.Check(u.Value) == nil) {
				return q
			}
		}
	}
	return nil
}

// looksLikeTime reports whether a field is called as times are, and is one.
func looksLikeTime(u *decode.Unmapped) bool {
	name := strings.ToLower(u.Field[strings.LastIndexByte(u.Field, '.')+1:])
	if !slices.Contains([]string{"time", "ts", "timestamp", "datetime", "date_time", "at", "collecttime", "reporttime", "时间"}, name) {
		return false
	}
	if u.IsText {
		_, ok := format.ParseTime(u.Text, time.UTC)
		return ok
	}
	return u.Value > 1e9
}
