// Package render turns structs that are read from YAML into YAML that explains
// itself: keys and defaults come from a value, comments from the source text.
package render

import (
	"encoding"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest/config"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/notify"
	"greencommunity/metrics/savings"
)

// width is the longest line of a comment.
const width = 100

// Files returns the reference files by name. Root is the module's directory,
// whose source holds the comments.
func Files(root string) (map[string]string, error) {
	r := &renderer{root: root, packages: map[string]map[string]*structComments{}, sections: map[string]any{
		"anomaly":                         anomaly.Config{Parameters: anomaly.DefaultParameters()},
		"savings":                         savings.Config{},
		"alarms":                          alarms.DefaultConfig(),
		"access":                          access.Config{Session: access.DefaultSession},
		"communities[].boundaries[].spec": savings.Spec{},
	}}
	files := map[string]string{}
	for _, file := range []struct {
		name, head string
		value      any
	}{
		{"config.yaml", "config.yaml: every key with its default. `greencommunity config` prints this.\nDurations are written 90s, 168h or 7d; sizes 512MiB or 10GiB; paths are relative to the file.", *config.Defaults()},
		{"inventory.yaml", "inventory.yaml: every key, each list with one element. `greencommunity config --inventory` prints this.", inventory.File{}},
		{"notify.yaml", "notify.yaml of `greencommunity notify`: every key with its default. `greencommunity config --notify` prints this.\nPaths are relative to the file.", notify.Config{Listen: notify.DefaultListen, TimeZone: notify.DefaultZone}},
		{"roster.yaml", "roster.yaml of `greencommunity notify`: every key, each list with one element. `greencommunity config --roster` prints this.", notify.Roster{Repeat: notify.DefaultRepeat}},
	} {
		r.out.Reset()
		r.comment("", file.head)
		if err := r.members(reflect.ValueOf(file.value), "", "", false); err != nil {
			return nil, fmt.Errorf("%s: %w", file.name, err)
		}
		files[file.name] = r.out.String()
	}
	return files, nil
}

type renderer struct {
	root     string
	packages map[string]map[string]*structComments // by import path and type
	sections map[string]any                        // values of what another package reads, by path
	out      strings.Builder
	bare     bool // comments were written with an element before
}

type structComments struct {
	doc    string
	fields map[string]string // comments by field
	keys   map[string]string // yaml keys by field
}

func (r *renderer) line(indent, text string) {
	r.out.WriteString(strings.TrimRight(indent+text, " ") + "\n")
}

func (r *renderer) comment(indent, text string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := "#"
		for _, word := range strings.Fields(paragraph) {
			if len(line) > 1 && len([]rune(indent+line+" "+word)) > width {
				r.line(indent, line)
				line = "#"
			}
			line += " " + word
		}
		r.line(indent, line)
	}
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	sectionType  = reflect.TypeFor[document.Section]()
	durationType = reflect.TypeFor[time.Duration]()
)

// members writes the keys of a struct. The first line of an element of a list
// begins with a dash.
func (r *renderer) members(v reflect.Value, indent, path string, element bool) error {
	comments, err := r.of(v.Type())
	if err != nil {
		return err
	}
	top := path == ""
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" || !f.IsExported() {
			continue
		}
		if options == "inline" {
			if err := r.members(v.Field(i), indent, path, element); err != nil {
				return err
			}
			element = false
			continue
		}
		at := strings.TrimPrefix(path+"."+key, ".")
		value := v.Field(i)
		if section, ok := r.sections[at]; ok && f.Type == sectionType {
			value = reflect.ValueOf(section)
		}
		text := comments.text(f.Name)
		if inner := structOf(value.Type()); inner != nil && text == "" {
			of, err := r.of(inner)
			if err != nil {
				return err
			}
			if text = of.text(""); recursive(inner, at) {
				text = ""
			}
			text = strings.Replace(text, inner.Name()+" ", key+" ", 1)
		}
		if top && r.out.Len() > 0 && (text != "" || structOf(value.Type()) != nil) {
			r.line("", "")
		}
		dash := indent
		if element { // the dash stands before the first key, below its comment
			dash = indent[:len(indent)-2] + "- "
			element = false
		}
		if text != "" && !r.bare {
			r.comment(indent, text)
		}
		if err := r.member(dash, indent, key, at, value); err != nil {
			return err
		}
	}
	return nil
}

