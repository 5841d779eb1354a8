package pipeline

import (
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/mqtt"
)

// What the broker delivers again while the first delivery waits in the same group is
// that message; another packet, or another payload under a number used again, is not.
func TestRedeliveredWithinAGroup(t *testing.T) {
	message := func(id uint16, qos byte, payload string) ingest.Message {
		return ingest.Message{Topic: "t", PacketID: id, QoS: qos, Payload: []byte(payload)}
	}
	first, none := message(7, 1, "a"), message(0, 0, "a")
	waiting := []*ingest.Message{&none, &first}
	for _, c := range []struct {
		id      uint16
		payload string
		want    bool
	}{{7, "a", true}, {8, "a", false}, {7, "b", false}, {0, "a", false}} {
		if got := (&appender{}).within(waiting, nil, &mqtt.Delivery{Message: message(c.id, 1, c.payload), Dup: true}); got != c.want {
			t.Errorf("packet %d %q: %v", c.id, c.payload, got)
		}
	}
}
