// Package notify tells people of alerts: it takes what Alertmanager sends to
// its webhooks and says it in Chinese in chat groups of WeCom, DingTalk and
// Feishu, whose robots want texts, signatures and sizes of their own.
//
// What is answered with 200 has been taken by the robot. Everything else is
// answered with an error: 503 where trying again makes sense, which
// Alertmanager does, and 422 where the robot refuses (a wrong key, a missing
// keyword), which Alertmanager counts as failed and tries again with the
// group's next change or repetition. A robot that says "slower" is waited for,
// and those behind it wait in their order; Alertmanager gives up after
// group_interval, and the message does not. The queue that outlives a restart is
// Alertmanager's. A message may come twice, when a robot's answer was lost.
//
// One address delivers to one robot (/alerts/NAME): a robot that is away does
// not make the others repeat themselves.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest/config"
)

const (
	maxWebhook = 16 << 20
	maxAlarms  = 64 << 20
	maxAsked   = 30 // alarms of one message
)

// Notifier is the handler of /alerts/{robot}. It is safe for concurrent use.
type Notifier struct {
	names  func() Names
	client *http.Client
	log    *slog.Logger
	mu     sync.Mutex // between those who configure
	setup  atomic.Pointer[setup]
	now    func() time.Time
	wake   chan struct{}
	forgot time.Time // when what is over was last dropped; Run's own
	swept  time.Time // when what is over was last asked for; Run's own
	// compared is when what people did was last asked for; Run's own.
	compared time.Time
	reread   rereading // of the roster; Run's own

	messages *prometheus.CounterVec
	retries  *prometheus.CounterVec
}

// setup holds what a configuration says. It is replaced as a whole.
type setup struct {
	renderer renderer // but for the names
	alarms   string   // address, "" for none
	key      config.Secret
	robots   map[string]*robot
	conf     *Config
	roster   *Roster  // nil: Alertmanager names the robots
	telling  *telling // nil as well
}

// New returns a notifier to the robots of a configuration. It asks for the names
// with each message, so that new communities go by theirs.
func New(c *Config, names func() Names, log *slog.Logger, reg prometheus.Registerer) *Notifier {
	n := &Notifier{
		names: names, client: &http.Client{Timeout: 5 * time.Second}, log: log, now: time.Now, wake: make(chan struct{}, 1),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "greencommunity_notify_messages_total", Help: "Messages by robot and what became of them: delivered, refused by the robot, or failed for now."}, []string{"robot", "result"}),
		retries:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "greencommunity_notify_retries_total", Help: "Requests to a robot that were made again."}, []string{"robot"}),
	}
	n.setup.Store(&setup{})
	n.Configure(c)
	reg.MustRegister(n.messages, n.retries, waitingCollector{n})
	return n
}

// Configure goes on with another configuration: robots, and how messages look. A
// robot that is as it was keeps what it has sent within its limit, and what waits for
// it; messages for one that is gone are answered as before until they are sent. It
// is safe for concurrent use.
func (n *Notifier) Configure(c *Config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.setup.Load()
	next := &setup{
		renderer: renderer{zone: c.Zone, page: c.Page, runbooks: c.Runbooks, now: func() time.Time { return n.now() }},
		alarms:   c.Alarms, key: c.AlarmsKey, robots: map[string]*robot{}, conf: c, roster: c.Duty, telling: c.told,
	}
	if before.telling != nil && next.telling != nil && before.telling.path == next.telling.path {
		next.telling = before.telling // as it is by now
	}
	for _, r := range c.Robots {
		if same := before.robots[r.Name]; same != nil && same.Robot == r {
			next.robots[r.Name] = same
		} else {
			next.robots[r.Name] = newRobot(r)
			next.robots[r.Name].unfollowed = func(err error) {
				n.log.Warn("the mention or the picture behind a message was not delivered", "robot", r.Name, "error", err)
			}
		}
		for _, result := range []string{"delivered", "refused", "failed"} {
			n.messages.WithLabelValues(r.Name, result)
		}
		n.retries.WithLabelValues(r.Name)
	}
	for name := range before.robots {
		if next.robots[name] == nil {
			n.messages.DeletePartialMatch(prometheus.Labels{"robot": name})
			n.retries.DeleteLabelValues(name)
		}
	}
	n.setup.Store(next)
}

// ServeHTTP takes one notification of Alertmanager: to /alerts what the roster sends
// further, to /alerts/ROBOT what that robot says at once.
func (n *Notifier) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s := n.setup.Load()
	name := req.PathValue("robot")
	r := s.robots[name]
	switch {
	case name == "" && s.roster == nil:
		http.Error(w, "there is no roster: name one in notify.yaml, or deliver to /alerts/ROBOT", http.StatusNotFound)
		return
	case name != "" && r == nil:
		http.Error(w, "no robot has this name", http.StatusNotFound)
		return
	}
	if r != nil && r.Kind == hook {
		http.Error(w, "a webhook is told by the lines of the roster: deliver to /alerts", http.StatusNotFound)
		return
	}
	var said webhook
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxWebhook)).Decode(&said); err != nil {
		http.Error(w, "not a notification of Alertmanager: "+err.Error(), http.StatusBadRequest)
		return
	}
	if said.Version != "4" || len(said.Alerts) == 0 {
		http.Error(w, "not a notification of Alertmanager in version 4", http.StatusBadRequest)
		return
	}
	if name == "" {
		err := s.telling.take(&said, s.roster, n.now())
		select {
		case n.wake <- struct{}{}:
		default:
		}
		if err != nil { // it is told, and Alertmanager keeps it as well
			n.log.Error("what is to be told is not on disk", "error", err)
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
		return
	}
	renderer := s.renderer
	renderer.names = n.names()
	m := renderer.render(&said, n.open(req.Context(), s, &said), r.fits)
	err := r.deliver(req.Context(), m, n.retries.WithLabelValues(r.Name).Inc)
	switch {
	case err == nil:
		n.messages.WithLabelValues(r.Name, "delivered").Inc()
	case errors.Is(err, errBusy):
		n.messages.WithLabelValues(r.Name, "failed").Inc()
		n.log.Warn("message not delivered; Alertmanager tries again", "robot", r.Name, "alert", said.GroupLabels["alertname"], "error", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		n.messages.WithLabelValues(r.Name, "refused").Inc()
		n.log.Error("message refused", "robot", r.Name, "alert", said.GroupLabels["alertname"], "error", err)
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
}

// open asks the ingester for the alarms a notification names. A message that says little is
// better than none, so nothing hinders it.
func (n *Notifier) open(ctx context.Context, s *setup, said *webhook) map[string]*item {
	found, asked := map[string]*item{}, 0
	for i := range said.Alerts {
		id := said.Alerts[i].Labels["alarm"]
		if id == "" || s.alarms == "" || found[id] != nil || asked >= maxAsked {
			continue
		}
		asked++
		alarm, err := n.one(ctx, s, id, "")
		if err != nil {
			n.log.Warn("the message says little: the alarm cannot be read", "alarm", id, "error", err)
			var status httpStatus
			if errors.As(err, &status) {
				continue
			}
			break
		}
		found[id] = alarm
	}
	return found
}
