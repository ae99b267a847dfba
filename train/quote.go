package train

import "strings"

// quoteEnd returns the index behind the quotation that opens at s[i], 0 when none
// does. A quote with a word in front of it and a blank behind it opens nothing; one
// with a blank in front and a word behind closes nothing: the quote before it was forgotten.
func quoteEnd(s string, i int) int {
	if !opens(s, i) {
		return 0
	}
	n := strings.IndexByte(s[i+1:], '"')
	if n < 0 {
		return 0
	}
	j := i + 1 + n
	if blankBefore(s, j) && !blankBehind(s, j) {
		return 0
	}
	return j + 1
}

func opens(s string, i int) bool       { return s[i] == '"' && (blankBefore(s, i) || !blankBehind(s, i)) }
func blankBefore(s string, i int) bool { return i == 0 || s[i-1] == ' ' }
func blankBehind(s string, i int) bool { return i+1 == len(s) || s[i+1] == ' ' }

// closeQuotes returns a segment in which every `"` is one of a pair: a forgotten one is
// put at the end, and one that has no business where it stands becomes `'`.
func closeQuotes(s string) string {
	if !strings.Contains(s, `"`) {
		return s
	}
	b := []byte(s)
	for i := 0; i < len(s); i++ {
		if end := quoteEnd(s, i); end > 0 {
			i = end - 1
			continue
		}
		if opens(s, i) {
			inside := strings.Trim(strings.ReplaceAll(s[i+1:], `"`, "'"), " ")
			if inside == "" {
				return strings.TrimRight(string(b[:i]), " ")
			}
			return string(b[:i]) + `"` + inside + `"`
		}
		if s[i] == '"' {
			b[i] = '\''
		}
	}
	return string(b)
}

// unquote returns the text of s, which may be one quotation as a whole.
func unquote(s string) string {
	s = strings.Trim(s, " ")
	if s != "" && quoteEnd(s, 0) == len(s) {
		s = s[1 : len(s)-1]
	}
	return strings.Trim(strings.ReplaceAll(s, `"`, "'"), " ")
}
