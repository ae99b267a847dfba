package bot

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// pushes writes n short pushes into the journal at path, one every 20 minutes, the last one just now.
func pushes(t *testing.T, path string, rules train.Rules, n int) {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var state train.State
	var recs []store.Record
	at := time.Now().Round(0).Add(-time.Duration(n) * 20 * time.Minute)
	apply := func(by train.Who, e train.Event) {
		t.Helper()
		at = at.Add(time.Minute)
		in := train.Input{At: at, By: by, Event: e}
		next, effects, err := state.Apply(in)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := record(in, "", effects)
		if err != nil {
			t.Fatal(err)
		}
		state, recs = next, append(recs, rec)
	}
	apply(train.Who{}, train.Configured{Rules: rules})
	for i := range n {
		alice, bob := train.Who{Nick: fmt.Sprintf("alice%d", i%3), User: "a"}, train.Who{Nick: "bob", User: "b"}
		apply(alice, train.Join{})
		apply(bob, train.Join{})
		for _, stage := range []string{"princess", "prod"} {
			apply(alice, train.Step{Stage: stage})
			ship := train.Shipment{Stack: "web", Commit: "c0ffee", Release: "c0ff", Digest: fmt.Sprint(i)}
			apply(train.Who{}, train.Ended{Stack: "web", Stage: stage, Outcome: train.OutDone, Shipment: ship, Spent: train.Spent{Flip: time.Second}})
			apply(alice, train.Vote{Mark: train.Good})
		}
		apply(alice, train.Done{})
		apply(bob, train.Leave{})
		at = at.Add(10 * time.Minute)
	}
	state0, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(recs, map[string][]byte{"train": state0}); err != nil {
		t.Fatal(err)
	}
}

// TestTallySaved: a bot that starts with a saved tally reads no more of the journal
// than what came since, and says the same as one that reads all of it.
func TestTallySaved(t *testing.T) {
	rules := train.Rules{Cap: 8, Stacks: []train.Stack{{Name: "web", Stages: []train.Stage{{Name: "princess"}, {Name: "prod"}}}}}
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	const n = 250
	pushes(t, path, rules, n)
	cfg := Config{Rules: rules, Fleets: map[deploy.Target]Fleet{}, Nick: "pushbot", Channel: "#push", Dir: dir, Log: zerolog.Nop()}
	now := time.Now()
	start := func() (b *Bot, s *store.Store, read int, says string) {
		t.Helper()
		s, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if b, err = New(cfg, s, &channel{}, newScripted()); err != nil {
			t.Fatal(err)
		}
		b.commands = Commands(rules)
		out, err := json.Marshal(b.tally.Stats(train.Question{To: now, Days: 30, Open: 8 * time.Hour, Cap: 8}))
		if err != nil {
			t.Fatal(err)
		}
		w, ok := b.tally.Forecast(now, "web", 3)
		return b, s, b.unsaved, fmt.Sprint(string(out), w, ok)
	}
	b, s, all, want := start()
	if all < 2000 || !strings.Contains(want, fmt.Sprintf(`"pushes":%d,`, n)) {
		t.Fatalf("%d records read: %s", all, want)
	}
	for range 2 { // the first commit saves it, the second one is to be read again
		if err := b.apply(train.Who{Nick: "alice"}, train.Log{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		if err := b.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, s, read, got := start()
	defer s.Close()
	if read != 1 {
		t.Errorf("%d records were read, want the one since the tally was saved", read)
	}
	if got != want {
		t.Errorf("says\n%s\nwant\n%s", got, want)
	}
	lines := answerStats(b, train.Who{}, words("alice1 30d"))
	if len(lines) != 2 || !strings.Contains(lines[0], "alice1: 83 pushes in 30 days") || !strings.Contains(lines[0], "drove: alice1 83") {
		t.Errorf(".stats alice1 30d: %q", lines)
	}
	for words2, want := range map[string]string{"zoe": "zoe rode in no train in the last 7 days", "0d": `"0d" is no period, stack or nick`, `"so"`: `"so" is no period, stack or nick`} {
		if lines := answerStats(b, train.Who{}, words(words2)); len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf(".stats %s: %q, want %q", words2, lines, want)
		}
	}
}

// TestWaitText: how a range is said.
func TestWaitText(t *testing.T) {
	m := time.Minute
	for want, d := range map[string][2]time.Duration{"about 12": {12 * m, 25 * m}, "about 40 s": {40 * time.Second, 2 * m}, "about 80 min": {80 * m, 100 * m}} {
		if got := aboutTo(d[0], d[1]); got != want {
			t.Errorf("%v to %v: %q, want %q", d[0], d[1], got, want)
		}
	}
}

// TestFirstSince finds the place in the journal from which a tally is made anew.
func TestFirstSince(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := &Bot{store: s}
	day := time.Date(2013, 11, 1, 0, 0, 0, 0, time.UTC)
	if n, err := b.firstSince(day); n != 1 || err != nil {
		t.Errorf("in an empty journal: %d, %v", n, err)
	}
	var recs []store.Record
	for i := range 1000 {
		recs = append(recs, store.Record{At: day.Add(time.Duration(i) * time.Hour), Kind: kindTrain, Type: "Tick"})
	}
	if err := s.Commit(recs, nil); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Time]uint64{day: 1, day.Add(time.Minute): 2, day.Add(500 * time.Hour): 501, day.Add(5000 * time.Hour): 1001} {
		if n, err := b.firstSince(at); n != want || err != nil {
			t.Errorf("since %v: %d, %v, want %d", at, n, err, want)
		}
	}
}

// TestSpent: a rollout's own account of its time.
func TestSpent(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2013, 11, 1, 0, 0, s, 0, time.UTC) }
	whole := deploy.Rollout{Ended: at(100), Tests: deploy.JobGreen, Entered: map[deploy.State]time.Time{
		deploy.Building: at(0), deploy.Fencing: at(20), deploy.Preparing: at(21), deploy.Verifying: at(29), deploy.Barrier: at(80), deploy.Flipping: at(90)}}
	stopped := deploy.Rollout{Ended: at(50), Tests: deploy.JobFailed, Entered: map[deploy.State]time.Time{deploy.Fencing: at(0), deploy.Verifying: at(9)}}
	for name, c := range map[string]struct {
		r      deploy.Rollout
		proven time.Time
		want   train.Spent
	}{
		"all":                    {whole, at(30), train.Spent{Build: 20 * time.Second, Tests: 50 * time.Second, Flip: 10 * time.Second}},
		"proven after the tests": {whole, at(80), train.Spent{Build: 20 * time.Second, Flip: 10 * time.Second}},
		"proven is not known":    {whole, time.Time{}, train.Spent{Build: 20 * time.Second, Flip: 10 * time.Second}},
		"the tests failed":       {stopped, at(10), train.Spent{Tests: 40 * time.Second}},
		"the build failed":       {deploy.Rollout{Ended: at(7), Entered: map[deploy.State]time.Time{deploy.Building: at(1)}}, time.Time{}, train.Spent{Build: 6 * time.Second}},
	} {
		if got := spent(c.r, c.proven); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
