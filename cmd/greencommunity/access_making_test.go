package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"greencommunity/cmd/internal/serve"
)

// What the commands print is a section that the service takes.
func TestAccessCommands(t *testing.T) {
	t.Parallel()
	run := func(in string, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if err := run(context.Background(), append([]string{"access"}, args...), streams{strings.NewReader(in), &out, &out}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	hash := strings.TrimSpace(run("a good password\n", "password"))
	key := run("", "key", "城管局", "--scopes", "read,alarms", "--communities", "nancheng")
	_, line, ok := strings.Cut(key, "config.yaml:\n")
	if !ok {
		t.Fatal(key)
	}
	_, _, path := writeConfig(t, "127.0.0.1:1", "http://127.0.0.1:1", "")
	config, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	section := fmt.Sprintf("\naccess:\n  users:\n  - {name: wang, role: leader, password: %q}\n  keys:\n%s", hash, line)
	if err := os.WriteFile(path, append(config, section...), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := serve.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(settings.Access.Users) != 1 || len(settings.Access.Keys) != 1 || len(settings.Access.Keys[0].Scopes) != 2 {
		t.Errorf("%+v", settings.Access)
	}
}
