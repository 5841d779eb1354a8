package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"greencommunity/ingest/durable"
)

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, content := range []string{"a first, longer one", "", "another"} {
		if err := durable.Replace(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q %v, want %q", got, err, content)
		}
	}
	// What cannot be written leaves what was.
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Replace(path, []byte("more"), 0o600); err == nil {
		t.Error("a directory was written to")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "another" {
		t.Errorf("%q %v", got, err)
	}
	if err := durable.Dir(filepath.Join(dir, "none")); err == nil && os.PathSeparator == '/' {
		t.Error("a directory that is not there is durable")
	}
}
