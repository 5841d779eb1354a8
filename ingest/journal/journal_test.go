package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb/wlog"

	"greencommunity/ingest"
)

// message is one that does not compress, so that sizes are those written.
func message(i int) *ingest.Message {
	payload := make([]byte, 40+i%100)
	random := rand.New(rand.NewPCG(uint64(i), 1))
	for k := range payload {
		payload[k] = byte(random.Uint32())
	}
	return &ingest.Message{
		Received: time.Unix(1_795_000_000, 0).UnixNano() + int64(i)*1e6, Topic: fmt.Sprintf("a/b/%d", i%7),
		Payload: payload, PacketID: uint16(i), QoS: 1, Retained: i%5 == 0,
	}
}

func messages(from, to int) []*ingest.Message {
	var m []*ingest.Message
	for i := from; i <= to; i++ {
		m = append(m, message(i))
	}
	return m
}

func open(t testing.TB, o Options) *Journal {
	t.Helper()
	j, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// checkRead reads from seq on, checks every message, and returns the last number.
func checkRead(t testing.TB, j *Journal, seq uint64) uint64 {
	t.Helper()
	r := j.Read(seq)
	defer r.Close()
	last := uint64(0)
	for r.Next() {
		m := r.Message()
		want := message(int(m.Seq))
		if last != 0 && m.Seq != last+1 {
			t.Fatalf("message %d follows %d", m.Seq, last)
		}
		if m.Topic != want.Topic || !bytes.Equal(m.Payload, want.Payload) || m.Received != want.Received || m.PacketID != want.PacketID || m.Retained != want.Retained || m.QoS != 1 {
			t.Fatalf("message %d is %+v", m.Seq, m)
		}
		last = m.Seq
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return last
}

func TestAppendAndRead(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir, SegmentBytes: 4 * page})
	follow := j.Read(1)
	defer follow.Close()
	n := 0
	for group := 1; group <= 5000; group += 100 {
		if err := j.Append(messages(group, group+99)); err != nil {
			t.Fatal(err)
		}
		for follow.Next() {
			n++
			if follow.Message().Seq != uint64(n) {
				t.Fatalf("message %d is number %d", n, follow.Message().Seq)
			}
		}
	}
	if n != 5000 || follow.Err() != nil {
		t.Fatalf("followed %d messages, %v", n, follow.Err())
	}
	for _, from := range []uint64{0, 1, 2, 777, 4999, 5000} {
		if last := checkRead(t, j, from); last != 5000 {
			t.Errorf("reading from %d ended at %d", from, last)
		}
	}
	if r := j.Read(5001); r.Next() {
		t.Error("a message beyond the end")
	}
	j.Close()
	again := open(t, Options{Dir: dir, SegmentBytes: 4 * page})
	if again.Last() != 5000 || checkRead(t, again, 1) != 5000 {
		t.Errorf("after opening again the last is %d", again.Last())
	}
	if err := again.Append(messages(5001, 5010)); err != nil || checkRead(t, again, 4990) != 5010 {
		t.Errorf("going on: %v", err)
	}
}

func TestBigMessage(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir(), SegmentBytes: 4 * page})
	big := &ingest.Message{Topic: strings.Repeat("t", 60_000), Payload: bytes.Repeat([]byte("x"), 5<<20)}
	if err := j.Append([]*ingest.Message{big}); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]*ingest.Message{{Topic: "small"}, big, {Topic: "", Payload: nil}}); err != nil {
		t.Fatal(err)
	}
	r := j.Read(1)
	defer r.Close()
	for i, want := range []int{5 << 20, 0, 5 << 20, 0} {
		if !r.Next() || len(r.Message().Payload) != want {
			t.Fatalf("message %d: %v", i+1, r.Err())
		}
	}
}

