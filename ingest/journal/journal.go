// Package journal keeps messages as they came until everyone who needs them
// has had them, and a while longer for replay.
//
// Append returns once the messages would survive a power cut; only then may
// they be acknowledged. A message has a sequence number without holes, and
// readers read in that order, from any number, while Append goes on.
//
// The file format and its writer are Prometheus' wlog: segments of pages with
// a CRC a record. This package adds what a broker's acknowledgement needs:
//
//   - Durability is by group: one fsync for all messages of an Append. wlog
//     syncs a finished segment in the background; here a segment is finished
//     and synced before the next one begins.
//   - After any error the file is not trusted again: it is cut back to what the
//     last successful fsync covered, and the next Append begins a new segment.
//     An error of fsync is never retried on the same file.
//   - A torn tail, as a power cut leaves it, is cut off when the journal is
//     opened. What was cut and was not zero is kept beside it, in torn-*.
//   - A full disk and the byte cap are told apart from faults (ErrFull): the
//     caller holds back its acknowledgements and tries again.
package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"

	"greencommunity/ingest"
)

// ErrFull is returned by Append when the disk or the byte cap leaves no room.
// Nothing of the group is in the journal then.
var ErrFull = errors.New("journal is full")

// Options of a journal.
type Options struct {
	Dir string
	// MaxBytes caps the journal's size. Default 10 GiB.
	MaxBytes int64
	// Retention is how long messages stay for replay once nobody needs them.
	Retention time.Duration
	// SegmentBytes is the size of a file, a multiple of 32 KiB. Deletion is by
	// file. Default: 64 MiB, or an eighth of MaxBytes where that is less.
	SegmentBytes int
	// Reserve is what Append leaves free on the disk, so that checkpoints and
	// rejects can still be written. Default 8 MiB.
	Reserve int64
	// ReadOnly leaves the files alone: for a reader beside a running service.
	ReadOnly   bool
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	page            = 32 << 10
	defaultSegment  = 64 << 20
	defaultMaxBytes = 10 << 30
	defaultReserve  = 8 << 20
	maxGroup        = 4 << 20 // bytes between two writes of one Append
)

// Journal is an append-only log of messages. Append is for one goroutine;
// everything else may be called at any time from any.
type Journal struct {
	o       Options
	metrics metrics

	// Owned by Append's goroutine.
	wl      *wlog.WL
	used    int // bytes written to the active segment, rounded up
	buf     []byte
	records [][]byte

	// mu guards what readers and the metrics see of the writer.
	mu        sync.Mutex
	segments  []segment // in order; the last one is active
	last      uint64    // sequence number of the last durable message
	marks     []mark    // when messages were received, the oldest first
	positions map[string]uint64
}

// mark is when a message was received: of one message a second, and fewer of
// long ago.
type mark struct {
	seq      uint64
	received int64
}

const maxMarks = 4096

// segment is a file of the journal.
type segment struct {
	index   int
	first   uint64 // sequence number of its first message, 0 while it has none
	started int64  // received time of that message, unix nanoseconds
	durable int64  // bytes that a successful fsync covers
}

type metrics struct {
	fsync   prometheus.Histogram
	errors  prometheus.Counter
	torn    prometheus.Counter
	corrupt prometheus.Counter
}

// Open opens the journal in o.Dir, creating it if need be, and recovers what a
// crash left.
func Open(o Options) (*Journal, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Reserve <= 0 {
		o.Reserve = defaultReserve
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = int(min(defaultSegment, o.MaxBytes/8/page*page))
	}
	o.SegmentBytes = max(o.SegmentBytes/page*page, 2*page)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if !o.ReadOnly {
		if err := os.MkdirAll(o.Dir, 0o750); err != nil {
			return nil, err
		}
	}
	j := &Journal{o: o, positions: map[string]uint64{}}
	j.metrics = newMetrics(o.Registerer, j)
	if err := j.recover(); err != nil {
		return nil, fmt.Errorf("journal %s: %w", o.Dir, err)
	}
	return j, nil
}

