// Package paste answers what a payload becomes: the page has a form where a vendor pastes
// a topic and a payload.
//
// The message goes the way of one that was published, as far as decoding: what may not be
// kept of people is cut off first, the inventory in force reads it, decoders run within
// their limits. Nothing is kept, counted, stored or logged; a device nobody has listed
// stays unknown. One message is read at a time.
package paste

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/trial"
)

const (
	// MaxBody bounds a request, in bytes. A payload has at most limits.payload_bytes of
	// its vendor, and half of what is pasted where that is hex.
	MaxBody = 1 << 20
	// maxLines bounds the lines of an answer, and those of its explanation.
	maxLines = 500
	// Somebody may paste burst payloads at once, and one more each every.
	burst, every = 20, 2 * time.Second
	// maxNames bounds who is remembered for that.
	maxNames = 1000
)

// Paste answers.
type Paste struct {
	inventory func() *inventory.Inventory

	one chan struct{} // who is being answered

	mu     sync.Mutex // limits
	limits map[string]*rate.Limiter
}

// New returns what answers by the inventory in force.
func New(inventory func() *inventory.Inventory) *Paste {
	return &Paste{inventory: inventory, one: make(chan struct{}, 1), limits: map[string]*rate.Limiter{}}
}

// Routes are the handlers by pattern.
func (p *Paste) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /api/v1/decode":  http.HandlerFunc(p.choices),
		"POST /api/v1/decode": http.HandlerFunc(p.decode),
	}
}

// Request is a message to be read.
type Request struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	// Encoding says what Payload is: text (the default), hex or base64.
	Encoding string `json:"encoding"`
	// Format reads it by this format rather than by the inventory.
	Format string `json:"format"`
	// Inner, Facility and Profile are of use only with Format.
	Inner    string              `json:"payload_format"`
	Facility ingest.FacilityKind `json:"facility"`
	Profile  string              `json:"profile"`
}

// Answer says what it becomes.
type Answer struct {
	Vendor ingest.VendorID `json:"vendor,omitempty"` // whose source reads it
	Source string          `json:"source,omitempty"` // topic template of that
	Format string          `json:"format,omitempty"`
	// Formats are those whose topics are like this one, where no source reads it.
	Formats []string     `json:"formats,omitempty"`
	Lines   []trial.Line `json:"lines"`
	Explain []string     `json:"explain"`
	More    int          `json:"more,omitempty"` // lines that are left out
	YAML    string       `json:"yaml,omitempty"` // to paste into the inventory, for what is unmapped
}

type choice struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// choices lists the formats that can be named, and the kinds of facilities.
func (p *Paste) choices(w http.ResponseWriter, _ *http.Request) {
	formats := []choice{}
	for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
		formats = append(formats, choice{name, format.Formats[name].About})
	}
	answer(w, http.StatusOK, map[string]any{"formats": formats, "facilities": p.inventory().Facilities.Kinds()})
}

func (p *Paste) decode(w http.ResponseWriter, r *http.Request) {
	who := access.From(r.Context())
	if !p.allowed(who, r) {
		w.Header().Set("Retry-After", "2")
		problem(w, http.StatusTooManyRequests, "too many at once; wait two seconds")
		return
	}
	var q Request
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	in.DisallowUnknownFields()
	if err := in.Decode(&q); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", MaxBody))
			return
		}
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	payload, err := q.payload()
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	select {
	case p.one <- struct{}{}:
		defer func() { <-p.one }()
	case <-r.Context().Done():
		return
	}
	a, err := p.read(&q, payload, who)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	answer(w, http.StatusOK, a)
}

// payload is what was pasted, as bytes.
func (q *Request) payload() ([]byte, error) {
	// White space has no meaning in either, and comes of copying.
	packed := strings.Join(strings.Fields(q.Payload), "")
	switch q.Encoding {
	case "", "text":
		return []byte(q.Payload), nil
	case "hex":
		packed = strings.TrimPrefix(strings.TrimPrefix(strings.NewReplacer(":", "", "-", "", ",", "").Replace(packed), "0x"), "0X")
		data, err := hex.DecodeString(packed)
		if err != nil {
			return nil, fmt.Errorf("payload is no hex: %w", err)
		}
		return data, nil
	case "base64":
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			if data, err := e.DecodeString(packed); err == nil {
				return data, nil
			}
		}
		return nil, errors.New("payload is no base64")
	}
	return nil, fmt.Errorf("encoding is %.20q; it may be text, hex or base64", q.Encoding)
}

