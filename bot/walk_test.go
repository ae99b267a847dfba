package bot

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pushtrain/bot/irc"
	"pushtrain/deploy"
	"pushtrain/train"
)

var walks = flag.Uint64("walks", 60, "random scenes that TestWalk plays")

// TestWalk plays random scenes: people who ride, drive and quarrel, hands in the
// topic, rollouts that go well or do not, a bot that is restarted or offline. After
// each line the channel has to show the queue; at the end of a scene the journal has
// to give the state again, and to say of each rollout on whose word it went.
func TestWalk(t *testing.T) {
	outcomes := map[train.Outcome]int{}
	for seed := uint64(1); seed <= *walks && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			w := walk{rng: rand.New(rand.NewPCG(seed, 1)), stage: newStage(t), outcomes: outcomes}
			defer w.end()
			w.stacks("web: princess prod; config: prod")
			if seed%3 == 0 { // the scene begins on a Saturday, at midnight
				w.play("hours sat 00:00-00:05, sat 00:10-24:00 UTC")
			}
			for range 60 {
				line := w.line()
				w.lines = append(w.lines, line)
				if err := w.do(line); err != nil {
					t.Fatalf("seed %d: %v\n%s", seed, err, w.story())
				}
				w.lines = append(w.lines, w.chat.take()...)
				w.checkTopic(line)
				if t.Failed() {
					t.Fatalf("seed %d\n%s", seed, w.story())
				}
			}
			w.checkJournal()
			w.checkWords()
			if t.Failed() {
				t.Fatalf("seed %d\n%s", seed, w.story())
			}
		})
	}
	t.Logf("rollouts by outcome: %v", outcomes)
	for _, o := range []train.Outcome{train.OutDone, train.OutAborted, train.OutRolledBack, train.OutStuck} {
		if outcomes[o] == 0 && *walks >= 60 {
			t.Errorf("no rollout ended %s: the scenes are too tame", o)
		}
	}
}

// walk is a random scene under way.
type walk struct {
	*stage
	rng      *rand.Rand
	lines    []string
	outcomes map[train.Outcome]int // of all scenes
}

func (w *walk) story() string { return strings.Join(w.lines, "\n") }

func (w *walk) one(of ...string) string { return of[w.rng.IntN(len(of))] }

// line is what happens next.
func (w *walk) line() string {
	var nicks []string
	for _, m := range w.members {
		nicks = append(nicks, m.Nick)
	}
	nick := w.one(nicks...)
	if w.bot != nil && w.rng.IntN(2) == 0 {
		if line := w.onward(); line != "" {
			return line
		}
	}
	switch n := w.rng.IntN(100); {
	case n < 25:
		return nick + "> " + w.one(".join", ".join", ".join config", ".join with "+w.one(nicks...), ".join before "+w.one(nicks...), ".join last", ".join askme", `.join "slow one"`, ".join hold")
	case n < 45:
		return nick + "> " + w.one(".good", ".good", ".uhoh", ".princess", ".princess", ".prod", ".prod config", ".done", ".done", ".at prod")
	case n < 55:
		return nick + "> " + w.one(".leave", ".pop", ".drive", ".drive "+w.one(nicks...), ".kick "+w.one(nicks...), ".hold", `.hold config "no"`, ".unhold", ".abort", ".rollback", ".rollback web prod", `.message "m"`, `.hotfix "m"`, `.hotfix config "m"`, ".hotfix", ".message -", ".topic", ".quiet on", ".queue", ".eta")
	case n < 65:
		return "*** " + w.one(nicks...) + " sets topic: " + w.edited(nicks)
	case n < 68:
		return "*** " + w.one(nicks...) + " clears the topic"
	case n < 72 && len(nicks) > 2:
		return "*** " + nick + " " + w.one("quits", "parts", "is now known as "+nick+"_")
	case n < 76:
		for _, gone := range []string{"alice", "bob", "carol", "dave"} {
			if _, known := w.known[gone]; known && !slices.Contains(nicks, gone) {
				return "*** " + gone + " " + w.one("joins", "joins", "joins from elsewhere")
			}
		}
		return "wait 6m"
	case n < 90:
		return w.happens(w.one("web/princess", "web/prod", "config/prod"))
	case n < 93:
		return "*** pushbot restarts"
	case n < 95:
		if w.online {
			return "*** pushbot goes offline"
		}
		return "*** pushbot comes online"
	case n < 97:
		return "$ eve: " + w.one("deploy web princess", "deploy web prod", `deploy config prod "now"`, "rollback web prod", "abort web")
	}
	return "wait " + w.one("1s", "6m", "20m")
}

