package usage

import (
	"slices"

	"greencommunity/ingest"
)

var _ ingest.Rewinder = (*Book)(nil)

// Rewind brings what was booked at times that have not come yet to now, unix
// nanoseconds: the clock was ahead, and has been set back. All that was used stays
// booked, on today where its day has not come; registers go on from now, so that
// their next reads are no late ones. Hours that InfluxDB was told of already are
// told again when they come. A clock that was ahead by more than two years has had
// the days of before dropped.
func (b *Book) Rewind(now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(now)
	today, this := b.today.day, int32(now/hour)
	b.points = slices.DeleteFunc(b.points, func(p point) bool { return p.Hour > this })
	met := map[uint16]uint32{} // meters that are of today's for the first time
	number := uint32(0)
	for e := range b.entries.All() {
		number++
		e.rewind(now)
		b.rewindHours(number, e, this)
		if int32(e.First) > today && b.counts(e) {
			met[e.Place]++
		}
		e.First, e.Last = min(e.First, uint16(today)), min(e.Last, uint16(today))
	}
	b.reorder() // first days may be others
	for i := range b.places {
		b.rewindDays(uint16(i), today, met[uint16(i)])
	}
	for key, s := range b.seeds {
		b.seeds[key] = mark{min(s.At, now), s.Value}
	}
	for key, s := range b.seeded {
		b.seeded[key] = mark{min(s.At, now), s.Value}
	}
	b.hour = min(b.hour, int32((now-settled)/hour))
	if b.day != 0 { // else nobody asks what time it is
		b.day, b.next, b.flush = today, b.today.end, now-now%flushEvery+flushEvery
	}
	b.running, b.behind = append(b.running, b.behind...), b.behind[:0]
}

// rewind makes times that have not come now.
func (r *register) rewind(now int64) {
	for _, m := range []*mark{&r.Begin, &r.Previous, &r.Last} {
		m.At = min(m.At, now)
	}
	if r.CandidateFrom.At > now || r.CandidAt.At > now { // asked again, with times that are right
		r.Candidates, r.CandidateFrom, r.CandidAt = 0, mark{}, mark{}
	}
	if to := seconds(now); r.BoldTo > to { // no longer to be taken back where it was entered
		r.BoldFrom, r.BoldTo, r.Bold = 0, 0, 0
	}
	if r.Previous.At == r.Last.At {
		r.Flags &^= whole
	}
}

// rewindHours adds the hours of an entry that have not come to the one that runs.
func (b *Book) rewindHours(number uint32, e *entry, this int32) {
	if e.Hours[0].Hour <= this {
		return
	}
	var ahead Amount
	kept := [2]cell{}
	n := 0
	for _, c := range e.Hours {
		switch {
		case c.Hour > this:
			ahead += c.Used
		case c.Hour != 0:
			kept[n] = c
			n++
		}
	}
	if kept[0].Hour != this {
		kept[1], kept[0] = kept[0], cell{Hour: this}
	}
	kept[0].Used += ahead
	e.Hours = kept
	b.run(number, e)
}

// rewindDays adds the days of a place that have not come to today.
func (b *Book) rewindDays(number uint16, today int32, met uint32) {
	p := &b.places[number]
	if len(p.Days) == 0 || p.First+int32(len(p.Days))-1 <= today {
		return
	}
	var ahead Amount
	for i := max(0, today+1-p.First); i < int32(len(p.Days)); i++ {
		ahead += p.Days[i].Used
	}
	p.Days = p.Days[:max(0, today+1-p.First)]
	b.days = slices.DeleteFunc(b.days, func(d dayOf) bool { return d.Place == number && d.Day > today })
	if d := b.dayOf(number, today); d != nil {
		d.Used += ahead
		d.Meters += met
	}
}
