package ingest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unit is a scale on a dimension: value in the dimension's base unit =
// value*factor + offset.
type unit struct {
	dimension      string
	factor, offset float64
}

// units lists every unit by its exact spelling. A dimension's base is what has
// factor 1 and offset 0; which base does not matter to anyone outside.
// Spellings follow UCUM and SenML where those have one, plus what vendors write.
var units = map[string]unit{
	"0/1": {"state", 1, 0}, "bool": {"state", 1, 0},
	"1": {"count", 1, 0}, "count": {"count", 1, 0}, "次": {"count", 1, 0}, "人次": {"count", 1, 0},
	"ratio": {"ratio", 1, 0}, "/": {"ratio", 1, 0}, "%": {"ratio", 0.01, 0}, "permille": {"ratio", 0.001, 0}, "/254": {"ratio", 1.0 / 254, 0}, "/255": {"ratio", 1.0 / 255, 0},
	"%RH": {"ratio", 0.01, 0}, "%EL": {"ratio", 0.01, 0},
	"W": {"power", 1, 0}, "mW": {"power", 1e-3, 0}, "kW": {"power", 1e3, 0}, "MW": {"power", 1e6, 0},
	"VA": {"apparent power", 1, 0}, "kVA": {"apparent power", 1e3, 0},
	"var": {"reactive power", 1, 0}, "kvar": {"reactive power", 1e3, 0}, "kVAr": {"reactive power", 1e3, 0},
	"V": {"voltage", 1, 0}, "mV": {"voltage", 1e-3, 0}, "kV": {"voltage", 1e3, 0},
	"A": {"current", 1, 0}, "mA": {"current", 1e-3, 0}, "kA": {"current", 1e3, 0},
	"Hz": {"frequency", 1, 0}, "mHz": {"frequency", 1e-3, 0}, "kHz": {"frequency", 1e3, 0},
	"J": {"energy", 1, 0}, "kJ": {"energy", 1e3, 0}, "MJ": {"energy", 1e6, 0}, "GJ": {"energy", 1e9, 0},
	"Wh": {"energy", 3600, 0}, "kWh": {"energy", 3.6e6, 0}, "MWh": {"energy", 3.6e9, 0}, "度": {"energy", 3.6e6, 0},
	"m3": {"volume", 1, 0}, "m³": {"volume", 1, 0}, "L": {"volume", 1e-3, 0}, "l": {"volume", 1e-3, 0}, "dm3": {"volume", 1e-3, 0}, "mL": {"volume", 1e-6, 0}, "ml": {"volume", 1e-6, 0}, "hL": {"volume", 0.1, 0},
	"gal": {"volume", 3.785411784e-3, 0}, "ft3": {"volume", 0.028316846592, 0}, "吨": {"volume", 1, 0},
	"m3/s": {"flow", 1, 0}, "m3/h": {"flow", 1.0 / 3600, 0}, "m³/h": {"flow", 1.0 / 3600, 0}, "m3/d": {"flow", 1.0 / 86400, 0}, "m3/min": {"flow", 1.0 / 60, 0},
	"L/s": {"flow", 1e-3, 0}, "l/s": {"flow", 1e-3, 0}, "L/min": {"flow", 1e-3 / 60, 0}, "l/min": {"flow", 1e-3 / 60, 0}, "L/h": {"flow", 1e-3 / 3600, 0}, "l/h": {"flow", 1e-3 / 3600, 0}, "mL/h": {"flow", 1e-6 / 3600, 0}, "gal/min": {"flow", 3.785411784e-3 / 60, 0}, "gal/h": {"flow", 3.785411784e-3 / 3600, 0},
	"Pa": {"pressure", 1, 0}, "hPa": {"pressure", 100, 0}, "kPa": {"pressure", 1e3, 0}, "MPa": {"pressure", 1e6, 0}, "bar": {"pressure", 1e5, 0}, "mbar": {"pressure", 100, 0}, "psi": {"pressure", 6894.757293168, 0}, "mH2O": {"pressure", 9806.65, 0},
	"m": {"length", 1, 0}, "km": {"length", 1e3, 0}, "dm": {"length", 0.1, 0}, "cm": {"length", 0.01, 0}, "mm": {"length", 1e-3, 0}, "in": {"length", 0.0254, 0}, "ft": {"length", 0.3048, 0},
	"kg": {"mass", 1, 0}, "g": {"mass", 1e-3, 0}, "mg": {"mass", 1e-6, 0}, "t": {"mass", 1e3, 0}, "lb": {"mass", 0.45359237, 0}, "斤": {"mass", 0.5, 0},
	"Cel": {"temperature", 1, 0}, "C": {"temperature", 1, 0}, "°C": {"temperature", 1, 0}, "℃": {"temperature", 1, 0},
	"degF": {"temperature", 5.0 / 9, -160.0 / 9}, "F": {"temperature", 5.0 / 9, -160.0 / 9}, "°F": {"temperature", 5.0 / 9, -160.0 / 9}, "K": {"temperature", 1, -273.15},
	"s": {"time", 1, 0}, "ms": {"time", 1e-3, 0}, "us": {"time", 1e-6, 0}, "ns": {"time", 1e-9, 0}, "min": {"time", 60, 0}, "h": {"time", 3600, 0}, "d": {"time", 86400, 0},
	"lx": {"illuminance", 1, 0}, "klx": {"illuminance", 1e3, 0},
	"dB": {"sound level", 1, 0}, "dBA": {"sound level", 1, 0}, "dB(A)": {"sound level", 1, 0}, "dBm": {"signal", 1, 0}, "dB/m": {"obscuration", 1, 0},
	"ug/m3": {"concentration", 1, 0}, "µg/m3": {"concentration", 1, 0}, "mg/m3": {"concentration", 1e3, 0}, "ppm": {"fraction", 1, 0}, "ppb": {"fraction", 1e-3, 0},
	"m/s": {"speed", 1, 0}, "km/h": {"speed", 1 / 3.6, 0}, "deg": {"angle", 1, 0}, "rad": {"angle", 57.29577951308232, 0},
}

