// Package report writes what a quarter saved as the statement that a member of
// the joint conference files: who saved what, whether it is sure, who is behind,
// what was wrong, what was done about it, and what comes next. Its figures are
// those of the recomputation; what is not known says so, and nothing is made up
// for a form's sake.
//
// Gather reads what a report is made of; New lays it out as sections, each a table
// with a heading; the sections are written as a page to print, a workbook, a text
// document or a table, so that all of these have the same figures. The text document
// is written by hand, as zip and XML: the Go libraries for it are either sold, under a
// licence that does not go with this one, or kept by nobody, and three kinds of element
// (paragraph, table, footer) are all that is needed.
package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
)

// Source holds what a report is made of.
type Source struct {
	From, To  savings.Date // of the period; To is the first day after
	AsOf      savings.Date // last day whose data are in it
	Today     savings.Date
	Unit      string // who files it
	Inventory *inventory.Inventory
	Digest    string // of the inventory's file
	Floor     float64
	Statement *savings.Statement
	Before    *savings.Statement // of the same days a year earlier; nil: not asked for
	Previous  *savings.Statement // of the period just before; nil: not asked for
	Year      *savings.Statement // from January to AsOf; nil: not asked for
	Quarters  []Quarter          // of the year, to AsOf
	Typical   *savings.Statement // of the 365 days to AsOf; nil: not asked for
	Factors   savings.Factors
	// Unconfirmed says that the factors are the program's own; Examples that the tariffs are.
	Unconfirmed, Examples bool
	Tariffs               []savings.Tariff
	Profiles              map[Profiled]Profile
	Others                []Other    // the plan's other systems
	Counts                []Count    // waste and gates
	Problems              []Problem  // alarms that were open in the period
	Compounds             []Compound // use of compounds
	Balances              []Balance  // of meters that others stand behind
	Next                  []string   // what comes next, a paragraph each
	Filed                 *Filed     // the same period as it was filed before; nil: none is given
	// Standing is what the ledger says of the items of the standard; nil: there is none.
	Standing map[ingest.CommunityID]Standing
	Only     ingest.CommunityID // the report is of this community only; "": of all
}

// Standing counts the items of the standard that a community meets.
type Standing struct{ Met, NotMet, Pending int }

// Quarter is a quarter of the year, as far as it is over.
type Quarter struct {
	Number    int
	Statement *savings.Statement
}

// Count is an amount of a facility in the period.
type Count struct {
	Community ingest.CommunityID
	What      string // deposits, kilograms, collections, passes in, passes out, inspections
	Stream    string
	Value     float64
}

// Other is what a quantity of a facility other than lighting, water, waste and gates was
// over the period; NaN where its kind does not have it.
type Other struct {
	Community      ingest.CommunityID
	Facility       ingest.FacilityKind
	Quantity       *ingest.Quantity
	Mean, Max, Sum float64
}

// Problem is an alarm that was open in the period.
type Problem struct {
	Community ingest.CommunityID
	Compound  ingest.CompoundID
	Device    ingest.DeviceID
	Name      string // of the device; "": none is known
	Kind      string
	Severity  string
	Since     time.Time
	Cleared   time.Time // zero: open at the end
	Status    string    // of people: acknowledged, assigned, in_progress, cleared, false; "": nobody touched it
	Reason    string    // why it has that status, as they say
	By        string    // who did, last
	Assignee  string
	// Confirmed is when a person first did anything about it; zero: nobody.
	Confirmed time.Time
}

// Profiled names what has a profile.
type Profiled struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Resource  string
}

// Profile says how use is divided over the hours of the day, in any unit.
type Profile struct {
	Hours [24]float64
	Basis string // metered, nights, even
}

// Compound is what a compound used.
type Compound struct {
	Community ingest.CommunityID
	Compound  ingest.CompoundID
	Facility  ingest.FacilityKind
	Resource  string
	PerDay    float64 // kWh or m³ a day, of all its meters
	Coverage  float64 // of its meters' time, 0-1
	Meters    int
}

// Balance is what a meter passed and what those behind it did, on the days on which all
// of them are known.
type Balance struct {
	Community        ingest.CommunityID
	Device           ingest.DeviceID
	Name             string
	Resource         string
	Meters           int // behind it
	Days             int
	Entered, Metered float64 // kWh or m³
}

// Section is a table with its heading.
type Section struct {
	Number      string
	Title, Note string
	Keys        int // leading columns that are ids, for machines: in the CSV only
	Head        []string
	Rows        [][]string
}

// Shown are heading and rows as people see them, without ids.
func (s *Section) Shown() (head []string, rows [][]string) {
	rows = make([][]string, len(s.Rows))
	for i, row := range s.Rows {
		rows[i] = row[s.Keys:]
	}
	return s.Head[s.Keys:], rows
}

// Report is a report to be written.
type Report struct {
	Title, Period string
	Sections      []Section
}

// New lays out a report.
func New(s *Source) *Report {
	if s.Floor == 0 {
		s.Floor = savings.Floor
	}
	period, _ := s.period()
	r := &Report{Title: s.title(), Period: period}
	names := map[ingest.CommunityID]string{}
	seen := map[string]int{}
	for _, c := range s.Inventory.Communities {
		seen[c.Name]++
	}
	for _, c := range s.Inventory.Communities {
		names[c.ID] = c.Name
		if seen[c.Name] > 1 { // two towns may have one of the same name
			names[c.ID] = c.Name + "（" + c.Town + "）"
		}
	}
	restated := s.restatements(names)
	r.Sections = []Section{
		s.cover(len(restated) > 0), s.answers(names), s.target(), s.list(),
		s.effect(names), s.compared(names), s.year(names), s.yuan(names), s.ranking(names), s.compounds(names),
		s.water(names), s.leakage(names), s.facilities(names), s.alarms(names), s.problems(names),
		s.data(names), s.restated(restated), s.factors(), s.next(),
		s.sheets(names), s.quality(names), s.events(names), s.typical(names), s.methods(),
	}
	if others := s.others(names); len(others.Rows) > 0 {
		at := 1 + slices.IndexFunc(r.Sections, func(each Section) bool { return each.Number == "六之二" })
		r.Sections = slices.Insert(r.Sections, at, others)
	}
	if told := s.told(names); len(told.Rows) > 0 {
		at := 1 + slices.IndexFunc(r.Sections, func(each Section) bool { return each.Number == "附二" })
		r.Sections = slices.Insert(r.Sections, at, told)
	}
	return r
}

// title of a quarter, of the year to the end of September, which is due in October, of
// a year, or of any other days.
func (s *Source) title() string {
	_, quarter := s.period()
	january := s.From.YearDay() == 1
	switch {
	case quarter:
		return "绿色社区创建季度报表"
	case january && s.To.Equal(s.From.AddDate(0, 9, 0)):
		return "绿色社区创建阶段性总结"
	case january && s.To.Equal(s.From.AddDate(1, 0, 0)):
		return "绿色社区创建年度报表"
	}
	return "绿色社区创建情况报表"
}

const county = "全县"

func (s *Source) floorNote() string {
	return fmt.Sprintf("应计时段的覆盖率不足 %g%% 时不作结论。", 100*s.Floor)
}

// sure reports whether an item's coverage is enough for a verdict.
func (s *Source) sure(item *savings.StatementItem) bool { return float64(item.Coverage) >= s.Floor }

// verdict of an item, as the report gives it.
func (s *Source) verdict(item *savings.StatementItem) string {
	if item.Coverage > 0 && !s.sure(item) {
		return fmt.Sprintf("覆盖率不足 %g%%，不作结论", 100*s.Floor)
	}
	return named(verdicts, item.Verdict)
}

// counted reports whether an item has a saving.
func counted(item *savings.StatementItem) bool {
	return item.Coverage > 0 && !math.IsNaN(float64(item.Saving))
}

// totals are the county's, by facility and resource, of the items that have a saving:
// their savings add up, their bands by root of squares, which holds for independent
// ones; coverage is weighed by the baseline.
func totals(statement *savings.Statement) []savings.StatementItem {
	var all []savings.StatementItem
	for _, item := range statement.Items {
		if !counted(&item) {
			continue
		}
		i := slices.IndexFunc(all, func(t savings.StatementItem) bool { return t.Facility == item.Facility && t.Resource == item.Resource })
		if i < 0 {
			i = len(all)
			all = append(all, savings.StatementItem{Community: county, Facility: item.Facility, Resource: item.Resource, Unit: item.Unit, Confidence: item.Confidence})
		}
		t := &all[i]
		t.Actual, t.Baseline, t.Adjustment, t.Saving = t.Actual+item.Actual, t.Baseline+item.Baseline, t.Adjustment+item.Adjustment, t.Saving+item.Saving
		t.Uncertainty = baseline.Figure(math.Hypot(float64(t.Uncertainty), float64(item.Uncertainty)))
		t.Coverage += item.Coverage * item.Baseline
		t.Boundaries = append(t.Boundaries, item.Boundaries...)
	}
	for i := range all {
		t := &all[i]
		t.Coverage /= t.Baseline
		t.Fraction = t.Saving / t.Baseline
		t.Significant = math.Abs(float64(t.Saving)) > float64(t.Uncertainty)
		switch {
		case !t.Significant:
			t.Verdict = baseline.Indistinct
		case t.Saving > 0:
			t.Verdict = baseline.Saved
		default:
			t.Verdict = baseline.Increased
		}
	}
	return all
}

