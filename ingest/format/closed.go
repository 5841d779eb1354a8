package format

import (
	"strings"
	"time"
	"unicode/utf8"
)

// What a gate says is kept only where it has one of the forms below, which no
// name of a person has, nor a number of a telephone, an identity card, a
// passport or a bank card. A text that the inventory has is the bureau's, and
// passes whatever its form.

// Withheld stands where an identifier may be of a person. MQTT allows no topic
// to hold it and the inventory no identifier, so it is refused wherever it comes.
const Withheld = "#withheld"

// personal reports whether a text holds what may be a mobile number (11 digits
// from 13 on) or an identity number (17 digits and a digit or X), written with
// hyphens, points and spaces or without, alone or beside a name.
func personal(text string) bool {
	run, first, second := 0, byte(0), byte(0)
	for i := range len(text) + 1 {
		c := byte(0)
		if i < len(text) {
			c = text[i]
		}
		switch {
		case '0' <= c && c <= '9':
			run++
			switch run {
			case 1:
				first = c
			case 2:
				second = c
			}
			if run >= 18 {
				return true
			}
		case c == '-' || c == '.' || c == ' ':
		default:
			if run == 11 && first == '1' && second >= '3' || run == 13 && first == '8' && second == '6' || run == 17 && (c == 'X' || c == 'x') {
				return true
			}
			run = 0
		}
	}
	return false
}

// closedNumber is a whole number of ten digits at most, or one with a fraction
// and five digits at most before it, as floats are written.
func closedNumber(s string) bool {
	digits := strings.TrimLeft(s, "-+")
	if len(s)-len(digits) > 1 || digits == "" {
		return false
	}
	if digits, exponent, ok := cutExponent(digits); ok {
		return len(exponent) <= 3 && closedNumber(digits)
	}
	whole, fraction, point := strings.Cut(digits, ".")
	if !onlyDigits(whole) || !onlyDigits(fraction) {
		return false
	}
	if !point || strings.Trim(fraction, "0") == "" {
		return 1 <= len(whole) && len(whole) <= 10 && len(fraction) <= 10
	}
	return len(whole) <= 5 && len(fraction) <= 17 || len(whole) <= 8 && len(fraction) <= 3
}

func cutExponent(s string) (number, exponent string, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 1 {
		return "", "", false
	}
	exponent = strings.TrimLeft(s[i+1:], "-+")
	return s[:i], exponent, exponent != "" && onlyDigits(exponent)
}

func onlyDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// closedText is a number in a text, which is not told apart from a telephone's
// by its point.
func closedText(s string) bool { return closedNumber(s) && !personal(s) }

// Epochs between 2015 and 2037, in ms, us and ns, begin with the digits 1420 to
// 2146. No telephone number has as many, and no number of a bank card that is in
// use in China begins so.
const earliestEpoch, latestEpoch = "1420", "2146"

// closedTime is a time: a date as devices write them, or an epoch.
func closedTime(s string) bool {
	if onlyDigits(s) {
		switch len(s) {
		case 13, 16, 19:
			return s[:4] >= earliestEpoch && s[:4] <= latestEpoch
		case 14: // 20261123080000
			_, err := time.Parse("20060102150405", s)
			return err == nil && s[:2] == "20"
		}
		return 1 <= len(s) && len(s) <= 10
	}
	if whole, fraction, ok := strings.Cut(s, "."); ok && onlyDigits(whole) && onlyDigits(fraction) { // of seconds, or ms
		return len(whole) == 10 && len(fraction) <= 9 || len(whole) == 13 && len(fraction) <= 6 && closedTime(whole)
	}
	_, isNumber := ParseNumber(s)
	_, ok := ParseTime(s, time.UTC)
	return ok && !isNumber
}

// closedName returns what codes and values are called: known words, up to three
// letters, and digits, parted by -, _, . and such; or an address in hexadecimal.
// Without a digit, known words and single letters.
func closedName(s string, known func(word string) bool) bool { return called(s, known, false) }

// closedID returns what devices and doors are called where nobody has listed them: as
// closedName, and with a digit one word more, of a length and in one case. So
// menjin-7 passes, and zhangsan, zhang-san-7 and ZhangSan7 do not.
func closedID(s string, known func(word string) bool) bool { return called(s, known, true) }

