package train

import (
	"slices"
	"time"
)

// raceWindow is how old a topic may be that a person had before them while they
// typed another one.
const raceWindow = 10 * time.Second

// see remembers what the channel shows now and who set it, and what it showed within raceWindow.
func (t *turn) see(text, by string) {
	last := len(t.Seen)
	for i, s := range t.Seen { // the first one older than the window was still there when it began
		if t.at.Sub(s.At) > raceWindow {
			last = i + 1
			break
		}
	}
	t.Seen = slices.Insert(t.Seen[:min(last, 8)], 0, Sight{Text: text, By: by, At: t.at})
}

// before returns the topics that By may have had before them, newest first: those
// that the channel showed within raceWindow, but none from before By's own last
// edit. An edit made while the bot was away may also have met a topic that the bot
// had written and not yet read back. A channel not seen yet showed nobody.
func (t *turn) before(away bool) []string {
	var texts []string
	if away {
		unread := slices.Index(t.Own, t.Channel())
		if unread < 0 {
			unread = min(len(t.Own), 1)
		}
		texts = append(texts, t.Own[:unread]...)
	}
	for i, s := range t.Seen {
		if i > 0 && (away || t.at.Sub(t.Seen[i-1].At) > raceWindow) {
			break // it was replaced before the window began
		}
		texts = append(texts, s.Text)
		if s.By != "" && t.Casemap.Same(s.By, t.by.Nick) {
			break
		}
	}
	if len(texts) == 0 {
		return []string{""}
	}
	return texts
}

// closest is the one of bases whose names the edit changes least, the newest of equals.
func (t *turn) closest(bases []Queue, want Queue) Queue {
	var best Queue
	least := -1
	for _, q := range bases {
		if d := t.distance(q, want); least < 0 || d < least {
			best, least = q, d
		}
	}
	return best
}

// distance counts the names that come and go from a to b, and whether the others change their order.
func (t *turn) distance(a, b Queue) int {
	x, y := everybody(a), everybody(b)
	d := 2 * (len(t.without(x, y)) + len(t.without(y, x)))
	same := func(nicks, others []string) []string {
		return slices.DeleteFunc(slices.Clone(nicks), func(n string) bool {
			return !slices.ContainsFunc(others, func(o string) bool { return t.Casemap.Same(n, o) })
		})
	}
	if !slices.EqualFunc(same(x, y), same(y, x), t.Casemap.Same) {
		d++
	}
	return d
}

// read reads a topic that may have been typed before a rider's nick changed.
func (t *turn) read(text string, known []string) Queue {
	n := t.Notation(known)
	var renamed []Renaming
	for _, r := range t.Renamed {
		if t.at.Sub(r.At) <= raceWindow && t.ridesIn(t.Queue.Trains, r.From) == 0 {
			renamed = append(renamed, r)
			n.Known = append(n.Known, r.From)
		}
	}
	q := n.Parse(text)
	for _, r := range renamed {
		for i := range q.Trains {
			tr := &q.Trains[i]
			if j := t.named(*tr, r.From); j >= 0 && t.named(*tr, r.To) < 0 {
				tr.Riders[j].Nick = r.To
			}
		}
	}
	return q
}

// rename gives a seat another nick.
func (t *turn) rename(r *Rider, to string) {
	if r.Nick == to {
		return
	}
	t.Renamed = slices.DeleteFunc(t.Renamed, func(o Renaming) bool { return t.at.Sub(o.At) > raceWindow || o.From == r.Nick })
	t.Renamed = append(t.Renamed, Renaming{From: r.Nick, To: to, At: t.at})
	r.Nick = to
}