// period is 2026年第1季度, or the days where they are no quarter.
func (s *Source) period() (name string, quarter bool) {
	if s.From.Day() == 1 && (s.From.Month()-1)%3 == 0 && s.From.AddDate(0, 3, 0).Equal(s.To.Time) {
		return fmt.Sprintf("%d年第%d季度", s.From.Year(), (s.From.Month()-1)/3+1), true
	}
	return day(s.From.Time) + " 至 " + day(s.To.AddDate(0, 0, -1)), false
}

// final is as the service has it, and needs all days of the period.
func (s *Source) final() bool {
	return !s.Today.Before(s.To.Add(savings.FinalAfter)) && s.AsOf.AddDate(0, 0, 1).Equal(s.To.Time)
}

// revision counts from 1 once the figures are final, and goes up where one that
// was filed as final has changed.
func (s *Source) revision(changed bool) int {
	n := 0
	if s.Filed != nil {
		n = s.Filed.Revision
	}
	if s.final() && (n == 0 || changed) {
		n++
	}
	return n
}

// signature is where somebody signs, and when.
const signature = "　　　　　　　　　　　　年　　月　　日"

// result of an item in words: 节约 250 ± 50 千瓦时（17.2%），覆盖率 93.1%：节约.
func (s *Source) result(t *savings.StatementItem) string {
	band := float64(t.Uncertainty)
	return fmt.Sprintf("节约 %s %s（%s），覆盖率 %s：%s", within(float64(t.Saving), band), named(units, t.Unit), s.fraction(t), coverage(t.Coverage), s.verdict(t))
}

func (s *Source) fraction(t *savings.StatementItem) string {
	return percentTo(float64(t.Fraction), float64(t.Uncertainty)/math.Abs(float64(t.Baseline)))
}

func (s *Source) cover(changed bool) Section {
	period, quarter := s.period()
	status := "暂估（provisional）"
	if s.final() {
		status = "定稿（final）"
	}
	unit := s.Unit
	if unit == "" {
		unit = "（未填）"
	}
	days := int(s.To.Sub(s.From.Time).Hours() / 24)
	covered := int(s.AsOf.Sub(s.From.Time).Hours()/24) + 1
	note := "节约量＝调整后基准－实际用量，只计双方同时有效的时段；负数表示多用。节约量是避免的用量，不说明由谁或何种措施造成。"
	if !quarter {
		note = "本表所列时段不是一个完整的日历季度。" + note
	}
	results := [][]string{}
	for _, t := range totals(s.Statement) {
		results = append(results, []string{county + s.facility(t.Facility) + "（" + named(resources, t.Resource) + "）", s.result(&t)})
	}
	if len(results) == 0 {
		results = [][]string{{"结果", "没有可计的节约量"}}
	}
	results = append(results, s.worth()...)
	revision := strconv.Itoa(s.revision(changed))
	return Section{Number: "一", Title: "封面", Note: note + s.floorNote(), Head: []string{"项目", "内容"}, Rows: append(results, [][]string{
		{"报表期", period}, {"起止日期", day(s.From.Time) + " 至 " + day(s.To.AddDate(0, 0, -1))},
		{"数据截至", fmt.Sprintf("%s（%d 天中的 %d 天）", day(s.AsOf.Time), days, covered)},
		{"状态", status}, {"修订号", revision}, {"填报单位", unit}, {"填报日期", day(s.Today.Time)},
		{"台账摘要（SHA-256）", s.Digest},
		{"填报人签字、日期", signature}, {"审核人签字、日期", signature}, {"负责人签字（盖章）、日期", "（盖章）" + signature},
	}...)}
}

// worth of the savings in yuan, coal and CO2, for the cover: of what the configuration
// has, and not of the program's examples.
func (s *Source) worth() (rows [][]string) {
	if !s.Examples {
		for _, row := range s.yuan(map[ingest.CommunityID]string{}).Rows {
			if row[0] == county {
				rows = append(rows, []string{county + row[2] + "节约的费用", row[6] + " ± " + row[7] + " 元"})
			}
		}
	}
	if !s.Unconfirmed {
		for _, row := range s.factors().Rows {
			if strings.Contains(row[1], "±") {
				rows = append(rows, []string{county + row[0], row[1] + " " + row[2]})
			}
		}
	}
	return rows
}

// list of names, cut where it is long.
func some(names []string, most int) string {
	if len(names) == 0 {
		return "无"
	}
	if len(names) > most {
		return strings.Join(names[:most], "、") + fmt.Sprintf(" 等 %d 项", len(names))
	}
	return strings.Join(names, "、")
}

// answers are what the conference office asks first.
func (s *Source) answers(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "一之一", Title: "本期要点", Head: []string{"问题", "回答"}}
	add := func(question, format string, args ...any) {
		section.Rows = append(section.Rows, []string{question, fmt.Sprintf(format, args...)})
	}
	title := func(item *savings.StatementItem) string {
		return names[item.Community] + s.facility(item.Facility)
	}
	best := map[[2]string][]*savings.StatementItem{}
	var order [][2]string
	var more, indistinct, thin, without []string
	verdicts := map[string]int{}
	for i := range s.Statement.Items {
		item := &s.Statement.Items[i]
		switch {
		case !counted(item):
			without = append(without, title(item))
		case !s.sure(item):
			thin = append(thin, title(item)+"（"+coverage(item.Coverage)+"）")
		case item.Verdict == baseline.Increased:
			more = append(more, title(item)+"（"+s.fraction(item)+"）")
		case item.Verdict == baseline.Saved:
			key := [2]string{string(item.Facility), item.Resource}
			if best[key] == nil {
				order = append(order, key)
			}
			best[key] = append(best[key], item)
			verdicts[baseline.Saved]++
		default:
			indistinct = append(indistinct, title(item))
		}
	}
	var who []string
	for _, key := range order {
		list := best[key]
		slices.SortStableFunc(list, func(a, b *savings.StatementItem) int { return -sign(float64(a.Saving - b.Saving)) })
		var top []string
		for _, item := range list[:min(3, len(list))] {
			top = append(top, fmt.Sprintf("%s %s %s（%s）", names[item.Community], within(float64(item.Saving), float64(item.Uncertainty)), named(units, item.Unit), s.fraction(item)))
		}
		who = append(who, fmt.Sprintf("%s节约最多：%s", s.facility(ingest.FacilityKind(key[0])), strings.Join(top, "、")))
	}
	if len(who) == 0 {
		who = []string{"没有社区的节约量可以确认"}
	}
	add("谁节约了多少", "%s。全县合计见封面，逐社区见第四节。", strings.Join(who, "；"))
	add("结果是否可靠", "%d 项确认节约，%d 项确认增加，%d 项与零无法区分，%d 项覆盖率不足不作结论，%d 项没有节约量（无基准或无读数）。区间为 90%% 置信度的半宽，其构成见附二。",
		verdicts[baseline.Saved], len(more), len(indistinct), len(thin), len(without))
	p := s.Inventory.Programme()
	var behind []string
	for _, c := range s.Inventory.Communities {
		if c.Stage == "" && (s.Only == "" || c.ID == s.Only) {
			behind = append(behind, names[c.ID])
		}
	}
	add("谁落后", "用量增加：%s。覆盖率不足：%s。没有节约量：%s。未参加创建：%s。距 60%% 达标目标尚缺 %d 个社区。",
		some(more, 8), some(thin, 8), some(without, 8), some(behind, 8), missing(p))
	kinds, open, longest := map[string]int{}, 0, -1
	for i, a := range s.Problems {
		kinds[a.Kind]++
		if a.Cleared.IsZero() {
			open++
			if longest < 0 || a.Since.Before(s.Problems[longest].Since) {
				longest = i
			}
		}
	}
	leaks := s.worstLeaks(names)
	if len(s.Problems) == 0 {
		add("出了什么问题", "没有告警。%s", leaks)
		add("怎么处理的", "没有需要处理的告警。")
		return section
	}
	frequent := slices.SortedFunc(maps.Keys(kinds), func(a, b string) int {
		if kinds[a] != kinds[b] {
			return kinds[b] - kinds[a]
		}
		return strings.Compare(a, b)
	})
	var most []string
	for _, k := range frequent[:min(4, len(frequent))] {
		most = append(most, fmt.Sprintf("%s %d 起", kindTitle(k), kinds[k]))
	}
	text := fmt.Sprintf("告警 %d 起：%s。", len(s.Problems), strings.Join(most, "、"))
	if longest >= 0 {
		a := &s.Problems[longest]
		text += fmt.Sprintf("%d 起期末未恢复，最久的是%s%s的%s（%s 起）。", open, names[a.Community], s.deviceName(a), kindTitle(a.Kind), s.local(a.Since))
	} else {
		text += "期末全部恢复。"
	}
	add("出了什么问题", "%s%s", text, leaks)
	var times []time.Duration
	touched, wrong := 0, 0
	for _, a := range s.Problems {
		if !a.Cleared.IsZero() {
			times = append(times, a.Cleared.Sub(a.Since))
		}
		if a.Status != "" {
			touched++
		}
		if a.Status == "false" {
			wrong++
		}
	}
	handled := fmt.Sprintf("恢复 %d 起", len(times))
	if len(times) > 0 {
		handled += fmt.Sprintf("，用时中位数 %s、最长 %s", lasted(median(times)), lasted(slices.Max(times)))
	}
	add("怎么处理的", "%s；有人处理（确认、派单等）%d 起，判为误报 %d 起。逐项见第六之二节。", handled, touched, wrong)
	return section
}

