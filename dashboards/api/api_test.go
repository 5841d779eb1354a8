package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"greencommunity/dashboards/access"
	"greencommunity/dashboards/page"
	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/facility"
)

const places = `
communities:
- {id: nancheng, name: 南城社区, town: 城关镇, pilot: true, stage: met, households: 1240, population: 3120, lat: 34.75, lon: 106.13,
   compounds: [{id: jinxiu, name: 锦绣家园, households: 420, renovated: 2021}]}
- {id: xicheng, name: 西城社区, households: 500}
vendors:
- {id: brightlamp, name: 亮灯公司, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
- id: meters
  sources: [{topic: "meters/{device}", format: native, community: nancheng}]
  devices: [{id: m-1, name: "=锦绣总表", community: nancheng, compound: jinxiu, facility: water}]
`

// planted is an API over a real InfluxDB: m-1 of nancheng uses 1 m3 in each hour of the first
// quarter and the last ten days of 2025, and 2 in each of the first three days of 2026, of which a day has 12 hours.
type planted struct {
	t *testing.T
	h http.Handler
}

func plant(t *testing.T) *planted {
	t.Helper()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	inv := inventorytest.Parse(t, places, inventorytest.Zone)
	o := influx.Options{URL: db.URL(), Org: "bureau", Bucket: "facilities"}
	w := influx.New(o)
	defer w.Close()
	var lines bytes.Buffer
	day := func(from time.Time, hours int, each float64) {
		for h := range hours {
			fmt.Fprintf(&lines, "usage,community=nancheng,compound=jinxiu,device=m-1,facility=water,resource=water,vendor=meters used=%g,covered=3600 %d\n", each, from.Add(time.Duration(h)*time.Hour).UnixMilli())
		}
		fmt.Fprintf(&lines, "usage_daily,community=nancheng,compound=jinxiu,facility=water,resource=water used=%g,covered=%d,meters=1 %d\n", each*float64(hours), 3600*hours, from.UnixMilli())
		fmt.Fprintf(&lines, "usage_daily,community=xicheng,facility=lighting,resource=electricity used=10,covered=86400,meters=2 %d\n", from.UnixMilli())
		fmt.Fprintf(&lines, "usage,community=xicheng,device=l-1,facility=lighting,resource=electricity,vendor=brightlamp used=10,covered=3600 %d\n", from.UnixMilli())
	}
	for d := range 90 { // each week is a file of its own in InfluxDB: a whole year is long in the making
		day(time.Date(2025, 1, 1+d, 0, 0, 0, 0, inv.Zone), 24, 1)
	}
	for d := range 10 {
		day(time.Date(2025, 12, 22+d, 0, 0, 0, 0, inv.Zone), 24, 1)
	}
	day(time.Date(2026, 1, 1, 0, 0, 0, 0, inv.Zone), 24, 2)
	day(time.Date(2026, 1, 2, 0, 0, 0, 0, inv.Zone), 12, 2)
	day(time.Date(2026, 1, 3, 0, 0, 0, 0, inv.Zone), 24, 2)
	noon := time.Date(2026, 1, 3, 12, 0, 0, 0, inv.Zone)
	for i := range 60 {
		at := noon.Add(time.Duration(i) * time.Minute).UnixMilli()
		fmt.Fprintf(&lines, "water,community=nancheng,compound=jinxiu,device=m-1,vendor=meters water_volume_total=%g,water_pressure=%d %d\n", 100+float64(i), 1000*i, at)
		fmt.Fprintf(&lines, "water,community=nancheng,compound=jinxiu,device=m-1,vendor=meters,channel=b water_volume_total=%g %d\n", 500+float64(i), at)
	}
	fmt.Fprintf(&lines, "water,community=nancheng,compound=jinxiu,device=m-1,vendor=meters water_volume_total=777 %d\n", time.Now().Add(-time.Minute).UnixMilli())
	if refused, err := w.Write(context.Background(), lines.Bytes()); err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	devices := []*ingest.Device{inv.Device("m-1")}
	for i := range 5 {
		devices = append(devices, &ingest.Device{ID: ingest.DeviceID(fmt.Sprintf("l-%d", i+1)), Origin: &ingest.Origin{Vendor: "brightlamp", Community: "xicheng", Facility: ingest.Lighting}, Listing: &ingest.Listing{}})
	}
	saving := 5.5
	a := New(Sources{
		Last: func(device uint32) (*ingest.Message, bool, error) {
			if devices[device].ID != "m-1" {
				return nil, false, nil
			}
			return &ingest.Message{Received: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC).UnixNano(), Topic: "meters/m-1", QoS: 1, Payload: []byte(`{"water_volume_total":1,"note":"<b>"}`)}, false, nil
		},
		Inventory: func() *inventory.Inventory { return inv },
		Status: func() pipeline.Status {
			return pipeline.Status{Devices: []pipeline.DeviceCount{{Community: "nancheng", Facility: "water", State: "online", Count: 1}, {Community: "xicheng", Facility: "lighting", State: "never", Count: 5}}}
		},
		Devices: func(from uint32, yield func(uint32, *ingest.Device) bool) {
			for i := int(from); i < len(devices) && yield(uint32(i), devices[i]); i++ {
			}
		},
		Facility: facility.New(nil),
		Savings: func() []page.Saving {
			return []page.Saving{{Community: "nancheng", Facility: "water", Resource: "water", Period: "quarter", Status: "provisional", Unit: "m3", Saving: &saving}, {Community: "xicheng", Facility: "lighting", Resource: "electricity", Period: "quarter", Status: "no_baseline", Unit: "kWh"}}
		},
		InfluxDB: o,
	})
	mux := http.NewServeMux()
	for pattern, h := range a.Routes() {
		mux.Handle(pattern, h)
	}
	return &planted{t, mux}
}

