package bot

import (
	"fmt"
	"time"

	"pushtrain/bot/irc"
)

// outbox holds what waits to be said. While the link is busy it sums up: more
// than four answers of a kind become one line for the channel, and a line about
// the same thing replaces the one before it (DESIGN §10.14). The zero outbox is empty.
type outbox struct {
	answers []answer
	lines   []line
	since   time.Time // when the oldest of them came
}

// answer is for one person.
type answer struct {
	nick, text string
	kind       kind
}

// kind groups answers.
type kind int

const (
	plain   kind = iota
	boarded      // of .join
	refused
)

// line is for the channel. Of two with the same Key only the newer one is said, and
// nothing if that has no Text; Key "" = always.
type line struct{ Key, Text string }

const (
	maxSingle = 4               // answers that go one by one
	patience  = 2 * time.Second // how long answers are gathered while the link is busy
	maxPlain  = 20              // plain answers that wait; newer ones are dropped
	maxEach   = 8               // those of them for one person
	maxLines  = 30              // lines that wait; older ones are dropped
)

func (o *outbox) empty() bool { return len(o.answers)+len(o.lines) == 0 }

func (o *outbox) answer(at time.Time, a answer) {
	if o.empty() {
		o.since = at
	}
	all, each := 0, 0
	for _, w := range o.answers {
		if w == a {
			return
		}
		if w.kind == plain {
			all++
			if w.nick == a.nick {
				each++
			}
		}
	}
	if a.kind == plain && (all >= maxPlain || each >= maxEach) {
		return
	}
	o.answers = append(o.answers, a)
}

func (o *outbox) say(at time.Time, l line) {
	if o.empty() {
		o.since = at
	}
	if l.Key != "" {
		for i, w := range o.lines {
			if w.Key == l.Key {
				o.lines = append(o.lines[:i], o.lines[i+1:]...)
				break
			}
		}
	}
	if l.Text != "" {
		o.lines = append(o.lines, l)
	}
	o.lines = o.lines[max(0, len(o.lines)-maxLines):]
}

// flush hands what waits to chat: lines without a key at once; the rest at once
// when the link is idle, and summed up when it has been busy for long.
func (o *outbox) flush(now time.Time, chat Chat) {
	busy := chat.Waiting() > 0 && now.Sub(o.since) < patience
	var wait []line
	for _, l := range o.lines {
		if busy && l.Key != "" {
			wait = append(wait, l)
			continue
		}
		chat.Say(irc.Urgent, l.Text)
	}
	o.lines = wait
	if busy {
		return
	}
	count := map[kind]int{}
	for _, a := range o.answers {
		count[a.kind]++
	}
	told := map[kind]bool{}
	for _, a := range o.answers {
		switch {
		case a.kind == plain || count[a.kind] <= maxSingle:
			chat.Notice(irc.Chatter, a.nick, a.text)
		case told[a.kind]:
		case a.kind == boarded:
			chat.Say(irc.Chatter, fmt.Sprintf("%d joined; .queue tells your place", count[a.kind]))
		default:
			chat.Say(irc.Chatter, fmt.Sprintf("%d were refused, the last (%s): %s", count[a.kind], quietly(o.last(a.kind).nick), o.last(a.kind).text))
		}
		told[a.kind] = true
	}
	*o = outbox{}
}

func (o *outbox) last(k kind) answer {
	for i := len(o.answers) - 1; i >= 0; i-- {
		if o.answers[i].kind == k {
			return o.answers[i]
		}
	}
	return answer{}
}
