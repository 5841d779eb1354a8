package anomaly

import (
	"fmt"
	"slices"
	"strings"

	"greencommunity/ingest"
)

// What gives many devices the same at once, by what they have in common: it stands in the
// note, and what to do first follows from it.

// causes of what the devices of a place show, whoever made them.
var causes = map[kind]ingest.Text{
	continuousFlow:    {ZH: "平台补抄（平均分摊）的读数，或同时开始的公共用水", EN: "reads that a platform filled in, or a common use that began"},
	nightFlow:         {ZH: "平台补抄的读数，或供水管网夜间冲洗、补水", EN: "reads that a platform filled in, or mains that are flushed by night"},
	unaccountedWater:  {ZH: "平台补抄的读数，或分表停报", EN: "reads that a platform filled in, or meters that report nothing"},
	unaccountedEnergy: {ZH: "平台补抄的读数，或分表停报", EN: "reads that a platform filled in, or meters that report nothing"},
	reverseFlow:       {ZH: "停水后倒灌，或平台重发旧读数", EN: "water that ran back when the main was shut, or old reads that were sent again"},
	registerReset:     {ZH: "模块断电重启、固件升级或批量换表", EN: "modules that restarted, new firmware, or meters exchanged together"},
	stuckRegister:     {ZH: "停水，住户放假外出，或平台重复旧读数", EN: "the main is shut, homes are empty over a holiday, or old reads are repeated"},
	overQmax:          {ZH: "管网冲洗、消防用水，或读数单位改变", EN: "flushing, a fire, or another unit of the reads"},
	burst:             {ZH: "总管爆裂、管网冲洗、消防用水，或读数单位改变", EN: "the main has burst or is flushed, a fire, or another unit of the reads"},
	dayBurner:         {ZH: "天暗（雷雨、沙尘、日食），或光控、时控统一开灯", EN: "darkness by day (a storm, dust, an eclipse), or photocells or timers that switched together"},
	outage:            {ZH: "停电，或调光计划、时控调整（半夜灯）", EN: "a power cut, or a new schedule (half of the night)"},
	partialFailure:    {ZH: "调光计划调整或电压变化", EN: "a new dimming schedule, or another voltage"},
	overPower:         {ZH: "调光计划调整或电压变化", EN: "a new dimming schedule, or another voltage"},
	stuckDimmer:       {ZH: "调光指令没有下发，或单灯控制器同时重启", EN: "commands that were not sent, or controllers that restarted together"},
	cycling:           {ZH: "供电不稳、阴晴不定，或控制策略反复切换", EN: "an unsteady supply, changing light, or a control that switches to and fro"},
	overfull:          {ZH: "清运没有到，或节日、集市垃圾增多", EN: "no collection, or more waste at a festival or market"},
	missedCollection:  {ZH: "清运没有到：放假、车辆、道路或计划调整", EN: "no collection: a holiday, the truck, the road, or another plan"},
	stuckFill:         {ZH: "平台重复旧读数，或放假无人投放", EN: "a platform that repeats old readings, or a holiday"},
	blocked:           {ZH: "雨雪、结露遮挡探头，或节日集中投放", EN: "rain, snow or dew before the sensors, or a festival"},
	erraticFill:       {ZH: "雨雪、结露，或固件升级", EN: "rain, snow or dew, or new firmware"},
	tipped:            {ZH: "大风，或清运时集中翻倒", EN: "wind, or the collection"},
	offHours:          {ZH: "节日、活动或施工", EN: "a festival, an event or works"},
	noisy:             {ZH: "燃放、活动、施工或雷雨", EN: "fireworks, an event, works or a storm"},
	crowded:           {ZH: "节日或活动", EN: "a festival or an event"},
	badAir:            {ZH: "天气：全县污染", EN: "the weather: all of the county"},
	offline:           {ZH: "停电、断网，或平台中断", EN: "power, network or platform"},
	clockOffset:       {ZH: "停电后时钟归零，或校时、时区设置改变", EN: "clocks that began anew after a power cut, or another time zone"},
	heldOpen:          {ZH: "消防联动放开门锁、停电，或活动、搬运", EN: "the fire alarm released the locks, a power cut, or an event"},
	forcedOpen:        {ZH: "消防联动或停电放开门锁", EN: "the fire alarm or a power cut released the locks"},
	stuckClosed:       {ZH: "门锁停电，或开门指令没有下发", EN: "locks without power, or commands that were not sent"},
	deniedBurst:       {ZH: "授权名单没有下发或被清空", EN: "the list of residents was not sent down, or is empty"},
	hydrantLow:        {ZH: "供水管网停水或降压", EN: "the main is shut or low"},
	deviceReported:    {ZH: "停电、天气，或固件升级后误报", EN: "power, weather, or new firmware"},
}

