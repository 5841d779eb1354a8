// Package docs tests what the documents say of the source.
package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// source is the module as its files say: imports between its packages, and the
// functions of each with the names their bodies use.
type source struct {
	imports   map[string]map[string]bool
	functions map[string]map[string]map[string]bool // package, function, names
}

func readSource(t *testing.T) *source {
	t.Helper()
	s := &source{map[string]map[string]bool{}, map[string]map[string]map[string]bool{}}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		s.add(filepath.ToSlash(filepath.Dir(path))[len("../"):], file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *source) add(name string, file *ast.File) {
	if s.imports[name] == nil {
		s.imports[name], s.functions[name] = map[string]bool{}, map[string]map[string]bool{}
	}
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if ours, ok := strings.CutPrefix(path, "greencommunity/"); ok {
			s.imports[name][ours] = true
		}
	}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		full := f.Name.Name
		if f.Recv != nil {
			of := f.Recv.List[0].Type
			if p, ok := of.(*ast.StarExpr); ok {
				of = p.X
			}
			if receiver, ok := of.(*ast.Ident); ok {
				full = receiver.Name + "." + full
			}
		}
		names := map[string]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				names[id.Name] = true
			}
			return true
		})
		s.functions[name][full] = names
	}
}

// section is the text between a heading and the next of the same depth.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	part, _, _ := strings.Cut(after, "\n## ")
	return part
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// fence is the first code block of a text.
func fence(t *testing.T, text string) string {
	t.Helper()
	parts := strings.Split(text, "```")
	if len(parts) < 3 {
		t.Fatal("no code block")
	}
	_, block, _ := strings.Cut(parts[1], "\n")
	return block
}

// The drawing of architecture.md has each package of the module on one line;
// a package imports only what stands below it, and what the drawing says. Programs
// put everything together: theirs is not listed.
func TestDrawingIsTheImports(t *testing.T) {
	s := readSource(t)
	drawing := fence(t, section(t, read(t, "architecture.md"), "Packages"))
	if chinese := fence(t, section(t, read(t, "architecture.zh-CN.md"), "包")); packagesOf(chinese) != packagesOf(drawing) {
		t.Error("architecture.zh-CN.md has another drawing")
	}
	level, line := map[string]int{}, 0
	drawn := map[string][]string{}
	for text := range strings.Lines(drawing) {
		line++
		name, imports, ok := strings.Cut(strings.TrimSpace(text), " → ")
		name = strings.TrimSpace(name)
		if name == "" || strings.HasPrefix(name, "──") {
			continue
		}
		if level[name] != 0 {
			t.Errorf("%s stands twice", name)
		}
		level[name] = line
		if ok {
			drawn[name] = strings.Fields(imports)
		}
	}
	for name, imports := range s.imports {
		if level[name] == 0 {
			t.Errorf("%s is not in the drawing", name)
			continue
		}
		for imported := range imports {
			if level[imported] <= level[name] {
				t.Errorf("%s imports %s, which does not stand below it", name, imported)
			}
		}
		want := slices.Sorted(maps.Keys(imports))
		if got := drawn[name]; !slices.Equal(got, want) && !(strings.HasPrefix(name, "cmd/") && slices.Equal(got, []string{"…"})) {
			t.Errorf("the drawing says that %s imports\n%s\nit imports\n%s", name, strings.Join(got, " "), strings.Join(want, " "))
		}
	}
	for name := range level {
		if s.imports[name] == nil {
			t.Errorf("%s is in the drawing and is no package", name)
		}
	}
}

