package decode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// However long its topic, nothing of a terminal's message stays but what may.
func TestRedactedWhateverTheTopic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(`
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: gates
  unknown_devices: accept
  sources: [{topic: "mqtt/face/{device}/+", format: face-gate, community: nancheng, facility: gate}]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRedactor(inv)
	payload := []byte(`{"operator":"RecPush","info":{"facesluiceId":"77","VerifyStatus":"1","personName":"Zhuge","idCard":"610102199003077777"}}`)
	for _, n := range []int{1, 900, format.MaxTopic - 14, format.MaxTopic, 1100, 60000} {
		if _, cut := redact(r, "mqtt/face/"+strings.Repeat("x", n)+"/Rec", payload); strings.Contains(cut, "Zhuge") || strings.Contains(cut, "610102") {
			t.Errorf("a device name of %d bytes keeps %s", n, cut)
		}
	}
	if _, cut := redact(r, "mqtt/face/77/Rec", payload); !strings.Contains(cut, "VerifyStatus") {
		t.Errorf("a topic as it should be keeps %q", cut)
	}
	for _, topic := range []string{"other/topic", strings.Repeat("/", 2000)} {
		if _, cut := r.Redact(topic, payload); cut != nil {
			t.Errorf("%.20s keeps %s", topic, cut)
		}
	}
}

func redact(r *Redactor, topic string, payload []byte) (string, string) {
	topic, payload = r.Redact(topic, payload)
	return topic, string(payload)
}