// worstLeaks names the communities whose meters lose most between master and children.
func (s *Source) worstLeaks(names map[ingest.CommunityID]string) string {
	type leak struct {
		name  string
		share float64
	}
	var list []leak
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		if b.Leakage != nil && item.Resource == "water" {
			list = append(list, leak{names[item.Community], float64(b.Leakage.Share)})
		}
	})
	for _, b := range s.Balances {
		if b.Resource == "water" {
			list = append(list, leak{names[b.Community], (b.Entered - b.Metered) / b.Entered})
		}
	}
	slices.SortStableFunc(list, func(a, b leak) int { return -sign(a.share - b.share) })
	var worst []string
	for _, l := range list[:min(3, len(list))] {
		worst = append(worst, l.name+" "+percent(l.share))
	}
	if len(worst) == 0 {
		return ""
	}
	return "漏损率（总表与分表之差）最高：" + strings.Join(worst, "、") + "。"
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// median of at least one.
func median(all []time.Duration) time.Duration {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func missing(p inventory.Programme) int {
	return max(0, int(math.Ceil(0.6*float64(p.All)-1e-9))-p.Met)
}

func (s *Source) target() Section {
	p := s.Inventory.Programme()
	share := func(n int) string {
		if p.All == 0 {
			return unknown
		}
		return percent(float64(n) / float64(p.All))
	}
	return Section{Number: "二", Title: "目标", Note: "比例以清单所列的全部城市社区为分母，不以参加的社区为分母；计社区，不计小区。目标：60% 的城市社区达标。", Head: []string{"项目", "社区数", "占全部"}, Rows: [][]string{
		{"全部城市社区", strconv.Itoa(p.All), share(p.All)}, {"参加创建（含达标、命名）", strconv.Itoa(p.Participating), share(p.Participating)},
		{"达标（含命名）", strconv.Itoa(p.Met), share(p.Met)}, {"命名", strconv.Itoa(p.Named), share(p.Named)}, {"距 60% 目标尚缺", strconv.Itoa(missing(p)), ""},
	}}
}

var stages = map[string]string{"": "未参加", "participating": "参加", "met": "达标", "named": "命名"}

func (s *Source) list() Section {
	section := Section{Number: "三", Title: "创建社区清单", Note: "国家标准 16 项逐项的达标情况由联席会议办公室核定，按工作台账；台账没有填的为待核。2021 年改造的小区均应列入创建。",
		Keys: 1, Head: []string{"社区编号", "社区", "镇街", "试点", "小区数", "户数", "人口", "2021 年改造小区", "阶段", "16 项", "提示"}}
	for _, c := range s.Inventory.Communities {
		renovated, hint := 0, ""
		for _, compound := range c.Compounds {
			if compound.Renovated == 2021 {
				renovated++
			}
		}
		if renovated > 0 && c.Stage == "" {
			hint = "有 2021 年改造小区而未参加创建"
		}
		if s.Only != "" && c.ID != s.Only {
			continue
		}
		items := "待核"
		if of, ok := s.Standing[c.ID]; ok {
			items = fmt.Sprintf("达标 %d、未达标 %d、待核 %d", of.Met, of.NotMet, of.Pending)
		}
		section.Rows = append(section.Rows, []string{string(c.ID), c.Name, c.Town, yes(c.Pilot), strconv.Itoa(len(c.Compounds)),
			known(c.Households), known(c.Population), strconv.Itoa(renovated), stages[c.Stage], items, hint})
	}
	return section
}

func yes(v bool) string { return map[bool]string{true: "是", false: "否"}[v] }

var (
	facilities = map[ingest.FacilityKind]string{ingest.Lighting: "照明", ingest.Water: "用水", ingest.Waste: "垃圾分类", ingest.Gate: "门禁"}
	resources  = map[string]string{"electricity": "电", "water": "水"}
	units      = map[string]string{"kWh": "千瓦时", "m3": "立方米"}
	verdicts   = map[string]string{baseline.Saved: "节约", baseline.Increased: "增加", baseline.Indistinct: "与零无法区分", baseline.NoCoveredTime: "无有效覆盖时段", "no_baseline": "无基准，不计节约量", savings.BaselineChanged: "基准被改动，不计"}
)

// facility is its name: the programme's word, or the inventory's.
func (s *Source) facility(k ingest.FacilityKind) string {
	if name, ok := facilities[k]; ok {
		return name
	}
	if f := s.Inventory.Facilities; f != nil {
		if kind := f.Kind(k); kind != nil && kind.Label.ZH != "" {
			return kind.Label.ZH
		}
	}
	return string(k)
}

// boundaryName is that of the inventory, or what the boundary measures, numbered where
// a community has several that are called the same.
func (s *Source) boundaryName(item *savings.StatementItem, b *savings.StatementBoundary) string {
	if c := s.Inventory.Community(item.Community); c != nil {
		for _, listed := range c.Boundaries {
			if listed.ID == b.ID && listed.Name != "" {
				return listed.Name
			}
		}
	}
	kind := func(b *savings.StatementBoundary) string {
		switch {
		case b.Nested:
			return "分表"
		case b.IPMVP == "A":
			return "灯具"
		case b.Status == "no_baseline":
			return "用量"
		}
		return "总表"
	}
	same, at := 0, 0
	for i := range item.Boundaries {
		if o := &item.Boundaries[i]; kind(o) == kind(b) {
			if same++; o.ID == b.ID {
				at = same
			}
		}
	}
	name := s.facility(item.Facility) + kind(b)
	if same > 1 {
		name += strconv.Itoa(at)
	}
	return name
}

func (s *Source) deviceName(p *Problem) string {
	if p.Name != "" {
		return p.Name
	}
	return string(p.Device)
}

// compoundName is "" where there is none.
func (s *Source) compoundName(community ingest.CommunityID, id ingest.CompoundID) string {
	if c := s.Inventory.Community(community); c != nil {
		for _, compound := range c.Compounds {
			if compound.ID == id && compound.Name != "" {
				return compound.Name
			}
		}
	}
	return string(id)
}

// local writes a time of the site to the minute.
func (s *Source) local(t time.Time) string {
	zone := s.Inventory.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04")
}

// The effect, which a later report reads back: its columns after the first, which
// say whose figures they are.
const (
	effectNumber = "四"
	effectKeys   = 5
)

func (s *Source) effect(names map[ingest.CommunityID]string) Section {
	section := Section{Number: effectNumber, Title: "成效：节能节水", Keys: 1, Note: "区间为半宽，合计的区间按平方和开方。" + s.floorNote() + "数字按其不确定度取舍：区间保留两位有效数字。节约率＝节约量合计／基准合计。去年同期用量未作调整，只供参考，不是节约量；当时的覆盖率不足时不列。",
		Head: []string{"社区编号", "社区", "设施", "资源", "单位", "实际", "调整后基准", "其中非常规调整", "节约量", "± 区间", "置信度", "节约率", "结论", "覆盖率", "全部用量", "去年同期用量（未调整）"}}
	names = withCounty(names)
	for _, item := range slices.Concat(totals(s.Statement), s.Statement.Items) {
		use, useKnown := used(item)
		band := float64(item.Uncertainty)
		row := []string{string(item.Community), names[item.Community], s.facility(item.Facility), named(resources, item.Resource), named(units, item.Unit)}
		if counted(&item) {
			row = append(row, Rounded(float64(item.Actual), band), Rounded(float64(item.Baseline), band), Rounded(float64(item.Adjustment), band),
				Rounded(float64(item.Saving), band), Rounded(band, band), percent(item.Confidence), s.fraction(&item))
		} else {
			row = append(row, "", "", "", "", "", "", "")
		}
		row = append(row, s.verdict(&item), coverage(item.Coverage))
		before := unknown
		if v, ok := s.usedBefore(&item); ok {
			before = rough(v)
		}
		all := unknown
		if useKnown {
			all = rough(use)
		}
		section.Rows = append(section.Rows, append(row, all, before))
	}
	return section
}

// usedBefore is the use of a year ago, where enough of it is known to stand beside this
// year's. The county's is of all its communities.
func (s *Source) usedBefore(item *savings.StatementItem) (sum float64, ok bool) {
	if item.Community != county {
		other := find(s.Before, item)
		if _, share, known := aDay(other); !known || share < s.Floor {
			return 0, false
		}
		return used(*other)
	}
	if s.Before == nil {
		return 0, false
	}
	for _, other := range s.Before.Items {
		if other.Facility != item.Facility || other.Resource != item.Resource || find(s.Statement, &other) == nil || !counted(find(s.Statement, &other)) {
			continue
		}
		v, known := used(other)
		if _, share, covered := aDay(&other); !known || !covered || share < s.Floor {
			return 0, false
		}
		sum, ok = sum+v, true
	}
	return sum, ok
}

func withCounty(names map[ingest.CommunityID]string) map[ingest.CommunityID]string {
	names = maps.Clone(names)
	names[county] = "合计"
	return names
}

// find returns the same item of another statement, nil if there is none.
func find(statement *savings.Statement, item *savings.StatementItem) *savings.StatementItem {
	if statement == nil {
		return nil
	}
	for i := range statement.Items {
		if o := &statement.Items[i]; o.Community == item.Community && o.Facility == item.Facility && o.Resource == item.Resource {
			return o
		}
	}
	return nil
}

// used is the use of the boundaries that are not within another, on whatever days
// it is known; false where no day is.
func used(item savings.StatementItem) (sum float64, ok bool) {
	for _, b := range item.Boundaries {
		if !b.Nested && b.Covered > 0 && b.IPMVP != "A" {
			sum, ok = sum+float64(b.Use), true
		}
	}
	return sum, ok
}

// aDay is what all the meters of an item use a day, and how much of their time is
// covered. false: a boundary has no covered day.
func aDay(item *savings.StatementItem) (perDay, share float64, ok bool) {
	if item == nil {
		return 0, 0, false
	}
	n := 0
	for _, b := range item.Boundaries {
		if b.Nested || b.IPMVP == "A" {
			continue
		}
		if math.IsNaN(float64(b.PerDay)) {
			return 0, 0, false
		}
		perDay, share, n = perDay+float64(b.PerDay), share+float64(b.Coverage), n+1
	}
	return perDay, share / float64(n), n > 0
}

var (
	methods = map[string]string{"lamp_inventory": "灯具清单×燃点时间", "regression": "回归", "mean": "均值", "per_capita_monthly": "人均分月", "irrigation": "灌溉需水", "none": "无"}
	drivers = map[string]string{"dark_hours": "夜长", "fixed_hours": "约定燃点时间", "cdd": "制冷度日", "hdd": "采暖度日", "persons": "人数", "month": "月份", "weekend": "周末", "rest_days": "休息日", "festival": "春节",
		"weather": "蒸散与降雨", "lamps": "灯数与功率"}
	options = map[string]string{"A": "A（灯具推算）", "B": "B（计量改造部分）", "C": "C（计量整体）", "none": "不计节约"}
	states  = map[string]string{"frozen": "有效", "changed": "被改动，不计", "nested": "嵌套在其他边界内，不重复计", "no_baseline": "无基准，只列用量"}
)

func orNone(s string) string {
	if s == "" {
		return "无"
	}
	return s
}

// boundaries yields each boundary of the statement.
func (s *Source) boundaries(yield func(item *savings.StatementItem, b *savings.StatementBoundary)) {
	for i := range s.Statement.Items {
		item := &s.Statement.Items[i]
		for j := range item.Boundaries {
			yield(item, &item.Boundaries[j])
		}
	}
}

// state of a boundary in words.
func state(b *savings.StatementBoundary) string {
	if b.Nested && b.Status == "no_baseline" {
		return states["nested"]
	}
	return named(states, b.Status)
}

func (s *Source) key(names map[ingest.CommunityID]string, item *savings.StatementItem, b *savings.StatementBoundary) []string {
	return []string{string(item.Community), b.ID, names[item.Community], s.boundaryName(item, b)}
}

var boundaryHead = []string{"社区编号", "边界编号", "社区", "计量边界"}

func head(columns ...string) []string { return slices.Concat(boundaryHead, columns) }

func (s *Source) sheets(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "附一", Title: "计量边界与基准", Keys: 2, Note: "基准在改造前确定并冻结：其内容和决定结论的设置有一个摘要，改动而不换版本即不计节约量。方案按 IPMVP（见附五）。静态因素是视为不变的条件，其变化见附三。",
		Head: head("方案", "基准方法", "驱动因素", "基准期", "静态因素", "计量表（等级）", "版本", "批准人", "依据", "状态", "摘要")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		row := append(s.key(names, item, b), named(options, b.IPMVP), named(methods, b.Method))
		meters := strconv.Itoa(b.Meters) + " 只"
		if b.IPMVP == "A" {
			meters = "无（推算）"
		}
		if b.Sheet == nil {
			section.Rows = append(section.Rows, append(row, "—", "—", "—", meters, "—", "—", "—", state(b), "—"))
			return
		}
		h := b.Sheet
		var by, static []string
		for _, d := range h.Drivers {
			by = append(by, named(drivers, d))
		}
		if h.Lamps > 0 {
			static = append(static, fmt.Sprintf("灯 %g 盏", h.Lamps))
		}
		if h.Persons > 0 {
			static = append(static, fmt.Sprintf("基准期末 %g 人", h.Persons))
		}
		if h.Class > 0 {
			meters += fmt.Sprintf("（%g 级）", h.Class)
		}
		if names := s.meterNames(h.Meters); names != "" {
			meters += "：" + names
		}
		section.Rows = append(section.Rows, append(row, orNone(strings.Join(by, "、")), day(h.Period[0].Time)+" 至 "+day(h.Period[1].AddDate(0, 0, -1)), orNone(strings.Join(static, "、")), meters,
			strconv.Itoa(b.Version), orNone(h.ApprovedBy), orNone(h.Evidence), state(b), h.Hash))
	})
	return section
}

