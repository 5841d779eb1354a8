package journal

import (
	"os"
	"sort"
	"time"

	"greencommunity/ingest"
)

// records reads the messages of a segment, one record after the other.
type records struct {
	pages   pageReader
	block   block
	damaged bool   // something was passed over
	last    uint64 // number of the last message of the record before, 0 if there is none
	at      int64  // offset behind that record
}

// mostPerByte bounds how many messages a byte of a segment can hold: a block
// holds blockBytes of at least 21 bytes each, in 35 bytes or more.
const mostPerByte = 32

// follows reports whether a record's numbers can come after those of the record
// before it. Looking for a record behind damage may find one in a payload, with
// a right CRC, put there by who sent it; it must not number the messages.
func (r *records) follows(first, last uint64) bool {
	if last < first {
		return false
	}
	if r.last > 0 && (first <= r.last || first-r.last-1 > uint64(r.pages.whole-r.at)*mostPerByte) {
		return false
	}
	r.last, r.at = last, r.pages.whole
	return true
}

// next reads the next message into m, from what lies before limit; false at the
// end. Blocks that end before least are passed over.
func (r *records) next(limit int64, least uint64, m *ingest.Message) (bool, error) {
	for {
		more := len(r.block.rest) > 0
		if r.block.next(m) {
			return true, nil
		}
		if more {
			r.damaged = true
		}
		record, err := r.pages.next(limit)
		if r.pages.damaged {
			r.damaged, r.pages.damaged = true, false
		}
		if record == nil || err != nil {
			return false, err
		}
		first, last := numbers(record)
		if !r.follows(first, last) {
			r.damaged = true
			continue
		}
		if record[0] == blockVersion && last < least {
			continue
		}
		if r.block.set(record) != nil {
			r.damaged = true
		}
	}
}

// Reader reads messages in order. It is for one goroutine.
type Reader struct {
	j       *Journal
	next    uint64 // the first message wanted
	index   int    // segment being read, -1 before the first
	limit   int64  // what of it is durable
	before  uint64 // the first message of the segment behind it, 0 while there is none
	file    *os.File
	records records
	told    bool // damage of this segment was logged
	message ingest.Message
	err     error
}

// Read returns a reader whose first message is seq, or the first one after it
// that is still there.
func (j *Journal) Read(seq uint64) *Reader {
	return &Reader{j: j, next: max(seq, 1), index: -1}
}

// Next reports whether there is a further durable message, and makes it the
// current one. After false without an error it may be called again later, when
// more has been appended. Numbers that are left out between two messages are of
// messages that are damaged, or whose segment is gone.
func (r *Reader) Next() bool {
	for r.err == nil {
		if r.file == nil && !r.open() {
			return false
		}
		found, err := r.records.next(r.limit, r.next, &r.message)
		if r.records.damaged {
			r.records.damaged = false
			r.j.metrics.corrupt.Inc()
			if !r.told {
				r.told = true
				r.j.o.Logger.Error("the journal is damaged; reading goes on at the next whole record", "segment", r.index, "offset", r.records.pages.off, "next", r.next)
			}
		}
		switch {
		case err != nil:
			r.err = err
		case !found:
			if !r.finished() {
				return false
			}
		case r.message.Seq < r.next || r.before > 0 && r.message.Seq >= r.before:
			// Not wanted; or given up after an error, and its number given again.
		default:
			r.next = r.message.Seq + 1
			return true
		}
	}
	return false
}

// open opens the segment that holds the message wanted next. One that was
// deleted by hand is passed over.
func (r *Reader) open() bool {
	for {
		r.j.mu.Lock()
		want, off := -1, int64(0)
		for i := range r.j.segments {
			s := &r.j.segments[i]
			if s.first == 0 || s.index <= r.index {
				continue
			}
			if want < 0 || s.first <= r.next {
				want, off = s.index, 0
				if i := sort.Search(len(s.spots), func(i int) bool { return s.spots[i].seq > r.next }); i > 0 {
					off = s.spots[i-1].off
				}
			}
		}
		r.j.mu.Unlock()
		if want < 0 {
			return false
		}
		r.index = want
		f, err := os.Open(segmentName(r.j.o.Dir, want))
		if os.IsNotExist(err) {
			r.j.o.Logger.Error("a segment of the journal is gone; reading goes on with the next", "segment", want)
			continue
		}
		if err != nil {
			r.err = err
			return false
		}
		r.records.pages = pageReader{r: f, off: off, data: r.records.pages.data[:0], partial: r.records.pages.partial}
		r.records.block.rest, r.records.last = nil, 0
		r.file, r.told, r.limit = f, false, 0
		r.more()
		return true
	}
}

// more looks how far the segment is durable now, and reports whether that is
// further than before.
func (r *Reader) more() bool {
	r.j.mu.Lock()
	defer r.j.mu.Unlock()
	before := r.limit
	for i := range r.j.segments {
		if r.j.segments[i].index == r.index {
			r.limit, r.before = r.j.segments[i].durable, 0
			if i+1 < len(r.j.segments) {
				r.before = r.j.segments[i+1].first
			}
		}
	}
	return r.limit > before
}

// finished reports whether the current segment has nothing more to give, and
// closes it then.
func (r *Reader) finished() bool {
	r.j.mu.Lock()
	active := len(r.j.segments) > 0 && r.j.segments[len(r.j.segments)-1].index == r.index
	r.j.mu.Unlock()
	// A later segment is noted before its first message is durable, and this
	// one's last message before that: look once more after seeing it.
	if r.more() {
		return true
	}
	if active {
		return false
	}
	r.file.Close()
	r.file = nil
	return true
}

// Message is the current message. It is valid until Next.
func (r *Reader) Message() *ingest.Message { return &r.message }

// Err returns what ended reading, nil at the end of what is durable.
func (r *Reader) Err() error { return r.err }

// Close releases the reader's file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// ReceivedAt is about when a message was received: up to a second too early, or
// further back in proportion to how long ago that was. Of what was received
// before the journal was opened, it is when the message's segment begins.
func (j *Journal) ReceivedAt(seq uint64) (time.Time, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if i := sort.Search(len(j.marks), func(i int) bool { return j.marks[i].seq > seq }); i > 0 {
		return time.Unix(0, j.marks[i-1].received), true
	}
	for i := len(j.segments) - 1; i >= 0; i-- {
		if s := j.segments[i]; s.first > 0 && s.first <= seq {
			return time.Unix(0, s.started), true
		}
	}
	return time.Time{}, false
}