var (
	causeVendor  = ingest.Text{ZH: "厂商平台：补抄、时钟、单位或升级", EN: "the vendor's platform: filled-in reads, a clock, a unit, or new software"}
	causeGateway = ingest.Text{ZH: "网关：固件升级、断电重启、时钟或通讯", EN: "the gateway: new firmware, a restart, its clock or its line"}
	causeFeeder  = ingest.Text{ZH: "回路：空开、接触器、时控器或电缆", EN: "the feeder: breaker, contactor, timer or cable"}
	causeOther   = ingest.Text{ZH: "停电、天气或平台故障", EN: "power, weather or the platform"}
)

// festive are kinds that holidays give many at once.
var festive = []kind{stuckRegister, overfull, missedCollection, stuckFill, blocked, offHours, noisy, crowded, heldOpen, continuousFlow}

// advices say what to do first, by scope.
var advices = map[string]ingest.Text{
	"vendor":              {ZH: "联系该厂商：平台是否补抄、改了单位或时钟、刚升级；恢复前不必逐台处置。", EN: "Ask the vendor: were reads filled in, a unit or clock changed, software renewed? Until it is right no device need be seen to."},
	"vendor_in_community": {ZH: "联系该厂商：平台是否补抄、改了单位或时钟、刚升级；恢复前不必逐台处置。", EN: "Ask the vendor: were reads filled in, a unit or clock changed, software renewed? Until it is right no device need be seen to."},
	"gateway":             {ZH: "先查网关：是否刚升级、断电重启，时钟和通讯是否正常；不必逐台处置。", EN: "The gateway first: new firmware, a restart, its clock, its line? No device need be seen to."},
	"feeder":              {ZH: "先到该回路控制柜：空开、接触器、时控器；不必逐灯处置。", EN: "The feeder's cabinet first: breaker, contactor, timer. No lamp need be seen to."},
}

// adviceOf is what to do about what many devices of a place show, where the place's own cause
// cannot wait.
var adviceOf = map[kind]ingest.Text{
	burst:            {ZH: "先看总管和泵房：是否爆裂、冲洗或消防用水；都不是的，联系厂商核对单位。", EN: "The main and the pump house first: burst, flushed, a fire? If not, ask the vendor for the unit."},
	heldOpen:         {ZH: "问消控室是否有火警联动或停电；没有的，派门岗逐门查看。", EN: "Ask the control room for a fire alarm or a power cut; if there is none, send the guard round."},
	forcedOpen:       {ZH: "问消控室是否有火警联动或停电；没有的，派门岗逐门查看。", EN: "Ask the control room for a fire alarm or a power cut; if there is none, send the guard round."},
	stuckClosed:      {ZH: "这是逃生通道：先用钥匙开门，再查门禁电源和平台。", EN: "A way out: open by key, then look at the locks' supply and the platform."},
	deniedBurst:      {ZH: "请厂商重新下发授权名单；恢复前安排门岗放行。", EN: "Have the vendor send the list again; until then let the guard open."},
	hydrantLow:       {ZH: "问供水单位是否停水；通知消防救援站。", EN: "Ask the water company whether the main is shut; tell the fire station."},
	overfull:         {ZH: "联系清运单位：今天的车次是否已到，节日是否加车。", EN: "Ask the collector: has today's truck come, does a festival need another?"},
	missedCollection: {ZH: "联系清运单位：今天的车次是否已到，节日是否加车。", EN: "Ask the collector: has today's truck come, does a festival need another?"},
	offline:          {ZH: "先问是否停电、断网；恢复后自动解除，不必逐台处置。", EN: "Ask whether power or network is out; it clears by itself when they are back."},
	clockOffset:      {ZH: "问是否停过电、改过校时；时钟不对期间按接收时间记，数据不丢。", EN: "Was there a power cut, another time server? Until it is right readings go by the time received; nothing is lost."},
}

// Advice returns what to do first about an alarm: of its kind; of what stands for many, by
// what they have in common (scope) and what they show (channel: facility/kind).
func Advice(kind, channel, scope string) ingest.Text {
	if kind == Kinds[atOnce].Name {
		_, name, _ := strings.Cut(channel, "/")
		name, _, _ = strings.Cut(name, "/")
		if text, ok := advices[scope]; ok {
			return text
		}
		if k, ok := kindNamed(name); ok {
			if text, ok := adviceOf[k]; ok {
				return text
			}
			if slices.Contains(festive, k) || causes[k].ZH != "" {
				return ingest.Text{ZH: "核对当时有无" + causes[k].ZH + "；原因清楚的不必逐台处置，找不到的先看两三台。",
					EN: "Was it " + causes[k].EN + "? Where the cause is known no device need be seen to; else look at two or three."}
			}
		}
	}
	if checks := Checks[kind]; len(checks) > 0 {
		return checks[0]
	}
	return ingest.Text{}
}

