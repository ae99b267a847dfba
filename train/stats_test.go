package train

import (
	"slices"
	"testing"
	"time"
)

// lastStage is that of the stacks in these tests.
func lastStage(stack, stage string) bool { return stage == "prod" }

// day is a morning at 10:00.
func day(n int) time.Time { return time.Date(2013, 11, n, 10, 0, 0, 0, time.UTC) }

// pushed adds a train's way to t: joined at from, up after wait, live after ride, over after watch.
func pushed(t *Tally, from time.Time, stack string, wait, ride, watch time.Duration, riders ...string) {
	var seats []Seat
	for _, nick := range riders {
		seats = append(seats, Seat{Nick: nick, Joined: from})
	}
	stacks := []string{stack}
	up := from.Add(wait)
	live := up.Add(ride)
	t.Add(up, Up{Train: 1, Riders: seats, Fresh: riders, Stacks: stacks}, lastStage)
	t.Add(up.Add(ride/2), Landed{Train: 1, Stack: stack, Stage: "princess", Outcome: OutDone}, lastStage)
	t.Add(up.Add(ride/2), Arrived{Train: 1, Stage: "princess", Stacks: stacks, Riders: seats, Next: "prod"}, lastStage)
	t.Add(live, Landed{Train: 1, Stack: stack, Stage: "prod", Outcome: OutDone, Shipment: Shipment{Release: "c0ffee"}, Driver: riders[0]}, lastStage)
	t.Add(live, Arrived{Train: 1, Stage: "prod", Stacks: stacks, Riders: seats}, lastStage)
	t.Add(live.Add(watch), Over{Train: 1, Stacks: stacks, Stage: "prod", Riders: seats, Up: up}, lastStage)
}

// TestTally checks each definition of Tally's comment on a journal made by hand.
func TestTally(t *testing.T) {
	var tally Tally
	min := time.Minute
	pushed(&tally, day(20), "web", 0, 10*min, 5*min, "alice", "bob")             // cycle 15 min
	pushed(&tally, day(22), "web", 30*min, 20*min, 10*min, "alice")              // cycle 30 min
	pushed(&tally, day(22).Add(time.Hour), "config", 10*min, 4*min, min, "dave") // cycle 5 min
	pushed(&tally, day(23), "web", 2*min, 10*min, 5*min, "carol", "dave", "erin")
	// None of these is a push.
	tally.Add(day(23).Add(time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Back: true}, lastStage)
	tally.Add(day(23).Add(time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutAborted}, lastStage)
	tally.Add(day(23).Add(time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutRolledBack}, lastStage)
	tally.Add(day(23).Add(time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutStuck}, lastStage)
	// And this is no cycle: the train gave up before its last stage.
	tally.Add(day(23).Add(time.Hour), Over{Stacks: []string{"web"}, Stage: "princess", Up: day(23)}, lastStage)

	now := day(23).Add(8 * time.Hour)
	s := tally.Stats(now, 7, "", 8*time.Hour, 8)
	if s.Pushes != 4 || s.Today != 1 {
		t.Errorf("%d pushes, %d today, want 4 and 1", s.Pushes, s.Today)
	}
	if want := []int{0, 0, 0, 1, 0, 2, 1}; !slices.Equal(s.Days, want) {
		t.Errorf("pushes by day %v, want %v", s.Days, want)
	}
	if want := 4.0 / 3; s.PerDay != want {
		t.Errorf("%v pushes a day, want %v: days without any do not count", s.PerDay, want)
	}
	if want := (2 + 1 + 1 + 3) / 4.0; s.Riders != want {
		t.Errorf("%v riders a push, want %v", s.Riders, want)
	}
	// Waits of riders: 0, 0, 30, 10, 2, 2, 2 min; to live: 10, 10, 50, 14, 12, 12, 12.
	if want := (Quantiles{N: 7, P50: 2 * min, P80: 10 * min}); s.Wait != want {
		t.Errorf("wait %v, want %v", s.Wait, want)
	}
	if want := (Quantiles{N: 7, P50: 12 * min, P80: 14 * min}); s.Live != want {
		t.Errorf("to live %v, want %v", s.Live, want)
	}
	if want := (Quantiles{N: 4, P50: 15 * min, P80: 30 * min}); s.Cycle != want {
		t.Errorf("cycle %v, want %v", s.Cycle, want)
	}
	if s.DeploysDay != 32 || s.Capacity != 256 { // the talk: 15 min a deploy, 32 deploys in 8 hours
		t.Errorf("%d deploys and %d riders a day, want 32 and 256", s.DeploysDay, s.Capacity)
	}

	one := tally.Stats(now, 7, "config", 8*time.Hour, 8)
	if one.Pushes != 1 || one.Cycle != (Quantiles{N: 1, P50: 5 * min, P80: 5 * min}) || one.Wait.N != 1 {
		t.Errorf("config alone: %d pushes, cycle %v, %d waits", one.Pushes, one.Cycle, one.Wait.N)
	}
	if short := tally.Stats(now, 1, "", 8*time.Hour, 8); short.Pushes != 1 || len(short.Days) != 1 || short.Cycle.N != 1 {
		t.Errorf("today alone: %+v", short)
	}
	if none := (&Tally{}).Stats(now, 7, "", 8*time.Hour, 8); none.Pushes != 0 || none.PerDay != 0 || none.Capacity != 0 {
		t.Errorf("an empty tally: %+v", none)
	}
}

