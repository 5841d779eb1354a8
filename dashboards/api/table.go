package api

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"greencommunity/ingest"
)

// column is one of a table: its name in JSON and CSV, and its title for people.
type column struct {
	key   string
	title ingest.Text
}

// table is an answer of rows. A cell is a string, a number, a bool, a time, or nil where
// nothing is known; in JSON also anything else.
type table struct {
	name    ingest.Text // of the sheet
	columns []column
	rows    [][]any
	next    string // cursor of the rows after these, "" if these are the last
}

// format is how an answer is written: json, csv or xlsx, by the parameter format or by
// what the client accepts.
func format(r *http.Request) (string, error) {
	switch f := r.URL.Query().Get("format"); f {
	case "json", "csv", "xlsx":
		return f, nil
	case "":
	default:
		return "", fmt.Errorf("format %.20q is none of json, csv, xlsx", f)
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		switch kind, _, _ := mime.ParseMediaType(strings.TrimSpace(part)); kind {
		case "text/csv":
			return "csv", nil
		case spreadsheet:
			return "xlsx", nil
		case "application/json", "*/*", "text/html":
			return "json", nil
		}
	}
	return "json", nil
}

const spreadsheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// write answers with a table. The rows after these are at the address of the header Link.
func (t *table) write(w http.ResponseWriter, r *http.Request, zone *time.Location) error {
	f, err := format(r)
	if err != nil {
		return err
	}
	if t.next != "" {
		q := r.URL.Query()
		q.Set("cursor", t.next)
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.Path, q.Encode()))
	}
	name := strings.NewReplacer("/", "-", ".", "-").Replace(strings.TrimPrefix(r.URL.Path, "/api/v1/"))
	switch f {
	case "csv":
		attach(w, "text/csv; charset=utf-8", name+".csv")
		return t.csv(w, zone)
	case "xlsx":
		attach(w, spreadsheet, name+".xlsx")
		return t.xlsx(w, r.URL.Query().Get("lang"), zone)
	}
	w.Header().Set("Content-Type", "application/json")
	return t.json(w, zone)
}

func attach(w http.ResponseWriter, kind, name string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
}

func (t *table) json(w io.Writer, zone *time.Location) error {
	out := bufio.NewWriter(w)
	out.WriteByte('[')
	for i, row := range t.rows {
		if i > 0 {
			out.WriteString(",\n")
		}
		out.WriteByte('{')
		for j, c := range t.columns {
			if j > 0 {
				out.WriteByte(',')
			}
			out.WriteString(strconv.Quote(c.key) + ":")
			cell := row[j]
			if at, ok := cell.(time.Time); ok {
				cell = at.In(zone)
			}
			data, err := json.Marshal(cell)
			if err != nil {
				return err
			}
			out.Write(data)
		}
		out.WriteByte('}')
	}
	out.WriteString("]\n")
	return out.Flush()
}

func (t *table) csv(w io.Writer, zone *time.Location) error {
	out := csv.NewWriter(w)
	header := make([]string, len(t.columns))
	for i, c := range t.columns {
		header[i] = c.key
	}
	_ = out.Write(header) // Flush says what went wrong
	line := make([]string, len(t.columns))
	for _, row := range t.rows {
		for i, cell := range row {
			line[i] = plain(cell, zone)
		}
		_ = out.Write(line)
	}
	out.Flush()
	return out.Error()
}

// plain is a cell of CSV. A text that a spreadsheet would take for a formula gets an
// apostrophe before it: names come from outside.
func plain(cell any, zone *time.Location) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
			return "'" + v
		}
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		return v.In(zone).Format(time.RFC3339)
	}
	return fmt.Sprint(cell)
}

func (t *table) xlsx(w io.Writer, lang string, zone *time.Location) error {
	text := func(x ingest.Text) string {
		if lang == "en" {
			return x.EN
		}
		return x.ZH
	}
	f := excelize.NewFile()
	defer f.Close()
	sheet := text(t.name)
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	s, err := f.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}})
	if err != nil {
		return err
	}
	minutes := "yyyy-mm-dd hh:mm"
	dates, err := f.NewStyle(&excelize.Style{CustomNumFmt: &minutes})
	if err != nil {
		return err
	}
	if err := s.SetColWidth(1, len(t.columns), 18); err != nil {
		return err
	}
	if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	header := make([]any, len(t.columns))
	for i, c := range t.columns {
		header[i] = excelize.Cell{StyleID: bold, Value: text(c.title)}
	}
	if err := s.SetRow("A1", header); err != nil {
		return err
	}
	cells := make([]any, len(t.columns))
	for i, row := range t.rows {
		for j, cell := range row {
			switch v := cell.(type) {
			case time.Time: // a cell knows no zone: it has the site's clock
				local := v.In(zone)
				_, offset := local.Zone()
				cell = excelize.Cell{StyleID: dates, Value: local.UTC().Add(time.Duration(offset) * time.Second)}
			case nil, string, float64, int, int64, uint64, bool:
			default:
				cell = fmt.Sprint(v)
			}
			cells[j] = cell
		}
		if err := s.SetRow("A"+strconv.Itoa(i+2), cells); err != nil {
			return err
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(w)
}
