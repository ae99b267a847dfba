package bot

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/bot/store"
	"pushtrain/deploy"
	"pushtrain/train"
)

// reloads has the bot of a stage read next whenever it is asked to reload. The func
// returns how often a Deployer was left.
func reloads(s *stage, next func() Change) (left func() int) {
	gone := make(chan struct{}, 10)
	s.cfg.Reread = func([]string) (*Change, int, []string) {
		c := next()
		if reflect.ValueOf(c).IsZero() {
			return nil, ExitDone, []string{"nothing is different"}
		}
		c.Taken, c.Left = func() {}, func() { gone <- struct{}{} }
		if c.Open == nil {
			c.Open = func() (Deployer, error) { return s.fleet, nil }
		}
		return &c, ExitDone, nil
	}
	return func() int { synctest.Wait(); return len(gone) }
}

// reload asks for it, as the shell does.
func (s *stage) reload() (exit int, said string) {
	s.t.Helper()
	exit, err := s.bot.Ask(s.t.Context(), Request{Do: "reload", By: "root"}, func(r Reply) { said += r.Line })
	if err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
	return exit, said
}

func (s *stage) play(lines ...string) {
	s.t.Helper()
	for _, line := range lines {
		if err := s.do(line); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
	}
}

// fewer is the configuration of a stage without the last host of a target.
func (s *stage) fewer(t deploy.Target) Config {
	cfg := s.cfg
	cfg.Fleets = maps.Clone(cfg.Fleets)
	f := cfg.Fleets[t]
	f.Hosts = slices.Clone(f.Hosts[:len(f.Hosts)-1])
	cfg.Fleets[t] = f
	return cfg
}

var webProd = deploy.Target{Stack: "web", Stage: "prod"}

// TestReloadWaits: a rollout that runs keeps its hosts and its Deployer; what was
// read holds from its end on, for the next one, and the journal says who did it.
func TestReloadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		left := reloads(s, func() Change { return Change{Config: s.fewer(webProd), Text: "host web2 is removed"} })
		s.play("alice> .join", "alice> .princess", "web/princess ok", "alice> .prod", "web/prod at verify")
		if exit, said := s.reload(); exit != 0 || !strings.Contains(said, "it holds when") {
			t.Errorf("the shell was told %d, %q", exit, said)
		}
		if n := len(s.bot.cfg.Fleets[webProd].Hosts); n != 2 || left() != 0 {
			t.Errorf("it was taken up in the middle of a rollout: %d hosts", n)
		}
		s.settled()
		s.play("web/prod ok")
		if r, _ := s.bot.book.Find(2); r.State != deploy.Done || len(r.Hosts) != 2 {
			t.Errorf("the rollout ended %s on %d hosts", r.State, len(r.Hosts))
		}
		if n := len(s.bot.cfg.Fleets[webProd].Hosts); n != 1 || left() != 1 {
			t.Errorf("it does not hold after the rollout: %d hosts, %d left", n, left())
		}
		log := s.bot.log
		if e := log[len(log)-1]; e.By != "root" || e.Text != "reloaded: host web2 is removed" {
			t.Errorf("the deploy log ends with %+v", e)
		}
		s.settled()
		s.play("alice> .done", "bob> .join", "bob> .princess", "web/princess ok", "bob> .prod", "web/prod ok")
		s.stop()
		if r, _ := s.bot.book.Find(4); r.State != deploy.Done || len(r.Hosts) != 1 {
			t.Errorf("the next rollout ended %s on %d hosts", r.State, len(r.Hosts))
		}
	})
}

// TestReloadTakenBack: what waits is forgotten when the file says again what holds.
func TestReloadTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		read := []Change{{Config: s.fewer(webProd)}, {}}
		left := reloads(s, func() Change {
			next := read[0]
			read = read[1:]
			return next
		})
		s.play("alice> .join", "alice> .princess", "web/princess at build")
		s.reload()
		if exit, said := s.reload(); exit != 0 || said != "nothing is different" {
			t.Errorf("the shell was told %d, %q", exit, said)
		}
		s.play("web/princess ok")
		s.stop()
		if n := len(s.bot.cfg.Fleets[webProd].Hosts); n != 2 || left() != 0 {
			t.Errorf("it was taken up all the same: %d hosts", n)
		}
	})
}

// TestReloadStuck: a host that never comes back is taken out without a restart; then
// people's decision goes without it.
func TestReloadStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		reloads(s, func() Change { return Change{Config: s.fewer(webProd)} })
		s.play("alice> .join", "alice> .princess", "web/princess ok", "alice> .prod", "web/prod fails for good: host web2, flip: no answer")
		if exit, said := s.reload(); exit != 0 || said != "" {
			t.Errorf("the shell was told %d, %q", exit, said)
		}
		s.play("alice> .rollback", "web/prod ok")
		s.stop()
		if r, ok := s.bot.book.Find(2); !ok || r.State != deploy.RolledBack || len(r.Hosts) != 1 {
			t.Errorf("rollout 2 is %s of %+v: %s", r.State, r.Hosts, r.Reason)
		}
	})
}

