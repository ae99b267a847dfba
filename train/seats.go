package train

import (
	"slices"
	"strings"
)

// taker decides which words of a slot take a seat; it is asked in the order of
// the words, and once for each.
type taker func(nick string) bool

// readTrain reads the slots of a segment when they are riders, or when its
// marker says that they have to be.
func (n Notation) readTrain(slots []slot, marked bool) (Train, bool) {
	if !slices.ContainsFunc(slots, func(s slot) bool { return !s.isSeat() }) {
		return n.seat(slots, func(slot) taker { return isNick })
	}
	if !marked {
		return Train{}, false
	}
	known := n.people(n.Known)
	isKnown := func(nick string) bool { return known[n.Casemap.Fold(nick)] }
	names := slices.ContainsFunc(slots, func(s slot) bool { return s.names(isKnown) })
	return n.seat(slots, func(s slot) taker {
		switch {
		case s.isSeat():
			return isNick
		case names:
			return isKnown
		}
		taken := false
		return func(nick string) bool { // the first word that can be a nick
			ok := !taken && isNick(nick)
			taken = taken || ok
			return ok
		}
	})
}

// rescue makes trains of the texts that name somebody known who sits nowhere else,
// so that nobody loses a seat to a remark.
func (n Notation) rescue(segments []segment) {
	var known, seated map[string]bool
	for i, seg := range segments {
		if seg.kind != textSegment || seg.loud {
			continue
		}
		if known == nil {
			known, seated = n.people(n.Known), n.riders(segments)
		}
		waits := func(nick string) bool {
			nick = n.Casemap.Fold(nick)
			return known[nick] && !seated[nick]
		}
		slots := slots(lex(seg.text))
		if !slices.ContainsFunc(slots, func(s slot) bool { return s.names(waits) }) {
			continue
		}
		t, _ := n.seat(slots, func(s slot) taker {
			return func(nick string) bool {
				ok := waits(nick) || s.plus && s.isSeat() && isNick(nick)
				seated[n.Casemap.Fold(nick)] = ok || seated[n.Casemap.Fold(nick)]
				return ok
			}
		})
		segments[i] = segment{kind: trainSegment, train: t}
	}
}

// names reports whether one of the slot's words is a nick that is says yes to.
func (s slot) names(is func(nick string) bool) bool {
	return slices.ContainsFunc(s.items, func(it item) bool { return it.kind == wordItem && is(addressee(it.text)) })
}

// seat makes a train of the words that rule takes in each slot. What is left over
// is its message.
func (n Notation) seat(slots []slot, rule func(slot) taker) (Train, bool) {
	var t Train
	var said []string
	for _, slot := range slots {
		takes, seat := rule(slot), slot.isSeat()
		var r *Rider       // the one before the item
		var early []string // brackets in front of the first one
		for _, it := range slot.items {
			nick := addressee(it.text)
			switch {
			case it.kind == wordItem && takes(nick):
				t.Riders = append(t.Riders, Rider{Nick: nick, Mark: it.mark, Words: early})
				r, early = &t.Riders[len(t.Riders)-1], nil
			case it.kind == markItem && r != nil:
				r.Mark = max(r.Mark, it.mark)
			case (it.kind == bracketItem || it.kind == quoteItem) && it.text == "":
			case it.kind == bracketItem && r != nil:
				r.Words = append(r.Words, it.text)
			case it.kind == bracketItem && seat:
				early = append(early, it.text)
			case it.kind == quoteItem:
				said = append(said, it.text)
			default:
				said = append(said, it.raw)
			}
		}
		for _, w := range early { // the one whom they are for takes no seat
			said = append(said, "("+w+")")
		}
	}
	t.Message = strings.Trim(strings.Join(said, " "), " ")
	for i := range t.Riders {
		n.label(&t.Riders[i])
	}
	return t, len(t.Riders) > 0
}

// addressee is word without what one writes behind a name in a sentence.
func addressee(word string) string { return strings.TrimRight(word, ":;.?") }

// people returns the set of the folded nicks that can be written.
func (n Notation) people(nicks []string) map[string]bool {
	set := make(map[string]bool, len(nicks))
	for _, nick := range nicks {
		set[n.Casemap.Fold(nick)] = isNick(nick)
	}
	return set
}

// riders returns the set of the folded nicks of all who have a seat.
func (n Notation) riders(segments []segment) map[string]bool {
	set := map[string]bool{}
	for _, s := range segments {
		for _, r := range s.train.Riders {
			set[n.Casemap.Fold(r.Nick)] = true
		}
	}
	return set
}
