package train

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// lastStage is that of the stacks in these tests.
func lastStage(stack, stage string) bool { return stage == "prod" }

// day is a morning at 10:00.
func day(n int) time.Time { return time.Date(2013, 11, n, 10, 0, 0, 0, time.UTC) }

var trains = 0

// pushed adds a train's way to t: joined at from, up after wait, live after ride, over
// after watch. Half of ride goes into princess, half into prod.
func pushed(t *Tally, from time.Time, stack string, wait, ride, watch time.Duration, riders ...string) {
	var seats []Seat
	trains++
	id := trains
	for i, nick := range riders {
		seats = append(seats, Seat{Nick: nick, Joined: from})
		t.Add(from, Boarded{Nick: nick, Stack: stack, Train: id, Size: i + 1}, lastStage)
	}
	stacks := []string{stack}
	up := from.Add(wait)
	live := up.Add(ride)
	t.Add(up, Up{Train: id, Riders: seats, Fresh: riders, Stacks: stacks}, lastStage)
	t.Add(up, Deploy{Train: id, Stack: stack, Stage: "princess"}, lastStage)
	t.Add(up.Add(ride/2), Landed{Train: id, Stack: stack, Stage: "princess", Outcome: OutDone}, lastStage)
	t.Add(up.Add(ride/2), Arrived{Train: id, Stage: "princess", Stacks: stacks, Riders: seats, Next: "prod"}, lastStage)
	t.Add(up.Add(ride/2), Deploy{Train: id, Stack: stack, Stage: "prod"}, lastStage)
	t.Add(live, Landed{Train: id, Stack: stack, Stage: "prod", Outcome: OutDone, Driver: riders[0]}, lastStage)
	t.Add(live, Arrived{Train: id, Stage: "prod", Stacks: stacks, Riders: seats}, lastStage)
	t.Add(live.Add(watch), Over{Train: id, Stacks: stacks, Stage: "prod", Riders: seats, Up: up}, lastStage)
}

