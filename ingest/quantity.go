package ingest

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
)

// QuantityKind says how values of a quantity behave over time.
type QuantityKind string

const (
	State    QuantityKind = "state"    // 0 or 1
	Gauge    QuantityKind = "gauge"    // may be anything at any time
	Register QuantityKind = "register" // grows; may wrap, be reset or swapped
	Delta    QuantityKind = "delta"    // amount since the reading before
)

// Text is a name or a sentence for people, in both languages of the service.
type Text struct {
	ZH string `yaml:"zh" json:"zh"`
	EN string `yaml:"en" json:"en"`
}

// Quantity names what a reading is of: a field of InfluxDB, in one unit.
type Quantity struct {
	Name string       `yaml:"-"`
	Unit string       `yaml:"unit"`
	Kind QuantityKind `yaml:"kind"`
	// Min and Max bound what the quantity can be at all; nil is unbounded.
	Min   *float64 `yaml:"min"`
	Max   *float64 `yaml:"max"`
	Label Text     `yaml:"name"`

	// Index counts the quantities of one Facilities table from 0, so that
	// state can be kept in small keys. It is not stable across tables: what is
	// persisted is the name.
	Index uint16 `yaml:"-"`
}

// Check refuses a value the quantity cannot have.
func (q *Quantity) Check(v float64) *Refusal {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return Refuse(BadValue, "%s: not a finite number", q.Name)
	case q.Kind == State && v != 0 && v != 1:
		return Refuse(BadValue, "%s: %g is neither 0 nor 1", q.Name, v)
	case q.Min != nil && v < *q.Min:
		return Refuse(OutOfRange, "%s: %g %s is below %g", q.Name, v, q.Unit, *q.Min)
	case q.Max != nil && v > *q.Max:
		return Refuse(OutOfRange, "%s: %g %s is above %g", q.Name, v, q.Unit, *q.Max)
	}
	return nil
}

// Facility is a kind of facility and what it reports.
type Facility struct {
	Kind       FacilityKind         `yaml:"-"`
	Label      Text                 `yaml:"name"`
	Quantities map[string]*Quantity `yaml:"quantities"`
}

// Facilities is the table of kinds of facility. It is immutable once built.
type Facilities struct {
	kinds map[FacilityKind]*Facility
	names []*Quantity // by Index
}

// shared is the entry of facilities.yaml whose quantities belong to every kind.
const shared FacilityKind = "all"

//go:embed facilities.yaml
var builtinFacilities []byte

// BuiltinFacilities returns the kinds that ship with the program.
func BuiltinFacilities() *Facilities { return builtin() }

var builtin = sync.OnceValue(func() *Facilities {
	f, err := newFacilities(nil)
	if err != nil {
		panic(fmt.Sprintf("facilities.yaml: %v", err)) // a defect of the build
	}
	return f
})

// NewFacilities returns the built-in kinds with more added: new kinds, or
// further quantities of a kind. A quantity that exists already cannot be
// redefined. All problems are reported together.
func NewFacilities(more map[FacilityKind]*Facility) (*Facilities, error) {
	if len(more) == 0 {
		return builtin(), nil // reading the text takes ten times what the rest of a small inventory does
	}
	return newFacilities(more)
}

