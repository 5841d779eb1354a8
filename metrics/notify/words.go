package notify

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
)

// item is what a message needs of an alarm as the ingester lists it
// (GET /api/v1/alarms and /api/v1/alarms/{id}).
type item struct {
	ID            string      `json:"id"`
	Kind          string      `json:"kind"`
	Severity      string      `json:"severity"`
	Title         ingest.Text `json:"title"`
	Community     string      `json:"community"`
	CommunityName string      `json:"community_name"`
	Compound      string      `json:"compound"`
	CompoundName  string      `json:"compound_name"`
	Facility      string      `json:"facility"`
	FacilityName  ingest.Text `json:"facility_name"`
	Device        string      `json:"device"`
	DeviceName    string      `json:"device_name"`
	Address       string      `json:"address"`
	Channel       string      `json:"channel"`
	Scope         string      `json:"scope"`
	Began         time.Time   `json:"began"`
	Since         time.Time   `json:"since"`
	Updated       time.Time   `json:"updated"`
	Value         *float64    `json:"value"`
	Peak          *float64    `json:"peak"`
	Expected      *float64    `json:"expected"`
	Unit          string      `json:"unit"`
	Why           ingest.Text `json:"why"`
	Size          *float64    `json:"size"` // a day
	SizeUnit      string      `json:"size_unit"`
	Cost          *float64    `json:"cost_per_day"` // yuan
	Confidence    *float64    `json:"confidence"`
	Judged        struct {
		Right uint64 `json:"right"`
		Wrong uint64 `json:"false"`
	} `json:"judged"`
	Advice   ingest.Text `json:"advice"`
	Group    string      `json:"group"`
	Silenced string      `json:"silenced"`
	Status   string      `json:"status"`
	Assignee string      `json:"assignee"`
	Due      *time.Time  `json:"due"`
	Reason   string      `json:"reason"`
	Closed   *time.Time  `json:"closed"`
	History  []struct {
		At       time.Time `json:"at"`
		What     string    `json:"status"`
		By       string    `json:"by"`
		Assignee string    `json:"assignee"`
		Comment  string    `json:"comment"`
		Reason   string    `json:"reason"`
	} `json:"history"`
	Comments []struct {
		Text string `json:"text"`
	} `json:"comments"`
	Link   string `json:"link"`
	Signed string `json:"signed_link"`

	unknown bool // the ingester did not say: it is as Alertmanager knows it
}

func (i *item) done() bool { return i.Status == "cleared" || i.Status == "false" }

// confirmed says whether somebody has it.
func (i *item) confirmed() bool {
	return i.Status == "acknowledged" || i.Status == "assigned" || i.Status == "in_progress" || i.done()
}

// began is when what is wrong began, by the device's clock.
func (i *item) began() time.Time {
	if i.Began.IsZero() || i.Since.Before(i.Began) && !i.Since.IsZero() {
		return i.Since
	}
	return i.Began
}

// handler is who had an alarm: whom it was given to, else who closed or confirmed it.
func (i *item) handler() string {
	if i.Assignee != "" {
		return i.Assignee
	}
	for _, e := range slices.Backward(i.History) {
		if e.By != "" && e.What != "commented" {
			return e.By
		}
	}
	return ""
}

// units in words. A unit that is not here stands as it is.
var units = map[string]string{
	"L": "升", "L/h": "升/小时", "m3": "立方米", "m3/h": "立方米/小时", "m3/s": "立方米/秒", "W": "瓦", "kW": "千瓦", "kWh": "千瓦时",
	"Cel": " ℃", "deg": "°", "h": "小时", "m": "米", "kg": "千克", "V": "伏", "A": "安", "Hz": "赫兹", "Pa": "帕", "lx": "勒克斯",
	"dB": "分贝", "dB[A]": "分贝", "dBA": "分贝", "%": "%", "1": "", "0/1": "", "": "", "VA": "伏安", "var": "乏", "dBm": "分贝毫瓦",
}

// amount is a value with its unit as one reads it.
func amount(v float64, unit string) string {
	switch unit {
	case "s":
		return lasting(time.Duration(v * float64(time.Second)))
	case "ratio":
		v, unit = 100*v, "%"
	}
	name, known := units[unit]
	if !known {
		name = " " + plain(unit)
	}
	return grouped(v) + name
}

