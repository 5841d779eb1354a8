package document

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

type inner struct {
	Levels []float64      `yaml:"levels"`
	After  time.Duration  `yaml:"after"`
	Names  map[string]int `yaml:"names"`
	Own    string         `yaml:"own"`
}

type outer struct {
	Name  string `yaml:"name"`
	Parts []*struct {
		ID int `yaml:"id"`
	} `yaml:"parts"`
	Section Section            `yaml:"section"`
	Others  map[string]Section `yaml:"others"`
}

// Whatever is wrong, in whichever part, has the path and the line of the file.
func TestLines(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown in a section":       {"name: a\nsection:\n  lvels: [1]\n", `section.lvels (line 3): unknown key; did you mean "levels"?`},
		"wrong value in a section":   {"section:\n  names:\n    a: 1\n    b: x\n", `section.names.b (line 4): "x" is not what belongs here; give a whole number`},
		"duration":                   {"section: {after: 36}\n", `section.after (line 1): "36" is no duration; write 90s or 36h`},
		"section of a map":           {"others:\n  a: {own: x}\n  b:\n    wn: y\n", `others.b.wn (line 4): unknown key; did you mean "own"?`},
		"key twice in a section":     {"section:\n  own: a\n  own: b\n", `section.own (line 3): given twice; keep one`},
		"section that is a list":     {"section:\n- a\n", `section (line 2): is a list; give a mapping of keys to values`},
		"section that is a number":   {"section: 3\n", `section (line 1): "3" is not what belongs here; give a mapping of keys to values`},
		"alias to an earlier part":   {"parts: &p\n- {id: 1}\nothers:\n  a: {own: &x b}\n  b: {own: *x, wn: 1}\n", `others.b.wn (line 5): unknown key; did you mean "own"?`},
		"meaning, of a member":       {"name: bad\n", `name (line 1): bad`},
		"meaning, of a list's item":  {"name: ok\nparts:\n- id: 1\n- id: 9\n", `parts[1].id (line 4): 9 is too many`},
		"meaning, of what is absent": {"name: ok\nparts:\n- id: 1\n-\n  {}\n", `parts[1].id (line 5): missing`},
	} {
		var o outer
		var p Problems
		if Decode([]byte(c.text), &o, &p) {
			if o.Name == "bad" {
				p.Add("name", "bad")
			}
			for i, part := range o.Parts {
				switch {
				case part.ID == 0:
					p.Add(fmt.Sprintf("parts[%d].id", i), "missing")
				case part.ID > 5:
					p.Add(fmt.Sprintf("parts[%d].id", i), "%d is too many", part.ID)
				}
			}
			o.Section.Decode(&inner{}, &p)
			for _, key := range []string{"a", "b"} {
				o.Others[key].Decode(&inner{}, &p)
			}
		}
		if have := fmt.Sprint(p.Err()); have != c.want {
			t.Errorf("%s: says\n%s\nwant\n%s", name, have, c.want)
		}
	}
}

// What a section does not say stays, and what stands for something elsewhere in
// the file is that.
func TestSections(t *testing.T) {
	var o outer
	var p Problems
	const text = "others:\n  a: &a {levels: [1, 2], after: 36h}\nsection:\n  <<: *a\n  own: x\n"
	if !Decode([]byte(text), &o, &p) || p.Len() > 0 {
		t.Fatal(p.Err())
	}
	v := inner{Own: "default", Names: map[string]int{"a": 1}}
	if !o.Others["a"].Decode(&v, &p) || v.Own != "default" || v.After != 36*time.Hour || len(v.Names) != 1 {
		t.Errorf("%+v, %v", v, p.Err())
	}
	v = inner{}
	if !o.Section.Decode(&v, &p) || v.Own != "x" || len(v.Levels) != 2 {
		t.Errorf("%+v, %v", v, p.Err())
	}
	if o.Section.Path() != "section" || o.Others["a"].Path() != "others.a" {
		t.Errorf("paths are %q, %q", o.Section.Path(), o.Others["a"].Path())
	}
	var none Section
	if none.Given() || !none.Decode(&v, &p) || p.Len() > 0 {
		t.Error("a section that is not there has problems")
	}
	p.AddError(fmt.Errorf("a: b"))
	if !strings.HasPrefix(fmt.Sprint(p.Of("file.yaml")), "file.yaml:\na: b") {
		t.Error(p.Of("file.yaml"))
	}
}
