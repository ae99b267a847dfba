package sim

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pushtrain/deploy"
)

var (
	count = flag.Uint64("seeds", 2_000, "seeds that TestSeeds runs")
	first = flag.Uint64("seed", 1, "the first of them; with -seeds 1 its story is printed")
	bug   = flag.String("bug", "", "a bug to plant in TestSeeds")
)

// TestSeeds runs the core through so many worlds. What it prints of a seed that
// fails is what happened, in order; -seed N -seeds 1 -v prints it again.
func TestSeeds(t *testing.T) {
	if *count == 1 && testing.Verbose() {
		fmt.Println(Trace(*first, Bug(*bug)))
	}
	var next atomic.Uint64
	var mu sync.Mutex
	var workers sync.WaitGroup
	sum := Report{Outcomes: map[deploy.State]int{}, Faults: map[string]int{}}
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for n := next.Add(1); n <= *count && !t.Failed(); n = next.Add(1) {
				r, err := Run(*first+n-1, Bug(*bug))
				mu.Lock()
				sum.Events += r.Events
				for k, v := range r.Outcomes {
					sum.Outcomes[k] += v
				}
				for k, v := range r.Faults {
					sum.Faults[k] += v
				}
				mu.Unlock()
				if err != nil {
					story := err.(*Violation).Trace
					t.Errorf("%v\n%s", err, strings.Join(story, "\n"))
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d seeds, %d events, outcomes %v, faults %v", *count, sum.Events, sum.Outcomes, sum.Faults)
	if *count < 1_000 || t.Failed() {
		return
	}
	for _, s := range []deploy.State{deploy.Done, deploy.Degraded, deploy.Aborted, deploy.RolledBack, deploy.Stuck} {
		if sum.Outcomes[s] == 0 {
			t.Errorf("no rollout ended %s: the worlds are too kind", s)
		}
	}
}

// TestBugs proves the checks: each planted bug breaks an invariant in one of the first seeds.
func TestBugs(t *testing.T) {
	for _, bug := range Bugs {
		t.Run(string(bug), func(t *testing.T) {
			t.Parallel()
			const most = 3_000
			for seed := uint64(1); seed <= most; seed++ {
				if _, err := Find(seed, bug); err != nil {
					t.Logf("%v", err)
					return
				}
			}
			t.Errorf("%d seeds do not find it", most)
		})
	}
}

// TestSame holds Run to being a function of its seed.
func TestSame(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		once, again := Trace(seed, ""), Trace(seed, "")
		if once != again || once == "" {
			t.Fatalf("seed %d has two stories", seed)
		}
	}
}