var (
	all        = access.Identity{Name: "ops", Role: access.Operator}
	ofXicheng  = access.Identity{Name: "li", Role: access.Clerk, Communities: []ingest.CommunityID{"xicheng"}}
	brightlamp = access.Identity{Name: "b", Role: access.Vendor, Vendor: "brightlamp"}
)

// get asks as somebody and returns the answer.
func (p *planted) get(who access.Identity, path string) (*http.Response, string) {
	p.t.Helper()
	r := httptest.NewRequest("GET", "/api/v1/"+path, nil)
	w := httptest.NewRecorder()
	p.h.ServeHTTP(w, r.WithContext(access.With(r.Context(), who)))
	return w.Result(), w.Body.String()
}

// cells are the rows of an answer of CSV, without the header, cells between spaces.
func (p *planted) cells(who access.Identity, path string) (rows []string, next string) {
	p.t.Helper()
	r, body := p.get(who, path+"&format=csv")
	if r.StatusCode != 200 {
		p.t.Fatalf("%s: %s %s", path, r.Status, body)
	}
	records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, record := range records[1:] {
		rows = append(rows, strings.Join(record, " "))
	}
	if link := r.Header.Get("Link"); link != "" {
		next = strings.TrimPrefix(link[1:strings.Index(link, ">")], "/api/v1/")
	}
	return rows, next
}

// One InfluxDB is enough for all.
func TestAPI(t *testing.T) {
	p := plant(t)
	t.Run("use", p.testUse)
	t.Run("readings", p.testReadings)
	t.Run("places", p.testPlaces)
	t.Run("refusals", p.testRefusals)
	t.Run("spreadsheet", p.testSpreadsheet)
	t.Run("export", p.testExport)
}

