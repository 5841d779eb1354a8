package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// telling is what has been told to whom, and what waits to be: until the morning, for a
// robot, for somebody to confirm. It is in a file, so that a restart loses nothing and
// repeats nothing: Alertmanager is answered once the file has it.
type telling struct {
	path string

	mu     sync.Mutex // guards what follows
	alarms map[string]*told
	dirty  bool
	busy   map[string]bool // robots that are being told
	broken error           // why the file could not be written last
	// refusals are when robots refused to tell somebody else, who has not heard of it yet.
	refusals map[string]time.Time
}

// told is an alarm, as far as people have been told of it.
type told struct {
	Labels  map[string]string `json:"labels"`
	Summary string            `json:"summary,omitempty"`
	// Description is Alertmanager's, for what is no alarm of the ingester's.
	Description string    `json:"description,omitempty"`
	Runbook     string    `json:"runbook,omitempty"`
	Starts      time.Time `json:"starts"`
	Ends        time.Time `json:"ends"`
	Over        bool      `json:"over,omitempty"`
	// Firing is the severities of Alertmanager's alerts of it, by their fingerprint: one
	// that gets worse is two for a while.
	Firing map[string]firing `json:"firing,omitempty"`
	Robots map[string]*heard `json:"robots"`
	// Steps of escalations that were told, by receiver, severity and time.
	Steps map[string]time.Time `json:"steps,omitempty"`
	// Confirmed says that somebody had it when the ingester was asked last.
	Confirmed bool `json:"confirmed,omitempty"`

	asked time.Time // when it was found that somebody has it
}

// firing is an alert as long as Alertmanager has not said that it is over.
type firing struct {
	Severity string    `json:"severity"`
	Starts   time.Time `json:"starts"`
}

// heard is what a robot has said, and is to say.
type heard struct {
	Receiver string    `json:"receiver"`
	Severity string    `json:"severity,omitempty"` // as it was told; "" not yet
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Raise    bool      `json:"raise,omitempty"`  // waits to be told
	End      bool      `json:"end,omitempty"`    // waits to be told: it is over
	Waited   bool      `json:"waited,omitempty"` // through quiet hours
	Again    bool      `json:"again,omitempty"`  // it was over, and is back
	Who      []string  `json:"who,omitempty"`    // names of those who were on duty

	// Of a webhook: what it has seen of the alarm, and that something of it has changed.
	Seen   string `json:"seen,omitempty"`
	Change bool   `json:"change,omitempty"`

	refused time.Time // the robot refused it then
}

// severity is the worst that is firing.
func (t *told) severity() string {
	severity := t.Labels["severity"]
	for _, f := range t.Firing {
		if rank(f.Severity) < rank(severity) {
			severity = f.Severity
		}
	}
	return severity
}

func rank(severity string) int {
	return cmp.Or(map[string]int{"critical": 1, "warning": 2, "info": 3}[severity], 4)
}

const (
	// kept is how long an alarm that is over and told is remembered: it may be back.
	kept = time.Hour
	// refusedFor is how long a robot is not tried again that refused a message.
	refusedFor = 5 * time.Minute
	mostTold   = 50000
)

// openTelling reads a file of what has been told. A damaged one is put aside: what was told
// is told again, which is better than never.
func openTelling(path string) (*telling, error) {
	t := &telling{path: path, alarms: map[string]*told{}, busy: map[string]bool{}, refusals: map[string]time.Time{}}
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := t.write(); err != nil { // found now, and not when something waits
			return nil, fmt.Errorf("%w; give a file in a directory that the service may write to", err)
		}
		return t, nil
	case err != nil:
		return nil, fmt.Errorf("state: %w", err)
	}
	var saved struct {
		Alarms map[string]*told `json:"alarms"`
	}
	if err := json.Unmarshal(data, &saved); err != nil {
		if err := os.Rename(path, path+".damaged"); err != nil {
			return nil, fmt.Errorf("state: %w", err)
		}
		return t, nil
	}
	for id, a := range saved.Alarms {
		if a == nil || a.Robots == nil {
			continue
		}
		maps.DeleteFunc(a.Robots, func(_ string, h *heard) bool { return h == nil })
		t.alarms[id] = a
	}
	return t, nil
}

// write puts what is known on disk: the new file replaces the old one whole.
func (t *telling) write() error {
	data, err := json.Marshal(map[string]any{"alarms": t.alarms})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.path), filepath.Base(t.path)+".*")
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), t.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("state: %w", err)
	}
	t.dirty = false
	return nil
}