// TestReloadFails: where the new Deployer can't be had, all stays as it is, and who asked hears why.
func TestReloadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		left := reloads(s, func() Change {
			return Change{Config: s.fewer(webProd), Open: func() (Deployer, error) { return nil, errors.New("no room") }}
		})
		s.play("alice> .join")
		if exit, said := s.reload(); exit != ExitFailed || said != "no room" {
			t.Errorf("the shell was told %d, %q", exit, said)
		}
		if n := len(s.bot.cfg.Fleets[webProd].Hosts); n != 2 || left() != 0 {
			t.Errorf("%d hosts, and the Deployer was left %d times", n, left())
		}
		s.settled()
		s.play("alice> .princess", "web/princess ok")
	})
}

// TestReloadKeepsWindow: the log of a push that is being watched is watched on.
func TestReloadKeepsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.play("watch web/prod 5m")
		reloads(s, func() Change { return Change{Config: s.fewer(webProd)} })
		s.play("alice> .join", "alice> .princess", "web/princess ok", "alice> .prod", "web/prod ok",
			"web/prod logs on web1: PHP Fatal: one")
		s.reload()
		s.play("web/prod logs on web1: PHP Fatal: two", "wait 5m")
		said := strings.Join(s.chat.take(), "\n")
		if !strings.Contains(said, "one") || !strings.Contains(said, "two") {
			t.Errorf("after the window the channel had heard\n%s", said)
		}
	})
}

// TestBeat: it is the owner of the state that beats: a bot that hangs falls silent.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		hang := make(chan struct{})
		var beats atomic.Int64
		s.cfg.Beat = func() { beats.Add(1) }
		s.cfg.Trace = func(rec store.Record, _ bool) {
			if strings.Contains(string(rec.Body), "hang here") {
				<-hang
			}
		}
		if err := s.ensure(); err != nil {
			t.Fatal(err)
		}
		since := func(d time.Duration) int64 {
			synctest.Wait()
			before := beats.Load()
			time.Sleep(d)
			synctest.Wait()
			return beats.Load() - before
		}
		if n := since(10 * time.Second); n != 40 {
			t.Errorf("%d beats in 10 s, want 40", n)
		}
		go func() { // it waits for its answer
			_, _ = s.bot.Ask(t.Context(), Request{Do: "log", By: "root", Text: "hang here"}, func(Reply) {})
		}()
		if n := since(time.Hour); n > 0 {
			t.Errorf("a bot that hangs has beaten %d times", n)
		}
		close(hang)
		if n := since(10 * time.Second); n < 40 {
			t.Errorf("%d beats in 10 s after it", n)
		}
		s.end()
	})
}

// TestReloadHours: other hours hold at once, in either state, and none open the line.
func TestReloadHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		var next string
		reloads(s, func() Change {
			cfg := s.cfg
			cfg.Rules.Hours, cfg.Hours = next, train.Calendar{}
			if next != "" {
				var err error
				if cfg.Hours, err = calendar(next); err != nil {
					t.Error(err)
				}
			}
			return Change{Config: cfg}
		})
		s.play("hours mon-fri 09:00-17:00 UTC", "alice> .join") // it is Saturday
		for _, c := range []struct{ hours, topic, until string }{
			{"sat-fri 09:00-17:00 UTC", "Off-Hours!! | alice", "2000-01-01T09:00:00Z"},
			{"sat-fri 00:00-17:00 UTC; 2000-01-01 New Year", "Off-Hours!! | alice", "2000-01-02T00:00:00Z"},
			{"sat-fri 00:00-17:00 UTC", "alice", "2000-01-01T17:00:00Z"},
			{"sat-fri 12:00-17:00 UTC", "Off-Hours!! | alice", "2000-01-01T12:00:00Z"},
			{"", "alice", "0001-01-01T00:00:00Z"},
			{"mon 12:00-17:00 UTC", "Off-Hours!! | alice", "2000-01-03T12:00:00Z"},
		} {
			next = c.hours
			s.reload()
			until := s.bot.train.Hours.Until.Format(time.RFC3339)
			if topic, _, _ := s.chat.shown(); topic != c.topic || until != c.until {
				t.Errorf("with %q the topic is %q until %s, want %q until %s", c.hours, topic, until, c.topic, c.until)
			}
			s.settled()
		}
		s.checkJournal()
	})
}

// TestReloadTakesAll: each part of a Config either stays, and is named here, or is taken up.
func TestReloadTakesAll(t *testing.T) {
	stays := strings.Fields("Nick Channel Dir Idle Version Ready Beat Reread Entered Log Trace")
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		next := s.fewer(webProd)
		next.Rules.Cap, next.Prefix, next.Audit, next.Open = 3, "!", time.Hour, time.Minute
		next.Hours = train.Calendar{Holidays: map[string]string{"2000-01-03": ""}}
		next.People, next.Diffs = map[string]string{"a": "alice"}, map[string]string{"web": "https://x/"}
		next.Ops, next.Secrets = []string{"alice"}, NewSecrets("hunter2")
		reloads(s, func() Change { return Change{Config: next} })
		s.play("alice> .join")
		s.reload()
		s.stop()
		for i := range reflect.TypeFor[Config]().NumField() {
			name := reflect.TypeFor[Config]().Field(i).Name
			if slices.Contains(stays, name) {
				continue
			}
			want, got := reflect.ValueOf(next).Field(i), reflect.ValueOf(s.bot.cfg).Field(i)
			if want.IsZero() {
				t.Errorf("%s: give it a value in this test", name)
			} else if !reflect.DeepEqual(want.Interface(), got.Interface()) {
				t.Errorf("%s was not taken up", name)
			}
		}
		if s.bot.train.Rules.Cap != 3 {
			t.Error("the train goes on by the old rules")
		}
	})
}
