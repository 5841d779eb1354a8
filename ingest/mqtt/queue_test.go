package mqtt

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"greencommunity/ingest"
)

// Issue 11: what waits in memory is bounded in bytes, however few the
// messages are and however long nothing takes them.
func TestQueueBoundsBytes(t *testing.T) {
	for name, size := range map[string]int{"8 MiB": 8 << 20, "1 MiB": 1 << 20, "100 KiB": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				q, put := newQueue(), 0
				go func() {
					for ctx.Err() == nil {
						q.put(ctx, []Delivery{{Message: ingest.Message{Topic: "t", Payload: make([]byte, size)}}})
						put++
					}
				}()
				time.Sleep(time.Hour)
				synctest.Wait()
				if most := queueBytes/size + 1; put > most {
					t.Errorf("%d messages read, at most %d", put, most)
				}
				for taken := 0; taken < 2*queueBytes/size+20; taken++ { // and it goes on
					if batch := q.take(ctx); len(batch) != 1 {
						t.Fatalf("message %d: %d", taken, len(batch))
					}
				}
				cancel()
				synctest.Wait()
				for q.poll() != nil {
				}
				if q.bytes != 0 || q.count != 0 {
					t.Errorf("%d bytes, %d messages of an empty queue", q.bytes, q.count)
				}
			})
		})
	}
}
