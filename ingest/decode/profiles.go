package decode

import (
	_ "embed"
	"fmt"
	"iter"
	"slices"
	"strings"

	"greencommunity/ingest/document"
	"greencommunity/ingest/format"
)

// profiles is what the fields of a format, or of a known device, mean where
// the inventory says nothing else. It is immutable.
type profiles struct {
	fields  map[string]map[string]*format.Field // by format
	devices []deviceProfile
}

// deviceProfile is a known product.
type deviceProfile struct {
	Names   []string `yaml:"names"`   // parts of the names device profiles have, in lower case
	Payload string   `yaml:"payload"` // what reads its application payload
	// Distinct says that nobody else has fields of these names: they mean the
	// same where no device profile is known.
	Distinct bool                     `yaml:"distinct"`
	Fields   map[string]*format.Field `yaml:"fields"` // of what its vendor's decoder returns
}

//go:embed profiles.yaml
var profilesYAML []byte

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
	return p
}()

func (p *profiles) field(source, profile, name string) *format.Field {
	if f := p.fields[source][name]; f != nil {
		return f
	}
	if _, rest, ok := strings.Cut(name, "."); ok { // of any section: "*.Temperature"
		if f := p.fields[source]["*."+rest]; f != nil {
			return f
		}
	}
	if profile != "" {
		for d := range p.known(profile) {
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
		return d.Fields[before+"[*]"+rest]
	}
	return nil
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
			if slices.ContainsFunc(d.Names, func(name string) bool { return profile != "" && strings.Contains(profile, name) }) && !yield(d) {
				return
			}
		}
	}
}
