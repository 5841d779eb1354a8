package format

import "testing"

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
		if want && aWord.keeps(text) {
			t.Errorf("%q is kept as a word", text)
		}
	}
}
