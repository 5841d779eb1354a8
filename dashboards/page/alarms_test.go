package page

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/anomaly"
)

// Who may do what with an alarm: a vendor sees its own and deals with them, and gives
// them to nobody; somebody of another community does not see them; links for others are
// for keys and operators.
func TestWhoDealsWithAlarms(t *testing.T) {
	inv, err := inventory.Parse([]byte(`
communities: [{id: nancheng, name: 南城社区}, {id: xicheng, name: 西城社区}]
vendors:
- id: acme
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
  devices: [{id: door-1, community: nancheng, facility: gate}]
`), time.FixedZone("Asia/Shanghai", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	engine := anomaly.NewEngine(anomaly.Options{Config: anomaly.DefaultConfig()})
	engine.Bind(inv)
	now := time.Now()
	engine.Tick(now.UnixNano())
	engine.Event(0, &ingest.Event{Device: inv.Device("door-1"), Type: "tamper", Active: true, Time: now.UnixNano()}, now.UnixNano())
	desk := alarms.New(alarms.Options{Dir: t.TempDir(), Config: alarms.DefaultConfig(), Source: engine, Inventory: func() *inventory.Inventory { return inv }})
	if err := desk.Open(); err != nil {
		t.Fatal(err)
	}
	defer desk.Close()
	desk.Look(now)
	p := New(Sources{Desk: desk, Inventory: func() *inventory.Inventory { return inv }})
	mux := http.NewServeMux()
	for pattern, h := range p.alarmRoutes() {
		mux.Handle(pattern, h)
	}
	ask := func(who access.Identity, method, path, body string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(access.With(t.Context(), who))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	clerk := access.Identity{Name: "li", Title: "李科员", Role: access.Clerk}
	acme := access.Identity{Name: "acme", Title: "阿克米", Role: access.Vendor, Vendor: "acme"}
	rival := access.Identity{Name: "rival", Role: access.Vendor, Vendor: "rival"}
	elsewhere := access.Identity{Name: "zhou", Role: access.Clerk, Communities: []ingest.CommunityID{"xicheng"}}
	key := access.Identity{Name: "key notify", Role: access.Department, Scopes: []access.Action{access.Read, access.Alarms}}
	var list []alarms.Item
	if err := json.Unmarshal(ask(clerk, "GET", "/api/v1/alarms", "").Body.Bytes(), &list); err != nil || len(list) != 1 {
		t.Fatalf("%d alarms, %v", len(list), err)
	}
	one := "/api/v1/alarms/" + list[0].ID
	for _, c := range []struct {
		who                access.Identity
		method, path, body string
		want               int
		says               string
	}{
		{rival, "GET", "/api/v1/alarms", "", 200, "[]"},
		{elsewhere, "GET", "/api/v1/alarms", "", 200, "[]"},
		{rival, "GET", one, "", 404, ""},
		{rival, "POST", one, `{"status":"acknowledged"}`, 404, ""},
		{elsewhere, "POST", one, `{"status":"acknowledged"}`, 404, ""},
		{acme, "POST", one, `{"status":"in_progress","comment":"已出发"}`, 200, `阿克米（acme）`},
		{acme, "POST", one, `{"status":"assigned","assignee":"a"}`, 403, "the bureau's"},
		{acme, "POST", one, `{"status":"false","reason":"a"}`, 403, ""},
		{acme, "POST", one, `{"status":"cleared"}`, 403, ""},
		{clerk, "GET", one + "?for=a", "", 403, "keys"},
		{acme, "GET", one + "?for=a", "", 403, ""},
		{key, "GET", one + "?for=%E7%8E%8B", "", 200, "sign="},
		{clerk, "POST", one, `{"status":"cleared","due":"tomorrow"}`, 400, "2026-12-01"},
		{clerk, "POST", one, `{"status":"assigned","assignee":"赵","due":"2030-01-02"}`, 200, "2030-01-02T16:00:00Z"}, // the day's end at the site
		{clerk, "GET", "/api/v1/alarms?since=yesterday", "", 400, "since"},
		{clerk, "GET", "/api/v1/alarms?limit=0", "", 400, "limit"},
	} {
		w := ask(c.who, c.method, c.path, c.body)
		if w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s %s %s: %d %s, want %d %q", c.who.Name, c.method, c.path, c.body, w.Code, w.Body, c.want, c.says)
		}
	}
	// A form that lacks something says so in the reader's language, and nothing is kept.
	form := httptest.NewRequest("POST", desk.Link(list[0].ID, "王工", now), strings.NewReader("status=false&reason="))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, form)
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "误报须填写原因") {
		t.Errorf("%d %.300s", w.Code, w.Body)
	}
	// What vendors and devices are called is text, on the page without login as well.
	link := desk.Link(list[0].ID, `<script>alert(1)</script>`, now)
	page := ask(access.Identity{}, "GET", link, "").Body.String()
	if strings.Contains(page, "<script") || !strings.Contains(page, "&lt;script") {
		t.Errorf("%s", page)
	}
}
