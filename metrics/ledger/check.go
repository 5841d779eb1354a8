package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Problem is a mistake in a table, with what to do about it. Row and column are
// counted and named as the spreadsheet does.
type Problem struct {
	Row    int    `json:"row"`              // 0: of the whole table
	Letter string `json:"letter,omitempty"` // of the column
	Column string `json:"column,omitempty"` // 状态 status
	ingest.Text
}

// String is the problem in both languages.
func (p Problem) String() string {
	switch {
	case p.Row == 0:
		return p.ZH + " · " + p.EN
	case p.Letter == "":
		return fmt.Sprintf("第 %d 行：%s · row %[1]d: %s", p.Row, p.ZH, p.EN)
	}
	return fmt.Sprintf("第 %d 行 %s 列（%s）：%s · row %[1]d, column %[2]s: %s", p.Row, p.Letter, p.Column, p.ZH, p.EN)
}

// Problems are all mistakes of a table, in its order. It is an error.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, each := range p {
		lines[i] = each.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what is told of a table of another kind.
const maxProblems = 200

// Standard holds the rules a table is checked against.
type Standard struct {
	Items     []Item
	Inventory *inventory.Inventory
	Now       time.Time
}

func (s *Standard) today() string { return s.Now.In(s.Inventory.Zone).Format(time.DateOnly) }

// Form is a table that was read.
type Form struct {
	Values Cells // of all cells it has, in canonical form
	// Revision of the ledger it was exported from, -1 if it does not say.
	Revision int
	Rows     int // with values

	places map[Cell]Problem // where each is
}

// reader checks the rows of a table.
type reader struct {
	*Standard
	sheet    *sheet
	at       []int // position of each of columns, -1: it is not there
	form     *Form
	problems Problems
	items    map[string]bool
	names    map[string][]ingest.CommunityID
	seen     map[Cell]int // the row of a community, compound or item
}

// Read reads a table (.xlsx or CSV) and checks it whole: the error is Problems where the
// table could be read and has mistakes.
func (s *Standard) Read(data []byte) (*Form, error) {
	sheet, err := readSheet(data)
	if err != nil {
		return nil, err
	}
	r := &reader{Standard: s, sheet: sheet, form: &Form{Values: Cells{}, Revision: -1, places: map[Cell]Problem{}}, items: map[string]bool{}, names: map[string][]ingest.CommunityID{}, seen: map[Cell]int{}}
	for _, i := range s.Items {
		r.items[i.ID] = true
	}
	for _, c := range s.Inventory.Communities {
		r.names[c.Name] = append(r.names[c.Name], c.ID)
	}
	head := r.head()
	for i := head + 1; i < len(sheet.rows) && len(r.problems) < maxProblems && len(r.at) > 0; i++ {
		r.row(i)
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	if r.form.Rows == 0 {
		return nil, Problems{{Text: text("表中没有内容行", "the table has no rows")}}
	}
	return r.form, nil
}

func (r *reader) whole(zh, en string, args ...any) {
	r.problems = append(r.problems, Problem{Text: text(fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...))})
}

// wrong notes a mistake in a cell: row counts from 0, column is a name.
func (r *reader) wrong(row int, name, zh, en string, args ...any) {
	p := r.place(row, name)
	p.Text = text(fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...))
	r.problems = append(r.problems, p)
}

func (r *reader) place(row int, name string) Problem {
	p := Problem{Row: row + 1}
	for i, c := range columns {
		if c.name == name && r.at[i] >= 0 {
			p.Letter, _ = excelize.ColumnNumberToName(r.at[i] + 1)
			p.Column = c.header()
		}
	}
	return p
}

