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
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxWebhook = 16 << 20
	maxAlarms  = 64 << 20
)

// Notifier is the handler of /alerts/{robot}. It is safe for concurrent use.
type Notifier struct {
	names  func() Names
	client *http.Client
	log    *slog.Logger
	mu     sync.Mutex // between those who configure
	setup  atomic.Pointer[setup]

	messages *prometheus.CounterVec
	retries  *prometheus.CounterVec
}

// setup holds what a configuration says. It is replaced as a whole.
type setup struct {
	renderer renderer // but for the names
	alarms   string   // address, "" for none
	robots   map[string]*robot
}

// New returns a notifier to the robots of a configuration. It asks for the names
// with each message, so that new communities go by theirs.
func New(c *Config, names func() Names, log *slog.Logger, reg prometheus.Registerer) *Notifier {
	n := &Notifier{
		names: names, client: &http.Client{Timeout: 3 * time.Second}, log: log,
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "greencommunity_notify_messages_total", Help: "Messages by robot and what became of them: delivered, refused by the robot, or failed for now."}, []string{"robot", "result"}),
		retries:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "greencommunity_notify_retries_total", Help: "Requests to a robot that were made again."}, []string{"robot"}),
	}
	n.setup.Store(&setup{})
	n.Configure(c)
	reg.MustRegister(n.messages, n.retries)
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
	next := &setup{renderer: renderer{zone: c.Zone, page: c.Page, runbooks: c.Runbooks}, alarms: c.Alarms, robots: map[string]*robot{}}
	for _, r := range c.Robots {
		if same := before.robots[r.Name]; same != nil && same.Robot == r {
			next.robots[r.Name] = same
		} else {
			next.robots[r.Name] = newRobot(r)
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

// ServeHTTP delivers one notification of Alertmanager.
func (n *Notifier) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s := n.setup.Load()
	r := s.robots[req.PathValue("robot")]
	if r == nil {
		http.Error(w, "no robot has this name", http.StatusNotFound)
		return
	}
	var hook webhook
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxWebhook)).Decode(&hook); err != nil {
		http.Error(w, "not a notification of Alertmanager: "+err.Error(), http.StatusBadRequest)
		return
	}
	if hook.Version != "4" || len(hook.Alerts) == 0 {
		http.Error(w, "not a notification of Alertmanager in version 4", http.StatusBadRequest)
		return
	}
	renderer := s.renderer
	renderer.names = n.names()
	m := renderer.render(&hook, n.open(req.Context(), s.alarms, &hook), r.fits)
	err := r.deliver(req.Context(), m, n.retries.WithLabelValues(r.Name).Inc)
	switch {
	case err == nil:
		n.messages.WithLabelValues(r.Name, "delivered").Inc()
	case errors.Is(err, errBusy):
		n.messages.WithLabelValues(r.Name, "failed").Inc()
		n.log.Warn("message not delivered; Alertmanager tries again", "robot", r.Name, "alert", hook.GroupLabels["alertname"], "error", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		n.messages.WithLabelValues(r.Name, "refused").Inc()
		n.log.Error("message refused", "robot", r.Name, "alert", hook.GroupLabels["alertname"], "error", err)
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
}

// open asks the ingester which devices are concerned. A message without them
// is better than none, so nothing hinders it.
func (n *Notifier) open(ctx context.Context, from string, hook *webhook) []alarm {
	if from == "" || hook.GroupLabels["community"] == "" || hook.Status != "firing" {
		return nil
	}
	alarms, err := n.list(ctx, from)
	if err != nil {
		n.log.Warn("the message names no devices", "alert", hook.GroupLabels["alertname"], "error", err)
	}
	return alarms
}

// list returns the open alarms, the worst first. The ingester lists all of
// them; those of the community are picked out while rendering.
func (n *Notifier) list(ctx context.Context, from string) ([]alarm, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	answer, err := n.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("alarms: HTTP %d", answer.StatusCode)
	}
	var alarms []alarm
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAlarms)).Decode(&alarms); err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	return alarms, nil
}
