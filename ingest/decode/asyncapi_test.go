package decode

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// docs/asyncapi.yaml has the structure AsyncAPI 3.0 asks for, its references
// lead somewhere, and it says what the program does: every format with its
// topics, every reason.
func TestAsyncAPI(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.UnmarshalWithOptions(text, &doc, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if doc["asyncapi"] != "3.0.0" {
		t.Errorf("asyncapi is %v", doc["asyncapi"])
	}
	get := func(path ...string) any {
		var v any = doc
		for _, p := range path {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[p]
		}
		return v
	}
	for _, member := range [][]string{{"info", "title"}, {"info", "version"}, {"servers", "bureau", "host"}, {"servers", "bureau", "protocol"}} {
		if s, _ := get(member...).(string); s == "" {
			t.Errorf("no %v", member)
		}
	}
	for name := range doc {
		if !slices.Contains([]string{"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"}, name) {
			t.Errorf("%q is no member of an AsyncAPI document", name)
		}
	}
	// Every reference leads to something.
	references := 0
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				references++
				rest, local := strings.CutPrefix(ref, "#/")
				if !local || get(strings.Split(rest, "/")...) == nil {
					t.Errorf("%s: %s leads nowhere", path, ref)
				}
			}
			for k, member := range v {
				walk(path+"/"+k, member)
			}
		case []any:
			for i, member := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), member)
			}
		}
	}
	walk("", doc)
	if references < 2*len(format.Formats) {
		t.Errorf("%d references", references)
	}

	channels, _ := doc["channels"].(map[string]any)
	operations, _ := doc["operations"].(map[string]any)
	parameter := regexp.MustCompile(`\{([^}]*)\}`)
	topics := map[string][]string{} // by format
	used := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(operations)) {
		o := operations[id].(map[string]any)
		if o["action"] != "send" && o["action"] != "receive" {
			t.Errorf("operation %s: action %v", id, o["action"])
		}
		ref, _ := o["channel"].(map[string]any)["$ref"].(string)
		used[strings.TrimPrefix(ref, "#/channels/")] = o["action"].(string)
	}
	for _, id := range slices.Sorted(maps.Keys(channels)) {
		c := channels[id].(map[string]any)
		address, _ := c["address"].(string)
		messages, _ := c["messages"].(map[string]any)
		if address == "" || len(messages) == 0 || used[id] == "" {
			t.Errorf("channel %s: address %q, %d messages, action %q", id, address, len(messages), used[id])
		}
		if strings.ContainsAny(address, "+#?") {
			t.Errorf("channel %s: %q has a wildcard; parameters stand for them", id, address)
		}
		parameters, _ := c["parameters"].(map[string]any)
		found := parameter.FindAllStringSubmatch(address, -1)
		for _, p := range found {
			if parameters[p[1]] == nil {
				t.Errorf("channel %s: parameter %s is not described", id, p[1])
			}
		}
		if len(found) != len(parameters) {
			t.Errorf("channel %s: %d parameters, %d described", id, len(found), len(parameters))
		}
		if format, ok := c["x-format"].(string); ok && c["x-example"] == nil {
			topics[format] = append(topics[format], address)
		} else if ok {
			topics[format] = nil
		}
	}
	wildcards := strings.NewReplacer("{rest}", "#")
	for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
		documented, ok := topics[name]
		if !ok {
			t.Errorf("format %s has no channel", name)
		}
		var have []string
		for _, a := range documented {
			have = append(have, regexp.MustCompile(`\{any\d\}`).ReplaceAllString(wildcards.Replace(a), "+"))
		}
		want := slices.Sorted(slices.Values(format.Formats[name].Topics))
		if slices.Sort(have); !slices.Equal(have, want) {
			t.Errorf("format %s: channels are %q, its topics %q", name, have, want)
		}
	}
	for name := range topics {
		if _, ok := format.Formats[name]; !ok {
			t.Errorf("channel of %q, which is no format", name)
		}
	}
	var reasons []ingest.Reason
	list, _ := get("components", "schemas", "refusal", "properties", "reason", "enum").([]any)
	for _, r := range list {
		reasons = append(reasons, ingest.Reason(fmt.Sprint(r)))
	}
	if !slices.Equal(reasons, ingest.Reasons) {
		t.Errorf("reasons are %v, want %v", reasons, ingest.Reasons)
	}
}
