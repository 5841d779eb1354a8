package report

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/xuri/excelize/v2"
)

// WriteCSV writes all sections one below the other, each row with its section's
// number in front. It begins with a byte order mark, without which Excel takes
// it for GBK.
func (r *Report) WriteCSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	_ = c.Write([]string{"", r.Title})
	for _, s := range r.Sections {
		_ = c.Write(append([]string{s.Number, s.Title}, note(s.Note)...))
		_ = c.Write(append([]string{s.Number}, s.Head...))
		for _, row := range s.Rows {
			cells := []string{s.Number}
			for _, cell := range row {
				cells = append(cells, plain(cell))
			}
			_ = c.Write(cells)
		}
	}
	c.Flush()
	return c.Error()
}

// WriteXLSX writes a workbook with a sheet a section: the same figures, as numbers where
// they are, so that a spreadsheet adds them up.
func (r *Report) WriteXLSX(w io.Writer) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	head, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"EEF3EE"}}})
	if err != nil {
		return err
	}
	wrap, err := f.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	if err != nil {
		return err
	}
	var lines []excelize.Border
	for _, side := range []string{"left", "right", "top", "bottom"} {
		lines = append(lines, excelize.Border{Type: side, Style: 1, Color: "999999"})
	}
	body, err := f.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}, Border: lines})
	if err != nil {
		return err
	}
	right, err := f.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}, Border: lines})
	if err != nil {
		return err
	}
	for i, s := range r.Sections {
		sheet := strings.NewReplacer(":", "", "/", "", "、", " ").Replace(s.Number + " " + s.Title)
		if sheet = string([]rune(sheet)[:min(31, len([]rune(sheet)))]); i == 0 {
			err = f.SetSheetName("Sheet1", sheet)
		} else {
			_, err = f.NewSheet(sheet)
		}
		if err != nil {
			return err
		}
		heads, rows := s.Shown()
		last, _ := excelize.ColumnNumberToName(max(2, len(heads)))
		err = errors.Join(f.SetCellStr(sheet, "A1", r.Title+"："+s.Title), f.SetCellStr(sheet, "A2", s.Note), f.MergeCell(sheet, "A2", last+"2"),
			f.SetCellStyle(sheet, "A2", last+"2", wrap), f.SetRowHeight(sheet, 2, 64), f.SetSheetRow(sheet, "A3", &heads),
			f.SetCellStyle(sheet, "A3", last+"3", head), f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Orientation: new("landscape"), Size: new(9)}),
			f.SetPageLayout(sheet, &excelize.PageLayoutOptions{FitToWidth: new(1), FitToHeight: new(0)}),
			f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: new(true)}),
			f.SetHeaderFooter(sheet, &excelize.HeaderFooterOptions{OddFooter: "&R第 &P 页，共 &N 页"}))
		columns := widths(heads, rows)
		for k, width := range columns {
			column, _ := excelize.ColumnNumberToName(k + 1)
			err = errors.Join(err, f.SetColWidth(sheet, column, column, width))
		}
		if len(rows) > 0 {
			err = errors.Join(err, f.SetCellStyle(sheet, "A4", last+strconv.Itoa(len(rows)+3), body))
		}
		if err != nil {
			return err
		}
		for j, row := range rows {
			if err := f.SetRowHeight(sheet, j+4, height(row, columns)); err != nil {
				return err
			}
			for k, cell := range row {
				at, _ := excelize.CoordinatesToCellName(k+1, j+4)
				if v, parsed := strconv.ParseFloat(cell, 64); parsed == nil && number(cell) {
					err = f.SetCellFloat(sheet, at, v, -1, 64)
				} else {
					err = f.SetCellStr(sheet, at, cell)
				}
				if err == nil && number(cell) && len(heads) > 2 {
					err = f.SetCellStyle(sheet, at, at, right)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	_, err = f.WriteTo(w)
	return err
}

// wide is the width of a text, in characters of a digit: a Chinese one takes two.
func wide(s string) (n float64) {
	for _, r := range s {
		n += map[bool]float64{false: 1, true: 2}[r > 0xff]
	}
	return n
}

// widths of a sheet's columns, in characters of a digit: as wide as what is in them, and
// not so wide that the sheet does not go on a page; longer text is broken.
func widths(head []string, rows [][]string) []float64 {
	if len(head) == 2 {
		return []float64{26, 100}
	}
	list := make([]float64, len(head))
	for k := range head {
		longest := min(wide(head[k]), 16)
		for _, row := range rows {
			longest = max(longest, min(wide(row[k]), 28))
		}
		list[k] = longest + 2
	}
	return list
}

// height of a row in points: of the cell that is broken most. A sheet does not find it
// out by itself.
func height(row []string, columns []float64) float64 {
	if strings.Contains(row[0], "签字") {
		return 36
	}
	lines := 1.0
	for k, cell := range row {
		lines = max(lines, math.Ceil(wide(cell)/(columns[k]-1)))
	}
	return min(15*lines+1, 400)
}

func note(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// plain keeps a spreadsheet from taking a name for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		if _, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64); err != nil {
			return "'" + s
		}
	}
	return s
}

