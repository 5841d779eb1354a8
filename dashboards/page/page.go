// Package page is the built-in page and its JSON: what the bureau looks at
// where there is no Grafana, and what tells a new installation that it works.
//
// It is embedded in the program, needs nothing from elsewhere, and shows no
// figure of its own: every one is from where /metrics and InfluxDB have it. The
// answers of the JSON are described by docs/openapi.yaml, and checked against
// it by tests. An overview is made at most once a second, however many look.
package page

import (
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/systems"
)

//go:embed static
var static embed.FS

// Sources say where the figures are from.
type Sources struct {
	Version   string // of the program
	Grafana   string // where a browser reaches it, "" if nobody says
	Ready     func() error
	Status    func() pipeline.Status
	Inventory func() *inventory.Inventory
	Facility  *facility.Observer
	Systems   *systems.Observer
	Desk      *alarms.Desk
	Savings   func() []Saving // of every community and resource
}

// Page serves the page and its JSON.
type Page struct {
	s Sources

	streams  streams
	mu       sync.Mutex // the overview, between requests
	made     time.Time
	overview *Overview
	written  []byte // the overview of who sees all
	trends   *trends
}

// maxAge sets how old an overview may be.
const maxAge = time.Second

// New returns the page.
func New(s Sources) *Page { return &Page{s: s} }

// Routes are the handlers by pattern.
func (p *Page) Routes() map[string]http.Handler {
	routes := map[string]http.Handler{
		"GET /api/v1/systems":  p.json(p.systems),
		"GET /api/v1/overview": p.json(func(r *http.Request) (any, error) { return json.RawMessage(p.current(access.From(r.Context()))), nil }),
		"GET /api/v1/trends":   p.json(p.trend),
		"GET /api/v1/stream":   http.HandlerFunc(p.stream),
	}
	maps.Copy(routes, p.alarmRoutes())
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // a defect of the build
	}
	names, err := fs.Glob(files, "*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		pattern := "GET /" + name
		if name == "index.html" {
			pattern = "GET /{$}"
		}
		routes[pattern] = file(files, name)
	}
	return routes
}

// security keeps the page from loading or sending anything elsewhere.
func security(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// contentTypes of the page's files. The machine's own table is half a megabyte,
// and may say otherwise.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	".LICENSE": "text/plain; charset=utf-8",
}

// file serves a file of the program from where it lies there: a copy of all of them
// would be 200 kB.
func file(files fs.FS, name string) http.Handler {
	open := func() fs.File {
		f, err := files.Open(name)
		if err != nil {
			panic(err) // a defect of the build
		}
		return f
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, open()); err != nil {
		panic(err)
	}
	tag := `"` + hex.EncodeToString(sum.Sum(nil)[:8]) + `"`
	kind := contentTypes[path.Ext(name)]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		security(w.Header())
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, open().(io.ReadSeeker))
	})
}

// problem is an error of a request (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
}

func (p *Page) json(f func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		security(w.Header())
		v, err := f(r)
		status, kind := http.StatusOK, "application/json"
		if err != nil {
			status, kind = statusOf(err), "application/problem+json"
			v = problem{err.Error(), status}
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-store")
		out := compress(w, r)
		w.WriteHeader(status)
		_ = errors.Join(json.NewEncoder(out).Encode(v), out.Close()) // the client has gone
	})
}

// compress returns where to write an answer: through gzip where the client takes
// it. A county's overview every two seconds is too much for a phone otherwise.
func compress(w http.ResponseWriter, r *http.Request) interface {
	io.WriteCloser
	Flush() error
} {
	w.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		return plain{w}
	}
	w.Header().Set("Content-Encoding", "gzip")
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		panic(err) // a defect of the build
	}
	return z
}

// plain is an answer as it is.
type plain struct{ io.Writer }

func (plain) Flush() error { return nil }
func (plain) Close() error { return nil }

// current is the overview of somebody, at most maxAge old.
func (p *Page) current(who access.Identity) []byte {
	p.mu.Lock()
	if now := time.Now(); now.Sub(p.made) > maxAge {
		p.overview, p.made = p.make(now), now
		p.written = marshal(p.overview)
	}
	overview, written := p.overview, p.written
	p.mu.Unlock()
	if who.SeesAll() {
		return written
	}
	return marshal(overview.seenBy(who))
}

func marshal(o *Overview) []byte {
	data, err := json.Marshal(o)
	if err != nil {
		data, _ = json.Marshal(problem{err.Error(), http.StatusInternalServerError})
	}
	return data
}

