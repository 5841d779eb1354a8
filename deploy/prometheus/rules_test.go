package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"greencommunity/ingest/inventory/inventorytest"
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

// only writes a file of rules with the recording rules of another and one of its alerts.
func only(t *testing.T, from, to, alert string) {
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Groups []struct {
			Name  string           `yaml:"name"`
			Rules []map[string]any `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for i := range f.Groups {
		f.Groups[i].Rules = slices.DeleteFunc(f.Groups[i].Rules, func(r map[string]any) bool { return r["alert"] != nil && r["alert"] != alert })
		for _, r := range f.Groups[i].Rules {
			if r["alert"] == alert {
				kept++
			}
		}
	}
	if kept != 1 {
		t.Fatalf("%s: %d alerts %s", from, kept, alert)
	}
	if data, err = yaml.Marshal(f); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Case 08: a vendor that has left the inventory is not silent for ever. The case
// names the rules by a path from where it once lay, so that it runs in such a tree.
func TestOperations08VendorGoneAlert(t *testing.T) {
	promtool := tool(t, "promtool")
	cases := inventorytest.Cases(t)
	dir := t.TempDir()
	for to, from := range map[string]string{
		"cases/gone/test.yaml":  filepath.Join(cases, "field", "operations", "08-vendor-gone-alert", "test.yaml"),
		"cases/there/test.yaml": filepath.Join(cases, "field", "operations", "08-vendor-gone-alert", "test.yaml"),
	} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(to, "cases/there") { // the same vendor, still in the inventory
			text = []byte(strings.Replace(string(text), "  promql_expr_test:", "  - {series: 'greencommunity_vendor_info{job=\"greencommunity\",instance=\"a\",vendor=\"oldco\",name=\"\"}', values: '1x8740'}\n  promql_expr_test:", 1))
		}
		path := filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The case takes 29 days of every 5 minutes: the other alerts of the file would take most of the time.
	only(t, "rules/service.yaml", filepath.Join(dir, "rules", "service.yaml"), "GreencommunityVendorSilent")
	for name, silent := range map[string]bool{"gone": false, "there": true} {
		out, err := exec.Command(promtool, "test", "rules", filepath.Join(dir, "cases", name, "test.yaml")).CombinedOutput()
		if fires := err != nil && strings.Contains(string(out), "oldco"); fires != silent || err != nil && !fires {
			t.Errorf("%s: fires %v, want %v: %v\n%s", name, fires, silent, err, out)
		}
	}
}
