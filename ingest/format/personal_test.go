package format

import (
	"strings"
	"testing"
)

// What a member that is a word may hold is no number of a person.
func TestPersonalNumbersAreNoWords(t *testing.T) {
	for text, want := range map[string]bool{
		"ZhangSan13912345678": true, "13912345678": true, "139-1234-5678": true, "+8613912345678": true, "8613912345678": true,
		"110105-19491231-002X": true, "11010519491231002X": true, "110105194912310021": true, "id:11010519491231002x": true,
		"RecPush": false, "1375264": false, "aa:bb:cc:dd:ee:ff": false, "a4:14:37:00:11:22": false, "AccessControllerEvent": false,
		"DS-K1T671-20210412": false, "12345678901": false, "": false,
	} {
		if personal(text) != want {
			t.Errorf("personal(%q) = %v", text, !want)
		}
		if want && (aName.keeps(text) || closedText(text)) {
			t.Errorf("%q is kept", text)
		}
	}
}

// A closed form holds what devices say, and no person.
func TestClosedForms(t *testing.T) {
	word := func(w string) bool { return w == "door" || w == "gate" || w == "east" }
	name := func(s string) bool { return closedName(s, word) }
	id := func(s string) bool { return closedID(s, word) }
	for _, each := range []struct {
		form     string
		keeps    func(string) bool
		yes, not []string
	}{
		{"name", name, []string{"g1", "g2d3", "t1d12", "door-17", "door", "east_gate", "in_1", "N01", "3", "005a213b000b93cc", "24e124136b502217", "a4:14:37:00:11:22",
			"5f1b6e3c-2c1f-4d7a-9d8e-0c6f3a1b2d4e", "1299523", "20210412000123", "SN-2021-0412", "gate-2-15-3"},
			[]string{"", "Zhuge", "zhangsan", "zhang-san", "ZhangSan7", "zhang-san-1", "诸葛", "13912345678", "139-1234-5678", "139_1234_5678", "door13912345678", "8613912345678",
				"610102199003077777", "61010219900307777X", "610102-19900307-7777", "610102_19900307_7777", "610102:19900307:777X", "E61010219", "EA1234567", "6222021234567890123",
				"6222021234567890", "8877665544332211", "093882134567", "zhang 1", "陕A77777", "a/诸葛", strings.Repeat("1", 200)}},
		{"id", id, []string{"g1", "menjin-7", "hackdoor7", "far", "Entrance3", "gate"}, []string{"zhangsan", "zhang-san-7", "ZhangSan7", "zhang san 7", "zhangsan 7",
			"ZhangSan13912345678", "zhangsan-13912345678", "诸葛7", "610102199003077777", "E61010219"}},
		{"number", closedNumber, []string{"0", "-1", "1234567890", "12.25", "23.100000381469727", "1e3", "1.5E-7", "13.912345678", "99999.5", "12345678.125"},
			[]string{"", "-", "13912345678", "610102199003077777", "13912345678.0", "610102.199003077777", "1391234567.8901", "NaN", "0x10", "1 2", "--1", "1e99999"}},
		{"text", closedText, []string{"21.5", "1234567890"}, []string{"139.12345678", "13912345678"}},
		{"time", closedTime, []string{"2026-11-23T08:00:00+08:00", "2026-11-23 08:00:00", "1795392000", "1795392000123", "1795392000123456", "1795392000123456789", "20261123080000", "1795392000.25"},
			[]string{"", "Zhuge", "13912345678", "8613912345678", "610102199003077777", "6222021234567890", "6222021234567890123", "610102-19900307-7777", "61010219900307", "139.12345678"}},
	} {
		for _, s := range each.yes {
			if !each.keeps(s) {
				t.Errorf("%s: %q is not kept", each.form, s)
			}
		}
		for _, s := range each.not {
			if each.keeps(s) {
				t.Errorf("%s: %q is kept", each.form, s)
			}
		}
	}
}
