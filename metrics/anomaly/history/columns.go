package history

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"greencommunity/ingest"
)

// role holds what a column is.
type role struct {
	is   string // "", time, device, event, collected, increment, quantity
	name string // of the quantity
	unit string
	conv ingest.Conversion
	q    *ingest.Quantity
	// tilt is set where an angle stands for a state.
	tilt bool
	// channel is the column's name, where several columns are one quantity.
	channel string
}

// answers are columns that say what a detector is to find out. They are never read.
var answers = []string{"label", "labels", "anomaly", "anomalous", "is_anomaly", "isanomaly", "isanomalous", "is_anomalous", "changepoint", "kind", "class", "fault", "target", "ground_truth", "truth", "y"}

// suffixes are the units people put behind a column's name.
var suffixes = map[string]string{
	"w": "W", "kw": "kW", "l": "L", "m3": "m3", "litres": "L", "liters": "L", "litre": "L", "liter": "L", "pct": "%", "percent": "%",
	"c": "Cel", "degc": "Cel", "celsius": "Cel", "f": "degF", "k": "K", "deg": "deg", "degrees": "deg", "v": "V", "mv": "mV", "a": "A", "ma": "mA",
	"kwh": "kWh", "wh": "Wh", "lh": "L/h", "lph": "L/h", "m3h": "m3/h", "lps": "L/s", "lpm": "L/min", "mpa": "MPa", "kpa": "kPa", "pa": "Pa", "bar": "bar",
	"mm": "mm", "cm": "cm", "m": "m", "kg": "kg", "ratio": "ratio", "gal": "gal", "ft3": "ft3", "ml": "mL",
}

// words hold what columns of a kind of facility are called, the first that fits.
var words = map[ingest.FacilityKind][]struct{ word, is, quantity, unit string }{
	ingest.Water: {
		{"total", "quantity", "water_volume_total", ""}, {"register", "quantity", "water_volume_total", ""}, {"index", "quantity", "water_volume_total", ""},
		{"volume", "quantity", "water_volume_total", ""}, {"cumulative", "quantity", "water_volume_total", ""}, {"reading", "quantity", "water_volume_total", ""},
		{"meter", "quantity", "water_volume_total", ""}, {"累计", "quantity", "water_volume_total", ""}, {"表", "quantity", "water_volume_total", ""},
		{"flow", "quantity", "water_flow", "m3/h"}, {"流量", "quantity", "water_flow", "m3/h"}, {"pressure", "quantity", "water_pressure", ""},
		{"diff", "increment", "water_volume_total", ""}, {"delta", "increment", "water_volume_total", ""}, {"consum", "increment", "water_volume_total", ""},
		{"usage", "increment", "water_volume_total", ""}, {"used", "increment", "water_volume_total", ""}, {"用水", "increment", "water_volume_total", ""},
		{"temp", "quantity", "water_temperature", ""},
	},
	ingest.Lighting: {
		{"power_factor", "quantity", "power_factor", ""}, {"reactive", "quantity", "reactive_power", ""}, {"apparent", "quantity", "apparent_power", ""},
		{"power", "quantity", "active_power", ""}, {"watt", "quantity", "active_power", ""}, {"功率", "quantity", "active_power", ""},
		{"dim", "quantity", "light_level", ""}, {"level", "quantity", "light_level", ""}, {"bright", "quantity", "light_level", ""}, {"亮度", "quantity", "light_level", ""},
		{"volt", "quantity", "voltage", ""}, {"current", "quantity", "current", ""}, {"energy", "quantity", "energy_total", ""},
		{"on", "quantity", "light_on", ""}, {"state", "quantity", "light_on", ""}, {"status", "quantity", "light_on", ""}, {"开", "quantity", "light_on", ""},
	},
	ingest.Waste: {
		{"distance", "quantity", "fill_distance", ""}, {"fill", "quantity", "fill_level", ""}, {"full", "quantity", "fill_level", ""}, {"level", "quantity", "fill_level", ""}, {"满", "quantity", "fill_level", ""},
		{"temp", "quantity", "bin_temperature", ""}, {"温", "quantity", "bin_temperature", ""}, {"tilt", "quantity", "bin_tilted", ""}, {"倾", "quantity", "bin_tilted", ""},
		{"collect", "collected", "", ""}, {"emptied", "collected", "", ""}, {"清运", "collected", "", ""}, {"weight", "quantity", "waste_weight", ""},
	},
	ingest.Gate: {
		{"event", "event", "", ""}, {"事件", "event", "", ""}, {"type", "event", "", ""}, {"person", "quantity", "pass_in", ""}, {"people", "quantity", "pass_in", ""},
		{"pass", "quantity", "pass_in", ""}, {"人", "quantity", "pass_in", ""}, {"door", "quantity", "door_open", ""}, {"open", "quantity", "door_open", ""},
	},
}

// events hold what gates call what happens at them.
var events = map[string]string{
	"grant": "access_granted", "granted": "access_granted", "access": "access_granted", "allow": "access_granted", "pass": "access_granted", "授权": "access_granted",
	"deny": "access_denied", "denied": "access_denied", "reject": "access_denied", "refuse": "access_denied", "拒绝": "access_denied",
	"open": "door_opened", "opened": "door_opened", "开门": "door_opened", "close": "door_closed", "closed": "door_closed", "关门": "door_closed",
	"exit_request": "door_unlocked", "rex": "door_unlocked", "exit": "door_unlocked", "button": "door_unlocked", "unlock": "door_unlocked",
	"forced": "door_forced", "held": "door_held_open", "held_open": "door_held_open",
	"grant_timeout": "", "timeout": "", // a grant nobody used: the absence of an opening says so
}

