package pipeline

import (
	"bytes"
	"maps"

	"github.com/cespare/xxhash/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
)

// What carries no time is identified by when it was received, to the
// millisecond that InfluxDB keeps. Two such readings of one series must
// therefore never have the same millisecond, or the second would overwrite the
// first. Three steps keep them apart:
//
//	spacing   the appender: no two messages of one topic, with room between
//	          them for what one may hold more than once; journaled
//	spread    within a message: an array may hold a series more than once
//	stamps    the walker: two topics may feed one series
//
// The first two are functions of the journal alone. The third depends on what
// the walker has seen, so what it decided is kept for as long as the message
// waits for InfluxDB.

// spacing keeps the times received of the messages of one topic a millisecond
// apart. It remembers a topic until its last time is a second past: the clock may be
// set back by as much, and nothing else can be given that time again.
//
// Topics are in two tables, so that those of before are forgotten all at once: to
// look at each of them for that takes longer than all else here.
type spacing struct {
	last, before spacedTopics // what is in both holds as it is in last
	wall         int64        // the clock's last reading, unix ns: stamps of a burst are ahead of it
	turnAt       int          // number of topics in last from which on before is to be forgotten
}

// spacedTopics are the last times given to topics, by their hash, in unix ms.
type spacedTopics struct {
	times map[uint64]int64
	most  int64 // none of the times is later
}

// stepBack sets how far the clock must fall behind itself to be taken as set
// back. Times of before are then no reason to run ahead of the clock.
const stepBack = 1000 // ms

const fewTopics = 4096

func newSpacing() spacing {
	return spacing{last: spacedTopics{times: map[uint64]int64{}}, before: spacedTopics{times: map[uint64]int64{}}, turnAt: fewTopics}
}

// stamp returns the time received of a message, unix nanoseconds. The next one
// of its topic leaves the message a millisecond for each of its elements.
func (s *spacing) stamp(topic string, payload []byte, received int64) int64 {
	now := received / 1e6
	if now < s.wall/1e6-stepBack {
		s.forget()
	}
	s.wall = received
	key, given := xxhash.Sum64String(topic), now
	last, ok := s.last.times[key]
	if !ok {
		last, ok = s.before.times[key]
	}
	if ok && given <= last {
		given = last + 1
	}
	s.give(key, given+elements(payload)-1, now)
	return max(received, given*1e6)
}

// give notes the last time given to a topic, and forgets those that are past.
func (s *spacing) give(key uint64, last, now int64) {
	s.last.times[key] = last
	s.last.most = max(s.last.most, last)
	if len(s.last.times) < s.turnAt {
		return
	}
	past := now - stepBack
	if s.before.most < past {
		s.before.forget()
		s.last, s.before, s.turnAt = s.before, s.last, fewTopics
		return
	}
	// Some are still needed, perhaps one topic that runs ahead of the clock for long.
	for _, t := range []*spacedTopics{&s.last, &s.before} {
		maps.DeleteFunc(t.times, func(_ uint64, last int64) bool { return last < past })
	}
	s.turnAt = max(fewTopics, 2*len(s.last.times), len(s.before.times))
}

func (s *spacing) forget() {
	s.last.forget()
	s.before.forget()
}

func (t *spacedTopics) forget() {
	clear(t.times)
	t.most = 0
}

// journaled notes the time of a message that is in the journal already, in the
// journal's order. What stamp moved has a whole millisecond, and what it left as
// the clock said has not, but once in a million: so the journal alone tells how
// late the clock was, and how far stamps ran ahead of it. What followed a reading
// of the clock that is ahead of now is of a clock that was wrong.
func (s *spacing) journaled(m *ingest.Message, now int64) {
	if m.Received%1e6 != 0 {
		s.wall = m.Received
	}
	if s.wall/1e6 > now/1e6+stepBack {
		s.forget()
		return
	}
	given := m.Received / 1e6
	if last := given + elements(m.Payload) - 1; last >= now/1e6-stepBack && given < now/1e6+rememberedTimes {
		s.give(xxhash.Sum64String(m.Topic), last, now/1e6)
	}
}

