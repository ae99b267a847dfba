package watch

import "strings"

// kindMax is how many bytes of a line tell its kind.
const kindMax = 300

// Fold returns the kind of a line: each run of digits, with the dots, colons, dashes
// and letters that make it an address, a time or an id, is one #.
func Fold(line string) string {
	var b strings.Builder
	b.Grow(min(len(line), kindMax))
	for i := 0; i < len(line) && b.Len() < kindMax; {
		n := word(line[i:])
		if n == 0 {
			b.WriteByte(line[i])
			i++
			continue
		}
		if w := line[i : i+n]; isID(w) {
			b.WriteByte('#')
		} else {
			b.WriteString(w[:min(n, kindMax-b.Len())])
		}
		i += n
	}
	return b.String()
}

// word is how many bytes a word at the begin of s has: letters and digits, and what
// joins them in addresses, times and ids.
func word(s string) int {
	n, last := 0, 0
	for ; n < len(s); n++ {
		switch c := s[n]; {
		case alnum(c):
			last = n + 1
		case n == 0 || !strings.ContainsRune(".:-_", rune(c)):
			return last
		}
	}
	return last
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// isID reports whether a word is a number, a time, an address or an id: it begins with
// a digit, or consists of hex digits, one of them decimal, and is at least six long.
func isID(w string) bool {
	if w[0] >= '0' && w[0] <= '9' {
		return true
	}
	hex, digit := 0, false
	for i := range len(w) {
		switch c := w[i]; {
		case c >= '0' && c <= '9':
			digit = true
			hex++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hex++
		case c != ':' && c != '-':
			return false
		}
	}
	return digit && hex >= 6
}