// grouped is a number with at most one decimal below a hundred, and commas between thousands.
func grouped(v float64) string {
	decimals := 0
	if math.Abs(v) < 100 {
		decimals = 1
	}
	if math.Abs(v) < 1 {
		decimals = 2
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	whole, rest, _ := strings.Cut(s, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		rest = "." + rest
	}
	return sign + whole + rest
}

// reported are the events that devices report of themselves, in words.
var reported = map[string]string{
	"access_denied": "拒绝通行", "door_forced": "强行开门", "door_held_open": "门未关", "tamper": "被拆动", "leak": "漏水", "backflow": "倒流",
	"lamp_fault": "灯具故障", "overfull": "满溢", "node_offline": "节点离线", "low_battery": "电池电量低", "over_current": "过流",
	"over_voltage": "过压", "under_voltage": "欠压", "low_power_factor": "功率因数低", "column_issue": "灯杆异常", "control_gear_failure": "镇流器故障",
	"sensor_fault": "传感器故障", "valve_fault": "阀门故障", "burst": "爆管", "empty_pipe": "空管", "magnetic": "磁干扰", "fire": "起火", "smoke": "烟雾",
}

// what is said in a sentence of what was seen.
func (i *item) what() string {
	if i.Kind == "device_reported" {
		event, _, _ := strings.Cut(i.Channel, "/")
		if words := reported[event]; words != "" {
			return "设备报告：" + words + "。"
		}
		return "设备报告异常，代码" + plain(i.Channel) + "。"
	}
	return plain(i.Why.ZH)
}

// title names the kind.
func (i *item) title() string {
	if k, ok := anomaly.KindNamed(i.Kind); ok && !i.ofMany() {
		return k.Title.ZH
	}
	return plain(cmp.Or(i.Title.ZH, "告警"))
}

// ofMany says whether an alarm stands for those of many devices, and says of which.
func (i *item) ofMany() bool { return i.Scope != "" && i.Title.ZH != "" }

// situation says what was seen; that of many says itself what it is.
func (i *item) situation() string {
	if i.ofMany() {
		return i.what()
	}
	return i.title() + "。" + i.what()
}

// where is the place: names, compound and address, and an id only where there is no name.
func (r renderer) where(i *item) string {
	parts := []string{r.communityOf(i)}
	if name := cmp.Or(i.CompoundName, i.Compound); name != "" {
		parts = append(parts, plain(name))
	}
	device := plain(i.DeviceName)
	if device == "" {
		device = plain(r.facility(i.Facility, i.FacilityName.ZH) + "设备" + i.Device)
		if k, ok := anomaly.KindNamed(i.Kind); ok && k.Rollup {
			device = groupName(i.Device, i.Community)
		}
	}
	if device != "" {
		parts = append(parts, device)
	}
	where := strings.Join(parts, " ")
	if i.Address != "" {
		where += "（" + plain(i.Address) + "）"
	}
	return where
}

// groupName is a group of devices: a gateway, a feeder; nothing where it is the community.
func groupName(id, community string) string {
	if id == "" || id == community {
		return ""
	}
	return plain(id)
}

func (r renderer) communityOf(i *item) string {
	return plain(cmp.Or(i.CommunityName, r.names.Communities[i.Community], i.Community))
}

func (r renderer) facility(id, name string) string {
	if id == "all" {
		return ""
	}
	return plain(cmp.Or(r.names.Facilities[id], name, ""))
}

// big is how big it is: what it is now, the worst so far, a day, and yuan.
func (i *item) big() string {
	var parts []string
	k, known := anomaly.KindNamed(i.Kind)
	counted := known && k.Rollup || i.Unit == "" || i.Unit == "1" || i.Unit == "0/1" // the sentence says it
	if i.Value != nil && !counted && i.Unit != "s" && *i.Value != 0 {
		parts = append(parts, "现"+amount(*i.Value, i.Unit))
		if i.Peak != nil && *i.Peak > *i.Value && amount(*i.Peak, i.Unit) != amount(*i.Value, i.Unit) {
			parts = append(parts, "最高"+amount(*i.Peak, i.Unit))
		}
	}
	if day := i.day(); day != "" {
		parts = append(parts, day)
	}
	if i.ofMany() && i.Value != nil && i.Expected != nil {
		parts = append(parts, fmt.Sprintf("%s台，共%s台", grouped(*i.Value), grouped(*i.Expected)))
	}
	if len(parts) == 0 && slices.Contains([]string{"fire_reported", "bin_fire", "smoke", "charger_hot"}, i.Kind) {
		return "可能有明火，以现场为准"
	}
	if len(parts) == 0 {
		return "不直接损失水电"
	}
	return strings.Join(parts, "；")
}

// day is what it costs a day, "" where that is nothing or not known.
func (i *item) day() string {
	if i.Size == nil || !(*i.Size > 0) {
		return ""
	}
	day := "每天约" + amount(*i.Size, i.SizeUnit)
	if i.SizeUnit == "L" && *i.Size >= 1000 {
		day = "每天约" + amount(*i.Size/1000, "m3")
	}
	if i.Cost != nil && *i.Cost > 0 {
		day += "，约" + yuan(*i.Cost)
	}
	return day
}

func yuan(v float64) string {
	if v < 0.1 {
		return "不到1角"
	}
	return grouped(v) + "元"
}

// sure is how sure it is: what people found of others of the kind.
func (i *item) sure() string {
	judged := i.Judged.Right + i.Judged.Wrong
	if i.Confidence == nil {
		if judged == 0 {
			return "同类告警还没有人工判定"
		}
		return fmt.Sprintf("同类告警判定过%d次，%d次属实，次数太少", judged, i.Judged.Right)
	}
	if judged == 0 {
		return fmt.Sprintf("约%.0f%%", 100**i.Confidence)
	}
	return fmt.Sprintf("约%.0f%%（同类告警判定过%d次，%d次属实）", 100**i.Confidence, judged, i.Judged.Right)
}

// statusWords are the states of an alarm.
var statusWords = map[string]string{"open": "未处理", "acknowledged": "已确认", "assigned": "已派单", "in_progress": "处理中", "cleared": "已恢复", "false": "误报"}

// state is who has it, where somebody has.
func (i *item) state(r renderer) string {
	if i.Status == "" || i.Status == "open" {
		return ""
	}
	s := statusWords[i.Status]
	if who := i.handler(); who != "" {
		s += "：" + plain(who)
	}
	if i.Due != nil && !i.done() {
		s += "，限" + r.time(*i.Due) + "前"
	}
	return s
}

// full is an alarm with all that somebody needs who has to act: what, where, since when,
// how big, how sure, what to do first, who has it and the link.
func (r renderer) full(i *item, now time.Time, duty []Person, role, again string) string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "**%s**：%s\n", name, text)
		}
	}
	line("地点", r.where(i))
	line("情况", i.situation())
	since := r.time(i.began()) + "（设备时间）起"
	if i.unknown {
		since = r.time(i.began()) + "（平台时间）起"
	}
	if lasted := now.Sub(i.began()); lasted >= time.Minute {
		since += "，已" + lasting(lasted)
	}
	line("起始", since)
	if !i.unknown {
		line("程度", i.big())
		line("把握", i.sure())
	}
	line("先做", plain(i.Advice.ZH))
	line("状态", i.state(r))
	line("提醒", again)
	line(role, names(duty))
	if links := r.linksOf(i, duty); links != "" {
		b.WriteString(links)
	}
	return strings.TrimRight(b.String(), "\n")
}

