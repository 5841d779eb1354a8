package pipeline

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"greencommunity/ingest"
)

// neverForgets gives times by the rule of spacing, and remembers every topic.
type neverForgets struct {
	last map[string]int64
	wall int64
}

func (s *neverForgets) stamp(topic string, payload []byte, received int64) int64 {
	now := received / 1e6
	if now < s.wall/1e6-stepBack {
		clear(s.last)
	}
	s.wall = received
	given := now
	if last, ok := s.last[topic]; ok && last >= given {
		given = last + 1
	}
	s.last[topic] = given + elements(payload) - 1
	return max(received, given*1e6)
}

// Forgetting topics changes no time: whatever the topics, bursts, sizes and clock,
// which may be set back by a second without being noticed, and by more.
func TestSpacingForgetsNothingThatMatters(t *testing.T) {
	t.Parallel()
	turns, steps := 0, 0
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		topics := []int{3, 500, 6_000, 40_000}[seed%4]
		s, want := newSpacing(), neverForgets{last: map[string]int64{}}
		var journaled []*ingest.Message
		now := int64(1_795_900_000_000_000_000)
		furthest, turnAt, stepped := now, s.turnAt, 0
		for i := range 60_000 {
			now += random.Int64N(1 << (4 + random.Int64N(19))) // up to 4 ms, most of them less
			switch {
			case random.IntN(2000) == 0:
				now += random.Int64N(5e9) // a pause
			case random.IntN(500) == 0:
				now = max(now-random.Int64N(1e9), furthest-stepBack*1e6)
			case random.IntN(20_000) == 0:
				now -= stepBack*1e6 + random.Int64N(60e9)
				furthest, stepped = now, len(journaled)
				steps++
			}
			furthest = max(furthest, now)
			topic, payload := fmt.Sprint("t", random.IntN(topics)), []byte("{}")
			switch random.IntN(1000) {
			case 0: // runs ahead, by up to a minute
				payload = make([]byte, 1+random.IntN(60_000))
				for i := range payload {
					payload[i] = '{'
				}
			case 1:
				payload = []byte("a\nb\nc")
			case 2:
				payload = nil
			}
			got := s.stamp(topic, payload, now)
			if want := want.stamp(topic, payload, now); got != want {
				t.Fatalf("seed %d: message %d of %s at %d: stamped %d, want %d", seed, i, topic, now, got, want)
			}
			journaled = append(journaled, &ingest.Message{Topic: topic, Payload: payload, Received: got})
			if s.turnAt != turnAt || len(s.last.times) == 0 {
				turnAt = s.turnAt
				turns++
			}
		}
		// Started again, no topic is given a time of before: the journal tells it.
		again := newSpacing()
		last := map[string]int64{}
		from := max(0, len(journaled)-20_000)
		for i, m := range journaled[from:] {
			again.journaled(m, now)
			if from+i >= stepped {
				last[m.Topic] = m.Received/1e6 + elements(m.Payload) - 1
			}
		}
		for topic, before := range last {
			if got := again.stamp(topic, nil, now); got/1e6 <= before {
				t.Fatalf("seed %d: started again, %s is stamped %d, and had %d", seed, topic, got/1e6, before)
			}
		}
	}
	if turns < 20 || steps < 5 {
		t.Errorf("tables turned %d times and the clock stepped %d times: that tries little", turns, steps)
	}
}

// What spacing remembers is bounded by the topics of a second or two, also where one
// topic runs ahead of the clock for an hour.
func TestSpacingIsBounded(t *testing.T) {
	t.Parallel()
	ahead := make([]byte, 3_600_000)
	for i := range ahead {
		ahead[i] = '{'
	}
	for name, first := range map[string][]byte{"ordinary": []byte("{}"), "an hour ahead": ahead} {
		s := newSpacing()
		now, most := int64(1_795_900_000_000_000_000), 0
		s.stamp("first", first, now)
		for i := range 200_000 {
			now += 1e6
			s.stamp(fmt.Sprint("t", i), nil, now)
			most = max(most, len(s.last.times)+len(s.before.times))
		}
		if most > 3*fewTopics { // a second has 1,000 of them
			t.Errorf("%s: %d topics are remembered", name, most)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	for _, topics := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(topics), func(b *testing.B) {
			names := make([]string, topics)
			for i := range names {
				names[i] = fmt.Sprintf("greencommunity/v1/c%03d/lighting/d%06d", i%50, i)
			}
			s, payload := newSpacing(), []byte(`{"time":1795392000000,"active_power":35.1,"energy_total":12.345,"light_level":0.61,"light_on":true,"voltage":219.5}`)
			now := int64(1_795_900_000_000_000_000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now += 10_000 // 100,000 a second
				s.stamp(names[i%topics], payload, now)
			}
		})
	}
}
