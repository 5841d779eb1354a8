package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

const county = `
communities:
- {id: nancheng, name: 南城社区, town: 城关镇, pilot: true, stage: participating, compounds: [{id: jinxiu, name: 锦绣家园, renovated: 2021}, {id: wenhua, name: 文化小区}]}
- {id: xicheng, name: 西城社区, town: 城关镇, pilot: true, stage: participating}
- {id: beicheng, name: 北城社区, town: 北关镇}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`

func standard(t *testing.T) *Standard {
	t.Helper()
	return &Standard{Items: DefaultItems(), Inventory: inventorytest.Parse(t, county, inventorytest.Zone), Now: time.Date(2026, 11, 28, 1, 0, 0, 0, time.UTC)}
}

func open(t *testing.T) *Ledger {
	t.Helper()
	l, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func view(t *testing.T, l *Ledger, s *Standard) *View {
	t.Helper()
	v, err := l.View(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The standard has sixteen items in five areas, as the six ministries' plan of 2020
// counts them.
func TestItems(t *testing.T) {
	areas := map[string]bool{}
	for _, i := range DefaultItems() {
		areas[i.Area.ZH] = true
	}
	if n := len(DefaultItems()); n != 16 || len(areas) != 5 {
		t.Errorf("%d items in %d areas", n, len(areas))
	}
	path := filepath.Join(t.TempDir(), "items.csv")
	gbk, err := simplifiedchinese.GBK.NewEncoder().String("item,area_zh,area_en,title_zh,title_en,evidence\r\n1,机制,,第一条,,\r\n2,环境,,噪声治理,,noise\r\n")
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, gbk)
	if items, err := ReadItems(path); err != nil || len(items) != 2 || items[1].Title != (ingest.Text{ZH: "噪声治理", EN: "噪声治理"}) {
		t.Errorf("%v %v", items, err)
	}
	write(t, path, "item,area_zh,area_en,title_zh,title_en,evidence\n1,机制,,第一条,,smell\n1,机制,,,,\nx,机制,,y,,\n")
	_, err = ReadItems(path)
	for _, want := range []string{`line 2: evidence "smell" is none of`, "line 3: item 1 is there twice", "line 3: area_zh and title_zh are missing", `line 4: item "x" is no number`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func str(s string) *string { return &s }

func encode(t *testing.T, table [][]string, as func(*bytes.Buffer, [][]string) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := as(&b, table); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What Excel makes of the table: the same workbook, or CSV in each encoding it has.
var forms = []struct {
	name string
	as   func(*bytes.Buffer, [][]string) error
}{
	{"xlsx", func(b *bytes.Buffer, table [][]string) error { return WriteXLSX(b, table) }},
	{"csv, UTF-8 with a mark", func(b *bytes.Buffer, table [][]string) error { return WriteCSV(b, table) }},
	{"csv, GBK", func(b *bytes.Buffer, table [][]string) error {
		var u bytes.Buffer
		if err := WriteCSV(&u, table); err != nil {
			return err
		}
		gbk, err := simplifiedchinese.GBK.NewEncoder().Bytes(bytes.TrimPrefix(u.Bytes(), []byte("\ufeff")))
		b.Write(gbk)
		return err
	}},
	{"Unicode text", func(b *bytes.Buffer, table [][]string) error {
		b.WriteString("\xff\xfe")
		for _, row := range table {
			for _, r := range strings.Join(row, "\t") + "\r\n" {
				b.Write([]byte{byte(r), byte(r >> 8)})
			}
		}
		return nil
	}},
	{"csv with semicolons and empty lines", func(b *bytes.Buffer, table [][]string) error {
		for _, row := range table {
			b.WriteString(strings.Join(row, ";") + "\n\n")
		}
		return nil
	}},
}

// A clerk exports the ledger, fills it in and hands it back: the figures are hers, and
// the same table handed in again changes nothing.
func TestRoundTrip(t *testing.T) {
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			s, l := standard(t), open(t)
			table := view(t, l, s).Table()
			if want := 1 + 3 + 2 + 3*16; len(table) != want {
				t.Fatalf("%d rows, want %d", len(table), want)
			}
			set := func(row int, name, v string) { table[row][columnIndex(name)] = v }
			set(1, "stage", "达标")
			set(1, "stage_date", "2026年3月5日")
			set(1, "contact", "王主任 0938-1234567")
			set(3, "renovated", "2022") // 文化小区
			for i, status := range []string{"达标", "未达标", "待核", "合格"} {
				set(4+i, "status", status)
				set(4+i, "evidence", "会议纪要[2026]3号")
				set(4+i, "source", "人工")
				set(4+i, "date", "2026/3/5")
				set(4+i, "by", "李明")
			}
			data := encode(t, table, form.as)
			f, err := s.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			b, err := l.Import(Author{Who: "clerk", Via: "command"}, f, s, false)
			if err != nil || b.Revision != 1 {
				t.Fatalf("%+v %v", b, err)
			}
			v := view(t, l, s)
			c := v.Communities[0]
			if c.Stage != "met" || c.StageDate != "2026-03-05" || c.Contact != "王主任 0938-1234567" || c.Met != 2 || c.NotMet != 1 || c.Pending != 13 || c.Compounds[1].Renovated != 2022 || c.Compounds[0].Renovated != 2021 {
				t.Errorf("%+v", c)
			}
			if got, want := c.Items[0], (State{Item: "1", Status: "met", Evidence: "会议纪要[2026]3号", Source: "person", Date: "2026-03-05", By: "李明"}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			if v.Progress != (Progress{All: 3, Participating: 2, Met: 1, Pilots: 2, PilotsMet: 1, Target: 0.6, Missing: 1, Behind: 3}) {
				t.Errorf("%+v", v.Progress)
			}
			if f, err = s.Read(encode(t, v.Table(), form.as)); err != nil {
				t.Fatal(err)
			}
			if b, err := l.Import(Author{Who: "clerk"}, f, s, false); err != nil || len(b.Edits) != 0 {
				t.Errorf("its own export changes %+v %v", b, err)
			}
		})
	}
}

// A clerk's workbook holds days and numbers as Excel does, and not as text.
func TestWorkbookOfExcel(t *testing.T) {
	s := standard(t)
	f := excelize.NewFile()
	for cell, v := range map[string]any{
		"A1": "绿色社区创建工作台账", "A3": "社区编号", "B3": "事项编号", "C3": "状态", "D3": "佐证", "E3": "来源", "F3": "日期", "G3": "填报人",
		"A4": "南城社区", "B4": 6, "C4": "达标", "D4": 1234.5, "E4": "传感器", "F4": time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC), "G4": "李明",
		"A5": "xicheng", "B5": "０７", "C5": "未达标", "E5": "人工", "F5": "２０２６．３．６", "G5": "李明",
	} {
		if err := f.SetCellValue("Sheet1", cell, v); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	form, err := s.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for cell, want := range map[Cell]string{
		{"nancheng", "6", "", "date"}: "2026-03-05", {"nancheng", "6", "", "evidence"}: "1234.5", {"nancheng", "6", "", "source"}: "sensor",
		{"xicheng", "7", "", "date"}: "2026-03-06", {"xicheng", "7", "", "status"}: "not_met",
	} {
		if got := form.Values[cell]; got != want {
			t.Errorf("%v is %q, want %q", cell, got, want)
		}
	}
}

// All mistakes are told at once, each with its row, its column and what to do.
func TestMistakes(t *testing.T) {
	head := "社区编号,社区名称,试点,创建阶段,阶段日期,小区,改造年份,事项编号,状态,佐证,来源,日期,填报人,修订\n"
	for _, c := range []struct{ name, table, want string }{
		{"stage", head + "nancheng,,,快达标,,,,,,,,,,\n", "第 2 行 D 列（创建阶段 stage）：“快达标”不是 未参与、参与、达标、命名 之一 · row 2, column D"},
		{"status", head + "nancheng,,,,,,,5,差不多,,,,,\n", "第 2 行 I 列（状态 status）：“差不多”不是 达标、未达标、待核 之一"},
		{"community", head + "dongcheng,东城社区,,,,,,,,,,,,\n", "第 2 行 A 列（社区编号 community）：“dongcheng”不在 inventory.yaml 的 communities 中"},
		{"moved row", head + "nancheng,西城社区,,,,,,,,,,,,\n", "第 2 行 B 列（社区名称 name）：社区“nancheng”在 inventory.yaml 中名为“南城社区”"},
		{"no community", head + ",,是,,,,,,,,,,,\n", "第 2 行 A 列（社区编号 community）：空白"},
		{"item", head + "nancheng,,,,,,,17,达标,x,人工,2026-3-5,李,\n", "第 2 行 H 列（事项编号 item）：没有编号为“17”的事项"},
		{"no evidence", head + "nancheng,,,,,,,5,达标,,人工,2026-3-5,李,\n", "第 2 行 J 列（佐证 evidence）：达标须有佐证"},
		{"no source", head + "nancheng,,,,,,,5,未达标,,,2026-3-5,李,\n", "第 2 行 K 列（来源 source）：须填来源"},
		{"nobody", head + "nancheng,,,,,,,5,未达标,,人工,2026-3-5,,\n", "第 2 行 M 列（填报人 by）：须填填报人"},
		{"no day", head + "nancheng,,,,,,,5,达标,x,人工,上周,李,\n", "第 2 行 L 列（日期 date）：“上周”不是日期；写成 2026-03-05"},
		{"two digits", head + "nancheng,,,,,,,5,达标,x,人工,3/5/26,李,\n", "第 2 行 L 列（日期 date）：“3/5/26”不是日期"},
		{"future", head + "nancheng,,,,,,,5,达标,x,人工,2026-11-29,李,\n", "第 2 行 L 列（日期 date）：2026-11-29 在今天（2026-11-28）之后"},
		{"31 June", head + "nancheng,,,达标,2026-6-31,,,,,,,,,\n", "第 2 行 E 列（阶段日期 stage_date）：“2026-6-31”不是日期"},
		{"twice", head + "nancheng,,是,,,,,,,,,,,\n南城社区,,否,,,,,,,,,,,\n", "第 3 行 A 列（社区编号 community）：与第 2 行重复"},
		{"year", head + "nancheng,,,,,锦绣家园,去年,,,,,,,\n", "第 2 行 G 列（改造年份 renovated）：“去年”不是年份；写成 2021"},
		{"both", head + "nancheng,,,,,锦绣家园,,5,,,,,,\n", "第 2 行 F 列（小区 compound）：一行只能填“小区”或“事项编号”之一"},
		{"wrong row", head + "nancheng,,是,,,,,5,,,,,,\n", "第 2 行 C 列（试点 pilot）：“是”不属于这一行"},
		{"revisions", head + "nancheng,,,,,,,,,,,,,3\nxicheng,,,,,,,,,,,,,4\n", "第 3 行 N 列（修订 revision）：修订号 4 与上面的 3 不同"},
		{"header", "甲,乙\n1,2\n", "找不到表头"},
		{"unknown column", "社区编号,状况,事项编号\nnancheng,,5\n", "不认识的列：B（状况）"},
		{"empty", head, "表中没有内容行"},
		{"locked", "\xd0\xcf\x11\xe0\xa1\xb1", "请在 Excel 中另存为不加密的 .xlsx 或 CSV"},
		{"long", head + "nancheng,,,,,,,5,达标," + strings.Repeat("长", 501) + ",人工,2026-3-5,李,\n", "第 2 行 J 列（佐证 evidence）：超过 500 字"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := standard(t).Read([]byte(c.table))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	// Together, in the order of the table.
	_, err := standard(t).Read([]byte(head + "dong,,,,,,,,,,,,,\nnancheng,,也许,,,,,,,,,,,\nnancheng,,,,,,,5,达标,,,,,\n"))
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 6 || problems[0].Row != 2 || problems[1].Letter != "C" || problems[5].Letter != "M" {
		t.Errorf("%d problems: %v", len(problems), err)
	}
}

// Two clerks: one on the page, one in Excel. What only one has changed is taken; what
// both have is a question.
func TestTwoClerks(t *testing.T) {
	s, l := standard(t), open(t)
	mustSet := func(sets ...Set) {
		t.Helper()
		if _, err := l.Set(Author{Who: "page-clerk", Via: "page"}, s, sets); err != nil {
			t.Fatal(err)
		}
	}
	mustSet(Set{Community: "nancheng", Item: "1", Status: str("met"), Evidence: str("公示照片"), Source: str("person")})
	table := view(t, l, s).Table() // exported at revision 1
	mustSet(Set{Community: "nancheng", Item: "2", Status: str("not_met"), Source: str("person")})
	mustSet(Set{Community: "nancheng", Item: "3", Status: str("not_met"), Source: str("person")})
	row := func(item int) []string { return table[3+item] }
	fill := func(item int, values map[string]string) {
		for k, v := range values {
			row(item)[columnIndex(k)] = v
		}
	}
	fill(4, map[string]string{"status": "未达标", "source": "人工", "date": "2026-11-27", "by": "excel-clerk"})
	f, err := s.Read(encode(t, table, forms[0].as))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Import(Author{Who: "excel-clerk", Via: "command"}, f, s, false); err != nil {
		t.Fatal(err)
	}
	c := view(t, l, s).Communities[0]
	if c.Items[1].Status != "not_met" || c.Items[3].By != "excel-clerk" || c.NotMet != 3 {
		t.Errorf("%+v", c.Items[:4])
	}
	fill(2, map[string]string{"status": "达标", "evidence": "x", "source": "人工", "date": "2026-11-27", "by": "excel-clerk"})
	if f, err = s.Read(encode(t, table, forms[0].as)); err != nil {
		t.Fatal(err)
	}
	_, err = l.Import(Author{Who: "excel-clerk"}, f, s, false)
	if want := "第 6 行 L 列（状态 status）：导出时为“空白”，表中改为“达标”，而 page-clerk 已于"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
	if _, err = l.Import(Author{Who: "excel-clerk"}, f, s, true); err != nil {
		t.Fatal(err)
	}
	if c := view(t, l, s).Communities[0]; c.Items[1].Status != "met" || c.Items[2].Status != "not_met" {
		t.Errorf("%+v", c.Items[:4])
	}
	f.Revision = 99
	if _, err := l.Import(Author{Who: "excel-clerk"}, f, s, true); err == nil || !strings.Contains(err.Error(), "修订号 99 不是这本台账的") {
		t.Error(err)
	}
}

// What was answered is there after a power cut that tore the line behind it, and what
// another process has added is seen.
func TestKept(t *testing.T) {
	s, dir := standard(t), t.TempDir()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	set := func(l *Ledger, item string) {
		t.Helper()
		if _, err := l.Set(Author{Who: "x", Via: "api"}, s, []Set{{Community: "xicheng", Item: item, Status: str("not_met"), Source: str("person")}}); err != nil {
			t.Fatal(err)
		}
	}
	set(a, "1")
	set(b, "2")
	path := filepath.Join(dir, FileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(whole)+`{"revision":3,"ti`)
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := view(t, c, s).Communities[1].NotMet; got != 2 {
		t.Errorf("%d items, want 2", got)
	}
	set(c, "3")
	for _, l := range []*Ledger{a, b} {
		if got := view(t, l, s).Communities[1].NotMet; got != 3 {
			t.Errorf("%d items, want 3", got)
		}
	}
	if h := a.History("xicheng", 2); len(h) != 2 || h[0].Revision != 3 || h[0].Who != "x" || h[0].Edits[0].Item != "3" {
		t.Errorf("%+v", h)
	}
	write(t, path, "garbage\n"+string(whole))
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "line 1 of "+path+" is damaged; put the file back from a backup") {
		t.Error(err)
	}
}

// The last ten days of each quarter, and October.
func TestDeadlines(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for _, c := range []struct{ today, want string }{
		{"2026-11-28", "quarter 2026-12-22 2026-12-31 33, october 2027-10-01 2027-10-31 337"},
		{"2026-12-31", "quarter 2026-12-22 2026-12-31 0, october 2027-10-01 2027-10-31 304"},
		{"2027-01-01", "quarter 2027-03-22 2027-03-31 89, october 2027-10-01 2027-10-31 303"},
		{"2026-06-21", "quarter 2026-06-21 2026-06-30 9, october 2026-10-01 2026-10-31 132"},
		{"2026-10-31", "october 2026-10-01 2026-10-31 0, quarter 2026-12-22 2026-12-31 61"},
	} {
		now, err := time.ParseInLocation(time.DateOnly, c.today, zone)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range Deadlines(now.Add(23 * time.Hour)) {
			got = append(got, fmt.Sprint(d.What, " ", d.Opens, " ", d.Due, " ", d.Days))
		}
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%s: %s, want %s", c.today, got, c.want)
		}
	}
}

// 60 % is of all communities, and rounded up.
func TestTarget(t *testing.T) {
	for _, c := range []struct{ all, met, missing int }{{10, 0, 6}, {10, 6, 0}, {3, 1, 1}, {5, 3, 0}, {7, 4, 1}, {0, 0, 0}, {1, 0, 1}} {
		list := make([]Community, c.all)
		for i := range c.met {
			list[i].Stage = []string{"met", "named"}[i%2]
		}
		if p := progress(list); p.Missing != c.missing {
			t.Errorf("%d of %d: %d missing, want %d", c.met, c.all, p.Missing, c.missing)
		}
	}
}

// Who may do what over HTTP, and what the answers are.
func TestHTTP(t *testing.T) {
	s := standard(t)
	all := func(ingest.CommunityID) bool { return true }
	person := Person{Name: "李明", Read: true, Contacts: true, Change: true, Sees: all}
	service, err := New(Options{DataDir: t.TempDir(), Inventory: func() *inventory.Inventory { return s.Inventory }, Person: func(*http.Request) Person { return person }})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range service.Routes() {
		mux.Handle(pattern, h)
	}
	do := func(method, path, kind, body string, want int) string {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
		}
		return w.Body.String()
	}
	const at = "/api/v1/ledger"
	do("POST", at, "application/json", `{"changes":[{"community":"nancheng","item":"10","status":"met","evidence":"夜间 52 dB","source":"sensor"},{"community":"nancheng","contact":"王主任"}]}`, 200)
	v, err := service.Current()
	if err != nil {
		t.Fatal(err)
	}
	if i := v.Communities[0].Items[9]; i.By != "李明" || i.Date != time.Now().In(s.Inventory.Zone).Format(time.DateOnly) || i.Status != "met" {
		t.Errorf("%+v", i)
	}
	refused := do("POST", at, "application/json", `{"changes":[{"community":"nancheng","item":"11","status":"met","source":"person"},{"community":"nowhere"}]}`, 422)
	var answer refusal
	if err := json.Unmarshal([]byte(refused), &answer); err != nil || len(answer.Problems) != 2 || answer.Problems[0].Row != 1 || answer.Problems[0].Column != "佐证 evidence" {
		t.Errorf("%s", refused)
	}
	do("POST", at, "application/json", `{"changes":[{"community":"nancheng","item":"11","state":"met"}]}`, 400)
	do("POST", at, "text/plain", `{}`, 415)
	do("POST", at, "text/csv", "社区编号,事项编号,状态\nnancheng,99,达标\n", 422)
	table := "社区编号,创建阶段\nbeicheng,参与\n"
	if got := do("POST", at+"?check=1", "text/csv", table, 200); !strings.Contains(got, `"checked":true`) || !strings.Contains(got, `"from":"","to":"participating"`) || service.Revision() != 1 {
		t.Errorf("%s", got)
	}
	do("POST", at, "text/csv", table, 200)
	if inv := service.Inventory(); inv.Programme().Participating != 3 || s.Inventory.Programme().Participating != 2 {
		t.Errorf("%+v", inv.Programme())
	}
	if got := do("GET", at+"?format=csv", "", "", 200); !strings.HasPrefix(got, "\ufeff社区编号 community,") {
		t.Errorf("%.60s", got)
	}
	book, err := excelize.OpenReader(strings.NewReader(do("GET", at+"?format=xlsx", "", "", 200)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := book.GetCellValue(sheetName, "G2"); err != nil || got != "王主任" {
		t.Errorf("%q %v", got, err)
	}
	do("GET", at+"?format=pdf", "", "", 400)
	person = Person{Name: "one", Read: true, Change: true, Sees: func(id ingest.CommunityID) bool { return id == "xicheng" }}
	if got := do("GET", at, "", "", 200); strings.Contains(got, "王主任") || strings.Contains(got, "nancheng") || !strings.Contains(got, "xicheng") {
		t.Errorf("somebody who sees one community is shown %s", got)
	}
	if got := do("POST", at, "text/csv", "社区编号,创建阶段\nnancheng,命名\nxicheng,达标\n", 422); !strings.Contains(got, "您无权更改社区 [nancheng]") {
		t.Error(got)
	}
	person = Person{Name: "department", Read: true, Sees: all}
	if got := do("GET", at, "", "", 200); strings.Contains(got, "王主任") || !strings.Contains(got, "nancheng") {
		t.Error("a department is shown contacts")
	}
	person.Read = false
	do("GET", at, "", "", 403)
	do("POST", at, "text/csv", table, 403)
	if problems, err := testutil.CollectAndLint(service); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if err := testutil.CollectAndCompare(service, strings.NewReader(`
# HELP greencommunity_ledger_items Items of the standard by what the ledger says of them: met, not_met, pending.
# TYPE greencommunity_ledger_items gauge
greencommunity_ledger_items{community="beicheng",status="met"} 0
greencommunity_ledger_items{community="beicheng",status="not_met"} 0
greencommunity_ledger_items{community="beicheng",status="pending"} 16
greencommunity_ledger_items{community="nancheng",status="met"} 1
greencommunity_ledger_items{community="nancheng",status="not_met"} 0
greencommunity_ledger_items{community="nancheng",status="pending"} 15
greencommunity_ledger_items{community="xicheng",status="met"} 0
greencommunity_ledger_items{community="xicheng",status="not_met"} 0
greencommunity_ledger_items{community="xicheng",status="pending"} 16
# HELP greencommunity_ledger_changes_total Values of the ledger that were changed.
# TYPE greencommunity_ledger_changes_total counter
greencommunity_ledger_changes_total 7
`), "greencommunity_ledger_items", "greencommunity_ledger_changes_total"); err != nil {
		t.Error(err)
	}
}

// The configuration's table: taken once, so that a restart does not undo what the page
// has changed; one with mistakes is not taken at all.
func TestTableOfTheConfiguration(t *testing.T) {
	s, dir := standard(t), t.TempDir()
	o := Options{DataDir: dir, Inventory: func() *inventory.Inventory { return s.Inventory }}
	service, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ledger.csv")
	files := Files{Table: path}
	table := "社区编号,创建阶段\nnancheng,达标\nxicheng,参与\n"
	write(t, path, table)
	if err := service.Reload(files, s.Inventory); err != nil {
		t.Fatal(err)
	}
	stage := func(i int, want string) {
		t.Helper()
		v, err := service.Current()
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Communities[i].Stage; got != want {
			t.Errorf("%s is %q, want %q", v.Communities[i].ID, got, want)
		}
	}
	stage(0, "met")
	if _, err := service.Set(Author{Who: "x", Via: "page"}, s, []Set{{Community: "nancheng", Stage: str("named")}, {Community: "xicheng", Stage: str("met")}}); err != nil {
		t.Fatal(err)
	}
	if service, err = New(o); err != nil { // a restart
		t.Fatal(err)
	}
	if err := service.Reload(files, s.Inventory); err != nil {
		t.Fatal(err)
	}
	stage(0, "named")
	// The clerk goes on in her file, which knows nothing of the page's change: a further
	// row is taken, and the others are as she has left them.
	write(t, path, table+"beicheng,参与\n")
	if err := service.Reload(files, s.Inventory); err != nil {
		t.Fatal(err)
	}
	stage(0, "named")
	stage(2, "participating")
	write(t, path, table+"beicheng,也许\n")
	if err := service.Reload(files, s.Inventory); err == nil || !strings.Contains(err.Error(), "第 4 行 B 列（创建阶段 stage）") {
		t.Error(err)
	}
	stage(2, "participating")
	v, err := service.Current()
	if err != nil || v.File == nil || len(v.File.Problems) != 1 {
		t.Errorf("%+v %v", v.File, err)
	}
}
