package inventory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Issue 11: a decoder that cannot be run costs its own devices only; the
// inventory is loaded, and what is wrong names vendor, file and line.
func TestBrokenCodecsCostTheirOwn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.js":  "function Decoder(b) { return {n: b[0]}; }",
		"slip.js":  "function Decoder(b) {\n  return {n: b[0];\n}",
		"other.js": "function other() {}",
		"inventory.yaml": `
communities: [{id: c, name: C}]
vendors:
- id: careless
  unknown_devices: accept
  sources:
  - {topic: "a/{device}", format: raw, community: c, facility: water, codecs: {s: slip.js, o: other.js, m: missing.js}}
- id: careful
  sources:
  - {topic: "b/{device}", format: raw, community: c, facility: water, codecs: {"": good.js}}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inv, err := Load(filepath.Join(dir, "inventory.yaml"), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	broken := inv.BrokenCodecs()
	if len(broken) != 3 {
		t.Fatalf("%d are broken: %v", len(broken), broken)
	}
	for i, want := range []string{"missing.js", "other.js: defines none", "slip.js: Line 2:"} {
		if have := broken[i].Error(); !strings.Contains(have, "vendor careless") || !strings.Contains(have, want) {
			t.Errorf("%q does not say %q", have, want)
		}
	}
}
