package ledger

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/width"

	"greencommunity/ingest"
)

// column is a column of the table. A row is of a community, of one of its compounds,
// or of one of its items: the columns between item and revision say which.
type column struct {
	name   string // of the API, and of the header in English
	zh     string
	of     row // rows it holds values of; 0: says which row it is
	width  float64
	choice []string // what a list in Excel offers
}

type row uint8

const (
	ofCommunity row = iota + 1
	ofCompound
	ofItem
)

var columns = []column{
	{name: "community", zh: "社区编号", width: 14}, {name: "name", zh: "社区名称", width: 16},
	{name: "town", zh: "镇街", of: ofCommunity, width: 12}, {name: "pilot", zh: "试点", of: ofCommunity, width: 8, choice: []string{"是", "否"}},
	{name: "stage", zh: "创建阶段", of: ofCommunity, width: 11, choice: []string{"未参与", "参与", "达标", "命名"}},
	{name: "stage_date", zh: "阶段日期", of: ofCommunity, width: 12}, {name: "contact", zh: "联系人", of: ofCommunity, width: 18},
	{name: "compound", zh: "小区", width: 14}, {name: "renovated", zh: "改造年份", of: ofCompound, width: 10},
	{name: "item", zh: "事项编号", width: 10}, {name: "title", zh: "事项", width: 42},
	{name: "status", zh: "状态", of: ofItem, width: 9, choice: []string{"达标", "未达标", "待核"}}, {name: "evidence", zh: "佐证", of: ofItem, width: 42},
	{name: "source", zh: "来源", of: ofItem, width: 9, choice: []string{"传感器", "人工"}}, {name: "date", zh: "日期", of: ofItem, width: 12}, {name: "by", zh: "填报人", of: ofItem, width: 12},
	{name: "revision", zh: "修订", width: 8},
}

func (c column) header() string { return c.zh + " " + c.name }

// otherNames lists names that towns give columns in forms of their own.
var otherNames = map[string][]string{
	"community": {"社区代码", "社区编码", "社区id", "编号"}, "name": {"社区", "社区名", "社区（村）", "所属社区", "community name"},
	"town": {"街道", "乡镇", "镇", "乡镇街道", "镇街道", "所属镇街", "所属街道"}, "pilot": {"是否试点", "试点社区"}, "stage": {"阶段", "创建状态", "创建进度"}, "stage_date": {"达标日期", "阶段时间"},
	"contact": {"联系方式", "联系人及电话", "联系电话"}, "compound": {"小区名称", "小区名"}, "renovated": {"改造时间", "改造年度", "改造完成年份"},
	"item": {"序号", "项目编号", "指标编号"}, "title": {"事项名称", "项目", "指标", "创建内容", "创建事项"}, "status": {"达标情况", "核查状态", "是否达标", "完成情况", "核查结果"},
	"evidence": {"佐证材料", "证明材料", "依据", "佐证资料"}, "source": {"数据来源", "来源方式"}, "date": {"核查日期", "填报日期", "更新日期", "佐证日期"}, "by": {"填表人", "责任人", "核查人", "经办人"},
	"revision": {"修订号", "版本"},
}

var (
	bracketed = strings.NewReplacer("（", "(", "）", ")", "：", "", ":", "", "*", "", "＊", "", "/", "", "、", "")
	remark    = regexp.MustCompile(`\([^()]*\)`)
)

// columnOf is the column a heading is of, as the form has it or as towns write it: with
// remarks in brackets, marks for what must be filled in, and line breaks; -1 for none.
func columnOf(heading string) int {
	heading = strings.ToLower(strings.Join(strings.Fields(narrow(plainText(heading))), " "))
	bare := strings.ReplaceAll(remark.ReplaceAllString(bracketed.Replace(heading), ""), " ", "")
	if i := slices.IndexFunc(columns, func(c column) bool { return heading == c.header() || heading == c.zh || heading == c.name }); i >= 0 {
		return i
	}
	return slices.IndexFunc(columns, func(c column) bool {
		return bare == c.zh || bare == c.name || bare == c.zh+c.name || slices.Contains(otherNames[c.name], bare) || slices.Contains(otherNames[c.name], heading)
	})
}