// meterNames are those that have one; a serial number says nothing to a reader.
func (s *Source) meterNames(meters []ingest.DeviceID) string {
	var list []string
	for _, id := range meters {
		if d := s.Inventory.Device(id); d != nil && d.Name != "" {
			list = append(list, d.Name)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return some(list, 3)
}

func (s *Source) quality(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "附二", Title: "基准质量与区间构成", Keys: 2, Note: "CV(RMSE) 是基准期逐日误差对均值之比，NMBE 是净偏差，有效天数是计入自相关后这些天抵得上的独立天数，ρ 是相邻两日误差的相关；基准没有给出时按有效天数＝天数×(1－ρ)/(1＋ρ) 折算。以均值为基准时 R² 没有意义。区间的各部分为 90% 置信度的半宽，按平方和开方合成；声明的部分没有填写的为 0，即不在区间之内。",
		Head: head("天数 n", "有效天数", "ρ", "CV(RMSE)", "NMBE", "R²", "± 拟合", "± 声明功率或用量", "± 年际差别", "± 燃亮率", "± 开关时间", "± 表计等级", "± 静默的表", "± 合计", "单位")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		h := b.Sheet
		if h == nil {
			return
		}
		number := func(v baseline.Figure, f func(float64) string) string {
			if math.IsNaN(float64(v)) {
				return "—"
			}
			return f(float64(v))
		}
		row := s.key(names, item, b)
		if h.N == 0 {
			row = append(row, "不拟合", "—")
		} else {
			row = append(row, strconv.Itoa(h.N), number(h.Effective, func(v float64) string { return decimal(v, 0) }))
		}
		row = append(row, number(h.Rho, func(v float64) string { return decimal(v, 2) }), number(h.CV, percent), number(h.NMBE, func(v float64) string { return decimal(100*v, 2) + "%" }), number(h.R2, func(v float64) string { return decimal(v, 2) }))
		total := b.Parts.Total()
		for _, part := range []baseline.Figure{b.Parts.Fit, b.Parts.Watts, b.Parts.Year, b.Parts.Burning, b.Parts.Hours, b.Parts.Class, b.Parts.Silent, baseline.Figure(total)} {
			row = append(row, Rounded(float64(part), total))
		}
		section.Rows = append(section.Rows, append(row, named(units, item.Unit)))
	})
	return section
}

