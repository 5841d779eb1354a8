package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/metrics/alarms"
)

// failed is an error of a request that is not its form.
type failed struct {
	status int
	error
}

func (f failed) Unwrap() error { return f.error }

// alarmRoutes are the alarms as work: the list, one of them, what is done with it, and
// the page behind a signed link.
func (p *Page) alarmRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /api/v1/alarms":       p.json(p.listAlarms),
		"GET /api/v1/alarms/{id}":  p.json(p.oneAlarm),
		"POST /api/v1/alarms/{id}": p.json(p.changeAlarm),
		"GET /api/v1/alarms/kinds": p.json(func(*http.Request) (any, error) { return p.s.Desk.Precision(), nil }),
		"GET /alarm/{id}":          http.HandlerFunc(p.confirm),
		"POST /alarm/{id}":         http.HandlerFunc(p.confirm),
	}
}

// whoIs is the name that the history keeps of somebody: what people call them, and by
// which name they log in.
func whoIs(i access.Identity) string {
	if i.Title == "" || i.Title == i.Name {
		return i.Name
	}
	if i.Name == "" {
		return ""
	}
	return i.Title + "（" + i.Name + "）"
}

const mostListed = 5000

func (p *Page) listAlarms(r *http.Request) (any, error) {
	f, err := p.filter(r)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	items, err := p.s.Desk.List(r.Context(), f, now)
	if err != nil {
		return nil, err
	}
	return items, p.sign(r, items, now)
}

// sign adds links with which a person deals with the alarms without a login. Only
// programs, and who runs the service, get them: whoever has one is that person.
func (p *Page) sign(r *http.Request, items []alarms.Item, now time.Time) error {
	who := strings.TrimSpace(r.URL.Query().Get("for"))
	if who == "" {
		return nil
	}
	i := access.From(r.Context())
	if !i.May(access.Alarms) || i.Role != access.Department && i.Role != access.Operator {
		return failed{http.StatusForbidden, errors.New("links for others are given to keys with the right alarms, and to operators")}
	}
	if len(who) > 200 {
		return errors.New("for: longer than 200 bytes; give the name of a person")
	}
	for n := range items {
		items[n].Signed = p.s.Desk.Link(items[n].ID, who, now)
	}
	return nil
}

// filter reads what is asked for. status may be given several times, or with commas; all
// and done stand for several.
func (p *Page) filter(r *http.Request) (alarms.Filter, error) {
	q := r.URL.Query()
	f := alarms.Filter{
		Community: ingest.CommunityID(q.Get("community")), Kind: q.Get("kind"), Device: ingest.DeviceID(q.Get("device")),
		Facility: ingest.FacilityKind(q.Get("facility")), Vendor: ingest.VendorID(q.Get("vendor")), Limit: 1000,
		Sees: access.From(r.Context()).Sees,
	}
	for _, text := range q["status"] {
		for name := range strings.SplitSeq(text, ",") {
			s := alarms.Status(strings.TrimSpace(name))
			switch {
			case s == "all":
				f.Statuses = alarms.Statuses()
			case s == "done":
				f.Statuses = append(f.Statuses, alarms.Cleared, alarms.False)
			case slices.Contains(alarms.Statuses(), s):
				f.Statuses = append(f.Statuses, s)
			case s != "":
				return f, fmt.Errorf("status %.40q is none; use open, acknowledged, assigned, in_progress, cleared, false, done or all", string(s))
			}
		}
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostListed {
			return f, fmt.Errorf("limit %.20q is not a number from 1 to %d", text, mostListed)
		}
		f.Limit = n
	}
	f.Grouped = q.Get("grouped") == "true"
	zone := p.s.Inventory().Zone
	for _, t := range []struct {
		name string
		into *time.Time
		end  bool
	}{{"since", &f.Since, false}, {"until", &f.Until, true}} {
		at, err := parseWhen(q.Get(t.name), zone, t.end)
		if err != nil {
			return f, fmt.Errorf("%s: %w", t.name, err)
		}
		*t.into = at
	}
	return f, nil
}

// parseWhen reads a time, or a local day: its beginning, or its end.
func parseWhen(text string, zone *time.Location, end bool) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t, nil
		}
	}
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return t, fmt.Errorf("%.40q is no time; write 2026-12-01, 2026-12-01T08:00 or 2026-12-01T08:00:00+08:00", text)
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}

