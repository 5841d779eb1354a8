package decode

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	inv, err := inventory.Load(path, slices.Sorted(maps.Keys(Formats)), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRedactor(inv)
	payload := []byte(`{"operator":"RecPush","info":{"facesluiceId":"77","VerifyStatus":"1","personName":"Zhuge","idCard":"610102199003077777"}}`)
	for _, n := range []int{1, 900, MaxTopic - 14, MaxTopic, 1100, 60000} {
		if cut := string(r.Redact("mqtt/face/"+strings.Repeat("x", n)+"/Rec", payload)); strings.Contains(cut, "Zhuge") || strings.Contains(cut, "610102") {
			t.Errorf("a device name of %d bytes keeps %s", n, cut)
		}
	}
	if cut := string(r.Redact("mqtt/face/77/Rec", payload)); !strings.Contains(cut, "VerifyStatus") {
		t.Errorf("a topic as it should be keeps %q", cut)
	}
	for _, topic := range []string{"other/topic", strings.Repeat("/", 2000)} {
		if cut := r.Redact(topic, payload); cut != nil {
			t.Errorf("%.20s keeps %s", topic, cut)
		}
	}
}

// What a member that is a word may hold is no number of a person.
func TestPersonalNumbersAreNoWords(t *testing.T) {
	for text, want := range map[string]bool{
		"ZhangSan13912345678": true, "13912345678": true, "139-1234-5678": true, "+8613912345678": true, "8613912345678": true,
		"110105-19491231-002X": true, "11010519491231002X": true, "110105194912310021": true, "id:11010519491231002x": true,
		"RecPush": false, "1375264": false, "aa:bb:cc:dd:ee:ff": false, "a4:14:37:00:11:22": false, "AccessControllerEvent": false,
		"DS-K1T671-20210412": false, "12345678901": false, "": false,
	} {
		if personal(text) != want {
			t.Errorf("personal(%q) = %v", text, !want)
		}
		if want && aWord.keeps(text) {
			t.Errorf("%q is kept as a word", text)
		}
	}
}
