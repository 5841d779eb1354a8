package ingest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
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
	"VA": {"apparent power", 1, 0}, "kVA": {"apparent power", 1e3, 0}, "MVA": {"apparent power", 1e6, 0},
	"var": {"reactive power", 1, 0}, "kvar": {"reactive power", 1e3, 0}, "Mvar": {"reactive power", 1e6, 0}, "kVAr": {"reactive power", 1e3, 0},
	"V": {"voltage", 1, 0}, "mV": {"voltage", 1e-3, 0}, "kV": {"voltage", 1e3, 0},
	"A": {"current", 1, 0}, "mA": {"current", 1e-3, 0}, "kA": {"current", 1e3, 0},
	"Hz": {"frequency", 1, 0}, "mHz": {"frequency", 1e-3, 0}, "kHz": {"frequency", 1e3, 0},
	"J": {"energy", 1, 0}, "kJ": {"energy", 1e3, 0}, "MJ": {"energy", 1e6, 0}, "GJ": {"energy", 1e9, 0},
	"Wh": {"energy", 3600, 0}, "kWh": {"energy", 3.6e6, 0}, "mWh": {"energy", 3.6, 0}, "GWh": {"energy", 3.6e12, 0}, "MWh": {"energy", 3.6e9, 0}, "度": {"energy", 3.6e6, 0},
	"m3": {"volume", 1, 0}, "m³": {"volume", 1, 0}, "L": {"volume", 1e-3, 0}, "l": {"volume", 1e-3, 0}, "dm3": {"volume", 1e-3, 0}, "mL": {"volume", 1e-6, 0}, "ml": {"volume", 1e-6, 0}, "hL": {"volume", 0.1, 0}, "ML": {"volume", 1e3, 0},
	"gal": {"volume", 3.785411784e-3, 0}, "ft3": {"volume", 0.028316846592, 0}, "吨": {"volume", 1, 0},
	"m3/s": {"flow", 1, 0}, "m3/h": {"flow", 1.0 / 3600, 0}, "m³/h": {"flow", 1.0 / 3600, 0}, "m3/d": {"flow", 1.0 / 86400, 0}, "m3/min": {"flow", 1.0 / 60, 0},
	"L/s": {"flow", 1e-3, 0}, "l/s": {"flow", 1e-3, 0}, "L/min": {"flow", 1e-3 / 60, 0}, "l/min": {"flow", 1e-3 / 60, 0}, "L/h": {"flow", 1e-3 / 3600, 0}, "l/h": {"flow", 1e-3 / 3600, 0}, "mL/h": {"flow", 1e-6 / 3600, 0}, "mL/s": {"flow", 1e-6, 0}, "L/d": {"flow", 1e-3 / 86400, 0}, "gal/min": {"flow", 3.785411784e-3 / 60, 0}, "gal/h": {"flow", 3.785411784e-3 / 3600, 0},
	"Pa": {"pressure", 1, 0}, "hPa": {"pressure", 100, 0}, "kPa": {"pressure", 1e3, 0}, "MPa": {"pressure", 1e6, 0}, "bar": {"pressure", 1e5, 0}, "mbar": {"pressure", 100, 0}, "psi": {"pressure", 6894.757293168, 0}, "mH2O": {"pressure", 9806.65, 0}, "mmHg": {"pressure", 133.322387415, 0}, "inHg": {"pressure", 3386.389, 0}, "atm": {"pressure", 101325, 0}, "kgf/cm2": {"pressure", 98066.5, 0},
	"m": {"length", 1, 0}, "km": {"length", 1e3, 0}, "dm": {"length", 0.1, 0}, "cm": {"length", 0.01, 0}, "mm": {"length", 1e-3, 0}, "in": {"length", 0.0254, 0}, "ft": {"length", 0.3048, 0},
	"kg": {"mass", 1, 0}, "g": {"mass", 1e-3, 0}, "mg": {"mass", 1e-6, 0}, "t": {"mass", 1e3, 0}, "lb": {"mass", 0.45359237, 0}, "斤": {"mass", 0.5, 0},
	"Cel": {"temperature", 1, 0}, "C": {"temperature", 1, 0}, "°C": {"temperature", 1, 0}, "℃": {"temperature", 1, 0},
	"degF": {"temperature", 5.0 / 9, -160.0 / 9}, "F": {"temperature", 5.0 / 9, -160.0 / 9}, "°F": {"temperature", 5.0 / 9, -160.0 / 9}, "K": {"temperature", 1, -273.15},
	"s": {"time", 1, 0}, "ms": {"time", 1e-3, 0}, "us": {"time", 1e-6, 0}, "ns": {"time", 1e-9, 0}, "min": {"time", 60, 0}, "h": {"time", 3600, 0}, "d": {"time", 86400, 0},
	"lx": {"illuminance", 1, 0}, "klx": {"illuminance", 1e3, 0},
	"dB": {"sound level", 1, 0}, "dBA": {"sound level", 1, 0}, "dB(A)": {"sound level", 1, 0}, "dBm": {"signal", 1, 0}, "dB/m": {"obscuration", 1, 0},
	"ug/m3": {"concentration", 1, 0}, "mg/m3": {"concentration", 1e3, 0}, "ppm": {"fraction", 1, 0}, "ppb": {"fraction", 1e-3, 0},
	"m/s": {"speed", 1, 0}, "km/h": {"speed", 1 / 3.6, 0}, "deg": {"angle", 1, 0}, "rad": {"angle", 57.29577951308232, 0},
}