// However much of the tail is missing, or how it is damaged, what is before it
// survives, opening succeeds, and appending goes on behind it.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	if err := j.Append(messages(1, 20)); err != nil {
		t.Fatal(err)
	}
	whole := map[int64]uint64{} // size of the file and the last message in it
	_, index, _ := wlog.Segments(dir)
	name := filepath.Base(wlog.SegmentName(dir, index))
	for i := 21; i <= 26; i++ {
		if err := j.Append(messages(i, i)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		whole[info.Size()] = uint64(i)
	}
	j.Close()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for size := range whole {
		sizes = append(sizes, size)
	}
	lastWithin := func(size int64) uint64 {
		last := uint64(20)
		for _, s := range sizes {
			if s <= size {
				last = max(last, whole[s])
			}
		}
		return last
	}
	slices.Sort(sizes)
	for size := sizes[0]; size <= sizes[len(sizes)-1]; size++ {
		for _, damage := range []string{"cut", "zeros", "noise"} {
			torn := append([]byte(nil), data[:size]...)
			switch damage {
			case "zeros":
				torn = append(torn, make([]byte, 300)...)
			case "noise":
				torn = append(torn, bytes.Repeat([]byte{0xa5, 0x17}, 150)...)
			}
			d := memoryDir(t)
			if err := os.WriteFile(filepath.Join(d, name), torn, 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := Open(Options{Dir: d})
			if err != nil {
				t.Fatalf("cut at %d, %s: %v", size, damage, err)
			}
			want := lastWithin(size)
			if again.Last() != want {
				t.Fatalf("cut at %d, %s: the last is %d, want %d", size, damage, again.Last(), want)
			}
			next := message(int(want) + 1)
			if err := again.Append([]*ingest.Message{next}); err != nil || checkRead(t, again, 1) != want+1 {
				t.Fatalf("cut at %d, %s: going on: %v", size, damage, err)
			}
			again.Close()
			os.RemoveAll(d)
		}
	}
}

// memoryDir is a directory in memory where the machine has one: hundreds of
// fsyncs are not what the test is about.
func memoryDir(t testing.TB) string {
	t.Helper()
	base := "/dev/shm"
	if _, err := os.Stat(base); err != nil {
		base = ""
	}
	d, err := os.MkdirTemp(base, "journal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

// Damage in a file costs the record that is damaged, and is counted.
func TestDamagedSegment(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir, SegmentBytes: 4 * page})
	for i := 1; i <= 3000; i += 10 {
		if err := j.Append(messages(i, i+9)); err != nil {
			t.Fatal(err)
		}
	}
	j.Close()
	first, _, _ := wlog.Segments(dir)
	f, err := os.OpenFile(wlog.SegmentName(dir, first), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("damage"), page+100); err != nil {
		t.Fatal(err)
	}
	f.Close()
	again := open(t, Options{Dir: dir, SegmentBytes: 4 * page})
	if seqs := readAll(t, again); len(seqs) < 2998 || len(seqs) == 3000 || seqs[len(seqs)-1] != 3000 {
		t.Errorf("read %d messages to %d", len(seqs), seqs[len(seqs)-1])
	}
}

// readAll returns the numbers of all messages that can be read, each as written.
func readAll(t testing.TB, j *Journal) (seqs []uint64) {
	t.Helper()
	r := j.Read(1)
	defer r.Close()
	for r.Next() {
		m, want := r.Message(), message(int(r.Message().Seq))
		if m.Topic != want.Topic || !bytes.Equal(m.Payload, want.Payload) {
			t.Fatalf("message %d is %+v", m.Seq, m)
		}
		if n := len(seqs); n > 0 && m.Seq <= seqs[n-1] {
			t.Fatalf("message %d follows %d", m.Seq, seqs[n-1])
		}
		seqs = append(seqs, m.Seq)
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return seqs
}

func TestExpiry(t *testing.T) {
	j := open(t, Options{Dir: t.TempDir(), SegmentBytes: 2 * page, MaxBytes: 64 * page, Retention: time.Hour})
	n := 0
	fill := func(count int) error {
		for range count {
			if err := j.Append(messages(n+1, n+10)); err != nil {
				return err
			}
			n += 10
		}
		return nil
	}
	if err := fill(100); err != nil {
		t.Fatal(err)
	}
	late := time.Unix(1_795_000_000, 0).Add(2 * time.Hour)
	if deleted := j.Expire(late); deleted != 0 {
		t.Errorf("%d segments deleted before anybody has committed", deleted)
	}
	j.Commit("store", 700)
	j.Commit("observe", uint64(n))
	if deleted := j.Expire(late); deleted == 0 {
		t.Error("nothing expired")
	}
	if first := j.First(); first == 1 || first > 701 {
		t.Errorf("the first is %d, and 701 is needed", first)
	}
	// Nobody reads on: the cap stops appending, and nothing that is needed goes.
	err := fill(10_000)
	if !errors.Is(err, ErrFull) {
		t.Fatalf("beyond the cap: %v", err)
	}
	if j.First() > 701 {
		t.Errorf("the first is %d, and 701 is needed", j.First())
	}
	if size := j.Bytes(); size > 64*page {
		t.Errorf("%d bytes, more than the cap", size)
	}
	j.Commit("store", uint64(n))
	j.Commit("observe", uint64(n))
	if err := fill(1); err != nil {
		t.Errorf("after a commit: %v", err)
	}
	if last := checkRead(t, j, 1); last != uint64(n) {
		t.Errorf("the last is %d, want %d", last, n)
	}
}

// On a disk that is full nothing is taken, nothing is half taken, and once
// there is room it goes on, without the reserve and with it.
func TestFullDisk(t *testing.T) {
	for _, reserve := range []int64{1, 256 << 10} {
		dir := filepath.Join(t.TempDir(), "disk")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		mount(t, dir, "2m")
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 800<<10), 0o600); err != nil {
			t.Fatal(err)
		}
		j := open(t, Options{Dir: filepath.Join(dir, "journal"), SegmentBytes: 4 * page, Reserve: reserve})
		n := 0
		var err error
		for err == nil {
			if err = j.Append(messages(n+1, n+37)); err == nil {
				n += 37
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("reserve %d: %v", reserve, err)
		}
		for range 20 {
			if err := j.Append(messages(n+1, n+37)); !errors.Is(err, ErrFull) {
				t.Fatalf("reserve %d, again: %v", reserve, err)
			}
		}
		if j.Last() != uint64(n) || checkRead(t, j, 1) != uint64(n) {
			t.Errorf("reserve %d: the last is %d, want %d", reserve, j.Last(), n)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := j.Append(messages(n+1, n+37)); err != nil {
				t.Fatalf("reserve %d, with room: %v", reserve, err)
			}
			n += 37
		}
		j.Close()
		again := open(t, Options{Dir: filepath.Join(dir, "journal"), SegmentBytes: 4 * page, Reserve: reserve})
		if checkRead(t, again, 1) != uint64(n) {
			t.Errorf("reserve %d: opened again, the last is %d, want %d", reserve, again.Last(), n)
		}
		again.Close()
	}
}

// mount gives the test a disk of its own size; it needs root.
func mount(t *testing.T, dir, size string) {
	t.Helper()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("mount: %v %s", err, out)
		}
		t.Skipf("no disk of its own: mount: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	j := open(t, Options{Dir: dir})
	if err := j.Append(messages(1, 100)); err != nil {
		t.Fatal(err)
	}
	beside := open(t, Options{Dir: dir, ReadOnly: true})
	if checkRead(t, beside, 1) != 100 {
		t.Error("not all read beside a writer")
	}
	if beside.Append(messages(101, 101)) == nil {
		t.Error("appended to a journal open for reading only")
	}
	if err := j.Append(messages(101, 110)); err != nil || checkRead(t, j, 1) != 110 {
		t.Errorf("the writer was disturbed: %v", err)
	}
}

func FuzzRecovery(f *testing.F) {
	dir := f.TempDir()
	j := open(f, Options{Dir: dir})
	if err := j.Append(messages(1, 10)); err != nil {
		f.Fatal(err)
	}
	j.Close()
	_, index, _ := wlog.Segments(dir)
	data, err := os.ReadFile(wlog.SegmentName(dir, index))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint(100), byte(0xff))
	f.Add(uint(len(data)-1), byte(1))
	f.Fuzz(func(t *testing.T, at uint, flip byte) {
		d := t.TempDir()
		damaged := append([]byte(nil), data...)
		damaged[at%uint(len(data))] ^= flip
		if err := os.WriteFile(filepath.Join(d, filepath.Base(wlog.SegmentName(dir, index))), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Open(Options{Dir: d})
		if err != nil {
			t.Fatal(err)
		}
		if seqs := readAll(t, again); len(seqs) < 9 {
			t.Errorf("of 10 messages %d are read: %v", len(seqs), seqs)
		}
		again.Close()
	})
}

func BenchmarkAppend(b *testing.B) {
	j := open(b, Options{Dir: b.TempDir()})
	group := messages(1, 256)
	for _, m := range group {
		m.Payload = make([]byte, 200)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Append(group); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/message")
}

func BenchmarkRead(b *testing.B) {
	j := open(b, Options{Dir: b.TempDir()})
	for i := range 100 {
		if err := j.Append(messages(i*1000+1, i*1000+1000)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		r := j.Read(1)
		n := 0
		for r.Next() {
			n++
		}
		r.Close()
		if n != 100_000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/message")
}

// The age of what is pending is measured by this: within a second for what is
// recent, and in proportion for what is not.
func TestReceivedAt(t *testing.T) {
	j := open(t, Options{Dir: memoryDir(t)})
	const n = 9000
	start := time.Unix(1_795_000_000, 0)
	at := func(seq int) time.Time { return start.Add(time.Duration(seq) * 700 * time.Millisecond) }
	for i := 1; i <= n; i++ {
		m := message(i)
		m.Received = at(i).UnixNano()
		if err := j.Append([]*ingest.Message{m}); err != nil {
			t.Fatal(err)
		}
	}
	for seq := 1; seq <= n; seq++ {
		got, ok := j.ReceivedAt(uint64(seq))
		early, age := at(seq).Sub(got), at(n).Sub(at(seq))
		if !ok || early < 0 || early > 2*time.Second+age/1000 {
			t.Fatalf("message %d, %s ago, is said to be %s older", seq, age, early)
		}
	}
	if j.marks[0].seq != 1 || len(j.marks) > maxMarks {
		t.Errorf("%d marks, the first of message %d", len(j.marks), j.marks[0].seq)
	}
}