func (s *Source) events(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "附三", Title: "非常规事件", Keys: 2, Note: "静态因素的变化、改造施工期、换表，以及基准筛查中发现而经批准接受的情况，各有原因和依据。",
		Head: head("类别", "起止", "数量", "原因", "依据")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		add := func(kind, when, amount, why, doc string) {
			section.Rows = append(section.Rows, append(s.key(names, item, b), kind, when, amount, why, orNone(doc)))
		}
		for _, n := range b.Adjustments {
			until := "起"
			if !n.To.IsZero() {
				until = " 至 " + day(n.To.AddDate(0, 0, -1))
			}
			amount := fmt.Sprintf("每日 %+g %s", n.PerDay, named(units, item.Unit))
			if len(n.Groups) > 0 {
				lamps := 0.0
				for _, g := range n.Groups {
					lamps += g.Count
				}
				amount = fmt.Sprintf("%s %g 盏灯，按当日夜长", map[bool]string{false: "增", true: "减"}[n.Remove], lamps)
			}
			add("非常规调整", day(n.From.Time)+until, amount, n.Why, n.Doc)
		}
		if b.Sheet == nil {
			return
		}
		if i := b.Sheet.Intervention; len(i) == 2 {
			add("改造施工期", day(i[0].Time)+" 至 "+day(i[1].AddDate(0, 0, -1)), "两侧均不计", "改造", "")
		}
		for _, w := range b.Sheet.Swaps {
			at, err := time.Parse(time.RFC3339, w.At)
			if err == nil && !at.Before(s.From.Time) && at.Before(s.To.AddDate(0, 0, 1)) {
				add("换表", s.local(at), fmt.Sprintf("止码 %g，起码 %g", w.Closing, w.Opening), "换表", "")
			}
		}
		for _, a := range b.Sheet.Accepted {
			add("接受基准筛查结果", "基准期", named(screened, a.Kind), a.Reason, b.Sheet.Evidence)
		}
	})
	return section
}

var screened = map[string]string{"thin": "天数不足", "season": "月份不足", "leak": "持续偏高（疑似漏水）", "low": "持续偏低", "level_shift": "水平变化", "leak_alarm": "漏水告警", "leak_limit": "不能排除漏水（只有日用量）", "night_flow": "夜间流量偏高", "meters": "表数变化", "outliers": "异常值过多"}

// compared sets use beside that of the period before and of a year ago, unadjusted, and
// the adjusted savings of each.
func (s *Source) compared(names map[ingest.CommunityID]string) Section {
	before := "上一期"
	if _, quarter := s.period(); quarter {
		before = "上季度"
	}
	section := Section{Number: "四之一", Title: "同比与环比", Keys: 1, Note: "日均用量是有效天数的平均，未作天气、夜长、人数调整，只供参考；环比、同比的覆盖率任一不足时不比。节约率是对基准的，已作调整，各期可比。",
		Head: []string{"社区编号", "社区", "设施", "单位", "本期日均（未调整）", "本期覆盖率", before + "日均", "覆盖率", "环比", "去年同期日均", "覆盖率", "同比", "本期节约率（已调整）", before + "节约率", "去年同期节约率"}}
	names = withCounty(names)
	saved := func(item *savings.StatementItem) string {
		switch {
		case item == nil || !counted(item):
			return "—"
		case !s.sure(item):
			return "覆盖率不足"
		}
		return s.fraction(item)
	}
	type side struct{ perDay, share float64 }
	row := func(item *savings.StatementItem, now side, known bool, previous, ago side, have [2]bool, before, year *savings.StatementItem) {
		line := []string{string(item.Community), names[item.Community], s.facility(item.Facility), named(units, item.Unit)}
		if !known {
			line = append(line, unknown, "—")
		} else {
			line = append(line, rough(now.perDay), percent(now.share))
		}
		for i, then := range []side{previous, ago} {
			if !have[i] {
				line = append(line, unknown, "—", "—")
				continue
			}
			line = append(line, rough(then.perDay), percent(then.share))
			switch {
			case !known:
				line = append(line, "—")
			case now.share < s.Floor || then.share < s.Floor:
				line = append(line, "覆盖率不足")
			default:
				line = append(line, change(now.perDay, then.perDay))
			}
		}
		section.Rows = append(section.Rows, append(line, saved(item), saved(before), saved(year)))
	}
	// The county's is of the communities that are known in all three.
	var order []string
	sums := map[string]*[3]side{}
	counts := map[string]int{}
	for i := range s.Statement.Items {
		item := &s.Statement.Items[i]
		var sides [3]side
		all := true
		for j, statement := range []*savings.Statement{s.Statement, s.Previous, s.Before} {
			perDay, share, ok := aDay(find(statement, item))
			sides[j], all = side{perDay, share}, all && ok
		}
		if !all {
			continue
		}
		key := string(item.Facility) + "\x00" + item.Resource
		if sums[key] == nil {
			sums[key], order = new([3]side), append(order, key)
		}
		counts[key]++
		for j := range sides {
			sums[key][j].perDay += sides[j].perDay
			sums[key][j].share += sides[j].share
		}
	}
	total := func(statement *savings.Statement, facility, resource string) *savings.StatementItem {
		if statement == nil {
			return nil
		}
		for _, t := range totals(statement) {
			if string(t.Facility) == facility && t.Resource == resource {
				return &t
			}
		}
		return nil
	}
	for _, key := range order {
		facility, resource, _ := strings.Cut(key, "\x00")
		sum, n := sums[key], float64(counts[key])
		for j := range sum {
			sum[j].share /= n
		}
		item := total(s.Statement, facility, resource)
		if item == nil {
			continue
		}
		row(item, sum[0], true, sum[1], sum[2], [2]bool{true, true}, total(s.Previous, facility, resource), total(s.Before, facility, resource))
	}
	for i := range s.Statement.Items {
		item := &s.Statement.Items[i]
		var sides [3]side
		var have [3]bool
		for j, statement := range []*savings.Statement{s.Statement, s.Previous, s.Before} {
			sides[j].perDay, sides[j].share, have[j] = aDay(find(statement, item))
		}
		row(item, sides[0], have[0], sides[1], sides[2], [2]bool{have[1], have[2]}, find(s.Previous, item), find(s.Before, item))
	}
	return section
}

// year has the savings of the year to date, and of its quarters.
func (s *Source) year(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "四之二", Title: "本年累计与各季度", Keys: 1, Note: fmt.Sprintf("自 1 月 1 日至 %s 的节约量，逐日计算后相加，不由季度推算；各季度为全县合计。%s", day(s.AsOf.Time), s.floorNote()),
		Head: []string{"社区编号", "社区", "时段", "设施", "单位", "实际", "调整后基准", "节约量", "± 区间", "节约率", "覆盖率", "结论"}}
	names = withCounty(names)
	add := func(item *savings.StatementItem, when string) {
		if !counted(item) {
			return
		}
		band := float64(item.Uncertainty)
		section.Rows = append(section.Rows, []string{string(item.Community), names[item.Community], when, s.facility(item.Facility), named(units, item.Unit), Rounded(float64(item.Actual), band), Rounded(float64(item.Baseline), band),
			Rounded(float64(item.Saving), band), Rounded(band, band), s.fraction(item), coverage(item.Coverage), s.verdict(item)})
	}
	for _, q := range s.Quarters {
		for _, t := range totals(q.Statement) {
			add(&t, fmt.Sprintf("第%d季度", q.Number))
		}
	}
	if s.Year != nil {
		for _, item := range slices.Concat(totals(s.Year), s.Year.Items) {
			add(&item, "本年累计")
		}
	}
	return section
}

// yuan values the savings.
func (s *Source) yuan(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "四之三", Title: "节约的费用", Keys: 1, Note: "节约量按价格折算。分时电价按用电在各小时的分布取平均；阶梯水价按户均年用量在基准与实际之间的差额计，未计户间差别。区间不含价格的不确定度，全县按平方和开方合成。",
		Head: []string{"社区编号", "社区", "设施", "节约量", "单位", "均价（元）", "节约费用（元）", "± 区间", "价格", "分时依据"}}
	names = withCounty(names)
	type sum struct{ yuan, squares float64 }
	var order []ingest.FacilityKind
	sums := map[ingest.FacilityKind]*sum{}
	var rows [][]string
	bases := map[string]string{"metered": "按时计量", "nights": "夜长推算", "even": "全天平均", "steps": "—", "flat": "—"}
	for i := range s.Statement.Items {
		item := &s.Statement.Items[i]
		t := savings.TariffOf(s.Tariffs, item.Facility, item.Resource)
		if t == nil || !counted(item) {
			continue
		}
		saving, band := float64(item.Saving), float64(item.Uncertainty)
		price, basis := t.Price, "flat"
		value := saving * price
		switch {
		case len(t.Steps) > 0:
			households := 0
			if c := s.Inventory.Community(item.Community); c != nil {
				households = c.Households
			}
			days := float64(item.Coverage) * s.due(item)
			if households == 0 || days == 0 {
				rows = append(rows, []string{string(item.Community), names[item.Community], s.facility(item.Facility), Rounded(saving, band), named(units, item.Unit), unknown, "户数未知", "", t.Name, "—"})
				continue
			}
			basis = "steps"
			value, price = t.Stepped(float64(item.Baseline), float64(item.Actual), float64(households), days)
		case len(t.Hours) > 0:
			profile := s.Profiles[Profiled{item.Community, item.Facility, item.Resource}]
			if basis = profile.Basis; basis == "" {
				basis = "even"
			}
			price = t.Mean(&profile.Hours)
			value = saving * price
		}
		if sums[item.Facility] == nil {
			sums[item.Facility], order = &sum{}, append(order, item.Facility)
		}
		half := band * math.Abs(price)
		sums[item.Facility].yuan += value
		sums[item.Facility].squares += half * half
		rows = append(rows, []string{string(item.Community), names[item.Community], s.facility(item.Facility), Rounded(saving, band), named(units, item.Unit), decimal(price, 4), Rounded(value, half), Rounded(half, half), t.Name, bases[basis]})
	}
	for _, facility := range order {
		band := math.Sqrt(sums[facility].squares)
		section.Rows = append(section.Rows, []string{county, names[county], s.facility(facility), "", "", "", Rounded(sums[facility].yuan, band), Rounded(band, band), "", ""})
	}
	section.Rows = append(section.Rows, rows...)
	if s.Examples && len(rows) > 0 {
		section.Note = "【示例】配置中没有价格，下列金额按示例价格计算，不得引用；请在配置 savings.tariffs 中填写当地价格及文件。" + section.Note
	}
	var sources []string
	for _, t := range s.Tariffs {
		sources = append(sources, t.Name+"："+t.Source)
	}
	if len(sources) > 0 {
		section.Note += "来源：" + strings.Join(sources, "；") + "。"
	}
	return section
}

