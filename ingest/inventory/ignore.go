package inventory

import (
	"bytes"
	"encoding/hex"
	"strings"
)

// maxIgnored is the largest payload that Ignore may name, in bytes.
const maxIgnored = 1024

// Ignores reports whether a payload is one of those the source lists as no reading:
// as text, or as bytes in hex.
func (s *Source) Ignores(payload []byte) bool {
	if len(payload) > maxIgnored {
		return false
	}
	text := string(bytes.Trim(payload, " \t\r\n\x00"))
	bytesInHex := ""
	for _, pattern := range s.Ignore {
		if matchesText(pattern, text) {
			return true
		}
		if b, err := hex.DecodeString(strings.ReplaceAll(pattern, " ", "")); err == nil && len(b) > 0 {
			if bytesInHex == "" {
				bytesInHex = hex.EncodeToString(payload)
			}
			if bytesInHex == hex.EncodeToString(b) {
				return true
			}
		}
	}
	return false
}

// matchesText reports whether a text is what a pattern says, in which * stands for
// any part.
func matchesText(pattern, text string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for {
		part, more, wild := strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text, rest = text[at+len(part):], more
	}
}
