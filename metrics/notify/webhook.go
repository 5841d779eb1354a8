package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A robot of kind webhook is a program of another department: it is told alarm by alarm,
// as the ingester lists them, by the same receivers and from the same file as the robots
// of chat groups. Nobody sleeps there, so quiet hours do not hold it back, and nothing is
// repeated to it that it has taken.

// Headers of an event.
const (
	EventHeader     = "X-Greencommunity-Event"     // opened, changed, escalated, cleared
	DeliveryHeader  = "X-Greencommunity-Delivery"  // the event's own id: the same each time it is sent
	TimestampHeader = "X-Greencommunity-Timestamp" // when it was sent, unix seconds
	SignatureHeader = "X-Greencommunity-Signature" // "sha256=" and the HMAC-SHA256 of timestamp, ".", body in hex
)

// Sign returns the signature of a body that is sent at a time in unix seconds.
func Sign(secret, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(timestamp + "."))
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// Event holds what a webhook is told.
type Event struct {
	Event string    `json:"event"` // opened, changed, escalated, cleared
	ID    string    `json:"id"`    // of the event
	At    time.Time `json:"at"`
	// Alarm is what GET /api/v1/alarms/{id} says; null of what is no alarm of a device.
	Alarm json.RawMessage `json:"alarm"`
	// Alert is what Alertmanager says of the service itself; null of alarms.
	Alert *Alert `json:"alert"`
}

// Alert is one of the service itself, such as a vendor that sends nothing.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	Runbook     string            `json:"runbook"`
	Starts      time.Time         `json:"starts"`
	Ends        *time.Time        `json:"ends"`
}

// errGone marks a receiver that wants nothing any more: HTTP 410.
var errGone = errors.New("HTTP 410: it wants nothing any more")

// event names what is to be told of an alarm.
func (o *saying) event() string {
	switch {
	case o.about == ended, o.t.Over, o.item.done():
		return "cleared"
	case o.about == escalated:
		return "escalated"
	case o.about == changed, o.h.Severity != "":
		return "changed"
	}
	return "opened"
}

// tellWebhook sends what is due, one event after the other. The first that is not taken
// ends it: those behind wait, so that an end never comes before its beginning.
func (n *Notifier) tellWebhook(ctx context.Context, s *setup, r *robot, list []saying, now time.Time) {
	for i := range list {
		o := &list[i]
		if r.gone {
			s.telling.done(r.Name, list[i:i+1], now)
			n.messages.WithLabelValues(r.Name, "refused").Inc()
			continue
		}
		if now.Before(r.until) {
			return
		}
		o.item = ofLabels(&o.t)
		event := Event{At: now.UTC()}
		if id := o.t.Labels["alarm"]; id != "" {
			data, err := n.get(ctx, s, alarmAddress(s, id), nil)
			var status httpStatus
			if errors.As(err, &status) && status == http.StatusNotFound {
				s.telling.done(r.Name, list[i:i+1], now) // erased: there is nothing to say of it
				continue
			}
			if err == nil {
				o.item = &item{}
				err = json.Unmarshal(data, o.item)
			}
			if err != nil {
				n.log.Warn("a webhook waits: the alarm cannot be read", "robot", r.Name, "alarm", id, "error", err)
				r.wait(now, 0)
				return
			}
			if n.needless(s, r.Name, o, now) {
				continue
			}
			event.Alarm, o.seen = data, seenOf(o.item)
		} else {
			event.Alert = &Alert{Labels: o.t.Labels, Summary: o.t.Summary, Description: o.t.Description, Runbook: o.t.Runbook, Starts: o.t.Starts}
			if o.t.Over {
				event.Alert.Ends = &o.t.Ends
			}
		}
		if o.about == raised && o.h.Severity != "" && o.seen != "" && o.seen == o.h.Seen {
			s.telling.done(r.Name, list[i:i+1], now) // that it is worse was told as a change
			continue
		}
		event.Event = o.event()
		// The same event has the same id however often it is sent, after a restart as well.
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%s\n%s\n%s", r.Name, o.id, event.Event, o.t.Starts, o.step, o.severity, o.seen))
		event.ID = hex.EncodeToString(sum[:12])
		body, err := json.Marshal(event)
		if err == nil {
			err = r.postEvent(ctx, &event, body)
		}
		var slow *slower
		switch {
		case err == nil:
			r.failures, r.until = 0, time.Time{}
			n.messages.WithLabelValues(r.Name, "delivered").Inc()
			s.telling.done(r.Name, list[i:i+1], now)
		case ctx.Err() != nil:
			return // it is on disk, and is told after the restart
		case errors.Is(err, errGone):
			r.gone = true
			n.messages.WithLabelValues(r.Name, "refused").Inc()
			n.log.Error("a webhook is told nothing any more: it answered 410; remove it, or restart once it is back", "robot", r.Name)
			s.telling.done(r.Name, list[i:i+1], now)
		case errors.As(err, &slow):
			r.wait(now, slow.wait)
			n.messages.WithLabelValues(r.Name, "failed").Inc()
			n.retries.WithLabelValues(r.Name).Inc()
			return
		case errors.Is(err, errBusy):
			r.wait(now, 0)
			n.messages.WithLabelValues(r.Name, "failed").Inc()
			n.retries.WithLabelValues(r.Name).Inc()
			n.log.Warn("event not delivered; it waits, and is tried again", "robot", r.Name, "event", event.Event, "alarm", o.t.Labels["alarm"], "error", err)
			return
		default:
			n.messages.WithLabelValues(r.Name, "refused").Inc()
			n.log.Error("event refused; it is tried again in five minutes", "robot", r.Name, "event", event.Event, "alarm", o.t.Labels["alarm"], "error", err)
			s.telling.refusedBy(r.Name, list[i:i+1], now)
		}
	}
}

