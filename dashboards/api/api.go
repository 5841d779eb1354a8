// Package api answers programs of other departments, and the page where it looks beyond
// the moment: communities, devices, readings, use, savings, and exports of a day or a
// quarter, as JSON, CSV or a spreadsheet.
//
// It computes no figure of its own. What was used is what the book of use has written to
// InfluxDB; an hour or a day nobody knows has no row, and is not zero. Whoever asks is
// answered with what they see (dashboards/access): a vendor with its own devices.
// docs/openapi.yaml describes it, and a test holds it to the routes.
package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/dashboards/page"
	"greencommunity/ingest"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/facility"
)

// Sources say where the answers are from.
type Sources struct {
	Inventory func() *inventory.Inventory
	Status    func() pipeline.Status
	// Devices calls yield with each device from an index on, until it returns false.
	Devices func(from uint32, yield func(index uint32, d *ingest.Device) bool)
	// Last returns the last message of a device, nil where none is kept, and whether it
	// speaks of one community alone.
	Last     func(device uint32) (m *ingest.Message, one bool, err error)
	Facility *facility.Observer
	Savings  func() []page.Saving
	Desk     *alarms.Desk
	InfluxDB influx.Options
	Logger   *slog.Logger
}

// API answers.
type API struct {
	s       Sources
	db      *database
	days    *days
	exports chan struct{} // one of them runs

	mu    sync.Mutex // noted
	noted []noted    // oldest first
}

// exportsAtOnce bounds what exports take from InfluxDB, which has readings to write.
const exportsAtOnce = 2

// New returns the API.
func New(s Sources) *API {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	db := newDatabase(s.InfluxDB)
	return &API{s: s, db: db, days: newDays(db), exports: make(chan struct{}, exportsAtOnce)}
}

// Routes are the handlers by pattern.
func (a *API) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /api/v1/communities":       a.table(a.communities),
		"GET /api/v1/communities/{id}":  a.object(a.community),
		"GET /api/v1/devices":           a.table(a.devices),
		"GET /api/v1/devices/{id}":      a.object(a.device),
		"GET /api/v1/devices/{id}/last": a.object(a.last),
		"GET /api/v1/readings":          a.table(a.readings),
		"GET /api/v1/use":               a.table(a.use),
		"GET /api/v1/savings":           a.table(a.savings),
		"GET /api/v1/vendors":           a.table(a.vendors),
		"GET /api/v1/export/{what}":     a.handle(a.export),

		"GET /api/v1/alarms/{id}/picture.svg": a.handle(a.picture),
		"GET /alarm/{id}/picture.svg":         a.handle(a.signedPicture),
	}
}

// failure is an error of a request, with its status.
type failure struct {
	status int
	error
}

func bad(format string, args ...any) error {
	return failure{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

func missing(format string, args ...any) error {
	return failure{http.StatusNotFound, fmt.Errorf(format, args...)}
}

// handle answers with f, or with what is wrong (RFC 9457). An error that is no failure is
// InfluxDB's.
func (a *API) handle(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		err := f(w, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		status := http.StatusBadGateway
		var known failure
		if errors.As(err, &known) {
			status = known.status
		} else {
			a.s.Logger.Warn("an answer is not given", "path", r.URL.Path, "error", err)
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "10")
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Del("Content-Disposition")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(struct {
			Title  string `json:"title"`
			Status int    `json:"status"`
		}{err.Error(), status})
	})
}

// table answers with rows.
func (a *API) table(f func(*http.Request, access.Identity) (*table, error)) http.Handler {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		if _, err := format(r); err != nil {
			return failure{http.StatusBadRequest, err}
		}
		t, err := f(r, access.From(r.Context()))
		if err != nil {
			return err
		}
		return t.write(w, r, a.zone())
	})
}

// object answers with one thing.
func (a *API) object(f func(*http.Request, access.Identity) (any, error)) http.Handler {
	return a.handle(func(w http.ResponseWriter, r *http.Request) error {
		v, err := f(r, access.From(r.Context()))
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client has gone
		return nil
	})
}

func (a *API) zone() *time.Location { return a.s.Inventory().Zone }

// limit reads the parameter limit.
func limit(r *http.Request, usual, most int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, bad("limit %.20q is not a number from 1 to %d", text, most)
	}
	return n, nil
}

