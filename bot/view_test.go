package bot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/deploy/fleet"
	"pushtrain/train"
)

// look plays lines and returns the view that comes of them.
func (s *stage) look(lines ...string) *View {
	s.t.Helper()
	for _, line := range lines {
		if err := s.do(line); err != nil {
			s.t.Fatal(err)
		}
	}
	return s.bot.View()
}

// TestView: what is shown is what the journal holds, before and after a restart.
func TestView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		v := s.look("accounts", "ops alice", "alice> .join", "bob> .join with alice", "carol> .join", "carol> .hold \"lunch\"")
		if v.Topic != `HOLD "lunch" | alice + bob | carol` || len(v.Trains) != 2 || len(v.Holds) != 1 || v.Holds[0].By != "carol" {
			t.Errorf("the queue is %+v", v)
		}
		if !v.Accounts || !slices.Equal(v.Ops, []string{"alice"}) {
			t.Errorf("ops are %q, by account %v", v.Ops, v.Accounts)
		}
		if head := v.Trains[0]; head.Up.IsZero() || head.Next != "princess" || !strings.Contains(head.Held, "carol") || head.Wait != "" {
			t.Errorf("the head is %+v", head)
		}
		if next := v.Trains[1]; next.Place != 1 || next.Wait != "1 in front, no wait known yet" || next.Riders[0].Joined.IsZero() {
			t.Errorf("the second train is %+v", next)
		}
		v = s.look("carol> .unhold", "alice> .princess", "web/princess at test")
		if len(v.Rollouts) != 1 || v.Rollouts[0].State != deploy.Verifying && v.Rollouts[0].State != deploy.Preparing || v.Rollouts[0].New.Release != "web0001" {
			t.Fatalf("under way is %+v", v.Rollouts)
		}
		if g := v.Stacks[0].Stages[0]; g.Live != (Ship{}) || g.Next.Release != "web0001" {
			t.Errorf("princess is %+v", g)
		}
		running := v
		v = s.look("web/princess ok", "alice> .good", "bob> .good", "alice> .prod", "web/prod ok", "dave> .log \"graphs | look well\"")
		if len(running.Rollouts) != 1 || len(running.Log) != 0 {
			t.Errorf("a view that was out has changed: %+v", running)
		}
		if g := v.Stacks[0].Stages[1]; g.Live.Release != "web0001" || g.Since.IsZero() || !slices.Equal(g.Riders, []string{"alice", "bob"}) || g.Next != (Ship{}) || len(v.Rollouts) != 0 {
			t.Errorf("prod is %+v", g)
		}
		if len(v.Log) != 3 || v.Log[2].Text != "graphs | look well" || v.Log[2].By != "dave" {
			t.Fatalf("the deploy log is %+v", v.Log)
		}
		e := v.Log[1]
		if e.Rollout != 2 || e.Stage != "prod" || e.Outcome != deploy.Done || e.By != "alice" || e.Old != (Ship{}) || e.New.Release != "web0001" || !slices.Equal(e.Riders, []string{"alice", "bob"}) || e.Hosts != 2 || e.Took() < 10*time.Second {
			t.Errorf("the entry is %+v", e)
		}
		if n := len(e.Phases); n < 5 || e.Phases[n-1].State != deploy.Done || e.Phases[n-1].At.Sub(e.Began) != e.Took() {
			t.Errorf("its phases are %+v", e.Phases)
		}
		v = s.look("alice> .done", "carol> .princess", "web/princess ok", "carol> .prod", "web/prod fails: check: no")
		if e := v.Log[len(v.Log)-1]; e.Outcome != deploy.RolledBack || e.Old.Release != "web0001" || e.New.Release != "web0002" || e.Live() || !strings.Contains(e.Reason, "check") {
			t.Errorf("the failure is %+v", e)
		}
		if g := v.Stacks[0].Stages[1]; g.Live.Release != "web0001" || g.Next.Release != "web0002" {
			t.Errorf("after it prod is %+v", g)
		}
		if n := len(s.bot.runs.open); n != 0 {
			t.Errorf("%d run logs are open", n)
		}
		s.checkJournal()
		again, err := New(s.cfg, s.store, s.chat, s.fleet)
		if err != nil {
			t.Fatal(err)
		}
		a, b := *again.View(), *v
		a.At, a.Online, a.Records, b.At, b.Online, b.Records = time.Time{}, false, 0, time.Time{}, false, 0
		got, err1 := json.Marshal(a)
		want, err2 := json.Marshal(b)
		if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("after a restart the view is\n%s\nwant\n%s", got, want)
		}
	})
}

// TestViewOfTwins: a nick that looks like another one's is told apart.
func TestViewOfTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		v := s.look("alice> .join", "bob> .join with alice", "аlice> .join with alice", "b0b> hello")
		var twins []string
		for _, r := range v.Trains[0].Riders {
			twins = append(twins, r.Twin)
		}
		if want := []string{"alice is not <U+0430>lice", "bob is not b0b", "<U+0430>lice is not alice"}; !slices.Equal(twins, want) {
			t.Errorf("the riders are told apart by %q, want %q", twins, want)
		}
		if v = s.look("*** b0b quits"); v.Trains[0].Riders[1].Twin != "" {
			t.Errorf("when the twin has gone: %q", v.Trains[0].Riders[1].Twin)
		}
	})
}