func (p *planted) testUse(t *testing.T) {
	for _, c := range []struct {
		who   access.Identity
		query string
		want  []string
	}{
		{all, "year=2025&step=year", []string{"2025-01-01T00:00:00+08:00 electricity lighting 1000 kWh 2400 2", "2025-01-01T00:00:00+08:00 water water 2400 m3 2400 1"}},
		{all, "quarter=2025Q1&step=quarter&resource=water&by=none", []string{"2025-01-01T00:00:00+08:00 water 2160 m3 2160 1"}},
		{all, "month=2025-02&step=month&resource=water&by=community", []string{"2025-02-01T00:00:00+08:00 water nancheng 南城社区 672 m3 672 1"}},
		{all, "from=2025-12-29&to=2026-01-03&step=week&resource=water&compare=before", []string{"2025-12-29T00:00:00+08:00 water water 192 m3 132 1 144 144"}}, // as many days of the week before
		{all, "from=2026-01-01&to=2026-01-03&resource=water&compare=year", []string{
			"2026-01-01T00:00:00+08:00 water water 48 m3 24 1 24 24", "2026-01-02T00:00:00+08:00 water water 24 m3 12 1 24 24", "2026-01-03T00:00:00+08:00 water water 48 m3 24 1 24 24"}},
		{all, "day=2026-01-02&step=hour&device=m-1&limit=2&by=device", []string{"2026-01-02T00:00:00+08:00 water m-1 2 m3 1 ", "2026-01-02T01:00:00+08:00 water m-1 2 m3 1 "}},
		{all, "day=2026-01-02&community=nancheng&compound=jinxiu&by=compound", []string{"2026-01-02T00:00:00+08:00 water jinxiu 24 m3 12 1"}},
		{all, "day=2026-01-02&vendor=meters", []string{"2026-01-02T00:00:00+08:00 water water 24 m3 12 "}},
		{all, "day=2027-01-02", nil}, // nobody knows, and it is not zero
		// What somebody does not see is not in any sum.
		{ofXicheng, "month=2025-02&step=month", []string{"2025-02-01T00:00:00+08:00 electricity lighting 280 kWh 672 2"}},
		{brightlamp, "month=2025-02&step=month", []string{"2025-02-01T00:00:00+08:00 electricity lighting 280 kWh 28 "}},
		{brightlamp, "month=2025-02&step=month&device=m-1", nil},
	} {
		if rows, _ := p.cells(c.who, "use?"+c.query); strings.Join(rows, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s of %s:\n%s\nwant\n%s", c.who.Name, c.query, strings.Join(rows, "\n"), strings.Join(c.want, "\n"))
		}
	}
	// Pages: each row once.
	if n := p.pages(t, "use?year=2025&limit=30&community=nancheng", 5); n != 100 {
		t.Errorf("%d days of a year", n)
	}
}

// pages goes from page to page, and returns how many rows there are, each of them once.
func (p *planted) pages(t *testing.T, path string, most int) int {
	t.Helper()
	seen := map[string]bool{}
	for pages := 0; path != ""; pages++ {
		rows, next := p.cells(all, path)
		for _, row := range rows {
			if seen[row] {
				t.Errorf("%s comes twice", row)
			}
			seen[row] = true
		}
		if path = next; pages > most {
			t.Fatal("the pages have no end")
		}
	}
	return len(seen)
}

func (p *planted) testReadings(t *testing.T) {
	rows, _ := p.cells(all, "readings?device=m-1&day=2026-01-03&step=30m&quantity=water_pressure,water_volume_total")
	want := []string{
		"2026-01-03T12:00:00+08:00 m-1  water_pressure 14500 Pa", "2026-01-03T12:00:00+08:00 m-1  water_volume_total 129 m3", "2026-01-03T12:00:00+08:00 m-1 b water_volume_total 529 m3",
		"2026-01-03T12:30:00+08:00 m-1  water_pressure 44500 Pa", "2026-01-03T12:30:00+08:00 m-1  water_volume_total 159 m3", "2026-01-03T12:30:00+08:00 m-1 b water_volume_total 559 m3",
	}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	// As they came, in pages that cut no moment in two.
	if n := p.pages(t, "readings?device=m-1&day=2026-01-03&limit=7", 30); n != 180 {
		t.Errorf("%d readings, want 180", n)
	}
	var d Device
	_, body := p.get(all, "devices/m-1")
	if err := json.Unmarshal([]byte(body), &d); err != nil || d.CommunityName != "南城社区" || d.CompoundName != "锦绣家园" || d.FacilityName.EN != "Water" || len(d.Latest) != 1 || d.Latest[0].Value != 777 || d.Latest[0].Name.ZH != "累计用水量" {
		t.Errorf("%v %s", err, body)
	}
}

