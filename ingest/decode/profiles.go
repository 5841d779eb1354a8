package decode

import (
	_ "embed"
	"fmt"

	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
)

// profiles is what the fields of a format mean where the inventory says
// nothing else: by format, and by field. It is immutable.
type profiles struct {
	fields map[string]map[string]*inventory.Field
}

//go:embed profiles.yaml
var profilesYAML []byte

var builtinProfiles = func() *profiles {
	p := &profiles{fields: map[string]map[string]*inventory.Field{}}
	var problems document.Problems
	var file struct {
		Formats map[string]map[string]*inventory.Field `yaml:"formats"`
	}
	if !document.Decode(profilesYAML, &file, &problems) {
		panic(fmt.Sprintf("profiles.yaml: %v", problems.Err())) // a defect of the build
	}
	p.fields = file.Formats
	return p
}()

func (p *profiles) field(format, name string) *inventory.Field { return p.fields[format][name] }
