package influx

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Why says what an operator has to mend before points can be written. It is the
// label of greencommunity_influxdb_held.
type Why string

// All reasons to hold.
const (
	Unauthorized   Why = "unauthorized"    // 401, 403, 407: token or password
	NotFound       Why = "not_found"       // 404 of InfluxDB: database, bucket or organisation
	Redirected     Why = "redirected"      // a redirect that does not take the points along
	NotInfluxDB    Why = "not_influxdb"    // a page, a proxy or another server answers
	TLS            Why = "tls"             // certificates, or TLS on one side only
	RequestRefused Why = "request_refused" // any other answer that is about the request
)

var allWhys = []Why{Unauthorized, NotFound, Redirected, NotInfluxDB, TLS, RequestRefused}

// outcome says what an answer means for the lines of the request.
type outcome uint8

const (
	taken    outcome = iota // all lines are stored
	refused                 // InfluxDB refuses some lines or all: answer.refusal
	tooLarge                // fewer lines may pass
	slow                    // the same; InfluxDB may have stored them
	away                    // the same request may pass later
	held                    // it will not before somebody has mended something
	doubtful                // InfluxDB refuses, and it is not clear whether lines or the request
)

// answer is the verdict on one request.
type answer struct {
	outcome outcome
	kind    string // of away: the label of greencommunity_influxdb_retries_total
	why     Why    // of held
	text    string // what the server said, for people
	after   time.Duration
	refusal refusal
}

// refusal holds what InfluxDB says about lines.
type refusal struct {
	text    string
	dropped int // how many lines it dropped and stored all others; -1 where it does not say
	// retention is set where the dropped lines are the oldest ones.
	retention bool
	// measurement and field name a field that has another type.
	measurement, field string
	lines              []namedLine // the lines InfluxDB 3 names
}

// namedLine is a line of the request, counted from 0.
type namedLine struct {
	line  int
	field string // the one with another type, "" where the line as a whole is bad
	why   string
}

// influxError is an error as InfluxDB writes it: 1 and 3 have error (3 with
// data), 2 has code and message. A member beyond these is another server's.
type influxError struct {
	Error *string `json:"error"`
	Data  []struct {
		Original string `json:"original_line"`
		Line     int    `json:"line_number"`
		Message  string `json:"error_message"`
	} `json:"data"`
	Code      *string `json:"code"`
	Message   *string `json:"message"`
	Op        string  `json:"op"`
	Err       string  `json:"err"`
	Line      *int    `json:"line"`
	MaxLength *int    `json:"maxLength"`
}

func parseError(body []byte) (e influxError, text string, ok bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, "", false
	}
	switch {
	case e.Code != nil && e.Message != nil:
		return e, *e.Message, true
	case e.Error != nil && e.Code == nil && e.Message == nil:
		return e, *e.Error, true
	}
	return e, "", false
}

// judge reads an answer to a write. Lines are stored after 204 and after nothing
// else: a login page answers 200, and so does a server that knows no InfluxDB.
// Lines are bad only where InfluxDB says so in its own words: a proxy's 400 is
// about the request, and waits for somebody to mend it.
func judge(status int, header http.Header, body []byte) answer {
	e, text, own := parseError(body)
	a := answer{text: describe(status, header, body, text)}
	if after, ok := retryAfter(header, time.Now()); ok {
		a.after = after
	}
	switch {
	case status == http.StatusNoContent:
		return answer{outcome: taken}
	case status < 300:
		return a.hold(NotInfluxDB, "")
	case status < 400:
		target := header.Get("Location")
		if target == "" {
			return a.hold(NotInfluxDB, "")
		}
		return a.hold(Redirected, fmt.Sprintf("redirects to %s, which would lose the points; write that server's address in influxdb.url", target))
	case own && partialWrite(text):
		// InfluxDB 2.0 answers 500, later ones 422, InfluxDB 1 and 3 400.
		a.outcome, a.refusal = refused, readRefusal(e, text)
	case status == http.StatusRequestEntityTooLarge:
		a.outcome = tooLarge
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout, own && status >= 500 && strings.Contains(text, "timeout"):
		a.outcome = slow
	case status == http.StatusTooManyRequests, status == http.StatusTooEarly:
		a.outcome, a.kind = away, "429"
	case status == http.StatusNotImplemented, status == http.StatusNetworkAuthenticationRequired, status == http.StatusHTTPVersionNotSupported:
		return a.hold(NotInfluxDB, "")
	case status >= 500:
		a.outcome, a.kind = away, "5xx"
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		if isHTML(header, body) {
			return a.hold(NotInfluxDB, "")
		}
		return a.hold(Unauthorized, "check influxdb.token_file, and that the token may write to the bucket")
	case status == http.StatusNotFound:
		if own {
			return a.hold(NotFound, "check influxdb.org and influxdb.bucket")
		}
		return a.hold(NotInfluxDB, "no InfluxDB at this path; check influxdb.url")
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		switch {
		case !own && wantsTLS(body):
			return a.hold(TLS, "the server has TLS; write https:// in influxdb.url")
		case !own:
			return a.hold(NotInfluxDB, "")
		case aboutLines(text) && !(refusal{text: text}).empty():
			a.outcome, a.refusal = refused, readRefusal(e, text)
		default:
			a.outcome, a.refusal = doubtful, readRefusal(e, text)
		}
	default:
		if isHTML(header, body) {
			return a.hold(NotInfluxDB, "")
		}
		return a.hold(RequestRefused, "")
	}
	return a
}