// KnownUnit reports whether NewConversion knows the unit, of some dimension.
func KnownUnit(name string) bool {
	_, ok := units[name]
	return ok || len(spellings[foldUnit(name)]) > 0
}

// words hold what else people write for units: in Chinese, in English, and short
// forms that firmware prints. One may stand for units of several dimensions: a
// ton of water is a m3, one of waste a mass.
var words = map[string]string{
	"瓦": "W", "千瓦": "kW", "兆瓦": "MW", "伏": "V", "伏特": "V", "安": "A", "安培": "A", "毫安": "mA", "毫伏": "mV", "赫兹": "Hz", "赫": "Hz",
	"瓦时": "Wh", "千瓦时": "kWh", "千瓦·时": "kWh", "兆瓦时": "MWh", "焦": "J", "焦耳": "J", "千焦": "kJ", "千乏": "kvar", "乏": "var", "千伏安": "kVA", "伏安": "VA",
	"立方米": "m3", "立方": "m3", "方": "m3", "升": "L", "毫升": "mL", "立方米/小时": "m3/h", "立方米/时": "m3/h", "立方米每小时": "m3/h", "方/小时": "m3/h", "升/小时": "L/h", "升/分": "L/min", "升/分钟": "L/min", "升/秒": "L/s",
	"帕": "Pa", "千帕": "kPa", "兆帕": "MPa", "巴": "bar", "百帕": "hPa", "米": "m", "厘米": "cm", "毫米": "mm", "分米": "dm", "千米": "km", "公里": "km",
	"公斤": "kg", "千克": "kg", "克": "g", "毫克": "mg", "市斤": "斤", "摄氏度": "Cel", "度": "Cel", "华氏度": "degF", "开尔文": "K",
	"秒": "s", "毫秒": "ms", "分": "min", "分钟": "min", "小时": "h", "时": "h", "天": "d", "日": "d", "勒克斯": "lx", "流明/平方米": "lx", "分贝": "dB", "百分比": "%", "百分之": "%", "个": "1", "人": "1",
	"lux": "lx", "klux": "klx", "watt": "W", "watts": "W", "kilowatt": "kW", "kilowatts": "kW", "volt": "V", "volts": "V", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A", "hertz": "Hz",
	"kwhr": "kWh", "kilowatthour": "kWh", "kilowatthours": "kWh", "watthour": "Wh", "watthours": "Wh", "joule": "J", "joules": "J", "kva": "kVA",
	"liter": "L", "liters": "L", "litre": "L", "litres": "L", "ltr": "L", "cbm": "m3", "cum": "m3", "cubicmeter": "m3", "cubicmeters": "m3", "cubicmetre": "m3", "cubicmetres": "m3", "gallon": "gal", "gallons": "gal",
	"m3/hr": "m3/h", "m3/hour": "m3/h", "cbm/h": "m3/h", "m3h": "m3/h", "m3ph": "m3/h", "cmh": "m3/h", "lpm": "L/min", "lph": "L/h", "l/hr": "L/h", "lps": "L/s", "gpm": "gal/min", "gph": "gal/h", "m3/day": "m3/d",
	"meter": "m", "meters": "m", "metre": "m", "metres": "m", "millimeter": "mm", "centimeter": "cm", "inch": "in", "inches": "in", "feet": "ft", "foot": "ft",
	"kgs": "kg", "kilogram": "kg", "kilograms": "kg", "gram": "g", "grams": "g", "tonne": "t", "tonnes": "t", "ton": "t", "lbs": "lb",
	"celsius": "Cel", "degc": "Cel", "degreec": "Cel", "degreesc": "Cel", "degreecelsius": "Cel", "degreescelsius": "Cel", "cel": "Cel", "fahrenheit": "degF", "kelvin": "K",
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "mins": "min", "minute": "min", "minutes": "min", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d", "millisecond": "ms", "milliseconds": "ms",
	"percent": "%", "pct": "%", "percentage": "%", "rh": "%RH", "decibel": "dB", "decibels": "dB", "kgf/cm2": "kgf/cm2", "kg/cm2": "kgf/cm2", "kph": "km/h", "kmh": "km/h",
	"pieces": "1", "pcs": "1", "counts": "count", "pulses": "1", "pulse": "1",
}

