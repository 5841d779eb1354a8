package notify

import (
	"testing"

	"greencommunity/ingest"
)

// How big it is, where there is no figure: a fire that is only reported is no matter of water or power.
func TestBig(t *testing.T) {
	for kind, want := range map[string]string{"fire_reported": "可能有明火，以现场为准", "smoke": "可能有明火，以现场为准", "held_open": "不直接损失水电"} {
		if got := (&item{Kind: kind, Unit: "1"}).big(); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
	n, of := 500.0, 510.0
	if got := (&item{Kind: "at_once", Unit: "1", Scope: "county", Value: &n, Expected: &of, Title: ingest.Text{ZH: "照明设备同时“白天亮灯”"}}).big(); got != "500台，共510台" {
		t.Errorf("%q", got)
	}
}
