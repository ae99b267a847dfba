package train

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTallyFollows: whatever happens to a queue, the trains that the tally takes for
// up are those that are, each since the right moment and held or not as it is; the
// parts of a cycle add up to it; and what is read again from a Save is the same.
func TestTallyFollows(t *testing.T) {
	finished := 0
	rapid.Check(t, func(rt *rapid.T) {
		var s State
		s, _, _ = s.Apply(Input{At: day(1), Event: Configured{Rules: rules}})
		var tally Tally
		stored := map[int][]byte{}
		at := s.clock()
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			in := inputs(rt, s)
			in.At = latestOf(at, in.At)
			if e, ok := in.Event.(Ended); ok {
				d := func(name string) time.Duration {
					return time.Duration(rapid.IntRange(0, 300).Draw(rt, name)) * time.Second
				}
				e.Spent = Spent{Build: d("build"), Tests: d("tests"), Flip: d("flip")}
				in.Event = e
			}
			next, effects, err := s.Apply(in)
			if err != nil {
				continue
			}
			s, at = next, in.At
			for _, e := range effects {
				tally.Add(in.At, e, lastStage)
			}
			up := map[int]bool{}
			for _, tr := range s.Queue.Trains {
				if tr.Up.IsZero() {
					continue
				}
				up[tr.ID] = true
				o := tally.open[tr.ID]
				turn := turn{State: s}
				switch {
				case o == nil:
					rt.Fatalf("train %d is up since %v, and the tally does not know", tr.ID, tr.Up)
				case !o.Up.Equal(tr.Up):
					rt.Fatalf("train %d is up since %v, and the tally says %v", tr.ID, tr.Up, o.Up)
				case o.Held != (turn.heldFor(tr) != ""):
					rt.Fatalf("train %d: held is %v, and the tally says %v", tr.ID, !o.Held, o.Held)
				case (o.Running > 0) != slices.ContainsFunc(s.Busy, func(r Run) bool { return r.Train == tr.ID }):
					rt.Fatalf("train %d: the tally counts %d rollouts under way, of %+v", tr.ID, o.Running, s.Busy)
				case o.Parts.Cycle() != o.Since.Sub(o.Up):
					rt.Fatalf("train %d: parts of %v, and %v have passed", tr.ID, o.Parts.Cycle(), o.Since.Sub(o.Up))
				}
			}
			for id := range maps.Keys(tally.open) {
				if !up[id] {
					rt.Fatalf("the tally has train %d up, and it is not", id)
				}
			}
			if rapid.IntRange(0, 20).Draw(rt, "save") == 0 {
				tally = saveAndRestore(rt, &tally, stored)
			}
		}
		for _, d := range tally.days {
			for _, c := range d.Cycles {
				finished++
				if c.Parts.Cycle() != c.Took || c.Took < 0 {
					rt.Fatalf("the parts of a cycle of %v add up to %v: %+v", c.Took, c.Parts.Cycle(), c.Parts)
				}
				for _, part := range c.Parts.All() {
					if part.Took < 0 {
						rt.Fatalf("%s took %v", part.Name, part.Took)
					}
				}
				for _, r := range c.Riders {
					if r.Wait < 0 || r.Live != 0 && r.Live < r.Wait {
						rt.Fatalf("%+v was live before up", r)
					}
				}
			}
		}
		sum := tally.Stats(Question{To: at, Days: 90, Open: 8 * time.Hour, Cap: 3})
		if r := sum.Tried; r.Done+r.Aborted+r.RolledBack != r.All {
			rt.Fatalf("rollouts do not add up: %+v", r)
		}
		pushes := 0
		for _, n := range sum.Days {
			pushes += n
		}
		for _, n := range sum.Hours {
			pushes -= n
		}
		if pushes != 0 {
			rt.Fatalf("pushes by day and by hour differ: %+v", sum)
		}
	})
	if finished < 20 && !testing.Short() {
		t.Errorf("only %d cycles were finished: the test shows nothing", finished)
	}
}

// saveAndRestore sends a tally through JSON and compares.
func saveAndRestore(t interface {
	Fatalf(string, ...any)
	Helper()
}, tally *Tally, stored map[int][]byte) Tally {
	t.Helper()
	head, days, err := tally.Save()
	if err != nil {
		t.Fatalf("save: %v", err)
	}
	maps.Copy(stored, days)
	var back Tally
	if ok, err := back.Restore(head, func(place int) ([]byte, error) { return stored[place], nil }); !ok || err != nil {
		t.Fatalf("restore: %v, %v", ok, err)
	}
	text := func(t *Tally) string {
		out, _ := json.Marshal([]any{t.days, saved{Open: t.open, Told: t.told, Lanes: t.lanes}}) // plain data
		return string(out)
	}
	if a, b := text(tally), text(&back); a != b {
		t.Fatalf("saved\n%s\nrestored\n%s", a, b)
	}
	return back
}

// TestTallyRestore: only days that have changed are saved again, a day in the place
// of a newer one is ignored, and another form is refused.
func TestTallyRestore(t *testing.T) {
	stored := map[int][]byte{}
	var tally Tally
	for n := range 300 {
		tally.Add(day(1).AddDate(0, 0, n), Boarded{Stack: "web", Train: n}, lastStage)
		tally = saveAndRestore(t, &tally, stored)
		if n > 100 {
			_, days, err := tally.Save()
			if err != nil || len(days) != 0 {
				t.Fatalf("%d days changed since they were saved, %v", len(days), err)
			}
		}
	}
	if len(stored) > TallyParts || len(tally.days) != tallyDays+1 {
		t.Errorf("%d days in %d places", len(tally.days), len(stored))
	}
	if ok, err := tally.Restore([]byte(`{"Form":99}`), nil); ok || err != nil {
		t.Errorf("another form: %v, %v", ok, err)
	}
	if len(tally.days) != 0 {
		t.Error("something is left of the tally before")
	}
}

// TestTallyBounded: however many trains there are, it holds 20,000 of them, and 90 days.
func TestTallyBounded(t *testing.T) {
	var tally Tally
	at := day(1)
	for n := range 60_000 {
		at = at.Add(5 * time.Minute) // 288 a day
		pushed(&tally, at.Add(-4*time.Minute), "web", 0, 2*time.Minute, time.Minute, "alice")
		if n%10_000 == 0 && tally.trains() > tallyTrains+300 {
			t.Fatalf("it holds %d trains", tally.trains())
		}
	}
	if n := tally.trains(); n > tallyTrains+300 || n < tallyTrains-600 {
		t.Errorf("it holds %d trains of 60,000", n)
	}
	var sparse Tally
	for n := range 200 {
		pushed(&sparse, day(1).AddDate(0, 0, n), "web", time.Minute, time.Minute, time.Minute, "alice")
	}
	if n := sparse.trains(); n != tallyDays+1 {
		t.Errorf("it holds %d days of 200", n)
	}
}

func (t *Tally) trains() int {
	n := 0
	for _, d := range t.days {
		n += len(d.Cycles)
	}
	return n
}

// TestWrongClock: a day that a clock has put far ahead makes no other one old.
func TestWrongClock(t *testing.T) {
	var tally Tally
	push := func(at time.Time) {
		tally.Add(at, Landed{Stack: "web", Stage: "prod", Outcome: OutDone}, lastStage)
	}
	push(day(1).AddDate(1, 0, 0))
	for i := range 20 {
		push(day(1).AddDate(0, 0, i))
	}
	if got := len(tally.days); got != 21 {
		t.Errorf("%d days are kept, want 21", got)
	}
}
