package pipeline

import (
	"fmt"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/journal"
)

// A broker that had a whole backlog in flight sends its end again, and then what is new.
func TestResentBacklog(t *testing.T) {
	const n = 150_000
	for _, c := range []struct {
		name    string
		payload func(i int) string
		from    int // the first that is sent again
		doubled int // of what is sent again, stored twice
	}{
		{"each its own", func(i int) string { return fmt.Sprint(i) }, 4_000, 0},
		{"each its own, all of them", func(i int) string { return fmt.Sprint(i) }, 0, 0},
		{"twenty doors, one after the other", func(i int) string { return fmt.Sprint(i % 20) }, 140_000, 0},
		{"twenty doors in no order", func(i int) string { return fmt.Sprint(i * i % 8191 % 20) }, 4_000, 0},
		// Nothing tells one from another but its identifier, which three of them have:
		// the last round of identifiers is known again, and what may be new is kept.
		{"one door, the last round", func(int) string { return "open" }, 140_000, 0},
		{"one door, all of them", func(int) string { return "open" }, 4_000, n - 4_000 - (n-4_000)%65_535},
		{"nothing again", func(int) string { return "open" }, n, 0},
		{"nothing again, each its own", func(i int) string { return fmt.Sprint(i) }, n, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, err := journal.Open(journal.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			message := func(i int) *ingest.Message {
				return &ingest.Message{Topic: "gate/door", QoS: 1, PacketID: uint16(i%65_535 + 1), Payload: []byte(c.payload(i))}
			}
			var group []*ingest.Message
			for i := range n {
				if group = append(group, message(i)); len(group) == 5_000 {
					if err := j.Append(group); err != nil {
						t.Fatal(err)
					}
					group = group[:0]
				}
			}
			var r resent
			again := func(i int) bool {
				m := message(i)
				if r.epoch == 0 {
					if err := r.begin(j, 1, 0, m.PacketID, hashOf(m)); err != nil {
						t.Fatal(err)
					}
				}
				again, _ := r.next(m.PacketID, hashOf(m))
				return again
			}
			doubled, lost := 0, 0
			for i := c.from; i < n; i++ {
				if !again(i) {
					doubled++
				}
			}
			for i := n; i < n+500; i++ { // were sent on the connection that ended, and not read
				if again(i) {
					lost++
				}
			}
			if doubled != c.doubled || lost != 0 {
				t.Errorf("%d of %d sent again are stored twice, and should be %d; %d new ones are lost", doubled, n-c.from, c.doubled, lost)
			}
		})
	}
}
