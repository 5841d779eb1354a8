package decode

import (
	_ "embed"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest/document"
	"greencommunity/ingest/format"
)

// profiles holds what the fields of a format, or of a known device, mean where
// the inventory says nothing else. It is immutable.
type profiles struct {
	fields  map[string]map[string]*format.Field // by format
	devices []deviceProfile
	// Of decoders' results, by folded names: those of the schema of The Things
	// Network, and what else decoders have in common.
	schema, common map[string]*format.Field
	measured       map[string]*format.Field // where the payload gives the unit
	having         map[string][]int         // devices, by the first member of Has
}

// deviceProfile is a known product.
type deviceProfile struct {
	Names   []string `yaml:"names"`   // parts of the names device profiles have, in lower case; =name is all of one
	Payload string   `yaml:"payload"` // what reads its application payload
	// Distinct says that nobody else has fields of these names: they mean the
	// same where no device profile is known.
	Distinct bool `yaml:"distinct"`
	// Has are members that an object of its decoder has, where neither device
	// profile nor object name the product.
	Has    []string                 `yaml:"has"`
	has    [][]string               // their paths
	Fields map[string]*format.Field `yaml:"fields"` // of what its vendor's decoder returns
}

//go:embed profiles.yaml
var profilesYAML []byte

//go:embed vocabulary.yaml
var vocabularyYAML []byte

//go:embed products.yaml
var productsYAML []byte

var builtinProfiles = func() *profiles {
	p := &profiles{fields: map[string]map[string]*format.Field{}}
	var problems document.Problems
	var file struct {
		Formats map[string]map[string]*format.Field `yaml:"formats"`
		Devices []deviceProfile                     `yaml:"devices"`
	}
	if !document.Decode(profilesYAML, &file, &problems) {
		panic(fmt.Sprintf("profiles.yaml: %v", problems.Err())) // a defect of the build
	}
	p.fields, p.devices = file.Formats, file.Devices
	var products struct {
		Devices []deviceProfile `yaml:"devices"`
	}
	var words struct {
		Schema   map[string]*format.Field `yaml:"schema"`
		Common   map[string]*format.Field `yaml:"common"`
		Measured map[string]*format.Field `yaml:"measured"`
	}
	if !document.Decode(productsYAML, &products, &problems) || !document.Decode(vocabularyYAML, &words, &problems) {
		panic(fmt.Sprintf("products.yaml, vocabulary.yaml: %v", problems.Err())) // a defect of the build
	}
	p.devices = append(p.devices, products.Devices...)
	p.schema, p.common, p.measured = folded(words.Schema), folded(words.Common), folded(words.Measured)
	p.having = map[string][]int{}
	for i := range p.devices {
		d := &p.devices[i]
		for _, f := range d.Fields {
			f.Builtin = true
		}
		for _, path := range d.Has {
			d.has = append(d.has, strings.Split(path, "."))
		}
		if len(d.has) > 0 {
			p.having[d.has[0][0]] = append(p.having[d.has[0][0]], i)
		}
	}
	return p
}()

// folded are fields by their folded names. A name may stand for several, parted by spaces.
func folded(fields map[string]*format.Field) map[string]*format.Field {
	all := map[string]*format.Field{}
	for names, f := range fields {
		f.Builtin = true
		for _, name := range strings.Fields(names) {
			all[foldPath(name)] = f
		}
	}
	return all
}

// foldPath is a folded path without points: air.temperature, airTemperature and
// air_temperature are one.
func foldPath(path string) string {
	return strings.ReplaceAll(format.Fold(path), ".", "")
}

// around hold what decoders put their whole result in.
var around = []string{"decoded.", "data.", "bytes.", "payload.", "measurements.", "measurement.", "sensor.", "object.", "meter.", "reading.", "readings."}

// decoded is the meaning of a field of a decoder's result, by what decoders have
// in common.
func (p *profiles) decoded(name string, normalized, measured bool) *format.Field {
	for _, prefix := range around {
		name = strings.TrimPrefix(name, prefix)
	}
	path := name
	name = foldPath(name)
	if normalized {
		if f := p.schema[name]; f != nil {
			return f
		}
	}
	if f := p.common[name]; f != nil {
		return f
	}
	if measured {
		if f := p.measured[name]; f != nil {
			return f
		}
	}
	if strings.Contains(name, "water") || strings.Contains(name, "meteringenergy") || strings.HasPrefix(name, "air") || strings.HasPrefix(name, "action") || strings.HasPrefix(name, "tank") || strings.HasPrefix(path, "power.") {
		return p.schema[name] // no other names these so
	}
	return nil
}

