package notify

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// webhook holds what Alertmanager sends, version 4 of its format.
type webhook struct {
	Version         string            `json:"version"`
	Status          string            `json:"status"` // firing or resolved
	TruncatedAlerts int               `json:"truncatedAlerts"`
	GroupLabels     map[string]string `json:"groupLabels"`
	Alerts          []webhookAlert    `json:"alerts"`
}

type webhookAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// Names holds what people call communities and kinds of facility.
type Names struct {
	Communities, Facilities map[string]string
}

const maxSummary = 100 // characters of a headline

// renderer turns alerts into a message.
type renderer struct {
	zone           *time.Location
	names          Names
	page, runbooks string
	now            func() time.Time
}

// render says in Chinese what the alerts of a group are. The message is as
// much as the robot takes: whole alerts, the open ones first, and how many more
// there are. Alarms are the ingester's by id; nil if they are not known.
func (r renderer) render(w *webhook, alarms map[string]*item, fits func(message) bool) message {
	alerts := slices.Clone(w.Alerts)
	slices.SortStableFunc(alerts, func(a, b webhookAlert) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), a.StartsAt.Compare(b.StartsAt)) // firing before resolved
	})
	m := message{title: r.title(w, alerts), tone: toneOf(w, alerts)}
	items, now := make([]string, len(alerts)), r.now()
	for i := range alerts {
		items[i] = r.itemOf(&alerts[i], alarms, now)
	}
	compose := func(items []string) message {
		parts := append([]string{heading(m)}, items...)
		if more := len(alerts) + w.TruncatedAlerts - len(items); more > 0 {
			parts = append(parts, fmt.Sprintf("另有%d条未列出。", more))
		}
		if links := r.links(alerts); links != "" {
			parts = append(parts, links)
		}
		m := m
		m.text = strings.Join(parts, "\n\n")
		return m
	}
	n := sort.Search(len(items), func(n int) bool { return !fits(compose(items[:n+1])) })
	if n > 0 || len(items) == 0 {
		return compose(items[:n])
	}
	// Not even one fits: its beginning does.
	first := []rune(items[0])
	n = sort.Search(len(first), func(n int) bool { return !fits(compose([]string{string(first[:n+1]) + "…"})) })
	return compose([]string{string(first[:n]) + "…"})
}

var severities = map[string]string{"critical": "紧急", "warning": "一般", "info": "提示"}

// title is severity, what is wrong and where.
func (r renderer) title(w *webhook, alerts []webhookAlert) string {
	state, summary := "告警", w.GroupLabels["alertname"]
	if len(alerts) > 0 {
		state = cmp.Or(severities[worst(alerts)], state)
		summary = cmp.Or(alerts[0].Annotations["summary"], summary)
	}
	if w.Status == "resolved" {
		state = "已恢复"
	}
	if long := []rune(summary); len(long) > maxSummary {
		summary = string(long[:maxSummary]) + "…"
	}
	title := "【" + state + "】" + plain(summary)
	if community := w.GroupLabels["community"]; community != "" {
		title += " · " + r.community(community)
	}
	return title
}

// worst is the severity of the worst alert that is open, or of the worst of all.
func worst(alerts []webhookAlert) string {
	for _, severity := range []string{"critical", "warning", "info"} {
		for _, a := range alerts {
			if a.Labels["severity"] == severity && (a.Status == "firing" || alerts[0].Status != "firing") {
				return severity
			}
		}
	}
	return ""
}

func toneOf(w *webhook, alerts []webhookAlert) tone {
	switch severity := worst(alerts); {
	case w.Status == "resolved":
		return resolved
	case severity == "critical":
		return alarming
	case severity == "warning":
		return attention
	}
	return calm
}

// heading is the title in the text, which WeCom has no other place for.
func heading(m message) string { return "### " + m.title }

// itemOf is one alert: an alarm as the ingester knows it, anything else as Alertmanager
// describes it.
func (r renderer) itemOf(a *webhookAlert, alarms map[string]*item, now time.Time) string {
	i := alarms[a.Labels["alarm"]]
	switch {
	case i == nil:
		return r.item(a)
	case a.Status == "resolved":
		if !i.done() {
			ends := a.EndsAt
			i.Closed = &ends
		}
		return r.over(i, nil)
	}
	return r.full(i, now, nil, "", "")
}

// item is one alert as Alertmanager describes it, and since when.
func (r renderer) item(a *webhookAlert) string {
	var b strings.Builder
	description := a.Annotations["description"]
	community, facility := a.Labels["community"], a.Labels["facility"]
	if where := community + "（" + facility + "）"; community != "" && facility != "" {
		name := cmp.Or(r.names.Facilities[facility], facility)
		if facility == "all" {
			name = "全部设施"
		}
		description = strings.Replace(description, where, r.community(community)+"（"+plain(name)+"）", 1)
	}
	b.WriteString(plain(cmp.Or(description, a.Annotations["summary"], a.Labels["alertname"])))
	if a.Status == "resolved" {
		fmt.Fprintf(&b, "\n\n%s 至 %s，持续%s。", r.time(a.StartsAt), r.time(a.EndsAt), lasting(a.EndsAt.Sub(a.StartsAt)))
		return b.String()
	}
	fmt.Fprintf(&b, "\n\n自 %s 起。", r.time(a.StartsAt))
	return b.String()
}

// links leads to the page and to what to do.
func (r renderer) links(alerts []webhookAlert) string {
	var links []string
	if r.page != "" {
		links = append(links, "[查看详情]("+r.page+")")
	}
	if len(alerts) > 0 {
		runbook := alerts[0].Annotations["runbook_url"]
		if !strings.Contains(runbook, "://") {
			if r.runbooks == "" || runbook == "" {
				runbook = ""
			} else {
				runbook = strings.TrimSuffix(r.runbooks, "/") + "/" + runbook
			}
		}
		if runbook != "" {
			links = append(links, "[处置手册]("+runbook+")")
		}
	}
	return strings.Join(links, "　")
}

func (r renderer) community(id string) string { return plain(cmp.Or(r.names.Communities[id], id)) }

func (r renderer) time(t time.Time) string { return t.In(r.zone).Format("1月2日 15:04") }

// lasting is a duration as one says it.
func lasting(d time.Duration) string {
	switch d = d.Round(time.Minute); {
	case d < time.Minute:
		return "不到1分钟"
	case d < time.Hour:
		return fmt.Sprintf("%d分钟", int(d.Minutes()))
	case d < 48*time.Hour:
		if minutes := int(d.Minutes()) % 60; minutes > 0 {
			return fmt.Sprintf("%d小时%d分钟", int(d.Hours()), minutes)
		}
		return fmt.Sprintf("%d小时", int(d.Hours()))
	}
	if hours := int(d.Hours()) % 24; hours > 0 {
		return fmt.Sprintf("%d天%d小时", int(d.Hours())/24, hours)
	}
	return fmt.Sprintf("%d天", int(d.Hours())/24)
}

// plain keeps a text from being Markdown: names come from inventories and from
// devices, and must not become links or headings in a chat of the bureau.
var markdown = strings.NewReplacer(
	"\r", "", "\n", " ", "[", "［", "]", "］", "<", "＜", ">", "＞", "*", "＊", "`", "｀", "://", "：//", "@", "＠",
)

func plain(s string) string { return markdown.Replace(s) }