// wait puts the next attempt off: 1 s, 2 s, 4 s … 5 min, or as long as the receiver says.
func (r *robot) wait(now time.Time, asked time.Duration) {
	r.failures = min(r.failures+1, 20)
	r.until = now.Add(cmp.Or(asked, min(time.Second<<(r.failures-1), refusedFor)))
}

// postEvent sends an event once. Redirects are not followed: the receiver is who the
// configuration says.
func (r *robot) postEvent(ctx context.Context, e *Event, body []byte) error {
	if r.limiter.Wait(ctx) != nil {
		return fmt.Errorf("%w: more than %d events a minute", errBusy, r.PerMinute)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the webhook's address is not one")
	}
	stamp := strconv.FormatInt(r.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "greencommunity")
	req.Header.Set(EventHeader, e.Event)
	req.Header.Set(DeliveryHeader, e.ID)
	req.Header.Set(TimestampHeader, stamp)
	req.Header.Set(SignatureHeader, Sign(r.Secret.Reveal(), stamp, body))
	answer, err := r.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // u itself shows the address, which may hold a key
		}
		return fmt.Errorf("%w: %v", errBusy, err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // its connection is used again
	switch status := answer.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return errGone
	case status == http.StatusTooManyRequests:
		return &slower{wait: waitOf(answer.Header), text: "HTTP 429"}
	case status >= 500, status == http.StatusRequestTimeout:
		return fmt.Errorf("%w: HTTP %d", errBusy, status)
	case status >= 300 && status < 400:
		return fmt.Errorf("HTTP %d: a redirect is not followed; give the address it leads to", status)
	default:
		return fmt.Errorf("HTTP %d", status)
	}
}

// seenOf is what a webhook has seen of an alarm: all that people did with it, and how
// grave it is. Values that are measured anew are no change.
func seenOf(i *item) string {
	due := ""
	if i.Due != nil {
		due = i.Due.UTC().Format(time.RFC3339)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %q %d", i.Severity, i.Status, i.Assignee, due, i.Reason, i.Silenced, len(i.Comments)))
	return hex.EncodeToString(sum[:8])
}

// changesEvery is how often the list of alarms is asked what people did with them.
const changesEvery = 5 * time.Second

// noteChanges finds what has changed of alarms that webhooks know.
func (n *Notifier) noteChanges(ctx context.Context, now time.Time) {
	s := n.setup.Load()
	if s.telling == nil || s.alarms == "" || now.Sub(n.compared) < changesEvery {
		return
	}
	t, known := s.telling, false
	t.mu.Lock()
	for _, k := range t.alarms {
		for name, h := range k.Robots {
			known = known || !k.Over && h.Seen != "" && s.robots[name] != nil
		}
	}
	t.mu.Unlock()
	if !known {
		return
	}
	n.compared = now
	items, err := n.list(ctx, s, "")
	if err != nil {
		return // it is asked again
	}
	seen := map[string]string{}
	for i := range items {
		seen[items[i].ID] = seenOf(&items[i])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.alarms {
		is := seen[k.Labels["alarm"]]
		for _, h := range k.Robots {
			if is != "" && h.Seen != "" && h.Seen != is && !h.Change && !k.Over {
				h.Change, t.dirty = true, true
			}
		}
	}
	t.save()
}

func alarmAddress(s *setup, id string) string {
	address := s.alarms
	for len(address) > 0 && address[len(address)-1] == '/' {
		address = address[:len(address)-1]
	}
	return address + "/" + url.PathEscape(id)
}
