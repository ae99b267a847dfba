package fleet

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// What is known of another clock is never wrong, however long requests and answers
// are on their way, and it is as good as the quickest of either.
func TestClock(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ahead, rate := time.Duration(rng.Int64N(int64(time.Hour))), 1+(2*rng.Float64()-1)*drift
		there := func(here time.Duration) time.Duration { return ahead + time.Duration(float64(here)*rate) }
		delay := func() time.Duration { return time.Duration(rng.Int64N(int64(30 * time.Millisecond))) }
		var c clock
		if c.there(time.Second) != 0 {
			t.Fatal("a clock that was never heard of is known")
		}
		now, quickTo, quickBack := time.Second, time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
		for n := range 50 {
			to, work, back := delay(), 10*delay(), delay()
			c.hear(now, there(now+to), there(now+to+work), now+to+work+back)
			now += to + work + back
			quickTo, quickBack = min(quickTo, to), min(quickBack, back)
			if is := there(now) - now; is < c.low || is > c.high {
				t.Fatalf("seed %d, answer %d: it is %v ahead, which is not from %v to %v", seed, n, is, c.low, c.high)
			}
			aged := time.Duration(2 * drift * float64(now))
			if off := c.there(now) - there(now); off.Abs() > (quickTo+quickBack)/2+aged {
				t.Fatalf("seed %d, answer %d: %v off, with %v there and %v back", seed, n, off, quickTo, quickBack)
			}
		}
		c.hear(now, -1, -1, now+1)
		c.hear(now, 5, 1, now+1)
		if now++; there(now)-now < c.low || there(now)-now > c.high {
			t.Fatalf("seed %d: a lie was taken for a clock", seed)
		}
		ahead += time.Hour // it was stopped, or somebody else answers
		if c.hear(now, there(now+1), there(now+1), now+2); (c.there(now) - there(now)).Abs() > time.Microsecond {
			t.Fatalf("seed %d: a clock that has jumped is %v off", seed, c.there(now)-there(now))
		}
	}
}