func newMetrics(reg prometheus.Registerer, j *Journal) metrics {
	m := metrics{
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "greencommunity_journal_fsync_seconds", Help: "Time to make a group of messages durable.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		errors:  prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_journal_errors_total", Help: "Writes and fsyncs of the journal that ended in an error."}),
		torn:    prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_journal_torn_bytes_total", Help: "Bytes cut off behind the last whole message when the journal was opened."}),
		corrupt: prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_journal_corruptions_total", Help: "Files in which reading ended at damage before their end."}),
	}
	if reg != nil {
		reg.MustRegister(m.fsync, m.errors, m.torn, m.corrupt, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "greencommunity_journal_bytes", Help: "Size of the journal on disk.",
		}, func() float64 { return float64(j.Bytes()) }))
	}
	return m
}

// recover finds what is in the directory and cuts off a torn tail.
func (j *Journal) recover() error {
	first, last, err := wlog.Segments(j.o.Dir)
	if err != nil {
		return err
	}
	for i := first; first >= 0 && i <= last; i++ {
		s, err := j.inspect(i, i == last)
		if err != nil {
			return fmt.Errorf("segment %08d: %w", i, err)
		}
		j.segments = append(j.segments, s)
	}
	// The last message is in the last file that has one.
	for i := len(j.segments) - 1; i >= 0 && j.last == 0; i-- {
		if s := &j.segments[i]; s.first > 0 {
			if _, j.last, err = j.scan(s.index); err != nil {
				return err
			}
		}
	}
	return nil
}

// inspect reads where a segment begins. Of the last one, which a crash may
// have torn, it checks all and cuts it back to its last whole message.
func (j *Journal) inspect(index int, isLast bool) (segment, error) {
	s := segment{index: index}
	path := wlog.SegmentName(j.o.Dir, index)
	info, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	s.durable = info.Size()
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	r := wlog.NewReader(io.LimitReader(f, s.durable))
	var m ingest.Message
	if r.Next() && parseRecord(r.Record(), &m) == nil {
		s.first, s.started = m.Seq, m.Received
	}
	if !isLast {
		return s, nil
	}
	whole, _, err := j.scan(index)
	if err != nil {
		return s, err
	}
	if whole < s.durable {
		if !j.o.ReadOnly {
			if err := j.cut(path, whole); err != nil {
				return s, err
			}
		}
		s.durable = whole
	}
	return s, nil
}

// scan reads a segment to its end or to the first damage; it returns the
// offset behind the last whole message and that message's sequence number.
func (j *Journal) scan(index int) (whole int64, last uint64, err error) {
	f, err := os.Open(wlog.SegmentName(j.o.Dir, index))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	r := wlog.NewReader(readerOf(f))
	var m ingest.Message
	for r.Next() {
		if err := parseRecord(r.Record(), &m); err != nil {
			break
		}
		whole, last = r.Offset(), m.Seq
	}
	return whole, last, nil
}

