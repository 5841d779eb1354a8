package format

import "strings"

// Field is the meaning of one field of a vendor's payload.
type Field struct {
	Quantity string `yaml:"quantity"` // canonical quantity; or Event
	Unit     string `yaml:"unit"`     // the unit the vendor sends; default: the payload's, else the quantity's
	// Scale and Add are applied before the unit: value*scale + add. Scale 0 means 1.
	Scale   float64 `yaml:"scale"`
	Add     float64 `yaml:"add"`
	Channel string  `yaml:"channel"` // constant channel
	// Values maps what the vendor sends to numbers: {ON: 1, "OFF": 0}.
	Values map[string]float64 `yaml:"values"`
	// Invalid lists values that are no values: 255, -1, 127.
	Invalid []float64 `yaml:"invalid"`
	// Event makes the field an event of this type; it is active when the value
	// is one of When (default: true, 1, on, yes, alarm); ">0" is any number above,
	// "&4" any with that bit. A value that is not
	// ends it, where Clears is set, and is no event otherwise.
	Event  string   `yaml:"event"`
	When   []string `yaml:"when"`
	Clears bool     `yaml:"clears"`
	// Words says that only text tells the event: a number under that name is another thing.
	Words  bool `yaml:"words"`
	Ignore bool `yaml:"ignore"` // known, and not wanted
	// Time makes the field the time of everything else the message says of the
	// device, before any other time in it.
	Time bool `yaml:"time"`
	// Builtin says that the program knows the field, not the inventory: a unit the
	// payload gives goes before Unit, and an event takes no word it does not know.
	Builtin bool `yaml:"-"`
}

// Mapping reads a vendor's private JSON. Paths are dotted member names with
// [n] for one element, [*] for each, and * for each member: "data.items[*].sn".
// "@key" is the name of the member a * stands for. A path goes on into a text that
// is JSON itself.
type Mapping struct {
	// Records is the path of the objects that are one reading each. Default:
	// the payload, or each element of it where it is an array.
	Records string `yaml:"records"`
	// Device, Community, Facility and Channel are paths within a record ("sn"),
	// or from the payload's top where they start with "$." ("$.gateway").
	Device    string `yaml:"device"`
	Community string `yaml:"community"`
	Compound  string `yaml:"compound"`
	Facility  string `yaml:"facility"`
	Channel   string `yaml:"channel"`
	// Time lists where the time may be; the first that yields one is taken.
	Time []*TimeRule `yaml:"time"`
	// Values is the path to the object whose members are the fields. Default: the record.
	Values string `yaml:"values"`
	// Name and Value are paths of a record that is one field: {"key":"T","val":21}.
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
	// Unit is the path of the unit of a record that is one field.
	Unit string `yaml:"unit"`
	// Valid sets where a record says whether its value is good.
	Valid *ValidRule `yaml:"valid"`
}

// ValidRule says where a record marks its value as good, and the marks that do: a value
// with another is refused. Where a record has no mark its value is good.
type ValidRule struct {
	Path   string `yaml:"path"`
	Values []any  `yaml:"values"` // true, 192, Good; default: true, 192 to 255, and what begins with good
}

// Paths is one path, or a list of them whose texts belong together.
type Paths []string

// UnmarshalYAML takes a path or a list of paths.
func (p *Paths) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if unmarshal(&one) == nil {
		*p = Paths{one}
		return nil
	}
	var several []string
	if err := unmarshal(&several); err != nil {
		return err
	}
	*p = several
	return nil
}

func (p Paths) String() string { return strings.Join(p, " + ") }

// TimeRule says where a time is and how it is written.
type TimeRule struct {
	// Path may be a list of a date and a time of day, or of year, month, day, hour,
	// minute and second. A rule that finds a day only is completed by the next one that
	// finds a time of day.
	Path   Paths  `yaml:"path"`
	Unit   string `yaml:"unit"`   // auto (by magnitude, default), s, ms, us, ns
	Layout string `yaml:"layout"` // Go's reference time layout; default: RFC 3339 and common forms
	// Source is device (default) or gateway: whose clock it is.
	Source string `yaml:"source"`
}