func (p *planted) testPlaces(t *testing.T) {
	if rows, _ := p.cells(all, "communities?x="); len(rows) != 2 || rows[0] != "nancheng 南城社区 城关镇 true met 1240 3120 1 34.75 106.13 1 0 0" || rows[1] != "xicheng 西城社区  false  500 0 0   0 0 5" {
		t.Errorf("%q", rows)
	}
	if rows, _ := p.cells(all, "communities?pilot=true"); len(rows) != 1 {
		t.Errorf("pilots: %q", rows)
	}
	if rows, _ := p.cells(brightlamp, "communities?x="); len(rows) != 2 || !strings.HasSuffix(rows[1], "   ") {
		t.Errorf("a vendor is told of others' devices: %q", rows)
	}
	var c Community
	_, body := p.get(all, "communities/nancheng")
	if err := json.Unmarshal([]byte(body), &c); err != nil || len(c.Compounds) != 1 || len(c.Facilities) != 1 || c.Facilities[0].Online != 1 || len(c.Savings) != 1 || c.Facilities[0].Coverage != nil {
		t.Errorf("%v %s", err, body)
	}
	rows, next := p.cells(all, "devices?limit=4")
	more, end := p.cells(all, next)
	if len(rows) != 4 || len(more) != 2 || end != "" || rows[0] != "m-1 '=锦绣总表 nancheng jinxiu water meters   " {
		t.Errorf("%q %q %q", rows, more, end)
	}
	if rows, _ := p.cells(all, "devices?q=锦绣"); len(rows) != 1 {
		t.Errorf("by name: %q", rows)
	}
	if rows, _ := p.cells(brightlamp, "devices?limit=100"); len(rows) != 5 {
		t.Errorf("a vendor sees %d devices", len(rows))
	}
	if rows, _ := p.cells(ofXicheng, "savings?x="); len(rows) != 1 || rows[0] != "xicheng 西城社区 lighting electricity quarter no_baseline kWh      " {
		t.Errorf("savings: %q", rows)
	}
}

// What is wrong is said, with its cure, and what somebody does not see is not there.
func (p *planted) testRefusals(t *testing.T) {
	for _, c := range []struct {
		who    access.Identity
		path   string
		status int
		say    string
	}{
		{all, "use?step=fortnight", 400, "none of hour, day"},
		{all, "use?community=nowhere", 400, "not in the inventory"},
		{all, "use?by=colour", 400, "give community, compound"},
		{all, "use?quarter=2025Q5", 400, "quarter=2026Q4"},
		{all, "use?from=yesterday", 400, "write 2026-11-27"},
		{all, "use?from=2026-02-02&to=2026-01-01", 400, "not before"},
		{all, "use?from=1900-01-01", 400, "ten years"},
		{all, "use?year=2025&step=hour", 400, "100 days"},
		{all, "use?limit=0", 400, "from 1 to 10000"},
		{all, "use?cursor=x", 400, "cursor"},
		{all, "use?format=pdf", 400, "none of json, csv, xlsx"},
		{all, "use?community=nancheng'%20OR%20'1'='1", 400, "not in the inventory"},
		{all, "readings", 400, "device: missing"},
		{all, "readings?device=nothing", 404, "not known"},
		{all, "readings?device=m-1&quantity=colour", 400, "none of water"},
		{all, "readings?device=m-1&step=7m", 400, "whole ones"},
		{all, "export/secrets", 404, "neither a kind"},
		{all, "export/usage?format=parquet", 400, "exports are CSV"},
		{all, "export/usage?year=2025", 400, "a quarter"},
		{brightlamp, "readings?device=m-1", 404, "not known"},
		{brightlamp, "devices/m-1", 404, "not known"},
		{brightlamp, "use?vendor=meters", 400, "not in the inventory"},
		{brightlamp, "savings", 403, "not of a vendor"},
		{brightlamp, "export/savings", 403, "not of a vendor"},
		{brightlamp, "export/usage_daily", 403, "usage has those"},
		{ofXicheng, "communities/nancheng", 404, "not in the inventory"},
		{ofXicheng, "use?community=nancheng", 400, "not in the inventory"},
		{ofXicheng, "devices/m-1", 404, "not known"},
	} {
		r, body := p.get(c.who, c.path)
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, c.say) {
			t.Errorf("%s of %s: %s %s", c.path, c.who.Name, r.Status, body)
		}
	}
	// Text of a condition is text: nothing else is found by it.
	if rows, _ := p.cells(all, "use?month=2025-02&step=month&device=x'%20OR%20'1'='1"); len(rows) != 0 {
		t.Errorf("a condition is got round: %q", rows)
	}
	if rows, _ := p.cells(all, `use?month=2025-02&step=month&device=x\'%20OR%20'1'='1`); len(rows) != 0 {
		t.Errorf("a condition is got round: %q", rows)
	}
}