// head finds the header, which may be below titles and a row of groups, and says where
// each column is: the row of the first ten with most of them.
func (r *reader) head() int {
	row, most := -1, 1
	for n := 0; n < len(r.sheet.rows) && n < 10; n++ {
		known := map[int]bool{}
		for _, cell := range r.sheet.rows[n] {
			if i := columnOf(cell); i >= 0 {
				known[i] = true
			}
		}
		if len(known) > most {
			row, most = n, len(known)
		}
	}
	if row < 0 {
		r.whole("找不到表头；首行须为 %s，可用 greencommunity ledger template 取得空表", "no header; the first row is %s; `greencommunity ledger template` writes an empty form", headers())
		return 0
	}
	r.at = make([]int, len(columns))
	for i := range r.at {
		r.at[i] = -1
	}
	var unknown, twice []string
	for k, cell := range r.sheet.rows[row] {
		i := columnOf(cell)
		switch {
		case i >= 0 && r.at[i] >= 0:
			twice = append(twice, columns[i].header())
		case i >= 0:
			r.at[i] = k
		case plainText(cell) != "":
			letter, _ := excelize.ColumnNumberToName(k + 1)
			unknown = append(unknown, letter+"（"+strings.Join(strings.Fields(plainText(cell)), " ")+"）")
		}
	}
	if r.at[0] < 0 && r.at[1] < 0 {
		r.whole("缺少“社区编号 community”列", "the column community (社区编号) is missing")
	}
	for _, name := range twice {
		r.whole("列“%s”出现两次，请删去一列", "the column %s is there twice; take one out", name)
	}
	if unknown != nil {
		r.whole("不认识的列：%s；列名须为 %s", "columns %s are not of the form, which has %s", strings.Join(unknown, "、"), headers())
	}
	return row
}

func headers() string {
	var names []string
	for _, c := range columns {
		names = append(names, c.header())
	}
	return strings.Join(names, "、")
}

// cell is what stands in a column of a row; false if the table has no such column.
func (r *reader) cell(n, i int) (string, bool) {
	k := r.at[i]
	if k < 0 {
		return "", false
	}
	if k >= len(r.sheet.rows[n]) {
		return "", true
	}
	return plainText(r.sheet.rows[n][k]), true
}

func (r *reader) named(n int, name string) string {
	for i, c := range columns {
		if c.name == name {
			v, _ := r.cell(n, i)
			return v
		}
	}
	return ""
}

// row reads a row.
func (r *reader) row(n int) {
	blank := true
	for i := range columns {
		if v, _ := r.cell(n, i); v != "" && columns[i].name != "revision" {
			blank = false
		}
	}
	if blank {
		return
	}
	r.form.Rows++
	r.revision(n)
	community := r.community(n)
	key := Cell{Community: community, Compound: r.named(n, "compound")}
	if item := narrow(r.named(n, "item")); item != "" {
		if number, err := strconv.ParseFloat(item, 64); err == nil && number == float64(int(number)) {
			item = strconv.Itoa(int(number)) // 05, 5.0
		}
		if key.Item = item; !r.items[item] {
			r.wrong(n, "item", "没有编号为“%s”的事项；编号为 %s", "there is no item %q; the items are %s", item, r.itemList())
			return
		}
	}
	if key.Item != "" && key.Compound != "" {
		r.wrong(n, "compound", "一行只能填“小区”或“事项编号”之一；小区另起一行", "a row is of a compound or of an item; give the compound a row of its own")
		return
	}
	of := ofCommunity
	switch {
	case key.Item != "":
		of = ofItem
	case key.Compound != "":
		of = ofCompound
	}
	if community == "" {
		return
	}
	if before, ok := r.seen[key]; ok {
		r.wrong(n, "community", "与第 %d 行重复，请合并", "repeats row %d; join them", before)
		return
	}
	r.seen[key] = n + 1
	values := map[string]string{}
	for i, c := range columns {
		v, there := r.cell(n, i)
		if !there || c.of == 0 {
			continue
		}
		if c.of != of {
			if v != "" {
				r.wrong(n, c.name, "“%s”不属于这一行：%s", "%q does not belong in this row: %s", v, wrongRow(of).of(c.of))
			}
			continue
		}
		canonical, ok := r.value(n, c, v)
		if !ok {
			return // one mistake of a row at a time where others follow from it
		}
		at := key
		at.Column = c.name
		values[c.name] = canonical
		r.form.Values[at] = canonical
		r.form.places[at] = r.place(n, c.name)
	}
	if of == ofItem {
		r.consistent(n, values)
	}
}

type wrongRow row

// of says why a column is not one of this row's.
func (w wrongRow) of(c row) string {
	name := map[row]string{ofCommunity: "社区行（小区、事项编号留空） community rows", ofCompound: "小区行 compound rows", ofItem: "事项行（须填事项编号） item rows"}
	return name[c]
}

