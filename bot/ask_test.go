package bot

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnswerAfterCommit: the shell hears nothing of what is not on the disk.
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
		exit, err := s.bot.Ask(ctx, Request{Do: "hold", By: "root", Text: "db"}, func(r Reply) { t.Errorf("the shell was told %+v", r) })
		if err == nil {
			t.Errorf("the shell was told that it is done (exit %d)", exit)
		}
		if err := <-s.errs; err == nil {
			t.Error("the bot goes on without its journal")
		}
	})
}
