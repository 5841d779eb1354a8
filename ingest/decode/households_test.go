package decode

import (
	"os"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

// A household is the same number all day, over a restart too, and another the next day;
// nothing of it is kept, however it is written.
func TestHouseholds(t *testing.T) {
	inv := inventorytest.Parse(t, inventorytest.Native, inventorytest.Zone)
	dir := t.TempDir()
	day := time.Date(2026, 11, 28, 15, 59, 0, 0, time.UTC) // 23:59 at the site
	open := func(at time.Time) *Redactor {
		r := NewRedactor(inv)
		r.Households = OpenHouseholds(dir, inventorytest.Zone)
		r.Households.now = func() time.Time { return at }
		return r
	}
	const topic = "greencommunity/v1/nancheng/waste/station-1"
	w := NewWorker(inv, inventory.NewRegistry(inv))
	code := func(r *Redactor, payload string) string {
		t.Helper()
		_, kept := r.Redact(topic, []byte(payload))
		if strings.Contains(string(kept), "3-2-501") {
			t.Fatalf("%s is kept as %s", payload, kept)
		}
		_, again := r.Redact(topic, kept)
		if string(again) != string(kept) {
			t.Errorf("%s becomes %s the second time", kept, again)
		}
		result := w.Decode(&ingest.Message{Topic: topic, Payload: kept, Received: day.UnixNano()})
		if result.Err != nil {
			return result.Err.Error()
		}
		if len(result.Unmapped) > 0 {
			t.Errorf("unmapped: %v", result.Unmapped)
		}
		return result.Events[0].Code
	}
	const deposit = `{"event":"deposit","household":"3-2-501"}`
	r := open(day)
	first := code(r, deposit)
	if len(first) != 19 {
		t.Fatalf("%q", first)
	}
	for _, same := range []string{deposit, `[{"event":"deposit","household":"3-2-501"}]`, `{"event":"deposit","hous\u0065hold":"3-2-501"}`, `{"event":"deposit","household":"3-2-\u00350\u0031"}`} {
		if got := code(r, same); got != first {
			t.Errorf("%s is %s, not %s", same, got, first)
		}
	}
	if got := code(open(day), deposit); got != first {
		t.Error("another number after a restart")
	}
	if got := code(r, `{"event":"deposit","household":"3-2-502"}`); got == first {
		t.Error("two households are one")
	}
	old, err := os.ReadFile(dir + "/households.key")
	if err != nil {
		t.Fatal(err)
	}
	if got := code(open(day.Add(2*time.Minute)), deposit); got == first {
		t.Error("the same number the next day")
	}
	if now, err := os.ReadFile(dir + "/households.key"); err != nil || string(now) == string(old) {
		t.Error("yesterday's key is still there", err)
	}
	if got := code(NewRedactor(inv), deposit); got != "" {
		t.Errorf("without a key: %q", got)
	}
	for _, broken := range []string{`{"event":"deposit","household":"3-2-501"`, `{"household":"3-2-501","household":"3-2-501","event":"deposit"}`} {
		code(r, broken)
	}
	if _, kept := r.Redact(topic, []byte(`{"fill_level":0.5}`)); string(kept) != `{"fill_level":0.5}` {
		t.Errorf("%s", kept)
	}
}
