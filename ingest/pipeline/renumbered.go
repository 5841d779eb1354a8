package pipeline

import (
	"math"
	"time"

	"github.com/cespare/xxhash/v2"

	"greencommunity/ingest/inventory"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/mqtt"
)

// Some brokers send a message again under another identifier than before, against MQTT
// 3.1.1, 4.4. nats-server does: identifiers begin at 1 when none is in flight, and when
// another node takes the session over. It also sends again, on a connection that goes
// on, what a node that died had acknowledged to nobody. The table of identifiers
// (appender.inFlight) tells nothing there, and with doors that say the same each time it
// tells the wrong thing.
//
// What is left to go by is content and order. Such a broker keeps the messages of a
// subscription in order, and sends again a piece of that order. So a message that is
// marked as sent again is one we have if it and what is sent again behind it stand in the
// journal in this order, in one place only, and it is not to be believed (1 in 2^30) that
// new messages read like that. How readily new messages follow each other like earlier
// ones, and how readily a topic says the same twice, is learned from the journal itself:
// doors that open one after the other in a fixed order prove nothing, lamps whose power
// is one of 2,000 values prove 11 bits each.
//
// Everything else is new: what the broker had sent, and had lost on its way with a node,
// is marked like the rest. A message that is stored twice is less bad than one that is
// lost, and so a door that says the same each time, and one or two messages that are
// sent again alone, are stored twice.
type contents struct {
	last    uint64 // number of the last message of the journal that is in here
	used    time.Time
	inv     *inventory.Inventory
	filter  func(topic string) int
	streams map[int]*stream
	topics  map[uint64]*variety
}

const (
	contentsWindow = 1 << 16 // messages at the journal's end that are looked at
	contentsKept   = 30 * time.Second
	lookAhead      = 64
	enough         = 30 // bits
	mostPlaces     = 1 << 12
	experience     = 64 // repeated messages from which on the stream's order is known
	someVariety    = 3
	sure           = 8 // bits of a topic's own from which on the order of others tells nothing
	holdFor        = 300 * time.Millisecond
)

// stream holds the messages of one subscription as the journal has them, in order.
type stream struct {
	hashes []uint64
	places map[uint64][]int32 // of a content
	next   int                // the message that may be sent again next; -1: no run
	// How often a message followed one as it had followed the same one before.
	seen, followed int
}

// variety says how a topic repeats itself.
type variety struct{ messages, repeats, pairs int }

func contentOf(topic string, payload []byte) uint64 {
	return xxhash.Sum64String(topic)*31 + xxhash.Sum64(payload)
}

func newContents(inv *inventory.Inventory) *contents {
	return &contents{inv: inv, filter: inv.FilterIndex(), streams: map[int]*stream{}, topics: map[uint64]*variety{}}
}

// read takes in what the journal has got since, of the last contentsWindow messages.
func (c *contents) read(j *journal.Journal) error {
	last := j.Last()
	if last == c.last {
		return nil
	}
	r := j.Read(max(c.last+1, last-min(last, contentsWindow)+1))
	defer r.Close()
	for r.Next() {
		if m := r.Message(); m.QoS > 0 {
			c.add(m.Topic, m.Payload)
		}
	}
	c.last = last
	return r.Err()
}

func (c *contents) add(topic string, payload []byte) {
	i := c.filter(topic)
	s := c.streams[i]
	if s == nil {
		s = &stream{places: map[uint64][]int32{}, next: -1}
		c.streams[i] = s
	}
	name := xxhash.Sum64String(topic)
	v := c.topics[name]
	if v == nil {
		v = &variety{}
		c.topics[name] = v
	}
	h, n := contentOf(topic, payload), len(s.hashes)
	v.messages++
	if equal := len(s.places[h]); equal > 0 {
		v.repeats++
		v.pairs += equal
	}
	if n > 0 {
		if before := s.places[s.hashes[n-1]]; len(before) > 1 {
			s.seen++
			if s.hashes[before[len(before)-2]+1] == h {
				s.followed++
			}
		}
	}
	s.hashes, s.places[h] = append(s.hashes, h), append(s.places[h], int32(n))
}

// item is a message that is marked as sent again.
type item struct{ content, topic uint64 }

// weight returns how many bits speak against chance where a message equals the one that
// the journal has next: few for a content that a topic repeats all day, many for a rare one.
func (c *contents) weight(s *stream, m item) float64 {
	if v := c.topics[m.topic]; v != nil && v.messages >= someVariety {
		n := float64(v.messages) // n²/2 pairs could have been equal
		bits := math.Log2(n * n / 2 / float64(v.pairs+1))
		if bits >= sure || s.seen < experience {
			return max(0, bits)
		}
	}
	if s.seen < experience {
		return 0
	}
	return math.Log2(float64(s.seen+2) / float64(s.followed+1))
}

// novelty returns how many bits speak against chance where the journal has an equal message
// anywhere.
func (c *contents) novelty(m item) float64 {
	v := c.topics[m.topic]
	if v == nil || v.messages < someVariety {
		return 0
	}
	return math.Log2(float64(v.messages+2) / float64(v.repeats+1))
}

