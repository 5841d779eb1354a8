package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"greencommunity/ingest/config"
)

func TestAcknowledge(t *testing.T) {
	for _, c := range []struct{ text, problem string }{
		{"", ""},
		{"acknowledge: journal\n", ""},
		{"acknowledge: stored\n", "give one that nobody can guess"},
		{"acknowledge: now\n", "neither journal nor stored"},
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		text := "data_dir: d\ninventory: i.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1883\"]}\ninfluxdb: {url: \"http://127.0.0.1:8086\", org: o, bucket: b}\n" + c.text
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path)
		switch {
		case c.problem == "" && err != nil:
			t.Errorf("%q: %v", c.text, err)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%q: %v, want %q", c.text, err, c.problem)
		}
	}
}
