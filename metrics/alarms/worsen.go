package alarms

import (
	"time"

	"greencommunity/metrics/anomaly"
)

// An alarm gets worse by what it comes to, and not only by what is seen at a time: a
// small leak over a month has lost what a burst loses in a day, and a bin that is
// still full after three days is seen by everybody. The engine raises the severity of
// what has grown; these raise that of what has lasted.

// worsening says when an open alarm of a kind is critical.
type worsening struct {
	after time.Duration // since it began; 0: not by time
	lost  float64       // in all, in the unit of its size; 0: not by loss
}

// worsenings by kind. 50 m3 are what a household uses in four months, and a burst of
// 227 L/h loses in nine days. Nobody is woken for a lamp.
var worsenings = map[string]worsening{
	"continuous_flow":   {lost: 50_000},
	"night_flow":        {lost: 50_000},
	"overfull":          {after: 72 * time.Hour},
	"missed_collection": {after: 7 * 24 * time.Hour},
	"stuck_closed":      {after: 24 * time.Hour}, // a way out
	"passage_blocked":   {after: 24 * time.Hour},
}

// infoFor sets how long something may only be worth knowing: after a week somebody
// should look, but not in the night.
const infoFor = 7 * 24 * time.Hour

// severityOf returns an alarm's severity at a time.
func severityOf(s *State, a *anomaly.Alarm, now time.Time) string {
	severity, lasted := a.Severity, now.Sub(s.Told)
	switch severity {
	case "info":
		if lasted >= infoFor && !rolledUp(s.Kind) {
			severity = "warning"
		}
	case "warning":
		w := worsenings[s.Kind]
		lost := 0.0
		if s.Size != nil {
			lost = *s.Size * now.Sub(s.Began).Hours() / 24
		}
		if w.after > 0 && lasted >= w.after || w.lost > 0 && lost >= w.lost {
			severity = "critical"
		}
	}
	return severity
}

// rolledUp says whether a kind is of a group of devices.
func rolledUp(kind string) bool {
	k, ok := anomaly.KindNamed(kind)
	return ok && k.Rollup
}

// worsen raises the severity of what has become worse, and opens again what a person
// closed when it was less. It returns what is to be written.
func (d *Desk) worsen(now time.Time) (written []*State) {
	for _, i := range d.current {
		severity := severityOf(&i.State, &i.alarm, now)
		if severities[severity] >= severities[i.Severity] {
			continue
		}
		before := i.State
		i.Severity = severity
		i.note(Entry{At: now, What: Worse, Severity: severity})
		if i.Done() && severities[severity] < severities[i.ClosedAs] {
			i.Status, i.Closed, i.Reason, i.ClosedAs, i.Verdict = Unhandled, nil, "", "", ""
		}
		if i.Counted {
			written = append(written, i.line(&before))
		}
	}
	return written
}