// product names the known product whose decoder made an object: by a member that
// names it, or by the members it has. It is "" where the device profile is known.
func (w *Worker) product(profile string, object *fastjson.Value) string {
	if w.knows(profile) {
		return ""
	}
	p, byName, found := w.builtin, "", len(w.builtin.devices)
	best := len(naming)
	object.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		if v.Type() == fastjson.TypeString && len(key) <= len("genericModel") {
			if rank := slices.Index(naming, string(key)); rank >= 0 && rank < best {
				if text := v.GetStringBytes(); len(text) <= 128 && w.knows(string(text)) {
					best, byName = rank, string(text)
				}
			}
		}
		for _, i := range p.having[string(key)] {
			if i < found && !slices.ContainsFunc(p.devices[i].has, func(path []string) bool { return object.Get(path...) == nil }) {
				found = i
			}
		}
	})
	if byName != "" {
		return byName
	}
	if found < len(p.devices) {
		return strings.TrimPrefix(p.devices[found].Names[0], "=")
	}
	return ""
}

// naming are the members of decoders' results that name the product.
var naming = []string{"Device", "device", "model", "Model", "deviceModel", "genericModel", "Node_type", "header"}

// knows reports whether a device profile's name is one of a known product. It
// remembers, since a source has few.
func (w *Worker) knows(profile string) bool {
	if profile == "" {
		return false
	}
	known, asked := w.profiles[profile]
	if !asked {
		for range w.builtin.known(profile) {
			known = true
			break
		}
		if len(w.profiles) >= maxLists { // they come from payloads
			clear(w.profiles)
		}
		w.profiles[strings.Clone(profile)] = known
	}
	return known
}

func (p *profiles) field(source, profile string, s *format.Sample) *format.Field {
	name := s.Field
	if f := p.named(source, profile, s.Product, name); f != nil || !s.Decoded {
		return f
	}
	return p.decoded(name, s.Normalized, s.Unit != "")
}

// named is the meaning of a field by the format, or by a product.
func (p *profiles) named(source, profile, product, name string) *format.Field {
	if f := p.fields[source][name]; f != nil {
		return f
	}
	if _, rest, ok := strings.Cut(name, "."); ok { // of any section: "*.Temperature"
		if f := p.fields[source]["*."+rest]; f != nil {
			return f
		}
	}
	for _, named := range []string{profile, product} {
		if named == "" {
			continue
		}
		for d := range p.known(named) {
			if f := d.field(name); f != nil {
				return f
			}
		}
	}
	if format.Formats[source].Products {
		for i := range p.devices {
			if d := &p.devices[i]; d.Distinct {
				if f := d.field(name); f != nil {
					return f
				}
			}
		}
	}
	return nil
}

// field is the meaning of a field; [*] in its name stands for every element.
func (d *deviceProfile) field(name string) *format.Field {
	if f := d.Fields[name]; f != nil {
		return f
	}
	if before, after, ok := strings.Cut(name, "["); ok {
		_, rest, _ := strings.Cut(after, "]")
		if f := d.Fields[before+"[*]"+rest]; f != nil {
			return f
		}
	}
	for _, prefix := range around {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return d.Fields[rest]
		}
	}
	// A list in a list: the last index may count, as the newest of values.
	if i := strings.LastIndexByte(name, '['); i > strings.IndexByte(name, '[') {
		return d.Fields[anyElement(name[:i])+name[i:]]
	}
	return nil
}

// anyElement is a path with [*] for each index.
func anyElement(path string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(path, "[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, path, _ = strings.Cut(after, "]")
		b.WriteString("[*]")
	}
}

// payload names what reads the application payload of a device profile.
func (p *profiles) payload(profile string) string {
	for d := range p.known(profile) {
		if d.Payload != "" {
			return d.Payload
		}
	}
	return ""
}

// known yields the products a device profile may be of, the first goes before.
func (p *profiles) known(profile string) iter.Seq[*deviceProfile] {
	profile = strings.ToLower(profile)
	return func(yield func(*deviceProfile) bool) {
		for i := range p.devices {
			d := &p.devices[i]
			if slices.ContainsFunc(d.Names, func(name string) bool {
				whole, exact := strings.CutPrefix(name, "=")
				return profile != "" && (exact && profile == whole || !exact && strings.Contains(profile, name))
			}) && !yield(d) {
				return
			}
		}
	}
}
