// Package document reads a YAML file into a struct and says everything that is
// wrong with it at once: unknown and repeated keys, and values of the wrong
// type, each with its path and its remedy. What the values mean is for the
// reader to check.
package document

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problems collects what is wrong with a file, in the order it is found. It
// knows the file's lines once Decode has read it.
type Problems struct {
	list  []error
	lines map[string]int // by path
}

// Add notes a problem at a path such as mqtt.brokers[0], with the line of the
// path in the file, or of what contains it.
func (p *Problems) Add(path, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("%s: %s", p.place(path), fmt.Sprintf(format, args...)))
}

// AddError notes the problems that an error joins, each of which begins with its
// path and a colon.
func (p *Problems) AddError(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range joined.Unwrap() {
			p.AddError(each)
		}
		return
	}
	path, text, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		p.list = append(p.list, err)
		return
	}
	p.Add(path, "%s", text)
}

// place is a path with its line, where it is one of the file.
func (p *Problems) place(path string) string {
	if strings.ContainsAny(path, " :") {
		return path // it says more than a path: a line of another file, or of this
	}
	for at := path; at != ""; {
		if line, ok := p.lines[at]; ok {
			return fmt.Sprintf("%s (line %d)", path, line)
		}
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
	return path
}

// Len returns how many there are.
func (p *Problems) Len() int { return len(p.list) }

// Fresh has no problem yet, of the same file.
func (p *Problems) Fresh() *Problems { return &Problems{lines: p.lines} }

// Err is all problems, one a line, or nil.
func (p *Problems) Err() error { return errors.Join(p.list...) }

// Of is all problems under the name of their file, or nil.
func (p *Problems) Of(file string) error {
	if len(p.list) == 0 {
		return nil
	}
	return fmt.Errorf("%s:\n%w", file, p.Err())
}

// Section is a part of a file that another package reads into its own options.
// What it finds wrong has the path and the line it has in the file.
type Section struct {
	node ast.Node
	path string
}

var (
	sectionType  = reflect.TypeFor[Section]()
	durationType = reflect.TypeFor[time.Duration]()
)

// UnmarshalYAML keeps the part as it stands in the file.
func (s *Section) UnmarshalYAML(n ast.Node) error {
	s.node, s.path = n, strings.TrimPrefix(strings.TrimPrefix(n.GetPath(), "$"), ".")
	return nil
}

// Given says whether the file has it.
func (s Section) Given() bool {
	if s.node == nil {
		return false
	}
	_, null := s.node.(*ast.NullNode)
	return !null
}

// Path returns where it is in the file, such as communities[0].boundaries[1].spec.
func (s Section) Path() string { return s.path }

// Decode reads the section into the struct v points to, as Decode does a file.
// What the section does not say stays as it is in v.
func (s Section) Decode(v any, p *Problems) bool {
	if !s.Given() {
		return true
	}
	return decode(s.path, s.node, v, p)
}

// Decode reads data into the struct v points to and notes what is wrong with
// its form. It reports whether v is filled in: unknown keys do not hinder that,
// so that what the values mean can be checked, and reported, as well. Members
// are named by their yaml tags; an encoding.TextUnmarshaler is one scalar.
func Decode(data []byte, v any, p *Problems) bool {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p.list = append(p.list, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false))))
		return false
	}
	p.lines = map[string]int{}
	switch {
	case len(file.Docs) > 1:
		p.Add("file", "has %d documents; give one", len(file.Docs))
		return false
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		return true
	}
	body := file.Docs[0].Body
	expand(&body, map[string]ast.Node{}, 0)
	index("", body, p.lines)
	return decode("", body, v, p)
}

func decode(path string, n ast.Node, v any, p *Problems) bool {
	c := checker{problems: p}
	c.node(path, n, reflect.TypeOf(v).Elem())
	if c.misfit {
		return false
	}
	if err := yaml.NodeToValue(n, v, yaml.AllowDuplicateMapKey()); err != nil {
		p.list = append(p.list, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false))))
		return false
	}
	return true
}

// maxDepth bounds how deep aliases lead, as one could lead to itself.
const maxDepth = 64

// expand puts what an alias stands for in its place, so that each part of the
// file can be read by itself.
func expand(n *ast.Node, anchors map[string]ast.Node, depth int) {
	if depth > maxDepth {
		return
	}
	switch node := (*n).(type) {
	case *ast.AnchorNode:
		expand(&node.Value, anchors, depth+1)
		anchors[node.Name.String()] = node.Value
		*n = node.Value
	case *ast.AliasNode:
		if value, ok := anchors[node.Value.String()]; ok {
			*n = value
		}
	case *ast.MappingValueNode:
		expand(&node.Value, anchors, depth+1)
	case *ast.MappingNode:
		for _, m := range node.Values {
			expand(&m.Value, anchors, depth+1)
		}
	case *ast.SequenceNode:
		for i := range node.Values {
			expand(&node.Values[i], anchors, depth+1)
		}
	}
}

// index notes the line of every path.
func index(path string, n ast.Node, lines map[string]int) {
	var members []*ast.MappingValueNode
	switch node := n.(type) {
	case *ast.MappingValueNode:
		members = []*ast.MappingValueNode{node}
	case *ast.MappingNode:
		members = node.Values
	case *ast.SequenceNode:
		for i, item := range node.Values {
			inner := fmt.Sprintf("%s[%d]", path, i)
			lines[inner] = firstLine(item)
			index(inner, item, lines)
		}
	}
	for _, m := range members {
		inner := strings.Trim(m.Key.String(), `"'`)
		if path != "" {
			inner = path + "." + inner
		}
		if _, twice := lines[inner]; !twice {
			lines[inner] = m.Key.GetToken().Position.Line
		}
		index(inner, m.Value, lines)
	}
}

