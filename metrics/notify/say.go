package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"greencommunity/metrics/anomaly"
)

// say has a robot say what is due, in as few messages as are clear: alarms of one kind and
// community together, what waited through the night as one.
func (n *Notifier) say(ctx context.Context, s *setup, r *robot, list []saying, now time.Time) {
	n.look(ctx, s, list)
	list = slices.DeleteFunc(list, func(o saying) bool { return n.needless(s, r.Name, &o, now) })
	renderer := s.renderer
	renderer.names = n.names()
	for _, group := range groupsOf(list) {
		m := renderer.message(group, now, s.telling.others(group), r.fits)
		if len(group) == 1 && (group[0].about == raised || group[0].about == escalated) && r.Kind == wecom {
			m.picture = n.picture(ctx, s, group[0].item, now)
		}
		sending, cancel := context.WithTimeout(ctx, patience)
		err := r.send(sending, m, n.retries.WithLabelValues(r.Name).Inc)
		cancel()
		switch {
		case err == nil:
			n.messages.WithLabelValues(r.Name, "delivered").Inc()
			s.telling.done(r.Name, group, now)
		case ctx.Err() != nil:
			return // it is on disk, and is told after the restart
		case errors.Is(err, errBusy):
			n.messages.WithLabelValues(r.Name, "failed").Inc()
			n.log.Warn("message not delivered; it waits, and is tried again", "robot", r.Name, "title", m.title, "error", err)
			return
		default:
			n.messages.WithLabelValues(r.Name, "refused").Inc()
			n.log.Error("message refused; it is tried again in five minutes", "robot", r.Name, "title", m.title, "error", err)
			s.telling.refusedBy(r.Name, group, now)
		}
	}
}

// needless says whether there is nothing to tell after all: somebody has it, it is silenced,
// or another alarm stands for it.
func (n *Notifier) needless(s *setup, robot string, o *saying, now time.Time) bool {
	i := o.item
	hidden := i.Silenced != "" || i.Group != "" && !i.done()
	switch o.about {
	case raised:
		if hidden && !o.t.Over {
			s.telling.later(robot, o, now)
			return true
		}
		if hidden || o.t.Over && i.Status != "" && !i.done() {
			s.telling.hushed(robot, o)
			return true
		}
	case ended:
		if i.Status != "" && !i.done() {
			if hidden { // it goes on, and is only not shown
				s.telling.hushed(robot, o)
			} else {
				s.telling.goesOn(o)
			}
			return true
		}
	case waited:
		if hidden && !o.t.Over {
			s.telling.later(robot, o, now)
			return true
		}
		if hidden || o.t.Over && i.Status != "" && !i.done() {
			s.telling.hushed(robot, o)
			return true
		}
	case repeated, escalated:
		unknown := i.Status == "" && o.t.Labels["alarm"] != ""
		confirmed := i.confirmed() || unknown && o.t.Confirmed
		if hidden || confirmed || unknown && (o.about == repeated || o.severity != "critical") {
			s.telling.asked(o.id, confirmed, now)
			return true
		}
	}
	return false
}

// look asks the ingester for the alarms of a list. A message without what it knows is better
// than none: then they are as Alertmanager describes them.
func (n *Notifier) look(ctx context.Context, s *setup, list []saying) {
	known := map[string]map[string]*item{} // by whose link, and by id
	down := false
	for k := range list {
		o := &list[k]
		o.item = ofLabels(&o.t)
		id := o.t.Labels["alarm"]
		if id == "" || s.alarms == "" || down {
			continue
		}
		who := ""
		if len(o.who) > 0 {
			who = o.who[0].Name
		}
		if known[who] == nil {
			known[who] = map[string]*item{}
			if len(list) > 5 {
				items, err := n.list(ctx, s, who)
				if err != nil {
					n.log.Warn("the message says little: the list of alarms cannot be read", "error", err)
					down = true
					continue
				}
				for j := range items {
					known[who][items[j].ID] = &items[j]
				}
			}
		}
		if known[who][id] == nil {
			i, err := n.one(ctx, s, id, who)
			if err != nil {
				n.log.Warn("the message says little: the alarm cannot be read", "alarm", id, "error", err)
				var status httpStatus
				down = !errors.As(err, &status)
				continue
			}
			known[who][id] = i
		}
		o.item = known[who][id]
	}
}

// httpStatus is an answer that is not 200.
type httpStatus int

func (s httpStatus) Error() string { return fmt.Sprintf("HTTP %d", int(s)) }

// list returns the open alarms, with links for somebody.
func (n *Notifier) list(ctx context.Context, s *setup, who string) (items []item, err error) {
	return items, n.ask(ctx, s, s.alarms, url.Values{"for": {who}, "limit": {"5000"}}, &items)
}