// cut truncates a file to size and keeps aside what it takes away, unless that
// is zeros.
func (j *Journal) cut(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return err
	}
	tail, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	for _, b := range tail {
		if b != 0 {
			j.metrics.torn.Add(float64(len(tail)))
			name := fmt.Sprintf("torn-%s-%d", filepath.Base(path), size)
			// Evidence, not data: no message in it was acknowledged, unless the
			// disk damaged it. Failing to keep it must not keep us from starting.
			if err := os.WriteFile(filepath.Join(j.o.Dir, name), tail, 0o640); err != nil {
				j.o.Logger.Warn("torn tail of the journal not kept", "error", err)
			}
			j.o.Logger.Warn("journal cut back to its last whole message", "segment", filepath.Base(path), "offset", size, "bytes", len(tail), "kept", name)
			break
		}
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// Append gives the messages their sequence numbers and returns once they are
// durable. On ErrFull, and on any other error, none of them counts: their
// numbers are given again, and the caller may append them again later.
func (j *Journal) Append(messages []*ingest.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if j.o.ReadOnly {
		return errors.New("journal is open for reading only")
	}
	size := 0
	for i, m := range messages {
		m.Seq = j.last + uint64(i) + 1
		size += len(m.Topic) + len(m.Payload) + headerBytes + 2*10
	}
	if err := j.room(int64(size)); err != nil {
		return err
	}
	if err := j.write(messages); err != nil {
		j.metrics.errors.Inc()
		j.abandon()
		if isNoSpace(err) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		return err
	}
	return nil
}

// room refuses a group that would not fit.
func (j *Journal) room(size int64) error {
	if j.Bytes()+size > j.o.MaxBytes {
		j.Expire(time.Now())
		if have := j.Bytes(); have+size > j.o.MaxBytes {
			return fmt.Errorf("%w: %d bytes of at most %d hold messages that are still needed", ErrFull, have, j.o.MaxBytes)
		}
	}
	if free, err := freeBytes(j.o.Dir); err == nil && free < j.o.Reserve+size {
		return fmt.Errorf("%w: %d bytes free on the disk, %d of them kept in reserve", ErrFull, free, j.o.Reserve)
	}
	return nil
}

// write writes the messages in groups of bounded size and syncs once at the
// end, and before each change of segment.
func (j *Journal) write(messages []*ingest.Message) error {
	for len(messages) > 0 {
		n, size := 0, 0
		j.buf, j.records = j.buf[:0], j.records[:0]
		for n < len(messages) && (n == 0 || len(j.buf) < maxGroup) {
			j.buf = appendRecord(j.buf, messages[n])
			n++
		}
		// The buffer has stopped moving: now it can be cut into records.
		for rest, i := j.buf, 0; i < n; i++ {
			m := messages[i]
			length := headerBytes + uvarintLen(len(m.Topic)) + len(m.Topic) + len(m.Payload)
			j.records = append(j.records, rest[:length])
			rest = rest[length:]
			size += length + 7*(2+length/page)
		}
		if err := j.segmentFor(size); err != nil {
			return err
		}
		if err := j.wl.Log(j.records...); err != nil {
			return err
		}
		j.used += size
		if err := j.sync(messages[:n]); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

// segmentFor makes sure that the active segment takes size more bytes, so that
// wlog never begins one by itself.
func (j *Journal) segmentFor(size int) error {
	if j.wl == nil {
		// wlog begins a new segment whenever it is opened.
		wl, err := wlog.NewSize(j.o.Logger, nil, j.o.Dir, max(j.o.SegmentBytes, (size/page+4)*page), compression.None)
		if err != nil {
			return err
		}
		j.wl, j.used = wl, 0
		_, index, err := wlog.Segments(j.o.Dir)
		if err != nil {
			return err
		}
		return j.begin(index)
	}
	if j.used > 0 && j.used+size > j.o.SegmentBytes-2*page {
		index, err := j.wl.NextSegmentSync()
		if err != nil {
			return err
		}
		j.used = 0
		return j.begin(index)
	}
	return nil
}

// begin notes a new segment, and makes its name durable.
func (j *Journal) begin(index int) error {
	if err := syncDir(j.o.Dir); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.segments); n > 0 && j.segments[n-1].index == index {
		return nil
	}
	j.segments = append(j.segments, segment{index: index})
	return nil
}

// sync makes what was written durable and lets readers see it.
func (j *Journal) sync(written []*ingest.Message) error {
	start := time.Now()
	if err := j.wl.Sync(); err != nil {
		return err
	}
	j.metrics.fsync.Observe(time.Since(start).Seconds())
	j.mu.Lock()
	defer j.mu.Unlock()
	s := &j.segments[len(j.segments)-1]
	info, err := os.Stat(wlog.SegmentName(j.o.Dir, s.index))
	if err != nil {
		return err
	}
	s.durable = info.Size()
	if s.first == 0 {
		s.first, s.started = written[0].Seq, written[0].Received
	}
	j.last = written[len(written)-1].Seq
	j.mark(written[0])
	return nil
}

// mark remembers when a message was received. j.mu is held.
func (j *Journal) mark(m *ingest.Message) {
	n := len(j.marks)
	if n > 0 && m.Received-j.marks[n-1].received < int64(time.Second) {
		return
	}
	if n == maxMarks { // every other one of the older half goes
		kept := j.marks[:0]
		for i, k := range j.marks {
			if i >= n/2 || i%2 == 0 {
				kept = append(kept, k)
			}
		}
		j.marks = kept
	}
	j.marks = append(j.marks, mark{m.Seq, m.Received})
}

// abandon gives up the active segment after an error: it is cut back to what
// is known to be durable, and the next Append begins another.
func (j *Journal) abandon() {
	if j.wl != nil {
		_ = j.wl.Close() // the error at hand is the one that matters
		j.wl = nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	// wlog may have begun a file that was not noted, or not got to write any.
	_, last, err := wlog.Segments(j.o.Dir)
	if err != nil {
		j.o.Logger.Error("journal directory not readable", "error", err)
		return
	}
	known := map[int]int64{}
	for _, s := range j.segments {
		known[s.index] = s.durable
	}
	for n := len(j.segments); n > 0; n-- {
		s := j.segments[n-1]
		if s.durable > 0 {
			break
		}
		j.segments = j.segments[:n-1]
	}
	for i := last; i >= 0; i-- {
		durable, ok := known[i]
		path := wlog.SegmentName(j.o.Dir, i)
		if !ok || durable == 0 {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				j.o.Logger.Error("unfinished segment not removed", "segment", i, "error", err)
				return
			}
			continue
		}
		if err := os.Truncate(path, durable); err != nil {
			j.o.Logger.Error("segment not cut back after an error", "segment", i, "error", err)
		}
		return
	}
}

// Last is the sequence number of the last durable message, 0 if there is none.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// At is the first message of the segment in which the first message received at
// or after a time, in unix nanoseconds, is.
func (j *Journal) At(received int64) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	seq := uint64(1)
	for _, s := range j.segments {
		if s.first > 0 && s.started <= received {
			seq = s.first
		}
	}
	return seq
}

// First is the sequence number of the first message that is still there.
func (j *Journal) First() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		if s.first > 0 {
			return s.first
		}
	}
	return j.last + 1
}

