package bot

import (
	"strings"
	"testing"
	"testing/synctest"

	"pushtrain/deploy"
)

// scene plays lines with "; " between them.
func (s *stage) scene(lines string) {
	s.t.Helper()
	s.play(strings.Split(strings.TrimSuffix(lines, "; "), "; ")...)
}

// serves fails the test unless the journal says that the target serves the release and nothing is under way.
func (s *stage) serves(stage, release string) {
	s.t.Helper()
	live, _ := s.bot.book.Live(deploy.Target{Stack: "web", Stage: stage})
	if live.Release.ID != release || len(s.bot.book.Open) > 0 {
		s.t.Errorf("%s serves %s, want %s; open %+v\n%s", stage, live.Release.ID, release, s.bot.book.Open, strings.Join(s.chat.take(), "\n"))
	}
	s.settled()
}

// asks starts an ask, which must have ended when lines are played. It returns its exit code, and its replies with "; " between them.
func (s *stage) asks(r Request, lines string) (exit int, said string) {
	s.t.Helper()
	r.By, r.Follow = "root", true
	var replies []string
	over := make(chan error, 1)
	go func() {
		var err error
		exit, err = s.bot.Ask(s.t.Context(), r, func(r Reply) { replies = append(replies, r.Line) })
		over <- err
	}()
	synctest.Wait()
	s.scene(lines)
	select {
	case err := <-over:
		if err != nil {
			s.t.Fatal(err)
		}
	default:
		s.t.Fatalf("%s goes on\n%s", r.Do, strings.Join(s.chat.take(), "\n"))
	}
	return exit, strings.Join(replies, "; ")
}

const shippedOnce = "alice> .join; alice> .princess; web/princess ok; alice> .prod; web/prod ok; alice> .done; "

// A bot that died with some of a train's stacks at the barrier starts again, in whatever order they are taken up.
func TestStartsAtBarrier(t *testing.T) {
	for _, waits := range []string{"web", "config", "search"} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer s.end()
			if _, err := s.directive("stacks web: princess prod; config (c): princess prod; search: princess prod"); err != nil {
				t.Fatal(err)
			}
			s.scene("alice> .join web; bob> .join config with alice; carol> .join search with alice; alice> .princess")
			for _, stack := range []string{"web", "config", "search"} {
				if stack == waits {
					s.scene(stack + "/princess at verify")
				} else {
					s.scene(stack + "/princess ok")
				}
			}
			s.stop()
			if err := s.store.Close(); err != nil {
				t.Fatal(err)
			}
			if err := s.start(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-s.errs:
				s.leave = nil
				t.Fatalf("it does not start: %v", err)
			default:
			}
			s.scene("wait 1m")
			if len(s.bot.book.Open) > 0 {
				t.Errorf("open: %+v", s.bot.book.Open)
			}
			s.settled()
		})
	}
}

// A rollback is stopped by nothing but people, and a word in STUCK is the last one.
func TestDecisionsStand(t *testing.T) {
	const again = "alice> .join; alice> .princess; web/princess ok; alice> .prod; "
	for name, play := range map[string]func(s *stage){
		"a rollback of a train that ships once more": func(s *stage) {
			s.scene(again + "web/prod ok; alice> .princess; web/princess ok; alice> .prod; web/prod at prepare; alice> .rollback web prod; web/prod ok")
			s.serves("prod", "web0001")
		},
		"forward out of STUCK, behind a rollback that failed": func(s *stage) {
			s.scene(again + "web/prod at confirm; alice> .rollback; web/prod fails for good: confirm: no answer; alice> .unhold; alice> .prod; web/prod ok")
			s.serves("prod", "web0002")
		},
		"back behind a rollback of another stage that is STUCK": func(s *stage) {
			s.scene(again + "web/prod ok; alice> .done")
			if exit, _ := s.asks(Request{Do: "rollback", Stack: "web", Stage: "princess"}, "web/princess fails for good: confirm: no answer"); exit != ExitLook {
				s.t.Errorf("princess: exit %d", exit)
			}
			if exit, _ := s.asks(Request{Do: "rollback", Stack: "web", Stage: "prod"}, "web/princess ok; web/prod ok"); exit != ExitDone {
				s.t.Errorf("prod: exit %d", exit)
			}
			s.serves("prod", "web0001")
			s.serves("princess", "web0001")
		},
		"back behind a sync that is STUCK": func(s *stage) {
			s.scene(again + "web/prod ok; alice> .done")
			s.fleet.stray("web/prod web2", "web0002")
			if exit, _ := s.asks(Request{Do: "sync", Stack: "web", Stage: "prod", Host: "web2"}, "web/prod fails for good: confirm: no answer"); exit != ExitLook {
				s.t.Errorf("sync: exit %d", exit)
			}
			if exit, _ := s.asks(Request{Do: "rollback", Stack: "web", Stage: "prod"}, "web/prod ok; web/prod ok"); exit != ExitDone {
				s.t.Errorf("rollback: exit %d", exit)
			}
			s.serves("prod", "web0001")
		},
		"whoever waits for rest, waits for what an abort has begun": func(s *stage) {
			s.scene(again + "web/prod fails for good: confirm: no answer")
			if exit, _ := s.asks(Request{Do: "rest"}, "wait 1s"); exit != ExitLook {
				s.t.Errorf("STUCK: exit %d", exit)
			}
			if exit, _ := s.asks(Request{Do: "abort", Stack: "web"}, "wait 1s"); exit != ExitDone {
				s.t.Errorf("abort: exit %d", exit)
			}
			if exit, _ := s.asks(Request{Do: "rest"}, "web/prod ok"); exit != ExitDone {
				s.t.Errorf("rest: exit %d", exit)
			}
			s.serves("prod", "web0001")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer s.end()
				s.scene(shippedOnce)
				play(s)
			})
		})
	}
}

// stray has a host serve what it holds beside a release.
func (f *scripted) stray(host, release string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[host]
	for side, seal := range h.Sides {
		if seal.Release != release {
			h.Live = side
		}
	}
	f.hosts[host] = h
}
