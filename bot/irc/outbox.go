package irc

import (
	"slices"
	"sync"
	"time"
)

// Priority says which of several waiting lines goes first, and what happens to
// one that can't be delivered now.
type Priority uint8

// The priorities.
const (
	// Chatter is of use only now: replies, listings, hints. It is dropped when it
	// is a minute old.
	Chatter Priority = iota
	// Urgent is what people must learn: outcomes, aborts, rollbacks. It goes before
	// everything else and is kept until it is delivered.
	Urgent
)

const (
	chatterAge  = time.Minute
	outboxLimit = 512 // lines of each priority; the oldest goes first
)

// line is something to send: the topic, or a PRIVMSG or NOTICE.
type line struct {
	command  string
	target   string
	text     string
	priority Priority  // nothing to a TOPIC
	at       time.Time // when it was given
	receipt  int       // see Link.Hand; 0 = none
}

// outbox holds what waits to be sent. Any goroutine fills it; the session
// empties it.
type outbox struct {
	wake chan struct{} // one token when something was put in

	mu      sync.Mutex
	topic   *line // the newest only
	urgent  []line
	chatter []line
	dropped int // lines lost to the limit since the last take
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

func (o *outbox) put(l line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case l.command == "TOPIC":
		o.topic = &l
	case l.priority == Urgent:
		o.urgent = append(o.urgent, l)
	default:
		o.chatter = append(o.chatter, l)
	}
	for _, queue := range []*[]line{&o.urgent, &o.chatter} {
		if len(*queue) > outboxLimit {
			*queue = (*queue)[1:]
			o.dropped++
		}
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take removes and returns the first line that may go now: there is room for
// urgent ones, and in it for others. A topic that comes first but does not fit holds back
// the chatter behind it; one that is not yet due (see session.topicDue) does not.
func (o *outbox) take(now time.Time, room, others int, topicDue, chatterDue bool) (line, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.chatter = slices.DeleteFunc(o.chatter, func(l line) bool { return now.Sub(l.at) > chatterAge })
	var l line
	switch {
	case len(o.urgent) > 0:
		if room < 1 {
			return line{}, false
		}
		l, o.urgent = o.urgent[0], o.urgent[1:]
	case o.topic != nil && topicDue:
		if others < topicCost {
			return line{}, false
		}
		l, o.topic = *o.topic, nil
	case len(o.chatter) > 0 && others >= 1 && chatterDue:
		l, o.chatter = o.chatter[0], o.chatter[1:]
	default:
		return line{}, false
	}
	return l, true
}

// back returns lines, oldest first, that were taken and not delivered. They go
// before what waits, except that a newer topic stays.
func (o *outbox) back(lines ...line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	newest := o.topic
	var urgent, chatter []line
	for _, l := range lines {
		switch {
		case l.command == "TOPIC":
			o.topic = &l
		case l.priority == Urgent:
			urgent = append(urgent, l)
		default:
			chatter = append(chatter, l)
		}
	}
	if newest != nil {
		o.topic = newest
	}
	o.urgent = append(urgent, o.urgent...)
	o.chatter = append(chatter, o.chatter...)
}

// waitsForTopic reports whether a topic waits.
func (o *outbox) waitsForTopic() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.topic != nil
}

// dropTopic forgets the topic that waits and reports whether there was one.
func (o *outbox) dropTopic() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	was := o.topic != nil
	o.topic = nil
	return was
}

// lost returns how many lines the limit has cost since it was last asked.
func (o *outbox) lost() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.dropped
	o.dropped = 0
	return n
}

// waiting counts the lines that were put in and not yet taken.
func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.urgent) + len(o.chatter)
	if o.topic != nil {
		n++
	}
	return n
}
