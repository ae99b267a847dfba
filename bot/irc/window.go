package irc

import (
	"strconv"
	"time"
)

const (
	windowSize = 4 // lines that may be unacknowledged
	topicCost  = 2 // of them for a TOPIC, which servers count dearer
	urgentRoom = 2 // of them for urgent lines alone: a slow server works off all that went before

	slowAnswer = 500 * time.Millisecond // to a PING, of a server that has lines wait for its limits
	restMax    = 5 * time.Second        // behind it; behind a quick answer half of the last, down to
	restMin    = 100 * time.Millisecond // where there is none

	pingPrefix = "pushtrain-"
)

// window paces a link by its server's own speed: a PING behind the lines is
// answered when the server has worked them off.
//
// Servers let a client say some lines at once and then about one a second. Who always
// has one more to say has each line wait, an urgent one too: with a slow server, other
// lines go one by one, chatter with a rest before each in which the server forgives,
// and no third topic in two rests.
type window struct {
	sent  []sentLine    // not yet acknowledged, oldest first
	pings int           // the number of the last PING
	asked time.Time     // when the open PING was sent; zero when none is open
	pause time.Duration // between lines that are not urgent, of a server that is slow; 0 = it is not
	rest  time.Time     // until when no chatter goes
}

// sentLine is a line on its way and the PING that acknowledges it; 0 while none
// has followed it.
type sentLine struct {
	line
	ping int
}

// room is what the window has room for, and how much of it other lines than urgent ones may take.
func (w *window) room() (room, others int) {
	room, others = windowSize, windowSize-urgentRoom
	for _, s := range w.sent {
		cost := 1
		if s.command == "TOPIC" {
			cost = topicCost
		}
		room -= cost
		if s.priority != Urgent {
			if others -= cost; w.pause > 0 {
				others = 0
			}
		}
	}
	return room, min(room, others)
}

func (w *window) add(l line) { w.sent = append(w.sent, sentLine{line: l}) }

// due reports whether lines wait for a PING and none is open.
func (w *window) due() bool {
	return w.asked.IsZero() && len(w.sent) > 0
}

// ask returns the token of a PING that acknowledges all lines sent so far.
func (w *window) ask(now time.Time) string {
	w.pings++
	w.asked = now
	for i := range w.sent {
		if w.sent[i].ping == 0 {
			w.sent[i].ping = w.pings
		}
	}
	return pingPrefix + strconv.Itoa(w.pings)
}

// answered takes a PONG, and returns the receipts of the lines that it
// acknowledges. Tokens of other pings mean nothing.
func (w *window) answered(token string, now time.Time) (receipts []int) {
	if token != pingPrefix+strconv.Itoa(w.pings) || w.asked.IsZero() {
		return nil
	}
	took := now.Sub(w.asked)
	w.asked = time.Time{}
	switch w.pause /= 2; {
	case took >= slowAnswer:
		w.pause = min(2*took, restMax)
	case w.pause < restMin:
		w.pause = 0
	}
	w.rest = now.Add(w.pause)
	for len(w.sent) > 0 && w.sent[0].ping != 0 {
		if n := w.sent[0].receipt; n != 0 {
			receipts = append(receipts, n)
		}
		w.sent = w.sent[1:]
	}
	return receipts
}

// undelivered returns the lines without an answer, oldest first.
func (w *window) undelivered() []line {
	lines := make([]line, len(w.sent))
	for i, s := range w.sent {
		lines[i] = s.line
	}
	return lines
}