// firstLine is the line a node begins on: of a mapping its first key's.
func firstLine(n ast.Node) int {
	switch node := n.(type) {
	case *ast.MappingValueNode:
		return node.Key.GetToken().Position.Line
	case *ast.MappingNode:
		if !node.IsFlowStyle && len(node.Values) > 0 {
			return node.Values[0].Key.GetToken().Position.Line
		}
	}
	return n.GetToken().Position.Line
}

// checker compares nodes with the types they are to become.
type checker struct {
	problems *Problems
	misfit   bool // some value cannot become what it should
}

// misfits notes a value of the wrong form.
func (c *checker) misfits(path, format string, args ...any) {
	c.problems.Add(path, format, args...)
	c.misfit = true
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// oneOrSeveral are types of lists that take one value without brackets, too.
var oneOrSeveral = reflect.TypeFor[interface{ UnmarshalYAML(func(any) error) error }]()

// node compares a node with the type it is to become. Aliases and tags are
// left to the decoder.
func (c *checker) node(path string, n ast.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == sectionType {
		return // whose it is reads it
	}
	switch node := n.(type) {
	case *ast.AnchorNode:
		c.node(path, node.Value, t)
		return
	case *ast.AliasNode, *ast.TagNode, *ast.NullNode, *ast.MergeKeyNode:
		return
	case *ast.MappingValueNode:
		c.members(path, []*ast.MappingValueNode{node}, t)
		return
	case *ast.MappingNode:
		c.members(path, node.Values, t)
		return
	case *ast.SequenceNode:
		switch t.Kind() {
		case reflect.Interface:
		case reflect.Slice:
			for i, item := range node.Values {
				c.node(fmt.Sprintf("%s[%d]", path, i), item, t.Elem())
			}
		default:
			c.misfits(at(path, n), "is a list; give %s", wanted(t))
		}
		return
	}
	c.scalar(path, n, t)
}

func (c *checker) members(path string, members []*ast.MappingValueNode, t reflect.Type) {
	seen := map[string]bool{}
	for _, m := range members {
		key := strings.Trim(m.Key.String(), `"'`)
		inner := key
		if path != "" {
			inner = path + "." + key
		}
		if seen[key] {
			c.problems.Add(at(inner, m), "given twice; keep one")
			continue
		}
		seen[key] = true
		if _, merge := m.Key.(*ast.MergeKeyNode); merge {
			continue
		}
		switch t.Kind() {
		case reflect.Struct:
			if reflect.PointerTo(t).Implements(textUnmarshaler) {
				c.misfits(at(path, m), "is a mapping; give %s", wanted(t))
				return
			}
			field, names := member(t, key)
			if field == nil {
				c.problems.Add(at(inner, m), "unknown key; %s", oneOf(key, names))
				continue
			}
			c.node(inner, m.Value, field.Type)
		case reflect.Map:
			c.node(inner, m.Value, t.Elem())
		case reflect.Interface:
		default:
			c.misfits(at(path, m), "is a mapping; give %s", wanted(t))
			return
		}
	}
}

// member is the field of a struct that a key names, and all names there are.
func member(t reflect.Type, key string) (*reflect.StructField, []string) {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch name {
		case "-", "":
			if options == "inline" { // its keys are those of the struct it is in
				inner, more := member(f.Type, key)
				if inner != nil {
					return inner, nil
				}
				names = append(names, more...)
			}
			continue
		case key:
			return &f, nil
		}
		names = append(names, name)
	}
	return nil, names
}

// oneOf suggests the name most like a key, or lists all.
func oneOf(key string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if d := edits(key, name); d < distance {
			best, distance = name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	slices.Sort(names)
	return "one of " + strings.Join(names, ", ")
}

// edits is the Levenshtein distance of two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func (c *checker) scalar(path string, n ast.Node, t reflect.Type) {
	text := n.GetToken().Value
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			c.misfits(at(path, n), "%v", err)
		}
		return
	}
	if t.Kind() == reflect.Slice && reflect.PointerTo(t).Implements(oneOrSeveral) {
		c.scalar(path, n, t.Elem())
		return
	}
	if t == durationType {
		if _, err := time.ParseDuration(text); err != nil {
			c.misfits(at(path, n), "%.60q is no duration; write 90s or 36h", text)
		}
		return
	}
	ok := true
	switch t.Kind() {
	case reflect.Bool:
		_, ok = n.(*ast.BoolNode)
	case reflect.Int, reflect.Int64:
		_, err := strconv.ParseInt(text, 10, 64)
		ok = err == nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		_, err := strconv.ParseUint(text, 10, t.Bits())
		ok = err == nil
	case reflect.Float32, reflect.Float64:
		_, err := strconv.ParseFloat(text, 64)
		ok = err == nil
	case reflect.String:
		_, isBool := n.(*ast.BoolNode)
		ok = !isBool
	case reflect.Slice, reflect.Map, reflect.Struct:
		ok = false
	}
	if !ok {
		c.misfits(at(path, n), "%.60q is not what belongs here; give %s", text, wanted(t))
	}
}

// at is a path with the line it is on.
func at(path string, n ast.Node) string {
	line := n.GetToken().Position.Line
	if path == "" {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("%s (line %d)", path, line)
}

func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(textUnmarshaler) {
		return "one value"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping of keys to values"
	}
	return "text, in quotes"
}
