package train

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible returns s for people who have to see what it is made of: whatever shows as
// nothing, moves what stands beside it or is no text stands in angle brackets, as
// <U+202E>, which no nick has.
func Visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "<%02X>", s[i])
		case hidden(r):
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// hidden reports whether r shows as nothing of its own, or is no text.
func hidden(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) || r == '\u2800' ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