// short is an alarm in a line of a list.
func (r renderer) short(i *item, now time.Time) string {
	title := i.title() + "，"
	if i.ofMany() {
		title = ""
	}
	s := "- " + r.where(i) + "：" + title + strings.TrimRight(i.what(), "。")
	if day := i.day(); day != "" {
		s += "，" + day
	}
	s += "，自" + r.time(i.began())
	if i.done() {
		if i.Closed != nil {
			s += "至" + r.time(*i.Closed)
		}
	} else {
		s += "，已" + lasting(now.Sub(i.began()))
	}
	if state := i.state(r); state != "" {
		s += "（" + state + "）"
	}
	if link := r.address(cmp.Or(i.Signed, i.Link)); link != "" && !i.done() {
		s += " [处理](" + link + ")"
	}
	return s
}

// over is an alarm that is over: what, where, from when to when, how long, who had it, and why
// it ended.
func (r renderer) over(i *item, duty []Person) string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "**%s**：%s\n", name, text)
		}
	}
	line("地点", r.where(i))
	line("情况", i.situation())
	span := r.time(i.began())
	if i.Closed != nil {
		span += " 至 " + r.time(*i.Closed) + "，历时" + lasting(i.Closed.Sub(i.began()))
	}
	line("起止", span)
	if i.Size != nil && i.Closed != nil && i.Status != "false" {
		total := *i.Size * i.Closed.Sub(i.began()).Hours() / 24
		unit := i.SizeUnit
		if unit == "L" && total >= 1000 {
			total, unit = total/1000, "m3"
		}
		line("合计", "约"+amount(total, unit))
	}
	switch {
	case i.Reason == "removed":
		line("结果", "设备已从清单中移除，告警随之结束")
	case i.Status == "false":
		line("结果", "判为误报"+because(i.Reason))
	case i.closedBy() != "":
		line("结果", "由"+plain(i.closedBy())+"关闭"+because(i.Reason))
	default:
		line("结果", "设备读数恢复正常，自动解除")
	}
	who := i.handler()
	if who == "" {
		who = "无人认领"
	}
	line("经办", plain(who))
	if link := r.address(i.Link); link != "" {
		b.WriteString("[查看详情](" + link + ")")
	}
	return strings.TrimRight(b.String(), "\n")
}