// happens is what becomes of a target's rollout.
func (w *walk) happens(target string) string {
	return target + " " + w.one("ok", "ok", "ok", "fails: test: red", "fails: build: red", "fails: host web2, prepare: disk full", "fails: host web2, flip: no answer",
		"fails for good: host web2, flip: no answer", "fails: check: red", "at flip", "at verify")
}

// onward is what brings a train further, "" = there is none.
func (w *walk) onward() string {
	synctest.Wait()
	defer w.settled()
	if open := slices.Sorted(maps.Keys(w.bot.book.Open)); len(open) > 0 {
		return w.happens(w.bot.book.Open[open[w.rng.IntN(len(open))]].Target.String())
	}
	for i, tr := range w.bot.train.Queue.Trains {
		here := func(r train.Rider) bool {
			return slices.ContainsFunc(w.members, func(m irc.Who) bool { return m.Nick == r.Nick })
		}
		if !w.bot.train.IsHead(i) || !here(tr.Driver()) {
			continue
		}
		if rider := tr.Riders[w.rng.IntN(len(tr.Riders))]; here(rider) && rider.Mark != train.Good && w.rng.IntN(3) > 0 {
			return rider.Nick + "> .good"
		}
		return tr.Driver().Nick + "> " + w.one(".princess", ".prod", ".prod", ".prod", ".rollback", ".done")
	}
	return ""
}

// edited is what a hand makes of the topic that stands there.
func (w *walk) edited(nicks []string) string {
	text, _, _ := w.chat.shown()
	trains := strings.Split(text, " | ")
	i := w.rng.IntN(len(trains))
	switch w.rng.IntN(5) {
	case 0:
		trains = slices.Delete(trains, i, i+1)
	case 1:
		trains[i] += " + " + w.one(nicks...)
	case 2:
		slices.Reverse(trains)
	case 3:
		trains = slices.Insert(trains, i, w.one(nicks...)+" + "+w.one(nicks...), "after lunch")
	case 4:
		trains[i] = w.one("Off-Hours!!", "HOLD", `HOLD "why"`, "<prod> "+w.one(nicks...), w.one(nicks...)+"*", "see the wiki")
	}
	return strings.Join(trains, " | ")
}

// checkWords reads the journal from its beginning: each rollout of a train was
// asked for by its driver, each one without a train by the shell or by .rollback, no
// stack has two at once, and none commits that was called off before.
func (w *walk) checkWords() {
	w.t.Helper()
	var state train.State
	var book deploy.Book
	var asked []train.Effect // deeds that the train asked for and no rollout has answered
	for rec, err := range w.store.Records(1) {
		if err != nil {
			w.t.Fatal(err)
		}
		switch rec.Kind {
		case kindTrain:
			in, err := Input(rec)
			if err != nil {
				w.t.Fatal(err)
			}
			next, effects, err := state.Apply(in)
			if err != nil {
				w.t.Fatalf("record %d: %v", rec.Seq, err)
			}
			for _, e := range effects {
				if d, ok := e.(train.Deploy); ok && d.Train != 0 && in.By.Host != "shell" {
					i := slices.IndexFunc(state.Queue.Trains, func(t train.Train) bool { return t.ID == d.Train })
					if i < 0 || !w.same(state.Queue.Trains[i].Driver().Nick, in.By.Nick) {
						w.t.Errorf("record %d: %s starts %s/%s of train %d and does not drive it", rec.Seq, in.By.Nick, d.Stack, d.Stage, d.Train)
					}
				}
				switch e := e.(type) {
				case train.Deploy, train.FlipBack:
					asked = append(asked, e)
				case train.Landed:
					w.outcomes[e.Outcome]++
				}
			}
			state = next
		case kindDeploy:
			in, err := deploy.Unmarshal(rec.Body)
			if err != nil {
				w.t.Fatal(err)
			}
			next, _, err := book.Apply(in)
			if err != nil {
				w.t.Fatalf("record %d: %v", rec.Seq, err)
			}
			if s, ok := in.Event.(deploy.Start); ok {
				i := slices.IndexFunc(asked, func(e train.Effect) bool {
					switch e := e.(type) {
					case train.Deploy:
						return e.Stack == s.Stack && e.Stage == s.Stage && e.By == s.By && !s.Back
					case train.FlipBack:
						return e.Stack == s.Stack && e.Stage == s.Stage && e.By == s.By && s.Back
					}
					return false
				})
				if i < 0 {
					w.t.Errorf("record %d: a rollout of %s by %s that nobody asked for", rec.Seq, s.Target, s.By)
				} else {
					asked = slices.Delete(asked, i, i+1)
				}
			}
			book = next
		}
	}
	if got, want := fmt.Sprint(book), fmt.Sprint(w.bot.book); got != want {
		w.t.Errorf("the journal makes another book:\n%s\n%s", got, want)
	}
}

func (w *walk) same(a, b string) bool { return train.ASCII.Same(a, b) }
