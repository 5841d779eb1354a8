package main

import (
	"fmt"

	"greencommunity/metrics/anomaly"
)

// held is the open alarms as the ingester last showed them. An ingester that
// does not answer has not seen anything clear, so while Prometheus knows the
// target and cannot read it, what was open stays open; nobody is told that a
// burst is over because a process was restarted.
const held = "instance:greencommunity_anomaly_active:held"

// anomalies is one alert a kind: each has its own page, silence and headline.
// They have no `for`: the ingester keeps durations and hysteresis, over
// restarts too. keep_firing_for is Alertmanager's group interval, so that what
// clears and comes back between two messages is one alert.
//
// BUG(alerts): what is kept while the ingester is away is lost when Prometheus
// is away at the same time for more than five minutes. The alerts then clear,
// and are raised again when the ingester is back.
func anomalies() group {
	g := group{Name: "greencommunity-anomalies", Records: []record{{
		Name: held,
		Why:  "kept as it was while the ingester cannot be read.",
		Expr: `sum by (instance, community, facility, kind, severity) (greencommunity_anomaly_active)
or
(` + held + ` and on (instance) (up{` + scrape + `} == 0))`,
	}}}
	for _, k := range anomaly.Kinds {
		g.Alerts = append(g.Alerts, alert{
			Name: "Greencommunity" + camel(k.Name), Page: k.Name,
			Expr:     `sum by (community, facility, kind, severity) (` + held + `{kind="` + k.Name + `"}) > 0`,
			Severity: k.Severity.String(), Label: "{{ $labels.severity }}", KeepFiring: "5m",
			Summary: Text{ZH: k.Title.ZH, EN: k.Title.EN},
			Description: Text{
				ZH: fmt.Sprintf("{{ $labels.community }}（{{ $labels.facility }}）有{{ $value }}处未恢复：%s", k.Means.ZH),
				EN: fmt.Sprintf("{{ $value }} open in {{ $labels.community }} ({{ $labels.facility }}): %s", k.Means.EN),
			},
			Means: k.Means, Clears: k.Clears, Check: anomaly.Checks[k.Name],
		})
	}
	g.Alerts = append(g.Alerts, oneMore)
	return g
}

// oneMore tells of another burst while one is open in the same community: to
// the alert of the kind that is a number that changes, which nobody is told of.
// Alertmanager has a route for it that does not tell when it clears.
var oneMore = alert{
	Name: "GreencommunityOneMore", Page: "one_more", Severity: "critical", Label: "{{ $labels.severity }}",
	Expr: `sum by (community, facility, kind, severity) (` + held + `{severity="critical"}) > 0
and
sum by (community, facility, kind, severity) (` + held + `{severity="critical"} offset 5m) > 0
and
sum by (community, facility, kind, severity) (increase(greencommunity_anomalies_total{severity="critical"}[5m])) > 0`,
	Summary: Text{ZH: "同类紧急告警又增一处", EN: "One more of the same"},
	Description: Text{
		ZH: "{{ $labels.community }}（{{ $labels.facility }}）又发生一处{{ $labels.kind }}，现共{{ $value }}处未恢复。",
		EN: "Another {{ $labels.kind }} in {{ $labels.community }} ({{ $labels.facility }}): {{ $value }} are open now.",
	},
	Means: Text{
		ZH: "同一社区在一处紧急告警未恢复时，又发生同类的一处。",
		EN: "While something critical is open in a community, the same has happened there once more.",
	},
	Check: []Text{
		{ZH: "看页面上该社区的告警列表，最新的一处是新增的。", EN: "The community's alarms on the page: the newest is the one more."},
		{ZH: "按该类告警的处置手册处理；多处同时发生，先查共同的原因（停水、停电、同一厂商）。", EN: "Follow the page of the kind; where several happen at once look for one reason: water or power cut, one vendor."},
	},
	Clears: Text{ZH: "五分钟后自动解除，不发“已恢复”的通知；各处的恢复由该类告警通知。", EN: "Clears after five minutes, which nobody is told; the alert of the kind tells when all are over."},
}
