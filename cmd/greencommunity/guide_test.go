package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// guideSection is a format's section of the vendor guide.
type guideSection struct{ yaml, sh, text string }

var guideHeading = regexp.MustCompile("(?m)^### `([a-z0-9-]+)`$")

// readGuide returns the sections by format, and the rest of the guide.
func readGuide(t *testing.T, name string) (map[string]guideSection, string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "vendors", name))
	if err != nil {
		t.Fatal(err)
	}
	guide := string(data)
	sections := map[string]guideSection{}
	heads := guideHeading.FindAllStringSubmatchIndex(guide, -1)
	for i, h := range heads {
		end := strings.Index(guide[h[1]:], "\n## ") + h[1]
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		block := func(kind string) string {
			_, rest, _ := strings.Cut(guide[h[1]:end], "```"+kind+"\n")
			text, _, _ := strings.Cut(rest, "\n```")
			return text
		}
		sections[guide[h[2]:h[3]]] = guideSection{block("yaml"), block("sh"), block("text")}
	}
	return sections, guide
}

// Every format and every reason is in the guide, in both languages, and every
// example publishes and becomes what the guide says.
func TestVendorGuide(t *testing.T) {
	t.Parallel()
	english, text := readGuide(t, "README.md")
	chinese, chineseText := readGuide(t, "README.zh-CN.md")
	for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
		if english[name].sh == "" || english[name].yaml == "" || english[name].text == "" {
			t.Errorf("format %s has no whole section", name)
		}
		if chinese[name] != english[name] {
			t.Errorf("format %s: inventory, example or result differ in the two languages", name)
		}
	}
	for name := range english {
		if _, ok := format.Formats[name]; !ok {
			t.Errorf("the guide has a section on %q, which is no format", name)
		}
	}
	for _, reason := range ingest.Reasons {
		row := regexp.MustCompile("(?m)^\\| `" + string(reason) + "` \\| .{4,} \\| .{4,} \\|$")
		if !row.MatchString(text) || !row.MatchString(chineseText) {
			t.Errorf("reason %s is not in the table of reasons", reason)
		}
	}

	pub := program(t, "mosquitto_pub")
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", Anonymous: true, Users: []embedded.User{{Name: "acme", Password: "secret", Publish: []string{"#", "$oc/#"}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	arrived := make(chan *ingest.Message, 10)
	p := newPublisher(t, broker.Addr())
	// One handler: the library calls every one whose filter matches, and takes #
	// for one of $oc too.
	if token := p.client.Subscribe("#", 1, func(_ mqttClient, m mqttMessage) {
		arrived <- &ingest.Message{Seq: 1, Topic: m.Topic(), Payload: m.Payload(), Received: time.Now().UnixNano()}
	}); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	if token := p.client.Subscribe("$oc/#", 1, nil); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	// The guide's broker is on the usual port.
	tools := t.TempDir()
	_, port, _ := strings.Cut(broker.Addr(), ":")
	if err := os.WriteFile(filepath.Join(tools, "mosquitto_pub"), []byte("#!/bin/sh\nexec "+pub+" -p "+port+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(english)) {
		section := english[name]
		cmd := exec.Command("bash", "-euc", section.sh)
		cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "BROKER=127.0.0.1", "VENDOR=acme", "PASSWORD=secret")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", name, err, out)
			continue
		}
		var m *ingest.Message
		select {
		case m = <-arrived:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: nothing arrived", name)
			continue
		}
		path := filepath.Join(t.TempDir(), "inventory.yaml")
		if err := os.WriteFile(path, []byte("communities: [{id: nancheng, name: 南城社区}]\nvendors:\n- id: acme\n"+section.yaml+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		inv, err := inventory.Load(path, time.FixedZone("", 8*3600))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := decode.NewWorker(inv, inventory.NewRegistry(inv)).Decode(m)
		if have := guideLines(r); have != section.text {
			t.Errorf("%s: %s becomes\n%s\nthe guide says\n%s", name, m.Topic, have, section.text)
		}
	}
}

// guideLines writes what a message becomes as the guide does.
func guideLines(r *decode.Result) string {
	var lines []string
	channel := func(c string) string {
		if c == "" {
			return ""
		}
		return "[" + c + "]"
	}
	if r.Err != nil {
		lines = append(lines, "refused "+r.Err.Error())
	}
	if r.Ignored != "" {
		lines = append(lines, "ignored "+r.Ignored)
	}
	for _, v := range r.Readings {
		unit := " " + v.Quantity.Unit
		if v.Quantity.Kind == ingest.State {
			unit = ""
		}
		lines = append(lines, fmt.Sprintf("%s%s %.10g%s", v.Quantity.Name, channel(v.Channel), v.Value, unit))
	}
	for _, e := range r.Events {
		lines = append(lines, "event "+e.Type+channel(e.Channel))
	}
	for _, u := range r.Unmapped {
		lines = append(lines, "unmapped "+u.Field)
	}
	return strings.Join(lines, "\n")
}

// The whole inventory of the guide is one, and reads what its topic gets.
func TestGuidesWholeInventory(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		_, guide := readGuide(t, name)
		_, after, _ := strings.Cut(guide, "```yaml\ncommunities:")
		text, _, found := strings.Cut(after, "```")
		if !found {
			t.Fatalf("%s has no whole inventory", name)
		}
		inv, err := inventory.Parse([]byte("communities:"+text), time.UTC)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := decode.NewWorker(inv, inventory.NewRegistry(inv)).Decode(&ingest.Message{Seq: 1, Topic: "acme/m1/data", Payload: []byte(`{"total":12.5}`), Received: time.Now().UnixNano()})
		if r.Err != nil || len(r.Readings) != 1 || r.Readings[0].Value != 12.5 {
			t.Errorf("%s: %v, %d readings", name, r.Err, len(r.Readings))
		}
	}
}