// A table opens as a spreadsheet in either language, with numbers as numbers and the
// site's clock, and a name that looks like a formula as a name.
func (p *planted) testSpreadsheet(t *testing.T) {
	for lang, want := range map[string]string{"": "时段开始", "en": "Begins"} {
		r, body := p.get(all, "use?day=2026-01-02&step=hour&format=xlsx&community=nancheng&lang="+lang)
		f, err := excelize.OpenReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(r.Status, err)
		}
		sheet := f.GetSheetList()[0]
		head, _ := f.GetCellValue(sheet, "A1")
		first, _ := f.GetCellValue(sheet, "A2")
		used, _ := f.GetCellType(sheet, "D2")
		rows, _ := f.GetRows(sheet)
		if head != want || first != "2026-01-02 00:00" || used == excelize.CellTypeSharedString || used == excelize.CellTypeInlineString || len(rows) != 13 || !strings.Contains(r.Header.Get("Content-Disposition"), "use.xlsx") {
			t.Errorf("%q %q %v %d rows", head, first, used, len(rows))
		}
	}
	_, body := p.get(all, "devices?limit=1&format=xlsx")
	f, err := excelize.OpenReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if formula, _ := f.GetCellFormula("设备", "B2"); formula != "" {
		t.Errorf("a name has become the formula %s", formula)
	}
	if name, _ := f.GetCellValue("设备", "B2"); name != "=锦绣总表" {
		t.Errorf("the name has become %s", name)
	}
}

// An export has all of its time, and all that is seen; where InfluxDB goes away in the
// middle, the client notices.
func (p *planted) testExport(t *testing.T) {
	lines := func(who access.Identity, path string) int {
		t.Helper()
		r, body := p.get(who, path)
		if r.StatusCode != 200 {
			t.Fatalf("%s: %s", path, body)
		}
		records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return len(records) - 1
	}
	for path, want := range map[string]int{
		"export/usage?quarter=2025Q1": 90*24 + 90, "export/usage_daily?quarter=2025Q1": 180, "export/water?day=2026-01-03": 120,
		"export/usage?day=2026-01-02": 13, "export/usage?day=2026-01-02&community=xicheng": 1, "export/events?day=2026-01-02": 0,
	} {
		if n := lines(all, path); n != want {
			t.Errorf("%s: %d lines, want %d", path, n, want)
		}
	}
	if n := lines(brightlamp, "export/usage?quarter=2025Q1"); n != 90 {
		t.Errorf("a vendor's export has %d lines, want 90", n)
	}
	if n := lines(brightlamp, "export/water?day=2026-01-03"); n != 0 {
		t.Errorf("a vendor's export has %d of another's readings", n)
	}
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"results":[{"series":[{"columns":["time","used"],"values":[[1,2]]}]}]}`, "\n", `{"results":[{"error":"out of memory"}]}`)
	}))
	defer broken.Close()
	inv := inventorytest.Parse(t, places, inventorytest.Zone)
	a := New(Sources{Inventory: func() *inventory.Inventory { return inv }, InfluxDB: influx.Options{URL: broken.URL, Bucket: "b"}})
	server := httptest.NewServer(a.Routes()["GET /api/v1/export/{what}"])
	defer server.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /api/v1/export/{what}", a.Routes()["GET /api/v1/export/{what}"])
	server.Config.Handler = mux
	r, err := http.Get(server.URL + "/api/v1/export/usage?day=2026-01-02")
	if err == nil {
		_, err = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("an export that was cut short ends with %v", err)
	}
}