// TestStats checks each definition of Tally's comment on a journal made by hand.
func TestStats(t *testing.T) {
	var tally Tally
	min := time.Minute
	pushed(&tally, day(20), "web", 0, 10*min, 5*min, "alice", "bob")             // cycle 15 min
	pushed(&tally, day(22), "web", 30*min, 20*min, 10*min, "alice")              // cycle 30 min
	pushed(&tally, day(22).Add(time.Hour), "config", 10*min, 4*min, min, "dave") // cycle 5 min
	pushed(&tally, day(23), "web", 2*min, 10*min, 5*min, "carol", "dave", "erin")
	late := day(23).Add(time.Hour)
	// None of these is a push.
	tally.Add(late, Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Host: "web1"}, lastStage)
	tally.Add(late, Landed{Stack: "web", Stage: "prod", Outcome: OutAborted}, lastStage)
	tally.Add(late, Landed{Stack: "web", Stage: "prod", Outcome: OutRolledBack, Spent: Spent{Flip: 20 * time.Second}}, lastStage)
	tally.Add(late, Landed{Stack: "web", Stage: "prod", Outcome: OutStuck}, lastStage)
	// And this is a cycle that shipped nothing: a train that gave up at princess.
	tally.Add(late, Up{Train: 99, Riders: []Seat{{"zoe", late}}, Fresh: []string{"zoe"}, Stacks: []string{"web"}}, lastStage)
	tally.Add(late.Add(min), Over{Train: 99, Stacks: []string{"web"}, Stage: "princess", Up: late}, lastStage)

	now := day(23).Add(8 * time.Hour)
	ask := Question{To: now, Days: 7, Open: 8 * time.Hour, Cap: 8}
	s := tally.Stats(ask)
	if s.Pushes != 4 || s.Today != 1 {
		t.Errorf("%d pushes, %d today, want 4 and 1", s.Pushes, s.Today)
	}
	if want := []int{0, 0, 0, 1, 0, 2, 1}; !slices.Equal(s.Days, want) {
		t.Errorf("pushes by day %v, want %v", s.Days, want)
	}
	if s.Hours[10] != 3 || s.Hours[11] != 1 {
		t.Errorf("pushes by hour %v, want 3 at 10 and 1 at 11", s.Hours)
	}
	if want := 4.0 / 3; s.PerDay != want {
		t.Errorf("%v pushes a day, want %v: days without any do not count", s.PerDay, want)
	}
	if want := (2 + 1 + 1 + 3) / 4.0; s.Riders != want {
		t.Errorf("%v riders a push, want %v", s.Riders, want)
	}
	// Waits of riders: 0, 0, 30, 10, 2, 2, 2 min and zoe's 0; to live: 10, 10, 50, 14, 12, 12, 12.
	if want := (Quantiles{N: 8, P50: 2 * min, P80: 10 * min, P95: 30 * min}); s.Wait != want {
		t.Errorf("wait %v, want %v", s.Wait, want)
	}
	if want := (Quantiles{N: 7, P50: 12 * min, P80: 14 * min, P95: 50 * min}); s.Live != want {
		t.Errorf("to live %v, want %v", s.Live, want)
	}
	if want := (Quantiles{N: 4, P50: 15 * min, P80: 30 * min, P95: 30 * min}); s.Cycle != want {
		t.Errorf("cycle %v, want %v", s.Cycle, want)
	}
	if want := (Rollouts{All: 10, Done: 8, Aborted: 1, RolledBack: 1}); s.Tried != want {
		t.Errorf("rollouts %+v, want %+v", s.Tried, want)
	}
	if want := (Quantiles{N: 1, P50: 20 * time.Second, P80: 20 * time.Second, P95: 20 * time.Second}); s.Restore != want {
		t.Errorf("restored %v, want %v", s.Restore, want)
	}
	if want := []Driver{{"alice", 2}, {"carol", 1}, {"dave", 1}}; !slices.Equal(s.Drivers, want) {
		t.Errorf("drivers %v, want %v", s.Drivers, want)
	}
	// web: 15 min a train, 8 h open, 8 riders. Seats were taken on 3 days, 6 of them.
	web := s.Lanes[1]
	if web.Stack != "web" || web.Trains != 32 || web.Seats != 256 || web.Demand != 2 { // the talk: 15 min a deploy, 32 deploys in 8 hours
		t.Errorf("%+v, want 32 trains, 256 seats, 2 asked", web)
	}
	if want := 480.0/14*8 - 256; math.Abs(web.Minute-want) > 1e-9 {
		t.Errorf("a minute saved brings %v seats, want %v", web.Minute, want)
	}
	if all := s.Capacity(); all.Trains != 32+96 {
		t.Errorf("both lanes carry %v trains, want 128", all.Trains)
	}

	ask.Stack = "config"
	one := tally.Stats(ask)
	if one.Pushes != 1 || one.Cycle.P50 != 5*min || one.Wait.N != 1 || len(one.Lanes) != 1 {
		t.Errorf("config alone: %d pushes, cycle %v, %d waits", one.Pushes, one.Cycle, one.Wait.N)
	}
	ask.Stack, ask.Nick = "", "DAVE"
	dave := tally.Stats(ask)
	if dave.Pushes != 2 || dave.Wait.N != 2 || dave.Cycle.N != 2 || len(dave.Lanes) != 0 {
		t.Errorf("dave alone: %+v", dave)
	}
	ask.Nick, ask.Days = "", 1
	if short := tally.Stats(ask); short.Pushes != 1 || len(short.Days) != 1 || short.Cycle.N != 1 {
		t.Errorf("today alone: %+v", short)
	}
	if none := (&Tally{}).Stats(ask); none.Pushes != 0 || none.PerDay != 0 || len(none.Lanes) != 0 {
		t.Errorf("an empty tally: %+v", none)
	}
}

