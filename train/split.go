package train

import (
	"cmp"
	"slices"
	"strings"
)

// split cuts a topic at each `|` that is neither between quotes nor part of the
// nick of somebody known.
func (n Notation) split(text string) []string {
	piped := n.piped()
	var out []string
	start := 0
	for i := 0; i < len(text); {
		if end := quoteEnd(text, i); end > 0 {
			i = end
			continue
		}
		if size := n.nickAt(text, i, piped); size > 0 {
			i += size
			continue
		}
		if text[i] == '|' {
			out = append(out, text[start:i])
			start = i + 1
		}
		i++
	}
	return append(out, text[start:])
}

// piped returns the folded nicks of known people that have a `|` in them, longest first.
func (n Notation) piped() []string {
	var out []string
	for _, nick := range n.Known {
		if nick = n.Casemap.Fold(nick); strings.Contains(nick, "|") {
			out = append(out, nick)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return out
}

// nickAt returns the length of the longest nick of piped that stands at text[i:]
// as a word of its own, 0 without one.
func (n Notation) nickAt(text string, i int, piped []string) int {
	if i > 0 && strings.IndexByte(" +,&>|", text[i-1]) < 0 {
		return 0
	}
	for _, nick := range piped {
		end := i + len(nick)
		if end > len(text) || n.Casemap.Fold(text[i:end]) != nick {
			continue
		}
		if end < len(text) && strings.IndexByte(` +,&*!~("|`, text[end]) < 0 {
			continue
		}
		if before := strings.TrimRight(text[:i], " "); isPipes(text[i:end]) && cutLast(before, "+") == before {
			continue
		}
		return len(nick)
	}
	return 0
}
