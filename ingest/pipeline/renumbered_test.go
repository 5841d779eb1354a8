package pipeline

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// said is a message of the model: which subscription, and what.
type said struct {
	stream         int
	topic, payload string
	copied         bool // by the vendor: which of two equal ones is stored is the same
}

// kinds of places, each a source of messages without a time. Those that say something
// new each time are stored once; the others may be stored twice, and never lost.
var kindsOfDoors = []struct {
	name   string
	differ bool // each message its own
	say    func(r *rand.Rand, stream int) func() said
}{
	{"codes", true, func(r *rand.Rand, stream int) func() said {
		n := 0
		return func() said {
			n++
			return said{stream: stream, topic: fmt.Sprint("g", r.IntN(20)), payload: fmt.Sprint(stream, "/", n)}
		}
	}},
	{"codes, and a vendor that repeats a packet now and then", true, func(r *rand.Rand, stream int) func() said {
		n, last := 0, []said{}
		var again []said
		return func() said {
			if len(again) > 0 {
				m := again[0]
				again = again[1:]
				return m
			}
			n++
			m := said{stream: stream, topic: fmt.Sprint("g", r.IntN(5)), payload: fmt.Sprint(stream, "/", n)}
			if last = append(last, m); len(last) > 1500 {
				last = last[1490:]
				again = append(again[:0:0], last...)
				for i := range again {
					again[i].copied = true
				}
			}
			return m
		}
	}},
	{"lamps of 0 to 2000 W", true, func(r *rand.Rand, stream int) func() said {
		return func() said {
			return said{stream: stream, topic: fmt.Sprint("l", r.IntN(20)), payload: fmt.Sprint(r.IntN(2001))}
		}
	}},
	{"meters of many ranges", false, func(r *rand.Rand, stream int) func() said {
		return func() said {
			i := r.IntN(30)
			return said{stream: stream, topic: fmt.Sprint("m", i), payload: fmt.Sprint(r.IntN(2 << (i / 2)))}
		}
	}},
	{"one meter of 0 to 999", false, func(r *rand.Rand, stream int) func() said {
		return func() said { return said{stream: stream, topic: "m", payload: fmt.Sprint(r.IntN(1000))} }
	}},
	{"one door", false, func(_ *rand.Rand, stream int) func() said {
		return func() said { return said{stream: stream, topic: "g", payload: "open"} }
	}},
	{"one door, open and closed", false, func(_ *rand.Rand, stream int) func() said {
		n := 0
		return func() said { n++; return said{stream: stream, topic: "g", payload: fmt.Sprint(n % 2)} }
	}},
	{"doors in order", false, func(r *rand.Rand, stream int) func() said {
		n, doors := 0, 1+r.IntN(2000)
		return func() said { n++; return said{stream: stream, topic: fmt.Sprint("g", n%doors), payload: "open"} }
	}},
	{"doors in no order", false, func(r *rand.Rand, stream int) func() said {
		doors := 2 + r.IntN(200)
		return func() said { return said{stream: stream, topic: fmt.Sprint("g", r.IntN(doors)), payload: "open"} }
	}},
	{"one door opens most", false, func(r *rand.Rand, stream int) func() said {
		return func() said {
			return said{stream: stream, topic: fmt.Sprint("g", int(r.ExpFloat64()*2)), payload: "open"}
		}
	}},
	{"smoke alarms among codes", false, func(r *rand.Rand, stream int) func() said {
		n := 0
		return func() said {
			if n++; r.IntN(30) == 0 {
				return said{stream: stream, topic: fmt.Sprint("smoke", r.IntN(3)), payload: "alarm"}
			}
			return said{stream: stream, topic: fmt.Sprint("g", r.IntN(20)), payload: fmt.Sprint(stream, "/", n)}
		}
	}},
	{"routines of four steps", false, func(r *rand.Rand, stream int) func() said {
		n, gateway := 0, 0
		return func() said {
			if n++; n%4 == 1 {
				gateway = r.IntN(40)
			}
			return said{stream: stream, topic: fmt.Sprint("g", gateway), payload: fmt.Sprint(n % 4)}
		}
	}},
}