func eventType(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if t, ok := events[s]; ok {
		return t, true
	}
	for _, t := range events {
		if s == t && t != "" {
			return t, true
		}
	}
	return "", false
}

// split takes a unit from a column's name: "power_w", "Flow (L/h)", "temp[°C]".
func split(column string) (name, unit string) {
	name = strings.ToLower(strings.TrimSpace(column))
	if i := strings.IndexAny(name, "([（"); i > 0 {
		raw := strings.Trim(strings.TrimSpace(column)[i:], "()[]（） ")
		if ingest.KnownUnit(raw) {
			return strings.TrimSpace(name[:i]), raw
		}
		name = strings.TrimSpace(name[:i])
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == ' ' || r == '.' || r == '-' })
	if len(parts) > 1 {
		if u, ok := suffixes[parts[len(parts)-1]]; ok {
			return strings.Join(parts[:len(parts)-1], "_"), u
		}
	}
	return strings.Join(parts, "_"), ""
}

// guess says what a column is by its name, its values, and the facility.
func (r *Reader) guess(column string, largest float64, numeric bool) role {
	name, unit := split(column)
	whole := strings.ToLower(strings.TrimSpace(column))
	if slices.Contains(answers, whole) || slices.Contains(answers, name) {
		return role{}
	}
	if name == "device" || name == "device_id" || name == "deviceid" || name == "meter_id" || name == "sn" || name == "imei" {
		return role{is: "device"}
	}
	if name == "channel" {
		return role{is: "channel"}
	}
	if q := r.facilities.Quantity(r.Facility, whole); q != nil {
		return r.quantity(q, "")
	}
	if q := r.facilities.Quantity(r.Facility, name); q != nil {
		return r.quantity(q, unit)
	}
	for _, w := range words[r.Facility] {
		if !strings.Contains(name, w.word) || len(w.word) <= 2 && name != w.word {
			continue
		}
		if w.is == "event" || w.is == "collected" {
			return role{is: w.is}
		}
		if !numeric {
			return role{}
		}
		q := r.facilities.Quantity(r.Facility, w.quantity)
		if unit == "" {
			unit = w.unit
		}
		// A ratio beyond 1 is written in percent.
		if unit == "" && q.Unit == "ratio" && largest > 1.5 {
			unit = "%"
		}
		if q.Name == "bin_tilted" && (unit == "deg" || largest > 1) {
			return role{is: "quantity", name: q.Name, q: q, tilt: true}
		}
		out := r.quantity(q, unit)
		if out.q == nil { // a unit of something else
			return role{}
		}
		out.is = w.is
		return out
	}
	return role{}
}

func (r *Reader) quantity(q *ingest.Quantity, unit string) role {
	conv, err := ingest.NewConversion(unit, q.Unit)
	if err != nil {
		return role{}
	}
	return role{is: "quantity", name: q.Name, unit: unit, conv: conv, q: q}
}

// mapped is the role a --column says. Where it says no unit, the name may, or
// the largest value of the column.
func (r *Reader) mapped(column, to string, largest float64) (role, error) {
	name, unit, _ := strings.Cut(to, ":")
	switch name {
	case "time", "device", "channel", "event", "collected":
		return role{is: name}, nil
	case "ignore", "":
		return role{}, nil
	}
	increment := strings.HasPrefix(name, "+")
	name = strings.TrimPrefix(name, "+")
	q := r.facilities.Quantity(r.Facility, name)
	if q == nil {
		return role{}, fmt.Errorf("column %q: %s has no quantity %q; `greencommunity quantities` lists them", column, r.Facility, name)
	}
	if q.Name == "bin_tilted" && (unit == "deg" || unit == "" && largest > 1) {
		return role{is: "quantity", name: q.Name, q: q, tilt: true}, nil
	}
	if unit == "" {
		if _, u := split(column); u != "" {
			if _, err := ingest.NewConversion(u, q.Unit); err == nil {
				unit = u
			}
		}
	}
	if unit == "" && q.Unit == "ratio" && largest > 1.5 {
		unit = "%"
	}
	conv, err := ingest.NewConversion(unit, q.Unit)
	if err != nil {
		return role{}, fmt.Errorf("column %q: %w", column, err)
	}
	out := role{is: "quantity", name: q.Name, unit: unit, conv: conv, q: q}
	if increment {
		out.is = "increment"
	}
	return out, nil
}

// value is the canonical value, or false where the quantity cannot have it.
func (c *role) value(v float64) (float64, bool) {
	if c.tilt {
		if math.Abs(v) > 45 {
			return 1, true
		}
		return 0, true
	}
	v = c.conv.Apply(v)
	if c.q.Unit == "ratio" && c.q.Max != nil && v > *c.q.Max && v < *c.q.Max*1.2 {
		v = *c.q.Max // a fill level of 103 %
	}
	if c.q.Check(v) != nil {
		return 0, false
	}
	return v, true
}
