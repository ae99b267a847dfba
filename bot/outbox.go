package bot

import (
	"fmt"
	"slices"
	"time"

	"pushtrain/bot/irc"
)

// outbox holds what waits to be said. While the link is busy it sums up: more
// than four answers of a kind become one line for the channel, of talk the last four
// lines are said, and a line about the same thing replaces the one before it (DESIGN
// §10.14). The zero outbox is empty.
type outbox struct {
	answers []answer
	lines   []line
	since   time.Time // when the oldest of them came that is no talk ...
	talked  time.Time // ... or is
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
// nothing if that has no Text; Key "" = always. Talk is what anybody can have the bot
// say: it waits longest, so that outcomes do not wait behind it.
type line struct {
	Key, Text string
	Talk      bool `json:",omitzero"`
}

const (
	maxSingle = 4                // answers, or lines of talk, that go one by one
	patience  = 2 * time.Second  // how long answers are gathered while the link is busy, until it is less so, ...
	silence   = 10 * time.Second // ... and talk
	maxPlain  = 20               // plain answers that wait; newer ones are dropped
	maxEach   = 8                // those of them for one person
	maxLines  = 30               // lines that wait; older ones are dropped, talk first
)

// talk is how many lines of it wait.
func (o *outbox) talk() (n int) {
	for _, l := range o.lines {
		if l.Talk {
			n++
		}
	}
	return n
}

// begin is called when the first of what is no talk comes.
func (o *outbox) begin(at time.Time) {
	if len(o.answers)+len(o.lines) == o.talk() {
		o.since = at
	}
}

func (o *outbox) answer(at time.Time, a answer) {
	o.begin(at)
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
	if !l.Talk {
		o.begin(at)
	} else if o.talk() == 0 {
		o.talked = at
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
	if len(o.lines) > maxLines {
		i := max(0, slices.IndexFunc(o.lines, func(l line) bool { return l.Talk }))
		o.lines = slices.Delete(o.lines, i, i+1)
	}
}

// flush hands what waits to chat: lines without a key that are no talk at once; the
// rest at once when the link is idle, and summed up when it has been busy for long.
// While many lines are before them answers wait on: they would be stale when they go.
func (o *outbox) flush(now time.Time, chat Chat) {
	waiting := chat.Waiting()
	busy := waiting > maxSingle || waiting > 0 && now.Sub(o.since) < patience
	quiet := waiting > 0 && now.Sub(o.talked) < silence
	var wait []line
	more := o.talk() - maxSingle // lines of talk that are left out
	talk := irc.Urgent
	if waiting > 0 {
		talk = irc.Chatter
	}
	for _, l := range o.lines {
		switch {
		case l.Talk && quiet, !l.Talk && busy && l.Key != "":
			wait = append(wait, l)
		case l.Talk && more > 1:
			more--
		case l.Talk && more == 1:
			chat.Say(talk, fmt.Sprintf("%d lines of talk are left out: the topic says what came of them", o.talk()-maxSingle))
			more--
		case l.Talk:
			chat.Say(talk, l.Text)
		default:
			chat.Say(irc.Urgent, l.Text)
		}
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
	o.answers = nil
}

func (o *outbox) last(k kind) answer {
	for i := len(o.answers) - 1; i >= 0; i-- {
		if o.answers[i].kind == k {
			return o.answers[i]
		}
	}
	return answer{}
}