func (r *reader) itemList() string {
	var ids []string
	for _, i := range r.Items {
		ids = append(ids, i.ID)
	}
	return strings.Join(ids, "、")
}

func (r *reader) revision(n int) {
	v := narrow(r.named(n, "revision"))
	if v == "" {
		return
	}
	number, err := strconv.Atoi(strings.TrimSuffix(v, ".0"))
	switch {
	case err != nil || number < 0:
		r.wrong(n, "revision", "“%s”不是修订号；此列由导出填写，请勿改动", "%q is no revision; the export fills this column in, leave it", v)
	case r.form.Revision >= 0 && r.form.Revision != number:
		r.wrong(n, "revision", "修订号 %d 与上面的 %d 不同：两次导出的行混在一起；请从最新的导出重新填写", "revision %d, and %d above: rows of two exports are mixed; begin with the latest export", number, r.form.Revision)
	default:
		r.form.Revision = number
	}
}

// community is that of a row, by its id or by its name.
func (r *reader) community(n int) ingest.CommunityID {
	id, name := narrow(r.named(n, "community")), r.named(n, "name")
	if id == "" && name == "" {
		r.wrong(n, "community", "空白；请填社区编号（或社区名称）", "empty; give the community's id, or its name")
		return ""
	}
	byName := func(name, column string) ingest.CommunityID {
		switch list := r.names[name]; len(list) {
		case 1:
			return list[0]
		case 0:
			r.wrong(n, column, "“%s”不在 inventory.yaml 的 communities 中；改正，或请系统管理员添加该社区", "%q is not in communities of inventory.yaml; correct it, or have it added there", name)
		default:
			r.wrong(n, column, "有 %d 个社区叫“%s”；请填社区编号", "%d communities are called %q; give the id", len(list), name)
		}
		return ""
	}
	if id == "" {
		return byName(name, "name")
	}
	c := r.Inventory.Community(ingest.CommunityID(id))
	if c == nil {
		return byName(id, "community") // a name in the column of ids is as good
	}
	if name != "" && name != c.Name {
		r.wrong(n, "name", "社区“%s”在 inventory.yaml 中名为“%s”，此处为“%s”：行可能错位；改正其一", "community %s is called %q in inventory.yaml and %q here: a row may have moved; correct one of them", id, c.Name, name)
		return ""
	}
	return c.ID
}

const maxText = 500

// value is the canonical form of what stands in a cell.
func (r *reader) value(n int, c column, v string) (string, bool) {
	if v == "" {
		return "", true
	}
	switch c.name {
	case "pilot", "stage", "status", "source":
		value, ok := said(c.name, narrow(v))
		if !ok {
			r.wrong(n, c.name, "“%s”不是 %s 之一", "%q is none of %s", v, c.choices())
			return "", false
		}
		if value == "pending" {
			value = "" // nothing is known
		}
		return value, true
	case "stage_date", "date":
		d, ok := r.sheet.day(v)
		if !ok {
			r.wrong(n, c.name, "“%s”不是日期；写成 2026-03-05", "%q is no day; write 2026-03-05", v)
			return "", false
		}
		text := d.Format(time.DateOnly)
		if text > r.today() {
			r.wrong(n, c.name, "%s 在今天（%s）之后；改正日期", "%s is after today (%s); correct it", text, r.today())
			return "", false
		}
		return text, true
	case "renovated":
		year, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSuffix(narrow(v), "年"), ".0"))
		if err != nil || year < 1990 || year > r.Now.Year()+1 {
			r.wrong(n, c.name, "“%s”不是年份；写成 2021", "%q is no year; write 2021", v)
			return "", false
		}
		return strconv.Itoa(year), true
	}
	if len([]rune(v)) > maxText {
		r.wrong(n, c.name, "超过 %d 字；请精简，材料另存", "longer than %d characters; shorten it and keep documents elsewhere", maxText)
		return "", false
	}
	return v, true
}

// consistent checks that an item that is met or not says by what, of when, and who says so.
func (r *reader) consistent(n int, v map[string]string) {
	if v["status"] == "" {
		return
	}
	r.problems = append(r.problems, r.missing(v, func(name string) Problem { return r.place(n, name) }, func(name string) bool { return r.at[columnIndex(name)] >= 0 })...)
}

func columnIndex(name string) int {
	return slices.IndexFunc(columns, func(c column) bool { return c.name == name })
}