// Open opens the file of what has been told, where there is a roster. An error says why a
// notifier of this configuration could not keep what waits.
func (c *Config) Open() (err error) {
	if c.Duty != nil {
		c.told, err = openTelling(c.State)
	}
	return err
}

// take keeps what Alertmanager says. An error says that it is not on disk; it is known all
// the same, and Alertmanager says it again.
func (t *telling) take(w *webhook, roster *Roster, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range w.Alerts {
		t.takeAlert(&w.Alerts[i], roster, now)
	}
	if !t.dirty {
		return nil
	}
	t.broken = t.write()
	return t.broken
}

func (t *telling) takeAlert(a *webhookAlert, roster *Roster, now time.Time) {
	if rank(a.Labels["severity"]) > 2 {
		return // worth knowing, not worth telling
	}
	id, print := a.Labels["alarm"], cmp.Or(a.Fingerprint, fingerprint(a.Labels))
	if id == "" {
		id = "alert-" + print // not one of the ingester's: as Alertmanager describes it
	}
	k := t.alarms[id]
	if a.Status != "firing" {
		if k == nil {
			return
		}
		delete(k.Firing, print)
		t.dirty = true
		if len(k.Firing) == 0 && !k.Over {
			k.over(a.EndsAt)
		}
		return
	}
	if k == nil {
		if len(t.alarms) >= mostTold {
			return
		}
		k = &told{Robots: map[string]*heard{}, Firing: map[string]firing{}, Starts: a.StartsAt}
		t.alarms[id] = k
		t.dirty = true
	}
	if k.Firing == nil {
		k.Firing = map[string]firing{}
	}
	if f, known := k.Firing[print]; known && f.Starts.Equal(a.StartsAt) {
		return
	}
	back := k.Over
	if back {
		k.Over, k.Ends, k.Firing = false, time.Time{}, map[string]firing{}
		untold := false // that it was over: it goes on
		for _, h := range k.Robots {
			untold = untold || h.Severity != "" && h.End
		}
		if !untold {
			k.Starts, k.Steps, k.asked, k.Confirmed = a.StartsAt, nil, time.Time{}, false
		}
	}
	before := k.severity()
	fresh := len(k.Firing) == 0
	k.Firing[print] = firing{a.Labels["severity"], a.StartsAt}
	if fresh || rank(a.Labels["severity"]) <= rank(before) {
		k.Labels, k.Summary, k.Description, k.Runbook = a.Labels, a.Annotations["summary"], a.Annotations["description"], a.Annotations["runbook_url"]
	}
	t.dirty = true
	severity := k.severity()
	labels := maps.Clone(k.Labels)
	labels["severity"] = severity
	for _, v := range roster.receivers(labels, now) {
		for _, robot := range v.Robots {
			h := k.Robots[robot]
			switch {
			case h == nil:
				k.Robots[robot] = &heard{Receiver: v.Name, Raise: true}
			case back && h.Severity != "" && h.End: // that it was over was not told yet: it goes on
				h.End = false
			case back:
				h.Receiver, h.Raise, h.Again, h.End, h.Waited = v.Name, true, h.Severity != "", false, false
				h.Severity, h.First, h.Last = "", time.Time{}, time.Time{}
			case h.Severity != "" && rank(severity) < rank(h.Severity):
				h.Receiver, h.Raise = v.Name, true
			}
		}
	}
}

// over notes that an alarm is over.
func (k *told) over(at time.Time) {
	k.Over, k.Ends = true, at
	for _, h := range k.Robots {
		if h.Severity != "" {
			h.End, h.Raise = true, false // something worse that was over before it was told: the end says so
		}
	}
}

func fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(h, "%d:%s=%d:%s,", len(name), name, len(labels[name]), labels[name])
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// What a message is about.
type about uint8

const (
	raised    about = iota // it is new, worse, or back
	waited                 // it came in quiet hours
	ended                  // it is over
	repeated               // nobody has confirmed it
	escalated              // nobody has confirmed it, and somebody else is told
	changed                // somebody did something with it; webhooks only
)

// saying is one alarm of a message.
type saying struct {
	id       string
	about    about
	step     string // of escalated
	severity string
	t        told // a copy
	h        heard
	who      []Person
	after    time.Duration // of escalated: since it was told first
	worse    bool
	item     *item
	seen     string // of it, by a webhook
}

// milder says whether somebody was told of it as of less.
func (k *told) milder(severity string) bool {
	for _, h := range k.Robots {
		if h.Severity != "" && rank(h.Severity) > rank(severity) {
			return true
		}
	}
	return false
}