// noteSeverity is how bad it is that many devices show a kind at once: as that, but clocks and
// registers that go wrong together spoil what is billed, and are told.
func noteSeverity(k kind) Severity {
	if k == clockOffset || k == registerReset {
		return Warning
	}
	return Kinds[k].Severity
}

// why says in a sentence what was seen; of a note also what its devices have in common.
func (b *book) why(k kind, a *Alarm) ingest.Text {
	if k == atOnce {
		return b.whyAtOnce(a)
	}
	return why(k, a)
}

// whyAtOnce says how many of which devices show what, where, and what is the likely cause.
func (b *book) whyAtOnce(a *Alarm) ingest.Text {
	p, ok := b.peersOfNote(a)
	if !ok {
		return seen(atOnce, a)
	}
	g := b.groups[p.Group].Key
	label := ingest.Text{ZH: "设备", EN: "devices"}
	if f := b.inv.Facilities.Kind(p.Facility); f != nil && f.Label.ZH != "" {
		label = ingest.Text{ZH: f.Label.ZH + "设备", EN: "devices of " + f.Label.EN}
	}
	showing := Kinds[p.Kind].Title
	if p.What != "" {
		zh, en := reported(p.What)
		showing.ZH, showing.EN = showing.ZH+"："+zh, showing.EN+": "+en
	}
	vendor := g.Name
	if v := b.inv.Vendor(ingest.VendorID(g.Name)); v != nil && v.Name != "" {
		vendor = v.Name
	}
	places := b.placesOf(p, a)
	var common ingest.Text
	cause := causes[p.Kind]
	switch wayOf(g.What) {
	case byFeeder:
		common, cause = ingest.Text{ZH: "都在回路" + g.Name, EN: "all on feeder " + g.Name}, causeFeeder
	case byGateway:
		common, cause = ingest.Text{ZH: "都经网关" + g.Name, EN: "all behind gateway " + g.Name}, causeGateway
	case byCompound:
		common = ingest.Text{ZH: "都在一个小区", EN: "all in one compound"}
	case byVendorIn:
		common, cause = ingest.Text{ZH: "都是厂商" + vendor + "的", EN: "all of vendor " + vendor}, causeVendor
	case byVendor:
		common, cause = ingest.Text{ZH: "都是厂商" + vendor + "的，在" + places.ZH, EN: "all of vendor " + vendor + ", in " + places.EN}, causeVendor
	case byCounty:
		common = ingest.Text{ZH: "在" + places.ZH + "，不限厂商", EN: "in " + places.EN + ", whoever made them"}
	default:
		common = ingest.Text{ZH: "都在一个社区", EN: "all in one community"}
	}
	if cause.ZH == "" {
		cause = causeOther
	}
	if day := b.holidays.Of(b.date(a.Since.UnixNano())); slices.Contains(festive, p.Kind) && wayOf(g.What) != byFeeder && wayOf(g.What) != byGateway {
		switch {
		case day.Festival == 1:
			cause = ingest.Text{ZH: "正值春节；" + cause.ZH, EN: "it is Spring Festival; " + cause.EN}
		case day.Rest == 1 && day.Weekend == 0 || b.holidays.Long(b.date(a.Since.UnixNano())):
			cause = ingest.Text{ZH: "正值法定节假日；" + cause.ZH, EN: "it is a public holiday; " + cause.EN}
		}
	}
	return ingest.Text{
		ZH: fmt.Sprintf("%.0f台%s（共%.0f台）同时出现“%s”，%s。可能原因：%s。", a.Value, label.ZH, a.Expected, showing.ZH, common.ZH, cause.ZH),
		EN: fmt.Sprintf("%.0f of %.0f %s show at once: %s; %s. Likely cause: %s.", a.Value, a.Expected, label.EN, showing.EN, common.EN, cause.EN),
	}
}

// placesOf names the communities that show what a note is of: three, and how many more.
func (b *book) placesOf(p peerKey, a *Alarm) ingest.Text {
	var names []string
	for _, at := range b.places {
		id, ok := b.groupOf[groupKey{groupCommunity, at.Community, string(at.Community)}]
		if p.Group = id; !ok || id < 0 {
			continue
		}
		if n, _ := b.count(p, a.Since.UnixNano(), wave); n == 0 {
			continue
		}
		name := string(at.Community)
		if c := b.inv.Community(at.Community); c != nil && c.Name != "" {
			name = c.Name
		}
		names = append(names, name)
	}
	slices.Sort(names)
	zh, en := strings.Join(names[:min(3, len(names))], "、"), strings.Join(names[:min(3, len(names))], ", ")
	if n := len(names); n > 3 {
		zh, en = fmt.Sprintf("%s等%d个社区", zh, n), fmt.Sprintf("%s and %d more", en, n-3)
	}
	if len(names) == 0 {
		return ingest.Text{ZH: "多个社区", EN: "several communities"}
	}
	return ingest.Text{ZH: zh, EN: en}
}