// words lists what people write for values, by column: the first in each language is
// what is written back.
var words = map[string]map[string][]string{
	"pilot":  {"yes": {"是", "yes", "试点", "true", "1", "√", "y"}, "no": {"否", "no", "非试点", "false", "0", "×", "n"}},
	"stage":  {"none": {"未参与", "does not take part", "none", "未参加", "无"}, "participating": {"参与", "takes part", "participating", "参加", "创建中"}, "met": {"达标", "has met it", "met", "已达标"}, "named": {"命名", "named", "已命名"}},
	"status": {"met": {"达标", "met", "已达标", "合格", "是", "√", "✓", "已完成"}, "not_met": {"未达标", "not met", "not_met", "不达标", "不合格", "否", "×", "✗", "没有达标", "未完成"}, "pending": {"待核", "to be checked", "pending", "待查", "待核实", "未核", "未核实", "未核查", "待核查", "待审核", "核查中", "未查", "尚未核实"}},
	"source": {"sensor": {"传感器", "sensor", "设备", "自动"}, "person": {"人工", "person", "人员", "现场"}},
}

// choices are the words of a column, for messages, in the order of the table.
func (c column) choices() string { return strings.Join(c.choice, "、") }

// said is the canonical value of a word.
func said(column, text string) (string, bool) {
	for value, list := range words[column] {
		for _, w := range list {
			if strings.EqualFold(w, text) {
				return value, true
			}
		}
	}
	return "", false
}

// shown is the word written for a value, in Chinese.
func shown(column, value string) string {
	if list := words[column][value]; list != nil {
		return list[0]
	}
	return value
}

// sheet is a table as it was read: the header first.
type sheet struct {
	rows [][]string
	// serial returns the day of a number that Excel holds for a date.
	serial func(float64) (time.Time, error)
}

const maxRows = 200_000

// readSheet reads a workbook (.xlsx) or CSV, by what is in it: the name of a file says
// little. CSV may be in UTF-8, UTF-16 or GBK, with commas, semicolons or tabs.
func readSheet(data []byte) (*sheet, error) {
	s := &sheet{serial: func(n float64) (time.Time, error) { return excelize.ExcelDateToTime(n, false) }}
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return s, s.readWorkbook(data)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, errors.New("this is an old or a locked workbook; save it in Excel as .xlsx without a password, or as CSV · 这是旧版或加密的工作簿，请在 Excel 中另存为不加密的 .xlsx 或 CSV")
	}
	text, err := decodeText(data)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	r.Comma = delimiter(text)
	for at := int64(0); ; {
		record, err := r.Read()
		if err == io.EOF {
			return s, nil
		}
		// Empty lines, which the reader skips, are rows to a spreadsheet.
		for read := text[at:r.InputOffset()]; ; read = read[1:] {
			if read = strings.TrimPrefix(read, "\r"); !strings.HasPrefix(read, "\n") {
				break
			}
			s.rows = append(s.rows, nil)
		}
		at = r.InputOffset()
		if err != nil {
			return nil, fmt.Errorf("not a table: %w · 不是有效的 CSV 表格", err)
		}
		for i, cell := range record { // what plain has put there
			if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune("=+-@\t\r", rune(cell[1])) {
				record[i] = cell[1:]
			}
		}
		if s.rows = append(s.rows, record); len(s.rows) > maxRows {
			return nil, fmt.Errorf("more than %d rows · 超过 %[1]d 行", maxRows)
		}
	}
}

// delimiter is what parts the cells of a CSV, by the line of the first ten with most of
// one: titles above the header have none. A full-width semicolon is no delimiter.
func delimiter(text string) rune {
	best, most := ',', 0
	for n, line := range strings.SplitN(text, "\n", 11) {
		for _, comma := range []rune{'\t', ';', ','} {
			if count := strings.Count(line, string(comma)); n < 10 && count > most {
				best, most = comma, count
			}
		}
	}
	return best
}

