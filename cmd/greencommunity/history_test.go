//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest/journal"
)

const historyInventory = `
communities:
- {id: nancheng, name: 南城社区}
vendors:
- id: honest0
  sources:
  - {topic: "h0/{community}/{facility}/{device}", format: native}
- id: honest1
  sources:
  - {topic: "h1/{community}/{facility}/{device}", format: native}
- id: hostile
  sources:
  - {topic: "evil/{community}/{facility}/{device}", format: native}
`

// oddDatabase passes writes on to InfluxDB, or answers as one in trouble does.
type oddDatabase struct {
	percent atomic.Int64 // of writes that go wrong
	mu      sync.Mutex   // guards wrong
	wrong   map[string]int
}

func (o *oddDatabase) serve(t testing.TB, to string) string {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	o.wrong = map[string]int{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "write") || rand.Int64N(100) >= o.percent.Load() {
			proxy.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		apply := func() {
			q, err := http.NewRequest(http.MethodPost, to+r.URL.String(), bytes.NewReader(body))
			if err != nil {
				return
			}
			q.Header = r.Header.Clone()
			if answer, err := http.DefaultClient.Do(q); err == nil {
				answer.Body.Close()
			}
		}
		count := func(what string) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.wrong[what]++
		}
		html := func(status int) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, "<html><title>Sign in</title></html>")
		}
		switch rand.IntN(11) {
		case 0:
			count("applied, answer lost")
			apply()
			panic(http.ErrAbortHandler)
		case 1:
			count("applied, 500")
			apply()
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			count("503")
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			count("429")
			w.WriteHeader(http.StatusTooManyRequests)
		case 4:
			count("401")
			w.WriteHeader(http.StatusUnauthorized)
		case 5:
			count("413")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case 6:
			count("200 of a login page")
			html(http.StatusOK)
		case 7:
			count("302")
			w.Header().Set("Location", "/login")
			html(http.StatusFound)
		case 8:
			count("400 of a proxy")
			html(http.StatusBadRequest)
		case 9:
			count("408")
			html(http.StatusRequestTimeout)
		default:
			count("connection closed")
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// sent is a message of an honest vendor, and what became of it.
type sent struct {
	kind   byte // t with a time, n without, a array, e event without time, d door, b broken
	device string
	number int   // in what is measured, or in the text
	at     int64 // unix milliseconds
	acked  bool  // else perhaps
	again  int   // how often the vendor's client lost its connection meanwhile, and may have published it again: another message
}

// message is the i-th one of vendor k.
func historyMessage(k, i int, start int64) (s sent, topic, payload string) {
	const devices = 700 // a kind and vendor
	s = sent{kind: "tnnaettdtb"[i%10], number: i, at: start + int64(i)*3}
	s.device = fmt.Sprintf("%c%d-%d", s.kind, k, i/10*7919%devices)
	facility := "lighting"
	switch s.kind {
	case 't':
		payload = fmt.Sprintf(`{"time":%d,"active_power":%d}`, s.at, i)
	case 'n':
		payload = fmt.Sprintf(`{"active_power":%d}`, i)
	case 'a':
		facility = "water"
		payload = fmt.Sprintf(`[{"time":%d,"water_volume_total":%d},{"time":%d,"water_volume_total":%d,"channel":"c2"},{"time":%d,"water_volume_total":%d}]`,
			s.at, 3*i, s.at+1, 3*i+1, s.at+2, 3*i+2)
	case 'e':
		facility = "gate"
		payload = fmt.Sprintf(`{"event":"door_forced","code":"%s"}`, historyCode(i))
	case 'd':
		facility = "gate"
		payload = `{"pass_in":1}`
	default:
		payload = fmt.Sprintf("broken %d %d", k, i)
	}
	return s, fmt.Sprintf("h%d/nancheng/%s/%s", k, facility, s.device), payload
}

// historyCode is a code of its own for each message, in a form that gates may have.
func historyCode(i int) string { return fmt.Sprintf("v%c%06d", 'a'+i/1_000_000, i%1_000_000) }

// hostileMessage is something a vendor should not send.
func hostileMessage(random *rand.Rand) []byte {
	switch random.IntN(5) {
	case 0:
		b := make([]byte, random.IntN(64<<10))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	case 1:
		return bytes.Repeat([]byte("["), random.IntN(20_000))
	case 2: // names
		var b bytes.Buffer
		for i := range 300 {
			fmt.Fprintf(&b, `%c{"active_power":1,"channel":"x%d"}`, ",["[btoi(i == 0)], random.IntN(50_000))
		}
		return append(b.Bytes(), ']')
	case 3:
		return fmt.Appendf(nil, `{"event":"x%d","active_power":1e999}`, random.IntN(50_000))
	default:
		return append(bytes.Repeat([]byte("{},"), 3000), '{', '}')
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lastBytes are the last ones of a file.
func lastBytes(t testing.TB, path string, n int64) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-n), n))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mountDisk gives the data directory a small disk of its own, which can be
// filled. Only root may; without it, no disk is filled.
func mountDisk(t testing.TB, dir string) bool {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	size := "192m"
	if os.Getenv("GREENCOMMUNITY_MESSAGES") != "" {
		size = "6g" // the rejects are kept to the last
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount: %v %s", err, out)
		}
		t.Logf("no disk is filled, as none may be mounted here: %v %s", err, out)
		return false
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return true
}

