package train

import (
	"strings"
	"unicode"
)

// Alike reports whether a and b are two nicks that people may read as one.
func (m Casemap) Alike(a, b string) bool { return !m.Same(a, b) && Shape(a) == Shape(b) }

// Shape is nick without what eyes pass over: the same for all that are alike.
func Shape(nick string) string {
	return pairs.Replace(strings.Map(func(r rune) rune {
		switch {
		case hidden(r), unicode.Is(unicode.Mn, r):
			return -1
		case r >= 0xFF01 && r <= 0xFF5E: // full width
			r -= 0xFF01 - '!'
		case r >= 0x1D400 && r < 0x1D6A4: // letters of formulas, in styles of 52
			r = []rune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")[(r-0x1D400)%52]
		}
		r = unicode.ToLower(r)
		if twin, ok := twins[r]; ok {
			return twin
		}
		return r
	}, nick))
}

// pairs are two letters that look like one.
var pairs = strings.NewReplacer("rn", "m", "vv", "w")

// twins are what looks like a letter or a digit, in small letters; i and l are one.
var twins = map[rune]rune{
	'0': 'o', '1': 'l', 'i': 'l', '|': 'l', 'ı': 'l', 'ɡ': 'g', 'ɑ': 'a',
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'н': 'h', 'і': 'l', 'ӏ': 'l', 'ј': 'j', 'к': 'k', 'м': 'm', 'о': 'o', 'р': 'p', 'ԛ': 'q', 'ѕ': 's', 'т': 't', 'ԝ': 'w', 'х': 'x', 'у': 'y', // Cyrillic
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': 'l', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w', // Greek
}