// TestViewOfAsk: what waits for a second person is seen until it is confirmed.
func TestViewOfAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		v := s.look("stacks web: princess prod?", "alice> .join", "bob> .join with alice", "alice> .princess", "web/princess ok", "bob> .good", "alice> .prod")
		if a := v.Trains[0].Asks; a.Stage != "prod" || a.By != "alice" || a.Until.Sub(a.Since) != 15*time.Minute || !v.Trains[0].Pending(v.At) || v.Trains[0].Pending(a.Until) {
			t.Errorf("it asks for %+v", a)
		}
		if v = s.look("bob> .confirm"); v.Trains[0].Asks != (ViewAsk{}) || v.Trains[0].Running != "prod" {
			t.Errorf("after it was confirmed: %+v", v.Trains[0])
		}
	})
}

// TestViewOfProgress: what hosts are sent shows within a quarter of a second, and
// none that look can hold the bot up.
func TestViewOfProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.look("alice> .join", "alice> .princess", "web/princess at prepare")
		news, stop := s.bot.Watch()
		s.bot.runs.line(1, fleet.Line{Host: "princess1", Percent: 40})
		s.bot.runs.line(1, fleet.Line{Text: "half way", Percent: -1})
		select {
		case <-news:
		case <-time.After(300 * time.Millisecond):
			t.Error("nothing was published")
		}
		r := s.bot.View().Rollouts[0]
		if h := r.Hosts[0]; h.Percent != 40 || h.Phase != "copying" || !strings.HasSuffix(r.Tail[len(r.Tail)-1], " half way") {
			t.Errorf("the host is %+v, the tail %q", h, r.Tail)
		}
		for range 1000 { // nobody takes the pokes
			s.bot.runs.line(1, fleet.Line{Text: "more", Percent: -1})
		}
		v := s.look("bob> .join", "web/princess ok")
		if len(v.Trains) != 2 || len(v.Rollouts) != 0 || len(r.Tail) > runTail {
			t.Errorf("the bot has stopped at %+v", v)
		}
		stop()
		for len(news) > 0 {
			<-news
		}
		s.look("bob> .leave")
		select {
		case <-news:
			t.Error("poked after stop")
		default:
		}
	})
}

// TestLogIsBounded: the newest entries stay at hand, and a STUCK rollout's end takes the place of its first entry.
func TestLogIsBounded(t *testing.T) {
	b := &Bot{}
	for id := range uint64(logMax + 5) {
		b.enter(Entry{Rollout: id + 1, Outcome: deploy.Stuck})
	}
	out := b.log
	b.enter(Entry{Rollout: logMax + 4, Outcome: deploy.RolledBack})
	if n := len(b.log); n != logMax || b.log[0].Rollout != 6 || b.log[n-1].Rollout != logMax+4 || b.log[n-2].Rollout != logMax+5 {
		t.Errorf("%d entries from %d to %d", n, b.log[0].Rollout, b.log[n-1].Rollout)
	}
	if out[len(out)-2].Outcome != deploy.Stuck {
		t.Error("an entry that was out has changed")
	}
	if fmt.Sprint(b.log[len(b.log)-1].Outcome) != "ROLLED_BACK" {
		t.Error("the end is not there")
	}
}

// TestLogByVolumes: a start reads the volumes and what came after them, and finds all of it.
func TestLogByVolumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.look("alice> .join")
		for range 2 { // each in one transaction
			s.bot.inbox <- later(func() {
				for i := range volumeSize + 5 {
					s.bot.must(train.Who{Nick: "root"}, train.Log{Text: fmt.Sprint("entry ", i)})
				}
			})
			synctest.Wait()
		}
		s.look("alice> .princess", "web/princess ok")
		if s.bot.volumes != 2 || len(s.bot.unshelf) != 1 {
			t.Errorf("%d volumes, and %d entries in none", s.bot.volumes, len(s.bot.unshelf))
		}
		s.checkJournal()
		next, err := New(s.cfg, s.store, s.chat, s.fleet)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(next.log); n != 2*volumeSize+11 || next.log[0].Text != "entry 0" || next.log[n-1].Rollout != 1 || next.volumes != 2 || len(next.unshelf) != 1 {
			t.Errorf("a start finds %d entries in %d volumes, and %d in none", n, next.volumes, len(next.unshelf))
		}
	})
}

