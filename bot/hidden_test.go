package bot

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"pushtrain/bot/irc"
	"pushtrain/train"
)

// TestNothingHidden: whatever people say with signs that nobody sees, in whichever
// place, the channel, the topic, the page and terminals show none of them.
func TestNothingHidden(t *testing.T) {
	for _, sign := range []string{"\u202e", "\u2066", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u3164", "\u2800", "\x02", "\x0304", "\x1b[31m", "\x7f", "\u0085", "\xff", "\U000e0041"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer s.end()
			var shown []string
			look := func(replies ...string) {
				shown = append(shown, replies...)
				for _, line := range s.chat.take() {
					shown = append(shown, strings.TrimPrefix(line, "-ma"+sign+"l-")) // to whom it is told
				}
				view, err := json.Marshal(s.bot.View())
				if err != nil {
					t.Fatal(err)
				}
				shown = append(shown, string(view))
				for _, e := range s.bot.View().Log {
					shown = append(shown, e.String(), e.By)
				}
			}
			s.play("alice> .join", "bob> .join with alice", "alice> .princess", "web/princess ok")
			x := "ma" + sign + "l" // the nick, on a server that allows it
			s.known[x] = irc.Who{Nick: x, User: "m", Host: "h"}
			s.members = append(s.members, s.known[x])
			s.see(irc.Joined{Who: s.known[x]})
			var every []string // that there is
			for _, c := range s.bot.commands {
				every = append(every, "."+c.Name+" "+x)
			}
			for _, who := range []string{x, "alice"} {
				for _, text := range append([]string{
					".join", ".leave", ".join", ".join with " + x, ".join before " + x, ".join " + x, ".kick " + x, ".drive " + x, ".at " + x, ".help " + x, ".stats " + x, ".good " + x, ".jo" + sign + "in", "." + x,
					".hotfix " + x, ".hotfix web \"" + x + "\"", ".hold " + x, ".hold \"" + x + "\"", ".unhold", ".log " + x, ".message " + x, ".message \"" + x + "\"", ".join last \"" + x + "\"", ".rollback " + x, ".confirm " + x, ".quiet " + x, ".queue", ".status", ".uhoh", ".good",
				}, every...) {
					s.see(irc.Said{From: s.here(who), Text: text})
					s.settled()
					look()
				}
				s.see(irc.Topic{Text: "alice + " + x + " (" + x + ") \"" + x + "\" | " + x + " " + x + " !! \"" + x + "\"", By: s.here(who), Exists: true})
				s.settled()
				look()
			}
			for _, do := range []string{"queue", "status", "entries", "audit", "stats"} {
				if _, err := s.bot.Ask(t.Context(), Request{Do: do, By: "root"}, func(r Reply) { look(r.Line) }); err != nil {
					t.Fatal(err)
				}
			}
			seen := map[string]bool{}
			for _, text := range shown {
				// The bot's own keep names from ringing and lines apart, and stand for what is no text.
				plain := strings.NewReplacer(pingBreak, "", "\n", "", "\ufffd", "").Replace(text)
				if bad := train.Visible(plain); bad != plain && !seen[bad] {
					seen[bad] = true
					t.Errorf("%+q shows in %+q", sign, text)
				}
			}
			if len(shown) < 100 {
				t.Errorf("there were only %d texts to look at", len(shown))
			}
		})
	}
}
