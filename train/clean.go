package train

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how many bytes of a topic one text may take when it comes by command.
const maxText = 200

// CleanMessage returns s as a message or a reason that the topic can show: one
// line without codes and control characters, `"` as `'`, at most 200 bytes.
func CleanMessage(s string) string {
	return cut(strings.ReplaceAll(printable(s), `"`, "'"), maxText)
}

// cut returns s without blanks around it, and without the runes behind limit bytes.
func cut(s string, limit int) string {
	s = strings.Trim(s, " ")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimRight(s[:limit], " ")
}

// printable returns s as valid UTF-8 without colours, formats, control and
// invisible characters. Every kind of blank is a blank, every kind of double
// quote is `"`.
func printable(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == 0x03:
			i += colours(s[i:], 2, isDigit)
		case r == 0x04:
			i += colours(s[i:], 6, isHex)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r):
		case r == '\u200c', r == '\u200d': // joiners: scripts and pictures need them
			b.WriteRune(r)
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), r == '\u2800':
		case strings.ContainsRune("“”„‟", r):
			b.WriteByte('"')
		default:
			b.WriteRune(r) // U+FFFD for what is not UTF-8
		}
	}
	return b.String()
}

// colours returns the length of a colour code's parameters at the start of s: one
// number of at most width digits, or two with a comma between them.
func colours(s string, width int, digit func(byte) bool) int {
	number := func(s string) (n int) {
		for n < len(s) && n < width && digit(s[n]) {
			n++
		}
		return n
	}
	n := number(s)
	if n == 0 || n == len(s) || s[n] != ',' {
		return n
	}
	if m := number(s[n+1:]); m > 0 {
		return n + 1 + m
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