// span is a time from..to (exclusive).
type span struct{ from, to time.Time }

// spanOf reads the time a request is of: from and to, each a time (RFC 3339) or a local
// day, whose end is meant with to; or day=2026-11-27, month=2026-11, quarter=2026Q4 or year=2026.
func spanOf(r *http.Request, zone *time.Location, usual time.Duration) (span, error) {
	q := r.URL.Query()
	now := time.Now().In(zone)
	day := func(text string) (time.Time, error) { return time.ParseInLocation(time.DateOnly, text, zone) }
	for _, name := range []string{"day", "month", "quarter", "year"} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		from, err := time.Time{}, error(nil)
		years, months, days := 0, 0, 0
		switch name {
		case "day":
			from, err = day(text)
			days = 1
		case "month":
			from, err = day(text + "-01")
			months = 1
		case "quarter":
			year, n, ok := strings.Cut(strings.ToUpper(text), "Q")
			if number := strings.Index("1234", n); ok && len(n) == 1 && number >= 0 {
				from, err = day(fmt.Sprintf("%s-%02d-01", year, 1+3*number))
			} else {
				err = errors.New("")
			}
			months = 3
		case "year":
			from, err = day(text + "-01-01")
			years = 1
		}
		if err != nil {
			return span{}, bad("%s %.20q: write day=2026-11-27, month=2026-11, quarter=2026Q4 or year=2026", name, text)
		}
		return span{from, from.AddDate(years, months, days)}, nil
	}
	// The end is that of the minute: what is asked for again meanwhile is the same question.
	end := now.Truncate(time.Minute).Add(time.Minute)
	s := span{end.Add(-usual), end}
	for name, to := range map[string]*time.Time{"from": &s.from, "to": &s.to} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			if at, err = day(text); err == nil && name == "to" {
				at = at.AddDate(0, 0, 1)
			}
		}
		if err != nil {
			return span{}, bad("%s %.40q: write 2026-11-27, or 2026-11-27T08:00:00+08:00", name, text)
		}
		*to = at.In(zone)
	}
	if q.Get("to") != "" && q.Get("from") == "" {
		s.from = s.to.Add(-usual)
	}
	if !s.from.Before(s.to) {
		return span{}, bad("from %s is not before to %s", s.from.Format(time.RFC3339), s.to.Format(time.RFC3339))
	}
	if s.to.Sub(s.from) > 10*366*24*time.Hour {
		return span{}, bad("from and to are more than ten years apart")
	}
	return s, nil
}

// where is the condition on time.
func (s span) where() string {
	return fmt.Sprintf("time >= %d AND time < %d", s.from.UnixNano(), s.to.UnixNano())
}

// seen is the condition that keeps what somebody does not see from them.
func seen(who access.Identity) string {
	condition := ""
	if who.Vendor != "" {
		condition += ` AND "vendor" = ` + quoted(string(who.Vendor))
	}
	if len(who.Communities) > 0 {
		var any []string
		for _, id := range who.Communities {
			any = append(any, `"community" = `+quoted(string(id)))
		}
		condition += " AND (" + strings.Join(any, " OR ") + ")"
	}
	return condition
}

// place reads the parameters community, compound, facility and vendor, and checks that
// the inventory has them and that whoever asks sees them.
func (a *API) place(r *http.Request, who access.Identity) (condition string, err error) {
	q, inv := r.URL.Query(), a.s.Inventory()
	if id := ingest.CommunityID(q.Get("community")); id != "" && (inv.Community(id) == nil || !who.SeesCommunity(id)) {
		return "", bad("community %.60q is not in the inventory", id)
	}
	if kind := ingest.FacilityKind(q.Get("facility")); kind != "" && inv.Facilities.Kind(kind) == nil {
		return "", bad("facility %.60q is no kind of the inventory", kind)
	}
	if id := ingest.VendorID(q.Get("vendor")); id != "" && (inv.Vendor(id) == nil || who.Vendor != "" && who.Vendor != id) {
		return "", bad("vendor %.60q is not in the inventory", id)
	}
	for _, tag := range []string{"community", "compound", "facility", "vendor"} {
		if v := q.Get(tag); v != "" {
			condition += fmt.Sprintf(` AND %s = %s`, name(tag), quoted(v))
		}
	}
	return condition, nil
}
