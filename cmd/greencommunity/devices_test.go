package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/pipeline"
)

// devices lists, forgets and hands over: while the service runs, over a kill right
// after, and while it is stopped, when it is made at the next start.
func TestDevices(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	in := startIngester(t, broker.Addr(), "http://"+db.addr, "")
	inventory := strings.Replace(testInventory, "- id: brightlamp\n", "- id: brightlamp\n  devices_file: devices.csv\n", 1) + `
- id: newlamp
  sources:
  - {topic: "newlamp/{community}/{facility}/{device}", format: native}
- id: listsonly
  unknown_devices: reject
  sources:
  - {topic: "listsonly/{community}/{facility}/{device}", format: native}
`
	for name, text := range map[string]string{"inventory.yaml": inventory, "devices.csv": "id,community,facility,name\nlamp-9,nancheng,lighting,9号灯\nlamp-8,nancheng,lighting,8号灯\n"} {
		if err := os.WriteFile(filepath.Join(in.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in.waitReady()
	in.end(syscall.SIGTERM)
	in.start()
	in.waitReady()
	p := newPublisher(t, broker.Addr())
	n := 0
	report := func(topic string) {
		t.Helper()
		n++
		p.publish(topic, fmt.Appendf(nil, `{"time":%d,"light_level":0.5,"active_power":%d}`, time.Now().UnixMilli(), n))
		in.waitSettled(float64(n), 20*time.Second)
	}
	rejected := func() float64 {
		s, err := in.metrics()
		if err != nil {
			t.Fatal(err)
		}
		return s["greencommunity_messages_rejected_total[reason:not_owner vendor:newlamp]"]
	}
	config := filepath.Join(in.dir, "config.yaml")
	list := func(more ...string) string {
		t.Helper()
		out, err := command(t, append([]string{"devices", "list", "--config", config, "--format", "ndjson"}, more...)...)
		if err != nil {
			t.Fatal(err)
		}
		var text []string
		for line := range strings.Lines(out) {
			var d pipeline.KnownDevice
			if err := json.Unmarshal([]byte(line), &d); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if (d.First == nil) != (d.Messages == 0) || (d.Last == nil) != (d.Messages == 0) || d.Last != nil && time.Since(*d.Last).Abs() > 5*time.Minute {
				t.Errorf("times: %s", line)
			}
			text = append(text, fmt.Sprintf("%s:%s:%s:%d:%v", d.Community, d.Device, d.Vendor, d.Messages, d.Listed))
		}
		return strings.Join(text, " ")
	}
	do := func(want string, args ...string) {
		t.Helper()
		out, err := command(t, append([]string{"devices", args[0], "--config", config}, args[1:]...)...)
		if err != nil {
			out = err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("%v: %s\nwant: %s", args, out, want)
		}
	}
	expect := func(what, want string) {
		t.Helper()
		if got := list(); got != want {
			t.Errorf("%s: %s\nwant: %s", what, got, want)
		}
	}
	const listed = "nancheng:lamp-8:brightlamp:0:true nancheng:lamp-9:brightlamp:1:true"

	report("greencommunity/v1/nancheng/lighting/lamp-9")
	report("greencommunity/v1/nancheng/lighting/lamp-typo")
	for range 3 {
		report("greencommunity/v1/nancheng/lighting/lamp-moves")
	}
	report("greencommunity/v1/xicheng/lighting/lamp-moves")
	expect("heard", listed+" nancheng:lamp-moves:brightlamp:3:false nancheng:lamp-typo:brightlamp:1:false xicheng:lamp-moves:brightlamp:1:false")
	if got := list("--unlisted", "--vendor", "brightlamp", "typo"); got != "nancheng:lamp-typo:brightlamp:1:false" {
		t.Errorf("filtered: %s", got)
	}
	report("newlamp/nancheng/lighting/lamp-moves")
	if rejected() != 1 {
		t.Errorf("not the owner: %v rejected", rejected())
	}

	do(`no device "nothing" is known`, "forget", "nothing")
	do("--community xicheng --facility lighting --vendor brightlamp", "forget", "lamp-moves")
	do("is in a list of the inventory", "forget", "lamp-9")
	do(`no device "nothing" is known`, "forget", "lamp-typo", "nothing")
	do(`vendor "nobody" is not in the inventory`, "hand-over", "--to", "nobody", "lamp-typo")
	do("may have listed devices only", "hand-over", "--to", "listsonly", "lamp-typo")
	do(`device "lamp-typo" is brightlamp's already`, "hand-over", "--to", "brightlamp", "lamp-typo")
	if out, err := command(t, "devices", "--config", config); err != nil || strings.Count(out, "\n") != 6 || !strings.Contains(out, "KNOWN BY") {
		t.Errorf("as a table: %v\n%s", err, out)
	}
	do("lamp-typo of brightlamp is forgotten\n", "forget", "lamp-typo")
	do("lamp-moves is newlamp's, and no longer brightlamp's\n", "hand-over", "--to", "newlamp", "--community", "nancheng", "lamp-moves")
	after := listed + " nancheng:lamp-moves:newlamp:0:false xicheng:lamp-moves:brightlamp:1:false"
	expect("changed", after)
	in.end(syscall.SIGKILL)
	in.start()
	in.waitReady()
	expect("killed and started", after)
	report("newlamp/nancheng/lighting/lamp-moves")
	if rejected() != 1 {
		t.Errorf("handed over: %v rejected", rejected())
	}

	in.end(syscall.SIGTERM)
	after = listed + " nancheng:lamp-moves:newlamp:1:false xicheng:lamp-moves:brightlamp:1:false"
	expect("stopped", after)
	do("at the next start of the service\n", "forget", "--vendor", "newlamp", "lamp-moves")
	do("at the next start of the service\n", "hand-over", "--to", "newlamp", "--vendor", "brightlamp", "lamp-moves")
	after = listed + " xicheng:lamp-moves:newlamp:0:false"
	expect("stopped, changed", after)
	in.start()
	in.waitReady()
	expect("started", after)
	if _, err := os.Stat(filepath.Join(in.dir, "data", "devices.changes")); !os.IsNotExist(err) {
		t.Errorf("changes are made, and wait still: %v", err)
	}
	report("greencommunity/v1/nancheng/lighting/lamp-moves") // whoever may introduce it
	expect("heard again", listed+" nancheng:lamp-moves:brightlamp:1:false xicheng:lamp-moves:newlamp:0:false")
	in.end(syscall.SIGTERM)
	in.start()
	in.waitReady()
	expect("and started", listed+" nancheng:lamp-moves:brightlamp:1:false xicheng:lamp-moves:newlamp:0:false")
}