// missing lists what an item that is met or not lacks, of the columns that are there.
func (s *Standard) missing(v map[string]string, place func(string) Problem, there func(string) bool) (list Problems) {
	for _, need := range []struct{ name, zh, en string }{
		{"evidence", "达标须有佐证；写明文件、照片或数据", "an item that is met needs evidence: a document, a picture, data"},
		{"source", "须填来源：传感器或人工", "say where it is from: 传感器 (sensor) or 人工 (person)"},
		{"date", "须填日期：佐证是哪一天的", "give the day the evidence is of"},
		{"by", "须填填报人", "say who says so"},
	} {
		if v[need.name] != "" || !there(need.name) || need.name == "evidence" && v["status"] != "met" {
			continue
		}
		p := place(need.name)
		p.Text = text(need.zh, need.en)
		list = append(list, p)
	}
	return list
}

// Conflict says that a table and somebody else have changed the same cell since the
// table was exported.
func conflict(cell Cell, place Problem, base, theirs, now string, by Batch) Problem {
	shownAs := func(v string) string { return cmp.Or(shown(cell.Column, v), "空白") }
	place.Text = text(
		fmt.Sprintf("导出时为“%s”，表中改为“%s”，而 %s 已于 %s 改为“%s”；请核对，重新导出后再改，或以表为准导入（--take-file）", shownAs(base), shownAs(theirs), by.Who, by.Time.Format(time.DateTime), shownAs(now)),
		fmt.Sprintf("was %q when exported, is %q here, and %s has made it %q at %s; check it, and export anew, or import with --take-file", base, theirs, by.Who, now, by.Time.Format(time.DateTime)))
	return place
}

// Import takes over what a table has changed since it was exported; where it does not
// say of when it is, all that differs. A cell that somebody else has changed meanwhile
// is a problem unless the table is to be taken.
func (l *Ledger) Import(by Author, form *Form, s *Standard, takeForm bool) (Batch, error) {
	return l.Change(by, func(now Cells, at func(int) (Cells, bool)) (Cells, error) {
		return l.merge(form, s, takeForm, now, at)
	})
}

// Preview returns the edits that Import would make.
func (l *Ledger) Preview(by Author, form *Form, s *Standard, takeForm bool) ([]Edit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(); err != nil {
		return nil, err
	}
	values, err := l.merge(form, s, takeForm, l.cells, l.at)
	if err != nil {
		return nil, err
	}
	return l.edits(by, values)
}

func (l *Ledger) merge(form *Form, s *Standard, takeForm bool, now Cells, at func(int) (Cells, bool)) (Cells, error) {
	base := now
	if form.Revision >= 0 {
		then, ok := at(form.Revision)
		if !ok {
			return nil, Problems{{Text: text(fmt.Sprintf("修订号 %d 不是这本台账的；从这里重新导出", form.Revision), fmt.Sprintf("revision %d is not of this ledger; export from here anew", form.Revision))}}
		}
		base = then
	}
	wanted := Cells{}
	var problems Problems
	for cell, value := range form.Values {
		was := s.shows(base, cell)
		switch has := s.shows(now, cell); {
		case value == was, value == has: // its clerk has not changed it, or as everybody has
		case has != was && !takeForm:
			problems = append(problems, conflict(cell, form.places[cell], was, value, has, l.last(cell)))
		default:
			wanted[cell] = value
		}
	}
	if problems != nil {
		slices.SortFunc(problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(len(a.Letter), len(b.Letter)), cmp.Compare(a.Letter, b.Letter))
		})
		return nil, problems
	}
	return wanted, nil
}

// last is the batch that changed a cell last.
func (l *Ledger) last(cell Cell) Batch {
	for _, b := range slices.Backward(l.batches) {
		if slices.ContainsFunc(b.Edits, func(e Edit) bool { return e.Cell == cell }) {
			return b
		}
	}
	return Batch{}
}

// shows is what a table that was exported from cells shows in one: its value, or else
// the inventory's.
func (s *Standard) shows(cells Cells, cell Cell) string {
	if v, ok := cells[cell]; ok {
		return v
	}
	c := s.Inventory.Community(cell.Community)
	if c == nil || cell.Item != "" {
		return ""
	}
	switch cell.Column {
	case "town":
		return c.Town
	case "pilot":
		if c.Pilot {
			return "yes"
		}
		return "no"
	case "stage":
		return cmp.Or(c.Stage, "none")
	case "renovated":
		for _, compound := range c.Compounds {
			if compound.Name == cell.Compound && compound.Renovated > 0 {
				return strconv.Itoa(compound.Renovated)
			}
		}
	}
	return ""
}