// due returns what a robot has to say now, by copies, and marks it as held where it is not
// the hour.
func (t *telling) due(robot, kind string, roster *Roster, now time.Time) (list []saying) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(t.alarms)) {
		k := t.alarms[id]
		severity := k.severity()
		add := func(s saying) {
			s.id, s.severity, s.t = id, severity, *k
			s.t.Labels, s.t.Firing, s.t.Robots, s.t.Steps = maps.Clone(k.Labels), maps.Clone(k.Firing), nil, nil
			list = append(list, s)
		}
		for name, h := range k.Robots {
			v := roster.receiverNamed(h.Receiver)
			if v == nil {
				v = &roster.Otherwise // the line has gone from the roster
			}
			held := severity != "critical" && roster.quiet(v, now) && !(name == robot && kind == hook)
			if name == robot && now.Sub(h.refused) >= refusedFor {
				who := roster.onDuty(v.Duty, now)
				switch {
				case (h.Raise || h.End) && held:
					if !h.Waited {
						h.Waited, t.dirty = true, true
					}
				case (h.Raise || h.End) && h.Waited && severity != "critical":
					add(saying{about: waited, h: *h, who: who})
				case h.Raise:
					add(saying{about: raised, h: *h, who: who, worse: k.milder(severity)})
				case h.End:
					add(saying{about: ended, h: *h, who: who})
				case kind == hook && h.Change && !k.Over:
					add(saying{about: changed, h: *h})
				case kind != hook && !k.Over && h.Severity != "" && !held && now.Sub(h.Last) >= roster.repeat(severity) && now.Sub(k.asked) >= time.Minute:
					add(saying{about: repeated, h: *h, who: who})
				}
			}
			if k.Over || h.Severity == "" || held || now.Sub(t.refusals[robot]) < refusedFor || now.Sub(k.asked) < time.Minute || k.Labels["alarm"] == "" {
				continue
			}
			for _, s := range roster.escalation(v) {
				after := time.Duration(s.After)
				key := fmt.Sprintf("%s/%s/%s", v.Name, s.Severity, after)
				to := s.Robots
				if len(to) == 0 {
					to = v.Robots
				}
				done := k.Steps[key+"/"+robot]
				if s.Severity != severity || now.Sub(h.First) < after || !slices.Contains(to, robot) || !done.IsZero() ||
					slices.ContainsFunc(list, func(o saying) bool { return o.id == id && o.about == escalated && o.step == key+"/"+robot }) {
					continue
				}
				who := roster.named(s.Who)
				if s.Duty != "" {
					who = roster.onDuty(s.Duty, now)
				}
				add(saying{about: escalated, step: key + "/" + robot, h: *h, who: who, after: now.Sub(h.First)})
			}
		}
	}
	// Who is next is told of it: that says as well that nobody has confirmed.
	return slices.DeleteFunc(list, func(s saying) bool {
		return s.about == repeated && slices.ContainsFunc(list, func(o saying) bool { return o.id == s.id && o.about == escalated })
	})
}

// done notes what was told. What has changed meanwhile, such as that it is over, is
// told next.
func (t *telling) done(robot string, list []saying, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range list {
		k := t.alarms[s.id]
		if k == nil {
			continue
		}
		t.dirty = true
		if s.about == escalated {
			if k.Steps == nil {
				k.Steps = map[string]time.Time{}
			}
			k.Steps[s.step] = now
			if h := k.Robots[robot]; h != nil {
				h.Last = now
			}
			if k.Robots[robot] == nil { // they are told of its end as well
				k.Robots[robot] = &heard{Receiver: s.h.Receiver, Severity: s.severity, First: now, Last: now, End: k.Over}
			}
			continue
		}
		h := k.Robots[robot]
		if h == nil {
			continue
		}
		h.refused = time.Time{}
		if s.seen != "" {
			h.Seen, h.Change = s.seen, false
		}
		var who []string
		for _, p := range s.who {
			who = append(who, p.Name)
		}
		switch {
		case s.about == ended || s.t.Over:
			h.Raise, h.End, h.Waited = false, false, false
			h.Last = now
			if h.Severity == "" {
				h.Severity = s.severity // it came and went, and was told at once
			}
			if !k.Over { // it came back while it was told to be over
				*h = heard{Receiver: h.Receiver, Raise: true, Again: true}
			}
		case s.about == changed:
			h.Last, h.Change = now, false
			h.End = h.End || k.Over
		case s.about == repeated:
			h.Last = now
			k.Confirmed = false
		default:
			if h.First.IsZero() {
				h.First = now
			}
			h.Raise, h.Waited, h.Again, h.Last, h.Who = false, false, false, now, who
			h.Severity = s.severity
			h.Raise = !k.Over && rank(k.severity()) < rank(s.severity) // it got worse while it was told
			if k.Over {
				h.End = true
			}
		}
	}
	t.save()
}