// TestTallyWait: a wait is told from three cycles on, and grows with the trains in front.
func TestTallyWait(t *testing.T) {
	var tally Tally
	for i := range 3 {
		if _, _, ok := tally.Wait(day(20), 1); ok {
			t.Errorf("a wait is told after %d cycles", i)
		}
		pushed(&tally, day(15+i), "web", 0, 10*time.Minute, time.Duration(i)*5*time.Minute, "alice")
	}
	p50, p80, ok := tally.Wait(day(20), 2)
	if !ok || p50 != 30*time.Minute || p80 != 40*time.Minute {
		t.Errorf("two trains in front: %v to %v (%v), want 30 and 40 min", p50, p80, ok)
	}
	if _, _, ok := tally.Wait(day(20).AddDate(0, 2, 0), 1); ok {
		t.Error("cycles of two months ago tell a wait")
	}
}

// TestTallyRidersTwice: who joins a train that is up has waited once, for no time.
func TestTallyRidersTwice(t *testing.T) {
	var tally Tally
	seats := []Seat{{"alice", day(20)}, {"bob", day(20).Add(time.Minute)}}
	tally.Add(day(20), Up{Riders: seats[:1], Fresh: []string{"alice"}, Stacks: []string{"web"}}, lastStage)
	tally.Add(day(20).Add(time.Minute), Up{Riders: seats, Fresh: []string{"bob"}, Stacks: []string{"web"}, Again: true}, lastStage)
	if s := tally.Stats(day(20).Add(time.Hour), 1, "", time.Hour, 8); s.Wait != (Quantiles{N: 2}) {
		t.Errorf("waits %v, want two of no time", s.Wait)
	}
}

// TestTallyForgets: it holds 90 days.
func TestTallyForgets(t *testing.T) {
	var tally Tally
	for n := range 200 {
		pushed(&tally, day(1).AddDate(0, 0, n), "web", time.Minute, time.Minute, time.Minute, "alice")
	}
	for name, n := range map[string]int{"pushes": len(tally.pushes), "waits": len(tally.waits), "lives": len(tally.lives), "cycles": len(tally.cycles)} {
		if n > 91 {
			t.Errorf("%d %s are kept of 200 days", n, name)
		}
	}
}

// TestTallyShell: a push from the shell has no riders, and a train's way does not give it some.
func TestTallyShell(t *testing.T) {
	var tally Tally
	tally.Add(day(20), Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Driver: "root"}, lastStage)
	pushed(&tally, day(20).Add(time.Hour), "web", 0, 10*time.Minute, time.Minute, "alice", "bob", "carol")
	tally.Add(day(20).Add(2*time.Hour), Landed{Stack: "web", Stage: "prod", Outcome: OutDone, Driver: "root"}, lastStage)
	if s := tally.Stats(day(20).Add(3*time.Hour), 1, "", time.Hour, 8); s.Pushes != 3 || s.Riders != 3 || tally.pushes[0].Riders != 0 {
		t.Errorf("%d pushes, %v riders a train, %d riders of the shell, want 3, 3 and none", s.Pushes, s.Riders, tally.pushes[0].Riders)
	}
}