// TestParts follows one train with a failed try, a hold and a rollback by hand.
func TestParts(t *testing.T) {
	var tally Tally
	at := day(20)
	seats := []Seat{{"alice", at.Add(-7 * time.Minute)}, {"bob", at.Add(-3 * time.Minute)}}
	stacks := []string{"web"}
	next := func(minutes int, e Effect) {
		at = at.Add(time.Duration(minutes) * time.Minute)
		tally.Add(at, e, lastStage)
	}
	spent := func(build, tests, flip int) Spent {
		return Spent{Build: time.Duration(build) * time.Minute, Tests: time.Duration(tests) * time.Minute, Flip: time.Duration(flip) * time.Minute}
	}
	next(0, Up{Train: 1, Riders: seats, Fresh: []string{"alice", "bob"}, Stacks: stacks})
	next(2, Deploy{Train: 1, Stack: "web", Stage: "princess"})                                             // idle 2
	next(6, Landed{Train: 1, Stack: "web", Stage: "princess", Outcome: OutAborted, Spent: spent(2, 3, 0)}) // build 2, tests 3, princess 1
	next(3, Deploy{Train: 1, Stack: "web", Stage: "princess"})                                             // idle 3
	next(9, Landed{Train: 1, Stack: "web", Stage: "princess", Outcome: OutDone, Spent: spent(2, 4, 1)})    // build 2, tests 4, princess 3
	next(0, Arrived{Train: 1, Stage: "princess", Stacks: stacks, Riders: seats, Next: "prod"})
	next(4, EveryoneReady{Train: 1, Next: "prod"})         // votes 4
	next(1, Paused{Train: 1, On: true})                    // idle 1
	next(5, Paused{Train: 1})                              // held 5
	next(1, Deploy{Train: 1, Stack: "web", Stage: "prod"}) // idle 1
	committed := at.Add(-time.Hour)
	next(5, Landed{Train: 1, Stack: "web", Stage: "prod", Outcome: OutDone, Driver: "alice", Spent: spent(0, 0, 2),
		Shipment: Shipment{Committed: committed}, Commits: []int64{committed.Unix(), committed.Add(-time.Hour).Unix(), at.Add(time.Hour).Unix()}}) // copy 3, flip 2
	next(0, Arrived{Train: 1, Stage: "prod", Stacks: stacks, Riders: seats})
	next(3, Trouble{Train: 1})                                                             // watch 3
	next(1, FlipBack{Train: 1, Stack: "web", Stage: "prod"})                               // watch 1
	next(2, Landed{Train: 1, Stack: "web", Stage: "prod", Outcome: OutDone, Back: true})   // rollback 2
	next(1, Over{Train: 1, Stacks: stacks, Stage: "princess", Riders: seats, Up: day(20)}) // idle 1
	want := Parts{Wait: 7, Build: 4, Princess: 4, Tests: 7, Votes: 4, Copy: 3, Flip: 2, Watch: 4, Idle: 8, Held: 5, Rollback: 2}.by(1)
	s := tally.Stats(Question{To: at, Days: 1, Open: 8 * time.Hour, Cap: 8})
	for i, part := range s.Parts.All() {
		if got, want := part.Took, want.All()[i].Took*time.Minute; got != want {
			t.Errorf("%s took %v, want %v", part.Name, got, want)
		}
	}
	if s.Cycle.P50 != 43*time.Minute || s.Parts.Cycle() != s.Cycle.P50 {
		t.Errorf("a cycle of %v, parts of %v, want 43 min", s.Cycle.P50, s.Parts.Cycle())
	}
	if s.Lead.N != 2 || s.Lead.P50 != 65*time.Minute || s.Lead.P95 != 125*time.Minute {
		t.Errorf("lead %+v, want 65 and 125 min: one and two hours before .prod, which took 5 min; a clock that is wrong does not count", s.Lead)
	}
	// It was bad from its COMMIT on: 2 min flip, 4 min watched, 2 min back.
	if s.Restore.P50 != 8*time.Minute || s.Restore.N != 1 {
		t.Errorf("restored %v, want once, in 8 min", s.Restore)
	}
	if want := (Rollouts{All: 3, Done: 1, Aborted: 1, RolledBack: 1}); s.Tried != want {
		t.Errorf("rollouts %+v, want %+v", s.Tried, want)
	}
}

// TestUndoneTwice: the second of two rollbacks takes the push before away, which was
// live again since the first.
func TestUndoneTwice(t *testing.T) {
	var tally Tally
	for i, back := range []bool{false, false, true, true} {
		tally.Add(day(20).Add(time.Duration(i)*time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Back: back, Spent: Spent{Flip: time.Minute}}, lastStage)
	}
	s := tally.Stats(Question{To: day(20).Add(5 * time.Hour), Days: 1})
	if s.Tried != (Rollouts{All: 2, RolledBack: 2}) || s.Restore != (Quantiles{N: 2, P50: time.Hour, P80: 61 * time.Minute, P95: 61 * time.Minute}) {
		t.Errorf("%+v, restored %v", s.Tried, s.Restore)
	}
}

