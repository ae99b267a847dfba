package ircd

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// message is a line on its way to a client. The last param may hold blanks.
type message struct {
	source  *client // nil: the server itself
	command string
	params  []string
	at      time.Time // when it happened; the zero value means now
}

// line renders m for to: with the tags that it asked for, and cut to what a line holds.
func (m message) line(to *client) string {
	var b strings.Builder
	source := to.server.opts.Name
	if m.source != nil {
		source = m.source.prefix()
	}
	fmt.Fprintf(&b, ":%s %s", source, m.command)
	for i, p := range m.params {
		if i == len(m.params)-1 && !bare(m.command) {
			p = ":" + p
		}
		b.WriteString(" " + p)
	}
	return m.tags(to) + clip(b.String(), lineLimit-2)
}

// bare reports whether the last param of a command is a word, not text.
func bare(command string) bool {
	switch command {
	case "324", "333", "MODE", "NICK":
		return true
	}
	return false
}

func (m message) tags(to *client) string {
	var tags []string
	if to.caps["server-time"] {
		at := m.at
		if at.IsZero() {
			at = time.Now()
		}
		tags = append(tags, "time="+at.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	if m.source != nil && m.source.account != "" && to.caps["account-tag"] {
		tags = append(tags, "account="+m.source.account)
	}
	if len(tags) == 0 {
		return ""
	}
	return "@" + strings.Join(tags, ";") + " "
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

// parse splits a client's line. Tags and a source, which clients may send and
// which mean nothing here, are dropped.
func parse(line string) (command string, params []string) {
	for _, mark := range []string{"@", ":"} {
		if strings.HasPrefix(line, mark) {
			_, line, _ = strings.Cut(line, " ")
			line = strings.TrimLeft(line, " ")
		}
	}
	head, trailing, hasTrailing := strings.Cut(line, " :")
	words := strings.Fields(head)
	if len(words) == 0 {
		return "", nil
	}
	params = words[1:]
	if hasTrailing {
		params = append(params, trailing)
	}
	return strings.ToUpper(words[0]), params
}

// reply sends a numeric to c.
func (s *Server) reply(c *client, code string, params ...string) {
	nick := c.nick
	if nick == "" || !c.registered {
		nick = "*"
	}
	c.send(message{command: code, params: append([]string{nick}, params...)})
}