// fill takes what room the disk has, for a while.
func fill(t testing.TB, dir string, d time.Duration) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer os.Remove(path)
	for size := int64(1 << 30); size >= 4096; { // 4 KiB is a page
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Fallocate(int(f.Fd()), 0, info.Size(), size); err != nil {
			size /= 2
		}
	}
	time.Sleep(d)
}

// failCalls lets system calls on files of the process fail for a while: fsync,
// or a file that is opened, renamed or shortened. It returns false where no
// process may be traced.
func failCalls(t testing.TB, in *ingester, random *rand.Rand) bool {
	t.Helper()
	fault := []string{
		"fsync,fdatasync:error=EIO", "fsync,fdatasync:error=ENOSPC", "openat:error=EMFILE",
		"renameat,renameat2,rename:error=EIO", "ftruncate:error=EIO", "pwrite64:error=EIO",
	}[random.IntN(6)]
	var text bytes.Buffer
	trace := exec.Command(program(t, "strace"), "-f", "-q", "-o", os.DevNull, "-p", strconv.Itoa(in.cmd.Process.Pid),
		"-e", "inject="+fault+fmt.Sprintf(":when=1+%d", 1+random.IntN(3)))
	trace.Stderr = &text
	if err := trace.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(200+random.IntN(800)) * time.Millisecond)
	_ = trace.Process.Signal(syscall.SIGTERM) // it lets go of the process
	_ = trace.Wait()
	if strings.Contains(text.String(), "Operation not permitted") {
		if os.Getenv("CI") != "" {
			t.Fatalf("strace: %s", text.String())
		}
		t.Logf("no system call fails, as no process may be traced here: %s", text.String())
		return false
	}
	return true
}

