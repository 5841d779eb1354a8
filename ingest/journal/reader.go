package journal

import (
	"bufio"
	"errors"
	"io"
	"os"
	"sort"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"greencommunity/ingest"
)

// Reader reads messages in order. It is for one goroutine.
type Reader struct {
	j       *Journal
	next    uint64 // the first message wanted
	index   int    // segment being read, -1 before the first
	file    *os.File
	limited *durableReader
	live    *wlog.LiveReader
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
// more has been appended.
func (r *Reader) Next() bool {
	for r.err == nil {
		if r.live == nil && !r.open() {
			return false
		}
		for r.live.Next() {
			if parseRecord(r.live.Record(), &r.message) != nil || r.message.Seq < r.next {
				continue
			}
			r.next = r.message.Seq + 1
			return true
		}
		if !r.finished() {
			return false
		}
	}
	return false
}

// open opens the segment that holds the message wanted next.
func (r *Reader) open() bool {
	r.j.mu.Lock()
	want := -1
	for _, s := range r.j.segments {
		if s.first == 0 || s.index <= r.index {
			continue
		}
		if want < 0 || s.first <= r.next {
			want = s.index
		}
	}
	r.j.mu.Unlock()
	if want < 0 {
		return false
	}
	f, err := os.Open(wlog.SegmentName(r.j.o.Dir, want))
	if err != nil {
		r.err = err
		return false
	}
	r.file, r.index = f, want
	r.limited = &durableReader{j: r.j, index: want, r: f}
	r.live = wlog.NewLiveReader(r.j.o.Logger, wlog.NewLiveReaderMetrics(nil), r.limited)
	return true
}

// finished reports whether the current segment has nothing more to give, and
// closes it then. Damage in it ends it early: what follows is read on.
func (r *Reader) finished() bool {
	damaged := r.live.Err() != nil && !errors.Is(r.live.Err(), io.EOF)
	r.j.mu.Lock()
	active := len(r.j.segments) > 0 && r.j.segments[len(r.j.segments)-1].index == r.index
	// A later segment is noted before its first message is durable, and this
	// one's last message before that: read once more after seeing it.
	more := r.limited.remaining()
	r.j.mu.Unlock()
	if damaged {
		r.j.metrics.corrupt.Inc()
		r.j.o.Logger.Error("journal is damaged; reading goes on with the next segment", "segment", r.index, "offset", r.live.Offset(), "next", r.next, "error", r.live.Err())
		if active {
			return false
		}
	} else if active || more {
		return more
	}
	r.file.Close()
	r.live, r.file = nil, nil
	return true
}

// Message is the current message. It is valid until Next.
func (r *Reader) Message() *ingest.Message { return &r.message }

// Err is what ended reading, nil at the end of what is durable.
func (r *Reader) Err() error { return r.err }

// Close releases the reader's file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// durableReader reads a segment's file up to what is durable.
type durableReader struct {
	j     *Journal
	index int
	r     io.Reader
	read  int64
}

// remaining reports whether there is more to read. j.mu is held.
func (d *durableReader) remaining() bool {
	for _, s := range d.j.segments {
		if s.index == d.index {
			return s.durable > d.read
		}
	}
	return false
}

func (d *durableReader) Read(p []byte) (int, error) {
	d.j.mu.Lock()
	limit := int64(0)
	for _, s := range d.j.segments {
		if s.index == d.index {
			limit = s.durable
		}
	}
	d.j.mu.Unlock()
	if limit <= d.read {
		return 0, io.EOF
	}
	if int64(len(p)) > limit-d.read {
		p = p[:limit-d.read]
	}
	n, err := d.r.Read(p)
	d.read += int64(n)
	return n, err
}

func readerOf(f *os.File) io.Reader { return bufio.NewReaderSize(f, 16*page) }

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
