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

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problems collects what is wrong, in the order it is found.
type Problems []error

// Add notes a problem at a path such as mqtt.brokers[0].
func (p *Problems) Add(path, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// Err is all problems, one a line, or nil.
func (p Problems) Err() error { return errors.Join(p...) }

// Decode reads data into the struct v points to and notes what is wrong with
// its form. It reports whether v is filled in: unknown keys do not hinder that,
// so that what the values mean can be checked, and reported, as well. Members
// are named by their yaml tags; an encoding.TextUnmarshaler is one scalar.
func Decode(data []byte, v any, p *Problems) bool {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		*p = append(*p, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false))))
		return false
	}
	switch {
	case len(file.Docs) > 1:
		p.Add("file", "has %d documents; give one", len(file.Docs))
		return false
	case len(file.Docs) == 1 && file.Docs[0].Body != nil:
		c := checker{problems: p}
		c.node("", file.Docs[0].Body, reflect.TypeOf(v).Elem())
		if c.misfit {
			return false
		}
	}
	if err := yaml.UnmarshalWithOptions(data, v, yaml.AllowDuplicateMapKey()); err != nil {
		*p = append(*p, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false))))
		return false
	}
	return true
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

// node compares a node with the type it is to become. Aliases and tags are
// left to the decoder.
func (c *checker) node(path string, n ast.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
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
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch name {
		case "-", "":
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
	ok := true
	switch t.Kind() {
	case reflect.Bool:
		_, ok = n.(*ast.BoolNode)
	case reflect.Int, reflect.Int64:
		_, err := strconv.ParseInt(text, 10, 64)
		ok = err == nil
	case reflect.Float64:
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
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping of keys to values"
	}
	return "text, in quotes"
}