// packagesOf is the drawing without its headings, which are in the document's language.
func packagesOf(drawing string) string {
	var lines []string
	for line := range strings.Lines(drawing) {
		if !strings.HasPrefix(line, "──") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// What imports may never do, whatever the drawing says.
func TestImportsPointOneWay(t *testing.T) {
	for name, imports := range readSource(t).imports {
		for imported := range imports {
			switch {
			case strings.HasPrefix(name, "ingest") && !strings.HasPrefix(imported, "ingest"):
				t.Errorf("%s imports %s: ingest knows nothing but itself", name, imported)
			case strings.HasPrefix(name, "metrics") && !strings.Contains(name, "/cmd/") &&
				slices.Contains([]string{"ingest/mqtt", "ingest/journal", "ingest/influx", "ingest/pipeline"}, imported):
				t.Errorf("%s imports %s: arithmetic does no I/O", name, imported)
			}
		}
	}
}

var step = regexp.MustCompile("(?m)^\\| \\d+ \\| `([a-z/]+)` \\| `([A-Za-z.]+)` \\| (⇢?)")

// Each step of a walk is a function there is, and an earlier step calls it.
func TestWalksAreTrue(t *testing.T) {
	s := readSource(t)
	for _, doc := range []string{"architecture.md", "architecture.zh-CN.md"} {
		text := read(t, doc)
		var headings []string
		for _, m := range regexp.MustCompile(`(?m)^## (The walk .*|.*的路)$`).FindAllStringSubmatch(text, -1) {
			headings = append(headings, m[1])
		}
		if len(headings) != 2 {
			t.Errorf("%s: walks %q, want two", doc, headings)
		}
		for _, heading := range headings {
			called := map[string]bool{}
			steps := step.FindAllStringSubmatch(section(t, text, heading), -1)
			if len(steps) < 8 {
				t.Errorf("%s, %s: %d steps", doc, heading, len(steps))
			}
			for i, m := range steps {
				pkg, function := m[1], m[2]
				names, ok := s.functions[pkg][function]
				if !ok {
					t.Errorf("%s: %s has no %s", doc, pkg, function)
					continue
				}
				if short := function[strings.LastIndexByte(function, '.')+1:]; i > 0 && m[3] == "" && !called[short] {
					t.Errorf("%s, %s: no earlier step calls %s", doc, heading, function)
				}
				maps.Copy(called, names)
			}
		}
	}
}

// wide is how many characters a line of a document may have. Tables, code,
// links and what is generated are as wide as they are.
const wide = 120

func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 2 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) < 20 {
		t.Fatal(len(all), err)
	}
	return all
}

var (
	headingLine = regexp.MustCompile(`^#{1,6} `)
	keyed       = regexp.MustCompile("`[^`]+`")
)

// shape is what both languages of a document share: how deep its headings are,
// its code blocks that have a language, and how many rows its tables have.
func shape(text string) (headings []string, blocks [][]string, tables []string) {
	rows, code, kept := 0, false, false
	for line := range strings.Lines(text + "\n") {
		line = strings.TrimRight(line, "\n")
		if language, ok := strings.CutPrefix(strings.TrimSpace(line), "```"); ok {
			code = !code
			if code {
				if kept = language != ""; kept {
					blocks = append(blocks, nil)
				}
			}
			continue
		}
		if code {
			if kept {
				blocks[len(blocks)-1] = append(blocks[len(blocks)-1], line)
			}
			continue
		}
		if headingLine.MatchString(line) {
			headings = append(headings, line[:strings.IndexByte(line, ' ')])
		}
		if strings.HasPrefix(line, "|") {
			rows++
		} else if rows > 0 {
			tables = append(tables, fmt.Sprint(rows))
			rows = 0
		}
	}
	return headings, blocks, tables
}

// sameLine reports whether two lines of code say the same, but for comments and
// for what is written in the document's language.
func sameLine(a, b string) bool {
	code := func(line string) string {
		if at := strings.Index(line, "#"); at >= 0 && (at == 0 || line[at-1] == ' ') {
			line = line[:at]
		}
		return strings.TrimSpace(line)
	}
	if a, b := code(a), code(b); a == b || chinese.MatchString(a) || chinese.MatchString(b) {
		return true
	}
	return false
}

var chinese = regexp.MustCompile(`[\x{2e80}-\x{ffff}]`)

// keys is what stands in backquotes outside of code blocks, once each. Words of
// capitals and those of the document's language stand for something.
func keys(text string) map[string]bool {
	var prose strings.Builder
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		} else if !code {
			prose.WriteString(strings.TrimRight(line, "\n") + " ")
		}
	}
	all := map[string]bool{}
	for _, k := range keyed.FindAllString(prose.String(), -1) {
		all[placeholder.ReplaceAllString(k, "_")] = true
	}
	return all
}

var placeholder = regexp.MustCompile(`\{[^}]*\}|\b[A-Z]{2,}\b|your id|[\x{2e80}-\x{ffff}]+( ?id)?`)

// Chinese documents say what the English ones do: the same headings, code
// blocks, tables and keys.
func TestChineseDocumentsAreWhole(t *testing.T) {
	pairs := 0
	for _, path := range documents(t) {
		english, ok := strings.CutSuffix(path, ".zh-CN.md")
		if !ok {
			continue
		}
		pairs++
		en, zh := read(t, english+".md"), read(t, path)
		headings, blocks, tables := shape(en)
		zhHeadings, zhBlocks, zhTables := shape(zh)
		if !slices.Equal(headings, zhHeadings) {
			t.Errorf("%s: headings %v, in English %v", path, zhHeadings, headings)
		}
		if !slices.Equal(tables, zhTables) {
			t.Errorf("%s: tables of %v rows, in English %v", path, zhTables, tables)
		}
		if !slices.EqualFunc(blocks, zhBlocks, func(a, b []string) bool { return slices.EqualFunc(a, b, sameLine) }) {
			t.Errorf("%s: its code is not that of the English one:\n%s\n── English\n%s", path, join(zhBlocks), join(blocks))
		}
		enKeys, zhKeys := keys(en), keys(zh)
		for k := range enKeys {
			if !zhKeys[k] {
				t.Errorf("%s does not say %s", path, k)
			}
		}
	}
	if pairs < 8 {
		t.Errorf("only %d documents have both languages", pairs)
	}
}

