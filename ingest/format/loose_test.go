package format

import (
	"testing"
	"time"

	"github.com/valyala/fastjson"
)

// Times as firmware, modems, spreadsheets and languages print them. All are the same
// moment in Shanghai, but for those never set or broken ("never") and those that may be
// two ("").
func TestClocksAsTheyAreWritten(t *testing.T) {
	zone := time.FixedZone("Asia/Shanghai", 8*3600)
	at := time.Date(2026, 11, 28, 17, 0, 5, 0, zone).UnixNano()
	for _, text := range []string{
		"2026-11-28 17:00:05", "2026/11/28 17:00:05", "2026.11.28 17:00:05", "2026-11-28-17:00:05", "2026-11-28_17:00:05", "20261128170005", "261128170005", "26-11-28 17:00:05",
		"2026-11-28T09:00:05Z", "2026-11-28 17:00:05 +0800", "2026-11-28 17:00:05+08", "2026-11-28T17:00:05+0800", "2026-11-28 17:00:05 +0800 CST",
		"2026年11月28日 17:00:05", "2026年11月28日17时00分05秒", "2026-11-28 17:00:05 星期六", "星期六 2026-11-28 17:00:05", "2026/11/28 周六 17:00:05", "2026/11/28 下午 5:00:05", "2026/11/28 下午5:00:05",
		"2026/11/28 5:00:05 PM", "Sat Nov 28 17:00:05 2026", "Sat, 28 Nov 2026 09:00:05 GMT", "Sat, 28 Nov 2026 17:00:05 +0800", "Sat Nov 28 2026 17:00:05 GMT+0800 (CST)", "28-Nov-2026 17:00:05", "28.11.2026 17:00:05",
		"26/11/28,17:00:05+32", "26/11/28,09:00:05+00", "/Date(1795856405000)/", "/Date(1795856405000+0800)/", "1795856405", "1795856405000", "1795856405.000", "1795856405000000",
	} {
		if have, ok := clockText(text, zone); !ok || have != at {
			t.Errorf("%q is %s, %v", text, time.Unix(0, have).In(zone), ok)
		}
	}
	for _, text := range []string{"0001-01-01T00:00:00Z", "1899-12-30 00:00:00", "1900/1/1 0:00:00", "0000-00-00 00:00:00", "2026-13-45 99:99:99", "2165-165-165 165:165:85", "2026-02-30 10:00:00", "N/A", ""} {
		if have, ok := clockText(text, zone); !ok || have != neverSet {
			t.Errorf("%q, of a clock never set, is %s, %v", text, time.Unix(0, have).In(zone), ok)
		}
	}
	for _, text := range []string{"28/11/2026 17:00:05", "11/28/2026 17:00:05", "11/28/2026 5:00:05 PM", "5/6/2026 17:00:05", "tomorrow", "1795856405s", "17:00:05"} {
		if have, ok := clockText(text, zone); ok {
			t.Errorf("%q is %s", text, time.Unix(0, have).In(zone))
		}
	}
	for text, ms := range map[string]int64{"1795856405.123": 123, "1795856405.12": 120, "1795856405.999": 999, "1795856405123.7": 123, "2026-11-28 17:00:05:123": 123, "2026-11-28 17:00:05,123": 123} {
		if have, ok := clockText(text, zone); !ok || have/1e6 != at/1e6+ms {
			t.Errorf("%q is %s, %v", text, time.Unix(0, have).In(zone), ok)
		}
	}
	for ms := range int64(1000) { // a float of 64 bits holds no ms exactly
		if have, ok := TimeOfNumber(1795856405 + float64(ms)/1000); !ok || have/1e6 != at/1e6+ms {
			t.Fatalf("%d ms are %s", ms, time.Unix(0, have).In(zone))
		}
	}
}

// Numbers as people write them; what may be two is none.
func TestNumbersAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]float64{
		"230,1": 230.1, "-0,5": -0.5, "1.234,5": 1234.5, "1,234.56": 1234.56, "1,234,567": 1234567, "1 234": 1234, "1 234 567,8": 1234567.8, "1\u00a0234.5": 1234.5, "12'345.6": 12345.6, "0,125": 0.125, "1234,567": 1234.567,
	} {
		if have, ok := LooseNumber(text); !ok || have != want {
			t.Errorf("%q is %v, %v", text, have, ok)
		}
	}
	for _, text := range []string{"12,345", "1.234.567", "1,23,456", "12 34", "1,234,56", "1.23,456.7", "a,b", ",", "1,", "", "2026 11 28", "230.1 V"} {
		if have, ok := LooseNumber(text); ok {
			t.Errorf("%q is %v", text, have)
		}
	}
}

func TestNearlyJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":NaN,"b":-Infinity,"c":-nan(ind),"d":1}`: "", // a word nobody writes
		`{"a":NaN,"b":-Infinity,"c":-nan,"d":1,}`:     `{"a":"NaN","b":"-Infinity","c":"-nan","d":1}`,
		`{'a':'it\'s "5"','b':True,'c':None}`:         `{"a":"it's \"5\"","b":true,"c":null}`,
		`{a:1,b_2:[1,2,],"c":"x:,y"}`:                 `{"a":1,"b_2":[1,2],"c":"x:,y"}`,
		`{"a":+230.1,"b":-1e-3}`:                      `{"a":230.1,"b":-1e-3}`,
		`{"a":1,"b`:                                   "",
	} {
		have := string(nearJSON([]byte(text)))
		if want == "" && have != "" {
			if _, err := new(fastjson.Parser).ParseBytes([]byte(have)); err == nil {
				t.Errorf("%s becomes %s", text, have)
			}
		} else if have != want {
			t.Errorf("%s becomes %s, want %s", text, have, want)
		}
	}
}