func (a answer) hold(why Why, cure string) answer {
	a.outcome, a.why = held, why
	if cure == "" && why == NotInfluxDB {
		cure = "this is not what InfluxDB answers to a write; check influxdb.url and what stands between"
	}
	if cure != "" {
		a.text += ": " + cure
	}
	return a
}

var title = regexp.MustCompile(`(?is)<title[^>]*>\s*(.*?)\s*</title>`)

// describe names status, server and the beginning of what was said.
func describe(status int, header http.Header, body []byte, text string) string {
	s := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	if server := header.Get("Server"); server != "" {
		s += " from " + clip(server, 60)
	}
	said := text
	if said == "" {
		said = string(body)
		if m := title.FindSubmatch(body); m != nil {
			said = "page “" + string(m[1]) + "”"
		}
	}
	if said = clip(said, 300); said != "" {
		s += ": " + said
	}
	return s
}

// clip makes one line of at most n bytes, of whole characters.
func clip(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

func isHTML(header http.Header, body []byte) bool {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return kind == "text/html" || bytes.HasPrefix(bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 200)])), []byte("<"))
}

// wantsTLS recognises the answer of a TLS port to plain HTTP: of Go's server,
// as InfluxDB's is, of nginx, of Apache, and of others.
func wantsTLS(body []byte) bool {
	text := strings.ToLower(string(body))
	for _, words := range []string{"http request to an https server", "plain http request was sent to https port", "speaking plain http to an ssl-enabled server port", "this combination of host and port requires tls"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// partialWrite recognises the words for: some lines are stored, others not.
func partialWrite(text string) bool { return strings.Contains(text, "partial write") }

// aboutLines recognises InfluxDB's words about lines, as against the request.
func aboutLines(text string) bool {
	for _, words := range []string{
		"partial write", "unable to parse", "field type conflict", "points beyond retention", "outside retention policy",
		"max-values-per-tag", "max-series-per-database", "max key length", "line protocol", "invalid column type", "time outside range",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

var (
	droppedWords  = regexp.MustCompile(`dropped=(\d+)`)
	conflictWords = regexp.MustCompile(`input field "([^"]*)" on measurement "([^"]*)" is type`)
	columnWords   = regexp.MustCompile(`invalid column type for column '([^']*)'`)
)

// readRefusal reads which lines InfluxDB did not take, as far as it says that.
func readRefusal(e influxError, text string) refusal {
	r := refusal{text: clip(text, 500), dropped: -1}
	for _, d := range e.Data {
		if d.Line > 0 {
			n := namedLine{line: d.Line - 1, why: clip(d.Message, 300)}
			if m := columnWords.FindStringSubmatch(d.Message); m != nil {
				n.field = m[1]
			}
			r.lines = append(r.lines, n)
		}
	}
	if m := conflictWords.FindStringSubmatch(text); m != nil {
		r.field, r.measurement = m[1], m[2]
	}
	if m := droppedWords.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n > 0 {
			r.dropped = n // 0 follows lines that cannot be parsed, which are not counted
		}
	}
	// InfluxDB 1 and 2 count the points older than the retention only where all
	// others are stored. Later ones can have an upper bound as well, and then
	// the dropped ones are not the oldest.
	old := strings.Contains(text, "beyond retention policy") || strings.Contains(text, "outside retention policy")
	r.retention = old && r.dropped > 0 && !strings.Contains(text, "Upper Bound") && !strings.Contains(text, "Write Window")
	return r
}

// judgeError reads why there was no answer.
func judgeError(err error) answer {
	text := err.Error()
	var u *url.Error
	if errors.As(err, &u) {
		text = u.Err.Error()
	}
	a := answer{outcome: away, kind: "network", text: clip(text, 300)}
	var (
		redirect  *redirectError
		authority x509.UnknownAuthorityError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		op        *net.OpError
		alert     tls.AlertError
		secret    *secretError
	)
	switch {
	case errors.As(err, &secret):
		return a.hold(secret.why, "")
	case errors.As(err, &redirect):
		return a.hold(Redirected, "")
	case errors.As(err, &authority):
		return a.hold(TLS, "the server's certificate is of an authority that is not trusted; give its certificate in influxdb.ca_file")
	case errors.As(err, &verify):
		return a.hold(TLS, "")
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return a.hold(TLS, "the server has no TLS; write http:// in influxdb.url")
	case errors.As(err, &alert), strings.HasPrefix(text, "remote error: tls:"):
		return a.hold(TLS, "")
	case errors.As(err, &op) && op.Op == "dial":
		return a
	case errors.Is(err, context.DeadlineExceeded), u != nil && u.Timeout():
		a.outcome = slow
	}
	return a
}

// retryAfter reads the header in both its forms: seconds, and a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := h.Get("Retry-After")
	if v == "" {
		return 0, false
	}
	var d time.Duration
	if seconds, err := strconv.Atoi(v); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	} else {
		return 0, false
	}
	return min(max(d, 0), maxRetryAfter), true
}