// Set is a change of single values from the page or the API: of an item where Item is
// given, else of the community. Values are as the table has them; what is left out
// stays.
type Set struct {
	Community ingest.CommunityID `json:"community"`
	Item      string             `json:"item,omitempty"`
	Status    *string            `json:"status,omitempty"` // met, not_met, pending
	Evidence  *string            `json:"evidence,omitempty"`
	Source    *string            `json:"source,omitempty"` // sensor, person
	Date      *string            `json:"date,omitempty"`   // default: today
	By        *string            `json:"by,omitempty"`     // default: who changes it
	Town      *string            `json:"town,omitempty"`
	Pilot     *string            `json:"pilot,omitempty"` // yes, no
	Stage     *string            `json:"stage,omitempty"` // none, participating, met, named
	StageDate *string            `json:"stage_date,omitempty"`
	Contact   *string            `json:"contact,omitempty"`
}

// Set makes changes, all or none. The error is Problems where they have mistakes; their
// rows count the changes from 1.
func (l *Ledger) Set(by Author, s *Standard, sets []Set) (Batch, error) {
	if len(sets) == 0 {
		return Batch{}, errors.New("no changes; give changes: [{community, item, status, …}] · 没有更改")
	}
	return l.Change(by, func(now Cells, _ func(int) (Cells, bool)) (Cells, error) {
		r := &reader{Standard: s, sheet: &sheet{serial: func(float64) (time.Time, error) { return time.Time{}, errors.New("no serial") }}, form: &Form{Values: Cells{}}}
		r.at = make([]int, len(columns))
		for i := range r.at {
			r.at[i] = i
		}
		for n, set := range sets {
			r.set(n, set, by, now)
		}
		if r.problems != nil {
			for i := range r.problems { // no spreadsheet here
				r.problems[i].Letter = ""
			}
			return nil, r.problems
		}
		return r.form.Values, nil
	})
}

func (r *reader) set(n int, set Set, by Author, now Cells) {
	if r.Inventory.Community(set.Community) == nil {
		r.wrong(n, "community", "社区“%s”不在 inventory.yaml 中", "community %q is not in inventory.yaml", set.Community)
		return
	}
	var given map[string]*string
	of := ofCommunity
	if set.Item != "" {
		of = ofItem
		given = map[string]*string{"status": set.Status, "evidence": set.Evidence, "source": set.Source, "date": set.Date, "by": set.By}
		if !slices.ContainsFunc(r.Items, func(i Item) bool { return i.ID == set.Item }) {
			r.wrong(n, "item", "没有编号为“%s”的事项", "there is no item %q", set.Item)
			return
		}
		if set.Status != nil {
			today := r.today()
			if set.Date == nil {
				given["date"] = &today
			}
			if set.By == nil {
				given["by"] = &by.Who
			}
		}
	} else {
		given = map[string]*string{"town": set.Town, "pilot": set.Pilot, "stage": set.Stage, "stage_date": set.StageDate, "contact": set.Contact}
	}
	values := map[string]string{}
	for _, c := range columns {
		if c.of != of || c.of == 0 {
			continue
		}
		at := Cell{Community: set.Community, Item: set.Item, Column: c.name}
		values[c.name] = now[at]
		if v := given[c.name]; v != nil {
			canonical, ok := r.value(n, c, plainText(*v))
			if !ok {
				return
			}
			values[c.name], r.form.Values[at] = canonical, canonical
		}
	}
	if of == ofItem && values["status"] != "" {
		r.problems = append(r.problems, r.missing(values, func(name string) Problem { return r.place(n, name) }, func(string) bool { return true })...)
	}
}

// compare orders cells by community, then as the table has them.
func (a Cell) compare(b Cell) int {
	return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Compound, b.Compound), cmp.Compare(number(a.Item), number(b.Item)), cmp.Compare(columnIndex(a.Column), columnIndex(b.Column)))
}

func number(s string) int { n, _ := strconv.Atoi(s); return n }
