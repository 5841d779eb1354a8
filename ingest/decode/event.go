package decode

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// alarming are the values at which a field that is an event is active.
var alarming = []string{"true", "1", "on", "yes", "alarm"}

// fieldEvent makes an event of a field, where the inventory says it is one.
func (w *Worker) fieldEvent(in *format.Input, out *format.Output, s *format.Sample, field *format.Field, dev *ingest.Device, index uint32, r *Result) {
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
	active := false
	for _, v := range when {
		active = active || strings.EqualFold(v, text)
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
		return
	}
	channel := s.Channel
	if field.Channel != "" {
		channel = field.Channel
	}
	t, source, _ := eventTime(s.Time, s.TimeSource, in.Received)
	r.Events = append(r.Events, ingest.Event{Device: dev, Channel: channel, Type: field.Event, Active: active, Code: eventCode(text), Time: t, TimeSource: source})
	r.EventDevices = append(r.EventDevices, index)
}

// maxCode is the length of an event's code, in bytes.
const maxCode = 64

// eventCode is what is kept of a code: it is for people, and comes from outside.
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
