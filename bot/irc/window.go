package irc

import (
	"strconv"
	"time"
)

const (
	windowSize = 4 // lines that may be unacknowledged
	topicCost  = 2 // of them for a TOPIC, which servers count dearer
	urgentRoom = 2 // of them for urgent lines alone: a slow server works off all that went before

	pingPrefix = "pushtrain-"
)

// window paces a link by its server's own speed: a PING behind the lines is
// answered when the server has worked them off.
type window struct {
	sent  []sentLine // not yet acknowledged, oldest first
	pings int        // the number of the last PING
	asked time.Time  // when the open PING was sent; zero when none is open
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
			others -= cost
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
func (w *window) answered(token string) (receipts []int) {
	if token != pingPrefix+strconv.Itoa(w.pings) || w.asked.IsZero() {
		return nil
	}
	w.asked = time.Time{}
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