// stream sends the overview as server-sent events, one every two seconds.
func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	security(w.Header())
	end, ok := p.streams.begin(r.RemoteAddr)
	if !ok {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many pages are open; this one asks again", http.StatusServiceUnavailable)
		return
	}
	defer end()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out, c := compress(w, r), http.NewResponseController(w)
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		_, err := fmt.Fprintf(out, "data: %s\n\n", p.current(access.From(r.Context())))
		if err := errors.Join(err, out.Flush(), c.Flush()); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// Overview is everything the page shows but trends and devices. A figure
// nobody reports is null.
type Overview struct {
	AsOf        time.Time         `json:"as_of"`
	TimeZone    string            `json:"time_zone"` // of local days: that of the site, not of whoever looks
	System      System            `json:"system"`
	Total       Figures           `json:"total"`
	Communities []Community       `json:"communities"`
	Programme   Programme         `json:"programme"`
	Vendors     []Vendor          `json:"vendors"`
	Rejects     []pipeline.Reject `json:"rejects"` // the latest first
	Alarms      []Alarm           `json:"alarms"`  // the worst first, at most 100
	Savings     []Saving          `json:"savings"`
}

// System is the ingester's own state and the account of messages.
type System struct {
	Version   string `json:"version"`
	Grafana   string `json:"grafana,omitempty"` // its address
	Ready     bool   `json:"ready"`
	Why       string `json:"why,omitempty"` // it is not
	Received  uint64 `json:"received"`
	Stored    uint64 `json:"stored"`
	Duplicate uint64 `json:"duplicate"`
	Rejected  uint64 `json:"rejected"`
	Ignored   uint64 `json:"ignored"`
	Pending   uint64 `json:"pending"`
}

// Figures hold what a community, or all of them, do now.
type Figures struct {
	Online      int      `json:"online"`
	Offline     int      `json:"offline"`
	Never       int      `json:"never"`
	Power       *float64 `json:"power_w"`
	Lamps       int      `json:"lamps"`
	Lit         int      `json:"lamps_lit"`
	Water       *float64 `json:"water_today_m3"`
	Bins        int      `json:"bins"`
	Fill        *float64 `json:"fill_ratio"`
	Full        int      `json:"bins_full"`
	Gates       int      `json:"gates"`
	Open        int      `json:"gates_open"`
	Passes      *float64 `json:"passes_today"`
	Critical    int      `json:"alarms_critical"`
	Warning     int      `json:"alarms_warning"`
	Info        int      `json:"alarms_info"`
	LastReading *int64   `json:"last_reading_ms"`
}

// Community is a community and what it does now.
type Community struct {
	ID         ingest.CommunityID `json:"id"`
	Name       string             `json:"name"`
	Town       string             `json:"town"`
	Pilot      bool               `json:"pilot"`
	Stage      string             `json:"stage"` // "", participating, met or named
	Households int                `json:"households"`
	Population int                `json:"population"`
	// State is the worst of what is known: critical, warning, ok, or silent.
	State string `json:"state"`
	Figures
}

// Programme says how far the county's programme is: communities, not compounds.
type Programme struct {
	All           int `json:"all"`
	Participating int `json:"participating"` // those that have met included
	Met           int `json:"met"`
}

// Vendor holds what a vendor has sent and what was refused of it.
type Vendor struct {
	ID       ingest.VendorID `json:"id"`
	Name     string          `json:"name"`
	Received uint64          `json:"received"`
	Rejected uint64          `json:"rejected"` // messages
	Refused  uint64          `json:"refused"`  // single readings of accepted messages
	Reasons  []Reason        `json:"reasons"`  // of both, the most frequent first
}

// Reason says how often a vendor's messages or readings were refused for it.
type Reason struct {
	Reason ingest.Reason `json:"reason"`
	Count  uint64        `json:"count"`
}