func called(s string, known func(word string) bool, free bool) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	if hexAddress(s) {
		return true
	}
	squeezed := make([]byte, 0, 128)
	letters, digits, words, long, short := 0, 0, true, 0, 0
	for i := 0; i < len(s); {
		c, start := s[i], i
		switch {
		case '0' <= c && c <= '9':
			for i < len(s) && '0' <= s[i] && s[i] <= '9' {
				i++
			}
			n := i - start
			if n > 14 || n == 11 || n == 12 && c == '0' { // eleven and twelve are telephones
				return false
			}
			digits += n
			squeezed = append(squeezed, s[start:i]...)
		case isLetter(c):
			for i < len(s) && isLetter(s[i]) {
				i++
			}
			word := s[start:i]
			letters += len(word)
			if !knownParts(word, known) {
				words = words && len(word) == 1
				switch {
				case len(word) > 12 || len(word) > 3 && !free:
					return false
				case len(word) > 3:
					long++
					rest := word[1:]
					if rest != strings.ToLower(rest) && word != strings.ToUpper(word) {
						return false
					}
				case len(word) > 1:
					short++
				}
			}
			squeezed = append(squeezed, word...)
		case strings.IndexByte("-_.:/;~@$ ", c) >= 0:
			i++
		default:
			return false
		}
	}
	if digits == 0 {
		return letters > 0 && (words || free && letters <= 3)
	}
	if long > 1 || long == 1 && short > 0 || long+short > 0 && strings.Contains(s, " ") {
		return false
	}
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return strings.ContainsRune("-_.:/;~@$ ", c) }) {
		if passport(part) {
			return false
		}
	}
	return digits <= 24 && (letters > 0 || digits <= 14 && digits != 11) && !personal(string(squeezed)) && !passport(string(squeezed))
}

// knownParts reports whether a word is known, or each part of it that begins with
// a capital: doorOpenAlarm.
func knownParts(word string, known func(string) bool) bool {
	if known(word) {
		return true
	}
	start := 0
	for i := 1; i <= len(word); i++ {
		if i < len(word) && (word[i] >= 'a' || word[i-1] < 'a') {
			continue
		}
		if i-start < 2 || !known(strings.ToLower(word[start:i])) {
			return false
		}
		start = i
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// passport is a letter and eight digits, or two letters and seven.
func passport(s string) bool {
	letters := strings.TrimRight(s, "0123456789")
	digits := len(s) - len(letters)
	return len(letters) == 1 && digits == 8 || len(letters) == 2 && digits == 7
}

// hexAddress is an EUI, a MAC or a UUID, with or without what parts them.
func hexAddress(s string) bool {
	n, parts, digit, letter := 0, 0, false, false
	for _, c := range []byte(s) {
		switch {
		case '0' <= c && c <= '9':
			digit, n = true, n+1
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			letter, n = true, n+1
		case c == '-' || c == ':':
			parts++
		default:
			return false
		}
	}
	if n != 8 && n != 12 && n != 16 && n != 32 || !letter || personal(s) {
		return false
	}
	return parts == 0 && digit || parts == n/2-1 || parts == 4 && n == 32
}

// imei is the number of a mobile module of China's: 15 digits from 86 on. No
// region's number, with which the 15 digits of an old identity card begin, is 86.
func imei(s string) bool { return len(s) == 15 && onlyDigits(s) && s[:2] == "86" }

// holdsText reports whether bytes of a device's frame hold text: twelve letters
// and spaces in a row, three Chinese characters, a personal number, or
// nothing but what can be printed.
// Frames are short and their bytes random enough that none is lost by it.
func holdsText(frame []byte) bool {
	if len(frame) > maxFrame {
		return true
	}
	run, printable := 0, true
	for _, c := range frame {
		printable = printable && c >= ' ' && c != 0x7f
		if isLetter(c) || c == ' ' {
			if run++; run >= 12 {
				return true
			}
		} else {
			run = 0
		}
	}
	chinese := 0
	for _, r := range strings.ToValidUTF8(string(frame), "\x00") {
		if 0x4e00 <= r && r <= 0x9fff {
			if chinese++; chinese >= 3 {
				return true
			}
		} else {
			chinese = 0
		}
	}
	return personal(string(frame)) || printable && len(frame) >= 6 && utf8.Valid(frame)
}

// maxFrame is the longest payload of LoRaWAN, and longer than a meter's frame.
const maxFrame = 255
