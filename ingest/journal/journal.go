// Package journal keeps messages as they came until everyone who needs them
// has had them, and a while longer for replay.
//
// Append returns once the messages would survive a power cut; only then may
// they be acknowledged. A message has a sequence number without holes, and
// readers read in that order, from any number, while Append goes on.
//
// The files are segments as Prometheus' wlog writes them: pages with a CRC a
// record (page.go). Under load the messages of a group are compressed together,
// which takes a quarter of the disk (record.go). What a broker's
// acknowledgement needs:
//
//   - Durability is by group: one fsync for all messages of an Append, which is
//     all or nothing however large it is. Should the process end before it
//     returns, the group's beginning may stay: messages that were not
//     acknowledged, and whose redelivery the caller has to recognise anyway.
//   - After any error the file is not trusted again: it is cut back to what the
//     last successful fsync covered, and the next Append begins a new segment.
//     An error of fsync is never retried on the same file.
//   - A damaged bit is put right. A record with more of them is lost, and it
//     alone: reading goes on at the next one whose CRC is right. Numbers that are
//     missing then are the reader's to account for. Under load a record is a
//     block of up to 8 KiB of messages.
//   - A torn tail, as a power cut leaves it, is cut off when the journal is
//     opened: what has no whole record behind it. What was cut and was not zero
//     is kept beside it, in torn-*.
//   - Segments may be missing, empty or of something else: they are passed over,
//     and never in the way of those that are there.
//   - A full disk and the byte cap are told apart from faults (ErrFull): the
//     caller holds back its acknowledgements and tries again.
package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
)

// ErrFull is returned by Append when the disk or the byte cap leaves no room.
// Nothing of the group is in the journal then.
var ErrFull = errors.New("journal is full")

// Options of a journal.
type Options struct {
	Dir string
	// MaxBytes caps the journal's size. Default 10 GiB.
	MaxBytes int64
	// Retention says how long messages stay for replay once nobody needs them.
	Retention time.Duration
	// SegmentBytes is the size of a file, a multiple of 32 KiB. Deletion is by
	// file. Default: 64 MiB, or an eighth of MaxBytes where that is less.
	SegmentBytes int
	// Reserve holds what Append leaves free on the disk, so that checkpoints and
	// rejects can still be written. Default 8 MiB.
	Reserve int64
	// ReadOnly leaves the files alone: for a reader beside a running service.
	ReadOnly   bool
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultSegment  = 64 << 20
	defaultMaxBytes = 10 << 30
	defaultReserve  = 8 << 20
	maxWrite        = 4 << 20 // bytes between two writes of one Append
	keptBuffer      = 1 << 20 // bytes of a buffer that is used again
)

// Journal is an append-only log of messages. Append is for one goroutine;
// everything else may be called at any time from any.
type Journal struct {
	o       Options
	metrics metrics

	// Owned by Append's goroutine.
	active *os.File // nil: the next Append begins a segment
	size   int64    // what is written to it
	buf    []byte   // to be written
	plain  []byte   // a block before compression
	packed []byte   // and after it
	group  []*ingest.Message

	// mu guards what readers and the metrics see of the writer.
	mu        sync.Mutex
	segments  []segment // in order; the last one is active
	last      uint64    // sequence number of the last durable message
	marks     []mark    // when messages were received, the oldest first
	positions map[string]uint64
}

// mark says when a message was received: of one message a second, and fewer of
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
	spots   []spot // where groups begin, of what this process has written
}

// spot says where in a segment a message begins, so that a reader need not begin
// at the segment's.
type spot struct {
	seq uint64
	off int64
}

const spotEvery = 1 << 20 // bytes

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
		if err := durable.Dir(filepath.Dir(filepath.Clean(o.Dir))); err != nil {
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
		corrupt: prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_journal_corruptions_total", Help: "Places in the journal where a record was damaged and passed over."}),
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
	indexes, err := list(j.o.Dir)
	if err != nil {
		return err
	}
	for i, index := range indexes {
		s, err := j.inspect(index)
		if err != nil {
			return fmt.Errorf("segment %08d: %w", index, err)
		}
		if i > 0 && index != indexes[i-1]+1 {
			j.o.Logger.Warn("segments of the journal are missing; what was in them is not read", "from", indexes[i-1]+1, "to", index-1)
		}
		if s.first > 0 {
			j.segments = append(j.segments, s)
		} else if !j.o.ReadOnly {
			if err := j.setAside(s); err != nil {
				return err
			}
		}
	}
	if err := j.order(); err != nil {
		return err
	}
	if n := len(j.segments); n > 0 {
		return j.end(&j.segments[n-1])
	}
	return nil
}

