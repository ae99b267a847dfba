package train

import (
	"fmt"
	"strings"
)

// offHours is what the topic begins with outside of the hours. Where there are
// hours it comes and goes with them, whatever a hand writes.
const offHours = "Off-Hours!!"

// shown is the queue as the topic ought to show it.
func (s State) shown() Queue {
	q := s.Queue
	if s.Hours.Closed {
		q.Banner = asBanner(join(offHours, q.Banner))
	}
	return q
}

// Whole is the topic, however long it is.
func (s State) Whole() string { return Format(s.shown()) }

// cutOffHours takes the word of the hours off a banner.
func cutOffHours(banner string) (rest string, found bool) {
	if len(banner) < len(offHours) || !strings.EqualFold(banner[:len(offHours)], offHours) {
		return banner, false
	}
	return asBanner(strings.Trim(banner[len(offHours):], " ")), true
}

// asBanner is text so that nothing takes it for riders.
func asBanner(text string) string {
	if text == "" || (Notation{}).read(text, true).kind == textSegment {
		return text
	}
	return text + loud
}

// hours opens or closes the line. A train that has left goes on when it closes; one
// that is up and waits still is told again.
func (t *turn) hours(e Hours) {
	closes := e.Closed && !t.Hours.Closed
	if e.Closed != t.Hours.Closed {
		t.Turned = t.at
	}
	t.Hours = e
	t.Queue.Banner, _ = cutOffHours(t.Queue.Banner)
	if !closes {
		return
	}
	c := Closing{Hours: e}
	for _, tr := range t.Queue.Trains {
		if !tr.Up.IsZero() && t.sleeps(tr) {
			c.Riders = append(c.Riders, nicks(tr)...)
		}
	}
	t.emit(c)
}

// sleeps reports whether tr has to wait for the hours: it has not left, and is no hotfix.
func (s State) sleeps(tr Train) bool { return s.Hours.Closed && !tr.Left() && tr.Haste.Why == "" }

// shut reports whether the hours keep tr from being up. A marker that a hand wrote meanwhile changes nothing.
func (s State) shut(tr Train) bool { return s.Hours.Closed && tr.Up.IsZero() && tr.Haste.Why == "" }

// offHours refuses what the hours do not allow.
func (t *turn) offHours() error {
	return refuse("off-hours", "%s; .join queues for then, `.hotfix \"why\"` goes now", t.Shut())
}

// Shut says why no train departs, and when one does again; "" when the line is open.
func (s State) Shut() string {
	if !s.Hours.Closed {
		return ""
	}
	why := ""
	if s.Hours.Why != "" {
		why = fmt.Sprintf(" (%s)", s.Hours.Why)
	}
	return fmt.Sprintf("outside of the hours%s: trains depart again %s", why, s.Hours.Says(s.Turned))
}
