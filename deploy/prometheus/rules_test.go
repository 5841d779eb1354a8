package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// tool finds a program of Debian's packages; without it the test is skipped,
// except in CI.
func tool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

func files(t *testing.T, pattern string) []string {
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
	}
	return paths
}

func TestConfigurationAndRulesAreInOrder(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, append([]string{"check", "rules", "--lint-fatal"}, files(t, "rules/*.yaml")...)} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Every alert fires, does not fire, resolves, and is told apart from missing data.
func TestAlerts(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, path := range files(t, "tests/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			if out, err := exec.Command(promtool, "test", "rules", path).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

// Conventions that promtool does not know, and that every alert is tested.
func TestEveryAlertIsExplainedAndTested(t *testing.T) {
	var tests strings.Builder
	for _, path := range files(t, "tests/*.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(data)
	}
	seen := map[string]bool{}
	for _, path := range files(t, "rules/*.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f ruleFile
		if err := yaml.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if r.Alert == "" {
					continue
				}
				if seen[r.Alert] {
					t.Errorf("%s: twice", r.Alert)
				}
				seen[r.Alert] = true
				if !strings.HasPrefix(r.Alert, "Greencommunity") {
					t.Errorf("%s: does not begin with Greencommunity", r.Alert)
				}
				if _, err := os.Stat("../../" + r.Annotations["runbook_url"]); err != nil || r.Annotations["runbook_url"] == "" {
					t.Errorf("%s: runbook_url: %v", r.Alert, err)
				}
				for _, name := range []string{"summary", "summary_en", "description", "description_en"} {
					if r.Annotations[name] == "" {
						t.Errorf("%s: no %s", r.Alert, name)
					}
				}
				if s := r.Annotations["summary"] + r.Annotations["summary_en"]; strings.Contains(s, "{{") {
					t.Errorf("%s: the summary heads a group and cannot vary: %s", r.Alert, s)
				}
				for name, value := range r.Labels {
					if strings.Contains(value, "$value") {
						t.Errorf("%s: label %s holds the value: every change would be another alert", r.Alert, name)
					}
				}
				if !strings.Contains(tests.String(), r.Alert+`"`) {
					t.Errorf("%s: no test", r.Alert)
				}
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("%d alerts", len(seen))
	}
}
