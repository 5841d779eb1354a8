package api

import (
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"greencommunity/ingest/inventory"
)

// The list of alarms is a table as well, of whatever the list answers, in both languages;
// what the list refuses is refused.
func TestAlarmsAsATable(t *testing.T) {
	zone := time.FixedZone("Asia/Shanghai", 8*3600)
	a := New(Sources{Inventory: func() *inventory.Inventory { return &inventory.Inventory{Zone: zone} }})
	h := a.Alarms(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("status") == "none" {
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"title":"status none is none"}`))
			return
		}
		w.Write([]byte(`[{"id":"a1","severity":"critical","title":{"zh":"积水内涝","en":"Waterlogging"},"community_name":"南城社区","device":"drain-1","device_name":"=1号积水点","began":"2026-11-28T02:30:00Z",
			"told":"2026-11-28T02:31:00Z","value":0.52,"unit":"m","cost_per_day":null,"status":"in_progress","assignee":"王师傅","why":{"zh":"水深0.52米。","en":"0.52 m deep."},"comments":[{"by":"李","text":"已到场"}]}]`))
	}))
	ask := func(query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/alarms"+query, nil))
		return w
	}
	if w := ask(""); !strings.HasPrefix(w.Body.String(), `[{"id":"a1"`) {
		t.Errorf("JSON: %s", w.Body)
	}
	lines, err := csv.NewReader(ask("?format=csv").Body).ReadAll()
	if err != nil || len(lines) != 2 || lines[0][2] != "title" || lines[1][2] != "积水内涝" || lines[1][6] != "'=1号积水点" || lines[1][9] != "2026-11-28T10:30:00+08:00" || lines[1][17] != "处理中" {
		t.Errorf("CSV: %v %q", err, lines)
	}
	for lang, want := range map[string][]string{"zh": {"告警", "程度", "严重", "积水内涝", "处理中", "李：已到场"}, "en": {"Alarms", "Severity", "critical", "Waterlogging", "in progress", "李：已到场"}} {
		w := ask("?format=xlsx&lang=" + lang)
		f, err := excelize.OpenReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		cell := func(at string) string { v, _ := f.GetCellValue(want[0], at); return v }
		if got := []string{f.GetSheetName(0), cell("B1"), cell("B2"), cell("C2"), cell("R2"), cell("W2")}; strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
		if kind, _ := f.GetCellType(want[0], "M2"); cell("M2") != "0.52" || kind == excelize.CellTypeSharedString || kind == excelize.CellTypeInlineString {
			t.Errorf("the value is %q, of type %v", cell("M2"), kind)
		}
		if cell("Q2") != "" || cell("J2") != "2026-11-28 10:30" {
			t.Errorf("%q %q", cell("Q2"), cell("J2"))
		}
	}
	if w := ask("?format=csv&status=none"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "status none is none") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask("?format=pdf"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "none of json, csv, xlsx") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
