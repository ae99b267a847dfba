package fleet

import "time"

// drift is how much a second of two machines' clocks differs at most, as a part of it.
const drift = 100e-6

// clock knows how far another clock is ahead of ours, within bounds. An answer is
// heard after it was given, and a request before it is answered: each such pair is
// a bound, and the tightest of either kind may come from another pair.
// The zero value knows nothing.
type clock struct {
	low, high time.Duration // how far the other is ahead, at
	at        time.Duration // our clock; 0 = nothing is known
}

// hear takes a request that was sent when our clock showed sent, was heard and
// answered when the other showed heard and told, and whose answer was here when
// ours showed got.
func (c *clock) hear(sent, heard, told, got time.Duration) {
	low, high := told-got, heard-sent
	if low > high || told < heard || told <= 0 {
		return // it does not say, or it lies
	}
	apart := time.Duration(drift * float64(got-c.at))
	if known := c.at > 0; known && max(low, c.low-apart) <= min(high, c.high+apart) {
		low, high = max(low, c.low-apart), min(high, c.high+apart)
	}
	c.low, c.high, c.at = low, high, got
}

// there is what the other clock shows when ours shows here; 0 = nobody knows.
func (c *clock) there(here time.Duration) time.Duration {
	if c.at == 0 {
		return 0
	}
	return here + (c.low+c.high)/2
}