// hushed notes that there is nothing to tell: it was silenced, or another stands for it.
func (t *telling) hushed(robot string, s *saying) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.alarms[s.id]; k != nil && k.Robots[robot] != nil {
		// Should it show again, or do so already, it is new.
		*k.Robots[robot] = heard{Receiver: k.Robots[robot].Receiver, Raise: !k.Over}
		t.dirty = true
	}
	t.save()
}

// goesOn notes that an alarm was said to be over and is not: Prometheus has missed a scrape of
// the ingester. What was told stands, so that nobody is told again and the time until somebody
// else is told does not begin anew. Its end is found by sweep, should nobody say it.
func (t *telling) goesOn(s *saying) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.alarms[s.id]; k != nil && k.Over {
		k.Over, k.Ends, t.dirty = false, time.Time{}, true
		for _, h := range k.Robots {
			h.End = false
			h.Raise = h.Severity == "" || rank(k.severity()) < rank(h.Severity) // not told yet, or not as what it is
		}
	}
	t.save()
}

// later notes that an alarm is not shown now, and may be told in a minute.
func (t *telling) later(robot string, s *saying, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.alarms[s.id]; k != nil && k.Robots[robot] != nil {
		k.Robots[robot].refused = now.Add(time.Minute - refusedFor)
	}
}

// asked notes whether somebody has it, so that the ingester is not asked each second.
func (t *telling) asked(id string, confirmed bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k := t.alarms[id]; k != nil {
		k.asked = now
		if k.Confirmed != confirmed {
			k.Confirmed, t.dirty = confirmed, true
		}
	}
}

// refusedBy notes that a robot did not take a message.
func (t *telling) refusedBy(robot string, list []saying, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range list {
		switch k := t.alarms[s.id]; {
		case s.about == escalated:
			t.refusals[robot] = now
		case k != nil && k.Robots[robot] != nil:
			k.Robots[robot].refused = now
		}
	}
}

// forget drops what is over, told, and not back. What waits for a robot that is not there any
// more goes to those that are told now.
func (t *telling) forget(robots map[string]*robot, roster *Roster, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, k := range t.alarms {
		for name, h := range k.Robots {
			if robots[name] != nil {
				continue
			}
			delete(k.Robots, name)
			t.dirty = true
			if !h.Raise && !h.End {
				continue
			}
			labels := maps.Clone(k.Labels)
			labels["severity"] = k.severity()
			for _, v := range roster.receivers(labels, now) {
				for _, robot := range v.Robots {
					if k.Robots[robot] == nil {
						moved := *h
						moved.Receiver, moved.refused = v.Name, time.Time{}
						k.Robots[robot] = &moved
					}
				}
			}
		}
		if !k.Over || now.Sub(k.Ends) < kept {
			continue
		}
		waits := false
		for name, h := range k.Robots {
			waits = waits || (h.Raise || h.End) && robots[name] != nil
		}
		if !waits {
			delete(t.alarms, id)
			t.dirty = true
		}
	}
	t.save()
}

// save writes what has changed; mu is held. That it failed shows in
// greencommunity_notify_state_broken, and Alertmanager gets no 200 until it is written.
func (t *telling) save() {
	if t.dirty {
		t.broken = t.write()
	}
}

// flush writes what has changed.
func (t *telling) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.save()
}

// waiting is how many alarms wait to be told by each robot: through quiet hours, and for the
// robot.
func (t *telling) waiting() (held, pending map[string]int) {
	held, pending = map[string]int{}, map[string]int{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.alarms {
		for robot, r := range k.Robots {
			switch {
			case !r.Raise && !r.End:
			case r.Waited:
				held[robot]++
			default:
				pending[robot]++
			}
		}
	}
	return held, pending
}

// waitingCollector shows what waits to be told.
type waitingCollector struct{ n *Notifier }

var (
	waitingDesc = prometheus.NewDesc("greencommunity_notify_waiting",
		"Alarms that wait to be told, by robot and why: quiet (the end of quiet hours) or robot (it does not take them, or not yet).", []string{"robot", "why"}, nil)
	stateDesc = prometheus.NewDesc("greencommunity_notify_state_broken",
		"1 where what has been told cannot be written to disk, so that a restart would tell it again.", nil, nil)
)

func (waitingCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- waitingDesc
	ch <- stateDesc
}

func (c waitingCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.n.setup.Load()
	if s.telling == nil {
		return
	}
	held, pending := s.telling.waiting()
	for name := range s.robots {
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(held[name]), name, "quiet")
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(pending[name]), name, "robot")
	}
	s.telling.mu.Lock()
	broken := 0.0
	if s.telling.broken != nil {
		broken = 1
	}
	s.telling.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, broken)
}

