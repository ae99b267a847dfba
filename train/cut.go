package train

import "strings"

// cutMarker takes the stage off the front of a segment.
func cutMarker(s string) (stage, rest string, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return "", s, false
	}
	n := strings.IndexAny(s[1:], `<>|"`)
	if n < 0 || s[1+n] != '>' {
		return "", s, false
	}
	stage = strings.Trim(s[1:1+n], " ")
	return stage, strings.Trim(s[n+2:], " "), stage != ""
}

// cutMessage takes ` !! "message"` off the end of a segment.
func cutMessage(s string) (rest, message string) {
	for i := 0; i < len(s); {
		if end := quoteEnd(s, i); end > 0 {
			i = end
			continue
		}
		if blankBefore(s, i) && strings.HasPrefix(s[i:], loud) {
			if tail := strings.TrimLeft(s[i+len(loud):], " "); strings.HasPrefix(tail, `"`) {
				return strings.TrimRight(s[:i], " "), unquote(tail)
			}
		}
		i++
	}
	return s, ""
}

// cutTail takes off what means nothing at the end of a segment, a forgotten plus
// or, behind the first segment, a left over "!!"; and `… +7`.
func cutTail(s string, first bool) (rest string, more int) {
	for {
		n := 0
		rest, n = cutMore(cutLast(strings.Trim(s, " "), "+"))
		if !first {
			rest = cutLast(rest, loud)
		}
		more = min(more+n, maxMore)
		if rest == s {
			return rest, more
		}
		s = rest
	}
}

// cutLast takes the word last off the end of s.
func cutLast(s, last string) string {
	if rest, ok := strings.CutSuffix(s, last); ok && (rest == "" || strings.HasSuffix(rest, " ")) {
		return strings.TrimRight(rest, " ")
	}
	return s
}

// cutMore takes `… +7` off the end of s.
func cutMore(s string) (rest string, more int) {
	rest = strings.TrimRight(s, "0123456789")
	digits := s[len(rest):]
	plus, ok := strings.CutSuffix(strings.TrimRight(rest, " "), "+")
	if !ok || digits == "" || len(digits) > 9 {
		return s, 0
	}
	for _, c := range []byte(digits) {
		more = more*10 + int(c-'0')
	}
	plus = strings.TrimRight(plus, " ")
	for _, dots := range []string{ellipsis, "..."} {
		if rest = cutLast(plus, dots); rest != plus {
			return rest, more
		}
	}
	return s, 0
}
