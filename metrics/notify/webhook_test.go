package notify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"greencommunity/ingest/config"
)

const (
	webhookSecret = "f1f2f3f4-0123456789"
	webhookRoster = `
quiet: [{hours: "22:00-07:00"}]
people: [{id: zhao, name: 赵主任, phone: "13800003333"}]
receivers: [{name: 维修, facilities: [water, waste], robots: [works]}]
otherwise: {robots: [office]}
escalation: [{severity: critical, after: 15m, who: [zhao], robots: [works]}]
`
)

// works is the program of another department: it takes down what it is told and answers
// as it is told to.
type works struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex // guards what follows
	answer func(http.ResponseWriter, *http.Request)
	events []Event
	tries  []string // delivery ids
}

func newWorks(t *testing.T) *works {
	w := &works{t: t}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		stamp := r.Header.Get(TimestampHeader)
		if at, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("sent at %q", stamp)
		}
		if got := r.Header.Get(SignatureHeader); got != Sign(webhookSecret, stamp, body) {
			t.Errorf("signed %q", got)
		}
		var e Event
		if err := json.Unmarshal(body, &e); err != nil || e.Event != r.Header.Get(EventHeader) || e.ID != r.Header.Get(DeliveryHeader) {
			t.Errorf("%v: %s %v", err, body, r.Header)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tries = append(w.tries, e.ID)
		if w.answer != nil {
			w.answer(rw, r)
			return
		}
		w.events = append(w.events, e)
		rw.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *works) answers(f func(http.ResponseWriter, *http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// took returns what was taken since the last time, as "event alarm", and how often it
// was tried.
func (w *works) took() (list []string, events []Event, tries []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events, tries = w.events, w.tries
	for _, e := range events {
		var i item
		if e.Alarm != nil {
			if err := json.Unmarshal(e.Alarm, &i); err != nil {
				w.t.Error(err)
			}
		}
		list = append(list, strings.TrimSpace(e.Event+" "+i.ID+" "+i.Status+" "+i.Severity))
	}
	w.events, w.tries = nil, nil
	return list, events, tries
}

func webhookScene(t *testing.T, at string) (*scene, *works) {
	s, w := newScene(t, at), newWorks(t)
	s.extra = []Robot{{Name: "works", Kind: hook, URL: config.Secret(w.URL), Secret: webhookSecret, PerMinute: 600}}
	s.write("roster.yaml", webhookRoster)
	s.start()
	return s, w
}

func wantTook(t *testing.T, w *works, want ...string) []Event {
	t.Helper()
	got, events, _ := w.took()
	if !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	return events
}

// Each event of an alarm, by night as well, with the alarm as the ingester lists it; what
// is another receiver's is not told, and a value that is measured anew is no event.
func TestWebhook(t *testing.T) {
	s, w := webhookScene(t, "2026-11-27 23:30")
	i := s.open(leak("1"))
	lamp := leak("2")
	lamp.Facility = "lighting"
	s.open(lamp)
	s.alert("firing", *i, lamp)
	s.turn()
	events := wantTook(t, w, "opened 1 open warning")
	answer, err := http.Get(s.url + "/api/v1/alarms/1")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	listed, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.TrimSpace(events[0].Alarm); !bytes.Equal(got, bytes.TrimSpace(listed)) {
		t.Errorf("the alarm is %s, the list says %s", got, listed)
	}
	change := func(f func(i *item)) {
		s.mu.Lock()
		f(i)
		s.mu.Unlock()
		s.later(time.Minute)
	}
	change(func(i *item) { i.Value = ptr(99) })
	wantTook(t, w)
	change(func(i *item) { i.Status, i.Assignee = "assigned", "王建国" })
	wantTook(t, w, "changed 1 assigned warning")
	change(func(i *item) {
		i.Comments = append(i.Comments, struct {
			Text string `json:"text"`
		}{"阀门已关"})
	})
	wantTook(t, w, "changed 1 assigned warning")
	change(func(i *item) { i.Status, i.Assignee, i.Severity = "open", "", "critical" })
	s.alert("firing", *i)
	s.turn()
	wantTook(t, w, "changed 1 open critical")
	s.later(20 * time.Minute)
	wantTook(t, w, "escalated 1 open critical")
	change(func(i *item) { i.Status = "cleared" })
	s.alert("resolved", *i, leak("1"))
	s.turn()
	wantTook(t, w, "cleared 1 cleared critical")
	s.later(26 * time.Hour)
	wantTook(t, w)
}

// A receiver that fails, is slow, asks to wait, redirects or is gone: what it has not taken
// waits on disk, over a restart, comes with the id it had, and in its order.
func TestWebhookTroubles(t *testing.T) {
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) }
	}
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		pause  time.Duration // until it is tried again
		tries  int           // before it gets well
		lost   bool
	}{
		"fails":     {answer: status(503), pause: 10 * time.Minute, tries: 3},
		"times out": {answer: status(408), pause: 10 * time.Minute, tries: 3},
		"is slow":   {answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, pause: 10 * time.Minute, tries: 2},
		"asks to wait": {answer: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "120")
			rw.WriteHeader(429)
		}, pause: 3 * time.Minute, tries: 1},
		"redirects": {answer: func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, other.URL, http.StatusTemporaryRedirect)
		}, pause: 10 * time.Minute, tries: 1},
		"knows us not":  {answer: status(401), pause: 10 * time.Minute, tries: 1},
		"is gone (410)": {answer: status(410), pause: 10 * time.Minute, tries: 1, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := webhookScene(t, "2026-11-27 10:00")
			s.n.setup.Load().robots["works"].client.Timeout = 30 * time.Millisecond
			w.answers(c.answer)
			i := s.open(fire("1"))
			s.alert("firing", *i)
			s.turn()
			s.turn() // at once again: it is left alone for a while
			for range c.tries - 1 {
				s.later(time.Minute)
			}
			_, _, tried := w.took()
			if len(tried) != c.tries {
				t.Errorf("tried %d times, want %d", len(tried), c.tries)
			}
			s.mu.Lock()
			i.Status = "acknowledged" // so that nobody else is told meanwhile
			s.mu.Unlock()
			w.answers(nil)
			if c.lost {
				s.open(fire("2"))
				s.alert("firing", fire("2"))
				s.later(c.pause)
				wantTook(t, w)
				if !strings.Contains(s.log.String(), "answered 410") {
					t.Errorf("the log does not say so: %s", s.log)
				}
				s.start() // after a restart it is asked anew
				s.alert("firing", fire("3"))
				s.open(fire("3"))
				s.later(time.Minute)
				wantTook(t, w, "changed 1 acknowledged critical", "opened 3 open critical")
				return
			}
			s.start()
			s.later(c.pause)
			events := wantTook(t, w, "opened 1 acknowledged critical")
			if len(events) != 1 || tried[0] == "" {
				t.Fatal(events, tried)
			}
			s.mu.Lock()
			i.Status = "cleared"
			s.mu.Unlock()
			s.alert("resolved", *i)
			s.later(time.Minute)
			wantTook(t, w, "cleared 1 cleared critical")
		})
	}
	if elsewhere > 0 {
		t.Errorf("a redirect was followed %d times", elsewhere)
	}
}

