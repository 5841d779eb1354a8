package influx

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/enginetest"
)

// InfluxDB 2.7 deletes what has the tags, within the time, the end not included.
func TestDelete27(t *testing.T) {
	db := enginetest.StartInfluxDB(t, 0)
	w := writer27(db, enginetest.Bucket, db.Token)
	defer w.Close()
	ctx, start := context.Background(), time.Now().Add(-time.Hour).Truncate(time.Second)
	var lines strings.Builder
	for i := range 60 {
		at := start.Add(time.Duration(i) * time.Minute).UnixMilli()
		for _, device := range []string{"door\\ 1", "二号"} {
			fmt.Fprintf(&lines, "gate,community=c,device=%s pass_in=1 %d\nusage,community=d,device=%s used=1 %d\n", device, at, device, at)
		}
	}
	if refused, err := w.Write(ctx, []byte(lines.String())); err != nil || len(refused) > 0 {
		t.Fatalf("%v %v", refused, err)
	}
	for _, step := range []struct {
		tags        map[string]string
		from, to    time.Time
		gate, usage int64
	}{
		{map[string]string{"device": "door 1"}, start.Add(10 * time.Minute), start.Add(20 * time.Minute), 110, 110},
		{map[string]string{"device": "door 1", "community": "d"}, time.Time{}, time.Time{}, 110, 60},
		{map[string]string{"device": "二号"}, time.Time{}, time.Time{}, 50, 0},
		{map[string]string{"community": "c"}, time.Time{}, time.Time{}, 0, 0},
	} {
		if err := w.Delete(ctx, step.tags, step.from, step.to); err != nil {
			t.Fatalf("%v: %v", step.tags, err)
		}
		gate, usage := count27(t, db, "SELECT count(pass_in) FROM gate"), count27(t, db, "SELECT count(used) FROM usage")
		if gate != step.gate || usage != step.usage {
			t.Errorf("%v: %d and %d points are left, want %d and %d", step.tags, gate, usage, step.gate, step.usage)
		}
	}
	if err := writer27(db, enginetest.Bucket, "wrong").Delete(ctx, map[string]string{"device": "x"}, time.Time{}, time.Time{}); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with a wrong token: %v", err)
	}
}
