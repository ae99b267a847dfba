package bot

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"pushtrain/train"
)

// TestHoursOfASteppedClock: what counts is what the clock says now, wherever it was
// before; only the last moments are not lived through twice.
func TestHoursOfASteppedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		s.play("hours sat 00:10-08:00 UTC", "alice> .join")
		time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)))
		synctest.Wait()
		opened := time.Now()
		s.stop()
		if s.bot.train.Hours.Closed {
			t.Fatal("it is closed at the opening")
		}
		for _, c := range []struct {
			at     time.Time
			closed bool
		}{
			{opened.Add(-2 * time.Second), false}, // it would open again at once
			{opened, false},
			{opened.Add(-2 * time.Minute), true},
			{opened.Add(-time.Hour), true},
			{opened.Add(time.Hour), false},
			{opened.Add(9 * time.Hour), true},
			{opened.Add(2 * time.Hour), false},
			{opened.Add(-365 * 24 * time.Hour), true},
			{opened.Add(7 * 24 * time.Hour), false},
		} {
			s.bot.hoursAt(c.at)
			if got := s.bot.train.Hours.Closed; got != c.closed {
				t.Errorf("at %s closed is %v", c.at, got)
			}
		}
	})
}

// TestHotfixIsRecorded: the journal has who said it, what proved them, and why; the
// deploy log and the rollout say why. It passes no gate.
func TestHotfixIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.end()
		v := s.look("hours mon-fri 09:00-17:00 UTC", "accounts", "bob> .join", `alice> .hotfix "payments are down"`, "alice> .princess", "web/princess ok")
		if e := v.Log[0]; e.By != "alice" || e.Text != "hotfix of web: payments are down (account alice)" {
			t.Errorf("the deploy log says %+v", e)
		}
		if e := v.Log[1]; e.Why != "hotfix: payments are down" || e.Outcome != "DONE" {
			t.Errorf("the rollout says %+v", e)
		}
		if held := v.Trains[1].Held; held != "outside of the hours: trains depart again Mon 09:00 UTC" {
			t.Errorf("the train that waits is held by %q", held)
		}
		if h := v.Trains[0].Hotfix; h == nil || h.By != "alice" || h.As != "account" || h.Why != "payments are down" || !v.Shut {
			t.Errorf("the view has %+v", v.Trains[0])
		}
		if r, _ := s.bot.book.Find(1); r.Force {
			t.Error("it passes gates")
		}
		s.checkJournal()
		found := false
		for rec, err := range s.store.Records(1) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Type != train.TypeName(train.Hotfix{}) {
				continue
			}
			found = true
			in, err := Input(rec)
			if err != nil {
				t.Fatal(err)
			}
			want := train.Who{Nick: "alice", User: "alice", Host: "alice.example", Account: "alice"}
			if in.By != want || in.Event != (train.Hotfix{Why: "payments are down"}) || !bytes.Contains(rec.Facts, []byte(`"Known":"account","As":"account alice"`)) {
				t.Errorf("the record is %+v, by %+v, with %s", in.Event, in.By, rec.Facts)
			}
		}
		if !found {
			t.Error("there is no record of it")
		}
	})
}