// A broker sends some messages of each subscription again, under any identifiers: a
// piece of what it sent, which ends where the journal does or before, and behind it what
// was on its way when the connection ended. Subscriptions come in any mixture, and in
// any pieces.
func TestSentAgainUnderOtherIdentifiers(t *testing.T) {
	seeds := uint64(25)
	if n, err := strconv.ParseUint(os.Getenv("GREENCOMMUNITY_SEEDS"), 10, 64); err == nil {
		seeds = n
	}
	for _, kind := range kindsOfDoors {
		t.Run(kind.name, func(t *testing.T) {
			again, doubled, fresh := 0, 0, 0
			for seed := range seeds {
				r := rand.New(rand.NewPCG(seed, 7))
				streams := 1 + r.IntN(3)
				index := func(topic string) int { return int(topic[0] - '0') }
				c := &contents{filter: index, streams: map[int]*stream{}, topics: map[uint64]*variety{}}
				next := make([]func() said, streams)
				journaled := make([][]said, streams)
				for i := range next {
					next[i] = kind.say(r, i)
				}
				for range 100 + r.IntN(6000)*r.IntN(2) + 3000 {
					i := r.IntN(streams)
					m := next[i]()
					journaled[i] = append(journaled[i], m)
					c.add(fmt.Sprint(i, m.topic), []byte(m.payload))
				}
				type sent struct {
					said
					new bool
				}
				var queues [][]sent
				total := 0
				for i, have := range journaled {
					from := len(have) - r.IntN(min(len(have), 1+r.IntN(1000)))
					to := len(have)
					if r.IntN(4) == 0 {
						to = from + r.IntN(to-from+1)
					}
					var q []sent
					for _, m := range have[from:to] {
						q = append(q, sent{m, false})
					}
					if to == len(have) {
						for range r.IntN(60) {
							q = append(q, sent{next[i](), true})
						}
					}
					queues, total = append(queues, q), total+len(q)
				}
				var all []sent
				for len(all) < total {
					i := r.IntN(streams)
					for n := 1 + r.IntN(30); n > 0 && len(queues[i]) > 0; n-- {
						all, queues[i] = append(all, queues[i][0]), queues[i][1:]
					}
				}
				seen := 0 // what has come, of which the last lookAhead are held back until the next piece
				for n, m := range all {
					for seen < len(all) && n >= seen-lookAhead {
						seen = min(len(all), seen+1+r.IntN(200))
					}
					var run []item
					for _, f := range all[n:seen] {
						if f.stream == m.stream && len(run) <= lookAhead {
							run = append(run, itemOf(fmt.Sprint(f.stream, f.topic), []byte(f.payload)))
						}
					}
					known := c.again(m.stream, run)
					switch {
					case m.new && known && !m.copied:
						t.Errorf("seed %d: a new message, %+v, is lost, %d of %d", seed, m.said, n, len(all))
					case m.new:
						fresh++
					case !known:
						doubled++
						fallthrough
					default:
						again++
					}
				}
			}
			if kind.differ && doubled*100 > again { // the ends of pieces, and short ones
				t.Errorf("%d of %d sent again are stored twice", doubled, again)
			}
			t.Logf("sent again %d, of these stored twice %d; new %d", again, doubled, fresh)
		})
	}
}

// A message alone says little where nothing else is known.
func TestSentAgainAlone(t *testing.T) {
	c := &contents{filter: func(string) int { return 0 }, streams: map[int]*stream{}, topics: map[uint64]*variety{}}
	c.add("smoke", []byte("alarm"))
	for i := range 5000 {
		c.add(fmt.Sprint("g", i%50), fmt.Append(nil, i))
	}
	if c.again(0, []item{itemOf("smoke", []byte("alarm"))}) {
		t.Error("a second alarm is taken for the first")
	}
	if c.again(0, []item{itemOf("g19", []byte("4969"))}) {
		t.Error("one message alone is enough")
	}
	if !c.again(0, []item{itemOf("g19", []byte("4969")), itemOf("g20", []byte("4970")), itemOf("g21", []byte("4971"))}) {
		t.Error("three of doors that never say the same twice, in order, are stored twice")
	}
	if c.again(0, []item{itemOf("g19", []byte("5019"))}) {
		t.Error("a new message is lost")
	}
}