// one returns an alarm, open or closed.
func (n *Notifier) one(ctx context.Context, s *setup, id, who string) (*item, error) {
	i := &item{}
	return i, n.ask(ctx, s, strings.TrimSuffix(s.alarms, "/")+"/"+url.PathEscape(id), url.Values{"for": {who}}, i)
}

func (n *Notifier) ask(ctx context.Context, s *setup, address string, q url.Values, into any) error {
	if q.Get("for") == "" {
		q.Del("for")
	}
	data, err := n.get(ctx, s, address, q)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("alarms: %w", err)
	}
	return nil
}

func (n *Notifier) get(ctx context.Context, s *setup, address string, q url.Values) ([]byte, error) {
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	if s.key != "" {
		req.Header.Set("Authorization", "Bearer "+s.key.Reveal())
	}
	answer, err := n.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("alarms: %w", httpStatus(answer.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAlarms))
	if err != nil {
		return nil, fmt.Errorf("alarms: %w", err)
	}
	return data, nil
}

// groupsOf parts what is due into messages.
func groupsOf(list []saying) [][]saying {
	key := func(o *saying) string {
		switch o.about {
		case waited, repeated:
			return fmt.Sprint(o.about)
		}
		return fmt.Sprint(o.about, o.severity, o.step, o.worse, o.h.Again, o.t.Labels["alarm"] == "", o.t.Labels["kind"], o.t.Labels["alertname"], o.t.Labels["community"], names(o.who))
	}
	slices.SortStableFunc(list, func(a, b saying) int {
		return cmp.Or(cmp.Compare(rank(a.severity), rank(b.severity)), cmp.Compare(a.about, b.about), a.item.began().Compare(b.item.began()), cmp.Compare(a.id, b.id))
	})
	var groups [][]saying
	at := map[string]int{}
	for _, o := range list {
		k := key(&o)
		n, ok := at[k]
		if !ok {
			n = len(groups)
			at[k] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], o)
	}
	return groups
}

