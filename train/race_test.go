package train

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestEditRace lets words and hand edits cross: each edit is typed from a topic
// that the channel showed within the last raceWindow, and the bot's own topics come
// late or are left out. Whatever the bot takes for the topic that was edited, nobody is lost.
func TestEditRace(t *testing.T) { rapid.Check(t, editRace) }

func editRace(t *rapid.T) {
	crowd := []string{"alice", "bob", "carol", "dave", "erin", "frank"}
	at := time.Date(2013, 11, 23, 12, 0, 0, 0, time.UTC)
	var s State
	var log []string
	apply := func(by Who, e Event) bool {
		next, _, err := s.Apply(Input{At: at, By: by, Event: e})
		if err == nil {
			s = next
			log = append(log, at.Format("05 ")+by.Nick+" "+TypeName(e)+" "+asJSON(e)+" => "+s.Topic())
		}
		return err == nil
	}
	apply(Who{}, Configured{Rules: rules})
	apply(Who{}, Online{Limit: rapid.SampledFrom([]int{0, 0, 40}).Draw(t, "limit")})
	apply(Who{}, Shown{Text: s.Topic()})
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		at = at.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
		nick := rapid.SampledFrom(crowd).Draw(t, "by")
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0, 1:
			apply(person(nick), Join{Last: rapid.Bool().Draw(t, "last")})
		case 2:
			apply(person(nick), Leave{})
		case 3:
			apply(person(nick), Step{Stage: "princess"})
		case 4:
			apply(Who{}, Shown{Text: s.Topic()})
		case 5:
			sights := []string{}
			for i, x := range s.Seen {
				if i > 0 && at.Sub(s.Seen[i-1].At) > raceWindow {
					break
				}
				sights = append(sights, x.Text)
				if x.By == nick {
					break
				}
			}
			had := rapid.SampledFrom(sights).Draw(t, "had")
			text := typed(t, had, crowd)
			before := s
			apply(person(nick), Edited{Text: text})
			check(t, s, Edited{})
			n := before.Notation(nil)
			base, want := n.Parse(had), n.Parse(text)
			for _, name := range crowd {
				in := func(q Queue) int { return (&turn{State: s}).ridesIn(q.Trains, name) }
				now, was := in(s.Queue), in(before.Queue)
				if now == 0 && was > 0 && (in(base) < was || in(want) > 0) {
					t.Fatalf("typed from %q, %q lost %s\n%s", had, text, name, strings.Join(log, "\n"))
				}
				if now == 0 && in(want) > 0 && in(base) == 0 && !slices.ContainsFunc(before.Seen, func(x Sight) bool { return in(n.Parse(x.Text)) > 0 }) {
					t.Fatalf("%q did not add %s\n%s", text, name, strings.Join(log, "\n"))
				}
			}
		}
	}
}

// typed is what a person makes of a topic.
func typed(t *rapid.T, topic string, crowd []string) string {
	parts := strings.Split(topic, " | ")
	for range rapid.IntRange(1, 2).Draw(t, "changes") {
		switch i := rapid.IntRange(0, len(parts)).Draw(t, "where"); rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			if i < len(parts) && len(parts) > 1 {
				parts = slices.Delete(parts, i, i+1)
			}
		case 1:
			parts = slices.Insert(parts, i, rapid.SampledFrom(crowd).Draw(t, "adds"))
		case 2:
			slices.Reverse(parts)
		case 3:
			if i < len(parts) {
				parts[i] += " + " + rapid.SampledFrom(crowd).Draw(t, "aboard")
			}
		}
	}
	return strings.Join(parts, " | ")
}