// wholeRejects are the lines that were written whole. A kill tears the last
// one; its message is refused again.
func wholeRejects(t testing.TB, dir string) (lines []rejectLine) {
	t.Helper()
	for _, name := range []string{"rejects.ndjson.1", "rejects.ndjson"} {
		f, err := os.Open(filepath.Join(dir, "data", name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			var line rejectLine
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				lines = append(lines, line)
			}
		}
		if err := scanner.Err(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return lines
}

// journaled counts the messages of a journal's segment by topic and payload, as far as
// they can be read.
func journaled(t testing.TB, segment string, data []byte) map[string]int {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(segment)), data, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Options{Dir: dir, ReadOnly: true, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r := j.Read(0)
	defer r.Close()
	counts := map[string]int{}
	for r.Next() {
		counts[r.Message().Topic+" "+string(r.Message().Payload)]++
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return counts
}

// Two honest vendors send messages of every kind, a hostile one sends what it
// should not, and everything goes wrong that may: the process is killed and
// stopped, the journal damaged meanwhile, broker, database and links fail. What
// the broker acknowledged to the honest ones is compared with InfluxDB point by
// point and with the rejects line by line: nothing is missing and nothing stands twice
// but what was in a damaged record, message by message, and the service counts as many
// as lost. What a vendor's client published again is another message.
// Then it runs on until the journal has met its cap. GREENCOMMUNITY_MESSAGES is
// how many messages of the honest ones there are at least.
func TestHistory(t *testing.T) {
	t.Parallel()
	mosquitto, broker := startMosquitto(t)
	db := startDatabase(t)
	odd := &oddDatabase{}
	cable := startProxy(t, broker)
	bin := built.Path(t)
	const journalCap = 16 << 20
	dir, address, path := writeConfig(t, cable.addr(), odd.serve(t, "http://"+db.addr), fmt.Sprintf("journal: {max_bytes: %d}\nrejects: {max_bytes: 100GiB}\n", journalCap))
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(historyInventory), 0o600); err != nil {
		t.Fatal(err)
	}
	disk := mountDisk(t, filepath.Join(dir, "data"))
	in := &ingester{dir: dir, url: "http://" + address}
	in.process = startProcess(t, bin, "run", "--config", path)
	if name := os.Getenv("GREENCOMMUNITY_LOG"); name != "" {
		t.Cleanup(func() {
			if err := os.WriteFile(name, []byte(in.log.String()), 0o600); err != nil {
				t.Error(err)
			}
		})
	}
	in.waitReady()

	least, faults, burst := 4000, 10, 100
	if n, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_MESSAGES")); err == nil {
		least, faults, burst = n, max(faults, min(n/5000, 1000)), 500
	}
	if n, err := strconv.Atoi(os.Getenv("GREENCOMMUNITY_FAULTS")); err == nil {
		faults = n
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	began := time.Now()
	stop := make(chan struct{})
	watched := watch(in, stop)
	start := time.Now().Add(-12 * time.Hour).UnixMilli()
	var all [2][]sent
	var published, hostile atomic.Int64
	var wg sync.WaitGroup
	publish := func(k, n int, p *publisher) {
		window := make(chan struct{}, 200)
		results := make([]paho.Token, 0, n)
		var waiting sync.WaitGroup
		from := len(all[k])
		for i := range n {
			s, _, _ := historyMessage(k, from+i, start)
			all[k] = append(all[k], s)
		}
		for i := range n {
			_, topic, payload := historyMessage(k, from+i, start)
			window <- struct{}{}
			lost := p.lost.Load()
			token := p.client.Publish(topic, 1, false, payload)
			results = append(results, token)
			waiting.Add(1)
			go func() {
				defer waiting.Done()
				token.WaitTimeout(10 * time.Second)
				all[k][from+i].again = int(p.lost.Load() - lost)
				<-window
			}()
		}
		for i, token := range results {
			all[k][from+i].acked = token.WaitTimeout(10*time.Second) && token.Error() == nil
		}
		waiting.Wait()
		published.Add(int64(n))
		if at := published.Load(); at/100_000 != (at-int64(n))/100_000 {
			t.Logf("%d published after %s", at, time.Since(began).Round(time.Second))
		}
	}
	for k := range 2 {
		p := newPublisher(t, broker)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				publish(k, burst, p)
				time.Sleep(20 * time.Millisecond)
				// What waits with the broker is bounded, or the end is never reached.
				for s, err := in.metrics(); err == nil && published.Load()-int64(s.sum("greencommunity_messages_received_total")) > 50_000; s, err = in.metrics() {
					select {
					case <-stop:
						return
					case <-time.After(100 * time.Millisecond):
					}
				}
			}
		})
	}
	evil := newPublisher(t, broker)
	wg.Go(func() {
		random := rand.New(rand.NewPCG(seed, 3))
		for {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
			}
			token := evil.client.Publish(fmt.Sprintf("evil/nancheng/lighting/e%d", random.IntN(3000)), 1, false, hostileMessage(random))
			if token.WaitTimeout(5*time.Second) && token.Error() == nil {
				hostile.Add(1)
			}
		}
	})
	// How late a reading is while the hostile vendor sends, and nothing else is wrong.
	probe, late := newPublisher(t, broker), time.Duration(0)
	for i := range 10 {
		sent := time.Now()
		probe.publish("h0/nancheng/water/probe", fmt.Appendf(nil, `{"water_flow":%d}`, i))
		eventually(t, time.Minute, "a reading beside the hostile vendor's", func() error {
			if n := len(db.rows(`SELECT water_flow FROM water WHERE device = 'probe'`)); n <= i {
				return fmt.Errorf("%d of %d", n, i+1)
			}
			return nil
		})
		late = max(late, time.Since(sent))
	}
	done := map[string]int{}
	damaged := map[string]int{} // messages that cannot be read any more
	for n := 0; n < faults || published.Load() < int64(least); n++ {
		time.Sleep(time.Duration(100+random.IntN(500)) * time.Millisecond)
		odd.percent.Store(int64(random.IntN(2)) * 30)
		if in.ended() { // the disk is full at a start, say; systemd starts it again
			in.start()
			done["ended by itself"]++
		}
		what := "kill"
		if n >= 6 { // these first: each fault is had at least once in a small run
			n := random.IntN(12)
			what = []string{"kill", "kill", "damage", "empty segment", "stop", "stop", "database", "broker", "cable", "cable", "disk full", "system calls"}[n]
		} else {
			what = []string{"damage", "empty segment", "cable", "stop", "disk full", "system calls"}[n]
		}
		switch what {
		case "kill", "damage", "empty segment":
			in.end(syscall.SIGKILL)
			segments, err := filepath.Glob(filepath.Join(dir, "data", "journal", "0*"))
			if err != nil || len(segments) == 0 {
				t.Fatalf("%v %v", segments, err)
			}
			newest := segments[len(segments)-1]
			switch what {
			case "damage":
				data, err := os.ReadFile(newest)
				if err != nil {
					t.Fatal(err)
				}
				before := journaled(t, newest, data)
				if len(data) > 0 {
					at := len(data) - 1 - random.IntN(min(len(data), 20_000))
					for i := range min(len(data)-at, 1+random.IntN(2)*9) {
						data[at+i] ^= 1 << random.IntN(8) // one bit is put right, ten are not
					}
				}
				if err := os.WriteFile(newest, data, 0o600); err != nil {
					t.Fatal(err)
				}
				left := journaled(t, newest, data)
				for message, n := range before {
					if n > left[message] {
						damaged[message] += n - left[message]
						in.gone.Add(3 * int64(n-left[message])) // a message has three readings at most
					}
				}
			case "empty segment":
				index, err := strconv.Atoi(filepath.Base(newest))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(filepath.Dir(newest), fmt.Sprintf("%08d", index+1)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			in.start()
		case "stop":
			if in.cmd.Process.Signal(syscall.SIGSTOP) == nil {
				time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
				_ = in.cmd.Process.Signal(syscall.SIGCONT)
			}
		case "disk full":
			if !disk {
				continue
			}
			fill(t, filepath.Join(dir, "data"), time.Duration(random.IntN(1500))*time.Millisecond)
		case "system calls":
			if !failCalls(t, in, random) {
				continue
			}
		case "database":
			db.stop()
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			db.start()
		case "broker":
			mosquitto.end(syscall.SIGTERM)
			mosquitto.start()
			waitPort(t, broker)
		case "cable":
			cable.cut()
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			cable.close()
		}
		done[what]++
		fmt.Fprintf(in.log, "%s %d published, fault %d: %s\n", time.Now().UTC().Format(time.RFC3339Nano), published.Load(), n, what)
	}
	close(stop)
	wg.Wait()
	scrapes := <-watched
	odd.percent.Store(0)
	if in.ended() {
		in.start()
	}
	in.waitReady()
	for _, word := range []string{"panic:", "fatal error:"} {
		if text := in.log.String(); strings.Contains(text, word) {
			at := strings.Index(text, word)
			t.Errorf("the log has %q: %s", word, text[at:min(len(text), at+4000)])
		}
	}

	// On past the cap, in what does not compress, and then some more.
	filler := make([]byte, 200<<10)
	for range journalCap/len(filler) + 20 {
		for i := range filler {
			filler[i] = byte(random.Uint32())
		}
		evil.publish("evil/nancheng/lighting/filler", filler)
	}
	for k := range 2 {
		publish(k, 500, newPublisher(t, broker))
	}
	acked := 0
	for k := range all {
		for _, s := range all[k] {
			acked += btoi(s.acked)
		}
	}
	// The last message of each, which is broken, comes behind all others. The one
	// before it has a time.
	eventually(t, 10*time.Minute, "the last messages", func() error {
		last, text := 0, lastBytes(t, filepath.Join(in.dir, "data", "rejects.ndjson"), 8<<20)
		for k := range all {
			last += btoi(bytes.Contains(text, fmt.Appendf(nil, `"broken %d %d"`, k, len(all[k])-1)))
			s := all[k][len(all[k])-2]
			last += len(db.rows(fmt.Sprintf(`SELECT active_power FROM lighting WHERE device = '%s' AND time = %dms`, s.device, s.at)))
		}
		if last < 2*len(all) {
			return fmt.Errorf("%d of %d are there", last, 2*len(all))
		}
		return nil
	})
	s := in.waitSettled(float64(acked)+float64(hostile.Load()), 120*time.Second)
	if size := s.sum("greencommunity_journal_bytes"); size > journalCap {
		t.Errorf("the journal has %.0f bytes, over its cap", size)
	}
	in.waitReady()
	inDamaged := 0
	for _, n := range damaged {
		inDamaged += n
	}
	missing, doubled := compareHistory(t, in, db, all, start, damaged)
	lost := int(s.sum("greencommunity_messages_lost_total"))
	odd.mu.Lock()
	t.Logf("a reading beside the hostile vendor's was in InfluxDB after %s at most", late.Round(time.Millisecond))
	t.Logf("seed %d: %d published by honest vendors, %d acknowledged, %d by the hostile one; faults %v; answers %v; %d scrapes; missing %+v, doubled %+v, %d in damaged records, counted as lost %d",
		seed, published.Load(), acked, hostile.Load(), done, odd.wrong, scrapes, missing, doubled, inDamaged, lost)
	odd.mu.Unlock()
	if missing.damaged+doubled.damaged > lost {
		t.Errorf("of damaged records %d acknowledged messages are missing and %d stand twice, the service counts %d as lost", missing.damaged, doubled.damaged, lost)
	}
	if missing.whole > 0 || doubled.whole > 0 {
		t.Errorf("%d acknowledged messages are missing and %d stand twice that no damaged record had", missing.whole, doubled.whole)
	}
}

// tally counts messages by whether a damaged record had them.
type tally struct{ whole, damaged int }

// compareHistory looks for everything in InfluxDB and among the rejects. It
// returns how many acknowledged messages are missing and how many stand twice. A
// damaged record may hold what InfluxDB has and the broker has no acknowledgement of:
// it comes again, and without a time of its own it cannot be recognised once the record
// is gone.
func compareHistory(t testing.TB, in *ingester, db *database, all [2][]sent, start int64, damaged map[string]int) (missing, doubled tally) {
	t.Helper()
	found := map[string]int{}
	number := func(v any) int {
		n, err := strconv.Atoi(fmt.Sprint(v))
		if err != nil {
			t.Errorf("%v is no number that was sent", v)
		}
		return n
	}
	for digit := range 10 { // a tenth of the devices at a time, for the memory's sake
		for _, row := range db.rows(fmt.Sprintf(`SELECT active_power FROM lighting WHERE vendor =~ /honest/ AND device =~ /%d$/ GROUP BY device`, digit)) {
			key := fmt.Sprintf("%s %d", row["device"], number(row["active_power"]))
			if strings.HasPrefix(key, "t") {
				ns, _ := row["time"].(json.Number).Int64()
				key = fmt.Sprintf("%s at %d", key, ns/1e6)
			}
			found[key]++
		}
		for _, row := range db.rows(fmt.Sprintf(`SELECT water_volume_total FROM water WHERE vendor =~ /honest/ AND device =~ /%d$/ GROUP BY device, channel`, digit)) {
			ns, _ := row["time"].(json.Number).Int64()
			found[fmt.Sprintf("%s %d at %d", row["device"], number(row["water_volume_total"]), ns/1e6)]++
		}
	}
	for _, row := range db.rows(`SELECT code, device FROM events WHERE type = 'door_forced' AND vendor =~ /honest/`) {
		found[fmt.Sprintf("%s %s", row["device"], row["code"])]++
	}
	passes := map[string]int{}
	for _, row := range db.rows(`SELECT sum(pass_in) FROM gate WHERE vendor =~ /honest/ GROUP BY device`) {
		passes[fmt.Sprint(row["device"])] = number(row["sum"])
	}
	for _, r := range wholeRejects(t, in.dir) {
		if strings.HasPrefix(r.Payload, "broken ") {
			found[r.Payload] = 1 // a refusal may be told again after a kill
		}
	}
	type passed struct{ acked, perhaps, at int } // at is the last message's number
	doors := map[string]passed{}
	kinds := map[string]int{}
	defer func() {
		if missing != (tally{}) {
			t.Logf("missing of each kind: %v", kinds)
		}
	}()
	count := func(to *tally, what, key, message string) {
		if damaged[message] > 0 {
			damaged[message]--
			to.damaged++
			return
		}
		to.whole++
		t.Logf("%s: %s", what, key)
	}
	gone := func(s sent, key, message string) {
		kinds[string(s.kind)]++
		count(&missing, "missing", key, message)
	}
	for k := range all {
		for i, s := range all[k] {
			_, topic, payload := historyMessage(k, i, start)
			message := topic + " " + payload
			var keys []string
			switch s.kind {
			case 't':
				keys = []string{fmt.Sprintf("%s %d at %d", s.device, s.number, s.at)}
			case 'n':
				keys = []string{fmt.Sprintf("%s %d", s.device, s.number)}
			case 'a':
				for i := range 3 {
					keys = append(keys, fmt.Sprintf("%s %d at %d", s.device, 3*s.number+i, s.at+int64(i)))
				}
			case 'e':
				keys = []string{s.device + " " + historyCode(s.number)}
			case 'b':
				keys = []string{fmt.Sprintf("broken %d %d", k, s.number)}
			case 'd':
				d := doors[s.device]
				d.acked, d.perhaps, d.at = d.acked+btoi(s.acked), d.perhaps+btoi(!s.acked)+s.again, i
				doors[s.device] = d
			}
			there := 0
			for _, key := range keys {
				n := found[key]
				delete(found, key)
				there += btoi(n > 0)
				if n > 1+s.again {
					count(&doubled, fmt.Sprintf("stands %d times", n), key, message)
				}
			}
			if there < len(keys) && s.acked {
				gone(s, keys[0], message)
			}
		}
	}
	for device, n := range doors {
		have := passes[device]
		_, topic, payload := historyMessage(int(device[1]-'0'), n.at, start)
		for range n.acked - have {
			gone(sent{kind: 'd'}, device, topic+" "+payload)
		}
		for range have - n.acked - n.perhaps {
			count(&doubled, fmt.Sprintf("%d passes of %d and perhaps %d", have, n.acked, n.perhaps), device, topic+" "+payload)
		}
	}
	for key := range found {
		t.Errorf("a point nobody sent: %s", key)
	}
	return missing, doubled
}
