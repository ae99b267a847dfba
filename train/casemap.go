package train

import "strings"

// Casemap is how a server compares nicks (005 CASEMAPPING).
type Casemap uint8

// The mappings that servers announce. RFC1459 also holds {}|~ for the lower
// case of []\^ (RFC 1459 §2.2); the strict form leaves ~ and ^ apart.
const (
	ASCII Casemap = iota
	RFC1459
	StrictRFC1459
)

// ParseCasemap reads a 005 CASEMAPPING value. One that it does not know is ASCII,
// the mapping that never takes two people for one.
func ParseCasemap(s string) Casemap {
	switch strings.ToLower(s) {
	case "rfc1459":
		return RFC1459
	case "strict-rfc1459":
		return StrictRFC1459
	}
	return ASCII
}

// Fold returns the form of nick that is equal for all spellings of it.
func (m Casemap) Fold(nick string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case m == ASCII:
		case r == '[', r == ']', r == '\\':
			return r + '{' - '['
		case r == '^' && m == RFC1459:
			return '~'
		}
		return r
	}, nick)
}

// Same reports whether a and b are one nick.
func (m Casemap) Same(a, b string) bool { return m.Fold(a) == m.Fold(b) }
