package ingest

import (
	"slices"
	"strings"
	"unicode"
)

// Burning says what a name or a word of a vendor tells of fire.
type Burning uint8

const (
	NoFire Burning = iota
	// Heat is an alarm of temperature: a fire in a bin or a charging shed, and perhaps
	// none elsewhere.
	Heat
	// A smoke detector says Smoke; anything else that tells of burning says Fire.
	Smoke
	Fire
)

// Words of fire as vendors of many countries write them, alone or with what follows
// in fireTails written on: smokeAlarm, fire_alarm and FIREALARM are one.
var (
	fireHeads = []string{"fire", "smoke", "flame", "burning", "heat", "rauch", "feuer", "callpoint"}
	fireTails = []string{"", "s", "alarm", "alarms", "alert", "warning", "warn", "detected", "detect", "detection", "detector", "sensor", "status", "state", "event", "flag", "button"}
	// fireElse are words beside which it is another thing: a passage, a hydrant, a
	// setting, the detector's own health.
	fireElse = []string{
		"lane", "passage", "escape", "exit", "door", "doors", "hydrant", "pump", "water", "pressure", "extinguisher", "wall", "place", "works",
		"mute", "muted", "silence", "silenced", "hush", "test", "testing", "selftest", "fault", "trouble", "battery", "low", "lowbat", "volt", "voltage", "tamper", "sensitivity", "threshold",
		"limit", "enable", "enabled", "enabling", "disable", "disabled", "config", "setting", "settings", "version", "interval", "period", "duration", "lifetime", "life", "age", "serial",
		"count", "counter", "times", "total", "density", "concentration", "scape", "value", "level", "contamination", "dust", "dirt", "brigade", "relay", "free", "loss", "pollution",
		"pump", "meter", "flow", "return", "supply", "index", "exchanger", "heater",
	}
	fireHan  = []string{"火警", "火灾", "着火", "起火", "失火", "明火", "火情", "冒烟", "燃烧报警", "手动报警", "手报报警", "感温报警", "温感报警"}
	smokeHan = []string{"烟感", "烟雾", "有烟", "烟火"}
	elseHan  = []string{"通道", "消火栓", "故障", "电量", "电压", "低电", "测试", "自检", "静音", "消音", "屏蔽", "灵敏", "阈值", "浓度", "拆", "版本", "演练", "门", "灭火器", "污染", "寿命"}

	calmWords = []string{
		"normal", "clear", "cleared", "ok", "off", "false", "no", "none", "inactive", "idle", "safe", "restore", "restored", "restoral", "recover", "recovered", "recovery", "end", "ended",
		"cancel", "canceled", "cancelled", "release", "released", "reset", "stop", "stopped", "closed", "close", "resolved", "dismissed", "quiet", "not", "n", "0", "f", "test", "fault", "muted",
		"disarmed", "disappear", "gone", "offline", "unknown", "null", "finish", "finished", "return",
	}
	calmHan   = []string{"正常", "恢复", "解除", "消除", "无", "否", "未", "关闭", "结束", "撤销", "测试", "故障", "离线", "误报"}
	alarmHan  = []string{"警", "火", "烟", "有", "是", "异常", "触发", "发生"}
	alarmWord = []string{
		"alarm", "alarms", "alarming", "alarmed", "alert", "alerting", "warning", "warn", "true", "on", "yes", "y", "t", "1", "active", "activated", "trigger", "triggered", "detected", "detect", "raise",
		"raised", "start", "started", "begin", "appear", "happen", "happening", "occur", "occurred", "set", "positive", "danger", "emergency", "critical", "high", "burning", "fire", "smoke", "flame", "abnormal", "new",
	}
)

// nameWords takes a name apart: at capitals, digits that follow letters, and whatever is neither.
func nameWords(name string) (list []string) {
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			list = append(list, b.String())
			b.Reset()
		}
	}
	before := ' '
	runes := []rune(name)
	for i, c := range runes {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			flush()
		case unicode.IsUpper(c) && unicode.IsLower(before), // smokeAlarm
			unicode.IsUpper(c) && unicode.IsUpper(before) && i+1 < len(runes) && unicode.IsLower(runes[i+1]), // COAlarm
			unicode.IsDigit(c) && unicode.IsLetter(before), unicode.IsLetter(c) && unicode.IsDigit(before):
			flush()
			b.WriteRune(unicode.ToLower(c))
		default:
			b.WriteRune(unicode.ToLower(c))
		}
		before = c
	}
	flush()
	return list
}

