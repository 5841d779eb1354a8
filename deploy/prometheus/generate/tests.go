package main

import (
	"bytes"
	"fmt"
	"strings"

	"greencommunity/metrics/anomaly"
)

// anomalyTests is the tests of the anomalies' rules, for promtool. They say
// what each alert must do in terms of what the ingester shows, and take
// nothing from the rules but the alert's name. One community is one story:
//
//	fires     fires within a minute, and resolves within four of clearing
//	second    another alarm of the kind there: fires by itself, whatever else is open
//	other     another kind is open there, and this one is not: never fires
//	kept      the ingester cannot be read from 6m to 20m: stays as it was
//	worse     it gets worse: another alert, and the one before ends
//
// Every other kind is in one test, so that promtool looks at all rules twice and
// not once a kind; what is open elsewhere is a kind of the other test.
func anomalyTests() []byte {
	var b bytes.Buffer
	b.WriteString(head + "rule_files: [../rules/anomalies.yaml]\nevaluation_interval: 1m\ntests:\n")
	for half := range 2 {
		b.WriteString(anomalyTest(half))
	}
	return b.Bytes()
}

// anomalyTest is the test of every other kind.
func anomalyTest(half int) string {
	var b, expressions strings.Builder
	fmt.Fprintf(&b, "- name: kinds, half %d\n  interval: 1m\n  input_series:\n", half+1)
	b.WriteString("  - {series: 'up{job=\"greencommunity\",instance=\"a\"}', values: '1x30'}\n")
	b.WriteString("  - {series: 'up{job=\"greencommunity\",instance=\"b\"}', values: '1x5 0x14 1x10'}\n")
	for i, k := range anomaly.Kinds {
		if i%2 != half {
			continue
		}
		facility, severity := string(k.Facility), k.Severity.String()
		if facility == "all" {
			facility = "water"
		}
		another := "critical"
		if k.Severity == anomaly.Critical {
			another = "warning"
		}
		other := anomaly.Kinds[min(i^1, len(anomaly.Kinds)-1)].Name
		if i^1 >= len(anomaly.Kinds) {
			other = anomaly.Kinds[1].Name
		}
		name := "Greencommunity" + camel(k.Name)
		series := func(instance, community, alarm, kind, severity, values string) {
			fmt.Fprintf(&b, "  - {series: 'greencommunity_alarm_active{job=\"greencommunity\",instance=\"%s\",alarm=\"%s\",device=\"d-%s\",community=\"%s\",compound=\"\",facility=\"%s\",kind=\"%s\",severity=\"%s\",vendor=\"v\"}', values: '%s'}\n",
				instance, alarm, alarm, community, facility, kind, severity, values)
		}
		series("a", "fires", "first", k.Name, severity, "_x2 1x7 stale")
		series("a", "fires", "second", k.Name, severity, "_x6 1x4 stale")
		series("a", "other", "another", other, severity, "1x30")
		series("b", "kept", "third", k.Name, severity, "1x5 stale _x13 1x3 stale")
		series("a", "worse", "fourth", k.Name, severity, "_x20 1x4 stale")
		series("a", "worse", "fourth", k.Name, another, "_x25 1x4")
		at := func(minute int, alarms ...[3]string) {
			fmt.Fprintf(&expressions, "  - expr: 'ALERTS{alertname=\"%s\"}'\n    eval_time: %dm\n    exp_samples:", name, minute)
			if len(alarms) == 0 {
				expressions.WriteString(" []")
			}
			expressions.WriteString("\n")
			for _, a := range alarms {
				fmt.Fprintf(&expressions, "    - {labels: 'ALERTS{alertname=\"%s\",alertstate=\"firing\",alarm=\"%s\",device=\"d-%s\",community=\"%s\",facility=\"%s\",kind=\"%s\",severity=\"%s\",vendor=\"v\"}', value: 1}\n",
					name, a[1], a[1], a[0], facility, k.Name, a[2])
			}
		}
		first, second, kept := [3]string{"fires", "first", severity}, [3]string{"fires", "second", severity}, [3]string{"kept", "third", severity}
		at(1, kept)
		at(3, first, kept)
		at(7, first, second, kept)
		at(15, kept)
		at(22, kept, [3]string{"worse", "fourth", severity})
		at(26, [3]string{"worse", "fourth", severity}, [3]string{"worse", "fourth", another})
		at(29, [3]string{"worse", "fourth", another})
	}
	return b.String() + "  promql_expr_test:\n" + expressions.String()
}