// fillMerged gives each cell of a merged range its value: forms merge headings over two
// rows, and a community over those of its items.
func (s *sheet) fillMerged(merged []excelize.MergeCell) {
	for _, m := range merged {
		c1, r1, err1 := excelize.CellNameToCoordinates(m.GetStartAxis())
		c2, r2, err2 := excelize.CellNameToCoordinates(m.GetEndAxis())
		if err1 != nil || err2 != nil || c2-c1 > 100 {
			continue
		}
		for r := r1; r <= min(r2, len(s.rows)); r++ {
			for c := c1; c <= c2; c++ {
				for len(s.rows[r-1]) < c {
					s.rows[r-1] = append(s.rows[r-1], "")
				}
				if c1 <= len(s.rows[r1-1]) {
					s.rows[r-1][c-1] = s.rows[r1-1][c1-1]
				}
			}
		}
	}
}

func (s *sheet) readWorkbook(data []byte) error {
	f, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{RawCellValue: true, UnzipSizeLimit: 64 << 20, UnzipXMLSizeLimit: 16 << 20})
	if err != nil {
		return fmt.Errorf("the workbook cannot be read; save it in Excel as .xlsx again: %w · 工作簿无法读取，请在 Excel 中重新另存为 .xlsx", err)
	}
	defer f.Close()
	if p, err := f.GetWorkbookProps(); err == nil && p.Date1904 != nil && *p.Date1904 {
		s.serial = func(n float64) (time.Time, error) { return excelize.ExcelDateToTime(n, true) }
	}
	name := f.GetSheetName(f.GetActiveSheetIndex())
	for _, other := range f.GetSheetList() { // the clerk may have looked at another
		if other == sheetName {
			name = other
		}
	}
	rows, err := f.Rows(name)
	if err != nil {
		return fmt.Errorf("the sheet %q cannot be read: %w · 工作表无法读取", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		record, err := rows.Columns()
		if err != nil {
			return fmt.Errorf("row %d cannot be read: %w · 第 %[1]d 行无法读取", len(s.rows)+1, err)
		}
		if s.rows = append(s.rows, record); len(s.rows) > maxRows {
			return fmt.Errorf("more than %d rows · 超过 %[1]d 行", maxRows)
		}
	}
	if err := rows.Error(); err != nil {
		return err
	}
	merged, err := f.GetMergeCells(name)
	if err != nil {
		return fmt.Errorf("merged cells of the sheet %q cannot be read: %w · 合并单元格无法读取", name, err)
	}
	s.fillMerged(merged)
	return nil
}

// decodeText returns text in UTF-8. Excel writes CSV in GBK on a Chinese machine, in
// UTF-16 as "Unicode text", and with a mark as "CSV UTF-8".
func decodeText(data []byte) (string, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data = data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		units := make([]uint16, 0, len(data)/2)
		for i := 2; i+1 < len(data); i += 2 {
			low, high := data[i], data[i+1]
			if data[0] == 0xfe {
				low, high = high, low
			}
			units = append(units, uint16(low)|uint16(high)<<8)
		}
		return string(utf16.Decode(units)), nil
	}
	if utf8.Valid(data) {
		return string(data), nil
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().String(string(data))
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return "", errors.New("neither UTF-8, UTF-16 nor GBK; save it as CSV or .xlsx again · 编码不是 UTF-8、UTF-16 或 GBK，请重新另存")
	}
	return text, nil
}

// plainText returns a typed text without full-width digits and stray spaces.
func plainText(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch r {
		case '\u00a0', '\u3000', '\u200b', '\ufeff':
			return ' '
		}
		return r
	}, s))
}

func narrow(s string) string { return width.Narrow.String(s) }

