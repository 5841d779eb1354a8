package anomaly

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"greencommunity/ingest"
)

// selfReported are kinds that a device can report itself: then Value is 0,
// which the rule never gives them.
var selfReported = []kind{continuousFlow, reverseFlow, overfull, heldOpen, forcedOpen, binFire, smoke, chargerHot}

// why says in a sentence what was seen and what was expected, and in another
// that it is over where it is.
func why(k kind, a *Alarm) ingest.Text {
	text := seen(k, a)
	if a.ended != 0 {
		minutes := max(float64(a.ended-a.Since.UnixNano())/6e10, 1)
		text.ZH += fmt.Sprintf("补报：持续%.0f分钟，已结束。", minutes)
		text.EN += fmt.Sprintf(" Reported late: it lasted %.0f minutes and is over.", minutes)
	}
	return text
}

// inHours is a time in nanoseconds as hours, to a tenth.
func inHours(d int64) float64 { return math.Round(float64(d)/3.6e11) / 10 }

func seen(k kind, a *Alarm) ingest.Text {
	v, x := a.Value, a.Expected
	hours := func(s float64) string { return fmt.Sprintf("%.1f", s/3600) }
	both := func(zh, en string, args ...any) ingest.Text {
		return ingest.Text{ZH: fmt.Sprintf(zh, args...), EN: fmt.Sprintf(en, args...)}
	}
	if v == 0 && slices.Contains(selfReported, k) {
		return both("设备自身报告。", "The device itself reports it.")
	}
	if _, ok := limitKinds[k]; ok {
		unit := shownUnit(a.Unit)
		if limitsState(k, x) {
			if a.within == 0 {
				return both("设备报告：是。", "The device says so.")
			}
			return both("设备报告已持续%[1]g分钟。", "The device has said so for %[1]g minutes.", math.Round(float64(a.within)/6e10))
		}
		if a.Unit == "Pa" {
			v, x, unit = v/1000, x/1000, " kPa"
		}
		if a.within == 0 {
			return both("数值%.4[1]g%[3]s，限值%.4[2]g%[3]s。", "%.4[1]g%[3]s; the limit is %.4[2]g%[3]s.", v, x, unit)
		}
		return both("%[4]g分钟内数值%.4[1]g%[3]s，限值%.4[2]g%[3]s。", "%.4[1]g%[3]s over %[4]g minutes; the limit is %.4[2]g%[3]s.",
			v, x, unit, math.Round(float64(a.within)/6e10))
	}
	switch k {
	case continuousFlow, nightFlow:
		if a.within != 0 {
			return both("近两日每%[3]g小时的最小流量%.0[1]f升/小时，以往最高%.0[2]f升/小时，升高%.0[4]f升/小时（每天%.1[5]f立方米）。",
				"Over any %[3]g hours of the last two days at least %.0[1]f L/h flowed, %.0[2]f L/h before: %.0[4]f L/h more, %.1[5]f m3 a day.",
				v, x, inHours(a.within), v-x, (v-x)*24/1000)
		}
		return both("流量%.0f小时未归零，最小小时流量%.1f升。", "The flow has not come to rest for %.0f hours; its least hour was %.1f L.", x, v)
	case unaccountedWater:
		return both("一昼夜总表比各分表之和多%.0[1]f升/小时，平时%.0[2]f升/小时，升高%.0[3]f升/小时（每天%.1[4]f立方米）。",
			"In a day the master meter passed %.0[1]f L/h more than those behind it, %.0[2]f L/h on ordinary days: %.0[3]f L/h more, %.1[4]f m3 a day.",
			v, x, v-x, (v-x)*24/1000)
	case unaccountedEnergy:
		return both("一昼夜总表比各分表之和多%.0[1]f瓦，平时%.0[2]f瓦，升高%.0[3]f瓦（每天%.1[4]f千瓦时）。",
			"In a day the meter in front passed %.0[1]f W more than those behind it, %.0[2]f W on ordinary days: %.0[3]f W more, %.1[4]f kWh a day.",
			v, x, v-x, (v-x)*24/1000)
	case burst:
		return both("连续两小时流量%.0f升/小时，以往最高%.0f升/小时。", "%.0f L/h for two hours; the most so far was %.0f L/h.", v, x)
	case reverseFlow:
		return both("倒流%.0f升。", "%.0f L ran backwards.", v)
	case registerReset:
		return both("读数由%.2f变为%.2f。", "The register went from %.2f to %.2f.", x, v)
	case stuckRegister:
		return both("读数%s小时不动，以往最长%s小时。", "The register has stood still for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case overQmax:
		return both("流量%.2f立方米/小时，过载流量%.2f立方米/小时。", "%.2f m3/h through a meter built for %.2f m3/h.", v, x)
	case dayBurner:
		return both("太阳高度%.0f°，功率%.0f瓦。", "The sun is at %.0f° and the power is %.0f W.", x, v)
	case outage:
		return both("天黑后功率仅%.1f瓦，额定%.0f瓦。", "Dark outside, and only %.1f W of %.0f W.", v, x)
	case cycling:
		if a.within == 0 { // of a program that did not keep it
			return both("反复开关%.0f次，正常不超过%.0f次。", "Switched %.0f times; %.0f is usual at most.", v, x)
		}
		return both("%[3]g小时内开关%.0[1]f次，正常不超过%.0[2]f次。", "Switched %.0f times within %[3]g hours; %.0[2]f is usual at most.", v, x, inHours(a.within))
	case partialFailure, overPower, stuckDimmer:
		return both("功率%.1f瓦，该调光下应为%.1f瓦。", "%.1f W, where this dimming level takes %.1f W.", v, x)
	case feederOutage, feederDayBurner:
		return both("回路%.0f盏（共%.0f盏）。", "%.0f of %.0f lamps of the feeder.", v, x)
	case fireReported:
		if a.refused != nil {
			return a.refused.sentence()
		}
		return both("设备自身报告。", "The device itself reports it.")
	case binFire:
		return both("桶内%.0f ℃，周围约%.0f ℃。", "%.0f °C inside, about %.0f °C around.", v, x)
	case overfull:
		if a.within == 0 { // the bin calls itself full
			return both("装满度%.0f%%，应低于%.0f%%。", "%.0f %% full; below %.0f %% is expected.", 100*v, 100*x)
		}
		return both("装满度%.0f%%持续%[3]g小时，应低于%.0[2]f%%。", "%.0f %% full for %[3]g hours; below %.0[2]f %% is expected.", 100*v, 100*x, inHours(a.within))
	case tipped:
		return both("连续两次报告倾斜。", "Tilted in two readings in a row.")
	case blocked:
		return both("装满度由%.0f%%跳到%.0f%%并保持。", "The fill level jumped from %.0f %% to %.0f %% and stayed.", 100*x, 100*v)
	case stuckFill:
		return both("装满度%s小时不变，以往最长%s小时。", "No change for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case missedCollection:
		return both("%s小时未清运，平常最长约%s小时。", "Not emptied for %s hours; about %s hours are usual at most.", hours(v), hours(x))
	case erraticFill:
		return both("一天内装满度大幅升降%.0f次，正常不超过%.0f次。", "The fill level has jumped %.0f times within a day; %.0f are usual at most.", v, x)
	case atOnce:
		_, name, _ := strings.Cut(a.Channel, "/")
		of, _ := KindNamed(name)
		return ingest.Text{ZH: fmt.Sprintf("%.0f台（共%.0f台）同类设备同时出现“%s”。", v, x, of.Title.ZH),
			EN: fmt.Sprintf("%.0f of %.0f such devices at once: %s.", v, x, of.Title.EN)}
	case heldOpen:
		return both("开门超过%.0f秒。", "Open for more than %.0f s.", v)
	case forcedOpen:
		return both("开门前%.0f秒内无授权。", "Opened without a grant in the %.0f s before.", x)
	case stuckClosed:
		return both("连续%.0f次授权后未开门。", "%.0f grants in a row and no opening.", v)
	case deniedBurst:
		if a.within == 0 { // of a program that did not keep it
			return both("拒绝%.0f次，平常%.2f次。", "%.0f denials; %.2f are usual.", v, x)
		}
		return both("%[3]g分钟内拒绝%.0[1]f次，平常%.2[2]f次。", "%.0f denials in %[3]g minutes; %.2[2]f are usual.", v, x, float64(a.within)/6e10)
	case offHours:
		return both("本小时通行%.0f次，平常%.2f次。", "%.0f passes this hour; %.2f are usual.", v, x)
	case tailgating:
		return both("一次授权通过%.0f人，平常%.2f人。", "%.0f persons on one grant; %.2f are usual.", v, x)
	case offline:
		return both("静默%s小时，以往最长%s小时。", "Silent for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case clockOffset:
		if math.IsNaN(v) {
			return both("设备时间完全错误。", "The device's time is nowhere near.")
		}
		return both("设备时间偏差%.0f秒。", "The device's clock is off by %.0f s.", v)
	case flatLine:
		return both("数值%g连续重复%.0f次。", "The value %g has been repeated %.0f times.", v, x)
	case unusualValue:
		return both("数值%.4g，平常约%.4g。", "%.4g, where about %.4g is usual.", v, x)
	case deviceReported:
		zh, en := reported(a.Channel)
		return ingest.Text{ZH: "设备报告：" + zh + "。", EN: "The device reports: " + en + "."}
	}
	return both("%.0f台（共%.0f台）设备离线。", "%.0f of %.0f devices are silent.", v, x)
}

// shownUnit is a unit behind a number; states and numbers of things have none.
func shownUnit(unit string) string {
	switch unit {
	case "", "1", "0/1":
		return ""
	case "Cel":
		return " ℃"
	}
	return " " + unit
}

// reportedWords are the events of the native format that no rule of their own takes.
var reportedWords = map[string]ingest.Text{
	"tamper": {ZH: "拆动", EN: "tampering"}, "lamp_fault": {ZH: "灯具故障", EN: "a fault of the lamp"}, "leak": {ZH: "漏水", EN: "a leak"}, "backflow": {ZH: "倒流", EN: "backflow"},
	"overfull": {ZH: "满溢", EN: "that it is overfull"}, "door_forced": {ZH: "强行开门", EN: "that it was forced open"}, "door_held_open": {ZH: "门未关", EN: "that it is held open"}, "node_offline": {ZH: "离线", EN: "that it is offline"},
}

// reported names what a device reports, by the channel of its alarm: channel/type, where
// the channel may be none.
func reported(channel string) (zh, en string) {
	part, kind, two := strings.Cut(channel, "/")
	if !two {
		part, kind = "", channel
	}
	zh, en = kind, kind
	if w, ok := reportedWords[kind]; ok {
		zh, en = w.ZH, w.EN
	}
	if part != "" {
		zh, en = part+" "+zh, en+" ("+part+")"
	}
	return zh, en
}