// list returns the numbers of the segments that are there, ascending.
func list(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var indexes []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && len(e.Name()) == 8 && n >= 0 && e.Type().IsRegular() {
			indexes = append(indexes, n)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

func segmentName(dir string, index int) string { return filepath.Join(dir, fmt.Sprintf("%08d", index)) }

// inspect reads where a segment begins: its first message that is whole.
func (j *Journal) inspect(index int) (segment, error) {
	s := segment{index: index}
	f, err := os.Open(segmentName(j.o.Dir, index))
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	s.durable = info.Size()
	r := records{pages: pageReader{r: f}}
	var m ingest.Message
	found, err := r.next(s.durable, 0, &m)
	if found {
		s.first, s.started = m.Seq, m.Received
	}
	return s, err
}

// setAside takes a segment without any message out of the way: one in which
// nothing was made durable before the process ended, or a file of something else.
func (j *Journal) setAside(s segment) error {
	path := segmentName(j.o.Dir, s.index)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(data, func(b byte) bool { return b != 0 }) {
		return os.Remove(path)
	}
	name := fmt.Sprintf("torn-%s-0", filepath.Base(path))
	j.metrics.torn.Add(float64(len(data)))
	j.o.Logger.Warn("a segment of the journal has no whole message; it is kept aside", "segment", filepath.Base(path), "bytes", len(data), "kept", name)
	return os.Rename(path, filepath.Join(j.o.Dir, name))
}

// order takes out segments whose messages do not follow those before, such as
// files of another journal that were put there by hand. The longest run of
// segments in order stays.
func (j *Journal) order() error {
	n := len(j.segments)
	before, length := make([]int, n), make([]int, n) // of the longest run that ends here
	last := -1
	for i := range j.segments {
		before[i], length[i] = -1, 1
		for k := range i {
			// Of two that begin alike the later one: the other holds what failed
			// and was written again.
			if j.segments[k].first < j.segments[i].first && length[k] >= length[i] {
				before[i], length[i] = k, length[k]+1
			} else if b := before[i]; b >= 0 && length[k]+1 == length[i] && j.segments[k].first <= j.segments[b].first {
				before[i] = k
			}
		}
		// Of two equally long ones, that with the smaller numbers is likelier.
		if last < 0 || length[i] > length[last] || length[i] == length[last] && j.segments[i].first <= j.segments[last].first {
			last = i
		}
	}
	var kept []segment
	for i := n - 1; i >= 0; i-- {
		s := j.segments[i]
		if i == last {
			kept, last = append(kept, s), before[i]
			continue
		}
		name := fmt.Sprintf("misplaced-%08d", s.index)
		j.o.Logger.Error("a segment of the journal does not belong where it stands; it is kept aside and not read", "segment", s.index, "first", s.first, "kept", name)
		if j.o.ReadOnly {
			continue
		}
		if err := os.Rename(segmentName(j.o.Dir, s.index), filepath.Join(j.o.Dir, name)); err != nil {
			return err
		}
	}
	slices.Reverse(kept)
	j.segments = kept
	return nil
}

// end finds the last message of the last segment, and cuts off what is behind
// it. What is damaged before it is left for the reader.
func (j *Journal) end(s *segment) error {
	path := segmentName(j.o.Dir, s.index)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := records{pages: pageReader{r: f}}
	whole := int64(0)
	for {
		var m ingest.Message
		found, err := r.next(s.durable, 0, &m)
		if err != nil {
			return err
		}
		if !found {
			break
		}
		whole, j.last = r.pages.whole, max(j.last, m.Seq)
	}
	if whole < s.durable {
		tail := make([]byte, s.durable-whole)
		if _, err := f.ReadAt(tail, whole); err != nil {
			return err
		}
		if last := damagedTail(tail, whole, j.last); last > 0 {
			j.o.Logger.Error("the journal's last messages are damaged", "segment", filepath.Base(path), "from", j.last+1, "to", last)
			j.last = last
			return nil
		}
		if !j.o.ReadOnly {
			if err := j.cut(path, whole); err != nil {
				return err
			}
		}
		s.durable = whole
	}
	return nil
}

// damagedTail is the number of the last message in a segment's tail, from offset
// at on, in which no record is whole, although all of it was written: its pieces
// end where the file does, and nothing is left out. What is damaged there was
// acknowledged, and must not be taken for what a crash left. 0 if it may be that.
func damagedTail(tail []byte, at int64, last uint64) uint64 {
	if len(tail) > maxTail || bytes.Contains(tail, nothing[:128]) {
		return 0
	}
	records := 0
	for rest := tail; len(rest) > 0; {
		left := page - int(at+int64(len(tail)-len(rest)))%page
		if left < pieceHeader {
			rest = rest[min(left, len(rest)):]
			continue
		}
		if len(rest) < pieceHeader {
			return 0
		}
		size := pieceHeader + int(binary.BigEndian.Uint16(rest[1:]))
		if size == pieceHeader || size > min(left, len(rest)) || rest[0] < pieceFull || rest[0] > pieceLast {
			return 0
		}
		if rest[0] == pieceFull || rest[0] == pieceFirst {
			records++
			// What its own header says, if that can be; one message at least.
			first, to := numbers(rest[pieceHeader:size])
			if first == last+1 && to >= first && to-first <= blockBytes/headerBytes {
				last = to
			} else {
				last++
			}
		}
		rest = rest[size:]
	}
	if records == 0 {
		return 0
	}
	return last
}

// maxTail sets how much of a segment's end may be damaged messages.
const maxTail = 1 << 20

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
			if err := os.WriteFile(filepath.Join(j.o.Dir, name), tail, 0o600); err != nil {
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
	plain, size := 0, 0
	for i, m := range messages {
		m.Seq = j.last + uint64(i) + 1
		n := recordBytes(m)
		plain, size = plain+n, size+n+pieceHeader*(2+n/page)
	}
	if err := j.room(int64(size)); err != nil {
		return err
	}
	j.group = messages
	if err := j.write(messages, size, plain >= blockLeast); err != nil {
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
		j.expire(time.Now(), size)
		if have := j.Bytes(); have+size > j.o.MaxBytes {
			return fmt.Errorf("%w: %d bytes of at most %d hold messages that are still needed", ErrFull, have, j.o.MaxBytes)
		}
	}
	if free, err := freeBytes(j.o.Dir); err == nil && free < j.o.Reserve+size {
		return fmt.Errorf("%w: %d bytes free on the disk, %d of them kept in reserve", ErrFull, free, j.o.Reserve)
	}
	return nil
}

// write writes the messages and syncs once at the end.
func (j *Journal) write(messages []*ingest.Message, size int, blocks bool) error {
	if err := j.segmentFor(size); err != nil {
		return err
	}
	start := j.size
	j.buf = j.buf[:0]
	for len(messages) > 0 {
		n := 1
		if blocks {
			n = j.pack(messages)
			j.buf = appendPieces(j.buf, j.size+int64(len(j.buf)), j.packed)
		} else {
			j.plain = appendRecord(j.plain[:0], messages[0])
			j.buf = appendPieces(j.buf, j.size+int64(len(j.buf)), j.plain)
		}
		messages = messages[n:]
		if len(j.buf) >= maxWrite || len(messages) == 0 {
			if _, err := j.active.Write(j.buf); err != nil {
				return err
			}
			j.size += int64(len(j.buf))
			j.buf = j.buf[:0]
		}
	}
	for _, b := range []*[]byte{&j.buf, &j.plain, &j.packed} { // one huge message does not keep its room
		if cap(*b) > keptBuffer {
			*b = nil
		}
	}
	return j.sync(start)
}

// pack makes a block of as many messages as fit, one at least, in j.packed.
func (j *Journal) pack(messages []*ingest.Message) (n int) {
	j.plain = j.plain[:0]
	after := int64(0)
	for n < len(messages) && (n == 0 || len(j.plain)+recordBytes(messages[n]) <= blockBytes) {
		j.plain = appendPlain(j.plain, messages[n], after)
		after = messages[n].Received
		n++
	}
	j.packed = appendBlock(j.packed[:0], messages[0].Seq, n, j.plain)
	return n
}

// segmentFor makes sure that the active segment takes size more bytes.
func (j *Journal) segmentFor(size int) error {
	if j.active != nil && (j.size == 0 || j.size+int64(size) <= int64(j.o.SegmentBytes)) {
		return nil
	}
	if j.active != nil {
		err := j.active.Close()
		j.active = nil
		if err != nil {
			return err
		}
	}
	indexes, err := list(j.o.Dir)
	if err != nil {
		return err
	}
	index := 0
	if n := len(indexes); n > 0 {
		index = indexes[n-1] + 1
	}
	j.mu.Lock()
	if n := len(j.segments); n > 0 { // its file may have been deleted by hand
		index = max(index, j.segments[n-1].index+1)
	}
	j.mu.Unlock()
	j.active, err = os.OpenFile(segmentName(j.o.Dir, index), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	j.size = 0
	return j.begin(index)
}

// begin notes a new segment, and makes its name durable.
func (j *Journal) begin(index int) error {
	if err := durable.Dir(j.o.Dir); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, segment{index: index})
	return nil
}

// sync makes what was written from an offset on durable and lets readers see it.
func (j *Journal) sync(from int64) error {
	start := time.Now()
	if err := j.active.Sync(); err != nil {
		return err
	}
	j.metrics.fsync.Observe(time.Since(start).Seconds())
	j.mu.Lock()
	defer j.mu.Unlock()
	s := &j.segments[len(j.segments)-1]
	// A file that was deleted by hand takes writes all the same, and is gone
	// with the process.
	if _, err := os.Stat(segmentName(j.o.Dir, s.index)); err != nil {
		return err
	}
	s.durable = j.size
	first, last := j.group[0], j.group[len(j.group)-1]
	if s.first == 0 {
		s.first, s.started = first.Seq, first.Received
	}
	if n := len(s.spots); n == 0 || from-s.spots[n-1].off >= spotEvery {
		s.spots = append(s.spots, spot{first.Seq, from})
	}
	j.last = last.Seq
	j.mark(first)
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
// is known to be durable, and the next Append begins another. Should that not
// succeed, readers pass over what is behind: its numbers are given again.
func (j *Journal) abandon() {
	if j.active == nil {
		return
	}
	_ = j.active.Close() // the error at hand is the one that matters
	path := j.active.Name()
	j.active = nil
	j.mu.Lock()
	defer j.mu.Unlock()
	n := len(j.segments)
	if n == 0 || segmentName(j.o.Dir, j.segments[n-1].index) != path {
		os.Remove(path) // it was not noted yet
		return
	}
	err := error(nil)
	if s := j.segments[n-1]; s.durable > 0 {
		err = os.Truncate(path, s.durable)
	} else {
		j.segments = j.segments[:n-1]
		err = os.Remove(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted by hand
		j.segments = j.segments[:min(len(j.segments), n-1)]
	case err != nil:
		j.o.Logger.Error("segment not cut back after an error", "segment", filepath.Base(path), "error", err)
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

// Expired is the last message that may have been deleted because nobody needed
// it any more: 0 while the journal's first segment is there.
func (j *Journal) Expired() uint64 {
	first := j.First()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) > 0 && j.segments[0].index == 0 {
		return 0
	}
	return first - 1
}

// Continue makes the next message's number at least seq+1. It is for a journal
// whose files were taken away while a checkpoint says how far it once went.
func (j *Journal) Continue(seq uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = max(j.last, seq)
}

// MaxBytes is the journal's cap.
func (j *Journal) MaxBytes() int64 { return j.o.MaxBytes }

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
func (j *Journal) Expire(now time.Time) int { return j.expire(now, int64(j.o.SegmentBytes)) }

// expire deletes until there is room below the cap, should what is needed allow it.
func (j *Journal) expire(now time.Time, room int64) int {
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
	limit := j.o.MaxBytes - max(room, int64(j.o.SegmentBytes)) // the cap demands room for one more segment
	deleted := 0
	for len(j.segments)-deleted > 1 {
		s, next := j.segments[deleted], j.segments[deleted+1]
		if next.first == 0 || next.first > needed {
			break // the active one, still empty, or one that is needed
		}
		old := now.UnixNano()-next.started > int64(j.o.Retention)
		if !old && total <= limit {
			break
		}
		if err := os.Remove(segmentName(j.o.Dir, s.index)); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	if j.active == nil {
		return nil
	}
	err := j.active.Close()
	j.active = nil
	return err
}
