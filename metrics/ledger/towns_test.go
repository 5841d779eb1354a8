package ledger

import (
	"bytes"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Tables as towns keep them: their own headings, titles above, other delimiters and
// encodings, words for what is not checked yet, full-width digits.
func TestTablesOfTowns(t *testing.T) {
	gbk := func(s string) []byte {
		b, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	met := map[Cell]string{
		{"nancheng", "5", "", "status"}: "met", {"nancheng", "5", "", "date"}: "2026-03-05", {"nancheng", "5", "", "by"}: "李明", {"nancheng", "5", "", "source"}: "person",
		{"xicheng", "6", "", "status"}: "", {"xicheng", "6", "", "evidence"}: "",
	}
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"GBK, a title, semicolons", gbk("绿色社区创建工作台账\r\n社区;事项编号;达标情况;佐证材料;数据来源;核查日期;责任人\r\n南城社区;5;√;照片3张;现场;2026/3/5;李明\r\n西城社区;6;未核;;;;\r\n")},
		{"marks and remarks", []byte("*社区名称（必填）,序号,状态（达标/未达标/待核）,佐证：,来源,日期(年-月-日),填报人\n南城社区,０５,已达标,纪要,人工,２０２６年３月５日,李明\n西城社区,6.0,待核查,,,,\n")},
		{"English and tabs", []byte("a form of the town\nCommunity\tItem\tStatus\tEvidence\tSource\tDate\tBy\nnancheng\t5\tmet\tminutes\tperson\t20260305\t李明\nxicheng\t6\t未核实\t\t\t\t\n")},
		{"full-width ids", []byte("社区编号,项目编号,核查状态,证明材料,来源,更新日期,经办人\nｎａｎｃｈｅｎｇ,５,合格,纪要,人员,2026.3.5,李明\nｘｉｃｈｅｎｇ,６,待核实,,,,\n")},
		{"a serial of Excel", []byte("社区编号,事项编号,状态,佐证,来源,日期,填报人\nnancheng,5,达标,纪要,人工,46086,李明\nxicheng,6,待查,,,,\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			form, err := standard(t).Read(c.data)
			if err != nil {
				t.Fatal(err)
			}
			for cell, want := range met {
				if got := form.Values[cell]; got != want {
					t.Errorf("%v is %q, want %q", cell, got, want)
				}
			}
		})
	}
}

// A workbook with headings merged over two rows and a community merged over its items.
func TestMergedCells(t *testing.T) {
	f := excelize.NewFile()
	for cell, v := range map[string]any{
		"A1": "绿色社区创建工作台账（2026年）", "A2": "社区", "B2": "事项", "D2": "核查", "H2": "填报人",
		"B3": "序号", "C3": "创建内容", "D3": "达标情况", "E3": "佐证材料", "F3": "数据来源", "G3": "核查日期",
		"A4": "南城社区", "B4": 5, "D4": "达标", "E4": "照片", "F4": "人工", "G4": time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC), "H4": "李明",
		"B5": 6, "D5": "未达标", "F5": "人工", "G5": 46086,
		"A6": "西城社区", "B6": 6, "D6": "未核",
	} {
		if err := f.SetCellValue("Sheet1", cell, v); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range [][2]string{{"A1", "H1"}, {"A2", "A3"}, {"B2", "C2"}, {"D2", "G2"}, {"H2", "H3"}, {"A4", "A5"}, {"H4", "H5"}} {
		if err := f.MergeCell("Sheet1", m[0], m[1]); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	form, err := standard(t).Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for cell, want := range map[Cell]string{
		{"nancheng", "5", "", "status"}: "met", {"nancheng", "6", "", "status"}: "not_met", {"nancheng", "6", "", "by"}: "李明", {"nancheng", "6", "", "date"}: "2026-03-05", {"xicheng", "6", "", "status"}: "",
	} {
		if got := form.Values[cell]; got != want {
			t.Errorf("%v is %q, want %q", cell, got, want)
		}
	}
}