// style of the page. Its hash is in the page's Content-Security-Policy.
const style = `
@page { size: A4 landscape; margin: 12mm 12mm 16mm; @bottom-right { content: "第 " counter(page) " 页，共 " counter(pages) " 页"; font-size: 11px } }
body { font: 13px/1.5 "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", sans-serif; color: #1a1a1a; max-width: 1240px; margin: 24px auto; padding: 0 16px }
h1 { text-align: center; font-size: 26px; color: #b00; border-bottom: 2px solid #b00; padding-bottom: 8px; margin: 8px 0 0 }
.period { text-align: center; font-size: 18px; margin: 6px 0 16px; color: #1a1a1a }
h2 { font-size: 16px; margin: 24px 0 4px; break-after: avoid }
p { color: #555; margin: 0 0 8px; break-after: avoid }
table { border-collapse: collapse; width: 100%; font-size: 12px } th, td { border: 1px solid #999; padding: 3px 7px; text-align: left; vertical-align: top }
thead { display: table-header-group }
th { background: #eef3ee; font-weight: 600 } td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums } tr { break-inside: avoid }
table.wide { font-size: 10.5px } table.wide th, table.wide td { padding: 2px 4px } table.wide td:first-child, table.wide td:nth-child(2) { white-space: nowrap }
table.pairs { font-size: 13px } table.pairs td:first-child { width: 17em; white-space: nowrap; font-weight: 600 }
table.pairs tr.result td { font-size: 15px } table.pairs tr.sign td { height: 44px; vertical-align: bottom }
.cover { break-after: page } .none { color: #777 }
@media print { body { margin: 0; padding: 0; max-width: none } }
`

var page = template.Must(template.New("").Funcs(template.FuncMap{"number": number, "style": func() template.CSS { return style }}).Parse(`<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>{{.Title}} {{.Period}}</title><style>{{style}}</style></head><body><h1>{{.Title}}</h1><p class="period">{{.Period}}</p>
{{range .Pages}}<section{{if .Cover}} class="cover"{{end}}><h2>{{.Number}}、{{.Title}}</h2>{{if .Note}}<p>{{.Note}}</p>{{end}}
{{if .Rows}}<table class="{{if .Pairs}}pairs{{end}}{{if .Wide}}wide{{end}}"><thead><tr>{{range .Head}}<th>{{.}}</th>{{end}}</tr></thead><tbody>
{{$pairs := .Pairs}}{{range .Rows}}<tr{{with .Class}} class="{{.}}"{{end}}>{{range .Cells}}{{if and (number .) (not $pairs)}}<td class="n">{{else}}<td>{{end}}{{.}}</td>{{end}}</tr>
{{end}}</tbody></table>{{else}}<p class="none">没有记录。</p>{{end}}</section>
{{end}}</body></html>
`))

// pageSection is a section as the page's template wants it.
type pageSection struct {
	Number, Title, Note string
	Cover, Pairs, Wide  bool
	Head                []string
	Rows                []pageRow
}

