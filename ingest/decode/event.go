package decode

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// alarming are the values at which a field that is an event is active.
var alarming = []string{"true", "1", "on", "yes", "alarm"}

// calm are the words at which an event the program itself knows is over. A word
// that is neither is not understood.
var calm = []string{"false", "n", "0", "off", "no", "none", "normal", "ok", "noleak", "no leak", "no_leak", "not leaking", "dry", "clear", "cleared",
	"idle", "safe", "closed", "no alarm", "noalarm", "water not present", "inactive", "good", "installed", "threshold_alarm_release", "threshold alarm release", "release", "released", "noAlarm", "闭合", "无", "正常", "否"}

// leaking are the words of a leak, of whatever decoder.
var leaking = []string{"leak", "leaking", "leaked", "water leak", "waterleak", "water_leak", "leakage", "leak detected", "detected", "wet", "flood", "flooded", "water", "alert", "漏水", "漏损", "泄漏"}

// happens reports whether a value is one of those at which an event is active.
func happens(when []string, s *format.Sample, text string) bool {
	for _, v := range when {
		if strings.EqualFold(v, text) {
			return true
		}
		if len(v) < 2 || s.IsText || s.IsBool {
			continue
		}
		switch n, ok := format.ParseNumber(v[1:]); {
		case !ok:
		case v[0] == '>' && s.Value > n, v[0] == '&' && s.Value >= 0 && uint64(s.Value)&uint64(n) != 0:
			return true
		}
	}
	return false
}

// bits reports whether the values at which an event is active are all of numbers.
func bits(when []string) bool {
	for _, v := range when {
		if v[0] == '>' || v[0] == '&' {
			return true
		}
	}
	return false
}

// fieldEvent makes an event of a field, where the inventory says it is one. It
// reports whether it understands the value.
func (w *Worker) fieldEvent(in *format.Input, out *format.Output, s *format.Sample, field *format.Field, dev *ingest.Device, index uint32, r *Result) bool {
	if field.Words && !s.IsText && !s.IsBool {
		return false
	}
	text := s.Text
	switch {
	case s.IsBool:
		text = boolText(s.Value != 0)
	case !s.IsText:
		text = numberText(s.Value)
	}
	when := field.When
	if len(when) == 0 {
		when = alarming
	}
	active := happens(when, s, text)
	if field.Builtin {
		words := strings.TrimSpace(text)
		if active = active || happens(alarming, s, words) || field.Event == "leak" && happens(leaking, s, words); !active && field.Clears {
			known := happens(calm, s, words)
			if !known && !s.IsText && bits(field.When) {
				known = true
			}
			if !known {
				return false
			}
		}
		if s.Spare && slices.ContainsFunc(r.Events[:max(w.firmEvents, 0)], func(e ingest.Event) bool { return e.Type == field.Event && e.Device.ID == dev.ID }) {
			return true
		}
	}
	if out.Explain != nil {
		verdict := "is event " + field.Event
		switch {
		case !active && field.Clears:
			verdict = "ends event " + field.Event
		case !active:
			verdict = "is no event " + field.Event
		}
		out.Explain("%.60q = %.60s %s, by %s", s.Field, sentText(s), verdict, whoseField(w.source, field))
	}
	if !active && !field.Clears {
		return true
	}
	channel := s.Channel
	if field.Channel != "" {
		channel = field.Channel
	}
	t, source, _ := eventTime(s.Time, s.TimeSource, in.Received)
	r.Events = append(r.Events, ingest.Event{Device: dev, Channel: channel, Type: field.Event, Active: active, Code: eventCode(text), Time: t, TimeSource: source})
	r.EventDevices = append(r.EventDevices, index)
	return true
}

// maxCode is the length of an event's code, in bytes.
const maxCode = 64

// eventCode returns what is kept of a code: it is for people, and comes from outside.
func eventCode(code string) string {
	plain := true
	for _, c := range []byte(code) {
		plain = plain && c >= ' ' && c <= '~'
	}
	if plain && len(code) <= maxCode {
		return code
	}
	var b strings.Builder
	for _, r := range code {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > maxCode {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