// Alarm is an alarm that is not done, in brief.
type Alarm struct {
	ID           string              `json:"id"`
	Status       alarms.Status       `json:"status"`
	Assignee     string              `json:"assignee,omitempty"`
	Silenced     string              `json:"silenced,omitempty"` // why nobody is told
	Updated      time.Time           `json:"updated"`
	Kind         string              `json:"kind"`
	Severity     string              `json:"severity"`
	Title        ingest.Text         `json:"title"`
	Community    ingest.CommunityID  `json:"community"`
	Compound     ingest.CompoundID   `json:"compound,omitempty"`
	Facility     ingest.FacilityKind `json:"facility"`
	Vendor       ingest.VendorID     `json:"vendor,omitempty"`
	Device       ingest.DeviceID     `json:"device"`
	Name         string              `json:"name,omitempty"`
	Channel      string              `json:"channel,omitempty"`
	Since        time.Time           `json:"since"`
	Value        *float64            `json:"value"`
	Expected     *float64            `json:"expected"`
	Unit         string              `json:"unit"` // of value, and of expected where expected_unit is not given
	ExpectedUnit string              `json:"expected_unit,omitempty"`
	Why          ingest.Text         `json:"why"`
	// OverBudget is counted and not listed: its community has worse ones enough
	// to look after.
	OverBudget bool `json:"-"`
}

