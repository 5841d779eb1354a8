package serve

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// A query names a quarter, days, or nothing, which is the quarter of yesterday; whatever
// else it says is refused with the cure.
func TestReportOrder(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	now := time.Date(2026, 9, 30, 16, 30, 0, 0, time.UTC) // the first half hour of October
	for query, want := range map[string]string{
		"":                                "2026-07-01 2026-10-01 0001-01-01",
		"quarter=2026Q1":                  "2026-01-01 2026-04-01 0001-01-01",
		"from=2026-01-01&to=2026-10-01":   "2026-01-01 2026-10-01 0001-01-01",
		"quarter=2026Q3&as_of=2026-09-20": "2026-07-01 2026-10-01 2026-09-20",
		"quarter=2026-3":                  "is no quarter; write 2026Q1",
		"quarter=2026Q3&from=2026-01-01":  "give either quarter or from and to",
		"from=2026-01-01":                 "is not a day; write 2026-03-01",
		"from=2026-02-01&to=2026-01-01":   "later than from",
		"from=2020-01-01&to=2026-01-01":   "at most a year later",
		"quater=2026Q3":                   "is none of quarter",
		"quarter=2026Q3&quarter=2026Q2":   "is given 2 times",
		"quarter=2026Q3&as_of=yesterday":  "as_of",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		o, err := reportOrder(values, now, zone)
		got := o.From.Format(time.DateOnly) + " " + o.To.Format(time.DateOnly) + " " + o.AsOf.Format(time.DateOnly)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q is %q, want %q", query, got, want)
		}
	}
}

// A report is of all vendors and of the communities somebody sees.
func TestWhoMayHaveAReport(t *testing.T) {
	inv := &inventory.Inventory{Zone: time.UTC}
	h := &reports{inventory: func() *inventory.Inventory { return inv }, busy: make(chan struct{}, 1)}
	ask := func(query string, who access.Identity) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/api/v1/report?"+query, nil)
		h.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
		return w.Code, w.Body.String()
	}
	for what, of := range map[string]struct {
		query  string
		who    access.Identity
		status int
		says   string
	}{
		"a vendor":                {"", access.Identity{Role: access.Vendor, Vendor: "v"}, 403, "of all vendors"},
		"nobody":                  {"", access.Identity{}, 403, "may export"},
		"a town of one community": {"", access.Identity{Role: access.Clerk, Communities: []ingest.CommunityID{"a"}}, 403, "give community=ID"},
		"a community not listed":  {"community=b", access.Identity{Role: access.Leader}, 400, "is not in the inventory"},
		"a format":                {"format=pdf", access.Identity{Role: access.Leader}, 400, "is neither html"},
	} {
		if status, body := ask(of.query, of.who); status != of.status || !strings.Contains(body, of.says) {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
}
