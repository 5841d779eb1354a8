package dashboards

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/influxdata/influxql"
)

// sharedFunctions are those of InfluxQL that InfluxDB 1.8, 2.7 and 3 and openGemini have
// and mean the same by. deploy/README.md has the list.
var sharedFunctions = []string{"bottom", "count", "cumulative_sum", "last", "max", "mean", "min", "sum", "top"}

// notShared says what of a query is not in the list.
func notShared(text string) (problems []string) {
	parsed, err := influxql.ParseQuery(text)
	if err != nil {
		return []string{err.Error()}
	}
	for _, s := range parsed.Statements {
		switch s := s.(type) {
		case *influxql.SelectStatement:
			problems = append(problems, notSharedSelect(s, 0)...)
		case *influxql.ShowTagValuesStatement:
		default:
			problems = append(problems, fmt.Sprintf("statement %T", s))
		}
	}
	return problems
}

func notSharedSelect(s *influxql.SelectStatement, depth int) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if depth > 1 {
		add("a subquery in a subquery")
	}
	if s.Target != nil {
		add("INTO")
	}
	if s.SLimit > 0 || s.SOffset > 0 {
		add("SLIMIT or SOFFSET")
	}
	if s.Fill != influxql.NullFill && s.Fill != influxql.NoFill && (s.Fill != influxql.NumberFill || fmt.Sprint(s.FillValue) != "0") {
		add("fill other than none, null and 0")
	}
	for _, f := range s.SortFields {
		if f.Name != "" && f.Name != "time" {
			add("ORDER BY %s", f.Name)
		}
	}
	influxql.WalkFunc(s.Fields, func(n influxql.Node) {
		c, ok := n.(*influxql.Call)
		if !ok {
			return
		}
		if !slices.Contains(sharedFunctions, c.Name) {
			add("%s()", c.Name)
		}
		if c.Name == "cumulative_sum" && depth > 0 {
			add("%s() in a subquery", c.Name)
		}
	})
	for _, source := range s.Sources {
		switch source := source.(type) {
		case *influxql.SubQuery:
			problems = append(problems, notSharedSelect(source.Statement, depth+1)...)
		case *influxql.Measurement:
			if source.Regex != nil {
				add("FROM a regular expression")
			}
		}
	}
	for _, d := range s.Dimensions {
		if _, ok := d.Expr.(*influxql.RegexLiteral); ok {
			add("GROUP BY a regular expression")
		}
	}
	return problems
}

// Every query of the boards, and every one in the program's text, keeps to what the
// engines share.
func TestQueriesAreShared(t *testing.T) {
	n := 0
	for _, board := range committed(t) {
		for _, q := range queries(board) {
			if q.prom {
				continue
			}
			n++
			for _, p := range notShared(fillInflux(q.text, fixed)) {
				t.Errorf("%s: %s, which not every engine has, in %s", q.where, p, q.text)
			}
		}
	}
	inProgram := 0
	for place, text := range statements(t) {
		inProgram++
		for _, p := range notShared(text) {
			t.Errorf("%s: %s, which not every engine has, in %s", place, p, text)
		}
	}
	if n < 100 || inProgram < 20 {
		t.Errorf("only %d queries of boards and %d of the program", n, inProgram)
	}
	t.Logf("%d queries of boards, %d of the program", n, inProgram)
}

// statements yields the queries in the text of the program, with something in the place
// of what is put in while it runs.
func statements(t *testing.T) map[string]string {
	all := map[string]string{}
	within := regexp.MustCompile(`time\(%d?[a-z]*\)`)
	verb := regexp.MustCompile(`%[-+# 0]*[a-z]`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), "SELECT ") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, source, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !strings.HasPrefix(text, "SELECT ") {
				return true
			}
			text = within.ReplaceAllString(text, "time(1h)")
			text = strings.NewReplacer("SELECT %s %s GROUP", "SELECT x FROM x GROUP", ") %s GROUP", ") FROM x GROUP", "time(1h)%s", "time(1h)", `"resource"%s`, `"resource"`,
				`%s("%s")`, `mean("x")`, "$timeFilter", "time > 0", "$__interval", "1h", "tz(%s)", "tz('UTC')", "%dms", "1ms", "%ds", "1s", `"%s"`, `"x"`, "'%s'", "'x'", "LIMIT %d", "LIMIT 1").Replace(text)
			text = verb.ReplaceAllStringFunc(text, func(v string) string {
				if v == "%d" {
					return "1"
				}
				return "x"
			})
			switch tail := text[len(text)-1]; {
			case strings.HasSuffix(text, "FROM ("):
				text += "SELECT x FROM x)"
			case tail == ' ':
				text += "tz('UTC')"
			}
			all[set.Position(lit.Pos()).String()] = text
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The list leaves out what is known to differ.
func TestNotShared(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT mean(x) FROM a WHERE time > 0 GROUP BY time(1h) fill(none)":              "",
		"SELECT sum(v) FROM (SELECT last(x) AS v FROM a GROUP BY device)":                "",
		"SELECT derivative(mean(x), 1h) FROM a GROUP BY time(1h)":                        "derivative()",
		"SELECT percentile(x, 95) FROM a":                                                "percentile()",
		"SELECT mean(x) FROM a GROUP BY time(1h) fill(previous)":                         "fill",
		"SELECT mean(x) FROM a GROUP BY * SLIMIT 1":                                      "SLIMIT",
		"SELECT mean(x) INTO b FROM a":                                                   "INTO",
		"SELECT mean(x) FROM /a.*/":                                                      "regular expression",
		"SHOW MEASUREMENTS WHERE device = 'x'":                                           "statement",
		"SELECT sum(v) FROM (SELECT cumulative_sum(x) AS v FROM a)":                      "in a subquery",
		"SELECT x FROM (SELECT x FROM (SELECT x FROM a))":                                "a subquery in a subquery",
		"SELECT max(v) FROM (SELECT elapsed(x, 1s) AS v FROM a)":                         "elapsed()",
		"SELECT type FROM events ORDER BY time DESC LIMIT 3":                             "",
		`SELECT "type" FROM events WHERE "type" =~ /^(leak|tamper)$/ ORDER BY time DESC`: "",
	} {
		problems := strings.Join(notShared(text), "; ")
		if (want == "") != (problems == "") || !strings.Contains(problems, want) {
			t.Errorf("%s: %q, want %q", text, problems, want)
		}
	}
}