// day reads a day as clerks write it, or as Excel holds it.
func (s *sheet) day(text string) (time.Time, bool) {
	text = narrow(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 36526 && n < 73051 { // 2000 to 2099
		if d, err := s.serial(n); err == nil {
			return d.Truncate(24 * time.Hour), true
		}
	}
	text = strings.NewReplacer("年", "-", "月", "-", "日", "", "/", "-", ".", "-", " ", "").Replace(text)
	for _, layout := range []string{"2006-1-2", "20060102", "2006-1-2T15:04:05Z", "2006-1-215:04:05", "2006-1-215:04"} {
		if d, err := time.Parse(layout, text); err == nil && d.Year() >= 2000 && d.Year() < 2100 {
			return d.Truncate(24 * time.Hour), true
		}
	}
	return time.Time{}, false
}

const sheetName = "工作台账"

// Table lays the ledger out as the rows of its form, the header first.
func (v *View) Table() [][]string {
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.header()
	}
	rows := [][]string{head}
	add := func(values map[string]string) {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = shown(c.name, values[c.name])
		}
		rows = append(rows, row)
	}
	revision := strconv.Itoa(v.Revision)
	for _, c := range v.Communities {
		pilot := "no"
		if c.Pilot {
			pilot = "yes"
		}
		id := map[string]string{"community": string(c.ID), "name": c.Name, "revision": revision}
		with := func(more map[string]string) map[string]string {
			for k, value := range id {
				more[k] = value
			}
			return more
		}
		add(with(map[string]string{"town": c.Town, "pilot": pilot, "stage": cmp.Or(c.Stage, "none"), "stage_date": c.StageDate, "contact": c.Contact}))
		for _, compound := range c.Compounds {
			renovated := ""
			if compound.Renovated > 0 {
				renovated = strconv.Itoa(compound.Renovated)
			}
			add(with(map[string]string{"compound": compound.Name, "renovated": renovated}))
		}
		for i, state := range c.Items {
			add(with(map[string]string{"item": state.Item, "title": v.Items[i].Title.ZH, "status": state.Status, "evidence": state.Evidence, "source": state.Source, "date": state.Date, "by": state.By}))
		}
	}
	return rows
}

// WriteCSV writes the table as CSV in UTF-8 with a mark, which Excel opens as it is.
func WriteCSV(w io.Writer, table [][]string) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	for _, row := range table {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = cell
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				cells[i] = "'" + cell // a spreadsheet would take it for a formula
			}
		}
		if err := c.Write(cells); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// WriteXLSX writes the table as a workbook: lists to choose from where there are words
// to choose, the header kept in sight, a filter, landscape.
func WriteXLSX(w io.Writer, table [][]string) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	head, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"EEF3EE"}}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "center"}})
	if err != nil {
		return err
	}
	body, err := f.NewStyle(&excelize.Style{NumFmt: 49, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}) // text: no 1/2 becomes a day
	if err != nil {
		return err
	}
	fixed, err := f.NewStyle(&excelize.Style{NumFmt: 49, Font: &excelize.Font{Color: "777777"}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	if err != nil {
		return err
	}
	last, _ := excelize.ColumnNumberToName(len(columns))
	end := strconv.Itoa(len(table))
	if err := errors.Join(f.SetSheetName("Sheet1", sheetName),
		f.SetPanes(sheetName, &excelize.Panes{Freeze: true, XSplit: 2, YSplit: 1, TopLeftCell: "C2", ActivePane: "bottomRight"}),
		f.AutoFilter(sheetName, "A1:"+last+end, nil),
		f.SetPageLayout(sheetName, &excelize.PageLayoutOptions{Orientation: new("landscape"), Size: new(9), FitToWidth: new(1), FitToHeight: new(0)}),
		f.SetSheetProps(sheetName, &excelize.SheetPropsOptions{FitToPage: new(true)}),
		f.SetHeaderFooter(sheetName, &excelize.HeaderFooterOptions{OddFooter: "&R第 &P 页，共 &N 页"})); err != nil {
		return err
	}
	for i, c := range columns {
		name, _ := excelize.ColumnNumberToName(i + 1)
		style := body
		if c.of == 0 {
			style = fixed
		}
		err = errors.Join(err, f.SetColWidth(sheetName, name, name, c.width), f.SetColStyle(sheetName, name, style))
		if c.choice != nil {
			list := excelize.NewDataValidation(true)
			list.SetSqref(name + "2:" + name + strconv.Itoa(len(table)+200))
			list.SetError(excelize.DataValidationErrorStyleStop, c.zh, "请选择："+c.choices())
			err = errors.Join(err, list.SetDropList(c.choice), f.AddDataValidation(sheetName, list))
		}
	}
	for i, row := range table {
		for k, cell := range row {
			if cell == "" {
				continue
			}
			at, _ := excelize.CoordinatesToCellName(k+1, i+1)
			err = errors.Join(err, f.SetCellStr(sheetName, at, cell))
		}
	}
	err = errors.Join(err, f.SetCellStyle(sheetName, "A1", last+"1", head))
	if err != nil {
		return err
	}
	_, err = f.WriteTo(w)
	return err
}

// text pairs both languages of a message.
func text(zh, en string) ingest.Text { return ingest.Text{ZH: zh, EN: en} }