// Saving is the adjusted baseline less the actual use of a community, over the
// time both are known for.
type Saving struct {
	Community   ingest.CommunityID  `json:"community"`
	Facility    ingest.FacilityKind `json:"facility"`
	Resource    string              `json:"resource"` // electricity or water
	Period      string              `json:"period"`   // quarter, previous_quarter, since_start
	Status      string              `json:"status"`   // provisional, final, no_baseline
	Unit        string              `json:"unit"`     // kWh or m3
	Baseline    *float64            `json:"baseline"`
	Actual      *float64            `json:"actual"`
	Saving      *float64            `json:"saving"`
	Uncertainty *float64            `json:"uncertainty"` // half width of the 90 % band
	Significant *bool               `json:"significant"` // false: not distinguishable from zero
	Coverage    *float64            `json:"coverage"`    // ratio of time
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func (p *Page) make(now time.Time) *Overview {
	status, inv := p.s.Status(), p.s.Inventory()
	o := &Overview{
		AsOf: now.UTC().Truncate(time.Millisecond), TimeZone: inv.Zone.String(), Communities: []Community{}, Vendors: []Vendor{}, Rejects: status.Rejects,
		Savings: []Saving{},
		System: System{
			Version: p.s.Version, Grafana: p.s.Grafana,
			Ready: true, Received: status.Received, Stored: status.Stored, Duplicate: status.Duplicate,
			Rejected: status.Rejected, Ignored: status.Ignored, Pending: status.Pending,
		},
	}
	if o.Rejects == nil {
		o.Rejects = []pipeline.Reject{}
	}
	if err := p.s.Ready(); err != nil {
		o.System.Ready, o.System.Why = false, err.Error()
	}
	index := map[ingest.CommunityID]*Community{}
	o.Communities = make([]Community, len(inv.Communities))
	for i, c := range inv.Communities {
		o.Communities[i] = Community{ID: c.ID, Name: c.Name, Town: c.Town, Pilot: c.Pilot, Stage: c.Stage, Households: c.Households, Population: c.Population}
		index[c.ID] = &o.Communities[i]
	}
	programme := inv.Programme()
	o.Programme = Programme{All: programme.All, Participating: programme.Participating, Met: programme.Met}
	for _, d := range status.Devices {
		for _, f := range figuresOf(o, index, d.Community) {
			switch d.State {
			case "online":
				f.Online += d.Count
			case "offline":
				f.Offline += d.Count
			case "never":
				f.Never += d.Count
			}
		}
	}
	bins := map[*Figures]float64{}
	for place, n := range p.s.Facility.Now(now.UnixNano()) {
		for _, f := range figuresOf(o, index, place.Community) {
			f.add(place.Facility, n, bins)
		}
	}
	for f, sum := range bins {
		f.Fill = number(sum / float64(f.Bins))
	}
	open := p.openAlarms()
	for i := range open {
		a := &open[i]
		for _, f := range figuresOf(o, index, a.Community) {
			f.count(a.Severity)
		}
	}
	o.Alarms = listed(open)
	o.Alarms = o.Alarms[:min(len(o.Alarms), 100)]
	for i := range o.Communities {
		o.Communities[i].State = stateOf(&o.Communities[i].Figures)
	}
	names := map[ingest.VendorID]string{}
	for _, v := range inv.Vendors {
		names[v.ID] = v.Name
	}
	for _, v := range status.Vendors {
		if v.Vendor == "" && v.Received == 0 {
			continue
		}
		o.Vendors = append(o.Vendors, vendorOf(v, names[v.Vendor]))
	}
	o.Savings = append(o.Savings, p.s.Savings()...)
	return o
}

// listed are the alarms that are within their community's budget.
func listed(alarms []Alarm) []Alarm {
	return slices.DeleteFunc(alarms, func(a Alarm) bool { return a.OverBudget })
}

// figuresOf are the figures something of a community counts for.
func figuresOf(o *Overview, index map[ingest.CommunityID]*Community, id ingest.CommunityID) []*Figures {
	if c := index[id]; c != nil {
		return []*Figures{&o.Total, &c.Figures}
	}
	return []*Figures{&o.Total} // of a community the inventory has no more
}

func (f *Figures) add(kind ingest.FacilityKind, n facility.Now, bins map[*Figures]float64) {
	if n.Last > 0 {
		ms := n.Last / 1e6
		if f.LastReading == nil || ms > *f.LastReading {
			f.LastReading = &ms
		}
	}
	if n.Devices == 0 {
		return
	}
	sum := func(to **float64, v float64, known bool) {
		if !known {
			return // nobody says: no figure, not 0
		}
		if *to != nil {
			v += **to
		}
		*to = &v
	}
	switch kind {
	case ingest.Lighting:
		sum(&f.Power, n.Power, n.Powered > 0)
		f.Lamps += n.Devices
		f.Lit += n.Lit
	case ingest.Water:
		sum(&f.Water, n.Water, n.Metered > 0)
	case ingest.Waste:
		f.Full += n.Full
		if n.Filled > 0 {
			f.Bins += n.Filled
			bins[f] += n.Fill * float64(n.Filled)
		}
	case ingest.Gate:
		f.Gates += n.Doors
		f.Open += n.Open
		sum(&f.Passes, n.Passes, n.Counted)
	}
}

// stateOf is a community's state: that of its worst alarm; silent where nothing
// reports.
func stateOf(f *Figures) string {
	switch {
	case f.Critical > 0:
		return "critical"
	case f.Online == 0:
		return "silent"
	case f.Warning > 0:
		return "warning"
	}
	return "ok"
}

func vendorOf(v pipeline.VendorStatus, name string) Vendor {
	out := Vendor{ID: v.Vendor, Name: name, Received: v.Received, Reasons: []Reason{}}
	counts := map[ingest.Reason]uint64{}
	for reason, n := range v.Rejected {
		out.Rejected += n
		counts[reason] += n
	}
	for reason, n := range v.Refused {
		out.Refused += n
		counts[reason] += n
	}
	for reason, n := range counts {
		out.Reasons = append(out.Reasons, Reason{reason, n})
	}
	slices.SortFunc(out.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// trends are the last 24 hours of every place, made at most every 30 seconds.
type trends struct {
	made   time.Time
	from   int64
	places map[facility.Place]facility.Trend
}

// Trend is the last 24 hours of a community, or of all of them, in steps of 10
// minutes: lighting in W, water in m3/h, waste as mean fill ratio, gate in
// passes a step. null is no data.
type Trend struct {
	Community ingest.CommunityID                 `json:"community,omitempty"`
	From      int64                              `json:"from"` // unix seconds
	Step      int                                `json:"step"` // seconds
	Series    map[ingest.FacilityKind][]*float64 `json:"series"`
}

func (p *Page) trend(r *http.Request) (any, error) {
	community, who := ingest.CommunityID(r.URL.Query().Get("community")), access.From(r.Context())
	if community != "" && (p.s.Inventory().Community(community) == nil || !who.SeesCommunity(community)) {
		return nil, fmt.Errorf("community %.60q is not in the inventory", community)
	}
	p.mu.Lock()
	if p.trends == nil || time.Since(p.trends.made) > 30*time.Second {
		now := time.Now()
		from, places := p.s.Facility.Trends(now.UnixNano())
		p.trends = &trends{now, from, places}
	}
	t := p.trends
	p.mu.Unlock()
	out := Trend{Community: community, From: t.from, Step: 600, Series: map[ingest.FacilityKind][]*float64{}}
	sums := map[ingest.FacilityKind]*facility.Trend{}
	for place, trend := range t.places {
		if community != "" && place.Community != community || !who.Sees(place.Community, "") {
			continue
		}
		if sums[place.Facility] == nil {
			sums[place.Facility] = &facility.Trend{}
		}
		sums[place.Facility].Add(trend)
	}
	for kind, sum := range sums {
		series := make([]*float64, len(sum.Values))
		for i, v := range sum.Values {
			series[i] = number(v)
		}
		out.Series[kind] = series
	}
	return out, nil
}
