package train

import "strings"

// itemKind is what an item of a segment is.
type itemKind uint8

const (
	wordItem itemKind = iota
	sepItem
	markItem
	bracketItem
	quoteItem
)

// item is one word of a segment.
type item struct {
	kind itemKind
	pos  int    // where in the segment it starts
	raw  string // as it was written
	text string // a word's name without its marks, what is between brackets or quotes
	mark Mark
}

// lex returns the items of a segment without marker, whose quotes are closed.
func lex(s string) []item {
	var out []item
	for i := 0; i < len(s); {
		it := item{pos: i}
		end := i + 1
		switch s[i] {
		case ' ':
			i++
			continue
		case '+', ',', '&':
			it.kind = sepItem
		case '(':
			it.kind = bracketItem
			end, it.text = bracket(s, i)
		default:
			if q := quoteEnd(s, i); q > 0 {
				it.kind, end = quoteItem, q
				it.text = strings.Trim(s[i+1:q-1], " ")
				break
			}
			if n := strings.IndexAny(s[end:], ` +,&("`); n >= 0 {
				end += n
			} else {
				end = len(s)
			}
			it.kind, it.text, it.mark = word(s[i:end])
		}
		it.raw = s[i:end]
		out = append(out, it)
		i = end
	}
	return out
}

// bracket returns where the bracket that opens at s[i] ends and what is in it. One
// that is never closed ends with its first word.
func bracket(s string, i int) (end int, text string) {
	rest := s[i+1:]
	n := strings.IndexAny(rest, `()"`)
	if n >= 0 && rest[n] == ')' {
		return i + n + 2, strings.Trim(strings.ReplaceAll(rest[:n], "|", "/"), " ")
	}
	if n = strings.IndexAny(rest, ` +,&("`); n < 0 {
		n = len(rest)
	}
	return i + 1 + n, strings.ReplaceAll(rest[:n], "|", "/")
}

// word tells the marks behind a word from the word. "!!" is none: it is left over
// from a message or belongs to a text. `~` is PushBot's and means nothing here.
func word(raw string) (itemKind, string, Mark) {
	text := strings.TrimRight(raw, "*!~")
	marks := raw[len(text):]
	mark := None
	switch {
	case strings.Contains(marks, "!"):
		mark = Uhoh
	case strings.Contains(marks, "*"):
		mark = Good
	}
	if text == "" && !strings.Contains(marks, loud) {
		return markItem, "", mark
	}
	return wordItem, text, mark
}

// slot is what stands between two separators.
type slot struct {
	items []item
	plus  bool // one of the two is a `+`, which nobody writes in a sentence
}

// slots cuts items at the separators. The slots of nobody are left out.
func slots(items []item) []slot {
	var out []slot
	start, plus := 0, false
	for i := 0; i <= len(items); i++ {
		if i < len(items) && items[i].kind != sepItem {
			continue
		}
		behind := i < len(items) && items[i].raw == "+"
		if i > start {
			out = append(out, slot{items: items[start:i], plus: plus || behind})
		}
		start, plus = i+1, behind
	}
	return out
}

// isSeat reports whether s is one rider, or a message alone.
func (s slot) isSeat() bool {
	nicks, labels := 0, 0
	for _, it := range s.items {
		switch it.kind {
		case wordItem:
			if !isNick(it.text) {
				return false
			}
			nicks++
		case markItem, bracketItem:
			labels++
		}
	}
	return nicks == 1 || nicks == 0 && labels == 0
}
