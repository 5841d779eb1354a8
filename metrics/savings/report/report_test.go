package report

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
)

// A figure has the digits its band deserves, and no more.
func TestRounded(t *testing.T) {
	for _, c := range []struct {
		v, band float64
		want    string
	}{
		{793.9084964725353, 324.73, "790"}, {-140.6, 271.2, "-140"}, {184, 8.849, "184.0"}, {0.19512, 0.0093, "0.1951"}, {12345.6, 1234, "12300"},
		{-0.2, 30, "0"}, {5, 0, "5.0"}, {math.NaN(), 1, "未知"}, {math.Inf(1), 1, "未知"}, {1e6, math.NaN(), "1000000.0"},
	} {
		if got := Rounded(c.v, c.band); got != c.want {
			t.Errorf("%g ± %g is written %q, want %q", c.v, c.band, got, c.want)
		}
	}
}

func date(s string) savings.Date {
	var d savings.Date
	if err := d.UnmarshalText([]byte(s)); err != nil {
		panic(err)
	}
	return d
}

func source() *Source {
	nan := baseline.Figure(math.NaN())
	return &Source{
		From: date("2026-01-01"), To: date("2026-04-01"), AsOf: date("2026-03-31"), Today: date("2026-05-01"),
		Inventory: &inventory.Inventory{Zone: time.UTC, Communities: []*inventory.Community{{ID: "a", Name: "甲<社区>"}, {ID: "b", Name: "乙社区"}}},
		Statement: &savings.Statement{Items: []savings.StatementItem{
			{Community: "a", Facility: "lighting", Resource: "electricity", Unit: "kWh", Actual: 700, Baseline: 1000, Saving: 300, Fraction: 0.3, Uncertainty: 40, Confidence: 0.9, Coverage: 0.9, Significant: true, Verdict: baseline.Saved,
				Boundaries: []savings.StatementBoundary{{ID: "lamps", Status: "frozen", Version: 1, IPMVP: "B", Method: "mean", Days: 90, Covered: 81, Use: 800, Saving: 300, Band: 40, Anomalies: map[books.Reason]int64{books.Swap: 1, books.Gap: 2}}}},
			{Community: "b", Facility: "lighting", Resource: "electricity", Unit: "kWh", Actual: 500, Baseline: 450, Saving: -50, Fraction: -0.111, Uncertainty: 30, Confidence: 0.9, Coverage: 1, Significant: true, Verdict: baseline.Increased,
				Boundaries: []savings.StatementBoundary{{ID: "lamps", Status: "frozen", Version: 1, IPMVP: "A", Method: "lamp_inventory", Days: 90, Covered: 90, Saving: -50, Band: 30},
					{ID: "part", Status: "nested", Use: 5, Covered: 90, Days: 90, Saving: nan, Band: nan}}},
		}},
	}
}

