package irc

import (
	"strings"
	"unicode/utf8"
)

const (
	lineLimit = 510 // bytes of a line without CR LF

	// unknownTopicLen is what every server keeps of a topic, and every line holds.
	unknownTopicLen = 300

	// unknownPrefixLen is as long as prefixes get: nick 30, user 11, host 63.
	unknownPrefixLen = 106
)

// TopicLimit returns how many bytes of a topic reach everybody in channel:
// what the server keeps (its TOPICLEN; 300 when 0) and what fits a line that
// starts with the bot's prefix (nick!user@host; the longest possible when "").
func TopicLimit(topicLen int, prefix, channel string) int {
	if topicLen <= 0 {
		topicLen = unknownTopicLen
	}
	return max(0, min(topicLen, textLimit(prefix, "TOPIC", channel)))
}

// textLimit returns how many bytes of text fit the line that others see.
func textLimit(prefix, command, target string) int {
	n := len(prefix)
	if n == 0 {
		n = unknownPrefixLen
	}
	return lineLimit - n - len(": "+command+" "+target+" :")
}

// clean makes text safe to send: no byte in it ends a line or starts a CTCP.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch r {
		case '\r', '\n':
			return ' '
		case 0, '\x01':
			return -1
		}
		return r
	}, text))
}

// cut splits text so that head has at most limit bytes: at a blank, or inside a
// word that is longer than limit, then at a rune. Without a blank lost nothing is.
func cut(text string, limit int) (head, rest string) {
	if len(text) <= limit {
		return text, ""
	}
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	if blank := strings.LastIndexByte(text[:end+1], ' '); blank > 0 {
		return text[:blank], strings.TrimLeft(text[blank:], " ")
	}
	if end == 0 { // no room for even one rune: never stand still
		_, end = utf8.DecodeRuneInString(text)
	}
	return text[:end], text[end:]
}

// clip returns the longest head of text that has at most limit bytes and ends
// at a rune.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