// again reports whether the first of some messages of one stream, which are all marked
// as sent again and follow each other, is one that the journal has.
func (c *contents) again(filter int, messages []item) bool {
	s := c.streams[filter]
	if s == nil {
		return false
	}
	m := messages[0]
	places := s.places[m.content]
	if p := s.next; p >= 0 {
		if s.hashes[p] == m.content && c.fits(s, p, messages[1:]) {
			s.goOn(p)
			return true
		}
		s.next = -1
	}
	if len(places) > mostPlaces {
		return false
	}
	places = append([]int32(nil), places...)
	bits := c.novelty(m)
	for k, f := range messages[1:] {
		kept := places[:0]
		for _, p := range places {
			if at := int(p) + 1 + k; at < len(s.hashes) && s.hashes[at] == f.content {
				kept = append(kept, p)
			}
		}
		if places = kept; len(places) == 0 {
			return false
		}
		if bits += c.weight(s, f); bits >= enough && len(places) == 1 {
			s.goOn(int(places[0]))
			return true
		}
		if k == lookAhead/8 && bits < enough/8 {
			return false // it comes to nothing at this pace
		}
	}
	return false
}

// fits reports whether what follows a message of a run belongs to the run as well: a
// broker may send less than the rest again, and a new message behind that may read like
// the next one. What goes on to the journal's end is a whole.
func (c *contents) fits(s *stream, p int, following []item) bool {
	bits := 0.0
	for _, f := range following {
		if p++; p == len(s.hashes) || bits >= enough {
			return true
		}
		if s.hashes[p] != f.content {
			return false
		}
		bits += c.weight(s, f)
	}
	return bits >= enough || p+1 == len(s.hashes)
}

func (s *stream) goOn(p int) {
	if s.next = p + 1; s.next == len(s.hashes) {
		s.next = -1
	}
}

// identifiers watches how the broker gives identifiers.
type identifiers struct {
	epoch uint32
	last  uint16 // identifier of the last message
	backs int    // how often new messages went back to smaller ones on this connection
	// again is the last connection on which the first message that was marked as sent
	// again had a smaller identifier than one before, and not one in flight.
	again uint32
}

// back reports whether an identifier is less than the last one, other than by counting
// on from 65,535.
func (i *identifiers) back(id uint16) bool { return id < i.last && i.last-id < 1<<15 }

// given notes the identifier of a message that the journal did not have, and reports
// whether the broker has shown to give identifiers anew.
func (i *identifiers) given(d *mqtt.Delivery) bool {
	if d.Epoch != i.epoch {
		i.epoch, i.backs = d.Epoch, 0
	} else if !d.Dup && i.back(d.PacketID) {
		i.backs++
	}
	i.last = d.PacketID
	return i.backs >= 3
}

// byContent reports whether a message marked as sent again may have another identifier
// than before.
func (a *appender) byContent(d *mqtt.Delivery) bool {
	return a.renumbers.Load() || d.Epoch == a.identifiers.again || a.identifiers.back(d.PacketID)
}

// stands reports whether a message marked as sent again, whose identifier does not tell,
// stands in the journal. following has what came behind it, in order.
func (a *appender) stands(d *mqtt.Delivery, following []*mqtt.Delivery, further [][]*mqtt.Delivery) bool {
	a.identifiers.again = d.Epoch
	inv := a.p.inventory.Load()
	c := a.contents
	if c == nil || c.inv != inv || a.p.journal.Last()-c.last > contentsWindow {
		c = newContents(inv)
		a.contents = c
	}
	c.used = time.Now()
	if err := c.read(a.p.journal); err != nil {
		a.p.log.Warn("the journal's end was not read: messages without a device's time that the broker sends again may be stored twice", "error", err)
		return false
	}
	filter := c.filter(d.Topic)
	run := append(a.items[:0], itemOf(d.Topic, d.Payload))
	for i := -1; i < len(further); i++ {
		if i >= 0 {
			following = further[i]
		}
		for _, f := range following {
			if len(run) > lookAhead {
				break
			}
			if !f.Dup || f.QoS == 0 || f.Epoch != d.Epoch {
				continue
			}
			if topic, payload := a.p.redactor.Load().Redact(f.Topic, f.Payload); c.filter(topic) == filter {
				run = append(run, itemOf(topic, payload))
			}
		}
	}
	a.items = run
	return c.again(filter, run)
}

func itemOf(topic string, payload []byte) item {
	return item{contentOf(topic, payload), xxhash.Sum64String(topic)}
}

// hold says how many of the last deliveries are held back until it is seen what follows
// them: only those marked as sent again by a broker that gives identifiers anew, and the
// last lookAhead of them.
func (a *appender) hold(deliveries []*mqtt.Delivery) int {
	n := 0
	for n < len(deliveries) && n < lookAhead {
		d := deliveries[len(deliveries)-1-n]
		if !d.Dup || d.QoS == 0 {
			break
		}
		n++
	}
	if n == 0 || !a.byContent(deliveries[len(deliveries)-n]) {
		return 0
	}
	return n
}

// forget lets go of the journal's contents when nothing has been sent again for a while.
func (a *appender) forget() {
	if a.contents != nil && time.Since(a.contents.used) > contentsKept {
		a.contents, a.items = nil, nil
	}
}