func text(t *testing.T, s *Source) string {
	t.Helper()
	var b bytes.Buffer
	if err := New(s).WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Final is what the service calls final, and a revision what changed after it.
func TestStatusAndRevision(t *testing.T) {
	s := source()
	if got := text(t, s); !strings.Contains(got, "状态,定稿（final）") || !strings.Contains(got, "修订号,1\n") {
		t.Errorf("a month later:\n%.400s", got)
	}
	s.Today = date("2026-04-30")
	if got := text(t, s); !strings.Contains(got, "状态,暂估（provisional）") || !strings.Contains(got, "修订号,0\n") {
		t.Errorf("a day before:\n%.400s", got)
	}
	filed, err := ReadFiled(strings.NewReader(text(t, s)))
	if err != nil || filed.Revision != 0 || filed.From != "2026-01-01" || filed.To != "2026-03-31" || filed.Figures[[3]string{"b", "照明", "电"}]["节约量"] != "-50" {
		t.Fatalf("%+v %v", filed, err)
	}
	// Filed as provisional; final without a change is revision 1.
	s.Today, s.Filed = date("2026-05-01"), filed
	if got := text(t, s); !strings.Contains(got, "修订号,1\n") || !strings.Contains(got, "没有变化") {
		t.Errorf("%.400s", got)
	}
	if s.Filed, err = ReadFiled(strings.NewReader(text(t, s))); err != nil {
		t.Fatal(err)
	}
	s.Statement.Items[1].Saving = -40
	if got := text(t, s); !strings.Contains(got, "修订号,2\n") || !strings.Contains(got, "八,b,乙社区,照明,电,节约量,-50,-40\n") || strings.Contains(got, "八,a,") {
		t.Errorf("%s", got)
	}
}

// Any figure that was filed and is another now is a revision: use may change, and
// band and coverage, where the saving happens to stay.
func TestAnyFigureIsARevision(t *testing.T) {
	for column, change := range map[string]func(*savings.StatementItem){
		"实际":   func(i *savings.StatementItem) { i.Actual, i.Baseline = i.Actual+1100, i.Baseline+1100 },
		"± 区间": func(i *savings.StatementItem) { i.Uncertainty *= 2 },
		"覆盖率":  func(i *savings.StatementItem) { i.Coverage *= 0.5 },
		"全部用量": func(i *savings.StatementItem) { i.Boundaries[0].Use += 5000 },
	} {
		s := source()
		filed, err := ReadFiled(strings.NewReader(text(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		s.Filed = filed
		if got := text(t, s); !strings.Contains(got, "修订号,1\n") || !strings.Contains(got, "没有变化") {
			t.Errorf("%s: filed again:\n%s", column, got)
		}
		change(&s.Statement.Items[0])
		if got := text(t, s); !strings.Contains(got, "修订号,2\n") || !strings.Contains(got, ","+column+",") || !strings.Contains(got, "\n八,a,") {
			t.Errorf("%s: a change is no revision:\n%s", column, got)
		}
	}
}

// Factors convert only what they are for, each with its source.
func TestFactorsInAReport(t *testing.T) {
	s := source()
	if got := text(t, s); !strings.Contains(got, "未配置任何因子") || strings.Contains(got, "千克CO₂") {
		t.Error("a factor is made up")
	}
	s.Factors = savings.Factors{Area: "Gansu", Emission: []savings.Factor{{Year: 2025, Area: "Gansu", KgCO2: 0.44, Source: "doc"}}, BaseYear: 2025, Coal: []savings.Coal{savings.Calorific}}
	got := text(t, s)
	for _, want := range []string{
		"九,节电折合二氧化碳,未知,千克CO₂,2026,Gansu,没有该年份的因子\n", // of 2026 there is none, and another stands in for none
		"九,节电折合二氧化碳,110 ± 22,千克CO₂,2025,",           // 250 ± 50 kWh
		"tce (当量值),30.7 ± 6.1,千克标准煤,",
		"七,a,lamps,甲<社区>,照明总表,81/90,9,0.0%,\"中断 2，换表 1\",\n", "嵌套在其他边界内，不重复计",
	} {
		if !strings.Contains(strings.ReplaceAll(got, `"`, ""), strings.ReplaceAll(want, `"`, "")) {
			t.Errorf("the report lacks %q", want)
		}
	}
}

// What comes from outside is text on the page.
func TestPageEscapes(t *testing.T) {
	s := source()
	s.Counts = []Count{{Community: ingest.CommunityID("a"), What: "deposits", Stream: "<script>", Value: 3}}
	var b bytes.Buffer
	if err := New(s).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script>") || strings.Contains(b.String(), "甲<社区>") || !strings.Contains(b.String(), "甲&lt;社区&gt;") {
		t.Error("a name is markup")
	}
}

// The workbook has the table's figures, cell for cell, and numbers are numbers.
func TestWorkbookHasTheSameFigures(t *testing.T) {
	r := New(source())
	var b bytes.Buffer
	if err := r.WriteXLSX(&b); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sheets := f.GetSheetList()
	if len(sheets) != len(r.Sections) {
		t.Fatalf("%d sheets of %d sections", len(sheets), len(r.Sections))
	}
	numbers := 0
	for i, s := range r.Sections {
		_, rows := s.Shown()
		for j, row := range rows {
			for k, want := range row {
				at, _ := excelize.CoordinatesToCellName(k+1, j+4)
				got, err := f.GetCellValue(sheets[i], at)
				if err != nil {
					t.Fatal(err)
				}
				kind, _ := f.GetCellType(sheets[i], at)
				v, parsed := strconv.ParseFloat(want, 64)
				if parsed != nil && got != want {
					t.Errorf("%s %s is %q, want %q", sheets[i], at, got, want)
				}
				if parsed == nil {
					numbers++
					if has, err := strconv.ParseFloat(got, 64); err != nil || has != v || kind == excelize.CellTypeSharedString {
						t.Errorf("%s %s is %q, want the number %s", sheets[i], at, got, want)
					}
				}
			}
		}
	}
	if numbers < 20 {
		t.Errorf("only %d numbers", numbers)
	}
}

// The county's saving is on the cover and above the communities': the sum, its band by
// root of squares; and below 80 % of coverage there is no verdict.
func TestCountyTotalAndFloorOfCoverage(t *testing.T) {
	s := source()
	out := text(t, s)
	for _, want := range []string{
		"一,全县照明（电）,节约 250 ± 50 千瓦时（17.2%），覆盖率 93.1%：节约\n",
		"四,全县,合计,照明,电,千瓦时,1200,1450,0,250,50,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q\n%s", want, out[:1500])
		}
	}
	s.Statement.Items[0].Coverage = 0.7
	if out := text(t, s); !strings.Contains(out, ",覆盖率不足 80%，不作结论,70.0%,") {
		t.Error("a verdict at 70 % of coverage")
	}
	s.To = date("2026-10-01")
	if out := text(t, s); !strings.Contains(out, "绿色社区创建阶段性总结") || strings.Contains(out, "季度报表") {
		t.Error("the summary of October is titled as a quarter")
	}
}

// What was frozen of a baseline is read back from a report that was filed, so that a
// later one holds to it.
func TestFiledKnowsWhatWasFrozen(t *testing.T) {
	s := source()
	s.Statement.Items[0].Boundaries[0].Version = 3
	s.Statement.Items[0].Boundaries[0].Sheet = &savings.Sheet{Period: []savings.Date{date("2025-01-01"), date("2026-01-01")}, Hash: "0123456789abcdef"}
	filed, err := ReadFiled(strings.NewReader(text(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	want := Frozen{s.Statement.Items[0].Community, s.Statement.Items[0].Boundaries[0].ID, 3, "0123456789abcdef"}
	if len(filed.Frozen) != 1 || filed.Frozen[0] != want {
		t.Errorf("%+v, want %+v", filed.Frozen, want)
	}
}

// What is confirmed in the configuration is on the cover: yuan, coal and CO₂. Examples are
// marked, and are not.
func TestWorthOnTheCover(t *testing.T) {
	s := source()
	s.Tariffs, s.Examples = savings.ExampleTariffs(), true
	s.Factors, s.Unconfirmed = savings.DefaultFactors(), true
	if got := text(t, s); strings.Contains(got, "一,全县照明节约的费用") || strings.Contains(got, "一,全县节电折合") || !strings.Contains(got, "【示例】") || !strings.Contains(got, "【默认值，待确认】") {
		t.Errorf("examples on the cover, or not marked:\n%.600s", got)
	}
	s.Tariffs, s.Examples = []savings.Tariff{{Resource: "electricity", Name: "目录电价", Source: "文件", Price: 0.6}}, false
	s.Factors, s.Unconfirmed = savings.Factors{Area: "甘肃", Emission: []savings.Factor{{Year: 2026, Area: "甘肃", KgCO2: 0.5, Source: "文件"}}}, false
	for _, want := range []string{"一,全县照明节约的费用,150 ± 30 元\n", "一,全县节电折合二氧化碳,125 ± 25 千克CO₂\n"} { // 250 ± 50 kWh
		if got := text(t, s); !strings.Contains(got, want) || strings.Contains(got, "【") {
			t.Errorf("the report lacks %q:\n%.600s", want, got)
		}
	}
}
