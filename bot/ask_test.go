package bot

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"pushtrain/bot/irc"
	"pushtrain/deploy"
	"pushtrain/train"
)

// TestAnswerAfterCommit: neither the shell nor the channel hears of what is not on the disk.
func TestAnswerAfterCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if err := s.ensure(); err != nil {
			t.Fatal(err)
		}
		if err := s.store.Close(); err != nil { // no commit is possible any more
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.see(irc.Said{From: s.here("alice"), Text: ".join"})
		exit, err := s.bot.Ask(ctx, Request{Do: "hold", By: "root", Text: "db"}, func(r Reply) { t.Errorf("the shell was told %+v", r) })
		if err == nil {
			t.Errorf("the shell was told that it is done (exit %d)", exit)
		}
		if err := <-s.errs; err == nil {
			t.Error("the bot goes on without its journal")
		}
		if said := s.chat.take(); len(said) > 0 {
			t.Errorf("the channel heard %q", said)
		}
	})
}

// TestEndsWithoutJournal: a bot that can't write its journal ends at once, also
// while a build is under way that takes for ever; the next one takes over from it.
func TestEndsWithoutJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if err := s.ensure(); err != nil {
			t.Fatal(err)
		}
		s.see(irc.Said{From: s.here("alice"), Text: ".join; .princess"})
		synctest.Wait()
		if !s.fleet.waits(deploy.Target{Stack: "web", Stage: "princess"}) {
			t.Fatal("no build is under way")
		}
		if err := s.store.Close(); err != nil {
			t.Fatal(err)
		}
		s.see(irc.Said{From: s.here("bob"), Text: ".join"})
		if err := <-s.errs; err == nil {
			t.Error("the bot goes on without its journal")
		}
	})
}

// TestOverride: what the shell gives as its reason passes over the guards of the
// rollout, and is said in words that no terminal takes for anything else.
func TestOverride(t *testing.T) {
	for why, force := range map[string]bool{"": false, "\x1b]0;x\x07 \x03": true, "a\x1b[31m\x0304\nred": true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer s.end()
			if err := s.ensure(); err != nil {
				t.Fatal(err)
			}
			exit, err := s.bot.Ask(t.Context(), Request{Do: "deploy", By: "root", Stack: "web", Stage: "princess", Override: why}, func(Reply) {})
			if err != nil || exit != 0 {
				t.Fatalf("deploy: exit %d, %v", exit, err)
			}
			synctest.Wait()
			r, _ := s.bot.book.Find(1)
			if r.Force != force {
				t.Errorf("override %q makes Force %v", why, r.Force)
			}
			said := strings.Join(s.chat.take(), "\n")
			if strings.Contains(said, "over the gates: ") != force || strings.ContainsFunc(said, func(c rune) bool { return c != '\n' && unicode.IsControl(c) }) {
				t.Errorf("override %q is said as %q", why, said)
			}
		})
	}
}

// TestStatusInShell: a name is all that a terminal gets of it.
func TestStatusInShell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.play("alice> .join", "alice> .princess", "web/princess at build")
		var lines []string
		if _, err := s.bot.Ask(t.Context(), Request{Do: "status", By: "root"}, func(r Reply) { lines = append(lines, r.Line) }); err != nil {
			t.Fatal(err)
		}
		said := strings.Join(lines, "")
		if !strings.Contains(said, "BUILD by alice for") || train.Visible(said) != said {
			t.Errorf("status says %+q", said)
		}
	})
}

// A rollback by the shell is followed to its own end, also when something else has to be stopped first, and
// its exit code says whether the stage was taken back.
func TestRollbackFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		exit          int
		says          string
	}{
		"nothing else runs":        {shippedOnce + shippedOnce, "web/prod ok", ExitDone, "web/prod serves web0001"},
		"it fails":                 {shippedOnce + shippedOnce, "web/prod fails: host web1, fence: unreachable", ExitFailed, "a host that can't be reached is in the way"},
		"another stage is shipped": {shippedOnce + shippedOnce + "alice> .join; alice> .princess; web/princess at build", "web/princess ok; web/prod ok", ExitDone, "web/prod serves web0001"},
		"and then it fails":        {shippedOnce + shippedOnce + "alice> .join; alice> .princess; web/princess at build", "web/princess ok; web/prod fails: host web1, fence: unreachable", ExitFailed, "nothing live was touched: host web1"},
		"it is rolled out itself":  {shippedOnce + "alice> .join; alice> .princess; web/princess ok; alice> .prod; web/prod at confirm", "web/prod ok", ExitDone, "flipped back"},
		"it is STUCK":              {shippedOnce + "alice> .join; alice> .princess; web/princess ok; alice> .prod; web/prod fails for good: confirm: no answer", "web/prod ok", ExitDone, "flipped back"},
		"the first one is stopped": {"alice> .join; alice> .princess; web/princess ok; alice> .prod; web/prod at prepare", "web/prod ok", ExitDone, "nothing live was touched"},
		"another, and none before": {shippedOnce + "alice> .join; alice> .princess; web/princess at build", "web/princess ok", ExitFailed, "nothing live was touched"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer s.end()
				s.scene(c.before)
				if _, back := s.bot.book.Previous(deploy.Target{Stack: "web", Stage: "prod"}); back {
					said := ""
					if exit, err := s.bot.Ask(t.Context(), Request{Do: "dry-rollback", By: "root", Stack: "web", Stage: "prod"}, func(r Reply) { said += r.Line }); exit != ExitDone || err != nil || said != "web0001" {
						t.Errorf("a dry run: exit %d, %v, %q", exit, err, said)
					}
				}
				exit, said := s.asks(Request{Do: "rollback", Stack: "web", Stage: "prod", Text: "bad"}, c.after)
				if exit != c.exit || !strings.Contains(said, c.says) {
					t.Errorf("exit %d: %s; want %d: %s\n%s", exit, said, c.exit, c.says, strings.Join(s.chat.take(), "\n"))
				}
			})
		})
	}
}
