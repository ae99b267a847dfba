package bot

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"pushtrain/deploy"
	"pushtrain/train"
)

var update = flag.Bool("update", false, "rewrite the outputs in testdata; review the diff as a change of behaviour")

// TestTranscripts plays the channel logs in testdata against the real bot: its
// own train, rollouts, journal and voice; only the server and the hosts are
// stood in for, and time is that of a bubble.
//
// A line that stands at the margin is what people and the world do:
//
//	== A scene                        a new bot on an empty journal
//	stacks web: princess prod; config (c): princess prod; search: qa! prod       (! = external, ? = confirm)
//	cap 3, idle 15m, ops NICK, identity account, code, casemapping rfc1459, accounts, topic limit 60, first install, quarantine 1, hours mon-fri 09:00-17:00 Europe/Berlin; 2000-01-03 New Year, audit 6h, people ADDRESS = NICK; …, diffs web URL, watch web/prod 5m 10x 20 rollback
//	alice> .join                      said in the channel; "alice to pushbot>" says it to the bot alone
//	*** bob sets topic: …             by hand; "bob clears the topic"
//	*** bob joins | joins from elsewhere | quits | parts | is now known as bob_ | logs in as b
//	*** pushbot goes offline | comes online | restarts | is killed, and starts; the channel empties
//	*** +t without op | pushbot is opped; the server cuts topics at 40
//	*** the link is busy | free; the echo waits | comes
//	web/princess ok | at flip | fails: host web2, prepare: disk full | fails for good: …
//	web gets 1a2b3c4 by Al <al@example.com> "subject": lib/a.php …      a commit on the branch, with the files that it touches
//	web/prod logs 30 times on web1: fatal in lib/a.php line 7
//	web/prod loses 5000000 bytes on web1                     of what it logs: they come too fast
//	web/prod drifts: host web2, a: content differs; …      by a hand: what an audit finds there
//	$ alice: deploy web prod "why"    from the shell; the text overrides
//	at once: …                        at the same moment as the line before; else 11 s later
//	wait 20m
//
// What the bot does about it is indented: the topic it sets, `-nick-` notices, and
// what it says. A zero-width space is shown as `·`. With -update the outputs are rewritten.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scenes := strings.SplitAfter(string(text), "\n== ")
		for i, s := range scenes { // "== " goes with what follows it
			scenes[i] = strings.TrimSuffix(s, "== ")
			if i > 0 {
				scenes[i] = "== " + scenes[i]
			}
		}
		var out strings.Builder
		played := 0
		for _, scene := range scenes {
			title, _, _ := strings.Cut(strings.TrimPrefix(scene, "== "), "\n")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+title, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := play(t, scene)
					out.WriteString(got)
					played++
					if !*update && got != scene {
						t.Errorf("%s says otherwise now:\n%s", file, difference(scene, got))
					}
				})
			})
		}
		if *update && played == len(scenes) {
			if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// play runs one scene and returns it with the outputs that came.
func play(t *testing.T, scene string) string {
	s := newStage(t)
	defer s.end()
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(scene, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "== ") {
			continue
		}
		if err := s.do(line); err != nil {
			t.Fatalf("line %d, %q: %v", i+1, line, err)
		}
		for _, said := range s.chat.take() {
			out.WriteString("  " + strings.ReplaceAll(strings.ReplaceAll(said, "\u200b", "·"), s.dir, "STATE") + "\n")
		}
		s.checkTopic(line)
	}
	s.checkJournal()
	return out.String()
}

// checkTopic: whatever happened, the channel shows the queue if the bot can write.
func (s *stage) checkTopic(line string) {
	s.t.Helper()
	text, _, writable := s.chat.shown()
	if s.bot == nil || !s.online || !writable {
		return
	}
	synctest.Wait()
	defer s.settled()
	if want := s.bot.train.Topic(); text != want {
		s.t.Errorf("after %q the channel shows\n  %s\nand the queue is\n  %s", line, text, want)
	}
}

// checkJournal: the inputs in the journal alone give the state that the snapshot holds.
func (s *stage) checkJournal() {
	s.t.Helper()
	if s.bot == nil {
		return
	}
	s.stop()
	var state train.State
	for rec, err := range s.store.Records(1) {
		if err != nil {
			s.t.Fatal(err)
		}
		if rec.Kind != kindTrain {
			continue
		}
		in, err := Input(rec)
		if err != nil {
			s.t.Fatal(err)
		}
		next, effects, err := state.Apply(in)
		if err != nil {
			s.t.Fatalf("record %d, %s, is refused in the replay: %v", rec.Seq, rec.Type, err)
		}
		again, err := record(in, known(state, in.By), effects)
		if err != nil || !bytes.Equal(again.Facts, rec.Facts) {
			s.t.Fatalf("record %d, %s, has other effects in the replay (%v):\n got %s\nwant %s", rec.Seq, rec.Type, err, again.Facts, rec.Facts)
		}
		state = next
	}
	got, err := json.Marshal(state)
	if err != nil {
		s.t.Fatal(err)
	}
	want, err := s.store.Snapshot("train")
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		s.t.Errorf("the journal replays to another state than the snapshot's\n got %s\nwant %s", got, want)
	}
	s.checkLog()
}

// checkLog: a bot that starts has the deploy log that the one before had, and each
// rollout that has ended, or is STUCK, stands in it once.
func (s *stage) checkLog() {
	s.t.Helper()
	next, err := New(s.cfg, s.store, s.chat, s.fleet)
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := json.Marshal(next.log)
	if err != nil {
		s.t.Fatal(err)
	}
	want, err := json.Marshal(s.bot.log)
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		s.t.Errorf("after a restart the deploy log is another one\n got %s\nwant %s", got, want)
	}
	times, begun := map[uint64]int{}, 0
	for _, e := range next.log {
		if times[e.Rollout]++; e.Rollout != 0 && times[e.Rollout] > 1 {
			s.t.Errorf("rollout %d stands in the deploy log %d times", e.Rollout, times[e.Rollout])
		}
	}
	delete(times, 0) // texts
	for rec, err := range s.store.Records(1) {
		if err != nil {
			s.t.Fatal(err)
		}
		if rec.Kind == kindDeploy && rec.Type == "Start" {
			begun++
		}
	}
	for _, r := range next.book.Open {
		if r.State != deploy.Stuck {
			begun--
		}
	}
	if len(times) != begun {
		s.t.Errorf("%d rollouts stand in the deploy log, %d have ended or are STUCK", len(times), begun)
	}
}

// difference shows the first place where two texts part.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			from := max(0, i-3)
			return "want\n" + strings.Join(w[from:min(len(w), i+6)], "\n") + "\ngot\n" + strings.Join(g[from:min(len(g), i+6)], "\n")
		}
	}
	return ""
}