// KnownUnit reports whether Convert knows the unit.
func KnownUnit(name string) bool { _, ok := units[name]; return ok }

// UnitNames lists all units, grouped by dimension: "flow: L/h L/min ...".
func UnitNames() []string {
	by := map[string][]string{}
	for name, u := range units {
		by[u.dimension] = append(by[u.dimension], name)
	}
	var lines []string
	for _, d := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[d])
		lines = append(lines, d+": "+strings.Join(by[d], " "))
	}
	return lines
}

// Conversion is a linear map between two units of one dimension. The zero
// value is not one; Identity is.
type Conversion struct{ mul, div, add float64 }

// Identity leaves values as they are.
var Identity = Conversion{1, 1, 0}

// Apply converts a value.
func (c Conversion) Apply(v float64) float64 { return v*c.mul/c.div + c.add }

// NewConversion returns the conversion from one unit to another.
func NewConversion(from, to string) (Conversion, error) {
	if from == to || from == "" {
		return Identity, nil
	}
	f, ok := units[from]
	if !ok {
		return Conversion{}, fmt.Errorf("unit %q is unknown", from)
	}
	t, ok := units[to]
	if !ok {
		return Conversion{}, fmt.Errorf("unit %q is unknown", to)
	}
	if f.dimension != t.dimension {
		return Conversion{}, fmt.Errorf("%s is a unit of %s, %s of %s", from, f.dimension, to, t.dimension)
	}
	// Multiply by the larger whole factor or divide by it: 1601 mm is 1.601 m,
	// not 1.6010000000000002.
	c := Conversion{mul: f.factor / t.factor, div: 1, add: (f.offset - t.offset) / t.factor}
	if inverse := t.factor / f.factor; inverse > 1 && nearWhole(inverse) {
		c.mul, c.div = 1, round(inverse)
	} else if nearWhole(c.mul) {
		c.mul = round(c.mul)
	}
	return c, nil
}

func nearWhole(x float64) bool { d := x - round(x); return d < 1e-9*x && d > -1e-9*x }

func round(x float64) float64 { return float64(int64(x + 0.5)) }