// elements returns how often a message may hold one series, at most: a JSON object
// or a line of text each.
func elements(payload []byte) int64 {
	if len(payload) == 0 {
		return 1
	}
	separator := "\n"
	if payload[0] == '{' || payload[0] == '[' {
		separator = "{"
	}
	return int64(max(1, bytes.Count(payload, []byte(separator))))
}

// spread sets readings and events of one series within one message, which carry
// no time, a millisecond apart each, in the order they stand in. It changes r,
// and depends on the message alone.
func spread(r *decode.Result) {
	type series struct {
		device  uint32
		channel string
		name    string
	}
	var given map[series]int64
	next := func(device uint32, channel, name string, at *int64) {
		if given == nil {
			given = map[series]int64{}
		}
		key := series{device, channel, name}
		if last, ok := given[key]; ok && *at <= last {
			*at = last + 1e6
		}
		given[key] = *at
	}
	if len(r.Readings) > 1 {
		for i := range r.Readings {
			if e := &r.Readings[i]; e.TimeSource == ingest.TimeReceived {
				next(r.Devices[i], e.Channel, e.Quantity.Name, &e.Time)
			}
		}
	}
	if len(r.Events) > 1 {
		for i := range r.Events {
			if e := &r.Events[i]; e.TimeSource == ingest.TimeReceived {
				next(r.EventDevices[i], e.Channel, "event "+e.Type, &e.Time)
			}
		}
	}
}

// stamps has, for messages that wait for InfluxDB, the times that differ from
// what the message itself says. The catch-up, which reads it again, needs them.
// It is guarded by Pipeline.mu.
type stamps map[uint64][]retimed

// retimed is the time of one reading, or, from the number of readings on, event.
type retimed struct {
	Index int
	Time  int64 // unix nanoseconds
}

// apply gives the readings and events of a message their times.
func (s stamps) apply(seq uint64, r *decode.Result) {
	for _, each := range s[seq] {
		switch events := each.Index - len(r.Readings); {
		case events < 0:
			r.Readings[each.Index].Time = each.Time
		case events < len(r.Events): // else the inventory has changed since
			r.Events[events].Time = each.Time
		}
	}
}

// waiting returns those of messages that still wait, and forgets the others.
func (s stamps) waiting(pending *pendingSet) stamps {
	maps.DeleteFunc(s, func(seq uint64, _ []retimed) bool { return !pending.has(seq) })
	return maps.Clone(s)
}

// Retimer gives readings and events without a time the times the walker gave
// them, where messages are read again from the journal. It has to be shown the
// messages of a minute before as well, since what it decides depends on them.
type Retimer struct{ seen *seen }

// NewRetimer returns a Retimer that has seen nothing.
func NewRetimer() *Retimer { return &Retimer{newSeen()} }

// Retime changes the times in a message's result, messages in the journal's order.
func (t *Retimer) Retime(r *decode.Result) { t.enter(r) }

func (t *Retimer) enter(r *decode.Result) (duplicates, lates int) {
	spread(r)
	count := func(v verdict) {
		switch v {
		case duplicate:
			duplicates++
		case late:
			lates++
		}
	}
	for i := range r.Readings {
		count(t.seen.reading(r.Devices[i], &r.Readings[i]))
	}
	for i := range r.Events {
		if v := t.seen.event(r.EventDevices[i], &r.Events[i]); v == duplicate {
			count(v) // no event is called late
		}
	}
	return duplicates, lates
}

// Judge judges a message as the walker does, for those who watch beside it: it
// refuses one whose names are too many, gives what carries no time its times, and
// counts the readings and events that repeat others, and the readings that come
// after later ones of their series.
func (t *Retimer) Judge(m *ingest.Message, r *decode.Result) (duplicates, late int) {
	if r.Err != nil || r.Ignored != "" {
		return 0, 0
	}
	if t.seen.names.admit(r, true); r.Err != nil {
		return 0, 0
	}
	t.seen.until = (m.Received + int64(ingest.MaxAhead)) / 1e6
	return t.enter(r)
}