// TestForecast: a wait is told from three cycles on, grows with the trains in front,
// and becomes shorter while the head's cycle passes.
func TestForecast(t *testing.T) {
	var tally Tally
	for i := range 3 {
		if _, ok := tally.Forecast(day(20), "web", 1); ok {
			t.Errorf("a wait is told after %d cycles", i)
		}
		pushed(&tally, day(15+i), "web", 0, 10*time.Minute, time.Duration(i)*5*time.Minute, "alice")
	}
	w, ok := tally.Forecast(day(20), "web", 2)
	if !ok || w.Low < 20*time.Minute || w.Low > 30*time.Minute || w.High < 30*time.Minute || w.High > 40*time.Minute {
		t.Errorf("two trains of 10, 15 or 20 min in front: %v (%v)", w, ok)
	}
	if again, _ := tally.Forecast(day(20), "web", 2); again != w {
		t.Errorf("told twice: %v and %v", w, again)
	}
	if _, ok := tally.Forecast(day(20), "config", 1); ok {
		t.Error("the cycles of web tell a wait for config")
	}
	if _, ok := tally.Forecast(day(20).AddDate(0, 2, 0), "web", 1); ok {
		t.Error("cycles of two months ago tell a wait")
	}
	tally.Add(day(20), Up{Train: 7, Stacks: []string{"web"}}, lastStage)
	if w, _ := tally.Forecast(day(20).Add(16*time.Minute), "web", 1); w != (Wait{4 * time.Minute, 4 * time.Minute}) {
		t.Errorf("16 min of a cycle that is 20 min have passed: %v", w)
	}
	if w, _ := tally.Forecast(day(20).Add(30*time.Minute), "web", 1); w.High <= 10*time.Minute || w.High > 30*time.Minute {
		t.Errorf("a train that is up for longer than any: %v", w)
	}
}

// TestClosingTime: no wait is told outside of the hours, and one that was told before is not held to it.
func TestClosingTime(t *testing.T) {
	var tally Tally
	for i := range 3 {
		pushed(&tally, day(15+i), "web", 0, 10*time.Minute, 0, "alice")
	}
	tally.Add(day(20), Boarded{Stack: "web", Train: 50, Place: 1, Size: 1}, lastStage)
	if len(tally.told) != 1 {
		t.Fatal("nothing was told")
	}
	tally.Add(day(20).Add(time.Minute), Closing{Hours: Hours{Closed: true}}, lastStage)
	tally.Add(day(20).Add(2*time.Minute), Boarded{Stack: "web", Train: 51, Place: 1, Size: 1, Shut: true}, lastStage)
	for _, train := range []int{50, 51} {
		tally.Add(day(21), Up{Train: train, Stacks: []string{"web"}}, lastStage)
	}
	if told := tally.Stats(Question{To: day(21), Days: 7}).Told; told.All != 0 {
		t.Errorf("%+v", told)
	}
}

// TestHotfixes: what was said counts, by stack and by who said it, also after a restart.
func TestHotfixes(t *testing.T) {
	var tally Tally
	tally.Add(day(20), Hotfixed{Nick: "alice", Stack: "web", Train: 1}, lastStage)
	tally.Add(day(21), Hotfixed{Nick: "bob", Stack: "config", Train: 2}, lastStage)
	tally.Add(day(21), Hotfixed{Nick: "alice", Stack: "config", Train: 3}, lastStage)
	again := saveAndRestore(t, &tally, map[int][]byte{})
	for _, c := range []struct {
		q    Question
		want int
	}{
		{Question{Days: 7}, 3}, {Question{Days: 1}, 2}, {Question{Days: 7, Stack: "web"}, 1}, {Question{Days: 7, Nick: "ALICE"}, 2},
		{Question{Days: 1, Nick: "alice", Stack: "web"}, 0},
	} {
		c.q.To = day(21).Add(time.Hour)
		if got := again.Stats(c.q); got.Hotfix != c.want {
			t.Errorf("%+v: %d hotfixes, want %d", c.q, got.Hotfix, c.want)
		}
	}
	if s := again.Stats(Question{To: day(21).Add(time.Hour), Days: 7, Open: time.Hour, Cap: 8}); s.Capacity().Demand != 1+2 {
		t.Errorf("hotfixes take seats: %v were asked for", s.Capacity().Demand)
	}
}

