package api

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
)

// Last is the last message that a reading or an event of a device was taken from, as the
// journal has it.
type Last struct {
	Received time.Time `json:"received"`
	Topic    string    `json:"topic"`
	QoS      int       `json:"qos"`
	Retained bool      `json:"retained"`
	Bytes    int       `json:"bytes"` // of the payload
	Shown    int       `json:"shown"` // those that Payload has
	Form     string    `json:"form"`  // json (indented), text or hex
	Payload  string    `json:"payload"`
	Erased   bool      `json:"erased"`
}

// mostShown bounds how much of a payload is shown, in bytes.
const mostShown = 16 << 10

// last answers with the message as it came. It is for who runs the service and for the
// vendor whose device it is: a payload holds what no table shows.
func (a *API) last(r *http.Request, who access.Identity) (any, error) {
	if who.Role != access.Operator && who.Role != access.Vendor {
		return nil, failure{http.StatusForbidden, fmt.Errorf("messages as they came are for operators, and for the vendor of the device")}
	}
	d, index, err := a.find(r, ingest.DeviceID(r.PathValue("id")), who)
	if err != nil {
		return nil, err
	}
	m, one, err := a.s.Last(index)
	switch {
	case err != nil:
		return nil, failure{http.StatusInternalServerError, fmt.Errorf("the journal is not read: %w", err)}
	case m == nil:
		return nil, missing("no message of %.60q is kept: it has sent none, or longer ago than the journal keeps them", d.ID)
	case !one && len(who.Communities) > 0:
		return nil, failure{http.StatusForbidden, fmt.Errorf("the message is of other communities too")}
	}
	out := Last{Received: time.Unix(0, m.Received).In(a.zone()), Topic: strings.ToValidUTF8(m.Topic, "\uFFFD"), QoS: int(m.QoS), Retained: m.Retained, Bytes: len(m.Payload), Erased: m.Erased}
	out.Form, out.Payload, out.Shown = legible(m.Payload)
	return out, nil
}

// legible writes a payload so that a person can read it, and says how many of its bytes.
func legible(payload []byte) (form, text string, shown int) {
	shown = min(len(payload), mostShown)
	if shown == len(payload) && json.Valid(payload) {
		var b bytes.Buffer
		if json.Indent(&b, payload, "", "  ") == nil && b.Len() <= 4*mostShown { // deep ones grow by the square
			return "json", b.String(), shown
		}
	}
	part := payload[:shown]
	for n := 0; n < utf8.UTFMax && len(part) > 0 && shown < len(payload) && !utf8.Valid(part); n++ {
		part = part[:len(part)-1] // a character that is cut in two
	}
	if utf8.Valid(part) && bytes.IndexFunc(part, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) < 0 {
		return "text", string(part), len(part)
	}
	return "hex", hex.Dump(payload[:min(shown, mostShown/4)]), min(shown, mostShown/4)
}
