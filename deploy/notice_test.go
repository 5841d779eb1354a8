package deploy

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// NOTICE names each module that is linked in, and no other.
func TestNoticeNamesWhatIsLinked(t *testing.T) {
	linked := func(program string) []string {
		t.Helper()
		list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "../cmd/"+program)
		list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Fields(string(out))
		slices.Sort(all)
		return slices.Compact(all)
	}
	both := linked("greencommunity")
	alone := slices.DeleteFunc(linked("standalone"), func(m string) bool { return slices.Contains(both, m) })
	text, err := os.ReadFile("../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	ofBoth, ofStandalone, found := strings.Cut(string(text), "Linked into cmd/standalone alone:")
	if !found {
		t.Fatal("NOTICE has no part on the standalone")
	}
	named := func(text string) (all []string) {
		for line := range strings.Lines(text) {
			if fields := strings.Fields(line); strings.HasPrefix(line, "  ") && len(fields) > 1 {
				all = append(all, fields[0])
			}
		}
		slices.Sort(all)
		return all
	}
	for _, c := range []struct {
		what       string
		want, have []string
	}{{"both programs", both, named(ofBoth)}, {"the standalone alone", alone, named(ofStandalone)}} {
		for _, m := range c.want {
			if !slices.Contains(c.have, m) {
				t.Errorf("%s is linked into %s and not in NOTICE", m, c.what)
			}
		}
		for _, m := range c.have {
			if !slices.Contains(c.want, m) {
				t.Errorf("NOTICE says that %s is linked into %s", m, c.what)
			}
		}
	}
}
