package anomaly

import "greencommunity/ingest"

// Severity says who has to do something about an alarm, and when.
type Severity uint8

const (
	Info     Severity = iota + 1 // worth knowing when looking at the device
	Warning                      // somebody should go there in working hours
	Critical                     // somebody should go there now
)

func (s Severity) String() string {
	return [...]string{"none", "info", "warning", "critical"}[s]
}

// Kind is a kind of alarm. Rules, runbooks and dashboards are generated from
// the table of Kinds, so that names cannot drift apart.
type Kind struct {
	Name     string              // snake_case: the label kind, the runbook's name
	Facility ingest.FacilityKind // "all" where any facility can have it
	Severity Severity
	// Unit of an alarm's Value, and of its Expected where ExpectedUnit is empty;
	// written as units of quantities are, "1" for a number of things.
	Unit, ExpectedUnit string
	Title              ingest.Text
	// What it means, how it is raised and how it clears, for runbooks.
	Means, Clears ingest.Text
	// Rollup marks an alarm of a group of devices that stands for theirs.
	Rollup bool
}

// ofQuantity is the Unit of kinds that have that of the quantity that is wrong.
const ofQuantity = "quantity"

// anyFacility is the Facility of kinds that do not belong to one.
const anyFacility ingest.FacilityKind = "all"

// kind is an index into Kinds. It is saved by name.
type kind uint8

const (
	continuousFlow kind = iota
	burst
	reverseFlow
	registerReset
	stuckRegister
	overQmax
	nightFlow
	unaccountedWater
	dayBurner
	outage
	cycling
	partialFailure
	stuckDimmer
	overPower
	feederOutage
	feederDayBurner
	binFire
	overfull
	tipped
	blocked
	stuckFill
	missedCollection
	erraticFill
	heldOpen
	forcedOpen
	stuckClosed
	deniedBurst
	offHours
	tailgating
	waterlogging
	smoke
	passageBlocked
	hydrantLow
	chargerHot
	overCurrent
	noisy
	parkingFull
	crowded
	badAir
	unaccountedEnergy
	offline
	clockOffset
	flatLine
	unusualValue
	deviceReported
	fireReported
	gatewayOffline
	communityOffline
	atOnce

	kindCount
)

