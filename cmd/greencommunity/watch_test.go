package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

const watchInventory = `
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: lamps
  unknown_devices: accept
  sources:
  - {topic: "lamps/{device}", format: native, community: nancheng, facility: lighting}
  - {topic: "mqtt/face/{device}/Rec", format: face-gate, community: nancheng, facility: gate}
- id: others
  unknown_devices: accept
  sources: [{topic: "lamps/foreign", format: native, community: nancheng, facility: lighting}]
`

// A vendor's stream is followed with a verdict on each message and counts at
// the end, while the ingester's session is left alone.
func TestWatch(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	dir, _, config := writeConfig(t, broker.Addr(), "http://127.0.0.1:1", "")
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(watchInventory), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UnixMilli()
	messages := []struct{ topic, payload, want string }{
		{"lamps/L1", fmt.Sprintf(`{"time":%d,"active_power":43.2,"colour":"red"}`, now), `accepted  lamps/L1  L1: active_power=43.2  unmapped colour`},
		{"lamps/L1", fmt.Sprintf(`{"time":%d,"active_power":43.2}`, now), `duplicate lamps/L1  L1: active_power=43.2`},
		{"lamps/L1", fmt.Sprintf(`{"time":%d,"active_power":41}`, now-1000), `accepted  lamps/L1  L1: active_power=41  1 out of order`},
		{"lamps/L1", fmt.Sprintf(`{"time":%d,"active_power":43.2}`, now), `duplicate lamps/L1  L1: active_power=43.2`}, // as the service, which remembers four
		{"lamps/L1", fmt.Sprintf(`{"time":%d,"active_power":41}`, now-1000), `duplicate lamps/L1  L1: active_power=41`},
		{"lamps/L2", fmt.Sprintf(`{"time":%d,"active_power":40}`, now-3600_000), `accepted  lamps/L2  L2: active_power=40  1 late`},
		{"lamps/L3", `{"active_power":"n/a"}`, `rejected  lamps/L3  bad_value: active_power: "n/a" is not a number`},
		{"lamps/L3", `{"active_power":1,"voltage":"x"}`, `accepted  lamps/L3  L3: active_power=1  refused voltage: bad_value`},
		{"lamps/L4", `{"active_power":1,"\u001b[2J\u202eoff":"x"}`, "accepted  lamps/L4  L4: active_power=1  unmapped �[2J�off"},
		{"lamps/foreign", `{"active_power":1}`, ""},
		{"mqtt/face/77/Rec", `{"operator":"RecPush","info":{"VerifyStatus":"1","personName":"诸葛小明"}}`, `accepted  mqtt/face/77/Rec  77: event access_granted`},
		{"mqtt/face/77/Rec", `{"operator":"HeartBeat"}`, `ignored   mqtt/face/77/Rec  HeartBeat`},
	}
	var out, log logBuffer
	ended := make(chan error, 1)
	go func() {
		ended <- run(context.Background(), []string{"watch", "--vendor", "lamps", "--config", config, "--count", "11"}, streams{nil, &out, &log})
	}()
	p := newPublisher(t, broker.Addr())
	eventually(t, 10*time.Second, "watching", func() error {
		if !strings.Contains(log.String(), "watching vendor lamps") {
			return fmt.Errorf("log: %s", log.String())
		}
		return nil
	})
	for _, m := range messages {
		p.publish(m.topic, []byte(m.payload))
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("not ended after 11 messages:\n%s", out.String())
	}
	text := out.String()
	if strings.Contains(text, "诸葛小明") {
		t.Error("a person is shown")
	}
	if n := len(regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d`).FindAllString(text, -1)); n != 11 {
		t.Errorf("%d lines, want 11", n)
	}
	for _, m := range messages {
		if !strings.Contains(text, m.want+"\n") && m.want != "" {
			t.Errorf("no line %q", m.want)
		}
	}
	for _, want := range []string{`messages +11`, ` +accepted +6`, ` +rejected +1`, ` +bad_value +1`, ` +ignored +1`, ` +duplicate +3`, `readings +8`, `events +1`, `refused +1`, `unmapped +2`, `late +1`, `out of order +1`, ` +unmapped colour +1`, `of other vendors +1`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(text) {
			t.Errorf("no line %q in the counts", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if err := run(context.Background(), []string{"watch", "--vendor", "nobody", "--config", config}, streams{nil, &out, &log}); err == nil || !strings.Contains(err.Error(), "not in the inventory") {
		t.Errorf("a vendor nobody knows: %v", err)
	}
}
