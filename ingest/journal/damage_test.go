package journal

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"greencommunity/ingest"
)

// useful checks what must hold of a journal whatever was done to its files: it
// opens, gives its messages in order and as they were, takes further ones, and
// expires to what is appended last. It returns the numbers of what was read.
func useful(t testing.TB, dir string) []uint64 {
	t.Helper()
	j, err := Open(Options{Dir: dir, SegmentBytes: 2 * page, Retention: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	seqs := readAll(t, j)
	last := j.Last()
	if n := len(seqs); n > 0 && seqs[n-1] > last {
		t.Fatalf("the last message read is %d, the journal says %d", seqs[n-1], last)
	}
	if err := j.Append(messages(int(last)+1, int(last)+2)); err != nil {
		t.Fatal(err)
	}
	if more := readAll(t, j); len(more) != len(seqs)+2 {
		t.Fatalf("%d messages after two more, %d before", len(more), len(seqs))
	}
	j.Commit("all", j.Last())
	j.Expire(time.Unix(1_795_000_000, 0).Add(24 * time.Hour))
	if left, err := list(dir); err != nil || len(left) != 1 {
		t.Fatalf("segments %v are left, %v", left, err)
	}
	return seqs
}

// threeSegments makes a journal of three segments with n messages each.
func threeSegments(t testing.TB, n int) (dir string) {
	dir = memoryDir(t)
	for s := range 3 {
		j, err := Open(Options{Dir: dir, SegmentBytes: 2 * page})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n { // one at a time, then together
			if err := j.Append(messages(s*n+i+1, s*n+i+1)); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
	}
	return dir
}

func copyDir(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// A bit that flips costs nothing: not the message it is in, not what is behind
// it, not the start, not expiry. Every bit is tried with GREENCOMMUNITY_LONG,
// every 31st without.
func TestEveryBitLong(t *testing.T) {
	const each = 6
	from := threeSegments(t, each)
	step := 31
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		step = 1
	}
	indexes, err := list(from)
	if err != nil || len(indexes) != 3 {
		t.Fatalf("segments %v, %v", indexes, err)
	}
	tried := 0
	for _, index := range indexes {
		data, err := os.ReadFile(segmentName(from, index))
		if err != nil {
			t.Fatal(err)
		}
		for bit := 0; bit < 8*len(data); bit += step {
			dir := memoryDir(t)
			copyDir(t, from, dir)
			damaged := bytes.Clone(data)
			damaged[bit/8] ^= 1 << (bit % 8)
			if err := os.WriteFile(segmentName(dir, index), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			seqs := useful(t, dir)
			if len(seqs) < 3*each {
				t.Fatalf("segment %d, bit %d: of %d messages %d are read: %v", index, bit, 3*each, len(seqs), seqs)
			}
			tried++
			os.RemoveAll(dir)
		}
	}
	t.Logf("%d bits tried, one at a time; nothing lost", tried)
}

// Of blocks and single messages, over several pages, a damaged byte costs the
// record it is in: a run of numbers, of one block at most. One bit costs nothing.
func TestByteCostsOneBlockLong(t *testing.T) {
	from := memoryDir(t)
	var ends []uint64 // of records
	for s := range 3 {
		j, err := Open(Options{Dir: from, SegmentBytes: 8 * page})
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 90, 2, 200, 1} {
			if err := j.Append(messages(int(j.Last())+1, int(j.Last())+size)); err != nil {
				t.Fatal(err)
			}
		}
		j.Close()
		f, err := os.Open(segmentName(from, s))
		if err != nil {
			t.Fatal(err)
		}
		for r := (pageReader{r: f}); ; {
			record, err := r.next(8 * page)
			if err != nil {
				t.Fatal(err)
			}
			if record == nil {
				break
			}
			_, last := numbers(record)
			ends = append(ends, last)
		}
		f.Close()
	}
	step := 1009
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		step = 41
	}
	tried, lost, most := 0, 0, 0
	for index := range 3 {
		data, err := os.ReadFile(segmentName(from, index))
		if err != nil {
			t.Fatal(err)
		}
		for bit := 0; bit < 8*len(data); bit += step {
			dir := memoryDir(t)
			copyDir(t, from, dir)
			damaged := bytes.Clone(data)
			wrong := byte(1) << (bit % 8)
			if bit/step%2 == 0 {
				wrong |= 1<<((bit+3)%8) | 1<<((bit+4)%8)
			}
			damaged[bit/8] ^= wrong
			if err := os.WriteFile(segmentName(dir, index), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			there := map[uint64]bool{}
			for _, seq := range useful(t, dir) {
				there[seq] = true
			}
			records, before := 0, uint64(0)
			for _, end := range ends {
				missing := 0
				for seq := before + 1; seq <= end; seq++ {
					if !there[seq] {
						missing++
					}
				}
				if missing > 0 {
					records++
				}
				lost, most, before = lost+missing, max(most, missing), end
			}
			if most := bits.OnesCount8(wrong) / 2; records > most {
				t.Fatalf("segment %d, bits %#x of byte %d: %d records are lost", index, wrong, bit/8, records)
			}
			tried++
			os.RemoveAll(dir)
		}
	}
	t.Logf("%d bytes tried, one at a time, in %d records: %d messages lost, %d at most at once", tried, len(ends), lost, most)
}

// A damaged record at the journal's end is no torn tail: its number is not given
// again, so that whoever walks the journal sees that it is missing.
func TestDamagedEnd(t *testing.T) {
	for _, group := range []int{1, 90} {
		from := memoryDir(t)
		j := open(t, Options{Dir: from})
		if err := j.Append(messages(1, 10)); err != nil {
			t.Fatal(err)
		}
		if err := j.Append(messages(11, 10+group)); err != nil {
			t.Fatal(err)
		}
		j.Close()
		data, err := os.ReadFile(segmentName(from, 0))
		if err != nil {
			t.Fatal(err)
		}
		for at := len(data) - 1; at > len(data)-40; at-- {
			damaged := bytes.Clone(data)
			damaged[at] ^= 0x15
			dir := memoryDir(t)
			if err := os.WriteFile(segmentName(dir, 0), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, Options{Dir: dir})
			if j.Last() != uint64(10+group) {
				t.Fatalf("group of %d, byte %d from the end: the last is %d", group, len(data)-at, j.Last())
			}
			os.RemoveAll(dir)
		}
		torn := memoryDir(t)
		if err := os.WriteFile(segmentName(torn, 0), data[:len(data)-5], 0o600); err != nil {
			t.Fatal(err)
		}
		if j := open(t, Options{Dir: torn}); j.Last() >= uint64(10+group) {
			t.Fatalf("group of %d: of a torn one the last is %d", group, j.Last())
		}
	}
}

// What looks like a record inside of a payload is none, although reading looks
// for the next record where one is damaged: a right CRC is no proof.
func TestRecordInPayload(t *testing.T) {
	const own = 11
	for _, seq := range []uint64{0, 1, own, own + 1, 900, 1 << 40, 1<<64 - 1} {
		forged := appendRecord(nil, &ingest.Message{Seq: seq, Topic: "another/vendor", Payload: []byte("x")})
		m := &ingest.Message{Topic: "a", Payload: appendPieces(nil, 0, forged)}
		m.Payload = append(m.Payload, appendPieces(nil, int64(len(m.Payload)), appendBlock(nil, seq, 1000, []byte("xxxx")))...)
		from := memoryDir(t)
		j := open(t, Options{Dir: from})
		if err := j.Append(messages(1, own-1)); err != nil {
			t.Fatal(err)
		}
		start := int(j.size)
		if err := j.Append([]*ingest.Message{m}); err != nil {
			t.Fatal(err)
		}
		end := int(j.size)
		if err := j.Append(messages(own+1, 20)); err != nil {
			t.Fatal(err)
		}
		j.Close()
		data, err := os.ReadFile(segmentName(from, 0))
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, damaged []byte) {
			t.Helper()
			dir := memoryDir(t)
			defer os.RemoveAll(dir)
			if err := os.WriteFile(segmentName(dir, 0), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			j := open(t, Options{Dir: dir})
			r := j.Read(1)
			defer r.Close()
			n := 0
			for r.Next() {
				n++
				if m := r.Message(); m.Topic == "another/vendor" || m.Seq > 20 || m.Seq < uint64(n) {
					t.Fatalf("with %d inside, %s: message %d is of %s", seq, what, m.Seq, m.Topic)
				}
			}
			if n < 19 || r.Err() != nil || j.Last() != 20 {
				t.Fatalf("with %d inside, %s: %d messages are read, the last is %d, %v", seq, what, n, j.Last(), r.Err())
			}
		}
		for bit := 8 * start; bit < 8*end; bit++ {
			damaged := bytes.Clone(data)
			damaged[bit/8] ^= 1 << (bit % 8)
			try(fmt.Sprintf("bit %d", bit), damaged)
		}
		if seq < own || seq > 1<<20 { // else the number may be true
			damaged := bytes.Clone(data)
			clear(damaged[start : start+pieceHeader])
			try("the header zeroed", damaged)
		}
	}
}

// A segment that holds what failed and was written again, because neither
// cutting nor removing it succeeded, gives way to the one written then.
func TestGroupWrittenAgain(t *testing.T) {
	dir := memoryDir(t)
	for i, n := range []int{10, 3, 10, 2} { // 11-13 fail, 11-20 are acknowledged
		j := open(t, Options{Dir: dir})
		if i == 2 {
			j.last = 10
		}
		if err := j.Append(messages(int(j.Last())+1, int(j.Last())+n)); err != nil {
			t.Fatal(err)
		}
		j.Close()
	}
	if seqs := useful(t, dir); len(seqs) != 22 {
		t.Errorf("%v are read", seqs)
	}
}

// Whatever a crash leaves of what was not fsynced, what was is there: every
// length of each write, with sectors of it missing, a new segment without
// anything in it, or without its name.
func TestCrashStatesLong(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	tried := 0
	state := func(base string, index int, data []byte, durable uint64) {
		t.Helper()
		tried++
		dir := memoryDir(t)
		copyDir(t, base, dir)
		if data != nil {
			if err := os.WriteFile(segmentName(dir, index), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if seqs := useful(t, dir); uint64(len(seqs)) < durable {
			t.Fatalf("%d bytes of segment %d: %d messages were durable, %d are read", len(data), index, durable, len(seqs))
		}
		os.RemoveAll(dir)
	}
	dir := memoryDir(t)
	j := open(t, Options{Dir: dir, SegmentBytes: 2 * page})
	step := 97
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		step = 5
	}
	for _, size := range []int{1, 3, 40, 1, 300, 20, 2} {
		durable := j.Last()
		before := memoryDir(t)
		copyDir(t, dir, before)
		if err := j.Append(messages(int(durable)+1, int(durable)+size)); err != nil {
			t.Fatal(err)
		}
		index := j.segments[len(j.segments)-1].index
		after, err := os.ReadFile(segmentName(dir, index))
		if err != nil {
			t.Fatal(err)
		}
		had, _ := os.ReadFile(segmentName(before, index))
		state(before, index, nil, durable) // the name of a new segment is not durable
		state(before, index, append([]byte{}, had...), durable)
		for n := len(had); n < len(after); n += 1 + random.IntN(step) {
			state(before, index, after[:n], durable)
			if n%3 == 0 { // some sectors have not reached the disk, others have
				holes := bytes.Clone(after)
				for at := len(had); at < len(after); at += 512 {
					if random.IntN(2) == 0 {
						clear(holes[at:min(at+512, len(after))])
					}
				}
				state(before, index, holes, durable)
				state(before, index, append(bytes.Clone(after[:n]), bytes.Repeat([]byte{0x5a}, random.IntN(2*page))...), durable)
			}
		}
		os.RemoveAll(before)
	}
	t.Logf("%d states", tried)
}

// Files that are empty, missing, of something else or of another journal are in
// the way of nothing (cases attack 02, operations 19).
func TestOddSegments(t *testing.T) {
	const each = 6
	from := threeSegments(t, each)
	read := func(index int) []byte {
		data, err := os.ReadFile(segmentName(from, index))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	foreign := memoryDir(t)
	other := open(t, Options{Dir: foreign})
	other.Continue(5000)
	if err := other.Append(messages(5001, 5020)); err != nil {
		t.Fatal(err)
	}
	other.Close()
	of5000, err := os.ReadFile(segmentName(foreign, 0))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[int][]byte // nil: removed
		read  int
	}{
		"empty in the middle":     {map[int][]byte{1: {}}, 2 * each},
		"empty first":             {map[int][]byte{0: {}}, 2 * each},
		"empty last":              {map[int][]byte{3: {}}, 3 * each},
		"several empty":           {map[int][]byte{3: {}, 4: {}, 5: {}}, 3 * each},
		"zeros":                   {map[int][]byte{3: make([]byte, page)}, 3 * each},
		"missing in the middle":   {map[int][]byte{1: nil}, 2 * each},
		"missing first":           {map[int][]byte{0: nil}, 2 * each},
		"missing last":            {map[int][]byte{2: nil}, 2 * each},
		"all missing":             {map[int][]byte{0: nil, 1: nil, 2: nil}, 0},
		"a number far ahead":      {map[int][]byte{900: {}}, 3 * each},
		"text":                    {map[int][]byte{1: []byte("not a segment\n")}, 2 * each},
		"text last":               {map[int][]byte{3: bytes.Repeat([]byte("not a segment\n"), 9000)}, 3 * each},
		"a copy of one before":    {map[int][]byte{3: read(0)}, 3 * each},
		"another journal's":       {map[int][]byte{1: of5000}, 2 * each},
		"cut in the middle":       {map[int][]byte{1: read(1)[:len(read(1))/2]}, 2*each + 2},
		"half of it overwritten":  {map[int][]byte{1: append(bytes.Repeat([]byte{0xff}, 300), read(1)[300:]...)}, 2*each + 2},
		"first record overwitten": {map[int][]byte{2: append(bytes.Repeat([]byte{1}, 9), read(2)[9:]...)}, 3*each - 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := memoryDir(t)
			copyDir(t, from, dir)
			for index, data := range c.files {
				if data == nil {
					os.Remove(segmentName(dir, index))
				} else if err := os.WriteFile(segmentName(dir, index), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if seqs := useful(t, dir); len(seqs) < c.read {
				t.Errorf("%d messages are read, want %d: %v", len(seqs), c.read, seqs)
			}
		})
	}
}

// Files that are deleted by hand while the journal is open cost what was in
// them, and nothing else.
func TestDeletedWhileOpen(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, Options{Dir: dir, SegmentBytes: 2 * page, Retention: time.Hour})
	for i := 0; i < 3000; i += 20 {
		if err := j.Append(messages(i+1, i+20)); err != nil {
			t.Fatal(err)
		}
	}
	indexes, _ := list(dir)
	for _, i := range []int{1, len(indexes) - 1} { // one in the middle, and the active one
		if err := os.Remove(segmentName(dir, indexes[i])); err != nil {
			t.Fatal(err)
		}
	}
	err := j.Append(messages(3001, 3010))
	if err == nil {
		t.Error("appended to a file that has no name any more")
	}
	if err := j.Append(messages(3001, 3010)); err != nil {
		t.Fatal(err)
	}
	seqs := readAll(t, j)
	if n := len(seqs); n < 1500 || seqs[n-1] != 3010 {
		t.Errorf("%d messages are read", n)
	}
	j.Commit("all", 3010)
	j.Expire(time.Unix(1_795_000_000, 0).Add(24 * time.Hour))
	if left, _ := list(dir); len(left) != 1 {
		t.Errorf("segments %v are left", left)
	}
}

// What is stored gives way to a group of any size below the cap.
func TestRoomForLargeGroup(t *testing.T) {
	j := open(t, Options{Dir: memoryDir(t), MaxBytes: 16 << 20})
	random := rand.New(rand.NewPCG(4, 4))
	for i := range 40 {
		m := &ingest.Message{Topic: "large", Payload: make([]byte, (1+i%6)<<20)}
		for k := range m.Payload {
			m.Payload[k] = byte(random.Uint32())
		}
		if err := j.Append([]*ingest.Message{m}); err != nil {
			t.Fatalf("%d MiB: %v", 1+i%6, err)
		}
		j.Commit("all", j.Last())
	}
}

// A journal that wlog wrote, as versions before did, is read, and gone on with.
func TestWrittenByWlog(t *testing.T) {
	dir := memoryDir(t)
	wl, err := wlog.NewSize(nil, nil, dir, 4*page, "")
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 2000; i++ {
		m := message(i)
		m.Seq = uint64(i)
		if err := wl.Log(appendRecord(nil, m)); err != nil {
			t.Fatal(err)
		}
	}
	if err := wl.Close(); err != nil {
		t.Fatal(err)
	}
	if seqs := useful(t, dir); len(seqs) != 2000 {
		t.Errorf("%d messages are read", len(seqs))
	}
}

// What this package writes, wlog reads: single messages and blocks, over pages.
func TestReadByWlog(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, Options{Dir: dir, SegmentBytes: 4 * page})
	n := 0
	for _, size := range []int{1, 5, 900, 1, 700, 3} {
		if err := j.Append(messages(n+1, n+size)); err != nil {
			t.Fatal(err)
		}
		n += size
	}
	j.Close()
	all, err := wlog.NewSegmentsReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	r := wlog.NewReader(all)
	got := 0
	var b block
	for r.Next() {
		if err := b.set(r.Record()); err != nil {
			t.Fatal(err)
		}
		var m ingest.Message
		for b.next(&m) {
			if got++; m.Seq != uint64(got) {
				t.Fatalf("message %d is number %d", got, m.Seq)
			}
		}
	}
	if r.Err() != nil || got != n {
		t.Errorf("wlog reads %d of %d, %v", got, n, r.Err())
	}
}

// An Append that fails, however late, leaves nothing of it.
func TestAppendIsAllOrNothing(t *testing.T) {
	dir := memoryDir(t)
	j := open(t, Options{Dir: dir})
	if err := j.Append(messages(1, 3)); err != nil {
		t.Fatal(err)
	}
	big := func() *ingest.Message {
		m := &ingest.Message{Topic: "big", Payload: make([]byte, 3<<20)}
		random := rand.New(rand.NewPCG(9, 9))
		for i := range m.Payload {
			m.Payload[i] = byte(random.Uint32())
		}
		return m
	}
	group := []*ingest.Message{big(), big(), big(), big()}
	// The file takes the first part, and no further one.
	name := j.active.Name()
	info, err := j.active.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := j.active
	j.active = os.NewFile(w.Fd(), name)
	go func() { // ends with the pipe
		buf := make([]byte, maxWrite)
		r.Read(buf)
		r.Close()
	}()
	if err := j.Append(group); err == nil {
		t.Fatal("appended to a file that takes no more")
	}
	old.Close()
	if now, err := os.Stat(filepath.Clean(name)); err != nil || now.Size() != info.Size() {
		t.Errorf("the segment has %v bytes, had %d", now, info.Size())
	}
	if j.Last() != 3 {
		t.Errorf("the last is %d", j.Last())
	}
	if err := j.Append(group); err != nil || j.Last() != 7 {
		t.Errorf("again: %v, the last is %d", err, j.Last())
	}
	j.Close()
	again := open(t, Options{Dir: dir})
	if again.Last() != 7 {
		t.Errorf("opened again, the last is %d", again.Last())
	}
}

// typical is a message as a county's devices send it.
func typical(i int) *ingest.Message {
	device := i % 20_000
	topic := fmt.Sprintf("greencommunity/v1/community-%02d/lighting/lamp-%05d", device%40, device)
	payload := fmt.Sprintf(`{"time":%d,"active_power":%.1f,"energy_total":%.3f,"light_level":%.2f,"light_on":true,"voltage":%.1f}`,
		1_795_392_000_000+int64(i)*7, 40+float64(i*7919%200)/10, 1200+float64(i*104729%1_000_000)/1000, float64(i*31%100)/100, 225+float64(i*17%100)/10)
	return &ingest.Message{Received: 1_795_392_000_000_000_000 + int64(i)*5e6, Topic: topic, Payload: []byte(payload), PacketID: uint16(i), QoS: 1}
}

func BenchmarkAppendTypical(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256, 512} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			j := open(b, Options{Dir: b.TempDir()})
			group := make([]*ingest.Message, size)
			n, raw := 0, 0
			for b.Loop() {
				b.StopTimer()
				for i := range group {
					group[i] = typical(n)
					raw += recordBytes(group[i])
					n++
				}
				b.StartTimer()
				if err := j.Append(group); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/message")
			b.ReportMetric(float64(j.Bytes())/float64(n), "B/message")
			b.ReportMetric(float64(raw)/float64(n), "raw-B/message")
		})
	}
}

func TestNamesOfSegments(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"00000001", "00000003", "1", "00000002.tmp", "torn-00000001-0", "-0000001", "000000x1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := list(dir); err != nil || strings.Trim(fmt.Sprint(got), "[]") != "1 3" {
		t.Errorf("segments %v, %v", got, err)
	}
}

// A record that begins where a page has room for a header alone has a first piece
// without data, as wlog writes it as well: that is no damage.
func TestRecordThatBeginsInAPagesLastBytes(t *testing.T) {
	for left := pieceHeader - 1; left <= pieceHeader+1; left++ {
		first := bytes.Repeat([]byte{1}, page-pieceHeader-left)
		second := []byte("the record behind it")
		b := appendPieces(nil, 0, first)
		b = appendPieces(b, int64(len(b)), second)
		r := pageReader{r: bytes.NewReader(b)}
		for _, want := range [][]byte{first, second} {
			got, err := r.next(int64(len(b)))
			if err != nil || !bytes.Equal(got, want) || r.damaged {
				t.Errorf("%d bytes left: %d bytes, damaged %v, %v; want %d bytes", left, len(got), r.damaged, err, len(want))
			}
		}
	}
}