func newFacilities(more map[FacilityKind]*Facility) (*Facilities, error) {
	t := &Facilities{}
	if err := yaml.UnmarshalWithOptions(builtinFacilities, &t.kinds, yaml.Strict()); err != nil {
		return nil, err
	}
	var problems []error
	for kind, f := range more {
		path := fmt.Sprintf("facilities.%s", kind)
		if !ValidName(string(kind)) {
			problems = append(problems, fmt.Errorf("%s: a kind is lower-case letters, digits and _, starting with a letter", path))
		}
		if f == nil || len(f.Quantities) == 0 {
			problems = append(problems, fmt.Errorf("%s: has no quantities; add at least one", path))
			continue
		}
		have, ok := t.kinds[kind]
		if !ok {
			have = &Facility{Label: f.Label, Quantities: map[string]*Quantity{}}
			t.kinds[kind] = have
		}
		for name, q := range f.Quantities {
			path := fmt.Sprintf("%s.quantities.%s", path, name)
			if q == nil {
				problems = append(problems, fmt.Errorf("%s: empty; give unit and kind", path))
				continue
			}
			if _, ok := have.Quantities[name]; ok {
				problems = append(problems, fmt.Errorf("%s: exists already and cannot be redefined; use another name", path))
				continue
			}
			if _, ok := t.kinds[shared].Quantities[name]; ok {
				problems = append(problems, fmt.Errorf("%s: every kind has it already; leave it out", path))
				continue
			}
			if !ValidName(name) {
				problems = append(problems, fmt.Errorf("%s: a quantity is lower-case letters, digits and _, starting with a letter", path))
			}
			if name == "time" || name == "channel" || name == "event" || name == "device" || name == "active" || name == "code" {
				problems = append(problems, fmt.Errorf("%s: the name is taken by the native format; use another", path))
			}
			if !slices.Contains([]QuantityKind{State, Gauge, Register, Delta}, q.Kind) {
				problems = append(problems, fmt.Errorf("%s.kind: %q is none of state, gauge, register, delta", path, q.Kind))
			}
			if !KnownUnit(q.Unit) {
				problems = append(problems, fmt.Errorf("%s.unit: %q is unknown; `greencommunity quantities --units` lists them", path, q.Unit))
			}
			if q.Min != nil && q.Max != nil && *q.Min > *q.Max {
				problems = append(problems, fmt.Errorf("%s: min %g is above max %g", path, *q.Min, *q.Max))
			}
			have.Quantities[name] = q
		}
	}
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(problems...)
	}
	for _, kind := range t.Kinds() {
		f := t.kinds[kind]
		f.Kind = kind
		for name, q := range t.kinds[shared].Quantities {
			if _, ok := f.Quantities[name]; !ok {
				f.Quantities[name] = q
			}
		}
	}
	for _, f := range t.kinds {
		for name, q := range f.Quantities {
			q.Name = name
		}
	}
	// One index a name, whatever the kind: a device has one kind.
	index := map[string]uint16{}
	for _, kind := range t.Kinds() {
		for _, q := range t.kinds[kind].Sorted() {
			i, ok := index[q.Name]
			if !ok {
				i = uint16(len(t.names))
				index[q.Name] = i
				t.names = append(t.names, q)
			}
			q.Index = i
		}
	}
	return t, nil
}

// Kinds lists the kinds in alphabetical order.
func (t *Facilities) Kinds() []FacilityKind {
	var kinds []FacilityKind
	for k := range t.kinds {
		if k != shared {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// Kind returns a kind of facility, or nil.
func (t *Facilities) Kind(k FacilityKind) *Facility {
	if k == shared {
		return nil
	}
	return t.kinds[k]
}

// Quantity returns what a kind calls name, or nil.
func (t *Facilities) Quantity(k FacilityKind, name string) *Quantity {
	if f := t.Kind(k); f != nil {
		return f.Quantities[name]
	}
	return nil
}

// Indexes returns how many distinct Index values the table's quantities have.
func (t *Facilities) Indexes() int { return len(t.names) }

// Sorted lists the kind's quantities by name.
func (f *Facility) Sorted() []*Quantity {
	qs := make([]*Quantity, 0, len(f.Quantities))
	for _, q := range f.Quantities {
		qs = append(qs, q)
	}
	slices.SortFunc(qs, func(a, b *Quantity) int { return strings.Compare(a.Name, b.Name) })
	return qs
}

// ValidName reports whether s can name a kind of facility or a quantity: a
// metric, a measurement and a field all accept it unquoted.
func ValidName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
