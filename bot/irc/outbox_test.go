package irc

import (
	"fmt"
	"testing"
	"time"
)

// drain takes everything at now.
func drain(o *outbox, now time.Time) []string {
	var texts []string
	for {
		l, ok := o.take(now, windowSize, windowSize, true, true)
		if !ok {
			return texts
		}
		texts = append(texts, l.text)
	}
}

func TestOutboxOrder(t *testing.T) {
	now := time.Now()
	o := newOutbox()
	o.put(line{command: "PRIVMSG", text: "c1", at: now})
	o.put(line{command: "TOPIC", text: "newest", at: now})
	o.put(line{command: "PRIVMSG", text: "u2", priority: Urgent, at: now})
	o.back(
		line{command: "TOPIC", text: "older", at: now},
		line{command: "NOTICE", text: "c0", at: now},
		line{command: "PRIVMSG", text: "u1", priority: Urgent, at: now},
		line{command: "PRIVMSG", text: "stale", at: now.Add(-2 * chatterAge)},
	)
	same(t, "order", drain(o, now), "u1", "u2", "newest", "c0", "c1")

	o.back(line{command: "TOPIC", text: "first"}, line{command: "TOPIC", text: "second"})
	same(t, "topics that came back", drain(o, now), "second")
}

func TestOutboxIsBounded(t *testing.T) {
	now := time.Now()
	o := newOutbox()
	for i := range outboxLimit + 10 {
		o.put(line{command: "NOTICE", text: fmt.Sprint(i), at: now})
	}
	if got := o.lost(); got != 10 {
		t.Errorf("lost %d lines, want 10", got)
	}
	if got := drain(o, now); len(got) != outboxLimit || got[0] != "10" {
		t.Errorf("kept %d lines from %q", len(got), got[0])
	}
}