// due is how many days of the period are due for an item.
func (s *Source) due(item *savings.StatementItem) float64 {
	days := 0
	for _, b := range item.Boundaries {
		if b.Sheet != nil && b.Status != "nested" {
			days = max(days, b.Days)
		}
	}
	return float64(days)
}

// ranking of the communities: those of which something is sure by their share saved,
// then the others.
func (s *Source) ranking(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "四之四", Title: "社区排名", Keys: 1, Note: "按已调整的节约率排序，只排覆盖率足够的；其余列在后面，不排名次。相邻名次的差别小于两者区间时不说明优劣。户均按户数，盏均按基准所列灯数。",
		Head: []string{"社区编号", "名次", "社区", "设施", "节约率", "± 区间", "节约量", "单位", "户均节约", "盏均节约", "结论"}}
	items := make([]*savings.StatementItem, 0, len(s.Statement.Items))
	for i := range s.Statement.Items {
		if counted(&s.Statement.Items[i]) {
			items = append(items, &s.Statement.Items[i])
		}
	}
	slices.SortStableFunc(items, func(a, b *savings.StatementItem) int {
		switch {
		case a.Facility != b.Facility:
			return strings.Compare(string(a.Facility), string(b.Facility))
		case s.sure(a) != s.sure(b):
			return map[bool]int{true: -1, false: 1}[s.sure(a)]
		}
		return -sign(float64(a.Fraction - b.Fraction))
	})
	place, of := 0, ingest.FacilityKind("")
	for _, item := range items {
		if item.Facility != of {
			place, of = 0, item.Facility
		}
		rank := "—"
		if s.sure(item) {
			place++
			rank = strconv.Itoa(place)
		}
		saving, band := float64(item.Saving), float64(item.Uncertainty)
		each := func(n float64) string {
			if n == 0 {
				return "—"
			}
			return Rounded(saving/n, band/n)
		}
		households, lamps := 0.0, 0.0
		if c := s.Inventory.Community(item.Community); c != nil && item.Resource == "water" {
			households = float64(c.Households)
		}
		for _, b := range item.Boundaries {
			if b.Sheet != nil && b.Status != "nested" {
				lamps += b.Sheet.Lamps
			}
		}
		relative := band / math.Abs(float64(item.Baseline))
		section.Rows = append(section.Rows, []string{string(item.Community), rank, names[item.Community], s.facility(item.Facility), s.fraction(item), percentTo(relative, relative), Rounded(saving, band), named(units, item.Unit), each(households), each(lamps), s.verdict(item)})
	}
	return section
}

// mostOfALamp is what one lamp uses a day at most, kWh: 600 W for 16 hours. A meter that
// counts more is of a cabinet, and how many lamps are behind it nobody has said.
const mostOfALamp = 10

// compounds by use a household and lamp.
func (s *Source) compounds(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "四之五", Title: "小区排名：户均与盏均用量", Keys: 2, Note: "按户均（水）或盏均（照明）日用量由低到高；用量未作调整，户型、人口和照度不同，只供查找异常。灯数按台账；未填的，一只表一盏灯，日用量超过 10 千瓦时的表是配电箱，灯数未知。覆盖率不足或灯数未知的列在后面，不排名次。",
		Head: []string{"社区编号", "小区编号", "名次", "小区", "社区", "设施", "日用量", "单位", "户数或灯数", "每户（升／日）或每盏（千瓦时／日）", "覆盖率"}}
	type entry struct {
		Compound
		each, of float64
	}
	var list []entry
	for _, c := range s.Compounds {
		e := entry{Compound: c}
		households, lamps := 0, 0
		if community := s.Inventory.Community(c.Community); community != nil {
			for _, compound := range community.Compounds {
				if compound.ID == c.Compound {
					households, lamps = compound.Households, compound.Lamps
				}
			}
		}
		switch {
		case c.Resource == "water" && households > 0:
			e.of, e.each = float64(households), c.PerDay*1000/float64(households)
		case c.Facility == ingest.Lighting:
			if lamps == 0 && c.PerDay < mostOfALamp*float64(c.Meters) {
				lamps = c.Meters
			}
			e.of, e.each = float64(lamps), math.Inf(1)
			if lamps > 0 {
				e.each = c.PerDay / float64(lamps)
			}
		default:
			continue
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		switch thin := [2]bool{a.Coverage < s.Floor || a.of == 0, b.Coverage < s.Floor || b.of == 0}; {
		case a.Facility != b.Facility:
			return strings.Compare(string(a.Facility), string(b.Facility))
		case thin[0] != thin[1]:
			return map[bool]int{true: 1, false: -1}[thin[0]]
		}
		return sign(a.each - b.each)
	})
	place, facility := 0, ingest.FacilityKind("")
	for _, e := range list {
		if e.Facility != facility {
			place, facility = 0, e.Facility
		}
		rank := "—"
		of, each := unknown, "—"
		if e.of > 0 {
			of, each = decimal(e.of, 0), rough(e.each)
		}
		if e.Coverage >= s.Floor && e.of > 0 {
			place++
			rank = strconv.Itoa(place)
		}
		unit := map[string]string{"water": "立方米", "electricity": "千瓦时"}[e.Resource]
		section.Rows = append(section.Rows, []string{string(e.Community), string(e.Compound.Compound), rank, s.compoundName(e.Community, e.Compound.Compound), names[e.Community], s.facility(e.Facility),
			rough(e.PerDay), unit, of, each, percent(e.Coverage)})
	}
	return section
}

// typical sets the saving of a typical year beside what was avoided.
func (s *Source) typical(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "附四", Title: "典型年节约量", Keys: 2, Note: "避免的用量是截至本期末 365 天内实际发生的；典型年节约量（IPMVP 的标准化节约）是同样的措施在一个典型年的节约：按现有人数和全年逐日夜长，各月用本年该月的节约率，不缺日。须有一整年的报告期，每月至少 15 个有效日；随气温变化的基准没有典型年气温，不计。",
		Head: head("单位", "365 天内避免的用量", "± 区间", "有效天数", "典型年基准", "典型年节约量", "± 区间")}
	if s.Typical == nil {
		return section
	}
	for i := range s.Typical.Items {
		item := &s.Typical.Items[i]
		for j := range item.Boundaries {
			b := &item.Boundaries[j]
			if b.Sheet == nil || b.Status == "nested" || math.IsNaN(float64(b.Saving)) || b.Covered == 0 {
				continue
			}
			band := float64(b.Band)
			row := append(s.key(names, item, b), named(units, item.Unit), Rounded(float64(b.Saving), band), Rounded(band, band))
			if n := b.Normal; n != nil {
				half := float64(n.Band)
				row = append(row, strconv.Itoa(n.Days), Rounded(float64(n.Baseline), half), Rounded(float64(n.Saving), half), Rounded(half, half))
			} else {
				row = append(row, strconv.Itoa(b.Covered), "—", "不足一整年，或没有典型年气温", "")
			}
			section.Rows = append(section.Rows, row)
		}
	}
	return section
}

func (s *Source) water(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "五", Title: "用水状况", Keys: 2, Note: "人均用水与定额之比、夜间流量都是状态和合规指标，不是节约量。净夜间流量＝2 至 4 时平均流量－合理夜间用水（6% 人口，每次 10 升）；单个社区不适用漏损指数。",
		Head: head("人均日用水（升）", "定额（升）", "与定额之比", "夜间流量（立方米／时）", "净夜间流量（立方米／时）", "有效夜数")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		if item.Resource != "water" || b.Nested {
			return
		}
		quota := unknown
		if q := float64(b.PerCapita / b.QuotaRatio); !math.IsNaN(q) {
			quota = decimal(q, 0)
		}
		section.Rows = append(section.Rows, append(s.key(names, item, b), figure(b.PerCapita, 0), quota, ratio(b.QuotaRatio), figure(b.NightFlow, 2), figure(b.NetNightFlow, 2), strconv.Itoa(b.Nights)))
	})
	return section
}

