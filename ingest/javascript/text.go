package javascript

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// maxNesting bounds how deep brackets are nested in a decoder's text: goja's
// parser recurses as deep, and a stack that is full ends the process.
const maxNesting = 1000

// nesting returns how deep brackets are nested in a text, those in strings and
// comments included.
func nesting(text string) int {
	depth, deepest := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	return deepest
}

// unicodeText is a file's text. What is not UTF-8 is GBK, unless most of its
// characters are whole in UTF-8: then some are damaged, and are replaced, as
// node does.
func unicodeText(text string) string {
	text = strings.TrimPrefix(text, "\ufeff")
	if utf8.ValidString(text) {
		return text
	}
	whole, broken := 0, 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			broken++
		case n > 2: // GBK's pairs look like two bytes of UTF-8 by chance, but seldom like three
			whole++
		}
		i += n
	}
	if whole <= broken {
		if gbk, err := simplifiedchinese.GB18030.NewDecoder().String(text); err == nil && !strings.ContainsRune(gbk, utf8.RuneError) {
			return gbk
		}
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

// fromGBK decodes GBK whose bytes are given as characters.
func fromGBK(bytes string) string {
	raw := make([]byte, 0, len(bytes))
	for _, r := range bytes {
		raw = append(raw, byte(r))
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(raw)
	if err != nil {
		return string(utf8.RuneError)
	}
	return string(text)
}