// maxFireName bounds the bytes of a name or a word that is looked at: longer ones are text.
const maxFireName = 256

// FireIn says what a name (of a field, an event, an alarm) tells of fire.
func FireIn(name string) Burning {
	if len(name) > maxFireName {
		name = name[:maxFireName]
	}
	if !mayBurn(name) {
		return NoFire
	}
	for _, w := range elseHan {
		if strings.Contains(name, w) {
			return NoFire
		}
	}
	for _, w := range fireHan {
		if strings.Contains(name, w) {
			return Fire
		}
	}
	for _, w := range smokeHan {
		if strings.Contains(name, w) {
			return Smoke
		}
	}
	if strings.Contains(name, "温") && (strings.Contains(name, "警") || strings.Contains(name, "过高") || strings.Contains(name, "超限") || strings.Contains(name, "高温")) {
		return Heat
	}
	list := nameWords(name)
	found := NoFire
	for i, w := range list {
		if slices.Contains(fireElse, w) {
			return NoFire
		}
		switch {
		case w == "call" && i+1 < len(list) && (list[i+1] == "point" || list[i+1] == "points"), w == "manual" && i+1 < len(list) && list[i+1] == "alarm":
			found = Fire
		case (w == "temperature" || w == "temp" || w == "overtemperature" || w == "overheat" || w == "heat") && alarming(list), w == "overheat", w == "overheating", w == "overtemperature":
			found = max(found, Heat)
		}
		for _, head := range fireHeads {
			if rest, ok := strings.CutPrefix(w, head); ok && slices.Contains(fireTails, rest) && (head != "heat" || rest != "" && rest != "s" && rest != "sensor" && rest != "state" && rest != "status") {
				switch {
				case head == "smoke" || head == "rauch":
					found = max(found, Smoke)
				case head == "heat":
					found = max(found, Heat)
				default:
					found = Fire
				}
			}
		}
	}
	return found
}

func alarming(list []string) bool {
	for _, w := range list {
		switch w {
		case "alarm", "alert", "warning", "abnormal", "exceeded", "over", "detected", "detector":
			return true
		}
	}
	return false
}

// mayBurn is a quick look that most names do not pass.
func mayBurn(name string) bool {
	for i := range len(name) {
		switch name[i] | 0x20 {
		case 'f':
			if has(name[i:], "fire") || has(name[i:], "flame") || has(name[i:], "feuer") {
				return true
			}
		case 's':
			if has(name[i:], "smoke") {
				return true
			}
		case 'b':
			if has(name[i:], "burning") {
				return true
			}
		case 'r':
			if has(name[i:], "rauch") {
				return true
			}
		case 'h':
			if has(name[i:], "heat") {
				return true
			}
		case 't':
			if has(name[i:], "temp") {
				return true
			}
		case 'c':
			if has(name[i:], "call") {
				return true
			}
		case 'm':
			if has(name[i:], "manual") {
				return true
			}
		}
		if name[i] >= 0x80 {
			return strings.ContainsAny(name, "火烟温警手")
		}
	}
	return false
}

func has(s, lower string) bool {
	return len(s) >= len(lower) && strings.EqualFold(s[:len(lower)], lower)
}

// Calm says whether the word of a state says that all is well, or that an alarm is over.
func Calm(text string) bool {
	if len(text) > maxFireName {
		return false
	}
	for _, w := range calmHan {
		if strings.Contains(text, w) {
			return true
		}
	}
	return slices.ContainsFunc(nameWords(text), func(w string) bool { return slices.Contains(calmWords, w) })
}

// Alarmed says whether the word of a state says that there is an alarm.
func Alarmed(text string) bool {
	if len(text) > maxFireName || Calm(text) {
		return false
	}
	for _, w := range alarmHan {
		if strings.Contains(text, w) {
			return true
		}
	}
	return slices.ContainsFunc(nameWords(text), func(w string) bool { return slices.Contains(alarmWord, w) })
}