// TestRidersTwice: who joins a train that is up has waited once, for no time.
func TestRidersTwice(t *testing.T) {
	var tally Tally
	seats := []Seat{{"alice", day(20)}, {"bob", day(20).Add(time.Minute)}}
	tally.Add(day(20), Up{Train: 1, Riders: seats[:1], Fresh: []string{"alice"}, Stacks: []string{"web"}}, lastStage)
	tally.Add(day(20).Add(time.Minute), Up{Train: 1, Riders: seats, Fresh: []string{"bob"}, Stacks: []string{"web"}, Again: true}, lastStage)
	seats[0].Nick = "alice_" // she has another nick now
	tally.Add(day(20).Add(time.Hour), Over{Train: 1, Stacks: []string{"web"}, Riders: seats}, lastStage)
	s := tally.Stats(Question{To: day(20).Add(time.Hour), Days: 1})
	if s.Wait != (Quantiles{N: 2}) {
		t.Errorf("waits %v, want two of no time", s.Wait)
	}
}

// TestFromShell: a push from the shell has no riders, and a train's way does not give it some.
func TestFromShell(t *testing.T) {
	var tally Tally
	tally.Add(day(20), Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Driver: "root"}, lastStage)
	pushed(&tally, day(20).Add(time.Hour), "web", 0, 10*time.Minute, time.Minute, "alice", "bob", "carol")
	tally.Add(day(20).Add(2*time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Driver: "root"}, lastStage)
	if s := tally.Stats(Question{To: day(20).Add(3 * time.Hour), Days: 1}); s.Pushes != 3 || s.Riders != 3 {
		t.Errorf("%d pushes, %v riders a train, want 3 and 3", s.Pushes, s.Riders)
	}
}

// TestQuantiles: each is a value of the set that at least so many percent do not
// exceed, and of which less than that lie below it.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 60).Draw(t, "d")
		var all []time.Duration
		for _, n := range d {
			all = append(all, time.Duration(n))
		}
		q := quantiles(slices.Clone(all))
		for p, v := range map[int]time.Duration{50: q.P50, 80: q.P80, 95: q.P95} {
			upTo, below := 0, 0
			for _, x := range all {
				if x <= v {
					upTo++
				}
				if x < v {
					below++
				}
			}
			if upTo == below || upTo*100 < p*len(all) || below*100 >= p*len(all) {
				t.Fatalf("p%d of %v is %v", p, all, v)
			}
		}
	})
}

// TestStatsJSON: names are snake_case, and a duration's says that it is in seconds.
func TestStatsJSON(t *testing.T) {
	var tally Tally
	pushed(&tally, day(20), "web", time.Minute, 10*time.Minute, 90*time.Second, "alice")
	out, err := json.Marshal(tally.Stats(Question{To: day(20).Add(time.Hour), Days: 1, Open: 8 * time.Hour, Cap: 8}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"wait":{"count":1,"p50_seconds":60,`, `"cycle":{"count":1,"p50_seconds":690,`, `"watch_mean_seconds":90`, `"idle_driver_mean_seconds":0`,
		`"open_seconds_per_day":28800`, `"median_cycle_seconds":690`, `"rollouts":{"ended":2,"done":2,"aborted":0,"rolled_back":0}`,
		`"stages":[{"stack":"web","stage":"princess","ended":1,`, `"pushes_by_day":[1]`, `"drivers":[{"nick":"alice","pushes":1}]`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
	if strings.ToLower(string(out)) != strings.ReplaceAll(string(out), "T", "t") && strings.ContainsAny(string(out), "ABCDEFGHIJKLMNOPQRS") {
		t.Errorf("a name has capitals: %s", out)
	}
}
