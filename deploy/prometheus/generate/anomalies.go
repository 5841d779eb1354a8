package main

import (
	"fmt"

	"greencommunity/metrics/anomaly"
)

// held is the alarms that somebody should know of, as the ingester last showed them. An
// ingester that does not answer has not seen anything clear, so while Prometheus knows
// the target and cannot read it, what was open stays open; nobody is told that a burst
// is over because a process was restarted.
const held = "instance:greencommunity_alarm_active:held"

// alarmLabels are those of the alerts: one alert an alarm, so that a second leak is as new
// as the first, and a silence can be of one device.
const alarmLabels = "alarm, community, compound, device, facility, kind, severity, vendor"

// anomalies is one rule a kind: each has its own page and headline. They have no `for`:
// the ingester keeps durations and hysteresis, over restarts too. keep_firing_for bridges
// what is not shown for a moment.
//
// BUG(alerts): what is kept while the ingester is away is lost when Prometheus
// is away at the same time for more than two minutes. The alerts then clear,
// and are raised again when the ingester is back; the message about the clearing
// asks the ingester first, and is not sent where the alarm goes on.
func anomalies() group {
	g := group{Name: "greencommunity-anomalies", Interval: "10s", Records: []record{{
		Name: held,
		Why:  "kept as it was while the ingester cannot be read.",
		Expr: `max by (instance, ` + alarmLabels + `) (greencommunity_alarm_active)
or
(` + held + ` and on (instance) (up{` + scrape + `} == 0))`,
	}}}
	for _, k := range anomaly.Kinds {
		g.Alerts = append(g.Alerts, alert{
			Name: "Greencommunity" + camel(k.Name), Page: k.Name,
			Expr:     `max by (` + alarmLabels + `) (` + held + `{kind="` + k.Name + `"}) > 0`,
			Severity: k.Severity.String(), Label: "{{ $labels.severity }}", KeepFiring: "2m",
			Summary: Text{ZH: k.Title.ZH, EN: k.Title.EN},
			Description: Text{
				ZH: fmt.Sprintf("{{ $labels.community }}（{{ $labels.facility }}）设备{{ $labels.device }}：%s", k.Means.ZH),
				EN: fmt.Sprintf("{{ $labels.device }} in {{ $labels.community }} ({{ $labels.facility }}): %s", k.Means.EN),
			},
			Means: k.Means, Clears: k.Clears, Check: anomaly.Checks[k.Name],
		})
	}
	return g
}
