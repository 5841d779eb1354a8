package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestVersion(t *testing.T) {
	for _, test := range []struct {
		main     string
		settings []debug.BuildSetting
		want     string
	}{
		{"(devel)", nil, "development"},
		{"", []debug.BuildSetting{{Key: "vcs.modified", Value: "true"}}, "development"},
		{"v1.2.3", []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "false"}}, "v1.2.3 abc"},
		{"v0.0.0-20261128060000-abc+dirty", []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}, "v0.0.0-20261128060000-abc+dirty abc-dirty"},
	} {
		v := of(&debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: test.main}, Settings: test.settings})
		if v.String() != test.want {
			t.Errorf("%q, want %q", v, test.want)
		}
		want := "# HELP greencommunity_build_info Which build this is, always 1.\n# TYPE greencommunity_build_info gauge\n" +
			"greencommunity_build_info{goversion=\"go1.26\",revision=\"" + v.Revision + "\",version=\"" + v.Version + "\"} 1\n"
		if err := testutil.CollectAndCompare(v.Collector(), strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
}

// What is sent to the image's builder has the repository and all of its files,
// or the program in it would not know its version, or call itself changed. The
// builder's files are made here as Docker makes them, by .dockerignore, and the
// program built of them knows its revision.
func TestImageKnowsItsVersion(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	git := func(dir string, args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("git %s: %v %s", strings.Join(args, " "), err, out)
			}
			t.Skipf("no repository here: git %s: %v %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		pattern := strings.TrimSpace(line)
		if pattern == "" || strings.HasPrefix(pattern, "#") {
			continue
		}
		if strings.HasPrefix(pattern, ".git") {
			t.Errorf(".dockerignore leaves out %s, and with it the version", pattern)
		}
		if tracked := git(root, "ls-files", "--", ":(glob)"+strings.TrimSuffix(pattern, "/")+"/**", ":(glob)"+pattern); tracked != "" {
			t.Errorf(".dockerignore leaves out %s, which the repository has: the program would call itself changed", pattern)
		}
	}
	if testing.Short() {
		return
	}
	// As the Dockerfile builds it.
	dir := filepath.Join(t.TempDir(), "src")
	git(root, "clone", "-q", "--no-hardlinks", root, dir)
	out := filepath.Join(t.TempDir(), "greencommunity")
	build := exec.Command("go", "build", "-buildvcs=true", "-trimpath", "-ldflags=-s -w", "-o", out, "./cmd/greencommunity")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, text)
	}
	said, err := exec.Command(out, "version").Output()
	if err != nil || !strings.Contains(string(said), git(dir, "rev-parse", "HEAD")) || strings.Contains(string(said), "dirty") {
		t.Errorf("%v: %s", err, said)
	}
}