// Continue makes the next message's number at least seq+1. It is for a journal
// whose files were taken away while a checkpoint says how far it once went.
func (j *Journal) Continue(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = max(j.last, seq)
}

// Bytes is the size of the journal's segments.
func (j *Journal) Bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var n int64
	for _, s := range j.segments {
		n += s.durable
	}
	return n
}

// Commit says that a reader needs nothing up to and including seq any more.
// Once a reader has committed, nothing behind its position is deleted.
func (j *Journal) Commit(reader string, seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.positions[reader] = seq
}

// Expire deletes the segments that no reader needs and whose messages are
// older than the retention, or as many of them as the byte cap demands. It
// returns how many it deleted.
func (j *Journal) Expire(now time.Time) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.positions) == 0 {
		return 0
	}
	needed := uint64(math.MaxUint64)
	for _, seq := range j.positions {
		needed = min(needed, seq+1)
	}
	var total int64
	for _, s := range j.segments {
		total += s.durable
	}
	// Room for one more segment counts as demanded by the cap.
	limit := j.o.MaxBytes - int64(j.o.SegmentBytes)
	deleted := 0
	for len(j.segments)-deleted > 1 {
		s, next := j.segments[deleted], j.segments[deleted+1]
		if next.first == 0 || next.first > needed {
			break
		}
		old := now.UnixNano()-next.started > int64(j.o.Retention)
		if !old && total <= limit {
			break
		}
		if err := os.Remove(wlog.SegmentName(j.o.Dir, s.index)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.o.Logger.Error("segment not deleted", "segment", s.index, "error", err)
			break
		}
		total -= s.durable
		deleted++
	}
	j.segments = append([]segment(nil), j.segments[deleted:]...)
	return deleted
}

// Close ends appending. What was appended is durable already.
func (j *Journal) Close() error {
	if j.wl == nil {
		return nil
	}
	err := j.wl.Close()
	j.wl = nil
	return err
}

func uvarintLen(n int) int {
	length := 1
	for ; n >= 0x80; n >>= 7 {
		length++
	}
	return length
}
