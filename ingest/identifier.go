package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ValidID reports whether s can be an id and a tag value: printable, at most
// 128 bytes, and nothing that means something in topics or line protocol.
func ValidID(s string) bool {
	if s == "" || len(s) > 128 || !utf8.ValidString(s) || strings.Contains(s, "..") || s[0] == ' ' || s[len(s)-1] == ' ' {
		return false
	}
	for _, r := range s {
		if r < 0x80 {
			if r < ' ' || r == 0x7f || strings.IndexByte("/+#,=\"'\\`", byte(r)) >= 0 {
				return false
			}
		} else if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