// member writes a key with its value.
func (r *renderer) member(dash, indent, key, path string, v reflect.Value) error {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			if structOf(v.Type()) == nil { // not given is neither 0 nor false
				r.line(dash, key+": null")
				return nil
			}
			v = reflect.New(v.Type().Elem())
		}
		v = v.Elem()
	}
	if text, ok := scalar(v); ok {
		r.line(dash, key+": "+text)
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == sectionType {
			r.line(dash, key+": {}")
			return nil
		}
		r.line(dash, key+":")
		return r.members(v, indent+"  ", path, false)
	case reflect.Map:
		if v.Len() > 0 {
			r.line(dash, key+":")
			for _, k := range sorted(v.MapKeys()) {
				if err := r.member(indent+"  ", indent+"  ", k.String(), path+".*", v.MapIndex(k)); err != nil {
					return err
				}
			}
			return nil
		}
		if inner := structOf(v.Type()); inner != nil && !recursive(inner, path) {
			r.line(dash, key+":")
			return r.member(indent+"  ", indent+"  ", "NAME", path+".*", reflect.New(inner).Elem())
		}
		r.line(dash, key+": {}")
		return nil
	case reflect.Slice, reflect.Array:
		inner := structOf(v.Type())
		if inner == nil || scalarType(inner) {
			var all []string
			for i := range v.Len() {
				text, _ := scalar(v.Index(i))
				all = append(all, text)
			}
			r.line(dash, key+": ["+strings.Join(all, ", ")+"]")
			return nil
		}
		r.line(dash, key+":")
		if v.Len() == 0 {
			return r.members(reflect.New(inner).Elem(), indent+"  ", path+"[]", true)
		}
		defer func(bare bool) { r.bare = bare }(r.bare)
		for i := range v.Len() { // the first explains the others
			if err := r.members(v.Index(i), indent+"  ", path+"[]", true); err != nil {
				return err
			}
			r.bare = true
		}
		return nil
	}
	return fmt.Errorf("%s: no YAML is known for %s", path, v.Type())
}

// recursive reports whether a struct would repeat the section it stands in: the
// parameters of a community or device are those above.
func recursive(t reflect.Type, path string) bool {
	return t == reflect.TypeFor[anomaly.Parameters]() && strings.Contains(path, ".")
}

func sorted(keys []reflect.Value) []reflect.Value {
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// structOf is the struct behind pointers, lists and maps, or nil.
func structOf(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == sectionType || scalarType(t) {
		return nil
	}
	return t
}

func scalarType(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// scalar writes a value of one line.
func scalar(v reflect.Value) (string, bool) {
	switch {
	case v.Type() == durationType || v.Type() == reflect.TypeFor[config.Duration]():
		return span(time.Duration(v.Int())), true
	case v.Type() == reflect.TypeFor[config.Bytes]():
		return size(v.Int()), true
	case v.Type() == reflect.TypeFor[savings.Date]():
		return `""`, true
	}
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String()), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16, reflect.Int8:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		return strconv.FormatUint(v.Uint(), 10), true
	case reflect.Float64, reflect.Float32:
		bits := 64
		if v.Kind() == reflect.Float32 {
			bits = 32
		}
		return strconv.FormatFloat(v.Float(), 'g', -1, bits), true
	}
	return "", false
}

// span is a duration as people write it: 168h0m0s is 168h.
func span(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func size(n int64) string {
	for _, unit := range []string{"", "KiB", "MiB", "GiB", "TiB"} {
		if n%1024 != 0 || unit == "TiB" || n == 0 {
			return strconv.FormatInt(n, 10) + unit
		}
		n /= 1024
	}
	return ""
}

// of returns the comments of a struct type of the module.
func (r *renderer) of(t reflect.Type) (*structComments, error) {
	types := r.packages[t.PkgPath()]
	if types == nil {
		types = map[string]*structComments{}
		dir := filepath.Join(r.root, strings.TrimPrefix(t.PkgPath(), "greencommunity/"))
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				return nil, err
			}
			collect(file, types)
		}
		r.packages[t.PkgPath()] = types
	}
	if types[t.Name()] == nil {
		return nil, fmt.Errorf("the source of %s is not below %s", t, r.root)
	}
	return types[t.Name()], nil
}

func collect(file *ast.File, types map[string]*structComments) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			t, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			s, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			c := &structComments{doc: g.Doc.Text() + t.Doc.Text(), fields: map[string]string{}, keys: map[string]string{t.Name.Name: ""}}
			for _, f := range s.Fields.List {
				key := ""
				if f.Tag != nil {
					tag, _ := strconv.Unquote(f.Tag.Value)
					key, _, _ = strings.Cut(reflect.StructTag(tag).Get("yaml"), ",")
				}
				for _, name := range f.Names {
					c.fields[name.Name] = f.Doc.Text() + f.Comment.Text()
					c.keys[name.Name] = key
				}
			}
			types[t.Name.Name] = c
		}
	}
}

// elsewhere is the sentence that sends a reader of the source to these files.
var elsewhere = regexp.MustCompile(` The struct is the reference of [^ ]+ in inventory\.yaml\.| Package [a-z/]+ checks it[.;]`)

var word = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]+\b`)

// text is the comment of a field, or of the struct for "", on one line, in the
// words of the file: fields are called by their keys.
func (c *structComments) text(field string) string {
	s := c.doc
	if field != "" {
		s = c.fields[field]
	}
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n\n")
	s = elsewhere.ReplaceAllString(strings.Join(strings.Fields(s), " "), "")
	return word.ReplaceAllStringFunc(s, func(name string) string {
		if key := c.keys[name]; key != "" && key != "-" {
			return key
		}
		return name
	})
}
