package format

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// What firmware writes that is nearly JSON, nearly a number, nearly a time is read
// here, once it has failed to be one: it costs a right payload nothing.

// nearJSON is JSON made of a text that is nearly JSON, as firmware prints it:
// Infinity and +1, a comma behind the last member, ' for ", names without quotes,
// Python's True, False and None. It is nil where a text in it does not end.
func nearJSON(text []byte) []byte {
	out := make([]byte, 0, len(text)+16)
	last := func() byte {
		trimmed := bytes.TrimRight(out, " \t\r\n")
		if len(trimmed) == 0 {
			return 0
		}
		return trimmed[len(trimmed)-1]
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\'':
			end := i + 1
			for end < len(text) && text[end] != c {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(text) {
				return nil // it was cut
			}
			if inside := text[i+1 : end]; c == '"' {
				out = append(out, text[i:end+1]...)
			} else {
				inside = bytes.ReplaceAll(bytes.ReplaceAll(inside, []byte(`\'`), []byte(`'`)), []byte(`"`), []byte(`\"`))
				out = append(append(append(out, '"'), inside...), '"')
			}
			i = end + 1
		case c == ',' || c == '}' || c == ']':
			if c != ',' && last() == ',' {
				out = out[:bytes.LastIndexByte(out, ',')]
			}
			out = append(out, c)
			i++
		case c == '+' || c == '-' || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80:
			end := i + 1
			for end < len(text) && (text[end] == '_' || text[end] == '-' || text[end] == '.' || text[end] == '+' || text[end] >= '0' && text[end] <= '9' ||
				text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z' || text[end] >= 0x80) {
				end++
			}
			word, instead := string(text[i:end]), ""
			rest := bytes.TrimLeft(text[end:], " \t\r\n")
			if p := last(); (p == '{' || p == ',') && len(rest) > 0 && rest[0] == ':' {
				instead = strconv.Quote(word) // a name
			} else {
				switch strings.ToLower(strings.TrimLeft(word, "+-")) {
				case "infinity", "inf", "nan", "1.#inf", "1.#qnan", "1.#ind":
					instead = `"` + word + `"` // refused by its name
				case "true":
					instead = "true"
				case "false":
					instead = "false"
				case "none", "null", "undefined":
					instead = "null"
				default:
					if word[0] == '+' {
						instead = word[1:]
					}
				}
			}
			if instead == "" {
				instead = word
			}
			out = append(out, instead...)
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// fromUTF16 is JSON in UTF-16 as UTF-8; nil where it is none.
func fromUTF16(text []byte) []byte {
	high, low := 1, 0
	switch {
	case len(text) < 4:
		return nil
	case text[0] == 0xff && text[1] == 0xfe, (text[0] == '{' || text[0] == '[') && text[1] == 0:
	case text[0] == 0xfe && text[1] == 0xff, text[0] == 0 && (text[1] == '{' || text[1] == '['):
		high, low = 0, 1
	default:
		return nil
	}
	units := make([]uint16, 0, len(text)/2)
	for i := 0; i+1 < len(text); i += 2 {
		units = append(units, uint16(text[i+high])<<8|uint16(text[i+low]))
	}
	var out []byte
	for _, r := range utf16.Decode(units) {
		if r != '\ufeff' {
			out = utf8.AppendRune(out, r)
		}
	}
	return bytes.TrimRight(out, "\x00")
}

// Documents are the JSON documents of a payload that has several, one behind the
// other or one a line, each with what was left behind the last as its last; nil where
// it has one.
func Documents(payload []byte) (documents [][]byte) {
	rest := bytes.TrimLeft(jsonText(payload), " \t\r\n,;\x1e\x00")
	for len(rest) > 0 && len(documents) <= MaxReadings {
		n := documentEnd(rest)
		documents = append(documents, rest[:n])
		rest = bytes.TrimLeft(rest[n:], " \t\r\n,;\x1e\x00")
	}
	if len(documents) < 2 {
		return nil
	}
	return documents
}

// documentEnd returns the offset behind the object or list that a text begins with, or the
// length of the text where it begins with neither, or where that does not end.
func documentEnd(text []byte) int {
	if text[0] != '{' && text[0] != '[' {
		return len(text)
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// localNumber reads a number as people write it: 230,1 and 1.234,5 and 1,234.56 and
// 1 234. What may be either, as 12,345, is none.
func localNumber(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if len(text) > 40 || !strings.ContainsAny(text, ", \u00a0\u202f'") {
		return 0, false
	}
	for _, space := range []string{" ", "\u00a0", "\u202f", "'"} {
		if strings.Contains(text, space) {
			whole := text
			if i := strings.IndexAny(text, ".,"); i >= 0 {
				whole = text[:i]
			}
			if !grouped(whole, space) || strings.Contains(text[len(whole):], space) {
				return 0, false
			}
			text = strings.ReplaceAll(text, space, "")
			break
		}
	}
	comma, point := strings.Count(text, ","), strings.Count(text, ".")
	switch {
	case comma == 0:
	case point == 0 && comma == 1: // 230,1; not 12,345
		whole, fraction, _ := strings.Cut(text, ",")
		if whole = strings.TrimLeft(whole, "+-"); len(fraction) == 3 && len(whole) <= 3 && whole != "0" && whole != "" || fraction == "" {
			return 0, false
		}
		text = strings.Replace(text, ",", ".", 1)
	case point <= 1 && (point == 0 || strings.LastIndexByte(text, ',') < strings.IndexByte(text, '.')): // 1,234,567.8
		whole, _, _ := strings.Cut(text, ".")
		if !grouped(whole, ",") {
			return 0, false
		}
		text = strings.ReplaceAll(text, ",", "")
	case comma == 1: // 1.234,5
		whole, fraction, _ := strings.Cut(text, ",")
		if !grouped(whole, ".") || strings.Contains(fraction, ".") {
			return 0, false
		}
		text = strings.ReplaceAll(whole, ".", "") + "." + fraction
	default:
		return 0, false
	}
	return ParseNumber(text)
}

// grouped reports whether digits stand in groups of three.
func grouped(digits, by string) bool {
	groups := strings.Split(strings.TrimLeft(digits, "+-"), by)
	for i, group := range groups {
		if !onlyDigits(group) || len(group) > 3 || i > 0 && len(group) != 3 {
			return false
		}
	}
	return true
}

// moreLayouts are those of firmware and of languages, behind what tidied takes away.
var moreLayouts = []string{
	"2006-1-2 15:04:05", "2006-1-2 15:04", "2006-1-2", "2006-1-2 3:04:05 PM", "2006-1-2 3:04 PM",
	"2006-1-2 15:04:05 -07:00", "2006-1-2 15:04:05 -0700", "2006-1-2 15:04:05 -07", "2006-1-2 15:04:05 MST", "2006-1-2T15:04:05 -0700",
	"2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02T15:04:05.999999999-07", "2006-01-02 15:04:05-07", "2006-01-02 15:04:05.999999999-0700",
	"06-1-2 15:04:05", "06-1-2 15:04", "2.1.2006 15:04:05", "2.1.2006 15:04", "2-Jan-2006 15:04:05", "2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 MST",
	"Jan 2 15:04:05 2006", "Jan 2 15:04:05 MST 2006", "Jan 2 2006 15:04:05", "Jan 2 2006 15:04:05 GMT-0700", "Jan 2 2006 3:04:05 PM",
}

// weekdays and halves of days, and what they are in layouts.
var tidies = strings.NewReplacer(
	"星期一", "", "星期二", "", "星期三", "", "星期四", "", "星期五", "", "星期六", "", "星期日", "", "星期天", "", "周一", "", "周二", "", "周三", "", "周四", "", "周五", "", "周六", "", "周日", "",
	"Monday", "", "Tuesday", "", "Wednesday", "", "Thursday", "", "Friday", "", "Saturday", "", "Sunday", "", "Mon", "", "Tue", "", "Wed", "", "Thu", "", "Fri", "", "Sat", "", "Sun", "",
	"上午", " AM ", "下午", " PM ", "am", " AM ", "pm", " PM ", "AM", " AM ", "PM", " PM ",
	"年", "-", "月", "-", "日", " ", "时", ":", "点", ":", "分", ":", "秒", "", "/", "-", "_", " ", "北京时间", "", "(CST)", "", "(China Standard Time)", "", "(中国标准时间)", "",
)

// looseTime reads a time as firmware, spreadsheets and languages print it, which is none
// of layouts. Which of day and month comes first where / parts them cannot be told: such
// a time is none.
func looseTime(text string, zone *time.Location) (unixNano int64, ok bool) {
	if len(text) < 8 || len(text) > 80 {
		return 0, false
	}
	if digits, ok := strings.CutPrefix(text, "/Date("); ok { // of .NET
		digits, _, _ = strings.Cut(digits, ")")
		if i := strings.LastIndexAny(digits, "+-"); i > 0 {
			digits = digits[:i]
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		return max(n*1e6, neverSet), err == nil && n < 1e15
	}
	if i := strings.IndexByte(text, '/'); i > 0 && i <= 2 && strings.Count(text, "/") == 2 && !modemClock(text) {
		return 0, false
	}
	quarters, clock := 0, text
	if modemClock(text) { // of a modem: 26/11/28,17:00:05+32, in quarters of an hour
		if i := strings.LastIndexAny(text, "+-"); i > 0 {
			n, err := strconv.Atoi(text[i:])
			if err != nil || n < -96 || n > 96 {
				return 0, false
			}
			quarters, clock, zone = n, text[:i], time.UTC
		}
		clock = strings.Replace(clock, ",", " ", 1)
	}
	tidy := strings.Join(strings.Fields(strings.ReplaceAll(tidies.Replace(clock), ", ", " ")), " ")
	tidy = strings.TrimRight(strings.TrimLeft(tidy, ", "), " :")
	if len(tidy) > 10 && tidy[4] == '.' && tidy[7] == '.' { // 2026.11.28
		tidy = tidy[:4] + "-" + tidy[5:7] + "-" + tidy[8:]
	}
	if len(tidy) > 10 && tidy[10] == '-' { // 2026-11-28-17:00:05
		tidy = tidy[:10] + " " + tidy[11:]
	}
	if strings.Count(tidy, ":") == 3 && len(tidy) > 20 { // 17:00:05:123
		i := strings.LastIndexByte(tidy, ':')
		tidy = tidy[:i] + "." + tidy[i+1:]
	}
	if words := strings.Fields(tidy); len(words) == 3 && (words[1] == "PM" || words[1] == "AM") { // 下午 5:00
		tidy = words[0] + " " + words[2] + " " + words[1]
	}
	broken := false // 2026-13-45
	for _, known := range [][]string{moreLayouts, layouts} {
		for _, layout := range known {
			t, err := time.ParseInLocation(layout, tidy, zone)
			if err == nil && t.Year() < 1970 { // the first day that a language has
				return neverSet, true
			}
			if err == nil && t.Year() < 2262 {
				return t.UnixNano() - int64(quarters)*int64(15*time.Minute), true
			}
			broken = broken || err != nil && strings.ContainsAny(tidy, "-:") && strings.HasSuffix(err.Error(), "out of range")
		}
	}
	if broken {
		return neverSet, true
	}
	return brokenClock(tidy)
}

// modemClock reports whether a text has the form of a modem's clock: 26/11/28,17:00:05+32.
func modemClock(text string) bool {
	return len(text) >= 17 && text[2] == '/' && text[5] == '/' && text[8] == ',' && onlyDigits(text[:2]) && onlyDigits(text[3:5]) && onlyDigits(text[6:8])
}

// brokenClock tells a date of numbers that no date has, as 2165-165-165 165:165:85 of a
// clock chip that does not answer.
func brokenClock(text string) (unixNano int64, ok bool) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '-' || r == ' ' || r == ':' || r == 'T' })
	if len(parts) != 6 || len(parts[0]) != 4 {
		return 0, false
	}
	for _, part := range parts {
		if !onlyDigits(part) || len(part) > 4 {
			return 0, false
		}
	}
	return neverSet, true
}
