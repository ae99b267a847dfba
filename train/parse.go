package train

import "strings"

// Parse reads any text at all as a topic. What can't be read as trains stays
// where it stood: as the banner, in front of the train behind it or in Rest. No
// word of a person is lost.
//
// A segment is a train when a separator stands between every two of its words.
// Another one is a train when it has a stage marker or the name of somebody known
// who sits in no other train; those of its words that can't be riders become its message.
func (n Notation) Parse(text string) Queue {
	var q Queue
	var segments []segment
	for i, s := range n.split(printable(text)) {
		s, message := cutMessage(closeQuotes(strings.Trim(s, " ")))
		q.Message = join(q.Message, message)
		s, more := cutTail(s, i == 0)
		q.More = min(q.More+more, maxMore)
		segments = append(segments, n.read(s, i == 0))
	}
	n.rescue(segments)

	for i, s := range segments {
		switch {
		case s.kind == holdSegment:
			q.Holds = append(q.Holds, s.hold)
		case s.kind == trainSegment:
			s.train.Before, q.Rest = q.Rest, nil
			q.Trains = append(q.Trains, s.train)
		case s.kind == textSegment && i == 0:
			q.Banner = plain(s.text)
		case s.kind == textSegment:
			q.Rest = append(q.Rest, plain(s.text))
		}
	}
	return q
}

// segmentKind is what a segment was read as.
type segmentKind uint8

const (
	nothing segmentKind = iota // empty, or `clear`
	textSegment
	holdSegment
	trainSegment
)

// segment is what stands between two `|`.
type segment struct {
	kind  segmentKind
	text  string
	loud  bool // a text that can be nothing but a banner
	hold  Hold
	train Train
}

// read reads what a segment says by itself.
func (n Notation) read(s string, first bool) segment {
	if first && strings.HasSuffix(s, loud) {
		return segment{kind: textSegment, text: s, loud: true}
	}
	if s == "" || strings.EqualFold(s, wordClear) {
		return segment{}
	}
	if h, ok := n.readHold(s); ok {
		return segment{kind: holdSegment, hold: h}
	}
	stage, rest, marked := cutMarker(s)
	slots := slots(lex(rest))
	if len(slots) == 0 && !marked {
		return segment{}
	}
	if t, ok := n.readTrain(slots, marked); ok {
		t.Stage = n.stage(stage)
		return segment{kind: trainSegment, train: t}
	}
	return segment{kind: textSegment, text: s}
}

// readHold reads `HOLD (config) "why"`. Only behind capitals the reason may lack its quotes.
func (n Notation) readHold(s string) (Hold, bool) {
	if len(s) < len(wordHold) || !strings.EqualFold(s[:len(wordHold)], wordHold) {
		return Hold{}, false
	}
	word, rest := s[:len(wordHold)], s[len(wordHold):]
	if rest != "" && strings.IndexByte(` ("`, rest[0]) < 0 {
		return Hold{}, false
	}
	var h Hold
	why := len(rest)
	for _, it := range lex(rest) {
		if it.kind == bracketItem {
			if stack, ok := n.Rules.Find(it.text); ok && h.Stack == "" {
				h.Stack = stack.Name
			} else {
				h.Why = join(h.Why, it.raw)
			}
			continue
		}
		if it.kind == sepItem || it.kind == markItem || it.kind == wordItem && word != wordHold {
			return Hold{}, false
		}
		why = it.pos
		break
	}
	h.Why = join(h.Why, unquote(rest[why:]))
	return h, true
}

// plain returns a text without a `|` that would split it when it is read again.
func plain(s string) string {
	if !strings.Contains(s, "|") {
		return s
	}
	b := []byte(s)
	for i := 0; i < len(b); i++ {
		if end := quoteEnd(s, i); end > 0 {
			i = end - 1
		} else if b[i] == '|' {
			b[i] = '/'
		}
	}
	return string(b)
}

// join puts a blank between two texts.
func join(a, b string) string { return strings.Trim(a+" "+b, " ") }