func because(reason string) string {
	if reason == "" || reason == "removed" {
		return ""
	}
	return "：" + plain(reason)
}

// closedBy is who closed it, "" where it ended by itself.
func (i *item) closedBy() string {
	for _, e := range slices.Backward(i.History) {
		if e.What == "cleared" || e.What == "false" {
			return e.By
		}
	}
	return ""
}

func names(people []Person) string {
	var names []string
	for _, p := range people {
		names = append(names, plain(p.Name))
	}
	return strings.Join(names, "、")
}

// linksOf lead to the alarm, as the one who is on duty where somebody is, and to what to do.
func (r renderer) linksOf(i *item, duty []Person) string {
	var links []string
	switch {
	case i.Signed != "" && len(duty) > 0:
		links = append(links, "["+plain(duty[0].Name)+"点此确认、派单]("+r.address(i.Signed)+")")
	case i.Link != "":
		links = append(links, "[查看详情]("+r.address(i.Link)+")")
	case r.page != "":
		links = append(links, "[查看详情]("+r.page+")")
	}
	if _, ok := anomaly.KindNamed(i.Kind); ok && r.runbooks != "" {
		links = append(links, "[处置手册]("+strings.TrimSuffix(r.runbooks, "/")+"/docs/runbooks/"+i.Kind+".md)")
	}
	return strings.Join(links, "　")
}

// address is a link of the ingester's, which may begin at its page.
func (r renderer) address(link string) string {
	if link == "" || strings.Contains(link, "://") {
		return link
	}
	if r.page == "" {
		return ""
	}
	base, err := url.Parse(r.page)
	if err != nil {
		return ""
	}
	to, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return base.ResolveReference(to).String()
}

// ofLabels is an alarm of which only Alertmanager is known to say something.
func ofLabels(t *told) *item {
	i := &item{
		ID: t.Labels["alarm"], Kind: t.Labels["kind"], Severity: t.severity(), Community: t.Labels["community"], Compound: t.Labels["compound"],
		Facility: t.Labels["facility"], Device: t.Labels["device"], Since: t.Starts, unknown: true,
	}
	i.Title.ZH = t.Summary
	i.Why.ZH = "采集服务没有应答，详情请打开页面查看。"
	if t.Over {
		i.Status = "cleared"
		ends := t.Ends
		i.Closed = &ends
	}
	return i
}
