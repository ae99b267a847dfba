package model

import (
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// lane is open for 8 hours.
func lane(days int, riders float64, cap int, w Way) Params {
	return Params{Lanes: []Lane{{Name: "web", Riders: Flat(riders, 9, 17), Way: w}}, Cap: cap, Open: 9, Close: 17, Days: days, Seed: 7}
}

// TestArithmetic: with always somebody waiting, 15 min a deploy are 32 in 8 hours, and 256 riders.
func TestArithmetic(t *testing.T) {
	all, _ := Run(lane(50, 400, 8, Way{Copy: 15 * time.Minute}))
	if math.Round(all.Trains) != 32 || math.Round(all.Riders) != 256 || all.Trains > 32 {
		t.Errorf("%v trains, %v riders a day, want 32 and 256", all.Trains, all.Riders)
	}
	if !all.Overloaded() {
		t.Error("400 came where 256 can go, and it is not overloaded")
	}
}

// TestQueueTheory: with one rider a train it is a queue whose mean wait is known:
// S·ρ/2(1-ρ) when each takes S, S·ρ/(1-ρ) when the time is exponential.
func TestQueueTheory(t *testing.T) {
	const riders, s = 60.0, 6 * time.Minute // ρ = 60 × 6 / 480
	rho := riders * s.Hours() / 8
	for name, c := range map[string]struct {
		way  Way
		want float64
	}{
		"M/D/1": {Way{Copy: s}, float64(s) * rho / 2 / (1 - rho)},
		"M/M/1": {Way{Vote: s}, float64(s) * rho / (1 - rho)},
	} {
		all, _ := Run(lane(4000, riders, 1, c.way))
		if got := float64(all.Wait.Mean); math.Abs(got/c.want-1) > 0.05 {
			t.Errorf("%s: the mean wait is %v, want %v", name, all.Wait.Mean, time.Duration(c.want))
		}
		if got := all.Live.Mean - all.Wait.Mean; math.Abs(float64(got)/float64(s)-1) > 0.05 {
			t.Errorf("%s: served in %v, want %v", name, got, s)
		}
	}
}

// TestFailures: of a train of 8 whose changes fail with 10 %, 1-0.9^8 fail at least once.
func TestFailures(t *testing.T) {
	w := Way{Idle: time.Minute, Build: time.Minute, Fail: 0.1, Found: 1, Fix: time.Minute}
	all, _ := Run(lane(300, 4000, 8, w))
	if want := 1 - math.Pow(0.9, 8); math.Abs(all.Failed-want) > 0.02 || all.PerTrain != 8 {
		t.Errorf("%v of trains of %v fail, want %v", all.Failed, all.PerTrain, want)
	}
	// With nobody found a train that fails ships nothing.
	w.Found = 0
	all, _ = Run(lane(300, 4000, 8, w))
	if want := 8 * math.Pow(0.9, 8) * all.Trains; math.Abs(all.Riders/want-1) > 0.02 {
		t.Errorf("%v riders a day, want %v", all.Riders, want)
	}
}

// TestInvariants: nobody is lost or shipped twice, no train is over its cap, nobody is
// live before being up, and the same seed says the same.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Default()
		w.Fail, w.Bad, w.Found = rapid.Float64Range(0, 0.5).Draw(t, "fail"), rapid.Float64Range(0, 0.3).Draw(t, "bad"), rapid.Float64Range(0, 1).Draw(t, "found")
		p := lane(rapid.IntRange(1, 10).Draw(t, "days"), rapid.Float64Range(1, 400).Draw(t, "riders"), rapid.IntRange(1, 16).Draw(t, "cap"), w)
		p.Seed = rapid.Uint64().Draw(t, "seed")
		r := &run{Params: p, lane: p.Lanes[0], come: random(p.Seed), random: random(^p.Seed)}
		r.Days *= 10 // so that a day is warm-up, and then
		r.Params.Days = r.Days
		r.play()
		waiting := len(r.again)
		for _, c := range r.queue {
			waiting += len(c.riders)
			if len(c.riders) > p.Cap {
				t.Fatalf("a train of %d", len(c.riders))
			}
		}
		c := r.counted
		if len(c.live) != c.riders {
			t.Fatalf("%d riders went live, and %d times are known", c.riders, len(c.live))
		}
		before := c.riders + waiting - c.came // who came in the warm-up and are counted later
		if most := int(3 * p.Lanes[0].Riders[9] * r.warm().Hours()); before < -p.Cap || before > most+50 {
			t.Fatalf("%d came, %d went live, %d wait", c.came, c.riders, waiting)
		}
		for _, d := range append(c.wait, c.live...) {
			if d < 0 {
				t.Fatalf("a time of %v", d)
			}
		}
		a, _ := Run(p)
		b, _ := Run(p)
		if !reflect.DeepEqual(a, b) {
			t.Fatal("the same seed says other things")
		}
	})
}

// TestPast: a lane that is drawn from its past has that past's cycles.
func TestPast(t *testing.T) {
	p := lane(200, 100, 8, Way{})
	p.Lanes[0].Past = []Past{{Took: 10 * time.Minute, Live: 8 * time.Minute}, {Took: 20 * time.Minute, Live: 15 * time.Minute}, {Took: 5 * time.Minute}}
	all, _ := Run(p)
	if all.Cycle.P50 != 10*time.Minute || all.Cycle.P95 != 20*time.Minute || math.Abs(all.Failed-1.0/3) > 0.03 {
		t.Errorf("cycles %+v, %v ship nothing", all.Cycle, all.Failed)
	}
	if got := (Past{Took: 10 * time.Minute, Live: 8 * time.Minute}).Shorter(3 * time.Minute); got != (Past{Took: 7 * time.Minute, Live: 5 * time.Minute}) {
		t.Errorf("3 min shorter: %+v", got)
	}
}

// TestKnee: what knee means.
func TestKnee(t *testing.T) {
	at := func(minutes int, riders float64) Result {
		return Result{Riders: riders, Live: Spread{P50: time.Duration(minutes) * time.Minute}}
	}
	if k := Knee([]Result{at(1, 50), at(60, 100), at(24, 99.5), at(19, 100), at(20, 100)}); k != 3 {
		t.Errorf("the knee is %d, want 3: as many as any, and 5 min from the best", k)
	}
}

// TestLoads: Flat and Busy bring as many riders as they are told to, in open hours alone.
func TestLoads(t *testing.T) {
	for _, load := range [][24]float64{Flat(200, 9, 17), Busy(200, 9, 17), Busy(200, 0, 24), Busy(200, 7, 10)} {
		sum := 0.0
		for _, n := range load {
			sum += n
		}
		if math.Abs(sum-200) > 1e-9 {
			t.Errorf("%v riders come: %v", sum, load)
		}
	}
	if l := Busy(200, 9, 17); l[8] != 0 || l[17] != 0 {
		t.Errorf("somebody comes while it is closed: %v", l)
	}
}
