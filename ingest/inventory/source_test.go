package inventory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A topic no message can match as it is meant, and a source no message of which
// can belong anywhere, are refused with the cure. Case operations/18.
func TestOperations18ShareTopic(t *testing.T) {
	load := func(text string) error {
		path := filepath.Join(t.TempDir(), "inventory.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "devices.csv"), []byte("id,community,facility\nm1,nancheng,water\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, time.UTC)
		return err
	}
	const communities = "communities: [{id: nancheng, name: 南城}]\nvendors:\n- id: acme\n"
	for _, c := range []struct{ name, vendor, want string }{
		{"shared", `  sources: [{topic: "$share/g1/greencommunity/v1/{community}/{facility}/{device}", format: native}]`,
			`give the topic itself, "greencommunity/v1/{community}/{facility}/{device}", and divide communities between instances with shard`},
		{"queue of EMQX", `  sources: [{topic: "$queue/x/{community}/{device}", format: native, facility: water}]`, `give the topic itself, "x/{community}/{device}"`},
		{"shared, nothing behind", `  sources: [{topic: "$share/g", format: native, community: nancheng}]`, "shared subscription"},
		{"no community", `  sources: [{topic: "acme/{device}/up", format: native, facility: water}]`, "names no community"},
		{"no community, a wildcard in its place", `  sources: [{topic: "acme/+/{facility}/{device}", format: native}]`, "names no community"},
		{"no community, unlisted accepted", "  unknown_devices: accept\n  sources: [{topic: \"acme/#\", format: native, facility: water}]", "names no community"},
		{"community of the source", `  sources: [{topic: "acme/{device}/up", format: native, facility: water, community: nancheng}]`, ""},
		{"community in the topic", `  sources: [{topic: "acme/{community}/{device}", format: native, facility: water}]`, ""},
		{"community of listed devices", "  devices: [{id: m1, community: nancheng, facility: water}]\n  sources: [{topic: \"acme/{device}/up\", format: native}]", ""},
		{"community of a file of devices", "  devices_file: devices.csv\n  sources: [{topic: \"acme/{device}/up\", format: native}]", ""},
		{"community in the payload", `  sources: [{topic: "acme/up", format: json, facility: water, json: {device: sn, community: area}}]`, ""},
		{"$SYS-like topics of platforms", `  sources: [{topic: "$oc/devices/{device}/sys/properties/report", format: native, community: nancheng, facility: water}]`, ""},
	} {
		err := load(communities + c.vendor)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
	root := os.Getenv("GREENCOMMUNITY_CASES")
	if root == "" {
		return
	}
	for _, dir := range []string{filepath.Join(root, "field/operations/18-share-topic"), filepath.Join(root, "operations/18-share-topic")} {
		path := filepath.Join(dir, "inventory.yaml")
		if _, err := os.Stat(path); err == nil {
			if _, err := Load(path, time.UTC); err == nil || !strings.Contains(err.Error(), "shared subscription") {
				t.Errorf("%s: %v", path, err)
			}
			return
		}
	}
	t.Errorf("case 18 is not below %s", root)
}
