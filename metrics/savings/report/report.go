// Package report writes what a quarter saved as the statement that a member of
// the joint conference files: its cover, the target, the list of communities,
// the effect with its band, water, waste and gates, the quality of the data,
// restatements, factors. Its figures are those of the recomputation; what is
// not known says so, and nothing is made up for a form's sake.
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
)

// Source holds what a report is made of.
type Source struct {
	From, To  savings.Date // of the period; To is the first day after
	AsOf      savings.Date // last day whose data are in it
	Today     savings.Date
	Unit      string // who files it
	Inventory *inventory.Inventory
	Digest    string // of the inventory's file
	Statement *savings.Statement
	Before    *savings.Statement // of the same days a year earlier; nil: not asked for
	Factors   savings.Factors
	Counts    []Count  // waste and gates
	Alarms    []Alarms // raised and cleared in the period
	Filed     *Filed   // the same period as it was filed before; nil: none is given
}

// Count is an amount of a facility in the period.
type Count struct {
	Community ingest.CommunityID
	What      string // deposits, kilograms, collections, passes in, passes out, inspections
	Stream    string
	Value     float64
}

// Alarms are those of one kind.
type Alarms struct {
	Community       ingest.CommunityID
	Kind            string
	Raised, Cleared int
}

// Section is a table with its heading.
type Section struct {
	Number      string
	Title, Note string
	Head        []string
	Rows        [][]string
}

// Report is a report to be written.
type Report struct {
	Title    string
	Sections []Section
}

const unknown = "未知"