// get returns an alarm that somebody may see.
func (p *Page) get(r *http.Request, i access.Identity) (alarms.Item, error) {
	item, err := p.s.Desk.Get(r.Context(), r.PathValue("id"), time.Now())
	if err == nil && !i.Sees(item.Community, item.Vendor) {
		err = alarms.ErrUnknown
	}
	if errors.Is(err, alarms.ErrUnknown) {
		err = failed{http.StatusNotFound, fmt.Errorf("no alarm has the id %.40q, or it is not kept any more", r.PathValue("id"))}
	}
	return item, err
}

func (p *Page) oneAlarm(r *http.Request) (any, error) {
	item, err := p.get(r, access.From(r.Context()))
	if err != nil {
		return nil, err
	}
	one := []alarms.Item{item}
	err = p.sign(r, one, time.Now())
	return one[0], err
}

func (p *Page) changeAlarm(r *http.Request) (any, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, failed{http.StatusUnsupportedMediaType, errors.New("send JSON, with Content-Type: application/json")}
	}
	var said struct {
		Status   alarms.Status `json:"status"`
		Assignee string        `json:"assignee"`
		Due      string        `json:"due"`
		Comment  string        `json:"comment"`
		Reason   string        `json:"reason"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&said); err != nil {
		return nil, fmt.Errorf(`body: %w; send {"status": …, "assignee": …, "due": …, "comment": …, "reason": …}`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("body: more than one object of JSON")
	}
	i := access.From(r.Context())
	c := alarms.Change{Status: said.Status, Assignee: said.Assignee, Comment: said.Comment, Reason: said.Reason, By: whoIs(i), Via: "api"}
	if r.Header.Get("Sec-Fetch-Site") != "" {
		c.Via = "page"
	}
	if said.Due != "" {
		due, err := parseWhen(said.Due, p.s.Inventory().Zone, true)
		if err != nil {
			return nil, fmt.Errorf("due: %w", err)
		}
		c.Due = &due
	}
	if _, err := p.get(r, i); err != nil {
		return nil, err
	}
	if i.Role == access.Vendor && (c.Assignee != "" || c.Due != nil || !slices.Contains([]alarms.Status{"", alarms.Acknowledged, alarms.InProgress}, c.Status)) {
		return nil, failed{http.StatusForbidden, errors.New("a vendor confirms its alarms, deals with them and comments; giving them to somebody and closing them is the bureau's")}
	}
	return p.apply(r, c)
}

// apply makes a change, with the status of its refusal.
func (p *Page) apply(r *http.Request, c alarms.Change) (alarms.Item, error) {
	item, err := p.s.Desk.Apply(r.PathValue("id"), c, time.Now())
	switch {
	case errors.Is(err, alarms.ErrUnknown):
		err = failed{http.StatusNotFound, err}
	case errors.Is(err, alarms.ErrRefused):
		err = failed{http.StatusUnprocessableEntity, err}
	case err != nil:
		err = failed{http.StatusServiceUnavailable, err}
	}
	return item, err
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var f failed
	if errors.As(err, &f) {
		return f.status
	}
	return http.StatusBadRequest
}

// signed returns who a signed link is of.
func (p *Page) signed(r *http.Request) (who string, err error) {
	q := r.URL.Query()
	return p.s.Desk.Verify(r.PathValue("id"), url.Values{"who": q["who"], "until": q["until"], "sign": q["sign"]}, time.Now())
}

// brief is an open alarm as the overview lists it.
func brief(i *alarms.Item) Alarm {
	return Alarm{
		ID: i.ID, Status: i.Status, Assignee: i.Assignee, Silenced: i.Silenced, Updated: i.Updated,
		Kind: i.Kind, Severity: i.Severity, Title: i.Title, Community: i.Community, Compound: i.Compound, Facility: i.Facility,
		Vendor: i.Vendor, Device: i.Device, Name: i.Name, Channel: i.Channel, Since: i.Since,
		Value: i.Value, Expected: i.Expected, Unit: i.Unit, ExpectedUnit: i.ExpectedUnit, Why: i.Why, OverBudget: i.OverBudget,
	}
}

// openAlarms are the alarms that are not done, the worst first.
func (p *Page) openAlarms() []Alarm {
	items, err := p.s.Desk.List(context.Background(), alarms.Filter{Limit: 20000}, time.Now())
	if err != nil {
		return []Alarm{} // only reading the past can fail
	}
	list := make([]Alarm, len(items))
	for n := range items {
		list[n] = brief(&items[n])
	}
	return list
}