type pageRow struct {
	Class string
	Cells []string
}

// Pages are the sections as the page shows them.
func (r *Report) Pages() []pageSection {
	var list []pageSection
	for _, s := range r.Sections {
		head, rows := s.Shown()
		p := pageSection{Number: s.Number, Title: s.Title, Note: s.Note, Head: head, Cover: s.Number == "一", Pairs: len(head) == 2, Wide: len(head) > 9}
		for _, row := range rows {
			class := ""
			switch {
			case p.Cover && strings.Contains(row[0], "签字"):
				class = "sign"
			case p.Cover && strings.HasPrefix(row[0], county):
				class = "result"
			}
			p.Rows = append(p.Rows, pageRow{class, row})
		}
		list = append(list, p)
	}
	return list
}

// StylePolicy is the Content-Security-Policy under which the page is as it should be,
// and loads nothing from anywhere.
func StylePolicy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
}

// number says whether a cell is a figure, which stands at the right.
// A hash such as 75827816e08 is none.
func number(s string) bool {
	if strings.ContainsFunc(s, unicode.IsLetter) {
		return false
	}
	_, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	return err == nil
}

// WriteHTML writes a page to be printed and signed.
func (r *Report) WriteHTML(w io.Writer) error { return page.Execute(w, r) }

// formats are the kinds of file a report is written as, by their extension.
var formats = map[string]struct {
	contentType string
	write       func(*Report, io.Writer) error
}{
	"html": {"text/html; charset=utf-8", (*Report).WriteHTML},
	"csv":  {"text/csv; charset=utf-8", (*Report).WriteCSV},
	"xlsx": {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", (*Report).WriteXLSX},
	"docx": {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", (*Report).WriteDOCX},
}

// ErrFormat is returned for a format a report is not written as.
var ErrFormat = errors.New("is neither html, xlsx, docx nor csv")

// ContentType of a format.
func ContentType(format string) (string, error) {
	f, ok := formats[format]
	if !ok {
		return "", fmt.Errorf("%q %w", format, ErrFormat)
	}
	return f.contentType, nil
}

// Write writes the report as html, xlsx, docx or csv.
func (r *Report) Write(w io.Writer, format string) error {
	f, ok := formats[format]
	if !ok {
		return fmt.Errorf("%q %w", format, ErrFormat)
	}
	return f.write(r, w)
}

// Filed is a report as it was filed, as far as restatements need it.
type Filed struct {
	From, To string // first and last day
	Revision int
	// Figures of the effect by community, facility and resource, then by column.
	Figures map[[3]string]map[string]string
	Frozen  []Frozen // baselines as they were
}

// ReadFiled reads a report that WriteCSV wrote.
func ReadFiled(r io.Reader) (*Filed, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	c := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	c.FieldsPerRecord = -1
	rows, err := c.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("is no report of this program: %w", err)
	}
	f := &Filed{Revision: -1, Figures: map[[3]string]map[string]string{}, Frozen: frozenOf(rows)}
	var columns []string
	for _, row := range rows {
		switch {
		case len(row) >= 3 && row[0] == "一" && row[1] == "修订号":
			if f.Revision, err = strconv.Atoi(row[2]); err != nil {
				return nil, fmt.Errorf("修订号 %q is no number", row[2])
			}
		case len(row) >= 3 && row[0] == "一" && row[1] == "起止日期":
			f.From, f.To, _ = strings.Cut(row[2], " 至 ")
		case len(row) > 9 && row[0] == effectNumber && row[9] == "节约量":
			columns = row
		case len(row) > 9 && row[0] == effectNumber && columns != nil:
			figures := map[string]string{}
			for i := effectKeys + 1; i < min(len(row), len(columns)); i++ {
				figures[columns[i]] = row[i]
			}
			f.Figures[[3]string{row[1], row[3], row[4]}] = figures
		}
	}
	if f.Revision < 0 || f.From == "" || columns == nil {
		return nil, errors.New("is no report of this program: it has no revision, days or savings")
	}
	return f, nil
}