// The tests that architecture.md names are there.
func TestPromisesAreTested(t *testing.T) {
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(read(t, "architecture.md"), -1)
	if len(named) < 5 {
		t.Fatal(named)
	}
	var tests strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			tests.WriteString(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range named {
		if !strings.Contains(tests.String(), "func "+m[1]+"(t *testing.T)") {
			t.Errorf("there is no %s", m[1])
		}
	}
}

func join(blocks [][]string) string {
	var all []string
	for _, b := range blocks {
		all = append(all, strings.Join(b, "\n"))
	}
	return strings.Join(all, "\n──\n")
}

var wrap = flag.Bool("wrap", false, "TestLines breaks long lines of the documents instead of naming them")

func TestLines(t *testing.T) {
	for _, path := range documents(t) {
		if strings.Contains(path, "/runbooks/") {
			continue // generated
		}
		var out strings.Builder
		code := false
		lines := strings.SplitAfter(read(t, path), "\n")
		for i, line := range lines {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
			}
			for !code && isProse(line) && len([]rune(strings.TrimRight(line, "\n"))) > wide {
				at := breakAt([]rune(line))
				if at == 0 {
					break // one word, such as an address
				}
				if !*wrap {
					t.Errorf("%s:%d has more than %d characters; go test ./docs -run Lines -wrap breaks it", path, i+1, wide)
					break
				}
				runes := []rune(line)
				out.WriteString(strings.TrimRight(string(runes[:at]), " ") + "\n")
				rest := strings.TrimLeft(string(runes[at:]), " ")
				line = strings.Repeat(" ", len(listIndent.FindString(line))) + rest
				// The paragraph goes on: what is left begins its next line.
				if next := lines[i+1:]; len(next) > 0 && isProse(next[0]) && continues.MatchString(next[0]) {
					text := strings.TrimLeft(next[0], " ")
					next[0] = strings.TrimRight(line, "\n") + gap(rest, text) + text
					line = ""
				}
			}
			out.WriteString(line)
		}
		if *wrap {
			if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// isProse reports whether a line outside of code may be broken.
func isProse(line string) bool {
	return !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "#")
}

// continues matches a line that goes on with a paragraph or an item.
var continues = regexp.MustCompile("^ *([^\\s>*+`0-9-]|`[^`]|\\*\\*)")

// gap stands between two parts of a paragraph: nothing between Chinese ones.
func gap(a, b string) string {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRight(a, "\n"))
	first, _ := utf8.DecodeRuneInString(b)
	if last > 0x2E80 || first > 0x2E80 {
		return ""
	}
	return " "
}

var listIndent = regexp.MustCompile(`^ *(- |\d+\. )?`)

// breakAt is where a line is broken: at its last space outside of code, or
// behind its last Chinese mark, within what is wide enough; else at the first
// there is; 0 if there is none.
func breakAt(line []rune) int {
	last, code := 0, false
	for i, r := range line {
		if i > wide && last > 0 {
			break
		}
		if r == '`' {
			code = !code
		}
		switch {
		case code || i < 20:
		case r == ' ' && i+1 < len(line) && !strings.ContainsRune("#-+|>*0123456789 ", line[i+1]):
			last = i + 1
		case strings.ContainsRune("，。；：、）”", r) && (i < wide || last == 0) && i+1 < len(line) && line[i+1] != '\n' && !strings.ContainsRune("，。；：、）”", line[i+1]):
			last = i + 1
		}
	}
	return last
}

// openapi.yaml describes each route below /api/v1, and no other: a route is a text of the
// source such as "GET /api/v1/devices".
func TestOpenAPIIsTheRoutes(t *testing.T) {
	var specification struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "openapi.yaml")), &specification); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, methods := range specification.Paths {
		for method := range methods {
			if method != "parameters" {
				described[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	route := regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE) /api/v1/`)
	served := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil && route.MatchString(text) {
					served[text] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil || len(served) < 10 {
		t.Fatalf("%d routes %v", len(served), err)
	}
	for r := range served {
		if !described[r] {
			t.Errorf("%s is served and not described", r)
		}
	}
	for r := range described {
		if !served[r] {
			t.Errorf("%s is described and not served", r)
		}
	}
}
