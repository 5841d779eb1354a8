package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
)

// The last message is for operators and the device's vendor, and within what they see.
func TestLast(t *testing.T) {
	p := plant(t)
	for _, c := range []struct {
		path   string
		who    access.Identity
		status int
		says   string
	}{
		{"m-1/last", access.Identity{Role: access.Operator}, 200, `"meters/m-1"`},
		{"m-1/last", access.Identity{Role: access.Vendor, Vendor: "meters"}, 200, `"meters/m-1"`},
		{"m-1/last", access.Identity{Role: access.Vendor, Vendor: "brightlamp"}, 404, "not known"},
		{"m-1/last", access.Identity{Role: access.Leader}, 403, "operators"},
		{"m-1/last", access.Identity{Role: access.Clerk}, 403, "operators"},
		{"m-1/last", access.Identity{Role: access.Department, Scopes: []access.Action{access.Read, access.Export}}, 403, "operators"},
		{"m-1/last", access.Identity{}, 403, "operators"},
		{"m-1/last", access.Identity{Role: access.Operator, Communities: []ingest.CommunityID{"xicheng"}}, 404, "not known"},
		{"m-1/last", access.Identity{Role: access.Operator, Communities: []ingest.CommunityID{"nancheng"}}, 403, "other communities"}, // planted as one of several
		{"none/last", access.Identity{Role: access.Operator}, 404, "not known"},
	} {
		r := httptest.NewRequest("GET", "/api/v1/devices/"+c.path, nil)
		w := httptest.NewRecorder()
		p.h.ServeHTTP(w, r.WithContext(access.With(r.Context(), c.who)))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s as %+v: %d %s, want %d %s", c.path, c.who, w.Code, w.Body, c.status, c.says)
		}
		if w.Code == http.StatusOK {
			var l Last
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || l.Form != "json" || l.Payload != "{\n  \"water_volume_total\": 1,\n  \"note\": \"<b>\"\n}" || l.Bytes != 37 {
				t.Errorf("%+v %v", l, err)
			}
		}
	}
}

// A payload is written so that a person can read it, and never without bound.
func TestLegible(t *testing.T) {
	deep := []byte(strings.Repeat("[", 8000) + strings.Repeat("]", 8000))
	for _, c := range []struct {
		payload    []byte
		form, text string // a beginning
		shown      int
	}{
		{[]byte(`[{"a":1}]`), "json", "[\n  {\n", 9}, {[]byte("T=21,5;上限"), "text", "T=21,5;上限", 13}, {nil, "text", "", 0},
		{[]byte{0x68, 0x03, 0x68, 0x00, 0xff}, "hex", "00000000  68 03 68 00 ff", 5}, {[]byte("\x1b[2J"), "hex", "00000000  1b", 4},
		{bytes.Repeat([]byte("水"), 20000), "text", "水水", 16383}, {deep, "text", "[[[[", 16000}, {bytes.Repeat([]byte{0xff}, 1<<20), "hex", "00000000  ff", 4096},
	} {
		form, text, shown := legible(c.payload)
		if form != c.form || !strings.HasPrefix(text, c.text) || shown != c.shown || len(text) > 5*mostShown {
			t.Errorf("%.20q: %s, %d of %d bytes, %.40q (%d)", c.payload, form, shown, len(c.payload), text, len(text))
		}
	}
}