// leakage is master less children.
func (s *Source) leakage(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "五之一", Title: "漏损：总表与分表", Keys: 2, Note: "漏损率＝（总表－分表合计）／总表，只计各表均有效的日子；含漏水、未装表的用水和表计误差。区间按表计等级；没有填写等级的为 0。先列计量边界，后列台账中写明前后关系的表。未作 CJJ 92 的修正。",
		Head: head("单位", "有效天数", "总表", "分表合计", "差额", "± 区间", "漏损率")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		l := b.Leakage
		if l == nil {
			return
		}
		band := float64(l.Band)
		if band == 0 {
			band = float64(l.Entered) / 100
		}
		section.Rows = append(section.Rows, append(s.key(names, item, b), named(units, item.Unit), strconv.Itoa(l.Days), Rounded(float64(l.Entered), band), Rounded(float64(l.Metered), band), Rounded(float64(l.Lost), band), Rounded(float64(l.Band), band), percent(float64(l.Share))))
	})
	units := map[string]string{"water": "立方米", "electricity": "千瓦时"}
	for _, b := range s.Balances {
		name := b.Name
		if name == "" {
			name = string(b.Device)
		}
		row := []string{string(b.Community), string(b.Device), names[b.Community], fmt.Sprintf("%s（其后 %d 只表）", name, b.Meters), units[b.Resource], strconv.Itoa(b.Days), rough(b.Entered), rough(b.Metered), Rounded(b.Entered-b.Metered, b.Entered/100), "—", percent((b.Entered - b.Metered) / b.Entered)}
		section.Rows = append(section.Rows, row)
	}
	return section
}

func (s *Source) facilities(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "六", Title: "垃圾分类与门禁", Keys: 1, Note: "满溢度和重量不说明分类准确率；没有抽查记录就没有准确率。门禁只计人次，不含个人信息。未列出的项目是设备没有上报。",
		Head: []string{"社区编号", "社区", "项目", "类别", "数量", "单位"}}
	what := map[string][2]string{"deposits": {"投放", "次"}, "kilograms": {"垃圾净重", "千克"}, "collections": {"清运（上报）", "次"}, "passes in": {"门禁进入", "人次"}, "passes out": {"门禁离开", "人次"},
		"inspections correct": {"抽查正确", "次"}, "inspections wrong": {"抽查错误", "次"}}
	streams := map[string]string{"kitchen": "厨余垃圾", "recyclable": "可回收物", "hazardous": "有害垃圾", "residual": "其他垃圾"}
	for _, c := range s.Counts {
		w, ok := what[c.What]
		if !ok {
			w = [2]string{c.What, ""}
		}
		section.Rows = append(section.Rows, []string{string(c.Community), names[c.Community], w[0], named(streams, c.Stream), strconv.FormatFloat(math.Round(c.Value), 'f', 0, 64), w[1]})
	}
	return section
}

// reported is how a unit is shown, and what values are multiplied by.
var reported = map[string]struct {
	unit  string
	scale float64
}{"1": {"", 1}, "count": {"", 1}, "0/1": {"%", 100}, "ratio": {"%", 100}, "Pa": {"千帕", 1e-3}, "Cel": {"℃", 1}, "kWh": {"千瓦时", 1}, "W": {"瓦", 1}, "A": {"安", 1}, "V": {"伏", 1}, "dB": {"分贝", 1}, "mm": {"毫米", 1}, "m": {"米", 1}, "m3/s": {"立方米/小时", 3600}, "ug/m3": {"微克/立方米", 1}}

func (s *Source) others(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "六之三", Title: "其他设施", Keys: 1, Note: "各设施在本期内的读数：平均和最高为全部读数的；是否类的量为“是”的读数所占比例；合计为各次增量之和。声级的平均为能量平均。",
		Head: []string{"社区编号", "社区", "设施", "量", "平均", "最高", "合计", "单位"}}
	for _, o := range s.Others {
		r, ok := reported[o.Quantity.Unit]
		if !ok {
			r.unit, r.scale = o.Quantity.Unit, 1
		}
		show := func(v float64) string {
			if math.IsNaN(v) {
				return ""
			}
			v *= r.scale
			decimals := 0
			if math.Abs(v) < 100 {
				decimals = 1
			}
			return strconv.FormatFloat(v, 'f', decimals, 64)
		}
		section.Rows = append(section.Rows, []string{string(o.Community), names[o.Community], s.Inventory.Facilities.Kind(o.Facility).Label.ZH, o.Quantity.Label.ZH, show(o.Mean), show(o.Max), show(o.Sum), r.unit})
	}
	return section
}

func kindTitle(kind string) string {
	for _, k := range anomaly.Kinds {
		if k.Name == kind {
			return k.Title.ZH
		}
	}
	return kind
}

func (s *Source) alarms(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "六之一", Title: "告警处置", Keys: 1, Note: "发生：本期内发生的告警；恢复：本期内恢复的，含期初未恢复的。用时从发生到恢复。", Head: []string{"社区编号", "社区", "告警", "发生", "恢复", "期末未恢复", "恢复用时中位数", "最长"}}
	type key struct {
		community ingest.CommunityID
		kind      string
	}
	type sum struct {
		raised, open int
		times        []time.Duration
	}
	sums := map[key]*sum{}
	for _, p := range s.Problems {
		k := key{p.Community, p.Kind}
		if sums[k] == nil {
			sums[k] = &sum{}
		}
		if !p.Since.Before(s.begins()) {
			sums[k].raised++
		}
		if p.Cleared.IsZero() {
			sums[k].open++
		} else {
			sums[k].times = append(sums[k].times, p.Cleared.Sub(p.Since))
		}
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		if a.community != b.community {
			return strings.Compare(string(a.community), string(b.community))
		}
		return strings.Compare(a.kind, b.kind)
	})
	for _, k := range keys {
		v := sums[k]
		row := []string{string(k.community), names[k.community], kindTitle(k.kind), strconv.Itoa(v.raised), strconv.Itoa(len(v.times)), strconv.Itoa(v.open)}
		if len(v.times) > 0 {
			row = append(row, lasted(median(v.times)), lasted(slices.Max(v.times)))
		} else {
			row = append(row, "—", "—")
		}
		section.Rows = append(section.Rows, row)
	}
	return section
}

// begins is the local midnight the period begins at.
func (s *Source) begins() time.Time {
	zone := s.Inventory.Zone
	if zone == nil {
		zone = time.UTC
	}
	return time.Date(s.From.Year(), s.From.Month(), s.From.Day(), 0, 0, 0, 0, zone)
}

// mostProblems are listed one by one; a page takes about forty.
const mostProblems = 200

var (
	severities = map[string]string{"critical": "严重", "warning": "警告", "info": "提示"}
	statuses   = map[string]string{"": "无人处理", "open": "未确认", "acknowledged": "已确认", "assigned": "已派单", "in_progress": "处理中", "cleared": "已办结", "false": "误报"}
)

func (s *Source) problems(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "六之二", Title: "存在问题与处理情况", Keys: 2, Note: "期末未恢复的在前，其余按严重程度、用时排列。用时从发生到恢复；响应从发生到第一次有人处理。",
		Head: []string{"社区编号", "设备编号", "社区", "小区", "设备", "问题", "程度", "发生", "恢复", "用时", "处理", "责任人", "响应"}}
	list := slices.Clone(s.Problems)
	rank := func(p *Problem) int {
		i := slices.Index([]string{"critical", "warning", "info"}, p.Severity)
		if p.Cleared.IsZero() {
			i -= 10
		}
		return i
	}
	slices.SortStableFunc(list, func(a, b Problem) int {
		if r := rank(&a) - rank(&b); r != 0 {
			return r
		}
		if a.Cleared.IsZero() {
			return a.Since.Compare(b.Since)
		}
		return sign(float64(b.Cleared.Sub(b.Since) - a.Cleared.Sub(a.Since)))
	})
	if len(list) > mostProblems {
		section.Note += fmt.Sprintf("共 %d 起，列出 %d 起，其余见第六之一节的汇总。", len(list), mostProblems)
		list = list[:mostProblems]
	}
	for _, p := range list {
		cleared, took, response := "未恢复", "—", "—"
		if !p.Cleared.IsZero() {
			cleared, took = s.local(p.Cleared), lasted(p.Cleared.Sub(p.Since))
		}
		if !p.Confirmed.IsZero() {
			response = lasted(p.Confirmed.Sub(p.Since))
		}
		who := p.Assignee
		if who == "" {
			who = p.By
		}
		handled := named(statuses, p.Status)
		if p.Reason != "" {
			handled += "：" + p.Reason
		}
		section.Rows = append(section.Rows, []string{string(p.Community), string(p.Device), names[p.Community], s.compoundName(p.Community, p.Compound), s.deviceName(&p), kindTitle(p.Kind), named(severities, p.Severity), s.local(p.Since), cleared, took,
			handled, orNone(who), response})
	}
	return section
}