// tons are the words that stand for a unit of another dimension than the one in units.
var tons = map[string]string{"吨": "t", "度": "Cel"}

// foldUnit is a spelling without what people add to and vary in one: capitals,
// full-width forms, spaces, points, powers written ^3 or ³.
func foldUnit(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 0xff01 && r <= 0xff5e { // full-width
			r -= 0xfee0
		}
		switch r {
		case ' ', '\t', 0x3000, 0xa0, '.', '·', '⋅', '•', '*', '^', '_', '-', '(', ')', '[', ']':
			continue
		case '³':
			r = '3'
		case '²':
			r = '2'
		case 'µ', 'μ':
			r = 'u'
		case '㎡':
			b.WriteString("m2")
			continue
		case '㎥':
			b.WriteString("m3")
			continue
		case '℃':
			b.WriteString("°c")
			continue
		case '％', '﹪':
			r = '%'
		case '㎏':
			b.WriteString("kg")
			continue
		case '㎜':
			b.WriteString("mm")
			continue
		case '㎝':
			b.WriteString("cm")
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// spellings are the units a folded spelling may stand for.
var spellings = func() map[string][]string {
	all := map[string][]string{}
	add := func(word, name string) {
		folded := foldUnit(word)
		if !slices.Contains(all[folded], name) {
			all[folded] = append(all[folded], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		add(name, name)
	}
	for word, name := range words {
		add(word, name)
	}
	for word, name := range tons {
		add(word, name)
	}
	return all
}()

// unitOf finds a unit of a dimension, that of to, by how people write it: exactly; else the
// only one of the dimension when capitals and points do not count. Where milli
// and mega remain, the first letter decides if the others are written
// otherwise: MWH is mega, mwh may be either.
func unitOf(name, dimension, to string) (unit, error) {
	if u, ok := units[name]; ok && u.dimension == dimension {
		return u, nil
	}
	folded := foldUnit(name)
	var found []string
	for _, candidate := range spellings[folded] {
		u := units[candidate]
		same := func(other string) bool { return units[other].factor == u.factor && units[other].offset == u.offset }
		if u.dimension == dimension && !slices.ContainsFunc(found, same) {
			found = append(found, candidate)
		}
	}
	switch {
	case len(found) == 1:
		return units[found[0]], nil
	case len(found) > 1 && strings.ToLower(name) != name:
		for _, candidate := range found {
			if candidate[0] == name[0] {
				return units[candidate], nil
			}
		}
	}
	if len(found) > 1 {
		return unit{}, fmt.Errorf("unit %q may be %s; write it as one of them", name, strings.Join(found, " or "))
	}
	if u, ok := units[name]; ok {
		return unit{}, fmt.Errorf("%s is a unit of %s, %s of %s", name, u.dimension, to, dimension)
	}
	if others := spellings[folded]; len(others) > 0 {
		return unit{}, fmt.Errorf("%s is a unit of %s, %s of %s", name, units[others[0]].dimension, to, dimension)
	}
	return unit{}, fmt.Errorf("unit %q is unknown", name)
}

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
	t, ok := units[to]
	if !ok {
		return Conversion{}, fmt.Errorf("unit %q is unknown", to)
	}
	f, err := unitOf(from, t.dimension, to)
	if err != nil {
		return Conversion{}, err
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
