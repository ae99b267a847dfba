package bot

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/bot/irc"
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