// New lays out a report.
func New(s *Source) *Report {
	r := &Report{Title: s.title()}
	names := map[ingest.CommunityID]string{}
	for _, c := range s.Inventory.Communities {
		names[c.ID] = c.Name
	}
	restated := s.restatements(names)
	r.Sections = []Section{
		s.cover(len(restated) > 0), s.target(), s.list(), s.effect(names), s.basis(names), s.water(names), s.facilities(names), s.alarms(names),
		s.quality(names), s.restated(restated), s.factors(),
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

// Floor is the coverage below which a report gives no verdict.
const Floor = 0.80

const (
	county      = "全县"
	belowFloor  = "覆盖率不足 80%，不作结论"
	floorInNote = "应计时段的覆盖率不足 80% 时不作结论。"
)

// verdict of an item, as the report gives it.
func verdict(item savings.StatementItem) string {
	if c := float64(item.Coverage); c > 0 && c < Floor {
		return belowFloor
	}
	return named(verdicts, item.Verdict)
}

// totals are the county's, by facility and resource, of the items that have a saving:
// their savings add up, their bands by root of squares, which holds for independent
// ones; coverage is weighed by the baseline.
func (s *Source) totals() []savings.StatementItem {
	var all []savings.StatementItem
	for _, item := range s.Statement.Items {
		if !(item.Coverage > 0) || math.IsNaN(float64(item.Saving)) {
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

func day(t time.Time) string { return t.Format(time.DateOnly) }

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
	revision := s.revision(changed)
	results := [][]string{}
	for _, t := range s.totals() {
		band := float64(t.Uncertainty)
		results = append(results, []string{"全县" + named(facilities, t.Facility) + "（" + named(resources, t.Resource) + "）", fmt.Sprintf("节约 %s ± %s %s（%s），覆盖率 %s：%s",
			Rounded(float64(t.Saving), band), Rounded(band, band), named(units, t.Unit), percentTo(float64(t.Fraction), band/math.Abs(float64(t.Baseline))), coverage(t.Coverage), verdict(t))})
	}
	if len(results) == 0 {
		results = [][]string{{"结果", "没有可计的节约量"}}
	}
	return Section{"一", "封面", note + floorInNote, []string{"项目", "内容"}, append(results, [][]string{
		{"报表期", period}, {"起止日期", day(s.From.Time) + " 至 " + day(s.To.AddDate(0, 0, -1))},
		{"数据截至", fmt.Sprintf("%s（%d 天中的 %d 天）", day(s.AsOf.Time), days, covered)},
		{"状态", status}, {"修订号", strconv.Itoa(revision)}, {"填报单位", unit}, {"填报日期", day(s.Today.Time)},
		{"台账摘要（SHA-256）", s.Digest}, {"填报人签字、日期", ""}, {"负责人签字（盖章）、日期", ""},
	}...)}
}

func (s *Source) target() Section {
	p := s.Inventory.Programme()
	share := func(n int) string {
		if p.All == 0 {
			return unknown
		}
		return percent(float64(n) / float64(p.All))
	}
	missing := max(0, int(math.Ceil(0.6*float64(p.All)-1e-9))-p.Met)
	return Section{"二", "目标", "比例以全部城市社区为分母，不以参加的社区为分母；计社区，不计小区。目标：60% 的城市社区达标。", []string{"项目", "社区数", "占全部"}, [][]string{
		{"全部城市社区", strconv.Itoa(p.All), share(p.All)}, {"参加创建（含达标、命名）", strconv.Itoa(p.Participating), share(p.Participating)},
		{"达标（含命名）", strconv.Itoa(p.Met), share(p.Met)}, {"命名", strconv.Itoa(p.Named), share(p.Named)}, {"距 60% 目标尚缺", strconv.Itoa(missing), ""},
	}}
}

var stages = map[string]string{"": "未参加", "participating": "参加", "met": "达标", "named": "命名"}

func (s *Source) list() Section {
	section := Section{"三", "创建社区清单", "国家标准 16 项逐项的达标情况由联席会议办公室核定，本系统没有记录，均为待核。2021 年改造的小区均应列入创建。",
		[]string{"社区编号", "社区", "镇街", "试点", "小区数", "户数", "人口", "2021 年改造小区", "阶段", "16 项", "提示"}, nil}
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
		section.Rows = append(section.Rows, []string{string(c.ID), c.Name, c.Town, map[bool]string{true: "是", false: "否"}[c.Pilot], strconv.Itoa(len(c.Compounds)),
			known(c.Households), known(c.Population), strconv.Itoa(renovated), stages[c.Stage], "待核", hint})
	}
	return section
}

func known(n int) string {
	if n == 0 {
		return unknown
	}
	return strconv.Itoa(n)
}

var (
	facilities = map[ingest.FacilityKind]string{ingest.Lighting: "照明", ingest.Water: "用水", ingest.Waste: "垃圾分类", ingest.Gate: "门禁"}
	resources  = map[string]string{"electricity": "电", "water": "水"}
	units      = map[string]string{"kWh": "千瓦时", "m3": "立方米"}
	verdicts   = map[string]string{baseline.Saved: "节约", baseline.Increased: "增加", baseline.Indistinct: "与零无法区分", baseline.NoCoveredTime: "无有效覆盖时段", "no_baseline": "无基准，不计节约量"}
)

func named[K comparable](m map[K]string, k K) string {
	if v, ok := m[k]; ok {
		return v
	}
	return fmt.Sprint(k)
}

// The effect, which a later report reads back: its columns after the first, which
// say whose figures they are.
const (
	effectNumber = "四"
	effectKeys   = 5
)

func (s *Source) effect(names map[ingest.CommunityID]string) Section {
	section := Section{effectNumber, "成效：节能节水", "区间为半宽，合计的区间按平方和开方。" + floorInNote + "数字按其不确定度取舍：区间保留两位有效数字。节约率＝节约量合计／基准合计。去年同期用量未作调整，只供参考，不是节约量。",
		[]string{"社区编号", "社区", "设施", "资源", "单位", "实际", "调整后基准", "其中非常规调整", "节约量", "± 区间", "置信度", "节约率", "结论", "覆盖率", "全部用量", "去年同期用量（未调整）"}, nil}
	totals := s.totals()
	names = maps.Clone(names)
	names[county] = "合计"
	for _, item := range slices.Concat(totals, s.Statement.Items) {
		use, useKnown := used(item)
		band := float64(item.Uncertainty)
		row := []string{string(item.Community), names[item.Community], named(facilities, item.Facility), named(resources, item.Resource), named(units, item.Unit)}
		counted := item.Coverage > 0 && !math.IsNaN(float64(item.Saving))
		if counted {
			row = append(row, Rounded(float64(item.Actual), band), Rounded(float64(item.Baseline), band), Rounded(float64(item.Adjustment), band),
				Rounded(float64(item.Saving), band), Rounded(band, band), percent(item.Confidence), percentTo(float64(item.Fraction), band/math.Abs(float64(item.Baseline))))
		} else {
			row = append(row, "", "", "", "", "", "", "")
		}
		row = append(row, verdict(item), coverage(item.Coverage))
		before := unknown
		if s.Before != nil {
			for _, other := range s.Before.Items {
				if other.Community == item.Community && other.Facility == item.Facility && other.Resource == item.Resource {
					if v, ok := used(other); ok {
						before = Rounded(v, v/100)
					}
				}
			}
		}
		all := unknown
		if useKnown {
			all = Rounded(use, use/100)
		}
		section.Rows = append(section.Rows, append(row, all, before))
	}
	return section
}

// used is the use of the boundaries that are not within another, on whatever days
// it is known; false where no day is.
func used(item savings.StatementItem) (sum float64, ok bool) {
	for _, b := range item.Boundaries {
		if b.Status != "nested" && b.Covered > 0 && b.IPMVP != "A" {
			sum, ok = sum+float64(b.Use), true
		}
	}
	return sum, ok
}

func coverage(v baseline.Figure) string {
	if math.IsNaN(float64(v)) {
		return "—"
	}
	return percent(float64(v))
}

func (s *Source) basis(names map[ingest.CommunityID]string) Section {
	section := Section{"四之一", "计量边界、基准与非常规调整", "IPMVP 方案：A 按灯具清单与燃点时间推算，B 以表计量改造的部分，C 以总表计量整个边界。基准：灯具清单按改造前的灯、当夜长度计；度日回归按当日气温或夜长计；人均分月按当月人均日用水与当日人数计；均值为常数。区间按基准期逐日离散（计入自相关）、表计等级和声明的不确定度合成，不含未声明的年际差别。", []string{"社区编号", "社区", "边界", "IPMVP 方案", "基准方法", "基准版本", "状态", "表数", "有效天数", "非常规调整（依据）"}, nil}
	methods := map[string]string{"lamp_inventory": "灯具清单×燃点时间", "regression": "度日回归", "mean": "均值", "per_capita_monthly": "人均分月", "irrigation": "灌溉需水", "none": "无"}
	for _, item := range s.Statement.Items {
		for _, b := range item.Boundaries {
			var notes []string
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
				notes = append(notes, fmt.Sprintf("%s%s %s：%s（%s）", day(n.From.Time), until, amount, n.Why, n.Doc))
			}
			version := "—"
			if b.Version > 0 {
				version = strconv.Itoa(b.Version)
			}
			section.Rows = append(section.Rows, []string{string(item.Community), names[item.Community], b.ID, b.IPMVP, named(methods, b.Method), version,
				named(states, b.Status), strconv.Itoa(b.Meters), fmt.Sprintf("%d/%d", b.Covered, b.Days), strings.Join(notes, "；")})
		}
	}
	return section
}

var states = map[string]string{"frozen": "有效", "changed": "被改动，不计", "nested": "嵌套在其他边界内，不重复计", "no_baseline": "无基准，只列用量"}

func (s *Source) water(names map[ingest.CommunityID]string) Section {
	section := Section{"五", "用水状况", "人均用水与定额之比、夜间流量都是状态和合规指标，不是节约量。净夜间流量＝2 至 4 时平均流量－合理夜间用水（6% 人口，每次 10 升）；单个社区不适用漏损指数。",
		[]string{"社区编号", "社区", "边界", "人均日用水（升）", "与定额之比", "夜间流量（立方米／时）", "净夜间流量（立方米／时）", "有效夜数"}, nil}
	for _, item := range s.Statement.Items {
		for _, b := range item.Boundaries {
			if item.Resource != "water" || b.Status == "nested" {
				continue
			}
			section.Rows = append(section.Rows, []string{string(item.Community), names[item.Community], b.ID, figure(b.PerCapita, 0), ratio(b.QuotaRatio), figure(b.NightFlow, 2), figure(b.NetNightFlow, 2), strconv.Itoa(b.Nights)})
		}
	}
	return section
}

func ratio(v baseline.Figure) string {
	if math.IsNaN(float64(v)) {
		return unknown
	}
	return percent(float64(v))
}

func figure(v baseline.Figure, decimals int) string {
	if math.IsNaN(float64(v)) {
		return unknown
	}
	return strconv.FormatFloat(float64(v), 'f', decimals, 64)
}

func (s *Source) facilities(names map[ingest.CommunityID]string) Section {
	section := Section{"六", "垃圾分类与门禁", "满溢度和重量不说明分类准确率；没有抽查记录就没有准确率。门禁只计人次，不含个人信息。未列出的项目是设备没有上报。",
		[]string{"社区编号", "社区", "项目", "类别", "数量", "单位"}, nil}
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

func (s *Source) alarms(names map[ingest.CommunityID]string) Section {
	section := Section{"六之一", "告警处置", "本期内发生和恢复的告警次数。期初未恢复的告警在本期恢复，也计入恢复。", []string{"社区编号", "社区", "告警", "发生", "恢复"}, nil}
	for _, a := range s.Alarms {
		title := a.Kind
		for _, k := range anomaly.Kinds {
			if k.Name == a.Kind {
				title = k.Title.ZH
			}
		}
		section.Rows = append(section.Rows, []string{string(a.Community), names[a.Community], title, strconv.Itoa(a.Raised), strconv.Itoa(a.Cleared)})
	}
	return section
}

var reasons = map[savings.Reason]string{
	savings.Rollover: "翻转", savings.Backward: "倒退", savings.Swap: "换表", savings.Gap: "中断", savings.Provisional: "估抄", savings.TrueUp: "估抄更正",
	savings.Duplicate: "重复", savings.Late: "迟到", savings.Reset: "复位", savings.Implausible: "不合理", savings.Scale: "换单位",
}

func (s *Source) quality(names map[ingest.CommunityID]string) Section {
	section := Section{"七", "数据质量", "未计入节约量的边界及原因也列于此。", []string{"社区编号", "社区", "边界", "未覆盖天数", "读数异常（次）", "未计入的原因"}, nil}
	for _, item := range s.Statement.Items {
		for _, b := range item.Boundaries {
			var odd []string
			for r, n := range b.Anomalies {
				odd = append(odd, fmt.Sprintf("%s %d", named(reasons, r), n))
			}
			slices.Sort(odd)
			why := ""
			switch {
			case b.Status != "frozen":
				why = named(states, b.Status)
			case b.Covered == 0:
				why = "没有有效读数"
			}
			section.Rows = append(section.Rows, []string{string(item.Community), names[item.Community], b.ID, strconv.Itoa(b.Days - b.Covered), strings.Join(odd, "，"), why})
		}
	}
	return section
}

func (s *Source) restated(changes [][]string) Section {
	section := Section{"八", "对已报数字的更正", "", []string{"社区编号", "社区", "设施", "资源", "项目", "已报", "现为"}, changes}
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

func orNone(s string) string {
	if s == "" {
		return "无"
	}
	return s
}

func (s *Source) factors() Section {
	section := Section{"九", "折算因子与来源", "按数据年份取因子，不以其他年份或地区代替；水不折算。", []string{"项目", "数值", "单位", "年份", "地区", "来源"}, nil}
	for _, f := range s.Factors.Emission {
		if f.Area == s.Factors.Area {
			section.Rows = append(section.Rows, []string{"电力排放因子", strconv.FormatFloat(f.KgCO2, 'g', -1, 64), "千克CO₂／千瓦时", strconv.Itoa(f.Year), f.Area, f.Source})
		}
	}
	for _, by := range s.Factors.Coal {
		switch by {
		case savings.Calorific:
			section.Rows = append(section.Rows, []string{"折标准煤（当量值）", strconv.FormatFloat(savings.CalorificFactor, 'g', -1, 64), "千克标准煤／千瓦时", "", "", "GB/T 2589"})
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
		if item.Resource == "electricity" && item.Coverage > 0 && !math.IsNaN(float64(item.Saving)) {
			kwh, band, ok = kwh+float64(item.Saving), math.Hypot(band, float64(item.Uncertainty)), true
		}
	}
	if !ok {
		return section
	}
	add := func(name string, perKWh float64, unit string, year string) {
		section.Rows = append(section.Rows, []string{name, Rounded(kwh*perKWh, band*perKWh) + " ± " + Rounded(band*perKWh, band*perKWh), unit, year, s.Factors.Area, "全部节电量折算；区间不含因子本身的不确定度"})
	}
	years := []int{s.From.Year()}
	if s.Factors.BaseYear != 0 && s.Factors.BaseYear != s.From.Year() {
		years = append(years, s.Factors.BaseYear)
	}
	for _, year := range years {
		if kg, _, err := s.Factors.CO2(1, year); err == nil {
			add("节电折合二氧化碳", kg, "千克CO₂", strconv.Itoa(year))
		} else {
			section.Rows = append(section.Rows, []string{"节电折合二氧化碳", unknown, "千克CO₂", strconv.Itoa(year), s.Factors.Area, "没有该年份的因子"})
		}
	}
	for _, by := range s.Factors.Coal {
		if t, label, err := s.Factors.TonnesCoal(1, by); err == nil {
			add("节电折合标准煤 "+label, t*1000, "千克标准煤", "")
		}
	}
	return section
}

func percent(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + "%" }

// percentTo is a share with as many decimals as its band deserves.
func percentTo(v, band float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknown
	}
	return Rounded(100*v, 100*band) + "%"
}

// Rounded writes a figure to the place where its band has its second digit: the
// digits behind say nothing.
func Rounded(v, band float64) string {
	band = math.Abs(band)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return unknown
	}
	if band == 0 || math.IsNaN(band) || math.IsInf(band, 0) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	place := int(math.Floor(math.Log10(band))) - 1
	unit := math.Pow(10, float64(place))
	rounded := math.Round(v/unit) * unit
	if rounded == 0 {
		rounded = 0 // never -0
	}
	return strconv.FormatFloat(rounded, 'f', max(0, -place), 64)
}