// TestWatchOfAnotherRelease: what was watched is about one push. When another release is live
// after a restart, as by a rollback from the shell, nothing more is said and shown of it.
func TestWatchOfAnotherRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		v := s.look("watch web/prod 5m", "$ op: deploy web princess", "web/princess ok", "$ op: deploy web prod", "web/prod ok", "web/prod logs 2 times on web1: one", "web/prod logs on web1:  at a", "wait 2s")
		w := v.Stacks[0].Stages[1].Watch
		if w == nil || !w.Open || len(w.New) != 1 || w.New[0].Count != 2 || w.Away != 0 || !slices.Equal(w.New[0].Under, []string{"at a"}) {
			t.Fatalf("watched is %+v", w)
		}
		v = s.look("*** pushbot restarts", "wait 10s")
		if w := v.Stacks[0].Stages[1].Watch; w == nil || !w.Open || len(w.New) != 1 || w.New[0].Count != 2 {
			t.Fatalf("after a restart it is %+v", w)
		}
		s.look("*** pushbot stops")
		var err error
		if s.store, err = store.Open(filepath.Join(s.dir, "journal.db")); err != nil {
			t.Fatal(err)
		}
		name := watchSnapshot(deploy.Target{Stack: "web", Stage: "prod"})
		kept, err := s.store.Snapshot(name)
		kept = bytes.Replace(kept, []byte(`"Rollout":2`), []byte(`"Rollout":99`), 1)
		if err := errors.Join(err, s.store.Commit(nil, map[string][]byte{name: kept}), s.store.Close()); err != nil {
			t.Fatal(err)
		}
		s.chat.take()
		v = s.look("*** pushbot starts", "wait 6m")
		if w := v.Stacks[0].Stages[1].Watch; w != nil {
			t.Errorf("of another push it is %+v", w)
		}
		if said := s.chat.take(); len(said) > 0 {
			t.Errorf("the channel hears %q", said)
		}
	})
}

// TestLead: the lead of a push is that of each of its commits, from when that was made;
// also when the bot has started anew in between. A repeat brings nothing.
func TestLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		lead := func() train.Quantiles {
			t.Helper()
			st, err := s.bot.Stats(t.Context(), 7, "")
			if err != nil {
				t.Fatal(err)
			}
			return st.Lead
		}
		s.look("$ op: deploy web princess", "web/princess ok", "$ op: deploy web prod", "web/prod ok")
		if l := lead(); l.N != 0 {
			t.Errorf("of the first release nothing is known, and its lead is %+v", l)
		}
		began := time.Now()
		s.look(`web gets 1111111 by Al <al@example.com> "one": a`, "wait 1h", `web gets 2222222 by Bo <bo@example.com> "two": b`, "alice> .join", "alice> .princess", "web/princess ok",
			`web gets 3333333 by Al <al@example.com> "three": c`, "*** pushbot restarts", "alice> .good", "alice> .prod", "web/prod ok")
		took := time.Since(began)
		l := lead()
		if l.N != 2 || l.P95 > took || l.P95 < took-time.Minute || (l.P95-l.P50-time.Hour).Abs() > time.Minute {
			t.Errorf("in %v, lead is %+v", took, l)
		}
		if v := s.look(); v.Stacks[0].From != "web000100" || len(v.Stacks[0].Commits) != 2 {
			t.Errorf("it has brought %+v on top of %s", v.Stacks[0].Commits, v.Stacks[0].From)
		}
		v := s.look("*** pushbot restarts", "wait 1s")
		if st := v.Stacks[0]; !slices.Equal(st.NotAboard, []string{"Bo", "Al"}) || !slices.Equal(st.Without, []string{"alice"}) {
			t.Errorf("not aboard are %q, without a commit %q", st.NotAboard, st.Without)
		}
		if v.Stacks[0].From != "web000100" || len(v.Stacks[0].Commits) != 2 {
			t.Errorf("after a restart it has brought %+v on top of %s", v.Stacks[0].Commits, v.Stacks[0].From)
		}
		s.look("alice> .good", "alice> .prod", "web/prod ok")
		if l := lead(); l.N != 2 {
			t.Errorf("with a repeat, lead is %+v", l)
		}
	})
}

func TestEntryString(t *testing.T) {
	at := time.Date(2013, 11, 23, 12, 0, 9, 0, time.UTC)
	e := Entry{At: at, Began: at.Add(-9 * time.Second), By: "alice", Rollout: 7, Stack: "web", Stage: "prod", Outcome: deploy.Done, New: Ship{Release: "web2"}, Riders: []string{"alice", "bob"}}
	if got, want := e.String(), "2013-11-23 12:00:09  web/prod         DONE          nothing -> web2  alice, bob, 9.0 s"; got != want {
		t.Errorf("it reads\n%s, want\n%s", got, want)
	}
	e.By, e.Old, e.New, e.Back, e.Why = "pushbot", e.New, Ship{Release: "web1"}, true, "40 lines"
	if got, want := e.String(), "2013-11-23 12:00:09  web/prod         DONE          web2 -> web1  alice, bob, 9.0 s, a rollback by pushbot \"40 lines\""; got != want {
		t.Errorf("it reads\n%s, want\n%s", got, want)
	}
}