// others is how many more of the kind are open in the community, of those that are raised.
func (t *telling) others(group []saying) int {
	o := &group[0]
	if o.about != raised || o.t.Labels["alarm"] == "" {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for id, k := range t.alarms {
		if !k.Over && k.Labels["kind"] == o.t.Labels["kind"] && k.Labels["community"] == o.t.Labels["community"] &&
			!slices.ContainsFunc(group, func(o saying) bool { return o.id == id }) {
			n++
		}
	}
	return n
}

const (
	fullItems = 3  // of a message that has more, the rest is a line each
	mostLines = 15 // nobody reads more in a chat; the page has all
)

// message says what a group of sayings is about.
func (r renderer) message(group []saying, now time.Time, others int, fits func(message) bool) message {
	first := &group[0]
	m := message{title: r.titleOf(group), tone: toneOfGroup(group)}
	if first.about != ended {
		for _, o := range group {
			if o.t.Over || o.item.done() {
				continue
			}
			for _, p := range o.who {
				if !slices.ContainsFunc(m.mentions, func(q Person) bool { return q.ID == p.ID }) {
					m.mentions = append(m.mentions, p)
				}
			}
		}
	}
	tail := ""
	if others > 0 {
		tail = fmt.Sprintf("本社区同类告警另有%d处未恢复。", others)
	}
	most := fullItems
	if len(group) > fullItems {
		most = 1 // the first shows what they are
	}
	if first.about == waited || first.about == repeated {
		most = 1
		if len(group) > 1 {
			most = 0
		}
	}
	compose := func(full, listed int) message {
		parts := []string{heading(m)}
		for k := range full {
			parts = append(parts, r.one(&group[k], now))
		}
		if listed > 0 {
			var lines []string
			over := -1
			for k := full; k < full+listed; k++ {
				if isOver := group[k].t.Over || group[k].item.done(); first.about == waited && (over < 0 || isOver != (over == 1)) {
					over = map[bool]int{true: 1}[isOver]
					lines = append(lines, map[bool]string{true: "**已恢复**", false: "**未恢复**"}[isOver])
				}
				lines = append(lines, r.line(&group[k], now))
			}
			parts = append(parts, strings.Join(lines, "\n"))
		}
		if more := len(group) - full - listed; more > 0 {
			parts = append(parts, fmt.Sprintf("另有%d处未列出，请打开页面查看。", more))
		}
		if tail != "" {
			parts = append(parts, tail)
		}
		if len(group) > 1 && r.page != "" {
			parts = append(parts, "[查看全部]("+r.page+")")
		}
		m := m
		m.text = strings.Join(parts, "\n\n")
		return m
	}
	if first.about == waited {
		slices.SortStableFunc(group, func(a, b saying) int { // open ones first
			over := func(o saying) int {
				if o.t.Over || o.item.done() {
					return 1
				}
				return 0
			}
			return over(a) - over(b)
		})
	}
	for full := min(most, len(group)); full >= 0; full-- {
		rest := min(len(group)-full, mostLines)
		if m := compose(full, rest); fits(m) {
			return m
		}
		if full <= 1 {
			if n := sort.Search(rest+1, func(n int) bool { return !fits(compose(full, n)) }) - 1; n >= 0 && (full > 0 || n > 0) {
				return compose(full, n)
			}
		}
	}
	// Not even one fits: its beginning does.
	text := []rune(r.one(first, now))
	cut := func(n int) message {
		m := m
		m.text = heading(m) + "\n\n" + string(text[:n]) + "…"
		return m
	}
	n := sort.Search(len(text), func(n int) bool { return !fits(cut(n + 1)) })
	return cut(n)
}

// one is an alarm in full, by what is to be said of it.
func (r renderer) one(o *saying, now time.Time) string {
	if o.t.Labels["alarm"] == "" {
		status := "firing"
		if o.t.Over {
			status = "resolved"
		}
		text := r.item(&webhookAlert{Status: status, Labels: o.t.Labels, StartsAt: o.t.Starts, EndsAt: o.t.Ends, Annotations: map[string]string{
			"summary": o.t.Summary, "description": o.t.Description,
		}})
		if links := r.links([]webhookAlert{{Annotations: map[string]string{"runbook_url": o.t.Runbook}}}); links != "" {
			text += "\n\n" + links
		}
		return text
	}
	if o.about == ended || o.t.Over || o.item.done() {
		return r.over(o.item, o.who)
	}
	again := ""
	switch {
	case o.about == escalated:
		again = lasting(o.after) + "无人确认"
		if len(o.h.Who) > 0 {
			again = "已通知" + plain(strings.Join(o.h.Who, "、")) + "，" + again
		}
		if o.item.Status == "" {
			again += "（采集服务没有应答，不知道是否已有人处理）"
		}
	case o.about == repeated:
		again = "仍无人确认"
	case o.worse:
		again = "比上次通知时加重"
	case o.h.Again:
		again = "恢复后再次发生"
	}
	role := "值班"
	if o.about == escalated {
		role = "现请"
	}
	return r.full(o.item, now, o.who, role, again)
}

// line is an alarm of a list.
func (r renderer) line(o *saying, now time.Time) string {
	if o.t.Labels["alarm"] == "" {
		return "- " + plain(cmp.Or(o.t.Summary, o.t.Labels["alertname"])) + " · " + r.community(o.t.Labels["community"])
	}
	return r.short(o.item, now)
}

func toneOfGroup(group []saying) tone {
	switch o := &group[0]; {
	case o.about == ended:
		return resolved
	case o.about == waited || o.about == repeated:
		return attention
	case o.severity == "critical":
		return alarming
	}
	return attention
}

// titleOf is the headline of a message: how grave, what, and where.
func (r renderer) titleOf(group []saying) string {
	o := &group[0]
	over := 0
	for k := range group {
		if group[k].t.Over || group[k].item.done() {
			over++
		}
	}
	switch o.about {
	case waited:
		if over == 0 {
			return fmt.Sprintf("【汇总】免打扰时段告警%d处，均未恢复", len(group))
		}
		return fmt.Sprintf("【汇总】免打扰时段告警%d处，%d处未恢复", len(group), len(group)-over)
	case repeated:
		return fmt.Sprintf("【未确认】%d处告警仍无人确认", len(group))
	}
	what := plain(cmp.Or(o.t.Summary, "告警"))
	if k, ok := anomaly.KindNamed(o.t.Labels["kind"]); ok {
		what = k.Title.ZH
	}
	many := len(group) == 1 && o.item.ofMany()
	if many {
		what = o.item.title()
		if o.item.Value != nil {
			what += fmt.Sprintf("（%s台）", grouped(*o.item.Value))
		}
	}
	where := ""
	if o.t.Labels["community"] != "" || many {
		where = " · " + r.communityOf(o.item)
	}
	switch name := plain(cmp.Or(o.item.DeviceName, o.item.CompoundName)); {
	case len(group) > 1:
		where += fmt.Sprintf("，%d处", len(group))
	case name != "" && !many:
		where += " " + name
	}
	state := cmp.Or(severities[o.severity], "告警")
	switch {
	case over == len(group) && o.item.Status == "false":
		state = "误报"
	case over == len(group) && o.item.Reason == "removed":
		state = "已结束"
	case over == len(group):
		state = "已恢复"
	case o.about == escalated:
		state = "升级·" + state
		where += "，" + lasting(o.after) + "无人确认"
	case o.worse:
		state = "加重·" + state
	case o.h.Again:
		state = "再次·" + state
	}
	title := "【" + state + "】" + what + where
	if long := []rune(title); len(long) > maxSummary {
		title = string(long[:maxSummary]) + "…"
	}
	return title
}
