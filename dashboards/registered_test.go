package dashboards

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The table and what registers a metric say the same: each name stands whole in the
// source of the package that counts it, once, with the help that is the table's English.
// Compare does that for labels and types, of what a running service exposes.
func TestTableIsWhatIsRegistered(t *testing.T) {
	type place struct{ help, where string }
	registered := map[string][]place{}
	for _, root := range []string{"../ingest", "../metrics", "../cmd", "."} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			constants := map[string]string{}
			text := func(e ast.Expr) string {
				switch e := e.(type) {
				case *ast.Ident:
					return constants[e.Name]
				case *ast.BasicLit:
					s, _ := strconv.Unquote(e.Value)
					return s
				}
				return ""
			}
			add := func(name, help ast.Expr) {
				if n := text(name); strings.HasPrefix(n, Prefix) && text(help) != "" {
					registered[n] = append(registered[n], place{text(help), path})
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					if len(n.Values) == 1 {
						constants[n.Names[0].Name] = text(n.Values[0])
					}
				case *ast.CallExpr: // NewDesc, and what stands for it
					if len(n.Args) >= 2 {
						add(n.Args[0], n.Args[1])
					}
				case *ast.CompositeLit: // CounterOpts and the like
					var name, help ast.Expr
					for _, e := range n.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok {
							switch key, _ := kv.Key.(*ast.Ident); {
							case key == nil:
							case key.Name == "Name":
								name = kv.Value
							case key.Name == "Help":
								help = kv.Value
							}
						}
					}
					add(name, help)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range Metrics {
		at := registered[m.Name]
		if len(at) != 1 {
			t.Errorf("%s is registered %d times, by its whole name, in %v", m.Name, len(at), at)
			continue
		}
		if at[0].help != m.Means.EN {
			t.Errorf("%s: %s says %q, the table %q", m.Name, at[0].where, at[0].help, m.Means.EN)
		}
		delete(registered, m.Name)
	}
	for name, at := range registered {
		if strings.HasPrefix(name, "greencommunity_notify_") {
			continue // of another program, beside Alertmanager: docs/alerts.md
		}
		t.Errorf("%s of %v is in no table; add it to Metrics", name, at)
	}
}