// read decodes a message. The error is a mistake of who asks.
func (p *Paste) read(q *Request, payload []byte, who access.Identity) (*Answer, error) {
	m := &ingest.Message{Seq: 1, Topic: q.Topic, Payload: payload, Received: time.Now().UnixNano()}
	a := &Answer{Lines: []trial.Line{}, Explain: []string{}}
	var worker *decode.Worker
	var yaml bytes.Buffer
	if q.Format != "" {
		try := trial.Trial{Format: q.Format, Inner: q.Inner, Device: "device", Community: "community", Facility: string(q.Facility), Profile: q.Profile}
		inv, err := try.Inventory(q.Topic, cmp.Or(q.Facility, ingest.Lighting))
		if err != nil {
			return nil, err
		}
		m.Topic, m.Payload = decode.NewRedactor(inv).Redact(m.Topic, m.Payload)
		best, kind, err := try.Best([]*ingest.Message{m})
		if err != nil {
			return nil, err
		}
		worker = best
		result := a.decode(worker, m)
		if len(result.Unmapped) > 0 && format.Formats[q.Format].Redact == nil {
			trial.Suggest(&yaml, q.Format, q.Topic, "community", kind, q.Inner, result.Unmapped)
		}
		a.Format, a.YAML = q.Format, yaml.String()
		return a, nil
	}
	inv := p.inventory()
	var captured format.Captures
	source := inv.Match(q.Topic, &captured)
	if source == nil || !who.Sees("", source.Vendor.ID) && who.Vendor != "" {
		for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
			if slices.ContainsFunc(format.Formats[name].Topics, func(t string) bool { return inventory.TemplateMatches(t, q.Topic) }) {
				a.Formats = append(a.Formats, name)
			}
		}
		a.Lines = append(a.Lines, trial.Line{Rejected: ingest.UnknownTopic, Detail: fmt.Sprintf("no source of the inventory matches topic %.200q", q.Topic)})
		return a, nil
	}
	m.Topic, m.Payload = decode.NewRedactor(inv).Redact(m.Topic, m.Payload)
	worker = decode.NewWorker(inv, inventory.NewRegistry(inv))
	result := a.decode(worker, m)
	a.Vendor, a.Source, a.Format = source.Vendor.ID, source.Topic, source.Format
	for i := range a.Lines {
		if l := &a.Lines[i]; l.Community != "" && !who.SeesCommunity(l.Community) {
			return nil, fmt.Errorf("the payload is of a community that %s does not see", who.Title)
		}
	}
	if len(result.Unmapped) > 0 && format.Formats[source.Format].Redact == nil {
		kind := source.Facility
		if len(result.Readings) > 0 {
			kind = result.Readings[0].Device.Facility
		} else if d := inv.Device(ingest.DeviceID(result.Unmapped[0].Device)); d != nil {
			kind = d.Facility
		}
		trial.SuggestFields(&yaml, source, inv.Facilities, kind, result.Unmapped)
	}
	a.YAML = yaml.String()
	return a, nil
}

// decode adds what a worker says of a message.
func (a *Answer) decode(w *decode.Worker, m *ingest.Message) *decode.Result {
	w.Explain = func(format string, args ...any) {
		if len(a.Explain) < maxLines {
			a.Explain = append(a.Explain, trial.Printable(fmt.Sprintf(format, args...)))
		}
	}
	result := w.Decode(m)
	lines := trial.Lines(result)
	a.Lines = append(a.Lines, lines[:min(len(lines), maxLines)]...)
	a.More = max(0, len(lines)-maxLines)
	return result
}

// allowed takes one of what somebody may paste.
func (p *Paste) allowed(who access.Identity, r *http.Request) bool {
	name := who.Name
	if name == "" {
		name, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.limits[name]
	if l == nil {
		if len(p.limits) >= maxNames {
			maps.DeleteFunc(p.limits, func(_ string, l *rate.Limiter) bool { return l.Tokens() >= burst })
			if len(p.limits) >= maxNames {
				return false
			}
		}
		l = rate.NewLimiter(rate.Every(every), burst)
		p.limits[name] = l
	}
	return l.Allow()
}

func problem(w http.ResponseWriter, status int, title string) {
	answer(w, status, map[string]any{"title": title, "status": status})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	if status >= 400 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}