// swept is how long after an alarm was over Alertmanager should have said so. It does not
// where another alert holds this one back, and where it was away.
const swept = 5 * time.Minute

// sweep asks the ingester for what is over and was not said to be.
func (n *Notifier) sweep(ctx context.Context, now time.Time) {
	s := n.setup.Load()
	if s.telling == nil || s.alarms == "" || now.Sub(n.swept) < swept {
		return
	}
	n.swept = now
	t := s.telling
	t.mu.Lock()
	open := map[string]string{} // by id of the alarm
	for id, k := range t.alarms {
		if alarm := k.Labels["alarm"]; alarm != "" && !k.Over && now.Sub(k.Starts) > swept {
			open[alarm] = id
		}
	}
	t.mu.Unlock()
	if len(open) == 0 {
		return
	}
	items, err := n.list(ctx, s, "")
	if err != nil {
		return // it is asked again
	}
	for i := range items {
		delete(open, items[i].ID)
	}
	asked := 0
	for alarm, id := range open {
		if asked++; asked > maxAsked {
			break
		}
		i, err := n.one(ctx, s, alarm, "")
		if err != nil || !i.done() || i.Closed == nil || now.Sub(*i.Closed) < swept {
			continue
		}
		t.mu.Lock()
		if k := t.alarms[id]; k != nil && !k.Over {
			k.over(*i.Closed)
			t.dirty = true
		}
		t.mu.Unlock()
	}
}

// tellRobots lets each robot that has something to say say it, one message after the other,
// without one waiting for another.
func (n *Notifier) tellRobots(ctx context.Context, now time.Time, wait *sync.WaitGroup) {
	s := n.setup.Load()
	if s.roster == nil || s.telling == nil {
		return
	}
	t := s.telling
	for name, r := range s.robots {
		t.mu.Lock()
		busy := t.busy[name]
		t.mu.Unlock()
		if busy {
			continue
		}
		list := t.due(name, r.Kind, s.roster, now)
		if len(list) == 0 {
			continue
		}
		t.mu.Lock()
		t.busy[name] = true
		t.mu.Unlock()
		wait.Go(func() {
			defer func() {
				t.mu.Lock()
				delete(t.busy, name)
				t.mu.Unlock()
			}()
			if r.Kind == hook {
				n.tellWebhook(ctx, s, r, list, now)
			} else {
				n.say(ctx, s, r, list, now)
			}
		})
	}
	t.flush()
	if now.Sub(n.forgot) > time.Minute {
		n.forgot = now
		t.forget(s.robots, s.roster, now)
	}
}

// Run tells what is to be told until ctx ends: at once where Alertmanager has said something,
// and by the clock what waited, what nobody has confirmed, and who is next.
func (n *Notifier) Run(ctx context.Context) {
	var wait sync.WaitGroup
	defer wait.Wait()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n.rereadRoster()
		n.sweep(ctx, n.now())
		n.noteChanges(ctx, n.now())
		n.tellRobots(ctx, n.now(), &wait)
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-tick.C:
		}
	}
}

// rereading is which file of a roster has been read.
type rereading struct {
	path string
	at   time.Time
	size int64
}

// rereadRoster reads the roster again once its file has changed. A wrong one is told once,
// and the one before stays in force.
func (n *Notifier) rereadRoster() {
	s := n.setup.Load()
	if s.roster == nil || s.conf.Roster == "" {
		return
	}
	now, err := os.Stat(s.conf.Roster)
	if err != nil {
		return // it is being replaced, or is gone: the one before stays
	}
	this := rereading{s.conf.Roster, now.ModTime(), now.Size()}
	if this == n.reread {
		return
	}
	first := n.reread.path != this.path
	n.reread = this
	if first {
		return
	}
	roster, err := ReadRoster(s.conf.Roster, s.conf.robotNames(), s.conf.Zone)
	if err != nil {
		n.log.Error("the roster has changed and is wrong; the one before stays in force", "error", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if s != n.setup.Load() {
		n.reread = rereading{} // another configuration came in between
		return
	}
	next := *s
	next.roster = roster
	n.setup.Store(&next)
	n.log.Info("the roster is read again", "receivers", len(roster.Receivers), "people", len(roster.People))
}