// Kinds is the closed set of alarms, in the order documents list them.
var Kinds = [kindCount]Kind{
	continuousFlow: {Name: "continuous_flow", Facility: ingest.Water, Severity: Warning, Unit: "L/h", ExpectedUnit: "h",
		Title:  ingest.Text{ZH: "持续流量（疑似漏水）", EN: "Continuous flow (suspected leak)"},
		Means:  ingest.Text{ZH: "一昼夜内流量从未归零：水箱、阀门或管道可能漏水。", EN: "The flow has not once come to rest for a day: a cistern, a valve or a pipe may leak."},
		Clears: ingest.Text{ZH: "流量重新归零后自动解除。", EN: "Clears when the flow has come to rest again."}},
	burst: {Name: "burst", Facility: ingest.Water, Severity: Critical, Unit: "L/h",
		Title:  ingest.Text{ZH: "爆管", EN: "Burst"},
		Means:  ingest.Text{ZH: "流量远高于该表以往最大值并持续。", EN: "The flow is far above what this meter has ever seen, and stays there."},
		Clears: ingest.Text{ZH: "流量回到以往范围后自动解除。", EN: "Clears when the flow is back in its range."}},
	reverseFlow: {Name: "reverse_flow", Facility: ingest.Water, Severity: Warning, Unit: "L",
		Title:  ingest.Text{ZH: "倒流", EN: "Reverse flow"},
		Means:  ingest.Text{ZH: "表读数减小：水倒流，或水表装反、被人为倒转。", EN: "The register runs backwards: water flows back, or the meter was turned round."},
		Clears: ingest.Text{ZH: "一昼夜内不再倒流后自动解除。", EN: "Clears after a day without any."}},
	registerReset: {Name: "register_reset", Facility: anyFacility, Severity: Info, Unit: ofQuantity,
		Title:  ingest.Text{ZH: "表底数归零或换表", EN: "Register reset or meter exchanged"},
		Means:  ingest.Text{ZH: "水表或电表读数跳到很小的值：换表、清零或通讯模块重启。", EN: "The register fell to a small value: an exchange, a reset or a restarted module."},
		Clears: ingest.Text{ZH: "一昼夜后自动解除；请在台账登记换表。", EN: "Clears after a day; enter the exchange in the ledger."}},
	stuckRegister: {Name: "stuck_register", Facility: ingest.Water, Severity: Warning, Unit: "s",
		Title:  ingest.Text{ZH: "水表停走", EN: "Register stands still"},
		Means:  ingest.Text{ZH: "读数停止不动的时间远超该表以往：表卡住、脉冲线断，或住户外出。", EN: "The register has stood still for much longer than ever before: stuck, a broken pulse wire, or nobody at home."},
		Clears: ingest.Text{ZH: "读数再次变化后自动解除。", EN: "Clears when it moves again."}},
	overQmax: {Name: "over_qmax", Facility: ingest.Water, Severity: Warning, Unit: "m3/h",
		Title:  ingest.Text{ZH: "超过水表过载流量", EN: "Above the meter's overload flow"},
		Means:  ingest.Text{ZH: "流量超过水表的过载流量：口径过小、爆管或读数错误。", EN: "The flow exceeds what the meter is built for: too small a meter, a burst or a wrong reading."},
		Clears: ingest.Text{ZH: "流量低于过载流量后自动解除。", EN: "Clears when the flow is below it."}},
	nightFlow: {Name: "night_flow", Facility: ingest.Water, Severity: Warning, Unit: "L/h",
		Title:  ingest.Text{ZH: "夜间最小流量升高", EN: "Night flow has risen"},
		Means:  ingest.Text{ZH: "总表近两日的最小流量高于以往任何时候：表后管网可能漏水。", EN: "The least flow of the last two days through a master meter is above any before: the pipes behind it may leak."},
		Clears: ingest.Text{ZH: "最小流量回落后自动解除。", EN: "Clears when the least flow has come down again."}},
	unaccountedWater: {Name: "unaccounted_water", Facility: ingest.Water, Severity: Warning, Unit: "L/h",
		Title:  ingest.Text{ZH: "总表与分表水量不平衡", EN: "Water unaccounted for"},
		Means:  ingest.Text{ZH: "总表水量减去其下各分表之和，高于平时：分表之间的管段漏水、某只分表停走，或有人绕表用水。", EN: "What the master meter passed less what the meters behind it did is above the ordinary: a pipe between them leaks, one of the meters stands still, or somebody takes water past them."},
		Clears: ingest.Text{ZH: "连续两日差额回落后自动解除。", EN: "Clears when the difference has been down again for two days."}},
	dayBurner: {Name: "day_burner", Facility: ingest.Lighting, Severity: Warning, Unit: "W", ExpectedUnit: "deg",
		Title:  ingest.Text{ZH: "白天亮灯", EN: "Lamp burns by day"},
		Means:  ingest.Text{ZH: "太阳已高出地平线，灯仍亮一小时以上。", EN: "The sun is up and the lamp has been burning for more than an hour."},
		Clears: ingest.Text{ZH: "灯熄灭或天黑后自动解除。", EN: "Clears when the lamp is off or it gets dark."}},
	outage: {Name: "outage", Facility: ingest.Lighting, Severity: Warning, Unit: "W",
		Title:  ingest.Text{ZH: "夜间不亮", EN: "Lamp dark at night"},
		Means:  ingest.Text{ZH: "天黑后该亮未亮半小时以上：光源、驱动或供电故障。", EN: "Dark outside, and the lamp that should burn has not for half an hour: lamp, driver or supply."},
		Clears: ingest.Text{ZH: "灯重新亮起半小时后自动解除；白天保持。", EN: "Clears when the lamp has burnt for half an hour again; it stays over the day."}},
	cycling: {Name: "cycling", Facility: ingest.Lighting, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "反复开关", EN: "Cycling"},
		Means:  ingest.Text{ZH: "两小时内（上报稀疏的灯为八个上报间隔内）反复亮灭：光源老化、驱动过热或接触不良。", EN: "On and off again within two hours, or eight reports of a lamp that reports seldom: an old lamp, a hot driver or a loose contact."},
		Clears: ingest.Text{ZH: "该亮的时段内两小时不再反复后自动解除。", EN: "Clears after two steady hours in which it should burn."}},
	partialFailure: {Name: "partial_failure", Facility: ingest.Lighting, Severity: Warning, Unit: "W",
		Title:  ingest.Text{ZH: "功率偏低（部分失效）", EN: "Too little power (partial failure)"},
		Means:  ingest.Text{ZH: "相同调光下功率比已学值低15%以上：部分灯珠或灯具失效。", EN: "Over 15 % below the power learned at this dimming level: part of the LEDs or lamps has failed."},
		Clears: ingest.Text{ZH: "功率回到已学值附近后自动解除。", EN: "Clears when the power is back near what was learned."}},
	stuckDimmer: {Name: "stuck_dimmer", Facility: ingest.Lighting, Severity: Warning, Unit: "W",
		Title:  ingest.Text{ZH: "调光失灵", EN: "Dimmer stuck"},
		Means:  ingest.Text{ZH: "功率与调光指令不符，相当于另一档：调光接口或驱动故障。", EN: "The power is that of another dimming level than commanded: dimming interface or driver."},
		Clears: ingest.Text{ZH: "功率与调光指令一致后自动解除。", EN: "Clears when power follows the command again."}},
	overPower: {Name: "over_power", Facility: ingest.Lighting, Severity: Warning, Unit: "W",
		Title:  ingest.Text{ZH: "功率偏高", EN: "Too much power"},
		Means:  ingest.Text{ZH: "相同调光下功率比已学值高15%以上：驱动故障、私接负载。", EN: "Over 15 % above the power learned at this dimming level: the driver, or something else on the line."},
		Clears: ingest.Text{ZH: "功率回到已学值附近后自动解除。", EN: "Clears when the power is back near what was learned."}},
	feederOutage: {Name: "feeder_outage", Facility: ingest.Lighting, Severity: Critical, Unit: "1", Rollup: true,
		Title:  ingest.Text{ZH: "回路停电", EN: "Feeder out"},
		Means:  ingest.Text{ZH: "同一回路五分之一以上的灯不亮：空开、接触器或电缆故障。", EN: "Over a fifth of the lamps of one feeder are dark: breaker, contactor or cable."},
		Clears: ingest.Text{ZH: "该回路不亮的灯少于十分之一后自动解除。", EN: "Clears when less than a tenth of them is dark."}},
	feederDayBurner: {Name: "feeder_day_burner", Facility: ingest.Lighting, Severity: Warning, Unit: "1", Rollup: true,
		Title:  ingest.Text{ZH: "回路白天亮灯", EN: "Feeder burns by day"},
		Means:  ingest.Text{ZH: "同一回路五分之一以上的灯白天亮：定时器、光控或接触器故障。", EN: "Over a fifth of the lamps of one feeder burn by day: timer, photocell or contactor."},
		Clears: ingest.Text{ZH: "该回路白天亮的灯少于十分之一后自动解除。", EN: "Clears when less than a tenth of them burns."}},
	binFire: {Name: "bin_fire", Facility: ingest.Waste, Severity: Critical, Unit: "Cel",
		Title:  ingest.Text{ZH: "垃圾桶起火", EN: "Bin on fire"},
		Means:  ingest.Text{ZH: "桶内温度达70 ℃，或骤升且远高于相邻垃圾桶。", EN: "70 °C or more inside, or a steep rise far above the neighbouring bins."},
		Clears: ingest.Text{ZH: "低于50 ℃半小时后自动解除。", EN: "Clears after half an hour below 50 °C."}},
	overfull: {Name: "overfull", Facility: ingest.Waste, Severity: Warning, Unit: "ratio",
		Title:  ingest.Text{ZH: "满溢未清运", EN: "Overfull"},
		Means:  ingest.Text{ZH: "装满度95%以上持续两小时。", EN: "Fuller than 95 % for two hours."},
		Clears: ingest.Text{ZH: "低于80%后自动解除。", EN: "Clears below 80 %."}},
	tipped: {Name: "tipped", Facility: ingest.Waste, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "垃圾桶倾倒", EN: "Bin tipped over"},
		Means:  ingest.Text{ZH: "连续两次报告倾斜45°以上。", EN: "Tilted by more than 45° in two readings in a row."},
		Clears: ingest.Text{ZH: "扶正后连续两次读数正常即自动解除。", EN: "Clears when it stands upright in two readings in a row."}},
	blocked: {Name: "blocked", Facility: ingest.Waste, Severity: Warning, Unit: "ratio",
		Title:  ingest.Text{ZH: "探头被遮挡", EN: "Sensor blocked"},
		Means:  ingest.Text{ZH: "装满度一次跳升60个百分点以上并保持：袋子或纸板挡住探头。", EN: "The fill level jumped by over 60 points and stayed: a bag or board before the sensor."},
		Clears: ingest.Text{ZH: "装满度回落后自动解除。", EN: "Clears when the fill level falls again."}},
	stuckFill: {Name: "stuck_fill", Facility: ingest.Waste, Severity: Warning, Unit: "s",
		Title:  ingest.Text{ZH: "装满度不变", EN: "Fill level stands still"},
		Means:  ingest.Text{ZH: "装满度长时间一点不变，远超该桶以往：探头故障，或桶无人使用。", EN: "The fill level has not moved at all for much longer than ever: the sensor, or an unused bin."},
		Clears: ingest.Text{ZH: "装满度再次变化后自动解除。", EN: "Clears when it moves again."}},
	missedCollection: {Name: "missed_collection", Facility: ingest.Waste, Severity: Warning, Unit: "s",
		Title:  ingest.Text{ZH: "漏收", EN: "Missed collection"},
		Means:  ingest.Text{ZH: "按以往规律早该清运而未清运，且桶中有垃圾。", EN: "By its own rhythm the bin should have been emptied long ago, and it is not empty."},
		Clears: ingest.Text{ZH: "清运后自动解除。", EN: "Clears when it has been emptied."}},
	erraticFill: {Name: "erratic_fill", Facility: ingest.Waste, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "装满度乱跳", EN: "Fill level jumps about"},
		Means:  ingest.Text{ZH: "一天内装满度反复大幅升降：桶盖摆动、探头松动或进水。", EN: "Within a day the fill level has gone far up and down again many times: a swinging lid, a loose or wet sensor."},
		Clears: ingest.Text{ZH: "一昼夜内不再乱跳后自动解除。", EN: "Clears after a day without."}},
	heldOpen: {Name: "held_open", Facility: ingest.Gate, Severity: Warning, Unit: "s",
		Title:  ingest.Text{ZH: "门长时间未关", EN: "Gate held open"},
		Means:  ingest.Text{ZH: "开门超过两分钟未关。", EN: "Open for more than two minutes."},
		Clears: ingest.Text{ZH: "关门后自动解除。", EN: "Clears when it is closed."}},
	forcedOpen: {Name: "forced_open", Facility: ingest.Gate, Severity: Critical, Unit: "1", ExpectedUnit: "s",
		Title:  ingest.Text{ZH: "强行开门", EN: "Gate forced open"},
		Means:  ingest.Text{ZH: "未经授权门被打开。", EN: "Opened without anybody having been granted access."},
		Clears: ingest.Text{ZH: "半小时内不再发生后自动解除。", EN: "Clears after half an hour without another."}},
	stuckClosed: {Name: "stuck_closed", Facility: ingest.Gate, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "门打不开", EN: "Gate does not open"},
		Means:  ingest.Text{ZH: "连续三次授权后门未打开。", EN: "Three grants in a row after which it did not open."},
		Clears: ingest.Text{ZH: "门打开后自动解除。", EN: "Clears when it opens."}},
	deniedBurst: {Name: "denied_burst", Facility: ingest.Gate, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "连续拒绝", EN: "Burst of denials"},
		Means:  ingest.Text{ZH: "短时间内多次拒绝，远多于平常：有人试卡，或名单下发失败。", EN: "Far more denials within minutes than usual: somebody is trying cards, or the list of residents was lost."},
		Clears: ingest.Text{ZH: "半小时内不再发生后自动解除。", EN: "Clears after half an hour without."}},
	offHours: {Name: "off_hours", Facility: ingest.Gate, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "非常时段通行激增", EN: "Unusual traffic in quiet hours"},
		Means:  ingest.Text{ZH: "平时无人的时段通行次数异常。", EN: "Far more passes than ever at an hour that is quiet on such days."},
		Clears: ingest.Text{ZH: "一小时内不再异常后自动解除。", EN: "Clears after an hour without."}},
	tailgating: {Name: "tailgating", Facility: ingest.Gate, Severity: Info, Unit: "1",
		Title:  ingest.Text{ZH: "尾随通行", EN: "Tailgating"},
		Means:  ingest.Text{ZH: "一次授权通过的人数多于该门平常。", EN: "More persons on one grant than this gate usually sees."},
		Clears: ingest.Text{ZH: "两小时内不再发生后自动解除。", EN: "Clears after two hours without."}},
	waterlogging: {Name: "waterlogging", Facility: "drainage", Severity: Critical, Unit: "quantity",
		Title:  ingest.Text{ZH: "积水内涝", EN: "Waterlogging"},
		Means:  ingest.Text{ZH: "积水传感器报告积水，或水位达到台账中的警戒水位。", EN: "Water is reported to stand, or its level has reached what the inventory calls a flood."},
		Clears: ingest.Text{ZH: "积水退去或水位低于警戒水位的九成后自动解除。", EN: "Clears when it has gone, or the level is below nine tenths of the limit."}},
	smoke: {Name: "smoke", Facility: "fire", Severity: Critical, Unit: "quantity",
		Title:  ingest.Text{ZH: "烟雾报警", EN: "Smoke"},
		Means:  ingest.Text{ZH: "烟感报告烟雾。", EN: "A detector reports smoke."},
		Clears: ingest.Text{ZH: "烟感恢复正常后自动解除。", EN: "Clears when the detector is quiet again."}},
	passageBlocked: {Name: "passage_blocked", Facility: "fire", Severity: Warning, Unit: "quantity",
		Title:  ingest.Text{ZH: "消防通道被占", EN: "Fire passage blocked"},
		Means:  ingest.Text{ZH: "消防通道被占用十分钟以上。", EN: "A fire passage has been blocked for over ten minutes."},
		Clears: ingest.Text{ZH: "通道恢复畅通后自动解除。", EN: "Clears when the passage is free."}},
	hydrantLow: {Name: "hydrant_low", Facility: "fire", Severity: Warning, Unit: ofQuantity,
		Title:  ingest.Text{ZH: "消火栓水压不足", EN: "Hydrant without pressure"},
		Means:  ingest.Text{ZH: "消火栓水压不超过0.14兆帕达十分钟：平时压力的下限（GB 50974）；管网停水、阀门关闭或漏水。", EN: "A hydrant has had 0.14 MPa or less for ten minutes, the least in normal running by GB 50974: no water in the main, a valve that is shut, or a leak."},
		Clears: ingest.Text{ZH: "水压回升后自动解除。", EN: "Clears when the pressure is back."}},
	chargerHot: {Name: "charger_hot", Facility: "charging", Severity: Critical, Unit: "quantity",
		Title:  ingest.Text{ZH: "充电设施过热", EN: "Charger hot"},
		Means:  ingest.Text{ZH: "充电设施温度达70 ℃：插头、电池或线路过热，可能起火。", EN: "A charger is at 70 °C: a plug, a battery or a cable overheats and may burn."},
		Clears: ingest.Text{ZH: "低于限值的85%后自动解除。", EN: "Clears below 85 % of the limit."}},
	overCurrent: {Name: "overcurrent", Facility: "charging", Severity: Warning, Unit: "quantity",
		Title:  ingest.Text{ZH: "充电电流过大", EN: "Charging current too high"},
		Means:  ingest.Text{ZH: "电流超过台账中额定电流的1.1倍达十分钟。", EN: "More than 1.1 times the rated current in the inventory for ten minutes."},
		Clears: ingest.Text{ZH: "低于限值的95%后自动解除。", EN: "Clears below 95 % of the limit."}},
	noisy: {Name: "noise", Facility: "noise", Severity: Warning, Unit: "quantity",
		Title:  ingest.Text{ZH: "噪声超标", EN: "Noise"},
		Means:  ingest.Text{ZH: "一小时平均声级超过该时段限值（默认昼间65分贝、夜间55分贝）。", EN: "The mean of an hour is above the limit of the time of day: 65 dB by day and 55 dB by night unless set otherwise."},
		Clears: ingest.Text{ZH: "低于限值的97%后自动解除。", EN: "Clears below 97 % of the limit."}},
	parkingFull: {Name: "parking_full", Facility: "parking", Severity: Info, Unit: "quantity",
		Title:  ingest.Text{ZH: "停车位已满", EN: "Parking full"},
		Means:  ingest.Text{ZH: "半小时以上没有空余车位。", EN: "No space has been free for half an hour."},
		Clears: ingest.Text{ZH: "出现空余车位后自动解除。", EN: "Clears when a space is free."}},
	crowded: {Name: "crowd", Facility: "public_area", Severity: Warning, Unit: "quantity",
		Title:  ingest.Text{ZH: "人员聚集", EN: "Crowd"},
		Means:  ingest.Text{ZH: "人数达到台账中该处的容量并持续五分钟。", EN: "As many people as the inventory says the place holds, for five minutes."},
		Clears: ingest.Text{ZH: "低于容量的九成后自动解除。", EN: "Clears below nine tenths of it."}},
	unaccountedEnergy: {Name: "unaccounted_energy", Facility: anyFacility, Severity: Warning, Unit: "W",
		Title:  ingest.Text{ZH: "总表与分表电量不平衡", EN: "Energy unaccounted for"},
		Means:  ingest.Text{ZH: "总表电量减去其下各分表之和，高于平时：线路上另接了负载、某只分表停走，或电缆漏电。", EN: "What the meter in front passed less what those behind it did is above the ordinary: another load is on the line, a meter stands still, or a cable leaks."},
		Clears: ingest.Text{ZH: "连续两日差额回落后自动解除。", EN: "Clears when the difference has been down again for two days."}},
	badAir: {Name: "bad_air", Facility: "environment", Severity: Info, Unit: ofQuantity,
		Title:  ingest.Text{ZH: "空气污染", EN: "Bad air"},
		Means:  ingest.Text{ZH: "PM2.5一天平均超过150微克/立方米：重度污染（HJ 633）。", EN: "PM2.5 over a day is above 150 µg/m3: heavy pollution by HJ 633."},
		Clears: ingest.Text{ZH: "低于限值的九成后自动解除。", EN: "Clears below nine tenths of it."}},
	offline: {Name: "offline", Facility: anyFacility, Severity: Warning, Unit: "s",
		Title:  ingest.Text{ZH: "设备离线", EN: "Device offline"},
		Means:  ingest.Text{ZH: "静默时间远超该设备自身的上报规律。", EN: "Silent for much longer than its own rhythm."},
		Clears: ingest.Text{ZH: "再次上报后自动解除。", EN: "Clears when it reports again."}},
	clockOffset: {Name: "clock_offset", Facility: anyFacility, Severity: Info, Unit: "s",
		Title:  ingest.Text{ZH: "设备时钟错误", EN: "Device clock wrong"},
		Means:  ingest.Text{ZH: "设备时间与接收时间的差突然改变。", EN: "The device's time has moved away from the time received."},
		Clears: ingest.Text{ZH: "连续三条报文时间正确后自动解除。", EN: "Clears after three messages with the right time."}},
	flatLine: {Name: "flat_line", Facility: anyFacility, Severity: Warning, Unit: ofQuantity, ExpectedUnit: "1",
		Title:  ingest.Text{ZH: "数值不变", EN: "Flat line"},
		Means:  ingest.Text{ZH: "本应波动的量一直重复同一数值。", EN: "A quantity that always moves repeats one value."},
		Clears: ingest.Text{ZH: "数值再次变化后自动解除。", EN: "Clears when the value moves again."}},
	unusualValue: {Name: "unusual_value", Facility: anyFacility, Severity: Info, Unit: ofQuantity,
		Title:  ingest.Text{ZH: "数值异常", EN: "Unusual value"},
		Means:  ingest.Text{ZH: "数值与该设备以往同时段的规律明显不符。", EN: "The value is far from what this device has shown at such times."},
		Clears: ingest.Text{ZH: "数值恢复正常一段时间后自动解除。", EN: "Clears when the values have been usual for a while."}},
	deviceReported: {Name: "device_reported", Facility: anyFacility, Severity: Warning, Unit: "1",
		Title:  ingest.Text{ZH: "设备自报故障", EN: "Reported by the device"},
		Means:  ingest.Text{ZH: "设备自身报告故障或告警。", EN: "The device itself reports a fault or an alarm."},
		Clears: ingest.Text{ZH: "设备报告恢复，或一昼夜内不再报告后自动解除。", EN: "Clears when the device says so, or after a day without another report."}},
	fireReported: {Name: "fire_reported", Facility: anyFacility, Severity: Critical, Unit: "1",
		Title:  ingest.Text{ZH: "报告火情", EN: "Fire reported"},
		Means:  ingest.Text{ZH: "设备报告火警，或一条未被接收的报文（设备未登记、超出限额、字段未映射、格式错误）中有火情：先看现场，再查报文。", EN: "A device reports a fire, or a message that was refused (a device no list has, a quota, a field nobody mapped, a broken format) tells of one: look at the place first, and at the message afterwards."},
		Clears: ingest.Text{ZH: "设备报告恢复，或一昼夜内不再报告后自动解除；也可由人关闭。", EN: "Clears when the device says so, or a day after the last message that told of it; a person can close it."}},
	gatewayOffline: {Name: "gateway_offline", Facility: anyFacility, Severity: Critical, Unit: "1", Rollup: true,
		Title:  ingest.Text{ZH: "网关离线", EN: "Gateway offline"},
		Means:  ingest.Text{ZH: "同一网关下半数以上设备离线。", EN: "Over half of the devices behind one gateway are silent."},
		Clears: ingest.Text{ZH: "离线设备少于四分之一后自动解除。", EN: "Clears when less than a quarter is."}},
	communityOffline: {Name: "community_offline", Facility: anyFacility, Severity: Critical, Unit: "1", Rollup: true,
		Title:  ingest.Text{ZH: "社区整体离线", EN: "Community offline"},
		Means:  ingest.Text{ZH: "一个社区半数以上设备离线：停电、断网或平台故障。", EN: "Over half of a community's devices are silent: power, network or the vendor's platform."},
		Clears: ingest.Text{ZH: "离线设备少于四分之一后自动解除。", EN: "Clears when less than a quarter is."}},
	atOnce: {Name: "at_once", Facility: anyFacility, Severity: Warning, Unit: "1", Rollup: true,
		Title:  ingest.Text{ZH: "多台设备同时异常（同一原因）", EN: "Many devices at once (one cause)"},
		Means:  ingest.Text{ZH: "同一回路、网关、小区、社区或厂商，或全县的多台同类设备一小时内出现同一异常：雷雨、日食、停电、节假日、补抄、时钟或平台故障，不是各台设备的故障。告警写明共同点和可能原因，代表各台的告警；级别同所代表的告警。", EN: "Many devices of one feeder, gateway, compound, community or vendor, or of the county, show the same within an hour: a storm, an eclipse, a power cut, a holiday, filled-in reads, a clock or the platform, and no fault of each. The alarm says what they have in common and the likely cause, stands for theirs, and is as grave as they are."},
		Clears: ingest.Text{ZH: "各台都恢复后自动解除；一天半后仍有少数未恢复的，由它们各自告警。", EN: "Clears when all of them are well again; those that are not after a day and a half stand for themselves then."}},
}

func (k kind) String() string { return Kinds[k].Name }

// KindNamed returns the kind of alarm with a name.
func KindNamed(name string) (Kind, bool) {
	k, ok := kindNamed(name)
	if !ok {
		return Kind{}, false
	}
	return Kinds[k], true
}
