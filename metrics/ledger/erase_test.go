package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A person is taken out of all that the ledger ever held, and every revision is there still.
func TestErasePerson(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	change := func(who, column, to string) {
		t.Helper()
		if _, err := l.Change(Author{Who: who, Via: "page"}, func(Cells, func(int) (Cells, bool)) (Cells, error) {
			return Cells{Cell{Community: "nancheng", Column: column}: to}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	change("王建国", "contact", "李秀英 13900000001")
	change("李秀英", "contact", "赵敏 13900000002")
	change("王建国", "town", "李秀英家所在的镇")
	change("王建国", "pilot", "yes")
	taken := func(text string, who bool) string {
		switch {
		case !strings.Contains(text, "李秀英"):
			return text
		case who:
			return "x"
		}
		return strings.ReplaceAll(text, "李秀英", "x")
	}
	for n, dry := range []bool{true, false, false} {
		if lines, err := ErasePerson(dir, taken, dry); err != nil || lines != []int{3, 3, 0}[n] {
			t.Fatalf("%d lines, %v", lines, err)
		}
		data, err := os.ReadFile(filepath.Join(dir, FileName))
		if has := strings.Contains(string(data), "李秀英") || strings.Contains(string(data), "13900000001"); err != nil || has != dry {
			t.Fatalf("dry run %v: %s, %v", dry, data, err)
		}
	}
	if l, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	cells, revision, err := l.State()
	if err != nil || revision != 4 || cells[Cell{Community: "nancheng", Column: "contact"}] != "赵敏 13900000002" || cells[Cell{Community: "nancheng", Column: "town"}] != "x家所在的镇" {
		t.Errorf("revision %d, %v, %v", revision, cells, err)
	}
	if before, ok := l.At(1); !ok || before[Cell{Community: "nancheng", Column: "contact"}] != "x" {
		t.Errorf("%v", before)
	}
	change("王建国", "contact", "钱伟 13900000003")
	if lines, err := ErasePerson(t.TempDir(), taken, false); err != nil || lines != 0 {
		t.Errorf("of no ledger: %d, %v", lines, err)
	}
}