// The receiver of docs/api.md, as it stands there, takes what is signed and nothing else.
func TestWebhookReceiver(t *testing.T) {
	program, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for _, name := range []string{"api.md", "api.zh-CN.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		code := ""
		for _, block := range strings.Split(string(text), "```python\n")[1:] {
			if block, _, _ = strings.Cut(block, "```"); strings.Contains(block, "X-Greencommunity-Signature") {
				code = block
			}
		}
		if code == "" {
			t.Fatalf("%s has no receiver", name)
		}
		s, _ := webhookScene(t, "2026-11-27 10:00")
		path := filepath.Join(s.dir, "webhook-secret")
		s.write("webhook-secret", webhookSecret+"\n")
		run := exec.Command(program, "-u", "-c", strings.NewReplacer("8600", "0", "/run/secrets/webhook", path).Replace(code))
		run.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
		out, err := run.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = run.Process.Kill(); _ = run.Wait() }()
		lines := bufio.NewScanner(out)
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "http://") {
			t.Fatalf("it says %q", lines.Text())
		}
		address := lines.Text()
		s.extra[0].URL = config.Secret(address)
		s.start()
		i := leak("1")
		i.Title = zh("持续流量")
		s.open(i)
		s.alert("firing", i)
		s.turn()
		if !lines.Scan() || lines.Text() != "opened 1 持续流量 南城社区 1号楼水表" {
			t.Errorf("%s: it says %q", name, lines.Text())
		}
		// A stranger, and one who repeats what was sent an hour ago.
		body, now, old := `{"event":"opened"}`, strconv.FormatInt(time.Now().Unix(), 10), strconv.FormatInt(time.Now().Unix()-3600, 10)
		for _, of := range [][2]string{{now, Sign("another secret 0123", now, []byte(body))}, {old, Sign(webhookSecret, old, []byte(body))}, {now, ""}, {"", ""}} {
			r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(TimestampHeader, of[0])
			r.Header.Set(SignatureHeader, of[1])
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %q is answered with %s", name, of, answer.Status)
			}
		}
	}
}
