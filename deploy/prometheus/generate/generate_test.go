package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"greencommunity/metrics/anomaly"
)

// What is committed is what the tables say, and nothing is left over of what
// they said before.
func TestCommittedFilesAreGenerated(t *testing.T) {
	want := files("")
	for path, content := range want {
		have, err := os.ReadFile(filepath.Join("../../..", path))
		if err != nil || !bytes.Equal(have, content) {
			t.Errorf("%s differs from the tables (%v); run: go run ./deploy/prometheus/generate", path, err)
		}
	}
	pages, err := filepath.Glob("../../../docs/runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if _, ok := want["docs/runbooks/"+filepath.Base(page)]; !ok {
			t.Errorf("%s belongs to no alert; delete it", page)
		}
	}
}

// Each page has advice of its own, in both languages.
func TestEveryAlertHasAdvice(t *testing.T) {
	seen := map[string]string{}
	for _, g := range []group{anomalies(), service(), savings()} {
		for _, a := range g.Alerts {
			if len(a.Check) < 2 {
				t.Errorf("%s: %d things to check; give at least 2 (of an anomaly: metrics/anomaly/checks.go)", a.Name, len(a.Check))
			}
			if len(a.Check) == 0 {
				continue
			}
			for _, c := range a.Check {
				if c.ZH == "" || c.EN == "" {
					t.Errorf("%s: advice lacks a language: %q", a.Name, c)
				}
			}
			first := a.Check[0].ZH
			if other := seen[first]; other != "" {
				t.Errorf("%s and %s begin with the same advice", a.Name, other)
			}
			seen[first] = a.Name
			for _, text := range []Text{a.Summary, a.Description, a.Means, a.Clears} {
				if text.ZH == "" || text.EN == "" {
					t.Errorf("%s: a text lacks a language: %q", a.Name, text)
				}
			}
		}
	}
	for name := range anomaly.Checks {
		if _, ok := anomaly.KindNamed(name); !ok {
			t.Errorf("checks: no kind of alarm is named %s", name)
		}
	}
}
