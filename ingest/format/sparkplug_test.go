package format

import (
	"testing"
	"time"
)

// The request is a Sparkplug command that says Node Control/Rebirth = true.
func TestRebirthPayload(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	p, err := parseSparkplug(rebirthPayload(now.UnixNano()))
	if err != nil || len(p.metrics) != 1 {
		t.Fatalf("%d metrics, %v", len(p.metrics), err)
	}
	m := p.metrics[0]
	if m.name != "Node Control/Rebirth" || m.value != 1 || !m.isBool || m.datatype != 11 || p.timestamp != uint64(now.UnixMilli()) {
		t.Errorf("%+v at %d", m, p.timestamp)
	}
}
