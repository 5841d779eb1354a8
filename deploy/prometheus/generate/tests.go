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
//	fires     fires within a minute, and resolves within six of clearing
//	other     another kind is open there, and this one is not: never fires
//	vanishes  the ingester is read and no longer has the series: resolves
//	kept      the ingester cannot be read from 6m to 20m: stays as it was
//	worse     the same kind is open at both severities: two alerts
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
		series := func(instance, community, kind, severity, values string) {
			fmt.Fprintf(&b, "  - {series: 'greencommunity_anomaly_active{job=\"greencommunity\",instance=\"%s\",community=\"%s\",facility=\"%s\",kind=\"%s\",severity=\"%s\"}', values: '%s'}\n",
				instance, community, facility, kind, severity, values)
		}
		series("a", "fires", k.Name, severity, "0 0 2x7 0x20")
		series("a", "other", k.Name, severity, "0x30")
		series("a", "other", other, severity, "1x30")
		series("a", "vanishes", k.Name, severity, "1x5 stale _x24")
		series("b", "kept", k.Name, severity, "1x5 stale _x13 1x3 0x7")
		series("a", "worse", k.Name, severity, "_x26 1x4")
		series("a", "worse", k.Name, another, "_x26 1x4")
		at := func(minute int, communities ...[2]string) {
			fmt.Fprintf(&expressions, "  - expr: 'ALERTS{alertname=\"%s\"}'\n    eval_time: %dm\n    exp_samples:", name, minute)
			if len(communities) == 0 {
				expressions.WriteString(" []")
			}
			expressions.WriteString("\n")
			for _, c := range communities {
				fmt.Fprintf(&expressions, "    - {labels: 'ALERTS{alertname=\"%s\",alertstate=\"firing\",community=\"%s\",facility=\"%s\",kind=\"%s\",severity=\"%s\"}', value: 1}\n", name, c[0], facility, k.Name, c[1])
			}
		}
		fires, vanishes, kept := [2]string{"fires", severity}, [2]string{"vanishes", severity}, [2]string{"kept", severity}
		at(1, kept, vanishes)
		at(2, fires, kept, vanishes)
		at(10, fires, kept, vanishes)
		at(14, fires, kept)
		at(19, kept)
		at(24, kept)
		at(29, [2]string{"worse", severity}, [2]string{"worse", another})
	}
	return b.String() + "  promql_expr_test:\n" + expressions.String()
}