var reasons = map[books.Reason]string{
	books.Rollover: "翻转", books.Backward: "倒退", books.Swap: "换表", books.Gap: "中断", books.Provisional: "估抄", books.TrueUp: "估抄更正",
	books.Duplicate: "重复", books.Late: "迟到", books.Reset: "复位", books.Implausible: "不合理", books.Scale: "换单位",
}

func (s *Source) data(names map[ingest.CommunityID]string) Section {
	section := Section{Number: "七", Title: "数据质量", Keys: 2, Note: "未计入节约量的边界及原因也列于此。", Head: head("有效天数", "未覆盖天数", "覆盖率", "读数异常（次）", "未计入的原因")}
	s.boundaries(func(item *savings.StatementItem, b *savings.StatementBoundary) {
		var odd []string
		for r, n := range b.Anomalies {
			odd = append(odd, fmt.Sprintf("%s %d", named(reasons, r), n))
		}
		slices.Sort(odd)
		why := ""
		switch {
		case b.Status != "frozen":
			why = state(b)
		case b.Covered == 0:
			why = "没有有效读数"
		}
		section.Rows = append(section.Rows, append(s.key(names, item, b), fmt.Sprintf("%d/%d", b.Covered, b.Days), strconv.Itoa(b.Days-b.Covered), coverage(b.Coverage), strings.Join(odd, "，"), why))
	})
	return section
}

func (s *Source) restated(changes [][]string) Section {
	section := Section{Number: "八", Title: "对已报数字的更正", Keys: 1, Head: []string{"社区编号", "社区", "设施", "资源", "项目", "已报", "现为"}, Rows: changes}
	switch {
	case s.Filed == nil:
		section.Note = "未提供本期已报的报表，不作比较。"
	case len(changes) == 0:
		section.Note = fmt.Sprintf("与修订号 %d 的报表比较，没有变化。", s.Filed.Revision)
	default:
		section.Note = fmt.Sprintf("与修订号 %d 的报表比较。", s.Filed.Revision)
	}
	return section
}

// restatements are the figures that differ from those filed, as they are shown:
// any of the effect, and those that are there no more. A column that the filed
// report did not have is not compared.
func (s *Source) restatements(names map[ingest.CommunityID]string) [][]string {
	if s.Filed == nil {
		return nil
	}
	var rows [][]string
	effect := s.effect(names)
	here := map[[3]string]bool{}
	for _, row := range effect.Rows {
		key := [3]string{row[0], row[2], row[3]}
		here[key] = true
		filed, ok := s.Filed.Figures[key]
		for i := effectKeys; i < len(row); i++ {
			column := effect.Head[i]
			was, had := filed[column]
			if was != row[i] && (had || !ok) {
				rows = append(rows, []string{row[0], row[1], row[2], row[3], column, orNone(was), orNone(row[i])})
			}
		}
	}
	gone := slices.SortedFunc(maps.Keys(s.Filed.Figures), func(a, b [3]string) int { return slices.Compare(a[:], b[:]) })
	for _, key := range gone {
		if !here[key] {
			rows = append(rows, []string{key[0], names[ingest.CommunityID(key[0])], key[1], key[2], "节约量", orNone(s.Filed.Figures[key]["节约量"]), orNone("")})
		}
	}
	return rows
}

func (s *Source) factors() Section {
	section := Section{Number: "九", Title: "折标准煤与二氧化碳", Note: "按数据年份取因子，不以其他地区代替；本年的因子尚未公布时，另列最近公布年份的。当量值与等价值不混用。水不折算。", Head: []string{"项目", "数值", "单位", "数据年份", "地区", "来源"}}
	if s.Unconfirmed && s.Factors.Given() {
		section.Note = "【默认值，待确认】配置中没有因子，下列按全国公布的默认值计算；请在配置 savings.factors 中确认或改用本省的。" + section.Note
	}
	for _, f := range s.Factors.Emission {
		if f.Area == s.Factors.Area {
			section.Rows = append(section.Rows, []string{"电力排放因子", strconv.FormatFloat(f.KgCO2, 'g', -1, 64), "千克CO₂／千瓦时", strconv.Itoa(f.Year), f.Area, f.Source})
		}
	}
	for _, by := range s.Factors.Coal {
		switch by {
		case savings.Calorific:
			section.Rows = append(section.Rows, []string{"折标准煤（当量值）", strconv.FormatFloat(savings.CalorificFactor, 'g', -1, 64), "千克标准煤／千瓦时", "", "", "GB/T 2589-2020"})
		case savings.Equivalent:
			section.Rows = append(section.Rows, []string{"折标准煤（等价值）", strconv.FormatFloat(s.Factors.EquivalentFactor, 'g', -1, 64), "千克标准煤／千瓦时", "", "", s.Factors.EquivalentSource})
		}
	}
	if len(section.Rows) == 0 {
		section.Note = "未配置任何因子，本表不作二氧化碳和标准煤折算。"
		return section
	}
	kwh, band, ok := 0.0, 0.0, false
	for _, item := range s.Statement.Items {
		if item.Resource == "electricity" && counted(&item) {
			kwh, band, ok = kwh+float64(item.Saving), math.Hypot(band, float64(item.Uncertainty)), true
		}
	}
	if !ok {
		return section
	}
	const why = "全部节电量折算；区间不含因子本身的不确定度"
	add := func(name string, perKWh float64, unit string, year string) {
		section.Rows = append(section.Rows, []string{name, within(kwh*perKWh, band*perKWh), unit, year, s.Factors.Area, why})
	}
	years := []int{s.From.Year()}
	if s.Factors.BaseYear != 0 && s.Factors.BaseYear != s.From.Year() {
		years = append(years, s.Factors.BaseYear)
	}
	for _, year := range years {
		if kg, _, err := s.Factors.CO2(1, year); err == nil {
			add("节电折合二氧化碳", kg, "千克CO₂", strconv.Itoa(year))
			continue
		}
		section.Rows = append(section.Rows, []string{"节电折合二氧化碳", unknown, "千克CO₂", strconv.Itoa(year), s.Factors.Area, "没有该年份的因子"})
		if f, ok := s.Factors.Newest(year); ok && f.Year != s.Factors.BaseYear {
			add("节电折合二氧化碳（最近公布年份的因子）", f.KgCO2, "千克CO₂", strconv.Itoa(f.Year))
		}
	}
	for _, by := range s.Factors.Coal {
		if t, label, err := s.Factors.TonnesCoal(1, by); err == nil {
			add("节电折合标准煤 "+label, t*1000, "千克标准煤", "")
		}
	}
	return section
}

func (s *Source) next() Section {
	section := Section{Number: "十", Title: "下一步工作", Head: []string{"序号", "内容"}}
	for i, text := range s.Next {
		section.Rows = append(section.Rows, []string{strconv.Itoa(i + 1), text})
	}
	if len(s.Next) == 0 {
		section.Note = "（未填：由填报单位以文本文件提供，一行一段。）"
	}
	return section
}

// methods explains each method of this report in a sentence.
func (s *Source) methods() Section {
	section := Section{Number: "附五", Title: "方法说明", Head: []string{"名称", "说明"}}
	add := func(name, text string) { section.Rows = append(section.Rows, []string{name, text}) }
	add("节约量", "没有措施时在同样条件下应有的用量（调整后基准）减去实际用量，只比较双方都有数据的表和日子。")
	add("区间", "真实节约量以 90% 的把握落在节约量加减区间之内；节约量小于区间时，不能说有节约，称与零无法区分。")
	add("覆盖率", "应计日子里有有效读数的表计时间所占份额；静默的表两侧都不计。")
	add("IPMVP 方案", "国际节能效果测量和验证规程的做法：A 按灯具清单与燃点时间推算，B 以表计量改造的部分，C 以总表计量整个边界。")
	used := map[string]bool{}
	s.boundaries(func(_ *savings.StatementItem, b *savings.StatementBoundary) { used[b.Method] = true })
	for _, m := range []struct{ method, text string }{
		{"lamp_inventory", "改造前每种灯的盏数、功率和燃亮率，乘以当日天黑的小时数，得到当日应有的用电。"},
		{"regression", "用基准期逐日用量对气温（度日）或夜长作最小二乘拟合，再代入报告期当日的气温或夜长。"},
		{"mean", "基准期逐日用量的平均值，用于不随季节变化的用电。"},
		{"per_capita_monthly", "基准期各月每人每天的用水量，乘以当日人数；周末和春节有差别的另计。"},
		{"irrigation", "按当日蒸散量减降雨量和绿地面积估算的灌溉需水。"},
	} {
		if used[m.method] {
			add(named(methods, m.method), m.text)
		}
	}
	add("同比、环比", "本期日均用量与去年同期、上一期相比的增减，不作调整，天气、夜长和人数的变化都在其中，不是节约。")
	add("状态", "季度结束 30 天后为定稿，此前为暂估；定稿后数字有变，修订号加一。")
	return section
}
