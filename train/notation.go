package train

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Notation is what reading a topic depends on beside its text. The zero Notation
// reads every topic, but knows no stack but the default, no stage and no people.
//
// The written form, where [ ] may be missing and { } may repeat:
//
//	topic   = [banner " | "] {hold " | "} ("clear" | train {" | " train}) [" | … +" N] [` !! "` message `"`]
//	hold    = "HOLD" [" (" stack ")"] [` "` why `"`]
//	train   = ["<" stage "> "] rider {" + " rider} [` "` message `"`]
//	rider   = nick ["*" | "!"] [" (" stack ")"] [" (askme)"] [" (HOLD)"] {" (" word ")"}
//
// A text that can't be read stands between the trains, in front of the one it
// rides along with. Three forms keep what is written unambiguous:
//
//   - a text in the very first place is the banner, so one that is not comes
//     behind an empty first segment: `| after lunch only | alice`;
//   - a banner that could be riders ends in "!!", and so everything in the first
//     place that ends in "!!" is the banner;
//   - a lone rider whose nick is a word of the notation follows a plus: `+ clear`.
type Notation struct {
	Rules   Rules
	Casemap Casemap

	// Known are the nicks of people who are in the queue, and of those in the channel
	// who have a `|` in theirs: it does not split. A segment that can't be riders, but has the
	// name of somebody known who sits nowhere else in the topic, is a train all the
	// same; so whoever has no seat and no `|` is better left out, or a remark seats them.
	Known []string
}

// The words of the notation, read in any case.
const (
	wordClear = "clear"
	wordHold  = "HOLD"
	wordAskMe = "askme"
)

const (
	ellipsis = "…"
	loud     = "!!" // ends a banner; apart from other words it opens the message of all
	maxNick  = 64   // bytes; servers allow 9 to 64
	maxMore  = 999_999_999
)

// isNick reports whether s can be a nick: the letters, digits and specials of RFC
// 2812 and letters of all scripts. A digit may come first, as some servers give such
// nicks, but something else has to follow.
func isNick(s string) bool {
	if s == "" || len(s) > maxNick || s[0] == '-' || strings.Trim(s, "0123456789") == "" {
		return false
	}
	for _, r := range s {
		if r < utf8.RuneSelf {
			if !isNickByte(byte(r)) {
				return false
			}
		} else if !unicode.In(r, unicode.L, unicode.M, unicode.N) || hidden(r) {
			return false
		}
	}
	return true
}

func isNickByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("[]\\`_^{|}-", c) >= 0
}

// isPipes reports whether nick is nothing but `|`, so that only a plus in front
// of it tells it from what splits trains.
func isPipes(nick string) bool { return strings.Trim(nick, "|") == "" }

// isKeyword reports whether a segment of this one word is no rider.
func isKeyword(word string) bool {
	return strings.EqualFold(word, wordClear) || strings.EqualFold(word, wordHold)
}

// stage returns the configured spelling of a marker, or the word itself.
func (n Notation) stage(word string) string {
	for _, stack := range n.Rules.Stacks {
		for _, stage := range stack.Stages {
			if strings.EqualFold(stage.Name, word) {
				return stage.Name
			}
		}
	}
	return word
}

// label takes the words that stood in brackets behind r for what they are. What
// r has already, or can't have, stays a word.
func (n Notation) label(r *Rider) {
	words := r.Words
	r.Words = nil
	for _, w := range words {
		if s, ok := n.Rules.Find(w); ok && r.Stack == "" && s.Name != n.Rules.Default() {
			r.Stack = s.Name
		}
	}
	for _, w := range words {
		s, ok := n.Rules.Find(w)
		switch {
		case ok && (s.Name == r.Stack || r.Stack == "" && s.Name == n.Rules.Default()):
		case strings.EqualFold(w, wordAskMe):
			r.AskMe = true
		case strings.EqualFold(w, wordHold):
			r.Hold = true
		default:
			r.Words = append(r.Words, w)
		}
	}
}
